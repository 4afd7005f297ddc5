//! What the servers that echo share: their options, their page, and the echo.

use std::time::Duration;

use sockless_tokio::{Acceptor, CloseCode, Event, Result, Server, Timeouts, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::stop::Stop;
use super::{Exit, arguments, set_timeout};

pub(crate) const PAGE: &str = include_str!("../../../../examples/echo.html");

/// The last lines of each server's help.
const OPTIONS: &str = "
  PORT                of 127.0.0.1 (default: 9001); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --deflate           compress messages if the client offers it
  --timeout NAME=SECONDS
                      a deadline, or 'off': handshake, ping-after, pong-within,
                      idle, message, write, close
  --help              print this and exit

Ctrl-C closes all connections in order; a second Ctrl-C ends it at once.
";

/// What a server was told.
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) acceptor: Acceptor,
    pub(crate) timeouts: Timeouts,
    /// The value of an option of its own.
    pub(crate) own: Option<String>,
}

/// Parses the arguments of a server. `own` is an option of its own with a value, which `help` describes.
pub(crate) fn options(help: &str, own: Option<&str>) -> Result<Options, Exit> {
    let (mut port, mut subprotocols, mut origins) = (None, Vec::new(), Vec::new());
    let (mut acceptor, mut timeouts, mut value_of_own) = (Acceptor::new(), Timeouts::default(), None);
    let own_name = own.map(|name| format!("{name}="));
    let mut names = vec!["subprotocol=", "origin=", "timeout=", "deflate"];
    names.extend(own_name.as_deref());
    arguments(&format!("{help}{OPTIONS}"), &names, |name, value| {
        match name {
            "subprotocol" => subprotocols.push(value),
            "origin" => origins.push(value),
            "timeout" => set_timeout(&mut timeouts, &value)?,
            "deflate" => acceptor = compressing(acceptor.clone())?,
            "" if port.is_none() => port = Some(value.parse().map_err(|_| format!("'{value}' is not a port"))?),
            "" => return Err(format!("one port is enough: '{value}'").into()),
            _ => value_of_own = Some(value),
        }
        Ok(())
    })?;
    acceptor = acceptor.subprotocols(subprotocols).timeouts(timeouts);
    if !origins.is_empty() {
        acceptor = acceptor.origins(origins);
    }
    Ok(Options {
        port: port.unwrap_or(9001),
        acceptor,
        timeouts,
        own: value_of_own,
    })
}

/// A server that agrees to compressed messages.
fn compressing(acceptor: Acceptor) -> Result<Acceptor, lexopt::Error> {
    #[cfg(feature = "deflate")]
    return Ok(acceptor.deflate(sockless_tokio::sockless::deflate::DeflateOptions::new()));
    #[cfg(not(feature = "deflate"))]
    {
        let _ = acceptor;
        Err(super::NO_DEFLATE.into())
    }
}

/// Listens. The address is the first line that is printed.
pub(crate) async fn listen(scheme: &str, port: u16) -> Result<TcpListener, Exit> {
    let cannot = |error| Exit(Exit::FAILED, format!("cannot listen on 127.0.0.1:{port}: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(cannot)?;
    println!("{scheme}://{}/", listener.local_addr().map_err(cannot)?);
    Ok(listener)
}

/// How often silent connections are pinged, from the query of the address.
pub(crate) fn asked_for_pings(query: Option<&str>) -> Option<Duration> {
    let seconds = query?.strip_prefix("pings=")?.parse().ok()?;
    (1..3600).contains(&seconds).then_some(Duration::from_secs(seconds))
}

/// Sends back what comes, and tells how long answers to Pings took, if they are asked for.
pub(crate) async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocket<S, Server>,
    timeouts: Timeouts,
    pings: Option<Duration>,
    mut stop: Stop,
) -> Result<()> {
    if pings.is_some() {
        ws.set_timeouts(&timeouts.with_ping_after(pings));
    }
    let mut answered = 0;
    loop {
        tokio::select! {
            ready = ws.ready() => if !ready? { return Ok(()) },
            () = stop.asked() => return ws.close(CloseCode::GOING_AWAY, "").await.map(drop),
        }
        let mut ponged = false;
        while let Some((event, mut tx)) = ws.next_event()? {
            ponged |= matches!(event, Event::Pong(_));
            if let (Some(message), Ok(())) = (event.message(), tx.ready()) {
                tx.send(message)?;
            }
        }
        if let (true, Some(_), Some(time)) = (ponged, pings, ws.round_trip()) {
            answered += 1;
            let millis = time.last.as_secs_f64() * 1000.0;
            ws.tx().text(&format!("ping {answered}: {millis:.2} ms"))?;
        }
    }
}
