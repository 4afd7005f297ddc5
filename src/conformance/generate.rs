//! Generators: sessions with a known verdict, byte soup, and ways to cut them, as proptest strategies.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::model;
use super::rule::{Role, Rule};

/// Something legal that an endpoint must get right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Topic {
    /// Whole messages, text and binary.
    Messages,
    /// Lengths on both sides of the boundaries of the length's forms.
    Lengths,
    /// Fragmented messages, with control frames between the fragments.
    Fragments,
    /// A Close with each sort of code, and bytes after it that must be ignored.
    Close,
    /// Pings, which must be answered.
    Pings,
    /// Pongs that nobody asked for.
    Pongs,
    /// Text outside ASCII, cut by frames inside its characters.
    Text,
    /// All of it mixed.
    Mixed,
    /// An opening handshake as it may come, and frames right behind it.
    Handshake,
}

impl Topic {
    /// Every topic.
    pub const ALL: &'static [Self] = &[
        Self::Messages,
        Self::Lengths,
        Self::Fragments,
        Self::Close,
        Self::Pings,
        Self::Pongs,
        Self::Text,
        Self::Mixed,
        Self::Handshake,
    ];
}

/// What a session is about: something legal, or one broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// Nothing is broken.
    Legal(Topic),
    /// Exactly this rule is.
    Broken(Rule),
}

impl Case {
    /// Every case for an endpoint in this role.
    #[must_use]
    pub fn all(role: Role) -> Vec<Self> {
        let legal = Topic::ALL.iter().map(|topic| Self::Legal(*topic));
        let broken = Rule::ALL.iter().filter(|rule| rule.concerns(role));
        legal.chain(broken.map(|rule| Self::Broken(*rule))).collect()
    }

    /// The section of RFC 6455 that it belongs to.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Legal(Topic::Messages) => "5.6",
            Self::Legal(Topic::Lengths) => "5.2",
            Self::Legal(Topic::Fragments) => "5.4",
            Self::Legal(Topic::Close) => "5.5.1",
            Self::Legal(Topic::Pings) => "5.5.2",
            Self::Legal(Topic::Pongs) => "5.5.3",
            Self::Legal(Topic::Text) => "8.1",
            Self::Legal(Topic::Mixed) => "6.2",
            Self::Legal(Topic::Handshake) => "4",
            Self::Broken(rule) => rule.section(),
        }
    }

    /// Whether it starts with an opening handshake.
    #[must_use]
    pub const fn is_of_handshake(self) -> bool {
        match self {
            Self::Legal(topic) => matches!(topic, Topic::Handshake),
            Self::Broken(rule) => rule.is_of_handshake(),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legal(Topic::Messages) => "whole messages",
            Self::Legal(Topic::Lengths) => "lengths in each form",
            Self::Legal(Topic::Fragments) => "fragments with control frames between",
            Self::Legal(Topic::Close) => "a Close, and bytes after it",
            Self::Legal(Topic::Pings) => "Pings",
            Self::Legal(Topic::Pongs) => "unasked Pongs",
            Self::Legal(Topic::Text) => "characters cut by frames",
            Self::Legal(Topic::Mixed) => "all sorts of legal frames",
            Self::Legal(Topic::Handshake) => "a legal handshake, and frames right behind it",
            Self::Broken(rule) => rule.text(),
        })
    }
}

/// What one peer sends over a whole connection, and what it comes to.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Who hears it.
    pub role: Role,
    /// What it is about.
    pub case: Case,
    /// The bytes. Where a server's handshake has to answer the client's key, [`ACCEPT`] stands.
    pub bytes: Vec<u8>,
    /// The length of the head of the opening handshake; zero, if the session starts with frames.
    pub head_len: usize,
    /// After so many bytes a conforming endpoint can know that the rule is broken.
    pub after: Option<usize>,
}

/// Stands for the answer to the client's key; as long as one.
pub const ACCEPT: &str = "<the answer to client's key>";

impl Session {
    /// What the model makes of the frames.
    #[must_use]
    pub fn reading(&self) -> model::Reading {
        let frames = match self.case {
            // Frames behind a refused handshake are none.
            Case::Broken(rule) if rule.is_of_handshake() => &[],
            Case::Legal(_) | Case::Broken(_) => self.bytes.get(self.head_len..).unwrap_or_default(),
        };
        model::receive(self.role, frames, MAX_LEN)
    }

