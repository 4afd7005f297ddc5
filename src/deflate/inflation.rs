//! Inflating one message: where its DEFLATE streams start and end, and what may stand at its end (RFC 7692 section 7.2.2).
//!
//! ```text
//!             payload                BFINAL             payload goes on
//!  start --> Stream --------------> Ended -----------> Stream, with the window as it is
//!              | message ends         | message ends
//!              v                      v
//!             Tail (00 00 FF FF), then 01 00 00 FF FF
//!              | makes nothing, ends the stream
//!              v
//!             done
//! ```
//!
//! The five bytes behind the tail tell a message that ends with a block from one that ends inside: an empty last block is
//! the end of the stream, takes all of its bytes and makes nothing, only where a block can start at a byte. (The tail itself
//! is the end of the stream where the empty block that it completes has BFINAL.)

use super::zlib::{Inflater, StreamState};
use crate::error::{Failure, LimitExceeded};
use crate::frame::Violation;
use crate::limits::Limits;

/// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message" (section 7.2.2).
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The tail, and an empty stored block with BFINAL.
const TAIL_AND_CHECK: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// How many bytes of compressed payload pay for one more DEFLATE stream in a message: it costs as much as inflating
/// hundreds of bytes.
const PAYLOAD_PER_STREAM: u64 = 1 << 10;

/// How many fragments a DEFLATE stream counts for.
const FRAGMENTS_PER_STREAM: u32 = 32;

/// Where in a message the inflater is.
pub(super) struct Inflation {
    stage: Stage,
    /// The bytes of payload that were taken.
    taken: u64,
    /// How many streams more than one there have been.
    restarts: u64,
}

#[derive(Clone, Copy)]
enum Stage {
    Stream,
    /// Behind a block with BFINAL.
    Ended,
    /// All payload is taken, and all output made.
    Tail,
}

/// What one step has done.
pub(super) struct Progress {
    /// How many bytes of payload were taken.
    pub(super) taken: usize,
    /// How many bytes of output were made.
    pub(super) made: usize,
    pub(super) outcome: Outcome,
}

impl Progress {
    /// The inflater is of no use any more.
    pub(super) const BROKEN: Self = Self {
        taken: 0,
        made: 0,
        outcome: Outcome::Failed(Failure::Violation(Violation::NotDeflate)),
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All payload is taken, and all output made that it makes.
    NeedInput,
    /// The output is full. Payload may be left.
    OutputFull,
    /// A stream has ended and payload is left: the inflater is to be started again, with the window as it is.
    Restart,
    /// The message is over.
    Done,
    /// The message breaks a rule.
    Failed(Failure),
}

impl Inflation {
    /// A message at its start, as the inflater is.
    pub(super) const fn new() -> Self {
        Self {
            stage: Stage::Stream,
            taken: 0,
            restarts: 0,
        }
    }

    /// Goes on with `payload`, the rest of the message if it is the `last`. There is room in `output` for a byte at least.
    pub(super) fn step(
        &mut self,
        inflater: &mut Inflater,
        payload: &[u8],
        last: bool,
        output: &mut [u8],
        fragment_budget: u32,
    ) -> Progress {
        let (mut taken, mut made) = (0, 0);
        let outcome = loop {
            let payload = payload.get(taken..).unwrap_or_default();
            let room = output.get_mut(made..).unwrap_or_default();
            if room.is_empty() {
                break Outcome::OutputFull;
            }
            match self.stage {
                Stage::Ended if !payload.is_empty() => {
                    self.stage = Stage::Stream;
                    self.restarts += 1;
                    let budget = u64::from(fragment_budget / FRAGMENTS_PER_STREAM);
                    if self.restarts > budget.saturating_add(self.taken / PAYLOAD_PER_STREAM) {
                        break Outcome::Failed(LimitExceeded::TooManyStreams.into());
                    }
                    break Outcome::Restart;
                }
                // A sender that ends its stream with the message, and leaves out the empty block behind it.
                Stage::Ended if last => break Outcome::Done,
                Stage::Ended => break Outcome::NeedInput,
                Stage::Stream => {
                    let inflated = inflater.inflate(payload, room);
                    taken += inflated.taken;
                    made += inflated.made;
                    self.taken = self.taken.saturating_add(inflated.taken as u64);
                    match inflated.state {
                        StreamState::Broken => break Outcome::Failed(Violation::NotDeflate.into()),
                        StreamState::Ended => self.stage = Stage::Ended,
                        StreamState::Open if made == output.len() => break Outcome::OutputFull,
                        StreamState::Open if last => self.stage = Stage::Tail,
                        StreamState::Open => break Outcome::NeedInput,
                    }
                }
                Stage::Tail => {
                    // All output is made by now: whatever comes out here belongs to a block that has not ended.
                    let end = inflater.inflate(&TAIL_AND_CHECK, room);
                    let whole = end.state == StreamState::Ended
                        && end.made == 0
                        && (end.taken == TAIL.len() || end.taken == TAIL_AND_CHECK.len());
                    break if whole {
                        Outcome::Done
                    } else {
                        Outcome::Failed(Violation::DeflateCut.into())
                    };
                }
            }
        };
        Progress { taken, made, outcome }
    }
}

/// Checks at compile time that the limits are what the documentation of [`LimitExceeded::TooManyStreams`] says.
const _: () = assert!(Limits::DEFAULT.fragment_budget / FRAGMENTS_PER_STREAM == 128);
