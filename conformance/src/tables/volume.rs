//! The cases of the Autobahn test suite that are about volume, up to sixteen megabytes each: for the wire only.
//!
//! All of them together are more than a hundred megabytes, and take seconds to make. Each is made when it is run.

use std::fmt;
use std::sync::Arc;

use super::autobahn::{Writes, in_fragments, topic};
use super::{BOUNDS, Script, key};
use crate::frame::Frame;
use crate::generate::{long_bytes, long_text};
use crate::model::Parameters;
use crate::rule::Role;
use crate::session::{Parts, Session, Topic};

/// A legal session that is made when it is run.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) topic: Topic,
    /// About how many bytes it sends, as messages.
    pub(crate) size: usize,
    make: Arc<Make>,
}

type Make = dyn Fn(Role) -> Session + Send + Sync;

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Recipe {
    pub(crate) fn session(&self, role: Role) -> Session {
        (self.make)(role)
    }
}

/// How many bytes the messages of a case about compression come to, if they are not large.
const COMPRESSED: usize = 64 << 10;

const K: usize = 1024;

/// Recipes as they are written down.
#[derive(Default)]
struct Recipes {
    all: Vec<Recipe>,
    /// How many cases a group of the suite has so far.
    numbers: std::collections::HashMap<&'static str, usize>,
}

impl Recipes {
    fn number(&mut self, prefix: &'static str) -> String {
        let number = self.numbers.entry(prefix).or_default();
        *number += 1;
        format!("Autobahn {prefix}.{number}")
    }

    /// The next case of a group.
    fn add(
        &mut self,
        prefix: &'static str,
        writes: Writes,
        size: usize,
        frames: impl Fn() -> Vec<Frame> + Send + Sync + 'static,
    ) {
        let name = self.number(prefix);
        let topic = topic(prefix);
        let called = name.clone();
        let make = move |role| {
            let mut frames = frames();
            for (number, frame) in frames.iter_mut().enumerate() {
                frame.key = key(number);
            }
            let parts = Parts {
                frames,
                ..Parts::default()
            };
            let mut session = Session::legal(role, topic, called.clone(), parts, BOUNDS, None);
            session.written = writes.cuts(&session);
            session
        };
        self.all.push(Recipe {
            name,
            topic,
            size,
            make: Arc::new(make),
        });
    }

    fn script(&mut self, name: String, size: usize, script: impl Fn(Role, String) -> Script + Send + Sync + 'static) {
        let called = name.clone();
        let make = move |role| script(role, called.clone()).legal_session();
        let topic = Topic::Volume;
        self.all.push(Recipe {
            name,
            topic,
            size,
            make: Arc::new(make),
        });
    }
}

fn payload(text: bool, len: usize) -> Vec<u8> {
    if text { long_text(9, len) } else { long_bytes(9, len) }
}

pub(crate) fn recipes() -> Vec<Recipe> {
    let mut recipes = Recipes::default();
    for (whole, parts, text) in [("9.1", "9.3", true), ("9.2", "9.4", false)] {
        let opcode = if text { 0x1 } else { 0x2 };
        for len in [64 * K, 256 * K, 1024 * K, 4096 * K, 8192 * K, 16_384 * K] {
            recipes.add(whole, Writes::AtOnce, len, move || {
                vec![Frame::new(opcode, true, payload(text, len))]
            });
        }
        for len in [64, 256, K, 4 * K, 16 * K, 64 * K, 256 * K, 1024 * K, 4096 * K] {
            recipes.add(parts, Writes::AtOnce, 4096 * K, move || {
                in_fragments(opcode, &payload(text, 4096 * K), len)
            });
        }
    }
    compressed(&mut recipes);
    for len in [1 << 20, 16 << 20] {
        recipes.script(
            format!("{len} zeros, compressed a thousand times"),
            len,
            move |role, name| {
                let mut script = Script::new(role, Topic::Volume, name, true, 15);
                script.message(false, &vec![0; len]);
                script
            },
        );
    }
    for (cut, many, text) in [("9.5", "9.7", true), ("9.6", "9.8", false)] {
        let opcode = if text { 0x1 } else { 0x2 };
        for len in [64, 128, 256, 512, 1024, 2048] {
            recipes.add(cut, Writes::Bytes(len), 1024 * K, move || {
                vec![Frame::new(opcode, true, payload(text, 1024 * K))]
            });
        }
        for len in [0, 16, 64, 256, 1024, 4096] {
            recipes.add(many, Writes::AtOnce, 1000 * len, move || {
                vec![Frame::new(opcode, true, payload(text, len)); 1000]
            });
        }
    }
    recipes.all
}

