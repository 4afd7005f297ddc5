//! Law L4: bytes moved grow linearly with bytes received, at any cutting, across any number of fragments, with an allocator
//! that copies whenever something grows (the one that counts here does).
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
use sockless::buffer::{Output, ReadBuffer, Storage, WriteBuffer};
use sockless::connection::{Connection, Role, Sender, Server};
use sockless::limits::Limits;
use sockless::message::Event;

/// What was moved, in bytes.
struct Moved {
    /// By growing: everything that was ever allocated, which is at least what was copied from one place to the next.
    allocated: usize,
    /// Inside the memory, to make space.
    inside: usize,
}

/// Feeds reads of the given lengths, as far as there is space for them, and counts.
fn feed<R: Role, S: Storage>(
    role: R,
    input: &mut ReadBuffer<S>,
    bytes: &[u8],
    reads: impl Iterator<Item = usize>,
) -> Moved {
    let mut ws = Connection::new(role, &Limits::default());
    let mut out = Vec::with_capacity(1 << 16);
    let (mut inside, mut messages) = (0, 0);
    let info = measure(|| {
        let mut rest = bytes;
        for len in reads {
            let (mut piece, tail) = rest.split_at(len.min(rest.len()));
            rest = tail;
            while !piece.is_empty() {
                let before = (input.unread().as_ptr(), input.unread().len());
                input.space();
                if input.unread().as_ptr() != before.0 {
                    inside += before.1;
                }
                piece = &piece[read(input, piece)..];
                while ws.receive(input, &mut out).unwrap().is_some() {
                    messages += 1;
                }
                out.clear();
            }
            if rest.is_empty() {
                break;
            }
        }
    });
    assert!(messages > 0 && input.is_at_rest());
    Moved {
        allocated: usize::try_from(info.bytes_total).unwrap(),
        inside,
    }
}

/// A message of `len` bytes in fragments of `fragment` bytes, and where each header ends.
fn fragments<R: Role>(first: u8, len: usize, fragment: usize) -> (Vec<u8>, Vec<usize>) {
    let payload = vec![b'x'; fragment];
    let mut bytes = Vec::new();
    let mut reads = Vec::new();
    let count = len.div_ceil(fragment);
    for index in 0..count {
        let fin = if index + 1 == count { FIN } else { 0 };
        let frame = from_peer::<R>(fin | if index == 0 { first } else { CONT }, &payload);
        reads.extend([frame.len() - fragment, fragment]);
        bytes.extend(frame);
    }
    (bytes, reads)
}

/// Each fragment's header in a read of its own, its payload in another: the memory once grew by exactly a fragment at a
/// time, and 16 MiB in fragments of 4 KiB moved 2047 bytes for each that was received.
fn fragments_with_headers_in_reads_of_their_own<R: Role>(role: fn() -> R) {
    let len = 16 << 20;
    for first in [TEXT, BIN] {
        for fragment in [16 << 10, 4 << 10] {
            let (bytes, reads) = fragments::<R>(first, len, fragment);
            for mut input in [ReadBuffer::new(), ReadBuffer::with_capacity(64 << 10)] {
                let moved = feed(role(), &mut input, &bytes, reads.iter().copied());
                assert!(moved.allocated <= 4 * len, "{} bytes allocated", moved.allocated);
                assert!(moved.inside <= 3 * len, "{} bytes moved", moved.inside);
                assert!(input.capacity() <= 2 * len + (512 << 10), "{} bytes", input.capacity());
            }
        }
    }
}

/// Fragments of every size, in reads of every size.
fn fragments_and_reads_of_every_size<R: Role>(role: fn() -> R) {
    let len = 200_000;
    for fragment in [32, 126, 1000, 4096, 20_000, 65_536, len] {
        let (bytes, reads) = fragments::<R>(BIN, len, fragment);
        let check = |reads: &mut dyn Iterator<Item = usize>, name: &str| {
            for mut input in [ReadBuffer::new(), ReadBuffer::with_capacity(64 << 10)] {
                let moved = feed(role(), &mut input, &bytes, &mut *reads);
                let what = format!("fragments of {fragment}, {name}");
                // Twice as much while it grows, and what the largest read takes.
                assert!(
                    moved.allocated <= 4 * bytes.len() + (1 << 20),
                    "{} bytes allocated: {what}",
                    moved.allocated
                );
                assert!(moved.inside <= 3 * bytes.len(), "{} bytes moved: {what}", moved.inside);
            }
            let mut memory = vec![0; len + fragment + 131];
            let mut input = ReadBuffer::fixed(&mut memory[..]);
            let moved = feed(role(), &mut input, &bytes, &mut *reads);
            assert_eq!(moved.allocated, 0);
            assert!(
                moved.inside <= 3 * bytes.len(),
                "{} bytes moved: {name}, fixed",
                moved.inside
            );
        };
        check(&mut reads.iter().copied().cycle(), "each header by itself");
        for portion in [7, 1460, 16 << 10, 64 << 10, usize::MAX] {
            check(&mut std::iter::repeat(portion), &format!("reads of {portion}"));
        }
    }
}

