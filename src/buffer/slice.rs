//! A fixed slice as output.

use super::output::{Output, OutputFull};
use super::storage::move_to_front;
use crate::frame::Mask;

/// A fixed slice as output.
///
/// ```
/// use sockless::buffer::{Output, SliceOutput};
///
/// let mut memory = [0; 4];
/// let mut out = SliceOutput::new(&mut memory);
/// out.reserve(3)?;
/// out.put(b"abc");
/// assert_eq!(out.as_bytes(), b"abc");
/// assert!(out.reserve(2).is_err());
/// # Ok::<(), sockless::buffer::OutputFull>(())
/// ```
#[derive(Debug)]
pub struct SliceOutput<'a> {
    memory: &'a mut [u8],
    len: usize,
}

impl<'a> SliceOutput<'a> {
    /// An empty output over `memory`.
    pub const fn new(memory: &'a mut [u8]) -> Self {
        Self { memory, len: 0 }
    }

    /// The bytes that were put and not consumed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }

    /// Discards the first `len` bytes, once the transport has taken them.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.len);
        move_to_front(self.memory.get_mut(..self.len).unwrap_or_default(), len);
        self.len -= len;
    }

    /// The next `len` free bytes, which then count as written.
    fn claim(&mut self, len: usize) -> &mut [u8] {
        let start = self.len;
        let free = self.memory.get_mut(start..).unwrap_or_default();
        let len = len.min(free.len());
        self.len = start.saturating_add(len);
        free.get_mut(..len).unwrap_or_default()
    }
}

impl Output for SliceOutput<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        if self.memory.len().saturating_sub(self.len) < additional {
            return Err(OutputFull { needed: additional });
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        let free = self.claim(bytes.len());
        if let Some(bytes) = bytes.get(..free.len()) {
            free.copy_from_slice(bytes);
        }
    }

    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        let free = self.claim(bytes.len());
        mask.apply_copy(bytes, free);
    }
}
