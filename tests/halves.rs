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
use sockless::buffer::{ReadBuffer, WriteBuffer};
use sockless::connection::{
    ChunkEvent, CloseRecord, Connection, Initiator, Receiver, Reply, ReplySlot, Role, Sender, Server, StreamEnd, Tx,
};
use sockless::error::{Failure, SendError, Violation};
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;

fn is_send<T: Send>() {}

/// Halves, connections, buffers and replies may go to another thread.
#[test]
fn halves_are_send() {
    is_send::<Receiver<Server>>();
    is_send::<Sender<Server>>();
    is_send::<Receiver<FixedClient>>();
    is_send::<Sender<FixedClient>>();
    is_send::<Connection<FixedClient>>();
    is_send::<Reply>();
    is_send::<ReadBuffer>();
    is_send::<WriteBuffer>();
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

/// By every way to receive, in pieces of several lengths, at every ending.
fn halves_equal_the_connection<R: Role>(role: fn() -> R) {
    let limits = Limits::default();
    for ending in endings::<R>() {
        let bytes = session::<R>(&ending);
        let chunks = run(role(), &limits, false, &bytes, &[]);
        let ways = Way::messages(1 << 10).map(|way| (way, chunks.as_messages()));
        for (way, expected) in ways.into_iter().chain([(Way::Chunks, chunks.clone())]) {
            for piece in [1, 2, 7, bytes.len()] {
                let cuts: Vec<usize> = (piece..bytes.len()).step_by(piece).collect();
                let run = drive(Connection::new(role(), &limits), way, false, &bytes, &cuts);
                assert_eq!(run, expected, "{way:?}, pieces of {piece}");
                let run = drive(Apart::new(role(), &limits), way, false, &bytes, &cuts);
                assert_eq!(run, expected, "{way:?}, pieces of {piece}, apart");
            }
        }
    }
}

/// Taken apart at every byte of a session, the halves go on where the connection was.
fn split_at_every_byte<R: Role>(role: fn() -> R) {
    let bytes = session::<R>(&from_peer::<R>(CLOSE, &close_body(1001, "bye")));
    let chunks = run(role(), &Limits::default(), false, &bytes, &[]);
    for cut in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        let mut end = End::new(role());
        end.feed(head);
        let mut apart = end.split();
        for piece in tail.chunks(3) {
            apart.take_chunks(&mut piece.to_vec());
        }
        assert_eq!(apart.finish(), chunks, "cut at {cut}");

        let mut input = ReadBuffer::new();
        let mut end = End::new(role());
        end.read_into(&mut input, head);
        let mut apart = end.split();
        for piece in tail.chunks(3) {
            apart.read_into(&mut input, piece);
        }
        assert_eq!(apart.finish(), chunks.as_messages(), "cut at {cut}");
    }
}

/// A reply while a frame is sent in chunks is refused, and the caller keeps it.
fn reply_waits_for_the_frame<R: Role>(role: fn() -> R) {
    let (mut receiver, mut sender) = (Receiver::<R>::new(&Limits::default()), Sender::new(role()));
    let mut out = Vec::new();
    sender.tx(&mut out).begin_frame(MessageKind::Text, 2, true).unwrap();
    let mut ping = from_peer::<R>(PING, b"p");
    let reply = receiver
        .receive_chunk(&mut &mut ping[..])
        .unwrap()
        .unwrap()
        .reply()
        .unwrap();
    assert!(!reply.is_close());
    let failed = Reply::from(Failure::from(Violation::ReservedBits));
    assert_eq!(sender.tx(&mut out).reply(&reply), Err(SendError::FrameInProgress));
    assert_eq!(sender.tx(&mut out).reply(&failed), Err(SendError::FrameInProgress));
    sender.tx(&mut out).chunk("ab").unwrap();
    sender.tx(&mut out).reply(&reply).unwrap();
    sender.tx(&mut out).reply(&failed).unwrap();
    let expected = [
        from_us::<R>(FIN | TEXT, b"ab"),
        from_us::<R>(PONG, b"p"),
        close_from_us::<R>(1002),
    ]
    .concat();
    assert_eq!(out, expected);
    // After a Close a second one is dropped. A Pong is still owed (section 5.5.2) ...
    sender.tx(&mut out).reply(&failed).unwrap();
    assert_eq!(out, expected);
    sender.tx(&mut out).reply(&reply).unwrap();
    assert_eq!(out, [expected, from_us::<R>(PONG, b"p")].concat());

    // ... but not after the answer to the peer's Close, and not when the transport takes nothing more.
    let mut close = from_peer::<R>(CLOSE, b"");
    let answer = receiver
        .receive_chunk(&mut &mut close[..])
        .unwrap()
        .unwrap()
        .reply()
        .unwrap();
    for shut_down in [false, true] {
        let (mut sender, mut out) = (Sender::new(role()), Vec::new());
        let expected = if shut_down {
            sender.sending_shut_down();
            Vec::new()
        } else {
            from_us::<R>(CLOSE, b"")
        };
        for reply in [&answer, &reply, &answer, &failed] {
            sender.tx(&mut out).reply(reply).unwrap();
        }
        assert_eq!(out, expected);
    }
}

