//! When the machine with its buffers reads from a stream that blocks, while deadlines are kept.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use sockless::connection::{Connection, Server};
use sockless::timers::{Moment, Timeouts};
use sockless::{BufferedConnection, Limits};

const SECOND: Duration = Duration::from_secs(1);
const START: Moment = Moment::from_micros(77_000_000);

/// A stream that takes everything, and has nothing to read yet.
struct Blocking {
    reads: u32,
}

impl std::io::Read for Blocking {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.reads += 1;
        Err(std::io::ErrorKind::TimedOut.into())
    }
}

impl std::io::Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A blocking read comes only after a tick that knows what was written: else nothing would end it in time.
#[test]
fn a_tick_comes_between_writing_and_a_blocking_read() {
    let mut stream = Blocking { reads: 0 };
    let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
    let timeouts = Timeouts::OFF.with_ping_after(Some(3 * SECOND));
    ws.set_timeouts(&timeouts.with_pong_within(Some(5 * SECOND)));
    ws.tick(START);
    assert_eq!(ws.tick(START + 3 * SECOND), None, "the Ping has not left");
    assert!(ws.exchange(&mut stream, |_| Ok(())).unwrap());
    assert_eq!(stream.reads, 0);
    assert_eq!(ws.tick(START + 3 * SECOND), Some(5 * SECOND));
    // And the end of the stream's own time-out is no error then.
    assert!(ws.exchange(&mut stream, |_| Ok(())).unwrap());
    assert_eq!(stream.reads, 1);
    // Without ticks it is as it was.
    let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
    ws.tx().text("x").unwrap();
    let error = ws.exchange(&mut stream, |_| Ok(())).unwrap_err();
    assert_eq!((error.kind(), stream.reads), (std::io::ErrorKind::TimedOut, 2));
}
