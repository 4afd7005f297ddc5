//! A server that sends back what it gets, and serves a page to try it with: `std::net`, a thread for each connection.
//!
//! With `?pings=SECONDS` in its address, a connection is pinged that often and told how long each answer took.

mod common;

use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::server::{Options, listen, open, serve_each};
use common::{Exit, Outcome, PATIENCE, exit, is_timeout};
use sockless::buffered::BufferedConnection;
use sockless::connection::{Server, TransportAction};
use sockless::handshake::Request;
use sockless::message::Event;

const HELP: &str = "\
A WebSocket server that sends back what it gets, and serves a page to try it with.

Usage: echo [PORT] [OPTION]...

  PORT                of 127.0.0.1 (default: 9001); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --help              print this and exit
";

const PAGE: &[u8] = include_bytes!("echo.html");
/// How long a connection may be silent before it is pinged, unless its address says otherwise.
const SILENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::from_args(HELP, &["subprotocol", "origin"], 9001)?;
    let listener = listen("http", options.port)?;
    serve_each(&listener, move |stream| serve(stream, &options))
}

/// One connection, from its first byte to its last.
fn serve(mut stream: TcpStream, options: &Options) -> Outcome {
    let mut pings = None;
    let opened = open(&mut stream, |request, out| {
        pings = asked_for_pings(request);
        options.answer(request, Some(PAGE), out)
    })?;
    opened.map_or(Ok(()), |ws| echo(stream, ws, pings))
}

fn asked_for_pings(request: &Request<'_>) -> Option<Duration> {
    let Request::Upgrade(upgrade) = request else {
        return None;
    };
    let seconds = upgrade.resource_name().query()?.strip_prefix("pings=")?.parse().ok()?;
    (1..3600).contains(&seconds).then_some(Duration::from_secs(seconds))
}

fn echo(mut stream: TcpStream, mut ws: BufferedConnection<Server>, pings: Option<Duration>) -> Outcome {
    let every = pings.unwrap_or(SILENCE);
    let (mut pinged, mut waiting, mut answered, mut silent) = (Instant::now(), false, 0_u32, 0_u32);
    let mut leaving = None;
    loop {
        let open = ws.transport() == TransportAction::Continue;
        let since = if open {
            pinged
        } else {
            *leaving.get_or_insert_with(Instant::now)
        };
        let left = if open { every } else { PATIENCE }.saturating_sub(since.elapsed());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;

        match ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write)) {
            Ok(true) if open || !left.is_zero() => silent = 0,
            Ok(true) => return Err("the peer does not close the connection".into()),
            Ok(false) => return Ok(()),
            Err(error) if open && is_timeout(&error) && ws.output().is_empty() && silent < 2 => silent += 1,
            Err(error) => return Err(error.into()),
        }
        while let Some((event, mut tx)) = ws.next_event()? {
            match event {
                Event::Text(text) => tx.text(text)?,
                Event::Binary(data) => tx.binary(data)?,
                Event::Pong(_) if waiting => {
                    waiting = false;
                    if pings.is_some() {
                        answered += 1;
                        let millis = pinged.elapsed().as_secs_f64() * 1000.0;
                        tx.text(&format!("ping {answered}: {millis:.2} ms"))?;
                    }
                }
                _ => {}
            }
        }
        if pinged.elapsed() >= every && ws.transport() == TransportAction::Continue {
            ws.tx().ping(b"")?;
            (pinged, waiting) = (Instant::now(), true);
        }
    }
}
