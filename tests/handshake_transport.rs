//! What a transport says while the machines with buffers run an opening handshake over it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use sockless::timers::Moment;
use sockless::{AcceptOptions, BufferedClientHandshake, BufferedServerHandshake, ConnectOptions, Limits, WebSocketUri};

const START: Moment = Moment::from_micros(77_000_000);

/// A transport on which each call fails in the same way.
struct Failing(ErrorKind);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

/// While deadlines are kept, a transport's time-out is no error, neither of a read nor of a write. All else is.
#[test]
fn time_outs_of_the_transport_within_a_handshake() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let kinds = [
        (ErrorKind::WouldBlock, true),
        (ErrorKind::TimedOut, true),
        (ErrorKind::ConnectionReset, false),
    ];
    for ((kind, patient), ticks, writes) in kinds.into_iter().flat_map(|kind| {
        [
            (kind, false, false),
            (kind, false, true),
            (kind, true, false),
            (kind, true, true),
        ]
    }) {
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
            assert!(!server.buffers().1.unwritten().is_empty());
        } else {
            let len = client.buffers().1.unwritten().len();
            client.buffers().1.written(len);
        }
        let result = client.exchange(&mut Failing(kind)).map_err(|error| error.kind());
        assert_eq!(result, expected, "client, {kind}, ticks {ticks}, writes {writes}");
        let result = server.exchange(&mut Failing(kind), |_| Ok(()));
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
        client.exchange(&mut Failing(ErrorKind::ConnectionReset)).ok(),
        Some(false)
    );
}
