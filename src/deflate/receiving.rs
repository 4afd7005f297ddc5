//! What a connection keeps for receiving, and how its compressed messages are inflated: whole, or chunk by chunk.

use alloc::boxed::Box;

use super::agreement::{DeflateAgreement, Direction};
use super::engines::{CheckedOut, ReceiveEngines};
use super::history::History;
use super::inflation::{Inflation, Outcome, Progress};
use super::zlib::{Inflater, try_box};
use crate::connection::{ChunkEvent, Phase, Receiver, Role, Step};
use crate::error::{Blocked, Failure, LimitExceeded, OutOfMemory, ReceiveError};
use crate::frame::{MessageKind, Violation};
use crate::message::{Event, message};
use crate::state::Control;
use crate::utf8;

/// What a connection keeps for receiving.
pub(super) struct Receiving {
    direction: Direction,
    history: History,
    /// The message that is handed out chunk by chunk.
    stream: Option<Box<[Stream; 1]>>,
}

/// A message that is handed out chunk by chunk.
struct Stream {
    engine: CheckedOut,
    inflation: Inflation,
    /// How many bytes have been inflated.
    len: u64,
    /// Whether there may be more to inflate without more input.
    output_full: bool,
}

/// A step through a message that is not handed out.
pub(super) enum Skipped {
    Chunk,
    /// A control frame, and the length of its payload before what is unread, if it is there.
    Control(Control, Option<usize>),
    NeedInput,
}

impl Skipped {
    /// A step that is not inside a compressed frame.
    pub(super) fn of(step: Step<'_>) -> Self {
        match step {
            Step::NeedInput => Self::NeedInput,
            Step::Control(control, payload) => Self::Control(control, payload.map(|payload| payload.len())),
            Step::LeftCompressed | Step::Text(..) | Step::SplitChar(_) | Step::Binary(..) | Step::Compressed(..) => {
                Self::Chunk
            }
        }
    }
}

/// How many times longer a message is expected to be than it is compressed.
const USUAL_RATIO: usize = 4;

/// How many bytes of payload are unmasked at a time.
const BLOCK: usize = 1 << 10;

