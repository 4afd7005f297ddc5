//! RFC 6455 section 5, data framing: what a machine can check of it, both roles, received and sent.
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
use sockless::connection::{Client, Connection, Role, Sender};
use sockless::error::{Failure, SendError, Violation};
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;
use sockless::message::Event;

const OPCODES: [u8; 6] = [CONT, TEXT, BIN, 0x8, 0x9, 0xa];

fn lifted() -> Limits {
    Limits::default()
        .with_max_frame_len(u64::MAX)
        .with_max_message_len(u64::MAX)
}

/// A connection inside a message of this kind, or between two.
fn within<R: Role>(role: R, kind: Option<MessageKind>) -> End<R> {
    let mut end = End::with_limits(role, &lifted());
    match kind {
        Some(MessageKind::Text) => _ = end.frame(TEXT, b"begin"),
        Some(MessageKind::Binary) => _ = end.frame(BIN, b"begin"),
        None => {}
    }
    assert_eq!(end.error, None);
    end.take_seen();
    end
}

const STATES: [Option<MessageKind>; 3] = [None, Some(MessageKind::Text), Some(MessageKind::Binary)];

/// Feeds bytes one by one, and says after which one the failure came.
fn feed_until_failure<R: Role>(end: &mut End<R>, bytes: &[u8]) -> Option<(usize, Failure)> {
    for (index, byte) in bytes.iter().enumerate() {
        end.feed(std::slice::from_ref(byte));
        if let Some(failure) = end.failure() {
            return Some((index, failure));
        }
    }
    None
}

// Section 5.1.

/// "a client MUST mask all frames that it sends", "A server MUST NOT mask any frames that it sends to the client".
fn mask_direction_is_enforced<R: Role>(role: fn() -> R) {
    let wrong = if R::IS_CLIENT { Some(PEER_KEY) } else { None };
    let violation = if R::IS_CLIENT {
        Violation::MaskedFrame
    } else {
        Violation::UnmaskedFrame
    };
    for opcode in OPCODES {
        let state = (opcode == CONT).then_some(MessageKind::Binary);
        for len in [0_usize, 2, 125, 126, 65536] {
            if opcode & 8 != 0 && len > 125 {
                continue;
            }
            let payload = if opcode == 8 {
                close_body(1000, &"x".repeat(len.saturating_sub(2)))
            } else {
                vec![b'x'; len]
            };
            let bytes = frame(FIN | opcode, wrong, &payload);
            let mut end = within(role(), state);
            assert_eq!(
                feed_until_failure(&mut end, &bytes),
                Some((1, violation.into())),
                "{opcode:#x} {len}"
            );
            assert_eq!((end.seen.as_slice(), end.out), (&[][..], close_from_us::<R>(1002)));
        }
    }
}

/// Everything that an end can send has the mask bit of its role.
fn mask_direction_of_what_is_sent<R: Role>(role: fn() -> R) {
    let mut sender = Sender::new(role());
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut out = Vec::new();
    sender.tx(&mut out).text("text").unwrap();
    frames.push(std::mem::take(&mut out));
    sender.tx(&mut out).binary(b"binary").unwrap();
    frames.push(std::mem::take(&mut out));
    sender.tx(&mut out).part("part", false).unwrap();
    frames.push(std::mem::take(&mut out));
    sender.tx(&mut out).ping(b"ping").unwrap();
    frames.push(std::mem::take(&mut out));
    sender.tx(&mut out).pong(b"pong").unwrap();
    frames.push(std::mem::take(&mut out));
    sender.tx(&mut out).begin_frame(MessageKind::Text, 4, false).unwrap();
    sender.tx(&mut out).chunk("chun").unwrap();
    frames.push(std::mem::take(&mut out));
    let mut place = *b"place";
    let header = in_place(&mut sender, MessageKind::Text, &mut place, true).unwrap();
    frames.push([header, place.to_vec()].concat());
    sender.tx(&mut out).close(CloseCode::NORMAL, "bye").unwrap();
    frames.push(out);
    let expected = [
        (FIN | TEXT, &b"text"[..]),
        (FIN | BIN, b"binary"),
        (TEXT, b"part"),
        (PING, b"ping"),
        (PONG, b"pong"),
        (CONT, b"chun"),
        (FIN | CONT, b"place"),
        (CLOSE, b"\x03\xe8bye"),
    ];
    for (sent, (first, payload)) in frames.iter().zip(expected) {
        assert_eq!(sent, &from_us::<R>(first, payload));
        assert_eq!(sent[1] & 0x80 != 0, R::IS_CLIENT);
    }
    assert_eq!(frames.len(), expected.len());
}

