//! The read buffer: room to read into, and what was read and has not been consumed.
//!
//! ```text
//!      joined_start  joined_end      start             end         memory.len()
//!   ...|   fragments   |... consumed ...|    unread     |    room    |
//!      |  of a message |                | a frame, or a |  to read   |
//!      |  under way    |                | part of one   |  into      |
//! ```
//!
//! A message in one frame is handed out where it lies. The fragments of a message are moved together as each of them is
//! complete, so that every payload byte moves once: by the length of the headers before it, or, in memory that is long
//! enough, from one place at the end into which all reads go.

#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

use super::len::Len;
#[cfg(feature = "alloc")]
use super::output::OutOfMemory;
#[cfg(feature = "alloc")]
use super::storage::sealed::Memory as _;
use super::storage::{Storage, move_to_front};
use crate::frame::{MAX_CONTROL_FRAME_LEN, MAX_HEADER_LEN};

/// From this frame length on, in bytes, the room to read into ends with the frame, so that the next frame starts with
/// the buffer and this one is not moved. That costs a read now and then, which below this length costs more than moving.
const LARGE: usize = 16 << 10;

/// How much a buffer of a connection's own reads at rest, in bytes.
#[cfg(feature = "alloc")]
const LEAST_READ: usize = 4 << 10;

/// How much it reads at most, in bytes, once reads have filled all room they were given.
#[cfg(feature = "alloc")]
const MOST_READ: usize = 256 << 10;

/// How much memory a long frame gets ahead of its bytes beside as much as has arrived, in bytes: as much as a read may take.
const MOST_AHEAD: usize = 256 << 10;

#[cfg(feature = "alloc")]
type DefaultStorage = Vec<u8>;
#[cfg(not(feature = "alloc"))]
type DefaultStorage = [u8; 0];

/// Input for whole messages ([`Connection::receive`](crate::connection::Connection::receive)) and for the opening
/// handshake.
///
/// Read into [`space`](Self::space), say how many bytes came with [`advance`](Self::advance), then receive until nothing
/// more comes out. There is nothing else to know about it to use one buffer for each connection:
///
/// ```
/// use sockless::buffer::ReadBuffer;
/// # use std::io::Read;
/// # let mut stream: &[u8] = b"bytes";
///
/// let mut input = ReadBuffer::new();
/// let n = stream.read(input.space())?;
/// input.advance(n);
/// assert_eq!(input.unread(), b"bytes");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Memory
/// A growing buffer ([`new`](Self::new), [`with_capacity`](Self::with_capacity)) grows with the bytes that arrive, never
/// with a length that was only declared, and to at most twice the longest message with a read on top. [`new`](Self::new)
/// reads 4 KiB at rest and more while reads fill the space, up to 256 KiB, and shrinks again. It holds no memory before
/// the first [`space`](Self::space) and after [`release`](Self::release).
///
/// Over a fixed slice or array ([`fixed`](Self::fixed)), the longest message is [`FIXED_OVERHEAD`](Self::FIXED_OVERHEAD)
/// bytes shorter than the memory, wherever reads cut it. A longer one is refused from its header with close code 1009.
///
/// A thread can [lend](Self::lend) one piece of memory to all its connections in turn, so that idle ones hold none.
pub struct ReadBuffer<S = DefaultStorage> {
    pub(crate) memory: S,
    pub(crate) at: Cursor,
    pub(crate) account: Account,
    pub(super) sizing: Sizing,
}

/// What has come so far, for deadlines. All counts are modulo 2^32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// Bytes that were read.
    pub(crate) arrived: u32,
    /// Bytes of control frames that were consumed.
    pub(crate) control: u32,
    /// Where the last message began that was not whole when it was seen first, counted as the bytes that were read.
    pub(crate) begun_at: u32,
}

impl Account {
    const NEW: Self = Self {
        arrived: 0,
        control: 0,
        begun_at: 0,
    };

    /// More bytes were read.
    #[allow(clippy::cast_possible_truncation, reason = "counted modulo 2^32")]
    const fn arrive(&mut self, len: usize) {
        self.arrived = self.arrived.wrapping_add(len as u32);
    }

    /// A control frame was consumed.
    #[allow(clippy::cast_possible_truncation, reason = "counted modulo 2^32")]
    pub(crate) const fn consume_control(&mut self, len: usize) {
        self.control = self.control.wrapping_add(len as u32);
    }

