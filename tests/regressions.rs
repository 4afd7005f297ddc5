//! Defects that were found and mended, one test for each, named after what broke. Those of memory and of copying are in
//! `memory.rs`, `copying.rs`, `read_buffer.rs` and `out_of_memory.rs`; those of replies that wait in `deferred_replies.rs`.
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
use sockless::buffer::{Output, OutputFull, ReadBuffer, SliceOutput, WriteBuffer};
use sockless::buffered::BufferedConnection;
use sockless::connection::{ChunkEvent, Connection, PreparedMessage, ReplySlot, Role, Sender, Server, TransportAction};
#[cfg(feature = "getrandom")]
use sockless::entropy::{Entropy, OsEntropy};
use sockless::error::{Blocked, ReceiveError, SendError, Violation};
use sockless::frame::{CloseCode, MessageKind};
use sockless::handshake::{HttpResponse, Request, ServerHandshake};
use sockless::limits::Limits;

/// Law L1: a Pong that waited for the end of a frame went out after the answer to a message that came whole, and before
/// it where the message came in pieces.
fn owed_pong_goes_out_before_the_answer_to_a_whole_message<R: Role>(role: fn() -> R) {
    let message = from_peer::<R>(FIN | TEXT, b"hi");
    for portion in 1..=message.len() {
        let mut end = End::new(role());
        end.tx().begin_frame(MessageKind::Binary, 1, true).unwrap();
        end.frame(PING, b"p");
        end.tx().chunk(b"x").unwrap();
        let End { mut ws, mut out, .. } = end;
        for piece in message.chunks(portion) {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            while let Some((event, mut tx)) = ws.receive_chunk(&mut input, &mut out).unwrap() {
                if matches!(event, ChunkEvent::Text(chunk) if chunk.message_end) {
                    tx.text("answer").unwrap();
                }
            }
        }
        let expected = [
            from_us::<R>(FIN | BIN, b"x"),
            from_us::<R>(PONG, b"p"),
            from_us::<R>(FIN | TEXT, b"answer"),
        ];
        assert_eq!(out, expected.concat(), "in portions of {portion}");
    }
}

/// What had been read of a message was dropped where a Pong that was owed had no room in the backlog.
fn read_bytes_survive_a_blocked_reply<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_reply_backlog(1);
    let payload = [7; 100];
    let bytes = [
        from_peer::<R>(PING, b"1"),
        from_peer::<R>(PING, b"2"),
        from_peer::<R>(FIN | BIN, &payload),
    ]
    .concat();
    for cut in 0..bytes.len() {
        let mut ws = Connection::new(role(), &limits);
        let (mut input, mut out) = (ReadBuffer::with_capacity(10), Vec::new());
        input.extend(&bytes[..cut]).unwrap();
        let mut seen = Vec::new();
        for rest in [&bytes[cut..], b""] {
            loop {
                match ws.receive(&mut input, &mut out) {
                    Ok(None) => break,
                    Ok(Some((event, _))) => seen.push(Seen::from(event)),
                    Err(error) => {
                        assert_eq!(error, ReceiveError::Blocked(Blocked::UndrainedPongs));
                        out.clear();
                    }
                }
            }
            input.extend(rest).unwrap();
        }
        assert_eq!(seen.last(), Some(&Seen::binary(&payload)), "cut at {cut}");
    }
}

/// Law L6: a failure found at the message level was no error any more when it was asked for again.
fn failure_of_a_message_comes_again<R: Role>(role: fn() -> R) {
    let mut ws = Connection::new(role(), &Limits::default());
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    input.extend(&from_peer::<R>(FIN | TEXT, b"a\xff")).unwrap();
    for _ in 0..3 {
        let error = ws.receive(&mut input, &mut out).err();
        assert_eq!(error, Some(ReceiveError::Failed(Violation::TextNotUtf8.into())));
        assert_eq!(out, close_from_us::<R>(1007));
        read(&mut input, b"more");
    }
}

