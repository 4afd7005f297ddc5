//! Receiving at the streaming level: bytes -> header -> unmask -> UTF-8 -> chunk.

use core::mem;

use super::event::{Chunk, ChunkEvent};
use super::receiver::{Phase, Receiver};
use super::role::Role;
use crate::error::{Blocked, Failure, ReceiveError};
use crate::frame::{CloseFrame, MAX_HEADER_LEN, Mask, MessageKind, Violation, WholeMessage};
use crate::state::{self, Control};
use crate::utf8;

/// The result of one step of the receive half, before conversion to an event. It borrows only from the input.
pub(crate) enum Step<'i> {
    NeedInput,
    Text(&'i str, Boundaries),
    /// The character in [`Receiver::carry`].
    SplitChar(Boundaries),
    Binary(&'i [u8], Boundaries),
    Compressed(MessageKind, &'i [u8], Boundaries),
    /// At the payload of a compressed message, which is left in the input.
    LeftCompressed,
    /// A whole control frame; without a payload here it is in [`Receiver::control_payload`].
    Control(Control, Option<&'i [u8]>),
}

impl<'i> Step<'i> {
    /// The event for a step of `receiver`, if it is one.
    #[inline]
    pub(crate) fn event<'e, R: Role>(self, receiver: &'e Receiver<R>) -> Option<ChunkEvent<'e>>
    where
        'i: 'e,
    {
        let kept = |payload: Option<&'i [u8]>| payload.unwrap_or(receiver.control_payload());
        Some(match self {
            Self::NeedInput | Self::LeftCompressed => return None,
            Self::Text(text, boundaries) => ChunkEvent::Text(boundaries.chunk(text)),
            Self::SplitChar(boundaries) => ChunkEvent::Text(boundaries.chunk(receiver.carry.character())),
            Self::Binary(data, boundaries) => ChunkEvent::Binary(boundaries.chunk(data)),
            Self::Compressed(kind, data, boundaries) => ChunkEvent::Compressed(kind, boundaries.chunk(data)),
            Self::Control(Control::Ping, payload) => ChunkEvent::Ping(kept(payload)),
            Self::Control(Control::Pong, payload) => ChunkEvent::Pong(kept(payload)),
            Self::Control(Control::Close, _) => ChunkEvent::Close(receiver.close_frame().unwrap_or_default()),
        })
    }
}

/// What starts and ends with a chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boundaries {
    pub(crate) message_start: bool,
    pub(crate) frame_end: bool,
    pub(crate) message_end: bool,
}

impl Boundaries {
    /// A whole message.
    pub(super) const WHOLE: Self = Self {
        message_start: true,
        frame_end: true,
        message_end: true,
    };

    pub(crate) const fn chunk<T: ?Sized>(self, data: &T) -> Chunk<'_, T> {
        let Self {
            message_start,
            frame_end,
            message_end,
        } = self;
        Chunk {
            data,
            message_start,
            frame_end,
            message_end,
        }
    }
}

/// The result of a step of a receive half that is driven alone. It never waits: only a
/// [`Connection`](super::Connection) can have a Pong deferred.
#[inline]
pub(crate) fn failed(result: Result<Step<'_>, ReceiveError>) -> Result<Step<'_>, Failure> {
    match result {
        Ok(step) => Ok(step),
        Err(ReceiveError::Failed(failure)) => Err(failure),
        Err(ReceiveError::Blocked(_)) => Ok(Step::NeedInput),
    }
}

/// Takes the first `len` bytes off the input, or none if there are fewer.
#[inline]
fn take<'i>(input: &mut &'i mut [u8], len: usize) -> &'i mut [u8] {
    match mem::take(input).split_at_mut_checked(len) {
        Some((taken, rest)) => {
            *input = rest;
            taken
        }
        // Not reached: callers ask for at most what there is.
        None => &mut [],
    }
}

