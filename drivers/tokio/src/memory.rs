//! The memory of a thread, lent to the connections that have something to read or to write.
//!
//! A connection that waits holds none. The functions that poll a stream do not await, so that in the common case, in which
//! the application does not await while it looks at events either, one piece of memory serves all connections of a thread.
//! An application that does await keeps the piece with its events. So no more than [`LENT`] pieces are lent at a time, and
//! beyond that a connection reads into memory of its own, which follows the size of what it reads.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "deflate")]
use sockless::deflate::Engines;

/// The length of a piece to read into, in bytes. A read of any size costs one system call, and what is not filled costs
/// nothing.
const READ: usize = 256 << 10;

/// How many pieces to read into a thread lends at a time.
const LENT: usize = 8;

/// The least capacity of a piece to write into, in bytes.
const WRITE: usize = 64 << 10;

/// The most that is kept, in bytes.
const WRITE_MOST: usize = 1 << 20;

/// How many pieces of each kind a thread keeps.
const KEPT: usize = 2;

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
}

#[derive(Default)]
struct Thread {
    #[cfg(feature = "deflate")]
    #[allow(clippy::vec_box, reason = "they are lent in their boxes")]
    engines: Vec<Box<Engines>>,
    to_read: Vec<Vec<u8>>,
    to_write: Vec<Vec<u8>>,
    /// How many pieces to read into are lent by this thread, wherever they are by now.
    lent: Arc<AtomicUsize>,
}

/// One piece is lent. It counts until this is dropped, on whatever thread.
#[derive(Debug)]
pub(crate) struct Lease(Arc<AtomicUsize>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn with<T>(call: impl FnOnce(&mut Thread) -> Option<T>) -> Option<T> {
    // Neither is there while the thread ends.
    let called = THREAD.try_with(|thread| thread.try_borrow_mut().ok().and_then(|mut thread| call(&mut thread)));
    called.ok().flatten()
}

/// Memory to read into. `None` if too much is lent.
pub(crate) fn to_read() -> Option<(Vec<u8>, Lease)> {
    with(|thread| {
        if thread.lent.load(Ordering::Relaxed) >= LENT {
            return None;
        }
        let memory = match thread.to_read.pop() {
            Some(memory) => memory,
            None => {
                let mut memory = Vec::new();
                memory.try_reserve_exact(READ).ok()?;
                memory.resize(READ, 0);
                memory
            }
        };
        thread.lent.fetch_add(1, Ordering::Relaxed);
        Some((memory, Lease(Arc::clone(&thread.lent))))
    })
}

/// Takes back what was read into.
pub(crate) fn was_read(memory: Vec<u8>) {
    with(|thread| {
        if memory.len() == READ && thread.to_read.len() < KEPT {
            thread.to_read.push(memory);
        }
        Some(())
    });
}

/// What compresses and inflates.
#[cfg(feature = "deflate")]
pub(crate) fn engines() -> Box<Engines> {
    with(|thread| thread.engines.pop()).unwrap_or_default()
}

/// Takes back what compressed and inflated.
#[cfg(feature = "deflate")]
pub(crate) fn were_engines(engines: Box<Engines>) {
    with(|thread| {
        if thread.engines.len() < KEPT {
            thread.engines.push(engines);
        }
        Some(())
    });
}

/// Memory to write into.
pub(crate) fn to_write() -> Option<Vec<u8>> {
    with(|thread| {
        thread.to_write.pop().or_else(|| {
            let mut memory = Vec::new();
            memory.try_reserve_exact(WRITE).ok()?;
            Some(memory)
        })
    })
}

/// Takes back what was written into.
pub(crate) fn was_written(memory: Vec<u8>) {
    with(|thread| {
        if (WRITE..=WRITE_MOST).contains(&memory.capacity()) && thread.to_write.len() < KEPT {
            thread.to_write.push(memory);
        }
        Some(())
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_thread_lends_so_much_and_no_more_until_it_comes_back_from_wherever() {
        let mut lent: Vec<_> = (0..LENT).map(|_| to_read().unwrap()).collect();
        assert!(to_read().is_none());
        let (memory, lease) = lent.pop().unwrap();
        std::thread::spawn(move || {
            was_read(memory);
            drop(lease);
        })
        .join()
        .unwrap();
        let (memory, _lease) = to_read().unwrap();
        assert_eq!(memory.len(), READ);
        assert!(to_read().is_none());
    }

    #[test]
    fn what_comes_back_is_lent_again_unless_it_is_too_long() {
        let memory = to_write().unwrap();
        let at = memory.as_ptr();
        was_written(memory);
        let memory = to_write().unwrap();
        assert_eq!(memory.as_ptr(), at);
        was_written(Vec::with_capacity(2 << 20));
        assert!(to_write().unwrap().capacity() < 2 << 20);
    }
}
