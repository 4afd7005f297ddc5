//! One session over one stream: writes, waits for what must come back, and sees how it ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{Exchanged, Job, Options, is_timeout};
use crate::check::{Judgement, Verdict};
use crate::frame::{Frame, encode};
use crate::model::{self, Event, Reading};
use crate::rule::{Role, Rule};
use crate::session::Case;

/// How many bytes may come back beyond three times what was sent.
const MOST: usize = 1 << 20;

const FLOOD: &str = "sends without end what nobody has asked for";

/// How much is kept of what never ends, in bytes.
const KEPT: usize = 4 << 10;

/// What has come back so far.
#[derive(Default)]
pub(super) struct Received {
    /// How many bytes were sent, with the payloads in them. What is read is at most three times that and [`MOST`].
    answered: usize,
    pub(super) bytes: Vec<u8>,
    /// Where the next frame starts.
    next: usize,
    messages: usize,
    last_pong: Option<Vec<u8>>,
    pongs: usize,
    closed: bool,
    ended: Option<Ended>,
}

/// How the stream ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Closed,
    Reset,
    /// More came than anybody could answer. No more of it is read.
    Flood,
}

impl Received {
    /// Reads what there is, and waits for some until `until`. `false`: there is none, or no more to come.
    fn read(&mut self, stream: &mut TcpStream, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if self.ended.is_some() || left.is_zero() {
            return false;
        }
        let mut bytes = [0; 1 << 16];
        let _ = stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
        match stream.read(&mut bytes) {
            Ok(0) => {
                self.ended = Some(Ended::Closed);
                false
            }
            Ok(len) => {
                self.bytes.extend_from_slice(bytes.get(..len).unwrap_or_default());
                if self.bytes.len() > MOST.saturating_add(self.answered.saturating_mul(3)) {
                    self.bytes.truncate(KEPT);
                    self.ended = Some(Ended::Flood);
                    let _ = stream.shutdown(Shutdown::Both);
                    return false;
                }
                self.count();
                true
            }
            Err(error) if is_timeout(&error) => false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(_) => {
                self.ended = Some(Ended::Reset);
                false
            }
        }
    }

    /// Counts the frames that are whole.
    fn count(&mut self) {
        while let Some(&[first, second]) = self.bytes.get(self.next..).and_then(<[u8]>::first_chunk::<2>) {
            let field = self.bytes.get(self.next + 2..).unwrap_or_default();
            let (length, field) = match second & 0x7f {
                126 => match field.first_chunk() {
                    Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                    None => return,
                },
                127 => match field.first_chunk() {
                    Some(length) => (u64::from_be_bytes(*length), 8),
                    None => return,
                },
                length => (u64::from(length), 0),
            };
            let masked = second & 0x80 != 0;
            let start = self.next + 2 + field + if masked { 4 } else { 0 };
            let end = usize::try_from(length)
                .ok()
                .and_then(|length| start.checked_add(length));
            let Some(payload) = end.and_then(|end| self.bytes.get(start..end)) else {
                return;
            };
            match first & 0x0f {
                0x0..=0x2 => self.messages += usize::from(first & 0x80 != 0),
                0x8 => self.closed = true,
                0xa => {
                    self.pongs += 1;
                    let key = if masked {
                        self.bytes.get(start - 4..start).unwrap_or_default()
                    } else {
                        &[0; 4]
                    };
                    self.last_pong = Some(
                        payload
                            .iter()
                            .zip(key.iter().cycle())
                            .map(|(byte, key)| byte ^ key)
                            .collect(),
                    );
                }
                _ => {}
            }
            self.next = start + payload.len();
        }
    }

    /// Whether all has come back that must.
    fn has_answers(&self, wanted: &Wanted) -> bool {
        let pongs = match &wanted.last_ping {
            Some(ping) => self.last_pong.as_ref() == Some(ping),
            None => true,
        };
        self.messages >= wanted.messages && pongs || self.closed || self.ended.is_some()
    }
}

/// What has to come back: so many messages, and the Pong to the last Ping.
struct Wanted {
    messages: usize,
    last_ping: Option<Vec<u8>>,
}

impl Wanted {
    fn of(reading: &Reading) -> Self {
        let last_ping = reading.events.iter().rev().find_map(|event| match event {
            Event::Ping(payload) => Some(payload.clone()),
            Event::Data { .. } | Event::Pong(_) | Event::Close(..) => None,
        });
        let ends = |event: &&Event| matches!(event, Event::Data { message_end: true, .. });
        Self {
            messages: reading.events.iter().filter(ends).count(),
            last_ping,
        }
    }
}

