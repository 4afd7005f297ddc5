//! Compressed messages (RFC 7692 sections 6 and 7.2): legal ones, and such as break a rule.

use super::Table;
use super::script::Script;
use crate::deflate::{Block, Blocks, Compressor, Token};
use crate::frame::Frame;
use crate::generate::{long_bytes, long_text};
use crate::session::Topic;

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

pub(super) fn all(table: &mut Table) {
    messages(table);
    fragments(table);
    between(table);
    many(table);
    blocks(table);
    reserved_bits(table);
    bad_data(table);
    cut_data(table);
    bad_text(table);
}

fn script(table: &Table, topic: Topic, name: impl Into<String>) -> Script {
    Script::new(table.role, topic, name, true, 15)
}

/// Text that is worth compressing.
pub(super) fn lines(seed: u32, len: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut number = seed;
    while text.len() < len {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text += &format!(
            "{{\"id\":{},\"name\":\"n\u{e4}me {}\",\"on\":{}}},",
            number >> 12,
            number >> 28,
            number & 64 == 0
        );
    }
    while text.len() > len {
        text.pop();
    }
    while text.len() < len {
        text.push('.');
    }
    text.into_bytes()
}

fn messages(table: &mut Table) {
    for text in [true, false] {
        let kind = if text { "text" } else { "binary" };
        for len in [
            0, 1, 2, 3, 5, 10, 64, 124, 125, 126, 127, 200, 1000, 1023, 1024, 1025, 4095, 4096, 4097, 8192, 16_384,
            20_000, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 100_000,
        ] {
            for (what, data) in [
                ("of lines", lines(len as u32, len)),
                (
                    "without a pattern",
                    if text { long_text(7, len) } else { long_bytes(7, len) },
                ),
                ("of one byte", vec![b'a'; len]),
            ] {
                if len > 5000 && !matches!((len, what), (32_769 | 65_536, _) | (_, "of lines")) {
                    continue;
                }
                table.core = matches!(len, 0 | 1 | 5 | 126 | 1000 | 4096 | 32_769 | 65_536);
                let mut script = script(
                    table,
                    Topic::Compressed,
                    format!("compressed {kind} of {len} bytes, {what}"),
                );
                script.message(text, &data);
                script.complete();
                script.add(table);
            }
        }
    }
    table.core = true;
    let mut script = script(table, Topic::Compressed, "half a megabyte of zeros in a few kilobytes");
    script.message(false, &vec![0; 1 << 19]);
    script.complete();
    script.add(table);
}

fn fragments(table: &mut Table) {
    for text in [true, false] {
        let kind = if text { "text" } else { "binary" };
        let data = "compr\u{e9}ss\u{e9} \u{20ac} \u{1d11e} and compr\u{e9}ss\u{e9} again".as_bytes();
        let len = Compressor::new(true, 15).message(data, Block::Fixed).len();
        for (what, lens) in [
            ("two fragments", vec![5, 0]),
            ("an empty first fragment", vec![0, 0]),
            ("an empty last fragment", vec![len, 0]),
            ("an empty fragment in the middle", vec![7, 0, 0]),
            ("a first fragment of one byte", vec![1, 0]),
            ("a last fragment of one byte", vec![len - 1, 0]),
            ("three fragments", vec![3, 9, 0]),
            ("fragments of one byte", vec![1; len]),
            ("many fragments, most of them empty", vec![0; 40]),
        ] {
            for control in [None, Some(Frame::ping("p")), Some(Frame::pong("q"))] {
                let with = match &control {
                    None => "",
                    Some(frame) if frame.opcode == 0x9 => ", a Ping after each",
                    Some(_) => ", a Pong after each",
                };
                let mut script = script(table, Topic::Compressed, format!("compressed {kind} in {what}{with}"));
                script.text("before it");
                script.fragments(text, data, &lens);
                if let Some(control) = control {
                    let frames = std::mem::take(&mut script.frames);
                    for frame in frames {
                        script.frames.extend([frame, control.clone()]);
                    }
                }
                script.complete();
                script.add(table);
            }
        }
        for len in [20, 125, 1000, 4096] {
            let mut script = script(
                table,
                Topic::Compressed,
                format!("long compressed {kind} in fragments of {len} bytes"),
            );
            script.pieces(text, &lines(3, 40_000), len);
            script.complete();
            script.add(table);
        }
        for len in [1, 2, 6] {
            let mut script = script(
                table,
                Topic::Compressed,
                format!("a Close inside a compressed {kind}, after {len} bytes"),
            );
            script.text("before it");
            script.fragments(text, b"never whole", &[len, 0]);
            script.frames.pop();
            script.plain(Frame::close(1000, ""));
            script.add(table);
        }
    }
}

