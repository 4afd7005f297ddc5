//! The report as one page that needs nothing else.

use sockless_conformance::Verdict;
use sockless_conformance::net::{NetReport, Run};

use super::terminal::{in_order, summary};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd}
td.n{text-align:right}code,pre{font:13px/1.4 ui-monospace,monospace}pre{background:#f5f5f5;padding:.5rem;overflow-x:auto}
.pass{color:#176f2c}.custom{color:#0b6070}.should{color:#8a5a00}.fail{color:#b00020;font-weight:bold}.skipped{color:#777}
summary{cursor:pointer}details details{margin-left:1rem}
@media(max-width:40rem){body{margin:1rem auto;padding:0 .6rem}table{font-size:14px}td,th{padding:.2rem .3rem}pre{font-size:11px}}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}pre{background:#262626}td,th{border-color:#444}
.pass{color:#6fcf87}.custom{color:#6cc5d6}.should{color:#e0b050}.fail{color:#ff7b8a}}";

/// The most sessions that are shown of a case.
const SHOWN: usize = 40;
/// The most bytes that are shown of a session.
const BYTES: usize = 512;
/// The most places that are shown at which it is cut.
const PLACES: usize = 12;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Skipped => "skipped",
        Verdict::Pass => "pass",
        Verdict::Custom => "custom",
        Verdict::Should => "should",
        Verdict::Fail => "fail",
    }
}

fn dump(bytes: &[u8]) -> String {
    let shown = bytes.get(..BYTES).unwrap_or(bytes);
    let mut text = String::new();
    for (number, line) in shown.chunks(16).enumerate() {
        let hexadecimal: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let plain: String = line
            .iter()
            .map(|byte| {
                if (0x20..0x7f).contains(byte) {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        text += &format!(
            "{:04x}  {:<47}  {}\n",
            number * 16,
            hexadecimal.join(" "),
            escaped(&plain)
        );
    }
    if shown.len() < bytes.len() {
        text += &format!("and {} bytes more\n", bytes.len() - shown.len());
    }
    text
}

/// What was sent and what came back.
fn exchange(sent: &[u8], cuts: &[usize], received: &[u8]) -> String {
    let mut text = format!("<p>Sent, {} bytes", sent.len());
    if !cuts.is_empty() {
        let places: Vec<_> = cuts.iter().take(PLACES).map(usize::to_string).collect();
        let more = if cuts.len() > PLACES { " and so on" } else { "" };
        text += &format!(" in {} pieces, cut at {}{more}", cuts.len() + 1, places.join(", "));
    }
    text + &format!(
        ":</p><pre>{}</pre><p>Came back, {} bytes:</p><pre>{}</pre>",
        dump(sent),
        received.len(),
        dump(received)
    )
}

fn session(run: &Run) -> String {
    let verdict = run.judgement.verdict;
    let section = if run.judgement.section.is_empty() {
        run.session.case.section()
    } else {
        run.judgement.section
    };
    let mut text = format!(
        "<details><summary><span class=\"{}\">{}</span> <code>{}</code> {}</summary>\
        <p>Section {section}: {}</p>",
        class(verdict),
        verdict.word(),
        escaped(&run.id),
        escaped(&run.session.name),
        escaped(&run.judgement.why),
    );
    let whole = exchange(&run.session.bytes, &run.cuts, &run.received);
    match &run.shrunk {
        Some(shrunk) => {
            if shrunk.judgement.why != run.judgement.why {
                text += &format!("<p>Shrunk, it {}</p>", escaped(&shrunk.judgement.why));
            }
            text += &exchange(&shrunk.session.bytes, &shrunk.cuts, &shrunk.received);
            text += &format!("<details><summary>Before it was shrunk</summary>{whole}</details>");
        }
        None => text += &whole,
    }
    text + "</details>\n"
}

pub(crate) fn report(report: &NetReport) -> String {
    let title = escaped(&format!("{} as {}", report.report.name, report.report.role));
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
        <title>{title}: RFC 6455</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escaped(&summary(report))
    );
    text += "<table><tr><th>Section<th>Case<th>Sessions<th>Verdict</tr>\n";
    for finding in in_order(report) {
        text += &format!(
            "<tr><td>{}<td><a href=\"#{name}\">{}</a><td class=\"n\">{}<td class=\"{}\">{}</tr>\n",
            finding.case.section(),
            escaped(&finding.case.to_string()),
            finding.runs,
            class(finding.verdict),
            finding.verdict.word(),
            name = finding.case.name(),
        );
    }
    text += "</table>\n<dl>\n";
    for verdict in Verdict::ALL {
        text += &format!(
            "<dt class=\"{}\">{}<dd>{}\n",
            class(verdict),
            verdict.word(),
            verdict.meaning()
        );
    }
    text += "</dl>\n";
    for finding in in_order(report) {
        text += &format!(
            "<h2 id=\"{}\">{} <small>section {}</small></h2>\n",
            finding.case.name(),
            escaped(&finding.case.to_string()),
            finding.case.section()
        );
        let mut runs: Vec<_> = report
            .runs
            .iter()
            .filter(|run| run.session.case == finding.case)
            .collect();
        runs.retain(|run| run.judgement.verdict > Verdict::Pass);
        runs.sort_by_key(|run| (std::cmp::Reverse(run.judgement.verdict), run.shrunk.is_none()));
        let passed = finding.runs as usize - runs.len().min(finding.runs as usize);
        text += &format!("<p>{passed} of {} sessions passed.</p>\n", finding.runs);
        text.extend(runs.iter().take(SHOWN).map(|run| session(run)));
        if runs.len() > SHOWN {
            text += &format!("<p>And {} more.</p>\n", runs.len() - SHOWN);
        }
    }
    text += "</html>\n";
    text
}
