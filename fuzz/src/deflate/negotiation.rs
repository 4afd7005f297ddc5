//! The negotiation, with any offers and answers, over header fields and extended CONNECT, against rules written down again.

use arbitrary::{Arbitrary as _, Unstructured};
use sockless::connection::Extensions;
use sockless::deflate::{DeflateAgreement, DeflateOptions};
use sockless::handshake::{AcceptOptions, ConnectOptions, Extension, HttpVersion, Key, ValidRequest};

use super::options;

/// The parameters of one element (RFC 7692 section 7.1).
#[derive(Debug, Default, Clone, Copy)]
struct Params {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    client_bits: Option<Option<u8>>,
}

/// `None` if the element breaks a rule.
fn params(extension: Extension<'_>) -> Option<Params> {
    let mut params = Params::default();
    let mut names = Vec::new();
    for (name, value) in extension.params() {
        if names.contains(&name) {
            return None;
        }
        names.push(name);
        let value = value.map(|value| value.to_string());
        let bits = value.as_deref().map(|value| {
            let bits = value.parse().ok().filter(|bits| (8..=15).contains(bits));
            bits.filter(|bits: &u8| bits.to_string() == value)
        });
        match (name, value, bits) {
            ("server_no_context_takeover", None, _) => params.server_no_takeover = true,
            ("client_no_context_takeover", None, _) => params.client_no_takeover = true,
            ("server_max_window_bits", _, Some(Some(bits))) => params.server_bits = Some(bits),
            ("client_max_window_bits", None, _) => params.client_bits = Some(None),
            ("client_max_window_bits", _, Some(Some(bits))) => params.client_bits = Some(Some(bits)),
            _ => return None,
        }
    }
    Some(params)
}

fn deflate<'e>(elements: &[Extension<'e>]) -> Vec<Extension<'e>> {
    let mut elements = elements.to_vec();
    elements.retain(|element| element.name() == "permessage-deflate");
    elements
}

