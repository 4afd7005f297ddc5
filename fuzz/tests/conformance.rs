//! The crate passes the conformance kit, at each level and in both roles.

mod kit;

use sockless_conformance::{Checker, Role, Verdict, Wire};
use sockless_fuzz::implementation;

fn passes(name: &str, mut run: fn(&mut Wire)) {
    for role in Role::ALL {
        let report = Checker::new().cases(8 * kit::times()).check(name, role, &mut run);
        assert_eq!(report.verdict(), Verdict::Pass, "{report}");
        assert_eq!(report.with(Verdict::Skipped).count(), 0, "{report}");
        assert_eq!(report.limits, Vec::<String>::new());
    }
}

#[test]
fn chunks_pass() {
    passes("chunks", implementation::chunks);
}

#[test]
fn chunk_halves_pass() {
    passes("chunks, halves", implementation::chunk_halves);
}

#[test]
fn messages_pass() {
    passes("messages", implementation::messages);
}

#[test]
fn message_halves_pass() {
    passes("messages, halves", implementation::message_halves);
}

#[test]
fn messages_over_a_shared_buffer_pass() {
    passes("messages, shared", implementation::shared);
}

#[test]
fn messages_over_fixed_memory_pass() {
    passes("messages, fixed", implementation::fixed);
}

#[test]
fn the_buffered_machine_passes() {
    passes("buffered", implementation::buffered);
}
