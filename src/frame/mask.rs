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
        } else {
            self.apply_long(bytes);
        }
    }

    #[inline(never)]
    fn apply_long(self, bytes: &mut [u8]) {
        wide(
            #[inline(always)]
            || {
                let rest = self.apply_blocks::<128, { usize::MAX }>(bytes);
                let rest = self.apply_blocks::<32, 4>(rest);
                self.apply_words::<4>(rest);
            },
        );
    }

    /// Blocks of a known length, for which the compiler uses wide registers without a loop before and after, and less than
    /// `MOST` of them. Returns the rest, at whose start the key is where it was.
    #[inline(always)]
    fn apply_blocks<const LEN: usize, const MOST: usize>(self, bytes: &mut [u8]) -> &mut [u8] {
        let word = self.word();
        let mut blocks = bytes.chunks_exact_mut(LEN);
        for block in blocks.by_ref().take(MOST - 1) {
            for chunk in block.chunks_exact_mut(8).take(LEN / 8) {
                if let Ok(chunk) = <&mut [u8; 8]>::try_from(chunk) {
                    *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
                }
            }
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
    #[cfg(feature = "alloc")]
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
