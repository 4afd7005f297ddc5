//! The check of the check: breakages made by hand, each of which the checker must notice at its default settings.

mod endpoint;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use endpoint::{DEFECTS, Defect};
use sockless_conformance::{Case, Checker, Report, Role, Rule, Verdict, Wire};

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
#[test]
fn every_defect_is_noticed() {
    noticed(false);
}

#[test]
fn every_defect_of_compression_is_noticed() {
    noticed(true);
}

fn noticed(of_compression: bool) {
    // What a panicking endpoint says is no use here.
    std::panic::set_hook(Box::new(|_| {}));
    let jobs: Vec<_> = DEFECTS
        .iter()
        .filter(|(defect, ..)| defect.is_of_compression() == of_compression)
        .flat_map(|(defect, roles, verdict)| roles.roles().into_iter().map(|role| (*defect, role, *verdict)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some((defect, role, verdict)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            // What is about compression shows where that is agreed, and takes its time: the other cases say nothing new.
            let mut checker = Checker::new().stop_at_first_fail();
            if defect.is_of_compression() {
                checker = checker.about(|case| case.is_of_compression() || case == Case::Broken(Rule::ReservedBits));
            }
            let report = check(checker, *defect, *role);
            if report.verdict() != *verdict {
                wrong.push(format!(
                    "{defect:?} as {role}: {}, not {verdict}\n{report}",
                    report.verdict()
                ));
            }
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let _ = std::panic::take_hook();
    let brief = |text: &String| {
        text.lines()
            .take(1)
            .chain(
                text.lines()
                    .filter(|line| line.contains(" as ") && line.contains("section"))
                    .take(3),
            )
            .collect::<Vec<_>>()
            .join("\n    ")
    };
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        jobs.len(),
        wrong.iter().map(brief).collect::<Vec<_>>().join("\n")
    );
}

/// Every defect is another one, and there are as many as are promised.
#[test]
fn there_are_enough_defects() {
    assert!(DEFECTS.len() >= 150, "{}", DEFECTS.len());
}
