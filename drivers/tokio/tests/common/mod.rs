//! What the tests share: two ends over a pipe.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "not every test needs all of it; a test fails by panicking"
)]

use sockless_tokio::{Acceptor, Client, Connector, Event, Result, Server, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

/// A server and a client over a pipe that holds so many bytes in each direction.
pub(crate) async fn pair(bytes: usize) -> (WebSocket<DuplexStream, Server>, WebSocket<DuplexStream, Client>) {
    pair_with(bytes, &Acceptor::new(), &Connector::new()).await
}

pub(crate) async fn pair_with(
    bytes: usize,
    acceptor: &Acceptor,
    connector: &Connector,
) -> (WebSocket<DuplexStream, Server>, WebSocket<DuplexStream, Client>) {
    let (here, there) = duplex(bytes);
    let (server, client) = tokio::join!(
        acceptor.accept(here),
        connector.connect_over("ws://example.com/", there)
    );
    (server.unwrap(), client.unwrap())
}

/// Echoes until the connection is over.
pub(crate) async fn echo<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S, Server>) -> Result<()> {
    while ws.ready().await? {
        while let Some((event, mut tx)) = ws.next_event()? {
            match event {
                Event::Text(text) => tx.text(text)?,
                Event::Binary(data) => tx.binary(data)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// The next message. `None` when the connection is over.
pub(crate) async fn message<S, R>(ws: &mut WebSocket<S, R>) -> Result<Option<Vec<u8>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: sockless_tokio::sockless::connection::Role,
{
    loop {
        while let Some((event, _)) = ws.next_event()? {
            match event {
                Event::Text(text) => return Ok(Some(text.as_bytes().to_vec())),
                Event::Binary(data) => return Ok(Some(data.to_vec())),
                _ => {}
            }
        }
        if !ws.ready().await? {
            return Ok(None);
        }
    }
}
