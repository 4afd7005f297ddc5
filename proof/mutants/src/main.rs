//! Mutation testing: changes the code in small ways, one at a time, and fails if the tests do not notice at least 95 % of
//! the changes that compile, in each area.
//!
//! ```text
//! proof/mutants/check [AREA...]          handshake, frame, buffer, timers, connection, message, buffered, deflate;
//!                                        all unless named
//! SAMPLE=3/20 proof/mutants/check AREA   the third, the 23rd, the 43rd of the changes, and so on
//! AGAIN=1 proof/mutants/check [AREA...]  goes on from the last run: only what was missed is tried again
//! EDITS=1 proof/mutants/check AREA       each change by an edit of its own, to see that it comes to the same
//! JOBS=4 ...                             how many are tried at once; 2 unless said
//! ```
//!
//! cargo-mutants says what is changed; what is left out stands in `.cargo/mutants.toml`, with the reason. It builds the
//! crate anew for each change, though, and the thousands of changes here would take it a day or more. So all of them go
//! into one build of a copy of the crate, each behind a switch that an environment variable turns on, and a change is
//! tried by running tests. A run without changes has told which tests come by which change: these are run, the sharp
//! ones of the area first, then the quick ones, and a change is missed if all of them pass.
//!
//! What no switch can turn on is tried by an edit and a build of its own, which only the sharp tests of the area meet:
//! code that the compiler evaluates, code that no test comes by in this build, and what compiles alone but not with a
//! switch. What has become of each change stands in `target/mutants/outcomes.txt`, with the test that has noticed it.

mod rewrite;
mod tree;
mod trial;

use rewrite::Change;
use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use tree::{Texts, Tree};
use trial::{Outcome, Test};

/// A part of the crate.
struct Area {
    name: &'static str,
    files: &'static [&'static str],
    /// The tests that a change meets first.
    sharp: &'static [&'static str],
}

const AREAS: [Area; 8] = [
    Area {
        name: "handshake",
        files: &["src/handshake/*.rs"],
        sharp: &["handshake_server", "handshake_client"],
    },
    Area {
        name: "frame",
        files: &[
            "src/frame/*.rs",
            "src/utf8.rs",
            "src/state/*.rs",
            "src/limits.rs",
            "src/error.rs",
        ],
        sharp: &["section_5_framing", "section_8_utf8", "frame_codec", "limits"],
    },
    Area {
        name: "buffer",
        files: &["src/buffer/*.rs"],
        sharp: &["read_buffer", "read_buffer_memory", "write_buffer", "lent_memory"],
    },
    Area {
        name: "timers",
        files: &["src/timers/*.rs"],
        sharp: &["timers", "deadlines", "handshake_deadlines"],
    },
    Area {
        name: "connection",
        files: &["src/connection/*.rs"],
        sharp: &["section_5_framing", "section_7_closing", "output", "deadlines"],
    },
    Area {
        name: "message",
        files: &["src/message/*.rs"],
        sharp: &["message_level", "read_buffer"],
    },
    Area {
        name: "buffered",
        files: &["src/buffered/*.rs"],
        sharp: &["buffered", "handshake_transport"],
    },
    Area {
        name: "deflate",
        files: &["src/deflate/*.rs"],
        sharp: &["deflate", "deflate_memory"],
    },
];

/// The tests that need the kit are in a package of their own.
const TESTS: &[&str] = &[
    "--package=sockless",
    "--package=sockless-fuzz",
    "--all-features",
    "--lib",
    "--tests",
];

fn main() -> ExitCode {
    let named: Vec<String> = env::args().skip(1).collect();
    if let Some(unknown) = named.iter().find(|&name| AREAS.iter().all(|area| area.name != name)) {
        eprintln!("no such area: {unknown}");
        return ExitCode::FAILURE;
    }
    let folder = env::current_dir().expect("a folder").join("target/mutants");
    fs::create_dir_all(&folder).expect("a folder for the report");
    // All changes go into the build, so that it is the same for each area.
    let (mut changes, mut areas) = (Vec::new(), Vec::new());
    for area in &AREAS {
        let listed = list(area.files);
        if named.is_empty() || named.iter().any(|name| name == area.name) {
            areas.push((area, sample(changes.len()..changes.len() + listed.len())));
        }
        changes.extend(listed);
    }
    let report = Report::open(&folder);
    if areas
        .iter()
        .flat_map(|(_, ids)| ids)
        .any(|&id| report.is_open(&changes[id]))
    {
        check(&folder, &changes, &areas, &report);
    }
    report.print(&changes, &areas)
}

