//! Where a message ends, and what may stand there: the decided answers.

use crate::common::{Got, Random, masked, pair, plain_server, receive, receive_chunks};
use sockless::buffer::ReadBuffer;
use sockless::connection::{Connection, Server};
use sockless::deflate::{DeflateConnection, DeflateOptions, Engines};
use sockless::error::{Failure, LimitExceeded};
use sockless::frame::{CloseCode, Violation};
use sockless::limits::Limits;
use sockless::message::Event;

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// The same with BFINAL.
const LAST_HELLO: [u8; 7] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// What a server makes of one text message with this payload, the same at both levels and in any cut.
fn verdict(payload: &[u8]) -> Result<String, Failure> {
    let bytes = masked(0xc1, payload);
    let mut engines = Engines::new();
    let whole = receive(&mut plain_server(), &bytes, bytes.len(), &mut engines);
    for cut in [1, 2, 3, bytes.len()] {
        assert_eq!(receive(&mut plain_server(), &bytes, cut, &mut engines), whole);
        let (got, _, failure) = receive_chunks(&mut plain_server(), &bytes, cut, &mut engines);
        // Where text and data are both wrong, the streaming level meets the text first.
        if failure != Some(Violation::TextNotUtf8.into()) {
            assert_eq!((got, failure), whole);
        }
        assert_eq!(failure.is_some(), whole.1.is_some());
    }
    match whole {
        (mut got, None) => match got.pop() {
            Some(Got::Text(text)) => Ok(text),
            other => panic!("{other:?}"),
        },
        (got, Some(failure)) => {
            assert_eq!(got, []);
            Err(failure)
        }
    }
}

fn cut() -> Failure {
    Violation::DeflateCut.into()
}

#[test]
fn a_message_that_ends_inside_a_block_is_refused() {
    assert_eq!(
        Failure::from(Violation::DeflateCut).close_code(),
        CloseCode::INVALID_PAYLOAD
    );
    // Compressed, stored, fixed; every cut of each.
    let mut random = Random(3);
    let text = random.text(1500);
    let (mut ws, _) = pair(&DeflateOptions::new());
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    ws.tx(&mut out, &mut engines).text(&text).unwrap();
    let compressed = crate::common::frames(&out).pop().unwrap().1;
    let stored = [&[0, 5, 0, 0xfa, 0xff][..], b"Hello", &[0]].concat();
    // The first byte of the stored block alone is an empty message.
    for (whole, also) in [(&compressed[..], None), (&stored, Some(1)), (&HELLO, None)] {
        let mut accepted = Vec::new();
        for end in 0..=whole.len() {
            match verdict(&whole[..end]) {
                Ok(_) => accepted.push(end),
                Err(failure) => {
                    let expected = [cut(), Violation::NotDeflate.into(), Violation::TextNotUtf8.into()];
                    assert!(expected.contains(&failure), "{failure} at {end}");
                }
            }
        }
        let expected: Vec<usize> = also.into_iter().chain([whole.len()]).collect();
        assert_eq!(accepted, expected);
    }
}

#[test]
fn an_empty_payload_is_no_message() {
    assert_eq!(verdict(&[]), Err(cut()));
    assert_eq!(verdict(&[0]), Ok(String::new()));
}

#[test]
fn a_last_block_may_stand_anywhere() {
    // With the empty block behind it (section 7.2.3.4), without, and before more.
    assert_eq!(verdict(&[&LAST_HELLO[..], &[0]].concat()).as_deref(), Ok("Hello"));
    assert_eq!(verdict(&LAST_HELLO).as_deref(), Ok("Hello"));
    assert_eq!(verdict(&[LAST_HELLO, HELLO].concat()).as_deref(), Ok("HelloHello"));
    // The empty block at the end has BFINAL itself.
    assert_eq!(
        verdict(&[&HELLO[..], &[0, 0, 0xff, 0xff, 1]].concat()).as_deref(),
        Ok("Hello")
    );
}

/// The window survives the end of a stream: the back reference of section 7.2.3.2 behind a block with BFINAL.
#[test]
fn the_window_survives_a_last_block() {
    let back = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(verdict(&[&LAST_HELLO[..], &back].concat()).as_deref(), Ok("HelloHello"));
    let bytes = [masked(0xc1, &LAST_HELLO), masked(0xc1, &back)].concat();
    let (got, failure) = receive(&mut plain_server(), &bytes, 3, &mut Engines::new());
    assert_eq!(got, [Got::Text("Hello".into()), Got::Text("Hello".into())]);
    assert_eq!(failure, None);
}

