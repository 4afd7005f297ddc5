//! What the integration tests of frames and messages share: an encoder that is written apart from the crate's, and
//! drivers that run bytes, cut anywhere, through a connection and write down what came out.

#![allow(dead_code, reason = "each test file uses a part of it")]

use sockless::connection::{
    Chunk, Client, CloseRecord, Connection, Event, Initiator, Role, Sender, Server, StreamEnd, Transport,
};
use sockless::error::{Failure, ReceiveError, SendError};
use sockless::frame::{CloseFrame, MessageKind};
use sockless::limits::Limits;
use sockless::message::{self, MessageConnection};

/// First bytes of frames.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONT: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BIN: u8 = 0x2;
pub(crate) const CLOSE: u8 = FIN | 0x8;
pub(crate) const PING: u8 = FIN | 0x9;
pub(crate) const PONG: u8 = FIN | 0xa;

/// The key with which the client under test masks.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// The key with which the client on the other end masks.
pub(crate) const PEER_KEY: [u8; 4] = [0xa1, 0x5e, 0x00, 0xc3];

/// A fixed source of mask keys.
pub(crate) fn fixed(bytes: &mut [u8]) {
    for (to, from) in bytes.iter_mut().zip(KEY) {
        *to = from;
    }
}

/// A client with the fixed source.
pub(crate) type FixedClient = Client<fn(&mut [u8])>;

pub(crate) fn client() -> FixedClient {
    Client::new(fixed as fn(&mut [u8]))
}

pub(crate) fn server() -> Server {
    Server
}

/// Makes a test for each role out of generic functions.
#[allow(unused_macros, reason = "each test file uses a part")]
macro_rules! both_roles {
    ($($name:ident),+ $(,)?) => {
        mod server {
            $(#[test] fn $name() { super::$name(crate::common::server); })+
        }
        mod client {
            $(#[test] fn $name() { super::$name(crate::common::client); })+
        }
    };
}
#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use both_roles;

/// A frame's header, with the length in its shortest form (section 5.2).
pub(crate) fn head(first: u8, key: Option<[u8; 4]>, len: u64) -> Vec<u8> {
    let bit = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    if len < 126 {
        bytes.push(bit | len as u8);
    } else if len < 65536 {
        bytes.push(bit | 126);
        bytes.extend((len as u16).to_be_bytes());
    } else {
        bytes.push(bit | 127);
        bytes.extend(len.to_be_bytes());
    }
    bytes.extend(key.into_iter().flatten());
    bytes
}

/// Section 5.3, byte by byte as the RFC has it.
pub(crate) fn mask(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
}

/// A whole frame.
pub(crate) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, key, payload.len() as u64);
    match key {
        Some(key) => bytes.extend(mask(key, payload)),
        None => bytes.extend_from_slice(payload),
    }
    bytes
}

/// The key that the peer of this role masks with.
pub(crate) fn peer_key<R: Role>() -> Option<[u8; 4]> {
    (!R::IS_CLIENT).then_some(PEER_KEY)
}

/// The key that this role masks with.
pub(crate) fn own_key<R: Role>() -> Option<[u8; 4]> {
    R::IS_CLIENT.then_some(KEY)
}

/// A frame as the peer of this role sends it.
pub(crate) fn from_peer<R: Role>(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, peer_key::<R>(), payload)
}

/// A frame as this role sends it, with the fixed key.
pub(crate) fn from_us<R: Role>(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, own_key::<R>(), payload)
}

/// The body of a Close.
pub(crate) fn close_body(code: u16, reason: &str) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend_from_slice(reason.as_bytes());
    body
}

/// The Close that this role sends with a code.
pub(crate) fn close_from_us<R: Role>(code: u16) -> Vec<u8> {
    from_us::<R>(CLOSE, &code.to_be_bytes())
}

/// A close record that borrows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sent: Option<u16>,
    pub(crate) received: Option<u16>,
    pub(crate) reason: String,
    pub(crate) initiator: Initiator,
    pub(crate) failure: Option<Failure>,
    pub(crate) stream_end: Option<StreamEnd>,
    pub(crate) code: u16,
    pub(crate) clean: bool,
}

