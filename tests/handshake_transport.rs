//! What a transport says while the machines with buffers run an opening handshake over it.
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
use std::time::Duration;

use common::{Transport, time_outs};
use sockless::buffer::Output;
use sockless::handshake::{HandshakeError, RequestError};
use sockless::timers::Moment;
use sockless::{
    AcceptOptions, BufferedClientHandshake, BufferedServerHandshake, ConnectOptions, Limits, TransportAction,
    WebSocketUri,
};

const START: Moment = Moment::from_micros(77_000_000);

/// A transport on which each call fails in the same way.
const fn failing(then: ErrorKind) -> Transport {
    Transport {
        input: Vec::new(),
        then,
        writes_fail: true,
    }
}

/// While deadlines are kept, a transport's time-out is no error, neither of a read nor of a write. All else is.
#[test]
fn time_outs_of_the_transport_within_a_handshake() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    for (kind, patient, ticks, writes) in time_outs() {
        let expected = if patient && ticks { Ok(true) } else { Err(kind) };
        let limits = Limits::default();
        let mut client = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &limits).unwrap();
        let mut server = BufferedServerHandshake::new(&limits);
        if ticks {
            client.tick(START);
            server.tick(START);
        }
        if writes {
            server.buffers().0.extend(b"nonsense\r\n\r\n").unwrap();
            drop(server.accept(&AcceptOptions::new()));
            assert!(!server.output().is_empty());
        } else {
            let len = client.output().len();
            client.written(len);
        }
        let result = client.exchange(&mut failing(kind)).map_err(|error| error.kind());
        assert_eq!(result, expected, "client, {kind}, ticks {ticks}, writes {writes}");
        let result = server.exchange(&mut failing(kind), |_| Ok(()));
        let result = result.map_err(|error| error.kind());
        assert_eq!(result, expected, "server, {kind}, ticks {ticks}, writes {writes}");
    }
}

/// A client's handshake that was given up does not read on.
#[test]
fn a_client_does_not_read_behind_the_end_of_its_handshake() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let mut client = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &Limits::default()).unwrap();
    client.tick(START);
    client.tick(START + Duration::from_secs(10));
    assert_eq!(
        client.exchange(&mut failing(ErrorKind::ConnectionReset)).ok(),
        Some(false)
    );
}

/// A stream that ends within the head is an error of the stream, with what is wrong inside; and so says whatever is asked
/// then. Where a machine is told of the end otherwise, it says the same.
#[test]
fn a_stream_that_ends_within_the_head() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let limits = Limits::default();
    let inside = |error: io::Error| {
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        *error.into_inner().unwrap().downcast::<HandshakeError>().unwrap()
    };
    let ended = HandshakeError::EndOfStream;

    let start = || {
        let mut client = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &limits).unwrap();
        let (input, output) = client.buffers();
        input.extend(b"HTTP/1.1 101 S").unwrap();
        output.written(output.len());
        client
    };
    let mut client = start();
    assert_eq!(inside(client.exchange(&mut io::Cursor::new([])).unwrap_err()), ended);
    assert_eq!(client.receive().err(), Some(ended));
    let mut client = start();
    assert_eq!(client.end_of_stream(), Err(ended));
    assert_eq!(client.receive().err(), Some(ended));

    let start = || {
        let mut server = BufferedServerHandshake::new(&limits);
        server.buffers().0.extend(b"GET / HTTP/1.1\r\n").unwrap();
        server
    };
    let mut server = start();
    let error = server.exchange(&mut io::Cursor::new([]), |_| Ok(())).unwrap_err();
    assert_eq!(inside(error), ended);
    assert!(matches!(server.receive(), Err(RequestError::Refused(error)) if error == ended));
    let mut server = start();
    assert_eq!(server.end_of_stream(), Err(ended));
    assert!(matches!(server.receive(), Err(RequestError::Refused(error)) if error == ended));
}

