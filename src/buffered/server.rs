//! The server's opening handshake with its buffers.

#[cfg(feature = "deflate")]
use alloc::vec::Vec;
use core::time::Duration;

use super::BufferedConnection;
use super::timing::Timing;
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::connection::{Connection, Server, TransportAction};
#[cfg(feature = "deflate")]
use crate::deflate::DeflateOptions;
use crate::handshake::{AcceptOptions, HandshakeError, HttpResponse, Request, RequestError, ServerHandshake};
use crate::limits::Limits;
use crate::timers::{Deadline, Due, Moment, Timeouts};

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
///             Some((Request::Upgrade(upgrade), out)) if upgrade.path() == "/chat" => {
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
///
/// Where the transport is asynchronous, or does not block:
///
/// ```
/// # use sockless::handshake::{HttpResponse, Request};
/// # use sockless::{AcceptOptions, BufferedConnection, BufferedServerHandshake, Limits, Moment, Server, TransportAction};
/// # use core::time::Duration;
/// # trait Stream { async fn read(&mut self, space: &mut [u8]) -> Result<usize, Error>; async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error>; async fn shutdown(&mut self) -> Result<(), Error>; }
/// # type Error = Box<dyn std::error::Error>;
/// # async fn timeout<T>(wait: Option<Duration>, future: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> { Ok(Some(future.await?)) }
/// // `timeout` returns `None` if the time has passed first. Without a time, it waits as long as it takes.
/// async fn open(stream: &mut impl Stream) -> Result<Option<BufferedConnection<Server>>, Error> {
///     let mut handshake = BufferedServerHandshake::new(&Limits::default());
///     loop {
///         handshake.tick(Moment::now());
///         match handshake.receive()? {
///             Some((Request::Upgrade(upgrade), out)) => {
///                 let connection = upgrade.accept(&AcceptOptions::new(), out)?;
///                 return Ok(Some(handshake.into_connection(connection))); // the response is in its output
///             }
///             Some((Request::Http(request), out)) => request.respond(&HttpResponse::new(404), out)?,
///             None => {}
///         }
///         let wait = handshake.tick(Moment::now());
///         if !handshake.output().is_empty() {
///             if let Some(len) = timeout(wait, stream.write(handshake.output())).await? {
///                 handshake.written(len);
///             }
///             continue;
///         }
///         match handshake.transport() {
///             TransportAction::ShutDownSend => {
///                 stream.shutdown().await?;
///                 handshake.sending_shut_down();
///                 continue;
///             }
///             TransportAction::Close | TransportAction::Abort => return Ok(None), // it was no upgrade
///             _ => {}
///         }
///         match timeout(wait, stream.read(handshake.space())).await? {
///             Some(0) => handshake.end_of_stream()?,
///             Some(len) => handshake.advance(len),
///             None => {} // the next tick does what is due
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct BufferedServerHandshake {
    handshake: ServerHandshake,
    input: ReadBuffer,
    output: WriteBuffer,
    state: State,
    /// Whether a plain HTTP request was answered with status 426.
    not_websocket: bool,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateOptions>,
    timing: Timing,
}

/// How much is read and discarded behind an answer that is no upgrade, in bytes, so that a client which is still sending
/// gets to see it.
const DRAINED: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The request is not complete.
    Receiving,
    /// The request was handed out, or refused.
    Answered,
    /// The answer was written and the sending direction shut down; so many bytes were read and discarded since.
    Draining(usize),
    /// The stream has ended.
    Ended,
    /// Enough was discarded, or a deadline has passed.
    GivenUp,
}

impl State {
    /// Whether nothing is left to do behind an answer that is no upgrade.
    fn is_over(self, output: &WriteBuffer) -> bool {
        match self {
            Self::Receiving | Self::Answered | Self::Draining(_) => false,
            Self::Ended | Self::GivenUp => !output.is_due(),
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
            not_websocket: false,
            #[cfg(feature = "deflate")]
            deflate: None,
            timing: Timing::new(),
        }
    }

