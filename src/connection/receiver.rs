//! The receive half: what it remembers between two calls.

use core::marker::PhantomData;

use super::control::ControlPayload;
use super::extensions::Extensions;
use super::role::Role;
use crate::error::Failure;
use crate::frame::{CloseFrame, MAX_HEADER_LEN, Mask, MessageKind};
use crate::limits::Limits;
use crate::state::{self, Control, Fragmentation, Frame, Received, StreamEnd};
use crate::utf8;

/// The receive half of a connection.
///
/// It shares nothing with the send half. What is owed to the peer comes out as a small value, a
/// [`Reply`](super::Reply), that the caller passes to the send half. Use a [`Connection`](super::Connection) unless two
/// tasks or threads own one half each.
///
/// It holds no buffer but room for one header and one control frame.
///
/// ```
/// use sockless::connection::{ChunkEvent, Receiver, Server};
/// use sockless::limits::Limits;
///
/// let mut receiver = Receiver::<Server>::new(&Limits::default());
/// let mut bytes = *b"\x89\x82\0\0\0\0hi";    // a Ping, masked with zeros
/// let mut input = &mut bytes[..];
/// while let Some(event) = receiver.receive_chunk(&mut input)? {
///     assert_eq!(event, ChunkEvent::Ping(b"hi"));
///     let reply = event.reply();    // to be sent by the half that sends
///     # let _ = reply;
/// }
/// # Ok::<(), sockless::error::Failure>(())
/// ```
pub struct Receiver<R> {
    /// No longer than a message, so that one comparison tells whether a message in one frame is within the limits.
    pub(super) max_frame_len: u64,
    pub(crate) max_message_len: u64,
    pub(crate) fragment_budget: u32,
    /// The number of frames of the message under way. Saturates; by then the payload has replenished the budget.
    pub(super) fragments: u32,
    /// The payload bytes that the frames of the message under way have declared so far.
    pub(crate) message_len: u64,
    /// The payload bytes of the frame under way that have not been consumed.
    pub(crate) remaining: u64,
    /// The mask of the frame under way; a zero key where it is not masked.
    pub(crate) mask: Mask,
    pub(crate) phase: Phase,
    pub(crate) within: Fragmentation,
    /// Whether no chunk of the message under way has been handed out.
    pub(crate) message_start: bool,
    /// Whether the message under way is compressed, so that its payload is not text yet.
    pub(crate) compressed: bool,
    /// Whether the payload of a compressed message is left to somebody above, who takes it off the input.
    pub(crate) leaves_compressed: bool,
    /// Whether the streaming level has begun a frame of the message under way.
    pub(crate) streamed: bool,
    pub(crate) extensions: Extensions,
    /// The start of a character that a chunk or a fragment has cut.
    pub(crate) carry: utf8::Carry,
    /// The start of a header that the input has cut.
    pub(super) header: [u8; MAX_HEADER_LEN - 1],
    pub(super) header_len: u8,
    /// A control payload that came in pieces or has to be kept: the body of the peer's Close, or a Ping whose Pong is
    /// deferred.
    pub(super) control: ControlPayload,
    pub(crate) stream: Stream,
    role: PhantomData<R>,
}

/// A legal header, within the limits.
pub(crate) struct CheckedHeader {
    pub(crate) frame: Frame,
    pub(crate) fin: bool,
    /// RSV1 on the first frame of a message: its payload is compressed (RFC 7692 section 6).
    pub(crate) compressed: bool,
    pub(crate) mask: Mask,
    pub(crate) payload_len: u64,
    pub(crate) header_len: usize,
}

/// Whether the stream of input has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Open,
    /// The read buffer of the message level holds the start of a header.
    InHeader,
    /// The read buffer of the message level holds the start of a control frame.
    InControl,
    Ended(StreamEnd),
}

