//! Echo servers over loopback: CPU time of the server for each message, as a multiple of a floor written by hand, and memory
//! of idle connections. `README.md` says what is measured, and how.

mod load;
mod process;
mod report;
mod servers;

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::{Long, Short, Value, ValueExt};
use load::{Clients, WORKLOADS};
use process::{Process, Side, on_processor};
use report::{Cell, Row};
use servers::{Result, Server, Start};

const HELP: &str = "\
Measures echo servers over loopback.

Usage: sockets [OPTION]...
       sockets serve NAME

  --quick              a rough run
  --rounds NUMBER      rounds, each with all servers (default: 9; quick: 3)
  --millis NUMBER      of each measurement (default: 500; quick: 100)
  --idle NUMBER        idle connections, 0 for none (default: 10000)
  --only NAME          only servers with this in their name, beside the floor (several may be given)
  --with NAME=COMMAND  one more server: a command whose first line ends with :PORT (several may be given)
  --write              also write docs/sockets.md
  --help               print this and exit
";

/// How many connections are busy at once.
const CONNECTIONS: usize = 64;
/// How many opening handshakes are measured in each round.
const HANDSHAKES: u32 = 300;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockets: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    rounds: usize,
    time: Duration,
    idle: u64,
    only: Vec<String>,
    with: Vec<Server>,
    write: bool,
}

fn run() -> Result {
    let mut options = Options {
        rounds: 9,
        time: Duration::from_millis(500),
        idle: 10_000,
        only: Vec::new(),
        with: Vec::new(),
        write: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            Long("quick") => (options.rounds, options.time) = (3, Duration::from_millis(100)),
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("millis") => options.time = Duration::from_millis(parser.value()?.parse()?),
            Long("idle") => options.idle = parser.value()?.parse()?,
            Long("only") => options.only.push(parser.value()?.string()?),
            Long("with") => {
                let text = parser.value()?.string()?;
                let (name, command) = text.split_once('=').ok_or("--with needs NAME=COMMAND")?;
                options.with.push(Server {
                    name: name.to_owned(),
                    start: Start::Command(command.split_whitespace().map(str::to_owned).collect()),
                });
            }
            Long("write") => options.write = true,
            Value(word) if word == "serve" => return serve(&parser.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    on_processor(Side::Client, || measure(options))?
}

/// Serves until it is ended.
fn serve(name: &str) -> Result {
    let server = servers::all().into_iter().find(|server| server.name == name);
    rlimit::increase_nofile_limit(u64::MAX)?;
    match server.map(|server| server.start) {
        Some(Start::Here(serve)) => serve(TcpListener::bind(("127.0.0.1", 0))?),
        Some(Start::Command(_)) | None => Err(format!("no server '{name}' in this program").into()),
    }
}

fn measure(options: Options) -> Result {
    let mut rows: Vec<Row> = Vec::new();
    let mut processes = Vec::new();
    for server in servers::all().into_iter().chain(options.with) {
        let asked_for = |only: &String| server.name.contains(only) || server.name == servers::FLOOR;
        if !options.only.is_empty() && !options.only.iter().any(asked_for) {
            continue;
        }
        match Process::start(&server) {
            Ok(process) => {
                processes.push(process);
                rows.push(Row::new(server));
            }
            Err(error) => eprintln!("left out: {}: {error}", server.name),
        }
    }
    let began = Instant::now();
    for round in 0..options.rounds {
        for (column, workload) in WORKLOADS.iter().enumerate() {
            for i in 0..rows.len() {
                // In changing order.
                let i = (i + round) % rows.len();
                let cell = busy(&processes[i], workload, options.time);
                let cell = cell.map_err(|error| format!("{}, {}: {error}", rows[i].server.name, workload.title))?;
                rows[i].cells[column].push(cell);
            }
        }
        for (row, process) in rows.iter_mut().zip(&processes) {
            row.handshakes.push(handshakes(process)?);
        }
        eprintln!("round {} of {}, {:.0?}", round + 1, options.rounds, began.elapsed());
    }
    drop(processes);
    if options.idle > 0 {
        for row in &mut rows {
            let idle = idle(&Process::start(&row.server)?, options.idle);
            row.idle = Some(idle.map_err(|error| format!("{}, idle: {error}", row.server.name))?);
        }
    }
    let report = report::text(&rows, options.rounds, options.time, options.idle);
    println!("{report}");
    if options.write {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sockets.md");
        std::fs::write(path, report)?;
        eprintln!("written to docs/sockets.md");
    }
    Ok(())
}

/// One measurement of one workload, after a warm-up of a fifth of its time.
fn busy(process: &Process, workload: &load::Workload, time: Duration) -> Result<Cell> {
    let mut clients = Clients::open(process.address, CONNECTIONS, workload)?;
    clients.run(time / 5)?;
    let before = process.cpu()?;
    let mut seen = clients.run(time)?;
    let cpu = process.cpu()? - before;
    seen.micros.sort_unstable();
    let percentile = |percent: usize| {
        seen.micros
            .get(seen.micros.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(Cell {
        cpu_micros: cpu.as_secs_f64() * 1e6 / seen.messages as f64,
        per_second: seen.messages as f64 / seen.time.as_secs_f64(),
        p50: f64::from(percentile(50)),
        p99: f64::from(percentile(99)),
    })
}

/// CPU time of an opening handshake, with accepting and closing, in microseconds.
fn handshakes(process: &Process) -> Result<f64> {
    let before = process.cpu()?;
    for _ in 0..HANDSHAKES {
        drop(load::open(process.address)?);
    }
    std::thread::sleep(Duration::from_millis(20)); // for the last of them to be closed
    Ok((process.cpu()? - before).as_secs_f64() * 1e6 / f64::from(HANDSHAKES))
}

/// Resident bytes for each idle connection: after the handshake, and after a message of 4 KiB on each.
fn idle(process: &Process, count: u64) -> Result<(u64, u64)> {
    let (request, response) = WORKLOADS[2].exchange();
    let settled = || {
        std::thread::sleep(Duration::from_millis(300));
        process.resident()
    };
    // What there is once for all.
    let mut first = load::open(process.address)?;
    for _ in 0..100 {
        load::exchange(&mut first, &request, &response)?;
    }
    let before = settled()?;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(load::open(process.address)?);
    }
    let open = settled()?;
    for stream in &mut streams {
        load::exchange(stream, &request, &response)?;
    }
    let after = settled()?;
    Ok((
        open.saturating_sub(before) / count,
        after.saturating_sub(before) / count,
    ))
}
