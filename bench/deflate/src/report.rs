//! The tables.

use std::fmt::Write as _;
use std::process::Command;

use crate::Compared;
use crate::peers::{MANY, PEERS, ROUNDS, Row};

/// Prints the peers.
pub(crate) fn print(peers: &[Row]) {
    for ((name, _), row) in PEERS.iter().zip(peers) {
        println!(
            "{name:<24} one {:7.1} us {:5.2} x   {MANY} in turn {:7.1} us {:5.2} x   {:4.1} % of the size   {:7} bytes an end",
            row.time[0],
            row.ratio[0],
            row.time[1],
            row.ratio[1],
            100.0 * row.size,
            row.held
        );
    }
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Writes `docs/compression-benchmarks.md`.
pub(crate) fn write(rows: &[Compared], peers: &[Row]) {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let mut text = format!(
        "# Compression: benchmarks\n\n\
         Written by `cargo run --release write` in `bench/deflate`. The subjects take turns, and each ratio is the median of \
         the ratios of the rounds: read those rather than the times, which move with the machine's load. The messages are JSON \
         of 1 KiB.\n\n{}; {}; zlib-rs 0.6.8 at level 6.\n\n\
         ## Lent engines and dedicated states\n\n\
         Beside zlib-rs alone: a dedicated state for each connection, without frames, masks or UTF-8.\n\n\
         | | sockless, us | zlib-rs alone, us | ratio | bar | |\n|---|---|---|---|---|---|\n",
        cpu.trim_start_matches([' ', '\t', ':']),
        first_line(Command::new("rustc").arg("--version")),
    );
    let bare = |row: &&Compared| !row.name.starts_with("plain") && !row.name.contains("fresh");
    for row in rows.iter().filter(bare) {
        let bar = if row.goal.is_nan() {
            String::new()
        } else {
            format!("{:.2}", row.goal)
        };
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {bar} | {} |",
            row.name,
            row.ours,
            row.theirs,
            row.ratio,
            row.verdict()
        );
    }
    text.push_str("\nAnd beside itself:\n\n| | us | us | ratio |\n|---|---|---|---|\n");
    for row in rows.iter().filter(|row| !bare(row)) {
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} |",
            row.name, row.ours, row.theirs, row.ratio
        );
    }
    let _ = write!(
        text,
        "\n## Peers that compress\n\n\
         Each with its defaults, over the same pipe in memory, {ROUNDS} rounds: a client sends a message, the server sends it \
         back, so that each echo is compressed twice and inflated twice. Both ends are of the same implementation. The ratios \
         are to the first row. Bytes held are resident memory for each end of {MANY} connections on which 16 messages went \
         both ways, the pipe's own included. soketto 0.8.1 compresses, too, but with flate2 1.1 its receiver refuses what its \
         sender makes (\"incomplete deflate stream\").\n\n\
         | | set up | one connection, us | ratio | {MANY} in turn, us | ratio | size | bytes held |\n|---|---|---|---|---|---|---|---|\n"
    );
    for ((name, options), row) in PEERS.iter().zip(peers) {
        let _ = writeln!(
            text,
            "| {name} | {options} | {:.1} | {:.2} | {:.1} | {:.2} | {:.1} % | {} |",
            row.time[0],
            row.ratio[0],
            row.time[1],
            row.ratio[1],
            100.0 * row.size,
            row.held
        );
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compression-benchmarks.md");
    std::fs::write(path, text).unwrap();
}
