//! WebSocket without the socket.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod buffer;
#[cfg(feature = "alloc")]
pub mod buffered;
pub mod connection;
pub mod entropy;
pub mod error;
pub mod frame;
#[cfg(doc)]
pub mod guide;
pub mod handshake;
pub mod limits;
pub mod message;
mod state;
mod utf8;
