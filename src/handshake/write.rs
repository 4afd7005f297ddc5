//! Heads on their way out: what the caller adds is checked, and a head is written whole or not at all.

use core::fmt::{self, Write as _};

use super::error::{HandshakeError, Misuse, WriteError};
use super::grammar::{is_token, is_value};
use crate::buffer::{Output, OutputFull, SliceOutput};

/// Where the pieces of a head go.
pub(crate) struct Sink<'a>(&'a mut dyn FnMut(&[u8]));

impl Sink<'_> {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        (self.0)(bytes);
    }

    /// One piece of text.
    pub(crate) fn text(&mut self, text: fmt::Arguments<'_>) {
        // A sink takes everything.
        let _ = self.write_fmt(text);
    }

    /// One header line.
    pub(crate) fn field(&mut self, name: &str, value: FieldValue<'_>) {
        self.bytes(name.as_bytes());
        self.bytes(b": ");
        value.pieces().for_each(|piece| self.bytes(piece.as_bytes()));
        self.bytes(b"\r\n");
    }
}

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// Writes what `write` gives, whole or not at all. It may be called twice and has to give the same both times.
pub(crate) fn write_whole(out: &mut (impl Output + ?Sized), write: impl Fn(&mut Sink<'_>)) -> Result<(), OutputFull> {
    // Most heads fit in here, and what does not is only counted.
    let mut block = [0; 256];
    let mut block = SliceOutput::new(&mut block);
    let mut len: usize = 0;
    write(&mut Sink(&mut |bytes| {
        len = len.saturating_add(bytes.len());
        block.put(bytes);
    }));
    out.reserve(len)?;
    if block.len() == len {
        out.put(block.as_bytes());
    } else {
        write(&mut Sink(&mut |bytes| out.put(bytes)));
    }
    Ok(())
}

/// The value of a header field that is sent: a text, or a list of texts, joined by commas where it is displayed.
///
/// Where a host wants bytes in several pieces rather than [`Display`](fmt::Display), [`pieces`](Self::pieces) has them.
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
    pub fn pieces(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
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

/// Whether only the machine may write this header field: those that make the handshake, and those that say where the
/// message ends.
pub(crate) fn is_managed(name: &str) -> bool {
    ["Upgrade", "Connection", "Content-Length", "Transfer-Encoding"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
        || websocket_field(name.as_bytes()).is_some()
}

/// What comes after `Sec-WebSocket-` in the name of a header field that RFC 6455 section 11.3 registers, or of a future
/// sibling.
pub(crate) fn websocket_field(name: &[u8]) -> Option<&[u8]> {
    const PREFIX: &[u8] = b"sec-websocket-";
    let (start, rest) = name.split_at_checked(PREFIX.len())?;
    start.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

/// Checks header fields of the caller's own: nothing in them may start another line or take the machine's part.
pub(crate) fn check_fields(fields: &[(&str, &str)], managed: impl Fn(&str) -> bool) -> Result<(), Misuse> {
    for (name, value) in fields {
        if !is_token(name.as_bytes()) {
            return Err(Misuse::HeaderName);
        }
        if managed(name) {
            return Err(Misuse::HeaderManaged);
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

/// The status whose response must have an `Upgrade` (RFC 9110 section 15.5.22).
const UPGRADE_REQUIRED: u16 = 426;

/// The reason phrase of a status, which nobody reads but people (RFC 9110 section 15).
const fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        // It may be empty, and the space before it stays.
        _ => "",
    }
}

pub(crate) fn status_line(sink: &mut Sink<'_>, status: u16) {
    let digits = [100, 10, 1].map(|unit| {
        let [digit, _] = (status / unit % 10).to_le_bytes();
        b'0' + digit
    });
    for piece in [
        b"HTTP/1.1 ",
        digits.as_slice(),
        b" ",
        reason(status).as_bytes(),
        b"\r\n",
    ] {
        sink.bytes(piece);
    }
}

/// A response that is no upgrade: the answer to a plain HTTP request, or a refused handshake.
///
/// `Content-Length` and `Connection: close` are added: after it, the server closes the connection. To status 426,
/// `Upgrade` and `Sec-WebSocket-Version` are.
///
/// ```
/// use sockless::handshake::HttpResponse;
///
/// let response = HttpResponse::new(200).headers(&[("Content-Type", "text/plain")]).body(b"hello\n");
/// # let _ = response;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HttpResponse<'r> {
    status: u16,
    headers: &'r [(&'r str, &'r str)],
    body: &'r [u8],
}

impl<'r> HttpResponse<'r> {
    /// A response without a body. Any final status will do, 200 to 599; a handshake is usually refused with 3xx, 4xx or
    /// 5xx, but nothing keeps a server from showing a page instead (RFC 6455 section 4.2.2).
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            headers: &[],
            body: &[],
        }
    }

    /// Sets the header fields to add.
    #[must_use]
    pub const fn headers(mut self, headers: &'r [(&'r str, &'r str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the body.
    #[must_use]
    pub const fn body(mut self, body: &'r [u8]) -> Self {
        self.body = body;
        self
    }

    fn check(&self) -> Result<(), Misuse> {
        if !(200..=599).contains(&self.status) {
            return Err(Misuse::Status);
        }
        if matches!(self.status, 204 | 205 | 304) && !self.body.is_empty() {
            return Err(Misuse::BodyNotAllowed);
        }
        check_fields(self.headers, is_managed)
    }

    /// Writes the response; without its body, yet with the body's length, to a HEAD request (RFC 9110 section 9.3.2).
    pub(crate) fn write(&self, head_only: bool, out: &mut (impl Output + ?Sized)) -> Result<(), WriteError> {
        self.check()?;
        write_whole(out, |sink| {
            status_line(sink, self.status);
            for (name, value) in self.headers {
                sink.field(name, FieldValue::text(value));
            }
            if self.status == UPGRADE_REQUIRED {
                for (name, value) in HandshakeError::VersionUnsupported.answer_headers() {
                    sink.field(name, FieldValue::text(value));
                }
            }
            body(sink, self.status, head_only, &[self.body]);
        })?;
        Ok(())
    }
}

/// The answer to a request that broke a rule. Nothing where there is nobody to answer.
pub(crate) fn write_error(
    error: HandshakeError,
    head_only: bool,
    out: &mut (impl Output + ?Sized),
) -> Result<(), OutputFull> {
    let Some(status) = error.status() else { return Ok(()) };
    write_whole(out, |sink| {
        status_line(sink, status);
        for (name, value) in error.answer_headers() {
            sink.field(name, FieldValue::text(value));
        }
        sink.field("Content-Type", FieldValue::text("text/plain"));
        body(sink, status, head_only, &[error.text().as_bytes(), b"\n"]);
    })
}

/// The end of a head and the body.
fn body(sink: &mut Sink<'_>, status: u16, head_only: bool, body: &[&[u8]]) {
    // RFC 9110 section 7.8: who sends Upgrade names it in Connection.
    let connection = if status == UPGRADE_REQUIRED {
        "close, Upgrade"
    } else {
        "close"
    };
    sink.field("Connection", FieldValue::text(connection));
    // RFC 9110 section 8.6: not with 204; with 304 it would be the length of what is not sent.
    if !matches!(status, 204 | 304) {
        let len = body.iter().map(|part| part.len()).sum::<usize>();
        sink.text(format_args!("Content-Length: {len}\r\n"));
    }
    sink.bytes(b"\r\n");
    if !head_only {
        for part in body {
            sink.bytes(part);
        }
    }
}
