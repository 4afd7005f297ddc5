//! The tables, the bars, and the chart.

use std::fmt::Write;

use crate::measure::{Idle, Line, Row};
use crate::peers;
use crate::workloads::Workload;

/// The crate as it is measured against the bars.
const MESSAGES: &str = "sockless";
const ONE_BUFFER: &str = "sockless, one buffer";
const BUFFERED: &str = "sockless, buffered";
const STREAMING: &str = "sockless, streaming";

/// In the unit of the workload: nanoseconds, or gigabytes of payload per second.
fn value(workload: &Workload, nanoseconds: f64) -> f64 {
    if workload.throughput {
        workload.len as f64 / nanoseconds
    } else {
        nanoseconds
    }
}

fn number(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

pub fn cell(workload: &Workload, line: &Line) -> String {
    let show = |nanoseconds| number(value(workload, nanoseconds));
    format!(
        "{} ({} to {})",
        show(line.median()),
        show(line.best()),
        show(line.worst())
    )
}

fn names(rows: &[Row]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for peer in peers::ALL {
        if rows.iter().any(|row| row.line(peer.name).is_some()) {
            names.push(peer.name);
        }
    }
    names
}

fn table(rows: &[Row], show: impl Fn(&Workload, &Line) -> String, unit: bool) -> String {
    let names = names(rows);
    let mut text = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for row in rows {
        let unit = match (unit, row.workload.throughput) {
            (false, _) => "",
            (true, true) => ", GB/s",
            (true, false) => ", ns",
        };
        write!(text, "| {}{unit} |", row.workload.title).unwrap();
        for name in &names {
            let cell = row.line(name).map(|line| show(&row.workload, line)).unwrap_or_default();
            write!(text, " {cell} |").unwrap();
        }
        text.push('\n');
    }
    text
}

pub fn times(rows: &[Row]) -> String {
    table(rows, cell, true)
}

pub fn allocations(rows: &[Row]) -> String {
    table(
        rows,
        |_, line| match line.allocations {
            0.0 => "0".into(),
            calls => format!("{calls:.2} ({:.0} B)", line.bytes),
        },
        false,
    )
}

pub fn idle(lines: &[Idle]) -> String {
    let mut text = "| | before any message | after a message of 128 B and its answer |\n|---|---|---|\n".to_string();
    for Idle { name, fresh, used } in lines {
        writeln!(text, "| {name} | {fresh} | {used} |").unwrap();
    }
    text
}

/// Whether a bar is met, in words.
struct Bar {
    what: String,
    bar: String,
    measured: Option<String>,
    met: bool,
}

impl Bar {
    fn at_most(what: &str, bar: f64, of: &str, measured: Option<f64>) -> Self {
        Self {
            what: what.into(),
            bar: format!("at most {bar} x {of}"),
            measured: measured.map(|value| format!("{value:.2} x")),
            met: measured.is_some_and(|value| value <= bar),
        }
    }

    fn at_least(what: &str, bar: f64, of: &str, measured: Option<f64>) -> Self {
        Self {
            what: what.into(),
            bar: format!("at least {bar} x {of}"),
            measured: measured.map(|value| format!("{value:.2} x")),
            met: measured.is_some_and(|value| value >= bar),
        }
    }
}

/// The peers that are whole implementations.
const WHOLE: [&str; 3] = ["tungstenite", "fastwebsockets", "tokio-websockets"];

pub fn bars(rows: &[Row], idle: &[Idle]) -> String {
    let mut bars = Vec::new();
    for row in rows {
        let (id, title) = (row.workload.id.as_str(), row.workload.title.as_str());
        let floor = row.ratio(MESSAGES, "floor");
        // How many times as fast as another.
        let speed = |name| row.ratio(name, MESSAGES);
        let mut most = |bar| bars.push(Bar::at_most(title, bar, "the floor", floor));
        match id {
            "server-receive-16" | "server-receive-128-text" | "echo-128-text" => most(1.3),
            "client-receive-16" => most(1.4),
            "server-send-16" => most(1.1),
            "client-send-16" => most(1.2),
            _ => {}
        }
        for name in [MESSAGES, BUFFERED] {
            let what = format!("{title}, {name}");
            let times = |other| row.ratio(other, name);
            if row.workload.throughput {
                let bar = if id == "client-send-64k" { 0.95 } else { 0.9 };
                bars.push(Bar::at_least(&what, bar, "the floor's throughput", times("floor")));
            } else if name == BUFFERED && row.line(name).is_some() {
                let ratio = times(MESSAGES).map(|ratio| 1.0 / ratio);
                bars.push(Bar::at_most(&what, 1.2, "the plain loop", ratio));
            }
            // Who sends by reference does not copy, and who validates nothing is not compared.
            if row.workload.throughput && id != "server-send-64k" {
                for peer in WHOLE {
                    bars.push(Bar::at_least(&what, 1.0, &format!("as fast as {peer}"), times(peer)));
                }
            }
        }
        if matches!(
            id,
            "server-receive-16" | "server-receive-128-text" | "client-receive-16"
        ) {
            for name in ["tungstenite", "fastwebsockets"] {
                bars.push(Bar::at_least(title, 3.5, &format!("as fast as {name}"), speed(name)));
            }
        }
        if id == "server-receive-1m" || id == "server-receive-1m-fragments" {
            let whole = || WHOLE.iter().filter_map(|name| row.line(name));
            let own = row.line(MESSAGES);
            let least = whole().map(|line| line.bytes).fold(f64::INFINITY, f64::min);
            bars.push(Bar {
                what: title.into(),
                bar: format!("fewer bytes allocated per message once warm than any peer ({least:.0}), or none"),
                measured: own.map(|line| format!("{:.0}", line.bytes)),
                met: own.is_some_and(|line| line.bytes < least || line.bytes == 0.0),
            });
            let least = whole().map(|line| line.first_bytes).min().unwrap_or(u64::MAX);
            bars.push(Bar {
                what: title.into(),
                bar: format!(
                    "fewer bytes allocated by a fresh connection for {} messages than any peer ({least})",
                    row.workload.count
                ),
                measured: own.map(|line| line.first_bytes.to_string()),
                met: own.is_some_and(|line| line.first_bytes < least),
            });
        }
        if let Some(ratio) = row.ratio(STREAMING, "floor, pieces") {
            let title = format!("{title}, streaming");
            bars.push(Bar::at_least(
                &title,
                0.95,
                "the throughput of the floor in pieces",
                Some(1.0 / ratio),
            ));
        }
        if id == "handshake" {
            let fastest = WHOLE
                .iter()
                .filter_map(|name| speed(name))
                .fold(f64::INFINITY, f64::min);
            bars.push(Bar::at_least(
                title,
                1.5,
                "as fast as the fastest peer",
                fastest.is_finite().then_some(fastest),
            ));
        }
        let own = row.line(MESSAGES).map(|line| line.allocations);
        bars.push(Bar {
            what: title.into(),
            bar: "no allocation once warm".into(),
            measured: own.map(|calls| format!("{calls:.2}")),
            met: own == Some(0.0),
        });
    }
    for (name, most) in [(STREAMING, 256), (ONE_BUFFER, 512)] {
        let own = idle.iter().find(|line| line.name == name).map(|line| line.used);
        bars.push(Bar {
            what: format!("idle connection, {name}"),
            bar: format!("at most {most} bytes, all included"),
            measured: own.map(|bytes| bytes.to_string()),
            met: own.is_some_and(|bytes| bytes <= most),
        });
    }

    let mut text = "| workload | bar | measured | |\n|---|---|---|---|\n".to_string();
    for Bar {
        what,
        bar,
        measured,
        met,
    } in bars
    {
        let verdict = match (&measured, met) {
            (None, _) => "not measured",
            (_, true) => "met",
            (_, false) => "**missed**",
        };
        writeln!(
            text,
            "| {what} | {bar} | {} | {verdict} |",
            measured.unwrap_or_default()
        )
        .unwrap();
    }
    text
}

const COLORS: [&str; 10] = [
    "#9e9e9e", "#616161", "#d84315", "#ff8a65", "#ffab91", "#bf360c", "#1565c0", "#2e7d32", "#6a1b9a", "#b08900",
];

/// Speed as a share of the floor's, as bars.
pub fn chart(rows: &[Row]) -> String {
    let names: Vec<_> = names(rows).into_iter().filter(|name| *name != "floor").collect();
    let (left, width, bar, gap) = (330.0, 520.0, 11.0, 12.0);
    // The floor stands at this share of the width; who copies less than the floor goes beyond it.
    let scale = width / 1.25;
    let mut body = String::new();
    let mut y = 70.0 + 18.0 * names.len().div_ceil(3) as f64;
    let top = y;
    for row in rows {
        let lines: Vec<_> = names
            .iter()
            .enumerate()
            .filter_map(|(i, name)| Some((i, row.line(name)?)))
            .collect();
        let middle = y + bar * lines.len() as f64 / 2.0 + 4.0;
        writeln!(
            body,
            r#"<text x="{}" y="{middle}" text-anchor="end">{}</text>"#,
            left - 10.0,
            row.workload.title
        )
        .unwrap();
        for (i, line) in lines {
            let share = row.ratio("floor", line.name).unwrap_or(0.0);
            let length = (share * scale).clamp(0.0, width);
            let unit = if row.workload.throughput { "GB/s" } else { "ns" };
            let label = format!("{} {unit}", number(value(&row.workload, line.median())));
            writeln!(
                body,
                r#"<rect x="{left}" y="{y:.1}" width="{length:.1}" height="{}" fill="{}"/><text class="v" x="{:.1}" y="{:.1}">{label}</text>"#,
                bar - 1.5,
                COLORS[i % COLORS.len()],
                left + length + 4.0,
                y + bar - 2.5,
            )
            .unwrap();
            y += bar;
        }
        y += gap;
    }
    let mut legend = String::new();
    for (i, name) in names.iter().enumerate() {
        let (x, y) = (20.0 + 300.0 * (i % 3) as f64, 52.0 + 18.0 * (i / 3) as f64);
        writeln!(
            legend,
            r#"<rect x="{x}" y="{y}" width="11" height="11" fill="{}"/><text x="{}" y="{}">{name}</text>"#,
            COLORS[i % COLORS.len()],
            x + 17.0,
            y + 10.0,
        )
        .unwrap();
    }
    let line = left + scale;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" font-family="sans-serif" font-size="12">
<style>.v{{font-size:9px;fill:#444}}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="20" y="24" font-size="16">Speed as a share of the floor's (the line); longer is faster</text>
{legend}<line x1="{line}" x2="{line}" y1="{y1}" y2="{y}" stroke="#222" stroke-dasharray="3 2"/>
{body}</svg>
"##,
        w = left + width + 90.0,
        h = y + 10.0,
        y1 = top - 6.0,
    )
}

/// What was measured where: the processor, the compiler, the versions of the peers.
pub fn setting() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|name| name.trim_matches([' ', '\t', ':']));
    let compiler = std::process::Command::new("rustc").arg("--version").output().ok();
    let compiler = compiler
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    let target = if cfg!(target_feature = "avx2") {
        "with AVX2 at compile time"
    } else {
        "default target CPU"
    };
    let mut versions = Vec::new();
    let mut name = "";
    for line in include_str!("../Cargo.lock").lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            name = value.trim_matches('"');
        } else if let Some(version) = line.strip_prefix("version = ")
            && [&WHOLE[..], &["websocket-sans-io", "simdutf8"]]
                .concat()
                .contains(&name)
        {
            versions.push(format!("{name} {}", version.trim_matches('"')));
        }
    }
    format!(
        "{}; {}; {target}; {}.",
        cpu.unwrap_or("unknown processor"),
        compiler.trim(),
        versions.join(", ")
    )
}
