//! RFC 6455 sections 5.5.1 and 7: Close frames, the closing handshake, and how a connection ends, both roles.
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
use sockless::connection::{Connection, Initiator, Role, Sender, StreamEnd, Transport};
use sockless::error::{Blocked, Failure, LimitExceeded, ReceiveError, SendError, Violation};
use sockless::frame::{CloseCode, CloseFrame, MAX_CLOSE_REASON_LEN, MessageKind};
use sockless::limits::Limits;
use sockless::output::SliceOutput;

/// Section 7.4 and the registry of section 11.7, written apart from the crate's table.
fn allowed_on_the_wire(code: u16) -> bool {
    // 1004 is reserved; 1005, 1006 and 1015 must not be set by an endpoint; 1012 to 1014 were registered later.
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].contains(&code)
        || (3000..=3999).contains(&code)
        || (4000..=4999).contains(&code)
}

/// The record of a connection on which nothing has happened.
fn open() -> Record {
    Record {
        sent: None,
        received: None,
        reason: String::new(),
        initiator: Initiator::Neither,
        failure: None,
        stream_end: None,
        code: 1006,
        clean: false,
    }
}

/// The record after the peer closed first and was answered.
fn closed_by_peer(code: u16, reason: &str) -> Record {
    Record {
        sent: Some(code),
        received: Some(code),
        reason: reason.to_owned(),
        initiator: Initiator::Peer,
        code,
        clean: true,
        ..open()
    }
}

// Section 7.4: every code.

/// All 65536 codes, received: accepted and echoed, or refused with 1002.
fn every_code_received<R: Role>(role: fn() -> R) {
    for code in 0..=u16::MAX {
        let mut end = End::new(role());
        end.frame(CLOSE, &code.to_be_bytes());
        if allowed_on_the_wire(code) {
            assert_eq!(
                (end.failure(), &end.seen[..]),
                (None, &[Seen::Close(closed_by_peer(code, ""))][..])
            );
            assert_eq!(end.out, close_from_us::<R>(code));
        } else {
            assert_eq!(end.failure(), Some(Violation::InvalidCloseCode.into()), "{code}");
            assert_eq!((&end.seen[..], end.out), (&[][..], close_from_us::<R>(1002)), "{code}");
        }
    }
}

/// All 65536 codes, sent. 1005 stands for none.
fn every_code_sent<R: Role>(role: fn() -> R) {
    for code in 0..=u16::MAX {
        assert_eq!(
            CloseCode(code).is_allowed_on_the_wire(),
            allowed_on_the_wire(code),
            "{code}"
        );
        let mut tx = Sender::new(role());
        let mut out = Vec::new();
        let sent = tx.close(CloseCode(code), "", &mut out);
        if code == 1005 {
            assert_eq!((sent, out), (Ok(()), from_us::<R>(CLOSE, b"")));
            assert_eq!(tx.sent_close(), Some(CloseCode::NO_STATUS));
        } else if allowed_on_the_wire(code) {
            assert_eq!((sent, out), (Ok(()), close_from_us::<R>(code)));
            assert_eq!(tx.sent_close(), Some(CloseCode(code)));
        } else {
            assert_eq!((sent, out), (Err(SendError::InvalidCloseCode), Vec::new()), "{code}");
            assert_eq!((tx.sent_close(), tx.is_closed()), (None, false));
        }
    }
}

// Section 5.5.1: the body.

/// An empty body: 1005 is what the application hears, and the answer is empty too.
fn close_without_code<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.frame(CLOSE, b"");
    assert_eq!(end.seen, [Seen::Close(closed_by_peer(1005, ""))]);
    assert_eq!((end.failure(), end.out), (None, from_us::<R>(CLOSE, b"")));
}

/// A body of one byte is refused from the header.
fn close_of_one_byte<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.feed(&from_peer::<R>(CLOSE, b"x")[..2]);
    assert_eq!(end.failure(), Some(Violation::CloseBodyOneByte.into()));
    assert_eq!(end.out, close_from_us::<R>(1002));
}

