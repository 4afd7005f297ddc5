//! Sessions with compressed messages, written message by message.

use super::{BOUNDS, Table};
use crate::compression::{ANSWER, Compression};
use crate::deflate::{Block, Compressor};
use crate::frame::Frame;
use crate::head::Head;
use crate::model::Parameters;
use crate::rule::Role;
use crate::session::{ACCEPT, Parts, SAMPLE_KEY, Session, Topic};

/// A request with these offers.
pub(super) fn request(offers: &str) -> Head {
    Head::new(
        "GET /chat HTTP/1.1",
        &[
            ("Host", " server.example.com"),
            ("Upgrade", " websocket"),
            ("Connection", " Upgrade"),
            ("Sec-WebSocket-Key", &format!(" {SAMPLE_KEY}")),
            ("Sec-WebSocket-Version", " 13"),
            ("Sec-WebSocket-Extensions", &format!(" {offers}")),
        ],
    )
}

/// A response with this answer.
pub(super) fn response(answer: &str) -> Head {
    Head::new(
        "HTTP/1.1 101 Switching Protocols",
        &[
            ("Upgrade", " websocket"),
            ("Connection", " Upgrade"),
            ("Sec-WebSocket-Accept", &format!(" {ACCEPT}")),
            ("Sec-WebSocket-Extensions", &format!(" {answer}")),
        ],
    )
}

/// A session as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    role: Role,
    topic: Topic,
    name: String,
    offer: Parameters,
    pub(crate) compression: Compression,
    pub(crate) compressor: Compressor,
    pub(crate) kind: Block,
    pub(crate) frames: Vec<Frame>,
    /// What is offered as well.
    pub(crate) also: Vec<Parameters>,
}

impl Script {
    /// Messages that refer to those before them if `takeover`, and so far back.
    pub(crate) fn new(role: Role, topic: Topic, name: impl Into<String>, takeover: bool, window_bits: u8) -> Self {
        let mut script = Self {
            role,
            topic,
            name: name.into(),
            offer: Parameters::default(),
            compression: Compression::new(takeover, window_bits),
            compressor: Compressor::new(takeover, window_bits),
            kind: Block::Fixed,
            frames: Vec::new(),
            also: Vec::new(),
        };
        if !takeover {
            script.hears(|parameters| &mut parameters.client_no_context_takeover);
            script.hears(|parameters| &mut parameters.server_no_context_takeover);
        }
        script
    }

    fn hears(&mut self, which: fn(&mut Parameters) -> &mut bool) {
        *which(&mut self.offer) = true;
        *which(&mut self.compression.answer) = true;
    }

    /// What the endpoint is to keep to when it sends, or both ends.
    pub(crate) fn agree(&mut self, with: Parameters) {
        self.offer = with;
        self.compression.answer = with;
    }

    pub(super) fn fragment(&mut self, text: bool, payload: &[u8], lens: &[usize]) {
        let mut rest = payload;
        let mut first = true;
        for (number, len) in lens.iter().enumerate() {
            let (now, later) = match number + 1 == lens.len() {
                true => (rest, &[][..]),
                false => rest.split_at_checked(*len).unwrap_or((rest, &[])),
            };
            let mut frame = Frame::new(0x0, number + 1 == lens.len(), now.to_vec());
            if first {
                frame.opcode = if text { 0x1 } else { 0x2 };
                frame.reserved = 0b100;
            }
            self.frames.push(frame);
            first = false;
            rest = later;
        }
    }

    /// A payload as it is, with RSV1.
    pub(crate) fn raw(&mut self, text: bool, payload: &[u8]) {
        self.fragment(text, payload, &[payload.len()]);
    }

    pub(crate) fn message(&mut self, text: bool, data: &[u8]) {
        let payload = self.compressor.message(data, self.kind);
        self.raw(text, &payload);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.message(true, text.as_bytes());
    }

    /// The compressed payload in fragments of these lengths, the last of them with what is left.
    pub(crate) fn fragments(&mut self, text: bool, data: &[u8], lens: &[usize]) {
        let payload = self.compressor.message(data, self.kind);
        self.fragment(text, &payload, lens);
    }

    /// The compressed payload in fragments of so many bytes.
    pub(crate) fn pieces(&mut self, text: bool, data: &[u8], len: usize) {
        let payload = self.compressor.message(data, self.kind);
        let lens = vec![len; payload.len().div_ceil(len).max(1)];
        self.fragment(text, &payload, &lens);
    }

    /// A frame that is not compressed.
    pub(crate) fn plain(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    /// A message and a Ping, which show whether anything was lost.
    pub(crate) fn complete(&mut self) {
        self.kind = Block::Fixed;
        self.text("after it");
        self.plain(Frame::ping("still there?"));
    }

    /// The session, with keys without a pattern.
    pub(crate) fn session(self) -> Session {
        let (role, topic, compression) = (self.role, self.topic, self.compression.clone());
        let (name, parts) = self.parts();
        Session::of(role, topic, name, parts, BOUNDS, Some(compression))
    }

    /// The same for one that is known to be legal.
    pub(super) fn legal_session(self) -> Session {
        let (role, topic, compression) = (self.role, self.topic, self.compression.clone());
        let (name, parts) = self.parts();
        Session::legal(role, topic, name, parts, BOUNDS, Some(compression))
    }

    fn parts(mut self) -> (String, Parts) {
        for (number, frame) in self.frames.iter_mut().enumerate() {
            let mixed = (number as u32 ^ 0x5be1_9a27).wrapping_mul(0x9e37_79b9);
            frame.key = mixed.to_be_bytes();
        }
        let head = match self.role {
            Role::Server => {
                let offers = [self.offer].into_iter().chain(self.also);
                request(&offers.map(|offer| offer.to_string()).collect::<Vec<_>>().join(", "))
            }
            Role::Client => response(ANSWER),
        };
        let parts = Parts {
            heads: vec![head],
            frames: self.frames,
            tail: Vec::new(),
        };
        (self.name, parts)
    }

    pub(super) fn add(self, table: &mut Table) {
        let session = self.session();
        table.push(session);
    }
}
