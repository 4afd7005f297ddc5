//! Over the wire: the same sessions against a server or a client that echoes each message.
//!
//! [`check_server`] connects to an echo server; [`ClientCheck`] listens for a client that asks for one case after the
//! other, as drivers for the Autobahn test suite do. Here an implementation is seen from outside only: what it sends back
//! is what it has delivered.

mod client;
mod exchange;
mod server;
mod shrink;
#[cfg(feature = "tls")]
mod tls;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use client::ClientCheck;
pub use server::{Target, check_server};
pub use shrink::Shrunk;

use crate::check::{Claim, Finding, How, Judgement, Report, Sign, Sizes, Verdict, Wire, outcome};
use crate::frame::Frame;
use crate::generate::Split;
use crate::model::Reading;
use crate::rule::Role;
use crate::session::{Case, Session, Topic};
use crate::tables::{self, Recipe};

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many connections at once.
    pub connections: usize,
    /// How long the other end may take for an answer.
    pub time_limit: Duration,
    /// How long to wait between two writes that are to be read apart.
    pub pause: Duration,
    /// Every session of the tables, not only those that differ in kind.
    pub thorough: bool,
    /// Long messages too, up to sixteen megabytes.
    pub volume: bool,
    /// How long findings may be made smaller, by running smaller sessions; not at all, if it is zero.
    pub shrink: Duration,
    /// Sections and names of cases to run: all, if there are none. `5` includes `5.4`.
    pub include: Vec<String>,
    /// Sections and names of cases to leave out.
    pub exclude: Vec<String>,
    /// One session only, by its id.
    pub only: Option<String>,
    /// For `wss://`. It needs the feature `tls`.
    pub tls: Tls,
}

/// Certificates.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Takes any certificate of a server.
    pub insecure: bool,
    /// A file in PEM with the authorities whose certificates are taken; those of browsers, if there is none.
    pub authorities: Option<String>,
    /// Files in PEM with the certificate to show to clients, and its key. Without them [`ClientCheck`] serves `ws://`.
    pub certificate: Option<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 16,
            time_limit: Duration::from_secs(2),
            pause: Duration::from_millis(2),
            thorough: false,
            volume: true,
            shrink: Duration::from_secs(10),
            include: Vec::new(),
            exclude: Vec::new(),
            only: None,
            tls: Tls::default(),
        }
    }
}

/// A session that may be run.
#[derive(Clone, Debug)]
struct Plan {
    id: String,
    case: Case,
    /// Of those about the same case, from one.
    number: usize,
    /// About how many bytes it sends.
    size: usize,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Table(Arc<Session>),
    Recipe(Role, Recipe),
}

impl Plan {
    fn name(&self) -> &str {
        match &self.source {
            Source::Table(session) => &session.name,
            Source::Recipe(_, recipe) => &recipe.name,
        }
    }

    /// What is run.
    fn job(&self) -> Job {
        let session = match &self.source {
            Source::Table(session) => Arc::clone(session),
            Source::Recipe(role, recipe) => Arc::new(recipe.session(*role)),
        };
        let session = for_the_wire(&session);
        let reading = session.reading();
        let cuts = cuts(&session, &reading, self.number);
        Job {
            id: self.id.clone(),
            session,
            reading,
            cuts,
        }
    }
}

/// A session that is run.
#[derive(Clone, Debug)]
struct Job {
    id: String,
    session: Arc<Session>,
    reading: Reading,
    cuts: Arc<[usize]>,
}

/// What one session came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// By which the session is run again: the name of its case, and a number.
    pub id: String,
    /// What was sent.
    pub session: Arc<Session>,
    /// Where what was sent was cut.
    pub cuts: Arc<[usize]>,
    /// What came back.
    pub received: Vec<u8>,
    /// What was wrong with that.
    pub judgement: Judgement,
    /// How long it took.
    pub took: Duration,
    /// The smallest session that shows the same, if one was looked for: of the findings of a kind, for one.
    pub shrunk: Option<Shrunk>,
    seen: Seen,
}

/// What one session tells of others.
#[derive(Clone, Debug, Default)]
struct Seen {
    claim: Option<Claim>,
    taken: Sizes,
    signs: Vec<Sign>,
    first_key: Option<[u8; 4]>,
}

/// What a check over the wire came to.
#[derive(Clone, Debug)]
pub struct NetReport {
    /// Case by case, as in memory.
    pub report: Report,
    /// Session by session.
    pub runs: Vec<Run>,
    /// How long it took.
    pub took: Duration,
}

