//! Frames, and legal sessions of them.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::cuts::cut_places;
use super::{Role, Topic};

/// How a peer writes a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Shortest,
    Sixteen,
    SixtyFour,
}

/// A frame, legal or not.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) fin: bool,
    pub(super) reserved: u8,
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
    pub(super) form: Form,
    /// The length that is declared, where it is not that of the payload.
    pub(super) declared: Option<u64>,
    /// Whether the mask bit is the wrong one.
    pub(super) wrong_mask_bit: bool,
}

impl Frame {
    pub(super) const fn new(opcode: u8, fin: bool, payload: Vec<u8>) -> Self {
        Self {
            fin,
            reserved: 0,
            opcode,
            payload,
            form: Form::Shortest,
            declared: None,
            wrong_mask_bit: false,
        }
    }

    /// Appends the frame as a peer of `role` sends it, and returns where its payload starts.
    pub(super) fn encode(&self, role: Role, key: [u8; 4], bytes: &mut Vec<u8>) -> usize {
        let masked = (role == Role::Server) != self.wrong_mask_bit;
        let fin = if self.fin { 0x80 } else { 0 };
        bytes.push(fin | self.reserved << 4 | self.opcode);
        let mask_bit = if masked { 0x80 } else { 0 };
        let length = self.declared.unwrap_or(self.payload.len() as u64);
        let form = match (self.form, length) {
            (Form::Shortest, 0..=125) => Form::Shortest,
            (Form::Shortest, 126..=65535) => Form::Sixteen,
            (Form::Shortest, _) => Form::SixtyFour,
            (form, _) => form,
        };
        let [.., high, low] = length.to_be_bytes();
        match form {
            Form::Shortest => bytes.push(mask_bit | low),
            Form::Sixteen => bytes.extend_from_slice(&[mask_bit | 126, high, low]),
            Form::SixtyFour => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        if masked {
            bytes.extend_from_slice(&key);
        }
        let start = bytes.len();
        let keys = key.into_iter().cycle();
        bytes.extend(
            self.payload
                .iter()
                .zip(keys)
                .map(|(byte, key)| if masked { byte ^ key } else { *byte }),
        );
        start
    }
}

/// A message or a control frame.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Message {
        text: bool,
        payload: Vec<u8>,
        /// Where the message is cut into frames: parts of its length, in 65536ths.
        cuts: Vec<u16>,
        /// A control frame after each fragment, as long as there are some.
        between: Vec<(u8, Vec<u8>)>,
    },
    Control(u8, Vec<u8>),
}

impl Item {
    pub(super) fn frames(&self) -> Vec<Frame> {
        match self {
            Self::Control(opcode, payload) => vec![Frame::new(*opcode, true, payload.clone())],
            Self::Message {
                text,
                payload,
                cuts,
                between,
            } => {
                let mut frames = Vec::new();
                let mut opcode = if *text { 0x1 } else { 0x2 };
                let mut controls = between.iter();
                let mut at = 0;
                for end in cut_places(cuts, payload.len()) {
                    frames.push(Frame::new(
                        opcode,
                        false,
                        payload.get(at..end).unwrap_or_default().to_vec(),
                    ));
                    frames.extend(
                        controls
                            .next()
                            .map(|(opcode, body)| Frame::new(*opcode, true, body.clone())),
                    );
                    opcode = 0x0;
                    at = end;
                }
                frames.push(Frame::new(opcode, true, payload.get(at..).unwrap_or_default().to_vec()));
                frames
            }
        }
    }
}

/// The key of each frame: zeros for a seed of zero, which is what a failing session shrinks to.
pub(super) fn key(seed: u32, frame: usize) -> [u8; 4] {
    seed.rotate_left((frame as u32 % 32) * 7).to_le_bytes()
}

/// Frames as bytes: what is at the front, then frames.
pub(super) fn encode(role: Role, seed: u32, head: &[u8], frames: &[Frame]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    for (number, frame) in frames.iter().enumerate() {
        frame.encode(role, key(seed, number), &mut bytes);
    }
    bytes
}

fn characters() -> BoxedStrategy<char> {
    const EDGES: &[char] = &[
        '\u{7f}',
        '\u{80}',
        '\u{7ff}',
        '\u{800}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{fffd}',
        '\u{ffff}',
        '\u{10000}',
        '\u{fffff}',
        '\u{10ffff}',
        'ß',
        '€',
        '𝄞',
    ];
    prop_oneof![
        4 => proptest::char::range('a', 'z'),
        3 => select(EDGES),
        1 => any::<char>(),
    ]
    .boxed()
}

pub(super) fn text(len: core::ops::Range<usize>) -> BoxedStrategy<String> {
    let characters = vec_of(characters(), len);
    characters.prop_map(|all| all.into_iter().collect()).boxed()
}

fn small_bytes() -> BoxedStrategy<Vec<u8>> {
    vec_of(any::<u8>(), 0..24).boxed()
}

