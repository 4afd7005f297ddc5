//! Receiving at the message level: a frame stays in the read buffer until it is whole.

use core::ops::Range;

use super::Event;
use super::delivery::{AsReceived, Delivery, Found, Inflate};
use super::half::{Half, Joined, alone};
use crate::buffer::{Cursor, Output, ReadBuffer, Storage, move_to_front};
use crate::connection::{CheckedHeader, Connection, Phase, Receiver, Role, Step, Stream, Tx};
use crate::error::{Blocked, Failure, OutOfMemory, ReceiveError};
use crate::frame::{CloseFrame, MAX_CONTROL_LEN, Mask, MessageKind, Violation, WholeMessage};
use crate::state::{Control, Frame};
use crate::utf8;

/// How many bytes of a frame have to arrive until they are unmasked ahead of the rest. So many of text are validated then,
/// so that a long frame of garbage is refused early. The rest is validated once, with the message.
const EARLY: usize = 4 << 10;

impl<R: Role> Connection<R> {
    /// Receives the next whole message or control frame from `input`. `None` means that more has to be read into it.
    /// Beside the event comes the output handle, so that an answer can be sent while the payload is still borrowed.
    ///
    /// Pongs and the answer to a Close are put into `out` before the event is handed out.
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use sockless::buffer::ReadBuffer;
    /// use sockless::connection::{Connection, Server};
    /// use sockless::limits::Limits;
    /// use sockless::message::Event;
    ///
    /// let mut ws = Connection::new(Server, &Limits::default());
    /// let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    ///
    /// // RFC 6455 section 5.7: a masked text message.
    /// input.extend(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")?;
    /// while let Some((event, mut tx)) = ws.receive(&mut input, &mut out)? {
    ///     match event {
    ///         Event::Text(text) => tx.text(text)?,
    ///         Event::Binary(data) => tx.binary(data)?,
    ///         _ => {}
    ///     }
    /// }
    /// assert_eq!(out, b"\x81\x05Hello");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A message that was begun with [`receive_chunk`](Self::receive_chunk) is skipped up to its end.
    ///
    /// # Errors
    /// [`ReceiveError::Failed`], on this and every later call, once the peer has violated the protocol or exceeded a
    /// limit. The Close is in `out` by then, or comes with the last chunk of a frame that is being sent in chunks. All
    /// input is discarded.
    ///
    /// [`ReceiveError::Blocked`] says what to do before calling again: drain `out`, or finish that frame.
    #[inline(always)] // what is not common is not inlined
    pub fn receive<'e, S: Storage, O: Output + ?Sized>(
        &'e mut self,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, O>)>, ReceiveError> {
        self.deliver(input, out, AsReceived)
    }

    /// The same, as a level hands it out.
    #[inline(always)]
    pub(crate) fn deliver<'e, S: Storage, O: Output + ?Sized, D: Delivery<'e>>(
        &'e mut self,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
        mut delivery: D,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, O>)>, ReceiveError> {
        match self.receiver.starts_whole(input, 0) {
            Some(whole) => {
                // The payload is taken in both arms, so that the kind is looked at once.
                match whole.kind {
                    MessageKind::Text => {
                        let (payload, at) = self.receiver.take_whole(whole, input);
                        match utf8::validate(payload) {
                            Ok(text) => Ok(Some((Event::Text(text), self.tx_compressing(out, delivery.plain())))),
                            Err(_) => {
                                at.discard();
                                D::told(self.failed(Violation::TextNotUtf8.into(), out))
                            }
                        }
                    }
                    MessageKind::Binary => {
                        let (payload, _) = self.receiver.take_whole(whole, input);
                        let tx = self.tx_compressing(out, delivery.plain());
                        Ok(Some((Event::Binary(payload), tx)))
                    }
                }
            }
            None => {
                let Some(found) = delivery.find(self, input, out)? else {
                    return Ok(None);
                };
                let ReadBuffer { memory, at, .. } = input;
                let (inflating, compressing) = delivery.inflating();
                let event = match found {
                    Found::Message {
                        kind,
                        payload,
                        compressed,
                    } => {
                        let payload = memory.bytes().get(payload).unwrap_or_default();
                        let inflating = compressed.then_some(inflating);
                        match message_event(&self.receiver, kind, payload, inflating) {
                            Ok(event) => event,
                            Err(failure) => {
                                at.discard();
                                return D::told(self.failed(failure, out));
                            }
                        }
                    }
                    Found::Control(control, payload) => control_event(&self.receiver, control, memory.bytes(), payload),
                };
                let tx = Tx {
                    sender: &mut self.sender,
                    out,
                    control: self.receiver.control_payload(),
                    compressing,
                };
                Ok(Some((event, tx)))
            }
        }
    }

    /// What comes next where it is not the common case.
    #[inline(never)]
    pub(crate) fn find<S: Storage, O: Output + ?Sized>(
        &mut self,
        input: &mut ReadBuffer<S>,
        out: &mut O,
    ) -> Result<Option<Found>, ReceiveError> {
        let receiver = &mut self.receiver;
        if receiver.phase == Phase::Start && input.unread().is_empty() && !input.is_exhausted() {
            // What each loop over messages ends with.
            receiver.stream = Stream::Open;
            await_input(receiver, input, 0);
            return Ok(None);
        }
        find(&mut Joined { connection: self, out }, input)
    }
}

