//! What the integration tests of frames and messages share: an encoder that is written apart from the crate's ([`self`]),
//! the words for what came out ([`seen`]), the drivers that run bytes, cut anywhere, through a connection ([`drive`]), and a
//! transport that fails ([`failing`]).

#![allow(dead_code, reason = "each test file uses a part of it")]

mod drive;
mod failing;
mod seen;

#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use drive::*;
#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use failing::*;
#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use seen::*;

use sockless::buffer::{Output, OutputFull};
use sockless::connection::{Client, Role, Sender, Server};
use sockless::error::SendError;
use sockless::frame::MessageKind;

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

/// The header that [`Tx::in_place`](sockless::connection::Tx::in_place) sends for a payload.
pub(crate) fn in_place<R: Role>(
    sender: &mut Sender<R>,
    kind: MessageKind,
    payload: &mut [u8],
    fin: bool,
) -> Result<Vec<u8>, SendError> {
    let mut header = Vec::new();
    let sent = sender.tx(&mut header).in_place(kind, payload, fin);
    assert!(sent.is_ok() || header.is_empty());
    sent.map(|()| header)
}

/// An output of one's own that checks what the trait promises: reserved before, and exactly as much.
#[derive(Default)]
pub(crate) struct Strict {
    pub(crate) bytes: Vec<u8>,
    pub(crate) reserved: usize,
    /// How often room was asked for.
    pub(crate) frames: usize,
}

impl Output for Strict {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutputFull> {
        assert_eq!(self.reserved, 0, "the last frame was not put whole");
        self.reserved = additional;
        self.frames += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.reserved = self.reserved.checked_sub(bytes.len()).expect("more than was reserved");
        self.bytes.extend_from_slice(bytes);
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
