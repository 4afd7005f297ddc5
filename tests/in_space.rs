//! Reading straight into the assembly buffer: the same events as `receive`, wherever the two are mixed.
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
use sockless::error::{Failure, ReceiveError, Violation};
use sockless::limits::Limits;
use sockless::message::MessageConnection;

/// What a mixed run gives.
#[derive(Debug, PartialEq, Eq)]
struct Mixed {
    seen: Vec<Seen>,
    error: Option<Failure>,
    output: Vec<u8>,
    /// How many bytes went through the space.
    in_space: usize,
}

/// Where the bytes go next.
enum Next {
    /// So many bytes through `receive`.
    Copy(usize),
    /// At most so many bytes through the space, if there is some.
    Space(usize),
}

/// Runs bytes through a connection, each portion where `next` says.
fn mixed<R: Role>(role: R, bytes: &[u8], mut next: impl FnMut() -> Next) -> Mixed {
    let mut ws = MessageConnection::new(Connection::new(role, &Limits::default()));
    let mut run = Mixed {
        seen: Vec::new(),
        error: None,
        output: Vec::new(),
        in_space: 0,
    };
    let mut rest = bytes;
    while !rest.is_empty() && run.error.is_none() {
        let (copy, at_most) = match next() {
            Next::Copy(len) => (len, 0),
            Next::Space(len) => (1, len),
        };
        if at_most > 0
            && let Some(space) = ws.space(1)
        {
            assert!(!space.is_empty());
            let len = at_most.min(space.len()).min(rest.len());
            space[..len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            run.in_space += len;
            match ws.receive_in_space(len, &mut run.output) {
                Ok(None) => {}
                Ok(Some((event, _))) => run.seen.push(event.seen()),
                Err(ReceiveError::Failed(failure)) => run.error = Some(failure),
                Err(ReceiveError::Blocked(blocked)) => panic!("{blocked}"),
            }
            continue;
        }
        let len = copy.min(rest.len());
        let mut piece = rest[..len].to_vec();
        rest = &rest[len..];
        let mut input = &mut piece[..];
        loop {
            match ws.receive(&mut input, &mut run.output) {
                Ok(None) => break,
                Ok(Some((event, _))) => run.seen.push(event.seen()),
                Err(ReceiveError::Failed(failure)) => {
                    run.error = Some(failure);
                    break;
                }
                Err(ReceiveError::Blocked(blocked)) => panic!("{blocked}"),
            }
        }
    }
    run
}

fn same_as_receive<R: Role>(role: fn() -> R, bytes: &[u8], next: impl FnMut() -> Next) -> usize {
    let expected = run_messages(role(), &Limits::default(), false, bytes, &[]);
    let run = mixed(role(), bytes, next);
    assert_eq!(run.error, expected.error);
    assert_eq!(run.seen, expected.seen);
    assert_eq!(run.output, expected.output);
    run.in_space
}

/// Only the space wherever there is some, in portions of several lengths.
fn space_wherever_there_is_some<R: Role>(role: fn() -> R) {
    let mut numbers = Numbers(100);
    for _ in 0..20 {
        let bytes = mixed_session::<R>(&mut numbers);
        for portion in [1, 2, 3, 5, 64, usize::MAX] {
            let in_space = same_as_receive(role, &bytes, || Next::Space(portion));
            assert!(in_space > 0);
        }
    }
}

/// The two modes mixed at places from a generator.
fn mixed_at_random<R: Role>(role: fn() -> R) {
    let mut numbers = Numbers(200);
    let mut in_space = 0;
    for _ in 0..300 {
        let bytes = mixed_session::<R>(&mut numbers);
        let longest = 1 + numbers.below(40);
        in_space += same_as_receive(role, &bytes, || {
            let len = 1 + numbers.below(longest);
            if numbers.below(2) == 0 {
                Next::Copy(len)
            } else {
                Next::Space(len)
            }
        });
    }
    assert!(in_space > 50_000, "{in_space}");
}

/// A text with characters of every length: copied up to each place, then in the space, and the other way round; and in
/// the space only for the bytes between two places.
fn switched_at_every_place<R: Role>(role: fn() -> R) {
    let text = "aé€😀b€é😀";
    let (head, tail) = text.as_bytes().split_at(8);
    for bytes in [
        from_peer::<R>(FIN | TEXT, text.as_bytes()),
        from_peer::<R>(FIN | BIN, text.as_bytes()),
        [
            from_peer::<R>(TEXT, head),
            from_peer::<R>(PING, b"p"),
            from_peer::<R>(FIN | CONT, tail),
        ]
        .concat(),
        [
            from_peer::<R>(BIN, head),
            from_peer::<R>(CONT, b""),
            from_peer::<R>(FIN | CONT, tail),
        ]
        .concat(),
    ] {
        // A message in front leaves something in the buffer that must not come back.
        let before = [
            from_peer::<R>(TEXT, "früher".as_bytes()),
            from_peer::<R>(FIN | CONT, &[b'!'; 40]),
        ]
        .concat();
        let bytes = [before, bytes, from_peer::<R>(FIN | TEXT, b"after")].concat();
        for first in 0..=bytes.len() {
            for second in [first + 1, first + 2, first + 5, bytes.len()] {
                for inside in [true, false] {
                    let mut at = 0;
                    same_as_receive(role, &bytes, || {
                        at += 1;
                        let between = (first..second).contains(&(at - 1));
                        if between == inside {
                            Next::Space(1)
                        } else {
                            Next::Copy(1)
                        }
                    });
                }
            }
        }
    }
}

/// The space is never longer than what is missing, is refused where less is missing than asked for, and is offered in
/// the payload of data frames only.
fn space_is_what_is_missing<R: Role>(role: fn() -> R) {
    let limits = Limits::default();
    for (len, asked) in [1_usize, 10, 65_536, 65_537, 300_000]
        .into_iter()
        .flat_map(|len| [(len, false), (len, true)])
    {
        let mut ws = MessageConnection::new(Connection::new(role(), &limits));
        assert!(ws.space(0).is_none(), "between messages");
        let mut header = head(FIN | BIN, peer_key::<R>(), len as u64);
        let (start, rest) = header.split_at_mut(1);
        let mut out = Vec::new();
        assert!(ws.receive(&mut &mut start[..], &mut out).unwrap().is_none());
        assert!(ws.space(0).is_none(), "inside a header");
        assert!(ws.receive(&mut &mut rest[..], &mut out).unwrap().is_none());
        assert!(ws.space(len + 1).is_none(), "{len}: more than is missing");
        assert_eq!(ws.space(1).unwrap().len(), len.min(65_536));
        if asked {
            assert_eq!(ws.space(len).unwrap().len(), len, "as long as was asked for");
            assert_eq!(ws.space(1).unwrap().len(), len, "what there is already");
        }
        let mut missing = len;
        loop {
            let space = ws.space(1).unwrap();
            let filled = len - missing;
            assert!(!space.is_empty() && space.len() <= missing);
            assert!(asked || space.len() <= filled.max(65_536));
            let portion = space.len();
            space.fill(0);
            missing -= portion;
            let event = ws.receive_in_space(portion, &mut out).unwrap();
            assert_eq!(event.is_some(), missing == 0);
            if let Some((event, _)) = event {
                assert!(matches!(event.seen(), Seen::Data { data, .. } if data.len() == len));
                break;
            }
        }
        assert!(ws.space(0).is_none(), "after the message");
        assert!(ws.receive_in_space(0, &mut out).unwrap().is_none());
        assert!(ws.assembly_capacity() < len + 256, "no longer than the message");
    }
    // Control frames have none.
    let mut ws = MessageConnection::new(Connection::new(role(), &limits));
    let mut ping = from_peer::<R>(PING, b"ping");
    ping.pop();
    assert!(ws.receive(&mut &mut ping[..], &mut Vec::new()).unwrap().is_none());
    assert!(ws.space(0).is_none());
}

/// Bad UTF-8 is found, in the space as elsewhere, as soon as it is there.
fn bad_utf8_in_space<R: Role>(role: fn() -> R) {
    for bad in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82(",
    ] {
        let payload = ["good € ".as_bytes(), bad, b" more"].concat();
        let bytes = from_peer::<R>(FIN | TEXT, &payload);
        for portion in [1, 2, 3, 7, usize::MAX] {
            same_as_receive(role, &bytes, || Next::Space(portion));
        }
        let run = mixed(role(), &bytes, || Next::Space(1));
        assert_eq!(
            (run.error, run.output),
            (Some(Violation::TextNotUtf8.into()), close_from_us::<R>(1007))
        );
        assert_eq!(run.seen, []);
        let decisive = (1..=payload.len())
            .find(|&len| std::str::from_utf8(&payload[..len]).is_err_and(|error| error.error_len().is_some()));
        assert_eq!(Some(run.in_space), decisive, "{bad:x?}");
    }
    // Cut by the end of the message, in one frame and over two.
    let one = from_peer::<R>(FIN | TEXT, b"cut \xe2\x82");
    let two = [
        from_peer::<R>(TEXT, b"cut \xf0"),
        from_peer::<R>(FIN | CONT, b"\x9f\x98"),
    ]
    .concat();
    for bytes in [one, two] {
        for portion in [1, 2, usize::MAX] {
            let run = mixed(role(), &bytes, || Next::Space(portion));
            assert_eq!((run.error, run.seen), (Some(Violation::TextNotUtf8.into()), Vec::new()));
        }
    }
}

/// Taking in nothing, or less than the space, loses nothing.
fn empty_portions<R: Role>(role: fn() -> R) {
    let mut ws = MessageConnection::new(Connection::new(role(), &Limits::default()));
    let bytes = from_peer::<R>(FIN | TEXT, "€uro".as_bytes());
    let payload_at = bytes.len() - 6;
    let mut header = bytes[..payload_at].to_vec();
    let mut out = Vec::new();
    assert!(ws.receive(&mut &mut header[..], &mut out).unwrap().is_none());
    for byte in &bytes[payload_at..bytes.len() - 1] {
        assert!(ws.space(1).is_some());
        assert!(ws.receive_in_space(0, &mut out).unwrap().is_none());
        assert!(ws.receive(&mut &mut [][..], &mut out).unwrap().is_none());
        ws.space(1).unwrap()[0] = *byte;
        assert!(ws.receive_in_space(1, &mut out).unwrap().is_none());
    }
    ws.space(1).unwrap()[0] = bytes[bytes.len() - 1];
    let (event, _) = ws.receive_in_space(1, &mut out).unwrap().unwrap();
    assert_eq!(event.seen(), Seen::text("€uro"));
}

both_roles!(
    space_wherever_there_is_some,
    mixed_at_random,
    switched_at_every_place,
    space_is_what_is_missing,
    bad_utf8_in_space,
    empty_portions,
);