/// Whether `text` names this case, its section, or one that holds its section.
fn names(text: &str, case: Case) -> bool {
    let section = case.section();
    text == case.name()
        || section == text
        || section
            .strip_prefix(text)
            .is_some_and(|rest| rest.starts_with(['.', '/']))
}

/// The sessions to run.
fn plans(role: Role, options: &Options) -> Vec<Plan> {
    let table = tables::sessions(role).iter();
    let table = table.map(|session| {
        (
            session.case,
            session.core,
            session.bytes.len(),
            Source::Table(Arc::clone(session)),
        )
    });
    let recipes = if options.volume { tables::recipes() } else { Vec::new() };
    let recipes = recipes.into_iter();
    let recipes = recipes.map(|recipe| {
        (
            Case::Legal(recipe.topic),
            true,
            recipe.size,
            Source::Recipe(role, recipe),
        )
    });
    let mut numbers: HashMap<Case, usize> = HashMap::new();
    let mut plans = Vec::new();
    for (case, core, size, source) in table.chain(recipes) {
        let number = numbers.entry(case).or_default();
        *number += 1;
        let wanted = || {
            (core || options.thorough)
                && (options.include.is_empty() || options.include.iter().any(|text| names(text, case)))
                && !options.exclude.iter().any(|text| names(text, case))
        };
        let id = || format!("{}/{}", case.name(), *number - 1);
        let is_wanted = match &options.only {
            Some(only) => *only == id(),
            None => wanted(),
        };
        if is_wanted {
            plans.push(Plan {
                id: id(),
                case,
                number: *number,
                size,
                source,
            });
        }
    }
    // What takes long begins first, so that nothing waits for it in the end.
    plans.sort_by_key(|plan| std::cmp::Reverse(plan.size >> 16));
    plans
}

/// The session as it is run over the wire: what is legal ends with a Close, so that there is an end to wait for.
fn for_the_wire(session: &Arc<Session>) -> Arc<Session> {
    let closes = session.parts.frames.iter().any(|frame| frame.opcode == 0x8);
    if closes || matches!(session.case, Case::Broken(_)) || !session.parts.tail.is_empty() {
        return Arc::clone(session);
    }
    // Legal and whole: a Close changes nothing about what it is.
    let mut ended = Session::clone(session);
    let mut frame = Frame::close(1000, "");
    frame.key = [0x5a, 0x21, 0xc3, 0x77];
    frame.encode(session.role, &mut ended.bytes);
    ended.parts.frames.push(frame);
    Arc::new(ended)
}

/// Where a session is cut: as Autobahn does, byte by byte now and then if it is short, else not.
fn cuts(session: &Session, reading: &Reading, number: usize) -> Arc<[usize]> {
    let split = match number % 6 {
        3 if session.bytes.len() <= 48 && session.head_len == 0 => Split::EachByte,
        5 => Split::At(vec![9_000, 24_000, 51_000]),
        _ => Split::Whole,
    };
    if !session.written.is_empty() {
        return Arc::from(session.written.as_slice());
    }
    Arc::from(split.cuts_of(reading, &session.bytes, session.head_len))
}

/// What an exchange came to, before it is judged.
struct Exchanged {
    /// What the other end sent: a head first, if the session has one.
    received: Vec<u8>,
    /// How it ended otherwise than by a Close, if it did.
    failed: Option<String>,
    /// Whether something was still to come when the time was over.
    is_late: bool,
    /// Something that only the network shows.
    besides: Option<Judgement>,
}

fn judged(job: &Job, exchanged: Exchanged, took: Duration) -> Run {
    let mut wire = Wire::new(Arc::clone(&job.session), Arc::clone(&job.cuts));
    wire.answered_for(&exchanged.received);
    wire.given = job.session.bytes.len();
    wire.sent(&exchanged.received);
    if let Some(failed) = &exchanged.failed {
        wire.failed(failed);
    }
    if job.session.role == Role::Server && job.session.compression.is_some() {
        wire.agreed_in(&job.session);
    }
    let seen = outcome(Ok(wire), &job.reading, How::Echo);
    let mut judgement = seen.judgement;
    // To be slow with a megabyte is no fault.
    let longest = job.reading.frames.iter().map(|frame| frame.message_length).max();
    let size = longest.unwrap_or(0).max(job.session.bytes.len() as u64);
    if exchanged.is_late && size > 1 << 20 && judgement.verdict == Verdict::Fail {
        let why = format!("has not answered within {:.0} s", took.as_secs_f32());
        judgement = Judgement::new(Verdict::Custom, job.session.case.section(), why);
    }
    if let Some(besides) = exchanged.besides
        && besides.verdict > judgement.verdict
    {
        judgement = besides;
    }
    Run {
        id: job.id.clone(),
        session: Arc::clone(&job.session),
        cuts: Arc::clone(&job.cuts),
        received: exchanged.received,
        judgement,
        took,
        shrunk: None,
        seen: Seen {
            claim: seen.claim,
            taken: seen.taken,
            first_key: seen.keys.first().copied(),
            signs: seen.signs,
        },
    }
}

