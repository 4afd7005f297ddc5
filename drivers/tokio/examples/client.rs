//! A terminal client: lines typed are sent, messages are printed, Ctrl-D closes.
//!
//! One future reads the connection and one writes it, each with its half, so that neither waits for the other.

mod common;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use common::stop::{Stop, on_interrupt};
use common::{Exit, arguments, compressing, exit, set_timeout, trusting};
use sockless_tokio::{
    Client, ClientReadHalf, ClientStream, ClientWriteHalf, CloseCode, Connector, Error, Event, Timeouts, WebSocket,
};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

type ReadHalf = sockless_tokio::ReadHalf<ClientReadHalf, ClientWriteHalf, Client>;
type WriteHalf = sockless_tokio::WriteHalf<ClientWriteHalf, Client>;

const HELP: &str = "\
A WebSocket client: sends the lines typed, prints the messages received. Ctrl-D closes.

Usage: client ws://HOST[:PORT]/PATH [OPTION]...

  --header 'NAME: VALUE'  a header field of the request
  --subprotocol NAME      a subprotocol to offer; the first given is preferred
  --origin ORIGIN         the origin to send, as a browser does
  --deflate               offer to compress messages
  --trust FILE            for wss://, trust the certificates in this file alone
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

/// How long to wait before connecting again: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A connection that has lasted so long was a good one.
const STABLE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let status = exit(run().await);
    // A task may wait for the terminal.
    let _ = io::stdout().flush();
    status
}

async fn run() -> Result<(), Exit> {
    let (mut address, mut subprotocols, mut timeouts) = (None, Vec::new(), Timeouts::default());
    let (mut connector, mut reconnect) = (Connector::new(), false);
    let names = [
        "header=",
        "subprotocol=",
        "origin=",
        "timeout=",
        "trust=",
        "deflate",
        "reconnect",
    ];
    arguments(HELP, &names, |name, value| {
        match name {
            "header" => match value.split_once(':') {
                Some((name, value)) => connector = connector.clone().header(name, value.trim()),
                None => return Err(format!("'{value}' is not a header: it has no colon").into()),
            },
            "subprotocol" => subprotocols.push(value),
            "origin" => connector = connector.clone().origin(value),
            "timeout" => set_timeout(&mut timeouts, &value)?,
            "trust" => connector = trusting(connector.clone(), &value)?,
            "deflate" => connector = compressing(connector.clone())?,
            "reconnect" => reconnect = true,
            _ if address.is_none() => address = Some(value),
            _ => return Err(format!("one address is enough: '{value}'").into()),
        }
        Ok(())
    })?;
    let address = address.ok_or_else(|| Exit::usage("which server? Give its address, as ws://127.0.0.1:9001/"))?;
    let connector = connector.subprotocols(subprotocols).timeouts(timeouts);

    let (mut lines, mut stop) = (Lines::typed(), on_interrupt()?.stop());
    let (mut wait, mut last) = (WAITS.0, Ok(()));
    loop {
        let connecting = Instant::now();
        let opened = tokio::select! {
            opened = connector.connect(&address) => opened,
            () = stop.asked() => return last,
        };
        let (end, is_over) = match opened {
            Ok(ws) => converse(ws, &mut lines, &mut stop).await,
            Err(error) => refused(&address, error),
        };
        if is_over || !reconnect {
            return end;
        }
        if connecting.elapsed() > STABLE {
            wait = WAITS.0;
        }
        // Between half and one and a half of it, so that not all clients come back at once.
        let wait_now = wait.mul_f64(0.5 + random()).min(WAITS.1);
        let why = match &end {
            Ok(()) => "the server has closed the connection",
            Err(Exit(_, text)) => text,
        };
        eprintln!("client: {why}; connecting again in {:.1} s", wait_now.as_secs_f64());
        let again = Instant::now() + wait_now;
        tokio::select! {
            () = sleep_until(again) => {}
            () = lines.ended() => return end,
            () = stop.asked() => return end,
        }
        wait = (wait * 2).min(WAITS.1);
        last = end;
    }
}