    /// Agrees to compressed messages (RFC 7692) with clients that offer them. [`accept`](Self::accept) answers the offer
    /// then, behind other [extensions](AcceptOptions::extensions) that it agrees to.
    ///
    /// Who calls [`receive`](Self::receive) instead answers the offer itself, with [`DeflateOptions::accept`] and
    /// [`AcceptOptions::extensions`], and gives what was agreed to
    /// [`BufferedConnection::with_deflate`].
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn with_deflate(mut self, options: DeflateOptions) -> Self {
        self.deflate = Some(options);
        self
    }

    /// The request, once its head is complete, and the output to answer it into. It comes once. `None` means that the
    /// output is to be written, that [`transport`](Self::transport) is to be followed, and that more has to be read.
    ///
    /// Accept an upgrade and go on with [`into_connection`](Self::into_connection), before anything is exchanged; answer
    /// anything else and go on here. Behind an answer of yours, which closes the stream, this returns `None` from then on:
    /// leave when [`transport`](Self::transport) says [`Close`](TransportAction::Close).
    ///
    /// # Errors
    /// [`RequestError::Refused`] if the client violated a rule, but only when nothing is left to do: the answer has been
    /// written, and [`transport`](Self::transport) says [`Close`](TransportAction::Close). Until then the result is `None`.
    pub fn receive(&mut self) -> Result<Option<(Request<'_>, &mut WriteBuffer)>, RequestError> {
        self.drain();
        let received = self.handshake.receive(&mut self.input, &mut self.output);
        if self.state == State::Receiving && matches!(received, Ok(Some(_)) | Err(RequestError::Refused(_))) {
            self.state = State::Answered;
        }
        match received {
            Ok(Some(request)) => Ok(Some((request, &mut self.output))),
            Ok(None) => Ok(None),
            Err(RequestError::Refused(_)) if !self.state.is_over(&self.output) => Ok(None),
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
            self.drain();
            return if self.state.is_over(&self.output) {
                Err(RequestError::NotWebSocket)
            } else {
                Ok(None)
            };
        }
        #[cfg(feature = "deflate")]
        let deflate = self.deflate;
        match self.receive()? {
            None => Ok(None),
            Some((Request::Upgrade(upgrade), out)) => {
                #[cfg(feature = "deflate")]
                if let Some(agreed) = deflate.and_then(|options| options.accept(upgrade.request().extensions())) {
                    let (others, mut implemented) = (options.extensions, options.implemented);
                    implemented.compression = true;
                    let mut all = Vec::new();
                    // Without memory for the list, messages go plain.
                    if all.try_reserve_exact(others.len().saturating_add(1)).is_ok() {
                        all.extend_from_slice(others);
                        all.push(agreed.as_str());
                        let options = options.extensions(&all, implemented);
                        let connection = upgrade.accept(&options, out)?;
                        return Ok(Some(self.take_connection(connection).with_deflate(&agreed)));
                    }
                }
                let connection = upgrade.accept(options, out)?;
                Ok(Some(self.take_connection(connection)))
            }
            Some((Request::Http(request), out)) => {
                let response = HttpResponse::new(426)
                    .headers(&[("Content-Type", "text/plain")])
                    .body(b"This is a WebSocket server.\n");
                request.respond(&response, out)?;
                self.not_websocket = true;
                Ok(None)
            }
        }
    }

    /// What to do with the transport: [`Continue`](TransportAction::Continue) until an answer that is no upgrade is written.
    /// Behind it the sending direction is shut down, and the stream drained, so that the answer is not lost to a reset. It is
    /// [`Close`](TransportAction::Close) when the stream has ended, more than 65,536 bytes were drained, or a deadline has
    /// passed.
    #[must_use]
    pub fn transport(&self) -> TransportAction {
        match self.state {
            State::Receiving => TransportAction::Continue,
            State::Answered if self.output.is_due() => TransportAction::Continue,
            State::Answered => TransportAction::ShutDownSend,
            State::Draining(_) => TransportAction::Drain,
            State::Ended | State::GivenUp => TransportAction::Close,
        }
    }

