//! The table of counterparts of the Autobahn test suite is true: each case that it says to have is there, and is legal or
//! broken as the suite has it.

use std::collections::HashMap;

use sockless_conformance::{Case, Role, Rule, Session, autobahn_cases, sessions, volume_sessions};

fn named(role: Role) -> HashMap<String, Session> {
    let all = sessions(role).iter().cloned().chain(volume_sessions(role));
    let named = all.filter_map(|session| Some((String::from(session.name.strip_prefix("Autobahn ")?), session)));
    named.map(|(name, session)| (name, (*session).clone())).collect()
}

#[test]
fn every_case_is_there_but_those_about_compression() {
    let cases = autobahn_cases();
    assert_eq!(cases.len(), 517);
    for role in Role::ALL {
        let sessions = named(role);
        assert_eq!(sessions.len(), 301);
        for (case, have) in &cases {
            assert_eq!(sessions.contains_key(case), *have, "{case}");
            assert_eq!(!have, case.starts_with("12.") || case.starts_with("13."), "{case}");
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
