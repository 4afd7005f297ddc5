//! One message for many connections, compressed once although each has a window of its own.
//!
//! What compressed data may refer to is text, not state. A connection that has been sent the last bytes of the group's text,
//! with nothing compressed between, has them in its window, whoever sent them how. So a newcomer is served messages that
//! refer to nothing until it has as much as the group refers to; from then on one compressed message serves all.

use alloc::sync::Arc;
use core::fmt;

use super::engines::Engines;
use super::history::History;
use super::inflation::TAIL;
use super::options::DeflateOptions;
use super::zlib::Setting;
use crate::connection::{Payload, PreparedMessage, RSV1};
use crate::error::OutOfMemory;
use crate::frame::MessageKind;

/// A group of connections that are sent the same messages, each compressed once.
///
/// Connections join by being sent a message, and leave by not being sent one. In between they may be sent others: what is
/// compressed for one of them alone puts it out of step for a few messages, plain ones do not.
///
/// ```
/// use sockless::connection::{Connection, Server};
/// use sockless::deflate::{Broadcast, DeflateConnection, DeflateOptions, Engines};
/// use sockless::handshake::Extension;
/// use sockless::limits::Limits;
///
/// let (options, mut engines) = (DeflateOptions::new(), Engines::new());
/// let agreed = options.accept(Extension::parse("permessage-deflate"));
/// let connect = || DeflateConnection::new(Connection::new(Server, &Limits::default()), agreed.as_ref());
/// let mut members = [connect(), connect()];
///
/// let mut group = Broadcast::new(&options);
/// let mut message = group.message("{\"price\": 1, \"price\": 1, \"price\": 1}", &mut engines)?;
/// for ws in &mut members {
///     let mut out = Vec::new();
///     ws.tx(&mut out, &mut engines).broadcast(&mut message)?;
///     assert_eq!(out[0], 0xc1);    // compressed text
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broadcast {
    setting: Setting,
    threshold: usize,
    history: History,
    history_len: usize,
    /// How many bytes of text the group has been sent compressed.
    position: u64,
    group: Arc<()>,
}

/// A message for a group: see [`Broadcast::message`].
///
/// A clone shares its bytes: one for each thread that sends it.
#[derive(Clone, Debug)]
pub struct BroadcastMessage {
    pub(super) plain: PreparedMessage,
    /// None where it is not worth it.
    pub(super) compressed: Option<Compressed>,
}

#[derive(Clone, Debug)]
pub(super) struct Compressed {
    pub(super) group: Arc<()>,
    /// Where in the group's text it starts.
    pub(super) start: u64,
    /// How many bytes of the text before it refers to.
    pub(super) needs: u64,
    pub(super) setting: Setting,
    pub(super) in_step: PreparedMessage,
    /// For those who lack what it refers to, once there was one.
    pub(super) alone: Option<PreparedMessage>,
}

impl Broadcast {
    /// A group that has been sent nothing, whose messages are compressed with the level, window, memory and history of
    /// `options`. Members that agreed to a smaller window are sent plain messages.
    #[must_use]
    pub fn new(options: &DeflateOptions) -> Self {
        let sending = &options.sending;
        let window_bits = sending.window_bits.min(options.send_window_bits);
        let setting = Setting {
            level: sending.level,
            window_bits,
            mem_level: sending.mem_level,
        };
        Self {
            setting,
            threshold: usize::from(sending.threshold),
            history: History::new(),
            history_len: usize::from(sending.history_len).min(1 << window_bits),
            position: 0,
            group: Arc::new(()),
        }
    }

    /// The next message of the group. Send it to each member with
    /// [`Tx::broadcast`](crate::connection::Tx::broadcast), in the order of the messages.
    ///
    /// # Errors
    /// [`OutOfMemory`]
    pub fn message<'p>(
        &mut self,
        payload: impl Into<Payload<'p>>,
        engines: &mut Engines,
    ) -> Result<BroadcastMessage, OutOfMemory> {
        let payload = payload.into();
        let bytes = payload.as_bytes();
        let plain = PreparedMessage::new(payload)?;
        self.history.reserve(bytes.len(), self.history_len)?;
        let parts = self.history.parts();
        let compressed = match bytes.len() < self.threshold {
            true => None,
            false => engines.send.deflate(self.setting, parts, bytes),
        };
        let compressed = compressed
            .and_then(|compressed| compressed.strip_suffix(&TAIL))
            .filter(|compressed| compressed.len() < bytes.len());
        let Some(compressed) = compressed else {
            return Ok(BroadcastMessage {
                plain,
                compressed: None,
            });
        };
        let compressed = Compressed {
            group: Arc::clone(&self.group),
            start: self.position,
            needs: parts.iter().map(|part| part.len() as u64).sum(),
            setting: self.setting,
            in_step: compressed_frame(payload.kind(), compressed)?,
            alone: None,
        };
        self.history.push(bytes, self.history_len);
        self.position = self.position.saturating_add(bytes.len() as u64);
        Ok(BroadcastMessage {
            plain,
            compressed: Some(compressed),
        })
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Compressed {
    /// The frame that refers to nothing. None without memory.
    pub(super) fn alone(
        &mut self,
        plain: &PreparedMessage,
        engines: &mut super::engines::SendEngines,
    ) -> Option<&PreparedMessage> {
        if self.needs == 0 {
            return Some(&self.in_step);
        }
        if self.alone.is_none() {
            let bytes = plain.payload();
            let compressed = engines.deflate(self.setting, [&[], &[]], bytes)?;
            self.alone = Some(compressed_frame(plain.kind(), compressed.strip_suffix(&TAIL)?).ok()?);
        }
        self.alone.as_ref()
    }
}

/// A compressed message as a server sends it: with RSV1 (RFC 7692 section 6).
fn compressed_frame(kind: MessageKind, compressed: &[u8]) -> Result<PreparedMessage, OutOfMemory> {
    PreparedMessage::encode(kind, RSV1, compressed)
}
