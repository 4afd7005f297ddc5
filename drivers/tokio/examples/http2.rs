//! A server with TLS whose WebSockets run on the HTTP/2 session that its page was loaded over (RFC 8441), and which tells how
//! many TCP connections there are.

mod common;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::{Exit, arguments, exit};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockless_tokio::hyper::{Opening, is_upgrade};
use sockless_tokio::{Acceptor, CloseCode, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};

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
    let port: u16 = port.unwrap_or(9001);
    let cannot = |error| Exit(Exit::FAILED, format!("cannot listen on 127.0.0.1:{port}: {error}"));
    let tls = tls().map_err(|error| Exit(Exit::FAILED, format!("cannot make a certificate: {error}")))?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    println!("https://{address}/");
    // Browsers let any page connect to any server: ours alone is let in.
    let acceptor = Arc::new(Acceptor::new().origins([format!("https://{address}")]));
    let status = Arc::new(Status::default());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("cannot serve one more: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (tls, acceptor, status) = (tls.clone(), Arc::clone(&acceptor), Arc::clone(&status));
        tokio::spawn(async move {
            let connection = status.connections.fetch_add(1, Ordering::Relaxed) + 1;
            serve(stream, peer, tls, connection, acceptor, status).await;
        });
    }
}

/// TLS with a certificate for this run alone.
fn tls() -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// One TCP connection.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    connection: usize,
    acceptor: Arc<Acceptor>,
    status: Arc<Status>,
) {
    let _ = stream.set_nodelay(true);
    let stream = match tls.accept(stream).await {
        Ok(stream) => TokioIo::new(stream),
        Err(error) => return eprintln!("{peer}: {error}"),
    };
    let service = service_fn(|request| {
        let response = answer(request, connection, &acceptor, &status);
        async { Ok::<_, Infallible>(response) }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    // Without it, browsers open a TCP connection for each WebSocket.
    server.http2().enable_connect_protocol();
    if let Err(error) = server.serve_connection_with_upgrades(stream, service).await {
        eprintln!("{peer}: {error}");
    }
}

fn answer(
    mut request: Request<Incoming>,
    connection: usize,
    acceptor: &Acceptor,
    status: &Arc<Status>,
) -> Response<String> {
    if is_upgrade(&request) {
        let (response, opening) = acceptor.upgrade(&mut request);
        let number = status.add(connection, request.version());
        let (status, closes) = (Arc::clone(status), request.uri().path() == "/close");
        tokio::spawn(async move {
            let ended = run_websocket(opening, closes).await;
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
async fn run_websocket(opening: Opening, closes: bool) -> Result<(bool, CloseCode)> {
    let mut ws = opening.await?;
    while ws.ready().await? {
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
