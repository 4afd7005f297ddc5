//! The checker: runs an implementation against sessions with a known verdict, and says what it got wrong.

mod broken;
mod isolate;
mod judge;
mod kept;
mod keys;
mod limits;
mod openings;
mod pongs;
mod report;
mod shrink;
mod verdict;
mod watch;
mod wire;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

pub use judge::judge;
pub(crate) use judge::{How, outcome};
pub use report::{Finding, Report, Table};
pub(crate) use shrink::{Small, Way, shrink};
pub use verdict::{Judgement, Verdict};
pub(crate) use wire::key_of;
pub use wire::{Implementation, Wire};

use crate::generate::{self, Split};
use crate::model::Reading;
use crate::rule::Role;
use crate::session::{Case, Session, Topic};
use crate::tables;
use kept::Kept;
pub(crate) use keys::Sign;
pub(crate) use limits::{Claim, Sizes};

/// Checks implementations.
///
/// For each [`Case`] it runs the sessions of the [tables](crate::sessions), and as many by chance as it is told; each is
/// cut in several ways. The first session of a case that fails ends that case, and is shrunk.
#[derive(Clone, Copy)]
pub struct Checker {
    cases: u32,
    seed: u64,
    section: Option<&'static str>,
    about: Option<fn(Case) -> bool>,
    case: Option<Case>,
    only: Option<(Case, usize)>,
    stop_at_fail: bool,
    shrinks: bool,
    time_limit: Duration,
    progress: Option<fn(&Progress<'_>)>,
}

/// How far a check has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What was checked last.
    pub finding: &'a Finding,
    /// How many cases are done, this one included.
    pub done: usize,
    /// How many there are.
    pub of: usize,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker")
            .field("cases", &self.cases)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Runs one session on the implementation that is checked.
trait Runs {
    fn run(&mut self, id: &str, session: &Arc<Session>, cuts: &Arc<[usize]>) -> Result<Wire, String>;
}

/// What holds for more than one case.
#[derive(Default)]
struct Across {
    taken: Sizes,
    claims: Vec<(Claim, Example)>,
    /// How often each sign was seen that may be by chance.
    signs: HashMap<Sign, u32>,
    bad_keys: Option<(Sign, Example)>,
}

/// A session that shows something.
#[derive(Clone, Debug)]
struct Example {
    case: Case,
    id: String,
    session: Arc<Session>,
    cuts: Arc<[usize]>,
}

impl Checker {
    /// The tables, and twenty-four sessions by chance for each case, always the same ones. A session may take ten seconds.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cases: 24,
            seed: 0,
            section: None,
            about: None,
            case: None,
            only: None,
            stop_at_fail: false,
            shrinks: true,
            time_limit: Duration::from_secs(10),
            progress: None,
        }
    }

    /// How many sessions by chance for each case, besides those of the tables.
    #[must_use]
    pub const fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Other sessions by chance for another seed.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks one section of the RFC only.
    #[must_use]
    pub const fn section(mut self, section: &'static str) -> Self {
        self.section = Some(section);
        self
    }

    /// Checks the cases only of which `about` says so. What it finds about these is the same.
    #[must_use]
    pub const fn about(mut self, about: fn(Case) -> bool) -> Self {
        self.about = Some(about);
        self
    }

    /// Checks one case only. What it finds about this is the same.
    #[must_use]
    pub const fn case(mut self, case: Case) -> Self {
        self.case = Some(case);
        self
    }

    /// Runs one session only: that of a finding with this [`id`](Finding::id). The seed has to be the same. `None`: there
    /// is no such session.
    #[must_use]
    pub fn replay(mut self, id: &str) -> Option<Self> {
        let (name, number) = id.split_once('/')?;
        let mut cases = Role::ALL.into_iter().flat_map(Case::all);
        let case = cases.find(|case| case.name() == name)?;
        self.only = Some((case, number.parse().ok()?));
        Some(self)
    }

    /// Stops after the first case that fails. Its finding is the same; the report has no later ones.
    #[must_use]
    pub const fn stop_at_first_fail(mut self) -> Self {
        self.stop_at_fail = true;
        self
    }

    /// Shows findings as they were found, not shrunk. The verdicts are the same.
    #[must_use]
    pub const fn without_shrinking(mut self) -> Self {
        self.shrinks = false;
        self
    }

    /// How long a session may take. What takes longer hangs.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Has `progress` called after each case.
    #[must_use]
    pub const fn progress(mut self, progress: fn(&Progress<'_>)) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Checks an implementation in one role, on this thread.
    ///
    /// Nothing can stop a thread from outside. If a session takes longer than the [time limit](Self::time_limit), its
    /// name and bytes go to the standard error stream, and the process exits with status 101. An implementation that may
    /// go to threads of its own is better checked by [`check_isolated`](Self::check_isolated), which reports that instead.
    pub fn check(&self, name: &str, role: Role, implementation: &mut dyn Implementation) -> Report {
        watch::watched(name, role, self.time_limit, implementation, |runs| {
            self.check_with(name, role, runs)
        })
    }

    /// Checks an implementation in one role, on another thread. If a session takes longer than the
    /// [time limit](Self::time_limit), that is a finding; its thread is left behind, and the next session gets a new one.
    pub fn check_isolated<F>(&self, name: &str, role: Role, implementation: F) -> Report
    where
        F: FnMut(&mut Wire) + Clone + Send + 'static,
    {
        let mut runs = isolate::Isolated::new(implementation, self.time_limit);
        self.check_with(name, role, &mut runs)
    }

    fn check_with(&self, name: &str, role: Role, runs: &mut dyn Runs) -> Report {
        let tables = kept::tables(role);
        let cases = Case::all(role).into_iter().filter(|case| {
            self.section.is_none_or(|section| section == case.section())
                && self.about.is_none_or(|about| about(*case))
                && self.case.is_none_or(|only| only == *case)
                && self.only.is_none_or(|(only, _)| only == *case)
        });
        // What takes long comes last.
        let mut cases: Vec<Case> = cases.collect();
        cases.sort_by_key(|case| match case {
            Case::Legal(Topic::Lengths | Topic::Fragments) => 1,
            Case::Legal(Topic::Long | Topic::Many) => 2,
            Case::Legal(Topic::Compressed) => 5,
            Case::Legal(Topic::Windows) => 4,
            case if case.is_of_compression() => 3,
            Case::Legal(
                Topic::Messages
                | Topic::Close
                | Topic::Pings
                | Topic::Pongs
                | Topic::Text
                | Topic::Mixed
                | Topic::Handshake
                | Topic::MaskKeys
                | Topic::Blocks
                | Topic::Volume
                | Topic::Negotiation,
            )
            | Case::Broken(_) => 0,
        });
        let mut across = Across::default();
        let mut findings = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let sessions = tables.get(case).map_or(&[][..], Vec::as_slice);
            let finding = self.check_case(role, *case, sessions, runs, &mut across);
            findings.push(finding);
            if let (Some(progress), Some(finding)) = (self.progress, findings.last()) {
                progress(&Progress {
                    finding,
                    done: number + 1,
                    of: cases.len(),
                });
            }
            if self.stop_at_fail && findings.last().is_some_and(|finding| finding.verdict == Verdict::Fail) {
                break;
            }
        }
        let mut limits = Vec::new();
        settle(across, &mut findings, &mut limits);
        Report {
            name: String::from(name),
            role,
            seed: self.seed,
            findings,
            limits,
        }
    }

    fn check_case(
        &self,
        role: Role,
        case: Case,
        tables: &[Arc<Kept>],
        runs: &mut dyn Runs,
        across: &mut Across,
    ) -> Finding {
        let mut finding = Finding::new(case);
        let mut shown: Option<Example> = None;
        let from_tables = tables.len();
        let by_chance = (0..self.cases).map(|number| {
            kept::by_chance((self.seed, role, case, number), || {
                self.session_by_chance(role, case, number)
            })
        });
        'sessions: for (number, kept) in tables.iter().cloned().chain(by_chance).enumerate() {
            if self.only.is_some_and(|(_, only)| only != number) {
                continue;
            }
            let id = format!("{}/{number}", case.name());
            let (session, reading) = (Arc::clone(kept.session()), kept.reading());
            for cuts in ways_to_cut(&session, reading, number, number >= from_tables) {
                let outcome = outcome(runs.run(&id, &session, &cuts), reading, How::InMemory);
                finding.runs += 1;
                let example = || Example {
                    case,
                    id: id.clone(),
                    session: Arc::clone(&session),
                    cuts: Arc::clone(&cuts),
                };
                across.taken.include_all(&outcome.taken);
                if let Some(claim) = outcome.claim {
                    across.claims.push((claim, example()));
                }
                for sign in outcome.signs {
                    across.note(sign, example);
                }
                if outcome.judgement.verdict == Verdict::Skipped && finding.verdict == Verdict::Skipped {
                    finding.why.clone_from(&outcome.judgement.why);
                }
                if outcome.judgement.verdict > finding.verdict {
                    finding.set(outcome.judgement);
                    shown = Some(example());
                }
                if finding.verdict == Verdict::Fail {
                    break 'sessions;
                }
            }
        }
        if finding.verdict > Verdict::Pass
            && let Some(example) = shown
        {
            self.shrink(example, &mut finding, runs);
        }
        finding
    }

    /// Shows the example in the finding, smaller if it may be.
    fn shrink(&self, example: Example, finding: &mut Finding, runs: &mut dyn Runs) {
        if !self.shrinks || finding.why.starts_with("hangs") {
            return finding.show(example);
        }
        let mut run = |session: &Session, cuts: &[usize]| {
            let reading = session.reading();
            let run = runs.run(&example.id, &Arc::new(session.clone()), &Arc::from(cuts));
            Some((outcome(run, &reading, How::InMemory).judgement, Vec::new()))
        };
        let way = Way {
            run: &mut run,
            fit: |session| session,
            most: 600,
        };
        let shown = Judgement::new(finding.verdict, finding.section, finding.why.clone());
        let small = shrink(&example.session, &example.cuts, &shown, way);
        finding.runs += small.runs;
        finding.set(small.judgement);
        finding.id = Some(example.id);
        finding.example = Some((small.session, small.cuts));
    }

    /// A session that the seed, the case and the number determine.
    fn session_by_chance(&self, role: Role, case: Case, number: u32) -> Session {
        let config = Config {
            failure_persistence: None,
            ..Config::default()
        };
        let name = format!("{:016x}{number:08x}{}", self.seed, case.name());
        let mut seed = [0_u8; 32];
        for (place, byte) in name.bytes().enumerate() {
            if let Some(to) = seed.get_mut(place % 32) {
                *to = to.rotate_left(3) ^ byte;
            }
        }
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let strategy = (generate::session(role, case), proptest::prelude::any::<()>());
        match strategy.new_tree(&mut runner) {
            Ok(tree) => tree.current().0,
            // No strategy of ours rejects anything.
            Err(_) => Session::of(
                role,
                Topic::Messages,
                "",
                crate::session::Parts::default(),
                tables::BOUNDS,
                None,
            ),
        }
    }
}

