//! The trait of whatever takes outbound bytes.

use core::fmt;

#[cfg(feature = "alloc")]
use super::shared::SharedBytes;
use crate::frame::{Header, Mask, with_bytes};

/// A place for outbound bytes.
///
/// [`reserve`](Output::reserve) is always called first, for a whole frame or a whole handshake head, and then exactly that
/// many bytes are put. So a frame is written whole or not at all.
///
/// ```
/// use sockless::buffer::{Output, OutputFull};
///
/// /// Counts what it is given and keeps nothing.
/// struct Count(usize);
///
/// impl Output for Count {
///     fn len(&self) -> usize { 0 }
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
    /// A connection reads it to bound the Pongs that the caller does not drain
    /// (see [`Limits::max_reply_backlog`](crate::limits::Limits::max_reply_backlog)).
    fn len(&self) -> usize;

    /// Makes room for `additional` more bytes.
    ///
    /// # Errors
    /// [`OutputFull`] if they do not fit. Nothing has changed then.
    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull>;

    /// Appends `bytes`, for which room was reserved before.
    fn put(&mut self, bytes: &[u8]);

    /// Appends `bytes`, masked (RFC 6455 section 5.3). Room was reserved before.
    ///
    /// The default masks through a block of 256 bytes on the stack. Implement it where the buffer can be written to
    /// directly.
    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        let mut block = [0_u8; 256];
        for part in bytes.chunks(block.len()) {
            let masked = mask.apply_copy(part, &mut block);
            self.put(masked);
        }
    }

    /// Appends a frame: a header and its whole payload, masked if the header has a key. Room was reserved before.
    ///
    /// The default puts one after the other. Implement it where both at once are cheaper.
    #[inline]
    fn put_frame(&mut self, header: Header, payload: &[u8]) {
        put_parts(self, header.first_byte(), header.payload_len, header.mask_key, payload);
    }

    /// Appends bytes that may be kept by reference. Room for them was *not* reserved, and none is needed where they are
    /// kept.
    ///
    /// The default copies them.
    ///
    /// # Errors
    /// [`OutputFull`] if they do not fit. Nothing has changed then.
    #[cfg(feature = "alloc")]
    fn put_shared(&mut self, header: &[u8], bytes: &SharedBytes) -> Result<(), OutputFull> {
        self.reserve(header.len().saturating_add(bytes.as_ref().len()))?;
        self.put(header);
        self.put(bytes.as_ref());
        Ok(())
    }
}

/// A frame's header, then its payload. It takes no [`Header`], so that callers need not put one into memory.
#[inline(never)]
pub(super) fn put_parts<O: Output + ?Sized>(
    out: &mut O,
    first: u8,
    payload_len: u64,
    key: Option<[u8; 4]>,
    payload: &[u8],
) {
    with_bytes(first, payload_len, key, |bytes| out.put(bytes));
    match key {
        Some(key) => out.put_masked(payload, &mut Mask::new(key)),
        None => out.put(payload),
    }
}

/// The output has no room for a whole frame or head. Nothing was written and nothing is lost: make room, and call
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputFull {
    /// How many bytes of room are needed, in addition to what the output holds now.
    pub needed: usize,
}

impl fmt::Display for OutputFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the output has no room for {} more bytes", self.needed)
    }
}

impl core::error::Error for OutputFull {}

/// There was no memory for what the peer sent, or for what is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

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

    #[cfg(feature = "alloc")]
    fn put_shared(&mut self, header: &[u8], bytes: &SharedBytes) -> Result<(), OutputFull> {
        (**self).put_shared(header, bytes)
    }
}
