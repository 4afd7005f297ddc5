//! What the machines tell their timers: what has happened since the last tick, seen from the buffers.
//!
//! A tick may come before the events of what was read are received. Then what was read is known to be there and not what
//! it is. At the next tick it is known, and dated back to the tick at which it was there.

use core::time::Duration;

use crate::buffer::{Output, ReadBuffer, WriteBuffer};
use crate::connection::{Connection, Role};
use crate::timers::{Config, Due, Moment, Timeouts, Timers};

/// How long to wait until what was read has been looked at.
const SOON: Duration = Duration::from_millis(1);

/// The timers of a machine, and how far everything was at the last tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    timers: Timers,
    /// Whether the first tick was made.
    has_begun: bool,
    seen: Seen,
    /// When bytes came last.
    arrived_at: Moment,
    /// Where the message began whose clock runs, counted as the bytes that arrived.
    message: Option<u32>,
    /// Whether the caller reads.
    reading: bool,
    /// Whether the caller did not read at some time since the last tick.
    was_paused: bool,
    /// Whether not all that has come was looked at when it was due.
    postponed: bool,
    /// Whether all that has come was looked at.
    all_seen: bool,
}

/// How far everything was. All counts are modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Bytes that were read.
    arrived: u32,
    /// Bytes of data messages, as far as is known.
    data: u32,
    /// Bytes that have left the output.
    drained: u32,
}

/// How far a count has gone on; zero if it has gone back.
const fn progress(from: u32, to: u32) -> u32 {
    let step = to.wrapping_sub(from);
    if step >> 31 == 0 { step } else { 0 }
}

#[allow(clippy::cast_possible_truncation, reason = "counted modulo 2^32")]
const fn modulo(len: usize) -> u32 {
    len as u32
}

impl Timing {
    pub(super) const fn new() -> Self {
        Self {
            timers: Timers::with_config(Config::new(&Timeouts::DEFAULT), Moment::START),
            has_begun: false,
            seen: Seen {
                arrived: 0,
                data: 0,
                drained: 0,
            },
            arrived_at: Moment::START,
            message: None,
            reading: true,
            was_paused: false,
            postponed: false,
            all_seen: true,
        }
    }

