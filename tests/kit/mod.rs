//! What the tests of and with the kit share.
#![allow(dead_code, reason = "each test uses a part of it")]

use proptest::test_runner::{Config, FileFailurePersistence};

/// `cases` of a property, times the environment variable `SOCKLESS_CASES`. Failing seeds are kept in the file `regressions`,
/// and are tried first from then on: one in `proptest-regressions/` for each file of tests, by its full path, so that it is
/// the same one whatever the working directory.
pub(crate) fn config(cases: u32, regressions: &'static str) -> Config {
    let times = std::env::var("SOCKLESS_CASES")
        .ok()
        .and_then(|times| times.parse::<u32>().ok());
    Config {
        cases: cases.saturating_mul(times.unwrap_or(1)),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        max_shrink_iters: 20_000,
        ..Config::default()
    }
}
