//! Long messages and long connections: what is counted, or kept for too short a time, shows here.

use super::Table;
use crate::frame::Frame;
use crate::generate::{long_bytes, long_text};
use crate::rule::Role;
use crate::session::Topic;

pub(super) fn all(table: &mut Table) {
    messages(table);
    connections(table);
    late_faults(table);
    if table.role == Role::Client {
        mask_keys(table);
    }
}

fn messages(table: &mut Table) {
    for len in [70_000, 100_000, 131_071, 131_073] {
        let mut frames = vec![
            Frame::text(long_text(9, len)),
            Frame::text("after it"),
            Frame::ping("p"),
        ];
        table.add(Topic::Long, format!("text of {len} bytes"), frames.clone());
        frames[0] = Frame::binary(long_bytes(9, len));
        table.add(Topic::Long, format!("binary of {len} bytes"), frames);
    }
    for len in [262_144, 1 << 20, (1 << 20) + 1] {
        let frames = vec![
            Frame::binary(long_bytes(9, len)),
            Frame::text("after it"),
            Frame::ping("p"),
        ];
        table.add(Topic::Long, format!("binary of {len} bytes"), frames);
    }
    for (text, len, each) in [
        (true, 80_000, 500),
        (true, 100_000, 16_000),
        (false, 80_000, 500),
        (false, 200_000, 4096),
        (false, 300_000, 65_536),
        (false, 1 << 20, 70_000),
    ] {
        let bytes = if text { long_text(5, len) } else { long_bytes(5, len) };
        let mut frames: Vec<Frame> = bytes.chunks(each).map(|part| Frame::last(part).more()).collect();
        if let Some(first) = frames.first_mut() {
            first.opcode = if text { 0x1 } else { 0x2 };
        }
        if let Some(last) = frames.last_mut() {
            last.fin = true;
        }
        frames.insert(2, Frame::ping("in the middle"));
        frames.extend([Frame::text("after it"), Frame::ping("p")]);
        let kind = if text { "text" } else { "binary" };
        table.add(
            Topic::Long,
            format!("{kind} of {len} bytes in fragments of {each}"),
            frames,
        );
    }
}

fn connections(table: &mut Table) {
    let mut mixed = Vec::new();
    for number in 0..1100_u32 {
        mixed.push(match number % 8 {
            0 => Frame::text(format!("message {number}")),
            1 => Frame::binary(number.to_be_bytes()),
            2 => Frame::text(format!("first of {number}, ")).more(),
            3 => Frame::ping(format!("Ping {number}")),
            4 => Frame::last(format!("last of {number} \u{20ac}")),
            5 => Frame::pong(format!("{number}")),
            6 => Frame::text(long_text(number, 150)),
            _ => Frame::binary(long_bytes(number, 300)),
        });
    }
    mixed.push(Frame::close(1000, "enough"));
    table.add(Topic::Many, "1100 frames of all sorts, and a Close", mixed);
    for (count, topic, what) in [(400, Topic::Many, "texts"), (1100, Topic::Many, "texts")] {
        let mut frames: Vec<Frame> = (0..count).map(|number| Frame::text(format!("{number}"))).collect();
        frames.push(Frame::ping("p"));
        table.add(topic, format!("{count} {what}"), frames);
    }
    let mut frames: Vec<Frame> = (0..64)
        .map(|number| Frame::binary(long_bytes(number, 20_000)))
        .collect();
    frames.extend([Frame::text("after them"), Frame::ping("p")]);
    table.add(Topic::Many, "a megabyte in messages of 20000 bytes", frames);
    let mut frames: Vec<Frame> = (0..40).map(|number| Frame::text(long_text(number, 4000))).collect();
    frames.extend([Frame::binary("after them"), Frame::ping("p")]);
    table.add(Topic::Many, "forty texts of 4000 bytes", frames);
    let mut frames = Vec::new();
    for number in 0..1100_u32 {
        frames.extend([
            Frame::text(format!("{number}")).more(),
            Frame::last("."),
            Frame::ping(""),
        ]);
    }
    table.add(Topic::Many, "1100 fragmented messages", frames);
    table.add(
        Topic::Many,
        "1100 Pings",
        (0..1100).map(|number| Frame::ping(format!("{number}"))).collect(),
    );
    let mut frames = vec![Frame::pong("x"); 1100];
    frames.extend([Frame::ping("p"), Frame::text("after them")]);
    table.add(Topic::Many, "1100 Pongs", frames);
    // More than a number of 16 bits can count.
    table.core = false;
    let mut frames = vec![Frame::binary(""); 66_000];
    frames.extend([Frame::text("after them"), Frame::ping("p")]);
    table.add(Topic::Many, "66000 empty messages", frames);
    table.core = true;
}

/// Rules broken late: behind a thousand messages, and behind a megabyte.
fn late_faults(table: &mut Table) {
    let with = |mut frame: Frame, reserved: u8, wrong_mask_bit: bool| {
        (frame.reserved, frame.wrong_mask_bit) = (reserved, wrong_mask_bit);
        frame
    };
    let faults = [
        ("RSV1 on a text", vec![with(Frame::text("x"), 0b100, false)]),
        ("RSV3 on a Ping", vec![with(Frame::ping("x"), 0b001, false)]),
        ("a text with the mask bit wrong", vec![with(Frame::text("x"), 0, true)]),
        ("a Ping with the mask bit wrong", vec![with(Frame::ping("x"), 0, true)]),
        ("a reserved opcode", vec![Frame::new(0x3, true, b"x".to_vec())]),
        ("a reserved control opcode", vec![Frame::new(0xb, true, b"x".to_vec())]),
        ("a continuation", vec![Frame::last("x")]),
        ("two texts in one", vec![Frame::text("x").more(), Frame::text("y")]),
        ("a Ping without FIN", vec![Frame::new(0x9, false, b"x".to_vec())]),
        ("a Ping of 126 bytes", vec![Frame::new(0x9, true, vec![b'x'; 126])]),
        ("text that is not UTF-8", vec![Frame::text(b"\xff")]),
        ("the close code 1005", vec![Frame::close(1005, "")]),
    ];
    let small: Vec<Frame> = (0..1030).map(|number| Frame::text(format!("{number}"))).collect();
    let large: Vec<Frame> = (0..17)
        .map(|number| Frame::binary(long_bytes(number, 65_000)))
        .collect();
    for (number, (what, fault)) in faults.into_iter().enumerate() {
        for (before, behind) in [(&small, "1030 messages"), (&large, "a megabyte")] {
            table.core = number % 4 == 0;
            let mut frames = before.clone();
            frames.extend(fault.iter().cloned());
            frames.push(Frame::text("after it"));
            table.add(Topic::Many, format!("{what} behind {behind}"), frames);
        }
    }
    table.core = true;
}

/// Pings whose Pongs show how the endpoint chooses its mask keys.
fn mask_keys(table: &mut Table) {
    for (count, len) in [(2, 1), (3, 8), (8, 5), (40, 1), (40, 40), (300, 4)] {
        let frames = (0..count).map(|number| Frame::ping(long_bytes(number, len))).collect();
        table.add(Topic::MaskKeys, format!("{count} Pings of {len} bytes"), frames);
    }
}
