//! The checker: runs an implementation against sessions with a known verdict, and says what it got wrong.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::generate::{self, Case, Session, Split};
use super::model::{self, Event, Opening};
use super::rule::{Answer, Role, Rule};

/// An implementation to check: one connection for each call.
///
/// It is implemented for closures.
pub trait Implementation {
    /// Makes a fresh endpoint in the role [`wire.role()`](Wire::role), with an opening handshake in front if
    /// [`wire.has_handshake()`](Wire::has_handshake); gives it the chunks that [`wire.next()`](Wire::next) returns, one
    /// after the other, until there are no more or it gives up; and tells the wire what comes out.
    fn run(&mut self, wire: &mut Wire);
}

impl<F: FnMut(&mut Wire)> Implementation for F {
    fn run(&mut self, wire: &mut Wire) {
        self(wire);
    }
}

/// What stands in for the peer: bytes come out of it, observations go in.
pub struct Wire {
    session: Session,
    bytes: Vec<u8>,
    cuts: Vec<usize>,
    /// How many bytes were handed out.
    given: usize,
    /// Whether an endpoint in the client's role still has to send its request.
    awaits_request: bool,
    skipped: bool,
    messages: Vec<(bool, Vec<u8>)>,
    part: Option<(bool, Vec<u8>)>,
    /// Whether a piece was of another kind than the message's first.
    kind_changed: bool,
    close: Option<(Option<u16>, String)>,
    failed: Option<(usize, String)>,
    sent: Vec<u8>,
    /// How many bytes were handed out by the time that each of these was sent.
    sent_at: Vec<(usize, usize)>,
}

impl Wire {
    fn new(session: &Session, cuts: &[usize]) -> Self {
        Self {
            session: session.clone(),
            bytes: session.bytes.clone(),
            cuts: cuts.to_vec(),
            given: 0,
            awaits_request: session.role == Role::Client && session.head_len > 0,
            skipped: false,
            messages: Vec::new(),
            part: None,
            kind_changed: false,
            close: None,
            failed: None,
            sent: Vec::new(),
            sent_at: Vec::new(),
        }
    }

    /// Which end is to be made.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.session.role
    }

    /// Whether the connection starts with the opening handshake. Otherwise it is open, with no extension agreed.
    #[must_use]
    pub const fn has_handshake(&self) -> bool {
        self.session.head_len > 0
    }

    /// The implementation does not do this: nothing is judged.
    pub const fn skip(&mut self) {
        self.skipped = true;
    }

    /// The next bytes that arrive. After the last of them nothing comes any more, but the stream does not end. A client
    /// has to have [sent](Self::sent) its request before.
    #[allow(
        clippy::should_implement_trait,
        reason = "it can go on after it has returned None: nothing to iterate over"
    )]
    pub fn next(&mut self) -> Option<Vec<u8>> {
        if self.awaits_request {
            self.bytes = self.session.bytes_for(&key_of(&self.sent)?);
            self.awaits_request = false;
        }
        if self.given >= self.bytes.len() {
            return None;
        }
        let end = self.chunk_end(self.given + 1);
        let chunk = self.bytes.get(self.given..end).unwrap_or_default().to_vec();
        self.given = end;
        Some(chunk)
    }

    /// Where the chunk with this byte ends, counted from one.
    fn chunk_end(&self, byte: usize) -> usize {
        self.cuts
            .iter()
            .copied()
            .find(|cut| *cut >= byte)
            .unwrap_or(self.bytes.len())
    }

    /// A text message was delivered, or a piece of one: `fin` with the last.
    pub fn text(&mut self, text: &str, fin: bool) {
        self.piece(true, text.as_bytes(), fin);
    }

    /// A binary message was delivered, or a piece of one: `fin` with the last.
    pub fn binary(&mut self, data: &[u8], fin: bool) {
        self.piece(false, data, fin);
    }

    fn piece(&mut self, text: bool, data: &[u8], fin: bool) {
        let (kind, message) = self.part.get_or_insert((text, Vec::new()));
        message.extend_from_slice(data);
        self.kind_changed |= *kind != text;
        if fin {
            self.messages.extend(self.part.take());
        }
    }

    /// The Close that the peer has sent was delivered, with its code, if it has one, and its reason. To tell is optional.
    ///
    /// It is wrong to tell of a Close that was not sent. What an implementation tells its application of a failure that
    /// it has found itself is none, and belongs to [`failed`](Self::failed); where the peer breaks a rule it may be told
    /// here all the same, with the code that was sent, or with one that stands for a failure: 1002 to 1011, or 1015.
    pub fn close(&mut self, code: Option<u16>, reason: &str) {
        self.close.get_or_insert((code, reason.to_string()));
    }

    /// These bytes were sent. To be told before the next call of [`next`](Self::next), and at the end.
    pub fn sent(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.sent.extend_from_slice(bytes);
            self.sent_at.push((self.sent.len(), self.given));
        }
    }

    /// It gave up the connection with an error; a normal close is none.
    pub fn failed(&mut self, error: impl fmt::Display) {
        self.failed.get_or_insert((self.given, error.to_string()));
    }
}

