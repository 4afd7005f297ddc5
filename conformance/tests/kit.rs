//! The kit checked: its tables and generators against its model, its cuts, its reports.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use sockless_conformance::model::{self, Event, Opening};
use sockless_conformance::{Case, Checker, Role, Rule, Session, Topic, Verdict, Wire, generate, sessions};

#[allow(
    dead_code,
    unused_imports,
    reason = "this test wants the endpoint without its defects"
)]
mod endpoint;
use endpoint::Defect;

const KEY: &str = "x3JJHMbDL1EzLkh9GBhXDw==";

/// What a session is said to be is what the model makes of it.
fn label_is_right(session: &Session) {
    let answered = session.bytes_for(KEY);
    let frames_at = answered.len() - (session.bytes.len() - session.head_len);
    let (head, frames) = answered.split_at(frames_at);
    if session.head_len > 0 && session.deflate().is_none() {
        let opening = match session.role {
            Role::Server => model::request(head),
            Role::Client => model::response(head, KEY),
        };
        match (session.case, opening) {
            (Case::Legal(_), opening) => assert_eq!(opening, Opening::Accepted { head_len: head.len() }),
            (Case::Broken(rule), Opening::Refused(rules)) => assert!(rules.contains(&rule), "{rule:?} {rules:?}"),
            (Case::Broken(rule), opening) => panic!("{rule:?}: {opening:?}"),
        }
        for len in (0..head.len()).step_by(13).chain([head.len() - 1]) {
            let part = match session.role {
                Role::Server => model::request(&head[..len]),
                Role::Client => model::response(&head[..len], KEY),
            };
            assert_eq!(part, Opening::Unfinished);
        }
    }
    let verdict = match session.deflate() {
        Some(deflate) => model::receive_compressed(session.role, frames, &session.bounds, deflate).verdict,
        None => model::receive(session.role, frames, &session.bounds).verdict,
    };
    match session.case {
        Case::Legal(_) => {
            assert_eq!(session.after, None);
            let fine = matches!(verdict, model::Verdict::Complete | model::Verdict::Closed { .. });
            assert!(fine, "{verdict:?}: {session:?}");
        }
        Case::Broken(rule) if rule.is_of_handshake() => {}
        Case::Broken(rule) => {
            let model::Verdict::Broken { rules, after } = verdict else {
                panic!("{rule:?}: {verdict:?}");
            };
            assert_eq!(Some(session.head_len + after), session.after, "{rules:?}");
            assert!(rules.contains(&rule), "{rule:?} {rules:?}");
        }
    }
}

#[test]
fn labels_by_chance_are_right() {
    for role in Role::ALL {
        for case in Case::all(role)
            .into_iter()
            .chain([Case::Broken(Rule::TooManyFragments)])
        {
            let mut runner = TestRunner::new(Config {
                cases: 60,
                failure_persistence: None,
                ..Config::default()
            });
            let checked = runner.run(&generate::session(role, case), |session| {
                assert_eq!(session.case, case, "{session:?}");
                label_is_right(&session);
                Ok(())
            });
            checked.unwrap_or_else(|error| panic!("{role} {case}: {error}"));
        }
    }
}

#[test]
fn labels_in_the_tables_are_right() {
    for role in Role::ALL {
        for session in sessions(role) {
            label_is_right(session);
        }
    }
}

/// No case is left to chance alone, but for what is a mixture.
#[test]
fn the_tables_have_every_case() {
    for role in Role::ALL {
        for case in Case::all(role) {
            let found = sessions(role).iter().any(|session| session.case == case);
            // What is about volume is for the wire.
            let elsewhere = matches!(case, Case::Legal(Topic::Mixed | Topic::Volume));
            assert!(found || elsewhere, "{role}: {case}");
        }
    }
}

/// Each session says what is particular about it, and no two are the same.
#[test]
fn the_tables_have_nothing_twice() {
    for role in Role::ALL {
        let mut names = std::collections::HashSet::new();
        let mut twice = 0;
        for session in sessions(role) {
            assert!(!session.name.is_empty());
            twice += usize::from(!names.insert((session.case, &session.bytes)));
        }
        assert!(twice * 50 < names.len(), "{twice} of {}", names.len());
    }
}

#[test]
fn every_rule_applies_to_some_role() {
    for rule in Rule::ALL {
        assert!(Role::ALL.iter().any(|role| rule.applies_to(*role)), "{rule:?}");
    }
    assert_eq!(Topic::ALL.len(), 17);
}

fn sound(wire: &mut Wire) {
    endpoint::run(Defect::Nothing, wire);
}

fn with(defect: Defect) -> impl FnMut(&mut Wire) + Clone + Send {
    move |wire: &mut Wire| endpoint::run(defect, wire)
}

