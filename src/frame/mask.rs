//! Masking, RFC 6455 section 5.3.

/// A mask key and how far into it the payload has come.
///
/// Masking and unmasking are the same operation. A payload may be masked in any pieces: the phase is kept.
///
/// ```
/// use sockless::frame::Mask;
///
/// // RFC 6455 section 5.7: a single-frame masked text message.
/// let mut payload = *b"\x7f\x9f\x4d\x51\x58";
/// Mask::new([0x37, 0xfa, 0x21, 0x3d]).apply(&mut payload);
/// assert_eq!(&payload, b"Hello");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// The key, rotated so that its first byte belongs to the next byte of the payload.
    key: [u8; 4],
}

impl Mask {
    /// Below this length, in bytes, a loop over words ends before wider registers could start.
    pub(crate) const SHORT: usize = 64;

    /// From this length on, in bytes, it pays to begin where a register does not cross a line of the cache.
    const LONG: usize = 512;

    /// The length of an end that is masked by itself, instead of a loop over what blocks leave. It is that of a register, and
    /// a multiple of the key's.
    const END: usize = 32;

    /// The length of a [`block`](Self::block), a multiple of the key's.
    #[cfg(feature = "alloc")]
    pub(crate) const BLOCK: usize = 16;

    /// A mask at the start of a payload.
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        Self { key }
    }

    /// Masks or unmasks the next `bytes` of the payload in place.
    #[inline(always)]
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.apply_once(bytes);
        self.advance(bytes.len());
    }

    /// The same where the payload ends with `bytes`.
    #[inline(always)]
    pub(crate) fn apply_once(self, bytes: &mut [u8]) {
        if bytes.len() < Self::SHORT {
            self.apply_words::<{ Self::SHORT / 8 }>(bytes);
        } else if bytes.len() < Self::LONG {
            self.apply_long(bytes);
        } else {
            self.apply_longest(bytes);
        }
    }

    #[inline(never)]
    fn apply_long(self, bytes: &mut [u8]) {
        wide(
            #[inline(always)]
            move || {
                let Some(&end) = bytes.last_chunk() else { return };
                let rest = self.apply_blocks::<128, { usize::MAX }>(bytes);
                if rest.is_empty() {
                    return;
                }
                // The end by itself, though a part of it may be in a block, too: it comes out of both alike.
                self.apply_blocks::<{ Self::END }, 4>(rest);
                let end = self.at_end(bytes.len()).long_block::<{ Self::END }>(end);
                if let Some(to) = bytes.last_chunk_mut() {
                    *to = end;
                }
            },
        );
    }

    #[inline(never)]
    fn apply_longest(self, bytes: &mut [u8]) {
        wide(
            #[inline(always)]
            move || self.apply_aligned(bytes),
        );
    }

    /// Aligned blocks, and both ends by themselves.
    ///
    /// From the last block to the first. Of a long read, its end is what the first-level cache holds, and its start is what
    /// is looked at next.
    #[inline(always)]
    fn apply_aligned(self, bytes: &mut [u8]) {
        let Some(ends) = self.ends(bytes) else {
            return;
        };
        let (mask, aligned) = self.aligned(bytes);
        let word = mask.word();
        let mut blocks = aligned.chunks_exact_mut(128);
        for block in blocks.by_ref().rev() {
            apply_block::<128>(word, block);
        }
        mask.apply_blocks::<{ Self::END }, 4>(blocks.into_remainder());
        put_ends(bytes, ends);
    }

    /// Moves the rest of `bytes` onto the first `by` of them, and masks or unmasks it on its way: the next bytes of the
    /// payload. What follows them at the end is not looked at again.
    #[inline(never)]
    pub(crate) fn apply_moving(&mut self, bytes: &mut [u8], by: usize) {
        let start = *self;
        self.advance(bytes.len().saturating_sub(by));
        wide(
            #[inline(always)]
            move || {
                if bytes.len().saturating_sub(by) < Self::LONG {
                    start.move_words(bytes, by);
                } else {
                    start.move_aligned(bytes, by);
                }
            },
        );
    }

    #[inline(always)]
    fn move_aligned(self, bytes: &mut [u8], by: usize) {
        let Some(ends) = bytes.get(by..).and_then(|payload| self.ends(payload)) else {
            return;
        };
        let (mask, aligned) = self.aligned(bytes);
        let rest = mask.move_blocks::<128>(aligned, by);
        mask.move_blocks::<{ Self::END }>(rest, by);
        let len = bytes.len() - by;
        put_ends(bytes.get_mut(..len).unwrap_or_default(), ends);
    }

    #[inline(always)]
    fn move_words(self, bytes: &mut [u8], by: usize) {
        let rest = self.move_blocks::<8>(bytes, by);
        for (at, key) in (0..8).zip(self.word().to_ne_bytes()) {
            let from = rest.get(by..).and_then(|from| from.get(at)).copied();
            if let (Some(from), Some(to)) = (from, rest.get_mut(at)) {
                *to = from ^ key;
            }
        }
    }

    /// Moves blocks while there are whole ones, each through registers, so that it may overlap its place. Returns where the
    /// rest belongs, and the key is where it was.
    #[inline(always)]
    fn move_blocks<const LEN: usize>(self, mut bytes: &mut [u8], by: usize) -> &mut [u8] {
        while let Some(&block) = bytes.get(by..).and_then(<[u8]>::first_chunk::<LEN>) {
            let Some((to, rest)) = bytes.split_first_chunk_mut() else {
                return &mut [];
            };
            *to = self.long_block(block);
            bytes = rest;
        }
        bytes
    }

    /// The first and the last bytes of what is long, masked.
    #[inline(always)]
    fn ends(self, payload: &[u8]) -> Option<[[u8; Self::END]; 2]> {
        let (first, last) = (payload.first_chunk()?, payload.last_chunk()?);
        Some([self.long_block(*first), self.at_end(payload.len()).long_block(*last)])
    }

    /// The mask where the last [`END`](Self::END) bytes of a payload of `len` begin.
    #[inline(always)]
    fn at_end(mut self, len: usize) -> Self {
        self.advance(len); // which is the same, modulo the length of the key
        self
    }

    /// What follows the first aligned place, and the mask there.
    #[inline(always)]
    fn aligned(mut self, bytes: &mut [u8]) -> (Self, &mut [u8]) {
        let before = bytes.as_ptr().align_offset(Self::END) % Self::END;
        self.advance(before);
        (self, bytes.get_mut(before..).unwrap_or_default())
    }

    /// Blocks of a known length, for which the compiler uses wide registers without a loop before and after, and less than
    /// `MOST` of them. Returns the rest, at whose start the key is where it was.
    #[inline(always)]
    fn apply_blocks<const LEN: usize, const MOST: usize>(self, bytes: &mut [u8]) -> &mut [u8] {
        let word = self.word();
        let mut blocks = bytes.chunks_exact_mut(LEN);
        for block in blocks.by_ref().take(MOST - 1) {
            apply_block::<LEN>(word, block);
        }
        blocks.into_remainder()
    }

    /// Words, less than `MOST` of them, which tells the compiler that wide registers are not worth their preparation.
    #[inline(always)]
    fn apply_words<const MOST: usize>(self, bytes: &mut [u8]) {
        let word = self.word();
        let mut words = bytes.chunks_exact_mut(8);
        for chunk in words.by_ref().take(MOST - 1) {
            if let Ok(chunk) = <&mut [u8; 8]>::try_from(chunk) {
                *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
            }
        }
        for (byte, key) in words.into_remainder().iter_mut().zip(word.to_ne_bytes()) {
            *byte ^= key;
        }
    }

    /// Masks or unmasks the next bytes of the payload from `source` into `target`, and returns what was written: as
    /// many bytes as the shorter of the two.
    #[inline]
    pub fn apply_copy<'t>(&mut self, source: &[u8], target: &'t mut [u8]) -> &'t [u8] {
        let len = source.len().min(target.len());
        let (source, target) = (
            source.get(..len).unwrap_or_default(),
            target.get_mut(..len).unwrap_or_default(),
        );
        let word = self.word();
        let mut from_words = source.chunks_exact(8);
        let mut to_words = target.chunks_exact_mut(8);
        for (to, from) in to_words.by_ref().zip(from_words.by_ref()) {
            if let (Ok(to), Ok(from)) = (<&mut [u8; 8]>::try_from(to), <[u8; 8]>::try_from(from)) {
                *to = (u64::from_ne_bytes(from) ^ word).to_ne_bytes();
            }
        }
        let rest = to_words.into_remainder().iter_mut().zip(from_words.remainder());
        for ((to, from), key) in rest.zip(word.to_ne_bytes()) {
            *to = from ^ key;
        }
        self.advance(len);
        target
    }

    /// Masks the first bytes of a payload.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn block(self, block: [u8; Self::BLOCK]) -> [u8; Self::BLOCK] {
        let word = u128::from(u64::from_le_bytes(self.word().to_ne_bytes()));
        (u128::from_le_bytes(block) ^ (word << 64 | word)).to_le_bytes()
    }

    /// Masks a block of a multiple of eight bytes, after which the key is where it was.
    #[inline(always)]
    pub(crate) fn long_block<const LEN: usize>(self, mut block: [u8; LEN]) -> [u8; LEN] {
        self.apply_blocks::<LEN, 2>(&mut block);
        block
    }

    /// The key twice.
    #[inline]
    fn word(self) -> u64 {
        let key = u64::from(u32::from_ne_bytes(self.key));
        key << 32 | key
    }

    /// Rotates the key by `len` bytes of payload.
    #[inline]
    pub(crate) fn advance(&mut self, len: usize) {
        // The low two bits of the length are all that counts.
        let bits = [0, 8, 16, 24].get(len % 4).copied().unwrap_or(0);
        self.key = u32::from_le_bytes(self.key).rotate_right(bits).to_le_bytes();
    }
}

