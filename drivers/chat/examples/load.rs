//! Fills a room of a chat server and measures how long what is said takes to reach everybody.

#[path = "../tests/common/counting.rs"]
mod counting;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use counting::Counting;
use lexopt::prelude::{Long, Short, Value, ValueExt};
use sockless_chat::{Exit, exit};
use sockless_tokio::sockless::WebSocketUri;
use sockless_tokio::sockless::connection::ChunkEvent;
use sockless_tokio::sockless::deflate::DeflateOptions;
use sockless_tokio::{Client, Connector, Event, ReadHalf, WebSocket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const HELP: &str = "\
Fills a room of a chat server, says something at a fixed rate, and measures how long it takes to reach everybody.

Usage: load ws://HOST:PORT [OPTION]...

  --clients N   in the room (default: 1000)
  --timed N     of them, who read what is said and note how old it is (default:
                50); the others count messages, and leave them compressed: who
                inflates for a thousand is late by itself
  --rate N      messages a second, said by ten of them (default: 100)
  --seconds N   how long (default: 10)
  --stalled N   clients that never read (default: 1)
  --deflate     offer to compress messages
  --pid PID     of the server on this machine: prints its CPU time and its memory
  --help        print this and exit

Where the CPU time of this program comes near that of the machine, it measures
itself.
";

/// How many of the clients say something.
const TALKERS: usize = 10;

struct Options {
    server: String,
    clients: usize,
    timed: usize,
    rate: usize,
    seconds: usize,
    stalled: usize,
    deflate: bool,
    pid: Option<u32>,
}

fn options() -> Result<Options, lexopt::Error> {
    let mut options = Options {
        server: String::new(),
        clients: 1000,
        timed: 50,
        rate: 100,
        seconds: 10,
        stalled: 1,
        deflate: false,
        pid: None,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => {
                let _ = io::stdout().write_all(HELP.as_bytes());
                std::process::exit(0);
            }
            Long("clients") => options.clients = arguments.value()?.parse()?,
            Long("timed") => options.timed = arguments.value()?.parse()?,
            Long("rate") => options.rate = arguments.value()?.parse()?,
            Long("seconds") => options.seconds = arguments.value()?.parse()?,
            Long("stalled") => options.stalled = arguments.value()?.parse()?,
            Long("deflate") => options.deflate = true,
            Long("pid") => options.pid = Some(arguments.value()?.parse()?),
            Value(server) if options.server.is_empty() => options.server = server.string()?,
            Value(server) => return Err(format!("one server is enough: '{}'", server.string()?).into()),
            other => return Err(other.unexpected()),
        }
    }
    if options.server.is_empty() {
        return Err("which server?".into());
    }
    WebSocketUri::parse(&options.server).map_err(|error| format!("'{}': {error}", options.server))?;
    if !(TALKERS..=options.clients).contains(&options.timed) || options.rate == 0 || options.seconds == 0 {
        return Err("at least 10 clients, of whom at least 10 are timed, a rate, and a time are needed".into());
    }
    Ok(options)
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match options() {
        Ok(options) => run(options).await.map_err(Exit::failed),
        Err(error) => Err(Exit::Usage(error)),
    };
    exit("load", result)
}

/// How many deliveries took so many milliseconds; the last place is for all that took longer.
type Histogram = Arc<Vec<AtomicU64>>;