/// Events with nothing owed give no reply.
fn only_pings_and_closes_are_answered<R: Role>(_role: fn() -> R) {
    let mut receiver = Receiver::<R>::new(&Limits::default());
    let mut messages = Receiver::<R>::new(&Limits::default());
    let mut input = ReadBuffer::new();
    for (first, payload, answered) in [
        (FIN | TEXT, &b"t"[..], false),
        (FIN | BIN, b"b", false),
        (PONG, b"", false),
        (PING, b"", true),
        (CLOSE, b"", true),
    ] {
        let mut bytes = from_peer::<R>(first, payload);
        input.extend(&bytes).unwrap();
        let event = receiver.receive_chunk(&mut &mut bytes[..]).unwrap().unwrap();
        assert_eq!(event.reply().is_some(), answered);
        let event = messages.receive(&mut input).unwrap().unwrap();
        assert_eq!(event.reply().is_some(), answered);
    }
}

/// Each half hears of the end of the stream by itself.
fn end_of_stream_of_the_halves<R: Role>(role: fn() -> R) {
    let mut receiver = Receiver::<R>::new(&Limits::default());
    let mut bytes = from_peer::<R>(TEXT, b"begin");
    receiver.receive_chunk(&mut &mut bytes[..]).unwrap();
    let sender = Sender::new(role());
    assert_eq!(CloseRecord::of(&receiver, &sender).stream_end, None);
    for _ in 0..2 {
        assert_eq!(receiver.end_of_stream(), StreamEnd::InMessage);
        assert_eq!(
            CloseRecord::of(&receiver, &sender).stream_end,
            Some(StreamEnd::InMessage)
        );
    }
    let mut late = from_peer::<R>(FIN | CONT, b"end");
    let mut input = &mut late[..];
    assert_eq!(receiver.receive_chunk(&mut input), Ok(None));
    assert!(input.is_empty());
    let mut messages = Receiver::<R>::new(&Limits::default());
    let half = from_peer::<R>(FIN | BIN, b"xx");
    let mut input = ReadBuffer::new();
    input.extend(&half[..half.len() - 1]).unwrap();
    assert_eq!(messages.receive(&mut input), Ok(None));
    assert_eq!(messages.end_of_stream(), StreamEnd::InPayload);
    assert_eq!(messages.receive(&mut input), Ok(None));
    assert!(input.is_at_rest(), "input that nobody will read");

    let mut sender = Sender::new(role());
    sender.sending_shut_down();
    assert_eq!(sender.tx(&mut Vec::new()).text("x"), Err(SendError::Closed));
    let record = Record::from(CloseRecord::of(&receiver, &sender));
    assert_eq!(
        (record.code, record.initiator, record.clean),
        (1006, Initiator::Neither, false)
    );
}

/// What is shown where things are logged: no payloads, and nothing of the source of mask keys.
fn what_is_shown<R: Role>(role: fn() -> R) {
    let mut connection = Connection::new(role(), &Limits::default());
    let mut out = b"secret".to_vec();
    let sender = "Sender { closing: Open, .. }";
    assert_eq!(
        format!("{:?}", connection.tx(&mut out)),
        format!("Tx {{ sender: {sender}, .. }}")
    );
    assert_eq!(
        format!("{connection:?}"),
        format!("Connection {{ receiver: Receiver {{ .. }}, sender: {sender}, .. }}")
    );
    connection.tx(&mut out).close(CloseCode::NORMAL, "").unwrap();
    let sender = "Sender { closing: Sent(SentClose { code: CloseCode(1000), answers: false }), .. }";
    let (receiver, tx) = connection.split().unwrap();
    assert_eq!(
        (format!("{receiver:?}"), format!("{tx:?}").as_str()),
        ("Receiver { .. }".into(), sender)
    );
    assert_eq!(format!("{:?}", common::client()), "Client { .. }");
    let mut ping = from_peer::<R>(PING, b"secret");
    let mut input = ReadBuffer::new();
    input.extend(&ping).unwrap();
    assert!(!format!("{input:?}").contains("secret"));
    let mut receiver = Receiver::<R>::new(&Limits::default());
    let pong = receiver
        .receive_chunk(&mut &mut ping[..])
        .unwrap()
        .unwrap()
        .reply()
        .unwrap();
    assert_eq!(format!("{pong:?}"), "Reply(Pong)");
    let close = Reply::from(Failure::Violation(Violation::ReservedBits));
    assert!(format!("{close:?}").starts_with("Reply(Close("), "{close:?}");
    assert_eq!((pong.is_close(), close.is_close()), (false, true));
}

