//! The read buffer, whatever is done with it, against the streaming level.

use arbitrary::{Arbitrary as _, Result, Unstructured};
use sockless::buffer::{ReadBuffer, Storage};
use sockless::connection::{Client, Connection, Server};
use sockless::error::{Failure, ReceiveError, Violation};
use sockless::frame::{Header, MAX_HEADER_LEN, Mask, Opcode};
use sockless::limits::Limits;
use sockless::message::Event;
use sockless_conformance::Role;

use crate::level::{Level, Observer as _, Seen};
use crate::outcome::{Outcome, run};
use crate::role::{FixedKeys, Peer};

/// What a peer sends: frames, most of them legal, of lengths on both sides of what the buffer treats differently.
struct Stream {
    bytes: Vec<u8>,
    /// The longest message, if all are legal.
    longest: usize,
}

fn payload_len(u: &mut Unstructured<'_>) -> Result<usize> {
    let around = |u: &mut Unstructured<'_>, len: usize| u.int_in_range(len - 20..=len + 20);
    match u.int_in_range(0..=15_u8)? {
        0..=7 => u.int_in_range(0..=40),
        8..=10 => u.int_in_range(0..=400),
        11 => around(u, 4 << 10),
        12 => around(u, 16 << 10),
        13 => around(u, 64 << 10),
        14 => u.int_in_range(0..=20_000),
        _ => u.int_in_range(0..=300_000),
    }
}

impl Stream {
    fn make(u: &mut Unstructured<'_>, role: Role) -> Result<Self> {
        let mut bytes = Vec::new();
        let (mut longest, mut message) = (0, 0);
        let mut within = false;
        for _ in 0..u.int_in_range(1..=12)? {
            let legal = !u.ratio(1_u8, 64)?;
            let opcode = match (u.int_in_range(0..=9_u8)?, within == legal) {
                (0, _) => Opcode::Ping,
                (1, _) => Opcode::Pong,
                (_, true) => Opcode::Continuation,
                (2..=5, false) => Opcode::Text,
                (_, false) => Opcode::Binary,
            };
            let control = opcode.is_control();
            let fin = control || u.ratio(1_u8, 2)?;
            let len = if control {
                u.int_in_range(0..=125)?
            } else {
                payload_len(u)?
            };
            let mut payload = vec![b'a' + (bytes.len() % 26) as u8; len];
            if len > 0 && !legal {
                let at = u.int_in_range(0..=len - 1)?;
                payload[at] = 0xff;
            }
            if !control {
                message = if opcode == Opcode::Continuation {
                    message + len
                } else {
                    len
                };
                longest = longest.max(message);
                within = !fin;
            }
            let header = Header {
                fin,
                rsv: 0,
                opcode,
                mask_key: (role == Role::Server).then_some([1, 2, 3, len as u8]),
                payload_len: len as u64,
            };
            if let Some(key) = header.mask_key {
                Mask::new(key).apply(&mut payload);
            }
            bytes.extend_from_slice(header.encode(&mut [0; MAX_HEADER_LEN]));
            bytes.extend_from_slice(&payload);
        }
        if u.ratio(1_u8, 8)? {
            bytes.truncate(u.int_in_range(0..=bytes.len())?);
        }
        Ok(Self { bytes, longest })
    }
}

/// A connection, and what came out of it.
struct Run<R> {
    ws: Connection<R>,
    out: Vec<u8>,
    seen: Outcome,
}

impl<R: Peer> Run<R> {
    fn new(limits: &Limits) -> Self {
        Self {
            ws: Connection::new(R::make(), limits),
            out: Vec::new(),
            seen: Outcome::default(),
        }
    }

    /// Receives one event; takes a message out by value where that is asked for.
    fn receive<S: Storage>(
        &mut self,
        input: &mut ReadBuffer<S>,
        take: impl FnOnce(&mut ReadBuffer<S>, &Option<(bool, Vec<u8>)>),
    ) -> bool {
        let message = match self.ws.receive(input, &mut self.out) {
            Ok(None) => return false,
            Ok(Some((event, _))) => {
                self.seen.seen(&Seen::message(&event));
                match event {
                    Event::Text(text) => Some((true, text.as_bytes().to_vec())),
                    Event::Binary(data) => Some((false, data.to_vec())),
                    _ => None,
                }
            }
            Err(ReceiveError::Failed(failure)) => {
                assert!(input.unread().is_empty(), "input is left after a failure");
                let before = self.seen.failure.replace(failure);
                assert!(before.is_none_or(|before| before == failure), "another failure");
                return false;
            }
            Err(ReceiveError::Blocked(blocked)) => panic!("{blocked}"),
            Err(error) => panic!("{error}"),
        };
        take(input, &message);
        true
    }

    fn check(mut self, level: Level, role: Role, limits: &Limits, stream: &Stream) {
        self.seen.output.append(&mut self.out);
        let expected = run(level, role, limits, &[&stream.bytes]);
        assert_eq!(self.seen.whole_events(), expected.whole_events());
        // A frame with bad text that was cut off has been judged by nobody.
        let bad_text = Some(Failure::Violation(Violation::TextNotUtf8));
        if self.seen.failure.is_some() || expected.failure != bad_text {
            assert_eq!(self.seen.failure, expected.failure);
            assert_eq!(self.seen.output, expected.output);
        }
    }
}

/// Takes the message that was handed out last, which is the same by value, and comes once.
fn take(input: &mut ReadBuffer, message: &Option<(bool, Vec<u8>)>, how: u8) {
    let expected = message.as_ref().map(|(_, payload)| payload);
    match (how, message) {
        (0..=2, _) => {}
        (3, Some((true, payload))) => {
            let taken = input.take_text();
            assert_eq!(taken.as_ref().map(String::as_bytes), Some(&payload[..]));
        }
        _ => assert_eq!(input.take_binary().as_ref(), expected),
    }
    if how >= 3 {
        assert_eq!(input.take_binary(), None, "a message is taken twice");
    }
}

