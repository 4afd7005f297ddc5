//! The server `echo` in axum: HTTP/1.1, and HTTP/2 for clients that start with it.

mod common;
#[path = "common/web.rs"]
mod web;

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use axum::serve::ListenerExt;
use common::{Exit, exit};
use sockless_tokio::Acceptor;
use sockless_tokio::axum::WebSocketUpgrade;

const HELP: &str = "\
A server that sends back what it gets, and serves a page to try it with: an
application of axum, WebSocket by sockless.

Usage: axum_echo [PORT] [OPTION]...

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
    let app = Router::new()
        .route("/", any(page_or_echo))
        .route("/{*path}", any(echo))
        .with_state(Arc::new(acceptor));
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let stopped = |error| Exit(Exit::FAILED, format!("cannot serve: {error}"));
    axum::serve(listener, app).await.map_err(stopped)
}

async fn echo(State(acceptor): State<Arc<Acceptor>>, RawQuery(query): RawQuery, ws: WebSocketUpgrade) -> Response {
    let pings = web::asked_for_pings(query.as_deref());
    ws.options(&acceptor).on_upgrade(move |ws| web::echo(ws, pings))
}

/// Browsers come to the same address for both.
async fn page_or_echo(state: State<Arc<Acceptor>>, query: RawQuery, ws: Option<WebSocketUpgrade>) -> Response {
    match ws {
        Some(ws) => echo(state, query, ws).await,
        None => Html(web::PAGE).into_response(),
    }
}
