//! Runs the machine over chunks, and writes down what comes out as the model does.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::buffered::BufferedConnection;
use crate::conformance::model::{self, Bounds, Event, Verdict};
use crate::conformance::{Role, Rule, generate};
use crate::connection::{self, Client, Connection, Receiver, Sender, Server, Transport};
use crate::error::{Blocked, Failure, LimitExceeded, ReceiveError, Violation};
use crate::frame::CloseFrame;
use crate::limits::Limits;
use crate::message::{self, MessageConnection};

/// Which of the crate's shells is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `Connection`.
    Streaming,
    /// `Receiver` and `Sender`, driven apart.
    Halves,
    /// `MessageConnection`.
    Messages,
    /// `MessageConnection`, reading into the assembly buffer where it offers space.
    Space,
    /// `MessageConnection`, leaving the start of a message in the input until its rest is there.
    Whole,
    /// `BufferedConnection`.
    Buffered,
}

impl Level {
    /// All but `Connection`.
    pub const OTHERS: [Self; 5] = [Self::Halves, Self::Messages, Self::Space, Self::Whole, Self::Buffered];
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The events; pieces of a frame put together.
    pub events: Vec<Event>,
    pub failure: Option<Failure>,
    /// How many bytes had been given when the failure came.
    pub failed_after: Option<usize>,
    pub output: Vec<u8>,
    /// How many calls of `receive` were made.
    pub calls: usize,
    /// Bytes of payload that were handed out from somewhere else than the chunk.
    pub copied: usize,
}

impl Outcome {
    /// The whole messages.
    #[must_use]
    pub fn messages(&self) -> Vec<(bool, Vec<u8>)> {
        let reading = model::Reading {
            events: self.events.clone(),
            verdict: Verdict::Complete,
            header_bytes: Vec::new(),
            inside_characters: Vec::new(),
        };
        reading.messages()
    }

    fn piece(&mut self, text: bool, data: &[u8], start: bool, frame_end: bool, message_end: bool) {
        // A Ping cannot come inside a frame: the frame under way is the last event.
        if let Some(Event::Data {
            payload,
            frame_end: ended @ false,
            message_end: message_ended,
            text: was_text,
            ..
        }) = self.events.last_mut()
        {
            assert_eq!(*was_text, text);
            assert!(!start, "a message starts inside a frame");
            payload.extend_from_slice(data);
            *ended = frame_end;
            *message_ended = message_end;
            return;
        }
        assert!(frame_end || !message_end, "a message ends inside a frame");
        self.events.push(Event::Data {
            text,
            payload: data.to_vec(),
            message_start: start,
            frame_end,
            message_end,
        });
    }

    fn close(&mut self, code: Option<u16>, reason: &str) {
        self.events.push(Event::Close(code, String::from(reason)));
    }

    fn lies_in(&mut self, chunk: &Range<*const u8>, data: &[u8]) {
        let at = data.as_ptr_range();
        let within = chunk.start <= at.start && at.end <= chunk.end;
        if !within {
            self.copied += data.len();
        }
    }
}

/// Either role of a connection.
pub trait Peer: connection::Role {
    const ROLE: Role;
    fn make() -> Self;
}

impl Peer for Server {
    const ROLE: Role = Role::Server;
    fn make() -> Self {
        Self
    }
}

/// Predictable keys: for tests only.
pub(super) type FixedKeys = fn(&mut [u8]);

impl Peer for Client<FixedKeys> {
    const ROLE: Role = Role::Client;
    fn make() -> Self {
        Self::new(|key| {
            for (to, from) in key.iter_mut().zip([0x37, 0xfa, 0x21, 0x3d]) {
                *to = from;
            }
        })
    }
}

/// Runs a fresh endpoint over these chunks.
///
/// # Panics
/// When a law is broken that can be seen from one run: no progress, an error that changes, an event after an error.
#[must_use]
pub fn run(level: Level, role: Role, limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    match role {
        Role::Server => run_role::<Server>(level, limits, chunks),
        Role::Client => run_role::<Client<FixedKeys>>(level, limits, chunks),
    }
}

