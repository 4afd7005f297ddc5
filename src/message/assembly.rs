//! Putting messages together that come in pieces.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Event;
use crate::connection::{self, Receiver, Role, Step};
use crate::frame::MessageKind;
use crate::utf8;

/// What the assembly made of a step.
pub(super) enum Taken<'i> {
    /// A piece was added; more is to come.
    Part,
    /// Nothing to assemble: hand the step out as it is.
    Step(Step<'i>),
    /// A message is whole in the assembly buffer.
    Message(MessageKind),
}

impl<'i> Taken<'i> {
    #[inline]
    pub(super) fn event<'e, R: Role, C>(
        self,
        assembly: &'e Assembly,
        receiver: &'e Receiver<R>,
        close: impl FnOnce() -> C,
    ) -> Option<Event<'e, C>>
    where
        'i: 'e,
    {
        let step = match self {
            Self::Message(kind) => return Some(assembly.message(kind)),
            Self::Step(step) => step,
            Self::Part => return None,
        };
        Some(match step.event(receiver, close)? {
            connection::Event::Text(chunk) => Event::Text(chunk.data),
            connection::Event::Binary(chunk) => Event::Binary(chunk.data),
            connection::Event::Ping(payload) => Event::Ping(payload),
            connection::Event::Pong(payload) => Event::Pong(payload),
            connection::Event::Close(close) => Event::Close(close),
        })
    }
}

/// Where messages that come in pieces are put together: nothing but a pointer until one has.
pub(super) struct Assembly(Option<Box<Parts>>);

impl Assembly {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Adds the piece that a step has brought, unless it is a whole message or none.
    #[inline]
    pub(super) fn take<'i, R: Role>(&mut self, step: Step<'i>, receiver: &Receiver<R>) -> Taken<'i> {
        match step {
            Step::NeedInput | Step::Control(..) => Taken::Step(step),
            Step::Text(_, ends) | Step::Binary(_, ends) if ends.message_start && ends.message_end => Taken::Step(step),
            Step::Text(..) | Step::Carried(_) | Step::Binary(..) => self.parts().add(step, receiver),
        }
    }

    /// Space for what the frame under way lacks.
    pub(super) fn space<R: Role>(&mut self, receiver: &Receiver<R>, at_least: usize) -> Option<&mut [u8]> {
        let (kind, remaining) = receiver.data_remaining()?;
        let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
        if remaining < at_least {
            return None;
        }
        self.parts().space(receiver, kind, remaining, at_least)
    }

    /// What was read into the space, before the receiver takes it in.
    pub(super) fn portion<R: Role>(&self, receiver: &Receiver<R>, len: usize) -> Option<Portion> {
        self.0.as_ref()?.portion(receiver, len)
    }

    /// Runs the steps over a portion, where it lies; says which message that has made whole.
    pub(super) fn take_portion<E>(
        &mut self,
        portion: Portion,
        step: impl for<'i> FnMut(&mut &'i mut [u8]) -> Result<Step<'i>, E>,
    ) -> Result<Option<MessageKind>, E> {
        self.parts().take_portion(portion, step)
    }

    /// The message that is whole.
    pub(super) fn message<C>(&self, kind: MessageKind) -> Event<'_, C> {
        match (&self.0, kind) {
            (Some(parts), kind) => parts.message(kind),
            (None, MessageKind::Text) => Event::Text(""),
            (None, MessageKind::Binary) => Event::Binary(&[]),
        }
    }

    /// Gives back what is held beyond `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        if let Some(parts) = &mut self.0 {
            parts.shrink_to(bytes);
            if parts.capacity() == 0 {
                self.0 = None;
            }
        }
    }

    /// The bytes that are held beside the pointer.
    pub(super) fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |parts| size_of::<Parts>() + parts.capacity())
    }

    fn parts(&mut self) -> &mut Parts {
        self.0.get_or_insert_default()
    }
}

/// Where a message that comes in pieces is put together.
///
/// Text that is copied goes into a `String`, piece by validated piece, and is text at once. Bytes, and text that the
/// caller reads straight into the buffer, go into a vector; such text is validated once more as a whole when it is
/// handed out, which costs less than a copy and is what `forbid(unsafe_code)` asks for.
#[derive(Default)]
struct Parts {
    text: String,
    /// Its length is what has been initialised, not what is filled.
    bytes: Vec<u8>,
    /// How much of `bytes` belongs to the message under way.
    filled: usize,
    /// Whether a text message under way is in `bytes`.
    text_in_bytes: bool,
    /// Whether the message under way was seen from its start. Of one that was not, nothing is handed out.
    begun: bool,
}

/// Bytes that were read into the space.
pub(super) struct Portion {
    kind: MessageKind,
    /// The bytes of a cut character in front of them.
    kept: usize,
    len: usize,
}

/// The least space that is offered for reading into the assembly buffer, in bytes, unless less is missing.
const MIN_SPACE: usize = 64 << 10;

