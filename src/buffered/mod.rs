//! The machine that owns its buffers, for those who just want a loop.
//!
//! It is a shell over [`Connection`](crate::connection::Connection) and [`handshake`](crate::handshake), with a
//! [`ReadBuffer`](crate::buffer::ReadBuffer) and a [`WriteBuffer`](crate::buffer::WriteBuffer). Over a blocking stream,
//! [`exchange`](BufferedConnection::exchange) does whatever is due with the transport. Elsewhere, read into `space`, say how
//! much with `advance`, take the events, write `output` and say how much with `written`.

mod client;
mod compression;
mod connection;
#[cfg(feature = "deflate")]
mod deflate;
mod delivery;
#[cfg(feature = "std")]
mod io;
mod server;
mod timing;

pub use client::BufferedClientHandshake;
pub use connection::BufferedConnection;
pub use server::BufferedServerHandshake;
