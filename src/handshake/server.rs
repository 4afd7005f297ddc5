//! The server's side of the opening handshake over HTTP/1.1 (RFC 6455 section 4.2).

use super::error::{HandshakeError, RequestError};
use super::grammar::ascii;
use super::head::{HeadSpace, Headers, Scanner};
use super::options::AcceptOptions;
use super::request::ValidRequest;
use super::respond::{HttpResponse, write_accept, write_error};
use super::start_line::RequestLine;
use super::uri::ResourceName;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::{Connection, Server};
use crate::limits::Limits;

/// A server that waits for the head of a request.
///
/// The head is read from a [`ReadBuffer`] and consumed when the request is handed out. What follows it is where the
/// connection looks.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use sockless::buffer::ReadBuffer;
/// use sockless::handshake::{AcceptOptions, Request, ServerHandshake};
/// use sockless::limits::Limits;
///
/// let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Protocol: chat, superchat\r\n\r\n\x81";
/// let mut handshake = ServerHandshake::new(&Limits::default());
/// let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
///
/// input.extend(&received[..40])?;
/// assert!(handshake.receive(&mut input, &mut out)?.is_none()); // read on
/// input.extend(&received[40..])?;
/// let Some(Request::Upgrade(upgrade)) = handshake.receive(&mut input, &mut out)? else { panic!() };
/// let subprotocol = upgrade.request().choose_subprotocol(&["superchat", "chat"]);
/// let connection = upgrade.accept(&AcceptOptions::new().subprotocol(subprotocol), &mut out)?;
/// # let _ = connection;
/// assert_eq!(input.unread(), b"\x81"); // the connection's first input
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: superchat\r\n\r\n"
/// );
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandshake {
    scanner: Scanner<RequestLine>,
    limits: Limits,
    failure: Option<Failure>,
}

/// A rule that the client broke.
#[derive(Clone, Copy, Debug)]
struct Failure {
    error: HandshakeError,
    /// Whether the request asks for a head only, so that the answer must have no body.
    head_only: bool,
    /// Whether the answer is in the output.
    answered: bool,
}

impl ServerHandshake {
    /// A server that has received nothing.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            scanner: Scanner::new(limits),
            limits: *limits,
            failure: None,
        }
    }

    /// Looks at what has been read into `input`. `None` means that the head is incomplete: read on.
    ///
    /// The head is consumed when the request is handed out. What is left in `input` is the first input of the connection,
    /// or the body of a plain request. One request is handed out: later calls return `None` and consume nothing.
    ///
    /// # Errors
    /// [`RequestError::Refused`] if the client broke a rule. The answer is in `out`, and all input is discarded. The error
    /// is sticky: it is returned again, without another answer. [`RequestError::OutputFull`] if there was no room for the
    /// answer.
    pub fn receive<'b, S: Storage>(
        &mut self,
        input: &'b mut ReadBuffer<S>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Option<Request<'b>>, RequestError> {
        let space = HeadSpace::of(input);
        let ReadBuffer { memory, at, .. } = input;
        if self.failure.is_none() {
            let bytes = memory.bytes().get(at.start..at.end).unwrap_or_default();
            match self.check(bytes, space) {
                Ok(Some((request, head_len))) => {
                    at.consume(head_len);
                    return Ok(Some(request));
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    // Look only inside the head limit, so that the answer does not depend on read sizes.
                    let head_only = self.scanner.window(bytes, space).starts_with(b"HEAD ");
                    self.failure = Some(Failure {
                        error,
                        head_only,
                        answered: false,
                    });
                }
            }
        }
        at.discard();
        let Some(failure) = &mut self.failure else {
            return Ok(None);
        };
        if !failure.answered {
            write_error(failure.error, failure.head_only, out)?;
            failure.answered = true;
        }
        Err(RequestError::Refused(failure.error))
    }

    /// The request and the length of its head, once it is complete.
    fn check<'b>(&mut self, bytes: &'b [u8], space: HeadSpace) -> Result<Option<(Request<'b>, usize)>, HandshakeError> {
        if self.scanner.is_complete() {
            return Ok(None);
        }
        let Some(head) = self.scanner.advance(bytes, space)? else {
            return Ok(None);
        };
        let (method, target) = head.start_line.method_and_target(head.bytes);
        let (version, head_len) = (head.start_line.version, head.bytes.len());
        let Some(valid) = ValidRequest::from_summary(method, version, head.headers, &head.summary)? else {
            let request = HttpRequest {
                method: ascii(method),
                target,
                headers: head.headers,
            };
            return Ok(Some((Request::Http(request), head_len)));
        };
        let (host, resource) = ResourceName::of_target(target).ok_or(HandshakeError::ResourceName)?;
        let host = host.or(valid.host).unwrap_or_default();
        let upgrade = Upgrade {
            host,
            resource,
            request: valid,
            limits: self.limits,
        };
        Ok(Some((Request::Upgrade(upgrade), head_len)))
    }

    /// The client will send nothing more.
    ///
    /// # Errors
    /// [`HandshakeError::EndOfStream`] when the head is not complete, or the error that came before. It is sticky, and
    /// nobody is left to answer.
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        if self.failure.is_none() && !self.scanner.is_complete() {
            let error = HandshakeError::EndOfStream;
            self.failure = Some(Failure {
                error,
                head_only: false,
                answered: true,
            });
        }
        self.failure.map_or(Ok(()), |failure| Err(failure.error))
    }

    /// A deadline of the caller's has passed. If the head has begun, the answer with status 408 is put into `out`; if it is
    /// complete, nothing happens.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with [`HandshakeError::TimedOut`], or with the error that came before. It is sticky.
    /// [`RequestError::OutputFull`] if there was no room for the answer.
    pub fn timed_out<S: Storage>(
        &mut self,
        input: &mut ReadBuffer<S>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), RequestError> {
        if self.failure.is_none() && !self.scanner.is_complete() {
            self.failure = Some(Failure {
                error: HandshakeError::TimedOut,
                head_only: input.unread().starts_with(b"HEAD "),
                answered: input.unread().is_empty(),
            });
        }
        // Nothing, if the head is complete.
        self.receive(input, out).map(|_| ())
    }
}

