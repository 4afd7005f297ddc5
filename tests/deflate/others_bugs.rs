//! Bugs that others had, each as a test with its name.

use crate::common::{
    Got, Random, agree, client, frames, masked, pair, plain_server, receive, receive_chunks, server, unmasked,
};
use crate::model::Model;
use sockless::buffer::ReadBuffer;
use sockless::connection::{ChunkEvent, TransportAction};
use sockless::deflate::{DeflateOptions, Engines};
use sockless::error::{Failure, LimitExceeded, ReceiveError};
use sockless::frame::{CloseCode, Violation};
use sockless::limits::Limits;
use sockless::message::Event;

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// "Hello" again, as a reference to the first.
const AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

fn text(text: &str) -> Got {
    Got::Text(text.into())
}

/// What one end sends for these messages.
fn compress(options: &DeflateOptions, messages: &[&[u8]]) -> Vec<u8> {
    let (mut ws, _) = pair(options);
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    for message in messages {
        ws.tx(&mut out, &mut engines).binary(message).unwrap();
    }
    out
}

/// The payload of zeros of a length, compressed.
fn bomb(len: usize) -> Vec<u8> {
    let out = compress(&DeflateOptions::new(), &[&vec![0; len]]);
    frames(&out).pop().unwrap().1
}

fn fails_with(first: u8, payload: &[u8], limit: u64) -> (Vec<Got>, Option<Failure>) {
    let limits = Limits::default().with_max_message_len(limit);
    let (servers, _) = agree(&DeflateOptions::new(), &DeflateOptions::new());
    let bytes = masked(first, payload);
    let mut engines = Engines::new();
    let whole = receive(&mut server(&servers, &limits), &bytes, 1000, &mut engines);
    let (got, open, failure) = receive_chunks(&mut server(&servers, &limits), &bytes, 1000, &mut engines);
    assert_eq!((got, failure), whole);
    assert!(open.is_none_or(|open| open.len() as u64 <= limit));
    whole
}

const TOO_LONG: Option<Failure> = Some(Failure::Limit(LimitExceeded::MessageTooLong));

/// CVE-2026-1526 (undici), CVE-2026-39804 (Bandit), python-websockets/websockets#407, tornadoweb/tornado#2391,
/// netty/netty#15005, nats-io/nats-server#7625, zaphoyd/websocketpp#1192: a small message became a large one.
#[test]
fn undici_bandit_websockets_tornado_netty_nats_websocketpp_a_bomb() {
    let bomb = bomb(16 << 20);
    assert!(bomb.len() < 20 << 10, "{}", bomb.len());
    for limit in [0, 1, 1000, 100_000, (16 << 20) - 1] {
        assert_eq!(fails_with(0xc2, &bomb, limit), (vec![], TOO_LONG));
    }
    assert_eq!(fails_with(0xc2, &bomb, 16 << 20).1, None);
}

/// CVE-2026-2229 (undici): window bits out of range crashed the client. See also the tables in `negotiation`.
#[test]
fn undici_cve_2026_2229_window_bits_out_of_range() {
    use sockless::handshake::Extension;
    for bits in ["0", "7", "16", "99", "255", "256", "4294967297", "-1", ""] {
        let answer = format!("permessage-deflate; server_max_window_bits={bits}");
        let Some(answer) = Extension::parse(&answer) else {
            continue;
        };
        assert!(DeflateOptions::new().judge([answer]).is_err());
    }
}

/// websockets#1715: a limit that was missed by one or two bytes cut the message silently.
#[test]
fn websockets_1715_the_limit_is_exact() {
    let mut random = Random(5);
    for len in [1_usize, 2, 3, 257, 258, 259, 4096, 65_535, 65_536, 65_537, 200_000] {
        for message in [vec![b'x'; len], random.text(len).into_bytes(), random.bytes(len)] {
            let len = message.len() as u64;
            let payload = stored_or_compressed(&message);
            for limit in [len.saturating_sub(2), len - 1, len, len + 1] {
                let (got, failure) = fails_with(0xc2, &payload, limit);
                if limit >= len {
                    assert_eq!((got, failure), (vec![Got::Binary(message.clone())], None));
                } else {
                    assert_eq!((got, failure), (vec![], TOO_LONG));
                }
            }
        }
    }
}

