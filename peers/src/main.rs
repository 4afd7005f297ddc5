//! Runs the conformance kit against this crate and other implementations in memory, and prints a table of verdicts by section.
//!
//! `cargo run --release --manifest-path peers/Cargo.toml [SESSIONS PER CASE]`
//!
//! Each is run as its documentation shows, with its defaults: read until it says that it is over, write what it wants
//! to write. What it leaves to its user, such as the Close after an error, is not done for it; the table says "should".

mod fastwebsockets;
mod tokio_websockets;
mod tungstenite;

use std::time::Instant;

use sockless_conformance::{Checker, Role, Table, Verdict, Wire};
use sockless_fuzz::implementation;

fn main() {
    let cases = std::env::args()
        .nth(1)
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(24);
    // A panic is a finding, which the table shows.
    std::panic::set_hook(Box::new(|_| {}));
    let implementations: [(&str, fn(&mut Wire)); 5] = [
        ("sockless", implementation::messages),
        ("sockless, buffered", implementation::buffered),
        ("tungstenite", tungstenite::run),
        ("fastwebsockets", fastwebsockets::run),
        ("tokio-websockets", tokio_websockets::run),
    ];
    let checker = Checker::new().cases(cases);
    let mut reports = Vec::new();
    let mut times = Vec::new();
    for (name, run) in implementations {
        for role in Role::ALL {
            let start = Instant::now();
            // An implementation that hangs is a finding too.
            let report = checker.check_isolated(name, role, run);
            let runs = report.runs();
            times.push(format!(
                "{name} as {role}: {runs} connections in {:.1} s",
                start.elapsed().as_secs_f32()
            ));
            reports.push(report);
        }
    }
    println!("{}", Table(&reports));
    for verdict in [Verdict::Fail, Verdict::Should, Verdict::Custom] {
        for report in &reports {
            for finding in report.with(verdict) {
                println!("{} as {}: {finding}", report.name, report.role);
            }
        }
    }
    for report in &reports {
        for limit in &report.limits {
            println!("{} as {} has a limit: it {limit}", report.name, report.role);
        }
    }
    println!();
    for time in times {
        println!("{time}");
    }
}
