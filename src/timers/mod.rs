//! Time as data: deadlines, keepalive and round-trip times, without a clock.
//!
//! Time is an input like bytes: every call says [`Moment`] it is, and [`Timers`] says what is due and when to ask next.
//! How long a peer may take for what is set in [`Timeouts`]. The machines in [`buffered`](crate::buffered) do all of it with
//! one call, `tick(now)`.
//!
//! What holds:
//!
//! - **Nothing is early.** The clock of a Pong starts when the last byte of the Ping has left. Any byte is a sign of life.
//!   While the caller does not read, the clock stands for what the peer sends. A clock that jumps back stands until it has
//!   caught up.
//! - **Nothing is lost.** At [`Timers::next_deadline`], [`Timers::handle_timeout`] returns something, and what the caller
//!   does not act on comes again after as long. A limit is exceeded by at most one step of the caller's.
//! - **Little is to be done.** What happens moves deadlines later. A timer that fires too early finds that out and is
//!   set again, once for each timeout and not for each message.
//!
//! Which deadline runs in which state, and when it passes:
//!
//! | | before the head | within the head | open | in a message | frame sent in chunks | Close sent | Close received | failed | at the end |
//! |---|---|---|---|---|---|---|---|---|---|
//! | **handshake** | start + `handshake`: drop | the same: 408, drop | - | - | - | - | - | - | - |
//! | **Ping** | - | - | last byte + `ping_after` | the same | the same, again after `ping_after` if it cannot be sent | - | - | - | - |
//! | **Pong** | - | - | last byte, or the Ping left, + `pong_within`: 1011 | the same | 1011 behind the frame | - | - | - | - |
//! | **idle** | - | - | last data + `idle`: 1001 | the same | 1001 behind the frame | - | - | - | - |
//! | **message** | - | first byte + `grace` + bytes / rate: 408, drop | - | first byte + `grace` + bytes / rate: 1008 | the same, behind the frame | - | - | - | - |
//! | **write** | last byte taken, or output began to wait, + `write`: abort | the same | the same | the same | the same | the same | the same | the same | the same |
//! | **close** | - | - | - | - | - | the Close, or the last byte taken, + `close`: abort | the same | the same | the same while output waits |
//!
//! The bytes of a message count with their headers where a machine with buffers has seen these come. "At the end" is after the end of the stream: with nothing left to write, no deadline runs.
//!
//! # Two halves
//!
//! Where two tasks own a half each, [`Timers`] lie between them, in the lock with the
//! [`ReplySlot`](crate::connection::ReplySlot). The receiving task says what has come. The sending task does what is due, and
//! sleeps no longer than to the next deadline; wake it when the slot is filled, and when that deadline has come nearer. It
//! stays until the stream has ended, since it keeps the deadline of closing too. Neither waits for the other. They start
//! with [`Timers::new`] and [`opened`](Timers::opened). To drop the transport, shut it down in both directions: the read of
//! the other task ends then.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use sockless::buffer::{Output, ReadBuffer, WriteBuffer};
//! use sockless::connection::{Receiver, Reply, ReplySlot, Sender, Server};
//! use sockless::error::SendError;
//! use sockless::message::Event;
//! use sockless::timers::{Due, Moment, Timers};
//!
//! /// After each read: `input` holds what has come. Returns whether to wake the sending task.
//! fn received(
//!     rx: &mut Receiver<Server>,
//!     input: &mut ReadBuffer,
//!     slot: &mut ReplySlot,
//!     timers: &mut Timers,
//!     now: Moment,
//! ) -> bool {
//!     let (mut wake, before) = (false, timers.next_deadline());
//!     loop {
//!         match rx.receive(input) {
//!             Ok(Some(event)) => {
//!                 if let Some(reply) = event.reply() {
//!                     wake |= slot.put(reply);
//!                 }
//!                 match event {
//!                     Event::Text(_) | Event::Binary(_) => timers.message_received(now),
//!                     Event::Pong(payload) => drop(timers.pong(now, payload)),
//!                     _ => {}
//!                 }
//!             }
//!             Ok(None) => break,
//!             Err(failure) => {
//!                 wake |= slot.put(Reply::from(failure)); // the same each time
//!                 break;
//!             }
//!         }
//!     }
//!     let unread = input.unread().len() as u64;
//!     let under_way = rx.message_progress().map(|bytes| bytes + unread);
//!     timers.received(now, under_way.or((unread > 0).then_some(unread)));
//!     wake || timers.next_deadline().is_some_and(|after| before.is_none_or(|before| after < before))
//! }
//!
//! /// Before each wait. If it returns false, drop the transport. Else write what the transport takes of `out`, tell
//! /// `timers.written` how much, and wait no longer than to `timers.next_deadline()`, if there is one.
//! fn due(
//!     tx: &mut Sender<Server>,
//!     out: &mut WriteBuffer,
//!     slot: &mut ReplySlot,
//!     timers: &mut Timers,
//!     now: Moment,
//! ) -> Result<bool, SendError> {
//!     if let Some(reply) = slot.take() {
//!         tx.tx(out).reply(&reply)?;
//!         if reply.is_close() {
//!             timers.closing(now);
//!         }
//!     }
//!     while let Some(due) = timers.handle_timeout(now) {
//!         match due {
//!             Due::Ping(payload) => {
//!                 tx.tx(out).ping(&payload)?;
//!                 timers.pinged(now, out.len());
//!             }
//!             Due::Passed(deadline) => {
//!                 let Some(code) = deadline.close_code() else { return Ok(false) };
//!                 tx.tx(out).close(code, deadline.text())?;
//!                 timers.closing(now);
//!             }
//!         }
//!     }
//!     timers.written(now, 0, out.len()); // what waits has a deadline, too
//!     Ok(true)
//! }
//! # }
//! ```

mod due;
mod machine;
mod moment;
mod round_trip;
mod timeouts;

pub use due::{Deadline, Due};
pub use machine::Timers;
pub use moment::Moment;
pub use round_trip::RoundTrip;
#[cfg(feature = "alloc")]
pub(crate) use timeouts::Config;
pub use timeouts::{Rate, Timeouts};
