//! What the receive half owes the peer, as a value that can be handed to the send half.

use core::fmt;

use super::send::CloseReply;
use crate::error::Failure;
use crate::frame::{CloseCode, MAX_CONTROL_LEN};

/// A Pong or a Close that is owed to the peer.
///
/// For those who drive the two halves apart: it comes from [`Event::reply`](super::Event::reply) or from a
/// [`Failure`], and goes to [`Sender::reply`](super::Sender::reply). It holds its payload (at most 125 bytes), so that it
/// can be sent to another task or thread.
#[derive(Clone, Copy)]
pub struct Reply {
    kind: Kind,
    payload: [u8; MAX_CONTROL_LEN],
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Pong { len: u8 },
    Close(CloseReply),
}

impl Reply {
    /// The Pong for a Ping.
    pub(crate) fn pong(ping: &[u8]) -> Self {
        let mut payload = [0; MAX_CONTROL_LEN];
        let mut len = 0;
        for (to, from) in payload.iter_mut().zip(ping) {
            *to = *from;
            len += 1;
        }
        Self {
            kind: Kind::Pong { len },
            payload,
        }
    }

    /// The answer to the peer's Close: with the same code (section 5.5.1).
    pub(crate) const fn close(code: Option<CloseCode>) -> Self {
        Self {
            kind: Kind::Close(CloseReply { code, answers: true }),
            payload: [0; MAX_CONTROL_LEN],
        }
    }

    /// The payload of a Pong, or else a Close.
    pub(super) fn payload(&self) -> Result<&[u8], CloseReply> {
        match self.kind {
            Kind::Pong { len } => Ok(self.payload.get(..usize::from(len)).unwrap_or_default()),
            Kind::Close(close) => Err(close),
        }
    }

    /// Whether this is a Close, after which nothing more is sent.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        matches!(self.kind, Kind::Close(_))
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        let close = CloseReply {
            code: Some(failure.close_code()),
            answers: false,
        };
        Self {
            kind: Kind::Close(close),
            payload: [0; MAX_CONTROL_LEN],
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.kind).finish()
    }
}
