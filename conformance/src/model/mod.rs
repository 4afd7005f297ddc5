//! The reference model: receiving, read off RFC 6455 line by line, slow and plain on purpose.
//!
//! It takes the whole input in one piece and keeps nothing between calls. It shares no code with the machine: not the
//! header decoder, not the mask, not the UTF-8 validator, not the tables. Where the two differ, one of them is wrong.

mod compressed;
mod extensions;
mod inflate;
mod opening;

pub use extensions::{Element, Parameters, Sender, agreement, elements};
pub(crate) use inflate::{DISTANCES, LENGTHS, inflate_part};
pub use inflate::{End, Inflated, inflate_message};
pub use opening::{Opening, accept, request, response};

use crate::rule::{Answer, Role, Rule};

/// What a receiver takes (section 10.4), all inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The longest data frame, in bytes.
    pub frame_len: u64,
    /// The longest message, in bytes.
    pub message_len: u64,
    /// How many fragments a message may have beyond one for each 32 bytes of payload in those before it. A message in one
    /// frame has no fragments.
    pub fragments: u64,
}

/// How the messages are compressed that an endpoint hears (RFC 7692).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Whether a message may refer to those before it.
    pub takeover: bool,
    /// How far back a message may refer: 2 to the power of this, in bytes.
    pub window_bits: u8,
}

/// What a stream of frames comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it carries, in order; what comes before the byte that breaks a rule included.
    pub events: Vec<Event>,
    /// Whether it is legal.
    pub verdict: Verdict,
    /// The offset of each byte of a frame header.
    pub header_bytes: Vec<usize>,
    /// The offset of each byte inside a character of a text message: where a cut splits the character.
    pub inside_characters: Vec<usize>,
    /// The frames whose header has arrived, that of a frame with a broken header excepted.
    pub frames: Vec<Header>,
}

/// The header of a frame, and where the frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The offset of its first byte.
    pub start: usize,
    /// The offset of the first byte of its payload.
    pub payload: usize,
    /// FIN.
    pub fin: bool,
    /// The opcode.
    pub opcode: u8,
    /// The mask key, if the frame is masked.
    pub key: Option<[u8; 4]>,
    /// The length of the payload, as declared.
    pub length: u64,
    /// Of a data frame: the length of the message, this frame included; inflated, with the last frame of a compressed one.
    pub message_length: u64,
    /// Of a data frame: how many frames the message has, this one included.
    pub message_frames: u64,
}

/// One frame, or the part of one that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame of a message. Text is delivered in whole characters: one that is cut counts to the frame that ends it.
    Data {
        /// Text, or else binary.
        text: bool,
        /// The payload, unmasked.
        payload: Vec<u8>,
        /// Whether the message starts with this frame.
        message_start: bool,
        /// Whether all of the frame has arrived.
        frame_end: bool,
        /// Whether all of the message has arrived.
        message_end: bool,
    },
    /// A Ping.
    Ping(Vec<u8>),
    /// A Pong.
    Pong(Vec<u8>),
    /// A Close with its code and reason.
    Close(Option<u16>, String),
}

/// Whether a stream is legal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is legal, and it ends between two messages.
    Complete,
    /// All of it is legal so far, and more has to come.
    Unfinished,
    /// The peer has closed after so many bytes; what follows is to be discarded (section 5.5.1).
    Closed {
        /// The number of bytes up to the end of the Close frame.
        after: usize,
    },
    /// A rule is broken.
    Broken {
        /// The rule; several, where the same byte breaks several.
        rules: Vec<Rule>,
        /// The number of bytes that show it, the last of them included: an endpoint can know by then.
        after: usize,
    },
}

impl Reading {
    /// The whole messages: whether each is text, and its payload.
    #[must_use]
    pub fn messages(&self) -> Vec<(bool, Vec<u8>)> {
        messages(&self.events)
    }

    /// The first Close.
    #[must_use]
    pub fn close(&self) -> Option<(Option<u16>, &str)> {
        self.events.iter().find_map(|event| match event {
            Event::Close(code, reason) => Some((*code, reason.as_str())),
            Event::Data { .. } | Event::Ping(_) | Event::Pong(_) => None,
        })
    }

