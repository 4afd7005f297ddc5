//! Memory that is lent to the buffers of a connection for as long as it has something to read or to write, so that an idle
//! one holds none and the memory of a thread serves any number of connections.

use alloc::vec::Vec;

use super::len::Len;
use super::output::Output;
use super::read::ReadBuffer;
use super::write::WriteBuffer;

/// How much is moved into memory that is lent, at most, in bytes.
const MOST_MOVED: usize = 16 << 10;

impl ReadBuffer {
    /// Reads into `memory` from now on, as much as its length at once, until it is [taken back](Self::take_back). Returns
    /// whether it was lent, and then `memory` is empty.
    ///
    /// An event loop needs one piece of memory for each thread, of 64 to 256 KiB, and an idle connection needs none:
    ///
    /// ```
    /// use sockless::buffer::ReadBuffer;
    /// use sockless::connection::{Connection, Server};
    /// # use std::io::Read;
    ///
    /// struct Peer<S> { stream: S, ws: Connection<Server>, input: ReadBuffer, out: Vec<u8> }
    ///
    /// fn on_readable<S: Read>(
    ///     peer: &mut Peer<S>,
    ///     memory: &mut Vec<u8>,
    /// ) -> Result<(), Box<dyn std::error::Error>> {
    ///     memory.resize(256 << 10, 0);    // does nothing, unless a long message has kept the memory
    ///     peer.input.lend(memory);
    ///     let n = peer.stream.read(peer.input.space()).unwrap_or(0);
    ///     peer.input.advance(n);
    ///     while let Some((event, mut tx)) = peer.ws.receive(&mut peer.input, &mut peer.out)? {
    ///         # let _ = (event, &mut tx);
    ///     }
    ///     peer.input.take_back(memory);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// Take it back whenever the connection's turn ends, also where nothing could be read: else it stays here.
    ///
    /// What lies here is moved, which costs less than the read that follows. The memory is refused where it is of no use,
    /// and the buffer reads into its own: if more than 16 KiB lie here, or more than half as much as it has; if it is empty;
    /// if other memory is still lent; and if the same bytes were moved before, until twice as many have come.
    #[inline]
    pub fn lend(&mut self, memory: &mut Vec<u8>) -> bool {
        let len = memory.len();
        if self.sizing.lent() > 0 || len == 0 {
            return false;
        }
        if self.at.is_at_rest() {
            // The common case: nothing is moved.
            self.sizing.moved = 0;
            self.sizing.forget_offered();
            self.at.start_again();
            self.memory = core::mem::take(memory);
        } else if !self.move_into(memory) {
            return false;
        }
        self.sizing.lent = Len::new(len);
        true
    }

    /// The same where something lies here.
    fn move_into(&mut self, memory: &mut Vec<u8>) -> bool {
        let kept = self.at.kept();
        let again = self.at.begins_at() == 0 && kept < usize::from(self.sizing.moved).saturating_mul(2);
        if kept > MOST_MOVED || kept > memory.len() / 2 || again {
            return false;
        }
        self.replace(core::mem::take(memory));
        self.sizing.moved = u16::try_from(kept).unwrap_or(u16::MAX);
        true
    }

    /// Puts the memory that was lent back into `memory`. What has arrived of an incomplete message is moved into memory of
    /// this buffer's own, so that an idle one holds none.
    ///
    /// None comes back if none was lent, and if what has arrived is longer than half of the memory: then it is the buffer's
    /// own up to the end of the message. A buffer that is at rest holds nothing afterwards, as after
    /// [`release`](Self::release).
    #[inline]
    pub fn take_back(&mut self, memory: &mut Vec<u8>) {
        let lent = self.sizing.lent();
        self.sizing.lent = Len::ZERO;
        // More is what a long message has left behind.
        let is_lent = lent > 0 && self.memory.len() <= lent;
        if self.at.is_at_rest() {
            if is_lent {
                core::mem::swap(memory, &mut self.memory);
            }
            self.release();
        } else if is_lent {
            self.move_out(memory, lent);
        }
    }

    /// The same where something lies here.
    fn move_out(&mut self, memory: &mut Vec<u8>, lent: usize) {
        let kept = self.at.kept();
        if kept > lent / 2 {
            return;
        }
        // With room for what a long frame lacks where that is less, so that it need not grow again.
        let long = kept > MOST_MOVED && self.at.wanted <= kept;
        let len = kept.saturating_add(if long { self.at.wanted } else { 0 });
        let mut own = Vec::new();
        if own.try_reserve_exact(len).is_err() {
            return;
        }
        own.resize(len, 0);
        *memory = self.replace(own);
    }

    /// Moves what is there to the front of other memory, which is long enough.
    fn replace(&mut self, mut memory: Vec<u8>) -> Vec<u8> {
        self.sizing.forget_offered();
        let joined = self.memory.get(self.at.joined_start..self.at.joined_end);
        let places = [joined.unwrap_or_default(), self.unread()];
        let mut rest = &mut memory[..];
        for from in places {
            let Some((to, behind)) = rest.split_at_mut_checked(from.len()) else {
                break;
            };
            to.copy_from_slice(from);
            rest = behind;
        }
        self.packed();
        core::mem::replace(&mut self.memory, memory)
    }
}

impl WriteBuffer {
    /// Puts into `memory` from now on, whatever it holds, until it is [taken back](Self::take_back). Returns whether it was
    /// lent, and then `memory` is empty. It is refused if this buffer has memory.
    #[inline]
    pub fn lend(&mut self, memory: &mut Vec<u8>) -> bool {
        if self.memory.capacity() > 0 {
            return false;
        }
        self.memory = core::mem::take(memory);
        self.memory.clear();
        self.lent = true;
        true
    }

    /// Puts the memory that was lent back into `memory`. What is unwritten is moved into memory of this buffer's own.
    ///
    /// Nothing happens if none was lent, and if most of it is in use: then it is the buffer's own from now on.
    #[inline]
    pub fn take_back(&mut self, memory: &mut Vec<u8>) {
        if !core::mem::take(&mut self.lent) {
            return;
        }
        if self.memory.is_empty() {
            *memory = core::mem::take(&mut self.memory);
        } else {
            self.move_out(memory);
        }
    }

    /// The same where something lies here.
    fn move_out(&mut self, memory: &mut Vec<u8>) {
        let unwritten = self.memory.get(self.written..).unwrap_or_default();
        let mut own = Vec::new();
        if !unwritten.is_empty() {
            if unwritten.len() > self.memory.capacity() / 2 || Output::reserve(&mut own, unwritten.len()).is_err() {
                return;
            }
            own.extend_from_slice(unwritten);
        }
        self.forget_written();
        *memory = core::mem::replace(&mut self.memory, own);
    }
}
