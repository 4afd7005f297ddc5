//! A connection over a stream, polled: the whole order of writing, shutting down, reading and keeping deadlines.

use std::io;
use std::task::{Context, Poll};

use sockless::buffer::Output;
use sockless::connection::Role;
#[cfg(feature = "deflate")]
use sockless::deflate::Engines;
use sockless::{BufferedConnection, Event, Timeouts, TransportAction, Tx, WriteBuffer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::{self, Alarm, NEVER};
use crate::error::{Error, Result};
use crate::memory::{self, Piece};
use crate::transport::{Outlet, is_end, poll_read};

/// A connection over a stream.
///
/// It lies in two pieces. What holds tens of thousands of them has small gaps between pieces of other lengths, and a short
/// piece costs nothing there.
pub(crate) struct Machine<S, R> {
    pub(crate) ws: BufferedConnection<R>,
    pub(crate) link: Box<Link<S>>,
}

/// What a connection has to do with the runtime.
pub(crate) struct Link<S> {
    outlet: Outlet<S>,
    alarm: Alarm,
    /// What the connection reads into and writes into, if it is the thread's.
    piece: Option<Box<Piece>>,
    /// Those of the thread, while messages that may be compressed are received or sent.
    #[cfg(feature = "deflate")]
    engines: Option<Box<Engines>>,
    /// Why nothing more can be written, which is told when nothing more can be read either.
    write_error: Option<io::Error>,
    /// Whether the alarm was seen to be early enough when bytes came last and no output waited, unless the task has waited
    /// since.
    covered: bool,
    /// Whether all events were received: what is left waits for the output.
    pub(crate) received: bool,
    over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> Machine<S, R> {
    pub(crate) fn new(stream: S, ws: BufferedConnection<R>, alarm: Alarm) -> Self {
        Self {
            ws,
            link: Box::new(Link {
                outlet: Outlet::new(stream),
                alarm,
                piece: None,
                #[cfg(feature = "deflate")]
                engines: None,
                write_error: None,
                covered: false,
                received: false,
                over: false,
            }),
        }
    }

    /// The stream, to look at.
    pub(crate) const fn stream(&self) -> &S {
        &self.link.outlet.stream
    }

    /// The stream and the connection. Let it [rest](Self::rest) before.
    pub(crate) fn into_parts(self) -> (S, BufferedConnection<R>) {
        (self.link.outlet.stream, self.ws)
    }

    /// Sets how long the peer may take for what. All clocks start again.
    pub(crate) fn set_timeouts(&mut self, timeouts: &Timeouts) {
        self.ws.set_timeouts(timeouts);
        self.link.covered = false;
    }

    /// The next event, and the output handle.
    #[inline]
    pub(crate) fn next_event(&mut self) -> Result<Option<(Event<'_>, Tx<'_, R, WriteBuffer>)>> {
        #[cfg(feature = "deflate")]
        let compresses = self.ws.compresses();
        let Self { ws, link } = self;
        #[cfg(feature = "deflate")]
        let next = match compresses {
            true => ws.next_event_with(link.engines.get_or_insert_with(memory::engines)),
            false => ws.next_event(),
        };
        #[cfg(not(feature = "deflate"))]
        let next = ws.next_event();
        match next {
            Ok(Some(next)) => Ok(Some(next)),
            Ok(None) => {
                link.received = true;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The message that was handed out last, by value: text or binary.
    pub(crate) fn take_text(&mut self) -> Option<String> {
        #[cfg(feature = "deflate")]
        if let Some(text) = self.link.engines.as_mut().and_then(|engines| engines.take_text()) {
            return Some(text);
        }
        self.ws.buffers().0.take_text()
    }

    /// The same of a binary message.
    pub(crate) fn take_binary(&mut self) -> Option<Vec<u8>> {
        #[cfg(feature = "deflate")]
        if let Some(data) = self.link.engines.as_mut().and_then(|engines| engines.take_binary()) {
            return Some(data);
        }
        self.ws.buffers().0.take_binary()
    }

    /// The output handle.
    #[inline]
    pub(crate) fn tx(&mut self) -> Tx<'_, R, WriteBuffer> {
        #[cfg(feature = "deflate")]
        if self.ws.compresses() {
            return self.ws.tx_with(self.link.engines.get_or_insert_with(memory::engines));
        }
        self.ws.tx()
    }

    /// Does what is due until there may be events. `false` when it is over.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.link.over {
            return Poll::Ready(Ok(false));
        }
        self.ws.set_reading(true);
        loop {
            let is_written = self.poll_write(cx).is_ready();
            let action = self.ws.transport();
            match action {
                TransportAction::Abort => return Poll::Ready(self.finish(None)),
                TransportAction::Close if is_written => {
                    // It says to the peer that this is the end. Nobody has to wait for it.
                    let _ = self.link.outlet.poll_shut_down(cx);
                    return Poll::Ready(self.finish(None));
                }
                TransportAction::ShutDownSend if is_written => match self.link.outlet.poll_shut_down(cx) {
                    Poll::Ready(Ok(())) => {
                        self.ws.sending_shut_down();
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        self.cannot_write(error);
                        continue;
                    }
                    Poll::Pending => {}
                },
                TransportAction::Close
                | TransportAction::ShutDownSend
                | TransportAction::Continue
                | TransportAction::AwaitPeer
                | TransportAction::Drain => {}
                // There are no others; the enum may grow.
                _ => {}
            }
            // A peer that sends and does not read is held up.
            let is_full = self.is_full();
            if !is_full && self.ws.has_input() && !self.link.received {
                return Poll::Ready(Ok(true));
            }
            if !is_full && !self.ws.has_input() && action.wants_input() {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(0)) => {
                        self.ws.end_of_stream();
                        continue;
                    }
                    Poll::Ready(Ok(len)) => {
                        self.ws.advance(len);
                        let now = clock::now();
                        let due_at = self.ws.tick(now).map_or(NEVER, |wait| now + wait);
                        self.link.covered = self.link.alarm.is_before(due_at) && self.ws.buffers().1.len() == 0;
                        self.link.received = false;
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Ready(Err(error)) if is_end(&error, self.is_settled()) => {
                        self.ws.end_of_stream();
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(self.finish(Some(error))),
                    Poll::Pending => {}
                }
            }
            if !self.poll_deadline(cx) {
                self.rest();
                return Poll::Pending;
            }
        }
    }

    /// Writes and flushes all of the output. Errors are told by reading, when what the peer has still said was heard.
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ws.buffers().1.len() == 0 && !self.link.outlet.is_flush_due() {
            return Poll::Ready(());
        }
        self.poll_write_all(cx)
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.link.write_error.is_some() {
            self.ws.buffers().1.discard();
            return Poll::Ready(());
        }
        let mut wrote = 0;
        let polled = self.link.outlet.poll_write(self.ws.buffers().1, &mut wrote, cx);
        if wrote > 0 {
            // There may be events that have waited for the room.
            self.link.received = false;
        }
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(error)) => {
                self.cannot_write(error);
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The stream takes nothing more. What has come from the peer can still be read, its Close among it.
    fn cannot_write(&mut self, error: io::Error) {
        self.link.write_error = Some(error);
        self.link.received = false;
        self.ws.buffers().1.discard();
        self.ws.sending_shut_down();
    }

    /// Reads once, into memory of the thread where the connection holds nothing of its own.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.link.piece.is_none() {
            if let Some(mut piece) = memory::lend() {
                let (input, output) = self.ws.buffers();
                input.lend(&mut piece.read);
                output.lend(&mut piece.write);
                self.link.piece = Some(piece);
            }
        }
        poll_read(&mut self.link.outlet.stream, self.ws.space(), cx)
    }

    /// Gives back all memory that is not in use.
    pub(crate) fn rest(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(engines) = self.link.engines.take() {
            memory::were_engines(engines);
        }
        let (input, output) = self.ws.buffers();
        if let Some(mut piece) = self.link.piece.take() {
            input.take_back(&mut piece.read);
            output.take_back(&mut piece.write);
            memory::take_back(piece);
        } else {
            input.release();
        }
        if output.capacity() > 0 {
            output.release();
        }
    }

    /// Whether a deadline has passed and there is something new to do. Otherwise the task is woken at the next one.
    #[inline]
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        // Where all was received and written that came with the last tick, nothing is due sooner than was seen then.
        let covered = std::mem::take(&mut self.link.covered) && self.ws.is_at_rest();
        if covered && self.link.alarm.is_set(cx) {
            return false;
        }
        self.poll_tick(cx)
    }

    /// The same, by the clock.
    #[inline(never)]
    fn poll_tick(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let before = (self.ws.buffers().1.len(), self.ws.transport());
            let now = clock::now();
            let due_at = self.ws.tick(now).map_or(NEVER, |wait| now + wait);
            if before != (self.ws.buffers().1.len(), self.ws.transport()) {
                return true;
            }
            if self.link.alarm.poll(due_at, cx).is_pending() {
                return false;
            }
        }
    }

    /// Waits until the output is below its watermark.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if !self.is_full() && self.ws.transport() != TransportAction::Abort {
                return Poll::Ready(Ok(()));
            }
            if let Some(done) = self.poll_output(cx) {
                return Poll::Ready(done);
            }
            if self.is_full() && !self.wait_to_write(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Waits until all of the output was written and flushed.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if let Some(done) = self.poll_output(cx) {
                return Poll::Ready(done);
            }
            if !self.wait_to_write(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Writes what the stream takes now. `None` if it does not take all of it.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Option<Result<()>> {
        if self.poll_write(cx).is_pending() {
            return None;
        }
        // What is told here is told by `poll_ready`, too.
        let passed = self.ws.timers().and_then(|timers| timers.passed());
        Some(match (&self.link.write_error, self.ws.transport(), passed) {
            (Some(error), _, _) => Err(Error::Io(same(error))),
            (None, TransportAction::Abort, Some(deadline)) => Err(Error::TimedOut(deadline)),
            (None, TransportAction::Abort, None) => Err(Error::Io(io::ErrorKind::NotConnected.into())),
            (None, _, _) => Ok(()),
        })
    }

    /// Whether there is something new to do. Otherwise the task is woken at the next deadline. Nothing is read meanwhile, and
    /// the clock stands for what the peer sends.
    fn wait_to_write(&mut self, cx: &mut Context<'_>) -> bool {
        self.ws.set_reading(false);
        self.poll_deadline(cx)
    }

    pub(crate) fn is_full(&mut self) -> bool {
        self.ws.buffers().1.is_over_watermark()
    }

    /// Whether a stream may end in any way: both have said so, or the connection has failed.
    fn is_settled(&self) -> bool {
        let record = self.ws.close_record();
        record.is_clean() || record.failure.is_some()
    }

    /// It is over. What went wrong is told once.
    fn finish(&mut self, error: Option<io::Error>) -> Result<bool> {
        let was_over = std::mem::replace(&mut self.link.over, true);
        let error = self.link.write_error.take().or(error);
        if error.is_some() {
            self.ws.abort();
        }
        self.rest();
        let record = self.ws.close_record();
        if was_over || record.is_clean() {
            return Ok(false);
        }
        if let Some(failure) = record.failure {
            return Err(Error::Failed(failure));
        }
        if let Some(deadline) = self.ws.timers().and_then(|timers| timers.passed()) {
            return Err(Error::TimedOut(deadline));
        }
        error.map_or(Ok(false), |error| Err(Error::Io(error)))
    }
}

/// An I/O error once more.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
