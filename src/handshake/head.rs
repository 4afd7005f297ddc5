//! The head of an HTTP/1.1 message (RFC 9112), read line by line from the read buffer.
//!
//! The [`Scanner`] remembers how far it has looked for a line end, and checks each line when its end arrives. What the
//! fields come to is kept as places in the head, so that nothing is checked again when more arrives. Errors come in the
//! order of the bytes, however these were cut into reads. Where RFC 9112 lets a recipient be lenient (a bare LF, an empty
//! line before the head, folded fields) it is not: a handshake has no need of it, and each leniency is a way to smuggle
//! one request past a proxy inside another.

use core::fmt;

use memchr::memchr;

use super::error::{HandshakeError, rule};
use super::grammar::{ascii, is_ows, is_value, split_once, split_token, trim, trim_end, trim_start};
use super::start_line::StartLine;
use super::summary::{HeaderSummary, concerns};
use super::words::plain_field;
use crate::buffer::{ReadBuffer, Storage};
use crate::limits::Limits;

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
}

/// Where a value lies in the head.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    len: usize,
}

impl Span {
    fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.start..)
            .and_then(|rest| rest.get(..self.len))
            .unwrap_or_default()
    }
}

/// Finds the end of a head in a buffer that grows.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<L> {
    /// The largest number of bytes that the head may take.
    max_len: usize,
    /// How many more header fields are accepted.
    fields_left: u32,
    /// Bytes in which no further line end has to be looked for.
    looked: usize,
    /// Where the line that is incomplete starts.
    line_start: usize,
    start_line: Option<L>,
    summary: HeaderSummary<Span>,
    complete: bool,
    /// Bytes that were looked at, to prove that they grow with the input only.
    #[cfg(test)]
    work: usize,
}

/// A complete head.
pub(crate) struct Head<'a, L> {
    pub(crate) bytes: &'a [u8],
    pub(crate) start_line: L,
    pub(crate) headers: Headers<'a>,
    pub(crate) summary: HeaderSummary<&'a [u8]>,
}

impl<L: StartLine> Scanner<L> {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            // If usize is smaller than the limit, a buffer cannot be longer than usize either.
            max_len: usize::try_from(limits.max_head_len).unwrap_or(usize::MAX),
            fields_left: limits.max_headers,
            looked: 0,
            line_start: 0,
            start_line: None,
            summary: HeaderSummary::default(),
            complete: false,
            #[cfg(test)]
            work: 0,
        }
    }

    /// The part of the input that may belong to the head.
    pub(crate) fn window<'a>(&self, bytes: &'a [u8], space: HeadSpace) -> &'a [u8] {
        bytes.get(..self.max_len.min(space.longest)).unwrap_or(bytes)
    }

    /// Whether the head was handed out.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Looks at what is new in `bytes`, which are all bytes from the start of the head on, and returns the head once it is
    /// complete.
    pub(crate) fn advance<'a>(
        &mut self,
        bytes: &'a [u8],
        space: HeadSpace,
    ) -> Result<Option<Head<'a, L>>, HandshakeError> {
        // A line that ends beyond the limit must not be checked: it would not have been, had the bytes come one by one.
        let window = self.window(bytes, space);
        if let (0, Some(&first)) = (self.looked, window.first()) {
            // What is no HTTP at all, such as a TLS handshake, may have no line end to wait for.
            rule(L::can_start_with(first), HandshakeError::FirstByte)?;
        }
        while !self.complete {
            let open = window.get(self.line_start..).unwrap_or_default();
            let looked = self.looked.saturating_sub(self.line_start);
            // The common case: all of a line is there, and there is nothing special about it.
            if looked == 0 && self.start_line.is_some() && self.plain_line(open)? {
                continue;
            }
            let unseen = open.get(looked..).unwrap_or_default();
            let found = memchr(b'\n', unseen);
            #[cfg(test)]
            {
                self.work += found.map_or(unseen.len(), |at| at + 1);
            }
            let Some(line) = found.and_then(|found| open.get(..=looked.saturating_add(found))) else {
                self.looked = self.looked.max(window.len());
                break;
            };
            self.line(line)?;
            self.next_line(line.len());
        }
        if self.complete {
            let head = bytes.get(..self.line_start).zip(self.start_line);
            return Ok(head.map(|(bytes, start_line)| Head {
                bytes,
                start_line,
                headers: Headers {
                    rest: split_line(bytes).unwrap_or_default().1,
                },
                summary: self.summary.map(|span| span.of(bytes)),
            }));
        }
        // The byte that ends the longest head must not be there without ending one.
        let longest = self.max_len.max(1).min(space.longest);
        rule(bytes.len() < longest, HandshakeError::HeadTooLarge)?;
        rule(!space.exhausted, HandshakeError::OutOfMemory)?;
        Ok(None)
    }

    fn next_line(&mut self, len: usize) {
        self.line_start = self.line_start.saturating_add(len);
        self.looked = self.line_start;
    }

    /// Takes a whole line with a field in its plainest form, or the empty line. `false` says nothing about the line.
    #[inline]
    fn plain_line(&mut self, open: &[u8]) -> Result<bool, HandshakeError> {
        if let [b'\r', b'\n', ..] = open {
            self.complete = true;
            self.next_line(2);
            return Ok(true);
        }
        let field = plain_field(open);
        #[cfg(test)]
        {
            // It does not look beyond the end of the line.
            self.work += memchr(b'\n', open).map_or(open.len(), |at| at + 1);
        }
        let Some((name, value)) = field else {
            return Ok(false);
        };
        self.field(name, value)?;
        self.next_line(name.len().saturating_add(value.len()).saturating_add(3));
        Ok(true)
    }

    /// Checks a whole line, with its end.
    fn line(&mut self, line: &[u8]) -> Result<(), HandshakeError> {
        let line = line.strip_suffix(b"\r\n").ok_or(HandshakeError::LineEnding)?;
        #[cfg(test)]
        {
            self.work += line.len();
        }
        if self.start_line.is_none() {
            self.start_line = Some(L::parse(line)?);
            return Ok(());
        }
        if line.is_empty() {
            self.complete = true;
            return Ok(());
        }
        // The number comes before the field itself, here and in a plain line.
        rule(self.fields_left > 0, HandshakeError::TooManyHeaders)?;
        let (name, value) = split_field(line)?;
        self.field(name, value)
    }

    /// Takes a field: its name, and what stands after the colon.
    #[inline]
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HandshakeError> {
        self.fields_left = self.fields_left.checked_sub(1).ok_or(HandshakeError::TooManyHeaders)?;
        if !concerns(name) {
            return Ok(());
        }
        let from_start = trim_start(value);
        let before = name
            .len()
            .saturating_add(1)
            .saturating_add(value.len() - from_start.len());
        let value = trim_end(from_start);
        let span = Span {
            start: self.line_start.saturating_add(before),
            len: value.len(),
        };
        self.summary.add(name, value, span);
        Ok(())
    }
}

