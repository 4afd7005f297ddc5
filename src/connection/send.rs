//! The send half: command -> legality -> header -> mask -> the caller's output.

use super::{Reply, Role, Server};
use crate::error::SendError;
use crate::frame::{
    CloseCode, CloseFrame, EncodedHeader, Header, MAX_CLOSE_REASON_LEN, MAX_CONTROL_LEN, Mask, MessageKind, Opcode,
};
use crate::output::{Output, OutputFull};
use crate::state::{self, Fragmentation};
use crate::utf8;

/// The payload of a message: text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// Arbitrary bytes.
    Binary(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// Text or binary.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// The bytes, as they are before masking.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(data)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(data)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::string::String> for Payload<'a> {
    fn from(text: &'a alloc::string::String) -> Self {
        Self::Text(text)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::vec::Vec<u8>> for Payload<'a> {
    fn from(data: &'a alloc::vec::Vec<u8>) -> Self {
        Self::Binary(data)
    }
}

/// A whole message that many receivers get: its header is made once, and nothing of it is copied per receiver.
///
/// Only a server sends the same bytes to all: a client masks each frame with a fresh key.
///
/// ```
/// use sockless::connection::{PreparedMessage, Receiver, Sender, Server};
/// use sockless::limits::Limits;
///
/// let mut encoded = Vec::new();
/// let news = PreparedMessage::new("news");
/// news.encode(&mut encoded)?;
///
/// let clients = [Sender::new(Server), Sender::new(Server)];
/// for client in &clients {
///     client.ready()?;    // may a whole message be sent now?
///     // then write `encoded` (or `news.header()` and `news.payload()`) to that client's transport
/// }
/// assert_eq!(encoded, b"\x81\x04news");
/// # Ok::<(), sockless::error::SendError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreparedMessage<'a> {
    header: EncodedHeader,
    payload: &'a [u8],
}

impl<'a> PreparedMessage<'a> {
    /// Makes the header.
    pub fn new(payload: impl Into<Payload<'a>>) -> Self {
        let payload = payload.into();
        let opcode = payload.kind().opcode();
        let payload = payload.as_bytes();
        let header = Header {
            fin: true,
            rsv: 0,
            opcode,
            mask_key: None,
            payload_len: payload.len() as u64,
        };
        Self {
            header: header.encode(),
            payload,
        }
    }

    /// The header's bytes: what a vectored write sends first.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.header.as_bytes()
    }

    /// The payload: what a vectored write sends second.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Writes the frame.
    ///
    /// # Errors
    /// [`OutputFull`] when the whole frame does not fit; then nothing was written.
    pub fn encode<O: Output + ?Sized>(&self, out: &mut O) -> Result<(), OutputFull> {
        out.reserve(self.header().len().saturating_add(self.payload.len()))?;
        out.put(self.header());
        out.put(self.payload);
        Ok(())
    }
}

/// What the send half is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between messages.
    Idle,
    /// Between two frames of a message.
    Within(MessageKind),
    /// Inside a frame that is sent in chunks.
    Frame { kind: MessageKind, fin: bool },
    /// After a Close frame, or after the end of the stream.
    Closed,
}

/// The send half of a connection.
///
/// Every method writes a whole frame to the output or nothing: on [`OutputFull`] the caller drains the output and
/// calls again, with no harm done.
///
/// ```
/// use sockless::connection::{Sender, Server};
/// use sockless::frame::CloseCode;
///
/// let mut tx = Sender::new(Server);
/// let mut out = Vec::new();
/// tx.text("Hello", &mut out)?;
/// tx.close(CloseCode::NORMAL, "", &mut out)?;
/// assert_eq!(out, b"\x81\x05Hello\x88\x02\x03\xe8");
/// # Ok::<(), sockless::error::SendError>(())
/// ```
pub struct Sender<R> {
    role: R,
    phase: Phase,
    /// Whether the Close that was sent answers the peer's.
    replied: bool,
    /// The code of the Close that was sent; 1005 for none.
    sent_close: Option<CloseCode>,
    /// The Close that has to be sent once the frame under way is finished.
    owed_close: Option<OwedClose>,
    /// The mask of the frame under way, if this end masks.
    mask: Option<Mask>,
    /// The bytes that the frame under way lacks.
    remaining: u64,
}

/// A Close that the machine sends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CloseReply<'a> {
    pub(super) frame: CloseFrame<'a>,
    /// Whether it answers the peer's Close; otherwise the connection has failed.
    pub(super) answers: bool,
}

/// A Close that waits for the end of a frame. For its reason there is no room.
#[derive(Clone, Copy)]
struct OwedClose {
    code: Option<CloseCode>,
    answers: bool,
}

impl OwedClose {
    const fn reply(self) -> CloseReply<'static> {
        CloseReply {
            frame: CloseFrame {
                code: self.code,
                reason: "",
            },
            answers: self.answers,
        }
    }
}

