//! Compressed messages of 1 KiB: what lending engines costs and gains beside dedicated zlib-rs states, as ratios. The two
//! subjects of each row take turns, and the median of the ratios of their rounds counts.
//!
//!     cargo run --release            the tables
//!     cargo run --release write      the same, into docs/compression-benchmarks.md
//!     cargo run --release peers      the peers alone
//!     ONE=ours TIMES=3 valgrind --tool=callgrind target/release/bench-deflate "receive, no takeover"
//!     cargo run --release count SUBJECT PASSES    one subject alone, for callgrind: SUBJECT is plain, agreed or none

mod peers;
mod report;

use std::hint::black_box;
use std::time::Instant;

use sockless::buffer::ReadBuffer;
use sockless::connection::{Client, Connection, Server};
use sockless::deflate::{DeflateAgreement, DeflateConnection, DeflateOptions, Engines};
use sockless::frame::{Header, MAX_HEADER_LEN, Mask};
use sockless::handshake::Extension;
use sockless::limits::Limits;
use sockless::message::Event;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush};

const MESSAGES: usize = 64;
const CONNECTIONS: usize = 2_000;
const ROUNDS: usize = 15;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<String> = messages()
        .into_iter()
        .map(|text| String::from_utf8(text).unwrap())
        .collect();
    if let [held, peer] = &arguments[..] {
        if held == "held" {
            return peers::held(peer, &texts[..16]);
        }
    }
    let write = arguments == ["write"];
    if write {
        arguments.clear();
    }
    if let [count, subject, passes] = &arguments[..] {
        assert_eq!(count, "count");
        return count_one(subject, passes.parse().unwrap());
    }
    let mut rows = Vec::new();
    let only = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| name.contains(argument));
    if only("receive, no takeover") {
        rows.push(receive(
            "receive, no takeover, against bare reset + inflate",
            false,
            1,
            1.05,
        ));
    }
    if only("receive, takeover") {
        rows.push(receive(
            "receive, takeover, window 12, one hot connection",
            true,
            1,
            1.10,
        ));
        if std::env::var("ONE").is_ok() {
            return;
        }
        rows.push(receive(
            "receive, takeover, window 12, 2,000 in turn",
            true,
            CONNECTIONS,
            0.65,
        ));
    }
    if only("send, takeover") {
        rows.push(send("send, takeover, window 12, one hot connection", 1, f64::NAN));
        rows.push(send("send, takeover, window 12, 2,000 in turn", CONNECTIONS, 0.6));
    }
    if only("fresh engines") {
        rows.push(fresh());
    }
    if only("plain") {
        rows.push(plain());
    }
    if only("peers") {
        let peers = peers::measure(&texts);
        report::print(&peers);
        if write {
            report::write(&rows, &peers);
        }
    }
}

/// What was compared: ours and the other in microseconds for each message, and the ratio.
struct Compared {
    name: String,
    ours: f64,
    theirs: f64,
    ratio: f64,
    goal: f64,
}

impl Compared {
    fn verdict(&self) -> &'static str {
        match self.goal {
            goal if goal.is_nan() => "",
            goal if self.ratio <= goal => "met",
            _ => "MISSED",
        }
    }
}

/// JSON of 1 KiB, each message like the others and different.
fn messages() -> Vec<Vec<u8>> {
    let mut seed = 7_u32;
    let mut next = move |limit: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 9) % limit
    };
    let names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    let cities = ["Zurich", "Tokyo", "Lagos", "Lima", "Oslo", "Perth", "Quito", "Riga"];
    (0..MESSAGES)
        .map(|_| {
            let mut text = String::from("{\"type\":\"update\",\"items\":[");
            while text.len() < 940 {
                text.push_str(&format!(
                    "{{\"id\":{},\"user\":\"{}\",\"city\":\"{}\",\"price\":{}.{:02},\"active\":{}}},",
                    next(1_000_000),
                    names[next(8) as usize],
                    cities[next(8) as usize],
                    next(1_000),
                    next(100),
                    next(2) == 0
                ));
            }
            text.push_str("{}],\"padding\":\"");
            while text.len() < 1022 {
                text.push((b'a' + next(26) as u8) as char);
            }
            text.push_str("\"}");
            text.into_bytes()
        })
        .collect()
}