impl Across {
    fn note(&mut self, sign: Sign, example: impl Fn() -> Example) {
        let seen = self.signs.entry(sign).or_default();
        *seen += 1;
        if self.bad_keys.is_none() && (sign.is_certain() || *seen >= 2) {
            self.bad_keys = Some((sign, example()));
        }
    }
}

/// Puts what holds for more than one case into the findings it belongs to.
fn settle(across: Across, findings: &mut [Finding], limits: &mut Vec<String>) {
    let mut least: Option<Claim> = None;
    for (claim, example) in across.claims {
        let Some(finding) = findings.iter_mut().find(|finding| finding.case == example.case) else {
            continue;
        };
        let (verdict, why) = if across.taken.covers(&claim.sizes) {
            (Verdict::Fail, claim.contradicted())
        } else if claim.sizes.is_usual() {
            (Verdict::Custom, claim.believed())
        } else {
            if least
                .as_ref()
                .is_none_or(|least| claim.sizes.message < least.sizes.message)
            {
                least = Some(claim);
            }
            continue;
        };
        if verdict > finding.verdict {
            finding.set(Judgement::new(verdict, "10.4", why));
            finding.show(example);
        }
    }
    limits.extend(least.map(|least| least.believed()));
    if let Some((sign, example)) = across.bad_keys
        && let Some(finding) = findings.iter_mut().find(|one| one.case == Case::Legal(Topic::MaskKeys))
        && finding.verdict < Verdict::Fail
    {
        finding.set(Judgement::new(Verdict::Fail, "5.3", sign.to_string()));
        finding.show(example);
    }
}

