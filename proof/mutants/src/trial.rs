//! Runs tests, with a change and without.

use crate::tree::Program;
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// A test, and what it does without a change.
pub struct Test {
    pub program: usize,
    pub program_name: String,
    pub name: String,
    time: Duration,
    reaches: HashSet<usize>,
    pub passes: bool,
}

/// What becomes of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By this test.
    Caught(String),
    /// The tests did not come to an end.
    Timeout,
    Unviable,
    Missed,
}

/// In kibibytes: a change may make a program ask for memory without end.
const MEMORY: &str = "8000000";

/// Tests that take less than this share a process.
const SHORT: Duration = Duration::from_millis(200);

/// Runs some tests of a program.
///
/// `scratch` is a file that nobody else writes.
pub fn run(program: &Program, arguments: &[&str], switch: (&str, &str), time: Duration, scratch: &Path) -> Outcome {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")])
        .arg(&program.path)
        .args(arguments);
    command
        .args(["--test-threads=1", "-Zunstable-options", "--fail-fast"])
        .current_dir(&program.package);
    command
        .env("CARGO_MANIFEST_DIR", &program.package)
        .env("RUST_BACKTRACE", "0")
        .env("RUSTC_BOOTSTRAP", "1");
    // The same cases each time, and no file about those that fail.
    command
        .env("PROPTEST_RNG_SEED", "1")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0");
    command
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
        .env(switch.0, switch.1);
    let output = File::create(scratch).expect("a scratch file");
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command.spawn().expect("a program of tests");
    let limit = Instant::now() + Duration::from_secs(10) + 8 * time;
    loop {
        match child.try_wait().expect("a child") {
            Some(status) if status.success() => return Outcome::Missed,
            Some(_) => break,
            None if Instant::now() > limit => {
                let group = format!("-{}", child.id());
                let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
                let _ = child.wait();
                return Outcome::Timeout;
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
    let text = fs::read(scratch).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let failed = text
        .lines()
        .find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    Outcome::Caught(format!("{} {}", program.name, failed.unwrap_or("ends early")))
}

/// Runs each test by itself, to see which changes it comes by.
pub fn trace(programs: &[Program], jobs: usize, scratch: &Path) -> Vec<Test> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for (at, program) in programs.iter().enumerate() {
        let listed = Command::new(&program.path)
            .args(["--list", "--format=terse"])
            .output()
            .expect("a list of tests");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        all.extend(
            listed
                .lines()
                .filter_map(|line| Some((at, line.strip_suffix(": test")?.to_owned()))),
        );
    }
    each(jobs, &all, scratch, |(program, name), scratch| {
        let trace = scratch.with_extension("trace");
        let _ = fs::remove_file(&trace);
        let start = Instant::now();
        let switch = ("MUTANT_TRACE", &*trace.to_string_lossy());
        let outcome = run(
            &programs[*program],
            &["--exact", name],
            switch,
            Duration::from_secs(120),
            scratch,
        );
        let time = start.elapsed();
        let reached = fs::read(&trace).unwrap_or_default();
        let reaches = reached
            .chunks_exact(4)
            .map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]]) as usize)
            .collect();
        let program_name = programs[*program].name.clone();
        Test {
            program: *program,
            program_name,
            name: name.clone(),
            time,
            reaches,
            passes: outcome == Outcome::Missed,
        }
    })
}

/// Runs the tests that come by this change, until one notices it: the sharp ones first, then the quick ones.
///
/// `None` if there is no such test.
pub fn try_switch(id: usize, programs: &[Program], tests: &[Test], sharp: &[&str], scratch: &Path) -> Option<Outcome> {
    let reaching = || tests.iter().filter(|test| test.passes && test.reaches.contains(&id));
    let mut groups: Vec<Vec<&Test>> = reaching()
        .filter(|test| test.time >= SHORT)
        .map(|test| vec![test])
        .collect();
    for program in 0..programs.len() {
        let short: Vec<&Test> = reaching()
            .filter(|test| test.program == program && test.time < SHORT)
            .collect();
        groups.extend((!short.is_empty()).then_some(short));
    }
    let time = |group: &[&Test]| group.iter().map(|test| test.time).sum::<Duration>();
    groups.sort_by_key(|group| (!sharp.contains(&&*group[0].program_name), time(group)));
    let mut outcome = None;
    for group in groups {
        let names = std::iter::once("--exact")
            .chain(group.iter().map(|test| &*test.name))
            .collect::<Vec<_>>();
        let found = run(
            &programs[group[0].program],
            &names,
            ("MUTANT", &id.to_string()),
            time(&group),
            scratch,
        );
        let done = found != Outcome::Missed;
        outcome = Some(found);
        if done {
            break;
        }
    }
    outcome
}

/// Runs all tests of a program, but those that fail without a change.
pub fn run_all(program: &Program, tests: &[Test], scratch: &Path) -> Outcome {
    let own = || tests.iter().filter(|test| test.program_name == program.name);
    let failing = own()
        .filter(|test| !test.passes)
        .flat_map(|test| ["--skip", &test.name])
        .collect::<Vec<_>>();
    run(
        program,
        &failing,
        ("MUTANT", ""),
        own().map(|test| test.time).sum(),
        scratch,
    )
}

/// Does this for each of them, some at once, with a scratch file each; in their order.
pub fn each<T: Sync, R: Send>(jobs: usize, all: &[T], scratch: &Path, work: impl Fn(&T, &Path) -> R + Sync) -> Vec<R> {
    let (next, done) = (Mutex::new(0..all.len()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for job in 0..jobs {
            let (next, done, work) = (&next, &done, &work);
            let scratch: PathBuf = scratch.join(format!("output-{job}"));
            scope.spawn(move || {
                loop {
                    let at = next.lock().expect("no panic").next();
                    let Some(at) = at else { break };
                    let result = work(&all[at], &scratch);
                    done.lock().expect("no panic").push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no panic");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
