//! Whole messages, from a read buffer.
//!
//! [`Connection::receive`](crate::connection::Connection::receive) hands out a message in one frame where it lies in the
//! [`ReadBuffer`](crate::buffer::ReadBuffer), whatever its length and however reads have cut it. The fragments of a message
//! are moved together there. Nothing else is allocated or copied.

mod event;
mod receive;

pub use event::Event;
#[cfg(feature = "deflate")]
pub(crate) use receive::{Found, control_event, message};
