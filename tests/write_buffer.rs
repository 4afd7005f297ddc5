//! The write buffer: what is put comes out in order, however the transport takes it, long payloads by reference; and what it
//! holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use std::io::{ErrorKind, IoSlice, Write};

use common::*;
use sockless::buffer::{Output, SharedBytes, WriteBuffer};
use sockless::connection::{PreparedMessage, Role, Sender};
use sockless::frame::{CloseCode, MessageKind};

/// From this length on, in bytes, a payload is kept by reference.
const BY_REFERENCE: usize = 1024;

/// Puts frames of every sort: copied, kept by reference, one after another, at the front and at the end.
fn put_all<R: Role>(role: R, out: &mut (impl Output + ?Sized)) {
    let shared = |len: usize| SharedBytes::new((0..len).map(|i| (i * 7) as u8).collect::<Vec<u8>>());
    let mut sender = Sender::new(role);
    let mut tx = sender.tx(out);
    tx.shared(MessageKind::Binary, &shared(BY_REFERENCE)).unwrap();
    tx.shared(MessageKind::Binary, &shared(BY_REFERENCE - 1)).unwrap();
    tx.shared(MessageKind::Text, &SharedBytes::new("é".repeat(2000)))
        .unwrap();
    tx.shared(MessageKind::Binary, &shared(5000)).unwrap();
    tx.prepared(&PreparedMessage::new("short").unwrap()).unwrap();
    tx.prepared(&PreparedMessage::new(&[7; 3000]).unwrap()).unwrap();
    tx.shared(MessageKind::Binary, &SharedBytes::new("")).unwrap();
    tx.text("text").unwrap();
    tx.ping(b"ping").unwrap();
    tx.begin_frame(MessageKind::Binary, 3000, true).unwrap();
    tx.chunk(&[1; 1000]).unwrap();
    tx.chunk(&[2; 2000]).unwrap();
    tx.shared(MessageKind::Binary, &shared(2000)).unwrap();
    tx.close(CloseCode::NORMAL, "").unwrap();
}

/// The same bytes as in a vector, by single writes and by vectored ones, in portions of every sort.
fn the_bytes_in_order<R: Role>(role: fn() -> R) {
    let mut expected = Vec::new();
    put_all(role(), &mut expected);
    for portion in [1, 2, 3, 7, 100, 1023, 1024, 1025, 4096, usize::MAX] {
        for vectored in [false, true] {
            let mut out = WriteBuffer::new();
            put_all(role(), &mut out);
            let mut sent = Vec::new();
            loop {
                assert_eq!(out.len(), expected.len() - sent.len());
                assert!(out.slices().all(|slice| !slice.is_empty()));
                assert_eq!(out.slices().map(<[u8]>::len).sum::<usize>(), out.len());
                assert_eq!(out.slices().next().unwrap_or_default(), out.unwritten());
                if out.unwritten().is_empty() {
                    break;
                }
                let before = sent.len();
                if vectored {
                    let slices: Vec<u8> = out.slices().flatten().copied().take(portion).collect();
                    sent.extend(slices);
                } else {
                    let slice = out.unwritten();
                    sent.extend_from_slice(&slice[..portion.min(slice.len())]);
                }
                out.written(sent.len() - before);
            }
            assert!(sent == expected, "portions of {portion}, vectored: {vectored}");
            assert_eq!(out.len(), 0);
        }
    }
}

/// Puts and writes interleaved at random: always what a vector would hold.
fn puts_and_writes_interleaved<R: Role>(role: fn() -> R) {
    let mut numbers = Numbers(77);
    for _ in 0..200 {
        let (mut sender, mut twin) = (Sender::new(role()), Sender::new(role()));
        let (mut out, mut expected) = (WriteBuffer::new(), Vec::new());
        let mut taken = 0;
        for _ in 0..numbers.below(60) {
            let len = [0, 1, 100, 1000, 1024, 3000, 20_000][numbers.below(7)];
            let payload = numbers.bytes(len);
            match numbers.below(5) {
                0 => {
                    sender.tx(&mut out).binary(&payload).unwrap();
                    twin.tx(&mut expected).binary(&payload).unwrap();
                }
                1 => {
                    let shared = SharedBytes::new(payload.clone());
                    sender.tx(&mut out).shared(MessageKind::Binary, &shared).unwrap();
                    twin.tx(&mut expected).binary(&payload).unwrap();
                }
                2 => {
                    let whole = numbers.below(out.unwritten().len() + 1);
                    out.written(whole);
                    taken += whole;
                }
                _ => {
                    let len = numbers.below(out.len() + 1);
                    out.written(len);
                    taken += len;
                }
            }
            assert_eq!(out.len(), expected.len() - taken);
            assert!(out.slices().collect::<Vec<_>>().concat() == expected[taken..]);
        }
    }
}

