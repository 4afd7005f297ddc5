//! Heads on their way out: what the caller adds is checked, and a head is written whole or not at all.

use core::fmt::{self, Write as _};

use super::error::Misuse;
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

    /// One piece of text.
    pub(crate) fn text(&mut self, text: fmt::Arguments<'_>) {
        // It takes everything.
        let _ = self.write_fmt(text);
    }

    /// One header line.
    pub(crate) fn field(&mut self, name: &str, value: FieldValue<'_>) {
        self.bytes(name.as_bytes());
        self.bytes(b": ");
        match value.0 {
            Pieces::Text(text) => self.bytes(text.as_bytes()),
            Pieces::List(_) => value.pieces().for_each(|piece| self.bytes(piece.as_bytes())),
        }
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
pub struct FieldValue<'a>(Pieces<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pieces<'a> {
    Text(&'a str),
    List(&'a [&'a str]),
}

impl<'a> FieldValue<'a> {
    pub(crate) const fn text(text: &'a str) -> Self {
        Self(Pieces::Text(text))
    }

    /// `None` for an empty list, which has no header field.
    pub(crate) fn list(list: &'a [&'a str]) -> Option<Self> {
        (!list.is_empty()).then_some(Self(Pieces::List(list)))
    }

    /// The pieces that make the value when they are put one after the other.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let (text, list) = match self.0 {
            Pieces::Text(text) => (Some(text), [].as_slice()),
            Pieces::List(list) => (None, list),
        };
        let separators = core::iter::once("").chain(core::iter::repeat(", "));
        text.into_iter()
            .chain(separators.zip(list).flat_map(|(separator, item)| [separator, *item]))
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().try_for_each(|piece| f.write_str(piece))
    }
}

/// The case of the names of header fields that the handshake writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderCase {
    /// As the RFCs write them, for HTTP/1.1.
    Http1,
    /// RFC 9113 section 8.2: "Field names MUST be converted to lowercase when constructing an HTTP/2 message."
    Lower,
}

impl HeaderCase {
    pub(crate) const fn of_http1(http1: bool) -> Self {
        if http1 { Self::Http1 } else { Self::Lower }
    }

    const fn choose(self, http1: &'static str, lower: &'static str) -> &'static str {
        match self {
            Self::Http1 => http1,
            Self::Lower => lower,
        }
    }

    pub(crate) const fn version(self) -> &'static str {
        self.choose("Sec-WebSocket-Version", "sec-websocket-version")
    }

    pub(crate) const fn protocol(self) -> &'static str {
        self.choose("Sec-WebSocket-Protocol", "sec-websocket-protocol")
    }

    pub(crate) const fn extensions(self) -> &'static str {
        self.choose("Sec-WebSocket-Extensions", "sec-websocket-extensions")
    }

    pub(crate) const fn origin(self) -> &'static str {
        self.choose("Origin", "origin")
    }
}

/// The name, if only the handshake itself may write this header field: those that make the handshake, and those that say
/// where the message ends.
pub(crate) fn managed(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 10] = [
        "Upgrade",
        "Connection",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-",
    ];
    let family = websocket_field(name.as_bytes()).map(|_| "Sec-WebSocket-");
    NAMES
        .into_iter()
        .find(|known| name.eq_ignore_ascii_case(known))
        .or(family)
}

/// Checks header fields of the caller's own: nothing in them may start another line or stand for a field that the
/// handshake writes.
pub(crate) fn check_fields(
    fields: &[(&str, &str)],
    case: HeaderCase,
    managed: impl Fn(&str) -> Option<&'static str>,
) -> Result<(), Misuse> {
    for (name, value) in fields {
        if !is_token(name.as_bytes()) {
            return Err(Misuse::HeaderName);
        }
        if case == HeaderCase::Lower && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Misuse::HeaderNameUppercase);
        }
        if let Some(name) = managed(name) {
            return Err(Misuse::HeaderManaged(name));
        }
        check_value(value)?;
    }
    Ok(())
}

pub(crate) fn check_value(value: &str) -> Result<(), Misuse> {
    if is_value(value.as_bytes()) {
        Ok(())
    } else {
        Err(Misuse::HeaderValue)
    }
}
