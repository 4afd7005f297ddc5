//! The kit checked: its generators against its model, this crate against its checker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: a panic here is a failing test"
)]

mod kit;

use kit::this_crate::{buffered, this_crate};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sockless::conformance::model::{self, Event, Opening};
use sockless::conformance::{Case, Checker, Role, Rule, Session, Split, Topic, Verdict, Wire, generate};

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/conformance.txt");

/// What the generator says about a session is what the model makes of it.
fn label_is_right(session: &Session) {
    let (head, frames) = session.bytes.split_at(session.head_len);
    if session.head_len > 0 {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let answered = session.bytes_for(key);
        let opening = match session.role {
            Role::Server => model::request(head),
            Role::Client => model::response(&answered[..session.head_len], key),
        };
        match (session.case, opening) {
            (Case::Legal(_), opening) => assert_eq!(opening, Opening::Accepted { head_len: head.len() }),
            (Case::Broken(rule), Opening::Refused(rules)) => assert!(rules.contains(&rule), "{rule:?} {rules:?}"),
            (Case::Broken(rule), opening) => panic!("{rule:?}: {opening:?}"),
        }
        for len in (0..head.len()).step_by(13).chain([head.len() - 1]) {
            let part = match session.role {
                Role::Server => model::request(&head[..len]),
                Role::Client => model::response(&head[..len], key),
            };
            assert_eq!(part, Opening::Unfinished);
        }
    }
    let verdict = model::receive(session.role, frames, &session.bounds).verdict;
    match session.case {
        Case::Legal(_) => {
            assert!(
                matches!(verdict, model::Verdict::Complete | model::Verdict::Closed { .. }),
                "{verdict:?}"
            );
            assert_eq!(session.after, None);
        }
        Case::Broken(rule) if rule.is_of_handshake() => {}
        Case::Broken(rule) => {
            let model::Verdict::Broken { rules, after } = verdict else {
                panic!("{rule:?}: {verdict:?}");
            };
            assert_eq!(Some(after), session.after, "{rules:?}");
            assert!(rules.contains(&rule), "{rule:?} {rules:?}");
        }
    }
}

#[test]
fn labels_are_right() {
    for role in Role::ALL {
        for case in Case::all(role)
            .into_iter()
            .chain([Case::Broken(Rule::TooManyFragments)])
        {
            let mut runner = TestRunner::new(kit::config(40, REGRESSIONS));
            let checked = runner.run(&generate::session(role, case), |session| {
                label_is_right(&session);
                Ok(())
            });
            checked.unwrap_or_else(|error| panic!("{role} {case}: {error}"));
        }
    }
}

/// Exactly one rule is broken: without the faulty part nothing is, which the topics show; and no rule is left out.
#[test]
fn every_rule_concerns_some_role() {
    for rule in Rule::ALL {
        assert!(Role::ALL.iter().any(|role| rule.concerns(*role)), "{rule:?}");
    }
    assert_eq!(Topic::ALL.len(), 9);
}

fn passes(name: &str, implementation: fn(&mut Wire)) {
    for role in Role::ALL {
        let cases = kit::config(24, REGRESSIONS).cases;
        let mut implementation = implementation;
        let report = Checker::new().cases(cases).check(name, role, &mut implementation);
        assert_eq!(report.verdict(), Verdict::Pass, "{report}");
        assert_eq!(report.with(Verdict::Skipped).count(), 0, "{report}");
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

#[test]
fn a_report_is_the_same_each_time() {
    let report = || {
        Checker::new()
            .cases(3)
            .seed(7)
            .check("x", Role::Server, &mut this_crate)
            .to_string()
    };
    assert_eq!(report(), report());
}

/// A limit that is as good as none, and a message that gives back some of it.
#[test]
fn the_model_takes_any_budget_of_fragments() {
    let bounds = model::Bounds {
        frame_len: u64::MAX,
        message_len: u64::MAX,
        fragments: u64::MAX,
    };
    let mut bytes = vec![0x02, 64];
    bytes.extend([b'x'; 64]);
    bytes.extend([0x80, 0]);
    let reading = model::receive(Role::Client, &bytes, &bounds);
    assert_eq!(reading.verdict, model::Verdict::Complete);
}

/// From one fragment up to as many as are asked for, these included.
#[test]
fn many_fragments_are_up_to_so_many() {
    for most in [1, 2, 5] {
        let mut runner = TestRunner::deterministic();
        let strategy = generate::many_fragments(Role::Client, most);
        let counts = (0..200).map(|_| {
            let bytes = strategy.new_tree(&mut runner).unwrap().current();
            let reading = model::receive(Role::Client, &bytes, &generate::BOUNDS);
            let frames = reading
                .events
                .iter()
                .filter(|event| matches!(event, Event::Data { .. }));
            frames.count()
        });
        let counts: Vec<_> = counts.collect();
        let ends = (counts.iter().copied().min(), counts.iter().copied().max());
        assert_eq!(ends, (Some(1), Some(most)));
    }
}

proptest! {
    #![proptest_config(kit::config(200, REGRESSIONS))]

    /// Chunks are the bytes again, whatever the cuts.
    #[test]
    fn cuts_lose_nothing(session in generate::legal(Role::Server), split in generate::split()) {
        let cuts = split.cuts(session.role, &session.bytes, session.head_len);
        prop_assert_eq!(generate::chunks(&session.bytes, &cuts).concat(), session.bytes);
    }

    /// A cut inside each character is between two bytes of it.
    #[test]
    fn cuts_in_characters_split_them(text in "[a-zäß€𝄞]{1,8}") {
        let mut bytes = vec![0x81, text.len() as u8];
        bytes.extend_from_slice(text.as_bytes());
        let cuts = Split::Characters.cuts(Role::Client, &bytes, 0);
        for cut in &cuts {
            prop_assert!(!text.is_char_boundary(cut - 2));
        }
        prop_assert_eq!(cuts.len(), text.len() - text.chars().count());
    }
}