/// More than there is cannot have been written.
#[test]
fn written_beyond_the_end() {
    let mut out = WriteBuffer::new();
    out.written(5);
    assert_eq!((out.len(), out.unwritten()), (0, &b""[..]));
    for len in [10, 2000] {
        let mut sender = Sender::new(server());
        let payload = SharedBytes::new(vec![1; len]);
        sender.tx(&mut out).shared(MessageKind::Binary, &payload).unwrap();
        sender.tx(&mut out).text("after").unwrap();
        out.written(usize::MAX);
        assert_eq!((out.len(), out.unwritten()), (0, &b""[..]));
        sender.tx(&mut out).text("x").unwrap();
        assert_eq!(out.unwritten(), b"\x81\x01x");
        out.written(3);
    }
}

/// A long payload is kept by reference, once for all receivers, and let go when it is written. A client, which masks, copies.
fn by_reference<R: Role>(role: fn() -> R) {
    let bytes: std::sync::Arc<[u8]> = vec![7; 100_000].into();
    let payload = SharedBytes::new(bytes.clone());
    let mut outs: Vec<WriteBuffer> = (0..10).map(|_| WriteBuffer::new()).collect();
    for out in &mut outs {
        Sender::new(role())
            .tx(out)
            .shared(MessageKind::Binary, &payload)
            .unwrap();
        assert_eq!(out.len(), from_us::<R>(FIN | BIN, &bytes).len());
        let last = out.slices().last().unwrap();
        assert_eq!(last.as_ptr() == bytes.as_ptr(), !R::IS_CLIENT);
        assert!(out.capacity() >= 100_000, "what is kept by reference is held too");
    }
    drop(payload);
    for out in &mut outs {
        let len = out.len();
        out.written(len - 1);
        assert_eq!(out.unwritten().len(), 1);
        out.written(1);
    }
    assert_eq!(std::sync::Arc::strong_count(&bytes), 1, "let go");
}

/// From 1 KiB on: what is shorter is copied.
#[test]
fn by_reference_from_1_kib_on() {
    for len in [0, 1, 1023, 1024, 1025] {
        let bytes: std::sync::Arc<[u8]> = vec![7; len].into();
        let mut out = WriteBuffer::new();
        Sender::new(server())
            .tx(&mut out)
            .shared(MessageKind::Binary, &SharedBytes::new(bytes.clone()))
            .unwrap();
        assert_eq!(std::sync::Arc::strong_count(&bytes) > 1, len >= 1024, "{len} bytes");
        assert_eq!(out.slices().count(), if len >= 1024 { 2 } else { 1 }, "{len} bytes");
    }
}

/// A stream that does something else each time: takes so many bytes, or fails.
struct Stream<'a> {
    does: std::slice::Iter<'a, Result<usize, ErrorKind>>,
    written: Vec<u8>,
    flushes: std::slice::Iter<'a, Result<(), ErrorKind>>,
}

impl Stream<'_> {
    fn next(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let len = self.does.next().copied().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
        self.written.extend_from_slice(&bytes[..len]);
        Ok(len)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.next(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        assert!(slices.len() > 1 && slices.len() <= 8, "{} slices", slices.len());
        self.next(
            &slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect::<Vec<u8>>(),
        )
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(self.flushes.next().copied().unwrap_or(Ok(()))?)
    }
}

