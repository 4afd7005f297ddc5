//! Incremental UTF-8 validation (RFC 6455 section 8.1), with at most four bytes of state.
//!
//! Whole characters are validated at once, by `core` or, with the `simdutf8` feature, with wide registers. Only a character
//! that was cut goes through [`Carry`], byte by byte. Both find invalid text at the first byte that makes it so.

/// What follows the whole characters at the start of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest<'a> {
    /// The piece ends with a whole character.
    Nothing,
    /// The piece ends inside a character that is good so far: one to three bytes.
    Unfinished(&'a [u8]),
    /// A byte that no UTF-8 has at that place.
    Invalid,
}

/// Splits a piece that starts at a character into its longest run of whole characters and what follows.
#[inline]
pub(crate) fn split(bytes: &[u8]) -> (&str, Rest<'_>) {
    let cut = bytes.len() - unfinished_len(bytes);
    let (whole, tail) = bytes.split_at_checked(cut).unwrap_or((bytes, &[]));
    match validate(whole) {
        Ok(text) if tail.is_empty() => (text, Rest::Nothing),
        Ok(text) if starts_character(tail) => (text, Rest::Unfinished(tail)),
        Ok(text) => (text, Rest::Invalid),
        Err(valid_len) => (valid_part(whole, valid_len), Rest::Invalid),
    }
}

/// The start of `bytes` that is known to be UTF-8.
#[cold]
fn valid_part(bytes: &[u8], valid_len: usize) -> &str {
    bytes
        .get(..valid_len)
        .and_then(|valid| core::str::from_utf8(valid).ok())
        .unwrap_or_default()
}

/// Validates whole characters; otherwise says how many bytes are good.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, usize> {
    #[cfg(feature = "simdutf8")]
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Ok(text);
    }
    core::str::from_utf8(bytes).map_err(|error| error.valid_up_to())
}

/// How many bytes at the end belong to a character that is longer than what is there.
#[inline]
fn unfinished_len(bytes: &[u8]) -> usize {
    for (len, &byte) in (1..).zip(bytes.iter().rev().take(3)) {
        match byte {
            // A continuation byte: the lead is further in front.
            0x80..=0xbf => {}
            lead => return if character_len(lead) > len { len } else { 0 },
        }
    }
    0
}

/// The length in bytes of the character that starts with `lead`. A byte that starts none is a character of its own
/// here, so that the validator meets it.
#[inline]
const fn character_len(lead: u8) -> usize {
    match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

/// Whether some character starts with these one to three bytes and goes on (Unicode, table 3-7).
const fn starts_character(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xc2..=0xf4]
            | [0xe0, 0xa0..=0xbf]
            | [0xed, 0x80..=0x9f]
            | [0xe1..=0xec | 0xee..=0xef | 0xf1..=0xf3, 0x80..=0xbf]
            | [0xf0, 0x90..=0xbf]
            | [0xf4, 0x80..=0x8f]
            | [0xf0, 0x90..=0xbf, 0x80..=0xbf]
            | [0xf1..=0xf3, 0x80..=0xbf, 0x80..=0xbf]
            | [0xf4, 0x80..=0x8f, 0x80..=0xbf]
    )
}

/// A character that was cut: the bytes of it that have arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carry {
    bytes: [u8; 4],
    len: u8,
}

/// What one more byte made of a cut character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SplitChar {
    /// Still good, still not whole.
    Unfinished,
    /// Whole: see [`Carry::character`].
    Whole,
    /// Not UTF-8.
    Invalid,
}

