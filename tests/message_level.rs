//! The message level: whole messages from a read buffer, the same as the streaming level says in pieces (laws L1, L2, L5).
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
use sockless::connection::{ChunkEvent, Connection, Payload, Role};
use sockless::error::{Blocked, LimitExceeded, ReceiveError, Violation};
use sockless::frame::MessageKind;
use sockless::limits::Limits;
use sockless::message::Event;

/// How long a part of a text frame is validated ahead of the rest, in bytes.
const EARLY: usize = 4096;

/// Sessions that are legal up to their end, and what can be wrong at the end.
fn sessions<R: Role>(numbers: &mut Numbers) -> Vec<Vec<u8>> {
    let endings = [
        Vec::new(),
        vec![0xc1],
        from_peer::<R>(FIN | TEXT, b"good\xffbad"),
        from_peer::<R>(FIN | TEXT, b"cut \xe2\x82"),
        [
            from_peer::<R>(TEXT, b"cut \xf0"),
            from_peer::<R>(FIN | CONT, b"\x9f\x98"),
        ]
        .concat(),
        [from_peer::<R>(TEXT, b"bad\xff"), from_peer::<R>(FIN | CONT, b"more")].concat(),
        from_peer::<R>(CLOSE, b"\x03\xed"),
        from_peer::<R>(FIN | BIN, &[0; 2001]),
        [from_peer::<R>(BIN, &[1; 1500]), from_peer::<R>(FIN | CONT, &[2; 501])].concat(),
    ];
    let legal = mixed_session::<R>(numbers);
    // The Close at its end, without which the endings can follow.
    let close = from_peer::<R>(CLOSE, &close_body(1000, "bye")).len();
    let open = &legal[..legal.len() - close];
    let mut sessions: Vec<Vec<u8>> = endings.iter().map(|ending| [open, ending].concat()).collect();
    sessions.push([&legal[..], b"\xff\xff ignored"].concat());
    sessions
}

/// Law L1: any cut, each way to receive, both roles, joined and apart: the same events, error, record, output and advice as
/// the streaming level has for the whole input.
fn any_cut<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_message_len(2000).with_max_frame_len(2000);
    let ways = Way::messages(2000 + 131);
    let mut numbers = Numbers(300);
    for round in 0..3 {
        for bytes in sessions::<R>(&mut numbers) {
            let expected = run(role(), &limits, true, &bytes, &[]).as_messages();
            let check = |way, cuts: &[usize]| {
                let run = drive(Connection::new(role(), &limits), way, true, &bytes, cuts);
                assert_eq!(run, expected, "{way:?}, cut at {cuts:?}");
                let run = drive(Apart::new(role(), &limits), way, true, &bytes, cuts);
                assert_eq!(run, expected, "{way:?}, cut at {cuts:?}, apart");
            };
            for way in ways {
                check(way, &[]);
                check(way, &byte_by_byte(&bytes));
                for _ in 0..4 {
                    let mut cuts: Vec<usize> = (0..5).map(|_| numbers.below(bytes.len() + 1)).collect();
                    cuts.sort_unstable();
                    check(way, &cuts);
                }
            }
            if round == 0 {
                for cut in 0..=bytes.len() {
                    check(ways[cut % ways.len()], &[cut]);
                }
            }
        }
    }
}

/// Law L5: text that is not UTF-8 is refused when its first 4096 bytes have arrived, if it is in them; else at the end of
/// its fragment, or when the message is whole. Never a byte later, by any way to receive.
fn when_bad_text_is_refused<R: Role>(role: fn() -> R) {
    let limits = Limits::default();
    // (lengths of the frames, where in the text the bad byte is, after which byte of the text it is refused)
    let rows: [(&[usize], usize, usize); 10] = [
        (&[100], 0, 100),
        (&[EARLY], 0, EARLY),
        (&[EARLY + 1], 0, EARLY),
        (&[EARLY + 1], EARLY - 1, EARLY),
        (&[EARLY + 1], EARLY, EARLY + 1),
        (&[100_000], 300, EARLY),
        (&[100_000], 50_000, 100_000),
        (&[10, 10, 10], 12, 20),
        (&[10, 100_000], 10 + 4000, 10 + EARLY),
        (&[10, 0, 20_000, 10], 10 + 5000, 10 + 20_000),
    ];
    for (frames, bad, refused) in rows {
        let mut text = vec![b'x'; frames.iter().sum()];
        text[bad] = 0xff;
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        let mut rest = &text[..];
        for (index, &len) in frames.iter().enumerate() {
            let (part, tail) = rest.split_at(len);
            rest = tail;
            let fin = if index + 1 == frames.len() { FIN } else { 0 };
            let frame = from_peer::<R>(fin | if index == 0 { TEXT } else { CONT }, part);
            let start = bytes.len() + frame.len() - len;
            places.extend(start..start + len);
            bytes.extend(frame);
        }
        let at = places[refused - 1];
        for way in Way::messages(text.len() + 131) {
            let until = |len: usize| {
                let cuts: Vec<usize> = (500..len).step_by(500).collect();
                drive(Connection::new(role(), &limits), way, false, &bytes[..len], &cuts)
            };
            assert_eq!(until(at).error, None, "{frames:?}, bad at {bad}, {way:?}");
            let run = until(at + 1);
            assert_eq!(
                (run.error, run.output),
                (Some(Violation::TextNotUtf8.into()), close_from_us::<R>(1007)),
                "{frames:?}, bad at {bad}, {way:?}"
            );
            assert_eq!(run.seen, []);
        }
    }
}

