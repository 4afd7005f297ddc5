//! Sessions: what one peer sends over a whole connection, and what it comes to.

use std::fmt;

use base64::Engine as _;
use sha1::Digest as _;

use crate::compression::Compression;
use crate::frame::{self, Frame};
use crate::head::Head;
use crate::model::{self, Bounds, Deflate, Opening, Reading, Verdict};
use crate::rule::{Role, Rule};

/// Something legal that an endpoint must get right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Topic {
    /// Whole messages, text and binary.
    Messages,
    /// Lengths on both sides of the boundaries of the length's forms, as text and as binary, whole and as sums of fragments.
    Lengths,
    /// Fragmented messages, with control frames between the fragments.
    Fragments,
    /// A Close with each sort of code, at each place, and bytes after it that must be ignored.
    Close,
    /// Pings, which must be answered.
    Pings,
    /// Pongs that nobody asked for.
    Pongs,
    /// Text outside ASCII, cut by frames inside its characters.
    Text,
    /// All of it mixed.
    Mixed,
    /// Long messages.
    Long,
    /// Many messages over one connection.
    Many,
    /// An opening handshake as it may come, and frames right behind it.
    Handshake,
    /// What the endpoint sends: its mask keys.
    MaskKeys,
    /// Compressed messages: whole, fragmented and empty, with control frames and messages that are not compressed between.
    Compressed,
    /// Compressed data in each form that RFC 1951 has.
    Blocks,
    /// Windows of each size, kept from message to message or not.
    Windows,
    /// Compressed messages of all sizes, in great number.
    Volume,
    /// Offers of permessage-deflate, good ones and such as must be declined; or answers.
    Negotiation,
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
        Self::Long,
        Self::Many,
        Self::Handshake,
        Self::MaskKeys,
        Self::Compressed,
        Self::Blocks,
        Self::Windows,
        Self::Volume,
        Self::Negotiation,
    ];

    /// Whether it comes into play where permessage-deflate is agreed, or offered.
    #[must_use]
    pub const fn is_of_compression(self) -> bool {
        matches!(
            self,
            Self::Compressed | Self::Blocks | Self::Windows | Self::Volume | Self::Negotiation
        )
    }

    /// Whether an endpoint in this role can meet it.
    #[must_use]
    pub fn applies_to(self, role: Role) -> bool {
        match self {
            Self::MaskKeys => role == Role::Client,
            Self::Messages
            | Self::Lengths
            | Self::Fragments
            | Self::Close
            | Self::Pings
            | Self::Pongs
            | Self::Text
            | Self::Mixed
            | Self::Long
            | Self::Many
            | Self::Handshake
            | Self::Compressed
            | Self::Blocks
            | Self::Windows
            | Self::Volume
            | Self::Negotiation => true,
        }
    }
}

/// What a session is about: something legal, or one broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Case {
    /// Nothing is broken.
    Legal(Topic),
    /// Exactly this rule is.
    Broken(Rule),
}

impl Case {
    /// Every case for an endpoint in this role, whoever has made it.
    #[must_use]
    pub fn all(role: Role) -> Vec<Self> {
        let topics = Topic::ALL.iter().filter(|topic| topic.applies_to(role));
        let rules = Rule::ALL
            .iter()
            .filter(|rule| rule.applies_to(role) && !rule.is_optional_limit());
        let legal = topics.map(|topic| Self::Legal(*topic));
        legal.chain(rules.map(|rule| Self::Broken(*rule))).collect()
    }

