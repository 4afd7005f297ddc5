//! Who is measured, one in each file. Each is used the way that serves it best.

use crate::subject::Peer;

mod fastwebsockets;
mod sockless;
mod tokio_websockets;
mod tungstenite;
mod websocket_sans_io;

/// Everybody, in the order of the table.
pub const ALL: &[Peer] = &[
    crate::floor::WHOLE,
    crate::floor::WIDE,
    crate::floor::PIECES,
    sockless::OWN_BUFFER,
    sockless::SHARED_BUFFER,
    sockless::BUFFERED,
    sockless::STREAMING,
    tungstenite::PEER,
    fastwebsockets::PEER,
    tokio_websockets::PEER,
    websocket_sans_io::PEER,
];
