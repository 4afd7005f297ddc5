//! The watchdog: says which session an implementation hangs in.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Runs;
use super::judge;
use super::wire::{Implementation, Wire};
use crate::generate;
use crate::rule::Role;
use crate::session::Session;

/// What is under way.
#[derive(Default)]
struct Watched {
    run: Option<Run>,
    over: bool,
}

struct Run {
    since: Instant,
    id: String,
    session: Arc<Session>,
    cuts: Arc<[usize]>,
}

#[derive(Default)]
struct Shared {
    watched: Mutex<Watched>,
    changed: Condvar,
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Watched) -> T) -> T {
        change(&mut self.watched.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An implementation that is run on this thread, while another watches.
struct Direct<'a> {
    implementation: &'a mut dyn Implementation,
    shared: &'a Shared,
}

impl Runs for Direct<'_> {
    fn run(&mut self, id: &str, session: &Arc<Session>, cuts: &Arc<[usize]>) -> Result<Wire, String> {
        let run = Run {
            since: Instant::now(),
            id: String::from(id),
            session: Arc::clone(session),
            cuts: Arc::clone(cuts),
        };
        self.shared.with(|watched| watched.run = Some(run));
        let wire = judge::run(self.implementation, Arc::clone(session), Arc::clone(cuts));
        self.shared.with(|watched| watched.run = None);
        wire
    }
}

/// Ends the watch however the check ends.
struct Ends<'a>(&'a Shared);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.with(|watched| watched.over = true);
        self.0.changed.notify_all();
    }
}

pub(super) fn watched<T>(
    name: &str,
    role: Role,
    limit: Duration,
    implementation: &mut dyn Implementation,
    check: impl FnOnce(&mut dyn Runs) -> T,
) -> T {
    let shared = Shared::default();
    std::thread::scope(|scope| {
        scope.spawn(|| watch(name, role, limit, &shared));
        let _ends = Ends(&shared);
        check(&mut Direct {
            implementation,
            shared: &shared,
        })
    })
}

fn watch(name: &str, role: Role, limit: Duration, shared: &Shared) {
    let mut watched = shared.watched.lock().unwrap_or_else(PoisonError::into_inner);
    while !watched.over {
        let left = match &watched.run {
            Some(run) => limit.saturating_sub(run.since.elapsed()),
            None => limit,
        };
        if let Some(run) = &watched.run
            && left.is_zero()
        {
            let text = told(name, role, limit, run);
            // Not by `eprintln`, which a test harness holds back.
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            std::process::exit(101);
        }
        let waited = shared
            .changed
            .wait_timeout(watched, left.min(Duration::from_millis(200)));
        watched = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn told(name: &str, role: Role, limit: Duration, run: &Run) -> String {
    let mut text = format!(
        "\n{name} as {role} hangs: after {limit:?} it still runs {} (section {}, {}{}{})\n",
        run.id,
        run.session.case.section(),
        run.session.case,
        if run.session.name.is_empty() { "" } else { ": " },
        run.session.name,
    );
    for chunk in generate::chunks(&run.session.bytes, &run.cuts).iter().take(8) {
        let shown = chunk.get(..80).unwrap_or(chunk);
        let _ = writeln!(text, "  b\"{}\"", shown.escape_ascii());
    }
    text
}