/// Less space was offered inside a long frame than asked for, and a message took many more reads than it had to.
fn a_long_message_takes_few_reads<R: Role>(role: fn() -> R) {
    let len = 16 << 20;
    let bytes = from_peer::<R>(FIN | BIN, &vec![7; len]);
    for (at_once, most_reads) in [(64 << 10, 256 + 40), (256 << 10, 64 + 30)] {
        let mut end = End::new(role());
        let mut input = ReadBuffer::with_capacity(at_once);
        let (mut rest, mut reads) = (&bytes[..], 0);
        while !rest.is_empty() {
            let len = read(&mut input, &rest[..rest.len().min(at_once)]);
            rest = &rest[len..];
            reads += 1;
            end.take_messages(&mut input);
        }
        assert!(reads <= most_reads, "{reads} reads of at most {at_once} bytes");
        assert_eq!(end.seen.len(), 1);
    }
}

/// `Blocked` with no Pong waiting: the backlog shrank only when the output was seen shorter while a Pong was written. A
/// sender that kept 300 KiB of its own data queued stopped reading for good after 131,072 empty Pings.
fn pongs_that_are_drained_do_not_count<R: Role>(role: fn() -> R) {
    let mut ws = Connection::new(role(), &Limits::default());
    let mut out = WriteBuffer::new();
    let own = vec![0; 1000];
    while out.len() < 300 << 10 {
        ws.tx(&mut out).binary(&own).unwrap();
    }
    let queued = out.len();
    let pings = from_peer::<R>(PING, b"").repeat(1000);
    let pong_len = from_us::<R>(PONG, b"").len();
    let mut pongs = 0_usize;
    while pongs < 300_000 {
        let mut bytes = pings.clone();
        let mut input = &mut bytes[..];
        while ws.receive_chunk(&mut input, &mut out).unwrap().is_some() {
            pongs += 1;
        }
        // The transport takes more than the Pongs, and there is always more of the application's own.
        out.written(10 * 1000 * pong_len);
        while out.len() < queued {
            ws.tx(&mut out).binary(&own).unwrap();
        }
        assert!(out.len() <= queued + own.len() + 10);
    }

    // Where nothing is drained, it is bounded all the same, and goes on when something is.
    let blocked = loop {
        let mut bytes = pings.clone();
        let mut input = &mut bytes[..];
        match ws.receive_chunk(&mut input, &mut out) {
            Ok(_) => {}
            Err(error) => break error,
        }
        assert!(out.len() < queued + (600 << 10));
    };
    assert_eq!(blocked, ReceiveError::Blocked(Blocked::UndrainedPongs));
    out.written(out.len());
    assert!(ws.receive_chunk(&mut &mut [][..], &mut out).unwrap().is_some());
}

/// An output of the caller's that makes room in `reserve`, as one does that writes to a transport then. It fails at the
/// call of the number that is given.
struct Flushing {
    sent: Vec<u8>,
    reserved: Vec<u8>,
    filled: usize,
    fails_at: usize,
}

