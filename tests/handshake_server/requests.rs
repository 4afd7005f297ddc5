//! What a client may ask (sections 1.2, 1.3 and 4.2.1), what is refused, and by which rule.

use super::*;

// ---- Sections 1.2 and 1.3

#[test]
fn section_1_2_and_1_3_the_example() {
    let mut bytes = example();
    bytes.extend(b"\x81\x85");
    let mut out = Vec::new();
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut input = buffer(&bytes);
    let Ok(Some(Request::Upgrade(upgrade))) = handshake.receive(&mut input, &mut out) else {
        panic!()
    };
    assert_eq!((upgrade.path(), upgrade.query()), ("/chat", None));
    assert_eq!(upgrade.host(), "server.example.com");
    let request = upgrade.request();
    assert_eq!(request.origin(), Some(b"http://example.com".as_slice()));
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    assert_eq!(request.extensions().count(), 0);
    assert_eq!(request.headers().get("sec-websocket-version"), Some(b"13".as_slice()));
    assert_eq!(request.headers().get("nothing"), None);
    assert_eq!(request.headers().count(), 7);
    assert_eq!(
        request.choose_subprotocol(&["soap", "superchat", "chat"]),
        Some("superchat")
    );
    assert_eq!(request.choose_subprotocol(&["Chat"]), None);
    assert!(out.is_empty());
    upgrade
        .accept(&AcceptOptions::new().subprotocol("chat"), &mut out)
        .unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    assert_eq!(input.unread(), b"\x81\x85");
    assert_eq!(handshake.end_of_stream(), Ok(()));
}

// ---- Section 4.2.1, what must be accepted

pub(super) fn accepted() -> Vec<Vec<u8>> {
    vec![
        example(),
        with(&[]),
        head("GET / HTTP/1.1", &BASE),
        head("GET /a%20b?x=1&y={}|\"<>^` HTTP/1.1", &BASE)
            .into_iter()
            .filter(|&b| b != b'"')
            .collect(),
        head("GET http://example.com/chat?x HTTP/1.1", &BASE),
        head("GET ws://example.com HTTP/1.1", &BASE),
        // Names and tokens in any case.
        head(
            START,
            &[
                "HOST:example.com",
                "upgrade:WEBSOCKET",
                "connection:upgrade",
                &KEY.replace("Key", "KEY"),
                "SEC-WEBSOCKET-VERSION:13",
            ],
        ),
        // Lists over several lines, with empty elements and white space.
        replaced("Connection: keep-alive,, \tUpgrade\t,"),
        with(&["Connection: keep-alive", "Upgrade: h2c, foo/1"]),
        head(
            START,
            &[
                "Host: h",
                "Upgrade: h2c",
                "Upgrade: , websocket",
                "Connection: a",
                "Connection: b , uPGRADE",
                KEY,
                BASE[4],
            ],
        ),
        replaced("Sec-WebSocket-Version:  \t13 \t "),
        // Section 4.1's own example key, whose last bits are not zero.
        replaced("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="),
        replaced("Host: [::1]:8080"),
        replaced("Host: example.com:"),
        replaced("Host: 127.0.0.1:80"),
        with(&["Content-Length: 0"]),
        with(&["Sec-WebSocket-Protocol: a", "X: y", "Sec-WebSocket-Protocol: ,b , c"]),
        with(&[
            "Sec-WebSocket-Extensions: foo; a=\"b\"; c, foo;a = d ,",
            "sec-websocket-extensions: bar",
        ]),
        with(&["X-Empty:", "X: a\u{e9}\tb", "Cookie: a=b; c=\"d\""]),
        with(&["Sec-WebSocket-Future: 1"]),
        with(&["Origin: null"]),
        with(&["Origin:"]),
    ]
}

#[test]
fn section_4_2_1_accepted_requests() {
    for mut bytes in accepted() {
        let head_len = bytes.len();
        // Bytes after the head, what looks like another head included, are not lost.
        bytes.extend(b"\x81\x80\x00\x00\x00\x00\r\n\r\nGET / HTTP/1.1\r\n\r\n");
        let outcome = every_split(&bytes, &Limits::default());
        let Ok(Some(seen)) = outcome.result else {
            panic!("{outcome:?} for {}", bytes.escape_ascii())
        };
        assert!(seen.upgrade && seen.head_len == head_len && outcome.at == head_len);
        assert_eq!(seen.rest, &bytes[head_len..]);
        assert!(outcome.out.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && outcome.out.ends_with("\r\n\r\n"));
    }
}