// Section 5.2.

/// What the first byte alone means in a state: the full table, written from the RFC.
fn judge_first_byte(byte: u8, state: Option<MessageKind>) -> Result<(), Violation> {
    let fin = byte & 0x80 != 0;
    match (byte & 0xf, state) {
        (3..=7 | 0xb..=0xf, _) => return Err(Violation::ReservedOpcode),
        (8..=0xa, _) if !fin => return Err(Violation::FragmentedControl),
        _ => {}
    }
    if byte & 0x70 != 0 {
        return Err(Violation::ReservedBits);
    }
    match (byte & 0xf, state) {
        (0, None) => Err(Violation::UnexpectedContinuation),
        (1 | 2, Some(_)) => Err(Violation::ExpectedContinuation),
        _ => Ok(()),
    }
}

/// All 256 first bytes in every state: reserved bits, reserved opcodes, FIN of control frames, and section 5.4's order
/// of fragments; refused from that one byte.
fn first_byte<R: Role>(role: fn() -> R) {
    for state in STATES {
        for byte in 0..=255_u8 {
            let mut end = within(role(), state);
            end.feed(&[byte]);
            let expected = judge_first_byte(byte, state);
            assert_eq!(
                end.failure(),
                expected.err().map(Failure::from),
                "{byte:#04x} in {state:?}"
            );
            let close = if expected.is_err() {
                close_from_us::<R>(1002)
            } else {
                Vec::new()
            };
            assert_eq!(end.out, close, "{byte:#04x} in {state:?}");
            assert_eq!(end.seen, []);
        }
    }
}

/// All 256 second bytes for every opcode: mask bit, length of control frames, a Close body of one byte.
fn second_byte<R: Role>(role: fn() -> R) {
    for opcode in OPCODES {
        let state = (opcode == CONT).then_some(MessageKind::Text);
        for byte in 0..=255_u8 {
            let mut end = within(role(), state);
            let len = byte & 0x7f;
            let masked = byte & 0x80 != 0;
            let expected = if opcode >= 8 && len > 125 {
                Some(Violation::ControlTooLong)
            } else if masked && R::IS_CLIENT {
                Some(Violation::MaskedFrame)
            } else if !masked && !R::IS_CLIENT {
                Some(Violation::UnmaskedFrame)
            } else if opcode == 8 && len == 1 {
                Some(Violation::CloseBodyOneByte)
            } else {
                None
            };
            let at = feed_until_failure(&mut end, &[FIN | opcode, byte]);
            assert_eq!(
                at,
                expected.map(|violation| (1, violation.into())),
                "{opcode:#x} {byte:#04x}"
            );
        }
    }
}

