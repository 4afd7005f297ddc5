//! The table of `timers` for the opening handshake, and how its clocks go on in the connection.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sockless::connection::{Server, TransportAction};
use sockless::handshake::{HandshakeError, HttpResponse, Request};
use sockless::timers::{Deadline, Moment, Rate, Timeouts};
use sockless::{
    AcceptOptions, BufferedClientHandshake, BufferedConnection, BufferedServerHandshake, ConnectOptions, Limits,
    WebSocketUri,
};

const SECOND: Duration = Duration::from_secs(1);
const START: Moment = Moment::from_micros(77_000_000);
/// No other deadline.
const HANDSHAKE: Timeouts = Timeouts::OFF.with_handshake(Some(Duration::from_secs(5)));

fn at(seconds: u32) -> Moment {
    START + SECOND * seconds
}

fn just_before(moment: Moment) -> Moment {
    Moment::from_micros(moment.as_micros() - 1)
}

/// All output is written.
fn drain(ws: &mut BufferedConnection<Server>, now: Moment) {
    ws.written(ws.output().len());
    ws.tick(now);
}

#[test]
fn before_and_within_the_head() {
    // Before the head.
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    handshake.set_timeouts(&HANDSHAKE);
    assert_eq!(handshake.tick(START), Some(5 * SECOND));
    assert_eq!(handshake.tick(just_before(at(5))), Some(Duration::from_micros(1)));
    assert!(handshake.accept(&AcceptOptions::new()).unwrap().is_none());
    assert_eq!(handshake.tick(at(5)), None);
    assert_eq!(handshake.buffers().1.unwritten(), b"");
    assert!(timed_out(&mut handshake));

    // Within the head, and bytes do not put it off.
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    handshake.set_timeouts(&HANDSHAKE.with_close(Some(SECOND)));
    handshake.tick(START);
    for second in 1..5 {
        handshake.buffers().0.space()[..9]
            .copy_from_slice(&b"GET / HTTP/1.1\r\nA: b\r\nB: c\r\nC: d\r\nD: e\r\n"[second * 9 - 9..second * 9]);
        handshake.buffers().0.advance(9);
        handshake.tick(at(second as u32));
        assert!(handshake.accept(&AcceptOptions::new()).unwrap().is_none());
    }
    handshake.tick(just_before(at(5)));
    assert_eq!(handshake.buffers().1.unwritten(), b"");
    assert_eq!(handshake.tick(at(5)), Some(SECOND));
    assert!(
        handshake
            .buffers()
            .1
            .unwritten()
            .starts_with(b"HTTP/1.1 408 Request Timeout\r\n")
    );
    assert!(!timed_out(&mut handshake), "told once the answer is written");
    // It has to be taken, too.
    assert_eq!(handshake.tick(just_before(at(6))), Some(Duration::from_micros(1)));
    assert_eq!(handshake.tick(at(6)), None);
    assert_eq!(handshake.buffers().1.unwritten(), b"");
    assert!(timed_out(&mut handshake));
}

