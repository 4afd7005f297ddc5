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
use sockless::buffered::BufferedConnection;
use sockless::connection::{Connection, Event, Role};
use sockless::frame::MessageKind;
use sockless::limits::Limits;
use sockless::message::{self, MessageConnection, MessageReceiver};
use sockless::buffer::SliceOutput;

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
                while let Some((event, tx)) = ws.receive(&mut input, &mut out).unwrap() {
                    let end = match event {
                        Event::Text(text) => text.message_end,
                        Event::Binary(data) => data.message_end,
                        Event::Ping(_) | Event::Pong(_) | Event::Close(_) => false,
                    };
                    if end {
                        messages += 1;
                        sender.tx(&mut out).text("got it").unwrap();
                    }
                }
            }
            assert!(ws.end_of_stream().is_none());
        });
        assert_eq!(messages, 16);
        assert_nothing(&info, "the streaming level");
    }
}

/// Sending allocates nothing of its own: parts, chunks, in place, prepared.
fn sending<R: Role>(role: fn() -> R) {
    let mut memory = vec![0; MEMORY];
    let mut payload = vec![b'x'; 10_000];
    let info = measure(|| {
        let mut out = SliceOutput::new(&mut memory);
        let mut ws = Connection::new(role(), &Limits::default());
        let tx = ws.sender();
        sender.tx(&mut out).text("text").unwrap();
        sender.tx(&mut out).binary(&payload).unwrap();
        sender.tx(&mut out).part("part", false).unwrap();
        sender.tx(&mut out).ping(b"ping").unwrap();
        sender.tx(&mut out).part("part", true).unwrap();
        sender.tx(&mut out).begin_frame(MessageKind::Binary, 4, true).unwrap();
        sender.tx(&mut out).chunk(b"four").unwrap();
        tx.frame_in_place(MessageKind::Text, &mut payload, true).unwrap();
        assert!(sender.tx(&mut SliceOutput::new(&mut [])).text("x").is_err());
        sender.tx(&mut out).close(None, "").unwrap();
    });
    assert_nothing(&info, "sending");
}

/// At the message level a message that lies whole in the input is handed out from there, echo included.
fn whole_frames_at_the_message_level<R: Role>(role: fn() -> R) {
    let mut bytes = Vec::new();
    for len in [0, 1, 125, 126, 5000, 65_535, 65_536, 200_000] {
        bytes.extend(from_peer::<R>(FIN | TEXT, &vec![b'x'; len]));
        bytes.extend(from_peer::<R>(PING, b"ping"));
        bytes.extend(from_peer::<R>(FIN | BIN, &vec![0xff; len]));
    }
    let mut memory = vec![0; 1 << 20];
    let mut messages = 0;
    let info = measure(|| {
        let mut ws = MessageConnection::new(Connection::new(role(), &Limits::default()));
        let mut out = SliceOutput::new(&mut memory);
        let mut input = &mut bytes[..];
        while let Some((event, tx)) = ws.receive(&mut input, &mut out).unwrap() {
            match event {
                message::Event::Text(text) => sender.tx(&mut out).text(text).unwrap(),
                message::Event::Binary(data) => sender.tx(&mut out).binary(data).unwrap(),
                message::Event::Ping(_) | message::Event::Pong(_) | message::Event::Close(_) => continue,
            }
            messages += 1;
        }
        assert_eq!(ws.assembly_capacity(), 0);
    });
    assert_eq!(messages, 16);
    assert_nothing(&info, "a whole frame at the message level");
}

/// The assembly buffer is kept: once it has grown, messages in pieces allocate nothing either, until it is given back.
fn assembly_buffer_is_reused<R: Role>(role: fn() -> R) {
    let mut ws = MessageConnection::new(Connection::new(role(), &Limits::default()));
    let mut out = Vec::new();
    let message = |first| {
        [
            from_peer::<R>(first, &[b'x'; 5000]),
            from_peer::<R>(FIN | CONT, &[b'y'; 5000]),
        ]
        .concat()
    };
    let mut receive = |ws: &mut MessageConnection<R>, first| {
        let mut bytes = message(first);
        let mut count = 0;
        let info = measure(|| {
            let mut input = &mut bytes[..];
            while ws.receive(&mut input, &mut out).unwrap().is_some() {
                count += 1;
            }
        });
        assert_eq!(count, 1);
        info
    };
    for first in [TEXT, BIN] {
        assert!(
            receive(&mut ws, first).count_total > 0,
            "the buffer has to come from somewhere"
        );
        for _ in 0..10 {
            assert_nothing(&receive(&mut ws, first), "a message in pieces, the second time");
        }
    }
    let held = ws.assembly_capacity();
    assert!((20_000..=4 * 10_000).contains(&held), "{held}");
    ws.shrink_to(0);
    assert_eq!(ws.assembly_capacity(), 0);
}

