//! The two halves, driven apart: what the receive half owes goes over as a value, and the output is the connection's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::mpsc;
use std::thread;

use common::*;
use sockless::connection::{CloseRecord, Connection, Initiator, Receiver, Reply, Role, Sender, Server, StreamEnd};
use sockless::error::{Failure, SendError, Violation};
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;
use sockless::message::{MessageConnection, MessageReceiver};

fn is_send<T: Send>() {}

/// Halves, connections and replies may go to another thread.
#[test]
fn halves_are_send() {
    is_send::<Receiver<Server>>();
    is_send::<Sender<Server>>();
    is_send::<Receiver<FixedClient>>();
    is_send::<Sender<FixedClient>>();
    is_send::<MessageReceiver<Server>>();
    is_send::<Connection<FixedClient>>();
    is_send::<MessageConnection<Server>>();
    is_send::<Reply>();
}

/// A session with fragments, pings, a character over fragments, and this ending.
fn session<R: Role>(ending: &[u8]) -> Vec<u8> {
    [
        &from_peer::<R>(FIN | TEXT, "first é".as_bytes())[..],
        &from_peer::<R>(PING, b""),
        &from_peer::<R>(TEXT, b"\xe2\x82"),
        &from_peer::<R>(PING, &[7; 125]),
        &from_peer::<R>(PONG, b"unasked"),
        &from_peer::<R>(FIN | CONT, b"\xac"),
        &from_peer::<R>(FIN | BIN, &[9; 300]),
        ending,
    ]
    .concat()
}

fn endings<R: Role>() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        from_peer::<R>(CLOSE, &close_body(1001, "bye")),
        from_peer::<R>(CLOSE, b""),
        vec![0xc1],
        from_peer::<R>(FIN | TEXT, b"good\xff"),
        [
            from_peer::<R>(CLOSE, &close_body(1000, "")),
            from_peer::<R>(PING, b"late"),
        ]
        .concat(),
    ]
}

/// A Close as the receive half has it.
fn as_frames(seen: &[Seen]) -> Vec<Seen> {
    let frame = |seen: &Seen| match seen {
        Seen::Close(record) => Seen::CloseFrame(record.received.filter(|code| *code != 1005), record.reason.clone()),
        other => other.clone(),
    };
    seen.iter().map(frame).collect()
}

/// Drives a pair of halves over bytes in pieces of a length.
macro_rules! drive {
    ($receiver:expr, $sender:expr, $bytes:expr, $piece:expr) => {{
        let (mut seen, mut out, mut error) = (Vec::new(), Vec::new(), None);
        let mut copy = $bytes.to_vec();
        for mut input in copy.chunks_mut($piece) {
            loop {
                match $receiver.receive(&mut input) {
                    Ok(None) => break assert!(input.is_empty()),
                    Ok(Some(event)) => {
                        assert_eq!(error, None);
                        if let Some(reply) = event.reply() {
                            $sender.reply(&reply, &mut out).unwrap();
                        }
                        push(&mut seen, event.seen());
                    }
                    Err(failure) => {
                        assert!(error.is_none_or(|error| error == failure));
                        error = Some(failure);
                        let reply = Reply::from(failure);
                        assert!(reply.is_close());
                        $sender.reply(&reply, &mut out).unwrap();
                        break;
                    }
                }
            }
        }
        (seen, out, error)
    }};
}

fn halves_equal_the_connection<R: Role>(role: fn() -> R) {
    for ending in endings::<R>() {
        let bytes = session::<R>(&ending);
        let whole = run(role(), &Limits::default(), false, &bytes, &[]);
        for piece in [1, 2, 7, bytes.len()] {
            for from_split in [false, true] {
                let (mut receiver, mut sender) = if from_split {
                    Connection::new(role(), &Limits::default()).split().unwrap()
                } else {
                    (Receiver::<R>::new(&Limits::default()), Sender::new(role()))
                };
                let (seen, out, error) = drive!(receiver, sender, bytes, piece);
                assert_eq!((seen, error), (as_frames(&whole.seen), whole.error));
                assert_eq!((out, receiver.failure()), (whole.output.clone(), whole.error));
                assert_eq!(Record::from(CloseRecord::of(&receiver, &sender)), whole.record);
            }
        }
    }
}

