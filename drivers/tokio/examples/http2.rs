//! A server with TLS whose WebSockets run on the HTTP/2 session that its page was loaded over (RFC 8441), and which tells how
//! many TCP connections there are.

mod common;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use common::echo::listen;
use common::stop::{Stop, Stopping, serve_each};
use common::{Exit, arguments, exit, http, tls};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};
use sockless_tokio::hyper::{Opening, is_upgrade};
use sockless_tokio::{Acceptor, CloseCode, Result};

const HELP: &str = "\
A server with TLS whose WebSockets run on the HTTP/2 session that its page was
loaded over. The page tries it, and shows how many TCP connections there are.

Usage: http2 [PORT]

  PORT    of 127.0.0.1 (default: 9001); 0 for one that is free
  --help  print this and exit

Its certificate is made when it starts. A browser has to be told to go on:
chromium --ignore-certificate-errors ADDRESS

  /       the page
  /echo   a WebSocket that sends back what it gets
  /close  one that is closed by the server after the first message
  /status what there was so far, as JSON

Ctrl-C closes all connections in order; a second Ctrl-C ends it at once.
";

const PAGE: &str = include_str!("http2.html");

/// What there was so far.
#[derive(Default)]
struct Status {
    /// TCP connections.
    connections: AtomicUsize,
    websockets: Mutex<Vec<Entry>>,
}

/// A WebSocket.
struct Entry {
    /// The TCP connection that it is or was on, from 1 on.
    connection: usize,
    version: Version,
    /// Whether it has ended cleanly, and the code. `None` while it is open.
    ended: Option<(bool, CloseCode)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<(), Exit> {
    let mut port = None;
    arguments(HELP, &[], |_, value| {
        if port.is_some() {
            return Err(format!("one port is enough: '{value}'").into());
        }
        port = Some(value.parse().map_err(|_| format!("'{value}' is not a port"))?);
        Ok(())
    })?;
    let (_, tls) = tls::acceptor("http2", &["h2", "http/1.1"])?;
    let listener = listen("https", port.unwrap_or(9001)).await?;
    // Browsers let any page connect to any server: ours alone is let in.
    let address = listener
        .local_addr()
        .map_err(|error| Exit(Exit::FAILED, error.to_string()))?;
    let acceptor = Arc::new(Acceptor::new().origins([format!("https://{address}")]));
    let status = Arc::new(Status::default());
    serve_each(listener, move |stream, stopping| {
        let (tls, acceptor, status) = (tls.clone(), Arc::clone(&acceptor), Arc::clone(&status));
        let (stopping, mut stop) = (stopping.clone(), stopping.stop());
        async move {
            let connection = status.connections.fetch_add(1, Ordering::Relaxed) + 1;
            let answer = move |request| answer(request, connection, &acceptor, &status, &stopping);
            match tls::accept(&tls, stream, &mut stop).await? {
                Some(stream) => http::serve(stream, stop, answer).await,
                None => Ok(()),
            }
        }
    })
    .await
}

fn answer(
    mut request: Request<Incoming>,
    connection: usize,
    acceptor: &Acceptor,
    status: &Arc<Status>,
    stopping: &Stopping,
) -> Response<String> {
    if is_upgrade(&request) {
        let (response, opening) = acceptor.upgrade(&mut request);
        let number = status.add(connection, request.version());
        let (status, closes, stop) = (Arc::clone(status), request.uri().path() == "/close", stopping.stop());
        tokio::spawn(async move {
            let ended = run_websocket(opening, closes, stop).await;
            status.ended(number, ended.unwrap_or((false, CloseCode::ABNORMAL)));
        });
        return response;
    }
    let (text, kind) = match request.uri().path() {
        "/" => (PAGE.to_owned(), "text/html; charset=utf-8"),
        "/status" => (status.to_json(), "application/json"),
        _ => (String::new(), "text/plain"),
    };
    let mut response = Response::new(text);
    if response.body().is_empty() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One WebSocket: whether it has ended cleanly, and the code.
async fn run_websocket(opening: Opening, closes: bool, mut stop: Stop) -> Result<(bool, CloseCode)> {
    let mut ws = opening.await?;
    loop {
        tokio::select! {
            ready = ws.ready() => if !ready? { break },
            () = stop.asked() => {
                ws.close(CloseCode::GOING_AWAY, "the server stops").await?;
                break;
            }
        }
        while let Some((event, mut tx)) = ws.next_event()? {
            if let (Some(message), Ok(())) = (event.message(), tx.ready()) {
                tx.send(message)?;
                if closes {
                    tx.close(CloseCode(4001), "the server has had enough")?;
                }
            }
        }
    }
    let record = ws.close_record();
    Ok((record.is_clean(), record.code()))
}

impl Status {
    /// Takes down a new WebSocket and numbers it.
    fn add(&self, connection: usize, version: Version) -> usize {
        let mut websockets = self.websockets.lock().unwrap_or_else(PoisonError::into_inner);
        websockets.push(Entry {
            connection,
            version,
            ended: None,
        });
        websockets.len() - 1
    }

    fn ended(&self, number: usize, how: (bool, CloseCode)) {
        let mut websockets = self.websockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = websockets.get_mut(number) {
            entry.ended = Some(how);
        }
    }

    fn to_json(&self) -> String {
        let connections = self.connections.load(Ordering::Relaxed);
        let mut json = format!("{{\"connections\":{connections},\"websockets\":[");
        let websockets = self.websockets.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, entry) in websockets.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let (connection, version) = (entry.connection, entry.version);
            let _ = write!(json, "{comma}{{\"connection\":{connection},\"version\":\"{version:?}\"");
            if let Some((clean, code)) = entry.ended {
                let _ = write!(json, ",\"clean\":{clean},\"code\":{}", code.0);
            }
            json.push('}');
        }
        json.push_str("]}");
        json
    }
}
