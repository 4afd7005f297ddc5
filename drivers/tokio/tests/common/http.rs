//! A client over hyper, HTTP/1.1 or HTTP/2, and a server, over a pipe.

use std::future::Future;
use std::io;

use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::Service;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockless_tokio::hyper::Upgraded;
use sockless_tokio::sockless::handshake::{ConnectOptions, Key};
use sockless_tokio::sockless::{BufferedConnection, Limits};
use sockless_tokio::{Client, ThreadEntropy, WebSocket};
use tokio::io::{DuplexStream, duplex};

/// The versions of HTTP that every test runs over.
pub(crate) const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// Serves one connection, whichever version the client speaks.
pub(crate) async fn serve<S, B>(stream: DuplexStream, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().enable_connect_protocol();
    // The client may go away at any time.
    let _ = server
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

/// A client's connection.
pub(crate) enum Session {
    Http1(http1::SendRequest<String>),
    Http2(http2::SendRequest<String>),
}

impl Session {
    /// A client of a server that `serve` runs over the other end of the pipe.
    pub(crate) async fn new<F>(version: Version, serve: impl FnOnce(DuplexStream) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (here, there) = duplex(1 << 16);
        tokio::spawn(serve(there));
        if version == Version::HTTP_2 {
            let executor = TokioExecutor::new();
            let (mut send, connection) = http2::handshake(executor, TokioIo::new(here)).await.unwrap();
            tokio::spawn(connection);
            send.ready().await.unwrap();
            // Any response: the server's settings, extended CONNECT among them, come before it.
            let first = Request::get("http://example.com/").body(String::new()).unwrap();
            let _ = send.send_request(first).await.unwrap();
            Self::Http2(send)
        } else {
            let (send, connection) = http1::handshake(TokioIo::new(here)).await.unwrap();
            tokio::spawn(connection.with_upgrades());
            Self::Http1(send)
        }
    }

    pub(crate) async fn send(&mut self, mut request: Request<String>) -> Response<Incoming> {
        match self {
            Self::Http1(send) => {
                *request.version_mut() = Version::HTTP_11;
                send.ready().await.unwrap();
                send.send_request(request).await.unwrap()
            }
            Self::Http2(send) => {
                *request.version_mut() = Version::HTTP_2;
                send.ready().await.unwrap();
                send.send_request(request).await.unwrap()
            }
        }
    }

    /// The request of an opening handshake, and its key.
    pub(crate) fn request(&self, uri: &str, options: &ConnectOptions<'_>) -> (Request<String>, Option<Key>) {
        let key = match self {
            Self::Http1(_) => Some(Key::generate(&mut ThreadEntropy)),
            Self::Http2(_) => None,
        };
        let mut request = options.to_http(uri.parse().unwrap(), key.as_ref()).unwrap();
        if key.is_none() {
            let protocol = hyper::ext::Protocol::from_static("websocket");
            request.extensions_mut().insert(protocol);
        }
        (request.map(|()| String::new()), key)
    }

    /// The upgraded stream, and the response to the handshake.
    pub(crate) async fn upgraded(&mut self, uri: &str) -> io::Result<Upgraded> {
        let (request, _) = self.request(uri, &ConnectOptions::new());
        let response = self.send(request).await;
        let upgraded = hyper::upgrade::on(response).await.map_err(io::Error::other)?;
        Ok(TokioIo::new(upgraded))
    }

    /// An open connection.
    pub(crate) async fn connect(&mut self, uri: &str) -> WebSocket<Upgraded, Client> {
        self.connect_with(uri, &ConnectOptions::new()).await.0
    }

    /// An open connection, and the subprotocol that the server has picked.
    pub(crate) async fn connect_with(
        &mut self,
        uri: &str,
        options: &ConnectOptions<'_>,
    ) -> (WebSocket<Upgraded, Client>, Option<String>) {
        let (request, key) = self.request(uri, options);
        let response = self.send(request).await;
        let valid = options.check_http(key.as_ref(), &response).unwrap().unwrap();
        let subprotocol = valid.subprotocol().map(str::to_owned);
        let ws = BufferedConnection::new(valid.into_connection(ThreadEntropy, &Limits::default()));
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        (WebSocket::new(TokioIo::new(upgraded), ws), subprotocol)
    }
}
