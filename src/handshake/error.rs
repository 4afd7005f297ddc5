//! What can be wrong with an opening handshake.

use core::fmt;

use crate::buffer::OutputFull;
use crate::macros::{holds, rules};

rules! {
    /// Why an opening handshake has failed: the rule that the peer broke, the limit that it exceeded, or a lack of memory.
    ///
    /// A server answers with [`status`](Self::status) and [`answer_headers`](Self::answer_headers). If it is a
    /// [`ServerHandshake`](super::ServerHandshake), that answer is in the output when the error is returned. A client has
    /// nothing to answer: it drops the connection (RFC 6455 section 4.1, "_Fail the WebSocket Connection_").
    ///
    /// ```
    /// use sockless::handshake::HandshakeError;
    ///
    /// let error = HandshakeError::VersionUnsupported;
    /// assert_eq!(error.section(), "RFC 6455 section 4.4");
    /// assert_eq!(error.status(), Some(426));
    /// ```
    pub enum HandshakeError {
        // The syntax of a head, in either role.
        FirstByte, "RFC 9112 section 2.1", Some(400), "the first byte cannot start an HTTP/1.1 message";
        LineEnding, "RFC 9112 section 2.2", Some(400), "a line does not end with CR LF";
        HeadTooLarge, "RFC 6585 section 5", Some(431), "the head is longer than the limit";
        TooManyHeaders, "RFC 6585 section 5", Some(431), "the head has more header fields than the limit";
        HeaderFolded, "RFC 9112 section 5.2", Some(400), "a header field is folded over several lines";
        HeaderName, "RFC 9112 section 5.1", Some(400), "a header field has no name that is a token followed by a colon";
        HeaderValue, "RFC 9110 section 5.5", Some(400), "a header field's value has a control character";
        OutOfMemory, "RFC 9110 section 15.6.4", Some(503), "there is no memory for the head";
        EndOfStream, "RFC 9112 section 8", None, "the stream ended before the end of the head";
        TimedOut, "RFC 9110 section 15.5.9", Some(408), "the head did not come in time";

        // The request, as a server reads it.
        RequestLine, "RFC 9112 section 3", Some(400), "the request line is not method, target and version, one space apart";
        RequestTarget, "RFC 9112 section 3.2", Some(400), "the request target is empty or has a character that is not allowed";
        HttpVersionMalformed, "RFC 9112 section 2.3", Some(400), "the HTTP version is malformed";
        HttpVersionUnsupported, "RFC 9110 section 15.6.6", Some(505), "the HTTP version is neither 1.0 nor 1.1";
        MethodNotGet, "RFC 6455 section 4.2.1", Some(405), "the method of an opening handshake is not GET";
        MethodNotConnect, "RFC 8441 section 4", Some(405), "the method of an extended CONNECT is not CONNECT";
        HttpVersionTooOld, "RFC 6455 section 4.2.1", Some(400), "the HTTP version of an opening handshake is below 1.1";
        ResourceName, "RFC 6455 section 4.2.1", Some(400), "the request target is neither a path nor an absolute HTTP address";
        UpgradeMissing, "RFC 6455 section 4.2.1", Some(400), "no Upgrade header field names websocket";
        ConnectionMissing, "RFC 6455 section 4.2.1", Some(400), "no Connection header field names upgrade";
        HostMissing, "RFC 6455 section 4.2.1", Some(400), "the Host header field is missing";
        HostRepeated, "RFC 9112 section 3.2", Some(400), "there are several Host header fields";
        HostInvalid, "RFC 9112 section 3.2", Some(400), "the Host header field is not a host with an optional port";
        NotAscii, "RFC 6455 section 4.3", Some(400), "a Sec-WebSocket header field has bytes that are not ASCII";
        VersionMissing, "RFC 6455 section 4.2.1", Some(400), "the Sec-WebSocket-Version header field is missing";
        VersionRepeated, "RFC 6455 section 11.3.5", Some(400), "the request has several values of Sec-WebSocket-Version";
        VersionUnsupported, "RFC 6455 section 4.4", Some(426), "the version of the WebSocket protocol is not 13";
        KeyMissing, "RFC 6455 section 4.2.1", Some(400), "the Sec-WebSocket-Key header field is missing";
        KeyRepeated, "RFC 6455 section 11.3.1", Some(400), "there are several Sec-WebSocket-Key header fields";
        KeyInvalid, "RFC 6455 section 4.2.1", Some(400), "the key is not 16 bytes in base64";
        OriginRepeated, "RFC 6454 section 7.3", Some(400), "there are several Origin header fields";
        SubprotocolMalformed, "RFC 6455 section 4.3", Some(400), "Sec-WebSocket-Protocol is not a list of tokens";
        SubprotocolRepeated, "RFC 6455 section 4.1", Some(400), "a subprotocol is offered twice";
        TooManySubprotocols, "RFC 6585 section 5", Some(431), "more than 64 subprotocols are offered";
        ExtensionMalformed, "RFC 6455 section 9.1", Some(400), "Sec-WebSocket-Extensions is not a list of extensions";
        BodyDeclared, "RFC 6455 section 4.1", Some(400), "the request of an opening handshake declares a body";

        // The response, as a client reads it.
        StatusLine, "RFC 9112 section 4", None, "the status line is malformed";
        ResponseVersion, "RFC 6455 section 4.2.2", None, "the HTTP version of the 101 response is not 1.1";
        ResponseUpgrade, "RFC 6455 section 4.1", None, "the response's Upgrade header field is not websocket";
        ResponseConnection, "RFC 6455 section 4.1", None, "the response's Connection header field does not name upgrade";
        AcceptMissing, "RFC 6455 section 4.1", None, "the Sec-WebSocket-Accept header field is missing";
        AcceptRepeated, "RFC 6455 section 11.3.3", None, "there are several Sec-WebSocket-Accept header fields";
        AcceptMismatch, "RFC 6455 section 4.1", None, "Sec-WebSocket-Accept does not answer the key that was sent";
        SubprotocolNotAsked, "RFC 6455 section 4.1", None, "the response names a subprotocol that was not asked for";
        SeveralSubprotocols, "RFC 6455 section 11.3.4", None, "the response has several Sec-WebSocket-Protocol header fields";
        SubprotocolMissing, "WHATWG WebSockets section 2", None, "the response names no subprotocol though one is required";
        ExtensionNotAsked, "RFC 6455 section 4.1", None, "the response names an extension that was not asked for";
        ExtensionConflict, "RFC 7692 section 5", None, "the response names two extensions that use the same reserved bit";
        DeflateParameterUnknown, "RFC 7692 section 7.1", None, "the response has a parameter that permessage-deflate does not know";
        DeflateParameterRepeated, "RFC 7692 section 7.1", None, "the response has a parameter of permessage-deflate twice";
        DeflateParameterValue, "RFC 7692 section 7.1", None, "the response has a parameter of permessage-deflate with a value that it cannot have";
        DeflateTakeover, "RFC 7692 section 7.1.1.1", None, "the response lacks server_no_context_takeover, which was asked for";
        DeflateWindow, "RFC 7692 section 7.1.2.1", None, "the response lacks a server_max_window_bits as small as was asked for";
        DeflateWindowNotAsked, "RFC 7692 section 7.1.2.2", None, "the response has client_max_window_bits, which was not offered";
    }

    /// The HTTP status that a server answers with. `None` for what has no answer: the faults of a server, and the end of the
    /// stream.
    pub const fn status(self) -> Option<u16>;
}

