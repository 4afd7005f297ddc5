//! The byte examples of RFC 7692 sections 7.2.3.1 to 7.2.3.6.

use crate::common::{Got, masked, pair, receive, receive_chunks, unmasked};
use crate::model::Model;
use sockless::deflate::{DeflateOptions, Engines};

const HELLO: &str = "Hello";

/// Each example as payloads of frames: a message per line, and what it says.
fn check(messages: &[(&[&[u8]], &str)]) {
    let mut bytes = [Vec::new(), Vec::new()];
    let mut model = Model::new(15, true);
    for (fragments, text) in messages {
        assert_eq!(model.message(&fragments.concat()).unwrap(), text.as_bytes());
        for (at, fragment) in fragments.iter().enumerate() {
            let first = match (at == 0, at + 1 == fragments.len()) {
                (true, true) => 0xc1,
                (true, false) => 0x41,
                (false, false) => 0x00,
                (false, true) => 0x80,
            };
            bytes[0].extend(masked(first, fragment));
            bytes[1].extend(unmasked(first, fragment));
        }
    }
    let expected: Vec<Got> = messages.iter().map(|(_, text)| Got::Text((*text).into())).collect();
    let mut engines = Engines::new();
    for cut in 1..=bytes[0].len() {
        let (mut server, mut client) = pair(&DeflateOptions::new());
        assert_eq!(
            receive(&mut server, &bytes[0], cut, &mut engines),
            (expected.clone(), None)
        );
        assert_eq!(
            receive(&mut client, &bytes[1], cut, &mut engines),
            (expected.clone(), None)
        );
        let (mut server, mut client) = pair(&DeflateOptions::new());
        assert_eq!(
            receive_chunks(&mut server, &bytes[0], cut, &mut engines),
            (expected.clone(), None, None)
        );
        assert_eq!(
            receive_chunks(&mut client, &bytes[1], cut, &mut engines),
            (expected.clone(), None, None)
        );
    }
}

#[test]
fn section_7_2_3_1_one_block() {
    check(&[(&[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]], HELLO)]);
    check(&[(&[&[0xf2, 0x48, 0xcd], &[0xc9, 0xc9, 0x07, 0x00]], HELLO)]);
}

#[test]
fn section_7_2_3_2_the_window_is_shared() {
    let first: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    check(&[(&[first], HELLO), (&[first], HELLO)]);
    check(&[(&[first], HELLO), (&[&[0xf2, 0x00, 0x11, 0x00, 0x00]], HELLO)]);
}

#[test]
fn section_7_2_3_3_a_block_without_compression() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    check(&[(&[&stored], HELLO)]);
}

#[test]
fn section_7_2_3_4_a_block_with_bfinal() {
    check(&[(&[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]], HELLO)]);
}

#[test]
fn section_7_2_3_5_two_blocks() {
    let two = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    check(&[(&[&two], HELLO)]);
    check(&[(&[&two[..8], &two[8..]], HELLO)]);
}

#[test]
fn section_7_2_3_6_an_empty_message() {
    check(&[(&[&[0x00]], ""), (&[&[0x00]], ""), (&[&[], &[0x00], &[]], "")]);
}

/// What we send is what the examples show, where there is only one way.
#[test]
fn what_is_sent() {
    let options = DeflateOptions::new().with_threshold(0);
    let mut engines = Engines::new();
    let (mut server, _) = pair(&options);
    let mut out = Vec::new();
    let mut tx = server.tx(&mut out, &mut engines);
    // Five bytes become seven: it goes plain, as an empty message does.
    tx.text(HELLO).unwrap();
    tx.text("").unwrap();
    assert_eq!(out, b"\x81\x05Hello\x81\x00");
    out.clear();
    // In parts it cannot: section 7.2.3.1 with the tail between, then the empty block of section 7.2.3.6.
    let mut tx = server.tx(&mut out, &mut engines);
    tx.part(HELLO, false).unwrap();
    tx.part("", true).unwrap();
    assert_eq!(
        out,
        [
            0x41, 11, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff, 0x80, 1, 0x00
        ]
    );
}
