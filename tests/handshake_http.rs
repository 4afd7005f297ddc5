//! The opening handshake over requests and responses of the `http` crate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Version};
use sockless::connection::Extensions;
use sockless::handshake::{AcceptOptions, ConnectOptions, HandshakeError as E, Key, Misuse, ValidRequest};
use sockless::limits::Limits;

const COMPRESSION: Extensions = Extensions::COMPRESSION;

const OPTIONS: ConnectOptions<'static> = ConnectOptions::new()
    .origin("http://example.com")
    .subprotocols(&["chat", "superchat"])
    .extensions(&["permessage-deflate; client_max_window_bits", "x"], COMPRESSION)
    .headers(&[("cookie", "a=b"), ("cookie", "c=d")]);

fn key() -> Key {
    Key::generate(&mut |nonce: &mut [u8]| nonce.copy_from_slice(b"the sample nonce"))
}

fn entropy(bytes: &mut [u8]) {
    bytes.fill(0);
}

/// Requests of both kinds, with the key and the value of `:protocol`.
fn doors() -> [(Request<()>, Option<Key>, Option<&'static str>); 2] {
    let target = || "http://example.com:81/chat?x".parse().unwrap();
    [
        (OPTIONS.to_http(target(), Some(&key())).unwrap(), Some(key()), None),
        (OPTIONS.to_http(target(), None).unwrap(), None, Some("websocket")),
    ]
}

#[test]
fn a_request_has_what_its_door_demands() {
    let [(http1, ..), (http2, ..)] = doors();
    assert_eq!((http1.method(), http1.version()), (&Method::GET, Version::HTTP_11));
    let headers = http1.headers();
    assert_eq!(headers["host"], "example.com:81");
    assert_eq!(headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["sec-websocket-protocol"], "chat, superchat");

    assert_eq!((http2.method(), http2.version()), (&Method::CONNECT, Version::HTTP_2));
    assert_eq!(http2.uri(), "http://example.com:81/chat?x");
    let names: Vec<_> = http2.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(
        names,
        [
            "sec-websocket-version",
            "origin",
            "sec-websocket-protocol",
            "sec-websocket-extensions",
            "cookie"
        ]
    );
    assert_eq!(http2.headers().get_all("cookie").iter().count(), 2);

    let with_user = "http://me:secret@example.com/".parse().unwrap();
    assert_eq!(
        OPTIONS.to_http(with_user, Some(&key())).unwrap().headers()["host"],
        "example.com"
    );
    let managed = OPTIONS.headers(&[("Upgrade", "h2c")]);
    let error = managed.to_http("/".parse().unwrap(), Some(&key())).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Misuse::HeaderManaged("Upgrade")));
}