/// A message as a compressed payload, whether it shrinks or not.
fn stored_or_compressed(message: &[u8]) -> Vec<u8> {
    let (mut ws, _) = pair(&DeflateOptions::new());
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    let mut tx = ws.tx(&mut out, &mut engines);
    tx.part(message, false).unwrap();
    tx.part(&[][..], true).unwrap();
    frames(&out).into_iter().flat_map(|(_, payload)| payload).collect()
}

/// websockets#1720, jetty/jetty.project#3159: RSV1 on a continuation was accepted.
#[test]
fn websockets_1720_jetty_3159_rsv1_on_a_continuation() {
    for first in [0x41, 0x02] {
        let bytes = [masked(first, &HELLO[..3]), masked(0xc0, &HELLO[3..])].concat();
        let mut engines = Engines::new();
        let (got, failure) = receive(&mut plain_server(), &bytes, 1, &mut engines);
        assert_eq!((got, failure), (vec![], Some(Violation::ReservedBits.into())));
    }
}

/// oven-sh/bun#33001: RSV1 on a Ping armed the next frame.
#[test]
fn bun_33001_rsv1_on_a_ping() {
    for first in [0xc9, 0xca, 0xc8] {
        let bytes = [masked(first, b""), masked(0x81, b"Hello")].concat();
        let mut ws = plain_server();
        let (got, failure) = receive(&mut ws, &bytes, 1, &mut Engines::new());
        assert_eq!((got, failure), (vec![], Some(Violation::ReservedBits.into())));
    }
    // The other bits stay reserved.
    for first in [0xa1, 0x91, 0xe1, 0xf1] {
        let (_, failure) = receive(&mut plain_server(), &masked(first, &HELLO), 1, &mut Engines::new());
        assert_eq!(failure, Some(Violation::ReservedBits.into()));
    }
}

/// sockudo/sockudo-ws#14: a message that the application skipped was not inflated, and the next one could not be read.
#[test]
fn sockudo_14_a_message_that_is_skipped() {
    let (mut ws, _) = pair(&DeflateOptions::new());
    let (mut input, mut out, mut engines) = (ReadBuffer::new(), Vec::new(), Engines::new());
    // A chunk of the first message, the rest of it at the message level, with a Ping between its fragments.
    let first = masked(0x41, &HELLO[..4]);
    let mut bytes = first.clone();
    let mut slice = &mut bytes[..];
    let mut chunks = 0;
    while ws.receive_chunk(&mut slice, &mut out, &mut engines).unwrap().is_some() {
        chunks += 1;
    }
    assert!(chunks > 0);
    let rest = [masked(0x89, b"ping"), masked(0x80, &HELLO[4..]), masked(0xc1, &AGAIN)].concat();
    let mut got = Vec::new();
    for byte in rest {
        input.extend(&[byte]).unwrap();
        while let Some((event, _)) = ws.receive(&mut input, &mut out, &mut engines).unwrap() {
            got.push(format!("{event:?}"));
        }
    }
    assert_eq!(got, [format!("{:?}", Event::Ping(b"ping")), "Text(\"Hello\")".into()]);
}

/// infinitefield/yawc#7: bytes behind the end of the compressed data.
#[test]
fn yawc_7_extra_bytes_at_the_end() {
    let bytes = masked(0xc1, &[&HELLO[..], &[0, 0, 0xff, 0xff, 0x00]].concat());
    assert_eq!(
        receive(&mut plain_server(), &bytes, 9, &mut Engines::new()).0,
        [text("Hello")]
    );
    let bytes = masked(0xc1, &[&HELLO[..], b"x"].concat());
    assert!(receive(&mut plain_server(), &bytes, 9, &mut Engines::new()).1.is_some());
}