    /// The section of RFC 6455 that it belongs to; `7692/7.1` is section 7.1 of RFC 7692.
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
            Self::Legal(Topic::Mixed | Topic::Long | Topic::Many) => "6.2",
            Self::Legal(Topic::Handshake) => "4",
            Self::Legal(Topic::MaskKeys) => "5.3",
            Self::Legal(Topic::Compressed | Topic::Volume) => "7692/6",
            Self::Legal(Topic::Blocks) => "7692/7.2",
            Self::Legal(Topic::Windows) => "7692/7.1.2",
            Self::Legal(Topic::Negotiation) => "7692/7.1",
            Self::Broken(rule) => rule.section(),
        }
    }

    /// A short name without spaces, by which the case is chosen.
    #[must_use]
    pub fn name(self) -> String {
        let name = match self {
            Self::Legal(topic) => format!("{topic:?}"),
            Self::Broken(rule) => format!("{rule:?}"),
        };
        let mut kebab = String::new();
        for c in name.chars() {
            if c.is_ascii_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.push(c.to_ascii_lowercase());
        }
        kebab
    }

    /// Whether it comes into play where permessage-deflate is agreed, or offered.
    #[must_use]
    pub const fn is_of_compression(self) -> bool {
        match self {
            Self::Legal(topic) => topic.is_of_compression(),
            Self::Broken(rule) => rule.is_of_compression(),
        }
    }

    /// Whether it starts with an opening handshake.
    #[must_use]
    pub const fn is_of_handshake(self) -> bool {
        match self {
            Self::Legal(topic) => matches!(topic, Topic::Handshake | Topic::Negotiation),
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
            Self::Legal(Topic::Pongs) => "unsolicited Pongs",
            Self::Legal(Topic::Text) => "characters cut by frames",
            Self::Legal(Topic::Mixed) => "all sorts of legal frames",
            Self::Legal(Topic::Long) => "long messages",
            Self::Legal(Topic::Many) => "many messages",
            Self::Legal(Topic::Handshake) => "a legal handshake, and frames right behind it",
            Self::Legal(Topic::MaskKeys) => "mask keys of its own",
            Self::Legal(Topic::Compressed) => "compressed messages",
            Self::Legal(Topic::Blocks) => "compressed data in each form",
            Self::Legal(Topic::Windows) => "windows, with and without takeover",
            Self::Legal(Topic::Volume) => "compressed messages of all sizes",
            Self::Legal(Topic::Negotiation) => "the negotiation of permessage-deflate",
            Self::Broken(rule) => rule.text(),
        })
    }
}

/// Of what a session is made: it is shrunk by taking parts out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// An interim response may come before the head.
    pub(crate) heads: Vec<Head>,
    pub(crate) frames: Vec<Frame>,
    /// Bytes behind the frames.
    pub(crate) tail: Vec<u8>,
}

/// What one peer sends over a whole connection, and what it comes to.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Who receives it.
    pub role: Role,
    /// What it is about.
    pub case: Case,
    /// What is particular about it, in a few words; empty for one that was generated.
    pub name: String,
    /// The bytes. Where a server's handshake has to answer the client's key, [`ACCEPT`] stands.
    pub bytes: Vec<u8>,
    /// The length of the head of the opening handshake; zero, if the session starts with frames.
    pub head_len: usize,
    /// After so many bytes a conforming endpoint can know that the rule is broken.
    pub after: Option<usize>,
    /// What the endpoint takes.
    pub bounds: Bounds,
    pub(crate) parts: Parts,
    /// Whether it is among the fewer sessions that are run over the wire.
    pub(crate) core: bool,
    /// Whether its head is legal, but more than everybody takes; or is not, but less than everybody sees.
    pub(crate) is_uncommon: bool,
    /// Where the peer cuts what it writes, if that matters.
    pub(crate) written: Vec<usize>,
    /// What it is about compression, if it is about that.
    pub(crate) compression: Option<Compression>,
}

/// Stands for the answer to the client's key; as long as one.
pub const ACCEPT: &str = "<the answer to client's key>";

/// The key with which a response is judged where no client has sent one.
pub(crate) const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

impl Session {
    /// A session of which it is known that it is legal.
    pub(crate) fn legal(
        role: Role,
        topic: Topic,
        name: impl Into<String>,
        parts: Parts,
        bounds: Bounds,
        compression: Option<Compression>,
    ) -> Self {
        let mut bytes: Vec<u8> = parts.heads.iter().flat_map(Head::encode).collect();
        let head_len = bytes.len();
        bytes.extend(frame::encode(role, &parts.frames));
        bytes.extend_from_slice(&parts.tail);
        Self {
            role,
            case: Case::Legal(topic),
            name: name.into(),
            bytes,
            head_len,
            after: None,
            bounds,
            parts,
            core: true,
            is_uncommon: false,
            written: Vec::new(),
            compression,
        }
    }

