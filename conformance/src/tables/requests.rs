//! Requests: each field as it may come, and missing, repeated and wrong (section 4.2.1).

use super::Table;
use crate::head::Head;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request() -> Head {
    Head::new(
        "GET /chat HTTP/1.1",
        &[
            ("Host", " server.example.com"),
            ("Upgrade", " websocket"),
            ("Connection", " Upgrade"),
            ("Sec-WebSocket-Key", &format!(" {KEY}")),
            ("Sec-WebSocket-Version", " 13"),
        ],
    )
}

/// Values that are as good as the usual one.
const LEGAL: &[(&str, &[&str])] = &[
    (
        "Host",
        &[
            "localhost",
            "127.0.0.1:9001",
            "[::1]:80",
            "xn--bcher-kva.example",
            "a-b.example:65535",
        ],
    ),
    (
        "Upgrade",
        &[
            "WebSocket",
            "WEBSOCKET",
            "wEbSoCkEt",
            "websocket, h2c",
            "h2c, websocket",
            "h2c,websocket",
            "foo/2, WebSocket",
        ],
    ),
    (
        "Connection",
        &[
            "upgrade",
            "UPGRADE",
            "keep-alive, Upgrade",
            "Upgrade, keep-alive",
            "keep-alive,upgrade",
            "keep-alive , Upgrade",
            "a, b, c, d, upgrade",
            ", Upgrade",
            "Upgrade,",
            "Upgrade,,keep-alive",
        ],
    ),
    (
        "Sec-WebSocket-Key",
        &[
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "/////////////////////w==",
            "++++++++++++++++++++/w==",
            "x3JJHMbDL1EzLkh9GBhXDw==",
            "abcdefghijklmnopqrstuw==",
            "0123456789ABCDEFGHIJKQ==",
        ],
    ),
];

/// Values that are not what the section asks for.
const WRONG: &[(&str, &[&str])] = &[
    (
        "Upgrade",
        &[
            "",
            "h2c",
            "websockets",
            "websocket/13",
            "web socket",
            "websocke",
            "ebsocket",
            "websocket2",
            "xwebsocket",
            "web-socket",
            "h2c, websockets",
            "TLS/1.0",
        ],
    ),
    (
        "Connection",
        &[
            "",
            "close",
            "keep-alive",
            "Upgraded",
            "Upgrad",
            "pgrade",
            "keep-alive, Upgraded",
            "not-upgrade",
            "Up grade",
            "Upgrade-Insecure-Requests",
        ],
    ),
    (
        "Sec-WebSocket-Key",
        &[
            "",
            "AAAA",
            "A",
            "==",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAA===",
            "AAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAAAA==AAAA",
            "AAAAAAAAAA==AAAAAAAAAA==",
            "****AAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAAA AAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAA-_==",
            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
            "\"dGhlIHNhbXBsZSBub25jZQ==\"",
            "dGhlIHNhbXBsZSBub25jZSBpcyBsb25nZXI=",
            "the sample nonce",
            "\u{e4}\u{e4}\u{e4}AAAAAAAAAAAAAAAAAAA==",
        ],
    ),
    (
        "Sec-WebSocket-Version",
        &[
            "", "0", "1", "3", "7", "8", "12", "14", "130", "113", "1313", "255", "256", "13.0", "013", "+13", "-13",
            "0x0d", "x", "1 3", "13, 8", "8, 13", "13,13", "13;", "13a", "26",
        ],
    ),
];

pub(super) fn all(table: &mut Table) {
    table.add_head("the request of section 1.3", vec![request()]);
    legal(table);
    for name in [
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
    ] {
        let mut head = request();
        head.remove(name);
        table.add_head(format!("without {name}"), vec![head]);
    }
    for (name, values) in WRONG {
        for value in *values {
            let mut head = request();
            head.set(name, &format!(" {value}"));
            table.add_head(format!("{name}: {value}"), vec![head]);
        }
    }
    repeated(table);
    lines(table);
    syntax(table);
}