fn run_role<R: Peer>(level: Level, limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    match level {
        Level::Streaming => streaming::<R>(limits, chunks),
        Level::Halves => halves::<R>(limits, chunks),
        Level::Messages => messages::<R>(limits, chunks, false),
        Level::Space => messages::<R>(limits, chunks, true),
        Level::Whole => whole_messages::<R>(limits, chunks),
        Level::Buffered => buffered::<R>(limits, chunks),
    }
}

fn close_of(record: &connection::CloseRecord<'_>) -> Option<u16> {
    let code = record.received.map(u16::from);
    code.filter(|code| *code != 1005)
}

/// Writes down an error, and checks that it is sticky (law L6).
fn failed(seen: &mut Outcome, given: usize, error: ReceiveError, mut again: impl FnMut(&mut Vec<u8>) -> ReceiveError) {
    let ReceiveError::Failed(failure) = error else {
        assert!(
            matches!(error, ReceiveError::Failed(_)),
            "blocked, with an output that grows"
        );
        return;
    };
    seen.failure = Some(failure);
    seen.failed_after = Some(given);
    let before = seen.output.len();
    for _ in 0..3 {
        assert_eq!(again(&mut seen.output), error, "the error is another one");
    }
    assert_eq!(
        seen.output.len(),
        before,
        "something is sent after the Close of a failure"
    );
}

fn streaming<R: Peer>(limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    let mut connection = Connection::new(R::make(), limits);
    let mut seen = Outcome::default();
    let mut out = Vec::new();
    let mut given = 0;
    for chunk in chunks {
        let mut bytes = chunk.to_vec();
        let range = bytes.as_ptr_range();
        let mut input = &mut bytes[..];
        given += chunk.len();
        loop {
            let before = input.len();
            let result = connection.receive(&mut input, &mut out);
            seen.calls += 1;
            match result {
                Ok(Some((event, _))) => match event {
                    connection::Event::Text(chunk) => {
                        // A character that was cut comes from the machine's four bytes.
                        if chunk.data.chars().count() != 1 || chunk.data.len() == 1 {
                            seen.lies_in(&range, chunk.data.as_bytes());
                        }
                        seen.piece(
                            true,
                            chunk.data.as_bytes(),
                            chunk.message_start,
                            chunk.frame_end,
                            chunk.message_end,
                        );
                    }
                    connection::Event::Binary(chunk) => {
                        seen.lies_in(&range, chunk.data);
                        seen.piece(
                            false,
                            chunk.data,
                            chunk.message_start,
                            chunk.frame_end,
                            chunk.message_end,
                        );
                    }
                    connection::Event::Ping(data) => {
                        seen.lies_in(&range, data);
                        seen.events.push(Event::Ping(data.to_vec()));
                    }
                    connection::Event::Pong(data) => {
                        seen.lies_in(&range, data);
                        seen.events.push(Event::Pong(data.to_vec()));
                    }
                    connection::Event::Close(record) => seen.close(close_of(&record), record.reason),
                },
                Ok(None) => {
                    assert!(input.is_empty(), "needs input with {before} bytes at hand");
                    break;
                }
                // Too many replies wait: the caller drains them, and goes on with what is left of the input.
                Err(ReceiveError::Blocked(Blocked::OutputFull(_))) if !out.is_empty() => seen.output.append(&mut out),
                Err(error) => {
                    seen.output.append(&mut out);
                    failed(&mut seen, given, error, |out| {
                        let mut more = *b"\x81\x00\x81\x80\0\0\0\0";
                        match connection.receive(&mut &mut more[..], out) {
                            Ok(_) => ReceiveError::Blocked(Blocked::FrameInProgress),
                            Err(error) => error,
                        }
                    });
                    assert_eq!(connection.transport(), Transport::FlushThenHalfClose);
                    let record = connection.close_record();
                    assert_eq!(record.sent, error.failure().map(|failure| failure.close_code()));
                    assert_eq!(record.failure, error.failure());
                    return seen;
                }
            }
        }
        // The caller drains its output now and then, not with each chunk: the bytes must not depend on it.
        if given % 3 == 0 {
            seen.output.append(&mut out);
        }
    }
    seen.output.append(&mut out);
    seen
}

