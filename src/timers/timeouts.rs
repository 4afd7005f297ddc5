//! How long the peer may take.

use core::time::Duration;

/// How long the peer may take for what, each of which may be off (`None`). The defaults suit a server on the internet.
///
/// They are kept to the millisecond, rounded up, and are at least one millisecond. One of more than 49 days is off.
///
/// ```
/// use sockless::timers::Timeouts;
/// use std::time::Duration;
///
/// let timeouts = Timeouts::default()
///     .with_idle(Some(Duration::from_secs(600)))
///     .with_ping_after(None);
/// assert_eq!(timeouts.handshake, Some(Duration::from_secs(10)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// From the start to the end of the opening handshake. Default: 10 s. A head fits a few packets, and that leaves room
    /// for each of them to be sent three or four times.
    pub handshake: Option<Duration>,
    /// How long the peer may be silent before it is sent a Ping. Default: 20 s. Network address translators and proxies
    /// forget a silent connection after 30 s to 60 s.
    pub ping_after: Option<Duration>,
    /// From the time when the last byte of a Ping has left to a byte of the peer's, whatever it belongs to. Default: 20 s.
    /// Together with [`ping_after`](Self::ping_after), a peer that is gone is found out after 40 s.
    pub pong_within: Option<Duration>,
    /// How long no byte of a data message may come. Pings and Pongs do not count. Default: off, as many peers only listen.
    pub idle: Option<Duration>,
    /// How slowly a message, or the head of an opening handshake, may arrive. Default: 20 s and then 500 bytes a second, what
    /// Apache httpd asks of a request: slower than any line, and fast enough that memory is not held for hours.
    pub message: Option<Rate>,
    /// How long output may wait while the transport takes none of it. Default: 30 s. The kernel has sent a lost packet
    /// half a dozen times by then.
    pub write: Option<Duration>,
    /// How long closing may take: from the Close, sent or received, or from the failure, or from the last byte of output
    /// that the transport took, to the end of the stream. Default: 10 s. Nobody waits for it but the peer.
    pub close: Option<Duration>,
}

/// The least rate of something that arrives: it has to be whole after `grace` and one second for each `bytes_per_second`
/// that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What is given in any case.
    pub grace: Duration,
    /// The least rate. Zero is no rate at all: what has begun need not end.
    pub bytes_per_second: u32,
}

impl Timeouts {
    /// The defaults, as documented on each field.
    pub const DEFAULT: Self = Self {
        handshake: Some(Duration::from_secs(10)),
        ping_after: Some(Duration::from_secs(20)),
        pong_within: Some(Duration::from_secs(20)),
        idle: None,
        message: Some(Rate {
            grace: Duration::from_secs(20),
            bytes_per_second: 500,
        }),
        write: Some(Duration::from_secs(30)),
        close: Some(Duration::from_secs(10)),
    };

    /// No deadline at all.
    pub const OFF: Self = Self {
        handshake: None,
        ping_after: None,
        pong_within: None,
        idle: None,
        message: None,
        write: None,
        close: None,
    };

    /// Sets [`handshake`](Self::handshake).
    #[must_use]
    pub const fn with_handshake(mut self, timeout: Option<Duration>) -> Self {
        self.handshake = timeout;
        self
    }

    /// Sets [`ping_after`](Self::ping_after).
    #[must_use]
    pub const fn with_ping_after(mut self, timeout: Option<Duration>) -> Self {
        self.ping_after = timeout;
        self
    }

    /// Sets [`pong_within`](Self::pong_within).
    #[must_use]
    pub const fn with_pong_within(mut self, timeout: Option<Duration>) -> Self {
        self.pong_within = timeout;
        self
    }

    /// Sets [`idle`](Self::idle).
    #[must_use]
    pub const fn with_idle(mut self, timeout: Option<Duration>) -> Self {
        self.idle = timeout;
        self
    }

    /// Sets [`message`](Self::message).
    #[must_use]
    pub const fn with_message(mut self, rate: Option<Rate>) -> Self {
        self.message = rate;
        self
    }

    /// Sets [`write`](Self::write).
    #[must_use]
    pub const fn with_write(mut self, timeout: Option<Duration>) -> Self {
        self.write = timeout;
        self
    }

    /// Sets [`close`](Self::close).
    #[must_use]
    pub const fn with_close(mut self, timeout: Option<Duration>) -> Self {
        self.close = timeout;
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A timeout in milliseconds, rounded up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Millis(u32);

impl Millis {
    const OFF: Self = Self(u32::MAX);

    #[allow(clippy::cast_possible_truncation, reason = "it is compared before")]
    const fn new(timeout: Option<Duration>) -> Self {
        let Some(timeout) = timeout else { return Self::OFF };
        match timeout.as_nanos().div_ceil(1_000_000) {
            0 => Self(1),
            millis if millis < u32::MAX as u128 => Self(millis as u32),
            _ => Self::OFF,
        }
    }

    pub(super) const fn is_on(self) -> bool {
        self.0 != u32::MAX
    }

    /// So long after a moment in microseconds; `u64::MAX`, which is never, if it is off or the moment never comes.
    #[inline]
    pub(super) fn after(self, start: u64) -> u64 {
        if self.is_on() {
            start.saturating_add(u64::from(self.0) * 1_000)
        } else {
            u64::MAX
        }
    }

    /// This and so many milliseconds more, at most as long as can be kept.
    #[inline]
    fn plus(self, millis: u64) -> Self {
        let sum = u64::from(self.0).saturating_add(millis);
        Self(u32::try_from(sum).unwrap_or(u32::MAX).min(u32::MAX - 1))
    }

    #[inline]
    pub(super) fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

/// The same in 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(super) handshake: Millis,
    pub(super) ping_after: Millis,
    pub(super) pong_within: Millis,
    pub(super) idle: Millis,
    pub(super) write: Millis,
    pub(super) close: Millis,
    /// Off if there is no least rate.
    pub(super) grace: Millis,
    bytes_per_second: u32,
}

impl Config {
    pub(crate) const fn new(timeouts: &Timeouts) -> Self {
        let (grace, bytes_per_second) = match timeouts.message {
            Some(rate) if rate.bytes_per_second > 0 => (Some(rate.grace), rate.bytes_per_second),
            Some(_) | None => (None, 0),
        };
        Self {
            handshake: Millis::new(timeouts.handshake),
            ping_after: Millis::new(timeouts.ping_after),
            pong_within: Millis::new(timeouts.pong_within),
            idle: Millis::new(timeouts.idle),
            write: Millis::new(timeouts.write),
            close: Millis::new(timeouts.close),
            grace: Millis::new(grace),
            bytes_per_second,
        }
    }

    /// What a message may take of which so many bytes have come.
    #[inline]
    pub(super) fn allowance(&self, bytes: u64) -> Millis {
        if !self.grace.is_on() {
            return Millis::OFF;
        }
        let rate = u64::from(self.bytes_per_second.max(1)); // it is not 0 here, which the compiler does not know
        self.grace.plus(bytes.saturating_mul(1_000).div_ceil(rate))
    }
}
