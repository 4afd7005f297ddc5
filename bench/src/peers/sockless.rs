//! The crate itself, used as its README says, at default settings.
//!
//! "sockless" is a connection with a read buffer of its own and a `Vec<u8>` for output. "one buffer" reads into
//! 256 KiB of memory that is lent to a thread's connections in turn. "buffered" is the machine with its buffers. These three send copies.
//! "streaming" hands out chunks as they come, and sends a server's payload by reference behind its header.

use std::sync::Arc;

use ::sockless::buffer::{ReadBuffer, SharedBytes, WriteBuffer};
use ::sockless::buffered::BufferedConnection;
use ::sockless::connection::{ChunkEvent, Client, Connection, Role as WsRole, Server, Tx};
use ::sockless::entropy::Entropy;
use ::sockless::frame::MessageKind;
use ::sockless::handshake::{AcceptOptions, Request, ServerHandshake};
use ::sockless::limits::Limits;
use ::sockless::message::Event;

use crate::pipe::{OWN_READ, PageBuffer, Pipe};
use crate::subject::{Held, Peer, Run, Scratch, Subject};
use crate::watch::Watch;
use crate::workloads::{Job, Kind, Role, Workload, XorShift};

pub const OWN_BUFFER: Peer = Peer {
    name: "sockless",
    make: own_buffer,
    hold: Some(|_| Box::new(OwnBuffer::new(server()))),
    holds_pipe: false,
};
pub const SHARED_BUFFER: Peer = Peer {
    name: "sockless, one buffer",
    make: shared_buffer,
    hold: Some(|_| Box::new(Member::new(server()))),
    holds_pipe: false,
};
pub const BUFFERED: Peer = Peer {
    name: "sockless, buffered",
    make: buffered,
    hold: Some(|_| Box::new(BufferedConnection::new(server()))),
    holds_pipe: false,
};
pub const STREAMING: Peer = Peer {
    name: "sockless, streaming",
    make: streaming,
    hold: Some(|_| Box::new(server())),
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

fn server() -> Connection<Server> {
    Connection::new(Server, &Limits::default())
}

fn client() -> Connection<Client<XorShift>> {
    Connection::new(Client::new(XorShift::new(6)), &Limits::default())
}

/// A loop, with the connection in the role that the workload says.
macro_rules! in_its_role {
    ($workload:expr, $loop:expr) => {
        match $workload.role {
            Role::Server => Box::new($loop(server())) as Box<dyn Subject>,
            Role::Client => Box::new($loop(client())) as Box<dyn Subject>,
        }
    };
}

fn own_buffer(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let (pipe, workload) = (pipe.clone(), workload.clone());
    Some(match workload.job {
        Job::Receive | Job::Echo => in_its_role!(workload.clone(), |ws| Receive {
            pipe,
            echo: workload.job == Job::Echo,
            connection: OwnBuffer::new(ws),
        }),
        Job::Send => in_its_role!(workload.clone(), |ws| Send {
            pipe,
            workload,
            ws,
            out: Vec::new(),
        }),
        Job::Handshake => Box::new(Handshake {
            pipe,
            workload,
            input: ReadBuffer::new(),
            out: Vec::new(),
        }),
    })
}

fn shared_buffer(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let (pipe, workload) = (pipe.clone(), workload.clone());
    Some(match workload.job {
        Job::Receive | Job::Echo => in_its_role!(workload.clone(), |ws| ReceiveShared {
            pipe,
            echo: workload.job == Job::Echo,
            member: Member::new(ws),
            memory: vec![0; 256 << 10],
            out: Vec::new(),
        }),
        Job::Send | Job::Handshake => return None,
    })
}

fn buffered(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let (pipe, workload) = (pipe.clone(), workload.clone());
    Some(match workload.job {
        Job::Receive | Job::Echo => in_its_role!(workload.clone(), |ws| ReceiveBuffered {
            pipe,
            echo: workload.job == Job::Echo,
            ws: BufferedConnection::new(ws),
        }),
        Job::Send => in_its_role!(workload.clone(), |ws| SendBuffered {
            pipe,
            workload,
            ws: BufferedConnection::new(ws),
        }),
        Job::Handshake => return None,
    })
}

fn streaming(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let (pipe, workload) = (pipe.clone(), workload.clone());
    Some(match (workload.job, workload.role) {
        (Job::Receive, _) => in_its_role!(workload, |ws| Chunks {
            pipe,
            ws,
            input: PageBuffer::new(OWN_READ + 16),
            out: Vec::new(),
        }),
        (Job::Send, Role::Server) if workload.len >= 4096 => Box::new(SendShared {
            pipe,
            payloads: workload
                .sends()
                .map(|payload| SharedBytes::new(payload.to_vec()))
                .collect(),
            kind: match workload.kind {
                Kind::Text => MessageKind::Text,
                Kind::Binary => MessageKind::Binary,
            },
            ws: server(),
            out: WriteBuffer::new(),
        }),
        (Job::Send | Job::Echo | Job::Handshake, _) => return None,
    })
}

/// The output is handed on when it holds this much, and at the end of a read.
const FLUSH: usize = 64 << 10;

fn flush(pipe: &Pipe, out: &mut Vec<u8>) {
    if !out.is_empty() {
        pipe.send(out);
        out.clear();
    }
}

fn flush_buffered<R: WsRole>(pipe: &Pipe, ws: &mut BufferedConnection<R>) {
    while !ws.output().is_empty() {
        let output = ws.output();
        let len = output.len();
        pipe.send(output);
        ws.written(len);
    }
}

/// Passes an event on, and echoes it if asked.
macro_rules! deliver {
    ($event:expr, $tx:expr, $echo:expr, $watch:expr) => {
        match $event {
            Event::Text(text) => {
                $watch.message(text.as_bytes());
                if $echo {
                    $tx.text(text).unwrap();
                }
            }
            Event::Binary(data) => {
                $watch.message(data);
                if $echo {
                    $tx.binary(data).unwrap();
                }
            }
            _ => panic!("not sent"),
        }
    };
}

/// A connection with buffers beside it.
struct OwnBuffer<R> {
    ws: Connection<R>,
    input: ReadBuffer,
    out: Vec<u8>,
}

impl<R: WsRole> OwnBuffer<R> {
    fn new(ws: Connection<R>) -> Self {
        Self {
            ws,
            input: ReadBuffer::new(),
            out: Vec::new(),
        }
    }
}

struct Receive<R> {
    pipe: Pipe,
    echo: bool,
    connection: OwnBuffer<R>,
}

impl<R: WsRole> Run for Receive<R> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Self {
            pipe,
            echo,
            connection: OwnBuffer { ws, input, out },
        } = self;
        pipe.rewind();
        loop {
            let len = pipe.read_into(input.space());
            if len == 0 {
                return;
            }
            input.advance(len);
            while let Some((event, mut tx)) = ws.receive(input, out).unwrap() {
                deliver!(event, tx, *echo, watch);
            }
            flush(pipe, out);
        }
    }
}

