//! The yardstick: loops written by hand that copy the bytes in, decode the header, unmask and validate, or write a
//! header and copy the payload out. They check nothing of the protocol and keep no state beyond the payload.
//!
//! There are two that receive. One hands out whole messages: in place where a frame lies whole in the read buffer,
//! else out of an assembly buffer that is used again. The other hands out pieces as they come and never assembles.

use std::sync::Arc;

use base64::Engine;
use sha1::Digest;

use crate::pipe::{OWN_READ, PageBuffer, Pipe};
use crate::subject::{Peer, Run, Subject};
use crate::watch::Watch;
use crate::workloads::{Job, Role, Workload, XorShift};

pub const WHOLE: Peer = Peer {
    name: "floor",
    make: whole,
    hold: None,
    holds_pipe: false,
};
pub const WIDE: Peer = Peer {
    name: "floor, AVX2",
    make: wide,
    hold: None,
    holds_pipe: false,
};
pub const PIECES: Peer = Peer {
    name: "floor, pieces",
    make: pieces,
    hold: None,
    holds_pipe: false,
};

fn whole(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let pipe = pipe.clone();
    let server = workload.role == Role::Server;
    Some(match workload.job {
        Job::Receive if server => Box::new(Receive::<true, false>::new(pipe)),
        Job::Receive => Box::new(Receive::<false, false>::new(pipe)),
        Job::Send if server => Box::new(Send::<false> {
            pipe,
            workload: workload.clone(),
            out: Vec::new(),
            keys: XorShift::new(6),
        }),
        Job::Send => Box::new(Send::<true> {
            pipe,
            workload: workload.clone(),
            out: Vec::new(),
            keys: XorShift::new(6),
        }),
        Job::Echo => Box::new(Echo(Receive::new(pipe), Vec::new())),
        Job::Handshake => Box::new(Handshake {
            pipe,
            workload: workload.clone(),
            buffer: PageBuffer::new(OWN_READ),
            out: Vec::new(),
        }),
    })
}

/// The same with wider registers for what is long, chosen at run time.
fn wide(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let long = workload.job == Job::Receive && workload.role == Role::Server && workload.len >= 4096;
    if long && has_avx2() {
        Some(Box::new(Receive::<true, true>::new(pipe.clone())))
    } else {
        None
    }
}

fn pieces(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    // Small messages come in one piece but for the few that a read cuts.
    if workload.job != Job::Receive || workload.len < 4096 {
        return None;
    }
    let pipe = pipe.clone();
    Some(match workload.role {
        Role::Server => Box::new(Pieces::<true>::new(pipe)),
        Role::Client => Box::new(Pieces::<false>::new(pipe)),
    })
}

struct Head {
    first: u8,
    len: usize,
    key: [u8; 4],
    size: usize,
}

/// The header, or `None` when it is not all there.
#[inline(always)]
fn head<const MASKED: bool>(bytes: &[u8]) -> Option<Head> {
    let extra = if MASKED { 4 } else { 0 };
    let [first, second, rest @ ..] = bytes else { return None };
    let (len, size) = match second & 127 {
        126 => (u16::from_be_bytes(*rest.first_chunk()?) as usize, 4),
        127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 10),
        len => (len as usize, 2),
    };
    let key = if MASKED {
        *bytes.get(size..)?.first_chunk()?
    } else {
        [0; 4]
    };
    Some(Head {
        first: *first,
        len,
        key,
        size: size + extra,
    })
}

/// The key twice.
#[inline(always)]
fn word(key: [u8; 4]) -> u64 {
    u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001
}

/// Below this length a loop over words ends before wider registers could start.
const SMALL: usize = 64;

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
fn unmask_avx2(bytes: &mut [u8], key: [u8; 4]) {
    unmask_words::<{ usize::MAX }>(bytes, key);
}

/// Unmasks in place; `key` belongs to the first byte.
#[inline(always)]
fn unmask<const WIDE: bool>(bytes: &mut [u8], key: [u8; 4]) {
    if WIDE && bytes.len() >= 256 && has_avx2() {
        // SAFETY: the processor has it.
        #[allow(unused_unsafe, reason = "elsewhere it is an ordinary function")]
        unsafe {
            return unmask_avx2(bytes, key);
        }
    }
    if bytes.len() < SMALL {
        unmask_words::<{ SMALL / 8 }>(bytes, key)
    } else {
        unmask_words::<{ usize::MAX }>(bytes, key)
    }
}

