//! Inflating, read off RFC 1951 section by section: one bit after the other, and nothing kept but the output.

use std::sync::OnceLock;

/// What compressed data come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inflated {
    /// What they inflate to, as far as that is known.
    pub output: Vec<u8>,
    /// How they end.
    pub end: End,
    /// The farthest distance in them.
    pub farthest: usize,
}

/// How compressed data end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a block, which was whole.
    Whole,
    /// Inside a block, or behind the last one, with something that is none.
    Inside,
    /// They are not what RFC 1951 describes.
    Bad,
}

/// What a sender takes off the end of each message, and a receiver appends (RFC 7692 section 7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Inflates the payload of a compressed message; `history` is what was inflated before, if it may refer to that.
#[must_use]
pub fn inflate_message(payload: &[u8], history: &[u8]) -> Inflated {
    let mut inflating = Inflating::new([payload, &TAIL].concat(), history);
    let end = loop {
        let at = inflating.at;
        match inflating.block() {
            Ok(()) => {}
            // Behind the last block of a stream there is no other, but something else: the stream itself is whole.
            Err(End::Bad) if inflating.has_ended => break End::Inside,
            Err(end) => break end,
        }
        let last = (inflating.data.len() - TAIL.len()) * 8;
        if inflating.at == inflating.data.len() * 8 {
            // The tail has to be what is left of an empty block without compression, of which the payload has the start.
            let stored = [at + 1, at + 2].iter().all(|bit| {
                inflating
                    .data
                    .get(bit / 8)
                    .is_some_and(|byte| byte >> (bit % 8) & 1 == 0)
            });
            break match stored && (at + 3).next_multiple_of(8) == last {
                true => End::Whole,
                false => End::Inside,
            };
        }
    };
    Inflated {
        output: inflating.output.split_off(inflating.before),
        end,
        farthest: inflating.farthest,
    }
}

/// Inflates the start of a payload, as far as it goes.
pub(crate) fn inflate_part(payload: &[u8], history: &[u8]) -> Inflated {
    let mut inflating = Inflating::new(payload.to_vec(), history);
    let end = loop {
        if let Err(end) = inflating.block() {
            break end;
        }
    };
    Inflated {
        output: inflating.output.split_off(inflating.before),
        end,
        farthest: inflating.farthest,
    }
}

struct Inflating {
    data: Vec<u8>,
    /// The next bit.
    at: usize,
    /// What was inflated, behind the history.
    output: Vec<u8>,
    /// The length of the history.
    before: usize,
    farthest: usize,
    /// Whether a block had BFINAL.
    has_ended: bool,
}

/// A Huffman code: how many codes there are of each length, and the symbols in the order of their codes.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    /// Section 3.2.2: the lengths of the codes say what the codes are. `None`: there are no such codes.
    fn of(lengths: &[usize]) -> Option<Self> {
        let mut counts = [0; 16];
        for length in lengths {
            *counts.get_mut(*length)? += 1;
        }
        counts[0] = 0;
        let mut symbols = Vec::new();
        let mut free = 1_usize;
        for (length, count) in counts.iter().enumerate().skip(1) {
            // More codes of a length than are free have no meaning.
            free = (free * 2).checked_sub(*count)?;
            let of_this = lengths.iter().enumerate().filter(|symbol| *symbol.1 == length);
            symbols.extend(of_this.map(|symbol| symbol.0));
        }
        // Codes that nobody has are allowed where there is one symbol at most (section 3.2.7).
        (free == 0 || symbols.len() <= 1).then_some(Self { counts, symbols })
    }
}

static FIXED: OnceLock<Option<(Code, Code)>> = OnceLock::new();

/// Section 3.2.6.
fn fixed_codes() -> Option<(Code, Code)> {
    let lengths = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
    Some((Code::of(&lengths)?, Code::of(&[5; 32])?))
}

impl Inflating {
    fn new(data: Vec<u8>, history: &[u8]) -> Self {
        Self {
            data,
            at: 0,
            output: history.to_vec(),
            before: history.len(),
            farthest: 0,
            has_ended: false,
        }
    }

    fn bit(&mut self) -> Result<usize, End> {
        let byte = self.data.get(self.at / 8).ok_or(End::Inside)?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(usize::from(bit))
    }

    /// Section 3.1.1: a number, the least significant bit first.
    fn bits(&mut self, count: usize) -> Result<usize, End> {
        let mut number = 0;
        for place in 0..count {
            number |= self.bit()? << place;
        }
        Ok(number)
    }

    /// A symbol: a code, the most significant bit first.
    fn symbol(&mut self, code: &Code) -> Result<usize, End> {
        let (mut value, mut first, mut before) = (0, 0, 0);
        for count in code.counts.iter().skip(1) {
            value |= self.bit()?;
            if value - first < *count {
                return code.symbols.get(before + value - first).copied().ok_or(End::Bad);
            }
            before += count;
            first = (first + count) << 1;
            value <<= 1;
            if value < first {
                return Err(End::Bad);
            }
        }
        Err(End::Bad)
    }

