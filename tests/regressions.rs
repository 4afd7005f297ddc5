//! Defects that were found and mended, one test for each, named after what broke.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use sockless::connection::{Connection, Event, Role};
use sockless::frame::MessageKind;
use sockless::limits::Limits;

/// Law L1: a Pong that waited for the end of a frame went out after the answer to a message that came whole, and before
/// it where the message came in pieces.
fn owed_pong_goes_out_before_the_answer_to_a_whole_message<R: Role>(role: fn() -> R) {
    let message = from_peer::<R>(FIN | TEXT, b"hi");
    for portion in 1..=message.len() {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = Vec::new();
        ws.sender().begin_frame(MessageKind::Binary, 1, true, &mut out).unwrap();
        let mut ping = from_peer::<R>(PING, b"p");
        assert!(ws.receive(&mut &mut ping[..], &mut out).unwrap().is_some());
        ws.sender().chunk(b"x", &mut out).unwrap();
        for piece in message.chunks(portion) {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            while let Some((event, tx)) = ws.receive(&mut input, &mut out).unwrap() {
                if let Event::Text(chunk) = event
                    && chunk.message_end
                {
                    tx.text("answer", &mut out).unwrap();
                }
            }
        }
        let expected = [
            from_us::<R>(FIN | BIN, b"x"),
            from_us::<R>(PONG, b"p"),
            from_us::<R>(FIN | TEXT, b"answer"),
        ];
        assert_eq!(out, expected.concat(), "in portions of {portion}");
    }
}

both_roles!(owed_pong_goes_out_before_the_answer_to_a_whole_message);
