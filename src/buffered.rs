//! For those who just want a loop: a machine that owns its buffers.
//!
//! It is a shell over [`message`](crate::message) and [`handshake`](crate::handshake): read into
//! [`space`](BufferedConnection::space), say how much with [`advance`](BufferedConnection::advance), take
//! [`events`](BufferedConnection::next_event), write [`output`](BufferedConnection::output) and say how much with
//! [`written`](BufferedConnection::written). While a large message is under way, the space to read into is the buffer
//! in which it is put together, so that it is not copied.

use alloc::vec::Vec;

use crate::connection::{Client, CloseRecord, Payload, Role, Sender, Server, Transport};
use crate::entropy::Entropy;
use crate::error::{ReceiveError, SendError};
use crate::frame::{CloseCode, MessageKind};
use crate::handshake::{
    ClientHandshake, HandshakeError, Proposal, Request, RequestError, Response, ServerHandshake, WebSocketUri,
    WriteError,
};
use crate::limits::Limits;
use crate::message::{Event, MessageConnection};
use crate::output::{Output, OutputFull};

/// How much a machine reads at once, in bytes, unless told otherwise.
pub const DEFAULT_READ_LEN: usize = 16 << 10;

/// How much a handshake reads at once, in bytes: more than a browser's request.
const HEAD_READ_LEN: usize = 4 << 10;

/// Bytes that were read and not yet taken in.
#[derive(Debug, Default)]
struct Input {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn with(bytes: &[u8]) -> Self {
        Self {
            memory: bytes.to_vec(),
            start: 0,
            end: bytes.len(),
        }
    }

    const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// At least `len` bytes of space behind what is there.
    fn space(&mut self, len: usize) -> &mut [u8] {
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
        if self.memory.len() - self.end < len {
            if self.start > 0 {
                self.memory.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.memory.len() - self.end < len {
                self.memory.resize(self.end + len, 0);
            }
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// What comes after the first `len` bytes.
    fn after(mut self, len: usize) -> Self {
        self.start = self.start.saturating_add(len).min(self.end);
        self
    }

    fn advance(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.memory.len());
    }
}

/// Bytes that are to be written to the transport.
///
/// It is what the machines of this module use as [`Output`].
#[derive(Debug, Default)]
pub struct WriteBuffer {
    memory: Vec<u8>,
    written: usize,
}

impl WriteBuffer {
    /// What is still to be written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.memory.get(self.written..).unwrap_or_default()
    }

    /// The transport has taken `len` bytes.
    fn written(&mut self, len: usize) {
        self.written = self.written.saturating_add(len).min(self.memory.len());
        if self.written == self.memory.len() {
            self.memory.clear();
            self.written = 0;
        }
    }
}

impl Output for WriteBuffer {
    fn len(&self) -> usize {
        self.as_bytes().len()
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        // What waits is moved only where at least as much was written, so that the work stays linear; else memory grows.
        let waiting = self.memory.len() - self.written;
        if self.written > 0 && self.written >= waiting && self.memory.capacity() - self.memory.len() < additional {
            self.memory.drain(..self.written);
            self.written = 0;
        }
        Output::reserve(&mut self.memory, additional)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.memory.extend_from_slice(bytes);
    }
}

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

/// An open connection that owns its buffers.
///
/// ```
/// use sockless::buffered::BufferedConnection;
/// use sockless::connection::{Connection, Server, Transport};
/// use sockless::limits::Limits;
/// use sockless::message::Event;
/// # use std::io::{Read, Write};
/// # fn echo(mut stream: impl Read + Write, leftover: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
///
/// let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()), leftover);
/// while ws.transport() == Transport::KeepGoing {
///     let answered = answer(&mut ws);
///     // Whatever has happened: after an error, the Close is in it.
///     stream.write_all(ws.output())?;
///     ws.written(ws.output().len());
///     answered?;
///     if ws.transport() == Transport::KeepGoing {
///         match stream.read(ws.space())? {
///             0 => drop(ws.end_of_stream()),
///             len => ws.advance(len),
///         }
///     }
/// }
/// # Ok(())
/// # }
///
/// fn answer(ws: &mut BufferedConnection<Server>) -> Result<(), Box<dyn std::error::Error>> {
///     while let Some((event, mut tx)) = ws.next_event()? {
///         match event {
///             Event::Text(text) => tx.text(text)?,
///             Event::Binary(data) => tx.binary(data)?,
///             Event::Ping(_) | Event::Pong(_) | Event::Close(_) => {}
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct BufferedConnection<R> {
    messages: MessageConnection<R>,
    input: Input,
    output: WriteBuffer,
    read_len: usize,
    /// Whether the space that was handed out last is that of the assembly buffer.
    in_assembly: bool,
    /// The bytes read into the assembly buffer and not yet taken in.
    assembled: usize,
}

impl<R: Role> BufferedConnection<R> {
    /// Wraps an open connection; `leftover` is what followed the head of the opening handshake.
    #[must_use]
    pub fn new(connection: impl Into<MessageConnection<R>>, leftover: &[u8]) -> Self {
        Self::from_parts(connection.into(), Input::with(leftover), WriteBuffer::default())
    }

