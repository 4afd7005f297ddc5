//! A server that sends back what it gets: one thread, one read buffer for thousands of connections, deadlines for each.
//!
//! A connection at rest behaves as a fresh one, so those that are idle share one in memory. What is kept of each is its
//! socket and its deadlines.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use sockless::buffer::Output;
use sockless::handshake::ServerHandshake;
use sockless::timers::{Deadline, Due, Timers};
use sockless::{CloseCode, Connection, Event, Moment, ReadBuffer, Server, TransportAction, WriteBuffer};
use sockless_hosts::{Exit, Options, exit};

const HELP: &str = "\
A WebSocket server that sends back what it gets, with one thread for all connections.

Usage: mio [PORT | ADDRESS:PORT] [OPTION]...

  PORT                of 127.0.0.1 (default: 9003); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --patience MILLIS   how long a peer may take for anything (default: as the library suggests)
  --help              print this and exit

Ctrl-C closes all connections in order, on Unix; a second one ends the program at once.
";

const LISTENER: Token = Token(usize::MAX);
const INTERRUPTED: Token = Token(usize::MAX - 1);
/// How much is read at once.
const READ: usize = 256 << 10;
/// How long nobody is accepted after the system had no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    exit("mio", run())
}

fn run() -> Result<(), Exit> {
    let options = Options::from_args(HELP, 9003)?;
    serve(options.listen()?, options).map_err(Exit::failed)
}

/// One connection, as long as it is idle.
struct Peer {
    stream: TcpStream,
    timers: Timers,
    /// Where it stands in the queue of deadlines, which is never too late.
    alarm: Option<Moment>,
    /// `None` while it is at rest.
    work: Option<Box<Work>>,
    /// Whether it waits for its turn.
    queued: bool,
    /// Whether the end of its input is in sight.
    ends: bool,
}

/// What a connection needs unless it is at rest.
struct Work {
    phase: Phase,
    input: ReadBuffer,
    out: WriteBuffer,
    /// Whether input waits until some of the output is written.
    blocked: bool,
}

enum Phase {
    Opening(ServerHandshake),
    Open(Connection<Server>),
    /// The request was answered, but not with a connection.
    Leaving(TransportAction),
}

struct Loop {
    options: Options,
    poll: Poll,
    /// `None` once the server is shutting down.
    listener: Option<TcpListener>,
    peers: Slab<Peer>,
    /// Who has something to do.
    ready: Vec<usize>,
    alarms: BTreeSet<(Moment, usize)>,
    /// What is read into, lent to each connection in its turn.
    memory: Vec<u8>,
    /// What all connections at rest share.
    spare: Option<Box<Work>>,
}

pub(crate) fn serve(listener: std::net::TcpListener, options: Options) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let (poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    #[cfg(unix)]
    let mut interrupt = mio::net::UnixStream::from_std(sockless_hosts::interrupt()?);
    #[cfg(unix)]
    poll.registry()
        .register(&mut interrupt, INTERRUPTED, Interest::READABLE)?;

    let mut server = Loop {
        options,
        poll,
        listener: Some(listener),
        peers: Slab::new(),
        ready: Vec::new(),
        alarms: BTreeSet::new(),
        memory: Vec::new(),
        spare: None,
    };
    let mut accept_again = None;
    loop {
        let wait = match server.alarms.first() {
            _ if !server.ready.is_empty() => Some(Duration::ZERO),
            Some((alarm, _)) => Some((*alarm - Moment::now()).min(accept_again.unwrap_or(Duration::MAX))),
            None => accept_again,
        };
        match server.poll.poll(&mut events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if let Some(peer) = server.peers.get_mut(event.token().0) {
                peer.ends |= event.is_read_closed();
                if !std::mem::replace(&mut peer.queued, true) {
                    server.ready.push(event.token().0);
                }
            }
        }
        if accept_again.is_some() || events.iter().any(|event| event.token() == LISTENER) {
            accept_again = server.accept().err().map(|error| {
                eprintln!("cannot serve one more: {error}");
                PAUSE
            });
        }
        // One turn for each connection that is ready, so that a busy one holds up no other.
        for key in std::mem::take(&mut server.ready) {
            if let Some(peer) = server.peers.get_mut(key) {
                peer.queued = false;
            }
            server.turn(key, Peer::turn);
        }
        let now = Moment::now();
        while let Some((_, key)) = server.alarms.first().copied().filter(|(alarm, _)| *alarm <= now) {
            server.turn(key, Peer::tick);
        }
        if events.iter().any(|event| event.token() == INTERRUPTED) && server.listener.take().is_some() {
            let keys: Vec<usize> = server.peers.iter().map(|(key, _)| key).collect();
            for key in keys {
                server.turn(key, Peer::close);
            }
        }
        if server.listener.is_none() && server.peers.is_empty() {
            return Ok(());
        }
    }
}

