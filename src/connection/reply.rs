//! What the receive half owes the peer, as a value that can be passed to the send half.

use core::fmt;

use super::control::ControlPayload;
use crate::error::Failure;
use crate::frame::{CloseCode, CloseFrame};
use crate::state::SentClose;

/// A pending Pong or Close to send to the peer, for halves that are driven apart.
///
/// It comes from [`Event::reply`](crate::message::Event::reply), [`ChunkEvent::reply`](super::ChunkEvent::reply) or from a
/// [`Failure`], and goes to [`Tx::reply`](super::Tx::reply). It holds its payload (at most 125 bytes), so that it can be
/// sent to another task or thread. A [`ReplySlot`] bounds how many wait.
#[derive(Clone, Copy)]
pub struct Reply {
    kind: Kind,
    payload: ControlPayload,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Pong,
    Close(SentClose),
}

impl Reply {
    fn new(kind: Kind, bytes: impl Iterator<Item = u8>) -> Self {
        let payload = ControlPayload::new(bytes);
        Self { kind, payload }
    }

    /// The Pong for a Ping: "MUST have identical 'Application data'" (section 5.5.3).
    pub(crate) fn pong(ping: &[u8]) -> Self {
        Self::new(Kind::Pong, ping.iter().copied())
    }

    /// The answer to the peer's Close: the same code and reason. "[...] the endpoint typically echos the status code it
    /// received" (section 5.5.1).
    pub(crate) fn close_answer(frame: &CloseFrame<'_>) -> Self {
        let close = SentClose {
            code: frame.code.unwrap_or(CloseCode::NO_STATUS),
            answers: true,
        };
        Self::new(Kind::Close(close), frame.body())
    }

    /// The payload of the frame.
    pub(super) fn payload(&self) -> &[u8] {
        self.payload.as_bytes()
    }

    pub(super) const fn close(&self) -> Option<SentClose> {
        match self.kind {
            Kind::Pong => None,
            Kind::Close(close) => Some(close),
        }
    }

    /// Whether this is a Close, after which nothing more is sent.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        self.close().is_some()
    }
}

impl From<Failure> for Reply {
    /// The Close that a failure calls for (section 7.1.7).
    fn from(failure: Failure) -> Self {
        let frame = CloseFrame {
            code: Some(failure.close_code()),
            reason: "",
        };
        Self::new(Kind::Close(SentClose::failure(failure.close_code())), frame.body())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.kind).finish()
    }
}

/// Room for one reply between two tasks: the last Pong, or a Close.
///
/// A peer may send Pings faster than Pongs can be written. "If an endpoint receives a Ping frame and has not yet sent Pong
/// frame(s) in response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently
/// processed Ping frame" (section 5.5.3). So the receiving task puts each reply in here, behind a lock, and wakes the
/// sending task, which takes what is there. Neither ever waits for the other.
///
/// ```
/// use sockless::connection::{Receiver, ReplySlot, Sender, Server};
/// use sockless::limits::Limits;
///
/// let (mut receiver, mut sender) = (Receiver::<Server>::new(&Limits::default()), Sender::new(Server));
/// let mut slot = ReplySlot::new();    // in a mutex, if the halves are on two threads
///
/// let mut bytes = *b"\x89\x81\0\0\0\01\x89\x81\0\0\0\02";    // two Pings
/// let mut input = &mut bytes[..];
/// while let Some(event) = receiver.receive_chunk(&mut input)? {
///     if let Some(reply) = event.reply() {
///         slot.put(reply);
///     }
/// }
/// let mut out = Vec::new();
/// if let Some(reply) = slot.take() {
///     sender.tx(&mut out).reply(&reply)?;
/// }
/// assert_eq!(out, b"\x8a\x012");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplySlot {
    reply: Option<Reply>,
}

impl ReplySlot {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self { reply: None }
    }

    /// Puts a reply in place of the Pong that may be there. A Close stays. Returns whether the slot was empty: only then the
    /// sending task has to be woken.
    pub fn put(&mut self, reply: Reply) -> bool {
        let was_empty = self.reply.is_none();
        if !self.reply.is_some_and(|reply| reply.is_close()) {
            self.reply = Some(reply);
        }
        was_empty
    }

    /// Takes the reply out.
    pub const fn take(&mut self) -> Option<Reply> {
        self.reply.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Violation;

    #[test]
    fn a_slot_says_whether_it_was_empty_and_keeps_the_last_pong_or_the_close() {
        let mut slot = ReplySlot::new();
        assert!(slot.put(Reply::pong(b"1")));
        assert!(!slot.put(Reply::pong(b"2")));
        assert_eq!(slot.take().map(|reply| reply.payload().to_vec()), Some(b"2".to_vec()));
        assert!(slot.put(Reply::pong(b"3")));
        assert!(!slot.put(Reply::from(Failure::Violation(Violation::UnmaskedFrame))));
        assert!(!slot.put(Reply::pong(b"4")));
        assert!(slot.take().is_some_and(|reply| reply.is_close()));
        assert!(slot.take().is_none());
    }
}
