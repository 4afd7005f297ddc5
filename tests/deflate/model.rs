//! A slow inflater: RFC 1951 as it reads, bit by bit. It shares nothing with the one under test.

use std::collections::HashMap;

/// Why data is not what it should be.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Bad {
    /// The data ends inside a block.
    Cut,
    /// The data breaks a rule of RFC 1951.
    Invalid,
    /// A distance beyond the window, or beyond the start.
    TooFar,
}

/// The inflater of one direction of a connection.
pub(crate) struct Model {
    pub(crate) window: usize,
    pub(crate) takeover: bool,
    history: Vec<u8>,
    /// The longest distance seen.
    pub(crate) farthest: usize,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<usize, Bad> {
        let byte = *self.bytes.get(self.at / 8).ok_or(Bad::Cut)?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(usize::from(bit))
    }

    fn bits(&mut self, count: usize) -> Result<usize, Bad> {
        let mut value = 0;
        for at in 0..count {
            value |= self.bit()? << at;
        }
        Ok(value)
    }
}

/// A prefix code from the lengths of its words (section 3.2.2): word by word.
struct Code(HashMap<(usize, usize), usize>);

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut words = HashMap::new();
        let mut code = 0;
        for len in 1..=15 {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == len) {
                words.insert((len, code), symbol);
                code += 1;
            }
            code <<= 1;
        }
        Self(words)
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, Bad> {
        let (mut len, mut code) = (0, 0);
        loop {
            code = code << 1 | bits.bit()?;
            len += 1;
            if let Some(symbol) = self.0.get(&(len, code)) {
                return Ok(*symbol);
            }
            if len == 15 {
                return Err(Bad::Invalid);
            }
        }
    }
}

impl Model {
    pub(crate) fn new(window_bits: u8, takeover: bool) -> Self {
        Self {
            window: 1 << window_bits,
            takeover,
            history: Vec::new(),
            farthest: 0,
        }
    }

    /// The last bytes that data may refer to.
    pub(crate) fn history(&self) -> &[u8] {
        &self.history[self.history.len().saturating_sub(self.window)..]
    }

    /// Inflates a message (RFC 7692 section 7.2.2).
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Bad> {
        let mut data = payload.to_vec();
        data.extend([0, 0, 0xff, 0xff]);
        let mut out = self.history.clone();
        let start = out.len();
        let mut bits = Bits { bytes: &data, at: 0 };
        while bits.at < 8 * data.len() {
            self.block(&mut bits, &mut out, payload.len())?;
            if bits.at >= 8 * payload.len() && bits.at < 8 * (payload.len() + 1) && bits.at % 8 == 0 {
                // A message may end with its last stream, without the empty block.
                break;
            }
        }
        let message = out[start..].to_vec();
        if self.takeover {
            self.history = out[out.len().saturating_sub(1 << 15)..].to_vec();
        }
        Ok(message)
    }

    fn block(&mut self, bits: &mut Bits<'_>, out: &mut Vec<u8>, _: usize) -> Result<(), Bad> {
        let last = bits.bit()?;
        match bits.bits(2)? {
            0 => {
                bits.at = bits.at.div_ceil(8) * 8;
                let (len, not) = (bits.bits(16)?, bits.bits(16)?);
                if len ^ not != 0xffff {
                    return Err(Bad::Invalid);
                }
                for _ in 0..len {
                    out.push(bits.bits(8)? as u8);
                }
            }
            1 => {
                let mut lengths = vec![8; 144];
                lengths.resize(256, 9);
                lengths.resize(280, 7);
                lengths.resize(288, 8);
                self.compressed(bits, out, &Code::new(&lengths), &Code::new(&[5; 30]))?;
            }
            2 => {
                let (literals, distances, words) = (bits.bits(5)? + 257, bits.bits(5)? + 1, bits.bits(4)? + 4);
                let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
                let mut lengths = [0; 19];
                for at in &order[..words] {
                    lengths[*at] = bits.bits(3)?;
                }
                let code = Code::new(&lengths);
                let mut lengths = Vec::new();
                while lengths.len() < literals + distances {
                    let (value, count) = match code.symbol(bits)? {
                        16 => (*lengths.last().ok_or(Bad::Invalid)?, 3 + bits.bits(2)?),
                        17 => (0, 3 + bits.bits(3)?),
                        18 => (0, 11 + bits.bits(7)?),
                        len => (len, 1),
                    };
                    lengths.extend(std::iter::repeat_n(value, count));
                }
                let (literals, distances) = lengths.split_at(literals);
                self.compressed(bits, out, &Code::new(literals), &Code::new(distances))?;
            }
            _ => return Err(Bad::Invalid),
        }
        if last == 1 {
            bits.at = bits.at.div_ceil(8) * 8;
        }
        Ok(())
    }

    fn compressed(
        &mut self,
        bits: &mut Bits<'_>,
        out: &mut Vec<u8>,
        literals: &Code,
        distances: &Code,
    ) -> Result<(), Bad> {
        loop {
            let symbol = literals.symbol(bits)?;
            let len = match symbol {
                0..=255 => {
                    out.push(symbol as u8);
                    continue;
                }
                256 => return Ok(()),
                257..=264 => symbol - 254,
                265..=284 => {
                    let extra = (symbol - 261) / 4;
                    (((symbol - 265) % 4 + 4) << extra) + 3 + bits.bits(extra)?
                }
                285 => 258,
                _ => return Err(Bad::Invalid),
            };
            let symbol = distances.symbol(bits)?;
            let distance = match symbol {
                0..=3 => symbol + 1,
                4..=29 => {
                    let extra = (symbol - 2) / 2;
                    ((symbol % 2 + 2) << extra) + 1 + bits.bits(extra)?
                }
                _ => return Err(Bad::Invalid),
            };
            self.farthest = self.farthest.max(distance);
            if distance > out.len() || distance > self.window {
                return Err(Bad::TooFar);
            }
            for _ in 0..len {
                out.push(out[out.len() - distance]);
            }
        }
    }
}
