//! An open connection, for one task.

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use sockless::buffer::WriteBuffer;
use sockless::connection::Role;
use sockless::timers::{Deadline, RoundTrip};
use sockless::{BufferedConnection, CloseCode, CloseRecord, Event, Server, Timeouts, Tx};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::clock::Alarm;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::outgoing::Outgoing;

/// An open connection, over any stream that reads and writes.
///
/// It comes from [`accept`](crate::accept) and [`connect`](crate::connect), and is used in one task:
///
/// ```
/// # use sockless_tokio::{Event, Result, WebSocket};
/// async fn echo(mut ws: WebSocket) -> Result<()> {
///     while ws.ready().await? {
///         while let Some((event, mut tx)) = ws.next_event()? {
///             match event {
///                 Event::Text(text) => tx.text(text)?,
///                 Event::Binary(data) => tx.binary(data)?,
///                 _ => {} // Pings and Close frames have been answered.
///             }
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// The messages of an event are borrowed from where they were read. All answers to what one read has brought go out with one
/// write.
///
/// Pings are sent, deadlines kept and answers written by whatever is awaited here: [`ready`](Self::ready) has to be awaited
/// as long as the connection is to live.
///
/// A connection that is dropped is cut off: the peer sees no Close. See [`close`](Self::close).
pub struct WebSocket<S = TcpStream, R = Server> {
    /// One pointer, so that the futures around it are small and moving it is cheap.
    pub(crate) machine: Box<Machine<S, R>>,
    pub(crate) subprotocol: Option<Box<str>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> WebSocket<S, R> {
    /// A connection that somebody else has opened, and the stream behind it.
    ///
    /// Its deadlines are [`Timeouts::DEFAULT`] or what [`BufferedConnection::set_timeouts`] has set.
    ///
    /// # Panics
    /// The functions that wait need a tokio runtime with its timer, unless there are no [deadlines](Timeouts::OFF).
    #[must_use]
    pub fn new(stream: S, ws: BufferedConnection<R>) -> Self {
        Self::from_parts(stream, ws, Alarm::default())
    }

    pub(crate) fn from_parts(stream: S, ws: BufferedConnection<R>, alarm: Alarm) -> Self {
        Self {
            machine: Box::new(Machine::new(stream, ws, alarm)),
            subprotocol: None,
        }
    }

    /// Waits until [`next_event`](Self::next_event) may have something, and does all that is due meanwhile: it writes the
    /// output, reads, sends Pings, keeps the deadlines, and closes and shuts down the stream. `false` when it is over; then the
    /// [record](Self::close_record) tells how it ended.
    ///
    /// Receive all events before it is called again. Nothing is read while the output is over its
    /// [watermark](Self::set_watermark), so that a peer that sends and does not read is held up.
    ///
    /// # Cancel safety
    /// It may be dropped at any time, and called again: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Failed`] and [`Error::TimedOut`], each once, when nothing is left to do. After that it returns
    /// `false`.
    pub fn ready(&mut self) -> impl Future<Output = Result<bool>> {
        poll_fn(|cx| self.machine.poll_ready(cx))
    }

    /// The next event, and the output handle, so that an answer can be sent while the event is still borrowed. `None` says
    /// that [`ready`](Self::ready) is to be awaited. It does not wait.
    ///
    /// Pings and Close frames have been answered.
    ///
    /// # Errors
    /// [`Error::Failed`] when nothing is left to do; [`Error::Blocked`].
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<(Event<'_>, Tx<'_, R, WriteBuffer>)>> {
        self.machine.next_event()
    }

    /// The output handle, for all that can be sent: prepared messages, fragments, Pings. It does not wait and does not look at
    /// the watermark. What was sent goes out with the next [`ready`](Self::ready), [`send`](Self::send) or
    /// [`flush`](Self::flush).
    #[inline]
    pub fn tx(&mut self) -> Tx<'_, R, WriteBuffer> {
        self.machine.tx()
    }

