//! A terminal client: lines typed are sent, messages are printed, Ctrl-D closes.
//!
//! One thread reads the terminal. The main thread waits with `mio` for lines, for the socket, and for the next deadline,
//! whichever comes first: what an event loop does with many connections, for one.

mod common;

use std::io::{self, BufRead, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use common::client::{NoConnection, Ws, entropy, open, parse};
use common::stop::on_interrupt;
use common::{Exit, Outcome, arguments, exit, is_timeout, set_timeout, want_deflate};
use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use sockless::{CloseCode, ConnectOptions, Event, Moment, Timeouts, TransportAction};

const HELP: &str = "\
A WebSocket client: sends the lines typed, prints the messages received. Ctrl-D closes.

Usage: client ws://HOST[:PORT]/PATH [OPTION]...

  --header 'NAME: VALUE'  a header field of the request
  --subprotocol NAME      a subprotocol to offer; the first given is preferred
  --origin ORIGIN         the origin to send, as a browser does
  --deflate               offer to compress messages
  --reconnect             connect again when the connection is lost
  --timeout NAME=SECONDS  a deadline, or 'off': handshake, ping-after, pong-within,
                          idle, message, write, close
  --help                  print this and exit

The exit status is 0 after a clean close (with code 1000, 1001 or none), 1 after any
other end, 2 for wrong usage, 3 if the server refuses, 4 if it cannot be reached.
With --reconnect, only Ctrl-D, Ctrl-C, a server that closes with 1000 and one that
refuses for good end it.
";

const REFUSED: u8 = 3;
const UNREACHABLE: u8 = 4;

const SOCKET: Token = Token(0);
const TERMINAL: Token = Token(1);
/// How many bytes of lines may wait to be sent.
const WAITING: usize = 64 << 10;

/// How long to wait before connecting again: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A connection that has lasted so long was a good one.
const STABLE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let (mut address, mut headers, mut subprotocols, mut origin) = (None, Vec::new(), Vec::new(), None);
    let (mut compress, mut reconnect, mut timeouts) = (false, false, Timeouts::default());
    let names = ["header=", "subprotocol=", "origin=", "timeout=", "deflate", "reconnect"];
    arguments(HELP, &names, |name, value| {
        match name {
            "header" => match value.split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => return Err(format!("'{value}' is not a header: it has no colon").into()),
            },
            "subprotocol" => subprotocols.push(value),
            "origin" => origin = Some(value),
            "timeout" => set_timeout(&mut timeouts, &value)?,
            "deflate" => compress = want_deflate()?,
            "reconnect" => reconnect = true,
            _ if address.is_none() => address = Some(value),
            _ => return Err(format!("one address is enough: '{value}'").into()),
        }
        Ok(())
    })?;
    let address = address.ok_or_else(|| Exit::usage("which server? Give its address, as ws://127.0.0.1:9001/"))?;
    let uri = parse(&address)?;
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let subprotocols: Vec<_> = subprotocols.iter().map(String::as_str).collect();
    let mut options = ConnectOptions::new().headers(&headers).subprotocols(&subprotocols);
    if let Some(origin) = &origin {
        options = options.origin(origin);
    }

    let mut terminal = Terminal::new().map_err(|error| Exit(Exit::FAILED, error.to_string()))?;
    let mut wait = WAITS.0;
    loop {
        let (exit, is_over) = match open(&uri, options, &timeouts, compress) {
            Ok((stream, ws)) => {
                let connected = Instant::now();
                let (end, is_over) = converse(stream, ws, &mut terminal)
                    .unwrap_or_else(|error| (Err(error.into()), terminal.is_interrupted()));
                if connected.elapsed() > STABLE {
                    wait = WAITS.0;
                }
                (end.map_err(|error| Exit(Exit::FAILED, error.to_string())), is_over)
            }
            Err(NoConnection::Usage(text)) => return Err(Exit::usage(text)),
            Err(NoConnection::Refused(text)) => return Err(Exit(REFUSED, text)),
            Err(NoConnection::Busy(text)) => (Err(Exit(REFUSED, text)), false),
            Err(NoConnection::Unreachable(text)) => (Err(Exit(UNREACHABLE, text)), false),
        };
        if is_over || !reconnect {
            return exit;
        }
        // Between half and one and a half of it, so that not all clients come back at once.
        let wait_now = wait.mul_f64(0.5 + random()).min(WAITS.1);
        let why = match &exit {
            Ok(()) => "the server has closed the connection",
            Err(Exit(_, text)) => text,
        };
        eprintln!("client: {why}; connecting again in {:.1} s", wait_now.as_secs_f64());
        if terminal.ends_within(wait_now) {
            return exit;
        }
        wait = (wait * 2).min(WAITS.1);
    }
}

