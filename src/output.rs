//! Where outbound bytes go: the caller says.
//!
//! Everything that this crate sends is appended to an [`Output`]: a `Vec<u8>`, a fixed slice
//! ([`SliceOutput`]), or the caller's own buffer through the trait. A frame is either written whole or
//! not at all: room for all of it is [reserved](Output::reserve) before its first byte is put.

use core::fmt;

use crate::frame::{Header, Mask, with_bytes};
#[cfg(feature = "alloc")]
use crate::frame::{MAX_CONTROL_LEN, MAX_HEADER_LEN, short_block};

/// A place for outbound bytes.
///
/// The crate always calls [`reserve`](Output::reserve) for a whole frame or a whole handshake head first,
/// and then puts exactly that many bytes.
///
/// ```
/// use sockless::output::{Output, OutputFull};
///
/// /// Counts what it is given and keeps nothing.
/// struct Count(usize);
///
/// impl Output for Count {
///     fn len(&self) -> usize { self.0 }
///     fn reserve(&mut self, _additional: usize) -> Result<(), OutputFull> { Ok(()) }
///     fn put(&mut self, bytes: &[u8]) { self.0 += bytes.len() }
/// }
/// ```
#[allow(
    clippy::len_without_is_empty,
    reason = "a buffer to write to is never asked whether it is empty"
)]
pub trait Output {
    /// The number of bytes that were put and that the caller has not taken away yet.
    ///
    /// The machine reads it to bound replies that the caller does not drain
    /// (see [`Limits::max_reply_backlog`](crate::limits::Limits::max_reply_backlog)).
    fn len(&self) -> usize;

    /// Makes sure that `additional` more bytes fit.
    ///
    /// # Errors
    /// [`OutputFull`] when they do not; then nothing has changed.
    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull>;

    /// Appends `bytes`. Only called for bytes that were reserved before.
    fn put(&mut self, bytes: &[u8]);

    /// Appends `bytes`, masked (RFC 6455 section 5.3). Only called for bytes that were reserved before.
    ///
    /// The default masks through a small block on the stack, so that a long payload is read once;
    /// implement it where the buffer can be written to directly.
    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        let mut block = [0_u8; 256];
        for part in bytes.chunks(block.len()) {
            let masked = mask.apply_copy(part, &mut block);
            self.put(masked);
        }
    }

    /// Appends a frame: a header, and its whole payload (as long as the header says), masked if the header has a key. Only
    /// called for bytes that were reserved before.
    ///
    /// The default puts one after the other; implement it where both at once are cheaper.
    #[inline]
    fn put_frame(&mut self, header: Header, payload: &[u8]) {
        put_parts(self, header.first_byte(), header.payload_len, header.mask_key, payload);
    }
}

/// A frame's header, then its payload. It takes no [`Header`], so that callers need not put one into memory.
#[inline(never)]
fn put_parts<O: Output + ?Sized>(out: &mut O, first: u8, payload_len: u64, key: Option<[u8; 4]>, payload: &[u8]) {
    with_bytes(first, payload_len, key, |bytes| out.put(bytes));
    match key {
        Some(key) => out.put_masked(payload, &mut Mask::new(key)),
        None => out.put(payload),
    }
}

/// The output has no room for a whole frame or head. Nothing was written and nothing is lost: make room, and
/// call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputFull {
    /// The number of bytes that have to fit at once, beside what is there already. Where too many replies wait, the
    /// length of the next one: there may be room for it, but the output has to be drained first.
    pub needed: usize,
}

impl fmt::Display for OutputFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the output has no room for {} more bytes", self.needed)
    }
}

impl core::error::Error for OutputFull {}

impl<O: Output + ?Sized> Output for &mut O {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        (**self).reserve(additional)
    }

    fn put(&mut self, bytes: &[u8]) {
        (**self).put(bytes);
    }

    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        (**self).put_masked(bytes, mask);
    }

    fn put_frame(&mut self, header: Header, payload: &[u8]) {
        (**self).put_frame(header, payload);
    }
}