async fn run(options: Options) -> sockless_tokio::Result<()> {
    let start = Instant::now();
    let times: Histogram = Arc::new((0..10_000).map(|_| AtomicU64::new(0)).collect());
    let mut connector = Connector::new();
    if options.deflate {
        connector = connector.deflate(DeflateOptions::new());
    }
    let server = WebSocketUri::parse(&options.server)?;
    let (read_bytes, counted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut talkers = Vec::new();
    for number in 0..options.clients + options.stalled {
        let stream = TcpStream::connect((server.host(), server.port())).await;
        let unreachable = |error| io::Error::other(format!("cannot reach {}: {error}", server.authority()));
        let stream = stream.map_err(unreachable)?;
        stream.set_nodelay(true)?;
        let address = format!("{}/room?room=load&name=client{number}", options.server);
        let ws = connector
            .connect_over(&address, Counting(stream, Arc::clone(&read_bytes)))
            .await?;
        if number < options.stalled {
            tokio::spawn(async move {
                let _held = ws;
                std::future::pending::<()>().await
            });
            continue;
        }
        // Those who are timed come at even distances.
        let number = number - options.stalled;
        if number * options.timed % options.clients >= options.timed {
            tokio::spawn(count(ws, Arc::clone(&counted)));
            continue;
        }
        let (read, write) = ws
            .split_with(tokio::io::split)
            .map_err(|_| io::Error::other("a fresh connection splits"))?;
        tokio::spawn(time(read, start, Arc::clone(&times)));
        if talkers.len() < TALKERS {
            talkers.push(write);
        }
    }
    println!(
        "{} clients after {:.1} s, {} of them never read",
        options.clients + options.stalled,
        start.elapsed().as_secs_f64(),
        options.stalled
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    for time in times.iter() {
        time.store(0, Relaxed);
    }

    read_bytes.store(0, Relaxed);
    counted.store(0, Relaxed);
    let (before, own_before) = (options.pid.and_then(usage), usage(std::process::id()));
    let began = Instant::now();
    let mut clock = tokio::time::interval(Duration::from_secs_f64(1.0 / options.rate as f64));
    let messages = options.rate * options.seconds;
    for number in 0..messages {
        clock.tick().await;
        let text = format!("{} and some words that somebody might say", start.elapsed().as_micros());
        talkers[number % TALKERS].send(&text).await?;
    }
    let took = began.elapsed();
    let (after, own_after) = (options.pid.and_then(usage), usage(std::process::id()));
    tokio::time::sleep(Duration::from_secs(2)).await;

    let counts: Vec<u64> = times.iter().map(|time| time.load(Relaxed)).collect();
    let all: u64 = counts.iter().sum();
    let within = |share: f64| {
        let mut left = (all as f64 * share) as u64;
        counts.iter().position(|count| {
            let there = left <= *count;
            left = left.saturating_sub(*count);
            there
        })
    };
    println!(
        "{messages} messages in {:.1} s, {all} of {} deliveries to those who are timed",
        took.as_secs_f64(),
        messages * options.timed
    );
    let others = counted.load(Relaxed);
    println!(
        "{others} of {} to the others, with what was told of those who left",
        messages * (options.clients - options.timed)
    );
    println!(
        "{:.1} bytes for each, {}compressed",
        read_bytes.load(Relaxed) as f64 / (all + others).max(1) as f64,
        if options.deflate { "" } else { "not " }
    );
    println!(
        "p50 {:?} ms, p99 {:?} ms, at most {:?} ms",
        within(0.5).unwrap_or(0),
        within(0.99).unwrap_or(0),
        within(1.0).unwrap_or(0)
    );
    for (who, before, after) in [("server", before, after), ("this program", own_before, own_after)] {
        if let (Some((cpu_before, _)), Some((cpu_after, memory))) = (before, after) {
            println!(
                "{who}: {:.0} % of one CPU, {:.1} MB resident",
                (cpu_after - cpu_before) / took.as_secs_f64() * 100.0,
                memory / 1e6
            );
        }
    }
    Ok(())
}

/// Reads, and counts messages as they come: compressed ones stay so.
async fn count(ws: WebSocket<Counting, Client>, counted: Arc<AtomicU64>) -> sockless_tokio::Result<()> {
    let (mut stream, ws) = ws.into_parts();
    let (mut ws, input, mut out) = ws.into_parts();
    let (mut memory, unread) = input.into_unread();
    let mut len = unread.len();
    memory.copy_within(unread, 0);
    memory.resize(memory.len().max(4096), 0);
    loop {
        let mut input = &mut memory[..len];
        while let Ok(Some((event, _))) = ws.receive_chunk(&mut input, &mut out) {
            let whole = match event {
                ChunkEvent::Text(chunk) => chunk.message_end,
                ChunkEvent::Compressed(_, chunk) => chunk.message_end,
                _ => false,
            };
            counted.fetch_add(whole.into(), Relaxed);
        }
        stream.write_all(out.unwritten()).await?; // Pongs
        out.discard();
        len = stream.read(&mut memory).await?;
        if len == 0 {
            return Ok(());
        }
    }
}

/// Reads, and notes how old what was said is.
async fn time<I, O>(mut read: ReadHalf<I, O, Client>, start: Instant, times: Histogram)
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
{
    while let Ok(true) = read.ready().await {
        while let Ok(Some(event)) = read.next_event() {
            let Event::Text(text) = event else { continue };
            let said = text
                .split_once(r#""text":""#)
                .and_then(|(_, rest)| rest.split_once(' '));
            if let Some(at) = said.and_then(|(at, _)| at.parse::<u128>().ok()) {
                let millis = (start.elapsed().as_micros() - at) / 1000;
                times[usize::try_from(millis).unwrap_or(usize::MAX).min(times.len() - 1)].fetch_add(1, Relaxed);
            }
        }
    }
}

/// The CPU time of a process in seconds, and its resident memory in bytes.
fn usage(pid: u32) -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .split(' ')
        .next()?;
    Some((ticks / 100.0, kib.parse::<f64>().ok()? * 1024.0))
}
