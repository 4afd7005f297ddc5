//! Messages handed out where they lie, the start of one left in the input until its rest is there: the same events as
//! `receive`, however the bytes arrive.
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
use sockless::connection::{Connection, Role};
use sockless::error::{Failure, LimitExceeded, ReceiveError, Violation};
use sockless::frame::MessageKind;
use sockless::limits::Limits;
use sockless::message::{MessageConnection, MessageReceiver};

fn open<R: Role>(role: fn() -> R) -> MessageConnection<R> {
    MessageConnection::new(Connection::new(role(), &Limits::default()))
}

/// What came out, and the most bytes that were ever left in the input.
struct Run {
    seen: Vec<Seen>,
    error: Option<Failure>,
    output: Vec<u8>,
    most_left: usize,
    assembled: usize,
}

/// Reads portions behind what was left, as a caller would.
fn run<R: Role>(role: fn() -> R, bytes: &[u8], longest: usize, mut portion: impl FnMut() -> usize) -> Run {
    let mut ws = open(role);
    let mut run = Run {
        seen: Vec::new(),
        error: None,
        output: Vec::new(),
        most_left: 0,
        assembled: 0,
    };
    let mut left = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() && run.error.is_none() {
        let (new, tail) = rest.split_at(portion().clamp(1, rest.len()));
        rest = tail;
        let mut buffer = [&left[..], new].concat();
        let mut input = &mut buffer[..];
        loop {
            // The last input goes to `receive`, as it would at the end of the stream.
            let received = if rest.is_empty() {
                ws.receive(&mut input, &mut run.output)
            } else {
                ws.receive_whole(&mut input, longest, &mut run.output)
            };
            match received {
                Ok(None) => break,
                Ok(Some((event, _))) => run.seen.push(event.seen()),
                Err(ReceiveError::Failed(failure)) => {
                    run.error = Some(failure);
                    break;
                }
                Err(ReceiveError::Blocked(blocked)) => panic!("{blocked}"),
            }
        }
        left = if run.error.is_some() {
            Vec::new()
        } else {
            input.to_vec()
        };
        let missing = ws.missing(&left);
        if left.is_empty() {
            assert_eq!(missing, None);
        } else {
            let missing = missing.expect("what is left lacks something");
            assert!(missing > 0 && left.len() + missing <= longest, "{missing}");
        }
        run.most_left = run.most_left.max(left.len());
        run.assembled = ws.assembly_capacity();
    }
    run
}

fn same_as_receive<R: Role>(role: fn() -> R, bytes: &[u8], longest: usize, portion: impl FnMut() -> usize) -> Run {
    let expected = run_messages(role(), &Limits::default(), false, bytes, &[]);
    let run = run(role, bytes, longest, portion);
    assert_eq!(run.error, expected.error);
    assert_eq!(run.seen, expected.seen);
    assert_eq!(run.output, expected.output);
    assert!(run.most_left < longest.max(1), "{} left of {longest}", run.most_left);
    run
}

/// Sessions with fragments and control frames, in portions of many lengths, with room for all, for some and for none of
/// the messages.
fn any_portions<R: Role>(role: fn() -> R) {
    let mut numbers = Numbers(300);
    for _ in 0..40 {
        let bytes = mixed_session::<R>(&mut numbers);
        for longest in [0, 20, 200, 4096] {
            for portion in [1, 2, 7, 64, 1000] {
                same_as_receive(role, &bytes, longest, || portion);
            }
            same_as_receive(role, &bytes, longest, || 1 + numbers.below(300));
        }
    }
}

/// Where nothing is in fragments and everything fits, nothing is assembled.
fn nothing_is_copied<R: Role>(role: fn() -> R) {
    let text = "aé€😀".repeat(50);
    let short = [
        from_peer::<R>(FIN | TEXT, text.as_bytes()),
        from_peer::<R>(PING, b"ping"),
        from_peer::<R>(FIN | BIN, &[7; 125]),
        from_peer::<R>(FIN | TEXT, b""),
    ]
    .concat();
    let long = from_peer::<R>(FIN | BIN, &[8; 70_000]);
    let bytes = [&short[..], &long, &short].concat();
    for portion in [1000, 1001, 4096, 65_536] {
        let run = same_as_receive(role, &bytes, 80_000, || portion);
        assert_eq!(run.assembled, 0);
    }
    assert_eq!(same_as_receive(role, &short, 80_000, || 1).assembled, 0);
}

/// What is left and what is missing, byte by byte.
fn missing_bytes<R: Role>(role: fn() -> R) {
    for len in [0_usize, 1, 125, 126, 65_535, 65_536] {
        let mut ws = open(role);
        let mut frame = from_peer::<R>(FIN | BIN, &vec![1; len]);
        let header_len = frame.len() - len;
        assert_eq!(ws.missing(&frame[..0]), None);
        for cut in 1..header_len {
            assert_eq!(ws.missing(&frame[..cut]), Some(1), "in the header of {len} bytes");
        }
        for cut in header_len..=frame.len().min(header_len + 3) {
            let expected = frame.len().checked_sub(cut).filter(|missing| *missing > 0);
            assert_eq!(ws.missing(&frame[..cut]), expected, "{len} bytes, {cut} there");
        }
        assert_eq!(ws.missing(&frame), None, "whole");
        // Exactly as long as allowed, and one byte longer.
        let whole = frame.len();
        if len > 0 {
            let mut out = Vec::new();
            let mut input = &mut frame[..whole - 1];
            assert!(ws.receive_whole(&mut input, whole, &mut out).unwrap().is_none());
            assert_eq!(input.len(), whole - 1, "left");
            assert!(ws.receive_whole(&mut input, whole - 1, &mut out).unwrap().is_none());
            assert_eq!(input.len(), 0, "taken in");
        }
    }
    let ws = open(role);
    for other in [
        from_peer::<R>(TEXT, b"fragment"),
        from_peer::<R>(PING, b"ping"),
        from_peer::<R>(CLOSE, &close_body(1000, "")),
        from_peer::<R>(FIN | CONT, b"orphan"),
    ] {
        for cut in 0..=other.len() {
            assert_eq!(ws.missing(&other[..cut]), None, "{:x?}", &other[..cut]);
        }
    }
}