/// At most `MOST` words, which tells the compiler whether vectors are worth their preparation.
#[inline(always)]
fn unmask_words<const MOST: usize>(bytes: &mut [u8], key: [u8; 4]) {
    let word = word(key);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words.iter_mut().take(MOST) {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Masks or unmasks from one place to another of the same length.
#[inline(always)]
fn unmask_copy(from: &[u8], to: &mut [u8], key: [u8; 4]) {
    if from.len() < SMALL {
        copy_words::<{ SMALL / 8 }>(from, to, key);
    } else {
        copy_words::<{ usize::MAX }>(from, to, key);
    }
}

#[inline(always)]
fn copy_words<const MOST: usize>(from: &[u8], to: &mut [u8], key: [u8; 4]) {
    let word = word(key);
    let (from, from_rest) = from.as_chunks::<8>();
    let (to, to_rest) = to.as_chunks_mut::<8>();
    for (from, to) in from.iter().zip(to).take(MOST) {
        *to = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
    }
    for ((from, to), key) in from_rest.iter().zip(to_rest).zip(word.to_ne_bytes()) {
        *to = from ^ key;
    }
}

fn rotated(key: [u8; 4], by: usize) -> [u8; 4] {
    let mut key = key;
    key.rotate_left(by % 4);
    key
}

/// A block stays in the first-level cache between unmasking and validation.
const BLOCK: usize = 8 << 10;

/// Unmasks and validates in place.
#[inline(always)]
fn unmask_text<const MASKED: bool, const WIDE: bool>(bytes: &mut [u8], key: [u8; 4]) -> bool {
    if bytes.len() > BLOCK {
        return unmask_blocks::<MASKED, WIDE>(bytes, key);
    }
    if MASKED {
        unmask::<WIDE>(bytes, key);
    }
    if bytes.len() < 64 {
        std::str::from_utf8(bytes).is_ok()
    } else {
        simdutf8::basic::from_utf8(bytes).is_ok()
    }
}

/// Unmasks and validates in place, block by block.
#[inline(never)]
fn unmask_blocks<const MASKED: bool, const WIDE: bool>(bytes: &mut [u8], key: [u8; 4]) -> bool {
    let (mut valid, mut done) = (true, 0);
    while done < bytes.len() {
        let end = (done + BLOCK).min(bytes.len());
        // What is validated lags behind by the character that a block cuts.
        let lag = if done == 0 { 0 } else { cut(&bytes[..done]) };
        if MASKED {
            unmask::<WIDE>(&mut bytes[done..end], rotated(key, done));
        }
        let until = if end == bytes.len() {
            end
        } else {
            end - cut(&bytes[..end])
        };
        valid &= simdutf8::basic::from_utf8(&bytes[done - lag..until]).is_ok();
        done = end;
    }
    valid
}

/// How many bytes at the end are the start of a character that goes on.
fn cut(bytes: &[u8]) -> usize {
    for back in 1..=3.min(bytes.len()) {
        let byte = bytes[bytes.len() - back];
        let need = match byte {
            0x80..0xc0 => continue,
            0..0x80 => 1,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
        };
        return if need > back { back } else { 0 };
    }
    0
}

/// A longer frame does not fit into the buffer.
const LONG: usize = 64 << 10;

/// Receives whole messages.
struct Receive<const MASKED: bool, const WIDE: bool> {
    pipe: Pipe,
    buffer: PageBuffer,
    /// For messages that do not lie whole in the buffer.
    assembly: Assembly,
}

impl<const MASKED: bool, const WIDE: bool> Receive<MASKED, WIDE> {
    fn new(pipe: Pipe) -> Self {
        // Room for several reads, so that a message which a read cuts need not be moved each time.
        Self {
            pipe,
            buffer: PageBuffer::new(LONG + OWN_READ + 16),
            assembly: Assembly::default(),
        }
    }

    #[inline(always)]
    fn each(&mut self, mut message: impl FnMut(&[u8])) {
        self.pipe.rewind();
        let buffer = &mut self.buffer[..];
        let (mut start, mut end) = (0, 0);
        let (mut open, mut wanted) = (0, 0);
        loop {
            // What is wanted to complete a frame that a read cut is read behind it, and no more, so that the next frame
            // starts with the buffer; the start of a frame whose header is cut, a few bytes, is moved.
            let room = match wanted {
                0 => {
                    buffer.copy_within(start..end, 0);
                    (start, end) = (0, end - start);
                    OWN_READ
                }
                wanted => wanted,
            };
            let len = self.pipe.read_into(&mut buffer[end..end + room]);
            if len == 0 {
                return;
            }
            wanted = 0;
            end += len;
            while let Some(head) = head::<MASKED>(&buffer[start..end]) {
                let body = start + head.size;
                let single = open == 0 && head.first & 0x80 != 0;
                if single && let Some(payload) = buffer[body..end].get_mut(..head.len) {
                    start = body + head.len;
                    if head.first & 15 == 1 {
                        assert!(unmask_text::<MASKED, WIDE>(payload, head.key));
                    } else if MASKED {
                        unmask::<WIDE>(payload, head.key);
                    }
                    message(payload);
                } else if single && head.len <= OWN_READ {
                    wanted = body + head.len - end;
                    break;
                } else if single && let Some(target) = buffer[body..].get_mut(..head.len) {
                    let there = end - body;
                    if MASKED {
                        unmask::<WIDE>(&mut target[..there], head.key);
                    }
                    read_rest::<MASKED, WIDE>(&self.pipe, target, there, &head);
                    message(target);
                    (start, end) = (0, 0);
                } else {
                    let there = head.len.min(end - body);
                    start = body + there;
                    let last = head.first & 0x80 != 0;
                    self.assembly
                        .append::<MASKED, WIDE>(&self.pipe, &buffer[body..start], head);
                    open = self.assembly.filled;
                    if last {
                        message(self.assembly.take());
                        open = 0;
                    }
                }
            }
        }
    }
}

/// Reads what a frame lacks to where it belongs, and unmasks and validates each read while it is in the first-level
/// cache. The first `done` bytes are there and unmasked.
#[inline(never)]
fn read_rest<const MASKED: bool, const WIDE: bool>(pipe: &Pipe, target: &mut [u8], mut done: usize, head: &Head) {
    let text = head.first & 15 == 1;
    let mut valid = 0;
    loop {
        let whole = done == target.len();
        if text {
            let until = if whole { done } else { done - cut(&target[..done]) };
            assert!(simdutf8::basic::from_utf8(&target[valid..until]).is_ok());
            valid = until;
        }
        if whole {
            return;
        }
        let end = target.len().min(done + OWN_READ);
        let len = pipe.read_into(&mut target[done..end]);
        assert!(len > 0, "the input ended before the messages did");
        if MASKED {
            unmask::<WIDE>(&mut target[done..done + len], rotated(head.key, done));
        }
        done += len;
    }
}

/// A message that comes in several frames, or in a frame longer than a read.
#[derive(Default)]
struct Assembly {
    /// As long as the longest message so far.
    buffer: Vec<u8>,
    filled: usize,
}

impl Assembly {
    /// Appends a frame: what is `there` of it already, the rest read to where it belongs.
    #[inline(never)]
    fn append<const MASKED: bool, const WIDE: bool>(&mut self, pipe: &Pipe, there: &[u8], head: Head) {
        let end = self.filled + head.len;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let target = &mut self.buffer[self.filled..end];
        if MASKED {
            unmask_copy(there, &mut target[..there.len()], head.key);
        } else {
            target[..there.len()].copy_from_slice(there);
        }
        read_rest::<MASKED, WIDE>(pipe, target, there.len(), &head);
        self.filled = end;
    }

    fn take(&mut self) -> &[u8] {
        &self.buffer[..std::mem::take(&mut self.filled)]
    }
}

impl<const MASKED: bool, const WIDE: bool> Run for Receive<MASKED, WIDE> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.each(|payload| watch.message(payload));
    }
}