fn deflater(takeover: bool) -> Deflate {
    let _ = takeover;
    Deflate::new_with_config(DeflateConfig {
        level: 6,
        window_bits: -12,
        mem_level: 5,
        ..DeflateConfig::default()
    })
}

fn compress(state: &mut Deflate, message: &[u8], output: &mut [u8]) -> usize {
    let before = state.total_out();
    state.compress(message, output, DeflateFlush::SyncFlush).unwrap();
    (state.total_out() - before) as usize
}

/// What one sender makes of the messages, over and over: each payload without its tail.
fn payloads(messages: &[Vec<u8>], takeover: bool) -> Vec<Vec<u8>> {
    let mut state = deflater(takeover);
    let mut output = vec![0; 4096];
    let mut payloads = Vec::new();
    // Twice, so that the second time refers to the first in the same way each time.
    for round in 0..2 {
        for message in messages {
            if !takeover {
                state.reset();
            }
            let len = compress(&mut state, message, &mut output);
            if round == 1 {
                payloads.push(output[..len - TAIL.len()].to_vec());
            }
        }
    }
    payloads
}

fn agreement(takeover: bool) -> DeflateAgreement {
    let options = DeflateOptions::new()
        .with_receive_window_bits(12)
        .with_receive_takeover(takeover)
        .with_send_takeover(takeover);
    options
        .accept(Extension::parse("permessage-deflate; client_max_window_bits"))
        .unwrap()
}

/// A client's frame, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header::decode(&[first & 0xbf, 0]).unwrap().unwrap().0;
    let header = Header {
        rsv: first >> 4 & 7,
        mask_key: Some([1, 2, 3, 4]),
        payload_len: payload.len() as u64,
        ..header
    };
    let mut bytes = header.encode(&mut [0; MAX_HEADER_LEN]).to_vec();
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    Mask::new([1, 2, 3, 4]).apply(&mut bytes[start..]);
    bytes
}

/// The median of the ratios of rounds that take turns, and the medians of each in microseconds a message.
fn compare(name: &str, goal: f64, count: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> Compared {
    let name = name.to_owned();
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e6 / count as f64
    };
    // For callgrind: one of the two alone, so many rounds.
    if let (Ok(one), Ok(times)) = (std::env::var("ONE"), std::env::var("TIMES")) {
        for _ in 0..times.parse().unwrap() {
            if one == "ours" { ours() } else { theirs() }
        }
        println!("{} messages", count);
        let (ours, theirs, ratio) = (f64::NAN, f64::NAN, f64::NAN);
        return Compared {
            name,
            ours,
            theirs,
            ratio,
            goal,
        };
    }
    ours();
    theirs();
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (time(&mut ours), time(&mut theirs))).collect();
    let mut median = |key: fn(&(f64, f64)) -> f64| {
        rounds.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&rounds[ROUNDS / 2])
    };
    let (ratio, a, b) = (median(|(a, b)| a / b), median(|(a, _)| *a), median(|(_, b)| *b));
    let compared = Compared {
        name,
        ours: a,
        theirs: b,
        ratio,
        goal,
    };
    let verdict = match compared.verdict() {
        "" => String::new(),
        verdict => format!("  goal {goal:.2}: {verdict}"),
    };
    println!("{:<55} {a:7.2} us  {b:7.2} us  {ratio:5.2} x{verdict}", compared.name);
    compared
}

