//! What is compressed and what goes plain.

use crate::common::{Got, Random, frames, pair, receive};
use sockless::buffer::ReadBuffer;
use sockless::connection::ReplySlot;
use sockless::deflate::{DeflateOptions, Engines};
use sockless::error::SendError;
use sockless::message::Event;

#[test]
fn short_messages_and_what_does_not_shrink_go_plain() {
    let (mut ws, mut peer) = pair(&DeflateOptions::new().with_threshold(50));
    let (mut engines, mut random) = (Engines::new(), Random(1));
    let compressible = "x".repeat(200);
    for (message, first) in [
        ("x".repeat(49).into_bytes(), 0x82),
        ("x".repeat(50).into_bytes(), 0xc2),
        (random.bytes(100), 0x82),
        (compressible.clone().into_bytes(), 0xc2),
        (random.bytes(100_000), 0x82),
        (compressible.into_bytes(), 0xc2),
    ] {
        let mut out = Vec::new();
        ws.tx(&mut out, &mut engines).binary(&message).unwrap();
        assert_eq!(out[0], first, "{} bytes", message.len());
        assert_eq!(
            receive(&mut peer, &out, 1000, &mut engines),
            (vec![Got::Binary(message)], None)
        );
    }
}

/// From 16 KiB on a message whose middle looks random goes plain without being compressed, which would cost a deflater.
#[test]
fn what_looks_compressed_already_goes_plain() {
    const LONG: usize = 16 << 10;
    let mut random = Random(14);
    for (len, first) in [(3000, 0xc2), (LONG - 1, 0xc2), (LONG, 0x82), (100_000, 0x82)] {
        let (mut ws, _) = pair(&DeflateOptions::new());
        let (mut out, mut engines) = (Vec::new(), Engines::new());
        // It would shrink: around its middle it is zeros.
        let mut message = vec![0; len];
        message[len / 2..][..1024].copy_from_slice(&random.bytes(1024));
        ws.tx(&mut out, &mut engines).binary(&message).unwrap();
        assert_eq!(out[0], first, "{len} bytes");
        assert_eq!(engines.memory() > 0, first == 0xc2);
        // And what is random elsewhere is compressed.
        message.rotate_right(len / 4);
        let mut out = Vec::new();
        ws.tx(&mut out, &mut engines).binary(&message).unwrap();
        assert_eq!(out[0], 0xc2, "{len} bytes");
    }
}

/// What goes compressed is shorter than it would be plain: as long is not enough.
#[test]
fn what_goes_compressed_is_shorter() {
    let mut random = Random(15);
    let (mut ws, _) = pair(&DeflateOptions::new().with_threshold(0).with_send_takeover(false));
    let (mut engines, mut compressed, mut plain) = (Engines::new(), 0, 0);
    for _ in 0..2000 {
        let len = 1 + random.below(30);
        let message: Vec<u8> = (0..len).map(|_| b"ab"[random.below(2)]).collect();
        let mut out = Vec::new();
        ws.tx(&mut out, &mut engines).binary(&message).unwrap();
        let (first, payload) = &frames(&out)[0];
        if *first == 0xc2 {
            compressed += 1;
            assert!(
                payload.len() < message.len(),
                "{} bytes for {}",
                payload.len(),
                message.len()
            );
        } else {
            plain += 1;
        }
    }
    assert!(
        compressed > 100 && plain > 100,
        "{compressed} compressed, {plain} plain"
    );
}

/// Without takeover a message refers to none before it, but its parts refer to each other.
#[test]
fn parts_refer_to_the_parts_before_them() {
    let options = DeflateOptions::new().with_send_takeover(false).with_send_history(0);
    let (mut ws, mut peer) = pair(&options);
    let (mut out, mut engines, text) = (Vec::new(), Engines::new(), Random(16).text(1000));
    for _ in 0..2 {
        let mut tx = ws.tx(&mut out, &mut engines);
        tx.part(text.as_str(), false).unwrap();
        tx.part(text.as_str(), true).unwrap();
        assert_eq!(ws.memory(), 0, "nothing is kept behind the message");
    }
    let lens: Vec<usize> = frames(&out).iter().map(|(_, payload)| payload.len()).collect();
    assert!(
        lens[1] * 5 < lens[0] && lens[2] == lens[0] && lens[3] == lens[1],
        "{lens:?}"
    );
    let twice = Got::Text(text.repeat(2));
    let got = receive(&mut peer, &out, 1000, &mut engines);
    assert_eq!(got, (vec![twice.clone(), twice], None));
}

/// Secrets: what is sent plain is in nobody's window, so that no later message tells anything about it.
#[test]
fn plain_messages_leave_no_trace() {
    let secret = Random(77).text(300);
    let sent = |plain: bool| {
        let (mut ws, _) = pair(&DeflateOptions::new());
        let (mut out, mut engines) = (Vec::new(), Engines::new());
        let mut tx = ws.tx(&mut out, &mut engines);
        if plain {
            tx.plain().text(&secret).unwrap();
        } else {
            tx.text(&secret).unwrap();
        }
        tx.text(&secret).unwrap();
        let frames = frames(&out);
        (frames[0].0, frames[1].1.len())
    };
    let (first, len) = sent(true);
    assert_eq!(first, 0x81);
    let (_, told) = sent(false);
    assert!(told * 5 < len, "{told} against {len}");
}

