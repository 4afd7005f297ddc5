//! Opening handshakes: however a head is cut, it comes to the same, and to no more than the model accepts.

use arbitrary::{Arbitrary as _, Unstructured};
use sockless::buffer::ReadBuffer;
use sockless::connection::Extensions;
use sockless::handshake::{
    AcceptOptions, ClientHandshake, ConnectOptions, Extension, HandshakeError, HttpVersion, Request, RequestError,
    Response, ServerHandshake, ValidRequest, WebSocketUri,
};
use sockless::limits::Limits;
use sockless_conformance::model::{self, Opening};
use sockless_conformance::{Role, Split, generate};

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

/// The bytes between the cuts.
fn chunks<'b>(split: &Split, role: Role, bytes: &'b [u8]) -> Vec<&'b [u8]> {
    generate::chunks(bytes, &split.cuts(role, bytes, bytes.len()))
}

/// The length of the head is what was consumed when it was handed out.
fn head_len(bytes: &[u8], given: usize, input: &ReadBuffer) -> usize {
    let head_len = given - input.unread().len();
    assert_eq!(
        input.unread(),
        &bytes[head_len..given],
        "what is behind the head is another"
    );
    head_len
}

fn extend(input: &mut ReadBuffer, bytes: &[u8]) {
    assert_eq!(input.extend(bytes), Ok(()));
}

fn server(limits: &Limits, bytes: &[u8], chunks: &[&[u8]]) -> (Seen, Vec<u8>) {
    let mut handshake = ServerHandshake::new(limits);
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    let mut given = 0;
    for chunk in chunks {
        extend(&mut input, chunk);
        given += chunk.len();
        let seen = match handshake.receive(&mut input, &mut out) {
            Ok(None) => {
                assert!(out.is_empty(), "an answer before the end of the head");
                continue;
            }
            Ok(Some(Request::Http(_))) => None,
            Ok(Some(Request::Upgrade(upgrade))) => {
                let mut offered: Vec<String> = upgrade.request().subprotocols().map(ToString::to_string).collect();
                for subprotocol in &offered {
                    assert_eq!(
                        upgrade.request().choose_subprotocol(&[subprotocol]),
                        Some(subprotocol.as_str())
                    );
                }
                offered.extend(upgrade.request().extensions().map(|extension| extension.to_string()));
                let accepted = upgrade.accept(&AcceptOptions::new(), &mut out);
                assert!(accepted.is_ok(), "an accepted request that cannot be answered");
                Some(offered)
            }
            Err(RequestError::Refused(error)) => {
                let before = out.len();
                assert!(input.unread().is_empty(), "input is left after a refusal");
                extend(&mut input, bytes);
                let again = handshake.receive(&mut input, &mut out).map(|_| ());
                assert_eq!(again, Err(RequestError::Refused(error)), "the error is another one");
                assert_eq!(out.len(), before, "a second answer");
                return (Seen::Broken(error), out);
            }
            Err(error) => panic!("{error}"),
        };
        let head_len = head_len(bytes, given, &input);
        let left = input.unread().len();
        assert!(
            matches!(handshake.receive(&mut input, &mut out), Ok(None)),
            "a second request"
        );
        assert_eq!(input.unread().len(), left, "bytes behind the head are consumed");
        let seen = seen.map_or(Seen::Other(head_len), |offered| Seen::Accepted(head_len, offered));
        return (seen, out);
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
    let (expected, answer) = server(&limits, bytes, &[bytes]);
    for split in [split, Split::EachByte, Split::Headers] {
        let seen = server(&limits, bytes, &chunks(&split, Role::Server, bytes));
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

fn client(bytes: &[u8], chunks: &[&[u8]]) -> Seen {
    let mut entropy = |key: &mut [u8]| {
        for (to, from) in key.iter_mut().zip(b"the sample nonce") {
            *to = *from;
        }
    };
    let (options, limits) = (ConnectOptions::new(), Limits::default());
    let uri = WebSocketUri::parse("ws://example.com/").expect("a URI");
    let started = ClientHandshake::start(&uri, &options, &mut entropy, &limits, &mut Vec::new());
    let mut handshake = started.expect("a request");
    let mut input = ReadBuffer::new();
    let mut given = 0;
    for chunk in chunks {
        extend(&mut input, chunk);
        given += chunk.len();
        let accepted = match handshake.receive(&mut input) {
            Ok(None) => continue,
            Ok(Some(Response::Rejected { status, .. })) => {
                assert_ne!(status, 101);
                false
            }
            Ok(Some(Response::Accepted(accepted))) => {
                assert_eq!(accepted.subprotocol(), None);
                assert_eq!(accepted.extensions().count(), 0);
                true
            }
            Err(error) => {
                assert!(input.unread().is_empty(), "input is left after a refusal");
                extend(&mut input, bytes);
                let again = handshake.receive(&mut input).map(|_| ());
                assert_eq!(again, Err(error), "the error is another one");
                return Seen::Broken(error);
            }
        };
        let head_len = head_len(bytes, given, &input);
        return if accepted {
            Seen::Accepted(head_len, Vec::new())
        } else {
            Seen::Other(head_len)
        };
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
    let expected = client(bytes, &[bytes]);
    for split in [split, Split::EachByte, Split::Headers] {
        assert_eq!(
            client(bytes, &chunks(&split, Role::Client, bytes)),
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
        let Some(again) = Extension::parse(&printed) else {
            panic!("what was printed is not parsed: {printed}");
        };
        assert_eq!(again.name(), extension.name());
        assert!(again.params().eq(extension.params()), "{text:?} {printed:?}");
        let compression = Extensions::COMPRESSION;
        let options = ConnectOptions::new();
        assert!(options.extensions(&[text], compression).fields(None).is_ok());
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
        let Ok(Some(request)) = ValidRequest::from_request("GET", HttpVersion::Http11, offered) else {
            continue;
        };
        let subprotocols: Vec<&str> = request.subprotocols().collect();
        assert!(ConnectOptions::new().subprotocols(&subprotocols).fields(None).is_ok());
        assert_eq!(request.choose_subprotocol(&subprotocols), subprotocols.first().copied());
        for extension in request.extensions() {
            assert!(!extension.name().is_empty());
            for (name, value) in extension.params() {
                assert!(!name.is_empty());
                if let Some(value) = value {
                    assert!(!value.to_string().is_empty(), "an empty value");
                }
            }
        }
    }
}
