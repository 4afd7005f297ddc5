//! Upgrades of requests that `hyper` has read: over HTTP/1.1, and extended CONNECT over HTTP/2 (RFC 8441).
//!
//! [`upgrade`] takes the request, and gives the response to return and a future, which becomes the connection once the
//! response was sent:
//!
//! ```
//! use hyper::body::Incoming;
//! use hyper::{Request, Response};
//! use sockless_tokio::{Result, Server, WebSocket, hyper::Upgraded};
//!
//! async fn handle(mut request: Request<Incoming>) -> Result<Response<String>> {
//!     let (response, opening) = sockless_tokio::hyper::upgrade(&mut request);
//!     tokio::spawn(async move { echo(opening.await?).await });
//!     Ok(response)
//! }
//!
//! async fn echo(mut ws: WebSocket<Upgraded, Server>) -> Result<()> {
//!     while ws.ready().await? {
//!         while let Some((event, mut tx)) = ws.next_event()? {
//!             if let Some(message) = event.message() {
//!                 tx.send(message)?;
//!             }
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The server has to permit it: `http1::Builder` with `serve_connection(..).with_upgrades()`, `http2::Builder` with
//! `enable_connect_protocol()`, or hyper-util's `auto::Builder` with `serve_connection_with_upgrades` and
//! `http2().enable_connect_protocol()`. Without `enable_connect_protocol` browsers open a connection over HTTP/1.1 for each
//! WebSocket.
//!
//! Over HTTP/2 the request's method is CONNECT. A router that lets only GET through does not see it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
#[cfg(feature = "deflate")]
use sockless::connection::Extensions;
use sockless::handshake::{AcceptOptions, HandshakeError, Misuse, ValidRequest};
use sockless::{BufferedConnection, Server};

use crate::clock::Alarm;
use crate::error::{Error, Result};
use crate::{Acceptor, WebSocket};

/// The stream of a connection that hyper has upgraded: all of the TCP or TLS connection over HTTP/1.1, one stream of it over
/// HTTP/2.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// Accepts a request as a WebSocket connection, with the defaults of an [`Acceptor`]: see [`Acceptor::upgrade`].
pub fn upgrade<B, A: From<&'static str>>(request: &mut Request<B>) -> (Response<A>, Opening) {
    Acceptor::new().upgrade(request)
}

/// Whether a request asks for a WebSocket connection, rightly or not. Others are for the caller to handle as HTTP.
#[must_use]
pub fn is_upgrade<B>(request: &Request<B>) -> bool {
    !matches!(valid(request), Err(Refusal(Why::NotAsked, _)))
}

impl Acceptor {
    /// Accepts a request that hyper has read, over HTTP/1.1 or HTTP/2. Returns the response, which the caller has to send,
    /// and what becomes the connection after that.
    ///
    /// A request that breaks a rule, comes from another [origin](Self::origins), or asks for no WebSocket gets a response that
    /// says so, and the future ends with the error. To answer in another way, look at the request before. Header fields may be
    /// added to the response.
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming};
    /// # use sockless_tokio::{Acceptor, CloseCode, hyper::is_upgrade};
    /// async fn handle(acceptor: &Acceptor, mut request: Request<Incoming>) -> Response<String> {
    ///     if !is_upgrade(&request) {
    ///         return Response::new("<p>Hello".to_owned());
    ///     }
    ///     let (response, opening) = acceptor.upgrade(&mut request);
    ///     tokio::spawn(async move {
    ///         let mut ws = opening.await?;
    ///         ws.close(CloseCode::NORMAL, "that was all").await.map(drop)
    ///     });
    ///     response
    /// }
    /// ```
    ///
    /// How long the request may take is for the HTTP server to bound. The [`timeouts`](Self::timeouts) start with the
    /// connection.
    pub fn upgrade<B, A: From<&'static str>>(&self, request: &mut Request<B>) -> (Response<A>, Opening) {
        match self.agree(request) {
            Ok((response, opening)) => (response.map(|()| A::from("")), opening),
            Err(refusal) => (refusal.response(), Opening(Err(Some(refusal.into())))),
        }
    }

    fn agree<B>(&self, request: &mut Request<B>) -> Result<(Response<()>, Opening), Refusal> {
        let version = request.version();
        let valid = valid(request)?;
        let agreed = if self.lets_in(&valid) {
            self.settle(&valid)
        } else {
            Err(Why::Origin)
        };
        let (response, ws, subprotocol) = agreed.map_err(|why| Refusal(why, version))?;
        let on_upgrade = request.extensions_mut().remove();
        let on_upgrade = on_upgrade.ok_or(Refusal(Why::NoUpgrades, version))?;
        let opening = Box::new(Agreed {
            on_upgrade,
            ws: Some((ws, subprotocol)),
        });
        Ok((response, Opening(Ok(opening))))
    }

    /// The response to a request that may connect, and the connection.
    fn settle(&self, request: &ValidRequest<'_, &HeaderMap>) -> Result<(Response<()>, Machine, Option<Box<str>>), Why> {
        let known: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let subprotocol = request.choose_subprotocol(&known);
        let options = AcceptOptions::new().subprotocol(subprotocol);
        #[cfg(feature = "deflate")]
        let agreement = self.deflate.and_then(|deflate| deflate.accept(request.extensions()));
        #[cfg(feature = "deflate")]
        let agreed = agreement.as_ref().map(|agreement| [agreement.as_str()]);
        #[cfg(feature = "deflate")]
        let options = match &agreed {
            Some(agreed) => options.extensions(agreed, Extensions::COMPRESSION),
            None => options,
        };
        let accepted = request.accept(&options).map_err(Why::Misuse)?;
        let mut ws = BufferedConnection::new(accepted.into_connection(&self.limits));
        #[cfg(feature = "deflate")]
        if let Some(agreement) = &agreement {
            ws = ws.with_deflate(agreement);
        }
        ws.set_timeouts(&self.timeouts);
        if let Some(bytes) = self.watermark {
            ws.buffers().1.set_watermark(bytes);
        }
        let response = accepted.to_http().map_err(|_| Why::TooLarge)?;
        Ok((response, ws, subprotocol.map(Into::into)))
    }
}

