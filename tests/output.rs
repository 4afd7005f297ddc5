//! Where the bytes go: fixed slices of every size, outputs of the caller's own, sending in chunks and in place, replies
//! that have to wait. What does not fit is never half-written, never lost, and never costs a mask key.
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
use sockless::connection::{Client, Connection, Payload, PreparedMessage, Role, Sender, Server};
use sockless::error::{Blocked, Failure, ReceiveError, SendError, Violation};
use sockless::frame::{CloseCode, Mask, MessageKind};
use sockless::limits::Limits;
use sockless::output::{Output, OutputFull, SliceOutput};

/// A source that never gives the same key twice: a key spent in vain shows in all later frames.
struct Counting(u32);

impl sockless::entropy::Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 0x0107_0b0d;
        for (to, from) in bytes.iter_mut().zip(self.0.to_be_bytes()) {
            *to = from;
        }
    }
}

fn counting() -> Client<Counting> {
    Client::new(Counting(0))
}

type Command<R> = (
    &'static str,
    fn(&mut Sender<R>, &mut dyn Output) -> Result<(), SendError>,
);

/// Everything that a sender can write, in an order in which all of it is allowed.
fn commands<R: Role>() -> Vec<Command<R>> {
    vec![
        ("text", |tx, out| tx.text("Hello €", out)),
        ("empty text", |tx, out| tx.text("", out)),
        ("binary of 130", |tx, out| tx.binary(&[5; 130], out)),
        ("send", |tx, out| tx.send(&b"sent"[..], out)),
        ("ping", |tx, out| tx.ping(b"ping", out)),
        ("first part", |tx, out| tx.part("one", false, out)),
        ("pong inside a message", |tx, out| tx.pong(&[1; 125], out)),
        ("begin inside a message", |tx, out| {
            tx.begin_frame(MessageKind::Text, 6, false, out)
        }),
        ("chunk", |tx, out| tx.chunk("ab", out)),
        ("chunk", |tx, out| tx.chunk("c", out)),
        ("last chunk", |tx, out| tx.chunk("def", out)),
        ("last part", |tx, out| tx.part("two", true, out)),
        ("begin with a 16-bit length", |tx, out| {
            tx.begin_frame(MessageKind::Binary, 200, true, out)
        }),
        ("all of it", |tx, out| tx.chunk(&[9; 200], out)),
        ("begin of nothing", |tx, out| {
            tx.begin_frame(MessageKind::Binary, 0, true, out)
        }),
        ("close", |tx, out| tx.close(CloseCode(4000), "enough", out)),
    ]
}

/// Every command into a slice of every size: what a vector gets, or nothing at all and the number of bytes needed.
fn commands_into_slices<R: Role>(role: fn() -> R) {
    let mut unlimited = Vec::new();
    let mut sizes = Vec::new();
    let mut tx = Sender::new(role());
    for (name, command) in commands::<R>() {
        let before = unlimited.len();
        command(&mut tx, &mut unlimited).unwrap_or_else(|error| panic!("{name}: {error}"));
        sizes.push(unlimited.len() - before);
    }
    let longest = *sizes.iter().max().unwrap();
    for memory_len in 0..=longest + 10 {
        let mut memory = vec![0xee; memory_len];
        let mut sent = Vec::new();
        let mut tx = Sender::new(role());
        for ((name, command), &size) in commands::<R>().into_iter().zip(&sizes) {
            let mut out = SliceOutput::new(&mut memory);
            if memory_len < size {
                for _ in 0..2 {
                    let full = OutputFull { needed: size };
                    assert_eq!(command(&mut tx, &mut out), Err(SendError::OutputFull(full)), "{name}");
                    assert_eq!(
                        (out.as_bytes(), Output::len(&out)),
                        (&b""[..], 0),
                        "{name}: half-written"
                    );
                }
                command(&mut tx, &mut sent).unwrap();
            } else {
                command(&mut tx, &mut out).unwrap();
                sent.extend_from_slice(out.as_bytes());
            }
        }
        assert!(sent == unlimited, "slices of {memory_len} bytes");
    }
}

