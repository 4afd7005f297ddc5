//! The output handle: all that can be sent, at every level.

use super::compress::{Compressing, Compressor};
use super::control::ControlPayload;
use super::payload::Payload;
#[cfg(feature = "alloc")]
use super::payload::PreparedMessage;
use super::reply::Reply;
use super::role::{Role, Server};
use super::sender::{Sender, frame_len};
#[cfg(feature = "alloc")]
use crate::buffer::SharedBytes;
use crate::buffer::{Output, OutputFull};
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame, MAX_CLOSE_REASON_LEN, MAX_CONTROL_LEN, MessageKind, Opcode};
use crate::state::{Sending, SentClose};
use crate::utf8;

/// A send half joined with the output that it writes to.
///
/// It comes beside each event, and from [`Connection::tx`](super::Connection::tx) or [`Sender::tx`] at any other time.
/// Each call writes all of its bytes or nothing. After [`SendError::OutputFull`] drain the [output](Self::output) and call
/// again.
pub struct Tx<'a, R, O: ?Sized> {
    pub(crate) sender: &'a mut Sender<R>,
    pub(crate) out: &'a mut O,
    /// The control payload that the receive half keeps: the Ping whose Pong is deferred, or the body of the peer's Close.
    pub(crate) control: &'a [u8],
    pub(crate) compressing: Compressing<'a>,
}

/// Does not show the output, nor what the peer sent.
impl<R, O: ?Sized> core::fmt::Debug for Tx<'_, R, O> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tx")
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

impl<R: Role> Sender<R> {
    /// Joins this half with the output that it writes to.
    #[inline]
    pub const fn tx<'a, O: ?Sized>(&'a mut self, out: &'a mut O) -> Tx<'a, R, O> {
        Tx {
            sender: self,
            out,
            control: &[],
            compressing: Compressing::Nothing,
        }
    }
}

