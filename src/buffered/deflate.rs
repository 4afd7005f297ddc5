//! Compressed messages of the machine with its buffers: with engines of its own, or with those that it is lent.

use super::connection::BufferedConnection;
use super::delivery::Delivering;
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::connection::{Compressing, Role, Tx};
use crate::deflate::{Compression, DeflateAgreement, DeflateConnection, Engines, Lent};
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
        match Compression::new(&mut self.connection, agreement) {
            Ok(compression) => self.compression = compression,
            Err(error) => self.connection.fail(error, &mut self.output),
        }
        self
    }

    /// [`next_event`](Self::next_event) with engines that are lent, so that this connection needs none.
    ///
    /// # Errors
    /// [`ReceiveError`], as [`next_event`](Self::next_event).
    #[inline(always)]
    pub fn next_event_with<'e>(
        &'e mut self,
        engines: &'e mut Engines,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, WriteBuffer>)>, ReceiveError> {
        self.connection.deliver(
            &mut self.input,
            &mut self.output,
            Delivering {
                timing: &mut self.timing,
                inner: self.compression.lent(engines),
            },
        )
    }

    /// [`tx`](Self::tx) with engines that are lent.
    #[inline]
    pub fn tx_with<'e>(&'e mut self, engines: &'e mut Engines) -> Tx<'e, R, WriteBuffer> {
        let compressing = self.compression.lent(engines).map(Lent::compressing);
        self.connection
            .tx_compressing(&mut self.output, compressing.unwrap_or(Compressing::Nothing))
    }

    /// Joins what [`into_deflate_parts`](Self::into_deflate_parts) has taken apart. The deadlines are off.
    ///
    /// Without memory for what a connection keeps, the connection fails.
    #[must_use]
    pub fn from_deflate_parts(ws: DeflateConnection<R>, input: ReadBuffer, output: WriteBuffer) -> Self {
        let (connection, compression) = Compression::from_connection(ws);
        let mut ws = Self::from_parts(connection, input, output);
        match compression {
            Ok(compression) => ws.compression = compression,
            Err(error) => ws.connection.fail(error, &mut ws.output),
        }
        ws
    }

    /// Takes the connection and its buffers apart, as [`into_parts`](Self::into_parts) does where nothing is compressed. The
    /// deadlines end with it.
    #[must_use]
    pub fn into_deflate_parts(self) -> (DeflateConnection<R>, ReadBuffer, WriteBuffer) {
        let Self {
            connection,
            input,
            output,
            compression,
            ..
        } = self;
        (compression.into_connection(connection), input, output)
    }

    /// Whether messages may be compressed.
    #[must_use]
    pub const fn compresses(&self) -> bool {
        self.compression.is_agreed()
    }

    /// The memory that compression takes beside this value, in bytes. None where it was not agreed to.
    #[must_use]
    pub fn compression_memory(&self) -> Option<usize> {
        self.compression.memory()
    }
}
