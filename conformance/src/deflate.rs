//! Compressed messages as a peer sends them: blocks of each kind, with references as far back as they are told to go.
//!
//! It makes what a test needs, not what is shortest.

use std::sync::OnceLock;

use crate::model::{DISTANCES, LENGTHS};

/// The kind of a block (RFC 1951 section 3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Stored,
    Fixed,
    Dynamic,
}

/// What a compressed block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Literal(u8),
    Copy { length: usize, distance: usize },
}

/// Blocks as they are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    bytes: Vec<u8>,
    bit: u32,
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A number, the least significant bit first.
    pub(crate) fn bits(&mut self, mut value: usize, count: usize) {
        let mut left = count as u32;
        while left > 0 {
            if self.bit == 0 {
                self.bytes.push(0);
            }
            let now = left.min(8 - self.bit);
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value & ((1 << now) - 1)) as u8) << self.bit;
            }
            value >>= now;
            left -= now;
            self.bit = (self.bit + now) % 8;
        }
    }

    /// Up to the next byte.
    pub(crate) fn align(&mut self) {
        self.bit = 0;
    }

    fn header(&mut self, kind: usize, is_final: bool) {
        self.bits(usize::from(is_final), 1);
        self.bits(kind, 2);
    }

    /// A block without compression, of 65535 bytes at most.
    pub(crate) fn stored(&mut self, data: &[u8], is_final: bool) {
        self.header(0, is_final);
        self.align();
        self.bits(data.len(), 16);
        self.bits(data.len() ^ 0xffff, 16);
        self.bytes.extend_from_slice(data);
    }

    /// A compressed block.
    pub(crate) fn compressed(&mut self, kind: Block, tokens: &[Token], is_final: bool) {
        let codes = match kind {
            Block::Stored | Block::Fixed => {
                self.header(1, is_final);
                FIXED.get_or_init(Codes::fixed)
            }
            Block::Dynamic => {
                self.header(2, is_final);
                self.dynamic_header();
                DYNAMIC.get_or_init(Codes::dynamic)
            }
        };
        for token in tokens {
            match *token {
                Token::Literal(byte) => self.symbol(&codes.literals, usize::from(byte)),
                Token::Copy { length, distance } => {
                    // The last of the lengths has a symbol of its own.
                    let place = LENGTHS.iter().rposition(|symbol| symbol.0 <= length).unwrap_or(0);
                    let (base, extra) = LENGTHS.get(place).copied().unwrap_or_default();
                    self.symbol(&codes.literals, 257 + place);
                    self.bits(length - base, extra);
                    let place = DISTANCES.iter().rposition(|symbol| symbol.0 <= distance).unwrap_or(0);
                    let (base, extra) = DISTANCES.get(place).copied().unwrap_or_default();
                    self.symbol(&codes.distances, place);
                    self.bits(distance - base, extra);
                }
            }
        }
        self.symbol(&codes.literals, 256);
        if is_final {
            self.align();
        }
    }

    fn symbol(&mut self, codes: &[(usize, usize)], symbol: usize) {
        let (code, length) = codes.get(symbol).copied().unwrap_or_default();
        self.bits(code, length);
    }

    /// The lengths of [`Codes::dynamic`], each with a code of two bits, which only 4, 5, 8 and 9 have.
    fn dynamic_header(&mut self) {
        self.bits(286 - 257, 5);
        self.bits(30 - 1, 5);
        // Up to the fourth from the end of the order: 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4.
        self.bits(12 - 4, 4);
        for place in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4] {
            self.bits(if matches!(place, 4 | 5 | 8 | 9) { 2 } else { 0 }, 3);
        }
        let lengths = literal_lengths().into_iter().chain(distance_lengths());
        for length in lengths {
            let code = match length {
                4 => 0,
                5 => 1,
                8 => 2,
                _ => 3,
            };
            self.bits(code >> 1, 1);
            self.bits(code & 1, 1);
        }
    }

    /// As the payload of a message: an empty block without compression, of which the last four bytes are left out
    /// (RFC 7692 section 7.2.1).
    pub(crate) fn message(mut self) -> Vec<u8> {
        self.bits(0, 3);
        self.bytes
    }

    /// As they are.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn literal_lengths() -> Vec<usize> {
    // 226 codes of eight bits and 60 of nine.
    (0..286).map(|symbol| if symbol < 226 { 8 } else { 9 }).collect()
}

fn distance_lengths() -> Vec<usize> {
    // Two codes of four bits and 28 of five.
    (0..30).map(|symbol| if symbol < 2 { 4 } else { 5 }).collect()
}

static FIXED: OnceLock<Codes> = OnceLock::new();
static DYNAMIC: OnceLock<Codes> = OnceLock::new();

/// The codes of a block: of each symbol, its code, backwards, since it comes with its most significant bit first; and how
/// many bits that has.
struct Codes {
    literals: Vec<(usize, usize)>,
    distances: Vec<(usize, usize)>,
}

impl Codes {
    fn fixed() -> Self {
        let lengths = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
        Self {
            literals: codes(&lengths),
            distances: codes(&[5; 30]),
        }
    }

