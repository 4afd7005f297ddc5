//! The opening handshakes with their buffers.

use super::BufferedConnection;
use super::buffers::{Input, WriteBuffer};
use crate::connection::{Client, Server};
use crate::entropy::Entropy;
use crate::handshake::{
    ClientHandshake, HandshakeError, Proposal, Request, RequestError, Response, ServerHandshake, WebSocketUri,
    WriteError,
};
use crate::limits::Limits;
use crate::message::MessageConnection;

/// How much a handshake reads at once, in bytes: more than a browser's request.
const HEAD_READ_LEN: usize = 4 << 10;

/// The opening handshake of a server, with its buffers. It becomes a [`BufferedConnection`].
///
/// ```
/// use sockless::buffered::{BufferedConnection, BufferedServerHandshake};
/// use sockless::connection::Server;
/// use sockless::handshake::{Acceptance, HttpResponse, Request};
/// use sockless::limits::Limits;
/// # use std::io::{Read, Write};
///
/// # fn open(mut stream: impl Read + Write)
/// # -> Result<Option<BufferedConnection<Server>>, Box<dyn std::error::Error>> {
/// let mut handshake = BufferedServerHandshake::new(&Limits::default());
/// loop {
///     match stream.read(handshake.space())? {
///         0 => handshake.end_of_stream()?,
///         len => handshake.advance(len),
///     }
///     match handshake.receive() {
///         Ok(None) => continue,
///         Ok(Some((Request::Upgrade(upgrade), out))) => {
///             let connection = upgrade.accept(&Acceptance::new(), out)?;
///             return Ok(Some(handshake.into_connection(connection)));     // the answer is in its output
///         }
///         Ok(Some((Request::Http(request), out))) => request.respond(&HttpResponse::new(404), out)?,
///         Err(error) => eprintln!("{error}"),                             // the answer is in the output
///     }
///     stream.write_all(handshake.output())?;
///     return Ok(None);
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct BufferedServerHandshake {
    handshake: ServerHandshake,
    input: Input,
    output: WriteBuffer,
    /// The length of the head, in bytes, once it is complete.
    head_len: usize,
}

impl BufferedServerHandshake {
    /// A server that has received nothing.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let handshake = ServerHandshake::new(limits);
        Self {
            handshake,
            input: Input::default(),
            output: WriteBuffer::default(),
            head_len: 0,
        }
    }

    /// Space to read into; then say how much was read with [`advance`](Self::advance).
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space(HEAD_READ_LEN)
    }

    /// `len` bytes were read into [`space`](Self::space).
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
    }

    /// The request, once its head is complete, and the output to answer it into.
    ///
    /// # Errors
    /// As [`ServerHandshake::receive`]: the answer is in the output.
    pub fn receive(&mut self) -> Result<Option<(Request<'_>, &mut WriteBuffer)>, RequestError> {
        let Self {
            handshake,
            input,
            output,
            head_len,
        } = self;
        let request = handshake.receive(input.bytes(), output)?;
        Ok(request.map(|request| {
            *head_len = request.head_len();
            (request, output)
        }))
    }

    /// What followed the head, once the request was handed out: the connection's first input, or the start of the body of
    /// a plain request.
    #[must_use]
    pub fn after_head(&self) -> &[u8] {
        // No head is empty: without a length, it is not complete.
        let received = if self.head_len > 0 { self.input.bytes() } else { &[] };
        received.get(self.head_len..).unwrap_or_default()
    }

    /// The client will send nothing more.
    ///
    /// # Errors
    /// As [`ServerHandshake::end_of_stream`].
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        self.handshake.end_of_stream()
    }

    /// What is to be written to the transport; then say how much was with [`written`](Self::written).
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_bytes()
    }

    /// The transport has taken `len` bytes of [`output`](Self::output).
    pub fn written(&mut self, len: usize) {
        self.output.written(len);
    }

    /// Goes on with the connection that [`Upgrade::accept`](crate::handshake::Upgrade::accept) has opened: with what
    /// followed the head as its first input, and with the answer in its output unless it was written before.
    #[must_use]
    pub fn into_connection(self, connection: impl Into<MessageConnection<Server>>) -> BufferedConnection<Server> {
        BufferedConnection::from_parts(connection.into(), self.input.after(self.head_len), self.output)
    }
}

