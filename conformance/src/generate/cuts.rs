//! Ways to cut bytes into chunks.
use std::fmt;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::sample::select;

use super::BOUNDS;
use crate::model::{self, Reading};
use crate::rule::Role;

/// A way to cut bytes into chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// Not at all.
    Whole,
    /// Byte by byte.
    EachByte,
    /// Before and after each byte of a frame header, and at each line end of a head.
    Headers,
    /// Inside each character of more than one byte.
    Characters,
    /// At these parts of the length, in 65536ths.
    At(Vec<u16>),
}

impl Split {
    /// The ways that need no chance.
    pub const FIXED: [Self; 4] = [Self::Whole, Self::EachByte, Self::Headers, Self::Characters];

    /// Where it cuts `bytes`, of which the first `head_len` are the head of a handshake to an endpoint in this role.
    #[must_use]
    pub fn cuts(&self, role: Role, bytes: &[u8], head_len: usize) -> Vec<usize> {
        let frames = bytes.get(head_len..).unwrap_or_default();
        self.cuts_of(&model::receive(role, frames, &BOUNDS), bytes, head_len)
    }

    /// The same for frames that were read before.
    pub(crate) fn cuts_of(&self, reading: &Reading, bytes: &[u8], head_len: usize) -> Vec<usize> {
        let mut cuts = match self {
            Self::Whole => Vec::new(),
            Self::EachByte => (1..bytes.len()).collect(),
            Self::Headers => {
                let head = bytes.iter().take(head_len).enumerate();
                let lines = head
                    .filter(|(_, byte)| matches!(byte, b'\r' | b'\n'))
                    .flat_map(|(at, _)| [at, at + 1]);
                let headers = reading.header_bytes.iter();
                lines
                    .chain(headers.flat_map(|at| [head_len + at, head_len + at + 1]))
                    .collect()
            }
            Self::Characters => reading.inside_characters.iter().map(|at| head_len + at).collect(),
            Self::At(parts) => cut_places(parts, bytes.len()),
        };
        cuts.retain(|cut| (1..bytes.len()).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::EachByte => "byte by byte",
            Self::Headers => "cut in headers",
            Self::Characters => "cut in characters",
            Self::At(_) => "cut anywhere",
        })
    }
}

/// Cuts bytes at these places, which are in order.
#[must_use]
pub fn chunks<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    let mut at = 0;
    for cut in cuts {
        if let Some((chunk, after)) = rest.split_at_checked(cut.saturating_sub(at)) {
            chunks.push(chunk);
            rest = after;
            at = *cut;
        }
    }
    chunks.push(rest);
    chunks
}

/// Every way to cut.
pub fn split() -> BoxedStrategy<Split> {
    prop_oneof![
        1 => select(&Split::FIXED[..]),
        2 => vec_of(any::<u16>(), 0..6).prop_map(Split::At),
    ]
    .boxed()
}

/// Places in `len` bytes, from parts of 65536.
pub(super) fn cut_places(cuts: &[u16], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| (len + 1) * usize::from(*cut) / 65536).collect();
    places.sort_unstable();
    places
}
