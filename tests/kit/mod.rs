//! What the tests of and with the kit share.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod this_crate;

use proptest::test_runner::{Config, FileFailurePersistence};

/// `cases` of a property, times the environment variable `SOCKLESS_CASES`; regressions under `proptest-regressions/`.
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
