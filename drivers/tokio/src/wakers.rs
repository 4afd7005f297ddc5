//! Two tasks that are woken by one stream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

/// The wakers of the task that reads and of the task that writes. Either may be the one that polled the stream last, so that
/// both are woken by it; whoever has nothing to do waits again.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    read: Mutex<Option<Waker>>,
    write: Mutex<Option<Waker>>,
}

impl Wakers {
    /// Both as one, for the stream.
    pub(crate) fn both() -> (Arc<Self>, Waker) {
        let wakers = Arc::new(Self::default());
        (Arc::clone(&wakers), Waker::from(wakers))
    }

    fn of(&self, side: Side) -> MutexGuard<'_, Option<Waker>> {
        let waker = match side {
            Side::Read => &self.read,
            Side::Write => &self.write,
        };
        waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task that polls now is this one.
    pub(crate) fn register(&self, side: Side, waker: &Waker) {
        let mut registered = self.of(side);
        if !registered
            .as_ref()
            .is_some_and(|registered| registered.will_wake(waker))
        {
            *registered = Some(waker.clone());
        }
    }

    pub(crate) fn wake(&self, side: Side) {
        let waker = self.of(side).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (read, write) = (self.of(Side::Read).clone(), self.of(Side::Write).clone());
        if let (Some(read), Some(write)) = (&read, &write) {
            if read.will_wake(write) {
                return read.wake_by_ref();
            }
        }
        for waker in [read, write].into_iter().flatten() {
            waker.wake();
        }
    }
}
