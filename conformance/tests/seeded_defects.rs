//! The check of the check: breakages made by hand, each of which the checker must notice at its default settings.

mod endpoint;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use endpoint::{DEFECTS, Defect};
use sockless_conformance::{Case, Checker, Report, Role, Rule, Topic, Verdict, Wire};

fn check(checker: Checker, defect: Defect, role: Role) -> Report {
    let mut endpoint = |wire: &mut Wire| endpoint::run(defect, wire);
    checker.check(&format!("{defect:?}"), role, &mut endpoint)
}

#[test]
fn the_endpoint_passes_without_a_defect() {
    for role in Role::ALL {
        let started = Instant::now();
        let report = check(Checker::new(), Defect::Nothing, role);
        assert_eq!(report.verdict(), Verdict::Pass, "{report}");
        assert_eq!(report.limits, Vec::<String>::new());
        assert_eq!(report.with(Verdict::Skipped).count(), 0, "{report}");
        println!("{role}: {} connections in {:.2?}", report.runs(), started.elapsed());
    }
}

/// Each is noticed, and as what it is: against a MUST, against a SHOULD, or only uncommon.
///
/// Where it shows is on record, and that case is checked first: what fails there fails in all of them together. What does
/// not fail must not fail elsewhere either, of which the cases are a sample that do not take long. If either is not as it
/// should be, all of them are checked.
#[test]
fn every_defect_is_noticed() {
    let jobs: Vec<Job> = jobs().collect();
    let record = record();
    let wrong = in_parallel(&jobs, |job| {
        let one = record
            .get(&job.key())
            .map(|case| job.check(job.checker().case(*case)).verdict());
        if job.verdict == Verdict::Fail && one == Some(Verdict::Fail) {
            return None;
        }
        if job.verdict < Verdict::Fail {
            let sample = job.check(job.sample()).verdict();
            if sample.max(one.unwrap_or(Verdict::Skipped)) == job.verdict {
                return None;
            }
        }
        job.wrong(&job.check(job.checker().stop_at_first_fail()))
    });
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        jobs.len(),
        wrong.join("\n")
    );
}

/// The same without the record, which it checks. With RECORD=write it writes it.
#[test]
#[ignore = "takes minutes"]
fn every_defect_is_noticed_by_the_whole_check() {
    let jobs: Vec<Job> = jobs().collect();
    let shown = Mutex::new(Vec::new());
    let wrong = in_parallel(&jobs, |job| {
        let report = job.check(Checker::new().without_shrinking().stop_at_first_fail());
        let case = report.with(job.verdict).next().map(|finding| finding.case.name());
        let line = format!("{} {}\n", job.key(), case.unwrap_or_default());
        shown.lock().unwrap().push(line);
        job.wrong(&report)
    });
    let mut shown = shown.into_inner().unwrap();
    shown.sort();
    let now = shown.concat();
    let writes = std::env::var_os("RECORD").is_some();
    if writes {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/endpoint/shown_by.txt");
        std::fs::write(file, &now).unwrap();
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        jobs.len(),
        wrong.join("\n")
    );
    assert!(writes || now == RECORD, "the record is of another time: RECORD=write");
}

/// Of each defect in each role, the first case in which it shows.
const RECORD: &str = include_str!("endpoint/shown_by.txt");

fn record() -> HashMap<String, Case> {
    let cases: HashMap<String, Case> = Role::ALL
        .into_iter()
        .flat_map(Case::all)
        .map(|case| (case.name(), case))
        .collect();
    let lines = RECORD.lines().filter_map(|line| line.rsplit_once(' '));
    lines
        .filter_map(|(key, case)| Some((key.to_owned(), *cases.get(case)?)))
        .collect()
}

struct Job {
    defect: Defect,
    role: Role,
    verdict: Verdict,
}

/// All of them; with DEFECTS, those with this in their names.
fn jobs() -> impl Iterator<Item = Job> {
    let some = std::env::var("DEFECTS").unwrap_or_default();
    let wanted = DEFECTS
        .iter()
        .filter(move |(defect, ..)| format!("{defect:?}").contains(&some));
    wanted.flat_map(|(defect, roles, verdict)| {
        let roles = roles.roles().into_iter();
        roles.map(|role| Job {
            defect: *defect,
            role,
            verdict: *verdict,
        })
    })
}

impl Job {
    fn key(&self) -> String {
        format!("{:?} {}", self.defect, self.role)
    }

    /// What is about compression shows where that is agreed, and takes its time: the other cases say nothing new.
    fn checker(&self) -> Checker {
        let checker = Checker::new().without_shrinking();
        match self.defect.is_of_compression() {
            true => checker.about(|case| case.is_of_compression() || case == Case::Broken(Rule::ReservedBits)),
            false => checker,
        }
    }

    /// What does not take long.
    fn sample(&self) -> Checker {
        let about: fn(Case) -> bool = match self.defect.is_of_compression() {
            true => |case| case.is_of_compression() && case != Case::Legal(Topic::Windows),
            false => |case| !case.is_of_compression() && !matches!(case, Case::Legal(Topic::Long | Topic::Many)),
        };
        Checker::new().without_shrinking().about(about)
    }

    fn check(&self, checker: Checker) -> Report {
        check(checker, self.defect, self.role)
    }

    /// What it is taken for instead, in a few lines.
    fn wrong(&self, report: &Report) -> Option<String> {
        if report.verdict() == self.verdict {
            return None;
        }
        let text = report.to_string();
        let findings = text
            .lines()
            .filter(|line| line.contains(" as ") && line.contains("section"));
        let findings: Vec<_> = findings.take(3).collect();
        Some(format!(
            "{}: {}, not {}\n    {}",
            self.key(),
            report.verdict(),
            self.verdict,
            findings.join("\n    ")
        ))
    }
}

fn in_parallel(jobs: &[Job], check: impl Fn(&Job) -> Option<String> + Sync) -> Vec<String> {
    // What a panicking endpoint says is no use here.
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(check(job));
        }
        wrong
    };
    let wrong = std::thread::scope(|scope| {
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let _ = std::panic::take_hook();
    wrong
}

/// There are as many as the README says.
#[test]
fn the_readme_counts_the_defects() {
    let not_sound = DEFECTS.iter().filter(|defect| defect.2 > Verdict::Pass).count();
    let readme = include_str!("../README.md");
    assert!(readme.contains(&format!("{not_sound} defects")), "{not_sound}");
}
