//! What a connection keeps beside itself, and how it receives and sends with it: the shell around a
//! [`Connection`], for whoever owns both.

use super::agreement::DeflateAgreement;
use super::engines::{Engines, ReceiveEngines};
use super::receiving::{Receiving, Skipped};
use super::sending::Sending;
use super::tx::compressing;
use crate::buffer::{Cursor, Output, ReadBuffer, Storage};
use crate::connection::{ChunkEvent, Connection, Role, Step, Tx};
use crate::error::{Failure, ReceiveError};
use crate::message::{Event, Found, control_event, message};

/// The histories of both directions.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
}

impl Shell {
    /// A shell for a connection on which nothing has been sent or received, which is told.
    pub(super) fn new<R: Role>(connection: &mut Connection<R>, agreement: Option<&DeflateAgreement>) -> Self {
        connection.set_compression(agreement.is_some());
        connection.receiver.leaves_compressed = true;
        Self {
            receiving: Receiving::new(agreement),
            sending: Sending::new(agreement),
        }
    }

    /// The output handle.
    #[inline(always)]
    pub(super) fn tx<'a, R: Role, O: ?Sized>(
        &'a mut self,
        connection: &'a mut Connection<R>,
        out: &'a mut O,
        engines: &'a mut Engines,
    ) -> Tx<'a, R, O> {
        compressing(connection.tx(out), &mut self.sending, &mut engines.send)
    }

    /// The next whole message or control frame.
    #[inline(always)]
    pub(super) fn receive<'e, R: Role, S: Storage, O: Output + ?Sized>(
        &'e mut self,
        connection: &'e mut Connection<R>,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, O>)>, ReceiveError> {
        match connection.receiver.starts_whole(input) {
            Some(whole) => {
                engines.receive.delivered = None;
                let (payload, at) = connection.receiver.take_whole(whole, input);
                match message(whole.kind, payload) {
                    Some(event) => Ok(Some((event, self.tx(connection, out, engines)))),
                    None => Err(connection.not_utf8(at, out)),
                }
            }
            None => self.receive_slow(connection, input, out, engines),
        }
    }

    /// Everything but the common case.
    #[inline(never)]
    fn receive_slow<'e, R: Role, S: Storage, O: Output + ?Sized>(
        &'e mut self,
        connection: &'e mut Connection<R>,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, O>)>, ReceiveError> {
        engines.receive.delivered = None;
        if let Some(whole) = connection.receiver.starts_whole_compressed(input) {
            let (payload, at) = connection.receiver.take_whole(whole, input);
            at.forget_delivered();
            let event = self
                .receiving
                .message(&connection.receiver, &mut engines.receive, whole.kind, payload);
            return match event {
                Ok(event) => {
                    let tx = connection.tx(out);
                    Ok(Some((event, compressing(tx, &mut self.sending, &mut engines.send))))
                }
                Err(failure) => Err(self.failed(connection, failure, at, out)),
            };
        }
        let found = self.find(connection, input, out, engines);
        self.receiving.let_go(&connection.receiver);
        let Some(found) = found? else {
            return Ok(None);
        };
        let ReadBuffer { memory, at, .. } = input;
        let Engines { receive, send } = engines;
        let event = match found {
            Found::Message(kind, range) => match message(kind, memory.bytes().get(range).unwrap_or_default()) {
                Some(event) => event,
                None => return Err(connection.not_utf8(at, out)),
            },
            Found::Compressed(kind, range) => {
                at.forget_delivered();
                let payload = memory.bytes().get(range).unwrap_or_default();
                match self.receiving.message(&connection.receiver, receive, kind, payload) {
                    Ok(event) => event,
                    Err(failure) => return Err(self.failed(connection, failure, at, out)),
                }
            }
            Found::Control(control, range) => control_event(&connection.receiver, control, memory.bytes(), range),
        };
        let tx = Tx {
            sender: &mut connection.sender,
            out,
            control: connection.receiver.control_payload(),
            compressor: None,
        };
        let tx = compressing(tx, &mut self.sending, send);
        Ok(Some((event, tx)))
    }

    /// What comes next. A message that was begun chunk by chunk is inflated to its end, so that the window stays in step, and
    /// is not handed out.
    fn find<R: Role, S: Storage, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        input: &mut ReadBuffer<S>,
        out: &mut O,
        engines: &mut Engines,
    ) -> Result<Option<Found>, ReceiveError> {
        while self.receiving.is_streaming() {
            let ReadBuffer { memory, at, .. } = &mut *input;
            let mut unread = memory.bytes_mut().get_mut(at.start..at.end).unwrap_or_default();
            let skipped = self.skip(connection, &mut unread, out, &mut engines.receive);
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
        connection.find(input, out)
    }

    /// Fails the connection for what a compressed message turned out to be.
    #[cold]
    fn failed<R: Role, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        failure: Failure,
        at: &mut Cursor,
        out: &mut O,
    ) -> ReceiveError {
        at.discard();
        let error = connection.failed(failure, out);
        self.receiving.let_go(&connection.receiver);
        error
    }

    fn skip<R: Role, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        unread: &mut &mut [u8],
        out: &mut O,
        engines: &mut ReceiveEngines,
    ) -> Result<Skipped, ReceiveError> {
        if let Some((kind, fin)) = connection.receiver.in_compressed() {
            let receiver = &mut connection.receiver;
            return match self.receiving.inflate_chunk(receiver, engines, unread, kind, fin) {
                Ok(Some(_)) => Ok(Skipped::Chunk),
                Ok(None) => Ok(Skipped::NeedInput),
                Err(error) => Err(connection.answer_failure(error, out)),
            };
        }
        Ok(Skipped::of(connection.step(unread, out)?))
    }

    /// The next chunk of a message or control frame.
    pub(super) fn receive_chunk<'e, 'i: 'e, R: Role, O: Output + ?Sized>(
        &'e mut self,
        connection: &'e mut Connection<R>,
        input: &mut &'i mut [u8],
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(ChunkEvent<'e>, Tx<'e, R, O>)>, ReceiveError> {
        let Engines { receive, send } = engines;
        let step = match connection.receiver.whole_message(input) {
            Some(step) => step,
            None => match connection.receiver.in_compressed() {
                Some(_) => Step::LeftCompressed,
                None => {
                    let step = connection.step(input, out);
                    self.receiving.let_go(&connection.receiver);
                    step?
                }
            },
        };
        let inflated = match (&step, connection.receiver.in_compressed()) {
            (Step::LeftCompressed, Some((kind, fin))) => {
                let receiver = &mut connection.receiver;
                match self.receiving.inflate_chunk(receiver, receive, input, kind, fin) {
                    Ok(event) => event,
                    Err(error) => return Err(connection.answer_failure(error, out)),
                }
            }
            _ => None,
        };
        let Connection { receiver, sender, .. } = connection;
        let receiver = &*receiver;
        let tx = Tx {
            sender,
            out,
            control: receiver.control_payload(),
            compressor: None,
        };
        let tx = compressing(tx, &mut self.sending, send);
        Ok(inflated.or_else(|| step.event(receiver)).map(|event| (event, tx)))
    }

    /// The memory that it holds beside its own size, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.receiving.memory() + self.sending.memory()
    }
}