    /// The sending direction of the transport was shut down, as [`transport`](Self::transport) asked.
    pub fn sending_shut_down(&mut self) {
        if self.state == State::Answered {
            self.state = State::Draining(0);
            self.drain();
        }
    }

    /// Discards what was read behind an answer that is no upgrade, up to a bound.
    fn drain(&mut self) {
        let before = match self.state {
            State::Draining(before) => before,
            // The answer is not written yet, or it is an upgrade, which takes what follows the head.
            State::Answered if self.input.unread().len() > DRAINED => DRAINED,
            State::GivenUp => DRAINED + 1,
            State::Receiving | State::Answered | State::Ended => return,
        };
        let total = before.saturating_add(self.input.unread().len());
        self.input.at.discard();
        self.state = if total > DRAINED {
            State::GivenUp
        } else {
            State::Draining(total)
        };
    }

    /// Space to read from the transport into, empty if there is no memory for it, as [`BufferedConnection::space`].
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Takes in the first `len` bytes of the [`space`](Self::space): the transport has read them there. Behind an answer
    /// that is no upgrade they are discarded.
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
        self.drain();
    }

    /// Bytes for the transport.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.unwritten()
    }

    /// The transport has taken the first `len` bytes of the [`output`](Self::output).
    pub fn written(&mut self, len: usize) {
        self.output.written(len);
    }

    /// The client will send nothing more.
    ///
    /// # Errors
    /// [`HandshakeError::EndOfStream`] if the head is not complete.
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        if self.state == State::Receiving && self.input.is_exhausted() {
            // There was no memory to read into, which is not the end.
            return Ok(());
        }
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Receiving => self.handshake.end_of_stream(),
            State::Answered | State::Draining(_) | State::Ended | State::GivenUp => Ok(()),
        }
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
        let mut ws = BufferedConnection::from_parts(connection, input, output).with_timing(self.timing);
        if self.state == State::GivenUp {
            // A deadline has passed, or what follows the head was discarded: the client gets no response.
            ws.abort();
        }
        ws
    }

    /// Keeps the deadlines of the handshake. `now` is the only clock. Returns how long the next wait for the transport may
    /// take at most; `None` if nothing has a deadline. Call it as [`BufferedConnection::tick`]; the connection goes on with
    /// the same clocks and [`Timeouts`].
    ///
    /// If the head has not come in time, it is answered with status 408 (not at all if nothing came), and
    /// [`receive`](Self::receive) and [`accept`](Self::accept) return [`HandshakeError::TimedOut`] once nothing is left to
    /// do. An answer that is no upgrade has the deadlines of closing.
    pub fn tick(&mut self, now: Moment) -> Option<Duration> {
        self.timing.shake(now, &self.input, &self.output);
        if self.state != State::Receiving && !self.state.is_over(&self.output) {
            self.timing.answered();
        }
        let wait = loop {
            let due = match self.timing.due() {
                Ok(due) => due,
                Err(wait) => break wait,
            };
            match (due, self.state) {
                (Due::Passed(Deadline::Handshake | Deadline::Message), State::Receiving) => {
                    // The error comes again from `receive`.
                    if self.handshake.timed_out(&mut self.input, &mut self.output).is_err() {
                        self.state = if self.output.is_due() {
                            State::Answered
                        } else {
                            State::Ended
                        };
                        self.timing.answered();
                    }
                }
                (Due::Passed(_) | Due::Ping(_), State::Receiving) => {}
                (
                    Due::Passed(_) | Due::Ping(_),
                    State::Answered | State::Draining(_) | State::Ended | State::GivenUp,
                ) => {
                    self.output.discard();
                    self.state = State::GivenUp;
                }
            }
            self.timing.shake(now, &self.input, &self.output);
        };
        wait.filter(|_| !self.state.is_over(&self.output))
    }

    /// Sets how long the client may take for what, here and on the connection. The clocks start again with the next
    /// [`tick`](Self::tick).
    pub const fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.timing.set_timeouts(timeouts);
    }

    #[cfg(feature = "std")]
    pub(super) const fn timing(&self) -> &Timing {
        &self.timing
    }
}