fn between(table: &mut Table) {
    let texts = [
        "the first of them, and the same again",
        "the first of them, and the same again",
    ];
    let plain: [(&str, Vec<Frame>); 7] = [
        ("a text that is not compressed", vec![Frame::text("not compressed")]),
        ("the same text, not compressed", vec![Frame::text(texts[0])]),
        ("an empty text that is not compressed", vec![Frame::text("")]),
        (
            "a fragmented text that is not compressed",
            vec![Frame::text("not ").more(), Frame::ping("p"), Frame::last("compressed")],
        ),
        ("bytes that look compressed", vec![Frame::binary(HELLO)]),
        ("a Ping with bytes that look compressed", vec![Frame::ping(HELLO)]),
        (
            "messages that are not compressed, of 40000 bytes",
            vec![Frame::binary(long_bytes(1, 40_000)), Frame::text(long_text(1, 40_000))],
        ),
    ];
    for (what, frames) in &plain {
        let mut script = script(table, Topic::Compressed, format!("{what}, between compressed messages"));
        script.text(texts[0]);
        script.frames.extend(frames.iter().cloned());
        script.text(texts[1]);
        script.frames.extend(frames.iter().cloned());
        script.text("the first of them");
        script.complete();
        script.add(table);
        let mut script = self::script(
            table,
            Topic::Compressed,
            format!("{what}, first, where compression is agreed"),
        );
        script.frames.extend(frames.iter().cloned());
        script.plain(Frame::text("after it"));
        script.text(texts[0]);
        script.complete();
        script.add(table);
    }
    let mut script = script(table, Topic::Compressed, "empty messages between compressed ones");
    for text in ["one and all", "", "", "one and all", "", "one"] {
        script.text(text);
    }
    script.complete();
    script.add(table);
    // A Ping inside a compressed message after which nothing is to be compressed.
    let mut script = self::script(
        table,
        Topic::Compressed,
        "compressed and plain in turns, fragmented, with Pings inside",
    );
    for number in 0..12 {
        let text = format!("message {number}, as the others");
        script.fragments(true, text.as_bytes(), &[3, 4, 0]);
        let at = script.frames.len() - 2;
        script.frames.insert(at, Frame::ping(format!("{number}")));
        script.plain(Frame::binary(text.clone()).more());
        script.plain(Frame::ping("inside"));
        script.plain(Frame::last("."));
    }
    script.complete();
    script.add(table);
}

fn many(table: &mut Table) {
    for (count, core) in [(20, true), (300, true), (1100, false)] {
        for (what, same) in [("equal messages", true), ("messages", false)] {
            table.core = core;
            let mut script = script(
                table,
                Topic::Compressed,
                format!("{count} {what}, each of a kind with the last"),
            );
            for number in 0..count {
                let number = if same { 0 } else { number };
                script.message(number % 3 == 0, &lines(number / 2, 90));
            }
            script.complete();
            script.add(table);
        }
    }
    table.core = true;
    let mut script = script(
        table,
        Topic::Compressed,
        "text until the window has gone round several times",
    );
    for number in 0..40 {
        script.message(true, &lines(number % 7, 5000));
    }
    script.complete();
    script.add(table);
}

