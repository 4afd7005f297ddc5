//! Lengths on both sides of each boundary, in each form, as text and as binary, whole and as sums of fragments.

use super::combinations::states;
use super::{Table, complete};
use crate::frame::{Form, Frame};
use crate::generate::{long_bytes, long_text};
use crate::session::Topic;

const LENGTHS: &[usize] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 123, 124, 125, 126, 127, 128, 129, 130, 131,
    132, 200, 254, 255, 256, 257, 258, 300, 511, 512, 513, 1000, 1023, 1024, 1025, 1400, 2048, 4095, 4096, 4097, 8191,
    8192, 8193, 10_000, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 65_534, 65_535, 65_536, 65_537, 65_540,
];

/// What is long costs as much as many that are short.
const LONG: usize = 8192;

/// Lengths of fragments whose sum is what matters.
const SUMS: &[&[usize]] = &[
    &[1, 1],
    &[0, 1],
    &[1, 0],
    &[0, 0],
    &[0, 0, 0],
    &[0, 5, 0],
    &[5, 0, 0, 5],
    &[60, 60],
    &[63, 63],
    &[100, 25],
    &[100, 26],
    &[125, 1],
    &[1, 125],
    &[125, 125],
    &[126, 126],
    &[126, 1],
    &[1, 126],
    &[127, 129],
    &[50, 50, 50],
    &[128, 128],
    &[200, 200, 200],
    &[500, 525],
    &[1000, 1000],
    &[2048, 2049],
    &[4000, 4000, 4000],
    &[16_000, 16_000, 1],
    &[30_000, 30_000],
    &[32_768, 32_768],
    &[65_535, 1],
    &[1, 65_535],
    &[65_536, 1],
    &[40_000, 40_000],
];

fn payload(text: bool, len: usize) -> Vec<u8> {
    if text {
        long_text(len as u32, len)
    } else {
        long_bytes(len as u32, len)
    }
}

fn kind(text: bool) -> &'static str {
    if text { "text" } else { "binary" }
}

fn opcode(text: bool) -> u8 {
    if text { 0x1 } else { 0x2 }
}

pub(super) fn all(table: &mut Table) {
    whole(table);
    sums(table);
    many_fragments(table);
    control_frames(table);
    not_minimal(table);
    declared(table);
    one_bit(table);
    reserved_bits(table);
}

/// Reserved bits on frames whose length takes more bytes.
fn reserved_bits(table: &mut Table) {
    for (state, before, rest) in states() {
        if !matches!(state, "at the start" | "after a message" | "inside a text") {
            continue;
        }
        for opcode in if state == "inside a text" {
            &[0x0_u8][..]
        } else {
            &[0x1, 0x2]
        } {
            for reserved in [0b100, 0b010, 0b001, 0b111] {
                for len in [125, 126, 65_536] {
                    let mut frame = Frame::new(*opcode, true, payload(true, len));
                    frame.reserved = reserved;
                    let mut frames = before.clone();
                    frames.push(frame);
                    complete(&mut frames, rest);
                    table.core = len == 126;
                    table.add(
                        Topic::Lengths,
                        format!("opcode {opcode:#x} of {len} bytes, RSV {reserved:03b}, {state}"),
                        frames,
                    );
                }
            }
        }
    }
    table.core = true;
}

fn whole(table: &mut Table) {
    for text in [true, false] {
        for len in LENGTHS {
            table.core = !matches!(*len, 2..=9 | 15..=17 | 31..=33 | 128..=132);
            let mut frames = vec![Frame::new(opcode(text), true, payload(text, *len))];
            complete(&mut frames, b"");
            table.add(Topic::Lengths, format!("{} of {len} bytes", kind(text)), frames);
        }
        // ASCII alone takes other paths.
        for len in [20, 126, 200, 65_536] {
            let mut frames = vec![Frame::new(opcode(text), true, vec![b'a'; len])];
            complete(&mut frames, b"");
            table.add(
                Topic::Lengths,
                format!("{} of {len} bytes, all the same", kind(text)),
                frames,
            );
        }
        // Two in a row.
        for len in [125, 126, 65_535, 65_536] {
            let mut frames = vec![
                Frame::new(opcode(text), true, payload(text, len)),
                Frame::new(opcode(text), true, payload(text, len + 1)),
                Frame::new(opcode(!text), true, payload(!text, 2)),
            ];
            complete(&mut frames, b"");
            table.add(
                Topic::Lengths,
                format!("two {} messages of {len} bytes", kind(text)),
                frames,
            );
        }
    }
    table.core = true;
}

/// A message in fragments of these lengths. Text is cut wherever that is.
fn fragments(text: bool, lens: &[usize]) -> Vec<Frame> {
    let all = payload(text, lens.iter().sum());
    let mut rest = &all[..];
    let mut frames = Vec::new();
    for (number, len) in lens.iter().enumerate() {
        let (now, later) = rest.split_at_checked(*len).unwrap_or((rest, &[]));
        let opcode = if number == 0 { opcode(text) } else { 0x0 };
        frames.push(Frame::new(opcode, number + 1 == lens.len(), now.to_vec()));
        rest = later;
    }
    frames
}

