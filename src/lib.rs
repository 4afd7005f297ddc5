// The readme's examples need these features; the documentation is built with all of them.
#![cfg_attr(all(feature = "std", feature = "getrandom"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "std", feature = "getrandom")),
    doc = "WebSocket without the socket: RFC 6455 as a pure state machine."
)]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

// From the bottom up: a module uses only what is above it in this list.
mod macros;

pub mod frame;
mod utf8;

#[cfg(feature = "arbitrary")]
mod arbitrary;
pub mod limits;
mod state;

pub mod buffer;
pub mod entropy;
pub mod error;

pub mod connection;
pub mod message;
pub mod timers;

pub mod handshake;

#[cfg(feature = "deflate")]
pub mod deflate;

#[cfg(feature = "alloc")]
pub mod buffered;
#[cfg(feature = "simulation")]
pub mod simulation;

#[cfg(doc)]
pub mod guide;

pub use buffer::{Output, ReadBuffer, SliceOutput};
#[cfg(feature = "alloc")]
pub use buffer::{SharedBytes, WriteBuffer};
#[cfg(feature = "alloc")]
pub use buffered::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
pub use connection::{Client, CloseRecord, Connection, Extensions, Server, TransportAction, Tx};
#[cfg(feature = "deflate")]
pub use deflate::{DeflateConnection, DeflateOptions};
pub use entropy::Entropy;
#[cfg(feature = "getrandom")]
pub use entropy::OsEntropy;
pub use error::{ReceiveError, SendError};
pub use frame::{CloseCode, MessageKind};
pub use handshake::{AcceptOptions, ConnectOptions, WebSocketUri};
pub use limits::Limits;
pub use message::Event;
pub use timers::{Moment, Timeouts};
