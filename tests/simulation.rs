//! Two endpoints with deadlines over a simulated network, judged from outside: no deadline is early, none is missed, both
//! ends agree how it ended, both come to an end, and nothing is lost before a clean close.
//!
//! A failing run names its seed: `SIMULATION_SEED=123 cargo test --features simulation --test simulation`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use sockless::buffer::WriteBuffer;
use sockless::connection::{Role, TransportAction, Tx};
use sockless::frame::CloseCode;
use sockless::simulation::{Application, ClientEnd, Driver, Network, Outcome, Random, ServerEnd, run};
use sockless::timers::{Deadline, Moment, Rate, Timeouts};
use sockless::{
    BufferedClientHandshake, BufferedConnection, BufferedServerHandshake, CloseRecord, ConnectOptions, Event, Limits,
    WebSocketUri,
};

/// How many seeds are run: 100,000 take half a minute of processor time in release.
const RUNS: u64 = if cfg!(debug_assertions) { 3_000 } else { 100_000 };
/// Faults come within this time. Then both applications close.
const FAULTS: Duration = Duration::from_secs(3);
const END: Moment = Moment::from_micros(3_000_000);
/// What a machine waits until it has looked at what was read.
const SOON: Duration = Duration::from_millis(1);

/// Messages at random times, and a record from outside of what happens when.
#[derive(Debug)]
struct App {
    name: &'static str,
    random: Random,
    timeouts: Timeouts,
    pauses: bool,
    next_send: Moment,
    paused_until: Option<Moment>,
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
    close_reason: Option<(u16, String)>,

    // What the judge knows.
    /// The last byte that was read, on the clock that stands while nobody reads.
    last_read: Moment,
    last_event: Moment,
    /// Since when something incomplete is there, and how many bytes it has.
    incomplete: Option<(Moment, u64)>,
    /// How long nobody has read so far.
    stood: Duration,
    not_reading_since: Option<Moment>,
    /// Whether there was any such time.
    has_stood: bool,
    last_taken: Moment,
    waiting_since: Option<Moment>,
    /// When the last byte of the last Ping was written, by either clock. `None` once a byte has come after it.
    ping_left: Option<(Moment, Moment)>,
    last_ping: Moment,
    output: Scanner,
    closing_since: Option<Moment>,
    judged: Option<Deadline>,
    pongs: u32,
    started: bool,
}

impl App {
    fn new(name: &'static str, seed: u64, timeouts: Timeouts, pauses: bool) -> Self {
        let start = Moment::START;
        Self {
            name,
            random: Random::new(seed),
            timeouts,
            pauses,
            next_send: start,
            paused_until: None,
            sent: Vec::new(),
            received: Vec::new(),
            close_reason: None,
            last_read: start,
            last_event: start,
            incomplete: None,
            stood: Duration::ZERO,
            not_reading_since: None,
            has_stood: false,
            last_taken: start,
            waiting_since: None,
            ping_left: None,
            last_ping: start,
            output: Scanner::default(),
            closing_since: None,
            judged: None,
            pongs: 0,
            started: false,
        }
    }

    /// The connection is open.
    fn start(&mut self, now: Moment) {
        if !self.started {
            self.started = true;
            self.last_read = now;
            self.last_event = now;
            self.last_taken = now;
        }
    }

    /// The clock of what the peer sends.
    fn reading_time(&self, now: Moment) -> Moment {
        let standing = self.not_reading_since.map_or(Duration::ZERO, |since| now - since);
        Moment::START + ((now - Moment::START) - self.stood - standing)
    }

    fn rate(&self, bytes: u64) -> Option<Duration> {
        let rate = self.timeouts.message?;
        Some(rate.grace + Duration::from_micros(bytes * 1_000_000 / u64::from(rate.bytes_per_second)))
    }

    /// A deadline has passed for the first time: not before its time.
    fn not_early(&self, deadline: Deadline, now: Moment) {
        let reading = self.reading_time(now);
        let name = self.name;
        match deadline {
            Deadline::Pong => {
                let within = self.timeouts.pong_within.unwrap();
                let (_, left) = self.ping_left.unwrap();
                assert!(reading >= left.max(self.last_read) + within, "{name}: Pong is early");
            }
            Deadline::Idle => {
                assert!(
                    reading >= self.last_event + self.timeouts.idle.unwrap(),
                    "{name}: idle is early"
                );
            }
            Deadline::Message => {
                assert!(
                    reading >= self.last_event + self.rate(0).unwrap(),
                    "{name}: message is early"
                );
            }
            Deadline::Write => {
                let since = self.waiting_since.unwrap_or(now);
                assert!(now >= since + self.timeouts.write.unwrap(), "{name}: write is early");
            }
            Deadline::Close => {
                let since = self.closing_since.unwrap_or(now).max(self.last_taken);
                assert!(now >= since + self.timeouts.close.unwrap(), "{name}: close is early");
            }
            Deadline::Handshake => panic!("{name}: the handshake is over"),
            other => panic!("{name}: {other:?}"),
        }
    }

