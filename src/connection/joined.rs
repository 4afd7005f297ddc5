//! The two halves joined: replies are made here.

use super::backlog::Backlog;
use super::chunks::Step;
use super::compress::Compressing;
#[cfg(feature = "alloc")]
use super::control::ControlPayload;
use super::event::ChunkEvent;
use super::extensions::Extensions;
use super::receiver::{Phase, Receiver};
use super::record::CloseRecord;
use super::role::Role;
use super::sender::Sender;
use super::tx::Tx;
use crate::buffer::Output;
#[cfg(feature = "alloc")]
use crate::buffer::OutputFull;
use crate::error::{Blocked, Failure, ReceiveError};
use crate::frame::{CloseCode, CloseFrame, Opcode};
use crate::limits::Limits;
use crate::state::{Control, Received, Sending, SentClose, TransportAction};

/// An open connection.
///
/// It comes out of an opening handshake ([`handshake`](crate::handshake)), or is made by [`new`](Self::new) after
/// somebody else's upgrade.
///
/// ```
/// use sockless::connection::{ChunkEvent, Connection, Server};
/// use sockless::limits::Limits;
///
/// let mut ws = Connection::new(Server, &Limits::default());
/// let mut out = Vec::new();
///
/// // RFC 6455 section 5.7: a masked text message, here cut in the middle.
/// let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let (first, second) = bytes.split_at_mut(8);
/// let mut text = String::new();
/// for mut input in [first, second] {
///     while let Some((event, mut tx)) = ws.receive_chunk(&mut input, &mut out)? {
///         if let ChunkEvent::Text(chunk) = event {
///             text.push_str(chunk.data);
///             if chunk.message_end {
///                 tx.text(&text)?;
///             }
///         }
///     }
/// }
/// assert_eq!(out, b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<R> {
    pub(crate) receiver: Receiver<R>,
    pub(crate) sender: Sender<R>,
    backlog: Backlog,
}

impl<R: Role> Connection<R> {
    /// An open connection, after an upgrade. Bytes that followed the handshake are its first input.
    #[must_use]
    pub const fn new(role: R, limits: &Limits) -> Self {
        Self {
            receiver: Receiver::new(limits),
            sender: Sender::new(role),
            backlog: Backlog::new(limits.max_reply_backlog),
        }
    }

    /// The same with extensions that were agreed in the opening handshake.
    #[must_use]
    pub const fn with_extensions(mut self, extensions: Extensions) -> Self {
        self.receiver.extensions = extensions;
        self.sender.extensions = extensions;
        self
    }