impl<R: Role> Receiver<R> {
    /// Receives the next whole message or control frame from `input`. `None` means that more has to be read into it.
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use sockless::buffer::ReadBuffer;
    /// use sockless::connection::{Receiver, Sender, Server};
    /// use sockless::limits::Limits;
    ///
    /// let (mut receiver, mut sender) = (Receiver::<Server>::new(&Limits::default()), Sender::new(Server));
    /// let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    /// input.extend(b"\x89\x82\0\0\0\0hi")?;    // a Ping, masked with zeros
    /// while let Some(event) = receiver.receive(&mut input)? {
    ///     if let Some(reply) = event.reply() {
    ///         sender.tx(&mut out).reply(&reply)?;    // or pass it to the task that owns the sender
    ///     }
    /// }
    /// assert_eq!(out, b"\x8a\x02hi");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The failure, on this and every later call, once the peer has violated the protocol or exceeded a limit. All input
    /// is discarded. Send [`Reply::from(failure)`](crate::connection::Reply).
    pub fn receive<'e, S: Storage>(&'e mut self, input: &'e mut ReadBuffer<S>) -> Result<Option<Event<'e>>, Failure> {
        if let Some(whole) = self.starts_whole(input, 0) {
            let (payload, at) = self.take_whole(whole, input);
            let event = message(whole.kind, payload).ok_or_else(|| {
                at.discard();
                self.fail(Violation::TextNotUtf8)
            });
            return event.map(Some);
        }
        match alone(find(self, input))? {
            Some(found) => self.event(found, input, ()).map(Some),
            None => Ok(None),
        }
    }