impl Receiving {
    /// Nothing has been received. Without an agreement nothing compressed will be.
    pub(super) fn new(agreement: Option<&DeflateAgreement>) -> Self {
        Self {
            direction: agreement.map_or(Direction::DEFAULT, |agreement| agreement.receive),
            history: History::new(),
            stream: None,
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn memory(&self) -> usize {
        let stream = self
            .stream
            .as_ref()
            .map_or(0, |_| size_of::<Stream>() + Inflater::MEMORY);
        self.history.memory() + stream
    }

    /// Gives back everything once nothing will be inflated any more.
    pub(super) fn let_go<R: Role>(&mut self, receiver: &Receiver<R>) {
        if receiver.is_over() {
            self.clear();
        }
    }

    /// Gives back everything: nothing will be inflated any more.
    pub(super) fn clear(&mut self) {
        self.stream = None;
        self.history.clear();
    }

    /// Whether a message is under way chunk by chunk.
    pub(super) const fn is_streaming(&self) -> bool {
        self.stream.is_some()
    }

    #[cfg(test)]
    pub(super) fn history(&self) -> alloc::vec::Vec<u8> {
        self.history.to_vec()
    }

    /// A whole message, inflated into the scratch.
    pub(super) fn message<'e, R: Role>(
        &mut self,
        receiver: &Receiver<R>,
        engines: &'e mut ReceiveEngines,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<Event<'e>, Failure> {
        let len = self.inflate_whole(receiver, engines, payload)?;
        let ReceiveEngines { scratch, delivered, .. } = engines;
        let event = message(kind, scratch.get(..len).unwrap_or_default()).ok_or(Violation::TextNotUtf8)?;
        *delivered = Some(len);
        Ok(event)
    }

    /// Inflates a whole message into the scratch, and returns its length.
    fn inflate_whole<R: Role>(
        &mut self,
        receiver: &Receiver<R>,
        engines: &mut ReceiveEngines,
        payload: &[u8],
    ) -> Result<usize, Failure> {
        let mut inflater = engines.check_out()?;
        let result = inflater.guarded(|inflater| self.inflate_with(receiver, engines, inflater, payload));
        engines.give_back(inflater);
        let len = result.unwrap_or(Err(Violation::NotDeflate.into()))?;
        let keep = self.direction.history_len();
        self.history.reserve(len, keep)?;
        self.history.push(engines.made(len), keep);
        Ok(len)
    }

    fn inflate_with<R: Role>(
        &self,
        receiver: &Receiver<R>,
        engines: &mut ReceiveEngines,
        inflater: &mut Inflater,
        payload: &[u8],
    ) -> Result<usize, Failure> {
        // At the limit, there is room for one more byte, which tells.
        let max_len = usize::try_from(receiver.max_message_len).unwrap_or(usize::MAX);
        let most = max_len.saturating_add(1);
        let usual = payload.len().saturating_mul(USUAL_RATIO).max(engines.scratch_len());
        let mut room = usual.min(most);
        loop {
            let scratch = engines.scratch(room)?;
            room = scratch.len().min(most);
            let output = scratch.get_mut(..room).unwrap_or_default();
            let mut inflation = Inflation::new();
            let (mut taken, mut made) = (0, 0);
            inflater.start(self.history.parts());
            loop {
                let rest = payload.get(taken..).unwrap_or_default();
                let to = output.get_mut(made..).unwrap_or_default();
                let progress = inflation.step(inflater, rest, true, to, receiver.fragment_budget);
                taken += progress.taken;
                made += progress.made;
                if made > max_len {
                    return Err(LimitExceeded::MessageTooLong.into());
                }
                match progress.outcome {
                    Outcome::Done => return Ok(made),
                    Outcome::Failed(failure) => return Err(failure),
                    Outcome::Restart => {
                        let output = output.get(..made).unwrap_or_default();
                        inflater.start(window(self.history.parts(), output, self.direction.window_len()));
                    }
                    Outcome::NeedInput | Outcome::OutputFull => break,
                }
            }
            // What was inflated is inflated again, into memory that takes the place of this one: so the limit bounds what is
            // held, and the work is at most a third more.
            let expected = (made / taken.max(1)).saturating_mul(payload.len());
            room = room
                .saturating_mul(4)
                .max(expected.saturating_add(expected / 4))
                .min(most);
        }
    }

    /// Goes on with the compressed message whose frame is under way, and takes its payload off `input` as far as there is
    /// room for what it becomes. `None` means that more is needed.
    pub(super) fn inflate_chunk<'e, R: Role>(
        &mut self,
        receiver: &mut Receiver<R>,
        engines: &'e mut ReceiveEngines,
        input: &mut &mut [u8],
        kind: MessageKind,
        fin: bool,
    ) -> Result<Option<ChunkEvent<'e>>, ReceiveError> {
        let output_full = self.stream.as_deref().is_some_and(|[stream]| stream.output_full);
        if input.is_empty() && receiver.remaining > 0 && !output_full {
            return Ok(None);
        }
        if self.stream.is_none() && !receiver.message_start {
            return Err(Blocked::MessageInProgress.into());
        }
        let result = self.inflate_some(receiver, engines, input, fin);
        let (len, end) = match result {
            Ok(made) => made,
            Err(ReceiveError::Failed(failure)) => return Err(self.fail(receiver, input, failure)),
            Err(blocked @ ReceiveError::Blocked(_)) => return Err(blocked),
        };
        if end == End::Message {
            if let Some([stream]) = self.stream.take().map(|stream| *stream) {
                engines.give_back(stream.engine.inflater);
            }
            if !self.direction.takeover {
                self.history.clear();
            }
        }
        let made = engines.made(len);
        let mut text = "";
        let mut failure = match end {
            End::Failed(failure) => Some(failure),
            End::Input | End::Output | End::Message => None,
        };
        if kind == MessageKind::Text {
            let (whole, rest) = utf8::split(made);
            text = whole;
            match rest {
                utf8::Rest::Nothing => {}
                utf8::Rest::Unfinished(_) if end == End::Message => failure = Some(Violation::TextNotUtf8.into()),
                utf8::Rest::Unfinished(tail) => receiver.carry.keep(tail),
                utf8::Rest::Invalid => failure = Some(Violation::TextNotUtf8.into()),
            }
        }
        let nothing = match kind {
            MessageKind::Text => text.is_empty(),
            MessageKind::Binary => made.is_empty(),
        };
        let frame_end = match end {
            End::Message => true,
            End::Input => receiver.remaining == 0,
            End::Output | End::Failed(_) => false,
        };
        let boundaries = match failure {
            Some(failure) if nothing => return Err(self.fail(receiver, input, failure)),
            Some(failure) => {
                // What was good comes first, as it would have been byte by byte.
                receiver.phase = Phase::Failing(failure);
                self.let_go(receiver);
                receiver.part()
            }
            None if frame_end => receiver.boundaries(kind, fin),
            None if nothing => return Ok(None),
            None => receiver.part(),
        };
        Ok(Some(match kind {
            MessageKind::Text => ChunkEvent::Text(boundaries.chunk(text)),
            MessageKind::Binary => ChunkEvent::Binary(boundaries.chunk(made)),
        }))
    }

