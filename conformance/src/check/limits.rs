//! Limits of the implementation (section 10.4): a message that it refuses is no fault, if it takes none like it.

use std::fmt;

use crate::model::Header;

/// How long messages and frames are, and of how many fragments: the largest of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) message: u64,
    pub(crate) frame: u64,
    pub(crate) frames: u64,
    /// How many Pings a connection has.
    pub(crate) pings: u64,
}

/// So many Pings may be more than an implementation answers at once.
const FLOOD: u64 = 50;

impl Sizes {
    /// Those of the message with this frame, as far as it goes.
    pub(crate) fn include(&mut self, frame: &Header) {
        self.message = self.message.max(frame.message_length);
        self.frame = self.frame.max(frame.length);
        self.frames = self.frames.max(frame.message_frames);
    }

    pub(crate) fn include_all(&mut self, other: &Self) {
        self.message = self.message.max(other.message);
        self.frame = self.frame.max(other.frame);
        self.frames = self.frames.max(other.frames);
        self.pings = self.pings.max(other.pings);
    }

    /// Whether something as large was taken, by each measure. Of many Pings that says nothing: how many at once are a flood
    /// depends on how they come.
    pub(crate) const fn covers(&self, other: &Self) -> bool {
        self.message >= other.message
            && self.frame >= other.frame
            && self.frames >= other.frames
            && (other.pings <= FLOOD && self.pings >= other.pings)
    }

    /// Whether most implementations take it.
    pub(crate) const fn is_usual(&self) -> bool {
        self.message < 65536 && self.frames <= 64 && self.pings <= FLOOD
    }
}

/// Something legal that was refused, perhaps because of a limit.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) sizes: Sizes,
    pub(crate) why: String,
}

impl Claim {
    /// What is said of it, if something as large was taken.
    pub(crate) fn contradicted(&self) -> String {
        format!("{}, in {}; as much is taken elsewhere", self.why, self.sizes)
    }

    /// What is said of it, if not.
    pub(crate) fn believed(&self) -> String {
        format!("does not take {}: {}", self.sizes, self.why)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message of {} bytes in {} frames", self.message, self.frames)?;
        if !self.is_usual() && self.pings > 16 {
            write!(f, " behind {} Pings", self.pings)?;
        }
        Ok(())
    }
}
