//! The server `echo` behind hyper: HTTP/1.1, and HTTP/2 for clients that start with it.

mod common;

use std::process::ExitCode;
use std::sync::Arc;

use common::echo::{Options, PAGE, asked_for_pings, echo, listen, options};
use common::stop::{Stopping, serve_each};
use common::{Exit, exit, http};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
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
    serve_each(listener, move |stream, stopping| {
        let (options, stopping, stop) = (Arc::clone(&options), stopping.clone(), stopping.stop());
        http::serve(stream, stop, move |request| answer(&options, request, &stopping))
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
