//! What is sent is received, however it is cut.

use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::machine::{FixedKeys, Level, Peer, agrees_with_model, run};
use crate::conformance::model::Event;
use crate::conformance::{Role, Split, generate};
use crate::connection::{Client, Payload, Sender, Server};
use crate::error::SendError;
use crate::frame::CloseCode;
use crate::limits::Limits;

/// Something to ask of a send half.
#[derive(Debug)]
enum Command {
    Text(String),
    Binary(Vec<u8>),
    TextPart(String, bool),
    BinaryPart(Vec<u8>, bool),
    Chunked(Vec<u8>, usize, bool),
    InPlace(Vec<u8>, bool),
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
        Ok(match self.u.int_in_range(0..=8)? {
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
    let mut out = Vec::new();
    let mut sent = Vec::new();
    // The message that is being sent in parts.
    let mut message: Option<(bool, Vec<u8>)> = None;
    for command in commands {
        let before = out.len();
        let accepted = one(&mut sender, command, &mut out);
        match accepted {
            Ok(()) => note(command, &mut message, &mut sent),
            Err(_) => assert_eq!(out.len(), before, "{command:?} was refused, and yet bytes were written"),
        }
    }
    (out, sent)
}

fn one<R: Peer>(sender: &mut Sender<R>, command: &Command, out: &mut Vec<u8>) -> core::result::Result<(), SendError> {
    match command {
        Command::Text(text) => sender.text(text, out),
        Command::Binary(data) => sender.binary(data, out),
        Command::TextPart(text, fin) => sender.part(Payload::Text(text), *fin, out),
        Command::BinaryPart(data, fin) => sender.part(Payload::Binary(data), *fin, out),
        Command::Chunked(data, size, fin) => {
            let kind = crate::frame::MessageKind::Binary;
            sender.begin_frame(kind, data.len() as u64, *fin, out)?;
            for chunk in data.chunks(*size) {
                let between = sender.ping(b"", out);
                assert_eq!(between, Err(SendError::FrameInProgress));
                let chunk = sender.chunk(Payload::Binary(chunk), out);
                assert_eq!(chunk, Ok(()));
            }
            Ok(())
        }
        Command::InPlace(data, fin) => {
            let mut data = data.clone();
            let header = sender.frame_in_place(crate::frame::MessageKind::Binary, &mut data, *fin)?;
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(&data);
            Ok(())
        }
        Command::Ping(data) => sender.ping(data, out),
        Command::Pong(data) => sender.pong(data, out),
        Command::Close(code, reason) => sender.close(*code, reason, out),
    }
}

fn note(command: &Command, message: &mut Option<(bool, Vec<u8>)>, sent: &mut Vec<Event>) {
    let (text, data, fin) = match command {
        Command::Text(text) => (true, text.as_bytes(), true),
        Command::Binary(data) => (false, &data[..], true),
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