    /// What a conforming endpoint that sends nothing of its own has to send: opcode and payload of each frame. Reasons
    /// of Close frames are left out, since they are free.
    #[must_use]
    pub fn replies(&self) -> Vec<(u8, Vec<u8>)> {
        let mut replies = Vec::new();
        for event in &self.events {
            match event {
                // Section 5.5.2: a Pong in response, with the same application data (section 5.5.3).
                Event::Ping(payload) => replies.push((0xa, payload.clone())),
                // Section 5.5.1: a Close in response, typically with the same code.
                Event::Close(code, _) => replies.push((0x8, code_bytes(*code))),
                Event::Pong(_) | Event::Data { .. } => {}
            }
        }
        if let Some(code) = self.close_codes().first() {
            replies.push((0x8, code_bytes(Some(*code))));
        }
        replies
    }

    /// The codes with which a conforming endpoint may answer what is broken: several, where the same byte breaks rules
    /// with different codes.
    #[must_use]
    pub fn close_codes(&self) -> Vec<u16> {
        let Verdict::Broken { rules, .. } = &self.verdict else {
            return Vec::new();
        };
        let mut codes = Vec::new();
        for rule in rules {
            if let Answer::Close(code) = rule.answer() {
                codes.push(code);
            }
        }
        codes
    }
}

/// The whole messages among these events: whether each is text, and its payload.
#[must_use]
pub fn messages(events: &[Event]) -> Vec<(bool, Vec<u8>)> {
    let mut messages = Vec::new();
    let mut message = Vec::new();
    for event in events {
        if let Event::Data {
            text,
            payload,
            message_end,
            ..
        } = event
        {
            message.extend_from_slice(payload);
            if *message_end {
                messages.push((*text, std::mem::take(&mut message)));
            }
        }
    }
    messages
}

fn code_bytes(code: Option<u16>) -> Vec<u8> {
    code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec())
}

/// The message under way.
struct Message {
    text: bool,
    payload: Vec<u8>,
    /// Of a text: where each byte of the payload stood in the stream.
    offsets: Vec<usize>,
    /// How many bytes of it are in events.
    delivered: usize,
    /// How many frames of it have begun.
    frames: u64,
    compressed: bool,
}

/// What a receiver holds a stream to.
#[derive(Clone, Copy)]
struct Demands {
    bounds: Bounds,
    /// Lengths in their shortest form.
    shortest: bool,
    deflate: Option<Deflate>,
    /// Distances within the agreed window.
    near: bool,
}

/// What is kept between frames.
#[derive(Default)]
struct State {
    message: Option<Message>,
    /// What messages were inflated to, as far as later ones may refer to it.
    history: Vec<u8>,
}

/// Reads all frames that an endpoint in this role hears. No extension is agreed.
#[must_use]
pub fn receive(role: Role, bytes: &[u8], bounds: &Bounds) -> Reading {
    let demands = Demands {
        bounds: *bounds,
        shortest: true,
        deflate: None,
        near: true,
    };
    receive_as(role, bytes, demands)
}

/// The same where permessage-deflate is agreed, with these parameters for what the endpoint hears.
#[must_use]
pub fn receive_compressed(role: Role, bytes: &[u8], bounds: &Bounds, deflate: Deflate) -> Reading {
    let demands = Demands {
        bounds: *bounds,
        shortest: true,
        deflate: Some(deflate),
        near: true,
    };
    receive_as(role, bytes, demands)
}

/// The same by a receiver that takes lengths in whatever form, and distances beyond the agreed window: section 5.2 has the
/// sender use the shortest form, RFC 7692 section 7.2.1 has it keep to the window, and neither says what a receiver does
/// about another.
#[must_use]
pub fn receive_leniently(role: Role, bytes: &[u8], bounds: &Bounds, deflate: Option<Deflate>) -> Reading {
    let demands = Demands {
        bounds: *bounds,
        shortest: false,
        deflate,
        near: false,
    };
    receive_as(role, bytes, demands)
}

