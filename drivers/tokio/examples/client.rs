//! A terminal client: lines typed are sent, messages are printed, Ctrl-D closes.
//!
//! One task reads the socket and one writes it, each with its half of the connection.

mod common;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::thread;

use common::{Exit, arguments, exit};
use sockless_tokio::{Client, ClientStream, CloseCode, Connector, Error, Event, Timeouts, WebSocket};
use tokio::sync::mpsc;

const HELP: &str = "\
A WebSocket client: sends the lines typed, prints the messages received. Ctrl-D closes.

Usage: client ws://HOST[:PORT]/PATH [OPTION]...

  --header 'NAME: VALUE'  a header field of the request
  --subprotocol NAME      a subprotocol to offer; the first given is preferred
  --origin ORIGIN         the origin to send, as a browser does
  --timeout NAME=SECONDS  a deadline, or 'off': handshake, ping-after, pong-within,
                          idle, message, write, close
  --help                  print this and exit

The exit status is 0 after a clean close (with code 1000, 1001 or none), 1 after any
other end, 2 for wrong usage, 3 if the server refuses, 4 if it cannot be reached.
";

const REFUSED: u8 = 3;
const UNREACHABLE: u8 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let status = exit(run().await);
    // A task may wait for the terminal.
    let _ = io::stdout().flush();
    status
}

async fn run() -> Result<(), Exit> {
    let (mut address, mut subprotocols, mut timeouts) = (None, Vec::new(), Timeouts::default());
    let mut connector = Connector::new();
    arguments(
        HELP,
        &["header", "subprotocol", "origin", "timeout"],
        &[],
        |name, value| {
            match name {
                "header" => match value.split_once(':') {
                    Some((name, value)) => connector = connector.clone().header(name, value.trim()),
                    None => return Err(format!("'{value}' is not a header: it has no colon").into()),
                },
                "subprotocol" => subprotocols.push(value),
                "origin" => connector = connector.clone().origin(value),
                "timeout" => common::set_timeout(&mut timeouts, &value)?,
                _ if address.is_none() => address = Some(value),
                _ => return Err(format!("one address is enough: '{value}'").into()),
            }
            Ok(())
        },
    )?;
    let address = address.ok_or_else(|| Exit::usage("which server? Give its address, as ws://127.0.0.1:9001/"))?;
    let connector = connector.subprotocols(subprotocols).timeouts(timeouts);
    let ws = connector.connect(&address).await.map_err(|error| match error {
        Error::Uri(_) | Error::NoTls => Exit::usage(format!("'{address}': {error}")),
        Error::Misuse(_) => Exit::usage(error),
        Error::Io(error) => {
            let server = address.split('/').nth(2).unwrap_or_default();
            Exit(UNREACHABLE, format!("cannot reach {server}: {error}"))
        }
        error => Exit(REFUSED, error.to_string()),
    })?;
    converse(ws).await.map_err(|why| Exit(Exit::FAILED, why))
}

async fn converse(ws: WebSocket<ClientStream, Client>) -> Result<(), String> {
    let (mut reader, mut writer) = ws.split().map_err(|_| "a frame is being sent")?;
    let mut lines = typed();
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            writer.send(&line).await?;
        }
        writer.close(CloseCode::NORMAL, "").await
    });
    let mut out = io::stdout().lock();
    while reader.ready().await.map_err(|error| error.to_string())? {
        while let Some(event) = reader.next_event().map_err(|error| error.to_string())? {
            let printed = match event {
                Event::Text(text) => writeln!(out, "{text}"),
                Event::Binary(data) => writeln!(out, "<binary {} bytes>", data.len()),
                _ => Ok(()),
            };
            printed.map_err(|error| error.to_string())?;
        }
    }
    if let Some(deadline) = reader.passed() {
        return Err(deadline.to_string());
    }
    reader.with_close_record(|record| match record.code() {
        CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS if record.is_clean() => Ok(()),
        _ => Err(record.to_string()),
    })
}

/// The lines that are typed. A thread of their own waits for them, so that the program can end meanwhile.
fn typed() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        let _ = lines.map(|line| sender.blocking_send(line)).find(Result::is_err);
    });
    lines
}
