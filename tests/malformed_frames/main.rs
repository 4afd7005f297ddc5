//! What a peer can get wrong: for each sequence the exact rule or limit, the close code on the wire, and the byte at
//! which it must be refused at the latest (law L5), however the bytes are cut (law L1).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod table;

use common::*;
use sockless::connection::{Connection, Role, TransportAction};
use sockless::error::{Failure, Violation};
use sockless::limits::Limits;
use table::{Row, table};

/// Runs a row whole, byte by byte, and at every two-way split (around its places of interest where it is long).
fn check<R: Role>(role: fn() -> R, row: &Row) {
    let name = row.name;
    let at = row.before.len() + row.at;
    let bytes = [&row.before[..], &row.bad].concat();
    let expected = run(role(), &row.limits, false, &bytes, &[]);
    assert_eq!(expected.error, Some(row.error), "{name}");
    assert_eq!(expected.transport, TransportAction::ShutDownSend, "{name}");
    let record = &expected.record;
    assert_eq!(
        (record.sent, record.failure),
        (Some(row.code), Some(row.error)),
        "{name}"
    );
    assert!(
        expected.output.ends_with(&close_from_us::<R>(row.code)),
        "{name}: {:x?}",
        expected.output
    );
    assert_eq!(row.error.close_code().0, row.code, "{name}");

    // What came before is not touched by what comes after.
    let before = run(role(), &row.limits, false, &row.before, &[]);
    assert_eq!(before.error, None, "{name}");
    assert!(expected.seen.starts_with(&before.seen), "{name}");
    assert!(
        expected.output.len() == before.output.len() + close_from_us::<R>(row.code).len(),
        "{name}"
    );

    // The byte that must be refused at the latest is enough, and where something legal could come, the first.
    let early = run(role(), &row.limits, false, &bytes[..=at], &[]);
    assert_eq!(early, expected, "{name}: refused at byte {at}");
    if row.exact {
        assert_eq!(
            run(role(), &row.limits, false, &bytes[..at], &[]).error,
            None,
            "{name}: byte {at} decides"
        );
    }

    let messages = expected.as_messages();
    if row.error != Violation::TextNotUtf8.into() {
        let early = run_messages(role(), &row.limits, false, &bytes[..=at], &[]);
        assert_eq!(early, messages, "{name}: refused at byte {at} at the message level");
    }
    let fixed = Way::Fixed(100_000 + 131);
    let ways = [Way::Own, Way::Lent(1), Way::Lent(64 << 10), fixed];
    for cuts in [vec![], vec![at], byte_by_byte(&bytes)] {
        for way in ways {
            // A byte at a time through the longest rows is done below, as far as it matters.
            if cuts.len() > 1000 {
                continue;
            }
            let joined = drive(Connection::new(role(), &row.limits), way, false, &bytes, &cuts);
            assert_eq!(joined, messages, "{name}: {way:?}, {} cuts", cuts.len());
            let apart = drive(Apart::new(role(), &row.limits), way, false, &bytes, &cuts);
            assert_eq!(apart, messages, "{name}: {way:?}, {} cuts, halves apart", cuts.len());
        }
    }

    // Nothing after the byte that is refused matters: a long tail is not cut everywhere.
    let until = bytes.len().min(at + 20);
    let bytewise: Vec<usize> = (1..until).collect();
    let splits = (0..=until).map(|cut| vec![cut]);
    for cuts in splits.chain([bytewise]) {
        assert_eq!(
            run(role(), &row.limits, false, &bytes[..until], &cuts),
            expected,
            "{name}: cut at {cuts:?}"
        );
        assert_eq!(
            run_messages(role(), &row.limits, false, &bytes, &cuts),
            messages,
            "{name}: cut at {cuts:?}"
        );
    }
}

fn every_row<R: Role>(role: fn() -> R) {
    let table = table::<R>();
    println!("{} malformed sequences", table.len());
    assert!(table.len() >= 60);
    for row in &table {
        check(role, row);
    }
    for violation in Violation::ALL {
        let other_role = if R::IS_CLIENT {
            Violation::UnmaskedFrame
        } else {
            Violation::MaskedFrame
        };
        let covered = table.iter().any(|row| row.error == Failure::Violation(*violation));
        // Those of compressed messages are in `tests/deflate`.
        let here = *violation != other_role && violation.section().starts_with("RFC 6455");
        assert_eq!(covered, here, "{violation:?}");
    }
}

/// Bytes from a generator, some of them nearly frames: no panic, progress, and the same however they are cut.
fn noise<R: Role>(role: fn() -> R) {
    let limits = Limits::default()
        .with_max_frame_len(300)
        .with_max_message_len(500)
        .with_fragment_budget(4);
    let mut numbers = Numbers(0x6455);
    let mut failures = std::collections::BTreeMap::new();
    for _ in 0..3000 {
        let mut bytes = Vec::new();
        for _ in 0..1 + numbers.below(6) {
            let first = [0x01, 0x81, 0x82, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88][numbers.below(9)];
            let len = [0, 1, 2, 5, 125, 126, 200][numbers.below(7)];
            let payload = match numbers.below(3) {
                0 => numbers.text(len).into_bytes(),
                1 => numbers.bytes(len),
                _ => [&[3, 0xe8][..], numbers.text(len).as_bytes()].concat(),
            };
            bytes.extend(from_peer::<R>(first, &payload));
            if numbers.below(8) == 0 {
                let at = numbers.below(bytes.len());
                bytes[at] ^= 1 << numbers.below(8);
            }
        }
        let expected = run(role(), &limits, true, &bytes, &[]);
        *failures.entry(format!("{:?}", expected.error)).or_insert(0) += 1;
        assert_eq!(
            run(role(), &limits, true, &bytes, &byte_by_byte(&bytes)),
            expected,
            "{bytes:x?}"
        );
        let mut cuts: Vec<usize> = (0..4).map(|_| numbers.below(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        assert_eq!(
            run(role(), &limits, true, &bytes, &cuts),
            expected,
            "{bytes:x?} cut at {cuts:?}"
        );
        if expected.error == Some(Violation::TextNotUtf8.into()) {
            // The message level refuses text at the end of a frame.
            bytes.extend([0; 320]);
        }
        let way = Way::messages(500 + 131)[numbers.below(5)];
        let messages = drive(Connection::new(role(), &limits), way, true, &bytes, &cuts);
        assert_eq!(messages, expected.as_messages(), "{bytes:x?} cut at {cuts:?}, {way:?}");
    }
    println!("{failures:#?}");
    assert!(failures.len() > 10, "{failures:?}");
}

both_roles!(every_row, noise);