/// Many commands into one slice that is drained when it is full: the same bytes as into a vector.
fn commands_into_a_drained_slice<R: Role>(role: fn() -> R) {
    let mut unlimited = Vec::new();
    let mut tx = Sender::new(role());
    for (_, command) in commands::<R>() {
        command(&mut tx, &mut unlimited).unwrap();
    }
    let mut drains = Vec::new();
    for memory_len in 208..=unlimited.len() {
        let mut memory = vec![0xee; memory_len];
        let mut out = SliceOutput::new(&mut memory);
        let mut sent = Vec::new();
        let mut tx = Sender::new(role());
        for (name, command) in commands::<R>() {
            let before = out.as_bytes().to_vec();
            match command(&mut tx, &mut out) {
                Ok(()) => {}
                Err(SendError::OutputFull(OutputFull { needed })) => {
                    assert_eq!(out.as_bytes(), before);
                    assert!(before.len() + needed > memory_len, "{name} did fit");
                    sent.extend_from_slice(out.as_bytes());
                    out.clear();
                    command(&mut tx, &mut out).unwrap();
                    drains.push(memory_len);
                }
                Err(error) => panic!("{name}: {error}"),
            }
        }
        sent.extend_from_slice(out.as_bytes());
        assert!(sent == unlimited, "a slice of {memory_len} bytes");
    }
    assert!(drains.len() > 10);
}

/// A session to receive, with replies of several lengths.
fn session<R: Role>(ending: &[u8]) -> Vec<u8> {
    [
        &from_peer::<R>(PING, b"")[..],
        &from_peer::<R>(TEXT, b"be"),
        &from_peer::<R>(PING, b"inside a message"),
        &from_peer::<R>(FIN | CONT, b"gin"),
        &from_peer::<R>(PING, &[3; 125]),
        &from_peer::<R>(FIN | BIN, b"data"),
        ending,
    ]
    .concat()
}

/// Receives into slices of every size, drained when the machine asks for it.
fn replies_into_slices<R: Role>(role: fn() -> R) {
    let endings = [
        Vec::new(),
        from_peer::<R>(CLOSE, &close_body(1000, "bye")),
        from_peer::<R>(CLOSE, b""),
        vec![0x83],
    ];
    for ending in endings {
        let bytes = session::<R>(&ending);
        let unlimited = run(role(), &Limits::default(), false, &bytes, &[]);
        let longest = from_us::<R>(PONG, &[3; 125]).len();
        for memory_len in longest..=unlimited.output.len() + 1 {
            for bytewise in [false, true] {
                let mut ws = Connection::new(role(), &Limits::default());
                let mut memory = vec![0xee; memory_len];
                let mut out = SliceOutput::new(&mut memory);
                let (mut seen, mut sent, mut error) = (Vec::new(), Vec::new(), None);
                let mut copy = bytes.clone();
                for mut input in copy.chunks_mut(if bytewise { 1 } else { bytes.len() }) {
                    loop {
                        match ws.receive(&mut input, &mut out) {
                            Ok(None) => break,
                            Ok(Some((event, _))) => push(&mut seen, event.seen()),
                            Err(ReceiveError::Blocked(Blocked::OutputFull(OutputFull { needed }))) => {
                                assert!(out.as_bytes().len() + needed > memory_len, "did fit");
                                assert!(!out.as_bytes().is_empty(), "it fits alone");
                                sent.extend_from_slice(out.as_bytes());
                                out.clear();
                            }
                            Err(ReceiveError::Blocked(blocked)) => panic!("{blocked}"),
                            Err(ReceiveError::Failed(failure)) => {
                                error = Some(failure);
                                break;
                            }
                        }
                    }
                }
                sent.extend_from_slice(out.as_bytes());
                assert_eq!((&seen, error), (&unlimited.seen, unlimited.error), "{memory_len}");
                assert!(sent == unlimited.output, "{memory_len}");
                assert_eq!(Record::from(ws.close_record()), unlimited.record);
            }
        }
    }
}

