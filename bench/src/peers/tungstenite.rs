//! `tungstenite`, with its default configuration. Messages to send are shared buffers made beforehand, so that a send
//! costs no copy beyond its own; its mask keys come from `rand`'s generator, there is no choice.

use std::sync::Arc;

use bytes::Bytes;
use tungstenite::{Message, Utf8Bytes, WebSocket, protocol};

use crate::pipe::Pipe;
use crate::subject::{Held, Peer, Run, Scratch, Subject};
use crate::watch::Watch;
use crate::workloads::{Job, Kind, Role, Workload};

pub const PEER: Peer = Peer {
    name: "tungstenite",
    make,
    hold: Some(|pipe| Box::new(connect(pipe, Role::Server))),
    holds_pipe: true,
};

fn connect(pipe: &Pipe, role: Role) -> WebSocket<Pipe> {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    WebSocket::from_raw_socket(pipe.clone(), role, None)
}

fn make(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let pipe = pipe.clone();
    let ws = connect(&pipe, workload.role);
    let count = workload.count;
    Some(match workload.job {
        Job::Receive => Box::new(Receive { pipe, ws, count }),
        Job::Send => {
            let all = Bytes::copy_from_slice(&workload.payloads);
            let parts = (0..count).map(|i| all.slice(i * workload.len..(i + 1) * workload.len));
            let messages = parts
                .map(|part| match workload.kind {
                    Kind::Binary => Message::Binary(part),
                    Kind::Text => Message::Text(Utf8Bytes::try_from(part).unwrap()),
                })
                .collect();
            Box::new(Send { ws, messages })
        }
        Job::Echo => Box::new(Echo { pipe, ws, count }),
        Job::Handshake => Box::new(Handshake {
            pipe,
            workload: workload.clone(),
        }),
    })
}

fn payload(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_str().as_bytes(),
        Message::Binary(bytes) => bytes,
        other => panic!("not sent: {other:?}"),
    }
}

struct Receive {
    pipe: Pipe,
    ws: WebSocket<Pipe>,
    count: usize,
}

impl Run for Receive {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        for _ in 0..self.count {
            watch.message(payload(&self.ws.read().unwrap()));
        }
    }
}

struct Send {
    ws: WebSocket<Pipe>,
    messages: Vec<Message>,
}

impl Run for Send {
    fn run<W: Watch>(&mut self, _: &mut W) {
        for message in &self.messages {
            self.ws.write(message.clone()).unwrap();
        }
        self.ws.flush().unwrap();
    }
}

struct Echo {
    pipe: Pipe,
    ws: WebSocket<Pipe>,
    count: usize,
}

impl Run for Echo {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        for _ in 0..self.count {
            let message = self.ws.read().unwrap();
            watch.message(payload(&message));
            self.ws.write(message).unwrap();
        }
        self.ws.flush().unwrap();
    }
}

struct Handshake {
    pipe: Pipe,
    workload: Arc<Workload>,
}

impl Run for Handshake {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let len = self.workload.len;
        for i in 0..self.workload.count {
            self.pipe.seek(i * len..(i + 1) * len);
            tungstenite::accept(self.pipe.clone()).unwrap();
        }
    }
}

impl Held for WebSocket<Pipe> {
    fn echo(&mut self, _: &mut Scratch) {
        let message = self.read().unwrap();
        self.send(message).unwrap();
    }
}
