//! The server's side of the opening handshake.

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::{Context, Poll};

use sockless::buffer::{Output, WriteBuffer};
use sockless::buffered::BufferedServerHandshake;
use sockless::connection::Connection;
#[cfg(feature = "deflate")]
use sockless::connection::Extensions;
#[cfg(feature = "deflate")]
use sockless::deflate::{DeflateAgreement, DeflateOptions};
use sockless::handshake::{Fields, HttpResponse, Request, RequestError, ValidRequest};
use sockless::{AcceptOptions, Limits, Server, Timeouts, TransportAction};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::WebSocket;
use crate::clock::{self, Alarm, NEVER};
use crate::error::{Error, Result};
use crate::transport::{Outlet, is_end, poll_read};

/// Accepts a WebSocket connection on a stream, with the defaults of an [`Acceptor`].
///
/// ```no_run
/// # async fn serve() -> sockless_tokio::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// let (stream, _) = listener.accept().await?;
/// stream.set_nodelay(true)?;
/// let mut ws = sockless_tokio::accept(stream).await?;
/// # let _ = ws.ready().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Acceptor::accept`].
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<WebSocket<S, Server>> {
    // On the heap, so that the task does not keep room for it as long as the connection lives.
    Box::pin(async { Acceptor::new().accept(stream).await }).await
}

/// How a server accepts connections. Set it up once and share it.
///
/// ```
/// use sockless_tokio::{Acceptor, Limits};
///
/// let acceptor = Acceptor::new()
///     .subprotocols(["chat.v2", "chat"])
///     .origins(["https://example.com"])
///     .limits(Limits::default().with_max_message_len(1 << 20));
/// # let _ = acceptor;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Acceptor {
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) subprotocols: Vec<String>,
    origins: Option<Vec<String>>,
    missing_origin: bool,
    pub(crate) watermark: Option<usize>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<DeflateOptions>,
}

