//! RFC 6455 section 8.1: text that is not UTF-8 is refused at the very byte that makes it so, in text messages and in
//! the reasons of Close frames. The oracle is the standard library's validator over every prefix.
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
use sockless::connection::{ChunkEvent, Connection, Role, Sender};
use sockless::error::{SendError, Violation};
use sockless::frame::MessageKind;
use sockless::limits::Limits;

/// Sequences that no UTF-8 has, or has only the start of.
const BAD: &[&[u8]] = &[
    // Continuation bytes without a lead, and leads without continuation.
    b"\x80",
    b"\xbf",
    b"\x80\xbf",
    b"\x80\xbf\x80",
    b"\xc3(",
    b"\xe2(\xa1",
    b"\xe2\x82(",
    b"\xf0(\x8c\xbc",
    b"\xf0\x90(\xbc",
    b"\xf0\x9f\x98(",
    b"\xc3\xc3\xa9",
    b"\xe2\x82\xe2\x82\xac",
    b"\xf0\x9f\x98\xf0\x9f\x98\x80",
    // Bytes that stand nowhere.
    b"\xc0",
    b"\xc1",
    b"\xf5",
    b"\xf6",
    b"\xf7",
    b"\xf8",
    b"\xf9",
    b"\xfa",
    b"\xfb",
    b"\xfc",
    b"\xfd",
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    // Overlong forms.
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    // Surrogates.
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xaf\xbf",
    b"\xed\xb0\x80",
    b"\xed\xbe\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xbf\xbf",
    // Beyond U+10FFFF.
    b"\xf4\x90\x80\x80",
    b"\xf4\xbf\xbf\xbf",
    b"\xf5\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    // Cut characters: bad where the message ends.
    b"\xc3",
    b"\xe2",
    b"\xe2\x82",
    b"\xf0",
    b"\xf0\x9f",
    b"\xf0\x9f\x98",
    b"\xed\x9f",
    b"\xf4\x8f\xbf",
];

/// What may stand before and after.
const AROUND: [(&str, &str); 4] = [("", ""), ("κόσμε", ""), ("", "tail é"), ("0123456789abcdef😀", "more")];

/// How many bytes there are up to and with the one that no following byte can mend; `None` where the text is only cut.
fn bad_after(bytes: &[u8]) -> Option<usize> {
    (1..=bytes.len()).find(|&len| {
        let checked = std::str::from_utf8(&bytes[..len]);
        checked.is_err_and(|error| error.error_len().is_some())
    })
}

/// The characters that are whole before something bad.
fn whole_part(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes,
        Err(error) => &bytes[..error.valid_up_to()],
    }
}

