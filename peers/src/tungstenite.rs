//! tungstenite.

use std::io::ErrorKind;

use sockless_conformance::{Pipe, Role, Wire};
use tungstenite::handshake::{HandshakeError, HandshakeRole, MidHandshake};
use tungstenite::protocol::Role as TheirRole;
use tungstenite::{Error, Message, WebSocket};

pub(crate) fn run(wire: &mut Wire) {
    let pipe = Pipe::new();
    let socket = match (wire.role(), wire.has_handshake()) {
        (Role::Server, false) => Some(WebSocket::from_raw_socket(pipe.clone(), TheirRole::Server, None)),
        (Role::Client, false) => Some(WebSocket::from_raw_socket(pipe.clone(), TheirRole::Client, None)),
        (Role::Server, true) => finish(wire, &pipe, tungstenite::accept(pipe.clone())),
        (Role::Client, true) => {
            let started = tungstenite::client("ws://example.com/", pipe.clone());
            finish(wire, &pipe, started).map(|(socket, _)| socket)
        }
    };
    if let Some(socket) = socket {
        open(wire, &pipe, socket);
    }
    pipe.tell(wire);
}

fn finish<R: HandshakeRole>(
    wire: &mut Wire,
    pipe: &Pipe,
    mut result: Result<R::FinalResult, HandshakeError<R>>,
) -> Option<R::FinalResult> {
    loop {
        match result {
            Ok(done) => return Some(done),
            Err(HandshakeError::Interrupted(middle)) => {
                if !pipe.turn(wire) {
                    return None;
                }
                result = MidHandshake::handshake(middle);
            }
            Err(HandshakeError::Failure(error)) => {
                pipe.tell(wire);
                wire.failed(error);
                return None;
            }
        }
    }
}

fn open(wire: &mut Wire, pipe: &Pipe, mut socket: WebSocket<Pipe>) {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => wire.text(text.as_str(), true),
            Ok(Message::Binary(data)) => wire.binary(&data, true),
            Ok(Message::Close(frame)) => match frame {
                Some(frame) => wire.close(Some(frame.code.into()), frame.reason.as_str()),
                None => wire.close(None, ""),
            },
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                let _ = socket.flush();
                if !pipe.turn(wire) {
                    return;
                }
            }
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return,
            Err(error) => {
                let _ = socket.flush();
                pipe.tell(wire);
                return wire.failed(error);
            }
        }
    }
}
