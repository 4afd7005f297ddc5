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
use sockless::buffer::{OutputFull, ReadBuffer, SliceOutput, Storage};
use sockless::connection::Extensions;
use sockless::handshake::{
    AcceptOptions, ConnectError, HandshakeError as E, HttpResponse, HttpVersion, Misuse, Request, RequestError,
    ServerHandshake, Upgrade, ValidRequest,
};
use sockless::limits::Limits;

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

/// Feeds the bytes up to each of `ends`, then all of them.
fn run_in<S: Storage>(
    mut input: ReadBuffer<S>,
    bytes: &[u8],
    ends: impl IntoIterator<Item = usize>,
    limits: &Limits,
) -> Outcome {
    let mut handshake = ServerHandshake::new(limits);
    let mut out = Vec::new();
    let mut fed = 0;
    for end in ends.into_iter().chain([bytes.len()]) {
        feed(&mut input, &bytes[fed..end.max(fed)]);
        fed = end.max(fed);
        let result = match handshake.receive(&mut input, &mut out) {
            Ok(None) => continue,
            Ok(Some(request)) => {
                let (upgrade, method, target, fields) = match &request {
                    Request::Upgrade(upgrade) => {
                        upgrade.accept(&AcceptOptions::new(), &mut out).unwrap();
                        let query = upgrade.query().map(|query| format!("?{query}"));
                        let target = upgrade.path().to_owned() + &query.unwrap_or_default();
                        (true, "GET", target, fields(upgrade.request().headers()))
                    }
                    Request::Http(http) => (false, http.method, http.target.to_owned(), fields(http.headers)),
                };
                let method = method.to_owned();
                // What follows the head lies where the connection looks, and is left there.
                let held = input.unread().len();
                assert!(matches!(handshake.receive(&mut input, &mut out), Ok(None)));
                // Nothing is missing any more.
                assert_eq!(handshake.end_of_stream(), Ok(()));
                handshake.timed_out(&mut input, &mut out).unwrap();
                assert_eq!(input.unread().len(), held);
                feed(&mut input, &bytes[fed..]);
                let rest = input.unread().to_vec();
                Ok(Some(Seen {
                    upgrade,
                    method,
                    target,
                    head_len: bytes.len() - rest.len(),
                    fields,
                    rest,
                }))
            }
            Err(RequestError::Refused(error)) => {
                // All input is discarded. The error is sticky, and answered once.
                assert!(input.unread().is_empty());
                let answered = out.len();
                for again in [&bytes[..end], bytes, b""] {
                    feed(&mut input, again);
                    let again = handshake.receive(&mut input, &mut out);
                    assert!(matches!(again, Err(RequestError::Refused(same)) if same == error));
                    assert!(input.unread().is_empty());
                }
                let timed_out = handshake.timed_out(&mut input, &mut out);
                assert!(matches!(timed_out, Err(RequestError::Refused(same)) if same == error));
                assert_eq!(handshake.end_of_stream(), Err(error));
                assert_eq!(out.len(), answered);
                Err(error)
            }
            Err(full) => panic!("{full}"),
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

fn run_limited(bytes: &[u8], ends: impl IntoIterator<Item = usize>, limits: &Limits) -> Outcome {
    run_in(ReadBuffer::new(), bytes, ends, limits)
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
    let mut memory = vec![0; bytes.len() + 1];
    for at in 0..=bytes.len() {
        let split = run_limited(bytes, [at], limits);
        if *limits == Limits::default() {
            let fixed = run_in(ReadBuffer::fixed(&mut memory[..]), bytes, [at], limits);
            assert_eq!(split, fixed, "{at} {}", bytes.escape_ascii());
        }
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
    match ServerHandshake::new(&Limits::default()).receive(&mut buffer(bytes), &mut out) {
        Ok(Some(Request::Upgrade(upgrade))) => then(&upgrade),
        other => panic!("{other:?} for {}", bytes.escape_ascii()),
    }
}

fn error(bytes: &[u8]) -> E {
    run(bytes).result.expect_err(&bytes.escape_ascii().to_string())
}
