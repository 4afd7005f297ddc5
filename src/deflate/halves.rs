//! The halves of a connection whose messages may be compressed, driven apart.

use core::fmt;

use super::engines::Engines;
use super::receiving::Receiving;
use super::sending::Sending;
use super::shell::Inflating;
use super::tx::compressing;
use crate::buffer::{ReadBuffer, Storage};
use crate::connection::Tx;
use crate::connection::{ChunkEvent, Receiver, Role, Sender, Step, failed};
use crate::error::{Failure, ReceiveError};
use crate::message::{Event, alone};

/// The receive half of a [`DeflateConnection`](super::DeflateConnection): see [`Receiver`].
pub struct DeflateReceiver<R> {
    pub(super) receiver: Receiver<R>,
    pub(super) receiving: Receiving,
}

impl<R: Role> DeflateReceiver<R> {
    /// Receives the next whole message or control frame: [`Receiver::receive`].
    ///
    /// # Errors
    /// [`Failure`], as there: put its reply into the slot once. It is sticky, and further input is discarded.
    pub fn receive<'e, S: Storage>(
        &'e mut self,
        input: &'e mut ReadBuffer<S>,
        engines: &'e mut Engines,
    ) -> Result<Option<Event<'e>>, Failure> {
        let Self { receiver, receiving } = self;
        let engines = &mut engines.receive;
        let found = match receiver.starts_whole(input, 0) {
            Some(whole) => {
                engines.delivered = None;
                Some(receiver.take_found(whole, input, false))
            }
            None => alone(Inflating { receiving, engines }.find(receiver, input))?,
        };
        let Some(found) = found else {
            return Ok(None);
        };
        receiver.event(found, input, Inflating { receiving, engines }).map(Some)
    }

    /// Receives the next chunk of a message or control frame: [`Receiver::receive_chunk`].
    ///
    /// # Errors
    /// [`ReceiveError`]: those of a [`Receiver`], and
    /// [`Blocked::MessageInProgress`](crate::error::Blocked::MessageInProgress).
    pub fn receive_chunk<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        engines: &'e mut Engines,
    ) -> Result<Option<ChunkEvent<'e>>, ReceiveError> {
        let step = match self.receiver.in_compressed() {
            Some(_) => Step::LeftCompressed,
            None => {
                let step = failed(self.receiver.step(input, false));
                self.receiving.let_go(&self.receiver);
                step?
            }
        };
        match (&step, self.receiver.in_compressed()) {
            (Step::LeftCompressed, Some((kind, fin))) => {
                let receiver = &mut self.receiver;
                self.receiving
                    .inflate_chunk(receiver, &mut engines.receive, input, kind, fin)
            }
            _ => Ok(step.event(&self.receiver)),
        }
    }

    /// The receive half itself, to ask it about its state.
    #[must_use]
    pub const fn receiver(&self) -> &Receiver<R> {
        &self.receiver
    }

    /// The stream of input has ended: [`Receiver::end_of_stream`].
    pub fn end_of_stream(&mut self) -> crate::connection::StreamEnd {
        let end = self.receiver.end_of_stream();
        self.receiving.let_go(&self.receiver);
        end
    }

    /// The memory that it holds beside its own size, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.receiving.memory()
    }
}

impl<R> fmt::Debug for DeflateReceiver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeflateReceiver")
            .field("receiver", &self.receiver)
            .finish_non_exhaustive()
    }
}

/// The send half of a [`DeflateConnection`](super::DeflateConnection): see [`Sender`].
pub struct DeflateSender<R> {
    pub(super) sender: Sender<R>,
    pub(super) sending: Sending,
}

impl<R: Role> DeflateSender<R> {
    /// Joins this half with the output that it writes to and with engines.
    #[inline]
    pub fn tx<'a, O: ?Sized>(&'a mut self, out: &'a mut O, engines: &'a mut Engines) -> Tx<'a, R, O> {
        Tx {
            compressing: compressing(&mut self.sending, &mut engines.send),
            ..self.sender.tx(out)
        }
    }

    /// The send half itself, to ask it about its state.
    #[must_use]
    pub const fn sender(&self) -> &Sender<R> {
        &self.sender
    }

    /// The sending direction of the transport was shut down: [`Sender::sending_shut_down`].
    pub const fn sending_shut_down(&mut self) {
        self.sender.sending_shut_down();
    }

    /// The memory that it holds beside its own size, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.sending.memory()
    }
}

impl<R> fmt::Debug for DeflateSender<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeflateSender")
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}
