//! Opening handshakes, legal ones and those with one rule broken, and frames behind them.

use base64::Engine as _;
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::{BOUNDS, Role, Rule, frames};
use crate::compression::{Compression, Wrong};
use crate::frame::with_keys;
use crate::head::Head;
use crate::session::{ACCEPT, NEAR_MISSES, Parts, Session, Topic, near_miss_mark};

/// A field as it may come: its name in any case, spaces around its value.
fn dressed(fields: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<Vec<(String, String)>> {
    let dressed = fields.into_iter().map(|(name, value)| {
        let names = vec![String::from(name), name.to_ascii_lowercase(), name.to_ascii_uppercase()];
        let spaces = || select(vec![" ", "", "  ", "\t"]);
        (select(names), spaces(), value, select(vec!["", " ", "\t "]))
            .prop_map(|(name, before, value, after)| (name, format!("{before}{value}{after}")))
            .boxed()
    });
    dressed.collect::<Vec<_>>().prop_shuffle().boxed()
}

fn one_of(values: &[&'static str]) -> BoxedStrategy<String> {
    let values: Vec<String> = values.iter().map(|value| String::from(*value)).collect();
    select(values).boxed()
}

fn base64_of(len: usize) -> BoxedStrategy<String> {
    vec_of(any::<u8>(), len)
        .prop_map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes))
        .boxed()
}

fn request_head() -> BoxedStrategy<Head> {
    let required = dressed(vec![
        (
            "Host",
            one_of(&["example.com", "example.com:8080", "127.0.0.1", "[::1]:9000"]),
        ),
        ("Upgrade", one_of(&["websocket", "WebSocket", "WEBSOCKET"])),
        (
            "Connection",
            one_of(&["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive"]),
        ),
        ("Sec-WebSocket-Key", base64_of(16)),
        ("Sec-WebSocket-Version", one_of(&["13"])),
    ]);
    let free = dressed(vec![
        ("Origin", one_of(&["http://example.com", "null"])),
        (
            "Sec-WebSocket-Protocol",
            one_of(&["chat", "chat, superchat", "v1.example,v2.example"]),
        ),
        (
            "Sec-WebSocket-Extensions",
            one_of(&[
                "x-unknown",
                "x-unknown; a; b=1",
                "x-one, x-two;a=\"b\"",
                "permessage-deflate; client_max_window_bits",
            ]),
        ),
        ("Cookie", one_of(&["a=b; c=d", ""])),
        ("X-Anything", one_of(&["", "x", "a:b:c", "\"quoted, list\""])),
    ]);
    let line = one_of(&["GET / HTTP/1.1", "GET /chat HTTP/1.1", "GET /a/b?c=d&e=%20 HTTP/1.1"]);
    (line, required, free, 0_usize..6)
        .prop_map(|(line, mut fields, free, extra)| {
            fields.extend(free.into_iter().take(extra));
            Head { line, fields }
        })
        .boxed()
}

fn response_head() -> BoxedStrategy<Head> {
    let required = dressed(vec![
        ("Upgrade", one_of(&["websocket", "WebSocket", "WEBSOCKET"])),
        ("Connection", one_of(&["Upgrade", "upgrade", "keep-alive, Upgrade"])),
        ("Sec-WebSocket-Accept", one_of(&[ACCEPT])),
    ]);
    let free = dressed(vec![
        ("Server", one_of(&["x/1.0"])),
        ("Date", one_of(&["Thu, 01 Jan 1970 00:00:00 GMT"])),
        ("X-Anything", one_of(&["", "a:b:c", "\"quoted, list\""])),
    ]);
    let line = one_of(&["HTTP/1.1 101 Switching Protocols", "HTTP/1.1 101 OK", "HTTP/1.1 101 "]);
    (line, required, free, 0_usize..4)
        .prop_map(|(line, mut fields, free, extra)| {
            fields.extend(free.into_iter().take(extra));
            Head { line, fields }
        })
        .boxed()
}