    fn dynamic() -> Self {
        Self {
            literals: codes(&literal_lengths()),
            distances: codes(&distance_lengths()),
        }
    }
}

/// The codes that these lengths come to (RFC 1951 section 3.2.2).
fn codes(lengths: &[usize]) -> Vec<(usize, usize)> {
    let mut codes = vec![(0, 0); lengths.len()];
    let mut next = 0_usize;
    for length in 1..=15 {
        next <<= 1;
        for (symbol, of_this) in lengths.iter().enumerate() {
            if *of_this == length
                && let Some(code) = codes.get_mut(symbol)
            {
                *code = (next.reverse_bits() >> (usize::BITS as usize - length), length);
                next += 1;
            }
        }
    }
    codes
}

/// Compresses one message after the other.
#[derive(Clone, Debug)]
pub(crate) struct Compressor {
    takeover: bool,
    window: usize,
    history: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new(takeover: bool, window_bits: u8) -> Self {
        Self {
            takeover,
            window: 1 << window_bits,
            history: Vec::new(),
        }
    }

    /// The payload of a message, in blocks of this kind.
    pub(crate) fn message(&mut self, data: &[u8], kind: Block) -> Vec<u8> {
        let mut blocks = Blocks::new();
        match kind {
            Block::Stored => {
                for part in data.chunks(65_535) {
                    blocks.stored(part, false);
                }
            }
            Block::Fixed | Block::Dynamic => {
                let tokens = self.tokens(data);
                if !tokens.is_empty() {
                    blocks.compressed(kind, &tokens, false);
                }
            }
        }
        self.note(data);
        blocks.message()
    }

    /// The message was sent compressed: later ones may refer to it.
    pub(crate) fn note(&mut self, data: &[u8]) {
        if self.takeover {
            self.history.extend_from_slice(data);
            let over = self.history.len().saturating_sub(1 << 15);
            self.history.drain(..over);
        }
    }

    /// The message as literals and copies.
    pub(crate) fn tokens(&self, data: &[u8]) -> Vec<Token> {
        const NONE: usize = usize::MAX;
        let all = [&self.history, data].concat();
        let mut seen = vec![NONE; 1 << 13];
        let hash = |at: usize| match all.get(at..).and_then(<[u8]>::first_chunk::<3>) {
            Some([one, two, three]) => {
                let value = u32::from_be_bytes([0, *one, *two, *three]);
                Some((value.wrapping_mul(0x9e37_79b1) >> 19) as usize)
            }
            None => None,
        };
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < all.len() {
            let found = hash(at).and_then(|hash| seen.get_mut(hash));
            let before = found.map_or(NONE, |place| std::mem::replace(place, at));
            if at < self.history.len() {
                at += 1;
                continue;
            }
            let mut length = 0;
            if before != NONE && at - before <= self.window {
                let same = all.iter().skip(before).zip(all.iter().skip(at));
                length = same.take(258).take_while(|(one, other)| one == other).count();
            }
            if length >= 3 {
                tokens.push(Token::Copy {
                    length,
                    distance: at - before,
                });
                at += length;
            } else {
                tokens.extend(all.get(at).map(|byte| Token::Literal(*byte)));
                at += 1;
            }
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{long_bytes, long_text};
    use crate::model::{End, inflate_message};

    /// What it makes, the model reads; and no distance goes beyond the window.
    #[test]
    fn the_model_reads_what_it_makes() {
        for kind in [Block::Stored, Block::Fixed, Block::Dynamic] {
            for takeover in [true, false] {
                for bits in [8, 9, 12, 15] {
                    let mut compressor = Compressor::new(takeover, bits);
                    let mut history = Vec::new();
                    for len in [0, 1, 2, 3, 10, 300, 3000, 40_000, 70_000, 5] {
                        let lines = long_text(len as u32, len.min(700)).repeat(1 + len / 700);
                        for data in [lines, long_bytes(3, len)] {
                            let payload = compressor.message(&data, kind);
                            let inflated = inflate_message(&payload, &history);
                            assert_eq!(
                                (inflated.end, inflated.output == data),
                                (End::Whole, true),
                                "{kind:?} {len}"
                            );
                            assert!(inflated.farthest <= 1 << bits);
                            if takeover {
                                history.extend(data);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_length_and_distance_is_written() {
        let start = long_bytes(5, 1 << 15);
        for kind in [Block::Fixed, Block::Dynamic] {
            let mut tokens = Vec::new();
            let mut expected = start.clone();
            let lengths = (3..=258).map(|length| (length, 32_768));
            for (length, distance) in lengths.chain(DISTANCES.iter().map(|symbol| (3, symbol.0))) {
                tokens.push(Token::Copy { length, distance });
                for _ in 0..length {
                    expected.push(expected[expected.len() - distance]);
                }
            }
            let mut blocks = Blocks::new();
            blocks.stored(&start, false);
            blocks.compressed(kind, &tokens, false);
            let inflated = inflate_message(&blocks.message(), b"");
            assert_eq!(inflated.end, End::Whole);
            assert!(inflated.output == expected);
        }
    }
}
