//! The checker: runs an implementation against sessions with a known verdict, and says what it got wrong.

mod judge;
mod report;
mod wire;

pub use judge::judge;
pub use report::{Finding, Report, Table, Verdict};
pub use wire::{Implementation, Wire};

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::generate::{self, Case, Session, Split};
use super::rule::Role;

/// Checks implementations.
#[derive(Clone, Copy, Debug)]
pub struct Checker {
    cases: u32,
    seed: u64,
    section: Option<&'static str>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// Twenty-four sessions for each case, always the same ones.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cases: 24,
            seed: 0,
            section: None,
        }
    }

    /// How many sessions for each case. Each is run under every fixed [`Split`] and one by chance.
    #[must_use]
    pub const fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Other sessions for another seed.
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

    /// Checks an implementation in one role.
    pub fn check(&self, name: &str, role: Role, implementation: &mut dyn Implementation) -> Report {
        let implementation = RefCell::new(implementation);
        let wanted = |case: &Case| self.section.is_none_or(|section| section == case.section());
        let findings = Case::all(role).into_iter().filter(wanted);
        Report {
            name: String::from(name),
            role,
            findings: findings
                .map(|case| self.check_case(role, case, &implementation))
                .collect(),
        }
    }

    fn check_case(&self, role: Role, case: Case, implementation: &RefCell<&mut dyn Implementation>) -> Finding {
        let runs = Cell::new(0);
        let judge = |session: &Session, cuts: &[usize]| {
            runs.set(runs.get() + 1);
            judge(&mut **implementation.borrow_mut(), session, cuts)
        };
        let mut finding = Finding {
            case,
            verdict: Verdict::Skipped,
            why: String::new(),
            example: None,
            runs: 0,
        };
        // First look for a fail; then, if there is none, for something that is not strict.
        for threshold in [Verdict::Fail, Verdict::NotStrict] {
            let best = Cell::new(Verdict::Skipped);
            let strategy = (generate::session(role, case), generate::split());
            let found = self.runner(case).run(&strategy, |(session, split)| {
                for split in splits(&session, split) {
                    let cuts = split.cuts(role, &session.bytes, session.head_len);
                    let (verdict, why) = judge(&session, &cuts);
                    best.set(best.get().max(verdict));
                    if verdict >= threshold {
                        return Err(TestCaseError::fail(why));
                    }
                }
                Ok(())
            });
            finding.verdict = best.get();
            if let Err(TestError::Fail(_, (session, split))) = found {
                for split in splits(&session, split) {
                    let mut cuts = split.cuts(role, &session.bytes, session.head_len);
                    let (verdict, why) = judge(&session, &cuts);
                    if verdict >= threshold {
                        let still = |cuts: &[usize]| judge(&session, cuts).0 >= threshold;
                        shrink_cuts(&mut cuts, &still);
                        finding.verdict = verdict;
                        finding.why = why;
                        finding.example = Some((session.clone(), cuts));
                        break;
                    }
                }
                break;
            }
        }
        finding.runs = runs.get();
        finding
    }

    fn runner(&self, case: Case) -> TestRunner {
        let config = Config {
            cases: self.cases,
            failure_persistence: None,
            max_shrink_iters: 1000,
            ..Config::default()
        };
        let mut seed = [0; 32];
        let name = format!("{:016x}{case}", self.seed);
        for (to, from) in seed.iter_mut().zip(name.bytes().cycle()) {
            *to = from;
        }
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }
}

/// The ways in which a session is cut.
fn splits(session: &Session, chance: Split) -> impl Iterator<Item = Split> {
    // Long sessions are not fed byte by byte: that takes long and shows nothing that short ones do not.
    let short = session.bytes.len() <= 4096;
    let fixed = Split::FIXED
        .into_iter()
        .filter(move |split| short || *split != Split::EachByte);
    fixed.chain([chance])
}

/// Takes out cuts that are not needed.
fn shrink_cuts(cuts: &mut Vec<usize>, still: &dyn Fn(&[usize]) -> bool) {
    if let Some(cut) = cuts.iter().copied().take(256).find(|cut| still(&[*cut])) {
        *cuts = Vec::from([cut]);
    }
    let mut at = 0;
    while at < cuts.len().min(64) {
        let mut fewer = cuts.clone();
        fewer.remove(at);
        if still(&fewer) {
            *cuts = fewer;
        } else {
            at += 1;
        }
    }
}
