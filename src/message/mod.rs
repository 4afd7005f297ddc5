//! The message level: whole messages, a thin shell over [`connection`](crate::connection).
//!
//! A message that lies whole in the input in one frame is handed out in place, with no copy and no allocation. One that
//! comes in pieces is copied once, into an assembly buffer that is reused; or not at all, where the caller reads
//! straight into that buffer ([`MessageConnection::space`]) or reads the rest behind what it has
//! ([`MessageConnection::receive_whole`]). The buffer grows with the bytes that really arrive, never with a length that
//! was only declared.

mod assembly;

use assembly::{Assembly, Taken};

use crate::connection::{CloseRecord, Connection, Receiver, Reply, Role, Sender, StreamEnd, Transport, Whole, failed};
use crate::error::{Failure, ReceiveError, SendError};
use crate::frame::{CloseCode, CloseFrame, MessageKind};
use crate::output::{Output, OutputFull};

/// Something that the peer sent, at the message level.
///
/// `C` is what a Close carries: the peer's [`CloseFrame`] where the receive half is driven alone, the whole
/// [`CloseRecord`] where a [`MessageConnection`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a, C = CloseRecord<'a>> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A Ping. A [`MessageConnection`] has already queued the Pong.
    Ping(&'a [u8]),
    /// A Pong, whether asked for or not.
    Pong(&'a [u8]),
    /// The peer's Close. A [`MessageConnection`] has already queued the answer, if one was due.
    Close(C),
}

impl Event<'_, CloseFrame<'_>> {
    /// What the send half owes the peer for this event. For those who drive the two halves apart; a
    /// [`MessageConnection`] does it by itself.
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
        match self {
            Self::Ping(payload) => Some(Reply::pong(payload)),
            Self::Close(frame) => Some(Reply::close(frame)),
            Self::Text(_) | Self::Binary(_) | Self::Pong(_) => None,
        }
    }
}

/// An open connection at the message level.
///
/// ```
/// use sockless::connection::{Connection, Server};
/// use sockless::limits::Limits;
/// use sockless::message::{Event, MessageConnection};
///
/// let mut ws = MessageConnection::new(Connection::new(Server, &Limits::default()));
/// let mut out = Vec::new();
///
/// // RFC 6455 section 5.7: a masked text message.
/// let mut buf = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let mut input = &mut buf[..];
/// while let Some((event, tx)) = ws.receive(&mut input, &mut out)? {
///     match event {
///         Event::Text(text) => tx.text(text, &mut out)?,
///         Event::Binary(data) => tx.binary(data, &mut out)?,
///         _ => {}
///     }
/// }
/// assert_eq!(out, b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MessageConnection<R> {
    connection: Connection<R>,
    assembly: Assembly,
}

impl<R: Role> From<Connection<R>> for MessageConnection<R> {
    fn from(connection: Connection<R>) -> Self {
        Self::new(connection)
    }
}

impl<R: Role> MessageConnection<R> {
    /// Whole messages of `connection`. If it is inside a message, the rest of that message is not handed out.
    #[must_use]
    pub const fn new(connection: Connection<R>) -> Self {
        Self {
            connection,
            assembly: Assembly::new(),
        }
    }

