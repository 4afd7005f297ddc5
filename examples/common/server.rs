//! What the servers among the examples share: their options, a thread for each connection, and the opening handshake.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sockless::buffer::WriteBuffer;
use sockless::buffered::{BufferedConnection, BufferedServerHandshake};
use sockless::connection::{Connection, Server};
use sockless::handshake::{HttpResponse, Request, RequestError};
use sockless::{AcceptOptions, Limits, Moment, Timeouts};

use super::deflate::{self, Agreement};
use super::stop::{Stop, on_interrupt};
use super::{Exit, Outcome, set_timeout, want_deflate};

pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) every: Duration,
    pub(crate) timeouts: Timeouts,
    deflate: bool,
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
            timeouts: Timeouts::default(),
            deflate: false,
            subprotocols: Vec::new(),
            origins: Vec::new(),
        };
        super::arguments(help, names, |name, value| {
            match name {
                "deflate" => options.deflate = want_deflate()?,
                "subprotocol" => options.subprotocols.push(value),
                "origin" => options.origins.push(value),
                "timeout" => set_timeout(&mut options.timeouts, &value)?,
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
    ) -> Result<Option<(Connection<Server>, Agreement)>, RequestError> {
        let request = match request {
            Request::Upgrade(upgrade) => {
                if !self.origins.is_empty() && upgrade.request().origin_is(&self.origins) == Some(false) {
                    upgrade.reject(&HttpResponse::new(403).body(b"origin not allowed\n"), out)?;
                    return Ok(None);
                }
                let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
                let subprotocol = upgrade.request().choose_subprotocol(&subprotocols);
                let agreed = Agreement::new(self.deflate, upgrade);
                let options = AcceptOptions::new().subprotocol(subprotocol);
                let connection = match agreed.as_str() {
                    Some(element) => upgrade.accept(&options.extensions(&[element], deflate::EXTENSIONS), out)?,
                    None => upgrade.accept(&options, out)?,
                };
                return Ok(Some((connection, agreed)));
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

    /// The opening handshake. `see` is shown the request once.
    pub(crate) fn open(
        &self,
        stream: &mut TcpStream,
        stop: &Stop,
        page: Option<&[u8]>,
        mut see: impl FnMut(&Request<'_>),
    ) -> Outcome<Option<BufferedConnection<Server>>> {
        stream.set_nodelay(true)?;
        let mut handshake = BufferedServerHandshake::new(&Limits::default());
        handshake.set_timeouts(&self.timeouts);
        stop.wait(stream, handshake.tick(Moment::now()))?;
        while !stop.is_asked() {
            match handshake.exchange(stream, |stream| stream.shutdown(Shutdown::Write)) {
                Ok(true) => {}
                Ok(false) => break,
                // A browser that has connected ahead of need.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && handshake.buffers().0.unread().is_empty() => {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            stop.wait(stream, handshake.tick(Moment::now()))?;
            if let Some((request, out)) = handshake.receive()? {
                see(&request);
                if let Some((connection, agreed)) = self.answer(&request, page, out)? {
                    return Ok(Some(agreed.apply(handshake.into_connection(connection))));
                }
            }
        }
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

/// Serves each connection on a thread of its own, until Ctrl-C. Then `stopping` is called, no more are accepted, and all have
/// some time to close.
pub(crate) fn serve_each(
    listener: TcpListener,
    stopping: impl Fn() + Send + 'static,
    serve: impl Fn(TcpStream, &Stop) -> Outcome + Send + Sync + 'static,
) -> Result<(), Exit> {
    let (serve, stop) = (Arc::new(serve), Arc::new(Stop::default()));
    let (asked, address) = (Arc::clone(&stop), listener.local_addr());
    on_interrupt(move || {
        asked.ask();
        let _ = address.as_ref().map(TcpStream::connect); // so that `accept` returns
        stopping();
    })?;
    loop {
        let accepted = listener.accept();
        if stop.is_asked() {
            break;
        }
        let spawned = accepted.and_then(|(stream, peer)| {
            let (serve, stop) = (Arc::clone(&serve), Arc::clone(&stop));
            thread::Builder::new().spawn(move || {
                let _counted = stop.count();
                if let Err(error) = serve(stream, &stop) {
                    eprintln!("{peer}: {error}");
                }
            })
        });
        if let Err(error) = spawned {
            eprintln!("cannot serve one more: {error}");
            thread::sleep(Duration::from_millis(100));
        }
    }
    drop(listener);
    stop.wait_for_all()
}