/// bun#34105: empty messages for ever behind a block with BFINAL. boostorg/beast#923: BFINAL was refused.
#[test]
fn bun_34105_beast_923_a_block_with_bfinal() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let bytes = [
        masked(0xc1, &last),
        masked(0xc1, &AGAIN),
        masked(0xc1, &last),
        masked(0xc1, &[0]),
    ]
    .concat();
    let expected = vec![text("Hello"), text("Hello"), text("Hello"), text("")];
    for cut in [1, 5, 100] {
        let mut engines = Engines::new();
        assert_eq!(
            receive(&mut plain_server(), &bytes, cut, &mut engines),
            (expected.clone(), None)
        );
        let (got, open, failure) = receive_chunks(&mut plain_server(), &bytes, cut, &mut engines);
        assert_eq!((got, open, failure), (expected.clone(), None, None));
    }
}

/// nodejs/node#14847, bun#38632, websockets#1757: a window of 8 bits.
#[test]
fn node_14847_bun_38632_websockets_1757_a_window_of_8_bits() {
    for bits in [8, 9] {
        let options = DeflateOptions::new()
            .with_send_window_bits(bits)
            .with_receive_window_bits(bits)
            .with_send_history(u16::MAX)
            .with_compressor(15, 9);
        let (mut server, mut client) = pair(&options);
        let (mut engines, mut random) = (Engines::new(), Random(1));
        let mut model = Model::new(bits, true);
        for len in [100, 300, 5000, 200, 20_000] {
            let message = random.text(len);
            let mut out = Vec::new();
            server.tx(&mut out, &mut engines).text(&message).unwrap();
            for (_, payload) in frames(&out) {
                assert_eq!(model.message(&payload).unwrap(), message.as_bytes());
            }
            assert_eq!(
                receive(&mut client, &out, 999, &mut engines),
                (vec![text(&message)], None)
            );
            let mut out = Vec::new();
            client.tx(&mut out, &mut engines).text(&message).unwrap();
            assert_eq!(
                receive(&mut server, &out, 999, &mut engines),
                (vec![text(&message)], None)
            );
        }
        assert!(model.farthest <= 1 << bits);
    }
}

/// intel/zlib#31: a small window was ignored by the compressor.
#[test]
fn intel_zlib_31_no_distance_beyond_the_window() {
    for bits in 8..=15 {
        for level in [1, 2, 4, 6, 9] {
            let options = DeflateOptions::new()
                .with_send_window_bits(bits)
                .with_send_history(u16::MAX)
                .with_compressor(15, 8)
                .with_level(level);
            let (servers, clients) = agree(&options, &DeflateOptions::new().with_receive_window_bits(bits));
            let _ = clients;
            let mut ws = server(&servers, &Limits::default());
            let (mut engines, mut random) = (Engines::new(), Random(u64::from(bits)));
            let mut model = Model::new(bits, true);
            // The same bytes again and again, further away than the window.
            let far = random.bytes((1 << bits) + 300);
            for _ in 0..3 {
                let mut out = Vec::new();
                let mut tx = ws.tx(&mut out, &mut engines);
                tx.part(&far[..], false).unwrap();
                tx.part(&far[..100], true).unwrap();
                let payload: Vec<u8> = frames(&out).into_iter().flat_map(|(_, payload)| payload).collect();
                assert_eq!(model.message(&payload).unwrap().len(), far.len() + 100);
            }
            assert!(model.farthest <= 1 << bits);
        }
    }
}