/// A request whose head is complete.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "upgrades are the common case")]
pub enum Request<'b> {
    /// An opening handshake that has passed every rule, for the application to accept or to reject.
    Upgrade(Upgrade<'b>),
    /// Plain HTTP: no `Upgrade` to websocket and no `Sec-WebSocket-` header field. Only its syntax has been checked.
    Http(HttpRequest<'b>),
}

/// A plain HTTP request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpRequest<'b> {
    /// The method, a token, in the case in which it was sent.
    pub method: &'b str,
    /// The request target as it was sent (RFC 9112 section 3.2).
    pub target: &'b str,
    /// The header fields, in their order.
    pub headers: Headers<'b>,
}

impl HttpRequest<'_> {
    /// Writes a response, without its body to a HEAD request. After it, the server shuts down the sending direction, reads to
    /// the end, and closes the connection.
    ///
    /// # Errors
    /// [`RequestError::Misuse`] and [`RequestError::OutputFull`]; then nothing was written.
    pub fn respond(&self, response: &HttpResponse<'_>, out: &mut (impl Output + ?Sized)) -> Result<(), RequestError> {
        response.write(self.method == "HEAD", out)
    }
}

/// An opening handshake that has passed every rule of RFC 6455 section 4.2.1.
#[derive(Clone, Debug)]
pub struct Upgrade<'b> {
    host: &'b str,
    resource: ResourceName<'b>,
    request: ValidRequest<'b, Headers<'b>>,
    limits: Limits,
}

impl<'b> Upgrade<'b> {
    /// The path, at least `/`, also where the target is an absolute address.
    #[must_use]
    pub const fn path(&self) -> &'b str {
        self.resource.path
    }

    /// The query, without its question mark.
    #[must_use]
    pub const fn query(&self) -> Option<&'b str> {
        self.resource.query
    }

    /// The host, with a port where the client named one: that of the target where it is an absolute address (RFC 9112
    /// section 3.2.2), else the value of `Host`.
    #[must_use]
    pub const fn host(&self) -> &'b str {
        self.host
    }

    /// What the client asks for, in its header fields: the origin, subprotocols and extensions, and the fields themselves.
    #[must_use]
    pub const fn request(&self) -> &ValidRequest<'b, Headers<'b>> {
        &self.request
    }

    /// Writes the 101 response and opens the connection, with the extensions that were agreed to. A request is answered
    /// once.
    ///
    /// # Errors
    /// [`RequestError::Misuse`] and [`RequestError::OutputFull`]; then nothing was written, and the request can still be
    /// answered.
    pub fn accept(
        &self,
        options: &AcceptOptions<'_>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Connection<Server>, RequestError> {
        let response = self.request.accept(options)?;
        write_accept(&response, out)?;
        Ok(response.into_connection(&self.limits))
    }

    /// Writes a response that refuses the handshake. After it, the server shuts down the sending direction, reads to the end,
    /// and closes the connection.
    ///
    /// # Errors
    /// [`RequestError::Misuse`] and [`RequestError::OutputFull`]; then nothing was written, and the request can still be
    /// answered.
    pub fn reject(&self, response: &HttpResponse<'_>, out: &mut (impl Output + ?Sized)) -> Result<(), RequestError> {
        response.write(false, out)
    }
}