    /// Sets what the next tick starts with.
    pub(super) const fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.timers.set_config(Config::new(timeouts));
        self.has_begun = false;
    }

    pub(super) const fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
        self.was_paused |= !reading;
    }

    pub(super) const fn is_reading(&self) -> bool {
        self.reading
    }

    pub(super) const fn timers(&self) -> Option<&Timers> {
        if self.has_begun { Some(&self.timers) } else { None }
    }

    const fn timers_mut(&mut self) -> Option<&mut Timers> {
        if self.has_begun { Some(&mut self.timers) } else { None }
    }

    /// A Pong was received.
    #[cold]
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if let Some(timers) = self.timers_mut() {
            timers.pong(timers.latest(), payload);
        }
    }

    /// A Ping was put into the output, which holds so many bytes now.
    pub(super) fn pinged(&mut self, waiting: usize) {
        if let Some(timers) = self.timers_mut() {
            timers.pinged(timers.latest(), waiting);
        }
    }

    /// The handshake has become a connection.
    pub(super) fn opened(mut self) -> Self {
        if let Some(timers) = self.timers_mut() {
            timers.closes_no_more();
            timers.opened(timers.latest());
        }
        self.message = None;
        self.postponed = false;
        self
    }

    /// Tells the timers of a handshake what has happened.
    pub(super) fn shake(&mut self, now: Moment, input: &ReadBuffer, output: &WriteBuffer) {
        if !core::mem::replace(&mut self.has_begun, true) {
            self.timers.start_again(now);
        }
        let timers = &mut self.timers;
        let unread = input.unread().len();
        let arrived = input.account.arrived;
        let fresh = arrived != self.seen.arrived;
        if fresh {
            timers.received(now, (unread > 0).then_some(unread as u64));
            self.arrived_at = timers.latest();
        }
        self.all_seen = !fresh;
        // While nothing is put, what is missing was taken.
        let drained = 0_u32.wrapping_sub(modulo(output.len()));
        timers.written(now, progress(self.seen.drained, drained) as usize, output.len());
        let consumed = input.account.consumed(unread);
        self.seen = Seen {
            arrived,
            data: consumed,
            // The connection counts from there on what it puts.
            drained,
        };
    }

    /// The handshake has failed: what is left is to write the answer.
    pub(super) fn answered(&mut self) {
        if let Some(timers) = self.timers_mut() {
            timers.closing(timers.latest());
        }
    }

    /// Whether a tick has been made.
    #[cfg(feature = "std")]
    pub(super) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// What [`observe`](Self::observe) and [`due`](Self::due) come to in the common case: bytes have come where nothing was
    /// under way and all had been received. Returns how long to wait; `None` if there is more to look at, and then nothing
    /// has changed.
    #[inline]
    pub(super) fn observe_arrival<R: Role>(
        &mut self,
        now: Moment,
        connection: &Connection<R>,
        input: &ReadBuffer,
        output: &WriteBuffer,
    ) -> Option<Duration> {
        let unread = input.at.unread_len();
        let consumed = input.account.consumed(unread);
        let all_was_received = unread > 0 && !input.at.incomplete && consumed == self.seen.arrived;
        let was_held_up = self.was_paused || output.was_or_is_over_watermark();
        if !all_was_received || was_held_up || output.len() > 0 || !connection.is_at_rest() {
            return None;
        }
        let data = consumed.wrapping_sub(input.account.control);
        // It had come by the last time that bytes came.
        let data_at = (data != self.seen.data).then_some(self.arrived_at);
        let next = self.timers.arrived(now, unread as u64, data_at)?;
        self.seen = Seen {
            arrived: input.account.arrived,
            data,
            drained: connection.bytes_put(),
        };
        let now = self.timers.latest();
        self.arrived_at = now;
        self.message = Some(consumed);
        self.postponed = false;
        self.all_seen = false;
        Some(next - now)
    }

    /// Tells the timers of an open connection what has happened. Returns whether it is closing.
    pub(super) fn observe<R: Role>(
        &mut self,
        now: Moment,
        connection: &Connection<R>,
        input: &ReadBuffer,
        output: &mut WriteBuffer,
    ) -> bool {
        let (unread, waiting) = (input.at.unread_len(), output.len());
        let consumed = input.account.consumed(unread);
        let under_way = connection.message_progress();
        // No frame of data has begun where no message has.
        let in_frame = match under_way {
            Some(_) => connection.data_wanted().unwrap_or(0).min(unread as u64),
            None => 0,
        };
        let seen = Seen {
            arrived: input.account.arrived,
            // What is unread may be anything, unless it belongs to a frame that has begun.
            data: consumed
                .wrapping_sub(input.account.control)
                .wrapping_add(u32::try_from(in_frame).unwrap_or(u32::MAX)),
            drained: connection.bytes_put().wrapping_sub(modulo(waiting)),
        };
        if !core::mem::replace(&mut self.has_begun, true) {
            self.seen = seen;
            self.arrived_at = now;
            self.timers.start_again(now);
            self.timers.opened(now);
        }
        let timers = &mut self.timers;
        let last = self.seen;
        let fresh = seen.arrived != last.arrived;
        self.all_seen = input.needs_input();

        // What was left unread is none of the peer's doing.
        let held_up = output.take_over_watermark() || self.was_paused || (!fresh && !self.all_seen);
        self.was_paused = !self.reading;
        let before = timers.latest();
        if held_up {
            timers.read_on(false);
        }
        let stood = timers.is_paused();
        timers.clock(now);
        if stood {
            self.arrived_at = self.arrived_at + (timers.latest() - before);
        }
        timers.read_on(self.reading && !output.is_over_watermark());
        let now = timers.latest();

        let arrived_before = self.arrived_at;
        if fresh {
            timers.alive();
            self.arrived_at = now;
        }
        if seen.data != last.data {
            // Whether all that was consumed had come by the last tick.
            let old = last.arrived.wrapping_sub(consumed) >> 31 == 0;
            let is_fresh = fresh && (in_frame > 0 || !old);
            timers.data(if is_fresh { now } else { arrived_before });
        }
        let (message, bytes) = match under_way {
            Some(bytes) => (Some(input.account.begun_at), bytes.saturating_add(unread as u64)),
            // A frame whose header is not complete, or was not looked at.
            None if unread > 0 => (Some(consumed), unread as u64),
            None => (None, 0),
        };
        match message {
            Some(begun_at) => {
                // Its first byte may have been there at the last tick.
                let was_there = progress(begun_at, last.arrived) > 0;
                let start = if was_there { arrived_before } else { now };
                timers.message((self.message != message).then_some(start), bytes);
            }
            None => timers.no_message(),
        }
        self.message = message;

        timers.took(progress(last.drained, seen.drained) as usize, waiting);
        self.seen = seen;
        let is_closing = connection.is_closing();
        if is_closing {
            timers.closing(now);
        }
        is_closing
    }

    /// What is due now; or if nothing is, how long to wait at most.
    #[inline]
    pub(super) fn due(&mut self) -> Result<Due, Option<Duration>> {
        let all_seen = self.all_seen || self.postponed;
        let timers = self.timers_mut().ok_or(None)?;
        let now = timers.latest();
        let next = timers.next_deadline().ok_or(None)?;
        // The rare case.
        if next <= now {
            if let Some(due) = timers.due(all_seen) {
                return Ok(due);
            }
        }
        self.postponed = next <= now;
        Err(Some(if self.postponed { SOON } else { next - now }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test fails by panicking"
    )]

    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::cell::Cell;
    use core::time::Duration;

    use proptest::prelude::*;

    use crate::buffer::Output;
    use crate::buffered::BufferedConnection;
    use crate::connection::{Connection, Server};
    use crate::frame::{CloseCode, MessageKind};
    use crate::limits::Limits;
    use crate::message::Event;
    use crate::timers::{Moment, Rate, Timeouts};

    #[derive(Clone, Debug)]
    enum Act {
        /// So many frames of the peer's more are on the way.
        Sends(Vec<(u8, usize)>),
        /// At most so many bytes of them come.
        Read(usize),
        Tick(u64),
        /// The clock jumps back.
        Back(u64),
        /// At most so many events are received; data are echoed, or not.
        Receive(usize, bool),
        Write(usize),
        Reading(bool),
        /// A frame begins that is sent in chunks.
        Frame,
        Chunk,
        Close,
        EndOfStream,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let first_byte = prop_oneof![
            20 => Just(0x82_u8),
            4 => Just(0x02),
            3 => Just(0x00),
            3 => Just(0x80),
            4 => Just(0x89),
            6 => Just(0x8a),
            1 => Just(0x88),
        ];
        let frame = (first_byte, prop_oneof![3 => 0..20_usize, 1 => 0..126_usize]);
        let step = prop_oneof![2 => 0..5_000_u64, 2 => 0..1_000_000_u64, 1 => 0..15_000_000_u64];
        let act = prop_oneof![
            6 => prop::collection::vec(frame, 1..3).prop_map(Act::Sends),
            8 => prop_oneof![1 => 1..40_usize, 3 => Just(512)].prop_map(Act::Read),
            10 => step.prop_map(Act::Tick),
            8 => (prop_oneof![1 => 0..3_usize, 4 => Just(99)], any::<bool>()).prop_map(|(n, echo)| Act::Receive(n, echo)),
            7 => prop_oneof![1 => 0..40_usize, 4 => Just(9_999)].prop_map(Act::Write),
            3 => any::<bool>().prop_map(Act::Reading),
            1 => (0..1_000_000_u64).prop_map(Act::Back),
            1 => Just(Act::Frame),
            2 => Just(Act::Chunk),
        ];
        let end = prop_oneof![8 => Just(None), 1 => Just(Some(Act::Close)), 1 => Just(Some(Act::EndOfStream))];
        let data = (
            prop_oneof![6 => Just(0x82_u8), 1 => Just(0x8a), 1 => Just(0x89)],
            0..20_usize,
        );
        let len = prop_oneof![1 => 1..40_usize, 3 => Just(512)];
        let turn = (prop::collection::vec(data, 1..3), len, 0..1_000_000_u64, any::<bool>());
        // What a loop does, and anything else.
        let turn = turn.prop_map(|(frames, len, step, echo)| {
            let read = [Act::Sends(frames), Act::Read(len), Act::Tick(step)];
            let acts = read.into_iter().chain([Act::Receive(99, echo), Act::Write(9_999)]);
            acts.collect::<Vec<_>>()
        });
        let turn = prop_oneof![2 => turn, 1 => prop::collection::vec(act, 0..6)];
        (prop::collection::vec(turn, 0..40), end, 0..40_usize).prop_map(|(turns, end, at)| {
            let mut acts = turns.concat();
            if let Some(end) = end {
                acts.insert(at.min(acts.len()), end);
            }
            acts
        })
    }

    fn timeouts() -> impl Strategy<Value = Timeouts> {
        let timeout = || prop_oneof![1 => Just(None), 4 => (1..20_000_u64).prop_map(|millis| Some(Duration::from_millis(millis)))];
        let rate = prop_oneof![
            1 => Just(None),
            3 => (1..20_000_u64, 0..100_u32).prop_map(|(millis, bytes_per_second)| Some(Rate {
                grace: Duration::from_millis(millis),
                bytes_per_second
            })),
        ];
        (timeout(), timeout(), timeout(), rate, timeout(), timeout()).prop_map(
            |(ping_after, pong_within, idle, message, write, close)| {
                let timeouts = Timeouts::DEFAULT
                    .with_ping_after(ping_after)
                    .with_pong_within(pong_within);
                timeouts
                    .with_idle(idle)
                    .with_message(message)
                    .with_write(write)
                    .with_close(close)
            },
        )
    }

    /// All that deadlines depend on.
    fn state(ws: &BufferedConnection<Server>) -> String {
        format!("{:?} {:?} {:?}", ws.timing, ws.output.unwritten(), ws.transport())
    }

    /// A tick, both ways where the short one is to be had. Returns whether it was.
    fn tick(ws: &mut BufferedConnection<Server>, now: Moment) -> Result<bool, TestCaseError> {
        let before = (ws.timing, state(ws));
        let short = ws.timing.observe_arrival(now, &ws.connection, &ws.input, &ws.output);
        let after = state(ws);
        if short.is_none() {
            prop_assert_eq!(&after, &before.1);
        }
        ws.timing = before.0;
        let in_full = ws.tick_in_full(now);
        if short.is_some() {
            prop_assert_eq!(short, in_full);
            prop_assert_eq!(after, state(ws));
        }
        Ok(short.is_some())
    }

    fn run(acts: Vec<Act>, timeouts: &Timeouts) -> Result<usize, TestCaseError> {
        let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
        ws.set_timeouts(timeouts);
        ws.output.set_watermark(200);
        let (mut coming, mut now, mut short) = (Vec::new(), Moment::from_micros(1_000), 0);
        for act in acts {
            match act {
                Act::Sends(frames) => {
                    for (first, len) in frames {
                        let payload = match first {
                            // The Pong for one of the first Pings of the timers.
                            0x8a => b"ping\0\0\0".iter().copied().chain([len as u8 % 4]).collect(),
                            0x88 => Vec::new(),
                            _ => alloc::vec![b'a'; len],
                        };
                        coming.extend([first, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
                        coming.extend(payload);
                    }
                }
                Act::Read(most) => {
                    let len = most.min(coming.len()).min(ws.space().len());
                    ws.space()[..len].copy_from_slice(&coming[..len]);
                    coming.drain(..len);
                    ws.advance(len);
                }
                Act::Tick(step) => {
                    now = now + Duration::from_micros(step);
                    short += usize::from(tick(&mut ws, now)?);
                }
                Act::Back(step) => now = Moment::from_micros(now.as_micros().saturating_sub(step)),
                Act::Receive(most, echo) => {
                    for _ in 0..most {
                        match ws.next_event() {
                            Ok(Some((Event::Binary(data), mut tx))) if echo => drop(tx.binary(data)),
                            Ok(Some(_)) => {}
                            Ok(None) | Err(_) => break,
                        }
                    }
                }
                Act::Write(most) => {
                    let len = most.min(ws.output.len());
                    ws.written(len);
                }
                Act::Reading(reading) => ws.set_reading(reading),
                Act::Frame => drop(ws.tx().begin_frame(MessageKind::Binary, 10, true)),
                Act::Chunk => drop(ws.tx().chunk(&[0; 5])),
                Act::Close => drop(ws.tx().close(CloseCode::NORMAL, "")),
                Act::EndOfStream => drop(ws.end_of_stream()),
            }
        }
        Ok(short)
    }

    /// The short way is only shorter, in every state.
    #[test]
    fn the_common_case_is_what_the_long_way_comes_to() {
        let short = Cell::new(0);
        let config = ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 4_000 },
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(acts in acts(), timeouts in timeouts())| {
            short.set(short.get() + run(acts, &timeouts)?);
        });
        assert!(cfg!(miri) || short.get() > 2_000, "taken only {} times", short.get());
    }
}
