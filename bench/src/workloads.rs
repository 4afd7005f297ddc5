//! The traffic, made once from fixed seeds.

use std::sync::Arc;

use base64::Engine;

use crate::watch::{Fold, Watch};

/// A cheap source of bytes; good enough for a benchmark, never for a connection.
#[derive(Clone)]
pub struct XorShift(u64);

impl XorShift {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    #[inline]
    pub fn key(&mut self) -> [u8; 4] {
        (self.next() as u32).to_le_bytes()
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 33) as usize) % end
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Server,
    Client,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    Receive,
    Send,
    Echo,
    Handshake,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Text,
    Binary,
}

pub struct Workload {
    /// For `--only`.
    pub id: String,
    pub title: String,
    /// What the one who is measured is.
    pub role: Role,
    pub job: Job,
    pub kind: Kind,
    /// All payloads, one after the other, each `len` bytes long; for a handshake the requests.
    pub payloads: Arc<[u8]>,
    pub len: usize,
    pub count: usize,
    /// What arrives.
    pub wire: Arc<[u8]>,
    /// Reported as throughput of payload, not as time for a message.
    pub throughput: bool,
    /// The wire arrives in fragments of this many bytes of payload.
    pub fragment: Option<usize>,
}

/// How many bytes of payload are made for a workload: few enough to stay in the second-level cache beside a buffer.
const fn amount(len: usize) -> usize {
    if len < 4096 { 64 << 10 } else { 256 << 10 }
}

impl Workload {
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count).map(|i| &self.payloads[i * self.len..(i + 1) * self.len])
    }

    /// The payloads to send; not for empty ones.
    #[inline]
    pub fn sends(&self) -> impl Iterator<Item = &[u8]> {
        self.payloads.chunks_exact(self.len)
    }

    /// What a timed run must come to, once through.
    pub fn expected(&self) -> Fold {
        let mut fold = Fold::default();
        if matches!(self.job, Job::Receive | Job::Echo) {
            self.messages().for_each(|message| fold.message(message));
        }
        fold
    }

    /// How many bytes must be sent, once through; a handshake's answer has no fixed length.
    pub fn sent(&self) -> Option<u64> {
        let masked = self.role == Role::Client;
        match self.job {
            Job::Receive => Some(0),
            Job::Send | Job::Echo => {
                Some((self.count * (header_len(self.len) + if masked { 4 } else { 0 } + self.len)) as u64)
            }
            Job::Handshake => None,
        }
    }

    fn new(id: &str, title: &str, role: Role, job: Job, kind: Kind, payloads: Vec<u8>, len: usize) -> Self {
        let count = payloads.len().checked_div(len).unwrap_or(4096);
        let mut workload = Self {
            id: id.into(),
            title: title.into(),
            role,
            job,
            kind,
            payloads: payloads.into(),
            len,
            count,
            wire: Arc::new([]),
            throughput: len >= 4096,
            fragment: None,
        };
        if matches!(job, Job::Receive | Job::Echo) {
            workload.wire = workload.encode().into();
        }
        workload
    }

    fn fragmented(mut self, fragment: usize) -> Self {
        self.fragment = Some(fragment);
        self.wire = self.encode().into();
        self
    }

    /// The wire as the other side sends it.
    fn encode(&self) -> Vec<u8> {
        let mut keys = XorShift::new(5);
        let mut wire = Vec::new();
        for message in self.messages() {
            let size = self.fragment.unwrap_or(message.len()).max(1);
            let mut frames = message.chunks(size).peekable();
            if message.is_empty() {
                frame(&mut wire, self.opcode(), true, self.role, &mut keys, &[]);
            }
            let mut opcode = self.opcode();
            while let Some(part) = frames.next() {
                frame(&mut wire, opcode, frames.peek().is_none(), self.role, &mut keys, part);
                opcode = 0;
            }
        }
        wire
    }

    pub fn opcode(&self) -> u8 {
        match self.kind {
            Kind::Text => 1,
            Kind::Binary => 2,
        }
    }
}