    /// How many bytes were consumed, if so many are unread.
    #[allow(clippy::cast_possible_truncation, reason = "counted modulo 2^32")]
    pub(crate) const fn consumed(&self, unread: usize) -> u32 {
        self.arrived.wrapping_sub(unread as u32)
    }

    /// A message begins that is not whole yet, and so many bytes are unread with it.
    pub(crate) const fn begin(&mut self, unread: usize) {
        self.begun_at = self.consumed(unread);
    }
}

/// Positions in the memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The fragments of the message under way that are complete, unmasked. They are at the front if there are none.
    pub(crate) joined_start: usize,
    pub(crate) joined_end: usize,
    /// What was read and has not been consumed.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// How many bytes the frame under way lacks; 0 if none is, or if its header is incomplete.
    pub(crate) wanted: usize,
    /// How many bytes at the start of what is unread are payload that has been unmasked.
    pub(crate) unmasked: usize,
    /// Whether what is unread is known to be incomplete.
    pub(crate) incomplete: bool,
    /// Where the message lies that was handed out last. It ends before it starts once anything else has happened.
    delivered_start: usize,
    delivered_end: usize,
}

/// How much to read at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizing {
    /// How much to read next, at rest, in bytes.
    read_len: Len,
    least: Len,
    most: Len,
    /// The length of the space that was handed out last.
    offered: Len,
    /// How much memory was needed lately.
    peak: Len,
    /// Whether there was no memory for more space.
    exhausted: bool,
    /// The length of the memory that was lent, or zero.
    pub(super) lent: Len,
    /// How much was moved into it, of the message that is under way.
    #[cfg_attr(
        not(feature = "alloc"),
        allow(dead_code, reason = "only memory that can grow is lent")
    )]
    pub(super) moved: u16,
}

impl Sizing {
    const fn new(least: Len, most: Len) -> Self {
        Self {
            read_len: least,
            least,
            most,
            offered: Len::ZERO,
            peak: Len::ZERO,
            exhausted: false,
            lent: Len::ZERO,
            moved: 0,
        }
    }

    /// The length of the memory that was lent, or zero.
    pub(super) const fn lent(&self) -> usize {
        self.lent.get()
    }

    /// A read brought `len` bytes. It tells how much comes at once unless the space was ended early by a frame.
    #[inline]
    fn adapt(&mut self, len: usize) {
        let (read_len, offered) = (self.read_len.get(), self.offered.get());
        if offered < read_len / 2 {
            return;
        }
        if len >= offered {
            self.read_len = Len::new(read_len.saturating_mul(2).min(self.most.get()));
        } else if len < read_len / 4 {
            self.read_len = Len::new((read_len / 2).max(self.least.get()));
        }
    }

    /// How much to read next: where memory was lent, as much as that.
    const fn read_len(&self) -> usize {
        if self.lent() > 0 {
            self.lent()
        } else {
            self.read_len.get()
        }
    }

    /// The space that was handed out is not read into any more.
    pub(super) const fn forget_offered(&mut self) {
        self.offered = Len::ZERO;
    }

    /// Memory for a read, and behind it for what a frame may lack after it.
    const fn target(&self) -> usize {
        let quarter = self.read_len() / 4;
        self.read_len()
            .saturating_add(if quarter < LARGE { quarter } else { LARGE })
    }
}

impl Cursor {
    const START: Self = Self {
        joined_start: 0,
        joined_end: 0,
        start: 0,
        end: 0,
        wanted: 0,
        unmasked: 0,
        incomplete: false,
        delivered_start: 1,
        delivered_end: 0,
    };

    pub(crate) const fn joined_len(&self) -> usize {
        self.joined_end - self.joined_start
    }

    /// How many bytes were read and have not been consumed.
    pub(crate) const fn unread_len(&self) -> usize {
        self.end - self.start
    }

    /// Where the message begins that is under way, and what is unread otherwise.
    pub(super) const fn begins_at(&self) -> usize {
        if self.joined_len() > 0 {
            self.joined_start
        } else {
            self.start
        }
    }

    /// How much is there: what is joined and what is unread.
    pub(super) const fn kept(&self) -> usize {
        self.joined_len() + self.unread_len()
    }

    /// All that is there lies at the front now.
    pub(super) const fn packed(&mut self) {
        let (joined_len, kept) = (self.joined_len(), self.kept());
        self.joined_start = 0;
        self.joined_end = joined_len;
        self.start = joined_len;
        self.end = kept;
        self.forget_delivered();
    }