/// One block of a known length.
#[inline(always)]
fn apply_block<const LEN: usize>(word: u64, block: &mut [u8]) {
    for chunk in block.chunks_exact_mut(8).take(LEN / 8) {
        if let Ok(chunk) = <&mut [u8; 8]>::try_from(chunk) {
            *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
        }
    }
}

/// Puts the ends of what is long to their places.
#[inline(always)]
fn put_ends(bytes: &mut [u8], [first, last]: [[u8; Mask::END]; 2]) {
    if let Some(to) = bytes.first_chunk_mut() {
        *to = first;
    }
    if let Some(to) = bytes.last_chunk_mut() {
        *to = last;
    }
}

/// Runs a loop that is compiled for each width of registers.
#[cfg(feature = "pulp")]
#[inline(always)]
pub(crate) fn wide<T>(task: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(task)
}

/// Runs a loop.
#[cfg(not(feature = "pulp"))]
#[inline(always)]
pub(crate) fn wide<T>(task: impl FnOnce() -> T) -> T {
    task()
}

/// Less than sixteen bytes, in front of zeros: two loads that may overlap instead of a loop.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(crate) fn short_block(bytes: &[u8]) -> [u8; Mask::BLOCK] {
    let block = if let (Some(start), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [start, end] = [*start, *end].map(|part| u128::from(u64::from_le_bytes(part)));
        start | end << (8 * (bytes.len() - 8))
    } else if let (Some(start), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [start, end] = [*start, *end].map(|part| u64::from(u32::from_le_bytes(part)));
        u128::from(start | end << (8 * (bytes.len() - 4)))
    } else {
        match *bytes {
            [a, b, c] => u128::from(u32::from_le_bytes([a, b, c, 0])),
            [a, b] => u128::from(u16::from_le_bytes([a, b])),
            [a] => u128::from(a),
            _ => 0,
        }
    };
    block.to_le_bytes()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Section 5.3, octet by octet.
    fn masked(payload: &[u8], before: usize) -> Vec<u8> {
        let octets = payload.iter().enumerate();
        octets.map(|(i, octet)| octet ^ KEY[(before + i) % 4]).collect()
    }

    fn payload(len: usize) -> Vec<u8> {
        (0..=u8::MAX)
            .flat_map(|high| (0..=u8::MAX).map(move |low| low.wrapping_mul(7) ^ high))
            .take(len)
            .collect()
    }

    /// Lengths on both sides of each bound between the ways in which it is done.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..200).chain(480..720).chain([1000, 4095, 4096, 4097])
    }

    #[test]
    fn agrees_with_the_definition_at_every_length_and_place() {
        let mut memory = payload(4200);
        for len in lengths() {
            for place in (0..40).chain([63, 64]) {
                let mut mask = Mask::new(KEY);
                mask.advance(place);
                let expected = masked(&payload(len), place);
                memory[place..place + len].copy_from_slice(&payload(len));
                let (before, behind) = (memory[..place].to_vec(), memory[place + len..].to_vec());
                mask.apply(&mut memory[place..place + len]);
                assert!(memory[place..place + len] == expected, "{len} at {place}");
                assert!(
                    memory[..place] == before && memory[place + len..] == behind,
                    "{len} at {place}"
                );
                assert_eq!(mask.key[0], KEY[(place + len) % 4]);
            }
        }
    }

    #[test]
    fn moves_by_any_number_of_bytes() {
        let mut memory = payload(10_000);
        for len in lengths() {
            for by in (0..40).chain([127, 128, 129, 600, 5000]) {
                let place = (len + by) % 33;
                let end = place + by + len;
                let mut mask = Mask::new(KEY);
                mask.advance(by);
                let expected = masked(&payload(len), by);
                memory[place + by..end].copy_from_slice(&payload(len));
                let (before, behind) = (memory[..place].to_vec(), memory[end..].to_vec());
                mask.apply_moving(&mut memory[place..end], by);
                assert!(memory[place..place + len] == expected, "{len} by {by}");
                assert!(memory[..place] == before && memory[end..] == behind, "{len} by {by}");
                assert_eq!(mask.key[0], KEY[(by + len) % 4]);
            }
        }
    }
}