/// Behind an answer that is no upgrade, the deadline is that of closing, from the answer on.
#[test]
fn behind_an_answer() {
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    handshake.set_timeouts(&HANDSHAKE.with_close(Some(20 * SECOND)));
    handshake.tick(START);
    handshake
        .buffers()
        .0
        .extend(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    handshake.tick(at(1));
    let Ok(Some((Request::Http(request), out))) = handshake.receive() else {
        panic!()
    };
    request.respond(&HttpResponse::new(404), out).unwrap();
    assert_eq!(handshake.tick(at(1)), Some(20 * SECOND));
    let len = handshake.output().len();
    handshake.written(len);
    assert_eq!(handshake.tick(at(3)), Some(20 * SECOND), "the last byte was taken");
    assert_eq!(handshake.tick(just_before(at(23))), Some(Duration::from_micros(1)));
    assert!(handshake.transport() != TransportAction::Close);
    handshake.tick(at(23));
    assert_eq!(handshake.transport(), TransportAction::Close);
}

fn timed_out(handshake: &mut BufferedServerHandshake) -> bool {
    matches!(
        handshake.receive(),
        Err(sockless::handshake::RequestError::Refused(HandshakeError::TimedOut))
    )
}

#[test]
fn the_handshake_becomes_a_connection_with_the_same_clocks() {
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    handshake.set_timeouts(&Timeouts::DEFAULT.with_idle(Some(7 * SECOND)));
    handshake.tick(START);
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    handshake.buffers().0.space()[..head.len()].copy_from_slice(head);
    handshake.buffers().0.advance(head.len());
    // Just as the deadline passes: what has come may be all of the head.
    assert_eq!(handshake.tick(at(10)), Some(SECOND / 1000));
    let mut ws = handshake.accept(&AcceptOptions::new()).unwrap().unwrap();
    drain(&mut ws, at(10));
    ws.tick(just_before(at(17)));
    assert_eq!(ws.timers().unwrap().passed(), None);
    ws.tick(at(17));
    assert_eq!(ws.timers().unwrap().passed(), Some(Deadline::Idle));
}

/// The same where it ticks between the answer and the connection. If a deadline has passed there, the client has got no
/// response, and there is no connection.
#[test]
fn a_tick_before_the_handshake_becomes_a_connection() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for (seconds, expected) in [(1, TransportAction::Continue), (60, TransportAction::Abort)] {
        let mut handshake = BufferedServerHandshake::new(&Limits::default());
        handshake.tick(START);
        handshake.buffers().0.extend(head).unwrap();
        let connection = match handshake.receive().unwrap() {
            Some((Request::Upgrade(upgrade), out)) => upgrade.accept(&AcceptOptions::new(), out).unwrap(),
            other => panic!("{other:?}"),
        };
        handshake.tick(at(0));
        handshake.tick(at(seconds));
        let mut ws = handshake.into_connection(connection);
        drain(&mut ws, at(seconds));
        ws.tick(at(seconds) + 15 * SECOND);
        assert_eq!(ws.transport(), expected);
    }
}

#[test]
fn a_client_waits_as_long_for_its_handshake() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    for bytes in [&b""[..], b"HTTP/1.1 101"] {
        let mut handshake =
            BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &Limits::default()).unwrap();
        assert_eq!(handshake.tick(START), Some(10 * SECOND));
        let len = handshake.buffers().1.unwritten().len();
        handshake.buffers().1.written(len);
        handshake.buffers().0.space()[..bytes.len()].copy_from_slice(bytes);
        handshake.buffers().0.advance(bytes.len());
        handshake.tick(at(9));
        assert!(handshake.connect().unwrap().is_none());
        handshake.tick(just_before(at(10)));
        assert!(handshake.connect().unwrap().is_none());
        assert_eq!(handshake.tick(at(10)), None);
        assert!(matches!(handshake.receive(), Err(HandshakeError::TimedOut)));
    }
}

/// The clock of a head starts with its first byte, and stops where all of it was received: here, with a response that does not
/// accept.
#[test]
fn the_clock_of_a_head() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let mut handshake =
        BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &Limits::default()).unwrap();
    let rate = Rate {
        grace: 5 * SECOND,
        bytes_per_second: 100,
    };
    handshake.set_timeouts(&Timeouts::OFF.with_message(Some(rate)));
    assert_eq!(handshake.tick(START), None);
    let len = handshake.buffers().1.unwritten().len();
    handshake.buffers().1.written(len);
    handshake.buffers().0.extend(b"HTTP/1.1 404 \r\n").unwrap();
    assert!(handshake.receive().unwrap().is_none());
    assert!(handshake.tick(at(1)).is_some_and(|wait| wait >= 5 * SECOND));
    handshake.buffers().0.extend(b"\r\n").unwrap();
    assert!(handshake.receive().unwrap().is_some());
    assert_eq!(handshake.tick(at(2)), None);
}
