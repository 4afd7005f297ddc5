//! The client's opening handshake with its buffers.

use core::fmt;
use core::time::Duration;

use super::BufferedConnection;
use super::timing::Timing;
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::connection::{Client, Connection};
#[cfg(feature = "deflate")]
use crate::deflate::{DeflateAgreement, DeflateOptions};
use crate::entropy::Entropy;
use crate::handshake::{ClientHandshake, ConnectError, ConnectOptions, HandshakeError, Response, WebSocketUri};
use crate::limits::Limits;
use crate::timers::{Moment, Timeouts};

/// The opening handshake of a client, with its buffers. It becomes a [`BufferedConnection`].
///
/// ```
/// use sockless::buffered::{BufferedClientHandshake, BufferedConnection};
/// use sockless::connection::Client;
/// use sockless::entropy::Entropy;
/// use sockless::handshake::{ConnectOptions, WebSocketUri};
/// use sockless::limits::Limits;
/// # use std::io::{Read, Write};
///
/// /// `entropy` is an `OsEntropy` (feature `getrandom`), or a closure over a generator of your own.
/// fn open<E: Entropy>(
///     mut stream: impl Read + Write,
///     entropy: E,
/// ) -> Result<Option<BufferedConnection<Client<E>>>, Box<dyn std::error::Error>> {
///     let uri = WebSocketUri::parse("ws://127.0.0.1:9001/")?;
///     let mut handshake = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &Limits::default())?;
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
    limits: Limits,
    connection: Option<Connection<Client<E>>>,
    input: ReadBuffer,
    output: WriteBuffer,
    ended: bool,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateOptions>,
    #[cfg(feature = "deflate")]
    agreed: Option<DeflateAgreement>,
    timing: Timing,
}

impl<'r, E: Entropy> BufferedClientHandshake<'r, E> {
    /// Puts the request into the output. The key, and later the mask keys, come from `entropy`.
    ///
    /// # Errors
    /// As [`ClientHandshake::start`].
    pub fn start(
        uri: &WebSocketUri<'_>,
        options: &ConnectOptions<'r>,
        mut entropy: E,
        limits: &Limits,
    ) -> Result<Self, ConnectError> {
        let mut output = WriteBuffer::new();
        let handshake = ClientHandshake::start(uri, options, &mut entropy, limits, &mut output)?;
        Ok(Self {
            handshake,
            entropy: Some(entropy),
            limits: *limits,
            connection: None,
            input: ReadBuffer::new(),
            output,
            ended: false,
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "deflate")]
            agreed: None,
            timing: Timing::new(),
        })
    }

    /// Judges what the server answers to an offer of compressed messages (RFC 7692), and makes the connection compress if it
    /// agrees. The offer itself is for the options that the handshake starts with:
    ///
    /// ```
    /// use sockless::buffered::BufferedClientHandshake;
    /// use sockless::connection::Extensions;
    /// use sockless::deflate::DeflateOptions;
    /// use sockless::handshake::{ConnectOptions, WebSocketUri};
    /// use sockless::limits::Limits;
    ///
    /// let deflate = DeflateOptions::new();
    /// let offer = deflate.offer();
    /// let offers = [offer.as_str()];
    /// let options = ConnectOptions::new().extensions(&offers, Extensions::COMPRESSION);
    /// let uri = WebSocketUri::parse("ws://127.0.0.1:9001/")?;
    /// # let entropy = |bytes: &mut [u8]| bytes.fill(0);
    /// let handshake =
    ///     BufferedClientHandshake::start(&uri, &options, entropy, &Limits::default())?.with_deflate(deflate);
    /// # let _ = handshake;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, options: DeflateOptions) -> Self {
        self.deflate = Some(options);
        self
    }

    /// The response, once its head is complete, to look at. It comes once. If it is
    /// [`Accepted`](Response::Accepted), [`connect`](Self::connect) returns the connection.
    ///
    /// # Errors
    /// As [`ClientHandshake::receive`].
    pub fn receive(&mut self) -> Result<Option<Response<'_>>, HandshakeError> {
        let response = self.handshake.receive(&mut self.input)?;
        if let Some(Response::Accepted(accepted)) = &response {
            #[cfg(feature = "deflate")]
            if let Some(deflate) = &self.deflate {
                // Section 5.1: "the client MUST _Fail the WebSocket Connection_."
                self.agreed = deflate.judge(accepted.extensions())?;
            }
            let open = |entropy| accepted.clone().into_connection(entropy, &self.limits);
            self.connection = self.entropy.take().map(open);
        }
        Ok(response)
    }

    /// The connection, once the server has accepted. What followed the response is in its input. `None` means that the
    /// output is to be written, and that more has to be read.
    ///
    /// # Errors
    /// [`ConnectError::Failed`] and [`ConnectError::Rejected`].
    pub fn connect(&mut self) -> Result<Option<BufferedConnection<Client<E>>>, ConnectError> {
        if self.connection.is_none() {
            if let Some(Response::Rejected { status, .. }) = self.receive()? {
                return Err(ConnectError::Rejected { status });
            }
        }
        Ok(self.connection.take().map(|connection| {
            let input = core::mem::take(&mut self.input);
            let output = core::mem::take(&mut self.output);
            let ws = BufferedConnection::from_parts(connection, input, output).with_timing(self.timing);
            #[cfg(feature = "deflate")]
            if let Some(agreed) = &self.agreed {
                return ws.with_deflate(agreed);
            }
            ws
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
        let wait = loop {
            if let Err(wait) = self.timing.due() {
                break wait;
            }
            if self.handshake.timed_out().is_err() {
                self.ended = true;
                self.output.discard();
            }
        };
        wait.filter(|_| !self.ended)
    }

    /// Sets how long the server may take for what, here and on the connection. The clocks start again with the next
    /// [`tick`](Self::tick).
    pub const fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.timing.set_timeouts(timeouts);
    }

    /// Space to read from the transport into, empty if there is no memory for it, as [`BufferedConnection::space`].
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Takes in the first `len` bytes of the [`space`](Self::space): the transport has read them there.
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
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

    /// The server will send nothing more.
    ///
    /// # Errors
    /// [`HandshakeError::EndOfStream`] if the head is not complete.
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        if self.input.is_exhausted() {
            // There was no memory to read into, which is not the end.
            return Ok(());
        }
        self.ended = true;
        self.handshake.end_of_stream()
    }

    /// Both buffers, to read the transport into and to write it from where [`exchange`](Self::exchange) does not. After a
    /// response that does not accept, the start of its body is what the first has [unread](ReadBuffer::unread).
    pub const fn buffers(&mut self) -> (&mut ReadBuffer, &mut WriteBuffer) {
        (&mut self.input, &mut self.output)
    }

    #[cfg(feature = "std")]
    pub(super) const fn timing(&self) -> &Timing {
        &self.timing
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
