//! Memory that is lent to the buffers of a connection for as long as it has something to read or to write, so that an idle
//! one holds none and the memory of a thread serves any number of connections.

use alloc::vec::Vec;

use super::read::LEAST_READ;
use super::{Output, ReadBuffer, WriteBuffer};
use crate::buffer::read::Cursor;

impl ReadBuffer {
    /// Reads into `memory` from now on, as much as its length at once, until it is [taken back](Self::take_back).
    ///
    /// This is for loops that own their connections' buffers, so that they cannot pass one buffer around
    /// ([`input_for`](Self::input_for) does that): a runtime's task keeps its buffer, and the thread lends the memory.
    ///
    /// ```
    /// use sockless::buffer::ReadBuffer;
    ///
    /// let mut memory = vec![0; 256 << 10];    // of the thread
    /// let mut input = ReadBuffer::new();      // of a connection
    /// input.lend(memory).unwrap();
    /// assert_eq!(input.space().len(), 256 << 10);
    /// input.advance(0);
    /// memory = input.take_back().unwrap();
    /// # assert_eq!((memory.len(), input.capacity()), (256 << 10, 0));
    /// ```
    ///
    /// # Errors
    /// The memory, where it is of no use: more than 4 KiB lie here already, or half as much as it has, or it was lent some.
    /// What lies here is moved otherwise, which costs less than the read that follows.
    pub fn lend(&mut self, memory: Vec<u8>) -> Result<(), Vec<u8>> {
        let kept = self.kept();
        if self.sizing.lent > 0 || kept > LEAST_READ || kept > memory.len() / 2 || memory.is_empty() {
            return Err(memory);
        }
        self.sizing.lent = u32::try_from(memory.len()).unwrap_or(u32::MAX);
        self.replace(memory);
        Ok(())
    }

    /// Takes the memory that was lent back. What has arrived of an incomplete message is moved into memory of this buffer's
    /// own. `None` if none was lent, or if a long message has made it the buffer's own.
    pub fn take_back(&mut self) -> Option<Vec<u8>> {
        let lent = self.sizing.lent();
        self.sizing.lent = 0;
        let kept = self.kept();
        if lent == 0 || self.memory.len() > lent || kept > lent / 2 {
            return None;
        }
        let mut own = Vec::new();
        if kept > 0 {
            // With room for what the frame lacks where that is less, so that it need not grow again.
            let lacks = if self.at.wanted <= kept { self.at.wanted } else { 0 };
            let len = kept.saturating_add(lacks);
            own.try_reserve_exact(len).ok()?;
            own.resize(len, 0);
        }
        Some(self.replace(own))
    }

    /// How much would have to move.
    fn kept(&self) -> usize {
        self.at.joined_len().saturating_add(self.unread().len())
    }

    /// Moves what is there to the front of other memory, which is long enough.
    fn replace(&mut self, mut memory: Vec<u8>) -> Vec<u8> {
        let Cursor {
            joined_start,
            joined_end,
            start,
            end,
            ..
        } = self.at;
        let joined = self.memory.get(joined_start..joined_end).unwrap_or_default();
        let unread = self.memory.get(start..end).unwrap_or_default();
        let (joined_len, kept) = (joined.len(), joined.len() + unread.len());
        for (to, from) in [(0..joined_len, joined), (joined_len..kept, unread)] {
            if let Some(to) = memory.get_mut(to) {
                to.copy_from_slice(from);
            }
        }
        self.at.joined_start = 0;
        self.at.joined_end = joined_len;
        self.at.start = joined_len;
        self.at.end = kept;
        self.at.forget_delivered();
        self.sizing.offered = 0;
        core::mem::replace(&mut self.memory, memory)
    }
}

impl WriteBuffer {
    /// Puts into `memory` from now on, whatever it holds, until it is [taken back](Self::take_back).
    ///
    /// # Errors
    /// The memory, if this buffer has some.
    pub fn lend(&mut self, mut memory: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.memory.capacity() > 0 {
            return Err(memory);
        }
        memory.clear();
        self.memory = memory;
        self.lent = true;
        Ok(())
    }

    /// Takes the memory that was lent back. What is unwritten is moved into memory of this buffer's own. `None` if none was
    /// lent, or if most of it is in use, which makes it the buffer's own.
    pub fn take_back(&mut self) -> Option<Vec<u8>> {
        if !core::mem::take(&mut self.lent) {
            return None;
        }
        let unwritten = self.memory.get(self.written..).unwrap_or_default();
        let mut own = Vec::new();
        if !unwritten.is_empty() {
            if unwritten.len() > self.memory.capacity() / 2 {
                return None;
            }
            Output::reserve(&mut own, unwritten.len()).ok()?;
            own.extend_from_slice(unwritten);
        }
        for kept in &mut self.shared {
            kept.at -= self.written;
        }
        self.written = 0;
        Some(core::mem::replace(&mut self.memory, own))
    }
}
