//! The server `echo` behind hyper: HTTP/1.1, and HTTP/2 for clients that start with it.

mod common;
#[path = "common/web.rs"]
mod web;

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Exit, exit};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockless_tokio::Acceptor;
use sockless_tokio::hyper::is_upgrade;

const HELP: &str = "\
A server that sends back what it gets, and serves a page to try it with: HTTP by
hyper, WebSocket by sockless.

Usage: hyper_echo [PORT] [OPTION]...

  PORT                of 127.0.0.1 (default: 9001); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --deflate           compress messages if the client offers it
  --help              print this and exit
";

#[tokio::main]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<(), Exit> {
    let (listener, acceptor) = web::listen(HELP).await?;
    let acceptor = Arc::new(acceptor);
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().enable_connect_protocol();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("cannot serve one more: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (server, acceptor) = (server.clone(), Arc::clone(&acceptor));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(|request| {
                let response = answer(&acceptor, request);
                async { Ok::<_, Infallible>(response) }
            });
            let stream = TokioIo::new(stream);
            if let Err(error) = server.serve_connection_with_upgrades(stream, service).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

fn answer(acceptor: &Acceptor, mut request: Request<Incoming>) -> Response<String> {
    if is_upgrade(&request) {
        let pings = web::asked_for_pings(request.uri().query());
        let (response, opening) = acceptor.upgrade(&mut request);
        tokio::spawn(async move {
            let served = match opening.await {
                Ok(ws) => web::echo(ws, pings).await,
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
        *response.body_mut() = web::PAGE.to_owned();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}