#[test]
fn section_4_1_the_example_key() {
    let bytes = replaced("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==");
    let accept = run(&bytes).out;
    // The key is hashed as it was sent, not as it would be encoded again: printf '%s%s' KEY GUID | sha1sum | base64.
    assert!(
        accept.contains("\r\nSec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n"),
        "{accept}"
    );
}

#[test]
fn section_4_2_1_the_target_gives_the_resource_name() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/a/b?c=d?e", "/a/b", Some("c=d?e")),
        ("/a?", "/a", Some("")),
        ("http://example.com", "/", None),
        ("HTTPS://example.com:1/x?y", "/x", Some("y")),
        ("wss://example.com?y", "/", Some("y")),
        ("ws://example.com?y/z", "/", Some("y/z")),
        ("//double", "//double", None),
    ] {
        upgrade(&head(&format!("GET {target} HTTP/1.1"), &BASE), |upgrade| {
            assert_eq!((upgrade.path(), upgrade.query()), (path, query), "{target}");
        });
    }
}

// ---- Section 4.2.1, what must be refused

/// Each with the rule that it breaks.
pub(super) fn refused() -> Vec<(Vec<u8>, E)> {
    let start = |line: &str| head(line, &BASE);
    let raw = |bytes: &[u8]| bytes.to_vec();
    // A rule that can be checkd before the whole head has come needs no more than that.
    let field = |line: &[u8]| [b"GET / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n"].concat();
    let many: Vec<_> = (0..65).map(|n| format!("p{n}")).collect();
    vec![
        // Item 1: an HTTP/1.1 or higher GET request.
        (raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), E::FirstByte),
        (raw(b" GET / HTTP/1.1\r\n"), E::FirstByte),
        (raw(b"\r\nGET / HTTP/1.1\r\n"), E::FirstByte),
        (raw(b"\nGET / HTTP/1.1\r\n"), E::FirstByte),
        (raw(b"\0"), E::FirstByte),
        (raw(b"\xff\xfe"), E::FirstByte),
        (raw(b"GET\r\n"), E::RequestLine),
        (raw(b"GET /\r\n"), E::RequestLine),
        (raw(b"GET / HTTP/1.1 \r\n"), E::RequestLine),
        (raw(b"GET  / HTTP/1.1\r\n"), E::RequestLine),
        (raw(b"GET /a b HTTP/1.1\r\n"), E::RequestLine),
        (raw(b"GET\t/\tHTTP/1.1\r\n"), E::RequestLine),
        (raw(b"G@T / HTTP/1.1\r\n"), E::RequestLine),
        (raw(b"G\0T / HTTP/1.1\r\n"), E::RequestLine),
        (raw(b"GET  HTTP/1.1\r\n"), E::RequestTarget),
        (raw(b"GET /a#b HTTP/1.1\r\n"), E::RequestTarget),
        (raw(b"GET /\xc3\xa9 HTTP/1.1\r\n"), E::RequestTarget),
        (raw(b"GET /\x7f HTTP/1.1\r\n"), E::RequestTarget),
        (raw(b"GET /a\rb HTTP/1.1\r\n"), E::RequestTarget),
        (raw(b"GET /\t HTTP/1.1\r\n"), E::RequestTarget),
        (raw(b"GET / http/1.1\r\n"), E::HttpVersionMalformed),
        (raw(b"GET / HTTP/1\r\n"), E::HttpVersionMalformed),
        (raw(b"GET / HTTP/1.10\r\n"), E::HttpVersionMalformed),
        (raw(b"GET / HTTP/11\r\n"), E::HttpVersionMalformed),
        (raw(b"GET / HTTPS/1.1\r\n"), E::HttpVersionMalformed),
        (raw(b"GET / HTTP/1.1\r\r\n"), E::HttpVersionMalformed),
        (raw(b"GET / HTTP/2.0\r\n"), E::HttpVersionUnsupported),
        (raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), E::HttpVersionUnsupported),
        (raw(b"GET / HTTP/0.9\r\n"), E::HttpVersionUnsupported),
        (raw(b"GET / HTTP/1.2\r\n"), E::HttpVersionUnsupported),
        (start("POST /chat HTTP/1.1"), E::MethodNotGet),
        (start("HEAD /chat HTTP/1.1"), E::MethodNotGet),
        (start("get /chat HTTP/1.1"), E::MethodNotGet),
        (start("CONNECT example.com:80 HTTP/1.1"), E::MethodNotGet),
        (start("GET /chat HTTP/1.0"), E::HttpVersionTooOld),
        (start("GET * HTTP/1.1"), E::ResourceName),
        (start("GET chat HTTP/1.1"), E::ResourceName),
        (start("GET example.com:80 HTTP/1.1"), E::ResourceName),
        (start("GET ftp://example.com/ HTTP/1.1"), E::ResourceName),
        (start("GET http:///chat HTTP/1.1"), E::ResourceName),
        (start("GET http://u@h/ HTTP/1.1"), E::ResourceName),
        // The lines of the head (RFC 9112 sections 2.2 and 5).
        (raw(b"GET / HTTP/1.1\n"), E::LineEnding),
        (field(b"A: b\nC: d"), E::LineEnding),
        (raw(b"GET / HTTP/1.1\r\nHost: a\r\n\n"), E::LineEnding),
        (field(b"A: b\rC: d"), E::HeaderValue),
        (field(b"A: \0"), E::HeaderValue),
        (field(b"A: \x1b"), E::HeaderValue),
        (field(b"A: \x7f"), E::HeaderValue),
        (field(b"A: b\r"), E::HeaderValue),
        (field(b" folded"), E::HeaderFolded),
        (field(b"\tfolded: x"), E::HeaderFolded),
        (raw(b"GET / HTTP/1.1\r\n Host: a\r\n"), E::HeaderFolded),
        (field(b"A : b"), E::HeaderName),
        (field(b"A\t: b"), E::HeaderName),
        (field(b"A B: c"), E::HeaderName),
        (field(b": b"), E::HeaderName),
        (field(b"no colon"), E::HeaderName),
        (field(b"\xc3\xa9: b"), E::HeaderName),
        (field(b"A\0: b"), E::HeaderName),
        (field(b"(A): b"), E::HeaderName),
        (field(b"\r"), E::HeaderName),
        // Item 2: Host.
        (replaced("Host:"), E::HostMissing),
        (with(&["Host: example.com"]), E::HostRepeated),
        (with(&["host: other.example"]), E::HostRepeated),
        (replaced("Host: "), E::HostInvalid),
        (replaced("Host: a b"), E::HostInvalid),
        (replaced("Host: a, b"), E::HostInvalid),
        (replaced("Host: a/b"), E::HostInvalid),
        (replaced("Host: u@a"), E::HostInvalid),
        (replaced("Host: a:b"), E::HostInvalid),
        (replaced("Host: a:65536"), E::HostInvalid),
        (replaced("Host: a:80:80"), E::HostInvalid),
        (replaced("Host: :80"), E::HostInvalid),
        (replaced("Host: [::1"), E::HostInvalid),
        (replaced("Host: [::g]"), E::HostInvalid),
        (replaced("Host: [::1]x"), E::HostInvalid),
        (replaced("Host: ::1"), E::HostInvalid),
        (replaced("Host: a%2"), E::HostInvalid),
        (replaced("Host: \u{e9}"), E::HostInvalid),
        // Item 3: Upgrade.
        (replaced("Upgrade:"), E::UpgradeMissing),
        (replaced("Upgrade: h2c"), E::UpgradeMissing),
        (replaced("Upgrade: web socket"), E::UpgradeMissing),
        (replaced("Upgrade: websocket/13"), E::UpgradeMissing),
        (replaced("Upgrade: \"websocket\""), E::UpgradeMissing),
        (
            head("GET / HTTP/1.1", &["Host: a", "Sec-WebSocket-Foo: x"]),
            E::UpgradeMissing,
        ),
        // Item 4: Connection.
        (replaced("Connection:"), E::ConnectionMissing),
        (replaced("Connection: close"), E::ConnectionMissing),
        (replaced("Connection: keep-alive Upgrade"), E::ConnectionMissing),
        (replaced("Connection: upgrades"), E::ConnectionMissing),
        // Item 5: the key.
        (replaced("Sec-WebSocket-Key:"), E::KeyMissing),
        (with(&[KEY]), E::KeyRepeated),
        (replaced("Sec-WebSocket-Key: "), E::KeyInvalid),
        (replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="), E::KeyInvalid),
        (replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), E::KeyInvalid),
        (replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"), E::KeyInvalid),
        (replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA="), E::KeyInvalid),
        (replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"), E::KeyInvalid),
        (
            replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAAAA=="),
            E::KeyInvalid,
        ),
        (replaced("Sec-WebSocket-Key: dGhlIHNhbXBs_SBub25jZQ=="), E::KeyInvalid),
        (replaced("Sec-WebSocket-Key: dGhl IHNhbXBsZSBub25jZQ=="), E::KeyInvalid),
        (replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ==="), E::KeyInvalid),
        (
            replaced("Sec-WebSocket-Key: \u{e9}GhlIHNhbXBsZSBub25jZQ=="),
            E::NotAscii,
        ),
        // Item 6: the version.
        (replaced("Sec-WebSocket-Version:"), E::VersionMissing),
        (with(&["Sec-WebSocket-Version: 13"]), E::VersionRepeated),
        (with(&["Sec-WebSocket-Version: 8"]), E::VersionRepeated),
        (replaced("Sec-WebSocket-Version: 13, 8"), E::VersionRepeated),
        (replaced("Sec-WebSocket-Version: 8"), E::VersionUnsupported),
        (replaced("Sec-WebSocket-Version: 14"), E::VersionUnsupported),
        (replaced("Sec-WebSocket-Version: 013"), E::VersionUnsupported),
        (replaced("Sec-WebSocket-Version: 13a"), E::VersionUnsupported),
        (replaced("Sec-WebSocket-Version: "), E::VersionUnsupported),
        // Item 7: the origin.
        (with(&["Origin: http://a", "Origin: http://a"]), E::OriginRepeated),
        // Item 8: subprotocols (section 4.3).
        (with(&["Sec-WebSocket-Protocol: "]), E::SubprotocolMalformed),
        (with(&["Sec-WebSocket-Protocol: ,,"]), E::SubprotocolMalformed),
        (with(&["Sec-WebSocket-Protocol: a b"]), E::SubprotocolMalformed),
        (with(&["Sec-WebSocket-Protocol: a;b"]), E::SubprotocolMalformed),
        (with(&["Sec-WebSocket-Protocol: \"a\""]), E::SubprotocolMalformed),
        (
            with(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b/c"]),
            E::SubprotocolMalformed,
        ),
        (with(&["Sec-WebSocket-Protocol: a, b, a"]), E::SubprotocolRepeated),
        (
            with(&["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: b"]),
            E::SubprotocolRepeated,
        ),
        (with(&["Sec-WebSocket-Protocol: \u{fc}"]), E::NotAscii),
        (
            with(&[&format!("Sec-WebSocket-Protocol: {}", many.join(","))]),
            E::TooManySubprotocols,
        ),
        // Item 9: extensions (section 9.1).
        (with(&["Sec-WebSocket-Extensions: "]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: ,"]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: a b"]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: a;"]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: a; b="]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: a; b=\"c"]), E::ExtensionMalformed),
        (with(&["Sec-WebSocket-Extensions: a; b=\"c d\""]), E::ExtensionMalformed),
        (
            with(&["Sec-WebSocket-Extensions: a", "Sec-WebSocket-Extensions: ;"]),
            E::ExtensionMalformed,
        ),
        (with(&["Sec-WebSocket-Extensions: \u{fc}"]), E::NotAscii),
        (with(&["Sec-WebSocket-Future: \u{fc}"]), E::NotAscii),
        // A handshake has no body.
        (with(&["Content-Length: 1"]), E::BodyDeclared),
        (with(&["Content-Length: 0", "Content-Length: 5"]), E::BodyDeclared),
        (with(&["Content-Length: "]), E::BodyDeclared),
        (with(&["Content-Length: +0"]), E::BodyDeclared),
        (with(&["Transfer-Encoding: chunked"]), E::BodyDeclared),
    ]
}

