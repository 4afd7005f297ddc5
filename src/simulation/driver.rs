//! The machines with buffers as endpoints.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use super::network::Socket;
use super::run::{Endpoint, Step};
use crate::buffer::WriteBuffer;
use crate::buffered::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use crate::connection::{Client, Role, Server, TransportAction, Tx};
use crate::entropy::Entropy;
use crate::handshake::AcceptOptions;
use crate::message::Event;
use crate::timers::Moment;

/// What an application does with a connection.
pub trait Application<R> {
    /// An event has come.
    fn event(&mut self, now: Moment, event: Event<'_>, tx: &mut Tx<'_, R, WriteBuffer>);

    /// Whatever else is due: it may send. Returns how long to wait at most.
    fn idle(&mut self, now: Moment, ws: &mut BufferedConnection<R>) -> Option<Duration>;

    /// These bytes were read, or these bytes of output were written: for those who keep a record.
    fn moved(&mut self, now: Moment, read: &[u8], written: &[u8]) {
        let _ = (now, read, written);
    }

    /// A step is over, after all ticks.
    fn stepped(&mut self, now: Moment, ws: &BufferedConnection<R>) {
        let _ = (now, ws);
    }
}

/// A connection that is driven as an event loop drives it, in the order that [`BufferedConnection::tick`] asks for: it reads,
/// ticks, receives, lets the application send, writes, does what the transport needs, and ticks again before it waits.
#[derive(Debug)]
pub struct Driver<R, A> {
    /// The connection.
    pub ws: BufferedConnection<R>,
    /// The application.
    pub application: A,
    /// Whether the socket was reset.
    pub was_reset: bool,
}

impl<R: Role, A: Application<R>> Driver<R, A> {
    /// Drives an open connection.
    #[must_use]
    pub const fn new(ws: BufferedConnection<R>, application: A) -> Self {
        Self {
            ws,
            application,
            was_reset: false,
        }
    }

    /// Reads once. Whether anything came.
    fn read(&mut self, now: Moment, socket: &mut Socket<'_>) -> io::Result<bool> {
        if !self.ws.wants_input() || !self.ws.buffers().0.needs_input() {
            return Ok(false);
        }
        match none_if_blocked(socket.read(self.ws.space()))? {
            None => Ok(false),
            Some(0) => {
                self.ws.end_of_stream();
                Ok(true)
            }
            Some(len) => {
                let space = self.ws.space();
                self.application.moved(now, space.get(..len).unwrap_or_default(), &[]);
                self.ws.advance(len);
                Ok(true)
            }
        }
    }

    /// Writes all that the socket takes, and does what the transport needs. `None` if it is over.
    fn write(&mut self, now: Moment, socket: &mut Socket<'_>) -> io::Result<Option<bool>> {
        let mut moved = false;
        while !self.ws.output().is_empty() {
            match none_if_blocked(socket.write(self.ws.output()))? {
                Some(len) => {
                    let written = self.ws.output().get(..len).unwrap_or_default();
                    self.application.moved(now, &[], written);
                    self.ws.written(len);
                    moved = true;
                }
                None => return Ok(Some(moved)),
            }
        }
        match self.ws.transport() {
            TransportAction::Abort | TransportAction::Close => Ok(None),
            TransportAction::ShutDownSend => {
                socket.shutdown()?;
                self.ws.sending_shut_down();
                Ok(Some(true))
            }
            TransportAction::Continue | TransportAction::AwaitPeer | TransportAction::Drain => Ok(Some(moved)),
        }
    }

