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
        self.timers = Timers::with_config(Config::new(timeouts), Moment::START);
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