#[test]
fn section_4_2_1_refused_requests() {
    let refused = refused();
    assert!(refused.len() >= 60);
    for (bytes, expected) in refused {
        let text = bytes.escape_ascii().to_string();
        let outcome = every_split(&bytes, &Limits::default());
        assert_eq!(outcome.result, Err(expected), "{text}");
        let line = match expected.status() {
            Some(400) => "HTTP/1.1 400 Bad Request\r\n",
            Some(405) => "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n",
            Some(426) => "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            Some(431) => "HTTP/1.1 431 Request Header Fields Too Large\r\n",
            Some(505) => "HTTP/1.1 505 HTTP Version Not Supported\r\n",
            other => panic!("{other:?} for {text}"),
        };
        assert!(outcome.out.starts_with(line), "{} for {text}", outcome.out);
        let connection = if expected.status() == Some(426) {
            "close, Upgrade"
        } else {
            "close"
        };
        assert!(
            outcome.out.contains(&format!("\r\nConnection: {connection}\r\n")),
            "{}",
            outcome.out
        );
        check_response(&outcome.out, bytes.starts_with(b"HEAD "));
    }
}

/// Every rule of the server's side has its row above, or its own test below.
#[test]
fn every_rule_is_tested() {
    let refused = refused();
    for rule in E::ALL {
        let elsewhere = [
            E::HeadTooLarge,
            E::TooManyHeaders,
            E::EndOfStream,
            // With the deadlines of the machine with buffers.
            E::TimedOut,
            E::MethodNotConnect,
            // Beside the scanner, where memory can be made to run out.
            E::OutOfMemory,
        ];
        let of_client = rule.status().is_none();
        let known = refused.iter().any(|(_, error)| error == rule) || elsewhere.contains(rule) || of_client;
        assert!(known, "{rule:?}");
    }
}

