//! Text: the boundaries of UTF-8 byte by byte, in messages, in fragments and in close reasons.

use super::Table;
use crate::frame::Frame;
use crate::session::Topic;

/// Second bytes on both sides of each boundary that some first byte has.
const SECOND: &[u8] = &[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff];
/// The same for the bytes after the second, all of which have the same range.
const LATER: &[u8] = &[0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff];

/// Characters at the boundaries of each length, and others that are text although they look as if they were not.
const CHARACTERS: &[char] = &[
    '\u{0}',
    '\u{1}',
    '\u{7f}',
    '\u{80}',
    '\u{7ff}',
    '\u{800}',
    '\u{fff}',
    '\u{1000}',
    '\u{cfff}',
    '\u{d000}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{fdd0}',
    '\u{fdef}',
    '\u{feff}',
    '\u{fffc}',
    '\u{fffd}',
    '\u{fffe}',
    '\u{ffff}',
    '\u{10000}',
    '\u{1fffe}',
    '\u{1ffff}',
    '\u{2fffe}',
    '\u{3ffff}',
    '\u{3fffe}',
    '\u{40000}',
    '\u{fffff}',
    '\u{100000}',
    '\u{10fffe}',
    '\u{10ffff}',
    'a',
    'ß',
    '€',
    '𝄞',
];

/// Ill-formed in a way of its own each.
pub(super) const ILL_FORMED: &[&[u8]] = &[
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc2",
    b"\xc3\x28",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe2\x82",
    b"\xe2\x28\xa1",
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98",
    b"\xf0\x9f\x98\x28",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
];

/// Every sequence of one byte to four, on both sides of each boundary.
fn sequences() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    for first in 0xc0..=0xff_u8 {
        for second in SECOND {
            if first < 0xe0 {
                all.push(vec![first, *second]);
                continue;
            }
            for third in LATER {
                if first < 0xf0 {
                    all.push(vec![first, *second, *third]);
                    continue;
                }
                // What is wrong with the second byte is wrong whatever follows.
                let fourth = if matches!(second, 0x80..=0xbf) && first < 0xf5 {
                    LATER
                } else {
                    &[0x80][..]
                };
                all.extend(fourth.iter().map(|fourth| vec![first, *second, *third, *fourth]));
            }
        }
    }
    all
}

pub(super) fn all(table: &mut Table) {
    boundaries(table);
    contexts(table);
    characters(table);
    places_in_long_text(table);
    not_text(table);
}

fn boundaries(table: &mut Table) {
    let (valid, bad): (Vec<_>, Vec<_>) = sequences()
        .into_iter()
        .partition(|bytes| std::str::from_utf8(bytes).is_ok());
    // What is well-formed, together and one by one in a message of its own.
    table.add(
        Topic::Text,
        "every sequence at a boundary",
        vec![Frame::text(valid.concat())],
    );
    let singly = valid.iter().map(|bytes| Frame::text(bytes.clone())).collect();
    table.add(
        Topic::Messages,
        "every sequence at a boundary, in a message each",
        singly,
    );
    table.core = false;
    for bytes in bad {
        let name = format!("text {}", bytes.escape_ascii());
        table.add(Topic::Text, name, vec![Frame::text(bytes), Frame::text("after it")]);
    }
    table.core = true;
}

/// Each way to be ill-formed in each place that text can be.
fn contexts(table: &mut Table) {
    for bad in ILL_FORMED {
        let shown = bad.escape_ascii();
        let around = [&b"a\xe2\x82\xac"[..], bad, b"z"].concat();
        table.add(
            Topic::Text,
            format!("{shown} between others"),
            vec![Frame::text("before"), Frame::text(around.clone()), Frame::ping("p")],
        );
        table.add(
            Topic::Text,
            format!("{shown} in the last fragment"),
            vec![
                Frame::text("good").more(),
                Frame::last(around.clone()),
                Frame::ping("p"),
            ],
        );
        table.add(
            Topic::Text,
            format!("{shown} in the middle fragment"),
            vec![
                Frame::text("good").more(),
                Frame::ping("p"),
                Frame::last(around.clone()).more(),
                Frame::last("good"),
            ],
        );
        for at in 1..bad.len() {
            let (first, second) = bad.split_at(at);
            table.add(
                Topic::Text,
                format!("{shown} cut by a frame after {at}"),
                vec![
                    Frame::text(first).more(),
                    Frame::ping("p"),
                    Frame::last(second),
                    Frame::text("after it"),
                ],
            );
        }
        table.add(
            Topic::Text,
            format!("{shown} at the end of a message in two fragments, the second empty"),
            vec![Frame::text([&b"ab"[..], bad].concat()).more(), Frame::last("")],
        );
        for (code, before) in [(1000, ""), (4000, "a reason \u{20ac}: ")] {
            table.add(
                Topic::Close,
                format!("{shown} in the reason of {code}"),
                vec![
                    Frame::text("before"),
                    Frame::close(code, [before.as_bytes(), bad].concat()),
                ],
            );
        }
        // Behind as much text as there may be: 123 bytes are a reason.
        for len in [62, 63, 66, 98, 123] {
            table.core = len == 123;
            let before = "r".repeat(len - bad.len());
            table.add(
                Topic::Close,
                format!("{shown} at the end of a reason of {len} bytes"),
                vec![
                    Frame::text("before"),
                    Frame::close(1000, [before.as_bytes(), bad].concat()),
                ],
            );
        }
        table.core = true;
        table.add(
            Topic::Close,
            format!("{shown} in a reason, inside a binary message"),
            vec![Frame::binary("before").more(), Frame::close(1001, bad)],
        );
    }
    for (whole, at) in [("ß", 1), ("€", 1), ("€", 2), ("𝄞", 1), ("𝄞", 2), ("𝄞", 3)] {
        let (cut, rest) = whole.as_bytes().split_at(at);
        table.add(
            Topic::Text,
            format!("text that ends inside {whole}"),
            vec![Frame::text(cut), Frame::text(rest)],
        );
        table.add(
            Topic::Text,
            format!("text that ends inside {whole}, after others"),
            vec![Frame::text([b"abc", cut].concat()), Frame::ping("p")],
        );
        table.add(
            Topic::Text,
            format!("{whole} cut by a Ping after {at}"),
            vec![
                Frame::text(cut).more(),
                Frame::ping("\u{20ac}"),
                Frame::last(rest),
                Frame::text("after it"),
            ],
        );
        table.add(
            Topic::Text,
            format!("{whole} cut by an empty fragment after {at}"),
            vec![
                Frame::text(cut).more(),
                Frame::last("").more(),
                Frame::last(rest),
                Frame::text("after it"),
            ],
        );
        table.add(
            Topic::Text,
            format!("{whole} cut, and its rest in the next message"),
            vec![Frame::text(cut).more(), Frame::last(""), Frame::text(rest)],
        );
    }
}