/// The key in a whole request.
fn key_of(request: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(request);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let key = fields.rfind(|field| field.0.eq_ignore_ascii_case("sec-websocket-key"));
    Some(key.map_or_else(String::new, |field| field.1.trim().to_string()))
}

/// How an implementation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The implementation [skips](Wire::skip) it.
    Skipped,
    /// As the RFC demands, as early as it can, with the right code.
    Pass,
    /// The RFC allows it, but it could be stricter.
    NotStrict,
    /// The RFC forbids it.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "-",
            Self::Pass => "pass",
            Self::NotStrict => "lax",
            Self::Fail => "FAIL",
        })
    }
}

/// Runs one session, cut at these places, and judges what comes out. The text says why, unless it passes.
pub fn judge(implementation: &mut dyn Implementation, session: &Session, cuts: &[usize]) -> (Verdict, String) {
    let mut wire = Wire::new(session, cuts);
    let run = catch_unwind(AssertUnwindSafe(|| implementation.run(&mut wire)));
    if run.is_err() {
        return (Verdict::Fail, String::from("panics"));
    }
    if wire.skipped {
        return (Verdict::Skipped, String::new());
    }
    match verdict(&wire) {
        Ok(()) => (Verdict::Pass, String::new()),
        Err(why) => why,
    }
}

type Judged = Result<(), (Verdict, String)>;

fn fail(why: impl Into<String>) -> Judged {
    Err((Verdict::Fail, why.into()))
}

fn not_strict(why: impl Into<String>) -> Judged {
    Err((Verdict::NotStrict, why.into()))
}

/// Hard faults first: what is only not strict must not hide them.
fn worst(judged: impl IntoIterator<Item = Judged>) -> Judged {
    let mut worst = Ok(());
    for one in judged {
        match (&one, &worst) {
            (Err((Verdict::Fail, _)), _) => return one,
            (Err(_), Ok(())) => worst = one,
            _ => {}
        }
    }
    worst
}

