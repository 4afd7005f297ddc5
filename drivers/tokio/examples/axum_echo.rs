//! The server `echo` in axum: HTTP/1.1, and HTTP/2 for clients that start with it.

mod common;

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use axum::serve::ListenerExt;
use common::echo::{Options, PAGE, asked_for_pings, listen, options};
use common::stop::{Stopping, until_stopped};
use common::{Exit, exit};
use sockless_tokio::axum::WebSocketUpgrade;

const HELP: &str = "\
A server that sends back what it gets, and serves a page to try it with: an
application of axum, WebSocket by sockless.

Usage: axum_echo [PORT] [OPTION]...
";

type Shared = State<Arc<(Options, Stopping)>>;

#[tokio::main]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<(), Exit> {
    let options = options(HELP, None)?;
    let listener = listen("http", options.port).await?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    until_stopped(async move |stopping| {
        let mut stop = stopping.stop();
        let app = Router::new()
            .route("/", any(page_or_echo))
            .route("/{*path}", any(echo))
            .with_state(Arc::new((options, stopping)));
        let stopped = |error| Exit(Exit::FAILED, format!("cannot serve: {error}"));
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move { stop.asked().await });
        serving.await.map_err(stopped)
    })
    .await
}

async fn echo(State(shared): Shared, RawQuery(query): RawQuery, ws: WebSocketUpgrade) -> Response {
    let (options, stopping) = &*shared;
    let (timeouts, stop) = (options.timeouts, stopping.stop());
    let pings = asked_for_pings(query.as_deref());
    ws.options(&options.acceptor)
        .on_upgrade(move |ws| common::echo::echo(ws, timeouts, pings, stop))
}

/// Browsers come to the same address for both.
async fn page_or_echo(state: Shared, query: RawQuery, ws: Option<WebSocketUpgrade>) -> Response {
    match ws {
        Some(ws) => echo(state, query, ws).await,
        None => Html(PAGE).into_response(),
    }
}