/// Full determinism of what is sent: engines that are made afresh for each message, against engines that are used again.
fn fresh() -> Compared {
    let (messages, agreement) = (messages(), agreement(true));
    let connect = || DeflateConnection::new(Connection::new(Server, &Limits::default()), Some(&agreement));
    let (mut used, mut afresh, mut engines) = (connect(), connect(), Engines::new());
    let (mut out, mut other) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    let rounds = MESSAGES * 20;
    compare(
        "send, fresh engines for each message, against used ones",
        f64::NAN,
        rounds,
        || {
            for at in 0..rounds {
                out.clear();
                let text = std::str::from_utf8(&messages[at % MESSAGES]).unwrap();
                afresh.tx(&mut out, &mut Engines::new()).text(text).unwrap();
            }
        },
        || {
            for at in 0..rounds {
                other.clear();
                let text = std::str::from_utf8(&messages[at % MESSAGES]).unwrap();
                used.tx(&mut other, &mut engines).text(text).unwrap();
            }
        },
    )
}

fn receive(name: &str, takeover: bool, connections: usize, goal: f64) -> Compared {
    let messages = messages();
    let payloads = payloads(&messages, takeover);
    let frames: Vec<Vec<u8>> = payloads.iter().map(|payload| frame(0xc1, payload)).collect();
    let with_tail: Vec<Vec<u8>> = payloads.iter().map(|payload| [payload, &TAIL[..]].concat()).collect();
    let agreement = agreement(takeover);
    let mut engines = Engines::new();
    let mut ws: Vec<_> = (0..connections)
        .map(|_| DeflateConnection::new(Connection::new(Server, &Limits::default()), Some(&agreement)))
        .collect();
    let (mut input, mut out) = (ReadBuffer::with_capacity(64 << 10), Vec::new());
    let mut states: Vec<_> = (0..connections).map(|_| Inflate::new(false, 12)).collect();
    let mut output = vec![0; 4096];
    // Both warm up with all messages once, so that what comes refers to what was.
    let history: Vec<u8> = messages.concat();
    for state in &mut states {
        state.set_dictionary(&history[history.len() - 4096..]).unwrap();
    }
    let stored: Vec<Vec<u8>> = messages.iter().map(|message| stored_frame(message)).collect();
    for ws in &mut ws {
        for frame in stored.iter().skip(MESSAGES - 5) {
            input.extend(frame).unwrap();
            assert!(ws.receive(&mut input, &mut out, &mut engines).unwrap().is_some());
        }
    }
    let rounds = MESSAGES * if connections == 1 { 60 } else { 1 };
    let total = rounds * connections;
    compare(
        name,
        goal,
        total,
        || {
            for at in 0..rounds {
                for ws in &mut ws {
                    input.extend(&frames[at % MESSAGES]).unwrap();
                    match ws.receive(&mut input, &mut out, &mut engines).unwrap() {
                        Some((Event::Text(text), _)) => assert_eq!(text.len(), 1024),
                        other => panic!("{other:?}"),
                    }
                }
            }
        },
        || {
            for at in 0..rounds {
                for state in &mut states {
                    if !takeover {
                        state.reset(false);
                    }
                    let before = state.total_out();
                    state
                        .decompress(&with_tail[at % MESSAGES], &mut output, InflateFlush::SyncFlush)
                        .unwrap();
                    assert_eq!(state.total_out() - before, 1024);
                    black_box(&output);
                }
            }
        },
    )
}

/// A message as a stored block.
fn stored_frame(message: &[u8]) -> Vec<u8> {
    let len = message.len() as u16;
    frame(
        0xc1,
        &[&[0], &len.to_le_bytes()[..], &(!len).to_le_bytes(), message, &[0]].concat(),
    )
}