/// machinezone/IXWebSocket#167, netty#9512: the empty message.
#[test]
fn ixwebsocket_167_netty_9512_the_empty_message() {
    let bytes = [
        masked(0xc1, &[0]),
        masked(0xc1, &HELLO),
        masked(0xc2, &[0]),
        masked(0xc1, &AGAIN),
    ]
    .concat();
    let expected = [text(""), text("Hello"), Got::Binary(vec![]), text("Hello")];
    assert_eq!(receive(&mut plain_server(), &bytes, 2, &mut Engines::new()).0, expected);
    assert_eq!(
        receive_chunks(&mut plain_server(), &bytes, 2, &mut Engines::new()).0,
        expected
    );
    // What we send.
    let (mut server, mut client) = pair(&DeflateOptions::new().with_threshold(0));
    let (mut out, mut engines) = (Vec::new(), Engines::new());
    server.tx(&mut out, &mut engines).text("").unwrap();
    server.tx(&mut out, &mut engines).part("", false).unwrap();
    server.tx(&mut out, &mut engines).part("", true).unwrap();
    assert_eq!(receive(&mut client, &out, 2, &mut engines).0, [text(""), text("")]);
}

/// aio-libs/aiohttp#12988 and #13274, python-hyper/wsproto#205: a control frame between two fragments cleared the state.
#[test]
fn aiohttp_12988_wsproto_205_a_control_frame_between_fragments() {
    let bytes = [
        masked(0x41, &HELLO[..2]),
        masked(0x89, b"1"),
        masked(0x00, &HELLO[2..2]),
        masked(0x8a, b""),
        masked(0x00, &HELLO[2..5]),
        masked(0x89, b"2"),
        masked(0x80, &HELLO[5..]),
        masked(0x81, b"plain"),
        masked(0xc1, &AGAIN),
    ]
    .concat();
    let expected = [text("Hello"), text("plain"), text("Hello")];
    for cut in [1, 3, 1000] {
        let mut engines = Engines::new();
        let (got, ..) = receive_without_pongs(&bytes, cut, &mut engines);
        assert_eq!(got, expected);
    }
}

/// Messages alone.
fn receive_without_pongs(bytes: &[u8], cut: usize, engines: &mut Engines) -> (Vec<Got>, usize) {
    let mut ws = plain_server();
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    let mut got = Vec::new();
    for part in bytes.chunks(cut) {
        input.extend(part).unwrap();
        while let Some((event, _)) = ws.receive(&mut input, &mut out, engines).unwrap() {
            if let Event::Text(data) = event {
                got.push(text(data));
            }
        }
    }
    // Both Pings were answered.
    assert_eq!(out, b"\x8a\x011\x8a\x012");
    (got, out.len())
}

/// bun#33003: takeover was agreed to, but the second message failed.
#[test]
fn bun_33003_the_second_message() {
    let message = Random(2).text(700);
    let (mut server, mut client) = pair(&DeflateOptions::new());
    let mut engines = Engines::new();
    let mut lens = Vec::new();
    for _ in 0..20 {
        let mut out = Vec::new();
        client.tx(&mut out, &mut engines).text(&message).unwrap();
        lens.push(out.len());
        assert_eq!(
            receive(&mut server, &out, 50, &mut engines),
            (vec![text(&message)], None)
        );
    }
    assert!(lens[1] < lens[0] / 4, "{lens:?}");
}

/// warmcat/libwebsockets#3660 and #1413: output of the inflater was left in it.
#[test]
fn libwebsockets_3660_1413_everything_comes_out_that_the_input_makes() {
    let message = vec![7; 1 << 20];
    let frame = compress(&DeflateOptions::new(), &[&message]);
    let (_, mut ws) = pair(&DeflateOptions::new());
    let (mut out, mut engines) = (Vec::new(), Engines::with_scratch(64));
    let mut bytes = frame;
    let mut slice = &mut bytes[..];
    let (mut len, mut ended) = (0, false);
    while let Some((event, _)) = ws.receive_chunk(&mut slice, &mut out, &mut engines).unwrap() {
        let ChunkEvent::Binary(chunk) = event else { panic!() };
        assert!(chunk.data.len() <= 64 && !ended);
        len += chunk.data.len();
        ended = chunk.message_end;
    }
    assert_eq!((len, ended, slice.len()), (message.len(), true, 0));
}

