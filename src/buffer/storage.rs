//! The memory of a read buffer.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

#[cfg(feature = "alloc")]
use super::output::OutOfMemory;

/// The memory of a [`ReadBuffer`](super::ReadBuffer): a `Vec<u8>`, which grows, or a fixed `&mut [u8]` or `[u8; N]`.
pub trait Storage: sealed::Memory {}

impl<S: sealed::Memory> Storage for S {}

/// Makes a vector longer, by exactly as much as is needed.
#[cfg(feature = "alloc")]
pub(super) fn grow(memory: &mut Vec<u8>, len: usize) -> Result<(), OutOfMemory> {
    memory
        .try_reserve_exact(len.saturating_sub(memory.len()))
        .map_err(|_| OutOfMemory)?;
    memory.resize(len.max(memory.len()), 0);
    Ok(())
}

/// Moves all bytes but the first `by` to the front.
#[inline]
pub(crate) fn move_to_front(bytes: &mut [u8], by: usize) {
    if by > 0 && by <= bytes.len() {
        bytes.copy_within(by.., 0);
    }
}

mod sealed {
    #[allow(unreachable_pub, reason = "a public bound that nobody outside can name")]
    pub trait Memory {
        /// Whether more memory can be had.
        const GROWS: bool;

        fn bytes(&self) -> &[u8];
        fn bytes_mut(&mut self) -> &mut [u8];

        /// Makes the memory `len` bytes long, if there is memory, and keeps what is in it.
        fn grow(&mut self, _len: usize) {}

        /// Replaces the memory with `len` bytes, if there is memory.
        fn renew(&mut self, _len: usize) {}
    }

    #[cfg(feature = "alloc")]
    impl Memory for alloc::vec::Vec<u8> {
        const GROWS: bool = true;

        #[inline(always)]
        fn bytes(&self) -> &[u8] {
            self
        }

        #[inline(always)]
        fn bytes_mut(&mut self) -> &mut [u8] {
            self
        }

        fn grow(&mut self, len: usize) {
            // Without memory there is no room, which is noticed.
            let _ = super::grow(self, len);
        }

        fn renew(&mut self, len: usize) {
            *self = Self::new();
            self.grow(len);
        }
    }

    impl Memory for &mut [u8] {
        const GROWS: bool = false;

        #[inline(always)]
        fn bytes(&self) -> &[u8] {
            self
        }

        #[inline(always)]
        fn bytes_mut(&mut self) -> &mut [u8] {
            self
        }
    }

    impl<const N: usize> Memory for [u8; N] {
        const GROWS: bool = false;

        #[inline(always)]
        fn bytes(&self) -> &[u8] {
            self
        }

        #[inline(always)]
        fn bytes_mut(&mut self) -> &mut [u8] {
            self
        }
    }
}