/// A slice that a reply can never fit: blocked with the right number, again and again, nothing written, no input lost.
fn replies_into_slices_that_are_too_small<R: Role>(role: fn() -> R) {
    let rows = [
        (from_peer::<R>(PING, b"12345"), from_us::<R>(PONG, b"12345"), None),
        (
            from_peer::<R>(CLOSE, b"\x03\xe8bye"),
            from_us::<R>(CLOSE, b"\x03\xe8bye"),
            None,
        ),
        (from_peer::<R>(CLOSE, b""), from_us::<R>(CLOSE, b""), None),
        (
            vec![0x83],
            close_from_us::<R>(1002),
            Some(Failure::from(Violation::ReservedOpcode)),
        ),
    ];
    for (bytes, reply, failure) in rows {
        for bytewise in [false, true] {
            for memory_len in 0..reply.len() {
                let mut end = End::new(role());
                let mut memory = vec![0xee; memory_len];
                let mut out = SliceOutput::new(&mut memory);
                let mut copy = bytes.clone();
                let mut left = Vec::new();
                let mut blocked = 0;
                for mut input in copy.chunks_mut(if bytewise { 1 } else { bytes.len() }) {
                    for _ in 0..2 {
                        match end.ws.receive(&mut input, &mut out) {
                            Ok(event) => assert!(event.is_none(), "handed out before its reply was written"),
                            Err(error) => {
                                let full = OutputFull { needed: reply.len() };
                                assert_eq!(error, ReceiveError::Blocked(Blocked::OutputFull(full)));
                                blocked += 1;
                            }
                        }
                    }
                    left.extend_from_slice(input);
                }
                assert_eq!((blocked, out.as_bytes()), (2, &b""[..]));
                end.feed(&left);
                assert_eq!(
                    (end.take_out(), end.error.and_then(|error| error.failure())),
                    (reply.clone(), failure)
                );
                assert_eq!(end.seen.len(), usize::from(failure.is_none()));
            }
        }
    }
}

/// An output of one's own that checks what the trait promises: reserved before, and exactly as much.
#[derive(Default)]
struct Strict {
    bytes: Vec<u8>,
    reserved: usize,
    frames: usize,
}

impl Output for Strict {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        assert_eq!(self.reserved, 0, "the last frame was not put whole");
        self.reserved = additional;
        self.frames += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.reserved = self.reserved.checked_sub(bytes.len()).expect("more than was reserved");
        self.bytes.extend_from_slice(bytes);
    }
}

/// The same bytes through the trait, with its default masking, as a trait object too; long enough for several blocks.
fn own_output<R: Role>(role: fn() -> R) {
    let long: Vec<u8> = (0..5000).map(|i| (i * 11) as u8).collect();
    let mut vector = Vec::new();
    let mut strict = Strict::default();
    let (mut tx, mut tx_strict) = (Sender::new(role()), Sender::new(role()));
    for (_, command) in &commands::<R>()[..15] {
        command(&mut tx, &mut vector).unwrap();
        command(&mut tx_strict, &mut strict).unwrap();
    }
    for len in [1000, 1023, 1024, 1025, 2047, 2048, 2049, 5000] {
        tx.binary(&long[..len], &mut vector).unwrap();
        tx_strict.binary(&long[..len], &mut strict).unwrap();
    }
    assert_eq!((strict.reserved, strict.frames), (0, 23));
    assert!(strict.bytes == vector);

    // Chunks of a masked frame, cut at places that are no multiple of four.
    let (mut tx, mut vector, mut strict) = (Sender::new(role()), Vec::new(), Strict::default());
    tx.begin_frame(MessageKind::Binary, 5000, true, &mut strict).unwrap();
    for part in [&long[..1], &long[1..1030], &long[1030..1037], &long[1037..]] {
        tx.chunk(part, &mut strict).unwrap();
    }
    Sender::new(role()).binary(&long, &mut vector).unwrap();
    assert!(strict.bytes == vector && strict.reserved == 0);

    // Replies.
    let bytes = session::<R>(&from_peer::<R>(CLOSE, b""));
    let unlimited = run(role(), &Limits::default(), false, &bytes, &[]);
    let (mut ws, mut strict) = (Connection::new(role(), &Limits::default()), Strict::default());
    let mut copy = bytes.clone();
    let mut input = &mut copy[..];
    while ws.receive(&mut input, &mut strict).unwrap().is_some() {}
    assert!(strict.bytes == unlimited.output && strict.reserved == 0);
}