impl Carry {
    /// No character is cut.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; 4], len: 0 }
    }

    /// Whether a character was cut and is not whole yet.
    #[inline]
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.len != 0
    }

    /// Keeps a cut character: the one to three bytes of [`Rest::Unfinished`].
    pub(crate) fn keep(&mut self, tail: &[u8]) {
        self.len = 0;
        for (to, from) in self.bytes.iter_mut().zip(tail) {
            *to = *from;
            self.len += 1;
        }
    }

    /// Adds the next byte.
    pub(crate) fn push(&mut self, byte: u8) -> SplitChar {
        if let Some(to) = self.bytes.get_mut(usize::from(self.len)) {
            *to = byte;
            self.len += 1;
        }
        let so_far = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        if core::str::from_utf8(so_far).is_ok() {
            // The bytes stay to be read; the next cut character overwrites them.
            self.len = 0;
            SplitChar::Whole
        } else if starts_character(so_far) {
            SplitChar::Unfinished
        } else {
            SplitChar::Invalid
        }
    }

    /// Moves the bytes of a cut character to the front of `to`, and returns how many they are.
    #[cfg(feature = "deflate")]
    pub(crate) fn take(&mut self, to: &mut [u8]) -> usize {
        let len = usize::from(core::mem::take(&mut self.len));
        for (to, from) in to.iter_mut().zip(self.bytes).take(len) {
            *to = from;
        }
        len
    }

    /// Goes on with more text, which may end inside a character again. Whether all of it is good so far.
    pub(crate) fn check(&mut self, mut bytes: &[u8]) -> bool {
        while self.is_unfinished() {
            let Some((&byte, rest)) = bytes.split_first() else {
                return true;
            };
            if self.push(byte) == SplitChar::Invalid {
                return false;
            }
            bytes = rest;
        }
        match split(bytes).1 {
            Rest::Nothing => true,
            Rest::Unfinished(tail) => {
                self.keep(tail);
                true
            }
            Rest::Invalid => false,
        }
    }

    /// The character that [`push`](Self::push) has just completed.
    pub(crate) fn character(&self) -> &str {
        valid_part(&self.bytes, character_len(self.bytes[0]))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// `core` as oracle: good so far, finished, or bad.
    fn oracle(bytes: &[u8]) -> (usize, Option<bool>) {
        match core::str::from_utf8(bytes) {
            Ok(text) => (text.len(), Some(true)),
            Err(error) if error.error_len().is_none() => (error.valid_up_to(), Some(false)),
            Err(error) => (error.valid_up_to(), None),
        }
    }

    fn check(bytes: &[u8]) {
        let (valid, state) = oracle(bytes);
        let (text, rest) = split(bytes);
        assert_eq!(text.len(), valid, "{bytes:x?}");
        let expected = match state {
            Some(true) => Rest::Nothing,
            Some(false) => Rest::Unfinished(&bytes[valid..]),
            None => Rest::Invalid,
        };
        assert_eq!(rest, expected, "{bytes:x?}");
        // The carry, byte by byte.
        let mut carry = Carry::new();
        let mut text = Vec::new();
        let mut end = Some(true);
        for &byte in bytes {
            match carry.push(byte) {
                SplitChar::Unfinished => end = Some(false),
                SplitChar::Whole => {
                    text.extend_from_slice(carry.character().as_bytes());
                    end = Some(true);
                }
                SplitChar::Invalid => {
                    end = None;
                    break;
                }
            }
        }
        assert_eq!((text.len(), end), (valid, state), "{bytes:x?}");
        assert_eq!(text, &bytes[..valid]);
    }

    /// Bytes on both sides of every boundary of the table of well-formed sequences.
    const EDGES: [u8; 26] = [
        0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
        0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff,
    ];

    #[test]
    fn agrees_with_core_on_all_sequences_of_one_to_three_bytes() {
        check(&[]);
        for a in 0..=255_u8 {
            check(&[a]);
            for b in 0..=255_u8 {
                check(&[a, b]);
                for c in EDGES {
                    check(&[a, b, c]);
                    check(&[a, c, b]);
                }
            }
        }
    }

    #[test]
    fn agrees_with_core_on_edges_of_four_and_five_bytes() {
        for a in EDGES {
            for b in EDGES {
                for c in EDGES {
                    for d in EDGES {
                        check(&[a, b, c, d]);
                        check(&[b'x', a, b, c, d]);
                    }
                }
            }
        }
    }
}
