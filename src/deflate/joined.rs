//! An open connection whose messages may be compressed.

use core::fmt;

use super::agreement::DeflateAgreement;
use super::engines::Engines;
use super::halves::{DeflateReceiver, DeflateSender};
use super::shell::Shell;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::Tx;
use crate::connection::{ChunkEvent, CloseRecord, Connection, Role};
use crate::error::ReceiveError;
use crate::message::Event;

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
pub struct DeflateConnection<R> {
    pub(super) connection: Connection<R>,
    pub(super) shell: Shell,
}

impl<R: Role> DeflateConnection<R> {
    /// A connection on which nothing has been sent or received, and what was agreed for it. `None` means that the
    /// extension was not agreed to.
    #[must_use]
    pub fn new(mut connection: Connection<R>, agreement: Option<&DeflateAgreement>) -> Self {
        let shell = Shell::new(&mut connection, agreement);
        Self { connection, shell }
    }

    /// Receives the next whole message or control frame: [`Connection::receive`].
    ///
    /// A compressed message is inflated once all of it is there. Its payload lies in `engines` then. One that was begun by
    /// [`receive_chunk`](Self::receive_chunk) is inflated to its end and not handed out.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    #[inline(always)] // what is not common is not inlined
    pub fn receive<'e, S: Storage, O: Output + ?Sized>(
        &'e mut self,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, O>)>, ReceiveError> {
        self.connection.deliver(input, out, self.shell.lent(engines))
    }

    /// Receives the next chunk of a message or control frame: [`Connection::receive_chunk`].
    ///
    /// A chunk of a compressed message is inflated, and is at most as long as the scratch of `engines`. A message that spans
    /// several calls keeps an inflater until its end. A message that [`receive`](Self::receive) has begun is finished there.
    ///
    /// # Errors
    /// As [`Connection::receive_chunk`], and
    /// [`Blocked::MessageInProgress`](crate::error::Blocked::MessageInProgress).
    pub fn receive_chunk<'e, 'i: 'e, O: Output + ?Sized>(
        &'e mut self,
        input: &mut &'i mut [u8],
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(ChunkEvent<'e>, Tx<'e, R, O>)>, ReceiveError> {
        self.shell.receive_chunk(&mut self.connection, input, out, engines)
    }

    /// The output handle.
    #[inline]
    pub fn tx<'a, O: ?Sized>(&'a mut self, out: &'a mut O, engines: &'a mut Engines) -> Tx<'a, R, O> {
        self.connection
            .tx_compressing(out, self.shell.lent(engines).compressing())
    }

    /// The connection itself, to ask it about its state and its end, and what to do with the transport.
    #[must_use]
    pub const fn connection(&self) -> &Connection<R> {
        &self.connection
    }

    /// The stream of input has ended: [`Connection::end_of_stream`].
    pub fn end_of_stream(&mut self) -> CloseRecord<'_> {
        self.connection.end_of_stream();
        self.shell.receiving.let_go(&self.connection.receiver);
        self.connection.close_record()
    }

    /// The sending direction of the transport was shut down: [`Connection::sending_shut_down`].
    pub const fn sending_shut_down(&mut self) {
        self.connection.sending_shut_down();
    }

    /// Gives up: [`Connection::abort`].
    pub fn abort(&mut self) {
        self.connection.abort();
        self.shell.receiving.let_go(&self.connection.receiver);
    }

    /// The memory that it holds beside its own size, in bytes: what was received and what was sent last, and an inflater
    /// while a message is received in chunks.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.shell.memory()
    }

    /// Takes the two halves apart: [`Connection::split`]. Each is lent engines of its own thread.
    ///
    /// # Errors
    /// The connection itself, if a frame is being sent in chunks.
    #[allow(clippy::result_large_err, reason = "the error is the connection, handed back")]
    pub fn split(self) -> Result<(DeflateReceiver<R>, DeflateSender<R>), Self> {
        let Self {
            connection,
            shell: Shell { receiving, sending },
        } = self;
        match connection.split() {
            Ok((receiver, sender)) => Ok((
                DeflateReceiver { receiver, receiving },
                DeflateSender { sender, sending },
            )),
            Err(connection) => Err(Self {
                connection,
                shell: Shell { receiving, sending },
            }),
        }
    }
}

impl<R> fmt::Debug for DeflateConnection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeflateConnection")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
