//! The client's opening handshake with its buffers.

use core::fmt;
use core::time::Duration;

use super::BufferedConnection;
use super::timing::Timing;
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::connection::{Client, Connection};
use crate::entropy::Entropy;
use crate::handshake::{ClientHandshake, HandshakeError, Proposal, Response, WebSocketUri, WriteError};
use crate::limits::Limits;
use crate::timers::{Moment, Timeouts};

/// The opening handshake of a client, with its buffers. It becomes a [`BufferedConnection`].
///
/// ```
/// use sockless::buffered::{BufferedClientHandshake, BufferedConnection};
/// use sockless::connection::Client;
/// use sockless::entropy::Entropy;
/// use sockless::handshake::{Proposal, WebSocketUri};
/// use sockless::limits::Limits;
/// # use std::io::{Read, Write};
///
/// /// `entropy` is an `OsEntropy` (feature `getrandom`), or a closure over a generator of your own.
/// fn open<E: Entropy>(
///     mut stream: impl Read + Write,
///     entropy: E,
/// ) -> Result<Option<BufferedConnection<Client<E>>>, Box<dyn std::error::Error>> {
///     let uri = WebSocketUri::parse("ws://127.0.0.1:9001/")?;
///     let mut handshake = BufferedClientHandshake::start(&uri, &Proposal::new(), entropy, &Limits::default())?;
///     while handshake.exchange(&mut stream)? {
///         if let Some(ws) = handshake.connect()? {
///             return Ok(Some(ws));
///         }
///     }
///     Ok(None)
/// }
/// ```
pub struct BufferedClientHandshake<'r, E> {
    handshake: ClientHandshake<'r>,
    /// Taken by the connection.
    entropy: Option<E>,
    connection: Option<Connection<Client<E>>>,
    input: ReadBuffer,
    output: WriteBuffer,
    ended: bool,
    timing: Timing,
}

/// Why [`BufferedClientHandshake::connect`] has not opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server violated a rule.
    Failed(HandshakeError),
    /// The server answered with this status instead of 101.
    Rejected {
        /// The status, 200 to 999.
        status: u16,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Rejected { status } => write!(f, "the server answered with status {status}"),
        }
    }
}

impl core::error::Error for ConnectError {}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        Self::Failed(error)
    }
}

impl<'r, E: Entropy> BufferedClientHandshake<'r, E> {
    /// Puts the request into the output. The key, and later the mask keys, come from `entropy`.
    ///
    /// # Errors
    /// As [`ClientHandshake::start`].
    pub fn start(
        uri: &WebSocketUri<'_>,
        options: &Proposal<'r>,
        mut entropy: E,
        limits: &Limits,
    ) -> Result<Self, WriteError> {
        let mut output = WriteBuffer::new();
        let handshake = ClientHandshake::start(uri, options, &mut entropy, limits, &mut output)?;
        Ok(Self {
            handshake,
            entropy: Some(entropy),
            connection: None,
            input: ReadBuffer::new(),
            output,
            ended: false,
            timing: Timing::new(),
        })
    }

    /// Room to read into. Then say how much was read with [`advance`](Self::advance).
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// `len` bytes were read into [`space`](Self::space). At most its length counts.
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
    }

    /// The response, once its head is complete, to look at. It comes once. If it is
    /// [`Accepted`](Response::Accepted), [`connect`](Self::connect) returns the connection.
    ///
    /// # Errors
    /// As [`ClientHandshake::receive`].
    pub fn receive(&mut self) -> Result<Option<Response<'_>>, HandshakeError> {
        let response = self.handshake.receive(&mut self.input)?;
        if let Some(Response::Accepted(accepted)) = &response {
            let connection = |entropy| accepted.clone().into_connection(entropy);
            self.connection = self.entropy.take().map(connection);
        }
        Ok(response)
    }

    /// The connection, once the server has accepted. What followed the response is in its input. `None` means that the
    /// output is to be written, and that more has to be read.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub fn connect(&mut self) -> Result<Option<BufferedConnection<Client<E>>>, ConnectError> {
        if self.connection.is_none() {
            if let Some(Response::Refused(rejected)) = self.receive()? {
                let status = rejected.status();
                return Err(ConnectError::Rejected { status });
            }
        }
        Ok(self.connection.take().map(|connection| {
            let input = core::mem::take(&mut self.input);
            let output = core::mem::take(&mut self.output);
            BufferedConnection::from_parts(connection, input, output).with_timing(self.timing)
        }))
    }

    /// Keeps the deadlines of the handshake. `now` is the only clock. Returns how long the next wait for the transport may
    /// take at most; `None` if nothing has a deadline. Call it as [`BufferedConnection::tick`]; the connection goes on with
    /// the same clocks and [`Timeouts`].
    ///
    /// If the response has not come in time, [`connect`](Self::connect) and [`receive`](Self::receive) return
    /// [`HandshakeError::TimedOut`]: drop the transport.
    pub fn tick(&mut self, now: Moment) -> Option<Duration> {
        self.timing.shake(now, &self.input, &self.output);
        while self.timing.due().is_some() {
            if self.handshake.timed_out().is_err() {
                self.ended = true;
                self.output.discard();
            }
        }
        if self.ended { None } else { self.timing.wait() }
    }

    /// Sets how long the server may take for what, here and on the connection. The clocks start again with the next
    /// [`tick`](Self::tick).
    pub const fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.timing.set_timeouts(timeouts);
    }

    /// What was read behind the head: the start of the body of a response that is no upgrade.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.input.unread()
    }

    /// The server will send nothing more.
    ///
    /// # Errors
    /// As [`ClientHandshake::end_of_stream`].
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        self.ended = true;
        self.handshake.end_of_stream()
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

    #[cfg(feature = "std")]
    pub(super) const fn timing(&self) -> &Timing {
        &self.timing
    }

    #[cfg(feature = "std")]
    pub(super) const fn buffers(&mut self) -> (&mut ReadBuffer, &mut WriteBuffer) {
        (&mut self.input, &mut self.output)
    }

    #[cfg(feature = "std")]
    pub(super) const fn is_over(&self) -> bool {
        self.ended
    }
}

impl<E> fmt::Debug for BufferedClientHandshake<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedClientHandshake")
            .field("handshake", &self.handshake)
            .finish_non_exhaustive()
    }
}
