//! A connection of HTTP, by hyper.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};

use super::stop::Stop;

/// How long a client may take until its first request.
const FIRST: Duration = Duration::from_secs(10);

/// How often a silent connection of HTTP/2 is pinged.
const PING: Duration = Duration::from_secs(20);

/// Answers the requests of a connection, HTTP/1.1 or HTTP/2, until it ends. Once the program is to end, no more requests are
/// taken, and it ends with its last WebSocket.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    mut stop: Stop,
    answer: impl Fn(Request<Incoming>) -> Response<String>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    // Without a timer, hyper waits for ever.
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new()).keep_alive_interval(PING);
    // Without it, browsers open a TCP connection for each WebSocket.
    server.http2().enable_connect_protocol();
    let asked = AtomicBool::new(false);
    let service = service_fn(|request| {
        asked.store(true, Relaxed);
        let response = answer(request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let late = async {
        tokio::time::sleep(FIRST).await;
        if asked.load(Relaxed) {
            pending().await
        }
    };
    tokio::select! {
        served = connection.as_mut() => return served,
        () = late => return Err("no request came in time".into()),
        () = stop.asked() => connection.as_mut().graceful_shutdown(),
    }
    drop(stop);
    let _ = connection.await; // whoever has not asked for anything yet is cut off
    Ok(())
}