impl HandshakeError {
    /// The header fields that the answer to this error must have, in addition to those of every answer: `Allow` with
    /// status 405 (RFC 9110 section 15.5.6), `Upgrade` and `Sec-WebSocket-Version` with status 426 (RFC 9110 section
    /// 15.5.22, RFC 6455 section 4.4).
    #[must_use]
    pub const fn answer_headers(self) -> &'static [(&'static str, &'static str)] {
        match self.status() {
            Some(405) if matches!(self, Self::MethodNotConnect) => &[("Allow", "CONNECT")],
            Some(405) => &[("Allow", "GET")],
            Some(426) => &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
            Some(_) | None => &[],
        }
    }
}

/// The caller asks for something that must not be sent. Nothing was written; the handshake can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misuse {
    /// A header field's name is not a token.
    HeaderName,
    /// A header field's name has upper-case letters, which HTTP/2 and HTTP/3 do not allow.
    HeaderNameUppercase,
    /// A header field's value has a control character, such as CR or LF.
    HeaderValue,
    /// The header field with this name is written by the handshake itself. `"Sec-WebSocket-"` stands for every other name that
    /// starts so.
    HeaderManaged(&'static str),
    /// A subprotocol is not a token.
    SubprotocolSyntax,
    /// A subprotocol is offered twice.
    SubprotocolRepeated,
    /// The client did not offer the subprotocol.
    SubprotocolNotOffered,
    /// An extension is not a name with parameters.
    ExtensionSyntax,
    /// The client did not offer the extension.
    ExtensionNotOffered,
    /// The extension changes frames in a way that the given [`Extensions`](crate::connection::Extensions) do not contain, so
    /// that the connection would refuse them.
    ExtensionNotImplemented,
    /// Two extensions use the same bit of a frame's header.
    ExtensionConflict,
    /// The status is not one from 200 to 599.
    Status,
    /// A response with this status has no body.
    BodyNotAllowed,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (section, text) = match self {
            Self::HeaderName => ("RFC 9110 section 5.1", "a header field's name is not a token"),
            Self::HeaderNameUppercase => ("RFC 9113 section 8.2.1", "a header field's name has upper-case letters"),
            Self::HeaderValue => ("RFC 9110 section 5.5", "a header field's value has a control character"),
            Self::HeaderManaged(name) => {
                write!(f, "the header field {name} ")?;
                ("RFC 6455 section 4", "is written by the handshake itself")
            }
            Self::SubprotocolSyntax => ("RFC 6455 section 4.1", "a subprotocol is not a token"),
            Self::SubprotocolRepeated => ("RFC 6455 section 4.1", "a subprotocol is offered twice"),
            Self::SubprotocolNotOffered => ("RFC 6455 section 4.2.2", "the client did not offer the subprotocol"),
            Self::ExtensionSyntax => ("RFC 6455 section 9.1", "an extension is not a name with parameters"),
            Self::ExtensionNotOffered => ("RFC 6455 section 9.1", "the client did not offer the extension"),
            Self::ExtensionNotImplemented => ("RFC 6455 section 5.2", "the extension is not one that is implemented"),
            Self::ExtensionConflict => ("RFC 7692 section 5", "two extensions use the same reserved bit"),
            Self::Status => ("RFC 9110 section 15", "the status is not one from 200 to 599"),
            Self::BodyNotAllowed => ("RFC 9110 section 6.4.1", "a response with this status has no body"),
        };
        write!(f, "{text} ({section})")
    }
}