    pub(super) const fn is_at_rest(&self) -> bool {
        self.start == self.end && self.joined_start == self.joined_end
    }

    /// The first `len` unread bytes are not needed any more.
    #[inline]
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
        self.unmasked = 0;
        self.incomplete = false;
        self.forget_delivered();
    }

    /// The message between these places is handed out.
    #[inline(always)]
    pub(crate) const fn deliver(&mut self, start: usize, end: usize) {
        self.delivered_start = start;
        self.delivered_end = end;
    }

    pub(crate) const fn forget_delivered(&mut self) {
        self.deliver(1, 0);
    }

    /// Forgets all input: nothing of it will be read.
    pub(crate) const fn discard(&mut self) {
        *self = Self::START;
    }

    /// The same where nothing is there. At the front there is nothing to forget.
    #[inline]
    pub(super) const fn start_again(&mut self) {
        if self.end > 0 {
            self.discard();
        }
    }

    /// Forgets the fragments of the last message.
    pub(crate) const fn clear_joined(&mut self) {
        self.joined_start = 0;
        self.joined_end = 0;
    }
}

#[cfg(feature = "alloc")]
impl ReadBuffer {
    /// An empty buffer for one connection. It allocates with the first [`space`](Self::space).
    #[must_use]
    pub const fn new() -> Self {
        Self::sized(LEAST_READ, MOST_READ)
    }

    /// An empty buffer that always reads up to `bytes` at once.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let bytes = bytes.max(1);
        Self::sized(bytes, bytes)
    }

    const fn sized(least: usize, most: usize) -> Self {
        Self {
            memory: Vec::new(),
            at: Cursor::START,
            account: Account::NEW,
            sizing: Sizing::new(Len::new(least), Len::new(most)),
        }
    }

    /// Appends bytes that came in another way than through [`space`](Self::space).
    ///
    /// # Errors
    /// [`OutOfMemory`]: nothing was appended.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        // What is read into space that was handed out before would not follow these bytes.
        self.sizing.forget_offered();
        self.at.forget_delivered();
        if self.is_at_rest() {
            self.at = Cursor::START;
        }
        if self.room() < bytes.len() {
            self.pack_if_cheap();
        }
        let end = self.at.end.checked_add(bytes.len()).ok_or(OutOfMemory)?;
        if end > self.memory.len() {
            let doubled = self.memory.len().saturating_mul(2);
            self.memory.grow(end.max(doubled.min(end.saturating_add(MOST_READ))));
        }
        let room = self.memory.get_mut(self.at.end..end).ok_or(OutOfMemory)?;
        room.copy_from_slice(bytes);
        self.arrive(bytes.len());
        Ok(())
    }

    /// Gives back all memory, if nothing is unread and no message is under way. The next [`space`](Self::space) allocates.
    #[inline]
    pub fn release(&mut self) {
        if self.is_at_rest() {
            self.memory = Vec::new();
            self.at = Cursor::START;
            self.sizing = Sizing::new(self.sizing.least, self.sizing.most);
        }
    }

    /// The memory that is held, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// The binary message, or the text as bytes, that was received last, by value. Call it after
    /// [`receive`](crate::connection::Connection::receive) has returned the message, before anything else is done with
    /// the buffer; it returns `None` at any other time, after a message was taken, and without memory.
    ///
    /// A long message that took several reads is not copied where the buffer holds nothing else: it leaves with the
    /// buffer's memory.
    pub fn take_binary(&mut self) -> Option<Vec<u8>> {
        let (start, end) = (self.at.delivered_start, self.at.delivered_end);
        self.at.forget_delivered();
        let len = end.checked_sub(start)?;
        if start == 0 && self.is_at_rest() && len >= LEAST_READ.max(self.memory.len() / 2) {
            let mut message = core::mem::take(&mut self.memory);
            message.truncate(end);
            self.at = Cursor::START;
            self.sizing.lent = Len::ZERO;
            return Some(message);
        }
        let message = self.memory.get(start..end)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(message.len()).ok()?;
        copy.extend_from_slice(message);
        Some(copy)
    }

    /// The text message that was received last, by value: see [`take_binary`](Self::take_binary).
    pub fn take_text(&mut self) -> Option<String> {
        String::from_utf8(self.take_binary()?).ok()
    }
}

#[cfg(feature = "alloc")]
impl Default for ReadBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Storage> ReadBuffer<S> {
    /// How many bytes longer than a message fixed memory has to be, 131: the longest control frame, which may come between two
    /// fragments.
    pub const FIXED_OVERHEAD: usize = MAX_CONTROL_FRAME_LEN;