/// The first line without its CR LF, and what comes after it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = split_once(bytes, b'\n')?;
    Some((line.strip_suffix(b"\r")?, rest))
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 section 5): the name, and what stands after the colon.
fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), HandshakeError> {
    // RFC 9112 section 5.2: "A server that receives an obs-fold in a request message [...] MUST either reject the message
    // [...] or replace" it.
    let folded = line.first().copied().is_some_and(is_ows);
    rule(!folded, HandshakeError::HeaderFolded)?;
    // RFC 9112 section 5.1: "No whitespace is allowed between the field name and colon."
    let (name, [b':', value @ ..]) = split_token(line) else {
        return Err(HandshakeError::HeaderName);
    };
    rule(!name.is_empty(), HandshakeError::HeaderName)?;
    rule(is_value(value), HandshakeError::HeaderValue)?;
    Ok((name, value))
}

/// The header fields of a head: names as they were sent, values without the white space around them.
///
/// A value may hold any byte but control characters, so that it need not be UTF-8 (RFC 9110 section 5.5).
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    /// Complete lines that were checked.
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The value of the first field with this name, in any case.
    #[must_use]
    pub fn get(mut self, name: &str) -> Option<&'a [u8]> {
        self.find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = split_line(self.rest)?;
        // The empty line has no name, and ends the iteration as it ends the head.
        let (name, value) = split_once(line, b':')?;
        self.rest = rest;
        Some((ascii(name), trim(value)))
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

#[cfg(test)]
mod tests {
    use super::super::start_line::RequestLine;
    use super::*;
    use std::vec::Vec;

    const GROWING: HeadSpace = HeadSpace {
        longest: usize::MAX,
        exhausted: false,
    };

    /// Law L4: whatever the cut, each byte is looked at three times at most.
    #[test]
    fn work_is_linear_byte_by_byte() {
        let limits = Limits::default().with_max_head_len(1 << 20).with_max_headers(100_000);
        let mut heads = Vec::from([[b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 60_000], b"\r\n\r\n"].concat()]);
        heads.push([b"GET / HTTP/1.1\r\n".as_slice(), &b"a:\r\n".repeat(15_000), b"\r\n"].concat());
        heads.push([b"GET / HTTP/1.1\r\n".as_slice(), &b"a: \tb\r\n".repeat(9_000), b"\r\n"].concat());
        for head in heads {
            for step in [1, 2, 3, 1000, head.len()] {
                let mut scanner = Scanner::<RequestLine>::new(&limits);
                for end in (1..head.len()).step_by(step).chain([head.len()]) {
                    scanner.advance(&head[..end], GROWING).unwrap();
                }
                assert!(scanner.is_complete());
                // For the line's end in its plainest form, for its end in any form, and for its grammar.
                assert!(scanner.work <= 3 * head.len(), "{} for {}", scanner.work, head.len());
            }
        }
    }

    #[test]
    fn without_memory_for_more_an_incomplete_head_fails() {
        let space = HeadSpace {
            exhausted: true,
            ..GROWING
        };
        let head = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
        let advance = |bytes| {
            let mut scanner = Scanner::<RequestLine>::new(&Limits::default());
            scanner
                .advance(bytes, space)
                .map(|head| head.map(|head| head.bytes.len()))
        };
        assert_eq!(advance(&head[..20]), Err(HandshakeError::OutOfMemory));
        assert_eq!(advance(head), Ok(Some(head.len())));
    }

    #[test]
    fn other_bytes_than_before_do_no_harm() {
        let mut scanner = Scanner::<RequestLine>::new(&Limits::default());
        let mut advance = |bytes| {
            scanner
                .advance(bytes, GROWING)
                .map(|head| head.map(|head| head.bytes.len()))
        };
        assert_eq!(advance(b"GET / HTTP/1.1\r\nA: b\r\n"), Ok(None));
        assert_eq!(advance(b"GET"), Ok(None));
        assert_eq!(advance(b""), Ok(None));
        let head = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
        assert_eq!(advance(head), Ok(Some(head.len())));
        assert_eq!(advance(b"GET"), Ok(None));
    }

    #[test]
    fn header_fields_are_shown_escaped() {
        let mut scanner = Scanner::<RequestLine>::new(&Limits::default());
        let head = scanner
            .advance(b"GET / HTTP/1.1\r\nA: b\xff\r\nC:\r\n\r\n", GROWING)
            .unwrap()
            .unwrap();
        assert_eq!(std::format!("{:?}", head.headers), r#"{"A": "b\xff", "C": ""}"#);
    }
}