/// The slot keeps the last Pong, or the first Close.
fn slot<R: Role>(role: fn() -> R) {
    let mut slot = ReplySlot::new();
    assert!(slot.take().is_none());
    let mut receiver = Receiver::<R>::new(&Limits::default());
    let mut bytes = [
        from_peer::<R>(PING, b"1"),
        from_peer::<R>(PING, b"2"),
        from_peer::<R>(CLOSE, b"\x03\xe8bye"),
    ]
    .concat();
    let mut input = &mut bytes[..];
    let mut replies = Vec::new();
    while let Some(event) = receiver.receive_chunk(&mut input).unwrap() {
        replies.push(event.reply().unwrap());
    }
    let mut sent = |replies: &[Reply]| {
        replies.iter().for_each(|reply| _ = slot.put(*reply));
        let (mut sender, mut out) = (Sender::new(role()), Vec::new());
        sender.tx(&mut out).reply(&slot.take().unwrap()).unwrap();
        assert!(slot.take().is_none());
        out
    };
    let failed = Reply::from(Failure::Violation(Violation::ReservedBits));
    assert_eq!(sent(&replies[..1]), from_us::<R>(PONG, b"1"));
    assert_eq!(sent(&replies[..2]), from_us::<R>(PONG, b"2"));
    assert_eq!(sent(&replies), from_us::<R>(CLOSE, b"\x03\xe8bye"));
    assert_eq!(
        sent(&[replies[2], replies[0], failed]),
        from_us::<R>(CLOSE, b"\x03\xe8bye")
    );
}

/// Two threads, a half each, against a peer of the other role: replies go over a channel.
#[test]
fn two_threads() {
    let mut client = Sender::new(common::client());
    let mut to_server = Vec::new();
    for round in 0..100_u32 {
        client.tx(&mut to_server).text(&format!("message {round}")).unwrap();
        client.tx(&mut to_server).ping(&round.to_be_bytes()).unwrap();
    }
    client.tx(&mut to_server).close(CloseCode::NORMAL, "done").unwrap();

    let (mut receiver, mut sender) = Connection::new(Server, &Limits::default()).split().unwrap();
    let (replies, replied) = mpsc::channel::<Reply>();
    let reading = thread::spawn(move || {
        let mut texts = 0;
        for mut input in to_server.chunks_mut(13) {
            while let Some(event) = receiver.receive_chunk(&mut input).unwrap() {
                if let Some(reply) = event.reply() {
                    replies.send(reply).unwrap();
                }
                texts += u32::from(matches!(event, ChunkEvent::Text(text) if text.message_end));
            }
        }
        texts
    });
    let writing = thread::spawn(move || {
        let mut out = Vec::new();
        for reply in replied {
            sender.tx(&mut out).reply(&reply).unwrap();
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

/// The send half says when no message can be sent any more, and a connection, when it is at rest.
fn what_has_been_done_towards_closing<R: Role>(role: fn() -> R) {
    let mut sender = Sender::new(role());
    assert!(!sender.is_closed());
    sender.tx(&mut Vec::new()).close(CloseCode::NORMAL, "").unwrap();
    assert!(sender.is_closed());
    let mut sender = Sender::new(role());
    sender.sending_shut_down();
    assert!(sender.is_closed());

    let limits = Limits::default();
    assert!(Connection::new(role(), &limits).is_at_rest());
    let busy: [fn(Tx<'_, R, Vec<u8>>); 3] = [
        |mut tx| tx.part("begun", false).unwrap(),
        |mut tx| tx.begin_frame(MessageKind::Text, 1, true).unwrap(),
        |mut tx| tx.close(CloseCode::NORMAL, "").unwrap(),
    ];
    for busy in busy {
        let mut ws = Connection::new(role(), &limits);
        busy(ws.tx(&mut Vec::new()));
        assert!(!ws.is_at_rest());
    }
    let mut ws = Connection::new(role(), &limits);
    ws.sending_shut_down();
    assert!(!ws.is_at_rest());
}

both_roles!(
    what_has_been_done_towards_closing,
    halves_equal_the_connection,
    split_at_every_byte,
    reply_waits_for_the_frame,
    only_pings_and_closes_are_answered,
    end_of_stream_of_the_halves,
    what_is_shown,
    slot,
);
