//! A server that replaces itself by a new process while its clients stay connected.
//!
//! It answers each text with its number on that connection, the process that answers, and the text. `/replace` starts the next
//! process and hands everything over to it: the listener, and of each connection the descriptor, what was read and not
//! received, what was not written, and the number. A client notices nothing.

#[cfg(unix)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
mod server;

#[cfg(unix)]
const HELP: &str = "\
A WebSocket server that replaces itself by a new process while its clients stay connected.

Usage: replace [PORT]

  PORT    of 127.0.0.1 (default: 9005); 0 for one that is free
  --help  print this and exit

It answers each text with a number, its process, and the text. Two paths of plain HTTP make it
act: /replace starts a new process and hands all connections over; /stop, or Ctrl-C, closes
all of them and ends.
";

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    common::exit(run())
}

#[cfg(unix)]
fn run() -> Result<(), common::Exit> {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use common::Exit;

    let failed = |error: Box<dyn std::error::Error>| Exit(Exit::FAILED, error.to_string());
    let (mut port, mut takes_over) = (9005, false);
    common::arguments(HELP, &["take-over"], |name, value| {
        match name {
            "take-over" => takes_over = true,
            _ => port = value.parse().map_err(|_| format!("'{value}' is not a port"))?,
        }
        Ok(())
    })?;
    common::stop::on_interrupt(server::stop)?;
    let successor = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--take-over");
        Ok(command)
    };
    if takes_over {
        // The predecessor's end of a pair of sockets is the standard input.
        let from = std::io::stdin().as_fd().try_clone_to_owned();
        let from = from.map_err(|error| failed(error.into()))?;
        return server::take_over(UnixStream::from(from), successor).map_err(failed);
    }
    let listener = common::server::listen("http", port)?;
    server::serve(listener, Vec::new(), successor).map_err(failed)
}

#[cfg(not(unix))]
fn main() {
    println!("only Unix sockets carry descriptors");
}
