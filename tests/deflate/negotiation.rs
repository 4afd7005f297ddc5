//! The negotiation as tables: each offer or answer, and exactly what comes of it.

use sockless::deflate::DeflateOptions;
use sockless::handshake::{Extension, HandshakeError as E};

fn elements(list: &str) -> Vec<Extension<'_>> {
    list.split(',')
        .filter(|element| !element.trim().is_empty())
        .map(|element| Extension::parse(element).unwrap_or_else(|| panic!("{element}")))
        .collect()
}

/// What a server answers, and what it then does: `send takeover/window receive takeover/window`.
type Row = (&'static str, Option<(&'static str, &'static str)>);

fn check_server(options: &DeflateOptions, rows: &[Row]) -> usize {
    for (offers, expected) in rows {
        let agreed = options.accept(elements(offers));
        let agreed = agreed.map(|agreed| {
            let flag = |takeover| if takeover { "takeover" } else { "none" };
            let does = format!(
                "{} {} / {} {}",
                flag(agreed.send_takeover()),
                agreed.send_window_bits(),
                flag(agreed.receive_takeover()),
                agreed.receive_window_bits()
            );
            (agreed.as_str().replace("permessage-deflate", "p"), does)
        });
        let expected = expected.map(|(answer, does)| (answer.to_owned(), does.to_owned()));
        assert_eq!(agreed, expected, "{offers}");
    }
    rows.len()
}

const DECLINED: Option<(&str, &str)> = None;

#[test]
fn what_a_server_answers() {
    const ALL: &str = "takeover 15 / takeover 15";
    let mut rows = check_server(
        &DeflateOptions::new(),
        &[
            ("", DECLINED),
            ("permessage-deflate", Some(("p", ALL))),
            ("x-webkit-deflate-frame", DECLINED),
            ("permessage-bzip2, permessage-deflate", Some(("p", ALL))),
            ("permessage-deflate2", DECLINED),
            ("PERMESSAGE-DEFLATE", DECLINED),
            // Browsers.
            ("permessage-deflate; client_max_window_bits", Some(("p", ALL))),
            // Each parameter.
            (
                "permessage-deflate; server_no_context_takeover",
                Some(("p; server_no_context_takeover", "none 15 / takeover 15")),
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                Some(("p; client_no_context_takeover", "takeover 15 / none 15")),
            ),
            (
                "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
                Some((
                    "p; server_no_context_takeover; client_no_context_takeover",
                    "none 15 / none 15",
                )),
            ),
            (
                "permessage-deflate; server_max_window_bits=8",
                Some(("p; server_max_window_bits=8", "takeover 8 / takeover 15")),
            ),
            (
                "permessage-deflate; server_max_window_bits=9",
                Some(("p; server_max_window_bits=9", "takeover 9 / takeover 15")),
            ),
            (
                "permessage-deflate; server_max_window_bits=10",
                Some(("p; server_max_window_bits=10", "takeover 10 / takeover 15")),
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                Some(("p; server_max_window_bits=15", ALL)),
            ),
            (
                "permessage-deflate; server_max_window_bits=\"12\"",
                Some(("p; server_max_window_bits=12", "takeover 12 / takeover 15")),
            ),
            (
                "permessage-deflate; client_max_window_bits=8",
                Some(("p; client_max_window_bits=8", "takeover 15 / takeover 8")),
            ),
            (
                "permessage-deflate; client_max_window_bits=\"1\\0\"",
                Some(("p; client_max_window_bits=10", "takeover 15 / takeover 10")),
            ),
            ("permessage-deflate; client_max_window_bits=15", Some(("p", ALL))),
            (
                "permessage-deflate;server_max_window_bits=11 ;client_max_window_bits=12",
                Some((
                    "p; server_max_window_bits=11; client_max_window_bits=12",
                    "takeover 11 / takeover 12",
                )),
            ),
            // Broken: declined, not failed.
            ("permessage-deflate; server_max_window_bits", DECLINED),
            ("permessage-deflate; server_max_window_bits=7", DECLINED),
            ("permessage-deflate; server_max_window_bits=16", DECLINED),
            ("permessage-deflate; server_max_window_bits=0", DECLINED),
            ("permessage-deflate; server_max_window_bits=08", DECLINED),
            ("permessage-deflate; server_max_window_bits=010", DECLINED),
            ("permessage-deflate; server_max_window_bits=+10", DECLINED),
            ("permessage-deflate; server_max_window_bits=-10", DECLINED),
            ("permessage-deflate; server_max_window_bits=10.0", DECLINED),
            ("permessage-deflate; server_max_window_bits=0xa", DECLINED),
            (
                "permessage-deflate; server_max_window_bits=1000000000000000000000",
                DECLINED,
            ),
            ("permessage-deflate; server_max_window_bits=266", DECLINED),
            ("permessage-deflate; server_max_window_bits=ten", DECLINED),
            ("permessage-deflate; client_max_window_bits=7", DECLINED),
            ("permessage-deflate; client_max_window_bits=16", DECLINED),
            ("permessage-deflate; client_max_window_bits=09", DECLINED),
            ("permessage-deflate; client_max_window_bits=x", DECLINED),
            ("permessage-deflate; server_no_context_takeover=1", DECLINED),
            ("permessage-deflate; server_no_context_takeover=true", DECLINED),
            ("permessage-deflate; client_no_context_takeover=x", DECLINED),
            (
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                DECLINED,
            ),
            (
                "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
                DECLINED,
            ),
            (
                "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
                DECLINED,
            ),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits",
                DECLINED,
            ),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
                DECLINED,
            ),
            ("permessage-deflate; unknown", DECLINED),
            ("permessage-deflate; level=9", DECLINED),
            ("permessage-deflate; Server_no_context_takeover", DECLINED),
            ("permessage-deflate; server_no_context_takeover ; x=1", DECLINED),
            // Names with the same sum of characters are not the same names.
            ("permessage-deflate; client_no_context_takeovre", DECLINED),
            // In order: the first that is acceptable.
            (
                "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10, permessage-deflate",
                Some(("p; server_max_window_bits=10", "takeover 10 / takeover 15")),
            ),
            (
                "permessage-deflate; server_max_window_bits=16, permessage-deflate",
                Some(("p", ALL)),
            ),
            (
                "permessage-deflate; server_no_context_takeover, permessage-deflate",
                Some(("p; server_no_context_takeover", "none 15 / takeover 15")),
            ),
        ],
    );
    // A server that keeps little of what it receives.
    rows += check_server(
        &DeflateOptions::small(),
        &[
            // The client cannot be told to use less: so nothing may be kept.
            (
                "permessage-deflate",
                Some(("p; client_no_context_takeover", "takeover 15 / none 15")),
            ),
            (
                "permessage-deflate; client_max_window_bits",
                Some(("p; client_max_window_bits=12", "takeover 15 / takeover 12")),
            ),
            (
                "permessage-deflate; client_max_window_bits=10",
                Some(("p; client_max_window_bits=10", "takeover 15 / takeover 10")),
            ),
            (
                "permessage-deflate; client_max_window_bits=14",
                Some(("p; client_max_window_bits=12", "takeover 15 / takeover 12")),
            ),
            (
                "permessage-deflate; client_no_context_takeover; client_max_window_bits",
                Some((
                    "p; client_no_context_takeover; client_max_window_bits=12",
                    "takeover 15 / none 12",
                )),
            ),
        ],
    );
    // A server that keeps nothing, and uses small windows.
    rows += check_server(
        &DeflateOptions::new()
            .with_send_takeover(false)
            .with_receive_takeover(false)
            .with_send_window_bits(10),
        &[
            (
                "permessage-deflate",
                Some((
                    "p; server_no_context_takeover; client_no_context_takeover",
                    "none 10 / none 15",
                )),
            ),
            (
                "permessage-deflate; server_max_window_bits=12",
                Some((
                    "p; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
                    "none 10 / none 15",
                )),
            ),
            (
                "permessage-deflate; server_max_window_bits=9; client_max_window_bits",
                Some((
                    "p; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
                    "none 9 / none 15",
                )),
            ),
        ],
    );
    assert!(rows >= 60, "{rows} rows");
}

