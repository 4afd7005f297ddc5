//! The table of `timers`: each deadline in each state of a connection with its buffers, at the exact microsecond.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sockless::connection::{Connection, Server, TransportAction};
use sockless::frame::{CloseCode, MessageKind};
use sockless::timers::{Deadline, Moment, Rate, Timeouts};
use sockless::{AcceptOptions, BufferedConnection, BufferedServerHandshake, Event, Limits};

const SECOND: Duration = Duration::from_secs(1);
const START: Moment = Moment::from_micros(77_000_000);

fn at(seconds: u32) -> Moment {
    START + SECOND * seconds
}

fn just_before(moment: Moment) -> Moment {
    Moment::from_micros(moment.as_micros() - 1)
}

/// A frame of the peer's, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

const TEXT: u8 = 0x81;
const TEXT_PART: u8 = 0x01;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

fn put(ws: &mut BufferedConnection<Server>, bytes: &[u8]) {
    for bytes in bytes.chunks(1024) {
        ws.space()[..bytes.len()].copy_from_slice(bytes);
        ws.advance(bytes.len());
    }
}

/// Bytes come: the tick and then the events, as after `exchange`.
fn feed(ws: &mut BufferedConnection<Server>, now: Moment, bytes: &[u8]) {
    put(ws, bytes);
    ws.tick(now);
    events(ws);
}

/// The same, the other way round: the events and then the tick.
fn feed_late(ws: &mut BufferedConnection<Server>, now: Moment, bytes: &[u8]) {
    put(ws, bytes);
    events(ws);
    ws.tick(now);
}

const FEEDS: [fn(&mut BufferedConnection<Server>, Moment, &[u8]); 2] = [feed, feed_late];

fn events(ws: &mut BufferedConnection<Server>) {
    while let Ok(Some(_)) = ws.next_event() {}
}

/// All output is written.
fn drain(ws: &mut BufferedConnection<Server>, now: Moment) -> Vec<u8> {
    let bytes = ws.output().to_vec();
    ws.written(bytes.len());
    ws.tick(now);
    bytes
}

/// A server's open connection since `START`.
fn open(timeouts: &Timeouts) -> BufferedConnection<Server> {
    let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
    ws.set_timeouts(timeouts);
    ws.tick(START);
    ws
}

/// Only this deadline; `Close` runs beside it, so that what it leads to can be seen to end.
fn only(deadline: Deadline) -> Timeouts {
    let rate = Rate {
        grace: 5 * SECOND,
        bytes_per_second: 100,
    };
    let off = Timeouts::OFF;
    match deadline {
        Deadline::Handshake => off.with_handshake(Some(5 * SECOND)),
        Deadline::Pong => off.with_ping_after(Some(3 * SECOND)).with_pong_within(Some(5 * SECOND)),
        Deadline::Idle => off.with_idle(Some(5 * SECOND)),
        Deadline::Message => off.with_message(Some(rate)),
        Deadline::Write => off.with_write(Some(5 * SECOND)),
        Deadline::Close => off.with_close(Some(5 * SECOND)),
        _ => off,
    }
}

/// The states of a connection, in the columns' order from "open" on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    InMessage,
    SendingChunks,
    CloseSent,
    CloseReceived,
    Failed,
    End,
}

const STATES: [State; 7] = [
    State::Open,
    State::InMessage,
    State::SendingChunks,
    State::CloseSent,
    State::CloseReceived,
    State::Failed,
    State::End,
];

/// Brings a connection into the state at `START`, without output.
fn bring(ws: &mut BufferedConnection<Server>, state: State) {
    match state {
        State::Open => {}
        State::InMessage => feed(ws, START, &frame(TEXT_PART, b"")),
        State::SendingChunks => {
            ws.tx().begin_frame(MessageKind::Binary, 100, true).unwrap();
        }
        State::CloseSent => ws.tx().close(CloseCode::NORMAL, "").unwrap(),
        State::CloseReceived => feed(ws, START, &frame(CLOSE, b"")),
        State::Failed => feed(ws, START, &frame(0x83, b"")),
        State::End => drop(ws.end_of_stream()),
    }
    ws.tick(START);
    drain(ws, START);
    ws.tick(START);
}

/// The deadline passes at that moment, and nothing happens before it.
#[track_caller]
fn passes(ws: &mut BufferedConnection<Server>, deadline: Deadline, moment: Moment) {
    let timers = ws.timers().unwrap();
    assert_eq!(timers.next_deadline(), Some(moment));
    ws.tick(just_before(moment));
    let timers = ws.timers().unwrap();
    assert_eq!(timers.passed(), None, "just before");
    ws.tick(moment);
    assert_eq!(ws.timers().unwrap().passed(), Some(deadline));
}

