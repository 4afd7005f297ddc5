//! The bodies of the fuzz targets, and the crate at every level of its interface.
//!
//! Each body takes any bytes and panics where something is wrong. `fuzz/targets` makes a target of each for cargo-fuzz; the
//! tests here run them over the files in `fuzz/seeds`, and over random bytes.

#![forbid(unsafe_code)]

mod buffered_pair;
mod deflate;
mod endpoints;
mod handshake;
mod header;
pub mod implementation;
pub mod level;
mod model;
mod outcome;
mod read_buffer;
mod receive;
mod role;
mod session;
mod write_buffer;

pub use buffered_pair::buffered_pair;
pub use deflate::{deflate_negotiation, deflate_pair, inflate};
pub use endpoints::endpoints;
pub use handshake::{grammar, request_head, response_head};
pub use header::frame_header;
pub use model::{agrees_with_model, rule_of};
pub use outcome::{Outcome, run};
pub use read_buffer::read_buffer;
pub use receive::{chunking_invariance, differential, receive_client, receive_server};
pub use role::{FixedKeys, Peer};
pub use session::structured_session;
pub use write_buffer::write_buffer;

/// A fuzz target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("frame_header", frame_header),
    ("receive_server", receive_server),
    ("receive_client", receive_client),
    ("request_head", request_head),
    ("response_head", response_head),
    ("grammar", grammar),
    ("structured_session", structured_session),
    ("differential", differential),
    ("endpoints", endpoints),
    ("read_buffer", read_buffer),
    ("write_buffer", write_buffer),
    ("buffered_pair", buffered_pair),
    ("inflate", inflate),
    ("deflate_pair", deflate_pair),
    ("deflate_negotiation", deflate_negotiation),
];