/// A stream that starts inside a message refers to the messages before it, at both levels.
#[test]
fn a_stream_inside_a_message_has_the_window_of_those_before() {
    let again = [&[0x03, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]].concat();
    let bytes = [masked(0xc1, &HELLO), masked(0xc1, &again)].concat();
    let expected = vec![Got::Text("Hello".into()), Got::Text("Hello".into())];
    for cut in [1, 4, 100] {
        let mut engines = Engines::new();
        let whole = receive(&mut plain_server(), &bytes, cut, &mut engines);
        assert_eq!(whole, (expected.clone(), None));
        let streamed = receive_chunks(&mut plain_server(), &bytes, cut, &mut engines);
        assert_eq!(streamed, (expected.clone(), None, None));
    }
}

#[test]
fn garbage_after_the_end_is_refused() {
    for garbage in [&b"\xff"[..], b"\xff\xff", b"\x06", b"garbage"] {
        assert!(verdict(&[&LAST_HELLO[..], garbage].concat()).is_err(), "{garbage:?}");
        assert!(verdict(&[&HELLO[..], garbage].concat()).is_err(), "{garbage:?}");
    }
}

/// Text that ends inside a character is refused at the end of its message.
#[test]
fn a_text_that_ends_inside_a_character() {
    for end in [&b"\xe2\x82"[..], b"\xf0\x9f\x99", b"\xc3"] {
        let text = [b"Hello", end].concat();
        let len = text.len() as u8;
        let stored = [&[0, len, 0, !len, 0xff][..], &text, &[0]].concat();
        assert_eq!(verdict(&stored), Err(Violation::TextNotUtf8.into()));
    }
}

/// A message that fails before anything of it was good has no chunk.
#[test]
fn a_failure_is_not_behind_an_empty_chunk() {
    for (first, payload, failure) in [
        (0xc1, &b"\x06"[..], Violation::NotDeflate),
        (0xc2, b"\x06", Violation::NotDeflate),
        (0xc2, b"", Violation::DeflateCut),
        // The first byte of the text is bad.
        (0xc1, b"\x00\x01\x00\xfe\xff\xff\x00", Violation::TextNotUtf8),
    ] {
        let bytes = masked(first, payload);
        let got = receive_chunks(&mut plain_server(), &bytes, bytes.len(), &mut Engines::new());
        assert_eq!(got, (vec![], None, Some(failure.into())));
    }
}

/// Payload that makes nothing, or very much, is taken all the same.
#[test]
fn long_payloads_are_taken_whole() {
    const EMPTY: [u8; 5] = [0, 0, 0, 0xff, 0xff];
    let nothing = [&EMPTY.repeat(3000)[..], &[0]].concat();
    assert_eq!(verdict(&nothing).as_deref(), Ok(""));
    // More than zlib-rs is given at a time.
    let stored = [&[0, 0x60, 0xea, 0x9f, 0x15][..], &[b'x'; 60_000]].concat();
    let long = [&stored.repeat(40)[..], &[0]].concat();
    let bytes = masked(0xc1, &long);
    let expected = vec![Got::Text("x".repeat(40 * 60_000))];
    let whole = receive(&mut plain_server(), &bytes, bytes.len(), &mut Engines::new());
    assert_eq!(whole, (expected.clone(), None));
    let streamed = receive_chunks(&mut plain_server(), &bytes, bytes.len(), &mut Engines::new());
    assert_eq!(streamed, (expected, None, None));
}

/// A block with one match of three bytes, in the fixed code, and the empty block behind it.
fn a_match(distance: usize) -> Vec<u8> {
    let (mut bits, mut count) = (0_u64, 0);
    let mut put = |value: usize, len: usize| {
        bits |= (value as u64) << count;
        count += len;
    };
    // Words of the code come with their first bit first.
    let word = |value: usize, len: usize| (0..len).fold(0, |word, at| word << 1 | (value >> at & 1));
    put(0, 1);
    put(1, 2);
    put(word(1, 7), 7); // length 3
    let (mut symbol, mut base, mut extra) = (0, 1, 0);
    while distance >= base + (1 << extra) {
        base += 1 << extra;
        symbol += 1;
        extra = (symbol / 2_usize).saturating_sub(1);
    }
    put(word(symbol, 5), 5);
    put(distance - base, extra);
    put(0, 7);
    put(0, 3);
    bits.to_le_bytes()[..count.div_ceil(8)].to_vec()
}

