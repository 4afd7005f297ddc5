//! The table of counterparts of the Autobahn test suite is true: each case that it says to have is there, and is legal or
//! broken as the suite has it.

use std::collections::HashMap;

use sockless_conformance::{Case, Role, Rule, Session, Topic, autobahn_cases, sessions, volume_sessions};

fn named(role: Role) -> HashMap<String, Session> {
    let all = sessions(role).iter().cloned().chain(volume_sessions(role));
    let named = all.filter_map(|session| Some((String::from(session.name.strip_prefix("Autobahn ")?), session)));
    named.map(|(name, session)| (name, (*session).clone())).collect()
}

#[test]
fn every_case_is_there() {
    let cases = autobahn_cases();
    assert_eq!(cases.len(), 517);
    for role in Role::ALL {
        let sessions = named(role);
        assert_eq!(sessions.len(), 517);
        for (case, have) in &cases {
            assert!(*have && sessions.contains_key(case), "{case}");
        }
    }
}

/// The sizes of messages and of fragments in each group about compression, as the suite's documentation has them.
const SIZES: [(usize, usize); 18] = [
    (16, 0),
    (64, 0),
    (256, 0),
    (1024, 0),
    (4096, 0),
    (8192, 0),
    (16384, 0),
    (32768, 0),
    (65536, 0),
    (131072, 0),
    (8192, 256),
    (16384, 256),
    (32768, 256),
    (65536, 256),
    (131072, 256),
    (131072, 1024),
    (131072, 4096),
    (131072, 32768),
];

/// What the request of a case offers, as a server hears it.
const OFFERS: [(&str, &str); 12] = [
    ("12.1", "permessage-deflate"),
    ("12.2", "permessage-deflate"),
    ("12.3", "permessage-deflate"),
    ("12.4", "permessage-deflate"),
    ("12.5", "permessage-deflate"),
    ("13.1", "permessage-deflate"),
    ("13.2", "permessage-deflate; server_no_context_takeover"),
    ("13.3", "permessage-deflate; server_max_window_bits=9"),
    ("13.4", "permessage-deflate; server_max_window_bits=15"),
    (
        "13.5",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
    ),
    (
        "13.6",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
    ),
    (
        "13.7",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9, \
         permessage-deflate; server_no_context_takeover, permessage-deflate",
    ),
];

#[test]
fn each_about_compression_has_its_sizes_and_parameters() {
    for role in Role::ALL {
        let sessions = named(role);
        for (group, offer) in OFFERS {
            for (number, (size, fragment)) in SIZES.into_iter().enumerate() {
                let session = &sessions[&format!("{group}.{}", number + 1)];
                assert_eq!(session.case, Case::Legal(Topic::Volume));
                if role == Role::Server {
                    let head = String::from_utf8_lossy(&session.bytes[..session.head_len]).into_owned();
                    assert!(
                        head.contains(&format!("Sec-WebSocket-Extensions: {offer}\r\n")),
                        "{head}"
                    );
                }
                let reading = session.reading();
                assert!(reading.messages().len() >= 2);
                for (text, message) in reading.messages() {
                    assert_eq!(message.len(), size);
                    assert_eq!(text, !matches!(group, "12.2" | "12.3" | "12.5"));
                }
                let longest = reading.frames.iter().map(|frame| frame.length).max();
                if fragment == 0 {
                    assert!(reading.frames.iter().all(|frame| frame.fin));
                } else {
                    assert!(longest <= Some(fragment as u64), "{group} {number}");
                }
            }
        }
    }
}

/// What the suite's documentation says must fail the connection, and by which rule.
fn broken(case: &str) -> Option<Rule> {
    let (group, number) = case.rsplit_once('.')?;
    let number: usize = number.parse().ok()?;
    match (group, number) {
        ("2", 5) | ("7.3", 6) => Some(Rule::ControlTooLong),
        ("3", _) => Some(Rule::ReservedBits),
        ("4.1" | "4.2", _) => Some(Rule::ReservedOpcode),
        ("5", 1 | 2) => Some(Rule::FragmentedControl),
        ("5", 9..=17) => Some(Rule::UnexpectedContinuation),
        ("5", 18) => Some(Rule::ExpectedContinuation),
        ("6.6", 2 | 5 | 7 | 9 | 11) => None,
        ("6.11", 1..=4) => None,
        ("6.3" | "6.4" | "6.6" | "6.8" | "6.10" | "6.11" | "6.12" | "6.13" | "6.14" | "6.15" | "6.16", _) => {
            Some(Rule::TextNotUtf8)
        }
        ("6.17" | "6.18" | "6.19" | "6.20" | "6.21", _) => Some(Rule::TextNotUtf8),
        ("7.3", 2) => Some(Rule::CloseBodyOneByte),
        ("7.5", 1) => Some(Rule::CloseReasonNotUtf8),
        ("7.9" | "7.13", _) => Some(Rule::InvalidCloseCode),
        _ => None,
    }
}

#[test]
fn each_is_legal_or_broken_as_there() {
    for role in Role::ALL {
        for (name, session) in named(role) {
            match (broken(&name), session.case) {
                (None, Case::Legal(_)) => {}
                (Some(rule), case) => assert_eq!(case, Case::Broken(rule), "{name}"),
                (None, case) => panic!("{name} is {case:?}"),
            }
        }
    }
}