/// Receives pieces of messages.
struct Pieces<const MASKED: bool> {
    pipe: Pipe,
    buffer: PageBuffer,
}

impl<const MASKED: bool> Pieces<MASKED> {
    fn new(pipe: Pipe) -> Self {
        Self {
            pipe,
            buffer: PageBuffer::new(OWN_READ + 16),
        }
    }
}

impl<const MASKED: bool> Run for Pieces<MASKED> {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.pipe.rewind();
        let buffer = &mut self.buffer[..];
        // What remains of the open frame, its key for the next byte, and its first byte.
        let (mut remaining, mut key, mut first) = (0, [0; 4], 0);
        // The start of a character that a piece cut.
        let (mut carry, mut carried) = ([0; 4], 0);
        let mut end = 0;
        loop {
            let len = self.pipe.read_into(&mut buffer[end..]);
            if len == 0 {
                return;
            }
            end += len;
            let mut start = 0;
            loop {
                if remaining == 0 {
                    let Some(head) = head::<MASKED>(&buffer[start..end]) else {
                        break;
                    };
                    (remaining, key, first) = (head.len, head.key, head.first);
                    start += head.size;
                }
                let there = remaining.min(end - start);
                let piece = &mut buffer[start..start + there];
                if first & 15 == 1 {
                    let mut done = 0;
                    while done < piece.len() {
                        let block_end = (done + BLOCK).min(piece.len());
                        let block = &mut piece[done..block_end];
                        if MASKED {
                            unmask::<false>(block, rotated(key, done));
                        }
                        let mut block = &block[..];
                        while carried > 0 && !block.is_empty() {
                            carry[carried] = block[0];
                            carried += 1;
                            block = &block[1..];
                            if std::str::from_utf8(&carry[..carried]).is_ok() {
                                carried = 0;
                            } else {
                                assert!(carried < 4);
                            }
                        }
                        let cut = cut(block);
                        let (whole, part) = block.split_at(block.len() - cut);
                        assert!(simdutf8::basic::from_utf8(whole).is_ok());
                        carry[..cut].copy_from_slice(part);
                        carried += cut;
                        done = block_end;
                    }
                } else if MASKED {
                    unmask::<false>(piece, key);
                }
                watch.piece(piece);
                key = rotated(key, there);
                remaining -= there;
                start += there;
                if remaining > 0 {
                    break;
                }
                if first & 0x80 != 0 {
                    assert!(carried == 0);
                    watch.end();
                }
            }
            buffer.copy_within(start..end, 0);
            end -= start;
        }
    }
}

