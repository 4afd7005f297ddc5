//! Generators: sessions with a known verdict, byte soup, and ways to cut them, as proptest strategies.

use alloc::vec::Vec;
use core::fmt;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::model::{self, Bounds};
use super::rule::{Role, Rule};
use cuts::cut_places;

mod cuts;
mod faults;
mod frames;
mod handshakes;

pub use cuts::{Split, chunks, split};

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
    /// Every case for an endpoint in this role, whoever has made it.
    #[must_use]
    pub fn all(role: Role) -> Vec<Self> {
        let legal = Topic::ALL.iter().map(|topic| Self::Legal(*topic));
        let broken = Rule::ALL
            .iter()
            .filter(|rule| rule.concerns(role) && !rule.is_of_this_crate());
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
    /// What the endpoint takes.
    pub bounds: Bounds,
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
        model::receive(self.role, frames, &self.bounds)
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

/// What no session goes over, but for those that break [`Rule::TooBig`] or [`Rule::TooManyFragments`]: this crate's
/// default limits.
pub const BOUNDS: Bounds = Bounds {
    frame_len: 1 << 24,
    message_len: 1 << 24,
    fragments: 4096,
};

/// Sessions about this case, for an endpoint in this role.
///
/// A rule that the role cannot meet gives the sessions of the other role.
pub fn session(role: Role, case: Case) -> BoxedStrategy<Session> {
    match case {
        Case::Legal(Topic::Handshake) => handshakes::handshake(role, None),
        Case::Legal(topic) => (frames::legal(topic), any::<u32>())
            .prop_map(move |(frames, seed)| Session {
                role,
                case,
                bytes: frames::encode(role, seed, &[], &frames),
                head_len: 0,
                after: None,
                bounds: BOUNDS,
            })
            .boxed(),
        Case::Broken(rule) if !rule.concerns(role) => session(role.peer(), case),
        Case::Broken(rule) if rule.is_of_handshake() => handshakes::handshake(role, Some(rule)),
        Case::Broken(Rule::TooManyFragments) => too_many_fragments(role, BOUNDS.fragments as u32),
        Case::Broken(rule) => faults::broken(role, rule, BOUNDS),
    }
}

/// Sessions with a message of more fragments than an endpoint takes that has this budget of them, and else the usual
/// [`BOUNDS`].
pub fn too_many_fragments(role: Role, budget: u32) -> BoxedStrategy<Session> {
    let fragments = u64::from(budget);
    faults::broken(role, Rule::TooManyFragments, Bounds { fragments, ..BOUNDS })
}

/// Sessions with one message of up to so many fragments and one at least, some of them empty and some large, and control
/// frames between them. Whether they are legal depends on the budget.
pub fn many_fragments(role: Role, most: usize) -> BoxedStrategy<Vec<u8>> {
    (frames::many_fragments(most), any::<u32>())
        .prop_map(move |(frames, seed)| frames::encode(role, seed, &[], &frames))
        .boxed()
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
///
/// Among them are those that break [`Rule::TooManyFragments`], a limit of this crate that RFC 6455 does not have. Another
/// implementation is not to be held to it; [`Rule::is_of_this_crate`] leaves it out:
///
/// ```
/// use proptest::strategy::Strategy;
/// use sockless::conformance::{Case, Role, generate};
///
/// let sessions = generate::one_rule_broken(Role::Server).prop_filter("a limit of RFC 6455", |session| {
///     !matches!(session.case, Case::Broken(rule) if rule.is_of_this_crate())
/// });
/// ```
///
/// One rule is not always one fault: a length with the top bit set is over every limit too. Sessions that break
/// [`Rule::LengthTopBit`] therefore break [`Rule::TooBig`] with the same byte, and the model names both.
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
