//! The client's opening handshake, by sections of RFC 6455.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod doors;
mod requests;
mod responses;

use sockless::buffer::{ReadBuffer, SliceOutput, Storage};
use sockless::connection::Extensions;
use sockless::handshake::{
    AcceptOptions, ClientHandshake, ConnectError, ConnectOptions, HandshakeError as E, Key, Misuse, Request, Response,
    ServerHandshake, ValidRequest, WebSocketUri,
};
use sockless::limits::Limits;
use sockless::message::Event;

/// The nonce of the example in RFC 6455 section 1.3.
fn sample(bytes: &mut [u8]) {
    bytes.copy_from_slice(&b"the sample nonce"[..bytes.len()]);
}

fn start<'r>(uri: &str, options: &ConnectOptions<'r>, limits: &Limits) -> (ClientHandshake<'r>, String) {
    let uri = WebSocketUri::parse(uri).unwrap();
    let mut out = Vec::new();
    let handshake = ClientHandshake::start(&uri, options, &mut sample, limits, &mut out).unwrap();
    (handshake, String::from_utf8(out).unwrap())
}

const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const OK: &str = "HTTP/1.1 101 Switching Protocols";
const BASE: [&str; 3] = ["Upgrade: websocket", "Connection: Upgrade", ACCEPT];
const ASKED: ConnectOptions<'static> = ConnectOptions::new().subprotocols(&["chat", "superchat"]).extensions(
    &["permessage-deflate; client_max_window_bits", "x"],
    Extensions::COMPRESSION,
);

fn head(start: &str, fields: &[&str]) -> Vec<u8> {
    let mut head = format!("{start}\r\n");
    for field in fields {
        head += field;
        head += "\r\n";
    }
    (head + "\r\n").into_bytes()
}

fn with(more: &[&str]) -> Vec<u8> {
    head(OK, &[&BASE, more].concat())
}

/// The plain response with one line replaced.
fn replaced(at: usize, line: &str) -> Vec<u8> {
    let mut fields = BASE.to_vec();
    fields[at] = line;
    head(OK, &fields)
}

/// The plain response without one line.
fn without(at: usize) -> Vec<u8> {
    let mut fields = BASE.to_vec();
    fields.remove(at);
    head(OK, &fields)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Open {
        subprotocol: Option<String>,
        extensions: Vec<String>,
        fields: usize,
        rest: Vec<u8>,
    },
    Rejected {
        status: u16,
        fields: usize,
        rest: Vec<u8>,
    },
}

/// Reads all of `bytes` into the buffer, as far as it has room.
fn feed<S: Storage>(input: &mut ReadBuffer<S>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = input.space();
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        input.advance(len);
        if len == 0 {
            return;
        }
        bytes = &bytes[len..];
    }
}

/// A buffer that holds the bytes.
fn buffer(bytes: &[u8]) -> ReadBuffer {
    let mut input = ReadBuffer::new();
    feed(&mut input, bytes);
    input
}

/// The result, and how many bytes had arrived when it came.
fn run_in<S: Storage>(
    mut input: ReadBuffer<S>,
    bytes: &[u8],
    ends: impl IntoIterator<Item = usize>,
    options: &ConnectOptions<'_>,
    limits: &Limits,
) -> (Result<Option<Seen>, E>, usize) {
    let (mut handshake, _) = start("ws://example.com/chat", options, limits);
    let mut fed = 0;
    for end in ends.into_iter().chain([bytes.len()]) {
        feed(&mut input, &bytes[fed..end.max(fed)]);
        fed = end.max(fed);
        let result = match handshake.receive(&mut input) {
            Ok(None) => continue,
            Ok(Some(response)) => {
                let mut seen = match response {
                    Response::Accepted(accepted) => {
                        let subprotocol = accepted.subprotocol().map(str::to_owned);
                        let extensions = accepted.extensions().map(|extension| extension.to_string()).collect();
                        let fields = accepted.headers().count();
                        let _connection = accepted.into_connection(sample, limits);
                        Seen::Open {
                            subprotocol,
                            extensions,
                            fields,
                            rest: Vec::new(),
                        }
                    }
                    Response::Rejected { status, headers, .. } => Seen::Rejected {
                        status,
                        fields: headers.count(),
                        rest: Vec::new(),
                    },
                };
                // What follows the head lies where the connection looks, and is left there.
                let held = input.unread().len();
                assert!(matches!(handshake.receive(&mut input), Ok(None)));
                assert_eq!(input.unread().len(), held);
                // Nothing is missing any more.
                assert_eq!(handshake.end_of_stream(), Ok(()));
                assert_eq!(handshake.timed_out(), Ok(()));
                feed(&mut input, &bytes[fed..]);
                let (Seen::Open { rest, .. } | Seen::Rejected { rest, .. }) = &mut seen;
                rest.extend_from_slice(input.unread());
                Ok(Some(seen))
            }
            Err(error) => {
                // Sticky, and all input is discarded.
                assert!(input.unread().is_empty());
                for again in [&bytes[..end], bytes, &with(&[])] {
                    feed(&mut input, again);
                    assert_eq!(handshake.receive(&mut input).err(), Some(error));
                    assert!(input.unread().is_empty());
                }
                assert_eq!(handshake.end_of_stream(), Err(error));
                assert_eq!(handshake.timed_out(), Err(error));
                Err(error)
            }
        };
        return (result, end);
    }
    (Ok(None), bytes.len())
}