    /// After a step, nothing is overdue.
    fn not_missed<R: Role>(&self, now: Moment, ws: &BufferedConnection<R>) {
        let name = self.name;
        let late =
            |since: Moment, timeout: Option<Duration>| timeout.is_some_and(|timeout| now > since + timeout + SOON);
        if ws.transport() == TransportAction::Abort
            || (ws.transport() == TransportAction::Close && ws.output().is_empty())
        {
            return;
        }
        if let Some(since) = self.waiting_since {
            assert!(!late(since, self.timeouts.write), "{name}: write is missed");
        }
        if let Some(since) = self.closing_since {
            assert!(
                !late(since.max(self.last_taken), self.timeouts.close),
                "{name}: close is missed"
            );
            return;
        }
        if self.has_stood {
            return;
        }
        assert!(
            !late(self.last_read.max(self.last_event), self.timeouts.idle),
            "{name}: idle is missed"
        );
        if let Some((since, bytes)) = self.incomplete {
            assert!(!late(since, self.rate(bytes)), "{name}: message is missed");
        }
        if let Some((left, _)) = self.ping_left {
            assert!(!late(left, self.timeouts.pong_within), "{name}: Pong is missed");
        }
        if ws.output().is_empty() && self.ping_left.is_none() {
            let since = self.last_read.max(self.last_ping);
            assert!(!late(since, self.timeouts.ping_after), "{name}: a Ping is missed");
        }
    }

    fn send<R: Role>(&mut self, now: Moment, ws: &mut BufferedConnection<R>) {
        while now >= self.next_send && ws.tx().ready().is_ok() {
            if now >= END || (self.close_reason.is_none() && self.random.one_in(40)) {
                let code = self.random.between(3000, 4999) as u16;
                let reason = "x".repeat(self.random.len(123));
                ws.tx().close(CloseCode(code), &reason).unwrap();
                self.close_reason = Some((code, reason));
                return;
            }
            if !ws.buffers().1.is_over_watermark() {
                let mut message = vec![0; self.random.len(3000)];
                let fill = self.random.next() as u8;
                message.fill(fill);
                ws.tx().binary(&message).unwrap();
                self.sent.push(message);
            }
            // Silence is as likely as a burst.
            let long = self.random.len(1_500_000) as u64;
            self.next_send = now + Duration::from_micros(long);
        }
    }

    fn pause<R: Role>(&mut self, now: Moment, ws: &mut BufferedConnection<R>) {
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
            ws.set_reading(true);
        } else if self.pauses && self.paused_until.is_none() && now < END && self.random.one_in(12) {
            self.paused_until = Some(now + Duration::from_micros(self.random.between(0, 2_000_000)));
            ws.set_reading(false);
        }
    }
}

impl<R: Role> Application<R> for App {
    fn event(&mut self, now: Moment, event: Event<'_>, _: &mut Tx<'_, R, WriteBuffer>) {
        self.start(now);
        match event {
            Event::Text(_) => panic!("nobody sends text"),
            Event::Binary(data) => {
                self.received.push(data.to_vec());
                self.last_event = self.reading_time(now);
                self.incomplete = None;
            }
            Event::Pong(_) => self.pongs += 1,
            _ => {}
        }
    }

    fn idle(&mut self, now: Moment, ws: &mut BufferedConnection<R>) -> Option<Duration> {
        self.start(now);
        self.pause(now, ws);
        self.send(now, ws);
        let closed = ws.tx().ready().is_err();
        let send = (!closed).then(|| self.next_send.min(END.max(now + SOON)));
        let next = [send, self.paused_until].into_iter().flatten().min();
        next.map(|next| (next - now).max(Duration::from_micros(1)))
    }

    fn moved(&mut self, now: Moment, read: &[u8], written: &[u8]) {
        self.start(now);
        if !read.is_empty() {
            self.last_read = self.reading_time(now);
            if let Some((_, bytes)) = &mut self.incomplete {
                *bytes += read.len() as u64;
            }
            self.ping_left = None;
        }
        if !written.is_empty() {
            self.last_taken = now;
            self.waiting_since = None;
            if self.output.ends_a_ping(written) {
                self.ping_left = Some((now, self.reading_time(now)));
                self.last_ping = now;
            }
        }
    }

