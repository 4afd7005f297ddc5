//! Defects that were found and mended, one test for each, named after what broke.
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
use sockless::buffered::BufferedConnection;
use sockless::connection::{Connection, Event, Role};
#[cfg(feature = "getrandom")]
use sockless::entropy::{Entropy, OsEntropy};
use sockless::error::{Blocked, ReceiveError, Violation};
use sockless::frame::MessageKind;
use sockless::handshake::{HttpResponse, Request, ServerHandshake};
use sockless::limits::Limits;
use sockless::message::MessageConnection;

/// Law L1: a Pong that waited for the end of a frame went out after the answer to a message that came whole, and before
/// it where the message came in pieces.
fn owed_pong_goes_out_before_the_answer_to_a_whole_message<R: Role>(role: fn() -> R) {
    let message = from_peer::<R>(FIN | TEXT, b"hi");
    for portion in 1..=message.len() {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = Vec::new();
        ws.tx(&mut out).begin_frame(MessageKind::Binary, 1, true).unwrap();
        let mut ping = from_peer::<R>(PING, b"p");
        assert!(ws.receive(&mut &mut ping[..], &mut out).unwrap().is_some());
        ws.tx(&mut out).chunk(b"x").unwrap();
        for piece in message.chunks(portion) {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            while let Some((event, tx)) = ws.receive(&mut input, &mut out).unwrap() {
                if let Event::Text(chunk) = event
                    && chunk.message_end
                {
                    sender.tx(&mut out).text("answer").unwrap();
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

/// What had been read into the assembly buffer was dropped where a Pong that was owed had no room in the backlog.
fn read_bytes_survive_a_blocked_reply<R: Role>(role: fn() -> R) {
    let limits = Limits::default().with_max_reply_backlog(1);
    let mut ws = BufferedConnection::new(Connection::new(role(), &limits), b"").with_read_len(10);
    let feed = |ws: &mut BufferedConnection<R>, bytes: &[u8]| {
        ws.space()[..bytes.len()].copy_from_slice(bytes);
        ws.advance(bytes.len());
    };
    // One Pong waits in the output, another for the end of the frame.
    feed(&mut ws, &from_peer::<R>(PING, b"1"));
    assert!(ws.next_event().unwrap().is_some());
    ws.tx().begin_frame(MessageKind::Binary, 1, true).unwrap();
    feed(&mut ws, &from_peer::<R>(PING, b"2"));
    assert!(ws.next_event().unwrap().is_some());
    let payload = [7; 100];
    let message = from_peer::<R>(FIN | BIN, &payload);
    let (header, rest) = message.split_at(message.len() - payload.len());
    feed(&mut ws, header);
    assert!(ws.next_event().unwrap().is_none());
    feed(&mut ws, &rest[..60]);
    ws.tx().chunk(b"x").unwrap();
    assert!(matches!(
        ws.next_event(),
        Err(ReceiveError::Blocked(Blocked::OutputFull(_)))
    ));
    ws.written(ws.output().len());
    assert!(ws.next_event().unwrap().is_none());
    feed(&mut ws, &rest[60..]);
    let (event, _) = ws.next_event().unwrap().unwrap();
    assert_eq!(event.seen(), Seen::binary(&payload));
}

/// Law L6: a failure found in the assembly buffer's space was no error any more when it was asked for again.
fn failure_in_space_comes_again<R: Role>(role: fn() -> R) {
    let mut ws = MessageConnection::new(Connection::new(role(), &Limits::default()));
    let mut out = Vec::new();
    let mut header = from_peer::<R>(TEXT, &[b'a'; 100]);
    header.truncate(header.len() - 100);
    assert!(ws.receive(&mut &mut header[..], &mut out).unwrap().is_none());
    ws.space(1).unwrap()[..2].copy_from_slice(&mask(peer_key::<R>().unwrap_or_default(), b"\xff\xff"));
    for _ in 0..3 {
        let error = ws.receive_in_space(2, &mut out).err();
        assert_eq!(error, Some(ReceiveError::Failed(Violation::TextNotUtf8.into())));
        assert_eq!(out, close_from_us::<R>(1007));
    }
}

/// Law L4: a peer that reads slowly made each small frame move all of the output that waits.
fn waiting_output_is_not_moved_for_each_frame<R: Role>(role: fn() -> R) {
    let mut ws = BufferedConnection::new(Connection::new(role(), &Limits::default()), b"");
    let mut put = 0;
    // The number of frames is a power of two, so that buffers which grow by doubling are full.
    for _ in 0..1024 {
        ws.tx().binary(&[0; 100]).unwrap();
        put += 100;
    }
    let frame_len = ws.output().len() / 1024;
    let mut moved = 0;
    for _ in 0..4096 {
        ws.written(frame_len);
        let (place, len) = (ws.output().as_ptr(), ws.output().len());
        ws.tx().binary(&[0; 100]).unwrap();
        put += 100;
        if ws.output().as_ptr() != place {
            moved += len;
        }
    }
    assert!(moved <= 2 * put, "{moved} bytes were moved for {put} that were put");
}

/// Less space was offered than [`BufferedConnection::with_read_len`] asks for, inside a long frame.
fn space_is_at_least_the_read_len<R: Role>(role: fn() -> R) {
    let read_len = 200 << 10;
    let mut ws = BufferedConnection::new(Connection::new(role(), &Limits::default()), b"").with_read_len(read_len);
    let header = head(FIN | BIN, peer_key::<R>(), 1 << 20);
    let mut left = 1 << 20;
    ws.space()[..header.len()].copy_from_slice(&header);
    ws.advance(header.len());
    while left > 0 {
        assert!(ws.next_event().unwrap().is_none());
        let space = ws.space();
        assert!(space.len() >= read_len, "{} with {left} missing", space.len());
        let len = space.len().min(left);
        ws.advance(len);
        left -= len;
    }
    assert!(ws.next_event().unwrap().is_some());
}

/// A clone of the operating system's generator gave the bytes that the original was about to give, and so the mask keys of
/// one connection were known to the peer of another.
#[cfg(feature = "getrandom")]
#[test]
fn clones_of_the_entropy_share_no_bytes() {
    let mut entropy = OsEntropy::new();
    let (mut ours, mut theirs) = ([0; 16], [0; 16]);
    entropy.fill(&mut ours);
    let mut clone = entropy.clone();
    entropy.fill(&mut ours);
    clone.fill(&mut theirs);
    assert_ne!(ours, theirs);
}

/// RFC 9110 section 15.5.22: a response 426 must have an `Upgrade`, which the application may not add by itself.
#[test]
fn upgrade_required_names_the_upgrade() {
    let mut out = Vec::new();
    let bytes = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut handshake = ServerHandshake::new(&Limits::default());
    let Some(Request::Http(request)) = handshake.receive(bytes, &mut out).unwrap() else {
        panic!("plain HTTP");
    };
    request.respond(&HttpResponse::new(426), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Connection: close, Upgrade\r\nContent-Length: 0\r\n\r\n"
    );
}

/// RFC 9112 section 3.2.2: where the request target is an absolute address, its host counts and `Host` does not.
#[test]
fn the_host_of_an_absolute_target_counts() {
    let bytes = b"GET ws://real.example:81/chat HTTP/1.1\r\nHost: other.example\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut handshake = ServerHandshake::new(&Limits::default());
    let Some(Request::Upgrade(upgrade)) = handshake.receive(bytes, &mut Vec::new()).unwrap() else {
        panic!("an upgrade");
    };
    assert_eq!(upgrade.host(), "real.example:81");
}

both_roles!(
    owed_pong_goes_out_before_the_answer_to_a_whole_message,
    read_bytes_survive_a_blocked_reply,
    failure_in_space_comes_again,
    waiting_output_is_not_moved_for_each_frame,
    space_is_at_least_the_read_len,
);
