//! Compression over each door of the opening handshake, for both roles: a head of HTTP/1.1, fields that others have parsed,
//! extended CONNECT, and the types of the `http` crate. And beside other extensions.

use crate::common::{Got, Keys, Random, frames, keys, receive};
use sockless::buffered::{BufferedClientHandshake, BufferedServerHandshake};
use sockless::connection::{Client, Connection, Extensions, Server};
use sockless::deflate::{DeflateAgreement, DeflateConnection, DeflateOptions, Engines};
use sockless::handshake::{AcceptOptions, ConnectOptions, HttpVersion, Key, Misuse, ValidRequest, WebSocketUri};
use sockless::limits::Limits;

const COMPRESSION: Extensions = Extensions::COMPRESSION;

/// Messages of both ends arrive, and are compressed.
fn talk(
    (server, servers): (Connection<Server>, DeflateAgreement),
    (client, clients): (Connection<Client<Keys>>, DeflateAgreement),
) {
    let mut server = DeflateConnection::new(server, Some(&servers));
    let mut client = DeflateConnection::new(client, Some(&clients));
    let (mut engines, mut random) = (Engines::new(), Random(19));
    for _ in 0..5 {
        let text = random.text(700);
        let (mut down, mut up) = (Vec::new(), Vec::new());
        server.tx(&mut down, &mut engines).text(&text).unwrap();
        client.tx(&mut up, &mut engines).text(&text).unwrap();
        assert_eq!((frames(&down)[0].0, frames(&up)[0].0), (0xc1, 0xc1));
        let expected = (vec![Got::Text(text)], None);
        assert_eq!(receive(&mut client, &down, 100, &mut engines), expected);
        assert_eq!(receive(&mut server, &up, 100, &mut engines), expected);
    }
}

fn both() -> [DeflateOptions; 2] {
    [DeflateOptions::new(), DeflateOptions::small().with_send_takeover(false)]
}

/// Over header fields: with a key as HTTP/1.1, without one as extended CONNECT.
fn over_fields(key: Option<&Key>) {
    for client_options in both() {
        let offer = client_options.offer();
        let offers = ["x; a=1", offer.as_str(), "y"];
        let options = ConnectOptions::new().extensions(&offers, COMPRESSION);
        let mut request: Vec<(String, String)> = options
            .fields(key)
            .unwrap()
            .map(|(name, value)| (name.into(), value.to_string()))
            .collect();
        request.push(("host".into(), "a".into()));
        let pairs = request.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let request = match key {
            Some(_) => ValidRequest::from_request("GET", HttpVersion::Http11, pairs),
            None => ValidRequest::from_extended_connect("CONNECT", "websocket", pairs),
        };
        let request = request.unwrap().unwrap();

        let servers = DeflateOptions::new().accept(request.extensions()).unwrap();
        let answers = ["y", servers.as_str()];
        let accepting = AcceptOptions::new().extensions(&answers, COMPRESSION);
        let response = request.accept(&accepting).unwrap();
        assert_eq!(response.status(), if key.is_some() { 101 } else { 200 });
        let fields: Vec<(String, String)> = response
            .fields()
            .map(|(name, value)| (name.into(), value.to_string()))
            .collect();
        let list = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"));
        assert_eq!(list.unwrap().1, format!("y, {}", servers.as_str()));

        let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let accepted = options.check_response(key, response.status(), pairs).unwrap().unwrap();
        let clients = client_options.judge(accepted.extensions()).unwrap().unwrap();
        let server = response.into_connection(&Limits::default());
        let client = accepted.into_connection(keys as Keys, &Limits::default());
        talk((server, servers), (client, clients));
    }
}

#[test]
fn over_fields_that_others_have_parsed() {
    over_fields(Some(&Key::generate(&mut |key: &mut [u8]| key.fill(7))));
}

#[test]
fn over_extended_connect() {
    over_fields(None);
}

#[cfg(feature = "http")]
#[test]
fn over_the_types_of_the_http_crate() {
    let key = Key::generate(&mut |key: &mut [u8]| key.fill(7));
    for key in [Some(&key), None] {
        for client_options in both() {
            let offer = client_options.offer();
            let offers = [offer.as_str()];
            let options = ConnectOptions::new().extensions(&offers, COMPRESSION);
            let request = options.to_http("https://example.com/".parse().unwrap(), key).unwrap();
            let valid = ValidRequest::from_http(&request, Some("websocket")).unwrap().unwrap();
            let servers = DeflateOptions::new().accept(valid.extensions()).unwrap();
            let answers = [servers.as_str()];
            let accepting = AcceptOptions::new().extensions(&answers, COMPRESSION);
            let accepted = valid.accept(&accepting).unwrap();
            let response = accepted.to_http().unwrap();
            let answer = options.check_http(key, &response).unwrap().unwrap();
            let clients = client_options.judge(answer.extensions()).unwrap().unwrap();
            let server = accepted.into_connection(&Limits::default());
            let client = answer.into_connection(keys as Keys, &Limits::default());
            talk((server, servers), (client, clients));
        }
    }
}

/// A head of HTTP/1.1, with the machines that own their buffers: what else was offered and agreed to stays.
#[test]
fn beside_other_extensions() {
    let uri = WebSocketUri::parse("ws://127.0.0.1:9001/").unwrap();
    let deflate = DeflateOptions::new();
    let offer = deflate.offer();
    for (offers, agreed, answer, compressed) in [
        (
            &["x", offer.as_str(), "y"][..],
            &["y"][..],
            "y, permessage-deflate",
            true,
        ),
        (&[offer.as_str()], &[], "permessage-deflate", true),
        (&["x", "y"], &["y", "x"], "y, x", false),
    ] {
        let options = ConnectOptions::new().extensions(offers, COMPRESSION);
        let connect = BufferedClientHandshake::start(&uri, &options, keys as Keys, &Limits::default()).unwrap();
        let mut connect = connect.with_deflate(deflate);
        let request = connect.buffers().1.unwritten().to_vec();
        let mut accept = BufferedServerHandshake::new(&Limits::default()).with_deflate(deflate);
        accept.buffers().0.extend(&request).unwrap();
        let accepting = AcceptOptions::new().extensions(agreed, Extensions::NONE);
        let server = accept.accept(&accepting).unwrap().unwrap();
        let response = String::from_utf8(server.output().to_vec()).unwrap();
        assert!(
            response.contains(&format!("Sec-WebSocket-Extensions: {answer}\r\n")),
            "{response}"
        );
        connect.buffers().0.extend(response.as_bytes()).unwrap();
        let client = connect.connect().unwrap().unwrap();
        assert_eq!(server.compresses(), compressed);
        assert_eq!(client.compresses(), compressed);
    }

    // Two that use the same bit are not agreed to.
    let offers = ["permessage-other", offer.as_str()];
    let options = ConnectOptions::new().extensions(&offers, COMPRESSION);
    let mut connect = BufferedClientHandshake::start(&uri, &options, keys as Keys, &Limits::default()).unwrap();
    let request = connect.buffers().1.unwritten().to_vec();
    let mut accept = BufferedServerHandshake::new(&Limits::default()).with_deflate(deflate);
    accept.buffers().0.extend(&request).unwrap();
    let accepting = AcceptOptions::new().extensions(&["permessage-other"], COMPRESSION);
    let refused = accept.accept(&accepting).map(|_| ()).unwrap_err();
    assert_eq!(refused, Misuse::ExtensionConflict.into());
}