/// What cargo-mutants would change in these files.
fn list(files: &[&str]) -> Vec<Change> {
    let mut command = Command::new("cargo");
    command
        .args(["mutants", "--list", "--json"])
        .args(files.iter().map(|file| format!("--file={file}")));
    let listed = command.output().expect("cargo mutants");
    serde_json::from_slice(&listed.stdout).expect("a list of changes from cargo mutants")
}

/// The part of these that is asked for.
fn sample(ids: Range<usize>) -> Vec<usize> {
    let sample = env::var("SAMPLE").unwrap_or("1/1".to_owned());
    let (nth, of) = sample.split_once('/').expect("SAMPLE=3/20");
    let (nth, of): (usize, usize) = (nth.parse().expect("a number"), of.parse().expect("a number"));
    ids.skip(nth - 1).step_by(of).collect()
}

/// Tries the changes of these areas that the report does not know.
fn check(folder: &Path, changes: &[Change], areas: &[(&Area, Vec<usize>)], report: &Report) {
    let jobs = env::var("JOBS").map_or(2, |jobs| jobs.parse().expect("JOBS=2"));
    let area = |id| areas.iter().find(|(_, ids)| ids.contains(&id)).expect("an area").0;
    // The sources may be worked on meanwhile.
    let edited = Tree::copy(folder.join("edited"), &Texts::new());
    let (settled, texts) = Tree::copy(folder.join("settled"), &Texts::new()).put_switches(changes);
    let open = areas
        .iter()
        .flat_map(|(_, ids)| ids)
        .copied()
        .filter(|&id| report.is_open(&changes[id]));
    let (unviable, open): (Vec<usize>, Vec<usize>) = open.partition(|id| settled.unviable.contains(id));
    unviable
        .iter()
        .for_each(|&id| report.put(&changes[id], Outcome::Unviable));
    let tree = Tree::copy(folder.join("switched"), &texts);
    let programs = tree
        .build(TESTS)
        .expect("the tests compile while all changes are switched off");
    let tests = trial::trace(&programs, jobs, folder);
    for test in tests.iter().filter(|test| !test.passes) {
        eprintln!(
            "left out, since it fails without a change: {} {}",
            test.program_name, test.name
        );
    }
    let all_by_edits = env::var_os("EDITS").is_some();
    let (mut edits, switched): (Vec<usize>, Vec<usize>) = open
        .iter()
        .partition(|id| all_by_edits || settled.need_edit.contains(id));
    eprintln!(
        "{} unviable, {} by switches, {} by edits",
        unviable.len(),
        switched.len(),
        edits.len()
    );
    let not_told = Mutex::new(Vec::new());
    trial::each(jobs, &switched, folder, |&id, scratch| {
        match trial::try_switch(id, &programs, &tests, area(id).sharp, scratch) {
            Some(outcome) if outcome != Outcome::Missed || !settled.in_const_fn.contains(&id) => {
                report.put(&changes[id], outcome)
            }
            _ => not_told.lock().expect("no panic").push(id),
        }
    });
    edits.extend(not_told.into_inner().expect("no panic"));
    eprintln!("{} by edits", edits.len());
    for id in edits {
        let (change, file) = (&changes[id], Path::new(&changes[id].file));
        let source = edited.read(file);
        edited.write(file, change.edit(&source).as_bytes());
        report.put(change, try_edit(&edited, area(id), &tests, folder));
        edited.write(file, source.as_bytes());
    }
}