#[test]
fn both_doors_from_end_to_end() {
    for (request, key, protocol) in doors() {
        let valid = ValidRequest::from_http(&request, protocol).unwrap().unwrap();
        assert!(valid.subprotocols().eq(["chat", "superchat"]));
        assert!(
            valid
                .extensions()
                .map(|extension| extension.name())
                .eq(["permessage-deflate", "x"])
        );
        assert_eq!(valid.origin(), Some(b"http://example.com".as_slice()));
        assert_eq!(valid.headers()["cookie"], "a=b");
        assert_eq!(valid.headers().len(), request.headers().len());

        let options = AcceptOptions::new()
            .subprotocol("superchat")
            .extensions(&["permessage-deflate"], COMPRESSION)
            .headers(&[("set-cookie", "a=1"), ("set-cookie", "b=\u{e9}")]);
        let accepted = valid.accept(&options).unwrap();
        let response = accepted.to_http().unwrap();
        let status = if key.is_some() {
            StatusCode::SWITCHING_PROTOCOLS
        } else {
            StatusCode::OK
        };
        assert_eq!(response.status(), status);
        let expected = key.map(|_| "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let accept = response
            .headers()
            .get("sec-websocket-accept")
            .map(|accept| accept.to_str().unwrap());
        assert_eq!(accept, expected);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        let _server = accepted.into_connection(&Limits::default());

        let valid = OPTIONS.check_http(key.as_ref(), &response).unwrap().unwrap();
        assert_eq!(valid.subprotocol(), Some("superchat"));
        assert!(
            valid
                .extensions()
                .map(|extension| extension.name())
                .eq(["permessage-deflate"])
        );
        let _client = valid.into_connection(entropy, &Limits::default());
    }
}

/// Names that an extended CONNECT has are ready for HTTP/2, without a change of case.
#[test]
fn names_on_extended_connect_are_lower_case() {
    let (request, ..) = &doors()[1];
    let valid = ValidRequest::from_http(request, Some("websocket")).unwrap().unwrap();
    let options = AcceptOptions::new()
        .subprotocol("chat")
        .extensions(&["x"], Extensions::NONE);
    let accepted = valid.accept(&options).unwrap();
    for (name, _) in accepted.fields() {
        let _ = HeaderName::from_static(Box::leak(name.to_owned().into_boxed_str()));
    }
    for (name, _) in OPTIONS.fields(None).unwrap() {
        let _ = HeaderName::from_static(Box::leak(name.to_owned().into_boxed_str()));
    }
    let upper = AcceptOptions::new().headers(&[("X-Upper", "")]);
    assert_eq!(valid.accept(&upper).err(), Some(Misuse::HeaderNameUppercase));
    assert_eq!(
        OPTIONS.headers(&[("X-Upper", "")]).fields(None).err(),
        Some(Misuse::HeaderNameUppercase)
    );
    assert!(OPTIONS.headers(&[("X-Upper", "")]).fields(Some(&key())).is_ok());
}

#[test]
fn requests_that_are_something_else() {
    let plain = Request::get("/").header("host", "a").body(()).unwrap();
    assert!(ValidRequest::from_http(&plain, None).unwrap().is_none());
    assert!(ValidRequest::from_http(&plain, Some("websocket")).unwrap().is_none());
    let [(mut http1, ..), (mut http2, ..)] = doors();
    // HTTP/2 without `:protocol` is a plain CONNECT, with another protocol a tunnel of another kind.
    assert!(ValidRequest::from_http(&http2, None).unwrap().is_none());
    assert!(ValidRequest::from_http(&http2, Some("connect-udp")).unwrap().is_none());
    *http2.version_mut() = Version::HTTP_3;
    assert!(ValidRequest::from_http(&http2, Some("websocket")).unwrap().is_some());
    *http2.method_mut() = Method::GET;
    assert_eq!(
        ValidRequest::from_http(&http2, Some("websocket")).err(),
        Some(E::MethodNotConnect)
    );
    // RFC 9113 section 8.2.2: HTTP/2 has no Upgrade.
    *http1.version_mut() = Version::HTTP_2;
    assert!(ValidRequest::from_http(&http1, None).unwrap().is_none());
    for version in [Version::HTTP_09, Version::HTTP_10] {
        *http1.version_mut() = version;
        assert_eq!(ValidRequest::from_http(&http1, None).err(), Some(E::HttpVersionTooOld));
    }
}

/// RFC 9113 section 8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields",
/// among them Connection and Upgrade.
#[test]
fn errors_as_responses() {
    for error in E::ALL {
        for version in [Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
            let Some(response) = error.to_http(version) else {
                assert_eq!(error.status(), None);
                continue;
            };
            assert_eq!(error.to_string(), format!("{} ({})", response.body(), error.section()));
            let http1 = version == Version::HTTP_11;
            if http1 || error.status() != Some(426) {
                assert_eq!(Some(response.status().as_u16()), error.status());
            }
            let upgrade = *error == E::VersionUnsupported && http1;
            assert_eq!(response.headers().contains_key("upgrade"), upgrade);
            assert_eq!(response.headers().contains_key("connection"), upgrade);
        }
    }
    let response = E::VersionUnsupported.to_http(Version::HTTP_2).unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    let response = E::MethodNotGet.to_http(Version::HTTP_11).unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"GET".parse().unwrap())
    );
}

