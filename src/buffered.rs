//! For those who just want a loop: a machine that owns its buffers.
//!
//! It is a shell over [`message`](crate::message) and [`handshake`](crate::handshake): read into
//! [`space`](BufferedConnection::space), say how much with [`advance`](BufferedConnection::advance), take
//! [`events`](BufferedConnection::next_event), write [`output`](BufferedConnection::output) and say how much with
//! [`written`](BufferedConnection::written). While a large message is under way, the space to read into is the buffer
//! in which it is put together, so that it is not copied.

use alloc::vec::Vec;

use crate::connection::{CloseRecord, Payload, Role, Sender, Transport};
use crate::error::{ReceiveError, SendError};
use crate::frame::{CloseCode, MessageKind};
use crate::message::{Event, MessageConnection};
use crate::output::{Output, OutputFull};

/// How much a machine reads at once, in bytes, unless told otherwise.
pub const DEFAULT_READ_LEN: usize = 16 << 10;

/// Bytes that were read and not yet taken in.
#[derive(Default)]
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
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.memory.len() - self.end < len {
                self.memory.resize(self.end + len, 0);
            }
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
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
        if self.written > 0 && self.memory.capacity() - self.memory.len() < additional {
            self.memory.drain(..self.written);
            self.written = 0;
        }
        Output::reserve(&mut self.memory, additional)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.memory.extend_from_slice(bytes);
    }
}

/// An open connection that owns its buffers.
///
/// ```
/// use sockless::buffered::BufferedConnection;
/// use sockless::connection::{Connection, Server};
/// use sockless::limits::Limits;
/// use sockless::message::Event;
/// # use std::io::{Read, Write};
/// # fn echo(mut stream: impl Read + Write, leftover: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
///
/// let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()), leftover);
/// loop {
///     while let Some((event, mut tx)) = ws.next_event()? {
///         match event {
///             Event::Text(text) => tx.text(text)?,
///             Event::Binary(data) => tx.binary(data)?,
///             Event::Close(_) => {}
///             Event::Ping(_) | Event::Pong(_) => {}
///         }
///     }
///     stream.write_all(ws.output())?;
///     ws.written(ws.output().len());
///     match stream.read(ws.space())? {
///         0 => return Ok(()),
///         len => ws.advance(len),
///     }
/// }
/// # }
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
        self.in_assembly = false;
        if self.input.is_empty()
            && self.assembled == 0
            && let Some(space) = self.messages.space(self.read_len)
        {
            self.in_assembly = true;
            return space;
        }
        self.input.space(self.read_len)
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
    /// in the output by then. [`ReceiveError::Blocked`], if too many replies wait in the output: write it first.
    pub fn next_event(&mut self) -> Result<Option<(Event<'_>, Tx<'_, R>)>, ReceiveError> {
        let Self {
            messages,
            input,
            output,
            assembled,
            ..
        } = self;
        if *assembled > 0 {
            let len = core::mem::take(assembled);
            if let Some(kind) = messages.take_in_space(len, output)? {
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
    /// [`Event::Close`] has already.
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

    /// Gives back the memory of buffers that are empty and larger than `bytes`.
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
