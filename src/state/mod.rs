//! Transition tables: no bytes, no role, no buffers.

mod closing;
mod fragmentation;

pub use closing::{Initiator, StreamEnd, TransportAction};
pub(crate) use closing::{Received, Sending, SentClose};
pub(crate) use fragmentation::{Control, Fragmentation, Frame, after, classify};
