//! The clock of the runtime, and a timer for each connection.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use sockless::Moment;
use tokio::task::unconstrained;
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

/// Later than any deadline.
pub(crate) const NEVER: Moment = Moment::from_micros(u64::MAX);

/// A timer that is set again only when its deadline has come nearer or when it has fired: what happens on a connection
/// mostly moves its deadlines later.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
    /// When it fires.
    at: Moment,
    /// Whom it wakes, so that it need not be told again by each message.
    waker: Option<Waker>,
}

impl Alarm {
    /// Whether it fires at that time or sooner, if it [is set](Self::is_set).
    #[inline]
    pub(crate) fn is_before(&self, at: Moment) -> bool {
        self.at <= at
    }

    /// Whether it has not fired yet.
    #[inline]
    fn is_running(&self) -> bool {
        self.timer.as_ref().is_some_and(|timer| !timer.is_elapsed())
    }

    /// Whether it is set, and wakes this task when it fires.
    #[inline]
    pub(crate) fn is_set(&self, cx: &Context<'_>) -> bool {
        self.is_running() && self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// Whether it is that time, or else the task is woken when it is, or sooner.
    pub(crate) fn poll(&mut self, at: Moment, cx: &mut Context<'_>) -> Poll<()> {
        if at == NEVER || self.at <= at && self.is_set(cx) {
            return Poll::Pending;
        }
        // The clock is not asked again.
        let Some(instant) = first().checked_add(at - Moment::START).map(Instant::from_std) else {
            return Poll::Pending;
        };
        let covers = self.is_before(at) && self.is_running();
        let mut timer = match self.timer.take() {
            Some(timer) if covers => timer,
            Some(mut timer) => {
                timer.as_mut().reset(instant);
                self.at = at;
                timer
            }
            None => {
                self.at = at;
                Box::pin(sleep_until(instant))
            }
        };
        // Without a budget, so that it has been told whom to wake whenever it is pending.
        let polled = pin!(unconstrained(timer.as_mut())).poll(cx);
        self.timer = Some(timer);
        self.waker = polled.is_pending().then(|| cx.waker().clone());
        polled
    }
}
