//! What is due while a frame is being sent in chunks: it goes out with the last chunk, in one piece, and is never lost.
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
use sockless::buffer::{OutputFull, ReadBuffer, SliceOutput};
use sockless::connection::{ChunkEvent, Connection, Role};
use sockless::error::{Blocked, ReceiveError, SendError};
use sockless::frame::{CloseCode, MessageKind};
use sockless::limits::Limits;

/// Pings that come while a frame is sent in chunks: the latest is answered by the last chunk itself, and events come at
/// once.
fn pong_with_the_last_chunk<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.tx().begin_frame(MessageKind::Text, 4, false).unwrap();
    for payload in [&b"first"[..], b"", b"the second", b"last"] {
        end.frame(PING, payload);
    }
    end.frame(PONG, b"whole").frame(FIN | TEXT, b"text");
    assert_eq!((end.error, end.seen.len()), (None, 6));
    end.tx().chunk("te").unwrap();
    end.feed(b"");
    assert_eq!(
        end.out,
        from_us::<R>(TEXT, b"text")[..end.out.len()],
        "nothing inside the frame"
    );
    end.tx().chunk("xt").unwrap();
    end.feed(b"");
    end.tx().part("end", true).unwrap();
    let expected = [
        from_us::<R>(TEXT, b"text"),
        from_us::<R>(PONG, b"last"),
        from_us::<R>(FIN | CONT, b"end"),
    ];
    assert_eq!(end.out, expected.concat());
}

/// A Ping that is cut while a Pong waits takes its place when it is whole. The bytes of a cut payload have nowhere to go
/// until then.
fn cut_ping_while_a_pong_waits<R: Role>(role: fn() -> R) {
    cut_control_frame_while_a_pong_waits(role, PING);
}

/// A Pong that is cut while one of ours waits changes nothing.
fn cut_pong_while_a_pong_waits<R: Role>(role: fn() -> R) {
    cut_control_frame_while_a_pong_waits(role, PONG);
}

fn cut_control_frame_while_a_pong_waits<R: Role>(role: fn() -> R, first: u8) {
    let second = from_peer::<R>(first, b"cut!");
    for cut in 0..=second.len() {
        let mut end = End::new(role());
        end.tx().begin_frame(MessageKind::Binary, 1, true).unwrap();
        end.frame(PING, b"owed");
        let left = end.feed(&second[..cut]);
        let payload_at = second.len() - 4;
        let blocked = cut > payload_at && cut < second.len();
        let expected = blocked.then_some(ReceiveError::Blocked(Blocked::FrameInProgress));
        assert_eq!(
            (end.error.take(), left),
            (expected, if blocked { cut - payload_at } else { 0 }),
            "cut at {cut}"
        );
        if blocked {
            assert_eq!(end.feed(&second[cut - left..cut]), left, "blocked as before");
            assert_eq!(end.error.take(), expected);
        }
        end.tx().chunk(b"x").unwrap();
        end.feed(&second[cut - left..]);
        assert_eq!(end.error, None);
        let (seen, pongs) = if first == PONG {
            (Seen::Pong(b"cut!".to_vec()), from_us::<R>(PONG, b"owed"))
        } else if cut < second.len() {
            // The frame was finished before the second Ping had come: both are answered.
            let pongs = [from_us::<R>(PONG, b"owed"), from_us::<R>(PONG, b"cut!")];
            (Seen::Ping(b"cut!".to_vec()), pongs.concat())
        } else {
            (Seen::Ping(b"cut!".to_vec()), from_us::<R>(PONG, b"cut!"))
        };
        assert_eq!(end.seen, [Seen::Ping(b"owed".to_vec()), seen]);
        assert_eq!(end.out, [from_us::<R>(FIN | BIN, b"x"), pongs].concat(), "cut at {cut}");
    }
}

