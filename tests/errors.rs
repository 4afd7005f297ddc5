//! What errors say: each of its own, in one line, and nothing that only a programmer of this crate understands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

use sockless::buffer::OutputFull;
use sockless::error::{Blocked, Failure, LimitExceeded, OutOfMemory, ReceiveError, SendError};
use sockless::frame::{CloseCode, Violation};
use sockless::timers::Deadline;

const FULL: OutputFull = OutputFull { needed: 7 };

#[test]
fn each_error_has_a_text_of_its_own() {
    let limits = [
        LimitExceeded::FrameTooLong,
        LimitExceeded::MessageTooLong,
        LimitExceeded::TooManyFragments,
        LimitExceeded::TooManyStreams,
    ];
    let blocked = [
        Blocked::OutputFull(FULL),
        Blocked::UndrainedPongs,
        Blocked::FrameInProgress,
        Blocked::MessageInProgress,
        Blocked::NoInflater,
    ];
    let sends = [
        SendError::OutputFull(FULL),
        SendError::Closed,
        SendError::MessageInProgress,
        SendError::FrameInProgress,
        SendError::NoFrame,
        SendError::WrongKind,
        SendError::ChunkTooLong,
        SendError::ControlTooLong,
        SendError::FrameTooLong,
        SendError::InvalidCloseCode,
        SendError::ReasonWithoutCode,
        SendError::TextNotUtf8,
        SendError::NotNegotiated,
    ];
    let deadlines = [
        Deadline::Handshake,
        Deadline::Pong,
        Deadline::Idle,
        Deadline::Message,
        Deadline::Write,
        Deadline::Close,
    ];
    differ(&limits);
    differ(&blocked);
    differ(&sends);
    differ(&deadlines);
}

/// Each is a sentence, without the name of its variant, and says what no other says.
fn differ<E: Debug + Display>(errors: &[E]) {
    let texts: BTreeSet<String> = errors.iter().map(E::to_string).collect();
    assert_eq!(texts.len(), errors.len(), "{texts:?}");
    for error in errors {
        let (text, name) = (error.to_string(), format!("{error:?}"));
        assert!(
            text.contains(' ') && !text.contains('\n') && !text.contains(&name),
            "{name}: {text:?}"
        );
    }
}

#[test]
fn an_error_around_another_says_what_that_one_says() {
    for failure in [
        Failure::Violation(Violation::TextNotUtf8),
        Failure::Limit(LimitExceeded::MessageTooLong),
        Failure::OutOfMemory(OutOfMemory),
    ] {
        let inner = match failure {
            Failure::Violation(violation) => violation.to_string(),
            Failure::Limit(limit) => limit.to_string(),
            Failure::OutOfMemory(error) => error.to_string(),
            _ => panic!("{failure:?} is new"),
        };
        assert_eq!(failure.to_string(), inner);
        assert_eq!(ReceiveError::Failed(failure).to_string(), inner);
    }
    let blocked = Blocked::OutputFull(FULL);
    assert_eq!(ReceiveError::Blocked(blocked).to_string(), blocked.to_string());
    assert!(blocked.to_string().ends_with(&FULL.to_string()));
    assert_eq!(SendError::OutputFull(FULL).to_string(), FULL.to_string());
    assert!(FULL.to_string().contains(" 7 more bytes"));
    assert_eq!(OutOfMemory.to_string(), "out of memory");
}

#[test]
fn a_close_code_is_shown_with_its_meaning_where_it_has_one() {
    assert_eq!(CloseCode(1000).to_string(), "1000 (normal closure)");
    assert_eq!(CloseCode(4321).to_string(), "4321");
}
