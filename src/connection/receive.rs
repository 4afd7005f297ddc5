//! The receive half: bytes -> header -> legality and limits -> unmask -> UTF-8 -> event.

use core::marker::PhantomData;
use core::mem;

use super::event::Event;
use super::step::{Ends, Step, Whole, failed};
use super::{Role, StreamEnd};
use crate::error::{Blocked, Failure, LimitExceeded, ReceiveError, Violation};
use crate::frame::{
    CloseFrame, FirstByte, Length, MAX_CONTROL_LEN, MAX_HEADER_LEN, Mask, MessageKind, Opcode, SecondByte,
};
use crate::limits::Limits;
use crate::state::{self, Control, Fragmentation, Frame};
use crate::utf8;

/// The receive half of a connection.
///
/// It shares nothing with the send half: what it owes the peer comes out as a small value
/// ([`Event::reply`], [`Reply::from(failure)`](super::Reply)) that the caller hands to the send half. Use a
/// [`Connection`](super::Connection) unless two tasks or threads are to own one half each.
///
/// It holds no buffer but room for one header and one control frame.
pub struct Receiver<R> {
    max_frame_len: u64,
    max_message_len: u64,
    fragment_budget: u32,
    /// The number of frames of the message under way. Stays at its top: by then the payload has paid for more.
    fragments: u32,
    /// The bytes that the frames of the message under way have declared so far.
    message_len: u64,
    /// The bytes of the frame under way that have not arrived yet.
    remaining: u64,
    /// The mask of the frame under way; a zero key where it is not masked.
    mask: Mask,
    phase: Phase,
    within: Fragmentation,
    /// Whether no chunk of the message under way has been handed out yet.
    message_start: bool,
    /// A text character that was cut.
    carry: utf8::Carry,
    /// A header that was cut.
    header: [u8; MAX_HEADER_LEN],
    header_len: u8,
    /// The last control payload that came in pieces or has to be kept.
    control: [u8; MAX_CONTROL_LEN],
    control_len: u8,
    /// Whether `control` holds a Ping that the send half cannot answer before it has finished a frame.
    pong_owed: bool,
    stream_end: Option<StreamEnd>,
    role: PhantomData<R>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// At the start of a message.
    Start,
    /// At the start of a frame inside a message.
    Between,
    /// Inside a header, of which some bytes are kept.
    Header,
    /// Inside the payload of a data frame.
    Data { kind: MessageKind, fin: bool },
    /// Inside the payload of a control frame.
    Control(Control),
    /// A whole control frame is kept and has to be handed out again.
    Held(Control),
    /// The peer's Close has come: whatever follows is discarded (section 5.5.1).
    Closed,
    /// The stream has ended.
    Ended,
    /// Nothing more is taken in.
    Failed(Failure),
}

/// A header that may be taken in.
struct Judged {
    frame: Frame,
    fin: bool,
    mask: Mask,
    payload_len: u64,
    header_len: usize,
}