impl<R: Role> Sender<R> {
    /// A send half at the start of a connection.
    #[must_use]
    pub const fn new(role: R) -> Self {
        Self {
            role,
            phase: Phase::Idle,
            replied: false,
            sent_close: None,
            owed_close: None,
            mask: None,
            remaining: 0,
        }
    }

    /// Sends a whole text message.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    #[inline(always)]
    pub fn text<O: Output + ?Sized>(&mut self, text: &str, out: &mut O) -> Result<(), SendError> {
        self.whole(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a whole binary message.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    #[inline(always)]
    pub fn binary<O: Output + ?Sized>(&mut self, data: &[u8], out: &mut O) -> Result<(), SendError> {
        self.whole(MessageKind::Binary, data, out)
    }

    /// Sends a whole message in one frame.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::MessageInProgress`],
    /// [`SendError::FrameInProgress`].
    #[inline(always)]
    pub fn send<'p, O: Output + ?Sized>(
        &mut self,
        payload: impl Into<Payload<'p>>,
        out: &mut O,
    ) -> Result<(), SendError> {
        let payload = payload.into();
        self.whole(payload.kind(), payload.as_bytes(), out)
    }

    /// Sends the next fragment of a message whose length need not be known (section 5.4); the first part begins the
    /// message, the one with `fin` ends it. Control frames may be sent between the parts.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::FrameInProgress`], and
    /// [`SendError::WrongKind`] where the message was begun with the other kind.
    pub fn part<'p, O: Output + ?Sized>(
        &mut self,
        payload: impl Into<Payload<'p>>,
        fin: bool,
        out: &mut O,
    ) -> Result<(), SendError> {
        let payload = payload.into();
        let kind = payload.kind();
        let opcode = self.next_opcode(kind)?;
        self.write_frame(opcode, fin, payload.as_bytes(), out)?;
        self.after_frame(kind, fin);
        Ok(())
    }

    /// Begins a frame of `payload_len` bytes whose payload is sent in chunks: only the header is written. Until the
    /// last [`chunk`](Self::chunk) nothing else can be sent; replies to the peer wait.
    ///
    /// # Errors
    /// As [`part`](Self::part), and [`SendError::FrameTooLong`].
    pub fn begin_frame<O: Output + ?Sized>(
        &mut self,
        kind: MessageKind,
        payload_len: u64,
        fin: bool,
        out: &mut O,
    ) -> Result<(), SendError> {
        let opcode = self.next_opcode(kind)?;
        if payload_len >> 63 != 0 {
            return Err(SendError::FrameTooLong);
        }
        out.reserve(header_len::<R>(payload_len))?;
        let header = self.header(opcode, fin, payload_len);
        header.with_bytes(|bytes| out.put(bytes));
        self.begin(kind, fin, &header);
        Ok(())
    }

