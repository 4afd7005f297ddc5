//! A connection for two tasks, one that reads and one that writes.
//!
//! No lock is held while a stream is polled. What both tasks have lies behind one that is held for as long as it takes to put
//! a message into a buffer. Whoever writes takes the stream out of there, writes without the lock, and puts it back; whoever
//! comes meanwhile leaves what it has, and the other finds it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::{fmt, future, mem};

use sockless::buffer::{Output, WriteBuffer};
use sockless::connection::{Reply, ReplySlot, Role};
use sockless::timers::{Deadline, Due, Moment, RoundTrip, Timers};
use sockless::{CloseCode, CloseRecord, Event, ReadBuffer, SendError, TransportAction, Tx};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::{self, Alarm, NEVER};
use crate::ends::{ReceiveEnd, SendEnd};
use crate::error::{Error, Result};
use crate::memory::{self, Piece};
use crate::outgoing::Outgoing;
use crate::transport::{Outlet, is_end, poll_read};
use crate::wakers::{Side, Wakers};

/// The half of a connection that reads. It also writes what is owed to the peer, keeps the deadlines, and shuts the stream
/// down: [`ready`](Self::ready) has to be awaited as long as the connection is to live.
pub struct ReadHalf<I, O, R> {
    stream: I,
    receiver: ReceiveEnd<R>,
    input: ReadBuffer,
    piece: Option<Box<Piece>>,
    alarm: Alarm,
    shared: Arc<Shared<O, R>>,
    /// Whether all events were received.
    received: bool,
    /// Whether bytes have come that the timers have not been told of, and whether messages were among them.
    fresh: bool,
    data: bool,
    /// Whether the failure was answered.
    failed: bool,
    over: bool,
}

/// The half of a connection that writes. What was sent and has not been written goes out also when it is dropped, as long as
/// the other half is awaited.
pub struct WriteHalf<O, R> {
    shared: Arc<Shared<O, R>>,
    alarm: Alarm,
}

struct Shared<O, R> {
    state: Mutex<State<O, R>>,
    wakers: Arc<Wakers>,
    both: Waker,
}

/// What both tasks have.
struct State<O, R> {
    sender: SendEnd<R>,
    /// What is to be written after what is being written.
    queue: WriteBuffer,
    /// The last Pong, or a Close, that is owed to the peer.
    slot: ReplySlot,
    /// Taken out by the task that writes.
    pump: Option<Pump<O>>,
    /// What is being written, in bytes.
    in_flight: usize,
    /// Whether somebody came while the pump was taken out.
    contended: bool,
    /// Whether the reading task waits for the stream.
    reading: bool,
    timers: Timers,
    watermark: usize,
    write_error: Option<io::Error>,
    aborted: bool,
}

/// The stream to write to, and what is being written.
struct Pump<O> {
    outlet: Outlet<O>,
    writing: WriteBuffer,
}

/// What a connection is taken apart into.
pub(crate) struct Parts<I, O, R> {
    pub(crate) read: I,
    pub(crate) write: O,
    pub(crate) receiver: ReceiveEnd<R>,
    pub(crate) sender: SendEnd<R>,
    pub(crate) input: ReadBuffer,
    pub(crate) output: WriteBuffer,
    pub(crate) timers: Timers,
    pub(crate) watermark: usize,
}

impl<I, O: AsyncWrite + Unpin, R: Role> Parts<I, O, R> {
    pub(crate) fn into_halves(self) -> (ReadHalf<I, O, R>, WriteHalf<O, R>) {
        let (wakers, both) = Wakers::both();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                sender: self.sender,
                queue: WriteBuffer::new(),
                slot: ReplySlot::new(),
                in_flight: self.output.len(),
                pump: Some(Pump {
                    outlet: Outlet::resumed(self.write),
                    writing: self.output,
                }),
                contended: false,
                reading: false,
                timers: self.timers,
                watermark: self.watermark,
                write_error: None,
                aborted: false,
            }),
            wakers,
            both,
        });
        let read = ReadHalf {
            stream: self.read,
            receiver: self.receiver,
            input: self.input,
            piece: None,
            alarm: Alarm::default(),
            shared: Arc::clone(&shared),
            received: false,
            fresh: false,
            data: false,
            failed: false,
            over: false,
        };
        let write = WriteHalf {
            shared,
            alarm: Alarm::default(),
        };
        (read, write)
    }
}