fn halves<R: Peer>(limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    let mut receiver: Receiver<R> = Receiver::new(limits);
    let mut sender = Sender::new(R::make());
    let mut seen = Outcome::default();
    let mut given = 0;
    for chunk in chunks {
        let mut bytes = chunk.to_vec();
        let mut input = &mut bytes[..];
        given += chunk.len();
        loop {
            let result = receiver.receive(&mut input);
            seen.calls += 1;
            match result {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if let Some(reply) = event.reply() {
                        let sent = sender.reply(&reply, &mut seen.output);
                        assert_eq!(sent, Ok(()));
                    }
                    match event {
                        connection::Event::Text(chunk) => seen.piece(
                            true,
                            chunk.data.as_bytes(),
                            chunk.message_start,
                            chunk.frame_end,
                            chunk.message_end,
                        ),
                        connection::Event::Binary(chunk) => seen.piece(
                            false,
                            chunk.data,
                            chunk.message_start,
                            chunk.frame_end,
                            chunk.message_end,
                        ),
                        connection::Event::Ping(data) => seen.events.push(Event::Ping(data.to_vec())),
                        connection::Event::Pong(data) => seen.events.push(Event::Pong(data.to_vec())),
                        connection::Event::Close(CloseFrame { code, reason }) => {
                            seen.close(code.map(u16::from), reason);
                        }
                    }
                }
                Err(failure) => {
                    let sent = sender.reply(&failure.into(), &mut seen.output);
                    assert_eq!(sent, Ok(()));
                    failed(&mut seen, given, failure.into(), |_| {
                        let mut more = *b"\x81\x00\x81\x80\0\0\0\0";
                        match receiver.receive(&mut &mut more[..]) {
                            Ok(_) => ReceiveError::Blocked(Blocked::FrameInProgress),
                            Err(failure) => failure.into(),
                        }
                    });
                    return seen;
                }
            }
        }
    }
    seen
}

fn message_event(seen: &mut Outcome, event: &message::Event<'_>) {
    match event {
        message::Event::Text(text) => seen.piece(true, text.as_bytes(), true, true, true),
        message::Event::Binary(data) => seen.piece(false, data, true, true, true),
        message::Event::Ping(data) => seen.events.push(Event::Ping(data.to_vec())),
        message::Event::Pong(data) => seen.events.push(Event::Pong(data.to_vec())),
        message::Event::Close(record) => seen.close(close_of(record), record.reason),
    }
}

fn whole_messages<R: Peer>(limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    const LONGEST: usize = 1000;
    let mut connection = MessageConnection::new(Connection::new(R::make(), limits));
    let mut seen = Outcome::default();
    let mut out = Vec::new();
    let mut given = 0;
    let mut left = Vec::new();
    // At the end all that is left goes to `receive`.
    for (chunk, last) in chunks.iter().map(|chunk| (*chunk, false)).chain([(&[][..], true)]) {
        given += chunk.len();
        left.extend_from_slice(chunk);
        let mut input = &mut left[..];
        loop {
            seen.calls += 1;
            let result = if last {
                connection.receive(&mut input, &mut out)
            } else {
                connection.receive_whole(&mut input, LONGEST, &mut out)
            };
            match result {
                Ok(None) => break,
                Ok(Some((event, _))) => message_event(&mut seen, &event),
                Err(ReceiveError::Blocked(Blocked::OutputFull(_))) if !out.is_empty() => seen.output.append(&mut out),
                Err(error) => {
                    seen.output.append(&mut out);
                    failed(&mut seen, given, error, |out| {
                        let mut more = *b"\x81\x00\x81\x80\0\0\0\0";
                        match connection.receive_whole(&mut &mut more[..], LONGEST, out) {
                            Ok(_) => ReceiveError::Blocked(Blocked::FrameInProgress),
                            Err(error) => error,
                        }
                    });
                    return seen;
                }
            }
        }
        let waiting = input.len();
        match connection.missing(input) {
            Some(missing) => assert!(waiting > 0 && missing > 0 && waiting + missing <= LONGEST),
            None => assert_eq!(waiting, 0, "left, and nothing is missing"),
        }
        left.drain(..left.len() - waiting);
    }
    seen.output.append(&mut out);
    seen
}

