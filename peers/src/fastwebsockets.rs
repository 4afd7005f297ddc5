//! fastwebsockets, with its collector of fragments. Its handshake needs an HTTP server and is left out.

use fastwebsockets::{FragmentCollector, OpCode, Role as TheirRole, WebSocket};
use sockless_conformance::{Pipe, Role, Wire};

pub(crate) fn run(wire: &mut Wire) {
    if wire.has_handshake() {
        return wire.skip();
    }
    let pipe = Pipe::new();
    let role = match wire.role() {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let mut socket = FragmentCollector::new(WebSocket::after_handshake(pipe.clone(), role));
    while let Some(result) = pipe.drive(wire, socket.read_frame()) {
        pipe.tell(wire);
        match result {
            Ok(frame) => match frame.opcode {
                OpCode::Text => wire.text(&String::from_utf8_lossy(&frame.payload), true),
                OpCode::Binary => wire.binary(&frame.payload, true),
                OpCode::Close => break,
                OpCode::Ping | OpCode::Pong | OpCode::Continuation => {}
            },
            Err(error) => return wire.failed(error),
        }
    }
    pipe.tell(wire);
}
