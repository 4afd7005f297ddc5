//! The client's side of the opening handshake over HTTP/1.1 (RFC 6455 section 4.1).

use super::error::{ConnectError, HandshakeError, rule};
use super::head::{HeadSpace, Headers, Scanner};
use super::key::Key;
use super::options::ConnectOptions;
use super::response::ValidResponse;
use super::start_line::{HttpVersion, StatusLine};
use super::uri::WebSocketUri;
use super::write::{FieldValue, write_whole};
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::entropy::Entropy;
use crate::limits::Limits;

/// A client that has sent its request and waits for the head of the response.
///
/// The head is read from a [`ReadBuffer`] and consumed when the response is handed out. What follows it is where the
/// connection looks. The entropy makes the key here, and mask keys once the connection is open.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use sockless::buffer::ReadBuffer;
/// use sockless::handshake::{ClientHandshake, ConnectOptions, Response, WebSocketUri};
/// use sockless::limits::Limits;
///
/// // The nonce of RFC 6455 section 1.3, for a test only.
/// let mut entropy = |bytes: &mut [u8]| bytes.copy_from_slice(&b"the sample nonce"[..bytes.len()]);
/// let uri = WebSocketUri::parse("ws://server.example.com/chat")?;
/// let options = ConnectOptions::new().subprotocols(&["chat", "superchat"]);
/// let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
/// let mut handshake = ClientHandshake::start(&uri, &options, &mut entropy, &Limits::default(), &mut out)?;
/// assert!(out.starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"));
///
/// let received = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81";
/// input.extend(&received[..40])?;
/// assert!(handshake.receive(&mut input)?.is_none()); // read on
/// input.extend(&received[40..])?;
/// match handshake.receive(&mut input)? {
///     Some(Response::Accepted(accepted)) => {
///         assert_eq!(accepted.subprotocol(), Some("chat"));
///         let connection = accepted.into_connection(entropy, &Limits::default());
///         # let _ = connection;
///     }
///     Some(Response::Rejected { status, .. }) => panic!("status {status}"),
///     None => unreachable!(),
/// }
/// assert_eq!(input.unread(), b"\x81"); // the connection's first input
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientHandshake<'r> {
    options: ConnectOptions<'r>,
    key: Key,
    scanner: Scanner<StatusLine>,
    /// The limit on the head is what interim responses have left of it.
    limits: Limits,
    failure: Option<HandshakeError>,
}