/// Reasons of every length come out whole, however they are cut; they are not sent back.
fn reasons_received<R: Role>(role: fn() -> R) {
    for len in 0..=MAX_CLOSE_REASON_LEN {
        let reason = Numbers(len as u64).text(len);
        let bytes = from_peer::<R>(CLOSE, &close_body(4000, &reason));
        for cuts in [vec![], vec![bytes.len() / 2], byte_by_byte(&bytes)] {
            let run = run(role(), &Limits::default(), false, &bytes, &cuts);
            assert_eq!(run.seen, [Seen::Close(closed_by_peer(4000, &reason))], "{len}");
            assert_eq!(run.output, from_us::<R>(CLOSE, &close_body(4000, &reason)));
        }
    }
}

/// Reasons up to 123 bytes are sent; longer ones, and ones without a code, are not.
fn reasons_sent<R: Role>(role: fn() -> R) {
    // Section 5.5: a control frame holds 125 bytes, of which the code takes two.
    assert_eq!(MAX_CLOSE_REASON_LEN, 123);
    for len in 0..=MAX_CLOSE_REASON_LEN {
        let reason = Numbers(len as u64).text(len);
        let mut out = Vec::new();
        Sender::new(role()).close(CloseCode(3999), &reason, &mut out).unwrap();
        assert_eq!(out, from_us::<R>(CLOSE, &close_body(3999, &reason)));
    }
    let mut tx = Sender::new(role());
    let mut out = Vec::new();
    let long = "x".repeat(MAX_CLOSE_REASON_LEN + 1);
    assert_eq!(
        tx.close(CloseCode::NORMAL, &long, &mut out),
        Err(SendError::ControlTooLong)
    );
    assert_eq!(tx.close(None, "why", &mut out), Err(SendError::ReasonWithoutCode));
    assert_eq!(
        tx.close(CloseCode::NO_STATUS, "why", &mut out),
        Err(SendError::ReasonWithoutCode)
    );
    assert_eq!(out, b"");
    tx.close(CloseCode::NORMAL, "", &mut out).unwrap();
    assert_eq!(out, close_from_us::<R>(1000));
}

/// A record in words: how it ended, the peer's reason, and why it failed.
fn record_in_words<R: Role>(role: fn() -> R) {
    let words = |bytes: &[u8]| {
        let mut end = End::new(role());
        end.feed(bytes);
        end.ws.close_record().to_string()
    };
    assert_eq!(words(b""), "closed with 1006 (abnormal closure)");
    assert_eq!(
        words(&from_peer::<R>(CLOSE, b"")),
        "closed with 1005 (no status received)"
    );
    assert_eq!(
        words(&from_peer::<R>(CLOSE, &close_body(1001, "bye"))),
        "closed with 1001 (going away), \"bye\""
    );
    assert_eq!(words(&from_peer::<R>(CLOSE, &close_body(4000, ""))), "closed with 4000");
    assert_eq!(
        words(&[0xc1]),
        format!("closed with 1006 (abnormal closure): {}", Violation::ReservedBits)
    );
}

/// The pure codec of the body.
#[test]
fn close_frame_codec() {
    assert_eq!(CloseFrame::decode(b""), Ok(CloseFrame { code: None, reason: "" }));
    assert_eq!(CloseFrame::decode(b"\x03"), Err(Violation::CloseBodyOneByte));
    assert_eq!(
        CloseFrame::decode(b"\x03\xe8"),
        Ok(CloseFrame {
            code: Some(CloseCode::NORMAL),
            reason: ""
        })
    );
    assert_eq!(
        CloseFrame::decode(b"\x0f\xa0ok"),
        Ok(CloseFrame {
            code: Some(CloseCode(4000)),
            reason: "ok"
        })
    );
    assert_eq!(CloseFrame::decode(b"\x03\xed"), Err(Violation::InvalidCloseCode));
    assert_eq!(CloseFrame::decode(b"\x03\xe8\xff"), Err(Violation::CloseReasonNotUtf8));
    assert_eq!(
        CloseFrame::decode(b"\x03\xe8\xe2\x82"),
        Err(Violation::CloseReasonNotUtf8)
    );
    assert_eq!(
        (CloseCode::from(1001), u16::from(CloseCode(4999))),
        (CloseCode::GOING_AWAY, 4999)
    );
}

