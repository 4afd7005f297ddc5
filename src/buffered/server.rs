//! The server's opening handshake with its buffers.

use super::BufferedConnection;
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::connection::{Connection, Server};
use crate::handshake::{AcceptOptions, HandshakeError, HttpResponse, Request, RequestError, ServerHandshake};
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
/// use std::net::{Shutdown, TcpStream};
///
/// fn open(
///     mut stream: TcpStream,
/// ) -> Result<Option<BufferedConnection<Server>>, Box<dyn std::error::Error>> {
///     let mut handshake = BufferedServerHandshake::new(&Limits::default());
///     while handshake.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
///         match handshake.receive()? {
///             Some((Request::Upgrade(upgrade), out)) if upgrade.resource_name().path() == "/chat" => {
///                 let connection = upgrade.accept(&AcceptOptions::new(), out)?;
///                 return Ok(Some(handshake.into_connection(connection))); // the response is in its output
///             }
///             Some((Request::Upgrade(upgrade), out)) => upgrade.reject(&HttpResponse::new(404), out)?,
///             Some((Request::Http(request), out)) => request.respond(&HttpResponse::new(404), out)?,
///             None => {}
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
    pub(super) state: State,
    /// Whether a plain HTTP request was answered with status 426.
    not_websocket: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The request is not complete.
    Receiving,
    /// The request was handed out, or refused.
    Answered,
    /// The answer was written, and the sending direction is to be shut down.
    Written,
    /// The answer was written and the sending direction shut down; so many bytes were read and discarded since.
    Draining(usize),
    /// The stream has ended, or enough was discarded.
    Ended,
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
            not_websocket: false,
        }
    }

    /// The request, once its head is complete, and the output to answer it into. It comes once. `None` means that the
    /// output is to be written, and that more has to be read.
    ///
    /// Accept an upgrade and go on with [`into_connection`](Self::into_connection); answer anything else and go on here.
    ///
    /// # Errors
    /// [`RequestError::Refused`] if the client violated a rule, but only when nothing is left to do: after the answer has
    /// been written and, over [`exchange`](Self::exchange), the stream has ended. Until then the result is `None`.
    pub fn receive(&mut self) -> Result<Option<(Request<'_>, &mut WriteBuffer)>, RequestError> {
        match self.handshake.receive(&mut self.input, &mut self.output) {
            Ok(Some(request)) => {
                self.state = State::Answered;
                Ok(Some((request, &mut self.output)))
            }
            Ok(None) => Ok(None),
            Err(error @ RequestError::Refused(_)) => {
                let busy = is_busy(&mut self.state, &self.output);
                if busy { Ok(None) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// Accepts whatever opening handshake comes, and answers a plain HTTP request with status 426. The response is in the
    /// output of the connection. `None` means that the output is to be written, and that more has to be read.
    ///
    /// # Errors
    /// [`RequestError`]. What the client did wrong is told when nothing is left to do, as by [`receive`](Self::receive).
    pub fn accept(&mut self, options: &AcceptOptions<'_>) -> Result<Option<BufferedConnection<Server>>, RequestError> {
        if self.not_websocket {
            return if is_busy(&mut self.state, &self.output) {
                Ok(None)
            } else {
                Err(RequestError::NotWebSocket)
            };
        }
        let connection = match self.receive()? {
            None => return Ok(None),
            Some((Request::Upgrade(upgrade), out)) => upgrade.accept(options, out)?,
            Some((Request::Http(request), out)) => {
                let response = HttpResponse::new(426)
                    .headers(&[("Content-Type", "text/plain")])
                    .body(b"This is a WebSocket server.\n");
                request.respond(&response, out)?;
                self.not_websocket = true;
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

    /// Both buffers, to read the transport into and to write it from where [`exchange`](Self::exchange) does not. After a
    /// plain request, the start of its body is what the first has [unread](ReadBuffer::unread).
    pub const fn buffers(&mut self) -> (&mut ReadBuffer, &mut WriteBuffer) {
        (&mut self.input, &mut self.output)
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
}

/// Behind an answer that is no upgrade: whether it is still to be written, or the stream to be drained.
fn is_busy(state: &mut State, output: &WriteBuffer) -> bool {
    if *state == State::Receiving {
        *state = State::Answered;
    }
    output.is_due() || matches!(state, State::Written | State::Draining(_))
}
