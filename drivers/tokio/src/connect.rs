//! The client's side of the opening handshake.

use std::future::{Future, poll_fn};
use std::pin::Pin;
#[cfg(feature = "rustls")]
use std::sync::Arc;
use std::task::{Context, Poll};

use sockless::buffered::BufferedClientHandshake;
#[cfg(feature = "deflate")]
use sockless::connection::Extensions;
#[cfg(feature = "deflate")]
use sockless::deflate::DeflateOptions;
use sockless::handshake::{HandshakeError, Response};
use sockless::timers::Deadline;
use sockless::{ConnectOptions, Limits, Timeouts, WebSocketUri};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::client_stream::{ClientStream, Kind};
use crate::clock::Alarm;
use crate::entropy::ThreadEntropy;
use crate::error::{Error, Rejection, Result};
use crate::transport::{Outlet, poll_read};
use crate::{Client, WebSocket};

/// Connects to a `ws://` address, or with a feature for TLS to a `wss://` address, with the defaults of a [`Connector`].
///
/// ```no_run
/// # async fn connect() -> sockless_tokio::Result<()> {
/// let mut ws = sockless_tokio::connect("ws://127.0.0.1:9001/").await?;
/// ws.send("Hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Connector::connect`].
pub async fn connect(uri: &str) -> Result<WebSocket<ClientStream, Client>> {
    // On the heap, so that the task does not keep room for it as long as the connection lives.
    Box::pin(async { Connector::new().connect(uri).await }).await
}

/// How a client connects. Set it up once and share it.
///
/// ```
/// use sockless_tokio::Connector;
///
/// let connector = Connector::new().subprotocols(["chat"]).header("Authorization", "Bearer token");
/// # let _ = connector;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Connector {
    limits: Limits,
    timeouts: Timeouts,
    subprotocols: Vec<String>,
    subprotocol_required: bool,
    headers: Vec<(String, String)>,
    origin: Option<String>,
    watermark: Option<usize>,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateOptions>,
    #[cfg(feature = "rustls")]
    tls: Option<Arc<tokio_rustls::rustls::ClientConfig>>,
}

impl Connector {
    /// Offers no subprotocols.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits on what the server may send.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long the server may take for what. [`Timeouts::handshake`] bounds all that it takes to connect.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Offers subprotocols, in the client's order of preference.
    #[must_use]
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether it is an error if the server agrees to none of the subprotocols, as in browsers.
    #[must_use]
    pub fn require_subprotocol(mut self, required: bool) -> Self {
        self.subprotocol_required = required;
        self
    }

    /// Adds a header field to the request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets `Origin`, as a browser does for a page.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets the [watermark](WebSocket::set_watermark) of the connections, in bytes.
    #[must_use]
    pub fn watermark(mut self, bytes: usize) -> Self {
        self.watermark = Some(bytes);
        self
    }

    /// Offers compressed messages (RFC 7692).
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    #[must_use]
    pub fn deflate(mut self, options: DeflateOptions) -> Self {
        self.deflate = Some(options);
        self
    }

    /// Sets how TLS is set up for `wss://` addresses. By default, the roots that browsers trust are trusted.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    #[must_use]
    pub fn tls(mut self, config: Arc<tokio_rustls::rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Connects to an address: resolves its name, connects, sets up TLS if the scheme is `wss`, and shakes hands.
    ///
    /// # Cancel safety
    /// Dropping it drops the stream.
    ///
    /// # Errors
    /// [`Error::Uri`], [`Error::Io`], [`Error::TimedOut`]; [`Error::Handshake`] if the server broke a rule,
    /// [`Error::Rejected`] if it does not want to, [`Error::Misuse`] for options that must not be sent.
    pub async fn connect(&self, uri: &str) -> Result<WebSocket<ClientStream, Client>> {
        let parsed = WebSocketUri::parse(uri)?;
        let connecting: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(async {
            if parsed.secure() && cfg!(not(feature = "rustls")) {
                return Err(Error::NoTls);
            }
            let open = async {
                let stream = TcpStream::connect((parsed.host(), parsed.port())).await?;
                stream.set_nodelay(true)?;
                #[cfg(feature = "rustls")]
                if parsed.secure() {
                    let stream = crate::tls::connect(self.tls.clone(), parsed.host(), stream).await?;
                    return Ok(ClientStream {
                        kind: Kind::Tls(Box::new(stream)),
                    });
                }
                Ok(ClientStream {
                    kind: Kind::Plain(stream),
                })
            };
            self.shake(&parsed, open).await
        });
        self.in_time(connecting).await
    }

    /// Connects over a stream that is there already, TLS included.
    ///
    /// # Cancel safety
    /// Dropping it drops the stream.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_over<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        uri: &str,
        stream: S,
    ) -> Result<WebSocket<S, Client>> {
        let parsed = WebSocketUri::parse(uri)?;
        self.in_time(Box::pin(self.shake(&parsed, async { Ok(stream) }))).await
    }

