//! How the cost of a message grows with its length, with its fragments, and with the connections held at once.

use std::time::Instant;

use crate::alloc;
use crate::measure::{Effort, exchange, row};
use crate::subject::{Held, Peer, Scratch};
use crate::workloads::{single_echo, sized};

pub fn print(peers: &[Peer], effort: Effort) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        println!("{line}");
        text.push_str(&line);
        text.push('\n');
    };
    // Steps in length are few and long; the rounds can be fewer.
    let effort = Effort {
        rounds: effort.rounds.min(31),
        ..effort
    };

    let all = peers;
    let peers: Vec<&Peer> = all.iter().collect();
    say("\n### A server receives one message, ns (ns per KiB)\n".into());
    say(table_head("length", &peers));
    for len in [
        0,
        1,
        16,
        125,
        126,
        1 << 10,
        4 << 10,
        16 << 10,
        64 << 10,
        256 << 10,
        1 << 20,
        4 << 20,
        16 << 20,
    ] {
        let row = row(&sized(len, None), all, effort);
        let cells = peers.iter().map(|peer| match row.line(peer.name) {
            Some(line) if len >= 1024 => {
                format!("{:.0} ({:.1})", line.median(), line.median() * 1024.0 / len as f64)
            }
            Some(line) => format!("{:.1}", line.median()),
            None => "".into(),
        });
        say(table_row(&len.to_string(), cells));
    }

    say("\n### A server receives one message of 4 MiB in fragments, µs per message (ns per fragment)\n".into());
    say(table_head("fragments", &peers));
    for fragments in [1, 10, 100, 1000, 10_000, 100_000] {
        let len = 4_usize << 20;
        let row = row(&sized(len, Some(len.div_ceil(fragments))), all, effort);
        let cells = peers.iter().map(|peer| match row.line(peer.name) {
            Some(line) => format!(
                "{:.0} ({:.0})",
                line.median() / 1000.0,
                line.median() / fragments as f64
            ),
            None => "".into(),
        });
        say(table_row(&fragments.to_string(), cells));
    }

    say(
        "\n### Connections held at once, each echoes 128 B of text in turn: bytes per connection, ns per echo\n".into(),
    );
    let peers: Vec<&Peer> = all.iter().filter(|peer| peer.hold.is_some()).collect();
    say(table_head("connections", &peers));
    for count in [1, 10, 100, 1000, 10_000, 100_000, 1_000_000] {
        let cells = peers.iter().map(|peer| connections(peer, count));
        say(table_row(&count.to_string(), cells));
    }
    text
}

fn table_head(first: &str, peers: &[&Peer]) -> String {
    let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
    format!(
        "| {first} | {} |\n|---|{}",
        names.join(" | "),
        "---|".repeat(peers.len())
    )
}

fn table_row(first: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {first} | {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// What a peer may take in all.
const MEMORY: u64 = 4 << 30;

fn connections(peer: &Peer, count: usize) -> String {
    let Some(hold) = peer.hold else { return "".into() };
    let workload = single_echo();
    let mut scratch = Scratch::new(&workload);
    exchange(hold(&scratch.pipe).as_mut(), &mut scratch);

    let before = alloc::count();
    let mut all: Vec<Box<dyn Held>> = Vec::new();
    for _ in 0..count {
        let mut connection = hold(&scratch.pipe);
        exchange(connection.as_mut(), &mut scratch);
        all.push(connection);
        if alloc::count().live - before.live > MEMORY {
            return format!("over {} GiB at {}", MEMORY >> 30, all.len());
        }
    }
    // Not the handles on them, which a server keeps in its own way.
    let handles = (all.capacity() * size_of::<Box<dyn Held>>()) as u64;
    let held = alloc::count().live - before.live - handles;

    // In an order that no prefetcher follows.
    let stride = if count > 1 {
        (count as f64 * 0.618) as usize | 1
    } else {
        1
    };
    let exchanges = count.clamp(100_000, 1_000_000);
    let mut at = 0;
    let start = Instant::now();
    for _ in 0..exchanges {
        at = (at + stride) % count;
        scratch.pipe.rewind();
        all[at].echo(&mut scratch);
    }
    let time = start.elapsed().as_nanos() as f64 / exchanges as f64;
    assert_eq!(scratch.pipe.written(), 132 * exchanges as u64);
    format!("{}, {time:.0}", held / count as u64)
}
