//! Measures sockless beside its peers and beside a floor written by hand, in memory and in one process.
//!
//! ```text
//! bench [--quick] [--only NAME] [--write]    the table, the bars, the chart
//! bench scaling [--quick]                    cost as messages, fragments and connections grow
//! bench count WORKLOAD SUBJECT PASSES        runs without a clock, for a tool that counts instructions
//! bench list                                 the names of workloads and subjects
//! ```

use std::path::Path;
use std::process::ExitCode;

use measure::Effort;

mod alloc;
mod floor;
mod measure;
mod peers;
mod pipe;
mod report;
mod scaling;
mod subject;
mod watch;
mod workloads;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["list"] => {
            workloads::all(|_| true)
                .iter()
                .for_each(|workload| println!("{:28} {}", workload.id, workload.title));
            println!("\nsubjects");
            peers::ALL.iter().for_each(|peer| println!("{}", peer.name));
        }
        ["count", workload, subject, passes] => {
            let Ok(passes) = passes.parse() else { return usage() };
            return count(workload, subject, passes);
        }
        ["scaling"] => drop(scaling::print(peers::ALL, Effort::FULL)),
        ["scaling", "--quick"] => drop(scaling::print(peers::ALL, Effort::QUICK)),
        _ => return table(&args),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("bench [--quick] [--only NAME] [--write] | scaling [--quick] | count WORKLOAD SUBJECT PASSES | list");
    ExitCode::FAILURE
}

/// Runs a workload `passes` times and prints how many messages that were.
fn count(workload: &str, subject: &str, passes: u32) -> ExitCode {
    pipe::read_alike();
    let workloads = workloads::all(|id| id == workload);
    let Some(workload) = workloads.first() else {
        return usage();
    };
    let Some(peer) = peers::ALL.iter().find(|known| known.name == subject) else {
        return usage();
    };
    let Some(mut entry) = measure::enter(workload, peer) else {
        return usage();
    };
    measure::pass(workload, &mut entry, passes);
    println!("{}", workload.count * passes as usize);
    ExitCode::SUCCESS
}

fn table(args: &[&str]) -> ExitCode {
    let (mut effort, mut only, mut write) = (Effort::FULL, None, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--quick" => effort = Effort::QUICK,
            "--write" => write = true,
            "--only" => match args.next() {
                Some(name) => only = Some(*name),
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    let mut rows = Vec::new();
    for workload in workloads::all(|id| only.is_none_or(|only| id.contains(only))) {
        eprintln!("{}", workload.title);
        rows.push(measure::row(&workload, peers::ALL, effort));
    }
    if rows.is_empty() {
        return usage();
    }
    let idle = measure::idle(peers::ALL);
    let setting = report::setting();
    let text = format!(
        "{setting} Median of {rounds} interleaved rounds, best and worst in parentheses.\n\n\
         {times}\n## The bars\n\n\
         Ratios are medians over rounds of the ratio within a round.\n\n\
         {bars}\n## Allocations per message, once warm\n\n\
         Bytes asked of the allocator in parentheses.\n\n\
         {allocations}\n## Bytes held by an idle connection of a server\n\n\
         Itself and what it asked of the allocator, without its transport.\n\n\
         {held}",
        rounds = effort.rounds,
        times = report::times(&rows),
        bars = report::bars(&rows, &idle),
        allocations = report::allocations(&rows),
        held = report::idle(&idle),
    );
    println!("{text}");
    if write && let Err(error) = save(&text, &report::chart(&rows), effort) {
        eprintln!("could not write: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The document with its chart, in the documentation of the crate.
fn save(text: &str, chart: &str, effort: Effort) -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let suffix = if cfg!(target_feature = "avx2") { "-native" } else { "" };
    let scaling = scaling::print(peers::ALL, effort);
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join(format!("benchmarks{suffix}.svg")), chart)?;
    std::fs::write(
        docs.join(format!("benchmarks{suffix}.md")),
        format!(
            "# Benchmarks\n\n\
             Written by `cargo run --release -- --write` in `bench/`. What is measured, and how, stands in `bench/README.md`.\n\n\
             ![Speed as a share of the floor's](benchmarks{suffix}.svg)\n\n\
             {text}\n## Scaling\n{scaling}"
        ),
    )
}
