//! What the examples share: arguments, exit statuses, and what to say of errors.

#![allow(dead_code, reason = "no example uses all of it")]

pub(crate) mod client;
pub(crate) mod deflate;
pub(crate) mod server;
pub(crate) mod stop;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};
use sockless::connection::Role;
use sockless::timers::Rate;
use sockless::{BufferedConnection, Timeouts};

/// How long a peer may take to answer.
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

impl From<Exit> for Box<dyn Error> {
    fn from(Exit(_, text): Exit) -> Self {
        text.into()
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

/// Passes each argument to `take`: with the name of its option, which is one of `names`, or with an empty name. A name that
/// ends in `=` takes a value. Prints `help` if it is asked for, and ends.
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
                Long(name) => match names.iter().find(|known| known.trim_end_matches('=') == name) {
                    Some(known) if !known.ends_with('=') => take(known, String::new())?,
                    Some(known) => take(known.trim_end_matches('='), parser.value()?.string()?)?,
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

/// Sets one of the deadlines, as `ping-after=2.5` or `idle=off` says.
pub(crate) fn set_timeout(timeouts: &mut Timeouts, text: &str) -> Result<(), lexopt::Error> {
    let wrong = || format!("'{text}' is not the name of a deadline, '=', and seconds or 'off'");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let time = match value {
        "off" => None,
        _ => {
            let seconds = value.parse().map_err(|_| wrong())?;
            Some(Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?)
        }
    };
    *timeouts = match name {
        "handshake" => timeouts.with_handshake(time),
        "ping-after" => timeouts.with_ping_after(time),
        "pong-within" => timeouts.with_pong_within(time),
        "idle" => timeouts.with_idle(time),
        "message" => timeouts.with_message(time.map(|grace| Rate {
            grace,
            bytes_per_second: 500,
        })),
        "write" => timeouts.with_write(time),
        "close" => timeouts.with_close(time),
        _ => return Err(wrong().into()),
    };
    Ok(())
}

/// That compressed messages are wanted.
pub(crate) fn want_deflate() -> Result<bool, lexopt::Error> {
    if deflate::IS_BUILT {
        Ok(true)
    } else {
        Err("to compress messages, build this example with --features deflate".into())
    }
}

/// Whether a read or a write has ended because of its time-out, which systems report in two ways.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// How a connection has ended, if a deadline has ended it.
pub(crate) fn ended<R: Role>(ws: &BufferedConnection<R>) -> Outcome {
    match ws.timers().and_then(|timers| timers.passed()) {
        Some(deadline) => Err(deadline.text().into()),
        None => Ok(()),
    }
}
