//! What a client sends (section 4.1), and what it must not.

use super::*;

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
            ConnectOptions::new().extensions(&[""], Extensions::COMPRESSION),
            Misuse::ExtensionSyntax,
        ),
        (
            ConnectOptions::new().extensions(&["a, b"], Extensions::COMPRESSION),
            Misuse::ExtensionSyntax,
        ),
        (
            ConnectOptions::new().extensions(&["a; b=\"c d\""], Extensions::COMPRESSION),
            Misuse::ExtensionSyntax,
        ),
        (
            ConnectOptions::new().extensions(&["a\r\n"], Extensions::COMPRESSION),
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
        assert_eq!(result.err(), Some(ConnectError::Misuse(misuse)), "{options:?}");
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
        let Err(ConnectError::OutputFull(full)) = result else {
            panic!()
        };
        assert_eq!((full.needed, out.as_bytes()), (expected.len(), b"".as_slice()));
    }
    let mut out = SliceOutput::new(&mut memory);
    ClientHandshake::start(&uri, &ASKED, &mut sample, &Limits::default(), &mut out).unwrap();
    assert_eq!(out.as_bytes(), expected.as_bytes());
}
