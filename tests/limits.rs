//! Each limit at one less, exactly, and one more; and the code of the Close that answers it.
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
use sockless::connection::Role;
use sockless::error::{Blocked, Failure, LimitExceeded, ReceiveError};
use sockless::frame::MessageKind;
use sockless::limits::Limits;

/// Feeds bytes, and says what failed and what was written.
fn outcome<R: Role>(role: fn() -> R, limits: &Limits, bytes: &[u8]) -> (Option<Failure>, Vec<u8>) {
    let stream = run(role(), limits, false, bytes, &[]);
    let messages = run_messages(role(), limits, false, bytes, &[bytes.len() / 2]);
    assert_eq!((stream.error, &stream.output), (messages.error, &messages.output));
    assert_eq!(messages.seen, whole_messages(&stream.seen));
    assert_eq!(messages.seen.is_empty(), stream.error.is_some());
    (stream.error, stream.output)
}

fn refused<R: Role>(limit: LimitExceeded, code: u16) -> (Option<Failure>, Vec<u8>) {
    (Some(limit.into()), close_from_us::<R>(code))
}

/// As documented.
#[test]
fn defaults() {
    let limits = Limits::default();
    assert_eq!(limits, Limits::DEFAULT);
    assert_eq!((limits.max_frame_len, limits.max_message_len), (16 << 20, 16 << 20));
    assert_eq!((limits.fragment_budget, limits.max_reply_backlog), (4096, 256 << 10));
}

/// One frame of a length around the limit, for limits in each class of length.
fn frame_len<R: Role>(role: fn() -> R) {
    for limit in [0, 1, 100, 125, 126, 127, 1000, 65535, 65536, 65537] {
        let limits = Limits::default().with_max_frame_len(limit);
        for first in [FIN | TEXT, FIN | BIN] {
            for len in limit.saturating_sub(1)..=limit + 1 {
                let bytes = from_peer::<R>(first, &vec![b'x'; len as usize]);
                let expected = if len > limit {
                    refused::<R>(LimitExceeded::FrameTooLong, 1009)
                } else {
                    (None, Vec::new())
                };
                assert_eq!(outcome(role, &limits, &bytes), expected, "{len} of {limit}");
            }
        }
    }
}

/// The default limits, at the header: the payload need not come.
fn default_frame_and_message_len<R: Role>(role: fn() -> R) {
    for (len, expected) in [
        ((16 << 20) - 1, None),
        (16 << 20, None),
        ((16 << 20) + 1, Some(LimitExceeded::MessageTooLong.into())),
        (1 << 62, Some(LimitExceeded::MessageTooLong.into())),
    ] {
        let mut end = End::new(role());
        end.feed(&head(FIN | BIN, peer_key::<R>(), len));
        assert_eq!(end.failure(), expected, "{len}");
    }
}

/// One message over one, two and three frames, of a length around the limit; refused at the header that goes over.
fn message_len<R: Role>(role: fn() -> R) {
    for limit in [2, 125, 126, 1000, 65536] {
        let limits = Limits::default().with_max_message_len(limit);
        for len in limit - 1..=limit + 1 {
            let payload = vec![b'x'; len as usize];
            let third = payload.len() / 3;
            let one = from_peer::<R>(FIN | TEXT, &payload);
            let two = [
                from_peer::<R>(TEXT, &payload[..third]),
                from_peer::<R>(FIN | CONT, &payload[third..]),
            ]
            .concat();
            let three = [
                from_peer::<R>(BIN, &payload[..third]),
                from_peer::<R>(CONT, &payload[third..2 * third]),
                from_peer::<R>(FIN | CONT, &payload[2 * third..]),
            ]
            .concat();
            for bytes in [one, two, three] {
                let expected = if len > limit {
                    refused::<R>(LimitExceeded::MessageTooLong, 1009)
                } else {
                    (None, Vec::new())
                };
                assert_eq!(outcome(role, &limits, &bytes), expected, "{len} of {limit}");
            }
        }
        // It is counted for each message anew.
        let bytes = from_peer::<R>(FIN | BIN, &vec![0; limit as usize]).repeat(3);
        assert_eq!(outcome(role, &limits, &bytes), (None, Vec::new()));
    }
}