type Change = fn(&mut HeaderMap);

/// A header map has several values of a name, white space around them, and bytes that are not UTF-8.
#[test]
fn rules_over_a_header_map() {
    let append = |headers: &mut HeaderMap, name: &'static str, value: &[u8]| {
        headers.append(name, value.try_into().unwrap());
    };
    let cases: [(&str, &[u8], E); 8] = [
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==", E::KeyRepeated),
        ("sec-websocket-version", b"13", E::VersionRepeated),
        ("host", b"b", E::HostRepeated),
        ("origin", b"http://b", E::OriginRepeated),
        ("sec-websocket-protocol", b" chat ", E::SubprotocolRepeated),
        ("sec-websocket-extensions", b"a b", E::ExtensionMalformed),
        ("sec-websocket-extensions", b"\xff", E::NotAscii),
        ("transfer-encoding", b"chunked", E::BodyDeclared),
    ];
    for (name, value, error) in cases {
        let [(mut request, ..), _] = doors();
        append(request.headers_mut(), name, value);
        assert_eq!(ValidRequest::from_http(&request, None).err(), Some(error));
    }
    let removed: [(&str, E); 5] = [
        ("upgrade", E::UpgradeMissing),
        ("connection", E::ConnectionMissing),
        ("host", E::HostMissing),
        ("sec-websocket-key", E::KeyMissing),
        ("sec-websocket-version", E::VersionMissing),
    ];
    for (name, error) in removed {
        let [(mut request, ..), _] = doors();
        request.headers_mut().remove(name);
        assert_eq!(ValidRequest::from_http(&request, None).err(), Some(error));
    }
    let changes: [Change; 2] = [
        |headers| drop(headers.insert("connection", "keep-alive, Upgrade".parse().unwrap())),
        |headers| assert!(headers.append("sec-websocket-protocol", "\tmore ".parse().unwrap())),
    ];
    for change in changes {
        let [(mut request, ..), _] = doors();
        change(request.headers_mut());
        assert!(ValidRequest::from_http(&request, None).unwrap().is_some());
    }
}

#[test]
fn responses_that_are_refused() {
    let [(request, ..), _] = doors();
    let valid = ValidRequest::from_http(&request, None).unwrap().unwrap();
    let response = || valid.accept(&AcceptOptions::new()).unwrap().to_http().unwrap();
    let error = |options: &ConnectOptions<'_>, key: &Key, response: &Response<()>| {
        options.check_http(Some(key), response).err()
    };
    assert_eq!(error(&OPTIONS, &key(), &response()), None);
    assert_eq!(
        error(&OPTIONS, &Key::generate(&mut entropy), &response()),
        Some(E::AcceptMismatch)
    );
    let required = OPTIONS.require_subprotocol(true);
    assert_eq!(error(&required, &key(), &response()), Some(E::SubprotocolMissing));
    let mut old = response();
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(error(&OPTIONS, &key(), &old), Some(E::ResponseVersion));
    let mut extended = response();
    extended
        .headers_mut()
        .append("sec-websocket-extensions", "permessage-bzip2".parse().unwrap());
    assert_eq!(error(&OPTIONS, &key(), &extended), Some(E::ExtensionNotAsked));
    for status in [200, 404] {
        let mut other = response();
        *other.status_mut() = StatusCode::from_u16(status).unwrap();
        assert!(OPTIONS.check_http(Some(&key()), &other).unwrap().is_none());
    }
    let mut refused = Response::new(());
    *refused.status_mut() = StatusCode::FORBIDDEN;
    assert!(OPTIONS.check_http(None, &refused).unwrap().is_none());
}
