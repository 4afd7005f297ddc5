//! Law L3: memory follows the bytes that arrive, and stays within a small multiple of the limits in every state: busy, idle
//! after long messages of both kinds, failed, closing.
//!
//! RUSTSEC-2022-0035 and others: a declared length was allocated before anything of it had arrived.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use allocation_counter::measure;
use common::*;
use sockless::buffer::{ReadBuffer, WriteBuffer};
use sockless::buffered::BufferedConnection;
use sockless::connection::{Connection, Role, Server, TransportAction};
use sockless::error::ReceiveError;
use sockless::limits::Limits;

/// What a read takes beside what has arrived: at most 256 KiB, and a sixteenth of it for what a frame may lack.
const A_READ: usize = (256 + 16) << 10;

/// The most that was held at once during `work`, beyond what was held before, in bytes.
fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let info = measure(|| drop(work()));
    usize::try_from(info.bytes_max).unwrap()
}

/// Feeds bytes through the space of a read buffer, and says how the connection took it.
fn feed<R: Role>(ws: &mut Connection<R>, input: &mut ReadBuffer, bytes: &[u8]) -> Result<usize, ReceiveError> {
    let mut out = Vec::new();
    let mut rest = bytes;
    let mut messages = 0;
    while !rest.is_empty() {
        rest = &rest[read(input, rest)..];
        while ws.receive(input, &mut out)?.is_some() {
            messages += 1;
        }
    }
    Ok(messages)
}

fn new_buffers() -> [ReadBuffer; 3] {
    [
        ReadBuffer::new(),
        ReadBuffer::with_capacity(1),
        ReadBuffer::with_capacity(64 << 10),
    ]
}

/// Declared: up to 2^63 - 1. Arrived: up to 300 000 bytes. A vector that grows holds old and new for a moment.
#[test]
fn memory_follows_what_arrives() {
    let lifted = Limits::default()
        .with_max_frame_len(u64::MAX)
        .with_max_message_len(u64::MAX);
    let payload = vec![b'x'; 300_000];
    // What fits no memory at all is refused from the header.
    let largest = u64::try_from(usize::MAX / 4).unwrap_or(u64::MAX);
    for declared in [1 << 19, 1 << 20, 1 << 28, 1 << 40, (1 << 62) - 1] {
        if declared > largest {
            continue;
        }
        for first in [FIN | TEXT, FIN | BIN, TEXT, BIN] {
            let header = head(first, Some([0; 4]), declared);
            for arrived in [0, 1, 1000, 100_000, 300_000] {
                for index in 0..3 {
                    let held = peak(|| {
                        let mut input = new_buffers().into_iter().nth(index).unwrap();
                        let mut ws = Connection::new(Server, &lifted);
                        assert_eq!(feed(&mut ws, &mut input, &header), Ok(0));
                        assert_eq!(feed(&mut ws, &mut input, &payload[..arrived]), Ok(0));
                        assert!(input.capacity() <= 2 * arrived + A_READ, "{} bytes", input.capacity());
                        input
                    });
                    assert!(
                        held <= 4 * arrived + A_READ,
                        "{held} bytes held for {arrived} of {declared}"
                    );
                }
            }
        }
    }
}

