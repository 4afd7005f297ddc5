//! The server's opening handshake, by sections of RFC 6455.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sockless::handshake::{
    Acceptance, HandshakeError as E, HttpResponse, HttpVersion, Misuse, Offer, OriginPolicy, Request, RequestError,
    ServerHandshake, Upgrade, WriteError,
};
use sockless::limits::Limits;
use sockless::output::{OutputFull, SliceOutput};

/// Failing seeds, which are tried first.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/handshake_server.txt");

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const START: &str = "GET /chat HTTP/1.1";
const BASE: [&str; 5] = [
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    KEY,
    "Sec-WebSocket-Version: 13",
];

/// A request line, header lines, and the empty line.
fn head(start: &str, fields: &[&str]) -> Vec<u8> {
    let mut head = format!("{start}\r\n");
    for field in fields {
        head += field;
        head += "\r\n";
    }
    (head + "\r\n").into_bytes()
}

/// The plain handshake with further header lines.
fn with(more: &[&str]) -> Vec<u8> {
    head(START, &[&BASE, more].concat())
}

/// The plain handshake where the line of the same name is replaced, by nothing if `line` has no value.
fn replaced(line: &str) -> Vec<u8> {
    let name = line.split(':').next().unwrap();
    let fields = BASE.map(|old| {
        if old.starts_with(&format!("{name}:")) {
            line
        } else {
            old
        }
    });
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|field| *field != format!("{name}:"))
        .collect();
    head(START, &fields)
}

/// The example of RFC 6455 section 1.2 (and 1.3).
fn example() -> Vec<u8> {
    head(
        "GET /chat HTTP/1.1",
        &[
            "Host: server.example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            KEY,
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Version: 13",
        ],
    )
}

/// All that a caller can see of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    result: Result<Option<Seen>, E>,
    out: String,
    /// How many bytes had arrived when the result came.
    at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    upgrade: bool,
    method: String,
    target: String,
    head_len: usize,
    fields: Vec<(String, Vec<u8>)>,
    rest: Vec<u8>,
}