    /// Takes in bytes from the front of `input`, up to the next event, and moves `input` past them. `None` means that
    /// all of it was taken in and more is needed. Beside the event comes the send half, so that an answer can be
    /// written while the payload is still borrowed.
    ///
    /// Pongs and the answer to a Close are put into `out`, before the event is handed out.
    ///
    /// # Errors
    /// [`ReceiveError::Failed`], again and again, once the peer has broken the RFC or gone over a limit; the Close is
    /// in `out` by then, or comes with the last chunk of a frame that is being sent in chunks.
    /// [`ReceiveError::Blocked`] says what to do before going on with what is left of `input`: drain `out`, or finish
    /// that frame.
    #[inline(always)] // what is not common is not inlined
    pub fn receive<'e, 'i: 'e, O: Output + ?Sized>(
        &'e mut self,
        input: &mut &'i mut [u8],
        out: &mut O,
    ) -> Result<Option<(Event<'e>, &'e mut Sender<R>)>, ReceiveError> {
        match self.whole_message(input) {
            Some(event) => Ok(Some((event, self.connection.sender()))),
            None => self.receive_pieces(input, out),
        }
    }

    /// The common case: what lies whole in the input.
    #[inline(always)]
    fn whole_message<'i>(&mut self, input: &mut &'i mut [u8]) -> Option<Event<'i>> {
        match self.connection.whole_message(input)? {
            Whole::Text(text) => Some(Event::Text(text)),
            Whole::Binary(data) => Some(Event::Binary(data)),
            // What is good of a bad text is no message.
            Whole::BadText(_) => None,
        }
    }

    /// What is not simply a whole message.
    fn receive_pieces<'e, 'i: 'e, O: Output + ?Sized>(
        &'e mut self,
        input: &mut &'i mut [u8],
        out: &mut O,
    ) -> Result<Option<(Event<'e>, &'e mut Sender<R>)>, ReceiveError> {
        let taken = loop {
            let step = self.connection.any_step(input, out)?;
            match self.assembly.take(step, self.connection.receiver()) {
                Taken::Part => {}
                taken => break taken,
            }
        };
        let Self { connection, assembly } = self;
        let (receiver, sender) = connection.halves();
        let event = taken.event(assembly, receiver, || CloseRecord::of(receiver, sender));
        Ok(event.map(|event| (event, sender)))
    }

    /// As [`receive`](Self::receive), but the start of a message is left in `input`, untouched, so that the rest can be
    /// read behind it and the whole be handed out where it lies: neither copied nor, if it is text, validated twice.
    /// `None` with bytes left means that; [`missing`](Self::missing) says how many to read.
    ///
    /// That holds for messages in one frame that is at most `longest` bytes long, with its header. Let `longest` be the
    /// length of your buffer, and move what is left to its front before the next read: a message that was left then always
    /// fits. All others, and whatever else comes, is taken in as by `receive`. At the end of the stream, before
    /// [`end_of_stream`](Self::end_of_stream), hand what is left to `receive`. A whole loop is in [how to get the
    /// speed](crate::guide::performance).
    ///
    /// What is wrong in a header is refused as early as ever; bad text only when it is whole, since nobody has looked at
    /// it before.
    ///
    /// ```
    /// use sockless::connection::{Connection, Server};
    /// use sockless::limits::Limits;
    /// use sockless::message::{Event, MessageConnection};
    ///
    /// let mut ws = MessageConnection::new(Connection::new(Server, &Limits::default()));
    /// let mut out = Vec::new();
    /// let mut buf = *b"\x81\x85\0\0\0\0Hello";    // masked with zeros
    ///
    /// // The first read brought eight of eleven bytes.
    /// let mut input = &mut buf[..8];
    /// assert!(ws.receive_whole(&mut input, 4096, &mut out)?.is_none());
    /// assert_eq!((input.len(), ws.missing(input)), (8, Some(3)));
    ///
    /// // They stay where they are; the next read goes behind them.
    /// let mut input = &mut buf[..];
    /// let event = ws.receive_whole(&mut input, 4096, &mut out)?;
    /// assert!(matches!(event, Some((Event::Text("Hello"), _))));
    /// assert_eq!(ws.assembly_capacity(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[inline(always)] // what is not common is not inlined
    pub fn receive_whole<'e, 'i: 'e, O: Output + ?Sized>(
        &'e mut self,
        input: &mut &'i mut [u8],
        longest: usize,
        out: &mut O,
    ) -> Result<Option<(Event<'e>, &'e mut Sender<R>)>, ReceiveError> {
        match self.whole_message(input) {
            Some(event) => Ok(Some((event, self.connection.sender()))),
            None if self.connection.receiver().leaves(input, longest) => Ok(None),
            None => self.receive_pieces(input, out),
        }
    }

    /// How many bytes have to be read behind `input`, at least, until the message that starts there is whole: one byte
    /// where its header is not all there. `None` if it is whole, if no message in one frame starts there, or if it is not
    /// allowed.
    #[must_use]
    pub fn missing(&self, input: &[u8]) -> Option<usize> {
        self.connection.receiver().missing(input)
    }

    /// Space in the assembly buffer for the payload of the frame under way, if at least `at_least` bytes of it are
    /// still to come: what is read into it is not copied any more. Only to be used when all input was taken in.
    ///
    /// The space is at most as long as what is missing. What the buffer has already is offered first; it grows with what
    /// has arrived: at first by 64 KiB, then by as much as the message has so far, or by twice `at_least` where that is more.
    /// `None` also where the allocator has no more memory.
    pub fn space(&mut self, at_least: usize) -> Option<&mut [u8]> {
        self.assembly.space(self.connection.receiver(), at_least)
    }

    /// Takes in `len` bytes that were read into [`space`](Self::space). They hold at most the end of one message.
    ///
    /// # Errors
    /// As [`receive`](Self::receive). With [`ReceiveError::Blocked`] nothing was taken in: call again with the same
    /// `len`.
    pub fn receive_in_space<O: Output + ?Sized>(
        &mut self,
        len: usize,
        out: &mut O,
    ) -> Result<Option<(Event<'_>, &mut Sender<R>)>, ReceiveError> {
        let ended = self.take_in_space(len, out)?;
        Ok(ended.map(|kind| self.assembled(kind)))
    }

    /// The bytes of [`receive_in_space`](Self::receive_in_space): says which message they have made whole.
    pub(crate) fn take_in_space<O: Output + ?Sized>(
        &mut self,
        len: usize,
        out: &mut O,
    ) -> Result<Option<MessageKind>, ReceiveError> {
        let Self { connection, assembly } = self;
        let Some(portion) = assembly.portion(connection.receiver(), len) else {
            if connection.receiver().failure().is_some() {
                // The failure again, or its Close, if that had no room.
                connection.any_step(&mut Default::default(), out)?;
            }
            return Ok(None);
        };
        assembly.take_portion(portion, |input| connection.any_step(input, out))
    }

    /// The message that [`take_in_space`](Self::take_in_space) has made whole, and the send half.
    pub(crate) fn assembled(&mut self, kind: MessageKind) -> (Event<'_>, &mut Sender<R>) {
        (self.assembly.message(kind), self.connection.sender())
    }

    /// Takes in the end of the stream of input: [`Connection::end_of_stream`].
    pub fn end_of_stream(&mut self) -> Option<CloseRecord<'_>> {
        self.connection.end_of_stream()
    }

    /// Writes the replies that had to wait: [`Connection::flush_replies`].
    ///
    /// # Errors
    /// As there.
    pub fn flush_replies<O: Output + ?Sized>(&mut self, out: &mut O) -> Result<(), OutputFull> {
        self.connection.flush_replies(out)
    }

    /// The send half.
    #[inline]
    pub const fn sender(&mut self) -> &mut Sender<R> {
        self.connection.sender()
    }

    /// What to do with the transport, now. Ask after each event, error, and end of stream.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.connection.transport()
    }

    /// How the connection has ended so far: [`Connection::close_record`].
    #[must_use]
    pub fn close_record(&self) -> CloseRecord<'_> {
        self.connection.close_record()
    }

    /// Sends a Close frame: [`Sender::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close<O: Output + ?Sized>(
        &mut self,
        code: impl Into<Option<CloseCode>>,
        reason: &str,
        out: &mut O,
    ) -> Result<(), SendError> {
        self.connection.close(code, reason, out)
    }

    /// Gives back memory of the assembly buffer beyond `bytes`, between two messages, of the one for text and of the one for
    /// bytes. It is kept otherwise, to be reused.
    pub fn shrink_to(&mut self, bytes: usize) {
        if self.connection.receiver().is_between_messages() {
            self.assembly.shrink_to(bytes);
        }
    }

    /// The memory that the assembly buffer holds, in bytes: none until a message has come in pieces.
    #[must_use]
    pub fn assembly_capacity(&self) -> usize {
        self.assembly.capacity()
    }

    /// Takes the two halves apart: [`Connection::split`].
    ///
    /// # Errors
    /// The connection itself, if a frame is being sent in chunks or a reply waits.
    #[allow(clippy::result_large_err, reason = "the error is the connection, handed back")]
    pub fn split(self) -> Result<(MessageReceiver<R>, Sender<R>), Self> {
        let Self { connection, assembly } = self;
        match connection.split() {
            Ok((receiver, sender)) => Ok((MessageReceiver { receiver, assembly }, sender)),
            Err(connection) => Err(Self { connection, assembly }),
        }
    }
}