/// The memory for a long frame is had in few steps, each for bytes that came: a new buffer allocates less than two and
/// a half times the frame in all, and at no point holds more than five times what has arrived.
#[test]
fn a_long_frame_takes_few_steps() {
    let len = 1 << 20;
    let bytes = from_peer::<Server>(FIN | BIN, &vec![7; len]);
    for portion in [1460, 16 << 10, 64 << 10] {
        let mut ws = Connection::new(Server, &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let info = measure(|| {
            let (mut arrived, mut messages) = (0, 0);
            while arrived < bytes.len() {
                let end = bytes.len().min(arrived + portion);
                arrived += read(&mut input, &bytes[arrived..end]);
                messages += usize::from(ws.receive(&mut input, &mut out).unwrap().is_some());
                assert!(
                    input.capacity() <= 5 * arrived.max(1 << 10),
                    "{} bytes for {arrived}",
                    input.capacity()
                );
            }
            assert_eq!(messages, 1);
        });
        assert!(2 * info.bytes_total < 5 * len as u64, "{} bytes", info.bytes_total);
    }
}

/// A message that never ends, in fragments, is refused before it holds more than the limit allows.
#[test]
fn memory_stays_under_the_limits() {
    let limits = Limits::default()
        .with_max_message_len(1 << 18)
        .with_max_frame_len(1 << 18);
    for first in [TEXT, BIN] {
        for fragment in [100, 4096, 70_000] {
            let mut bytes = Vec::new();
            for number in 0..(2 << 18) / fragment {
                bytes.extend(from_peer::<Server>(
                    if number == 0 { first } else { CONT },
                    &vec![b'x'; fragment],
                ));
            }
            for index in 0..3 {
                let held = peak(|| {
                    let mut input = new_buffers().into_iter().nth(index).unwrap();
                    let mut ws = Connection::new(Server, &limits);
                    assert!(feed(&mut ws, &mut input, &bytes).is_err());
                    input
                });
                assert!(held <= 4 * (1 << 18) + A_READ, "{held} bytes held");
            }
        }
    }
}

/// A message of `len` bytes in pieces.
fn in_pieces<R: Role>(first: u8, len: usize, piece: usize) -> Vec<u8> {
    let count = len / piece;
    let payload = vec![b'x'; piece];
    let mut bytes = Vec::new();
    for index in 0..count {
        let fin = if index + 1 == count { FIN } else { 0 };
        bytes.extend(from_peer::<R>(fin | if index == 0 { first } else { CONT }, &payload));
    }
    bytes
}

/// After one text and one binary message of the greatest length, in pieces: busy at most twice a message and a read, idle
/// no more than that, little after a few short messages, and nothing once it is released. There is one buffer for both kinds.
fn idle_after_the_longest_messages<R: Role>(role: fn() -> R) {
    let len = 16 << 20;
    for piece in [64 << 10, len] {
        let sessions = [TEXT, BIN].map(|first| in_pieces::<R>(first, len, piece));
        for mut input in new_buffers() {
            let mut ws = Connection::new(role(), &Limits::default());
            let info = measure(|| {
                for bytes in &sessions {
                    assert_eq!(feed(&mut ws, &mut input, bytes), Ok(1));
                    assert!(input.capacity() <= 2 * len + A_READ, "{} bytes", input.capacity());
                }
            });
            // Old and new while it grows.
            assert!(
                info.bytes_max <= (3 * len + 2 * A_READ) as u64,
                "{} bytes",
                info.bytes_max
            );
            for _ in 0..20 {
                assert_eq!(feed(&mut ws, &mut input, &from_peer::<R>(FIN | TEXT, b"short")), Ok(1));
            }
            assert!(
                input.capacity() <= 2 * A_READ,
                "{} bytes after short messages",
                input.capacity()
            );
            assert!(ws.is_at_rest());
            input.release();
            assert_eq!(input.capacity(), 0);
        }
        // A thread's memory: the connection holds nothing from the end of the message on.
        let (mut memory, mut held) = (vec![0; 64 << 10], ReadBuffer::new());
        let mut end = End::new(role());
        for bytes in &sessions {
            end.read_lent(&mut memory, &mut held, bytes);
            assert_eq!(held.capacity(), 0);
            assert!(memory.capacity() <= 64 << 10, "{} bytes", memory.capacity());
        }
        assert_eq!(end.seen.len(), 2);
    }
}

/// After a failure, after a Close, and after the end of the stream: 312 MB are fed and nothing of it is held. The transport
/// is drained until its end, so that the peer gets the Close and not a reset.
fn nothing_is_held_when_it_is_over<R: Role>(role: fn() -> R) {
    let endings: [(Vec<u8>, bool); 4] = [
        (vec![0xff], false),
        (from_peer::<R>(CLOSE, &close_body(1000, "")), false),
        ([from_peer::<R>(BIN, &[1; 100_000]), vec![0xff]].concat(), false),
        (from_peer::<R>(BIN, &[1; 100]), true),
    ];
    let portion = vec![0xff; 64 << 10];
    for (ending, ends) in endings {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut input = ReadBuffer::new();
        let mut out = Vec::new();
        _ = feed(&mut ws, &mut input, &ending);
        if ends {
            ws.end_of_stream();
        } else {
            assert!(ws.transport().wants_input());
            ws.sending_shut_down();
            assert_eq!(ws.transport(), TransportAction::Drain);
        }
        let mut fed = 0_u64;
        let mut rounds = 0;
        let mut most = 0;
        while fed < 312_000_000 {
            let space = input.space();
            assert!(!space.is_empty(), "a read of nothing would look like the end");
            let len = space.len().min(portion.len());
            // Whole portions only now and then: what is read does not matter, and copying it takes time.
            if rounds % 64 == 0 {
                space[..len].copy_from_slice(&portion[..len]);
            }
            input.advance(len);
            fed += len as u64;
            rounds += 1;
            _ = ws.receive(&mut input, &mut out).map(|event| assert!(event.is_none()));
            assert!(input.is_at_rest(), "{} bytes are kept", input.unread().len());
            most = most.max(input.capacity());
        }
        assert!(most <= A_READ, "{most} bytes");
        assert_eq!(out, b"");
        // The streaming level keeps nothing either.
        let mut copy = portion.clone();
        let mut rest = &mut copy[..];
        _ = ws
            .receive_chunk(&mut rest, &mut out)
            .map(|event| assert!(event.is_none()));
        assert!(rest.is_empty());
        input.release();
        assert_eq!(input.capacity(), 0);
    }
}

/// The backlog of Pongs is bounded whatever else is in the output: a peer that sends Pings and never reads.
fn pongs_are_bounded<R: Role>(role: fn() -> R) {
    let mut ws = Connection::new(role(), &Limits::default());
    let mut out = WriteBuffer::new();
    let mut input = ReadBuffer::with_capacity(64 << 10);
    let pings = from_peer::<R>(PING, &[7; 125]).repeat(500);
    let mut refused = 0;
    for _ in 0..100 {
        ws.tx(&mut out).binary(&[0; 100]).unwrap();
        if input.is_at_rest() {
            read(&mut input, &pings);
        }
        loop {
            match ws.receive(&mut input, &mut out) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error, ReceiveError::Blocked(_)));
                    refused += 1;
                    break;
                }
            }
        }
    }
    assert!(refused > 50);
    assert!(
        out.capacity() <= 4 * ((256 << 10) + 100 * 110),
        "{} bytes",
        out.capacity()
    );
}