impl Parts {
    fn add<'i, R: Role>(&mut self, step: Step<'i>, receiver: &Receiver<R>) -> Taken<'i> {
        let (kind, data, ends) = match step {
            Step::Text(text, ends) => (MessageKind::Text, Ok(text), ends),
            Step::Carried(ends) => (MessageKind::Text, Ok(receiver.carried()), ends),
            Step::Binary(data, ends) => (MessageKind::Binary, Err(data), ends),
            Step::NeedInput | Step::Control(..) => return Taken::Step(step),
        };
        if ends.message_start {
            self.begin();
        }
        if !self.begun {
            return Taken::Part;
        }
        self.begun = !ends.message_end;
        match data {
            Ok(text) if !self.text_in_bytes => self.text.push_str(text),
            Ok(text) => self.append(text.as_bytes()),
            Err(data) => self.append(data),
        }
        if ends.message_end {
            Taken::Message(kind)
        } else {
            Taken::Part
        }
    }

    fn begin(&mut self) {
        self.clear();
        self.begun = true;
    }

    fn clear(&mut self) {
        self.text.clear();
        self.filled = 0;
        self.text_in_bytes = false;
    }

    /// Appends behind what is filled. What is initialised stays so, so that space need not be initialised twice.
    fn append(&mut self, data: &[u8]) {
        let free = self.bytes.get_mut(self.filled..).unwrap_or_default();
        let in_place = data.len().min(free.len());
        if let (Some(to), Some((from, rest))) = (free.get_mut(..in_place), data.split_at_checked(in_place)) {
            to.copy_from_slice(from);
            self.bytes.extend_from_slice(rest);
            self.filled += data.len();
        }
    }

    /// The message that is whole.
    fn message<C>(&self, kind: MessageKind) -> Event<'_, C> {
        let bytes = self.bytes.get(..self.filled).unwrap_or_default();
        match kind {
            MessageKind::Binary => Event::Binary(bytes),
            MessageKind::Text if self.text_in_bytes => Event::Text(utf8::validate(bytes).unwrap_or_default()),
            MessageKind::Text => Event::Text(&self.text),
        }
    }

    /// Space for what the frame under way lacks: behind what is filled, and behind the part of a cut character that has
    /// arrived.
    fn space<R: Role>(
        &mut self,
        receiver: &Receiver<R>,
        kind: MessageKind,
        remaining: usize,
        at_least: usize,
    ) -> Option<&mut [u8]> {
        if receiver.is_at_message_start() {
            self.begin();
        }
        if !self.begun {
            return None;
        }
        if kind == MessageKind::Text && !self.text_in_bytes {
            self.filled = 0;
            let text = core::mem::take(&mut self.text);
            self.append(text.as_bytes());
            self.text = text;
            self.text_in_bytes = true;
        }
        let unfinished = receiver.unfinished_character();
        let start = self.filled + unfinished.len();
        // What there is already comes first. More is taken in proportion to what has arrived (law L3), at least twice what
        // is asked for, so that a portion of it is not what brings the next growth (law L4), and exactly, so that a message
        // whose length is known ends with a buffer of that length.
        let there = self.bytes.len().saturating_sub(start);
        let len = if there >= at_least.max(1) {
            remaining.min(there)
        } else {
            remaining.min(self.filled.max(MIN_SPACE).max(at_least.saturating_mul(2)))
        };
        let end = start.checked_add(len)?;
        if there < len {
            self.bytes
                .try_reserve_exact(end.saturating_sub(self.bytes.len()))
                .ok()?;
            self.bytes.resize(end, 0);
        }
        let (kept, space) = self.bytes.split_at_mut_checked(start)?;
        for (to, from) in kept.iter_mut().skip(self.filled).zip(unfinished) {
            *to = *from;
        }
        space.get_mut(..len)
    }

    /// What was read into the space, before the receiver takes it in.
    fn portion<R: Role>(&self, receiver: &Receiver<R>, len: usize) -> Option<Portion> {
        let (kind, remaining) = receiver.data_remaining().filter(|_| self.begun)?;
        // More than what is missing cannot have been read into the space.
        let len = usize::try_from(remaining).map_or(len, |remaining| len.min(remaining));
        Some(Portion {
            kind,
            kept: receiver.unfinished_character().len(),
            len,
        })
    }

    /// Runs the steps over a portion, where it lies; says which message that has made whole.
    fn take_portion<E>(
        &mut self,
        portion: Portion,
        mut step: impl for<'i> FnMut(&mut &'i mut [u8]) -> Result<Step<'i>, E>,
    ) -> Result<Option<MessageKind>, E> {
        let Portion { kind, kept, len } = portion;
        let start = self.filled + kept;
        let mut input = self
            .bytes
            .get_mut(start..)
            .and_then(|space| space.get_mut(..len))
            .unwrap_or_default();
        let mut filled = self.filled;
        let mut ended = None;
        loop {
            let before = input.len();
            let (added, ends) = match step(&mut input)? {
                Step::Text(text, ends) => (text.len(), ends),
                // The rest of the character lies behind the part of it that was kept.
                Step::Carried(ends) => (kept + before - input.len(), ends),
                Step::Binary(data, ends) => (data.len(), ends),
                Step::NeedInput | Step::Control(..) => break,
            };
            filled += added;
            if ends.message_end {
                ended = Some(kind);
                self.begun = false;
            }
        }
        self.filled = filled;
        Ok(ended)
    }

    fn capacity(&self) -> usize {
        self.text.capacity() + self.bytes.capacity()
    }

    fn shrink_to(&mut self, bytes: usize) {
        self.clear();
        self.text.shrink_to(bytes);
        self.bytes.truncate(bytes);
        self.bytes.shrink_to(bytes);
    }
}