/// What a turn is given: what it works with, and what all connections share.
struct Turn<'a> {
    work: &'a mut Work,
    options: &'a Options,
    now: Moment,
}

/// What comes after a turn.
#[derive(PartialEq)]
enum Next {
    /// Another one.
    Again,
    /// Wait for the stream.
    Wait,
    /// Drop the connection.
    End,
}

impl Loop {
    fn accept(&mut self) -> io::Result<()> {
        while let Some(listener) = &self.listener {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let _ = stream.set_nodelay(true);
            let entry = self.peers.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(entry.key()), interest)?;
            let key = entry.key();
            entry.insert(Peer {
                stream,
                timers: Timers::new(&self.options.timeouts, Moment::now()),
                alarm: None,
                work: Some(Box::new(Work {
                    phase: Phase::Opening(ServerHandshake::new(&Options::limits())),
                    input: ReadBuffer::new(),
                    out: WriteBuffer::new(),
                    blocked: false,
                })),
                queued: false,
                ends: false,
            });
            self.turn(key, Peer::turn);
        }
        Ok(())
    }

    /// Does something with a connection, and then puts it where it belongs.
    fn turn(&mut self, key: usize, act: fn(&mut Peer, &mut Turn<'_>) -> io::Result<Next>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let mut work = peer
            .work
            .take()
            .or_else(|| self.spare.take())
            .unwrap_or_else(Work::at_rest);
        self.memory.resize(READ, 0); // only if a long message has kept it
        work.input.lend(&mut self.memory);
        // Not once for all: what happens late in a round would count as early, and deadlines would be.
        let now = Moment::now();
        let next = act(
            peer,
            &mut Turn {
                work: &mut work,
                options: &self.options,
                now,
            },
        );
        work.input.take_back(&mut self.memory);
        if work.is_at_rest() {
            self.spare = Some(work);
        } else {
            peer.work = Some(work);
        }
        let alarm = match next {
            Ok(Next::End) | Err(_) => {
                self.alarms.remove(&(peer.alarm.unwrap_or_default(), key));
                self.peers.remove(key);
                return;
            }
            Ok(next) => {
                if next == Next::Again && !std::mem::replace(&mut peer.queued, true) {
                    self.ready.push(key);
                }
                peer.timers.next_deadline()
            }
        };
        // Most of what happens moves a deadline later, which is found out when it is due.
        let is_due = peer.alarm.is_some_and(|alarm| alarm <= now);
        if is_due || alarm.is_some_and(|alarm| peer.alarm.is_none_or(|before| alarm < before)) {
            if let Some(before) = std::mem::replace(&mut peer.alarm, alarm) {
                self.alarms.remove(&(before, key));
            }
            self.alarms.extend(alarm.map(|alarm| (alarm, key)));
        }
    }
}

impl Work {
    fn at_rest() -> Box<Self> {
        Box::new(Self {
            phase: Phase::Open(Connection::new(Server, &Options::limits())),
            input: ReadBuffer::new(),
            out: WriteBuffer::new(),
            blocked: false,
        })
    }

    fn is_at_rest(&self) -> bool {
        let open = matches!(&self.phase, Phase::Open(ws) if ws.is_at_rest());
        open && !self.blocked && self.out.len() == 0 && self.input.capacity() == 0
    }
}

impl Phase {
    fn transport(&self) -> TransportAction {
        match self {
            Self::Opening(_) => TransportAction::Continue,
            Self::Open(ws) => ws.transport(),
            Self::Leaving(action) => *action,
        }
    }
}

