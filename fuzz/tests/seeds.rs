//! The fuzz targets, run over their seeds.

use std::fs;
use std::path::Path;

#[test]
fn seeds_of_the_fuzz_targets() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, body) in sockless_fuzz::TARGETS {
        body(&[]);
        let mut seen = 0;
        for file in fs::read_dir(seeds.join(name)).unwrap_or_else(|error| panic!("seeds of {name}: {error}")) {
            body(&fs::read(file.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 0, "{name} has no seeds");
    }
}

/// Each body is a target, and each target has a body.
#[test]
fn every_body_is_a_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/fuzz_targets");
    let mut files: Vec<String> = fs::read_dir(targets)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut names: Vec<&str> = sockless_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    files.sort_unstable();
    names.sort_unstable();
    assert_eq!(files, names);
}
