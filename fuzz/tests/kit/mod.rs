//! How many cases the tests with the kit run.
#![allow(dead_code, reason = "each test uses a part of it")]

use proptest::test_runner::{Config, FileFailurePersistence};

/// `cases` of a property, times the environment variable `SOCKLESS_CASES`. Failing seeds are kept in the file `regressions`,
/// by its full path, so that it is the same one whatever the working directory, and are tried first from then on.
pub(crate) fn config(cases: u32, regressions: &'static str) -> Config {
    Config {
        cases: cases.saturating_mul(times()),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        max_shrink_iters: 20_000,
        ..Config::default()
    }
}

/// The environment variable `SOCKLESS_CASES`, or one.
pub(crate) fn times() -> u32 {
    let times = std::env::var("SOCKLESS_CASES").ok();
    times.and_then(|times| times.parse().ok()).unwrap_or(1)
}
