//! How much memory the read buffer takes, where in it lies what was read, and when it moves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use sockless::buffer::ReadBuffer;
use sockless::connection::{Connection, Server};
use sockless::limits::Limits;
use std::ops::Range;

fn server() -> Connection<Server> {
    Connection::new(Server, &Limits::default())
}

/// Takes all messages that are whole; says how many.
fn take(ws: &mut Connection<Server>, input: &mut ReadBuffer) -> usize {
    let mut count = 0;
    while ws.receive(input, &mut Vec::new()).unwrap().is_some() {
        count += 1;
    }
    count
}

/// A frame of this length, with its header.
fn frame(first: u8, len: usize) -> Vec<u8> {
    let header = [6, 8, 14]
        .into_iter()
        .find(|header| from_peer::<Server>(first, &vec![7; len - header]).len() == len);
    from_peer::<Server>(first, &vec![7; len - header.unwrap()])
}

/// Reads all of these bytes, which end no message.
fn arrive(ws: &mut Connection<Server>, input: &mut ReadBuffer, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[read(input, bytes)..];
        assert_eq!(take(ws, input), 0);
    }
}

/// The length of the memory, and where in it lies what is unread.
fn places(input: ReadBuffer) -> (usize, Range<usize>) {
    let (memory, unread) = input.into_unread();
    (memory.len(), unread)
}

/// For a message in one long frame the buffer takes as much again as has arrived of its payload, and three times that
/// ahead, at most 256 KiB; at last what the payload needs, with a header behind it.
#[test]
fn grows_ahead_for_a_long_frame() {
    let bytes = frame(FIN | BIN, 2 << 20);
    let (mut ws, mut input) = (server(), ReadBuffer::with_capacity(64 << 10));
    let mut at = 0;
    for (arrived, memory) in [(64 << 10, 320 << 10), (320 << 10, 896 << 10), (896 << 10, 2 << 20)] {
        arrive(&mut ws, &mut input, &bytes[at..14 + arrived]);
        at = 14 + arrived;
        let expected = (memory - arrived).min(bytes.len() - at);
        assert_eq!(input.space().len(), expected, "after {arrived} bytes");
        assert_eq!(input.capacity(), memory, "after {arrived} bytes");
    }
    assert_eq!(read(&mut input, &bytes[at..]), bytes.len() - at);
    assert_eq!(take(&mut ws, &mut input), 1);
}

/// The memory does not grow while the room that is left is more than a quarter of what has arrived of a long frame.
#[test]
fn fills_most_of_the_room_before_it_grows_for_a_long_frame() {
    let bytes = frame(FIN | BIN, 2 << 20);
    for (arrived, memory) in [(60_000, 80 << 10), ((64 << 10) - 1, 80 << 10), (64 << 10, 320 << 10)] {
        let (mut ws, mut input) = (server(), ReadBuffer::with_capacity(64 << 10));
        arrive(&mut ws, &mut input, &bytes[..14 + arrived]);
        assert_eq!(input.space().len(), memory - arrived);
        assert_eq!(places(input), (memory, 0..arrived));
    }
}

/// A message in fragments doubles the memory, or adds to it what a read needs, where that is more: when less than half a
/// read is left.
#[test]
fn doubles_for_fragments() {
    const HALF: usize = 48 << 10;
    for (len, memory, space) in [
        (HALF, 80 << 10, 32 << 10),
        (HALF + 1, HALF + 1 + (80 << 10), 64 << 10),
        (60 << 10, 140 << 10, 64 << 10),
    ] {
        let (mut ws, mut input) = (server(), ReadBuffer::with_capacity(64 << 10));
        arrive(&mut ws, &mut input, &from_peer::<Server>(BIN, &vec![7; len]));
        assert_eq!(input.space().len(), space, "{len}");
        assert_eq!(places(input), (memory, len..len), "{len}");
    }
    // What has arrived is more than a read.
    let (mut ws, mut input) = (server(), ReadBuffer::with_capacity(4 << 10));
    input.extend(&from_peer::<Server>(BIN, &[7; 50_000])).unwrap();
    assert_eq!(take(&mut ws, &mut input), 0);
    assert_eq!(input.space().len(), 4 << 10);
    assert_eq!(places(input), (100_000, 50_000..50_000));
}

/// A short frame that lacks more than there is room for waits until less than half a read is left.
#[test]
fn fills_half_a_read_before_it_grows_for_a_short_frame() {
    let bytes = frame(FIN | BIN, 7000);
    for (arrived, memory) in [(3071, 5 << 10), (3072, 8 << 10), (3073, (8 << 10) + 1)] {
        let (mut ws, mut input) = (server(), ReadBuffer::with_capacity(4 << 10));
        arrive(&mut ws, &mut input, &bytes[..8 + arrived]);
        let lacks = bytes.len() - 8 - arrived;
        assert_eq!(
            input.space().len(),
            (memory - arrived).min(4 << 10).max(lacks.min(memory - arrived))
        );
        assert_eq!(places(input), (memory, 0..arrived));
    }
}

/// A space of half a read that is filled tells how much comes at once, as a whole one does.
#[test]
fn a_space_of_half_a_read_counts() {
    for (len, next) in [(5120, 8 << 10), (5119, 4 << 10)] {
        let bytes = frame(FIN | BIN, len);
        let (mut ws, mut input) = (server(), ReadBuffer::new());
        assert_eq!(read(&mut input, &bytes[..3072]), 3072);
        assert_eq!(take(&mut ws, &mut input), 0);
        assert_eq!(input.space().len(), 2048);
        assert_eq!(read(&mut input, &bytes[3072..]), len - 3072);
        assert_eq!(take(&mut ws, &mut input), 1);
        assert_eq!(input.space().len(), next);
    }
}

