//! The client's opening handshake, by sections of RFC 6455.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use sockless::buffer::{ReadBuffer, SliceOutput, Storage};
use sockless::connection::Extensions;
use sockless::handshake::{
    AcceptOptions, ClientHandshake, ConnectOptions, HandshakeError as E, HttpVersion, Key, Misuse, Request, Response,
    ServerHandshake, SubprotocolPolicy, ValidRequest, WebSocketUri, WriteError,
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
    Extensions::NONE.with_compression(true),
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
        reason: Vec<u8>,
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
                        let _connection = accepted.into_connection(sample);
                        Seen::Open {
                            subprotocol,
                            extensions,
                            fields,
                            rest: Vec::new(),
                        }
                    }
                    Response::Rejected(rejected) => Seen::Rejected {
                        status: rejected.status(),
                        reason: rejected.reason().to_vec(),
                        fields: rejected.headers().count(),
                        rest: Vec::new(),
                    },
                };
                // What follows the head lies where the connection looks, and is left there.
                let held = input.unread().len();
                assert!(matches!(handshake.receive(&mut input), Ok(None)));
                assert_eq!(input.unread().len(), held);
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
    assert_eq!(accepted.header("upgrade"), Some(b"websocket".as_slice()));
    assert_eq!(input.unread(), b"\x81\x00");
    assert_eq!(handshake.end_of_stream(), Ok(()));
}

