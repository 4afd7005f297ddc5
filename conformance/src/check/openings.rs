//! How an opening handshake was taken.

use super::judge::{How, Judge, SENT};
use super::wire::{Wire, key_of};
use crate::compression::elements_of;
use crate::model::{self, Element, Opening, Sender};
use crate::rule::{Answer, Role, Rule};
use crate::session::Case;

/// Judges what was sent for a handshake. Returns where frames begin, if they may.
pub(super) fn head(judge: &mut Judge, wire: &Wire) -> Option<usize> {
    let end = wire
        .sent
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4);
    let head = end.and_then(|end| wire.sent.get(..end)).unwrap_or_default();
    match (wire.session.role, wire.session.case) {
        (Role::Server, Case::Legal(_)) => legal_response(judge, wire, head),
        (Role::Server, Case::Broken(rule)) if rule.is_of_handshake() => {
            refusal(judge, wire, rule, end);
            return None;
        }
        (Role::Server, Case::Broken(_)) => legal_response(judge, wire, head),
        (Role::Client, case) => {
            request(judge, wire, head);
            if let (Case::Legal(_), Some((given, error))) = (case, &wire.failed)
                && *given <= wire.session.head_len
            {
                judge.fail("4.1", format!("refuses a legal response: {error}"));
            }
            if let Case::Broken(rule) = case
                && rule.is_of_handshake()
                && !judge.failed_so_far()
            {
                given_up(judge, wire, rule, end.unwrap_or(0));
                return None;
            }
        }
    }
    if judge.failed_so_far() {
        None
    } else {
        Some(end.unwrap_or(0))
    }
}

/// Whether a refusal is the implementation's right, although nothing is wrong with the bytes.
pub(super) fn is_excused(wire: &Wire, how: How) -> bool {
    let session = &wire.session;
    match session.case {
        // What is wrong with the head need not be seen by everybody.
        Case::Broken(Rule::RequestSyntax | Rule::ResponseSyntax) if session.is_uncommon => return true,
        Case::Legal(_) if session.head_len > 0 => {}
        Case::Legal(_) | Case::Broken(_) => return false,
    }
    // Section 4.1: a client waits for the response before it sends anything else, as it does where compression is agreed.
    let too_early = how == How::InMemory
        && session.role == Role::Server
        && session.compression.is_none()
        && wire.chunk_end(session.head_len) > session.head_len;
    // A head in a hundred pieces looks like an attack to some, and a head of forty fields is too much for others.
    too_early || session.is_uncommon || wire.cuts_within(session.head_len) > 32
}

/// A client's request.
fn request(judge: &mut Judge, wire: &Wire, head: &[u8]) {
    match model::request(head) {
        Opening::Accepted { .. } => {
            for offer in elements_of(head, Sender::Client) {
                if let Element::BadDeflate(why) = offer {
                    judge.fail("7692/7.1", format!("offers permessage-deflate with {why}"));
                }
            }
        }
        Opening::Unfinished if wire.sent.is_empty() => judge.fail("4.1", "sends no request"),
        Opening::Unfinished => judge.fail("4.1", "sends half a request"),
        Opening::Refused(rules) => {
            for rule in rules {
                judge.fail(rule.section(), format!("sends {rule}"));
            }
        }
    }
}

fn status_of(head: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(head.get(9..12)?).ok()?;
    let version = head.starts_with(b"HTTP/1.1 ") || head.starts_with(b"HTTP/1.0 ");
    text.parse().ok().filter(|_| version)
}

/// The members of the lists in all fields with this name.
fn list(head: &[u8], name: &str) -> Vec<String> {
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let values = fields
        .filter(|field| field.0.eq_ignore_ascii_case(name))
        .map(|field| field.1);
    let members = values.flat_map(|value| value.split(','));
    members
        .map(|member| String::from(member.trim()))
        .filter(|member| !member.is_empty())
        .collect()
}

