//! The common case of a header, decoded at once: a message in one frame of at most 65,535 bytes.
//!
//! [`Header::decode`](super::Header::decode) is the definition; this is the same for the frames that it accepts, and is
//! tested against it.

use super::opcode::MessageKind;

/// An unfragmented message at the start of some bytes, all of it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WholeMessage {
    pub(crate) kind: MessageKind,
    pub(crate) header_len: usize,
    pub(crate) payload_len: usize,
}

impl WholeMessage {
    /// The message with these reserved bits at the start of `bytes`. `None` for whatever else is there: a longer message, a fragment, a control
    /// frame, a message of which bytes are missing, a header that is not legal.
    #[inline(always)]
    pub(crate) fn decode(bytes: &[u8], rsv: u8, masked: bool) -> Option<Self> {
        let key_len = if masked { 4 } else { 0 };
        let &[first, second] = bytes.first_chunk()?;
        let kind = match first ^ (0x80 | rsv << 4) {
            1 => MessageKind::Text,
            2 => MessageKind::Binary,
            _ => return None,
        };
        // With the wrong mask bit this is 128 or more.
        let len_7 = if masked { second ^ 0x80 } else { second };
        let (header_len, payload_len) = match len_7 {
            0..=125 => (2 + key_len, usize::from(len_7)),
            126 => {
                let &[_, _, high, low] = bytes.first_chunk()?;
                match u16::from_be_bytes([high, low]) {
                    0..=125 => return None,
                    len => (4 + key_len, usize::from(len)),
                }
            }
            _ => return None,
        };
        if bytes.len() < header_len + payload_len {
            return None;
        }
        Some(Self {
            kind,
            header_len,
            payload_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Header, MAX_HEADER_LEN, Opcode};
    use std::vec::Vec;

    /// What the definition makes of it.
    fn oracle(bytes: &[u8], rsv: u8, masked: bool) -> Option<WholeMessage> {
        let (header, header_len) = Header::decode(bytes).ok()??;
        let kind = match header.opcode {
            Opcode::Text => MessageKind::Text,
            Opcode::Binary => MessageKind::Binary,
            _ => return None,
        };
        let payload_len = usize::try_from(header.payload_len).ok()?;
        let fits = payload_len <= 0xffff && bytes.len() - header_len >= payload_len;
        (header.fin && header.rsv == rsv && header.mask_key.is_some() == masked && fits).then_some(WholeMessage {
            kind,
            header_len,
            payload_len,
        })
    }

    #[test]
    fn agrees_with_the_definition_on_all_first_and_second_bytes() {
        let lengths: [&[u8]; 6] = [&[0, 0], &[0, 125], &[0, 126], &[1, 0], &[0xff, 0xff], &[0; 8]];
        for first in 0..=255 {
            for second in 0..=255 {
                for length in lengths {
                    let mut bytes = Vec::from([first, second]);
                    bytes.extend_from_slice(length);
                    bytes.resize(300, 0);
                    for (rsv, masked) in [(0, false), (0, true), (4, false), (4, true)] {
                        assert_eq!(
                            WholeMessage::decode(&bytes, rsv, masked),
                            oracle(&bytes, rsv, masked),
                            "{bytes:x?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_of_which_bytes_are_missing_is_left() {
        for len in [0, 1, 125, 126, 127, 0xffff, 0x1_0000] {
            for masked in [false, true] {
                let header = Header {
                    fin: true,
                    rsv: 0,
                    opcode: Opcode::Binary,
                    mask_key: masked.then_some([1; 4]),
                    payload_len: len as u64,
                };
                let mut bytes = header.encode(&mut [0; MAX_HEADER_LEN]).to_vec();
                bytes.resize(bytes.len() + len, 0);
                for end in (0..bytes.len().min(20)).chain(bytes.len() - len.min(3)..=bytes.len()) {
                    assert_eq!(
                        WholeMessage::decode(&bytes[..end], 0, masked),
                        oracle(&bytes[..end], 0, masked)
                    );
                }
            }
        }
    }
}
