//! What can go wrong on an open connection, told apart by who is to blame.
//!
//! - [`Violation`]: the peer violated the RFC. The Close frame with the right code is already queued.
//! - [`LimitExceeded`]: the peer stayed within the RFC but exceeded a limit set here. The Close is queued as well.
//! - [`OutOfMemory`]: there was no memory for what the peer sent. The Close is queued as well.
//! - [`Blocked`]: nobody is to blame; the connection cannot go on before the caller has done something. Not sticky.
//! - [`SendError`]: the caller asked for what the protocol does not allow. Nothing was written.
//!
//! A normal close is not an error but an event. Errors of the opening handshake are in
//! [`handshake`](crate::handshake).

use core::fmt;

pub use crate::buffer::OutOfMemory;
use crate::buffer::OutputFull;
use crate::frame::CloseCode;
pub use crate::frame::Violation;
use crate::macros::holds;

/// A limit that the peer exceeded: see [`Limits`](crate::limits::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// A frame longer than [`max_frame_len`](crate::limits::Limits::max_frame_len).
    FrameTooLong,
    /// A message longer than [`max_message_len`](crate::limits::Limits::max_message_len).
    MessageTooLong,
    /// A message in more fragments than [`fragment_budget`](crate::limits::Limits::fragment_budget) and its payload
    /// allow.
    TooManyFragments,
    /// A compressed message of too many DEFLATE streams: one for each 1 KiB, and one for each 32 fragments of
    /// [`fragment_budget`](crate::limits::Limits::fragment_budget).
    TooManyStreams,
}

impl LimitExceeded {
    /// The code of the Close frame that answers it (section 7.4.1).
    const fn close_code(self) -> CloseCode {
        match self {
            Self::FrameTooLong | Self::MessageTooLong => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments | Self::TooManyStreams => CloseCode::POLICY_VIOLATION,
        }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FrameTooLong => "the peer sent a frame longer than the limit",
            Self::MessageTooLong => "the peer sent a message longer than the limit",
            Self::TooManyFragments => "the peer sent a message in too many small fragments",
            Self::TooManyStreams => "the peer sent a compressed message of too many small DEFLATE streams",
        })
    }
}

impl core::error::Error for LimitExceeded {}

/// Why a connection has failed, for good (RFC 6455 section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The peer violated the RFC.
    Violation(Violation),
    /// The peer exceeded a limit.
    Limit(LimitExceeded),
    /// There was no memory for what the peer sent.
    OutOfMemory(OutOfMemory),
}

impl Failure {
    /// The code of the Close frame that answers it (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Violation(violation) => violation.close_code(),
            Self::Limit(limit) => limit.close_code(),
            // "a server is terminating the connection because it encountered an unexpected condition" (section 7.4.1).
            Self::OutOfMemory(OutOfMemory) => CloseCode::INTERNAL_ERROR,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::Limit(limit) => limit.fmt(f),
            Self::OutOfMemory(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Failure {}

/// What the connection waits for before it can take in more. Nothing is lost: do it, and call again with the rest of the
/// input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocked {
    /// A reply does not fit the output: drain it.
    OutputFull(OutputFull),
    /// The output holds as many bytes of Pongs as
    /// [`Limits::max_reply_backlog`](crate::limits::Limits::max_reply_backlog) allows: drain it.
    UndrainedPongs,
    /// A Pong waits until the frame that is being sent in chunks is finished, and another control frame arrives in
    /// pieces: finish that frame.
    FrameInProgress,
    /// A compressed message was begun by `receive`: go on with that, and with the same buffer, until its end.
    MessageInProgress,
    /// As many compressed messages are under way chunk by chunk as the engines have inflaters for. Keep the input, go on with
    /// other connections, and come back.
    NoInflater,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputFull(full) => write!(f, "a reply is due, but {full}"),
            Self::UndrainedPongs => f.write_str("a Pong is due, but the output holds too many already"),
            Self::FrameInProgress => f.write_str("a reply is due, but a frame is being sent in chunks"),
            Self::MessageInProgress => f.write_str("a compressed message is under way at the message level"),
            Self::NoInflater => f.write_str("too many compressed messages are under way chunk by chunk"),
        }
    }
}

impl core::error::Error for Blocked {}