/// Once a message is at its limit, empty fragments still pass and one byte does not.
fn empty_fragment_at_the_message_limit<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_message_len(5);
    let mut end = End::with_limits(role(), &limits);
    end.frame(TEXT, b"12345").frame(CONT, b"");
    assert_eq!(end.failure(), None);
    end.frame(CONT, b"6");
    assert_eq!(end.failure(), Some(LimitExceeded::MessageTooLong.into()));
}

/// Control frames are under neither limit, and may be longer than a frame of data may.
fn control_frames_are_not_data<R: Role>(role: fn() -> R) {
    let limits = Limits::default()
        .with_max_frame_len(3)
        .with_max_message_len(3)
        .with_fragment_budget(2);
    let mut end = End::with_limits(role(), &limits);
    end.frame(TEXT, b"ab");
    for _ in 0..100 {
        end.frame(PING, &[1; 125]).frame(PONG, &[2; 125]);
    }
    end.frame(FIN | CONT, b"c")
        .frame(CLOSE, &close_body(1000, "longer than three"));
    assert_eq!((end.failure(), end.seen.len()), (None, 203));
}

/// The number of fragments that a message may have, for payloads that give back none, and some, of the budget.
fn fragment_budget<R: Role>(role: fn() -> R) {
    // (budget, bytes in each fragment, how many fragments pass)
    // With 16 bytes, every second fragment gives one back: after k of them there are k / 2 more.
    let rows = [
        (1, 0, 1),
        (2, 0, 2),
        (3, 1, 3),
        (10, 0, 10),
        (10, 1, 10),
        (32, 1, 33),
        (10, 16, 19),
        (1, 31, 1),
    ];
    for (budget, size, passing) in rows {
        let limits = Limits::default().with_fragment_budget(budget);
        let naive = (1..).find(|sent: &u32| *sent >= budget + sent * size / 32).unwrap();
        assert_eq!(naive, passing, "{budget} {size}");
        for count in [passing - 1, passing, passing + 1] {
            if count < 1 {
                continue;
            }
            let part = vec![b'x'; size as usize];
            let mut bytes = Vec::new();
            for index in 0..count {
                let fin = if index + 1 == count { FIN } else { 0 };
                bytes.extend(from_peer::<R>(fin | if index == 0 { BIN } else { CONT }, &part));
            }
            let expected = if count > passing {
                refused::<R>(LimitExceeded::TooManyFragments, 1008)
            } else {
                (None, Vec::new())
            };
            assert_eq!(
                outcome(role, &limits, &bytes),
                expected,
                "{count} fragments of {size}, budget {budget}"
            );
        }
    }
}

/// A budget of nothing refuses every fragmented message and no whole one.
fn no_fragment_budget<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_fragment_budget(0);
    assert_eq!(
        outcome(role, &limits, &from_peer::<R>(FIN | TEXT, b"whole").repeat(3)),
        (None, Vec::new())
    );
    let first = from_peer::<R>(TEXT, b"first");
    let stream = run(role(), &limits, false, &first[..1], &[]);
    assert_eq!(stream.error, Some(LimitExceeded::TooManyFragments.into()));
}

/// The budget is counted for each message anew.
fn fragment_budget_is_per_message<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_fragment_budget(3);
    let message = [
        from_peer::<R>(TEXT, b""),
        from_peer::<R>(CONT, b""),
        from_peer::<R>(FIN | CONT, b""),
    ]
    .concat();
    assert_eq!(outcome(role, &limits, &message.repeat(50)), (None, Vec::new()));
}

/// 4 MiB in fragments of 64 bytes is legal traffic.
fn long_message_in_small_fragments_passes<R: Role>(role: fn() -> R) {
    let part = from_peer::<R>(CONT, &[b'x'; 64]);
    let count = (4 << 20) / 64;
    let mut bytes = from_peer::<R>(BIN, &[b'x'; 64]);
    for _ in 2..count {
        bytes.extend_from_slice(&part);
    }
    bytes.extend(from_peer::<R>(FIN | CONT, &[b'x'; 64]));
    let run = run_messages(role(), &Limits::default(), false, &bytes, &[1_000_001, 2_000_003]);
    assert_eq!((run.error, run.seen.len()), (None, 1));
    assert!(matches!(&run.seen[0], Seen::Data { kind: MessageKind::Binary, data, .. } if data.len() == 4 << 20));
}