fn sums(table: &mut Table) {
    for text in [true, false] {
        for lens in SUMS {
            let sum: usize = lens.iter().sum();
            let mut frames = fragments(text, lens);
            complete(&mut frames, b"");
            let name = format!("{} of {sum} bytes in {} fragments", kind(text), lens.len());
            table.add(Topic::Fragments, name.clone(), frames);
            if sum > LONG {
                continue;
            }
            // A control frame at each place.
            for (control, what) in [(Frame::ping("p"), "Ping"), (Frame::pong("p"), "Pong")] {
                let mut frames = Vec::new();
                for frame in fragments(text, lens) {
                    frames.push(frame);
                    frames.push(control.clone());
                }
                complete(&mut frames, b"");
                table.add(Topic::Fragments, format!("{name}, a {what} after each"), frames);
            }
            let mut frames = Vec::new();
            for frame in fragments(text, lens) {
                frames.extend([
                    frame,
                    Frame::ping("1"),
                    Frame::pong("2"),
                    Frame::ping("3"),
                    Frame::ping(""),
                ]);
            }
            complete(&mut frames, b"");
            table.core = false;
            table.add(
                Topic::Fragments,
                format!("{name}, four control frames after each"),
                frames,
            );
            table.core = true;
        }
    }
}

fn many_fragments(table: &mut Table) {
    for text in [true, false] {
        for count in [
            3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 20, 31, 32, 33, 50, 63, 64, 65, 100, 101, 127, 128, 129, 255, 256, 257,
            300, 1025,
        ] {
            table.core = matches!(count, 10 | 17 | 33 | 65 | 100 | 129 | 256 | 300 | 1025);
            for (each, what) in [
                (1, "of one byte"),
                (0, "that are empty, but for the last"),
                (3, "of three bytes"),
            ] {
                // As short as the shortest message: it is their number that matters.
                let mut lens = vec![each; count - 1];
                lens.push(1);
                let mut frames = fragments(text, &lens);
                complete(&mut frames, b"");
                table.add(
                    Topic::Fragments,
                    format!("{} in {count} fragments {what}", kind(text)),
                    frames,
                );
            }
        }
        table.core = true;
        let mut frames = Vec::new();
        for frame in fragments(text, &[2; 300]) {
            frames.extend([frame, Frame::ping("in between")]);
        }
        complete(&mut frames, b"");
        table.add(
            Topic::Fragments,
            format!("{} in 300 fragments, a Ping after each", kind(text)),
            frames,
        );
    }
}

fn control_frames(table: &mut Table) {
    for len in 0..=125 {
        table.core = matches!(len, 0..=4 | 64 | 123..=125);
        let body = long_bytes(len as u32, len);
        for (state, before, rest) in states()
            .into_iter()
            .filter(|state| matches!(state.0, "at the start" | "inside a text"))
        {
            let mut frames = before.clone();
            frames.push(Frame::ping(body.clone()));
            complete(&mut frames, rest);
            table.add(Topic::Pings, format!("a Ping of {len} bytes, {state}"), frames);
            let mut frames = before;
            frames.push(Frame::pong(body.clone()));
            complete(&mut frames, rest);
            table.add(Topic::Pongs, format!("a Pong of {len} bytes, {state}"), frames);
        }
    }
    table.core = true;
    let pings = |count: usize| {
        (0..count)
            .map(|number| Frame::ping(format!("Ping {number}")))
            .collect::<Vec<_>>()
    };
    for count in [2, 3, 10, 300] {
        table.add(Topic::Pings, format!("{count} Pings in a row"), pings(count));
    }
    table.add(
        Topic::Pings,
        "the same Ping four times",
        vec![
            Frame::ping("same"),
            Frame::ping("same"),
            Frame::ping("same"),
            Frame::ping("same"),
        ],
    );
    table.add(
        Topic::Pings,
        "Pings with and without a body in turns",
        vec![
            Frame::ping("one"),
            Frame::ping(""),
            Frame::ping("two"),
            Frame::ping(""),
            Frame::ping("three"),
        ],
    );
    table.add(
        Topic::Pings,
        "a long Ping, then a short one",
        vec![
            Frame::ping(long_bytes(7, 125)),
            Frame::ping("short"),
            Frame::ping(long_bytes(8, 60)),
        ],
    );
    for body in [
        &b"\xff\xfe\x00\x80"[..],
        b"\xc3\x28",
        b"\x00",
        b"\x00\x00\x00\x00",
        b"\xed\xa0\x80",
    ] {
        table.add(
            Topic::Pings,
            format!("a Ping with bytes that are not text, {}", body.escape_ascii()),
            vec![Frame::ping(body), Frame::text("after it")],
        );
    }
    table.add(
        Topic::Pongs,
        "Pongs, and then a Ping",
        vec![
            Frame::pong("a"),
            Frame::pong(""),
            Frame::pong("a"),
            Frame::ping("b"),
            Frame::text("after it"),
        ],
    );
    // Too long, in each form, in each state.
    for (state, before, rest) in states() {
        for opcode in [0x8_u8, 0x9, 0xa] {
            for len in [126, 127, 128, 130, 200, 255, 256, 260, 65_535, 65_536] {
                if len > 1000 && !matches!(state, "at the start" | "inside a text") {
                    continue;
                }
                let mut body = long_text(3, len);
                body.splice(..2, 1000_u16.to_be_bytes());
                let mut frames = before.clone();
                frames.push(Frame::new(opcode, true, body));
                complete(&mut frames, rest);
                table.core = matches!(len, 126 | 65_536) && matches!(state, "at the start" | "inside a text");
                table.add(
                    Topic::Pings,
                    format!("opcode {opcode:#x} of {len} bytes, {state}"),
                    frames,
                );
            }
            // Short, in a form that is too long for a control frame.
            for form in [Form::Sixteen, Form::SixtyFour] {
                let mut frames = before.clone();
                frames.push(Frame::new(opcode, true, vec![3, 232]).form(form));
                complete(&mut frames, rest);
                table.core = false;
                table.add(
                    Topic::Pings,
                    format!("opcode {opcode:#x}, its length of 2 in {form:?} bits, {state}"),
                    frames,
                );
            }
        }
    }
    table.core = true;
}

