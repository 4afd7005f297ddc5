//! What holds for all traffic: any cut, any scratch, any engine, any output.

use crate::common::{Got, Random, agree, client, frames, masked, pair, receive, receive_chunks, server};
use crate::model::Model;
use proptest::prelude::*;
use sockless::buffer::SliceOutput;
use sockless::connection::Payload;
use sockless::connection::Tx;
use sockless::deflate::{DeflateOptions, Engines};
use sockless::error::SendError;
use sockless::limits::Limits;

/// A message as it is sent.
#[derive(Debug, Clone)]
enum Message {
    Compressed(String),
    Binary(Vec<u8>),
    Plain(String),
    Parts(String, usize),
    Empty,
    Ping,
    /// Forgets the history.
    Forget,
}

fn message() -> impl Strategy<Value = Message> {
    let text = (0..400_usize, any::<u64>()).prop_map(|(len, seed)| Random(seed | 1).text(len));
    prop_oneof![
        4 => text.clone().prop_map(Message::Compressed),
        1 => (0..6000_usize, any::<u64>()).prop_map(|(len, seed)| Message::Compressed(Random(seed | 1).text(len))),
        1 => (0..300_usize, any::<u64>()).prop_map(|(len, seed)| Message::Binary(Random(seed | 1).bytes(len))),
        1 => text.clone().prop_map(Message::Plain),
        2 => (text, 1..40_usize).prop_map(|(text, at)| Message::Parts(text, at)),
        1 => Just(Message::Empty),
        1 => Just(Message::Ping),
        1 => Just(Message::Forget),
    ]
}

fn options() -> impl Strategy<Value = DeflateOptions> {
    (
        any::<[bool; 2]>(),
        8..=15_u8,
        8..=15_u8,
        1..=9_u8,
        9..=15_u8,
        1..=9_u8,
        0..=32_768_u16,
    )
        .prop_map(
            |([send, receive], send_bits, receive_bits, level, window, memory, history)| {
                DeflateOptions::new()
                    .with_send_takeover(send)
                    .with_receive_takeover(receive)
                    .with_send_window_bits(send_bits)
                    .with_receive_window_bits(receive_bits)
                    .with_level(level)
                    .with_compressor(window, memory)
                    .with_send_history(history)
                    .with_threshold(0)
            },
        )
}

