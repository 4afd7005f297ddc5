//! Sessions with exactly one rule about frames broken.

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::frames::{Item, close_code, items, legal, ping_or_pong, text};
use super::{BOUNDS, Bounds, Role, Rule};
use crate::frame::{Form, Frame, with_keys};
use crate::session::{Case, Parts, Session, Topic};

/// What breaks a rule.
#[derive(Clone, Debug)]
struct Fault {
    /// Frames that lead to it, the last of them the faulty one.
    frames: Vec<Frame>,
    /// What shows it: so many bytes of the last frame,
    header: Option<usize>,
    /// or so many bytes of the payload, over all data frames of `frames`, or of the body of a Close.
    payload: usize,
}

impl Fault {
    fn in_header(frame: Frame, bytes: usize) -> Self {
        Self {
            frames: vec![frame],
            header: Some(bytes),
            payload: 0,
        }
    }
}

fn data_opcode() -> BoxedStrategy<u8> {
    select(&[0x1_u8, 0x2][..]).boxed()
}

/// Ill-formed UTF-8: the bytes, and how many of them show it.
const BAD_TEXT: &[(&[u8], usize)] = &[
    (&[0x80], 1),
    (&[0xbf], 1),
    (&[0xc0, 0x80], 1),
    (&[0xc1, 0xbf], 1),
    (&[0xc3, 0x28], 2),
    (&[0xe0, 0x80, 0x80], 2),
    (&[0xe0, 0x9f, 0xbf], 2),
    (&[0xe2, 0x28], 2),
    (&[0xe2, 0x82, 0x28], 3),
    (&[0xed, 0xa0, 0x80], 2),
    (&[0xed, 0xbf, 0xbf], 2),
    (&[0xf0, 0x80, 0x80, 0x80], 2),
    (&[0xf0, 0x8f, 0xbf, 0xbf], 2),
    (&[0xf0, 0x9f, 0x98, 0x28], 4),
    (&[0xf4, 0x90, 0x80, 0x80], 2),
    (&[0xf5, 0x80, 0x80, 0x80], 1),
    (&[0xfe], 1),
    (&[0xff], 1),
];

/// Text that ends inside a character.
const CUT_TEXT: &[&[u8]] = &[
    &[0xc3],
    &[0xe2],
    &[0xe2, 0x82],
    &[0xf0],
    &[0xf0, 0x9f],
    &[0xf0, 0x9f, 0x98],
];

/// Bytes that are not UTF-8, and how many of them show it; all, where only the end does.
fn bad_text() -> BoxedStrategy<(Vec<u8>, usize)> {
    let bad = (text(0..6), select(BAD_TEXT), text(0..4)).prop_map(|(before, (bad, shows), after)| {
        let shows = before.len() + shows;
        ([before.as_bytes(), bad, after.as_bytes()].concat(), shows)
    });
    let cut = (text(0..6), select(CUT_TEXT)).prop_map(|(before, cut)| {
        let bytes = [before.as_bytes(), cut].concat();
        let len = bytes.len();
        (bytes, len)
    });
    prop_oneof![3 => bad, 1 => cut].boxed()
}

fn invalid_code() -> BoxedStrategy<u16> {
    prop_oneof![
        6 => select(&[1004_u16, 1005, 1006, 1015][..]),
        2 => select(&[0_u16, 999, 1016, 2999, 5000, 65535][..]),
        1 => 0_u16..=999,
        1 => 1016_u16..=2999,
        1 => 5000_u16..=65535,
    ]
    .boxed()
}