/// Tries what is in the tree: by the sharp tests of the area, and by the unit tests without the features that replace parts
/// of the crate. All tests there are would take minutes for each edit: what they alone notice counts as missed here.
fn try_edit(tree: &Tree, area: &Area, tests: &[Test], scratch: &Path) -> Outcome {
    if !tree.compiles() {
        return Outcome::Unviable;
    }
    let sharp: Vec<String> = area.sharp.iter().map(|test| format!("--test={test}")).collect();
    let sharp: Vec<&str> = ["--all-features", "--lib"]
        .into_iter()
        .chain(sharp.iter().map(|test| &**test))
        .collect();
    for build in [&*sharp, &["--lib"]] {
        let Some(programs) = tree.build(build) else {
            return Outcome::Unviable;
        };
        let outcomes = programs
            .iter()
            .map(|program| trial::run_all(program, tests, &scratch.join("output-edit")));
        if let Some(noticed) = outcomes.into_iter().find(|outcome| *outcome != Outcome::Missed) {
            return noticed;
        }
    }
    Outcome::Missed
}

/// What has become of the changes: a line each, with the test that has noticed it.
struct Report(Mutex<(File, HashMap<String, Outcome>)>);

impl Report {
    /// A new one, or the last one.
    fn open(folder: &Path) -> Self {
        let path = folder.join("outcomes.txt");
        let old = env::var_os("AGAIN")
            .and_then(|_| fs::read_to_string(&path).ok())
            .unwrap_or_default();
        let old = old.lines().filter_map(|line| {
            let mut fields = line.split('\t');
            let (outcome, name) = (fields.next()?, fields.next()?);
            let outcome = match outcome {
                "caught" => Outcome::Caught(fields.next()?.to_owned()),
                "timeout" => Outcome::Timeout,
                "unviable" => Outcome::Unviable,
                _ => return None,
            };
            Some((name.to_owned(), outcome))
        });
        let known = old.collect::<HashMap<_, _>>();
        let mut file = File::create(path).expect("a report");
        for (name, outcome) in &known {
            line(&mut file, name, outcome);
        }
        Self(Mutex::new((file, known)))
    }

    fn is_open(&self, change: &Change) -> bool {
        !self.0.lock().expect("no panic").1.contains_key(&change.name)
    }

    fn put(&self, change: &Change, outcome: Outcome) {
        let (file, known) = &mut *self.0.lock().expect("no panic");
        line(file, &change.name, &outcome);
        if outcome == Outcome::Missed {
            eprintln!("missed: {}", change.name);
        }
        known.insert(change.name.clone(), outcome);
    }

    /// Prints the table; a failure, if too many were missed in an area.
    fn print(&self, changes: &[Change], areas: &[(&Area, Vec<usize>)]) -> ExitCode {
        let known = &self.0.lock().expect("no panic").1;
        let mut code = ExitCode::SUCCESS;
        println!(
            "{:12}{:>8}{:>10}{:>10}{:>8}{:>8}",
            "area", "caught", "timeouts", "unviable", "missed", "%"
        );
        for (area, ids) in areas {
            let (mut caught, mut timeouts, mut unviable, mut missed) = (0, 0, 0, 0);
            for &id in ids {
                match known.get(&changes[id].name) {
                    Some(Outcome::Caught(_)) => caught += 1,
                    Some(Outcome::Timeout) => timeouts += 1,
                    Some(Outcome::Unviable) => unviable += 1,
                    Some(Outcome::Missed) | None => missed += 1,
                }
            }
            let share = 1000 * (caught + timeouts) / (caught + timeouts + missed).max(1);
            let share_text = format!("{}.{}", share / 10, share % 10);
            println!(
                "{:12}{caught:>8}{timeouts:>10}{unviable:>10}{missed:>8}{share_text:>8}",
                area.name
            );
            if share < 950 {
                code = ExitCode::FAILURE;
            }
        }
        code
    }
}

fn line(file: &mut File, name: &str, outcome: &Outcome) {
    let (outcome, by) = match outcome {
        Outcome::Caught(by) => ("caught", &**by),
        Outcome::Timeout => ("timeout", ""),
        Outcome::Unviable => ("unviable", ""),
        Outcome::Missed => ("missed", ""),
    };
    writeln!(file, "{outcome}\t{name}\t{by}").expect("the report");
}
