//! Responses: each field as it may come, and missing, repeated and wrong (section 4.1).

use super::Table;
use crate::head::Head;
use crate::session::{ACCEPT, NEAR_MISSES, near_miss_mark};

const LINE: &str = "HTTP/1.1 101 Switching Protocols";

fn response() -> Head {
    Head::new(
        LINE,
        &[
            ("Upgrade", " websocket"),
            ("Connection", " Upgrade"),
            ("Sec-WebSocket-Accept", &format!(" {ACCEPT}")),
        ],
    )
}

fn with_line(line: &str) -> Head {
    let mut head = response();
    head.line = String::from(line);
    head
}

pub(super) fn all(table: &mut Table) {
    legal(table);
    for name in ["Upgrade", "Connection", "Sec-WebSocket-Accept"] {
        let mut head = response();
        head.remove(name);
        table.add_head(format!("without {name}"), vec![head]);
    }
    for (name, values) in [
        (
            "Upgrade",
            &[
                "",
                "h2c",
                "websockets",
                "web socket",
                "websocke",
                "ebsocket",
                "websocket2",
                "xwebsocket",
                "TLS/1.0",
                "websocket, h2c",
                "h2c, websocket",
                "websocket/13",
            ][..],
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
            ],
        ),
    ] {
        for value in values {
            let mut head = response();
            head.set(name, &format!(" {value}"));
            table.add_head(format!("{name}: {value}"), vec![head]);
        }
    }
    accept_values(table);
    lines(table);
    not_asked(table);
    syntax(table);
}