// Section 5.5.1: after a Close.

/// "The application MUST NOT send any more data frames after sending a Close frame": nothing at all is sent.
fn nothing_is_sent_after_a_close<R: Role>(role: fn() -> R) {
    for peer_first in [false, true] {
        let mut end = End::new(role());
        if peer_first {
            end.frame(CLOSE, &close_body(1000, ""));
        } else {
            end.ws.close(CloseCode::NORMAL, "", &mut end.out).unwrap();
        }
        assert_eq!(end.take_out(), close_from_us::<R>(1000));
        let out = &mut end.out;
        let tx = end.ws.sender();
        assert!(tx.is_closed());
        let mut in_place = *b"untouched";
        let refused = [
            tx.text("x", out),
            tx.binary(b"x", out),
            tx.send("x", out),
            tx.part("x", true, out),
            tx.part("x", false, out),
            tx.begin_frame(MessageKind::Text, 1, true, out),
            tx.chunk("x", out),
            tx.frame_in_place(MessageKind::Binary, &mut in_place, true).map(|_| ()),
            tx.ping(b"x", out),
            tx.pong(b"x", out),
            tx.close(CloseCode::NORMAL, "", out),
        ];
        assert_eq!(refused, [Err(SendError::Closed); 11]);
        assert_eq!(&in_place, b"untouched");
        assert_eq!(end.ws.close(None, "", &mut end.out), Err(SendError::Closed));
        assert_eq!(end.out, b"");
    }
}

/// Data that arrives after this end sent its Close is still delivered, whole messages and the rest of one under way;
/// nothing is answered but the peer's Close is recorded.
fn data_after_a_sent_close_is_delivered<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.frame(TEXT, b"first ");
    end.ws.close(CloseCode::GOING_AWAY, "bye", &mut end.out).unwrap();
    assert_eq!(end.take_out(), from_us::<R>(CLOSE, &close_body(1001, "bye")));
    end.frame(FIN | CONT, b"second")
        .frame(PING, b"p")
        .frame(FIN | BIN, b"data")
        .frame(CLOSE, &close_body(1000, "ok"));
    let record = Record {
        sent: Some(1001),
        received: Some(1000),
        reason: "ok".to_owned(),
        initiator: Initiator::Local,
        code: 1000,
        clean: true,
        ..open()
    };
    let expected = [
        Seen::frame(MessageKind::Text, b"first ", true, false),
        Seen::frame(MessageKind::Text, b"second", false, true),
        Seen::Ping(b"p".to_vec()),
        Seen::binary(b"data"),
        Seen::Close(record),
    ];
    assert_eq!((end.failure(), end.take_seen()), (None, expected.to_vec()));
    assert_eq!(end.out, b"");
}

/// What follows the peer's Close is discarded, whatever it is.
fn input_after_a_received_close_is_ignored<R: Role>(role: fn() -> R) {
    for after in [
        &b"\xff\xff\xff"[..],
        &from_peer::<R>(FIN | TEXT, b"late"),
        &from_peer::<R>(CLOSE, b""),
        b"\x83",
    ] {
        let bytes = [&from_peer::<R>(CLOSE, &close_body(1000, "")), after].concat();
        for cuts in [vec![], byte_by_byte(&bytes)] {
            let run = run(role(), &Limits::default(), false, &bytes, &cuts);
            assert_eq!(run.seen, [Seen::Close(closed_by_peer(1000, ""))]);
            assert_eq!((run.error, run.output), (None, close_from_us::<R>(1000)));
        }
    }
}

// Sections 7.1.1 to 7.1.6: who closes the transport, and the record.