#[test]
fn a_report_is_the_same_each_time() {
    let report = || {
        Checker::new()
            .cases(3)
            .seed(7)
            .check("x", Role::Server, &mut with(Defect::PongIsEmpty))
            .to_string()
    };
    assert_eq!(report(), report());
}

/// The table, what did not pass, what the words mean, and how to run it again.
#[test]
fn a_report_explains_itself() {
    let report = Checker::new()
        .section("5.5.2")
        .check("x", Role::Client, &mut with(Defect::PongIsEmpty));
    let text = report.to_string();
    for part in [
        "section     as client",
        "5.5.2       Pings",
        "FAIL",
        "against a MUST of the RFC",
        "allowed; most implementations do it another way",
        "section 5.5.3",
        "pings/",
        "seed 0",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// What is found is shrunk to a few bytes, and comes with the cut that shows it.
#[test]
fn findings_are_small() {
    let report = Checker::new()
        .section("5.6")
        .check("x", Role::Server, &mut with(Defect::HeaderCutIsForgotten));
    let finding = report.with(Verdict::Fail).next().unwrap();
    let (session, cuts) = finding.example.as_ref().unwrap();
    assert!(session.bytes.len() < 20, "{finding}");
    assert_eq!(cuts.len(), 1, "{finding}");

    let report = Checker::new()
        .section("5.5.2")
        .check("x", Role::Client, &mut with(Defect::PongIsEmpty));
    let finding = report.with(Verdict::Fail).next().unwrap();
    let (session, cuts) = finding.example.as_ref().unwrap();
    assert_eq!((session.bytes.len(), cuts.len()), (3, 0), "{finding}");

    let report = Checker::new()
        .section("11.3.3")
        .check("x", Role::Client, &mut with(Defect::TwoAcceptsAreTaken));
    let finding = report.with(Verdict::Fail).next().unwrap();
    let (session, _) = finding.example.as_ref().unwrap();
    assert_eq!(
        session.bytes.windows(2).filter(|two| two == b"\r\n").count(),
        6,
        "{finding}"
    );
}

/// The id of a finding runs its session alone again.
#[test]
fn a_finding_is_run_again_by_its_id() {
    let defect = Defect::SumsOver125AreRefused;
    let report = Checker::new().check("x", Role::Server, &mut with(defect));
    let finding = report.with(Verdict::Fail).next().unwrap();
    let again = Checker::new().replay(finding.id.as_ref().unwrap()).unwrap();
    let report = again.check("x", Role::Server, &mut with(Defect::PanicsOnLongText));
    assert_eq!((report.findings.len(), report.verdict()), (1, Verdict::Pass));
    assert!(report.runs() < 10);
    assert!(Checker::new().replay("no-such-case/1").is_none());
    assert!(Checker::new().replay("pings").is_none());
}

#[test]
fn a_panic_is_a_fail_and_says_what_it_said() {
    let mut panics = |wire: &mut Wire| {
        wire.next();
        panic!("of no use, {}", 1);
    };
    let report = Checker::new()
        .cases(1)
        .section("5.5.2")
        .check("x", Role::Server, &mut panics);
    assert_eq!(report.verdict(), Verdict::Fail);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.why == "panics: of no use, 1")
    );
}

