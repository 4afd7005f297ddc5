//! Checks a client that echoes: it asks for one case after the other, as a driver for the Autobahn test suite does.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::shrink::{self, Ask, Shrunk};
use super::{Exchanged, Job, NetReport, Options, Plan, Run, exchange, gather, judged, plans};
use crate::check::{Judgement, Verdict};
use crate::frame::{self, Frame};
use crate::model::{self, Opening};
use crate::rule::Role;
use crate::session::{Case, Topic};

/// A server for the client to be checked. It knows these paths, as the Autobahn test suite does:
///
/// - `/getCaseCount`: a text with the number of cases, then a Close;
/// - `/runCase?case=N&agent=A`: runs the case with this number, from one; the client echoes each message;
///   behind the last of the cases there are some more, in which what failed is made smaller;
/// - `/getCaseStatus?case=N&agent=A` and `/getCaseInfo?case=N`: a text with JSON;
/// - `/updateReports?agent=A`: a Close. The check is over.
pub struct ClientCheck {
    listener: TcpListener,
    /// Where clients connect to over TLS, if they do.
    #[cfg(feature = "tls")]
    secure: Option<SocketAddr>,
    plans: Vec<Plan>,
    options: Options,
}

/// What the connections have in common.
#[derive(Default)]
struct State {
    agent: String,
    runs: Vec<(usize, Run)>,
    keys: HashSet<String>,
    /// Keys that came a second time.
    keys_again: u32,
    is_over: bool,
    /// When the first connection came.
    began: Option<Instant>,
    shrunk: Vec<(String, Shrunk)>,
}

/// How many cases come behind the others, in which findings are made smaller.
const MORE: usize = 200;

