//! This crate behind the kit's trait: with buffers of the caller's, and with its own.

use sockless::buffered::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use sockless::conformance::{Role, Wire};
use sockless::connection::{Client, Connection, Server};
use sockless::error::ReceiveError;
use sockless::handshake::{
    AcceptOptions, ClientHandshake, ConnectOptions, HttpResponse, Request, Response, ServerHandshake, WebSocketUri,
};
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
                let connection = upgrade.accept(&AcceptOptions::new(), &mut out).unwrap();
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
    let proposal = ConnectOptions::new();
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
            Ok(Some(Response::Rejected(refused))) => return wire.failed(refused.status()),
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

/// Less than a header may take, so that what is read is moved to and fro.
const READ_LEN: usize = 9;

/// The machine that owns its buffers, in either role, with or without a handshake.
pub(crate) fn buffered(wire: &mut Wire) {
    match wire.role() {
        Role::Server => buffered_server(wire),
        Role::Client => buffered_client(wire),
    }
}

/// Puts as much of `chunk` into `space` as there is room for.
fn read(space: &mut [u8], chunk: &mut &[u8]) -> usize {
    let len = space.len().min(chunk.len());
    let (now, later) = chunk.split_at(len);
    space[..len].copy_from_slice(now);
    *chunk = later;
    len
}

fn buffered_server(wire: &mut Wire) {
    if !wire.has_handshake() {
        let ws = Connection::new(Server, &Limits::default());
        return buffered_open(wire, BufferedConnection::new(ws, &[]), &[]);
    }
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    while let Some(chunk) = wire.next() {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let len = read(handshake.space(), &mut rest);
            handshake.advance(len);
            match handshake.receive() {
                Ok(None) => continue,
                Ok(Some((Request::Upgrade(upgrade), out))) => {
                    let connection = upgrade.accept(&AcceptOptions::new(), out).unwrap();
                    return buffered_open(wire, handshake.into_connection(connection), rest);
                }
                Ok(Some((Request::Http(request), out))) => request.respond(&HttpResponse::new(400), out).unwrap(),
                Err(error) => wire.failed(error),
            }
            return wire.sent(handshake.output());
        }
    }
}

fn buffered_client(wire: &mut Wire) {
    let (limits, keys) = (Limits::default(), predictable as fn(&mut [u8]));
    if !wire.has_handshake() {
        let ws = Connection::new(Client::new(keys), &limits);
        return buffered_open(wire, BufferedConnection::new(ws, &[]), &[]);
    }
    let uri = WebSocketUri::parse("ws://example.com/").unwrap();
    let mut handshake = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), keys, &limits).unwrap();
    wire.sent(handshake.output());
    handshake.written(handshake.output().len());
    while let Some(chunk) = wire.next() {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let len = read(handshake.space(), &mut rest);
            handshake.advance(len);
            match handshake.receive() {
                Ok(None) => {}
                Ok(Some(Response::Accepted(_))) => {
                    return buffered_open(wire, handshake.into_connection().unwrap(), rest);
                }
                Ok(Some(Response::Rejected(refused))) => return wire.failed(refused.status()),
                Err(error) => return wire.failed(error),
            }
        }
    }
}

fn buffered_open<R: sockless::connection::Role>(wire: &mut Wire, ws: BufferedConnection<R>, first: &[u8]) {
    let mut ws = ws.with_read_len(READ_LEN);
    let mut next = Some(first.to_vec());
    while let Some(chunk) = next {
        let mut rest = &chunk[..];
        let ended = loop {
            // Once before anything is read: there may be something behind the head.
            let ended = buffered_events(wire, &mut ws);
            if rest.is_empty() || ended.is_err() {
                break ended;
            }
            let len = read(ws.space(), &mut rest);
            ws.advance(len);
        };
        wire.sent(ws.output());
        ws.written(ws.output().len());
        if let Err(error) = ended {
            return wire.failed(error);
        }
        next = wire.next();
    }
}

fn buffered_events<R: sockless::connection::Role>(
    wire: &mut Wire,
    ws: &mut BufferedConnection<R>,
) -> Result<(), ReceiveError> {
    while let Some((event, _)) = ws.next_event()? {
        match event {
            Event::Text(text) => wire.text(text, true),
            Event::Binary(data) => wire.binary(data, true),
            Event::Close(record) => {
                let code = record.received.map(u16::from).filter(|code| *code != 1005);
                wire.close(code, record.reason);
            }
            Event::Ping(_) | Event::Pong(_) => {}
        }
    }
    Ok(())
}