    const fn from_parts(messages: MessageConnection<R>, input: Input, output: WriteBuffer) -> Self {
        Self {
            messages,
            input,
            output,
            read_len: DEFAULT_READ_LEN,
            in_assembly: false,
            assembled: 0,
        }
    }

    /// Sets how much space to read into is offered at least, in bytes: [`DEFAULT_READ_LEN`] otherwise.
    #[must_use]
    pub fn with_read_len(mut self, bytes: usize) -> Self {
        self.read_len = bytes.max(1);
        self
    }

    /// Space to read into; then say how much was read with [`advance`](Self::advance).
    ///
    /// Take all events first: what is taken in frees space, and lets a large message be read straight into its own
    /// buffer.
    pub fn space(&mut self) -> &mut [u8] {
        self.io().0
    }

    /// `len` bytes were read into [`space`](Self::space).
    pub fn advance(&mut self, len: usize) {
        if self.in_assembly {
            self.in_assembly = false;
            self.assembled = len;
        } else {
            self.input.advance(len);
        }
    }

    /// The next event, and the sending side, so that an answer can be sent while the event is still borrowed. `None`
    /// means that more has to be read.
    ///
    /// # Errors
    /// [`ReceiveError::Failed`], again and again, once the peer has broken the RFC or gone over a limit; the Close is
    /// in the output by then, or comes with the last chunk of a frame that is being sent in chunks.
    /// [`ReceiveError::Blocked`] says what to do first: write the output, in which too many replies wait, or finish that
    /// frame.
    pub fn next_event(&mut self) -> Result<Option<(Event<'_>, Tx<'_, R>)>, ReceiveError> {
        let Self {
            messages,
            input,
            output,
            assembled,
            ..
        } = self;
        if *assembled > 0 {
            let ended = messages.take_in_space(*assembled, output);
            // Where a reply has to be written first, nothing was taken in yet.
            if !matches!(ended, Err(ReceiveError::Blocked(_))) {
                *assembled = 0;
            }
            if let Some(kind) = ended? {
                let (event, sender) = messages.assembled(kind);
                return Ok(Some((event, Tx { sender, output })));
            }
        }
        let Input { memory, start, end } = input;
        let mut rest = memory.get_mut(*start..*end).unwrap_or_default();
        let received = messages.receive(&mut rest, output);
        // However it ends, what was taken in is gone.
        *start = *end - rest.len();
        Ok(received?.map(|(event, sender)| (event, Tx { sender, output })))
    }

    /// Takes in the end of the stream, once a read has returned no bytes, and hands out the close record unless an
    /// [`Event::Close`] has already. Take all events first: input from which none were taken is discarded.
    pub fn end_of_stream(&mut self) -> Option<CloseRecord<'_>> {
        self.messages.end_of_stream()
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

    /// The sending side.
    pub const fn tx(&mut self) -> Tx<'_, R> {
        Tx {
            sender: self.messages.sender(),
            output: &mut self.output,
        }
    }