impl<R> core::fmt::Debug for MessageConnection<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MessageConnection")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// The receive half at the message level, for two tasks or threads that own one half each.
///
/// What it owes the peer comes out as a value for the [`Sender`]: [`Event::reply`], [`Reply::from(failure)`](Reply).
///
/// ```
/// use sockless::connection::{Sender, Server};
/// use sockless::limits::Limits;
/// use sockless::message::MessageReceiver;
///
/// let (mut rx, mut tx) = (MessageReceiver::<Server>::new(&Limits::default()), Sender::new(Server));
/// let mut out = Vec::new();
/// // A Ping, masked with zeros.
/// let mut buf = *b"\x89\x82\0\0\0\0hi";
/// let mut input = &mut buf[..];
/// while let Some(event) = rx.receive(&mut input)? {
///     if let Some(reply) = event.reply() {
///         tx.reply(&reply, &mut out)?;    // or send it to the task that owns `tx`
///     }
/// }
/// assert_eq!(out, b"\x8a\x02hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MessageReceiver<R> {
    receiver: Receiver<R>,
    assembly: Assembly,
}

impl<R: Role> MessageReceiver<R> {
    /// A receive half at the start of a connection.
    #[must_use]
    pub const fn new(limits: &crate::limits::Limits) -> Self {
        Self {
            receiver: Receiver::new(limits),
            assembly: Assembly::new(),
        }
    }

