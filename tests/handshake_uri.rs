//! `ws` and `wss` addresses: RFC 6455 section 3.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use sockless::handshake::{UriError as E, WebSocketUri};

#[test]
fn section_3_addresses() {
    // Address, TLS, host, port, Host header field, resource name.
    let table = [
        ("ws://example.com", false, "example.com", 80, "example.com", "/"),
        ("wss://example.com", true, "example.com", 443, "example.com", "/"),
        ("WS://Example.com/", false, "Example.com", 80, "Example.com", "/"),
        ("wSs://example.com:443/a", true, "example.com", 443, "example.com", "/a"),
        (
            "ws://example.com:443/a",
            false,
            "example.com",
            443,
            "example.com:443",
            "/a",
        ),
        ("ws://example.com:80/a", false, "example.com", 80, "example.com", "/a"),
        (
            "wss://example.com:80/a",
            true,
            "example.com",
            80,
            "example.com:80",
            "/a",
        ),
        ("ws://example.com:/a", false, "example.com", 80, "example.com", "/a"),
        ("ws://example.com:0080", false, "example.com", 80, "example.com", "/"),
        (
            "ws://example.com:8080/chat?x=1",
            false,
            "example.com",
            8080,
            "example.com:8080",
            "/chat?x=1",
        ),
        (
            "ws://example.com?x=1/2",
            false,
            "example.com",
            80,
            "example.com",
            "/?x=1/2",
        ),
        ("ws://example.com:1?", false, "example.com", 1, "example.com:1", "/?"),
        ("ws://example.com/?", false, "example.com", 80, "example.com", "/?"),
        ("ws://h//a//b?c?d", false, "h", 80, "h", "//a//b?c?d"),
        (
            "ws://h:65535/a%20b%C3%A9;c=d,e",
            false,
            "h",
            65535,
            "h:65535",
            "/a%20b%C3%A9;c=d,e",
        ),
        ("ws://h/a@b:c", false, "h", 80, "h", "/a@b:c"),
        ("ws://127.0.0.1:9001/", false, "127.0.0.1", 9001, "127.0.0.1:9001", "/"),
        ("ws://[::1]", false, "::1", 80, "[::1]", "/"),
        (
            "wss://[2001:db8::7]:8443/a",
            true,
            "2001:db8::7",
            8443,
            "[2001:db8::7]:8443",
            "/a",
        ),
        (
            "ws://[::ffff:1.2.3.4]:80?q",
            false,
            "::ffff:1.2.3.4",
            80,
            "[::ffff:1.2.3.4]",
            "/?q",
        ),
        ("ws://a-b_c.d~e%41", false, "a-b_c.d~e%41", 80, "a-b_c.d~e%41", "/"),
    ];
    for (text, secure, host, port, authority, resource) in table {
        let uri = WebSocketUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (uri.secure(), uri.host(), uri.port(), uri.authority()),
            (secure, host, port, authority),
            "{text}"
        );
        let (path, query) = match resource.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (resource, None),
        };
        assert_eq!((uri.path(), uri.query()), (path, query), "{text}");
    }
}

/// Whether the slash of an empty path was written makes no difference.
#[test]
fn section_3_the_slash_of_an_empty_path_is_there() {
    let uri = |text| WebSocketUri::parse(text).unwrap();
    // Each with an address that is the same but for the slash.
    let table = [
        ("ws://h?q", "ws://h/?q"),
        ("ws://h?q?", "ws://h/?q?"),
        ("ws://h?", "ws://h/?"),
    ];
    for (at, (without, with)) in table.into_iter().enumerate() {
        assert_eq!((uri(without).path(), uri(without).query()), ("/", uri(with).query()));
        for (other_at, (_, other)) in table.into_iter().enumerate() {
            assert_eq!(uri(without) == uri(other), at == other_at, "{without} {other}");
            assert_eq!(uri(other) == uri(without), at == other_at, "{without} {other}");
        }
    }
    assert_ne!(uri("ws://h/a"), uri("ws://h/b"));
    assert_ne!(uri("ws://h?"), uri("ws://h"));
}

#[test]
fn section_3_malformed_addresses() {
    let table = [
        ("", E::Scheme),
        ("example.com", E::Scheme),
        ("//example.com", E::Scheme),
        ("http://example.com", E::Scheme),
        ("ws:example.com", E::Scheme),
        ("ws:/example.com", E::Scheme),
        (" ws://example.com", E::Scheme),
        ("w\u{17f}://example.com", E::Scheme),
        ("ws://example.com#", E::Fragment),
        ("ws://example.com/a#b", E::Fragment),
        ("ws://example.com/a?b#c", E::Fragment),
        ("ws://#example.com", E::Fragment),
        ("ws://user@example.com", E::UserInfo),
        ("ws://user:pass@example.com/", E::UserInfo),
        ("ws://@example.com/", E::UserInfo),
        ("ws://", E::HostEmpty),
        ("ws:///a", E::HostEmpty),
        ("ws://?a", E::HostEmpty),
        ("ws://:80", E::HostEmpty),
        ("ws://a b", E::Host),
        ("ws://a\r\nX: y", E::Host),
        ("ws://b\u{fc}cher.example", E::Host),
        ("ws://a%", E::Host),
        ("ws://a%4", E::Host),
        ("ws://a%zz", E::Host),
        ("ws://a\\b", E::Host),
        ("ws://[]", E::Host),
        ("ws://[::1", E::Host),
        ("ws://::1", E::HostEmpty),
        ("ws://[::1]a", E::Host),
        ("ws://[::1]]", E::Host),
        ("ws://[127.0.0.1]", E::Host),
        ("ws://[fe80::1%25eth0]", E::Host),
        ("ws://a]", E::Host),
        ("ws://a:b", E::Port),
        ("ws://a:-1", E::Port),
        ("ws://a:+1", E::Port),
        ("ws://a:65536", E::Port),
        ("ws://a:99999999999999999999", E::Port),
        ("ws://a:80:80", E::Port),
        ("ws://a:80 ", E::Port),
        ("ws://a/b c", E::ResourceName),
        ("ws://a/b\r\nX: y", E::ResourceName),
        ("ws://a/\u{fc}", E::ResourceName),
        ("ws://a/%", E::ResourceName),
        ("ws://a/%2", E::ResourceName),
        ("ws://a/%g0", E::ResourceName),
        ("ws://a/?%%20", E::ResourceName),
        ("ws://a/<b>", E::ResourceName),
        ("ws://a/?\"", E::ResourceName),
        ("ws://a/\0", E::ResourceName),
    ];
    for (text, error) in table {
        assert_eq!(WebSocketUri::parse(text), Err(error), "{text:?}");
    }
    for rule in E::ALL {
        assert!(table.iter().any(|(_, error)| error == rule), "{rule:?}");
    }
}
