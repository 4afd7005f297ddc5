//! What a connection keeps beside itself, and how it receives and sends with it: the shell around a
//! [`Connection`], for whoever owns both.

use super::agreement::DeflateAgreement;
use super::engines::{Engines, ReceiveEngines};
use super::receiving::{Receiving, Skipped};
use super::sending::Sending;
use super::tx::compressing;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::{ChunkEvent, Compressing, Connection, RSV1, Receiver, Role, Step, Tx};
use crate::error::{Failure, ReceiveError};
use crate::frame::MessageKind;
use crate::message::{Delivery, Event, Found, Half, Inflate, Joined, find};

/// The histories of both directions.
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

    /// It with the engines that it is lent.
    #[inline(always)]
    pub(super) const fn lent<'a>(&'a mut self, engines: &'a mut Engines) -> Lent<'a> {
        let Self { receiving, sending } = self;
        Lent {
            receiving,
            sending,
            engines,
        }
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
            compressing: compressing(&mut self.sending, send),
        };
        Ok(inflated.or_else(|| step.event(receiver)).map(|event| (event, tx)))
    }

    /// The memory that it holds beside its own size, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.receiving.memory() + self.sending.memory()
    }
}

/// A history, and the engines that inflate.
pub(crate) struct Inflating<'e> {
    pub(super) receiving: &'e mut Receiving,
    pub(super) engines: &'e mut ReceiveEngines,
}

impl Inflating<'_> {
    /// What comes next where it is not the common case.
    #[inline(never)]
    pub(super) fn find<R: Role, S: Storage>(
        &mut self,
        half: &mut impl Half<R>,
        input: &mut ReadBuffer<S>,
    ) -> Result<Option<Found>, ReceiveError> {
        self.engines.delivered = None;
        let receiver = half.receiver();
        let found = match receiver.starts_whole(input, RSV1) {
            Some(whole) if receiver.extensions.compression => Ok(Some(receiver.take_found(whole, input, true))),
            _ => {
                let found = self.find_slow(half, input);
                self.receiving.let_go(half.receiver());
                found
            }
        };
        if let Ok(Some(Found::Message { compressed: true, .. })) = found {
            // What is handed out lies in the engines.
            input.at.forget_delivered();
        }
        found
    }

    /// What comes next. A message that was begun chunk by chunk is inflated to its end, so that the window stays in step, and
    /// is not handed out.
    fn find_slow<R: Role, S: Storage>(
        &mut self,
        half: &mut impl Half<R>,
        input: &mut ReadBuffer<S>,
    ) -> Result<Option<Found>, ReceiveError> {
        while self.receiving.is_streaming() {
            let ReadBuffer { memory, at, .. } = &mut *input;
            let mut unread = memory.bytes_mut().get_mut(at.start..at.end).unwrap_or_default();
            let skipped = self.skip(half, &mut unread);
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
        find(half, input)
    }

    fn skip<R: Role>(&mut self, half: &mut impl Half<R>, unread: &mut &mut [u8]) -> Result<Skipped, ReceiveError> {
        let Some((kind, fin)) = half.receiver().in_compressed() else {
            return Ok(Skipped::of(half.step(unread)?));
        };
        match self
            .receiving
            .inflate_chunk(half.receiver(), self.engines, unread, kind, fin)
        {
            Ok(Some(_)) => Ok(Skipped::Chunk),
            Ok(None) => Ok(Skipped::NeedInput),
            Err(ReceiveError::Failed(failure)) => Err(half.failed(failure)),
            Err(blocked) => Err(blocked),
        }
    }
}

impl<'e> Inflate<'e> for Inflating<'e> {
    #[inline(never)]
    fn message<R: Role>(
        self,
        receiver: &Receiver<R>,
        kind: MessageKind,
        payload: &'e [u8],
    ) -> Result<Event<'e>, Failure> {
        let event = self.receiving.message(receiver, self.engines, kind, payload);
        if event.is_err() {
            self.receiving.clear();
        }
        event
    }
}

/// The histories of a connection, and the engines that it is lent.
pub(crate) struct Lent<'e> {
    pub(super) receiving: &'e mut Receiving,
    pub(super) sending: &'e mut Sending,
    pub(super) engines: &'e mut Engines,
}

impl<'e> Lent<'e> {
    /// What compresses.
    #[inline(always)]
    pub(crate) fn compressing(self) -> Compressing<'e> {
        compressing(self.sending, &mut self.engines.send)
    }
}

impl<'e> Delivery<'e> for Lent<'e> {
    type Inflating = Inflating<'e>;

    #[inline(always)]
    fn again(&mut self) -> impl Delivery<'_> {
        Lent {
            receiving: self.receiving,
            sending: self.sending,
            engines: self.engines,
        }
    }

    #[inline(always)]
    fn find<R: Role, S: Storage, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        input: &mut ReadBuffer<S>,
        out: &mut O,
    ) -> Result<Option<Found>, ReceiveError> {
        let Self { receiving, engines, .. } = self;
        let engines = &mut engines.receive;
        Inflating { receiving, engines }.find(&mut Joined { connection, out }, input)
    }

    #[inline(always)]
    fn inflating(self) -> (Self::Inflating, Compressing<'e>) {
        let Self {
            receiving,
            sending,
            engines: Engines { receive, send },
        } = self;
        let engines = receive;
        (Inflating { receiving, engines }, compressing(sending, send))
    }

    #[inline(always)]
    fn plain(self) -> Compressing<'e> {
        self.engines.receive.delivered = None;
        self.compressing()
    }
}
