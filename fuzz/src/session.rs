//! What is sent is received, however it is cut.

use arbitrary::{Arbitrary, Result, Unstructured};
use sockless::buffer::{Output as _, SharedBytes, WriteBuffer};
use sockless::connection::{Client, Payload, PreparedMessage, Sender, Server};
use sockless::error::SendError;
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;
use sockless_conformance::model::Event;
use sockless_conformance::{Role, Split, generate};

use crate::level::Level;
use crate::model::agrees_with_model;
use crate::outcome::run;
use crate::role::{FixedKeys, Peer};

/// Something to ask of a send half.
#[derive(Debug)]
enum Command {
    Text(String),
    Binary(Vec<u8>),
    TextPart(String, bool),
    BinaryPart(Vec<u8>, bool),
    Chunked(Vec<u8>, usize, bool),
    InPlace(Vec<u8>, bool),
    Shared(Vec<u8>),
    Prepared(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
}

/// Lengths at the boundary behind which a length takes 64 bits. A frame of such a length costs as much as a thousand small
/// ones: a session has one at most, and little beside it.
const LONG: [usize; 2] = [65_535, 65_536];

/// The most commands of a session, and of one with a frame of a [`LONG`] length.
const COMMANDS: usize = 64;
const COMMANDS_IF_LONG: usize = 4;

/// Makes commands out of the fuzzer's bytes.
struct Maker<'u, 'a> {
    u: &'u mut Unstructured<'a>,
    /// How many commands the session may have.
    commands: usize,
    /// Whether a frame of a [`LONG`] length may still come.
    may_be_long: bool,
}

impl Maker<'_, '_> {
    /// As many commands as the bytes give.
    fn session(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        while !self.u.is_empty() && commands.len() < self.commands {
            self.may_be_long &= commands.len() < COMMANDS_IF_LONG;
            let Ok(command) = self.command() else { break };
            commands.push(command);
        }
        commands
    }

    /// Bytes as they come, or so many that their length is on either side of a boundary.
    fn bytes(&mut self) -> Result<Vec<u8>> {
        if !self.u.ratio(1_u8, 8)? {
            return self.u.arbitrary();
        }
        let len = if self.may_be_long && self.u.ratio(1_u8, 32)? {
            self.may_be_long = false;
            self.commands = COMMANDS_IF_LONG;
            *self.u.choose(&LONG)?
        } else {
            self.u.int_in_range(124..=127)?
        };
        let byte = self.u.arbitrary()?;
        Ok(core::iter::repeat_n(byte, len).collect())
    }

