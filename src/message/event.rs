//! What comes out of a connection at the message level.

use crate::connection::{Payload, Reply};
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

impl<'a> Event<'a> {
    /// The message, to be sent on as it is; `None` for anything else.
    ///
    /// ```
    /// use sockless::Event;
    /// use sockless::connection::Payload;
    ///
    /// assert_eq!(Event::Text("Hello").message(), Some(Payload::Text("Hello")));
    /// assert_eq!(Event::Ping(b"").message(), None);
    /// ```
    #[must_use]
    pub const fn message(&self) -> Option<Payload<'a>> {
        match *self {
            Self::Text(text) => Some(Payload::Text(text)),
            Self::Binary(data) => Some(Payload::Binary(data)),
            Self::Compressed(..) | Self::Ping(_) | Self::Pong(_) | Self::Close(_) => None,
        }
    }

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
