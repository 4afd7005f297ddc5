//! The crate behind the kit's trait, at each level: with an opening handshake, or open from the start.

use std::cell::RefCell;

use sockless::Event;
use sockless::buffer::{ReadBuffer, Storage, WriteBuffer};
use sockless::buffered::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use sockless::connection::{self, Client, Connection, Extensions, Server};
use sockless::deflate::DeflateOptions;
use sockless::entropy::Entropy;
use sockless::handshake::{
    AcceptOptions, ClientHandshake, ConnectError, ConnectOptions, HttpResponse, Request, Response, ServerHandshake,
    WebSocketUri,
};
use sockless::limits::Limits;
use sockless_conformance::{Role, Wire};

use crate::level::{self, Endpoint, Level, Observer, Seen, read};

/// The longest message that the kit sends and expects to be taken.
const LONGEST: usize = 16 << 20;

/// Keys without a pattern that are the same each time, as a connection of its own needs them.
struct Random(u64);

impl Random {
    fn of(wire: &mut Wire) -> Self {
        let mut seed = [0; 8];
        wire.random(&mut seed);
        Self(u64::from_le_bytes(seed))
    }
}

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // SplitMix64.
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (mixed ^ mixed >> 31) as u8;
        }
    }
}

impl Observer for Wire {
    fn seen(&mut self, seen: &Seen<'_>) {
        match *seen {
            Seen::Data {
                text: true,
                payload,
                message_end,
                ..
            } => self.text(std::str::from_utf8(payload).expect("text"), message_end),
            Seen::Data {
                text: false,
                payload,
                message_end,
                ..
            } => self.binary(payload, message_end),
            Seen::Ping(_) | Seen::Pong(_) => {}
            Seen::Close(code, reason) => self.close(code, reason),
        }
    }

    fn sent(&mut self, bytes: &[u8]) {
        Wire::sent(self, bytes);
    }
}

/// One connection at this level.
pub fn run(level: Level, wire: &mut Wire) {
    let limits = Limits::default();
    match (wire.role(), wire.has_handshake(), level) {
        (Role::Server, false, _) => open(wire, level, Connection::new(Server, &limits), &[]),
        (Role::Client, false, _) => {
            let client = Client::new(Random::of(wire));
            open(wire, level, Connection::new(client, &limits), &[]);
        }
        (Role::Server, true, Level::Buffered) => {
            buffered_server(wire, BufferedServerHandshake::new(&Limits::default()));
        }
        (Role::Client, true, Level::Buffered) => plain_client(wire),
        (Role::Server, true, Level::Fixed) => server(wire, level, ReadBuffer::fixed([0; 16 << 10])),
        (Role::Client, true, Level::Fixed) => client(wire, level, ReadBuffer::fixed([0; 16 << 10])),
        (Role::Server, true, _) => server(wire, level, ReadBuffer::new()),
        (Role::Client, true, _) => client(wire, level, ReadBuffer::new()),
    }
}

/// At [`Level::Chunks`].
pub fn chunks(wire: &mut Wire) {
    run(Level::Chunks, wire);
}

/// At [`Level::ChunkHalves`].
pub fn chunk_halves(wire: &mut Wire) {
    run(Level::ChunkHalves, wire);
}

/// At [`Level::Messages`].
pub fn messages(wire: &mut Wire) {
    run(Level::Messages, wire);
}

/// At [`Level::MessageHalves`].
pub fn message_halves(wire: &mut Wire) {
    run(Level::MessageHalves, wire);
}

/// At [`Level::Lent`].
pub fn lent(wire: &mut Wire) {
    run(Level::Lent, wire);
}

/// At [`Level::Fixed`].
pub fn fixed(wire: &mut Wire) {
    run(Level::Fixed, wire);
}

/// At [`Level::Buffered`].
pub fn buffered(wire: &mut Wire) {
    run(Level::Buffered, wire);
}

fn server<S: Storage>(wire: &mut Wire, level: Level, mut input: ReadBuffer<S>) {
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut out = Vec::new();
    while let Some(chunk) = wire.next() {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (len, later) = read(input.space(), rest);
            input.advance(len);
            rest = later;
            match handshake.receive(&mut input, &mut out) {
                Ok(None) => {}
                Ok(Some(Request::Upgrade(upgrade))) => {
                    let accepted = upgrade.accept(&AcceptOptions::new(), &mut out);
                    wire.sent(&out);
                    let first = [input.unread(), rest].concat();
                    return open(wire, level, accepted.expect("nothing special was agreed"), &first);
                }
                Ok(Some(Request::Http(request))) => {
                    let answered = request.respond(&HttpResponse::new(426), &mut out);
                    answered.expect("a response");
                    wire.sent(&out);
                    return wire.failed("not an upgrade");
                }
                Err(error) => {
                    wire.sent(&out);
                    return wire.failed(error);
                }
            }
        }
    }
}

fn client<S: Storage>(wire: &mut Wire, level: Level, mut input: ReadBuffer<S>) {
    let mut random = Random::of(wire);
    let mut out = Vec::new();
    let (options, limits) = (ConnectOptions::new(), Limits::default());
    let uri = WebSocketUri::parse("ws://example.com/").expect("a URI");
    let started = ClientHandshake::start(&uri, &options, &mut random, &limits, &mut out);
    let mut handshake = started.expect("a request");
    wire.sent(&out);
    while let Some(chunk) = wire.next() {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (len, later) = read(input.space(), rest);
            input.advance(len);
            rest = later;
            match handshake.receive(&mut input) {
                Ok(None) => {}
                Ok(Some(Response::Accepted(accepted))) => {
                    let connection = accepted.into_connection(random, &limits);
                    let first = [input.unread(), rest].concat();
                    return open(wire, level, connection, &first);
                }
                Ok(Some(Response::Rejected { status, .. })) => return wire.failed(status),
                Err(error) => return wire.failed(error),
            }
        }
    }
}

