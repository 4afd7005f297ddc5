//! The machine that owns its buffers, for those who just want a loop.
//!
//! It is a shell over [`Connection`](crate::connection::Connection) and [`handshake`](crate::handshake), with a
//! [`ReadBuffer`](crate::buffer::ReadBuffer) and a [`WriteBuffer`](crate::buffer::WriteBuffer).

mod connection;
#[cfg(feature = "std")]
mod io;

pub use connection::BufferedConnection;