/// A header whose length takes the given form, and no payload.
fn head_in_form<R: Role>(first: u8, form: usize, len: u64) -> Vec<u8> {
    let bit = if R::IS_CLIENT { 0 } else { 0x80 };
    let mut bytes = vec![first];
    match form {
        16 => {
            bytes.push(bit | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        64 => {
            bytes.push(bit | 127);
            bytes.extend(len.to_be_bytes());
        }
        _ => unreachable!(),
    }
    bytes.extend(peer_key::<R>().into_iter().flatten());
    bytes
}

/// "the minimal number of bytes MUST be used to encode the length".
fn lengths_must_be_minimal<R: Role>(role: fn() -> R) {
    for len in (0..=300).chain(65500..=65535) {
        let mut end = within(role(), None);
        let bytes = head_in_form::<R>(FIN | BIN, 16, len);
        let expected = (len < 126).then_some((3, Violation::LengthNotMinimal.into()));
        assert_eq!(feed_until_failure(&mut end, &bytes), expected, "16 bits: {len}");
    }
    let small = (0..=300).chain(65500..=65600);
    let powers = (16..63).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    for len in small.chain(powers).chain([u64::MAX >> 1]) {
        let mut end = within(role(), None);
        let bytes = head_in_form::<R>(FIN | BIN, 64, len);
        // The sixth zero says it, whatever the last two bytes are.
        let expected = (len < 65536).then_some((7, Violation::LengthNotMinimal.into()));
        assert_eq!(feed_until_failure(&mut end, &bytes), expected, "64 bits: {len}");
        let mut end = within(role(), None);
        end.feed(&bytes);
        assert_eq!(
            end.failure(),
            expected.map(|(_, failure)| failure),
            "64 bits, whole: {len}"
        );
    }
}

/// "the most significant bit MUST be 0".
fn top_bit_of_the_length<R: Role>(role: fn() -> R) {
    for high in 0x80..=0xff_u64 {
        let mut end = within(role(), None);
        let bytes = head_in_form::<R>(FIN | BIN, 64, high << 56 | 5);
        assert_eq!(
            feed_until_failure(&mut end, &bytes),
            Some((2, Violation::LengthTopBit.into()))
        );
        assert_eq!(end.out, close_from_us::<R>(1002));
    }
}

/// Every length around the changes of form goes out in the shortest form, by every way to send.
fn sent_lengths_are_minimal<R: Role>(role: fn() -> R) {
    for len in (0..=130).chain(250..=260).chain(65530..=65540) {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let expected = from_us::<R>(FIN | BIN, &payload);
        let mut out = Vec::new();
        Sender::new(role()).tx(&mut out).binary(&payload).unwrap();
        assert!(out == expected, "binary: {len}");
        out.clear();
        Sender::new(role()).tx(&mut out).part(&payload, true).unwrap();
        assert!(out == expected, "part: {len}");
        out.clear();
        let mut sender = Sender::new(role());
        sender
            .tx(&mut out)
            .begin_frame(MessageKind::Binary, len as u64, true)
            .unwrap();
        if len > 0 {
            sender.tx(&mut out).chunk(&payload).unwrap();
        }
        assert!(out == expected, "chunk: {len}");
        let mut masked = payload.clone();
        let header = in_place(&mut Sender::new(role()), MessageKind::Binary, &mut masked, true).unwrap();
        assert!([header, masked].concat() == expected, "in place: {len}");
    }
}

/// Long lengths that no memory holds: only the header goes out.
fn sent_long_headers<R: Role>(role: fn() -> R) {
    for len in [65535, 65536, u64::from(u32::MAX), 1 << 32, 1 << 62, u64::MAX >> 1] {
        let mut out = Vec::new();
        Sender::new(role())
            .tx(&mut out)
            .begin_frame(MessageKind::Text, len, true)
            .unwrap();
        assert_eq!(out, head(FIN | TEXT, own_key::<R>(), len));
    }
    for len in [1 << 63, u64::MAX] {
        let mut out = Vec::new();
        let mut sender = Sender::new(role());
        assert_eq!(
            sender.tx(&mut out).begin_frame(MessageKind::Text, len, true),
            Err(SendError::FrameTooLong)
        );
        assert_eq!(out, b"");
        sender.tx(&mut out).text("still fine").unwrap();
    }
}

/// Every length class is received, at each length around the changes of form.
fn received_lengths<R: Role>(role: fn() -> R) {
    for len in (0..=130).chain(250..=260).chain(65530..=65540) {
        let payload: Vec<u8> = (0..len).map(|i| (i * 3) as u8).collect();
        let mut end = End::new(role());
        end.frame(FIN | BIN, &payload);
        assert_eq!(
            (end.failure(), end.take_seen()),
            (None, vec![Seen::binary(&payload)]),
            "{len}"
        );
    }
}

// Section 5.3.

/// "The masking key needs to be unpredictable": each frame takes a fresh one from the source, and only a client does.
#[test]
fn each_frame_has_a_fresh_key() {
    let mut next = 0_u8;
    let mut sender = Sender::new(Client::new(move |key: &mut [u8]| {
        for byte in key {
            next += 1;
            *byte = next;
        }
    }));
    let mut out = Vec::new();
    sender.tx(&mut out).text("one").unwrap();
    sender.tx(&mut out).ping(b"two").unwrap();
    sender.tx(&mut out).part(&b"three"[..], false).unwrap();
    sender.tx(&mut out).begin_frame(MessageKind::Binary, 4, true).unwrap();
    sender.tx(&mut out).chunk(&b"fo"[..]).unwrap();
    sender.tx(&mut out).chunk(&b"ur"[..]).unwrap();
    let mut five = *b"five";
    let header = in_place(&mut sender, MessageKind::Binary, &mut five, true).unwrap();
    out.extend(header);
    out.extend(five);
    sender.tx(&mut out).close(None, "").unwrap();
    let expected = [
        frame(FIN | TEXT, Some([1, 2, 3, 4]), b"one"),
        frame(PING, Some([5, 6, 7, 8]), b"two"),
        frame(BIN, Some([9, 10, 11, 12]), b"three"),
        frame(FIN | CONT, Some([13, 14, 15, 16]), b"four"),
        frame(FIN | BIN, Some([17, 18, 19, 20]), b"five"),
        frame(CLOSE, Some([21, 22, 23, 24]), b""),
    ];
    assert_eq!(out, expected.concat());
}

/// Any key, any length, any cut: the octet at i is xored with the octet of the key at i modulo 4.
#[test]
fn unmasking_at_every_length_and_cut() {
    let mut numbers = Numbers(53);
    for len in 0..=70 {
        let key = std::array::from_fn(|_| numbers.next() as u8);
        let payload = numbers.bytes(len);
        let bytes = frame(FIN | BIN, Some(key), &payload);
        for cut in 0..=bytes.len() {
            let mut end = End::new(server());
            end.feed(&bytes[..cut]);
            end.feed(&bytes[cut..]);
            assert_eq!(
                (end.failure(), end.take_seen()),
                (None, vec![Seen::binary(&payload)]),
                "{len} {cut}"
            );
        }
    }
}

/// Long frames and fragments with Pings between them, of any length, in reads of any length.
#[test]
fn unmasking_of_long_frames_from_a_read_buffer() {
    let mut numbers = Numbers(54);
    let mut below = |most: usize| numbers.next() as usize % most;
    for round in 0..300 {
        let mut ws = Connection::new(server(), &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (count, longest) = (1 + below(5), [100, 2000, 30_000][below(3)]);
            let mut message = Vec::new();
            for number in 0..count {
                let payload: Vec<u8> = (0..below(longest))
                    .map(|at| (at * 31 + at / 256 + number) as u8)
                    .collect();
                let first = if number == 0 { BIN } else { CONT } | if number + 1 == count { FIN } else { 0 };
                bytes.extend(frame(first, Some(std::array::from_fn(|_| below(256) as u8)), &payload));
                message.extend(payload);
                if below(3) == 0 {
                    bytes.extend(frame(PING, Some([1, 2, 3, 4]), b"ping"));
                }
            }
            expected.push(message);
        }
        let (mut rest, mut messages) = (&bytes[..], Vec::new());
        let longest = [10, 1500, 20_000, 70_000][round % 4];
        while !rest.is_empty() {
            let len = (1 + below(longest)).min(rest.len());
            rest = &rest[read(&mut input, &rest[..len])..];
            while let Some((event, _)) = ws.receive(&mut input, &mut out).unwrap() {
                match event {
                    Event::Binary(data) => messages.push(data.to_vec()),
                    other => assert_eq!(other, Event::Ping(b"ping")),
                }
            }
        }
        assert!(messages == expected, "round {round}");
    }
}

// Section 5.4.

/// Fragments of one message, with every control frame between them: parts arrive in order, control frames at once.
fn fragments_with_control_frames_between<R: Role>(role: fn() -> R) {
    for (opcode, kind) in [(TEXT, MessageKind::Text), (BIN, MessageKind::Binary)] {
        let mut end = End::new(role());
        end.frame(opcode, b"one ")
            .frame(PING, b"p1")
            .frame(CONT, b"")
            .frame(PONG, b"q")
            .frame(CONT, b"two ");
        end.frame(PING, b"")
            .frame(FIN | CONT, b"three")
            .frame(FIN | opcode, b"next");
        let expected = [
            Seen::frame(kind, b"one ", true, false),
            Seen::Ping(b"p1".to_vec()),
            Seen::frame(kind, b"", false, false),
            Seen::Pong(b"q".to_vec()),
            Seen::frame(kind, b"two ", false, false),
            Seen::Ping(Vec::new()),
            Seen::frame(kind, b"three", false, true),
            Seen::frame(kind, b"next", true, true),
        ];
        assert_eq!((end.failure(), end.take_seen()), (None, expected.to_vec()));
        assert_eq!(end.out, [from_us::<R>(PONG, b"p1"), from_us::<R>(PONG, b"")].concat());
    }
}

/// A Close may stand between the fragments of a message, which is then never finished.
fn close_between_fragments<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.frame(TEXT, b"begin")
        .frame(CLOSE, &close_body(1001, "bye"))
        .frame(FIN | CONT, b"end");
    assert_eq!(end.failure(), None);
    assert_eq!(end.seen.len(), 2);
    assert_eq!(end.seen[1], Seen::close(1001, "bye"));
    assert_eq!(end.record(), Record::closed_by_peer(1001, "bye"));
    assert_eq!(end.out, from_us::<R>(CLOSE, &close_body(1001, "bye")));
}

/// Empty frames are fragments and messages like others.
fn empty_frames<R: Role>(role: fn() -> R) {
    for (opcode, kind) in [(TEXT, MessageKind::Text), (BIN, MessageKind::Binary)] {
        let mut end = End::new(role());
        end.frame(FIN | opcode, b"")
            .frame(opcode, b"")
            .frame(CONT, b"")
            .frame(FIN | CONT, b"");
        let expected = [
            Seen::frame(kind, b"", true, true),
            Seen::frame(kind, b"", true, false),
            Seen::frame(kind, b"", false, false),
            Seen::frame(kind, b"", false, true),
        ];
        assert_eq!((end.failure(), end.take_seen()), (None, expected.to_vec()));
    }
}

/// Sent in parts: the opcode on the first, continuations after it, FIN on the last, control frames between.
fn sent_in_parts<R: Role>(role: fn() -> R) {
    let mut sender = Sender::new(role());
    let mut out = Vec::new();
    sender.tx(&mut out).part("a", false).unwrap();
    sender.tx(&mut out).ping(b"p").unwrap();
    sender.tx(&mut out).part("", false).unwrap();
    sender.tx(&mut out).pong(b"q").unwrap();
    sender.tx(&mut out).part("b", true).unwrap();
    sender.tx(&mut out).part(&b"c"[..], false).unwrap();
    sender.tx(&mut out).part(&b"d"[..], true).unwrap();
    sender.tx(&mut out).part("whole", true).unwrap();
    let expected = [
        from_us::<R>(TEXT, b"a"),
        from_us::<R>(PING, b"p"),
        from_us::<R>(CONT, b""),
        from_us::<R>(PONG, b"q"),
        from_us::<R>(FIN | CONT, b"b"),
        from_us::<R>(BIN, b"c"),
        from_us::<R>(FIN | CONT, b"d"),
        from_us::<R>(FIN | TEXT, b"whole"),
    ];
    assert_eq!(out, expected.concat());
}

/// "The fragments of one message MUST NOT be interleaved between the fragments of another message": sending refuses.
fn sending_does_not_interleave_messages<R: Role>(role: fn() -> R) {
    let mut sender = Sender::new(role());
    let mut out = Vec::new();
    sender.tx(&mut out).part("a", false).unwrap();
    let before = out.clone();
    assert_eq!(sender.tx(&mut out).text("x"), Err(SendError::MessageInProgress));
    assert_eq!(sender.tx(&mut out).binary(b"x"), Err(SendError::MessageInProgress));
    assert_eq!(sender.tx(&mut out).part(&b"x"[..], true), Err(SendError::WrongKind));
    assert_eq!(
        sender.tx(&mut out).begin_frame(MessageKind::Binary, 1, true),
        Err(SendError::WrongKind)
    );
    let mut untouched = *b"x";
    assert_eq!(
        in_place(&mut sender, MessageKind::Binary, &mut untouched, true),
        Err(SendError::WrongKind)
    );
    assert_eq!(&untouched, b"x");
    assert_eq!(out, before);
    sender.tx(&mut out).part("b", true).unwrap();
    assert_eq!(out, [before, from_us::<R>(FIN | CONT, b"b")].concat());
}

// Section 5.5.

/// Control frames of every length from 0 to 125 pass; 126 and more are refused at the second byte, in either form.
fn control_frames_up_to_125_bytes<R: Role>(role: fn() -> R) {
    for first in [PING, PONG] {
        for len in 0..=125 {
            let payload: Vec<u8> = (0..len).map(|i| 255 - i as u8).collect();
            let mut end = End::new(role());
            end.frame(first, &payload);
            let expected = if first == PING {
                Seen::Ping(payload)
            } else {
                Seen::Pong(payload)
            };
            assert_eq!((end.failure(), end.take_seen()), (None, vec![expected]));
        }
    }
    for first in [PING, PONG, CLOSE] {
        for form in [16, 64] {
            for len in [0, 125, 126, 65535] {
                let mut end = End::new(role());
                let bytes = head_in_form::<R>(first, form, len);
                assert_eq!(
                    feed_until_failure(&mut end, &bytes),
                    Some((1, Violation::ControlTooLong.into()))
                );
                assert_eq!(end.out, close_from_us::<R>(1002));
            }
        }
    }
}

/// What is sent keeps to it too.
fn sent_control_frames_up_to_125_bytes<R: Role>(role: fn() -> R) {
    let mut sender = Sender::new(role());
    let payload = [7; 127];
    for len in 0..=125 {
        let mut out = Vec::new();
        sender.tx(&mut out).ping(&payload[..len]).unwrap();
        sender.tx(&mut out).pong(&payload[..len]).unwrap();
        assert_eq!(
            out,
            [from_us::<R>(PING, &payload[..len]), from_us::<R>(PONG, &payload[..len])].concat()
        );
    }
    for len in [126, 127] {
        let mut out = Vec::new();
        assert_eq!(
            sender.tx(&mut out).ping(&payload[..len]),
            Err(SendError::ControlTooLong)
        );
        assert_eq!(
            sender.tx(&mut out).pong(&payload[..len]),
            Err(SendError::ControlTooLong)
        );
        assert_eq!(out, b"");
    }
}

// Sections 5.5.2 and 5.5.3.

/// "A Pong frame sent in response to a Ping frame must have identical Application data": all lengths, in order.
fn pong_echoes_the_ping<R: Role>(role: fn() -> R) {
    for cut_in_bytes in [false, true] {
        let mut end = End::new(role());
        let mut expected = Vec::new();
        for len in 0..=125 {
            let payload: Vec<u8> = (0..len).map(|i| (i * 5 + len) as u8).collect();
            let bytes = from_peer::<R>(PING, &payload);
            if cut_in_bytes {
                assert_eq!(feed_until_failure(&mut end, &bytes), None);
            } else {
                end.feed(&bytes);
            }
            expected.extend(from_us::<R>(PONG, &payload));
        }
        assert_eq!(end.failure(), None);
        assert!(end.out == expected);
        assert_eq!(end.seen.len(), 126);
    }
}

/// "upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close
/// frame".
fn no_pong_after_a_received_close<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.frame(CLOSE, b"").frame(PING, b"late");
    assert_eq!(
        (end.failure(), end.seen.len(), end.take_out()),
        (None, 1, from_us::<R>(CLOSE, b""))
    );
}