/// Every length of a short frame, and each form of a header: the same bytes with room to spare, with exactly enough room
/// and with none, behind what is there.
fn vectors_with_and_without_room<R: Role>(role: fn() -> R) {
    let payload: Vec<u8> = (0..70_000).map(|i| (i * 7 + 1) as u8).collect();
    for len in (0..300).chain([65_535, 65_536, 70_000]) {
        let mut strict = Strict::default();
        Sender::new(role()).binary(&payload[..len], &mut strict).unwrap();
        let expected = [b"before", &strict.bytes[..]].concat();
        for room in [
            0,
            strict.bytes.len() - 1,
            strict.bytes.len(),
            strict.bytes.len() + 1,
            100_000,
        ] {
            let mut out = Vec::with_capacity(6 + room);
            out.extend_from_slice(b"before");
            Sender::new(role()).binary(&payload[..len], &mut out).unwrap();
            assert!(out == expected, "{len} bytes, room for {room}");
        }
    }
}

/// `put_masked` of every output at every phase and length agrees with section 5.3, byte by byte.
#[test]
fn put_masked() {
    let payload = Numbers(3).bytes(40);
    for cut in 0..=payload.len() {
        let expected = mask(KEY, &payload);
        let mut memory = [0; 40];
        let mut slice = SliceOutput::new(&mut memory);
        let (mut vector, mut strict) = (
            Vec::new(),
            Strict {
                reserved: 40,
                ..Strict::default()
            },
        );
        let outs: [&mut dyn Output; 3] = [&mut slice, &mut vector, &mut strict];
        for out in outs {
            let mut mask = Mask::new(KEY);
            out.put_masked(&payload[..cut], &mut mask);
            out.put_masked(&payload[cut..], &mut mask);
        }
        assert_eq!(
            (slice.as_bytes(), &vector, &strict.bytes),
            (&expected[..], &expected, &expected)
        );
    }
}

/// A frame that fails for any reason takes no mask key: the next frame has the key it would have had.
#[test]
fn no_key_for_a_failed_send() {
    let mut tx = Sender::new(counting());
    let mut out = Vec::new();
    let mut none = SliceOutput::new(&mut []);
    assert!(tx.text("x", &mut none).is_err());
    assert!(tx.ping(b"", &mut none).is_err());
    assert!(tx.ping(&[0; 126], &mut out).is_err());
    assert!(tx.part("x", false, &mut none).is_err());
    assert!(tx.begin_frame(MessageKind::Text, 9, true, &mut none).is_err());
    assert!(tx.begin_frame(MessageKind::Text, 1 << 63, true, &mut out).is_err());
    assert!(tx.frame_in_place(MessageKind::Text, &mut [0xff], true).is_err());
    assert!(tx.close(CloseCode(1005), "reason", &mut out).is_err());
    assert!(tx.close(CloseCode(1006), "", &mut out).is_err());
    assert!(tx.close(None, "", &mut none).is_err());
    assert_eq!(out, b"");
    tx.text("first", &mut out).unwrap();
    assert_eq!(out, frame(FIN | TEXT, Some([1, 7, 11, 13]), b"first"));

    // Nor does a reply that does not fit.
    let mut ws = Connection::new(counting(), &Limits::default());
    let mut ping = frame(PING, None, b"p");
    assert!(ws.receive(&mut &mut ping[..], &mut none).is_err());
    let mut out = Vec::new();
    assert!(ws.receive(&mut &mut [][..], &mut out).unwrap().is_some());
    assert_eq!(out, frame(PONG, Some([1, 7, 11, 13]), b"p"));
}