impl From<CloseRecord<'_>> for Record {
    fn from(record: CloseRecord<'_>) -> Self {
        Self {
            sent: record.sent.map(u16::from),
            received: record.received.map(u16::from),
            reason: record.reason.to_owned(),
            initiator: record.initiator,
            failure: record.failure,
            stream_end: record.stream_end,
            code: record.code().0,
            clean: record.is_clean(),
        }
    }
}

/// What came out, with the chunks of one frame merged.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A frame of a message as far as it came; at the message level, a whole message.
    Data {
        kind: MessageKind,
        data: Vec<u8>,
        start: bool,
        frame_end: bool,
        message_end: bool,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Record),
    /// A Close where the receive half is driven alone.
    CloseFrame(Option<u16>, String),
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn short(data: &[u8]) -> String {
            let end = if data.len() > 40 { "..." } else { "" };
            format!(
                "{} bytes b\"{}\"{end}",
                data.len(),
                data[..data.len().min(40)].escape_ascii()
            )
        }
        match self {
            Self::Data {
                kind,
                data,
                start,
                frame_end,
                message_end,
            } => write!(
                f,
                "{kind:?}({}, start: {start}, frame_end: {frame_end}, message_end: {message_end})",
                short(data)
            ),
            Self::Ping(data) => write!(f, "Ping({})", short(data)),
            Self::Pong(data) => write!(f, "Pong({})", short(data)),
            Self::Close(record) => write!(f, "Close({record:?})"),
            Self::CloseFrame(code, reason) => write!(f, "CloseFrame({code:?}, {reason:?})"),
        }
    }
}

impl Seen {
    /// A frame of a message, whole.
    pub(crate) fn frame(kind: MessageKind, data: &[u8], start: bool, message_end: bool) -> Self {
        Self::Data {
            kind,
            data: data.to_vec(),
            start,
            frame_end: true,
            message_end,
        }
    }

    /// A message in one frame.
    pub(crate) fn text(data: &str) -> Self {
        Self::frame(MessageKind::Text, data.as_bytes(), true, true)
    }

    /// A message in one frame.
    pub(crate) fn binary(data: &[u8]) -> Self {
        Self::frame(MessageKind::Binary, data, true, true)
    }
}

fn chunk<T: ?Sized>(kind: MessageKind, data: &[u8], chunk: &Chunk<'_, T>) -> Seen {
    Seen::Data {
        kind,
        data: data.to_vec(),
        start: chunk.message_start,
        frame_end: chunk.frame_end,
        message_end: chunk.message_end,
    }
}

/// Adds what came out; a chunk goes to the frame that it goes on with.
pub(crate) fn push(seen: &mut Vec<Seen>, next: Seen) {
    if let Some(Seen::Data {
        kind,
        data,
        frame_end,
        message_end,
        ..
    }) = seen.last_mut()
        && !*frame_end
    {
        let Seen::Data {
            kind: kind_2,
            data: data_2,
            start,
            frame_end: frame_end_2,
            message_end: message_end_2,
        } = next
        else {
            panic!("{next:?} inside a frame");
        };
        assert_eq!(*kind, kind_2, "the kind changes inside a frame");
        assert!(!start, "a message starts inside a frame");
        data.extend(data_2);
        *frame_end = frame_end_2;
        *message_end = message_end_2;
    } else {
        seen.push(next);
    }
}

/// What a close carries, made independent of what it borrows.
pub(crate) trait IntoSeen {
    fn seen(self) -> Seen;
}

impl IntoSeen for CloseRecord<'_> {
    fn seen(self) -> Seen {
        Seen::Close(self.into())
    }
}

impl IntoSeen for CloseFrame<'_> {
    fn seen(self) -> Seen {
        Seen::CloseFrame(self.code.map(u16::from), self.reason.to_owned())
    }
}

impl<C: IntoSeen> IntoSeen for Event<'_, C> {
    fn seen(self) -> Seen {
        match self {
            Event::Text(text) => chunk(MessageKind::Text, text.data.as_bytes(), &text),
            Event::Binary(data) => chunk(MessageKind::Binary, data.data, &data),
            Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            Event::Close(close) => close.seen(),
        }
    }
}

impl<C: IntoSeen> IntoSeen for message::Event<'_, C> {
    fn seen(self) -> Seen {
        match self {
            message::Event::Text(text) => Seen::text(text),
            message::Event::Binary(data) => Seen::binary(data),
            message::Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            message::Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            message::Event::Close(close) => close.seen(),
        }
    }
}