#[test]
fn section_1_3_the_key() {
    let key = Key::generate(&mut sample);
    assert_eq!(key.as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    // Section 4.1 says that the bytes 1 to 16 are AQIDBAUGBwgJCgsMDQ4PEC==; encoders leave the unused bits zero.
    let mut counted = 0;
    let key = Key::generate(&mut |bytes: &mut [u8]| {
        for byte in bytes {
            counted += 1;
            *byte = counted;
        }
    });
    assert_eq!((key.as_str(), counted), ("AQIDBAUGBwgJCgsMDQ4PEA==", 16));
    assert!(Key::parse(b"AQIDBAUGBwgJCgsMDQ4PEC==").is_some());
    // The key is the client's own until the handshake is over: it is not shown where things are logged.
    assert_eq!(format!("{key:?}"), "Key { .. }");
    let key = Key::generate(&mut sample);
    assert_eq!(
        format!("{:?}", key.accept()),
        "AcceptKey(\"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\")"
    );
}

// ---- Section 4.1, the request

#[test]
fn section_4_1_the_request() {
    let options = ASKED.headers(&[("Authorization", "Basic eDp5"), ("Cookie", "a=b")]);
    let (_, request) = start("wss://[::1]:8443?a=b", &options, &Limits::default());
    assert_eq!(
        request,
        "GET /?a=b HTTP/1.1\r\nHost: [::1]:8443\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x\r\n\
         Authorization: Basic eDp5\r\nCookie: a=b\r\n\r\n"
    );
}

#[test]
fn section_4_1_the_callers_input_cannot_forge() {
    let cases = [
        (ConnectOptions::new().origin("http://a\r\nX: y"), Misuse::HeaderValue),
        (
            ConnectOptions::new().subprotocols(&["a", ""]),
            Misuse::SubprotocolSyntax,
        ),
        (ConnectOptions::new().subprotocols(&["a b"]), Misuse::SubprotocolSyntax),
        (ConnectOptions::new().subprotocols(&["a,b"]), Misuse::SubprotocolSyntax),
        (
            ConnectOptions::new().subprotocols(&["a\r\nX: y"]),
            Misuse::SubprotocolSyntax,
        ),
        (
            ConnectOptions::new().subprotocols(&["a", "b", "a"]),
            Misuse::SubprotocolRepeated,
        ),
        (
            ConnectOptions::new().extensions(&[""], Extensions::NONE.with_compression(true)),
            Misuse::ExtensionSyntax,
        ),
        (
            ConnectOptions::new().extensions(&["a, b"], Extensions::NONE.with_compression(true)),
            Misuse::ExtensionSyntax,
        ),
        (
            ConnectOptions::new().extensions(&["a; b=\"c d\""], Extensions::NONE.with_compression(true)),
            Misuse::ExtensionSyntax,
        ),
        (
            ConnectOptions::new().extensions(&["a\r\n"], Extensions::NONE.with_compression(true)),
            Misuse::ExtensionSyntax,
        ),
        (ConnectOptions::new().headers(&[("A B", "c")]), Misuse::HeaderName),
        (ConnectOptions::new().headers(&[("", "c")]), Misuse::HeaderName),
        (ConnectOptions::new().headers(&[("A", "c\nB: d")]), Misuse::HeaderValue),
        (ConnectOptions::new().headers(&[("A", "c\0")]), Misuse::HeaderValue),
        (
            ConnectOptions::new().headers(&[("host", "x")]),
            Misuse::HeaderManaged("Host"),
        ),
        (
            ConnectOptions::new().headers(&[("Origin", "x")]),
            Misuse::HeaderManaged("Origin"),
        ),
        (
            ConnectOptions::new().headers(&[("Upgrade", "x")]),
            Misuse::HeaderManaged("Upgrade"),
        ),
        (
            ConnectOptions::new().headers(&[("Connection", "x")]),
            Misuse::HeaderManaged("Connection"),
        ),
        (
            ConnectOptions::new().headers(&[("Content-Length", "1")]),
            Misuse::HeaderManaged("Content-Length"),
        ),
        (
            ConnectOptions::new().headers(&[("Sec-WebSocket-Key", "x")]),
            Misuse::HeaderManaged("Sec-WebSocket-Key"),
        ),
        (
            ConnectOptions::new().headers(&[("sec-websocket-x", "")]),
            Misuse::HeaderManaged("Sec-WebSocket-"),
        ),
        (
            ConnectOptions::new().extensions(&["x", "permessage-deflate"], Extensions::NONE),
            Misuse::ExtensionNotImplemented,
        ),
    ];
    let uri = WebSocketUri::parse("ws://example.com").unwrap();
    for (options, misuse) in cases {
        let mut out = Vec::new();
        let result = ClientHandshake::start(&uri, &options, &mut sample, &Limits::default(), &mut out);
        assert_eq!(result.err(), Some(WriteError::Misuse(misuse)), "{options:?}");
        assert!(out.is_empty());
    }
}

#[test]
fn a_full_output_loses_nothing() {
    let uri = WebSocketUri::parse("ws://example.com").unwrap();
    let expected = start("ws://example.com", &ASKED, &Limits::default()).1;
    let mut memory = vec![0; expected.len()];
    for room in 0..expected.len() {
        let mut out = SliceOutput::new(&mut memory[..room]);
        let result = ClientHandshake::start(&uri, &ASKED, &mut sample, &Limits::default(), &mut out);
        let Err(WriteError::OutputFull(full)) = result else {
            panic!()
        };
        assert_eq!((full.needed, out.as_bytes()), (expected.len(), b"".as_slice()));
    }
    let mut out = SliceOutput::new(&mut memory);
    ClientHandshake::start(&uri, &ASKED, &mut sample, &Limits::default(), &mut out).unwrap();
    assert_eq!(out.as_bytes(), expected.as_bytes());
}

// ---- Section 4.1, the response

fn open(subprotocol: Option<&str>, extensions: &[&str]) -> (Option<String>, Vec<String>) {
    (
        subprotocol.map(str::to_owned),
        extensions.iter().map(|&extension| extension.to_owned()).collect(),
    )
}

#[test]
fn section_4_1_accepted_responses() {
    let table = [
        (with(&[]), open(None, &[])),
        (head("HTTP/1.1 101 ", &BASE), open(None, &[])),
        (head("HTTP/1.1 101", &BASE), open(None, &[])),
        (head("HTTP/1.1 101 a\tb\u{e9}", &BASE), open(None, &[])),
        (
            head(
                OK,
                &[
                    "UPGRADE:WebSocket",
                    "connection: foo, ,\tupgrade ,",
                    &ACCEPT.replace("Accept:", "ACCEPT: \t"),
                ],
            ),
            open(None, &[]),
        ),
        (
            with(&["Connection: keep-alive", "Server: x", "Date: y"]),
            open(None, &[]),
        ),
        (
            with(&["Sec-WebSocket-Protocol: superchat"]),
            open(Some("superchat"), &[]),
        ),
        (with(&["Sec-WebSocket-Extensions: x"]), open(None, &["x"])),
        (
            with(&[
                "Sec-WebSocket-Extensions: x; a=\"1\"",
                "Sec-WebSocket-Extensions: permessage-deflate",
            ]),
            open(None, &["x; a=\"1\"", "permessage-deflate"]),
        ),
        (with(&["Content-Length: 0"]), open(None, &[])),
    ];
    for (bytes, expected) in table {
        let head_len = bytes.len();
        let bytes = [bytes, b"\x81\x02\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_vec()].concat();
        let (result, at) = every_split(&bytes, &ASKED, &Limits::default());
        let Ok(Some(Seen::Open {
            subprotocol,
            extensions,
            rest,
            ..
        })) = result
        else {
            panic!("{result:?} for {}", bytes.escape_ascii())
        };
        assert_eq!((subprotocol, extensions), expected);
        assert_eq!((at, rest), (head_len, bytes[head_len..].to_vec()));
    }
}

/// RFC 9110 section 15.2: a client passes over interim responses, at every cut, and all heads share one limit.
#[test]
fn section_4_1_interim_responses_are_passed_over() {
    let interim = [
        head("HTTP/1.1 100 Continue", &[]),
        head(
            "HTTP/1.1 103 Early Hints",
            &["Link: </style.css>; rel=preload", "Upgrade: no"],
        ),
    ]
    .concat();
    let bytes = [interim.clone(), with(&[]), b"\x81\x00".to_vec()].concat();
    let len = bytes.len() - 2;
    let (result, at) = every_split(&bytes, &ASKED, &Limits::default());
    assert!(matches!(result, Ok(Some(_))), "{result:?}");
    assert_eq!(at, len);
    let limited = |max: usize| {
        let limits = Limits::default().with_max_head_len(u32::try_from(max).unwrap());
        every_split(&bytes, &ASKED, &limits).0
    };
    assert!(matches!(limited(len), Ok(Some(_))));
    assert_eq!(limited(len - 1), Err(E::HeadTooLarge));
    assert_eq!(limited(interim.len()), Err(E::HeadTooLarge));
    // Endless interim responses come to the limit too.
    let endless = head("HTTP/1.1 102 Processing", &[]).repeat(20);
    let limits = Limits::default().with_max_head_len(200);
    assert_eq!(every_split(&endless, &ASKED, &limits).0, Err(E::HeadTooLarge));
}

#[test]
fn section_4_1_any_other_status_is_data() {
    for (line, status, reason) in [
        ("HTTP/1.1 401 Unauthorized", 401, "Unauthorized"),
        ("HTTP/1.0 403 Go away", 403, "Go away"),
        ("HTTP/1.1 302", 302, ""),
        ("HTTP/1.1 200 ", 200, ""),
        ("HTTP/1.1 999 x", 999, "x"),
    ] {
        // None of the rules for 101 apply.
        let fields = [
            "Upgrade: a",
            "Upgrade: b",
            "Sec-WebSocket-Accept: no",
            "Sec-WebSocket-Extensions: ;;",
            "Content-Length: 9",
        ];
        let bytes = [head(line, &fields), b"body".to_vec()].concat();
        let (result, at) = every_split(&bytes, &ASKED, &Limits::default());
        let (reason, rest) = (reason.as_bytes().to_vec(), b"body".to_vec());
        assert_eq!(
            result,
            Ok(Some(Seen::Rejected {
                status,
                reason,
                fields: 5,
                rest
            }))
        );
        assert_eq!(at, bytes.len() - 4);
        let (mut handshake, _) = start("ws://example.com", &ASKED, &Limits::default());
        let mut input = buffer(&bytes);
        let Ok(Some(Response::Rejected(rejected))) = handshake.receive(&mut input) else {
            panic!()
        };
        let version = if line.starts_with("HTTP/1.0") {
            HttpVersion::Http10
        } else {
            HttpVersion::Http11
        };
        assert_eq!(rejected.version(), version);
        assert_eq!(rejected.header("UPGRADE"), Some(b"a".as_slice()));
        assert_eq!(rejected.header("content-length"), Some(b"9".as_slice()));
        assert_eq!(rejected.header("content"), None);
        assert_eq!(input.unread(), b"body");
    }
}

/// Each with the rule that it breaks.
fn refused() -> Vec<(Vec<u8>, E)> {
    let raw = |bytes: &[u8]| bytes.to_vec();
    let field = |line: &[u8]| [b"HTTP/1.1 101 x\r\nA: b\r\n", line, b"\r\n"].concat();
    vec![
        // The status line (RFC 9112 section 4).
        (raw(b"\x15\x03\x01\x00\x02\x02\x50"), E::FirstByte),
        (raw(b"\x81\x05Hello"), E::FirstByte),
        (raw(b"\r\n"), E::FirstByte),
        (raw(b"http/1.1 101 x\r\n"), E::FirstByte),
        (raw(b"H\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 \r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 10\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 1011\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 10a\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 +10 x\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 001 x\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1  101 x\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1\t101 x\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 101\tx\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 101 x\0\r\n"), E::StatusLine),
        (raw(b"HTTP/1.1 101 x\rA: b\r\n"), E::StatusLine),
        (raw(b"HTTP/a.1 101 x\r\n"), E::HttpVersionMalformed),
        (raw(b"HTTP 101 x\r\n"), E::HttpVersionMalformed),
        (raw(b"HTTPS/1.1 101 x\r\n"), E::HttpVersionMalformed),
        (raw(b"HTTP/2.0 101 x\r\n"), E::HttpVersionUnsupported),
        (raw(b"HTTP/1.2 101 x\r\n"), E::HttpVersionUnsupported),
        (head("HTTP/1.0 101 x", &BASE), E::ResponseVersion),
        // The lines of the head (RFC 9112 sections 2.2 and 5).
        (raw(b"HTTP/1.1 101 x\n"), E::LineEnding),
        (field(b"A: b\nC: d"), E::LineEnding),
        (field(b" folded"), E::HeaderFolded),
        (field(b"\tfolded"), E::HeaderFolded),
        (field(b"A : b"), E::HeaderName),
        (field(b"A b"), E::HeaderName),
        (field(b": b"), E::HeaderName),
        (field(b"A\xff: b"), E::HeaderName),
        (field(b"A: \x01"), E::HeaderValue),
        (field(b"A: b\rc"), E::HeaderValue),
        (field(b"A: \0"), E::HeaderValue),
        // Item 2: Upgrade.
        (without(0), E::ResponseUpgrade),
        (replaced(0, "Upgrade: "), E::ResponseUpgrade),
        (replaced(0, "Upgrade: h2c"), E::ResponseUpgrade),
        (replaced(0, "Upgrade: websocket, h2c"), E::ResponseUpgrade),
        (replaced(0, "Upgrade: web-socket"), E::ResponseUpgrade),
        (with(&["Upgrade: websocket"]), E::ResponseUpgrade),
        // Item 3: Connection.
        (without(1), E::ResponseConnection),
        (replaced(1, "Connection: close"), E::ResponseConnection),
        (replaced(1, "Connection: keep-alive Upgrade"), E::ResponseConnection),
        // Item 4: Sec-WebSocket-Accept.
        (without(2), E::AcceptMissing),
        (replaced(2, "Sec-WebSocket-Accept: "), E::AcceptMismatch),
        (
            replaced(2, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo"),
            E::AcceptMismatch,
        ),
        (
            replaced(2, "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            E::AcceptMismatch,
        ),
        (
            replaced(2, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
            E::AcceptMismatch,
        ),
        (
            replaced(2, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, x"),
            E::AcceptMismatch,
        ),
        (
            replaced(2, "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="),
            E::AcceptMismatch,
        ),
        (with(&[ACCEPT]), E::AcceptRepeated),
        (with(&["Sec-WebSocket-Accept: x"]), E::AcceptRepeated),
        // Item 5: extensions.
        (with(&["Sec-WebSocket-Extensions: y"]), E::ExtensionNotAsked),
        (with(&["Sec-WebSocket-Extensions: x, y"]), E::ExtensionNotAsked),
        (
            with(&["Sec-WebSocket-Extensions: x", "Sec-WebSocket-Extensions: permessage"]),
            E::ExtensionNotAsked,
        ),
        (with(&["Sec-WebSocket-Extensions: "]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: x;"]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: x y"]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: x; a=\"b c\""]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: \u{fc}"]), E::ExtensionMalformed),
        // Item 6: the subprotocol.
        (with(&["Sec-WebSocket-Protocol: soap"]), E::SubprotocolNotAsked),
        (with(&["Sec-WebSocket-Protocol: Chat"]), E::SubprotocolNotAsked),
        (with(&["Sec-WebSocket-Protocol: "]), E::SubprotocolNotAsked),
        (
            with(&["Sec-WebSocket-Protocol: chat, superchat"]),
            E::SubprotocolNotAsked,
        ),
        (with(&["Sec-WebSocket-Protocol: ch\u{e4}t"]), E::SubprotocolNotAsked),
        (
            with(&["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"]),
            E::SeveralSubprotocols,
        ),
    ]
}

#[test]
fn section_4_1_refused_responses() {
    let refused = refused();
    assert!(refused.len() >= 60);
    for (bytes, expected) in &refused {
        assert_eq!(
            every_split(bytes, &ASKED, &Limits::default()).0,
            Err(*expected),
            "{}",
            bytes.escape_ascii()
        );
    }
    // Every rule that has no status to answer with is a client's, and is tested here or below.
    for rule in E::ALL.iter().filter(|rule| rule.status().is_none()) {
        let below = [E::EndOfStream, E::SubprotocolMissing, E::ExtensionConflict];
        assert!(
            refused.iter().any(|(_, error)| error == rule) || below.contains(rule),
            "{}",
            rule.name()
        );
    }
}

#[test]
fn section_4_1_nothing_may_be_agreed_that_was_not_asked_for() {
    let check = |bytes: &[u8]| every_split(bytes, &ConnectOptions::new(), &Limits::default()).0.err();
    assert_eq!(
        check(&with(&["Sec-WebSocket-Protocol: chat"])),
        Some(E::SubprotocolNotAsked)
    );
    assert_eq!(
        check(&with(&["Sec-WebSocket-Extensions: x"])),
        Some(E::ExtensionNotAsked)
    );
    assert_eq!(check(&with(&[])), None);
}

#[test]
fn section_4_1_a_server_that_picks_no_subprotocol() {
    let required = ASKED.subprotocol_policy(SubprotocolPolicy::Required);
    let check = |bytes: &[u8], options| every_split(bytes, options, &Limits::default()).0.err();
    assert_eq!(check(&with(&[]), &ASKED), None);
    assert_eq!(check(&with(&[]), &required), Some(E::SubprotocolMissing));
    assert_eq!(check(&with(&["Sec-WebSocket-Protocol: chat"]), &required), None);
    // Nothing was asked for, so that nothing is missing.
    assert_eq!(
        check(
            &with(&[]),
            &ConnectOptions::new().subprotocol_policy(SubprotocolPolicy::Required)
        ),
        None
    );
}

// ---- Limits, end of stream

#[test]
fn limits_head_len() {
    let bytes = [with(&[]), b"\x81\x00".to_vec()].concat();
    let len = with(&[]).len();
    let at = |max: usize| {
        every_split(
            &bytes,
            &ASKED,
            &Limits::default().with_max_head_len(u32::try_from(max).unwrap()),
        )
    };
    assert!(matches!(at(len + 1).0, Ok(Some(_))));
    assert!(matches!(at(len).0, Ok(Some(_))));
    for max in 0..len {
        assert_eq!(at(max), (Err(E::HeadTooLarge), max.max(1)));
    }
}

#[test]
fn limits_headers() {
    let at = |max| every_split(&with(&[]), &ASKED, &Limits::default().with_max_headers(max)).0;
    assert_eq!(at(2), Err(E::TooManyHeaders));
    assert!(matches!(at(3), Ok(Some(_))));
    assert!(matches!(at(4), Ok(Some(_))));
}

#[test]
fn the_end_of_the_stream_in_the_middle_of_a_head() {
    let bytes = with(&[]);
    for end in 0..bytes.len() {
        let (mut handshake, _) = start("ws://example.com", &ASKED, &Limits::default());
        assert!(matches!(handshake.receive(&mut buffer(&bytes[..end])), Ok(None)));
        assert_eq!(handshake.end_of_stream(), Err(E::EndOfStream));
        assert_eq!(handshake.receive(&mut buffer(&bytes)).err(), Some(E::EndOfStream));
    }
}

// ---- Both sides

#[test]
fn a_client_and_a_server_agree() {
    let limits = Limits::default();
    let all_options = [
        ConnectOptions::new(),
        ASKED,
        ASKED
            .origin("null")
            .headers(&[("X", "y"), ("X", ""), ("Cookie", "a=\u{e9}")]),
    ];
    for uri in ["ws://example.com", "wss://[::1]:1/a?b", "ws://h?q"] {
        for options in &all_options {
            let (mut client, request) = start(uri, options, &limits);
            let (mut server, mut out) = (ServerHandshake::new(&limits), Vec::new());
            let mut input = buffer(request.as_bytes());
            let Ok(Some(Request::Upgrade(upgrade))) = server.receive(&mut input, &mut out) else {
                panic!()
            };
            assert_eq!(
                upgrade.resource_name(),
                WebSocketUri::parse(uri).unwrap().resource_name()
            );
            let subprotocol = upgrade.choose_subprotocol(&["superchat"]);
            let extension = upgrade
                .extensions()
                .find(|extension| extension.name() == "x")
                .map(|_| "x");
            let options = AcceptOptions::new()
                .maybe_subprotocol(subprotocol)
                .extensions(extension.as_slice(), Extensions::NONE);
            upgrade.accept(&options, &mut out).unwrap();
            let mut input = buffer(&out);
            let Ok(Some(Response::Accepted(accepted))) = client.receive(&mut input) else {
                panic!()
            };
            assert_eq!(accepted.subprotocol(), subprotocol);
            assert_eq!(
                accepted.extensions().map(|extension| extension.name()).next(),
                extension
            );
            assert!(input.unread().is_empty());
        }
    }
}

#[test]
fn the_door_over_header_pairs_has_the_same_rules() {
    let key = Key::generate(&mut sample);
    for (bytes, expected) in refused() {
        // Those that have a complete head that another parser accepts.
        let mut storage = [httparse::EMPTY_HEADER; 20];
        let mut parsed = httparse::Response::new(&mut storage);
        let complete = matches!(parsed.parse(&bytes), Ok(httparse::Status::Complete(_)));
        if !complete || expected == E::ResponseVersion {
            continue;
        }
        let pairs = parsed.headers.iter().map(|header| (header.name, header.value));
        let result = ASKED.check_response(&key, parsed.code.unwrap(), pairs);
        assert_eq!(result.err(), Some(expected), "{}", bytes.escape_ascii());
    }
    let fields: [(&str, &[u8]); 6] = [
        ("upgrade", b"websocket"),
        ("connection", b"upgrade"),
        ("sec-websocket-accept", b" s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", b"chat "),
        ("sec-websocket-extensions", b"x"),
        ("X-More", b"\t1 "),
    ];
    let answer = ASKED.check_response(&key, 101, fields.into_iter()).unwrap().unwrap();
    assert_eq!(answer.subprotocol(), Some("chat"));
    assert!(answer.extensions().map(|extension| extension.name()).eq(["x"]));
    assert!(answer.headers().eq(fields));
    assert_eq!(answer.header("x-more"), Some(b"1".as_slice()));
    assert_eq!(answer.header("x-less"), None);
    for status in [100, 200, 404] {
        assert!(matches!(
            ASKED.check_response(&key, status, fields.into_iter()),
            Ok(None)
        ));
    }
}

/// What was agreed is part of the connection: RSV1 is let through, or refused.
#[test]
fn agreed_extensions_are_carried_into_the_connection() {
    let compression = Extensions::NONE.with_compression(true);
    let offered = ["permessage-deflate; client_max_window_bits", "permessage-deflate", "x"];
    let client_options = ConnectOptions::new().extensions(&offered, compression);
    for (agreed, implemented, compressed) in [
        (
            &["permessage-deflate; server_no_context_takeover"][..],
            compression,
            true,
        ),
        (&["x", "permessage-deflate"], compression, true),
        (&["x"], compression, false),
        (&["x"], Extensions::NONE, false),
        (&[], compression, false),
    ] {
        let (mut client, request) = start("ws://example.com", &client_options, &Limits::default());
        let (mut input, mut out, mut replies) = (buffer(request.as_bytes()), Vec::new(), Vec::new());
        let mut server = ServerHandshake::new(&Limits::default());
        let Ok(Some(Request::Upgrade(upgrade))) = server.receive(&mut input, &mut out) else {
            panic!()
        };
        let options = AcceptOptions::new().extensions(agreed, implemented);
        let mut ws = upgrade.accept(&options, &mut out).unwrap();
        feed(&mut input, b"\xc1\x81\0\0\0\0z");
        let event = ws
            .receive(&mut input, &mut replies)
            .map(|event| event.map(|(event, _)| event));
        assert_eq!(
            matches!(event, Ok(Some(Event::Compressed(_, b"z")))),
            compressed,
            "{event:?}"
        );
        assert_eq!(event.is_err(), !compressed);

        let mut input = buffer(&[&out, b"\xc1\x01z".as_slice()].concat());
        let Ok(Some(Response::Accepted(accepted))) = client.receive(&mut input) else {
            panic!()
        };
        assert_eq!(accepted.extensions().count(), agreed.len());
        let mut ws = accepted.into_connection(sample);
        let event = ws
            .receive(&mut input, &mut replies)
            .map(|event| event.map(|(event, _)| event));
        assert_eq!(
            matches!(event, Ok(Some(Event::Compressed(_, b"z")))),
            compressed,
            "{event:?}"
        );
        assert_eq!(event.is_err(), !compressed);
    }
    // RFC 7692 section 5: "A client that received a response accepting a PMCE extension negotiation offer together with
    // such an extension MUST _Fail the WebSocket Connection_."
    let bytes = with(&["Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate"]);
    let result = every_split(&bytes, &client_options, &Limits::default()).0;
    assert_eq!(result, Err(E::ExtensionConflict));
}

#[test]
fn rfc_8441_section_5_extended_connect() {
    let options = ASKED.origin("http://example.com");
    let request: Vec<_> = options
        .fields(None)
        .unwrap()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let names: Vec<_> = request.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "sec-websocket-version",
            "origin",
            "sec-websocket-protocol",
            "sec-websocket-extensions"
        ]
    );
    let pairs = request.iter().map(|(name, value)| (*name, value.as_bytes()));
    let offer = ValidRequest::from_extended_connect("CONNECT", "websocket", pairs)
        .unwrap()
        .unwrap();
    let accepted = offer.accept(&AcceptOptions::new().subprotocol("chat")).unwrap();
    let response: Vec<_> = accepted
        .fields()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let pairs = || response.iter().map(|(name, value)| (*name, value.as_bytes()));
    let answer = options
        .check_extended_connect(accepted.status(), pairs())
        .unwrap()
        .unwrap();
    assert_eq!(answer.subprotocol(), Some("chat"));
    let _ = answer.into_connection(sample, &Limits::default());
    assert!(options.check_extended_connect(403, pairs()).unwrap().is_none());
    let error = ConnectOptions::new().check_extended_connect(200, pairs()).err();
    assert_eq!(error, Some(E::SubprotocolNotAsked));
}

// ---- A second opinion

#[test]
fn accepted_heads_mean_the_same_to_httparse() {
    for base in [
        with(&["Sec-WebSocket-Protocol: chat", "X:"]),
        head("HTTP/1.1 404 Not Found", &["A: b"]),
    ] {
        for at in 0..base.len() {
            for other in *b"\0\t\n\r \",:;=aH1\x7f\x80\xff" {
                let mut bytes = base.clone();
                bytes[at] = other;
                let (mut handshake, _) = start("ws://example.com", &ASKED, &Limits::default());
                let mut input = buffer(&bytes);
                let Ok(Some(response)) = handshake.receive(&mut input) else {
                    continue;
                };
                let (status, headers) = match &response {
                    Response::Accepted(accepted) => (101, accepted.headers()),
                    Response::Rejected(rejected) => (rejected.status(), rejected.headers()),
                };
                let mut storage = [httparse::EMPTY_HEADER; 20];
                let mut parsed = httparse::Response::new(&mut storage);
                let Ok(httparse::Status::Complete(head_len)) = parsed.parse(&bytes) else {
                    panic!("{}", bytes.escape_ascii());
                };
                assert_eq!(parsed.code, Some(status));
                assert!(headers.eq(parsed.headers.iter().map(|header| (header.name, header.value))));
                assert_eq!(input.unread(), &bytes[head_len..]);
            }
        }
    }
}
