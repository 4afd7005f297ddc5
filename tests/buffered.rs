//! The machine with its buffers: at every size of reads and writes, and over a stream in one call.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use std::io::{self, ErrorKind, Read, Write};

use common::*;
use sockless::buffer::Output;
use sockless::buffered::{BufferedConnection, BufferedServerHandshake};
use sockless::connection::{Connection, Role, StreamEnd, TransportAction};
use sockless::error::{ReceiveError, Violation};
use sockless::handshake::{AcceptOptions, RequestError};
use sockless::limits::Limits;
use sockless::message::Event;
use sockless::timers::Moment;

fn open<R: Role>(role: R) -> BufferedConnection<R> {
    BufferedConnection::new(Connection::new(role, &Limits::default()))
}

/// A session, and what an echo sends for it.
fn session<R: Role>() -> (Vec<u8>, Vec<u8>) {
    let long = vec![9; 100_000];
    let stream = [
        from_peer::<R>(FIN | TEXT, "héllo".as_bytes()),
        from_peer::<R>(PING, b"p"),
        from_peer::<R>(BIN, &long[..50_000]),
        from_peer::<R>(FIN | CONT, &long[50_000..]),
        from_peer::<R>(CLOSE, &close_body(1000, "bye")),
    ];
    let echo = [
        from_us::<R>(FIN | TEXT, "héllo".as_bytes()),
        from_us::<R>(PONG, b"p"),
        from_us::<R>(FIN | BIN, &long),
        from_us::<R>(CLOSE, &close_body(1000, "bye")),
    ];
    (stream.concat(), echo.concat())
}

/// Sends back all messages that are there.
fn echo<R: Role>(ws: &mut BufferedConnection<R>) -> Result<usize, ReceiveError> {
    let mut closes = 0;
    while let Some((event, mut tx)) = ws.next_event()? {
        match event {
            Event::Text(text) => tx.text(text).unwrap(),
            Event::Binary(data) => tx.binary(data).unwrap(),
            Event::Close(_) => closes += 1,
            _ => {}
        }
    }
    Ok(closes)
}

/// The same at every size of reads and writes, whatever was fed before the first read.
fn every_read_and_write_size<R: Role>(role: fn() -> R) {
    let (stream, expected) = session::<R>();
    for (fed, read, write) in [
        (0, 1, 1),
        (1, 7, 3),
        (5, 100, 1000),
        (14, 4096, 5),
        (stream.len(), 1, 70_000),
    ] {
        let mut ws = open(role());
        ws.buffers().0.extend(&stream[..fed]).unwrap();
        let (mut at, mut sent, mut closes) = (fed, Vec::new(), 0);
        while ws.transport() == TransportAction::Continue {
            closes += echo(&mut ws).unwrap();
            let space = ws.space();
            let len = space.len().min(read).min(stream.len() - at);
            space[..len].copy_from_slice(&stream[at..at + len]);
            at += len;
            ws.advance(len);
            let len = write.min(ws.output().len());
            sent.extend_from_slice(&ws.output()[..len]);
            ws.written(len);
        }
        while !ws.output().is_empty() {
            sent.extend_from_slice(ws.output());
            ws.written(ws.output().len());
        }
        assert!(sent == expected, "reads of {read}, writes of {write}");
        let done = if R::IS_CLIENT {
            TransportAction::AwaitPeer
        } else {
            TransportAction::ShutDownSend
        };
        assert_eq!((at, closes, ws.transport()), (stream.len(), 1, done));
        let record = Record::closed_by_peer(1000, "bye").ended(StreamEnd::AfterClose);
        assert_eq!(Record::from(ws.end_of_stream()), record);
        ws.release();
        let (input, output) = ws.buffers();
        assert_eq!((input.capacity(), output.capacity()), (0, 0));
    }
}

