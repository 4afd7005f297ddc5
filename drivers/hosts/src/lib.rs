//! What the programs in `examples` share: their arguments, their last words, and the answer to a request.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};
use sockless::buffer::Output;
use sockless::connection::{Connection, Server};
use sockless::handshake::{HttpResponse, Request, RequestError};
use sockless::timers::Rate;
use sockless::{AcceptOptions, Limits, Timeouts};

/// The page to try a server with.
const PAGE: &[u8] = include_bytes!("../../../examples/echo.html");

/// Why a program ends before its time: its exit status, and what to say.
#[derive(Debug)]
pub struct Exit(pub u8, pub String);

impl Exit {
    /// Something that the program needs failed.
    pub const FAILED: u8 = 1;
    /// The arguments make no sense.
    pub const USAGE: u8 = 2;
    /// The system does not have, or does not permit, what this program is about.
    pub const UNAVAILABLE: u8 = 69;

    /// Something that the program needs has failed.
    pub fn failed(what: impl std::fmt::Display) -> Self {
        Self(Self::FAILED, what.to_string())
    }
}

/// The exit status of a program, after the last word to the user.
#[must_use]
pub fn exit(program: &str, result: Result<(), Exit>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit(status, text)) => {
            eprintln!("{program}: {text}");
            ExitCode::from(status)
        }
    }
}

/// A stream that becomes readable with the first Ctrl-C. A second one ends the program with exit status 130.
///
/// # Errors
/// Those of the system.
#[cfg(unix)]
pub fn interrupt() -> std::io::Result<std::os::unix::net::UnixStream> {
    use signal_hook::{consts::SIGINT, flag, low_level::pipe};
    let once = std::sync::Arc::default();
    flag::register_conditional_shutdown(SIGINT, 130, std::sync::Arc::clone(&once))?;
    flag::register(SIGINT, once)?;
    let (read, write) = std::os::unix::net::UnixStream::pair()?;
    pipe::register(SIGINT, write)?;
    read.set_nonblocking(true)?;
    Ok(read)
}

/// What a server was told on its command line.
#[derive(Debug)]
pub struct Options {
    address: String,
    subprotocols: Vec<String>,
    origins: Vec<String>,
    /// How long a peer may take for what.
    pub timeouts: Timeouts,
}

impl Default for Options {
    /// A free port of 127.0.0.1, and nothing else.
    fn default() -> Self {
        Self {
            address: "127.0.0.1:0".to_owned(),
            subprotocols: Vec::new(),
            origins: Vec::new(),
            timeouts: Timeouts::DEFAULT,
        }
    }
}

impl Options {
    /// The arguments: an address or a port, `--subprotocol NAME`, `--origin ORIGIN` and `--patience MILLISECONDS`. Prints
    /// `help` if it is asked for, and ends.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_args(help: &str, default_port: u16) -> Result<Self, Exit> {
        let mut options = Self {
            address: String::new(),
            ..Self::default()
        };
        let mut parser = lexopt::Parser::from_env();
        let mut parse = || -> Result<(), lexopt::Error> {
            while let Some(argument) = parser.next()? {
                match argument {
                    Short('h') | Long("help") => {
                        let _ = io::stdout().write_all(help.as_bytes());
                        std::process::exit(0);
                    }
                    Long("subprotocol") => options.subprotocols.push(parser.value()?.string()?),
                    Long("origin") => options.origins.push(parser.value()?.string()?),
                    Long("patience") => options.timeouts = patience(&parser.value()?.string()?)?,
                    Value(value) if options.address.is_empty() => options.address = address(&value.string()?)?,
                    Value(value) => return Err(format!("one port is enough: '{}'", value.string()?).into()),
                    other => return Err(other.unexpected()),
                }
            }
            Ok(())
        };
        parse().map_err(|error| Exit(Exit::USAGE, format!("{error}\nTry --help.")))?;
        if options.address.is_empty() {
            options.address = format!("127.0.0.1:{default_port}");
        }
        Ok(options)
    }

    /// A listener on that address. The program's first line says where it listens.
    ///
    /// # Errors
    /// Why it cannot listen there.
    pub fn listen(&self) -> Result<TcpListener, Exit> {
        let _ = rlimit::increase_nofile_limit(u64::MAX); // as many sockets as the system lets us have
        let cannot = |error| Exit::failed(format!("cannot listen on {}: {error}", self.address));
        let listener = TcpListener::bind(&self.address).map_err(cannot)?;
        println!("http://{}/", listener.local_addr().map_err(cannot)?);
        Ok(listener)
    }

    /// Answers a request. An opening handshake becomes a connection, unless its origin is not allowed; the answer to plain
    /// HTTP is a page to try the server with.
    ///
    /// # Errors
    /// Those of [`Upgrade::accept`](sockless::handshake::Upgrade::accept): a mistake of the server's own.
    pub fn answer(
        &self,
        request: &Request<'_>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Option<Connection<Server>>, RequestError> {
        match request {
            Request::Upgrade(upgrade) => {
                if !self.origins.is_empty() && upgrade.request().origin_is(&self.origins) == Some(false) {
                    upgrade.reject(&HttpResponse::new(403).body(b"origin not allowed\n"), out)?;
                    return Ok(None);
                }
                let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
                let subprotocol = upgrade.request().choose_subprotocol(&subprotocols);
                upgrade
                    .accept(&AcceptOptions::new().subprotocol(subprotocol), out)
                    .map(Some)
            }
            Request::Http(request) => {
                let response = match (request.method, request.target.split('?').next()) {
                    ("GET" | "HEAD", Some("/")) => HttpResponse::new(200)
                        .headers(&[("Content-Type", "text/html; charset=utf-8")])
                        .body(PAGE),
                    ("GET" | "HEAD", _) => HttpResponse::new(404).body(b"not found\n"),
                    _ => HttpResponse::new(405)
                        .headers(&[("Allow", "GET, HEAD")])
                        .body(b"method not allowed\n"),
                };
                request.respond(&response, out).map(|()| None)
            }
        }
    }

    /// What these servers let a peer do.
    #[must_use]
    pub fn limits() -> Limits {
        Limits::default()
    }
}

/// The same time for each deadline.
fn patience(text: &str) -> Result<Timeouts, String> {
    let millis: u64 = text
        .parse()
        .ok()
        .filter(|millis| *millis > 0)
        .ok_or(format!("'{text}' is not a number of milliseconds"))?;
    let time = Duration::from_millis(millis);
    let rate = Rate {
        grace: time,
        bytes_per_second: 500,
    };
    Ok(Timeouts::DEFAULT
        .with_handshake(Some(time))
        .with_ping_after(Some(time))
        .with_pong_within(Some(time))
        .with_message(Some(rate))
        .with_write(Some(time))
        .with_close(Some(time)))
}

/// `PORT` of 127.0.0.1, or `ADDRESS:PORT`.
fn address(text: &str) -> Result<String, String> {
    if !text.contains(':') {
        let port: u16 = text.parse().map_err(|_| format!("'{text}' is not a port"))?;
        return Ok(format!("127.0.0.1:{port}"));
    }
    let found: Option<SocketAddr> = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.map_or_else(|| Err(format!("'{text}' is not an address")), |_| Ok(text.to_owned()))
}
