//! The driver for a fuzzing server: asks how many cases there are, runs each by echoing whole messages, and has the server
//! write its report.

mod common;

use std::process::ExitCode;

use common::{Exit, arguments, exit};
use sockless_tokio::sockless::WebSocketUri;
use sockless_tokio::{Connector, Error, Event, Result};

const HELP: &str = "\
Drives a fuzzing server, such as the Autobahn test suite's, through all of its cases.

Usage: autobahn_client ws://HOST:PORT [OPTION]...

  --deflate     offer to compress messages
  --trust FILE  for wss://, trust the certificates in this file alone
  --help        print this and exit

The server's report says which cases have passed; in some it is right that no connection
opens. The exit status is 0 if all were run, 1 if one could not be, 2 for wrong usage.
";

const AGENT: &str = "sockless";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit(run_all().await)
}

async fn run_all() -> std::result::Result<(), Exit> {
    let (mut server, mut connector) = (None, Connector::new());
    arguments(HELP, &["deflate", "trust="], |name, value| {
        match name {
            "deflate" => connector = common::compressing(connector.clone())?,
            "trust" => connector = common::trusting(connector.clone(), &value)?,
            _ if server.is_none() => server = Some(value),
            _ => return Err("one address is enough".into()),
        }
        Ok(())
    })?;
    let server = server.ok_or_else(|| Exit::usage("which server? Give its address, as ws://127.0.0.1:9001"))?;
    let server = server.trim_end_matches('/');
    WebSocketUri::parse(server).map_err(|error| Exit::usage(format!("'{server}': {error}")))?;
    let failed = |what: &str| Exit(Exit::FAILED, what.to_owned());

    let mut count = String::new();
    let asked = echo(&connector, &format!("{server}/getCaseCount"), |text| {
        text.clone_into(&mut count)
    })
    .await;
    asked.map_err(|error| failed(&format!("cannot ask {server}: {error}")))?;
    let count: u32 = count
        .trim()
        .parse()
        .map_err(|_| failed("the server does not say how many cases it has"))?;
    let mut broken = 0;
    for case in 1..=count {
        println!("case {case} of {count}");
        if let Err(error) = echo(
            &connector,
            &format!("{server}/runCase?case={case}&agent={AGENT}"),
            |_| {},
        )
        .await
        {
            eprintln!("case {case}: {error}");
            broken += 1;
        }
    }
    let reported = echo(&connector, &format!("{server}/updateReports?agent={AGENT}"), |_| {}).await;
    reported.map_err(|error| failed(&error.to_string()))?;
    match broken {
        0 => Ok(()),
        _ => Err(failed(&format!("{broken} of {count} cases could not be run"))),
    }
}

/// One connection: echoes until the server closes, and shows each text to `see`.
async fn echo(connector: &Connector, address: &str, mut see: impl FnMut(&str)) -> Result<()> {
    let mut ws = match connector.connect(address).await {
        Ok(ws) => ws,
        Err(error @ (Error::Handshake(_) | Error::Rejected(_))) => {
            println!("no connection: {error}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    loop {
        match ws.ready().await {
            Ok(true) => {}
            // To provoke a failure is what most cases are for.
            Ok(false) | Err(Error::Failed(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        while let Some((event, mut tx)) = ws.next_event()? {
            if let Event::Text(text) = event {
                see(text);
            }
            if let (Some(message), Ok(())) = (event.message(), tx.ready()) {
                tx.send(message)?;
            }
        }
    }
}
