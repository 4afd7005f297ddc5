//! The picture of ARCHITECTURE.md beside the real imports: nothing uses what is above it, and no two files of a room use
//! each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms as ARCHITECTURE.md lists them, from the bottom up; rooms on one line do not use each other.
fn layers() -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let picture = text
        .split("<!-- layers: tests/architecture.rs reads this table -->")
        .nth(1)
        .expect("the table of layers");
    let rows = picture.lines().skip_while(|line| !line.starts_with("|---"));
    let mut layers: Vec<Vec<String>> = rows
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let rooms = line.split('|').nth(2).unwrap();
            let names = rooms.split('`').skip(1).step_by(2);
            names.map(|name| name.trim_end_matches('/').to_owned()).collect()
        })
        .collect();
    // The table starts at the top.
    layers.reverse();
    layers
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file, without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().take_while(|line| *line != "mod tests {");
    let code: Vec<&str> = lines.map(|line| line.split("//").next().unwrap()).collect();
    code.join("\n")
}

/// The first names after each `prefix` in the code, those in braces too.
fn names<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let word = |text: &'a str| {
        let end = text
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(text.len());
        &text[..end]
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            // `use crate::{a::X, b::Y}`: at the level of these braces alone.
            Some(list) => {
                let (mut depth, mut start) = (0, true);
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && (c.is_alphanumeric() || c == '_') => {
                            found.insert(word(&list[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => {
                found.insert(word(rest));
            }
        }
    }
    found
}

/// The room of a file: its folder, or its own name.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn nothing_uses_what_is_above_it() {
    let layers = layers();
    let rank = |room: &str| layers.iter().position(|layer| layer.iter().any(|name| name == room));
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    let mut arrows = 0;
    for path in &found {
        let room = room(path);
        if ["lib", "guide"].contains(&room.as_str()) {
            continue;
        }
        let own = rank(&room).unwrap_or_else(|| panic!("{room} is not in the table of ARCHITECTURE.md"));
        let code = code(path);
        for used in names(&code, "crate::") {
            let Some(theirs) = rank(used) else { continue };
            arrows += 1;
            assert!(
                used == room || theirs < own,
                "{} uses `{used}`, which is not below `{room}`",
                path.display()
            );
        }
    }
    assert!(arrows > 60, "only {arrows} imports were found");
}

#[test]
fn no_two_files_of_a_room_use_each_other() {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    let mut uses: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    for path in &found {
        let code = code(path);
        let used = names(&code, "super::").into_iter().map(str::to_owned);
        uses.insert((room(path), stem(path)), used.collect());
    }
    for (room, file) in uses.keys().filter(|(_, file)| file != "mod") {
        // Everything that the file reaches through its neighbours.
        let mut reached: BTreeSet<&String> = BTreeSet::new();
        let mut next = vec![file];
        while let Some(at) = next.pop() {
            for used in uses.get(&(room.clone(), at.clone())).into_iter().flatten() {
                if uses.contains_key(&(room.clone(), used.clone())) && reached.insert(used) {
                    next.push(used);
                }
            }
        }
        assert!(
            !reached.contains(file),
            "{room}/{file}.rs uses itself by way of its neighbours"
        );
    }
}

#[test]
fn files_are_short_enough_to_read() {
    for folder in ["src", "tests", "examples"] {
        let mut found = Vec::new();
        files(&root().join(folder), &mut found);
        for path in found {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 700, "{} has {lines} lines", path.display());
        }
    }
}