/// A thread that hangs is left behind; the check goes on, and says what hung.
#[test]
fn what_hangs_is_a_fail() {
    let hangs = |wire: &mut Wire| {
        let text = wire
            .next()
            .is_some_and(|chunk| chunk.first().is_some_and(|first| first & 0xf == 9));
        if text {
            loop {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        wire.skip();
    };
    let checker = Checker::new()
        .cases(1)
        .section("5.5.2")
        .time_limit(Duration::from_millis(60));
    let report = checker.check_isolated("x", Role::Client, hangs);
    let finding = report.with(Verdict::Fail).next().unwrap();
    assert!(finding.why.starts_with("hangs: it still runs after 60ms"), "{finding}");
    assert!(finding.id.is_some() && finding.example.is_some());
}

/// A limit is no fault, if it is one: the same for text and binary, and for each way to get there.
#[test]
fn limits_are_told_from_refusals() {
    /// The model as an endpoint, with a limit.
    fn limited(wire: &mut Wire, limit: u64) {
        if wire.has_handshake() {
            return wire.skip();
        }
        let role = wire.role();
        let bounds = model::Bounds {
            frame_len: limit,
            message_len: limit,
            fragments: u64::MAX,
        };
        let mut received = Vec::new();
        let (mut replies, mut messages) = (0, 0);
        while let Some(chunk) = wire.next() {
            received.extend(chunk);
            let reading = model::receive(role, &received, &bounds);
            for (opcode, payload) in reading.replies().iter().skip(replies) {
                let mut frame = vec![0x80 | opcode, payload.len() as u8];
                let mut key = [0; 4];
                if role == Role::Client {
                    wire.random(&mut key);
                    frame[1] |= 0x80;
                    frame.extend(key);
                }
                frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
                wire.sent(&frame);
                replies += 1;
            }
            for (text, payload) in reading.messages().iter().skip(messages) {
                match text {
                    true => wire.text_bytes(payload, true),
                    false => wire.binary(payload, true),
                }
                messages += 1;
            }
            match reading.verdict {
                model::Verdict::Broken { rules, .. } => return wire.failed(format!("{rules:?}")),
                model::Verdict::Closed { .. } => return,
                model::Verdict::Complete | model::Verdict::Unfinished => {}
            }
        }
    }
    let checker = Checker::new().cases(2).section("5.2");
    let report = checker.check("x", Role::Client, &mut |wire: &mut Wire| limited(wire, 65_536));
    assert_eq!(report.verdict(), Verdict::Pass, "{report}");
    assert!(!report.limits.is_empty());
    let report = checker.check("x", Role::Client, &mut |wire: &mut Wire| limited(wire, 1000));
    assert_eq!(report.verdict(), Verdict::Custom, "{report}");
    let report = checker.check("x", Role::Client, &mut with(Defect::TextOver125IsRefused));
    assert_eq!(report.verdict(), Verdict::Fail, "{report}");
}

#[test]
fn the_sound_endpoint_passes_with_other_seeds() {
    for seed in 1..4 {
        for role in Role::ALL {
            let report = Checker::new().seed(seed).check("sound", role, &mut sound);
            assert_eq!(report.verdict(), Verdict::Pass, "{report}");
        }
    }
}

/// From one fragment up to as many as are asked for, these included.
#[test]
fn many_fragments_are_up_to_so_many() {
    for most in [1, 2, 5] {
        let mut runner = TestRunner::deterministic();
        let strategy = generate::many_fragments(Role::Client, most);
        let counts = (0..200).map(|_| {
            let bytes = strategy.new_tree(&mut runner).unwrap().current();
            let reading = model::receive(Role::Client, &bytes, &generate::BOUNDS);
            reading
                .events
                .iter()
                .filter(|event| matches!(event, Event::Data { .. }))
                .count()
        });
        let counts: Vec<_> = counts.collect();
        let ends = (counts.iter().copied().min(), counts.iter().copied().max());
        assert_eq!(ends, (Some(1), Some(most)));
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    /// Chunks are the bytes again, whatever the cuts.
    #[test]
    fn cuts_lose_nothing(session in generate::legal(Role::Server), split in generate::split()) {
        let cuts = split.cuts(session.role, &session.bytes, session.head_len);
        prop_assert_eq!(generate::chunks(&session.bytes, &cuts).concat(), session.bytes);
    }

    /// A cut inside each character is between two bytes of it.
    #[test]
    fn cuts_in_characters_split_them(text in "[a-zäß€𝄞]{1,8}") {
        let mut bytes = vec![0x81, text.len() as u8];
        bytes.extend_from_slice(text.as_bytes());
        let cuts = generate::Split::Characters.cuts(Role::Client, &bytes, 0);
        for cut in &cuts {
            prop_assert!(!text.is_char_boundary(cut - 2));
        }
        prop_assert_eq!(cuts.len(), text.len() - text.chars().count());
    }
}

/// What is called bad data, zlib calls that as well: whoever inflates with it can only wait for more where it waits, and
/// what it does about data that end too early is not for the RFC to say.
#[test]
fn bad_data_are_bad_to_zlib() {
    for role in Role::ALL {
        let bad = sessions(role)
            .iter()
            .filter(|session| session.case == Case::Broken(Rule::CompressedData));
        let waits: Vec<_> = bad
            .filter(|session| !zlib_refuses(session))
            .map(|session| &session.name)
            .collect();
        assert_eq!(waits, Vec::<&String>::new(), "{role}");
    }
}

/// Whether zlib refuses a compressed message of this session, each of which may refer to those before it.
fn zlib_refuses(session: &Session) -> bool {
    let bytes = &session.bytes[session.head_len..];
    let mut history = Vec::new();
    let mut message = Vec::new();
    let mut compressed = false;
    for frame in session.reading().frames.iter().filter(|frame| frame.opcode <= 0x2) {
        if frame.opcode > 0 {
            compressed = bytes[frame.start] & 0x40 != 0;
            message.clear();
        }
        let payload = &bytes[frame.payload..frame.payload + usize::try_from(frame.length).unwrap()];
        let key = frame.key.unwrap_or_default();
        message.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        if frame.fin && compressed {
            message.extend([0, 0, 0xff, 0xff]);
            let mut inflate = zlib_rs::Inflate::new(false, 15);
            let _ = inflate.set_dictionary(&history);
            let mut output = vec![0; 1 << 17];
            match inflate.decompress(&message, &mut output, zlib_rs::InflateFlush::SyncFlush) {
                Err(_) => return true,
                Ok(_) => history.extend_from_slice(&output[..inflate.total_out() as usize]),
            }
        }
    }
    false
}
