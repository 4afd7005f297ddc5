//! What the clients among the examples share.

use std::net::TcpStream;

use sockless::WebSocketUri;

use super::PATIENCE;

/// Random bytes for the handshake's key and the mask keys. (With the feature `getrandom`, `OsEntropy` is the same.)
#[allow(
    clippy::expect_used,
    reason = "without random bytes there is nothing to fall back on"
)]
pub(crate) fn entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random bytes");
}

/// A TCP connection to the server, or what to say if there is none.
pub(crate) fn connect(uri: &WebSocketUri<'_>) -> Result<TcpStream, String> {
    // An IPv6 address stands in brackets in a URI, and without them elsewhere.
    let host = uri.host();
    let connected = TcpStream::connect((host, uri.port())).and_then(|stream| {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    });
    connected.map_err(|error| format!("cannot reach {}: {error}", uri.authority()))
}