/// A connection that holds no more than the start of a message; the output is the thread's, too.
struct Member<R> {
    ws: Connection<R>,
    held: ReadBuffer,
}

impl<R: WsRole> Member<R> {
    fn new(ws: Connection<R>) -> Self {
        Self {
            ws,
            held: ReadBuffer::new(),
        }
    }
}

struct ReceiveShared<R> {
    pipe: Pipe,
    echo: bool,
    member: Member<R>,
    memory: Vec<u8>,
    out: Vec<u8>,
}

impl<R: WsRole> Run for ReceiveShared<R> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Self {
            pipe,
            echo,
            member: Member { ws, held: input },
            memory,
            out,
        } = self;
        pipe.rewind();
        loop {
            memory.resize(256 << 10, 0);
            input.lend(memory);
            let len = pipe.read_into(input.space());
            if len == 0 {
                input.take_back(memory);
                return;
            }
            input.advance(len);
            while let Some((event, mut tx)) = ws.receive(input, out).unwrap() {
                deliver!(event, tx, *echo, watch);
            }
            input.take_back(memory);
            flush(pipe, out);
        }
    }
}

struct ReceiveBuffered<R> {
    pipe: Pipe,
    echo: bool,
    ws: BufferedConnection<R>,
}

impl<R: WsRole> Run for ReceiveBuffered<R> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Self { pipe, echo, ws } = self;
        pipe.rewind();
        loop {
            let len = pipe.read_into(ws.space());
            if len == 0 {
                return;
            }
            ws.advance(len);
            while let Some((event, mut tx)) = ws.next_event().unwrap() {
                deliver!(event, tx, *echo, watch);
            }
            flush_buffered(pipe, ws);
        }
    }
}

struct Send<R> {
    pipe: Pipe,
    workload: Arc<Workload>,
    ws: Connection<R>,
    out: Vec<u8>,
}

impl<R: WsRole> Run for Send<R> {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self {
            pipe,
            workload,
            ws,
            out,
        } = self;
        for payload in workload.sends() {
            ws.tx(out).binary(payload).unwrap();
            if out.len() >= FLUSH {
                flush(pipe, out);
            }
        }
        flush(pipe, out);
    }
}

struct SendBuffered<R> {
    pipe: Pipe,
    workload: Arc<Workload>,
    ws: BufferedConnection<R>,
}

impl<R: WsRole> Run for SendBuffered<R> {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self { pipe, workload, ws } = self;
        for payload in workload.sends() {
            ws.tx().binary(payload).unwrap();
            if ws.buffers().1.is_over_watermark() {
                flush_buffered(pipe, ws);
            }
        }
        flush_buffered(pipe, ws);
    }
}

