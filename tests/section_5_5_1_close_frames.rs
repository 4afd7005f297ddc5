//! RFC 6455 sections 5.5.1 and 7.4: the codes and the reasons of Close frames, both roles.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use sockless::connection::{CloseRecord, Receiver, Role, Sender};
use sockless::error::{SendError, Violation};
use sockless::frame::{CloseCode, CloseFrame, MAX_CLOSE_REASON_LEN};
use sockless::limits::Limits;

/// The code of the Close that was sent.
fn sent_close<R: Role>(sender: &Sender<R>) -> Option<CloseCode> {
    CloseRecord::of(&Receiver::new(&Limits::default()), sender).sent
}

/// Section 7.4 and the registry of section 11.7, written apart from the crate's table.
fn allowed_on_the_wire(code: u16) -> bool {
    // 1004 is reserved; 1005, 1006 and 1015 must not be set by an endpoint; 1012 to 1014 were registered later.
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].contains(&code)
        || (3000..=3999).contains(&code)
        || (4000..=4999).contains(&code)
}

// Section 7.4: every code.

/// All 65536 codes, received: accepted and echoed, or refused with 1002.
fn every_code_received<R: Role>(role: fn() -> R) {
    for code in 0..=u16::MAX {
        let mut end = End::new(role());
        end.frame(CLOSE, &code.to_be_bytes());
        if allowed_on_the_wire(code) {
            assert_eq!((end.failure(), &end.seen[..]), (None, &[Seen::close(code, "")][..]));
            assert_eq!(end.out, close_from_us::<R>(code));
            assert_eq!(end.record(), Record::closed_by_peer(code, ""));
        } else {
            assert_eq!(end.failure(), Some(Violation::InvalidCloseCode.into()), "{code}");
            assert_eq!((&end.seen[..], end.out), (&[][..], close_from_us::<R>(1002)), "{code}");
        }
    }
}

/// All 65536 codes, sent. 1005 stands for none.
fn every_code_sent<R: Role>(role: fn() -> R) {
    for code in 0..=u16::MAX {
        assert_eq!(
            CloseCode(code).is_allowed_on_the_wire(),
            allowed_on_the_wire(code),
            "{code}"
        );
        let mut sender = Sender::new(role());
        let mut out = Vec::new();
        let sent = sender.tx(&mut out).close(CloseCode(code), "");
        if code == 1005 {
            assert_eq!((sent, out), (Ok(()), from_us::<R>(CLOSE, b"")));
            assert_eq!(sent_close(&sender), Some(CloseCode::NO_STATUS));
        } else if allowed_on_the_wire(code) {
            assert_eq!((sent, out), (Ok(()), close_from_us::<R>(code)));
            assert_eq!(sent_close(&sender), Some(CloseCode(code)));
        } else {
            assert_eq!((sent, out), (Err(SendError::InvalidCloseCode), Vec::new()), "{code}");
            assert_eq!((sent_close(&sender), sender.is_closed()), (None, false));
        }
    }
}

// Section 5.5.1: the body.

/// An empty body: 1005 is what the application hears, and the answer is empty too.
fn close_without_code<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.frame(CLOSE, b"");
    assert_eq!(end.seen, [Seen::Close(None, String::new())]);
    assert_eq!((end.failure(), end.take_out()), (None, from_us::<R>(CLOSE, b"")));
    assert_eq!(end.record(), Record::closed_by_peer(1005, ""));
}

/// A body of one byte is refused from the header.
fn close_of_one_byte<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.feed(&from_peer::<R>(CLOSE, b"x")[..2]);
    assert_eq!(end.failure(), Some(Violation::CloseBodyOneByte.into()));
    assert_eq!(end.out, close_from_us::<R>(1002));
}

/// Reasons of every length come out whole, however they are cut; they are sent back.
fn reasons_received<R: Role>(role: fn() -> R) {
    for len in 0..=MAX_CLOSE_REASON_LEN {
        let reason = Numbers(len as u64).text(len);
        let bytes = from_peer::<R>(CLOSE, &close_body(4000, &reason));
        for cuts in [vec![], vec![bytes.len() / 2], byte_by_byte(&bytes)] {
            let run = run(role(), &Limits::default(), false, &bytes, &cuts);
            assert_eq!(run.seen, [Seen::close(4000, &reason)], "{len}");
            assert_eq!(run.output, from_us::<R>(CLOSE, &close_body(4000, &reason)));
            assert_eq!(run.record, Record::closed_by_peer(4000, &reason));
        }
    }
}

/// Reasons up to 123 bytes are sent; longer ones, and ones without a code, are not.
fn reasons_sent<R: Role>(role: fn() -> R) {
    // Section 5.5: a control frame holds 125 bytes, of which the code takes two.
    assert_eq!(MAX_CLOSE_REASON_LEN, 123);
    for len in 0..=MAX_CLOSE_REASON_LEN {
        let reason = Numbers(len as u64).text(len);
        let mut out = Vec::new();
        Sender::new(role())
            .tx(&mut out)
            .close(CloseCode(3999), &reason)
            .unwrap();
        assert_eq!(out, from_us::<R>(CLOSE, &close_body(3999, &reason)));
    }
    let mut sender = Sender::new(role());
    let mut out = Vec::new();
    let long = "x".repeat(MAX_CLOSE_REASON_LEN + 1);
    assert_eq!(
        sender.tx(&mut out).close(CloseCode::NORMAL, &long),
        Err(SendError::ControlTooLong)
    );
    assert_eq!(
        sender.tx(&mut out).close(None, "why"),
        Err(SendError::ReasonWithoutCode)
    );
    assert_eq!(
        sender.tx(&mut out).close(CloseCode::NO_STATUS, "why"),
        Err(SendError::ReasonWithoutCode)
    );
    assert_eq!(out, b"");
    sender.tx(&mut out).close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(out, close_from_us::<R>(1000));
}

/// The pure codec of the body.
#[test]
fn close_frame_codec() {
    assert_eq!(CloseFrame::decode(b""), Ok(CloseFrame { code: None, reason: "" }));
    assert_eq!(CloseFrame::decode(b"\x03"), Err(Violation::CloseBodyOneByte));
    assert_eq!(
        CloseFrame::decode(b"\x03\xe8"),
        Ok(CloseFrame {
            code: Some(CloseCode::NORMAL),
            reason: ""
        })
    );
    assert_eq!(
        CloseFrame::decode(b"\x0f\xa0ok"),
        Ok(CloseFrame {
            code: Some(CloseCode(4000)),
            reason: "ok"
        })
    );
    assert_eq!(CloseFrame::decode(b"\x03\xed"), Err(Violation::InvalidCloseCode));
    assert_eq!(CloseFrame::decode(b"\x03\xe8\xff"), Err(Violation::CloseReasonNotUtf8));
    assert_eq!(
        CloseFrame::decode(b"\x03\xe8\xe2\x82"),
        Err(Violation::CloseReasonNotUtf8)
    );
    assert_eq!(
        (CloseCode::from(1001), u16::from(CloseCode(4999))),
        (CloseCode::GOING_AWAY, 4999)
    );
}

both_roles!(
    every_code_received,
    every_code_sent,
    close_without_code,
    close_of_one_byte,
    reasons_received,
    reasons_sent,
);