    /// An empty buffer over fixed memory, which needs no allocator.
    ///
    /// ```
    /// use sockless::buffer::ReadBuffer;
    ///
    /// let mut memory = [0; 1024];
    /// let mut input = ReadBuffer::fixed(&mut memory[..]); // for messages of up to 893 bytes
    /// assert_eq!(input.space().len(), 1024);
    /// ```
    pub fn fixed(memory: S) -> Self {
        let len = Len::new(memory.bytes().len());
        Self {
            memory,
            at: Cursor::START,
            account: Account::NEW,
            sizing: Sizing::new(len, len),
        }
    }

    /// Room to read into. Then say how much was read with [`advance`](Self::advance).
    ///
    /// Receive all messages first: what is consumed makes room. It is empty only if there is no memory for more, and then
    /// the next [`receive`](crate::connection::Connection::receive) fails the connection.
    #[inline(never)]
    pub fn space(&mut self) -> &mut [u8] {
        let len = if self.sizing.lent() > 0 && self.at.is_at_rest() {
            // What is lent stays as it is.
            self.at.start_again();
            self.memory.bytes().len().min(self.sizing.lent())
        } else {
            self.make_room()
        };
        self.at.forget_delivered();
        self.sizing.offered = Len::new(len);
        self.sizing.exhausted = len == 0;
        let Self { memory, at, sizing, .. } = self;
        memory
            .bytes_mut()
            .get_mut(at.end..)
            .and_then(|room| room.get_mut(..sizing.offered.get()))
            .unwrap_or_default()
    }

    /// `len` bytes were read into [`space`](Self::space). At most its length counts.
    pub fn advance(&mut self, len: usize) {
        let len = len.min(self.sizing.offered.get());
        self.sizing.adapt(len);
        self.sizing.forget_offered();
        self.arrive(len);
    }

    /// `len` more bytes lie behind what is there.
    fn arrive(&mut self, len: usize) {
        self.account.arrive(len);
        self.at.end += len;
        self.at.incomplete &= len == 0;
        self.at.wanted = self.at.wanted.saturating_sub(len);
    }

