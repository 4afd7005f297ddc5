//! The open connection with its buffers.

use alloc::string::String;
use alloc::vec::Vec;

use core::time::Duration;

use super::compression::Compression;
use super::delivery::Delivering;
use super::timing::Timing;
use crate::buffer::{Output, OutputFull, ReadBuffer, WriteBuffer};
use crate::connection::{CloseRecord, Connection, Role, TransportAction, Tx};
use crate::error::{OutOfMemory, ReceiveError};
use crate::message::Event;
use crate::state::Received;
use crate::timers::{Due, Moment, Timeouts, Timers};

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
/// Where the transport does not block, or is asynchronous, the order is the same: receive, write, look at the transport,
/// read. Receive also before the first read: the peer's first frames may have come with its handshake.
///
/// ```
/// # use sockless::buffered::BufferedConnection;
/// # use sockless::connection::{Server, TransportAction};
/// # use sockless::message::Event;
/// # trait Stream { async fn read(&mut self, space: &mut [u8]) -> Result<usize, Error>; async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error>; async fn shutdown(&mut self) -> Result<(), Error>; }
/// # type Error = Box<dyn std::error::Error>;
/// async fn serve(mut ws: BufferedConnection<Server>, mut stream: impl Stream) -> Result<(), Error> {
///     loop {
///         while let Some((event, mut tx)) = ws.next_event()? {
///             match event {
///                 Event::Text(text) => tx.text(text)?,
///                 Event::Binary(data) => tx.binary(data)?,
///                 _ => {}
///             }
///         }
///         if !ws.output().is_empty() {
///             let n = stream.write(ws.output()).await?;    // with a deadline: see `tick`
///             ws.written(n);
///             continue;
///         }
///         match ws.transport() {
///             TransportAction::ShutDownSend => {
///                 stream.shutdown().await?;
///                 ws.sending_shut_down();
///                 continue;
///             }
///             TransportAction::Close | TransportAction::Abort => return Ok(()),
///             _ => {}
///         }
///         match stream.read(ws.space()).await? {    // with a deadline
///             0 => drop(ws.end_of_stream()),
///             n => ws.advance(n),
///         }
///     }
/// }
/// ```
pub struct BufferedConnection<R> {
    pub(super) connection: Connection<R>,
    pub(super) input: ReadBuffer,
    pub(super) output: WriteBuffer,
    pub(super) compression: Compression,
    pub(super) timing: Timing,
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
            compression: Compression::NONE,
            timing: Timing::new(),
        }
    }

    /// The same, with the timers of the opening handshake.
    pub(super) fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing.opened();
        self
    }

    /// Takes the connection and its buffers apart, for those who go on with two halves ([`Connection::split`]). Write
    /// what is in the output, and receive what is in the input, before anything else goes out or comes in. Where compressed
    /// messages were agreed to, use `into_deflate_parts`: from here on they are handed out as they come, compressed. The
    /// deadlines end with it: see [two halves](crate::timers#two-halves).
    #[must_use]
    pub fn into_parts(mut self) -> (Connection<R>, ReadBuffer, WriteBuffer) {
        self.connection.receiver.leaves_compressed = false; // there is nobody above any more
        (self.connection, self.input, self.output)
    }

    /// The connection, to look at: whether it [is at rest](Connection::is_at_rest), whatever the buffers hold, and how much
    /// of a message is under way.
    #[must_use]
    pub const fn connection(&self) -> &Connection<R> {
        &self.connection
    }

    /// Room to read into. Then say how much was read with [`advance`](Self::advance). Receive all events first.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// `len` bytes were read into [`space`](Self::space). At most its length counts.
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
    }

    /// The next event, and the output handle, so that an answer can be sent while the event is still borrowed.
    ///
    /// `None` means that nothing more can be received for now. Write the output, and if there was any, call this again:
    /// receiving pauses while too many Pongs wait there. Else follow [`transport`](Self::transport), read, and call this
    /// again. So the order of a loop is receive, write, look at the transport, read.
    ///
    /// # Errors
    /// [`ReceiveError::Failed`] if the connection has failed, but only when nothing is left to do: after the Close has
    /// been written and the stream has ended, when [`transport`](Self::transport) is [`TransportAction::Close`] or
    /// [`Abort`](TransportAction::Abort). Until then the result is `None`, and the [record](Self::close_record) tells.
    ///
    /// [`ReceiveError::Blocked`] if there is no memory for a reply. Nothing is lost.
    #[inline(always)] // what is not common is not inlined
    pub fn next_event(&mut self) -> Result<Option<(Event<'_>, Tx<'_, R, WriteBuffer>)>, ReceiveError> {
        self.connection.deliver(
            &mut self.input,
            &mut self.output,
            Delivering {
                timing: &mut self.timing,
                inner: self.compression.own(),
            },
        )
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
        self.connection
            .tx_compressing(&mut self.output, self.compression.own().compressing())
    }

    /// The message that was handed out last, by value, compressed or not: [`ReadBuffer::take_binary`]. Long ones are not
    /// copied. Call it before anything is read or received.
    pub fn take_binary(&mut self) -> Option<Vec<u8>> {
        self.compression
            .take_binary(&self.input)
            .or_else(|| self.input.take_binary())
    }

    /// The text message that was handed out last, by value: see [`take_binary`](Self::take_binary).
    pub fn take_text(&mut self) -> Option<String> {
        String::from_utf8(self.take_binary()?).ok()
    }

    /// What to do with the transport, once the output is written.
    #[must_use]
    pub fn transport(&self) -> TransportAction {
        self.connection.transport()
    }

    /// Whether to read now: unless nothing more is expected, there is input that has not been received, the output is over its
    /// [watermark](WriteBuffer::set_watermark), or [`set_reading`](Self::set_reading) says no. A peer that sends and does
    /// not read is held up so.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let wanted = match self.transport() {
            TransportAction::Continue => self.timing.is_reading(),
            // Closing cannot end otherwise.
            action => action.wants_input(),
        };
        wanted && !self.output.is_over_watermark() && self.input.needs_input()
    }

    /// Whether something is unread that [`next_event`](Self::next_event) may hand out without another read.
    #[must_use]
    pub const fn has_input(&self) -> bool {
        !self.input.needs_input()
    }

    /// Says whether the caller goes on to read. While it does not, [`wants_input`](Self::wants_input) is false and the
    /// clock stands for what the peer sends. Once a Close was sent or received it has no effect: reading goes on.
    pub const fn set_reading(&mut self, reading: bool) {
        self.timing.set_reading(reading);
    }

    /// Keeps the deadlines: sends Pings, closes, and gives up, as [`timers`](crate::timers) says. `now` is the only clock.
    /// Returns how long the next wait for the transport may take at most; `None` if nothing has a deadline.
    ///
    /// Call it before the first wait. Then call it when a wait is over, after reading what is there and before receiving
    /// events: a Pong is taken to come at the time of the last tick. After a write, call it again before waiting: the clock of
    /// a Pong starts when the Ping has left. It costs some 130 instructions where bytes have come and nothing else is under way,
    /// and 350 otherwise.
    ///
    /// ```
    /// # use sockless::buffered::BufferedConnection;
    /// # use sockless::connection::{Server, TransportAction};
    /// # use sockless::message::Event;
    /// # use sockless::timers::Moment;
    /// # use core::time::Duration;
    /// # trait Stream { async fn read(&mut self, space: &mut [u8]) -> Result<usize, Error>; async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error>; async fn shutdown(&mut self) -> Result<(), Error>; }
    /// # type Error = Box<dyn std::error::Error>;
    /// # async fn timeout<T>(wait: Option<Duration>, future: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> { Ok(Some(future.await?)) }
    /// // `timeout` returns `None` if the time has passed first. Without a time, it waits as long as it takes.
    /// async fn serve(mut ws: BufferedConnection<Server>, mut stream: impl Stream) -> Result<(), Error> {
    ///     loop {
    ///         ws.tick(Moment::now());
    ///         while let Some((event, mut tx)) = ws.next_event()? {
    ///             match event {
    ///                 // Behind the Close of a deadline messages still come, and cannot be answered.
    ///                 Event::Text(text) if tx.ready().is_ok() => tx.text(text)?,
    ///                 _ => {}
    ///             }
    ///         }
    ///         ws.set_reading(ws.output().is_empty()); // the clocks of what the peer sends stand while it is not read
    ///         let wait = ws.tick(Moment::now());
    ///         if !ws.output().is_empty() {
    ///             if let Some(n) = timeout(wait, stream.write(ws.output())).await? {
    ///                 ws.written(n);
    ///             }
    ///             continue;
    ///         }
    ///         match ws.transport() {
    ///             TransportAction::ShutDownSend => {
    ///                 stream.shutdown().await?;
    ///                 ws.sending_shut_down();
    ///                 continue;
    ///             }
    ///             TransportAction::Close | TransportAction::Abort => return Ok(()),
    ///             _ => {}
    ///         }
    ///         match timeout(wait, stream.read(ws.space())).await? {
    ///             Some(0) => drop(ws.end_of_stream()),
    ///             Some(n) => ws.advance(n),
    ///             None => {} // the next tick does what is due
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// The first call starts the clocks, with [`Timeouts::DEFAULT`] or what [`set_timeouts`](Self::set_timeouts) has set.
    /// Without any call there are no deadlines.
    ///
    /// Once a deadline has passed, [`timers`](Self::timers) tells which. A Close that it calls for is in the output, or
    /// comes behind the frame that is being sent in chunks; [`transport`](Self::transport) says what follows, as always.
    pub fn tick(&mut self, now: Moment) -> Option<Duration> {
        let usual = self
            .timing
            .observe_arrival(now, &self.connection, &self.input, &self.output);
        match usual {
            Some(wait) => Some(wait),
            None => self.tick_in_full(now),
        }
    }

    /// The same in any case.
    #[inline(never)]
    pub(super) fn tick_in_full(&mut self, now: Moment) -> Option<Duration> {
        let Self {
            connection,
            input,
            output,
            timing,
            ..
        } = self;
        loop {
            let is_closing = timing.observe(now, connection, input, output);
            let is_over = || match connection.transport() {
                TransportAction::Abort => true,
                TransportAction::Close => output.len() == 0,
                TransportAction::Continue
                | TransportAction::AwaitPeer
                | TransportAction::ShutDownSend
                | TransportAction::Drain => false,
            };
            if is_closing && is_over() {
                return None;
            }
            let due = match timing.due() {
                Ok(due) => due,
                Err(wait) => return wait,
            };
            let sent = match due {
                Due::Ping(payload) => {
                    if connection.tx(output).ping(&payload).is_ok() {
                        timing.pinged(output.len());
                    }
                    Ok(())
                }
                Due::Passed(deadline) => match deadline.close_code() {
                    Some(code) => connection.close_soon(code, deadline.text(), output),
                    None => Err(OutputFull { needed: 0 }),
                },
            };
            if sent.is_err() {
                connection.abort();
                output.discard();
            }
        }
    }

    #[cfg(feature = "std")]
    pub(super) const fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Sets how long the peer may take for what. The clocks start again with the next [`tick`](Self::tick).
    pub const fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.timing.set_timeouts(timeouts);
    }

    /// The timers, once [`tick`](Self::tick) was called: the next deadline, the first one that has passed, and the
    /// round-trip times.
    #[must_use]
    pub const fn timers(&self) -> Option<&Timers> {
        self.timing.timers()
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
        self.compression.release();
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