/// Behind an answer that is no upgrade, a reset is the end that the server waits for; a time-out is no error while deadlines
/// are kept; all else is.
#[test]
fn what_a_transport_says_while_it_is_drained() {
    for (kind, ticks, expected) in [
        (ErrorKind::ConnectionReset, false, Ok(TransportAction::Close)),
        (ErrorKind::UnexpectedEof, true, Ok(TransportAction::Close)),
        (ErrorKind::WouldBlock, true, Ok(TransportAction::Drain)),
        (ErrorKind::WouldBlock, false, Err(ErrorKind::WouldBlock)),
        (ErrorKind::PermissionDenied, false, Err(ErrorKind::PermissionDenied)),
        (ErrorKind::PermissionDenied, true, Err(ErrorKind::PermissionDenied)),
    ] {
        let mut server = BufferedServerHandshake::new(&Limits::default());
        if ticks {
            server.tick(START);
        }
        server.buffers().0.extend(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(server.accept(&AcceptOptions::new()).unwrap().is_none());
        // It takes all that is written.
        let mut stream = Transport {
            writes_fail: false,
            ..failing(kind)
        };
        while server.transport() != TransportAction::Drain {
            assert!(server.exchange(&mut stream, |_| Ok(())).unwrap());
        }
        let result = server.exchange(&mut stream, |_| Ok(()));
        let result = result.map_err(|error| error.kind()).map(|more| {
            assert!(more);
            server.transport()
        });
        assert_eq!(result, expected, "{kind}, ticks {ticks}");
    }
}

/// Behind an answer that is no upgrade, what the client is still sending is read, so that the answer is not lost to a reset;
/// but not for ever.
#[test]
fn what_a_client_sends_behind_the_answer_is_read_up_to_a_bound() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
    let drained = |left: &mut u64, body: u64| {
        *left = head.len() as u64 + body;
        let mut server = BufferedServerHandshake::new(&Limits::default());
        let mut stream = Counted {
            input: Box::new(head.chain(io::repeat(b'x').take(body))),
            left,
            sent: Vec::new(),
        };
        let error = loop {
            assert!(
                server.exchange(&mut stream, |_| Ok(())).unwrap(),
                "over before the error was told"
            );
            if let Err(error) = server.accept(&AcceptOptions::new()) {
                break error;
            }
        };
        assert!(matches!(error, RequestError::NotWebSocket));
        assert!(stream.sent.starts_with(b"HTTP/1.1 426 "));
        assert!(!server.exchange(&mut stream, |_| Ok(())).unwrap());
    };
    let mut left = 0;
    drained(&mut left, 60_000);
    assert_eq!(left, 0);
    drained(&mut left, 1 << 20);
    assert!(left > 900_000, "{left} bytes are left");
}

/// An answer that is no upgrade: it is to be written, while the client may still send; then the sending direction is shut
/// down, and the rest is drained until the stream ends.
#[test]
fn what_to_do_with_the_transport_behind_an_answer() {
    let mut server = BufferedServerHandshake::new(&Limits::default());
    assert_eq!(server.transport(), TransportAction::Continue);
    server.buffers().0.extend(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(server.accept(&AcceptOptions::new()).unwrap().is_none());
    assert_eq!(server.transport(), TransportAction::Continue);
    let output = server.buffers().1;
    output.written(output.len() - 1);
    assert_eq!(server.transport(), TransportAction::Continue);
    server.written(1);
    assert_eq!(server.transport(), TransportAction::ShutDownSend);
    server.sending_shut_down();
    assert_eq!(server.transport(), TransportAction::Drain);
    server.end_of_stream().unwrap();
    assert_eq!(server.transport(), TransportAction::Close);
}

/// A loop by hand, as the documentation has it, over a transport that takes and gives so many bytes at a time. Returns what
/// the handshake came to, what was sent, and how much was read behind the shutdown of the sending direction.
fn by_hand(input: &[u8], most: usize) -> (Result<(), RequestError>, Vec<u8>, Option<usize>) {
    let (mut input, mut sent, mut behind) = (input, Vec::new(), None);
    let mut server = BufferedServerHandshake::new(&Limits::default());
    loop {
        match server.accept(&AcceptOptions::new()) {
            Ok(Some(ws)) => {
                sent.extend(ws.output());
                return (Ok(()), sent, behind);
            }
            Ok(None) => {}
            Err(error) => return (Err(error), sent, behind),
        }
        if !server.output().is_empty() {
            let len = server.output().len().min(most);
            sent.extend(&server.output()[..len]);
            server.written(len);
        } else if server.transport() == TransportAction::ShutDownSend {
            assert_eq!(behind.replace(0), None, "it is shut down once");
            server.sending_shut_down();
        } else {
            match input.read(&mut server.space()[..most]).unwrap() {
                0 => {
                    if let Err(error) = server.end_of_stream() {
                        return (Err(RequestError::Refused(error)), sent, behind);
                    }
                }
                len => {
                    server.advance(len);
                    behind = behind.map(|behind| behind + len);
                }
            }
        }
    }
}

/// An error is told when the client has got its answer, and not before: a loop may leave with `?`.
#[test]
fn a_loop_by_hand_leaves_when_nothing_is_left_to_do() {
    let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for most in [1, 7, 4096] {
        let (result, sent, behind) = by_hand(upgrade, most);
        assert!(result.is_ok() && sent.starts_with(b"HTTP/1.1 101 ") && behind.is_none());

        // What comes behind the request, while it is answered and after, is read until the stream ends.
        let mut plain = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        plain.resize(plain.len() + 5000, b'x');
        let (result, sent, behind) = by_hand(&plain, most);
        assert!(matches!(result, Err(RequestError::NotWebSocket)), "{result:?}");
        assert!(sent.starts_with(b"HTTP/1.1 426 ") && sent.ends_with(b"\n"));
        assert!(behind.unwrap() >= 900, "{behind:?}");
        plain.resize(plain.len() + 200_000, b'x');
        let (_, _, behind) = by_hand(&plain, most);
        let behind = behind.unwrap();
        assert!((65_536 - 4096..65_537 + 4096).contains(&behind), "{behind}");

        let mut wrong = b"GET / HTTP/1.1\nHost: a\r\n\r\n".to_vec();
        wrong.resize(wrong.len() + 5000, b'x');
        let (result, sent, behind) = by_hand(&wrong, most);
        assert!(matches!(result, Err(RequestError::Refused(_))), "{result:?}");
        assert!(sent.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&sent));
        assert!(behind.unwrap() >= 900, "{behind:?}");

        for len in 0..upgrade.len() {
            let (result, sent, behind) = by_hand(&upgrade[..len], most);
            let cut = matches!(result, Err(RequestError::Refused(HandshakeError::EndOfStream)));
            assert!(cut && sent.is_empty() && behind.is_none(), "{len}: {result:?}");
        }
    }
}