#[track_caller]
fn never_passes(ws: &mut BufferedConnection<Server>) {
    for second in 1..200 {
        ws.tick(at(second));
        drain(ws, at(second));
    }
    assert_eq!(ws.timers().unwrap().passed(), None);
    assert_ne!(ws.transport(), TransportAction::Abort);
}

/// A Close with this code is the next output.
#[track_caller]
fn closes_with(ws: &BufferedConnection<Server>, code: u16) {
    let output = ws.output();
    assert_eq!(output[0], CLOSE);
    assert_eq!(output[2..4], code.to_be_bytes());
    assert_eq!(ws.transport(), TransportAction::AwaitPeer);
    assert_eq!(ws.close_record().sent, Some(CloseCode(code)));
}

/// The rest of the frame that is being sent in chunks.
fn finish_chunks(ws: &mut BufferedConnection<Server>) {
    assert!(ws.output().is_empty(), "nothing may come between the chunks");
    ws.tx().chunk(&[7_u8; 100][..]).unwrap();
    ws.written(100);
}

// ---------------------------------------------------------------- the rows

/// Until it is open: `tests/handshake_deadlines.rs`.
#[test]
fn handshake_in_each_state() {
    for state in STATES {
        let mut ws = open(&only(Deadline::Handshake));
        bring(&mut ws, state);
        never_passes(&mut ws);
    }
}

#[test]
fn ping_and_pong_in_each_state() {
    for state in STATES {
        let mut ws = open(&only(Deadline::Pong));
        bring(&mut ws, state);
        match state {
            State::Open | State::InMessage => {
                assert_eq!(ws.timers().unwrap().next_deadline(), Some(at(3)));
                ws.tick(just_before(at(3)));
                assert_eq!(ws.output(), b"");
                ws.tick(at(3));
                assert_eq!(ws.output()[..6], [PING, 8, b'p', b'i', b'n', b'g'], "{state:?}");
                drain(&mut ws, at(4)); // here it leaves
                passes(&mut ws, Deadline::Pong, at(9));
                closes_with(&ws, 1011);
            }
            State::SendingChunks => {
                ws.tick(at(3));
                finish_chunks(&mut ws);
                assert_eq!(ws.tick(at(5)), Some(SECOND));
                ws.tick(at(6));
                assert_eq!(ws.output()[0], PING, "it comes again");
                drain(&mut ws, at(6));
                ws.tx().begin_frame(MessageKind::Binary, 100, true).unwrap();
                drain(&mut ws, at(6));
                passes(&mut ws, Deadline::Pong, at(11));
                finish_chunks(&mut ws);
                closes_with(&ws, 1011);
            }
            State::CloseSent | State::CloseReceived | State::Failed | State::End => {
                never_passes(&mut ws);
                assert_eq!(ws.tick(at(200)), None);
            }
        }
    }
}

#[test]
fn idle_in_each_state() {
    for state in STATES {
        let mut ws = open(&only(Deadline::Idle));
        bring(&mut ws, state);
        match state {
            State::Open | State::InMessage => {
                passes(&mut ws, Deadline::Idle, at(5));
                closes_with(&ws, 1001);
            }
            State::SendingChunks => {
                passes(&mut ws, Deadline::Idle, at(5));
                finish_chunks(&mut ws);
                closes_with(&ws, 1001);
            }
            State::CloseSent | State::CloseReceived | State::Failed | State::End => never_passes(&mut ws),
        }
    }
}