fn verdict(wire: &Wire) -> Judged {
    let session = &wire.session;
    if wire.kind_changed {
        return fail("delivers pieces of one message as text and as binary");
    }
    let mut frames_at = 0;
    if wire.has_handshake() {
        let end = wire
            .sent
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map(|at| at + 4);
        let head = end.and_then(|end| wire.sent.get(..end)).unwrap_or_default();
        match (session.role, session.case) {
            (Role::Server, Case::Legal(_)) => legal_response(wire, head)?,
            (Role::Server, Case::Broken(rule)) => return refusal(wire, rule, end),
            (Role::Client, case) => {
                if !matches!(model::request(head), Opening::Accepted { .. }) {
                    return fail("its request is not legal");
                }
                if let Case::Broken(_) = case {
                    return given_up(wire, end.unwrap_or(0));
                }
            }
        }
        frames_at = end.unwrap_or(0);
    }
    let sent = wire.sent.get(frames_at..).unwrap_or_default();
    let sent_reading = model::receive(session.role.peer(), sent, &generate::BOUNDS);
    let reading = session.reading();
    let closed = match sent_reading.verdict {
        model::Verdict::Broken { ref rules, .. } => {
            return fail(format!("sends {}", rules.first().map_or("", |rule| rule.text())));
        }
        model::Verdict::Unfinished => return fail("sends half a frame or half a message"),
        model::Verdict::Closed { after } if after < sent.len() => return fail("sends something after its Close"),
        model::Verdict::Closed { after } => {
            let place = frames_at + after;
            let given = wire.sent_at.iter().find(|sent| sent.0 >= place).map(|sent| sent.1);
            sent_reading.events.iter().rev().find_map(|event| match event {
                Event::Close(code, _) => Some((*code, given.unwrap_or(wire.given))),
                Event::Data { .. } | Event::Ping(_) | Event::Pong(_) => None,
            })
        }
        model::Verdict::Complete => None,
    };
    if session.case == Case::Broken(Rule::LengthNotMinimal) && wire.failed.is_none() && closed.is_none() {
        let reading =
            in_shortest_form(session).map_or(reading, |frames| model::receive(session.role, &frames, &session.bounds));
        return worst([
            data(wire, &reading, true),
            pongs(&reading, &sent_reading),
            close_told(wire, &reading, None),
            not_strict("accepts it, which the RFC does not forbid the receiver"),
        ]);
    }
    worst([
        data(wire, &reading, matches!(session.case, Case::Legal(_))),
        close_told(wire, &reading, closed.map(|closed| closed.0)),
        pongs(&reading, &sent_reading),
        match session.case {
            Case::Legal(_) => legal_end(wire, &reading, closed),
            Case::Broken(rule) => broken_end(wire, rule, &reading, closed),
        },
    ])
}

/// The frames of a session, with the length that is not in its shortest form put into that.
fn in_shortest_form(session: &Session) -> Option<Vec<u8>> {
    let frames = session.bytes.get(session.head_len..)?;
    // The rule shows in the last byte of a 16-bit length, or in the sixth zero of a 64-bit one.
    let (before, rest) = frames.split_at_checked(session.after?.checked_sub(session.head_len)?)?;
    let (([before @ .., first, second, 0, 0, 0, 0, 0, 0], [high, low, rest @ ..])
    | ([before @ .., first, second, high, low], rest)) = (before, rest)
    else {
        return None;
    };
    let length = u16::from_be_bytes([*high, *low]);
    let mut shortest = before.to_vec();
    match u8::try_from(length) {
        Ok(length @ 0..=125) => shortest.extend([*first, second & 0x80 | length]),
        _ => shortest.extend([*first, second & 0x80 | 126, *high, *low]),
    }
    shortest.extend_from_slice(rest);
    Some(shortest)
}

/// What was delivered; all of it, if the session is `legal`.
fn data(wire: &Wire, reading: &model::Reading, legal: bool) -> Judged {
    let expected = reading.messages();
    if wire.messages.len() > expected.len() {
        return fail(if legal {
            "delivers a message that was not sent, or after a Close"
        } else {
            "delivers a message after the broken rule, or the broken one"
        });
    }
    if wire
        .messages
        .iter()
        .zip(&expected)
        .any(|(seen, expected)| seen != expected)
    {
        return fail("delivers another message than was sent");
    }
    let missing = wire.messages.len() < expected.len();
    match legal {
        true if missing || wire.part.is_some() => fail("does not deliver a message"),
        true => Ok(()),
        false => {
            if let Some((text, part)) = &wire.part {
                let mut under_way = Vec::new();
                for event in &reading.events {
                    if let Event::Data {
                        text: is_text,
                        payload,
                        message_start,
                        ..
                    } = event
                        && is_text == text
                    {
                        if *message_start {
                            under_way.clear();
                        }
                        under_way.extend_from_slice(payload);
                    }
                }
                if missing || !under_way.starts_with(part) {
                    return fail("delivers a piece of a message that was not sent");
                }
            }
            if missing {
                return not_strict("does not deliver a message that came before the broken rule");
            }
            Ok(())
        }
    }
}

