//! A plain endpoint, and what can be broken in it.
//!
//! Without a defect it is sound. It is written for these tests alone, and shares nothing with the kit.

mod compression;
mod defects;
mod frames;
mod openings;
mod payloads;
mod text;

pub(crate) use defects::{DEFECTS, Defect};
use frames::Frames;
use sockless_conformance::{Role, Wire};

/// One connection with this defect.
pub(crate) fn run(defect: Defect, wire: &mut Wire) {
    let mut rest = Vec::new();
    let mut agreed = None;
    if wire.has_handshake() {
        let opened = match wire.role() {
            Role::Server => openings::server(defect, wire),
            Role::Client => openings::client(defect, wire),
        };
        match opened {
            Some((behind, compression)) => (rest, agreed) = (behind, compression),
            None => return,
        }
    }
    let mut frames = Frames::new(defect, wire);
    frames.deflate = agreed.map(|agreed| compression::Deflating::new(defect, agreed, frames.server));
    frames.greet(wire);
    let mut next = Some(rest);
    while let Some(chunk) = next {
        if !frames.chunk(&chunk, wire) {
            return;
        }
        next = wire.next();
    }
    frames.at_the_end(wire);
}