#[cfg(feature = "alloc")]
impl Output for alloc::vec::Vec<u8> {
    #[inline]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline]
    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        self.try_reserve(additional)
            .map_err(|_| OutputFull { needed: additional })
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline(always)]
    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        if bytes.len() < Mask::SHORT {
            put_block_masked(self, bytes, mask);
        } else {
            put_long_masked(self, bytes, mask);
        }
    }

    #[inline(always)]
    fn put_frame(&mut self, header: Header, payload: &[u8]) {
        let is_short = payload.len() <= MAX_CONTROL_LEN;
        if !is_short && payload.len() <= usize::from(u16::MAX) && header.mask_key.is_none() {
            // Here, for what a server often sends; the rest is not worth the registers that it would take.
            header.with_bytes(|bytes| self.extend_from_slice(bytes));
            self.extend_from_slice(payload);
            return;
        }
        if !is_short || self.capacity() - self.len() < MAX_HEADER_LEN + Mask::BLOCK {
            return put_parts(self, header.first_byte(), header.payload_len, header.mask_key, payload);
        }
        match payload.split_first_chunk() {
            Some((block, rest)) => {
                put_head(self, &header, *block);
                match header.mask() {
                    _ if rest.is_empty() => {}
                    Some(mut mask) => self.put_masked(rest, &mut mask),
                    None => self.put(rest),
                }
            }
            None => {
                put_head(self, &header, short_block(payload));
                let too_much = Mask::BLOCK - payload.len();
                self.truncate(self.len() - too_much);
            }
        }
    }
}

/// The header and the first bytes of the payload at once: one check for room, and stores of known sizes.
#[cfg(feature = "alloc")]
#[inline(always)]
fn put_head(out: &mut alloc::vec::Vec<u8>, header: &Header, block: [u8; Mask::BLOCK]) {
    let mut head = [0; MAX_HEADER_LEN + Mask::BLOCK];
    let header_len = header.with_bytes(|bytes| {
        if let Some(to) = head.get_mut(..bytes.len()) {
            to.copy_from_slice(bytes);
        }
        bytes.len()
    });
    if let Some(to) = head.get_mut(header_len..).and_then(<[u8]>::first_chunk_mut) {
        *to = header.mask().map_or(block, |mask| mask.block(block));
    }
    out.extend_from_slice(head.get(..header_len + Mask::BLOCK).unwrap_or_default());
}

/// A block at a time, so that what was copied is masked while it is in the first-level cache.
#[cfg(feature = "alloc")]
#[inline(never)]
fn put_long_masked(out: &mut alloc::vec::Vec<u8>, bytes: &[u8], mask: &mut Mask) {
    for block in bytes.chunks(5 << 10) {
        put_block_masked(out, block, mask);
    }
}

/// Copies, then masks the copy.
#[cfg(feature = "alloc")]
#[inline(always)]
fn put_block_masked(out: &mut alloc::vec::Vec<u8>, block: &[u8], mask: &mut Mask) {
    let start = out.len();
    out.extend_from_slice(block);
    mask.apply(out.get_mut(start..).unwrap_or_default());
}

/// A fixed slice as output.
///
/// ```
/// use sockless::output::{Output, SliceOutput};
///
/// let mut memory = [0; 4];
/// let mut out = SliceOutput::new(&mut memory);
/// out.reserve(3)?;
/// out.put(b"abc");
/// assert_eq!(out.as_bytes(), b"abc");
/// assert!(out.reserve(2).is_err());
/// # Ok::<(), sockless::output::OutputFull>(())
/// ```
#[derive(Debug)]
pub struct SliceOutput<'a> {
    memory: &'a mut [u8],
    len: usize,
}

impl<'a> SliceOutput<'a> {
    /// An empty output over `memory`.
    pub const fn new(memory: &'a mut [u8]) -> Self {
        Self { memory, len: 0 }
    }

    /// What has been written since the start or the last [`clear`](Self::clear).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }

    /// Forgets what was written, once the transport has taken it.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes the first `len` bytes away: the transport has written a part.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.len);
        self.memory.copy_within(len..self.len, 0);
        self.len -= len;
    }

    /// How many more bytes fit.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.memory.len().saturating_sub(self.len)
    }

    /// The next `len` free bytes, which then count as written.
    fn claim(&mut self, len: usize) -> &mut [u8] {
        let start = self.len;
        let free = self.memory.get_mut(start..).unwrap_or_default();
        let len = len.min(free.len());
        self.len = start.saturating_add(len);
        free.get_mut(..len).unwrap_or_default()
    }
}

impl Output for SliceOutput<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        if self.memory.len().saturating_sub(self.len) < additional {
            return Err(OutputFull { needed: additional });
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        let free = self.claim(bytes.len());
        if let Some(bytes) = bytes.get(..free.len()) {
            free.copy_from_slice(bytes);
        }
    }

    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        let free = self.claim(bytes.len());
        mask.apply_copy(bytes, free);
    }
}