/// Where the peer closes first, at each state of sending.
fn closed_by_the_peer<R: Role>(role: fn() -> R) {
    let done = if R::IS_CLIENT {
        Transport::WaitForPeer
    } else {
        Transport::FlushThenHalfClose
    };
    let mut end = End::new(role());
    assert_eq!((end.ws.transport(), end.record()), (Transport::KeepGoing, open()));
    // Its Close is answered also inside a message that is being sent in parts, which is abandoned.
    end.ws.sender().part("part", false, &mut end.out).unwrap();
    end.take_out();
    end.frame(CLOSE, &close_body(3000, "why"));
    assert_eq!(end.take_out(), from_us::<R>(CLOSE, &close_body(3000, "why")));
    assert_eq!(end.take_seen(), [Seen::Close(closed_by_peer(3000, "why"))]);
    assert_eq!((end.ws.transport(), end.record()), (done, closed_by_peer(3000, "why")));
    assert_eq!(end.end_of_stream(), None, "the record was handed out");
    let at_the_end = Record {
        stream_end: Some(StreamEnd::AfterClose),
        ..closed_by_peer(3000, "why")
    };
    assert_eq!((end.ws.transport(), end.record()), (Transport::Drop, at_the_end));
    assert_eq!(end.end_of_stream(), None);
}

/// Where this end closes first.
fn closed_by_us<R: Role>(role: fn() -> R) {
    let done = if R::IS_CLIENT {
        Transport::WaitForPeer
    } else {
        Transport::FlushThenHalfClose
    };
    let mut end = End::new(role());
    end.ws.close(CloseCode::NORMAL, "", &mut end.out).unwrap();
    let closing = Record {
        sent: Some(1000),
        initiator: Initiator::Local,
        ..open()
    };
    assert_eq!(
        (end.ws.transport(), end.record()),
        (Transport::WaitForPeer, closing.clone())
    );
    end.frame(CLOSE, b"");
    let record = Record {
        received: Some(1005),
        code: 1005,
        clean: true,
        ..closing
    };
    assert_eq!(end.take_seen(), [Seen::Close(record.clone())]);
    assert_eq!((end.ws.transport(), end.record()), (done, record));
    assert_eq!(end.take_out(), close_from_us::<R>(1000), "one Close, no second one");
    assert_eq!(end.end_of_stream(), None);
    assert_eq!(end.ws.transport(), Transport::Drop);
}

/// Where both close at once, on a joined pair: each sees itself as the first, both are clean, nobody sends twice.
#[test]
fn closed_by_both_at_once() {
    let mut server = End::new(common::server());
    let mut client = End::new(common::client());
    server.ws.close(CloseCode::GOING_AWAY, "s", &mut server.out).unwrap();
    client.ws.close(CloseCode::NORMAL, "c", &mut client.out).unwrap();
    let (from_server, from_client) = (server.take_out(), client.take_out());
    server.feed(&from_client);
    client.feed(&from_server);
    for (record, sent, received, reason) in [(server.record(), 1001, 1000, "c"), (client.record(), 1000, 1001, "s")] {
        let expected = Record {
            sent: Some(sent),
            received: Some(received),
            reason: reason.to_owned(),
            initiator: Initiator::Local,
            code: received,
            clean: true,
            ..open()
        };
        assert_eq!(record, expected);
    }
    assert_eq!((server.take_out(), client.take_out()), (Vec::new(), Vec::new()));
    assert_eq!(server.ws.transport(), Transport::FlushThenHalfClose);
    assert_eq!(client.ws.transport(), Transport::WaitForPeer);
}

