//! What the shells over the core add: messages not seen from their start, the machine that owns its buffers at every read
//! and write size, and a fixed output that is drained in parts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use common::{BIN, CLOSE, CONT, FIN, PING, TEXT, close_body, from_peer, from_us};
use sockless::buffered::{BufferedConnection, BufferedServerHandshake};
use sockless::connection::{Connection, Event as Streamed, Sender, Server, StreamEnd, Transport};
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;
use sockless::message::{Event, MessageConnection, MessageReceiver};
use sockless::output::{Output, SliceOutput};

fn connection() -> Connection<Server> {
    Connection::new(Server, &Limits::default())
}

/// A connection is wrapped inside a message: its tail is not passed off as a whole one, and the next message is whole.
#[test]
fn the_tail_of_a_message_is_no_message() {
    for (first, rest) in [(TEXT, CONT), (BIN, CONT)] {
        let mut streaming = connection();
        let mut bytes = from_peer::<Server>(first, b"he");
        let mut out = Vec::new();
        let mut input = &mut bytes[..];
        let event = streaming
            .receive(&mut input, &mut out)
            .unwrap()
            .map(|(event, _)| match event {
                Streamed::Text(chunk) => (chunk.data.as_bytes().to_vec(), chunk.message_end),
                Streamed::Binary(chunk) => (chunk.data.to_vec(), chunk.message_end),
                other => panic!("{other:?}"),
            });
        assert_eq!(event, Some((b"he".to_vec(), false)));
        let mut ws = MessageConnection::new(streaming);
        let mut bytes = [
            from_peer::<Server>(FIN | rest, b"llo"),
            from_peer::<Server>(TEXT, b"whole "),
            from_peer::<Server>(FIN | CONT, b"one"),
        ]
        .concat();
        let mut input = &mut bytes[..];
        let (event, _) = ws.receive(&mut input, &mut out).unwrap().unwrap();
        assert!(matches!(event, Event::Text("whole one")), "{event:?}");
    }
}

/// Inside such a tail no space in the assembly buffer is offered.
#[test]
fn no_space_for_the_tail_of_a_message() {
    let mut streaming = connection();
    let mut bytes = from_peer::<Server>(FIN | BIN, &[7; 1000]);
    let (start, _) = bytes.split_at_mut(500);
    let mut out = Vec::new();
    let mut input = start;
    assert!(streaming.receive(&mut input, &mut out).unwrap().is_some());
    assert!(MessageConnection::new(streaming).space(1).is_none());
}

