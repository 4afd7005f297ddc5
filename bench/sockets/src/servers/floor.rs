//! The floor: a loop over `epoll` written by hand that does only what must be done, and checks nothing of the protocol. One
//! buffer for all connections; messages are unmasked where they were read and go back in one write for each read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;

use base64::Engine;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use sha1::{Digest, Sha1};
use slab::Slab;

use super::Result;

const LISTENER: Token = Token(usize::MAX);
const READ: usize = 256 << 10;

struct Peer {
    stream: TcpStream,
    open: bool,
    /// The start of a message, with room for the rest.
    held: Vec<u8>,
    held_len: usize,
    unwritten: Vec<u8>,
}

pub(super) fn serve(listener: TcpListener) -> Result {
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let mut listener = mio::net::TcpListener::from_std(listener);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (mut peers, mut buffer) = (Slab::<Peer>::new(), vec![0; READ]);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let key = event.token().0;
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let entry = peers.vacant_entry();
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(entry.key()), interest)?;
                    entry.insert(Peer {
                        stream,
                        open: false,
                        held: Vec::new(),
                        held_len: 0,
                        unwritten: Vec::new(),
                    });
                }
            } else if let Some(peer) = peers.get_mut(key)
                && !peer.turn(&mut buffer, event.is_read_closed()).unwrap_or(false)
            {
                peers.remove(key);
            }
        }
    }
}

impl Peer {
    /// Reads until nothing is left. Returns whether to go on.
    fn turn(&mut self, shared: &mut [u8], ends: bool) -> io::Result<bool> {
        loop {
            if !self.unwritten.is_empty() {
                let unwritten = std::mem::take(&mut self.unwritten);
                if !self.write(&unwritten)? {
                    return Ok(true);
                }
            }
            let space = if self.held_len > 0 {
                &mut self.held[self.held_len..]
            } else {
                &mut *shared
            };
            let room = space.len();
            let len = match self.stream.read(space) {
                Ok(0) => return Ok(false),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            let total = self.held_len + len;
            if self.held_len == 0 {
                self.answer(&mut shared[..len])?;
            } else if len == room {
                let mut held = std::mem::take(&mut self.held);
                self.held_len = 0;
                self.answer(&mut held)?;
            } else {
                self.held_len = total;
            }
            if len < room && !ends {
                return Ok(true);
            }
        }
    }

    fn answer(&mut self, input: &mut [u8]) -> io::Result<()> {
        if !self.open {
            return self.shake(input);
        }
        let (mut read, mut written) = (0, 0);
        let lacks = loop {
            match frame(&input[read..]) {
                Frame::Whole { header, len } => {
                    let frame_end = read + header + len;
                    let mask = <[u8; 4]>::try_from(&input[read + header - 4..read + header]).unwrap_or_default();
                    let first = input[read];
                    unmask(&mut input[read + header..frame_end], mask);
                    // The header of a server is shorter by the mask, so it fits in front of the payload.
                    let put = header - 4;
                    let lens: [u8; 9] = lengths(len);
                    if first & 0x0f == 8 {
                        return Err(ErrorKind::ConnectionAborted.into());
                    }
                    input.copy_within(read + header..frame_end, written + put);
                    input[written] = first;
                    input[written + 1..written + put].copy_from_slice(&lens[..put - 1]);
                    written += put + len;
                    read = frame_end;
                }
                Frame::Lacks(lacks) => break lacks,
            }
        };
        if read < input.len() {
            let rest = &input[read..];
            self.held = Vec::with_capacity(rest.len() + lacks);
            self.held.extend_from_slice(rest);
            self.held_len = rest.len();
            self.held.resize(rest.len() + lacks, 0);
        }
        self.write(&input[..written]).map(drop)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unwritten.extend_from_slice(bytes);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The request comes in one read here.
    fn shake(&mut self, input: &[u8]) -> io::Result<()> {
        let head = String::from_utf8_lossy(input);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let mut hash = Sha1::new();
        hash.update(key.ok_or(ErrorKind::InvalidData)?.trim());
        hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.open = true;
        self.write(response.as_bytes()).map(drop)
    }
}

enum Frame {
    Whole {
        header: usize,
        len: usize,
    },
    /// At least so many bytes are missing.
    Lacks(usize),
}

fn frame(input: &[u8]) -> Frame {
    let Some(second) = input.get(1) else {
        return Frame::Lacks(6 - input.len());
    };
    let (header, len) = match (second & 0x7f, input) {
        (126, [_, _, a, b, ..]) => (8, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, [_, _, a, b, c, d, e, f, g, h, ..]) => {
            (14, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize)
        }
        (126, _) => return Frame::Lacks(8 - input.len()),
        (127, _) => return Frame::Lacks(14 - input.len()),
        (len, _) => (6, usize::from(len)),
    };
    match (header + len).checked_sub(input.len()) {
        None | Some(0) => Frame::Whole { header, len },
        Some(lacks) => Frame::Lacks(lacks),
    }
}

/// The second byte of a header, and what follows it.
fn lengths(len: usize) -> [u8; 9] {
    let mut bytes = [0; 9];
    match len {
        0..126 => bytes[0] = len as u8,
        126..0x1_0000 => {
            bytes[0] = 126;
            bytes[1..3].copy_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            bytes[0] = 127;
            bytes[1..].copy_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(mask)) * 0x1_0000_0001;
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}