/// Bytes that came in another way than through the space were put behind all that had come before them, until nothing was
/// unread: a peer whose frames are cut everywhere never let it come to that.
fn what_is_appended_takes_no_more_than_what_is_read<R: Role>(role: fn() -> R) {
    let payload = [7; 1000];
    let whole = from_peer::<R>(FIN | BIN, &payload);
    let first = from_peer::<R>(BIN, &payload);
    let ping = from_peer::<R>(PING, &[0; 125]);
    let rows = [
        // Messages.
        (Vec::new(), whole),
        // Pings within a message.
        (first, ping),
    ];
    for (start, frame) in rows {
        let mut ws = Connection::new(role(), &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let (front, back) = frame.split_at(50);
        input.extend(&start).unwrap();
        input.extend(front).unwrap();
        for _ in 0..2000 {
            input.extend(back).unwrap();
            input.extend(front).unwrap();
            assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
            assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
            out.clear();
            assert!(input.capacity() < 16_000, "{}", input.capacity());
        }
    }
}

/// A peer that sends Pings and reads nothing was read from for ever where the limit on Pongs was below the watermark.
fn pings_are_not_read_beyond_the_backlog<R: Role>(role: fn() -> R) {
    let pings = from_peer::<R>(PING, &[0; 125]).repeat(3000);
    for (watermark, backlog) in [(64 << 10, 1024), (1 << 20, 256 << 10)] {
        let limits = Limits::default().with_max_reply_backlog(backlog);
        let mut ws = BufferedConnection::new(Connection::new(role(), &limits));
        ws.buffers().1.set_watermark(watermark);
        let (mut rounds, mut at) = (0, 0);
        // Twice: the output is written in between, and then it goes on.
        for _ in 0..2 {
            while ws.next_event().unwrap().is_some() {}
            assert!(ws.wants_input());
            while ws.wants_input() {
                let rest = &pings[at..];
                let space = ws.space();
                let len = space.len().min(rest.len());
                space[..len].copy_from_slice(&rest[..len]);
                ws.advance(len);
                at = (at + len) % pings.len();
                while ws.next_event().unwrap().is_some() {}
                rounds += 1;
                assert!(rounds < 100, "{watermark}");
            }
            assert!(ws.buffers().0.capacity() <= 3 * A_READ);
            while !ws.output().is_empty() {
                ws.written(1000);
                while ws.next_event().unwrap().is_some() {}
            }
        }
    }
}

both_roles!(
    pings_are_not_read_beyond_the_backlog,
    what_is_appended_takes_no_more_than_what_is_read,
    idle_after_the_longest_messages,
    nothing_is_held_when_it_is_over,
    pongs_are_bounded,
);
