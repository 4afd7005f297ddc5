//! How the programs here end.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a program ends before its time.
pub enum Exit {
    /// The arguments are wrong: exit status 2.
    Usage(lexopt::Error),
    /// Exit status 1.
    Failed(String),
}

impl Exit {
    /// What has failed.
    pub fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The exit status of a program, after the last word to the user.
pub fn exit(program: &str, result: Result<(), Exit>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit::Usage(error)) => {
            eprintln!("{program}: {error}\nTry --help.");
            ExitCode::from(2)
        }
        Err(Exit::Failed(error)) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