/// A message that is encoded once is what each sender would have written.
#[test]
fn broadcast() {
    for len in [0, 5, 125, 126, 65535, 65536] {
        let data = vec![b'x'; len];
        let text = String::from_utf8(data.clone()).unwrap();
        for payload in [Payload::Text(&text), Payload::Binary(&data)] {
            let news = PreparedMessage::new(payload);
            let mut sender = Sender::new(Server);
            let (mut sent, mut encoded) = (Vec::new(), Vec::new());
            sender.ready().unwrap();
            sender.send(payload, &mut sent).unwrap();
            news.encode(&mut encoded).unwrap();
            assert!(sent == encoded && sent == [news.header(), news.payload()].concat());
            let mut memory = vec![0; sent.len() - 1];
            let mut short = SliceOutput::new(&mut memory);
            assert_eq!(news.encode(&mut short), Err(OutputFull { needed: sent.len() }));
            assert_eq!(short.as_bytes(), b"");
        }
    }
    let mut out = Vec::new();
    let mut sender = Sender::new(Server);
    sender.part("a", false, &mut out).unwrap();
    assert_eq!(sender.ready(), Err(SendError::MessageInProgress));
    sender.begin_frame(MessageKind::Text, 1, true, &mut out).unwrap();
    assert_eq!(sender.ready(), Err(SendError::FrameInProgress));
    sender.chunk("b", &mut out).unwrap();
    assert_eq!(sender.ready(), Ok(()));
    sender.close(None, "", &mut out).unwrap();
    assert_eq!(sender.ready(), Err(SendError::Closed));
}

/// Header and payload apart are the frame that `text` and `binary` write.
fn frame_in_place<R: Role>(role: fn() -> R) {
    for len in (0..20).chain([125, 126, 65535, 65536]) {
        let payload: Vec<u8> = (0..len).map(|i| (i % 128) as u8).collect();
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let mut whole = Vec::new();
            match kind {
                MessageKind::Text => Sender::new(role()).text(std::str::from_utf8(&payload).unwrap(), &mut whole),
                MessageKind::Binary => Sender::new(role()).binary(&payload, &mut whole),
            }
            .unwrap();
            let mut in_place = payload.clone();
            let header = Sender::new(role()).frame_in_place(kind, &mut in_place, true).unwrap();
            assert!([header.as_bytes(), &in_place].concat() == whole, "{kind:?} {len}");
        }
    }
    // Fragments in place: opcode first, continuations after.
    let mut tx = Sender::new(role());
    let mut sent = Vec::new();
    for (part, fin) in [(&b"one"[..], false), (b"two", false), (b"three", true), (b"next", true)] {
        let mut part = part.to_vec();
        let header = tx.frame_in_place(MessageKind::Text, &mut part, fin).unwrap();
        sent.extend_from_slice(header.as_bytes());
        sent.extend(part);
    }
    let expected = [
        from_us::<R>(TEXT, b"one"),
        from_us::<R>(CONT, b"two"),
        from_us::<R>(FIN | CONT, b"three"),
        from_us::<R>(FIN | TEXT, b"next"),
    ];
    assert_eq!(sent, expected.concat());
}

/// A frame in chunks is the frame that goes out at once, for all two-way and three-way cuts.
fn chunks_equal_whole<R: Role>(role: fn() -> R) {
    let payload = b"0123456789abc";
    let expected = from_us::<R>(FIN | BIN, payload);
    for first in 0..=payload.len() {
        for second in first..=payload.len() {
            let mut tx = Sender::new(role());
            let mut out = Vec::new();
            tx.begin_frame(MessageKind::Binary, payload.len() as u64, true, &mut out)
                .unwrap();
            let parts = [&payload[..first], &payload[first..second], &payload[second..]];
            // Once the frame is whole there is no frame for an empty chunk to belong to.
            let mut sent = 0;
            for part in parts {
                let expected = if sent == payload.len() {
                    Err(SendError::NoFrame)
                } else {
                    Ok(())
                };
                assert_eq!(tx.chunk(part, &mut out), expected);
                sent += part.len();
            }
            assert_eq!(out, expected);
            tx.text("next", &mut out).unwrap();
        }
    }
}