/// The pieces of a text, at character boundaries.
fn pieces(text: &str, len: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut at = len.min(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Sends it. What does not fit is sent again once the output is empty, as often as it takes.
fn send(
    message: &Message,
    mut with_tx: impl FnMut(
        &mut dyn FnMut(&mut Tx<'_, sockless::Server, dyn sockless::Output + '_>) -> Result<(), SendError>,
    ),
) {
    match message {
        Message::Compressed(text) => with_tx(&mut |tx| tx.text(text)),
        Message::Binary(data) => with_tx(&mut |tx| tx.binary(data)),
        Message::Plain(text) => with_tx(&mut |tx| tx.plain().text(text)),
        Message::Parts(text, len) => {
            for piece in pieces(text, *len) {
                with_tx(&mut |tx| tx.part(piece, false));
                with_tx(&mut |tx| tx.ping(b"between"));
            }
            with_tx(&mut |tx| tx.part(Payload::Text(""), true));
        }
        Message::Empty => with_tx(&mut |tx| tx.text("")),
        Message::Ping => with_tx(&mut |tx| tx.ping(b"ping")),
        Message::Forget => with_tx(&mut |tx| {
            tx.forget();
            Ok(())
        }),
    }
}

fn expected(messages: &[Message]) -> Vec<Got> {
    let mut got = Vec::new();
    for message in messages {
        match message {
            Message::Compressed(text) | Message::Plain(text) => got.push(Got::Text(text.clone())),
            Message::Binary(data) => got.push(Got::Binary(data.clone())),
            Message::Parts(text, len) => {
                got.extend(pieces(text, *len).iter().map(|_| Got::Ping(b"between".into())));
                got.push(Got::Text(text.clone()));
            }
            Message::Empty => got.push(Got::Text(String::new())),
            Message::Ping => got.push(Got::Ping(b"ping".into())),
            Message::Forget => {}
        }
    }
    got
}

/// At the streaming level control frames inside a message come before its end.
fn sent(server_options: &DeflateOptions, client_options: &DeflateOptions, messages: &[Message]) -> Vec<u8> {
    let mut engines = Engines::new();
    let (servers, _) = agree(server_options, client_options);
    let mut ws = server(&servers, &Limits::default());
    let mut out = Vec::new();
    for message in messages {
        send(message, |call| {
            let mut part = Vec::new();
            call(&mut ws.tx(&mut part as &mut dyn sockless::Output, &mut engines)).unwrap();
            out.extend(part);
        });
    }
    out
}

/// The same, each time with fresh engines, and over outputs that are too small at first. What comes out depends on the
/// histories alone then.
fn sent_afresh(options: &DeflateOptions, messages: &[Message], rooms: &[usize]) -> Vec<u8> {
    let (mut ws, _) = pair(options);
    let mut out = Vec::<u8>::new();
    for message in messages {
        send(message, |call| {
            for room in rooms.iter().copied().chain([1 << 20]) {
                let mut memory = vec![0; room];
                let mut part = SliceOutput::new(&mut memory);
                let result = call(&mut ws.tx(&mut part as &mut dyn sockless::Output, &mut Engines::new()));
                match result {
                    Ok(()) => return out.extend(part.as_bytes()),
                    Err(SendError::OutputFull(_)) => assert!(part.as_bytes().is_empty()),
                    Err(error) => panic!("{error}"),
                }
            }
            panic!("a megabyte is enough");
        });
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 96 } else { 512 }))]

    /// Any options on both sides, any messages, any cut, any scratch: what comes out is what was sent, at both levels, and the
    /// model reads it too, with no distance beyond the agreed window.
    #[test]
    fn what_was_sent_is_received(
        server_options in options(),
        client_options in options(),
        messages in prop::collection::vec(message(), 0..12),
        cut in 1..3000_usize,
        scratch in 64..700_usize,
    ) {
        let bytes = sent(&server_options, &client_options, &messages);
        let (servers, clients) = agree(&server_options, &client_options);
        prop_assert_eq!(servers.send_window_bits(), clients.receive_window_bits().min(servers.send_window_bits()));
        prop_assert_eq!(servers.receive_takeover(), clients.send_takeover());
        let expected = expected(&messages);
        let mut engines = Engines::with_scratch(scratch);
        let mut ws = client(&clients, &Limits::default());
        prop_assert_eq!(receive(&mut ws, &bytes, cut, &mut engines), (expected.clone(), None));
        let mut ws = client(&clients, &Limits::default());
        let (got, open, failure) = receive_chunks(&mut ws, &bytes, cut, &mut engines);
        prop_assert_eq!((&got, open, failure), (&expected, None, None));

        let mut model = Model::new(clients.receive_window_bits(), clients.receive_takeover());
        let mut payload = None;
        for (first, bytes) in frames(&bytes) {
            let compressed = first & 0x40 != 0;
            match first & 0x0f {
                1 | 2 if compressed => payload = Some(bytes),
                0 => if let Some(payload) = &mut payload { payload.extend(bytes) },
                _ => continue,
            }
            if first & 0x80 != 0 {
                if let Some(payload) = payload.take() {
                    prop_assert!(model.message(&payload).is_ok());
                }
            }
        }
        prop_assert!(model.farthest <= 1 << clients.receive_window_bits());
    }

    /// What is made of any bytes, most of them corrupt, does not depend on cut, scratch, or what the engines did before; the
    /// text that comes out before an error neither.
    #[test]
    fn the_verdict_is_the_same_however_it_is_cut(
        messages in prop::collection::vec(message(), 1..5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        fragment in 1..200_usize,
        cuts in prop::collection::vec(1..2000_usize, 4),
        scratches in prop::collection::vec(64..600_usize, 4),
        limit in prop_oneof![Just(u64::MAX), 0..5000_u64],
    ) {
        // The compressed payloads, damaged, in fragments of any length.
        let bytes = sent(&DeflateOptions::new(), &DeflateOptions::new(), &messages);
        let mut traffic = Vec::new();
        for (first, mut payload) in frames(&bytes) {
            if first != 0xc1 && first != 0xc2 {
                continue;
            }
            for (at, xor) in &damage {
                let at = at.index(payload.len());
                payload[at] ^= xor;
            }
            let count = payload.chunks(fragment).count();
            for (at, part) in payload.chunks(fragment).enumerate() {
                let fin = if at + 1 == count { 0x80 } else { 0 };
                let first = if at == 0 { first & 0x4f } else { 0 };
                traffic.extend(masked(fin | first, part));
            }
        }
        let limits = Limits::default().with_max_message_len(limit);
        let (servers, _) = agree(&DeflateOptions::new(), &DeflateOptions::new());
        let mut whole = Vec::new();
        let mut streamed = Vec::new();
        let mut used = Engines::new();
        for (cut, scratch) in cuts.into_iter().zip(scratches).chain([(1, 64), (traffic.len().max(1), 1 << 20)]) {
            let mut fresh = Engines::with_scratch(scratch);
            whole.push(receive(&mut server(&servers, &limits), &traffic, cut, &mut fresh));
            whole.push(receive(&mut server(&servers, &limits), &traffic, cut, &mut used));
            streamed.push(receive_chunks(&mut server(&servers, &limits), &traffic, cut, &mut fresh));
            streamed.push(receive_chunks(&mut server(&servers, &limits), &traffic, cut, &mut used));
        }
        for other in &whole[1..] {
            prop_assert_eq!(&whole[0], other);
        }
        for other in &streamed[1..] {
            prop_assert_eq!(&streamed[0], other);
        }
        // Both levels agree on what was whole, and on the failure unless text and data are both wrong.
        prop_assert_eq!(&whole[0].0, &streamed[0].0);
        prop_assert_eq!(whole[0].1.is_some(), streamed[0].2.is_some());
    }

    /// An output that is full at any byte changes nothing.
    #[test]
    fn a_full_output_changes_nothing(
        messages in prop::collection::vec(message(), 1..6),
        rooms in prop::collection::vec(0..500_usize, 1..4),
    ) {
        let options = DeflateOptions::new().with_threshold(0);
        prop_assert_eq!(sent_afresh(&options, &messages, &rooms), sent_afresh(&options, &messages, &[]));
    }
}