/// A character that 4096 bytes have cut, and one that a fragment has cut, is good if its rest is.
fn characters_over_the_edges<R: Role>(role: fn() -> R) {
    for shift in 0..4 {
        for character in ["é", "€", "😀"] {
            let text = ["x".repeat(EARLY - 4 + shift), character.repeat(3000)].concat();
            let bytes = from_peer::<R>(FIN | TEXT, text.as_bytes());
            let cuts: Vec<usize> = (1000..bytes.len()).step_by(1000).collect();
            let run = run_messages(role(), &Limits::default(), false, &bytes, &cuts);
            assert!(run.seen == [Seen::text(&text)] && run.error.is_none());

            let (head, tail) = text.as_bytes().split_at(EARLY - 2);
            let bytes = [from_peer::<R>(TEXT, head), from_peer::<R>(FIN | CONT, tail)].concat();
            let run = run_messages(role(), &Limits::default(), false, &bytes, &cuts);
            assert!(run.seen == [Seen::text(&text)] && run.error.is_none());
        }
    }
}

/// Law L5: what the first bytes of a header make illegal is refused from them, by every way to receive.
fn headers_are_judged_early<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_message_len(1000);
    let rows = [
        (
            head(FIN | BIN, peer_key::<R>(), 1001),
            4,
            LimitExceeded::MessageTooLong.into(),
        ),
        (
            head(FIN | 0x40 | BIN, peer_key::<R>(), 5),
            1,
            Violation::ReservedBits.into(),
        ),
        (
            head(FIN | CONT, peer_key::<R>(), 5),
            1,
            Violation::UnexpectedContinuation.into(),
        ),
    ];
    for (bytes, decisive, error) in rows {
        for way in Way::messages(1000 + 131) {
            let until = |len| drive(Connection::new(role(), &limits), way, false, &bytes[..len], &[]);
            assert_eq!(until(decisive - 1).error, None);
            assert_eq!(until(decisive).error, Some(error), "{way:?}");
        }
    }
}

/// Law L2: `None` means that more has to be read, and it is asked for again and again without anything changing; an event
/// is not held back until more comes.
fn waiting_changes_nothing<R: Role>(role: fn() -> R) {
    let frames = [
        from_peer::<R>(FIN | TEXT, "€uro".as_bytes()),
        from_peer::<R>(BIN, b"one"),
        from_peer::<R>(PING, b"ping"),
        from_peer::<R>(FIN | CONT, b""),
        from_peer::<R>(FIN | BIN, &[7; 20_000]),
        from_peer::<R>(CLOSE, b""),
    ];
    let mut end = End::new(role());
    let mut input = ReadBuffer::new();
    for frame in &frames {
        let (last, start) = frame.split_last().unwrap();
        for piece in start.chunks(777) {
            end.read_into(&mut input, piece);
            for _ in 0..3 {
                end.take_messages(&mut input);
                assert!(!input.space().is_empty());
                input.advance(0);
            }
        }
        let before = end.seen.len();
        end.read_into(&mut input, &[*last]);
        let expected = usize::from(*frame != frames[1]);
        assert_eq!(end.seen.len(), before + expected, "as soon as it is whole");
    }
    assert_eq!(end.failure(), None);
}

