//! Checks an echo server.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{Exchanged, Job, NetReport, Options, Plan, Run, exchange, gather, judged, plans, shrink};
use crate::check::{Judgement, Verdict};
use crate::model::{self, Opening};
use crate::rule::Role;
use crate::session::{Case, Session};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    path: String,
    is_secure: bool,
    /// Where the tunnel to it begins, if it is reached through one.
    tunnel: Option<SocketAddr>,
}

impl Target {
    /// Reads `ws://HOST[:PORT][/PATH]`, or with `wss://`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (rest, is_secure) = match url.split_once("://") {
            Some(("ws" | "http", rest)) => (rest, false),
            Some(("wss" | "https", rest)) => (rest, true),
            Some((scheme, _)) => return Err(format!("{scheme}:// is not understood: ws:// is, and wss://")),
            None => (url, false),
        };
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| format!("{port} is no port"))?)
            }
            Some(_) | None => (authority, if is_secure { 443 } else { 80 }),
        };
        if host.is_empty() {
            return Err(format!("there is no host in {url}"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            host: String::from(host),
            port,
            path: format!("{slash}{path}"),
            is_secure,
            tunnel: None,
        })
    }

    /// As it is connected to: over a tunnel, if that is to be secure.
    fn tunnelled(&self, options: &Options) -> Result<Self, String> {
        if !self.is_secure {
            return Ok(self.clone());
        }
        #[cfg(feature = "tls")]
        return Ok(Self {
            tunnel: Some(super::tls::to_server(&self.host, self.port, &options.tls)?),
            ..self.clone()
        });
        #[cfg(not(feature = "tls"))]
        {
            let _ = options;
            Err(String::from(
                "wss:// needs the feature tls: cargo install --features tls",
            ))
        }
    }

    fn connect(&self, limit: Duration) -> io::Result<TcpStream> {
        let host = self.host.trim_matches(['[', ']']);
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let addresses = match self.tunnel {
            Some(tunnel) => vec![tunnel],
            None => (host, self.port).to_socket_addrs()?.collect(),
        };
        for address in addresses {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn request(&self, key: &str) -> String {
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n",
            self.path,
            self.authority()
        )
    }

    /// The head of a session as this server has to get it. `None`: it asks for something that only some servers have.
    fn head(&self, session: &Session) -> Option<Vec<u8>> {
        let head = session.bytes.get(..session.head_len)?;
        let text: String = head.iter().map(|byte| char::from(*byte)).collect();
        let lower = text.to_ascii_lowercase();
        let asks = [
            "\r\nhost: localhost",
            "\r\nhost: 127",
            "\r\nhost: [",
            "\r\nhost: xn",
            "\r\nhost: a-b",
        ];
        let legal = matches!(session.case, Case::Legal(_));
        let offers = session.compression.is_none() && lower.contains("permessage-deflate");
        if legal && (offers || asks.iter().any(|asked| lower.contains(asked)) || !text.contains(" /chat ")) {
            return None;
        }
        let text = text.replace(" /chat ", &format!(" {} ", self.path));
        let text = text.replace("server.example.com", &self.authority());
        Some(text.chars().map(|c| c as u8).collect())
    }
}

/// The key of section 1.3, which need not be another one here: it is the server that is checked.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Runs the sessions against an echo server. `progress` is told of each.
///
/// # Errors
/// There is no server there, or none that opens a WebSocket connection.
pub fn check_server(
    name: &str,
    target: &Target,
    options: &Options,
    progress: &(dyn Fn(&Run, usize, usize) + Sync),
) -> Result<NetReport, String> {
    let started = Instant::now();
    let target = &target.tunnelled(options)?;
    open(target, options).map_err(|error| format!("{}: {error}", target.authority()))?;
    let plans = plans(Role::Server, options);
    // A few connections at once are enough for what is long: it would only be in its own way.
    let is_long = |plan: &&Plan| plan.size > 1 << 19;
    let long: Vec<&Plan> = plans.iter().filter(is_long).collect();
    let short: Vec<&Plan> = plans.iter().filter(|plan| !is_long(plan)).collect();
    let (next_long, next_short) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let runs = Mutex::new(Vec::new());
    let work = |takes_long: bool| {
        let mut long = long.as_slice();
        if !takes_long {
            long = &[];
        }
        let next = || {
            let next = long.get(next_long.load(Ordering::Relaxed)..).unwrap_or_default();
            match next.is_empty() {
                false => long.get(next_long.fetch_add(1, Ordering::Relaxed)),
                true => None,
            }
            .or_else(|| short.get(next_short.fetch_add(1, Ordering::Relaxed)))
        };
        while let Some(plan) = next() {
            let job = &plan.job();
            let began = Instant::now();
            let Some(exchanged) = one(job, target, options) else {
                continue;
            };
            let run = judged(job, exchanged, began.elapsed());
            let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
            progress(&run, runs.len() + 1, plans.len());
            runs.push(run);
        }
    };
    std::thread::scope(|scope| {
        for number in 0..options.connections.max(1) {
            let work = &work;
            scope.spawn(move || work(number % 5 == 0));
        }
    });
    let mut runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
    runs.sort_by(|one, other| (one.session.case, &one.id).cmp(&(other.session.case, &other.id)));
    let again = |job: &Job| {
        let began = Instant::now();
        let run = judged(job, one(job, target, options)?, began.elapsed());
        Some((run.judgement, run.received))
    };
    shrink::all(&mut runs, options.shrink, options.connections, again);
    Ok(gather(name, Role::Server, runs, started))
}

