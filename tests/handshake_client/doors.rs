//! Both sides together, responses that others have parsed, extended CONNECT, and a second opinion.

use super::responses::refused;
use super::*;

#[test]
fn a_client_and_a_server_agree() {
    let limits = Limits::default();
    let all_options = [
        ConnectOptions::new(),
        ASKED,
        ASKED
            .origin("null")
            .headers(&[("X", "y"), ("X", ""), ("Cookie", "a=\u{e9}")]),
    ];
    for uri in ["ws://example.com", "wss://[::1]:1/a?b", "ws://h?q"] {
        for options in &all_options {
            let (mut client, request) = start(uri, options, &limits);
            let (mut server, mut out) = (ServerHandshake::new(&limits), Vec::new());
            let mut input = buffer(request.as_bytes());
            let Ok(Some(Request::Upgrade(upgrade))) = server.receive(&mut input, &mut out) else {
                panic!()
            };
            let uri = WebSocketUri::parse(uri).unwrap();
            assert_eq!((upgrade.path(), upgrade.query()), (uri.path(), uri.query()));
            let subprotocol = upgrade.request().choose_subprotocol(&["superchat"]);
            let extension = upgrade
                .request()
                .extensions()
                .find(|extension| extension.name() == "x")
                .map(|_| "x");
            let options = AcceptOptions::new()
                .subprotocol(subprotocol)
                .extensions(extension.as_slice(), Extensions::NONE);
            upgrade.accept(&options, &mut out).unwrap();
            let mut input = buffer(&out);
            let Ok(Some(Response::Accepted(accepted))) = client.receive(&mut input) else {
                panic!()
            };
            assert_eq!(accepted.subprotocol(), subprotocol);
            assert_eq!(
                accepted.extensions().map(|extension| extension.name()).next(),
                extension
            );
            assert!(input.unread().is_empty());
        }
    }
}

#[test]
fn the_door_over_header_pairs_has_the_same_rules() {
    let key = Key::generate(&mut sample);
    for (bytes, expected) in refused() {
        // Those that have a complete head that another parser accepts.
        let mut storage = [httparse::EMPTY_HEADER; 20];
        let mut parsed = httparse::Response::new(&mut storage);
        let complete = matches!(parsed.parse(&bytes), Ok(httparse::Status::Complete(_)));
        if !complete || expected == E::ResponseVersion {
            continue;
        }
        let pairs = parsed.headers.iter().map(|header| (header.name, header.value));
        let result = ASKED.check_response(Some(&key), parsed.code.unwrap(), pairs);
        assert_eq!(result.err(), Some(expected), "{}", bytes.escape_ascii());
    }
    let fields: [(&str, &[u8]); 6] = [
        ("upgrade", b"websocket"),
        ("connection", b"upgrade"),
        ("sec-websocket-accept", b" s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", b"chat "),
        ("sec-websocket-extensions", b"x"),
        ("X-More", b"\t1 "),
    ];
    let answer = ASKED
        .check_response(Some(&key), 101, fields.into_iter())
        .unwrap()
        .unwrap();
    assert_eq!(answer.subprotocol(), Some("chat"));
    assert!(answer.extensions().map(|extension| extension.name()).eq(["x"]));
    assert!(answer.headers().eq(fields));
    for status in [100, 200, 404] {
        assert!(matches!(
            ASKED.check_response(Some(&key), status, fields.into_iter()),
            Ok(None)
        ));
    }
}

