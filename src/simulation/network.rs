//! Two ends, two directions, and the time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;
use std::vec::Vec;

use super::random::Random;
use crate::timers::Moment;

/// One end of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first endpoint.
    A,
    /// The second endpoint.
    B,
}

impl Side {
    /// The other end.
    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What one direction is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The least and the greatest time that bytes travel. They do not overtake each other.
    pub latency: (Duration, Duration),
    /// Bytes per second.
    pub rate: u64,
    /// How many bytes may be on the way or unread. A write takes no more.
    pub window: usize,
    /// The longest piece that arrives at once, in bytes.
    pub piece: usize,
}

impl Line {
    /// A quick line: 1 ms, 1 GB/s, a window of 64 KiB.
    pub const QUICK: Self = Self {
        latency: (Duration::from_millis(1), Duration::from_millis(1)),
        rate: 1_000_000_000,
        window: 64 << 10,
        piece: 64 << 10,
    };

    /// Any line.
    #[must_use]
    pub fn random(random: &mut Random) -> Self {
        let least = Duration::from_micros(random.between(1, 50_000));
        Self {
            latency: (least, least + Duration::from_micros(random.between(0, 100_000))),
            rate: 1_000 << random.between(0, 20),
            window: 1 << random.between(6, 17),
            piece: 1 << random.between(0, 16),
        }
    }
}

/// What goes wrong at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing that this end sends arrives for so long.
    Stall(Side, Duration),
    /// This end is not run for so long, as if its process were stopped.
    Stop(Side, Duration),
    /// The direction from this end comes to its end.
    HalfClose(Side),
    /// Both ends are reset.
    Reset,
}

#[derive(Debug)]
enum Item {
    Data(Vec<u8>),
    End,
    Reset,
}

/// One direction.
#[derive(Debug)]
struct Link {
    line: Line,
    /// In the order of arrival.
    flying: VecDeque<(Moment, Item)>,
    flying_len: usize,
    /// When the line is free for the next byte, and when the last byte arrives.
    free_at: Moment,
    last_arrival: Moment,
    stalled_until: Moment,
    arrived: VecDeque<u8>,
    /// No more is written.
    shut: bool,
    /// The end has arrived.
    ended: bool,
    /// The sender waits for room.
    blocked: bool,
}

impl Link {
    fn new(line: Line) -> Self {
        Self {
            line,
            flying: VecDeque::new(),
            flying_len: 0,
            free_at: Moment::START,
            last_arrival: Moment::START,
            stalled_until: Moment::START,
            arrived: VecDeque::new(),
            shut: false,
            ended: false,
            blocked: false,
        }
    }

    fn room(&self) -> usize {
        let used = self.flying_len + self.arrived.len();
        self.line.window.max(1).saturating_sub(used)
    }

    fn send(&mut self, now: Moment, item: Item, random: &mut Random) {
        let len = match &item {
            Item::Data(bytes) => bytes.len() as u64,
            Item::End | Item::Reset => 0,
        };
        self.flying_len += usize::try_from(len).unwrap_or(usize::MAX);
        let micros = len.saturating_mul(1_000_000) / self.line.rate.max(1);
        self.free_at = self.free_at.max(now) + Duration::from_micros(micros);
        let (least, most) = self.line.latency;
        let spread = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        let arrival = self.free_at + least + Duration::from_micros(random.between(0, spread));
        self.last_arrival = self.last_arrival.max(arrival).max(self.stalled_until);
        self.flying.push_back((self.last_arrival, item));
    }

    /// What has arrived by now.
    fn arrive(&mut self, now: Moment) -> bool {
        let mut reset = false;
        while self.flying.front().is_some_and(|(at, _)| *at <= now) {
            match self.flying.pop_front() {
                Some((_, Item::Data(bytes))) => {
                    self.flying_len -= bytes.len();
                    self.arrived.extend(bytes);
                }
                Some((_, Item::End)) => self.ended = true,
                Some((_, Item::Reset)) => reset = true,
                None => {}
            }
        }
        reset
    }

    /// Everything on the way arrives this much later.
    fn stall(&mut self, until: Moment) {
        self.stalled_until = self.stalled_until.max(until);
        for (at, _) in &mut self.flying {
            *at = (*at).max(until);
        }
        self.last_arrival = self.last_arrival.max(until);
    }
}

/// How one end stands to its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Open,
    Closed,
    Reset,
}

