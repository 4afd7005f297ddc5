//! What comes out of a connection, in the words of the model.

use sockless::connection::{Client, Connection, Server, TransportAction};
use sockless::error::Failure;
use sockless::limits::Limits;
use sockless_conformance::Role;
use sockless_conformance::model::{self, Event};

use crate::level::{self, Level, Observer, Seen};
use crate::role::{FixedKeys, Peer};

/// The longest message for which the fixed memory of [`run`] has room.
pub(crate) const FIXED_LONGEST: u16 = 200;

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The events; the chunks of a frame put together.
    pub events: Vec<Event>,
    /// What the connection has failed with.
    pub failure: Option<Failure>,
    /// How many bytes had been given when the failure came.
    pub failed_after: Option<usize>,
    /// All that was sent.
    pub output: Vec<u8>,
    /// How many calls to receive were made.
    pub calls: usize,
    /// Bytes of payload that were handed out from elsewhere than the chunk that was given.
    pub copied: usize,
}

impl Outcome {
    /// The whole messages.
    #[must_use]
    pub fn messages(&self) -> Vec<(bool, Vec<u8>)> {
        model::messages(&self.events)
    }

    /// The events, the fragments of a message put together where it ends.
    #[must_use]
    pub fn whole_events(&self) -> Vec<Event> {
        let mut whole = Vec::new();
        let mut message = Vec::new();
        for event in &self.events {
            match event {
                Event::Data {
                    text,
                    payload,
                    message_end,
                    ..
                } => {
                    message.extend_from_slice(payload);
                    if *message_end {
                        whole.push(Event::Data {
                            text: *text,
                            payload: std::mem::take(&mut message),
                            message_start: true,
                            frame_end: true,
                            message_end: true,
                        });
                    }
                }
                Event::Ping(_) | Event::Pong(_) | Event::Close(..) => whole.push(event.clone()),
            }
        }
        whole
    }
}

impl Observer for Outcome {
    fn seen(&mut self, seen: &Seen<'_>) {
        assert_eq!(self.failure, None, "{seen:?} after a failure");
        let event = match *seen {
            Seen::Data {
                text,
                payload,
                message_start,
                frame_end,
                message_end,
            } => {
                // A control frame cannot come inside a frame: the frame under way is the last event.
                if let Some(Event::Data {
                    payload: before,
                    frame_end: ended @ false,
                    message_end: message_ended,
                    text: was_text,
                    ..
                }) = self.events.last_mut()
                {
                    assert_eq!(*was_text, text);
                    assert!(!message_start, "a message starts inside a frame");
                    before.extend_from_slice(payload);
                    *ended = frame_end;
                    *message_ended = message_end;
                    return;
                }
                assert!(frame_end || !message_end, "a message ends inside a frame");
                Event::Data {
                    text,
                    payload: payload.to_vec(),
                    message_start,
                    frame_end,
                    message_end,
                }
            }
            Seen::Ping(payload) => Event::Ping(payload.to_vec()),
            Seen::Pong(payload) => Event::Pong(payload.to_vec()),
            Seen::Close(code, reason) => Event::Close(code, reason.to_owned()),
        };
        self.events.push(event);
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    fn called(&mut self) {
        self.calls += 1;
    }

    fn copied(&mut self, len: usize) {
        self.copied += len;
    }
}

/// Runs a fresh endpoint over these chunks.
///
/// # Panics
/// When a law is broken that can be seen from one run: no progress, an error that changes, an event after an error.
#[must_use]
pub fn run(level: Level, role: Role, limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    match role {
        Role::Server => run_role::<Server>(level, limits, chunks),
        Role::Client => run_role::<Client<FixedKeys>>(level, limits, chunks),
    }
}

fn run_role<R: Peer>(level: Level, limits: &Limits, chunks: &[&[u8]]) -> Outcome {
    let mut memory = [0; FIXED_LONGEST as usize + 131];
    let mut endpoint = level::open(level, Connection::new(R::make(), limits), &mut memory);
    let mut seen = Outcome::default();
    let mut given = 0;
    for chunk in chunks {
        given += chunk.len();
        let Err(failure) = endpoint.feed(chunk, &mut seen) else {
            assert_eq!(endpoint.record().failure, None, "a failure that is not told");
            continue;
        };
        seen.failure = Some(failure);
        seen.failed_after = Some(given);
        let record = endpoint.record();
        assert_eq!(record.failure, Some(failure));
        let calls = seen.calls;
        let sent = seen.output.len();
        let action = endpoint.transport();
        assert!(
            matches!(action, TransportAction::ShutDownSend | TransportAction::Drain),
            "{action:?} after a failure"
        );
        // The error is sticky, and nothing more is sent (law L6).
        for _ in 0..3 {
            let again = endpoint.feed(b"\x81\x00\x81\x80\0\0\0\0", &mut seen);
            assert_eq!(again, Err(failure), "the error is another one");
        }
        assert_eq!(
            seen.output.len(),
            sent,
            "something is sent after the Close of a failure"
        );
        seen.calls = calls;
        break;
    }
    seen
}
