// Becomes a module of the changed copy of the crate: which change is on is said when a program starts.
extern crate std;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::{env, fs::File, io::Write, sync::OnceLock};

const NONE: usize = usize::MAX;
const TRACE: usize = usize::MAX - 1;

static CHANGE: AtomicUsize = AtomicUsize::new(NONE);
static SEEN: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];
static REACHED: OnceLock<File> = OnceLock::new();

/// Whether this change is on: never while the compiler evaluates constants.
#[inline(always)]
pub const fn on(change: usize) -> bool {
    const fn never(_: usize) -> bool {
        false
    }
    core::intrinsics::const_eval_select((change,), never, is_on)
}

#[inline(always)]
fn is_on(change: usize) -> bool {
    match CHANGE.load(Relaxed) {
        NONE => false,
        TRACE => {
            reached(change);
            false
        }
        chosen => chosen == change,
    }
}

// Allocates nothing: there are tests that count that.
#[cold]
fn reached(change: usize) {
    if !SEEN[change].swap(true, Relaxed) {
        let _ = REACHED.get().unwrap().write_all(&(change as u32).to_le_bytes());
    }
}

/// Before `main`, since tests count what is allocated later.
extern "C" fn start() {
    if let Some(path) = env::var_os("MUTANT_TRACE") {
        let _ = REACHED.set(File::options().create(true).append(true).open(path).unwrap());
        CHANGE.store(TRACE, Relaxed);
    } else if let Some(change) = env::var("MUTANT").ok().and_then(|change| change.parse().ok()) {
        CHANGE.store(change, Relaxed);
    }
}

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static START: extern "C" fn() = start;

/// What a function that returns some iterator returns, changed or not.
#[derive(Clone)]
pub enum Either<A, B> {
    Changed(A),
    Unchanged(B),
}

impl<A: Iterator, B: Iterator<Item = A::Item>> Iterator for Either<A, B> {
    type Item = A::Item;

    fn next(&mut self) -> Option<A::Item> {
        match self {
            Self::Changed(items) => items.next(),
            Self::Unchanged(items) => items.next(),
        }
    }
}