/// Nothing is kept of what comes behind an answer, whichever way it is read, and whether or not the answer is written yet.
#[test]
fn what_comes_behind_an_answer_is_bounded_however_it_is_read() {
    type Read = fn(&mut BufferedServerHandshake);
    let read_into_space: Read = |server| {
        let len = server.space().len();
        server.advance(len);
    };
    let read_into_buffer: Read = |server| {
        let input = server.buffers().0;
        let len = input.space().len();
        input.advance(len);
    };
    for head in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "nonsense\r\n\r\n"] {
        for (read, written) in [
            (read_into_space, true),
            (read_into_space, false),
            (read_into_buffer, true),
            (read_into_buffer, false),
        ] {
            let mut server = BufferedServerHandshake::new(&Limits::default());
            server.buffers().0.extend(head.as_bytes()).unwrap();
            assert!(server.accept(&AcceptOptions::new()).unwrap().is_none());
            let len = server.output().len();
            assert!(len > 0);
            if written {
                server.written(len);
                server.sending_shut_down();
            }
            for _ in 0..200 {
                read(&mut server);
                drop(server.accept(&AcceptOptions::new()));
            }
            assert_eq!(server.transport(), TransportAction::Close);
            assert_eq!(server.output().len(), if written { 0 } else { len });
            assert!(server.buffers().0.capacity() <= 1 << 19);
            if !written {
                assert!(server.accept(&AcceptOptions::new()).unwrap().is_none());
                server.written(len);
            }
            assert!(server.accept(&AcceptOptions::new()).is_err());
        }
    }
}

/// A stream that takes all that is written, and says how much is left of what it gives.
struct Counted<'a> {
    input: Box<dyn Read>,
    left: &'a mut u64,
    sent: Vec<u8>,
}

impl Read for Counted<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let most = space.len().min(1000);
        let len = self.input.read(&mut space[..most])?;
        *self.left -= len as u64;
        Ok(len)
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is shown of a client's handshake where it is logged: nothing of its key, nor of the source of keys.
#[test]
fn what_is_shown() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let client = BufferedClientHandshake::start(&uri, &ConnectOptions::new(), entropy, &Limits::default()).unwrap();
    let shown = format!("{client:?}");
    assert!(
        shown.contains("ClientHandshake {") && shown.contains("Key { .. }"),
        "{shown}"
    );
}
