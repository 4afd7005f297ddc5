//! The one place that knows zlib-rs.
//!
//! An engine serves one message after the other, of any connection: each starts from a fresh state and the history it is
//! given. What an inflater makes depends on nothing else. What a deflater makes always inflates to the message, but which
//! of several forms it chooses may depend on what it did before: the hash of the last three bytes of a history takes in
//! what lies behind them in its memory.
//!
//! zlib-rs panics where it finds no memory, and asserts much of itself. Before it allocates, the same amount is tried; and
//! where it panics all the same, that ends in an error here, and the engine is not used again.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

use crate::error::OutOfMemory;

/// An inflater for raw DEFLATE data.
///
/// It always has the largest window. With a smaller one, whether a distance is too far would depend on the room for
/// output.
pub(super) struct Inflater {
    inflate: Inflate,
    /// Whether it has panicked.
    broken: bool,
}

/// What one call of an inflater has done.
pub(super) struct Inflated {
    /// How many bytes of input were taken.
    pub(super) taken: usize,
    /// How many bytes of output were made.
    pub(super) made: usize,
    pub(super) state: StreamState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamState {
    /// Inside the stream.
    Open,
    /// The block with BFINAL has ended.
    Ended,
    /// The input is not DEFLATE.
    Broken,
}

/// Whether there is memory for `bytes` bytes, just before something is allocated that cannot say so.
pub(super) fn try_memory(bytes: usize) -> Result<(), OutOfMemory> {
    let mut memory = Vec::<u8>::new();
    // An allocation that nobody looks at is optimised away.
    black_box(&mut memory)
        .try_reserve_exact(bytes)
        .map_err(|_| OutOfMemory)?;
    black_box(&memory);
    Ok(())
}

/// A box, where there is memory for it.
pub(crate) fn try_box<T>(value: T) -> Result<Box<[T; 1]>, OutOfMemory> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(|_| OutOfMemory)?;
    one.push(value);
    one.into_boxed_slice().try_into().map_err(|_| OutOfMemory)
}

/// What zlib-rs does, or `None` if it panics.
fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// What zlib-rs allocates to have its memory aligned.
const ALIGNMENT: usize = 64;

/// How many bytes are inflated at a time, since zlib-rs counts them and what they make in 32 bits.
const AT_ONCE: usize = 1 << 20;

/// The largest window, in bits.
const MAX_WINDOW_BITS: u8 = 15;

impl Inflater {
    /// How much memory one takes, in bytes.
    pub(super) const MEMORY: usize = 47_552;

    pub(super) fn new() -> Result<Self, OutOfMemory> {
        try_memory(Self::MEMORY + ALIGNMENT)?;
        let inflate = caught(|| Inflate::new(false, MAX_WINDOW_BITS)).ok_or(OutOfMemory)?;
        let broken = false;
        Ok(Self { inflate, broken })
    }

    /// Does something with it. `None` if zlib-rs panics, and from then on.
    pub(super) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.broken {
            return None;
        }
        let done = caught(|| work(self));
        self.broken = done.is_none();
        done
    }

    /// Whether it may be used again.
    pub(super) const fn is_sound(&self) -> bool {
        !self.broken
    }

    /// Starts a stream whose data may refer to `history`, in pieces.
    pub(super) fn start<const N: usize>(&mut self, history: [&[u8]; N]) {
        self.inflate.reset(false);
        for part in history.into_iter().filter(|part| !part.is_empty()) {
            // Only a stream with a zlib header refuses one.
            let _ = self.inflate.set_dictionary(part);
        }
    }

    /// Inflates until all input is taken and the output it makes is made, or the output is full, or the stream is over.
    pub(super) fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Inflated {
        let inflate = &mut self.inflate;
        let (start_in, start_out) = (inflate.total_in(), inflate.total_out());
        let (mut taken, mut made) = (0, 0);
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            let piece = rest.get(..AT_ONCE).unwrap_or(rest);
            let room = output.get_mut(made..).unwrap_or_default();
            let status = inflate.decompress(piece, room, InflateFlush::NoFlush);
            let end_of_piece = taken + AT_ONCE;
            taken = to_len(inflate.total_in() - start_in);
            made = to_len(inflate.total_out() - start_out);
            let state = match status {
                Ok(Status::Ok) if taken == end_of_piece => continue,
                Ok(Status::Ok | Status::BufError) => StreamState::Open,
                Ok(Status::StreamEnd) => StreamState::Ended,
                Err(_) => StreamState::Broken,
            };
            return Inflated { taken, made, state };
        }
    }
}

/// A count of bytes in a slice.
fn to_len(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// How a deflater works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// 1, the fastest, to 9.
    pub(super) level: u8,
    /// 8 to 15.
    pub(super) window_bits: u8,
    /// 1, the least, to 9.
    pub(super) mem_level: u8,
}

