//! A growing output with a cursor.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::len::Len;
use super::output::{Output, OutputFull};
use super::shared::SharedBytes;
use crate::frame::{Header, Mask};

/// Bytes below this length are copied rather than kept by reference.
const SHORT: usize = 1 << 10;

/// Memory that is kept although little of it was used, in bytes.
const KEPT: usize = 16 << 10;

/// An [`Output`] that grows and remembers how much of it was written to the transport.
///
/// ```
/// use sockless::buffer::{SharedBytes, WriteBuffer};
/// use sockless::connection::{Sender, Server};
/// use sockless::frame::MessageKind;
///
/// let mut out = WriteBuffer::new();
/// let mut sender = Sender::new(Server);
/// sender.tx(&mut out).text("Hello")?;
/// assert_eq!(out.unwritten(), b"\x81\x05Hello");
/// out.written(5);    // the transport took a part
/// assert_eq!(out.unwritten(), b"lo");
///
/// // A long payload is kept by reference: for vectored writes, there are several slices.
/// let long = SharedBytes::new(vec![b'x'; 4096]);
/// sender.tx(&mut out).shared(MessageKind::Binary, &long)?;
/// let slices: Vec<&[u8]> = out.slices().collect();
/// assert_eq!(slices.concat().len(), out.len());
/// assert_eq!(slices.last(), Some(&long.as_ref()));
/// # use sockless::buffer::Output;
/// # Ok::<(), sockless::error::SendError>(())
/// ```
#[derive(Debug)]
pub struct WriteBuffer {
    pub(super) memory: Vec<u8>,
    /// How much at the front of `memory` was written.
    pub(super) written: usize,
    /// What is kept by reference, between bytes of `memory`.
    shared: VecDeque<Kept>,
    /// The bytes of `shared` that are still to be written.
    shared_len: usize,
    /// How much memory was needed lately.
    peak: Len,
    watermark: usize,
    /// Whether `memory` was lent.
    pub(super) lent: bool,
    /// Whether it was over the watermark when bytes were written, since that was last asked.
    was_over: bool,
    /// Whether the stream that all was written to has still to be flushed.
    flush_due: bool,
}

#[derive(Debug)]
struct Kept {
    bytes: SharedBytes,
    written: usize,
    /// Where in `memory` they belong.
    at: usize,
}

impl Kept {
    fn unwritten(&self) -> &[u8] {
        self.bytes.as_ref().get(self.written..).unwrap_or_default()
    }
}

