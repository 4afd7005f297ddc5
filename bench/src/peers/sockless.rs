//! The crate itself, at the message level and at the streaming level.
//!
//! At the message level, what is missing of a message that a read cut is read straight into the assembly buffer where it
//! is long. At the streaming level pieces are handed out as they come, and a server's payload goes out by reference
//! behind its header.

use std::sync::Arc;

use ::sockless::connection::{self, Client, Connection, Sender, Server};
use ::sockless::entropy::Entropy;
use ::sockless::frame::MessageKind;
use ::sockless::handshake::{Acceptance, Request, ServerHandshake};
use ::sockless::limits::Limits;
use ::sockless::message::{Event, MessageConnection};

use super::{Held, Peer, Scratch};
use crate::pipe::{OWN_READ, Pipe, ReadBuffer};
use crate::watch::{Run, Subject, Watch};
use crate::workloads::{Job, Kind, Role, Workload, XorShift};

pub const MESSAGES: Peer = Peer {
    name: "sockless",
    make: messages,
    hold: Some(|_| Box::new(connect(Server))),
    holds_pipe: false,
};
pub const STREAMING: Peer = Peer {
    name: "sockless, streaming",
    make: streaming,
    hold: Some(|_| Box::new(Connection::new(Server, &Limits::default()))),
    holds_pipe: false,
};

impl Entropy for XorShift {
    #[inline]
    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

/// From here on what is missing of a message is worth a read of its own, straight into the assembly buffer.
const WORTH: usize = 4 << 10;

/// What is no longer than this is read until it is whole, and handed out where it lies.
const LONGEST: usize = (64 << 10) + 14;

fn connect<R: connection::Role>(role: R) -> MessageConnection<R> {
    MessageConnection::new(Connection::new(role, &Limits::default()))
}

fn client() -> Client<XorShift> {
    Client::new(XorShift::new(6))
}

fn messages(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let pipe = pipe.clone();
    let workload = workload.clone();
    Some(match (workload.job, workload.role) {
        (Job::Receive | Job::Echo, Role::Server) => Box::new(Receive {
            pipe,
            ws: connect(Server),
            echo: workload.job == Job::Echo,
            buffers: Buffers::new(LONGEST + OWN_READ),
        }),
        (Job::Receive | Job::Echo, Role::Client) => Box::new(Receive {
            pipe,
            ws: connect(client()),
            echo: workload.job == Job::Echo,
            buffers: Buffers::new(LONGEST + OWN_READ),
        }),
        (Job::Send, Role::Server) => Box::new(Send {
            pipe,
            ws: connect(Server),
            workload,
            out: Vec::new(),
        }),
        (Job::Send, Role::Client) => Box::new(Send {
            pipe,
            ws: connect(client()),
            workload,
            out: Vec::new(),
        }),
        (Job::Handshake, _) => Box::new(Handshake {
            pipe,
            workload,
            buffers: Buffers::new(OWN_READ),
        }),
    })
}

fn streaming(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let pipe = pipe.clone();
    let limits = Limits::default();
    Some(match (workload.job, workload.role) {
        (Job::Receive, Role::Server) => Box::new(Pieces {
            pipe,
            ws: Connection::new(Server, &limits),
            buffers: Buffers::new(OWN_READ + 16),
        }),
        (Job::Receive, Role::Client) => Box::new(Pieces {
            pipe,
            ws: Connection::new(client(), &limits),
            buffers: Buffers::new(OWN_READ + 16),
        }),
        (Job::Send, Role::Server) if workload.len >= 4096 => {
            let payloads = workload.payloads.to_vec();
            Box::new(InPlace {
                pipe,
                ws: Connection::new(Server, &limits),
                payloads,
                len: workload.len,
                kind: workload.kind,
            })
        }
        (Job::Send | Job::Echo | Job::Handshake, _) => return None,
    })
}

/// What a caller keeps for a connection that is busy.
struct Buffers {
    input: ReadBuffer,
    out: Vec<u8>,
}

impl Buffers {
    fn new(input_len: usize) -> Self {
        Self {
            input: ReadBuffer::new(input_len),
            out: Vec::new(),
        }
    }
}

/// The output is handed on when it holds this much, and at the end of a read.
const FLUSH: usize = 64 << 10;

fn flush(pipe: &Pipe, out: &mut Vec<u8>) {
    if !out.is_empty() {
        pipe.send(out);
        out.clear();
    }
}

/// Reads what a server unmasks afterwards at once, and what a client only hands out a piece at a time: measured, the one
/// and the other are faster.
fn read_rest<R: Measured>(pipe: &Pipe, target: &mut [u8]) -> usize {
    let at_once = if R::MASKED { target.len() } else { OWN_READ };
    target.chunks_mut(at_once).map(|piece| pipe.read_into(piece)).sum()
}

/// Which way the input is masked.
trait Measured: connection::Role {
    const MASKED: bool;
}

impl Measured for Server {
    const MASKED: bool = true;
}

impl<E: Entropy> Measured for Client<E> {
    const MASKED: bool = false;
}

struct Receive<R> {
    pipe: Pipe,
    ws: MessageConnection<R>,
    echo: bool,
    buffers: Buffers,
}

#[inline(always)]
fn deliver<R: connection::Role>(
    event: Event<'_>,
    tx: &mut Sender<R>,
    echo: bool,
    out: &mut Vec<u8>,
    watch: &mut impl Watch,
) {
    match event {
        Event::Text(text) => {
            watch.message(text.as_bytes());
            if echo {
                tx.text(text, out).unwrap();
            }
        }
        Event::Binary(data) => {
            watch.message(data);
            if echo {
                tx.binary(data, out).unwrap();
            }
        }
        Event::Ping(_) | Event::Pong(_) | Event::Close(_) => panic!("not sent"),
    }
}

impl<R: Measured> Run for Receive<R> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Self {
            pipe,
            ws,
            echo,
            buffers: Buffers { input, out },
        } = self;
        pipe.rewind();
        // What was read and waits for its rest.
        let (mut start, mut end) = (0, 0);
        loop {
            if start == end
                && let Some(space) = ws.space(WORTH)
            {
                let room = space.len().min(OWN_READ);
                let len = pipe.read_into(&mut space[..room]);
                if let Some((event, tx)) = ws.receive_in_space(len, out).unwrap() {
                    deliver(event, tx, *echo, out, watch);
                }
            } else {
                // A large rest is read behind what there is, and nothing more, so that the next message starts with the
                // buffer; a small one is moved.
                let missing = ws.missing(&input[start..end]).unwrap_or(0);
                let room = if missing > WORTH && missing <= input.len() - end {
                    missing
                } else {
                    input.copy_within(start..end, 0);
                    (start, end) = (0, end - start);
                    OWN_READ
                };
                let len = read_rest::<R>(pipe, &mut input[end..end + room]);
                if len == 0 {
                    return;
                }
                end += len;
                let mut rest = &mut input[start..end];
                while let Some((event, tx)) = ws.receive_whole(&mut rest, LONGEST, out).unwrap() {
                    deliver(event, tx, *echo, out, watch);
                }
                start = end - rest.len();
            }
            flush(pipe, out);
        }
    }
}