impl Output for Flushing {
    fn len(&self) -> usize {
        0
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        self.fails_at = self.fails_at.wrapping_sub(1);
        if self.fails_at == 0 {
            return Err(OutputFull { needed: additional });
        }
        self.sent.append(&mut self.reserved);
        self.reserved = vec![0xee; additional];
        self.filled = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.reserved[self.filled..][..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }
}

/// The last chunk reserved twice where a Close waited for it: an output that makes room in `reserve` sent bytes that nobody
/// had put, and where the second reservation failed the Close was never sent.
fn the_last_chunk_and_the_close_are_one<R: Role>(role: fn() -> R) {
    let rows = [
        (from_peer::<R>(PING, b"p"), from_us::<R>(PONG, b"p")),
        (
            from_peer::<R>(CLOSE, b"\x03\xe8bye"),
            from_us::<R>(CLOSE, b"\x03\xe8bye"),
        ),
        (vec![0xff], close_from_us::<R>(1002)),
    ];
    for (bytes, reply) in rows {
        for fails_at in 0..6 {
            let mut ws = Connection::new(role(), &Limits::default());
            let mut out = Flushing {
                sent: Vec::new(),
                reserved: Vec::new(),
                filled: 0,
                fails_at: usize::MAX,
            };
            ws.tx(&mut out).begin_frame(MessageKind::Text, 4, true).unwrap();
            let mut bytes = bytes.clone();
            _ = ws.receive_chunk(&mut &mut bytes[..], &mut out).map(|_| ());
            out.fails_at = fails_at;
            let mut chunks = ["te", "xt"].into_iter().peekable();
            while let Some(chunk) = chunks.peek() {
                match ws.tx(&mut out).chunk(*chunk) {
                    Ok(()) => _ = chunks.next(),
                    Err(error) => assert!(matches!(error, SendError::OutputFull(_)), "{error:?}"),
                }
            }
            assert_eq!(out.filled, out.reserved.len(), "as many bytes as were reserved");
            out.sent.append(&mut out.reserved);
            assert_eq!(out.sent, [from_us::<R>(FIN | TEXT, b"text"), reply.clone()].concat());
        }
    }
}

/// Sections 5.5.2 and 5.5.3: a Ping came while a frame was sent in chunks; after the last chunk and a Close there was no
/// Pong. And one byte of a second Ping made the Pong for the first disappear.
fn pongs_are_not_lost_around_a_frame_in_chunks<R: Role>(role: fn() -> R) {
    let second = from_peer::<R>(PING, b"second");
    for cut in 0..second.len() {
        for message_level in [false, true] {
            let mut end = End::new(role());
            let mut input = ReadBuffer::new();
            end.tx().begin_frame(MessageKind::Binary, 1, true).unwrap();
            let bytes = [&from_peer::<R>(PING, b"first"), &second[..cut]].concat();
            if message_level {
                end.read_into(&mut input, &bytes);
            } else {
                end.feed(&bytes);
            }
            end.tx().chunk(b"x").unwrap();
            end.tx().close(CloseCode::NORMAL, "").unwrap();
            let expected = [
                from_us::<R>(FIN | BIN, b"x"),
                from_us::<R>(PONG, b"first"),
                close_from_us::<R>(1000),
            ];
            assert_eq!(
                end.out,
                expected.concat(),
                "cut at {cut}, message level: {message_level}"
            );
        }
    }
}

/// Law L1: the event for `a` already showed the failure that `ff` after it causes, but only where both came in one input.
fn no_failure_is_visible_an_event_early<R: Role>(role: fn() -> R) {
    let bytes = from_peer::<R>(FIN | TEXT, b"a\xff");
    for cut in 0..=bytes.len() {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = Vec::new();
        ws.tx(&mut out).close(CloseCode::NORMAL, "").unwrap();
        let (mut seen, mut error) = (Vec::new(), None);
        for piece in [&bytes[..cut], &bytes[cut..]] {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            loop {
                let next = ws.receive_chunk(&mut input, &mut out);
                let event = next.map(|next| next.map(|(event, _)| Seen::from(event)));
                match event {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        assert_eq!(ws.close_record().failure, None, "cut at {cut}");
                        assert_eq!(ws.transport(), TransportAction::AwaitPeer, "cut at {cut}");
                        seen.push(event);
                    }
                    Err(failure) => {
                        error = Some(failure);
                        break;
                    }
                }
            }
        }
        assert_eq!(
            error,
            Some(ReceiveError::Failed(Violation::TextNotUtf8.into())),
            "cut at {cut}"
        );
        assert!(
            matches!(&seen[..], [Seen::Data { data, .. }] if data == b"a"),
            "{seen:?}, cut at {cut}"
        );
        assert_eq!(ws.close_record().failure, Some(Violation::TextNotUtf8.into()));
        assert_eq!(
            (ws.transport(), &out),
            (TransportAction::ShutDownSend, &close_from_us::<R>(1000))
        );
    }
}

/// Section 5.5.2: a Ping after this end's Close was not answered, although no Close had been received.
fn a_ping_after_our_close_is_answered<R: Role>(role: fn() -> R) {
    for way in [Way::Chunks, Way::Own, Way::Lent(64), Way::Fixed(131)] {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = Vec::new();
        ws.tx(&mut out).close(CloseCode::NORMAL, "").unwrap();
        let bytes = [
            from_peer::<R>(PING, b"1"),
            from_peer::<R>(PING, &[2; 125]),
            from_peer::<R>(CLOSE, b""),
            from_peer::<R>(PING, b"late"),
        ]
        .concat();
        let run = drive(ws, way, false, &bytes, &byte_by_byte(&bytes));
        assert_eq!(
            run.output,
            [from_us::<R>(PONG, b"1"), from_us::<R>(PONG, &[2; 125])].concat()
        );
        assert_eq!((run.error, run.seen.len(), run.record.clean), (None, 3, true));
    }
}

