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

/// How many pieces a thread lends at a time.
const LENT: usize = 8;

/// The capacity of a piece to write into, in bytes.
const WRITE: usize = 64 << 10;

/// The most that is kept, in bytes.
const WRITE_MOST: usize = 1 << 20;

/// How many pieces a thread keeps while nobody has them.
const KEPT: usize = 2;

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
}

#[derive(Default)]
struct Thread {
    #[cfg(feature = "deflate")]
    #[allow(clippy::vec_box, reason = "they are lent in their boxes")]
    engines: Vec<Box<Engines>>,
    pieces: [Option<Box<Piece>>; KEPT],
    /// How many there are that this thread has made or taken over, wherever they are by now.
    count: Arc<AtomicUsize>,
}

impl Thread {
    /// What was lent by another thread, which makes a new one when it needs one. `None` if enough is lent here.
    #[cold]
    fn adopt(&self, piece: &mut Piece) -> Option<Box<Piece>> {
        if self.count.load(Ordering::Relaxed) >= LENT {
            return None;
        }
        let mut own = Box::new(Piece::new(&self.count));
        own.read = std::mem::take(&mut piece.read);
        own.write = std::mem::take(&mut piece.write);
        Some(own)
    }
}

/// Memory to read into and to write into. It counts for a thread until it is dropped, on whatever thread.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) read: Vec<u8>,
    pub(crate) write: Vec<u8>,
    count: Arc<AtomicUsize>,
}

impl Piece {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self {
            read: Vec::new(),
            write: Vec::new(),
            count: Arc::clone(count),
        }
    }

    /// Makes good what was kept by those it was lent to.
    fn fill(&mut self) -> Option<()> {
        if self.read.len() != READ {
            self.read = Vec::new();
            self.read.try_reserve_exact(READ).ok()?;
            self.read.resize(READ, 0);
        }
        if self.write.capacity() < WRITE {
            self.write.try_reserve_exact(WRITE).ok()?;
        }
        Some(())
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn with<T>(call: impl FnOnce(&mut Thread) -> Option<T>) -> Option<T> {
    // Neither is there while the thread ends.
    let called = THREAD.try_with(|thread| thread.try_borrow_mut().ok().and_then(|mut thread| call(&mut thread)));
    called.ok().flatten()
}

/// Memory to read into and to write into. `None` if too much is lent.
pub(crate) fn lend() -> Option<Box<Piece>> {
    with(|thread| {
        let mut piece = match thread.pieces.iter_mut().find_map(Option::take) {
            Some(piece) => piece,
            None if thread.count.load(Ordering::Relaxed) < LENT => Box::new(Piece::new(&thread.count)),
            None => return None,
        };
        piece.fill()?;
        Some(piece)
    })
}

/// Takes it back.
pub(crate) fn take_back(mut piece: Box<Piece>) {
    with(|thread| {
        let place = thread.pieces.iter().position(Option::is_none)?;
        if !Arc::ptr_eq(&piece.count, &thread.count) {
            piece = thread.adopt(&mut piece)?;
        }
        if piece.write.capacity() > WRITE_MOST {
            piece.write = Vec::new();
        }
        *thread.pieces.get_mut(place)? = Some(piece);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_thread_lends_so_much_and_no_more_until_it_comes_back_from_wherever() {
        let mut lent: Vec<_> = (0..LENT).map(|_| lend().unwrap()).collect();
        assert!(lend().is_none());
        let piece = lent.pop().unwrap();
        std::thread::spawn(move || take_back(piece)).join().unwrap();
        assert_eq!(lend().unwrap().read.len(), READ);
        let _lent = lend().unwrap();
        assert!(lend().is_none());
    }

    #[test]
    fn what_another_thread_has_lent_is_kept_and_counts_here() {
        let (piece, count) = std::thread::spawn(|| {
            let piece = lend().unwrap();
            let count = Arc::clone(&piece.count);
            (piece, count)
        })
        .join()
        .unwrap();
        let at = piece.read.as_ptr();
        take_back(piece);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        let piece = lend().unwrap();
        assert_eq!((piece.read.as_ptr(), piece.count.load(Ordering::Relaxed)), (at, 1));
    }

    #[test]
    fn what_comes_back_is_lent_again_unless_it_is_too_long_and_what_is_missing_is_made_good() {
        let mut piece = lend().unwrap();
        let at = (piece.read.as_ptr(), piece.write.as_ptr());
        take_back(piece);
        piece = lend().unwrap();
        assert_eq!((piece.read.as_ptr(), piece.write.as_ptr()), at);
        piece.read = Vec::new();
        piece.write = Vec::with_capacity(2 << 20);
        take_back(piece);
        piece = lend().unwrap();
        assert_eq!(piece.read.len(), READ);
        assert!((WRITE..2 << 20).contains(&piece.write.capacity()));
    }
}
