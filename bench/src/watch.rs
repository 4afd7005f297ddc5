//! What looks at the messages that a subject delivers, so that nothing is optimised away and nothing is wrong.

use std::hint::black_box;

/// Receives what a subject delivers.
pub trait Watch {
    /// Part of a message.
    fn piece(&mut self, bytes: &[u8]);
    /// The message is complete.
    fn end(&mut self);
    /// A whole message.
    #[inline]
    fn message(&mut self, bytes: &[u8]) {
        self.piece(bytes);
        self.end();
    }
}

/// Cheap enough to run while the clock does: counts, lengths, first and last bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Fold {
    sum: u64,
    len: u64,
    first: u8,
    last: u8,
}

impl Fold {
    #[inline]
    fn add(&mut self, len: u64, first: u8, last: u8) {
        let message = 1 << 56 | u64::from(last) << 44 | u64::from(first) << 32;
        self.sum = self.sum.wrapping_add(message + len);
    }
}

impl Watch for Fold {
    #[inline]
    fn piece(&mut self, bytes: &[u8]) {
        // The compiler must assume that every byte is looked at.
        black_box(bytes.as_ptr());
        if let (Some(first), Some(last)) = (bytes.first(), bytes.last()) {
            if self.len == 0 {
                self.first = *first;
            }
            self.last = *last;
            self.len += bytes.len() as u64;
        }
    }

    #[inline]
    fn end(&mut self) {
        self.add(self.len, self.first, self.last);
        (self.len, self.first, self.last) = (0, 0, 0);
    }

    #[inline]
    fn message(&mut self, bytes: &[u8]) {
        black_box(bytes.as_ptr());
        match bytes {
            [first, .., last] => self.add(bytes.len() as u64, *first, *last),
            [only] => self.add(1, *only, *only),
            [] => self.add(0, 0, 0),
        }
    }
}

/// Keeps every byte.
#[derive(Default)]
pub struct Keep {
    pub messages: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Watch for Keep {
    fn piece(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        self.messages.push(std::mem::take(&mut self.open));
    }
}
