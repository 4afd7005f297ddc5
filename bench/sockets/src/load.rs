//! The clients: what they send, and what they see. Every byte that comes back is compared.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::servers::Result;

/// One column: all connections send a burst of messages, wait for all answers, and begin again.
#[derive(Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) title: &'static str,
    pub(crate) len: usize,
    pub(crate) burst: usize,
    payload: Payload,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Payload {
    Binary,
    /// JSON of English text.
    Ascii,
    /// One character in thirty is not ASCII.
    Text,
}

pub(crate) const WORKLOADS: [Workload; 7] = [
    workload("16 B", 16, 1, Payload::Binary),
    workload("16 B in bursts of 16", 16, 16, Payload::Binary),
    workload("4 KiB", 4 << 10, 1, Payload::Binary),
    workload("4 KiB in bursts of 16", 4 << 10, 16, Payload::Binary),
    workload("64 KiB", 64 << 10, 1, Payload::Binary),
    workload("64 KiB ASCII text", 64 << 10, 1, Payload::Ascii),
    workload("64 KiB text", 64 << 10, 1, Payload::Text),
];

const fn workload(title: &'static str, len: usize, burst: usize, payload: Payload) -> Workload {
    Workload {
        title,
        len,
        burst,
        payload,
    }
}

impl Workload {
    fn payload(&self) -> Vec<u8> {
        let line = match self.payload {
            Payload::Binary => return (0..self.len).map(|i| (i * 7 + i / 251) as u8).collect(),
            Payload::Ascii => r#"{"from":"someone","text":"as it comes from people, more or less"},"#,
            Payload::Text => "A line of text as it comes from people, more or less: \u{e9}\u{20ac}. ",
        };
        let mut text: Vec<u8> = line.bytes().cycle().take(self.len / line.len() * line.len()).collect();
        text.resize(self.len, b'.');
        text
    }

    /// What a connection sends at once, and what comes back.
    pub(crate) fn exchange(&self) -> (Vec<u8>, Vec<u8>) {
        let (payload, mut request, mut response) = (self.payload(), Vec::new(), Vec::new());
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..self.burst {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let mask = (seed as u32).to_ne_bytes();
            for (out, bit) in [(&mut request, 0x80), (&mut response, 0)] {
                out.push(if self.payload == Payload::Binary { 0x82 } else { 0x81 });
                match self.len {
                    0..126 => out.push(bit | self.len as u8),
                    126..0x1_0000 => {
                        out.push(bit | 126);
                        out.extend((self.len as u16).to_be_bytes());
                    }
                    _ => {
                        out.push(bit | 127);
                        out.extend((self.len as u64).to_be_bytes());
                    }
                }
            }
            request.extend(mask);
            request.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            response.extend(&payload);
        }
        (request, response)
    }
}

/// A connection whose opening handshake is over.
pub(crate) fn open(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )?;
    let (mut head, mut space) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut space)? {
            0 => return Err("the server has closed the connection".into()),
            len => head.extend(&space[..len]),
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    if !head.starts_with("http/1.1 101 ") || !head.contains("s3pplmbitxaq9kygzzhzrbk+xoo=") {
        return Err(format!("no opening handshake: {head}").into());
    }
    Ok(stream)
}

/// One exchange over a blocking stream.
pub(crate) fn exchange(stream: &mut TcpStream, request: &[u8], response: &[u8]) -> Result {
    stream.write_all(request)?;
    let mut got = vec![0; response.len()];
    stream.read_exact(&mut got)?;
    if got != response {
        return Err("something else came back".into());
    }
    Ok(())
}

/// What the clients have seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) messages: u64,
    pub(crate) time: Duration,
    /// How long each burst took, in microseconds.
    pub(crate) micros: Vec<u32>,
}

/// The connections of one workload.
pub(crate) struct Clients {
    poll: Poll,
    clients: Vec<Client>,
    request: Vec<u8>,
    response: Vec<u8>,
    burst: u64,
    space: Vec<u8>,
}

struct Client {
    stream: mio::net::TcpStream,
    written: usize,
    received: usize,
    since: Instant,
    waits: bool,
}

impl Clients {
    pub(crate) fn open(address: SocketAddr, count: usize, workload: &Workload) -> Result<Self> {
        let (poll, mut clients) = (Poll::new()?, Vec::new());
        for i in 0..count {
            let stream = open(address)?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(i), interest)?;
            clients.push(Client {
                stream,
                written: 0,
                received: 0,
                since: Instant::now(),
                waits: false,
            });
        }
        let (request, response) = workload.exchange();
        Ok(Self {
            poll,
            clients,
            request,
            response,
            burst: workload.burst as u64,
            space: vec![0; 256 << 10],
        })
    }

    /// Bursts for so long, until the last answer is there.
    pub(crate) fn run(&mut self, time: Duration) -> Result<Seen> {
        let Self {
            poll,
            clients,
            request,
            response,
            space,
            ..
        } = self;
        let (start, mut seen, mut waiting) = (Instant::now(), Seen::default(), clients.len());
        for client in &mut *clients {
            client.begin(request)?;
        }
        let mut events = Events::with_capacity(1024);
        while waiting > 0 {
            poll.poll(&mut events, Some(Duration::from_secs(10)))?;
            if events.is_empty() {
                return Err(format!("{waiting} connections wait for an answer that does not come").into());
            }
            for event in &events {
                let client = &mut clients[event.token().0];
                client.write(request)?;
                while client.waits && client.read(response, space)? {
                    if client.received < response.len() {
                        continue;
                    }
                    seen.messages += self.burst;
                    seen.micros.push(u32::try_from(client.since.elapsed().as_micros())?);
                    client.waits = false;
                    if start.elapsed() < time {
                        client.begin(request)?;
                    } else {
                        waiting -= 1;
                    }
                }
            }
        }
        seen.time = start.elapsed();
        Ok(seen)
    }
}

impl Client {
    fn begin(&mut self, request: &[u8]) -> Result {
        (self.written, self.received, self.waits, self.since) = (0, 0, true, Instant::now());
        self.write(request)
    }

    fn write(&mut self, request: &[u8]) -> Result {
        while self.waits && self.written < request.len() {
            match self.stream.write(&request[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads once. Whether something came.
    fn read(&mut self, response: &[u8], space: &mut [u8]) -> Result<bool> {
        match self.stream.read(space) {
            Ok(0) => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            Ok(len) => {
                let expected = response
                    .get(self.received..self.received + len)
                    .ok_or("too much came back")?;
                if space[..len] != *expected {
                    return Err("something else came back".into());
                }
                self.received += len;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
