//! The documentation's list of guarantees beside the tests that it names, those of this package included.

use std::fs;
use std::path::{Path, PathBuf};

/// The crate.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Each `file::test` that the guide names as a proof exists.
#[test]
fn every_proof_in_the_guarantees_exists() {
    let text = fs::read_to_string(root().join("src/guide/guarantees.md")).unwrap();
    let mut named = 0;
    let mut missing = Vec::new();
    for name in text.split('`').skip(1).step_by(2) {
        let is_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
        if name.contains('/') || !name.chars().all(is_path) || !name.contains('_') {
            continue;
        }
        named += 1;
        let mut parts = name.split("::");
        let file = parts.next().unwrap();
        let rest: Vec<&str> = parts.collect();
        if !exists(file, &rest) {
            missing.push(name);
        }
    }
    assert!(named > 30, "only {named} names were found");
    assert_eq!(missing, [""; 0], "named as proofs, and not there");
}

/// Whether a test file, a folder of tests or a module of the crate has this, and a function of the last name.
fn exists(file: &str, rest: &[&str]) -> bool {
    let mut places = Vec::new();
    for folder in ["tests", "src", "fuzz/tests", "conformance/tests"] {
        let folder = root().join(folder);
        let nested = rest
            .first()
            .map_or(file.to_owned(), |module| format!("{file}/{module}"));
        for place in [
            format!("{file}.rs"),
            format!("{nested}.rs"),
            format!("{file}/main.rs"),
            format!("{file}/mod.rs"),
        ] {
            places.push(folder.join(place));
        }
    }
    let mut texts = places
        .iter()
        .filter_map(|place| fs::read_to_string(place).ok())
        .peekable();
    match rest.last() {
        None => texts.peek().is_some(),
        Some(name) => {
            texts.any(|text| {
                text.contains(&format!("fn {name}("))
                    || text.contains(&format!("fn {name}<"))
                    || text.contains(&format!("mod {name}"))
                    || text.contains(&format!("{name},"))
            }) || places
                .iter()
                .any(|place| place.ends_with(format!("{file}/{name}.rs")) && place.exists())
        }
    }
}