/// A failure is told when nothing is left to do: the Close has to be written first, and the stream drained.
fn a_failure_is_told_last<R: Role>(role: fn() -> R) {
    let mut ws = open(role());
    ws.buffers().0.extend(&[0xff]).unwrap();
    assert!(ws.next_event().unwrap().is_none());
    assert_eq!(ws.close_record().failure, Some(Violation::ReservedOpcode.into()));
    assert_eq!(ws.output(), close_from_us::<R>(1002));
    ws.written(ws.output().len());
    assert_eq!(ws.transport(), TransportAction::ShutDownSend);
    ws.sending_shut_down();
    for _ in 0..3 {
        assert_eq!(ws.transport(), TransportAction::Drain);
        ws.space()[..4].copy_from_slice(b"more");
        ws.advance(4);
        assert!(ws.next_event().unwrap().is_none());
    }
    ws.end_of_stream();
    for _ in 0..2 {
        let error = ws.next_event().err();
        assert_eq!(error, Some(ReceiveError::Failed(Violation::ReservedOpcode.into())));
    }
    assert_eq!(ws.transport(), TransportAction::Close);
}

/// Whether something is unread: not before it has come, nor when all of it was received.
fn what_is_unread<R: Role>(role: fn() -> R) {
    let mut ws = open(role());
    assert!(!ws.has_input());
    let frame = from_peer::<R>(FIN | TEXT, b"a");
    ws.buffers()
        .0
        .extend(&[&frame[..], &frame, &frame[..1]].concat())
        .unwrap();
    for _ in 0..2 {
        assert!(ws.has_input());
        assert!(matches!(ws.next_event(), Ok(Some((Event::Text("a"), _)))));
    }
    // What there may be behind a header is not known yet.
    assert!(ws.next_event().unwrap().is_none());
    assert!(!ws.has_input());
}

/// A message comes out by value right after it was handed out, once, whatever its length; and nothing else does.
fn by_value<R: Role>(role: fn() -> R) {
    for len in [3, 100_000] {
        let mut ws = open(role());
        let message = vec![b'a'; len];
        let frames = [
            from_peer::<R>(FIN | BIN, &message),
            from_peer::<R>(FIN | TEXT, &message),
            from_peer::<R>(PING, b"ping"),
        ];
        assert_eq!(ws.take_binary(), None);
        ws.buffers().0.extend(&frames.concat()).unwrap();
        assert!(matches!(ws.next_event(), Ok(Some((Event::Binary(_), _)))));
        assert!(ws.take_binary().is_some_and(|taken| taken == message));
        assert_eq!(ws.take_binary(), None);
        assert!(matches!(ws.next_event(), Ok(Some((Event::Text(_), _)))));
        assert!(ws.take_text().is_some_and(|taken| taken.as_bytes() == message));
        assert!(matches!(ws.next_event(), Ok(Some((Event::Ping(b"ping"), _)))));
        assert_eq!((ws.take_text(), ws.take_binary()), (None, None));
    }
}

/// What is shown where things are logged: the connection, and no payloads.
fn what_is_shown<R: Role>(role: fn() -> R) {
    let mut ws = open(role());
    ws.buffers().0.extend(b"secret").unwrap();
    ws.tx().ping(b"secret").unwrap();
    let (shown, connection) = (format!("{ws:?}"), format!("{:?}", ws.connection()));
    assert!(shown.contains(&connection) && !shown.contains("secret"), "{shown}");
}

/// A stream that takes and gives so many bytes at a time, and then ends or fails.
struct Stream<'b> {
    input: &'b [u8],
    sent: Vec<u8>,
    at_once: usize,
    /// What comes after the input: the end, or an error.
    then: Option<ErrorKind>,
    /// What every second call fails with: it would block, or is interrupted.
    every_second: Option<ErrorKind>,
    calls: usize,
    shut_down: bool,
}