/// What was answered to Pings (sections 5.5.2 and 5.5.3).
fn pongs(reading: &model::Reading, sent: &model::Reading) -> Judged {
    let pings = reading.events.iter().filter_map(|event| match event {
        Event::Ping(payload) => Some(payload),
        Event::Data { .. } | Event::Pong(_) | Event::Close(..) => None,
    });
    let pings: Vec<_> = pings.collect();
    let pongs = sent.events.iter().filter_map(|event| match event {
        Event::Pong(payload) => Some(payload),
        Event::Data { .. } | Event::Ping(_) | Event::Close(..) => None,
    });
    let pongs: Vec<_> = pongs.collect();
    if pings == pongs {
        return Ok(());
    }
    let mut rest = pings.iter();
    if !pongs.iter().all(|pong| rest.any(|ping| ping == pong)) {
        return fail("sends a Pong that answers no Ping, or one after the broken rule");
    }
    if reading.verdict == model::Verdict::Complete && pings.last() != pongs.last() {
        return fail("does not answer the last Ping");
    }
    not_strict("does not answer each Ping")
}

/// Whether the Close that was delivered, if one was, was sent. `own` is the code of the Close that it sent itself.
fn close_told(wire: &Wire, reading: &model::Reading, own: Option<Option<u16>>) -> Judged {
    let Some((seen_code, seen_reason)) = &wire.close else {
        return Ok(());
    };
    let sent = reading.events.iter().find_map(|event| match event {
        Event::Close(code, reason) => Some((code, reason)),
        Event::Data { .. } | Event::Ping(_) | Event::Pong(_) => None,
    });
    match (sent, wire.session.case) {
        (Some(sent), _) if sent == (seen_code, seen_reason) => Ok(()),
        (Some(_), _) => fail("reports another close code or reason than was sent"),
        // What it says of its own failure.
        (None, Case::Broken(_)) if own == Some(*seen_code) || matches!(seen_code, Some(1002..=1011 | 1015)) => Ok(()),
        (None, Case::Broken(rule)) if breaks_a_close(&wire.session, rule) => {
            not_strict("reports a Close that breaks a rule")
        }
        (None, _) => fail("reports a Close that was not sent"),
    }
}

/// Whether the frame that breaks the rule is a Close.
fn breaks_a_close(session: &Session, rule: Rule) -> bool {
    // How many bytes of the frame show it.
    let shows = match rule {
        Rule::InvalidCloseCode | Rule::CloseReasonNotUtf8 => return true,
        Rule::FragmentedControl => 1,
        Rule::UnmaskedFrame | Rule::MaskedFrame | Rule::ControlTooLong | Rule::CloseBodyOneByte => 2,
        _ => return false,
    };
    let start = session.after.and_then(|after| after.checked_sub(shows));
    let first = start.and_then(|start| session.bytes.get(start));
    first.is_some_and(|first| first & 0b1111 == 0x8)
}

/// How a legal session ended.
fn legal_end(wire: &Wire, reading: &model::Reading, closed: Option<(Option<u16>, usize)>) -> Judged {
    let peer = reading.events.iter().find_map(|event| match event {
        Event::Close(code, _) => Some(*code),
        Event::Data { .. } | Event::Ping(_) | Event::Pong(_) => None,
    });
    if let Some((given, error)) = &wire.failed {
        if let (model::Verdict::Closed { after }, Some(_)) = (&reading.verdict, closed)
            && *given > wire.session.head_len + after
        {
            return not_strict(format!("does not ignore what comes after a Close: {error}"));
        }
        return fail(format!("refuses what is legal: {error}"));
    }
    match (peer, closed) {
        (None, None) => Ok(()),
        (None, Some(_)) => fail("closes though nothing is wrong"),
        (Some(_), None) => fail("does not answer a Close"),
        (Some(code), Some((answer, _))) if answer != code => {
            not_strict(format!("answers a Close {} with {}", shown(code), shown(answer)))
        }
        (Some(_), Some(_)) => Ok(()),
    }
}

fn shown(code: Option<u16>) -> String {
    code.map_or_else(|| String::from("without a code"), |code| code.to_string())
}

