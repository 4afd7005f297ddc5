//! `Arbitrary` for the protocol's types: values that the wire can carry, those at a boundary more often.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::frame::{CloseCode, Header, Mask, MessageKind, Opcode, Violation};
use crate::limits::Limits;

impl<'a> Arbitrary<'a> for Opcode {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(&Self::ALL).copied()
    }
}

impl<'a> Arbitrary<'a> for MessageKind {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(&[Self::Text, Self::Binary]).copied()
    }
}

impl<'a> Arbitrary<'a> for Violation {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(Self::ALL).copied()
    }
}

/// Any code, those with a name more often.
impl<'a> Arbitrary<'a> for CloseCode {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if u.ratio(1_u8, 2)? {
            return Ok(Self(u.int_in_range(999..=1016)?));
        }
        u.arbitrary().map(Self)
    }
}

impl<'a> Arbitrary<'a> for Mask {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.arbitrary().map(Self::new)
    }
}

/// A header that the wire can carry: the length below 2^63, near the boundaries of its forms more often; control frames
/// whole and short.
impl<'a> Arbitrary<'a> for Header {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let opcode: Opcode = u.arbitrary()?;
        let (fin, payload_len) = if opcode.is_control() {
            (true, u.int_in_range(0..=125)?)
        } else {
            let edges = [0, 125, 126, 127, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1];
            let any = u.int_in_range(0..=(1 << 63) - 1)?;
            let len = if u.arbitrary()? { *u.choose(&edges)? } else { any };
            (u.arbitrary()?, len)
        };
        Ok(Self {
            fin,
            rsv: u.int_in_range(0..=7)?,
            opcode,
            mask_key: u.arbitrary()?,
            payload_len,
        })
    }
}

/// Limits small enough to be met.
impl<'a> Arbitrary<'a> for Limits {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::default()
            .with_max_frame_len(u.int_in_range(0..=1 << 17)?)
            .with_max_message_len(u.int_in_range(0..=1 << 17)?)
            .with_fragment_budget(u.int_in_range(0..=64)?)
            .with_max_reply_backlog(u.int_in_range(0..=4096)?))
    }
}