/// Feeds a message in the given frames, whole and byte by byte, and checks where it is refused.
fn check_message<R: Role>(role: fn() -> R, text: &[u8], fragments: &[&[u8]]) {
    let mut bytes = Vec::new();
    // Where each byte of the text lies in the stream.
    let mut places = Vec::new();
    for (index, fragment) in fragments.iter().enumerate() {
        let fin = if index + 1 == fragments.len() { FIN } else { 0 };
        let opcode = if index == 0 { TEXT } else { CONT };
        let frame = from_peer::<R>(fin | opcode, fragment);
        let payload_at = bytes.len() + frame.len() - fragment.len();
        places.extend(payload_at..payload_at + fragment.len());
        bytes.extend(frame);
    }
    let at = match bad_after(text) {
        Some(len) => places[len - 1],
        // Cut by the end of the message: the last byte of the stream says so.
        None => bytes.len() - 1,
    };
    let mut end = End::new(role());
    end.feed(&bytes[..at]);
    assert_eq!(end.failure(), None, "{text:x?} in {fragments:x?}");
    end.feed(&bytes[at..=at]);
    assert_eq!(
        end.failure(),
        Some(Violation::TextNotUtf8.into()),
        "{text:x?} in {fragments:x?}"
    );
    assert_eq!(end.take_out(), close_from_us::<R>(1007));
    let delivered: Vec<u8> = end
        .seen
        .iter()
        .flat_map(|seen| match seen {
            Seen::Data {
                kind: MessageKind::Text,
                data,
                message_end: false,
                ..
            } => data.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(delivered, whole_part(text), "what is good is delivered");
    let whole = run(role(), &Limits::default(), false, &bytes, &[]);
    assert_eq!((&whole.seen, whole.error), (&end.seen, end.failure()));
    assert_eq!(
        run(role(), &Limits::default(), false, &bytes, &byte_by_byte(&bytes)),
        whole
    );
    let messages = run_messages(role(), &Limits::default(), false, &bytes, &[]);
    assert_eq!(
        (messages.seen, messages.error, messages.output),
        (Vec::new(), whole.error, whole.output)
    );
}

/// Every bad sequence, in one frame, in two at every place, and in frames of one byte with empty ones between.
fn bad_text<R: Role>(role: fn() -> R) {
    for bad in BAD {
        for (before, after) in AROUND {
            let text = [before.as_bytes(), bad, after.as_bytes()].concat();
            check_message(role, &text, &[&text]);
            for cut in 0..=text.len() {
                // An empty last frame cannot carry the byte that ends the message.
                if cut < text.len() || bad_after(&text).is_some() {
                    check_message(role, &text, &[&text[..cut], &text[cut..]]);
                }
            }
            let mut fragments: Vec<&[u8]> = text.chunks(1).flat_map(|byte| [&b""[..], byte]).collect();
            fragments.push(b"");
            if bad_after(&text).is_some() {
                check_message(role, &text, &fragments);
            }
        }
    }
}

/// A character cut by the end of a message whose last frame is empty: refused once that frame's header is there.
fn text_cut_before_an_empty_last_frame<R: Role>(role: fn() -> R) {
    for cut in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"ok \xf0"] {
        let mut end = End::new(role());
        end.frame(TEXT, cut).frame(CONT, b"");
        assert_eq!(end.failure(), None);
        end.frame(FIN | CONT, b"");
        assert_eq!(
            (end.failure(), end.take_out()),
            (Some(Violation::TextNotUtf8.into()), close_from_us::<R>(1007))
        );
    }
}

/// A bad byte far into a long frame, of which the rest never comes: the error does not wait for it.
fn refused_in_the_middle_of_a_frame<R: Role>(role: fn() -> R) {
    let good = Numbers(81).text(3000);
    for bad in [&b"\xff"[..], b"\xed\xa0", b"\xc0", b"\xf4\x90"] {
        let mut bytes = head(FIN | TEXT, peer_key::<R>(), 10_000_000);
        let payload = [good.as_bytes(), bad].concat();
        bytes.extend(match peer_key::<R>() {
            Some(key) => mask(key, &payload),
            None => payload,
        });
        let mut end = End::new(role());
        end.feed(&bytes);
        assert_eq!(end.failure(), Some(Violation::TextNotUtf8.into()));
        assert_eq!(end.out, close_from_us::<R>(1007));
    }
}

/// A Ping between two halves of a character changes nothing, good or bad.
fn control_frames_inside_a_character<R: Role>(role: fn() -> R) {
    for (second, good) in [(&b"\x82\xac"[..], true), (b"\x82", false), (b"\x28", false)] {
        let mut end = End::new(role());
        end.frame(TEXT, b"\xe2")
            .frame(PING, b"\xff\xfe")
            .frame(FIN | CONT, second);
        let failure = (!good).then_some(Violation::TextNotUtf8.into());
        assert_eq!(end.failure(), failure);
        if good {
            let text = [Seen::text("€")];
            assert_eq!(whole_messages(&end.seen)[1..], text);
        }
    }
}

/// Every character that there is, in one message of 4 MiB, in several cuts and fragments.
fn every_character<R: Role>(role: fn() -> R) {
    let text: String = ('\0'..=char::MAX).collect();
    let mut bytes = Vec::new();
    let fragments = text.as_bytes().chunks(500_009);
    let count = fragments.len();
    for (index, fragment) in fragments.enumerate() {
        let fin = if index + 1 == count { FIN } else { 0 };
        bytes.extend(from_peer::<R>(fin | if index == 0 { TEXT } else { CONT }, fragment));
    }
    for piece in [usize::MAX, 4099] {
        let cuts: Vec<usize> = (1..)
            .map_while(|i| piece.checked_mul(i))
            .take_while(|&cut| cut < bytes.len())
            .collect();
        let run = run_messages(role(), &Limits::default(), false, &bytes, &cuts);
        assert_eq!(run.error, None);
        assert!(run.seen == [Seen::text(&text)]);
    }
}

/// Text is delivered as far as whole characters have come: a chunk never holds a part of one, and never waits for more
/// than the rest of one.
fn chunks_are_whole_characters<R: Role>(role: fn() -> R) {
    let text = "aé€😀z";
    let bytes = from_peer::<R>(FIN | TEXT, text.as_bytes());
    let head_len = bytes.len() - text.len();
    let mut end = End::new(role());
    end.feed(&bytes[..head_len]);
    for (index, byte) in bytes[head_len..].iter().enumerate() {
        end.feed(std::slice::from_ref(byte));
        let delivered = match &end.seen[..] {
            [Seen::Data { data, .. }] => &data[..],
            [] => b"",
            other => panic!("{other:?}"),
        };
        assert_eq!(delivered, whole_part(&text.as_bytes()[..=index]));
    }
}

/// Byte by byte, a character comes with its last byte, and nothing comes before.
fn no_chunk_without_a_character<R: Role>(role: fn() -> R) {
    for character in ["a", "é", "世", "🌍"] {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = Vec::new();
        let bytes = from_peer::<R>(FIN | TEXT, character.repeat(3).as_bytes());
        let header_len = bytes.len() - 3 * character.len();
        for (at, mut byte) in bytes.into_iter().enumerate() {
            let mut input = std::slice::from_mut(&mut byte);
            let event = ws.receive_chunk(&mut input, &mut out).unwrap();
            let in_payload = (at + 1).saturating_sub(header_len);
            let expected = in_payload > 0 && in_payload % character.len() == 0;
            match event {
                Some((ChunkEvent::Text(chunk), _)) => assert!(expected && chunk.data == character, "{at}"),
                None => assert!(!expected, "{at}"),
                Some(other) => panic!("{other:?}"),
            }
        }
    }
}

/// The reason of a Close, at the exact byte; cut characters at the last one.
fn bad_reasons<R: Role>(role: fn() -> R) {
    for bad in BAD {
        for (before, after) in AROUND {
            let reason = [before.as_bytes(), bad, after.as_bytes()].concat();
            let bytes = from_peer::<R>(CLOSE, &[b"\x03\xe8", &reason[..]].concat());
            let reason_at = bytes.len() - reason.len();
            let at = bad_after(&reason).map_or(bytes.len() - 1, |len| reason_at + len - 1);
            let mut end = End::new(role());
            for byte in &bytes[..at] {
                end.feed(std::slice::from_ref(byte));
            }
            assert_eq!(end.failure(), None, "{reason:x?}");
            end.feed(&bytes[at..=at]);
            assert_eq!(end.failure(), Some(Violation::CloseReasonNotUtf8.into()), "{reason:x?}");
            assert_eq!(
                (end.take_seen(), end.take_out()),
                (Vec::new(), close_from_us::<R>(1007))
            );
            let whole = run(role(), &Limits::default(), false, &bytes, &[]);
            assert_eq!((whole.error, whole.seen), (end.failure(), Vec::new()));
            assert_eq!(whole.output, close_from_us::<R>(1007));
        }
    }
}

/// What is sent: only `in_place` takes bytes for text, and refuses them before anything is changed.
fn sent_text_is_utf8<R: Role>(role: fn() -> R) {
    for bad in BAD {
        let mut sender = Sender::new(role());
        let mut payload = bad.to_vec();
        assert_eq!(
            in_place(&mut sender, MessageKind::Text, &mut payload, true),
            Err(SendError::TextNotUtf8)
        );
        assert_eq!(payload, *bad, "not masked");
        let mut out = Vec::new();
        sender.tx(&mut out).text("fine").unwrap();
        assert_eq!(out, from_us::<R>(FIN | TEXT, b"fine"));
    }
}

both_roles!(
    bad_text,
    text_cut_before_an_empty_last_frame,
    refused_in_the_middle_of_a_frame,
    control_frames_inside_a_character,
    every_character,
    chunks_are_whole_characters,
    no_chunk_without_a_character,
    bad_reasons,
    sent_text_is_utf8,
);