    fn stepped(&mut self, now: Moment, ws: &BufferedConnection<R>) {
        if let Some(timers) = ws.timers() {
            if timers.passed() != self.judged {
                self.judged = timers.passed();
                self.not_early(self.judged.unwrap(), now);
            }
        }
        // The clock that stands.
        let reading = ws.wants_input() || ws.transport() != TransportAction::Continue;
        if let Some(since) = self.not_reading_since.take() {
            self.stood += now - since;
        }
        if !reading {
            self.not_reading_since = Some(now);
            self.has_stood = true;
        }
        // Output and closing.
        if ws.output().is_empty() {
            self.waiting_since = None;
        } else {
            self.waiting_since = self.waiting_since.or(Some(now));
        }
        let record = ws.close_record();
        let is_closing = record.sent.is_some() || record.received.is_some() || record.stream_end.is_some();
        if is_closing || record.failure.is_some() {
            self.closing_since = self.closing_since.or(Some(now));
        }
        // A message that is not whole.
        if ws.connection().message_progress().is_none() {
            self.incomplete = None;
        } else if self.incomplete.is_none() {
            self.incomplete = Some((now, 4096));
        }
        self.not_missed(now, ws);
    }
}

/// Finds Pings in what is written: a scanner of its own, so that the machine is not its own judge.
#[derive(Debug, Default)]
struct Scanner {
    head: Vec<u8>,
    /// What the frame lacks, and whether it is a Ping.
    payload: usize,
    is_ping: bool,
    in_frames: bool,
}

impl Scanner {
    /// Whether the last byte of a Ping is among these.
    fn ends_a_ping(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let len = self.payload.min(bytes.len());
                self.payload -= len;
                bytes = &bytes[len..];
                found |= self.payload == 0 && self.is_ping;
                continue;
            }
            bytes = rest;
            self.head.push(byte);
            // The response of a server comes before its first frame.
            if !self.in_frames && self.head[0] == b'H' {
                if self.head.ends_with(b"\r\n\r\n") {
                    self.head.clear();
                    self.in_frames = true;
                }
                continue;
            }
            self.in_frames = true;
            let [first, second, length @ ..] = &self.head[..] else {
                continue;
            };
            let mask = if second & 0x80 > 0 { 4 } else { 0 };
            let (extended, payload) = match (second & 0x7f, length) {
                (126, [a, b, ..]) => (2, usize::from(u16::from_be_bytes([*a, *b]))),
                (126, _) => continue,
                (127, _) => panic!("no message is so long"),
                (len, _) => (0, usize::from(len)),
            };
            if length.len() == extended + mask {
                self.is_ping = *first == 0x89;
                self.payload = payload;
                self.head.clear();
            }
        }
        found
    }
}

/// What a run showed.
#[derive(Debug, Default)]
struct Tally {
    ends: BTreeMap<&'static str, u64>,
    messages: u64,
}

fn timeouts(random: &mut Random) -> Timeouts {
    let mut some = |least: u64, most: u64| Some(Duration::from_millis(random.between(least, most)));
    let (handshake, ping_after, pong_within) = (some(100, 3000), some(10, 1500), some(10, 1500));
    let (idle, write, close) = (some(100, 3000), some(100, 2000), some(100, 2000));
    let grace = some(10, 1000).unwrap();
    let mut timeouts = Timeouts::OFF
        .with_handshake(handshake)
        .with_write(write)
        .with_close(close)
        .with_ping_after(ping_after)
        .with_pong_within(pong_within);
    if random.one_in(3) {
        timeouts = timeouts.with_idle(idle);
    }
    if random.one_in(3) {
        let bytes_per_second = random.between(100, 100_000) as u32;
        timeouts = timeouts.with_message(Some(Rate {
            grace,
            bytes_per_second,
        }));
    }
    timeouts
}

/// The longest that both may take once there are no more faults.
fn sum(timeouts: &Timeouts) -> Duration {
    let each = [
        timeouts.handshake,
        timeouts.ping_after,
        timeouts.pong_within,
        timeouts.write,
        timeouts.close,
    ];
    each.into_iter().flatten().sum()
}

fn record_of<R: Role>(driver: &Driver<R, App>) -> CloseRecord<'_> {
    driver.ws.close_record()
}

