//! A server that sends back what it gets, and serves a page to try it with.
//!
//! With `?pings=SECONDS` in its address, a silent connection is pinged that often and told how long each answer took.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::echo::{Options, PAGE, asked_for_pings, echo, listen, options};
use common::stop::{Stop, until_stopped};
use common::{Exit, exit};
use sockless_tokio::{Acceptor, Answer, Request, Result, Timeouts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

const HELP: &str = "\
A WebSocket server that sends back what it gets, and serves a page to try it with.

Usage: echo [PORT] [OPTION]...

  --tls FILE          over TLS, with a new certificate for 127.0.0.1, which is
                      written to this file
";

#[tokio::main]
async fn main() -> ExitCode {
    exit(run().await)
}

async fn run() -> Result<(), Exit> {
    let Options {
        port,
        acceptor,
        timeouts,
        own,
    } = options(HELP, Some("tls"))?;
    let tls = own.map(|file| tls(&file)).transpose();
    let tls = tls.map_err(|error| Exit(Exit::FAILED, format!("cannot make a certificate: {error}")))?;
    let listener = listen(if tls.is_some() { "https" } else { "http" }, port).await?;
    let acceptor = Arc::new(acceptor);
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
            let (acceptor, tls, stop) = (Arc::clone(&acceptor), tls.clone(), stopping.stop());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let served = match tls {
                    None => serve(&acceptor, stream, timeouts, stop).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(&acceptor, stream, timeouts, stop).await,
                        Err(error) => Err(error.into()),
                    },
                };
                if let Err(error) = served {
                    eprintln!("{peer}: {error}");
                }
            });
        }
    })
    .await
}

/// TLS with a new certificate, which is written to a file.
fn tls(file: &str) -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
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
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    acceptor: &Acceptor,
    stream: S,
    timeouts: Timeouts,
    mut stop: Stop,
) -> Result<()> {
    let mut pings = None;
    let opening = acceptor.accept_if(stream, async |request| {
        if let Request::Upgrade(upgrade) = request {
            pings = asked_for_pings(upgrade.resource_name().query());
        }
        answer(request)
    });
    let opened = tokio::select! {
        opened = opening => opened?,
        () = stop.asked() => None,
    };
    match opened {
        Some(ws) => echo(ws, timeouts, pings, stop).await,
        None => Ok(()),
    }
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
