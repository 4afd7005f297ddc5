//! Responses that do not open a connection: the answer to a plain request, and a refused handshake.

use core::fmt::Write as _;

use super::error::{HandshakeError, Misuse, RequestError, rule};
use super::options::AcceptResponse;
use super::write::{FieldValue, check_fields, write_whole};
use crate::buffer::{Output, OutputFull};

/// The status whose response must have an `Upgrade` (RFC 9110 section 15.5.22).
const UPGRADE_REQUIRED: u16 = 426;

/// How each response over HTTP/1.1 starts that accepts a request, up to the value that answers the key.
const SWITCHING_PROTOCOLS: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ";

/// The reason phrase of a status, which nobody reads but people (RFC 9110 section 15).
const fn reason(status: u16) -> &'static str {
    match status {
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

/// A response that is no upgrade: the answer to a plain HTTP request, or a refused handshake.
///
/// `Content-Length` and `Connection: close` are added: after it, the server closes the connection. For status 426 (Upgrade
/// Required), the answer to plain HTTP where only WebSocket is spoken, `Upgrade` and `Sec-WebSocket-Version` are added too.
///
/// ```
/// use sockless::buffer::ReadBuffer;
/// use sockless::handshake::{HttpResponse, Request, ServerHandshake};
/// use sockless::limits::Limits;
///
/// # #[cfg(feature = "alloc")] {
/// let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
/// input.extend(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")?;
/// let Some(Request::Http(request)) = ServerHandshake::new(&Limits::default()).receive(&mut input, &mut out)? else { panic!() };
/// let response = HttpResponse::new(426).headers(&[("Content-Type", "text/plain")]).body(b"Only WebSocket is spoken here.\n");
/// request.respond(&response, &mut out)?;
/// assert!(out.starts_with(b"HTTP/1.1 426 Upgrade Required\r\n"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
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

    /// Sets the header fields to add. Those that the handshake writes itself are refused
    /// ([`Misuse::HeaderManaged`]).
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

    /// Writes the response; without its body, yet with the body's length, to a HEAD request (RFC 9110 section 9.3.2).
    pub(crate) fn write(&self, head_only: bool, out: &mut (impl Output + ?Sized)) -> Result<(), RequestError> {
        rule((200..=599).contains(&self.status), Misuse::Status)?;
        let may_have_body = !matches!(self.status, 204 | 205 | 304);
        rule(may_have_body || self.body.is_empty(), Misuse::BodyNotAllowed)?;
        check_fields(self.headers, &[], true)?;
        let upgrade = match self.status {
            UPGRADE_REQUIRED => HandshakeError::VersionUnsupported.answer_headers(),
            _ => &[],
        };
        let (headers, body) = ([self.headers, upgrade], [self.body, b""]);
        write_response(self.status, headers, body, head_only, out)?;
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
    let headers = [error.answer_headers(), &[("Content-Type", "text/plain")]];
    let body = [error.text().as_bytes(), b"\n"];
    write_response(status, headers, body, head_only, out)
}

fn write_response(
    status: u16,
    headers: [&[(&str, &str)]; 2],
    body: [&[u8]; 2],
    head_only: bool,
    out: &mut (impl Output + ?Sized),
) -> Result<(), OutputFull> {
    write_whole(out, |head| {
        // Writing into a head cannot fail.
        let _ = write!(head, "HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers.into_iter().flatten() {
            head.field(name, FieldValue::text(value));
        }
        // RFC 9110 section 7.8: who sends Upgrade names it in Connection.
        let upgrade = if status == UPGRADE_REQUIRED { ", Upgrade" } else { "" };
        let _ = write!(head, "Connection: close{upgrade}\r\n");
        // RFC 9110 section 8.6: not with 204; with 304 it would be the length of what is not sent.
        if !matches!(status, 204 | 304) {
            let len = body.iter().map(|part| part.len()).sum::<usize>();
            let _ = write!(head, "Content-Length: {len}\r\n");
        }
        head.bytes(b"\r\n");
        if !head_only {
            body.iter().for_each(|part| head.bytes(part));
        }
    })
}

/// The response that accepts a request over HTTP/1.1.
pub(crate) fn write_accept(response: &AcceptResponse<'_>, out: &mut (impl Output + ?Sized)) -> Result<(), OutputFull> {
    write_whole(out, |head| {
        head.bytes(SWITCHING_PROTOCOLS);
        if let Some(accept) = &response.accept {
            head.bytes(accept);
        }
        head.bytes(b"\r\n");
        for (name, value) in response.further_fields() {
            head.field(name, value);
        }
        head.bytes(b"\r\n");
    })
}
