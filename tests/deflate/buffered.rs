//! The machines with their buffers: the loop is the one of plain connections, the handshake has an option.

use crate::common::{Keys, Random, keys};
use sockless::buffered::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use sockless::connection::{ChunkEvent, Client, Extensions, Role, Server};
use sockless::deflate::{DeflateOptions, Engines};
use sockless::frame::{CloseCode, MessageKind};
use sockless::handshake::{AcceptOptions, ConnectOptions, WebSocketUri};
use sockless::limits::Limits;
use sockless::message::Event;

type Ends = (BufferedConnection<Server>, BufferedConnection<Client<Keys>>);

/// Both handshakes over a wire of two vectors.
fn open(server: Option<DeflateOptions>, client: Option<DeflateOptions>) -> (Ends, String) {
    let uri = WebSocketUri::parse("ws://127.0.0.1:9001/").unwrap();
    let offer = client.unwrap_or_default().offer();
    let offers = [offer.as_str()];
    let mut options = ConnectOptions::new();
    if client.is_some() {
        options = options.extensions(&offers, Extensions::COMPRESSION);
    }
    let mut connect = BufferedClientHandshake::start(&uri, &options, keys as Keys, &Limits::default()).unwrap();
    if let Some(client) = client {
        connect = connect.with_deflate(client);
    }
    let mut accept = BufferedServerHandshake::new(&Limits::default());
    if let Some(server) = server {
        accept = accept.with_deflate(server);
    }
    let request = connect.buffers().1.unwritten().to_vec();
    connect.buffers().1.written(request.len());
    accept.buffers().0.extend(&request).unwrap();
    let mut server = accept.accept(&AcceptOptions::new()).unwrap().unwrap();
    let response = server.output().to_vec();
    server.written(response.len());
    connect.buffers().0.extend(&response).unwrap();
    let client = connect.connect().unwrap().unwrap();
    let response = String::from_utf8(response).unwrap();
    let agreed = response
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    ((server, client), agreed.unwrap_or_default().to_owned())
}

/// Moves what one end has to write to the other. Returns how many bytes.
fn carry<A: Role, B: Role>(from: &mut BufferedConnection<A>, to: &mut BufferedConnection<B>) -> usize {
    let mut moved = 0;
    while !from.output().is_empty() {
        let space = to.space();
        let len = from.output().len().min(space.len());
        space[..len].copy_from_slice(&from.output()[..len]);
        to.advance(len);
        from.written(len);
        moved += len;
        if len == 0 {
            break;
        }
    }
    moved
}

