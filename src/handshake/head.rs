//! The head of an HTTP/1.1 message (RFC 9112), read line by line from the caller's buffer.
//!
//! The [`Scanner`] sees every byte once: it remembers how far it has looked for a line end, and judges each line when
//! its end arrives. Errors therefore come in the order of the bytes, however these were cut into reads. Where RFC 9112
//! lets a recipient be lenient (a bare LF, an empty line before the head, folded fields) it is not: a handshake has no
//! need of it, and each leniency is a way to smuggle one request past a proxy inside another.

use core::fmt;

use memchr::memchr;

use super::error::HandshakeError;
use super::grammar::{ascii, is_target, is_token_byte, is_value, split_once, split_token, trim};
use crate::buffer::{ReadBuffer, Storage};
use crate::limits::Limits;

/// Which message the head belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
}

/// The memory that a head can take, beside the limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadSpace {
    /// The length of fixed memory.
    longest: usize,
    /// Whether there was no memory for more space.
    exhausted: bool,
}

impl HeadSpace {
    pub(crate) fn of<S: Storage>(input: &ReadBuffer<S>) -> Self {
        Self {
            longest: if S::GROWS {
                usize::MAX
            } else {
                input.memory.bytes().len()
            },
            exhausted: input.is_exhausted(),
        }
    }

    /// What an incomplete head of this length comes to.
    const fn incomplete(self, len: usize, max_len: usize) -> Result<(), HandshakeError> {
        if len >= max_len || len >= self.longest {
            // The byte that ends the longest head is there, and it has not ended one.
            Err(HandshakeError::HeadTooLarge)
        } else if self.exhausted {
            Err(HandshakeError::OutOfMemory)
        } else {
            Ok(())
        }
    }
}

/// Finds the end of a head in a buffer that grows.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    kind: Kind,
    /// The largest number of bytes that the head may take.
    max_len: usize,
    /// How many more header fields are accepted.
    fields_left: u32,
    /// Bytes in which no further line end has to be looked for.
    looked: usize,
    /// Where the line that is not complete yet starts.
    line_start: usize,
    /// The length of the head, once it is complete.
    head_len: Option<usize>,
    /// Bytes that were looked at, to prove that they grow with the input only.
    #[cfg(test)]
    work: usize,
}

impl Scanner {
    pub(crate) fn new(kind: Kind, limits: &Limits) -> Self {
        Self {
            kind,
            // Where usize is smaller than the limit, a buffer cannot be longer than usize either.
            max_len: usize::try_from(limits.max_head_len).unwrap_or(usize::MAX),
            fields_left: limits.max_headers,
            looked: 0,
            line_start: 0,
            head_len: None,
            #[cfg(test)]
            work: 0,
        }
    }

    /// The part of the input that may belong to the head.
    pub(crate) fn window<'a>(&self, bytes: &'a [u8], space: HeadSpace) -> &'a [u8] {
        bytes.get(..self.max_len.min(space.longest)).unwrap_or(bytes)
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.head_len.is_some()
    }

    /// Whether no line has been judged.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.line_start == 0
    }

    /// Looks at what is new in `bytes`, which are all bytes that have arrived, and returns the head when it is complete.
    /// Hands over the header fields that it has judged on the way.
    pub(crate) fn advance<'a>(
        &mut self,
        bytes: &'a [u8],
        space: HeadSpace,
        mut judged: impl FnMut(&'a [u8], &'a [u8]),
    ) -> Result<Option<&'a [u8]>, HandshakeError> {
        // A line that ends beyond the limit must not be judged: it would not have been, had the bytes come one by one.
        let window = self.window(bytes, space);
        if let (0, Some(&first)) = (self.looked, window.first()) {
            let possible = match self.kind {
                Kind::Request => is_token_byte(first),
                Kind::Response => first == b'H',
            };
            // What is no HTTP at all, such as a TLS handshake, may have no line end to wait for.
            possible.then_some(()).ok_or(HandshakeError::FirstByte)?;
        }
        // From the start of the line that is not complete on, and what has been looked at of it.
        let mut open = window.get(self.line_start..).unwrap_or_default();
        let mut looked = self.looked.saturating_sub(self.line_start);
        while self.head_len.is_none()
            && let Some(unseen) = open.get(looked..)
        {
            #[cfg(test)]
            {
                self.work += memchr(b'\n', unseen).map_or(unseen.len(), |at| at.saturating_add(1));
            }
            let Some((line, rest)) = memchr(b'\n', unseen)
                .and_then(|found| open.split_at_checked(looked.saturating_add(found).saturating_add(1)))
            else {
                self.looked = self.looked.max(window.len());
                break;
            };
            self.line(line, &mut judged)?;
            (open, looked) = (rest, 0);
            self.line_start = self.line_start.saturating_add(line.len());
            self.looked = self.line_start;
        }
        match self.head_len {
            Some(len) => Ok(bytes.get(..len)),
            None => space.incomplete(bytes.len(), self.max_len.max(1)).map(|()| None),
        }
    }

    /// Judges a complete line, with its end.
    fn line<'a>(&mut self, line: &'a [u8], judged: &mut impl FnMut(&'a [u8], &'a [u8])) -> Result<(), HandshakeError> {
        let line = line.strip_suffix(b"\r\n").ok_or(HandshakeError::LineEnding)?;
        #[cfg(test)]
        {
            self.work += line.len();
        }
        if self.line_start == 0 {
            return match self.kind {
                Kind::Request => RequestLine::parse(line).map(|_| ()),
                Kind::Response => StatusLine::parse(line).map(|_| ()),
            };
        }
        if line.is_empty() {
            self.head_len = Some(self.line_start.saturating_add(2));
            return Ok(());
        }
        self.fields_left = self.fields_left.checked_sub(1).ok_or(HandshakeError::TooManyHeaders)?;
        let (name, value) = field(line)?;
        judged(name, value);
        Ok(())
    }
}