    /// Takes in bytes from the front of `input`, up to the next event: [`Receiver::receive`].
    ///
    /// # Errors
    /// As there.
    pub fn receive<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Event<'e, CloseFrame<'e>>>, Failure> {
        let Self { receiver, assembly } = self;
        let taken = loop {
            let step = failed(receiver.step(input))?;
            match assembly.take(step, receiver) {
                Taken::Part => {}
                taken => break taken,
            }
        };
        Ok(taken.event(assembly, receiver, || receiver.close_frame().unwrap_or_default()))
    }

    /// As [`receive`](Self::receive), but the start of a message is left in `input` until the rest has been read behind it:
    /// [`MessageConnection::receive_whole`].
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_whole<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        longest: usize,
    ) -> Result<Option<Event<'e, CloseFrame<'e>>>, Failure> {
        if self.receiver.leaves(input, longest) {
            return Ok(None);
        }
        self.receive(input)
    }

    /// How many bytes have to be read behind `input`, at least, until the message that starts there is whole:
    /// [`MessageConnection::missing`].
    #[must_use]
    pub fn missing(&self, input: &[u8]) -> Option<usize> {
        self.receiver.missing(input)
    }

    /// Space in the assembly buffer for the payload of the frame under way: [`MessageConnection::space`].
    pub fn space(&mut self, at_least: usize) -> Option<&mut [u8]> {
        self.assembly.space(&self.receiver, at_least)
    }

    /// Takes in `len` bytes that were read into [`space`](Self::space): [`MessageConnection::receive_in_space`].
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_in_space(&mut self, len: usize) -> Result<Option<Event<'_, CloseFrame<'_>>>, Failure> {
        let Self { receiver, assembly } = self;
        let Some(portion) = assembly.portion(receiver, len) else {
            return receiver.failure().map_or(Ok(None), Err);
        };
        let ended = assembly.take_portion(portion, |input| failed(receiver.any_step(input)))?;
        Ok(ended.map(|kind| assembly.message(kind)))
    }

    /// Gives back memory of the assembly buffer: [`MessageConnection::shrink_to`].
    pub fn shrink_to(&mut self, bytes: usize) {
        if self.receiver.is_between_messages() {
            self.assembly.shrink_to(bytes);
        }
    }

    /// Takes in the end of the stream, and says where it came: [`Receiver::end_of_stream`].
    pub fn end_of_stream(&mut self) -> StreamEnd {
        self.receiver.end_of_stream()
    }

    /// The receive half at the streaming level, to look at.
    #[must_use]
    pub const fn receiver(&self) -> &Receiver<R> {
        &self.receiver
    }
}

impl<R> core::fmt::Debug for MessageReceiver<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MessageReceiver").finish_non_exhaustive()
    }
}