/// Why there is no connection, and whether there will be none.
fn refused(address: &str, error: Error) -> (Result<(), Exit>, bool) {
    let (exit, is_final) = match error {
        Error::Uri(_) | Error::NoTls => (Exit::usage(format!("'{address}': {error}")), true),
        Error::Misuse(_) => (Exit::usage(error), true),
        Error::Io(error) => {
            let server = address.split('/').nth(2).unwrap_or_default();
            (Exit(UNREACHABLE, format!("cannot reach {server}: {error}")), false)
        }
        Error::Rejected(ref rejection) => {
            let is_busy = matches!(rejection.status, 429 | 500..);
            (Exit(REFUSED, error.to_string()), !is_busy)
        }
        Error::TimedOut(_) => (Exit(REFUSED, error.to_string()), false),
        error => (Exit(REFUSED, error.to_string()), true),
    };
    (Err(exit), is_final)
}

/// One connection. Returns how it has ended, and whether that is the end of the program.
async fn converse(ws: WebSocket<ClientStream, Client>, lines: &mut Lines, stop: &mut Stop) -> (Result<(), Exit>, bool) {
    let Ok((mut reader, mut writer)) = ws.split() else {
        return (Err(Exit(Exit::FAILED, "a frame is being sent".into())), true);
    };
    let (deaf, mut leaving) = (Notify::new(), false);
    let ended = {
        let mut reading = std::pin::pin!(read(&mut reader, &deaf));
        tokio::select! {
            ended = &mut reading => ended,
            () = write(&mut writer, lines, stop, &deaf, &mut leaving) => reading.await,
        }
    };
    let (code, is_clean, text) =
        reader.with_close_record(|record| (record.code(), record.is_clean(), record.to_string()));
    let end = match (ended, reader.passed(), code) {
        (_, Some(deadline), _) => Err(deadline.to_string()),
        (Err(error), None, _) => Err(error.to_string()),
        (Ok(()), None, CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS) if is_clean => Ok(()),
        (Ok(()), None, _) => Err(text),
    };
    let is_over = leaving || is_clean && code == CloseCode::NORMAL;
    (end.map_err(|text| Exit(Exit::FAILED, text)), is_over)
}

/// Prints what comes, until the connection is over.
async fn read(reader: &mut ReadHalf, deaf: &Notify) -> Result<(), Error> {
    while reader.ready().await? {
        while let Some(event) = reader.next_event()? {
            let mut out = io::stdout().lock();
            let printed = match event {
                Event::Text(text) => writeln!(out, "{text}"),
                Event::Binary(data) => writeln!(out, "<binary {} bytes>", data.len()),
                _ => Ok(()),
            };
            if printed.is_err() {
                deaf.notify_one(); // nobody listens any more
            }
        }
    }
    Ok(())
}

/// Sends what is typed. Closes at the end, at Ctrl-C, and when nobody listens any more.
async fn write(writer: &mut WriteHalf, lines: &mut Lines, stop: &mut Stop, deaf: &Notify, leaving: &mut bool) {
    let code = loop {
        tokio::select! {
            line = lines.next() => match line {
                Some(line) => tokio::select! {
                    sent = writer.send(line) => match sent {
                        Ok(()) => lines.sent(),
                        Err(_) => return, // the other half tells why
                    },
                    () = stop.asked() => break CloseCode::GOING_AWAY,
                },
                None => break CloseCode::NORMAL,
            },
            () = stop.asked() => break CloseCode::GOING_AWAY,
            () = deaf.notified() => break CloseCode::NORMAL,
        }
    };
    *leaving = true;
    let _ = writer.close(code, "").await;
}

/// The lines that are typed. A thread of their own waits for them, so that the program can end meanwhile.
struct Lines {
    lines: mpsc::Receiver<String>,
    /// The next one, until it was sent: on the next connection, if this one is lost.
    next: Option<String>,
}

impl Lines {
    fn typed() -> Self {
        let (sender, lines) = mpsc::channel(16);
        thread::spawn(move || {
            let lines = io::stdin().lock().lines().map_while(Result::ok);
            let _ = lines.map(|line| sender.blocking_send(line)).find(Result::is_err);
        });
        Self { lines, next: None }
    }

    /// The next line. `None` when there are no more.
    async fn next(&mut self) -> Option<&str> {
        if self.next.is_none() {
            self.next = self.lines.recv().await;
        }
        self.next.as_deref()
    }

    fn sent(&mut self) {
        self.next = None;
    }

    /// Waits until there are no more lines.
    async fn ended(&mut self) {
        if self.next().await.is_some() {
            std::future::pending::<()>().await;
        }
    }
}

/// From 0 to 1.
fn random() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
