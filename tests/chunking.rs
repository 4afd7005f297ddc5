//! Law L1: however the same bytes are cut into inputs, the events, the error and the output are the same. The sessions
//! are generated together with what must come out of them, so that the whole input is no oracle for the cut one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use sockless::connection::{Connection, Role};
use sockless::frame::MessageKind;
use sockless::limits::Limits;

/// Bytes of a session, and what they mean.
struct Session {
    bytes: Vec<u8>,
    /// Where each header starts, and where its payload does.
    places: Vec<usize>,
    seen: Vec<Seen>,
    /// Pongs, echoes of whole messages, and the answer to the Close.
    output: Vec<u8>,
    record: Record,
    message: Vec<u8>,
}

impl Session {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            places: Vec::new(),
            seen: Vec::new(),
            output: Vec::new(),
            record: Record::open(),
            message: Vec::new(),
        }
    }

    fn frame<R: Role>(&mut self, key: [u8; 4], first: u8, payload: &[u8]) {
        let bytes = frame(first, (!R::IS_CLIENT).then_some(key), payload);
        self.places.push(self.bytes.len());
        self.places.push(self.bytes.len() + bytes.len() - payload.len());
        self.bytes.extend(bytes);
    }

    fn data<R: Role>(&mut self, key: [u8; 4], kind: MessageKind, start: bool, fin: bool, payload: &[u8]) {
        let opcode = match (start, kind) {
            (false, _) => CONT,
            (true, MessageKind::Text) => TEXT,
            (true, MessageKind::Binary) => BIN,
        };
        self.frame::<R>(key, opcode | if fin { FIN } else { 0 }, payload);
        self.message.extend_from_slice(payload);
        // A text frame that ends inside a character leaves the character to the next one.
        let whole = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Err(error) if kind == MessageKind::Text => error.valid_up_to(),
            _ => bytes.len(),
        };
        let from = whole(&self.message[..self.message.len() - payload.len()]);
        let to = whole(&self.message);
        self.seen.push(Seen::frame(kind, &self.message[from..to], start, fin));
        if fin {
            let opcode = if kind == MessageKind::Text { TEXT } else { BIN };
            self.output.extend(from_us::<R>(FIN | opcode, &self.message));
            self.message.clear();
        }
    }

    fn ping<R: Role>(&mut self, key: [u8; 4], payload: &[u8]) {
        self.frame::<R>(key, PING, payload);
        self.seen.push(Seen::Ping(payload.to_vec()));
        self.output.extend(from_us::<R>(PONG, payload));
    }

    fn pong<R: Role>(&mut self, key: [u8; 4], payload: &[u8]) {
        self.frame::<R>(key, PONG, payload);
        self.seen.push(Seen::Pong(payload.to_vec()));
    }

    fn close<R: Role>(&mut self, key: [u8; 4], body: Option<(u16, &str)>) {
        let payload = body.map_or(Vec::new(), |(code, reason)| close_body(code, reason));
        self.frame::<R>(key, CLOSE, &payload);
        self.seen
            .push(body.map_or(Seen::Close(None, String::new()), |(code, reason)| {
                Seen::close(code, reason)
            }));
        self.record = Record::closed_by_peer(
            body.map_or(1005, |(code, _)| code),
            body.map_or("", |(_, reason)| reason),
        );
        self.output.extend(from_us::<R>(CLOSE, &payload));
    }
}