/// How a session ended in which a rule about frames is broken.
fn broken_end(wire: &Wire, rule: Rule, reading: &model::Reading, closed: Option<(Option<u16>, usize)>) -> Judged {
    let failed = wire.failed.as_ref().map(|failed| failed.0);
    let noticed = failed.into_iter().chain(closed.map(|closed| closed.1)).min();
    let Some(noticed) = noticed else {
        if rule == Rule::TooBig {
            return not_strict("waits for a message of a terabyte or more");
        }
        return fail("does not notice");
    };
    let after = wire.session.after.unwrap_or(0);
    if noticed < after && rule != Rule::TooBig {
        return fail("refuses what is legal before the broken rule");
    }
    match closed {
        None => return not_strict("fails without a Close"),
        Some((code, _)) => {
            let expected = reading.close_codes();
            if !code.is_some_and(|code| expected.contains(&code)) {
                return not_strict(format!("closes {} instead of {expected:?}", shown(code)));
            }
        }
    }
    if noticed > wire.chunk_end(after) {
        return not_strict(format!("notices after {noticed} bytes, not after {after}"));
    }
    Ok(())
}

fn status_of(head: &[u8]) -> Option<u16> {
    let text = core::str::from_utf8(head.get(9..12)?).ok()?;
    text.parse().ok().filter(|_| head.starts_with(b"HTTP/1.1 "))
}

/// How a server answered a legal request.
fn legal_response(wire: &Wire, head: &[u8]) -> Judged {
    if let (Some((_, error)), None) = (&wire.failed, status_of(head)) {
        return fail(format!("refuses a legal request: {error}"));
    }
    let request = wire.session.bytes.get(..wire.session.head_len).unwrap_or_default();
    let key = key_of(request).unwrap_or_default();
    match model::response(head, &key) {
        Opening::Accepted { .. } => Ok(()),
        Opening::Unfinished => fail("does not answer a legal request"),
        Opening::Refused(rules) => {
            let asked = String::from_utf8_lossy(request).to_ascii_lowercase();
            let wrong = rules.iter().find(|rule| match rule {
                Rule::ExtensionNotAsked => !asked.contains("sec-websocket-extensions"),
                Rule::SubprotocolNotAsked => !asked.contains("sec-websocket-protocol"),
                _ => true,
            });
            wrong.map_or(Ok(()), |rule| fail(format!("answers a legal request with {rule}")))
        }
    }
}

/// Whether nothing came of a handshake that breaks a rule.
fn nothing_delivered(wire: &Wire) -> Judged {
    if !wire.messages.is_empty() || wire.part.is_some() {
        return fail("delivers a message over a connection that is not open");
    }
    let nothing = model::receive(wire.session.role, &[], &wire.session.bounds);
    close_told(wire, &nothing, None)
}

/// How a client that has sent its request, of so many bytes, took a response that breaks a rule.
fn given_up(wire: &Wire, request_len: usize) -> Judged {
    nothing_delivered(wire)?;
    if wire.failed.is_none() {
        return fail("opens the connection");
    }
    if wire.sent.len() > request_len {
        return fail("sends something over a connection that is not open");
    }
    Ok(())
}

/// How a server answered a request that breaks a rule.
fn refusal(wire: &Wire, rule: Rule, head_len: Option<usize>) -> Judged {
    worst([
        nothing_delivered(wire),
        behind_refusal(wire, head_len),
        refusal_status(wire, rule),
    ])
}

/// What a server sent behind the head of its response: nothing but the content.
fn behind_refusal(wire: &Wire, head_len: Option<usize>) -> Judged {
    let is_response = status_of(&wire.sent).is_some();
    let (head, rest) = match head_len.filter(|_| is_response) {
        Some(head_len) => wire.sent.split_at_checked(head_len).unwrap_or_default(),
        None if is_response => return fail("sends half a response"),
        None => (&[][..], &wire.sent[..]),
    };
    if rest.is_empty() {
        return Ok(()); // Content need not follow: the request may be a HEAD.
    }
    let field = |name: &str| {
        let text = String::from_utf8_lossy(head).to_ascii_lowercase();
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|field| field.0 == name);
        found.map(|field| String::from(field.1.trim()))
    };
    if field("transfer-encoding").is_some_and(|codings| codings.ends_with("chunked")) {
        // The last chunk and the trailers end in an empty line.
        if !rest.ends_with(b"\r\n\r\n") {
            return fail("sends something else than the content behind its response");
        }
    } else if let Some(len) = field("content-length").and_then(|len| len.parse::<usize>().ok()) {
        if rest.len() > len {
            return fail("sends something behind its response");
        }
        return Ok(());
    }
    // Content up to the end of the stream: no text starts as a frame does.
    let frames = model::receive(wire.session.role.peer(), rest, &generate::BOUNDS);
    match frames.verdict {
        model::Verdict::Broken { after: 1, .. } => Ok(()),
        _ => fail("sends a frame over a connection that is not open"),
    }
}

