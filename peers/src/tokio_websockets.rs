//! tokio-websockets.

use std::future::poll_fn;
use std::pin::Pin;

use futures_util::{Sink, Stream};
use sockless_conformance::{Pipe, Role, Wire};
use tokio_websockets::{ClientBuilder, ServerBuilder, WebSocketStream};

pub(crate) fn run(wire: &mut Wire) {
    let pipe = Pipe::new();
    let opened = match (wire.role(), wire.has_handshake()) {
        (Role::Server, false) => Some(Ok(ServerBuilder::new().serve(pipe.clone()))),
        (Role::Client, false) => Some(Ok(ClientBuilder::new().take_over(pipe.clone()))),
        (Role::Server, true) => {
            let builder = ServerBuilder::new();
            let accepted = pipe.drive(wire, builder.accept(pipe.clone()));
            accepted.map(|accepted| accepted.map(|(_, socket)| socket))
        }
        (Role::Client, true) => {
            let builder = ClientBuilder::new().uri("ws://example.com/").expect("a URI");
            let connected = pipe.drive(wire, builder.connect_on(pipe.clone()));
            connected.map(|connected| connected.map(|(socket, _)| socket))
        }
    };
    match opened {
        Some(Ok(socket)) => open(wire, &pipe, socket),
        Some(Err(error)) => {
            pipe.tell(wire);
            wire.failed(error);
        }
        None => {}
    }
    pipe.tell(wire);
}

fn open(wire: &mut Wire, pipe: &Pipe, mut socket: WebSocketStream<Pipe>) {
    loop {
        let next = poll_fn(|cx| {
            let next = Pin::new(&mut socket).poll_next(cx);
            let _ = Pin::new(&mut socket).poll_flush(cx);
            next
        });
        match pipe.drive(wire, next) {
            None | Some(None) => return,
            Some(Some(Ok(message))) => {
                if let Some(text) = message.as_text() {
                    wire.text(text, true);
                } else if message.is_binary() {
                    wire.binary(message.as_payload(), true);
                } else if let Some((code, reason)) = message.as_close() {
                    let code = u16::from(code);
                    wire.close(Some(code).filter(|code| *code != 1005), reason);
                }
            }
            Some(Some(Err(error))) => {
                pipe.tell(wire);
                return wire.failed(error);
            }
        }
    }
}