    /// Both at once, for those who wait for the transport to be ready for either: space to read into, and what is to be
    /// written.
    pub fn io(&mut self) -> (&mut [u8], &[u8]) {
        let Self {
            messages,
            input,
            output,
            read_len,
            in_assembly,
            assembled,
        } = self;
        let mut space = None;
        if input.is_empty() && *assembled == 0 {
            space = messages.space(*read_len);
        }
        *in_assembly = space.is_some();
        (space.unwrap_or_else(|| input.space(*read_len)), output.as_bytes())
    }

    /// Takes the machine apart: the connection, the bytes that were read and not taken in, and the output, which is to be
    /// written first. For those who go on with two halves ([`MessageConnection::split`]). Take all events before.
    #[must_use]
    pub fn into_parts(self) -> (MessageConnection<R>, Vec<u8>, WriteBuffer) {
        (self.messages, self.input.bytes().to_vec(), self.output)
    }

    /// Sends a Close frame: [`Sender::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), SendError> {
        self.tx().close(code, reason)
    }

    /// What to do with the transport, once the output is written.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.messages.transport()
    }

    /// How the connection has ended so far: [`Connection::close_record`](crate::connection::Connection::close_record).
    #[must_use]
    pub fn close_record(&self) -> CloseRecord<'_> {
        self.messages.close_record()
    }

    /// Gives back the memory of buffers that are empty and larger than `bytes`, and that of the input's if it is empty. Not
    /// to be called between [`space`](Self::space) and [`advance`](Self::advance): what was read is lost then.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.messages.shrink_to(bytes);
        if self.input.is_empty() {
            self.input = Input::default();
        }
        if self.output.as_bytes().is_empty() {
            self.output.memory.shrink_to(bytes);
        }
    }
}

impl<R> core::fmt::Debug for BufferedConnection<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BufferedConnection")
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

/// The sending side of a [`BufferedConnection`]: the send half and the output it writes to.
#[derive(Debug)]
pub struct Tx<'a, R> {
    sender: &'a mut Sender<R>,
    output: &'a mut WriteBuffer,
}

impl<R: Role> Tx<'_, R> {
    /// Sends a whole text message: [`Sender::text`].
    ///
    /// # Errors
    /// As there.
    pub fn text(&mut self, text: &str) -> Result<(), SendError> {
        self.sender.text(text, self.output)
    }

    /// Sends a whole binary message: [`Sender::binary`].
    ///
    /// # Errors
    /// As there.
    pub fn binary(&mut self, data: &[u8]) -> Result<(), SendError> {
        self.sender.binary(data, self.output)
    }

    /// Sends a whole message: [`Sender::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        self.sender.send(payload, self.output)
    }

    /// Sends the next fragment of a message: [`Sender::part`].
    ///
    /// # Errors
    /// As there.
    pub fn part<'p>(&mut self, payload: impl Into<Payload<'p>>, fin: bool) -> Result<(), SendError> {
        self.sender.part(payload, fin, self.output)
    }

    /// Begins a frame whose payload is sent in chunks: [`Sender::begin_frame`].
    ///
    /// # Errors
    /// As there.
    pub fn begin_frame(&mut self, kind: MessageKind, payload_len: u64, fin: bool) -> Result<(), SendError> {
        self.sender.begin_frame(kind, payload_len, fin, self.output)
    }

    /// Sends the next chunk of the frame that was begun: [`Sender::chunk`].
    ///
    /// # Errors
    /// As there.
    pub fn chunk<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        self.sender.chunk(payload, self.output)
    }

    /// Sends a Ping: [`Sender::ping`].
    ///
    /// # Errors
    /// As there.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.ping(payload, self.output)
    }

    /// Sends a Pong that nobody asked for: [`Sender::pong`].
    ///
    /// # Errors
    /// As there.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.pong(payload, self.output)
    }

    /// Sends a Close frame: [`Sender::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), SendError> {
        self.sender.close(code, reason, self.output)
    }
}
