//! An extractor for `axum`: [`WebSocketUpgrade`].

use std::future::Future;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Request};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::hyper::{Opening, Refusal, Upgraded, check, is_upgrade};
use crate::{Acceptor, Result, WebSocket};

/// A request for a WebSocket connection, over HTTP/1.1 or HTTP/2.
///
/// ```
/// use axum::{Router, routing::any};
/// use sockless_tokio::{Result, WebSocket, axum::WebSocketUpgrade, hyper::Upgraded};
///
/// fn app() -> Router {
///     Router::new().route("/echo", any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)))
/// }
///
/// async fn echo(mut ws: WebSocket<Upgraded>) -> Result<()> {
///     while ws.ready().await? {
///         while let Some((event, mut tx)) = ws.next_event()? {
///             if let Some(message) = event.message() {
///                 tx.send(message)?;
///             }
///         }
///     }
///     Ok(())
/// }
/// # let _ = app();
/// ```
///
/// Route it with [`any`](https://docs.rs/axum/0.8/axum/routing/method_routing/fn.any.html): over HTTP/2 the method is CONNECT.
/// The server has to permit that: see [`hyper`](crate::hyper).
///
/// Requests that break a rule are answered before the handler runs: with status 400, 405, 426 or 431, or with 500 if the HTTP
/// server does not upgrade connections. Those that ask for no WebSocket are answered with status 426 (400 over HTTP/2); take an
/// `Option<WebSocketUpgrade>` to answer them in the handler, with a page for example.
#[derive(Debug)]
#[must_use = "the request is answered by `on_upgrade` or `upgrade`"]
pub struct WebSocketUpgrade {
    /// As much of the request as the opening handshake needs.
    request: Request<()>,
    acceptor: Acceptor,
}

impl WebSocketUpgrade {
    /// Sets how the connection is accepted: the origins that are let in, the subprotocols that are spoken, limits, deadlines.
    ///
    /// ```
    /// use axum::{extract::State, response::Response};
    /// use sockless_tokio::{Acceptor, CloseCode, axum::WebSocketUpgrade};
    /// use std::sync::Arc;
    ///
    /// async fn handler(State(acceptor): State<Arc<Acceptor>>, ws: WebSocketUpgrade) -> Response {
    ///     ws.options(&acceptor).on_upgrade(async |mut ws| ws.close(CloseCode::NORMAL, "").await.map(drop))
    /// }
    /// ```
    pub fn options(mut self, acceptor: &Acceptor) -> Self {
        self.acceptor = acceptor.clone();
        self
    }

    /// The header fields of the request.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Answers the request, and runs the callback with the connection, in a task of its own. An error of the callback ends the
    /// connection and is not told to anybody: who wants to know of it looks at it in the callback. The callback does not run if
    /// the [origin](Acceptor::origins) is not allowed, which is answered with status 403, nor if the response cannot be sent.
    pub fn on_upgrade<F, Fut>(self, callback: F) -> Response
    where
        F: FnOnce(WebSocket<Upgraded>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let (response, opening) = self.upgrade();
        tokio::spawn(async move {
            if let Ok(ws) = opening.await {
                let _ = callback(ws).await;
            }
        });
        response
    }

    /// The response to return, and what becomes the connection once it was sent, for those who run it themselves. See
    /// [`Acceptor::upgrade`].
    pub fn upgrade(mut self) -> (Response, Opening) {
        self.acceptor.upgrade(&mut self.request)
    }

    /// Takes over what the opening handshake needs.
    fn of(parts: &mut Parts) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = parts.method.clone();
        *request.version_mut() = parts.version;
        *request.headers_mut() = parts.headers.clone();
        if let Some(protocol) = parts.extensions.get::<Protocol>() {
            request.extensions_mut().insert(protocol.clone());
        }
        request
    }
}

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut request = Self::of(parts);
        if let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() {
            request.extensions_mut().insert(on_upgrade);
        }
        check(&request)?;
        Ok(Self {
            request,
            acceptor: Acceptor::new(),
        })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        if !is_upgrade(&Self::of(parts)) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map(Some)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.response()
    }
}