    /// The event for what was found.
    pub(crate) fn event<'e, S: Storage>(
        &'e mut self,
        found: Found,
        input: &'e mut ReadBuffer<S>,
        inflating: impl Inflate<'e>,
    ) -> Result<Event<'e>, Failure> {
        let ReadBuffer { memory, at, .. } = input;
        match found {
            Found::Message {
                kind,
                payload,
                compressed,
            } => {
                let payload = memory.bytes().get(payload).unwrap_or_default();
                message_event(self, kind, payload, compressed.then_some(inflating)).map_err(|failure| {
                    at.discard();
                    self.fail(failure)
                })
            }
            Found::Control(control, range) => Ok(control_event(self, control, memory.bytes(), range)),
        }
    }

    /// The common case: a whole message in one frame, all of it in the buffer. With these reserved bits.
    #[inline(always)]
    pub(crate) fn starts_whole<S: Storage>(&self, input: &ReadBuffer<S>, rsv: u8) -> Option<WholeMessage> {
        let unread = input.memory.bytes().get(..input.at.end)?.get(input.at.start..)?;
        self.starts_whole_message(unread, rsv, input.longest())
    }

    /// Takes its payload. The bounds are the same as when it was found, so that they are checked once.
    #[inline(always)]
    pub(crate) fn take_whole<'i, S: Storage>(
        &self,
        whole: WholeMessage,
        input: &'i mut ReadBuffer<S>,
    ) -> (&'i [u8], &'i mut Cursor) {
        let ReadBuffer { memory, at, .. } = input;
        let unread = memory
            .bytes_mut()
            .get_mut(..at.end)
            .and_then(|read| read.get_mut(at.start..));
        let (header, payload) = unread
            .and_then(|unread| unread.get_mut(..whole.header_len + whole.payload_len))
            .and_then(|frame| frame.split_at_mut_checked(whole.header_len))
            .unwrap_or_default();
        if let (false, Some(key)) = (R::IS_CLIENT, header.last_chunk::<4>()) {
            Mask::new(*key).apply_once(payload);
        }
        let start = at.start + whole.header_len;
        at.start = start + whole.payload_len;
        at.deliver(start, at.start);
        (payload, at)
    }

    /// The same, to be handed out later.
    #[cfg(feature = "deflate")]
    pub(crate) fn take_found<S: Storage>(
        &self,
        whole: WholeMessage,
        input: &mut ReadBuffer<S>,
        compressed: bool,
    ) -> Found {
        let (payload, at) = self.take_whole(whole, input);
        Found::Message {
            kind: whole.kind,
            payload: at.start - payload.len()..at.start,
            compressed,
        }
    }

    /// Takes the payload of the frame under way, all of which is in the buffer.
    fn take_frame<S: Storage>(
        &mut self,
        input: &mut ReadBuffer<S>,
        kind: MessageKind,
        fin: bool,
        len: usize,
    ) -> Result<Option<Found>, Failure> {
        let ReadBuffer { memory, at, .. } = input;
        let memory = memory.bytes_mut();
        let payload = at.start..at.start.saturating_add(len);
        // Behind the fragments before it.
        let start = if at.joined_len() > 0 { at.joined_end } else { at.start };
        self.unmask_moving(
            memory.get_mut(start..payload.end).unwrap_or_default(),
            payload.start.saturating_sub(start),
            at.unmasked,
        );
        if at.joined_len() == 0 {
            at.joined_start = start;
        }
        at.joined_end = start.saturating_add(len);
        at.consume(len);
        self.leave_data(kind, fin);
        let compressed = self.compressed;
        if fin {
            let payload = at.joined_start..at.joined_end;
            self.carry = utf8::Carry::new();
            at.clear_joined();
            at.deliver(payload.start, payload.end);
            return Ok(Some(Found::Message {
                kind,
                payload,
                compressed,
            }));
        }
        let fragment = memory.get(start..at.joined_end).unwrap_or_default();
        let text = kind == MessageKind::Text && !compressed;
        if text && !self.carry.check(fragment) {
            return Err(Violation::TextNotUtf8.into());
        }
        Ok(None)
    }

    /// Unmasks what has arrived of a long frame, while the caches hold it. The first bytes of text are validated, ahead of
    /// the rest.
    fn look_ahead<S: Storage>(&mut self, input: &mut ReadBuffer<S>, kind: MessageKind) -> Result<(), Failure> {
        let ReadBuffer { memory, at, .. } = input;
        let unread = memory.bytes_mut().get_mut(at.start..at.end).unwrap_or_default();
        let arrived = unread.get_mut(at.unmasked..).unwrap_or_default();
        if arrived.len() < EARLY || self.compressed {
            return Ok(());
        }
        if !R::IS_CLIENT {
            self.mask.apply(arrived);
        }
        let is_start = at.unmasked == 0;
        at.unmasked = unread.len();
        let mut carry = self.carry;
        if is_start && kind == MessageKind::Text && !carry.check(unread.get(..EARLY).unwrap_or_default()) {
            return Err(Violation::TextNotUtf8.into());
        }
        Ok(())
    }

    /// Unmasks the payload of the frame under way but for the first bytes, which are unmasked already, and moves it to the
    /// front of `bytes`, in which it lies behind `by` others. The rest is moved while it is unmasked.
    fn unmask_moving(&mut self, bytes: &mut [u8], by: usize, unmasked: usize) {
        let moved_only = if R::IS_CLIENT {
            bytes.len()
        } else {
            by.saturating_add(unmasked)
        };
        move_to_front(bytes.get_mut(..moved_only).unwrap_or_default(), by);
        if !R::IS_CLIENT {
            let rest = bytes.get_mut(unmasked..).unwrap_or_default();
            if by == 0 {
                self.mask.apply(rest);
            } else {
                self.mask.apply_moving(rest, by);
            }
        }
    }
}

