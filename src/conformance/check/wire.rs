//! What an implementation is given, and what it says.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::conformance::generate::Session;
use crate::conformance::rule::Role;

/// An implementation to check: one connection for each call.
///
/// It is implemented for closures.
pub trait Implementation {
    /// Makes a fresh endpoint in the role [`wire.role()`](Wire::role), with an opening handshake in front if
    /// [`wire.has_handshake()`](Wire::has_handshake); gives it the chunks that [`wire.next()`](Wire::next) returns, one
    /// after the other, until there are no more or it gives up; and tells the wire what comes out.
    fn run(&mut self, wire: &mut Wire);
}

impl<F: FnMut(&mut Wire)> Implementation for F {
    fn run(&mut self, wire: &mut Wire) {
        self(wire);
    }
}

/// What stands in for the peer: bytes come out of it, observations go in.
pub struct Wire {
    pub(super) session: Session,
    pub(super) bytes: Vec<u8>,
    pub(super) cuts: Vec<usize>,
    /// How many bytes were handed out.
    pub(super) given: usize,
    /// Whether an endpoint in the client's role still has to send its request.
    pub(super) awaits_request: bool,
    pub(super) skipped: bool,
    pub(super) messages: Vec<(bool, Vec<u8>)>,
    pub(super) part: Option<(bool, Vec<u8>)>,
    /// Whether a piece was of another kind than the message's first.
    pub(super) kind_changed: bool,
    pub(super) close: Option<(Option<u16>, String)>,
    pub(super) failed: Option<(usize, String)>,
    pub(super) sent: Vec<u8>,
    /// How many bytes were handed out by the time that each of these was sent.
    pub(super) sent_at: Vec<(usize, usize)>,
}

impl Wire {
    pub(super) fn new(session: &Session, cuts: &[usize]) -> Self {
        Self {
            session: session.clone(),
            bytes: session.bytes.clone(),
            cuts: cuts.to_vec(),
            given: 0,
            awaits_request: session.role == Role::Client && session.head_len > 0,
            skipped: false,
            messages: Vec::new(),
            part: None,
            kind_changed: false,
            close: None,
            failed: None,
            sent: Vec::new(),
            sent_at: Vec::new(),
        }
    }

    /// Which end is to be made.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.session.role
    }

    /// Whether the connection starts with the opening handshake. Otherwise it is open, with no extension agreed.
    #[must_use]
    pub const fn has_handshake(&self) -> bool {
        self.session.head_len > 0
    }

    /// The implementation does not do this: nothing is judged.
    pub const fn skip(&mut self) {
        self.skipped = true;
    }

    /// The next bytes that arrive. After the last of them nothing comes any more, but the stream does not end. A client
    /// has to have [sent](Self::sent) its request before.
    #[allow(
        clippy::should_implement_trait,
        reason = "it can go on after it has returned None: nothing to iterate over"
    )]
    pub fn next(&mut self) -> Option<Vec<u8>> {
        if self.awaits_request {
            self.bytes = self.session.bytes_for(&key_of(&self.sent)?);
            self.awaits_request = false;
        }
        if self.given >= self.bytes.len() {
            return None;
        }
        let end = self.chunk_end(self.given + 1);
        let chunk = self.bytes.get(self.given..end).unwrap_or_default().to_vec();
        self.given = end;
        Some(chunk)
    }

    /// Where the chunk with this byte ends, counted from one.
    pub(super) fn chunk_end(&self, byte: usize) -> usize {
        self.cuts
            .iter()
            .copied()
            .find(|cut| *cut >= byte)
            .unwrap_or(self.bytes.len())
    }

    /// A text message was delivered, or a piece of one: `fin` with the last.
    pub fn text(&mut self, text: &str, fin: bool) {
        self.piece(true, text.as_bytes(), fin);
    }

    /// A binary message was delivered, or a piece of one: `fin` with the last.
    pub fn binary(&mut self, data: &[u8], fin: bool) {
        self.piece(false, data, fin);
    }

    fn piece(&mut self, text: bool, data: &[u8], fin: bool) {
        let (kind, message) = self.part.get_or_insert((text, Vec::new()));
        message.extend_from_slice(data);
        self.kind_changed |= *kind != text;
        if fin {
            self.messages.extend(self.part.take());
        }
    }

    /// The Close that the peer has sent was delivered, with its code, if it has one, and its reason. To tell is optional.
    ///
    /// It is wrong to tell of a Close that was not sent. What an implementation tells its application of a failure that
    /// it has found itself is none, and belongs to [`failed`](Self::failed); where the peer breaks a rule it may be told
    /// here all the same, with the code that was sent, or with one that stands for a failure: 1002 to 1011, or 1015.
    pub fn close(&mut self, code: Option<u16>, reason: &str) {
        self.close.get_or_insert((code, reason.to_string()));
    }

    /// These bytes were sent. To be told before the next call of [`next`](Self::next), and at the end.
    pub fn sent(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.sent.extend_from_slice(bytes);
            self.sent_at.push((self.sent.len(), self.given));
        }
    }

    /// It gave up the connection with an error; a normal close is none.
    pub fn failed(&mut self, error: impl fmt::Display) {
        self.failed.get_or_insert((self.given, error.to_string()));
    }
}

/// The key in a whole request.
pub(super) fn key_of(request: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(request);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let key = fields.rfind(|field| field.0.eq_ignore_ascii_case("sec-websocket-key"));
    Some(key.map_or_else(String::new, |field| field.1.trim().to_string()))
}