/// Opens a connection as any client does: the stream, and what came behind the response.
fn open(target: &Target, options: &Options) -> Result<(TcpStream, Vec<u8>), String> {
    let limit = options.time_limit.max(Duration::from_secs(5));
    let mut stream = target.connect(limit).map_err(|error| error.to_string())?;
    let request = target.request(KEY);
    io::Write::write_all(&mut stream, request.as_bytes()).map_err(|error| error.to_string())?;
    let (head, behind) = exchange::head(&mut stream, limit).map_err(|part| {
        format!(
            "there is no response to a request to open a connection, but {:?}",
            part.escape_ascii().to_string()
        )
    })?;
    match model::response(&head, KEY) {
        Opening::Accepted { .. } => Ok((stream, behind)),
        Opening::Unfinished => Err(String::from("the response is not whole")),
        Opening::Refused(rules) => {
            let line = String::from_utf8_lossy(&head);
            let line = line.lines().next().unwrap_or_default().to_string();
            let rules: Vec<_> = rules.iter().map(|rule| rule.text()).collect();
            Err(format!(
                "the request to open a connection is answered by \"{line}\": {}",
                rules.join(", ")
            ))
        }
    }
}

/// Whether a connection comes of the session's head.
const fn opens(case: Case) -> bool {
    match case {
        Case::Legal(_) => true,
        Case::Broken(rule) => !rule.is_of_handshake(),
    }
}

fn one(job: &Job, target: &Target, options: &Options) -> Option<Exchanged> {
    let session = &job.session;
    let nothing = |why: String| Exchanged {
        received: Vec::new(),
        failed: None,
        is_late: false,
        besides: Some(Judgement {
            verdict: Verdict::Fail,
            section: session.case.section(),
            why,
        }),
    };
    if session.head_len == 0 {
        return Some(match open(target, options) {
            Ok((mut stream, behind)) => exchange::frames(job, &mut stream, Vec::new(), &behind, options),
            Err(error) => nothing(format!("no connection: {error}")),
        });
    }
    let request = target.head(session)?;
    let limit = options.time_limit;
    let mut stream = match target.connect(limit) {
        Ok(stream) => stream,
        Err(error) => return Some(nothing(format!("no connection: {error}"))),
    };
    exchange::write_head(job, &stream, &request, options);
    Some(match exchange::head(&mut stream, limit) {
        Ok((head, behind)) if head.get(9..12) == Some(b"101") && opens(session.case) => {
            if session.can_be_run(session.agreed(&head)).is_ok() {
                exchange::frames(job, &mut stream, head, &behind, options)
            } else {
                exchange::close(job, &mut stream);
                Exchanged {
                    received: head,
                    failed: None,
                    is_late: false,
                    besides: None,
                }
            }
        }
        Ok((head, behind)) => {
            let opened = head.get(9..12) == Some(b"101");
            let (rest, ended) = if opened {
                (Vec::new(), false)
            } else {
                exchange::rest(&mut stream, limit.min(Duration::from_millis(50)))
            };
            let _ = ended;
            Exchanged {
                received: [head, behind, rest].concat(),
                failed: (!opened).then(|| String::from("refuses the request")),
                is_late: false,
                besides: None,
            }
        }
        Err(part) => Exchanged {
            failed: Some(String::from("closes the TCP connection without a response")),
            received: part,
            is_late: false,
            besides: None,
        },
    })
}