fn characters(table: &mut Table) {
    let all: String = CHARACTERS.iter().collect();
    table.add(
        Topic::Messages,
        "characters at each boundary",
        vec![Frame::text(all.as_str()), Frame::text("after it")],
    );
    let bytes = all.as_bytes();
    for size in [1, 2, 3, 5, 7] {
        let mut frames: Vec<Frame> = bytes.chunks(size).map(|part| Frame::last(part).more()).collect();
        if let Some(first) = frames.first_mut() {
            first.opcode = 0x1;
        }
        if let Some(last) = frames.last_mut() {
            last.fin = true;
        }
        frames.push(Frame::text("after it"));
        table.add(Topic::Text, format!("characters in fragments of {size} bytes"), frames);
    }
    for text in [
        "a\r\nb",
        "\r\n",
        "\n",
        "\r",
        " leading",
        "trailing ",
        "\ttabs\t",
        " ",
        "\0",
        "a\0b",
        "\u{feff}mark",
        "A a",
        "{\"a\": 1}",
        "<a>&amp;",
    ] {
        let frames = vec![Frame::text(text), Frame::text("after it")];
        table.add(Topic::Messages, format!("the text {}", text.escape_debug()), frames);
    }
    for c in CHARACTERS {
        for text in [format!("{c}"), format!("{c}{c}"), format!("a{c}b")] {
            let frames = vec![Frame::text(text.as_str()), Frame::text("after it")];
            table.core = text.len() < 4;
            table.add(Topic::Messages, format!("the text {}", text.escape_debug()), frames);
        }
    }
    table.core = true;
}

/// One bad byte at each place of a text that is otherwise ASCII: fast paths look at many bytes at a time.
fn places_in_long_text(table: &mut Table) {
    for bad in [&b"\x80"[..], b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        for at in (0..72).chain([100, 127, 128, 200, 255, 256, 1000, 4095, 4096, 5000]) {
            let text = [&vec![b'x'; at][..], bad, &[b'y'; 40]].concat();
            table.core = matches!(at, 15 | 31 | 64 | 5000);
            table.add(
                Topic::Text,
                format!("{} after {at} bytes", bad.escape_ascii()),
                vec![Frame::text(text), Frame::text("after it")],
            );
        }
    }
    table.core = true;
    for bad in [&b"\xff"[..], b"\xe2\x82"] {
        for len in [65_530, 65_536, 66_000] {
            let text = [&vec![b'x'; len][..], bad].concat();
            table.add(
                Topic::Text,
                format!("{} behind {len} bytes of text", bad.escape_ascii()),
                vec![Frame::text(text), Frame::text("after it")],
            );
        }
    }
}

/// Binary messages and Pings are not text.
fn not_text(table: &mut Table) {
    let every: Vec<u8> = (0..=255).collect();
    table.add(
        Topic::Messages,
        "every byte in a binary message",
        vec![Frame::binary(every)],
    );
    for bad in ILL_FORMED {
        let shown = bad.escape_ascii();
        table.add(
            Topic::Messages,
            format!("{shown} in a binary message"),
            vec![Frame::binary(*bad), Frame::text("after it")],
        );
        table.add(
            Topic::Fragments,
            format!("{shown} in a fragmented binary message"),
            vec![Frame::binary("ab").more(), Frame::last(*bad), Frame::text("after it")],
        );
        table.add(
            Topic::Fragments,
            format!("{shown} in a Ping inside a text"),
            vec![
                Frame::text("ab").more(),
                Frame::ping(*bad),
                Frame::last("cd"),
                Frame::text("after it"),
            ],
        );
    }
}