/// What the message level has to say, from what the streaming level said.
pub(crate) fn whole_messages(frames: &[Seen]) -> Vec<Seen> {
    let mut messages = Vec::new();
    let mut message = Vec::new();
    for seen in frames {
        match seen {
            Seen::Data {
                kind,
                data,
                message_end,
                ..
            } => {
                message.extend_from_slice(data);
                if *message_end {
                    messages.push(Seen::frame(*kind, &message, true, true));
                    message.clear();
                }
            }
            other => messages.push(other.clone()),
        }
    }
    messages
}

/// Sends a whole message back, unless a Close was sent.
fn echo_message<R: Role>(kind: MessageKind, data: &[u8], tx: &mut Sender<R>, out: &mut Vec<u8>) {
    let sent = match kind {
        MessageKind::Text => tx.text(std::str::from_utf8(data).unwrap(), out),
        MessageKind::Binary => tx.binary(data, out),
    };
    assert!(matches!(sent, Ok(()) | Err(SendError::Closed)), "{sent:?}");
}

/// A connection under test, and what it has said and written so far.
pub(crate) struct End<R> {
    pub(crate) ws: Connection<R>,
    pub(crate) out: Vec<u8>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) error: Option<ReceiveError>,
    echo: bool,
    message: Vec<u8>,
}

impl<R: Role> End<R> {
    pub(crate) fn new(role: R) -> Self {
        Self::with_limits(role, &Limits::default())
    }

    pub(crate) fn with_limits(role: R, limits: &Limits) -> Self {
        Self {
            ws: Connection::new(role, limits),
            out: Vec::new(),
            seen: Vec::new(),
            error: None,
            echo: false,
            message: Vec::new(),
        }
    }

    /// Takes bytes in, up to their end or to an error, and says how many were left.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        self.feed_in_place(&mut bytes.to_vec())
    }

    fn feed_in_place(&mut self, mut input: &mut [u8]) -> usize {
        // Law L2: each call takes something, says something, or wants more.
        let mut calls_left = 2 * input.len() + 4;
        loop {
            calls_left = calls_left.checked_sub(1).expect("no progress");
            let failed = self.is_failed();
            match self.ws.receive(&mut input, &mut self.out) {
                Ok(None) => {
                    assert!(input.is_empty(), "wants more input with {} bytes left", input.len());
                    return 0;
                }
                Ok(Some((event, tx))) => {
                    assert!(!failed, "{event:?} after {:?}", self.error);
                    let seen = event.seen();
                    if let Seen::Data {
                        kind,
                        data,
                        message_end,
                        ..
                    } = &seen
                        && self.echo
                    {
                        self.message.extend_from_slice(data);
                        if *message_end {
                            echo_message(*kind, &self.message, tx, &mut self.out);
                            self.message.clear();
                        }
                    }
                    push(&mut self.seen, seen);
                }
                Err(error) => {
                    assert!(
                        !self.is_failed() || self.error == Some(error),
                        "{error:?} after {:?}",
                        self.error
                    );
                    self.error = Some(error);
                    return input.len();
                }
            }
        }
    }

    fn is_failed(&self) -> bool {
        matches!(self.error, Some(ReceiveError::Failed(_)))
    }

    /// The failure, unless there was none; anything else that stopped it is an error of the test.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.error.map(|error| error.failure().expect("blocked"))
    }

    /// Takes a frame of the peer's in.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) -> &mut Self {
        let left = self.feed(&from_peer::<R>(first, payload));
        assert!(left == 0 || self.error.is_some());
        self
    }

    /// What came out since the last time.
    pub(crate) fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// What was written since the last time.
    pub(crate) fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn record(&self) -> Record {
        self.ws.close_record().into()
    }

    pub(crate) fn end_of_stream(&mut self) -> Option<Record> {
        self.ws.end_of_stream().map(Record::from)
    }
}

/// All that can be seen of a connection that was given some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) seen: Vec<Seen>,
    pub(crate) error: Option<Failure>,
    pub(crate) output: Vec<u8>,
    pub(crate) transport: Transport,
    /// As it was before the end of the stream.
    pub(crate) record: Record,
    /// As the end of the stream handed it out.
    pub(crate) end: Option<Record>,
}

