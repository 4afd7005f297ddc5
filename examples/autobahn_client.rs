//! The driver for a fuzzing server: asks how many cases there are, runs each by echoing whole messages, and has the server
//! write its report.

mod common;

use std::net::Shutdown;
use std::process::ExitCode;

use common::client::{NoConnection, open, parse};
use common::{Exit, Outcome, PATIENCE, arguments, ended, exit, want_deflate};
use sockless::{ConnectOptions, Event, Moment, ReceiveError, Timeouts};

const HELP: &str = "\
Drives a fuzzing server, such as the Autobahn test suite's, through all of its cases.

Usage: autobahn_client ws://HOST:PORT [OPTION]

  --deflate  offer to compress messages
  --help     print this and exit

The server's report says which cases have passed; in some it is right that no connection
opens. The exit status is 0 if all were run, 1 if one could not be, 2 for wrong usage.
";

const AGENT: &str = "sockless";

fn main() -> ExitCode {
    exit(run_all())
}

fn run_all() -> Result<(), Exit> {
    let (mut server, mut compress) = (None, false);
    arguments(HELP, &["deflate"], |name, value| {
        match name {
            "deflate" => compress = want_deflate()?,
            _ if server.is_none() => server = Some(value),
            _ => return Err("one address is enough".into()),
        }
        Ok(())
    })?;
    let server = server.ok_or_else(|| Exit::usage("which server? Give its address, as ws://127.0.0.1:9001"))?;
    let server = server.trim_end_matches('/');
    parse(server)?;
    let run = |path: &str, see: &mut dyn FnMut(&str)| {
        echo(&format!("{server}{path}"), compress, see).map_err(|error| error.to_string())
    };
    let failed = |what: &str| Exit(Exit::FAILED, what.to_owned());

    let mut count = String::new();
    run("/getCaseCount", &mut |text| text.clone_into(&mut count)).map_err(|error| failed(&error))?;
    let count: u32 = count
        .trim()
        .parse()
        .map_err(|_| failed("the server does not say how many cases it has"))?;
    let mut broken = 0;
    for case in 1..=count {
        println!("case {case} of {count}");
        if let Err(error) = run(&format!("/runCase?case={case}&agent={AGENT}"), &mut |_| {}) {
            eprintln!("case {case}: {error}");
            broken += 1;
        }
    }
    run(&format!("/updateReports?agent={AGENT}"), &mut |_| {}).map_err(|error| failed(&error))?;
    match broken {
        0 => Ok(()),
        _ => Err(failed(&format!("{broken} of {count} cases could not be run"))),
    }
}

/// One connection: echoes until the server closes, and shows each text to `see`. It sends no Pings of its own, which no case
/// expects.
fn echo(address: &str, compress: bool, see: &mut dyn FnMut(&str)) -> Outcome {
    let timeouts = Timeouts::default().with_ping_after(None).with_idle(Some(PATIENCE));
    let uri = parse(address)?;
    let (mut stream, mut ws) = match open(&uri, ConnectOptions::new(), &timeouts, compress) {
        Ok(opened) => opened,
        Err(NoConnection::Refused(text) | NoConnection::Busy(text)) => {
            println!("no connection: {text}");
            return Ok(());
        }
        Err(error) => return Err(error.text().into()),
    };
    stream.set_read_timeout(ws.tick(Moment::now()))?;
    while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
        stream.set_read_timeout(ws.tick(Moment::now()))?;
        loop {
            match ws.next_event() {
                Ok(None) => break,
                Ok(Some((_, tx))) if tx.ready().is_err() => {}
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
    ended(&ws)
}