#[test]
fn message_in_each_state() {
    for state in STATES {
        let mut ws = open(&only(Deadline::Message));
        bring(&mut ws, state);
        match state {
            State::Open => never_passes(&mut ws),
            State::InMessage => {
                // The header's six bytes have come, too.
                passes(&mut ws, Deadline::Message, at(5) + 6 * SECOND / 100);
                closes_with(&ws, 1008);
            }
            State::SendingChunks => {
                feed(&mut ws, at(1), &frame(TEXT_PART, b""));
                ws.tick(at(2));
                let moment = ws_message_deadline(&ws);
                passes(&mut ws, Deadline::Message, moment);
                finish_chunks(&mut ws);
                closes_with(&ws, 1008);
            }
            State::CloseSent => {
                feed(&mut ws, at(1), &frame(TEXT_PART, b""));
                never_passes(&mut ws);
            }
            State::CloseReceived | State::Failed | State::End => never_passes(&mut ws),
        }
    }
    // Within the head.
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    handshake.set_timeouts(&only(Deadline::Message));
    assert_eq!(handshake.tick(START), None);
    handshake.buffers().0.space()[..3].copy_from_slice(b"GET");
    handshake.buffers().0.advance(3);
    assert_eq!(handshake.tick(at(1)), Some(5 * SECOND + 3 * SECOND / 100));
    assert!(handshake.accept(&AcceptOptions::new()).unwrap().is_none());
    handshake.tick(just_before(at(6) + 3 * SECOND / 100));
    assert_eq!(handshake.buffers().1.unwritten(), b"");
    handshake.tick(at(6) + 3 * SECOND / 100);
    assert!(handshake.buffers().1.unwritten().starts_with(b"HTTP/1.1 408 "));
}

fn ws_message_deadline(ws: &BufferedConnection<Server>) -> Moment {
    ws.timers().unwrap().next_deadline().unwrap()
}

#[test]
fn write_in_each_state() {
    for state in STATES {
        let mut ws = open(&only(Deadline::Write));
        match state {
            State::Open => ws.tx().text("not taken").unwrap(),
            State::InMessage => {
                put(&mut ws, &frame(TEXT_PART, b"he"));
                events(&mut ws);
                ws.tx().text("not taken").unwrap();
            }
            State::SendingChunks => ws.tx().begin_frame(MessageKind::Binary, 100, true).unwrap(),
            State::CloseSent => ws.tx().close(CloseCode::NORMAL, "").unwrap(),
            State::CloseReceived => {
                put(&mut ws, &frame(CLOSE, b""));
                events(&mut ws);
            }
            State::Failed => {
                put(&mut ws, &frame(0x83, b""));
                events(&mut ws);
            }
            State::End => {
                ws.tx().text("not taken").unwrap();
                ws.end_of_stream();
            }
        }
        assert_eq!(ws.tick(START), Some(5 * SECOND), "{state:?}");
        // What is taken puts it off.
        ws.written(1);
        ws.tick(at(4));
        passes(&mut ws, Deadline::Write, at(9));
        assert_eq!(ws.transport(), TransportAction::Abort);
        assert_eq!(ws.output(), b"");
        assert_eq!(ws.tick(at(10)), None);
        assert!(!ws.wants_input());
    }
}

#[test]
fn close_in_each_state() {
    for state in STATES {
        let mut ws = open(&only(Deadline::Close));
        bring(&mut ws, state);
        match state {
            State::Open | State::InMessage | State::SendingChunks => never_passes(&mut ws),
            State::CloseSent | State::CloseReceived | State::Failed => {
                // What the peer sends does not put it off, and neither does a pause.
                feed(&mut ws, at(1), &frame(TEXT, b"hello"));
                ws.set_reading(false);
                assert_ne!(ws.transport(), TransportAction::Continue);
                assert_eq!(ws.wants_input(), ws.transport().wants_input());
                drain(&mut ws, START);
                passes(&mut ws, Deadline::Close, at(5));
                assert_eq!(ws.transport(), TransportAction::Abort);
            }
            State::End => {
                assert_eq!(ws.tick(START), None, "nothing is left to do");
                never_passes(&mut ws);
                let mut ws = open(&only(Deadline::Close));
                ws.tx().text("not taken").unwrap();
                ws.end_of_stream();
                ws.tick(START);
                passes(&mut ws, Deadline::Close, at(5));
                assert_eq!(ws.transport(), TransportAction::Abort);
            }
        }
    }
}

// ---------------------------------------------------------------- laws, as the buffers show them

/// Whether the tick comes before the events of what was read, or after them.
#[test]
fn any_byte_is_life() {
    for feed in FEEDS {
        let mut ws = open(&only(Deadline::Pong));
        feed(&mut ws, at(2), &frame(PONG, b"unasked"));
        assert_eq!(ws.timers().unwrap().next_deadline(), Some(at(5)));
        ws.tick(at(5));
        drain(&mut ws, at(5));
        feed(&mut ws, at(9), &frame(TEXT, b"x")[..1]); // the first byte of a frame, and no Pong
        ws.tick(at(10));
        assert_eq!(ws.timers().unwrap().passed(), None);
        assert_eq!(ws.timers().unwrap().next_deadline(), Some(at(12)));
    }
}

