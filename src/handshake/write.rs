//! Heads on their way out: what the caller adds is checked, and a head is written whole or not at all.

use core::fmt;

use super::error::{Misuse, rule};
use super::grammar::{is_token, is_value, websocket_field};
use crate::buffer::{Output, OutputFull};

/// Most heads fit in here, in bytes.
const BLOCK: usize = 256;

/// Takes the pieces of a head.
type Put<'a> = &'a mut dyn FnMut(&[u8]);

/// Where the pieces of a head go: first into a block, which counts what does not fit, and only then into the output.
pub(crate) struct HeadWriter<'a> {
    block: [u8; BLOCK],
    /// The length of the head so far.
    len: usize,
    out: Option<Put<'a>>,
}

impl HeadWriter<'_> {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(out) = &mut self.out {
            return out(bytes);
        }
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.block.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
        }
        self.len = end;
    }

    /// One header line.
    pub(crate) fn field(&mut self, name: &str, value: FieldValue<'_>) {
        self.bytes(name.as_bytes());
        self.bytes(b": ");
        value.pieces().for_each(|piece| self.bytes(piece.as_bytes()));
        self.bytes(b"\r\n");
    }
}

impl fmt::Write for HeadWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// Writes what `write` gives, whole or not at all. It may be called twice and has to give the same both times.
pub(crate) fn write_whole(
    out: &mut (impl Output + ?Sized),
    write: impl Fn(&mut HeadWriter<'_>),
) -> Result<(), OutputFull> {
    let mut first = HeadWriter {
        block: [0; BLOCK],
        len: 0,
        out: None,
    };
    write(&mut first);
    out.reserve(first.len)?;
    match first.block.get(..first.len) {
        Some(head) => out.put(head),
        None => write(&mut HeadWriter {
            out: Some(&mut |bytes| out.put(bytes)),
            ..first
        }),
    }
    Ok(())
}

/// The value of a header field that is sent: a text, or a list of texts, joined by commas where it is displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldValue<'a> {
    first: &'a str,
    further: &'a [&'a str],
}

impl<'a> FieldValue<'a> {
    pub(crate) const fn text(text: &'a str) -> Self {
        Self {
            first: text,
            further: &[],
        }
    }

    /// `None` for an empty list, which has no header field.
    pub(crate) fn list(list: &'a [&'a str]) -> Option<Self> {
        let (first, further) = list.split_first()?;
        Some(Self { first, further })
    }

    /// The pieces that make the value when they are put one after the other.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let further = self.further.iter().flat_map(|item| [", ", *item]);
        core::iter::once(self.first).chain(further)
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().try_for_each(|piece| f.write_str(piece))
    }
}

/// The header fields that only the handshake itself may write: those that make the handshake, and those that say where the
/// message ends.
const MANAGED: [&str; 9] = [
    "Upgrade",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
];

/// Checks header fields of the caller's own: nothing in them may start another line or stand for a field that the
/// handshake writes, one of `own` among them.
pub(crate) fn check_fields(fields: &[(&str, &str)], own: &[&'static str], http1: bool) -> Result<(), Misuse> {
    for (name, value) in fields {
        rule(is_token(name.as_bytes()), Misuse::HeaderName)?;
        // RFC 9113 section 8.2: "Field names MUST be converted to lowercase when constructing an HTTP/2 message."
        let upper_case = name.bytes().any(|byte| byte.is_ascii_uppercase());
        rule(http1 || !upper_case, Misuse::HeaderNameUppercase)?;
        let mut managed = MANAGED.iter().chain(own);
        let known = managed.find(|known| name.eq_ignore_ascii_case(known)).copied();
        let family = || websocket_field(name.as_bytes()).map(|_| "Sec-WebSocket-");
        if let Some(name) = known.or_else(family) {
            return Err(Misuse::HeaderManaged(name));
        }
        rule(is_value(value.as_bytes()), Misuse::HeaderValue)?;
    }
    Ok(())
}
