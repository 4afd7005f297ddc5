//! WebSocket without the socket.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod entropy;
pub mod frame;
pub mod limits;
pub mod output;