/// A Close that was *sent* is no reason not to answer a Ping: it is data that must not follow it (section 5.5.1).
fn pong_after_a_sent_close<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.tx().close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(end.take_out(), close_from_us::<R>(1000));
    end.frame(TEXT, b"begin").frame(PING, b"ping").frame(PING, b"");
    assert_eq!(
        end.take_out(),
        [from_us::<R>(PONG, b"ping"), from_us::<R>(PONG, b"")].concat()
    );
    assert_eq!(
        end.take_seen()[1..],
        [Seen::Ping(b"ping".to_vec()), Seen::Ping(Vec::new())]
    );
    assert_eq!(end.tx().pong(b"unasked"), Err(SendError::Closed));
    end.frame(CLOSE, b"").frame(PING, b"late");
    assert_eq!((end.failure(), end.take_out()), (None, Vec::new()));

    // The halves apart.
    let mut end = Driver::over(Apart::new(role(), &Limits::default()), false);
    end.ws.sender.tx(&mut end.out).close(None, "").unwrap();
    end.take_chunks(&mut from_peer::<R>(PING, b"ping"));
    assert_eq!(
        end.out,
        [from_us::<R>(CLOSE, b""), from_us::<R>(PONG, b"ping")].concat()
    );
}

/// "A response to an unsolicited Pong frame is not expected."
fn unsolicited_pong_is_not_answered<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.frame(PONG, b"").frame(PONG, &[0xff; 125]);
    assert_eq!(end.take_seen(), [Seen::Pong(Vec::new()), Seen::Pong(vec![0xff; 125])]);
    assert_eq!((end.failure(), end.take_out()), (None, Vec::new()));
}

