//! The streaming level.

use std::ops::Range;

use sockless::connection::{ChunkEvent, CloseRecord, Connection, Receiver, Reply, Role, Sender, TransportAction};
use sockless::error::{Blocked, Failure, ReceiveError};

use super::{Endpoint, Observer, Seen, drain};

/// The joined connection.
pub(super) struct Chunks<R> {
    connection: Connection<R>,
    out: Vec<u8>,
}

impl<R: Role> Chunks<R> {
    pub(super) const fn new(connection: Connection<R>) -> Self {
        Self {
            connection,
            out: Vec::new(),
        }
    }
}

impl<R: Role> Endpoint for Chunks<R> {
    fn feed(&mut self, bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure> {
        let mut bytes = bytes.to_vec();
        let range = bytes.as_ptr_range();
        let mut input = &mut bytes[..];
        let result = loop {
            let before = input.len();
            observer.called();
            match self.connection.receive_chunk(&mut input, &mut self.out) {
                Ok(Some((event, _))) => tell(&event, Some(&range), observer),
                Ok(None) => {
                    assert!(input.is_empty(), "needs input with {before} bytes at hand");
                    break Ok(());
                }
                // Too many replies wait: the caller drains them, and goes on with what is left of the input.
                Err(ReceiveError::Blocked(Blocked::UndrainedPongs)) => {
                    assert!(!self.out.is_empty(), "nothing to drain");
                    drain(&mut self.out, observer);
                }
                Err(ReceiveError::Failed(failure)) => {
                    assert!(input.is_empty(), "input is left after a failure");
                    break Err(failure);
                }
                Err(error) => panic!("{error}, with an output that grows"),
            }
        };
        drain(&mut self.out, observer);
        result
    }

    fn record(&self) -> CloseRecord<'_> {
        self.connection.close_record()
    }

    fn transport(&self) -> TransportAction {
        self.connection.transport()
    }
}

/// The halves, apart.
pub(super) struct Halves<R> {
    receiver: Receiver<R>,
    sender: Sender<R>,
}

impl<R: Role> Halves<R> {
    pub(super) fn new(connection: Connection<R>) -> Self {
        let (receiver, sender) = connection.split().expect("no frame is under way");
        Self { receiver, sender }
    }
}

impl<R: Role> Endpoint for Halves<R> {
    fn feed(&mut self, bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure> {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        loop {
            observer.called();
            match self.receiver.receive_chunk(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(event)) => {
                    if let Some(owed) = event.reply() {
                        reply(&mut self.sender, &owed, observer);
                    }
                    tell(&event, None, observer);
                }
                Err(failure) => {
                    reply(&mut self.sender, &failure.into(), observer);
                    return Err(failure);
                }
            }
        }
    }

    fn record(&self) -> CloseRecord<'_> {
        CloseRecord::of(&self.receiver, &self.sender)
    }

    fn transport(&self) -> TransportAction {
        TransportAction::of(&self.receiver, &self.sender)
    }
}

/// Carries a reply to the send half.
pub(super) fn reply<R: Role>(sender: &mut Sender<R>, owed: &Reply, observer: &mut dyn Observer) {
    let mut out = Vec::new();
    let sent = sender.tx(&mut out).reply(owed);
    assert_eq!(sent, Ok(()), "a reply is refused");
    drain(&mut out, observer);
}

fn tell(event: &ChunkEvent<'_>, input: Option<&Range<*const u8>>, observer: &mut dyn Observer) {
    let seen = match event {
        ChunkEvent::Text(chunk) => Seen::Data {
            text: true,
            payload: chunk.data.as_bytes(),
            message_start: chunk.message_start,
            frame_end: chunk.frame_end,
            message_end: chunk.message_end,
        },
        ChunkEvent::Binary(chunk) => Seen::Data {
            text: false,
            payload: chunk.data,
            message_start: chunk.message_start,
            frame_end: chunk.frame_end,
            message_end: chunk.message_end,
        },
        ChunkEvent::Ping(payload) => Seen::Ping(payload),
        ChunkEvent::Pong(payload) => Seen::Pong(payload),
        ChunkEvent::Close(frame) => Seen::close(frame),
        event => panic!("{event:?} without an extension"),
    };
    if let (Some(input), Seen::Data { payload, .. } | Seen::Ping(payload) | Seen::Pong(payload)) = (input, seen) {
        let at = payload.as_ptr_range();
        // A character that was cut comes from the machine's four bytes.
        let is_cut = |text: &str| text.len() > 1 && text.chars().count() == 1;
        let cut = matches!(event, ChunkEvent::Text(chunk) if is_cut(chunk.data));
        if !(cut || input.start <= at.start && at.end <= input.end) {
            observer.copied(payload.len());
        }
    }
    observer.seen(&seen);
}