/// Writes bytes, cut at these places with a pause at each. An error shows in what comes back, or does not.
fn write(mut stream: &TcpStream, bytes: &[u8], from: usize, cuts: &[usize], pause: Duration) {
    let mut at = 0;
    for cut in cuts.iter().map(|cut| cut.saturating_sub(from)).chain([bytes.len()]) {
        if cut <= at || cut > bytes.len() {
            continue;
        }
        if at > 0 {
            std::thread::sleep(pause);
        }
        if stream.write_all(bytes.get(at..cut).unwrap_or_default()).is_err() {
            return;
        }
        at = cut;
    }
}

/// How long to wait at a cut: all cuts of a session together take no longer than eight of them.
fn pause(options: &Options, cuts: usize) -> Duration {
    // A megabyte in pieces takes its time in any case.
    if cuts > 200 {
        return Duration::ZERO;
    }
    options.pause.min(options.pause * 8 / (cuts.max(1) as u32))
}

/// Writes bytes, and reads until `done` or the time is over. What is long is written by another thread.
fn write_and_read(
    stream: &mut TcpStream,
    received: &mut Received,
    (bytes, from, cuts): (&[u8], usize, &[usize]),
    options: &Options,
    limit: Duration,
    done: impl Fn(&Received) -> bool,
) {
    let pause = pause(options, cuts.len());
    let read = |stream: &mut TcpStream, received: &mut Received| {
        let mut until = Instant::now() + limit;
        while !done(received) && received.read(stream, until) {
            until = Instant::now() + limit;
        }
    };
    if bytes.len() < 16 << 10 {
        write(stream, bytes, from, cuts, pause);
        return read(stream, received);
    }
    let Ok(writer) = stream.try_clone() else { return };
    let _ = writer.set_write_timeout(Some(limit.max(Duration::from_secs(10))));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| write(&writer, bytes, from, cuts, pause));
        read(stream, received);
        let until = Instant::now() + limit;
        while !writing.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !writing.is_finished() {
            // Nothing is read for as long as it may take.
            let _ = writer.shutdown(Shutdown::Both);
        }
    });
}

/// Runs the frames of a session over an open connection. `head` came before.
pub(super) fn frames(job: &Job, stream: &mut TcpStream, head: Vec<u8>, behind: &[u8], options: &Options) -> Exchanged {
    let session = &job.session;
    let reading = &job.reading;
    let bytes = session.bytes.get(session.head_len..).unwrap_or_default();
    let cuts: Vec<usize> = job
        .cuts
        .iter()
        .filter_map(|cut| cut.checked_sub(session.head_len))
        .collect();
    let payloads = reading.events.iter().map(|event| match event {
        Event::Data { payload, .. } => payload.len(),
        Event::Ping(_) | Event::Pong(_) | Event::Close(..) => 0, // part of the bytes
    });
    let mut received = Received {
        answered: bytes.len() + payloads.sum::<usize>(),
        ..Received::default()
    };
    received.bytes.extend_from_slice(behind);
    received.count();

    // First what is legal, and all that must come back for it: an endpoint may discard that once it fails or closes.
    let (decides, after) = deciding_frame(job, reading, bytes.len());
    let (first, rest) = bytes.split_at_checked(decides).unwrap_or((bytes, &[]));
    let before = match (matches!(session.case, Case::Legal(_)), session.deflate()) {
        // A Close, and what follows it, asks for nothing.
        (true, _) => Wanted::of(reading),
        (false, Some(deflate)) => Wanted::of(&model::receive_compressed(
            session.role,
            first,
            &session.bounds,
            deflate,
        )),
        (false, None) => Wanted::of(&model::receive(session.role, first, &session.bounds)),
    };
    if !first.is_empty() {
        write_and_read(
            stream,
            &mut received,
            (first, 0, &cuts),
            options,
            options.time_limit,
            |received| received.has_answers(&before),
        );
    }
    let is_late = !received.has_answers(&before);
    // Then the frame that ends it, and what follows.
    let lenient = takes_leniently(session.case)
        .then(|| model::receive_leniently(session.role, bytes, &session.bounds, session.deflate()))
        .map(|reading| Wanted::of(&reading));
    // What follows a Close comes with it, what follows a broken rule only if nothing happens: a stream with bytes that
    // nobody has read is reset.
    let at = match session.case {
        Case::Legal(_) => rest.len(),
        Case::Broken(_) => after - decides,
    };
    let (deciding, follows) = rest.split_at_checked(at).unwrap_or((rest, &[]));
    let done = |received: &Received| match &lenient {
        Some(lenient) if received.messages > before.messages => received.has_answers(lenient),
        Some(_) | None => received.closed || received.ended.is_some(),
    };
    let short = options.time_limit.min(Duration::from_millis(60));
    if received.ended.is_none() {
        let limit = if follows.is_empty() { options.time_limit } else { short };
        let limit = if waits(session.case) {
            options.time_limit.min(Duration::from_millis(300))
        } else {
            limit
        };
        write_and_read(stream, &mut received, (deciding, decides, &cuts), options, limit, done);
    }
    if !done(&received) && !follows.is_empty() {
        write_and_read(
            stream,
            &mut received,
            (follows, after, &cuts),
            options,
            options.time_limit,
            done,
        );
    }
    let exchanged = end(job, stream, head, received, options);
    Exchanged { is_late, ..exchanged }
}