#[test]
fn forget_makes_the_next_message_refer_to_nothing() {
    let (mut ws, _) = pair(&DeflateOptions::new());
    let (mut out, mut engines, text) = (Vec::new(), Engines::new(), Random(5).text(600));
    for _ in 0..2 {
        let mut tx = ws.tx(&mut out, &mut engines);
        tx.text(&text).unwrap();
        tx.forget();
    }
    let frames = frames(&out);
    assert_eq!(frames[0].1.len(), frames[1].1.len());
    assert_eq!(ws.memory(), 0);
}

/// A part that is the first and the last one is a whole message: it goes plain where that goes plain.
#[test]
fn a_single_part_is_a_whole_message() {
    for message in ["short".to_owned(), "x".repeat(1000), Random(3).text(5000)] {
        let sent = [false, true].map(|in_parts| {
            let (mut ws, _) = pair(&DeflateOptions::new());
            let (mut out, mut engines) = (Vec::new(), Engines::new());
            let mut tx = ws.tx(&mut out, &mut engines);
            if in_parts {
                tx.part(message.as_str(), true).unwrap();
            } else {
                tx.text(&message).unwrap();
            }
            out
        });
        assert_eq!(sent[0], sent[1], "{} bytes", message.len());
    }
}

/// A message cannot be half compressed.
#[test]
fn a_message_in_parts_stays_what_it_began_as() {
    let (mut ws, _) = pair(&DeflateOptions::new());
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    let mut tx = ws.tx(&mut out, &mut engines);
    tx.part("compressed", false).unwrap();
    assert_eq!(tx.plain().part("plain", false), Err(SendError::WrongKind));
    assert_eq!(
        tx.plain().in_place(sockless::MessageKind::Text, &mut [], true),
        Err(SendError::WrongKind)
    );
    assert_eq!(tx.text("whole"), Err(SendError::MessageInProgress));
    tx.part("", true).unwrap();
    tx.plain().part("plain", false).unwrap();
    assert_eq!(
        tx.plain().compressed_part(sockless::MessageKind::Text, b"", false),
        Err(SendError::WrongKind)
    );
    tx.part(" goes on plain", true).unwrap();
    let firsts: Vec<u8> = frames(&out).iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [0x41, 0x80, 0x01, 0x80]);
}

/// Two halves, each with engines of its own, as on two threads.
#[test]
fn halves_are_driven_apart() {
    let options = DeflateOptions::new();
    let (server, client) = pair(&options);
    let (mut server_in, mut server_out) = server.split().unwrap();
    let (mut client_in, mut client_out) = client.split().unwrap();
    let [mut a, mut b, mut c, mut d] = [Engines::new(), Engines::new(), Engines::new(), Engines::new()];
    let (mut random, mut slot) = (Random(8), ReplySlot::new());
    for round in 0..30 {
        let text = random.text(400);
        let mut bytes = Vec::new();
        let mut tx = client_out.tx(&mut bytes, &mut a);
        tx.text(&text).unwrap();
        tx.ping(b"?").unwrap();
        let (mut input, mut echo) = (ReadBuffer::new(), Vec::new());
        input.extend(&bytes).unwrap();
        if round % 3 == 0 {
            // At the streaming level.
            let mut slice = &mut bytes[..];
            let mut data = String::new();
            while let Some(event) = server_in.receive_chunk(&mut slice, &mut b).unwrap() {
                if let Some(reply) = event.reply() {
                    slot.put(reply);
                }
                if let sockless::connection::ChunkEvent::Text(chunk) = event {
                    data.push_str(chunk.data);
                }
            }
            assert_eq!(data, text);
            server_out.tx(&mut echo, &mut c).text(&data).unwrap();
        } else {
            while let Some(event) = server_in.receive(&mut input, &mut b).unwrap() {
                if let Some(reply) = event.reply() {
                    slot.put(reply);
                }
                if let Event::Text(data) = event {
                    server_out.tx(&mut echo, &mut c).text(data).unwrap();
                }
            }
        }
        server_out.tx(&mut echo, &mut c).reply(&slot.take().unwrap()).unwrap();
        let mut input = ReadBuffer::new();
        input.extend(&echo).unwrap();
        let mut got = Vec::new();
        while let Some(event) = client_in.receive(&mut input, &mut d).unwrap() {
            got.push(format!("{event:?}"));
        }
        assert_eq!(
            got,
            [format!("{:?}", Event::Text(&text)), format!("{:?}", Event::Pong(b"?"))]
        );
    }
    assert!(server_in.memory() > 0 && server_out.memory() > 0);
}

/// What does not shrink leaves nothing in the compressor that a later message would suffer from. (zlib-rs 0.6.8 panics in a
/// later message where the output of one was too small for it.)
#[test]
fn messages_behind_those_that_do_not_shrink() {
    let mut random = Random(4);
    for (window_bits, memory_level, level) in [(12, 5, 6), (12, 5, 1), (9, 1, 1), (9, 1, 6), (15, 8, 9), (15, 1, 1)] {
        let options = DeflateOptions::new()
            .with_threshold(0)
            .with_level(level)
            .with_compressor(window_bits, memory_level);
        let (mut ws, mut peer) = pair(&options);
        let mut engines = Engines::new();
        for round in 0..200 {
            let message = match round % 2 {
                0 => random.bytes(70 * round),
                _ => random.text(9_000).into_bytes(),
            };
            let mut out = Vec::new();
            ws.tx(&mut out, &mut engines).binary(&message).unwrap();
            assert_eq!(out[0] == 0xc2, round % 2 == 1, "{round}");
            assert_eq!(
                receive(&mut peer, &out, 100_000, &mut engines),
                (vec![Got::Binary(message)], None)
            );
        }
    }
}
