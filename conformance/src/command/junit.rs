//! The report as JUnit has it: a set of tests for each case, a test for each session.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use sockless_conformance::Verdict;
use sockless_conformance::net::NetReport;

use super::terminal::in_order;

pub(crate) fn report(report: &NetReport) -> Result<String, String> {
    let mut all = Report::new(format!("{} as {}", report.report.name, report.report.role));
    all.set_time(report.took);
    for finding in in_order(report) {
        let mut suite = TestSuite::new(format!("{} {}", finding.case.section(), finding.case));
        for run in report.runs.iter().filter(|run| run.session.case == finding.case) {
            let judgement = &run.judgement;
            let mut status = match judgement.verdict {
                Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Verdict::Skipped => TestCaseStatus::skipped(),
                Verdict::Pass | Verdict::Custom | Verdict::Should => TestCaseStatus::success(),
            };
            if judgement.verdict == Verdict::Fail {
                status.set_message(format!("section {}: {}", judgement.section, judgement.why));
                status.set_description(format!(
                    "sent b\"{}\"\ncame b\"{}\"",
                    run.session
                        .bytes
                        .get(..256)
                        .unwrap_or(&run.session.bytes)
                        .escape_ascii(),
                    run.received.get(..256).unwrap_or(&run.received).escape_ascii()
                ));
            }
            let mut test = TestCase::new(format!("{} {}", run.id, run.session.name), status);
            test.set_classname(finding.case.name());
            test.set_time(run.took);
            if matches!(judgement.verdict, Verdict::Custom | Verdict::Should) {
                test.set_system_out(format!(
                    "{}: section {}: {}",
                    judgement.verdict.word(),
                    judgement.section,
                    judgement.why
                ));
            }
            suite.add_test_case(test);
        }
        all.add_test_suite(suite);
    }
    all.to_string().map_err(|error| error.to_string())
}
