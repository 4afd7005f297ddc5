//! What came out of a connection, independent of what it borrows.

use sockless::connection::{Chunk, ChunkEvent, CloseRecord, Initiator, StreamEnd};
use sockless::error::Failure;
use sockless::frame::{CloseFrame, MessageKind};
use sockless::message::Event;

/// A close record that borrows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sent: Option<u16>,
    pub(crate) received: Option<u16>,
    pub(crate) reason: String,
    pub(crate) initiator: Initiator,
    pub(crate) failure: Option<Failure>,
    pub(crate) stream_end: Option<StreamEnd>,
    pub(crate) code: u16,
    pub(crate) clean: bool,
}

impl Record {
    /// The record of a connection on which nothing has happened.
    pub(crate) fn open() -> Self {
        Self {
            sent: None,
            received: None,
            reason: String::new(),
            initiator: Initiator::Neither,
            failure: None,
            stream_end: None,
            code: 1006,
            clean: false,
        }
    }

    /// The record after the peer closed first and was answered.
    pub(crate) fn closed_by_peer(code: u16, reason: &str) -> Self {
        Self {
            sent: Some(code),
            received: Some(code),
            reason: reason.to_owned(),
            initiator: Initiator::Peer,
            code,
            clean: true,
            ..Self::open()
        }
    }

    /// The same at the end of the stream.
    pub(crate) fn ended(self, stream_end: StreamEnd) -> Self {
        Self {
            stream_end: Some(stream_end),
            ..self
        }
    }
}

impl From<CloseRecord<'_>> for Record {
    fn from(record: CloseRecord<'_>) -> Self {
        Self {
            sent: record.sent.map(u16::from),
            received: record.received.map(u16::from),
            reason: record.reason.to_owned(),
            initiator: record.initiator,
            failure: record.failure,
            stream_end: record.stream_end,
            code: record.code().0,
            clean: record.is_clean(),
        }
    }
}

/// What came out, with the chunks of one frame merged.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A frame of a message as far as it came; at the message level, a whole message.
    Data {
        kind: MessageKind,
        data: Vec<u8>,
        start: bool,
        frame_end: bool,
        message_end: bool,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The code, if there is one, and the reason.
    Close(Option<u16>, String),
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn short(data: &[u8]) -> String {
            let end = if data.len() > 40 { "..." } else { "" };
            format!(
                "{} bytes b\"{}\"{end}",
                data.len(),
                data[..data.len().min(40)].escape_ascii()
            )
        }
        match self {
            Self::Data {
                kind,
                data,
                start,
                frame_end,
                message_end,
            } => write!(
                f,
                "{kind:?}({}, start: {start}, frame_end: {frame_end}, message_end: {message_end})",
                short(data)
            ),
            Self::Ping(data) => write!(f, "Ping({})", short(data)),
            Self::Pong(data) => write!(f, "Pong({})", short(data)),
            Self::Close(code, reason) => write!(f, "Close({code:?}, {reason:?})"),
        }
    }
}

impl Seen {
    /// A frame of a message, whole.
    pub(crate) fn frame(kind: MessageKind, data: &[u8], start: bool, message_end: bool) -> Self {
        Self::Data {
            kind,
            data: data.to_vec(),
            start,
            frame_end: true,
            message_end,
        }
    }

    /// A message in one frame.
    pub(crate) fn text(data: &str) -> Self {
        Self::frame(MessageKind::Text, data.as_bytes(), true, true)
    }

    /// A message in one frame.
    pub(crate) fn binary(data: &[u8]) -> Self {
        Self::frame(MessageKind::Binary, data, true, true)
    }

    /// A Close with a code.
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close(Some(code), reason.to_owned())
    }

    fn chunk<T: ?Sized>(kind: MessageKind, data: &[u8], chunk: &Chunk<'_, T>) -> Self {
        Self::Data {
            kind,
            data: data.to_vec(),
            start: chunk.message_start,
            frame_end: chunk.frame_end,
            message_end: chunk.message_end,
        }
    }
}

impl From<CloseFrame<'_>> for Seen {
    fn from(frame: CloseFrame<'_>) -> Self {
        Self::Close(frame.code.map(u16::from), frame.reason.to_owned())
    }
}

impl From<ChunkEvent<'_>> for Seen {
    fn from(event: ChunkEvent<'_>) -> Self {
        match event {
            ChunkEvent::Text(text) => Self::chunk(MessageKind::Text, text.data.as_bytes(), &text),
            ChunkEvent::Binary(data) => Self::chunk(MessageKind::Binary, data.data, &data),
            ChunkEvent::Ping(payload) => Self::Ping(payload.to_vec()),
            ChunkEvent::Pong(payload) => Self::Pong(payload.to_vec()),
            ChunkEvent::Close(frame) => frame.into(),
            other => panic!("{other:?}"),
        }
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::text(text),
            Event::Binary(data) => Self::binary(data),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(frame) => frame.into(),
            other => panic!("{other:?}"),
        }
    }
}

/// Adds what came out; a chunk goes to the frame that it goes on with.
pub(crate) fn push(seen: &mut Vec<Seen>, next: Seen) {
    if let Some(Seen::Data {
        kind,
        data,
        frame_end,
        message_end,
        ..
    }) = seen.last_mut()
    {
        if !*frame_end {
            let Seen::Data {
                kind: kind_2,
                data: data_2,
                start,
                frame_end: frame_end_2,
                message_end: message_end_2,
            } = next
            else {
                panic!("{next:?} inside a frame");
            };
            assert_eq!(*kind, kind_2, "the kind changes inside a frame");
            assert!(!start, "a message starts inside a frame");
            data.extend(data_2);
            *frame_end = frame_end_2;
            *message_end = message_end_2;
            return;
        }
    }
    seen.push(next);
}

/// What the message level has to say, from what the streaming level said.
pub(crate) fn whole_messages(frames: &[Seen]) -> Vec<Seen> {
    let mut messages = Vec::new();
    let mut message = Vec::new();
    for seen in frames {
        match seen {
            Seen::Data {
                kind,
                data,
                start,
                message_end,
                ..
            } => {
                if *start {
                    message.clear();
                }
                message.extend_from_slice(data);
                if *message_end {
                    messages.push(Seen::frame(*kind, &message, true, true));
                }
            }
            Seen::Ping(_) | Seen::Pong(_) | Seen::Close(..) => messages.push(seen.clone()),
        }
    }
    messages
}