impl<R: Role> Receiver<R> {
    /// Consumes bytes from the front of `input`, up to the next event, and moves `input` past them. `None` means that all
    /// of it was consumed and more is needed.
    ///
    /// Payloads are unmasked in place and borrowed from `input`.
    ///
    /// # Errors
    /// The failure, on this and every later call, once the peer has violated the protocol or exceeded a limit. All input
    /// is discarded. Send [`Reply::from(failure)`](super::Reply).
    pub fn receive_chunk<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<ChunkEvent<'e>>, Failure> {
        let step = failed(self.step(input, false))?;
        Ok(step.event(self))
    }

    /// One step: up to the next thing to hand out. `control_in_use` says that the control payload that is kept is still
    /// needed.
    #[inline]
    pub(crate) fn step<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        control_in_use: bool,
    ) -> Result<Step<'i>, ReceiveError> {
        match self.whole_message(input) {
            Some(step) => Ok(step),
            None => self.step_slow(input, control_in_use),
        }
    }

    /// The common case: a whole message in one frame, all of it in the input. Everything else is left to
    /// [`step_slow`](Self::step_slow).
    #[inline(always)]
    pub(crate) fn whole_message<'i>(&mut self, input: &mut &'i mut [u8]) -> Option<Step<'i>> {
        let WholeMessage {
            kind,
            header_len,
            payload_len,
        } = self.starts_whole_message(input, 0, u64::MAX)?;
        let (header, payload) = take(input, header_len + payload_len).split_at_mut_checked(header_len)?;
        if !R::IS_CLIENT {
            Mask::new(*header.last_chunk::<4>()?).apply_once(payload);
        }
        Some(match kind {
            MessageKind::Text => match utf8::validate(payload) {
                Ok(text) => Step::Text(text, Boundaries::WHOLE),
                Err(_) => {
                    self.message_start = true;
                    return self.bad_text(utf8::split(payload).0);
                }
            },
            MessageKind::Binary => Step::Binary(payload, Boundaries::WHOLE),
        })
    }

    /// The message with these reserved bits at the start of `bytes`, if it is the common case, within the limits and within
    /// `longest`.
    #[inline(always)]
    pub(crate) fn starts_whole_message(&self, bytes: &[u8], rsv: u8, longest: u64) -> Option<WholeMessage> {
        if self.phase != Phase::Start {
            return None;
        }
        let message = WholeMessage::decode(bytes, rsv, !R::IS_CLIENT)?;
        // Lossless: a usize has at most 64 bits.
        let len = message.payload_len as u64;
        (len <= self.max_frame_len && len <= longest).then_some(message)
    }

    /// The text before the byte that is wrong is handed out first, as it would have been byte by byte. The failure comes next.
    #[cold]
    fn bad_text<'i>(&mut self, text: &'i str) -> Option<Step<'i>> {
        self.phase = Phase::Failing(Violation::TextNotUtf8.into());
        (!text.is_empty()).then(|| Step::Text(text, self.part()))
    }

    /// Everything but the common case.
    pub(super) fn step_slow<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        control_in_use: bool,
    ) -> Result<Step<'i>, ReceiveError> {
        loop {
            match self.phase {
                Phase::Start | Phase::Between | Phase::Header => {
                    if !self.take_header(input) {
                        return Ok(Step::NeedInput);
                    }
                }
                Phase::Data { .. } if self.compressed && self.leaves_compressed => return Ok(Step::LeftCompressed),
                Phase::Data { kind, fin } if self.compressed => return Ok(self.take_compressed(input, kind, fin)),
                Phase::Data {
                    kind: MessageKind::Text,
                    fin,
                } => {
                    if let Some(step) = self.take_text(input, fin) {
                        return Ok(step);
                    }
                }
                Phase::Data {
                    kind: MessageKind::Binary,
                    fin,
                } => return Ok(self.take_binary(input, fin)),
                Phase::Control { control, begun } => {
                    if let Some(step) = self.take_control(input, control, begun, control_in_use)? {
                        return Ok(step);
                    }
                }
                Phase::Held(control) => {
                    self.phase = self.after_control(control);
                    return Ok(Step::Control(control, None));
                }
                Phase::Closed | Phase::Ended => {
                    *input = &mut [];
                    return Ok(Step::NeedInput);
                }
                Phase::Failing(failure) | Phase::Failed(failure) => {
                    *input = &mut [];
                    return Err(self.fail(failure).into());
                }
            }
        }
    }

    /// Takes a header off the input, or as much of it as there is. Whether to go on without more.
    fn take_header(&mut self, input: &mut &mut [u8]) -> bool {
        let kept = usize::from(self.header_len);
        // The start that was kept, and what of the input may belong to the header.
        let mut bytes = [0; MAX_HEADER_LEN];
        let mut known = 0;
        let start = self.header.iter().take(kept);
        for (to, from) in bytes.iter_mut().zip(start.chain(input.iter())) {
            *to = *from;
            known += 1;
        }
        match self.check_header(bytes.get(..known).unwrap_or_default(), u64::MAX) {
            Ok(Some(checked)) => {
                take(input, checked.header_len.saturating_sub(kept));
                self.header_len = 0;
                self.enter(&checked);
                true
            }
            Ok(None) => {
                *input = &mut [];
                if known > 0 {
                    // At most 13: fourteen bytes are always a whole header.
                    let [start @ .., _] = bytes;
                    self.header = start;
                    self.header_len = u8::try_from(known).unwrap_or(0);
                    self.phase = Phase::Header;
                }
                false
            }
            Err(failure) => {
                self.phase = Phase::Failing(failure);
                true
            }
        }
    }

    /// Takes as much of the frame's payload off the input as there is, but at most `at_most` bytes, and unmasks it.
    #[inline]
    fn take_payload<'i>(&mut self, input: &mut &'i mut [u8], at_most: usize) -> &'i [u8] {
        let available = at_most.min(input.len());
        let len = usize::try_from(self.remaining).map_or(available, |remaining| remaining.min(available));
        let payload = take(input, len);
        if !R::IS_CLIENT {
            self.mask.apply(payload);
        }
        // Lossless: a usize has at most 64 bits.
        self.remaining = self.remaining.saturating_sub(payload.len() as u64);
        payload
    }

    /// What starts and ends with the chunk that is about to be handed out, after its bytes were taken.
    #[inline]
    pub(crate) fn boundaries(&mut self, kind: MessageKind, fin: bool) -> Boundaries {
        let frame_end = self.remaining == 0;
        if frame_end {
            self.within = state::after(kind, fin);
            self.phase = self.frame_start();
        }
        Boundaries {
            message_start: mem::take(&mut self.message_start),
            frame_end,
            message_end: frame_end && fin,
        }
    }

    /// The same where the chunk ends inside a frame.
    pub(crate) const fn part(&mut self) -> Boundaries {
        Boundaries {
            message_start: mem::replace(&mut self.message_start, false),
            frame_end: false,
            message_end: false,
        }
    }

    #[inline]
    fn take_binary<'i>(&mut self, input: &mut &'i mut [u8], fin: bool) -> Step<'i> {
        if input.is_empty() && self.remaining > 0 {
            return Step::NeedInput;
        }
        let payload = self.take_payload(input, usize::MAX);
        Step::Binary(payload, self.boundaries(MessageKind::Binary, fin))
    }

    /// Takes the first `len` bytes of the frame's payload off the input: they have been looked at where they were.
    #[cfg(feature = "deflate")]
    pub(crate) fn skip_payload(&mut self, input: &mut &mut [u8], len: usize) {
        let taken = take(input, len).len();
        self.mask.advance(taken);
        self.remaining = self.remaining.saturating_sub(taken as u64);
    }

    fn take_compressed<'i>(&mut self, input: &mut &'i mut [u8], kind: MessageKind, fin: bool) -> Step<'i> {
        if input.is_empty() && self.remaining > 0 {
            return Step::NeedInput;
        }
        let payload = self.take_payload(input, usize::MAX);
        Step::Compressed(kind, payload, self.boundaries(kind, fin))
    }

    /// `None` where nothing of it is text: it fails next.
    fn take_text<'i>(&mut self, input: &mut &'i mut [u8], fin: bool) -> Option<Step<'i>> {
        if self.carry.is_unfinished() {
            return self.finish_character(input, fin);
        }
        let (text, rest) = utf8::split(self.take_payload(input, usize::MAX));
        match rest {
            utf8::Rest::Nothing => {}
            // A message cannot end inside a character.
            utf8::Rest::Unfinished(tail) if self.remaining > 0 || !fin => self.carry.keep(tail),
            utf8::Rest::Unfinished(_) | utf8::Rest::Invalid => return self.bad_text(text),
        }
        if text.is_empty() && self.remaining > 0 {
            return Some(Step::NeedInput);
        }
        Some(Step::Text(text, self.boundaries(MessageKind::Text, fin)))
    }

    /// Goes on with a character that was cut.
    #[cold]
    fn finish_character<'i>(&mut self, input: &mut &'i mut [u8], fin: bool) -> Option<Step<'i>> {
        while let Some(&byte) = self.take_payload(input, 1).first() {
            match self.carry.push(byte) {
                utf8::SplitChar::Unfinished => {}
                utf8::SplitChar::Whole => return Some(Step::SplitChar(self.boundaries(MessageKind::Text, fin))),
                utf8::SplitChar::Invalid => return self.bad_text(""),
            }
        }
        // The frame or the input has come to its end inside the character.
        if self.remaining > 0 {
            return Some(Step::NeedInput);
        }
        if fin {
            return self.bad_text("");
        }
        Some(Step::Text("", self.boundaries(MessageKind::Text, fin)))
    }

    /// `None` where it fails next.
    fn take_control<'i>(
        &mut self,
        input: &mut &'i mut [u8],
        control: Control,
        begun: bool,
        control_in_use: bool,
    ) -> Result<Option<Step<'i>>, Blocked> {
        if input.is_empty() && self.remaining > 0 {
            return Ok(Some(Step::NeedInput));
        }
        let all_here = self.remaining <= input.len() as u64;
        if control_in_use && !all_here {
            return Err(Blocked::FrameInProgress);
        }
        if !begun {
            if control != Control::Close && all_here {
                let payload = self.take_payload(input, usize::MAX);
                self.phase = self.after_control(control);
                return Ok(Some(Step::Control(control, Some(payload))));
            }
            // Behind the peer's Close no Pong is due (section 5.5.2): one that is deferred makes way for it.
            self.set_control(&[]);
            self.phase = Phase::Control { control, begun: true };
        }
        let payload = self.take_payload(input, usize::MAX);
        self.control.extend(payload.iter().copied());
        let body = self.control_payload();
        let checked = match control {
            Control::Ping | Control::Pong => Ok(()),
            // As far as it has arrived.
            Control::Close if self.remaining > 0 => CloseFrame::check_part(body),
            Control::Close => CloseFrame::decode(body).map(drop),
        };
        if let Err(violation) = checked {
            self.phase = Phase::Failing(violation.into());
            return Ok(None);
        }
        if self.remaining > 0 {
            return Ok(Some(Step::NeedInput));
        }
        self.phase = self.after_control(control);
        Ok(Some(Step::Control(control, None)))
    }

    /// Makes a control frame that was just taken come again: its reply did not fit the output.
    #[cold]
    pub(super) fn hold(&mut self, control: Control, payload: Option<&[u8]>) {
        if let Some(payload) = payload {
            self.set_control(payload);
        }
        self.phase = Phase::Held(control);
    }
}
