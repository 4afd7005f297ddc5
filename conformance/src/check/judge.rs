//! What came out of one session, judged: its frames. Handshakes are in `openings`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::broken::{breaks_a_close, broken_at, broken_close_code};
use super::keys::{self, Sign};
use super::limits::{Claim, Sizes};
use super::openings;
use super::verdict::{Judgement, Verdict};
use super::wire::{AsksWithoutEnd, Implementation, Wire};
use super::words::{code_shown, listed, shown, with_code};
use crate::compression::direction;
use crate::model::{self, Bounds, Event, Reading};
use crate::rule::{Role, Rule};
use crate::session::{Case, Session};

/// What is sent has no limits.
pub(super) const SENT: Bounds = Bounds {
    frame_len: u64::MAX,
    message_len: u64::MAX,
    fragments: u64::MAX,
};

/// Runs one session, cut at these places, and judges what comes out.
///
/// A refusal of what is legal is judged as if it were a limit of the implementation, which is allowed: only the
/// [`Checker`](crate::Checker) sees enough sessions to tell.
pub fn judge(implementation: &mut dyn Implementation, session: &Session, cuts: &[usize]) -> Judgement {
    let reading = session.reading();
    let wire = run(implementation, Arc::new(session.clone()), Arc::from(cuts));
    outcome(wire, &reading, How::InMemory).judgement
}

/// How the implementation was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It says what it delivers, and sends nothing but what the protocol makes it send.
    InMemory,
    /// It echoes each message over the wire: what it sends is what it has delivered.
    Echo,
}

/// What one session came to.
pub(crate) struct Outcome {
    pub(crate) judgement: Judgement,
    /// What it refused, if that may be a limit.
    pub(crate) claim: Option<Claim>,
    /// What it took.
    pub(crate) taken: Sizes,
    pub(crate) signs: Vec<Sign>,
    /// The mask keys of the frames that were sent.
    pub(crate) keys: Vec<[u8; 4]>,
}

/// Runs one session. An error says how it ended otherwise than by returning.
pub(crate) fn run(
    implementation: &mut dyn Implementation,
    session: Arc<Session>,
    cuts: Arc<[usize]>,
) -> Result<Wire, String> {
    let mut wire = Wire::new(session, cuts);
    match catch_unwind(AssertUnwindSafe(|| implementation.run(&mut wire))) {
        Ok(()) => Ok(wire),
        Err(panic) => Err(if panic.is::<AsksWithoutEnd>() {
            String::from("asks for more bytes without end, after the last of them")
        } else if let Some(text) = panic.downcast_ref::<&str>() {
            format!("panics: {text}")
        } else if let Some(text) = panic.downcast_ref::<String>() {
            format!("panics: {text}")
        } else {
            String::from("panics")
        }),
    }
}

