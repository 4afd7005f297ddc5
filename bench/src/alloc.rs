//! A global allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// Adds without a locked instruction: the benchmark runs on one thread, and a lock would cost those who allocate.
fn add(counter: &AtomicU64, value: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(value), Relaxed);
}

// SAFETY: every call is passed on as it is to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&CALLS, 1);
        add(&BYTES, layout.size() as u64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(&CALLS, 1);
        add(&BYTES, layout.size() as u64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        add(&FREED, layout.size() as u64);
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(&CALLS, 1);
        add(&BYTES, size as u64);
        add(&FREED, layout.size() as u64);
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// What has been asked of the allocator since the start of the process.
#[derive(Clone, Copy)]
pub struct Count {
    pub calls: u64,
    /// A grown block counts with its whole new size.
    pub bytes: u64,
    /// Bytes that were asked for and not given back.
    pub live: u64,
}

pub fn count() -> Count {
    let (bytes, freed) = (BYTES.load(Relaxed), FREED.load(Relaxed));
    Count {
        calls: CALLS.load(Relaxed),
        bytes,
        live: bytes.wrapping_sub(freed),
    }
}