impl<'b> Stream<'b> {
    fn new(input: &'b [u8], at_once: usize) -> Self {
        Self {
            input,
            sent: Vec::new(),
            at_once,
            then: None,
            every_second: None,
            calls: 0,
            shut_down: false,
        }
    }

    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.every_second {
            Some(error) if self.calls % 2 == 0 => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn shut_down(&mut self) -> io::Result<()> {
        assert!(!self.shut_down, "once");
        self.shut_down = true;
        Ok(())
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call()?;
        if self.input.is_empty() {
            return self.then.map_or(Ok(0), |error| Err(error.into()));
        }
        let len = self.at_once.min(buffer.len());
        self.input.read(&mut buffer[..len])
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call()?;
        assert!(!self.shut_down, "written after the sending direction was shut down");
        let len = self.at_once.min(bytes.len());
        self.sent.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One call a round over a stream: the whole session, its Close, and the end; or a reset, which after both Closes is no more
/// than the end.
fn over_a_stream<R: Role>(role: fn() -> R) {
    let (bytes, expected) = session::<R>();
    for at_once in [1000, 7777, usize::MAX] {
        for every_second in [None, Some(ErrorKind::WouldBlock), Some(ErrorKind::Interrupted)] {
            for then in [None, Some(ErrorKind::ConnectionReset)] {
                let mut stream = Stream {
                    then,
                    every_second,
                    ..Stream::new(&bytes, at_once)
                };
                let mut ws = open(role());
                loop {
                    match ws.exchange(&mut stream, Stream::shut_down) {
                        Ok(true) => _ = echo(&mut ws).unwrap(),
                        Ok(false) => break,
                        // What is interrupted is done again.
                        Err(error) => assert_eq!(
                            (error.kind(), every_second),
                            (ErrorKind::WouldBlock, Some(error.kind()))
                        ),
                    }
                }
                assert!(stream.sent == expected, "{at_once} {every_second:?} {then:?}");
                assert_eq!(stream.shut_down, !R::IS_CLIENT);
                let record = Record::closed_by_peer(1000, "bye").ended(StreamEnd::AfterClose);
                assert_eq!(Record::from(ws.close_record()), record);
            }
        }
    }
    // Before the Closes a reset is an error.
    let mut stream = Stream {
        then: Some(ErrorKind::ConnectionReset),
        ..Stream::new(&bytes[..20], 1000)
    };
    let mut ws = open(role());
    let error = loop {
        match ws.exchange(&mut stream, Stream::shut_down) {
            Ok(more) => assert!(more),
            Err(error) => break error,
        }
        echo(&mut ws).unwrap();
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(!ws.close_record().is_clean());
}

/// A peer that sends and does not read is not read from either once the output is over its watermark.
fn a_peer_that_does_not_read_is_held_up<R: Role>(role: fn() -> R) {
    let mut ws = open(role());
    let message = from_peer::<R>(FIN | BIN, &[7; 1000]);
    let mut rounds = 0;
    while ws.wants_input() {
        ws.buffers().0.extend(&message).unwrap();
        echo(&mut ws).unwrap();
        rounds += 1;
        assert!(rounds < 100);
    }
    assert!(ws.buffers().1.is_over_watermark());
    ws.written(2000);
    assert!(ws.wants_input());
    ws.abort();
    assert_eq!((ws.buffers().1.len(), ws.wants_input()), (0, false));
}

/// After all events were received there is input again once a byte has come, in whatever way, and not before: a read of
/// nothing changes nothing.
fn there_is_input_once_a_byte_has_come<R: Role>(role: fn() -> R) {
    let ways: [fn(&mut BufferedConnection<R>, &[u8]); 2] = [
        |ws, bytes| {
            ws.space()[..bytes.len()].copy_from_slice(bytes);
            ws.advance(bytes.len());
        },
        |ws, bytes| ws.buffers().0.extend(bytes).unwrap(),
    ];
    let message = from_peer::<R>(FIN | TEXT, b"Hello");
    for put in ways {
        let mut ws = open(role());
        assert_eq!((ws.has_input(), ws.wants_input()), (false, true));
        put(&mut ws, b"");
        assert_eq!((ws.has_input(), ws.wants_input()), (false, true));
        for (at, byte) in message.iter().enumerate() {
            put(&mut ws, &[*byte]);
            assert_eq!((ws.has_input(), ws.wants_input()), (true, false), "byte {at}");
            put(&mut ws, b"");
            assert!(ws.has_input(), "byte {at}");
            let is_whole = at + 1 == message.len();
            assert_eq!(ws.next_event().unwrap().is_some(), is_whole);
            put(&mut ws, b"");
            assert_eq!((ws.has_input(), ws.wants_input()), (false, true), "byte {at}");
        }
    }
}

/// What follows the head is not shown before the head is complete, and then all of it is.
#[test]
fn what_follows_the_head() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    for (at, byte) in bytes.iter().enumerate() {
        handshake.buffers().0.space()[0] = *byte;
        handshake.buffers().0.advance(1);
        let complete = handshake.receive().unwrap().is_some();
        assert_eq!(complete, at == 26, "it comes once: {at}");
        if at >= 26 {
            assert_eq!(handshake.buffers().0.unread(), &bytes[27..=at]);
        }
    }
}

/// Whatever a transport says where it has ended behind both Close frames, or behind a failure, is no error: be it to a read,
/// to a write, or to a shutdown.
fn every_end_of_a_transport<R: Role>(role: fn() -> R) {
    let close = from_peer::<R>(CLOSE, &close_body(1000, ""));
    let rows = [(close, true), (vec![0], true), (from_peer::<R>(PING, b""), false)];
    for (input, is_over) in rows {
        for then in [
            ErrorKind::ConnectionReset,
            ErrorKind::ConnectionAborted,
            ErrorKind::BrokenPipe,
            ErrorKind::NotConnected,
            ErrorKind::UnexpectedEof,
        ] {
            for writes_fail in [false, true] {
                let mut stream = Transport {
                    input: input.clone(),
                    then,
                    writes_fail,
                };
                let mut ws = open(role());
                let result = loop {
                    let shut = |stream: &mut Transport| match stream.then {
                        ErrorKind::UnexpectedEof => Ok(()),
                        kind => Err(kind.into()),
                    };
                    match ws.exchange(&mut stream, shut) {
                        Ok(true) => while let Ok(Some(_)) = ws.next_event() {},
                        result => break result.map_err(|error| error.kind()),
                    }
                };
                assert_eq!(result, if is_over { Ok(false) } else { Err(then) }, "{writes_fail}");
                assert!(ws.output().is_empty() || !is_over, "what cannot be written any more");
            }
        }
    }
}

/// While deadlines are kept, a stream's time-out is no error, neither of a read nor of a write. All else is, and so is a
/// time-out without deadlines. What was not written stays in the output.
fn time_outs_of_a_stream<R: Role>(role: fn() -> R) {
    for (then, is_patient, ticks, writes_fail) in time_outs() {
        let mut stream = Transport {
            input: Vec::new(),
            then,
            writes_fail,
        };
        let mut ws = open(role());
        if ticks {
            ws.tick(Moment::from_micros(1));
        }
        if writes_fail {
            ws.tx().text("a").unwrap();
        }
        let expected = if ticks && is_patient { Ok(true) } else { Err(then) };
        let result = ws.exchange(&mut stream, |_| unreachable!());
        assert_eq!(
            result.map_err(|error| error.kind()),
            expected,
            "{then}, ticks {ticks}, writes {writes_fail}"
        );
        assert_eq!(ws.output().is_empty(), !writes_fail);
        assert_eq!(ws.transport(), TransportAction::Continue);
    }
}

/// Behind an answer that is no upgrade, a flush or a shutdown that would block ended the handshake with the answer unsent, and
/// without a word of what the client had done.
#[test]
fn an_answer_whose_flush_and_shutdown_would_block() {
    /// Each operation would block every other time.
    struct Blocking {
        input: &'static [u8],
        held: Vec<u8>,
        sent: Vec<u8>,
        calls: usize,
    }

    impl Blocking {
        fn call(&mut self) -> io::Result<()> {
            self.calls += 1;
            if self.calls % 2 == 1 {
                return Err(ErrorKind::WouldBlock.into());
            }
            Ok(())
        }
    }

    impl Read for Blocking {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            self.call()?;
            self.input.read(space)
        }
    }

    impl Write for Blocking {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.held.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.call()?;
            self.sent.append(&mut self.held);
            Ok(())
        }
    }

    let mut stream = Blocking {
        input: b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        held: Vec::new(),
        sent: Vec::new(),
        calls: 0,
    };
    let mut shut_down = 0;
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    let error = loop {
        let shut = |stream: &mut Blocking| {
            stream.call()?;
            shut_down += 1;
            Ok(())
        };
        match handshake.exchange(&mut stream, shut) {
            Ok(more) => assert!(more, "over before the error was told"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        match handshake.accept(&AcceptOptions::new()) {
            Ok(connection) => assert!(connection.is_none()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RequestError::NotWebSocket));
    assert!(stream.sent.starts_with(b"HTTP/1.1 426 "));
    assert_eq!(shut_down, 1);
}

both_roles!(
    what_is_unread,
    by_value,
    what_is_shown,
    there_is_input_once_a_byte_has_come,
    every_end_of_a_transport,
    time_outs_of_a_stream,
    every_read_and_write_size,
    a_failure_is_told_last,
    over_a_stream,
    a_peer_that_does_not_read_is_held_up,
);