/// A peer that sends Pings and never reads wedged a reader and a writer with a bounded channel between them. The slot never
/// fills: the reader goes on, and the writer sends the last Pong, or the Close, when it can.
fn a_peer_that_never_reads_stops_nobody<R: Role>(role: fn() -> R) {
    let (mut receiver, mut sender) = Connection::new(role(), &Limits::default()).split().unwrap();
    let mut slot = ReplySlot::new();
    let mut woken = 0;
    let mut receive = |mut bytes: Vec<u8>| {
        let mut input = &mut bytes[..];
        while let Some(event) = receiver.receive_chunk(&mut input).unwrap() {
            if let Some(reply) = event.reply() {
                woken += u32::from(slot.put(reply));
            }
        }
    };
    for number in 0..100_000_u32 {
        receive(from_peer::<R>(PING, &number.to_be_bytes()));
    }
    let mut out = Vec::new();
    sender.tx(&mut out).reply(&slot.take().unwrap()).unwrap();
    assert_eq!((woken, slot.take().is_some()), (1, false), "one wake-up is enough");
    assert_eq!(out, from_us::<R>(PONG, &99_999_u32.to_be_bytes()));
}

/// The machine with its buffers could not send a prepared message, its output could not be consumed once it was taken apart,
/// and bytes that had come in another way could not be fed.
#[test]
fn what_the_machine_with_its_buffers_could_not_do() {
    let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
    ws.tx().prepared(&PreparedMessage::new("news").unwrap()).unwrap();
    ws.buffers().0.extend(&from_peer::<Server>(FIN | TEXT, b"fed")).unwrap();
    assert_eq!(
        ws.next_event().unwrap().map(|(event, _)| Seen::from(event)),
        Some(Seen::text("fed"))
    );
    ws.written(2);
    let (connection, input, mut output) = ws.into_parts();
    assert_eq!((input.is_at_rest(), output.unwritten()), (true, &b"news"[..]));
    output.written(4);
    assert_eq!(output.len(), 0);
    assert!(connection.split().is_ok());
}

/// A server's frame in place asked for a payload that can be changed, although a server masks nothing.
#[test]
fn a_server_sends_the_header_for_a_payload_that_it_cannot_change() {
    const PAYLOAD: &str = "constant";
    let mut ws = Connection::new(Server, &Limits::default());
    let mut out = Vec::new();
    ws.tx(&mut out).header_for(PAYLOAD, false).unwrap();
    out.extend_from_slice(PAYLOAD.as_bytes());
    ws.tx(&mut out).header_for(&PAYLOAD.as_bytes()[..0], true).unwrap_err();
    ws.tx(&mut out).header_for(PAYLOAD, true).unwrap();
    out.extend_from_slice(PAYLOAD.as_bytes());
    let expected = [frame(TEXT, None, b"constant"), frame(FIN | CONT, None, b"constant")].concat();
    assert_eq!(out, expected);
    let full = SendError::OutputFull(OutputFull { needed: 2 });
    assert_eq!(
        ws.tx(&mut SliceOutput::new(&mut [])).header_for(PAYLOAD, true),
        Err(full)
    );
}

/// A clone of the operating system's generator gave the bytes that the original was about to give, and so the mask keys of
/// one connection were known to the peer of another.
#[cfg(feature = "getrandom")]
#[test]
fn clones_of_the_entropy_share_no_bytes() {
    let mut entropy = OsEntropy::new();
    let (mut ours, mut theirs) = ([0; 16], [0; 16]);
    entropy.fill(&mut ours);
    let mut clone = entropy.clone();
    entropy.fill(&mut ours);
    clone.fill(&mut theirs);
    assert_ne!(ours, theirs);
}

/// RFC 9110 section 15.5.22: a response 426 must have an `Upgrade`, which the application may not add by itself.
#[test]
fn upgrade_required_names_the_upgrade() {
    let mut out = Vec::new();
    let bytes = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut input = ReadBuffer::new();
    input.extend(bytes).unwrap();
    let Some(Request::Http(request)) = handshake.receive(&mut input, &mut out).unwrap() else {
        panic!("plain HTTP");
    };
    request.respond(&HttpResponse::new(426), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Connection: close, Upgrade\r\nContent-Length: 0\r\n\r\n"
    );
}

/// RFC 9112 section 3.2.2: where the request target is an absolute address, its host counts and `Host` does not.
#[test]
fn the_host_of_an_absolute_target_counts() {
    let bytes = b"GET ws://real.example:81/chat HTTP/1.1\r\nHost: other.example\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut input = ReadBuffer::new();
    input.extend(bytes).unwrap();
    let Some(Request::Upgrade(upgrade)) = handshake.receive(&mut input, &mut Vec::new()).unwrap() else {
        panic!("an upgrade");
    };
    assert_eq!(upgrade.host(), "real.example:81");
}

