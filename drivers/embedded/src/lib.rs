//! An echo server for devices: `embedded-io-async`, two fixed arrays, a clock, and no allocator.
//!
//! Messages go back as they come, chunk by chunk, so that they may be much longer than the arrays. With
//! [`Connection::receive`] in place of `receive_chunk`, and the read buffer of the handshake, whole messages come out that
//! are up to 131 bytes shorter than the array.

#![no_std]

use core::fmt;
use core::time::Duration;

use embassy_futures::select::{Either, select};
use embedded_io_async::{Read, Write};
use sockless::connection::{Chunk, ChunkEvent};
use sockless::error::SendError;
use sockless::handshake::{Request, RequestError, ServerHandshake};
use sockless::timers::{Due, Timers};
use sockless::{Connection, Limits, Moment, Output, ReadBuffer, Server, SliceOutput, Timeouts, TransportAction};

/// The clock of the device. With embassy: `Instant::now().as_micros()`, and `Timer::after_micros`.
pub trait Clock {
    /// The time.
    fn now(&self) -> Moment;

    /// Waits for so long.
    #[allow(async_fn_in_trait, reason = "one executor, one thread")]
    async fn wait(&self, time: Duration);
}

/// A stream and what a connection over it needs.
pub struct Device<'m, S, C> {
    /// The stream. A read that is dropped must not have taken bytes; those of embassy and of tokio do not.
    pub stream: S,
    /// The clock.
    pub clock: C,
    /// What is read. The head of the request must fit: 1 KiB does for browsers without cookies.
    pub input: &'m mut [u8],
    /// What is written: longer than the input by at least [`OVERHEAD`], and 256 bytes for the response.
    pub output: &'m mut [u8],
    /// How long the peer may take for what.
    pub timeouts: Timeouts,
    /// What the peer may send.
    pub limits: Limits,
}

/// How much longer the output must be than the input: a chunk goes out behind a header, with what was left of a character.
pub const OVERHEAD: usize = 16;

/// Why a connection was not served to its end.
#[derive(Debug)]
pub enum Error<E> {
    /// The stream has failed.
    Stream(E),
    /// The stream takes no more, and has not failed.
    TakesNothing,
    /// A deadline has passed, and the peer did nothing about it.
    Abandoned,
    /// The output is too short.
    OutputTooShort,
    /// The request could not be answered.
    Request(RequestError),
}

impl<E: fmt::Debug> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(error) => write!(f, "the stream has failed: {error:?}"),
            Self::TakesNothing => f.write_str("the stream takes no more"),
            Self::Abandoned => f.write_str("the peer takes too long"),
            Self::OutputTooShort => f.write_str("the output is too short"),
            Self::Request(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Error<E> {}

impl<S: Read + Write, C: Clock> Device<'_, S, C> {
    /// Serves one connection, from its first byte to its last. `answer` says what to do with the request, and
    /// `shut_down_send` shuts down the sending direction of the stream.
    ///
    /// # Errors
    /// [`Error`]. Violations of the protocol by the peer are none: it was told, and the stream has ended.
    pub async fn echo(
        self,
        answer: impl FnOnce(&Request<'_>, &mut SliceOutput<'_>) -> Result<Option<Connection<Server>>, RequestError>,
        shut_down_send: impl FnOnce(&mut S),
    ) -> Result<(), Error<S::Error>> {
        if self.output.len() < self.input.len().saturating_add(OVERHEAD) {
            return Err(Error::OutputTooShort);
        }
        let timers = Timers::new(&self.timeouts, self.clock.now());
        let (stream, clock) = (self.stream, self.clock);
        let mut link = Link { stream, clock, timers };
        let mut out = SliceOutput::new(self.output);
        let mut input = ReadBuffer::fixed(self.input);

        let mut handshake = ServerHandshake::new(&self.limits);
        let opened = loop {
            match link.read(input.space()).await? {
                Some(0) => return Ok(()),
                Some(len) => input.advance(len),
                None if link.timers.handle_timeout(link.clock.now()).is_some() => {
                    let _ = handshake.timed_out(&mut input, &mut out); // an answer with status 408
                    break None;
                }
                None => {}
            }
            match handshake.receive(&mut input, &mut out) {
                Ok(Some(request)) => break answer(&request, &mut out).map_err(Error::Request)?,
                Ok(None) => link
                    .timers
                    .received(link.clock.now(), Some(input.unread().len() as u64)),
                Err(_) => break None, // the answer is in the output
            }
        };
        let (input, unread) = input.into_unread();
        match opened {
            Some(ws) => link.talk(ws, input, unread, &mut out, shut_down_send).await,
            None => link.leave(input, &mut out, shut_down_send).await,
        }
    }
}

/// A stream with its deadlines.
struct Link<S, C> {
    stream: S,
    clock: C,
    timers: Timers,
}