fn fields<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, Vec<u8>)> {
    fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Feeds the bytes up to each of `ends`, then all of them.
fn run_limited(bytes: &[u8], ends: impl IntoIterator<Item = usize>, limits: &Limits) -> Outcome {
    let mut handshake = ServerHandshake::new(limits);
    let mut out = Vec::new();
    for end in ends.into_iter().chain([bytes.len()]) {
        let result = match handshake.receive(&bytes[..end], &mut out) {
            Ok(None) => continue,
            Ok(Some(request)) => {
                let rest = bytes[request.head_len()..].to_vec();
                let head_len = request.head_len();
                Ok(Some(match &request {
                    Request::Upgrade(upgrade) => {
                        upgrade.accept(&Acceptance::new(), &mut out).unwrap();
                        let fields = fields(upgrade.headers());
                        let target = upgrade.target().to_owned();
                        Seen {
                            upgrade: true,
                            method: "GET".to_owned(),
                            target,
                            head_len,
                            fields,
                            rest,
                        }
                    }
                    Request::Http(http) => {
                        let (method, target) = (http.method().to_owned(), http.target().to_owned());
                        Seen {
                            upgrade: false,
                            method,
                            target,
                            head_len,
                            fields: fields(http.headers()),
                            rest,
                        }
                    }
                }))
            }
            Err(RequestError::Refused(error)) => {
                // Sticky, and answered once.
                let answered = out.len();
                for again in [&bytes[..end], bytes, b""] {
                    let again = handshake.receive(again, &mut out);
                    assert!(matches!(again, Err(RequestError::Refused(same)) if same == error));
                }
                assert_eq!(out.len(), answered);
                assert_eq!(handshake.end_of_stream(), Err(error));
                Err(error)
            }
            Err(RequestError::OutputFull(full)) => panic!("{full}"),
        };
        return Outcome {
            result,
            out: String::from_utf8(out).unwrap(),
            at: end,
        };
    }
    Outcome {
        result: Ok(None),
        out: String::from_utf8(out).unwrap(),
        at: bytes.len(),
    }
}

fn run(bytes: &[u8]) -> Outcome {
    run_limited(bytes, [], &Limits::default())
}

/// Law L1: whole, byte by byte and every two-way split give the same.
fn every_split(bytes: &[u8], limits: &Limits) -> Outcome {
    let whole = run_limited(bytes, [], limits);
    let bytewise = run_limited(bytes, 0..=bytes.len(), limits);
    assert_eq!(
        (&whole.result, &whole.out),
        (&bytewise.result, &bytewise.out),
        "{}",
        bytes.escape_ascii()
    );
    for at in 0..=bytes.len() {
        let split = run_limited(bytes, [at], limits);
        assert_eq!(
            (&whole.result, &whole.out),
            (&split.result, &split.out),
            "{at} {}",
            bytes.escape_ascii()
        );
    }
    // The moment is that of the byte that decides.
    Outcome {
        at: bytewise.at,
        ..whole
    }
}

fn upgrade<T>(bytes: &[u8], then: impl FnOnce(&Upgrade<'_>) -> T) -> T {
    let mut out = Vec::new();
    match ServerHandshake::new(&Limits::default()).receive(bytes, &mut out) {
        Ok(Some(Request::Upgrade(upgrade))) => then(&upgrade),
        other => panic!("{other:?} for {}", bytes.escape_ascii()),
    }
}

fn error(bytes: &[u8]) -> E {
    run(bytes).result.expect_err(&bytes.escape_ascii().to_string())
}

// ---- Sections 1.2 and 1.3

#[test]
fn section_1_2_and_1_3_the_example() {
    let mut bytes = example();
    let head_len = bytes.len();
    bytes.extend(b"\x81\x85");
    let mut out = Vec::new();
    let mut handshake = ServerHandshake::new(&Limits::default());
    let Ok(Some(Request::Upgrade(upgrade))) = handshake.receive(&bytes, &mut out) else {
        panic!()
    };
    assert_eq!(upgrade.target(), "/chat");
    assert_eq!(upgrade.resource_name(), "/chat");
    assert_eq!(upgrade.host(), "server.example.com");
    assert_eq!(upgrade.origin(), Some(b"http://example.com".as_slice()));
    assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    assert_eq!(upgrade.extensions().count(), 0);
    assert_eq!(upgrade.header("sec-websocket-version"), Some(b"13".as_slice()));
    assert_eq!(upgrade.header("nothing"), None);
    assert_eq!(upgrade.headers().count(), 7);
    assert_eq!(upgrade.head_len(), head_len);
    assert_eq!(
        upgrade.choose_subprotocol(&["soap", "superchat", "chat"]),
        Some("superchat")
    );
    assert_eq!(upgrade.choose_subprotocol(&["Chat"]), None);
    assert!(out.is_empty());
    upgrade
        .accept(&Acceptance::new().subprotocol("chat"), &mut out)
        .unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    assert_eq!(handshake.end_of_stream(), Ok(()));
}

// ---- Section 4.2.1, what must be accepted

fn accepted() -> Vec<Vec<u8>> {
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
    let name = |target: &str| {
        upgrade(&head(&format!("GET {target} HTTP/1.1"), &BASE), |u| {
            u.resource_name().to_string()
        })
    };
    assert_eq!(name("/"), "/");
    assert_eq!(name("/a/b?c=d?e"), "/a/b?c=d?e");
    assert_eq!(name("http://example.com"), "/");
    assert_eq!(name("HTTPS://example.com:1/x?y"), "/x?y");
    assert_eq!(name("wss://example.com?y"), "/?y");
    assert_eq!(name("//double"), "//double");
    upgrade(&head("GET ws://example.com?y/z HTTP/1.1", &BASE), |upgrade| {
        let name = upgrade.resource_name();
        assert_eq!((name.path(), name.query(), name.as_str()), ("/", Some("y/z"), None));
        assert_eq!(upgrade.target(), "ws://example.com?y/z");
    });
}

// ---- Section 4.2.1, what must be refused

/// Each with the rule that it breaks.
fn refused() -> Vec<(Vec<u8>, E)> {
    let start = |line: &str| head(line, &BASE);
    let raw = |bytes: &[u8]| bytes.to_vec();
    // A rule that can be judged before the whole head has come needs no more than that.
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
        let elsewhere = [E::HeadTooLarge, E::TooManyHeaders, E::EndOfStream, E::MethodNotConnect];
        let of_client = rule.status().is_none();
        let known = refused.iter().any(|(_, error)| error == rule) || elsewhere.contains(rule) || of_client;
        assert!(known, "{}", rule.name());
    }
}

/// The response as an HTTP client sees it: the length of the body is right.
/// What wraps an error says what that says, and names it as its source.
#[test]
fn errors_say_what_is_wrong() {
    use std::error::Error;
    let full = OutputFull { needed: 7 };
    let pairs: [(&dyn Error, &dyn Error); 4] = [
        (&WriteError::Misuse(Misuse::HeaderName), &Misuse::HeaderName),
        (&WriteError::OutputFull(full), &full),
        (&RequestError::Refused(E::HostMissing), &E::HostMissing),
        (&RequestError::OutputFull(full), &full),
    ];
    for (outer, inner) in pairs {
        assert!(!inner.to_string().is_empty());
        assert_eq!(outer.to_string(), inner.to_string());
        assert_eq!(outer.source().map(ToString::to_string), Some(inner.to_string()));
    }
    for rule in E::ALL {
        assert_eq!(rule.to_string(), format!("{} ({})", rule.text(), rule.section()));
    }
}

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

// ---- Plain HTTP

#[test]
fn plain_http_is_data() {
    for (bytes, method, target, version, count) in [
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
            "GET",
            "/",
            HttpVersion::Http11,
            1,
        ),
        (b"GET / HTTP/1.0\r\n\r\n", "GET", "/", HttpVersion::Http10, 0),
        (
            b"POST /form?x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
            "POST",
            "/form?x",
            HttpVersion::Http11,
            2,
        ),
        (
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "OPTIONS",
            "*",
            HttpVersion::Http11,
            2,
        ),
        (
            b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT",
            "a:80",
            HttpVersion::Http11,
            1,
        ),
        (b"M-SEARCH x HTTP/1.1\r\n\r\n", "M-SEARCH", "x", HttpVersion::Http11, 0),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            "GET",
            "/",
            HttpVersion::Http11,
            3,
        ),
    ] {
        let with_body = [bytes, b"a=b"].concat();
        let outcome = every_split(&with_body, &Limits::default());
        let Ok(Some(seen)) = outcome.result else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (seen.upgrade, &*seen.method, &*seen.target, seen.fields.len()),
            (false, method, target, count)
        );
        assert_eq!(
            (seen.head_len, &*seen.rest, outcome.at),
            (bytes.len(), b"a=b".as_slice(), bytes.len())
        );
        assert_eq!(outcome.out, "");
        let mut out = Vec::new();
        let Ok(Some(Request::Http(http))) = ServerHandshake::new(&Limits::default()).receive(bytes, &mut out) else {
            panic!()
        };
        assert_eq!(http.version(), version);
        let host = (count > 0).then_some(b"a".as_slice());
        assert_eq!((http.header("host"), http.header("hos")), (host, None));
        assert_eq!((http.head_len(), http.headers().count()), (bytes.len(), count));
    }
}