/// A stream, a kind of buffer, and what is done with it.
pub fn read_buffer(data: &[u8]) {
    let mut u = Unstructured::new(data);
    // An error is the end of the schedule.
    let _: Result<()> = match bool::arbitrary(&mut u) {
        Ok(true) => any::<Server>(&mut u),
        Ok(false) => any::<Client<FixedKeys>>(&mut u),
        Err(error) => Err(error),
    };
}

fn any<R: Peer>(u: &mut Unstructured<'_>) -> Result<()> {
    let fixed_len: u16 = u.int_in_range(0..=3000)?;
    let kind = u.int_in_range(0..=3_u8)?;
    let stream = Stream::make(u, R::ROLE)?;
    match kind {
        0 => growing::<R>(u, &stream, &mut ReadBuffer::new(), 256 << 10),
        1 => {
            let capacity = match fixed_len {
                0..=2999 => usize::from(fixed_len),
                _ => 64 << 10,
            };
            growing::<R>(u, &stream, &mut ReadBuffer::with_capacity(capacity), capacity.max(1))
        }
        2 => lent::<R>(u, &stream, usize::from(fixed_len)),
        _ => fixed::<R>(u, &stream, usize::from(fixed_len)),
    }
}

fn growing<R: Peer>(u: &mut Unstructured<'_>, stream: &Stream, input: &mut ReadBuffer, most: usize) -> Result<()> {
    let mut run = Run::<R>::new(&Limits::default());
    let mut rest = &stream.bytes[..];
    let mut most_unread = 0;
    while !rest.is_empty() {
        let what = u.int_in_range(0..=11).unwrap_or(0_u8);
        let some = if u.is_empty() {
            usize::MAX
        } else {
            payload_len(u).unwrap_or(usize::MAX)
        };
        match what {
            0..=4 => {
                let space = input.space();
                assert!(!space.is_empty(), "no space");
                let len = space.len().min(rest.len()).min(some);
                space[..len].copy_from_slice(&rest[..len]);
                input.advance(len);
                rest = &rest[len..];
            }
            5 | 6 => {
                let len = rest.len().min(some);
                assert_eq!(input.extend(&rest[..len]), Ok(()));
                rest = &rest[len..];
            }
            7 => {
                input.release();
                assert!(!input.is_at_rest() || input.capacity() == 0, "memory is kept");
            }
            8 => {
                // A read that brings nothing.
                input.space();
                input.advance(0);
            }
            9 => input.advance(0),
            _ => {
                run.receive(input, |input, message| take(input, message, (some % 5) as u8));
            }
        }
        most_unread = most_unread.max(input.unread().len());
        if what < 4 {
            while run.receive(input, |input, message| take(input, message, (some % 5) as u8)) {}
        }
        // Law L3, loosely: what arrived, the message under way, and a read.
        let bound = 3 * (most_unread + stream.longest) + 4 * most + (64 << 10);
        assert!(input.capacity() <= bound, "{} bytes are held", input.capacity());
    }
    while run.receive(input, |_, _| {}) {}
    run.check(Level::Chunks, R::ROLE, &Limits::default(), stream);
    Ok(())
}

fn lent<R: Peer>(u: &mut Unstructured<'_>, stream: &Stream, capacity: usize) -> Result<()> {
    let mut run = Run::<R>::new(&Limits::default());
    let (mut memory, mut input) = (Vec::new(), ReadBuffer::new());
    let input = &mut input;
    let mut rest = &stream.bytes[..];
    while !rest.is_empty() {
        let some = if u.is_empty() {
            usize::MAX
        } else {
            payload_len(u).unwrap_or(usize::MAX)
        };
        if u.ratio(3_u8, 4).unwrap_or(true) {
            // Another connection has used it meanwhile.
            memory.clear();
            memory.resize(capacity, 0xaa);
            input.lend(&mut memory);
        }
        let space = input.space();
        let len = space.len().min(rest.len()).min(some);
        space[..len].copy_from_slice(&rest[..len]);
        input.advance(len);
        rest = &rest[len..];
        while run.receive(input, |input, message| take(input, message, (some % 5) as u8)) {}
        if u.ratio(3_u8, 4).unwrap_or(true) {
            input.take_back(&mut memory);
            assert!(
                !input.is_at_rest() || input.capacity() == 0,
                "an idle connection holds memory"
            );
        }
    }
    run.check(Level::Chunks, R::ROLE, &Limits::default(), stream);
    Ok(())
}

fn fixed<R: Peer>(u: &mut Unstructured<'_>, stream: &Stream, len: usize) -> Result<()> {
    let mut memory = vec![0xaa; len + ReadBuffer::<&mut [u8]>::FIXED_OVERHEAD];
    let mut input = ReadBuffer::fixed(&mut memory[..]);
    let limits = Limits::default();
    let mut run = Run::<R>::new(&limits);
    let mut rest = &stream.bytes[..];
    while !rest.is_empty() {
        let some = if u.is_empty() {
            usize::MAX
        } else {
            payload_len(u).unwrap_or(usize::MAX)
        };
        let space = input.space();
        assert!(!space.is_empty(), "no space");
        let len = space.len().min(rest.len()).min(some);
        space[..len].copy_from_slice(&rest[..len]);
        input.advance(len);
        rest = &rest[len..];
        while run.receive(&mut input, |_, _| {}) {}
    }
    let expected = limits.with_max_message_len(len as u64);
    run.check(Level::Chunks, R::ROLE, &expected, stream);
    Ok(())
}
