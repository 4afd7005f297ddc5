//! Sessions with compressed messages (RFC 7692), legal ones and such as break a rule.

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::cuts::cut_places;
use super::frames::{long_bytes, long_text, ping_or_pong, text};
use crate::deflate::{Block, Blocks, Token};
use crate::frame::Frame;
use crate::model::Parameters;
use crate::rule::{Role, Rule};
use crate::session::{Case, Session, Topic};
use crate::tables::Script;

/// A message, and how it comes.
#[derive(Clone, Debug)]
struct Message {
    text: bool,
    data: Vec<u8>,
    kind: Block,
    compressed: bool,
    cuts: Vec<u16>,
    between: Vec<(u8, Vec<u8>)>,
}

fn data() -> BoxedStrategy<(bool, Vec<u8>)> {
    prop_oneof![
        4 => text(0..12).prop_map(|text| (true, text.into_bytes())),
        2 => (any::<u32>(), 0_usize..3000).prop_map(|(seed, len)| (true, long_text(seed % 5, len))),
        2 => (any::<u32>(), 0_usize..3000).prop_map(|(seed, len)| (false, long_bytes(seed % 5, len))),
        2 => (any::<u8>(), 0_usize..6000).prop_map(|(byte, len)| (false, vec![byte; len])),
    ]
    .boxed()
}

fn message() -> BoxedStrategy<Message> {
    (
        data(),
        select(&[Block::Stored, Block::Fixed, Block::Dynamic][..]),
        proptest::bool::weighted(0.8),
        vec_of(any::<u16>(), 0..4),
        vec_of(ping_or_pong(), 0..3),
    )
        .prop_map(|((text, data), kind, compressed, cuts, between)| Message {
            text,
            data,
            kind,
            compressed,
            cuts,
            between,
        })
        .boxed()
}

/// Writes a message; its frames are where the script is to be continued.
fn write(script: &mut Script, message: &Message) {
    let first = script.frames.len();
    if message.compressed {
        script.kind = message.kind;
        script.message(message.text, &message.data);
    } else {
        let opcode = if message.text { 0x1 } else { 0x2 };
        script.plain(Frame::new(opcode, true, message.data.clone()));
    }
    let Some(whole) = script.frames.pop() else { return };
    let mut controls = message.between.iter();
    let mut at = 0;
    for end in cut_places(&message.cuts, whole.payload.len()) {
        let part = whole.payload.get(at..end).unwrap_or_default();
        let mut frame = Frame::new(0x0, false, part.to_vec());
        if script.frames.len() == first {
            (frame.opcode, frame.reserved) = (whole.opcode, whole.reserved);
        }
        script.frames.push(frame);
        let control = controls.next();
        script
            .frames
            .extend(control.map(|(opcode, body)| Frame::new(*opcode, true, body.clone())));
        at = end;
    }
    let mut last = Frame::new(0x0, true, whole.payload.get(at..).unwrap_or_default().to_vec());
    if script.frames.len() == first {
        (last.opcode, last.reserved) = (whole.opcode, whole.reserved);
    }
    script.frames.push(last);
}

fn script(role: Role, topic: Topic) -> BoxedStrategy<Script> {
    (any::<bool>(), 8_u8..=15, any::<bool>(), proptest::option::of(8_u8..=15))
        .prop_map(move |(takeover, bits, agreed, other)| {
            let mut script = Script::new(role, topic, "", takeover, if agreed { bits } else { 15 });
            let (client, server) = match role {
                Role::Server => (agreed.then_some(bits), other),
                Role::Client => (other, agreed.then_some(bits)),
            };
            script.agree(Parameters {
                client_no_context_takeover: !takeover,
                server_no_context_takeover: !takeover && (bits % 2 == 0 || role == Role::Client),
                client_max_window_bits: client.map(Some),
                server_max_window_bits: server,
            });
            script
        })
        .boxed()
}

/// What breaks a rule, behind messages.
fn fault(script: &mut Script, rule: Rule, pick: usize) -> bool {
    let opcodes = [0x8_u8, 0x9, 0xa, 0x0];
    match rule {
        Rule::CompressedBit => {
            let opcode = opcodes.get(pick % 4).copied().unwrap_or(0x9);
            if opcode == 0x0 || pick >= 128 {
                script.plain(Frame::text("begun").more());
            }
            let mut frame = Frame::new(opcode, true, if opcode == 0x8 { vec![3, 232] } else { b"x".to_vec() });
            frame.reserved = 0b100;
            script.plain(frame);
        }
        Rule::CompressedData => {
            let bad: [&[u8]; 4] = [
                b"\x06",
                b"\x00\x05\x00\xfa\xfe\x48",
                b"\xff\xff\xff\xff",
                b"\x78\x9c\xcb\x48",
            ];
            script.raw(pick >= 128, bad.get(pick % 4).copied().unwrap_or_default());
        }
        Rule::CompressedDataEnd => {
            script.kind = Block::Fixed;
            let payload = script.compressor.message(b"not all of it", Block::Fixed);
            script.raw(
                pick >= 128,
                payload.get(..pick % (payload.len() - 1)).unwrap_or_default(),
            );
        }
        Rule::DistanceTooFar => {
            let start = long_bytes(pick as u32, 600);
            script.kind = Block::Stored;
            script.message(false, &start);
            let distance = 513 + pick % 80;
            let copy = Token::Copy {
                length: 3 + pick,
                distance,
            };
            let mut blocks = Blocks::new();
            blocks.compressed(Block::Fixed, &[copy], false);
            script.raw(false, &blocks.message());
        }
        Rule::InflatedNotUtf8 => {
            let bad: [&[u8]; 4] = [b"\xc0\x80", b"ab\xff", b"\xed\xa0\x80", b"\xe2\x82"];
            script.kind = Block::Fixed;
            script.message(
                true,
                &[b"text ", bad.get(pick % 4).copied().unwrap_or_default()].concat(),
            );
        }
        _ => return false,
    }
    true
}

/// Sessions about this case. A rule that is not about compressed data is not broken.
pub(super) fn session(role: Role, case: Case) -> BoxedStrategy<Session> {
    let topic = match case {
        Case::Legal(topic) => topic,
        Case::Broken(_) => Topic::Compressed,
    };
    (script(role, topic), vec_of(message(), 1..6), any::<u8>(), any::<bool>())
        .prop_map(move |(mut script, messages, pick, closes)| {
            if case == Case::Broken(Rule::DistanceTooFar) {
                script = Script::new(role, topic, "", true, 9);
                script.compression.goes_beyond = true;
                script.agree(match role {
                    Role::Server => Parameters {
                        client_max_window_bits: Some(Some(9)),
                        ..Parameters::default()
                    },
                    Role::Client => Parameters {
                        server_max_window_bits: Some(9),
                        ..Parameters::default()
                    },
                });
            }
            for message in &messages {
                write(&mut script, message);
            }
            match case {
                Case::Broken(rule) => {
                    fault(&mut script, rule, usize::from(pick));
                }
                Case::Legal(_) if closes => script.plain(Frame::close(1000, "done")),
                Case::Legal(_) => {}
            }
            script.session()
        })
        .boxed()
}