/// Every reason to refuse a send, and that a refused one changes nothing.
fn every_send_error<R: Role>(role: fn() -> R) {
    let mut tx = Sender::new(role());
    let mut out = Vec::new();
    let o = &mut out;
    assert_eq!(tx.chunk("x", o), Err(SendError::NoFrame));
    let full = OutputFull {
        needed: from_us::<R>(FIN | TEXT, b"x").len(),
    };
    assert_eq!(
        tx.text("x", &mut SliceOutput::new(&mut [])),
        Err(SendError::OutputFull(full))
    );
    assert_eq!(tx.ping(&[0; 126], o), Err(SendError::ControlTooLong));
    assert_eq!(tx.pong(&[0; 126], o), Err(SendError::ControlTooLong));
    assert_eq!(
        tx.begin_frame(MessageKind::Binary, u64::MAX, true, o),
        Err(SendError::FrameTooLong)
    );
    assert_eq!(tx.close(CloseCode(999), "", o), Err(SendError::InvalidCloseCode));
    assert_eq!(tx.close(None, "x", o), Err(SendError::ReasonWithoutCode));
    assert_eq!(
        tx.close(CloseCode(3000), &"x".repeat(124), o),
        Err(SendError::ControlTooLong)
    );
    let not_utf8 = tx.frame_in_place(MessageKind::Text, &mut [0x80], true);
    assert_eq!(not_utf8, Err(SendError::TextNotUtf8));
    assert_eq!(o, b"");

    tx.part("a", false, o).unwrap();
    assert_eq!(tx.chunk("x", o), Err(SendError::NoFrame));
    assert_eq!(tx.text("x", o), Err(SendError::MessageInProgress));
    assert_eq!(tx.send("x", o), Err(SendError::MessageInProgress));
    assert_eq!(tx.binary(b"x", o), Err(SendError::MessageInProgress));
    assert_eq!(tx.part(b"x", true, o), Err(SendError::WrongKind));
    assert_eq!(
        tx.begin_frame(MessageKind::Binary, 1, true, o),
        Err(SendError::WrongKind)
    );

    tx.begin_frame(MessageKind::Text, 2, true, o).unwrap();
    let before = o.clone();
    assert_eq!(tx.chunk(b"x", o), Err(SendError::WrongKind));
    assert_eq!(tx.chunk("xyz", o), Err(SendError::ChunkTooLong));
    let mut in_place = *b"x";
    let refused = [
        tx.text("x", o),
        tx.binary(b"x", o),
        tx.part("x", true, o),
        tx.begin_frame(MessageKind::Text, 1, true, o),
        tx.frame_in_place(MessageKind::Text, &mut in_place, true).map(|_| ()),
        tx.ping(b"", o),
        tx.pong(b"", o),
        tx.close(None, "", o),
    ];
    assert_eq!(refused, [Err(SendError::FrameInProgress); 8]);
    assert_eq!((&*o, &in_place), (&before, b"x"));
    tx.chunk("bc", o).unwrap();
    tx.close(None, "", o).unwrap();
    assert_eq!(tx.text("x", o), Err(SendError::Closed));
    let expected = [
        from_us::<R>(TEXT, b"a"),
        from_us::<R>(FIN | CONT, b"bc"),
        from_us::<R>(CLOSE, b""),
    ];
    assert_eq!(out, expected.concat());
    let texts: std::collections::BTreeSet<String> = [
        SendError::OutputFull(full),
        SendError::Closed,
        SendError::MessageInProgress,
        SendError::FrameInProgress,
        SendError::NoFrame,
        SendError::WrongKind,
        SendError::ChunkTooLong,
        SendError::ControlTooLong,
        SendError::FrameTooLong,
        SendError::InvalidCloseCode,
        SendError::ReasonWithoutCode,
        SendError::TextNotUtf8,
    ]
    .map(|error| error.to_string())
    .into();
    assert_eq!(texts.len(), 12, "each says something of its own");
}