fn echo<R: Role>(ws: &mut BufferedConnection<R>) {
    while let Some((event, mut tx)) = ws.next_event().unwrap() {
        match event {
            Event::Text(text) => tx.text(text).unwrap(),
            Event::Binary(data) => tx.binary(data).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn the_loop_is_the_same_with_compression() {
    let some = Some(DeflateOptions::new());
    for (server, client, agreed) in [
        (None, None, ""),
        (some, None, ""),
        (some, some, "permessage-deflate"),
        (
            Some(DeflateOptions::new().with_send_takeover(false)),
            Some(DeflateOptions::small()),
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12",
        ),
    ] {
        let ((mut server, mut client), response) = open(server, client);
        assert_eq!(response, agreed);
        let mut random = Random(6);
        let mut wire = 0;
        for round in 0..20 {
            let text = random.text(1000);
            client.tx().text(&text).unwrap();
            wire += carry(&mut client, &mut server);
            echo(&mut server);
            carry(&mut server, &mut client);
            match client.next_event().unwrap() {
                Some((Event::Text(echoed), _)) => assert_eq!(echoed, text),
                other => panic!("{other:?}"),
            }
            if round % 2 == 0 {
                assert_eq!(client.take_text(), Some(text));
                assert_eq!(client.take_binary(), None);
            }
        }
        assert_eq!(wire < 20 * 700, !agreed.is_empty(), "{wire} bytes");
        client.tx().close(sockless::CloseCode::NORMAL, "").unwrap();
        carry(&mut client, &mut server);
        echo(&mut server);
        assert!(server.close_record().is_clean());
    }
}

#[test]
fn a_connection_borrows_engines_and_gives_back_its_own() {
    let some = Some(DeflateOptions::small());
    let mut ends: Vec<Ends> = (0..10).map(|_| open(some, some).0).collect();
    let (mut engines, mut random) = (Engines::new(), Random(12));
    for _ in 0..5 {
        for (server, client) in &mut ends {
            let text = random.text(900);
            client.tx_with(&mut engines).text(&text).unwrap();
            assert_eq!(client.output()[0], 0xc1);
            carry(client, server);
            while let Some((event, mut tx)) = server.next_event_with(&mut engines).unwrap() {
                if let Event::Text(text) = event {
                    tx.text(text).unwrap();
                }
            }
            assert_eq!(server.output()[0], 0xc1);
            carry(server, client);
            match client.next_event_with(&mut engines).unwrap() {
                Some((Event::Text(echoed), _)) => assert_eq!(echoed, text),
                other => panic!("{other:?}"),
            }
        }
    }
    for (server, client) in &mut ends {
        // Histories alone: two windows of 4 KiB.
        assert_eq!(server.compression_memory(), Some(8 << 10));
        client.tx().text(&random.text(1000)).unwrap();
        carry(client, server);
        echo(server);
        assert!(server.compression_memory().unwrap() > 200 << 10);
        server.release();
        assert_eq!(server.compression_memory(), Some(8 << 10));
    }
}

/// What a machine tells of its own engines is what others would hold that had done the same.
#[test]
fn a_machine_tells_the_memory_of_its_engines() {
    let some = Some(DeflateOptions::small());
    let [(mut own, mut client), (mut lent, mut other)] = [(); 2].map(|()| open(some, some).0);
    let (mut engines, text) = (Engines::new(), Random(13).text(900));
    client.tx().text(&text).unwrap();
    other.tx().text(&text).unwrap();
    carry(&mut client, &mut own);
    carry(&mut other, &mut lent);
    echo(&mut own);
    assert!(lent.next_event_with(&mut engines).unwrap().is_some());
    lent.tx_with(&mut engines).text(&text).unwrap();
    assert_eq!(lent.compression_memory(), Some(2 * text.len()));
    assert_eq!(own.compression_memory(), Some(2 * text.len() + engines.memory()));
}

/// The halves of a machine go on where it was.
#[test]
fn a_machine_is_taken_apart() {
    let some = Some(DeflateOptions::new());
    let ((server, mut client), _) = open(some, some);
    let mut server = server;
    let mut random = Random(2);
    let text = random.text(800);
    client.tx().text(&text).unwrap();
    carry(&mut client, &mut server);
    echo(&mut server);
    carry(&mut server, &mut client);
    let (ws, mut input, mut output) = server.into_deflate_parts();
    let (mut receiver, mut sender) = ws.split().unwrap();
    let mut engines = Engines::new();
    client.tx().text(&text).unwrap();
    let bytes = client.output().to_vec();
    assert!(bytes.len() < 100, "it refers to what was sent before");
    input.extend(&bytes).unwrap();
    let Some(Event::Text(got)) = receiver.receive(&mut input, &mut engines).unwrap() else {
        panic!()
    };
    assert_eq!(got, text);
    let got = got.to_owned();
    sender.tx(&mut output, &mut engines).text(&got).unwrap();
    assert!(output.unwritten().len() < 100);
}

/// A machine that was taken apart is put together again, with what it has said and what it has yet to say.
/// Who takes the plain connection out of it gets messages as they came, whole or in chunks. None of them is held up.
#[test]
fn a_machine_without_its_compression_hands_out_compressed_messages() {
    let some = Some(DeflateOptions::new());
    let text = Random(4).text(800);
    let ((mut server, mut client), _) = open(some, some);
    for _ in 0..2 {
        client.tx().text(&text).unwrap();
    }
    carry(&mut client, &mut server);
    let (mut ws, mut input, mut output) = server.into_parts();
    let Some((Event::Compressed(MessageKind::Text, payload), _)) = ws.receive(&mut input, &mut output).unwrap() else {
        panic!("no compressed message")
    };
    assert!(!payload.is_empty() && payload.len() < text.len());
    let mut unread = input.unread().to_vec();
    assert!(!unread.is_empty());
    let mut rest = &mut unread[..];
    let Some((ChunkEvent::Compressed(MessageKind::Text, chunk), _)) = ws.receive_chunk(&mut rest, &mut output).unwrap()
    else {
        panic!("no chunk of a compressed message")
    };
    assert!(chunk.message_start && chunk.message_end);
    assert!(rest.is_empty());
}

#[test]
fn a_machine_is_put_together_again() {
    let some = Some(DeflateOptions::new());
    for (server, client) in [(some, some), (None, None)] {
        let ((mut server, mut client), _) = open(server, client);
        let text = Random(2).text(800);
        client.tx().text(&text).unwrap();
        carry(&mut client, &mut server);
        echo(&mut server);
        let (ws, input, output) = server.into_deflate_parts();
        let mut server = BufferedConnection::from_deflate_parts(ws, input, output);
        assert_eq!(
            server.compression_memory().is_some(),
            client.compression_memory().is_some()
        );
        for _ in 0..2 {
            client.tx().text(&text).unwrap();
            carry(&mut client, &mut server);
            echo(&mut server);
            let moved = carry(&mut server, &mut client);
            assert!(moved > 0);
        }
        let mut seen = 0;
        while let Some((Event::Text(got), _)) = client.next_event().unwrap() {
            assert_eq!(got, text);
            seen += 1;
        }
        assert_eq!(seen, 3);
    }
}

/// A client fails the connection over an answer that does not suit its offer.
#[test]
fn a_client_refuses_what_does_not_suit() {
    use sockless::handshake::{ConnectError, HandshakeError};
    let uri = WebSocketUri::parse("ws://127.0.0.1:9001/").unwrap();
    let deflate = DeflateOptions::new().with_receive_takeover(false);
    let offer = deflate.offer();
    let offers = [offer.as_str()];
    for (answer, error) in [
        ("permessage-deflate; server_no_context_takeover", None),
        ("permessage-deflate", Some(HandshakeError::DeflateTakeover)),
        (
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=7",
            Some(HandshakeError::DeflateParameterValue),
        ),
        (
            "permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
            Some(HandshakeError::ExtensionConflict),
        ),
    ] {
        let options = ConnectOptions::new().extensions(&offers, Extensions::COMPRESSION);
        let mut connect = BufferedClientHandshake::start(&uri, &options, keys as Keys, &Limits::default())
            .unwrap()
            .with_deflate(deflate);
        let request = String::from_utf8(connect.buffers().1.unwritten().to_vec()).unwrap();
        // The key's answer, from a server of ours.
        let mut server = BufferedServerHandshake::new(&Limits::default());
        server.buffers().0.extend(request.as_bytes()).unwrap();
        let server = server.accept(&AcceptOptions::new()).unwrap().unwrap();
        let response = String::from_utf8(server.output().to_vec()).unwrap();
        let accept = response
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Accept: "))
            .unwrap();
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n"
        );
        connect.buffers().0.extend(response.as_bytes()).unwrap();
        match (connect.connect(), error) {
            (Ok(Some(_)), None) => {}
            (Err(ConnectError::Failed(failed)), Some(error)) => assert_eq!(failed, error),
            (other, _) => panic!("{answer}: {other:?}"),
        }
    }
}

/// A message by value is the one that was handed out last, and no other.
#[test]
fn a_plain_message_is_not_taken_for_the_compressed_one_before_it() {
    let some = Some(DeflateOptions::new());
    let ((mut server, mut client), _) = open(some, some);
    let text = Random(3).text(500);
    client.tx().text(&text).unwrap();
    client.tx().plain().text("plain").unwrap();
    carry(&mut client, &mut server);
    assert!(matches!(server.next_event().unwrap(), Some((Event::Text(_), _))));
    assert!(matches!(server.next_event().unwrap(), Some((Event::Text("plain"), _))));
    assert_eq!(server.take_text().as_deref(), Some("plain"));
    assert_eq!(server.take_text(), None);
    client.tx().text(&text).unwrap();
    client.tx().plain().text("plain").unwrap();
    carry(&mut client, &mut server);
    assert!(matches!(server.next_event().unwrap(), Some((Event::Text(_), _))));
    assert!(matches!(server.next_event().unwrap(), Some((Event::Text("plain"), _))));
    server.space();
    assert_eq!(server.take_text(), None);
}

#[test]
fn text_that_is_not_utf8_is_not_taken_by_value() {
    let some = Some(DeflateOptions::new());
    let ((mut server, mut client), _) = open(some, some);
    client.tx().binary(&[0xff; 500]).unwrap();
    let mut bytes = client.output().to_vec();
    assert_eq!(bytes[0], 0xc2);
    bytes[0] = 0xc1;
    server.buffers().0.extend(&bytes).unwrap();
    assert!(server.next_event().unwrap().is_none());
    assert_eq!(server.close_record().sent, Some(CloseCode::INVALID_PAYLOAD));
    assert_eq!(server.take_binary(), None);
}
