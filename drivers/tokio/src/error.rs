//! What can go wrong, told apart by who is to blame.

use std::{error, fmt, io};

use sockless::SendError;
use sockless::error::{Blocked, Failure, ReceiveError};
use sockless::handshake::{ConnectError, HandshakeError, Misuse, RequestError, UriError};
use sockless::timers::Deadline;

/// What can go wrong. A normal close is not an error, nor is a peer that goes away without one:
/// [`ready`](crate::WebSocket::ready) returns `false` then, and the record tells which it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport has failed.
    Io(io::Error),
    /// The connection has failed: the peer violated the protocol ([`Failure::Violation`]) or exceeded a limit
    /// ([`Failure::Limit`]), or there was no memory for what it sent. It was told with the right close code.
    Failed(Failure),
    /// The peer has taken too long, and did not answer a Close either.
    TimedOut(Deadline),
    /// What was asked for is not possible now, and nothing was sent. [`SendError::Closed`] says that a Close was sent.
    Send(SendError),
    /// The output is over its watermark, and nothing was sent: only of [`try_send`](crate::WebSocket::try_send).
    Full,
    /// A frame that is being sent in chunks has to be finished before more can be received.
    Blocked(Blocked),
    /// The peer broke a rule of the opening handshake. A client was answered.
    Handshake(HandshakeError),
    /// This server has refused the client, with this status.
    Refused(u16),
    /// The server has answered with another status than 101.
    Rejected(Box<Rejection>),
    /// The address is none.
    Uri(UriError),
    /// The options ask for what must not be sent in an opening handshake.
    Misuse(Misuse),
    /// The address asks for TLS (`wss`), and there is none here: see the feature `rustls`.
    NoTls,
}

/// A server's answer that is no upgrade: an error page, a redirection, a request for authentication.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rejection {
    /// The status, 200 to 999.
    pub status: u16,
    /// The header fields, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What has come of the body with the head.
    pub body: Vec<u8>,
}

/// The result of most functions here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
            Self::TimedOut(deadline) => deadline.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Full => f.write_str("the output is over its watermark"),
            Self::Blocked(blocked) => blocked.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Refused(status) => write!(f, "the request was refused with status {status}"),
            Self::Rejected(rejection) => write!(f, "the server has answered with status {}", rejection.status),
            Self::Uri(error) => error.fmt(f),
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::NoTls => f.write_str("the address asks for TLS, and there is none here"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Failed(failure) => Some(failure),
            Self::Send(error) => Some(error),
            Self::Blocked(blocked) => Some(blocked),
            Self::Handshake(error) => Some(error),
            Self::Uri(error) => Some(error),
            Self::Misuse(misuse) => Some(misuse),
            Self::TimedOut(_) | Self::Full | Self::Refused(_) | Self::Rejected(_) | Self::NoTls => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<ReceiveError> for Error {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Failed(failure) => Self::Failed(failure),
            ReceiveError::Blocked(blocked) => Self::Blocked(blocked),
            // There are no others; the enum may grow.
            error => Self::Io(error.into()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<UriError> for Error {
    fn from(error: UriError) -> Self {
        Self::Uri(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(error) => Self::Handshake(error),
            RequestError::Misuse(misuse) => Self::Misuse(misuse),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Failed(error) => Self::Handshake(error),
            ConnectError::Misuse(misuse) => Self::Misuse(misuse),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

/// For functions that return `io::Result`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput, TimedOut, WouldBlock};
        let kind = match &error {
            Error::Io(_) => {
                let Error::Io(error) = error else {
                    return Self::other(error);
                };
                return error;
            }
            Error::Failed(_) | Error::Handshake(_) | Error::Refused(_) | Error::Rejected(_) => InvalidData,
            Error::TimedOut(_) => TimedOut,
            Error::Full => WouldBlock,
            Error::Send(_) | Error::Blocked(_) | Error::Uri(_) | Error::Misuse(_) | Error::NoTls => InvalidInput,
        };
        Self::new(kind, error)
    }
}