    /// What was read and has not been consumed: after an opening handshake that was not one, the start of the body. Within a
    /// long frame, its first bytes may be unmasked already: do not feed it to another way of receiving.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.memory.bytes().get(self.at.start..self.at.end).unwrap_or_default()
    }

    /// The memory, and where in it lies what is unread: after an opening handshake, to go on with chunks
    /// ([`receive_chunk`](crate::connection::Connection::receive_chunk)) over the same memory. Within a message, see
    /// [`unread`](Self::unread).
    ///
    /// ```
    /// use sockless::buffer::ReadBuffer;
    ///
    /// let mut input = ReadBuffer::fixed([0; 8]);
    /// input.space()[..5].copy_from_slice(b"bytes");
    /// input.advance(5);
    /// let (mut memory, unread) = input.into_unread();
    /// assert_eq!(&mut memory[unread], b"bytes");
    /// ```
    #[must_use]
    pub fn into_unread(self) -> (S, core::ops::Range<usize>) {
        (self.memory, self.at.start..self.at.end)
    }

    /// Whether nothing is unread and no message is under way. Then the buffer can serve another connection.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.at.is_at_rest()
    }

    /// Whether more has to be read before anything can be received: nothing is unread, or it is known to be incomplete.
    #[cfg(feature = "alloc")]
    pub(crate) const fn needs_input(&self) -> bool {
        self.at.start == self.at.end || self.at.incomplete
    }

    /// The longest message for which there can be room.
    #[inline(always)]
    pub(crate) fn longest(&self) -> u64 {
        if S::GROWS {
            u64::MAX
        } else {
            // Lossless: a usize has at most 64 bits.
            self.memory.bytes().len().saturating_sub(Self::FIXED_OVERHEAD) as u64
        }
    }

    /// Whether the last [`space`](Self::space) was empty, and nothing has been consumed since that makes room.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.sizing.exhausted && self.room() == 0 && self.at.kept() == self.at.end
    }

    /// Starts from the front, and takes the memory that the last reads suggest. Memory that is much too long goes only
    /// when several rests in a row had no use for it, so that long messages that come now and then find it again.
    fn rest(&mut self) {
        let Sizing { peak, .. } = &mut self.sizing;
        if self.at.end > 0 {
            *peak = Len::new(self.at.end.max(peak.get() / 2));
        }
        self.at = Cursor::START;
        let (peak, target, len) = (peak.get(), self.sizing.target(), self.memory.bytes().len());
        if S::GROWS && (len < target || len / 4 >= target.max(peak)) {
            self.memory.renew(target);
        }
    }

    /// Makes room behind what is there. Returns how many bytes to read.
    fn make_room(&mut self) -> usize {
        if self.at.is_at_rest() {
            self.rest();
            return self.room().min(self.sizing.read_len());
        }
        let wanted = self.at.wanted;
        let large = wanted > 0 && wanted.saturating_add(self.at.unread_len()) >= LARGE;
        let (read, needed) = if large {
            (wanted, wanted)
        } else {
            let read_len = self.sizing.read_len();
            (read_len, wanted.max(read_len / 2).max(1))
        };
        if S::GROWS && !large {
            self.set_apart(read);
        }
        if self.room() < read {
            self.pack_if_cheap();
        }
        if self.room() < needed {
            // Each frame and each message moves so at most once.
            self.pack();
        }
        if S::GROWS && self.room() < needed {
            self.grow(large);
        }
        self.room().min(read)
    }

    /// Grows by as much as has arrived, and not before the room that is left is a small part of that, so that the work
    /// stays linear however the bytes come. For a message in one frame it grows sooner, in fewer steps, and no further than
    /// to its end.
    fn grow(&mut self, large: bool) {
        let (arrived, end) = (self.at.kept(), self.at.end);
        if self.room() > (arrived / 4).max(if large { 0 } else { self.sizing.read_len() / 2 }) {
            return;
        }
        let mut len = end.saturating_add(arrived.max(self.sizing.target()));
        if large && self.at.joined_len() == 0 {
            let ahead = arrived.saturating_add(arrived.saturating_mul(3).min(MOST_AHEAD));
            // Behind the frame, room for as much as its header took, so that the next one of its length need not move.
            let frame_end = end.saturating_add(self.at.wanted).saturating_add(MAX_HEADER_LEN);
            len = len.max(end.saturating_add(ahead)).min(frame_end);
        }
        self.memory.grow(len);
    }

    fn room(&self) -> usize {
        self.memory.bytes().len().saturating_sub(self.at.end)
    }

    /// While fragments are joined, reads go to one place at the end, as long as it lies behind them, so that what was read is
    /// moved out of memory that the caches hold. Not if the memory is much longer than what is needed of it: it would not
    /// look too long any more.
    fn set_apart(&mut self, read: usize) {
        let (joined, unread, len) = (self.at.joined_len(), self.at.unread_len(), self.memory.bytes().len());
        let apart = len.saturating_sub(read.saturating_add(LARGE));
        if joined == 0 || apart <= self.at.joined_end || len / 8 > joined.saturating_add(read) {
            return;
        }
        let Cursor { start, end, .. } = self.at;
        let cheap = start.checked_sub(apart).map_or(unread <= LARGE, |by| unread <= by);
        if cheap && start <= end && end <= len && unread <= len.saturating_sub(apart) {
            self.memory.bytes_mut().copy_within(start..end, apart);
            self.at.start = apart;
            self.at.end = apart + unread;
        }
    }

    /// Moves what is there to the front: the fragments of a message under way, with what is unread behind them.
    fn pack(&mut self) {
        let Cursor {
            joined_start,
            joined_end,
            start,
            end,
            ..
        } = self.at;
        let (memory, joined_len) = (self.memory.bytes_mut(), self.at.joined_len());
        move_to_front(memory.get_mut(..joined_end).unwrap_or_default(), joined_start);
        let unread_by = start.saturating_sub(joined_len);
        move_to_front(memory.get_mut(joined_len..end).unwrap_or_default(), unread_by);
        self.packed();
    }

    /// The same if at least as much is free before and between as would move, so that the work stays linear however often it
    /// is asked for.
    fn pack_if_cheap(&mut self) {
        let (at, kept) = (&self.at, self.at.kept());
        let moved = if at.joined_start > 0 { kept } else { at.unread_len() };
        if moved <= at.end - kept {
            self.pack();
        }
    }

    /// What is there has moved to the front.
    #[inline]
    pub(super) const fn packed(&mut self) {
        if self.at.begins_at() > 0 {
            self.sizing.moved = 0;
        }
        self.at.packed();
    }
}

impl<S> core::fmt::Debug for ReadBuffer<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ReadBuffer")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
