//! An open connection whose messages may be compressed.

use super::agreement::DeflateAgreement;
use super::engines::{Engines, ReceiveEngines};
use super::halves::{DeflateReceiver, DeflateSender};
use super::receiving::{Receiving, Skipped};
use super::sending::Sending;
use super::tx::DeflateTx;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::{ChunkEvent, CloseRecord, Connection, Extensions, Role, Step, TransportAction, Tx};
use crate::error::{Failure, ReceiveError};
use crate::frame::Violation;
use crate::message::{Event, Found, control_event, message};

/// A [`Connection`] whose messages may be compressed. It is used in the same way, with [`Engines`] lent to each call.
///
/// ```
/// use sockless::buffer::ReadBuffer;
/// use sockless::connection::{Connection, Server};
/// use sockless::deflate::{DeflateConnection, DeflateOptions, Engines};
/// use sockless::handshake::Extension;
/// use sockless::limits::Limits;
/// use sockless::message::Event;
///
/// let offer = Extension::parse("permessage-deflate");
/// let agreed = DeflateOptions::new().accept(offer);
/// let mut ws = DeflateConnection::new(Connection::new(Server, &Limits::default()), agreed.as_ref());
/// let mut engines = Engines::new();    // one for each thread
/// let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
///
/// // RFC 7692 section 7.2.3.1, masked with zeros.
/// input.extend(b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00")?;
/// while let Some((event, mut tx)) = ws.receive(&mut input, &mut out, &mut engines)? {
///     match event {
///         Event::Text(text) => tx.text(text)?,
///         Event::Binary(data) => tx.binary(data)?,
///         _ => {}
///     }
/// }
/// assert_eq!(out, b"\x81\x05Hello");    // too short to be worth compressing
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Without an agreement it is a plain connection.
#[derive(Debug)]
pub struct DeflateConnection<R> {
    pub(super) connection: Connection<R>,
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
}

impl<R: Role> DeflateConnection<R> {
    /// A connection on which nothing has been sent or received, and what was agreed for it. `None` means that the
    /// extension was not agreed to.
    #[must_use]
    pub fn new(connection: Connection<R>, agreement: Option<&DeflateAgreement>) -> Self {
        let extensions = Extensions::NONE.with_compression(agreement.is_some());
        let mut connection = connection.with_extensions(extensions);
        connection.receiver.leaves_compressed = true;
        Self {
            connection,
            receiving: Receiving::new(agreement),
            sending: Sending::new(agreement),
        }
    }

    /// Receives the next whole message or control frame: [`Connection::receive`].
    ///
    /// A compressed message is inflated once all of it is there. Its payload lies in `engines` then.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    #[inline(always)] // what is not common is not inlined
    pub fn receive<'e, S: Storage, O: Output + ?Sized>(
        &'e mut self,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(Event<'e>, DeflateTx<'e, R, O>)>, ReceiveError> {
        let found = match self.connection.receiver.take_whole(input) {
            Some(found) => found,
            None => match self.find(input, out, engines)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let ReadBuffer { memory, at, .. } = input;
        let Engines { receive, send } = engines;
        let event = match found {
            Found::Message(kind, range) => match message(kind, memory.bytes(), range) {
                Some(event) => event,
                None => {
                    at.discard();
                    return Err(self.connection.not_utf8(out));
                }
            },
            Found::Compressed(kind, range) => {
                at.forget_delivered();
                let payload = memory.bytes().get(range).unwrap_or_default();
                let event = match self.receiving.inflate_whole(&self.connection.receiver, receive, payload) {
                    Ok(len) => message(kind, receive.made(len), 0..len).ok_or(Violation::TextNotUtf8.into()),
                    Err(failure) => Err(failure),
                };
                match event {
                    Ok(event) => event,
                    Err(failure) => {
                        at.discard();
                        return Err(self.connection.failed(failure, out));
                    }
                }
            }
            Found::Control(control, range) => {
                control_event(&self.connection.receiver, control, memory.bytes(), range)
            }
        };
        let tx = DeflateTx {
            tx: Tx {
                sender: &mut self.connection.sender,
                out,
                control: self.connection.receiver.control_payload(),
            },
            sending: &mut self.sending,
            engines: send,
        };
        Ok(Some((event, tx)))
    }