impl Acceptor {
    /// Accepts every WebSocket client, without a subprotocol.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits on what clients may send.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long clients may take for what, from the opening handshake on.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The subprotocols that this server speaks, in its order of preference. The first that a client offers is agreed to.
    #[must_use]
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Lets in only pages of these origins (RFC 6455 section 10.2), and clients that send no origin: they are no browsers.
    /// Others are answered with status 403. Without this, pages from anywhere connect with the cookies of their visitors.
    #[must_use]
    pub fn origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self.missing_origin = true;
        self
    }

    /// As [`origins`](Self::origins), and no clients without an origin either.
    #[must_use]
    pub fn only_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self.missing_origin = false;
        self
    }

    /// Sets the [watermark](WebSocket::set_watermark) of the connections, in bytes.
    #[must_use]
    pub fn watermark(mut self, bytes: usize) -> Self {
        self.watermark = Some(bytes);
        self
    }

    /// Agrees to compressed messages (RFC 7692) with clients that offer them.
    ///
    /// What compresses and inflates belongs to the thread. A connection keeps only the last bytes of what it has sent and
    /// received.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    #[must_use]
    pub fn deflate(mut self, options: DeflateOptions) -> Self {
        self.deflate = Some(options);
        self
    }

    /// Accepts a WebSocket connection. Plain HTTP is answered with status 426.
    ///
    /// # Cancel safety
    /// Dropping it drops the stream.
    ///
    /// # Errors
    /// [`Error::Handshake`] if the client broke a rule or took too long; it was answered. [`Error::Refused`] if it was told
    /// that it may not. [`Error::Io`]
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<WebSocket<S, Server>> {
        let mut status = 0;
        let decide = async |request: &Request<'_>| match request {
            Request::Upgrade(_) => Answer::accept(),
            Request::Http(_) => Answer::respond(426)
                .header("Content-Type", "text/plain")
                .body("This is a WebSocket server.\n"),
        };
        let accepted = Box::pin(self.open(stream, decide, &mut status)).await?;
        accepted.ok_or(Error::Refused(status))
    }

    /// Accepts a WebSocket connection if `decide` says so. It sees the request, plain HTTP included, so that one port can
    /// serve both. `None` if something else was answered; the stream is closed then.
    ///
    /// ```
    /// # async fn name_of(cookie: &[u8]) -> Option<String> { None }
    /// # async fn serve(stream: tokio::net::TcpStream) -> sockless_tokio::Result<()> {
    /// use sockless_tokio::{Acceptor, Answer, Request};
    ///
    /// let mut name = None;
    /// let opened = Acceptor::new()
    ///     .accept_if(stream, async |request| match request {
    ///         Request::Upgrade(upgrade) if upgrade.path() == "/chat" => {
    ///             // Ask a database, for example.
    ///             let cookie = upgrade.request().headers().get("Cookie").unwrap_or_default();
    ///             name = name_of(cookie).await;
    ///             if name.is_some() { Answer::accept() } else { Answer::respond(401) }
    ///         }
    ///         Request::Upgrade(_) => Answer::respond(404),
    ///         Request::Http(_) => Answer::respond(200).header("Content-Type", "text/html").body("<p>Hello"),
    ///     })
    ///     .await?;
    /// # let _ = (opened, name);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The [origins](Self::origins) are checked before it is asked. How long it may take is its own to bound: the client has
    /// said all that it has to say, and no deadline of its runs meanwhile.
    ///
    /// # Cancel safety
    /// Dropping it drops the stream.
    ///
    /// # Errors
    /// As [`accept`](Self::accept), and [`Error::Misuse`] for an answer that must not be sent.
    pub async fn accept_if<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        decide: impl AsyncFnOnce(&Request<'_>) -> Answer,
    ) -> Result<Option<WebSocket<S, Server>>> {
        Box::pin(self.open(stream, decide, &mut 0)).await
    }

    async fn open<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        decide: impl AsyncFnOnce(&Request<'_>) -> Answer,
        status: &mut u16,
    ) -> Result<Option<WebSocket<S, Server>>> {
        let mut shaking = Shaking::new(stream, &self.limits);
        shaking.handshake.set_timeouts(&self.timeouts);
        let mut decide = Some(decide);
        loop {
            let goes_on = poll_fn(|cx| shaking.poll(cx)).await?;
            if let Some((request, out)) = shaking.handshake.receive()? {
                let Some(decide) = decide.take() else { continue };
                let answer = match &request {
                    Request::Upgrade(upgrade) if !self.lets_in(upgrade.request()) => {
                        Answer::respond(403).body("origin not allowed\n")
                    }
                    Request::Upgrade(_) | Request::Http(_) => decide(&request).await,
                };
                if let Some(accepted) = self.answer(&request, &answer, out, status)? {
                    let Shaking {
                        handshake,
                        outlet,
                        alarm,
                        ..
                    } = shaking;
                    let ws = handshake.into_connection(accepted.connection);
                    #[cfg(feature = "deflate")]
                    let ws = match &accepted.deflate {
                        Some(agreement) => ws.with_deflate(agreement),
                        None => ws,
                    };
                    let mut ws = WebSocket::from_parts(outlet.stream, ws, alarm);
                    ws.subprotocol = accepted.subprotocol;
                    if let Some(bytes) = self.watermark {
                        ws.set_watermark(bytes);
                    }
                    ws.flush().await?;
                    return Ok(Some(ws));
                }
            }
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// Puts the answer to a request into the output.
    fn answer(
        &self,
        request: &Request<'_>,
        answer: &Answer,
        out: &mut WriteBuffer,
        status: &mut u16,
    ) -> Result<Option<Accepted>, RequestError> {
        let headers: Vec<(&str, &str)> = answer.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let response = |status| HttpResponse::new(status).headers(&headers).body(&answer.body);
        match (request, answer.status) {
            (Request::Upgrade(upgrade), None) => {
                let known: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
                let chosen = upgrade.request().choose_subprotocol(&known);
                let chosen = answer.subprotocol.as_deref().or(chosen);
                let options = AcceptOptions::new().subprotocol(chosen).headers(&headers);
                #[cfg(feature = "deflate")]
                if let Some(agreement) = self
                    .deflate
                    .and_then(|deflate| deflate.accept(upgrade.request().extensions()))
                {
                    let agreed = [agreement.as_str()];
                    let options = options.extensions(&agreed, Extensions::COMPRESSION);
                    return Ok(Some(Accepted {
                        connection: upgrade.accept(&options, out)?,
                        subprotocol: chosen.map(Into::into),
                        deflate: Some(agreement),
                    }));
                }
                return Ok(Some(Accepted {
                    connection: upgrade.accept(&options, out)?,
                    subprotocol: chosen.map(Into::into),
                    #[cfg(feature = "deflate")]
                    deflate: None,
                }));
            }
            (Request::Upgrade(upgrade), Some(code)) => {
                *status = code;
                upgrade.reject(&response(code), out)?;
            }
            (Request::Http(http), code) => {
                *status = code.unwrap_or(426);
                http.respond(&response(*status), out)?;
            }
        }
        Ok(None)
    }

    /// Whether this request may connect, as its `Origin` tells.
    pub(crate) fn lets_in<'f>(&self, request: &ValidRequest<'f, impl Fields<'f>>) -> bool {
        let Some(origins) = &self.origins else { return true };
        request.origin_is(origins).unwrap_or(self.missing_origin)
    }
}

