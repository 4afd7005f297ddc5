//! What is shown where things are logged: states and parameters, and nothing of what was sent or received.

use crate::common::{ClientWs, ServerWs, pair, receive, receive_chunks};
use sockless::deflate::{Broadcast, DeflateOptions, Engines};

const SECRET: &str = "a secret that is longer than it would be worth to send plain, a secret, a secret";

/// Text and numbers: payloads are shown in neither form.
fn shows_no_payload(shown: &str) {
    let numbers = format!("{:?}", &SECRET.as_bytes()[..8]);
    let numbers = numbers.trim_matches(['[', ']']);
    assert!(!shown.contains("secret") && !shown.contains(numbers), "{shown}");
    assert!(shown.len() < 600, "{shown}");
}

#[test]
fn connections_and_engines_show_no_payloads() {
    let (mut server, mut client): (ServerWs, ClientWs) = pair(&DeflateOptions::new());
    let mut engines = Engines::new();
    let (mut out, mut begun) = (Vec::new(), Vec::new());
    server.tx(&mut out, &mut engines).text(SECRET).unwrap();
    assert_eq!(receive(&mut client, &out, 100, &mut engines).0.len(), 1);
    // And a message that is under way.
    server.tx(&mut begun, &mut engines).part(SECRET, false).unwrap();
    receive_chunks(&mut client, &begun, 100, &mut engines);

    let connection = format!("{:?}", client.connection());
    let shown = format!("{client:?}");
    assert!(
        shown.starts_with("DeflateConnection {") && shown.contains(&connection),
        "{shown}"
    );
    shows_no_payload(&shown);
    let shown = format!("{engines:?}");
    assert!(
        shown.starts_with("Engines {") && shown.contains(&format!("memory: {}", engines.memory())),
        "{shown}"
    );
    assert!(shown.contains("streams: 1"), "{shown}");
    shows_no_payload(&shown);

    let (receiver, sender) = client.split().unwrap();
    let (shown, inside) = (format!("{receiver:?}"), format!("{:?}", receiver.receiver()));
    assert!(
        shown.starts_with("DeflateReceiver {") && shown.contains(&inside),
        "{shown}"
    );
    shows_no_payload(&shown);
    let (shown, inside) = (format!("{sender:?}"), format!("{:?}", sender.sender()));
    assert!(
        shown.starts_with("DeflateSender {") && shown.contains(&inside),
        "{shown}"
    );
    shows_no_payload(&shown);

    let mut group = Broadcast::new(&DeflateOptions::new());
    let message = group.message(SECRET, &mut engines).unwrap();
    for (shown, name) in [
        (format!("{group:?}"), "Broadcast {"),
        (format!("{message:?}"), "BroadcastMessage {"),
    ] {
        assert!(shown.starts_with(name), "{shown}");
        shows_no_payload(&shown);
    }
}

#[test]
fn offers_and_agreements_show_their_parameters() {
    use sockless::handshake::Extension;
    let options = DeflateOptions::small().with_send_takeover(false);
    let offer = options.offer();
    assert!(format!("{offer:?}").contains(offer.as_str()));
    let agreed = options.accept(Extension::parse(offer.as_str())).unwrap();
    assert_eq!(agreed.to_string(), agreed.as_str());
    assert!(agreed.as_str().contains("server_no_context_takeover"));
    assert!(format!("{agreed:?}").contains(agreed.as_str()));
}