fn legal(table: &mut Table) {
    for (name, values) in LEGAL {
        for value in *values {
            let mut head = request();
            head.set(name, &format!(" {value}"));
            // The field is a list, and hardly anybody reads it as one.
            table.uncommon = *name == "Upgrade" && value.contains(',');
            table.add_head(format!("{name}: {value}"), vec![head]);
            table.uncommon = false;
        }
    }
    let mut lower = request();
    let mut upper = request();
    let mut bare = request();
    let mut spaced = request();
    for field in &mut lower.fields {
        field.0 = field.0.to_ascii_lowercase();
    }
    for field in &mut upper.fields {
        field.0 = field.0.to_ascii_uppercase();
    }
    for field in &mut bare.fields {
        field.1 = String::from(field.1.trim());
    }
    for field in &mut spaced.fields {
        field.1 = format!(" \t {} \t", field.1);
    }
    let mut backwards = request();
    backwards.fields.reverse();
    let mut split = request();
    split.set("Connection", " keep-alive");
    split.add("Connection", " Upgrade");
    for (what, head) in [
        ("names in lower case", lower),
        ("names in upper case", upper),
        ("no spaces before values", bare),
        ("spaces and tabs around values", spaced),
        ("the fields backwards", backwards),
        ("Connection in two fields", split),
    ] {
        table.add_head(what, vec![head]);
    }
    for line in [
        "GET / HTTP/1.1",
        "GET /?a=b HTTP/1.1",
        "GET /a%20b/c?d=%C3%A4&e HTTP/1.1",
        "GET /~a;b=c,d@e:f!$&'()*+ HTTP/1.1",
    ] {
        let mut head = request();
        head.line = String::from(line);
        table.add_head(line, vec![head]);
    }
    for (name, value) in [
        ("Origin", "http://example.com"),
        ("Origin", "null"),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Extensions", "x-unknown"),
        ("Sec-WebSocket-Extensions", "x-unknown; a=1; b, x-other; c=\"d\""),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        (
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits, permessage-deflate",
        ),
        ("Cookie", "a=b; c=d"),
        ("User-Agent", "x/1 (y; z)"),
        ("X-Empty", ""),
        ("X-Latin1", "\u{e4}\u{f6}\u{fc}"),
        ("X-Long", LONG_VALUE),
        ("Pragma", "no-cache"),
        ("Content-Length", "0"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ] {
        let mut head = request();
        head.add(name, &format!(" {value}"));
        table.uncommon = matches!(name, "X-Latin1" | "X-Long");
        table.add_head(format!("{name}: {}", value.get(..40).unwrap_or(value)), vec![head]);
        table.uncommon = false;
    }
    for count in [10, 40] {
        let mut head = request();
        for number in 0..count {
            head.add(&format!("X-Field-{number}"), " value");
        }
        table.uncommon = count > 30;
        table.add_head(format!("{count} more fields"), vec![head]);
        table.uncommon = false;
    }
    let mut head = request();
    head.add("Sec-WebSocket-Protocol", " chat");
    head.add("Sec-WebSocket-Protocol", " superchat");
    table.add_head("subprotocols in two fields", vec![head]);
}

const LONG_VALUE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890";

fn repeated(table: &mut Table) {
    for (name, values) in [
        ("Host", [" server.example.com", " other.example.com", ""]),
        (
            "Sec-WebSocket-Key",
            [" dGhlIHNhbXBsZSBub25jZQ==", " AAAAAAAAAAAAAAAAAAAAAA==", ""],
        ),
        ("Sec-WebSocket-Version", [" 13", " 8", ""]),
    ] {
        for value in values {
            let mut head = request();
            head.add(name, value);
            table.add_head(format!("a second {name}:{value}"), vec![head]);
            let mut head = request();
            head.fields.insert(0, (name.to_ascii_lowercase(), String::from(value)));
            table.add_head(format!("another {name}:{value} in front"), vec![head]);
        }
    }
}

fn lines(table: &mut Table) {
    for method in [
        "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", "Get", "GETT", "GE", "XGET",
    ] {
        let mut head = request();
        head.line = format!("{method} /chat HTTP/1.1");
        table.add_head(format!("the method {method}"), vec![head]);
    }
    let mut head = request();
    head.line = String::from("GET /chat HTTP/1.0");
    table.add_head("HTTP/1.0", vec![head]);
    for line in [
        "GET",
        "GET /chat",
        "GET /chat HTTP/1.1 x",
        "GET  HTTP/1.1",
        "GET /chat http/1.1",
        "GET /chat HTTP/11",
        "GET /chat HTTP",
        "GET /chat HTTX/1.1",
        "GET /chat /chat HTTP/1.1",
    ] {
        let mut head = request();
        head.line = String::from(line);
        table.add_head(format!("the line \"{line}\""), vec![head]);
    }
}

fn syntax(table: &mut Table) {
    for (name, value) in [
        ("", "a line without a colon"),
        ("Na me", " x"),
        ("Name ", " x"),
        ("Na\u{e4}me", " x"),
        ("Na(me", " x"),
        ("X-Null", " a\0b"),
        ("X-Bell", " a\u{7}b"),
        ("X-Delete", " a\u{7f}b"),
    ] {
        for first in [true, false] {
            let mut head = request();
            let at = if first { 0 } else { head.fields.len() };
            head.fields.insert(at, (String::from(name), String::from(value)));
            let place = if first { "first" } else { "last" };
            // RFC 9110 section 5.5: a recipient may retain other control characters.
            table.uncommon = matches!(name, "X-Bell" | "X-Delete");
            table.add_head(
                format!("the field \"{}:{}\" {place}", name.escape_debug(), value.escape_debug()),
                vec![head],
            );
            table.uncommon = false;
        }
    }
}
