//! Frame headers, RFC 6455 section 5.2.
//!
//! A header is decoded byte by byte, in the order in which the bytes arrive, so that an error comes from the first byte
//! that shows it. [`FirstByte`], [`SecondByte`] and [`Length`] are the steps. The receive half checks its own rules (role,
//! state, limits) between them.

use super::mask::Mask;
use super::opcode::Opcode;
use super::violation::Violation;

/// The longest header, in bytes: two bytes, a 64-bit length and a mask key.
pub const MAX_HEADER_LEN: usize = 14;

/// The longest payload of a control frame, in bytes (section 5.5).
pub const MAX_CONTROL_LEN: usize = 125;

/// The longest length that fits the second byte.
const MAX_LEN_7: u64 = 125;
/// The longest length that fits 16 bits.
const MAX_LEN_16: u64 = 0xffff;
/// In the second byte: a 16-bit length follows.
const LEN_16: u8 = 126;
/// In the second byte: a 64-bit length follows.
const LEN_64: u8 = 127;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// The header of a frame.
///
/// ```
/// use sockless::frame::{Header, MAX_HEADER_LEN, Opcode};
///
/// // RFC 6455 section 5.7: 64 KiB of binary data in a single unmasked frame.
/// let header = Header { fin: true, rsv: 0, opcode: Opcode::Binary, mask_key: None, payload_len: 65_536 };
/// let mut block = [0; MAX_HEADER_LEN];
/// let encoded = header.encode(&mut block);
/// assert_eq!(encoded, [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
/// assert_eq!(Header::decode(encoded)?, Some((header, 10)));
/// # Ok::<(), sockless::error::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this frame is the last of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 as the bits 4, 2 and 1. Zero unless an extension was agreed.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The mask key, if the payload is masked.
    pub mask_key: Option<[u8; 4]>,
    /// The length of the payload, in bytes.
    pub payload_len: u64,
}

impl Header {
    /// Decodes the header at the start of `bytes`, and says how many bytes it takes. `None` means that more bytes are
    /// needed, which is no error.
    ///
    /// This checks what depends on the frame alone. The direction of masking, fragmentation, reserved bits and limits depend
    /// on the connection and are checked there.
    ///
    /// # Errors
    /// From the first byte that shows it: [`Violation::ReservedOpcode`], [`Violation::FragmentedControl`],
    /// [`Violation::ControlTooLong`], [`Violation::LengthNotMinimal`], [`Violation::LengthTopBit`].
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let first = FirstByte::decode(first)?;
        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        let second = SecondByte::decode(second, first.opcode)?;
        let Length::Whole { payload_len, size } = Length::decode(second.len_7, rest)? else {
            return Ok(None);
        };
        let mut header_len = 2 + size;
        let mut mask_key = None;
        if second.masked {
            let Some(key) = rest.get(size..).and_then(<[u8]>::first_chunk::<4>) else {
                return Ok(None);
            };
            mask_key = Some(*key);
            header_len += 4;
        }
        let header = Self {
            fin: first.fin,
            rsv: first.rsv,
            opcode: first.opcode,
            mask_key,
            payload_len,
        };
        Ok(Some((header, header_len)))
    }

    /// Encodes the header at the start of `block`, with the length in its shortest form, and returns its bytes.
    ///
    /// Bits of [`rsv`](Self::rsv) above the low three are ignored, and so is the top bit of
    /// [`payload_len`](Self::payload_len), which the wire cannot carry.
    #[inline]
    pub fn encode<'b>(&self, block: &'b mut [u8; MAX_HEADER_LEN]) -> &'b [u8] {
        let len = self.with_bytes(|header| {
            for (to, from) in block.iter_mut().zip(header) {
                *to = *from;
            }
            header.len()
        });
        block.get(..len).unwrap_or_default()
    }

    /// Hands the encoded bytes to `take`.
    #[inline(always)]
    pub(crate) fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        with_bytes(self.first_byte(), self.payload_len, self.mask_key, take)
    }

    /// Hands the encoded bytes up to the mask key to `take`.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn with_start<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        with_start(self.first_byte(), self.payload_len, self.mask_key.is_some(), take)
    }

    #[inline(always)]
    pub(crate) const fn first_byte(&self) -> u8 {
        (if self.fin { FIN } else { 0 }) | (self.rsv & 7) << 4 | self.opcode.bits()
    }

    /// The mask at the start of the payload, if it is masked.
    #[inline]
    pub(crate) fn mask(&self) -> Option<Mask> {
        self.mask_key.map(Mask::new)
    }
}