#[allow(clippy::too_many_lines, reason = "one arm for each rule")]
fn fault(rule: Rule, bounds: Bounds) -> BoxedStrategy<Fault> {
    match rule {
        Rule::ReservedBits => (select(&[0x1_u8, 0x2, 0x9, 0xa][..]), 1_u8..=7, text(0..6))
            .prop_map(|(opcode, reserved, payload)| {
                let mut frame = Frame::new(opcode, true, payload.into_bytes());
                frame.reserved = reserved;
                Fault::in_header(frame, 1)
            })
            .boxed(),
        Rule::ReservedOpcode => (select(&[3_u8, 4, 5, 6, 7, 11, 12, 13, 14, 15][..]), text(0..6))
            .prop_map(|(opcode, payload)| Fault::in_header(Frame::new(opcode, true, payload.into_bytes()), 1))
            .boxed(),
        Rule::LengthNotMinimal => {
            let short = (0_usize..=125, Just(Form::Sixteen));
            let long = (prop_oneof![0_usize..=125, 126_usize..=300], Just(Form::SixtyFour));
            (prop_oneof![short, long], data_opcode())
                .prop_map(|((len, form), opcode)| {
                    let mut frame = Frame::new(opcode, true, vec![b'x'; len]);
                    frame.form = form;
                    // The sixth zero in a row, or the last byte of a small 16-bit length.
                    Fault::in_header(frame, if form == Form::Sixteen { 4 } else { 8 })
                })
                .boxed()
        }
        Rule::LengthTopBit => (data_opcode(), any::<u64>())
            .prop_map(|(opcode, length)| {
                let mut frame = Frame::new(opcode, true, Vec::new());
                frame.declared = Some(length | 1 << 63);
                Fault::in_header(frame, 3)
            })
            .boxed(),
        Rule::TooBig => (data_opcode(), 40_u32..63, any::<u64>())
            .prop_map(|(opcode, bit, rest)| {
                let mut frame = Frame::new(opcode, true, Vec::new());
                frame.declared = Some(1 << bit | rest & ((1 << bit) - 1));
                // The length's first byte that is not zero.
                Fault::in_header(frame, 2 + 8 - bit as usize / 8)
            })
            .boxed(),
        Rule::TooManyFragments => too_many_fragments(bounds.fragments),
        Rule::UnmaskedFrame | Rule::MaskedFrame => (select(&[0x1_u8, 0x2, 0x8, 0x9, 0xa][..]), text(2..6))
            .prop_map(|(opcode, payload)| {
                let payload = if opcode == 0x8 {
                    Vec::new()
                } else {
                    payload.into_bytes()
                };
                let mut frame = Frame::new(opcode, true, payload);
                frame.wrong_mask_bit = true;
                Fault::in_header(frame, 2)
            })
            .boxed(),
        Rule::UnexpectedContinuation => (any::<bool>(), text(0..6))
            .prop_map(|(fin, payload)| Fault::in_header(Frame::new(0x0, fin, payload.into_bytes()), 1))
            .boxed(),
        Rule::ExpectedContinuation => (data_opcode(), text(0..6), data_opcode(), any::<bool>(), text(0..6))
            .prop_map(|(begun, start, opcode, fin, payload)| Fault {
                frames: vec![
                    Frame::new(begun, false, start.into_bytes()),
                    Frame::new(opcode, fin, payload.into_bytes()),
                ],
                header: Some(1),
                payload: 0,
            })
            .boxed(),
        Rule::FragmentedControl => (select(&[0x8_u8, 0x9, 0xa][..]), text(0..6))
            .prop_map(|(opcode, payload)| {
                let payload = if opcode == 0x8 {
                    Vec::new()
                } else {
                    payload.into_bytes()
                };
                Fault::in_header(Frame::new(opcode, false, payload), 1)
            })
            .boxed(),
        Rule::ControlTooLong => (
            select(&[0x8_u8, 0x9, 0xa][..]),
            prop_oneof![126_usize..130, 65536_usize..65537],
        )
            .prop_map(|(opcode, len)| {
                let mut payload = vec![b'x'; len];
                payload.splice(..2, 1000_u16.to_be_bytes());
                Fault::in_header(Frame::new(opcode, true, payload), 2)
            })
            .boxed(),
        Rule::CloseBodyOneByte => any::<u8>()
            .prop_map(|byte| Fault::in_header(Frame::new(0x8, true, vec![byte]), 2))
            .boxed(),
        Rule::InvalidCloseCode => (invalid_code(), text(0..6))
            .prop_map(|(code, reason)| Fault {
                frames: vec![Frame::new(0x8, true, [&code.to_be_bytes(), reason.as_bytes()].concat())],
                header: None,
                payload: 2,
            })
            .boxed(),
        Rule::CloseReasonNotUtf8 => (close_code(), bad_text())
            .prop_map(|(code, (reason, shows))| Fault {
                frames: vec![Frame::new(0x8, true, [&code.to_be_bytes()[..], &reason].concat())],
                header: None,
                payload: 2 + shows,
            })
            .boxed(),
        Rule::TextNotUtf8 => (bad_text(), vec_of(any::<u16>(), 0..3), vec_of(ping_or_pong(), 0..2))
            .prop_map(|((payload, shows), cuts, between)| Fault {
                frames: Item::Message {
                    text: true,
                    payload,
                    cuts,
                    between,
                }
                .frames(),
                header: None,
                payload: shows,
            })
            .boxed(),
        Rule::CompressedBit
        | Rule::CompressedData
        | Rule::CompressedDataEnd
        | Rule::DistanceTooFar
        | Rule::InflatedNotUtf8
        | Rule::DeflateAnswer
        | Rule::RequestSyntax
        | Rule::MethodNotGet
        | Rule::HttpVersionTooOld
        | Rule::HostMissing
        | Rule::HostRepeated
        | Rule::UpgradeMissing
        | Rule::ConnectionMissing
        | Rule::KeyMissing
        | Rule::KeyInvalid
        | Rule::KeyRepeated
        | Rule::VersionMissing
        | Rule::VersionUnsupported
        | Rule::VersionRepeated
        | Rule::ResponseSyntax
        | Rule::ResponseVersion
        | Rule::StatusNot101
        | Rule::ResponseUpgrade
        | Rule::ResponseConnection
        | Rule::AcceptMissing
        | Rule::AcceptMismatch
        | Rule::AcceptRepeated
        | Rule::ExtensionNotAsked
        | Rule::SubprotocolNotAsked => unreachable!("{rule:?} is a rule of the opening handshake, or of compression"),
    }
}