/// Payloads by reference, as for a vectored write.
struct SendShared {
    pipe: Pipe,
    payloads: Vec<SharedBytes>,
    kind: MessageKind,
    ws: Connection<Server>,
    out: WriteBuffer,
}

impl Run for SendShared {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self {
            pipe,
            payloads,
            kind,
            ws,
            out,
        } = self;
        for payload in payloads {
            ws.tx(out).shared(*kind, payload).unwrap();
            let mut len = 0;
            for slice in out.slices() {
                pipe.send(slice);
                len += slice.len();
            }
            out.written(len);
        }
    }
}

struct Handshake {
    pipe: Pipe,
    workload: Arc<Workload>,
    input: ReadBuffer,
    out: Vec<u8>,
}

impl Run for Handshake {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self {
            pipe,
            workload,
            input,
            out,
        } = self;
        let len = workload.len;
        for i in 0..workload.count {
            pipe.seek(i * len..(i + 1) * len);
            let len = pipe.read_into(input.space());
            input.advance(len);
            let mut handshake = ServerHandshake::new(&Limits::default());
            let Some(Request::Upgrade(upgrade)) = handshake.receive(input, out).unwrap() else {
                panic!("the whole request is there");
            };
            std::hint::black_box(&upgrade.accept(&AcceptOptions::new(), out).unwrap());
            flush(pipe, out);
        }
    }
}

struct Chunks<R> {
    pipe: Pipe,
    ws: Connection<R>,
    input: PageBuffer,
    out: Vec<u8>,
}

impl<R: WsRole> Run for Chunks<R> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Self { pipe, ws, input, out } = self;
        pipe.rewind();
        loop {
            let len = pipe.read_into(input);
            if len == 0 {
                return;
            }
            let mut input = &mut input[..len];
            while let Some((event, _)) = ws.receive_chunk(&mut input, out).unwrap() {
                let end = match event {
                    ChunkEvent::Text(chunk) => {
                        watch.piece(chunk.data.as_bytes());
                        chunk.message_end
                    }
                    ChunkEvent::Binary(chunk) => {
                        watch.piece(chunk.data);
                        chunk.message_end
                    }
                    _ => panic!("not sent"),
                };
                if end {
                    watch.end();
                }
            }
        }
    }
}

fn echo(event: Event<'_>, mut tx: Tx<'_, Server, Vec<u8>>) {
    match event {
        Event::Text(text) => tx.text(text).unwrap(),
        Event::Binary(data) => tx.binary(data).unwrap(),
        _ => panic!("not sent"),
    }
}

impl Held for OwnBuffer<Server> {
    fn echo(&mut self, Scratch { pipe, .. }: &mut Scratch) {
        let Self { ws, input, out } = self;
        let len = pipe.read_into(input.space());
        input.advance(len);
        while let Some((event, tx)) = ws.receive(input, out).unwrap() {
            echo(event, tx);
        }
        flush(pipe, out);
    }
}

impl Held for Member<Server> {
    fn echo(&mut self, scratch: &mut Scratch) {
        let Self { ws, held: input } = self;
        let Scratch {
            pipe,
            memory,
            output: out,
            ..
        } = scratch;
        input.lend(memory);
        let len = pipe.read_into(input.space());
        input.advance(len);
        while let Some((event, tx)) = ws.receive(input, out).unwrap() {
            echo(event, tx);
        }
        input.take_back(memory);
        flush(pipe, out);
    }
}

impl Held for BufferedConnection<Server> {
    fn echo(&mut self, Scratch { pipe, .. }: &mut Scratch) {
        let len = pipe.read_into(self.space());
        self.advance(len);
        while let Some((event, mut tx)) = self.next_event().unwrap() {
            match event {
                Event::Text(text) => tx.text(text).unwrap(),
                Event::Binary(data) => tx.binary(data).unwrap(),
                _ => panic!("not sent"),
            }
        }
        flush_buffered(pipe, self);
        self.release();
    }
}

impl Held for Connection<Server> {
    fn echo(&mut self, scratch: &mut Scratch) {
        let Scratch {
            pipe,
            input,
            output: out,
            ..
        } = scratch;
        let len = pipe.read_into(input);
        let mut input = &mut input[..len];
        while let Some((event, mut tx)) = self.receive_chunk(&mut input, out).unwrap() {
            match event {
                // The message lies whole in the input.
                ChunkEvent::Text(chunk) => tx.part(chunk.data, chunk.message_end).unwrap(),
                ChunkEvent::Binary(chunk) => tx.part(chunk.data, chunk.message_end).unwrap(),
                _ => panic!("not sent"),
            }
        }
        flush(pipe, out);
    }
}