/// Splits a complete head into its start line and its header fields.
pub(crate) fn split(head: &[u8]) -> (&[u8], Headers<'_>) {
    let (line, rest) = split_line(head).unwrap_or_default();
    (line, Headers { rest })
}

/// The first line without its CR LF, and what comes after it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = split_once(bytes, b'\n')?;
    Some((line.strip_suffix(b"\r")?, rest))
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 section 5).
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), HandshakeError> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(HandshakeError::HeaderFolded);
    }
    let (name, [b':', value @ ..]) = split_token(line) else {
        return Err(HandshakeError::HeaderName);
    };
    if name.is_empty() {
        return Err(HandshakeError::HeaderName);
    }
    if !is_value(value) {
        return Err(HandshakeError::HeaderValue);
    }
    Ok((name, trim(value)))
}

/// The header fields of a head: names as they were sent, values without the white space around them.
///
/// A value may hold any byte but control characters, so that it need not be UTF-8 (RFC 9110 section 5.5).
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = split_line(self.rest)?;
        self.rest = rest;
        // The empty line has no name, and ends the iteration as it ends the head.
        let (name, value) = field(line).ok()?;
        Some((ascii(name), value))
    }
}

impl core::iter::FusedIterator for Headers<'_> {}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in *self {
            map.entry(&name, &format_args!("\"{}\"", value.escape_ascii()));
        }
        map.finish()
    }
}

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

/// `method SP request-target SP HTTP-version` (RFC 9112 section 3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    pub(crate) version: HttpVersion,
}

impl<'a> RequestLine<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, HandshakeError> {
        let (method, [b' ', rest @ ..]) = split_token(line) else {
            return Err(HandshakeError::RequestLine);
        };
        let (target, version) = split_once(rest, b' ').ok_or(HandshakeError::RequestLine)?;
        if method.is_empty() || version.contains(&b' ') {
            return Err(HandshakeError::RequestLine);
        }
        if !is_target(target) {
            return Err(HandshakeError::RequestTarget);
        }
        Ok(Self {
            method,
            target,
            version: HttpVersion::parse(version)?,
        })
    }

    pub(crate) const fn method(&self) -> &'a str {
        ascii(self.method)
    }

    pub(crate) const fn target(&self) -> &'a str {
        ascii(self.target)
    }
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 section 4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLine<'a> {
    pub(crate) version: HttpVersion,
    pub(crate) status: u16,
    pub(crate) reason: &'a [u8],
}

impl<'a> StatusLine<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, HandshakeError> {
        let (version, rest) = line.split_first_chunk::<8>().ok_or(HandshakeError::StatusLine)?;
        let version = HttpVersion::parse(version)?;
        let Some(([b' ', digits @ ..], rest)) = rest.split_first_chunk::<4>() else {
            return Err(HandshakeError::StatusLine);
        };
        // Some servers leave the space out when there is no reason, and nobody can take that for anything else.
        let reason = match rest.split_first() {
            None => rest,
            Some((b' ', reason)) => reason,
            Some(_) => return Err(HandshakeError::StatusLine),
        };
        let [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = digits else {
            return Err(HandshakeError::StatusLine);
        };
        if !is_value(reason) {
            return Err(HandshakeError::StatusLine);
        }
        let status = digits
            .iter()
            .fold(0, |status: u16, digit| status * 10 + u16::from(digit - b'0'));
        Ok(Self {
            version,
            status,
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const GROWING: HeadSpace = HeadSpace {
        longest: usize::MAX,
        exhausted: false,
    };

    /// Law L4: whatever the cut, each byte is looked at for a line end once, and judged once.
    #[test]
    fn work_is_linear_byte_by_byte() {
        let limits = Limits::default().with_max_head_len(1 << 20).with_max_headers(100_000);
        let mut heads = Vec::from([[b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 60_000], b"\r\n\r\n"].concat()]);
        heads.push([b"GET / HTTP/1.1\r\n".as_slice(), &b"a:\r\n".repeat(15_000), b"\r\n"].concat());
        for head in heads {
            for step in [1, 2, 3, 1000, head.len()] {
                let mut scanner = Scanner::new(Kind::Request, &limits);
                for end in (1..head.len()).step_by(step).chain([head.len()]) {
                    scanner.advance(&head[..end], GROWING, |_, _| ()).unwrap();
                }
                assert!(scanner.is_complete());
                // A line is judged without its end.
                let ends = 2 * head.iter().filter(|&&byte| byte == b'\n').count();
                assert_eq!(scanner.work, 2 * head.len() - ends);
            }
        }
    }

    #[test]
    fn other_bytes_than_before_do_no_harm() {
        let mut scanner = Scanner::new(Kind::Request, &Limits::default());
        assert_eq!(
            scanner.advance(b"GET / HTTP/1.1\r\nA: b\r\n", GROWING, |_, _| ()),
            Ok(None)
        );
        assert_eq!(scanner.advance(b"GET", GROWING, |_, _| ()), Ok(None));
        assert_eq!(scanner.advance(b"", GROWING, |_, _| ()), Ok(None));
        let head = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
        assert_eq!(scanner.advance(head, GROWING, |_, _| ()), Ok(Some(head.as_slice())));
        assert_eq!(scanner.advance(b"GET", GROWING, |_, _| ()), Ok(None));
    }

    #[test]
    fn header_fields_are_shown_escaped() {
        let (_, headers) = split(b"GET / HTTP/1.1\r\nA: b\xff\r\nC:\r\n\r\n");
        assert_eq!(std::format!("{headers:?}"), r#"{"A": "b\xff", "C": ""}"#);
    }
}