/// With which status a server answered a request that breaks a rule.
fn refusal_status(wire: &Wire, rule: Rule) -> Judged {
    match (status_of(&wire.sent), rule.answer()) {
        (Some(101), _) => fail("opens the connection"),
        (Some(status), Answer::Status(426)) if status != 426 => not_strict(format!("answers {status} instead of 426")),
        (Some(400..=599), _) => Ok(()),
        (Some(status), _) => not_strict(format!("answers {status}")),
        (None, _) if wire.failed.is_some() => not_strict("fails without a response"),
        (None, _) => fail("does not notice"),
    }
}

/// Checks implementations.
#[derive(Clone, Copy, Debug)]
pub struct Checker {
    cases: u32,
    seed: u64,
    section: Option<&'static str>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// Twenty-four sessions for each case, always the same ones.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cases: 24,
            seed: 0,
            section: None,
        }
    }

    /// How many sessions for each case. Each is run under every fixed [`Split`] and one by chance.
    #[must_use]
    pub const fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Other sessions for another seed.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks one section of the RFC only.
    #[must_use]
    pub const fn section(mut self, section: &'static str) -> Self {
        self.section = Some(section);
        self
    }

    /// Checks an implementation in one role.
    pub fn check(&self, name: &str, role: Role, implementation: &mut dyn Implementation) -> Report {
        let implementation = RefCell::new(implementation);
        let wanted = |case: &Case| self.section.is_none_or(|section| section == case.section());
        let findings = Case::all(role).into_iter().filter(wanted);
        Report {
            name: String::from(name),
            role,
            findings: findings
                .map(|case| self.check_case(role, case, &implementation))
                .collect(),
        }
    }

    fn check_case(&self, role: Role, case: Case, implementation: &RefCell<&mut dyn Implementation>) -> Finding {
        let runs = Cell::new(0);
        let judge = |session: &Session, cuts: &[usize]| {
            runs.set(runs.get() + 1);
            judge(&mut **implementation.borrow_mut(), session, cuts)
        };
        let mut finding = Finding {
            case,
            verdict: Verdict::Skipped,
            why: String::new(),
            example: None,
            runs: 0,
        };
        // First look for a fail; then, if there is none, for something that is not strict.
        for threshold in [Verdict::Fail, Verdict::NotStrict] {
            let best = Cell::new(Verdict::Skipped);
            let strategy = (generate::session(role, case), generate::split());
            let found = self.runner(case).run(&strategy, |(session, split)| {
                for split in splits(&session, split) {
                    let cuts = split.cuts(role, &session.bytes, session.head_len);
                    let (verdict, why) = judge(&session, &cuts);
                    best.set(best.get().max(verdict));
                    if verdict >= threshold {
                        return Err(TestCaseError::fail(why));
                    }
                }
                Ok(())
            });
            finding.verdict = best.get();
            if let Err(TestError::Fail(_, (session, split))) = found {
                for split in splits(&session, split) {
                    let mut cuts = split.cuts(role, &session.bytes, session.head_len);
                    let (verdict, why) = judge(&session, &cuts);
                    if verdict >= threshold {
                        let still = |cuts: &[usize]| judge(&session, cuts).0 >= threshold;
                        shrink_cuts(&mut cuts, &still);
                        finding.verdict = verdict;
                        finding.why = why;
                        finding.example = Some((session.clone(), cuts));
                        break;
                    }
                }
                break;
            }
        }
        finding.runs = runs.get();
        finding
    }

    fn runner(&self, case: Case) -> TestRunner {
        let config = Config {
            cases: self.cases,
            failure_persistence: None,
            max_shrink_iters: 1000,
            ..Config::default()
        };
        let mut seed = [0; 32];
        let name = format!("{:016x}{case}", self.seed);
        for (to, from) in seed.iter_mut().zip(name.bytes().cycle()) {
            *to = from;
        }
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }
}

