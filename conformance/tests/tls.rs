//! Both ends of TLS against each other: the server that clients are checked by, and the client that servers are.

use std::sync::atomic::{AtomicBool, Ordering};

use sockless_conformance::net::{ClientCheck, NetReport, Options, Target, Tls, check_server};

/// A certificate for 127.0.0.1 that has signed itself, and its key, for these tests alone.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/key.pem");

/// Checks a server behind TLS: it sends the number of its cases to whoever connects.
fn check(tls: Tls) -> Result<NetReport, String> {
    let shown = Tls {
        certificate: Some((String::from(CERTIFICATE), String::from(KEY))),
        ..Tls::default()
    };
    let options = Options {
        tls: shown,
        ..Options::default()
    };
    let server = ClientCheck::bind("127.0.0.1:0", options).unwrap();
    let address = server.address().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(&|_, _, _| {}, &|| !is_over.load(Ordering::Relaxed)));
        let target = Target::parse(&format!("wss://{address}/getCaseCount")).unwrap();
        let options = Options {
            tls,
            only: Some(String::from("messages/0")),
            ..Options::default()
        };
        let report = check_server("x", &target, &options, &|_, _, _| {});
        is_over.store(true, Ordering::Relaxed);
        report
    })
}

fn has_come(report: &Result<NetReport, String>) -> bool {
    let run = &report.as_ref().unwrap().runs[0];
    run.received.starts_with(&[0x81]) && run.received.get(2).is_some_and(u8::is_ascii_digit)
}

#[test]
fn bytes_go_both_ways() {
    let taken = check(Tls {
        authorities: Some(String::from(CERTIFICATE)),
        ..Tls::default()
    });
    assert!(has_come(&taken), "{taken:?}");
    let any = check(Tls {
        insecure: true,
        ..Tls::default()
    });
    assert!(has_come(&any), "{any:?}");
}

#[test]
fn a_certificate_that_nobody_knows_is_not_taken() {
    assert!(check(Tls::default()).is_err());
}