fn blocks(table: &mut Table) {
    let examples: [(&str, &[u8]); 6] = [
        ("section 7.2.3.1", HELLO),
        (
            "section 7.2.3.3",
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        ),
        ("section 7.2.3.4", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
        (
            "section 7.2.3.5",
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
        ),
        ("section 7.2.3.6", &[0x00]),
        ("an empty block of the fixed code", &[0x02, 0x00]),
    ];
    for (what, payload) in examples {
        let mut script = Script::new(table.role, Topic::Blocks, format!("the example of {what}"), false, 15);
        script.raw(true, payload);
        script.raw(false, payload);
        script.complete();
        script.add(table);
    }
    let mut script = script(table, Topic::Blocks, "the examples of section 7.2.3.2");
    script.raw(true, HELLO);
    script.raw(true, &[0xf2, 0x00, 0x11, 0x00, 0x00]);
    script.plain(Frame::ping("still there?"));
    script.add(table);
    for kind in [Block::Stored, Block::Fixed, Block::Dynamic] {
        for (what, data) in [
            ("nothing", vec![]),
            ("one byte", vec![0]),
            ("every byte", (0..=255).collect()),
            ("lines", lines(5, 3000)),
            ("bytes without a pattern", long_bytes(9, 3000)),
            ("70000 bytes", lines(5, 70_000)),
        ] {
            let mut script = self::script(table, Topic::Blocks, format!("{what} in blocks: {kind:?}"));
            script.kind = kind;
            script.message(false, &data);
            script.message(false, &data);
            script.complete();
            script.add(table);
        }
        // The block is the last of its stream, and messages go on: what follows refers to what came before.
        for (what, count) in [("once", 1), ("five times", 5), ("fifty times", 50)] {
            let mut script = self::script(table, Topic::Blocks, format!("BFINAL {what}: {kind:?}"));
            script.text("before BFINAL");
            for number in 0..count {
                let text = format!("number {number} has BFINAL");
                let mut blocks = Blocks::new();
                match kind {
                    Block::Stored => blocks.stored(text.as_bytes(), true),
                    Block::Fixed | Block::Dynamic => {
                        blocks.compressed(kind, &script.compressor.tokens(text.as_bytes()), true);
                    }
                }
                script.compressor.note(text.as_bytes());
                script.raw(true, &blocks.message());
                script.text(&format!("after number {number}, before BFINAL"));
            }
            script.complete();
            script.add(table);
        }
        let mut script = self::script(
            table,
            Topic::Blocks,
            format!("blocks behind BFINAL in one message: {kind:?}"),
        );
        let literals = |text: &str| text.bytes().map(Token::Literal).collect::<Vec<_>>();
        let mut blocks = Blocks::new();
        for (number, text) in ["one, ", "two, ", "three"].iter().enumerate() {
            match kind {
                Block::Stored => blocks.stored(text.as_bytes(), number < 2),
                Block::Fixed | Block::Dynamic => blocks.compressed(kind, &literals(text), number < 2),
            }
        }
        script.compressor.note(b"one, two, three");
        script.raw(true, &blocks.message());
        script.text("one, two, three");
        script.complete();
        script.add(table);
    }
    several_blocks(table);
    copies(table);
}

fn several_blocks(table: &mut Table) {
    for (what, sizes) in [
        ("of all kinds", &[40_usize, 700, 3, 0, 90, 1][..]),
        ("that are short", &[1; 60]),
        ("that are empty but for the last", &[0, 0, 0, 0, 0, 5]),
    ] {
        let mut script = script(table, Topic::Blocks, format!("blocks {what}"));
        let data = lines(8, sizes.iter().sum());
        let mut blocks = Blocks::new();
        let mut rest = &data[..];
        for (number, size) in sizes.iter().enumerate() {
            let (now, later) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
            rest = later;
            let tokens: Vec<Token> = now.iter().map(|byte| Token::Literal(*byte)).collect();
            match number % 3 {
                0 => blocks.compressed(Block::Fixed, &tokens, false),
                1 => blocks.stored(now, false),
                _ => blocks.compressed(Block::Dynamic, &tokens, false),
            }
        }
        script.compressor.note(&data);
        script.raw(false, &blocks.message());
        script.text("after it");
        script.complete();
        script.add(table);
    }
}

/// Copies of each length and at the edges of what a copy can be.
fn copies(table: &mut Table) {
    let start = long_bytes(11, 1 << 15);
    for (what, copies) in [
        (
            "of each length",
            (3..=258).map(|length| (length, 300 + length)).collect::<Vec<_>>(),
        ),
        (
            "of the longest length",
            vec![(258, 1), (258, 32_768), (258, 258), (257, 257), (258, 2)],
        ),
        ("that overlap", vec![(200, 1), (100, 2), (99, 3), (258, 7), (10, 9)]),
        (
            "at each power of two",
            (0..=15)
                .flat_map(|bit| [(3, 1 << bit), (5, (1_usize << bit).max(2) - 1)])
                .collect(),
        ),
        ("from the very start", vec![(3, 32_768), (258, 32_768)]),
    ] {
        for kind in [Block::Fixed, Block::Dynamic] {
            let mut script = script(table, Topic::Blocks, format!("copies {what}: {kind:?}"));
            let mut data = start.clone();
            let tokens: Vec<Token> = copies
                .iter()
                .map(|&(length, distance)| {
                    for _ in 0..length {
                        data.extend(data.get(data.len() - distance).copied());
                    }
                    Token::Copy { length, distance }
                })
                .collect();
            let mut blocks = Blocks::new();
            blocks.stored(&start, false);
            blocks.compressed(kind, &tokens, false);
            script.raw(false, &blocks.message());
            script.compressor.note(&data);
            script.complete();
            script.add(table);
        }
    }
}

/// RSV1 where it does not belong, and RSV2 and RSV3, which are still reserved (section 6).
fn reserved_bits(table: &mut Table) {
    for (state, compressed, plain) in [
        ("at the start", None, None),
        ("after a compressed message", Some(true), None),
        ("inside a compressed message", Some(false), None),
        ("inside a message that is not compressed", None, Some(())),
    ] {
        for (what, frame) in [
            ("a Ping", Frame::ping("p")),
            ("an empty Ping", Frame::ping("")),
            ("a Pong", Frame::pong("p")),
            ("a Close", Frame::close(1000, "")),
            ("a continuation", Frame::last("c")),
            ("a continuation without FIN", Frame::last("c").more()),
            ("an empty continuation", Frame::last("")),
        ] {
            let continues = frame.opcode == 0;
            if continues && state.starts_with("a") {
                continue;
            }
            let mut script = script(table, Topic::Compressed, format!("RSV1 on {what}, {state}"));
            match compressed {
                Some(true) => script.text("whole"),
                Some(false) => {
                    script.fragments(true, b"not whole yet", &[4, 0]);
                    script.frames.pop();
                }
                None => {}
            }
            if plain.is_some() {
                script.plain(Frame::text("not whole").more());
            }
            let mut frame = frame;
            frame.reserved = 0b100;
            script.plain(frame);
            script.complete();
            script.add(table);
        }
        for reserved in [0b010_u8, 0b001, 0b011, 0b101, 0b110, 0b111] {
            if plain.is_some() || compressed == Some(false) {
                continue;
            }
            let mut script = script(
                table,
                Topic::Compressed,
                format!("RSV {reserved:03b} on a text, {state}"),
            );
            if compressed.is_some() {
                script.text("whole");
            }
            // Nothing else is wrong with it.
            let text = if reserved & 0b100 == 0 { b"Hello" } else { HELLO };
            let mut frame = Frame::text(text);
            frame.reserved = reserved;
            script.plain(frame);
            script.complete();
            script.add(table);
        }
    }
    for (what, opcode) in [("text", 0x1), ("binary", 0x2)] {
        for reserved in [0b000, 0b100] {
            let mut script = script(
                table,
                Topic::Compressed,
                format!("a new {what}, RSV {reserved:03b}, inside a compressed message"),
            );
            script.fragments(true, b"not whole yet", &[4, 0]);
            script.frames.pop();
            let mut frame = Frame::new(opcode, true, HELLO.to_vec());
            frame.reserved = reserved;
            script.plain(frame);
            script.add(table);
        }
    }
}

/// What cannot be inflated.
fn bad_data(table: &mut Table) {
    let mut far = Blocks::new();
    far.compressed(
        Block::Fixed,
        &[Token::Literal(b'a'), Token::Copy { length: 5, distance: 2 }],
        false,
    );
    // The fixed code has symbols that mean nothing: lengths 286 and 287, distances 30 and 31.
    let bits = |parts: &[(usize, usize)]| {
        let mut blocks = Blocks::new();
        for (value, count) in parts {
            blocks.bits(*value, *count);
        }
        blocks.message()
    };
    let mut behind = Blocks::new();
    behind.compressed(Block::Fixed, &[Token::Literal(b'a')], true);
    let behind = [&behind.bytes()[..], b"\xff\xff\xff"].concat();
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("a block of the kind 3", vec![0x06]),
        ("a block of the kind 3, with BFINAL", vec![0x07]),
        ("a block of the kind 3, and more", vec![0x06, 0x01, 0x02, 0x03, 0x04]),
        (
            "a stored block whose length is not repeated",
            vec![0x00, 0x05, 0x00, 0xfa, 0xfe, 1, 2, 3, 4, 5, 0x00],
        ),
        (
            "a stored block whose length is repeated as it is",
            vec![0x00, 0x01, 0x00, 0x01, 0x00, 1, 0x00],
        ),
        ("a copy from before the first byte", far.message()),
        ("the length 286", bits(&[(0b010, 3), (0b0110_0011, 8), (0, 9)])),
        ("the length 287", bits(&[(0b010, 3), (0b1110_0011, 8), (0, 9)])),
        (
            "the distance 30",
            bits(&[(0b010, 3), (0b1000_1100, 8), (0b100_0000, 7), (0b01111, 5), (0, 7)]),
        ),
        (
            "the distance 31",
            bits(&[(0b010, 3), (0b1000_1100, 8), (0b100_0000, 7), (0b11111, 5), (0, 7)]),
        ),
        (
            "too many lengths of codes",
            bits(&[(0b100, 3), (31, 5), (31, 5), (15, 4), (0, 30)]),
        ),
        (
            "codes without lengths",
            bits(&[&[(0b100, 3), (0, 5), (0, 5), (0, 4), (0, 12)][..], &[(0, 40); 10]].concat()),
        ),
        (
            "more codes than there are",
            bits(&[(0b100, 3), (0, 5), (0, 5), (15, 4), (0o111_111_111, 30), (0, 40)]),
        ),
        ("garbage", b"this is not compressed at all".to_vec()),
        ("bytes without a pattern", vec![0xff; 40]),
        ("garbage behind BFINAL", behind),
        ("a header of zlib", [&[0x78, 0x9c][..], HELLO].concat()),
        (
            "a header of gzip",
            [&[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff][..], HELLO].concat(),
        ),
    ];
    for (what, payload) in &bad {
        for text in [true, false] {
            let kind = if text { "text" } else { "binary" };
            let mut alone = script(table, Topic::Compressed, format!("{what}, as {kind}"));
            alone.raw(text, payload);
            alone.plain(Frame::text("behind it"));
            alone.plain(Frame::ping("still there?"));
            alone.add(table);
            let mut later = script(
                table,
                Topic::Compressed,
                format!("{what}, as {kind}, after a message, fragmented"),
            );
            later.text("b");
            later.plain(Frame::text("not compressed"));
            later.fragment(text, payload, &[1, 2, 0]);
            later.plain(Frame::text("behind it"));
            later.plain(Frame::ping("still there?"));
            later.add(table);
        }
    }
    // A byte changed at each place.
    let payload = Compressor::new(false, 15).message(&lines(4, 60), Block::Dynamic);
    for at in 0..payload.len() {
        let mut changed = payload.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 0x55;
        }
        table.core = at % 9 == 0;
        let mut script = script(
            table,
            Topic::Compressed,
            format!("compressed data with byte {at} changed"),
        );
        script.raw(false, &changed);
        script.plain(Frame::ping("still there?"));
        script.add(table);
    }
    table.core = true;
}

