//! What the servers among the examples share: their options, a thread for each connection, and the opening handshake.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockless::buffer::WriteBuffer;
use sockless::buffered::{BufferedConnection, BufferedServerHandshake};
use sockless::connection::{Connection, Server};
use sockless::handshake::{HttpResponse, OriginPolicy, Request, RequestError};
use sockless::{AcceptOptions, Limits};

use super::{Exit, Outcome, PATIENCE, describe, read_until};

pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) every: Duration,
    subprotocols: Vec<String>,
    origins: Vec<String>,
}

impl Options {
    /// Those given to the program, of which only the ones in `names` are allowed.
    pub(crate) fn from_args(help: &str, names: &[&str], default_port: u16) -> Result<Self, Exit> {
        let mut port = None;
        let mut options = Self {
            port: default_port,
            every: Duration::from_secs(2),
            subprotocols: Vec::new(),
            origins: Vec::new(),
        };
        super::arguments(help, names, |name, value| {
            match name {
                "subprotocol" => options.subprotocols.push(value),
                "origin" => options.origins.push(value),
                "every" => match value.parse() {
                    Ok(seconds @ 1..) => options.every = Duration::from_secs(seconds),
                    Ok(0) | Err(_) => return Err(format!("'{value}' is not a number of seconds").into()),
                },
                _ if port.is_none() => port = Some(value.parse().map_err(|_| format!("'{value}' is not a port"))?),
                _ => return Err(format!("one port is enough: '{value}'").into()),
            }
            Ok(())
        })?;
        options.port = port.unwrap_or(default_port);
        Ok(options)
    }

    /// Answers a request. An opening handshake becomes a connection, unless its origin is not allowed; the answer to plain
    /// HTTP is the page, or where there is none, that this is no place for it.
    pub(crate) fn answer(
        &self,
        request: &Request<'_>,
        page: Option<&[u8]>,
        out: &mut WriteBuffer,
    ) -> Result<Option<Connection<Server>>, RequestError> {
        let request = match request {
            Request::Upgrade(upgrade) => {
                let origins: Vec<&str> = self.origins.iter().map(String::as_str).collect();
                if !origins.is_empty()
                    && !OriginPolicy::only(&origins)
                        .or_missing()
                        .allows(upgrade.request().origin())
                {
                    upgrade.reject(&HttpResponse::new(403).body(b"origin not allowed\n"), out)?;
                    return Ok(None);
                }
                let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
                let subprotocol = upgrade.request().choose_subprotocol(&subprotocols);
                return upgrade
                    .accept(&AcceptOptions::new().subprotocol(subprotocol), out)
                    .map(Some);
            }
            Request::Http(request) => request,
        };
        let path = request.target.split('?').next();
        let response = match (page, request.method, path) {
            (None, _, _) => HttpResponse::new(426).body(b"This server speaks WebSocket only.\n"),
            (Some(page), "GET" | "HEAD", Some("/")) => HttpResponse::new(200)
                .headers(&[("Content-Type", "text/html; charset=utf-8")])
                .body(page),
            (Some(_), "GET" | "HEAD", _) => HttpResponse::new(404).body(b"not found\n"),
            (Some(_), _, _) => HttpResponse::new(405)
                .headers(&[("Allow", "GET, HEAD")])
                .body(b"method not allowed\n"),
        };
        request.respond(&response, out)?;
        Ok(None)
    }
}

/// A listener on this port of 127.0.0.1. Its address is the first line that the program prints.
pub(crate) fn listen(scheme: &str, port: u16) -> Result<TcpListener, Exit> {
    let cannot = |error| Exit(Exit::FAILED, format!("cannot listen on 127.0.0.1:{port}: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(cannot)?;
    println!("{scheme}://{}/", listener.local_addr().map_err(cannot)?);
    Ok(listener)
}

/// Serves each connection on a thread of its own, for ever.
pub(crate) fn serve_each(listener: &TcpListener, serve: impl Fn(TcpStream) -> Outcome + Send + Sync + 'static) -> ! {
    let serve = Arc::new(serve);
    loop {
        let spawned = listener.accept().and_then(|(stream, peer)| {
            let serve = Arc::clone(&serve);
            thread::Builder::new().spawn(move || {
                if let Err(error) = serve(stream) {
                    eprintln!("{peer}: {}", describe(&*error));
                }
            })
        });
        if let Err(error) = spawned {
            eprintln!("cannot serve one more: {error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The opening handshake. `answer` is asked once what to do with the request.
pub(crate) fn open(
    stream: &mut TcpStream,
    mut answer: impl FnMut(&Request<'_>, &mut WriteBuffer) -> Result<Option<Connection<Server>>, RequestError>,
) -> Outcome<Option<BufferedConnection<Server>>> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let deadline = Instant::now() + PATIENCE;
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    loop {
        read_until(stream, deadline)?;
        match handshake.exchange(stream, |stream| stream.shutdown(Shutdown::Write)) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            // A browser that has connected ahead of need.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && handshake.buffers().0.unread().is_empty() => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        if let Some((request, out)) = handshake.receive()? {
            if let Some(connection) = answer(&request, out)? {
                return Ok(Some(handshake.into_connection(connection)));
            }
        }
    }
}
