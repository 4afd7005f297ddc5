//! The server of `echo` on one thread: non-blocking sockets, one read buffer for all connections, and nothing held for
//! those that are idle. `mio` waits for the sockets, which the standard library cannot.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::server::{Options, listen};
use common::{Exit, PATIENCE, exit, write_all};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sockless::handshake::ServerHandshake;
use sockless::{Connection, Event, Limits, ReadBuffer, Server, TransportAction, WriteBuffer};

const HELP: &str = "\
A WebSocket server that sends back what it gets, with one thread for all connections.

Usage: event_loop [PORT] [OPTION]...

  PORT                of 127.0.0.1 (default: 9003); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --help              print this and exit
";

const PAGE: &[u8] = include_bytes!("echo.html");
const LISTENER: Token = Token(0);
const TICK: Duration = Duration::from_secs(1);
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(600);

struct Client {
    stream: TcpStream,
    phase: Phase,
    /// What has arrived of an incomplete message; empty, without memory, between two messages.
    held: ReadBuffer,
    out: WriteBuffer,
    /// Whether input waits until some of the output is written.
    blocked: bool,
    deadline: Instant,
}

enum Phase {
    Opening(ServerHandshake),
    Open(Connection<Server>),
    /// The request was answered, but not with a connection.
    Leaving(TransportAction),
}

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::from_args(HELP, &["subprotocol", "origin"], 9003)?;
    let listener = listen("http", options.port)?;
    serve(listener, &options).map_err(|error| Exit(Exit::FAILED, error.to_string()))
}

fn serve(listener: std::net::TcpListener, options: &Options) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(256));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut shared = ReadBuffer::with_capacity(256 << 10);
    let (mut clients, mut ready, mut last) = (HashMap::new(), BTreeSet::new(), LISTENER);
    let mut swept = Instant::now();
    loop {
        let wait = if ready.is_empty() { TICK } else { Duration::ZERO };
        match poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => ready.extend(events.iter().map(|event| event.token())),
        }
        if ready.contains(&LISTENER) {
            while let Ok((mut stream, _)) = listener.accept() {
                last.0 += 1;
                poll.registry()
                    .register(&mut stream, last, Interest::READABLE | Interest::WRITABLE)?;
                clients.insert(last, Client::new(stream));
            }
        }
        // One round for each connection that is ready, so that a busy one holds up no other.
        ready.retain(
            |token| match clients.get_mut(token).map(|client| client.turn(&mut shared, options)) {
                Some(Ok(true)) => true,
                Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => false,
                Some(Ok(false) | Err(_)) | None => {
                    clients.remove(token);
                    false
                }
            },
        );
        if swept.elapsed() >= TICK {
            swept = Instant::now();
            clients.retain(|_, client| client.deadline > swept);
        }
    }
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            phase: Phase::Opening(ServerHandshake::new(&Limits::default())),
            held: ReadBuffer::new(),
            out: WriteBuffer::new(),
            blocked: false,
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Writes what waits, reads once, and answers. Returns whether to go on with another turn; after `WouldBlock`, that is
    /// when the stream is ready.
    fn turn(&mut self, shared: &mut ReadBuffer, options: &Options) -> io::Result<bool> {
        let action = match &self.phase {
            Phase::Opening(_) => TransportAction::Continue,
            Phase::Open(ws) => ws.transport(),
            Phase::Leaving(action) => *action,
        };
        match write_all(&mut self.stream, &mut self.out) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            // The peer reads too slowly. What it sends is read all the same, up to the watermark.
            Err(error) if self.out.is_over_watermark() || !action.wants_input() => return Err(error),
            Ok(()) if !action.wants_input() => return Ok(false),
            Ok(()) if action == TransportAction::ShutDownSend => {
                self.stream.shutdown(Shutdown::Write)?;
                match &mut self.phase {
                    Phase::Open(ws) => ws.sending_shut_down(),
                    phase => *phase = Phase::Leaving(TransportAction::Drain),
                }
            }
            Ok(()) | Err(_) => {}
        }

        let input = shared.input_for(&mut self.held);
        if !self.blocked {
            let len = self.stream.read(input.space())?;
            input.advance(len);
            match &mut self.phase {
                Phase::Open(ws) if len == 0 => drop(ws.end_of_stream()),
                phase if len == 0 => *phase = Phase::Leaving(TransportAction::Close),
                _ => {}
            }
        }
        if let Phase::Opening(handshake) = &mut self.phase {
            let connection = match handshake.receive(input, &mut self.out) {
                Ok(None) => return Ok(shared.keep_rest(&mut self.held).is_ok()),
                Ok(Some(request)) => options.answer(&request, Some(PAGE), &mut self.out),
                Err(_) => Ok(None), // the answer is in the output
            };
            let connection = connection.map_err(io::Error::other)?;
            self.phase = connection.map_or(Phase::Leaving(TransportAction::ShutDownSend), Phase::Open);
        }
        let Phase::Open(ws) = &mut self.phase else {
            self.held = ReadBuffer::new();
            return Ok(true);
        };
        self.blocked = loop {
            match ws.receive(input, &mut self.out) {
                Ok(Some((Event::Text(text), mut tx))) => tx.text(text).map_err(io::Error::other)?,
                Ok(Some((Event::Binary(data), mut tx))) => tx.binary(data).map_err(io::Error::other)?,
                Ok(Some(_)) => {}
                Ok(None) => break false,
                // After a failure, the Close is in the output, and `transport` says what is next.
                Err(error) => break error.failure().is_none(),
            }
        };
        if ws.transport() == TransportAction::Continue {
            self.deadline = Instant::now() + SILENCE;
        } else if action == TransportAction::Continue {
            self.deadline = Instant::now() + PATIENCE;
        }
        shared.keep_rest(&mut self.held).map_err(io::Error::other)?;
        Ok(true)
    }
}
