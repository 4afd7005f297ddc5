//! The memory of a read buffer.

/// The memory of a [`ReadBuffer`](super::ReadBuffer): a `Vec<u8>`, which grows, or a fixed `&mut [u8]` or `[u8; N]`.
pub trait Storage: sealed::Memory {}

impl<S: sealed::Memory> Storage for S {}

/// Moves all bytes but the first `by` to the front.
#[inline]
pub(crate) fn move_to_front(bytes: &mut [u8], by: usize) {
    if by > 0 && by <= bytes.len() {
        bytes.copy_within(by.., 0);
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
