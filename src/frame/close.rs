//! The body of a Close frame, RFC 6455 section 5.5.1.

use super::close_code::CloseCode;
use super::header::MAX_CONTROL_LEN;
use super::violation::Violation;
use crate::utf8;

/// The longest reason in a Close frame, in bytes of UTF-8: what a control frame holds beside the code.
pub const MAX_CLOSE_REASON_LEN: usize = MAX_CONTROL_LEN - 2;

/// The body of a Close frame, RFC 6455 section 5.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CloseFrame<'a> {
    /// The code, unless the body is empty.
    pub code: Option<CloseCode>,
    /// The reason: UTF-8, at most [`MAX_CLOSE_REASON_LEN`] bytes, for debugging, possibly empty.
    pub reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Violation::CloseBodyOneByte`], [`Violation::InvalidCloseCode`], [`Violation::CloseReasonNotUtf8`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Violation> {
        if body.len() == 1 {
            return Err(Violation::CloseBodyOneByte);
        }
        let Some((code, reason)) = body.split_first_chunk::<2>() else {
            return Ok(Self::default());
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.is_allowed_on_the_wire() {
            return Err(Violation::InvalidCloseCode);
        }
        match utf8::split(reason) {
            (reason, utf8::Rest::Nothing) => Ok(Self {
                code: Some(code),
                reason,
            }),
            (_, utf8::Rest::Unfinished(_) | utf8::Rest::Invalid) => Err(Violation::CloseReasonNotUtf8),
        }
    }

    /// The bytes of the body. A reason without a code has no place in it.
    pub(crate) fn body(&self) -> impl Iterator<Item = u8> + use<'a> {
        let reason = if self.code.is_some() { self.reason } else { "" };
        self.code
            .into_iter()
            .flat_map(|code| code.0.to_be_bytes())
            .chain(reason.bytes())
    }

    /// Checks the start of a body of which more is to come, so that an error comes from the first byte that shows it.
    pub(crate) fn check_part(part: &[u8]) -> Result<(), Violation> {
        let Some((code, reason)) = part.split_first_chunk::<2>() else {
            return Ok(());
        };
        if !CloseCode(u16::from_be_bytes(*code)).is_allowed_on_the_wire() {
            return Err(Violation::InvalidCloseCode);
        }
        match utf8::split(reason) {
            (_, utf8::Rest::Nothing | utf8::Rest::Unfinished(_)) => Ok(()),
            (_, utf8::Rest::Invalid) => Err(Violation::CloseReasonNotUtf8),
        }
    }
}
