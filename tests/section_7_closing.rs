//! RFC 6455 sections 5.5.1 and 7: the closing handshake, and how a connection ends, both roles.
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
use sockless::buffer::{SharedBytes, SliceOutput};
use sockless::connection::{Connection, Initiator, PreparedMessage, Role, Sender, StreamEnd, TransportAction};
use sockless::error::{Blocked, Failure, LimitExceeded, ReceiveError, SendError, Violation};
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;

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
    let (mut ws, mut out) = (Connection::new(role(), &Limits::default()), Vec::new());
    ws.tx(&mut out).close(CloseCode::GOING_AWAY, "").unwrap();
    assert_eq!(
        ws.close_record().to_string(),
        "closed with 1006 (abnormal closure), after 1001 (going away) was sent"
    );
}

// Section 5.5.1: after a Close.

/// "The application MUST NOT send any more data frames after sending a Close frame": nothing at all is sent but Pongs.
fn nothing_is_sent_after_a_close<R: Role>(role: fn() -> R) {
    for peer_first in [false, true] {
        let mut end = End::new(role());
        if peer_first {
            end.frame(CLOSE, &close_body(1000, ""));
        } else {
            end.tx().close(CloseCode::NORMAL, "").unwrap();
        }
        assert_eq!(end.take_out(), close_from_us::<R>(1000));
        let mut tx = end.tx();
        assert_eq!(tx.ready(), Err(SendError::Closed));
        let mut in_place = *b"untouched";
        let refused = [
            tx.text("x"),
            tx.binary(b"x"),
            tx.send("x"),
            tx.part("x", true),
            tx.part("x", false),
            tx.begin_frame(MessageKind::Text, 1, true),
            tx.chunk("x"),
            tx.in_place(MessageKind::Binary, &mut in_place, true),
            tx.shared(MessageKind::Binary, &SharedBytes::new("x")),
            tx.prepared(&PreparedMessage::new("x").unwrap()),
            tx.ping(b"x"),
            tx.pong(b"x"),
            tx.close(CloseCode::NORMAL, ""),
        ];
        assert_eq!(refused, [Err(SendError::Closed); 13]);
        assert_eq!(&in_place, b"untouched");
        assert_eq!(end.tx().close(None, ""), Err(SendError::Closed));
        assert_eq!(end.out, b"");
    }
}

/// Data that arrives after this end sent its Close is still delivered, whole messages and the rest of one under way;
/// Pings are answered, and the peer's Close is recorded.
fn data_after_a_sent_close_is_delivered<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.frame(TEXT, b"first ");
    end.tx().close(CloseCode::GOING_AWAY, "bye").unwrap();
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
        ..Record::open()
    };
    let expected = [
        Seen::frame(MessageKind::Text, b"first ", true, false),
        Seen::frame(MessageKind::Text, b"second", false, true),
        Seen::Ping(b"p".to_vec()),
        Seen::binary(b"data"),
        Seen::close(1000, "ok"),
    ];
    assert_eq!((end.failure(), end.take_seen()), (None, expected.to_vec()));
    assert_eq!((end.take_out(), end.record()), (from_us::<R>(PONG, b"p"), record));
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
            assert_eq!(run.seen, [Seen::close(1000, "")]);
            assert_eq!((run.error, run.output), (None, close_from_us::<R>(1000)));
        }
    }
}

// Sections 7.1.1 to 7.1.6: who closes the transport, and the record.

/// Where the peer closes first, at each state of sending.
fn closed_by_the_peer<R: Role>(role: fn() -> R) {
    let done = if R::IS_CLIENT {
        TransportAction::AwaitPeer
    } else {
        TransportAction::ShutDownSend
    };
    let mut end = End::new(role());
    assert_eq!(
        (end.ws.transport(), end.record()),
        (TransportAction::Continue, Record::open())
    );
    // Its Close is answered also inside a message that is being sent in parts, which is abandoned.
    end.tx().part("part", false).unwrap();
    end.take_out();
    end.frame(CLOSE, &close_body(3000, "why"));
    assert_eq!(end.take_out(), from_us::<R>(CLOSE, &close_body(3000, "why")));
    assert_eq!(end.take_seen(), [Seen::close(3000, "why")]);
    assert_eq!(
        (end.ws.transport(), end.record()),
        (done, Record::closed_by_peer(3000, "why"))
    );
    let at_the_end = Record::closed_by_peer(3000, "why").ended(StreamEnd::AfterClose);
    for _ in 0..2 {
        assert_eq!(end.end_of_stream(), at_the_end);
        assert_eq!(
            (end.ws.transport(), end.record()),
            (TransportAction::Close, at_the_end.clone())
        );
    }
}