/// How a server answered a legal request.
fn legal_response(judge: &mut Judge, wire: &Wire, head: &[u8]) {
    if let (Some((_, error)), None) = (&wire.failed, status_of(head)) {
        return judge.fail("4.2.2", format!("refuses a legal request: {error}"));
    }
    let request = wire.session.bytes.get(..wire.session.head_len).unwrap_or_default();
    let key = key_of(request).unwrap_or_default();
    match model::response(head, &key) {
        Opening::Accepted { .. } => {}
        Opening::Unfinished if wire.sent.is_empty() => judge.fail("4.2.2", "does not answer a legal request"),
        Opening::Unfinished => judge.fail("4.2.2", "sends half a response"),
        Opening::Refused(rules) => {
            for rule in rules {
                match rule {
                    Rule::ExtensionNotAsked => extensions(judge, request, head),
                    Rule::SubprotocolNotAsked => subprotocols(judge, request, head),
                    Rule::StatusNot101 => {
                        let status = status_of(head).unwrap_or_default();
                        if status == 403 && !list(request, "origin").is_empty() {
                            judge.custom("10.2", "does not take requests of this origin");
                            continue;
                        }
                        judge.fail("4.2.2", format!("refuses a legal request with {status}"));
                    }
                    Rule::ReservedBits
                    | Rule::ReservedOpcode
                    | Rule::LengthNotMinimal
                    | Rule::LengthTopBit
                    | Rule::UnmaskedFrame
                    | Rule::MaskedFrame
                    | Rule::UnexpectedContinuation
                    | Rule::ExpectedContinuation
                    | Rule::FragmentedControl
                    | Rule::ControlTooLong
                    | Rule::CloseBodyOneByte
                    | Rule::CloseReasonNotUtf8
                    | Rule::InvalidCloseCode
                    | Rule::TextNotUtf8
                    | Rule::CompressedBit
                    | Rule::CompressedData
                    | Rule::CompressedDataEnd
                    | Rule::DistanceTooFar
                    | Rule::InflatedNotUtf8
                    | Rule::DeflateAnswer
                    | Rule::TooBig
                    | Rule::TooManyFragments
                    | Rule::RequestSyntax
                    | Rule::MethodNotGet
                    | Rule::HttpVersionTooOld
                    | Rule::HostMissing
                    | Rule::HostRepeated
                    | Rule::UpgradeMissing
                    | Rule::ConnectionMissing
                    | Rule::KeyMissing
                    | Rule::KeyInvalid
                    | Rule::KeyRepeated
                    | Rule::VersionMissing
                    | Rule::VersionUnsupported
                    | Rule::VersionRepeated
                    | Rule::ResponseSyntax
                    | Rule::ResponseVersion
                    | Rule::ResponseUpgrade
                    | Rule::ResponseConnection
                    | Rule::AcceptMissing
                    | Rule::AcceptMismatch
                    | Rule::AcceptRepeated => judge.fail("4.2.2", format!("answers a legal request with {rule}")),
                }
            }
        }
    }
}

/// Extensions that a server agreed to: only such as were offered.
fn extensions(judge: &mut Judge, request: &[u8], head: &[u8]) {
    let name = |extension: &String| {
        let name = extension.split(';').next().unwrap_or_default();
        name.trim().to_ascii_lowercase()
    };
    let offered: Vec<String> = list(request, "sec-websocket-extensions").iter().map(name).collect();
    if let Some(why) = wrong_answer(request, head) {
        judge.fail("7692/7.1", format!("agrees to {why}"));
    }
    for agreed in list(head, "sec-websocket-extensions") {
        if !offered.contains(&name(&agreed)) {
            judge.fail(
                "4.2.2",
                format!("agrees to the extension {agreed}, which was not offered"),
            );
        }
    }
}

/// Whether a server agrees to what it must not agree to, or a client offers that: that no session could then go on is no
/// excuse.
pub(super) fn agrees_wrongly(wire: &Wire) -> bool {
    let request = wire.session.bytes.get(..wire.session.head_len).unwrap_or_default();
    match wire.session.role {
        Role::Server => wrong_answer(request, &wire.sent).is_some(),
        Role::Client => {
            let mut offers = elements_of(&wire.sent, Sender::Client).into_iter();
            offers.any(|offer| matches!(offer, Element::BadDeflate(_)))
        }
    }
}

/// What is wrong with a server's answer about permessage-deflate, if something is.
fn wrong_answer(request: &[u8], head: &[u8]) -> Option<String> {
    let offers = elements_of(request, Sender::Client);
    model::agreement(&offers, &elements_of(head, Sender::Server)).err()
}

/// The subprotocol that a server agreed to: one of those that were asked for.
fn subprotocols(judge: &mut Judge, request: &[u8], head: &[u8]) {
    let asked = list(request, "sec-websocket-protocol");
    let agreed = list(head, "sec-websocket-protocol");
    if agreed.len() > 1 {
        judge.fail("11.3.4", "agrees to more than one subprotocol");
    }
    for agreed in agreed {
        if !asked.contains(&agreed) {
            judge.fail(
                "4.2.2",
                format!("agrees to the subprotocol {agreed}, which was not asked for"),
            );
        }
    }
}

