//! The buffers themselves.

use alloc::vec::Vec;

use crate::frame::{Header, Mask};
use crate::output::{Output, OutputFull};

/// Bytes that were read and not yet taken in.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) memory: Vec<u8>,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Input {
    pub(super) fn with(bytes: &[u8]) -> Self {
        Self {
            memory: bytes.to_vec(),
            start: 0,
            end: bytes.len(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// At least `len` bytes of space behind what is there.
    pub(super) fn space(&mut self, len: usize) -> &mut [u8] {
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
        if self.memory.len() - self.end < len {
            if self.start > 0 {
                self.memory.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.memory.len() - self.end < len {
                self.memory.resize(self.end + len, 0);
            }
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// What comes after the first `len` bytes.
    pub(super) fn after(mut self, len: usize) -> Self {
        self.start = self.start.saturating_add(len).min(self.end);
        self
    }

    pub(super) fn advance(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.memory.len());
    }
}

/// Bytes that are to be written to the transport.
///
/// It is what the machines of this module use as [`Output`].
#[derive(Debug, Default)]
pub struct WriteBuffer {
    memory: Vec<u8>,
    written: usize,
}

impl WriteBuffer {
    /// What is still to be written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.memory.get(self.written..).unwrap_or_default()
    }

    /// The transport has taken `len` bytes.
    pub(super) fn written(&mut self, len: usize) {
        self.written = self.written.saturating_add(len).min(self.memory.len());
        if self.written == self.memory.len() {
            self.memory.clear();
            self.written = 0;
        }
    }

    /// Gives back memory beyond `bytes`, if nothing waits.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        if self.as_bytes().is_empty() {
            self.memory.shrink_to(bytes);
        }
    }
}

impl Output for WriteBuffer {
    fn len(&self) -> usize {
        self.as_bytes().len()
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        // What waits is moved only where at least as much was written, so that the work stays linear; else memory grows.
        let waiting = self.memory.len() - self.written;
        if self.written > 0 && self.written >= waiting && self.memory.capacity() - self.memory.len() < additional {
            self.memory.drain(..self.written);
            self.written = 0;
        }
        Output::reserve(&mut self.memory, additional)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.memory.extend_from_slice(bytes);
    }

    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        self.memory.put_masked(bytes, mask);
    }

    fn put_frame(&mut self, header: Header, payload: &[u8]) {
        self.memory.put_frame(header, payload);
    }
}