/// The ways in which a session is cut.
fn ways_to_cut(session: &Session, reading: &Reading, number: usize, by_chance: bool) -> Vec<Arc<[usize]>> {
    let len = session.bytes.len();
    // What is long is not fed byte by byte: that takes long and shows nothing that short sessions do not.
    let short = len <= 4096;
    let few = |count: usize| (1..=3000).contains(&count);
    // Of what is compressed, some is only there to be sent.
    if session.compression.is_some() && !session.core && !by_chance {
        return vec![Arc::from([])];
    }
    let mut splits = vec![Split::Whole];
    if short && (by_chance || session.core || len <= 24 || number.is_multiple_of(3)) {
        splits.push(Split::EachByte);
    }
    if by_chance || !short {
        if few(reading.header_bytes.len()) || session.head_len > 0 {
            splits.push(Split::Headers);
        }
        if few(reading.inside_characters.len()) {
            splits.push(Split::Characters);
        }
    }
    if by_chance || len > 128 || number.is_multiple_of(4) {
        // Places without a pattern, the same in each run.
        let mut state = number as u32;
        let mut part = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16
        };
        splits.push(Split::At((0..1 + number % 5).map(|_| part()).collect()));
    }
    let mut ways: Vec<Arc<[usize]>> = Vec::new();
    if !session.written.is_empty() {
        ways.push(Arc::from(session.written.as_slice()));
    }
    for split in splits {
        let mut cuts = split.cuts_of(reading, &session.bytes, session.head_len);
        if session.compression.is_some() {
            // Heads are cut elsewhere.
            cuts.retain(|cut| *cut > session.head_len);
        }
        if !short && split == Split::Characters {
            // Each cut may cost as much as all that came before it.
            let every = cuts.len().div_ceil(32).max(1);
            cuts = cuts.into_iter().step_by(every).collect();
        }
        if ways.is_empty() || !cuts.is_empty() {
            ways.push(Arc::from(cuts.as_slice()));
        }
        // A client waits for the response: what it sends behind its request does not come with it.
        if session.compression.is_none()
            && session.role == Role::Server
            && session.head_len > 0
            && session.head_len < len
            && let Err(at) = cuts.binary_search(&session.head_len)
        {
            cuts.insert(at, session.head_len);
            ways.push(Arc::from(cuts));
        }
    }
    ways
}