/// Whether the frame that breaks the rule can come inside a fragmented message as well as between two messages.
fn comes_anywhere(rule: Rule) -> bool {
    match rule {
        Rule::ReservedBits
        | Rule::ReservedOpcode
        | Rule::LengthNotMinimal
        | Rule::LengthTopBit
        | Rule::UnmaskedFrame
        | Rule::MaskedFrame
        | Rule::FragmentedControl
        | Rule::ControlTooLong
        | Rule::CloseBodyOneByte
        | Rule::CloseReasonNotUtf8
        | Rule::InvalidCloseCode
        | Rule::TooBig => true,
        // What leads to the fault is a message.
        Rule::UnexpectedContinuation
        | Rule::ExpectedContinuation
        | Rule::TextNotUtf8
        | Rule::TooManyFragments
        | Rule::CompressedBit
        | Rule::CompressedData
        | Rule::CompressedDataEnd
        | Rule::DistanceTooFar
        | Rule::InflatedNotUtf8
        | Rule::DeflateAnswer
        | Rule::RequestSyntax
        | Rule::MethodNotGet
        | Rule::HttpVersionTooOld
        | Rule::HostMissing
        | Rule::HostRepeated
        | Rule::UpgradeMissing
        | Rule::ConnectionMissing
        | Rule::KeyMissing
        | Rule::KeyInvalid
        | Rule::KeyRepeated
        | Rule::VersionMissing
        | Rule::VersionUnsupported
        | Rule::VersionRepeated
        | Rule::ResponseSyntax
        | Rule::ResponseVersion
        | Rule::StatusNot101
        | Rule::ResponseUpgrade
        | Rule::ResponseConnection
        | Rule::AcceptMissing
        | Rule::AcceptMismatch
        | Rule::AcceptRepeated
        | Rule::ExtensionNotAsked
        | Rule::SubprotocolNotAsked => false,
    }
}

