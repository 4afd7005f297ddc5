//! Compressed messages (RFC 7692): what is received, what is negotiated, and two endpoints that talk.

mod inflate;
mod negotiation;
mod pair;

pub use inflate::inflate;
pub use negotiation::deflate_negotiation;
pub use pair::deflate_pair;

use arbitrary::{Arbitrary, Result, Unstructured};
use sockless::deflate::DeflateOptions;

/// Any options.
fn options(u: &mut Unstructured<'_>) -> Result<DeflateOptions> {
    Ok(DeflateOptions::new()
        .with_send_takeover(u.arbitrary()?)
        .with_receive_takeover(u.arbitrary()?)
        .with_send_window_bits(u.int_in_range(8..=15)?)
        .with_receive_window_bits(u.int_in_range(8..=15)?)
        .with_level(u.int_in_range(1..=9)?)
        .with_compressor(u.int_in_range(9..=15)?, u.int_in_range(1..=9)?)
        .with_send_history(u.arbitrary()?)
        .with_threshold(u.int_in_range(0..=40)?))
}

/// The lengths of the pieces in which bytes come, over and over.
#[derive(Debug)]
struct Cuts([u16; 3]);

impl<'a> Arbitrary<'a> for Cuts {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut cut = || {
            Ok(if u.arbitrary()? {
                u.int_in_range(1..=9)?
            } else {
                u.int_in_range(1..=3000)?
            })
        };
        Ok(Self([cut()?, cut()?, cut()?]))
    }
}

impl Cuts {
    /// One byte at a time.
    const EACH: Self = Self([1; 3]);

    /// All at once.
    const WHOLE: Self = Self([u16::MAX; 3]);

    fn pieces<'b>(&self, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let mut pieces = Vec::new();
        for len in self.0.iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let (piece, rest) = bytes.split_at(bytes.len().min((*len).into()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
