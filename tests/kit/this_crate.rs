//! This crate behind the kit's trait.

use sockless::conformance::{Role, Wire};
use sockless::connection::{Client, Connection, Server};
use sockless::handshake::{Acceptance, ClientHandshake, Proposal, Request, Response, ServerHandshake, WebSocketUri};
use sockless::limits::Limits;
use sockless::message::{Event, MessageConnection};

fn predictable(key: &mut [u8]) {
    key.iter_mut()
        .zip(b"the sample nonce")
        .for_each(|(to, from)| *to = *from);
}

/// This crate, in either role, with or without a handshake.
pub(crate) fn this_crate(wire: &mut Wire) {
    match wire.role() {
        Role::Server => server(wire),
        Role::Client => client(wire),
    }
}

fn server(wire: &mut Wire) {
    if !wire.has_handshake() {
        return open(
            wire,
            MessageConnection::new(Connection::new(Server, &Limits::default())),
            Vec::new(),
        );
    }
    let mut handshake = ServerHandshake::new(&Limits::default());
    let (mut received, mut out) = (Vec::new(), Vec::new());
    while let Some(chunk) = wire.next() {
        received.extend(chunk);
        match handshake.receive(&received, &mut out) {
            Ok(None) => {}
            Ok(Some(Request::Upgrade(upgrade))) => {
                let connection = upgrade.accept(&Acceptance::new(), &mut out).unwrap();
                wire.sent(&out);
                return open(wire, connection.into(), received[upgrade.head_len()..].to_vec());
            }
            Ok(Some(Request::Http(_))) => return wire.sent(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            Err(error) => {
                wire.sent(&out);
                return wire.failed(error);
            }
        }
    }
}

fn client(wire: &mut Wire) {
    let role = Client::new(predictable as fn(&mut [u8]));
    if !wire.has_handshake() {
        return open(
            wire,
            MessageConnection::new(Connection::new(role, &Limits::default())),
            Vec::new(),
        );
    }
    let (mut received, mut out) = (Vec::new(), Vec::new());
    let uri = WebSocketUri::parse("ws://example.com/").unwrap();
    let proposal = Proposal::new();
    let limits = Limits::default();
    let mut handshake = ClientHandshake::start(&uri, &proposal, &mut predictable, &limits, &mut out).unwrap();
    wire.sent(&out);
    while let Some(chunk) = wire.next() {
        received.extend(chunk);
        match handshake.receive(&received) {
            Ok(None) => {}
            Ok(Some(Response::Accepted(accepted))) => {
                let rest = received[accepted.head_len()..].to_vec();
                return open(
                    wire,
                    accepted.into_connection(predictable as fn(&mut [u8])).into(),
                    rest,
                );
            }
            Ok(Some(Response::Refused(refused))) => return wire.failed(refused.status()),
            Err(error) => return wire.failed(error),
        }
    }
}

fn open<R: sockless::connection::Role>(wire: &mut Wire, mut ws: MessageConnection<R>, first: Vec<u8>) {
    let mut next = Some(first);
    while let Some(mut bytes) = next {
        let (mut input, mut out) = (&mut bytes[..], Vec::new());
        let error = loop {
            match ws.receive(&mut input, &mut out) {
                Ok(Some((Event::Text(text), _))) => wire.text(text, true),
                Ok(Some((Event::Binary(data), _))) => wire.binary(data, true),
                Ok(Some((Event::Close(record), _))) => {
                    let code = record.received.map(u16::from).filter(|code| *code != 1005);
                    wire.close(code, record.reason);
                }
                Ok(Some((Event::Ping(_) | Event::Pong(_), _))) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        wire.sent(&out);
        if let Some(error) = error {
            return wire.failed(error);
        }
        next = wire.next();
    }
}