/// Cuts bytes up.
fn for_each_piece(bytes: &[u8], cuts: &[usize], mut piece: impl FnMut(&mut [u8])) {
    let mut copy = bytes.to_vec();
    let mut rest = &mut copy[..];
    let mut at = 0;
    for &cut in cuts {
        let (head, tail) = rest.split_at_mut(cut - at);
        piece(head);
        rest = tail;
        at = cut;
    }
    piece(rest);
}

/// Every place between two bytes.
pub(crate) fn byte_by_byte(bytes: &[u8]) -> Vec<usize> {
    (1..bytes.len()).collect()
}

/// Runs bytes through the streaming level, in the pieces that the cuts make.
pub(crate) fn run<R: Role>(role: R, limits: &Limits, echo: bool, bytes: &[u8], cuts: &[usize]) -> Run {
    let mut end = End::with_limits(role, limits);
    end.echo = echo;
    for_each_piece(bytes, cuts, |piece| {
        end.feed_in_place(piece);
    });
    Run {
        error: end.failure(),
        transport: end.ws.transport(),
        record: end.record(),
        end: end.end_of_stream(),
        seen: end.seen,
        output: end.out,
    }
}

/// A session of texts with characters of every length, binary messages, fragments, pings, and a Close.
pub(crate) fn mixed_session<R: Role>(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..8 {
        let len = [0, 1, 3, 10, 100, 130, 1000][numbers.below(7)];
        let is_text = numbers.below(3) > 0;
        let payload = if is_text {
            numbers.text(len).into_bytes()
        } else {
            numbers.bytes(len)
        };
        let fragments = 1 + numbers.below(4);
        let mut rest = &payload[..];
        for index in 0..fragments {
            let fin = index + 1 == fragments;
            let (part, tail) = rest.split_at(if fin { rest.len() } else { numbers.below(rest.len() + 1) });
            rest = tail;
            let opcode = match (index, is_text) {
                (0, true) => TEXT,
                (0, false) => BIN,
                _ => CONT,
            };
            bytes.extend(from_peer::<R>(opcode | if fin { FIN } else { 0 }, part));
            if numbers.below(3) == 0 {
                bytes.extend(from_peer::<R>(PING, b"ping"));
            }
        }
    }
    bytes.extend(from_peer::<R>(CLOSE, &close_body(1000, "bye")));
    bytes
}

/// Runs bytes through the message level, in the pieces that the cuts make.
pub(crate) fn run_messages<R: Role>(role: R, limits: &Limits, echo: bool, bytes: &[u8], cuts: &[usize]) -> Run {
    let mut ws = MessageConnection::new(Connection::new(role, limits));
    let mut out = Vec::new();
    let mut seen = Vec::new();
    let mut error = None;
    for_each_piece(bytes, cuts, |mut input| {
        let mut calls_left = 2 * input.len() + 4;
        loop {
            calls_left = calls_left.checked_sub(1).expect("no progress");
            match ws.receive(&mut input, &mut out) {
                Ok(None) => {
                    assert!(input.is_empty(), "wants more input with {} bytes left", input.len());
                    return;
                }
                Ok(Some((event, tx))) => {
                    assert_eq!(error, None, "{event:?} after an error");
                    let event = event.seen();
                    if let Seen::Data { kind, data, .. } = &event
                        && echo
                    {
                        echo_message(*kind, data, tx, &mut out);
                    }
                    seen.push(event);
                }
                Err(ReceiveError::Failed(failure)) => {
                    assert!(
                        error.is_none_or(|error| error == failure),
                        "{failure:?} after {error:?}"
                    );
                    error = Some(failure);
                    return;
                }
                Err(ReceiveError::Blocked(blocked)) => panic!("{blocked:?}"),
            }
        }
    });
    Run {
        error,
        transport: ws.transport(),
        record: ws.close_record().into(),
        end: ws.end_of_stream().map(Record::from),
        seen,
        output: out,
    }
}

/// A small deterministic generator (splitmix64): the same numbers on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Text of exactly this many bytes, with characters of one to four bytes.
    pub(crate) fn text(&mut self, len: usize) -> String {
        let mut text = String::new();
        while text.len() < len {
            let character = ['a', 'é', '€', '😀', '\u{0}', '\u{7ff}', '\u{ffff}', '\u{10ffff}'][self.below(8)];
            let fits = text.len() + character.len_utf8() <= len;
            text.push(if fits { character } else { 'z' });
        }
        text
    }
}
