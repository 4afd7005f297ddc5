//! Memory that is lent to the buffers of a connection: what comes out is the same, and nothing is left behind.
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use sockless::buffer::{Output, ReadBuffer, SharedBytes, WriteBuffer};
use sockless::connection::{Connection, Server};
use sockless::limits::Limits;
use sockless::message::Event;

/// A masked frame, with a key of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

fn bytes_of(event: Event<'_>) -> Option<Vec<u8>> {
    match event {
        Event::Binary(data) => Some(data.to_vec()),
        Event::Text(text) => Some(text.as_bytes().to_vec()),
        _ => None,
    }
}

proptest! {
    /// Before each read memory may be lent, of any length, and after it taken back.
    #[test]
    fn whenever_memory_is_lent_and_taken_back_the_same_comes_out(
        lens in proptest::collection::vec((0_usize..9000, 1_usize..4), 1..12),
        reads in proptest::collection::vec((1_usize..6000, any::<bool>(), any::<bool>(), 1_usize..20_000), 1..40),
        by_value in any::<bool>(),
    ) {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for (index, &(len, fragments)) in lens.iter().enumerate() {
            let message = vec![b'a' + u8::try_from(index).unwrap(); len];
            let each = len / fragments + 1;
            let parts: Vec<&[u8]> = if len == 0 { vec![&[]] } else { message.chunks(each).collect() };
            for (at, part) in parts.iter().enumerate() {
                let fin = if at + 1 == parts.len() { 0x80 } else { 0 };
                wire.extend(frame(fin | if at == 0 { 2 } else { 0 }, part));
                wire.extend(frame(0x8a, b"pong"));
            }
            expected.push(message);
        }
        let mut ws = Connection::new(Server, &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let (mut seen, mut lent, mut rest) = (Vec::new(), 0_usize, &wire[..]);
        for &(len, lend, back, memory) in reads.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            if lend {
                let mut lending = vec![0xaa; memory];
                let took = input.lend(&mut lending);
                prop_assert_eq!(took, lending.is_empty());
                if took {
                    lent = memory;
                }
            }
            let space = input.space();
            let len = len.min(space.len()).min(rest.len());
            prop_assert!(len > 0);
            space[..len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            input.advance(len);
            loop {
                let event = match ws.receive(&mut input, &mut out) {
                    Ok(Some((event, _))) => bytes_of(event),
                    other => { prop_assert!(other.unwrap().is_none()); break }
                };
                seen.extend(if by_value && event.is_some() { input.take_binary() } else { event });
            }
            if back {
                let mut memory = Vec::new();
                input.take_back(&mut memory);
                if !memory.is_empty() {
                    prop_assert_eq!(memory.len(), lent);
                    prop_assert!(!input.unread().is_empty() || ws.message_progress().is_some() || input.capacity() == 0);
                }
                memory.clear();
                input.take_back(&mut memory);
                prop_assert!(memory.is_empty());
            }
        }
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn what_is_long_stays_and_makes_the_memory_its_own() {
    let (mut input, mut memory) = (ReadBuffer::new(), vec![0; 1000]);
    assert!(input.lend(&mut memory));
    let bytes = frame(0x82, &[7; 900]);
    input.space()[..600].copy_from_slice(&bytes[..600]);
    input.advance(600);
    input.take_back(&mut memory);
    assert!(memory.is_empty());
    assert_eq!(input.unread(), &bytes[..600]);
    memory.resize(1000, 0);
    assert!(!input.lend(&mut memory)); // more than half of it
    assert_eq!(memory.len(), 1000);
}

/// Puts bytes into the space.
fn arrive(input: &mut ReadBuffer, bytes: &[u8]) {
    input.space()[..bytes.len()].copy_from_slice(bytes);
    input.advance(bytes.len());
}

/// How much may lie here, in bytes: half as much as the memory has, and 16 KiB.
#[test]
fn memory_is_refused_where_it_is_of_no_use() {
    for (kept, memory, is_lent) in [
        (500, 1000, true),
        (500, 999, false),
        (501, 1000, false),
        (16 << 10, 64 << 10, true),
        ((16 << 10) + 1, 64 << 10, false),
        (20_000, 64 << 10, false),
    ] {
        let mut input = ReadBuffer::with_capacity(64 << 10);
        arrive(&mut input, &frame(0x82, &[7; 60_000])[..kept]);
        let mut lending = vec![0; memory];
        assert_eq!(input.lend(&mut lending), is_lent, "{kept} bytes and memory of {memory}");
        assert_eq!(lending.len(), if is_lent { 0 } else { memory });
    }
}

/// What has arrived stays in the memory that was lent if it is longer than half of that, not if it is just half.
#[test]
fn memory_comes_back_unless_more_than_half_of_it_is_in_use() {
    for (kept, comes_back) in [(499, true), (500, true), (501, false)] {
        let (mut input, mut memory) = (ReadBuffer::new(), vec![0; 1000]);
        assert!(input.lend(&mut memory));
        let bytes = frame(0x82, &[7; 900]);
        arrive(&mut input, &bytes[..kept]);
        input.take_back(&mut memory);
        assert_eq!(memory.len(), if comes_back { 1000 } else { 0 }, "{kept} bytes");
        assert_eq!(input.unread(), &bytes[..kept]);

        let (mut out, mut memory) = (WriteBuffer::new(), Vec::with_capacity(1000));
        let capacity = memory.capacity();
        assert!(out.lend(&mut memory));
        out.put(&bytes[..kept + capacity / 2 - 500]);
        out.take_back(&mut memory);
        assert_eq!(memory.capacity(), if comes_back { capacity } else { 0 }, "{kept} bytes");
    }
}

/// The same bytes are moved again once twice as many have come; others are moved whatever was moved before them.
#[test]
fn memory_is_lent_again_once_twice_as_many_bytes_have_come() {
    let (first, second) = (frame(0x82, &[7; 4000]), frame(0x82, &[8; 9000]));
    let mut ws = Connection::new(Server, &Limits::default());
    let (mut input, mut memory, mut out) = (ReadBuffer::new(), vec![0; 10_000], Vec::new());
    arrive(&mut input, &first[..1500]);
    assert!(input.lend(&mut memory)); // 1500 bytes are moved
    arrive(&mut input, &first[1500..2999]);
    input.take_back(&mut memory);
    assert!(!input.lend(&mut memory));
    arrive(&mut input, &first[2999..3000]);
    assert!(input.lend(&mut memory)); // 3000 bytes are moved
    // So much of the next message comes that the memory stays here.
    arrive(&mut input, &[&first[3000..], &second[..5020]].concat());
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
    assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
    input.take_back(&mut memory);
    assert!(memory.is_empty());
    memory.resize(40_000, 0);
    assert!(input.lend(&mut memory), "none of these bytes were moved before");
    arrive(&mut input, &second[5020..]);
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
}

/// A connection that is never at rest does not take the memory away, however much it once read at once, nor does it hold more
/// than what has arrived of a message.
#[test]
fn memory_comes_back_at_each_turn_of_a_busy_connection() {
    let bytes = frame(0x82, &[7; 1001]).repeat(4000);
    for (lent, inputs) in [
        (64 << 10, [ReadBuffer::new(), ReadBuffer::with_capacity(256 << 10)]),
        (4 << 10, [ReadBuffer::new(), ReadBuffer::with_capacity(64 << 10)]),
    ] {
        for mut input in inputs {
            let mut ws = Connection::new(Server, &Limits::default());
            let (mut memory, mut out, mut rest) = (vec![0; lent], Vec::new(), &bytes[..]);
            while !rest.is_empty() {
                assert!(input.lend(&mut memory));
                let space = input.space();
                let len = space.len().min(rest.len());
                space[..len].copy_from_slice(&rest[..len]);
                rest = &rest[len..];
                input.advance(len);
                while ws.receive(&mut input, &mut out).unwrap().is_some() {}
                input.take_back(&mut memory);
                assert_eq!(memory.len(), lent);
                assert!(input.capacity() < 1100, "{} bytes", input.capacity());
            }
        }
    }
}

/// Also where the next message has moved to the front since, to make space.
#[test]
fn memory_is_lent_for_the_next_message_wherever_it_lies() {
    let bytes = frame(0x82, &[7; 4000]);
    let mut ws = Connection::new(Server, &Limits::default());
    let (mut input, mut memory, mut out) = (ReadBuffer::new(), vec![0; 10_000], Vec::new());
    arrive(&mut input, &bytes[..3000]);
    assert!(input.lend(&mut memory)); // 3000 bytes are moved
    arrive(&mut input, &[&bytes[3000..], &bytes[..100]].concat());
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
    assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
    input.space(); // where a read finds nothing more
    input.take_back(&mut memory);
    assert!(input.lend(&mut memory), "none of these bytes were moved before");
    arrive(&mut input, &bytes[100..]);
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
}

#[test]
fn nothing_comes_back_where_nothing_was_lent() {
    let (mut input, mut out, mut memory) = (ReadBuffer::new(), WriteBuffer::new(), vec![0; 1000]);
    input.take_back(&mut memory);
    out.take_back(&mut memory);
    arrive(&mut input, b"unread");
    input.take_back(&mut memory);
    assert_eq!((memory.len(), input.unread()), (1000, &b"unread"[..]));
}

/// Memory of the buffer's own: for what has arrived, never for what was only declared; and yet the rest of a long frame that
/// has less to come than has come is read behind it, with no second move.
#[test]
fn what_is_moved_out_takes_what_has_arrived_and_no_more_than_as_much_again() {
    for (len, arrived) in [
        (60_000, 1000),
        (60_000, 20_000),
        (30_000, 20_000),
        (1600, 1000),
        (30_000, (16 << 10) + 8),
    ] {
        let mut ws = Connection::new(Server, &Limits::default());
        let (mut input, mut memory, mut out) = (ReadBuffer::new(), vec![0; 64 << 10], Vec::new());
        let bytes = frame(0x82, &vec![7; len]);
        assert!(input.lend(&mut memory));
        arrive(&mut input, &bytes[..arrived]);
        assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
        input.take_back(&mut memory);
        assert_eq!(memory.len(), 64 << 10);
        let lacks = if (len, arrived) == (30_000, 20_000) {
            bytes.len() - arrived
        } else {
            0
        };
        let unread = input.unread().len();
        assert_eq!(input.capacity(), unread + lacks, "{arrived} of {len}");
        let place = input.unread().as_ptr();
        input.space();
        assert!(input.unread().as_ptr() == place || lacks == 0, "it was moved twice");
    }
}

#[test]
fn an_idle_buffer_holds_nothing_once_the_memory_is_taken_back() {
    let (mut input, mut memory) = (ReadBuffer::new(), vec![0; 1000]);
    assert!(input.lend(&mut memory));
    assert_eq!(input.space().len(), 1000);
    input.take_back(&mut memory);
    assert_eq!((memory.len(), input.capacity()), (1000, 0));
    assert_eq!(input.space().len(), 4 << 10); // as before
}

#[test]
fn an_idle_buffer_starts_again_once_the_memory_is_taken_back() {
    let (mut input, mut memory) = (ReadBuffer::new(), vec![0; 64 << 10]);
    assert!(input.lend(&mut memory));
    for _ in 0..3 {
        let bytes = frame(0x82, &[7; 65_528]);
        input.space().copy_from_slice(&bytes[..64 << 10]);
        input.advance(64 << 10);
        let mut connection = Connection::new(Server, &Limits::default());
        assert!(connection.receive(&mut input, &mut Vec::new()).unwrap().is_some());
    }
    input.take_back(&mut memory);
    assert_eq!(memory.len(), 64 << 10);
    assert_eq!(input.space().len(), 4 << 10); // not as much as came in the end
    // Nor does what was read into space that is gone count.
    assert!(input.lend(&mut memory));
    input.space();
    input.take_back(&mut memory);
    input.advance(3);
    assert!(input.is_at_rest());
}

#[test]
fn memory_that_was_not_taken_back_and_memory_that_is_empty_are_not_lent() {
    let (mut input, mut memory, mut other) = (ReadBuffer::new(), vec![0; 1000], vec![0; 1000]);
    assert!(!input.lend(&mut Vec::new()));
    assert!(input.lend(&mut memory));
    assert!(!input.lend(&mut other));
    input.take_back(&mut other);
    assert_eq!((memory.len(), other.len()), (0, 1000));
}

/// Law L4: what comes byte by byte, with memory that is lent for each of them, is moved a few times altogether.
#[test]
fn the_same_bytes_are_moved_into_lent_memory_a_few_times() {
    for fragments in [1, 10] {
        let part = vec![7; 6000 / fragments];
        let mut bytes = Vec::new();
        for index in 0..fragments {
            let (fin, opcode) = (index + 1 == fragments, index == 0);
            bytes.extend(frame(u8::from(fin) << 7 | u8::from(opcode) << 1, &part));
        }
        let mut ws = Connection::new(Server, &Limits::default());
        let (mut input, mut memory, mut out) = (ReadBuffer::new(), vec![0; 64 << 10], Vec::new());
        for _ in 0..3 {
            let (mut moved, mut messages) = (0, 0);
            for (count, byte) in bytes.iter().enumerate() {
                let lent = input.lend(&mut memory);
                if lent {
                    moved += count;
                }
                input.space()[0] = *byte;
                input.advance(1);
                while ws.receive(&mut input, &mut out).unwrap().is_some() {
                    messages += 1;
                }
                input.take_back(&mut memory);
                if lent && messages == 0 {
                    moved += count + 1;
                }
            }
            assert_eq!(messages, 1);
            assert!(moved <= 6 * bytes.len(), "{moved} of {}", bytes.len());
            assert!(memory.len() == 64 << 10 && input.is_at_rest());
        }
    }
}

#[test]
fn without_an_error_short_messages_are_always_read_into_lent_memory() {
    let bytes = frame(0x82, &[7; 1000]).repeat(20);
    let mut ws = Connection::new(Server, &Limits::default());
    let (mut input, mut memory, mut out) = (ReadBuffer::new(), vec![0; 64 << 10], Vec::new());
    for read in bytes.chunks(1700) {
        assert!(input.lend(&mut memory));
        input.space()[..read.len()].copy_from_slice(read);
        input.advance(read.len());
        while ws.receive(&mut input, &mut out).unwrap().is_some() {}
        input.take_back(&mut memory);
        assert_eq!(memory.len(), 64 << 10);
    }
}

#[test]
fn memory_is_lent_again_once_nothing_is_left_of_what_was_moved() {
    let mut ws = Connection::new(Server, &Limits::default());
    let (mut input, mut memory, mut out) = (ReadBuffer::new(), vec![0; 64 << 10], Vec::new());
    for _ in 0..2 {
        for read in frame(0x82, &[7; 6000]).chunks(4000) {
            assert!(input.lend(&mut memory));
            input.space()[..read.len()].copy_from_slice(read);
            input.advance(read.len());
            while ws.receive(&mut input, &mut out).unwrap().is_some() {}
            let _ = input.space(); // where a read finds nothing more
            input.take_back(&mut memory);
        }
    }
}

#[test]
fn an_output_goes_on_where_it_was() {
    let (mut out, mut memory, mut other) = (WriteBuffer::new(), Vec::with_capacity(4096), Vec::with_capacity(1));
    assert!(out.lend(&mut memory));
    assert!(!out.lend(&mut other));
    assert_eq!((memory.capacity(), other.capacity()), (0, 1));
    out.put(b"written, ");
    let shared = SharedBytes::new(vec![b'-'; 2000]);
    out.put_shared(b"header", &shared).unwrap();
    out.put(b", rest");
    out.written(9);
    out.take_back(&mut memory);
    assert!(memory.capacity() >= 4096);
    out.take_back(&mut other);
    assert_eq!(other.capacity(), 1);
    assert_eq!(
        out.slices().collect::<Vec<_>>().concat(),
        [b"header", shared.as_ref(), b", rest"].concat()
    );
    out.written(out.len());
    out.release();
    assert_eq!(out.capacity(), 0);
}

#[test]
fn memory_that_was_lent_does_not_shrink_and_what_is_full_is_kept() {
    let (mut out, mut memory) = (WriteBuffer::new(), Vec::with_capacity(128 << 10));
    assert!(out.lend(&mut memory));
    for _ in 0..10 {
        out.put(b"short");
        out.written(5);
    }
    out.take_back(&mut memory);
    assert!(memory.capacity() >= 128 << 10);
    let mut memory = Vec::with_capacity(100);
    assert!(out.lend(&mut memory));
    out.put(&[1; 90]);
    out.take_back(&mut memory);
    assert_eq!((memory.capacity(), out.len()), (0, 90));
}
