//! The source of unpredictable bytes, which the caller provides.
//!
//! A client needs a fresh mask key for each frame (RFC 6455 section 5.3: "derived from a strong source of
//! entropy") and a fresh 16-byte key for the opening handshake (section 4.1). A server needs none.

/// A source of unpredictable bytes, implemented for closures.
///
/// ```
/// use sockless::entropy::Entropy;
///
/// // A fixed source, for tests only.
/// let mut fixed = |bytes: &mut [u8]| bytes.fill(7);
/// let mut key = [0; 4];
/// fixed.fill(&mut key);
/// assert_eq!(key, [7; 4]);
/// ```
pub trait Entropy {
    /// Fills `bytes` with values that a peer cannot predict.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    #[inline]
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// The operating system's generator.
///
/// It reads 64 bytes ahead, so that a client does not make a system call for each frame. A clone reads its own.
#[cfg(feature = "getrandom")]
pub struct OsEntropy {
    ahead: [u8; 64],
    used: usize,
}

#[cfg(feature = "getrandom")]
impl OsEntropy {
    /// A source that has not asked the operating system for anything yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ahead: [0; 64],
            used: 64,
        }
    }

    /// One byte, from what was read ahead.
    ///
    /// # Panics
    /// When the operating system has no generator to offer: a client must not send predictable mask keys, so
    /// there is nothing to go on with. This never depends on input.
    #[allow(clippy::expect_used, reason = "see Panics")]
    fn next_byte(&mut self) -> u8 {
        if self.used >= self.ahead.len() {
            getrandom::fill(&mut self.ahead).expect("the operating system's generator of random numbers");
            self.used = 0;
        }
        let byte = self.ahead.get_mut(self.used).map_or(0, core::mem::take);
        self.used += 1;
        byte
    }
}

/// A clone starts afresh: were what was read ahead copied, two connections would use the same mask keys, and the peer of
/// one could predict those of the other (RFC 6455 section 10.3).
#[cfg(feature = "getrandom")]
impl Clone for OsEntropy {
    fn clone(&self) -> Self {
        Self::new()
    }
}

#[cfg(feature = "getrandom")]
impl Default for OsEntropy {
    fn default() -> Self {
        Self::new()
    }
}

/// Does not show the bytes that are still to come.
#[cfg(feature = "getrandom")]
impl core::fmt::Debug for OsEntropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OsEntropy").finish_non_exhaustive()
    }
}

#[cfg(feature = "getrandom")]
impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next_byte();
        }
    }
}
