//! Who is measured, one in each file. Each is used the way that serves it best.

use std::sync::Arc;

use crate::pipe::Pipe;
use crate::watch::Subject;
use crate::workloads::Workload;

mod fastwebsockets;
mod sockless;
mod tokio_websockets;
mod tungstenite;
mod websocket_sans_io;

/// Makes the subject for a workload, on a transport; `None` where the workload is not for this one.
pub type Make = fn(&Arc<Workload>, &Pipe) -> Option<Box<dyn Subject>>;

/// Opens a server's connection that is held, on the heap.
pub type Hold = fn(&Pipe) -> Box<dyn Held>;

pub struct Peer {
    pub name: &'static str,
    pub make: Make,
    pub hold: Option<Hold>,
    /// Whether what is held contains a handle on the transport.
    pub holds_pipe: bool,
}

/// A connection that is mostly idle.
pub trait Held {
    /// Receives one message and sends it back.
    fn echo(&mut self, scratch: &mut Scratch);
}

/// Buffers that connections share, where they do not insist on their own.
pub struct Scratch {
    pub pipe: Pipe,
    pub input: Box<[u8]>,
    pub output: Vec<u8>,
}

/// Everybody, in the order of the table.
pub const ALL: &[Peer] = &[
    crate::floor::WHOLE,
    crate::floor::WIDE,
    crate::floor::PIECES,
    sockless::MESSAGES,
    sockless::STREAMING,
    tungstenite::PEER,
    fastwebsockets::PEER,
    tokio_websockets::PEER,
    websocket_sans_io::PEER,
];
