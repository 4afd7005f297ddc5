//! The send half: command -> legality -> header -> mask -> output.

use super::compress::{Compressing, Compressor};
use super::extensions::{Extensions, RSV1};
use super::role::Role;
use crate::buffer::{Output, OutputFull};
use crate::error::SendError;
use crate::frame::{Header, Mask, MessageKind, Opcode};
use crate::state::{self, Fragmentation, Sending, SentClose};

/// The send half of a connection.
///
/// It sends through a [`Tx`](super::Tx), which joins it with an output:
///
/// ```
/// use sockless::connection::{Sender, Server};
/// use sockless::frame::CloseCode;
///
/// let mut sender = Sender::new(Server);
/// let mut out = Vec::new();
/// let mut tx = sender.tx(&mut out);
/// tx.text("Hello")?;
/// tx.close(CloseCode::NORMAL, "")?;
/// assert_eq!(out, b"\x81\x05Hello\x88\x02\x03\xe8");
/// # Ok::<(), sockless::error::SendError>(())
/// ```
pub struct Sender<R> {
    role: R,
    pub(super) phase: SendPhase,
    pub(super) closing: Sending,
    /// Whether the Pong for the last Ping waits until the frame that is being sent in chunks is finished.
    pub(super) pong_deferred: bool,
    pub(super) extensions: Extensions,
    /// Whether the message under way is compressed.
    compressed: bool,
    /// How many bytes have been put into the output, modulo 2^32.
    pub(super) put: u32,
    /// How many these were behind the last Pong of the joined connection's own. It is the backlog's, and takes no memory here.
    pub(super) pong_end: u32,
    /// The mask of the frame that is being sent in chunks, if this endpoint masks.
    mask: Option<Mask>,
    /// The bytes that the frame still lacks.
    pub(super) remaining: u64,
}

/// What the send half is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SendPhase {
    /// Between messages.
    Idle,
    /// Between two frames of a message.
    Within(MessageKind),
    /// Inside a frame that is sent in chunks.
    Frame { kind: MessageKind, fin: bool },
    /// Nothing more may be sent but Pongs.
    Closed,
}

impl<R: Role> Sender<R> {
    /// A send half at the start of a connection.
    #[must_use]
    pub const fn new(role: R) -> Self {
        Self {
            role,
            phase: SendPhase::Idle,
            closing: Sending::Open,
            pong_deferred: false,
            extensions: Extensions::NONE,
            compressed: false,
            put: 0,
            pong_end: 0,
            mask: None,
            remaining: 0,
        }
    }