impl<'r> ClientHandshake<'r> {
    /// Writes the request, with a key from `entropy`.
    ///
    /// # Errors
    /// [`ConnectError::Misuse`] and [`ConnectError::OutputFull`]; then nothing was written.
    pub fn start(
        uri: &WebSocketUri<'_>,
        options: &ConnectOptions<'r>,
        entropy: &mut impl Entropy,
        limits: &Limits,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Self, ConnectError> {
        let key = Key::generate(entropy);
        let fields = options.fields(Some(&key))?;
        write_whole(out, |head| {
            let (mark, query) = uri.query().map_or(("", ""), |query| ("?", query));
            for piece in ["GET ", uri.path(), mark, query, " HTTP/1.1\r\n"] {
                head.bytes(piece.as_bytes());
            }
            head.field("Host", FieldValue::text(uri.authority()));
            for (name, value) in fields.clone() {
                head.field(name, value);
            }
            head.bytes(b"\r\n");
        })?;
        Ok(Self {
            options: *options,
            key,
            scanner: Scanner::new(limits),
            limits: *limits,
            failure: None,
        })
    }

    /// Looks at what has been read into `input`. `None` means that the head is incomplete: read on.
    ///
    /// The head is consumed when the response is handed out. What is left in `input` is the first input of the connection,
    /// or what has arrived of the body. One response is handed out: later calls return `None` and consume nothing. Interim
    /// responses (100, 103; RFC 9110 section 15.2) are skipped.
    ///
    /// # Errors
    /// The rule that the server broke: drop the connection. All input is discarded. The error is sticky.
    pub fn receive<'b, S: Storage>(
        &mut self,
        input: &'b mut ReadBuffer<S>,
    ) -> Result<Option<Response<'b>>, HandshakeError> {
        let space = HeadSpace::of(input);
        let ReadBuffer { memory, at, .. } = input;
        let bytes = memory.bytes().get(at.start..at.end).unwrap_or_default();
        let mut consumed = 0;
        let result = match self.failure {
            Some(error) => Err(error),
            None => self.check(bytes, space, &mut consumed),
        };
        at.consume(consumed);
        if let Err(error) = result {
            self.failure = Some(error);
            at.discard();
        }
        result
    }

    fn check<'b>(
        &mut self,
        bytes: &'b [u8],
        space: HeadSpace,
        consumed: &mut usize,
    ) -> Result<Option<Response<'b>>, HandshakeError> {
        if self.scanner.is_complete() {
            return Ok(None);
        }
        let mut rest = bytes;
        let head = loop {
            let Some(head) = self.scanner.advance(rest, space)? else {
                return Ok(None);
            };
            *consumed = consumed.saturating_add(head.bytes.len());
            if head.start_line.status >= 200 || head.start_line.status == 101 {
                break head;
            }
            // "A client MUST be able to parse one or more 1xx responses received prior to a final response" (RFC 9110
            // section 15.2). All heads share one limit.
            rest = rest.get(head.bytes.len()..).unwrap_or_default();
            let used = u32::try_from(head.bytes.len()).unwrap_or(u32::MAX);
            self.limits.max_head_len = self.limits.max_head_len.saturating_sub(used);
            self.scanner = Scanner::new(&self.limits);
        };
        let StatusLine { status, version } = head.start_line;
        // RFC 6455 section 4.2.2: "A Status-Line with a 101 response code as per RFC 2616 [...] Such a response could look
        // like "HTTP/1.1 101 Switching Protocols"." HTTP/1.0 has no such status.
        rule(
            status != 101 || version >= HttpVersion::Http11,
            HandshakeError::ResponseVersion,
        )?;
        let response = self
            .options
            .check_summary(Some(&self.key), status, head.headers, &head.summary)?;
        Ok(Some(match response {
            Some(response) => Response::Accepted(response),
            None => Response::Rejected {
                status,
                headers: head.headers,
            },
        }))
    }

    /// The server will send nothing more.
    ///
    /// # Errors
    /// [`HandshakeError::EndOfStream`] when the head is not complete, or the error that came before. It is sticky.
    pub fn end_of_stream(&mut self) -> Result<(), HandshakeError> {
        self.give_up(HandshakeError::EndOfStream)
    }

    /// A deadline of the caller's has passed. If the head is complete, nothing happens.
    ///
    /// # Errors
    /// [`HandshakeError::TimedOut`], or the error that came before. It is sticky.
    pub fn timed_out(&mut self) -> Result<(), HandshakeError> {
        self.give_up(HandshakeError::TimedOut)
    }

    fn give_up(&mut self, error: HandshakeError) -> Result<(), HandshakeError> {
        if self.failure.is_none() && !self.scanner.is_complete() {
            self.failure = Some(error);
        }
        self.failure.map_or(Ok(()), Err)
    }
}

/// A response whose head is complete.
#[derive(Clone, Debug)]
pub enum Response<'b> {
    /// The server has accepted, and its response has passed every rule.
    Accepted(ValidResponse<'b, Headers<'b>>),
    /// The server has answered with another status than 101: an error page, a redirection, a request for
    /// authentication. What to make of it is for the caller to say (RFC 6455 section 4.1).
    #[non_exhaustive]
    Rejected {
        /// The status, 200 to 999.
        status: u16,
        /// The header fields, in their order.
        headers: Headers<'b>,
    },
}
