//! What engines lend to connections, hand out by value, and hold afterwards.

use crate::common::{Random, pair, plain_server};
use sockless::buffer::ReadBuffer;
use sockless::connection::ChunkEvent;
use sockless::deflate::{DeflateOptions, Engines};
use sockless::error::SendError;
use sockless::message::Event;

/// A message of a client with the default options.
fn sent(message: &str) -> Vec<u8> {
    let (_, mut client) = pair(&DeflateOptions::new());
    let (mut bytes, mut engines) = (Vec::new(), Engines::new());
    client.tx(&mut bytes, &mut engines).text(message).unwrap();
    assert_eq!(bytes[0], 0xc1);
    bytes
}

/// A compressed message comes by value, once; a long one with its memory, which is not copied, and a short one without.
#[test]
fn compressed_messages_come_by_value() {
    for len in [100, 20_000, 50_000, 200_000] {
        let text = Random(len as u64).text(len);
        let (mut ws, mut input, mut out) = (plain_server(), ReadBuffer::new(), Vec::new());
        let mut engines = Engines::new();
        assert_eq!(engines.take_binary(), None);
        for by_name in [true, false] {
            input.extend(&sent(&text)).unwrap();
            let Some((Event::Text(received), _)) = ws.receive(&mut input, &mut out, &mut engines).unwrap() else {
                panic!("no text")
            };
            let place = received.as_ptr();
            let held = engines.memory();
            let taken = match by_name {
                true => engines.take_text().unwrap(),
                false => String::from_utf8(engines.take_binary().unwrap()).unwrap(),
            };
            assert_eq!(taken, text);
            let is_long = len > 40_000;
            assert_eq!(taken.as_ptr() == place, is_long, "{len}");
            assert_eq!(engines.memory() < held, is_long, "{len}");
            // Memory for twice as much may have been needed to find out how long it becomes.
            let most = if is_long { 4 * len } else { len };
            assert!(taken.capacity() <= most, "{} bytes for {len}", taken.capacity());
            assert_eq!((engines.take_binary(), engines.take_text()), (None, None));
        }
    }
}

/// What long messages took is given back when short ones have come, and has been sent.
#[test]
fn scratch_that_was_long_is_given_back() {
    let (long, short) = ("x".repeat(8 << 20), "y".repeat(1000));
    let (mut ws, mut input, mut out) = (plain_server(), ReadBuffer::new(), Vec::new());
    let mut engines = Engines::new();
    for _ in 0..2 {
        for (message, least, most) in [(&long, 16 << 20, 24 << 20), (&short, 0, 1 << 20)] {
            input.extend(&sent(message)).unwrap();
            assert!(ws.receive(&mut input, &mut out, &mut engines).unwrap().is_some());
            ws.tx(&mut out, &mut engines).text(message).unwrap();
            let held = engines.memory();
            assert!(held >= least && held <= most, "{held} bytes after {}", message.len());
        }
    }
    // What is not much longer stays: nothing is allocated for messages of all lengths.
    let middle = "z".repeat(200_000);
    let mut held = None;
    for message in [&middle, &short, &middle, &short] {
        input.extend(&sent(message)).unwrap();
        assert!(ws.receive(&mut input, &mut out, &mut engines).unwrap().is_some());
        ws.tx(&mut out, &mut engines).text(message).unwrap();
        assert_eq!(*held.get_or_insert(engines.memory()), engines.memory());
    }
}

/// Scratch bounds the chunks of what was inflated. There are at least 64 bytes of it.
#[test]
fn chunks_are_as_long_as_the_scratch() {
    for (scratch, longest) in [(0, 64), (10, 64), (64, 64), (65, 65), (1000, 1000)] {
        let mut bytes = sent(&"x".repeat(5000));
        let (mut ws, mut out, mut engines) = (plain_server(), Vec::new(), Engines::with_scratch(scratch));
        let mut input = &mut bytes[..];
        let (mut most, mut sum) = (0, 0);
        while let Some((event, _)) = ws.receive_chunk(&mut input, &mut out, &mut engines).unwrap() {
            let ChunkEvent::Text(chunk) = event else {
                panic!("{event:?}")
            };
            most = most.max(chunk.data.len());
            sum += chunk.data.len();
        }
        assert_eq!((most, sum), (longest, 5000), "scratch for {scratch}");
    }
}

