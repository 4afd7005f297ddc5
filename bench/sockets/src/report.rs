//! The tables.

use std::fmt::Write;
use std::time::Duration;

use crate::load::WORKLOADS;
use crate::servers::{FLOOR, Server};

/// One measurement.
pub(crate) struct Cell {
    /// CPU time of the server for each message.
    pub(crate) cpu_micros: f64,
    pub(crate) per_second: f64,
    /// How long a burst took, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// One server: for each workload, a measurement of each round.
pub(crate) struct Row {
    pub(crate) server: Server,
    pub(crate) cells: [Vec<Cell>; WORKLOADS.len()],
    pub(crate) handshakes: Vec<f64>,
    pub(crate) idle: Option<(u64, u64)>,
}

impl Row {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            cells: Default::default(),
            handshakes: Vec::new(),
            idle: None,
        }
    }

    fn of(&self, column: usize, what: impl Fn(&Cell) -> f64) -> f64 {
        lower_quartile(self.cells[column].iter().map(what))
    }

    fn cpu(&self, column: usize) -> f64 {
        self.of(column, |cell| cell.cpu_micros)
    }
}

/// What is disturbed least: a machine is never faster than it is.
fn lower_quartile(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 4)
        .copied()
        .unwrap_or(f64::NAN)
}

pub(crate) fn text(rows: &[Row], rounds: usize, time: Duration, idle: u64) -> String {
    let mut text = String::from(
        "# Over sockets\n\nWritten by `cargo run --release -- --write` in `bench/sockets`, whose README says what is measured, and \
         how.\n\n",
    );
    writeln!(
        text,
        "{}; {}. Lower quartile of {rounds} interleaved rounds of {time:?} for each figure; 64 connections; gaps under 15 % \
         mean nothing.\n",
        processor(),
        versions()
    )
    .unwrap();
    let floor = rows.iter().find(|row| row.server.name == FLOOR);

    let titles = WORKLOADS.map(|workload| workload.title).join(" | ");
    let dashes = "---|".repeat(WORKLOADS.len());
    text.push_str(
        "CPU time of the server for each message, as a multiple of the floor's, of the handshake in microseconds, and ",
    );
    writeln!(
        text,
        "resident bytes for each of {idle} idle connections: after the handshake, and after a message of 4 KiB.\n"
    )
    .unwrap();
    writeln!(
        text,
        "| | {titles} | handshake, us | idle | after traffic |\n|---|{dashes}---|---|---|"
    )
    .unwrap();
    for row in rows {
        write!(text, "| {} |", row.server.name).unwrap();
        for column in 0..WORKLOADS.len() {
            let ratio = row.cpu(column) / floor.map_or(f64::NAN, |floor| floor.cpu(column));
            write!(text, " {ratio:.2} |").unwrap();
        }
        write!(text, " {:.0} |", lower_quartile(row.handshakes.iter().copied())).unwrap();
        match row.idle {
            Some((open, after)) => writeln!(text, " {open} | {after} |").unwrap(),
            None => text.push_str(" | |\n"),
        }
    }

    text.push_str("\nThe same in microseconds.\n\n");
    table(&mut text, rows, |row, column| format!("{:.2}", row.cpu(column)));
    text.push_str("\nMessages a second, as many as one client on one processor makes.\n\n");
    table(&mut text, rows, |row, column| {
        let slowness = row.of(column, |cell| -cell.per_second);
        format!("{:.0}", -slowness)
    });
    text.push_str("\nHow long a burst took, in microseconds: half of them, and 99 of 100.\n\n");
    table(&mut text, rows, |row, column| {
        format!(
            "{:.0} / {:.0}",
            row.of(column, |cell| cell.p50),
            row.of(column, |cell| cell.p99)
        )
    });
    text
}

fn table(text: &mut String, rows: &[Row], show: impl Fn(&Row, usize) -> String) {
    let titles = WORKLOADS.map(|workload| workload.title).join(" | ");
    writeln!(text, "| | {titles} |\n|---|{}", "---|".repeat(WORKLOADS.len())).unwrap();
    for row in rows {
        let cells: Vec<String> = (0..WORKLOADS.len()).map(|column| show(row, column)).collect();
        writeln!(text, "| {} | {} |", row.server.name, cells.join(" | ")).unwrap();
    }
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |name| name.trim_start_matches(['\t', ' ', ':']).to_owned(),
    )
}

/// Those of the peers, as they are locked here.
fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let peers = [
        "fastwebsockets",
        "mio",
        "tokio",
        "tokio-tungstenite",
        "tokio-websockets",
        "yawc",
    ];
    let mut found = Vec::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            package
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim_matches('"'))
        };
        if let (Some(name), Some(version)) = (field("name = "), field("version = "))
            && peers.contains(&name)
        {
            found.push(format!("{name} {version}"));
        }
    }
    found.join(", ")
}