fn message_halves_equal_the_connection<R: Role>(role: fn() -> R) {
    for ending in endings::<R>() {
        let bytes = session::<R>(&ending);
        let whole = run_messages(role(), &Limits::default(), false, &bytes, &[]);
        for piece in [1, 2, 7, bytes.len()] {
            for from_split in [false, true] {
                let (mut receiver, mut sender) = if from_split {
                    MessageConnection::new(Connection::new(role(), &Limits::default()))
                        .split()
                        .unwrap()
                } else {
                    (MessageReceiver::<R>::new(&Limits::default()), Sender::new(role()))
                };
                let (seen, out, error) = drive!(receiver, sender, bytes, piece);
                assert_eq!((seen, error), (as_frames(&whole.seen), whole.error));
                assert_eq!(out, whole.output);
                assert_eq!(
                    Record::from(CloseRecord::of(receiver.receiver(), &sender)),
                    whole.record
                );
            }
        }
    }
}

/// Taken apart at every byte of a session, the halves go on where the connection was.
fn split_at_every_byte<R: Role>(role: fn() -> R) {
    let bytes = session::<R>(&from_peer::<R>(CLOSE, &close_body(1001, "bye")));
    let whole = run(role(), &Limits::default(), false, &bytes, &[]);
    let whole_messages = run_messages(role(), &Limits::default(), false, &bytes, &[]);
    for cut in 0..=bytes.len() {
        let mut end = End::new(role());
        end.feed(&bytes[..cut]);
        let End { ws, out, mut seen, .. } = end;
        let (mut receiver, mut sender) = ws.split().unwrap();
        let (more, more_out, error) = drive!(receiver, sender, bytes[cut..], 3);
        for event in more {
            push(&mut seen, event);
        }
        assert_eq!(
            (as_frames(&seen), error),
            (as_frames(&whole.seen), None),
            "cut at {cut}"
        );
        assert_eq!([out, more_out].concat(), whole.output, "cut at {cut}");

        let mut ws = MessageConnection::new(Connection::new(role(), &Limits::default()));
        let (mut out, mut seen) = (Vec::new(), Vec::new());
        let mut head = bytes[..cut].to_vec();
        let mut input = &mut head[..];
        while let Some((event, _)) = ws.receive(&mut input, &mut out).unwrap() {
            seen.push(event.seen());
        }
        let (mut receiver, mut sender) = ws.split().unwrap();
        let (more, more_out, _) = drive!(receiver, sender, bytes[cut..], 3);
        seen.extend(more);
        assert_eq!(as_frames(&seen), as_frames(&whole_messages.seen), "cut at {cut}");
        assert_eq!([out, more_out].concat(), whole_messages.output, "cut at {cut}");
    }
}

/// A reply while a frame is sent in chunks is refused, and the caller keeps it.
fn reply_waits_for_the_frame<R: Role>(role: fn() -> R) {
    let (mut receiver, mut sender) = (Receiver::<R>::new(&Limits::default()), Sender::new(role()));
    let mut out = Vec::new();
    sender.begin_frame(MessageKind::Text, 2, true, &mut out).unwrap();
    let mut ping = from_peer::<R>(PING, b"p");
    let reply = receiver.receive(&mut &mut ping[..]).unwrap().unwrap().reply().unwrap();
    assert!(!reply.is_close());
    let failed = Reply::from(Failure::from(Violation::ReservedBits));
    assert_eq!(sender.reply(&reply, &mut out), Err(SendError::FrameInProgress));
    assert_eq!(sender.reply(&failed, &mut out), Err(SendError::FrameInProgress));
    sender.chunk("ab", &mut out).unwrap();
    sender.reply(&reply, &mut out).unwrap();
    sender.reply(&failed, &mut out).unwrap();
    let expected = [
        from_us::<R>(FIN | TEXT, b"ab"),
        from_us::<R>(PONG, b"p"),
        close_from_us::<R>(1002),
    ]
    .concat();
    assert_eq!(out, expected);
    // After a Close, a Pong and a second Close are dropped.
    sender.reply(&reply, &mut out).unwrap();
    sender.reply(&failed, &mut out).unwrap();
    assert_eq!(out, expected);
}

/// Events with nothing owed give no reply.
fn only_pings_and_closes_are_answered<R: Role>(_role: fn() -> R) {
    let mut receiver = Receiver::<R>::new(&Limits::default());
    let mut messages = MessageReceiver::<R>::new(&Limits::default());
    for (first, payload, answered) in [
        (FIN | TEXT, &b"t"[..], false),
        (FIN | BIN, b"b", false),
        (PONG, b"", false),
        (PING, b"", true),
        (CLOSE, b"", true),
    ] {
        let mut bytes = from_peer::<R>(first, payload);
        assert_eq!(
            receiver
                .receive(&mut &mut bytes[..])
                .unwrap()
                .unwrap()
                .reply()
                .is_some(),
            answered
        );
        let mut bytes = from_peer::<R>(first, payload);
        assert_eq!(
            messages
                .receive(&mut &mut bytes[..])
                .unwrap()
                .unwrap()
                .reply()
                .is_some(),
            answered
        );
    }
}

