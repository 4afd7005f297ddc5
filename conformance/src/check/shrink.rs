//! Makes the session of a finding smaller, as long as it still shows as much.

use std::sync::Arc;

use super::judge::{How, outcome};
use super::report::Finding;
use super::verdict::Judgement;
use super::{Example, Runs};
use crate::generate::Split;
use crate::session::{Case, Parts, Session, Topic};

/// How many runs it may take.
const RUNS: u32 = 600;

pub(super) struct Small {
    pub(super) session: Session,
    pub(super) cuts: Vec<usize>,
    pub(super) judgement: Judgement,
    pub(super) runs: u32,
}

struct Shrinker<'a> {
    runs: &'a mut dyn Runs,
    id: &'a str,
    least: super::Verdict,
    section: &'static str,
    small: Small,
}

/// The smallest session that shows at least as much, resting on the same section.
pub(super) fn shrink(example: &Example, finding: &Finding, runs: &mut dyn Runs) -> Small {
    let small = Small {
        session: (*example.session).clone(),
        cuts: example.cuts.to_vec(),
        judgement: Judgement::new(finding.verdict, finding.section, finding.why.clone()),
        runs: 0,
    };
    if finding.why.starts_with("hangs") {
        return small;
    }
    let mut shrinker = Shrinker {
        runs,
        id: &example.id,
        least: finding.verdict,
        section: finding.section,
        small,
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
        self.small.runs >= RUNS
    }

    /// Takes this session and these cuts, if they show as much.
    fn try_one(&mut self, session: &Session, cuts: &[usize]) -> bool {
        if self.exhausted() {
            return false;
        }
        self.small.runs += 1;
        let reading = session.reading();
        let run = self.runs.run(self.id, &Arc::new(session.clone()), &Arc::from(cuts));
        let found = outcome(run, &reading, How::InMemory);
        if found.judgement.verdict < self.least || found.judgement.section != self.section {
            return false;
        }
        self.small.session = session.clone();
        self.small.cuts = cuts.to_vec();
        self.small.judgement = found.judgement;
        true
    }

    /// Takes these parts, if they are about the same and show as much, under some cuts.
    fn try_parts(&mut self, parts: Parts) -> bool {
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