/// Stored bytes, with or without BFINAL.
fn stored(last: bool, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16;
    [&[u8::from(last)][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data].concat()
}

/// A stream that starts inside a message may refer to what lies in the agreed window before it, in this message or in those
/// before, and to nothing beyond: at both levels alike.
#[test]
fn a_stream_inside_a_message_refers_no_further_than_the_window() {
    use crate::common::{agree, server};
    use sockless::limits::Limits;
    const WINDOW: usize = 512;
    let options = DeflateOptions::new().with_receive_window_bits(9);
    let (servers, _) = agree(&options, &DeflateOptions::new());
    let mut random = Random(18);
    // Of these the window keeps the last, from its middle on and from its start.
    let before: Vec<Vec<u8>> = [300, 300, 200].map(|len| random.bytes(len)).to_vec();
    for len in [0, 1, 100, 500, 511, 512, 513, 700] {
        let own = random.bytes(len);
        for distance in [1, 3, 100, 300, 511, 512, 513, 520, 700] {
            let mut bytes = Vec::new();
            for message in &before {
                bytes.extend(masked(0xc2, &[&stored(false, message)[..], &[0]].concat()));
            }
            bytes.extend(masked(0xc2, &[stored(true, &own), a_match(distance)].concat()));
            let mut expected: Vec<Got> = before.iter().cloned().map(Got::Binary).collect();
            let mut failure = Some(Violation::NotDeflate.into());
            if distance <= WINDOW {
                let mut all = [before.concat(), own.clone()].concat();
                for _ in 0..3 {
                    all.push(all[all.len() - distance]);
                }
                expected.push(Got::Binary(all[before.concat().len()..].to_vec()));
                failure = None;
            }
            let limits = Limits::default();
            let whole = receive(&mut server(&servers, &limits), &bytes, 1000, &mut Engines::new());
            assert_eq!(whole, (expected.clone(), failure), "{distance} behind {len}");
            let (got, _, failed) = receive_chunks(&mut server(&servers, &limits), &bytes, 1000, &mut Engines::new());
            assert_eq!((got, failed), (expected, failure), "{distance} behind {len}");
        }
    }
}

/// A DEFLATE stream of two bytes costs as much as hundreds of others: 128 of them, and one more for each 1 KiB.
#[test]
fn streams_are_budgeted() {
    let empty = [0x03, 0x00];
    let streams = |count: usize| empty.repeat(count);
    assert_eq!(verdict(&streams(129)).as_deref(), Ok(""));
    assert_eq!(verdict(&streams(130)), Err(LimitExceeded::TooManyStreams.into()));
    assert_eq!(
        Failure::from(LimitExceeded::TooManyStreams).close_code(),
        CloseCode::POLICY_VIOLATION
    );
    // A sender that ends a stream with each KiB may go on for ever.
    let mut random = Random(9);
    let mut stored = Vec::new();
    for _ in 0..400 {
        let text = random.text(1100);
        stored.push(1);
        stored.extend((text.len() as u16).to_le_bytes());
        stored.extend((!(text.len() as u16)).to_le_bytes());
        stored.extend(text.as_bytes());
    }
    assert!(verdict(&stored).is_ok());
}

/// What is declared may be an eighth and 1 KiB longer than the limit on what it becomes; more is refused from the header.
#[test]
fn the_limit_on_the_wire_is_judged_from_the_header() {
    use crate::common::{agree, server};
    use sockless::limits::Limits;
    let limits = Limits::default().with_max_message_len(8000).with_max_frame_len(8000);
    let (servers, _) = agree(&DeflateOptions::new(), &DeflateOptions::new());
    let verdict = |first: u8, len: u16| {
        let mut header = vec![first, 0x80 | 126];
        header.extend(len.to_be_bytes());
        header.extend([0; 4]);
        let failure = receive(&mut server(&servers, &limits), &header, 1, &mut Engines::new()).1;
        let streamed = receive_chunks(&mut server(&servers, &limits), &header, 1, &mut Engines::new()).2;
        assert_eq!(failure, streamed);
        failure
    };
    assert_eq!(verdict(0xc2, 8000 + 1000 + 1024), None);
    assert_eq!(
        verdict(0xc2, 8000 + 1000 + 1025),
        Some(LimitExceeded::MessageTooLong.into())
    );
    assert_eq!(verdict(0x82, 8000), None);
    assert_eq!(verdict(0x82, 8001), Some(LimitExceeded::MessageTooLong.into()));
    // Nor is it taken where all of it is there at once.
    let empty = [&[0, 0, 0, 0xff, 0xff][..]; 2500].concat();
    let whole = |len: usize| {
        let bytes = crate::common::masked(0xc2, &empty[..len]);
        receive(
            &mut server(&servers, &limits),
            &bytes,
            bytes.len(),
            &mut Engines::new().with_max_streams(1),
        )
        .1
    };
    assert_eq!(whole(10_025), Some(LimitExceeded::MessageTooLong.into()));
    assert_ne!(whole(10_020), Some(LimitExceeded::MessageTooLong.into()));
}

/// A message that the message level has begun is not taken over in its middle.
#[test]
fn a_message_is_finished_at_the_level_where_it_began() {
    use sockless::buffer::ReadBuffer;
    use sockless::error::{Blocked, ReceiveError};
    use sockless::message::Event;
    let mut ws = plain_server();
    let (mut input, mut out, mut engines) = (ReadBuffer::new(), Vec::new(), Engines::new());
    input.extend(&masked(0x41, &HELLO[..3])).unwrap();
    assert!(ws.receive(&mut input, &mut out, &mut engines).unwrap().is_none());
    let rest = masked(0x80, &HELLO[3..]);
    let (header, payload) = rest.split_at(6);
    let mut header = header.to_vec();
    let mut slice = &mut header[..];
    let blocked = ReceiveError::Blocked(Blocked::MessageInProgress);
    // The header alone tells nothing; the payload is left in the input.
    assert!(ws.receive_chunk(&mut slice, &mut out, &mut engines).unwrap().is_none());
    let mut copy = payload.to_vec();
    let mut slice = &mut copy[..];
    assert_eq!(
        ws.receive_chunk(&mut slice, &mut out, &mut engines).unwrap_err(),
        blocked
    );
    assert_eq!(slice.len(), payload.len());
    input.extend(payload).unwrap();
    match ws.receive(&mut input, &mut out, &mut engines).unwrap() {
        Some((Event::Text(text), _)) => assert_eq!(text, "Hello"),
        other => panic!("{other:?}"),
    };
}

/// A header that the streaming level has begun is finished by the message level, which then has the whole message.
#[test]
fn a_header_may_be_begun_at_the_other_level() {
    use sockless::buffer::ReadBuffer;
    let bytes = masked(0xc1, &HELLO);
    for cut in 0..=6 {
        let mut ws = plain_server();
        let (mut input, mut out, mut engines) = (ReadBuffer::new(), Vec::new(), Engines::new());
        let mut begun = bytes[..cut].to_vec();
        let mut slice = &mut begun[..];
        assert!(ws.receive_chunk(&mut slice, &mut out, &mut engines).unwrap().is_none());
        input.extend(&bytes[cut..]).unwrap();
        match ws.receive(&mut input, &mut out, &mut engines).unwrap() {
            Some((sockless::Event::Text(text), _)) => assert_eq!(text, "Hello"),
            other => panic!("{cut}: {other:?}"),
        };
    }
}

/// The fragments of a compressed message lie in the buffer that they were read into: another one does not have them.
#[test]
fn fragments_stay_in_their_buffer() {
    use sockless::buffer::ReadBuffer;
    use sockless::error::{Blocked, ReceiveError};
    let mut ws = plain_server();
    let (mut first, mut second) = (ReadBuffer::new(), ReadBuffer::new());
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    first.extend(&masked(0x41, &HELLO[..3])).unwrap();
    assert!(ws.receive(&mut first, &mut out, &mut engines).unwrap().is_none());
    second.extend(&masked(0x80, &HELLO[3..])).unwrap();
    for _ in 0..2 {
        let error = ws.receive(&mut second, &mut out, &mut engines).unwrap_err();
        assert_eq!(error, ReceiveError::Blocked(Blocked::MessageInProgress));
    }
}

/// A plain message of which the chunk level has taken so much as the header is not handed out whole, whether compression was
/// agreed to or not: the next one is.
#[test]
fn what_was_begun_chunk_by_chunk_is_not_handed_out_whole() {
    let without = DeflateConnection::new(Connection::new(Server, &Limits::default()), None);
    for mut ws in [without, plain_server()] {
        let (mut out, mut input, mut engines) = (Vec::new(), ReadBuffer::new(), Engines::new());
        let mut bytes = [masked(0x81, b"begun"), masked(0x81, b"next")].concat();
        let (mut header, rest) = bytes.split_at_mut(6);
        assert!(ws.receive_chunk(&mut header, &mut out, &mut engines).unwrap().is_none());
        assert!(header.is_empty());
        input.extend(rest).unwrap();
        let (event, _) = ws.receive(&mut input, &mut out, &mut engines).unwrap().unwrap();
        assert!(matches!(event, Event::Text("next")), "{event:?}");
    }
}