/// What one end says of the other holds.
fn agree<A: Role, B: Role>(this: &Driver<A, App>, other: &Driver<B, App>) {
    let (mine, theirs) = (record_of(this), record_of(other));
    assert_eq!(mine.failure, None, "our own endpoints keep the protocol");
    if mine.received.is_some() {
        assert_eq!(
            mine.received, theirs.sent,
            "the code that came is the one that was sent"
        );
        if let (Some((code, reason)), Some(deadline)) = (&other.application.close_reason, Some(other.ws.timers())) {
            if theirs.sent == Some(CloseCode(*code)) && deadline.and_then(|timers| timers.passed()).is_none() {
                assert_eq!(mine.reason, reason);
            }
        }
        // The Close came, and so did all before it.
        assert!(
            this.application.received == other.application.sent,
            "messages before the Close are lost"
        );
    } else {
        let (got, sent) = (&this.application.received, &other.application.sent);
        assert!(sent.starts_with(got), "what came is what was sent, in its order");
    }
    if mine.is_clean() {
        assert!(theirs.received.is_some() || theirs.sent.is_some());
    }
}

fn one(seed: u64, tally: &mut Tally) {
    let mut random = Random::new(seed);
    let pauses = random.one_in(3);
    let (for_server, for_client) = (timeouts(&mut random), timeouts(&mut random));
    let mut network = Network::random(random.next(), FAULTS);
    let limits = Limits::default();
    let mut handshake = BufferedServerHandshake::new(&limits);
    handshake.set_timeouts(&for_server);
    let app = App::new("server", random.next(), for_server, pauses && random.one_in(2));
    let mut server = ServerEnd::Handshake(handshake, Some(app));
    let uri = WebSocketUri::parse("ws://simulated/").unwrap();
    let entropy = Random::new(random.next());
    let mut handshake = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &limits).unwrap();
    handshake.set_timeouts(&for_client);
    let app = App::new("client", random.next(), for_client, pauses && random.one_in(2));
    let mut client = ClientEnd::Handshake(handshake, Some(app));

    let outcome: Outcome = run(&mut network, &mut server, &mut client, END + Duration::from_secs(3600));
    assert_eq!(
        outcome.done.map(|done| done.is_some()),
        [true; 2],
        "both come to an end: {outcome:?}"
    );
    let bytes = match (&server, &client) {
        (ServerEnd::Open(server), ClientEnd::Open(client)) => {
            agree(server, client);
            agree(client, server);
            tally.messages += (server.application.received.len() + client.application.received.len()) as u64;
            for passed in [server.ws.timers(), client.ws.timers()]
                .into_iter()
                .flatten()
                .filter_map(|timers| timers.passed())
            {
                *tally.ends.entry(passed.text()).or_default() += 1;
            }
            if record_of(server).is_clean() && record_of(client).is_clean() {
                *tally.ends.entry("clean at both ends").or_default() += 1;
            }
            for was_reset in [server.was_reset, client.was_reset] {
                *tally.ends.entry("reset").or_default() += u64::from(was_reset);
            }
            let pongs = server.application.pongs + client.application.pongs;
            *tally.ends.entry("Pongs").or_default() += u64::from(pongs);
            let length = |app: &App| app.sent.iter().map(|message| message.len() as u64 + 14).sum::<u64>();
            length(&server.application) + length(&client.application)
        }
        _ => {
            *tally.ends.entry("never open").or_default() += 1;
            0
        }
    };
    // The slowest line takes a kilobyte a second, or 64 bytes each time they have gone there and been read.
    let transit = Duration::from_millis(bytes * 5 + 2_000);
    let bound = END + sum(&for_server) + sum(&for_client) + transit;
    let done = outcome.done.into_iter().flatten().max().unwrap();
    assert!(done <= bound, "done at {done}, not by {bound}");
}

/// Names the seed of a run that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed is {}", self.0);
        }
    }
}

#[test]
fn any_network_and_any_deadlines() {
    if let Ok(seed) = std::env::var("SIMULATION_SEED") {
        let mut tally = Tally::default();
        let seed = seed.parse().unwrap();
        let _named = Named(seed);
        one(seed, &mut tally);
        println!("{tally:#?}");
        return;
    }
    let runs = std::env::var("SIMULATION_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let threads = 4;
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut tally = Tally::default();
                    for seed in (thread..runs).step_by(threads as usize) {
                        let _named = Named(seed);
                        one(seed, &mut tally);
                    }
                    tally
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for (end, count) in tallies.iter().flat_map(|tally| &tally.ends) {
        *ends.entry(end).or_default() += count;
    }
    println!(
        "{runs} runs, {} messages",
        tallies.iter().map(|tally| tally.messages).sum::<u64>()
    );
    println!("{ends:#?}");
    // Each way to end was seen often enough.
    for end in [
        "clean at both ends",
        "reset",
        "never open",
        "Pongs",
        Deadline::Pong.text(),
        Deadline::Idle.text(),
        Deadline::Message.text(),
        Deadline::Write.text(),
        Deadline::Close.text(),
    ] {
        assert!(
            ends.get(end).is_some_and(|count| *count * 1000 >= runs),
            "{end} is hardly ever seen"
        );
    }
}