    fn try_step(&mut self, now: Moment, socket: &mut Socket<'_>) -> io::Result<Step> {
        loop {
            let read = self.read(now, socket)?;
            self.ws.tick(now);
            while let Ok(Some((event, mut tx))) = self.ws.next_event() {
                self.application.event(now, event, &mut tx);
            }
            let next = self.application.idle(now, &mut self.ws);
            let over = self.ws.transport() == TransportAction::Abort;
            let written = if over { None } else { self.write(now, socket)? };
            let Some(written) = written else {
                if self.ws.transport() == TransportAction::Abort {
                    socket.reset();
                }
                self.application.stepped(now, &self.ws);
                return Ok(Step::Done);
            };
            if !read && !written {
                let before = (self.ws.output().len(), self.ws.transport());
                let wait = self.ws.tick(now);
                if before != (self.ws.output().len(), self.ws.transport()) {
                    continue; // a deadline has passed, and there is something to write
                }
                self.application.stepped(now, &self.ws);
                return Ok(Step::Wait(wait.into_iter().chain(next).min()));
            }
        }
    }
}

impl<R: Role, A: Application<R>> Endpoint for Driver<R, A> {
    fn step(&mut self, now: Moment, socket: &mut Socket<'_>) -> Step {
        self.try_step(now, socket).unwrap_or_else(|_| {
            self.was_reset = true;
            self.ws.abort();
            Step::Done
        })
    }
}

/// `None` where the socket would wait.
fn none_if_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// A server from its handshake on. It accepts whoever comes.
#[allow(clippy::large_enum_variant, reason = "there is one for each run")]
#[derive(Debug)]
pub enum ServerEnd<A> {
    /// In the opening handshake.
    Handshake(BufferedServerHandshake, Option<A>),
    /// Open.
    Open(Driver<Server, A>),
}

/// A client from its handshake on.
#[allow(clippy::large_enum_variant, reason = "there is one for each run")]
#[derive(Debug)]
pub enum ClientEnd<'r, E, A> {
    /// In the opening handshake.
    Handshake(BufferedClientHandshake<'r, E>, Option<A>),
    /// Open.
    Open(Driver<Client<E>, A>),
}

/// What both handshakes have.
macro_rules! shake {
    ($handshake:expr, $now:expr, $socket:expr, $open:expr) => {{
        let (handshake, socket) = ($handshake, &mut *$socket);
        loop {
            let mut moved = false;
            match none_if_blocked(socket.read(handshake.space())) {
                Ok(None) => {}
                Ok(Some(0)) => {
                    let _ = handshake.end_of_stream();
                }
                Ok(Some(len)) => {
                    handshake.advance(len);
                    moved = true;
                }
                Err(_) => return Step::Done,
            }
            handshake.tick($now);
            match $open(handshake) {
                Ok(Some(ws)) => break ws,
                Ok(None) => {}
                Err(_) => return Step::Done,
            }
            while !handshake.output().is_empty() {
                match none_if_blocked(socket.write(handshake.output())) {
                    Ok(None) => break,
                    Ok(Some(len)) => {
                        handshake.written(len);
                        moved = true;
                    }
                    Err(_) => return Step::Done,
                }
            }
            if !moved {
                return Step::Wait(handshake.tick($now));
            }
        }
    }};
}

impl<A: Application<Server>> Endpoint for ServerEnd<A> {
    fn step(&mut self, now: Moment, socket: &mut Socket<'_>) -> Step {
        if let Self::Handshake(handshake, application) = self {
            let ws = shake!(handshake, now, socket, |handshake: &mut BufferedServerHandshake| {
                handshake.accept(&AcceptOptions::new())
            });
            let Some(application) = application.take() else {
                return Step::Done;
            };
            *self = Self::Open(Driver::new(ws, application));
        }
        match self {
            Self::Open(driver) => driver.step(now, socket),
            Self::Handshake(..) => Step::Done,
        }
    }
}

impl<E: Entropy, A: Application<Client<E>>> Endpoint for ClientEnd<'_, E, A> {
    fn step(&mut self, now: Moment, socket: &mut Socket<'_>) -> Step {
        if let Self::Handshake(handshake, application) = self {
            let ws = shake!(handshake, now, socket, |handshake: &mut BufferedClientHandshake<
                '_,
                E,
            >| { handshake.connect() });
            let Some(application) = application.take() else {
                return Step::Done;
            };
            *self = Self::Open(Driver::new(ws, application));
        }
        match self {
            Self::Open(driver) => driver.step(now, socket),
            Self::Handshake(..) => Step::Done,
        }
    }
}
