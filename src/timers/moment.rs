//! A point in time, as a number.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: microseconds since any start, which must be the same for all moments that one connection sees.
///
/// It is a plain number, so that any clock will do: the one of the operating system, that of a device without one, or
/// the virtual clock of a simulation.
///
/// ```
/// use sockless::timers::Moment;
/// use std::time::Duration;
///
/// let start = Moment::from_micros(1_000);
/// let later = start + Duration::from_millis(5);
/// assert_eq!(later.as_micros(), 6_000);
/// assert_eq!(later - start, Duration::from_millis(5));
/// assert_eq!(start - later, Duration::ZERO);    // never negative
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The start: zero microseconds.
    pub const START: Self = Self(0);

    /// So many microseconds after the start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time by the clock of the standard library, since the first call in this process.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn now() -> Self {
        static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        Self::START + FIRST.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// Microseconds, rounded up, so that no deadline is early.
pub(super) fn micros(duration: Duration) -> u64 {
    // Not `as_nanos`: each message asks for the time, and dividing 128 bits takes longer than that.
    let seconds = duration.as_secs().saturating_mul(1_000_000);
    seconds.saturating_add(u64::from(duration.subsec_nanos().div_ceil(1_000)))
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// The moment so much later, rounded up to a microsecond.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// How much later this moment is: zero if it is earlier.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Moment};

    #[test]
    fn durations_are_rounded_up_and_saturate() {
        let after = |duration| (Moment::START + duration).as_micros();
        assert_eq!(after(Duration::ZERO), 0);
        assert_eq!(after(Duration::from_nanos(1)), 1);
        assert_eq!(after(Duration::from_nanos(1_000)), 1);
        assert_eq!(after(Duration::from_nanos(1_001)), 2);
        assert_eq!(after(Duration::new(7, 999_999_001)), 8_000_000);
        assert_eq!(after(Duration::from_micros(u64::MAX)), u64::MAX);
        assert_eq!(after(Duration::MAX), u64::MAX);
    }
}
