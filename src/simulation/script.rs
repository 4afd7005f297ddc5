//! An endpoint that does what it is told, whatever the peer does.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::vec::Vec;

use super::network::Socket;
use super::run::{Endpoint, Step};
use crate::timers::Moment;

/// What a script does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Reads from now on, or does not.
    Read(bool),
    /// Shuts down the sending direction.
    Shutdown,
    /// Closes the socket.
    Close,
    /// Resets the connection.
    Reset,
}

/// A peer that is played from a script, for one endpoint and what it must stand. It reads, and waits for the end of the
/// stream, unless the script says otherwise.
///
/// ```
/// use sockless::simulation::{Act, Line, Network, Script, run};
/// use sockless::timers::Moment;
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let mut a = Script::new().at(Moment::START + second, Act::Send(b"hello".to_vec())).at(Moment::START + second, Act::Shutdown);
/// let mut b = Script::new().at(Moment::START + 2 * second, Act::Shutdown);
/// let mut network = Network::new(1, [Line::QUICK; 2]);
/// let outcome = run(&mut network, &mut a, &mut b, Moment::START + 10 * second);
/// assert!(outcome.done[0] >= Some(Moment::START + 2 * second));
/// assert_eq!(b.received(), b"hello");
/// ```
#[derive(Clone, Debug)]
pub struct Script {
    acts: VecDeque<(Moment, Act)>,
    unsent: Vec<u8>,
    received: Vec<u8>,
    reading: bool,
    was_reset: bool,
}

impl Script {
    /// A peer that reads and says nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            acts: VecDeque::new(),
            unsent: Vec::new(),
            received: Vec::new(),
            reading: true,
            was_reset: false,
        }
    }

    /// Does this then, behind what the script does before.
    #[must_use]
    pub fn at(mut self, at: Moment, act: Act) -> Self {
        self.acts.push_back((at, act));
        self
    }

    /// What was received.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Whether the connection was reset.
    #[must_use]
    pub const fn was_reset(&self) -> bool {
        self.was_reset
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Endpoint for Script {
    fn step(&mut self, now: Moment, socket: &mut Socket<'_>) -> Step {
        loop {
            match socket.write(&self.unsent) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => self.unsent.clear(),
            }
            if !self.unsent.is_empty() {
                continue;
            }
            if self.acts.front().is_none_or(|(at, _)| *at > now) {
                break;
            }
            match self.acts.pop_front() {
                None => break,
                Some((_, Act::Send(bytes))) => self.unsent = bytes,
                Some((_, Act::Read(reading))) => self.reading = reading,
                Some((_, Act::Shutdown)) => drop(socket.shutdown()),
                Some((_, Act::Close)) => return Step::Done,
                Some((_, Act::Reset)) => {
                    socket.reset();
                    return Step::Done;
                }
            }
        }
        let mut space = [0; 4096];
        while self.reading {
            match socket.read(&mut space) {
                Ok(0) if self.acts.is_empty() => return Step::Done,
                Ok(0) => break,
                Ok(len) => self.received.extend(space.iter().take(len)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.was_reset = true;
                    return Step::Done;
                }
            }
        }
        Step::Wait(
            self.acts
                .front()
                .map(|(at, _)| *at - now)
                .filter(|wait| !wait.is_zero()),
        )
    }
}
