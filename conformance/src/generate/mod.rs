//! Generators: sessions with a known verdict, byte soup, and ways to cut them, as proptest strategies.

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::frame::{self, with_keys};
use crate::model::Bounds;
use crate::rule::{Role, Rule};
use crate::session::{Case, Parts, Session, Topic};
use cuts::cut_places;

mod compressed;
mod cuts;
mod faults;
mod frames;
mod handshakes;

pub use cuts::{Split, chunks, split};
pub(crate) use frames::{long_bytes, long_text};

/// What no generated session goes over, but for those that break [`Rule::TooBig`] or [`Rule::TooManyFragments`].
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
        Case::Legal(topic) if topic.is_of_compression() => compressed::session(role, case),
        Case::Legal(topic) => (frames::legal(topic), any::<u32>())
            .prop_map(move |(frames, seed)| {
                let frames = with_keys(seed, frames);
                Session {
                    role,
                    case,
                    name: String::new(),
                    bytes: frame::encode(role, &frames),
                    head_len: 0,
                    after: None,
                    bounds: BOUNDS,
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
            .boxed(),
        Case::Broken(rule) if rule.is_of_compression() && !rule.is_of_handshake() => compressed::session(role, case),
        Case::Broken(rule) if !rule.applies_to(role) => session(role.peer(), case),
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
        .prop_map(move |(frames, seed)| frame::encode(role, &with_keys(seed, frames)))
        .boxed()
}

/// Sessions with frames that are all legal, and not long.
pub fn legal(role: Role) -> BoxedStrategy<Session> {
    let topics: Vec<Topic> = Topic::ALL
        .iter()
        .copied()
        .filter(|topic| topic.applies_to(role) && !topic.is_of_compression())
        .filter(|topic| !matches!(topic, Topic::Handshake | Topic::Long | Topic::Many))
        .collect();
    select(topics)
        .prop_flat_map(move |topic| session(role, Case::Legal(topic)))
        .boxed()
}

/// Sessions with exactly one rule about frames broken.
///
/// Among them are those that break [`Rule::TooManyFragments`], a limit that RFC 6455 does not have. Another
/// implementation is not to be held to it; [`Rule::is_optional_limit`] leaves it out:
///
/// ```
/// use proptest::strategy::Strategy;
/// use sockless_conformance::{Case, Role, generate};
///
/// let sessions = generate::one_rule_broken(Role::Server).prop_filter("a limit of RFC 6455", |session| {
///     !matches!(session.case, Case::Broken(rule) if rule.is_optional_limit())
/// });
/// ```
///
/// One rule is not always one fault: a length with the top bit set is over every limit too. Sessions that break
/// [`Rule::LengthTopBit`] therefore break [`Rule::TooBig`] with the same byte, and the model names both.
pub fn one_rule_broken(role: Role) -> BoxedStrategy<Session> {
    let rules: Vec<Rule> = Rule::ALL
        .iter()
        .copied()
        .filter(|rule| rule.applies_to(role) && !rule.is_of_handshake() && !rule.is_of_compression())
        .collect();
    select(rules)
        .prop_flat_map(move |rule| session(role, Case::Broken(rule)))
        .boxed()
}

/// Arbitrary bytes: noise, things that look like frames, and sessions with some bytes changed, taken
/// out or put in.
pub fn arbitrary_bytes(role: Role) -> BoxedStrategy<Vec<u8>> {
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