impl<O, R: Role> State<O, R> {
    /// How many bytes wait to be written.
    fn waiting(&self) -> usize {
        self.queue.len() + self.in_flight
    }

    fn is_full(&self) -> bool {
        self.waiting() > self.watermark
    }

    /// Puts the reply that is owed into the queue, unless that is long: then a later one may take its place.
    fn put_reply(&mut self) {
        if self.is_full() {
            return;
        }
        if let Some(reply) = self.slot.take() {
            match self.sender.with_tx(&mut self.queue, |tx| tx.reply(&reply)) {
                Ok(()) => {}
                // Behind the frame that is being sent in chunks, or once there is memory.
                Err(_) => drop(self.slot.put(reply)),
            }
        }
    }

    fn owe(&mut self, reply: Reply, now: Moment) {
        if reply.is_close() {
            self.timers.closing(now);
        }
        self.slot.put(reply);
        self.put_reply();
    }

    /// Nothing more can be written.
    fn cannot_write(&mut self, error: io::Error) {
        self.write_error.get_or_insert(error);
        self.queue.discard();
        self.sender.sending_shut_down();
        self.timers.closing(clock::now());
    }

    fn abort(&mut self) {
        self.aborted = true;
        self.queue.discard();
        self.sender.sending_shut_down();
    }

    /// Does what is due, and says when to ask next. `None` if nothing has a deadline.
    fn due(&mut self, now: Moment) -> (Option<std::time::Duration>, bool) {
        self.timers.reading(now, self.reading);
        let mut done = false;
        while let Some(due) = self.timers.handle_timeout(now) {
            match due {
                Due::Ping(payload) => {
                    let pinged = self.sender.with_tx(&mut self.queue, |tx| tx.ping(&payload));
                    if pinged.is_ok() {
                        let waiting = self.waiting();
                        self.timers.pinged(now, waiting);
                        done = true;
                    }
                }
                Due::Passed(deadline) => {
                    done = true;
                    let closed = deadline.close_code().map(|code| {
                        let text = deadline.text();
                        self.sender.with_tx(&mut self.queue, |tx| tx.close(code, text))
                    });
                    match closed {
                        Some(Ok(())) => self.timers.closing(now),
                        // A frame is being sent in chunks, which nobody finishes.
                        Some(Err(_)) | None => self.abort(),
                    }
                }
            }
        }
        (self.timers.next_deadline().map(|deadline| deadline - now), done)
    }
}

impl<O: AsyncWrite + Unpin, R: Role> Shared<O, R> {
    fn lock(&self) -> MutexGuard<'_, State<O, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the pump out. `None` if the other task has it, which is told that there is more to do.
    fn take_pump(&self) -> Option<Pump<O>> {
        let mut state = self.lock();
        state.put_reply();
        let Some(mut pump) = state.pump.take() else {
            state.contended = true;
            return None;
        };
        if pump.writing.len() == 0 {
            mem::swap(&mut pump.writing, &mut state.queue);
        }
        state.in_flight = pump.writing.len();
        Some(pump)
    }