impl<R: Role, O: Output + ?Sized> Tx<'_, R, O> {
    /// Sends a whole text message.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    #[inline(always)]
    pub fn text(&mut self, text: &str) -> Result<(), SendError> {
        self.whole(MessageKind::Text, text.as_bytes())
    }

    /// Sends a whole binary message.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    #[inline(always)]
    pub fn binary(&mut self, data: &[u8]) -> Result<(), SendError> {
        self.whole(MessageKind::Binary, data)
    }

    /// Sends a whole message in one frame.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::MessageInProgress`],
    /// [`SendError::FrameInProgress`].
    #[inline(always)]
    pub fn send<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        let payload = payload.into();
        self.whole(payload.kind(), payload.as_bytes())
    }

    /// The output, to drain it, or to ask how full it is, while the event is still borrowed.
    pub const fn output(&mut self) -> &mut O {
        self.out
    }

    /// Whether a whole message can be sent now, if the output has room. It cannot after a Close was sent, although messages
    /// of the peer still arrive.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::MessageInProgress`], [`SendError::FrameInProgress`].
    pub fn ready(&self) -> Result<(), SendError> {
        self.sender.check_whole()
    }

    /// Sends the next fragment of a message whose length need not be known (section 5.4). The first call starts the
    /// message, the one with `fin` ends it. Control frames may be sent between the fragments.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::FrameInProgress`], and
    /// [`SendError::WrongKind`] if the message was started with the other kind.
    pub fn part<'p>(&mut self, payload: impl Into<Payload<'p>>, fin: bool) -> Result<(), SendError> {
        let payload = payload.into();
        let (kind, bytes) = (payload.kind(), payload.as_bytes());
        if let Some(Compressor { histories, engines }) = self.compressing.get() {
            match self.sender.compressed_under_way() {
                None if fin => return self.whole(kind, bytes),
                Some(false) => {}
                None | Some(true) => {
                    // A message that has begun compressed cannot go on plain.
                    let full = OutputFull { needed: bytes.len() };
                    let compressed = histories.part(engines, bytes, fin).ok_or(full)?;
                    self.sender.write_part(kind, true, compressed, fin, self.out)?;
                    histories.sent(bytes, fin);
                    return Ok(());
                }
            }
        }
        self.sender.write_part(kind, false, bytes, fin, self.out)
    }

    /// Sends the next fragment of a compressed message (RFC 7692 section 6): `payload` is what the compressor produced for
    /// it.
    ///
    /// # Errors
    /// As [`part`](Self::part), and [`SendError::NotNegotiated`] without
    /// [`Extensions::compression`](super::Extensions).
    pub fn compressed_part(&mut self, kind: MessageKind, payload: &[u8], fin: bool) -> Result<(), SendError> {
        self.sender.write_part(kind, true, payload, fin, self.out)
    }

    /// Begins a frame of `payload_len` bytes whose payload is sent in chunks: only the header is written. Until the
    /// last [`chunk`](Self::chunk) nothing else can be sent, and replies to the peer wait.
    ///
    /// # Errors
    /// As [`part`](Self::part), and [`SendError::FrameTooLong`].
    pub fn begin_frame(&mut self, kind: MessageKind, payload_len: u64, fin: bool) -> Result<(), SendError> {
        self.sender.begin(kind, payload_len, fin, self.out)
    }

    /// Sends the next chunk of the frame that was begun. Behind the last byte of the frame come the Pong and the Close
    /// that waited for it.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::NoFrame`], [`SendError::WrongKind`], [`SendError::ChunkTooLong`].
    pub fn chunk<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        let payload = payload.into();
        let (kind, fin) = self.sender.frame_under_way()?;
        if kind != payload.kind() {
            return Err(SendError::WrongKind);
        }
        let bytes = payload.as_bytes();
        let remaining = self
            .sender
            .remaining
            .checked_sub(bytes.len() as u64)
            .ok_or(SendError::ChunkTooLong)?;
        if remaining > 0 {
            self.out.reserve(bytes.len())?;
            self.sender.put_chunk(bytes, self.out);
            self.sender.remaining = remaining;
            return Ok(());
        }
        // The frame and the replies behind it go out together or not at all.
        let pong = self.sender.pong_deferred.then_some(self.control);
        let close = match self.sender.closing {
            Sending::Due(close) => Some(close),
            Sending::Open | Sending::Sent(_) | Sending::ShutDown(_) | Sending::Aborted(_) => None,
        };
        let body = close.map(|close| ControlPayload::new(close_frame(close).body()));
        let close_payload = match (close, &body) {
            // The peer's own body, with its reason.
            (Some(close), _) if close.answers && !self.control.is_empty() => self.control,
            (_, Some(body)) => body.as_bytes(),
            (_, None) => &[],
        };
        let replies = pong.map_or(0, frame_len::<R>) + close.map_or(0, |_| frame_len::<R>(close_payload));
        self.out.reserve(bytes.len().saturating_add(replies))?;
        self.sender.put_chunk(bytes, self.out);
        self.sender.remaining = 0;
        self.sender.after_frame(kind, fin);
        if let Some(pong) = pong {
            self.sender.pong_deferred = false;
            self.sender.put_frame(Opcode::Pong, true, 0, pong, self.out);
        }
        if let Some(close) = close {
            self.sender.put_close(close, close_payload, self.out);
        }
        Ok(())
    }

    /// Sends the header of a frame whose payload the caller writes itself, right behind what is in the output, for
    /// vectored writes without a copy. A client's payload is masked in place. A server that cannot give a `&mut` slice uses
    /// [`header_for`](Tx::header_for).
    ///
    /// # Errors
    /// As [`part`](Self::part), and [`SendError::TextNotUtf8`]: each fragment of a text must be UTF-8 by itself.
    pub fn in_place(&mut self, kind: MessageKind, payload: &mut [u8], fin: bool) -> Result<(), SendError> {
        self.sender.next_opcode(kind, false)?;
        if kind == MessageKind::Text && utf8::validate(payload).is_err() {
            return Err(SendError::TextNotUtf8);
        }
        if let Some(mut mask) = self.sender.write_header(kind, payload.len() as u64, fin, self.out)? {
            mask.apply(payload);
        }
        self.sender.after_frame(kind, fin);
        Ok(())
    }

    /// Sends a whole message whose bytes the output may keep by reference
    /// ([`WriteBuffer`](crate::buffer::WriteBuffer) does, for 1 KiB or more). A client masks a copy.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::TextNotUtf8`].
    #[cfg(feature = "alloc")]
    pub fn shared(&mut self, kind: MessageKind, payload: &SharedBytes) -> Result<(), SendError> {
        self.ready()?;
        let bytes = payload.as_ref();
        if kind == MessageKind::Text && utf8::validate(bytes).is_err() {
            return Err(SendError::TextNotUtf8);
        }
        if R::IS_CLIENT {
            return self.whole(kind, bytes);
        }
        let mut block = [0; crate::frame::MAX_HEADER_LEN];
        let header = self.sender.header(kind.opcode(), true, 0, bytes.len() as u64);
        let header = header.encode(&mut block);
        self.out.put_shared(header, payload)?;
        self.sender.count(header.len().saturating_add(bytes.len()));
        Ok(())
    }

    /// Sends a whole message that was encoded once for many receivers.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[cfg(feature = "alloc")]
    pub fn prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.ready()?;
        if R::IS_CLIENT {
            return self.whole(message.kind(), message.payload());
        }
        self.out.put_shared(&[], message.frame())?;
        self.sender.count(message.frame().as_ref().len());
        Ok(())
    }

    /// Sends a whole compressed message whose frame was encoded once for many receivers.
    #[cfg(feature = "deflate")]
    pub(crate) fn prepared_compressed(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.ready()?;
        if R::IS_CLIENT {
            return self.compressed_part(message.kind(), message.payload(), true);
        }
        self.sender.next_opcode(message.kind(), true)?;
        self.out.put_shared(&[], message.frame())?;
        self.sender.count(message.frame().as_ref().len());
        Ok(())
    }

    /// Sends a Ping with at most 125 bytes of payload (section 5.5.2).
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::FrameInProgress`],
    /// [`SendError::ControlTooLong`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Opcode::Ping, payload)
    }

    /// Sends an unsolicited Pong with at most 125 bytes of payload (section 5.5.3). Pings are answered without it.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Opcode::Pong, payload)
    }

    /// Sends a Close frame (section 5.5.1): one of the [named codes](CloseCode), `CloseCode(4000)` and the like, or `None`
    /// for an empty body. A message that is being sent in parts is abandoned.
    ///
    /// No message and no control frame of yours can be sent after it: [`SendError::Closed`]. Messages of the peer still
    /// arrive until its Close does, and its Pings are still answered.
    ///
    /// # Errors
    /// [`SendError::OutputFull`], [`SendError::Closed`], [`SendError::FrameInProgress`],
    /// [`SendError::InvalidCloseCode`], [`SendError::ReasonWithoutCode`], and [`SendError::ControlTooLong`] for a
    /// reason of more than [`MAX_CLOSE_REASON_LEN`] bytes.
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), SendError> {
        self.sender.check_control()?;
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
        let body = ControlPayload::new(CloseFrame { code, reason }.body());
        let close = SentClose {
            code: code.unwrap_or(CloseCode::NO_STATUS),
            answers: false,
        };
        Ok(self.sender.write_close(close, body.as_bytes(), self.out)?)
    }

    /// Sends what a receive half that is driven apart said is owed to the peer. Once a Close has been received nothing is
    /// owed but its answer; a second Close is dropped, and so is everything once the sending direction is shut down.
    ///
    /// # Errors
    /// [`SendError::OutputFull`] and [`SendError::FrameInProgress`]: keep the reply and call again.
    pub fn reply(&mut self, reply: &Reply) -> Result<(), SendError> {
        if self.sender.is_in_frame() {
            return Err(SendError::FrameInProgress);
        }
        match reply.close() {
            None if !self.sender.owes_pongs() => {}
            None => self
                .sender
                .write_frame(Opcode::Pong, true, 0, reply.payload(), self.out)?,
            Some(close) => self.sender.close_automatically(close, reply.payload(), self.out)?,
        }
        Ok(())
    }

    #[inline(always)]
    fn whole(&mut self, kind: MessageKind, bytes: &[u8]) -> Result<(), SendError> {
        self.sender.check_whole()?;
        if !matches!(self.compressing, Compressing::Nothing) && self.sender.extensions.compression {
            // By value, so that the handle itself need not be in memory.
            let compressing = self.compressing.again();
            return self.sender.write_whole_compressing(kind, bytes, compressing, self.out);
        }
        Ok(self.sender.write_frame(kind.opcode(), true, 0, bytes, self.out)?)
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.sender.check_control()?;
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong);
        }
        Ok(self.sender.write_frame(opcode, true, 0, payload, self.out)?)
    }
}

impl<O: Output + ?Sized> Tx<'_, Server, O> {
    /// Sends the header of a frame whose payload the caller writes itself, right behind what is in the output. A server
    /// masks nothing, so that the payload need not be mutable.
    ///
    /// # Errors
    /// As [`part`](Tx::part).
    pub fn header_for<'p>(&mut self, payload: impl Into<Payload<'p>>, fin: bool) -> Result<(), SendError> {
        let payload = payload.into();
        let kind = payload.kind();
        let len = payload.as_bytes().len() as u64;
        self.sender.write_header(kind, len, fin, self.out)?;
        self.sender.after_frame(kind, fin);
        Ok(())
    }
}

/// The Close that waits, without a reason.
fn close_frame(close: SentClose) -> CloseFrame<'static> {
    CloseFrame {
        code: Some(close.code).filter(|code| *code != CloseCode::NO_STATUS),
        reason: "",
    }
}