/// A message that the streaming level has begun is no whole one: its rest is skipped, wherever it was left. What is due is
/// sent all the same, and the next message is whole.
fn the_rest_of_a_message_is_skipped<R: Role>(role: fn() -> R) {
    for (first, kind) in [(TEXT, MessageKind::Text), (BIN, MessageKind::Binary)] {
        let message = [
            from_peer::<R>(first, "hé".as_bytes()),
            from_peer::<R>(PING, b"1"),
            from_peer::<R>(CONT, "€".as_bytes()),
            from_peer::<R>(PONG, b"q"),
            from_peer::<R>(FIN | CONT, b"end"),
        ]
        .concat();
        let next = [
            from_peer::<R>(PING, b"2"),
            from_peer::<R>(first, b"whole "),
            from_peer::<R>(FIN | CONT, b"one"),
        ]
        .concat();
        let bytes = [&message[..], &next].concat();
        let whole = run(role(), &Limits::default(), false, &bytes, &[]);
        let controls = |seen: &[Seen]| -> Vec<Seen> {
            let is_control = |seen: &&Seen| !matches!(seen, Seen::Data { .. });
            seen.iter().filter(is_control).cloned().collect()
        };
        for cut in 0..message.len() {
            for (joined, piece) in [(true, 1), (true, 1000), (false, 1), (false, 3)] {
                let mut end = End::new(role());
                end.feed(&bytes[..cut]);
                let begun = end.take_seen();
                let mut input = ReadBuffer::new();
                let (seen, out) = if joined {
                    for piece in bytes[cut..].chunks(piece) {
                        end.read_into(&mut input, piece);
                    }
                    (end.take_seen(), end.take_out())
                } else {
                    let mut apart = end.split();
                    for piece in bytes[cut..].chunks(piece) {
                        apart.read_into(&mut input, piece);
                    }
                    (apart.take_seen(), apart.take_out())
                };
                assert_eq!(
                    controls(&[&begun[..], &seen].concat()),
                    controls(&whole.seen),
                    "cut at {cut}"
                );
                assert_eq!(out, whole.output, "cut at {cut}");
                let is_begun = begun.iter().any(|seen| matches!(seen, Seen::Data { .. }));
                let mut messages = seen.iter().filter(|seen| matches!(seen, Seen::Data { .. }));
                assert_eq!(
                    messages.next_back(),
                    Some(&Seen::frame(kind, b"whole one", true, true)),
                    "cut at {cut}"
                );
                // The message itself is whole, or nothing of it pretends to be. Inside its first header it has begun,
                // though nothing of it was seen.
                let message = Seen::frame(kind, "hé€end".as_bytes(), true, true);
                let before = messages.next_back();
                assert!(
                    before.is_none() || *before.unwrap() == message && !is_begun,
                    "cut at {cut}"
                );
                assert!(before.is_some() || cut > 0, "cut at {cut}");
                assert_eq!(messages.next(), None);
                assert!(input.is_at_rest());
            }
        }
    }
}

/// The other way round: what lies in the read buffer can be received in chunks.
fn from_messages_to_chunks<R: Role>(role: fn() -> R) {
    let bytes = [
        from_peer::<R>(FIN | TEXT, b"whole"),
        from_peer::<R>(FIN | BIN, b"chunks"),
    ]
    .concat();
    let mut ws = Connection::new(role(), &Limits::default());
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    input.extend(&bytes).unwrap();
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
    let mut rest = input.unread().to_vec();
    let mut rest = &mut rest[..];
    let event = ws.receive_chunk(&mut rest, &mut out).unwrap().map(|(event, _)| event);
    assert!(matches!(event, Some(ChunkEvent::Binary(chunk)) if chunk.data == b"chunks" && chunk.message_end));
}

/// A Pong that does not fit leaves the Ping in the buffer; it comes out when there is room, once.
fn blocked_and_on_again<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_reply_backlog(1);
    let bytes = [
        from_peer::<R>(PING, b"1"),
        from_peer::<R>(PING, b"2"),
        from_peer::<R>(FIN | TEXT, b"text"),
    ]
    .concat();
    for cut in 0..=bytes.len() {
        let mut end = End::with_limits(role(), &limits);
        let mut input = ReadBuffer::new();
        let mut sent = Vec::new();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            input.extend(piece).unwrap();
            loop {
                end.take_messages(&mut input);
                match end.error.take() {
                    None => break,
                    Some(error) => {
                        assert_eq!(error, ReceiveError::Blocked(Blocked::UndrainedPongs));
                        sent.extend(end.take_out());
                    }
                }
            }
        }
        sent.extend(end.take_out());
        assert_eq!(sent, [from_us::<R>(PONG, b"1"), from_us::<R>(PONG, b"2")].concat());
        assert_eq!(
            end.seen,
            [Seen::Ping(b"1".to_vec()), Seen::Ping(b"2".to_vec()), Seen::text("text")],
            "cut at {cut}"
        );
    }
}

