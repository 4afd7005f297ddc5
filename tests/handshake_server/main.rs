//! The server's opening handshake, by sections of RFC 6455.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod answers;
mod bounds;
mod doors;
mod requests;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sockless::handshake::{
    AcceptOptions, HandshakeError as E, HttpResponse, HttpVersion, Misuse, Offer, OriginPolicy, Request, RequestError,
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
                        upgrade.accept(&AcceptOptions::new(), &mut out).unwrap();
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
