//! A server that sends back what it gets, on io_uring: one thread, a task for each connection, deadlines for each.
//!
//! The kernel owns a buffer until it has filled or written it, so buffers go there by value. What was read is appended to the
//! read buffer that the thread's connections share. A read that is under way is never given up, as what it has taken would
//! be lost: a deadline that falls due in between is dealt with beside it.

#[cfg(target_os = "linux")]
mod linux;

use std::process::ExitCode;

use sockless_hosts::{Exit, Options, exit};

const HELP: &str = "\
A WebSocket server that sends back what it gets, on io_uring.

Usage: io_uring [PORT | ADDRESS:PORT] [OPTION]...

  PORT                of 127.0.0.1 (default: 9004); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --patience MILLIS   how long a peer may take for anything (default: as the library suggests)
  --help              print this and exit

Ctrl-C closes all connections in order; a second one ends the program at once. Where the kernel does not permit io_uring,
the exit status is 69.
";

fn main() -> ExitCode {
    exit("io_uring", run())
}

#[cfg(target_os = "linux")]
fn run() -> Result<(), Exit> {
    linux::run(Options::from_args(HELP, 9004)?)
}

#[cfg(not(target_os = "linux"))]
fn run() -> Result<(), Exit> {
    Options::from_args(HELP, 9004)?;
    Err(Exit(Exit::UNAVAILABLE, "only Linux has io_uring".to_owned()))
}