/// Memory of the assembly buffer is given back when asked to, by the receive half alone too; but not that of a message
/// under way.
fn assembly_buffer_is_given_back<R: Role>(role: fn() -> R) {
    let pieces = |first| {
        [
            from_peer::<R>(first, &[b'x'; 5000]),
            from_peer::<R>(FIN | CONT, &[b'y'; 5000]),
        ]
    };
    let mut ws = MessageConnection::new(Connection::new(role(), &Limits::default()));
    let mut out = Vec::new();
    for first in [TEXT, BIN] {
        let [mut start, mut end] = pieces(first);
        assert!(ws.receive(&mut &mut start[..], &mut out).unwrap().is_none());
        let held = ws.assembly_capacity();
        ws.shrink_to(0);
        assert_eq!(ws.assembly_capacity(), held);
        match ws.receive(&mut &mut end[..], &mut out).unwrap() {
            Some((message::Event::Text(text), _)) => assert_eq!((first, text.len()), (TEXT, 10_000)),
            Some((message::Event::Binary(data), _)) => assert_eq!((first, data.len()), (BIN, 10_000)),
            _ => panic!(),
        }
    }
    // One buffer for text and one for bytes, and what says how far they are filled.
    ws.shrink_to(6000);
    assert!((12_000..=12_000 + 128).contains(&ws.assembly_capacity()));

    let [mut start, mut end] = pieces(BIN);
    let mut kept = None;
    let info = measure(|| {
        let mut rx = MessageReceiver::<R>::new(&Limits::default());
        assert_eq!(rx.receive(&mut &mut start[..]), Ok(None));
        rx.shrink_to(0);
        assert!(
            matches!(rx.receive(&mut &mut end[..]), Ok(Some(message::Event::Binary(data))) if data.len() == 10_000)
        );
        rx.shrink_to(0);
        kept = Some(rx);
    });
    assert!(kept.is_some());
    assert_eq!(info.bytes_current, 0);
}

/// A header that declares 2^62 bytes allocates nothing, at either level, with the limits lifted; nor does a first byte.
fn declared_length<R: Role>(role: fn() -> R) {
    for first in [FIN | TEXT, FIN | BIN, BIN] {
        let header = head(first, peer_key::<R>(), 1 << 62);
        for piece in [1, header.len()] {
            let mut copy = header.clone();
            let info = measure(|| {
                let mut ws = Connection::new(role(), &lifted());
                let mut out = SliceOutput::new(&mut []);
                for mut input in copy.chunks_mut(piece) {
                    assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
                }
            });
            assert_nothing(&info, "a declared length at the streaming level");
            let mut copy = header.clone();
            let info = measure(|| {
                let mut ws = MessageConnection::new(Connection::new(role(), &lifted()));
                let mut out = SliceOutput::new(&mut []);
                for mut input in copy.chunks_mut(piece) {
                    assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
                }
            });
            assert_nothing(&info, "a declared length at the message level");
        }
    }
}

/// Memory follows the bytes that have arrived: at most a small multiple of them, whatever was declared.
fn memory_follows_arrived_bytes<R: Role>(role: fn() -> R) {
    for first in [FIN | TEXT, FIN | BIN] {
        let mut ws = MessageConnection::new(Connection::new(role(), &lifted()));
        let mut out = Vec::new();
        let mut header = head(first, peer_key::<R>(), 1 << 62);
        assert!(ws.receive(&mut &mut header[..], &mut out).unwrap().is_none());
        let mut arrived = 0;
        let mut held = 0;
        let mut key = peer_key::<R>().unwrap_or_default();
        for len in [1_usize, 1, 10, 100, 1000, 10_000, 10_000, 100_000, 1_000_000] {
            let mut bytes = mask(key, &vec![b'x'; len]);
            key.rotate_left(len % 4);
            let info = measure(|| {
                assert!(ws.receive(&mut &mut bytes[..], &mut out).unwrap().is_none());
            });
            arrived += len;
            held += info.bytes_current;
            assert_eq!(held, i64::try_from(ws.assembly_capacity()).unwrap());
            assert!(
                held <= 2 * i64::try_from(arrived).unwrap() + 128,
                "{held} bytes for {arrived}"
            );
            assert!(
                info.bytes_max <= 3 * arrived as u64 + 128,
                "{} bytes at once for {arrived}",
                info.bytes_max
            );
        }
    }
}