impl core::error::Error for Misuse {}

/// Why a server has no request to hand out, or has not answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The client broke a rule. The answer is in the output: write it, shut down the sending direction, and read until the
    /// stream ends, or the answer could be lost to a reset. Every later call returns the same error.
    Refused(HandshakeError),
    /// The request is plain HTTP, where the machine with buffers was to accept an opening handshake. The answer, status 426,
    /// has been written.
    NotWebSocket,
    /// The answer has something that must not be sent. Nothing was written, and the request can still be answered.
    Misuse(Misuse),
    /// The output has no room for the answer. Nothing was written: make room, and call again.
    OutputFull(OutputFull),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::NotWebSocket => f.write_str("the request is not an opening handshake"),
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::OutputFull(full) => full.fmt(f),
        }
    }
}

impl core::error::Error for RequestError {}

/// Why a client has not sent its request, or has no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server broke a rule: drop the connection.
    Failed(HandshakeError),
    /// The server answered with another status than 101.
    Rejected {
        /// The status, 200 to 999.
        status: u16,
    },
    /// The request has something that must not be sent. Nothing was written.
    Misuse(Misuse),
    /// The output has no room for the request. Nothing was written: make room, and call again.
    OutputFull(OutputFull),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Rejected { status } => write!(f, "the server answered with status {status}"),
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::OutputFull(full) => full.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {}

holds! {
    RequestError::Misuse(Misuse);
    RequestError::OutputFull(OutputFull);
    ConnectError::Failed(HandshakeError);
    ConnectError::Misuse(Misuse);
    ConnectError::OutputFull(OutputFull);
}

/// What a rule comes to.
pub(super) fn rule<E>(holds: bool, broken: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(broken) }
}
