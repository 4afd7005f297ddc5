//! What a subject is: somebody who is measured.

use std::sync::Arc;

use crate::pipe::Pipe;
use crate::watch::{Fold, Keep, Watch};
use crate::workloads::Workload;

/// Something that carries out a workload: once through all its messages.
pub trait Run {
    fn run<W: Watch>(&mut self, watch: &mut W);
}

/// [`Run`] as an object.
pub trait Subject {
    fn fold(&mut self, watch: &mut Fold);
    fn keep(&mut self, watch: &mut Keep);
}

impl<R: Run> Subject for R {
    fn fold(&mut self, watch: &mut Fold) {
        self.run(watch);
    }

    fn keep(&mut self, watch: &mut Keep) {
        self.run(watch);
    }
}

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
    pub memory: Vec<u8>,
    pub output: Vec<u8>,
}