/// Where this end closes first.
fn closed_by_us<R: Role>(role: fn() -> R) {
    let done = if R::IS_CLIENT {
        TransportAction::AwaitPeer
    } else {
        TransportAction::ShutDownSend
    };
    let mut end = End::new(role());
    end.tx().close(CloseCode::NORMAL, "").unwrap();
    let closing = Record {
        sent: Some(1000),
        initiator: Initiator::Local,
        ..Record::open()
    };
    assert_eq!(
        (end.ws.transport(), end.record()),
        (TransportAction::AwaitPeer, closing.clone())
    );
    end.frame(CLOSE, b"");
    let record = Record {
        received: Some(1005),
        code: 1005,
        clean: true,
        ..closing
    };
    assert_eq!(end.take_seen(), [Seen::Close(None, String::new())]);
    assert_eq!((end.ws.transport(), end.record()), (done, record.clone()));
    assert_eq!(end.take_out(), close_from_us::<R>(1000), "one Close, no second one");
    assert_eq!(end.end_of_stream(), record.ended(StreamEnd::AfterClose));
    assert_eq!(end.ws.transport(), TransportAction::Close);
}

/// Where both close at once, on a joined pair: each sees itself as the first, both are clean, nobody sends twice.
#[test]
fn closed_by_both_at_once() {
    let mut server = End::new(common::server());
    let mut client = End::new(common::client());
    server.tx().close(CloseCode::GOING_AWAY, "s").unwrap();
    client.tx().close(CloseCode::NORMAL, "c").unwrap();
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
            ..Record::open()
        };
        assert_eq!(record, expected);
    }
    assert_eq!((server.take_out(), client.take_out()), (Vec::new(), Vec::new()));
    assert_eq!(server.ws.transport(), TransportAction::ShutDownSend);
    assert_eq!(client.ws.transport(), TransportAction::AwaitPeer);
}

