//! `fastwebsockets`. Messages that come whole are read from the bare `WebSocket`, fragmented ones through its
//! `FragmentCollector`, which costs more. A client's payload is copied to a buffer that it may mask in place (else it
//! allocates), with a key that it is given. The handshake goes through `hyper`: it has no other.

use std::convert::Infallible;
use std::sync::Arc;

use ::fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, WebSocket, upgrade};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::pipe::{Pipe, now};
use crate::subject::{Held, Peer, Run, Scratch, Subject};
use crate::watch::Watch;
use crate::workloads::{Job, Role, Workload, XorShift};

pub const PEER: Peer = Peer {
    name: "fastwebsockets",
    make,
    hold: Some(|pipe| Box::new(connect(pipe, Role::Server))),
    holds_pipe: true,
};

fn connect(pipe: &Pipe, role: Role) -> WebSocket<Pipe> {
    let role = match role {
        Role::Server => ::fastwebsockets::Role::Server,
        Role::Client => ::fastwebsockets::Role::Client,
    };
    WebSocket::after_handshake(pipe.clone(), role)
}

fn make(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let pipe = pipe.clone();
    let ws = connect(&pipe, workload.role);
    let count = workload.count;
    Some(match workload.job {
        Job::Receive if workload.fragment.is_some() => Box::new(Fragments {
            pipe,
            ws: FragmentCollector::new(ws),
            count,
        }),
        Job::Receive => Box::new(Receive { pipe, ws, count }),
        Job::Send => Box::new(Send {
            ws,
            workload: workload.clone(),
            own: Vec::new(),
            keys: XorShift::new(6),
        }),
        Job::Echo => Box::new(Echo { pipe, ws, count }),
        Job::Handshake => Box::new(Handshake {
            pipe,
            workload: workload.clone(),
        }),
    })
}

struct Receive {
    pipe: Pipe,
    ws: WebSocket<Pipe>,
    count: usize,
}

impl Run for Receive {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        now(async {
            for _ in 0..self.count {
                let frame = self.ws.read_frame().await.unwrap();
                assert!(frame.fin && matches!(frame.opcode, OpCode::Text | OpCode::Binary));
                watch.message(&frame.payload);
            }
        });
    }
}

struct Fragments {
    pipe: Pipe,
    ws: FragmentCollector<Pipe>,
    count: usize,
}

impl Run for Fragments {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        now(async {
            for _ in 0..self.count {
                watch.message(&self.ws.read_frame().await.unwrap().payload);
            }
        });
    }
}

struct Send {
    ws: WebSocket<Pipe>,
    workload: Arc<Workload>,
    own: Vec<u8>,
    keys: XorShift,
}

impl Run for Send {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self {
            ws,
            workload,
            own,
            keys,
        } = self;
        now(async {
            for payload in workload.sends() {
                let frame = match workload.role {
                    Role::Server => Frame::binary(Payload::Borrowed(payload)),
                    Role::Client => {
                        own.clear();
                        own.extend_from_slice(payload);
                        Frame::new(true, OpCode::Binary, Some(keys.key()), Payload::BorrowedMut(own))
                    }
                };
                write(ws, frame).await;
            }
        });
    }
}

/// The connection takes frames of one lifetime only; a borrowed payload lives for this call.
async fn write(ws: &mut WebSocket<Pipe>, frame: Frame<'_>) {
    ws.write_frame(frame).await.unwrap();
}

struct Echo {
    pipe: Pipe,
    ws: WebSocket<Pipe>,
    count: usize,
}

impl Run for Echo {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        now(async {
            for _ in 0..self.count {
                let frame = self.ws.read_frame().await.unwrap();
                watch.message(&frame.payload);
                // Not the frame itself: it would go out with the client's key in its header.
                self.ws.write_frame(Frame::text(frame.payload)).await.unwrap();
            }
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
            let mut upgraded = None;
            let slot = std::cell::RefCell::new(&mut upgraded);
            let service = service_fn(|mut request| {
                let (response, future) = upgrade::upgrade(&mut request).unwrap();
                **slot.borrow_mut() = Some(future);
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let io = TokioIo::new(self.pipe.clone());
            now(hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .with_upgrades())
            .unwrap();
            now(upgraded.unwrap()).unwrap();
        }
    }
}

impl Held for WebSocket<Pipe> {
    fn echo(&mut self, _: &mut Scratch) {
        now(async {
            let frame = self.read_frame().await.unwrap();
            self.write_frame(Frame::text(frame.payload)).await.unwrap();
        });
    }
}
