//! The deadlines of one connection.

use core::time::Duration;

use super::due::{Deadline, Due};
use super::moment::Moment;
use super::round_trip::{Estimate, RoundTrip};
use super::timeouts::{Config, Millis, Timeouts};

/// Never, as a moment in microseconds.
const NEVER: u64 = u64::MAX;

/// The deadlines of one connection, beside it: told what happens and when, it says what is due.
///
/// [`BufferedConnection::tick`](crate::buffered::BufferedConnection::tick) drives one. This is for those who put a
/// connection together themselves:
///
/// ```
/// use sockless::timers::{Deadline, Due, Moment, Timeouts, Timers};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let start = Moment::START;
/// let mut timers = Timers::new(&Timeouts::default(), start);
/// timers.opened(start);
/// assert_eq!(timers.next_deadline(), Some(start + 20 * second));
///
/// let Some(Due::Ping(payload)) = timers.handle_timeout(start + 20 * second) else { panic!() };
/// // tx.ping(&payload)?; there are six bytes before it in the output
/// timers.pinged(start + 20 * second, 16);
/// timers.written(start + 21 * second, 16, 0); // the Ping has left
/// assert_eq!(timers.next_deadline(), Some(start + 41 * second));
///
/// timers.received(start + 22 * second, None);
/// let answer = timers.pong(start + 22 * second, &payload);
/// assert_eq!(answer, Some(second));
/// assert_eq!(timers.next_deadline(), Some(start + 42 * second));
/// ```
///
/// After each read call [`received`](Self::received); [`message_received`](Self::message_received) and
/// [`pong`](Self::pong) as these events come; [`written`](Self::written) after each write, and when output starts to wait;
/// [`closing`](Self::closing) once a Close was sent or received or the connection has failed. Any of these may be called
/// again with nothing new.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// The latest moment that was seen.
    now: u64,
    /// The start of the handshake, the last data, or the last progress in closing.
    since: u64,
    /// The last byte received, or the end of the last Ping where that is later.
    quiet: u64,
    /// The start of the message under way, or `NEVER`.
    message_since: u64,
    /// When output started to wait, or was taken last, or `NEVER` if there is none.
    waiting_since: u64,
    /// What the message under way may take.
    allowance: Millis,
    /// How many bytes of output are left up to the end of the Ping, or how many microseconds `quiet` is behind that.
    ping: u32,
    round_trip: Estimate,
    config: Config,
    phase: Phase,
    pinging: Pinging,
    /// Counts the Pings, modulo 256.
    token: u8,
    passed: Option<Deadline>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open,
    /// Open, and the caller does not read.
    Paused,
    Closing,
}

/// What has become of the last Ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pinging {
    /// It was answered, or there was none.
    None,
    /// It waits in the output.
    Queued,
    /// It has left, and nothing has come since.
    Left,
    /// It has left, and something has come, but no answer.
    Alive,
}

impl Timers {
    /// The timers of a connection whose opening handshake starts now.
    #[must_use]
    pub fn new(timeouts: &Timeouts, now: Moment) -> Self {
        Self::with_config(Config::new(timeouts), now)
    }

    pub(crate) const fn with_config(config: Config, now: Moment) -> Self {
        let now = now.as_micros();
        Self {
            now,
            since: now,
            quiet: now,
            message_since: NEVER,
            waiting_since: NEVER,
            allowance: config.grace,
            ping: 0,
            round_trip: Estimate::NONE,
            config,
            phase: Phase::Handshake,
            pinging: Pinging::None,
            token: 0,
            passed: None,
        }
    }

    /// The same with a handshake that starts now.
    #[cfg(feature = "alloc")]
    pub(crate) const fn start_again(&mut self, now: Moment) {
        *self = Self {
            // A Pong that answers a Ping from before is late, and answers none of those to come.
            token: self.token,
            ..Self::with_config(self.config, now)
        };
    }

    /// What the next start goes by.
    #[cfg(feature = "alloc")]
    pub(crate) const fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// The answer was no end, but the connection's beginning.
    #[cfg(feature = "alloc")]
    pub(crate) fn closes_no_more(&mut self) {
        if self.phase == Phase::Closing {
            self.phase = Phase::Handshake;
        }
    }

