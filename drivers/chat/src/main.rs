//! The program: arguments, Ctrl-C, and what was said before a restart.

#[path = "../../tokio/examples/common/interrupts.rs"]
mod interrupts;

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use interrupts::Interrupts;
use lexopt::prelude::{Long, Short, Value, ValueExt};
use sockless_chat::{Exit, Rooms, exit, serve};
use sockless_tokio::Acceptor;
use tokio::net::TcpListener;
use tokio::sync::watch;

const HELP: &str = "\
A chat server. Open the address that it prints in several browsers.

Usage: chat [PORT] [OPTION]...

  PORT             of 127.0.0.1 (default: 9003); 0 for one that is free
  --host ADDRESS   listen on another address
  --origin ORIGIN  let in pages from this origin only (several may be given; default: its own)
  --keep FILE      write what was said last to FILE at the end, and go on with it at the next start
  --help           print this and exit

Ctrl-C closes all connections in order; the pages come back when the server does. A second Ctrl-C ends it at once.
";

struct Options {
    host: String,
    port: Option<u16>,
    origins: Vec<String>,
    keep: Option<String>,
}

fn options() -> Result<Options, lexopt::Error> {
    let mut options = Options {
        host: "127.0.0.1".into(),
        port: None,
        origins: Vec::new(),
        keep: None,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => {
                let _ = io::stdout().write_all(HELP.as_bytes());
                std::process::exit(0);
            }
            Long("host") => options.host = arguments.value()?.string()?,
            Long("origin") => options.origins.push(arguments.value()?.string()?),
            Long("keep") => options.keep = Some(arguments.value()?.string()?),
            Value(port) => {
                let port = port.string()?;
                if options.port.is_some() {
                    return Err(format!("one port is enough: '{port}'").into());
                }
                options.port = Some(port.parse().map_err(|_| format!("'{port}' is not a port"))?);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

#[tokio::main]
async fn main() -> ExitCode {
    exit("chat", run().await)
}

/// What is in a file that can also be written. If there is none, it is made.
fn open(file: &str) -> io::Result<Vec<u8>> {
    let mut file = File::options().read(true).append(true).create(true).open(file)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn run() -> Result<(), Exit> {
    let Options {
        host,
        port,
        mut origins,
        keep,
    } = options().map_err(Exit::Usage)?;
    let port = port.unwrap_or(9003);
    let cannot = |error| Exit::Failed(format!("cannot listen on {host}:{port}: {error}"));
    let listener = TcpListener::bind((&*host, port)).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    if origins.is_empty() {
        origins = vec![
            format!("http://{address}"),
            format!("http://localhost:{}", address.port()),
        ];
    }

    let rooms = Rooms::default();
    if let Some(file) = &keep {
        let kept = open(file).map_err(|error| Exit::Failed(format!("cannot keep anything in {file}: {error}")))?;
        if !kept.is_empty() {
            let wrong = |error| Exit::Failed(format!("{file} is not what a chat has kept: {error}"));
            rooms.restore(&serde_json::from_slice(&kept).map_err(wrong)?);
        }
    }

    let mut interrupts = Interrupts::new().map_err(Exit::failed)?;
    println!("http://{address}/");
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        interrupts.next().await;
        stop.send_replace(true);
        interrupts.next().await;
        std::process::exit(130);
    });
    serve(listener, Acceptor::new().origins(origins), rooms.clone(), stopped)
        .await
        .map_err(Exit::failed)?;

    if let Some(file) = &keep {
        let written = tokio::fs::write(file, rooms.history().to_string()).await;
        written.map_err(|error| Exit::Failed(format!("cannot write {file}: {error}")))?;
    }
    Ok(())
}