fn send(name: &str, connections: usize, goal: f64) -> Compared {
    let messages = messages();
    let agreement = agreement(true);
    let mut engines = Engines::new();
    let mut ws: Vec<_> = (0..connections)
        .map(|_| DeflateConnection::new(Connection::new(Server, &Limits::default()), Some(&agreement)))
        .collect();
    let mut states: Vec<_> = (0..connections).map(|_| deflater(true)).collect();
    let (mut out, mut output) = (Vec::with_capacity(4096), vec![0; 4096]);
    let rounds = if connections == 1 { MESSAGES * 40 } else { 8 };
    let (mut wire, mut bare) = (0, 0);
    let compared = compare(
        name,
        goal,
        rounds * connections,
        || {
            for at in 0..rounds {
                let text = std::str::from_utf8(&messages[at % MESSAGES]).unwrap();
                for ws in &mut ws {
                    out.clear();
                    ws.tx(&mut out, &mut engines).text(text).unwrap();
                    wire += out.len();
                }
            }
        },
        || {
            for at in 0..rounds {
                for state in &mut states {
                    bare += compress(state, &messages[at % MESSAGES], &mut output);
                    black_box(&output);
                }
            }
        },
    );
    let size = |bytes: usize| 100.0 * bytes as f64 / ((ROUNDS + 1) * rounds * connections * 1024) as f64;
    println!("{:<55} {:7.1} %   {:7.1} %   of the size", "", size(wire), size(bare));
    compared
}

/// Plain traffic: an echo of 128 bytes over a plain connection, and over one that has agreed to compression.
fn plain() -> Compared {
    let mut connection = Connection::new(Server, &Limits::default());
    let mut ws = DeflateConnection::new(Connection::new(Server, &Limits::default()), Some(&agreement(true)));
    let mut engines = Engines::new();
    let frames = frame(0x81, &[b'x'; 128]).repeat(100);
    let (mut input, mut out) = (ReadBuffer::with_capacity(64 << 10), Vec::with_capacity(64 << 10));
    let (mut input2, mut out2) = (ReadBuffer::with_capacity(64 << 10), Vec::with_capacity(64 << 10));
    let passes = 2_000;
    compare(
        "plain echo of 128 bytes, compression agreed",
        f64::NAN,
        passes * 100,
        || {
            for _ in 0..passes {
                agreed_pass(&mut ws, &frames, &mut input, &mut out, &mut engines);
            }
        },
        || {
            for _ in 0..passes {
                plain_pass(&mut connection, &frames, &mut input2, &mut out2);
            }
        },
    )
}

#[inline(never)]
fn plain_pass(ws: &mut Connection<Server>, frames: &[u8], input: &mut ReadBuffer, out: &mut Vec<u8>) {
    input.extend(frames).unwrap();
    while let Some((event, mut tx)) = ws.receive(input, out).unwrap() {
        if let Event::Text(text) = event {
            tx.text(text).unwrap();
        }
    }
    out.clear();
}

#[inline(never)]
fn agreed_pass(
    ws: &mut DeflateConnection<Server>,
    frames: &[u8],
    input: &mut ReadBuffer,
    out: &mut Vec<u8>,
    engines: &mut Engines,
) {
    input.extend(frames).unwrap();
    while let Some((event, mut tx)) = ws.receive(input, out, engines).unwrap() {
        if let Event::Text(text) = event {
            tx.plain().text(text).unwrap();
        }
    }
    out.clear();
}

fn count_one(subject: &str, passes: usize) {
    let _ = Client::new(|_: &mut [u8]| {});
    let mut connection = Connection::new(Server, &Limits::default());
    let agreed = (subject == "agreed").then(|| agreement(true));
    let mut ws = DeflateConnection::new(Connection::new(Server, &Limits::default()), agreed.as_ref());
    let mut engines = Engines::new();
    let frames = frame(0x81, &[b'x'; 128]).repeat(100);
    let (mut input, mut out) = (ReadBuffer::with_capacity(64 << 10), Vec::with_capacity(64 << 10));
    for _ in 0..passes {
        if subject == "plain" {
            plain_pass(&mut connection, &frames, &mut input, &mut out);
        } else {
            agreed_pass(&mut ws, &frames, &mut input, &mut out, &mut engines);
        }
    }
}
