//! What comes out of a connection at the message level.

use crate::connection::Reply;
use crate::frame::{CloseFrame, MessageKind};

/// Something that the peer sent, at the message level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A whole compressed message, still compressed. Only with
    /// [`Extensions::compression`](crate::connection::Extensions).
    Compressed(MessageKind, &'a [u8]),
    /// A Ping. A [`Connection`](crate::connection::Connection) has already queued the Pong.
    Ping(&'a [u8]),
    /// A Pong, whether asked for or not.
    Pong(&'a [u8]),
    /// The peer's Close. A [`Connection`](crate::connection::Connection) has already queued the answer, if one was due.
    Close(CloseFrame<'a>),
}

impl Event<'_> {
    /// What the send half owes the peer for this event: a Pong for a Ping, a Close for a Close. Only for halves that are
    /// driven apart; a [`Connection`](crate::connection::Connection) has sent it already.
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
        match self {
            Self::Ping(payload) => Some(Reply::pong(payload)),
            Self::Close(frame) => Some(Reply::close_answer(frame)),
            Self::Text(_) | Self::Binary(_) | Self::Compressed(..) | Self::Pong(_) => None,
        }
    }
}