    /// What the model makes of these parts. A legal session is about `topic`.
    pub(crate) fn of(
        role: Role,
        topic: Topic,
        name: impl Into<String>,
        parts: Parts,
        bounds: Bounds,
        compression: Option<Compression>,
    ) -> Self {
        let mut session = Self::legal(role, topic, name, parts, bounds, compression);
        let head_len = session.head_len;
        let head = session.bytes.get(..head_len).unwrap_or_default();
        if head_len > 0 {
            let opening = match role {
                Role::Server => model::request(head),
                Role::Client => model::response(&answered(&without_extensions(&session), SAMPLE_KEY), SAMPLE_KEY),
            };
            if session.compression.as_ref().is_some_and(|one| one.wrong.is_some()) {
                session.case = Case::Broken(Rule::DeflateAnswer);
                session.after = Some(head_len);
            }
            if let Opening::Refused(rules) = opening
                && let Some(rule) = rules.first()
            {
                session.case = Case::Broken(*rule);
                session.after = Some(head_len);
            }
        }
        if session.after.is_none()
            && let Verdict::Broken { rules, after } = session.reading().verdict
            && let Some(rule) = rules.first()
        {
            session.case = Case::Broken(*rule);
            session.after = Some(head_len + after);
        }
        session
    }

    /// What the model makes of the frames.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let frames = match self.case {
            // Frames behind a refused handshake are none.
            Case::Broken(rule) if rule.is_of_handshake() => &[],
            Case::Legal(_) | Case::Broken(_) => self.bytes.get(self.head_len..).unwrap_or_default(),
        };
        match self.deflate() {
            Some(deflate) => model::receive_compressed(self.role, frames, &self.bounds, deflate),
            None => model::receive(self.role, frames, &self.bounds),
        }
    }

    /// How its messages are compressed, if they are.
    #[must_use]
    pub fn deflate(&self) -> Option<Deflate> {
        let compression = self.compression.as_ref()?;
        (!compression.negotiates_only).then_some(compression.deflate)
    }

    /// Whether it is among the fewer sessions that are run over the wire unless all are asked for.
    #[must_use]
    pub const fn is_core(&self) -> bool {
        self.core
    }

    /// The bytes, with the answer to this key.
    #[must_use]
    pub fn bytes_for(&self, key: &str) -> Vec<u8> {
        let head = answered(self.bytes.get(..self.head_len).unwrap_or_default(), key);
        [&head[..], self.bytes.get(self.head_len..).unwrap_or_default()].concat()
    }
}

/// The head of a response, without what is judged apart where compression is agreed.
fn without_extensions(session: &Session) -> Vec<u8> {
    let mut heads = session.parts.heads.clone();
    if session.compression.is_some() {
        for head in &mut heads {
            head.remove("Sec-WebSocket-Extensions");
        }
    }
    heads.iter().flat_map(Head::encode).collect()
}