/// Judges a run.
pub(crate) fn outcome(run: Result<Wire, String>, reading: &Reading, how: How) -> Outcome {
    let mut judge = Judge::default();
    let mut outcome = Outcome {
        judgement: Judgement::new(Verdict::Pass, "", ""),
        claim: None,
        taken: Sizes::default(),
        signs: Vec::new(),
        keys: Vec::new(),
    };
    let mut excused = false;
    match run {
        Err(why) => judge.fail("", why),
        Ok(wire) if wire.skipped.is_some() && !openings::agrees_wrongly(&wire) => {
            outcome.judgement = Judgement::new(Verdict::Skipped, "", wire.skipped.unwrap_or_default());
        }
        Ok(wire) => {
            judge.wire(&wire, reading, how);
            excused = openings::is_excused(&wire, how);
            outcome.claim = judge.claim.filter(|_| !excused);
            outcome.taken = judge.taken;
            outcome.signs = keys::signs(&judge.keys);
            outcome.keys = std::mem::take(&mut judge.keys);
        }
    }
    // The first of the worst.
    for mut found in judge.found {
        if excused && found.verdict > Verdict::Custom {
            found.verdict = Verdict::Custom;
        }
        if found.verdict > outcome.judgement.verdict {
            outcome.judgement = found;
        }
    }
    outcome
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Judge {
    found: Vec<Judgement>,
    pub(super) claim: Option<Claim>,
    taken: Sizes,
    /// How many messages were delivered as they were sent.
    delivered: usize,
    /// Whether one that was sent was not.
    is_missing: bool,
    is_client: bool,
    keys: Vec<[u8; 4]>,
}

/// The Close that the implementation has sent: its code, and how many bytes it had been given by then.
pub(super) type Closed = Option<(Option<u16>, usize)>;

impl Judge {
    pub(super) fn fail(&mut self, section: &'static str, why: impl Into<String>) {
        self.found.push(Judgement::new(Verdict::Fail, section, why));
    }

    pub(super) fn should(&mut self, section: &'static str, why: impl Into<String>) {
        self.found.push(Judgement::new(Verdict::Should, section, why));
    }

    pub(super) fn custom(&mut self, section: &'static str, why: impl Into<String>) {
        self.found.push(Judgement::new(Verdict::Custom, section, why));
    }

    pub(super) fn failed_so_far(&self) -> bool {
        self.found.iter().any(|found| found.verdict == Verdict::Fail)
    }

    fn wire(&mut self, wire: &Wire, reading: &Reading, how: How) {
        self.is_client = wire.session.role == Role::Client;
        if wire.kind_changed {
            self.fail("5.4", "delivers pieces of one message as text and as binary");
        }
        let mut frames_at = 0;
        if wire.has_handshake() {
            match openings::head(self, wire) {
                Some(head_len) => frames_at = head_len,
                None => return,
            }
        }
        self.frames(wire, frames_at, reading, how);
    }

    fn frames(&mut self, wire: &Wire, frames_at: usize, reading: &Reading, how: How) {
        let session = &wire.session;
        let sent = wire.sent.get(frames_at..).unwrap_or_default();
        let sent_reading = match session.agreed(&wire.sent) {
            Some(agreed) => {
                let deflate = direction(session.role, &agreed);
                model::receive_compressed(session.role.peer(), sent, &SENT, deflate)
            }
            None => model::receive(session.role.peer(), sent, &SENT),
        };
        self.keys
            .extend(sent_reading.frames.iter().filter_map(|frame| frame.key));
        let closed = self.sent(wire, frames_at, sent.len(), &sent_reading, how);
        if self.failed_so_far() {
            return;
        }
        let noticed = wire.failed.is_some() || closed.is_some();
        let frames = session.bytes.get(session.head_len..).unwrap_or_default();
        let leniently = || model::receive_leniently(session.role, frames, &session.bounds, session.deflate());
        match session.case {
            Case::Broken(Rule::DistanceTooFar) if !noticed => {
                self.custom(
                    "7692/7.2.1",
                    "takes a distance beyond the agreed window, which the RFC does not forbid a receiver",
                );
                return self.rest(wire, &leniently(), &sent_reading, closed, how);
            }
            Case::Broken(Rule::CompressedDataEnd) if !noticed => {
                return self.custom(
                    "7692/7.2.2",
                    "takes a message whose compressed data do not end where it does",
                );
            }
            Case::Broken(_) | Case::Legal(_) => {}
        }
        if matches!(
            session.case,
            Case::Broken(Rule::LengthNotMinimal | Rule::ControlTooLong)
        ) {
            let any_form = leniently();
            // A control frame may be short enough, and its length in a form that is too long.
            let short = broken_at(&any_form) > broken_at(reading) + 8;
            let closes_for_it = closed.is_some_and(|(code, _)| code == Some(1002)) || wire.failed.is_some();
            if short && (!noticed || !closes_for_it) {
                self.custom(
                    "5.2",
                    "takes a length that is not in its shortest form, which the RFC does not forbid a receiver",
                );
                return self.rest(wire, &any_form, &sent_reading, closed, how);
            }
        }
        self.rest(wire, reading, &sent_reading, closed, how);
    }

    fn rest(&mut self, wire: &Wire, reading: &Reading, sent: &Reading, closed: Closed, how: How) {
        let rule = match &reading.verdict {
            model::Verdict::Broken { rules, .. } => rules.first().copied(),
            model::Verdict::Complete | model::Verdict::Unfinished | model::Verdict::Closed { .. } => None,
        };
        self.data(wire, reading, sent, rule, (closed, how));
        if wire.echoes() && how == How::InMemory {
            self.echoes(reading, sent);
        }
        self.close_told(wire, reading, rule, closed.map(|closed| closed.0));
        match rule {
            None => self.legal_end(wire, reading, closed),
            Some(rule) => self.broken_end(wire, rule, reading, closed, how),
        }
        self.pongs(wire, reading, sent, rule, (closed, how));
    }

    /// What was sent, by itself.
    fn sent(&mut self, wire: &Wire, frames_at: usize, len: usize, sent: &Reading, how: How) -> Closed {
        for event in &sent.events {
            match (event, how) {
                (Event::Data { .. }, How::InMemory) if wire.echoes() => {}
                (Event::Data { .. }, How::InMemory) => self.fail("6.1", "sends a message that nobody asked for"),
                (Event::Ping(_), How::InMemory) => self.custom("5.5.2", "sends a Ping that nobody asked for"),
                (Event::Data { .. } | Event::Ping(_), How::Echo) | (Event::Pong(_) | Event::Close(..), _) => {}
            }
        }
        match &sent.verdict {
            model::Verdict::Broken { rules, .. } => {
                for rule in rules {
                    self.fail(rule.section(), format!("sends {rule}"));
                }
            }
            model::Verdict::Unfinished => self.fail("5.4", "sends half a frame or half a message"),
            model::Verdict::Complete => {}
            model::Verdict::Closed { after } if *after < len => {
                let rest = wire.sent.get(frames_at + after..).unwrap_or_default();
                let what = match rest.first().map(|first| first & 0x0f) {
                    Some(0x8) => "a second Close",
                    Some(0x9) => "a Ping",
                    Some(0xa) => "a Pong",
                    Some(_) | None => "something",
                };
                self.fail("5.5.1", format!("sends {what} after its Close"));
            }
            model::Verdict::Closed { .. } => {}
        }
        let model::Verdict::Closed { after } = sent.verdict else {
            return None;
        };
        let place = frames_at + after;
        let given = wire.sent_at.iter().find(|sent| sent.0 >= place).map(|sent| sent.1);
        let (code, _) = sent.close()?;
        Some((code, given.unwrap_or(wire.given)))
    }

    /// What was delivered; all of it, if no rule is broken.
    fn data(
        &mut self,
        wire: &Wire,
        reading: &Reading,
        sent: &Reading,
        rule: Option<Rule>,
        (closed, how): (Closed, How),
    ) {
        let expected = reading.messages();
        let echoed;
        let (seen, part) = match how {
            How::InMemory => (&wire.messages, wire.part.as_ref()),
            How::Echo => {
                echoed = sent.messages();
                (&echoed, None)
            }
        };
        let section = if rule.is_some() { "7.1.7" } else { "5.6" };
        let same = seen
            .iter()
            .zip(&expected)
            .take_while(|(seen, expected)| seen == expected)
            .count();
        self.take(reading, same);
        self.delivered = same;
        if let (Some(seen), Some(expected)) = (seen.get(same), expected.get(same)) {
            self.fail("5.6", format!("delivers {}, not {}", shown(seen), shown(expected)));
            return;
        }
        if let Some(more) = seen.get(expected.len()) {
            let when = match rule {
                None => "a message that was not sent, or after a Close",
                Some(_) => "a message behind the broken rule, or one that breaks it",
            };
            self.fail(section, format!("delivers {when}: {}", shown(more)));
            return;
        }
        let missing = expected.get(seen.len());
        if let Some((text, part)) = part {
            let under_way = match missing {
                Some(_) => None,
                None => under_way(reading),
            };
            let fits = match (missing, &under_way) {
                (Some((is_text, payload)), _) => is_text == text && payload.starts_with(part),
                (None, Some((is_text, payload))) => is_text == text && payload.starts_with(part),
                (None, None) => false,
            };
            if !fits {
                self.fail(section, "delivers a piece of a message that was not sent");
                return;
            }
        }
        if let Some(missing) = missing {
            if rule.is_some() {
                if how == How::InMemory {
                    self.custom("7.1.7", "does not deliver a message that came before the broken rule");
                }
                return;
            }
            self.is_missing = true;
            if wire.failed.is_none() && !self.refuses_by_close(reading, closed) {
                self.fail("5.6", format!("does not deliver {}", shown(missing)));
            }
        }
    }

    /// What was sent back in memory, where to do so is optional.
    fn echoes(&mut self, reading: &Reading, sent: &Reading) {
        let expected = reading.messages();
        let seen = sent.messages();
        let differs = seen.iter().zip(&expected).find(|(seen, expected)| seen != expected);
        if let Some((seen, expected)) = differs {
            self.fail(
                "7692/7.2.1",
                format!("sends back {}, not {}", shown(seen), shown(expected)),
            );
        } else if let Some(more) = seen.get(expected.len()) {
            self.fail("6.1", format!("sends back more than was sent: {}", shown(more)));
        }
    }

    /// Whether the Close that was sent is no answer to one, but a refusal.
    fn refuses_by_close(&self, reading: &Reading, closed: Closed) -> bool {
        match (reading.close(), closed) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some((peer, _)), Some((code, _))) => {
                self.is_missing && code != peer && matches!(code, Some(1002 | 1003 | 1007..=1011))
            }
        }
    }

    /// Notes the sizes of the messages that were delivered as they were sent.
    fn take(&mut self, reading: &Reading, messages: usize) {
        let mut ended = 0;
        for frame in reading.frames.iter().filter(|frame| frame.opcode <= 0x2) {
            if ended == messages {
                break;
            }
            self.taken.include(frame);
            ended += usize::from(frame.fin);
        }
        let all = reading
            .frames
            .iter()
            .filter(|frame| frame.opcode <= 0x2 && frame.fin)
            .count();
        if messages == all {
            let pings = reading.frames.iter().filter(|frame| frame.opcode == 0x9).count();
            self.taken.pings = self.taken.pings.max(pings as u64);
        }
    }

    /// Whether the Close that was delivered, if one was, was sent. `own` is the code of the Close that it sent itself.
    fn close_told(&mut self, wire: &Wire, reading: &Reading, rule: Option<Rule>, own: Option<Option<u16>>) {
        let Some((seen_code, seen_reason)) = &wire.close else {
            return;
        };
        match (reading.close(), rule) {
            // Registered after the RFC was written: an endpoint need not know them, and takes them for a failure.
            (Some((Some(1012..=1014), _)), _) if *seen_code == Some(1002) => {}
            (Some((code, reason)), _) => {
                if code != *seen_code {
                    let why = format!(
                        "reports the close code {}, not {}",
                        code_shown(*seen_code),
                        code_shown(code)
                    );
                    self.fail("7.1.5", why);
                } else if reason.as_bytes() != seen_reason {
                    self.fail("7.1.6", "reports another close reason than was sent");
                }
            }
            // What it says of its own failure.
            (None, Some(_)) if own == Some(*seen_code) && wire.failed.is_some() => {}
            (None, Some(_)) if matches!(seen_code, Some(1002..=1011 | 1015)) && wire.failed.is_some() => {}
            (None, Some(rule)) if breaks_a_close(&wire.session, rule) => {
                self.should("7.1.5", "reports a Close that breaks a rule as if it were one");
            }
            (None, Some(_)) if own == Some(*seen_code) || matches!(seen_code, Some(1002..=1011 | 1015)) => {}
            (None, _) => self.fail("7.1.5", "reports a Close that was not sent"),
        }
    }

    /// How a legal session ended.
    fn legal_end(&mut self, wire: &Wire, reading: &Reading, closed: Closed) {
        let peer = reading.close().map(|close| close.0);
        let refused = match (&wire.failed, closed) {
            (Some((given, error)), _) => Some((*given, error.as_str())),
            (None, Some((_, given))) if self.refuses_by_close(reading, closed) => {
                Some((given, "closes though nothing is wrong"))
            }
            (None, _) => None,
        };
        if let Some((given, error)) = refused {
            let answered =
                closed.is_some_and(|(code, _)| Some(code) == peer || code == Some(1000) && peer == Some(None));
            if let model::Verdict::Closed { after } = reading.verdict
                && given >= wire.session.head_len + after
                && answered
            {
                return self.should("1.4", format!("does not ignore what comes after a Close: {error}"));
            }
            let code = closed.and_then(|closed| closed.0);
            return self.refusal(reading, wire.session.head_len, given, code, error);
        }
        match (peer, closed) {
            (Some(_), None) => self.fail("5.5.1", "does not answer a Close"),
            (Some(code), Some((answer, _))) if answer != code => {
                let tolerated = matches!(code, Some(1012..=1014)) && answer == Some(1002);
                if !tolerated {
                    let why = format!("answers a Close {} with {}", code_shown(code), code_shown(answer));
                    self.custom("5.5.1", why);
                }
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
    }

    /// Something legal was refused. It may be a limit, if a message is under way, and the code is one for limits.
    fn refusal(&mut self, reading: &Reading, head_len: usize, given: usize, code: Option<u16>, error: &str) {
        let peer = reading.close().and_then(|close| close.0);
        // Registered after the RFC was written: an endpoint need not know them.
        if matches!(peer, Some(1012..=1014)) && matches!(code, None | Some(1002)) {
            return;
        }
        // Nothing came of the connection at all: it is the response that was not taken.
        if head_len > 0 && code.is_none() && self.delivered == 0 && self.keys.is_empty() && self.is_client {
            return self.fail("4.1", format!("refuses a legal response: {error}"));
        }
        if matches!(code, None | Some(1008 | 1009))
            && let Some(sizes) = under_way_sizes(reading, self.delivered, given.saturating_sub(head_len))
        {
            self.claim = Some(Claim {
                sizes,
                why: format!("refuses what is legal: {error}"),
            });
            return;
        }
        self.fail("6.2", format!("refuses what is legal, {}: {error}", with_code(code)));
    }

    /// How a session ended in which a rule about frames is broken.
    fn broken_end(&mut self, wire: &Wire, rule: Rule, reading: &Reading, closed: Closed, how: How) {
        let failed = wire.failed.as_ref().map(|failed| failed.0);
        let noticed = failed.into_iter().chain(closed.map(|closed| closed.1)).min();
        let session = &wire.session;
        let model::Verdict::Broken { after, .. } = reading.verdict else {
            return;
        };
        let after = session.head_len + after;
        // Whoever inflates while the data arrive knows earlier.
        let inflates = matches!(
            rule,
            Rule::CompressedData | Rule::CompressedDataEnd | Rule::DistanceTooFar | Rule::InflatedNotUtf8
        );
        let Some(noticed) = noticed else {
            if rule == Rule::TooBig {
                // As good as any: the RFC has no limit but 2^63.
                return self.custom("10.4", "waits for a message of two gigabytes or more");
            }
            return self.fail(rule.section(), format!("does not notice {rule}"));
        };
        let code = closed.map(|closed| closed.0);
        if noticed < after && rule != Rule::TooBig && !inflates && how == How::InMemory {
            let error = wire.failed.as_ref().map_or("closes", |failed| failed.1.as_str());
            return self.refusal(reading, session.head_len, noticed, code.flatten(), error);
        }
        self.broken_code(wire, rule, reading, code);
        // How early a limit can be seen depends on the limit.
        if noticed > wire.chunk_end(after) && rule != Rule::TooBig && how == How::InMemory {
            self.custom(
                rule.section(),
                format!("notices after {noticed} bytes, not after {after}"),
            );
        }
    }

    /// With which code it closed, if it did.
    fn broken_code(&mut self, wire: &Wire, rule: Rule, reading: &Reading, code: Option<Option<u16>>) {
        let Some(code) = code else {
            // Section 5.1: it MAY send a Close.
            if !matches!(rule, Rule::UnmaskedFrame | Rule::MaskedFrame) {
                self.should("7.1.7", "fails without a Close");
            }
            return;
        };
        let mut expected = reading.close_codes();
        expected.dedup();
        // RFC 7692 does not say with which code to fail.
        let is_free = matches!(
            rule,
            Rule::CompressedData | Rule::CompressedDataEnd | Rule::DistanceTooFar
        );
        if rule == Rule::CloseReasonNotUtf8 || is_free {
            expected.push(1002);
        }
        if code.is_some_and(|code| expected.contains(&code)) {
            return;
        }
        if wire.failed.is_none() && breaks_a_close(&wire.session, rule) && code == broken_close_code(wire, rule) {
            return self.fail(rule.section(), format!("takes a Close with {rule} for one without"));
        }
        // A limit may come first.
        if matches!(code, Some(1008 | 1009))
            && let Some(sizes) = under_way_sizes(reading, self.delivered, usize::MAX)
        {
            self.claim = Some(Claim {
                sizes,
                why: format!("closes {} instead of {}", code_shown(code), listed(&expected)),
            });
            return;
        }
        let why = format!(
            "fails with the close code {} instead of {}",
            code_shown(code),
            listed(&expected)
        );
        if is_free {
            self.custom("7.1.7", why);
        } else {
            self.should("7.1.7", why);
        }
    }
}

/// The message that has begun and not ended.
fn under_way(reading: &Reading) -> Option<(bool, Vec<u8>)> {
    let mut message = None;
    for event in &reading.events {
        if let Event::Data {
            text,
            payload,
            message_end,
            ..
        } = event
        {
            let (_, all) = message.get_or_insert((*text, Vec::new()));
            all.extend_from_slice(payload);
            if *message_end {
                message = None;
            }
        }
    }
    message
}

/// The sizes of the first message that was not taken, as far as its headers have been given, and the number of control
/// frames by then.
fn under_way_sizes(reading: &Reading, taken: usize, given: usize) -> Option<Sizes> {
    let mut ended = 0;
    let mut sizes = Sizes::default();
    let mut any = false;
    for frame in reading.frames.iter().filter(|frame| frame.start < given) {
        if frame.opcode > 0x2 {
            sizes.pings += u64::from(frame.opcode == 0x9);
            continue;
        }
        if ended == taken {
            sizes.include(frame);
            any = true;
        }
        ended += usize::from(frame.fin);
    }
    (any || sizes.pings > 0).then_some(sizes)
}