/// How much of a message has been taken in, at both levels.
fn progress_of_a_message<R: Role>(role: fn() -> R) {
    let mut chunks = Connection::new(role(), &Limits::default());
    let mut messages = Connection::new(role(), &Limits::default());
    let (mut input, mut out, mut at_rest) = (ReadBuffer::new(), Vec::new(), Vec::new());
    let mut feed = |bytes: &[u8]| {
        let mut copy = bytes.to_vec();
        let mut slice = &mut copy[..];
        while chunks.receive_chunk(&mut slice, &mut out).unwrap().is_some() {}
        input.extend(bytes).unwrap();
        while messages.receive(&mut input, &mut out).unwrap().is_some() {}
        assert_eq!(chunks.is_at_rest(), messages.is_at_rest());
        at_rest.push(chunks.is_at_rest());
        (chunks.message_progress(), messages.message_progress())
    };
    assert_eq!(feed(b""), (None, None));
    assert_eq!(feed(&from_peer::<R>(TEXT, b"12345")), (Some(5), Some(5)));
    assert_eq!(feed(&from_peer::<R>(PING, b"ping")), (Some(5), Some(5)));
    let frame = from_peer::<R>(FIN | CONT, b"678");
    // What lies in the read buffer is not taken in.
    assert_eq!(feed(&frame[..frame.len() - 2]), (Some(6), Some(5)));
    assert_eq!(feed(&frame[frame.len() - 2..]), (None, None));
    assert_eq!(at_rest, [true, false, false, false, true]);
}

/// After a Close, a failure and the end of the stream nothing is kept: neither what follows, nor the fragments of a message
/// that will not end, nor the start of a frame.
fn nothing_is_kept_when_it_is_over<R: Role>(role: fn() -> R) {
    let begun = [
        from_peer::<R>(FIN | TEXT, b"whole"),
        from_peer::<R>(BIN, &[7; 5000]),
        from_peer::<R>(CONT, &[8; 5000]),
    ]
    .concat();
    let part = &from_peer::<R>(FIN | CONT, &[9; 100])[..50];
    let endings: [(&[u8], bool); 5] = [
        (&from_peer::<R>(CLOSE, b""), false),
        (&[0xff], false),
        (part, true),
        (&part[..1], true),
        (b"", true),
    ];
    for (ending, ends) in endings {
        let bytes = [&begun[..], ending].concat();
        for after in [&b""[..], b"late", &[0; 5000]] {
            for way in [ReadBuffer::new as fn() -> ReadBuffer, || {
                ReadBuffer::with_capacity(64 << 10)
            }] {
                let mut input = way();
                let mut end = End::new(role());
                end.read_into(&mut input, &bytes);
                if ends {
                    end.end_of_stream();
                }
                if !after.is_empty() || ends {
                    end.read_into(&mut input, after);
                    end.take_messages(&mut input);
                }
                assert!(input.is_at_rest(), "after {:x?}", &ending[..ending.len().min(5)]);
                input.release();
                assert_eq!(input.capacity(), 0);

                let (mut memory, mut input) = (vec![0; 100], ReadBuffer::new());
                let mut end = End::new(role());
                end.read_lent(&mut memory, &mut input, &bytes);
                if ends {
                    end.end_of_stream();
                    end.take_messages(&mut input);
                }
                end.read_lent(&mut memory, &mut input, after);
                input.take_back(&mut memory);
                assert_eq!(input.capacity(), 0);
            }
        }
    }
}

/// Law L9: a message in one frame is handed out where it was read, be it there at once or come with several reads.
fn a_message_in_one_frame_lies_where_it_was_read<R: Role>(role: fn() -> R) {
    for len in [5, 200, 70_000] {
        let bytes = from_peer::<R>(FIN | BIN, &vec![7; len]);
        for first in [0, 1, bytes.len() - len, bytes.len() - 1] {
            let (mut ws, mut out) = (Connection::new(role(), &Limits::default()), Vec::new());
            let mut memory = vec![0; 100_000];
            let mut input = ReadBuffer::fixed(&mut memory[..]);
            let mut end = 0;
            for bytes in [&bytes[..first], &bytes[first..]] {
                assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
                let space = &mut input.space()[..bytes.len()];
                space.copy_from_slice(bytes);
                end = space.as_ptr_range().end.addr();
                input.advance(bytes.len());
            }
            let Ok(Some((Event::Binary(payload), _))) = ws.receive(&mut input, &mut out) else {
                panic!("{len} {first}");
            };
            assert_eq!(payload.len(), len);
            assert_eq!(payload.as_ptr_range().end.addr(), end, "{len} {first}");
        }
    }
}

/// A message can be sent on as it is; nothing else is one.
#[test]
fn what_is_a_message() {
    assert_eq!(Event::Text("a").message(), Some(Payload::Text("a")));
    assert_eq!(Event::Binary(b"b").message(), Some(Payload::Binary(b"b")));
    for event in [Event::Ping(b""), Event::Pong(b"")] {
        assert_eq!(event.message(), None);
    }
}

both_roles!(
    a_message_in_one_frame_lies_where_it_was_read,
    any_cut,
    when_bad_text_is_refused,
    characters_over_the_edges,
    headers_are_judged_early,
    waiting_changes_nothing,
    the_rest_of_a_message_is_skipped,
    from_messages_to_chunks,
    blocked_and_on_again,
    progress_of_a_message,
    nothing_is_kept_when_it_is_over,
);
