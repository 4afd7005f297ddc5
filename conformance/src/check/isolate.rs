//! An implementation on a thread of its own, which is left behind if it hangs.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::Runs;
use super::judge;
use super::wire::Wire;
use crate::session::Session;

type Job = (Arc<Session>, Arc<[usize]>);
type Done = Result<Wire, String>;

struct Worker {
    jobs: Sender<Job>,
    done: Receiver<Done>,
}

pub(super) struct Isolated<F> {
    implementation: F,
    limit: Duration,
    worker: Option<Worker>,
    hung: u32,
}

impl<F: FnMut(&mut Wire) + Clone + Send + 'static> Isolated<F> {
    pub(super) const fn new(implementation: F, limit: Duration) -> Self {
        Self {
            implementation,
            limit,
            worker: None,
            hung: 0,
        }
    }

    fn worker(&self) -> Worker {
        let (jobs, taken) = channel::<Job>();
        let (give, done) = channel::<Done>();
        let mut implementation = self.implementation.clone();
        std::thread::spawn(move || {
            for (session, cuts) in taken {
                if give.send(judge::run(&mut implementation, session, cuts)).is_err() {
                    break;
                }
            }
        });
        Worker { jobs, done }
    }
}

impl<F: FnMut(&mut Wire) + Clone + Send + 'static> Runs for Isolated<F> {
    fn run(&mut self, _: &str, session: &Arc<Session>, cuts: &Arc<[usize]>) -> Result<Wire, String> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.worker(),
        };
        // What hangs once hangs again: later sessions are not given as long.
        let limit = if self.hung < 3 {
            self.limit
        } else {
            self.limit.min(Duration::from_secs(1))
        };
        if worker.jobs.send((Arc::clone(session), Arc::clone(cuts))).is_err() {
            return Err(String::from("its thread has ended"));
        }
        match worker.done.recv_timeout(limit) {
            Ok(done) => {
                self.worker = Some(worker);
                done
            }
            Err(RecvTimeoutError::Timeout) => {
                self.hung += 1;
                Err(format!("hangs: it still runs after {limit:?}"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(String::from("its thread has ended")),
        }
    }
}
