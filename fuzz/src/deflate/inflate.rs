//! Any compressed payloads, in any frames and pieces, at every level: they come to the same, whatever the engines did before.

use std::cell::RefCell;

use arbitrary::{Arbitrary, Result, Unstructured};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use sockless::buffer::ReadBuffer;
use sockless::connection::{ChunkEvent, Client, Connection, Reply, Role, Server};
use sockless::deflate::{DeflateAgreement, DeflateConnection, DeflateOptions, Engines};
use sockless::error::{Failure, LimitExceeded, ReceiveError, Violation};
use sockless::frame::{Header, MAX_HEADER_LEN, Mask, MessageKind, Opcode};
use sockless::handshake::Extension;
use sockless::limits::Limits;
use sockless::message::Event;

use super::Cuts;
use crate::role::{FixedKeys, Peer};

/// An inflater of the engines, in bytes.
const INFLATER: usize = 48_000;

/// Traffic, and how it is received.
#[derive(Debug)]
struct Traffic {
    client: bool,
    window_bits: u8,
    takeover: bool,
    limits: Limits,
    scratch: usize,
    cuts: Cuts,
    /// Where the streaming level hands over to the message level.
    turn: u16,
    bytes: Vec<u8>,
    /// The payload of the first frame, if that is a compressed message.
    first: Option<Vec<u8>>,
}

impl<'a> Arbitrary<'a> for Traffic {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let client = u.arbitrary()?;
        let longest = match u.int_in_range(0..=3_u8)? {
            0 => u.int_in_range(0..=300)?,
            1 => u.int_in_range(0..=20_000)?,
            _ => 1 << 17,
        };
        let mut traffic = Self {
            client,
            window_bits: u.int_in_range(8..=15)?,
            takeover: u.ratio(3_u8, 4_u8)?,
            limits: Limits::default()
                .with_max_message_len(longest)
                .with_fragment_budget(u.int_in_range(0..=256)?),
            scratch: u.int_in_range(64..=2000)?,
            cuts: u.arbitrary()?,
            turn: u.arbitrary()?,
            bytes: Vec::new(),
            first: None,
        };
        while !u.is_empty() {
            let what = u.int_in_range(0..=11_u8)?;
            let most = u.arbitrary_len::<u8>()?.min(4000);
            let len = if u.arbitrary()? { most } else { most.min(9) };
            let payload = u.bytes(len)?;
            let (fin, rsv, opcode) = match what {
                0..=3 => (true, 4, Opcode::Text),
                4..=5 => (true, 4, Opcode::Binary),
                6 => (false, 4, Opcode::Text),
                7 => (false, 0, Opcode::Continuation),
                8 => (true, 0, Opcode::Continuation),
                9 => (true, 0, Opcode::Binary),
                10 => (true, 0, Opcode::Ping),
                _ => {
                    // Anything else.
                    traffic.bytes.extend_from_slice(payload);
                    continue;
                }
            };
            if traffic.bytes.is_empty() && what <= 5 {
                traffic.first = Some(payload.to_vec());
            }
            let header = Header {
                fin,
                rsv,
                opcode,
                mask_key: (!client).then_some([0x37, 0xfa, 0x21, 0x3d]),
                payload_len: payload.len() as u64,
            };
            traffic.bytes.extend_from_slice(header.encode(&mut [0; MAX_HEADER_LEN]));
            let start = traffic.bytes.len();
            traffic.bytes.extend_from_slice(payload);
            if let Some(key) = header.mask_key {
                Mask::new(key).apply(&mut traffic.bytes[start..]);
            }
        }
        Ok(traffic)
    }
}

impl Traffic {
    fn agreement(&self) -> DeflateAgreement {
        let options = DeflateOptions::new()
            .with_receive_window_bits(self.window_bits)
            .with_receive_takeover(self.takeover);
        if self.client {
            let answer = format!(
                "permessage-deflate; server_max_window_bits={}{}",
                self.window_bits,
                if self.takeover {
                    ""
                } else {
                    "; server_no_context_takeover"
                }
            );
            match options.judge(Extension::parse(&answer)) {
                Ok(Some(agreement)) => agreement,
                other => panic!("{answer}: {other:?}"),
            }
        } else {
            let offer = Extension::parse("permessage-deflate; client_max_window_bits");
            options.accept(offer).expect("an offer that is acceptable")
        }
    }