impl Peer {
    /// Writes what waits, reads once, answers, and writes again.
    fn turn(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        self.write(turn)?;
        let (now, options) = (turn.now, turn.options);
        let Work {
            phase,
            input,
            out,
            blocked,
        } = &mut *turn.work;
        if !phase.transport().wants_input() && out.len() == 0 {
            return Ok(Next::End);
        }
        // Who reads too slowly is not read from either, until the rest is written.
        let reads = !out.is_over_watermark();
        self.timers.reading(now, reads);
        if !reads {
            return Ok(Next::Wait);
        }

        let mut more = false;
        if !*blocked {
            let space = input.space();
            let room = space.len();
            match self.stream.read(space) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Next::Wait),
                Err(error) if error.kind() == ErrorKind::Interrupted => more = true,
                Err(error) => return Err(error),
                Ok(0) => {
                    self.ends = false;
                    match phase {
                        Phase::Open(ws) => drop(ws.end_of_stream()),
                        Phase::Opening(_) | Phase::Leaving(_) => return Ok(Next::End),
                    }
                }
                Ok(len) => {
                    input.advance(len);
                    // Less than there was room for is all there was. Windows wants to be asked until there is nothing.
                    more = len == room || self.ends || cfg!(windows);
                }
            }
        }

        if let Phase::Opening(handshake) = phase {
            let answered = match handshake.receive(input, out) {
                Ok(None) => None,
                Ok(Some(request)) => Some(options.answer(&request, out).map_err(io::Error::other)?),
                Err(_) => Some(None), // the answer is in the output
            };
            match answered {
                None => self.timers.received(now, Some(input.unread().len() as u64)),
                Some(Some(connection)) => {
                    *phase = Phase::Open(connection);
                    self.timers.opened(now);
                }
                Some(None) => *phase = Phase::Leaving(TransportAction::ShutDownSend),
            }
        }
        if let Phase::Open(ws) = phase {
            *blocked = echo(ws, input, out, &mut self.timers, now)?;
        }
        if let Phase::Leaving(_) = phase {
            *input = ReadBuffer::new(); // nothing of it will be read
        }

        self.write(turn)?;
        let Work {
            phase, out, blocked, ..
        } = &*turn.work;
        match phase.transport() {
            _ if out.len() > 0 => Ok(if more { Next::Again } else { Next::Wait }),
            action if !action.wants_input() => Ok(Next::End),
            _ => Ok(if more || *blocked { Next::Again } else { Next::Wait }),
        }
    }

    /// Writes what can be written, and what follows from that.
    fn write(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        let Work { phase, out, .. } = &mut *turn.work;
        let before = out.len();
        match out.write_to(&mut self.stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            written => written?,
        }
        self.timers.written(turn.now, before - out.len(), out.len());
        if phase.transport() != TransportAction::Continue {
            self.timers.closing(turn.now);
        }
        if phase.transport() == TransportAction::ShutDownSend && out.len() == 0 {
            self.stream.shutdown(Shutdown::Write)?;
            match phase {
                Phase::Open(ws) => ws.sending_shut_down(),
                Phase::Opening(_) | Phase::Leaving(_) => *phase = Phase::Leaving(TransportAction::Drain),
            }
        }
        Ok(())
    }

    /// Does what is due by the clock.
    fn tick(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        while let Some(due) = self.timers.handle_timeout(turn.now) {
            let Work { phase, input, out, .. } = &mut *turn.work;
            match (due, &mut *phase) {
                (Due::Ping(payload), Phase::Open(ws)) => {
                    ws.tx(out).ping(&payload).map_err(io::Error::other)?;
                    self.timers.pinged(turn.now, out.len());
                }
                (Due::Passed(deadline), Phase::Open(ws)) => match deadline.close_code() {
                    Some(code) => ws.tx(out).close(code, deadline.text()).map_err(io::Error::other)?,
                    None => return Ok(Next::End),
                },
                (Due::Passed(Deadline::Handshake | Deadline::Message), Phase::Opening(handshake)) => {
                    let _ = handshake.timed_out(input, out); // an answer with status 408
                    *phase = Phase::Leaving(TransportAction::ShutDownSend);
                }
                (Due::Passed(_) | Due::Ping(_), Phase::Opening(_) | Phase::Leaving(_)) => return Ok(Next::End),
            }
            self.write(turn)?;
        }
        Ok(Next::Wait)
    }

    /// Says that the server goes away.
    fn close(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        match &mut turn.work.phase {
            Phase::Opening(_) => return Ok(Next::End),
            Phase::Open(ws) => drop(ws.tx(&mut turn.work.out).close(CloseCode::GOING_AWAY, "")), // or it has been closed
            Phase::Leaving(_) => {}
        }
        self.write(turn)?;
        Ok(Next::Wait)
    }
}

/// Sends back what has arrived. Returns whether the output has to be written first.
fn echo(
    ws: &mut Connection<Server>,
    input: &mut ReadBuffer,
    out: &mut WriteBuffer,
    timers: &mut Timers,
    now: Moment,
) -> io::Result<bool> {
    let blocked = loop {
        match ws.receive(input, out) {
            Ok(Some((event, mut tx))) => {
                if matches!(event, Event::Text(_) | Event::Binary(_)) {
                    timers.message_received(now);
                }
                match event {
                    Event::Text(text) => tx.text(text).map_err(io::Error::other)?,
                    Event::Binary(data) => tx.binary(data).map_err(io::Error::other)?,
                    Event::Pong(payload) => drop(timers.pong(now, payload)),
                    _ => {}
                }
            }
            Ok(None) => break false,
            // After a failure the Close is in the output, and `transport` says what is next.
            Err(error) => break error.failure().is_none(),
        }
    };
    let unread = input.unread().len() as u64;
    let under_way = ws.message_progress().map(|bytes| bytes + unread);
    timers.received(now, under_way.or((unread > 0).then_some(unread)));
    timers.reading(now, !blocked);
    Ok(blocked)
}