type Answer = (&'static str, Result<Option<&'static str>, E>);

fn check_client(options: &DeflateOptions, offer: &str, rows: &[Answer]) -> usize {
    assert_eq!(options.offer().as_str().replace("permessage-deflate", "p"), offer);
    for (answers, expected) in rows {
        let agreed = options.judge(elements(answers)).map(|agreed| {
            agreed.map(|agreed| {
                let flag = |takeover| if takeover { "takeover" } else { "none" };
                format!(
                    "{} {} / {} {}",
                    flag(agreed.send_takeover()),
                    agreed.send_window_bits(),
                    flag(agreed.receive_takeover()),
                    agreed.receive_window_bits()
                )
            })
        });
        assert_eq!(agreed, expected.map(|does| does.map(str::to_owned)), "{answers}");
    }
    rows.len()
}

#[test]
fn how_a_client_judges_the_answer() {
    let mut rows = check_client(
        &DeflateOptions::new(),
        "p; client_max_window_bits",
        &[
            ("", Ok(None)),
            ("another", Ok(None)),
            ("permessage-deflate", Ok(Some("takeover 15 / takeover 15"))),
            (
                "permessage-deflate; server_no_context_takeover",
                Ok(Some("takeover 15 / none 15")),
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                Ok(Some("none 15 / takeover 15")),
            ),
            (
                "permessage-deflate; server_max_window_bits=8",
                Ok(Some("takeover 15 / takeover 8")),
            ),
            (
                "permessage-deflate; server_max_window_bits=\"15\"",
                Ok(Some("takeover 15 / takeover 15")),
            ),
            (
                "permessage-deflate; client_max_window_bits=8",
                Ok(Some("takeover 8 / takeover 15")),
            ),
            (
                "permessage-deflate; client_max_window_bits=12; server_max_window_bits=9; client_no_context_takeover; \
                 server_no_context_takeover",
                Ok(Some("none 12 / none 9")),
            ),
            ("permessage-deflate, permessage-deflate", Err(E::ExtensionConflict)),
            (
                "permessage-deflate; client_max_window_bits",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; client_max_window_bits=16",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; client_max_window_bits=7",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; client_max_window_bits=0",
                Err(E::DeflateParameterValue),
            ),
            // undici, CVE-2026-2229: values out of range.
            (
                "permessage-deflate; server_max_window_bits=1000",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; server_max_window_bits=0",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; server_max_window_bits=-1",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; server_max_window_bits=09",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; server_max_window_bits",
                Err(E::DeflateParameterValue),
            ),
            (
                "permessage-deflate; server_no_context_takeover=1",
                Err(E::DeflateParameterValue),
            ),
            ("permessage-deflate; unknown", Err(E::DeflateParameterUnknown)),
            (
                "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
                Err(E::DeflateParameterRepeated),
            ),
            (
                "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
                Err(E::DeflateParameterRepeated),
            ),
        ],
    );
    rows += check_client(
        &DeflateOptions::new()
            .with_receive_takeover(false)
            .with_receive_window_bits(10)
            .with_send_takeover(false)
            .with_send_window_bits(11),
        "p; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11",
        &[
            ("", Ok(None)),
            ("permessage-deflate", Err(E::DeflateTakeover)),
            ("permessage-deflate; server_no_context_takeover", Err(E::DeflateWindow)),
            ("permessage-deflate; server_max_window_bits=10", Err(E::DeflateTakeover)),
            (
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
                Err(E::DeflateWindow),
            ),
            (
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
                Ok(Some("none 11 / none 10")),
            ),
            (
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits=9",
                Ok(Some("none 9 / none 8")),
            ),
            // Above the hint: tolerated, and of no use.
            (
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=15",
                Ok(Some("none 11 / none 10")),
            ),
        ],
    );
    assert!(rows >= 30, "{rows} rows");
}