    /// The bytes, with the answer to this key.
    #[must_use]
    pub fn bytes_for(&self, key: &str) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let found = (0..self.head_len).find(|at| bytes.get(*at..*at + ACCEPT.len()) == Some(ACCEPT.as_bytes()));
        if let Some(place) = found.and_then(|at| bytes.get_mut(at..at + ACCEPT.len())) {
            place.copy_from_slice(model::accept(key).as_bytes());
        }
        bytes
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "for a {}: {}, section {}", self.role, self.case, self.case.section())?;
        if let Some(after) = self.after {
            write!(f, ", to be seen after {after} bytes")?;
        }
        write!(f, ": b\"{}\"", self.bytes.escape_ascii())
    }
}

/// The longest message that no session goes over, but for those that break [`Rule::TooBig`].
pub const MAX_LEN: u64 = 1 << 24;

/// How a peer writes a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Shortest,
    Sixteen,
    SixtyFour,
}

/// A frame, legal or not.
#[derive(Clone, Debug)]
struct Frame {
    fin: bool,
    reserved: u8,
    opcode: u8,
    payload: Vec<u8>,
    form: Form,
    /// The length that is declared, where it is not that of the payload.
    declared: Option<u64>,
    /// Whether the mask bit is the wrong one.
    wrong_mask_bit: bool,
}

