//! Every first byte, with a mask bit that is right or wrong, in every state of a connection.

use super::{Table, complete};
use crate::frame::Frame;
use crate::session::Topic;

/// A state: what it is, the frames that lead to it, and what is left of a character that they have cut.
type State = (&'static str, Vec<Frame>, &'static [u8]);

pub(super) fn states() -> Vec<State> {
    vec![
        ("at the start", vec![], b"rest"),
        ("after a message", vec![Frame::text("before")], b"rest"),
        ("inside a text", vec![Frame::text("ab").more()], b"rest"),
        ("inside a binary message", vec![Frame::binary("ab").more()], b"rest"),
        (
            "inside a text, after its second fragment",
            vec![Frame::text("ab").more(), Frame::last("cd").more()],
            b"rest",
        ),
        (
            "inside a text, after a Ping",
            vec![Frame::text("ab").more(), Frame::ping("p")],
            b"rest",
        ),
        (
            "inside a binary message, after a Pong",
            vec![Frame::binary("ab").more(), Frame::pong("p")],
            b"rest",
        ),
        (
            "inside a text that is empty so far",
            vec![Frame::text("").more()],
            b"rest",
        ),
        (
            "inside a text, within a character",
            vec![Frame::text("a\u{20ac}".as_bytes().get(..3).unwrap_or_default()).more()],
            b"\xac",
        ),
        (
            "after a fragmented message",
            vec![Frame::text("ab").more(), Frame::last("cd")],
            b"rest",
        ),
        (
            "after a fragmented message and a Ping",
            vec![Frame::binary("ab").more(), Frame::last("cd"), Frame::ping("p")],
            b"rest",
        ),
    ]
}

/// The states that are tried over the wire too.
fn is_core_state(number: usize) -> bool {
    matches!(number, 0 | 2 | 3 | 5)
}

fn topic_of(opcode: u8) -> Topic {
    match opcode {
        0x0 => Topic::Fragments,
        0x8 => Topic::Close,
        0x9 => Topic::Pings,
        0xa => Topic::Pongs,
        _ => Topic::Messages,
    }
}

pub(super) fn all(table: &mut Table) {
    for (number, (state, before, rest)) in states().into_iter().enumerate() {
        for opcode in 0_u8..16 {
            for reserved in 0_u8..8 {
                for fin in [true, false] {
                    for wrong_mask_bit in [false, true] {
                        let name = name(opcode, reserved, fin, wrong_mask_bit, state);
                        let payloads: &[&[u8]] = match (opcode, reserved) {
                            (0x8, 0) => &[b"", b"\x03\xe8", b"\x03\xe8bye"],
                            (0x8, _) => &[b"\x03\xe8"],
                            (_, 0 | 1 | 2 | 4) => &[b"", b"hi"],
                            (_, _) => &[b"hi"],
                        };
                        for payload in payloads {
                            let mut frame = Frame::new(opcode, fin, payload.to_vec());
                            frame.reserved = reserved;
                            frame.wrong_mask_bit = wrong_mask_bit;
                            let mut frames = before.clone();
                            frames.push(frame);
                            complete(&mut frames, rest);
                            let one_thing = u32::from(reserved > 0)
                                + u32::from(wrong_mask_bit)
                                + u32::from(matches!(opcode, 3..=7 | 11..=15))
                                <= 1;
                            table.core = is_core_state(number)
                                && !payload.is_empty()
                                && one_thing
                                && matches!(reserved, 0 | 1 | 2 | 4 | 7);
                            table.add(topic_of(opcode), name.clone(), frames);
                        }
                    }
                }
            }
        }
    }
    table.core = true;
}

fn name(opcode: u8, reserved: u8, fin: bool, wrong_mask_bit: bool, state: &str) -> String {
    let mut name = format!("opcode {opcode:#x}");
    if reserved > 0 {
        name += &format!(", RSV {reserved:03b}");
    }
    if !fin {
        name += ", without FIN";
    }
    if wrong_mask_bit {
        name += ", the mask bit wrong";
    }
    name + ", " + state
}
