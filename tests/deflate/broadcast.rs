//! One message for many, compressed once: members that join, leave, and are written to privately.

use crate::common::{ClientWs, Got, Random, ServerWs, agree, client, receive, server};
use sockless::connection::{Connection, Server};
use sockless::deflate::{Broadcast, BroadcastMessage, DeflateConnection, DeflateOptions, Engines};
use sockless::limits::Limits;

struct Member {
    server: ServerWs,
    client: Option<ClientWs>,
    expected: Vec<Got>,
    got: Vec<Got>,
    subscribed: bool,
}

fn member(client_options: &DeflateOptions) -> Member {
    let (servers, clients) = agree(&DeflateOptions::new(), client_options);
    Member {
        server: server(&servers, &Limits::default()),
        client: Some(client(&clients, &Limits::default())),
        expected: Vec::new(),
        got: Vec::new(),
        subscribed: true,
    }
}

#[test]
fn members_join_and_leave_and_are_written_to_privately() {
    let mut random = Random(11);
    let (mut engines, mut client_engines) = (Engines::new(), Engines::new());
    let mut group = Broadcast::new(&DeflateOptions::new());
    let mut other_group = Broadcast::new(&DeflateOptions::new());
    let kinds = [
        DeflateOptions::new(),
        DeflateOptions::small(),
        DeflateOptions::new().with_receive_takeover(false),
        DeflateOptions::new().with_receive_window_bits(9),
    ];
    let mut members: Vec<Member> = (0..20).map(|at| member(&kinds[at % kinds.len()])).collect();
    let (mut deliveries, mut wire, mut text_len) = (0, 0, 0);
    for round in 0..400 {
        if round % 20 == 10 {
            let at = random.below(members.len());
            members[at] = member(&kinds[at % kinds.len()]);
        }
        let len = 200 + random.below(600);
        let text = random.text(len);
        let in_other = random.below(10) == 0;
        let group = if in_other { &mut other_group } else { &mut group };
        let mut message = group.message(&text, &mut engines).unwrap();
        for member in &mut members {
            if random.below(100) == 0 {
                member.subscribed = !member.subscribed;
            }
            let mut out = Vec::new();
            match random.below(40) {
                0 => {
                    let private = random.text(100);
                    member.server.tx(&mut out, &mut engines).text(&private).unwrap();
                    member.expected.push(Got::Text(private));
                }
                1 => {
                    member.server.tx(&mut out, &mut engines).plain().text("plain").unwrap();
                    member.expected.push(Got::Text("plain".into()));
                }
                2 => {
                    let mut tx = member.server.tx(&mut out, &mut engines);
                    tx.part("in two ", false).unwrap();
                    tx.part("parts", true).unwrap();
                    member.expected.push(Got::Text("in two parts".into()));
                }
                _ => {}
            }
            if member.subscribed {
                let before = out.len();
                let mut none = sockless::buffer::SliceOutput::new(&mut []);
                assert!(
                    member
                        .server
                        .tx(&mut none, &mut engines)
                        .broadcast(&mut message)
                        .is_err()
                );
                member
                    .server
                    .tx(&mut out, &mut engines)
                    .broadcast(&mut message)
                    .unwrap();
                member.expected.push(Got::Text(text.clone()));
                deliveries += 1;
                wire += out.len() - before;
                text_len += text.len();
            }
            let client = member.client.as_mut().unwrap();
            let (got, failure) = receive(client, &out, 333, &mut client_engines);
            assert_eq!(failure, None);
            member.got.extend(got);
        }
    }
    for member in &members {
        assert_eq!(member.got, member.expected);
    }
    println!(
        "{deliveries} deliveries, {:.1} % of the size",
        100.0 * wire as f64 / text_len as f64
    );
}

