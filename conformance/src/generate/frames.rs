//! Frames, and legal sessions of them.

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::cuts::cut_places;
use crate::frame::Frame;
use crate::session::Topic;

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

pub(super) fn text(len: std::ops::Range<usize>) -> BoxedStrategy<String> {
    let characters = vec_of(characters(), len);
    characters.prop_map(|all| all.into_iter().collect()).boxed()
}

fn small_bytes() -> BoxedStrategy<Vec<u8>> {
    vec_of(any::<u8>(), 0..24).boxed()
}

/// Text and bytes whose length is on either side of a boundary of the length's forms.
fn boundary_payload() -> BoxedStrategy<(bool, Vec<u8>)> {
    let lengths = prop_oneof![
        1 => 0_usize..=1,
        8 => 124_usize..=128,
        1 => 65533_usize..=65538,
    ];
    (lengths, any::<bool>(), any::<u32>())
        .prop_map(|(len, text, seed)| {
            (
                text,
                if text {
                    long_text(seed, len)
                } else {
                    long_bytes(seed, len)
                },
            )
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

fn message(cuts: std::ops::Range<usize>, payload: BoxedStrategy<(bool, Vec<u8>)>) -> BoxedStrategy<Item> {
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

/// A message of a few hundred bytes or a few thousand, in any number of fragments up to a hundred.
fn long_message() -> BoxedStrategy<Item> {
    let len = prop_oneof![3 => 126_usize..1000, 1 => 1000_usize..9000];
    (
        len,
        any::<bool>(),
        any::<u32>(),
        vec_of(any::<u16>(), 0..100),
        vec_of(ping_or_pong(), 0..4),
    )
        .prop_map(|(len, text, seed, cuts, between)| Item::Message {
            text,
            payload: if text {
                long_text(seed, len)
            } else {
                long_bytes(seed, len)
            },
            cuts,
            between,
        })
        .boxed()
}

/// Bytes without a short period, so that none can be lost, doubled or moved unseen.
pub(crate) fn long_bytes(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    bytes.take(len).collect()
}

/// Text of exactly so many bytes without a short period, now and then with a character of more bytes than one.
pub(crate) fn long_text(seed: u32, len: usize) -> Vec<u8> {
    let mut text = String::with_capacity(len + 4);
    for byte in long_bytes(seed, len) {
        match byte {
            0 => text.push('€'),
            1 => text.push('𝄞'),
            2 => text.push('ß'),
            _ => text.push(char::from(b'!' + byte % 90)),
        }
        if text.len() >= len {
            break;
        }
    }
    while text.len() > len {
        text.pop();
    }
    while text.len() < len {
        text.push('.');
    }
    text.into_bytes()
}

pub(super) fn legal(topic: Topic) -> BoxedStrategy<Vec<Frame>> {
    match topic {
        Topic::Messages => frames_of(message(0..1, any_payload())),
        Topic::Lengths => frames_of(message(0..1, boundary_payload())),
        Topic::Fragments => frames_of(message(1..5, any_payload())),
        Topic::Text => frames_of(message(1..5, text_payload())),
        Topic::Pings => frames_of(control_payload().prop_map(|body| Item::Control(0x9, body)).boxed()),
        Topic::Pongs => frames_of(control_payload().prop_map(|body| Item::Control(0xa, body)).boxed()),
        Topic::Close => with_close(items()),
        Topic::Long => frames_of(long_message()),
        Topic::Many => vec_of(item(), 20..60)
            .prop_map(|items| items.iter().flat_map(Item::frames).collect())
            .boxed(),
        Topic::MaskKeys => vec_of(control_payload(), 2..20)
            .prop_map(|bodies| bodies.into_iter().map(Frame::ping).collect())
            .boxed(),
        // What is compressed is made of these.
        Topic::Compressed | Topic::Blocks | Topic::Windows | Topic::Volume | Topic::Negotiation => {
            frames_of(message(0..4, any_payload()))
        }
        Topic::Mixed | Topic::Handshake => prop_oneof![
            2 => items(),
            1 => with_close(items()),
        ]
        .boxed(),
    }
}
