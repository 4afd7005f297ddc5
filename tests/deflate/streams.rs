//! Messages that are under way chunk by chunk, each with an inflater: how many there may be at a time.

use crate::common::{Got, ServerWs, masked, pair, plain_server, receive, receive_chunks};
use sockless::connection::ChunkEvent;
use sockless::deflate::{DeflateOptions, Engines};
use sockless::error::{Blocked, ReceiveError};

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// Gives it a piece of a frame, and returns the text that came of it.
fn chunk(ws: &mut ServerWs, bytes: &[u8], engines: &mut Engines) -> Result<String, ReceiveError> {
    let (mut bytes, mut out, mut text) = (bytes.to_vec(), Vec::new(), String::new());
    let mut input = &mut bytes[..];
    while let Some((event, _)) = ws.receive_chunk(&mut input, &mut out, engines)? {
        let ChunkEvent::Text(chunk) = event else {
            panic!("{event:?}")
        };
        text.push_str(chunk.data);
    }
    assert!(input.is_empty());
    Ok(text)
}

#[test]
fn messages_under_way_are_bounded() {
    let mut engines = Engines::new().with_max_streams(2);
    let [mut a, mut b, mut c] = [plain_server(), plain_server(), plain_server()];
    let bytes = masked(0xc1, &HELLO);
    let (first, rest) = bytes.split_at(9);
    assert_eq!(engines.streams(), 0);
    for ws in [&mut a, &mut b] {
        chunk(ws, first, &mut engines).unwrap();
    }
    assert_eq!(engines.streams(), 2);

    // The third waits, and keeps its input, from its payload on.
    let mut copy = first.to_vec();
    let (mut input, mut out) = (&mut copy[..], Vec::new());
    for _ in 0..3 {
        let error = c.receive_chunk(&mut input, &mut out, &mut engines).unwrap_err();
        assert_eq!(error, ReceiveError::Blocked(Blocked::NoInflater));
        assert_eq!(input.len(), 3);
    }
    assert!(out.is_empty());
    // Whole messages need no place, nor do plain ones.
    let whole = receive(&mut plain_server(), &bytes, 100, &mut engines);
    assert_eq!(whole, (vec![Got::Text("Hello".into())], None));
    let plain = receive_chunks(&mut plain_server(), &masked(0x81, b"Hello"), 1, &mut engines);
    assert_eq!(plain, (vec![Got::Text("Hello".into())], None, None));

    // One comes to its end.
    let text = chunk(&mut a, rest, &mut engines).unwrap();
    assert!("Hello".ends_with(&text));
    assert_eq!(engines.streams(), 1);
    while c.receive_chunk(&mut input, &mut out, &mut engines).unwrap().is_some() {}
    assert!(input.is_empty());
    assert_eq!(engines.streams(), 2);
    let blocked = chunk(&mut a, first, &mut engines).unwrap_err();
    assert_eq!(blocked, ReceiveError::Blocked(Blocked::NoInflater));

    // One is dropped, one fails.
    drop(b);
    assert_eq!(engines.streams(), 1);
    assert!(chunk(&mut c, &masked(0xc1, b"new"), &mut engines).is_err());
    assert_eq!(engines.streams(), 0);
}

/// Of the inflaters that messages give back, four are kept for the next ones.
#[test]
fn few_inflaters_are_kept() {
    const INFLATER: usize = 47_552;
    let bytes = masked(0xc1, &HELLO);
    let (first, rest) = bytes.split_at(9);
    for (count, kept) in [(1, 1), (3, 3), (4, 4), (5, 4), (10, 4)] {
        let mut engines = Engines::with_scratch(64);
        let mut all: Vec<ServerWs> = (0..count).map(|_| plain_server()).collect();
        for ws in &mut all {
            chunk(ws, first, &mut engines).unwrap();
        }
        // They belong to their messages.
        assert!(engines.memory() < INFLATER);
        for ws in &mut all {
            chunk(ws, rest, &mut engines).unwrap();
        }
        assert_eq!(engines.memory() / INFLATER, kept, "of {count}");
    }
}

