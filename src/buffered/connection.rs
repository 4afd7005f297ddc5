//! The open connection with its buffers.

use alloc::vec::Vec;

use super::DEFAULT_READ_LEN;
use super::buffers::{Input, WriteBuffer};
use crate::connection::{CloseRecord, Payload, Role, Sender, Transport};
use crate::error::{ReceiveError, SendError};
use crate::frame::{CloseCode, MessageKind};
use crate::message::{Event, MessageConnection};

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

    pub(super) const fn from_parts(messages: MessageConnection<R>, input: Input, output: WriteBuffer) -> Self {
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
        self.output.shrink_to(bytes);
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