    fn command(&mut self) -> Result<Command> {
        Ok(match self.u.int_in_range(0..=10)? {
            0 => Command::Text(self.u.arbitrary()?),
            1 => Command::Binary(self.bytes()?),
            2 => Command::TextPart(self.u.arbitrary()?, self.u.arbitrary()?),
            3 => Command::BinaryPart(self.bytes()?, self.u.arbitrary()?),
            4 => {
                let data = self.bytes()?;
                // Not a byte at a time, where there are many.
                let least = 1 + data.len() / 256;
                Command::Chunked(data, self.u.int_in_range(least..=least + 199)?, self.u.arbitrary()?)
            }
            5 => Command::InPlace(self.bytes()?, self.u.arbitrary()?),
            6 => Command::Ping(self.bytes()?),
            7 => Command::Pong(self.bytes()?),
            8 => Command::Shared(self.bytes()?),
            9 => Command::Prepared(self.u.arbitrary()?),
            _ => Command::Close(self.u.arbitrary()?, self.u.arbitrary()?),
        })
    }
}

/// Commands, a role to send them in, and a way to cut the bytes: what was accepted is what the other end receives.
pub fn structured_session(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok((role, split)) = Role::arbitrary(&mut u).and_then(|role| Ok((role, Split::arbitrary(&mut u)?))) else {
        return;
    };
    let commands = Maker {
        u: &mut u,
        commands: COMMANDS,
        may_be_long: true,
    }
    .session();
    let (wire, sent) = match role {
        Role::Server => send(Sender::new(Client::<FixedKeys>::make()), &commands),
        Role::Client => send(Sender::new(Server), &commands),
    };
    // What is long is not fed byte by byte, but cut where it may matter.
    let split = match split {
        Split::EachByte if wire.len() > 8192 => Split::Headers,
        split => split,
    };
    let cuts = split.cuts(role, &wire, 0);
    let seen = run(
        Level::Messages,
        role,
        &Limits::default(),
        &generate::chunks(&wire, &cuts),
    );
    assert_eq!(
        seen.failure, None,
        "the crate refuses what the crate sends: {commands:?}"
    );
    assert_eq!(seen.events, sent, "{commands:?}");
    agrees_with_model(role, &Limits::default(), &wire, &cuts);
}

/// The bytes that were sent, and the events that the peer has to see.
fn send<R: Peer>(mut sender: Sender<R>, commands: &[Command]) -> (Vec<u8>, Vec<Event>) {
    let mut out = WriteBuffer::new();
    let mut wire = Vec::new();
    let mut sent = Vec::new();
    // The message that is being sent in parts.
    let mut message: Option<(bool, Vec<u8>)> = None;
    for command in commands {
        let before = out.len();
        match one(&mut sender, command, &mut out, &mut wire) {
            Ok(()) => note(command, &mut message, &mut sent),
            Err(_) => assert_eq!(out.len(), before, "{command:?} was refused, and yet bytes were written"),
        }
    }
    write(&mut out, &mut wire);
    (wire, sent)
}

/// Writes all of the output.
fn write(out: &mut WriteBuffer, wire: &mut Vec<u8>) {
    while !out.unwritten().is_empty() {
        let len = out.unwritten().len();
        wire.extend_from_slice(out.unwritten());
        out.written(len);
    }
    assert_eq!(out.len(), 0);
}

fn one<R: Peer>(
    sender: &mut Sender<R>,
    command: &Command,
    out: &mut WriteBuffer,
    wire: &mut Vec<u8>,
) -> core::result::Result<(), SendError> {
    let mut tx = sender.tx(out);
    match command {
        Command::Text(text) => tx.text(text),
        Command::Binary(data) => tx.binary(data),
        Command::TextPart(text, fin) => tx.part(Payload::Text(text), *fin),
        Command::BinaryPart(data, fin) => tx.part(Payload::Binary(data), *fin),
        Command::Chunked(data, size, fin) => {
            tx.begin_frame(MessageKind::Binary, data.len() as u64, *fin)?;
            for chunk in data.chunks(*size) {
                assert_eq!(tx.ping(b""), Err(SendError::FrameInProgress));
                assert_eq!(tx.ready(), Err(SendError::FrameInProgress));
                assert_eq!(tx.chunk(Payload::Binary(chunk)), Ok(()));
            }
            Ok(())
        }
        Command::InPlace(data, fin) => {
            let mut data = data.clone();
            tx.in_place(MessageKind::Binary, &mut data, *fin)?;
            write(out, wire);
            wire.extend_from_slice(&data);
            Ok(())
        }
        Command::Shared(data) => tx.shared(MessageKind::Binary, &SharedBytes::new(data.clone())),
        Command::Prepared(text) => {
            let message = PreparedMessage::new(text).expect("memory");
            tx.prepared(&message)
        }
        Command::Ping(data) => tx.ping(data),
        Command::Pong(data) => tx.pong(data),
        Command::Close(code, reason) => tx.close(*code, reason),
    }
}

fn note(command: &Command, message: &mut Option<(bool, Vec<u8>)>, sent: &mut Vec<Event>) {
    let (text, data, fin) = match command {
        Command::Text(text) | Command::Prepared(text) => (true, text.as_bytes(), true),
        Command::Binary(data) | Command::Shared(data) => (false, &data[..], true),
        Command::TextPart(text, fin) => (true, text.as_bytes(), *fin),
        Command::BinaryPart(data, fin) | Command::Chunked(data, _, fin) | Command::InPlace(data, fin) => {
            (false, &data[..], *fin)
        }
        Command::Ping(data) => return sent.push(Event::Ping(data.clone())),
        Command::Pong(data) => return sent.push(Event::Pong(data.clone())),
        Command::Close(code, reason) => {
            let code = code.map(u16::from).filter(|code| *code != 1005);
            return sent.push(Event::Close(code, reason.clone()));
        }
    };
    let (kind, all) = message.get_or_insert((text, Vec::new()));
    assert_eq!(*kind, text, "parts of both kinds in one message");
    all.extend_from_slice(data);
    if fin && let Some((text, payload)) = message.take() {
        sent.push(Event::Data {
            text,
            payload,
            message_start: true,
            frame_end: true,
            message_end: true,
        });
    }
}
