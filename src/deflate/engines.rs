//! What compresses and inflates, for any number of connections.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::zlib::{Deflater, Inflater, Setting, try_memory};
use crate::error::{Blocked, Failure, OutOfMemory, ReceiveError};

/// The engines that connections borrow to inflate and to compress: one value for each thread.
///
/// A connection keeps only the last bytes that it received and sent. Each message starts from those, so that it does not
/// matter which connection used an engine before.
///
/// Nothing is allocated before it is needed: 47,552 bytes for an inflater, 164,992 for a deflater as
/// [`DeflateOptions`](super::DeflateOptions) has it by default, and scratch for one message of each direction. Of the
/// inflaters that messages give back, four are kept for the next ones.
pub struct Engines {
    pub(super) receive: ReceiveEngines,
    pub(super) send: SendEngines,
}

/// What is needed to inflate.
pub(super) struct ReceiveEngines {
    /// Those that no message has checked out.
    spare: Vec<Inflater>,
    /// What was inflated last. Its length is the room that there is.
    pub(super) scratch: Vec<u8>,
    /// How much of it is the message that was handed out last, where that was whole.
    pub(super) delivered: Option<usize>,
    scratch_len: usize,
    /// Each message that is under way chunk by chunk has a clone.
    streams: Option<Arc<()>>,
    max_streams: usize,
}

/// An inflater that a message keeps from one call to the next.
pub(super) struct CheckedOut {
    pub(super) inflater: Inflater,
    /// Counts it, until it is given back or dropped.
    _counted: Arc<()>,
}

/// What is needed to compress.
pub(super) struct SendEngines {
    /// One for each setting in use.
    deflaters: Vec<Deflater>,
    scratch: Vec<u8>,
}

/// Inflaters that wait for a message.
const SPARE: usize = 4;

/// The least scratch at the streaming level, in bytes.
const LEAST_SCRATCH: usize = 64;

/// Scratch that is kept although the last message needed far less, in bytes.
const KEPT: usize = 256 << 10;

/// Messages that are under way chunk by chunk.
const STREAMS: usize = 256;

/// How many bytes what counts them takes.
const COUNTER: usize = 2 * size_of::<usize>();

/// Deflaters with different settings: more than connections on one thread will have agreed to.
const SETTINGS: usize = 8;

impl Engines {
    /// Engines that allocate when they are needed, with scratch for 64 KiB.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_scratch(64 << 10)
    }

    /// The same with scratch for `bytes` of inflated data: at the streaming level the longest chunk, at the message level the
    /// least that is allocated. At least 64.
    #[must_use]
    pub const fn with_scratch(bytes: usize) -> Self {
        Self {
            receive: ReceiveEngines {
                spare: Vec::new(),
                scratch: Vec::new(),
                delivered: None,
                scratch_len: match bytes {
                    0..LEAST_SCRATCH => LEAST_SCRATCH,
                    enough => enough,
                },
                streams: None,
                max_streams: STREAMS,
            },
            send: SendEngines::new(),
        }
    }

    /// The same for at most `count` messages at a time that are received chunk by chunk, and whose end has not come: each of
    /// them keeps an inflater. Default: 256, which is 12 MB. With more,
    /// [`receive_chunk`](super::DeflateConnection::receive_chunk) returns [`Blocked::NoInflater`].
    ///
    /// A peer that stops inside a message holds an inflater until its connection is dropped: keep a
    /// [deadline](crate::timers::Timeouts) for messages.
    #[must_use]
    pub const fn with_max_streams(mut self, count: usize) -> Self {
        self.receive.max_streams = count;
        self
    }

    /// How many messages are being received chunk by chunk, each with an inflater from here.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.receive.streams()
    }

    /// The memory that they hold, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.receive.memory() + self.send.memory()
    }

    /// Gives back all memory but that of messages under way.
    pub fn release(&mut self) {
        self.receive.release();
        self.send = SendEngines::new();
    }

    /// The message that was handed out last, by value, if it was compressed: as
    /// [`ReadBuffer::take_binary`](crate::buffer::ReadBuffer::take_binary). Long ones are not copied.
    pub fn take_binary(&mut self) -> Option<Vec<u8>> {
        self.receive.take_binary()
    }

    /// The text that was handed out last, by value, if it was compressed.
    pub fn take_text(&mut self) -> Option<alloc::string::String> {
        alloc::string::String::from_utf8(self.take_binary()?).ok()
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engines")
            .field("memory", &self.memory())
            .field("streams", &self.streams())
            .finish_non_exhaustive()
    }
}

impl Default for Engines {
    fn default() -> Self {
        Self::new()
    }
}

impl ReceiveEngines {
    /// The memory that they hold, in bytes.
    pub(super) fn memory(&self) -> usize {
        let Self {
            spare,
            scratch,
            streams,
            ..
        } = self;
        let spare = spare.len() * Inflater::MEMORY + spare.capacity() * size_of::<Inflater>();
        spare + scratch.capacity() + streams.as_ref().map_or(0, |_| COUNTER)
    }

