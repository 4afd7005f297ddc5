//! Vulnerabilities and defects that were published for other implementations, each class once, here shown to be absent.
//!
//! The name of a test says what went wrong elsewhere; its comment says where. What is about memory is in `memory.rs`.

use sockless::buffer::{ReadBuffer, SliceOutput};
use sockless::connection::{ChunkEvent, Client, Connection, Extensions, Receiver, Sender, Server};
use sockless::error::{Blocked, Failure, LimitExceeded, ReceiveError, Violation};
use sockless::frame::{CloseCode, CloseFrame, Header, MAX_HEADER_LEN, Opcode};
use sockless::handshake::{
    AcceptOptions, ClientHandshake, ConnectError, ConnectOptions, HandshakeError, HttpResponse, Request, RequestError,
    Response, ServerHandshake, WebSocketUri,
};
use sockless::limits::Limits;
use sockless::message::Event;
use sockless_conformance::{Role, Rule};
use sockless_fuzz::level::Level;
use sockless_fuzz::{Outcome, rule_of, run};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn unlimited() -> Limits {
    Limits::default()
        .with_max_frame_len(u64::MAX)
        .with_max_message_len(u64::MAX)
}

/// A frame as the peer of `role` sends it, with a mask key of zeros.
fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(role, first, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

fn header(role: Role, first: u8, len: u64) -> Vec<u8> {
    let header = Header {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 7,
        opcode: Opcode::ALL
            .into_iter()
            .find(|opcode| opcode.bits() == first & 0xf)
            .unwrap(),
        mask_key: (role == Role::Server).then_some([0; 4]),
        payload_len: len,
    };
    header.encode(&mut [0; MAX_HEADER_LEN]).to_vec()
}

fn whole(role: Role, limits: &Limits, bytes: &[u8]) -> Outcome {
    run(Level::Messages, role, limits, &[bytes])
}

fn failure_of(role: Role, bytes: &[u8]) -> Option<Failure> {
    whole(role, &Limits::default(), bytes).failure
}

/// Inputs so long that work in proportion to their square would not end in the time that CI has. Nothing is timed here:
/// the bytes looked at are counted in the scanner's own tests.
fn long(what: impl FnOnce()) {
    what();
}

/// A buffer that has read these bytes.
fn input(bytes: &[u8]) -> ReadBuffer {
    let mut input = ReadBuffer::new();
    input.extend(bytes).unwrap();
    input
}

fn request(fields: &str) -> Result<(), HandshakeError> {
    let head = format!("{UPGRADE}{fields}\r\n");
    let limits = Limits::default().with_max_head_len(4 << 20).with_max_headers(1 << 20);
    let mut out = Vec::new();
    match ServerHandshake::new(&limits).receive(&mut input(head.as_bytes()), &mut out) {
        Ok(Some(Request::Upgrade(upgrade))) => {
            // Whatever is offered can be looked at.
            for extension in upgrade.request().extensions() {
                extension.params().for_each(drop);
            }
            upgrade.request().subprotocols().for_each(drop);
            upgrade.accept(&AcceptOptions::new(), &mut out).unwrap();
            assert!(out.starts_with(b"HTTP/1.1 101 "));
            Ok(())
        }
        Ok(_) => panic!("not an upgrade, or not whole"),
        Err(RequestError::Refused(error)) => {
            let status = error.status().unwrap();
            assert!(out.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
            Err(error)
        }
        Err(error) => panic!("{error}"),
    }
}

fn response(fields: &str) -> Result<(), HandshakeError> {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let mut entropy = |key: &mut [u8]| key.copy_from_slice(b"the sample nonce");
    let proposal = ConnectOptions::new();
    let mut out = Vec::new();
    let mut client = ClientHandshake::start(&uri, &proposal, &mut entropy, &Limits::default(), &mut out).unwrap();
    let head = format!("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{fields}\r\n");
    let mut input = input(head.as_bytes());
    let result = client.receive(&mut input);
    result.map(|response| assert!(matches!(response, Some(Response::Accepted(_)))))
}

const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// CVE-2023-43669 (RUSTSEC-2023-0065): the head was parsed again from its start with every read.
#[test]
fn quadratic_head_parsing_cve_2023_43669() {
    let limits = Limits::default().with_max_head_len(1 << 20);
    let mut head = format!("{UPGRADE}X: ").into_bytes();
    head.resize((1 << 20) - 4, b'x');
    head.extend_from_slice(b"\r\n\r\n");
    long(|| {
        let mut server = ServerHandshake::new(&limits);
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let (last, start) = head.split_last().unwrap();
        for byte in start {
            input.space()[0] = *byte;
            input.advance(1);
            assert!(server.receive(&mut input, &mut out).unwrap().is_none());
        }
        input.extend(&[*last]).unwrap();
        assert!(server.receive(&mut input, &mut out).unwrap().is_some());
    });
}

/// The same for messages: a byte at a time, and nothing is looked at twice.
#[test]
fn quadratic_message_parsing() {
    long(|| {
        let len = 2 << 20;
        let mut server = Connection::new(Server, &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let mut received = 0;
        for byte in frame(Role::Server, 0x81, &vec![b'x'; len]) {
            input.space()[0] = byte;
            input.advance(1);
            while let Some((event, _)) = server.receive(&mut input, &mut out).unwrap() {
                let Event::Text(text) = event else { panic!() };
                received += text.len();
            }
        }
        assert_eq!(received, len);
        let mut client = Connection::new(Client::new(|key: &mut [u8]| key.fill(0)), &Limits::default());
        let mut received = 0;
        for byte in frame(Role::Client, 0x81, &vec![b'x'; len]).chunks_mut(1) {
            let mut input = byte;
            while let Some((event, _)) = client.receive_chunk(&mut input, &mut out).unwrap() {
                let ChunkEvent::Text(chunk) = event else { panic!() };
                received += chunk.data.len();
            }
        }
        assert_eq!(received, len);
    });
}

/// CVE-2024-37890: a request with as many header fields as the limit, and then some, crashed the server.
#[test]
fn header_count_edges_cve_2024_37890() {
    let limits = Limits::default();
    for (extra, accepted) in [(94, true), (95, true), (96, false), (97, false), (500, false)] {
        let head = format!("{UPGRADE}{}\r\n", "X: y\r\n".repeat(extra));
        let mut out = Vec::new();
        let result = ServerHandshake::new(&limits)
            .receive(&mut input(head.as_bytes()), &mut out)
            .map(|_| ());
        let expected = if accepted {
            Ok(())
        } else {
            Err(RequestError::Refused(HandshakeError::TooManyHeaders))
        };
        assert_eq!(result, expected, "{extra} more fields than the five");
        assert_eq!(out.starts_with(b"HTTP/1.1 431 "), !accepted);
    }
}

/// CVE-2021-32640: a list of subprotocols took time in proportion to the square of its length.
#[test]
fn slow_list_parsing_cve_2021_32640() {
    for list in [
        ", ".repeat(1 << 19),
        " ".repeat(1 << 20),
        "\t,".repeat(1 << 19),
        "a,".repeat(1 << 12),
        "a".repeat(1 << 20),
    ] {
        for name in [
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Connection",
            "Upgrade",
            "X",
        ] {
            long(|| _ = request(&format!("{name}: b{list}b\r\n")));
        }
    }
}

/// CVE-2020-7662 and CVE-2020-7663: a quoted string in an extension that does not end.
#[test]
fn slow_quoted_string_parsing_cve_2020_7662() {
    for unit in ["\\", "\\\\", "\\\"", "\" ", ";a=\"", "b=\"\\c\";", "\\c"] {
        let value = format!("a; b=\"{}", unit.repeat((1 << 20) / unit.len()));
        long(|| _ = request(&format!("Sec-WebSocket-Extensions: {value}\r\n")));
    }
    assert_eq!(
        request("Sec-WebSocket-Extensions: a; b=\"c\r\n"),
        Err(HandshakeError::ExtensionMalformed)
    );
}

/// Names that mean something to the language elsewhere (`constructor`, `__proto__`) crashed a server.
#[test]
fn odd_extension_names() {
    for name in [
        "constructor",
        "__proto__",
        "toString",
        "hasOwnProperty",
        "!#$%&'*+-.^_`|~",
        "0",
        "null",
    ] {
        assert_eq!(request(&format!("Sec-WebSocket-Extensions: {name}\r\n")), Ok(()));
        assert_eq!(
            request(&format!("Sec-WebSocket-Extensions: a; {name}; {name}=\"{name}\"\r\n")),
            Ok(())
        );
        assert_eq!(request(&format!("Sec-WebSocket-Protocol: {name}\r\n")), Ok(()));
        let answer = response(&format!("{ACCEPT}Sec-WebSocket-Extensions: {name}\r\n"));
        assert_eq!(answer, Err(HandshakeError::ExtensionNotAsked));
    }
}

/// RUSTSEC-2018-0013 and others: a header taken for text that was none.
#[test]
fn non_ascii_bytes_in_every_header() {
    for name in ["Key", "Version", "Protocol", "Extensions", "Accept", "Anything"] {
        for value in [&b"\x80"[..], b"\xff\xfe", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"a\x80b"] {
            for line in 0..2 {
                let mut head = UPGRADE.as_bytes().to_vec();
                let field = [format!("Sec-WebSocket-{name}: ").as_bytes(), value, b"\r\n"].concat();
                let at = if line == 0 {
                    "GET / HTTP/1.1\r\n".len()
                } else {
                    head.len()
                };
                head.splice(at..at, field);
                head.extend_from_slice(b"\r\n");
                let result = ServerHandshake::new(&Limits::default())
                    .receive(&mut input(&head), &mut Vec::new())
                    .map(|_| ());
                assert!(matches!(result, Err(RequestError::Refused(_))), "{name} {value:x?}");
            }
        }
        let judged_by_clients = matches!(name, "Protocol" | "Extensions" | "Accept");
        let answer = response(&format!("{ACCEPT}Sec-WebSocket-{name}: \u{e9}\r\n"));
        assert_eq!(answer.is_err(), judged_by_clients, "{name}");
    }
}

/// CR and LF in what the application passes on ended up in the head as lines of their own.
#[test]
fn crlf_injection_into_our_own_heads() {
    let uri = WebSocketUri::parse("ws://a/").unwrap();
    let mut entropy = |key: &mut [u8]| key.fill(0);
    for evil in [
        "a\r\nEvil: yes",
        "a\nEvil: yes",
        "a\rEvil: yes",
        "\r\n\r\n",
        "a\0b",
        "\n",
    ] {
        assert!(WebSocketUri::parse(&format!("ws://a/{evil}")).is_err());
        assert!(WebSocketUri::parse(&format!("ws://{evil}/")).is_err());
        let evils = [evil];
        let fields = [("X", evil)];
        let names = [(evil, "x")];
        let proposals = [
            ConnectOptions::new().origin(evil),
            ConnectOptions::new().subprotocols(&evils),
            ConnectOptions::new().extensions(&evils, Extensions::NONE),
            ConnectOptions::new().headers(&fields),
            ConnectOptions::new().headers(&names),
        ];
        for proposal in proposals {
            let mut out = Vec::new();
            let started = ClientHandshake::start(&uri, &proposal, &mut entropy, &Limits::default(), &mut out);
            assert!(matches!(started, Err(ConnectError::Misuse(_))), "{proposal:?}");
            assert!(out.is_empty());
        }
        let head = format!("{UPGRADE}Sec-WebSocket-Protocol: a\r\n\r\n");
        let mut out = Vec::new();
        let mut server = ServerHandshake::new(&Limits::default());
        let mut input = input(head.as_bytes());
        let Ok(Some(Request::Upgrade(upgrade))) = server.receive(&mut input, &mut out) else {
            panic!()
        };
        let acceptances = [
            AcceptOptions::new().subprotocol(evil),
            AcceptOptions::new().extensions(&evils, Extensions::NONE),
            AcceptOptions::new().headers(&fields),
            AcceptOptions::new().headers(&names),
        ];
        for acceptance in acceptances {
            assert!(
                matches!(upgrade.accept(&acceptance, &mut out), Err(RequestError::Misuse(_))),
                "{acceptance:?}"
            );
        }
        for fields in [&fields, &names] {
            let refusal = HttpResponse::new(403).headers(fields);
            assert!(matches!(
                upgrade.reject(&refusal, &mut out),
                Err(RequestError::Misuse(_))
            ));
        }
        assert!(out.is_empty());
    }
}

/// Frames that came in the same read as the end of the head were lost.
#[test]
fn bytes_lost_after_the_head() {
    let mut bytes = format!("{UPGRADE}\r\n").into_bytes();
    let head_len = bytes.len();
    bytes.extend(frame(Role::Server, 0x81, b"first"));
    for cut in 0..=bytes.len() {
        let mut server = ServerHandshake::new(&Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let mut opened = None;
        for part in [&bytes[..cut], &bytes[cut..]] {
            input.extend(part).unwrap();
            if let Some(Request::Upgrade(upgrade)) = server.receive(&mut input, &mut out).unwrap() {
                opened = Some(upgrade.accept(&AcceptOptions::new(), &mut Vec::new()).unwrap());
            }
        }
        assert_eq!(input.unread(), &bytes[head_len..]);
        let mut ws = opened.unwrap();
        let event = ws.receive(&mut input, &mut out).unwrap();
        assert!(matches!(event, Some((Event::Text("first"), _))), "cut at {cut}");
    }
}

/// CVE-2020-27813, CVE-2020-13935, CVE-2026-1528: lengths that became negative, or wrapped when they were added.
#[test]
fn lengths_with_the_top_bit_set_and_sums_near_2_to_the_64() {
    for role in Role::ALL {
        let mask_bit = if role == Role::Server { 0x80 } else { 0 };
        for len in [1 << 63, (1 << 63) + 1, u64::MAX - 13, u64::MAX - 1, u64::MAX] {
            let mut bytes = vec![0x82, 127 | mask_bit];
            bytes.extend_from_slice(&u64::to_be_bytes(len));
            let seen = whole(role, &unlimited(), &bytes);
            assert_eq!(seen.failure, Some(Violation::LengthTopBit.into()), "{len:x}");
        }
        for second in [1_u64 << 62, i64::MAX as u64 - 1, i64::MAX as u64] {
            for limits in [
                unlimited(),
                Limits::default(),
                Limits::default().with_max_message_len(i64::MAX as u64),
            ] {
                let mut bytes = frame(role, 0x02, b"abc");
                bytes.extend(header(role, 0x00, second));
                bytes.extend_from_slice(b"defg");
                let seen = run(Level::Chunks, role, &limits, &[&bytes]);
                let within = second.checked_add(3).is_some_and(|sum| sum <= limits.max_message_len)
                    && second <= limits.max_frame_len;
                assert_eq!(seen.failure.is_none(), within, "{second:x} {limits:?}");
            }
        }
    }
}

/// Lengths above 2^32 that were cut to 32 bits, so that the rest of the payload was read as frames.
#[test]
fn lengths_above_2_to_the_32() {
    for role in Role::ALL {
        for len in [(1_u64 << 32) + 5, 1 << 32, (1 << 40) + 5] {
            let mut bytes = header(role, 0x82, len);
            // With a length of 5 or 0 this would be a message, and then another.
            bytes.extend_from_slice(b"smuggled");
            bytes.extend(frame(role, 0x81, b"gotcha"));
            for level in [Level::Chunks, Level::Messages, Level::Lent, Level::Buffered] {
                let seen = run(level, role, &unlimited(), &[&bytes]);
                assert_eq!((seen.failure, seen.messages().len(), seen.output.len()), (None, 0, 0));
            }
            let seen = whole(role, &Limits::default(), &bytes);
            assert_eq!(seen.failure, Some(LimitExceeded::MessageTooLong.into()));
        }
    }
}

/// CVE-2014-0193: continuation frames that never end filled the memory, since only frames were limited.
#[test]
fn endless_continuation_cve_2014_0193() {
    let limits = Limits::default().with_max_message_len(1 << 16);
    for role in Role::ALL {
        let mut bytes = frame(role, 0x02, &[0; 1000]);
        for _ in 0..100 {
            bytes.extend(frame(role, 0x00, &[0; 1000]));
        }
        let seen = whole(role, &limits, &bytes);
        assert_eq!(seen.failure, Some(LimitExceeded::MessageTooLong.into()));
        assert_eq!(seen.messages().len(), 0);
    }
}

/// CVE-2026-48779, CVE-2026-12151: fragments of one byte or none, a million of them, each kept with its bookkeeping.
#[test]
fn a_million_one_byte_and_empty_fragments() {
    for role in Role::ALL {
        for payload in [&b""[..], b"x"] {
            let mut bytes = frame(role, 0x02, payload);
            let fragment = frame(role, 0x00, payload);
            for _ in 0..1_000_000 {
                bytes.extend_from_slice(&fragment);
            }
            let seen = whole(role, &Limits::default(), &bytes);
            assert_eq!(seen.failure, Some(LimitExceeded::TooManyFragments.into()));
            assert_eq!(seen.failure.unwrap().close_code(), CloseCode::POLICY_VIOLATION);
        }
        // What is legal traffic passes: 4 MiB in fragments of 64 bytes.
        let mut bytes = Vec::new();
        for number in 0..65_536 {
            let first = if number == 0 { 0x02 } else { 0x00 } | if number == 65_535 { 0x80 } else { 0 };
            bytes.extend(frame(role, first, &[7; 64]));
        }
        let seen = whole(role, &Limits::default(), &bytes);
        assert_eq!(seen.messages(), [(false, vec![7; 4 << 20])]);
    }
}

/// Replies to Pings piled up for a peer that does not read.
#[test]
fn a_million_undrained_pings() {
    let limits = Limits::default();
    let mut server = Connection::new(Server, &limits);
    let mut out = Vec::new();
    let mut pings = 0;
    let mut answered = 0;
    let mut waiting = Vec::new();
    while pings < 1_000_000 {
        if waiting.is_empty() {
            waiting = frame(Role::Server, 0x89, b"abc").repeat(1000);
        }
        let mut input = &mut waiting[..];
        loop {
            match server.receive_chunk(&mut input, &mut out) {
                Ok(None) => break,
                Ok(Some(_)) => pings += 1,
                Err(ReceiveError::Blocked(Blocked::UndrainedPongs)) => {
                    // The peer reads after all: nothing was lost.
                    answered += out.len() / 5;
                    out.clear();
                }
                Err(error) => panic!("{error}"),
            }
            assert!(out.len() <= limits.max_reply_backlog as usize);
        }
        waiting.clear();
    }
    assert_eq!(answered + out.len() / 5, pings);
}

/// Pongs that nobody asked for were kept, or answered.
#[test]
fn a_million_unsolicited_pongs() {
    let mut pongs = frame(Role::Server, 0x8a, b"").repeat(1000);
    let mut server = Connection::new(Server, &Limits::default());
    let mut out = Vec::new();
    let mut received = 0;
    for _ in 0..1000 {
        let mut input = &mut pongs[..];
        while server.receive_chunk(&mut input, &mut out).unwrap().is_some() {
            received += 1;
        }
    }
    assert_eq!((received, out.len()), (1_000_000, 0));
}

/// Control frames over 125 bytes were taken, and their Pong, over 125 bytes too, was sent.
#[test]
fn control_frames_over_125_bytes() {
    for role in Role::ALL {
        for opcode in [0x88, 0x89, 0x8a] {
            for len in [126, 127, 200, 65_535, 65_536] {
                let bytes = frame(role, opcode, &vec![b'x'; len]);
                let seen = whole(role, &Limits::default(), &bytes);
                assert_eq!(seen.failure, Some(Violation::ControlTooLong.into()));
                let header = if role == Role::Server { 2 } else { 6 };
                assert_eq!(seen.output.len(), header + 2, "only a Close, with its code");
            }
        }
    }
    let mut out = Vec::new();
    let mut sender = Sender::new(Server);
    let mut tx = sender.tx(&mut out);
    assert!(tx.ping(&[0; 126]).is_err());
    assert!(tx.pong(&[0; 126]).is_err());
    assert!(tx.close(CloseCode::NORMAL, &"x".repeat(124)).is_err());
    assert!(out.is_empty());
}

/// A last fragment without payload never ended its message.
#[test]
fn zero_length_final_fragments() {
    for role in Role::ALL {
        for (payload, expected) in [(&b"abc"[..], &b"abc"[..]), (b"", b"")] {
            for opcode in [0x01, 0x02] {
                let bytes = [frame(role, opcode, payload), frame(role, 0x80, b"")].concat();
                for chunk in 1..=bytes.len() {
                    let chunks: Vec<&[u8]> = bytes.chunks(chunk).collect();
                    for level in Level::ALL {
                        let seen = run(level, role, &Limits::default(), &chunks);
                        assert_eq!(seen.messages(), [(opcode == 0x01, expected.to_vec())]);
                    }
                }
            }
        }
    }
}

/// A continuation with nothing to continue, over the full table: opcode, FIN, and what came before.
#[test]
fn orphan_continuations_over_the_full_table() {
    for role in Role::ALL {
        for before in [None, Some(0x01), Some(0x02)] {
            for first in (0..16).flat_map(|opcode| [opcode, 0x80 | opcode]) {
                let (fin, opcode) = (first & 0x80 != 0, first & 0xf);
                let mut bytes = before.map_or(Vec::new(), |first| frame(role, first, b"a"));
                bytes.extend([first, if role == Role::Server { 0x80 } else { 0 }]);
                bytes.extend(if role == Role::Server { &[0; 4][..] } else { &[] });
                let expected = match (opcode, fin, before) {
                    (0x3..=0x7 | 0xb..=0xf, _, _) => Some(Violation::ReservedOpcode),
                    (0x8..=0xa, false, _) => Some(Violation::FragmentedControl),
                    (0x0, _, None) => Some(Violation::UnexpectedContinuation),
                    (0x1 | 0x2, _, Some(_)) => Some(Violation::ExpectedContinuation),
                    _ => None,
                };
                let failure = failure_of(role, &bytes);
                assert_eq!(failure, expected.map(Failure::from), "{before:x?} {first:x}");
                let rule = failure.map(rule_of);
                assert!(rule.is_none_or(|rule: Rule| rule.applies_to(role)));
            }
        }
    }
}

/// Bytes on both sides of every boundary of the table of well-formed sequences.
const EDGES: [u8; 22] = [
    0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xf0, 0xf1,
    0xf4, 0xf5, 0xff,
];

/// Sequences of bytes that are text or not, at the start of a text and of a reason, under every cut.
fn utf8_agrees_with_core(sequence: &[u8]) {
    let valid = core::str::from_utf8(sequence).is_ok();
    let mut text = vec![0x81, sequence.len() as u8];
    text.extend_from_slice(sequence);
    let mut close = vec![0x88, 2 + sequence.len() as u8, 0x03, 0xe8];
    close.extend_from_slice(sequence);
    for (bytes, at) in [(&text, 2), (&close, 4)] {
        for cut in at..bytes.len() {
            let mut client = Receiver::<Client<fn(&mut [u8])>>::new(&Limits::DEFAULT);
            let mut bytes = bytes.clone();
            let (first, second) = bytes.split_at_mut(cut);
            let mut failed = false;
            let mut delivered = 0;
            for mut input in [first, second] {
                loop {
                    match client.receive_chunk(&mut input) {
                        Ok(None) => break,
                        Ok(Some(ChunkEvent::Text(chunk))) => delivered += chunk.data.len(),
                        Ok(Some(ChunkEvent::Close(CloseFrame { reason, .. }))) => delivered += reason.len(),
                        Ok(Some(_)) => panic!(),
                        Err(error) => {
                            failed = true;
                            assert_eq!(error.close_code(), CloseCode::INVALID_PAYLOAD);
                            break;
                        }
                    }
                }
            }
            assert_eq!(failed, !valid, "{sequence:x?} cut at {cut}");
            assert!(failed || delivered == sequence.len(), "{sequence:x?} cut at {cut}");
        }
    }
}

#[test]
fn utf8_over_all_sequences_of_one_to_four_bytes_at_all_cuts() {
    for a in 0..=255_u8 {
        utf8_agrees_with_core(&[a]);
        for b in 0..=255_u8 {
            utf8_agrees_with_core(&[a, b]);
        }
    }
    for a in EDGES {
        for b in EDGES {
            for c in EDGES {
                utf8_agrees_with_core(&[a, b, c]);
                if a < 0xc0 && b < 0xc0 {
                    continue; // Shorter sequences in a row, which are met above.
                }
                for d in EDGES {
                    utf8_agrees_with_core(&[a, b, c, d]);
                }
            }
        }
    }
}

/// A Close with a body of one byte was read as if it held a code.
#[test]
fn one_byte_close_payloads() {
    for role in Role::ALL {
        for byte in 0..=255 {
            let bytes = frame(role, 0x88, &[byte]);
            for level in Level::ALL {
                let seen = run(level, role, &Limits::default(), &[&bytes]);
                assert_eq!(seen.failure, Some(Violation::CloseBodyOneByte.into()));
                assert!(seen.events.is_empty());
            }
        }
        assert!(CloseFrame::decode(&[3]).is_err());
    }
}

/// Memory that nobody had written was sent (CVE-2016-10518, CVE-2016-10542 and their kin).
#[test]
fn uninitialised_output_bytes() {
    let mut memory = [0xaa; 512];
    let mut out = SliceOutput::new(&mut memory);
    let mut client = Sender::new(Client::new(|key: &mut [u8]| key.fill(0)));
    let mut tx = client.tx(&mut out);
    tx.text("abc").unwrap();
    tx.ping(b"").unwrap();
    tx.close(CloseCode::NORMAL, "bye").unwrap();
    let expected = b"\x81\x83\0\0\0\0abc\x89\x80\0\0\0\0\x88\x85\0\0\0\0\x03\xe8bye";
    assert_eq!(out.as_bytes(), expected);
    assert!(
        memory[expected.len()..].iter().all(|byte| *byte == 0xaa),
        "written beyond what counts as written"
    );

    // A reply holds only what it answers, whatever was in the control buffer before.
    let mut server = Connection::new(Server, &Limits::default());
    let mut out = Vec::new();
    for payload in [&[0xff; 125][..], b"ab", b""] {
        for chunk in frame(Role::Server, 0x89, payload).chunks_mut(1) {
            let mut input = chunk;
            while server.receive_chunk(&mut input, &mut out).unwrap().is_some() {}
        }
        assert_eq!(out[2..], *payload);
        out.clear();
    }
    // Space to read into that is new memory is not what was there before.
    let mut server = Connection::new(Server, &Limits::default());
    let mut input = ReadBuffer::new();
    input.extend(&header(Role::Server, 0x82, 100_000)).unwrap();
    assert!(server.receive(&mut input, &mut out).unwrap().is_none());
    assert!(input.space().iter().all(|byte| *byte == 0));
}
