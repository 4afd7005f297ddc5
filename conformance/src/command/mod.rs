//! The command.

mod args;
mod html;
mod json;
mod junit;
mod terminal;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use args::{Args, Command, Format};
use sockless_conformance::net::{ClientCheck, NetReport, Run, Target, check_server};
use sockless_conformance::{Case, Role, Verdict};

/// Nothing failed.
const PASSED: u8 = 0;
/// Something failed.
const FAILED: u8 = 1;
/// It could not be run.
const TROUBLE: u8 = 2;

pub(crate) fn main() -> ExitCode {
    let code = match args::parse(std::env::args_os().skip(1)) {
        Ok(args) => run(&args),
        Err(text) => trouble(&format!("{text}\nTry: wsconform --help")),
    };
    ExitCode::from(code)
}

fn trouble(text: &str) -> u8 {
    let _ = writeln!(io::stderr(), "wsconform: {text}");
    TROUBLE
}

fn run(args: &Args) -> u8 {
    let checked = match &args.command {
        Command::Help => {
            return say(args::HELP);
        }
        Command::Version => {
            return say(concat!("wsconform ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        Command::List(role) => return say(&list(*role)),
        Command::Server(url) => server(args, url),
        Command::Client(address) => client(args, address),
    };
    match checked {
        Ok(report) => report_all(args, &report),
        Err(text) => trouble(&text),
    }
}

/// Writes to the standard output; that nobody reads on is no trouble.
fn say(text: &str) -> u8 {
    let _ = io::stdout().write_all(text.as_bytes());
    PASSED
}

fn list(role: Role) -> String {
    let mut text = String::new();
    for case in Case::all(role) {
        text += &format!("{:<12}{:<26}{case}\n", case.section(), case.name());
    }
    text
}

/// Shows how far it is, where somebody looks on.
struct Progress {
    shows: bool,
    last: Mutex<Option<Instant>>,
}

impl Progress {
    fn new(args: &Args) -> Self {
        Self {
            shows: !args.quiet && io::stderr().is_terminal(),
            last: Mutex::new(None),
        }
    }

    fn tell(&self, run: &Run, done: usize, of: usize) {
        let Ok(mut last) = self.last.lock() else { return };
        let is_due = last.is_none_or(|last| last.elapsed() > Duration::from_millis(100)) || done == of;
        if self.shows && is_due {
            let then = if done == of { ", findings are made smaller" } else { "" };
            let _ = write!(io::stderr(), "\r\x1b[K{done} of {of}: {}{then}", run.id);
            let _ = io::stderr().flush();
        }
        *last = Some(Instant::now());
    }

    /// How long nothing has happened.
    fn idle(&self, since: Instant) -> Duration {
        let last = self.last.lock().ok().and_then(|last| *last);
        last.unwrap_or(since).elapsed()
    }

    fn clear(&self) {
        if self.shows {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn server(args: &Args, url: &str) -> Result<NetReport, String> {
    let target = Target::parse(url)?;
    let progress = Progress::new(args);
    let name = args.name.as_deref().unwrap_or(url);
    let report = check_server(name, &target, &args.options, &|run, done, of| {
        progress.tell(run, done, of)
    });
    progress.clear();
    report
}

fn client(args: &Args, address: &str) -> Result<NetReport, String> {
    let address = if address.contains(':') {
        address.to_string()
    } else {
        format!("127.0.0.1:{address}")
    };
    let check = ClientCheck::bind(&address, args.options.clone()).map_err(|error| format!("{address}: {error}"))?;
    let bound = check.address().map_err(|error| error.to_string())?;
    let scheme = if args.options.tls.certificate.is_some() {
        "wss"
    } else {
        "ws"
    };
    if !args.quiet {
        let _ = writeln!(io::stderr(), "listening on {scheme}://{bound}, {} cases", check.count());
    }
    let progress = Progress::new(args);
    let started = Instant::now();
    let goes_on = || progress.idle(started) < args.wait;
    let report = check.run(&|run, done, of| progress.tell(run, done, of), &goes_on);
    progress.clear();
    let mut report = report.map_err(|error| error.to_string())?;
    if report.runs.is_empty() {
        return Err(format!("no client has come within {:?}", args.wait));
    }
    if let Some(name) = &args.name {
        report.report.name.clone_from(name);
    }
    Ok(report)
}

/// Writes the reports that are asked for, and says how it went.
fn report_all(args: &Args, report: &NetReport) -> u8 {
    for (format, file) in &args.reports {
        let text = match format {
            Format::Json => json::report(report),
            Format::Junit => match junit::report(report) {
                Ok(text) => text,
                Err(error) => return trouble(&error),
            },
            Format::Html => html::report(report),
        };
        let written = if file == "-" {
            io::stdout().write_all(text.as_bytes())
        } else {
            std::fs::write(file, text)
        };
        if let Err(error) = written {
            return trouble(&format!("{file}: {error}"));
        }
    }
    let to_stdout = args.reports.iter().any(|(_, file)| file == "-");
    if !to_stdout && !args.quiet {
        let colour = args
            .colour
            .unwrap_or_else(|| io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
        say(&terminal::report(report, colour));
    }
    let worst = report.report.verdict();
    let fails = worst == Verdict::Fail || args.strict && worst == Verdict::Should;
    if fails { FAILED } else { PASSED }
}
