//! This crate under the conformance kit, at each of its levels, as any other implementation would be.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: a panic here is a failing test"
)]

#[path = "kit/this_crate.rs"]
mod this_crate;

use sockless_conformance::{Checker, Role, Verdict, Wire};
use this_crate::{buffered, this_crate};

fn passes(name: &str, mut implementation: fn(&mut Wire)) {
    let times = std::env::var("SOCKLESS_CASES").ok().and_then(|times| times.parse::<u32>().ok());
    let checker = Checker::new().cases(24_u32.saturating_mul(times.unwrap_or(1)));
    for role in Role::ALL {
        let report = checker.check(name, role, &mut implementation);
        assert_eq!(report.verdict(), Verdict::Pass, "{report}");
        assert_eq!(report.with(Verdict::Skipped).count(), 0, "{report}");
        assert_eq!(report.limits, Vec::<String>::new());
    }
}

#[test]
fn this_crate_passes() {
    passes("sockless", this_crate);
}

/// The machine that owns its buffers.
#[test]
fn the_buffered_machine_passes() {
    passes("sockless::buffered", buffered);
}
