//! Arguments.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt as _};
use sockless_conformance::Role;
use sockless_conformance::net::Options;

pub(crate) const HELP: &str = "\
Tests any WebSocket server or client over the wire, against RFC 6455.

Usage:
  wsconform server ws[s]://HOST:PORT[/PATH] [OPTION]...
      Tests a server that echoes each message.
  wsconform client [HOST:]PORT [OPTION]...
      Listens for a client that echoes each message. It opens /getCaseCount, which sends a number as
      text, then /runCase?case=N&agent=NAME for each N from 1, then /updateReports?agent=NAME: a driver
      for the Autobahn test suite does. In the last 200 what failed is made smaller.
  wsconform list server|client
      Lists the cases: section, name and what each is about.

What is run:
  --include WHAT       a section (5 includes 5.4; 7692 is all of RFC 7692) or the name of a case; may be repeated
  --exclude WHAT       the same, left out
  --only ID            one session, by the id that a report gives
  --thorough           every session of the tables, ten times as many
  --no-volume          without the messages of up to 16 MiB
  --shrink SECS        for making findings smaller, by running smaller sessions; 0 leaves them as they are [10]

How it is run:
  --connections N      at once, to a server [16]
  --time-limit SECS    for an answer [2]
  --pause MILLIS       between writes that are to arrive apart [2]
  --wait SECS          gives up when no client comes for so long [60]
  --name NAME          what the reports call it

For wss:// (with the feature tls):
  --insecure           takes any certificate of a server
  --ca FILE            takes what these authorities have signed (PEM)
  --certificate FILE   shows this to clients (PEM), which then connect by wss://
  --key FILE           its key (PEM)

What comes out:
  --json FILE          each session with its verdict, and the bytes where it did not pass; - is the standard output
  --junit FILE         for continuous integration
  --html FILE          one page, with the bytes of each finding
  --colour WHEN        always, never or auto [auto]
  --strict             what is against a SHOULD fails too
  -q, --quiet          nothing but the exit status and the reports asked for
  -h, --help
  -V, --version

Exit status: 0, if nothing fails; 1, if something does; 2, if it cannot be run.
";

#[derive(Clone, Debug)]
pub(crate) enum Command {
    Help,
    Version,
    List(Role),
    Server(String),
    Client(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Junit,
    Html,
}

#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) command: Command,
    pub(crate) options: Options,
    pub(crate) name: Option<String>,
    pub(crate) reports: Vec<(Format, String)>,
    /// `None`: as the terminal has it.
    pub(crate) colour: Option<bool>,
    pub(crate) strict: bool,
    pub(crate) quiet: bool,
    pub(crate) wait: Duration,
}

fn text(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.string().map_err(|error| error.to_string())
}

fn number<T: std::str::FromStr>(parser: &mut lexopt::Parser, option: &str) -> Result<T, String> {
    let value = text(parser)?;
    value
        .parse()
        .map_err(|_| format!("--{option}: {value} is no number that will do"))
}

fn seconds(parser: &mut lexopt::Parser, option: &str) -> Result<Duration, String> {
    let seconds: f64 = number(parser, option)?;
    let duration = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| format!("--{option}: {seconds} is no time that will do"))
}

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, String> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut words = Vec::new();
    let (mut certificate, mut key) = (None, None);
    let mut args = Args {
        command: Command::Help,
        options: Options::default(),
        name: None,
        reports: Vec::new(),
        colour: None,
        strict: false,
        quiet: false,
        wait: Duration::from_secs(60),
    };
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Short('h') | Long("help") => return Ok(args),
            Short('V') | Long("version") => {
                args.command = Command::Version;
                return Ok(args);
            }
            Short('q') | Long("quiet") => args.quiet = true,
            Long("strict") => args.strict = true,
            Long("thorough") => args.options.thorough = true,
            Long("no-volume") => args.options.volume = false,
            Long("shrink") => {
                let seconds: f64 = number(&mut parser, "shrink")?;
                args.options.shrink = Duration::try_from_secs_f64(seconds)
                    .map_err(|_| format!("--shrink: {seconds} is no time that will do"))?;
            }
            Long("include") => args.options.include.push(text(&mut parser)?),
            Long("exclude") => args.options.exclude.push(text(&mut parser)?),
            Long("only") => args.options.only = Some(text(&mut parser)?),
            Long("name") => args.name = Some(text(&mut parser)?),
            Long("connections") => args.options.connections = number(&mut parser, "connections")?,
            Long("time-limit") => args.options.time_limit = seconds(&mut parser, "time-limit")?,
            Long("wait") => args.wait = seconds(&mut parser, "wait")?,
            Long("pause") => args.options.pause = Duration::from_millis(number(&mut parser, "pause")?),
            Long("insecure") => args.options.tls.insecure = true,
            Long("ca") => args.options.tls.authorities = Some(text(&mut parser)?),
            Long("certificate") => certificate = Some(text(&mut parser)?),
            Long("key") => key = Some(text(&mut parser)?),
            Long("json") => args.reports.push((Format::Json, text(&mut parser)?)),
            Long("junit") => args.reports.push((Format::Junit, text(&mut parser)?)),
            Long("html") => args.reports.push((Format::Html, text(&mut parser)?)),
            Long("colour" | "color") => {
                args.colour = match text(&mut parser)?.as_str() {
                    "always" => Some(true),
                    "never" => Some(false),
                    "auto" => None,
                    other => return Err(format!("--colour: {other} is none of always, never and auto")),
                };
            }
            Value(word) => words.push(word.string().map_err(|error| error.to_string())?),
            Short(_) | Long(_) => return Err(arg.unexpected().to_string()),
        }
    }
    args.options.tls.certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(String::from("--certificate and --key belong together")),
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    args.command = match words[..] {
        ["server", url] => Command::Server(String::from(url)),
        ["client", address] => Command::Client(String::from(address)),
        ["list", "server"] => Command::List(Role::Server),
        ["list", "client"] => Command::List(Role::Client),
        ["server"] => return Err(String::from("which server? Give its address, as ws://127.0.0.1:9001")),
        ["client"] => return Err(String::from("which port do clients come to?")),
        [] => return Err(String::from("there is nothing to do")),
        _ => return Err(format!("not understood: {}", words.join(" "))),
    };
    Ok(args)
}