/// At the message level a control frame stays in the buffer until it is whole: nothing has to wait for the frame.
fn cut_control_frames_in_the_buffer<R: Role>(role: fn() -> R) {
    for first in [PING, PONG] {
        let second = from_peer::<R>(first, b"cut!");
        for cut in 0..=second.len() {
            let mut end = End::new(role());
            let mut input = ReadBuffer::new();
            end.tx().begin_frame(MessageKind::Binary, 1, true).unwrap();
            end.read_into(&mut input, &from_peer::<R>(PING, b"owed"));
            end.read_into(&mut input, &second[..cut]);
            assert_eq!(end.error, None);
            end.tx().chunk(b"x").unwrap();
            end.read_into(&mut input, &second[cut..]);
            let pongs = match (first == PING, cut == second.len()) {
                (false, _) => from_us::<R>(PONG, b"owed"),
                (true, true) => from_us::<R>(PONG, b"cut!"),
                (true, false) => [from_us::<R>(PONG, b"owed"), from_us::<R>(PONG, b"cut!")].concat(),
            };
            assert_eq!(end.out, [from_us::<R>(FIN | BIN, b"x"), pongs].concat(), "cut at {cut}");
            assert_eq!(end.seen.len(), 2);
        }
    }
}

/// What comes while a frame is being sent, the Close that is due then, and the Pong that is due as well.
fn rows<R: Role>() -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![
        (from_peer::<R>(PING, b"p"), from_us::<R>(PONG, b"p")),
        (
            from_peer::<R>(CLOSE, b"\x0b\xb8reason"),
            from_us::<R>(CLOSE, b"\x0b\xb8reason"),
        ),
        (from_peer::<R>(CLOSE, b""), from_us::<R>(CLOSE, b"")),
        (vec![0xff], close_from_us::<R>(1002)),
        (from_peer::<R>(FIN | TEXT, b"\xff"), close_from_us::<R>(1007)),
        (
            from_peer::<R>(CLOSE, &close_body(1000, &"r".repeat(123))),
            from_us::<R>(CLOSE, &close_body(1000, &"r".repeat(123))),
        ),
    ]
}

/// A Close that is due goes out with the last chunk, and the Pong that was due before it does not. The last chunk and
/// what is due fit together or not at all, and no more room is asked for than they take.
fn replies_with_the_last_chunk<R: Role>(role: fn() -> R) {
    for (bytes, reply) in rows::<R>() {
        let mut end = End::new(role());
        end.tx().begin_frame(MessageKind::Text, 4, true).unwrap();
        end.frame(PING, b"owed");
        end.feed(&bytes);
        end.tx().chunk("te").unwrap();
        let needed = 2 + reply.len();
        for memory_len in 0..needed {
            let mut memory = vec![0; memory_len];
            let mut out = SliceOutput::new(&mut memory);
            let full = SendError::OutputFull(OutputFull { needed });
            assert_eq!(end.ws.tx(&mut out).chunk("xt"), Err(full), "{reply:x?}");
            assert_eq!(out.as_bytes(), b"");
        }
        let mut memory = vec![0; needed];
        let mut out = SliceOutput::new(&mut memory);
        end.ws.tx(&mut out).chunk("xt").unwrap();
        let sent = [&end.take_out()[..], out.as_bytes()].concat();
        assert_eq!(sent, [from_us::<R>(FIN | TEXT, b"text"), reply].concat());
        end.feed(b"");
        assert_eq!(end.take_out(), b"");
    }
}

/// One reservation, of exactly what is put, for the last chunk and all that is due behind it: an output may make room in
/// `reserve`, and a later one may fail.
fn one_reservation_for_the_last_chunk<R: Role>(role: fn() -> R) {
    for (bytes, reply) in rows::<R>() {
        let mut ws = Connection::new(role(), &Limits::default());
        let mut out = Strict::default();
        ws.tx(&mut out).begin_frame(MessageKind::Text, 4, true).unwrap();
        let mut bytes = bytes.clone();
        let mut input = &mut bytes[..];
        while let Ok(Some(_)) = ws.receive_chunk(&mut input, &mut out) {}
        let reservations = out.frames;
        ws.tx(&mut out).chunk("text").unwrap();
        assert_eq!((out.reserved, out.frames), (0, reservations + 1));
        assert_eq!(out.bytes, [from_us::<R>(FIN | TEXT, b"text"), reply].concat());
    }
}