/// A half waits in the same way.
#[test]
fn a_half_waits_too() {
    let mut engines = Engines::new().with_max_streams(0);
    let (server, _) = pair(&DeflateOptions::new());
    let (mut receiver, _) = server.split().unwrap();
    let mut bytes = masked(0xc1, &HELLO);
    let mut input = &mut bytes[..];
    let error = receiver.receive_chunk(&mut input, &mut engines).unwrap_err();
    assert_eq!(error, ReceiveError::Blocked(Blocked::NoInflater));
    assert_eq!(input.len(), 7);
    let mut others = Engines::new();
    match receiver.receive_chunk(&mut input, &mut others).unwrap() {
        Some(ChunkEvent::Text(chunk)) => assert_eq!(chunk.data, "Hello"),
        other => panic!("{other:?}"),
    }
}

/// What is under way keeps its place when the engines give back their memory, and goes on with other engines.
#[test]
fn released_and_other_engines() {
    let mut engines = Engines::new().with_max_streams(1);
    let (mut a, mut b) = (plain_server(), plain_server());
    let bytes = masked(0xc1, &HELLO);
    let (first, rest) = bytes.split_at(9);
    let mut text = chunk(&mut a, first, &mut engines).unwrap();
    engines.release();
    assert_eq!(engines.streams(), 1);
    assert!(chunk(&mut b, first, &mut engines).is_err());
    let mut others = Engines::new();
    text += &chunk(&mut a, rest, &mut others).unwrap();
    assert_eq!(text, "Hello");
    assert_eq!((engines.streams(), others.streams()), (0, 0));
    engines.release();
    assert_eq!(engines.memory(), 0);
}

/// However a connection ends inside a message, what was kept for it is given back, not only when it is dropped.
#[test]
fn the_end_of_a_connection_gives_everything_back() {
    type End = fn(&mut ServerWs, &mut Engines);
    let ends: [(&str, End); 5] = [
        ("data that is not DEFLATE", |ws, engines| {
            assert!(chunk(ws, &masked(0x80, b"new"), engines).is_err());
        }),
        ("a frame that breaks a rule", |ws, engines| {
            assert!(chunk(ws, &masked(0xc0, b""), engines).is_err());
        }),
        ("a Close", |ws, engines| {
            let (mut bytes, mut out) = (masked(0x88, b""), Vec::new());
            let mut input = &mut bytes[..];
            assert!(ws.receive_chunk(&mut input, &mut out, engines).unwrap().is_some());
        }),
        ("the end of the stream", |ws, _| {
            let _ = ws.end_of_stream();
        }),
        ("giving up", |ws, _| ws.abort()),
    ];
    for (what, end) in ends {
        let (mut ws, mut engines) = (plain_server(), Engines::new());
        chunk(&mut ws, &masked(0x41, &HELLO[..4]), &mut engines).unwrap();
        assert_eq!(engines.streams(), 1);
        assert!(ws.memory() > 47_552);
        end(&mut ws, &mut engines);
        assert_eq!((engines.streams(), ws.memory()), (0, 0), "{what}");
        // At the message level too: the rest was skipped there.
        let mut ws = plain_server();
        chunk(&mut ws, &masked(0x41, &HELLO[..4]), &mut engines).unwrap();
        let closes = [masked(0x80, b"new"), masked(0xc0, b""), masked(0x88, b"")];
        for bytes in closes {
            receive(&mut ws, &bytes, 1, &mut engines);
        }
        assert_eq!((engines.streams(), ws.memory()), (0, 0));
    }
}

/// What the input makes comes out before more of it is read, however small the scratch is.
#[test]
fn everything_that_the_input_makes_comes_out_at_once() {
    let (mut sender, _) = pair(&DeflateOptions::new());
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    sender.tx(&mut out, &mut engines).text(&"a".repeat(100_000)).unwrap();
    let (_, payload) = crate::common::frames(&out).pop().unwrap();
    let bytes = masked(0xc1, &payload);
    let lens = [64, 1000, 1 << 20].map(|scratch| {
        let mut engines = Engines::with_scratch(scratch);
        // A part of the frame: its end has not come.
        chunk(&mut plain_server(), &bytes[..bytes.len() - 20], &mut engines)
            .unwrap()
            .len()
    });
    assert!(lens[0] > 10_000);
    assert_eq!(lens, [lens[0]; 3]);
}
