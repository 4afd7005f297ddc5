//! What the examples share: their arguments and exit statuses.
#![allow(dead_code, reason = "not every example needs all of it")]

pub(crate) mod echo;
#[cfg(feature = "hyper")]
pub(crate) mod http;
pub(crate) mod interrupts;
pub(crate) mod stop;
pub(crate) mod tls;

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

/// Why messages cannot be compressed.
#[cfg(not(feature = "deflate"))]
const NO_DEFLATE: &str = "to compress messages, build this example with --features deflate";

/// A client that offers to compress messages.
pub(crate) fn compressing(connector: Connector) -> Result<Connector, lexopt::Error> {
    #[cfg(feature = "deflate")]
    return Ok(connector.deflate(sockless_tokio::sockless::deflate::DeflateOptions::new()));
    #[cfg(not(feature = "deflate"))]
    {
        let _ = connector;
        Err(NO_DEFLATE.into())
    }
}

/// A client that trusts these servers over TLS, and nobody else.
#[cfg(feature = "rustls")]
pub(crate) fn trusting(connector: Connector, file: &str) -> Result<Connector, lexopt::Error> {
    use sockless_tokio::rustls::pki_types::{CertificateDer, pem::PemObject};
    use sockless_tokio::rustls::{ClientConfig, RootCertStore, crypto::ring};
    let cannot = |error: &dyn std::fmt::Display| lexopt::Error::from(format!("'{file}': {error}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot(&error))? {
        let certificate = certificate.map_err(|error| cannot(&error))?;
        roots.add(certificate).map_err(|error| cannot(&error))?;
    }
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(connector.tls(config.into()))
}

#[cfg(not(feature = "rustls"))]
pub(crate) fn trusting(_: Connector, _: &str) -> Result<Connector, lexopt::Error> {
    Err("for wss://, build this example with --features rustls".into())
}
