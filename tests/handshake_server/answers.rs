//! What the server answers: plain HTTP, section 4.2.2, origins, extensions.

use super::*;

// ---- Plain HTTP

#[test]
fn plain_http_is_data() {
    for (bytes, method, target, count) in [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), "GET", "/", 1),
        (b"GET / HTTP/1.0\r\n\r\n", "GET", "/", 0),
        (
            b"POST /form?x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
            "POST",
            "/form?x",
            2,
        ),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "OPTIONS", "*", 2),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT", "a:80", 1),
        (b"M-SEARCH x HTTP/1.1\r\n\r\n", "M-SEARCH", "x", 0),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            "GET",
            "/",
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
        let (mut input, mut out) = (buffer(bytes), Vec::new());
        let mut handshake = ServerHandshake::new(&Limits::default());
        let Ok(Some(Request::Http(http))) = handshake.receive(&mut input, &mut out) else {
            panic!()
        };
        let host = (count > 0).then_some(b"a".as_slice());
        assert_eq!((http.headers.get("host"), http.headers.get("hos")), (host, None));
        assert_eq!(http.headers.count(), count);
    }
}

fn respond(request: &[u8], response: &HttpResponse<'_>) -> Result<String, RequestError> {
    let mut out = Vec::new();
    match ServerHandshake::new(&Limits::default()).receive(&mut buffer(request), &mut out) {
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
    let bytes = with(&[
        "Sec-WebSocket-Protocol: a, b",
        "Sec-WebSocket-Extensions: x; p, y, permessage-deflate, PerMessage-z",
    ]);
    upgrade(&bytes, |upgrade| {
        let mut out = Vec::new();
        let mut misuse = |options: AcceptOptions<'_>| {
            let result = upgrade.accept(&options, &mut out).map(|_| ());
            assert!(out.is_empty());
            result
        };
        let not_offered = Err(Misuse::SubprotocolNotOffered.into());
        assert_eq!(misuse(AcceptOptions::new().subprotocol("c")), not_offered);
        assert_eq!(misuse(AcceptOptions::new().subprotocol("")), not_offered);
        assert_eq!(misuse(AcceptOptions::new().subprotocol("A")), not_offered);
        assert_eq!(misuse(AcceptOptions::new().subprotocol("a\r\nX: y")), not_offered);
        assert_eq!(
            misuse(AcceptOptions::new().extensions(&["x", "z"], Extensions::NONE)),
            Err(Misuse::ExtensionNotOffered.into())
        );
        assert_eq!(
            misuse(AcceptOptions::new().extensions(&["x, y"], Extensions::NONE)),
            Err(Misuse::ExtensionSyntax.into())
        );
        assert_eq!(
            misuse(AcceptOptions::new().extensions(&["x\r\n"], Extensions::NONE)),
            Err(Misuse::ExtensionSyntax.into())
        );
        assert_eq!(
            misuse(AcceptOptions::new().extensions(&[""], Extensions::NONE)),
            Err(Misuse::ExtensionSyntax.into())
        );
        let compression = Extensions::COMPRESSION;
        // What the connection would refuse is not agreed to.
        assert_eq!(
            misuse(AcceptOptions::new().extensions(&["permessage-deflate"], Extensions::NONE)),
            Err(Misuse::ExtensionNotImplemented.into())
        );
        assert_eq!(
            misuse(AcceptOptions::new().extensions(&["permessage-deflate", "PerMessage-z"], compression)),
            Err(Misuse::ExtensionConflict.into())
        );
        // The machine is as it was: the request can still be answered.
        let options = AcceptOptions::new()
            .subprotocol("b")
            .extensions(&["y", "x; q=1"], Extensions::NONE)
            .headers(&[("Server", "me")]);
        upgrade.accept(&options, &mut out).unwrap();
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
        ("upgrade", "h2c", Misuse::HeaderManaged("Upgrade")),
        ("Connection", "close", Misuse::HeaderManaged("Connection")),
        ("Content-length", "1", Misuse::HeaderManaged("Content-Length")),
        (
            "TRANSFER-ENCODING",
            "chunked",
            Misuse::HeaderManaged("Transfer-Encoding"),
        ),
        (
            "Sec-WebSocket-Accept",
            "x",
            Misuse::HeaderManaged("Sec-WebSocket-Accept"),
        ),
        (
            "sec-websocket-protocol",
            "x",
            Misuse::HeaderManaged("Sec-WebSocket-Protocol"),
        ),
        ("Sec-WebSocket-Future", "x", Misuse::HeaderManaged("Sec-WebSocket-")),
    ];
    upgrade(&with(&[]), |upgrade| {
        for &(name, value, misuse) in cases {
            let mut out = Vec::new();
            let headers = [("Fine", "a\tb \u{e9}"), (name, value)];
            let accepted = upgrade
                .accept(&AcceptOptions::new().headers(&headers), &mut out)
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

/// RFC 9110 section 15.5.22: "The server MUST send an Upgrade header field in a 426 response".
#[test]
fn a_plain_request_can_be_told_to_upgrade() {
    let response = HttpResponse::new(426)
        .headers(&[("Content-Type", "text/plain")])
        .body(b"This is a WebSocket server.\n");
    let answer = respond(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &response).unwrap();
    assert_eq!(
        answer,
        "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nConnection: close, Upgrade\r\nContent-Length: 28\r\n\r\n\
         This is a WebSocket server.\n"
    );
    // The fields that are added cannot be added again, and the error says which it was.
    let twice = HttpResponse::new(426).headers(&[("upgrade", "websocket")]);
    let error = respond(b"GET / HTTP/1.1\r\n\r\n", &twice).unwrap_err();
    assert_eq!(error, Misuse::HeaderManaged("Upgrade").into());
    assert_eq!(
        error.to_string(),
        "the header field Upgrade is written by the handshake itself (RFC 6455 section 4)"
    );
}

/// What a fixed output is told to have room for, beside the fields and the body.
#[test]
fn an_answer_of_the_application_is_short() {
    for status in 200..=599 {
        let answer = respond(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &HttpResponse::new(status)).unwrap();
        assert!(answer.len() <= 160, "{answer}");
    }
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
            upgrade(&bytes, |upgrade| upgrade.request().origin_is(&allowed)),
            Some(expected),
            "{origin}"
        );
    }
    upgrade(&with(&[]), |upgrade| {
        assert_eq!(upgrade.request().origin_is(&allowed), None);
    });
    upgrade(&with(&["Origin: null"]), |upgrade| {
        assert_eq!(upgrade.request().origin_is(&[""; 0]), Some(false));
        assert_eq!(upgrade.request().origin_is(&["null".to_owned()]), Some(true));
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
        let extensions: Vec<_> = upgrade.request().extensions().collect();
        let names: Vec<_> = extensions.iter().map(|extension| extension.name()).collect();
        assert_eq!(names, ["permessage-deflate", "a", "permessage-deflate"]);
        let params: Vec<_> = extensions[0].params().collect();
        assert_eq!(params[0], ("client_max_window_bits", None));
        assert!(params[1].0 == "x" && params[1].1.unwrap() == "10");
    });
}