    /// Consumes bytes from the front of `input`, up to the next event, and moves `input` past them. `None` means that
    /// all of it was consumed and more is needed. Beside the event comes the output handle, so that an answer can be
    /// sent while the payload is still borrowed.
    ///
    /// Pongs and the answer to a Close are put into `out` before the event is handed out.
    ///
    /// # Errors
    /// [`ReceiveError::Failed`], on this and every later call, once the peer has violated the protocol or exceeded a
    /// limit. The Close is in `out` by then, or comes with the last chunk of a frame that is being sent in chunks. All
    /// input is discarded.
    ///
    /// [`ReceiveError::Blocked`] says what to do before going on with the rest of `input`: drain `out`, or finish that
    /// frame.
    #[inline(always)] // what is not common is not inlined
    pub fn receive_chunk<'e, 'i: 'e, O: Output + ?Sized>(
        &'e mut self,
        input: &mut &'i mut [u8],
        out: &'e mut O,
    ) -> Result<Option<(ChunkEvent<'e>, Tx<'e, R, O>)>, ReceiveError> {
        let step = match self.receiver.whole_message(input) {
            Some(step) => step,
            None => self.step(input, out)?,
        };
        let Self { receiver, sender, .. } = self;
        let control = receiver.control_payload();
        Ok(step.event(receiver).map(|event| {
            (
                event,
                Tx {
                    sender,
                    out,
                    control,
                    compressing: Compressing::Nothing,
                },
            )
        }))
    }

    /// The output handle.
    #[inline]
    pub fn tx<'a, O: ?Sized>(&'a mut self, out: &'a mut O) -> Tx<'a, R, O> {
        self.tx_compressing(out, Compressing::Nothing)
    }

    /// The output handle, with what compresses where that was agreed to.
    #[inline(always)]
    pub(crate) fn tx_compressing<'a, O: ?Sized>(
        &'a mut self,
        out: &'a mut O,
        compressing: Compressing<'a>,
    ) -> Tx<'a, R, O> {
        Tx {
            sender: &mut self.sender,
            out,
            control: self.receiver.control_payload(),
            compressing,
        }
    }

    /// The stream of input has ended: a read returned no bytes, and all events were received. Returns the record of how
    /// the connection ended, with code 1006 if no Close was received.
    ///
    /// From then on nothing can be sent, and all input is discarded. Input that is left in a
    /// [`ReadBuffer`](crate::buffer::ReadBuffer) is the start of a frame whose end will not come.
    pub fn end_of_stream(&mut self) -> CloseRecord<'_> {
        self.receiver.end_of_stream();
        self.sender.sending_shut_down();
        self.close_record()
    }

    /// What to do with the transport now. Ask after each event, error, and end of stream.
    #[must_use]
    #[inline]
    pub fn transport(&self) -> TransportAction {
        // The common case, without a look at the table.
        if !self.is_closing() {
            return TransportAction::Continue;
        }
        TransportAction::of(&self.receiver, &self.sender)
    }

    /// The sending direction of the transport was shut down, as [`TransportAction::ShutDownSend`] asked. Nothing can be
    /// sent any more.
    pub const fn sending_shut_down(&mut self) {
        self.sender.sending_shut_down();
    }

    /// Gives up: a deadline has passed, or the transport has failed. From then on [`transport`](Self::transport) returns
    /// [`TransportAction::Abort`], nothing can be sent, and all input is discarded.
    pub fn abort(&mut self) {
        self.receiver.abort();
        self.sender.abort();
    }

    /// How the connection has ended so far.
    #[must_use]
    pub fn close_record(&self) -> CloseRecord<'_> {
        CloseRecord::of(&self.receiver, &self.sender)
    }

    /// How many payload bytes of the message under way have been consumed. `None` between two messages.
    #[must_use]
    pub const fn message_progress(&self) -> Option<u64> {
        self.receiver.message_progress()
    }

    /// Whether the connection is between two messages in both directions, with nothing owed and no Close sent or
    /// received. If the input and the output are empty too, it behaves as a fresh connection.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.receiver.phase == Phase::Start && self.sender.is_at_rest()
    }

    /// Takes the two halves apart. From then on replies are the caller's to carry: see [`Reply`](super::Reply).
    ///
    /// # Errors
    /// The connection itself, if a frame is being sent in chunks. Finish it first.
    #[allow(clippy::result_large_err, reason = "the error is the connection, handed back")]
    pub fn split(self) -> Result<(Receiver<R>, Sender<R>), Self> {
        if self.sender.is_in_frame() {
            return Err(self);
        }
        Ok((self.receiver, self.sender))
    }

    /// One step that need not be a whole message, with the replies that it calls for.
    #[inline(never)]
    pub(crate) fn step<'i, O: Output + ?Sized>(
        &mut self,
        input: &mut &'i mut [u8],
        out: &mut O,
    ) -> Result<Step<'i>, ReceiveError> {
        match self.receiver.step_slow(input, self.sender.pong_deferred) {
            Ok(Step::Control(control, payload)) => {
                if let Err(blocked) = self.reply(control, payload, out) {
                    self.receiver.hold(control, payload);
                    return Err(blocked.into());
                }
                Ok(Step::Control(control, payload))
            }
            Ok(step) => Ok(step),
            Err(error) => Err(self.answer_failure(error, out)),
        }
    }

    /// Answers a control frame before its event is handed out. Without a payload here, it is the one that is kept.
    #[cold]
    pub(crate) fn reply<O: Output + ?Sized>(
        &mut self,
        control: Control,
        payload: Option<&[u8]>,
        out: &mut O,
    ) -> Result<(), Blocked> {
        match control {
            Control::Pong => Ok(()),
            // "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a
            // Close frame" (section 5.5.2): having sent one is no excuse.
            Control::Ping if !self.sender.owes_pongs() => Ok(()),
            Control::Ping if self.sender.is_in_frame() => {
                if let Some(payload) = payload {
                    self.receiver.set_control(payload);
                }
                self.sender.pong_deferred = true;
                Ok(())
            }
            Control::Ping => {
                let payload = payload.unwrap_or(self.receiver.control_payload());
                let frame_len = payload.len() + if R::IS_CLIENT { 6 } else { 2 };
                let Sender { put, pong_end, .. } = self.sender;
                if !self.backlog.admits(put, pong_end, out.len(), frame_len) {
                    return Err(Blocked::UndrainedPongs);
                }
                self.sender.write_frame(Opcode::Pong, true, 0, payload, out)?;
                self.backlog.add(frame_len);
                self.sender.pong_end = self.sender.put;
                Ok(())
            }
            // "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a
            // Close frame in response" (section 5.5.1).
            Control::Close => {
                let body = payload.unwrap_or(self.receiver.control_payload());
                let code = CloseFrame::decode(body).ok().and_then(|frame| frame.code);
                let close = SentClose {
                    code: code.unwrap_or(CloseCode::NO_STATUS),
                    answers: true,
                };
                self.sender.close_automatically(close, body, out)?;
                Ok(())
            }
        }
    }

    /// How many bytes were put into the output so far, modulo 2^32.
    #[cfg(feature = "alloc")]
    pub(crate) const fn bytes_put(&self) -> u32 {
        self.sender.put
    }

    /// How many bytes the payload of the data frame under way lacks, at least as far as they are not consumed.
    #[cfg(feature = "alloc")]
    pub(crate) const fn data_wanted(&self) -> Option<u64> {
        if let Phase::Data { .. } = self.receiver.phase {
            return Some(self.receiver.remaining);
        }
        None
    }

    /// Whether anything was done towards closing, in either direction.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.receiver.received() != Received::Nothing || self.sender.closing != Sending::Open
    }

    /// Closes at once, or behind the frame that is being sent in chunks.
    #[cfg(feature = "alloc")]
    pub(crate) fn close_soon<O: Output + ?Sized>(
        &mut self,
        code: CloseCode,
        reason: &str,
        out: &mut O,
    ) -> Result<(), OutputFull> {
        let code_and_reason = CloseFrame {
            code: Some(code),
            reason,
        };
        let body = ControlPayload::new(code_and_reason.body());
        self.sender
            .close_automatically(SentClose::failure(code), body.as_bytes(), out)
    }

    /// Fails the connection for a reason of its own.
    #[cfg(feature = "alloc")]
    pub(crate) fn fail<O: Output + ?Sized>(&mut self, failure: impl Into<Failure>, out: &mut O) {
        if self.receiver.failure().is_none() {
            self.failed(failure.into(), out);
        }
    }

    /// Whether messages may be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) const fn set_compression(&mut self, compression: bool) {
        self.receiver.extensions.compression = compression;
        self.sender.extensions.compression = compression;
    }

    /// Fails the connection for what a message turned out to be.
    #[cold]
    pub(crate) fn failed<O: Output + ?Sized>(&mut self, failure: Failure, out: &mut O) -> ReceiveError {
        let failure = self.receiver.fail(failure);
        self.answer_failure(failure.into(), out)
    }

    /// Sends the Close that a failure calls for (section 7.1.7), before the error is handed out.
    #[cold]
    pub(crate) fn answer_failure<O: Output + ?Sized>(&mut self, error: ReceiveError, out: &mut O) -> ReceiveError {
        let ReceiveError::Failed(failure) = error else {
            return error;
        };
        let code = failure.close_code();
        let body = code.0.to_be_bytes();
        match self.sender.close_automatically(SentClose::failure(code), &body, out) {
            Ok(()) => error,
            Err(full) => ReceiveError::Blocked(full.into()),
        }
    }
}

impl<R> core::fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connection")
            .field("receiver", &self.receiver)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}