/// Whether an endpoint may well wait for more.
fn waits(case: Case) -> bool {
    matches!(case, Case::Broken(Rule::TooBig | Rule::CompressedDataEnd))
}

/// Whether an endpoint may well take it for legal.
fn takes_leniently(case: Case) -> bool {
    matches!(
        case,
        Case::Broken(Rule::LengthNotMinimal | Rule::ControlTooLong | Rule::DistanceTooFar)
    )
}

/// Where the frame starts and ends that breaks the rule or closes.
fn deciding_frame(job: &Job, reading: &Reading, len: usize) -> (usize, usize) {
    let shows = match reading.verdict {
        model::Verdict::Closed { after } | model::Verdict::Broken { after, .. } => after,
        model::Verdict::Complete | model::Verdict::Unfinished => return (len, len),
    };
    let (mut start, mut bytes) = (0, Vec::new());
    for frame in &job.session.parts.frames {
        bytes.clear();
        frame.encode(job.session.role, &mut bytes);
        let end = start + bytes.len();
        if shows <= end {
            return (start, end);
        }
        start = end;
    }
    (start.min(len), len)
}

/// How the connection ends.
fn end(job: &Job, stream: &mut TcpStream, head: Vec<u8>, mut received: Received, options: &Options) -> Exchanged {
    let session = &job.session;
    let legal = matches!(session.case, Case::Legal(_));
    let mut besides = None;
    if received.closed && received.ended.is_none() {
        match session.role {
            // The server closes the TCP connection, and does so at once.
            Role::Server => {
                if !legal {
                    let _ = stream.shutdown(Shutdown::Write);
                }
                let until = Instant::now() + options.time_limit;
                while received.read(stream, until) {}
                if received.ended.is_none() {
                    besides = Some(Judgement {
                        verdict: if legal { Verdict::Fail } else { Verdict::Custom },
                        section: "5.5.1",
                        why: format!(
                            "leaves the TCP connection open {:?} after the closing handshake",
                            options.time_limit
                        ),
                    });
                }
            }
            // The server, which we are, closes it; what the client sends after its Close comes before that.
            Role::Client => {
                let _ = stream.shutdown(Shutdown::Write);
                let until = Instant::now() + Duration::from_millis(200);
                while received.read(stream, until) {}
            }
        }
    }
    if received.ended == Some(Ended::Flood) {
        besides = Some(Judgement {
            verdict: Verdict::Fail,
            section: "5",
            why: String::from(FLOOD),
        });
    }
    let failed = match (received.ended, received.closed) {
        (Some(Ended::Closed), false) => Some("closes the TCP connection without a Close"),
        (Some(Ended::Reset), false) => Some("resets the TCP connection"),
        (Some(Ended::Flood), _) => Some(FLOOD),
        (_, true) | (None, _) => None,
    };
    Exchanged {
        received: [head, received.bytes].concat(),
        failed: failed.map(String::from),
        is_late: false,
        besides,
    }
}

/// Reads a head: it, and what came behind it. `None`: the stream ended, or the time.
pub(super) fn head(stream: &mut TcpStream, limit: Duration) -> Result<(Vec<u8>, Vec<u8>), Vec<u8>> {
    let mut received = Vec::new();
    let until = Instant::now() + limit;
    let mut bytes = [0; 4096];
    loop {
        if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let behind = received.split_off(at + 4);
            return Ok((received, behind));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || received.len() > 1 << 16 {
            return Err(received);
        }
        let _ = stream.set_read_timeout(Some(left));
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return Err(received),
            Ok(len) => received.extend_from_slice(bytes.get(..len).unwrap_or_default()),
        }
    }
}

/// Ends a connection that is open although the session cannot be run on it.
pub(super) fn close(job: &Job, stream: &mut TcpStream) {
    let mut frame = Frame::close(1000, "");
    frame.key = [0x3c, 0x91, 0x5e, 0x08];
    let _ = stream.write_all(&encode(job.session.role, &[frame]));
    let _ = stream.shutdown(Shutdown::Write);
    rest(stream, Duration::from_millis(100));
}

/// Writes the head of a session, cut as it is to be.
pub(super) fn write_head(job: &Job, stream: &TcpStream, head: &[u8], options: &Options) {
    write(stream, head, 0, &job.cuts, pause(options, job.cuts.len()));
}

/// Reads what comes until the end of the stream, or the time limit.
pub(super) fn rest(stream: &mut TcpStream, limit: Duration) -> (Vec<u8>, bool) {
    let mut received = Received::default();
    let until = Instant::now() + limit;
    while received.read(stream, until) {}
    (received.bytes, received.ended.is_some())
}
