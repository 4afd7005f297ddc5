//! What came out of one session, judged: its Pongs.

use super::judge::{Closed, How, Judge};
use super::wire::Wire;
use super::words::bytes;
use crate::model::{self, Event, Reading};
use crate::rule::Rule;

impl Judge {
    /// What was answered to Pings (sections 5.5.2 and 5.5.3).
    pub(super) fn pongs(
        &mut self,
        wire: &Wire,
        reading: &Reading,
        sent: &Reading,
        rule: Option<Rule>,
        (closed, how): (Closed, How),
    ) {
        let peer = reading.close().map(|close| close.0);
        let closed_first = closed.is_some_and(|(code, _)| peer != Some(code));
        let follow = wire.session.parts.frames.iter().filter(|frame| frame.opcode == 0x9);
        let follow: Vec<_> = follow.map(|frame| &frame.payload).collect();
        let mut pings = Vec::new();
        let mut received = Vec::new();
        for event in &reading.events {
            match event {
                Event::Ping(payload) => pings.push(payload),
                Event::Pong(payload) => received.push(payload),
                Event::Data { .. } | Event::Close(..) => {}
            }
        }
        let mut pongs = Vec::new();
        for event in &sent.events {
            match event {
                Event::Pong(payload) => pongs.push(payload),
                Event::Data { .. } | Event::Ping(_) | Event::Close(..) => {}
            }
        }
        if pings == pongs {
            return;
        }
        // From the end, where a Pong may stand for the Pings before its own; some Pongs without a Ping.
        let mut unanswered: Vec<&Vec<u8>> = Vec::new();
        let mut unasked = Vec::new();
        let mut before = pings.as_slice();
        for pong in pongs.iter().rev() {
            match before.iter().rposition(|ping| ping == pong) {
                Some(at) => {
                    unanswered.extend(before.iter().skip(at + 1));
                    before = before.get(..at).unwrap_or_default();
                }
                None => unasked.push(*pong),
            }
        }
        unanswered.extend(before);
        let all_answered = unanswered.is_empty();
        let last_is_answered = pings.last().is_none_or(|last| pongs.contains(last));
        // Behind a message that was refused there are no Pings.
        if let Some(ping) = unanswered.first().filter(|_| self.claim.is_none()) {
            // Over the wire there was time for the Pong before anything else was sent. Who has sent a Close need not
            // answer a Ping any more.
            let open = match reading.verdict {
                model::Verdict::Complete | model::Verdict::Unfinished => true,
                model::Verdict::Closed { .. } | model::Verdict::Broken { .. } => how == How::Echo && !closed_first,
            };
            if open && !last_is_answered {
                let why = match unasked.first() {
                    Some(pong) => format!("answers a Ping with {} by a Pong with {}", bytes(ping), bytes(pong)),
                    None => String::from("does not answer the last Ping"),
                };
                return self.fail(if unasked.is_empty() { "5.5.2" } else { "5.5.3" }, why);
            }
            if open || !unasked.is_empty() {
                self.custom("5.5.3", "does not answer each Ping, but the last one");
            } else if rule.is_none() && how == How::InMemory {
                self.custom("5.5.2", "does not answer a Ping that came before the Close");
            }
        }
        for pong in unasked {
            if pings.contains(&pong) {
                self.custom("5.5.3", "answers a Ping more than once");
            } else if received.contains(&pong) {
                self.should("5.5.3", "answers a Pong with a Pong");
            } else if rule == Some(Rule::TextNotUtf8) && follow.contains(&pong) {
                // Whoever looks at text when the message is whole has answered Pings inside it by then.
                if how == How::InMemory {
                    self.custom("8.1", "answers a Ping behind bytes that are not UTF-8");
                }
            } else if how == How::Echo || all_answered && (rule.is_none() || !follow.contains(&pong)) {
                // "A Pong frame MAY be sent unsolicited."
                self.custom("5.5.3", "sends a Pong that nobody asked for");
            } else {
                let why = if rule.is_some() {
                    ", or one behind the broken rule"
                } else {
                    ""
                };
                self.fail(
                    "5.5.3",
                    format!("sends a Pong with {} that answers no Ping{why}", bytes(pong)),
                );
            }
        }
    }
}