/// Where in the input the half is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// At the start of a message.
    Start,
    /// At the start of a frame inside a message.
    Between,
    /// Inside a header, the start of which is kept.
    Header,
    /// Inside the payload of a data frame.
    Data { kind: MessageKind, fin: bool },
    /// Inside the payload of a control frame, and whether some of it is kept.
    Control { control: Control, begun: bool },
    /// A whole control frame is kept, whose reply did not fit the output.
    Held(Control),
    /// What was good before the byte that is wrong has been handed out; the failure comes next.
    Failing(Failure),
    /// The peer's Close has been received. "[...] discard any further data received" (section 5.5.1).
    Closed,
    /// The stream has ended, or the caller has given up.
    Ended,
    /// Nothing more is consumed.
    Failed(Failure),
}

impl<R: Role> Receiver<R> {
    /// A receive half at the start of a connection.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            max_frame_len: if limits.max_frame_len < limits.max_message_len {
                limits.max_frame_len
            } else {
                limits.max_message_len
            },
            max_message_len: limits.max_message_len,
            fragment_budget: limits.fragment_budget,
            fragments: 0,
            message_len: 0,
            remaining: 0,
            mask: Mask::new([0; 4]),
            phase: Phase::Start,
            within: None,
            message_start: false,
            compressed: false,
            leaves_compressed: false,
            streamed: false,
            extensions: Extensions::NONE,
            carry: utf8::Carry::new(),
            header: [0; MAX_HEADER_LEN - 1],
            header_len: 0,
            control: ControlPayload::EMPTY,
            stream: Stream::Open,
            role: PhantomData,
        }
    }

    /// The stream of input has ended. Returns where. All further input is discarded.
    pub fn end_of_stream(&mut self) -> StreamEnd {
        let end = match (self.stream, self.phase) {
            (Stream::Ended(end), _) => end,
            // At the message level a frame that has begun lies in the read buffer.
            (Stream::InHeader, Phase::Start | Phase::Between) => StreamEnd::InHeader,
            (Stream::InControl, Phase::Start | Phase::Between) => StreamEnd::InPayload,
            (Stream::Open | Stream::InHeader | Stream::InControl, phase) => match phase {
                Phase::Between => StreamEnd::InMessage,
                Phase::Start | Phase::Ended => StreamEnd::BetweenMessages,
                Phase::Header => StreamEnd::InHeader,
                Phase::Data { .. } | Phase::Control { .. } | Phase::Failing(_) => StreamEnd::InPayload,
                Phase::Held(Control::Ping | Control::Pong) if self.within.is_some() => StreamEnd::InMessage,
                Phase::Held(Control::Ping | Control::Pong) => StreamEnd::BetweenMessages,
                Phase::Held(Control::Close) | Phase::Closed | Phase::Failed(_) => StreamEnd::AfterClose,
            },
        };
        self.stream = Stream::Ended(end);
        self.abort();
        end
    }

    /// Gives up: all further input is discarded.
    pub(super) const fn abort(&mut self) {
        self.phase = match self.phase {
            Phase::Held(Control::Close) | Phase::Closed => Phase::Closed,
            Phase::Failing(failure) => Phase::Failed(failure),
            Phase::Start
            | Phase::Between
            | Phase::Header
            | Phase::Data { .. }
            | Phase::Control { .. }
            | Phase::Held(Control::Ping | Control::Pong)
            | Phase::Ended => Phase::Ended,
            failed @ Phase::Failed(_) => failed,
        };
    }

    /// Where the stream ended, after [`end_of_stream`](Self::end_of_stream).
    pub(super) const fn stream_end(&self) -> Option<StreamEnd> {
        if let Stream::Ended(end) = self.stream {
            return Some(end);
        }
        None
    }

    /// Why the connection has failed, if it has.
    pub(crate) const fn failure(&self) -> Option<Failure> {
        if let Phase::Failed(failure) = self.phase {
            return Some(failure);
        }
        None
    }

    /// The peer's Close, once it has been received.
    pub(crate) fn close_frame(&self) -> Option<CloseFrame<'_>> {
        if let Phase::Closed | Phase::Held(Control::Close) = self.phase {
            return CloseFrame::decode(self.control_payload()).ok();
        }
        None
    }

    /// How many payload bytes of the message under way have been consumed. `None` between two messages.
    #[must_use]
    pub const fn message_progress(&self) -> Option<u64> {
        match self.phase {
            Phase::Data { .. } => Some(self.message_len - self.remaining),
            _ if self.within.is_some() => Some(self.message_len),
            _ => None,
        }
    }

    /// The part of the closing handshake that is received.
    pub(crate) fn received(&self) -> Received {
        if self.stream_end().is_some() {
            return Received::End;
        }
        match self.phase {
            Phase::Closed | Phase::Held(Control::Close) => Received::Close,
            Phase::Failed(_) => Received::Failure,
            Phase::Ended => Received::End,
            Phase::Start
            | Phase::Between
            | Phase::Header
            | Phase::Data { .. }
            | Phase::Control { .. }
            | Phase::Held(Control::Ping | Control::Pong)
            | Phase::Failing(_) => Received::Nothing,
        }
    }

    /// The control payload that is kept.
    pub(crate) fn control_payload(&self) -> &[u8] {
        self.control.as_bytes()
    }

    /// Keeps a control payload in place of the last one.
    pub(crate) fn set_control(&mut self, payload: &[u8]) {
        self.control = ControlPayload::new(payload.iter().copied());
    }

    /// The connection fails, for good.
    #[cold]
    pub(crate) fn fail(&mut self, failure: impl Into<Failure>) -> Failure {
        let failure = failure.into();
        self.phase = Phase::Failed(failure);
        failure
    }

    /// Goes from a checked header to the payload of its data frame.
    #[inline]
    pub(crate) fn enter_data(&mut self, header: &CheckedHeader, kind: MessageKind, first: bool) {
        if first {
            self.message_start = true;
            self.message_len = 0;
            self.fragments = 0;
            self.compressed = header.compressed;
            self.streamed = false;
        }
        self.fragments = self.fragments.saturating_add(1);
        self.message_len = self.message_len.saturating_add(header.payload_len);
        self.remaining = header.payload_len;
        self.mask = header.mask;
        self.phase = Phase::Data { kind, fin: header.fin };
    }

    /// The payload of the data frame under way has been consumed.
    pub(crate) fn leave_data(&mut self, kind: MessageKind, fin: bool) {
        self.remaining = 0;
        self.message_start = false;
        self.within = state::after(kind, fin);
        self.phase = self.frame_start();
    }

    /// Goes from a checked header to the payload of its frame, at the streaming level.
    #[inline]
    pub(super) fn enter(&mut self, header: &CheckedHeader) {
        match header.frame {
            Frame::Data { kind, first } => {
                self.enter_data(header, kind, first);
                // What is left to somebody above is not handed out here.
                self.streamed |= !(self.compressed && self.leaves_compressed);
            }
            Frame::Control(control) => {
                self.remaining = header.payload_len;
                self.mask = header.mask;
                self.phase = Phase::Control { control, begun: false };
            }
        }
    }

    /// The phase in which the next frame is awaited.
    #[inline]
    pub(crate) const fn frame_start(&self) -> Phase {
        if self.within.is_some() {
            Phase::Between
        } else {
            Phase::Start
        }
    }

    pub(crate) const fn after_control(&self, control: Control) -> Phase {
        match control {
            Control::Ping | Control::Pong => self.frame_start(),
            Control::Close => Phase::Closed,
        }
    }

    /// The kind of the compressed frame whose payload comes next, and whether it is the last of its message.
    #[cfg(feature = "deflate")]
    pub(crate) const fn in_compressed(&self) -> Option<(MessageKind, bool)> {
        match self.phase {
            Phase::Data { kind, fin } if self.compressed => Some((kind, fin)),
            _ => None,
        }
    }

    /// Whether nothing of the input will be handed out any more.
    pub(crate) const fn is_over(&self) -> bool {
        match self.phase {
            Phase::Closed | Phase::Ended | Phase::Failing(_) | Phase::Failed(_) => true,
            Phase::Start
            | Phase::Between
            | Phase::Header
            | Phase::Data { .. }
            | Phase::Control { .. }
            | Phase::Held(_) => false,
        }
    }
}

impl<R> core::fmt::Debug for Receiver<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