fn receive_as(role: Role, bytes: &[u8], demands: Demands) -> Reading {
    let mut reading = Reading {
        events: Vec::new(),
        verdict: Verdict::Unfinished,
        header_bytes: Vec::new(),
        inside_characters: Vec::new(),
        frames: Vec::new(),
    };
    let mut state = State::default();
    let mut start = 0;
    while let Some(&first) = bytes.get(start) {
        match frame(&mut reading, role, bytes, start, first, &mut state, demands) {
            Ok(end) => start = end,
            Err(verdict) => {
                reading.verdict = verdict;
                compressed::so_far(&mut reading, &state);
                return reading;
            }
        }
    }
    if state.message.is_none() {
        reading.verdict = Verdict::Complete;
    }
    compressed::so_far(&mut reading, &state);
    reading
}

/// Reads the frame that starts at `start`, and returns where it ends; or the verdict, if the stream ends here.
#[allow(clippy::too_many_lines, reason = "section 5.2 from top to bottom")]
fn frame(
    reading: &mut Reading,
    role: Role,
    bytes: &[u8],
    start: usize,
    first: u8,
    state: &mut State,
    demands: Demands,
) -> Result<usize, Verdict> {
    let Demands { bounds, shortest, .. } = demands;
    let message = &mut state.message;
    // What is broken, and by which byte: its number, counted from one.
    let mut broken: Vec<(usize, Rule)> = Vec::new();

    // FIN: 1 bit. RSV1, RSV2, RSV3: 1 bit each. Opcode: 4 bits.
    let fin = first & 0b1000_0000 != 0;
    let opcode = first & 0b0000_1111;
    let control = matches!(opcode, 0x8..=0xf);
    // RFC 7692 section 6: RSV1 is for the first frame of a message, and for no other.
    let rsv1 = first & 0b0100_0000 != 0;
    let compressed = rsv1 && demands.deflate.is_some() && matches!(opcode, 0x1 | 0x2);
    if first & 0b0011_0000 != 0 || rsv1 && demands.deflate.is_none() {
        broken.push((start + 1, Rule::ReservedBits));
    } else if rsv1 && !compressed {
        broken.push((start + 1, Rule::CompressedBit));
    }
    if matches!(opcode, 0x3..=0x7 | 0xb..=0xf) {
        broken.push((start + 1, Rule::ReservedOpcode));
    }
    // Section 5.5: control frames MUST NOT be fragmented.
    if control && !fin {
        broken.push((start + 1, Rule::FragmentedControl));
    }
    // Section 5.4: a first frame with another opcode, then frames with opcode 0, in one piece.
    if opcode == 0x0 && message.is_none() {
        broken.push((start + 1, Rule::UnexpectedContinuation));
    }
    if matches!(opcode, 0x1 | 0x2) && message.is_some() {
        broken.push((start + 1, Rule::ExpectedContinuation));
    }

    // A limit of this crate: a fragment more than the budget and the payload so far allow.
    let before = message.as_ref().map_or(0, |message| message.payload.len() as u64);
    let frames_before = message.as_ref().map_or(0, |message| message.frames);
    let next_of_message = opcode == 0x0 && message.is_some();
    let first_of_several = matches!(opcode, 0x1 | 0x2) && message.is_none() && !fin;
    if (next_of_message || first_of_several) && frames_before + 1 > bounds.fragments.saturating_add(before / 32) {
        broken.push((start + 1, Rule::TooManyFragments));
    }

    // Mask: 1 bit. Payload length: 7 bits, 7+16 bits, or 7+64 bits.
    let room = bounds.frame_len.min(bounds.message_len.saturating_sub(before));
    let mut masked = false;
    let mut length = 0;
    let mut length_bytes = 0;
    if let Some(second) = bytes.get(start + 1) {
        masked = second & 0b1000_0000 != 0;
        let seven = second & 0b0111_1111;
        // Section 5.1: a client MUST mask, a server MUST NOT.
        if role == Role::Server && !masked {
            broken.push((start + 2, Rule::UnmaskedFrame));
        }
        if role == Role::Client && masked {
            broken.push((start + 2, Rule::MaskedFrame));
        }
        // Section 5.5: all control frames MUST have a payload length of 125 bytes or less.
        if control && seven > 125 && shortest {
            broken.push((start + 2, Rule::ControlTooLong));
        }
        // Section 5.5.1: if there is a body, its first two bytes MUST be a code.
        if opcode == 0x8 && seven == 1 {
            broken.push((start + 2, Rule::CloseBodyOneByte));
        }
        length_bytes = match seven {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if length_bytes == 0 {
            length = u64::from(seven);
            if !control && length > room {
                broken.push((start + 2, Rule::TooBig));
            }
        }
        for known in 1..=length_bytes {
            let Some(field) = bytes.get(start + 2..start + 2 + known) else {
                break;
            };
            // The least and the most that the length can be, with what is known of it.
            let mut least: u64 = 0;
            let mut most: u64 = 0;
            for place in 0..length_bytes {
                let byte = field.get(place);
                least = least << 8 | byte.map_or(0x00, |byte| u64::from(*byte));
                most = most << 8 | byte.map_or(0xff, |byte| u64::from(*byte));
            }
            // "The most significant bit MUST be 0."
            if least >= 1 << 63 {
                broken.push((start + 2 + known, Rule::LengthTopBit));
            }
            // "The minimal number of bytes MUST be used to encode the length."
            if shortest && most <= if length_bytes == 2 { 125 } else { 65535 } {
                broken.push((start + 2 + known, Rule::LengthNotMinimal));
            }
            if !control && least > room {
                broken.push((start + 2 + known, Rule::TooBig));
            }
            if control && least > 125 {
                broken.push((start + 2 + known, Rule::ControlTooLong));
            }
            length = least;
        }
    }
    if let Some(after) = broken.iter().map(|(after, _)| *after).min() {
        let rules = broken.iter().filter(|one| one.0 == after).map(|one| one.1).collect();
        return Err(Verdict::Broken { rules, after });
    }

    // Masking key: 0 or 4 bytes.
    let header_end = start + 2 + length_bytes + if masked { 4 } else { 0 };
    reading.header_bytes.extend(start..header_end.min(bytes.len()));
    if bytes.len() < header_end {
        return Err(Verdict::Unfinished);
    }
    let key = if masked {
        bytes.get(header_end - 4..header_end)
    } else {
        None
    };

    // Payload data: what there is of it. Section 5.3: octet i XOR octet i modulo 4 of the key, so the key over and over.
    let arrived = bytes.get(header_end..).unwrap_or_default();
    let arrived = usize::try_from(length)
        .ok()
        .and_then(|length| arrived.get(..length))
        .unwrap_or(arrived);
    let payload: Vec<u8> = match key {
        Some(key) => arrived
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect(),
        None => arrived.to_vec(),
    };
    reading.frames.push(Header {
        start,
        payload: header_end,
        fin,
        opcode,
        key: key.and_then(|key| key.first_chunk().copied()),
        length,
        message_length: before.saturating_add(length),
        message_frames: frames_before + 1,
    });
    let at = header_end + payload.len();
    let whole = payload.len() as u64 == length;

    match opcode {
        0x8 => {
            close_body(&payload, whole).map_err(|(byte, rule)| Verdict::Broken {
                rules: vec![rule],
                after: header_end + byte,
            })?;
            for (place, byte) in payload.iter().enumerate().skip(2) {
                if matches!(byte, 0x80..=0xbf) {
                    reading.inside_characters.push(header_end + place);
                }
            }
            if !whole {
                return Err(Verdict::Unfinished);
            }
            let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            let reason = payload.get(2..).unwrap_or_default();
            let reason = String::from_utf8_lossy(reason).into_owned();
            reading.events.push(Event::Close(code, reason));
            Err(Verdict::Closed { after: at })
        }
        0x9 | 0xa if !whole => Err(Verdict::Unfinished),
        0x9 => {
            reading.events.push(Event::Ping(payload));
            Ok(at)
        }
        0xa => {
            reading.events.push(Event::Pong(payload));
            Ok(at)
        }
        _ => {
            let mut under_way = message.take().unwrap_or(Message {
                text: opcode == 0x1,
                payload: Vec::new(),
                offsets: Vec::new(),
                delivered: 0,
                frames: 0,
                compressed,
            });
            under_way.frames += 1;
            under_way.payload.extend_from_slice(&payload);
            if under_way.compressed {
                if !(whole && fin) {
                    *message = Some(under_way);
                    return if whole { Ok(at) } else { Err(Verdict::Unfinished) };
                }
                return compressed::message(reading, state, &under_way, demands, at).map(|()| at);
            }
            if under_way.text {
                under_way.offsets.extend(header_end..at);
            }
            let before = under_way.payload.len() - payload.len();
            let verdict = data(reading, &mut under_way, before, opcode != 0x0, whole, fin, at);
            if !(whole && fin) {
                *message = Some(under_way);
            }
            verdict.map(|()| at)
        }
    }
}

/// What a frame added to the message under way, which had `before` bytes.
fn data(
    reading: &mut Reading,
    message: &mut Message,
    before: usize,
    message_start: bool,
    frame_end: bool,
    fin: bool,
    end: usize,
) -> Result<(), Verdict> {
    let mut deliverable = message.payload.len();
    let mut broken = None;
    if message.text {
        // Section 8.1: a byte stream that is not UTF-8 fails the connection.
        // What is delivered ends with a whole character.
        let (valid, bad) = utf8(message.payload.get(message.delivered..).unwrap_or_default());
        let (valid, bad) = (message.delivered + valid, bad.map(|bad| message.delivered + bad));
        deliverable = valid;
        broken = match bad {
            Some(byte) => message.offsets.get(byte).map(|offset| offset + 1),
            None if valid < message.payload.len() && frame_end && fin => Some(end),
            None => None,
        };
        let arrived = message.offsets.iter().zip(&message.payload).skip(before);
        let continues = arrived.filter(|(_, byte)| matches!(byte, 0x80..=0xbf));
        reading.inside_characters.extend(continues.map(|(offset, _)| *offset));
    }
    let payload = message.payload.get(message.delivered..deliverable).unwrap_or_default();
    let frame_end = frame_end && broken.is_none();
    if frame_end || !payload.is_empty() {
        reading.events.push(Event::Data {
            text: message.text,
            payload: payload.to_vec(),
            message_start,
            frame_end,
            message_end: frame_end && fin,
        });
    }
    message.delivered = deliverable;
    match broken {
        Some(after) => Err(Verdict::Broken {
            rules: vec![Rule::TextNotUtf8],
            after,
        }),
        None if frame_end => Ok(()),
        None => Err(Verdict::Unfinished),
    }
}

/// Judges the body of a Close (sections 5.5.1 and 7.4). An error says how many bytes of the body show it.
fn close_body(body: &[u8], whole: bool) -> Result<(), (usize, Rule)> {
    let Some(code) = body.first_chunk().map(|code| u16::from_be_bytes(*code)) else {
        return Ok(());
    };
    let allowed = match code {
        // Section 7.4.2: not used.
        0..=999 => false,
        // Section 7.4.1: reserved, or MUST NOT be set as a status code in a Close control frame.
        1004 | 1005 | 1006 | 1015 => false,
        1000..=1011 => true,
        // The registry of section 11.7: service restart, try again later, bad gateway.
        1012..=1014 => true,
        // Reserved for definition by the protocol and its extensions: none is agreed.
        1016..=2999 => false,
        // Libraries and frameworks; private use.
        3000..=4999 => true,
        5000..=65535 => false,
    };
    if !allowed {
        return Err((2, Rule::InvalidCloseCode));
    }
    let reason = body.get(2..).unwrap_or_default();
    match utf8(reason) {
        (_, Some(bad)) => Err((2 + bad + 1, Rule::CloseReasonNotUtf8)),
        (valid, None) if whole && valid < reason.len() => Err((body.len(), Rule::CloseReasonNotUtf8)),
        (_, None) => Ok(()),
    }
}

/// How many bytes are whole characters, and which byte, if one, makes the text bad whatever follows it.
fn utf8(bytes: &[u8]) -> (usize, Option<usize>) {
    let Err(error) = std::str::from_utf8(bytes) else {
        return (bytes.len(), None);
    };
    let valid = error.valid_up_to();
    for len in valid..=bytes.len() {
        let start = bytes.get(valid..len).unwrap_or_default();
        if std::str::from_utf8(start).is_err_and(|error| error.error_len().is_some()) {
            return (valid, Some(len - 1));
        }
    }
    (valid, None)
}