// Section 5.6.

/// Binary is arbitrary bytes; text is text.
fn kinds_of_data<R: Role>(role: fn() -> R) {
    let all: Vec<u8> = (0..=255).collect();
    let mut end = End::new(role());
    end.frame(FIN | BIN, &all).frame(FIN | TEXT, "κόσμε".as_bytes());
    assert_eq!(
        (end.failure(), end.take_seen()),
        (None, vec![Seen::binary(&all), Seen::text("κόσμε")])
    );
    let mut out = Vec::new();
    let mut sender = Sender::new(role());
    sender.tx(&mut out).send("text").unwrap();
    sender.tx(&mut out).send(&b"data"[..]).unwrap();
    assert_eq!(
        out,
        [from_us::<R>(FIN | TEXT, b"text"), from_us::<R>(FIN | BIN, b"data")].concat()
    );
}

both_roles!(
    mask_direction_is_enforced,
    mask_direction_of_what_is_sent,
    first_byte,
    second_byte,
    lengths_must_be_minimal,
    top_bit_of_the_length,
    sent_lengths_are_minimal,
    sent_long_headers,
    received_lengths,
    fragments_with_control_frames_between,
    close_between_fragments,
    empty_frames,
    sent_in_parts,
    sending_does_not_interleave_messages,
    control_frames_up_to_125_bytes,
    sent_control_frames_up_to_125_bytes,
    pong_echoes_the_ping,
    no_pong_after_a_received_close,
    pong_after_a_sent_close,
    unsolicited_pong_is_not_answered,
    kinds_of_data,
);