/// Takes the first `len` bytes off the input, or all that there are.
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
    /// A receive half at the start of a connection.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            max_frame_len: limits.max_frame_len,
            max_message_len: limits.max_message_len,
            fragment_budget: limits.fragment_budget,
            fragments: 0,
            message_len: 0,
            remaining: 0,
            mask: Mask::new([0; 4]),
            phase: Phase::Start,
            within: None,
            message_start: false,
            carry: utf8::Carry::new(),
            header: [0; MAX_HEADER_LEN],
            header_len: 0,
            control: [0; MAX_CONTROL_LEN],
            control_len: 0,
            pong_owed: false,
            stream_end: None,
            role: PhantomData,
        }
    }

    /// Takes in bytes from the front of `input`, up to the next event, and moves `input` past them. `None` means that
    /// all of it was taken in and more is needed.
    ///
    /// Payloads are unmasked in place and borrowed from `input`; only what came in pieces is borrowed from here.
    ///
    /// # Errors
    /// The failure, again and again, once the peer has broken the RFC or gone over a limit: send
    /// [`Reply::from(failure)`](super::Reply).
    pub fn receive<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Event<'e, CloseFrame<'e>>>, Failure> {
        let step = failed(self.step(input))?;
        Ok(step.event(self, || self.close_frame().unwrap_or_default()))
    }

    /// Takes in the end of the stream, and says where it came. From then on all input is discarded.
    pub fn end_of_stream(&mut self) -> StreamEnd {
        let end = match self.stream_end {
            Some(end) => end,
            None => match self.phase {
                Phase::Between => StreamEnd::InMessage,
                Phase::Start | Phase::Ended => StreamEnd::BetweenMessages,
                Phase::Header => StreamEnd::InHeader,
                Phase::Data { .. } | Phase::Control(_) => StreamEnd::InPayload,
                Phase::Held(Control::Ping | Control::Pong) if self.within.is_some() => StreamEnd::InMessage,
                Phase::Held(Control::Ping | Control::Pong) => StreamEnd::BetweenMessages,
                Phase::Held(Control::Close) | Phase::Closed | Phase::Failed(_) => StreamEnd::AfterClose,
            },
        };
        self.stream_end = Some(end);
        self.phase = match self.phase {
            // What is kept because its reply did not fit is not handed out any more: a Close is in the record.
            Phase::Held(Control::Close) | Phase::Closed => Phase::Closed,
            Phase::Start
            | Phase::Between
            | Phase::Header
            | Phase::Data { .. }
            | Phase::Control(_)
            | Phase::Held(Control::Ping | Control::Pong)
            | Phase::Ended => Phase::Ended,
            failed @ Phase::Failed(_) => failed,
        };
        end
    }

    /// Where the stream ended, once [`end_of_stream`](Self::end_of_stream) was told.
    #[must_use]
    pub const fn stream_end(&self) -> Option<StreamEnd> {
        self.stream_end
    }

    /// Why the connection has failed, if it has.
    #[must_use]
    pub const fn failure(&self) -> Option<Failure> {
        match self.phase {
            Phase::Failed(failure) => Some(failure),
            Phase::Start
            | Phase::Between
            | Phase::Header
            | Phase::Data { .. }
            | Phase::Control(_)
            | Phase::Held(_)
            | Phase::Closed
            | Phase::Ended => None,
        }
    }

    /// The peer's Close, once it has come.
    #[must_use]
    pub fn close_frame(&self) -> Option<CloseFrame<'_>> {
        if !self.has_received_close() {
            return None;
        }
        CloseFrame::decode(self.control_payload()).ok()
    }

    pub(super) fn has_received_close(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::Held(Control::Close))
    }

    /// How many bytes the payload of the data frame under way still lacks, if one is under way.
    #[cfg(feature = "alloc")]
    pub(crate) fn data_remaining(&self) -> Option<(MessageKind, u64)> {
        match self.phase {
            Phase::Data { kind, .. } => Some((kind, self.remaining)),
            Phase::Start
            | Phase::Between
            | Phase::Header
            | Phase::Control(_)
            | Phase::Held(_)
            | Phase::Closed
            | Phase::Ended
            | Phase::Failed(_) => None,
        }
    }

    /// Whether no message is under way.
    #[cfg(feature = "alloc")]
    pub(crate) fn is_between_messages(&self) -> bool {
        self.within.is_none() && self.data_remaining().is_none()
    }

    /// Whether nothing of the message under way has been handed out yet.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_at_message_start(&self) -> bool {
        self.message_start
    }

    /// The bytes of a text character that was cut.
    #[cfg(feature = "alloc")]
    pub(crate) fn unfinished_character(&self) -> &[u8] {
        self.carry.unfinished()
    }

    /// The payload of the last control frame that was kept.
    pub(crate) fn control_payload(&self) -> &[u8] {
        self.control.get(..usize::from(self.control_len)).unwrap_or_default()
    }

    /// The character of the last [`Step::Carried`].
    pub(crate) fn carried(&self) -> &str {
        self.carry.character()
    }

    /// One step: up to the next thing to hand out.
    #[inline]
    pub(crate) fn step<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, ReceiveError> {
        match self.whole_message(input) {
            Some(whole) => Ok(whole.into()),
            None => self.any_step(input),
        }
    }

    /// The common case in one piece: a whole message in one frame of at most 64 KiB that lies whole in the input, with
    /// nothing wrong in its header. Everything else is left to [`any_step`](Self::any_step), untouched. Nothing of the
    /// half changes, unless text is bad.
    #[inline(always)]
    pub(crate) fn whole_message<'i>(&mut self, input: &mut &'i mut [u8]) -> Option<Whole<'i>> {
        let key_len = if R::IS_CLIENT { 0 } else { 4 };
        let (&[first, second], rest) = input.split_first_chunk::<2>()?;
        let kind = self.starts_whole(first)?;
        // With the wrong mask bit this is 128 or more.
        let len_7 = if R::IS_CLIENT { second } else { second ^ 0x80 };
        let (header_len, payload_len) = match len_7 {
            0..=125 => (2 + key_len, usize::from(len_7)),
            126 => match u16::from_be_bytes(*rest.first_chunk::<2>()?) {
                0..=125 => return None,
                len => (4 + key_len, usize::from(len)),
            },
            _ => return None,
        };
        let too_long = payload_len as u64 > self.max_frame_len.min(self.max_message_len);
        if too_long || input.len() < header_len + payload_len {
            return None;
        }
        let (header, payload) = take(input, header_len + payload_len).split_at_mut_checked(header_len)?;
        if !R::IS_CLIENT {
            Mask::new(*header.last_chunk::<4>()?).apply_once(payload);
        }
        Some(match kind {
            MessageKind::Text => match utf8::validate(payload) {
                Ok(text) => Whole::Text(text),
                Err(_) => return self.bad_whole_text(payload),
            },
            MessageKind::Binary => Whole::Binary(payload),
        })
    }

    /// What a message is whose first frame starts with this byte, if that frame is all of it and nothing is wrong or has to
    /// come first: a Pong that is owed goes out before it, as it would if the frame came in pieces.
    #[inline(always)]
    fn starts_whole(&self, first: u8) -> Option<MessageKind> {
        if self.phase != Phase::Start || self.pong_owed {
            return None;
        }
        match first {
            0x81 => Some(MessageKind::Text),
            0x82 => Some(MessageKind::Binary),
            _ => None,
        }
    }

    /// How many bytes have to be read behind `input`, at least, until [`whole_message`](Self::whole_message) finds a
    /// message there. `None` where something else comes, or something is wrong, or nothing is missing.
    #[cfg(feature = "alloc")]
    pub(crate) fn missing(&self, input: &[u8]) -> Option<usize> {
        self.starts_whole(*input.first()?)?;
        let Some(judged) = self.judge(input).ok()? else {
            return Some(1);
        };
        let payload = input.len().saturating_sub(judged.header_len) as u64;
        let missing = judged.payload_len.checked_sub(payload).filter(|missing| *missing > 0)?;
        Some(usize::try_from(missing).unwrap_or(usize::MAX))
    }

    /// Whether the start of a message that is at most `longest` bytes long, with its header, is to be left in `input`.
    #[cfg(feature = "alloc")]
    #[inline(never)]
    pub(crate) fn leaves(&self, input: &[u8], longest: usize) -> bool {
        self.missing(input)
            .is_some_and(|missing| input.len().saturating_add(missing) <= longest)
    }

    #[cold]
    fn bad_whole_text<'i>(&mut self, payload: &'i [u8]) -> Option<Whole<'i>> {
        self.fail(Violation::TextNotUtf8);
        let (good, _) = utf8::split(payload);
        (!good.is_empty()).then_some(Whole::BadText(good))
    }

    pub(crate) fn any_step<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, ReceiveError> {
        loop {
            match self.phase {
                Phase::Start | Phase::Between | Phase::Header => {
                    if !self.take_header(input)? {
                        return Ok(Step::NeedInput);
                    }
                }
                Phase::Data {
                    kind: MessageKind::Binary,
                    fin,
                } => return Ok(self.take_binary(input, fin)),
                Phase::Data {
                    kind: MessageKind::Text,
                    fin,
                } => return self.take_text(input, fin),
                Phase::Control(control) => return self.take_control(input, control),
                Phase::Held(control) => {
                    self.phase = self.after_control(control);
                    return Ok(Step::Control(control, None));
                }
                Phase::Closed | Phase::Ended => {
                    *input = &mut [];
                    return Ok(Step::NeedInput);
                }
                Phase::Failed(failure) => return Err(failure.into()),
            }
        }
    }

    fn fail(&mut self, failure: impl Into<Failure>) -> Failure {
        let failure = failure.into();
        self.phase = Phase::Failed(failure);
        failure
    }

    /// Takes in a header, or the part of one that has arrived. `false`: more is needed.
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<bool, Failure> {
        if input.is_empty() {
            return Ok(false);
        }
        let kept = usize::from(self.header_len);
        if kept == 0 {
            match self.judge(input) {
                Ok(Some(judged)) => {
                    take(input, judged.header_len);
                    self.enter(&judged);
                    return Ok(true);
                }
                Ok(None) => {}
                Err(failure) => return Err(self.fail(failure)),
            }
        }
        // Look at what is kept with what has come.
        let mut known = kept;
        for (to, from) in self.header.iter_mut().skip(kept).zip(input.iter()) {
            *to = *from;
            known += 1;
        }
        match self.judge(self.header.get(..known).unwrap_or_default()) {
            Ok(Some(judged)) => {
                take(input, judged.header_len.saturating_sub(kept));
                self.header_len = 0;
                self.enter(&judged);
                Ok(true)
            }
            Ok(None) => {
                *input = &mut [];
                // At most 13: fourteen bytes are always a whole header.
                self.header_len = u8::try_from(known).unwrap_or(0);
                self.phase = Phase::Header;
                Ok(false)
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    /// Judges the header at the start of `bytes`, as far as it has come, byte by byte: the first byte that is wrong
    /// decides.
    #[inline]
    fn judge(&self, bytes: &[u8]) -> Result<Option<Judged>, Failure> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let first = FirstByte::decode(first)?;
        if first.rsv != 0 {
            return Err(Violation::ReservedBits.into());
        }
        let frame = state::classify(self.within, first.opcode)?;
        let limit = match frame {
            Frame::Data { first: is_first, .. } => Some(self.frame_limit(is_first, first.fin)?),
            Frame::Control(_) => None,
        };

        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        let second = SecondByte::decode(second, first.opcode)?;
        match (R::IS_CLIENT, second.masked) {
            (true, true) => return Err(Violation::MaskedFrame.into()),
            (false, false) => return Err(Violation::UnmaskedFrame.into()),
            (true, false) | (false, true) => {}
        }
        if first.opcode == Opcode::Close && second.len_7 == 1 {
            return Err(Violation::CloseBodyOneByte.into());
        }

        let length = Length::decode(second.len_7, rest)?;
        let (Length::Part { at_least: known } | Length::Whole { payload_len: known, .. }) = length;
        if let Some((limit, exceeded)) = limit
            && known > limit
        {
            return Err(exceeded.into());
        }
        let Length::Whole { payload_len, size } = length else {
            return Ok(None);
        };

        let (key, key_len) = if R::IS_CLIENT {
            ([0; 4], 0)
        } else {
            let Some(key) = rest.get(size..).and_then(<[u8]>::first_chunk::<4>) else {
                return Ok(None);
            };
            (*key, 4)
        };
        let header_len = 2 + size + key_len;
        Ok(Some(Judged {
            frame,
            fin: first.fin,
            mask: Mask::new(key),
            payload_len,
            header_len,
        }))
    }

    /// How long the next data frame may be, and which limit says so: the tighter one, so that the answer does not
    /// depend on how much of the length has arrived.
    #[inline]
    fn frame_limit(&self, first: bool, fin: bool) -> Result<(u64, LimitExceeded), LimitExceeded> {
        let mut message_room = self.max_message_len;
        if !first || !fin {
            let (fragments, message_len) = if first {
                (0, 0)
            } else {
                (self.fragments, self.message_len)
            };
            let paid = message_len / u64::from(Limits::FRAGMENT_PAYLOAD);
            if u64::from(fragments) >= u64::from(self.fragment_budget).saturating_add(paid) {
                return Err(LimitExceeded::TooManyFragments);
            }
            message_room = message_room.saturating_sub(message_len);
        }
        Ok(if self.max_frame_len <= message_room {
            (self.max_frame_len, LimitExceeded::FrameTooLong)
        } else {
            (message_room, LimitExceeded::MessageTooLong)
        })
    }

    /// Goes from a judged header to its payload.
    #[inline]
    fn enter(&mut self, judged: &Judged) {
        self.remaining = judged.payload_len;
        self.mask = judged.mask;
        match judged.frame {
            Frame::Data { kind, first } => {
                if first {
                    self.message_start = true;
                    self.message_len = 0;
                    self.fragments = 0;
                }
                self.fragments = self.fragments.saturating_add(1);
                self.message_len = self.message_len.saturating_add(judged.payload_len);
                self.phase = Phase::Data { kind, fin: judged.fin };
            }
            Frame::Control(control) => {
                self.phase = Phase::Control(control);
                if !self.pong_owed {
                    self.control_len = 0;
                }
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
    fn ends(&mut self, kind: MessageKind, fin: bool) -> Ends {
        let frame_end = self.remaining == 0;
        if frame_end {
            self.within = state::after(kind, fin);
            self.phase = self.frame_start();
        }
        Ends {
            message_start: mem::take(&mut self.message_start),
            frame_end,
            message_end: frame_end && fin,
        }
    }

    #[inline]
    fn take_binary<'i>(&mut self, input: &mut &'i mut [u8], fin: bool) -> Step<'i> {
        if input.is_empty() && self.remaining > 0 {
            return Step::NeedInput;
        }
        let payload = self.take_payload(input, usize::MAX);
        Step::Binary(payload, self.ends(MessageKind::Binary, fin))
    }

    fn take_text<'i>(&mut self, input: &mut &'i mut [u8], fin: bool) -> Result<Step<'i>, ReceiveError> {
        if self.carry.is_unfinished() {
            return self.finish_character(input, fin);
        }
        let (text, rest) = utf8::split(self.take_payload(input, usize::MAX));
        let good = match rest {
            utf8::Rest::Nothing => true,
            utf8::Rest::Unfinished(tail) => {
                self.carry.keep(tail);
                // A message cannot end inside a character.
                !(fin && self.remaining == 0)
            }
            utf8::Rest::Invalid => false,
        };
        if good {
            if text.is_empty() && self.remaining > 0 {
                return Ok(Step::NeedInput);
            }
            return Ok(Step::Text(text, self.ends(MessageKind::Text, fin)));
        }
        // What is good of it is handed out first, as it would have been byte by byte.
        let failure = self.fail(Violation::TextNotUtf8);
        if text.is_empty() {
            return Err(failure.into());
        }
        let message_start = mem::take(&mut self.message_start);
        Ok(Step::Text(
            text,
            Ends {
                message_start,
                frame_end: false,
                message_end: false,
            },
        ))
    }

    /// Goes on with a character that was cut.
    #[cold]
    fn finish_character<'i>(&mut self, input: &mut &'i mut [u8], fin: bool) -> Result<Step<'i>, ReceiveError> {
        while let Some(&byte) = self.take_payload(input, 1).first() {
            match self.carry.push(byte) {
                utf8::Carried::Unfinished => {}
                utf8::Carried::Whole => return Ok(Step::Carried(self.ends(MessageKind::Text, fin))),
                utf8::Carried::Invalid => return Err(self.fail(Violation::TextNotUtf8).into()),
            }
        }
        // The frame or the input has come to its end inside the character.
        if self.remaining > 0 {
            return Ok(Step::NeedInput);
        }
        if fin {
            return Err(self.fail(Violation::TextNotUtf8).into());
        }
        Ok(Step::Text("", self.ends(MessageKind::Text, fin)))
    }

    fn take_control<'i>(&mut self, input: &mut &'i mut [u8], control: Control) -> Result<Step<'i>, ReceiveError> {
        if input.is_empty() && self.remaining > 0 {
            return Ok(Step::NeedInput);
        }
        let nothing_kept = self.pong_owed || self.control_len == 0;
        let lies_whole = nothing_kept && self.remaining <= input.len() as u64;
        match control {
            Control::Ping | Control::Pong if lies_whole => {
                let payload = self.take_payload(input, usize::MAX);
                self.phase = self.after_control(control);
                return Ok(Step::Control(control, Some(payload)));
            }
            Control::Ping | Control::Close => {
                // Only the last Ping has to be answered (section 5.5.3), and none after a Close (section 5.5.2).
                if mem::take(&mut self.pong_owed) {
                    self.control_len = 0;
                }
            }
            Control::Pong => {
                if self.pong_owed {
                    return Err(Blocked::FrameInProgress.into());
                }
            }
        }
        let payload = self.take_payload(input, usize::MAX);
        self.keep_control(payload);
        if control == Control::Close {
            self.judge_close().map_err(|violation| self.fail(violation))?;
        }
        if self.remaining > 0 {
            return Ok(Step::NeedInput);
        }
        self.phase = self.after_control(control);
        Ok(Step::Control(control, None))
    }

    /// Judges the body of a Close as far as it has come.
    fn judge_close(&self) -> Result<(), Violation> {
        let body = self.control_payload();
        if self.remaining > 0 {
            CloseFrame::judge_part(body)
        } else {
            CloseFrame::decode(body).map(|_| ())
        }
    }

    /// The phase in which the next frame is awaited.
    #[inline]
    const fn frame_start(&self) -> Phase {
        if self.within.is_some() {
            Phase::Between
        } else {
            Phase::Start
        }
    }

    const fn after_control(&self, control: Control) -> Phase {
        match control {
            Control::Ping | Control::Pong => self.frame_start(),
            Control::Close => Phase::Closed,
        }
    }

    /// Appends to the kept control payload.
    fn keep_control(&mut self, payload: &[u8]) {
        for (to, from) in self.control.iter_mut().skip(usize::from(self.control_len)).zip(payload) {
            *to = *from;
            self.control_len += 1;
        }
    }

    /// Makes a control frame that was just handed out come again: its reply could not be written.
    #[cold]
    pub(super) fn hold(&mut self, control: Control, payload: Option<&[u8]>) {
        if let Some(payload) = payload {
            self.control_len = 0;
            self.keep_control(payload);
        }
        self.phase = Phase::Held(control);
    }

    /// Keeps the payload of a Ping whose Pong has to wait.
    #[cold]
    pub(super) fn owe_pong(&mut self, payload: Option<&[u8]>) {
        if let Some(payload) = payload {
            self.control_len = 0;
            self.keep_control(payload);
        }
        self.pong_owed = true;
    }

    /// Whether a Ping waits for its Pong.
    #[inline]
    pub(super) const fn is_pong_owed(&self) -> bool {
        self.pong_owed
    }

    /// The Pong was written.
    pub(super) const fn pong_paid(&mut self) {
        self.pong_owed = false;
        self.control_len = 0;
    }
}