/// What wraps an error says what that says, and does not name it as its source, too: a report of both would say it twice.
#[test]
fn errors_say_what_is_wrong() {
    use std::error::Error;
    let full = OutputFull { needed: 7 };
    let pairs: [(&dyn Error, &dyn Error); 6] = [
        (&RequestError::Refused(E::HostMissing), &E::HostMissing),
        (&RequestError::Misuse(Misuse::HeaderName), &Misuse::HeaderName),
        (&RequestError::OutputFull(full), &full),
        (&ConnectError::Failed(E::AcceptMissing), &E::AcceptMissing),
        (&ConnectError::Misuse(Misuse::HeaderName), &Misuse::HeaderName),
        (&ConnectError::OutputFull(full), &full),
    ];
    for (outer, inner) in pairs {
        assert!(!inner.to_string().is_empty());
        assert_eq!(outer.to_string(), inner.to_string());
        assert!(outer.source().is_none());
    }
    let rejected = ConnectError::Rejected { status: 404 };
    assert!(rejected.to_string().contains("404"));
    for rule in E::ALL {
        assert!(rule.to_string().ends_with(&format!(" ({})", rule.section())), "{rule}");
    }
}

/// The response as an HTTP client sees it: the length of the body is right.
fn check_response(response: &str, head_only: bool) {
    let mut storage = [httparse::EMPTY_HEADER; 20];
    let mut parsed = httparse::Response::new(&mut storage);
    let head_len = parsed.parse(response.as_bytes()).unwrap().unwrap();
    let length = parsed
        .headers
        .iter()
        .find(|header| header.name == "Content-Length")
        .unwrap();
    let length: usize = std::str::from_utf8(length.value).unwrap().parse().unwrap();
    assert_eq!(
        response.len() - head_len,
        if head_only { 0 } else { length },
        "{response}"
    );
    assert!(length > 0);
    // What a fixed output is told to have room for.
    assert!(response.len() <= 256, "{response}");
}