/// Breaks a rule of the handshake; `pick` chooses between ways to do it.
fn break_head(head: &mut Head, rule: Rule, pick: usize) {
    let of = |ways: &[&'static str]| ways.get(pick % ways.len().max(1)).copied().unwrap_or_default();
    match rule {
        Rule::RequestSyntax => match pick % 4 {
            0 => head.add("", "a line without a colon"),
            1 => head.add("Na me", "x"),
            2 => head.line = String::from("GET / HTTX/1.1"),
            _ => head.line = String::from("GET"),
        },
        Rule::MethodNotGet => head.line = format!("{} / HTTP/1.1", of(&["POST", "HEAD", "PUT", "OPTIONS", "get"])),
        Rule::HttpVersionTooOld => head.line = String::from("GET / HTTP/1.0"),
        Rule::HostMissing => head.remove("Host"),
        Rule::UpgradeMissing | Rule::ResponseUpgrade if pick.is_multiple_of(2) => head.remove("Upgrade"),
        Rule::UpgradeMissing | Rule::ResponseUpgrade => head.set("Upgrade", of(&["h2c", "websockets", "web socket"])),
        Rule::ConnectionMissing | Rule::ResponseConnection if pick.is_multiple_of(2) => head.remove("Connection"),
        Rule::ConnectionMissing | Rule::ResponseConnection => {
            head.set("Connection", of(&["keep-alive", "close", "Upgraded"]));
        }
        Rule::KeyMissing => head.remove("Sec-WebSocket-Key"),
        Rule::KeyInvalid => head.set(
            "Sec-WebSocket-Key",
            of(&[
                "",
                "AAAA",
                // 15 and 17 bytes.
                "AAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAA=",
                "AAAAAAAAAAAAAAAAAAAAAA==AAAA",
                "****AAAAAAAAAAAAAAAAAA==",
                "AAAAAAAAAAAAAAAAAAAAAA",
            ]),
        ),
        Rule::HostRepeated => head.add("Host", of(&["example.com", "example.org"])),
        Rule::KeyRepeated => head.add("Sec-WebSocket-Key", of(&["AAAAAAAAAAAAAAAAAAAAAA==", ""])),
        Rule::VersionRepeated => head.add("Sec-WebSocket-Version", of(&["13", "8"])),
        Rule::ResponseVersion => {
            head.line = format!("{} 101 Switching Protocols", of(&["HTTP/1.0", "HTTP/0.9", "HTTP/2.0"]));
        }
        Rule::VersionMissing => head.remove("Sec-WebSocket-Version"),
        Rule::VersionUnsupported => head.set("Sec-WebSocket-Version", of(&["8", "12", "14", "0", "255"])),
        Rule::ResponseSyntax => match pick % 4 {
            0 => head.add("", "a line without a colon"),
            1 => head.add("Na me", "x"),
            2 => head.line = String::from("HTTP/1.1 abc Switching Protocols"),
            _ => head.line = String::from("HTTX/1.1 101 Switching Protocols"),
        },
        Rule::StatusNot101 => {
            head.line = format!(
                "HTTP/1.1 {}",
                of(&["200 OK", "400 Bad Request", "404 Not Found", "500 No", "302 Found"])
            );
        }
        Rule::AcceptMissing => head.remove("Sec-WebSocket-Accept"),
        Rule::AcceptMismatch => {
            head.set("Sec-WebSocket-Accept", &near_miss_mark(pick % NEAR_MISSES.len()));
        }
        Rule::AcceptRepeated => head.add("Sec-WebSocket-Accept", ACCEPT),
        Rule::ExtensionNotAsked => head.add("Sec-WebSocket-Extensions", of(&["x-unknown", "x-unknown; a=1"])),
        Rule::SubprotocolNotAsked => head.add("Sec-WebSocket-Protocol", of(&["chat", "superchat"])),
        // Rules about frames: nothing of the head.
        Rule::ReservedBits
        | Rule::ReservedOpcode
        | Rule::LengthNotMinimal
        | Rule::LengthTopBit
        | Rule::UnmaskedFrame
        | Rule::MaskedFrame
        | Rule::UnexpectedContinuation
        | Rule::ExpectedContinuation
        | Rule::FragmentedControl
        | Rule::ControlTooLong
        | Rule::CloseBodyOneByte
        | Rule::CloseReasonNotUtf8
        | Rule::InvalidCloseCode
        | Rule::TextNotUtf8
        | Rule::CompressedBit
        | Rule::CompressedData
        | Rule::CompressedDataEnd
        | Rule::DistanceTooFar
        | Rule::InflatedNotUtf8
        | Rule::DeflateAnswer
        | Rule::TooBig
        | Rule::TooManyFragments => {}
    }
}

pub(super) fn handshake(role: Role, rule: Option<Rule>) -> BoxedStrategy<Session> {
    let head = match role {
        Role::Server => request_head(),
        Role::Client => response_head(),
    };
    (head, frames::legal(Topic::Handshake), any::<u32>(), any::<u8>())
        .prop_map(move |(mut head, frames, seed, pick)| {
            if let Some(rule) = rule {
                break_head(&mut head, rule, usize::from(pick));
            }
            let frames = match rule {
                Some(_) => Vec::new(),
                None => with_keys(seed, frames),
            };
            let mut compression = None;
            if rule == Some(Rule::DeflateAnswer) {
                const WRONG: &[&str] = &["unknown", "server_max_window_bits=7", "client_no_context_takeover=1"];
                let parameter = WRONG.get(usize::from(pick) % WRONG.len()).copied().unwrap_or_default();
                head.add("Sec-WebSocket-Extensions", &format!(" permessage-deflate; {parameter}"));
                let mut wrong = Compression::new(false, 8);
                wrong.wrong = Some(Wrong::Always);
                compression = Some(wrong);
            }
            let heads = vec![head];
            let parts = Parts {
                heads,
                frames,
                tail: Vec::new(),
            };
            Session::of(role, Topic::Handshake, "", parts, BOUNDS, compression)
        })
        .boxed()
}
