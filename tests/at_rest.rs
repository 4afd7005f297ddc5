//! A connection at rest behaves as a fresh one, so that it can be parked at zero bytes, or go on in another process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use sockless::connection::{Client, Connection, Role, Server};
use sockless::frame::{CloseCode, MessageKind};
use sockless::{BufferedConnection, Limits};

/// What happens to a connection.
#[derive(Clone, Debug)]
enum Happens {
    /// A frame comes: its first byte, and its payload.
    Frame(u8, Vec<u8>),
    /// Some bytes come.
    Bytes(Vec<u8>),
    /// It sends.
    Send(Vec<u8>, bool),
    /// It sends a frame in two chunks.
    Chunks(u8),
    Ping,
    Close(u16),
    End,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(b'a'..=b'z', 0..20),
        1 => prop::collection::vec(any::<u8>(), 0..130),
        1 => (0..6_000_usize).prop_map(|len| vec![b'x'; len]),
    ]
}

/// What comes of a peer that keeps the rules: messages in one frame and in two, Pings and Pongs.
fn legal() -> impl Strategy<Value = Vec<Happens>> {
    let whole = (
        prop_oneof![Just(0x81_u8), Just(0x82)],
        prop::collection::vec(b'a'..=b'z', 0..5_000),
    )
        .prop_map(|(first, payload)| vec![Happens::Frame(first, payload)]);
    let two = (
        prop::collection::vec(b'a'..=b'z', 0..300),
        prop::collection::vec(b'a'..=b'z', 0..300),
    )
        .prop_map(|(a, b)| {
            vec![
                Happens::Frame(0x01, a),
                Happens::Frame(0x89, b"between".to_vec()),
                Happens::Frame(0x80, b),
            ]
        });
    let control = prop_oneof![Just(0x89_u8), Just(0x8a)].prop_map(|first| vec![Happens::Frame(first, b"p".to_vec())]);
    let send = (payload(), any::<bool>()).prop_map(|(payload, part)| vec![Happens::Send(payload, part)]);
    let chunks = any::<u8>().prop_map(|len| vec![Happens::Chunks(len)]);
    let step = prop_oneof![3 => whole, 2 => two, 2 => control, 2 => send, 1 => chunks, 1 => Just(vec![Happens::Ping])];
    prop::collection::vec(step, 0..12).prop_map(|steps| steps.concat())
}

/// Whatever comes then.
fn anything() -> impl Strategy<Value = Vec<Happens>> {
    let first =
        prop_oneof![4 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8a]), 1 => any::<u8>()];
    let step = prop_oneof![
        6 => (first, payload()).prop_map(|(first, payload)| Happens::Frame(first, payload)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Happens::Bytes),
        2 => (payload(), any::<bool>()).prop_map(|(payload, part)| Happens::Send(payload, part)),
        1 => any::<u8>().prop_map(Happens::Chunks),
        1 => Just(Happens::Ping),
        1 => (999..5001_u16).prop_map(Happens::Close),
        1 => Just(Happens::End),
    ];
    prop::collection::vec(step, 0..12)
}

/// Does it, and tells all that can be seen. Mask keys are always the same.
fn happen<R: Role>(ws: &mut BufferedConnection<R>, what: &Happens, drain: bool) -> String {
    let mut seen = String::new();
    let mut note = |what: String| seen.push_str(&(what + "\n"));
    match what {
        Happens::Frame(first, payload) => {
            let mut bytes = vec![*first];
            let mask = if R::IS_CLIENT { 0 } else { 0x80 };
            match payload.len() {
                len @ 0..=125 => bytes.push(mask | len as u8),
                len => {
                    bytes.push(mask | 126);
                    bytes.extend((len as u16).to_be_bytes());
                }
            }
            if !R::IS_CLIENT {
                bytes.extend([0; 4]);
            }
            bytes.extend(payload);
            ws.buffers().0.extend(&bytes).unwrap();
        }
        Happens::Bytes(bytes) => ws.buffers().0.extend(bytes).unwrap(),
        Happens::Send(payload, false) => note(format!("{:?}", ws.tx().binary(payload))),
        Happens::Send(payload, true) => {
            let (a, b) = payload.split_at(payload.len() / 2);
            note(format!("{:?} {:?}", ws.tx().part(a, false), ws.tx().part(b, true)));
        }
        Happens::Chunks(len) => {
            let bytes = vec![7; usize::from(*len)];
            note(format!(
                "{:?}",
                ws.tx().begin_frame(MessageKind::Binary, u64::from(*len), true)
            ));
            note(format!("{:?}", ws.tx().chunk(&bytes[..])));
        }
        Happens::Ping => note(format!("{:?}", ws.tx().ping(b"ours"))),
        Happens::Close(code) => note(format!("{:?}", ws.tx().close(CloseCode(*code), "reason"))),
        Happens::End => note(format!("{:?}", ws.end_of_stream())),
    }
    loop {
        match ws.next_event() {
            Ok(Some((event, _))) => note(format!("{event:?}")),
            Ok(None) => break,
            Err(error) => {
                note(format!("{error:?}"));
                break;
            }
        }
    }
    note(format!("{:?}", ws.output()));
    note(format!("{:?} {:?}", ws.transport(), ws.close_record()));
    note(format!(
        "{:?} {} {}",
        ws.connection().message_progress(),
        ws.is_at_rest(),
        ws.wants_input()
    ));
    if drain {
        ws.written(ws.output().len());
    }
    seen
}