    /// Sends the next chunk of the frame that was begun, and with its last byte whatever Close was owed.
    ///
    /// Each text chunk is whole characters, since it is a `&str`.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::NoFrame`], [`SendError::WrongKind`], [`SendError::ChunkTooLong`].
    pub fn chunk<'p, O: Output + ?Sized>(
        &mut self,
        payload: impl Into<Payload<'p>>,
        out: &mut O,
    ) -> Result<(), SendError> {
        let payload = payload.into();
        let (kind, fin) = self.frame_under_way()?;
        if kind != payload.kind() {
            return Err(SendError::WrongKind);
        }
        let bytes = payload.as_bytes();
        let remaining = self
            .remaining
            .checked_sub(bytes.len() as u64)
            .ok_or(SendError::ChunkTooLong)?;
        let close = self.owed_close.filter(|_| remaining == 0);
        out.reserve(bytes.len().saturating_add(close.map_or(0, close_len::<R>)))?;
        match &mut self.mask {
            Some(mask) => out.put_masked(bytes, mask),
            None => out.put(bytes),
        }
        self.remaining = remaining;
        self.end_frame(kind, fin);
        if let Some(close) = close {
            self.close_for_peer(close.reply(), out)?;
        }
        Ok(())
    }

    /// The header alone of a frame whose payload the caller writes itself, for vectored writes; a client's payload is
    /// masked in place. The header and then exactly these bytes must be the next to go out.
    ///
    /// # Errors
    /// As [`part`](Self::part) but for the output, and [`SendError::TextNotUtf8`]: each text fragment must be UTF-8 by
    /// itself.
    pub fn frame_in_place(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
        fin: bool,
    ) -> Result<EncodedHeader, SendError> {
        let opcode = self.next_opcode(kind)?;
        if kind == MessageKind::Text && utf8::validate(payload).is_err() {
            return Err(SendError::TextNotUtf8);
        }
        let header = self.header(opcode, fin, payload.len() as u64);
        if let Some(mut mask) = header.mask() {
            mask.apply(payload);
        }
        self.after_frame(kind, fin);
        Ok(header.encode())
    }

    /// Sends a Ping with at most 125 bytes of payload (section 5.5.2).
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::FrameInProgress`],
    /// [`SendError::ControlTooLong`].
    pub fn ping<O: Output + ?Sized>(&mut self, payload: &[u8], out: &mut O) -> Result<(), SendError> {
        self.control(Opcode::Ping, payload, out)
    }

    /// Sends a Pong that nobody asked for, with at most 125 bytes of payload (section 5.5.3). Pings are answered by
    /// the machine.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong<O: Output + ?Sized>(&mut self, payload: &[u8], out: &mut O) -> Result<(), SendError> {
        self.control(Opcode::Pong, payload, out)
    }

    /// Sends a Close frame (section 5.5.1): nothing can be sent after it. `None` as code, or
    /// [`CloseCode::NO_STATUS`], sends an empty body. A message that is being sent in parts is abandoned.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::FrameInProgress`],
    /// [`SendError::InvalidCloseCode`], [`SendError::ReasonWithoutCode`], and [`SendError::ControlTooLong`] for a
    /// reason of more than [`MAX_CLOSE_REASON_LEN`] bytes.
    pub fn close<O: Output + ?Sized>(
        &mut self,
        code: impl Into<Option<CloseCode>>,
        reason: &str,
        out: &mut O,
    ) -> Result<(), SendError> {
        self.may_send_control()?;
        let code = code.into().filter(|code| *code != CloseCode::NO_STATUS);
        if code.is_some_and(|code| !code.is_allowed_on_the_wire()) {
            return Err(SendError::InvalidCloseCode);
        }
        if code.is_none() && !reason.is_empty() {
            return Err(SendError::ReasonWithoutCode);
        }
        if reason.len() > MAX_CLOSE_REASON_LEN {
            return Err(SendError::ControlTooLong);
        }
        self.write_close(&CloseFrame { code, reason }, out)?;
        Ok(())
    }

    /// Sends what the receive half said is owed to the peer. A Pong after a Close was sent is dropped, and so is a
    /// second Close.
    ///
    /// # Errors
    /// [`SendError::OutputFull`] and [`SendError::FrameInProgress`]: keep the reply and call again.
    pub fn reply<O: Output + ?Sized>(&mut self, reply: &Reply, out: &mut O) -> Result<(), SendError> {
        match self.phase {
            Phase::Closed => return Ok(()),
            Phase::Frame { .. } => return Err(SendError::FrameInProgress),
            Phase::Idle | Phase::Within(_) => {}
        }
        match reply.payload() {
            Ok(pong) => self.write_frame(Opcode::Pong, true, pong, out)?,
            Err(close) => self.close_for_peer(close, out)?,
        }
        Ok(())
    }

    /// The code of the Close that was sent: [`CloseCode::NO_STATUS`] if it had none; `None` if no Close was sent.
    #[must_use]
    pub const fn sent_close(&self) -> Option<CloseCode> {
        self.sent_close
    }

    /// Whether nothing more can be sent: a Close was, or the stream has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Takes in that the stream has ended: nothing can be sent any more.
    pub fn end_of_stream(&mut self) {
        self.phase = Phase::Closed;
    }

    pub(super) const fn has_replied_to_close(&self) -> bool {
        self.replied
    }

    pub(super) fn is_in_frame(&self) -> bool {
        matches!(self.phase, Phase::Frame { .. })
    }

    /// Sends a Close by the machine's own will, or remembers to, while a frame is under way.
    pub(super) fn close_for_peer<O: Output + ?Sized>(
        &mut self,
        close: CloseReply<'_>,
        out: &mut O,
    ) -> Result<(), OutputFull> {
        match self.phase {
            Phase::Closed => {}
            Phase::Frame { .. } => {
                self.owed_close = Some(OwedClose {
                    code: close.frame.code,
                    answers: close.answers,
                });
            }
            Phase::Idle | Phase::Within(_) => {
                self.write_close(&close.frame, out)?;
                self.replied = close.answers;
            }
        }
        Ok(())
    }

    /// Sends a Pong; the caller has seen to it that one may be sent.
    pub(super) fn write_pong<O: Output + ?Sized>(&mut self, payload: &[u8], out: &mut O) -> Result<(), OutputFull> {
        self.write_frame(Opcode::Pong, true, payload, out)
    }

    #[inline(always)]
    fn whole<O: Output + ?Sized>(&mut self, kind: MessageKind, bytes: &[u8], out: &mut O) -> Result<(), SendError> {
        if self.phase != Phase::Idle {
            return Err(self.why_no_message());
        }
        self.write_frame(kind.opcode(), true, bytes, out)?;
        Ok(())
    }

    #[cold]
    fn why_no_message(&self) -> SendError {
        match self.phase {
            Phase::Closed => SendError::Closed,
            Phase::Frame { .. } => SendError::FrameInProgress,
            Phase::Within(_) | Phase::Idle => SendError::MessageInProgress,
        }
    }

    fn control<O: Output + ?Sized>(&mut self, opcode: Opcode, payload: &[u8], out: &mut O) -> Result<(), SendError> {
        self.may_send_control()?;
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong);
        }
        self.write_frame(opcode, true, payload, out)?;
        Ok(())
    }

    fn may_send_control(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Idle | Phase::Within(_) => Ok(()),
            Phase::Frame { .. } | Phase::Closed => Err(self.why_no_message()),
        }
    }

    /// The opcode of the next frame of a message of this kind.
    fn next_opcode(&self, kind: MessageKind) -> Result<Opcode, SendError> {
        match self.phase {
            Phase::Idle => Ok(kind.opcode()),
            Phase::Within(under_way) if under_way == kind => Ok(Opcode::Continuation),
            Phase::Within(_) => Err(SendError::WrongKind),
            Phase::Frame { .. } | Phase::Closed => Err(self.why_no_message()),
        }
    }

    fn frame_under_way(&self) -> Result<(MessageKind, bool), SendError> {
        match self.phase {
            Phase::Frame { kind, fin } => Ok((kind, fin)),
            Phase::Closed => Err(SendError::Closed),
            Phase::Idle | Phase::Within(_) => Err(SendError::NoFrame),
        }
    }

    fn begin(&mut self, kind: MessageKind, fin: bool, header: &Header) {
        self.phase = Phase::Frame { kind, fin };
        self.remaining = header.payload_len;
        self.mask = header.mask();
        self.end_frame(kind, fin);
    }

    /// Leaves the frame under way if nothing of it is left.
    fn end_frame(&mut self, kind: MessageKind, fin: bool) {
        if self.remaining == 0 {
            self.after_frame(kind, fin);
        }
    }

    fn after_frame(&mut self, kind: MessageKind, fin: bool) {
        let within: Fragmentation = state::after(kind, fin);
        self.phase = within.map_or(Phase::Idle, Phase::Within);
    }

    /// The header of the next frame, with a fresh mask key.
    #[inline(always)]
    fn header(&mut self, opcode: Opcode, fin: bool, payload_len: u64) -> Header {
        Header {
            fin,
            rsv: 0,
            opcode,
            mask_key: self.role.next_mask_key(),
            payload_len,
        }
    }

    #[inline(always)]
    fn write_frame<O: Output + ?Sized>(
        &mut self,
        opcode: Opcode,
        fin: bool,
        payload: &[u8],
        out: &mut O,
    ) -> Result<(), OutputFull> {
        // Lossless: a usize has at most 64 bits.
        let payload_len = payload.len() as u64;
        // Room first, so that no mask key is spent on a frame that does not fit.
        out.reserve(header_len::<R>(payload_len).saturating_add(payload.len()))?;
        let header = self.header(opcode, fin, payload_len);
        out.put_frame(header, payload);
        Ok(())
    }

    fn write_close<O: Output + ?Sized>(&mut self, frame: &CloseFrame<'_>, out: &mut O) -> Result<(), OutputFull> {
        let mut body = [0; MAX_CONTROL_LEN];
        let mut len = 0;
        for (to, from) in body.iter_mut().zip(frame.body()) {
            *to = from;
            len += 1;
        }
        self.write_frame(Opcode::Close, true, body.get(..len).unwrap_or_default(), out)?;
        self.sent_close = Some(frame.code.unwrap_or(CloseCode::NO_STATUS));
        self.owed_close = None;
        self.phase = Phase::Closed;
        Ok(())
    }
}

impl Sender<Server> {
    /// Whether a whole message may be sent now. Then the bytes of a [`PreparedMessage`] may be written to this
    /// connection's transport, behind what is in its output.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::MessageInProgress`], [`SendError::FrameInProgress`].
    pub fn ready(&self) -> Result<(), SendError> {
        if self.phase == Phase::Idle {
            Ok(())
        } else {
            Err(self.why_no_message())
        }
    }
}

impl<R> core::fmt::Debug for Sender<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender")
            .field("sent_close", &self.sent_close)
            .finish_non_exhaustive()
    }
}

/// The length of a header, in bytes, before it is made.
#[inline]
const fn header_len<R: Role>(payload_len: u64) -> usize {
    let unmasked = match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    if R::IS_CLIENT { unmasked + 4 } else { unmasked }
}

/// The length of a Close that the machine sends by itself.
const fn close_len<R: Role>(close: OwedClose) -> usize {
    let body_len = if close.code.is_some() { 2 } else { 0 };
    header_len::<R>(2) + body_len
}