impl WriteBuffer {
    /// An empty buffer. It allocates when something is put.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            memory: Vec::new(),
            written: 0,
            shared: VecDeque::new(),
            shared_len: 0,
            peak: Len::ZERO,
            watermark: 64 << 10,
            lent: false,
            was_over: false,
            flush_due: false,
        }
    }

    /// Sets how many bytes may wait before [`is_over_watermark`](Self::is_over_watermark) says so. Default: 64 KiB.
    pub const fn set_watermark(&mut self, bytes: usize) {
        self.watermark = bytes;
    }

    /// How many bytes may wait.
    #[must_use]
    pub const fn watermark(&self) -> usize {
        self.watermark
    }

    /// Whether more bytes wait than the watermark. Nothing is refused then: the application should stop sending, or
    /// drop the peer, until the transport has taken some.
    #[must_use]
    pub fn is_over_watermark(&self) -> bool {
        self.len() > self.watermark
    }

    /// Whether it was over the watermark at any time since this was last asked.
    pub(crate) fn take_over_watermark(&mut self) -> bool {
        let over = self.was_or_is_over_watermark();
        self.was_over = false;
        over
    }

    /// Whether [`take_over_watermark`](Self::take_over_watermark) would say so.
    pub(crate) fn was_or_is_over_watermark(&self) -> bool {
        self.was_over || self.is_over_watermark()
    }

    /// The next bytes to write, up to the next ones that are kept by reference. Empty only if nothing is unwritten.
    #[inline]
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        match self.shared.front() {
            Some(kept) if kept.at == self.written => kept.unwritten(),
            Some(kept) => self.memory.get(self.written..kept.at).unwrap_or_default(),
            None => self.memory.get(self.written..).unwrap_or_default(),
        }
    }

    /// All bytes to write, in order, for a vectored write.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.shared.iter().map(|kept| kept.at).chain([self.memory.len()]);
        let starts = [self.written].into_iter().chain(self.shared.iter().map(|kept| kept.at));
        let own = starts
            .zip(ends)
            .map(|(start, end)| self.memory.get(start..end).unwrap_or_default());
        let shared = self.shared.iter().map(Kept::unwritten).chain([&[][..]]);
        own.zip(shared)
            .flat_map(|(own, shared)| [own, shared])
            .filter(|slice| !slice.is_empty())
    }

    /// The transport has taken `len` bytes: of [`unwritten`](Self::unwritten), or of the [slices](Self::slices) in their
    /// order.
    #[inline]
    pub fn written(&mut self, len: usize) {
        let waiting = self.len();
        self.was_over |= waiting > self.watermark;
        let own = if self.shared.is_empty() {
            if len >= waiting {
                // All of it, which is the common case.
                self.clear();
                return;
            }
            len
        } else {
            self.written_shared(len)
        };
        self.written = self.written.saturating_add(own).min(self.memory.len());
        if self.written == self.memory.len() && self.shared.is_empty() {
            self.clear();
        }
    }

    /// The same up to the end of what is kept by reference. Returns how many bytes were taken behind that.
    fn written_shared(&mut self, mut len: usize) -> usize {
        while let Some(kept) = self.shared.front_mut() {
            let own = kept.at - self.written;
            if len < own {
                break;
            }
            len -= own;
            self.written = kept.at;
            let taken = kept.unwritten().len().min(len);
            kept.written += taken;
            self.shared_len -= taken;
            if !kept.unwritten().is_empty() {
                return 0;
            }
            len -= taken;
            self.shared.pop_front();
        }
        len
    }

    /// Writes all that is unwritten to `stream`, and flushes it.
    ///
    /// # Errors
    /// Those of `stream`, `WouldBlock` and `TimedOut` among them. What was not written stays here, and what was not flushed is
    /// flushed by the next call.
    #[cfg(feature = "std")]
    pub fn write_to(&mut self, stream: &mut (impl std::io::Write + ?Sized)) -> std::io::Result<()> {
        use std::io::{ErrorKind, IoSlice};

        if !self.is_due() {
            return Ok(());
        }
        self.flush_due = true;
        while self.len() > 0 {
            let written = if self.shared.is_empty() {
                // One slice costs the system less this way.
                stream.write(self.unwritten())
            } else {
                let mut slices = [IoSlice::new(&[]); 8];
                let mut count = 0;
                for (to, from) in slices.iter_mut().zip(self.slices()) {
                    *to = IoSlice::new(from);
                    count += 1;
                }
                stream.write_vectored(slices.get(..count).unwrap_or_default())
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.written(len),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            match stream.flush() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                flushed => {
                    self.flush_due = flushed.is_err();
                    return flushed;
                }
            }
        }
    }

    /// Whether something is to be written, or to be flushed.
    pub(crate) fn is_due(&self) -> bool {
        self.len() > 0 || self.flush_due
    }

    /// Discards all bytes that are unwritten: the transport takes no more.
    pub fn discard(&mut self) {
        self.shared.clear();
        self.shared_len = 0;
        self.flush_due = false;
        self.clear();
    }

    /// Everything is written. Memory that was not needed lately is given back.
    #[inline]
    fn clear(&mut self) {
        let needed = self.memory.len();
        self.memory.clear();
        self.written = 0;
        if !self.lent {
            self.shrink(needed);
        }
        if self.shared.capacity() * size_of::<Kept>() > KEPT {
            self.shared.shrink_to(0);
        }
    }

    /// Gives back memory of its own that was not needed lately. So much was needed this time. A smaller piece in its place is
    /// not asked for before something is put: the process would end if there is none.
    #[inline]
    fn shrink(&mut self, needed: usize) {
        let peak = needed.max(self.peak.get() / 2);
        self.peak = Len::new(peak);
        if self.memory.capacity() / 4 > peak.max(KEPT / 4) {
            self.memory = Vec::new();
            self.peak = Len::new(needed);
        }
    }

    /// Gives back all memory, if nothing is unwritten.
    pub fn release(&mut self) {
        if self.len() == 0 {
            self.memory = Vec::new();
            self.written = 0;
            self.shared = VecDeque::new();
            self.lent = false;
        }
    }

    /// The memory that is held, in bytes, with what is kept by reference.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.capacity() + self.shared.capacity() * size_of::<Kept>() + self.shared_len
    }

    /// Moves what is unwritten to the front where at least as much was written, so that the work stays linear.
    fn make_room(&mut self) {
        let unwritten = self.memory.len() - self.written;
        if self.written > 0 && self.written >= unwritten {
            self.peak = Len::new(self.peak.get().max(self.memory.len()));
            self.memory.drain(..self.written);
            self.forget_written();
        }
    }

    /// What was written is not in front of the rest any more.
    pub(super) fn forget_written(&mut self) {
        for kept in &mut self.shared {
            kept.at -= self.written;
        }
        self.written = 0;
    }
}

impl Default for WriteBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Output for WriteBuffer {
    #[inline]
    fn len(&self) -> usize {
        self.memory.len() - self.written + self.shared_len
    }

    #[inline(always)]
    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        if self.memory.capacity() - self.memory.len() >= additional {
            return Ok(());
        }
        self.make_room();
        Output::reserve(&mut self.memory, additional)
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.memory.put(bytes);
    }

    #[inline(always)]
    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        self.memory.put_masked(bytes, mask);
    }

    #[inline(always)]
    fn put_frame(&mut self, header: Header, payload: &[u8]) {
        self.memory.put_frame(header, payload);
    }

    fn put_shared(&mut self, header: &[u8], bytes: &SharedBytes) -> Result<(), OutputFull> {
        let len = bytes.as_ref().len();
        if len < SHORT {
            self.reserve(header.len().saturating_add(len))?;
            self.put(header);
            self.put(bytes.as_ref());
            return Ok(());
        }
        let full = OutputFull { needed: header.len() };
        self.reserve(full.needed)?;
        self.shared.try_reserve(1).map_err(|_| full)?;
        self.put(header);
        self.shared.push_back(Kept {
            bytes: bytes.clone(),
            written: 0,
            at: self.memory.len(),
        });
        self.shared_len += len;
        Ok(())
    }
}