/// One connection. Returns how it has ended, and whether that is the end of the program.
fn converse(stream: std::net::TcpStream, mut ws: Ws, terminal: &mut Terminal) -> io::Result<(Outcome, bool)> {
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    terminal
        .poll
        .registry()
        .register(&mut stream, SOCKET, Interest::READABLE)?;
    // What is read is printed, so it need not be held up while lines wait to be sent.
    ws.buffers().1.set_watermark(usize::MAX);
    let mut leaving = false;
    loop {
        ws.tick(Moment::now());
        while let Ok(Some((event, _))) = ws.next_event() {
            let printed = match event {
                Event::Text(text) => writeln!(io::stdout(), "{text}"),
                Event::Binary(data) => writeln!(io::stdout(), "<binary {} bytes>", data.len()),
                _ => Ok(()),
            };
            leaving |= printed.is_err(); // nobody listens any more
        }
        while !leaving && ws.output().len() < WAITING && ws.tx().ready().is_ok() {
            match terminal.next_line() {
                Ok(line) => ws.tx().text(&line).map_err(io::Error::other)?,
                Err(TryRecvError::Disconnected) => leaving = true,
                Err(TryRecvError::Empty) => break,
            }
        }
        if ws.tx().ready().is_ok() {
            let close = match terminal.is_interrupted() {
                true => Some(CloseCode::GOING_AWAY),
                false => leaving.then_some(CloseCode::NORMAL),
            };
            if let Some(code) = close {
                leaving = true;
                ws.tx().close(code, "").map_err(io::Error::other)?;
            }
        }

        match ws.buffers().1.write_to(&mut stream) {
            Err(error) if is_timeout(&error) => {}
            // The server may have shut down its receiving direction only.
            Err(_) => drop(ws.end_of_stream()),
            Ok(()) if ws.transport() == TransportAction::ShutDownSend => {
                let _ = stream.shutdown(Shutdown::Write);
                ws.sending_shut_down();
            }
            Ok(()) => {}
        }
        if !ws.transport().wants_input() {
            break;
        }
        let wait = ws.tick(Moment::now());
        terminal.wait_for(&mut stream, &ws, wait)?;
        if ws.wants_input() {
            match stream.read(ws.space()) {
                Ok(len @ 1..) => ws.advance(len),
                Err(error) if is_timeout(&error) => {}
                // A reset is an end, too: the record tells how clean it was.
                Ok(0) | Err(_) => drop(ws.end_of_stream()),
            }
        }
    }
    let record = ws.close_record();
    let end = match (ws.timers().and_then(|timers| timers.passed()), record.code()) {
        (Some(deadline), _) => Err(deadline.text().into()),
        (None, CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS) if record.is_clean() => Ok(()),
        (None, _) => Err(record.to_string().into()),
    };
    let is_over = leaving || record.is_clean() && record.code() == CloseCode::NORMAL;
    Ok((end, is_over))
}

/// What is typed, and Ctrl-C.
struct Terminal {
    poll: Poll,
    events: Events,
    lines: Receiver<String>,
    /// A line that was looked at.
    next: Option<String>,
    interrupted: Arc<AtomicBool>,
}

impl Terminal {
    fn new() -> Outcome<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), TERMINAL)?);
        let interrupted = Arc::new(AtomicBool::new(false));
        let (post, lines) = sync_channel(16);
        let (woken, asked) = (Arc::clone(&waker), Arc::clone(&interrupted));
        on_interrupt(move || {
            asked.store(true, Ordering::Relaxed);
            let _ = woken.wake();
        })?;
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if post.send(line).is_err() {
                    break;
                }
                let _ = waker.wake();
            }
            drop(post);
            let _ = waker.wake();
        });
        Ok(Self {
            poll,
            events: Events::with_capacity(8),
            lines,
            next: None,
            interrupted,
        })
    }

    fn next_line(&mut self) -> Result<String, TryRecvError> {
        self.next.take().map_or_else(|| self.lines.try_recv(), Ok)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Waits for a line, for Ctrl-C, for the stream to be ready for what it is wanted for, or for a deadline.
    fn wait_for(&mut self, stream: &mut TcpStream, ws: &Ws, wait: Option<Duration>) -> io::Result<()> {
        let interest = match (ws.wants_input(), ws.output().is_empty()) {
            (true, true) => Interest::READABLE,
            (true, false) => Interest::READABLE | Interest::WRITABLE,
            (false, _) => Interest::WRITABLE,
        };
        // Told anew each time, `mio` says so again if the stream is ready still.
        self.poll.registry().reregister(stream, SOCKET, interest)?;
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits, and returns whether there is nothing more to wait for: after Ctrl-C, or at the end of the lines.
    fn ends_within(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            match self.next_line() {
                Err(TryRecvError::Disconnected) => return true,
                line => self.next = line.ok(),
            }
            let left = end.saturating_duration_since(Instant::now());
            if self.is_interrupted() || left.is_zero() {
                return self.is_interrupted();
            }
            let _ = self.poll.poll(&mut self.events, Some(left));
        }
    }
}

/// From 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    entropy(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}