impl<S: Read + Write, C: Clock> Link<S, C> {
    /// The open connection.
    async fn talk(
        &mut self,
        mut ws: Connection<Server>,
        input: &mut [u8],
        mut unread: core::ops::Range<usize>,
        out: &mut SliceOutput<'_>,
        shut_down_send: impl FnOnce(&mut S),
    ) -> Result<(), Error<S::Error>> {
        let mut shut_down_send = Some(shut_down_send);
        self.timers.opened(self.clock.now());
        loop {
            let has_come = !unread.is_empty();
            let mut rest = input.get_mut(unread).unwrap_or_default();
            loop {
                match ws.receive_chunk(&mut rest, out) {
                    Ok(Some((event, mut tx))) => loop {
                        self.note(&event);
                        let sent = match event {
                            ChunkEvent::Text(chunk) => tx.part(chunk.data, chunk.message_end),
                            ChunkEvent::Binary(chunk) => tx.part(chunk.data, chunk.message_end),
                            _ => Ok(()),
                        };
                        match sent {
                            Err(SendError::OutputFull(_)) => self.write(self.clock.now(), tx.output()).await?,
                            _ => break, // there is nothing to answer once this side has closed
                        }
                    },
                    Ok(None) => break,
                    // After a failure the Close is in the output, and `transport` says what is next.
                    Err(error) if error.failure().is_some() => break,
                    Err(_) => self.write(self.clock.now(), out).await?,
                }
            }
            let now = self.clock.now();
            if has_come {
                self.timers.received(now, ws.message_progress());
            }
            self.tick(now, &mut ws, out)?;
            if ws.transport() != TransportAction::Continue {
                self.timers.closing(now);
            }
            self.write(now, out).await?;
            match ws.transport() {
                TransportAction::ShutDownSend => {
                    if let Some(shut_down_send) = shut_down_send.take() {
                        shut_down_send(&mut self.stream);
                    }
                    ws.sending_shut_down();
                }
                TransportAction::Close | TransportAction::Abort => return Ok(()),
                _ => {}
            }
            unread = match self.read(input).await? {
                Some(0) => {
                    ws.end_of_stream();
                    0..0
                }
                Some(len) => 0..len,
                None => 0..0,
            };
        }
    }

    /// Tells the timers what has come.
    fn note(&mut self, event: &ChunkEvent<'_>) {
        let now = self.clock.now();
        match event {
            ChunkEvent::Text(Chunk { message_end: true, .. }) | ChunkEvent::Binary(Chunk { message_end: true, .. }) => {
                self.timers.message_received(now);
            }
            ChunkEvent::Pong(payload) => drop(self.timers.pong(now, payload)),
            _ => {}
        }
    }

    /// Does what is due at `now`.
    fn tick(
        &mut self,
        now: Moment,
        ws: &mut Connection<Server>,
        out: &mut SliceOutput<'_>,
    ) -> Result<(), Error<S::Error>> {
        while let Some(due) = self.timers.handle_timeout(now) {
            let sent = match due {
                Due::Ping(payload) => {
                    let sent = ws.tx(out).ping(&payload);
                    self.timers.pinged(now, out.len());
                    sent
                }
                Due::Passed(deadline) => {
                    let code = deadline.close_code().ok_or(Error::Abandoned)?;
                    self.timers.closing(now);
                    ws.tx(out).close(code, deadline.text())
                }
            };
            sent.map_err(|_| Error::Abandoned)?;
        }
        Ok(())
    }

    /// Writes an answer that is no upgrade, and reads until the stream ends, so that the answer is not lost to a reset.
    async fn leave(
        &mut self,
        input: &mut [u8],
        out: &mut SliceOutput<'_>,
        shut_down_send: impl FnOnce(&mut S),
    ) -> Result<(), Error<S::Error>> {
        let now = self.clock.now();
        self.timers.closing(now);
        self.write(now, out).await?;
        shut_down_send(&mut self.stream);
        while self.read(input).await? != Some(0) {
            if self.timers.handle_timeout(self.clock.now()).is_some() {
                return Err(Error::Abandoned);
            }
        }
        Ok(())
    }

    /// Reads once. `None`: something is due.
    async fn read(&mut self, space: &mut [u8]) -> Result<Option<usize>, Error<S::Error>> {
        let left = self
            .timers
            .next_deadline()
            .map_or(Duration::MAX, |at| at - self.clock.now());
        match select(self.stream.read(space), self.clock.wait(left)).await {
            Either::First(len) => len.map(Some).map_err(Error::Stream),
            Either::Second(()) => Ok(None),
        }
    }

    /// Writes all of the output. From `now` on nothing is read, so that only writing and closing have a deadline. What has
    /// passed before, and was not looked at, passes again.
    async fn write(&mut self, mut now: Moment, out: &mut SliceOutput<'_>) -> Result<(), Error<S::Error>> {
        self.timers.reading(now, false);
        while out.len() > 0 {
            self.timers.written(now, 0, out.len());
            while let Some(due) = self.timers.handle_timeout(now) {
                if matches!(due, Due::Passed(deadline) if deadline.close_code().is_none()) {
                    return Err(Error::Abandoned);
                }
            }
            let left = self.timers.next_deadline().map_or(Duration::MAX, |at| at - now);
            let waited = select(self.stream.write(out.as_bytes()), self.clock.wait(left)).await;
            now = self.clock.now();
            if let Either::First(len) = waited {
                let len = len.map_err(Error::Stream)?;
                if len == 0 {
                    return Err(Error::TakesNothing);
                }
                out.consume(len);
                self.timers.written(now, len, out.len());
            }
        }
        self.timers.reading(now, true);
        Ok(())
    }
}
