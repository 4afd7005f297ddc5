//! What the examples share: arguments, exit statuses, and leaving a TCP connection so that the last bytes arrive.

#![allow(dead_code, reason = "no example uses all of it")]

pub(crate) mod client;
pub(crate) mod server;

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::{Long, Short, Value, ValueExt};
use sockless::buffer::WriteBuffer;

/// How long a handshake, a write, and a peer that was sent a Close may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What can go wrong with one connection.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Why a program ends before its time: its exit status, and what to say.
pub(crate) struct Exit(pub(crate) u8, pub(crate) String);

impl Exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;

    pub(crate) fn usage(what: impl ToString) -> Self {
        let text = format!("{}\nTry --help.", what.to_string());
        Self(Self::USAGE, text)
    }
}

/// The exit status of a program, after the last word to the user.
pub(crate) fn exit(result: Result<(), Exit>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit(status, text)) => {
            eprintln!("{}: {text}", env!("CARGO_CRATE_NAME"));
            ExitCode::from(status)
        }
    }
}

/// Passes each argument to `take`: with the name of its option, which is one of `names`, or with an empty name. Prints
/// `help` if it is asked for, and ends.
pub(crate) fn arguments(
    help: &str,
    names: &[&str],
    mut take: impl FnMut(&str, String) -> Result<(), lexopt::Error>,
) -> Result<(), Exit> {
    let mut parser = lexopt::Parser::from_env();
    let mut parse = || {
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => {
                    let _ = io::stdout().write_all(help.as_bytes());
                    std::process::exit(0);
                }
                Long(name) => match names.iter().find(|known| **known == name) {
                    Some(name) => take(name, parser.value()?.string()?)?,
                    None => return Err(Long(name).unexpected()),
                },
                Value(value) => take("", value.string()?)?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(())
    };
    parse().map_err(Exit::usage)
}

/// Writes all that waits in `out`.
pub(crate) fn write_all(stream: &mut impl Write, out: &mut WriteBuffer) -> io::Result<()> {
    while !out.unwritten().is_empty() {
        match stream.write(out.unwritten()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => out.written(len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads and discards until the peer has closed, or until patience ends.
pub(crate) fn wait_for_end(stream: &mut TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut scrap = [0; 4096];
    loop {
        read_until(stream, deadline)?;
        if stream.read(&mut scrap)? == 0 {
            return Ok(());
        }
    }
}

/// The next read ends at `deadline`, which has passed already if this is an error.
pub(crate) fn read_until(stream: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))
}

/// Whether a read or a write has ended because of its time-out, which systems report in two ways.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What to say of an error. A time-out calls itself "Resource temporarily unavailable" otherwise.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(error) if is_timeout(error) => "the peer takes too long".to_owned(),
        _ => error.to_string(),
    }
}
