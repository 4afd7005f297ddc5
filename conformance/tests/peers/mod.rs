//! An echo server and an echo client over TCP, made of the model; and what can be broken in them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

use sockless_conformance::Role;
use sockless_conformance::model::{self, Bounds, Event, Verdict};

/// What is wrong with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// Pongs are empty.
    EmptyPongs,
    /// It refuses messages of more than a thousand bytes, as too big.
    Limit,
    /// The keys of a client are always the same.
    SameKeys,
    /// Any request opens a connection, any response is taken.
    AnyHead,
    /// It never answers what is longer than 200 bytes.
    Hangs,
    /// It loses what it reads if that is one byte.
    LosesSingleBytes,
    /// It sends Pings for ever, and reads nothing.
    Floods,
}

/// One end of a connection that is open.
struct Peer {
    role: Role,
    fault: Fault,
    stream: TcpStream,
    received: Vec<u8>,
    done: usize,
}

fn key(fault: Fault) -> [u8; 4] {
    static STATE: AtomicU32 = AtomicU32::new(0x1234_5678);
    if fault == Fault::SameKeys {
        return [1, 2, 3, 4];
    }
    let state = STATE.fetch_add(0x9e37_79b9, Ordering::Relaxed);
    let mixed = (state ^ state >> 15).wrapping_mul(0x2c1b_3c6d);
    (mixed ^ mixed >> 12).wrapping_mul(0x297a_2d39).to_be_bytes()
}

impl Peer {
    fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        let mask = if self.role == Role::Client { 0x80 } else { 0 };
        match payload.len() {
            len @ 0..=125 => frame.push(mask | len as u8),
            len @ 126..=65535 => {
                frame.push(mask | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(mask | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        if mask > 0 {
            let key = key(self.fault);
            frame.extend(key);
            frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            frame.extend_from_slice(payload);
        }
        let _ = self.stream.write_all(&frame);
    }

    /// Echoes until the end.
    fn run(&mut self) {
        let limit = if self.fault == Fault::Limit { 1000 } else { 1 << 24 };
        let bounds = Bounds {
            frame_len: limit,
            message_len: limit,
            fragments: u64::MAX,
        };
        let mut bytes = [0; 1 << 14];
        loop {
            let reading = model::receive(self.role, &self.received, &bounds);
            let mut message = Vec::new();
            for (number, event) in reading.events.iter().enumerate() {
                if let Event::Data {
                    payload,
                    text,
                    message_start,
                    message_end,
                    ..
                } = event
                {
                    if *message_start {
                        message.clear();
                    }
                    message.extend_from_slice(payload);
                    if *message_end && number >= self.done {
                        self.send(if *text { 1 } else { 2 }, &message);
                    }
                } else if let Event::Ping(payload) = event
                    && number >= self.done
                {
                    let payload = if self.fault == Fault::EmptyPongs {
                        &[]
                    } else {
                        &payload[..]
                    };
                    self.send(0xa, payload);
                }
            }
            // The last event may still grow.
            self.done = match reading.events.last() {
                Some(Event::Data { frame_end: false, .. }) => reading.events.len() - 1,
                _ => reading.events.len(),
            };
            match reading.verdict {
                Verdict::Closed { .. } | Verdict::Broken { .. } => {
                    let (_, body) = reading.replies().pop().unwrap_or_default();
                    self.send(8, &body);
                    let _ = self.stream.shutdown(std::net::Shutdown::Write);
                    while self.stream.read(&mut bytes).is_ok_and(|len| len > 0) {}
                    return;
                }
                Verdict::Complete | Verdict::Unfinished => {}
            }
            while self.fault == Fault::Floods {
                if self.stream.write_all(&[0x89, 0].repeat(1 << 15)).is_err() {
                    return;
                }
            }
            while self.fault == Fault::Hangs && self.received.len() > 200 {
                std::thread::sleep(std::time::Duration::from_millis(50));
                if self.stream.read(&mut bytes).is_ok_and(|len| len == 0) {
                    return;
                }
            }
            match self.stream.read(&mut bytes) {
                Ok(1) if self.fault == Fault::LosesSingleBytes => {}
                Ok(len @ 1..) => self.received.extend_from_slice(&bytes[..len]),
                _ => return,
            }
        }
    }
}

fn head(stream: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let behind = head.split_off(at + 4);
            return Some((head, behind));
        }
        match stream.read(&mut bytes) {
            Ok(len @ 1..) => head.extend_from_slice(&bytes[..len]),
            _ => return None,
        }
    }
}

fn field(head: &[u8], name: &str) -> String {
    let head = String::from_utf8_lossy(head).into_owned();
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|field| field.0.eq_ignore_ascii_case(name));
    found.map_or(String::new(), |field| field.1.trim().to_owned())
}

/// Serves for as long as the process runs. Returns where.
pub(crate) fn server(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap(), fault));
        }
    });
    format!("ws://{address}/echo")
}

fn serve(mut stream: TcpStream, fault: Fault) {
    let Some((head, behind)) = head(&mut stream) else {
        return;
    };
    let opening = model::request(&head);
    if fault != Fault::AnyHead
        && let model::Opening::Refused(rules) = opening
    {
        let version = rules.contains(&sockless_conformance::Rule::VersionUnsupported);
        let status = if version {
            "426 Upgrade Required\r\nSec-WebSocket-Version: 13"
        } else {
            "400 Bad Request"
        };
        let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
        return;
    }
    let accept = model::accept(&field(&head, "Sec-WebSocket-Key"));
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let _ = stream.write_all(response.as_bytes());
    let mut peer = Peer {
        role: Role::Server,
        fault,
        stream,
        received: behind,
        done: 0,
    };
    peer.run();
}

/// Asks a server for its cases, as drivers do.
pub(crate) fn client(address: &str, fault: Fault) {
    let count = open(address, "/getCaseCount", fault, |peer| {
        let mut bytes = [0; 4096];
        while let Ok(len @ 1..) = peer.stream.read(&mut bytes) {
            peer.received.extend_from_slice(&bytes[..len]);
        }
        let bounds = Bounds {
            frame_len: 100,
            message_len: 100,
            fragments: 1,
        };
        let reading = model::receive(Role::Client, &peer.received, &bounds);
        peer.send(8, &[3, 232]);
        String::from_utf8(reading.messages().remove(0).1)
            .unwrap()
            .parse::<u32>()
            .unwrap()
    });
    for number in 1..=count.unwrap() {
        open(
            address,
            &format!("/runCase?case={number}&agent=model"),
            fault,
            Peer::run,
        );
    }
    open(address, "/updateReports?agent=model", fault, Peer::run);
}

fn open<T>(address: &str, path: &str, fault: Fault, then: impl FnOnce(&mut Peer) -> T) -> Option<T> {
    let mut stream = TcpStream::connect(address).unwrap();
    let nonce: Vec<u8> = (0..4).flat_map(|_| key(Fault::Nothing)).collect();
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, nonce);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (head, behind) = head(&mut stream)?;
    if fault != Fault::AnyHead && !matches!(model::response(&head, &key), model::Opening::Accepted { .. }) {
        return None;
    }
    let mut peer = Peer {
        role: Role::Client,
        fault,
        stream,
        received: behind,
        done: 0,
    };
    Some(then(&mut peer))
}