fn messages<R: Peer>(limits: &Limits, chunks: &[&[u8]], use_space: bool) -> Outcome {
    let mut connection = MessageConnection::new(Connection::new(R::make(), limits));
    let mut seen = Outcome::default();
    let mut out = Vec::new();
    let mut given = 0;
    let mut result = Ok(());
    'chunks: for chunk in chunks {
        given += chunk.len();
        let mut rest = *chunk;
        while use_space && let Some(space) = connection.space(1).filter(|_| !rest.is_empty()) {
            let len = space.len().min(rest.len());
            space[..len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            seen.calls += 1;
            match connection.receive_in_space(len, &mut out) {
                Ok(None) => {}
                Ok(Some((event, _))) => message_event(&mut seen, &event),
                Err(error) => {
                    result = Err(error);
                    break 'chunks;
                }
            }
        }
        let mut bytes = rest.to_vec();
        let mut input = &mut bytes[..];
        loop {
            seen.calls += 1;
            match connection.receive(&mut input, &mut out) {
                Ok(None) => break,
                Ok(Some((event, _))) => message_event(&mut seen, &event),
                Err(ReceiveError::Blocked(Blocked::OutputFull(_))) if !out.is_empty() => seen.output.append(&mut out),
                Err(error) => {
                    result = Err(error);
                    break 'chunks;
                }
            }
        }
    }
    seen.output.append(&mut out);
    if let Err(error) = result {
        failed(&mut seen, given, error, |out| {
            let mut more = *b"\x81\x00\x81\x80\0\0\0\0";
            match connection.receive(&mut &mut more[..], out) {
                Ok(_) => ReceiveError::Blocked(Blocked::FrameInProgress),
                Err(error) => error,
            }
        });
    }
    seen
}

/// The machine that owns its buffers: the first chunk is what followed a head, each other one is read in parts of what
/// space there is.
fn buffered<R: Peer>(limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    let first = chunks.first().copied().unwrap_or_default();
    let mut ws = BufferedConnection::new(Connection::new(R::make(), limits), first).with_read_len(9);
    let mut seen = Outcome::default();
    let mut given = first.len();
    let mut result = take_all(&mut ws, &mut seen);
    for chunk in chunks.iter().skip(1) {
        let mut chunk = *chunk;
        if result.is_ok() {
            given += chunk.len();
        }
        while !chunk.is_empty() && result.is_ok() {
            let space = ws.space();
            let len = space.len().min(chunk.len());
            space[..len].copy_from_slice(&chunk[..len]);
            chunk = &chunk[len..];
            ws.advance(len);
            result = take_all(&mut ws, &mut seen);
            // The transport takes a part now and then.
            write_out(&mut ws, &mut seen.output, given % 7);
        }
    }
    write_out(&mut ws, &mut seen.output, usize::MAX);
    if let Err(error) = result {
        failed(&mut seen, given, error, |out| {
            let more = b"\x81\x00\x81\x80\0\0\0\0";
            ws.space()[..more.len()].copy_from_slice(more);
            ws.advance(more.len());
            let again = match ws.next_event() {
                Ok(_) => ReceiveError::Blocked(Blocked::FrameInProgress),
                Err(error) => error,
            };
            write_out(&mut ws, out, usize::MAX);
            again
        });
    }
    seen
}

fn take_all<R: Peer>(ws: &mut BufferedConnection<R>, seen: &mut Outcome) -> Result<(), ReceiveError> {
    loop {
        seen.calls += 1;
        let error = match ws.next_event() {
            Ok(Some((event, _))) => {
                message_event(seen, &event);
                continue;
            }
            Ok(None) => return Ok(()),
            Err(error) => error,
        };
        if !matches!(error, ReceiveError::Blocked(Blocked::OutputFull(_))) || ws.output().is_empty() {
            return Err(error);
        }
        write_out(ws, &mut seen.output, usize::MAX);
    }
}

/// Writes up to `len` bytes of the output.
fn write_out<R: Peer>(ws: &mut BufferedConnection<R>, out: &mut Vec<u8>, len: usize) {
    let len = len.min(ws.output().len());
    out.extend_from_slice(&ws.output()[..len]);
    ws.written(len);
}