/// ws#1848: a message over the limit crashed the server. It is a failure with a Close, and stays one.
#[test]
fn ws_1848_over_the_limit_is_a_close() {
    let limits = Limits::default().with_max_message_len(1000);
    let (servers, _) = agree(&DeflateOptions::new(), &DeflateOptions::new());
    let mut ws = server(&servers, &limits);
    let (mut input, mut out, mut engines) = (ReadBuffer::new(), Vec::new(), Engines::new());
    input.extend(&masked(0xc2, &bomb(1001))).unwrap();
    for _ in 0..3 {
        let error = ws.receive(&mut input, &mut out, &mut engines).unwrap_err();
        assert_eq!(error, ReceiveError::Failed(LimitExceeded::MessageTooLong.into()));
        assert_eq!(out, [0x88, 2, 0x03, 0xf1]);
        assert!(input.is_at_rest());
    }
    assert_eq!(ws.connection().close_record().sent, Some(CloseCode::MESSAGE_TOO_BIG));
    assert_eq!(ws.connection().transport(), TransportAction::ShutDownSend);
}

/// graphform/ratchet#13: a plain message was inflated all the same.
#[test]
fn ratchet_13_a_plain_message_is_not_inflated() {
    let bytes = [
        masked(0xc1, &HELLO),
        masked(0x82, &HELLO),
        masked(0x02, &HELLO[..3]),
        masked(0x80, &HELLO[3..]),
        masked(0xc1, &AGAIN),
    ]
    .concat();
    let binary = Got::Binary(HELLO.into());
    let expected = [text("Hello"), binary.clone(), binary, text("Hello")];
    for cut in [1, 7, 100] {
        assert_eq!(
            receive(&mut plain_server(), &bytes, cut, &mut Engines::new()).0,
            expected
        );
        assert_eq!(
            receive_chunks(&mut plain_server(), &bytes, cut, &mut Engines::new()).0,
            expected
        );
    }
}

/// uWebSockets: `server_no_context_takeover` was ignored by dedicated compressors, and 9 bits were answered to an offered 8.
#[test]
fn uwebsockets_what_was_agreed_is_kept() {
    let client_options = DeflateOptions::new()
        .with_receive_takeover(false)
        .with_receive_window_bits(8);
    let (servers, clients) = agree(&DeflateOptions::new(), &client_options);
    assert_eq!(servers.send_window_bits(), 8);
    let (mut server, mut client) = (
        server(&servers, &Limits::default()),
        client(&clients, &Limits::default()),
    );
    let (mut engines, message) = (Engines::new(), Random(4).text(300));
    for _ in 0..3 {
        let mut out = Vec::new();
        server.tx(&mut out, &mut engines).text(&message).unwrap();
        // A fresh model for each message: it refers to nothing.
        let (_, payload) = frames(&out).pop().unwrap();
        assert_eq!(Model::new(8, false).message(&payload).unwrap(), message.as_bytes());
        assert_eq!(receive(&mut client, &out, 100, &mut engines).0, [text(&message)]);
    }
    assert_eq!(server.memory(), 0, "nothing is kept of what is sent");
}

/// websockets#1065 (AWS API Gateway) and uNetworking/uWebSockets#1347 (Safari 15.0 to 15.3): peers that send RSV1 although
/// nothing was agreed, or corrupt data. They are told so.
#[test]
fn websockets_1065_uwebsockets_1347_peers_that_misbehave() {
    use sockless::connection::{Connection, Server};
    use sockless::deflate::DeflateConnection;
    let mut ws = DeflateConnection::new(Connection::new(Server, &Limits::default()), None);
    let (_, failure) = receive(&mut ws, &masked(0xc1, &HELLO), 1, &mut Engines::new());
    assert_eq!(failure, Some(Violation::ReservedBits.into()));
    let (_, mut client) = pair(&DeflateOptions::new());
    let (_, failure) = receive(&mut client, &unmasked(0xc1, b"\xff\xff\xff"), 1, &mut Engines::new());
    assert_eq!(failure, Some(Violation::NotDeflate.into()));
}
