//! The clock of the runtime, and a timer for each connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use sockless::Moment;
use tokio::time::{Instant, Sleep, sleep_until};

/// When the time was first asked for in this process.
fn first() -> std::time::Instant {
    static FIRST: OnceLock<std::time::Instant> = OnceLock::new();
    *FIRST.get_or_init(std::time::Instant::now)
}

/// The time by the runtime's clock, which tests may pause, since it was first asked for in this process.
pub(crate) fn now() -> Moment {
    let first = first();
    Moment::START + Instant::now().into_std().saturating_duration_since(first)
}

/// A timer that is set again only when its deadline has come nearer or when it has fired: what happens on a connection
/// mostly moves its deadlines later.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether so much time has passed since `now`, or else the task is woken when it has, or sooner.
    pub(crate) fn poll(&mut self, now: Moment, wait: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wait) = wait else {
            return Poll::Pending;
        };
        // The clock is not asked again: each message would pay for it.
        let since_first = (now + wait) - Moment::START;
        let Some(at) = first().checked_add(since_first).map(Instant::from_std) else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.is_elapsed() || timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}