/// The event for a message: `None` if it should be text and is not.
#[inline(always)]
pub(crate) fn message(kind: MessageKind, payload: &[u8]) -> Option<Event<'_>> {
    match kind {
        MessageKind::Text => utf8::validate(payload).ok().map(Event::Text),
        MessageKind::Binary => Some(Event::Binary(payload)),
    }
}

/// The same for a message that may be compressed.
#[inline(never)]
fn message_event<'e, R: Role>(
    receiver: &Receiver<R>,
    kind: MessageKind,
    payload: &'e [u8],
    inflating: Option<impl Inflate<'e>>,
) -> Result<Event<'e>, Failure> {
    match inflating {
        Some(inflating) => inflating.message(receiver, kind, payload),
        None => message(kind, payload).ok_or(Violation::TextNotUtf8.into()),
    }
}

#[inline(never)]
fn control_event<'e, R: Role>(
    receiver: &'e Receiver<R>,
    control: Control,
    memory: &'e [u8],
    range: Option<Range<usize>>,
) -> Event<'e> {
    let payload = range
        .and_then(|range| memory.get(range))
        .unwrap_or(receiver.control_payload());
    match control {
        Control::Ping => Event::Ping(payload),
        Control::Pong => Event::Pong(payload),
        Control::Close => Event::Close(receiver.close_frame().unwrap_or_default()),
    }
}

/// The next message or control frame, whatever it is.
#[inline(never)]
pub(crate) fn find<R: Role, S: Storage>(
    half: &mut impl Half<R>,
    input: &mut ReadBuffer<S>,
) -> Result<Option<Found>, ReceiveError> {
    input.at.forget_delivered();
    let found = find_next(half, input);
    if let Err(ReceiveError::Failed(failure)) = found {
        input.at.discard();
        return Err(half.failed(failure));
    }
    found
}

/// The same; what it returns as a failure has still to fail.
fn find_next<R: Role, S: Storage>(
    half: &mut impl Half<R>,
    input: &mut ReadBuffer<S>,
) -> Result<Option<Found>, ReceiveError> {
    loop {
        let receiver = half.receiver();
        match receiver.phase {
            Phase::Start | Phase::Between => {
                let Some(header) = receiver.check_header(input.unread(), input.longest())? else {
                    return need_input(receiver, input, 0, Stream::InHeader);
                };
                match header.frame {
                    Frame::Data { kind, first } => {
                        if first {
                            input.at.clear_joined();
                            input.account.begin(input.at.unread_len());
                        }
                        input.at.consume(header.header_len);
                        receiver.enter_data(&header, kind, first);
                    }
                    Frame::Control(control) => return take_control(half, input, control, &header),
                }
            }
            Phase::Data { kind, fin } if is_seen_from_its_start(receiver, input) => {
                let unread = input.at.unread_len();
                let len = usize::try_from(receiver.remaining).map_err(|_| Failure::from(OutOfMemory))?;
                if len > unread {
                    receiver.look_ahead(input, kind)?;
                    return need_input(receiver, input, len - unread, Stream::Open);
                }
                if let Some(message) = receiver.take_frame(input, kind, fin, len)? {
                    return Ok(Some(message));
                }
            }
            Phase::Data { .. }
            | Phase::Header
            | Phase::Control { .. }
            | Phase::Held(_)
            | Phase::Failing(_)
            | Phase::Closed
            | Phase::Ended
            | Phase::Failed(_) => {
                if let Some(found) = finish_streaming(half, input)? {
                    return Ok(found);
                }
            }
        }
    }
}

/// Whether all of the message under way that came before is in the buffer. It is not if the streaming level has handed out
/// a part.
fn is_seen_from_its_start<R: Role, S>(receiver: &Receiver<R>, input: &ReadBuffer<S>) -> bool {
    // Lossless: a usize has at most 64 bits.
    !receiver.streamed && (input.at.joined_len() as u64).checked_add(receiver.remaining) == Some(receiver.message_len)
}