/// Writes all of the output, and receives what has waited for that.
fn drained<R: Role>(ws: &mut BufferedConnection<R>) {
    while !ws.output().is_empty() {
        ws.written(ws.output().len());
        while let Ok(Some(_)) = ws.next_event() {}
    }
}

/// `drains`: whether the output is written after each thing that happens, before the rest and after it. Where it is not, Pongs
/// pile up, and hold the connection up in the end.
fn same<R: Role>(
    fresh: impl Fn() -> Connection<R>,
    before: &[Happens],
    after: &[Happens],
    drains: [bool; 2],
) -> Result<bool, TestCaseError> {
    let mut used = BufferedConnection::new(fresh());
    let [drain_before, drain] = drains;
    for what in before {
        happen(&mut used, what, drain_before);
    }
    drained(&mut used);
    if !used.is_at_rest() {
        return Ok(false);
    }
    used.release();
    let mut fresh = BufferedConnection::new(fresh());
    prop_assert!(fresh.is_at_rest());
    for what in after {
        prop_assert_eq!(happen(&mut used, what, drain), happen(&mut fresh, what, drain));
    }
    Ok(true)
}

/// Few fragments, short messages and a few Pongs, so that the limits are reached.
fn limits() -> Limits {
    Limits::default()
        .with_max_message_len(5_500)
        .with_fragment_budget(3)
        .with_max_reply_backlog(30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_server_at_rest_is_a_fresh_one(before in legal(), after in anything(), drains in any::<[bool; 2]>()) {
        prop_assert!(same(|| Connection::new(Server, &limits()), &before, &after, drains)?, "it comes to rest");
    }

    #[test]
    fn a_client_at_rest_is_a_fresh_one(before in legal(), after in anything(), drains in any::<[bool; 2]>()) {
        let key = |bytes: &mut [u8]| bytes.fill(0x55);
        prop_assert!(same(|| Connection::new(Client::new(key), &limits()), &before, &after, drains)?, "it comes to rest");
    }

    /// Whatever came before: what says that it is at rest is at rest.
    #[test]
    fn what_says_that_it_is_at_rest_is(before in anything(), after in anything(), drains in any::<[bool; 2]>()) {
        same(|| Connection::new(Server, &limits()), &before, &after, drains)?;
    }
}

/// A parked connection is nothing but its descriptor: what it holds at rest is nothing.
#[test]
fn nothing_is_held_at_rest() {
    let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
    happen(&mut ws, &Happens::Frame(0x82, vec![7; 100_000 % 65_536]), true);
    assert!(ws.is_at_rest());
    ws.release();
    assert_eq!((ws.buffers().0.capacity(), ws.buffers().1.capacity()), (0, 0));
}

#[test]
fn sizes() {
    let server = size_of::<Connection<Server>>();
    let client = size_of::<Connection<Client<fn(&mut [u8])>>>();
    println!(
        "Connection<Server>: {server} bytes, Connection<Client<fn>>: {client} bytes, BufferedConnection<Server>: {} bytes",
        size_of::<BufferedConnection<Server>>()
    );
    assert!(server <= 256 && client <= 256);
}
