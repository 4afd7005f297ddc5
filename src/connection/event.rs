//! What comes out of a connection.

use super::{CloseRecord, Reply};
use crate::frame::CloseFrame;

/// Something that the peer sent, at the streaming level.
///
/// `C` is what a Close carries: the peer's [`CloseFrame`] where the receive half is driven alone, the whole
/// [`CloseRecord`] where a [`Connection`](super::Connection) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a, C = CloseRecord<'a>> {
    /// A piece of a text message: whole characters, at most as many as arrived.
    Text(Chunk<'a, str>),
    /// A piece of a binary message.
    Binary(Chunk<'a, [u8]>),
    /// A Ping, whole. A [`Connection`](super::Connection) has already queued the Pong.
    Ping(&'a [u8]),
    /// A Pong, whole, whether asked for or not.
    Pong(&'a [u8]),
    /// The peer's Close. A [`Connection`](super::Connection) has already queued the answer, if one was due.
    Close(C),
}

impl Event<'_, CloseFrame<'_>> {
    /// What the send half owes the peer for this event. For those who drive the two halves apart; a
    /// [`Connection`](super::Connection) does it by itself.
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
        match self {
            Self::Ping(payload) => Some(Reply::pong(payload)),
            Self::Close(frame) => Some(Reply::close(frame)),
            Self::Text(_) | Self::Binary(_) | Self::Pong(_) => None,
        }
    }
}

/// A piece of a message, as much of it as lay in the input.
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
    /// Whether the message ends with this chunk; then a frame does too.
    pub message_end: bool,
}

impl<T: ?Sized> Clone for Chunk<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Chunk<'_, T> {}