/// More has to be read: `wanted` bytes for the data frame under way; or a few, for a header or a control frame.
fn need_input<R: Role, S: Storage>(
    receiver: &mut Receiver<R>,
    input: &mut ReadBuffer<S>,
    wanted: usize,
    inside: Stream,
) -> Result<Option<Found>, ReceiveError> {
    receiver.stream = if input.unread().is_empty() {
        Stream::Open
    } else {
        inside
    };
    if input.is_exhausted() {
        return Err(Failure::from(OutOfMemory).into());
    }
    await_input(receiver, input, wanted);
    Ok(None)
}

/// The same where there is memory.
fn await_input<R: Role, S: Storage>(receiver: &Receiver<R>, input: &mut ReadBuffer<S>, wanted: usize) {
    if receiver.phase == Phase::Start {
        // The fragments of a message that the streaming level has finished.
        input.at.clear_joined();
    }
    input.at.wanted = wanted;
    input.at.incomplete = true;
    input.at.forget_delivered();
}

/// A control frame, once all of it is there. It is consumed when its reply is in the output.
fn take_control<R: Role, S: Storage>(
    half: &mut impl Half<R>,
    input: &mut ReadBuffer<S>,
    control: Control,
    header: &CheckedHeader,
) -> Result<Option<Found>, ReceiveError> {
    let unread = input.unread().get(header.header_len..).unwrap_or_default();
    // At most 125 bytes.
    let len = usize::try_from(header.payload_len).unwrap_or(MAX_CONTROL_LEN);
    let mut block = [0; MAX_CONTROL_LEN];
    let (mut mask, there) = (header.mask, unread.get(..len).unwrap_or(unread));
    let payload = mask.apply_copy(there, &mut block);
    let whole = payload.len() == len;
    match control {
        Control::Ping | Control::Pong => Ok(()),
        Control::Close if whole => CloseFrame::decode(payload).map(drop),
        Control::Close => CloseFrame::check_part(payload),
    }
    .map_err(Failure::from)?;
    let receiver = half.receiver();
    if !whole {
        return need_input(receiver, input, 0, Stream::InControl);
    }
    // Though its reply may not fit the output, none of it is missing.
    receiver.stream = Stream::Open;
    half.reply(control, payload)?;
    let receiver = half.receiver();
    if control == Control::Close {
        receiver.set_control(payload);
    }
    receiver.phase = receiver.after_control(control);
    input.account.consume_control(header.header_len + len);
    let ReadBuffer { memory, at, .. } = input;
    at.consume(header.header_len);
    let range = at.start..at.start.saturating_add(len);
    if let Some(bytes) = memory.bytes_mut().get_mut(range.clone()) {
        for (to, from) in bytes.iter_mut().zip(payload) {
            *to = *from;
        }
    }
    at.consume(len);
    if control == Control::Close {
        // "[...] discard any further data received" (section 5.5.1), and the fragments of a message that will not end.
        at.discard();
    }
    Ok(Some(Found::Control(control, Some(range))))
}

/// Finishes what the streaming level has begun, or what is over: `None` to go on.
fn finish_streaming<R: Role, S: Storage>(
    half: &mut impl Half<R>,
    input: &mut ReadBuffer<S>,
) -> Result<Option<Option<Found>>, ReceiveError> {
    let ReadBuffer {
        memory, at, account, ..
    } = input;
    let mut unread = memory.bytes_mut().get_mut(at.start..at.end).unwrap_or_default();
    let step = half.step(&mut unread);
    let consumed = at.end - at.start - unread.len();
    if let Ok(Step::Control(..)) = step {
        account.consume_control(consumed);
    }
    at.consume(consumed);
    at.wanted = 0;
    if half.receiver().is_over() {
        // Nothing of it will be read, nor of the fragments before it.
        at.discard();
    }
    if let Ok(Step::LeftCompressed) = step {
        // The streaming level has begun the header and not the payload; or the fragments before it are in another buffer.
        return if is_seen_from_its_start(half.receiver(), input) {
            Ok(None)
        } else {
            Err(Blocked::MessageInProgress.into())
        };
    }
    Ok(match step? {
        Step::NeedInput => Some(None),
        Step::Control(control, payload) => {
            let range = payload.map(|payload| at.start.saturating_sub(payload.len())..at.start);
            Some(Some(Found::Control(control, range)))
        }
        Step::LeftCompressed | Step::Text(..) | Step::SplitChar(_) | Step::Binary(..) | Step::Compressed(..) => None,
    })
}
