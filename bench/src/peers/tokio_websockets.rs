//! `tokio-websockets`, with its default configuration. Messages to send are shared buffers made beforehand; they are
//! fed, not flushed one by one. Its mask keys come from `fastrand`, the cheapest that it offers.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use ::tokio_websockets::{ClientBuilder, Message, ServerBuilder, WebSocketStream};
use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;

use crate::pipe::{Pipe, now};
use crate::subject::{Held, Peer, Run, Scratch, Subject};
use crate::watch::Watch;
use crate::workloads::{Job, Role, Workload};

pub const PEER: Peer = Peer {
    name: "tokio-websockets",
    make,
    hold: Some(|pipe| Box::new(connect(pipe, Role::Server))),
    holds_pipe: true,
};

fn connect(pipe: &Pipe, role: Role) -> WebSocketStream<Pipe> {
    match role {
        Role::Server => ServerBuilder::new().serve(pipe.clone()),
        Role::Client => ClientBuilder::new().take_over(pipe.clone()),
    }
}

fn make(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let pipe = pipe.clone();
    let ws = connect(&pipe, workload.role);
    let count = workload.count;
    Some(match workload.job {
        Job::Receive => Box::new(Receive { pipe, ws, count }),
        Job::Send => {
            let all = Bytes::copy_from_slice(&workload.payloads);
            let messages = (0..count)
                .map(|i| all.slice(i * workload.len..(i + 1) * workload.len))
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

async fn next(ws: &mut WebSocketStream<Pipe>) -> Message {
    poll_fn(|context| Pin::new(&mut *ws).poll_next(context))
        .await
        .unwrap()
        .unwrap()
}

async fn feed(ws: &mut WebSocketStream<Pipe>, message: Message) {
    poll_fn(|context| Pin::new(&mut *ws).poll_ready(context)).await.unwrap();
    Pin::new(ws).start_send(message).unwrap();
}

async fn flush(ws: &mut WebSocketStream<Pipe>) {
    poll_fn(|context| Pin::new(&mut *ws).poll_flush(context)).await.unwrap();
}

struct Receive {
    pipe: Pipe,
    ws: WebSocketStream<Pipe>,
    count: usize,
}

impl Run for Receive {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        now(async {
            for _ in 0..self.count {
                watch.message(next(&mut self.ws).await.as_payload());
            }
        });
    }
}

struct Send {
    ws: WebSocketStream<Pipe>,
    messages: Vec<Bytes>,
}

impl Run for Send {
    fn run<W: Watch>(&mut self, _: &mut W) {
        now(async {
            for message in &self.messages {
                feed(&mut self.ws, Message::binary(message.clone())).await;
            }
            flush(&mut self.ws).await;
        });
    }
}

struct Echo {
    pipe: Pipe,
    ws: WebSocketStream<Pipe>,
    count: usize,
}

impl Run for Echo {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        now(async {
            for _ in 0..self.count {
                let message = next(&mut self.ws).await;
                watch.message(message.as_payload());
                feed(&mut self.ws, message).await;
            }
            flush(&mut self.ws).await;
        });
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
            now(ServerBuilder::new().accept(self.pipe.clone())).unwrap();
        }
    }
}

impl Held for WebSocketStream<Pipe> {
    fn echo(&mut self, _: &mut Scratch) {
        now(async {
            let message = next(self).await;
            feed(self, message).await;
            flush(self).await;
        });
    }
}
