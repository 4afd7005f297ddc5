//! For those who just want a loop: a machine that owns its buffers.
//!
//! It is a shell over [`message`](crate::message) and [`handshake`](crate::handshake): read into
//! [`space`](BufferedConnection::space), say how much with [`advance`](BufferedConnection::advance), take
//! [`events`](BufferedConnection::next_event), write [`output`](BufferedConnection::output) and say how much with
//! [`written`](BufferedConnection::written). While a large message is under way, the space to read into is the buffer
//! in which it is put together, so that it is not copied.

mod buffers;
mod connection;
mod handshake;

pub use buffers::WriteBuffer;
pub use connection::{BufferedConnection, Tx};
pub use handshake::{BufferedClientHandshake, BufferedServerHandshake};

/// How much a machine reads at once, in bytes, unless told otherwise.
pub const DEFAULT_READ_LEN: usize = 16 << 10;
