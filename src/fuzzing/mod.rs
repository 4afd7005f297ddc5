//! Bodies of the fuzz targets, and what the property tests share with them. Not a public interface.
//!
//! Each body takes arbitrary bytes and panics where something is wrong. `fuzz/` makes a target of each; the crate's
//! tests run them over the seeds in `fuzz/seeds/`.

#![allow(missing_docs, reason = "for this crate's own tests only")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "test code: a panic here is a finding"
)]

mod duet;
mod head;
mod machine;
mod session;

pub use duet::endpoints;
pub use head::{grammar, request_head, response_head};
pub use machine::{Level, Outcome, Peer, agrees_with_model, rule_of, run};
pub use session::structured_session;

use alloc::vec::Vec;

use crate::conformance::{Role, Split, generate};
use crate::error::Violation;
use crate::frame::Header;
use crate::limits::Limits;
use arbitrary::{Arbitrary as _, Unstructured};

/// A fuzz target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("frame_header", frame_header),
    ("receive_server", receive_server),
    ("receive_client", receive_client),
    ("request_head", request_head),
    ("response_head", response_head),
    ("grammar", grammar),
    ("structured_session", structured_session),
    ("differential", differential),
    ("endpoints", endpoints),
];

/// Decoding a header: encoding gives the same bytes back, no shorter start is a whole header, and what is wrong with a
/// start is wrong with all that goes on from it.
pub fn frame_header(data: &[u8]) {
    let mut verdict: Option<Result<(Header, usize), Violation>> = None;
    for len in 0..=data.len().min(16) {
        let now = Header::decode(&data[..len]);
        match (verdict, now) {
            (None, Ok(None)) => {}
            (None, Ok(Some((header, header_len)))) => {
                assert_eq!(header_len, len, "a header that was whole before its last byte");
                assert_eq!(header.encode().as_bytes(), &data[..len]);
                verdict = Some(Ok((header, header_len)));
            }
            (None, Err(violation)) => verdict = Some(Err(violation)),
            (Some(Ok(first)), now) => assert_eq!(Ok(Some(first)), now),
            (Some(Err(first)), now) => assert_eq!(Err(first), now),
        }
    }
    assert!(
        data.len() < 14 || verdict.is_some(),
        "fourteen bytes are always a whole header"
    );
}

pub fn receive_server(data: &[u8]) {
    receive(Role::Server, data);
}

pub fn receive_client(data: &[u8]) {
    receive(Role::Client, data);
}

/// Bytes, limits and a way to cut them: all levels, however they are fed, come to the same.
fn receive(role: Role, data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (limits, split) = match (Limits::arbitrary(&mut u), Split::arbitrary(&mut u)) {
        (Ok(limits), Ok(split)) => (limits, split),
        _ => return,
    };
    let bytes = u.take_rest();
    chunking_invariance(role, &limits, bytes, &[split]);
}

/// Laws L1, L2, L6, L7: all levels under all of these splits come to the same.
pub fn chunking_invariance(role: Role, limits: &Limits, bytes: &[u8], splits: &[Split]) {
    let expected = run(Level::Streaming, role, limits, &[bytes]);
    let whole_messages = expected.messages();
    for split in [&Split::Whole, &Split::EachByte].into_iter().chain(splits) {
        let cuts = split.cuts(role, bytes, 0);
        let chunks = generate::chunks(bytes, &cuts);
        let streamed = run(Level::Streaming, role, limits, &chunks);
        assert_eq!(streamed.events, expected.events, "events, {split:?}");
        assert_eq!(streamed.failure, expected.failure, "failure, {split:?}");
        assert_eq!(streamed.output, expected.output, "output, {split:?}");
        for level in Level::OTHERS {
            let seen = run(level, role, limits, &chunks);
            assert_eq!(seen.failure, expected.failure, "{level:?}, failure, {split:?}");
            assert_eq!(seen.output, expected.output, "{level:?}, output, {split:?}");
            assert_eq!(seen.messages(), whole_messages, "{level:?}, messages, {split:?}");
            if level == Level::Whole && seen.failure == Some(Violation::TextNotUtf8.into()) {
                // What is left in the input has been judged by nobody.
                assert!(seen.failed_after >= streamed.failed_after, "{split:?}");
            } else {
                assert_eq!(seen.failed_after, streamed.failed_after, "{level:?}, {split:?}");
            }
        }
    }
}

/// The machine and the model, under a split; with the default limits, and with some that are soon met.
pub fn differential(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(role), Ok(split)) = (Role::arbitrary(&mut u), Split::arbitrary(&mut u)) else {
        return;
    };
    let bytes: Vec<u8> = u.take_rest().to_vec();
    let tight = Limits::default()
        .with_max_frame_len(60)
        .with_max_message_len(100)
        .with_fragment_budget(3);
    for limits in [Limits::default(), tight] {
        agrees_with_model(role, &limits, &bytes, &split.cuts(role, &bytes, 0));
    }
}
