//! A server that sends back what it gets, and serves a page to try it with.
//!
//! `echo [PORT] [--subprotocol NAME]... [--origin ORIGIN]...`, by default on port 9001 of 127.0.0.1. Plain blocking
//! `std::net`, a thread for each connection, and nothing but this crate.
//!
//! With `?pings=SECONDS` in its address, a connection is pinged that often and told how long each answer took.

mod common;

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{hang_up, is_timeout};
use sockless::buffered::{BufferedConnection, BufferedServerHandshake, WriteBuffer};
use sockless::connection::{Server, Transport};
use sockless::handshake::{Acceptance, HttpRequest, HttpResponse, OriginPolicy, Request, Upgrade};
use sockless::limits::Limits;
use sockless::message::Event;

const PAGE: &[u8] = include_bytes!("echo.html");
/// How long a handshake, and a peer that was sent a Close, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be silent before it is pinged, unless its address says otherwise.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Options {
    port: Option<u16>,
    subprotocols: Vec<String>,
    origins: Vec<String>,
}

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let options = Arc::new(options()?);
    let listener = TcpListener::bind(("127.0.0.1", options.port.unwrap_or(9001)))?;
    println!("http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, options) = (stream?, Arc::clone(&options));
        thread::spawn(move || {
            let peer = stream.peer_addr();
            if let Err(error) = serve(stream, &options) {
                eprintln!("{peer:?}: {error}");
            }
        });
    }
    Ok(())
}

fn options() -> Outcome<Options> {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--subprotocol" => options
                .subprotocols
                .push(args.next().ok_or("--subprotocol needs a name")?),
            "--origin" => options.origins.push(args.next().ok_or("--origin needs an origin")?),
            port => options.port = Some(port.parse().map_err(|_| format!("not a port: {port}"))?),
        }
    }
    Ok(options)
}

/// One connection, from its first byte to its last.
fn serve(mut stream: TcpStream, options: &Options) -> Outcome {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    loop {
        let len = stream.read(handshake.space())?;
        if len == 0 {
            return Ok(handshake.end_of_stream()?);
        }
        handshake.advance(len);
        let answered = match handshake.receive() {
            Ok(None) => continue,
            Ok(Some((Request::Http(request), out))) => answer_http(&request, out),
            Ok(Some((Request::Upgrade(upgrade), out))) => match accept(&upgrade, options, out)? {
                Some((connection, pings)) => {
                    return converse(stream, handshake.into_connection(connection), pings);
                }
                None => Ok(()),
            },
            // The answer is in the output already.
            Err(error) => Err(error.into()),
        };
        stream.write_all(handshake.output())?;
        hang_up(&mut stream)?;
        return answered;
    }
}

/// What is no WebSocket handshake: the page, or an error.
fn answer_http(request: &HttpRequest<'_>, out: &mut WriteBuffer) -> Outcome {
    let path = request.target().split('?').next();
    let response = match (request.method(), path) {
        ("GET" | "HEAD", Some("/")) => HttpResponse::new(200)
            .headers(&[("Content-Type", "text/html; charset=utf-8")])
            .body(PAGE),
        ("GET" | "HEAD", _) => HttpResponse::new(404).body(b"not found\n"),
        _ => HttpResponse::new(405)
            .headers(&[("Allow", "GET, HEAD")])
            .body(b"method not allowed\n"),
    };
    Ok(request.respond(&response, out)?)
}

type Accepted = (sockless::connection::Connection<Server>, Option<Duration>);

/// Accepts a handshake, unless its origin is not allowed.
fn accept(upgrade: &Upgrade<'_>, options: &Options, out: &mut WriteBuffer) -> Outcome<Option<Accepted>> {
    let origins: Vec<&str> = options.origins.iter().map(String::as_str).collect();
    if !origins.is_empty() && !OriginPolicy::only(&origins).or_missing().allows(upgrade.origin()) {
        upgrade.reject(&HttpResponse::new(403).body(b"origin not allowed\n"), out)?;
        return Ok(None);
    }
    let subprotocols: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
    let subprotocol = upgrade.choose_subprotocol(&subprotocols);
    let connection = upgrade.accept(&Acceptance::new().maybe_subprotocol(subprotocol), out)?;
    let pings = upgrade
        .resource_name()
        .query()
        .and_then(|query| query.strip_prefix("pings=")?.parse().ok());
    Ok(Some((
        connection,
        pings
            .filter(|seconds| (1..3600).contains(seconds))
            .map(Duration::from_secs),
    )))
}

/// An open connection: echo, until the peer closes.
fn converse(mut stream: TcpStream, mut ws: BufferedConnection<Server>, pings: Option<Duration>) -> Outcome {
    stream.set_read_timeout(Some(pings.unwrap_or(SILENCE)))?;
    let (mut pinged, mut unanswered) = (Instant::now(), 0_u32);
    let mut answered = 0;
    loop {
        let failure = loop {
            match ws.next_event() {
                Ok(None) => break None,
                Ok(Some((event, mut tx))) => match event {
                    Event::Text(text) => tx.text(text)?,
                    Event::Binary(data) => tx.binary(data)?,
                    Event::Pong(_) if unanswered > 0 => {
                        unanswered = 0;
                        if pings.is_some() {
                            answered += 1;
                            tx.text(&format!(
                                "ping {answered}: {:.2} ms",
                                pinged.elapsed().as_secs_f64() * 1000.0
                            ))?;
                        }
                    }
                    Event::Ping(_) | Event::Pong(_) | Event::Close(_) => {}
                },
                Err(error) => break Some(error),
            }
        };
        if pings.is_some_and(|every| pinged.elapsed() >= every) && ws.transport() == Transport::KeepGoing {
            ws.tx().ping(b"")?;
            (pinged, unanswered) = (Instant::now(), unanswered + 1);
        }
        stream.write_all(ws.output())?;
        ws.written(ws.output().len());
        match ws.transport() {
            Transport::KeepGoing | Transport::WaitForPeer => {}
            Transport::FlushThenHalfClose => {
                hang_up(&mut stream)?;
                return failure.map_or(Ok(()), |error| Err(error.into()));
            }
            Transport::Drop => return Ok(()),
        }
        match stream.read(ws.space()) {
            Ok(0) => {
                ws.end_of_stream();
            }
            Ok(len) => ws.advance(len),
            Err(error) if is_timeout(&error) && unanswered < 2 => {
                ws.tx().ping(b"")?;
                (pinged, unanswered) = (Instant::now(), unanswered + 1);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
