//! The source of a client's keys.

use std::cell::RefCell;

use sockless::{Entropy, OsEntropy};

thread_local! {
    static SOURCE: RefCell<OsEntropy> = const { RefCell::new(OsEntropy::new()) };
}

/// The operating system's generator, read ahead by each thread, so that a connection need not keep anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadEntropy;

impl Entropy for ThreadEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        // It is not there while the thread ends.
        if SOURCE.try_with(|source| source.borrow_mut().fill(bytes)).is_err() {
            OsEntropy::new().fill(bytes);
        }
    }
}
