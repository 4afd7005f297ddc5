//! The server's opening handshake with its buffers.

use core::fmt;

use super::BufferedConnection;
use crate::buffer::{Output, OutputFull, ReadBuffer, WriteBuffer};
use crate::connection::{Connection, Server};
use crate::handshake::{
    AcceptOptions, HandshakeError, HttpResponse, Misuse, Request, RequestError, ServerHandshake, WriteError,
};
use crate::limits::Limits;

/// The opening handshake of a server, with its buffers. It becomes a [`BufferedConnection`].
///
/// [`accept`](Self::accept) takes whoever comes. To look at the request first, use [`receive`](Self::receive):
///
/// ```
/// use sockless::buffered::{BufferedConnection, BufferedServerHandshake};
/// use sockless::connection::Server;
/// use sockless::handshake::{AcceptOptions, HttpResponse, Request};
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
///                 let connection = upgrade.accept(&AcceptOptions::new(), out)?;
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
    pub fn accept(&mut self, options: &AcceptOptions<'_>) -> Result<Option<BufferedConnection<Server>>, AcceptError> {
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
                request.respond(&HttpResponse::upgrade_required(), out)?;
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
        BufferedConnection::from_parts(connection, input, output)
    }

    /// Whether nothing more is to be read.
    #[cfg(feature = "std")]
    pub(super) fn is_over(&self) -> bool {
        self.state != State::Receiving
    }

    #[cfg(feature = "std")]
    pub(super) const fn buffers(&mut self) -> (&mut ReadBuffer, &mut WriteBuffer) {
        (&mut self.input, &mut self.output)
    }
}
