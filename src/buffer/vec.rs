//! A vector as output.

use alloc::vec::Vec;

use super::output::{Output, OutputFull, put_parts};
use crate::frame::{Header, MAX_CONTROL_LEN, MAX_HEADER_LEN, Mask, short_block};

impl Output for Vec<u8> {
    #[inline]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline]
    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        self.try_reserve(additional)
            .map_err(|_| OutputFull { needed: additional })
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline(always)]
    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        if bytes.len() < Mask::SHORT {
            put_short_masked(self, bytes, mask);
        } else {
            put_long_masked(self, bytes, mask);
        }
    }

    #[inline(always)]
    fn put_frame(&mut self, header: Header, payload: &[u8]) {
        let is_short = payload.len() <= MAX_CONTROL_LEN;
        if !is_short && payload.len() <= usize::from(u16::MAX) && header.mask_key.is_none() {
            // Here, for what a server often sends; the rest is not worth the registers that it would take.
            header.with_bytes(|bytes| self.extend_from_slice(bytes));
            self.extend_from_slice(payload);
            return;
        }
        if !is_short || self.capacity() - self.len() < MAX_HEADER_LEN + Mask::BLOCK {
            return put_parts(self, header.first_byte(), header.payload_len, header.mask_key, payload);
        }
        match payload.split_first_chunk() {
            Some((block, rest)) => {
                put_head(self, &header, *block);
                match header.mask() {
                    // `rest.is_empty()`, for which nothing has to be subtracted.
                    _ if payload.len() == Mask::BLOCK => {}
                    Some(mut mask) => self.put_masked(rest, &mut mask),
                    None => self.put(rest),
                }
            }
            None => {
                put_head(self, &header, short_block(payload));
                let too_much = Mask::BLOCK - payload.len();
                self.truncate(self.len() - too_much);
            }
        }
    }
}

/// The header and the first bytes of the payload at once: one check for room, and stores of known sizes.
#[inline(always)]
fn put_head(out: &mut Vec<u8>, header: &Header, block: [u8; Mask::BLOCK]) {
    let mut head = [0; MAX_HEADER_LEN + Mask::BLOCK];
    // The key apart, so that it is a store of its own.
    let mut header_len = header.with_start(|start| {
        if let Some(to) = head.get_mut(..start.len()) {
            to.copy_from_slice(start);
        }
        start.len()
    });
    if let Some(key) = header.mask_key {
        if let Some(to) = head.get_mut(header_len..).and_then(<[u8]>::first_chunk_mut) {
            *to = key;
        }
        header_len += key.len();
    }
    if let Some(to) = head.get_mut(header_len..).and_then(<[u8]>::first_chunk_mut) {
        *to = header.mask().map_or(block, |mask| mask.block(block));
    }
    out.extend_from_slice(head.get(..header_len + Mask::BLOCK).unwrap_or_default());
}

/// Masks while it copies: blocks whose length the compiler knows, so that it uses wide registers.
#[inline(never)]
fn put_long_masked(out: &mut Vec<u8>, bytes: &[u8], mask: &mut Mask) {
    // A copy, so that the compiler knows that writing to `out` does not change it.
    let start = *mask;
    let rest = crate::frame::wide(
        #[inline(always)]
        || {
            let rest = put_blocks::<512>(out, bytes, start);
            put_blocks::<256>(out, rest, start)
        },
    );
    put_short_masked(out, rest, mask);
}

/// Puts all that makes whole blocks of a length that is a multiple of the key's. Returns the rest.
#[inline(always)]
fn put_blocks<'b, const LEN: usize>(out: &mut Vec<u8>, bytes: &'b [u8], mask: Mask) -> &'b [u8] {
    let mut blocks = bytes.chunks_exact(LEN);
    for block in &mut blocks {
        if let Ok(block) = <[u8; LEN]>::try_from(block) {
            out.extend_from_slice(&mask.long_block(block));
        }
    }
    blocks.remainder()
}

/// Copies, then masks the copy.
#[inline(always)]
fn put_short_masked(out: &mut Vec<u8>, bytes: &[u8], mask: &mut Mask) {
    let start = out.len();
    out.extend_from_slice(bytes);
    mask.apply(out.get_mut(start..).unwrap_or_default());
}