thread_local! {
    /// Fixed memory, with what the last connection has left in it.
    static MEMORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn open<R: connection::Role>(wire: &mut Wire, level: Level, connection: Connection<R>, first: &[u8]) {
    MEMORY.with_borrow_mut(|memory| {
        if level == Level::Fixed {
            memory.resize(LONGEST + ReadBuffer::<&mut [u8]>::FIXED_OVERHEAD, 0);
        }
        drive(wire, &mut *level::open(level, connection, memory), first);
    });
}

fn drive(wire: &mut Wire, endpoint: &mut dyn Endpoint, first: &[u8]) {
    let mut next = Some(first.to_vec());
    while let Some(chunk) = next {
        if let Err(failure) = endpoint.feed(&chunk, wire) {
            return wire.failed(failure);
        }
        next = wire.next();
    }
}

/// Writes all of the output.
fn write(wire: &mut Wire, out: &mut WriteBuffer) {
    while !out.unwritten().is_empty() {
        let len = out.unwritten().len();
        wire.sent(out.unwritten());
        out.written(len);
    }
}

/// The machine with its buffers, with compressed messages where they are agreed.
pub fn compressed(wire: &mut Wire) {
    match (wire.role(), wire.has_handshake()) {
        (_, false) => run(Level::Buffered, wire),
        (Role::Server, true) => {
            let handshake = BufferedServerHandshake::new(&Limits::default());
            buffered_server(wire, handshake.with_deflate(DeflateOptions::new()));
        }
        (Role::Client, true) => {
            let uri = WebSocketUri::parse("ws://example.com/").expect("a URI");
            let deflate = DeflateOptions::new();
            let offer = deflate.offer();
            let offers = [offer.as_str()];
            let options = ConnectOptions::new().extensions(&offers, Extensions::COMPRESSION);
            let started = BufferedClientHandshake::start(&uri, &options, Random::of(wire), &Limits::default());
            buffered_client(wire, started.expect("a request").with_deflate(deflate));
        }
    }
}

fn buffered_server(wire: &mut Wire, mut handshake: BufferedServerHandshake) {
    while let Some(chunk) = wire.next() {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (len, later) = read(handshake.space(), rest);
            handshake.advance(len);
            rest = later;
            let mut accepted = handshake.accept(&AcceptOptions::new());
            if matches!(accepted, Ok(None)) && !handshake.output().is_empty() {
                // What the client did wrong is told once the answer is written, and the stream has ended.
                write(wire, handshake.buffers().1);
                handshake.sending_shut_down();
                handshake.end_of_stream().expect("a complete head");
                accepted = handshake.accept(&AcceptOptions::new());
                assert!(accepted.is_err(), "an answer, and nothing is wrong");
            }
            match accepted {
                Ok(None) => {}
                Ok(Some(ws)) => return buffered_open(wire, ws, rest),
                Err(error) => return wire.failed(error),
            }
        }
    }
}

fn plain_client(wire: &mut Wire) {
    let uri = WebSocketUri::parse("ws://example.com/").expect("a URI");
    let (options, limits) = (ConnectOptions::new(), Limits::default());
    let started = BufferedClientHandshake::start(&uri, &options, Random::of(wire), &limits);
    buffered_client(wire, started.expect("a request"));
}

fn buffered_client(wire: &mut Wire, mut handshake: BufferedClientHandshake<Random>) {
    write(wire, handshake.buffers().1);
    while let Some(chunk) = wire.next() {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (len, later) = read(handshake.space(), rest);
            handshake.advance(len);
            rest = later;
            match handshake.connect() {
                Ok(None) => {}
                Ok(Some(ws)) => return buffered_open(wire, ws, rest),
                Err(ConnectError::Rejected { status }) => return wire.failed(status),
                Err(error) => return wire.failed(error),
            }
        }
    }
}

fn buffered_open<R: connection::Role>(wire: &mut Wire, ws: BufferedConnection<R>, first: &[u8]) {
    if wire.echoes() {
        return echo(wire, ws, first);
    }
    drive(wire, &mut level::Buffered::of(ws), first);
}

/// Sends each message back, as sessions about compression would have it.
fn echo<R: connection::Role>(wire: &mut Wire, mut ws: BufferedConnection<R>, first: &[u8]) {
    let mut next = Some(first.to_vec());
    while let Some(chunk) = next {
        let mut rest = &chunk[..];
        loop {
            let failed = loop {
                match ws.next_event() {
                    Ok(Some((Event::Text(text), mut tx))) => {
                        wire.text(text, true);
                        tx.text(text).expect("a message may be sent");
                    }
                    Ok(Some((Event::Binary(data), mut tx))) => {
                        wire.binary(data, true);
                        tx.binary(data).expect("a message may be sent");
                    }
                    Ok(Some((Event::Close(close), _))) => {
                        wire.close(close.code.map(u16::from), close.reason);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                }
            };
            let len = ws.output().len();
            wire.sent(ws.output());
            ws.written(len);
            if let Some(failed) = failed {
                return wire.failed(failed);
            }
            if rest.is_empty() {
                break;
            }
            let (len, later) = read(ws.space(), rest);
            ws.advance(len);
            rest = later;
        }
        next = wire.next();
    }
}
