//! The crate passes the conformance kit, at each level and in both roles.

mod kit;

use sockless_conformance::{Case, Checker, Role, Rule, Topic, Verdict, Wire};
use sockless_fuzz::implementation;
use sockless_fuzz::level::Level;

fn passes(name: &str, level: Level, mut run: fn(&mut Wire)) {
    for role in Role::ALL {
        let report = Checker::new().cases(8 * kit::times()).check(name, role, &mut run);
        for finding in &report.findings {
            // At the message level text is judged when a frame is whole, not at the byte that breaks it: section 8.1 does not
            // say when.
            let later = level.is_of_messages() && finding.case == Case::Broken(Rule::TextNotUtf8);
            let expected = match finding.case {
                // Whoever declines all offers does right.
                Case::Legal(Topic::Negotiation) if role == Role::Server => Verdict::Pass,
                case if case.is_of_compression() => Verdict::Skipped,
                _ if later => Verdict::Custom,
                _ => Verdict::Pass,
            };
            assert_eq!(finding.verdict, expected, "{report}");
            assert!(!later || finding.why.starts_with("notices after "), "{report}");
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
fn compressed_messages_pass() {
    for role in Role::ALL {
        let checker = Checker::new().cases(8 * kit::times()).about(Case::is_of_compression);
        let report = checker.check("compressed", role, &mut implementation::compressed);
        for finding in &report.findings {
            // An inflater of 15 bits serves every window: the RFC does not have a receiver look at distances.
            let far = finding.case == Case::Broken(Rule::DistanceTooFar);
            let expected = if far { Verdict::Custom } else { Verdict::Pass };
            assert_eq!(finding.verdict, expected, "{report}");
        }
    }
}

#[test]
fn the_buffered_machine_passes() {
    passes("buffered", Level::Buffered, implementation::buffered);
}