/// The space to read into grows with what has arrived too: 64 KiB first, then as much as there is.
fn space_follows_arrived_bytes<R: Role>(role: fn() -> R) {
    for first in [FIN | TEXT, FIN | BIN] {
        let mut ws = MessageConnection::new(Connection::new(role(), &lifted()));
        let mut out = Vec::new();
        let mut header = head(first, peer_key::<R>(), 1 << 62);
        assert!(ws.receive(&mut &mut header[..], &mut out).unwrap().is_none());
        let key = peer_key::<R>().unwrap_or_default();
        let mut arrived = 0;
        let info = measure(|| {
            for _ in 0..6 {
                let space = ws.space(1).unwrap();
                assert_eq!(space.len(), arrived.max(64 << 10));
                let len = space.len();
                for (byte, key) in space.iter_mut().zip(key.iter().cycle()) {
                    *byte = b'x' ^ key;
                }
                assert!(ws.receive_in_space(len, &mut out).unwrap().is_none());
                arrived += len;
            }
        });
        assert_eq!(arrived, 2 << 20);
        let held = usize::try_from(info.bytes_current).unwrap();
        assert_eq!(held, ws.assembly_capacity());
        assert!((arrived..=2 * arrived).contains(&held), "{held} bytes for {arrived}");
    }
}

/// However little comes at a time and however much space is asked for, the buffer grows in proportion, not by what a
/// portion has used.
fn space_grows_in_proportion<R: Role>(role: fn() -> R) {
    let len = 1 << 20;
    for at_least in [1, 64 << 10, 256 << 10, 1 << 20] {
        for portion in [7, 1460] {
            let mut ws = MessageConnection::new(Connection::new(role(), &Limits::default()));
            let mut out = Vec::new();
            let mut header = head(FIN | BIN, peer_key::<R>(), len);
            assert!(ws.receive(&mut &mut header[..], &mut out).unwrap().is_none());
            let mut rest = usize::try_from(len).unwrap();
            let info = measure(|| {
                while rest > 0 {
                    let space = ws.space(at_least.min(rest)).unwrap();
                    let len = space.len().min(portion);
                    rest -= len;
                    assert_eq!(ws.receive_in_space(len, &mut out).unwrap().is_some(), rest == 0);
                }
            });
            assert!(info.count_total <= 20, "{} allocations", info.count_total);
            assert!(info.bytes_total <= 4 * len, "{} bytes in all", info.bytes_total);
        }
    }
    // The machine that owns its buffers asks for as much as it reads at a time.
    let mut ws = BufferedConnection::new(Connection::new(role(), &Limits::default()), b"").with_read_len(64 << 10);
    let mut bytes = head(FIN | BIN, peer_key::<R>(), len);
    bytes.resize(bytes.len() + usize::try_from(len).unwrap(), 0);
    let info = measure(|| {
        for portion in bytes.chunks(100) {
            ws.space()[..portion.len()].copy_from_slice(portion);
            ws.advance(portion.len());
            while ws.next_event().unwrap().is_some() {}
        }
    });
    assert!(info.count_total <= 20, "{} allocations", info.count_total);
}

/// What an open, idle connection holds at the streaming level: at most 256 bytes, of which none on the heap.
fn idle_connection<R: Role>(role: fn() -> R) {
    let mut kept = None;
    let mut out = [0; 64];
    // It has received and sent before it is idle.
    let mut ping = from_peer::<R>(PING, b"ping");
    let info = measure(|| {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = SliceOutput::new(&mut out);
        let mut input = &mut ping[..];
        while ws.receive(&mut input, &mut out).unwrap().is_some() {}
        ws.tx(&mut out).text("Hello").unwrap();
        kept = Some(ws);
    });
    assert!(kept.is_some());
    let name = if R::IS_CLIENT {
        "client, with a function as its entropy"
    } else {
        "server"
    };
    let size = size_of::<Connection<R>>();
    println!(
        "idle connection ({name}): {size} bytes, and {} on the heap",
        info.bytes_current
    );
    assert!(size <= 256, "{size}");
    assert_nothing(&info, "an idle connection");
    println!(
        "idle connection of whole messages ({name}): {} bytes",
        size_of::<MessageConnection<R>>()
    );
    assert!(size_of::<MessageConnection<R>>() <= 320);
}

both_roles!(
    streaming_level,
    sending,
    whole_frames_at_the_message_level,
    assembly_buffer_is_reused,
    assembly_buffer_is_given_back,
    declared_length,
    memory_follows_arrived_bytes,
    space_follows_arrived_bytes,
    space_grows_in_proportion,
    idle_connection,
);
