//! The server's opening handshake with its buffers.

use core::fmt;
use core::time::Duration;

use super::BufferedConnection;
use super::timing::Timing;
use crate::buffer::{Output, OutputFull, ReadBuffer, WriteBuffer};
use crate::connection::{Connection, Server};
use crate::handshake::{
    Acceptance, HandshakeError, HttpResponse, Misuse, Request, RequestError, ServerHandshake, WriteError,
};
use crate::limits::Limits;
use crate::timers::{Deadline, Due, Moment, Timeouts};

/// The opening handshake of a server, with its buffers. It becomes a [`BufferedConnection`].
///
/// [`accept`](Self::accept) takes whoever comes. To look at the request first, use [`receive`](Self::receive):
///
/// ```
/// use sockless::buffered::{BufferedConnection, BufferedServerHandshake};
/// use sockless::connection::Server;
/// use sockless::handshake::{Acceptance, HttpResponse, Request};
/// use sockless::limits::Limits;
/// # use std::io::{Read, Write};
///
/// fn open(
///     mut stream: impl Read + Write,
/// ) -> Result<Option<BufferedConnection<Server>>, Box<dyn std::error::Error>> {
///     let mut handshake = BufferedServerHandshake::new(&Limits::default());
///     while handshake.exchange(&mut stream)? {
///         match handshake.receive()? {
///             Some((Request::Upgrade(upgrade), out)) if upgrade.resource_name().path() == "/chat" => {
///                 let connection = upgrade.accept(&Acceptance::new(), out)?;
///                 return Ok(Some(handshake.into_connection(connection))); // the response is in its output
///             }
///             Some((Request::Upgrade(upgrade), out)) => upgrade.reject(&HttpResponse::new(404), out)?,
///             Some((Request::Http(request), out)) => request.respond(&HttpResponse::new(404), out)?,
///             Some(_) | None => {}
///         }
///     }
///     Ok(None)
/// }
/// ```
#[derive(Debug)]
pub struct BufferedServerHandshake {
    handshake: ServerHandshake,
    input: ReadBuffer,
    output: WriteBuffer,
    state: State,
    timing: Timing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The request is not complete.
    Receiving,
    /// A complete request was handed out.
    Received,
    /// A plain HTTP request was answered with status 426.
    NotWebSocket,
    /// The stream ended within the head.
    Ended,
    /// The head did not come in time.
    TimedOut,
}

/// Why [`BufferedServerHandshake::accept`] has not opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// The client violated a rule. The answer has been written.
    Refused(HandshakeError),
    /// The client sent a plain HTTP request. The answer, status 426, has been written.
    NotWebSocket,
    /// The options have something that must not be sent. Nothing was written.
    Misuse(Misuse),
    /// There is no memory for the response.
    OutputFull(OutputFull),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::NotWebSocket => f.write_str("the request is not an opening handshake"),
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::OutputFull(full) => full.fmt(f),
        }
    }
}

impl core::error::Error for AcceptError {}

impl From<RequestError> for AcceptError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(error) => Self::Refused(error),
            RequestError::OutputFull(full) => Self::OutputFull(full),
        }
    }
}

impl From<WriteError> for AcceptError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Misuse(misuse) => Self::Misuse(misuse),
            WriteError::OutputFull(full) => Self::OutputFull(full),
        }
    }
}

