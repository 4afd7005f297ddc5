//! What is checked of a frame's header, byte by byte in the order in which the bytes arrive: the first byte that is wrong
//! decides, so that the answer does not depend on how the bytes were cut.

use super::extensions::RSV1;
use super::receiver::{CheckedHeader, Receiver};
use super::role::Role;
use crate::error::{Failure, LimitExceeded};
use crate::frame::{FirstByte, Length, Mask, Opcode, SecondByte, Violation};
use crate::limits::Limits;
use crate::state::{self, Frame};

impl<R: Role> Receiver<R> {
    /// Checks the header at the start of `bytes`, as far as it has arrived. `longest` is the longest message that there is
    /// room for, beside the limits.
    #[inline]
    pub(crate) fn check_header(&self, bytes: &[u8], longest: u64) -> Result<Option<CheckedHeader>, Failure> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        // "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_" (section 5.2).
        // "All control frames [...] MUST NOT be fragmented" (section 5.5).
        let first = FirstByte::decode(first)?;
        // Section 5.4: a continuation only inside a message, a new message only between two.
        let frame = state::classify(self.within, first.opcode);
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (section 5.2); RSV1
        // marks the first frame of a compressed message, and no other (RFC 7692 section 6).
        let compressed =
            first.rsv == RSV1 && self.extensions.compression && matches!(frame, Ok(Frame::Data { first: true, .. }));
        if first.rsv != 0 && !compressed {
            return Err(Violation::ReservedBits.into());
        }
        let frame = frame?;
        let limit = match frame {
            Frame::Data { first: is_first, .. } => {
                let compressed = if is_first { compressed } else { self.compressed };
                Some(self.frame_limit(is_first, first.fin, compressed, longest)?)
            }
            Frame::Control(_) => None,
        };

        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        // "All control frames MUST have a payload length of 125 bytes or less" (section 5.5).
        let second = SecondByte::decode(second, first.opcode)?;
        match (R::IS_CLIENT, second.masked) {
            // "A client MUST close a connection if it detects a masked frame" (section 5.1).
            (true, true) => return Err(Violation::MaskedFrame.into()),
            // "The server MUST close the connection upon receiving a frame that is not masked" (section 5.1).
            (false, false) => return Err(Violation::UnmaskedFrame.into()),
            (true, false) | (false, true) => {}
        }
        // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer" (section 5.5.1).
        if first.opcode == Opcode::Close && second.len_7 == 1 {
            return Err(Violation::CloseBodyOneByte.into());
        }

        // "the minimal number of bytes MUST be used to encode the length" (section 5.2).
        let length = Length::decode(second.len_7, rest)?;
        let (Length::Part { at_least: known } | Length::Whole { payload_len: known, .. }) = length;
        match limit {
            Some((limit, exceeded)) if known > limit => return Err(exceeded.into()),
            Some(_) | None => {}
        }
        let Length::Whole { payload_len, size } = length else {
            return Ok(None);
        };

        let (key, key_len) = if R::IS_CLIENT {
            ([0; 4], 0)
        } else {
            let Some(key) = rest.get(size..).and_then(<[u8]>::first_chunk::<4>) else {
                return Ok(None);
            };
            (*key, 4)
        };
        Ok(Some(CheckedHeader {
            frame,
            fin: first.fin,
            compressed,
            mask: Mask::new(key),
            payload_len,
            header_len: 2 + size + key_len,
        }))
    }

    /// How long the next data frame may be, and which limit says so: the tighter one, so that the answer does not depend on
    /// how much of the length has arrived. Where both are the same, the message's.
    #[inline]
    fn frame_limit(
        &self,
        first: bool,
        fin: bool,
        compressed: bool,
        longest: u64,
    ) -> Result<(u64, LimitExceeded), LimitExceeded> {
        let (mut max_frame_len, mut message_room) = (self.max_frame_len, self.max_message_len);
        if compressed {
            max_frame_len = Limits::compressed(max_frame_len);
            message_room = Limits::compressed(message_room);
        }
        message_room = message_room.min(longest);
        if !first || !fin {
            let (fragments, message_len) = if first {
                (0, 0)
            } else {
                (self.fragments, self.message_len)
            };
            let replenished = message_len / u64::from(Limits::FRAGMENT_PAYLOAD);
            if u64::from(fragments) >= u64::from(self.fragment_budget).saturating_add(replenished) {
                return Err(LimitExceeded::TooManyFragments);
            }
            message_room = message_room.saturating_sub(message_len);
        }
        Ok(if max_frame_len < message_room {
            (max_frame_len, LimitExceeded::FrameTooLong)
        } else {
            (message_room, LimitExceeded::MessageTooLong)
        })
    }
}
