//! The table in the terminal, and below it what did not pass.

use sockless_conformance::net::NetReport;
use sockless_conformance::{Finding, Verdict};

/// How many sessions are shown of each case that did not pass.
const SHOWN: usize = 3;

fn painted(verdict: Verdict, text: &str, colour: bool) -> String {
    let code = match verdict {
        Verdict::Skipped => "2",
        Verdict::Pass => "32",
        Verdict::Custom => "36",
        Verdict::Should => "33",
        Verdict::Fail => "1;31",
    };
    if colour {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        String::from(text)
    }
}

pub(crate) fn report(report: &NetReport, colour: bool) -> String {
    let findings = in_order(report);
    let mut text = format!("{}, as {}\n\n", report.report.name, report.report.role);
    text += &format!("{:<12}{:<52}{:>8}  verdict\n", "section", "case", "sessions");
    for finding in &findings {
        text += &format!(
            "{:<12}{:<52}{:>8}  {}\n",
            finding.case.section(),
            finding.case.to_string(),
            finding.runs,
            painted(finding.verdict, finding.verdict.word(), colour)
        );
    }
    for verdict in [Verdict::Fail, Verdict::Should, Verdict::Custom] {
        let of_this: Vec<_> = findings.iter().filter(|finding| finding.verdict == verdict).collect();
        if of_this.is_empty() {
            continue;
        }
        text += &format!(
            "\n{}: {}\n",
            painted(verdict, verdict.word(), colour),
            verdict.meaning()
        );
        for finding in of_this {
            text += &case(report, finding);
        }
    }
    let skipped: Vec<_> = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Skipped)
        .collect();
    if !skipped.is_empty() {
        text += &format!("\n{}: {}\n", Verdict::Skipped.word(), Verdict::Skipped.meaning());
    }
    for finding in skipped {
        text += &format!("  {}: {}\n", finding.case, finding.why);
    }
    for limit in &report.report.limits {
        text += &format!("\nIt has a limit, which is no fault: it {limit}\n");
    }
    text += &format!("\n{}\n", summary(report));
    text
}

/// The sessions of a case that did worst.
fn case(report: &NetReport, finding: &Finding) -> String {
    let mut text = format!("  {}\n", finding.case);
    let runs = report.runs.iter().filter(|run| run.session.case == finding.case);
    let mut worst: Vec<_> = runs.filter(|run| run.judgement.verdict == finding.verdict).collect();
    if worst.is_empty() {
        text += &format!("    section {}: {}\n", finding.section, finding.why);
    }
    // Those first that were made smaller.
    worst.sort_by_key(|run| run.shrunk.is_none());
    for run in worst.iter().take(SHOWN) {
        let section = if run.judgement.section.is_empty() {
            finding.case.section()
        } else {
            run.judgement.section
        };
        text += &format!(
            "    {} ({})\n      section {section}: {}\n",
            run.id, run.session.name, run.judgement.why
        );
        match &run.shrunk {
            Some(shrunk) => {
                if shrunk.judgement.why != run.judgement.why {
                    text += &format!("      shrunk, it {}\n", shrunk.judgement.why);
                }
                text += &format!("      sent {}\n", pieces(&shrunk.session.bytes, &shrunk.cuts));
                text += &format!("      came {}\n", brief(&shrunk.received));
            }
            None => {
                text += &format!("      sent {}\n", brief(&run.session.bytes));
                text += &format!("      came {}\n", brief(&run.received));
            }
        }
    }
    if worst.len() > SHOWN {
        text += &format!("    and {} more\n", worst.len() - SHOWN);
    }
    text
}

/// What was sent, as it was cut.
fn pieces(bytes: &[u8], cuts: &[usize]) -> String {
    let mut text = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]).take(12) {
        // What was made as small as it can be is shown as far as that.
        text.push(start(bytes.get(at..cut).unwrap_or_default(), 256));
        at = cut;
    }
    if at < bytes.len() {
        text.push(String::from("and so on"));
    }
    text.join(", ")
}

fn brief(bytes: &[u8]) -> String {
    start(bytes, 64)
}

fn start(bytes: &[u8], most: usize) -> String {
    let shown = bytes.get(..most).unwrap_or(bytes);
    let more = bytes.len() - shown.len();
    let more = if more > 0 {
        format!(" and {more} bytes more")
    } else {
        String::new()
    };
    format!("b\"{}\"{more}", shown.escape_ascii())
}

pub(crate) fn in_order(report: &NetReport) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = report
        .report
        .findings
        .iter()
        .filter(|finding| finding.runs > 0 || !finding.why.is_empty())
        .collect();
    findings.sort_by_key(|finding| {
        let numbers = finding
            .case
            .section()
            .split(['.', '/'])
            .map(|number| number.parse().unwrap_or(0));
        numbers.collect::<Vec<u32>>()
    });
    findings
}

pub(crate) fn summary(report: &NetReport) -> String {
    let mut counts = Vec::new();
    for verdict in Verdict::ALL {
        let count = report
            .runs
            .iter()
            .filter(|run| run.judgement.verdict == verdict)
            .count();
        if count > 0 {
            let word = match verdict {
                Verdict::Skipped => "not run",
                Verdict::Pass | Verdict::Custom | Verdict::Should | Verdict::Fail => verdict.word(),
            };
            counts.push(format!("{count} {word}"));
        }
    }
    format!(
        "{} sessions in {:.1} s: {}",
        report.runs.len(),
        report.took.as_secs_f32(),
        counts.join(", ")
    )
}