/// A million fragments of one byte, and of none, are refused early: after as many as the budget and the payload allow.
fn million_tiny_fragments_are_refused<R: Role>(role: fn() -> R) {
    for (size, passing) in [(0, 4096), (1, 4096 + 132)] {
        let mut end = End::new(role());
        end.frame(BIN, &vec![0; size]);
        let part = from_peer::<R>(CONT, &vec![0; size]);
        let mut passed = 1;
        for _ in 0..1_000_000 {
            end.feed(&part);
            if end.error.is_some() {
                break;
            }
            passed += 1;
        }
        assert_eq!(end.failure(), Some(LimitExceeded::TooManyFragments.into()));
        assert_eq!((passed, end.out), (passing, close_from_us::<R>(1008)));
    }
}

/// Replies up to the limit wait in the output; the next one blocks; draining lets it go on with nothing lost.
fn reply_backlog<R: Role>(role: fn() -> R) {
    let payload = [7; 10];
    let pong = from_us::<R>(PONG, &payload);
    let count = 5;
    let limit = pong.len() * count;
    // (limit, how many pongs may wait)
    for (limit, waiting) in [(limit - 1, count - 1), (limit, count), (limit + 1, count)] {
        let limits = Limits::default().with_max_reply_backlog(limit as u32);
        let mut end = End::with_limits(role(), &limits);
        let ping = from_peer::<R>(PING, &payload);
        let bytes = ping.repeat(12);
        let mut rest = bytes.len();
        let mut rounds = 0;
        let mut pongs = Vec::new();
        loop {
            rest = end.feed(&bytes[bytes.len() - rest..]);
            rounds += 1;
            match end.error.take() {
                None => break,
                Some(error) => {
                    assert_eq!(error, ReceiveError::Blocked(Blocked::UndrainedPongs));
                    assert_eq!(end.out.len(), waiting * pong.len());
                    // Not sticky, and no progress either, while nothing is drained.
                    let left = end.feed(&bytes[bytes.len() - rest..]);
                    assert_eq!((left, end.error.take()), (rest, Some(error)));
                    assert_eq!(end.out.len(), waiting * pong.len());
                }
            }
            pongs.extend(end.take_out());
        }
        pongs.extend(end.take_out());
        assert_eq!(rounds, 12_usize.div_ceil(waiting), "limit {limit}");
        assert_eq!(pongs, pong.repeat(12), "nothing is lost, nothing is twice");
        assert_eq!(end.seen, vec![Seen::Ping(payload.to_vec()); 12]);
    }
}

/// What the application itself has put in the output does not count, and a reply longer than the limit goes alone.
fn reply_backlog_counts_replies<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_reply_backlog(20);
    let mut end = End::with_limits(role(), &limits);
    end.tx().binary(&[0; 1000]).unwrap();
    end.frame(PING, b"0123456789");
    assert_eq!(end.error, None);
    end.frame(PING, b"0123456789");
    assert_eq!(end.error.take(), Some(ReceiveError::Blocked(Blocked::UndrainedPongs)));
    end.take_out();
    end.feed(b"");
    assert_eq!((end.error, end.take_out()), (None, from_us::<R>(PONG, b"0123456789")));
    end.frame(PING, &[1; 125]);
    assert_eq!((end.error, end.take_out()), (None, from_us::<R>(PONG, &[1; 125])));
}

/// A flood of pings does not keep the Close and a failure from being answered.
fn close_goes_over_the_backlog<R: Role>(role: fn() -> R) {
    for (bytes, code) in [(from_peer::<R>(CLOSE, &close_body(1000, "")), 1000), (vec![0x83], 1002)] {
        let limits = Limits::default().with_max_reply_backlog(1);
        let mut end = End::with_limits(role(), &limits);
        end.frame(PING, b"p");
        end.feed(&bytes);
        assert_eq!(end.out, [from_us::<R>(PONG, b"p"), close_from_us::<R>(code)].concat());
    }
}

both_roles!(
    frame_len,
    default_frame_and_message_len,
    message_len,
    empty_fragment_at_the_message_limit,
    control_frames_are_not_data,
    fragment_budget,
    no_fragment_budget,
    fragment_budget_is_per_message,
    long_message_in_small_fragments_passes,
    million_tiny_fragments_are_refused,
    reply_backlog,
    reply_backlog_counts_replies,
    close_goes_over_the_backlog,
);