/// Each half hears of the end of the stream by itself.
fn end_of_stream_of_the_halves<R: Role>(role: fn() -> R) {
    let mut receiver = Receiver::<R>::new(&Limits::default());
    let mut bytes = from_peer::<R>(TEXT, b"begin");
    receiver.receive(&mut &mut bytes[..]).unwrap();
    assert_eq!(receiver.stream_end(), None);
    for _ in 0..2 {
        assert_eq!(receiver.end_of_stream(), StreamEnd::InMessage);
        assert_eq!(receiver.stream_end(), Some(StreamEnd::InMessage));
    }
    let mut late = from_peer::<R>(FIN | CONT, b"end");
    let mut input = &mut late[..];
    assert_eq!((receiver.receive(&mut input), input.is_empty()), (Ok(None), true));
    let mut messages = MessageReceiver::<R>::new(&Limits::default());
    let mut half = from_peer::<R>(FIN | BIN, b"xx");
    half.pop();
    assert_eq!(messages.receive(&mut &mut half[..]), Ok(None));
    assert_eq!(messages.end_of_stream(), StreamEnd::InPayload);

    let mut sender = Sender::new(role());
    sender.end_of_stream();
    assert_eq!(sender.text("x", &mut Vec::new()), Err(SendError::Closed));
    let record = Record::from(CloseRecord::of(&receiver, &sender));
    assert_eq!(
        (record.code, record.initiator, record.clean),
        (1006, Initiator::Neither, false)
    );
}

/// What is shown where things are logged: no payloads, and nothing of the source of mask keys.
fn what_is_shown<R: Role>(role: fn() -> R) {
    let mut connection = Connection::new(role(), &Limits::default());
    connection.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
    let sender = "Sender { sent_close: Some(CloseCode(1000)), .. }";
    assert_eq!(
        format!("{connection:?}"),
        format!("Connection {{ sender: {sender}, .. }}")
    );
    let (receiver, tx) = connection.split().unwrap();
    assert_eq!(
        (format!("{receiver:?}"), format!("{tx:?}").as_str()),
        ("Receiver { .. }".into(), sender)
    );
    assert_eq!(format!("{:?}", common::client()), "Client { .. }");
    let mut ping = from_peer::<R>(PING, b"secret");
    let mut receiver = Receiver::<R>::new(&Limits::default());
    let pong = receiver.receive(&mut &mut ping[..]).unwrap().unwrap().reply().unwrap();
    assert_eq!(format!("{pong:?}"), "Reply(Pong)");
    let close = Reply::from(Failure::Violation(Violation::ReservedBits));
    assert_eq!(format!("{close:?}"), "Reply(Close { answers: false })");
    assert_eq!((pong.is_close(), close.is_close()), (false, true));
}

/// Two threads, a half each, against a peer of the other role: replies go over a channel.
#[test]
fn two_threads() {
    let mut client = Sender::new(common::client());
    let mut to_server = Vec::new();
    for round in 0..100_u32 {
        client.text(&format!("message {round}"), &mut to_server).unwrap();
        client.ping(&round.to_be_bytes(), &mut to_server).unwrap();
    }
    client.close(CloseCode::NORMAL, "done", &mut to_server).unwrap();

    let (mut receiver, mut sender) = Connection::new(Server, &Limits::default()).split().unwrap();
    let (replies, replied) = mpsc::channel::<Reply>();
    let reading = thread::spawn(move || {
        let mut texts = 0;
        for mut input in to_server.chunks_mut(13) {
            while let Some(event) = receiver.receive(&mut input).unwrap() {
                if let Some(reply) = event.reply() {
                    replies.send(reply).unwrap();
                }
                texts += u32::from(matches!(event, sockless::connection::Event::Text(text) if text.message_end));
            }
        }
        texts
    });
    let writing = thread::spawn(move || {
        let mut out = Vec::new();
        for reply in replied {
            sender.reply(&reply, &mut out).unwrap();
        }
        out
    });
    assert_eq!(reading.join().unwrap(), 100);
    let mut expected: Vec<u8> = (0..100_u32)
        .flat_map(|round| frame(PONG, None, &round.to_be_bytes()))
        .collect();
    expected.extend(frame(CLOSE, None, b"\x03\xe8done"));
    assert_eq!(writing.join().unwrap(), expected);
}

both_roles!(
    halves_equal_the_connection,
    message_halves_equal_the_connection,
    split_at_every_byte,
    reply_waits_for_the_frame,
    only_pings_and_closes_are_answered,
    end_of_stream_of_the_halves,
    what_is_shown,
);