/// Pings that come while a frame is sent in chunks: the latest is answered after the last chunk, and events come at
/// once.
fn pong_after_the_last_chunk<R: Role>(role: fn() -> R) {
    for through_receive in [false, true] {
        for bytewise in [false, true] {
            let mut end = End::new(role());
            end.ws
                .sender()
                .begin_frame(MessageKind::Text, 4, false, &mut end.out)
                .unwrap();
            for payload in [&b"first"[..], b"", b"the second", b"last"] {
                let bytes = from_peer::<R>(PING, payload);
                for piece in bytes.chunks(if bytewise { 1 } else { bytes.len() }) {
                    end.feed(piece);
                }
            }
            end.frame(PONG, b"whole").frame(FIN | TEXT, b"text");
            assert_eq!((end.error, end.seen.len()), (None, 6));
            end.ws.sender().chunk("te", &mut end.out).unwrap();
            end.ws.flush_replies(&mut end.out).unwrap();
            end.feed(b"");
            assert_eq!(
                end.out,
                from_us::<R>(TEXT, b"text")[..end.out.len()],
                "nothing inside the frame"
            );
            end.ws.sender().chunk("xt", &mut end.out).unwrap();
            for _ in 0..2 {
                if through_receive {
                    end.feed(b"");
                } else {
                    end.ws.flush_replies(&mut end.out).unwrap();
                }
            }
            end.ws.sender().part("end", true, &mut end.out).unwrap();
            let expected = [
                from_us::<R>(TEXT, b"text"),
                from_us::<R>(PONG, b"last"),
                from_us::<R>(FIN | CONT, b"end"),
            ];
            assert_eq!(end.out, expected.concat());
        }
    }
}

/// A Ping that is cut while another one waits replaces it when it is whole.
fn cut_ping_while_a_pong_is_owed<R: Role>(role: fn() -> R) {
    let second = from_peer::<R>(PING, b"second");
    for cut in 0..=second.len() {
        let mut end = End::new(role());
        end.ws
            .sender()
            .begin_frame(MessageKind::Binary, 1, true, &mut end.out)
            .unwrap();
        end.frame(PING, b"first");
        end.feed(&second[..cut]);
        end.ws.sender().chunk(b"x", &mut end.out).unwrap();
        end.feed(&second[cut..]);
        assert_eq!(end.error, None);
        assert_eq!(
            end.seen,
            [Seen::Ping(b"first".to_vec()), Seen::Ping(b"second".to_vec())]
        );
        // The first one is answered too where the frame was finished before a byte of the second one's payload came.
        let mut pongs = from_us::<R>(PONG, b"second");
        if cut <= second.len() - 6 {
            pongs.splice(0..0, from_us::<R>(PONG, b"first"));
        }
        assert_eq!(end.out, [from_us::<R>(FIN | BIN, b"x"), pongs].concat(), "cut at {cut}");
    }
}

/// A Pong that is cut while one of ours is owed: blocked until the frame is finished, and nothing is lost.
fn cut_pong_while_a_pong_is_owed<R: Role>(role: fn() -> R) {
    let pong = from_peer::<R>(PONG, b"cut!");
    for cut in 0..=pong.len() {
        let mut end = End::new(role());
        end.ws
            .sender()
            .begin_frame(MessageKind::Binary, 1, true, &mut end.out)
            .unwrap();
        end.frame(PING, b"owed");
        let left = end.feed(&pong[..cut]);
        // Bytes of a cut payload have nowhere to go.
        let payload_at = pong.len() - 4;
        let blocked = cut > payload_at && cut < pong.len();
        let expected = blocked.then_some(ReceiveError::Blocked(Blocked::FrameInProgress));
        assert_eq!(
            (end.error.take(), left),
            (expected, if blocked { cut - payload_at } else { 0 }),
            "cut at {cut}"
        );
        if blocked {
            assert_eq!(end.feed(&pong[cut - left..cut]), left, "blocked as before");
            assert_eq!(end.error.take(), expected);
        }
        end.ws.sender().chunk(b"x", &mut end.out).unwrap();
        end.feed(&pong[cut - left..]);
        assert_eq!(
            (end.error, &end.seen[..]),
            (None, &[Seen::Ping(b"owed".to_vec()), Seen::Pong(b"cut!".to_vec())][..])
        );
        assert_eq!(
            end.out,
            [from_us::<R>(FIN | BIN, b"x"), from_us::<R>(PONG, b"owed")].concat(),
            "cut at {cut}"
        );
    }
}

