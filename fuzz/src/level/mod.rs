//! The levels of the crate's interface, each driven as a caller drives it.

mod buffered;
mod chunks;
mod messages;

pub(crate) use buffered::Buffered;
pub(crate) use messages::read;
use sockless::buffer::Output;
use sockless::connection::{CloseRecord, Connection, Role, TransportAction};
use sockless::error::Failure;
use sockless::frame::CloseFrame;
use sockless::message;

/// A way to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `Connection::receive_chunk`.
    Chunks,
    /// `Receiver::receive_chunk`, with a `Sender` apart.
    ChunkHalves,
    /// `Connection::receive` from a `ReadBuffer` of its own that is read into.
    Messages,
    /// `Receiver::receive` from a `ReadBuffer` that is extended, with a `Sender` apart.
    MessageHalves,
    /// `Connection::receive` from a `ReadBuffer` to which a thread lends its memory.
    Lent,
    /// `Connection::receive` from a `ReadBuffer` over fixed memory.
    Fixed,
    /// `BufferedConnection`.
    Buffered,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 7] = [
        Self::Chunks,
        Self::ChunkHalves,
        Self::Messages,
        Self::MessageHalves,
        Self::Lent,
        Self::Fixed,
        Self::Buffered,
    ];

    /// Whether a frame has to be whole before anything of it comes out.
    #[must_use]
    pub const fn is_of_messages(self) -> bool {
        match self {
            Self::Chunks | Self::ChunkHalves => false,
            Self::Messages | Self::MessageHalves | Self::Lent | Self::Fixed | Self::Buffered => true,
        }
    }
}

/// Something that the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A chunk of a message, or all of it.
    Data {
        /// Text, or else binary.
        text: bool,
        /// The payload.
        payload: &'a [u8],
        /// Whether a message starts with it.
        message_start: bool,
        /// Whether a frame ends with it.
        frame_end: bool,
        /// Whether the message ends with it.
        message_end: bool,
    },
    /// A Ping.
    Ping(&'a [u8]),
    /// A Pong.
    Pong(&'a [u8]),
    /// A Close.
    Close(Option<u16>, &'a str),
}

impl<'a> Seen<'a> {
    pub(crate) fn message(event: &message::Event<'a>) -> Self {
        let whole = |text, payload| Self::Data {
            text,
            payload,
            message_start: true,
            frame_end: true,
            message_end: true,
        };
        match event {
            message::Event::Text(text) => whole(true, text.as_bytes()),
            message::Event::Binary(data) => whole(false, data),
            message::Event::Ping(payload) => Self::Ping(payload),
            message::Event::Pong(payload) => Self::Pong(payload),
            message::Event::Close(frame) => Self::close(frame),
            event => panic!("{event:?} without an extension"),
        }
    }

    fn close(frame: &CloseFrame<'a>) -> Self {
        Self::Close(frame.code.map(u16::from), frame.reason)
    }
}

/// What is told of what comes out.
pub trait Observer {
    /// Something was received.
    fn seen(&mut self, seen: &Seen<'_>);

    /// Bytes were sent.
    fn sent(&mut self, bytes: &[u8]);

    /// A call to receive was made.
    fn called(&mut self) {}

    /// So many bytes of payload were handed out from elsewhere than the input.
    fn copied(&mut self, _len: usize) {}
}

/// An open connection, at some level.
pub trait Endpoint {
    /// These bytes arrive. All that can be received is, and what is to be sent is sent.
    ///
    /// # Errors
    /// What the connection has failed with; what it has sent for that has been told.
    fn feed(&mut self, bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure>;

    /// How it has ended so far.
    fn record(&self) -> CloseRecord<'_>;

    /// What to do with the transport.
    fn transport(&self) -> TransportAction;
}

/// Drives an open connection at this level. `memory` is for [`Level::Fixed`].
pub fn open<'m, R: Role + 'm>(level: Level, connection: Connection<R>, memory: &'m mut [u8]) -> Box<dyn Endpoint + 'm> {
    match level {
        Level::Chunks => Box::new(chunks::Chunks::new(connection)),
        Level::ChunkHalves => Box::new(chunks::Halves::new(connection)),
        Level::Messages => Box::new(messages::Messages::new(connection)),
        Level::MessageHalves => Box::new(messages::Halves::new(connection)),
        Level::Lent => Box::new(messages::Lent::new(connection)),
        Level::Fixed => Box::new(messages::Fixed::new(connection, memory)),
        Level::Buffered => Box::new(Buffered::new(connection)),
    }
}

/// Tells of what is in the output, and empties it.
fn drain(out: &mut Vec<u8>, observer: &mut dyn Observer) {
    if Output::len(out) > 0 {
        observer.sent(out);
        out.clear();
    }
}