/// A stream whose flush failed once was never flushed again: what it held back did not reach the peer.
#[cfg(feature = "std")]
#[test]
fn what_was_not_flushed_is_flushed_again() {
    use std::io::{self, ErrorKind, Write};

    /// Holds back what was not flushed, and flushes every other time.
    #[derive(Default)]
    struct Lazy {
        held: Vec<u8>,
        sent: Vec<u8>,
        flushes: usize,
    }

    impl Write for Lazy {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.held.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushes += 1;
            if self.flushes % 2 == 1 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.sent.append(&mut self.held);
            Ok(())
        }
    }

    let (mut ws, mut output) = (Connection::new(Server, &Limits::default()), WriteBuffer::new());
    let mut stream = Lazy::default();
    ws.tx(&mut output).text("hi").unwrap();
    assert_eq!(output.write_to(&mut stream).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(output.len(), 0);
    output.write_to(&mut stream).unwrap();
    assert_eq!(stream.sent, from_us::<Server>(FIN | TEXT, b"hi"));
    output.write_to(&mut stream).unwrap();
    assert_eq!(stream.flushes, 2, "nothing is due");
}

/// The default write buffer was over its watermark with its first byte.
#[test]
fn the_default_write_buffer_is_a_new_one() {
    let mut output = WriteBuffer::default();
    Sender::new(Server).tx(&mut output).binary(&[0; 60_000]).unwrap();
    assert!(!output.is_over_watermark());
    Sender::new(Server).tx(&mut output).binary(&[0; 60_000]).unwrap();
    assert!(output.is_over_watermark());
}

/// Fragments that were left in the buffer of the message level were put in front of the next message, where the streaming
/// level had finished theirs and begun the next with as many bytes.
fn no_message_is_put_together_of_two<R: Role>(role: fn() -> R) {
    for (begun, left) in [(&b"BBBB"[..], &b"AAAA"[..]), (b"", b""), (b"B", b"AAAA")] {
        let mut ws = Connection::new(role(), &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        input.extend(&from_peer::<R>(BIN, left)).unwrap();
        assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
        let mut bytes = [from_peer::<R>(FIN | CONT, b"aa"), from_peer::<R>(BIN, begun)].concat();
        let mut rest = &mut bytes[..];
        while ws.receive_chunk(&mut rest, &mut out).unwrap().is_some() {}
        let end = [from_peer::<R>(FIN | CONT, b"bb"), from_peer::<R>(FIN | BIN, b"next")].concat();
        input.extend(&end).unwrap();
        let event = ws
            .receive(&mut input, &mut out)
            .unwrap()
            .map(|(event, _)| Seen::from(event));
        assert_eq!(event, Some(Seen::binary(b"next")));
        assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
        assert!(input.is_at_rest());
    }
}

/// The last message could still be taken after receiving had gone on to a Ping whose Pong did not fit.
fn no_message_is_taken_after_a_blocked_reply<R: Role>(role: fn() -> R) {
    let mut ws = Connection::new(role(), &Limits::default());
    let (mut input, mut out) = (ReadBuffer::new(), SliceOutput::new(&mut []));
    let bytes = [from_peer::<R>(FIN | BIN, b"message"), from_peer::<R>(PING, b"")].concat();
    input.extend(&bytes).unwrap();
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
    let blocked = ws.receive(&mut input, &mut out).map(|event| event.is_some());
    assert!(matches!(blocked, Err(ReceiveError::Blocked(Blocked::OutputFull(_)))));
    assert_eq!(input.take_binary(), None);
}

both_roles!(
    no_message_is_taken_after_a_blocked_reply,
    no_message_is_put_together_of_two,
    owed_pong_goes_out_before_the_answer_to_a_whole_message,
    read_bytes_survive_a_blocked_reply,
    failure_of_a_message_comes_again,
    a_long_message_takes_few_reads,
    pongs_that_are_drained_do_not_count,
    the_last_chunk_and_the_close_are_one,
    pongs_are_not_lost_around_a_frame_in_chunks,
    no_failure_is_visible_an_event_early,
    a_ping_after_our_close_is_answered,
    a_peer_that_never_reads_stops_nobody,
);