impl Setting {
    /// zlib-rs makes no raw stream with a window of 8 bits. With 9 bits its distances stay 262 below the window, and so
    /// within 8 bits.
    fn zlib_window_bits(self) -> u8 {
        self.window_bits.max(9)
    }

    /// How much memory a deflater takes, in bytes: a state, the window twice, a chain over it, a hash table, and the
    /// symbols of a block.
    pub(super) fn memory(self) -> usize {
        let window = 1 << self.zlib_window_bits();
        let symbols = 1 << (self.mem_level + 6);
        3_200 + 4 * window + (128 << 10) + 7 * symbols
    }
}

/// A deflater for raw DEFLATE data.
pub(super) struct Deflater {
    deflate: Deflate,
    pub(super) setting: Setting,
}

impl Deflater {
    pub(super) fn new(setting: Setting) -> Result<Self, OutOfMemory> {
        try_memory(setting.memory() + ALIGNMENT)?;
        let config = DeflateConfig {
            level: i32::from(setting.level),
            window_bits: -i32::from(setting.zlib_window_bits()),
            mem_level: i32::from(setting.mem_level),
            ..DeflateConfig::default()
        };
        let deflate = caught(|| Deflate::new_with_config(config)).ok_or(OutOfMemory)?;
        Ok(Self { deflate, setting })
    }

    /// Enough room for what `len` bytes become, and for the flush at the end not to be cut: nine bits for each byte, and 1 %
    /// for the ends of blocks.
    pub(super) const fn room_for(len: usize) -> usize {
        len.saturating_add(len / 7).saturating_add(64)
    }

    /// Compresses `input`, which may refer to `history`, up to a byte boundary: what comes out ends with 00 00 FF FF.
    /// Returns its length.
    ///
    /// There is [room](Self::room_for) for it. `None` if that was not enough, or if zlib-rs has panicked: it is not to be
    /// used again then. (What zlib-rs still holds of an output that was too small takes room in its memory for ever, and
    /// makes it panic later.)
    pub(super) fn deflate(&mut self, history: [&[u8]; 2], input: &[u8], output: &mut [u8]) -> Option<usize> {
        caught(|| self.deflate_with(history, input, output)).flatten()
    }

    fn deflate_with(&mut self, history: [&[u8]; 2], input: &[u8], output: &mut [u8]) -> Option<usize> {
        self.deflate.reset();
        for part in history.into_iter().filter(|part| !part.is_empty()) {
            // Between streams, and without a header, none is refused.
            let _ = self.deflate.set_dictionary(part);
        }
        let (mut taken, mut made) = (0, 0);
        loop {
            let (rest, room) = (
                input.get(taken..).unwrap_or_default(),
                output.get_mut(made..).filter(|room| !room.is_empty())?,
            );
            self.deflate.compress(rest, room, DeflateFlush::SyncFlush).ok()?;
            taken = to_len(self.deflate.total_in());
            made = to_len(self.deflate.total_out());
            // Room that is left says that the flush is complete.
            if taken == input.len() && made < output.len() {
                return Some(made);
            }
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_is_too_small_is_told() {
        let setting = Setting {
            level: 6,
            window_bits: 9,
            mem_level: 1,
        };
        let input: Vec<u8> = (0..2000_u32).map(|at| ((at * at) >> 3) as u8).collect();
        let mut output = alloc::vec![0; Deflater::room_for(input.len())];
        let deflate = |output: &mut [u8]| Deflater::new(setting).unwrap().deflate([&[], &[]], &input, output);
        let made = deflate(&mut output).unwrap();
        for len in [0, 1, 10, made / 2, made - 5, made - 1, made] {
            assert_eq!(deflate(&mut output[..len]), None, "{len} of {made}");
        }
        assert_eq!(deflate(&mut output[..=made]), Some(made));
    }

    /// Whatever the setting and the data: so that no output is ever too small.
    #[test]
    fn there_is_room_for_what_is_compressed() {
        let mut seed = 1_u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        for level in 1..=9 {
            for (window_bits, mem_level) in [(9, 1), (9, 9), (12, 1), (12, 5), (15, 1), (15, 8)] {
                let mut deflater = Deflater::new(Setting {
                    level,
                    window_bits,
                    mem_level,
                })
                .unwrap();
                for len in (0..40).chain([127, 128, 300, 1000, 5000, 33_000, 70_000]) {
                    // Random, random and high (nine bits in the fixed code), and long matches between.
                    for kind in 0..3 {
                        let input: Vec<u8> = (0..len)
                            .map(|at| match kind {
                                0 => next() as u8,
                                1 => 0x90 | next() as u8,
                                _ if at % 300 < 200 => 7,
                                _ => next() as u8,
                            })
                            .collect();
                        let mut output = alloc::vec![0; Deflater::room_for(len)];
                        let history = [&input[..len / 3], &input[len / 2..]];
                        let made = deflater.deflate(history, &input, &mut output);
                        assert!(made.is_some(), "{level} {window_bits} {mem_level} {len} {kind}");
                    }
                }
            }
        }
    }
}