/// The kit's name for what the machine says.
#[must_use]
pub const fn rule_of(failure: Failure) -> Rule {
    match failure {
        Failure::Limit(LimitExceeded::FrameTooLong | LimitExceeded::MessageTooLong) => Rule::TooBig,
        Failure::Limit(LimitExceeded::TooManyFragments) => Rule::TooManyFragments,
        Failure::Violation(violation) => match violation {
            Violation::ReservedBits => Rule::ReservedBits,
            Violation::ReservedOpcode => Rule::ReservedOpcode,
            Violation::FragmentedControl => Rule::FragmentedControl,
            Violation::UnexpectedContinuation => Rule::UnexpectedContinuation,
            Violation::ExpectedContinuation => Rule::ExpectedContinuation,
            Violation::UnmaskedFrame => Rule::UnmaskedFrame,
            Violation::MaskedFrame => Rule::MaskedFrame,
            Violation::ControlTooLong => Rule::ControlTooLong,
            Violation::LengthNotMinimal => Rule::LengthNotMinimal,
            Violation::LengthTopBit => Rule::LengthTopBit,
            Violation::CloseBodyOneByte => Rule::CloseBodyOneByte,
            Violation::InvalidCloseCode => Rule::InvalidCloseCode,
            Violation::CloseReasonNotUtf8 => Rule::CloseReasonNotUtf8,
            Violation::TextNotUtf8 => Rule::TextNotUtf8,
        },
    }
}

/// The machine, fed these chunks under these limits, and the model come to the same: events, verdict, the byte that decides it, replies.
///
/// # Panics
/// When they do not.
pub fn agrees_with_model(role: Role, limits: &Limits, bytes: &[u8], cuts: &[usize]) {
    let chunks = generate::chunks(bytes, cuts);
    let seen = run(Level::Streaming, role, limits, &chunks);
    let bounds = Bounds {
        frame_len: limits.max_frame_len,
        message_len: limits.max_message_len,
        fragments: limits.fragment_budget.into(),
    };
    let reading = model::receive(role, bytes, &bounds);
    assert_eq!(seen.events, reading.events, "events");
    // A Ping whose reply had to wait was kept meanwhile.
    if limits.max_reply_backlog == Limits::DEFAULT.max_reply_backlog {
        assert_eq!(seen.copied_unless_cut(cuts), 0, "payloads that were copied");
    }
    match (&reading.verdict, seen.failure) {
        (Verdict::Broken { rules, after }, Some(failure)) => {
            let rule = rule_of(failure);
            assert!(rules.contains(&rule), "{failure:?}, not {rules:?}");
            let chunk_end = cuts.iter().copied().find(|cut| cut >= after).unwrap_or(bytes.len());
            assert_eq!(seen.failed_after, Some(chunk_end), "seen too early or too late");
        }
        (Verdict::Complete | Verdict::Unfinished | Verdict::Closed { .. }, None) => {}
        (verdict, failure) => assert_eq!(failure, None, "the model says {verdict:?}"),
    }
    assert_eq!(
        matches!(reading.verdict, Verdict::Broken { .. }),
        seen.failure.is_some(),
        "the model says {:?}",
        reading.verdict
    );
    let sent = model::receive(role.peer(), &seen.output, &generate::BOUNDS);
    assert!(
        matches!(sent.verdict, Verdict::Complete | Verdict::Closed { .. }),
        "sends what is not legal: {:?}",
        sent.verdict
    );
    let sent: Vec<(u8, Vec<u8>)> = sent
        .events
        .into_iter()
        .map(|event| match event {
            Event::Pong(payload) => (0xa, payload),
            Event::Close(code, _) => (0x8, code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec())),
            Event::Ping(payload) | Event::Data { payload, .. } => (0xff, payload),
        })
        .collect();
    let mut expected = reading.replies();
    // Where one byte breaks several rules, each of their codes will do.
    if let (Some(last), Some(failure)) = (expected.last_mut(), seen.failure) {
        let code = u16::from(failure.close_code());
        assert!(reading.close_codes().contains(&code), "closes with {code}");
        last.1 = code.to_be_bytes().to_vec();
    }
    assert_eq!(sent, expected, "replies");
}

impl Outcome {
    /// What was copied, if nothing had to be because of a cut.
    fn copied_unless_cut(&self, cuts: &[usize]) -> usize {
        if cuts.is_empty() { self.copied } else { 0 }
    }
}
