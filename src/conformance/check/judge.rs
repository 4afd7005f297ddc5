//! What came out of one session, judged.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Verdict;
use super::wire::{Implementation, Wire, key_of};
use crate::conformance::generate::{self, Case, Session};
use crate::conformance::model::{self, Event, Opening};
use crate::conformance::rule::{Answer, Role, Rule};

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
