//! Makes the session of a finding smaller, as long as it still shows as much.

use super::verdict::{Judgement, Verdict};
use crate::generate::Split;
use crate::session::{Case, Parts, Session, Topic};

/// A session that was made smaller.
#[derive(Clone, Debug)]
pub(crate) struct Small {
    pub(crate) session: Session,
    pub(crate) cuts: Vec<usize>,
    pub(crate) judgement: Judgement,
    /// What came back, as far as that is kept.
    pub(crate) received: Vec<u8>,
    /// How many sessions were run.
    pub(crate) runs: u32,
}

/// Runs a session with these cuts: what it comes to, and what came back. `None`: no more are to be run.
pub(crate) type Try<'a> = dyn FnMut(&Session, &[usize]) -> Option<(Judgement, Vec<u8>)> + 'a;

/// How sessions are tried.
pub(crate) struct Way<'a> {
    /// Runs one.
    pub(crate) run: &'a mut Try<'a>,
    /// What is run in place of a session, so that it has an end to wait for.
    pub(crate) fit: fn(Session) -> Session,
    /// How many may be run.
    pub(crate) most: u32,
}

struct Shrinker<'a> {
    way: Way<'a>,
    is_over: bool,
    least: Verdict,
    section: &'static str,
    small: Small,
}

/// The smallest session that shows at least as much, resting on the same section.
pub(crate) fn shrink(session: &Session, cuts: &[usize], judgement: &Judgement, way: Way<'_>) -> Small {
    let mut shrinker = Shrinker {
        way,
        is_over: false,
        least: judgement.verdict,
        section: judgement.section,
        small: Small {
            session: session.clone(),
            cuts: cuts.to_vec(),
            judgement: judgement.clone(),
            received: Vec::new(),
            runs: 0,
        },
    };
    shrinker.cuts();
    shrinker.frames();
    shrinker.payloads();
    shrinker.heads();
    shrinker.keys();
    shrinker.cuts();
    shrinker.small
}

impl Shrinker<'_> {
    fn exhausted(&self) -> bool {
        self.is_over || self.small.runs >= self.way.most
    }

    /// Takes this session and these cuts, if they show as much.
    fn try_one(&mut self, session: &Session, cuts: &[usize]) -> bool {
        if self.exhausted() {
            return false;
        }
        let Some((judgement, received)) = (self.way.run)(session, cuts) else {
            self.is_over = true;
            return false;
        };
        self.small.runs += 1;
        if judgement.verdict < self.least || judgement.section != self.section {
            return false;
        }
        self.small.session = session.clone();
        self.small.cuts = cuts.to_vec();
        self.small.judgement = judgement;
        self.small.received = received;
        true
    }

    /// Takes these parts, if they are about the same and show as much, under some cuts.
    fn try_parts(&mut self, parts: Parts) -> bool {
        if self.exhausted() {
            return false;
        }
        let now = &self.small.session;
        let topic = match now.case {
            Case::Legal(topic) => topic,
            Case::Broken(_) => Topic::Mixed,
        };
        let compression = now.compression.clone();
        let mut session = Session::of(now.role, topic, now.name.clone(), parts, now.bounds, compression);
        session.core = now.core;
        session.is_uncommon = now.is_uncommon;
        if session.case != now.case || session.bytes.is_empty() || session.head_len > 0 && now.head_len == 0 {
            return false;
        }
        let session = (self.way.fit)(session);
        if session.bytes == now.bytes {
            return false;
        }
        if self.small.cuts.is_empty() {
            return self.try_one(&session, &[]);
        }
        let reading = session.reading();
        [Split::Whole, Split::EachByte, Split::Headers].iter().any(|split| {
            let cuts = split.cuts_of(&reading, &session.bytes, session.head_len);
            (session.bytes.len() <= 4096 || *split == Split::Whole) && self.try_one(&session, &cuts)
        })
    }

    /// Takes out cuts that are not needed.
    fn cuts(&mut self) {
        let session = self.small.session.clone();
        if self.small.cuts.is_empty() || self.try_one(&session, &[]) {
            return;
        }
        for cut in self.small.cuts.clone().into_iter().take(200) {
            if self.try_one(&session, &[cut]) {
                return;
            }
        }
        let mut at = 0;
        while at < self.small.cuts.len().min(64) && !self.exhausted() {
            let mut fewer = self.small.cuts.clone();
            fewer.remove(at);
            if !self.try_one(&session, &fewer) {
                at += 1;
            }
        }
    }

    /// Takes out frames: many at once, then fewer, then one by one.
    fn frames(&mut self) {
        if !self.small.session.parts.tail.is_empty() {
            let mut parts = self.small.session.parts.clone();
            parts.tail.clear();
            self.try_parts(parts);
        }
        let mut size = self.small.session.parts.frames.len().div_ceil(2);
        while size > 0 && !self.exhausted() {
            let mut at = 0;
            while at < self.small.session.parts.frames.len() && !self.exhausted() {
                let mut parts = self.small.session.parts.clone();
                let end = (at + size).min(parts.frames.len());
                parts.frames.drain(at..end);
                if !self.try_parts(parts) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Shortens payloads.
    fn payloads(&mut self) {
        for at in 0..self.small.session.parts.frames.len().min(40) {
            let mut less = usize::MAX;
            while less > 0 && !self.exhausted() {
                let mut parts = self.small.session.parts.clone();
                let Some(frame) = parts.frames.get_mut(at) else { break };
                let len = frame.payload.len();
                less = less.min(len);
                frame.payload.truncate(len - less);
                if less == 0 {
                    break;
                }
                if !self.try_parts(parts) {
                    less /= 2;
                }
            }
        }
    }

    /// Takes out fields of heads, and heads.
    fn heads(&mut self) {
        for head in 0..self.small.session.parts.heads.len() {
            let mut at = 0;
            loop {
                let mut parts = self.small.session.parts.clone();
                let Some(fields) = parts.heads.get_mut(head).map(|head| &mut head.fields) else {
                    break;
                };
                if at >= fields.len() || self.exhausted() {
                    break;
                }
                fields.remove(at);
                if !self.try_parts(parts) {
                    at += 1;
                }
            }
        }
    }

    /// Keys of zeros, which leave the payload readable.
    fn keys(&mut self) {
        let mut parts = self.small.session.parts.clone();
        for frame in &mut parts.frames {
            frame.key = [0; 4];
        }
        if parts != self.small.session.parts {
            self.try_parts(parts);
        }
    }
}
