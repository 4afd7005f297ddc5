//! What comes out of a connection at the streaming level.

use super::reply::Reply;
use crate::frame::{CloseFrame, MessageKind};

/// Something that the peer sent, at the streaming level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkEvent<'a> {
    /// A chunk of a text message: whole characters, with up to 3 bytes that came before.
    Text(Chunk<'a, str>),
    /// A chunk of a binary message.
    Binary(Chunk<'a, [u8]>),
    /// A chunk of a compressed message, still compressed. Only with [`Extensions::compression`](super::Extensions).
    Compressed(MessageKind, Chunk<'a, [u8]>),
    /// A Ping. A [`Connection`](super::Connection) has already queued the Pong.
    Ping(&'a [u8]),
    /// A Pong, whether asked for or not.
    Pong(&'a [u8]),
    /// The peer's Close. A [`Connection`](super::Connection) has already queued the answer, if one was due.
    Close(CloseFrame<'a>),
}

impl ChunkEvent<'_> {
    /// What the send half owes the peer for this event: a Pong for a Ping, a Close for a Close. Only for halves that are
    /// driven apart; a [`Connection`](super::Connection) has sent it already.
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
        match self {
            Self::Ping(payload) => Some(Reply::pong(payload)),
            Self::Close(frame) => Some(Reply::close_answer(frame)),
            Self::Text(_) | Self::Binary(_) | Self::Compressed(..) | Self::Pong(_) => None,
        }
    }
}

/// A chunk of a message: as much of a frame as lay in the input.
///
/// An empty frame is an empty chunk, so that every frame and every message has its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk<'a, T: ?Sized> {
    /// The payload, unmasked.
    pub data: &'a T,
    /// Whether a message starts with this chunk.
    pub message_start: bool,
    /// Whether a frame ends with this chunk.
    pub frame_end: bool,
    /// Whether the message ends with this chunk. A frame ends with it, too.
    pub message_end: bool,
}

impl<T: ?Sized> Clone for Chunk<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Chunk<'_, T> {}