fn respond(request: &[u8], response: &HttpResponse<'_>) -> Result<String, WriteError> {
    let mut out = Vec::new();
    match ServerHandshake::new(&Limits::default()).receive(request, &mut out) {
        Ok(Some(Request::Http(http))) => http.respond(response, &mut out),
        Ok(Some(Request::Upgrade(upgrade))) => upgrade.reject(response, &mut out),
        other => panic!("{other:?}"),
    }
    .map(|()| String::from_utf8(out).unwrap())
}

#[test]
fn plain_http_can_be_answered() {
    let page = HttpResponse::new(200)
        .headers(&[("Content-Type", "text/html"), ("X", "")])
        .body(b"<p>hi");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX: \r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(respond(b"GET / HTTP/1.1\r\n\r\n", &page), Ok(format!("{head}<p>hi")));
    assert_eq!(respond(b"HEAD / HTTP/1.1\r\n\r\n", &page), Ok(head.to_owned()));
    let get = b"GET / HTTP/1.1\r\n\r\n";
    assert_eq!(
        respond(get, &HttpResponse::new(204)),
        Ok("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".into())
    );
    assert_eq!(
        respond(get, &HttpResponse::new(304)),
        Ok("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".into())
    );
    assert_eq!(
        respond(get, &HttpResponse::new(299)),
        Ok("HTTP/1.1 299 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into())
    );
    for status in [204, 205, 304] {
        assert_eq!(
            respond(get, &HttpResponse::new(status).body(b"x")),
            Err(Misuse::BodyNotAllowed.into())
        );
    }
    for status in [0, 100, 101, 199, 600, u16::MAX] {
        assert_eq!(respond(get, &HttpResponse::new(status)), Err(Misuse::Status.into()));
    }
}

#[test]
fn rfc_9110_section_15_reason_phrases() {
    let table = [
        (200, "OK"),
        (201, "Created"),
        (202, "Accepted"),
        (203, ""),
        (204, "No Content"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
        (408, "Request Timeout"),
        (409, "Conflict"),
        (410, "Gone"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (421, "Misdirected Request"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
        (599, ""),
    ];
    for (status, reason) in table {
        let answer = respond(b"GET / HTTP/1.1\r\n\r\n", &HttpResponse::new(status)).unwrap();
        assert_eq!(
            answer.lines().next(),
            Some(format!("HTTP/1.1 {status} {reason}").as_str())
        );
    }
}

// ---- Section 4.2.2

#[test]
fn section_4_2_2_subprotocol_and_extensions_must_have_been_offered() {
    let bytes = with(&["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: x; p, y"]);
    upgrade(&bytes, |upgrade| {
        let mut out = Vec::new();
        let mut misuse = |acceptance: Acceptance<'_>| {
            let result = upgrade.accept(&acceptance, &mut out).map(|_| ());
            assert!(out.is_empty());
            result
        };
        let not_offered = Err(Misuse::SubprotocolNotOffered.into());
        assert_eq!(misuse(Acceptance::new().subprotocol("c")), not_offered);
        assert_eq!(misuse(Acceptance::new().subprotocol("")), not_offered);
        assert_eq!(misuse(Acceptance::new().subprotocol("A")), not_offered);
        assert_eq!(misuse(Acceptance::new().subprotocol("a\r\nX: y")), not_offered);
        assert_eq!(
            misuse(Acceptance::new().extensions(&["x", "z"])),
            Err(Misuse::ExtensionNotOffered.into())
        );
        assert_eq!(
            misuse(Acceptance::new().extensions(&["x, y"])),
            Err(Misuse::ExtensionSyntax.into())
        );
        assert_eq!(
            misuse(Acceptance::new().extensions(&["x\r\n"])),
            Err(Misuse::ExtensionSyntax.into())
        );
        assert_eq!(
            misuse(Acceptance::new().extensions(&[""])),
            Err(Misuse::ExtensionSyntax.into())
        );
        // The machine is as it was: the request can still be answered.
        let acceptance = Acceptance::new()
            .subprotocol("b")
            .extensions(&["y", "x; q=1"])
            .headers(&[("Server", "me")]);
        upgrade.accept(&acceptance, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n\
             Sec-WebSocket-Extensions: y, x; q=1\r\nServer: me\r\n\r\n"
        );
    });
}

#[test]
fn section_4_2_2_the_applications_header_fields_cannot_forge() {
    let cases: &[(&str, &str, Misuse)] = &[
        ("", "a", Misuse::HeaderName),
        ("A B", "a", Misuse::HeaderName),
        ("A:", "a", Misuse::HeaderName),
        ("A\r\nB", "a", Misuse::HeaderName),
        ("\u{e9}", "a", Misuse::HeaderName),
        ("A", "a\r\nB: c", Misuse::HeaderValue),
        ("A", "a\n", Misuse::HeaderValue),
        ("A", "a\r", Misuse::HeaderValue),
        ("A", "a\0", Misuse::HeaderValue),
        ("A", "\x1b[0m", Misuse::HeaderValue),
        ("A", "\x7f", Misuse::HeaderValue),
        ("upgrade", "h2c", Misuse::HeaderManaged),
        ("Connection", "close", Misuse::HeaderManaged),
        ("Content-length", "1", Misuse::HeaderManaged),
        ("TRANSFER-ENCODING", "chunked", Misuse::HeaderManaged),
        ("Sec-WebSocket-Accept", "x", Misuse::HeaderManaged),
        ("sec-websocket-protocol", "x", Misuse::HeaderManaged),
        ("Sec-WebSocket-Future", "x", Misuse::HeaderManaged),
    ];
    upgrade(&with(&[]), |upgrade| {
        for &(name, value, misuse) in cases {
            let mut out = Vec::new();
            let headers = [("Fine", "a\tb \u{e9}"), (name, value)];
            let accepted = upgrade
                .accept(&Acceptance::new().headers(&headers), &mut out)
                .map(|_| ());
            assert_eq!(accepted, Err(misuse.into()), "{name:?} {value:?}");
            let rejected = upgrade.reject(&HttpResponse::new(403).headers(&headers), &mut out);
            assert_eq!(rejected, Err(misuse.into()), "{name:?} {value:?}");
            assert!(out.is_empty());
        }
    });
}

#[test]
fn section_4_2_2_a_handshake_can_be_rejected() {
    let forbidden = HttpResponse::new(403)
        .headers(&[("Content-Type", "text/plain")])
        .body(b"no\n");
    assert_eq!(
        respond(&with(&[]), &forbidden).unwrap(),
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n"
    );
    let elsewhere = HttpResponse::new(307).headers(&[("Location", "wss://example.com/")]);
    assert!(
        respond(&with(&[]), &elsewhere)
            .unwrap()
            .starts_with("HTTP/1.1 307 Temporary Redirect\r\nLocation: wss:")
    );
}

#[test]
fn section_10_2_origins() {
    let allowed = ["https://example.com", "http://localhost:8080"];
    for (origin, expected) in [
        ("https://example.com", true),
        ("HTTPS://Example.COM", true),
        ("http://localhost:8080", true),
        ("http://localhost", false),
        ("http://example.com", false),
        ("https://example.com:443", false),
        ("https://example.com:8443", false),
        ("https://example.com/", false),
        ("https://example.com.evil.example", false),
        ("https://evil.example/https://example.com", false),
        ("https://sub.example.com", false),
        ("https://example.com https://evil.example", false),
        ("null", false),
        ("", false),
    ] {
        let bytes = with(&[&format!("Origin: {origin}")]);
        assert_eq!(
            upgrade(&bytes, |upgrade| upgrade.origin_allowed(&allowed)),
            expected,
            "{origin}"
        );
    }
    upgrade(&with(&[]), |upgrade| {
        assert!(!upgrade.origin_allowed(&allowed));
        assert!(OriginPolicy::only(&allowed).or_missing().allows(upgrade.origin()));
        assert!(!OriginPolicy::only(&[]).or_missing().allows(Some(b"null")));
    });
}

// ---- Section 9.1

#[test]
fn section_9_1_offered_extensions() {
    let bytes = with(&[
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; x=\"1\\0\", , a",
        "Sec-WebSocket-Extensions: permessage-deflate",
    ]);
    upgrade(&bytes, |upgrade| {
        let extensions: Vec<_> = upgrade.extensions().collect();
        let names: Vec<_> = extensions.iter().map(|extension| extension.name()).collect();
        assert_eq!(names, ["permessage-deflate", "a", "permessage-deflate"]);
        let params: Vec<_> = extensions[0].params().collect();
        assert_eq!((params[0].name(), params[0].value()), ("client_max_window_bits", None));
        assert!(params[1].name() == "x" && params[1].value().unwrap() == "10");
    });
}

// ---- Limits

#[test]
fn limits_head_len() {
    let bytes = [example(), b"\x81\x80".to_vec()].concat();
    let len = example().len();
    let at = |max: usize| {
        every_split(
            &bytes,
            &Limits::default().with_max_head_len(u32::try_from(max).unwrap()),
        )
    };
    assert!(matches!(at(len + 1).result, Ok(Some(_))));
    assert!(matches!(at(len).result, Ok(Some(_))));
    // Whatever the limit, it is the byte with which the longest head would have had to end that is refused.
    for max in 0..len {
        let outcome = at(max);
        assert_eq!((outcome.result, outcome.at), (Err(E::HeadTooLarge), max.max(1)));
        assert!(outcome.out.starts_with("HTTP/1.1 431 "));
    }
    // Also when there is no line end to come, and when a bad line ends beyond the limit.
    let limits = Limits::default().with_max_head_len(20);
    assert_eq!(every_split(&[b'A'; 30], &limits).result, Err(E::HeadTooLarge));
    assert_eq!(
        every_split(b"GET /12345678901234 HTTP/9\n", &limits).result,
        Err(E::HeadTooLarge)
    );
    assert_eq!(
        every_split(b"GET / HTTP/1.1\r\nA B\r\n", &limits).result,
        Err(E::HeadTooLarge)
    );
    assert_eq!(
        every_split(b"GET / HTTP/1.1\r\nAB\r\n", &limits).result,
        Err(E::HeaderName)
    );
    // The answer to HEAD has no body, and does not depend on what came with the byte over the limit.
    for max in 3..8 {
        let limits = Limits::default().with_max_head_len(max);
        let out = every_split(b"HEAD / HTTP/1.1\r\n\r\n", &limits).out;
        assert_eq!(out.ends_with("\r\n\r\n"), max >= 5);
    }
}

#[test]
fn limits_headers() {
    let limits = |max| Limits::default().with_max_headers(max);
    for count in [0, 1, 5, 100] {
        let bytes = [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"a: b\r\n".repeat(count),
            b"\r\n".to_vec(),
        ]
        .concat();
        let max = u32::try_from(count).unwrap();
        assert!(matches!(every_split(&bytes, &limits(max)).result, Ok(Some(_))));
        assert!(matches!(every_split(&bytes, &limits(max + 1)).result, Ok(Some(_))));
        if count > 0 {
            let outcome = every_split(&bytes, &limits(max - 1));
            // At the end of the line that is one too many.
            assert_eq!((outcome.result, outcome.at), (Err(E::TooManyHeaders), bytes.len() - 2));
            assert!(outcome.out.starts_with("HTTP/1.1 431 "));
        }
    }
}

#[test]
fn limits_subprotocols() {
    for (count, expected) in [(63, None), (64, None), (65, Some(E::TooManySubprotocols))] {
        let names: Vec<_> = (0..count).map(|n| format!("p{n}")).collect();
        let line = format!("Sec-WebSocket-Protocol: {}", names.join(","));
        assert_eq!(run(&with(&[&line])).result.err(), expected);
    }
}

// ---- Output, end of stream

#[test]
fn a_full_output_loses_nothing() {
    let bytes = with(&[]);
    upgrade(&bytes, |upgrade| {
        let mut expected = Vec::new();
        upgrade.accept(&Acceptance::new(), &mut expected).unwrap();
        let mut memory = vec![0; expected.len()];
        for room in 0..expected.len() {
            let mut out = SliceOutput::new(&mut memory[..room]);
            let Err(WriteError::OutputFull(full)) = upgrade.accept(&Acceptance::new(), &mut out) else {
                panic!()
            };
            assert_eq!((full.needed, out.as_bytes()), (expected.len(), b"".as_slice()));
        }
        let mut out = SliceOutput::new(&mut memory);
        upgrade.accept(&Acceptance::new(), &mut out).unwrap();
        assert_eq!(out.as_bytes(), expected);
    });

    // The answer to an error is not lost either: it comes once there is room.
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut memory = [0; 300];
    let bad = b"GET / HTTP/1.1\r\nA B: c\r\n";
    for _ in 0..2 {
        let result = handshake.receive(bad, &mut SliceOutput::new(&mut memory[..20]));
        assert!(matches!(result, Err(RequestError::OutputFull(_))));
    }
    let mut out = SliceOutput::new(&mut memory);
    for _ in 0..2 {
        let result = handshake.receive(bad, &mut out);
        assert!(matches!(result, Err(RequestError::Refused(E::HeaderName))));
        assert_eq!(String::from_utf8_lossy(out.as_bytes()), run(bad).out);
    }
}

#[test]
fn the_end_of_the_stream_in_the_middle_of_a_head() {
    let bytes = example();
    for end in 0..bytes.len() {
        let (mut handshake, mut out) = (ServerHandshake::new(&Limits::default()), Vec::new());
        assert!(matches!(handshake.receive(&bytes[..end], &mut out), Ok(None)));
        assert_eq!(handshake.end_of_stream(), Err(E::EndOfStream));
        let after = handshake.receive(&bytes, &mut out);
        assert!(matches!(after, Err(RequestError::Refused(E::EndOfStream))));
        assert!(out.is_empty());
    }
}

// ---- Law L4, counted

/// Counts how many header fields are taken from it, by all its clones.
#[derive(Clone)]
struct Counting<'c> {
    fields: std::slice::Iter<'c, (&'c str, &'c [u8])>,
    taken: &'c std::cell::Cell<usize>,
}

impl<'c> Iterator for Counting<'c> {
    type Item = (&'c str, &'c [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.taken.set(self.taken.get() + 1);
        self.fields.next().copied()
    }
}

#[test]
fn negotiation_takes_a_fixed_number_of_passes() {
    for more in [0, 10, 1000] {
        let mut all: Vec<(&str, &[u8])> = vec![
            ("Host", b"a"),
            ("Upgrade", b"websocket"),
            ("Connection", b"upgrade"),
            ("Sec-WebSocket-Version", b"13"),
            ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", b"a, b, c, d, e, f"),
        ];
        all.extend(std::iter::repeat_n(
            ("Sec-WebSocket-Extensions", b"x; y=1, z".as_slice()),
            more,
        ));
        let taken = std::cell::Cell::new(0);
        let counting = Counting {
            fields: all.iter(),
            taken: &taken,
        };
        assert!(
            Offer::from_request("GET", HttpVersion::Http11, counting)
                .unwrap()
                .is_some()
        );
        assert!(taken.get() <= 3 * (all.len() + 1), "{} for {}", taken.get(), all.len());
    }
}

// ---- Other doors

#[test]
fn the_door_over_header_pairs_has_the_same_rules() {
    for (bytes, expected) in refused() {
        // Those that have a complete head that another parser accepts.
        let mut storage = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut storage);
        if !matches!(parsed.parse(&bytes), Ok(httparse::Status::Complete(_))) || expected == E::ResourceName {
            continue;
        }
        let strict = [E::LineEnding, E::RequestTarget];
        let version = if parsed.version == Some(0) {
            HttpVersion::Http10
        } else {
            HttpVersion::Http11
        };
        let pairs = parsed.headers.iter().map(|header| (header.name, header.value));
        let result = Offer::from_request(parsed.method.unwrap(), version, pairs);
        assert!(
            result.as_ref().err() == Some(&expected) || strict.contains(&expected),
            "{expected:?} {result:?}"
        );
    }
}

/// An HTTP library may leave white space around values, which is not part of them (RFC 9110 section 5.5).
#[test]
fn an_offer_shows_what_was_asked() {
    let fields: [(&str, &[u8]); 8] = [
        ("host", b" example.com:81 "),
        ("upgrade", b"websocket"),
        ("connection", b"upgrade"),
        ("sec-websocket-version", b"13"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", b"chat , superchat"),
        ("sec-websocket-extensions", b" x; a=1, y"),
        ("X-More", b"\t1 "),
    ];
    let offer = Offer::from_request("GET", HttpVersion::Http11, fields.into_iter())
        .unwrap()
        .unwrap();
    assert_eq!((offer.host(), offer.origin()), (Some("example.com:81"), None));
    assert!(offer.headers().eq(fields));
    assert_eq!(offer.header("x-more"), Some(b"1".as_slice()));
    assert_eq!(offer.header("x-less"), None);
    assert!(offer.subprotocols().eq(["chat", "superchat"]));
    assert_eq!(offer.choose_subprotocol(&["soap", "superchat"]), Some("superchat"));
    assert_eq!(offer.choose_subprotocol(&["soap"]), None);
    let extensions: Vec<_> = offer.extensions().map(|extension| extension.to_string()).collect();
    assert_eq!(extensions, ["x; a=1", "y"]);
}

#[test]
fn rfc_8441_section_5_extended_connect() {
    let base: [(&str, &[u8]); 4] = [
        ("sec-websocket-protocol", b"chat, superchat"),
        ("sec-websocket-extensions", b"permessage-deflate"),
        ("sec-websocket-version", b"13"),
        ("origin", b"http://www.example.com"),
    ];
    let offer = Offer::from_extended_connect("CONNECT", "websocket", base.into_iter())
        .unwrap()
        .unwrap();
    assert_eq!(
        (offer.host(), offer.origin()),
        (None, Some(b"http://www.example.com".as_slice()))
    );
    let agreement = offer
        .accept(&Acceptance::new().subprotocol("chat").headers(&[("x", "y")]))
        .unwrap();
    let fields: Vec<_> = agreement
        .fields()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    assert_eq!(agreement.status(), 200);
    assert_eq!(
        fields,
        [("Sec-WebSocket-Protocol", "chat".to_owned()), ("x", "y".to_owned())]
    );
    let _ = agreement.into_connection(&Limits::default());

    let connect = |method, protocol, fields: &[(&str, &[u8])]| {
        Offer::from_extended_connect(method, protocol, fields.iter().copied()).map(|offer| offer.is_some())
    };
    assert_eq!(connect("CONNECT", "connect-udp", &base), Ok(false));
    assert_eq!(connect("GET", "websocket", &base), Err(E::MethodNotConnect));
    assert_eq!(E::MethodNotConnect.answer_headers(), [("Allow", "CONNECT")]);
    assert_eq!(connect("CONNECT", "websocket", &base[..2]), Err(E::VersionMissing));
    assert_eq!(
        connect("CONNECT", "websocket", &[(base[2].0, b"8")]),
        Err(E::VersionUnsupported)
    );
    assert_eq!(
        connect("CONNECT", "websocket", &[base[2], (base[0].0, b"a,a")]),
        Err(E::SubprotocolRepeated)
    );
}

// ---- A second opinion, and any bytes at all

/// What is accepted here, `httparse` accepts with the same outcome.
fn same_as_httparse(bytes: &[u8]) {
    let Ok(Some(seen)) = run(bytes).result else { return };
    let mut storage = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut storage);
    assert_eq!(
        parsed.parse(bytes),
        Ok(httparse::Status::Complete(seen.head_len)),
        "{}",
        bytes.escape_ascii()
    );
    assert_eq!((parsed.method, parsed.path), (Some(&*seen.method), Some(&*seen.target)));
    assert_eq!(
        fields(parsed.headers.iter().map(|header| (header.name, header.value))),
        seen.fields
    );
}

#[test]
fn accepted_heads_mean_the_same_to_httparse() {
    for bytes in accepted() {
        same_as_httparse(&bytes);
        // Every byte replaced by a few others.
        for at in 0..bytes.len() {
            for other in *b"\0\t\n\r \",:;=a\x7f\x80\xff" {
                let mut bytes = bytes.clone();
                bytes[at] = other;
                same_as_httparse(&bytes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_in_any_pieces(
        (bytes, mut ends) in prop::collection::vec(
            prop_oneof![
                4 => Just(b"\r\n".to_vec()),
                2 => prop::sample::select(BASE.to_vec()).prop_map(|line| line.as_bytes().to_vec()),
                1 => Just(b"GET / HTTP/1.1\r\n".to_vec()),
                1 => prop::collection::vec(any::<u8>(), 0..8),
                1 => "[ -~]{0,12}: ?[ -~]{0,12}\r\n".prop_map(String::into_bytes),
            ],
            0..24,
        ).prop_map(|parts| [b"GET /x HTTP/1.1\r\n".to_vec(), parts.concat()].concat())
        .prop_flat_map(|bytes| {
            let len = bytes.len();
            (Just(bytes), prop::collection::vec(0..=len, 0..6))
        }),
        max in 0_u32..400,
    ) {
        ends.sort_unstable();
        let limits = Limits::default().with_max_head_len(max).with_max_headers(8);
        let whole = run_limited(&bytes, [], &limits);
        let pieces = run_limited(&bytes, ends, &limits);
        prop_assert_eq!((&whole.result, &whole.out), (&pieces.result, &pieces.out));
        same_as_httparse(&bytes);
    }
}
