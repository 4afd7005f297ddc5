//! The first line of an HTTP/1.1 message (RFC 9112 sections 3 and 4). It is parsed once; afterwards only lengths are kept.

use super::error::{HandshakeError, rule};
use super::grammar::{TARGET, TOKEN, all, ascii, is, is_value, split_once, split_token};

/// The version of HTTP that a head names (RFC 9112 section 2.3). Others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpVersion {
    /// `HTTP/1.0`, which has no opening handshake.
    Http10,
    /// `HTTP/1.1`.
    Http11,
}

impl HttpVersion {
    fn parse(version: &[u8]) -> Result<Self, HandshakeError> {
        match version {
            b"HTTP/1.1" => Ok(Self::Http11),
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                Err(HandshakeError::HttpVersionUnsupported)
            }
            _ => Err(HandshakeError::HttpVersionMalformed),
        }
    }
}

/// A start line that has been parsed, without its bytes.
pub(crate) trait StartLine: Copy {
    /// Whether it can start with this byte.
    fn can_start_with(byte: u8) -> bool;

    /// Parses a line, without its end.
    fn parse(line: &[u8]) -> Result<Self, HandshakeError>;
}

/// `method SP request-target SP HTTP-version` (RFC 9112 section 3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    method_len: usize,
    target_len: usize,
    pub(crate) version: HttpVersion,
}

impl StartLine for RequestLine {
    fn can_start_with(byte: u8) -> bool {
        is(TOKEN, byte)
    }

    fn parse(line: &[u8]) -> Result<Self, HandshakeError> {
        let (method, [b' ', rest @ ..]) = split_token(line) else {
            return Err(HandshakeError::RequestLine);
        };
        let (target, version) = split_once(rest, b' ').ok_or(HandshakeError::RequestLine)?;
        rule(
            !method.is_empty() && !version.contains(&b' '),
            HandshakeError::RequestLine,
        )?;
        rule(!target.is_empty() && all(TARGET, target), HandshakeError::RequestTarget)?;
        Ok(Self {
            method_len: method.len(),
            target_len: target.len(),
            version: HttpVersion::parse(version)?,
        })
    }
}

impl RequestLine {
    /// The method and the target, in the head that the line was parsed in. Both are ASCII.
    pub(crate) fn method_and_target(self, head: &[u8]) -> (&[u8], &str) {
        let (method, rest) = head.split_at_checked(self.method_len).unwrap_or_default();
        let target = rest.get(1..).and_then(|rest| rest.get(..self.target_len));
        (method, ascii(target.unwrap_or_default()))
    }
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 section 4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLine {
    pub(crate) version: HttpVersion,
    pub(crate) status: u16,
}

impl StartLine for StatusLine {
    fn can_start_with(byte: u8) -> bool {
        byte == b'H'
    }

    fn parse(line: &[u8]) -> Result<Self, HandshakeError> {
        let (version, rest) = line.split_first_chunk::<8>().ok_or(HandshakeError::StatusLine)?;
        let version = HttpVersion::parse(version)?;
        let Some(([b' ', hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'], rest)) =
            rest.split_first_chunk()
        else {
            return Err(HandshakeError::StatusLine);
        };
        // Some servers leave the space out if there is no reason, and nobody can take that for anything else.
        let reason = matches!(rest, [] | [b' ', ..]) && is_value(rest);
        rule(reason, HandshakeError::StatusLine)?;
        let status = [hundreds, tens, ones]
            .iter()
            .fold(0, |status, &digit| status * 10 + u16::from(digit - b'0'));
        Ok(Self { version, status })
    }
}