/// The payload of a frame is data as it comes, though all of it waits for the rest.
#[test]
fn a_frame_that_goes_on_is_not_idle() {
    for feed in FEEDS {
        let mut ws = open(&only(Deadline::Idle));
        let bytes = frame(TEXT, &[b'x'; 1000]);
        feed(&mut ws, at(1), &bytes[..20]);
        feed(&mut ws, at(4), &bytes[20..21]);
        feed(&mut ws, at(8), &bytes[21..40]);
        passes(&mut ws, Deadline::Idle, at(13));
    }
}

#[test]
fn pings_and_pongs_are_no_data_and_messages_are_dated_when_they_came() {
    for (feed, text) in FEEDS.into_iter().flat_map(|feed| [(feed, "whole"), (feed, "even")]) {
        let mut ws = open(&only(Deadline::Idle));
        feed(&mut ws, at(1), &frame(TEXT, text.as_bytes()));
        feed(&mut ws, at(2), &frame(PING, b"p"));
        feed(&mut ws, at(3), &frame(PONG, b"p"));
        feed(&mut ws, at(4), &frame(PING, b"in pieces")[..4]);
        feed(&mut ws, at(4), &frame(PING, b"in pieces")[4..]);
        assert_eq!(ws.timers().unwrap().next_deadline(), Some(at(6)), "{text}");
        // Just as it passes there is something: it may be data, and is.
        feed(&mut ws, at(6), &frame(TEXT, text.as_bytes()));
        ws.tick(at(6));
        assert_eq!(ws.timers().unwrap().passed(), None);
        // Or it is not.
        feed(&mut ws, at(11), &frame(PING, b"p"));
        ws.tick(at(11));
        assert_eq!(ws.timers().unwrap().passed(), Some(Deadline::Idle));
    }
}

/// A frame, a fragment, a header and a control frame that dribble, and the rest of the message before them.
#[test]
fn the_clock_of_a_message_starts_with_its_first_byte() {
    let long = frame(TEXT, &[b'x'; 1000]);
    let tails: [(Vec<u8>, usize); 4] = [
        (long.clone(), 600),
        (frame(TEXT_PART, &[b'x'; 300]), 250),
        (long, 3),
        (frame(PING, b"0123456789"), 8),
    ];
    for feed in FEEDS {
        for (tail, len) in &tails {
            // That a message is under way may be known at the same tick, or at the next one, which dates it back.
            let rows = [&b""[..], &frame(TEXT, b"before")].map(|before| [(before.to_vec(), 4), (before.to_vec(), 6)]);
            for (before, known_at) in rows.into_iter().flatten() {
                let mut ws = open(&only(Deadline::Message));
                // The first part of one message; its end, and the start of the next one, with one read.
                feed(&mut ws, at(1), &frame(TEXT, b"ab")[..4]);
                let mut bytes = frame(TEXT, b"ab")[4..].to_vec();
                bytes.extend(before);
                bytes.extend(&tail[..*len]);
                feed(&mut ws, at(4), &bytes);
                ws.tick(at(known_at));
                // Nothing more comes. What counts are the bytes since, give or take a header.
                let deadline = ws_message_deadline(&ws);
                let (least, most) = (*len as u32 - (*len as u32).min(8), *len as u32);
                assert!(deadline >= at(9) + SECOND * least / 100, "{len}: {deadline}");
                assert!(deadline <= at(9) + SECOND * most / 100, "{len}: {deadline}");
                // It grows as the message does.
                feed(&mut ws, at(known_at + 1), &tail[*len..*len + 1]);
                ws.tick(at(known_at + 1));
                assert_eq!(ws_message_deadline(&ws), deadline + SECOND / 100);
                passes(&mut ws, Deadline::Message, deadline + SECOND / 100);
            }
        }
    }
}

/// Whole messages start no clock that lasts.
#[test]
fn messages_that_are_whole_have_no_deadline() {
    for feed in FEEDS {
        let mut ws = open(&only(Deadline::Message));
        for second in 1..100 {
            feed(&mut ws, at(second), &frame(TEXT, &[b'x'; 900]));
        }
        assert_eq!(ws.tick(at(100)), None);
        assert_eq!(ws.timers().unwrap().passed(), None);
    }
}

