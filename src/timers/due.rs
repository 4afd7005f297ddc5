//! What is due, and what has passed.

use core::fmt;

use crate::frame::CloseCode;

/// What is due now: comes from [`Timers::handle_timeout`](super::Timers::handle_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send a Ping with this payload, then call [`pinged`](super::Timers::pinged). If that cannot be done (a frame is being
    /// sent in chunks), do nothing: it is due again after another
    /// [`ping_after`](super::Timeouts::ping_after).
    Ping([u8; 8]),
    /// A deadline has passed: close with its [code](Deadline::close_code), or abort if it has none. If nothing is done,
    /// it passes again after as long.
    Passed(Deadline),
}

/// What the peer has taken too long for: one for each of the [`Timeouts`](super::Timeouts), but for
/// [`ping_after`](super::Timeouts::ping_after).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// The opening handshake is not over: [`Timeouts::handshake`](super::Timeouts::handshake). A server answers with status
    /// 408 if anything has come.
    Handshake,
    /// No byte has followed a Ping: [`Timeouts::pong_within`](super::Timeouts::pong_within). Close with 1011.
    Pong,
    /// No data has come: [`Timeouts::idle`](super::Timeouts::idle). Close with 1001.
    Idle,
    /// A message, or the head of an opening handshake, comes too slowly:
    /// [`Timeouts::message`](super::Timeouts::message). Close with 1008; a server answers a head with status 408.
    Message,
    /// The transport takes no output: [`Timeouts::write`](super::Timeouts::write). Abort.
    Write,
    /// Closing takes too long: [`Timeouts::close`](super::Timeouts::close). Abort.
    Close,
}

impl Deadline {
    /// The code to close with on an open connection; `None` if it is to be aborted.
    #[must_use]
    pub const fn close_code(self) -> Option<CloseCode> {
        match self {
            // What the keepalive of Python's `websockets` sends.
            Self::Pong => Some(CloseCode::INTERNAL_ERROR),
            Self::Idle => Some(CloseCode::GOING_AWAY),
            Self::Message => Some(CloseCode::POLICY_VIOLATION),
            Self::Handshake | Self::Write | Self::Close => None,
        }
    }

    /// The reason to close with.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Handshake => "the opening handshake took too long",
            Self::Pong => "no answer to a Ping",
            Self::Idle => "no data for too long",
            Self::Message => "a message came too slowly",
            Self::Write => "the output was not taken",
            Self::Close => "closing took too long",
        }
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