impl<R> core::fmt::Debug for Receiver<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Client, Server};
    use crate::frame::Header;
    use std::vec::Vec;

    /// How many bytes are left of a message of `len` bytes and two more, if the common case takes it.
    fn left<R: Role>(kind: MessageKind, len: usize, cut: usize, limits: &Limits) -> Option<usize> {
        let header = Header {
            fin: true,
            rsv: 0,
            opcode: kind.opcode(),
            mask_key: (!R::IS_CLIENT).then_some([b'm'; 4]),
            payload_len: len as u64,
        };
        let payload = std::vec![if R::IS_CLIENT { b'a' } else { b'a' ^ b'm' }; len];
        let mut bytes: Vec<u8> = [header.encode().as_bytes(), &payload, b"\x81\x00"].concat();
        let end = bytes.len() - cut;
        let mut input = &mut bytes[..end];
        let taken = match Receiver::<R>::new(limits).whole_message(&mut input) {
            Some(Whole::Text(text)) => Some((MessageKind::Text, text.as_bytes())),
            Some(Whole::Binary(data)) => Some((MessageKind::Binary, data)),
            Some(Whole::BadText(_)) => panic!(),
            None => None,
        };
        if let Some((taken_kind, data)) = taken {
            assert!(taken_kind == kind && data.len() == len && data.iter().all(|&byte| byte == b'a'));
        } else {
            assert_eq!(input.len(), end);
        }
        taken.map(|_| input.len())
    }

    fn is_taken_at_once<R: Role>() {
        for kind in [MessageKind::Text, MessageKind::Binary] {
            for len in [0, 1, 7, 125, 126, 127, 300, 0xffff] {
                let max = len as u64;
                for limits in [
                    Limits::default(),
                    Limits::default().with_max_frame_len(max),
                    Limits::default().with_max_message_len(max),
                ] {
                    assert_eq!(left::<R>(kind, len, 0, &limits), Some(2));
                    // The end of the message is the end of the input.
                    assert_eq!(left::<R>(kind, len, 2, &limits), Some(0));
                    assert_eq!(left::<R>(kind, len, 3, &limits), None);
                }
                if let Some(less) = max.checked_sub(1) {
                    let limits = Limits::default().with_max_frame_len(less);
                    assert_eq!(left::<R>(kind, len, 0, &limits), None);
                    let limits = Limits::default().with_max_message_len(less);
                    assert_eq!(left::<R>(kind, len, 0, &limits), None);
                }
            }
            assert_eq!(left::<R>(kind, 0x1_0000, 0, &Limits::default()), None);
        }
    }

    /// The message level takes it through the connection.
    #[cfg(feature = "alloc")]
    #[test]
    fn a_connection_takes_a_whole_message_at_once() {
        let mut connection = crate::connection::Connection::new(Server, &Limits::default());
        let mut bytes = *b"\x81\x82mmmm\x05\x04";
        let mut input = &mut bytes[..];
        assert!(matches!(connection.whole_message(&mut input), Some(Whole::Text("hi"))));
        assert!(input.is_empty());
    }

    #[test]
    fn a_whole_message_is_taken_at_once() {
        is_taken_at_once::<Server>();
        is_taken_at_once::<Client<fn(&mut [u8])>>();
    }
}