/// Whether nothing came of a handshake that breaks a rule.
fn nothing_delivered(judge: &mut Judge, wire: &Wire, rule: Rule) {
    if !wire.messages.is_empty() || wire.part.is_some() {
        judge.fail(rule.section(), "delivers a message over a connection that is not open");
    }
    match &wire.close {
        None => {}
        Some((Some(1002..=1011 | 1015), _)) if wire.failed.is_some() => {}
        Some(_) => judge.fail("7.1.5", "reports a Close that was not sent"),
    }
}

/// How a client that has sent its request, of so many bytes, took a response that breaks a rule.
fn given_up(judge: &mut Judge, wire: &Wire, rule: Rule, request_len: usize) {
    nothing_delivered(judge, wire, rule);
    if wire.failed.is_none() {
        judge.fail(rule.section(), format!("opens the connection after {rule}"));
    }
    if wire.sent.len() > request_len {
        judge.fail(rule.section(), "sends something over a connection that is not open");
    }
}

/// How a server answered a request that breaks a rule.
fn refusal(judge: &mut Judge, wire: &Wire, rule: Rule, head_len: Option<usize>) {
    nothing_delivered(judge, wire, rule);
    let is_response = status_of(&wire.sent).is_some();
    let (head, rest) = match head_len.filter(|_| is_response) {
        Some(head_len) => wire.sent.split_at_checked(head_len).unwrap_or_default(),
        None if is_response => return judge.fail(rule.section(), "sends half a response"),
        None => (&[][..], &wire.sent[..]),
    };
    refusal_status(judge, wire, rule, head);
    behind_refusal(judge, wire, rule, head, rest);
}

/// With which status a server answered a request that breaks a rule.
fn refusal_status(judge: &mut Judge, wire: &Wire, rule: Rule, head: &[u8]) {
    let request = wire.session.bytes.get(..wire.session.head_len).unwrap_or_default();
    let version = match list(request, "sec-websocket-version").as_slice() {
        [version] => version
            .parse::<u8>()
            .ok()
            .filter(|number| number.to_string() == *version),
        _ => None,
    };
    match (status_of(&wire.sent), rule.answer()) {
        (Some(101), Answer::Status(426)) if version.is_some_and(|version| version < 13) => {
            judge.custom(
                "4.4",
                "opens the connection after a version that only drafts of the RFC had",
            );
        }
        (Some(101), _) => judge.fail(rule.section(), format!("opens the connection after {rule}")),
        (Some(status @ 400..=599), Answer::Status(426)) => {
            // What is no version at all is a request that breaks the grammar.
            if version.is_some() && list(head, "sec-websocket-version").is_empty() {
                judge.fail(
                    "4.2.2",
                    format!("answers {status} to {rule}, and does not say which version it takes"),
                );
            } else if version.is_some() && status != 426 {
                judge.custom("4.2.2", format!("answers {status}, not 426, to {rule}"));
            }
        }
        (Some(400..=599), _) => {}
        (Some(status), _) => judge.custom("4.2.1", format!("answers {status} to {rule}")),
        (None, _) if wire.failed.is_some() && wire.sent.is_empty() => {
            judge.should("4.2.1", format!("fails without a response after {rule}"));
        }
        (None, _) if wire.failed.is_some() => {}
        (None, _) => judge.fail(rule.section(), format!("does not notice {rule}")),
    }
}

/// What a server sent behind the head of its response: nothing but the content.
fn behind_refusal(judge: &mut Judge, wire: &Wire, rule: Rule, head: &[u8], rest: &[u8]) {
    if rest.is_empty() {
        return; // Content need not follow: the request may be a HEAD.
    }
    let coding = list(head, "transfer-encoding").pop();
    let length = list(head, "content-length")
        .pop()
        .and_then(|len| len.parse::<usize>().ok());
    if coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        // The last chunk and the trailers end in an empty line.
        if !rest.ends_with(b"\r\n\r\n") {
            judge.fail(
                rule.section(),
                "sends something else than the content behind its response",
            );
        }
    } else if let Some(length) = length {
        if rest.len() > length {
            judge.fail(rule.section(), "sends something behind its response");
        }
    } else {
        // Content up to the end of the stream: no text starts as a frame does.
        let frames = model::receive(wire.session.role.peer(), rest, &SENT);
        if !matches!(frames.verdict, model::Verdict::Broken { after: 1, .. }) {
            judge.fail(rule.section(), "sends a frame over a connection that is not open");
        }
    }
}
