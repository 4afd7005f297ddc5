//! What a client accepts (section 4.1), what it refuses and by which rule, and limits.

use super::*;

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
    for (line, status) in [
        ("HTTP/1.1 401 Unauthorized", 401),
        ("HTTP/1.0 403 Go away", 403),
        ("HTTP/1.1 302", 302),
        ("HTTP/1.1 200 ", 200),
        ("HTTP/1.1 999 x", 999),
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
        let rest = b"body".to_vec();
        assert_eq!(
            result,
            Ok(Some(Seen::Rejected {
                status,
                fields: 5,
                rest
            }))
        );
        assert_eq!(at, bytes.len() - 4);
        let (mut handshake, _) = start("ws://example.com", &ASKED, &Limits::default());
        let mut input = buffer(&bytes);
        let Ok(Some(Response::Rejected { headers, .. })) = handshake.receive(&mut input) else {
            panic!()
        };
        assert_eq!(headers.get("UPGRADE"), Some(b"a".as_slice()));
        assert_eq!(headers.get("content-length"), Some(b"9".as_slice()));
        assert_eq!(headers.get("content"), None);
        assert_eq!(input.unread(), b"body");
    }
}

/// Each with the rule that it breaks.
pub(super) fn refused() -> Vec<(Vec<u8>, E)> {
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
        let below = [
            E::EndOfStream,
            E::SubprotocolMissing,
            E::ExtensionConflict,
            // In the tests of compression.
            E::DeflateParameterUnknown,
            E::DeflateParameterRepeated,
            E::DeflateParameterValue,
            E::DeflateTakeover,
            E::DeflateWindow,
            E::DeflateWindowNotAsked,
        ];
        assert!(
            refused.iter().any(|(_, error)| error == rule) || below.contains(rule),
            "{rule:?}"
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
    let required = ASKED.require_subprotocol(true);
    let check = |bytes: &[u8], options| every_split(bytes, options, &Limits::default()).0.err();
    assert_eq!(check(&with(&[]), &ASKED), None);
    assert_eq!(check(&with(&[]), &required), Some(E::SubprotocolMissing));
    assert_eq!(check(&with(&["Sec-WebSocket-Protocol: chat"]), &required), None);
    // Nothing was asked for, so that nothing is missing.
    assert_eq!(
        check(&with(&[]), &ConnectOptions::new().require_subprotocol(true)),
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

/// A field whose name is as long as one of the handshake's, and starts alike, is not taken for it.
#[test]
fn names_that_are_nearly_those_of_the_handshake() {
    let limits = Limits::default();
    let near = [
        ("Upgradx: websocket", E::ResponseUpgrade),
        ("Connectiox: Upgrade", E::ResponseConnection),
        ("Sec-WebSocket-Accepx: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", E::AcceptMissing),
    ];
    for (at, (line, error)) in near.into_iter().enumerate() {
        let (result, _) = run(&replaced(at, line), [], &ASKED, &limits);
        assert_eq!(result, Err(error), "{line}");
    }
    for line in ["Sec-WebSocket-Protocox: other", "Sec-WebSocket-Extensionx: other"] {
        let (result, _) = run(&with(&[line]), [], &ASKED, &limits);
        assert!(result.is_ok(), "{line}: {result:?}");
    }
}