/// The receive half alone leaves the same in its input.
fn the_receive_half_leaves_it_too<R: Role>(_role: fn() -> R) {
    let bytes = [
        from_peer::<R>(FIN | TEXT, b"left until it is whole"),
        from_peer::<R>(FIN | BIN, b"too long to be left in the input"),
        from_peer::<R>(PING, b"ping"),
    ]
    .concat();
    let longest = from_peer::<R>(FIN | TEXT, b"left until it is whole").len();
    let mut rx = MessageReceiver::<R>::new(&Limits::default());
    let (mut left, mut seen) = (Vec::new(), Vec::new());
    for (at, byte) in bytes.iter().enumerate() {
        left.push(*byte);
        let missing = rx.missing(&left);
        let expected = match at + 1 {
            there @ 2.. if there < longest => Some(if R::IS_CLIENT || there >= 6 { longest - there } else { 1 }),
            1 => Some(1),
            there if there == longest => None,
            _ => missing,
        };
        assert_eq!(missing, expected, "{at}");
        let mut input = &mut left[..];
        while let Some(event) = rx.receive_whole(&mut input, longest).unwrap() {
            seen.push(event.seen());
        }
        if at + 1 < longest {
            assert_eq!(input.len(), at + 1);
        }
        left = input.to_vec();
    }
    let expected = [
        Seen::text("left until it is whole"),
        Seen::binary(b"too long to be left in the input"),
        Seen::Ping(b"ping".to_vec()),
    ];
    assert_eq!((seen, left), (expected.to_vec(), Vec::new()));
    let mut bad = [0xc1];
    assert_eq!(
        rx.receive_whole(&mut &mut bad[..], longest),
        Err(Violation::ReservedBits.into())
    );
}

/// A Pong that is owed goes out as soon as it may, whatever is left in the input.
fn owed_pongs_do_not_wait<R: Role>(role: fn() -> R) {
    let mut ws = open(role);
    let mut out = Vec::new();
    ws.sender().begin_frame(MessageKind::Binary, 1, true, &mut out).unwrap();
    let mut ping = from_peer::<R>(PING, b"p");
    assert!(ws.receive_whole(&mut &mut ping[..], 100, &mut out).unwrap().is_some());
    let mut bytes = from_peer::<R>(FIN | TEXT, b"text");
    bytes.pop();
    assert_eq!(ws.missing(&bytes), None);
    ws.sender().chunk(b"x", &mut out).unwrap();
    out.clear();
    let mut input = &mut bytes[..];
    assert!(ws.receive_whole(&mut input, 100, &mut out).unwrap().is_none());
    assert_eq!(out, from_us::<R>(PONG, b"p"));
}

/// What a header makes illegal is refused from the header, however much the caller would wait for.
fn headers_are_judged_early<R: Role>(role: fn() -> R) {
    let mut limits = Limits::default();
    limits.max_message_len = 1000;
    for (mut bytes, error) in [
        (
            head(FIN | BIN, peer_key::<R>(), 1001),
            LimitExceeded::MessageTooLong.into(),
        ),
        (
            head(FIN | 0x40 | BIN, peer_key::<R>(), 5),
            Failure::from(Violation::ReservedBits),
        ),
    ] {
        let mut ws = MessageConnection::new(Connection::new(role(), &limits));
        let mut out = Vec::new();
        let mut input = &mut bytes[..];
        match ws.receive_whole(&mut input, usize::MAX, &mut out) {
            Err(ReceiveError::Failed(failure)) => assert_eq!(failure, error),
            other => panic!("{other:?}"),
        }
        assert!(!out.is_empty(), "the Close");
        assert_eq!(ws.missing(b"\x81"), None, "nothing comes after a failure");
    }
}

/// Bad text is refused once it is whole: as `receive` does, and with the same Close.
fn bad_text<R: Role>(role: fn() -> R) {
    for payload in [&b"bad \xff"[..], b"cut \xe2\x82", b"\xc0\xafxxxxxxxx"] {
        let bytes = from_peer::<R>(FIN | TEXT, payload);
        for portion in 1..=bytes.len() {
            let run = same_as_receive(role, &bytes, 100, || portion);
            assert_eq!(run.error, Some(Violation::TextNotUtf8.into()));
            assert_eq!(run.output, close_from_us::<R>(1007));
        }
    }
}

both_roles!(
    any_portions,
    nothing_is_copied,
    missing_bytes,
    the_receive_half_leaves_it_too,
    owed_pongs_do_not_wait,
    headers_are_judged_early,
    bad_text,
);