    /// Writes and flushes all that waits.
    fn poll_write(&self, side: Side) -> Poll<()> {
        let other = match side {
            Side::Read => Side::Write,
            Side::Write => Side::Read,
        };
        loop {
            let Some(mut pump) = self.take_pump() else {
                return Poll::Pending;
            };
            let mut wrote = 0;
            let mut cx = Context::from_waker(&self.both);
            let polled = pump.outlet.poll_write(&mut pump.writing, &mut wrote, &mut cx);
            let mut state = self.lock();
            let polled = match polled {
                Poll::Ready(Ok(())) => Poll::Ready(()),
                Poll::Ready(Err(error)) => {
                    state.cannot_write(error);
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            };
            if state.write_error.is_some() || state.aborted {
                pump.writing.discard();
            }
            state.in_flight = pump.writing.len();
            if pump.writing.len() == 0 {
                pump.writing.release();
            }
            state.pump = Some(pump);
            state.put_reply();
            let waiting = state.waiting();
            if wrote > 0 || waiting > 0 || state.write_error.is_some() {
                state.timers.written(clock::now(), wrote, waiting);
            }
            let more = polled.is_ready() && state.queue.len() > 0;
            let contended = mem::take(&mut state.contended);
            drop(state);
            if wrote > 0 || contended {
                self.wakers.wake(other);
            }
            if !more {
                return polled;
            }
        }
    }

    /// Shuts down the sending direction.
    fn poll_shut_down(&self) -> Poll<()> {
        let Some(mut pump) = self.take_pump() else {
            return Poll::Pending;
        };
        let polled = pump.outlet.poll_shut_down(&mut Context::from_waker(&self.both));
        let mut state = self.lock();
        state.pump = Some(pump);
        if mem::take(&mut state.contended) {
            self.wakers.wake(Side::Write);
        }
        match polled {
            Poll::Ready(Ok(())) => state.sender.sending_shut_down(),
            Poll::Ready(Err(error)) => state.cannot_write(error),
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + Unpin, O: AsyncWrite + Unpin, R: Role> ReadHalf<I, O, R> {
    /// Waits until [`next_event`](Self::next_event) may have something, and does all that is due meanwhile, as
    /// [`WebSocket::ready`](crate::WebSocket::ready) does. `false` when it is over.
    ///
    /// # Cancel safety
    /// It may be dropped at any time, and called again: nothing is lost.
    ///
    /// # Errors
    /// As [`WebSocket::ready`](crate::WebSocket::ready).
    pub async fn ready(&mut self) -> Result<bool> {
        let mut wait = Wait {
            half: self,
            pending: false,
        };
        future::poll_fn(|cx| {
            let polled = wait.half.poll_ready(cx);
            wait.pending = polled.is_pending();
            polled
        })
        .await
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.over {
            return Poll::Ready(Ok(false));
        }
        self.shared.wakers.register(Side::Read, cx.waker());
        let now = clock::now();
        self.tell_timers(now);
        loop {
            let is_written = self.shared.poll_write(Side::Read).is_ready();
            match self.transport() {
                TransportAction::Abort => return Poll::Ready(self.finish(None)),
                TransportAction::Close if is_written => {
                    // It says to the peer that this is the end. Nobody has to wait for it.
                    let _ = self.shared.poll_shut_down();
                    return Poll::Ready(self.finish(None));
                }
                TransportAction::ShutDownSend if is_written && self.shared.poll_shut_down().is_ready() => continue,
                _ => {}
            }
            if !self.received && !self.input.unread().is_empty() {
                return Poll::Ready(Ok(true));
            }
            if self.transport().wants_input() {
                match self.poll_read(cx) {
                    // There is no memory to read into, which is not the end: the receiver says so. Where nothing more would
                    // be received it may as well be.
                    Poll::Ready(Ok(0)) if self.input.space().is_empty() && !self.is_told() => {
                        self.received = false;
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Ready(Ok(0)) => {
                        self.end_of_stream();
                        continue;
                    }
                    Poll::Ready(Ok(len)) => {
                        self.input.advance(len);
                        (self.received, self.fresh) = (false, true);
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Ready(Err(error)) if is_end(&error, self.is_settled()) => {
                        self.end_of_stream();
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(self.finish(Some(error))),
                    Poll::Pending => {}
                }
            }
            let mut state = self.shared.lock();
            state.reading = true;
            let now = clock::now();
            let (wait, done) = state.due(now);
            drop(state);
            if !done && self.alarm.poll(wait.map_or(NEVER, |wait| now + wait), cx).is_pending() {
                self.rest();
                return Poll::Pending;
            }
        }
    }

    /// Nothing more comes. What is in the output is still written.
    fn end_of_stream(&mut self) {
        self.receiver.end_of_stream();
        self.shared.lock().timers.closing(clock::now());
    }

    /// Tells the timers what the last read has brought, whose events were received.
    fn tell_timers(&mut self, now: Moment) {
        if !mem::take(&mut self.fresh) {
            return;
        }
        let mut state = self.shared.lock();
        state.timers.reading(now, true);
        if mem::take(&mut self.data) {
            state.timers.message_received(now);
        }
        let unread = self.input.unread().len() as u64;
        let under_way = self.receiver.receiver().message_progress().map(|bytes| bytes + unread);
        state.timers.received(now, under_way.or((unread > 0).then_some(unread)));
    }

    fn transport(&self) -> TransportAction {
        let state = self.shared.lock();
        if state.aborted {
            return TransportAction::Abort;
        }
        TransportAction::of(self.receiver.receiver(), state.sender.sender())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.piece.is_none() {
            if let Some(mut piece) = memory::lend() {
                self.input.lend(&mut piece.read);
                self.piece = Some(piece);
            }
        }
        poll_read(&mut self.stream, self.input.space(), cx)
    }

    /// Gives back the memory that is not in use.
    fn rest(&mut self) {
        self.receiver.rest();
        if let Some(mut piece) = self.piece.take() {
            self.input.take_back(&mut piece.read);
            memory::take_back(piece);
        } else {
            self.input.release();
        }
        self.shared.lock().queue.release();
    }

    /// The next event. `None` says that [`ready`](Self::ready) is to be awaited. It does not wait.
    ///
    /// Pings and Close frames are answered.
    ///
    /// # Errors
    /// None so far: a failure is told by [`ready`](Self::ready), when nothing is left to do.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        self.shared.lock().reading = false;
        match self.receiver.receive(&mut self.input) {
            Ok(Some(event)) => {
                match event {
                    Event::Text(_) | Event::Binary(_) => self.data = true,
                    Event::Pong(payload) => drop(self.shared.lock().timers.pong(clock::now(), payload)),
                    _ => {}
                }
                if let Some(reply) = event.reply() {
                    self.shared.lock().owe(reply, clock::now());
                }
                Ok(Some(event))
            }
            Ok(None) => {
                self.received = true;
                Ok(None)
            }
            Err(failure) => {
                if !mem::replace(&mut self.failed, true) {
                    self.shared.lock().owe(failure.into(), clock::now());
                }
                self.received = true;
                Ok(None)
            }
        }
    }

    /// Looks at how the connection has ended so far.
    pub fn with_close_record<T>(&self, look: impl FnOnce(&CloseRecord<'_>) -> T) -> T {
        let state = self.shared.lock();
        look(&CloseRecord::of(self.receiver.receiver(), state.sender.sender()))
    }

    /// How long answers to Pings have taken. `None` before the first one.
    #[must_use]
    pub fn round_trip(&self) -> Option<RoundTrip> {
        self.shared.lock().timers.round_trip()
    }

    /// The first deadline that has passed, also where the peer has answered the Close that followed.
    #[must_use]
    pub fn passed(&self) -> Option<Deadline> {
        self.shared.lock().timers.passed()
    }

    /// Whether nothing more is to be received: a Close was, or the connection has failed.
    fn is_told(&self) -> bool {
        self.with_close_record(|record| record.received.is_some() || record.failure.is_some())
    }

    fn is_settled(&self) -> bool {
        self.with_close_record(|record| record.is_clean() || record.failure.is_some())
    }

    /// It is over. What went wrong is told once.
    fn finish(&mut self, error: Option<io::Error>) -> Result<bool> {
        self.over = true;
        self.receiver.end_of_stream();
        self.rest();
        let (clean, failure) = self.with_close_record(|record| (record.is_clean(), record.failure));
        let mut state = self.shared.lock();
        state.sender.sending_shut_down();
        let passed = state.timers.passed();
        let write_error = state.write_error.take();
        if write_error.is_some() {
            // So that the other half does not take what was discarded for written.
            state.abort();
        }
        let error = write_error.or(error);
        drop(state);
        self.shared.wakers.wake(Side::Write);
        match (clean, failure, passed, error) {
            (true, ..) => Ok(false),
            (false, Some(failure), ..) => Err(Error::Failed(failure)),
            (false, None, Some(deadline), _) => Err(Error::TimedOut(deadline)),
            (false, None, None, Some(error)) => Err(Error::Io(error)),
            (false, None, None, None) => Ok(false),
        }
    }
}

impl<O: AsyncWrite + Unpin, R: Role> WriteHalf<O, R> {
    /// Sends a message, as [`WebSocket::send`](crate::WebSocket::send) does. It is compressed by this task, and the other half
    /// waits for that if it has something to send meanwhile: a Pong, for example.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, the message was not sent, not even a part of it.
    ///
    /// # Errors
    /// [`Error::Send`], with [`SendError::Closed`] also when the connection is over. Why it is, the other half tells.
    pub async fn send(&mut self, message: impl Outgoing) -> Result<()> {
        future::poll_fn(|cx| {
            std::task::ready!(self.poll_until(cx, |state, _| !state.is_full()))?;
            let mut state = self.shared.lock();
            let State { sender, queue, .. } = &mut *state;
            sender.with_tx(queue, |tx| message.put(tx))?;
            drop(state);
            let _ = self.shared.poll_write(Side::Write);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Puts a message into the output, without waiting and without writing.
    ///
    /// # Errors
    /// [`Error::Full`] over the [watermark](crate::WebSocket::set_watermark), and [`Error::Send`].
    pub fn try_send(&mut self, message: impl Outgoing) -> Result<()> {
        if self.shared.lock().is_full() {
            return Err(Error::Full);
        }
        Ok(self.with_tx(|tx| message.put(tx))?)
    }

    /// Uses the output handle, for all that can be sent: fragments, Pings, a Close. It does not wait. What was sent goes out
    /// with the next [`send`](Self::send) or [`flush`](Self::flush), or when the other half is polled.
    ///
    /// The other half waits meanwhile: do not block in there.
    pub fn with_tx<T>(&mut self, send: impl FnOnce(&mut Tx<'_, R, WriteBuffer>) -> T) -> T {
        let mut state = self.shared.lock();
        let State { sender, queue, .. } = &mut *state;
        let was_closed = sender.sender().is_closed();
        let sent = sender.with_tx(queue, send);
        if !was_closed && sender.sender().is_closed() {
            state.timers.closing(clock::now());
            drop(state);
            // It waits until a later deadline, or until none.
            self.shared.wakers.wake(Side::Read);
        }
        sent
    }

    /// Waits until the stream has taken all that was sent.
    ///
    /// # Cancel safety
    /// It may be dropped at any time, and called again: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Send`] if the connection is over and not all was taken.
    pub async fn flush(&mut self) -> Result<()> {
        future::poll_fn(|cx| self.poll_until(cx, |_, is_written| is_written)).await?;
        self.outcome()
    }

    /// Sends a Close, unless one was sent already, and waits until it is written. The other half waits for the peer's, shuts
    /// the stream down, and has the record: go on with it until it is over.
    ///
    /// # Cancel safety
    /// It may be dropped at any time, and called again to go on.
    ///
    /// # Errors
    /// [`Error::Send`] for a code or reason that must not be sent, and as [`flush`](Self::flush).
    pub async fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<()> {
        match self.with_tx(|tx| tx.close(code, reason)) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        self.flush().await
    }

    /// Writes until `done`, which is told whether all was written.
    fn poll_until(&mut self, cx: &mut Context<'_>, done: impl Fn(&State<O, R>, bool) -> bool) -> Poll<Result<()>> {
        self.shared.wakers.register(Side::Write, cx.waker());
        let mut is_written = false;
        loop {
            let mut state = self.shared.lock();
            if done(&state, is_written) {
                return Poll::Ready(Ok(()));
            }
            let now = clock::now();
            let (wait, acted) = state.due(now);
            let aborted = state.aborted;
            drop(state);
            if aborted {
                self.shared.wakers.wake(Side::Read);
            }
            self.outcome()?;
            let was_written = mem::replace(&mut is_written, self.shared.poll_write(Side::Write).is_ready());
            if is_written && !was_written || done(&self.shared.lock(), is_written) {
                continue;
            }
            if !acted && self.alarm.poll(wait.map_or(NEVER, |wait| now + wait), cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Whether more can be written.
    fn outcome(&self) -> Result<()> {
        let state = self.shared.lock();
        if state.aborted || state.write_error.is_some() {
            return Err(Error::Send(SendError::Closed));
        }
        Ok(())
    }
}

/// A wait of the reading task. If it is dropped, nobody reads, and the clock stands for what the peer sends.
struct Wait<'a, I, O, R> {
    half: &'a mut ReadHalf<I, O, R>,
    pending: bool,
}

impl<I, O, R> Drop for Wait<'_, I, O, R> {
    fn drop(&mut self) {
        if self.pending {
            let state = self.half.shared.state.lock();
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            state.reading = false;
            state.timers.reading(clock::now(), false);
        }
    }
}

impl<I, O, R> fmt::Debug for ReadHalf<I, O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<O, R> fmt::Debug for WriteHalf<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}
