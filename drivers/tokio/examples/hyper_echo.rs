//! The server `echo` behind hyper: HTTP/1.1, and HTTP/2 for clients that start with it.

mod common;

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::echo::{Options, PAGE, asked_for_pings, echo, listen, options};
use common::stop::{Stopping, until_stopped};
use common::{Exit, exit};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockless_tokio::hyper::is_upgrade;

const HELP: &str = "\
A server that sends back what it gets, and serves a page to try it with: HTTP by
hyper, WebSocket by sockless.

Usage: hyper_echo [PORT] [OPTION]...
";

#[tokio::main]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<(), Exit> {
    let options = Arc::new(options(HELP, None)?);
    let listener = listen("http", options.port).await?;
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().enable_connect_protocol();
    until_stopped(async move |stopping| {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    eprintln!("cannot serve one more: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (server, options, stopping) = (server.clone(), Arc::clone(&options), stopping.clone());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let service = service_fn(move |request| {
                    let response = answer(&options, request, &stopping);
                    async { Ok::<_, Infallible>(response) }
                });
                let stream = TokioIo::new(stream);
                let served = server.serve_connection_with_upgrades(stream, service).await;
                if let Err(error) = served {
                    eprintln!("{peer}: {error}");
                }
            });
        }
    })
    .await
}

fn answer(options: &Options, mut request: Request<Incoming>, stopping: &Stopping) -> Response<String> {
    if is_upgrade(&request) {
        let pings = asked_for_pings(request.uri().query());
        let (response, opening) = options.acceptor.upgrade(&mut request);
        let (timeouts, stop) = (options.timeouts, stopping.stop());
        tokio::spawn(async move {
            let served = match opening.await {
                Ok(ws) => echo(ws, timeouts, pings, stop).await,
                Err(error) => Err(error),
            };
            if let Err(error) = served {
                eprintln!("{error}");
            }
        });
        return response;
    }
    let mut response = Response::new(String::new());
    if request.uri().path() == "/" {
        *response.body_mut() = PAGE.to_owned();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}
