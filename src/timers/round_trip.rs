//! Round-trip times.

use core::time::Duration;

/// How long answers to Pings have taken: from the time when the last byte of the Ping has left to the time when the Pong
/// was received. Time in which the caller did not read does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTrip {
    /// The last one.
    pub last: Duration,
    /// An average over all of them, in which each counts for an eighth of what is left by those after it: `SRTT` of RFC
    /// 6298 section 2.
    pub smoothed: Duration,
    /// The least one.
    pub least: Duration,
}

/// The same in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    last: u32,
    smoothed: u32,
    least: u32,
}

impl Estimate {
    /// The least time is this one only before the first answer.
    pub(super) const NONE: Self = Self {
        last: 0,
        smoothed: 0,
        least: u32::MAX,
    };

    /// One more, which is less than `u32::MAX`.
    pub(super) fn add(&mut self, micros: u32) {
        self.smoothed = if self.least == u32::MAX {
            micros
        } else {
            // (1 - 1/8) SRTT + 1/8 R (section 2.3), rounded.
            let sum = u64::from(self.smoothed) * 7 + u64::from(micros) + 4;
            u32::try_from(sum / 8).unwrap_or(u32::MAX)
        };
        self.last = micros;
        self.least = self.least.min(micros);
    }

    pub(super) fn get(&self) -> Option<RoundTrip> {
        let duration = |micros| Duration::from_micros(u64::from(micros));
        (self.least != u32::MAX).then(|| RoundTrip {
            last: duration(self.last),
            smoothed: duration(self.smoothed),
            least: duration(self.least),
        })
    }
}
