//! The last bytes of what went one way over a connection, uncompressed: what compressed data may refer to.

use alloc::vec::Vec;

use crate::error::OutOfMemory;

/// The last bytes of the compressed messages of one direction, in a ring that grows as they come.
pub(super) struct History {
    ring: Vec<u8>,
    /// Where the oldest byte is, once the ring is full.
    start: usize,
}

impl History {
    pub(super) const fn new() -> Self {
        Self {
            ring: Vec::new(),
            start: 0,
        }
    }

    /// Its bytes in order, in two pieces.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.ring.split_at_checked(self.start).unwrap_or((&self.ring, &[]));
        [older, newer]
    }

    #[cfg(test)]
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// The memory that it holds, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.ring.capacity()
    }

    /// Forgets all bytes and gives back the memory.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Memory for `len` more bytes, of which the last `max` are kept.
    pub(super) fn reserve(&mut self, len: usize, max: usize) -> Result<(), OutOfMemory> {
        let needed = self.ring.len().saturating_add(len).min(max);
        if needed > self.ring.capacity() {
            let doubled = self.ring.capacity().saturating_mul(2).min(max);
            let more = needed.max(doubled).saturating_sub(self.ring.len());
            self.ring.try_reserve_exact(more).map_err(|_| OutOfMemory)?;
        }
        Ok(())
    }

    /// Appends bytes, for which there is memory, and keeps the last `max`.
    pub(super) fn push(&mut self, bytes: &[u8], max: usize) {
        if bytes.len() >= max {
            let last = bytes.get(bytes.len().saturating_sub(max)..).unwrap_or_default();
            self.ring.clear();
            self.ring.extend_from_slice(last);
            self.start = 0;
            return;
        }
        // First what the ring has not taken yet, then over its oldest bytes.
        let free = max.saturating_sub(self.ring.len()).min(bytes.len());
        let (fresh, over) = bytes.split_at_checked(free).unwrap_or((bytes, &[]));
        self.ring.extend_from_slice(fresh);
        let to_end = self.ring.len().saturating_sub(self.start).min(over.len());
        let (at_end, at_front) = over.split_at_checked(to_end).unwrap_or((over, &[]));
        copy(&mut self.ring, self.start, at_end);
        copy(&mut self.ring, 0, at_front);
        self.start = match at_front.len() {
            0 => self.start + at_end.len(),
            wrapped => wrapped,
        };
        if self.start >= max {
            self.start = 0;
        }
    }
}

fn copy(to: &mut [u8], at: usize, from: &[u8]) {
    if let Some(to) = to.get_mut(at..).and_then(|to| to.get_mut(..from.len())) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "any bytes will do, and a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_only_where_there_is_no_room() {
        let mut history = History::new();
        for (len, memory) in [
            (100, 100),
            (0, 100),
            (1, 200),
            (99, 200),
            (0, 200),
            (50, 400),
            (500, 450),
            (0, 450),
        ] {
            history.reserve(len, 450).unwrap();
            history.push(&[7; 500][..len], 450);
            assert_eq!(history.memory(), memory, "{len} more bytes");
        }
    }

    #[test]
    fn it_holds_the_last_bytes_whatever_their_pieces() {
        let mut seed = 1_u32;
        for max in [0, 1, 2, 3, 7, 256] {
            let (mut history, mut all) = (History::new(), Vec::new());
            for _ in 0..300 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let len = (seed >> 16) as usize % (max + 3);
                let bytes: Vec<u8> = (0..len).map(|at| (seed >> 8) as u8 ^ at as u8).collect();
                history.reserve(bytes.len(), max).unwrap();
                let memory = history.memory();
                history.push(&bytes, max);
                assert_eq!(history.memory(), memory, "nothing is allocated but by reserve");
                assert!(memory <= max);
                all.extend_from_slice(&bytes);
                assert_eq!(history.to_vec(), all[all.len().saturating_sub(max)..]);
            }
        }
    }
}
