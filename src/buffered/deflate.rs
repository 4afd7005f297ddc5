//! Compressed messages of the machine with its buffers: with engines of its own, or with those that it is lent.

use super::connection::{BufferedConnection, told};
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::connection::{Role, Tx};
use crate::deflate::{Compression, DeflateAgreement, DeflateConnection, Engines, try_box};
use crate::error::ReceiveError;
use crate::message::Event;

impl<R: Role> BufferedConnection<R> {
    /// The same with compressed messages as they were agreed to in the opening handshake. Nothing has been sent or received.
    ///
    /// The machine has engines of its own, which allocate when they are needed; [`release`](Self::release) gives their
    /// memory back. With many connections, lend it those of the thread: [`next_event_with`](Self::next_event_with).
    ///
    /// Without memory for what a connection keeps, the connection fails.
    #[must_use]
    pub fn with_deflate(mut self, agreement: &DeflateAgreement) -> Self {
        match try_box(Compression::new(&mut self.connection, agreement)) {
            Ok(deflate) => self.deflate = Some(deflate),
            Err(error) => self.connection.fail(error, &mut self.output),
        }
        self
    }

    /// [`next_event`](Self::next_event) with engines that are lent, so that this connection needs none.
    ///
    /// # Errors
    /// As there.
    #[inline(always)]
    pub fn next_event_with<'e>(
        &'e mut self,
        engines: &'e mut Engines,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, WriteBuffer>)>, ReceiveError> {
        let over = self.is_over();
        let Self {
            connection,
            input,
            output,
            deflate,
            timing,
        } = self;
        match deflate.as_deref_mut() {
            Some([deflate]) => told(deflate.receive_with(connection, input, output, engines), over, timing),
            None => told(connection.receive(input, output), over, timing),
        }
    }

    /// [`tx`](Self::tx) with engines that are lent.
    #[inline]
    pub fn tx_with<'e>(&'e mut self, engines: &'e mut Engines) -> Tx<'e, R, WriteBuffer> {
        match self.deflate.as_deref_mut() {
            Some([deflate]) => deflate.tx_with(&mut self.connection, &mut self.output, engines),
            None => self.connection.tx(&mut self.output),
        }
    }

    /// Joins what [`into_deflate_parts`](Self::into_deflate_parts) has taken apart. The deadlines are off.
    ///
    /// Without memory for what a connection keeps, the connection fails.
    #[must_use]
    pub fn from_deflate_parts(ws: DeflateConnection<R>, input: ReadBuffer, output: WriteBuffer) -> Self {
        let (connection, compression) = Compression::from_connection(ws);
        let mut ws = Self::from_parts(connection, input, output);
        match compression.map(try_box).transpose() {
            Ok(deflate) => ws.deflate = deflate,
            Err(error) => ws.connection.fail(error, &mut ws.output),
        }
        ws
    }

    /// Takes the connection and its buffers apart, as [`into_parts`](Self::into_parts) does where nothing is compressed.
    #[must_use]
    pub fn into_deflate_parts(self) -> (DeflateConnection<R>, ReadBuffer, WriteBuffer) {
        let Self {
            connection,
            input,
            output,
            deflate,
            ..
        } = self;
        let ws = match deflate.map(|deflate| *deflate) {
            Some([deflate]) => deflate.into_connection(connection),
            None => DeflateConnection::new(connection, None),
        };
        (ws, input, output)
    }

    /// Whether messages may be compressed, and the memory that this takes, in bytes.
    #[must_use]
    pub fn compression_memory(&self) -> Option<usize> {
        self.deflate.as_deref().map(|[deflate]| deflate.memory())
    }

    /// The engines of its own, for compressed messages by value ([`Engines::take_text`]). None where nothing was agreed.
    pub fn engines(&mut self) -> Option<&mut Engines> {
        self.deflate.as_deref_mut().map(|[deflate]| deflate.engines())
    }
}
