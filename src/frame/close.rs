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
        match Self::start(body)? {
            Some((frame, false)) => Ok(frame),
            Some((_, true)) => Err(Violation::CloseReasonNotUtf8),
            None if body.is_empty() => Ok(Self::default()),
            None => Err(Violation::CloseBodyOneByte),
        }
    }

    /// Checks the start of a body of which more is to come, so that an error comes from the first byte that shows it.
    pub(crate) fn check_part(part: &'a [u8]) -> Result<(), Violation> {
        Self::start(part).map(|_| ())
    }

    /// The start of a body, and whether it ends inside a character. `None` if there is no whole code.
    fn start(body: &'a [u8]) -> Result<Option<(Self, bool)>, Violation> {
        let Some((code, reason)) = body.split_first_chunk::<2>() else {
            return Ok(None);
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.is_allowed_on_the_wire() {
            return Err(Violation::InvalidCloseCode);
        }
        let (reason, is_cut) = match utf8::split(reason) {
            (reason, utf8::Rest::Nothing) => (reason, false),
            (reason, utf8::Rest::Unfinished(_)) => (reason, true),
            (_, utf8::Rest::Invalid) => return Err(Violation::CloseReasonNotUtf8),
        };
        let code = Some(code);
        Ok(Some((Self { code, reason }, is_cut)))
    }

    /// The bytes of the body. A reason without a code has no place in it.
    pub(crate) fn body(&self) -> impl Iterator<Item = u8> + use<'a> {
        let reason = if self.code.is_some() { self.reason } else { "" };
        self.code
            .into_iter()
            .flat_map(|code| code.0.to_be_bytes())
            .chain(reason.bytes())
    }
}
