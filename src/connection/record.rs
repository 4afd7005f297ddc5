//! How a connection ended: RFC 6455 section 7.

use core::fmt;

use super::receiver::Receiver;
use super::role::Role;
use super::sender::Sender;
use crate::error::Failure;
use crate::frame::CloseCode;
use crate::state::{Initiator, StreamEnd, TransportAction};

/// How a connection ended: both endpoints' codes, the peer's reason, who closed first, and whether it was clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseRecord<'a> {
    /// The code that was sent; [`CloseCode::NO_STATUS`] for a Close frame without one; `None` if no Close was sent.
    pub sent: Option<CloseCode>,
    /// The code that was received; [`CloseCode::NO_STATUS`] for a Close frame without one; `None` if none was received.
    pub received: Option<CloseCode>,
    /// The peer's reason, possibly empty.
    pub reason: &'a str,
    /// Which endpoint closed first.
    pub initiator: Initiator,
    /// Why the connection failed, if it did.
    pub failure: Option<Failure>,
    /// Where the stream ended, after `end_of_stream`.
    pub stream_end: Option<StreamEnd>,
}

impl<'a> CloseRecord<'a> {
    /// The record of two halves that are driven apart.
    pub fn of<R: Role>(receiver: &'a Receiver<R>, sender: &Sender<R>) -> Self {
        let frame = receiver.close_frame();
        let sent = sender.closing.sent_close();
        Self {
            sent: sent.map(|close| close.code),
            received: frame.map(|frame| frame.code.unwrap_or(CloseCode::NO_STATUS)),
            reason: frame.map_or("", |frame| frame.reason),
            initiator: match (sent, frame) {
                (Some(sent), _) if !sent.answers => Initiator::Local,
                (Some(_), _) | (None, Some(_)) => Initiator::Peer,
                (None, None) => Initiator::Neither,
            },
            failure: receiver.failure(),
            stream_end: receiver.stream_end(),
        }
    }

    /// The code that stands for how the connection ended (section 7.1.5): the peer's, 1005 if its Close had none, or 1006
    /// if no Close was received.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.received.unwrap_or(CloseCode::ABNORMAL)
    }

    /// Whether both endpoints have sent a Close frame and nothing failed (section 7.1.4).
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.sent.is_some() && self.received.is_some() && self.failure.is_none()
    }
}

impl fmt::Display for CloseRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "closed with {}", self.code())?;
        if !self.reason.is_empty() {
            write!(f, ", \"{}\"", self.reason)?;
        }
        match (self.failure, self.sent, self.received) {
            (Some(failure), _, _) => write!(f, ": {failure}")?,
            (None, Some(sent), None) => write!(f, ", after {sent} was sent")?,
            (None, ..) => {}
        }
        Ok(())
    }
}

impl TransportAction {
    /// What to do with the transport of two halves that are driven apart.
    pub fn of<R: Role>(receiver: &Receiver<R>, sender: &Sender<R>) -> Self {
        Self::from_table(sender.closing, receiver.received(), !R::IS_CLIENT)
    }
}
