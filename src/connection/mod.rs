//! The streaming level: an open connection as a state machine, without an allocator and without a buffer of its own.
//!
//! [`Connection`] joins the receive half and the send half, answers Pings and Close frames, and keeps the record of how
//! it ended. The halves can be taken apart ([`Connection::split`]) and driven by two tasks or threads. Whole messages
//! are the business of [`message`](crate::message), which is a shell over this.

mod close;
mod event;
mod receive;
mod reply;
mod role;
mod send;
mod step;

pub use close::{CloseRecord, Initiator, StreamEnd, Transport};
pub use event::{Chunk, Event};
pub use receive::Receiver;
pub use reply::Reply;
pub use role::{Client, Role, Server};
pub use send::{Payload, PreparedMessage, Sender};
#[cfg(feature = "alloc")]
pub(crate) use step::failed;
pub(crate) use step::{Ends, Step, Whole};

use crate::error::{ReceiveError, SendError};
use crate::frame::{CloseCode, CloseFrame};
use crate::limits::Limits;
use crate::output::{Output, OutputFull};
use crate::state::Control;
use send::CloseReply;

/// An open connection at the streaming level.
///
/// It comes out of an opening handshake ([`handshake`](crate::handshake)), or is made by [`new`](Self::new) after
/// somebody else's upgrade.
///
/// ```
/// use sockless::connection::{Connection, Event, Server};
/// use sockless::limits::Limits;
///
/// let mut connection = Connection::new(Server, &Limits::default());
/// let mut out = Vec::new();
///
/// // RFC 6455 section 5.7: a masked text message, here cut in the middle.
/// let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let (first, second) = bytes.split_at_mut(8);
/// let mut text = String::new();
/// for mut input in [first, second] {
///     while let Some((event, tx)) = connection.receive(&mut input, &mut out)? {
///         if let Event::Text(chunk) = event {
///             text.push_str(chunk.data);
///             if chunk.message_end {
///                 tx.text(&text, &mut out)?;
///             }
///         }
///     }
/// }
/// assert_eq!(out, b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection<R> {
    receiver: Receiver<R>,
    sender: Sender<R>,
    /// The bytes of Pongs that were put since the output was last seen to have been drained; at most as many wait.
    reply_backlog: u32,
    max_reply_backlog: u32,
    /// Whether the close record has been handed out.
    recorded: bool,
}

impl<R: Role> Connection<R> {
    /// An open connection, after an upgrade. Bytes that followed the handshake are its first input.
    #[must_use]
    pub const fn new(role: R, limits: &Limits) -> Self {
        Self {
            receiver: Receiver::new(limits),
            sender: Sender::new(role),
            reply_backlog: 0,
            max_reply_backlog: limits.max_reply_backlog,
            recorded: false,
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
        let step = match self.receiver.whole_message(input) {
            Some(Whole::Text(text)) => return Ok(Some((Event::Text(Ends::WHOLE.chunk(text)), &mut self.sender))),
            Some(Whole::Binary(data)) => return Ok(Some((Event::Binary(Ends::WHOLE.chunk(data)), &mut self.sender))),
            Some(bad @ Whole::BadText(_)) => bad.into(),
            None => self.any_step(input, out)?,
        };
        let Self { receiver, sender, .. } = self;
        let event = step.event(receiver, || CloseRecord::of(receiver, sender));
        Ok(event.map(|event| (event, sender)))
    }

    /// Takes in the end of the stream of input, and hands out the close record unless an [`Event::Close`] has
    /// already.
    ///
    /// Where no Close came, [`CloseRecord::code`] is 1006. From then on nothing can be sent, and all input is
    /// discarded.
    pub fn end_of_stream(&mut self) -> Option<CloseRecord<'_>> {
        self.receiver.end_of_stream();
        self.sender.end_of_stream();
        let recorded = core::mem::replace(&mut self.recorded, true);
        (!recorded).then(|| self.close_record())
    }

    /// Writes the replies that had to wait while a frame was sent in chunks. [`receive`](Self::receive) does so too.
    ///
    /// # Errors
    /// [`OutputFull`]: drain the output and call again.
    pub fn flush_replies<O: Output + ?Sized>(&mut self, out: &mut O) -> Result<(), OutputFull> {
        if self.receiver.is_pong_owed() && !self.sender.is_in_frame() {
            if !self.sender.is_closed() {
                self.write_pong(None, out)?;
            }
            self.receiver.pong_paid();
        }
        Ok(())
    }

    /// The send half.
    #[inline]
    pub const fn sender(&mut self) -> &mut Sender<R> {
        &mut self.sender
    }

    /// What to do with the transport, now. Ask after each event, error, and end of stream.
    #[must_use]
    pub fn transport(&self) -> Transport {
        Transport::of(&self.receiver, &self.sender)
    }