fn legal(table: &mut Table) {
    table.add_head("the response of section 1.3", vec![response()]);
    for (name, values) in [
        ("Upgrade", &["WebSocket", "WEBSOCKET", "wEbSoCkEt"][..]),
        (
            "Connection",
            &[
                "upgrade",
                "UPGRADE",
                "keep-alive, Upgrade",
                "Upgrade, keep-alive",
                "keep-alive,upgrade",
            ],
        ),
    ] {
        for value in values {
            let mut head = response();
            head.set(name, &format!(" {value}"));
            table.add_head(format!("{name}: {value}"), vec![head]);
        }
    }
    let mut lower = response();
    let mut upper = response();
    let mut bare = response();
    let mut spaced = response();
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
    let mut backwards = response();
    backwards.fields.reverse();
    let mut split = response();
    split.set("Connection", " keep-alive");
    split.add("Connection", " Upgrade");
    for (what, head) in [
        ("names in lower case", lower),
        ("names in upper case", upper),
        ("no spaces before values", bare),
        ("spaces and tabs around values", spaced),
        ("the fields backwards", backwards),
        ("Connection in two fields", split),
        (
            "another reason phrase",
            with_line("HTTP/1.1 101 Web Socket Protocol Handshake"),
        ),
        ("an empty reason phrase", with_line("HTTP/1.1 101 ")),
    ] {
        table.add_head(what, vec![head]);
    }
    for (name, value) in [
        ("Server", "x/1 (y)"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Set-Cookie", "a=b"),
        ("X-Empty", ""),
        ("X-Latin1", "\u{e4}\u{f6}\u{fc}"),
        ("Sec-WebSocket-Version", "13"),
        ("Cache-Control", "no-store"),
    ] {
        let mut head = response();
        head.add(name, &format!(" {value}"));
        table.uncommon = name == "X-Latin1";
        table.add_head(format!("{name}: {value}"), vec![head]);
        table.uncommon = false;
    }
    let mut head = response();
    for number in 0..40 {
        head.add(&format!("X-Field-{number}"), " value");
    }
    table.uncommon = true;
    table.add_head("40 more fields", vec![head]);
    table.uncommon = false;
}

fn accept_values(table: &mut Table) {
    for (number, (what, _)) in NEAR_MISSES.iter().enumerate() {
        let mut head = response();
        head.set("Sec-WebSocket-Accept", &format!(" {}", near_miss_mark(number)));
        table.add_head(format!("an accept value {what}"), vec![head]);
    }
    for (value, what) in [
        (String::from(ACCEPT), "the same again"),
        (String::new(), "nothing"),
        (String::from("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "another"),
        (near_miss_mark(0), "a near miss"),
    ] {
        let mut behind = response();
        behind.add("Sec-WebSocket-Accept", &format!(" {value}"));
        table.add_head(format!("two accept values, the second {what}"), vec![behind]);
        let mut before = response();
        before
            .fields
            .insert(0, (String::from("sec-websocket-accept"), format!(" {value}")));
        table.add_head(format!("two accept values, the first {what}"), vec![before]);
    }
}

fn lines(table: &mut Table) {
    for status in [
        "100 Continue",
        "102 Processing",
        "103 Early Hints",
        "200 OK",
        "201 Created",
        "204 No Content",
        "300 Multiple Choices",
        "301 Moved Permanently",
        "302 Found",
        "304 Not Modified",
        "307 Temporary Redirect",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "407 Proxy Authentication Required",
        "426 Upgrade Required",
        "500 Internal Server Error",
        "503 Service Unavailable",
        "111 x",
        "110 x",
        "001 x",
        "999 x",
    ] {
        if status.starts_with('1') {
            // An interim response: no answer yet, whatever its fields say; that comes behind it.
            let heads = vec![
                with_line(&format!("HTTP/1.1 {status}")),
                with_line("HTTP/1.1 403 Forbidden"),
            ];
            table.add_head(format!("status {status} with all the fields, and then 403"), heads);
            continue;
        }
        table.add_head(
            format!("status {status}"),
            vec![with_line(&format!("HTTP/1.1 {status}"))],
        );
    }
    for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0"] {
        table.add_head(
            format!("{version} 101"),
            vec![with_line(&format!("{version} 101 Switching Protocols"))],
        );
    }
    for line in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "101 Switching Protocols",
        "HTTP/1.1 1010 Switching Protocols",
        "HTTP/1.1 10 Switching Protocols",
        "HTTP/1.1 0101 Switching Protocols",
        "HTTP/1.1 abc Switching Protocols",
        "HTTP/1.1 +101 Switching Protocols",
        "HTTP/1.1 1O1 Switching Protocols",
        "HTTX/1.1 101 Switching Protocols",
        "http/1.1 101 Switching Protocols",
        "HTTP/11 101 Switching Protocols",
        "HTTP 101 Switching Protocols",
    ] {
        table.add_head(format!("the line \"{line}\""), vec![with_line(line)]);
    }
}

fn not_asked(table: &mut Table) {
    for (name, values) in [
        (
            "Sec-WebSocket-Extensions",
            ["x-unknown", "x-unknown; a=1", "permessage-bogus", "x-one, x-two"],
        ),
        (
            "Sec-WebSocket-Protocol",
            ["chat", "superchat", "CHAT", "chat, superchat"],
        ),
    ] {
        for value in values {
            let mut head = response();
            head.add(name, &format!(" {value}"));
            table.add_head(format!("{name}: {value}, which was not asked for"), vec![head]);
        }
    }
}

fn syntax(table: &mut Table) {
    for (name, value) in [
        ("", "a line without a colon"),
        ("Na me", " x"),
        ("Name ", " x"),
        ("Na(me", " x"),
        ("X-Null", " a\0b"),
        ("X-Bell", " a\u{7}b"),
    ] {
        for first in [true, false] {
            let mut head = response();
            let at = if first { 0 } else { head.fields.len() };
            head.fields.insert(at, (String::from(name), String::from(value)));
            let place = if first { "first" } else { "last" };
            // Section 4.1 says what a client looks at, and a field that nobody asks for is not among it. Only a zero has to
            // be refused or taken out (RFC 9110 section 5.5).
            table.uncommon = name != "X-Null";
            table.add_head(
                format!("the field \"{}:{}\" {place}", name.escape_debug(), value.escape_debug()),
                vec![head],
            );
            table.uncommon = false;
        }
    }
}
