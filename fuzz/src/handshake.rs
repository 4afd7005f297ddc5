//! Opening handshakes: however a head is cut, it comes to the same, and to no more than the model accepts.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use arbitrary::{Arbitrary as _, Unstructured};

use crate::conformance::model::{self, Opening};
use crate::conformance::{Role, Split};
use crate::handshake::{
    Acceptance, ClientHandshake, Extension, HandshakeError, HttpVersion, Offer, Proposal, Request, RequestError,
    Response, ServerHandshake, WebSocketUri,
};
use crate::limits::Limits;

/// What a handshake came to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Unfinished,
    /// The length of the head, and what was offered or agreed.
    Accepted(usize, Vec<String>),
    /// Plain HTTP, or a response that is not 101.
    Other(usize),
    Broken(HandshakeError),
}

/// How far each cut is from the start, and the end.
fn stops(split: &Split, role: Role, bytes: &[u8]) -> Vec<usize> {
    let mut stops = split.cuts(role, bytes, bytes.len());
    stops.push(bytes.len());
    stops
}

fn server(limits: &Limits, bytes: &[u8], stops: &[usize]) -> (Seen, Vec<u8>) {
    let mut handshake = ServerHandshake::new(limits);
    let mut out = Vec::new();
    for stop in stops {
        let received = &bytes[..*stop];
        match handshake.receive(received, &mut out) {
            Ok(None) => assert!(out.is_empty(), "an answer before the end of the head"),
            Ok(Some(Request::Http(request))) => return (Seen::Other(request.head_len()), out),
            Ok(Some(Request::Upgrade(upgrade))) => {
                let mut offered: Vec<String> = upgrade.subprotocols().map(ToString::to_string).collect();
                for subprotocol in &offered {
                    assert_eq!(upgrade.choose_subprotocol(&[subprotocol]), Some(subprotocol.as_str()));
                }
                offered.extend(upgrade.extensions().map(|extension| extension.to_string()));
                let accepted = upgrade.accept(&Acceptance::new(), &mut out);
                assert!(accepted.is_ok(), "an accepted request that cannot be answered");
                return (Seen::Accepted(upgrade.head_len(), offered), out);
            }
            Err(RequestError::OutputFull(_)) => assert!(out.is_empty(), "a vector is full"),
            Err(RequestError::Refused(error)) => {
                let before = out.len();
                let again = handshake.receive(bytes, &mut out).map(|_| ());
                assert_eq!(again, Err(RequestError::Refused(error)), "the error is another one");
                assert_eq!(out.len(), before, "a second answer");
                return (Seen::Broken(error), out);
            }
        }
    }
    (Seen::Unfinished, out)
}

/// A request under any limits and cuts; in full, what is accepted is accepted by the model.
pub fn request_head(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok((small, split)) = bool::arbitrary(&mut u).and_then(|small| Ok((small, Split::arbitrary(&mut u)?))) else {
        return;
    };
    let bytes = u.take_rest();
    let limits = if small {
        Limits::default().with_max_head_len(300).with_max_headers(8)
    } else {
        Limits::default()
    };
    let (expected, answer) = server(&limits, bytes, &[bytes.len()]);
    for split in [split, Split::EachByte, Split::Headers] {
        let seen = server(&limits, bytes, &stops(&split, Role::Server, bytes));
        assert_eq!((&seen.0, &seen.1), (&expected, &answer), "{split:?}");
    }
    match expected {
        Seen::Accepted(head_len, _) => {
            assert_eq!(model::request(bytes), Opening::Accepted { head_len });
            let key = String::from_utf8_lossy(&bytes[..head_len]).into_owned();
            let key = key.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("sec-websocket-key")
                    .then(|| value.trim().to_string())
            });
            let opening = model::response(&answer, &key.unwrap_or_default());
            assert_eq!(opening, Opening::Accepted { head_len: answer.len() });
        }
        Seen::Broken(error) => {
            let status = error.status().map_or(String::new(), |status| status.to_string());
            assert_eq!(
                answer.get(9..12),
                Some(status.as_bytes()),
                "an answer with another status"
            );
        }
        Seen::Unfinished | Seen::Other(_) => {}
    }
}

fn client(bytes: &[u8], stops: &[usize]) -> Seen {
    let mut entropy = |key: &mut [u8]| {
        for (to, from) in key.iter_mut().zip(b"the sample nonce") {
            *to = *from;
        }
    };
    let mut out = Vec::new();
    let proposal = Proposal::new();
    let Ok(uri) = WebSocketUri::parse("ws://example.com/") else {
        return Seen::Unfinished;
    };
    let Ok(mut handshake) = ClientHandshake::start(&uri, &proposal, &mut entropy, &Limits::default(), &mut out) else {
        return Seen::Unfinished;
    };
    for stop in stops {
        match handshake.receive(&bytes[..*stop]) {
            Ok(None) => {}
            Ok(Some(Response::Refused(refused))) => {
                assert_ne!(refused.status(), 101);
                return Seen::Other(refused.head_len());
            }
            Ok(Some(Response::Accepted(accepted))) => {
                assert_eq!(accepted.subprotocol(), None);
                assert_eq!(accepted.extensions().count(), 0);
                return Seen::Accepted(accepted.head_len(), Vec::new());
            }
            Err(error) => {
                assert_eq!(
                    handshake.receive(bytes).map(|_| ()),
                    Err(error),
                    "the error is another one"
                );
                return Seen::Broken(error);
            }
        }
    }
    Seen::Unfinished
}

/// A response under any cuts; what is accepted is accepted by the model. The key is that of RFC 6455 section 1.3.
pub fn response_head(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(split) = Split::arbitrary(&mut u) else {
        return;
    };
    let bytes = u.take_rest();
    let expected = client(bytes, &[bytes.len()]);
    for split in [split, Split::EachByte, Split::Headers] {
        assert_eq!(
            client(bytes, &stops(&split, Role::Client, bytes)),
            expected,
            "{split:?}"
        );
    }
    if let Seen::Accepted(head_len, _) = expected {
        assert_eq!(
            model::response(bytes, "dGhlIHNhbXBsZSBub25jZQ=="),
            Opening::Accepted { head_len }
        );
    }
}

/// Extensions and subprotocols: what is parsed is what is printed, and what is offered can be read.
pub fn grammar(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data)
        && let Some(extension) = Extension::parse(text)
    {
        let printed = extension.to_string();
        let again = Extension::parse(&printed);
        assert!(again.is_some(), "what was printed is not parsed: {printed}");
        if let Some(again) = again {
            assert_eq!(again.name(), extension.name());
            assert!(again.params().eq(extension.params()), "{text:?} {printed:?}");
        }
        assert_eq!(Proposal::new().extensions(&[text]).check(), Ok(()));
    }
    let fields = [
        ("Host", &b"a"[..]),
        ("Upgrade", b"websocket"),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", b"13"),
    ];
    for name in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
        let offered = fields.into_iter().chain([(name, data)]);
        if let Ok(Some(offer)) = Offer::from_request("GET", HttpVersion::Http11, offered) {
            let subprotocols: Vec<&str> = offer.subprotocols().collect();
            assert!(Proposal::new().subprotocols(&subprotocols).check().is_ok());
            assert_eq!(offer.choose_subprotocol(&subprotocols), subprotocols.first().copied());
            for extension in offer.extensions() {
                assert!(!extension.name().is_empty());
                for param in extension.params() {
                    assert!(!param.name().is_empty());
                    if let Some(value) = param.value() {
                        assert!(value.bytes().next().is_some(), "an empty value");
                    }
                }
            }
        }
    }
}
