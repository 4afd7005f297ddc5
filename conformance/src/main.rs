//! `wsconform`: tests any WebSocket server or client over the wire.

#![forbid(unsafe_code)]

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