    fn connect<R: Peer>(&self) -> DeflateConnection<R> {
        DeflateConnection::new(Connection::new(R::make(), &self.limits), Some(&self.agreement()))
    }

    /// What a connection and engines hold is bounded.
    fn check_memory<R: Role>(&self, ws: &DeflateConnection<R>, engines: &Engines, scratch: usize) {
        assert!(
            ws.memory() <= (32 << 10) + INFLATER,
            "a connection holds {}",
            ws.memory()
        );
        let longest = usize::try_from(self.limits.max_message_len).expect("a small limit");
        // Scratch that was long is kept for a while.
        let most = 4 * INFLATER + scratch.max(longest + 1).max(256 << 10).max(9 * longest);
        assert!(engines.memory() <= most, "engines hold {}", engines.memory());
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Messages, and control frames with their opcode.
    events: Vec<(Opcode, Vec<u8>)>,
    /// What has come of the message whose end has not.
    open: Option<Vec<u8>>,
    failure: Option<Failure>,
    output: Vec<u8>,
    /// Whether a message or a frame is incomplete.
    incomplete: bool,
}

impl Seen {
    fn chunk(&mut self, event: &ChunkEvent<'_>) {
        let (kind, data, start, end) = match event {
            ChunkEvent::Text(chunk) => (
                MessageKind::Text,
                chunk.data.as_bytes(),
                chunk.message_start,
                chunk.message_end,
            ),
            ChunkEvent::Binary(chunk) => (MessageKind::Binary, chunk.data, chunk.message_start, chunk.message_end),
            ChunkEvent::Ping(data) => return self.events.push((Opcode::Ping, data.to_vec())),
            ChunkEvent::Pong(data) => return self.events.push((Opcode::Pong, data.to_vec())),
            ChunkEvent::Close(_) => return self.events.push((Opcode::Close, Vec::new())),
            other => panic!("{other:?}"),
        };
        assert_eq!(start, self.open.is_none(), "a message starts once");
        self.open.get_or_insert_default().extend_from_slice(data);
        if end {
            let message = self.open.take().unwrap_or_default();
            assert!(kind == MessageKind::Binary || std::str::from_utf8(&message).is_ok());
            let opcode = match kind {
                MessageKind::Text => Opcode::Text,
                MessageKind::Binary => Opcode::Binary,
            };
            self.events.push((opcode, message));
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        self.events.push(match event {
            Event::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
            Event::Binary(data) => (Opcode::Binary, data.to_vec()),
            Event::Ping(data) => (Opcode::Ping, data.to_vec()),
            Event::Pong(data) => (Opcode::Pong, data.to_vec()),
            Event::Close(_) => (Opcode::Close, Vec::new()),
            other => panic!("{other:?}"),
        });
    }

    fn failed(&mut self, error: ReceiveError) {
        match error {
            ReceiveError::Failed(failure) => self.failure = Some(failure),
            other => panic!("nothing is owed here: {other}"),
        }
    }
}

/// A connection while it receives.
struct Run<R> {
    ws: DeflateConnection<R>,
    input: ReadBuffer,
    out: Vec<u8>,
    seen: Seen,
}

impl<R: Peer> Run<R> {
    fn new(traffic: &Traffic) -> Self {
        Self {
            ws: traffic.connect(),
            input: ReadBuffer::new(),
            out: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// One piece at the streaming level, until it has failed.
    fn chunks(&mut self, piece: &[u8], engines: &mut Engines) {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        while self.seen.failure.is_none() {
            match self.ws.receive_chunk(&mut input, &mut self.out, engines) {
                Ok(Some((event, _))) => self.seen.chunk(&event),
                Ok(None) => return assert!(input.is_empty(), "everything is consumed"),
                Err(error) => self.seen.failed(error),
            }
        }
    }

    /// One piece at the message level, until it has failed.
    fn messages(&mut self, piece: &[u8], engines: &mut Engines) {
        if self.seen.failure.is_some() {
            return;
        }
        assert_eq!(self.input.extend(piece), Ok(()));
        while self.seen.failure.is_none() {
            match self.ws.receive(&mut self.input, &mut self.out, engines) {
                Ok(Some((event, _))) => self.seen.event(&event),
                Ok(None) => return,
                Err(error) => self.seen.failed(error),
            }
        }
        assert!(self.input.unread().is_empty(), "input is left after a failure");
    }

    fn end(mut self) -> Seen {
        self.seen.incomplete = !self.input.unread().is_empty() || self.ws.connection().message_progress().is_some();
        self.seen.output = self.out;
        self.seen
    }
}

fn chunks<R: Peer>(traffic: &Traffic, cuts: &Cuts, engines: &mut Engines, scratch: usize) -> Seen {
    let mut run = Run::<R>::new(traffic);
    for piece in cuts.pieces(&traffic.bytes) {
        run.chunks(piece, engines);
        traffic.check_memory(&run.ws, engines, scratch);
    }
    run.end()
}

fn messages<R: Peer>(traffic: &Traffic, cuts: &Cuts, engines: &mut Engines, scratch: usize) -> Seen {
    let mut run = Run::<R>::new(traffic);
    for piece in cuts.pieces(&traffic.bytes) {
        run.messages(piece, engines);
        traffic.check_memory(&run.ws, engines, scratch);
    }
    run.end()
}

/// The receive half alone, at the streaming level or at the message level.
fn halves<R: Peer>(traffic: &Traffic, cuts: &Cuts, engines: &mut Engines, chunks: bool) -> Seen {
    let Ok((mut receiver, mut sender)) = traffic.connect::<R>().split() else {
        panic!("nothing is being sent");
    };
    let (mut input, mut out, mut seen) = (ReadBuffer::new(), Vec::new(), Seen::default());
    let mut reply = |reply: Option<Reply>, engines: &mut Engines| {
        if let Some(reply) = reply {
            assert_eq!(sender.tx(&mut out, engines).reply(&reply), Ok(()));
        }
    };
    let mut others = Engines::new();
    for piece in cuts.pieces(&traffic.bytes) {
        let mut copy = piece.to_vec();
        let mut slice = &mut copy[..];
        if !chunks && seen.failure.is_none() {
            assert_eq!(input.extend(piece), Ok(()));
        }
        while seen.failure.is_none() {
            let received = if chunks {
                receiver.receive_chunk(&mut slice, engines).map(|event| {
                    event.map(|event| {
                        seen.chunk(&event);
                        event.reply()
                    })
                })
            } else {
                let received = receiver.receive(&mut input, engines).map(|event| {
                    event.map(|event| {
                        seen.event(&event);
                        event.reply()
                    })
                });
                received.map_err(ReceiveError::from)
            };
            match received {
                Ok(Some(owed)) => reply(owed, &mut others),
                Ok(None) => break,
                Err(error) => {
                    seen.failed(error);
                    reply(seen.failure.map(Reply::from), &mut others);
                }
            }
        }
    }
    seen.incomplete = !input.unread().is_empty() || receiver.receiver().message_progress().is_some();
    seen.output = out;
    seen
}

/// A part at the streaming level, the rest at the message level: only the message under way in between is left out.
fn turning<R: Peer>(traffic: &Traffic, engines: &mut Engines) -> Seen {
    let mut run = Run::<R>::new(traffic);
    let (first, rest) = traffic.bytes.split_at(traffic.bytes.len().min(traffic.turn.into()));
    for piece in traffic.cuts.pieces(first) {
        run.chunks(piece, engines);
    }
    run.seen.open = None;
    for piece in traffic.cuts.pieces(rest) {
        run.messages(piece, engines);
    }
    run.end()
}

fn is_data((opcode, _): &&(Opcode, Vec<u8>)) -> bool {
    matches!(opcode, Opcode::Text | Opcode::Binary)
}

/// Whether it is about what a payload turned out to be, which the message level sees at the end of a message.
fn is_about_data(failure: Failure) -> bool {
    let data: [Failure; 5] = [
        Violation::NotDeflate.into(),
        Violation::DeflateCut.into(),
        Violation::TextNotUtf8.into(),
        LimitExceeded::MessageTooLong.into(),
        LimitExceeded::TooManyStreams.into(),
    ];
    data.contains(&failure)
}

thread_local! {
    /// Engines that all these connections have used, one after the other.
    static USED: RefCell<Engines> = const { RefCell::new(Engines::with_scratch(300)) };
}

/// Compressed messages, most of them corrupt, and control frames between: each level comes to the same in any pieces, with any
/// engines, and the levels agree. What is accepted is what another inflater makes of it.
pub fn inflate(data: &[u8]) {
    let Ok(traffic) = Traffic::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    if traffic.client {
        inflate_as::<Client<FixedKeys>>(&traffic);
    } else {
        inflate_as::<Server>(&traffic);
    }
}

fn inflate_as<R: Peer>(traffic: &Traffic) {
    let Traffic { cuts, scratch, .. } = traffic;
    let fresh = || Engines::with_scratch(*scratch);
    USED.with_borrow_mut(|used| {
        let streamed = chunks::<R>(traffic, &Cuts::EACH, &mut Engines::with_scratch(64), 64);
        let again = [
            chunks::<R>(traffic, cuts, &mut fresh(), *scratch),
            chunks::<R>(traffic, &Cuts::WHOLE, used, 300),
            halves::<R>(traffic, cuts, used, true),
        ];
        for seen in &again {
            assert_eq!(seen, &streamed, "the streaming level");
        }
        let whole = messages::<R>(traffic, &Cuts::EACH, &mut Engines::with_scratch(64), 64);
        let again = [
            messages::<R>(traffic, cuts, &mut fresh(), *scratch),
            messages::<R>(traffic, &Cuts::WHOLE, used, 300),
            halves::<R>(traffic, cuts, used, false),
        ];
        for seen in &again {
            assert_eq!(seen, &whole, "the message level");
        }

        // Behind data that is wrong, the message level hands out control frames until the message is whole.
        assert!(
            whole.events.starts_with(&streamed.events),
            "the streaming level has handed out more"
        );
        let late = whole.events[streamed.events.len()..].iter().find(is_data);
        assert_eq!(late, None, "the message level has handed out more");
        match (streamed.failure, whole.failure) {
            (None, None) => assert_eq!(streamed.events, whole.events),
            (Some(_), None) => assert!(whole.incomplete, "a failure of the streaming level alone"),
            (None, Some(failure)) => panic!("a failure of the message level alone: {failure}"),
            (Some(streamed), Some(whole)) => {
                assert!(streamed == whole || is_about_data(streamed), "{streamed} {whole}")
            }
        }

        let turned = turning::<R>(traffic, used);
        if streamed.failure.is_none() {
            assert_eq!(turned.failure, None);
            let expected: Vec<_> = streamed.events.iter().filter(is_data).collect();
            let got: Vec<_> = turned.events.iter().filter(is_data).collect();
            let missing = expected.len() - got.len();
            assert!(missing <= 1, "{missing} messages are missing");
            let same = expected.iter().zip(&got).take_while(|(a, b)| a == b).count();
            assert_eq!(expected[same + missing..], got[same..], "the rest is the same");
        }
    });
    if let Some(payload) = &traffic.first {
        let mut engines = Engines::new();
        let mut run = Run::<R>::new(traffic);
        run.messages(&traffic.bytes, &mut engines);
        if let Some((_, message)) = run.seen.events.iter().find(is_data) {
            agrees_with_another_inflater(payload, message);
        }
    }
}

/// What was made of a message's payload is what another inflater makes of it, up to the end of its first DEFLATE stream.
fn agrees_with_another_inflater(payload: &[u8], message: &[u8]) {
    let data = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut out = vec![0; message.len() + 1];
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
    let (status, _, made) = decompress(&mut DecompressorOxide::new(), &data, &mut out, 0, flags);
    match status {
        TINFLStatus::NeedsMoreInput => assert_eq!(out[..made], *message),
        TINFLStatus::Done => assert!(message.starts_with(&out[..made])),
        other => panic!("refused by another inflater: {other:?}"),
    }
}