    /// Sends a message: waits until the output is below its watermark, puts the message into it, and writes as much as the
    /// stream takes at once. The rest goes out with whatever is awaited next. [`flush`](Self::flush) waits for it.
    ///
    /// Several messages go out with one write if they are put with [`try_send`](Self::try_send) or [`tx`](Self::tx).
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, the message was not sent, not even a part of it.
    ///
    /// # Errors
    /// [`Error::Send`]; [`Error::Io`] and [`Error::TimedOut`] while it waits.
    pub async fn send(&mut self, message: impl Outgoing) -> Result<()> {
        poll_fn(|cx| {
            std::task::ready!(self.machine.poll_room(cx))?;
            message.put(&mut self.machine.tx())?;
            // An error is told by whatever is called next.
            let _ = self.machine.poll_output(cx);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Puts a message into the output, without waiting and without writing.
    ///
    /// # Errors
    /// [`Error::Full`] over the [watermark](Self::set_watermark), and [`Error::Send`].
    pub fn try_send(&mut self, message: impl Outgoing) -> Result<()> {
        if self.machine.is_full() {
            return Err(Error::Full);
        }
        Ok(message.put(&mut self.machine.tx())?)
    }

    /// Waits until the stream has taken all that was sent. Nothing is read meanwhile: two peers that both do only this may
    /// wait for each other, until the deadline for writes.
    ///
    /// # Cancel safety
    /// It may be dropped at any time, and called again: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::TimedOut`].
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.machine.poll_flush(cx)).await
    }

    /// Closes: sends a Close, unless one was sent or received, waits for the peer's, and shuts the stream down in the right
    /// order. Messages that still come are discarded; to look at them, send the Close with
    /// [`tx().close`](Tx::close) and go on as before. Returns how the connection ended.
    ///
    /// It takes no longer than [`Timeouts::close`] and [`Timeouts::write`] say. A peer that does not answer, or is gone, is no
    /// error here: the record is not [clean](CloseRecord::is_clean) then.
    ///
    /// # Cancel safety
    /// It may be dropped at any time, and called again to go on.
    ///
    /// # Errors
    /// [`Error::Send`] for a code or reason that must not be sent, and within a frame that is being sent in chunks.
    pub async fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<CloseRecord<'_>> {
        match self.tx().close(code, reason) {
            Ok(()) | Err(sockless::SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        while let Ok(true) = self.ready().await {
            while let Ok(Some(_)) = self.next_event() {}
        }
        Ok(self.close_record())
    }

    /// How the connection has ended so far.
    #[must_use]
    pub fn close_record(&self) -> CloseRecord<'_> {
        self.machine.ws.close_record()
    }

    /// How long answers to Pings have taken. `None` before the first one.
    #[must_use]
    pub fn round_trip(&self) -> Option<RoundTrip> {
        self.machine.ws.timers()?.round_trip()
    }

    /// The first deadline that has passed, also where the peer has answered the Close that followed.
    #[must_use]
    pub fn passed(&self) -> Option<Deadline> {
        self.machine.ws.timers()?.passed()
    }

    /// The subprotocol that was agreed to.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Sets how many bytes of output may wait before [`send`](Self::send) waits and nothing more is read. Default: 64 KiB.
    pub fn set_watermark(&mut self, bytes: usize) {
        self.machine.ws.buffers().1.set_watermark(bytes);
    }

    /// Sets how long the peer may take for what. All clocks start again.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.machine.set_timeouts(timeouts);
    }

    /// Takes the stream and the connection apart, for those who go on in another way. Write what is in the output, flush the
    /// stream, and receive what is in the input, before anything else goes out or comes in.
    #[must_use]
    pub fn into_parts(mut self) -> (S, BufferedConnection<R>) {
        self.machine.rest();
        self.machine.into_parts()
    }

    /// The stream, to look at.
    #[must_use]
    pub fn stream(&self) -> &S {
        self.machine.stream()
    }
}

impl<S, R> fmt::Debug for WebSocket<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
