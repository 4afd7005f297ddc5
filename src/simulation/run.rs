//! Two endpoints over a network.

use std::time::Duration;

use super::network::{Network, Side, Socket};
use crate::timers::Moment;

/// What is run at one end.
pub trait Endpoint {
    /// Does all that can be done now. It is called at the start, when something has arrived, when there is room to write
    /// again, and when the wait is over that it returned last.
    fn step(&mut self, now: Moment, socket: &mut Socket<'_>) -> Step;
}

/// What an endpoint does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It waits for the socket, at most so long.
    Wait(Option<Duration>),
    /// It is done: the socket is closed.
    Done,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// When A and B were done. `None` if they were not when the run ended.
    pub done: [Option<Moment>; 2],
    /// How often A and B were run.
    pub steps: [u64; 2],
    /// Whether the run ended since neither endpoint waited for anything that could come.
    pub stuck: bool,
}

/// Runs both until both are done, or nothing can happen any more, or it is `until`.
#[allow(clippy::indexing_slicing, reason = "there are two sides")]
pub fn run<'e>(network: &mut Network, a: &'e mut dyn Endpoint, b: &'e mut dyn Endpoint, until: Moment) -> Outcome {
    let sides = [Side::A, Side::B];
    let endpoints = [a, b];
    let mut wake = [Some(network.now()); 2];
    let mut deadline = [None; 2];
    let mut outcome = Outcome {
        done: [None; 2],
        steps: [0; 2],
        stuck: false,
    };
    while outcome.done.contains(&None) {
        let next = wake.into_iter().flatten().chain(network.next_event()).min();
        let Some(next) = next else {
            outcome.stuck = true;
            break;
        };
        if next > until {
            break;
        }
        network.advance(next);
        let now = network.now();
        for (side, at) in sides.into_iter().zip([0, 1]) {
            let stopped = network.stopped_until(side);
            if stopped > now {
                wake[at] = wake[at].map(|wake| wake.max(stopped));
            }
            if outcome.done[at].is_some() || wake[at].is_none_or(|wake| wake > now) {
                continue;
            }
            outcome.steps[at] += 1;
            let step = endpoints[at].step(now, &mut network.socket(side));
            wake[at] = None;
            deadline[at] = match step {
                Step::Wait(wait) => wait.map(|wait| now + wait),
                Step::Done => {
                    network.socket(side).close();
                    outcome.done[at] = Some(now);
                    None
                }
            };
        }
        for (side, at) in sides.into_iter().zip([0, 1]) {
            if outcome.done[at].is_some() {
                wake[at] = None;
                continue;
            }
            let room = network.take_unblocked(side).then_some(now);
            let due = [network.next_arrival(side), deadline[at], room];
            if let Some(due) = due.into_iter().flatten().min() {
                // Drawn once for each wait, so that it is not put off again and again.
                let due = due.max(now) + if due == now { Duration::ZERO } else { network.delay() };
                let due = due.max(network.stopped_until(side));
                wake[at] = Some(wake[at].map_or(due, |wake| wake.min(due)));
            }
        }
    }
    outcome
}
