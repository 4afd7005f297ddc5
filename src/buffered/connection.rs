//! The open connection with its buffers.

use crate::buffer::{Output, ReadBuffer, WriteBuffer};
use crate::connection::{CloseRecord, Connection, Role, TransportAction, Tx};
use crate::error::{Blocked, OutOfMemory, ReceiveError};
use crate::message::Event;
use crate::state::Received;

/// An open connection that owns its buffers.
///
/// ```
/// use sockless::buffered::BufferedConnection;
/// use sockless::connection::Server;
/// use sockless::message::Event;
/// use std::net::{Shutdown, TcpStream};
///
/// fn serve(mut ws: BufferedConnection<Server>, mut stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
///     while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
///         while let Some((event, mut tx)) = ws.next_event()? {
///             match event {
///                 Event::Text(text) => tx.text(text)?,
///                 Event::Binary(data) => tx.binary(data)?,
///                 _ => {}
///             }
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// An event loop calls the parts of [`exchange`](Self::exchange) as its transport becomes ready: write
/// [`output`](Self::output), look at [`transport`](Self::transport), read into [`space`](Self::space).
pub struct BufferedConnection<R> {
    connection: Connection<R>,
    input: ReadBuffer,
    output: WriteBuffer,
}

impl<R: Role> BufferedConnection<R> {
    /// Gives buffers to an open connection.
    #[must_use]
    pub const fn new(connection: Connection<R>) -> Self {
        Self::from_parts(connection, ReadBuffer::new(), WriteBuffer::new())
    }

    pub(super) const fn from_parts(connection: Connection<R>, input: ReadBuffer, output: WriteBuffer) -> Self {
        Self {
            connection,
            input,
            output,
        }
    }

    /// Takes the connection and its buffers apart, for those who go on with two halves ([`Connection::split`]). What is in
    /// the output is to be written first, and what is in the input is to be received first.
    #[must_use]
    pub fn into_parts(self) -> (Connection<R>, ReadBuffer, WriteBuffer) {
        (self.connection, self.input, self.output)
    }

    /// Room to read into. Then say how much was read with [`advance`](Self::advance). Receive all events first.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// `len` bytes were read into [`space`](Self::space). At most its length counts.
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
    }

    /// The next event, and the output handle, so that an answer can be sent while the event is still borrowed. `None`
    /// means that the output is to be written, and that more has to be read if [`wants_input`](Self::wants_input) says so.
    ///
    /// # Errors
    /// [`ReceiveError::Failed`] if the connection has failed, but only when nothing is left to do: after the Close has
    /// been written and the stream has ended, when [`transport`](Self::transport) is [`TransportAction::Close`] or
    /// [`Abort`](TransportAction::Abort). Until then the result is `None`, and the [record](Self::close_record) tells.
    ///
    /// [`ReceiveError::Blocked`] if there is no memory for a reply. Nothing is lost.
    #[inline(always)] // what is not common is not inlined
    pub fn next_event(&mut self) -> Result<Option<(Event<'_>, Tx<'_, R, WriteBuffer>)>, ReceiveError> {
        let over = self.is_over();
        match self.connection.receive(&mut self.input, &mut self.output) {
            Ok(event) => Ok(event),
            Err(ReceiveError::Failed(_)) if !over => Ok(None),
            Err(ReceiveError::Blocked(Blocked::UndrainedPongs)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether nothing is left to do with the transport.
    #[inline(always)]
    fn is_over(&self) -> bool {
        self.connection.receiver.failure().is_some() && !self.connection.transport().wants_input()
    }

    /// The stream of input has ended: a read has returned no bytes. Receive all events first. Returns the record of how
    /// the connection ended, with code 1006 if no Close was received.
    pub fn end_of_stream(&mut self) -> CloseRecord<'_> {
        if self.input.is_exhausted() && self.connection.receiver.received() == Received::Nothing {
            // There was no memory to read into, which is not the end. Where nothing more would be received, it may as well
            // be: there is no memory to wait for the end.
            self.connection.fail(OutOfMemory, &mut self.output);
            return self.connection.close_record();
        }
        self.connection.end_of_stream()
    }

    /// The next bytes to write to the transport. Then say how much was written with [`written`](Self::written). Empty only
    /// if nothing is to be written. Payloads that are kept by reference ([`Tx::shared`], [`Tx::prepared`]) come by
    /// themselves: ask again, or see [`WriteBuffer::slices`].
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.unwritten()
    }

    /// The transport has taken `len` bytes of [`output`](Self::output).
    pub fn written(&mut self, len: usize) {
        self.output.written(len);
    }

    /// Both buffers: for vectored writes ([`WriteBuffer::slices`]) and the watermark, for messages by value
    /// ([`ReadBuffer::take_text`]), and for a transport that may be ready for reading and for writing.
    pub const fn buffers(&mut self) -> (&mut ReadBuffer, &mut WriteBuffer) {
        (&mut self.input, &mut self.output)
    }

    /// The output handle.
    #[inline]
    pub fn tx(&mut self) -> Tx<'_, R, WriteBuffer> {
        self.connection.tx(&mut self.output)
    }

    /// What to do with the transport, once the output is written.
    #[must_use]
    pub fn transport(&self) -> TransportAction {
        self.connection.transport()
    }

    /// Whether to read now: unless nothing more is expected, the output is over its
    /// [watermark](WriteBuffer::set_watermark), or it holds as many Pongs as
    /// [`Limits::max_reply_backlog`](crate::limits::Limits::max_reply_backlog) allows. A peer that sends and does not read is
    /// held up so. Receive all events first.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        // Input that is there waits for the output.
        let waits = self.output.len() > 0 && !self.input.needs_input();
        self.transport().wants_input() && !self.output.is_over_watermark() && !waits
    }

    /// The sending direction of the transport was shut down: [`Connection::sending_shut_down`].
    pub const fn sending_shut_down(&mut self) {
        self.connection.sending_shut_down();
    }

    /// Gives up: [`Connection::abort`]. What is in the output is discarded.
    pub fn abort(&mut self) {
        self.connection.abort();
        self.output.discard();
    }

    /// How the connection has ended so far.
    #[must_use]
    pub fn close_record(&self) -> CloseRecord<'_> {
        self.connection.close_record()
    }

    /// Whether nothing is under way in either direction and both buffers are empty. Then [`release`](Self::release) costs
    /// nothing but the memory that the next read takes.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.connection.is_at_rest() && self.input.is_at_rest() && self.output.len() == 0
    }

    /// Gives back the memory of each buffer that is empty. Call it before waiting for a peer that may stay silent for long.
    pub fn release(&mut self) {
        self.input.release();
        self.output.release();
    }
}

impl<R> core::fmt::Debug for BufferedConnection<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BufferedConnection")
            .field("connection", &self.connection)
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}
