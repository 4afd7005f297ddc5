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
use sockless::buffer::{Output, OutputFull, SharedBytes, SliceOutput, WriteBuffer};
use sockless::connection::{Client, Connection, Payload, PreparedMessage, Role, Sender, Tx};
use sockless::error::{Blocked, Failure, ReceiveError, SendError, Violation};
use sockless::frame::{CloseCode, Mask, MessageKind};
use sockless::limits::Limits;

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

type Command<R> = (&'static str, fn(Tx<'_, R, dyn Output + '_>) -> Result<(), SendError>);

/// Everything that a sender can write, in an order in which all of it is allowed.
fn commands<R: Role>() -> Vec<Command<R>> {
    vec![
        ("text", |mut tx| tx.text("Hello €")),
        ("empty text", |mut tx| tx.text("")),
        ("binary of 130", |mut tx| tx.binary(&[5; 130])),
        ("send", |mut tx| tx.send(&b"sent"[..])),
        ("ping", |mut tx| tx.ping(b"ping")),
        ("first part", |mut tx| tx.part("one", false)),
        ("pong inside a message", |mut tx| tx.pong(&[1; 125])),
        ("begin inside a message", |mut tx| {
            tx.begin_frame(MessageKind::Text, 6, false)
        }),
        ("chunk", |mut tx| tx.chunk("ab")),
        ("chunk", |mut tx| tx.chunk("c")),
        ("last chunk", |mut tx| tx.chunk("def")),
        ("last part", |mut tx| tx.part("two", true)),
        ("begin with a 16-bit length", |mut tx| {
            tx.begin_frame(MessageKind::Binary, 200, true)
        }),
        ("all of it", |mut tx| tx.chunk(&[9; 200])),
        ("begin of nothing", |mut tx| {
            tx.begin_frame(MessageKind::Binary, 0, true)
        }),
        ("close", |mut tx| tx.close(CloseCode(4000), "enough")),
    ]
}

/// Every command into a slice of every size: what a vector gets, or nothing at all and the number of bytes needed.
fn commands_into_slices<R: Role>(role: fn() -> R) {
    let mut unlimited = Vec::new();
    let mut sizes = Vec::new();
    let mut sender = Sender::new(role());
    for (name, command) in commands::<R>() {
        let before = unlimited.len();
        command(sender.tx(&mut unlimited as &mut dyn Output)).unwrap_or_else(|error| panic!("{name}: {error}"));
        sizes.push(unlimited.len() - before);
    }
    let longest = *sizes.iter().max().unwrap();
    for memory_len in 0..=longest + 10 {
        let mut memory = vec![0xee; memory_len];
        let mut sent = Vec::new();
        let mut sender = Sender::new(role());
        for ((name, command), &size) in commands::<R>().into_iter().zip(&sizes) {
            let mut out = SliceOutput::new(&mut memory);
            if memory_len < size {
                for _ in 0..2 {
                    let full = OutputFull { needed: size };
                    assert_eq!(
                        command(sender.tx(&mut out as &mut dyn Output)),
                        Err(SendError::OutputFull(full)),
                        "{name}"
                    );
                    assert_eq!(
                        (out.as_bytes(), Output::len(&out)),
                        (&b""[..], 0),
                        "{name}: half-written"
                    );
                }
                command(sender.tx(&mut sent as &mut dyn Output)).unwrap();
            } else {
                command(sender.tx(&mut out as &mut dyn Output)).unwrap();
                sent.extend_from_slice(out.as_bytes());
            }
        }
        assert!(sent == unlimited, "slices of {memory_len} bytes");
    }
}

/// Many commands into one slice that is drained when it is full: the same bytes as into a vector.
fn commands_into_a_drained_slice<R: Role>(role: fn() -> R) {
    let mut unlimited = Vec::new();
    let mut sender = Sender::new(role());
    for (_, command) in commands::<R>() {
        command(sender.tx(&mut unlimited as &mut dyn Output)).unwrap();
    }
    let mut drains = Vec::new();
    for memory_len in 208..=unlimited.len() {
        let mut memory = vec![0xee; memory_len];
        let mut out = SliceOutput::new(&mut memory);
        let mut sent = Vec::new();
        let mut sender = Sender::new(role());
        for (name, command) in commands::<R>() {
            let before = out.as_bytes().to_vec();
            match command(sender.tx(&mut out as &mut dyn Output)) {
                Ok(()) => {}
                Err(SendError::OutputFull(OutputFull { needed })) => {
                    assert_eq!(out.as_bytes(), before);
                    assert!(before.len() + needed > memory_len, "{name} did fit");
                    sent.extend_from_slice(out.as_bytes());
                    out.consume(out.len());
                    command(sender.tx(&mut out as &mut dyn Output)).unwrap();
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
                        match ws.receive_chunk(&mut input, &mut out) {
                            Ok(None) => break,
                            Ok(Some((event, _))) => push(&mut seen, event.into()),
                            Err(ReceiveError::Blocked(Blocked::OutputFull(OutputFull { needed }))) => {
                                assert!(out.as_bytes().len() + needed > memory_len, "did fit");
                                assert!(!out.as_bytes().is_empty(), "it fits alone");
                                sent.extend_from_slice(out.as_bytes());
                                out.consume(out.len());
                            }
                            Err(ReceiveError::Failed(failure)) => {
                                error = Some(failure);
                                break;
                            }
                            Err(error) => panic!("{error}"),
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
                        match end.ws.receive_chunk(&mut input, &mut out) {
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

/// The same bytes through the trait, with its default masking, as a trait object too; long enough for several blocks.
fn own_output<R: Role>(role: fn() -> R) {
    let long: Vec<u8> = (0..5000).map(|i| (i * 11) as u8).collect();
    let mut vector = Vec::new();
    let mut strict = Strict::default();
    let (mut sender, mut sender_strict) = (Sender::new(role()), Sender::new(role()));
    for (_, command) in &commands::<R>()[..15] {
        command(sender.tx(&mut vector as &mut dyn Output)).unwrap();
        command(sender_strict.tx(&mut strict as &mut dyn Output)).unwrap();
    }
    for len in [1000, 1023, 1024, 1025, 2047, 2048, 2049, 5000] {
        sender.tx(&mut vector).binary(&long[..len]).unwrap();
        sender_strict.tx(&mut strict).binary(&long[..len]).unwrap();
    }
    assert_eq!((strict.reserved, strict.frames), (0, 23));
    assert!(strict.bytes == vector);

    // Chunks of a masked frame, cut at places that are no multiple of four.
    let (mut sender, mut vector, mut strict) = (Sender::new(role()), Vec::new(), Strict::default());
    sender
        .tx(&mut strict)
        .begin_frame(MessageKind::Binary, 5000, true)
        .unwrap();
    for part in [&long[..1], &long[1..1030], &long[1030..1037], &long[1037..]] {
        sender.tx(&mut strict).chunk(part).unwrap();
    }
    Sender::new(role()).tx(&mut vector).binary(&long).unwrap();
    assert!(strict.bytes == vector && strict.reserved == 0);

    // Replies.
    let bytes = session::<R>(&from_peer::<R>(CLOSE, b""));
    let unlimited = run(role(), &Limits::default(), false, &bytes, &[]);
    let (mut ws, mut strict) = (Connection::new(role(), &Limits::default()), Strict::default());
    let mut copy = bytes.clone();
    let mut input = &mut copy[..];
    while ws.receive_chunk(&mut input, &mut strict).unwrap().is_some() {}
    assert!(strict.bytes == unlimited.output && strict.reserved == 0);
}

/// Every length of a short frame, and each form of a header: the same bytes with room to spare, with exactly enough room
/// and with none, behind what is there.
fn vectors_with_and_without_room<R: Role>(role: fn() -> R) {
    let payload: Vec<u8> = (0..70_000).map(|i| (i * 7 + 1) as u8).collect();
    for len in (0..300).chain([65_535, 65_536, 70_000]) {
        let mut strict = Strict::default();
        Sender::new(role()).tx(&mut strict).binary(&payload[..len]).unwrap();
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
            let capacity = out.capacity();
            Sender::new(role()).tx(&mut out).binary(&payload[..len]).unwrap();
            assert!(out == expected, "{len} bytes, room for {room}");
            // Law L7: what room was reserved for is put without asking for more.
            assert!(room < strict.bytes.len() || out.capacity() == capacity, "{len} bytes");
        }
    }
}

/// A reference to an output is one too: the same bytes, the same refusal, payloads kept by reference where it keeps them.
fn a_reference_to_an_output<R: Role>(role: fn() -> R) {
    let mut twice: [Vec<u8>; 2] = Default::default();
    let [direct, through] = &mut twice;
    let (mut sender, mut sender_through) = (Sender::new(role()), Sender::new(role()));
    for (_, command) in commands::<R>() {
        command(sender.tx(direct as &mut dyn Output)).unwrap();
        command(sender_through.tx(&mut &mut *through as &mut dyn Output)).unwrap();
    }
    assert_eq!(direct, through);
    assert_eq!(Output::len(&&mut *through), direct.len());

    let mut none = SliceOutput::new(&mut []);
    assert!(Sender::new(role()).tx(&mut &mut none).text("x").is_err());
    assert_eq!(Output::reserve(&mut &mut none, 1), Err(OutputFull { needed: 1 }));

    let mut put: [Vec<u8>; 2] = Default::default();
    let [direct, through] = &mut put;
    direct.put_masked(b"masked", &mut Mask::new(KEY));
    (&mut &mut *through as &mut dyn Output).put_masked(b"masked", &mut Mask::new(KEY));
    assert_eq!(direct, through);

    let bytes: std::sync::Arc<[u8]> = vec![7; 5000].into();
    let mut out = WriteBuffer::new();
    let mut sender = Sender::new(role());
    sender
        .tx(&mut &mut out)
        .shared(MessageKind::Binary, &SharedBytes::new(bytes.clone()))
        .unwrap();
    assert_eq!(
        out.slices().last().map(<[u8]>::as_ptr) == Some(bytes.as_ptr()),
        !R::IS_CLIENT
    );
    assert_eq!(
        out.slices().collect::<Vec<_>>().concat(),
        from_us::<R>(FIN | BIN, &bytes)
    );
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
    let mut sender = Sender::new(counting());
    let mut out = Vec::new();
    let mut none = SliceOutput::new(&mut []);
    assert!(sender.tx(&mut none).text("x").is_err());
    assert!(sender.tx(&mut none).ping(b"").is_err());
    assert!(sender.tx(&mut out).ping(&[0; 126]).is_err());
    assert!(sender.tx(&mut none).part("x", false).is_err());
    assert!(sender.tx(&mut none).begin_frame(MessageKind::Text, 9, true).is_err());
    assert!(
        sender
            .tx(&mut out)
            .begin_frame(MessageKind::Text, 1 << 63, true)
            .is_err()
    );
    assert!(in_place(&mut sender, MessageKind::Text, &mut [0xff], true).is_err());
    assert!(sender.tx(&mut out).close(CloseCode(1005), "reason").is_err());
    assert!(sender.tx(&mut out).close(CloseCode(1006), "").is_err());
    assert!(sender.tx(&mut none).close(None, "").is_err());
    assert_eq!(out, b"");
    sender.tx(&mut out).text("first").unwrap();
    assert_eq!(out, frame(FIN | TEXT, Some([1, 7, 11, 13]), b"first"));

    // Nor does a reply that does not fit.
    let mut ws = Connection::new(counting(), &Limits::default());
    let mut ping = frame(PING, None, b"p");
    assert!(ws.receive_chunk(&mut &mut ping[..], &mut none).is_err());
    let mut out = Vec::new();
    assert!(ws.receive_chunk(&mut &mut [][..], &mut out).unwrap().is_some());
    assert_eq!(out, frame(PONG, Some([1, 7, 11, 13]), b"p"));
}

/// A message that is encoded once is what each sender would have written, to any output.
fn prepared_for_many<R: Role>(role: fn() -> R) {
    for len in [0, 5, 125, 126, 1023, 1024, 65535, 65536] {
        let data = vec![b'x'; len];
        let text = String::from_utf8(data.clone()).unwrap();
        for payload in [Payload::Text(&text), Payload::Binary(&data)] {
            let news = PreparedMessage::new(payload).unwrap();
            let mut sender = Sender::new(role());
            let mut sent = Vec::new();
            sender.tx(&mut sent).ready().unwrap();
            sender.tx(&mut sent).send(payload).unwrap();
            for _ in 0..2 {
                let (mut vector, mut strict, mut buffer) = (Vec::new(), Strict::default(), WriteBuffer::new());
                Sender::new(role()).tx(&mut vector).prepared(&news).unwrap();
                Sender::new(role()).tx(&mut strict).prepared(&news).unwrap();
                Sender::new(role()).tx(&mut buffer).prepared(&news).unwrap();
                assert!(vector == sent && strict.bytes == sent && strict.reserved == 0);
                assert!(buffer.slices().collect::<Vec<_>>().concat() == sent);
            }
            let mut memory = vec![0; sent.len() - 1];
            let mut short = SliceOutput::new(&mut memory);
            let full = SendError::OutputFull(OutputFull { needed: sent.len() });
            assert_eq!(sender.tx(&mut short).prepared(&news), Err(full));
            assert_eq!(short.as_bytes(), b"");
        }
    }
}

/// When a whole message can be sent, and that nothing else is then written in its place.
fn ready<R: Role>(role: fn() -> R) {
    let mut out = Vec::new();
    let mut sender = Sender::new(role());
    let (news, shared) = (PreparedMessage::new("x").unwrap(), SharedBytes::new("x"));
    let check = |tx: Tx<'_, R, Vec<u8>>, expected: Result<(), SendError>| {
        let mut tx = tx;
        assert_eq!(tx.ready(), expected);
        if expected.is_err() {
            let refused = [tx.prepared(&news), tx.shared(MessageKind::Text, &shared), tx.text("x")];
            assert_eq!(refused, [expected; 3]);
        }
    };
    check(sender.tx(&mut out), Ok(()));
    sender.tx(&mut out).part("a", false).unwrap();
    check(sender.tx(&mut out), Err(SendError::MessageInProgress));
    sender.tx(&mut out).begin_frame(MessageKind::Text, 1, true).unwrap();
    check(sender.tx(&mut out), Err(SendError::FrameInProgress));
    sender.tx(&mut out).chunk("b").unwrap();
    check(sender.tx(&mut out), Ok(()));
    sender.tx(&mut out).close(None, "").unwrap();
    check(sender.tx(&mut out), Err(SendError::Closed));
    let expected = [
        from_us::<R>(TEXT, b"a"),
        from_us::<R>(FIN | CONT, b"b"),
        from_us::<R>(CLOSE, b""),
    ];
    assert_eq!(out, expected.concat());
}

/// Header and payload apart are the frame that `text` and `binary` write.
fn header_and_payload_apart<R: Role>(role: fn() -> R) {
    for len in (0..20).chain([125, 126, 65535, 65536]) {
        let payload: Vec<u8> = (0..len).map(|i| (i % 128) as u8).collect();
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let mut whole = Vec::new();
            match kind {
                MessageKind::Text => Sender::new(role())
                    .tx(&mut whole)
                    .text(std::str::from_utf8(&payload).unwrap()),
                MessageKind::Binary => Sender::new(role()).tx(&mut whole).binary(&payload),
            }
            .unwrap();
            let mut masked = payload.clone();
            let header = in_place(&mut Sender::new(role()), kind, &mut masked, true).unwrap();
            assert!([header, masked].concat() == whole, "{kind:?} {len}");
        }
    }
    // Fragments in place: opcode first, continuations after.
    let mut sender = Sender::new(role());
    let mut sent = Vec::new();
    for (part, fin) in [(&b"one"[..], false), (b"two", false), (b"three", true), (b"next", true)] {
        let mut part = part.to_vec();
        let header = in_place(&mut sender, MessageKind::Text, &mut part, fin).unwrap();
        sent.extend(header);
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
            let mut sender = Sender::new(role());
            let mut out = Vec::new();
            sender
                .tx(&mut out)
                .begin_frame(MessageKind::Binary, payload.len() as u64, true)
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
                assert_eq!(sender.tx(&mut out).chunk(part), expected);
                sent += part.len();
            }
            assert_eq!(out, expected);
            sender.tx(&mut out).text("next").unwrap();
        }
    }
}

/// Every reason to refuse a send, and that a refused one changes nothing.
fn every_send_error<R: Role>(role: fn() -> R) {
    let mut sender = Sender::new(role());
    let mut out = Vec::new();
    let o = &mut out;
    assert_eq!(sender.tx(o).chunk("x"), Err(SendError::NoFrame));
    let full = OutputFull {
        needed: from_us::<R>(FIN | TEXT, b"x").len(),
    };
    assert_eq!(
        sender.tx(&mut SliceOutput::new(&mut [])).text("x"),
        Err(SendError::OutputFull(full))
    );
    assert_eq!(sender.tx(o).ping(&[0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(sender.tx(o).pong(&[0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(
        sender.tx(o).begin_frame(MessageKind::Binary, u64::MAX, true),
        Err(SendError::FrameTooLong)
    );
    assert_eq!(sender.tx(o).close(CloseCode(999), ""), Err(SendError::InvalidCloseCode));
    assert_eq!(sender.tx(o).close(None, "x"), Err(SendError::ReasonWithoutCode));
    assert_eq!(
        sender.tx(o).close(CloseCode(3000), &"x".repeat(124)),
        Err(SendError::ControlTooLong)
    );
    let not_utf8 = in_place(&mut sender, MessageKind::Text, &mut [0x80], true);
    assert_eq!(not_utf8, Err(SendError::TextNotUtf8));
    let not_utf8 = SharedBytes::new([0x80]);
    assert_eq!(
        sender.tx(o).shared(MessageKind::Text, &not_utf8),
        Err(SendError::TextNotUtf8)
    );
    for (kind, fin) in [(MessageKind::Text, true), (MessageKind::Binary, false)] {
        let not_agreed = sender.tx(o).compressed_part(kind, b"x", fin);
        assert_eq!(not_agreed, Err(SendError::NotNegotiated));
    }
    assert_eq!(o, b"");

    sender.tx(o).part("a", false).unwrap();
    assert_eq!(sender.tx(o).chunk("x"), Err(SendError::NoFrame));
    assert_eq!(sender.tx(o).text("x"), Err(SendError::MessageInProgress));
    assert_eq!(sender.tx(o).send("x"), Err(SendError::MessageInProgress));
    assert_eq!(sender.tx(o).binary(b"x"), Err(SendError::MessageInProgress));
    assert_eq!(sender.tx(o).part(b"x", true), Err(SendError::WrongKind));
    assert_eq!(
        sender.tx(o).begin_frame(MessageKind::Binary, 1, true),
        Err(SendError::WrongKind)
    );

    sender.tx(o).begin_frame(MessageKind::Text, 2, true).unwrap();
    let before = o.clone();
    assert_eq!(sender.tx(o).chunk(b"x"), Err(SendError::WrongKind));
    assert_eq!(sender.tx(o).chunk("xyz"), Err(SendError::ChunkTooLong));
    let mut untouched = *b"x";
    let mut tx = sender.tx(o);
    let refused = [
        tx.text("x"),
        tx.binary(b"x"),
        tx.part("x", true),
        tx.begin_frame(MessageKind::Text, 1, true),
        tx.in_place(MessageKind::Text, &mut untouched, true),
        tx.ping(b""),
        tx.pong(b""),
        tx.close(None, ""),
    ];
    assert_eq!(refused, [Err(SendError::FrameInProgress); 8]);
    assert_eq!((&*o, &untouched), (&before, b"x"));
    sender.tx(o).chunk("bc").unwrap();
    sender.tx(o).close(None, "").unwrap();
    assert_eq!(sender.tx(o).text("x"), Err(SendError::Closed));
    let expected = [
        from_us::<R>(TEXT, b"a"),
        from_us::<R>(FIN | CONT, b"bc"),
        from_us::<R>(CLOSE, b""),
    ];
    assert_eq!(out, expected.concat());
}

/// A fixed output that a transport drains in parts.
#[test]
fn a_slice_is_drained_in_parts() {
    let mut memory = [0; 8];
    let mut out = SliceOutput::new(&mut memory);
    let mut sender = Sender::new(server());
    sender.tx(&mut out).text("abcd").unwrap();
    assert_eq!(out.len(), 6);
    assert!(sender.tx(&mut out).text("efg").is_err());
    out.consume(4);
    assert_eq!(out.as_bytes(), b"cd");
    sender.tx(&mut out).text("efg").unwrap();
    assert_eq!(out.as_bytes(), b"cd\x81\x03efg");
    out.consume(100);
    assert_eq!((out.as_bytes(), out.len()), (&b""[..], 0));
}

both_roles!(
    commands_into_slices,
    commands_into_a_drained_slice,
    replies_into_slices,
    replies_into_slices_that_are_too_small,
    own_output,
    a_reference_to_an_output,
    vectors_with_and_without_room,
    prepared_for_many,
    ready,
    header_and_payload_apart,
    chunks_equal_whole,
    every_send_error,
);