/// `write_to` writes all, whatever the stream takes at once, and goes on where it was interrupted. Any other error comes
/// out, and nothing is lost by it.
fn write_to<R: Role>(role: fn() -> R) {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock, WriteZero};

    let mut expected = Vec::new();
    put_all(role(), &mut expected);
    let rows: [(&[_], &[_], &[_]); 6] = [
        (&[], &[], &[]),
        (&[Ok(1), Ok(3), Ok(1024), Ok(2)], &[], &[]),
        (
            &[Err(Interrupted), Ok(10), Err(Interrupted)],
            &[Err(Interrupted), Err(Interrupted)],
            &[],
        ),
        (&[Ok(5), Err(WouldBlock), Err(TimedOut)], &[], &[WouldBlock, TimedOut]),
        (&[Ok(5000), Ok(0)], &[], &[WriteZero]),
        (
            &[],
            &[Err(WouldBlock), Err(Interrupted), Err(TimedOut)],
            &[WouldBlock, TimedOut],
        ),
    ];
    for (does, flushes, errors) in rows {
        let mut stream = Stream {
            does: does.iter(),
            written: Vec::new(),
            flushes: flushes.iter(),
        };
        let mut out = WriteBuffer::new();
        put_all(role(), &mut out);
        for error in errors {
            assert_eq!(out.write_to(&mut stream).unwrap_err().kind(), *error);
            assert_eq!(out.len(), expected.len() - stream.written.len());
        }
        out.write_to(&mut stream).unwrap();
        assert!(stream.written == expected, "{does:?}, {flushes:?}");
        assert_eq!((out.len(), stream.flushes.len()), (0, 0));
    }
}

/// The watermark is a question, not a bound.
#[test]
fn watermark() {
    let mut out = WriteBuffer::new();
    assert_eq!(out.watermark(), 64 << 10);
    let mut sender = Sender::new(server());
    sender.tx(&mut out).binary(&[0; (64 << 10) - 10]).unwrap();
    assert!(out.len() <= 64 << 10 && !out.is_over_watermark());
    sender.tx(&mut out).binary(&[0; 10]).unwrap();
    assert!(out.is_over_watermark(), "64 KiB unless it is set");
    out.set_watermark(1 << 20);
    assert_eq!(out.watermark(), 1 << 20);
    assert!(!out.is_over_watermark());
    out.set_watermark(100);
    sender.tx(&mut out).text("nothing is refused").unwrap();
    assert!(out.is_over_watermark());
    out.written(out.len() - 100);
    assert!(!out.is_over_watermark(), "exactly as much is not over it");
    let shared = SharedBytes::new(vec![0; 2000]);
    sender.tx(&mut out).shared(MessageKind::Binary, &shared).unwrap();
    assert!(out.is_over_watermark(), "what is kept by reference counts");
}

/// After long messages and short ones, what the long ones took is given back by itself; all of it when asked to, but not
/// while something is unwritten.
#[test]
fn memory_is_given_back() {
    let mut out = WriteBuffer::new();
    let mut sender = Sender::new(server());
    sender.tx(&mut out).binary(&vec![0; 16 << 20]).unwrap();
    assert!(out.capacity() >= 16 << 20);
    out.written(out.len());
    for _ in 0..3 {
        sender.tx(&mut out).text("short").unwrap();
        out.release();
        assert_eq!(out.unwritten(), b"\x81\x05short");
        out.written(7);
    }
    assert!(out.capacity() <= 32 << 10, "{} bytes", out.capacity());
    let news = PreparedMessage::new(&[0; 2000]).unwrap();
    for _ in 0..100_000 {
        sender.tx(&mut out).prepared(&news).unwrap();
    }
    out.written(usize::MAX);
    for _ in 0..3 {
        sender.tx(&mut out).text("short").unwrap();
        out.written(7);
    }
    assert!(out.capacity() <= 64 << 10, "{} bytes", out.capacity());
    out.release();
    assert_eq!(out.capacity(), 0);
}

/// Memory for output that was needed lately is kept: nothing is allocated for messages that are long every other time, and
/// what is much longer than all that came lately is given back, whatever its length.
#[test]
fn memory_follows_what_was_needed_lately() {
    for len in [30_000, 100_000, 1 << 20] {
        let mut out = WriteBuffer::new();
        let mut sender = Sender::new(server());
        let mut send = |len: usize| {
            sender.tx(&mut out).binary(&vec![0; len]).unwrap();
            out.written(out.len());
            out.capacity()
        };
        let held = send(len);
        for _ in 0..5 {
            assert_eq!((send(10), send(len)), (held, held), "{len} bytes");
        }
        let least = (0..10).map(|_| send(10)).last().unwrap();
        assert!(least <= 17 << 10, "{least} bytes after {len}");
        // Nor does it matter how much less comes at first.
        send(len);
        send(len / 10 * 6);
        let least = (0..10).map(|_| send(10)).last().unwrap();
        assert!(least <= 17 << 10, "{least} bytes after {len}");
        // 16 KiB are not worth to be given back.
        let held = send(15_000);
        assert!((0..10).all(|_| send(10) == held));
    }
}