    /// Section 3.2.3: one block.
    fn block(&mut self) -> Result<(), End> {
        let is_final = self.bit()? == 1;
        match self.bits(2)? {
            0 => self.stored()?,
            1 => {
                let (literals, distances) = FIXED.get_or_init(fixed_codes).as_ref().ok_or(End::Bad)?;
                self.compressed(literals, distances)?;
            }
            2 => {
                let (literals, distances) = self.codes()?;
                self.compressed(&literals, &distances)?;
            }
            _ => return Err(End::Bad),
        }
        if is_final {
            self.has_ended = true;
            // RFC 7692 section 7.2.3.4: blocks may follow, from the next byte on.
            self.at = self.at.next_multiple_of(8);
        }
        Ok(())
    }

    /// Section 3.2.4.
    fn stored(&mut self) -> Result<(), End> {
        self.at = self.at.next_multiple_of(8);
        let length = self.bits(16)?;
        let complement = self.bits(16)?;
        if length != complement ^ 0xffff {
            return Err(End::Bad);
        }
        let start = self.at / 8;
        let there = self.data.len().min(start + length);
        self.output
            .extend_from_slice(self.data.get(start..there).unwrap_or_default());
        self.at = there * 8;
        if there < start + length {
            Err(End::Inside)
        } else {
            Ok(())
        }
    }

    /// Section 3.2.7.
    fn codes(&mut self) -> Result<(Code, Code), End> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let literals = self.bits(5)? + 257;
        let distances = self.bits(5)? + 1;
        let count = self.bits(4)? + 4;
        if literals > 286 || distances > 30 {
            return Err(End::Bad);
        }
        let mut lengths = [0; 19];
        for place in ORDER.iter().take(count) {
            let length = self.bits(3)?;
            if let Some(to) = lengths.get_mut(*place) {
                *to = length;
            }
        }
        let code = Code::of(&lengths).ok_or(End::Bad)?;
        if code.symbols.is_empty() {
            // That is bad, but RFC 1951 does not say from which bit on: zlib takes a bit for each length, and then says so.
            for _ in 0..literals + distances {
                self.bit()?;
            }
            return Err(End::Bad);
        }
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&code)? {
                16 => (*lengths.last().ok_or(End::Bad)?, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        if lengths.len() > literals + distances || lengths.get(256) == Some(&0) {
            return Err(End::Bad);
        }
        let (literals, distances) = lengths.split_at_checked(literals).ok_or(End::Bad)?;
        Ok((
            Code::of(literals).ok_or(End::Bad)?,
            Code::of(distances).ok_or(End::Bad)?,
        ))
    }

    /// Section 3.2.5: literals, and copies of what came before.
    fn compressed(&mut self, literals: &Code, distances: &Code) -> Result<(), End> {
        loop {
            match self.symbol(literals)? {
                byte @ 0..=255 => self.output.push(byte as u8),
                256 => return Ok(()),
                symbol => {
                    let (base, extra) = *LENGTHS.get(symbol - 257).ok_or(End::Bad)?;
                    let length = base + self.bits(extra)?;
                    let symbol = self.symbol(distances)?;
                    let (base, extra) = *DISTANCES.get(symbol).ok_or(End::Bad)?;
                    let distance = base + self.bits(extra)?;
                    let from = self.output.len().checked_sub(distance).ok_or(End::Bad)?;
                    self.farthest = self.farthest.max(distance);
                    for place in from..from + length {
                        let byte = *self.output.get(place).ok_or(End::Bad)?;
                        self.output.push(byte);
                    }
                }
            }
        }
    }
}

/// Of each symbol of a length, from 257: the least length, and how many bits add to it.
pub(crate) const LENGTHS: [(usize, usize); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// Of each symbol of a distance: the least distance, and how many bits add to it.
pub(crate) const DISTANCES: [(usize, usize); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(payload: &[u8], history: &[u8]) -> Vec<u8> {
        let inflated = inflate_message(payload, history);
        assert_eq!(inflated.end, End::Whole, "{payload:x?}");
        inflated.output
    }

    /// RFC 7692 sections 7.2.3.1 to 7.2.3.6.
    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(whole(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], b""), b"Hello");
        assert_eq!(whole(&[0xf2, 0x00, 0x11, 0x00, 0x00], b"Hello"), b"Hello");
        assert_eq!(
            whole(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], b""),
            b"Hello"
        );
        assert_eq!(whole(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], b""), b"Hello");
        assert_eq!(
            whole(
                &[
                    0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00
                ],
                b""
            ),
            b"Hello"
        );
        assert_eq!(whole(&[0x00], b""), b"");
    }

    #[test]
    fn only_the_whole_message_is_whole() {
        let payload = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        for len in 0..payload.len() {
            assert_ne!(inflate_message(&payload[..len], b"").end, End::Whole, "{len}");
        }
        // A block without compression to which the tail would belong.
        let stored = [0x00, 0x09, 0x00, 0xf6, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        assert_eq!(inflate_message(&stored, b"").end, End::Inside);
    }

    #[test]
    fn what_is_no_such_data_is_bad() {
        for payload in [
            &[0x06][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48],
            // A distance before the first byte.
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            b"not compressed",
        ] {
            assert_eq!(inflate_message(payload, b"").end, End::Bad, "{payload:x?}");
        }
    }
}