/// The ways in which a session is cut.
fn splits(session: &Session, chance: Split) -> impl Iterator<Item = Split> {
    // Long sessions are not fed byte by byte: that takes long and shows nothing that short ones do not.
    let short = session.bytes.len() <= 4096;
    let fixed = Split::FIXED
        .into_iter()
        .filter(move |split| short || *split != Split::EachByte);
    fixed.chain([chance])
}

/// Takes out cuts that are not needed.
fn shrink_cuts(cuts: &mut Vec<usize>, still: &dyn Fn(&[usize]) -> bool) {
    if let Some(cut) = cuts.iter().copied().take(256).find(|cut| still(&[*cut])) {
        *cuts = Vec::from([cut]);
    }
    let mut at = 0;
    while at < cuts.len().min(64) {
        let mut fewer = cuts.clone();
        fewer.remove(at);
        if still(&fewer) {
            *cuts = fewer;
        } else {
            at += 1;
        }
    }
}

/// What an implementation did with one case.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The case.
    pub case: Case,
    /// The worst that it did.
    pub verdict: Verdict,
    /// What that was.
    pub why: String,
    /// A session that shows it, shrunk, and the places at which its bytes are cut.
    pub example: Option<(Session, Vec<usize>)>,
    /// How many connections were run.
    pub runs: u32,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "section {}, {}: {} {}",
            self.case.section(),
            self.case,
            self.verdict,
            self.why
        )?;
        if let Some((session, cuts)) = &self.example {
            write!(f, "\n  ")?;
            for (number, chunk) in generate::chunks(&session.bytes, cuts).iter().enumerate() {
                let shown = chunk.get(..160).unwrap_or(chunk);
                let comma = if number == 0 { "" } else { ", " };
                write!(f, "{comma}b\"{}\"", shown.escape_ascii())?;
                if shown.len() < chunk.len() {
                    write!(f, " and {} bytes more", chunk.len() - shown.len())?;
                }
                if number == 24 {
                    write!(f, ", and so on")?;
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What an implementation did, in one role.
#[derive(Clone, Debug)]
pub struct Report {
    /// The implementation.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// What it did, case by case.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The worst of all findings.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.findings.iter().map(|finding| finding.verdict);
        verdicts.max().unwrap_or(Verdict::Skipped)
    }

    /// The findings with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.verdict == verdict)
    }
}

/// A table of one column, and below it what did not pass.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Table(core::slice::from_ref(self)))?;
        for finding in self.with(Verdict::Fail).chain(self.with(Verdict::NotStrict)) {
            writeln!(f, "{} as {}: {finding}", self.name, self.role)?;
        }
        Ok(())
    }
}

/// Reports side by side: sections down, implementations across.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [Report]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for role in Role::ALL {
            let reports: Vec<_> = self.0.iter().filter(|report| report.role == role).collect();
            if reports.is_empty() {
                continue;
            }
            write!(f, "{:<8}{:<48}", "section", format!("as {role}"))?;
            for report in &reports {
                write!(f, "{:<20}", report.name)?;
            }
            writeln!(f)?;
            let mut cases = Case::all(role);
            cases.sort_by_key(|case| {
                let numbers = case.section().split('.').map(|number| number.parse().unwrap_or(0));
                numbers.collect::<Vec<u32>>()
            });
            cases.retain(|case| {
                let mut findings = reports.iter().flat_map(|report| &report.findings);
                findings.any(|finding| finding.case == *case)
            });
            for case in cases {
                write!(f, "{:<8}{:<48}", case.section(), case.to_string())?;
                for report in &reports {
                    let finding = report.findings.iter().find(|finding| finding.case == case);
                    let verdict = finding.map_or(Verdict::Skipped, |finding| finding.verdict);
                    write!(f, "{verdict:<20}")?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
