//! A server that sends back what it gets, and serves a page to try it with.
//!
//! With `?pings=SECONDS` in its address, a silent connection is pinged that often and told how long each answer took.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Exit, arguments, exit};
use sockless_tokio::{Acceptor, Answer, Event, Request, Result, Server, Timeouts, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

const HELP: &str = "\
A WebSocket server that sends back what it gets, and serves a page to try it with.

Usage: echo [PORT] [OPTION]...

  PORT                of 127.0.0.1 (default: 9001); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --deflate           compress messages if the client offers it
  --tls FILE          over TLS, with a new certificate for 127.0.0.1, which is
                      written to this file
  --timeout NAME=SECONDS
                      a deadline, or 'off': handshake, ping-after, pong-within,
                      idle, message, write, close
  --help              print this and exit
";

const PAGE: &str = include_str!("../../../examples/echo.html");

#[tokio::main]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> std::result::Result<(), Exit> {
    let (mut port, mut subprotocols, mut origins, mut compress) = (None, Vec::new(), Vec::new(), false);
    let (mut certificate, mut timeouts) = (None, Timeouts::default());
    let names = ["subprotocol", "origin", "tls", "timeout"];
    arguments(HELP, &names, &["deflate"], |name, value| {
        match name {
            "tls" => certificate = Some(value),
            "timeout" => common::set_timeout(&mut timeouts, &value)?,
            "deflate" if cfg!(feature = "deflate") => compress = true,
            "deflate" => return Err("this was built without the feature 'deflate'".into()),
            "subprotocol" => subprotocols.push(value),
            "origin" => origins.push(value),
            _ if port.is_none() => port = Some(value.parse().map_err(|_| format!("'{value}' is not a port"))?),
            _ => return Err(format!("one port is enough: '{value}'").into()),
        }
        Ok(())
    })?;
    let mut acceptor = Acceptor::new().subprotocols(subprotocols).timeouts(timeouts);
    #[cfg(feature = "deflate")]
    if compress {
        acceptor = acceptor.deflate(sockless_tokio::sockless::deflate::DeflateOptions::new());
    }
    let _ = compress;
    let tls = match certificate {
        Some(file) => Some(tls(&file).map_err(|error| Exit(Exit::FAILED, error.to_string()))?),
        None => None,
    };
    if !origins.is_empty() {
        acceptor = acceptor.origins(origins);
    }
    let acceptor = Arc::new(acceptor);
    let port: u16 = port.unwrap_or(9001);
    let cannot = |error| Exit(Exit::FAILED, format!("cannot listen on 127.0.0.1:{port}: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(cannot)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("{scheme}://{}/", listener.local_addr().map_err(cannot)?);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("cannot serve one more: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, tls) = (Arc::clone(&acceptor), tls.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let served = match tls {
                None => serve(&acceptor, stream, timeouts).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(&acceptor, stream, timeouts).await,
                    Err(error) => Err(error.into()),
                },
            };
            if let Err(error) = served {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// TLS with a new certificate, which is written to a file.
fn tls(file: &str) -> std::result::Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    // Certificates of one name are taken for one another.
    params.distinguished_name.push(rcgen::DnType::CommonName, file);
    let certificate = params.self_signed(&key)?;
    std::fs::write(file, certificate.pem())?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// One connection, from its first byte to its last.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(acceptor: &Acceptor, stream: S, timeouts: Timeouts) -> Result<()> {
    let mut pings = None;
    let opened = acceptor.accept_if(stream, async |request| {
        pings = asked_for_pings(request);
        answer(request)
    });
    let Some(mut ws) = opened.await? else { return Ok(()) };
    if pings.is_some() {
        ws.set_timeouts(&timeouts.with_ping_after(pings));
    }
    echo(ws, pings.is_some()).await
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S, Server>, tells: bool) -> Result<()> {
    let mut answered = 0;
    while ws.ready().await? {
        let mut ponged = false;
        while let Some((event, mut tx)) = ws.next_event()? {
            ponged |= matches!(event, Event::Pong(_));
            if let (Some(message), Ok(())) = (event.message(), tx.ready()) {
                tx.send(message)?;
            }
        }
        if let (true, true, Some(time)) = (tells, ponged, ws.round_trip()) {
            answered += 1;
            let millis = time.last.as_secs_f64() * 1000.0;
            ws.tx().text(&format!("ping {answered}: {millis:.2} ms"))?;
        }
    }
    Ok(())
}

fn asked_for_pings(request: &Request<'_>) -> Option<Duration> {
    let Request::Upgrade(upgrade) = request else {
        return None;
    };
    let seconds = upgrade.resource_name().query()?.strip_prefix("pings=")?.parse().ok()?;
    (1..3600).contains(&seconds).then_some(Duration::from_secs(seconds))
}

fn answer(request: &Request<'_>) -> Answer {
    let Request::Http(request) = request else {
        return Answer::accept();
    };
    match (request.method, request.target.split('?').next()) {
        ("GET" | "HEAD", Some("/")) => Answer::respond(200)
            .header("Content-Type", "text/html; charset=utf-8")
            .body(PAGE),
        ("GET" | "HEAD", _) => Answer::respond(404).body("not found\n"),
        _ => Answer::respond(405)
            .header("Allow", "GET, HEAD")
            .body("method not allowed\n"),
    }
}