/// The whole handshake on a joined pair, from either side.
#[test]
fn closing_handshake_between_two_ends() {
    for server_first in [false, true] {
        let mut server = End::new(common::server());
        let mut client = End::new(common::client());
        if server_first {
            server.ws.close(CloseCode(4001), "go", &mut server.out).unwrap();
            client.feed(&server.take_out());
            server.feed(&client.take_out());
        } else {
            client.ws.close(CloseCode(4001), "go", &mut client.out).unwrap();
            server.feed(&client.take_out());
            client.feed(&server.take_out());
        }
        assert_eq!(server.ws.transport(), Transport::FlushThenHalfClose);
        assert_eq!(client.ws.transport(), Transport::WaitForPeer);
        for (record, first) in [(server.record(), server_first), (client.record(), !server_first)] {
            let initiator = if first { Initiator::Local } else { Initiator::Peer };
            assert_eq!(
                record,
                Record {
                    initiator,
                    ..closed_by_peer(4001, "go")
                }
            );
        }
    }
}

/// Section 7.1.7: the failure is answered, the transport is to be closed by either role, the record says why.
fn failing_the_connection<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.feed(&[0x83]);
    let failure = Failure::from(Violation::ReservedOpcode);
    let record = Record {
        sent: Some(1002),
        initiator: Initiator::Local,
        failure: Some(failure),
        ..open()
    };
    assert_eq!((end.failure(), end.record()), (Some(failure), record.clone()));
    assert_eq!(end.ws.transport(), Transport::FlushThenHalfClose);
    assert_eq!(end.take_out(), close_from_us::<R>(1002));
    // Sticky: the same again, no event, no second Close.
    for _ in 0..3 {
        end.frame(FIN | TEXT, b"more");
        end.frame(CLOSE, b"");
        end.feed(b"");
        assert_eq!(end.failure(), Some(failure));
    }
    assert_eq!((end.take_seen(), end.take_out()), (Vec::new(), Vec::new()));
    assert_eq!(end.ws.sender().text("x", &mut end.out), Err(SendError::Closed));
    let at_the_end = Record {
        stream_end: Some(StreamEnd::AfterClose),
        ..record
    };
    assert_eq!(end.end_of_stream(), Some(at_the_end));
    assert_eq!((end.end_of_stream(), end.ws.transport()), (None, Transport::Drop));
    end.feed(b"\x81");
    assert_eq!(end.failure(), Some(failure));
}

/// A failure after this end's Close: no second one is sent, the first code stands.
fn failing_after_a_sent_close<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.ws.close(CloseCode::NORMAL, "", &mut end.out).unwrap();
    end.feed(&[0xf1]);
    let failure = Some(Violation::ReservedBits.into());
    assert_eq!((end.failure(), end.take_out()), (failure, close_from_us::<R>(1000)));
    assert_eq!(
        end.record(),
        Record {
            sent: Some(1000),
            initiator: Initiator::Local,
            failure,
            ..open()
        }
    );
    assert_eq!(end.ws.transport(), Transport::FlushThenHalfClose);
}

/// The code of each kind of failure reaches the wire and the record.
fn codes_of_failures<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_message_len(10).with_fragment_budget(1);
    let rows: [(Vec<u8>, Failure, u16); 4] = [
        (vec![0xc1], Violation::ReservedBits.into(), 1002),
        (from_peer::<R>(FIN | TEXT, b"\xff"), Violation::TextNotUtf8.into(), 1007),
        (
            from_peer::<R>(FIN | BIN, &[0; 11]),
            LimitExceeded::MessageTooLong.into(),
            1009,
        ),
        (
            [from_peer::<R>(BIN, b""), from_peer::<R>(CONT, b"")].concat(),
            LimitExceeded::TooManyFragments.into(),
            1008,
        ),
    ];
    for (bytes, failure, code) in rows {
        let mut end = End::with_limits(role(), &limits);
        end.feed(&bytes);
        assert_eq!(
            (end.failure(), end.take_out()),
            (Some(failure), close_from_us::<R>(code))
        );
        assert_eq!((end.record().sent, failure.close_code()), (Some(code), CloseCode(code)));
    }
}