/// Settles what one session alone does not show: limits, and mask keys. Returns the limits.
fn settle(runs: &mut [Run]) -> Vec<String> {
    let mut taken = Sizes::default();
    for run in runs.iter() {
        taken.include_all(&run.seen.taken);
    }
    let mut least: Option<&Claim> = None;
    for run in runs.iter_mut() {
        let Some(claim) = &run.seen.claim else { continue };
        if taken.covers(&claim.sizes) {
            if run.judgement.verdict < Verdict::Fail {
                run.judgement = Judgement::new(Verdict::Fail, "10.4", claim.contradicted());
            }
            continue;
        }
        if claim.sizes.is_usual() && run.judgement.verdict < Verdict::Custom {
            run.judgement = Judgement::new(Verdict::Custom, "10.4", claim.believed());
        }
        if least.is_none_or(|least| claim.sizes.message < least.sizes.message) {
            least = Some(claim);
        }
    }
    least.map(Claim::believed).into_iter().collect()
}

/// What is wrong with the mask keys of all connections together.
fn bad_keys(runs: &[Run]) -> Option<String> {
    let mut counts: HashMap<Sign, u32> = HashMap::new();
    for sign in runs.iter().flat_map(|run| &run.seen.signs) {
        *counts.entry(*sign).or_default() += 1;
    }
    let found = counts.iter().filter(|(sign, count)| sign.is_certain() || **count > 1);
    if let Some((sign, count)) = found.max_by_key(|found| *found.1) {
        return Some(format!("{sign}, {count} times"));
    }
    let mut first: Vec<_> = runs.iter().filter_map(|run| run.seen.first_key).collect();
    first.sort_unstable();
    let again = first.windows(2).filter(|two| two.first() == two.last()).count();
    (again > 1).then(|| format!("begins {again} connections with a mask key that another one began with"))
}

/// Puts runs together, case by case.
fn gather(name: &str, role: Role, mut runs: Vec<Run>, started: Instant) -> NetReport {
    let limits = settle(&mut runs);
    let mut findings: Vec<Finding> = Vec::new();
    for case in Case::all(role) {
        let mut finding = Finding::new(case);
        for run in runs.iter().filter(|run| run.session.case == case) {
            finding.runs += 1;
            if run.judgement.verdict == Verdict::Skipped && finding.verdict == Verdict::Skipped {
                finding.why.clone_from(&run.judgement.why);
            }
            if run.judgement.verdict > finding.verdict {
                finding.set(run.judgement.clone());
                if run.judgement.verdict > Verdict::Pass {
                    finding.id = Some(run.id.clone());
                    finding.example = Some(((*run.session).clone(), run.cuts.to_vec()));
                }
            }
        }
        let worst = runs.iter().filter(|run| run.session.case == case);
        let mut worst = worst.filter(|run| run.judgement.verdict == finding.verdict);
        if let Some((id, shrunk)) = worst.find_map(|run| Some((&run.id, run.shrunk.as_ref()?))) {
            finding.set(shrunk.judgement.clone());
            finding.id = Some(id.clone());
            finding.example = Some((shrunk.session.clone(), shrunk.cuts.clone()));
        }
        if case == Case::Legal(Topic::MaskKeys)
            && let Some(why) = bad_keys(&runs)
        {
            finding.set(Judgement::new(Verdict::Fail, "5.3", why));
        }
        if finding.runs > 0 || finding.verdict > Verdict::Skipped || case == Case::Legal(Topic::Handshake) {
            findings.push(finding);
        }
    }
    NetReport {
        report: Report {
            name: String::from(name),
            role,
            seed: 0,
            findings,
            limits,
        },
        runs,
        took: started.elapsed(),
    }
}

/// A wait that was too long is no fault of the stream.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