/// A Close that is owed goes out with the last chunk, and the pong that was owed does not. The last chunk and the Close
/// fit together or not at all, and no more room is asked for than they take.
fn close_with_the_last_chunk<R: Role>(role: fn() -> R) {
    let rows = [
        (from_peer::<R>(CLOSE, b"\x0b\xb8reason"), close_from_us::<R>(3000)),
        (from_peer::<R>(CLOSE, b""), from_us::<R>(CLOSE, b"")),
        (vec![0xff], close_from_us::<R>(1002)),
        (from_peer::<R>(FIN | TEXT, b"\xff"), close_from_us::<R>(1007)),
    ];
    for (bytes, close) in rows {
        let mut end = End::new(role());
        end.ws
            .sender()
            .begin_frame(MessageKind::Text, 4, true, &mut end.out)
            .unwrap();
        end.frame(PING, b"owed");
        end.feed(&bytes);
        end.ws.sender().chunk("te", &mut end.out).unwrap();
        let needed = 2 + close.len();
        for memory_len in 0..needed {
            let mut memory = vec![0; memory_len];
            let mut out = SliceOutput::new(&mut memory);
            let full = SendError::OutputFull(OutputFull { needed });
            assert_eq!(end.ws.sender().chunk("xt", &mut out), Err(full), "{close:x?}");
            assert_eq!(out.as_bytes(), b"");
        }
        let mut memory = vec![0; needed];
        let mut out = SliceOutput::new(&mut memory);
        end.ws.sender().chunk("xt", &mut out).unwrap();
        let sent = [&end.take_out()[..], out.as_bytes()].concat();
        assert_eq!(sent, [from_us::<R>(FIN | TEXT, b"text"), close].concat());
        end.ws.flush_replies(&mut end.out).unwrap();
        end.feed(b"");
        assert_eq!(end.take_out(), b"");
    }
}

/// An owed Close waits through a chunk that is not the last.
fn close_waits_for_the_last_chunk<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.ws
        .sender()
        .begin_frame(MessageKind::Text, 3, false, &mut end.out)
        .unwrap();
    end.frame(CLOSE, b"\x03\xe8");
    let mut memory = [0; 1];
    for text in ["a", "b"] {
        let mut out = SliceOutput::new(&mut memory);
        end.ws.sender().chunk(text, &mut out).unwrap();
        end.out.extend_from_slice(out.as_bytes());
    }
    end.ws.sender().chunk("c", &mut end.out).unwrap();
    // The message is abandoned: its last fragment will not come.
    assert_eq!(end.out, [from_us::<R>(TEXT, b"abc"), close_from_us::<R>(1000)].concat());
    assert_eq!(end.ws.sender().part("d", true, &mut end.out), Err(SendError::Closed));
}

/// The connection cannot be taken apart in the middle of a frame or with a Pong owed, and comes back whole.
fn split_waits_for_the_frame<R: Role>(role: fn() -> R) {
    let mut ws = Connection::new(role(), &Limits::default());
    let mut out = Vec::new();
    ws.sender().begin_frame(MessageKind::Text, 1, true, &mut out).unwrap();
    let mut ping = from_peer::<R>(PING, b"p");
    assert!(ws.receive(&mut &mut ping[..], &mut out).unwrap().is_some());
    let mut ws = ws.split().err().unwrap();
    ws.sender().chunk("x", &mut out).unwrap();
    let mut ws = ws.split().err().unwrap();
    ws.flush_replies(&mut out).unwrap();
    assert_eq!(out, [from_us::<R>(FIN | TEXT, b"x"), from_us::<R>(PONG, b"p")].concat());
    let (_, mut sender) = ws.split().unwrap();
    sender.text("y", &mut out).unwrap();
}

both_roles!(
    commands_into_slices,
    commands_into_a_drained_slice,
    replies_into_slices,
    replies_into_slices_that_are_too_small,
    own_output,
    vectors_with_and_without_room,
    frame_in_place,
    chunks_equal_whole,
    every_send_error,
    pong_after_the_last_chunk,
    cut_ping_while_a_pong_is_owed,
    cut_pong_while_a_pong_is_owed,
    close_with_the_last_chunk,
    close_waits_for_the_last_chunk,
    split_waits_for_the_frame,
);