/// The sessions that are to be run next to make findings smaller, once a client has asked for one.
type Asks = Mutex<Option<Receiver<Ask>>>;

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientCheck {
    /// Listens at this address.
    ///
    /// # Errors
    /// It cannot.
    pub fn bind(address: &str, options: Options) -> io::Result<Self> {
        #[cfg(feature = "tls")]
        if options.tls.certificate.is_some() {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let to = listener.local_addr()?;
            let secure = super::tls::to_listener(address, to, &options.tls).map_err(io::Error::other)?;
            return Ok(Self {
                listener,
                secure: Some(secure),
                plans: plans(Role::Client, &options),
                options,
            });
        }
        #[cfg(not(feature = "tls"))]
        if options.tls.certificate.is_some() {
            return Err(io::Error::other(
                "wss:// needs the feature tls: cargo install --features tls",
            ));
        }
        Ok(Self {
            listener: TcpListener::bind(address)?,
            #[cfg(feature = "tls")]
            secure: None,
            plans: plans(Role::Client, &options),
            options,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        #[cfg(feature = "tls")]
        if let Some(secure) = self.secure {
            return Ok(secure);
        }
        self.listener.local_addr()
    }

    /// How many cases there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.plans.len()
    }

    /// How many a client is told of.
    fn all(&self) -> usize {
        let more = if self.shrinks() { MORE } else { 0 };
        self.plans.len() + more
    }

    fn shrinks(&self) -> bool {
        !self.options.shrink.is_zero()
    }

    /// Serves until a client asks for the reports, or until `goes_on` says no. `progress` is told of each session.
    ///
    /// # Errors
    /// The system does not take connections any more.
    pub fn run(
        &self,
        progress: &(dyn Fn(&Run, usize, usize) + Sync),
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> io::Result<NetReport> {
        let state = Mutex::new(State::default());
        let asks = Asks::default();
        self.listener.set_nonblocking(true)?;
        std::thread::scope(|scope| -> io::Result<()> {
            while !lock(&state).is_over && goes_on() {
                match self.listener.accept() {
                    Ok((stream, _)) => {
                        lock(&state).began.get_or_insert_with(Instant::now);
                        let (state, asks) = (&state, &asks);
                        scope.spawn(move || {
                            // A connection that breaks is seen in what came back.
                            let _ = self.serve(stream, scope, (state, asks), progress);
                        });
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                }
            }
            // Whoever waits for a client does so no longer.
            lock(&asks).take();
            Ok(())
        })?;
        let mut state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.runs.sort_by_key(|run| run.0);
        let mut runs: Vec<Run> = state.runs.into_iter().map(|run| run.1).collect();
        for (id, shrunk) in state.shrunk {
            if let Some(run) = runs.iter_mut().find(|run| run.id == id) {
                run.shrunk = Some(shrunk);
            }
        }
        let started = state.began.unwrap_or_else(Instant::now);
        let name = if state.agent.is_empty() { "client" } else { &state.agent };
        let mut report = gather(name, Role::Client, runs, started);
        if state.keys_again > 1 {
            let handshake = report.report.findings.iter_mut();
            for finding in handshake.filter(|finding| finding.case == Case::Legal(Topic::Handshake)) {
                let why = format!(
                    "opens {} connections with a key that it had used before",
                    state.keys_again
                );
                finding.set(Judgement {
                    verdict: Verdict::Fail,
                    section: "4.1",
                    why,
                });
            }
        }
        Ok(report)
    }

    fn serve<'scope>(
        &'scope self,
        mut stream: TcpStream,
        scope: &'scope Scope<'scope, '_>,
        (state, asks): (&'scope Mutex<State>, &'scope Asks),
        progress: &(dyn Fn(&Run, usize, usize) + Sync),
    ) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let began = Instant::now();
        let Ok((request, behind)) = exchange::head(&mut stream, Duration::from_secs(10)) else {
            return Ok(());
        };
        let (path, parameters) = path_of(&request);
        let parameter = |name: &str| {
            parameters
                .iter()
                .find(|parameter| parameter.0 == name)
                .map(|parameter| parameter.1.clone())
        };
        let number = parameter("case").and_then(|number| number.parse::<usize>().ok());
        let plan = number.and_then(|number| self.plans.get(number.checked_sub(1)?));
        let is_more = number.is_some_and(|number| (self.plans.len() + 1..=self.all()).contains(&number));
        match (path.as_str(), plan) {
            ("/getCaseCount", _) => tell(&mut stream, &request, Some(&self.all().to_string())),
            ("/getCaseInfo", Some(plan)) => {
                let info = format!("{{\"id\": \"{}\", \"description\": \"{}\"}}", plan.id, describe(plan));
                tell(&mut stream, &request, Some(&info))
            }
            ("/getCaseInfo", None) if is_more => {
                let info = "{\"id\": \"shrink\", \"description\": \"a finding, made smaller if there is one\"}";
                tell(&mut stream, &request, Some(info))
            }
            ("/getCaseStatus", Some(plan)) => {
                let verdict = lock(state)
                    .runs
                    .iter()
                    .find(|run| run.1.id == plan.id)
                    .map(|run| run.1.judgement.verdict);
                let behavior = match verdict {
                    Some(Verdict::Pass | Verdict::Skipped) => "OK",
                    Some(Verdict::Custom) => "INFORMATIONAL",
                    Some(Verdict::Should) => "NON-STRICT",
                    Some(Verdict::Fail) => "FAILED",
                    None => "UNIMPLEMENTED",
                };
                tell(
                    &mut stream,
                    &request,
                    Some(&format!("{{\"behavior\": \"{behavior}\"}}")),
                )
            }
            ("/updateReports", _) => {
                let told = tell(&mut stream, &request, None);
                let mut state = lock(state);
                state.agent = parameter("agent").unwrap_or_default();
                state.is_over = true;
                told
            }
            ("/getCaseStatus", None) if is_more => tell(&mut stream, &request, Some("{\"behavior\": \"OK\"}")),
            ("/runCase", None) if is_more => {
                self.key(&request, state);
                let Some(ask) = self.asked(scope, state, asks) else {
                    return tell(&mut stream, &request, None);
                };
                let exchanged = self.one(&ask.job, &mut stream, request, &behind);
                let run = judged(&ask.job, exchanged, began.elapsed());
                // Nobody waits for it if the check is over.
                let _ = ask.answer.send((run.judgement, run.received));
                Ok(())
            }
            ("/runCase", Some(plan)) => {
                self.key(&request, state);
                let job = &plan.job();
                let exchanged = self.one(job, &mut stream, request, &behind);
                let run = judged(job, exchanged, began.elapsed());
                let mut state = lock(state);
                progress(&run, state.runs.len() + 1, self.plans.len());
                state.agent = parameter("agent").unwrap_or_default();
                state.runs.push((number.unwrap_or(0), run));
                Ok(())
            }
            (_, _) => stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 56\r\nConnection: close\r\n\r\n\
                There are /getCaseCount, /runCase and /updateReports here",
            ),
        }
    }

    /// The next session that makes a finding smaller. `None`: there is none any more.
    fn asked<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        state: &'scope Mutex<State>,
        asks: &Asks,
    ) -> Option<Ask> {
        let mut asks = lock(asks);
        let receiver = asks.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            scope.spawn(move || {
                let runs: Vec<Run> = {
                    let state = lock(state);
                    let found = state.runs.iter().filter(|run| run.1.judgement.verdict > Verdict::Pass);
                    found.map(|run| run.1.clone()).collect()
                };
                let shrunk = shrink::asking(&runs, self.options.shrink, &sender);
                lock(state).shrunk = shrunk;
            });
            receiver
        });
        receiver.recv().ok()
    }

    /// Notes the key: it has to be another one for each connection (section 4.1).
    fn key(&self, request: &[u8], state: &Mutex<State>) {
        if let Some(key) = crate::check::key_of(request) {
            let mut state = lock(state);
            if !state.keys.insert(key) {
                state.keys_again += 1;
            }
        }
    }

    fn one(&self, job: &Job, stream: &mut TcpStream, request: Vec<u8>, behind: &[u8]) -> Exchanged {
        let session = &job.session;
        let key = crate::check::key_of(&request).unwrap_or_default();
        if session.head_len == 0 {
            if stream.write_all(response(&key).as_bytes()).is_err()
                || matches!(model::request(&request), Opening::Refused(_))
            {
                return Exchanged {
                    received: Vec::new(),
                    failed: None,
                    is_late: false,
                    besides: Some(Judgement {
                        verdict: Verdict::Fail,
                        section: "4.1",
                        why: String::from("sends a request that is not legal, or no longer listens"),
                    }),
                };
            }
            return exchange::frames(job, stream, Vec::new(), behind, &self.options);
        }
        let Ok(bytes) = session.answered_to(&request) else {
            // It opens a connection all the same, and is told at once that there is nothing to do.
            if stream.write_all(response(&key).as_bytes()).is_ok() {
                exchange::close(job, stream);
            }
            return Exchanged {
                received: request,
                failed: None,
                is_late: false,
                besides: None,
            };
        };
        let head = bytes
            .get(..bytes.len() - (session.bytes.len() - session.head_len))
            .unwrap_or_default();
        exchange::write_head(job, stream, head, &self.options);
        if !matches!(session.case, Case::Broken(rule) if rule.is_of_handshake()) {
            return exchange::frames(job, stream, request, behind, &self.options);
        }
        // Whether it believes that the connection is open shows in what it does with frames.
        let frames = [Frame::text("is it open?"), Frame::ping("is it?")];
        let _ = stream.write_all(&frame::encode(Role::Client, &frames));
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let (rest, _) = exchange::rest(stream, self.options.time_limit.min(Duration::from_millis(500)));
        Exchanged {
            received: [&request[..], behind, &rest].concat(),
            failed: Some(String::from("gives up the connection")),
            is_late: false,
            besides: None,
        }
    }
}

/// What a case is about, without what JSON would have to escape.
fn describe(plan: &Plan) -> String {
    let text = format!("{} (section {}): {}", plan.case, plan.case.section(), plan.name());
    text.replace(['"', '\\'], "'")
}

/// The response to a request with this key.
fn response(key: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        model::accept(key)
    )
}

/// Opens a connection, sends a text if there is one, and closes.
fn tell(stream: &mut TcpStream, request: &[u8], text: Option<&str>) -> io::Result<()> {
    let key = crate::check::key_of(request).unwrap_or_default();
    let mut frames: Vec<Frame> = text.map(Frame::text).into_iter().collect();
    frames.push(Frame::close(1000, ""));
    let frames = frame::encode(Role::Client, &frames);
    stream.write_all(&[response(&key).as_bytes(), &frames].concat())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    exchange::rest(stream, Duration::from_secs(1));
    Ok(())
}

/// The path of a request, and its parameters.
fn path_of(request: &[u8]) -> (String, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(request);
    let target = text.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let parameters = parameters.map(|(name, value)| (String::from(name), value.replace('+', " ").replace("%20", " ")));
    (String::from(path), parameters.collect())
}
