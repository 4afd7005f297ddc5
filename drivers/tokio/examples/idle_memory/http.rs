//! The same server behind hyper, and a client of HTTP/2.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

/// Serves connections of either version.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().enable_connect_protocol();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (stream, server) = (TokioIo::new(stream), server.clone());
        tokio::spawn(async move {
            let service = service_fn(async |mut request: Request<Incoming>| {
                let (response, opening): (Response<String>, _) = crate::acceptor().upgrade(&mut request);
                tokio::spawn(async move { crate::echo(opening.await?).await });
                Ok::<_, Infallible>(response)
            });
            let _ = server.serve_connection_with_upgrades(stream, service).await;
        });
    }
}

/// A connection of HTTP/2, which lives as long as this.
pub(crate) struct Session(SendRequest<Bytes>);

/// A WebSocket on a stream of it.
pub(crate) struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
}

impl Session {
    pub(crate) async fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let mut send = send.ready().await.map_err(io::Error::other)?;
        while !send.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
            send = send.ready().await.map_err(io::Error::other)?;
        }
        Ok(Self(send))
    }

    pub(crate) async fn open(&mut self) -> io::Result<Stream> {
        let mut request = Request::connect("http://a/").header("sec-websocket-version", "13");
        if let Some(extensions) = request.extensions_mut() {
            extensions.insert(h2::ext::Protocol::from_static("websocket"));
        }
        let request = request.body(()).map_err(io::Error::other)?;
        let mut ready = self.0.clone().ready().await.map_err(io::Error::other)?;
        let (response, send): (ResponseFuture, _) = ready.send_request(request, false).map_err(io::Error::other)?;
        let response = response.await.map_err(io::Error::other)?;
        assert_eq!(response.status(), 200);
        let receive = response.into_body();
        Ok(Stream { send, receive })
    }
}

impl Stream {
    /// Sends a frame, and waits until so many bytes have come back.
    pub(crate) async fn exchange(&mut self, frame: Vec<u8>, mut answer: usize) -> io::Result<()> {
        let frame = Bytes::from(frame);
        self.send.send_data(frame, false).map_err(io::Error::other)?;
        while answer > 0 {
            let data = self.receive.data().await.ok_or(io::ErrorKind::UnexpectedEof)?;
            let len = data.map_err(io::Error::other)?.len();
            answer = answer.saturating_sub(len);
            let flow = self.receive.flow_control();
            flow.release_capacity(len).map_err(io::Error::other)?;
        }
        Ok(())
    }
}