/// The sizes of the messages of a group about compression, and the length of a fragment: zero, if there is one.
const COMPRESSED_SIZES: &[(usize, usize)] = &[
    (16, 0),
    (64, 0),
    (256, 0),
    (1024, 0),
    (4096, 0),
    (8192, 0),
    (16_384, 0),
    (32_768, 0),
    (65_536, 0),
    (131_072, 0),
    (8192, 256),
    (16_384, 256),
    (32_768, 256),
    (65_536, 256),
    (131_072, 256),
    (131_072, 1024),
    (131_072, 4096),
    (131_072, 32_768),
];

/// Which parameters a group about compression has: whether the endpoint may take over its context, and its window.
const COMPRESSED_GROUPS: &[(&str, bool, Option<u8>)] = &[
    ("12.1", true, None),
    ("12.2", true, None),
    ("12.3", true, None),
    ("12.4", true, None),
    ("12.5", true, None),
    ("13.1", true, None),
    ("13.2", false, None),
    ("13.3", true, Some(9)),
    ("13.4", true, Some(15)),
    ("13.5", false, Some(9)),
    ("13.6", false, Some(15)),
    // Several offers, the first of them with all of that.
    ("13.7", false, Some(9)),
];

/// Text and bytes as the suite's files hold them: records, a picture, prose, markup, and what is compressed already.
fn material(prefix: &str, len: usize) -> Vec<u8> {
    let mut data = Vec::new();
    let mut number = 1_u32;
    while data.len() < len {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (one, two) = (number >> 24, number >> 28);
        match prefix {
            "12.2" => data.extend((0..16).map(|at: u32| (at * two + one) as u8)),
            "12.3" => data.extend(format!("Ihr naht euch wieder, {one}. Gestalten, schwankend {two}.\r\n").bytes()),
            "12.4" => data.extend(format!("<li><a href=\"/{one}/\">{two}</a></li>\n").bytes()),
            "12.5" => data.extend(long_bytes(number, 64)),
            _ => data.extend(format!("{{\"id\": {number}, \"kind\": {two}, \"tags\": [\"a\", \"b\"]}},\n").bytes()),
        }
    }
    data.truncate(len);
    data
}

fn compressed(recipes: &mut Recipes) {
    for &(prefix, takeover, bits) in COMPRESSED_GROUPS {
        for &(size, fragment) in COMPRESSED_SIZES {
            let name = recipes.number(prefix);
            let times = (COMPRESSED / size).clamp(2, 1000);
            recipes.script(name, times * size, move |role, name| {
                let mut script = agreed(role, name, prefix, takeover, bits);
                let text = !matches!(prefix, "12.2" | "12.3" | "12.5");
                let data = material(prefix, size);
                for _ in 0..times {
                    match fragment {
                        0 => script.message(text, &data),
                        len => script.pieces(text, &data, len),
                    }
                }
                script
            });
        }
    }
}

/// A script with the parameters of a group.
fn agreed(role: Role, name: String, prefix: &str, takeover: bool, bits: Option<u8>) -> Script {
    let heard = if role == Role::Server { 15 } else { bits.unwrap_or(15) };
    let hears = role == Role::Server || takeover;
    let mut script = Script::new(role, Topic::Volume, name, hears, heard);
    let (own, peer) = (!takeover, !hears);
    script.agree(match role {
        Role::Server => Parameters {
            server_no_context_takeover: own,
            server_max_window_bits: bits,
            ..Parameters::default()
        },
        Role::Client => Parameters {
            client_no_context_takeover: own,
            server_no_context_takeover: peer,
            client_max_window_bits: bits.map(Some),
            server_max_window_bits: bits,
        },
    });
    if prefix == "13.7" {
        script.also.push(Parameters {
            server_no_context_takeover: true,
            ..Parameters::default()
        });
        script.also.push(Parameters::default());
    }
    script
}
