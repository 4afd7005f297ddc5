//! What the receive half owes the peer, as a value that can be handed to the send half.

use core::fmt;

use super::send::CloseReply;
use crate::error::Failure;
use crate::frame::{CloseFrame, MAX_CONTROL_LEN};

/// A Pong or a Close that is owed to the peer.
///
/// For those who drive the two halves apart: it comes from [`Event::reply`](super::Event::reply) or from a
/// [`Failure`], and goes to [`Sender::reply`](super::Sender::reply). It holds its payload (at most 125 bytes), so that it
/// can be sent to another task or thread.
#[derive(Clone, Copy)]
pub struct Reply {
    kind: Kind,
    payload: [u8; MAX_CONTROL_LEN],
    len: u8,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Pong,
    /// Whether it answers the peer's Close; otherwise the connection has failed.
    Close {
        answers: bool,
    },
}

impl Reply {
    fn new(kind: Kind, bytes: impl Iterator<Item = u8>) -> Self {
        let mut payload = [0; MAX_CONTROL_LEN];
        let mut len = 0;
        for (to, from) in payload.iter_mut().zip(bytes) {
            *to = from;
            len += 1;
        }
        Self { kind, payload, len }
    }

    /// The Pong for a Ping.
    pub(crate) fn pong(ping: &[u8]) -> Self {
        Self::new(Kind::Pong, ping.iter().copied())
    }

    /// The answer to the peer's Close: the same code and reason (section 5.5.1).
    pub(crate) fn close(frame: &CloseFrame<'_>) -> Self {
        Self::new(Kind::Close { answers: true }, frame.body())
    }

    /// The payload of a Pong, or else a Close.
    pub(super) fn payload(&self) -> Result<&[u8], CloseReply<'_>> {
        let payload = self.payload.get(..usize::from(self.len)).unwrap_or_default();
        match self.kind {
            Kind::Pong => Ok(payload),
            Kind::Close { answers } => Err(CloseReply {
                frame: CloseFrame::decode(payload).unwrap_or_default(),
                answers,
            }),
        }
    }

    /// Whether this is a Close, after which nothing more is sent.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        matches!(self.kind, Kind::Close { .. })
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        let frame = CloseFrame {
            code: Some(failure.close_code()),
            reason: "",
        };
        Self::new(Kind::Close { answers: false }, frame.body())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.kind).finish()
    }
}