    /// Whether no message can be sent any more: a Close was sent, or the transport takes nothing more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == SendPhase::Closed
    }

    /// The sending direction of the transport was shut down, or the stream has ended: nothing can be sent any more.
    pub const fn sending_shut_down(&mut self) {
        self.pong_deferred = false;
        self.phase = SendPhase::Closed;
        self.closing = self.closing.shut_down();
    }

    /// Gives up: nothing can be sent any more.
    pub(super) const fn abort(&mut self) {
        self.pong_deferred = false;
        self.phase = SendPhase::Closed;
        self.closing = Sending::Aborted(self.closing.sent_close());
    }

    /// Whether nothing is under way and nothing has been done towards closing.
    pub(super) fn is_at_rest(&self) -> bool {
        self.phase == SendPhase::Idle && self.closing == Sending::Open
    }

    pub(super) fn is_in_frame(&self) -> bool {
        matches!(self.phase, SendPhase::Frame { .. })
    }

    /// Whether a Pong may go out: not behind the answer to the peer's Close (section 5.5.2).
    pub(super) const fn owes_pongs(&self) -> bool {
        match self.closing {
            Sending::Open | Sending::Due(_) => true,
            Sending::Sent(close) => !close.answers,
            Sending::ShutDown(_) | Sending::Aborted(_) => false,
        }
    }

    /// Sends an automatic Close, or defers it until the frame that is being sent in chunks is finished. `body` is that of
    /// the Close.
    pub(super) fn close_automatically<O: Output + ?Sized>(
        &mut self,
        close: SentClose,
        body: &[u8],
        out: &mut O,
    ) -> Result<(), OutputFull> {
        match self.phase {
            SendPhase::Closed => Ok(()),
            SendPhase::Frame { .. } => {
                self.pong_deferred = false;
                self.closing = Sending::Due(close);
                Ok(())
            }
            SendPhase::Idle | SendPhase::Within(_) => self.write_close(close, body, out),
        }
    }

    pub(super) fn write_close<O: Output + ?Sized>(
        &mut self,
        close: SentClose,
        body: &[u8],
        out: &mut O,
    ) -> Result<(), OutputFull> {
        out.reserve(frame_len::<R>(body))?;
        self.put_close(close, body, out);
        Ok(())
    }

    /// Puts a Close, for which there is room.
    pub(super) fn put_close<O: Output + ?Sized>(&mut self, close: SentClose, body: &[u8], out: &mut O) {
        self.put_frame(Opcode::Close, true, 0, body, out);
        self.closing = Sending::Sent(close);
        self.phase = SendPhase::Closed;
    }

    /// The reason why no message can be sent now.
    #[cold]
    pub(super) fn blocker(&self) -> SendError {
        match self.phase {
            SendPhase::Closed => SendError::Closed,
            SendPhase::Frame { .. } => SendError::FrameInProgress,
            SendPhase::Within(_) | SendPhase::Idle => SendError::MessageInProgress,
        }
    }

    pub(super) fn check_control(&self) -> Result<(), SendError> {
        match self.phase {
            SendPhase::Idle | SendPhase::Within(_) => Ok(()),
            SendPhase::Frame { .. } | SendPhase::Closed => Err(self.blocker()),
        }
    }

    /// The opcode of the next frame of a message of this kind, and RSV1 if it is the first of a compressed one.
    pub(super) fn next_opcode(&self, kind: MessageKind, compressed: bool) -> Result<(Opcode, u8), SendError> {
        match self.phase {
            _ if compressed && !self.extensions.compression => Err(SendError::NotNegotiated),
            SendPhase::Idle => Ok((kind.opcode(), if compressed { RSV1 } else { 0 })),
            SendPhase::Within(under_way) if under_way == kind && self.compressed == compressed => {
                Ok((Opcode::Continuation, 0))
            }
            SendPhase::Within(_) => Err(SendError::WrongKind),
            SendPhase::Frame { .. } | SendPhase::Closed => Err(self.blocker()),
        }
    }

    /// Whether a whole message can be sent now.
    #[inline(always)]
    pub(crate) fn check_whole(&self) -> Result<(), SendError> {
        if self.phase == SendPhase::Idle {
            Ok(())
        } else {
            Err(self.blocker())
        }
    }

    /// Writes a whole message in one frame, compressed if that is worth it. The phase is right.
    #[inline(never)]
    pub(super) fn write_whole_compressing<O: Output + ?Sized>(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        mut compressing: Compressing<'_>,
        out: &mut O,
    ) -> Result<(), SendError> {
        if let Some(Compressor { histories, engines }) = compressing.get() {
            if let Some(compressed) = histories.whole(engines, payload) {
                self.write_part(kind, true, compressed, true, out)?;
                histories.sent(payload, true);
                return Ok(());
            }
        }
        Ok(self.write_frame(kind.opcode(), true, 0, payload, out)?)
    }

    /// Writes the next frame of a message.
    pub(super) fn write_part<O: Output + ?Sized>(
        &mut self,
        kind: MessageKind,
        compressed: bool,
        payload: &[u8],
        fin: bool,
        out: &mut O,
    ) -> Result<(), SendError> {
        let (opcode, rsv) = self.next_opcode(kind, compressed)?;
        self.write_frame(opcode, fin, rsv, payload, out)?;
        self.compressed = compressed && !fin;
        self.after_frame(kind, fin);
        Ok(())
    }

    /// Whether the message that is being sent in parts is compressed. `None` between two messages.
    pub(crate) fn compressed_under_way(&self) -> Option<bool> {
        match self.phase {
            SendPhase::Idle => None,
            SendPhase::Within(_) | SendPhase::Frame { .. } | SendPhase::Closed => Some(self.compressed),
        }
    }

    pub(super) fn frame_under_way(&self) -> Result<(MessageKind, bool), SendError> {
        match self.phase {
            SendPhase::Frame { kind, fin } => Ok((kind, fin)),
            SendPhase::Closed => Err(SendError::Closed),
            SendPhase::Idle | SendPhase::Within(_) => Err(SendError::NoFrame),
        }
    }

    /// Writes the header alone of the next frame of a message. Returns the mask of its payload, if there is one.
    pub(super) fn write_header<O: Output + ?Sized>(
        &mut self,
        kind: MessageKind,
        payload_len: u64,
        fin: bool,
        out: &mut O,
    ) -> Result<Option<Mask>, SendError> {
        let (opcode, rsv) = self.next_opcode(kind, false)?;
        if payload_len >> 63 != 0 {
            return Err(SendError::FrameTooLong);
        }
        let len = header_len::<R>(payload_len);
        out.reserve(len)?;
        let header = self.header(opcode, fin, rsv, payload_len);
        header.with_bytes(|bytes| out.put(bytes));
        self.count(len);
        Ok(header.mask())
    }

    /// Begins a frame that is sent in chunks.
    pub(super) fn begin<O: Output + ?Sized>(
        &mut self,
        kind: MessageKind,
        payload_len: u64,
        fin: bool,
        out: &mut O,
    ) -> Result<(), SendError> {
        self.mask = self.write_header(kind, payload_len, fin, out)?;
        self.remaining = payload_len;
        self.phase = SendPhase::Frame { kind, fin };
        if payload_len == 0 {
            self.after_frame(kind, fin);
        }
        Ok(())
    }

    /// Puts a chunk of the frame under way, for which there is room.
    pub(super) fn put_chunk<O: Output + ?Sized>(&mut self, bytes: &[u8], out: &mut O) {
        match &mut self.mask {
            Some(mask) => out.put_masked(bytes, mask),
            None => out.put(bytes),
        }
        self.count(bytes.len());
    }

    pub(super) fn after_frame(&mut self, kind: MessageKind, fin: bool) {
        let within: Fragmentation = state::after(kind, fin);
        self.phase = within.map_or(SendPhase::Idle, SendPhase::Within);
    }

    /// The header of the next frame, with a fresh mask key.
    #[inline(always)]
    pub(super) fn header(&mut self, opcode: Opcode, fin: bool, rsv: u8, payload_len: u64) -> Header {
        Header {
            fin,
            rsv,
            opcode,
            mask_key: self.role.next_mask_key(),
            payload_len,
        }
    }

    #[inline(always)]
    pub(super) fn write_frame<O: Output + ?Sized>(
        &mut self,
        opcode: Opcode,
        fin: bool,
        rsv: u8,
        payload: &[u8],
        out: &mut O,
    ) -> Result<(), OutputFull> {
        // Room first, so that no mask key is spent on a frame that does not fit.
        out.reserve(frame_len::<R>(payload))?;
        self.put_frame(opcode, fin, rsv, payload, out);
        Ok(())
    }

    /// Puts a whole frame, for which there is room.
    #[inline(always)]
    pub(super) fn put_frame<O: Output + ?Sized>(
        &mut self,
        opcode: Opcode,
        fin: bool,
        rsv: u8,
        payload: &[u8],
        out: &mut O,
    ) {
        self.count(frame_len::<R>(payload));
        // Lossless: a usize has at most 64 bits.
        let header = self.header(opcode, fin, rsv, payload.len() as u64);
        out.put_frame(header, payload);
    }

    /// Bytes went into the output.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "counted modulo 2^32")]
    pub(super) const fn count(&mut self, len: usize) {
        self.put = self.put.wrapping_add(len as u32);
    }
}

impl<R> core::fmt::Debug for Sender<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender")
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

/// The length of a header, in bytes, before it is made.
#[inline]
pub(super) const fn header_len<R: Role>(payload_len: u64) -> usize {
    let unmasked = match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    if R::IS_CLIENT { unmasked + 4 } else { unmasked }
}

/// The length of a whole frame, in bytes.
#[inline(always)]
pub(super) const fn frame_len<R: Role>(payload: &[u8]) -> usize {
    // Lossless: a usize has at most 64 bits.
    header_len::<R>(payload.len() as u64).saturating_add(payload.len())
}