/// The opening handshake of a client, with its buffers. It becomes a [`BufferedConnection`].
///
/// ```
/// use sockless::buffered::{BufferedClientHandshake, BufferedConnection};
/// use sockless::connection::Client;
/// use sockless::entropy::Entropy;
/// use sockless::handshake::{Proposal, Response, WebSocketUri};
/// use sockless::limits::Limits;
/// # use std::io::{Read, Write};
///
/// # fn open<E: Entropy>(mut stream: impl Read + Write, entropy: E)
/// # -> Result<BufferedConnection<Client<E>>, Box<dyn std::error::Error>> {
/// // `entropy` is an `OsEntropy` (feature `getrandom`), or a closure over a generator of your own.
/// let uri = WebSocketUri::parse("ws://127.0.0.1:9001/")?;
/// let mut handshake = BufferedClientHandshake::start(&uri, &Proposal::new(), entropy, &Limits::default())?;
/// stream.write_all(handshake.output())?;
/// handshake.written(handshake.output().len());
/// loop {
///     match stream.read(handshake.space())? {
///         0 => handshake.end_of_stream()?,
///         len => handshake.advance(len),
///     }
///     match handshake.receive()? {
///         None => continue,
///         Some(Response::Refused(refused)) => return Err(format!("status {}", refused.status()).into()),
///         Some(Response::Accepted(_)) => return handshake.into_connection().map_err(|_| "not accepted".into()),
///     }
/// }
/// # }
/// ```
pub struct BufferedClientHandshake<'r, E> {
    handshake: ClientHandshake<'r>,
    entropy: E,
    input: Input,
    output: WriteBuffer,
}

impl<'r, E: Entropy> BufferedClientHandshake<'r, E> {
    /// Puts the request into the output. The key, and later the mask keys, come from `entropy`.
    ///
    /// # Errors
    /// As [`ClientHandshake::start`].
    pub fn start(
        uri: &WebSocketUri<'_>,
        proposal: &Proposal<'r>,
        mut entropy: E,
        limits: &Limits,
    ) -> Result<Self, WriteError> {
        let mut output = WriteBuffer::default();
        let handshake = ClientHandshake::start(uri, proposal, &mut entropy, limits, &mut output)?;
        Ok(Self {
            handshake,
            entropy,
            input: Input::default(),
            output,
        })
    }

    /// Space to read into; then say how much was read with [`advance`](Self::advance).
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space(HEAD_READ_LEN)
    }

    /// `len` bytes were read into [`space`](Self::space).
    pub fn advance(&mut self, len: usize) {
        self.input.advance(len);
    }

    /// The response, once its head is complete.
    ///
    /// # Errors
    /// As [`ClientHandshake::receive`].
    pub fn receive(&mut self) -> Result<Option<Response<'_>>, HandshakeError> {
        self.handshake.receive(self.input.bytes())
    }

    /// All that has arrived, from the first byte of the head on.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        self.input.bytes()
    }

    /// The server will send nothing more.
    ///
    /// # Errors
    /// As [`ClientHandshake::end_of_stream`].
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        self.handshake.end_of_stream()
    }

    /// What is to be written to the transport; then say how much was with [`written`](Self::written).
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_bytes()
    }

    /// The transport has taken `len` bytes of [`output`](Self::output).
    pub fn written(&mut self, len: usize) {
        self.output.written(len);
    }

    /// Goes on with the connection, with what followed the head as its first input.
    ///
    /// # Errors
    /// The handshake itself, unless [`receive`](Self::receive) shows that it was accepted.
    #[allow(clippy::result_large_err, reason = "the error is the handshake, handed back")]
    pub fn into_connection(self) -> Result<BufferedConnection<Client<E>>, Self> {
        let Self {
            mut handshake,
            entropy,
            input,
            output,
        } = self;
        let (connection, head_len) = match handshake.receive(input.bytes()) {
            Ok(Some(Response::Accepted(accepted))) => {
                let head_len = accepted.head_len();
                (accepted.into_connection(entropy), head_len)
            }
            Ok(Some(Response::Refused(_)) | None) | Err(_) => {
                return Err(Self {
                    handshake,
                    entropy,
                    input,
                    output,
                });
            }
        };
        Ok(BufferedConnection::from_parts(
            connection.into(),
            input.after(head_len),
            output,
        ))
    }
}

impl<E> core::fmt::Debug for BufferedClientHandshake<'_, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BufferedClientHandshake")
            .field("handshake", &self.handshake)
            .finish_non_exhaustive()
    }
}
