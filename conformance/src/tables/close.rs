//! Closes: every code, reasons of every length, at every place, and what comes after one.

use super::combinations::states;
use super::{Table, complete};
use crate::frame::Frame;
use crate::generate::long_text;
use crate::session::Topic;

pub(super) fn all(table: &mut Table) {
    codes(table);
    reasons(table);
    after(table);
    places(table);
}

fn codes(table: &mut Table) {
    // Above 5120 there is nothing that differs; some of each, and the codes that are legal with their bytes swapped.
    let above = (5120..=65535_u16).step_by(97).chain([0x8000, 0xff00, 0xfffe, 65535]);
    let swapped = (1000..=1014_u16).chain([3000, 4000, 4999]).map(u16::swap_bytes);
    for code in (0..5120).chain(above).chain(swapped) {
        table.core = matches!(
            code,
            0 | 1 | 500 | 998..=1020 | 1099..=1101 | 1500 | 1999..=2001 | 2998..=3001 | 3998..=4001 | 4998..=5001 | 32768 | 65535
        );
        table.add(Topic::Close, format!("code {code}"), vec![Frame::close(code, "")]);
    }
    for code in [
        0, 999, 1000, 1004, 1005, 1006, 1011, 1015, 1016, 2999, 3000, 4999, 5000, 65535,
    ] {
        table.core = false;
        let mut frames = vec![Frame::text("before"), Frame::close(code, "with a reason")];
        complete(&mut frames, b"");
        table.add(Topic::Close, format!("code {code} with a reason"), frames);
        let mut frames = vec![Frame::text("before").more(), Frame::close(code, "x")];
        complete(&mut frames, b"");
        table.add(Topic::Close, format!("code {code} inside a message"), frames);
    }
    table.core = true;
    for byte in [0x00, 0x03, 0x0b, 0x10, 0xe8, 0xff] {
        table.add(
            Topic::Close,
            format!("a body of one byte, {byte:#04x}"),
            vec![Frame::text("before"), Frame::new(0x8, true, vec![byte])],
        );
        table.add(
            Topic::Close,
            format!("a body of one byte, {byte:#04x}, inside a message"),
            vec![Frame::text("before").more(), Frame::new(0x8, true, vec![byte])],
        );
    }
}

fn reasons(table: &mut Table) {
    table.add(Topic::Close, "an empty body", vec![Frame::new(0x8, true, vec![])]);
    for len in 0..=123 {
        table.core = matches!(len, 0 | 1 | 2 | 64 | 122 | 123);
        table.add(
            Topic::Close,
            format!("a reason of {len} bytes"),
            vec![Frame::close(1000, long_text(len as u32, len))],
        );
        table.add(
            Topic::Close,
            format!("a reason of {len} bytes of ASCII"),
            vec![Frame::close(4000, vec![b'r'; len])],
        );
    }
    for (count, c) in [(61, 'ß'), (41, '€'), (30, '𝄞')] {
        let reason: String = std::iter::repeat_n(c, count).collect();
        table.add(
            Topic::Close,
            format!("a reason of {count} times {c}"),
            vec![Frame::close(3000, &reason)],
        );
    }
    table.add(
        Topic::Close,
        "a reason of control characters",
        vec![Frame::close(1000, "\0\r\n\u{7f}\u{feff}")],
    );
    table.core = true;
}

fn after(table: &mut Table) {
    let follow: Vec<(&str, Vec<Frame>, &[u8])> = vec![
        ("a Ping", vec![Frame::ping("too late")], b""),
        ("a Pong", vec![Frame::pong("too late")], b""),
        ("a text", vec![Frame::text("too late")], b""),
        ("a binary message", vec![Frame::binary("too late")], b""),
        (
            "a fragmented message",
            vec![Frame::text("too ").more(), Frame::last("late")],
            b"",
        ),
        ("a continuation", vec![Frame::last("too late")], b""),
        ("the same Close again", vec![Frame::close(1000, "first")], b""),
        ("a second Close", vec![Frame::close(1001, "second")], b""),
        (
            "a second Close without a code",
            vec![Frame::new(0x8, true, vec![])],
            b"",
        ),
        (
            "two more Closes",
            vec![Frame::close(1000, ""), Frame::close(1000, "")],
            b"",
        ),
        (
            "a Close with a code that must not be sent",
            vec![Frame::close(1005, "")],
            b"",
        ),
        ("bad text", vec![Frame::text(b"\xff")], b""),
        (
            "a frame with a reserved opcode",
            vec![Frame::new(0x3, true, b"x".to_vec())],
            b"",
        ),
        ("half a frame", vec![], b"\x81"),
        (
            "bytes that are no frame",
            vec![],
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        ("zeros", vec![], &[0; 40]),
        ("HTTP", vec![], b"GET / HTTP/1.1\r\n\r\n"),
    ];
    for (what, frames, tail) in follow {
        for (close, how) in [
            (Frame::close(1000, "first"), "after a Close"),
            (Frame::new(0x8, true, vec![]), "after a Close without a body"),
        ] {
            let mut all = vec![Frame::text("before"), close.clone()];
            all.extend(frames.clone());
            table.add_with_tail(Topic::Close, format!("{what} {how}"), all, tail);
        }
        let mut all = vec![Frame::text("before").more(), Frame::close(3000, "")];
        all.extend(frames.clone());
        table.add_with_tail(
            Topic::Close,
            format!("{what} after a Close inside a message"),
            all,
            tail,
        );
    }
}

fn places(table: &mut Table) {
    for len in [126, 1000, 66_000] {
        table.core = len == 1000;
        for first in [Frame::text(long_text(3, len)), Frame::binary(long_text(4, len))] {
            let kind = if first.opcode == 0x1 { "text" } else { "binary message" };
            let frames = vec![first.more(), Frame::close(1000, "")];
            table.add(
                Topic::Close,
                format!("a Close inside a {kind}, after {len} bytes"),
                frames,
            );
        }
    }
    table.core = true;
    for (state, before, rest) in states() {
        for (close, what) in [
            (Frame::close(1000, ""), "a Close with a code"),
            (Frame::close(1001, "going away"), "a Close with a reason"),
            (Frame::new(0x8, true, vec![]), "a Close without a body"),
        ] {
            let mut frames = before.clone();
            frames.push(close.clone());
            complete(&mut frames, rest);
            table.add(Topic::Close, format!("{what}, {state}"), frames);
            let mut frames = before.clone();
            frames.extend([Frame::ping("before the Close"), close]);
            table.add(Topic::Close, format!("{what} behind a Ping, {state}"), frames);
        }
    }
}
