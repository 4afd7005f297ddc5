//! The clock of the runtime, and one timer for each connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sockless::Moment;
use tokio::time::{Instant, Sleep, sleep_until};

/// The time since a connection began, and a timer that is set again only when its deadline has come nearer or when it has
/// fired: what happens on a connection mostly moves its deadlines later.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            timer: None,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    /// Whether so much time has passed, or else the task is woken when it has, or sooner.
    pub(crate) fn poll(&mut self, wait: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wait) = wait else {
            return Poll::Pending;
        };
        let Some(at) = Instant::now().checked_add(wait) else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.is_elapsed() || timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}