    /// The opening handshake is over and the connection is open.
    pub fn opened(&mut self, now: Moment) {
        self.clock(now);
        if self.phase == Phase::Handshake {
            self.phase = Phase::Open;
            self.since = self.now;
            self.quiet = self.now;
            self.message_since = NEVER;
        }
    }

    /// Bytes have come, and all events in them were received. `under_way` is how many bytes have come of the message
    /// ([`message_progress`](crate::connection::Connection::message_progress)) or of the head that is under way now.
    ///
    /// The clock of a message starts when it is seen here first, and stops where `under_way` is `None`.
    pub fn received(&mut self, now: Moment, under_way: Option<u64>) {
        self.clock(now);
        self.alive();
        match under_way {
            Some(bytes) => {
                self.data(self.latest());
                self.message(None, bytes);
            }
            None => self.no_message(),
        }
    }

    /// Bytes have come at the latest moment that was seen.
    #[inline]
    pub(crate) fn alive(&mut self) {
        match self.pinging {
            Pinging::Left | Pinging::Alive => {
                self.pinging = Pinging::Alive;
                self.ping = self.age();
            }
            Pinging::None | Pinging::Queued => {}
        }
        self.quiet = self.now;
    }

    /// So many bytes of a message have come, which started then; `None` for the one that was under way, if there was one,
    /// or else now.
    #[inline]
    pub(crate) fn message(&mut self, start: Option<Moment>, bytes: u64) {
        let allowance = self.config.allowance(bytes);
        if start.is_some() || self.message_since == NEVER {
            self.message_since = start.map_or(self.now, Moment::as_micros).min(self.now);
            self.allowance = allowance;
        } else {
            self.allowance = self.allowance.max(allowance);
        }
    }

