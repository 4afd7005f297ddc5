//! How a connection ends: RFC 6455 section 7.

use core::fmt;

use super::{Receiver, Role, Sender};
use crate::error::Failure;
use crate::frame::CloseCode;

/// Who sent the first Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// This end did, by its own will or because the connection failed. When both ends close at once, each sees itself
    /// as the first.
    Local,
    /// The peer did.
    Peer,
    /// No Close frame was sent at all.
    Neither,
}

/// Where the stream of bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Between two messages.
    BetweenMessages,
    /// Between two frames of one message.
    InMessage,
    /// Inside a frame's header.
    InHeader,
    /// Inside a frame's payload.
    InPayload,
    /// After a Close frame or after a failure, where nothing else was expected.
    AfterClose,
}

/// How a connection ended: both ends' codes, the peer's reason, who was first, and whether it was clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseRecord<'a> {
    /// The code that was sent; [`CloseCode::NO_STATUS`] for a Close frame without one; `None` if no Close was sent.
    pub sent: Option<CloseCode>,
    /// The code that the peer sent; [`CloseCode::NO_STATUS`] for a Close frame without one; `None` if none came.
    pub received: Option<CloseCode>,
    /// The peer's reason, perhaps empty.
    pub reason: &'a str,
    /// Who was first.
    pub initiator: Initiator,
    /// Why the connection failed, if it did.
    pub failure: Option<Failure>,
    /// Where the stream ended, once [`end_of_stream`](super::Connection::end_of_stream) was told.
    pub stream_end: Option<StreamEnd>,
}

impl<'a> CloseRecord<'a> {
    /// The record of two halves that are driven apart.
    pub fn of<R: Role>(receiver: &'a Receiver<R>, sender: &Sender<R>) -> Self {
        let frame = receiver.close_frame();
        Self {
            sent: sender.sent_close(),
            received: frame.map(|frame| frame.code.unwrap_or(CloseCode::NO_STATUS)),
            reason: frame.map_or("", |frame| frame.reason),
            initiator: match (sender.sent_close(), sender.has_replied_to_close(), frame) {
                (Some(_), false, _) => Initiator::Local,
                (Some(_), true, _) | (None, _, Some(_)) => Initiator::Peer,
                (None, _, None) => Initiator::Neither,
            },
            failure: receiver.failure(),
            stream_end: receiver.stream_end(),
        }
    }
}

impl CloseRecord<'_> {
    /// The code that stands for how it ended (section 7.1.5): the peer's, 1005 if its Close had none, or 1006 if no
    /// Close came.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.received.unwrap_or(CloseCode::ABNORMAL)
    }

    /// Whether both ends have sent a Close frame and nothing failed (section 7.1.4).
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.sent.is_some() && self.received.is_some() && self.failure.is_none()
    }
}

/// What to do with the transport, now: RFC 6455 sections 7.1.1 to 7.1.7.
///
/// Whatever it says, the bytes in the output are to be written first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Go on reading and writing.
    KeepGoing,
    /// This end has done its part; the peer has to answer the Close or, if it is a server, to close the transport. Go
    /// on reading, but not beyond a deadline of your own; then drop the transport.
    WaitForPeer,
    /// Write out the output, then shut down the sending direction. Go on reading until the stream ends, so that the
    /// last bytes are not lost to a reset, but not beyond a deadline of your own; then drop the transport.
    FlushThenHalfClose,
    /// The stream has ended. Drop the transport.
    Drop,
}

impl Transport {
    /// What to do, from what two halves that are driven apart have seen.
    pub fn of<R: Role>(receiver: &Receiver<R>, sender: &Sender<R>) -> Self {
        if receiver.stream_end().is_some() {
            return Self::Drop;
        }
        let sent = sender.sent_close().is_some();
        match (receiver.failure().is_some(), sent, receiver.has_received_close()) {
            // A Close is owed: a frame is being sent in chunks, or the output was full.
            (true, false, _) | (false, false, true) => Transport::KeepGoing,
            (true, true, _) => Transport::FlushThenHalfClose,
            // The server closes the transport first (section 7.1.1).
            (false, true, true) if !R::IS_CLIENT => Transport::FlushThenHalfClose,
            (false, true, _) => Transport::WaitForPeer,
            (false, false, false) => Transport::KeepGoing,
        }
    }
}

impl fmt::Display for CloseRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "closed with {}", self.code())?;
        if !self.reason.is_empty() {
            write!(f, ", \"{}\"", self.reason)?;
        }
        if let Some(failure) = self.failure {
            write!(f, ": {failure}")?;
        }
        Ok(())
    }
}
