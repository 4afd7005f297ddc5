//! Whole messages, from a read buffer.
//!
//! [`Connection::receive`](crate::connection::Connection::receive) hands out a message in one frame where it lies in the
//! [`ReadBuffer`](crate::buffer::ReadBuffer), whatever its length and however reads have cut it. The fragments of a message
//! are moved together there. Nothing else is allocated or copied.

mod delivery;
mod event;
mod half;
mod receive;

#[cfg(all(feature = "alloc", not(feature = "deflate")))]
pub(crate) use delivery::AsReceived;
#[cfg(feature = "deflate")]
pub(crate) use delivery::Inflate;
#[cfg(feature = "alloc")]
pub(crate) use delivery::{Delivery, Found};
pub use event::Event;
#[cfg(feature = "deflate")]
pub(crate) use half::{Half, Joined, alone};
#[cfg(feature = "deflate")]
pub(crate) use receive::{find, message};