/// Why `receive` did not go on. What may be added here later is to be treated as [`Failed`](Self::Failed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The connection has failed. This is sticky: every later call returns the same error.
    Failed(Failure),
    /// The connection waits for the caller. This is not sticky.
    Blocked(Blocked),
}

impl ReceiveError {
    /// The failure, if the connection has failed.
    #[must_use]
    pub const fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(*failure),
            Self::Blocked(_) => None,
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Blocked(blocked) => blocked.fmt(f),
        }
    }
}

impl core::error::Error for ReceiveError {}

/// Why nothing was sent. The connection is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The frame does not fit the output: drain it, and call again.
    OutputFull(OutputFull),
    /// A Close frame was sent: the application may send nothing more (section 5.5.1). This is no reason to leave the loop:
    /// the peer's Close is still to come.
    Closed,
    /// A message is being sent in parts: finish it first (section 5.4).
    MessageInProgress,
    /// A frame is being sent in chunks: finish it first.
    FrameInProgress,
    /// No frame was begun that this chunk could belong to.
    NoFrame,
    /// The message under way is of the other kind: text or binary, compressed or not.
    WrongKind,
    /// A chunk is longer than what the frame has left.
    ChunkTooLong,
    /// The payload of a control frame is longer than 125 bytes (section 5.5).
    ControlTooLong,
    /// The payload of a frame is longer than 2^63 - 1 bytes (section 5.2).
    FrameTooLong,
    /// A close code that must not be sent (section 7.4).
    InvalidCloseCode,
    /// A close reason without a code (section 5.5.1).
    ReasonWithoutCode,
    /// A text payload that is not UTF-8 (section 5.6).
    TextNotUtf8,
    /// A compressed message, although no extension for it was agreed (RFC 7692 section 6).
    NotNegotiated,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutputFull(full) => return full.fmt(f),
            Self::Closed => "nothing may be sent after a Close frame",
            Self::MessageInProgress => "a message is being sent in parts",
            Self::FrameInProgress => "a frame is being sent in chunks",
            Self::NoFrame => "no frame was begun for this chunk",
            Self::WrongKind => "the message being sent is of the other kind",
            Self::ChunkTooLong => "the chunk is longer than what the frame has left",
            Self::ControlTooLong => "the payload of a control frame is at most 125 bytes",
            Self::FrameTooLong => "the payload of a frame is at most 2^63 - 1 bytes",
            Self::InvalidCloseCode => "this close code must not be sent",
            Self::ReasonWithoutCode => "a close reason needs a code",
            Self::TextNotUtf8 => "a text payload must be UTF-8",
            Self::NotNegotiated => "compression was not agreed in the opening handshake",
        })
    }
}

impl core::error::Error for SendError {}

holds! {
    Failure::Violation(Violation);
    Failure::Limit(LimitExceeded);
    Failure::OutOfMemory(OutOfMemory);
    Blocked::OutputFull(OutputFull);
    ReceiveError::Failed(Failure);
    ReceiveError::Blocked(Blocked);
    SendError::OutputFull(OutputFull);
}

/// Makes an I/O error of one of ours, for functions that return `io::Result`: `InvalidData` where the peer is to blame,
/// `OutOfMemory` where memory is.
#[cfg(feature = "std")]
mod io {
    use std::io::{Error, ErrorKind};

    use super::{Failure, OutOfMemory, ReceiveError, SendError};

    impl From<ReceiveError> for Error {
        fn from(error: ReceiveError) -> Self {
            match error {
                ReceiveError::Failed(failure) => failure.into(),
                ReceiveError::Blocked(_) => Self::other(error),
            }
        }
    }

    impl From<Failure> for Error {
        fn from(failure: Failure) -> Self {
            match failure {
                Failure::Violation(_) | Failure::Limit(_) => Self::new(ErrorKind::InvalidData, failure),
                Failure::OutOfMemory(error) => error.into(),
            }
        }
    }

    impl From<SendError> for Error {
        fn from(error: SendError) -> Self {
            Self::other(error)
        }
    }

    impl From<OutOfMemory> for Error {
        fn from(error: OutOfMemory) -> Self {
            Self::new(ErrorKind::OutOfMemory, error)
        }
    }
}