impl BufferedServerHandshake {
    /// A server that has received nothing.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            handshake: ServerHandshake::new(limits),
            input: ReadBuffer::new(),
            output: WriteBuffer::new(),
            state: State::Receiving,
            timing: Timing::new(),
        }
    }

    /// Room to read into. Then say how much was read with [`advance`](Self::advance).
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// `len` bytes were read into [`space`](Self::space). At most its length counts.
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
    }

    /// The request, once its head is complete, and the output to answer it into. It comes once. `None` means that the
    /// output is to be written, and that more has to be read.
    ///
    /// # Errors
    /// [`RequestError::Refused`] if the client violated a rule, but only after the answer has been written. Until then the
    /// result is `None`.
    pub fn receive(&mut self) -> Result<Option<(Request<'_>, &mut WriteBuffer)>, RequestError> {
        match self.handshake.receive(&mut self.input, &mut self.output) {
            Ok(Some(request)) => {
                self.state = State::Received;
                Ok(Some((request, &mut self.output)))
            }
            Ok(None) => Ok(None),
            // Told once the answer is written.
            Err(RequestError::Refused(_)) if self.output.len() > 0 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Accepts whatever opening handshake comes, and answers a plain HTTP request with status 426. The response is in the
    /// output of the connection. `None` means that the output is to be written, and that more has to be read.
    ///
    /// # Errors
    /// [`AcceptError`]. What the client did wrong is told after the answer has been written; until then the result is
    /// `None`.
    pub fn accept(&mut self, options: &Acceptance<'_>) -> Result<Option<BufferedConnection<Server>>, AcceptError> {
        if self.state == State::NotWebSocket {
            return if self.output.len() > 0 {
                Ok(None)
            } else {
                Err(AcceptError::NotWebSocket)
            };
        }
        let connection = match self.receive()? {
            None => return Ok(None),
            Some((Request::Upgrade(upgrade), out)) => upgrade.accept(options, out)?,
            Some((Request::Http(request), out)) => {
                request.respond(&HttpResponse::new(426), out)?;
                self.state = State::NotWebSocket;
                return Ok(None);
            }
        };
        Ok(Some(self.take_connection(connection)))
    }

    /// The client will send nothing more.
    ///
    /// # Errors
    /// As [`ServerHandshake::end_of_stream`].
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        self.state = State::Ended;
        self.handshake.end_of_stream()
    }

    /// What was read behind the head: the start of the body of a plain request.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.input.unread()
    }

    /// The next bytes to write to the transport. Then say how much was written with [`written`](Self::written).
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.unwritten()
    }

    /// The transport has taken `len` bytes of [`output`](Self::output).
    pub fn written(&mut self, len: usize) {
        self.output.written(len);
    }

    /// Goes on with the connection that [`Upgrade::accept`](crate::handshake::Upgrade::accept) has opened. The response is
    /// in its output unless it was written before, and what followed the head is in its input.
    #[must_use]
    pub fn into_connection(mut self, connection: Connection<Server>) -> BufferedConnection<Server> {
        self.take_connection(connection)
    }

    fn take_connection(&mut self, connection: Connection<Server>) -> BufferedConnection<Server> {
        let input = core::mem::take(&mut self.input);
        let output = core::mem::take(&mut self.output);
        BufferedConnection::from_parts(connection, input, output).with_timing(self.timing)
    }

    /// Keeps the deadlines of the handshake. `now` is the only clock. Returns how long the next wait for the transport may
    /// take at most; `None` if nothing has a deadline. Call it as [`BufferedConnection::tick`]; the connection goes on with
    /// the same clocks and [`Timeouts`].
    ///
    /// If the head has not come in time, it is answered with status 408 (not at all if nothing came), and
    /// [`receive`](Self::receive) and [`accept`](Self::accept) return [`HandshakeError::TimedOut`] once the answer is
    /// written.
    pub fn tick(&mut self, now: Moment) -> Option<Duration> {
        self.timing.shake(now, &self.input, &self.output);
        if self.is_over() && self.output.len() > 0 {
            self.timing.answered();
        }
        while let Some(due) = self.timing.due() {
            match due {
                Due::Passed(Deadline::Handshake | Deadline::Message) if !self.is_over() => {
                    // The error comes again from `receive`.
                    if self.handshake.timed_out(&mut self.input, &mut self.output).is_err() {
                        self.state = State::TimedOut;
                        self.timing.answered();
                    }
                }
                Due::Passed(_) | Due::Ping(_) => self.output.discard(),
            }
            self.timing.shake(now, &self.input, &self.output);
        }
        if self.is_over() && self.output.len() == 0 {
            return None;
        }
        self.timing.wait()
    }

    /// Sets how long the client may take for what, here and on the connection. The clocks start again with the next
    /// [`tick`](Self::tick).
    pub const fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.timing.set_timeouts(timeouts);
    }

    /// Whether nothing more is to be read.
    pub(super) fn is_over(&self) -> bool {
        self.state != State::Receiving
    }

    #[cfg(feature = "std")]
    pub(super) const fn timing(&self) -> &Timing {
        &self.timing
    }

    #[cfg(feature = "std")]
    pub(super) const fn buffers(&mut self) -> (&mut ReadBuffer, &mut WriteBuffer) {
        (&mut self.input, &mut self.output)
    }
}