/// What was agreed is part of the connection: RSV1 is let through, or refused.
#[test]
fn agreed_extensions_are_carried_into_the_connection() {
    let compression = Extensions::COMPRESSION;
    let offered = ["permessage-deflate; client_max_window_bits", "permessage-deflate", "x"];
    let client_options = ConnectOptions::new().extensions(&offered, compression);
    for (agreed, implemented, compressed) in [
        (
            &["permessage-deflate; server_no_context_takeover"][..],
            compression,
            true,
        ),
        (&["x", "permessage-deflate"], compression, true),
        (&["x"], compression, false),
        (&["x"], Extensions::NONE, false),
        (&[], compression, false),
    ] {
        let (mut client, request) = start("ws://example.com", &client_options, &Limits::default());
        let (mut input, mut out, mut replies) = (buffer(request.as_bytes()), Vec::new(), Vec::new());
        let mut server = ServerHandshake::new(&Limits::default());
        let Ok(Some(Request::Upgrade(upgrade))) = server.receive(&mut input, &mut out) else {
            panic!()
        };
        let options = AcceptOptions::new().extensions(agreed, implemented);
        let mut ws = upgrade.accept(&options, &mut out).unwrap();
        feed(&mut input, b"\xc1\x81\0\0\0\0z");
        let event = ws
            .receive(&mut input, &mut replies)
            .map(|event| event.map(|(event, _)| event));
        assert_eq!(
            matches!(event, Ok(Some(Event::Compressed(_, b"z")))),
            compressed,
            "{event:?}"
        );
        assert_eq!(event.is_err(), !compressed);

        let mut input = buffer(&[&out, b"\xc1\x01z".as_slice()].concat());
        let Ok(Some(Response::Accepted(accepted))) = client.receive(&mut input) else {
            panic!()
        };
        assert_eq!(accepted.extensions().count(), agreed.len());
        let mut ws = accepted.into_connection(sample, &Limits::default());
        let event = ws
            .receive(&mut input, &mut replies)
            .map(|event| event.map(|(event, _)| event));
        assert_eq!(
            matches!(event, Ok(Some(Event::Compressed(_, b"z")))),
            compressed,
            "{event:?}"
        );
        assert_eq!(event.is_err(), !compressed);
    }
    // RFC 7692 section 5: "A client that received a response accepting a PMCE extension negotiation offer together with
    // such an extension MUST _Fail the WebSocket Connection_."
    let bytes = with(&["Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate"]);
    let result = every_split(&bytes, &client_options, &Limits::default()).0;
    assert_eq!(result, Err(E::ExtensionConflict));
}

#[test]
fn rfc_8441_section_5_extended_connect() {
    let options = ASKED.origin("http://example.com");
    let request: Vec<_> = options
        .fields(None)
        .unwrap()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let names: Vec<_> = request.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "sec-websocket-version",
            "origin",
            "sec-websocket-protocol",
            "sec-websocket-extensions"
        ]
    );
    let pairs = request.iter().map(|(name, value)| (*name, value.as_bytes()));
    let offer = ValidRequest::from_extended_connect("CONNECT", "websocket", pairs)
        .unwrap()
        .unwrap();
    let accepted = offer.accept(&AcceptOptions::new().subprotocol("chat")).unwrap();
    let response: Vec<_> = accepted
        .fields()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let pairs = || response.iter().map(|(name, value)| (*name, value.as_bytes()));
    let answer = options
        .check_response(None, accepted.status(), pairs())
        .unwrap()
        .unwrap();
    assert_eq!(answer.subprotocol(), Some("chat"));
    let _ = answer.into_connection(sample, &Limits::default());
    assert!(options.check_response(None, 403, pairs()).unwrap().is_none());
    let error = ConnectOptions::new().check_response(None, 200, pairs()).err();
    assert_eq!(error, Some(E::SubprotocolNotAsked));
}

// ---- A second opinion

#[test]
fn accepted_heads_mean_the_same_to_httparse() {
    for base in [
        with(&["Sec-WebSocket-Protocol: chat", "X:"]),
        head("HTTP/1.1 404 Not Found", &["A: b"]),
    ] {
        for at in 0..base.len() {
            for other in *b"\0\t\n\r \",:;=aH1\x7f\x80\xff" {
                let mut bytes = base.clone();
                bytes[at] = other;
                let (mut handshake, _) = start("ws://example.com", &ASKED, &Limits::default());
                let mut input = buffer(&bytes);
                let Ok(Some(response)) = handshake.receive(&mut input) else {
                    continue;
                };
                let (status, headers) = match &response {
                    Response::Accepted(accepted) => (101, accepted.headers()),
                    Response::Rejected { status, headers, .. } => (*status, *headers),
                };
                let mut storage = [httparse::EMPTY_HEADER; 20];
                let mut parsed = httparse::Response::new(&mut storage);
                let Ok(httparse::Status::Complete(head_len)) = parsed.parse(&bytes) else {
                    panic!("{}", bytes.escape_ascii());
                };
                assert_eq!(parsed.code, Some(status));
                assert!(headers.eq(parsed.headers.iter().map(|header| (header.name, header.value))));
                assert_eq!(input.unread(), &bytes[head_len..]);
            }
        }
    }
}
