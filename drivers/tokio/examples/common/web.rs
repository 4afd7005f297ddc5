//! What the examples behind an HTTP server share: their options, and the echo.
#![allow(dead_code, reason = "not every example needs all of it")]

use std::time::Duration;

use sockless_tokio::hyper::Upgraded;
use sockless_tokio::{Acceptor, Event, Result, Timeouts, WebSocket};
use tokio::net::TcpListener;

use crate::common::{Exit, arguments};

pub(crate) const PAGE: &str = include_str!("../../../../examples/echo.html");

/// Parses the arguments and listens. The address is the first line that is printed.
pub(crate) async fn listen(help: &str) -> std::result::Result<(TcpListener, Acceptor), Exit> {
    let (mut port, mut subprotocols, mut origins, mut compress) = (None, Vec::new(), Vec::new(), false);
    arguments(help, &["subprotocol", "origin"], &["deflate"], |name, value| {
        match name {
            "deflate" if cfg!(feature = "deflate") => compress = true,
            "deflate" => return Err("this was built without the feature 'deflate'".into()),
            "subprotocol" => subprotocols.push(value),
            "origin" => origins.push(value),
            _ if port.is_none() => port = Some(value.parse().map_err(|_| format!("'{value}' is not a port"))?),
            _ => return Err(format!("one port is enough: '{value}'").into()),
        }
        Ok(())
    })?;
    let mut acceptor = Acceptor::new().subprotocols(subprotocols);
    #[cfg(feature = "deflate")]
    if compress {
        acceptor = acceptor.deflate(sockless_tokio::sockless::deflate::DeflateOptions::new());
    }
    let _ = compress;
    if !origins.is_empty() {
        acceptor = acceptor.origins(origins);
    }
    let port: u16 = port.unwrap_or(9001);
    let cannot = |error| Exit(Exit::FAILED, format!("cannot listen on 127.0.0.1:{port}: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(cannot)?;
    println!("http://{}/", listener.local_addr().map_err(cannot)?);
    Ok((listener, acceptor))
}

/// How often silent connections are pinged, from the query of the address.
pub(crate) fn asked_for_pings(query: Option<&str>) -> Option<Duration> {
    let seconds = query?.strip_prefix("pings=")?.parse().ok()?;
    (1..3600).contains(&seconds).then_some(Duration::from_secs(seconds))
}

/// Sends back what comes, and tells how long answers to Pings took, if they are asked for.
pub(crate) async fn echo(mut ws: WebSocket<Upgraded>, pings: Option<Duration>) -> Result<()> {
    if pings.is_some() {
        ws.set_timeouts(&Timeouts::DEFAULT.with_ping_after(pings));
    }
    let mut answered = 0;
    while ws.ready().await? {
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
    Ok(())
}