/// A Close that is due waits through a chunk that is not the last.
fn close_waits_for_the_last_chunk<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    end.tx().begin_frame(MessageKind::Text, 3, false).unwrap();
    end.frame(CLOSE, b"\x03\xe8");
    let mut memory = [0; 1];
    for text in ["a", "b"] {
        let mut out = SliceOutput::new(&mut memory);
        end.ws.tx(&mut out).chunk(text).unwrap();
        end.out.extend_from_slice(out.as_bytes());
    }
    end.tx().chunk("c").unwrap();
    // The message is abandoned: its last fragment will not come.
    assert_eq!(end.out, [from_us::<R>(TEXT, b"abc"), close_from_us::<R>(1000)].concat());
    assert_eq!(end.tx().part("d", true), Err(SendError::Closed));
}

/// The connection cannot be taken apart in the middle of a frame, and comes back whole.
fn split_waits_for_the_frame<R: Role>(role: fn() -> R) {
    let mut ws = Connection::new(role(), &Limits::default());
    let mut out = Vec::new();
    ws.tx(&mut out).begin_frame(MessageKind::Text, 1, true).unwrap();
    let mut ping = from_peer::<R>(PING, b"p");
    assert!(ws.receive_chunk(&mut &mut ping[..], &mut out).unwrap().is_some());
    let mut ws = ws.split().err().unwrap();
    ws.tx(&mut out).chunk("x").unwrap();
    assert_eq!(out, [from_us::<R>(FIN | TEXT, b"x"), from_us::<R>(PONG, b"p")].concat());
    let (_, mut sender) = ws.split().unwrap();
    sender.tx(&mut out).text("y").unwrap();
}

/// A Pong waited for the end of a frame that could never end, and control frames in pieces waited for the Pong.
fn nothing_waits_once_the_sending_direction_is_shut_down<R: Role>(role: fn() -> R) {
    let mut ws = Connection::new(role(), &Limits::default());
    let mut out = Vec::new();
    ws.tx(&mut out).begin_frame(MessageKind::Binary, 5, true).unwrap();
    let mut ping = from_peer::<R>(PING, b"p");
    assert!(ws.receive_chunk(&mut &mut ping[..], &mut out).unwrap().is_some());
    ws.sending_shut_down();
    let mut close = from_peer::<R>(CLOSE, &close_body(1000, "bye"));
    let mut closed = false;
    for piece in close.chunks_mut(1) {
        let mut input = piece;
        while let Some((event, _)) = ws.receive_chunk(&mut input, &mut out).unwrap() {
            closed = matches!(event, ChunkEvent::Close(frame) if frame.reason == "bye");
        }
    }
    assert!(closed);
}

/// Nor is anything written then: a Ping is handed out and not answered, whatever the connection was doing.
fn nothing_is_written_once_the_sending_direction_is_shut_down<R: Role>(role: fn() -> R) {
    let before: [fn(&mut End<R>); 4] = [
        |_| {},
        |end| end.tx().part("begun", false).unwrap(),
        |end| end.tx().begin_frame(MessageKind::Binary, 5, true).unwrap(),
        |end| end.tx().close(CloseCode::NORMAL, "").unwrap(),
    ];
    for before in before {
        for streaming in [true, false] {
            let mut end = End::new(role());
            before(&mut end);
            end.ws.sending_shut_down();
            end.take_out();
            let bytes = [from_peer::<R>(PING, b"p"), from_peer::<R>(FIN | TEXT, b"text")].concat();
            if streaming {
                end.feed(&bytes);
            } else {
                end.read_into(&mut ReadBuffer::new(), &bytes);
            }
            assert_eq!(end.take_seen(), [Seen::Ping(b"p".to_vec()), Seen::text("text")]);
            assert_eq!((end.take_out(), end.error), (Vec::new(), None));
            assert_eq!(end.tx().text("x"), Err(SendError::Closed));
        }
    }
}

both_roles!(
    nothing_is_written_once_the_sending_direction_is_shut_down,
    nothing_waits_once_the_sending_direction_is_shut_down,
    pong_with_the_last_chunk,
    cut_ping_while_a_pong_waits,
    cut_pong_while_a_pong_waits,
    cut_control_frames_in_the_buffer,
    replies_with_the_last_chunk,
    one_reservation_for_the_last_chunk,
    close_waits_for_the_last_chunk,
    split_waits_for_the_frame,
);
