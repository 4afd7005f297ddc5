//! What the end of the stream means, at every byte of a session (RFC 6455 sections 7.1.4 to 7.1.6), both roles.
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
use sockless::buffer::{ReadBuffer, SliceOutput};
use sockless::connection::{Connection, Initiator, Role, StreamEnd, TransportAction};
use sockless::error::SendError;
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;

/// If the stream ends while the answer does not fit, the record has what was received, and no event comes any more.
fn record_where_the_answer_never_fitted<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    let mut full = SliceOutput::new(&mut []);
    let mut bytes = from_peer::<R>(CLOSE, &close_body(1000, "bye"));
    assert!(end.ws.receive_chunk(&mut &mut bytes[..], &mut full).is_err());
    let record = end.end_of_stream();
    assert_eq!((record.received, record.sent, record.clean), (Some(1000), None, false));
    assert_eq!(record.stream_end, Some(StreamEnd::AfterClose));
    end.feed(b"");
    end.feed(&from_peer::<R>(FIN | TEXT, b"late"));
    assert_eq!(
        (end.take_seen(), end.take_out()),
        (Vec::new(), Vec::new()),
        "the record has it already"
    );
    assert_eq!((end.end_of_stream(), end.record().reason.as_str()), (record, "bye"));
}

/// A Ping whose Pong does not fit: the end of the stream is judged as without it, and nothing is taken in after it.
fn end_of_stream_with_a_held_ping<R: Role>(role: fn() -> R) {
    for (before, expected) in [(None, StreamEnd::BetweenMessages), (Some(TEXT), StreamEnd::InMessage)] {
        let mut end = End::new(role());
        if let Some(first) = before {
            end.frame(first, b"begin");
        }
        let mut full = SliceOutput::new(&mut []);
        let mut bytes = from_peer::<R>(PING, b"p");
        assert!(end.ws.receive_chunk(&mut &mut bytes[..], &mut full).is_err());
        assert_eq!(end.end_of_stream().stream_end, Some(expected), "after {before:?}");
    }
}

// The end of the stream.

/// A session, with what its end means at every byte: header, payload, between frames, between messages, after Close.
fn session<R: Role>() -> (Vec<u8>, Vec<StreamEnd>) {
    let frames: [(u8, &[u8]); 11] = [
        (FIN | TEXT, "whole €".as_bytes()),
        (TEXT, "fr\u{e9}".as_bytes()),
        (PING, b"ping"),
        (CONT, b""),
        (PONG, b""),
        (FIN | CONT, b"end"),
        (FIN | BIN, &[9; 126]),
        (BIN, &[8; 3]),
        (FIN | CONT, &[7; 3]),
        (FIN | TEXT, b""),
        (CLOSE, b"\x03\xe8bye"),
    ];
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    let mut within = false;
    for (first, payload) in frames {
        let between = if within {
            StreamEnd::InMessage
        } else {
            StreamEnd::BetweenMessages
        };
        let frame = from_peer::<R>(first, payload);
        let head_len = frame.len() - payload.len();
        for at in 0..frame.len() {
            ends.push(match at {
                0 => between,
                _ if at < head_len => StreamEnd::InHeader,
                _ => StreamEnd::InPayload,
            });
        }
        bytes.extend(frame);
        if first & 8 == 0 {
            within = first & FIN == 0;
        }
    }
    ends.push(StreamEnd::AfterClose);
    (bytes, ends)
}

