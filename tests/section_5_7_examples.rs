//! Every example of RFC 6455 section 5.7, received and sent.
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
use sockless::connection::{ChunkEvent, Connection, Sender, Server};
use sockless::frame::{Header, MAX_HEADER_LEN, Mask, MessageKind, Opcode};
use sockless::limits::Limits;

/// "A single-frame unmasked text message".
const HELLO: &[u8] = &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
/// "A single-frame masked text message".
const HELLO_MASKED: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// "A fragmented unmasked text message".
const HEL: &[u8] = &[0x01, 0x03, 0x48, 0x65, 0x6c];
const LO: &[u8] = &[0x80, 0x02, 0x6c, 0x6f];
/// "Unmasked Ping request and masked Pong response".
const PING_HELLO: &[u8] = &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
const PONG_HELLO_MASKED: &[u8] = &[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// "256 bytes binary message in a single unmasked frame".
const HEAD_256: &[u8] = &[0x82, 0x7e, 0x01, 0x00];
/// "64KiB binary message in a single unmasked frame".
const HEAD_64K: &[u8] = &[0x82, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00];

fn with_payload(head: &[u8], len: usize) -> (Vec<u8>, Vec<u8>) {
    let payload: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
    ([head, &payload].concat(), payload)
}

/// A client gets the bytes: at both levels, whole and byte by byte.
fn client_gets(bytes: &[u8], seen: &[Seen], output: &[u8]) {
    for cuts in [Vec::new(), byte_by_byte(bytes)] {
        let run = run(client(), &Limits::default(), false, bytes, &cuts);
        assert_eq!(
            (run.seen.as_slice(), run.error, run.output.as_slice()),
            (seen, None, output)
        );
        let run = run_messages(client(), &Limits::default(), false, bytes, &cuts);
        assert_eq!(
            (run.seen, run.error, run.output.as_slice()),
            (whole_messages(seen), None, output)
        );
    }
}

/// A server gets the bytes.
fn server_gets(bytes: &[u8], seen: &[Seen], output: &[u8]) {
    for cuts in [Vec::new(), byte_by_byte(bytes)] {
        let run = run(Server, &Limits::default(), false, bytes, &cuts);
        assert_eq!(
            (run.seen.as_slice(), run.error, run.output.as_slice()),
            (seen, None, output)
        );
        let run = run_messages(Server, &Limits::default(), false, bytes, &cuts);
        assert_eq!(
            (run.seen, run.error, run.output.as_slice()),
            (whole_messages(seen), None, output)
        );
    }
}

#[test]
fn single_frame_unmasked_text() {
    client_gets(HELLO, &[Seen::text("Hello")], b"");
    let mut out = Vec::new();
    Sender::new(Server).tx(&mut out).text("Hello").unwrap();
    assert_eq!(out, HELLO);
}

#[test]
fn single_frame_masked_text() {
    server_gets(HELLO_MASKED, &[Seen::text("Hello")], b"");
    let mut out = Vec::new();
    Sender::new(client()).tx(&mut out).text("Hello").unwrap();
    assert_eq!(out, HELLO_MASKED);
}

#[test]
fn fragmented_unmasked_text() {
    let bytes = [HEL, LO].concat();
    let seen = [
        Seen::frame(MessageKind::Text, b"Hel", true, false),
        Seen::frame(MessageKind::Text, b"lo", false, true),
    ];
    client_gets(&bytes, &seen, b"");
    let mut out = Vec::new();
    let mut sender = Sender::new(Server);
    sender.tx(&mut out).part("Hel", false).unwrap();
    assert_eq!(out, HEL);
    sender.tx(&mut out).part("lo", true).unwrap();
    assert_eq!(out, bytes);
}

#[test]
fn unmasked_ping_and_masked_pong() {
    // The client answers the Ping with exactly the Pong of the example.
    client_gets(PING_HELLO, &[Seen::Ping(b"Hello".to_vec())], PONG_HELLO_MASKED);
    server_gets(PONG_HELLO_MASKED, &[Seen::Pong(b"Hello".to_vec())], b"");
    let mut out = Vec::new();
    Sender::new(Server).tx(&mut out).ping(b"Hello").unwrap();
    assert_eq!(out, PING_HELLO);
    let mut out = Vec::new();
    Sender::new(client()).tx(&mut out).pong(b"Hello").unwrap();
    assert_eq!(out, PONG_HELLO_MASKED);
}

#[test]
fn binary_of_256_bytes() {
    let (bytes, payload) = with_payload(HEAD_256, 256);
    client_gets(&bytes, &[Seen::binary(&payload)], b"");
    let mut out = Vec::new();
    Sender::new(Server).tx(&mut out).binary(&payload).unwrap();
    assert_eq!(out, bytes);
}

#[test]
fn binary_of_64_kib() {
    let (bytes, payload) = with_payload(HEAD_64K, 65536);
    client_gets(&bytes, &[Seen::binary(&payload)], b"");
    let mut out = Vec::new();
    Sender::new(Server).tx(&mut out).binary(&payload).unwrap();
    assert!(out == bytes);
}

/// All unmasked examples one after another on one connection, in one input.
#[test]
fn all_in_one_stream() {
    let (binary_256, payload_256) = with_payload(HEAD_256, 256);
    let (binary_64k, payload_64k) = with_payload(HEAD_64K, 65536);
    let bytes = [HELLO, HEL, PING_HELLO, LO, &binary_256, &binary_64k].concat();
    let seen = [
        Seen::text("Hello"),
        Seen::frame(MessageKind::Text, b"Hel", true, false),
        Seen::Ping(b"Hello".to_vec()),
        Seen::frame(MessageKind::Text, b"lo", false, true),
        Seen::binary(&payload_256),
        Seen::binary(&payload_64k),
    ];
    client_gets(&bytes, &seen, PONG_HELLO_MASKED);
}

/// The pure codec on the same headers: (bytes, opcode, FIN, key, length).
#[test]
fn headers() {
    type Row = (&'static [u8], Opcode, bool, Option<[u8; 4]>, u64);
    let rows: &[Row] = &[
        (HELLO, Opcode::Text, true, None, 5),
        (HELLO_MASKED, Opcode::Text, true, Some(KEY), 5),
        (HEL, Opcode::Text, false, None, 3),
        (LO, Opcode::Continuation, true, None, 2),
        (PING_HELLO, Opcode::Ping, true, None, 5),
        (PONG_HELLO_MASKED, Opcode::Pong, true, Some(KEY), 5),
        (HEAD_256, Opcode::Binary, true, None, 256),
        (HEAD_64K, Opcode::Binary, true, None, 65536),
    ];
    for &(bytes, opcode, fin, mask_key, payload_len) in rows {
        let header = Header {
            fin,
            rsv: 0,
            opcode,
            mask_key,
            payload_len,
        };
        let mut block = [0; MAX_HEADER_LEN];
        let encoded = header.encode(&mut block);
        let len = encoded.len();
        assert_eq!(encoded, &bytes[..len]);
        assert_eq!(Header::decode(bytes), Ok(Some((header, len))));
        for short in 0..len {
            assert_eq!(Header::decode(&bytes[..short]), Ok(None), "{short} of {len} bytes");
        }
        if let Some(key) = header.mask_key {
            let mut payload = bytes[len..].to_vec();
            Mask::new(key).apply(&mut payload);
            assert_eq!(payload, b"Hello");
        }
    }
    let mut copy = [0; 5];
    assert_eq!(Mask::new(KEY).apply_copy(b"Hello", &mut copy), &HELLO_MASKED[6..]);
}

/// Masked payloads of the examples come out unmasked, and go back to the bytes of the example when masked again.
#[test]
fn echo_goes_the_other_way() {
    let mut server = Connection::new(Server, &Limits::default());
    let mut out = Vec::new();
    let mut bytes = HELLO_MASKED.to_vec();
    let mut input = &mut bytes[..];
    let (event, mut tx) = server.receive_chunk(&mut input, &mut out).unwrap().unwrap();
    let ChunkEvent::Text(text) = event else {
        panic!("{event:?}")
    };
    tx.text(text.data).unwrap();
    assert_eq!(out, HELLO);
}
