//! Ctrl-C: the first time, everything is closed in order; the second time, the program ends at once.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Exit;

/// How long all connections together may take to close: somewhat longer than each of them may, so that one that does not answer
/// is dropped at its own deadline.
const LONGEST: Duration = Duration::from_millis(10_500);

/// How often a thread that waits for its peer looks up.
const STEP: Duration = Duration::from_millis(100);
/// How often one that waits for its peer to read looks how much that was, which no deadline knows before.
const WRITE_STEP: Duration = Duration::from_millis(50);

/// Whether to stop, and how many connections are still to be closed.
#[derive(Default)]
pub(crate) struct Stop {
    asked: AtomicBool,
    open: Mutex<usize>,
    closed: Condvar,
}

/// A connection that is counted until this is dropped.
pub(crate) struct Counted<'a>(&'a Stop);

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Reads and writes of `stream` wait as long as `tick` has said, but not longer than until it is time to look up.
    pub(crate) fn wait(&self, stream: &TcpStream, tick: Option<Duration>) -> io::Result<()> {
        let tick = tick.unwrap_or(STEP);
        stream.set_write_timeout(Some(tick.min(WRITE_STEP)))?;
        stream.set_read_timeout(Some(tick.min(STEP)))
    }

    pub(crate) fn count(&self) -> Counted<'_> {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Counted(self)
    }

    /// Waits until all connections are closed, with one deadline for all. The end of the program aborts what is left.
    pub(crate) fn wait_for_all(&self) -> Result<(), Exit> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.closed.wait_timeout_while(open, LONGEST, |open| *open > 0);
        match *waited.unwrap_or_else(PoisonError::into_inner).0 {
            0 => Ok(()),
            1 => Err(Exit(Exit::FAILED, "one connection took too long to close".to_owned())),
            left => Err(Exit(Exit::FAILED, format!("{left} connections took too long to close"))),
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *self.0.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.closed.notify_all();
    }
}

/// Calls `stop` at the first Ctrl-C, or when the program is asked to terminate. It is kept until the end: a waker of `mio` must
/// not be dropped before it was heard.
pub(crate) fn on_interrupt(stop: impl Fn() + Send + 'static) -> Result<(), Exit> {
    let mut asked = false;
    let set = ctrlc::set_handler(move || {
        if asked {
            process::exit(130); // what a shell reports of a program that Ctrl-C has ended
        }
        asked = true;
        let _ = writeln!(io::stderr(), "closing; Ctrl-C again ends at once"); // perhaps nobody reads it any more
        stop();
    });
    set.map_err(|error| Exit(Exit::FAILED, error.to_string()))
}
