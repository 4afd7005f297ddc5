//! What the clients among the examples share: the opening handshake, and random bytes.

use std::net::TcpStream;
use std::time::Duration;

use sockless::handshake::ConnectError;
use sockless::{
    BufferedClientHandshake, BufferedConnection, Client, ConnectOptions, Limits, Moment, Timeouts, WebSocketUri,
};

use super::{Exit, deflate};

/// An open connection of a client.
pub(crate) type Ws = BufferedConnection<Client<fn(&mut [u8])>>;

/// Random bytes for the handshake's key and the mask keys. (With the feature `getrandom`, `OsEntropy` is the same.)
#[allow(
    clippy::expect_used,
    reason = "without random bytes there is nothing to fall back on"
)]
pub(crate) fn entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random bytes");
}

/// The address of a server that can be reached without TLS.
pub(crate) fn parse(address: &str) -> Result<WebSocketUri<'_>, Exit> {
    match WebSocketUri::parse(address) {
        Ok(uri) if uri.secure() => Err(Exit::usage(format!("'{address}': this example does not speak TLS"))),
        Ok(uri) => Ok(uri),
        Err(error) => Err(Exit::usage(format!("'{address}': {error}"))),
    }
}

/// Why there is no connection.
pub(crate) enum NoConnection {
    /// The options cannot be sent.
    Usage(String),
    /// Nobody is there.
    Unreachable(String),
    /// The server does not want it.
    Refused(String),
    /// The server does not want it now: status 429, 500 and above.
    Busy(String),
}

impl NoConnection {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Usage(text) | Self::Unreachable(text) | Self::Refused(text) | Self::Busy(text) => text,
        }
    }
}

/// Connects, and shakes hands. Messages are compressed if that is wanted and the server agrees.
pub(crate) fn open(
    uri: &WebSocketUri<'_>,
    options: ConnectOptions<'_>,
    timeouts: &Timeouts,
    compress: bool,
) -> Result<(TcpStream, Ws), NoConnection> {
    let offer = deflate::offer();
    let offers = [offer.as_str()];
    let options = match compress {
        true => options.extensions(&offers, deflate::EXTENSIONS),
        false => options,
    };
    let handshake = BufferedClientHandshake::start(uri, &options, entropy as fn(&mut [u8]), &Limits::default());
    let mut handshake = handshake.map_err(|error| NoConnection::Usage(error.to_string()))?;
    if compress {
        handshake = deflate::offered(handshake);
    }
    handshake.set_timeouts(timeouts);
    let unreachable = |error| NoConnection::Unreachable(format!("cannot reach {}: {error}", uri.authority()));
    let mut stream = TcpStream::connect((uri.host(), uri.port())).map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .map_err(unreachable)?;
    loop {
        let wait = handshake.tick(Moment::now());
        match handshake.connect() {
            Ok(Some(ws)) => return Ok((stream, ws)),
            Ok(None) => {}
            Err(error @ ConnectError::Rejected { status: 429 | 500.. }) => {
                return Err(NoConnection::Busy(error.to_string()));
            }
            Err(error) => return Err(NoConnection::Refused(error.to_string())),
        }
        stream.set_read_timeout(wait).map_err(unreachable)?;
        handshake
            .exchange(&mut stream)
            .map_err(|error| NoConnection::Refused(error.to_string()))?;
    }
}
