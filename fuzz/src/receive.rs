//! Received bytes: against the model, and at each level against the streaming level.

use arbitrary::{Arbitrary as _, Unstructured};
use sockless::error::Violation;
use sockless::limits::Limits;
use sockless_conformance::{Role, Split, generate};

use crate::level::Level;
use crate::model::agrees_with_model;
use crate::outcome::{FIXED_LONGEST, Outcome, run};

/// What a client sends, with limits and a way to cut it: all levels come to the same.
pub fn receive_server(data: &[u8]) {
    receive(Role::Server, data);
}

/// What a server sends, with limits and a way to cut it: all levels come to the same.
pub fn receive_client(data: &[u8]) {
    receive(Role::Client, data);
}

fn receive(role: Role, data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (limits, split) = match (Limits::arbitrary(&mut u), Split::arbitrary(&mut u)) {
        (Ok(limits), Ok(split)) => (limits, split),
        _ => return,
    };
    chunking_invariance(role, &limits, u.take_rest(), &[split]);
}

/// Laws L1, L2, L6, L7: all levels under all of these splits come to the same.
pub fn chunking_invariance(role: Role, limits: &Limits, bytes: &[u8], splits: &[Split]) {
    let each_byte: Vec<&[u8]> = bytes.chunks(1).collect();
    let expected = run(Level::Chunks, role, limits, &each_byte);
    // Fixed memory is one more limit.
    let fixed_limits = limits.with_max_message_len(limits.max_message_len.min(FIXED_LONGEST.into()));
    let fixed_expected = run(Level::Chunks, role, &fixed_limits, &each_byte);
    for split in [&Split::Whole, &Split::EachByte].into_iter().chain(splits) {
        let cuts = split.cuts(role, bytes, 0);
        let chunks = generate::chunks(bytes, &cuts);
        for level in Level::ALL {
            let expected = if level == Level::Fixed {
                &fixed_expected
            } else {
                &expected
            };
            let seen = run(level, role, limits, &chunks);
            let what = format!("{level:?}, {split:?}");
            if !level.is_of_messages() {
                assert_eq!(seen.events, expected.events, "events, {what}");
            }
            assert_eq!(seen.whole_events(), expected.whole_events(), "whole events, {what}");
            same_end(level, &seen, expected, &cuts, bytes.len(), &what);
        }
    }
}

/// The failure, when it is seen, and what is sent are the same. At the message level, text may be judged later.
fn same_end(level: Level, seen: &Outcome, expected: &Outcome, cuts: &[usize], len: usize, what: &str) {
    let is_text = level.is_of_messages() && expected.failure == Some(Violation::TextNotUtf8.into());
    if is_text && seen.failure.is_none() {
        // The rest of the frame has not come, and nobody has judged its start.
        assert!(expected.output.starts_with(&seen.output), "output, {what}");
        return;
    }
    assert_eq!(seen.failure, expected.failure, "failure, {what}");
    assert_eq!(seen.output, expected.output, "output, {what}");
    let chunk_end = |after| cuts.iter().copied().find(|cut| *cut >= after).unwrap_or(len);
    let earliest = expected.failed_after.map(chunk_end);
    if is_text {
        assert!(seen.failed_after >= earliest, "too early, {what}");
    } else {
        assert_eq!(seen.failed_after, earliest, "too early or too late, {what}");
    }
}

/// The machine and the model, under a split; with the default limits, and with some that are soon met.
pub fn differential(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(role), Ok(split)) = (Role::arbitrary(&mut u), Split::arbitrary(&mut u)) else {
        return;
    };
    let bytes = u.take_rest();
    let tight = Limits::default()
        .with_max_frame_len(60)
        .with_max_message_len(100)
        .with_fragment_budget(3);
    for limits in [Limits::default(), tight] {
        agrees_with_model(role, &limits, bytes, &split.cuts(role, bytes, 0));
    }
}
