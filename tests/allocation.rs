//! Law L3 and L9, with an allocator that counts: what allocates, what does not, and how much an idle connection holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use allocation_counter::{AllocationInfo, measure};
use common::*;
use sockless::buffer::{ReadBuffer, SharedBytes, SliceOutput, Storage, WriteBuffer};
use sockless::connection::{ChunkEvent, Connection, PreparedMessage, Role};
use sockless::frame::MessageKind;
use sockless::limits::Limits;
use sockless::message::Event;

/// Nothing was allocated, not even for a moment.
fn assert_nothing(info: &AllocationInfo, what: &str) {
    assert_eq!((info.count_total, info.bytes_total), (0, 0), "{what} allocates");
}

fn lifted() -> Limits {
    Limits::default()
        .with_max_frame_len(u64::MAX)
        .with_max_message_len(u64::MAX)
}

/// A mixed session of whole and fragmented messages, pings, and a Close; its replies fit `MEMORY` bytes.
fn session<R: Role>() -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..4 {
        bytes.extend(from_peer::<R>(FIN | TEXT, "whole text €".as_bytes()));
        bytes.extend(from_peer::<R>(FIN | BIN, &[1; 3000]));
        bytes.extend(from_peer::<R>(TEXT, b"cut \xe2\x82"));
        bytes.extend(from_peer::<R>(PING, &[2; 125]));
        bytes.extend(from_peer::<R>(FIN | CONT, b"\xac"));
        bytes.extend(from_peer::<R>(PONG, b""));
        bytes.extend(from_peer::<R>(FIN | BIN, &[3; 70_000]));
    }
    bytes.extend(from_peer::<R>(CLOSE, &close_body(1000, "bye")));
    bytes
}

const MEMORY: usize = 1 << 17;

/// The counter counts: otherwise nothing here could fail.
#[test]
fn the_allocator_counts() {
    let info = measure(|| {
        let boxed = std::hint::black_box(vec![0_u8; 1000]);
        drop(boxed);
    });
    assert_eq!((info.count_total, info.bytes_total, info.bytes_current), (1, 1000, 0));
}

/// The streaming level never allocates: a whole session, in pieces of every sort, answered into a fixed slice.
fn streaming_level<R: Role>(role: fn() -> R) {
    let bytes = session::<R>();
    for piece in [1, 2, 7, 1000, bytes.len()] {
        let mut copy = bytes.clone();
        let mut memory = vec![0; MEMORY];
        let mut messages = 0;
        let info = measure(|| {
            let mut ws = Connection::new(role(), &Limits::default());
            let mut out = SliceOutput::new(&mut memory);
            for mut input in copy.chunks_mut(piece) {
                while let Some((event, mut tx)) = ws.receive_chunk(&mut input, &mut out).unwrap() {
                    let end = match event {
                        ChunkEvent::Text(text) => text.message_end,
                        ChunkEvent::Binary(data) => data.message_end,
                        _ => false,
                    };
                    if end {
                        messages += 1;
                        tx.text("got it").unwrap();
                    }
                }
            }
            ws.end_of_stream();
        });
        assert_eq!(messages, 16);
        assert_nothing(&info, "the streaming level");
    }
}

/// Receives a session at the message level, as many bytes at a time as there are in a piece, and answers each message.
fn receive_all<R: Role, S: Storage>(role: R, input: &mut ReadBuffer<S>, bytes: &[u8], piece: usize) -> usize {
    let mut ws = Connection::new(role, &Limits::default());
    let mut memory = [0; 4096];
    let mut out = SliceOutput::new(&mut memory);
    let mut messages = 0;
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            piece = &piece[read(input, piece)..];
            while let Some((event, mut tx)) = ws.receive(input, &mut out).unwrap() {
                if matches!(event, Event::Text(_) | Event::Binary(_)) {
                    messages += 1;
                    tx.text("got it").unwrap();
                }
            }
            out.consume(usize::MAX);
        }
    }
    messages
}

/// Nor does the message level over fixed memory: whole messages, fragments and all, need no allocator.
fn fixed_memory<R: Role>(role: fn() -> R) {
    let bytes = session::<R>();
    for piece in [1, 7, 1000, bytes.len()] {
        let mut memory = vec![0; 70_000 + 131];
        let mut messages = 0;
        let info = measure(|| {
            messages = receive_all(role(), &mut ReadBuffer::fixed(&mut memory[..]), &bytes, piece);
        });
        assert_eq!(messages, 16);
        assert_nothing(&info, "the message level over fixed memory");
    }
}

/// A buffer that has grown is used again: the second session, fragments and all, allocates nothing.
fn buffers_are_used_again<R: Role>(role: fn() -> R) {
    let bytes = session::<R>();
    for piece in [1000, 70_000, bytes.len()] {
        let mut input = ReadBuffer::with_capacity(64 << 10);
        let first = measure(|| _ = receive_all(role(), &mut input, &bytes, piece));
        assert!(first.count_total > 0, "the memory has to come from somewhere");
        let open = &bytes[..bytes.len() - from_peer::<R>(CLOSE, &close_body(1000, "bye")).len()];
        let info = measure(|| assert_eq!(receive_all(role(), &mut input, open, piece), 16));
        assert_nothing(&info, "a buffer that has grown");
    }
}