/// A message that overdraws its budget of fragments with the last of these frames.
fn too_many_fragments(budget: u64) -> BoxedStrategy<Fault> {
    // The smaller the budget, the more may be given back to it on the way: on average less than is taken.
    let giving = if budget < 256 { 24 } else { 2 };
    let start = vec_of(prop_oneof![0_usize..=2, 30_usize..=100], 0..4);
    let lens = (start, vec_of(0_usize..=giving, 1..5));
    (
        lens,
        data_opcode(),
        vec_of(ping_or_pong(), 0..3),
        any::<bool>(),
        text(0..6),
    )
        .prop_map(move |((start, more), opcode, between, fin, payload)| {
            let mut lens = start.into_iter().chain(more.into_iter().cycle());
            let mut controls = between.into_iter();
            let mut frames = Vec::new();
            // Its opcode is that of the message's first frame until there is one.
            let (mut count, mut given, mut opcode) = (0, 0, opcode);
            while count < budget + given / 32 {
                let len = lens.next().unwrap_or_default();
                frames.push(Frame::new(opcode, false, vec![b'x'; len]));
                frames.extend(controls.next().map(|(opcode, body)| Frame::new(opcode, true, body)));
                (count, given, opcode) = (count + 1, given + len as u64, 0x0);
            }
            frames.push(Frame::new(opcode, fin && opcode == 0x0, payload.into_bytes()));
            Fault {
                frames,
                header: Some(1),
                payload: 0,
            }
        })
        .boxed()
}

pub(super) fn broken(role: Role, rule: Rule, bounds: Bounds) -> BoxedStrategy<Session> {
    // Where the budget of fragments is small, messages before the fault are in one frame each.
    let before = if bounds.fragments < BOUNDS.fragments {
        legal(Topic::Messages)
    } else {
        items()
    };
    let open = (data_opcode(), text(0..6), proptest::option::of(ping_or_pong()));
    let open = (any::<bool>(), open).prop_map(move |(inside, open)| (inside && comes_anywhere(rule)).then_some(open));
    (before, open, fault(rule, bounds), items(), any::<u32>())
        .prop_map(move |(mut frames, open, mut fault, rest, seed)| {
            if let Some((opcode, start, control)) = open {
                frames.push(Frame::new(opcode, false, start.into_bytes()));
                frames.extend(control.map(|(opcode, body)| Frame::new(opcode, true, body)));
                // The frame goes on with the message.
                for frame in &mut fault.frames {
                    if matches!(frame.opcode, 0x1 | 0x2) {
                        frame.opcode = 0x0;
                    }
                }
            }
            let first = frames.len();
            frames.extend(fault.frames.iter().cloned());
            let faulty = frames.len() - 1;
            frames.extend(rest);
            let frames = with_keys(seed, frames);
            let mut bytes = Vec::new();
            let mut after = None;
            let mut left = fault.payload;
            for (number, frame) in frames.iter().enumerate() {
                let start = bytes.len();
                let payload_start = frame.encode(role, &mut bytes);
                match fault.header {
                    Some(header) if number == faulty => after = Some(start + header),
                    Some(_) => {}
                    None => {
                        let counts = (first..=faulty).contains(&number) && !matches!(frame.opcode, 0x9 | 0xa);
                        if counts && after.is_none() {
                            // What shows only at the end of the message shows at the end of its last frame.
                            if left <= frame.payload.len() && left > 0 && (number == faulty || !at_end_only(&fault)) {
                                after = Some(payload_start + left);
                            }
                            left = left.saturating_sub(frame.payload.len());
                            if number == faulty && after.is_none() {
                                after = Some(bytes.len());
                            }
                        }
                    }
                }
            }
            Session {
                role,
                case: Case::Broken(rule),
                name: String::new(),
                bytes,
                head_len: 0,
                after,
                bounds,
                parts: Parts {
                    frames,
                    ..Parts::default()
                },
                core: true,
                is_uncommon: false,
                written: Vec::new(),
                compression: None,
            }
        })
        .boxed()
}

/// Whether only the end of the text shows that it is bad.
fn at_end_only(fault: &Fault) -> bool {
    let mut payload = Vec::new();
    for frame in &fault.frames {
        if matches!(frame.opcode, 0x0 | 0x1) {
            payload.extend_from_slice(&frame.payload);
        }
    }
    std::str::from_utf8(&payload).is_err_and(|error| error.error_len().is_none())
}