/// The receive half alone reads into its assembly buffer as the connection does.
#[test]
fn the_receive_half_has_space_too() {
    let text = "é世🌍".repeat(20_000);
    let bytes = from_peer::<Server>(FIN | TEXT, text.as_bytes());
    for read in [1, 2, 3, 5, 1000, 65_537] {
        let mut rx = MessageReceiver::<Server>::new(&Limits::default());
        let (mut at, mut seen, mut in_space) = (0, 0, 0);
        while at < bytes.len() {
            let len = read.max(if at > 20 { 1000 } else { 1 }).min(bytes.len() - at);
            if let Some(space) = rx.space(1) {
                let len = len.min(space.len());
                space[..len].copy_from_slice(&bytes[at..at + len]);
                (at, in_space) = (at + len, in_space + len);
                if let Some(event) = rx.receive_in_space(len).unwrap() {
                    assert!(matches!(event, Event::Text(whole) if whole == text));
                    seen += 1;
                }
            } else {
                let mut piece = bytes[at..at + len].to_vec();
                at += len;
                let mut input = &mut piece[..];
                while let Some(event) = rx.receive(&mut input).unwrap() {
                    assert!(matches!(event, Event::Text(whole) if whole == text));
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 1, "reads of {read}");
        assert!(in_space > 0, "reads of {read}");
        rx.shrink_to(0);
    }
}

/// There is space where at least as much is missing as was asked for, and never more than what is missing.
#[test]
fn how_much_space_there_is() {
    for (missing, at_least, expected) in [
        (100, 0, Some(100)),
        (100, 99, Some(100)),
        (100, 100, Some(100)),
        (100, 101, None),
        (0xffff, 1, Some(0xffff)),
        (200_000, 1, Some(64 << 10)),
        (200_000, 70_000, Some(140_000)),
        (200_000, 150_000, Some(200_000)),
        (200_000, 200_001, None),
    ] {
        let bytes = from_peer::<Server>(FIN | BIN, &vec![7; missing]);
        let mut header = bytes[..bytes.len() - missing].to_vec();
        let mut ws = MessageConnection::new(connection());
        assert!(ws.space(0).is_none());
        assert!(ws.receive(&mut &mut header[..], &mut Vec::new()).unwrap().is_none());
        assert_eq!(
            ws.space(at_least).map(|space| space.len()),
            expected,
            "{missing} {at_least}"
        );
        let mut rx = MessageReceiver::<Server>::new(&Limits::default());
        assert!(rx.space(0).is_none());
        assert_eq!(rx.receive(&mut &mut header.clone()[..]), Ok(None));
        assert_eq!(
            rx.space(at_least).map(|space| space.len()),
            expected,
            "{missing} {at_least}"
        );
    }
}

/// Replies that had to wait and a Close are written by the connection of whole messages too.
#[test]
fn replies_and_a_close_are_written() {
    let mut ws = MessageConnection::new(connection());
    let mut out = Vec::new();
    ws.sender().begin_frame(MessageKind::Binary, 1, true, &mut out).unwrap();
    let mut ping = from_peer::<Server>(PING, b"p");
    assert!(ws.receive(&mut &mut ping[..], &mut out).unwrap().is_some());
    ws.sender().chunk(b"x", &mut out).unwrap();
    out.clear();
    ws.flush_replies(&mut out).unwrap();
    assert_eq!(out, from_us::<Server>(FIN | common::PONG, b"p"));
    out.clear();
    ws.close(CloseCode::GOING_AWAY, "bye", &mut out).unwrap();
    assert_eq!(out, from_us::<Server>(CLOSE, &close_body(1001, "bye")));
    assert_eq!(ws.close_record().sent, Some(CloseCode::GOING_AWAY));
}

/// What is shown where things are logged holds nothing of what was sent.
#[test]
fn what_is_shown() {
    let ws = MessageConnection::new(connection());
    let shown = "MessageConnection { connection: Connection { sender: Sender { sent_close: None, .. }, .. }, .. }";
    assert_eq!(format!("{ws:?}"), shown);
    assert_eq!(format!("{:?}", ws.split().unwrap().0), "MessageReceiver { .. }");
}

/// The machine that owns its buffers sees and sends the same at every size of reads and writes, with the leftover of a
/// handshake of every length.
#[test]
fn buffered_at_every_read_and_write_size() {
    let long = vec![9; 100_000];
    let stream = [
        from_peer::<Server>(FIN | TEXT, "héllo".as_bytes()),
        from_peer::<Server>(PING, b"p"),
        from_peer::<Server>(BIN, &long[..50_000]),
        from_peer::<Server>(FIN | CONT, &long[50_000..]),
        from_peer::<Server>(CLOSE, &close_body(1000, "bye")),
    ]
    .concat();
    let expected = [
        from_us::<Server>(FIN | TEXT, "héllo".as_bytes()),
        from_us::<Server>(common::FIN | common::PONG, b"p"),
        from_us::<Server>(FIN | BIN, &long),
        from_us::<Server>(CLOSE, &close_body(1000, "bye")),
    ]
    .concat();
    for (leftover, read, write) in [
        (0, 1, 1),
        (1, 7, 3),
        (5, 100, 1000),
        (14, 4096, 5),
        (stream.len(), 1, 70_000),
    ] {
        let mut ws = BufferedConnection::new(connection(), &stream[..leftover]).with_read_len(read);
        let (mut at, mut sent, mut closes) = (leftover, Vec::new(), 0);
        while ws.transport() == Transport::KeepGoing {
            while let Some((event, mut tx)) = ws.next_event().unwrap() {
                match event {
                    Event::Text(text) => tx.text(text).unwrap(),
                    Event::Binary(data) => tx.send(data).unwrap(),
                    Event::Ping(_) | Event::Pong(_) => {}
                    Event::Close(record) => closes += u32::from(record.is_clean()),
                }
            }
            let (space, output) = ws.io();
            let read = space.len().min(read).min(stream.len() - at);
            space[..read].copy_from_slice(&stream[at..at + read]);
            let written = write.min(output.len());
            sent.extend_from_slice(&output[..written]);
            at += read;
            ws.advance(read);
            ws.written(written);
        }
        sent.extend_from_slice(ws.output());
        assert!(sent == expected, "reads of {read}, writes of {write}");
        assert_eq!(
            (at, closes, ws.transport()),
            (stream.len(), 1, Transport::FlushThenHalfClose)
        );
        assert_eq!(ws.end_of_stream(), None);
        assert_eq!(ws.close_record().stream_end, Some(StreamEnd::AfterClose));
    }
}

/// What follows the head is not shown before the head is complete, and then all of it is.
#[test]
fn buffered_after_head() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    for (at, byte) in bytes.iter().enumerate() {
        handshake.space()[0] = *byte;
        handshake.advance(1);
        let complete = handshake.receive().unwrap().is_some();
        let after = bytes.get(27..=at).unwrap_or_default();
        assert_eq!((complete, handshake.after_head()), (at >= 26, after), "{at}");
    }
}

/// Taken apart, the machine gives back what it has not taken in and what is not written.
#[test]
fn buffered_into_parts() {
    let bytes = from_peer::<Server>(FIN | TEXT, b"later");
    let mut ws = BufferedConnection::new(connection(), &bytes[..]);
    ws.tx().text("first").unwrap();
    let (messages, input, output) = ws.into_parts();
    assert_eq!((input, output.as_bytes()), (bytes, &b"\x81\x05first"[..]));
    assert!(messages.split().is_ok());
}

/// A fixed output that a transport drains in parts.
#[test]
fn a_slice_is_drained_in_parts() {
    let mut memory = [0; 8];
    let mut out = SliceOutput::new(&mut memory);
    let mut tx = Sender::new(Server);
    tx.text("abcd", &mut out).unwrap();
    assert_eq!((out.len(), out.remaining()), (6, 2));
    assert!(tx.text("efg", &mut out).is_err());
    out.consume(4);
    assert_eq!((out.as_bytes(), out.remaining()), (&b"cd"[..], 6));
    tx.text("efg", &mut out).unwrap();
    assert_eq!(out.as_bytes(), b"cd\x81\x03efg");
    out.consume(100);
    assert_eq!((out.as_bytes(), out.remaining()), (&b""[..], 8));
}