    async fn in_time<T>(&self, connecting: impl Future<Output = Result<T>>) -> Result<T> {
        match self.timeouts.handshake {
            None => connecting.await,
            Some(time) => match tokio::time::timeout(time, connecting).await {
                Ok(done) => done,
                Err(_) => Err(Error::TimedOut(Deadline::Handshake)),
            },
        }
    }

    /// Shakes hands on the stream, which is opened once it is known that the request may be sent.
    async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        uri: &WebSocketUri<'_>,
        stream: impl Future<Output = Result<S>>,
    ) -> Result<WebSocket<S, Client>> {
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut options = ConnectOptions::new()
            .subprotocols(&subprotocols)
            .require_subprotocol(self.subprotocol_required)
            .headers(&headers);
        if let Some(origin) = &self.origin {
            options = options.origin(origin);
        }
        #[cfg(feature = "deflate")]
        let offer = self.deflate.map(|deflate| deflate.offer());
        #[cfg(feature = "deflate")]
        let offers: Vec<&str> = offer.iter().map(|offer| offer.as_str()).collect();
        #[cfg(feature = "deflate")]
        if self.deflate.is_some() {
            options = options.extensions(&offers, Extensions::COMPRESSION);
        }
        let mut handshake = BufferedClientHandshake::start(uri, &options, ThreadEntropy, &self.limits)?;
        #[cfg(feature = "deflate")]
        if let Some(deflate) = self.deflate {
            handshake = handshake.with_deflate(deflate);
        }
        handshake.set_timeouts(&self.timeouts);
        let mut outlet = Outlet::new(stream.await?);
        let subprotocol = loop {
            poll_fn(|cx| poll_exchange(&mut handshake, &mut outlet, cx)).await?;
            match handshake.receive()? {
                None => {}
                Some(Response::Accepted(accepted)) => break accepted.subprotocol().map(Into::into),
                Some(Response::Rejected { status, headers, .. }) => {
                    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
                    let body = handshake.buffers().0.unread().to_vec();
                    return Err(Error::Rejected(Box::new(Rejection { status, headers, body })));
                }
            }
        };
        let Some(ws) = handshake.connect()? else {
            return Err(HandshakeError::EndOfStream.into());
        };
        let mut ws = WebSocket::from_parts(outlet.stream, ws, Alarm::default());
        ws.subprotocol = subprotocol;
        if let Some(bytes) = self.watermark {
            ws.set_watermark(bytes);
        }
        Ok(ws)
    }
}

/// Writes the request, then reads once.
fn poll_exchange<S: AsyncRead + AsyncWrite + Unpin>(
    handshake: &mut BufferedClientHandshake<'_, ThreadEntropy>,
    outlet: &mut Outlet<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<()>> {
    std::task::ready!(outlet.poll_write(handshake.buffers().1, &mut 0, cx))?;
    match std::task::ready!(poll_read(&mut outlet.stream, handshake.space(), cx))? {
        0 => handshake.end_of_stream()?,
        len => handshake.advance(len),
    }
    Poll::Ready(Ok(()))
}
