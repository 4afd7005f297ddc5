//! Random numbers from a seed.

/// Numbers that depend on the seed alone: SplitMix64. Good for tests and for nothing else.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        let span = most.saturating_sub(least).saturating_add(1);
        least + self.next() % span
    }

    /// True once in so many times.
    pub const fn one_in(&mut self, times: u64) -> bool {
        self.between(1, times) == 1
    }

    /// A length up to `most`: short ones as often as long ones.
    #[allow(clippy::cast_possible_truncation, reason = "at most a length")]
    pub const fn len(&mut self, most: usize) -> usize {
        let bits = usize::BITS - most.leading_zeros();
        let mask = (1_u64 << self.between(0, bits as u64)) - 1;
        let len = self.next() & mask;
        if len > most as u64 { most } else { len as usize }
    }
}

/// So that it can give handshake keys and mask keys.
impl crate::entropy::Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *to = from;
            }
        }
    }
}
