//! Findings made smaller, over the wire: smaller sessions are run against the same peer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Job, Run, for_the_wire};
use crate::check::{Judgement, Small, Verdict, Way, shrink};
use crate::session::{Case, Session};

/// What a finding was shrunk to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What was sent.
    pub session: Session,
    /// Where what was sent was cut.
    pub cuts: Vec<usize>,
    /// What came back.
    pub received: Vec<u8>,
    /// What was wrong with that.
    pub judgement: Judgement,
    /// How many sessions it took.
    pub sessions: u32,
}

/// How many sessions may be run for one finding.
const SESSIONS: u32 = 120;

/// Longer sessions are left as they are.
const LONGEST: usize = 1 << 20;

/// Of each kind of finding the session that is shortest, the worst first: their places among the runs.
pub(super) fn chosen(runs: &[Run]) -> Vec<usize> {
    let mut shortest: HashMap<(Verdict, Case, &str, String), usize> = HashMap::new();
    for (place, run) in runs.iter().enumerate() {
        if run.judgement.verdict <= Verdict::Pass || run.session.bytes.len() > LONGEST {
            continue;
        }
        let kind: String = run.judgement.why.split(|c: char| c.is_ascii_digit()).collect();
        let key = (run.judgement.verdict, run.session.case, run.judgement.section, kind);
        let best = shortest.entry(key).or_insert(place);
        if runs
            .get(*best)
            .is_some_and(|best| best.session.bytes.len() > run.session.bytes.len())
        {
            *best = place;
        }
    }
    let mut chosen: Vec<usize> = shortest.into_values().collect();
    chosen.sort_by_key(|place| {
        let verdict = runs.get(*place).map(|run| run.judgement.verdict);
        (std::cmp::Reverse(verdict), *place)
    });
    chosen
}

/// Makes one finding smaller. `None`: it does not show again.
fn one(run: &Run, mut again: impl FnMut(&Job) -> Option<(Judgement, Vec<u8>)>) -> Option<Shrunk> {
    let mut run_one = |session: &Session, cuts: &[usize]| {
        again(&Job {
            id: run.id.clone(),
            session: Arc::new(session.clone()),
            reading: session.reading(),
            cuts: Arc::from(cuts),
        })
    };
    let (judgement, received) = run_one(&run.session, &run.cuts)?;
    if judgement.verdict < run.judgement.verdict || judgement.section != run.judgement.section {
        return None;
    }
    let way = Way {
        run: &mut run_one,
        fit: |session| Session::clone(&for_the_wire(&Arc::new(session))),
        most: SESSIONS,
    };
    let small: Small = shrink(&run.session, &run.cuts, &judgement, way);
    let is_smaller = small.session.bytes != run.session.bytes || small.cuts[..] != run.cuts[..];
    Some(Shrunk {
        session: small.session,
        cuts: small.cuts,
        received: if is_smaller { small.received } else { received },
        judgement: small.judgement,
        sessions: small.runs + 1,
    })
}

/// Makes findings smaller until the time is over, some at once.
pub(super) fn all(
    runs: &mut [Run],
    limit: Duration,
    at_once: usize,
    again: impl Fn(&Job) -> Option<(Judgement, Vec<u8>)> + Sync,
) {
    let until = Instant::now() + limit;
    let chosen = chosen(runs);
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = |runs: &[Run]| {
        while let Some(place) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(run) = runs.get(*place).filter(|_| Instant::now() < until) else {
                return;
            };
            let small = one(run, |job| if Instant::now() < until { again(job) } else { None });
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(small.map(|small| (*place, small)));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, chosen.len().max(1)) {
            scope.spawn(|| work(runs));
        }
    });
    for (place, small) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if let Some(run) = runs.get_mut(place) {
            run.shrunk = Some(small);
        }
    }
}

/// A session that a client is to run next, and where to tell what it came to.
pub(super) struct Ask {
    pub(super) job: Job,
    pub(super) answer: Sender<(Judgement, Vec<u8>)>,
}

/// Makes findings smaller, each session of which is asked for by a client. It ends when nobody takes them any more.
pub(super) fn asking(runs: &[Run], limit: Duration, asks: &Sender<Ask>) -> Vec<(String, Shrunk)> {
    let until = Instant::now() + limit;
    let mut found = Vec::new();
    for place in chosen(runs) {
        let Some(run) = runs.get(place).filter(|_| Instant::now() < until) else {
            break;
        };
        let small = one(run, |job| {
            let (answer, answered): (_, Receiver<_>) = channel();
            let job = job.clone();
            if Instant::now() >= until || asks.send(Ask { job, answer }).is_err() {
                return None;
            }
            answered.recv().ok()
        });
        found.extend(small.map(|small| (run.id.clone(), small)));
    }
    found
}
