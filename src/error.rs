//! What can go wrong on an open connection, told apart by who is to blame.
//!
//! - [`Violation`]: the peer broke a rule of the RFC. The Close frame with the right code is already queued.
//! - [`LimitExceeded`]: the peer stayed within the RFC but went over a limit set here. Close is queued as well.
//! - [`Blocked`]: nobody is to blame; the machine cannot go on before the caller has done something. Not sticky.
//! - [`SendError`]: the caller asked for what the protocol does not allow. Nothing was written.
//!
//! A normal close is not an error but an event. Errors of the opening handshake are in
//! [`handshake`](crate::handshake).

use core::fmt;

use crate::frame::CloseCode;
use crate::output::OutputFull;

/// The rules that a peer can break: one row for each, with its section of RFC 6455, the close code, and the text.
macro_rules! violations {
    ($($(#[$doc:meta])+ $name:ident: $section:literal, $code:ident, $text:literal;)+) => {
        /// A rule of RFC 6455 that the peer broke.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Violation {
            $($(#[$doc])+ $name,)+
        }

        impl Violation {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The section of RFC 6455 that holds the rule.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self {
                    $(Self::$name => $section,)+
                }
            }

            /// The code of the Close frame that answers it (section 7.4.1).
            #[must_use]
            pub const fn close_code(self) -> CloseCode {
                match self {
                    $(Self::$name => CloseCode::$code,)+
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

violations! {
    /// RSV1, RSV2 or RSV3 is set and no agreed extension gives it a meaning.
    ReservedBits: "5.2", PROTOCOL_ERROR, "a reserved bit is set that no extension gives a meaning";
    /// An opcode of 0x3 to 0x7 or 0xB to 0xF.
    ReservedOpcode: "5.2", PROTOCOL_ERROR, "a reserved opcode";
    /// A Close, Ping or Pong without FIN.
    FragmentedControl: "5.5", PROTOCOL_ERROR, "a fragmented control frame";
    /// A continuation while no message is under way.
    UnexpectedContinuation: "5.4", PROTOCOL_ERROR, "a continuation frame with no message to continue";
    /// A new message before the last one has ended.
    ExpectedContinuation: "5.4", PROTOCOL_ERROR, "a new message inside a fragmented one";
    /// A client's frame that is not masked.
    UnmaskedFrame: "5.1", PROTOCOL_ERROR, "a client sent a frame that is not masked";
    /// A server's frame that is masked.
    MaskedFrame: "5.1", PROTOCOL_ERROR, "a server sent a masked frame";
    /// A control frame with more than 125 bytes of payload.
    ControlTooLong: "5.5", PROTOCOL_ERROR, "a control frame longer than 125 bytes";
    /// A length that is not in its shortest form.
    LengthNotMinimal: "5.2", PROTOCOL_ERROR, "a payload length that is not in its shortest form";
    /// A 64-bit length with the top bit set.
    LengthTopBit: "5.2", PROTOCOL_ERROR, "a payload length with the top bit set";
    /// A Close frame with a body of one byte, which holds no code.
    CloseBodyOneByte: "5.5.1", PROTOCOL_ERROR, "a Close frame with a body of one byte";
    /// A Close frame with a code that must not be sent.
    InvalidCloseCode: "7.4", PROTOCOL_ERROR, "a close code that must not be sent";
    /// A Close frame whose reason is not UTF-8.
    CloseReasonNotUtf8: "5.5.1", INVALID_PAYLOAD, "a close reason that is not UTF-8";
    /// A text message that is not UTF-8.
    TextNotUtf8: "8.1", INVALID_PAYLOAD, "a text message that is not UTF-8";
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer broke RFC 6455 section {}: {}", self.section(), self.text())
    }
}

impl core::error::Error for Violation {}

/// A limit that the peer went over: see [`Limits`](crate::limits::Limits).
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
}

impl LimitExceeded {
    /// The code of the Close frame that answers it (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::FrameTooLong | Self::MessageTooLong => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
        }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FrameTooLong => "the peer sent a frame over the limit",
            Self::MessageTooLong => "the peer sent a message over the limit",
            Self::TooManyFragments => "the peer sent a message in too many small fragments",
        })
    }
}

impl core::error::Error for LimitExceeded {}

/// Why a connection has failed, for good (RFC 6455 section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The peer broke the RFC.
    Violation(Violation),
    /// The peer went over a limit.
    Limit(LimitExceeded),
}

impl Failure {
    /// The code of the Close frame that answers it (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Violation(violation) => violation.close_code(),
            Self::Limit(limit) => limit.close_code(),
        }
    }
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<LimitExceeded> for Failure {
    fn from(limit: LimitExceeded) -> Self {
        Self::Limit(limit)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::Limit(limit) => limit.fmt(f),
        }
    }
}

impl core::error::Error for Failure {}

/// What the machine waits for before it can take in more. Nothing is lost: do it, and call again with what is left of
/// the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// A reply does not fit the output, or too many replies wait in it: drain it.
    OutputFull(OutputFull),
    /// A reply is due, another control frame arrives in pieces, and a frame is being sent in chunks: finish that frame.
    FrameInProgress,
}

impl From<OutputFull> for Blocked {
    fn from(full: OutputFull) -> Self {
        Self::OutputFull(full)
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputFull(full) => write!(f, "a reply is due, but {full}"),
            Self::FrameInProgress => f.write_str("a reply is due, but a frame is being sent in chunks"),
        }
    }
}

impl core::error::Error for Blocked {}

/// Why `receive` did not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The connection has failed. This is sticky: the same error comes again, and no event does.
    Failed(Failure),
    /// The machine waits for the caller. This is not sticky.
    Blocked(Blocked),
}

impl ReceiveError {
    /// The failure, unless the machine only waits for the caller.
    #[must_use]
    pub const fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(*failure),
            Self::Blocked(_) => None,
        }
    }
}

impl From<Failure> for ReceiveError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Blocked> for ReceiveError {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
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
    /// A Close frame was sent: nothing may follow it (section 5.5.1).
    Closed,
    /// A message is being sent in parts: finish it first (section 5.4).
    MessageInProgress,
    /// A frame is being sent in chunks: finish it first.
    FrameInProgress,
    /// No frame was begun that this chunk could belong to.
    NoFrame,
    /// The message under way is of the other kind.
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
}

impl From<OutputFull> for SendError {
    fn from(full: OutputFull) -> Self {
        Self::OutputFull(full)
    }
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
        })
    }
}

impl core::error::Error for SendError {}