/// Encodes a header and hands it to `take`.
#[inline(always)]
pub(crate) fn with_bytes<T>(
    first: u8,
    payload_len: u64,
    mask_key: Option<[u8; 4]>,
    take: impl FnOnce(&[u8]) -> T,
) -> T {
    with_start(first, payload_len, mask_key.is_some(), |start| match mask_key {
        None => take(start),
        Some(key) => {
            let mut bytes = [0; MAX_HEADER_LEN];
            let bytes = bytes.get_mut(..start.len() + key.len()).unwrap_or_default();
            if let Some((to, last)) = bytes.split_last_chunk_mut() {
                to.copy_from_slice(start);
                *last = key;
            }
            take(bytes)
        }
    })
}

/// Encodes a header up to its mask key and hands it to `take`: an array of its own for each form, so that a short one is
/// one store.
#[inline(always)]
fn with_start<T>(first: u8, payload_len: u64, masked: bool, take: impl FnOnce(&[u8]) -> T) -> T {
    let mask_bit = if masked { MASKED } else { 0 };
    let len = payload_len & !(1 << 63);
    let [l0, l1, l2, l3, l4, l5, l6, l7] = len.to_be_bytes();
    if len <= MAX_LEN_7 {
        take(&[first, mask_bit | l7])
    } else if len <= MAX_LEN_16 {
        take(&[first, mask_bit | LEN_16, l6, l7])
    } else {
        take(&[first, mask_bit | LEN_64, l0, l1, l2, l3, l4, l5, l6, l7])
    }
}

/// What a frame's first byte says.
#[derive(Clone, Copy)]
pub(crate) struct FirstByte {
    pub(crate) fin: bool,
    pub(crate) rsv: u8,
    pub(crate) opcode: Opcode,
}

impl FirstByte {
    #[inline]
    pub(crate) fn decode(byte: u8) -> Result<Self, Violation> {
        let fin = byte & FIN != 0;
        let opcode = Opcode::from_bits(byte)?;
        if opcode.is_control() && !fin {
            return Err(Violation::FragmentedControl);
        }
        Ok(Self {
            fin,
            rsv: byte >> 4 & 7,
            opcode,
        })
    }
}

/// What a frame's second byte says.
#[derive(Clone, Copy)]
pub(crate) struct SecondByte {
    pub(crate) masked: bool,
    /// The seven bits of length: the length itself, or which longer form follows.
    pub(crate) len_7: u8,
}

impl SecondByte {
    #[inline]
    pub(crate) fn decode(byte: u8, opcode: Opcode) -> Result<Self, Violation> {
        let len_7 = byte & 0x7f;
        if opcode.is_control() && u64::from(len_7) > MAX_LEN_7 {
            return Err(Violation::ControlTooLong);
        }
        Ok(Self {
            masked: byte & MASKED != 0,
            len_7,
        })
    }
}

/// The length of a payload, as far as it is known.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    /// Bytes are missing; the length will be at least this.
    Part { at_least: u64 },
    /// The length, and how many bytes after the second one it took.
    Whole { payload_len: u64, size: usize },
}

impl Length {
    /// Reads the length from the bytes after the second one.
    #[inline]
    pub(crate) fn decode(len_7: u8, bytes: &[u8]) -> Result<Self, Violation> {
        match len_7 {
            LEN_16 => Self::decode_16(bytes),
            LEN_64 => Self::decode_64(bytes),
            _ => Ok(Self::Whole {
                payload_len: u64::from(len_7),
                size: 0,
            }),
        }
    }

    #[inline]
    fn decode_16(bytes: &[u8]) -> Result<Self, Violation> {
        let Some(field) = bytes.first_chunk::<2>() else {
            let high = bytes.first().copied().unwrap_or(0);
            return Ok(Self::Part {
                at_least: u64::from(high) << 8,
            });
        };
        let payload_len = u64::from(u16::from_be_bytes(*field));
        if payload_len <= MAX_LEN_7 {
            return Err(Violation::LengthNotMinimal);
        }
        Ok(Self::Whole { payload_len, size: 2 })
    }

    fn decode_64(bytes: &[u8]) -> Result<Self, Violation> {
        let mut field = [0; 8];
        let mut known = 0;
        for (to, from) in field.iter_mut().zip(bytes) {
            *to = *from;
            known += 1;
        }
        // With the missing bytes as zeros, the least that the length can be.
        let at_least = u64::from_be_bytes(field);
        if at_least >> 63 != 0 {
            return Err(Violation::LengthTopBit);
        }
        // Six zeros in front leave at most 16 bits, whatever the other two are.
        if known >= 6 && at_least <= MAX_LEN_16 {
            return Err(Violation::LengthNotMinimal);
        }
        if known < 8 {
            return Ok(Self::Part { at_least });
        }
        Ok(Self::Whole {
            payload_len: at_least,
            size: 8,
        })
    }
}