#[test]
fn the_rules_come_in_the_order_of_the_bytes() {
    // Two faults: the first one counts, also when both come in one piece.
    assert_eq!(error(b"GET /#a HTTP/1.1\r\nA B: c\r\n"), E::RequestTarget);
    assert_eq!(error(b"GET / HTTP/1.1\r\nA: \0\r\n folded\r\n"), E::HeaderValue);
    // And it counts as soon as its line has come.
    let bytes = b"GET / HTTP/1.1\r\nA B: c\r\nHost: a\r\n\r\n";
    assert_eq!(every_split(bytes, &Limits::default()).at, 24);
    assert_eq!(every_split(b"\x16\x03\x01", &Limits::default()).at, 1);
}

/// A field whose name is as long as one of the handshake's, and starts alike, is not taken for it.
#[test]
fn names_that_are_nearly_those_of_the_handshake() {
    let missing = [
        ("Hosx: example.com", E::HostMissing),
        ("Upgradx: websocket", E::UpgradeMissing),
        ("Connectiox: Upgrade", E::ConnectionMissing),
        ("Sec-WebSocket-Kex: dGhlIHNhbXBsZSBub25jZQ==", E::KeyMissing),
        ("Sec-WebSocket-Versiox: 13", E::VersionMissing),
    ];
    for (at, (near, error)) in missing.into_iter().enumerate() {
        let mut fields = BASE;
        fields[at] = near;
        assert_eq!(super::error(&head(START, &fields)), error, "{near}");
    }
    for near in [
        "Hosx: other",
        "Origix: a\r\nOrigix: b",
        "Content-Lengtx: 5",
        "Transfer-Encodinx: chunked",
        "Sec-WebSocket-Kex: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Accepx: a\r\nSec-WebSocket-Accepx: b",
        "Sec-WebSocket-Protocox: chat,,\"",
        "Sec-WebSocket-Extensionx: ;",
    ] {
        let bytes = with(&[near]);
        assert_eq!(run(&bytes).out, run(&with(&[])).out, "{near}");
        upgrade(&bytes, |upgrade| {
            assert_eq!(upgrade.request().subprotocols().count(), 0, "{near}");
            assert_eq!(upgrade.request().extensions().count(), 0, "{near}");
            assert_eq!(upgrade.request().origin(), None, "{near}");
        });
    }
}