/// The stream ends after every number of bytes of a session: 1006 unless a Close came; then nothing more.
fn end_of_stream_at_every_byte<R: Role>(role: fn() -> R) {
    let (bytes, ends) = session::<R>();
    for own_close in [false, true] {
        for (at, &stream_end) in ends.iter().enumerate() {
            for cuts in [vec![], byte_by_byte(&bytes[..at])] {
                let mut end = End::new(role());
                if own_close {
                    end.tx().close(CloseCode::GOING_AWAY, "").unwrap();
                }
                let mut from = 0;
                for to in cuts.into_iter().chain([at]) {
                    end.feed(&bytes[from..to]);
                    from = to;
                }
                assert_eq!(end.failure(), None);
                end.take_seen();
                end.take_out();
                let record = end.end_of_stream();
                let closed = at == bytes.len();
                let expected = Record {
                    sent: match (own_close, closed) {
                        (true, _) => Some(1001),
                        (false, true) => Some(1000),
                        (false, false) => None,
                    },
                    received: closed.then_some(1000),
                    reason: if closed { "bye".to_owned() } else { String::new() },
                    initiator: match (own_close, closed) {
                        (true, _) => Initiator::Local,
                        (false, true) => Initiator::Peer,
                        (false, false) => Initiator::Neither,
                    },
                    failure: None,
                    stream_end: Some(stream_end),
                    code: if closed { 1000 } else { 1006 },
                    clean: closed,
                };
                assert_eq!(record, expected, "after {at} bytes");
                assert_eq!(
                    (end.record(), end.ws.transport()),
                    (expected.clone(), TransportAction::Close),
                    "after {at} bytes"
                );
                // Nothing goes in or out any more.
                assert_eq!(end.end_of_stream(), expected);
                end.feed(&bytes);
                assert_eq!(
                    (end.failure(), end.take_seen(), end.take_out()),
                    (None, Vec::new(), Vec::new())
                );
                assert_eq!(end.tx().text("x"), Err(SendError::Closed));
                assert_eq!(end.tx().close(None, ""), Err(SendError::Closed));
                assert_eq!(end.out, b"");
            }
        }
    }
}

/// The message level says the same, wherever the start of a frame lies, and however the bytes were cut.
fn end_of_stream_at_the_message_level<R: Role>(role: fn() -> R) {
    let (bytes, ends) = session::<R>();
    let limits = Limits::default();
    for (at, &stream_end) in ends.iter().enumerate() {
        let bytes = &bytes[..at];
        let closed = if stream_end == StreamEnd::AfterClose {
            Record::closed_by_peer(1000, "bye")
        } else {
            Record::open()
        };
        let expected = closed.ended(stream_end);
        for way in Way::messages(1 << 10) {
            for cuts in [vec![], byte_by_byte(bytes)] {
                let run = drive(Connection::new(role(), &limits), way, false, bytes, &cuts);
                assert_eq!(run.end, expected, "after {at} bytes, {way:?}");
                let run = drive(Apart::new(role(), &limits), way, false, bytes, &cuts);
                assert_eq!(run.end, expected, "after {at} bytes, {way:?}, halves apart");
            }
        }
    }
}

/// A Ping whose Pong does not fit stays in the read buffer, whole: nothing of it is missing.
fn end_of_stream_with_a_ping_in_the_buffer<R: Role>(role: fn() -> R) {
    let ping = from_peer::<R>(PING, b"p");
    for (before, expected) in [(None, StreamEnd::BetweenMessages), (Some(TEXT), StreamEnd::InMessage)] {
        for cut in 0..ping.len() {
            let mut ws = Connection::new(role(), &Limits::default());
            let mut full = SliceOutput::new(&mut []);
            let mut input = ReadBuffer::new();
            if let Some(first) = before {
                input.extend(&from_peer::<R>(first, b"begin")).unwrap();
            }
            input.extend(&ping[..cut]).unwrap();
            assert!(ws.receive(&mut input, &mut full).unwrap().is_none());
            input.extend(&ping[cut..]).unwrap();
            assert!(ws.receive(&mut input, &mut full).is_err());
            assert_eq!(ws.end_of_stream().stream_end, Some(expected), "cut at {cut}");
        }
    }
}

/// A pong that is owed, and a Close that is owed, are dropped at the end of the stream: nothing can be sent any more.
fn end_of_stream_with_replies_owed<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.tx().begin_frame(MessageKind::Text, 2, true).unwrap();
    end.frame(PING, b"p").frame(CLOSE, b"");
    end.take_out();
    end.end_of_stream();
    assert_eq!(end.tx().chunk("xx"), Err(SendError::Closed));
    end.feed(b"");
    assert_eq!(end.out, b"");
    let record = end.record();
    assert_eq!((record.sent, record.received, record.clean), (None, Some(1005), false));
}

both_roles!(
    end_of_stream_at_every_byte,
    end_of_stream_at_the_message_level,
    end_of_stream_with_replies_owed,
    end_of_stream_with_a_held_ping,
    end_of_stream_with_a_ping_in_the_buffer,
    record_where_the_answer_never_fitted,
);
