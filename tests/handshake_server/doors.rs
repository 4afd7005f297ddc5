//! Requests that others have parsed, extended CONNECT, and a second opinion on any bytes at all.

use super::requests::{accepted, refused};
use super::*;

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
        let result = ValidRequest::from_request(parsed.method.unwrap(), version, pairs);
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
    let offer = ValidRequest::from_request("GET", HttpVersion::Http11, fields.into_iter())
        .unwrap()
        .unwrap();
    assert_eq!(offer.origin(), None);
    assert!(offer.headers().eq(fields));
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
    let offer = ValidRequest::from_extended_connect("CONNECT", "websocket", base.into_iter())
        .unwrap()
        .unwrap();
    assert_eq!(offer.origin(), Some(b"http://www.example.com".as_slice()));
    let response = offer
        .accept(&AcceptOptions::new().subprotocol("chat").headers(&[("x", "y")]))
        .unwrap();
    let fields: Vec<_> = response
        .fields()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    assert_eq!(response.status(), 200);
    assert_eq!(
        fields,
        [("sec-websocket-protocol", "chat".to_owned()), ("x", "y".to_owned())]
    );
    let _ = response.into_connection(&Limits::default());

    let connect = |method, protocol, fields: &[(&str, &[u8])]| {
        ValidRequest::from_extended_connect(method, protocol, fields.iter().copied()).map(|offer| offer.is_some())
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
    assert_eq!(parsed.method, Some(&*seen.method));
    let target = parsed.path.unwrap();
    if seen.upgrade && !target.starts_with('/') {
        // An upgrade tells an absolute address by its parts.
        assert!(target.ends_with(&seen.target[1..]), "{target}");
    } else {
        assert_eq!(target, seen.target);
    }
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