/// The same at every byte of one message, whole and in parts, behind others.
#[test]
fn an_output_that_is_full_at_any_byte_changes_nothing() {
    let mut random = Random(31);
    let options = DeflateOptions::new().with_threshold(0);
    let messages = [
        Message::Compressed(random.text(300)),
        Message::Parts(random.text(200), 60),
        Message::Compressed(random.text(400)),
    ];
    let all = sent_afresh(&options, &messages, &[]);
    for room in 0..all.len() {
        assert_eq!(sent_afresh(&options, &messages, &[room]), all, "{room} bytes");
    }
}

/// One set of engines, many connections in any order: each receives what it would receive with engines of its own, whichever
/// engines have sent it.
#[test]
fn lent_equals_dedicated() {
    let mut random = Random(7);
    let options: Vec<DeflateOptions> = [(12, true), (9, true), (15, true), (15, false)]
        .map(|(bits, takeover)| {
            DeflateOptions::new()
                .with_send_window_bits(bits)
                .with_send_takeover(takeover)
                .with_compressor(15, 8)
                .with_send_history(1 << 15)
        })
        .to_vec();
    let count = 40;
    let mut lent = Engines::new();
    let mut ends: Vec<_> = (0..count)
        .map(|at| {
            let options = &options[at % options.len()];
            (pair(options), pair(options), Engines::new())
        })
        .collect();
    for _ in 0..1500 {
        let at = random.below(count);
        let len = [50, 500, 9000][random.below(3)];
        let text = random.text(len);
        let ((server, client), (dedicated_server, dedicated_client), engines) = &mut ends[at];
        let (mut a, mut b) = (Vec::new(), Vec::new());
        server.tx(&mut a, &mut lent).text(&text).unwrap();
        dedicated_server.tx(&mut b, engines).text(&text).unwrap();
        assert!(a.len().abs_diff(b.len()) < 40, "{} and {}", a.len(), b.len());
        let expected = (vec![Got::Text(text)], None);
        assert_eq!(receive(client, &a, 700, &mut lent), expected);
        assert_eq!(receive(dedicated_client, &b, 700, engines), expected);
    }
}