/// What is kept of what was sent is what was asked for, and no more than the window that is used.
#[test]
fn the_history_is_as_long_as_it_was_asked_for() {
    for (asked, compressor, agreed, kept) in [
        (0, 15, 15, 0),
        (1, 15, 15, 1),
        (100, 15, 15, 100),
        (4096, 15, 15, 4096),
        (1 << 15, 15, 15, 1 << 15),
        (u16::MAX, 15, 15, 1 << 15),
        (u16::MAX, 12, 15, 1 << 12),
        (4096, 9, 15, 1 << 9),
        (4096, 15, 10, 1 << 10),
        (4096, 15, 8, 1 << 8),
    ] {
        let options = DeflateOptions::new()
            .with_compressor(compressor, 8)
            .with_send_window_bits(agreed)
            .with_send_history(asked);
        let (mut ws, _) = pair(&options);
        let (mut out, mut engines) = (Vec::new(), Engines::new());
        for seed in 0..10 {
            ws.tx(&mut out, &mut engines).text(&Random(seed).text(9000)).unwrap();
        }
        assert_eq!(ws.memory(), kept, "{asked} bytes of {compressor} bits, of {agreed}");
    }
}

/// Options out of their range are what comes nearest.
#[test]
fn options_are_kept_to_their_range() {
    for (bits, offered) in [
        (0, Some(8)),
        (7, Some(8)),
        (8, Some(8)),
        (9, Some(9)),
        (14, Some(14)),
        (15, None),
        (16, None),
    ] {
        let offer = DeflateOptions::new().with_receive_window_bits(bits).offer();
        let parameter = offered.map_or(String::new(), |bits| format!("; server_max_window_bits={bits}"));
        assert_eq!(offer.as_str().contains("server_max"), offered.is_some(), "{offer:?}");
        assert!(offer.as_str().contains(&parameter), "{offer:?}");
    }
    for extreme in [0, u8::MAX] {
        let options = DeflateOptions::new()
            .with_compressor(extreme, extreme)
            .with_level(extreme);
        let (mut ws, mut peer) = pair(&options);
        let (mut out, mut engines, text) = (Vec::new(), Engines::new(), "x".repeat(1000));
        ws.tx(&mut out, &mut engines).text(&text).unwrap();
        assert_eq!(out[0], 0xc1, "it is compressed");
        let got = crate::common::receive(&mut peer, &out, 1000, &mut engines);
        assert_eq!(got, (vec![crate::common::Got::Text(text)], None));
    }
}

/// What there is to ask a connection and its halves.
#[test]
fn what_connections_tell() {
    let (mut ws, _) = pair(&DeflateOptions::new());
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    ws.sending_shut_down();
    assert_eq!(ws.tx(&mut out, &mut engines).text("x"), Err(SendError::Closed));

    let (mut receiver, mut sender) = plain_server().split().unwrap();
    assert_eq!((receiver.memory(), sender.memory()), (0, 0));
    let text = Random(9).text(2000);
    sender.tx(&mut out, &mut engines).text(&text).unwrap();
    assert_eq!(sender.memory(), 2000);
    let mut input = ReadBuffer::new();
    input.extend(&sent(&text)).unwrap();
    assert!(receiver.receive(&mut input, &mut engines).unwrap().is_some());
    assert!(receiver.memory() >= 2000);
    sender.sending_shut_down();
    assert_eq!(sender.tx(&mut out, &mut engines).text("x"), Err(SendError::Closed));
}
