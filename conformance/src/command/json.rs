//! The report as JSON.

use serde_json::{Value, json};
use sockless_conformance::Verdict;
use sockless_conformance::net::{NetReport, Run};

use super::terminal::in_order;

/// The most bytes of a session that are shown.
const SHOWN: usize = 4096;

fn hexadecimal(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    shown.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Skipped => "skipped",
        Verdict::Pass => "pass",
        Verdict::Custom => "custom",
        Verdict::Should => "should",
        Verdict::Fail => "fail",
    }
}

fn run(run: &Run) -> Value {
    let section = if run.judgement.section.is_empty() {
        run.session.case.section()
    } else {
        run.judgement.section
    };
    let mut value = json!({
        "id": run.id,
        "name": run.session.name,
        "case": run.session.case.name(),
        "section": section,
        "verdict": word(run.judgement.verdict),
        "milliseconds": run.took.as_millis() as u64,
    });
    if run.judgement.verdict > Verdict::Pass
        && let Value::Object(fields) = &mut value
    {
        fields.insert(String::from("why"), json!(run.judgement.why));
        fields.insert(String::from("sent"), json!(hexadecimal(&run.session.bytes)));
        fields.insert(String::from("sent_length"), json!(run.session.bytes.len()));
        fields.insert(
            String::from("cuts"),
            json!(run.cuts.iter().take(256).collect::<Vec<_>>()),
        );
        fields.insert(String::from("received"), json!(hexadecimal(&run.received)));
        fields.insert(String::from("received_length"), json!(run.received.len()));
        if let Some(shrunk) = &run.shrunk {
            let shrunk = json!({
                "why": shrunk.judgement.why,
                "sent": hexadecimal(&shrunk.session.bytes),
                "sent_length": shrunk.session.bytes.len(),
                "cuts": shrunk.cuts.iter().take(256).collect::<Vec<_>>(),
                "received": hexadecimal(&shrunk.received),
                "received_length": shrunk.received.len(),
                "sessions": shrunk.sessions,
            });
            fields.insert(String::from("shrunk"), shrunk);
        }
    }
    value
}

pub(crate) fn report(report: &NetReport) -> String {
    let cases = in_order(report);
    let cases = cases.iter().map(|finding| {
        json!({
            "case": finding.case.name(),
            "about": finding.case.to_string(),
            "section": finding.section,
            "verdict": word(finding.verdict),
            "why": finding.why,
            "sessions": finding.runs,
        })
    });
    let value = json!({
        "name": report.report.name,
        "role": report.report.role.to_string(),
        "verdict": word(report.report.verdict()),
        "seconds": report.took.as_secs_f64(),
        "cases": cases.collect::<Vec<_>>(),
        "sessions": report.runs.iter().map(run).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}