struct Send<R> {
    pipe: Pipe,
    ws: MessageConnection<R>,
    workload: Arc<Workload>,
    out: Vec<u8>,
}

impl<R: connection::Role> Run for Send<R> {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self {
            pipe,
            ws,
            workload,
            out,
        } = self;
        for payload in workload.sends() {
            ws.sender().binary(payload, out).unwrap();
            if out.len() >= FLUSH {
                flush(pipe, out);
            }
        }
        flush(pipe, out);
    }
}

struct Handshake {
    pipe: Pipe,
    workload: Arc<Workload>,
    buffers: Buffers,
}

impl Run for Handshake {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self {
            pipe,
            workload,
            buffers: Buffers { input, out },
        } = self;
        let len = workload.len;
        for i in 0..workload.count {
            pipe.seek(i * len..(i + 1) * len);
            let len = pipe.read_into(input);
            let mut handshake = ServerHandshake::new(&Limits::default());
            let Some(Request::Upgrade(upgrade)) = handshake.receive(&input[..len], out).unwrap() else {
                panic!("the whole request is there");
            };
            let connection = upgrade.accept(&Acceptance::new(), out).unwrap();
            std::hint::black_box(&MessageConnection::new(connection));
            flush(pipe, out);
        }
    }
}

struct Pieces<R> {
    pipe: Pipe,
    ws: Connection<R>,
    buffers: Buffers,
}

impl<R: connection::Role> Run for Pieces<R> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Self {
            pipe,
            ws,
            buffers: Buffers { input, out },
        } = self;
        pipe.rewind();
        loop {
            let len = pipe.read_into(input);
            if len == 0 {
                return;
            }
            let mut input = &mut input[..len];
            while let Some((event, _)) = ws.receive(&mut input, out).unwrap() {
                let end = match event {
                    connection::Event::Text(chunk) => {
                        watch.piece(chunk.data.as_bytes());
                        chunk.message_end
                    }
                    connection::Event::Binary(chunk) => {
                        watch.piece(chunk.data);
                        chunk.message_end
                    }
                    connection::Event::Ping(_) | connection::Event::Pong(_) | connection::Event::Close(_) => {
                        panic!("not sent")
                    }
                };
                if end {
                    watch.end();
                }
            }
        }
    }
}

/// Headers alone, and payloads by reference, as for a vectored write.
struct InPlace {
    pipe: Pipe,
    ws: Connection<Server>,
    payloads: Vec<u8>,
    len: usize,
    kind: Kind,
}

impl Run for InPlace {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let kind = match self.kind {
            Kind::Text => MessageKind::Text,
            Kind::Binary => MessageKind::Binary,
        };
        for payload in self.payloads.chunks_exact_mut(self.len) {
            let header = self.ws.sender().frame_in_place(kind, payload, true).unwrap();
            self.pipe.send(header.as_bytes());
            self.pipe.send(payload);
        }
    }
}

impl Held for MessageConnection<Server> {
    fn echo(&mut self, scratch: &mut Scratch) {
        let Scratch { pipe, input, output } = scratch;
        let len = pipe.read_into(input);
        let mut input = &mut input[..len];
        while let Some((event, tx)) = self.receive(&mut input, output).unwrap() {
            match event {
                Event::Text(text) => tx.text(text, output).unwrap(),
                Event::Binary(data) => tx.binary(data, output).unwrap(),
                Event::Ping(_) | Event::Pong(_) | Event::Close(_) => panic!("not sent"),
            }
        }
        flush(pipe, output);
    }
}

impl Held for Connection<Server> {
    fn echo(&mut self, scratch: &mut Scratch) {
        let Scratch { pipe, input, output } = scratch;
        let len = pipe.read_into(input);
        let mut input = &mut input[..len];
        while let Some((event, tx)) = self.receive(&mut input, output).unwrap() {
            match event {
                // The message lies whole in the input.
                connection::Event::Text(chunk) => tx.part(chunk.data, chunk.message_end, output).unwrap(),
                connection::Event::Binary(chunk) => tx.part(chunk.data, chunk.message_end, output).unwrap(),
                connection::Event::Ping(_) | connection::Event::Pong(_) | connection::Event::Close(_) => {
                    panic!("not sent")
                }
            }
        }
        flush(pipe, output);
    }
}