/// Bytes whose length is on either side of a boundary of the length's forms.
fn boundary_bytes() -> BoxedStrategy<Vec<u8>> {
    let lengths = prop_oneof![
        1 => 0_usize..=1,
        4 => 124_usize..=128,
        1 => 65533_usize..=65538,
    ];
    (lengths, any::<u8>())
        .prop_map(|(len, byte)| {
            (0..len)
                .map(|place| byte.wrapping_add(place.to_le_bytes()[0]))
                .collect()
        })
        .boxed()
}

fn control_payload() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        6 => vec_of(any::<u8>(), 0..12),
        1 => vec_of(any::<u8>(), 123..=125),
    ]
    .boxed()
}

pub(super) fn ping_or_pong() -> BoxedStrategy<(u8, Vec<u8>)> {
    (select(&[0x9_u8, 0xa][..]), control_payload()).boxed()
}

fn message(cuts: core::ops::Range<usize>, payload: BoxedStrategy<(bool, Vec<u8>)>) -> BoxedStrategy<Item> {
    (payload, vec_of(any::<u16>(), cuts), vec_of(ping_or_pong(), 0..3))
        .prop_map(|((text, payload), cuts, between)| Item::Message {
            text,
            payload,
            cuts,
            between,
        })
        .boxed()
}

fn text_payload() -> BoxedStrategy<(bool, Vec<u8>)> {
    text(0..10).prop_map(|text| (true, text.into_bytes())).boxed()
}

fn any_payload() -> BoxedStrategy<(bool, Vec<u8>)> {
    prop_oneof![text_payload(), small_bytes().prop_map(|bytes| (false, bytes)),].boxed()
}

fn item() -> BoxedStrategy<Item> {
    prop_oneof![
        4 => message(0..4, any_payload()),
        2 => ping_or_pong().prop_map(|(opcode, payload)| Item::Control(opcode, payload)),
    ]
    .boxed()
}

pub(super) fn items() -> BoxedStrategy<Vec<Frame>> {
    vec_of(item(), 0..4)
        .prop_map(|items| items.iter().flat_map(Item::frames).collect())
        .boxed()
}

fn frames_of(item: BoxedStrategy<Item>) -> BoxedStrategy<Vec<Frame>> {
    vec_of(item, 1..4)
        .prop_map(|items| items.iter().flat_map(Item::frames).collect())
        .boxed()
}

pub(super) fn close_code() -> BoxedStrategy<u16> {
    prop_oneof![
        select(
            &[
                1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999
            ][..]
        ),
        3000_u16..=4999,
    ]
    .boxed()
}

fn close_body() -> BoxedStrategy<Vec<u8>> {
    let reason = prop_oneof![
        6 => text(0..8),
        1 => text(30..31).prop_map(|mut text| {
            while text.len() > 123 {
                text.pop();
            }
            text
        }),
    ];
    prop_oneof![
        1 => Just(Vec::new()),
        4 => (close_code(), reason).prop_map(|(code, reason)| {
            let mut body = code.to_be_bytes().to_vec();
            body.extend_from_slice(reason.as_bytes());
            body
        }),
    ]
    .boxed()
}

/// A message of up to so many fragments, and of one at least.
pub(super) fn many_fragments(most: usize) -> BoxedStrategy<Vec<Frame>> {
    let len = prop_oneof![3 => Just(0), 3 => 1_usize..8, 2 => 28_usize..36, 1 => 36_usize..200];
    let fragment = (len, proptest::option::weighted(0.1, ping_or_pong()));
    (vec_of(fragment, 1..=most.max(1)), any::<bool>())
        .prop_map(|(fragments, ends)| {
            let mut frames = Vec::new();
            let last = fragments.len() - 1;
            for (number, (len, control)) in fragments.into_iter().enumerate() {
                let opcode = if number == 0 { 0x2 } else { 0x0 };
                frames.push(Frame::new(opcode, ends && number == last, vec![b'x'; len]));
                frames.extend(control.map(|(opcode, body)| Frame::new(opcode, true, body)));
            }
            frames
        })
        .boxed()
}

/// Frames, a Close, and whatever.
fn with_close(before: BoxedStrategy<Vec<Frame>>) -> BoxedStrategy<Vec<Frame>> {
    (before, close_body(), items())
        .prop_map(|(mut frames, body, after)| {
            frames.push(Frame::new(0x8, true, body));
            frames.extend(after);
            frames
        })
        .boxed()
}

pub(super) fn legal(topic: Topic) -> BoxedStrategy<Vec<Frame>> {
    match topic {
        Topic::Messages => frames_of(message(0..1, any_payload())),
        Topic::Lengths => frames_of(message(0..1, boundary_bytes().prop_map(|bytes| (false, bytes)).boxed())),
        Topic::Fragments => frames_of(message(1..5, any_payload())),
        Topic::Text => frames_of(message(1..5, text_payload())),
        Topic::Pings => frames_of(control_payload().prop_map(|body| Item::Control(0x9, body)).boxed()),
        Topic::Pongs => frames_of(control_payload().prop_map(|body| Item::Control(0xa, body)).boxed()),
        Topic::Close => with_close(items()),
        Topic::Mixed | Topic::Handshake => prop_oneof![
            2 => items(),
            1 => with_close(items()),
        ]
        .boxed(),
    }
}
