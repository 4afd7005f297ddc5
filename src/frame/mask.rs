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
    /// A mask at the start of a payload.
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        Self { key }
    }

    /// Masks or unmasks the next `bytes` of the payload in place.
    #[inline]
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let word = self.word();
        let (words, rest) = bytes.as_chunks_mut::<8>();
        for chunk in words {
            *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
        }
        let (half, rest) = rest.as_chunks_mut::<4>();
        for chunk in half {
            *chunk = (u32::from_ne_bytes(*chunk) ^ u32::from_ne_bytes(self.key)).to_ne_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(self.key) {
            *byte ^= key;
        }
        self.advance(bytes.len());
    }

    /// Masks or unmasks the next bytes of the payload from `source` into `target`, and returns what was written: as
    /// many bytes as the shorter of the two.
    #[inline]
    pub fn apply_copy<'t>(&mut self, source: &[u8], target: &'t mut [u8]) -> &'t [u8] {
        let len = source.len().min(target.len());
        let target = target.get_mut(..len).unwrap_or_default();
        let word = self.word();
        let (from_words, from_rest) = source.as_chunks::<8>();
        let (to_words, to_rest) = target.as_chunks_mut::<8>();
        for (to, from) in to_words.iter_mut().zip(from_words) {
            *to = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
        }
        // Where the source is the longer one, its next whole word is what the target's rest stands beside.
        let from_rest = from_words.get(to_words.len()).map_or(from_rest, |word| word.as_slice());
        for ((to, from), key) in to_rest.iter_mut().zip(from_rest).zip(self.key.into_iter().cycle()) {
            *to = from ^ key;
        }
        self.advance(len);
        target
    }

    /// The key twice.
    #[inline]
    fn word(self) -> u64 {
        let key = u64::from(u32::from_ne_bytes(self.key));
        key << 32 | key
    }

    /// Rotates the key by `len` bytes of payload.
    #[inline]
    fn advance(&mut self, len: usize) {
        // The low two bits of the length are all that counts.
        let bits = [0, 8, 16, 24].get(len % 4).copied().unwrap_or(0);
        self.key = u32::from_le_bytes(self.key).rotate_right(bits).to_le_bytes();
    }
}