/// What a server may answer to these offers, and what it then does.
fn check_accepted(offers: &[Extension<'_>], agreed: Option<&DeflateAgreement>) {
    let offer = deflate(offers).into_iter().find_map(params);
    let (Some(offer), Some(agreed)) = (offer, agreed) else {
        assert_eq!(offer.is_some(), agreed.is_some(), "{offers:?}");
        return;
    };
    let answer = Extension::parse(agreed.as_str())
        .and_then(params)
        .expect("a valid answer");
    assert!(!offer.server_no_takeover || answer.server_no_takeover);
    if let Some(bits) = offer.server_bits {
        assert!(answer.server_bits.is_some_and(|answered| answered <= bits));
    }
    if let Some(bits) = answer.client_bits {
        assert!(offer.client_bits.is_some() && bits.is_some());
    }
    assert!(!agreed.send_takeover() || !answer.server_no_takeover);
    assert!(agreed.send_window_bits() <= answer.server_bits.unwrap_or(15));
    // What the client may do: hints that were not answered do not bind it.
    assert_eq!(agreed.receive_takeover(), !answer.client_no_takeover);
    assert_eq!(agreed.receive_window_bits(), answer.client_bits.flatten().unwrap_or(15));
}

/// Whether a client may take this answer for its offer, and what it then does.
fn check_judged(options: &DeflateOptions, answers: &[Extension<'_>]) {
    let offer = options.offer();
    let offer = Extension::parse(offer.as_str())
        .and_then(params)
        .expect("a valid offer");
    let answers = deflate(answers);
    let judged = options.judge(answers.iter().copied());
    let answer = match answers[..] {
        [] => return assert_eq!(judged, Ok(None)),
        [answer] => params(answer),
        _ => None,
    };
    let answer = answer.filter(|answer| {
        answer.client_bits != Some(None)
            && (offer.client_bits.is_some() || answer.client_bits.is_none())
            && (!offer.server_no_takeover || answer.server_no_takeover)
            && offer
                .server_bits
                .is_none_or(|bits| answer.server_bits.is_some_and(|answered| answered <= bits))
    });
    match (answer, judged) {
        (None, Err(_)) => {}
        (Some(answer), Ok(Some(agreed))) => {
            assert_eq!(agreed.receive_takeover(), !answer.server_no_takeover);
            assert_eq!(agreed.receive_window_bits(), answer.server_bits.unwrap_or(15));
            assert!(!agreed.send_takeover() || !answer.client_no_takeover);
            assert!(agreed.send_window_bits() <= answer.client_bits.flatten().unwrap_or(15));
        }
        (answer, judged) => panic!("{answers:?}: {answer:?} {judged:?}"),
    }
}

/// Any offers and any answers, and the two sides together, over both doors.
pub fn deflate_negotiation(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(server), Ok(client), Ok(cut)) = (options(&mut u), options(&mut u), u16::arbitrary(&mut u)) else {
        return;
    };
    let rest = u.take_rest();
    // In two fields.
    let (first, second) = rest.split_at(rest.len().min(cut.into()));
    let base: [(&str, &[u8]); 1] = [("Sec-WebSocket-Version", b"13")];
    let lists = [
        ("sec-websocket-extensions", first),
        ("sec-websocket-extensions", second),
    ];
    let connect = base.into_iter().chain(lists);
    let get = connect.clone().chain([
        ("Host", &b"a"[..]),
        ("Upgrade", b"websocket"),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ]);
    let by_get = ValidRequest::from_request("GET", HttpVersion::Http11, get);
    let by_connect = ValidRequest::from_extended_connect("CONNECT", "websocket", connect);
    let (by_get, by_connect) = match (by_get, by_connect) {
        (Ok(Some(by_get)), Ok(Some(by_connect))) => (by_get, by_connect),
        (Err(by_get), Err(by_connect)) => return assert_eq!(by_get, by_connect),
        _ => panic!("one door lets in what the other does not"),
    };
    let offers: Vec<Extension<'_>> = by_get.extensions().collect();
    assert!(by_connect.extensions().eq(offers.iter().copied()));
    let agreed = server.accept(offers.iter().copied());
    check_accepted(&offers, agreed.as_ref());
    check_judged(&client, &offers);
    if let Some(agreed) = &agreed {
        // What a server agrees to, it may answer.
        let (answer, compression) = ([agreed.as_str()], Extensions::COMPRESSION);
        let accepting = AcceptOptions::new().extensions(&answer, compression);
        assert_eq!(
            (by_get.accept(&accepting).is_ok(), by_connect.accept(&accepting).is_ok()),
            (true, true)
        );
    }
    both_sides(&server, &client);
}

/// What this client offers, this server accepts, over both doors; the client takes its answer, and each may do what the other
/// expects.
fn both_sides(server: &DeflateOptions, client: &DeflateOptions) {
    let offer = client.offer();
    let (offers, compression) = ([offer.as_str()], Extensions::COMPRESSION);
    let options = ConnectOptions::new().extensions(&offers, compression);
    let key = Key::generate(&mut |key: &mut [u8]| key.fill(7));
    for key in [Some(&key), None] {
        let request: Vec<(String, String)> = options
            .fields(key)
            .expect("an offer")
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .chain([("host".into(), "a".into())])
            .collect();
        let pairs = request.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let request = match key {
            Some(_) => ValidRequest::from_request("GET", HttpVersion::Http11, pairs),
            None => ValidRequest::from_extended_connect("CONNECT", "websocket", pairs),
        };
        let request = request.expect("a legal request").expect("an opening handshake");
        let servers = server.accept(request.extensions()).expect("an offer of ours");
        let answer = [servers.as_str()];
        let accepting = AcceptOptions::new().extensions(&answer, compression);
        let response = request.accept(&accepting).expect("an answer");
        let fields: Vec<(String, String)> = response
            .fields()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let accepted = options.check_response(key, response.status(), pairs);
        let accepted = accepted.expect("a legal response").expect("an acceptance");
        let clients = client
            .judge(accepted.extensions())
            .expect("an answer of ours")
            .expect("an agreement");
        assert!(servers.receive_takeover() || !clients.send_takeover());
        assert!(clients.receive_takeover() || !servers.send_takeover());
        assert!(clients.send_window_bits() <= servers.receive_window_bits());
        assert!(servers.send_window_bits() <= clients.receive_window_bits());
    }
}