/// Values that are nearly the answer to a key: what each is, and how it is made of the key and the answer. In a head
/// stands [`near_miss_mark`] instead.
pub(crate) type NearMiss = (&'static str, fn(&str, &str) -> String);

pub(crate) const NEAR_MISSES: &[NearMiss] = &[
    ("in lower case", |_, accept| accept.to_ascii_lowercase()),
    ("in upper case", |_, accept| accept.to_ascii_uppercase()),
    ("with each letter in the other case", |_, accept| {
        accept.chars().map(other_case).collect()
    }),
    ("with one letter in the other case", |_, accept| {
        let at = accept.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        change(accept, at, other_case)
    }),
    ("with the last letter in the other case", |_, accept| {
        let at = accept.rfind(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        change(accept, at, other_case)
    }),
    ("with another first character", |_, accept| {
        change(accept, 0, other_character)
    }),
    ("with another character in the middle", |_, accept| {
        change(accept, 13, other_character)
    }),
    ("with another last character", |_, accept| {
        change(accept, 25, other_character)
    }),
    ("with other bits where the last character carries none", |_, accept| {
        change(accept, 26, spare_bits)
    }),
    ("backwards", |_, accept| accept.chars().rev().collect()),
    ("that is the key", |key, _| String::from(key)),
    ("without its padding", |_, accept| {
        String::from(accept.trim_end_matches('='))
    }),
    ("with padding too much", |_, accept| format!("{accept}=")),
    ("with the padding that a key has", |_, accept| {
        format!("{}==", accept.trim_end_matches('='))
    }),
    ("cut to its first character", |_, accept| {
        accept.chars().take(1).collect()
    }),
    ("cut to its first half", |_, accept| accept.chars().take(14).collect()),
    ("cut to its second half", |_, accept| accept.chars().skip(14).collect()),
    ("without its first character", |_, accept| {
        accept.chars().skip(1).collect()
    }),
    ("with a character more", |_, accept| format!("{accept}A")),
    ("with a tail", |_, accept| format!("{accept}; q=1")),
    ("with another word behind it", |_, accept| format!("{accept} x")),
    ("behind another character", |_, accept| format!("A{accept}")),
    ("first in a list", |_, accept| format!("{accept}, x")),
    ("last in a list", |_, accept| format!("x, {accept}")),
    ("twice in a list", |_, accept| format!("{accept}, {accept}")),
    ("in quotes", |_, accept| format!("\"{accept}\"")),
    ("in the alphabet of URLs and without case", |_, accept| {
        accept.replace(['+', '/'], "_").to_ascii_lowercase()
    }),
    ("of the key without the GUID", |key, _| hashed(key)),
    ("of the key with the GUID in lower case", |key, _| {
        hashed(&format!("{key}{}", GUID.to_ascii_lowercase()))
    }),
    ("of the GUID in front of the key", |key, _| {
        hashed(&format!("{GUID}{key}"))
    }),
    ("of the key in lower case", |key, _| {
        model::accept(&key.to_ascii_lowercase())
    }),
    ("of the key with a space before it", |key, _| {
        model::accept(&format!(" {key}"))
    }),
    ("of the key without its padding", |key, _| {
        model::accept(key.trim_end_matches('='))
    }),
    ("of an empty key", |_, _| model::accept("")),
    ("of the key of the RFC's example", |_, _| {
        String::from("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }),
    ("of another key", |key, _| {
        model::accept(&change(key, 0, other_character))
    }),
    ("in hexadecimal", |key, _| {
        let hash = sha1::Sha1::digest(format!("{key}{GUID}"));
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }),
    ("that is empty", |_, _| String::new()),
    ("of zeros", |_, _| String::from("AAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
    ("that is not base64", |_, _| {
        String::from("****************************")
    }),
];

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn hashed(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(text))
}

fn other_case(c: char) -> char {
    if c.is_ascii_lowercase() {
        c.to_ascii_uppercase()
    } else {
        c.to_ascii_lowercase()
    }
}

fn other_character(c: char) -> char {
    if c == 'b' { 'c' } else { 'b' }
}

/// Another character of base64 with the same four bits in front.
fn spare_bits(c: char) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = ALPHABET.find(c).unwrap_or(0);
    ALPHABET.chars().nth(value ^ 1).unwrap_or('A')
}

fn change(text: &str, at: usize, how: fn(char) -> char) -> String {
    let changed = text.chars().enumerate();
    changed.map(|(place, c)| if place == at { how(c) } else { c }).collect()
}

/// Stands for the near miss with this number.
pub(crate) fn near_miss_mark(number: usize) -> String {
    format!("<near miss {number:02}>")
}

/// Puts the answer to a key where [`ACCEPT`] stands, or a near miss where one is asked for.
fn answered(head: &[u8], key: &str) -> Vec<u8> {
    let accept = model::accept(key);
    let mut head = head.to_vec();
    replace(&mut head, ACCEPT, &accept);
    if head.windows(11).any(|part| part == b"<near miss ") {
        for (number, (_, make)) in NEAR_MISSES.iter().enumerate() {
            let mut value = make(key, &accept);
            if value == accept {
                // With this very key it is no miss.
                value = change(&accept, 0, other_character);
            }
            replace(&mut head, &near_miss_mark(number), &value);
        }
    }
    head
}

fn replace(head: &mut Vec<u8>, mark: &str, value: &str) {
    while let Some(at) = head.windows(mark.len()).position(|part| part == mark.as_bytes()) {
        head.splice(at..at + mark.len(), value.bytes());
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
