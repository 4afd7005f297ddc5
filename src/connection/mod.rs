//! An open connection as a state machine, without an allocator and without a buffer of its own.
//!
//! A [`Connection`] joins the receive half and the send half, answers Pings and Close frames, and keeps the record of how
//! it ended. There are two ways to receive:
//!
//! - [`receive`](Connection::receive) hands out whole messages from a [`ReadBuffer`](crate::buffer::ReadBuffer): see
//!   [`message`](crate::message).
//! - [`receive_chunk`](Connection::receive_chunk) hands out chunks of messages as they arrive, from any slice. Nothing is
//!   kept but a header, a character or a control frame that the input has cut.
//!
//! All sending goes through a [`Tx`]. The halves can be taken apart ([`Connection::split`]) and driven by two tasks or
//! threads.

mod backlog;
mod check;
mod chunks;
mod compress;
mod control;
mod event;
mod extensions;
mod joined;
mod payload;
mod receiver;
mod record;
mod reply;
mod role;
mod sender;
mod tx;

pub(crate) use chunks::{Step, failed};
pub(crate) use compress::Compressing;
#[cfg(feature = "deflate")]
pub(crate) use compress::{Compress, Compressor, Slot};
pub use event::{Chunk, ChunkEvent};
pub use extensions::Extensions;
#[cfg(feature = "deflate")]
pub(crate) use extensions::RSV1;
pub use joined::Connection;
pub use payload::Payload;
#[cfg(feature = "alloc")]
pub use payload::PreparedMessage;
pub use receiver::Receiver;
pub(crate) use receiver::{CheckedHeader, Phase, Stream};
pub use record::CloseRecord;
pub use reply::{Reply, ReplySlot};
pub use role::{Client, Role, Server};
pub use sender::Sender;
pub use tx::Tx;

pub use crate::state::{Initiator, StreamEnd, TransportAction};