#[test]
fn the_clock_stands_while_the_caller_does_not_read() {
    let idle = only(Deadline::Idle);
    // The caller says so.
    let mut ws = open(&idle);
    ws.set_reading(false);
    assert!(!ws.wants_input());
    assert_eq!(ws.tick(at(3)), None);
    ws.set_reading(true);
    assert!(ws.wants_input());
    ws.tick(at(100));
    passes(&mut ws, Deadline::Idle, at(105));
    // The output is over its watermark, also where that is over when the tick comes.
    for late in [false, true] {
        let mut ws = open(&idle);
        ws.buffers().1.set_watermark(100);
        ws.tx().binary(&[7; 200]).unwrap();
        assert!(!ws.wants_input());
        if !late {
            assert_eq!(ws.tick(START), None);
        }
        drain(&mut ws, at(100));
        passes(&mut ws, Deadline::Idle, at(105));
    }
    // Just at the watermark it does not stand.
    let mut ws = open(&idle);
    ws.buffers().1.set_watermark(100);
    ws.tx().binary(&[7; 98]).unwrap();
    ws.written(100);
    passes(&mut ws, Deadline::Idle, at(5));
    // The output is over its watermark from one tick to the next, although the transport has taken a part of it.
    let mut ws = open(&idle);
    ws.buffers().1.set_watermark(100);
    ws.tx().binary(&[7; 200]).unwrap();
    ws.written(10);
    assert_eq!(ws.tick(at(50)), None);
    drain(&mut ws, at(100));
    passes(&mut ws, Deadline::Idle, at(105));
    // What had come before it stopped, and is looked at afterwards, has not taken longer for that.
    let mut ws = open(&only(Deadline::Message));
    let part = &frame(TEXT, &[b'x'; 100])[..56]; // 50 bytes of payload
    put(&mut ws, &[&frame(TEXT, b"whole")[..], part].concat());
    ws.set_reading(false);
    for second in [0, 1, 100] {
        ws.tick(at(second));
    }
    ws.set_reading(true);
    events(&mut ws);
    ws.tick(at(100));
    passes(&mut ws, Deadline::Message, at(105) + SECOND / 2);
    // There is a message that it has not received.
    let mut ws = open(&idle);
    put(&mut ws, &[frame(TEXT, b"one"), frame(TEXT, b"two")].concat());
    ws.tick(at(1));
    assert!(ws.next_event().unwrap().is_some());
    ws.tick(at(50));
    ws.tick(at(99));
    events(&mut ws);
    ws.tick(at(100));
    assert_eq!(ws.timers().unwrap().passed(), None);
}

#[test]
fn round_trip_times_are_from_the_ping_that_left_to_the_pong() {
    let mut ws = open(&only(Deadline::Pong));
    ws.tick(at(3));
    let ping = ws.output()[2..].to_vec();
    ws.tx().text("behind it").unwrap();
    ws.written(10);
    ws.tick(at(4));
    put(&mut ws, &frame(PONG, &ping));
    ws.tick(at(4) + SECOND / 4);
    events(&mut ws);
    let times = ws.timers().unwrap().round_trip().unwrap();
    assert_eq!([times.last, times.smoothed, times.least], [SECOND / 4; 3]);
}

/// A late Pong answers no Ping of a new start.
/// Also where other timeouts are set in between.
#[test]
fn a_pong_to_a_ping_from_before_answers_none_of_those_to_come() {
    let timeouts = Timeouts::OFF
        .with_ping_after(Some(20 * SECOND))
        .with_pong_within(Some(20 * SECOND));
    let mut ws = open(&timeouts);
    ws.tick(at(20));
    let first = drain(&mut ws, at(20));
    assert_eq!(first[0], PING);
    ws.set_timeouts(&timeouts);
    ws.tick(at(21));
    ws.tick(at(41));
    let second = drain(&mut ws, at(41));
    assert_ne!(first, second);
    feed(&mut ws, at(42), &frame(PONG, &first[2..]));
    assert_eq!(ws.timers().unwrap().round_trip(), None);
    feed(&mut ws, at(43), &frame(PONG, &second[2..]));
    assert_eq!(ws.timers().unwrap().round_trip().unwrap().last, 2 * SECOND);
}

/// A clock that jumps back stands, and no tick with an earlier moment does any harm.
#[test]
fn a_clock_that_jumps_back() {
    let mut ws = open(&only(Deadline::Idle));
    feed(&mut ws, at(3), &frame(TEXT, b"x"));
    feed(&mut ws, Moment::START, &frame(TEXT, b"x"));
    passes(&mut ws, Deadline::Idle, at(8));
}

/// Without a tick nothing has a deadline.
#[test]
fn no_tick_no_deadline() {
    let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
    put(&mut ws, &frame(PONG, b"x"));
    assert!(matches!(ws.next_event(), Ok(Some((Event::Pong(b"x"), _)))));
    assert!(ws.timers().is_none());
}
