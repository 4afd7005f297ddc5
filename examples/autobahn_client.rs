//! The driver for a fuzzing server: asks how many cases there are, runs each by echoing whole messages, and has the server
//! write its report.

mod common;

use std::net::Shutdown;
use std::process::ExitCode;

use common::client::{connect, entropy};
use common::{Exit, Outcome, arguments, describe, exit};
use sockless::{BufferedClientHandshake, ConnectOptions, Event, Limits, ReceiveError, WebSocketUri};

const HELP: &str = "\
Drives a fuzzing server, such as the Autobahn test suite's, through all of its cases.

Usage: autobahn_client ws://HOST:PORT

  --help  print this and exit

The server's report says which cases have passed. The exit status is 0 if all were run,
1 if one could not be, 2 for wrong usage.
";

const AGENT: &str = "sockless";

fn main() -> ExitCode {
    exit(run_all())
}

fn run_all() -> Result<(), Exit> {
    let mut server = None;
    arguments(HELP, &[], |_, value| match server.replace(value) {
        None => Ok(()),
        Some(_) => Err("one address is enough".into()),
    })?;
    let server = server.ok_or_else(|| Exit::usage("which server? Give its address, as ws://127.0.0.1:9001"))?;
    let server = server.trim_end_matches('/');
    WebSocketUri::parse(server).map_err(|error| Exit::usage(format!("'{server}': {error}")))?;
    let failed = |what: &str| Exit(Exit::FAILED, what.to_owned());

    let mut count = String::new();
    run(&format!("{server}/getCaseCount"), |text| text.clone_into(&mut count)).map_err(|error| failed(&error))?;
    let count: u32 = count
        .trim()
        .parse()
        .map_err(|_| failed("the server does not say how many cases it has"))?;
    let mut broken = 0;
    for case in 1..=count {
        println!("case {case} of {count}");
        if let Err(error) = run(&format!("{server}/runCase?case={case}&agent={AGENT}"), |_| {}) {
            eprintln!("case {case}: {error}");
            broken += 1;
        }
    }
    run(&format!("{server}/updateReports?agent={AGENT}"), |_| {}).map_err(|error| failed(&error))?;
    match broken {
        0 => Ok(()),
        _ => Err(failed(&format!("{broken} of {count} cases could not be run"))),
    }
}

fn run(address: &str, see: impl FnMut(&str)) -> Result<(), String> {
    echo(address, see).map_err(|error| describe(&*error))
}

/// One connection: echoes until the server closes, and shows each text to `see`.
fn echo(address: &str, mut see: impl FnMut(&str)) -> Outcome {
    let uri = WebSocketUri::parse(address)?;
    let handshake = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &Limits::default())?;
    let mut stream = connect(&uri)?;
    let mut ws = handshake.complete(&mut stream)?;
    while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
        loop {
            match ws.next_event() {
                Ok(None) => break,
                Ok(Some((Event::Text(text), mut tx))) => {
                    see(text);
                    tx.text(text)?;
                }
                Ok(Some((Event::Binary(data), mut tx))) => tx.binary(data)?,
                Ok(Some(_)) => {}
                // To provoke that is what most cases are for.
                Err(ReceiveError::Failed(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
