//! A server that sends back what it gets, and serves a page to try it with: `std::net`, a thread for each connection.
//!
//! With `?pings=SECONDS` in its address, a connection that is silent is pinged that often and told how long each answer took.

mod common;

use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use common::server::{Options, listen, serve_each};
use common::stop::Stop;
use common::{Exit, Outcome, ended, exit};
use sockless::handshake::Request;
use sockless::{CloseCode, Event, Moment};

const HELP: &str = "\
A WebSocket server that sends back what it gets, and serves a page to try it with.

Usage: echo [PORT] [OPTION]...

  PORT                    of 127.0.0.1 (default: 9001); 0 for one that is free
  --deflate               compress messages if the client offers it
  --subprotocol NAME      a subprotocol to agree to; the first given is preferred
  --origin ORIGIN         let in pages from this origin only (several may be given)
  --timeout NAME=SECONDS  a deadline, or 'off': handshake, ping-after, pong-within,
                          idle, message, write, close
  --help                  print this and exit

Ctrl-C closes all connections and ends.
";

const PAGE: &[u8] = include_bytes!("echo.html");

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let names = ["deflate", "subprotocol=", "origin=", "timeout="];
    let options = Options::from_args(HELP, &names, 9001)?;
    let listener = listen("http", options.port)?;
    serve_each(listener, || {}, move |stream, stop| serve(stream, &options, stop))
}

/// One connection, from its first byte to its last.
fn serve(mut stream: TcpStream, options: &Options, stop: &Stop) -> Outcome {
    let mut pings = None;
    let opened = options.open(&mut stream, stop, Some(PAGE), |request| {
        pings = asked_for_pings(request)
    })?;
    let Some(mut ws) = opened else {
        return Ok(());
    };
    if pings.is_some() {
        ws.set_timeouts(&options.timeouts.with_ping_after(pings));
    }
    let mut answered = 0_u32;
    stop.wait(&stream, ws.tick(Moment::now()))?;
    while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
        stop.wait(&stream, ws.tick(Moment::now()))?;
        let mut ponged = false;
        while let Some((event, mut tx)) = ws.next_event()? {
            match event {
                Event::Pong(_) => ponged = true,
                _ if tx.ready().is_err() => {} // what still comes behind our Close
                Event::Text(text) => tx.text(text)?,
                Event::Binary(data) => tx.binary(data)?,
                _ => {}
            }
        }
        if stop.is_asked() && ws.tx().ready().is_ok() {
            ws.tx().close(CloseCode::GOING_AWAY, "the server stops")?;
        }
        if let Some(took) = ws.timers().and_then(|timers| timers.round_trip()) {
            if ponged && pings.is_some() && ws.tx().ready().is_ok() {
                answered += 1;
                let millis = took.last.as_secs_f64() * 1000.0;
                ws.tx().text(&format!("ping {answered}: {millis:.2} ms"))?;
            }
        }
    }
    ended(&ws)
}

fn asked_for_pings(request: &Request<'_>) -> Option<Duration> {
    let Request::Upgrade(upgrade) = request else {
        return None;
    };
    let seconds = upgrade.query()?.strip_prefix("pings=")?.parse().ok()?;
    (1..3600).contains(&seconds).then_some(Duration::from_secs(seconds))
}
