// The examples in the readme need all features.
#![cfg_attr(all(feature = "axum", feature = "hyper"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "axum", feature = "hyper")),
    doc = "WebSocket for tokio: RFC 6455 over any stream that reads and writes, on the state machine of [`sockless`]."
)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
mod client_stream;
mod clock;
mod connect;
mod ends;
mod entropy;
mod error;
mod halves;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub mod hyper;
mod machine;
mod memory;
mod outgoing;
mod split;
mod stream;
#[cfg(feature = "rustls")]
mod tls;
mod transport;
mod wakers;
mod websocket;

pub use accept::{Acceptor, Answer, Body, accept};
pub use client_stream::{ClientReadHalf, ClientStream, ClientWriteHalf};
pub use connect::{Connector, connect};
pub use entropy::ThreadEntropy;
pub use error::{Error, Rejection, Result};
pub use halves::{ReadHalf, WriteHalf};
pub use outgoing::Outgoing;
pub use sockless::connection::{Payload, PreparedMessage};
pub use sockless::handshake::Request;
pub use sockless::{self, CloseCode, CloseRecord, Event, Limits, SendError, Server, Timeouts, Tx};
pub use split::Split;
pub use stream::{Message, MessageStream};
#[cfg(feature = "rustls")]
pub use tokio_rustls::rustls;
pub use websocket::WebSocket;

/// The client, whose keys come from the operating system.
pub type Client = sockless::Client<ThreadEntropy>;