/// The output is handed on when it holds this much.
const FLUSH: usize = 64 << 10;

/// Appends a frame, its payload masked on its way. One check for room, then stores.
#[inline(always)]
fn put<const MASKED: bool>(out: &mut Vec<u8>, first: u8, payload: &[u8], key: [u8; 4]) {
    let bit = if MASKED { 0x80 } else { 0 };
    out.reserve(14 + payload.len());
    // SAFETY: this much room was reserved; it is only written to, through plain bytes.
    let room = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().add(out.len()), 14 + payload.len()) };
    let size = match payload.len() {
        len @ 0..126 => {
            room[..2].copy_from_slice(&[first, bit | len as u8]);
            2
        }
        len @ 126..65536 => {
            room[..2].copy_from_slice(&[first, bit | 126]);
            room[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        len => {
            room[..2].copy_from_slice(&[first, bit | 127]);
            room[2..10].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    };
    let size = if MASKED {
        room[size..size + 4].copy_from_slice(&key);
        unmask_copy(payload, &mut room[size + 4..size + 4 + payload.len()], key);
        size + 4
    } else {
        room[size..size + payload.len()].copy_from_slice(payload);
        size
    };
    // SAFETY: the header and the payload have been written.
    unsafe { out.set_len(out.len() + size + payload.len()) };
}

struct Send<const MASKED: bool> {
    pipe: Pipe,
    workload: Arc<Workload>,
    out: Vec<u8>,
    keys: XorShift,
}

impl<const MASKED: bool> Run for Send<MASKED> {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let Self {
            pipe,
            workload,
            out,
            keys,
        } = self;
        let first = 0x80 | workload.opcode();
        for payload in workload.sends() {
            let key = if MASKED { keys.key() } else { [0; 4] };
            put::<MASKED>(out, first, payload, key);
            if out.len() >= FLUSH {
                pipe.send(out);
                out.clear();
            }
        }
        pipe.send(out);
        out.clear();
    }
}

/// A server that sends each message back.
struct Echo(Receive<true, false>, Vec<u8>);

impl Run for Echo {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Self(receive, out) = self;
        let pipe = receive.pipe.clone();
        receive.each(|payload| {
            watch.message(payload);
            put::<false>(out, 0x81, payload, [0; 4]);
            if out.len() >= FLUSH {
                pipe.send(out);
                out.clear();
            }
        });
        pipe.send(out);
        out.clear();
    }
}

/// Parses the request with `httparse`, and answers without checking more than that there is a key.
struct Handshake {
    pipe: Pipe,
    workload: Arc<Workload>,
    buffer: PageBuffer,
    out: Vec<u8>,
}

impl Run for Handshake {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let len = self.workload.len;
        for i in 0..self.workload.count {
            self.pipe.seek(i * len..(i + 1) * len);
            let len = self.pipe.read_into(&mut self.buffer);
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut headers);
            assert!(request.parse(&self.buffer[..len]).unwrap().is_complete());
            let key = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"));
            let mut sha = sha1::Sha1::new();
            sha.update(key.unwrap().value);
            sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let mut accept = [0; 28];
            base64::engine::general_purpose::STANDARD
                .encode_slice(sha.finalize(), &mut accept)
                .unwrap();
            self.out.clear();
            self.out.extend_from_slice(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ",
            );
            self.out.extend_from_slice(&accept);
            self.out.extend_from_slice(b"\r\n\r\n");
            self.pipe.send(&self.out);
        }
    }
}