fn frame(wire: &mut Vec<u8>, opcode: u8, fin: bool, receiver: Role, keys: &mut XorShift, payload: &[u8]) {
    wire.push(u8::from(fin) << 7 | opcode);
    let masked = match receiver {
        Role::Server => 0x80,
        Role::Client => 0,
    };
    match payload.len() {
        len @ 0..126 => wire.push(masked | len as u8),
        len @ 126..65536 => {
            wire.push(masked | 126);
            wire.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            wire.push(masked | 127);
            wire.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    match receiver {
        Role::Server => {
            let key = keys.key();
            wire.extend_from_slice(&key);
            wire.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        Role::Client => wire.extend_from_slice(payload),
    }
}

/// The length of a header without a key.
pub fn header_len(len: usize) -> usize {
    match len {
        0..126 => 2,
        126..65536 => 4,
        _ => 10,
    }
}

/// The messages in a stream of frames, read byte by byte: the oracle for what is sent.
pub fn decode(mut wire: &[u8], masked: bool, opcode: u8) -> Vec<Vec<u8>> {
    let mut take = |len: usize| {
        let (head, rest) = wire.split_at(len);
        wire = rest;
        (head, rest.is_empty())
    };
    let mut messages = Vec::new();
    loop {
        let (head, _) = take(2);
        assert_eq!(head[0], 0x80 | opcode, "one whole frame for each message");
        assert_eq!(head[1] >> 7 == 1, masked, "masked by clients only");
        let len = match head[1] & 127 {
            126 => u16::from_be_bytes(take(2).0.try_into().unwrap()) as usize,
            127 => u64::from_be_bytes(take(8).0.try_into().unwrap()) as usize,
            len => len as usize,
        };
        let key: [u8; 4] = if masked { take(4).0.try_into().unwrap() } else { [0; 4] };
        let (payload, last) = take(len);
        messages.push(
            payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key)
                .collect(),
        );
        if last {
            return messages;
        }
    }
}

fn binary(len: usize) -> Vec<u8> {
    let mut source = XorShift::new(len as u64 + 1);
    let amount = if len == 0 { 0 } else { len * (amount(len) / len).max(2) };
    let mut bytes: Vec<u8> = (0..amount.div_ceil(8))
        .flat_map(|_| source.next().to_le_bytes())
        .collect();
    bytes.truncate(amount);
    bytes
}

/// Messages of JSON, each exactly 128 bytes.
fn json() -> Vec<u8> {
    let mut source = XorShift::new(2);
    let names = ["alpha", "bravo", "delta", "gamma", "kappa", "sigma"];
    let mut all = Vec::new();
    for id in 0..amount(128) / 128 {
        let mut text = format!(
            r#"{{"type":"update","id":{id:06},"name":"{}","x":{:04},"y":{:04},"price":{}.{:02},"tags":["a","b"],"note":""#,
            names[source.below(names.len())],
            source.below(10_000),
            source.below(10_000),
            source.below(1000),
            source.below(100),
        );
        while text.len() < 126 {
            text.push(char::from(b'a' + source.below(26) as u8));
        }
        text.push_str("\"}");
        assert_eq!(text.len(), 128);
        all.extend_from_slice(text.as_bytes());
    }
    all
}

/// Messages of 64 KiB made of `words`.
fn prose(words: &[&str]) -> Vec<u8> {
    const LEN: usize = 64 << 10;
    let mut source = XorShift::new(3);
    let mut all = Vec::new();
    for _ in 0..amount(LEN) / LEN {
        let mut text = String::new();
        while text.len() < LEN - 64 {
            text.push_str(words[source.below(words.len())]);
            text.push(if source.below(12) == 0 { '\n' } else { ' ' });
        }
        while text.len() < LEN {
            text.push('.');
        }
        all.extend_from_slice(text.as_bytes());
    }
    all
}

const ENGLISH: &[&str] = &[
    "the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "servers", "wait", "for", "bytes",
    "that", "never", "come,", "or", "come", "in", "pieces;", "nobody", "minds.",
];

const SCRIPTS: &[&str] = &[
    "hello",
    "world",
    "naïve",
    "façade",
    "Größe",
    "Привет",
    "мир",
    "скорость",
    "γειά",
    "κόσμε",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "สวัสดี",
    "你好",
    "世界",
    "速度",
    "こんにちは",
    "안녕하세요",
    "🚀",
    "🦀🌍",
    "and",
    "more",
    "text",
];

/// The length of each request of a handshake.
const REQUEST: usize = 553;

/// Requests as a browser sends them, each with its own key, all of the same length.
fn requests() -> Vec<u8> {
    let mut source = XorShift::new(4);
    let mut all = Vec::new();
    for _ in 0..64 {
        let mut key = [0; 16];
        key.chunks_mut(8)
            .for_each(|part| part.copy_from_slice(&source.next().to_le_bytes()));
        let key = base64::engine::general_purpose::STANDARD.encode(key);
        let request = format!(
            "GET /live?room=main HTTP/1.1\r\n\
             Host: chat.example.com\r\n\
             Connection: Upgrade\r\n\
             Pragma: no-cache\r\n\
             Cache-Control: no-cache\r\n\
             User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/126.0.0.0 Safari/537.36\r\n\
             Upgrade: websocket\r\n\
             Origin: https://chat.example.com\r\n\
             Sec-WebSocket-Version: 13\r\n\
             Accept-Encoding: gzip, deflate, br, zstd\r\n\
             Accept-Language: en-GB,en;q=0.9\r\n\
             Cookie: session=0123456789abcd; t=d\r\n\
             Sec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        );
        assert_eq!(request.len(), REQUEST);
        all.extend_from_slice(request.as_bytes());
    }
    all
}

/// The workloads of the table whose name is wanted, in its order.
pub fn all(wanted: impl Fn(&str) -> bool) -> Vec<Arc<Workload>> {
    use {Job::*, Kind::*, Role::*};
    const K: usize = 1 << 10;
    let mut all = Vec::new();
    let mut add = |id, title: &str, role, job, kind, len, payloads: &dyn Fn() -> Vec<u8>| {
        if wanted(id) {
            all.push(Workload::new(id, title, role, job, kind, payloads(), len));
        }
    };
    add(
        "server-receive-16",
        "server receives 16 B binary",
        Server,
        Receive,
        Binary,
        16,
        &|| binary(16),
    );
    add(
        "server-receive-128-text",
        "server receives 128 B JSON text",
        Server,
        Receive,
        Text,
        128,
        &json,
    );
    add(
        "client-receive-16",
        "client receives 16 B binary",
        Client,
        Receive,
        Binary,
        16,
        &|| binary(16),
    );
    add(
        "server-send-16",
        "server sends 16 B binary",
        Server,
        Send,
        Binary,
        16,
        &|| binary(16),
    );
    add(
        "client-send-16",
        "client sends 16 B binary",
        Client,
        Send,
        Binary,
        16,
        &|| binary(16),
    );
    add(
        "echo-128-text",
        "server echoes 128 B text",
        Server,
        Echo,
        Text,
        128,
        &json,
    );
    let title = format!("server handshake, {REQUEST} B request");
    add("handshake", &title, Server, Handshake, Text, REQUEST, &requests);
    add(
        "server-receive-4k",
        "server receives 4 KiB binary",
        Server,
        Receive,
        Binary,
        4 * K,
        &|| binary(4 * K),
    );
    add(
        "server-receive-64k",
        "server receives 64 KiB binary",
        Server,
        Receive,
        Binary,
        64 * K,
        &|| binary(64 * K),
    );
    let title = "server receives 64 KiB ASCII text";
    add(
        "server-receive-64k-ascii",
        title,
        Server,
        Receive,
        Text,
        64 * K,
        &|| prose(ENGLISH),
    );
    let title = "server receives 64 KiB mixed-script text";
    add(
        "server-receive-64k-mixed",
        title,
        Server,
        Receive,
        Text,
        64 * K,
        &|| prose(SCRIPTS),
    );
    let title = "server receives 1 MiB binary, one frame";
    add("server-receive-1m", title, Server, Receive, Binary, K * K, &|| {
        binary(K * K)
    });
    let title = "server receives 1 MiB binary, 4 KiB fragments";
    add(
        "server-receive-1m-fragments",
        title,
        Server,
        Receive,
        Binary,
        K * K,
        &|| binary(K * K),
    );
    add(
        "client-receive-64k",
        "client receives 64 KiB binary",
        Client,
        Receive,
        Binary,
        64 * K,
        &|| binary(64 * K),
    );
    add(
        "server-send-64k",
        "server sends 64 KiB binary",
        Server,
        Send,
        Binary,
        64 * K,
        &|| binary(64 * K),
    );
    add(
        "client-send-64k",
        "client sends 64 KiB binary",
        Client,
        Send,
        Binary,
        64 * K,
        &|| binary(64 * K),
    );
    all.into_iter()
        .map(|workload| {
            Arc::new(match workload.id.as_str() {
                "server-receive-1m-fragments" => workload.fragmented(4 * K),
                "handshake" => Workload {
                    wire: workload.payloads.clone(),
                    ..workload
                },
                _ => workload,
            })
        })
        .collect()
}

/// A server receives messages of `len` bytes in fragments of `fragment`, or whole: for the scaling lines.
pub fn sized(len: usize, fragment: Option<usize>) -> Arc<Workload> {
    let workload = Workload::new("sized", "", Role::Server, Job::Receive, Kind::Binary, binary(len), len);
    Arc::new(match fragment {
        Some(fragment) => workload.fragmented(fragment),
        None => workload,
    })
}

/// One message of 128 bytes of text, to be echoed by a server: for connections that are held.
pub fn single_echo() -> Arc<Workload> {
    let mut payloads = json();
    payloads.truncate(128);
    Arc::new(Workload::new(
        "single",
        "",
        Role::Server,
        Job::Echo,
        Kind::Text,
        payloads,
        128,
    ))
}