    /// What is not the common case. A message that was begun chunk by chunk is inflated to its end, so that the window stays
    /// in step, and is not handed out.
    #[inline(never)]
    fn find<S: Storage, O: Output + ?Sized>(
        &mut self,
        input: &mut ReadBuffer<S>,
        out: &mut O,
        engines: &mut Engines,
    ) -> Result<Option<Found>, ReceiveError> {
        while self.receiving.is_streaming() {
            let ReadBuffer { memory, at, .. } = &mut *input;
            let mut unread = memory.bytes_mut().get_mut(at.start..at.end).unwrap_or_default();
            let skipped = self.skip(&mut unread, out, &mut engines.receive);
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
        self.connection.next_found(input, out)
    }

    fn skip<O: Output + ?Sized>(
        &mut self,
        unread: &mut &mut [u8],
        out: &mut O,
        engines: &mut ReceiveEngines,
    ) -> Result<Skipped, ReceiveError> {
        if let Some((kind, fin)) = self.connection.receiver.in_compressed() {
            let receiver = &mut self.connection.receiver;
            return match self.receiving.inflate_chunk(receiver, engines, unread, kind, fin) {
                Ok(Some(_)) => Ok(Skipped::Chunk),
                Ok(None) => Ok(Skipped::NeedInput),
                Err(error) => Err(self.connection.answer_failure(error, out)),
            };
        }
        Ok(Skipped::of(self.connection.step(unread, out)?))
    }

    /// Receives the next chunk of a message or control frame: [`Connection::receive_chunk`].
    ///
    /// A chunk of a compressed message is inflated, and is at most as long as the scratch of `engines`. A message that spans
    /// several calls keeps an inflater until its end. A message that [`receive`](Self::receive) has begun is finished there.
    ///
    /// # Errors
    /// As [`Connection::receive_chunk`], and
    /// [`Blocked::MessageInProgress`](crate::error::Blocked::MessageInProgress).
    #[inline(always)] // what is not common is not inlined
    pub fn receive_chunk<'e, 'i: 'e, O: Output + ?Sized>(
        &'e mut self,
        input: &mut &'i mut [u8],
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(ChunkEvent<'e>, DeflateTx<'e, R, O>)>, ReceiveError> {
        let Engines { receive, send } = engines;
        let mut step = match self.connection.receiver.whole_message(input) {
            Some(step) => step,
            None => match self.connection.receiver.in_compressed() {
                Some(_) => Step::LeftCompressed,
                None => self.connection.step(input, out)?,
            },
        };
        let inflated = match (&step, self.connection.receiver.in_compressed()) {
            (Step::LeftCompressed, Some((kind, fin))) => {
                step = Step::NeedInput;
                let receiver = &mut self.connection.receiver;
                match self.receiving.inflate_chunk(receiver, receive, input, kind, fin) {
                    Ok(event) => event,
                    Err(error) => return Err(self.connection.answer_failure(error, out)),
                }
            }
            _ => None,
        };
        let Connection { receiver, sender, .. } = &mut self.connection;
        let receiver = &*receiver;
        let tx = DeflateTx {
            tx: Tx {
                sender,
                out,
                control: receiver.control_payload(),
            },
            sending: &mut self.sending,
            engines: send,
        };
        Ok(inflated.or_else(|| step.event(receiver)).map(|event| (event, tx)))
    }

    /// The output handle.
    #[inline]
    pub fn tx<'a, O: ?Sized>(&'a mut self, out: &'a mut O, engines: &'a mut Engines) -> DeflateTx<'a, R, O> {
        DeflateTx {
            tx: self.connection.tx(out),
            sending: &mut self.sending,
            engines: &mut engines.send,
        }
    }

    /// The connection itself, to ask it about its state and its end.
    #[must_use]
    pub const fn connection(&self) -> &Connection<R> {
        &self.connection
    }

    /// The stream of input has ended: [`Connection::end_of_stream`].
    pub fn end_of_stream(&mut self) -> CloseRecord<'_> {
        self.connection.end_of_stream()
    }

    /// What to do with the transport now: [`Connection::transport`].
    #[must_use]
    pub fn transport(&self) -> TransportAction {
        self.connection.transport()
    }

    /// The sending direction of the transport was shut down: [`Connection::sending_shut_down`].
    pub const fn sending_shut_down(&mut self) {
        self.connection.sending_shut_down();
    }

    /// Gives up: [`Connection::abort`].
    pub fn abort(&mut self) {
        self.connection.abort();
    }

    /// Why the connection has failed, if it has.
    #[must_use]
    pub const fn failure(&self) -> Option<Failure> {
        self.connection.failure()
    }

    /// Whether a compressed message can be sent and received.
    #[must_use]
    pub const fn is_agreed(&self) -> bool {
        self.sending.setting.is_some()
    }

    /// The memory that it holds beside its own size, in bytes: what was received and what was sent last, and an inflater
    /// while a message is received in chunks.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.receiving.memory() + self.sending.memory()
    }

    /// Takes the two halves apart: [`Connection::split`]. Each is lent engines of its own thread.
    ///
    /// # Errors
    /// The connection itself, if a frame is being sent in chunks.
    #[allow(clippy::result_large_err, reason = "the error is the connection, handed back")]
    pub fn split(self) -> Result<(DeflateReceiver<R>, DeflateSender<R>), Self> {
        let Self {
            connection,
            receiving,
            sending,
        } = self;
        match connection.split() {
            Ok((receiver, sender)) => Ok((
                DeflateReceiver { receiver, receiving },
                DeflateSender { sender, sending },
            )),
            Err(connection) => Err(Self {
                connection,
                receiving,
                sending,
            }),
        }
    }
}
