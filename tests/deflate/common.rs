//! Connections, frames and traffic for these tests.

use sockless::buffer::ReadBuffer;
use sockless::connection::{ChunkEvent, Client, Connection, Role, Server};
use sockless::deflate::{DeflateAgreement, DeflateConnection, DeflateOptions, Engines};
use sockless::error::{Failure, ReceiveError};
use sockless::handshake::Extension;
use sockless::limits::Limits;
use sockless::message::Event;

/// Keys that are easy to read.
pub(crate) type Keys = fn(&mut [u8]);

pub(crate) fn zeros(key: &mut [u8]) {
    key.fill(0);
}

pub(crate) fn keys(key: &mut [u8]) {
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = 0xa5 ^ (at as u8).wrapping_mul(77);
    }
}

pub(crate) type ClientWs = DeflateConnection<Client<Keys>>;
pub(crate) type ServerWs = DeflateConnection<Server>;

/// What a server with `server` agrees to with a client with `client`: both sides' agreements.
pub(crate) fn agree(server: &DeflateOptions, client: &DeflateOptions) -> (DeflateAgreement, DeflateAgreement) {
    let offer = client.offer();
    let servers = server.accept(Extension::parse(offer.as_str())).unwrap();
    let clients = client.judge(Extension::parse(servers.as_str())).unwrap().unwrap();
    (servers, clients)
}

pub(crate) fn server(agreement: &DeflateAgreement, limits: &Limits) -> ServerWs {
    DeflateConnection::new(Connection::new(Server, limits), Some(agreement))
}

pub(crate) fn client(agreement: &DeflateAgreement, limits: &Limits) -> ClientWs {
    DeflateConnection::new(Connection::new(Client::new(zeros as Keys), limits), Some(agreement))
}

/// Both ends of a connection.
pub(crate) fn pair(options: &DeflateOptions) -> (ServerWs, ClientWs) {
    let (servers, clients) = agree(options, options);
    (
        server(&servers, &Limits::default()),
        client(&clients, &Limits::default()),
    )
}

/// A server's connection with the default options.
pub(crate) fn plain_server() -> ServerWs {
    pair(&DeflateOptions::new()).0
}

/// A masked frame with any first byte.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = header(first, 0x80, payload.len());
    frame.extend(key);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    frame
}

/// An unmasked frame with any first byte.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0, payload.len());
    frame.extend(payload);
    frame
}

fn header(first: u8, mask: u8, len: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match len {
        0..=125 => frame.push(mask | len as u8),
        126..=0xffff => {
            frame.push(mask | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame
}

/// Something received.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close,
}

/// All messages in `bytes`, read `cut` bytes at a time, and the failure.
pub(crate) fn receive<R: Role>(
    ws: &mut DeflateConnection<R>,
    bytes: &[u8],
    cut: usize,
    engines: &mut Engines,
) -> (Vec<Got>, Option<Failure>) {
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    let mut got = Vec::new();
    for part in bytes.chunks(cut) {
        input.extend(part).unwrap();
        loop {
            match ws.receive(&mut input, &mut out, engines) {
                Ok(None) => break,
                Ok(Some((event, _))) => got.push(match event {
                    Event::Text(text) => Got::Text(text.into()),
                    Event::Binary(data) => Got::Binary(data.into()),
                    Event::Ping(data) => Got::Ping(data.into()),
                    Event::Close(_) => Got::Close,
                    other => panic!("{other:?}"),
                }),
                Err(ReceiveError::Failed(failure)) => return (got, Some(failure)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    (got, None)
}

/// The same at the streaming level: merged events, in which a message is there with what came of it. The second is the message
/// that had no end.
pub(crate) fn receive_chunks<R: Role>(
    ws: &mut DeflateConnection<R>,
    bytes: &[u8],
    cut: usize,
    engines: &mut Engines,
) -> (Vec<Got>, Option<Vec<u8>>, Option<Failure>) {
    let mut out = Vec::new();
    let (mut got, mut open, mut is_text): (Vec<Got>, Option<Vec<u8>>, bool) = (Vec::new(), None, false);
    let mut bytes = bytes.to_vec();
    for part in bytes.chunks_mut(cut) {
        let mut input = part;
        loop {
            let (text, data, start, end) = match ws.receive_chunk(&mut input, &mut out, engines) {
                Ok(None) => break,
                Ok(Some((ChunkEvent::Text(chunk), _))) => {
                    (true, chunk.data.as_bytes(), chunk.message_start, chunk.message_end)
                }
                Ok(Some((ChunkEvent::Binary(chunk), _))) => (false, chunk.data, chunk.message_start, chunk.message_end),
                Ok(Some((ChunkEvent::Ping(data), _))) => {
                    got.push(Got::Ping(data.into()));
                    continue;
                }
                Ok(Some((ChunkEvent::Close(_), _))) => {
                    got.push(Got::Close);
                    continue;
                }
                Ok(Some((other, _))) => panic!("{other:?}"),
                Err(ReceiveError::Failed(failure)) => return (got, open, Some(failure)),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(start, open.is_none(), "a message starts once");
            is_text = if start { text } else { is_text };
            assert_eq!(text, is_text);
            open.get_or_insert_default().extend_from_slice(data);
            if end {
                let message = open.take().unwrap();
                got.push(if text {
                    Got::Text(String::from_utf8(message).unwrap())
                } else {
                    Got::Binary(message)
                });
            }
        }
        assert!(input.is_empty(), "everything is consumed");
    }
    (got, open, None)
}

/// The frames in `bytes`, unmasked: first byte and payload.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, len) = sockless::frame::Header::decode(bytes).unwrap().unwrap();
        let first = bytes[0];
        let end = len + header.payload_len as usize;
        let mut payload = bytes[len..end].to_vec();
        if let Some(key) = header.mask_key {
            sockless::frame::Mask::new(key).apply(&mut payload);
        }
        frames.push((first, payload));
        bytes = &bytes[end..];
    }
    frames
}

/// Numbers that look random.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 11) as u8).collect()
    }

    /// Text like a service's messages, with characters of two, three and four bytes.
    pub(crate) fn text(&mut self, len: usize) -> String {
        const WORDS: [&str; 12] = [
            "{\"id\":",
            "\"name\":\"",
            "Zürich",
            "price",
            "東京",
            "🙂",
            "true,",
            "null,",
            "0.25",
            "\"},",
            "status",
            " ",
        ];
        let mut text = String::new();
        while text.len() < len {
            text.push_str(WORDS[self.below(WORDS.len())]);
            if self.below(4) == 0 {
                text.push_str(&self.below(10_000).to_string());
            }
        }
        while text.len() > len {
            text.pop();
        }
        text
    }
}
