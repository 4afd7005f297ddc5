//! Law L3: memory follows the bytes that arrive and stays under the limits, whatever is declared.
//!
//! RUSTSEC-2022-0035 and others: a declared length was allocated before anything of it had arrived.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: a panic here is a failing test"
)]

use allocation_counter::measure;
use sockless::buffered::BufferedConnection;
use sockless::connection::{Connection, Server};
use sockless::limits::Limits;
use sockless::message::MessageConnection;

/// What a machine may hold beside what has arrived: a first space to read into, and small change.
const CONSTANT: usize = 80 << 10;

/// The most that was held at once during `work`, beyond what was held before, in bytes.
fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let info = measure(|| drop(work()));
    usize::try_from(info.bytes_max).unwrap()
}

fn masked(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | 127];
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// Feeds a message connection, through the space it offers if `use_space`.
fn feed(ws: &mut MessageConnection<Server>, mut bytes: &[u8], use_space: bool, buffer: &mut Vec<u8>) -> bool {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        if use_space && let Some(space) = ws.space(1) {
            let len = space.len().min(bytes.len());
            space[..len].copy_from_slice(&bytes[..len]);
            bytes = &bytes[len..];
            if ws.receive_in_space(len, &mut out).is_err() {
                return false;
            }
            continue;
        }
        let len = bytes.len().min(16 << 10);
        buffer.clear();
        buffer.extend_from_slice(&bytes[..len]);
        bytes = &bytes[len..];
        let mut input = &mut buffer[..];
        loop {
            match ws.receive(&mut input, &mut out) {
                Ok(None) => break,
                Ok(Some(_)) => {}
                Err(_) => return false,
            }
        }
    }
    true
}

#[test]
fn memory_follows_what_arrives() {
    let unlimited = Limits::default()
        .with_max_frame_len(u64::MAX)
        .with_max_message_len(u64::MAX);
    let payload = vec![b'x'; 300_000];
    let mut buffer = Vec::with_capacity(16 << 10);

    // Declared: up to 2^63 - 1. Arrived: up to 300 000 bytes. A vector that grows holds old and new for a moment, and
    // up to twice of what is in it.
    for declared in [1 << 17, 1 << 20, 1 << 32, 1 << 40, (1 << 63) - 1] {
        for first in [0x81, 0x82, 0x01, 0x02] {
            for use_space in [false, true] {
                for arrived in [0, 1, 1000, 100_000] {
                    let header = masked(first, declared);
                    let held = peak(|| {
                        let mut ws = MessageConnection::new(Connection::new(Server, &unlimited));
                        assert!(feed(&mut ws, &header, use_space, &mut buffer));
                        assert!(feed(&mut ws, &payload[..arrived], use_space, &mut buffer));
                        ws
                    });
                    let bound = 4 * arrived + CONSTANT;
                    assert!(
                        held <= bound,
                        "{held} bytes held for {arrived} of {declared}, {first:x} {use_space}"
                    );
                }
            }
        }
        // The machine that owns its buffers.
        let header = masked(0x82, declared);
        let held = peak(|| {
            let mut ws = BufferedConnection::new(Connection::new(Server, &unlimited), &[]);
            for mut bytes in [&header[..], &payload[..100_000]] {
                while !bytes.is_empty() {
                    let space = ws.space();
                    let len = space.len().min(bytes.len());
                    space[..len].copy_from_slice(&bytes[..len]);
                    bytes = &bytes[len..];
                    ws.advance(len);
                    while ws.next_event().unwrap().is_some() {}
                }
            }
            ws
        });
        assert!(held <= 4 * 100_000 + CONSTANT, "{held} bytes held, buffered");
    }

    // Under a limit: a message that never ends, in fragments, is refused before it holds more than that.
    let limits = Limits::default()
        .with_max_message_len(1 << 18)
        .with_max_frame_len(1 << 18);
    for first in [0x01, 0x02] {
        for use_space in [false, true] {
            let mut bytes = Vec::new();
            for number in 0..20 {
                let opcode = if number == 0 { first } else { 0x00 };
                bytes.extend(masked(opcode, 70_000));
                bytes.extend_from_slice(&payload[..70_000]);
            }
            let held = peak(|| {
                let mut ws = MessageConnection::new(Connection::new(Server, &limits));
                assert!(!feed(&mut ws, &bytes, use_space, &mut buffer));
                ws
            });
            assert!(held <= 4 * (1 << 18) + CONSTANT, "{held} bytes held");
        }
    }

    // Whole messages in one input, and control frames, need none at all.
    let mut bytes = b"\x81\x85\0\0\0\0Hello\x89\x80\0\0\0\0\x8a\x81\0\0\0\0x".to_vec();
    let mut out = Vec::with_capacity(64);
    let held = peak(|| {
        let mut ws = MessageConnection::new(Connection::new(Server, &limits));
        let mut input = &mut bytes[..];
        while ws.receive(&mut input, &mut out).unwrap().is_some() {}
        ws
    });
    assert_eq!(held, 0);
}