    /// Inflates into the scratch, behind the start of a character that was cut, until the input, the room or the message
    /// is at its end. Returns how much is in the scratch then.
    fn inflate_some<R: Role>(
        &mut self,
        receiver: &mut Receiver<R>,
        engines: &mut ReceiveEngines,
        input: &mut &mut [u8],
        fin: bool,
    ) -> Result<(usize, End), ReceiveError> {
        let Self {
            direction,
            history,
            stream,
        } = self;
        let failed = |error: OutOfMemory| ReceiveError::from(Failure::from(error));
        let stream = match stream {
            Some(stream) => stream,
            None => {
                let mut engine = engines.check_out_for_stream()?;
                engine.inflater.guarded(|inflater| inflater.start(history.parts()));
                stream.insert(
                    try_box(Stream {
                        engine,
                        inflation: Inflation::new(),
                        len: 0,
                        output_full: false,
                    })
                    .map_err(failed)?,
                )
            }
        };
        let [stream] = &mut **stream;
        let window_len = direction.window_len();
        let room = engines.scratch_len();
        let scratch = engines.scratch(room).map_err(failed)?;
        let kept = receiver.carry.take(scratch);
        // At the limit, there is room for one more byte, which tells.
        let left = receiver.max_message_len.saturating_sub(stream.len).saturating_add(1);
        let room = room.min(kept.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
        let mut made = kept;
        let mut block = [0; BLOCK];
        loop {
            let there = usize::try_from(receiver.remaining).map_or(BLOCK, |remaining| remaining.min(BLOCK));
            let masked = input.get(..there).unwrap_or(input);
            let mut mask = receiver.mask;
            let payload = mask.apply_copy(masked, &mut block);
            let last = fin && payload.len() as u64 == receiver.remaining;
            let output = scratch.get_mut(made..room).unwrap_or_default();
            let Stream { engine, inflation, .. } = &mut *stream;
            let budget = receiver.fragment_budget;
            let progress = engine
                .inflater
                .guarded(|inflater| inflation.step(inflater, payload, last, output, budget))
                .unwrap_or(Progress::BROKEN);
            receiver.skip_payload(input, progress.taken);
            let fresh = output.get(..progress.made).unwrap_or_default();
            // A DEFLATE stream that starts inside the message needs the window, and it is the history of the next message.
            history.reserve(fresh.len(), window_len).map_err(failed)?;
            history.push(fresh, window_len);
            made += progress.made;
            stream.len = stream.len.saturating_add(progress.made as u64);
            if stream.len > receiver.max_message_len {
                return Ok((
                    made.saturating_sub(1),
                    End::Failed(LimitExceeded::MessageTooLong.into()),
                ));
            }
            stream.output_full = progress.outcome == Outcome::OutputFull;
            let end = match progress.outcome {
                Outcome::Done => End::Message,
                Outcome::Failed(failure) => End::Failed(failure),
                Outcome::OutputFull => End::Output,
                Outcome::Restart => {
                    let inflater = &mut stream.engine.inflater;
                    inflater.guarded(|inflater| inflater.start(history.parts()));
                    continue;
                }
                Outcome::NeedInput if receiver.remaining > 0 && !input.is_empty() => continue,
                Outcome::NeedInput => End::Input,
            };
            return Ok((made, end));
        }
    }

    #[cold]
    fn fail<R: Role>(&mut self, receiver: &mut Receiver<R>, input: &mut &mut [u8], failure: Failure) -> ReceiveError {
        *input = &mut [];
        let failure = receiver.fail(failure);
        self.let_go(receiver);
        failure.into()
    }
}

/// Why inflating has stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Input,
    Output,
    Message,
    Failed(Failure),
}

/// The last `len` bytes of a history and what came behind it.
fn window<'a>([older, newer]: [&'a [u8]; 2], output: &'a [u8], len: usize) -> [&'a [u8]; 3] {
    let last = |bytes: &'a [u8], len: usize| bytes.get(bytes.len().saturating_sub(len)..).unwrap_or_default();
    let output = last(output, len);
    let newer = last(newer, len - output.len());
    let older = last(older, len - output.len() - newer.len());
    [older, newer, output]
}
