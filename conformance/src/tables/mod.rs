//! What needs no chance, enumerated: every first byte in every state, every close code, the boundaries of UTF-8, the
//! lengths on both sides of each boundary, each field of a head missing, repeated and wrong.

pub(crate) mod autobahn;
mod close;
mod combinations;
mod compressed;
mod lengths;
mod long;
mod negotiation;
mod requests;
mod responses;
mod script;
mod text;
mod volume;

use std::sync::{Arc, OnceLock};

use crate::frame::Frame;
use crate::head::Head;
use crate::model::Bounds;
use crate::rule::Role;
use crate::session::{Parts, Session, Topic};
pub(crate) use script::Script;
pub(crate) use volume::{Recipe, recipes};

/// Longer than any message in the tables, and shorter than any length that is declared and does not follow.
pub(crate) const BOUNDS: Bounds = Bounds {
    frame_len: 1 << 30,
    message_len: 1 << 30,
    fragments: u64::MAX,
};

/// Every session of the tables for an endpoint in this role.
///
/// What a session is about is what the [model](crate::model) says of it: the tables themselves say only what is sent.
#[must_use]
pub fn sessions(role: Role) -> &'static [Arc<Session>] {
    static SERVER: OnceLock<Vec<Arc<Session>>> = OnceLock::new();
    static CLIENT: OnceLock<Vec<Arc<Session>>> = OnceLock::new();
    let made = match role {
        Role::Server => &SERVER,
        Role::Client => &CLIENT,
    };
    made.get_or_init(|| make(role))
}

/// The sessions about volume, up to sixteen megabytes each: they are run over the wire, and not by the
/// [`Checker`](crate::Checker).
#[must_use]
pub fn volume_sessions(role: Role) -> Vec<Arc<Session>> {
    recipes().iter().map(|recipe| Arc::new(recipe.session(role))).collect()
}

/// The 517 cases of the Autobahn test suite by number, and whether there is a session that does the same. Its
/// [name](Session::name) is the number behind `Autobahn `.
#[must_use]
pub fn autobahn_cases() -> Vec<(String, bool)> {
    autobahn::counterparts()
}

fn make(role: Role) -> Vec<Arc<Session>> {
    let mut table = Table::new(role);
    combinations::all(&mut table);
    lengths::all(&mut table);
    close::all(&mut table);
    text::all(&mut table);
    long::all(&mut table);
    autobahn::all(&mut table);
    match role {
        Role::Server => requests::all(&mut table),
        Role::Client => responses::all(&mut table),
    }
    compressed::all(&mut table);
    negotiation::all(&mut table);
    table.sessions
}

/// The mask key of a frame: keys without a pattern, the same in each run.
fn key(number: usize) -> [u8; 4] {
    (number as u32 ^ 0x37fa_213d).wrapping_mul(0x9e37_79b9).to_be_bytes()
}

/// The tables as they are made.
struct Table {
    role: Role,
    sessions: Vec<Arc<Session>>,
    /// Whether what is added is run over the wire as well.
    core: bool,
    /// Whether heads that are added are more than everybody takes, or less than everybody sees.
    uncommon: bool,
}

impl Table {
    const fn new(role: Role) -> Self {
        Self {
            role,
            sessions: Vec::new(),
            core: true,
            uncommon: false,
        }
    }

    /// Adds frames. If they are legal, they are about `topic`.
    fn add(&mut self, topic: Topic, name: impl Into<String>, frames: Vec<Frame>) {
        self.add_with_tail(topic, name, frames, &[]);
    }

    fn add_with_tail(&mut self, topic: Topic, name: impl Into<String>, mut frames: Vec<Frame>, tail: &[u8]) {
        for (number, frame) in frames.iter_mut().enumerate() {
            frame.key = key(number);
        }
        self.put(
            topic,
            name,
            Parts {
                heads: Vec::new(),
                frames,
                tail: tail.to_vec(),
            },
        );
    }

    /// Adds the head of a handshake, and one message behind it if it is legal.
    fn add_head(&mut self, name: impl Into<String>, heads: Vec<Head>) {
        let frames = vec![Frame::text("behind the head"), Frame::ping("and a Ping")];
        let parts = Parts {
            heads,
            frames,
            tail: Vec::new(),
        };
        let name = name.into();
        let session = Session::of(self.role, Topic::Handshake, name.clone(), parts, BOUNDS, None);
        if session.after.is_none() {
            self.push(session);
        } else {
            let parts = Parts {
                frames: Vec::new(),
                ..session.parts
            };
            self.put(Topic::Handshake, name, parts);
        }
    }

    fn put(&mut self, topic: Topic, name: impl Into<String>, parts: Parts) {
        self.push(Session::of(self.role, topic, name, parts, BOUNDS, None));
    }

    fn push(&mut self, mut session: Session) {
        session.core = self.core;
        session.is_uncommon = self.uncommon;
        self.sessions.push(Arc::new(session));
    }
}

/// Ends the message that these frames leave open, if they leave one open, and adds a message and a Ping, which show
/// whether anything was lost.
fn complete(frames: &mut Vec<Frame>, rest: &[u8]) {
    let mut open = false;
    for frame in frames.iter() {
        if frame.opcode <= 0x2 {
            open = !frame.fin;
        }
    }
    if open {
        frames.push(Frame::last(rest));
    }
    frames.push(Frame::text("after it"));
    frames.push(Frame::ping("still there?"));
}
