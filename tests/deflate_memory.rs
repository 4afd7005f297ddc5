//! Memory of compressed connections: bombs never hold more than the limit and the scratch, and the published formula.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: a panic here is a failing test"
)]

use allocation_counter::measure;
use sockless::buffer::ReadBuffer;
use sockless::connection::{Connection, Server};
use sockless::deflate::{DeflateAgreement, DeflateConnection, DeflateOptions, Engines};
use sockless::error::{Failure, LimitExceeded};
use sockless::handshake::Extension;
use sockless::limits::Limits;

const SCRATCH: usize = 64 << 10;
const INFLATER: usize = 47_552;

fn agree(options: &DeflateOptions) -> DeflateAgreement {
    let offer = Extension::parse("permessage-deflate; client_max_window_bits");
    options.accept(offer).unwrap()
}

fn server(options: &DeflateOptions, limits: &Limits) -> DeflateConnection<Server> {
    DeflateConnection::new(Connection::new(Server, limits), Some(&agree(options)))
}

/// A message as a client sends it, masked with zeros.
fn frame(first: u8, message: &[u8]) -> Vec<u8> {
    let mut ws = server(&DeflateOptions::new().with_send_takeover(false), &Limits::default());
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    ws.tx(&mut out, &mut engines).binary(message).unwrap();
    let (header, len) = sockless::frame::Header::decode(&out).unwrap().unwrap();
    let mut frame = header;
    frame.mask_key = Some([0; 4]);
    let mut bytes = frame.encode(&mut [0; sockless::frame::MAX_HEADER_LEN]).to_vec();
    bytes[0] = first;
    bytes.extend_from_slice(&out[len..]);
    bytes
}

/// The most bytes that were held while the frame was received whole, beside the read buffer.
fn peak(bytes: &[u8], limit: u64, chunks: bool) -> (usize, Option<Failure>) {
    let limits = Limits::default()
        .with_max_message_len(limit)
        .with_max_frame_len(u64::MAX / 2);
    let options = DeflateOptions::new().with_receive_takeover(false);
    let mut input = ReadBuffer::new();
    input.extend(bytes).unwrap();
    let mut copy = bytes.to_vec();
    let mut failure = None;
    let info = measure(|| {
        let mut ws = server(&options, &limits);
        let mut engines = Engines::with_scratch(SCRATCH);
        let mut out = Vec::new();
        if chunks {
            let mut slice = &mut copy[..];
            loop {
                match ws.receive_chunk(&mut slice, &mut out, &mut engines) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        failure = error.failure();
                        break;
                    }
                }
            }
        } else if let Err(error) = ws.receive(&mut input, &mut out, &mut engines) {
            failure = error.failure();
        }
    });
    (info.bytes_max as usize, failure)
}

#[test]
fn a_bomb_holds_no_more_than_the_limit_and_the_scratch() {
    // The engine itself, its slot in a vector, the Close, and a message's state at the streaming level with its window.
    let engine = INFLATER + 2048;
    let window = 32 << 10;
    for len in [1000, SCRATCH, SCRATCH + 1, 300_000, 1 << 20, 16 << 20] {
        let bytes = frame(0xc2, &vec![0; len]);
        for limit in [0, 1, 100, len / 2, len - 1, len, len + 1, 2 * len] {
            let (held, failure) = peak(&bytes, limit as u64, false);
            let fails = limit < len;
            assert_eq!(failure.is_some(), fails, "{len} of {limit}: {failure:?}");
            if fails {
                assert_eq!(failure, Some(LimitExceeded::MessageTooLong.into()));
            }
            let most = limit + SCRATCH + engine;
            assert!(held <= most, "{held} bytes held for {len} of {limit}, more than {most}");
            let (held, failure) = peak(&bytes, limit as u64, true);
            assert_eq!(failure.is_some(), fails);
            assert!(
                held <= SCRATCH + engine + window,
                "{held} bytes held in chunks for {len} of {limit}"
            );
        }
    }
    println!(
        "16 KiB to 16 MiB: {} bytes on the wire",
        frame(0xc2, &vec![0; 16 << 20]).len()
    );
}

/// Text like a service's messages.
fn text(seed: usize, len: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut seed = seed as u32 | 1;
    while text.len() < len {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend(format!("{{\"id\":{},\"price\":{}}},", seed >> 20, seed >> 9 & 0xfff).bytes());
    }
    text.truncate(len);
    text
}