/// While a frame is being sent in chunks a Close is owed, not sent: the transport keeps going until it is out.
fn close_owed_while_a_frame_is_sent<R: Role>(role: fn() -> R) {
    let done = if R::IS_CLIENT {
        Transport::WaitForPeer
    } else {
        Transport::FlushThenHalfClose
    };
    let mut end = End::new(role());
    end.ws
        .sender()
        .begin_frame(MessageKind::Text, 4, true, &mut end.out)
        .unwrap();
    end.frame(CLOSE, &close_body(1000, "bye"));
    let not_answered = Record {
        sent: None,
        clean: false,
        ..closed_by_peer(1000, "bye")
    };
    assert_eq!(end.take_seen(), [Seen::Close(not_answered)]);
    assert_eq!(end.ws.transport(), Transport::KeepGoing);
    assert_eq!(
        end.ws.close(CloseCode::NORMAL, "", &mut end.out),
        Err(SendError::FrameInProgress)
    );
    end.ws.sender().chunk("te", &mut end.out).unwrap();
    assert_eq!(end.ws.transport(), Transport::KeepGoing);
    end.ws.sender().chunk("xt", &mut end.out).unwrap();
    assert_eq!(
        end.take_out(),
        [from_us::<R>(FIN | TEXT, b"text"), close_from_us::<R>(1000)].concat()
    );
    assert_eq!((end.ws.transport(), end.record()), (done, closed_by_peer(1000, "bye")));

    let mut end = End::new(role());
    end.ws
        .sender()
        .begin_frame(MessageKind::Binary, 2, false, &mut end.out)
        .unwrap();
    end.feed(&[0x83]);
    assert_eq!((end.ws.transport(), end.record().sent), (Transport::KeepGoing, None));
    end.ws.sender().chunk(b"ab", &mut end.out).unwrap();
    assert_eq!(
        end.take_out(),
        [from_us::<R>(BIN, b"ab"), close_from_us::<R>(1002)].concat()
    );
    assert_eq!(end.ws.transport(), Transport::FlushThenHalfClose);
    assert_eq!(end.record().initiator, Initiator::Local);
}

/// An owed answer that does not fit: the Close comes again once there is room, once.
fn close_that_does_not_fit<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    let mut memory = [0; 3];
    let mut full = SliceOutput::new(&mut memory);
    let mut bytes = from_peer::<R>(CLOSE, &close_body(1000, "bye"));
    let mut input = &mut bytes[..];
    for _ in 0..3 {
        let blocked = end.ws.receive(&mut input, &mut full).unwrap_err();
        assert!(
            matches!(blocked, ReceiveError::Blocked(Blocked::OutputFull(_))),
            "{blocked:?}"
        );
        assert_eq!(full.as_bytes(), b"");
        assert_eq!(end.ws.transport(), Transport::KeepGoing);
    }
    end.feed(b"");
    assert_eq!(end.take_seen(), [Seen::Close(closed_by_peer(1000, "bye"))]);
    assert_eq!(end.take_out(), from_us::<R>(CLOSE, &close_body(1000, "bye")));
    end.feed(b"");
    assert_eq!((end.take_seen(), end.take_out()), (Vec::new(), Vec::new()));
    assert_eq!(end.end_of_stream(), None);
}

/// If the stream ends while the answer does not fit, the record still comes exactly once.
fn record_once_where_the_answer_never_fitted<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    let mut full = SliceOutput::new(&mut []);
    let mut bytes = from_peer::<R>(CLOSE, &close_body(1000, "bye"));
    assert!(end.ws.receive(&mut &mut bytes[..], &mut full).is_err());
    let record = end.end_of_stream().unwrap();
    assert_eq!((record.received, record.sent, record.clean), (Some(1000), None, false));
    assert_eq!(record.stream_end, Some(StreamEnd::AfterClose));
    end.feed(b"");
    end.feed(&from_peer::<R>(FIN | TEXT, b"late"));
    assert_eq!(
        (end.take_seen(), end.take_out()),
        (Vec::new(), Vec::new()),
        "the record was handed out already"
    );
    assert_eq!(end.end_of_stream(), None);
    assert_eq!(end.record().reason, "bye");
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
        assert!(end.ws.receive(&mut &mut bytes[..], &mut full).is_err());
        assert_eq!(
            end.end_of_stream().unwrap().stream_end,
            Some(expected),
            "after {before:?}"
        );
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