impl Frame {
    const fn new(opcode: u8, fin: bool, payload: Vec<u8>) -> Self {
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
    fn encode(&self, role: Role, key: [u8; 4], bytes: &mut Vec<u8>) -> usize {
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
enum Item {
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
    fn frames(&self) -> Vec<Frame> {
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

/// Places in `len` bytes, from parts of 65536.
fn cut_places(cuts: &[u16], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| (len + 1) * usize::from(*cut) / 65536).collect();
    places.sort_unstable();
    places
}

/// The key of each frame: zeros for a seed of zero, which is what a failing session shrinks to.
fn key(seed: u32, frame: usize) -> [u8; 4] {
    seed.rotate_left((frame as u32 % 32) * 7).to_le_bytes()
}

/// Frames as bytes: what is at the front, then frames.
fn encode(role: Role, seed: u32, head: &[u8], frames: &[Frame]) -> Vec<u8> {
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

fn text(len: core::ops::Range<usize>) -> BoxedStrategy<String> {
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

fn ping_or_pong() -> BoxedStrategy<(u8, Vec<u8>)> {
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

fn items() -> BoxedStrategy<Vec<Frame>> {
    vec_of(item(), 0..4)
        .prop_map(|items| items.iter().flat_map(Item::frames).collect())
        .boxed()
}

fn frames_of(item: BoxedStrategy<Item>) -> BoxedStrategy<Vec<Frame>> {
    vec_of(item, 1..4)
        .prop_map(|items| items.iter().flat_map(Item::frames).collect())
        .boxed()
}

fn close_code() -> BoxedStrategy<u16> {
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

fn legal_frames(topic: Topic) -> BoxedStrategy<Vec<Frame>> {
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

/// Sessions about this case, for an endpoint in this role.
///
/// A rule that the role cannot meet gives the sessions of the other role.
pub fn session(role: Role, case: Case) -> BoxedStrategy<Session> {
    match case {
        Case::Legal(Topic::Handshake) => handshake(role, None),
        Case::Legal(topic) => (legal_frames(topic), any::<u32>())
            .prop_map(move |(frames, seed)| Session {
                role,
                case,
                bytes: encode(role, seed, &[], &frames),
                head_len: 0,
                after: None,
            })
            .boxed(),
        Case::Broken(rule) if !rule.concerns(role) => session(role.peer(), case),
        Case::Broken(rule) if rule.is_of_handshake() => handshake(role, Some(rule)),
        Case::Broken(rule) => broken(role, rule),
    }
}

/// Sessions with frames that are all legal.
pub fn legal(role: Role) -> BoxedStrategy<Session> {
    let topics: Vec<Topic> = Topic::ALL
        .iter()
        .copied()
        .filter(|topic| *topic != Topic::Handshake)
        .collect();
    select(topics)
        .prop_flat_map(move |topic| session(role, Case::Legal(topic)))
        .boxed()
}

/// Sessions with exactly one rule about frames broken.
pub fn one_rule_broken(role: Role) -> BoxedStrategy<Session> {
    let rules: Vec<Rule> = Rule::ALL
        .iter()
        .copied()
        .filter(|rule| rule.concerns(role) && !rule.is_of_handshake())
        .collect();
    select(rules)
        .prop_flat_map(move |rule| session(role, Case::Broken(rule)))
        .boxed()
}

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
fn fault(rule: Rule) -> BoxedStrategy<Fault> {
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
        _ => (bad_text(), vec_of(any::<u16>(), 0..3), vec_of(ping_or_pong(), 0..2))
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
    }
}

fn broken(role: Role, rule: Rule) -> BoxedStrategy<Session> {
    (items(), fault(rule), items(), any::<u32>())
        .prop_map(move |(mut frames, fault, rest, seed)| {
            let first = frames.len();
            frames.extend(fault.frames.iter().cloned());
            let faulty = frames.len() - 1;
            frames.extend(rest);
            let mut bytes = Vec::new();
            let mut after = None;
            let mut left = fault.payload;
            for (number, frame) in frames.iter().enumerate() {
                let start = bytes.len();
                let payload_start = frame.encode(role, key(seed, number), &mut bytes);
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
                bytes,
                head_len: 0,
                after,
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
    core::str::from_utf8(&payload).is_err_and(|error| error.error_len().is_none())
}

/// A head: its first line and its fields.
#[derive(Clone, Debug)]
struct Head {
    line: String,
    fields: Vec<(String, String)>,
}

impl Head {
    fn remove(&mut self, name: &str) {
        self.fields.retain(|field| !field.0.eq_ignore_ascii_case(name));
    }

    fn set(&mut self, name: &str, value: &str) {
        for field in &mut self.fields {
            if field.0.eq_ignore_ascii_case(name) {
                field.1 = String::from(value);
            }
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        self.fields.push((String::from(name), String::from(value)));
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.fields {
            // A field without a name is a line that is none.
            let colon = if name.is_empty() { "" } else { ":" };
            bytes.extend_from_slice(format!("{name}{colon}{value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// A field as it may come: its name in any case, spaces around its value.
fn dressed(fields: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<Vec<(String, String)>> {
    let dressed = fields.into_iter().map(|(name, value)| {
        let names = vec![String::from(name), name.to_ascii_lowercase(), name.to_ascii_uppercase()];
        let spaces = || select(vec![" ", "", "  ", "\t"]);
        (select(names), spaces(), value, select(vec!["", " ", "\t "]))
            .prop_map(|(name, before, value, after)| (name, format!("{before}{value}{after}")))
            .boxed()
    });
    dressed.collect::<Vec<_>>().prop_shuffle().boxed()
}

fn one_of(values: &[&'static str]) -> BoxedStrategy<String> {
    let values: Vec<String> = values.iter().map(|value| String::from(*value)).collect();
    select(values).boxed()
}

fn base64_of(len: usize) -> BoxedStrategy<String> {
    vec_of(any::<u8>(), len)
        .prop_map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes))
        .boxed()
}

fn request_head() -> BoxedStrategy<Head> {
    let required = dressed(vec![
        (
            "Host",
            one_of(&["example.com", "example.com:8080", "127.0.0.1", "[::1]:9000"]),
        ),
        ("Upgrade", one_of(&["websocket", "WebSocket", "WEBSOCKET"])),
        (
            "Connection",
            one_of(&["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive"]),
        ),
        ("Sec-WebSocket-Key", base64_of(16)),
        ("Sec-WebSocket-Version", one_of(&["13"])),
    ]);
    let free = dressed(vec![
        ("Origin", one_of(&["http://example.com", "null"])),
        (
            "Sec-WebSocket-Protocol",
            one_of(&["chat", "chat, superchat", "v1.example,v2.example"]),
        ),
        (
            "Sec-WebSocket-Extensions",
            one_of(&[
                "x-unknown",
                "x-unknown; a; b=1",
                "x-one, x-two;a=\"b\"",
                "permessage-deflate; client_max_window_bits",
            ]),
        ),
        ("Cookie", one_of(&["a=b; c=d", ""])),
        ("X-Anything", one_of(&["", "\u{fc}", "a:b:c", "\"quoted, list\""])),
    ]);
    let line = one_of(&["GET / HTTP/1.1", "GET /chat HTTP/1.1", "GET /a/b?c=d&e=%20 HTTP/1.1"]);
    (line, required, free, 0_usize..6)
        .prop_map(|(line, mut fields, free, extra)| {
            fields.extend(free.into_iter().take(extra));
            Head { line, fields }
        })
        .boxed()
}

fn response_head() -> BoxedStrategy<Head> {
    let required = dressed(vec![
        ("Upgrade", one_of(&["websocket", "WebSocket", "WEBSOCKET"])),
        ("Connection", one_of(&["Upgrade", "upgrade", "keep-alive, Upgrade"])),
        ("Sec-WebSocket-Accept", one_of(&[ACCEPT])),
    ]);
    let free = dressed(vec![
        ("Server", one_of(&["x/1.0"])),
        ("Date", one_of(&["Thu, 01 Jan 1970 00:00:00 GMT"])),
        ("X-Anything", one_of(&["", "a:b:c", "\"quoted, list\""])),
    ]);
    let line = one_of(&["HTTP/1.1 101 Switching Protocols", "HTTP/1.1 101 OK", "HTTP/1.1 101 "]);
    (line, required, free, 0_usize..4)
        .prop_map(|(line, mut fields, free, extra)| {
            fields.extend(free.into_iter().take(extra));
            Head { line, fields }
        })
        .boxed()
}

/// Breaks a rule of the handshake; `pick` chooses between ways to do it.
fn break_head(head: &mut Head, rule: Rule, pick: usize) {
    let of = |ways: &[&'static str]| ways.get(pick % ways.len().max(1)).copied().unwrap_or_default();
    match rule {
        Rule::RequestSyntax => match pick % 4 {
            0 => head.add("", "a line without a colon"),
            1 => head.add("Na me", "x"),
            2 => head.line = String::from("GET / HTTX/1.1"),
            _ => head.line = String::from("GET"),
        },
        Rule::MethodNotGet => head.line = format!("{} / HTTP/1.1", of(&["POST", "HEAD", "PUT", "OPTIONS", "get"])),
        Rule::HttpVersionTooOld => head.line = String::from("GET / HTTP/1.0"),
        Rule::HostMissing => head.remove("Host"),
        Rule::UpgradeMissing | Rule::ResponseUpgrade if pick.is_multiple_of(2) => head.remove("Upgrade"),
        Rule::UpgradeMissing | Rule::ResponseUpgrade => head.set("Upgrade", of(&["h2c", "websockets", "web socket"])),
        Rule::ConnectionMissing | Rule::ResponseConnection if pick.is_multiple_of(2) => head.remove("Connection"),
        Rule::ConnectionMissing | Rule::ResponseConnection => {
            head.set("Connection", of(&["keep-alive", "close", "Upgraded"]));
        }
        Rule::KeyMissing => head.remove("Sec-WebSocket-Key"),
        Rule::KeyInvalid => head.set(
            "Sec-WebSocket-Key",
            of(&[
                "",
                "AAAA",
                // 15 and 17 bytes.
                "AAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAA=",
                "AAAAAAAAAAAAAAAAAAAAAA==AAAA",
                "****AAAAAAAAAAAAAAAAAA==",
                "AAAAAAAAAAAAAAAAAAAAAA",
            ]),
        ),
        Rule::VersionMissing => head.remove("Sec-WebSocket-Version"),
        Rule::VersionUnsupported => head.set("Sec-WebSocket-Version", of(&["8", "12", "14", "0", "255"])),
        Rule::ResponseSyntax => match pick % 4 {
            0 => head.add("", "a line without a colon"),
            1 => head.add("Na me", "x"),
            2 => head.line = String::from("HTTP/1.1 abc Switching Protocols"),
            _ => head.line = String::from("HTTX/1.1 101 Switching Protocols"),
        },
        Rule::StatusNot101 => {
            head.line = format!(
                "HTTP/1.1 {}",
                of(&["200 OK", "400 Bad Request", "404 Not Found", "500 No", "302 Found"])
            );
        }
        Rule::AcceptMissing => head.remove("Sec-WebSocket-Accept"),
        Rule::AcceptMismatch => head.set(
            "Sec-WebSocket-Accept",
            of(&[
                "",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
                "****",
            ]),
        ),
        Rule::ExtensionNotAsked => head.add("Sec-WebSocket-Extensions", of(&["x-unknown", "x-unknown; a=1"])),
        _ => head.add("Sec-WebSocket-Protocol", of(&["chat", "superchat"])),
    }
}

fn handshake(role: Role, rule: Option<Rule>) -> BoxedStrategy<Session> {
    let head = match role {
        Role::Server => request_head(),
        Role::Client => response_head(),
    };
    (head, legal_frames(Topic::Handshake), any::<u32>(), any::<u8>())
        .prop_map(move |(mut head, frames, seed, pick)| {
            if let Some(rule) = rule {
                break_head(&mut head, rule, usize::from(pick));
            }
            let head = head.encode();
            let frames = match rule {
                Some(_) => Vec::new(),
                None => frames,
            };
            Session {
                role,
                case: rule.map_or(Case::Legal(Topic::Handshake), Case::Broken),
                bytes: encode(role, seed, &head, &frames),
                head_len: head.len(),
                after: rule.map(|_| head.len()),
            }
        })
        .boxed()
}

/// Bytes of which nothing is known: noise, things that look like frames, and sessions with some bytes changed, taken
/// out or put in.
pub fn soup(role: Role) -> BoxedStrategy<Vec<u8>> {
    let noise = vec_of(any::<u8>(), 0..64);
    let frame = (
        prop_oneof![3 => select(&[0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a][..]), 1 => any::<u8>()],
        prop_oneof![6 => 0_u8..8, 1 => 120_u8..=127],
        vec_of(any::<u8>(), 0..16),
        prop_oneof![9 => Just(true), 1 => Just(false)],
    );
    let frames = vec_of(frame, 0..8).prop_map(move |frames| {
        let mut bytes = Vec::new();
        for (first, second, rest, right) in frames {
            let mask_bit = if (role == Role::Server) == right { 0x80 } else { 0 };
            bytes.extend_from_slice(&[first, second | mask_bit]);
            bytes.extend_from_slice(&rest);
        }
        bytes
    });
    let session = prop_oneof![legal(role), one_rule_broken(role)];
    let changed = (session, vec_of((any::<u16>(), 0_u8..3, any::<u8>()), 0..4)).prop_map(|(session, changes)| {
        let mut bytes = session.bytes;
        for (place, change, byte) in changes {
            for at in cut_places(&[place], bytes.len()) {
                match change {
                    0 => bytes.insert(at, byte),
                    1 if at < bytes.len() => {
                        bytes.remove(at);
                    }
                    _ => {
                        if let Some(place) = bytes.get_mut(at) {
                            *place ^= byte;
                        }
                    }
                }
            }
        }
        bytes
    });
    prop_oneof![1 => noise, 2 => frames, 2 => changed].boxed()
}

/// A way to cut bytes into chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// Not at all.
    Whole,
    /// Byte by byte.
    EachByte,
    /// Before and after each byte of a frame header, and at each line end of a head.
    Headers,
    /// Inside each character of more than one byte.
    Characters,
    /// At these parts of the length, in 65536ths.
    At(Vec<u16>),
}

impl Split {
    /// The ways that need no chance.
    pub const FIXED: [Self; 4] = [Self::Whole, Self::EachByte, Self::Headers, Self::Characters];

    /// Where it cuts `bytes`, of which the first `head_len` are the head of a handshake to an endpoint in this role.
    #[must_use]
    pub fn cuts(&self, role: Role, bytes: &[u8], head_len: usize) -> Vec<usize> {
        let reading = || model::receive(role, bytes.get(head_len..).unwrap_or_default(), MAX_LEN);
        let mut cuts = match self {
            Self::Whole => Vec::new(),
            Self::EachByte => (1..bytes.len()).collect(),
            Self::Headers => {
                let head = bytes.iter().take(head_len).enumerate();
                let lines = head
                    .filter(|(_, byte)| matches!(byte, b'\r' | b'\n'))
                    .flat_map(|(at, _)| [at, at + 1]);
                let headers = reading().header_bytes;
                lines
                    .chain(headers.into_iter().flat_map(|at| [head_len + at, head_len + at + 1]))
                    .collect()
            }
            Self::Characters => reading().inside_characters.iter().map(|at| head_len + at).collect(),
            Self::At(parts) => cut_places(parts, bytes.len()),
        };
        cuts.retain(|cut| (1..bytes.len()).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::EachByte => "byte by byte",
            Self::Headers => "cut in headers",
            Self::Characters => "cut in characters",
            Self::At(_) => "cut anywhere",
        })
    }
}

/// Cuts bytes at these places, which are in order.
#[must_use]
pub fn chunks<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    let mut at = 0;
    for cut in cuts {
        if let Some((chunk, after)) = rest.split_at_checked(cut.saturating_sub(at)) {
            chunks.push(chunk);
            rest = after;
            at = *cut;
        }
    }
    chunks.push(rest);
    chunks
}

/// Every way to cut.
pub fn split() -> BoxedStrategy<Split> {
    prop_oneof![
        1 => select(&Split::FIXED[..]),
        2 => vec_of(any::<u16>(), 0..6).prop_map(Split::At),
    ]
    .boxed()
}