/// ws#1202, jetty#13029: memory that grew with the number of connections, or was never given back. Here it is, for C connections,
/// E inflaters, one thread: C x (own size + 2^w + h) + E x 47,552 + deflater + scratch.
#[test]
fn ws_1202_jetty_13029_memory_is_what_the_formula_says() {
    const COUNT: usize = 1_000;
    for (name, options, kept) in [
        (
            "no takeover",
            DeflateOptions::new()
                .with_send_takeover(false)
                .with_receive_takeover(false),
            0,
        ),
        ("4 KiB + 4 KiB", DeflateOptions::small(), 8 << 10),
        ("32 KiB + 4 KiB", DeflateOptions::new(), 36 << 10),
        (
            "32 KiB + 32 KiB",
            DeflateOptions::new().with_compressor(15, 8).with_send_history(1 << 15),
            64 << 10,
        ),
    ] {
        let messages: Vec<Vec<u8>> = (0..8).map(|seed| text(seed, 9_000)).collect();
        let frames: Vec<Vec<u8>> = messages.iter().map(|message| frame(0xc2, message)).collect();
        let mut sum = 0;
        let mut thread = 0;
        let info = measure(|| {
            let mut engines = Engines::with_scratch(SCRATCH);
            let mut connections = Vec::with_capacity(COUNT);
            let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
            for _ in 0..COUNT {
                let mut ws = server(&options, &Limits::default());
                for (message, frame) in messages.iter().zip(&frames) {
                    input.extend(frame).unwrap();
                    assert!(ws.receive(&mut input, &mut out, &mut engines).unwrap().is_some());
                    ws.tx(&mut out, &mut engines).binary(message).unwrap();
                    out.clear();
                }
                sum += ws.memory();
                connections.push(ws);
            }
            drop((input, out));
            thread = engines.memory();
            std::mem::forget((connections, engines));
        });
        let own = size_of::<DeflateConnection<Server>>();
        let held = info.bytes_current as usize;
        let formula = COUNT * (own + kept) + thread;
        println!(
            "{name}: {} bytes a connection ({own} its own), {thread} a thread",
            held.saturating_sub(thread) / COUNT
        );
        assert_eq!(sum, COUNT * kept, "{name}: what is told");
        assert!(
            held.abs_diff(formula) <= formula / 1000 + 256,
            "{name}: {held} held, {formula} by the formula"
        );
    }
}

#[test]
fn engines_tell_their_memory_and_give_it_back() {
    let mut ws = server(&DeflateOptions::new(), &Limits::default());
    let message = text(1, 5_000);
    let bytes = frame(0xc2, &message);
    let mut engines = Engines::with_scratch(SCRATCH);
    assert_eq!(engines.memory(), 0);
    let mut input = ReadBuffer::new();
    input.extend(&bytes).unwrap();
    let mut out = Vec::with_capacity(1 << 16);
    let mut told = 0;
    let info = measure(|| {
        ws.receive(&mut input, &mut out, &mut engines).unwrap().unwrap();
        ws.tx(&mut out, &mut engines).binary(&message).unwrap();
        told = engines.memory();
    });
    let held = info.bytes_current as usize - ws.memory();
    assert_eq!(held, told, "held and told");
    println!("engines after one message each way: {told} bytes");
    engines.release();
    assert_eq!(engines.memory(), 0);
}

/// The same while a message is under way chunk by chunk.
#[test]
fn what_is_under_way_is_told() {
    let mut bytes = frame(0xc2, &text(1, 5_000));
    let len = bytes.len();
    let mut input = &mut bytes[..len - 10];
    let mut out = Vec::with_capacity(1 << 10);
    let mut engines = Engines::with_scratch(SCRATCH);
    let mut ws = server(&DeflateOptions::new(), &Limits::default());
    let info = measure(|| while ws.receive_chunk(&mut input, &mut out, &mut engines).unwrap().is_some() {});
    assert_eq!(engines.streams(), 1);
    let told = engines.memory() + ws.memory();
    assert_eq!(info.bytes_current, told as i64);
    let info = measure(|| {
        drop(ws);
        engines.release();
    });
    assert_eq!((engines.streams(), engines.memory()), (0, 0));
    assert_eq!(info.bytes_current, -(told as i64), "it is given back");
}

/// Engines are used again: nothing is allocated for the messages behind the first one.
#[test]
fn engines_are_used_again() {
    let options = DeflateOptions::new()
        .with_send_takeover(false)
        .with_receive_takeover(false);
    let mut ws = server(&options, &Limits::default());
    let message = text(1, 5_000);
    let bytes = frame(0xc2, &message);
    let (mut engines, mut input, mut out) = (Engines::new(), ReadBuffer::new(), Vec::with_capacity(1 << 16));
    for round in 0..5 {
        input.extend(&bytes).unwrap();
        out.clear();
        let info = measure(|| {
            ws.receive(&mut input, &mut out, &mut engines).unwrap().unwrap();
            ws.tx(&mut out, &mut engines).binary(&message).unwrap();
        });
        assert_eq!(info.count_total > 0, round == 0, "round {round}");
    }
}
