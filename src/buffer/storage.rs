//! The memory of a read buffer.

use core::ops::Range;

/// The memory of a [`ReadBuffer`](super::ReadBuffer): a `Vec<u8>`, which grows, or a fixed `&mut [u8]` or `[u8; N]`.
pub trait Storage: sealed::Memory {}

impl<S: sealed::Memory> Storage for S {}

/// Moves a range of bytes to another place, which may overlap it. Nothing happens where one of them does not lie in `bytes`.
#[inline]
pub(crate) fn move_within(bytes: &mut [u8], from: Range<usize>, to: usize) {
    let Some(len) = from.end.checked_sub(from.start) else {
        return;
    };
    if from.start != to && from.end <= bytes.len() && len <= bytes.len().saturating_sub(to) {
        bytes.copy_within(from, to);
    }
}

pub(super) mod sealed {
    #[allow(unreachable_pub, reason = "a public bound that nobody outside can name")]
    pub trait Memory: AsRef<[u8]> + AsMut<[u8]> {
        /// Whether more memory can be had.
        const GROWS: bool = false;

        /// Makes the memory `len` bytes long, if there is memory, and keeps what is in it.
        fn grow(&mut self, _len: usize) {}

        /// Replaces the memory with `len` bytes, if there is memory.
        fn renew(&mut self, _len: usize) {}

        #[inline(always)]
        fn bytes(&self) -> &[u8] {
            self.as_ref()
        }

        #[inline(always)]
        fn bytes_mut(&mut self) -> &mut [u8] {
            self.as_mut()
        }
    }

    impl Memory for &mut [u8] {}

    impl<const N: usize> Memory for [u8; N] {}

    #[cfg(feature = "alloc")]
    impl Memory for alloc::vec::Vec<u8> {
        const GROWS: bool = true;

        fn grow(&mut self, len: usize) {
            // Without memory there is no room, which is noticed.
            if self.try_reserve_exact(len.saturating_sub(self.len())).is_ok() {
                self.resize(len.max(self.len()), 0);
            }
        }

        fn renew(&mut self, len: usize) {
            *self = Self::new();
            self.grow(len);
        }
    }
}