/// A buffer of 100000 bytes, whose reads are of 4096 bytes, with so many bytes of a message in fragments at its front.
fn with_fragments(ws: &mut Connection<Server>, joined: usize) -> ReadBuffer {
    let mut input = ReadBuffer::with_capacity(4 << 10);
    let fragment = from_peer::<Server>(BIN, &vec![7; joined]);
    let before = frame(FIN | BIN, 100_000 - fragment.len());
    input.extend(&[before, fragment].concat()).unwrap();
    assert_eq!(take(ws, &mut input), 1);
    assert_eq!(input.space().len(), 4 << 10, "the fragment moves to the front");
    input
}

/// Where reads go that are set apart: so far from the end that there is room for a read and 16 KiB.
const APART: usize = 100_000 - (4 << 10) - (16 << 10);

/// While fragments are joined, reads go to one place behind them, unless the memory is more than eight times what is needed.
#[test]
fn reads_are_set_apart_from_fragments() {
    for (joined, expected) in [(8403, 8403), (8404, APART), (40_000, APART)] {
        let mut ws = server();
        let mut input = with_fragments(&mut ws, joined);
        assert_eq!(input.space().len(), 4 << 10);
        assert_eq!(places(input), (100_000, expected..expected), "{joined}");
    }
}

/// What is unread goes there again when no more of it has to move than was consumed, headers and all, and the message is what was sent.
#[test]
fn reads_come_back_to_their_place() {
    for (len, moves) in [(515, true), (516, true), (517, false)] {
        let mut ws = server();
        let mut input = with_fragments(&mut ws, 40_000);
        let next = [frame(CONT, 500), frame(FIN | CONT, 1000)].concat();
        assert_eq!(read(&mut input, &next[..500 + len]), 500 + len);
        assert_eq!(take(&mut ws, &mut input), 0);
        let lacks = next.len() - 500 - len;
        assert_eq!(input.space().len(), 4 << 10);
        assert_eq!(read(&mut input, &next[500 + len..]), lacks);
        let unread = input.unread().as_ptr();
        let mut out = Vec::new();
        let (event, _) = ws.receive(&mut input, &mut out).unwrap().unwrap();
        let message = match event {
            sockless::message::Event::Binary(message) => message,
            other => panic!("{other:?}"),
        };
        assert!(message == vec![7; 40_000 + 500 - 8 + 1000 - 8]);
        let from_front = unread.addr() - message.as_ptr().addr();
        assert_eq!(from_front, if moves { APART } else { APART + 508 }, "{len}");
    }
}

/// What comes in another way is put behind what is there, which moves to the front only if there is no room behind it.
#[test]
fn extending_moves_only_where_there_is_no_room() {
    for (more, expected) in [(99, 608..999), (100, 608..1000), (101, 0..393), (600, 0..892)] {
        let (mut ws, mut input) = (server(), ReadBuffer::with_capacity(800));
        let bytes = [frame(FIN | BIN, 600), frame(FIN | BIN, 5000)].concat();
        assert_eq!(read(&mut input, &bytes[..800]), 800);
        assert_eq!(take(&mut ws, &mut input), 1);
        input.extend(&bytes[800..900]).unwrap();
        input.extend(&bytes[900..900 + more]).unwrap();
        assert_eq!(places(input), (1000, expected), "{more}");
    }
}

/// Memory that a long message has left stays until a few rests in a row had no use for it. Only those count that had
/// something to read.
#[test]
fn long_memory_stays_for_a_while() {
    let (mut ws, mut input) = (server(), ReadBuffer::new());
    input.extend(&frame(FIN | BIN, 100_000)).unwrap();
    assert_eq!(take(&mut ws, &mut input), 1);
    let short = frame(FIN | BIN, 100);
    for capacity in [100_000, 100_000, 5 << 10] {
        for _ in 0..5 {
            assert!(!input.space().is_empty());
            assert_eq!(input.capacity(), capacity);
        }
        assert_eq!(read(&mut input, &short), short.len());
        assert_eq!(take(&mut ws, &mut input), 1);
    }
}

/// What is there moves to the front, where half of a read has room behind it, if no more has to move than was consumed: the
/// fragments, too, unless they are there already.
#[test]
fn what_is_cheap_moves_to_the_front() {
    let receive = |ws: &mut Connection<Server>, input: &mut ReadBuffer<[u8; 2000]>, bytes: &[u8]| {
        input.space()[..bytes.len()].copy_from_slice(bytes);
        input.advance(bytes.len());
        while ws.receive(input, &mut Vec::new()).unwrap().is_some() {}
    };
    // A message, then a fragment of the next one.
    let begun = |before, joined| {
        let (mut ws, mut input) = (server(), ReadBuffer::fixed([0; 2000]));
        let fragment = from_peer::<Server>(BIN, &vec![7; joined]);
        let bytes = [frame(FIN | BIN, before + joined - fragment.len()), fragment].concat();
        receive(&mut ws, &mut input, &bytes);
        (ws, input)
    };
    for (before, joined, moves) in [(300, 299, true), (300, 300, true), (300, 301, false)] {
        let mut input = begun(before, joined).1;
        let kept = if moves { joined } else { before + joined };
        assert_eq!(input.space().len(), 2000 - kept, "{before} before {joined}");
    }
    let pong = from_peer::<Server>(PONG, b"");
    for (unread, moves) in [(5, true), (6, true), (7, false)] {
        let (mut ws, mut input) = begun(300, 300);
        assert_eq!(input.space().len(), 1700);
        receive(&mut ws, &mut input, &[&pong, &frame(CONT, 500)[..unread]].concat());
        let consumed = if moves { 0 } else { pong.len() };
        assert_eq!(input.space().len(), 1700 - consumed - unread, "{unread} behind a Pong");
    }
}