/// A connection like one of TCP between two ends, in virtual time, without faults but those that are asked for. All that it
/// does depends on the seed.
///
/// What is known of TCP holds: bytes come in order, cut anywhere; a write takes what there is room for; closing a socket with
/// unread bytes resets the connection, and so does writing to one that is closed; a reset takes away what was not read.
#[derive(Debug)]
pub struct Network {
    now: Moment,
    random: Random,
    /// From A, from B.
    links: [Link; 2],
    holds: [Hold; 2],
    faults: Vec<(Moment, Fault)>,
    stopped_until: [Moment; 2],
    lateness: Duration,
}

const fn index(side: Side) -> usize {
    match side {
        Side::A => 0,
        Side::B => 1,
    }
}

#[allow(clippy::indexing_slicing, reason = "a side is 0 or 1")]
impl Network {
    /// A network with these lines, from A and from B.
    #[must_use]
    pub fn new(seed: u64, lines: [Line; 2]) -> Self {
        Self {
            now: Moment::START,
            random: Random::new(seed),
            links: lines.map(Link::new),
            holds: [Hold::Open; 2],
            faults: Vec::new(),
            stopped_until: [Moment::START; 2],
            lateness: Duration::ZERO,
        }
    }

    /// Any network, with up to three faults in the first `faults_within`.
    #[must_use]
    pub fn random(seed: u64, faults_within: Duration) -> Self {
        let mut random = Random::new(seed);
        let lines = [Line::random(&mut random), Line::random(&mut random)];
        let mut network = Self::new(random.next(), lines);
        let micros = u64::try_from(faults_within.as_micros()).unwrap_or(u64::MAX);
        for _ in 0..random.between(0, 3) {
            let at = random.between(0, micros);
            let side = if random.one_in(2) { Side::A } else { Side::B };
            let long = Duration::from_micros(random.between(0, micros - at));
            let fault = match random.between(0, 7) {
                0 => Fault::Reset,
                1 => Fault::HalfClose(side),
                2..=4 => Fault::Stop(side, long),
                _ => Fault::Stall(side, long),
            };
            network.fault(Moment::from_micros(at), fault);
        }
        network.set_lateness(Duration::from_micros(random.between(0, 20_000)));
        network
    }

    /// Makes this go wrong then.
    pub fn fault(&mut self, at: Moment, fault: Fault) {
        self.faults.push((at, fault));
        self.faults.sort_by_key(|(at, _)| core::cmp::Reverse(*at));
    }

    /// Lets each end be run up to this much later than it might be, as on a busy machine.
    pub const fn set_lateness(&mut self, lateness: Duration) {
        self.lateness = lateness;
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// The socket of one end, at this time.
    pub fn socket(&mut self, side: Side) -> Socket<'_> {
        Socket { network: self, side }
    }

    /// Goes on in time, through the faults on the way. `to` is at most when the next thing happens.
    pub(super) fn advance(&mut self, to: Moment) {
        while self.faults.last().is_some_and(|(at, _)| *at <= to) {
            let Some((at, fault)) = self.faults.pop() else { break };
            self.now = self.now.max(at);
            match fault {
                Fault::Stall(side, long) => self.links[index(side)].stall(at + long),
                Fault::Stop(side, long) => {
                    self.stopped_until[index(side)] = self.stopped_until[index(side)].max(at + long);
                }
                Fault::HalfClose(side) => self.shut(side),
                Fault::Reset => {
                    self.reset(Side::A);
                    self.reset(Side::B);
                }
            }
        }
        self.now = self.now.max(to);
        for side in [Side::A, Side::B] {
            self.arrive(side);
        }
    }

    /// The next fault, or arrival at an end that is not there any more.
    pub(super) fn next_event(&self) -> Option<Moment> {
        let fault = self.faults.last().map(|(at, _)| *at);
        [Side::A, Side::B]
            .into_iter()
            .filter(|side| self.holds[index(*side)] != Hold::Open)
            .filter_map(|side| self.next_arrival(side))
            .chain(fault)
            .min()
    }

    /// When something arrives at this end next.
    pub(super) fn next_arrival(&self, side: Side) -> Option<Moment> {
        self.links[index(side.other())].flying.front().map(|(at, _)| *at)
    }

    /// Until when this end is stopped.
    pub(super) const fn stopped_until(&self, side: Side) -> Moment {
        self.stopped_until[index(side)]
    }

