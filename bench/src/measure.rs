//! Interleaved rounds over everybody who takes part in a workload.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alloc;
use crate::pipe::{OWN_READ, Pipe};
use crate::subject::{Held, Peer, Scratch, Subject};
use crate::watch::{Fold, Keep};
use crate::workloads::{Job, Role, Workload, decode, single_echo};

/// One subject in one workload.
pub struct Line {
    pub name: &'static str,
    /// Nanoseconds per message, one for each round.
    pub rounds: Vec<f64>,
    /// Calls of the allocator per message, once warm.
    pub allocations: f64,
    /// Bytes asked of the allocator per message, once warm.
    pub bytes: f64,
    /// Bytes asked of the allocator once through, on a fresh connection.
    pub first_bytes: u64,
}

pub struct Row {
    pub workload: Arc<Workload>,
    pub lines: Vec<Line>,
}

impl Line {
    pub fn median(&self) -> f64 {
        median(self.rounds.clone())
    }

    pub fn best(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn worst(&self) -> f64 {
        self.rounds.iter().copied().fold(0.0, f64::max)
    }
}

impl Row {
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// How many times as long `name` takes as `other`: the median over rounds of the ratio within a round.
    pub fn ratio(&self, name: &str, other: &str) -> Option<f64> {
        let (line, other) = (self.line(name)?, self.line(other)?);
        Some(median(
            line.rounds.iter().zip(&other.rounds).map(|(a, b)| a / b).collect(),
        ))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// How long the quickest subject is timed in each round.
    pub time: Duration,
}

impl Effort {
    /// Many short rounds: most of them pass undisturbed on a machine that does other things too.
    pub const FULL: Self = Self {
        rounds: 201,
        time: Duration::from_micros(300),
    };
    pub const QUICK: Self = Self {
        rounds: 31,
        time: Duration::from_micros(200),
    };
}

pub struct Entry {
    pub name: &'static str,
    pub subject: Box<dyn Subject>,
    pub pipe: Pipe,
}

/// A subject for the workload, verified: every byte that it delivered and sent was right.
pub fn enter(workload: &Arc<Workload>, peer: &Peer) -> Option<Entry> {
    let pipe = Pipe::new(workload.wire.clone());
    let mut subject = (peer.make)(workload, &pipe)?;
    let mut keep = Keep::default();
    pipe.keep();
    subject.keep(&mut keep);
    let sent = pipe.kept();
    let name = peer.name;
    if matches!(workload.job, Job::Receive | Job::Echo) {
        assert!(
            keep.messages.iter().eq(workload.messages()),
            "{name} delivered something else"
        );
    }
    match workload.job {
        Job::Receive => assert!(sent.is_empty(), "{name} sent something"),
        Job::Send | Job::Echo => {
            let masked = workload.role == Role::Client;
            let messages = decode(&sent, masked, workload.opcode());
            assert!(messages.iter().eq(workload.messages()), "{name} sent something else");
        }
        Job::Handshake => verify_handshake(workload, &sent, name),
    }
    pipe.written();
    Some(Entry { name, subject, pipe })
}

fn verify_handshake(workload: &Workload, sent: &[u8], name: &str) {
    use base64::Engine;
    use sha1::Digest;

    let sent = std::str::from_utf8(sent).unwrap();
    let mut answers = sent.split_terminator("\r\n\r\n");
    for request in workload.messages() {
        let field = |head: &str, wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim().to_string())
        };
        let key = field(std::str::from_utf8(request).unwrap(), "sec-websocket-key").unwrap();
        let hash = sha1::Sha1::digest(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = base64::engine::general_purpose::STANDARD.encode(hash);
        let answer = answers.next().unwrap_or_else(|| panic!("{name} did not answer"));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{name} answered {answer}");
        assert_eq!(field(answer, "sec-websocket-accept"), Some(accept), "{name}");
    }
    assert_eq!(answers.next(), None, "{name}");
}

/// Runs `passes` times through the workload, and checks what came out.
pub fn pass(workload: &Workload, entry: &mut Entry, passes: u32) -> Duration {
    let (expected, sent) = (workload.expected(), workload.sent());
    let mut folds = Vec::with_capacity(passes as usize);
    let start = Instant::now();
    for _ in 0..passes {
        let mut fold = Fold::default();
        entry.subject.fold(&mut fold);
        folds.push(fold);
    }
    let time = start.elapsed();
    assert!(
        folds.iter().all(|fold| *fold == expected),
        "{} delivered something else",
        entry.name
    );
    let written = entry.pipe.written();
    match sent {
        Some(sent) => assert_eq!(written, sent * u64::from(passes), "{} sent something else", entry.name),
        None => assert!(written > 0, "{} sent nothing", entry.name),
    }
    time
}

fn first_bytes(workload: &Arc<Workload>, peer: &Peer) -> Option<u64> {
    let mut subject = (peer.make)(workload, &Pipe::new(workload.wire.clone()))?;
    let before = alloc::count();
    subject.fold(&mut Fold::default());
    Some(alloc::count().bytes - before.bytes)
}

pub fn row(workload: &Arc<Workload>, peers: &[Peer], effort: Effort) -> Row {
    let mut entries: Vec<Entry> = peers.iter().filter_map(|peer| enter(workload, peer)).collect();
    let count = workload.count as f64;
    let mut lines = Vec::new();
    let mut quickest = Duration::MAX;
    let fresh = peers.iter().filter_map(|peer| first_bytes(workload, peer));
    let fresh: Vec<u64> = fresh.collect();
    for (entry, first_bytes) in entries.iter_mut().zip(fresh) {
        pass(workload, entry, 2);
        quickest = quickest.min(pass(workload, entry, 1));
        let mut fold = Fold::default();
        let before = alloc::count();
        entry.subject.fold(&mut fold);
        let after = alloc::count();
        entry.pipe.written();
        lines.push(Line {
            name: entry.name,
            rounds: Vec::with_capacity(effort.rounds),
            allocations: (after.calls - before.calls) as f64 / count,
            bytes: (after.bytes - before.bytes) as f64 / count,
            first_bytes,
        });
    }
    let passes = (effort.time.as_nanos() / quickest.as_nanos().max(1)).clamp(1, 100_000) as u32;
    for round in 0..effort.rounds {
        for i in 0..entries.len() {
            // Nobody always follows the same neighbour.
            let i = if round % 2 == 0 {
                (i + round) % entries.len()
            } else {
                entries.len() - 1 - (i + round) % entries.len()
            };
            // Once untimed, so that what the others pushed out of the caches is back.
            pass(workload, &mut entries[i], 1);
            let time = pass(workload, &mut entries[i], passes);
            lines[i].rounds.push(time.as_nanos() as f64 / f64::from(passes) / count);
        }
    }
    Row {
        workload: workload.clone(),
        lines,
    }
}

/// What a connection holds when it has answered a message and waits for the next: bytes of itself and of what it asked
/// of the allocator, without its transport and without buffers that it shares with others.
pub struct Idle {
    pub name: &'static str,
    pub fresh: u64,
    pub used: u64,
}

pub fn idle(peers: &[Peer]) -> Vec<Idle> {
    let workload = single_echo();
    let mut scratch = Scratch::new(&workload);
    let mut lines = Vec::new();
    for peer in peers {
        let Some(hold) = peer.hold else { continue };
        // Once for nothing: what a library allocates once and for all is not the connection's.
        exchange(hold(&scratch.pipe).as_mut(), &mut scratch);
        let own = |before: alloc::Count| {
            alloc::count().live.wrapping_sub(before.live) - if peer.holds_pipe { size_of::<Pipe>() as u64 } else { 0 }
        };
        let before = alloc::count();
        let mut connection = hold(&scratch.pipe);
        let fresh = own(before);
        exchange(connection.as_mut(), &mut scratch);
        lines.push(Idle {
            name: peer.name,
            fresh,
            used: own(before),
        });
    }
    lines
}

impl Scratch {
    pub fn new(workload: &Workload) -> Self {
        Self {
            pipe: Pipe::new(workload.wire.clone()),
            input: vec![0; OWN_READ].into(),
            memory: vec![0; 256 << 10],
            output: Vec::with_capacity(OWN_READ),
        }
    }
}

/// One message there and back.
pub fn exchange(connection: &mut dyn Held, scratch: &mut Scratch) {
    scratch.pipe.rewind();
    connection.echo(scratch);
    assert_eq!(
        scratch.pipe.written(),
        132,
        "128 bytes of text behind a header of 4 go back"
    );
}