/// Nearly all members get the same bytes: the message is compressed once, twice at most.
#[test]
fn all_members_in_step_share_the_bytes() {
    let mut random = Random(3);
    let mut engines = Engines::new();
    let mut group = Broadcast::new(&DeflateOptions::new());
    let mut members: Vec<Member> = (0..50).map(|_| member(&DeflateOptions::new())).collect();
    for round in 0..30 {
        let mut message = group.message(&random.text(500), &mut engines).unwrap();
        if round == 20 {
            members.push(member(&DeflateOptions::new()));
        }
        let mut frames: Vec<Vec<u8>> = members
            .iter_mut()
            .map(|member| {
                let mut out = Vec::new();
                member
                    .server
                    .tx(&mut out, &mut engines)
                    .broadcast(&mut message)
                    .unwrap();
                out
            })
            .collect();
        let newcomer = (round >= 20).then(|| frames.pop().unwrap());
        frames.dedup();
        assert_eq!(frames.len(), 1);
        // 4 KiB are nine messages of 500 bytes.
        if let Some(newcomer) = newcomer {
            assert_eq!(newcomer == frames[0], round >= 29, "{round}");
        }
    }
}

/// What one member is sent: the first byte, and the length of the frame.
fn sent(member: &mut Member, message: &mut BroadcastMessage, engines: &mut Engines) -> (u8, usize) {
    let mut out = Vec::new();
    member.server.tx(&mut out, engines).broadcast(message).unwrap();
    (out[0], out.len())
}

/// As to one connection, short messages go plain.
#[test]
fn messages_below_the_threshold_go_plain() {
    let mut engines = Engines::new();
    let mut group = Broadcast::new(&DeflateOptions::new().with_threshold(50));
    let mut member = member(&DeflateOptions::new());
    for (len, first) in [(49, 0x81), (50, 0xc1), (1, 0x81), (500, 0xc1)] {
        let mut message = group.message(&"x".repeat(len), &mut engines).unwrap();
        assert_eq!(sent(&mut member, &mut message, &mut engines).0, first, "{len} bytes");
    }
}

/// A member whose window is smaller than the group's is sent plain messages; the same window is large enough.
#[test]
fn members_need_the_window_of_the_group() {
    let mut engines = Engines::new();
    let mut group = Broadcast::new(&DeflateOptions::new().with_compressor(12, 5));
    for (bits, first) in [(8, 0x81), (11, 0x81), (12, 0xc1), (13, 0xc1), (15, 0xc1)] {
        let mut member = member(&DeflateOptions::new().with_receive_window_bits(bits));
        let mut message = group.message(&"x".repeat(500), &mut engines).unwrap();
        assert_eq!(sent(&mut member, &mut message, &mut engines).0, first, "{bits} bits");
    }
}

/// Compressed is shorter than plain, for those in step and for those whose messages refer to nothing.
#[test]
fn what_is_compressed_for_a_group_is_shorter() {
    let (mut engines, mut random) = (Engines::new(), Random(17));
    let mut group = Broadcast::new(&DeflateOptions::new().with_threshold(0));
    let mut in_step = member(&DeflateOptions::new());
    let mut alone = member(&DeflateOptions::new().with_receive_takeover(false));
    let mut seen = [0; 4];
    for _ in 0..3000 {
        let len = 1 + random.below(25);
        let text: String = (0..len).map(|_| ['a', 'b'][random.below(2)]).collect();
        let mut message = group.message(&text, &mut engines).unwrap();
        for (member, at) in [(&mut in_step, 0), (&mut alone, 2)] {
            let (first, frame_len) = sent(member, &mut message, &mut engines);
            let is_compressed = first == 0xc1;
            assert!(!is_compressed || frame_len < len + 2, "{frame_len} for {len}");
            seen[at + usize::from(is_compressed)] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn a_connection_without_an_agreement_is_sent_it_plain() {
    let mut engines = Engines::new();
    let mut group = Broadcast::new(&DeflateOptions::new());
    let text = "the same again, the same again, the same again";
    let mut message = group.message(text, &mut engines).unwrap();
    let mut ws = DeflateConnection::new(Connection::new(Server, &Limits::default()), None);
    let mut out = Vec::new();
    ws.tx(&mut out, &mut engines).broadcast(&mut message).unwrap();
    assert_eq!(out, [&[0x81, text.len() as u8][..], text.as_bytes()].concat());
}