/// How a session ends.
#[derive(Clone, Copy)]
enum Ending {
    Open,
    Close(Option<(u16, &'static str)>),
    /// A Close in the middle of a message, and bytes after it that mean nothing.
    CloseInMessage,
}

/// A session of `messages` messages with lengths from `lengths`, fragments and control frames in between.
fn generate<R: Role>(seed: u64, messages: usize, lengths: &[usize], ending: Ending) -> Session {
    let mut numbers = Numbers(seed);
    let mut session = Session::new();
    let key = |numbers: &mut Numbers| (numbers.next() as u32).to_be_bytes();
    for _ in 0..messages {
        let len = lengths[numbers.below(lengths.len())];
        let (kind, payload) = if numbers.below(2) == 0 {
            (MessageKind::Text, numbers.text(len).into_bytes())
        } else {
            (MessageKind::Binary, numbers.bytes(len))
        };
        let fragments = [1, 1, 2, 3, 5][numbers.below(5)];
        let mut rest = &payload[..];
        for index in 0..fragments {
            let fin = index + 1 == fragments;
            let len = if fin {
                rest.len()
            } else {
                numbers.below(rest.len().min(70_000) + 1)
            };
            let (part, tail) = rest.split_at(len);
            rest = tail;
            let mask_key = key(&mut numbers);
            session.data::<R>(mask_key, kind, index == 0, fin, part);
            for _ in 0..numbers.below(3) {
                let len = [0, 1, 4, 124, 125][numbers.below(5)];
                let payload = numbers.bytes(len);
                let mask_key = key(&mut numbers);
                if numbers.below(3) == 0 {
                    session.pong::<R>(mask_key, &payload);
                } else {
                    session.ping::<R>(mask_key, &payload);
                }
            }
        }
    }
    let mask_key = key(&mut numbers);
    match ending {
        Ending::Open => {}
        Ending::Close(body) => session.close::<R>(mask_key, body),
        Ending::CloseInMessage => {
            session.data::<R>(mask_key, MessageKind::Text, true, false, b"never finished");
            session.close::<R>(mask_key, Some((1001, "héj")));
            session.places.push(session.bytes.len());
            session.bytes.extend(b"\xff\xff\x00\x01 whatever \x81\x05");
        }
    }
    session
}

/// Every two-way split of a short session; of a long one, those in its first and last 100 bytes (30 of the longest),
/// within 2 bytes of each header and payload start, and others at a stride.
fn splits(session: &Session) -> Vec<usize> {
    let len = session.bytes.len();
    if len <= 1000 {
        return (0..=len).collect();
    }
    let edge = if len <= 60_000 { 100 } else { 30 };
    let mut cuts: Vec<usize> = (0..=edge)
        .chain(len - edge..=len)
        .chain((0..len).step_by(len / 37 + 1))
        .collect();
    for &place in &session.places {
        cuts.extend(place.saturating_sub(2)..=(place + 2).min(len));
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn check<R: Role>(role: fn() -> R, session: &Session) {
    let limits = Limits::default();
    let messages = whole_messages(&session.seen);
    let bytes = &session.bytes;
    let longest = messages.iter().map(|seen| match seen {
        Seen::Data { data, .. } => data.len(),
        Seen::Ping(_) | Seen::Pong(_) | Seen::Close(..) => 0,
    });
    // Just enough for the longest message, and no more: no cut may make it too little.
    let fixed = longest.max().unwrap_or(0).max("never finished".len()) + 131;
    let apart = [false, true, false].into_iter().cycle();
    let mut ways = Way::messages(fixed).into_iter().cycle().zip(apart);
    let mut compare = |cuts: &[usize]| {
        let shown = &cuts[..cuts.len().min(10)];
        let chunks = run(role(), &limits, true, bytes, cuts);
        assert_eq!(
            (chunks.error, &chunks.record),
            (None, &session.record),
            "cut at {shown:?}"
        );
        assert!(
            chunks.seen == session.seen,
            "cut at {shown:?}: {:#?}\n{:#?}",
            chunks.seen,
            session.seen
        );
        assert!(chunks.output == session.output, "cut at {shown:?}");
        let compare = |way, apart| {
            let run = if apart {
                drive(Apart::new(role(), &limits), way, true, bytes, cuts)
            } else {
                drive(Connection::new(role(), &limits), way, true, bytes, cuts)
            };
            let seen = if way == Way::Chunks { &session.seen } else { &messages };
            assert_eq!((run.error, &run.end), (None, &chunks.end), "{way:?} cut at {shown:?}");
            assert_eq!(
                (run.transport, &run.record),
                (chunks.transport, &session.record),
                "{way:?}"
            );
            assert!(
                run.seen == *seen,
                "{way:?} cut at {shown:?}: {:#?}\n{seen:#?}",
                run.seen
            );
            assert!(run.output == session.output, "{way:?} cut at {shown:?}");
        };
        // Each way gets its turn at the cuts; the connection's own buffer gets all of them.
        compare(Way::Own, false);
        for turn in 0..if cuts.len() == 1 { 1 } else { 5 } {
            let (way, apart) = ways.next().unwrap();
            compare(way, apart != (turn % 2 == 0));
        }
        if cuts.len() != 1 {
            compare(Way::Chunks, true);
        }
    };
    compare(&[]);
    compare(&byte_by_byte(bytes));
    for cut in splits(session) {
        compare(&[cut]);
    }
    // Many cuts at once, some of them at the same place: an empty input.
    let mut numbers = Numbers(bytes.len() as u64);
    for count in [2, 3, 7, 50] {
        for _ in 0..5 {
            let mut cuts: Vec<usize> = (0..count).map(|_| numbers.below(bytes.len() + 1)).collect();
            cuts.push(cuts[0]);
            cuts.sort_unstable();
            compare(&cuts);
        }
    }
    let near: Vec<usize> = session.places.clone();
    compare(&near);
}

const SMALL: &[usize] = &[0, 1, 2, 3, 5, 16, 30];
const MEDIUM: &[usize] = &[0, 1, 124, 125, 126, 127, 128, 200];
const LARGE: &[usize] = &[65_534, 65_535, 65_536, 65_537];

fn small_messages<R: Role>(role: fn() -> R) {
    check(role, &generate::<R>(1, 8, SMALL, Ending::Open));
}

fn small_messages_and_a_close<R: Role>(role: fn() -> R) {
    check(
        role,
        &generate::<R>(2, 8, SMALL, Ending::Close(Some((1000, "κλείσιμο")))),
    );
}

fn small_messages_and_an_empty_close<R: Role>(role: fn() -> R) {
    check(role, &generate::<R>(3, 8, SMALL, Ending::Close(None)));
}

fn close_inside_a_message<R: Role>(role: fn() -> R) {
    check(role, &generate::<R>(4, 5, SMALL, Ending::CloseInMessage));
}

fn lengths_around_125<R: Role>(role: fn() -> R) {
    check(role, &generate::<R>(5, 9, MEDIUM, Ending::Close(Some((4999, "")))));
}

fn lengths_around_125_and_a_cut_message<R: Role>(role: fn() -> R) {
    check(role, &generate::<R>(6, 9, MEDIUM, Ending::CloseInMessage));
}

fn many_mixed_messages<R: Role>(role: fn() -> R) {
    let lengths = [SMALL, MEDIUM, &[1000]].concat();
    check(
        role,
        &generate::<R>(7, 24, &lengths, Ending::Close(Some((3000, "end")))),
    );
}

fn lengths_around_64_kib<R: Role>(role: fn() -> R) {
    check(role, &generate::<R>(8, 2, LARGE, Ending::Close(Some((1000, "")))));
}

/// The examples of section 5.7 in one stream, masked for a server, unmasked for a client.
fn examples_of_the_rfc<R: Role>(role: fn() -> R) {
    let mut session = Session::new();
    session.data::<R>(KEY, MessageKind::Text, true, true, b"Hello");
    session.data::<R>(KEY, MessageKind::Text, true, false, b"Hel");
    session.ping::<R>(KEY, b"Hello");
    session.data::<R>(KEY, MessageKind::Text, false, true, b"lo");
    session.pong::<R>(KEY, b"Hello");
    session.data::<R>(KEY, MessageKind::Binary, true, true, &Numbers(57).bytes(256));
    assert!(
        R::IS_CLIENT
            || session
                .bytes
                .starts_with(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    );
    check(role, &session);
    session.data::<R>(KEY, MessageKind::Binary, true, true, &Numbers(58).bytes(65_536));
    check(role, &session);
}

/// A text character of every length, split over frames at every place, with a Ping in the gap.
fn characters_over_fragments<R: Role>(role: fn() -> R) {
    let mut session = Session::new();
    for character in ["é", "€", "😀"] {
        for cut in 1..character.len() {
            let (head, tail) = character.as_bytes().split_at(cut);
            session.data::<R>(PEER_KEY, MessageKind::Text, true, false, head);
            session.ping::<R>(PEER_KEY, head);
            session.data::<R>(PEER_KEY, MessageKind::Text, false, false, b"");
            session.data::<R>(PEER_KEY, MessageKind::Text, false, false, tail);
            session.data::<R>(PEER_KEY, MessageKind::Text, false, true, character.as_bytes());
        }
    }
    check(role, &session);
}

/// The generator is no straw man: its sessions hold all that they are meant to.
#[test]
fn sessions_are_mixed() {
    let lengths = [SMALL, MEDIUM, &[1000]].concat();
    let session = generate::<sockless::connection::Server>(7, 40, &lengths, Ending::Open);
    let count = |what: fn(&Seen) -> bool| session.seen.iter().filter(|seen| what(seen)).count();
    assert!(count(|seen| matches!(seen, Seen::Ping(_))) > 10);
    assert!(count(|seen| matches!(seen, Seen::Pong(_))) > 5);
    assert!(count(|seen| matches!(seen, Seen::Data { message_end: false, .. })) > 10);
    assert!(count(|seen| matches!(seen, Seen::Data { data, .. } if data.is_empty())) > 3);
    assert!(
        count(|seen| matches!(
            seen,
            Seen::Data {
                kind: MessageKind::Text,
                ..
            }
        )) > 10
    );
    assert!(
        count(|seen| matches!(
            seen,
            Seen::Data {
                kind: MessageKind::Binary,
                ..
            }
        )) > 10
    );
}

both_roles!(
    small_messages,
    small_messages_and_a_close,
    small_messages_and_an_empty_close,
    close_inside_a_message,
    lengths_around_125,
    lengths_around_125_and_a_cut_message,
    many_mixed_messages,
    lengths_around_64_kib,
    examples_of_the_rfc,
    characters_over_fragments,
);
