//! The halves of a connection whose messages may be compressed, driven apart.

use super::engines::{Engines, ReceiveEngines};
use super::receiving::{Receiving, Skipped};
use super::sending::Sending;
use super::tx::compressing;
use crate::buffer::{ReadBuffer, Storage};
use crate::connection::Tx;
use crate::connection::{ChunkEvent, Receiver, Role, Sender, Step, failed};
use crate::error::{Failure, ReceiveError};
use crate::frame::Violation;
use crate::message::{Event, Found, control_event, message};

/// The receive half of a [`DeflateConnection`](super::DeflateConnection): see [`Receiver`].
#[derive(Debug)]
pub struct DeflateReceiver<R> {
    pub(super) receiver: Receiver<R>,
    pub(super) receiving: Receiving,
}

impl<R: Role> DeflateReceiver<R> {
    /// Receives the next whole message or control frame: [`Receiver::receive`].
    ///
    /// # Errors
    /// As there.
    pub fn receive<'e, S: Storage>(
        &'e mut self,
        input: &'e mut ReadBuffer<S>,
        engines: &'e mut Engines,
    ) -> Result<Option<Event<'e>>, Failure> {
        engines.receive.delivered = None;
        let found = self.find(input, &mut engines.receive);
        self.receiving.let_go(&self.receiver);
        let Some(found) = found? else {
            return Ok(None);
        };
        let ReadBuffer { memory, at, .. } = input;
        let receive = &mut engines.receive;
        let event: Result<_, Failure> = match found {
            Found::Message {
                kind,
                payload,
                compressed: false,
            } => message(kind, memory.bytes().get(payload).unwrap_or_default()).ok_or(Violation::TextNotUtf8.into()),
            Found::Message {
                kind,
                payload,
                compressed: true,
            } => {
                at.forget_delivered();
                let payload = memory.bytes().get(payload).unwrap_or_default();
                self.receiving.message(&self.receiver, receive, kind, payload)
            }
            Found::Control(control, range) => {
                return Ok(Some(control_event(&self.receiver, control, memory.bytes(), range)));
            }
        };
        match event {
            Ok(event) => Ok(Some(event)),
            Err(failure) => {
                at.discard();
                let failure = self.receiver.fail(failure);
                self.receiving.let_go(&self.receiver);
                Err(failure)
            }
        }
    }

    /// What comes next. A message that was begun chunk by chunk is inflated to its end, so that the window stays in step, and
    /// is not handed out.
    fn find<S: Storage>(
        &mut self,
        input: &mut ReadBuffer<S>,
        engines: &mut ReceiveEngines,
    ) -> Result<Option<Found>, Failure> {
        while self.receiving.is_streaming() {
            let ReadBuffer { memory, at, .. } = &mut *input;
            let mut unread = memory.bytes_mut().get_mut(at.start..at.end).unwrap_or_default();
            let skipped = match self.receiver.in_compressed() {
                Some((kind, fin)) => {
                    let receiver = &mut self.receiver;
                    match self.receiving.inflate_chunk(receiver, engines, &mut unread, kind, fin) {
                        Ok(Some(_)) => Ok(Skipped::Chunk),
                        Ok(None) | Err(ReceiveError::Blocked(_)) => Ok(Skipped::NeedInput),
                        Err(ReceiveError::Failed(failure)) => Err(failure),
                    }
                }
                None => failed(self.receiver.step(&mut unread, false)).map(Skipped::of),
            };
            at.consume(at.end - at.start - unread.len());
            at.wanted = 0;
            match skipped? {
                Skipped::Chunk => {}
                Skipped::Control(control, len) => {
                    let range = len.map(|len| at.start.saturating_sub(len)..at.start);
                    return Ok(Some(Found::Control(control, range)));
                }
                Skipped::NeedInput => return Ok(None),
            }
        }
        if let Some(whole) = self.receiver.starts_whole(input) {
            let end = {
                let (_, at) = self.receiver.take_whole(whole, input);
                at.start
            };
            return Ok(Some(Found::Message {
                kind: whole.kind,
                payload: end.saturating_sub(whole.payload_len)..end,
                compressed: false,
            }));
        }
        self.receiver.find(input)
    }

    /// Receives the next chunk of a message or control frame: [`Receiver::receive_chunk`].
    ///
    /// # Errors
    /// As there, and [`Blocked::MessageInProgress`](crate::error::Blocked::MessageInProgress).
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

/// The send half of a [`DeflateConnection`](super::DeflateConnection): see [`Sender`].
#[derive(Debug)]
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