/// Data that end inside a block.
fn cut_data(table: &mut Table) {
    for kind in [Block::Stored, Block::Fixed, Block::Dynamic] {
        let payload = Compressor::new(false, 15).message(b"not all of it has come", kind);
        for len in 0..payload.len() {
            table.core = len % 8 == 0 || len + 1 == payload.len();
            let mut script = script(
                table,
                Topic::Compressed,
                format!("compressed data cut after {len} bytes: {kind:?}"),
            );
            script.text("before it");
            script.raw(false, payload.get(..len).unwrap_or_default());
            script.add(table);
        }
    }
    table.core = true;
}

fn bad_text(table: &mut Table) {
    let bad: &[&[u8]] = &[
        b"\x80",
        b"\xc0\x80",
        b"\xc3\x28",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xfe",
        b"\xff",
        // Cut at the end.
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
    ];
    for bad in bad {
        for (what, data, pieces) in [
            ("alone", bad.to_vec(), 0),
            ("at the end", [&lines(1, 100), *bad].concat(), 0),
            ("in the middle", [&lines(1, 100), *bad, b" and more"].concat(), 0),
            ("behind a long text", [&lines(1, 70_000), *bad].concat(), 0),
            ("in fragments", [&lines(1, 100), *bad].concat(), 3),
        ] {
            if what == "in the middle" && std::str::from_utf8(bad).is_err_and(|error| error.error_len().is_none()) {
                continue;
            }
            table.core = what != "behind a long text" || bad.len() == 1;
            let mut script = script(
                table,
                Topic::Compressed,
                format!("compressed text with {}, {what}", bad.escape_ascii()),
            );
            script.text("before it");
            match pieces {
                0 => script.message(true, &data),
                len => script.pieces(true, &data, len),
            }
            script.plain(Frame::ping("still there?"));
            script.add(table);
        }
    }
    table.core = true;
    let mut script = script(
        table,
        Topic::Compressed,
        "text that is not UTF-8 and not compressed, where compression is agreed",
    );
    script.text("before it");
    script.plain(Frame::text(&b"\xc3\x28"[..]));
    script.add(table);
    let mut script = self::script(table, Topic::Compressed, "compressed binary that is no text");
    script.message(false, b"\xff\xfe\x80\xc0");
    script.complete();
    script.add(table);
}
