//! What the examples share: their arguments and exit statuses.
#![allow(dead_code, reason = "not every example needs all of it")]

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use sockless_tokio::sockless::timers::Rate;
use sockless_tokio::{Connector, Timeouts};

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

/// Passes each argument to `take`: with the name of its option, or with an empty name. Those in `flags` have no value. Prints
/// `help` if it is asked for, and ends.
pub(crate) fn arguments(
    help: &str,
    names: &[&str],
    flags: &[&str],
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
                Long(name) => match (
                    names.iter().find(|known| **known == name),
                    flags.iter().find(|known| **known == name),
                ) {
                    (Some(name), _) => take(name, parser.value()?.string()?)?,
                    (None, Some(flag)) => take(flag, String::new())?,
                    (None, None) => return Err(Long(name).unexpected()),
                },
                Value(value) => take("", value.string()?)?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(())
    };
    parse().map_err(Exit::usage)
}

/// Sets a deadline, as in `close=2.5` or `idle=off`.
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

/// A client that offers to compress messages.
pub(crate) fn compressing(connector: Connector) -> Result<Connector, lexopt::Error> {
    #[cfg(feature = "deflate")]
    return Ok(connector.deflate(sockless_tokio::sockless::deflate::DeflateOptions::new()));
    #[cfg(not(feature = "deflate"))]
    {
        let _ = connector;
        Err("this was built without the feature 'deflate'".into())
    }
}