/// The whole handshake on a joined pair, from either side.
#[test]
fn closing_handshake_between_two_ends() {
    for server_first in [false, true] {
        let mut server = End::new(common::server());
        let mut client = End::new(common::client());
        if server_first {
            server.tx().close(CloseCode(4001), "go").unwrap();
            client.feed(&server.take_out());
            server.feed(&client.take_out());
        } else {
            client.tx().close(CloseCode(4001), "go").unwrap();
            server.feed(&client.take_out());
            client.feed(&server.take_out());
        }
        assert_eq!(server.ws.transport(), TransportAction::ShutDownSend);
        assert_eq!(client.ws.transport(), TransportAction::AwaitPeer);
        for (record, first) in [(server.record(), server_first), (client.record(), !server_first)] {
            let initiator = if first { Initiator::Local } else { Initiator::Peer };
            assert_eq!(
                record,
                Record {
                    initiator,
                    ..Record::closed_by_peer(4001, "go")
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
        ..Record::open()
    };
    assert_eq!((end.failure(), end.record()), (Some(failure), record.clone()));
    assert_eq!(end.ws.transport(), TransportAction::ShutDownSend);
    assert_eq!(end.take_out(), close_from_us::<R>(1002));
    // Sticky: the same again, no event, no second Close.
    for _ in 0..3 {
        end.frame(FIN | TEXT, b"more");
        end.frame(CLOSE, b"");
        end.feed(b"");
        assert_eq!(end.failure(), Some(failure));
    }
    assert_eq!((end.take_seen(), end.take_out()), (Vec::new(), Vec::new()));
    assert_eq!(end.tx().text("x"), Err(SendError::Closed));
    let at_the_end = record.ended(StreamEnd::AfterClose);
    for _ in 0..2 {
        assert_eq!(end.end_of_stream(), at_the_end);
        assert_eq!(end.ws.transport(), TransportAction::Close);
    }
    end.feed(b"\x81");
    assert_eq!(end.failure(), Some(failure));
}

/// A failure after this end's Close: no second one is sent, the first code stands.
fn failing_after_a_sent_close<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.tx().close(CloseCode::NORMAL, "").unwrap();
    end.feed(&[0xf1]);
    let failure = Some(Violation::ReservedBits.into());
    assert_eq!((end.failure(), end.take_out()), (failure, close_from_us::<R>(1000)));
    assert_eq!(
        end.record(),
        Record {
            sent: Some(1000),
            initiator: Initiator::Local,
            failure,
            ..Record::open()
        }
    );
    assert_eq!(end.ws.transport(), TransportAction::ShutDownSend);
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
        TransportAction::AwaitPeer
    } else {
        TransportAction::ShutDownSend
    };
    let mut end = End::new(role());
    end.tx().begin_frame(MessageKind::Text, 4, true).unwrap();
    end.frame(CLOSE, &close_body(1000, "bye"));
    let not_answered = Record {
        sent: None,
        clean: false,
        ..Record::closed_by_peer(1000, "bye")
    };
    assert_eq!(end.take_seen(), [Seen::close(1000, "bye")]);
    assert_eq!(
        (end.ws.transport(), end.record()),
        (TransportAction::Continue, not_answered)
    );
    assert_eq!(end.tx().close(CloseCode::NORMAL, ""), Err(SendError::FrameInProgress));
    end.tx().chunk("te").unwrap();
    assert_eq!(end.ws.transport(), TransportAction::Continue);
    end.tx().chunk("xt").unwrap();
    assert_eq!(
        end.take_out(),
        [
            from_us::<R>(FIN | TEXT, b"text"),
            from_us::<R>(CLOSE, &close_body(1000, "bye"))
        ]
        .concat()
    );
    assert_eq!(
        (end.ws.transport(), end.record()),
        (done, Record::closed_by_peer(1000, "bye"))
    );

    let mut end = End::new(role());
    end.tx().begin_frame(MessageKind::Binary, 2, false).unwrap();
    end.feed(&[0x83]);
    assert_eq!(
        (end.ws.transport(), end.record().sent),
        (TransportAction::Continue, None)
    );
    end.tx().chunk(b"ab").unwrap();
    assert_eq!(
        end.take_out(),
        [from_us::<R>(BIN, b"ab"), close_from_us::<R>(1002)].concat()
    );
    assert_eq!(end.ws.transport(), TransportAction::ShutDownSend);
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
        let blocked = end.ws.receive_chunk(&mut input, &mut full).unwrap_err();
        assert!(
            matches!(blocked, ReceiveError::Blocked(Blocked::OutputFull(_))),
            "{blocked:?}"
        );
        assert_eq!(full.as_bytes(), b"");
        assert_eq!(end.ws.transport(), TransportAction::Continue);
    }
    end.feed(b"");
    assert_eq!(end.take_seen(), [Seen::close(1000, "bye")]);
    assert_eq!(end.take_out(), from_us::<R>(CLOSE, &close_body(1000, "bye")));
    end.feed(b"");
    assert_eq!((end.take_seen(), end.take_out()), (Vec::new(), Vec::new()));
    let record = Record::closed_by_peer(1000, "bye");
    assert_eq!(
        (end.record(), end.end_of_stream()),
        (record.clone(), record.ended(StreamEnd::AfterClose))
    );
}

/// The two halves give the same record as the connection.
fn record_of_the_halves<R: Role>(role: fn() -> R) {
    let (receiver, mut sender) = Connection::new(role(), &Limits::default()).split().unwrap();
    let record = |sender: &Sender<R>| Record::from(sockless::connection::CloseRecord::of(&receiver, sender));
    assert_eq!(record(&sender), Record::open());
    sender.tx(&mut Vec::new()).close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(
        record(&sender),
        Record {
            sent: Some(1000),
            initiator: Initiator::Local,
            ..Record::open()
        }
    );
}

both_roles!(
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
    record_of_the_halves,
    record_in_words,
);