/// A message in one frame is handed out where it was read, whatever its length: receiving it allocates nothing more than
/// reading it does, and taking a long one by value nothing at all.
fn messages_in_one_frame<R: Role>(role: fn() -> R) {
    for len in [0, 125, 126, 5000, 65_535, 65_536, 1 << 20] {
        for first in [TEXT, BIN] {
            let bytes = from_peer::<R>(FIN | first, &vec![b'x'; len]);
            let mut ws = Connection::new(role(), &Limits::default());
            let mut out = SliceOutput::new(&mut []);
            let mut input = ReadBuffer::new();
            let mut rest = &bytes[..];
            let mut received = 0;
            while !rest.is_empty() {
                rest = &rest[read(&mut input, rest)..];
                let info = measure(|| received += usize::from(ws.receive(&mut input, &mut out).unwrap().is_some()));
                assert_nothing(&info, "receiving");
            }
            assert_eq!(received, 1);
            let mut taken = None;
            let info = measure(|| taken = input.take_binary());
            assert_eq!(taken.unwrap().len(), len);
            if len >= 65_535 {
                assert_nothing(&info, "a long message by value");
            } else {
                assert!(info.bytes_total <= len as u64);
            }
        }
    }
}

/// Sending allocates nothing of its own: parts, chunks, in place, by reference, prepared.
fn sending<R: Role>(role: fn() -> R) {
    let mut memory = vec![0; MEMORY];
    let mut payload = vec![b'x'; 10_000];
    let (news, shared) = (PreparedMessage::new("news").unwrap(), SharedBytes::new("shared"));
    let info = measure(|| {
        let mut out = SliceOutput::new(&mut memory);
        let mut ws = Connection::new(role(), &Limits::default());
        let mut tx = ws.tx(&mut out);
        tx.text("text").unwrap();
        tx.binary(&payload).unwrap();
        tx.part("part", false).unwrap();
        tx.ping(b"ping").unwrap();
        tx.part("part", true).unwrap();
        tx.begin_frame(MessageKind::Binary, 4, true).unwrap();
        tx.chunk(b"four").unwrap();
        tx.prepared(&news).unwrap();
        tx.shared(MessageKind::Text, &shared).unwrap();
        tx.in_place(MessageKind::Text, &mut payload, true).unwrap();
        assert!(ws.tx(&mut SliceOutput::new(&mut [])).text("x").is_err());
        ws.tx(&mut out).close(None, "").unwrap();
    });
    assert_nothing(&info, "sending");
}

/// A message for many is encoded once, and none of a server's outputs copies it.
#[test]
fn one_message_for_many() {
    let payload = vec![7; 1 << 20];
    let mut news = None;
    let info = measure(|| news = Some(PreparedMessage::new(&payload).unwrap()));
    assert!(info.bytes_total <= (1 << 20) + 200, "{} bytes", info.bytes_total);
    let news = news.unwrap();
    let mut clients: Vec<_> = (0..100)
        .map(|_| (Connection::new(server(), &Limits::default()), WriteBuffer::new()))
        .collect();
    let info = measure(|| {
        for (ws, out) in &mut clients {
            ws.tx(out).prepared(&news).unwrap();
        }
    });
    assert!(
        info.bytes_total <= 100 * 1024,
        "{} bytes for 100 receivers",
        info.bytes_total
    );
}

/// A header that declares 2^62 bytes allocates nothing, at either level, with the limits lifted; nor does a first byte.
/// The space for the next read is as long as any other.
fn declared_length<R: Role>(role: fn() -> R) {
    for first in [FIN | TEXT, FIN | BIN, BIN] {
        let header = head(first, peer_key::<R>(), 1 << 62);
        for piece in [1, header.len()] {
            let mut copy = header.clone();
            let info = measure(|| {
                let mut ws = Connection::new(role(), &lifted());
                let mut out = SliceOutput::new(&mut []);
                for mut input in copy.chunks_mut(piece) {
                    assert!(ws.receive_chunk(&mut input, &mut out).unwrap().is_none());
                }
            });
            assert_nothing(&info, "a declared length at the streaming level");
            let mut input = ReadBuffer::new();
            let mut ws = Connection::new(role(), &lifted());
            let mut out = SliceOutput::new(&mut []);
            let is_fast = size_of::<usize>() == 8;
            let info = measure(|| {
                for piece in header.chunks(piece) {
                    read(&mut input, piece);
                    let received = ws.receive(&mut input, &mut out);
                    // 2^62 bytes fit no memory of 32 bits, which is refused at once.
                    assert!(matches!(received, Ok(None)) || !is_fast);
                }
                assert!(input.space().len() <= 8 << 10);
            });
            assert!(info.bytes_total <= 16 << 10, "{} bytes for a header", info.bytes_total);
        }
    }
}

/// What an open, idle connection holds: at most 256 bytes, of which none on the heap, at either level.
fn idle_connection<R: Role>(role: fn() -> R) {
    let mut kept = None;
    let mut out = [0; 64];
    // It has received and sent before it is idle.
    let mut ping = from_peer::<R>(PING, b"ping");
    let mut memory = vec![0; 64 << 10];
    let info = measure(|| {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = SliceOutput::new(&mut out);
        let mut held = ReadBuffer::new();
        held.lend(&mut memory);
        read(&mut held, &ping);
        while ws.receive(&mut held, &mut out).unwrap().is_some() {}
        held.take_back(&mut memory);
        let mut input = &mut ping[..];
        while ws.receive_chunk(&mut input, &mut out).unwrap().is_some() {}
        ws.tx(&mut out).text("Hello").unwrap();
        kept = Some((ws, held));
    });
    assert!(kept.is_some());
    assert_nothing(&info, "an idle connection");
    assert!(size_of::<Connection<R>>() <= 256);
}

both_roles!(
    streaming_level,
    fixed_memory,
    buffers_are_used_again,
    messages_in_one_frame,
    sending,
    declared_length,
    idle_connection,
);
