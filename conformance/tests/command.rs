//! The command, run as anybody runs it, against a server and a client of its own.

mod peers;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use peers::Fault;
use serde_json::Value;

fn command(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wsconform"))
        .args(args)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The sections that do not go on for long.
const QUICK: &[&str] = &["--exclude", "6.2", "--no-volume", "--time-limit", "5"];

fn server(fault: Fault, more: &[&str]) -> (Output, Value) {
    let address = peers::server(fault);
    let output = command(&[&["server", &address, "--json", "-"], QUICK, more].concat());
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, json)
}

/// The cases of a report with this verdict.
fn cases(json: &Value, verdict: &str) -> Vec<String> {
    let cases = json["cases"].as_array().unwrap().iter();
    let found = cases.filter(|case| case["verdict"] == verdict);
    found.map(|case| case["case"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sound_server_passes() {
    let (output, json) = server(Fault::Nothing, &[]);
    assert_eq!(output.status.code(), Some(0), "{json:#}");
    assert_eq!(json["verdict"], "pass");
    assert!(json["sessions"].as_array().unwrap().len() > 1500);
    assert_eq!(json["cases"].as_array().unwrap().len(), 44);
}

#[test]
fn a_broken_server_fails_for_what_is_broken() {
    let (output, json) = server(Fault::EmptyPongs, &["--include", "5.5", "--time-limit", "0.5"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(cases(&json, "fail").contains(&String::from("pings")), "{json:#}");
    assert!(!cases(&json, "fail").contains(&String::from("pongs-refused")));
    let (output, json) = server(Fault::AnyHead, &["--include", "4", "--include", "11.3"]);
    assert_eq!(output.status.code(), Some(1));
    for case in [
        "method-not-get",
        "key-missing",
        "host-repeated",
        "version-unsupported",
        "key-repeated",
    ] {
        assert!(cases(&json, "fail").contains(&String::from(case)), "{case}: {json:#}");
    }
}

/// A limit is custom if it is small, and none if it is not; it never fails.
#[test]
fn a_limit_is_no_fault() {
    let (output, json) = server(Fault::Limit, &["--include", "lengths", "--include", "fragments"]);
    assert_eq!(output.status.code(), Some(0), "{json:#}");
    assert_eq!(json["verdict"], "custom");
}

/// Time is limited for each session: what hangs is a failure of these, and the rest goes on.
#[test]
fn a_server_that_hangs_fails() {
    let (output, json) = server(
        Fault::Hangs,
        &["--include", "pongs", "--include", "messages", "--time-limit", "0.5"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(cases(&json, "fail"), ["messages"], "{json:#}");
}

/// A server that never stops sending costs little memory and no time, and fails.
#[test]
fn a_server_that_floods_fails() {
    let (output, json) = server(Fault::Floods, &["--include", "pings", "--include", "close-codes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(cases(&json, "pass").is_empty(), "{json:#}");
    for session in json["sessions"].as_array().unwrap() {
        assert!(session["why"].to_string().contains("sends without end"), "{session:#}");
        assert!(session["received"].to_string().len() < 40_000);
    }
}

#[test]
fn one_session_is_run_again_by_its_id() {
    let (_, json) = server(Fault::EmptyPongs, &["--include", "pings", "--time-limit", "0.5"]);
    let sessions = json["sessions"].as_array().unwrap();
    let failed = sessions.iter().find(|session| session["verdict"] == "fail").unwrap();
    let (output, again) = server(
        Fault::EmptyPongs,
        &["--only", failed["id"].as_str().unwrap(), "--time-limit", "0.5"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(again["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(again["sessions"][0]["sent"], failed["sent"]);
    assert_eq!(again["sessions"][0]["received"], failed["received"]);
}

#[test]
fn reports_are_written() {
    let address = peers::server(Fault::EmptyPongs);
    let folder = std::env::temp_dir().join(format!("sockless-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (html, junit) = (file("report.html"), file("report.xml"));
    let output = command(&[
        "server",
        &address,
        "--include",
        "pings",
        "--time-limit",
        "0.5",
        "--html",
        &html,
        "--junit",
        &junit,
        "--name",
        "mine & yours",
        "--colour",
        "never",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    for part in [
        "mine & yours, as server",
        "5.5.2       Pings",
        "FAIL: against a MUST of the RFC",
        "section 5.5.3",
        "sent b\"\\x89\\x81\\x00\\x00\\x00\\x00",
        "came b\"",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains('\x1b'));
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("mine &amp; yours") && page.contains("0000  "));
    assert!(page.contains("Before it was shrunk"));
    assert!(
        !page.contains("http://") && !page.contains("src="),
        "the page needs something else"
    );
    let junit = std::fs::read_to_string(&junit).unwrap();
    assert!(junit.starts_with("<?xml") && junit.contains("<failure") && junit.contains("mine &amp; yours"));
    std::fs::remove_dir_all(&folder).unwrap();
    let painted = command(&[
        "server",
        &address,
        "--include",
        "pings",
        "--time-limit",
        "0.5",
        "--colour",
        "always",
    ]);
    assert!(stdout(&painted).contains("\x1b[1;31mFAIL"));
}

/// The sessions that were made smaller.
fn shrunk(json: &Value) -> Vec<&Value> {
    let sessions = json["sessions"].as_array().unwrap().iter();
    sessions.filter(|session| session.get("shrunk").is_some()).collect()
}

/// A finding is shrunk to the bytes that show it: of the Pings of up to 125 bytes, one of one byte and an empty Close.
#[test]
fn a_finding_is_made_smaller() {
    let (_, json) = server(Fault::EmptyPongs, &["--include", "pings", "--time-limit", "0.5"]);
    let found = shrunk(&json);
    let small = &found.iter().find(|session| session["verdict"] == "fail").unwrap()["shrunk"];
    let sent = small["sent"].as_str().unwrap();
    assert!(
        sent.starts_with("898100000000") && sent.ends_with("888000000000"),
        "{small:#}"
    );
    assert_eq!(
        (&small["sent_length"], &small["received"]),
        (&Value::from(13), &Value::from("8a008800"))
    );
    let (_, json) = server(
        Fault::EmptyPongs,
        &["--include", "pings", "--time-limit", "0.5", "--shrink", "0"],
    );
    assert!(!cases(&json, "fail").is_empty() && shrunk(&json).is_empty(), "{json:#}");
}

/// What shows at a cut is shrunk to the cut.
#[test]
fn a_finding_is_shrunk_to_the_cut_that_shows_it() {
    let (_, json) = server(
        Fault::LosesSingleBytes,
        &[
            "--include",
            "messages",
            "--time-limit",
            "0.3",
            "--pause",
            "30",
            "--shrink",
            "20",
        ],
    );
    let found = shrunk(&json);
    let small = &found.iter().find(|session| session["verdict"] == "fail").unwrap()["shrunk"];
    assert!(small["sent_length"].as_u64().unwrap() < 40, "{small:#}");
    assert!(!small["cuts"].as_array().unwrap().is_empty(), "{small:#}");
}

/// A client is asked for more cases than there are, in which its findings are made smaller; if it has none, they end at once.
#[test]
fn a_finding_of_a_client_is_made_smaller() {
    let (output, json) = client(Fault::EmptyPongs, &["--include", "pings", "--time-limit", "0.5"]);
    assert_eq!(output.status.code(), Some(1));
    let found = shrunk(&json);
    let small = &found.iter().find(|session| session["verdict"] == "fail").unwrap()["shrunk"];
    // A server does not mask.
    let sent = small["sent"].as_str().unwrap();
    assert!(sent.starts_with("8901") && sent.ends_with("8800"), "{small:#}");
    assert_eq!(small["sent_length"], 5);
}

fn client(fault: Fault, more: &[&str]) -> (Output, Value) {
    let args = [&["client", "127.0.0.1:0", "--json", "-"], QUICK, more].concat();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wsconform"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    let address = line.split("ws://").nth(1).unwrap().split(',').next().unwrap();
    peers::client(address, fault);
    let output = child.wait_with_output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, json)
}

#[test]
fn a_sound_client_passes() {
    let (output, json) = client(Fault::Nothing, &[]);
    assert_eq!(output.status.code(), Some(0), "{json:#}");
    assert_eq!(
        (&json["verdict"], &json["name"]),
        (&Value::from("pass"), &Value::from("model"))
    );
    assert!(json["sessions"].as_array().unwrap().len() > 1500);
}

#[test]
fn a_broken_client_fails_for_what_is_broken() {
    let (output, json) = client(Fault::SameKeys, &["--include", "5.3"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(cases(&json, "fail"), ["mask-keys"], "{json:#}");
    let (output, json) = client(Fault::AnyHead, &["--include", "4.1", "--include", "11.3"]);
    assert_eq!(output.status.code(), Some(1));
    for case in [
        "accept-mismatch",
        "accept-missing",
        "accept-repeated",
        "status-not101",
        "extension-not-asked",
    ] {
        assert!(cases(&json, "fail").contains(&String::from(case)), "{case}: {json:#}");
    }
}

#[test]
fn what_is_not_understood_is_said() {
    for args in [
        &["server"][..],
        &[],
        &["server", "ftp://a"],
        &["client", "0", "--key", "x"],
        &["server", "ws://a", "--bogus"],
        &["serve", "ws://a"],
        &["server", "ws://127.0.0.1:1", "--time-limit", "x"],
        &["client", "no port"],
        &["server", "ws://127.0.0.1:1"],
        &["client", "127.0.0.1:0", "--wait", "0.1", "--quiet"],
    ] {
        let output = command(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(
            !output.stderr.is_empty() && output.stdout.is_empty(),
            "{args:?}: {output:?}"
        );
    }
    for args in [
        &["--help"][..],
        &["server", "-h"],
        &["-V"],
        &["list", "server"],
        &["list", "client"],
    ] {
        let output = command(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{args:?}");
    }
}

/// The README's help is that of the command.
#[test]
fn the_readme_has_the_options() {
    let readme = include_str!("../README.md");
    let help = stdout(&command(&["--help"]));
    for line in help.lines().filter(|line| line.trim_start().starts_with("--")) {
        let option = line.split_whitespace().next().unwrap();
        assert!(readme.contains(option), "{option} is not in the README");
    }
}