/// A message in fragments that begins behind another is joined where that one was, so that the same memory serves all of them
/// and none of it is moved once it is long. Reads go to the same place while it is joined.
fn messages_in_fragments_are_joined_at_the_front<R: Role>(role: fn() -> R) {
    let (message, _) = fragments::<R>(BIN, 1 << 20, 4096);
    // Reads do not end where a message does.
    let bytes = message.repeat(5);
    for mut input in [ReadBuffer::new(), ReadBuffer::with_capacity(64 << 10)] {
        let mut ws = Connection::new(role(), &Limits::default());
        let (mut places, mut reads, mut out) = (Vec::new(), std::collections::BTreeSet::new(), Vec::new());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let len = rest.len().min(60_000);
            input.space();
            if places.len() == 3 {
                reads.insert(input.unread().as_ptr());
            }
            rest = &rest[read(&mut input, &rest[..len])..];
            while let Some((event, _)) = ws.receive(&mut input, &mut out).unwrap() {
                if let Event::Binary(data) = event {
                    places.push(data.as_ptr());
                }
            }
        }
        assert_eq!(places.len(), 5);
        assert!(reads.len() <= 8, "18 reads went to {} places", reads.len());
        assert!(places[1..].iter().all(|place| *place == places[1]), "{places:?}");
        assert!(
            input.capacity() <= (2 << 20) + (512 << 10),
            "{} bytes",
            input.capacity()
        );
    }
}

/// Many messages in one frame each, of every length, whose reads cut them: what is moved to make space stays a fraction.
fn messages_of_every_length<R: Role>(role: fn() -> R) {
    for len in [
        1,
        100,
        1000,
        5000,
        16_000,
        16_400,
        40_000,
        65_536,
        70_000,
        200_000,
        1 << 20,
    ] {
        let count = (1_usize << 18).div_ceil(len).clamp(2, 5000);
        let bytes = from_peer::<R>(FIN | BIN, &vec![7; len]).repeat(count);
        for portion in [7, 1460, 64 << 10, usize::MAX] {
            for mut input in [ReadBuffer::new(), ReadBuffer::with_capacity(64 << 10)] {
                let moved = feed(role(), &mut input, &bytes, std::iter::repeat(portion));
                assert!(
                    moved.inside <= 2 * bytes.len(),
                    "{} of {} bytes moved, messages of {len}, reads of {portion}",
                    moved.inside,
                    bytes.len()
                );
                assert!(
                    moved.allocated <= 5 * bytes.len() + (1 << 20),
                    "{} of {} bytes allocated, messages of {len}, reads of {portion}",
                    moved.allocated,
                    bytes.len()
                );
            }
        }
    }
}

/// A peer that reads slowly does not make each small frame move all of the output that waits.
#[test]
fn waiting_output_is_not_moved_for_each_frame() {
    let mut out = WriteBuffer::new();
    let mut sender = Sender::new(Server);
    let mut put = 0;
    // The number of frames is a power of two, so that a buffer that grows by doubling is full.
    for _ in 0..1024 {
        sender.tx(&mut out).binary(&[0; 100]).unwrap();
        put += 100;
    }
    let frame_len = out.len() / 1024;
    let mut moved = 0;
    for _ in 0..4096 {
        out.written(frame_len);
        let (place, len) = (out.unwritten().as_ptr(), out.unwritten().len());
        sender.tx(&mut out).binary(&[0; 100]).unwrap();
        put += 100;
        if out.unwritten().as_ptr() != place {
            moved += len;
        }
    }
    assert!(moved <= 2 * put, "{moved} bytes were moved for {put} that were put");
}

both_roles!(
    fragments_with_headers_in_reads_of_their_own,
    fragments_and_reads_of_every_size,
    messages_in_fragments_are_joined_at_the_front,
    messages_of_every_length,
);