type Machine = BufferedConnection<Server>;

/// The checks of a request that need no options.
fn valid<B>(request: &Request<B>) -> Result<ValidRequest<'_, &HeaderMap>, Refusal> {
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let why = match ValidRequest::from_http(request, protocol) {
        Ok(Some(valid)) => return Ok(valid),
        Ok(None) => Why::NotAsked,
        Err(error) => Why::Broken(error),
    };
    Err(Refusal(why, request.version()))
}

/// Whether a request could be accepted by an [`Acceptor`] that lets in everybody.
#[cfg(feature = "axum")]
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    valid(request)?;
    match request.extensions().get::<OnUpgrade>() {
        Some(_) => Ok(()),
        None => Err(Refusal(Why::NoUpgrades, request.version())),
    }
}

/// A connection that opens when the response was sent: await it in a task of its own.
///
/// # Cancel safety
/// Dropping it drops the stream.
///
/// # Errors
/// [`Error::Handshake`] and [`Error::Refused`] at once if the response says no. [`Error::Io`] if the response could not be
/// sent, or if the server was not told to upgrade connections.
#[must_use = "it becomes the connection when it is awaited"]
pub struct Opening(Result<Box<Agreed>, Option<Error>>);

struct Agreed {
    on_upgrade: OnUpgrade,
    /// `None` once it is open.
    ws: Option<(Machine, Option<Box<str>>)>,
}

impl Future for Opening {
    type Output = Result<WebSocket<Upgraded>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let over = || Error::Io(io::ErrorKind::NotConnected.into());
        match &mut self.0 {
            Ok(agreed) => {
                let stream = ready!(Pin::new(&mut agreed.on_upgrade).poll(cx)).map_err(io::Error::other)?;
                let (ws, subprotocol) = agreed.ws.take().ok_or_else(over)?;
                let mut ws = WebSocket::from_parts(TokioIo::new(stream), ws, Alarm::default());
                ws.subprotocol = subprotocol;
                Poll::Ready(Ok(ws))
            }
            Err(error) => Poll::Ready(Err(error.take().unwrap_or_else(over))),
        }
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

/// Why a request is not accepted as a WebSocket connection, with the [response](Self::response) that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(Why, Version);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The request asks for no WebSocket connection.
    NotAsked,
    Broken(HandshakeError),
    Origin,
    /// The HTTP server does not upgrade connections.
    NoUpgrades,
    Misuse(Misuse),
    TooLarge,
}

impl Refusal {
    /// The response: the status and the header fields that the error calls for, and one line of text.
    #[must_use]
    pub fn response<A: From<&'static str>>(self) -> Response<A> {
        let Self(why, version) = self;
        let answer = |error: HandshakeError| error.to_http(version);
        let plain = |status| {
            let mut response = Response::new("");
            *response.status_mut() = status;
            response
        };
        let response = match why {
            // Those who ask for nothing are told what there is: an upgrade, and in which version.
            Why::NotAsked => answer(HandshakeError::VersionUnsupported),
            Why::Broken(error) => answer(error),
            Why::Origin => Some(plain(StatusCode::FORBIDDEN)),
            Why::NoUpgrades | Why::Misuse(_) | Why::TooLarge => Some(plain(StatusCode::INTERNAL_SERVER_ERROR)),
        };
        let mut response = response.unwrap_or_else(|| plain(StatusCode::BAD_REQUEST));
        if let Some(text) = why.text() {
            *response.body_mut() = text;
        }
        let text = HeaderValue::from_static("text/plain");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response.map(A::from)
    }
}

impl Why {
    /// What the response says in place of what the core says.
    const fn text(self) -> Option<&'static str> {
        match self {
            Self::NotAsked => Some("this is a WebSocket server"),
            Self::Broken(_) => None,
            Self::Origin => Some("origin not allowed"),
            Self::NoUpgrades => Some("the HTTP server does not upgrade connections"),
            Self::Misuse(_) | Self::TooLarge => Some("the response cannot be sent"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Why::Broken(error) => error.fmt(f),
            Why::Misuse(misuse) => misuse.fmt(f),
            why => f.write_str(why.text().unwrap_or_default()),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.0 {
            Why::Broken(error) => Self::Handshake(error),
            Why::Misuse(misuse) => Self::Misuse(misuse),
            Why::NotAsked | Why::Origin => Self::Refused(refusal.response::<&str>().status().as_u16()),
            Why::NoUpgrades | Why::TooLarge => Self::Io(io::Error::new(io::ErrorKind::Unsupported, refusal)),
        }
    }
}
