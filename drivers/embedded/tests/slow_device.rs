//! The server on a device on which every look at the clock takes long.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::convert::Infallible;
use std::future;
use std::time::Duration;

use embassy_futures::block_on;
use embedded_io_async::{ErrorType, Read, Write};
use sockless::handshake::Request;
use sockless::timers::Rate;
use sockless::{AcceptOptions, Limits, Moment, Timeouts};
use sockless_embedded::{Clock, Device, Error};

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A peer that sends this, and then nothing more; and what it gets.
struct Peer<'t> {
    sends: &'t [u8],
    gets: &'t mut Vec<u8>,
}

impl ErrorType for Peer<'_> {
    type Error = Infallible;
}

impl Read for Peer<'_> {
    async fn read(&mut self, to: &mut [u8]) -> Result<usize, Infallible> {
        if self.sends.is_empty() {
            return future::pending().await;
        }
        let len = self.sends.len().min(to.len());
        let (now, later) = self.sends.split_at(len);
        to[..len].copy_from_slice(now);
        self.sends = later;
        Ok(len)
    }
}

impl Write for Peer<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.gets.extend(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Time passes when it is asked for, and while somebody waits.
struct Slow {
    micros: Cell<u64>,
    step: u64,
}

impl Clock for Slow {
    fn now(&self) -> Moment {
        self.micros.set(self.micros.get() + self.step);
        Moment::from_micros(self.micros.get())
    }

    async fn wait(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2);
        self.micros.set(self.micros.get().saturating_add(micros));
    }
}

/// What a peer gets that sends a request and these bytes, until it is given up.
fn given_up(step: u64, timeouts: Timeouts, bytes: &[u8]) -> Vec<u8> {
    let (sends, mut gets) = ([HEAD, bytes].concat(), Vec::new());
    let device = Device {
        stream: Peer {
            sends: &sends,
            gets: &mut gets,
        },
        clock: Slow {
            micros: Cell::new(0),
            step,
        },
        input: &mut [0; 512],
        output: &mut [0; 1024],
        timeouts: timeouts.with_close(Some(Duration::from_secs(1))),
        limits: Limits::default(),
    };
    let served = block_on(device.echo(
        |request, out| match request {
            Request::Upgrade(upgrade) => upgrade.clone().accept(&AcceptOptions::new(), out).map(Some),
            Request::Http(_) => Ok(None),
        },
        |_| {},
    ));
    assert!(
        matches!(served, Err(Error::Abandoned)),
        "nobody answers the Close: {served:?}"
    );
    gets
}

const STEPS: [u64; 6] = [1, 500, 1000, 3000, 5000, 10_000];

/// A message that does not end is closed with 1008, also where its deadline passes while a Ping is being written: a
/// millisecond behind the one of the Ping, or some of them.
#[test]
fn a_deadline_that_passes_while_something_is_written_is_not_lost() {
    for step in STEPS {
        for grace in 600..615 {
            let rate = Rate {
                grace: Duration::from_millis(grace),
                bytes_per_second: 1_000_000,
            };
            let timeouts = Timeouts::OFF.with_ping_after(Some(Duration::from_millis(600)));
            let gets = given_up(step, timeouts.with_message(Some(rate)), b"\x82\xfe\x03\xe8\0\0\0\0ab");
            let close = b"\x88\x1b\x03\xf0a message came too slowly";
            assert!(gets.ends_with(close), "{step} {grace}: {}", gets.escape_ascii());
        }
    }
}

/// Who sends nothing gets a Ping and then 1011: only bytes that come are a sign of life.
#[test]
fn who_sends_nothing_is_pinged_and_closed() {
    let timeouts = Timeouts::OFF
        .with_ping_after(Some(Duration::from_millis(600)))
        .with_pong_within(Some(Duration::from_millis(600)));
    for step in STEPS {
        let gets = given_up(step, timeouts, b"");
        let ping = gets.len() - (2 + 2 + 19) - (2 + 8);
        assert_eq!(gets[ping..ping + 2], *b"\x89\x08", "{step}: {}", gets.escape_ascii());
        assert_eq!(gets[ping + 10..], *b"\x88\x15\x03\xf3no answer to a Ping");
    }
}