fn not_minimal(table: &mut Table) {
    for (state, before, rest) in states() {
        let inside = state.starts_with("inside");
        for (form, len) in [
            (Form::Sixteen, 0),
            (Form::Sixteen, 1),
            (Form::Sixteen, 5),
            (Form::Sixteen, 124),
            (Form::Sixteen, 125),
            (Form::SixtyFour, 0),
            (Form::SixtyFour, 1),
            (Form::SixtyFour, 125),
            (Form::SixtyFour, 126),
            (Form::SixtyFour, 255),
            (Form::SixtyFour, 256),
            (Form::SixtyFour, 65_535),
        ] {
            if len == 65_535 && inside {
                continue;
            }
            for opcode in if inside { &[0x0_u8][..] } else { &[0x1, 0x2] } {
                let mut body = long_text(1, len);
                if rest == b"\xac" && !body.is_empty() {
                    body = [rest, &vec![b'x'; len - 1]].concat();
                }
                let mut frames = before.clone();
                frames.push(Frame::new(*opcode, rest != b"\xac" || len > 0, body).form(form));
                complete(&mut frames, rest);
                table.core = matches!(state, "at the start" | "inside a text");
                table.add(
                    Topic::Lengths,
                    format!("opcode {opcode:#x}, its length of {len} in {form:?} bits, {state}"),
                    frames,
                );
            }
        }
    }
    table.core = true;
}

/// Lengths that do not follow. Behind each come as many bytes as a receiver takes them for that loses the upper bits, and
/// then frames as ever.
fn declared(table: &mut Table) {
    let small = [0_u64, 1, 2, 5, 125, 126, 200];
    let mut lengths = Vec::new();
    for bit in 31..64 {
        let remainders: &[u64] = if matches!(bit, 31 | 32 | 33 | 62 | 63) {
            &small
        } else {
            &[0, 5]
        };
        lengths.extend(remainders.iter().map(|rest| (1_u64 << bit | rest, *rest)));
    }
    for upper in [0xffff_ffff_u64, 0x7fff_ffff, 0x8000_0001, 0x0001_0000, 0x0101_0101] {
        lengths.push((upper << 32 | 7, 7));
    }
    lengths.extend([
        ((1 << 31) - 1, 40),
        ((1 << 32) - 1, 40),
        ((1 << 63) - 1, 40),
        (u64::MAX, 40),
        (u64::MAX - 1, 40),
        // What is left of them in 16 bits, or as signed numbers, is small.
        (1 << 32 | 1 << 16 | 3, 3),
        (0xffff_ffff_0000_0005, 5),
        (1 << 48 | 9, 9),
    ]);
    for (number, before) in [vec![], vec![Frame::text("ab").more()], vec![Frame::binary("ab").more()]]
        .into_iter()
        .enumerate()
    {
        for text in [true, false] {
            if number > 0 && !text {
                continue;
            }
            for (length, follows) in &lengths {
                let opcode = if before.is_empty() { opcode(text) } else { 0x0 };
                let state = if before.is_empty() { kind(text) } else { "a fragment" };
                let mut frames = before.clone();
                frames.push(Frame::new(opcode, true, payload(true, *follows as usize)).declared(*length));
                complete(&mut frames, b"");
                table.core = number == 0 && !text && matches!(*follows, 5 | 40);
                table.add(
                    Topic::Lengths,
                    format!("{state} of {length:#x} bytes, of which {follows} follow"),
                    frames,
                );
            }
        }
    }
    table.core = true;
}

/// Each bit of the length's fields alone, as far as the bytes can follow.
fn one_bit(table: &mut Table) {
    table.core = false;
    for bit in 7..17 {
        for less in [0, 1] {
            let len = (1_usize << bit) - less;
            let mut frames = vec![Frame::binary(long_bytes(bit, len))];
            complete(&mut frames, b"");
            table.add(Topic::Lengths, format!("binary of {len} bytes"), frames);
        }
    }
    table.core = true;
}
