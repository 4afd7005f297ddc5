//! What an implementation is given, and what it says.

use std::fmt;
use std::sync::Arc;

use crate::rule::Role;
use crate::session::Session;

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

/// How often an implementation may ask for bytes when there are none any more.
const IDLE_CALLS: u32 = 100_000;

/// The payload of the panic that stops an implementation which asks without end.
pub(crate) struct AsksWithoutEnd;

/// What stands in for the peer: bytes come out of it, observations go in.
pub struct Wire {
    pub(crate) session: Arc<Session>,
    /// The session's bytes, once they hold the answer to the client's key.
    answered: Option<Vec<u8>>,
    cuts: Arc<[usize]>,
    /// How many of the cuts lie in what was handed out.
    cuts_passed: usize,
    /// How many bytes were handed out.
    pub(crate) given: usize,
    /// Whether an endpoint in the client's role still has to send its request.
    awaits_request: bool,
    idle_calls: u32,
    random: u64,
    /// Why it is not judged, if it is not.
    pub(crate) skipped: Option<String>,
    pub(crate) messages: Vec<(bool, Vec<u8>)>,
    pub(crate) part: Option<(bool, Vec<u8>)>,
    /// Whether a piece was of another kind than the message's first.
    pub(crate) kind_changed: bool,
    pub(crate) close: Option<(Option<u16>, Vec<u8>)>,
    pub(crate) failed: Option<(usize, String)>,
    pub(crate) sent: Vec<u8>,
    /// How many bytes were handed out by the time that each of these was sent.
    pub(crate) sent_at: Vec<(usize, usize)>,
}

impl Wire {
    pub(crate) fn new(session: Arc<Session>, cuts: Arc<[usize]>) -> Self {
        let random = cuts.len() as u64 ^ (session.bytes.len() as u64) << 20;
        let awaits_request = session.role == Role::Client && session.head_len > 0;
        Self {
            session,
            answered: None,
            cuts,
            cuts_passed: 0,
            given: 0,
            awaits_request,
            idle_calls: 0,
            random,
            skipped: None,
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
    pub fn role(&self) -> Role {
        self.session.role
    }

    /// Whether the connection starts with the opening handshake. Otherwise it is open, with no extension agreed.
    #[must_use]
    pub fn has_handshake(&self) -> bool {
        self.session.head_len > 0
    }

    /// The implementation does not do this: nothing is judged.
    pub fn skip(&mut self) {
        self.skipped = Some(String::from("the implementation does not do this"));
    }

    /// Whether each message is to be sent back, compressed if that is agreed. To do so is optional: nothing is said of
    /// what an implementation compresses that does not.
    #[must_use]
    pub fn echoes(&self) -> bool {
        self.session.compression.is_some()
    }

    /// The next bytes that arrive. After the last of them nothing comes any more, but the stream does not end. A client
    /// has to have [sent](Self::sent) its request before.
    ///
    /// # Panics
    /// Once it has been asked a hundred thousand times after the last of them: the implementation spins. The checker
    /// catches that, and reports it.
    #[allow(
        clippy::should_implement_trait,
        reason = "it can go on after it has returned None: nothing to iterate over"
    )]
    pub fn next(&mut self) -> Option<Vec<u8>> {
        let session = Arc::clone(&self.session);
        let sent = std::mem::take(&mut self.sent);
        self.answered_for(&sent);
        self.sent = sent;
        // Whether frames may be compressed depends on the response.
        let waits = session.role == Role::Server && session.compression.is_some();
        if waits && self.given == session.head_len {
            self.agreed_in(&session);
        }
        if self.skipped.is_some() {
            return self.nothing();
        }
        let bytes = self.answered.as_deref().unwrap_or(&self.session.bytes);
        if self.awaits_request || self.given >= bytes.len() {
            return self.nothing();
        }
        let mut end = bytes.len();
        if waits && self.given < session.head_len {
            end = session.head_len;
        }
        while let Some(cut) = self.cuts.get(self.cuts_passed).filter(|cut| **cut < end) {
            self.cuts_passed += 1;
            if *cut > self.given {
                end = *cut;
                break;
            }
        }
        let chunk = bytes.get(self.given..end).unwrap_or_default().to_vec();
        self.given = end;
        Some(chunk)
    }

    fn nothing(&mut self) -> Option<Vec<u8>> {
        self.idle_calls += 1;
        if self.idle_calls > IDLE_CALLS {
            std::panic::resume_unwind(Box::new(AsksWithoutEnd));
        }
        None
    }

    /// Takes the key from what a client has sent, as if it had been given the answer to it.
    pub(crate) fn answered_for(&mut self, sent: &[u8]) {
        if self.awaits_request && key_of(sent).is_some() {
            self.awaits_request = false;
            match self.session.answered_to(sent) {
                Ok(bytes) => self.answered = Some(bytes),
                Err(why) => self.skipped = Some(why),
            }
        }
    }

    /// Sees whether the response to a session's request lets it go on.
    pub(crate) fn agreed_in(&mut self, session: &Session) {
        let opened = self.sent.get(9..12) == Some(b"101");
        if let Err(why) = session.can_be_run(session.agreed(&self.sent))
            && opened
        {
            self.skipped = Some(why);
        }
    }

    /// Where the chunk with this byte ends, counted from one.
    pub(crate) fn chunk_end(&self, byte: usize) -> usize {
        let at = self.cuts.partition_point(|cut| *cut < byte);
        let end = self.answered.as_ref().map_or(self.session.bytes.len(), Vec::len);
        self.cuts.get(at).copied().unwrap_or(end).min(end)
    }

    /// How many cuts lie within so many bytes.
    pub(crate) fn cuts_within(&self, len: usize) -> usize {
        self.cuts.partition_point(|cut| *cut < len)
    }

    /// A text message was delivered, or a piece of one: `fin` with the last.
    pub fn text(&mut self, text: &str, fin: bool) {
        self.piece(true, text.as_bytes(), fin);
    }

    /// The same for an implementation that hands out text as bytes, which need not be UTF-8.
    pub fn text_bytes(&mut self, text: &[u8], fin: bool) {
        self.piece(true, text, fin);
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
        self.close_bytes(code, reason.as_bytes());
    }

    /// The same for an implementation that hands out the reason as bytes, which need not be UTF-8.
    pub fn close_bytes(&mut self, code: Option<u16>, reason: &[u8]) {
        self.close.get_or_insert((code, reason.to_vec()));
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
        self.failed.get_or_insert_with(|| (self.given, error.to_string()));
    }

    /// Fills `bytes` with numbers that have no pattern, for mask keys and handshake keys of an implementation whose random
    /// numbers come from outside. They depend on the session alone, so that a run can be repeated.
    pub fn random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // SplitMix64.
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.random;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = ((mixed ^ mixed >> 31) >> 24) as u8;
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("session", &self.session)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

/// The key in a whole request.
pub(crate) fn key_of(request: &[u8]) -> Option<String> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(request.get(..end).unwrap_or_default());
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let key = fields.rfind(|field| field.0.eq_ignore_ascii_case("sec-websocket-key"));
    Some(key.map_or_else(String::new, |field| field.1.trim().to_string()))
}