/// Law L7: giving back memory asks for none, not even for a smaller piece in its place. There may be none, and no error to
/// tell it with.
#[test]
fn memory_is_given_back_without_asking_for_any() {
    let (mut out, news) = (WriteBuffer::new(), SharedBytes::new(vec![7; 2000]));
    for len in [20_000, 100_000, 1 << 20] {
        out.put(&vec![0; len]);
        for _ in 0..1000 {
            out.put_shared(b"header", &news).unwrap();
        }
        let held = out.capacity();
        for _ in 0..20 {
            let info = allocation_counter::measure(|| out.written(out.len()));
            assert_eq!(info.count_total, 0, "after {len} bytes");
            out.put(b"short");
        }
        assert!(out.capacity() < held / 2, "{} of {held} bytes", out.capacity());
    }
}

/// What it says it holds is what it has allocated, with the bytes that are kept by reference.
#[test]
fn what_is_held() {
    for count in [1, 10, 1000, 5000] {
        let payload = SharedBytes::new(vec![7; 2000]);
        let mut out = WriteBuffer::new();
        let info = allocation_counter::measure(|| {
            let mut sender = Sender::new(server());
            for _ in 0..count {
                sender.tx(&mut out).shared(MessageKind::Binary, &payload).unwrap();
            }
        });
        let allocated = usize::try_from(info.bytes_current).unwrap();
        assert_eq!(out.capacity(), allocated + count * 2000, "{count} payloads");
        // All but the last one are let go, and in the end what it took to keep them.
        out.written(out.len() - 2000);
        assert_eq!(out.capacity(), allocated + 2000);
        out.written(2000);
        assert!(out.capacity() <= 40 << 10, "{} bytes", out.capacity());
        assert!(format!("{payload:?}").starts_with("SharedBytes { len: 2000"));
    }
}

/// Room is asked for once for what is copied, so that nothing is allocated where that cannot fail; and none for what is kept.
#[test]
fn room_for_what_is_copied() {
    for (len, allocations, most) in [
        (1, 1, 64),
        (1000, 1, 1100),
        (1023, 1, 1100),
        (1024, 2, 600),
        (100_000, 2, 600),
    ] {
        let payload = SharedBytes::new(vec![7; len]);
        let mut out = WriteBuffer::new();
        let info = allocation_counter::measure(|| {
            Sender::new(server())
                .tx(&mut out)
                .shared(MessageKind::Binary, &payload)
                .unwrap();
        });
        assert_eq!(info.count_total, allocations, "{len} bytes");
        assert!(info.bytes_total <= most, "{} bytes for {len}", info.bytes_total);
    }
}

/// What was written is made use of again: a buffer that never becomes empty does not grow for ever.
#[test]
fn what_was_written_makes_room() {
    let mut out = WriteBuffer::new();
    let mut sender = Sender::new(server());
    for _ in 0..100_000 {
        sender.tx(&mut out).binary(&[1; 100]).unwrap();
        if out.len() > 5000 {
            out.written(102);
        }
    }
    assert!(out.len() > 5000 - 102);
    assert!(out.capacity() <= 32 << 10, "{} bytes for {}", out.capacity(), out.len());
}

both_roles!(the_bytes_in_order, puts_and_writes_interleaved, by_reference, write_to);

/// What was needed lately counts half as much with each time that all is written. Memory of four times as much stays, of more
/// than that it goes.
#[test]
fn memory_goes_once_it_is_more_than_four_times_what_was_needed_lately() {
    let mut out = WriteBuffer::new();
    out.reserve(1 << 16).unwrap();
    assert_eq!(out.capacity(), 1 << 16);
    let capacities = [1 << 16, 1, 1, 1].map(|len| {
        out.put(&vec![7; len]);
        out.written(len);
        out.capacity()
    });
    assert_eq!(capacities, [1 << 16, 1 << 16, 1 << 16, 0]);
}