fn run(
    bytes: &[u8],
    ends: impl IntoIterator<Item = usize>,
    options: &ConnectOptions<'_>,
    limits: &Limits,
) -> (Result<Option<Seen>, E>, usize) {
    run_in(ReadBuffer::new(), bytes, ends, options, limits)
}

/// Law L1: whole, byte by byte and every two-way split give the same.
fn every_split(bytes: &[u8], options: &ConnectOptions<'_>, limits: &Limits) -> (Result<Option<Seen>, E>, usize) {
    let whole = run(bytes, [], options, limits).0;
    let (bytewise, decided) = run(bytes, 0..=bytes.len(), options, limits);
    assert_eq!(whole, bytewise, "{}", bytes.escape_ascii());
    for at in 0..=bytes.len() {
        assert_eq!(
            whole,
            run(bytes, [at], options, limits).0,
            "{at} {}",
            bytes.escape_ascii()
        );
    }
    (whole, decided)
}

// ---- Sections 1.2 and 1.3

#[test]
fn section_1_2_and_1_3_the_example() {
    let options = ConnectOptions::new()
        .origin("http://example.com")
        .subprotocols(&["chat", "superchat"]);
    let (mut handshake, request) = start("ws://server.example.com/chat", &options, &Limits::default());
    assert_eq!(
        request,
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\n\r\n"
    );
    let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x00";
    let mut input = buffer(response);
    let Ok(Some(Response::Accepted(accepted))) = handshake.receive(&mut input) else {
        panic!()
    };
    assert_eq!(accepted.subprotocol(), Some("chat"));
    assert_eq!(accepted.extensions().count(), 0);
    assert_eq!(accepted.headers().get("upgrade"), Some(b"websocket".as_slice()));
    assert_eq!(input.unread(), b"\x81\x00");
    assert_eq!(handshake.end_of_stream(), Ok(()));
}

#[test]
fn section_1_3_the_key() {
    let sent = |key: &Key| {
        let options = ConnectOptions::new();
        let mut fields = options.fields(Some(key)).unwrap();
        let key = fields.find(|(name, _)| *name == "Sec-WebSocket-Key");
        key.map(|(_, value)| value.to_string()).unwrap()
    };
    let key = Key::generate(&mut sample);
    assert_eq!(sent(&key), "dGhlIHNhbXBsZSBub25jZQ==");
    // The key is the client's own until the handshake is over: it is not shown where things are logged.
    assert_eq!(format!("{key:?}"), "Key { .. }");
    // Section 4.1 says that the bytes 1 to 16 are AQIDBAUGBwgJCgsMDQ4PEC==; encoders leave the unused bits zero.
    let mut counted = 0;
    let key = Key::generate(&mut |bytes: &mut [u8]| {
        for byte in bytes {
            counted += 1;
            *byte = counted;
        }
    });
    assert_eq!(sent(&key), "AQIDBAUGBwgJCgsMDQ4PEA==");
    assert_eq!(counted, 16);
}