    /// A random delay of an end.
    pub(super) fn delay(&mut self) -> Duration {
        let micros = u64::try_from(self.lateness.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.between(0, micros))
    }

    /// Whether this end may go on with a write that took nothing.
    pub(super) fn take_unblocked(&mut self, side: Side) -> bool {
        let link = &mut self.links[index(side)];
        let unblocked = link.blocked && link.room() > 0;
        link.blocked &= !unblocked;
        unblocked
    }

    fn arrive(&mut self, side: Side) {
        let link = &mut self.links[index(side.other())];
        let before = link.arrived.len();
        let reset = link.arrive(self.now);
        let came = link.arrived.len() > before;
        match self.holds[index(side)] {
            Hold::Open if reset => self.be_reset(side),
            Hold::Closed if came => {
                // Nobody is there to read it.
                self.links[index(side.other())].arrived.clear();
                self.holds[index(side)] = Hold::Reset;
                self.send_reset(side);
            }
            Hold::Open => {}
            Hold::Closed | Hold::Reset => self.links[index(side.other())].arrived.clear(),
        }
    }

    /// This end is told of a reset.
    fn be_reset(&mut self, side: Side) {
        self.holds[index(side)] = Hold::Reset;
        self.links[index(side.other())].arrived.clear();
        self.links[index(side)].shut = true;
    }

    /// The other end will be told of a reset.
    fn send_reset(&mut self, side: Side) {
        let link = &mut self.links[index(side)];
        link.shut = true;
        // What has not left is not sent any more.
        link.free_at = self.now;
        link.send(self.now, Item::Reset, &mut self.random);
    }

    fn reset(&mut self, side: Side) {
        if self.holds[index(side)] != Hold::Reset {
            self.send_reset(side);
            self.be_reset(side);
        }
    }

    fn shut(&mut self, side: Side) {
        let link = &mut self.links[index(side)];
        if !link.shut {
            link.shut = true;
            link.send(self.now, Item::End, &mut self.random);
        }
    }

    fn close(&mut self, side: Side) {
        if self.holds[index(side)] != Hold::Open {
            return;
        }
        if self.links[index(side.other())].arrived.is_empty() {
            self.shut(side);
            self.holds[index(side)] = Hold::Closed;
        } else {
            self.reset(side);
        }
    }
}

/// One end's socket, non-blocking: `WouldBlock` where it would wait, 0 bytes at the end, `ConnectionReset` after a reset.
#[derive(Debug)]
pub struct Socket<'n> {
    network: &'n mut Network,
    side: Side,
}

impl Socket<'_> {
    /// Shuts down the sending direction.
    ///
    /// # Errors
    /// `NotConnected` after a reset.
    #[allow(clippy::indexing_slicing, reason = "a side is 0 or 1")]
    pub fn shutdown(&mut self) -> io::Result<()> {
        match self.network.holds[index(self.side)] {
            Hold::Open => {
                self.network.shut(self.side);
                Ok(())
            }
            Hold::Closed | Hold::Reset => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Closes the socket. If bytes are unread, that resets the connection.
    pub fn close(&mut self) {
        self.network.close(self.side);
    }

    /// Resets the connection.
    pub fn reset(&mut self) {
        self.network.reset(self.side);
    }
}

#[allow(
    clippy::indexing_slicing,
    reason = "a side is 0 or 1, and a read is within its buffer"
)]
impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let network = &mut *self.network;
        if network.holds[index(self.side)] != Hold::Open {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let link = &mut network.links[index(self.side.other())];
        if link.arrived.is_empty() {
            return if link.ended {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        let len = link.arrived.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(link.arrived.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }
}

#[allow(clippy::indexing_slicing, reason = "a side is 0 or 1, and a write within its buffer")]
impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let network = &mut *self.network;
        match network.holds[index(self.side)] {
            Hold::Open => {}
            Hold::Closed => return Err(ErrorKind::NotConnected.into()),
            Hold::Reset => return Err(ErrorKind::ConnectionReset.into()),
        }
        let link = &mut network.links[index(self.side)];
        if link.shut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let len = bytes.len().min(link.room());
        if len == 0 && !bytes.is_empty() {
            link.blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut rest = &bytes[..len];
        while !rest.is_empty() {
            let piece = 1 + network.random.len(link.line.piece.max(1) - 1);
            let (first, others) = rest.split_at(piece.min(rest.len()));
            link.send(network.now, Item::Data(first.to_vec()), &mut network.random);
            rest = others;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