/// The stream ends after every number of bytes of a session: 1006 unless a Close came; told once; then nothing more.
fn end_of_stream_at_every_byte<R: Role>(role: fn() -> R) {
    let (bytes, ends) = session::<R>();
    for own_close in [false, true] {
        for (at, &stream_end) in ends.iter().enumerate() {
            for cuts in [vec![], byte_by_byte(&bytes[..at])] {
                let mut end = End::new(role());
                if own_close {
                    end.ws.close(CloseCode::GOING_AWAY, "", &mut end.out).unwrap();
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
                assert_eq!(record, (!closed).then(|| expected.clone()), "after {at} bytes");
                assert_eq!(
                    (end.record(), end.ws.transport()),
                    (expected, Transport::Drop),
                    "after {at} bytes"
                );
                // Once, and then nothing goes in or out.
                assert_eq!(end.end_of_stream(), None);
                end.feed(&bytes);
                assert_eq!(
                    (end.failure(), end.take_seen(), end.take_out()),
                    (None, Vec::new(), Vec::new())
                );
                assert_eq!(end.ws.sender().text("x", &mut end.out), Err(SendError::Closed));
                assert_eq!(end.ws.close(None, "", &mut end.out), Err(SendError::Closed));
                assert_eq!(end.out, b"");
            }
        }
    }
}

/// The message level says the same.
fn end_of_stream_at_the_message_level<R: Role>(role: fn() -> R) {
    let (bytes, ends) = session::<R>();
    for (at, &stream_end) in ends.iter().enumerate() {
        let run = run_messages(role(), &Limits::default(), false, &bytes[..at], &[]);
        let closed = at == bytes.len();
        let expected = Record {
            stream_end: Some(stream_end),
            ..open()
        };
        assert_eq!(run.end, (!closed).then_some(expected), "after {at} bytes");
    }
}

/// A pong that is owed, and a Close that is owed, are dropped at the end of the stream: nothing can be sent any more.
fn end_of_stream_with_replies_owed<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.ws
        .sender()
        .begin_frame(MessageKind::Text, 2, true, &mut end.out)
        .unwrap();
    end.frame(PING, b"p").frame(CLOSE, b"");
    end.take_out();
    assert_eq!(end.end_of_stream(), None);
    assert_eq!(end.ws.sender().chunk("xx", &mut end.out), Err(SendError::Closed));
    end.ws.flush_replies(&mut end.out).unwrap();
    end.feed(b"");
    assert_eq!(end.out, b"");
    let record = end.record();
    assert_eq!((record.sent, record.received, record.clean), (None, Some(1005), false));
}

/// The two halves give the same record as the connection.
fn record_of_the_halves<R: Role>(role: fn() -> R) {
    let (receiver, mut sender) = Connection::new(role(), &Limits::default()).split().unwrap();
    let record = |sender: &Sender<R>| Record::from(sockless::connection::CloseRecord::of(&receiver, sender));
    assert_eq!(record(&sender), open());
    sender.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
    assert_eq!(
        record(&sender),
        Record {
            sent: Some(1000),
            initiator: Initiator::Local,
            ..open()
        }
    );
}

both_roles!(
    every_code_received,
    every_code_sent,
    close_without_code,
    close_of_one_byte,
    reasons_received,
    reasons_sent,
    nothing_is_sent_after_a_close,
    data_after_a_sent_close_is_delivered,
    input_after_a_received_close_is_ignored,
    closed_by_the_peer,
    closed_by_us,
    failing_the_connection,
    failing_after_a_sent_close,
    codes_of_failures,
    close_owed_while_a_frame_is_sent,
    close_that_does_not_fit,
    record_once_where_the_answer_never_fitted,
    end_of_stream_with_a_held_ping,
    end_of_stream_at_every_byte,
    end_of_stream_at_the_message_level,
    end_of_stream_with_replies_owed,
    record_of_the_halves,
    record_in_words,
);