    /// What [`alive`](Self::alive), [`data`](Self::data), [`message`](Self::message) and [`took`](Self::took) come to where
    /// nothing was under way: bytes have come, of which so many may be the start of a message, and data came last at that
    /// time. Returns the next deadline; `None` if there is more to look at, and then nothing has changed.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn arrived(&mut self, now: Moment, unread: u64, data_at: Option<Moment>) -> Option<Moment> {
        if self.phase != Phase::Open || self.pinging != Pinging::None {
            return None;
        }
        let now = now.as_micros().max(self.now);
        let since = data_at.map_or(self.since, |at| self.since.max(at.as_micros()));
        let allowance = self.config.allowance(unread);
        let next = self.config.ping_after.after(now);
        let next = next.min(self.config.idle.after(since)).min(allowance.after(now));
        if next <= now || next == NEVER {
            return None;
        }
        self.now = now;
        self.quiet = now;
        self.since = since;
        self.message_since = now;
        self.allowance = allowance;
        self.waiting_since = NEVER;
        Some(Moment::from_micros(next))
    }

    /// No message is under way.
    pub(crate) const fn no_message(&mut self) {
        self.message_since = NEVER;
    }

    /// Data came at this time.
    #[inline]
    pub(crate) fn data(&mut self, at: Moment) {
        match self.phase {
            Phase::Open | Phase::Paused => self.since = self.since.max(at.as_micros()),
            Phase::Handshake | Phase::Closing => {}
        }
    }

    /// A data message was received to its end: the idle clock starts again, and so does that of the message under way. Where
    /// messages come in chunks, call it at the last one alone, or a message might take for ever.
    pub fn message_received(&mut self, now: Moment) {
        self.clock(now);
        self.data(self.latest());
        self.no_message();
    }

    /// A Pong was received. Returns the round-trip time if it answers the last Ping.
    pub fn pong(&mut self, now: Moment, payload: &[u8]) -> Option<Duration> {
        self.clock(now);
        if payload != self.payload() {
            return None;
        }
        let age = self.age();
        self.quiet = self.now;
        match core::mem::replace(&mut self.pinging, Pinging::None) {
            Pinging::Left | Pinging::Alive => {
                if age == u32::MAX {
                    return None;
                }
                self.round_trip.add(age);
                Some(Duration::from_micros(u64::from(age)))
            }
            // It has left before the caller has said so.
            Pinging::Queued | Pinging::None => None,
        }
    }

    /// The Ping that was due is in the output, which now holds `waiting` bytes. Its clock starts when
    /// [`written`](Self::written) has counted them.
    pub fn pinged(&mut self, now: Moment, waiting: usize) {
        self.written(now, 0, waiting);
        self.pinging = Pinging::Queued;
        self.ping = u32::try_from(waiting).unwrap_or(u32::MAX);
    }

    /// The transport has taken `taken` bytes of output, and `waiting` are left.
    pub fn written(&mut self, now: Moment, taken: usize, waiting: usize) {
        self.clock(now);
        self.took(taken, waiting);
    }

    /// The same at the latest moment that was seen.
    #[inline]
    pub(crate) fn took(&mut self, taken: usize, waiting: usize) {
        if waiting == 0 {
            self.waiting_since = NEVER;
        } else if taken > 0 || self.waiting_since == NEVER {
            self.waiting_since = self.now;
        }
        if taken > 0 && self.phase == Phase::Closing {
            self.since = self.now;
        }
        if self.pinging == Pinging::Queued {
            self.ping = self.ping.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
            if self.ping == 0 || waiting == 0 {
                self.pinging = Pinging::Left;
                self.ping = 0;
                self.quiet = self.now;
            }
        }
    }

    /// The caller reads from now on, or does not: while it does not, the clock stands for all that the peer sends.
    pub fn reading(&mut self, now: Moment, reading: bool) {
        self.clock(now);
        self.read_on(reading);
    }

    /// The same at the latest moment that was seen.
    #[inline]
    pub(crate) fn read_on(&mut self, reading: bool) {
        match (self.phase, reading) {
            (Phase::Open | Phase::Paused, true) => self.phase = Phase::Open,
            (Phase::Open | Phase::Paused, false) => self.phase = Phase::Paused,
            (Phase::Handshake | Phase::Closing, _) => {}
        }
    }

    /// A Close was sent or received, or the connection has failed. From now on only closing has a deadline, and output.
    pub fn closing(&mut self, now: Moment) {
        self.clock(now);
        if self.phase != Phase::Closing {
            self.phase = Phase::Closing;
            self.since = self.now;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. `None` if nothing has a deadline.
    ///
    /// What happens in the meantime moves it later, with few exceptions: it comes nearer when a message starts to arrive,
    /// when output starts to wait, when a Ping has left, and when closing begins.
    #[must_use]
    #[inline]
    pub fn next_deadline(&self) -> Option<Moment> {
        let at = self.next();
        (at != NEVER).then_some(Moment::from_micros(at))
    }

    /// What is due now, if anything: call it until it returns `None`. It never returns anything before
    /// [`next_deadline`](Self::next_deadline), and after it `next_deadline` is later than `now`.
    pub fn handle_timeout(&mut self, now: Moment) -> Option<Due> {
        self.clock(now);
        self.due(true)
    }

    /// The same at the latest moment that was seen. If not all that has come was looked at, nothing passes that what has come
    /// may have met.
    pub(crate) fn due(&mut self, all_seen: bool) -> Option<Due> {
        let now = self.now;
        let due = |(at, what): (u64, Option<Deadline>)| {
            let may_be_met = match what {
                Some(Deadline::Handshake | Deadline::Idle | Deadline::Message) => !all_seen,
                Some(Deadline::Pong | Deadline::Write | Deadline::Close) | None => false,
            };
            (at <= now && at != NEVER && !may_be_met).then_some(what)
        };
        let what = self.deadlines().into_iter().zip(self.order()).find_map(due)?;
        let Some(deadline) = what else {
            self.quiet = now;
            self.pinging = Pinging::None;
            self.token = self.token.wrapping_add(1);
            return Some(Due::Ping(self.payload()));
        };
        match deadline {
            Deadline::Handshake | Deadline::Idle | Deadline::Close => self.since = now,
            Deadline::Pong => {
                self.ping = self.age();
                self.quiet = now;
            }
            Deadline::Message => self.message_since = now,
            Deadline::Write => self.waiting_since = now,
        }
        self.passed = self.passed.or(what);
        Some(Due::Passed(deadline))
    }

    /// The first deadline that has passed.
    #[must_use]
    pub const fn passed(&self) -> Option<Deadline> {
        self.passed
    }

    /// The round-trip times of the Pings so far. `None` before the first answer.
    #[must_use]
    pub fn round_trip(&self) -> Option<RoundTrip> {
        self.round_trip.get()
    }

    /// The deadlines that can run now, the gravest first; `None` is the next Ping.
    const fn order(&self) -> [Option<Deadline>; 5] {
        use Deadline::{Close, Handshake, Idle, Message, Pong, Write};
        match self.phase {
            Phase::Open => [Some(Write), Some(Pong), Some(Message), Some(Idle), None],
            Phase::Handshake => [Some(Handshake), Some(Write), Some(Message), None, None],
            Phase::Closing => [Some(Close), Some(Write), None, None, None],
            Phase::Paused => [Some(Write), None, None, None, None],
        }
    }

    /// When they pass, in their [order](Self::order); `NEVER` where one does not run.
    #[inline]
    fn deadlines(&self) -> [u64; 5] {
        let write = self.config.write.after(self.waiting_since);
        match self.phase {
            Phase::Open => self.open_deadlines(write),
            Phase::Handshake | Phase::Closing | Phase::Paused => self.other_deadlines(write),
        }
    }

    #[inline]
    fn open_deadlines(&self, write: u64) -> [u64; 5] {
        let Self { config, quiet, .. } = self;
        let (pong, ping) = if self.pinging == Pinging::Left && config.pong_within.is_on() {
            (config.pong_within.after(*quiet), NEVER)
        } else if self.pinging == Pinging::Queued {
            (NEVER, NEVER)
        } else {
            (NEVER, config.ping_after.after(*quiet))
        };
        let message = self.allowance.after(self.message_since);
        [write, pong, message, config.idle.after(self.since), ping]
    }

    /// Apart from those of an open connection, so that each message meets one branch.
    fn other_deadlines(&self, write: u64) -> [u64; 5] {
        let Self { config, since, .. } = *self;
        match self.phase {
            Phase::Handshake => {
                let message = self.allowance.after(self.message_since);
                [config.handshake.after(since), write, message, NEVER, NEVER]
            }
            Phase::Closing => [config.close.after(since), write, NEVER, NEVER, NEVER],
            Phase::Paused | Phase::Open => [write, NEVER, NEVER, NEVER, NEVER],
        }
    }

    /// When the next of them passes, or `NEVER`.
    #[inline]
    fn next(&self) -> u64 {
        self.deadlines().into_iter().fold(NEVER, u64::min)
    }

    /// Goes on to `now`, or stays where the clock has gone back. While the caller does not read, what runs for the peer
    /// goes along.
    #[inline]
    pub(crate) fn clock(&mut self, now: Moment) {
        let step = now.as_micros().saturating_sub(self.now);
        self.now = self.now.saturating_add(step);
        if self.phase == Phase::Paused {
            self.since = self.since.saturating_add(step);
            self.quiet = self.quiet.saturating_add(step);
            self.message_since = self.message_since.saturating_add(step);
        }
    }

    /// The microseconds since the last Ping has left, at most `u32::MAX`.
    fn age(&self) -> u32 {
        let age = u64::from(self.ping).saturating_add(self.now.saturating_sub(self.quiet));
        u32::try_from(age).unwrap_or(u32::MAX)
    }

    /// The payload of the last Ping: a token that says nothing about the time.
    const fn payload(&self) -> [u8; 8] {
        let [p, i, n, g] = *b"ping";
        [p, i, n, g, 0, 0, 0, self.token]
    }

    /// Whether the clock stands for what the peer sends.
    #[cfg(feature = "alloc")]
    pub(crate) fn is_paused(&self) -> bool {
        self.phase == Phase::Paused
    }

    /// The latest moment that was seen.
    pub(crate) const fn latest(&self) -> Moment {
        Moment::from_micros(self.now)
    }
}