/// An open connection, and what was agreed to for it.
struct Accepted {
    connection: Connection<Server>,
    subprotocol: Option<Box<str>>,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateAgreement>,
}

/// What a server answers to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `None` to accept.
    status: Option<u16>,
    subprotocol: Option<String>,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
}

impl Answer {
    /// Opens the connection. A plain HTTP request, which does not ask for one, is answered with status 426.
    #[must_use]
    pub fn accept() -> Self {
        Self {
            status: None,
            subprotocol: None,
            headers: Vec::new(),
            body: Cow::Borrowed(b""),
        }
    }

    /// Answers with this status, and closes the stream.
    #[must_use]
    pub fn respond(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::accept()
        }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Agrees to a subprotocol that the client offered, in place of one of [`Acceptor::subprotocols`].
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Sets the body of a response.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into().0;
        self
    }
}

/// The body of a response: text or bytes, borrowed for ever or owned.
#[derive(Clone, Debug)]
pub struct Body(Cow<'static, [u8]>);

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

/// A stream on which the opening handshake is under way.
struct Shaking<S> {
    handshake: BufferedServerHandshake,
    outlet: Outlet<S>,
    alarm: Alarm,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shaking<S> {
    fn new(stream: S, limits: &Limits) -> Self {
        Self {
            handshake: BufferedServerHandshake::new(limits),
            outlet: Outlet::new(stream),
            alarm: Alarm::default(),
        }
    }

    /// Does what is due until there may be a request, or an error. `false` when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            let output = self.handshake.buffers().1;
            let is_written = match self.outlet.poll_write(output, &mut 0, cx) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => false,
            };
            match self.handshake.transport() {
                action @ (TransportAction::Continue | TransportAction::Drain) if is_written => {
                    if let Poll::Ready(done) = self.poll_read(action, cx) {
                        return Poll::Ready(done.map(|()| true));
                    }
                }
                TransportAction::ShutDownSend if is_written => {
                    if let Poll::Ready(done) = self.outlet.poll_shut_down(cx) {
                        done?;
                        self.handshake.sending_shut_down();
                        continue;
                    }
                }
                TransportAction::Continue | TransportAction::ShutDownSend | TransportAction::Drain => {}
                // There is nothing to wait for.
                _ => return Poll::Ready(Ok(false)),
            }
            let before = (self.handshake.buffers().1.len(), self.handshake.transport());
            let now = clock::now();
            let wait = self.handshake.tick(now);
            if before != (self.handshake.buffers().1.len(), self.handshake.transport()) {
                return Poll::Ready(Ok(true));
            }
            if self.alarm.poll(wait.map_or(NEVER, |wait| now + wait), cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Reads once.
    fn poll_read(&mut self, action: TransportAction, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let len = match std::task::ready!(poll_read(&mut self.outlet.stream, self.handshake.space(), cx)) {
            Err(error) if action == TransportAction::Drain && is_end(&error, true) => 0,
            len => len?,
        };
        if len == 0 {
            return Poll::Ready(self.handshake.end_of_stream().map_err(Error::Handshake));
        }
        self.handshake.advance(len);
        self.handshake.tick(clock::now());
        Poll::Ready(Ok(()))
    }
}
