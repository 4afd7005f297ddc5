//! The machine beside the kit's model.

use sockless::error::{Failure, LimitExceeded, Violation};
use sockless::limits::Limits;
use sockless_conformance::model::{self, Bounds, Event, Reading, Verdict};
use sockless_conformance::{Role, Rule, generate};

use crate::level::Level;
use crate::outcome::{Outcome, run};

/// The kit's name for what the machine says.
///
/// # Panics
/// For what is no fault of the peer.
#[must_use]
pub fn rule_of(failure: Failure) -> Rule {
    match failure {
        Failure::Limit(LimitExceeded::FrameTooLong | LimitExceeded::MessageTooLong) => Rule::TooBig,
        Failure::Limit(LimitExceeded::TooManyFragments) => Rule::TooManyFragments,
        Failure::Violation(Violation::ReservedBits) => Rule::ReservedBits,
        Failure::Violation(Violation::ReservedOpcode) => Rule::ReservedOpcode,
        Failure::Violation(Violation::FragmentedControl) => Rule::FragmentedControl,
        Failure::Violation(Violation::UnexpectedContinuation) => Rule::UnexpectedContinuation,
        Failure::Violation(Violation::ExpectedContinuation) => Rule::ExpectedContinuation,
        Failure::Violation(Violation::UnmaskedFrame) => Rule::UnmaskedFrame,
        Failure::Violation(Violation::MaskedFrame) => Rule::MaskedFrame,
        Failure::Violation(Violation::ControlTooLong) => Rule::ControlTooLong,
        Failure::Violation(Violation::LengthNotMinimal) => Rule::LengthNotMinimal,
        Failure::Violation(Violation::LengthTopBit) => Rule::LengthTopBit,
        Failure::Violation(Violation::CloseBodyOneByte) => Rule::CloseBodyOneByte,
        Failure::Violation(Violation::InvalidCloseCode) => Rule::InvalidCloseCode,
        Failure::Violation(Violation::CloseReasonNotUtf8) => Rule::CloseReasonNotUtf8,
        Failure::Violation(Violation::TextNotUtf8) => Rule::TextNotUtf8,
        failure => panic!("{failure:?} breaks no rule"),
    }
}

/// The streaming level, fed these bytes cut at these places under these limits, and the model come to the same: events,
/// verdict, the byte that decides it, replies.
///
/// # Panics
/// When they do not.
pub fn agrees_with_model(role: Role, limits: &Limits, bytes: &[u8], cuts: &[usize]) {
    let chunks = generate::chunks(bytes, cuts);
    let seen = run(Level::Chunks, role, limits, &chunks);
    let bounds = Bounds {
        frame_len: limits.max_frame_len,
        message_len: limits.max_message_len,
        fragments: limits.fragment_budget.into(),
    };
    let reading = model::receive(role, bytes, &bounds);
    assert_eq!(seen.events, reading.events, "events");
    // A Ping whose reply had to wait was kept meanwhile.
    if cuts.is_empty() && limits.max_reply_backlog == Limits::DEFAULT.max_reply_backlog {
        assert_eq!(seen.copied, 0, "payloads that were copied");
    }
    match (&reading.verdict, seen.failure) {
        (Verdict::Broken { rules, after }, Some(failure)) => {
            let rule = rule_of(failure);
            assert!(rules.contains(&rule), "{failure:?}, not {rules:?}");
            let chunk_end = cuts.iter().copied().find(|cut| cut >= after).unwrap_or(bytes.len());
            assert_eq!(seen.failed_after, Some(chunk_end), "seen too early or too late");
        }
        (Verdict::Complete | Verdict::Unfinished | Verdict::Closed { .. }, None) => {}
        (verdict, failure) => panic!("{failure:?}, and the model says {verdict:?}"),
    }
    replies_agree(role, &reading, &seen);
}

fn replies_agree(role: Role, reading: &Reading, seen: &Outcome) {
    let sent = model::receive(role.peer(), &seen.output, &generate::BOUNDS);
    assert!(
        matches!(sent.verdict, Verdict::Complete | Verdict::Closed { .. }),
        "sends what is not legal: {:?}",
        sent.verdict
    );
    let sent: Vec<(u8, Vec<u8>)> = sent
        .events
        .into_iter()
        .map(|event| match event {
            Event::Pong(payload) => (0xa, payload),
            Event::Close(code, _) => (0x8, code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec())),
            Event::Ping(_) | Event::Data { .. } => panic!("sends {event:?}"),
        })
        .collect();
    let mut expected = reading.replies();
    // Where one byte breaks several rules, each of their codes will do.
    if let (Some(last), Some(failure)) = (expected.last_mut(), seen.failure) {
        let code = u16::from(failure.close_code());
        assert!(reading.close_codes().contains(&code), "closes with {code}");
        last.1 = code.to_be_bytes().to_vec();
    }
    assert_eq!(sent, expected, "replies");
}