    /// How the connection has ended so far. It is complete once [`Event::Close`] or
    /// [`end_of_stream`](Self::end_of_stream) has handed it out.
    #[must_use]
    pub fn close_record(&self) -> CloseRecord<'_> {
        CloseRecord::of(&self.receiver, &self.sender)
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
        self.sender.close(code, reason, out)
    }

    /// Takes the two halves apart. From then on replies are the caller's to carry: [`Event::reply`]. Finish the frame
    /// that is being sent in chunks before, and [flush](Self::flush_replies) the reply that waited for its end.
    ///
    /// # Errors
    /// The connection itself, if a frame is being sent in chunks or a reply waits.
    #[allow(clippy::result_large_err, reason = "the error is the connection, handed back")]
    pub fn split(self) -> Result<(Receiver<R>, Sender<R>), Self> {
        if self.receiver.is_pong_owed() || self.sender.is_in_frame() {
            return Err(self);
        }
        Ok((self.receiver, self.sender))
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn receiver(&self) -> &Receiver<R> {
        &self.receiver
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn halves(&mut self) -> (&Receiver<R>, &mut Sender<R>) {
        (&self.receiver, &mut self.sender)
    }

    /// A whole message that lies whole in the input, if that is what comes.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn whole_message<'i>(&mut self, input: &mut &'i mut [u8]) -> Option<Whole<'i>> {
        self.receiver.whole_message(input)
    }

    /// One step that need not be a whole message, with the replies that it calls for.
    pub(crate) fn any_step<'i, O: Output + ?Sized>(
        &mut self,
        input: &mut &'i mut [u8],
        out: &mut O,
    ) -> Result<Step<'i>, ReceiveError> {
        self.flush_replies(out).map_err(crate::error::Blocked::from)?;
        match self.receiver.any_step(input) {
            Ok(Step::Control(control, payload)) => self.reply(control, payload, out),
            Ok(step) => Ok(step),
            Err(error) => Err(self.answer_failure(error, out)),
        }
    }

    /// Answers a control frame (sections 5.5.1 and 5.5.2), before its event is handed out.
    #[cold]
    fn reply<'i, O: Output + ?Sized>(
        &mut self,
        control: Control,
        payload: Option<&'i [u8]>,
        out: &mut O,
    ) -> Result<Step<'i>, ReceiveError> {
        let written = match control {
            Control::Pong => Ok(()),
            Control::Ping if self.sender.is_closed() => Ok(()),
            Control::Ping if self.sender.is_in_frame() => {
                self.receiver.owe_pong(payload);
                Ok(())
            }
            Control::Ping => self.write_pong(payload, out),
            Control::Close => {
                let frame = self.receiver.close_frame().unwrap_or_default();
                self.sender.close_for_peer(CloseReply { frame, answers: true }, out)
            }
        };
        if let Err(full) = written {
            self.receiver.hold(control, payload);
            return Err(ReceiveError::Blocked(full.into()));
        }
        if control == Control::Close {
            self.recorded = true;
        }
        Ok(Step::Control(control, payload))
    }

    /// Writes a Pong, unless too many wait already.
    fn write_pong<O: Output + ?Sized>(&mut self, payload: Option<&[u8]>, out: &mut O) -> Result<(), OutputFull> {
        let payload = payload.unwrap_or(self.receiver.control_payload());
        let before = out.len();
        // What was drained does not wait any more.
        let waiting = u32::try_from(before).map_or(self.reply_backlog, |len| self.reply_backlog.min(len));
        // Two to six bytes of header, and at most 125 of payload.
        let frame_len = payload.len() + if R::IS_CLIENT { 6 } else { 2 };
        let backlog = waiting.saturating_add(u32::try_from(frame_len).unwrap_or(u32::MAX));
        if waiting > 0 && backlog > self.max_reply_backlog {
            return Err(OutputFull { needed: frame_len });
        }
        self.sender.write_pong(payload, out)?;
        self.reply_backlog = backlog;
        Ok(())
    }

    /// Sends the Close that a failure calls for (section 7.1.7), before the error is handed out.
    #[cold]
    fn answer_failure<O: Output + ?Sized>(&mut self, error: ReceiveError, out: &mut O) -> ReceiveError {
        let ReceiveError::Failed(failure) = error else {
            return error;
        };
        let frame = CloseFrame {
            code: Some(failure.close_code()),
            reason: "",
        };
        let close = CloseReply { frame, answers: false };
        match self.sender.close_for_peer(close, out) {
            Ok(()) => error,
            Err(full) => ReceiveError::Blocked(full.into()),
        }
    }
}

impl<R> core::fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connection")
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}
