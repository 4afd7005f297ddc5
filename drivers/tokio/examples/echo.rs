//! A server that sends back what it gets, and serves a page to try it with.
//!
//! With `?pings=SECONDS` in its address, a silent connection is pinged that often and told how long each answer took.

mod common;

use std::process::ExitCode;
use std::sync::Arc;

use common::echo::{Options, PAGE, asked_for_pings, echo, listen, options};
use common::stop::{Stop, serve_each};
use common::{Exit, exit, tls};
use sockless_tokio::{Acceptor, Answer, Request, Result, Timeouts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

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
    let tls = own.map(|file| write_certificate(&file)).transpose()?;
    let listener = listen(if tls.is_some() { "https" } else { "http" }, port).await?;
    let acceptor = Arc::new(acceptor);
    serve_each(listener, move |stream, stopping| {
        let (acceptor, tls, mut stop) = (Arc::clone(&acceptor), tls.clone(), stopping.stop());
        async move {
            match tls {
                None => serve(&acceptor, stream, timeouts, stop).await?,
                Some(tls) => {
                    if let Some(stream) = tls::accept(&tls, stream, &mut stop).await? {
                        serve(&acceptor, stream, timeouts, stop).await?;
                    }
                }
            }
            Ok(())
        }
    })
    .await
}

/// TLS with a new certificate, which is written to a file.
fn write_certificate(file: &str) -> Result<TlsAcceptor, Exit> {
    let (certificate, acceptor) = tls::acceptor(file, &[])?;
    let written = std::fs::write(file, certificate);
    written.map_err(|error| {
        Exit(
            Exit::FAILED,
            format!("cannot write the certificate to '{file}': {error}"),
        )
    })?;
    Ok(acceptor)
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
            pings = asked_for_pings(upgrade.query());
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
