//! A length in four bytes.

/// A length in four bytes, so that an idle connection is small. What is longer counts as 4 GiB: no system reads more at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Len(u32);

impl Len {
    pub(super) const ZERO: Self = Self(0);

    #[allow(clippy::cast_possible_truncation, reason = "it is compared before")]
    pub(super) const fn new(len: usize) -> Self {
        if len as u64 > u32::MAX as u64 {
            Self(u32::MAX)
        } else {
            Self(len as u32)
        }
    }

    /// Lossless: it was a usize.
    pub(super) const fn get(self) -> usize {
        self.0 as usize
    }
}
