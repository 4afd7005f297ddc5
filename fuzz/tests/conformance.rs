//! The crate passes the conformance kit, at each level and in both roles.

mod kit;

use sockless_conformance::{Case, Checker, Role, Rule, Verdict, Wire};
use sockless_fuzz::implementation;
use sockless_fuzz::level::Level;

fn passes(name: &str, level: Level, mut run: fn(&mut Wire)) {
    for role in Role::ALL {
        let report = Checker::new().cases(8 * kit::times()).check(name, role, &mut run);
        for finding in &report.findings {
            // At the message level text is judged when a frame is whole, not at the byte that breaks it.
            let later = level.is_of_messages() && finding.case == Case::Broken(Rule::TextNotUtf8);
            let expected = if later { Verdict::Custom } else { Verdict::Pass };
            assert_eq!(finding.verdict, expected, "{report}");
        }
        assert_eq!(report.limits, Vec::<String>::new());
    }
}

#[test]
fn chunks_pass() {
    passes("chunks", Level::Chunks, implementation::chunks);
}

#[test]
fn chunk_halves_pass() {
    passes("chunks, halves", Level::ChunkHalves, implementation::chunk_halves);
}

#[test]
fn messages_pass() {
    passes("messages", Level::Messages, implementation::messages);
}

#[test]
fn message_halves_pass() {
    passes("messages, halves", Level::MessageHalves, implementation::message_halves);
}

#[test]
fn messages_over_a_shared_buffer_pass() {
    passes("messages, lent memory", Level::Lent, implementation::lent);
}

#[test]
fn messages_over_fixed_memory_pass() {
    passes("messages, fixed", Level::Fixed, implementation::fixed);
}

#[test]
fn the_buffered_machine_passes() {
    passes("buffered", Level::Buffered, implementation::buffered);
}