    /// Gives back all memory but that of messages under way.
    pub(super) fn release(&mut self) {
        self.spare = Vec::new();
        self.scratch = Vec::new();
        self.delivered = None;
        if self.streams() == 0 {
            self.streams = None;
        }
    }

    /// The message that was handed out last, by value.
    pub(super) fn take_binary(&mut self) -> Option<Vec<u8>> {
        let Self { scratch, delivered, .. } = self;
        let len = delivered.take()?;
        if len >= scratch.len() / 2 {
            let mut message = core::mem::take(scratch);
            message.truncate(len);
            return Some(message);
        }
        let message = scratch.get(..len)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(len).ok()?;
        copy.extend_from_slice(message);
        Some(copy)
    }

    /// An inflater, to be given back.
    pub(super) fn check_out(&mut self) -> Result<Inflater, OutOfMemory> {
        match self.spare.pop() {
            Some(inflater) => Ok(inflater),
            None => Inflater::new(),
        }
    }

    /// An inflater that a message keeps until its end.
    pub(super) fn check_out_for_stream(&mut self) -> Result<CheckedOut, ReceiveError> {
        if self.streams() >= self.max_streams {
            return Err(Blocked::NoInflater.into());
        }
        let failed = |error: OutOfMemory| ReceiveError::from(Failure::from(error));
        let counter = match &self.streams {
            Some(counter) => Arc::clone(counter),
            None => {
                try_memory(COUNTER).map_err(failed)?;
                Arc::clone(self.streams.insert(Arc::new(())))
            }
        };
        Ok(CheckedOut {
            inflater: self.check_out().map_err(failed)?,
            _counted: counter,
        })
    }

    fn streams(&self) -> usize {
        self.streams
            .as_ref()
            .map_or(0, |counter| Arc::strong_count(counter).saturating_sub(1))
    }

    pub(super) fn give_back(&mut self, inflater: Inflater) {
        if inflater.is_sound() && self.spare.len() < SPARE && self.spare.try_reserve(1).is_ok() {
            self.spare.push(inflater);
        }
    }

    /// How much scratch there is at least.
    pub(super) const fn scratch_len(&self) -> usize {
        self.scratch_len
    }

    /// Room for `len` bytes. What was there before is lost, so that old and new memory is never held at once.
    pub(super) fn scratch(&mut self, len: usize) -> Result<&mut [u8], OutOfMemory> {
        self.delivered = None;
        make_room(&mut self.scratch, len)?;
        Ok(&mut self.scratch)
    }

    /// The first `len` bytes of scratch.
    pub(super) fn made(&self, len: usize) -> &[u8] {
        self.scratch.get(..len).unwrap_or_default()
    }
}

impl SendEngines {
    pub(super) const fn new() -> Self {
        Self {
            deflaters: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The memory that they hold, in bytes.
    pub(super) fn memory(&self) -> usize {
        let Self { deflaters, scratch } = self;
        let states: usize = deflaters.iter().map(|deflater| deflater.setting.memory()).sum();
        states + deflaters.capacity() * size_of::<Deflater>() + scratch.capacity()
    }

    /// Compresses `input`, as [`Deflater::deflate`]. `None` if there is no memory.
    pub(super) fn deflate(&mut self, setting: Setting, history: [&[u8]; 2], input: &[u8]) -> Option<&[u8]> {
        let at = match self.deflaters.iter().position(|deflater| deflater.setting == setting) {
            Some(at) => at,
            None => {
                if self.deflaters.len() >= SETTINGS {
                    self.deflaters.remove(0);
                }
                self.deflaters.try_reserve_exact(1).ok()?;
                self.deflaters.push(Deflater::new(setting).ok()?);
                self.deflaters.len() - 1
            }
        };
        let room = Deflater::room_for(input.len());
        make_room(&mut self.scratch, room).ok()?;
        let output = self.scratch.get_mut(..room)?;
        let Some(made) = self.deflaters.get_mut(at)?.deflate(history, input, output) else {
            self.deflaters.swap_remove(at);
            return None;
        };
        self.scratch.get(..made)
    }
}

/// Sees to it that scratch has at least `len` bytes, and not far more. Old and new memory is never held at once.
fn make_room(scratch: &mut Vec<u8>, len: usize) -> Result<(), OutOfMemory> {
    let suits = len..=len.saturating_mul(8).max(KEPT);
    if !suits.contains(&scratch.len()) {
        *scratch = Vec::new();
        scratch.try_reserve_exact(len).map_err(|_| OutOfMemory)?;
        scratch.resize(len, 0);
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and zlib-rs may"
)]
mod tests {
    use super::*;

    #[test]
    fn an_inflater_that_has_panicked_is_not_used_again() {
        let mut engines = Engines::new().receive;
        let mut inflater = engines.check_out().unwrap();
        assert!(inflater.guarded(|_| panic!("as zlib-rs might")).is_none());
        assert!(inflater.guarded(|_| ()).is_none());
        engines.give_back(inflater);
        assert!(engines.spare.is_empty());
        let mut inflater = engines.check_out().unwrap();
        assert!(inflater.guarded(|_| ()).is_some());
        engines.give_back(inflater);
        assert_eq!(engines.spare.len(), 1);
    }
}
