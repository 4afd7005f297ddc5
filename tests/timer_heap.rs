//! Many connections in one process: how often a timer is set again.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use sockless::timers::{Due, Moment, Timeouts, Timers};

const CONNECTIONS: usize = 100_000;
const SECOND: Duration = Duration::from_secs(1);
/// How long it goes on.
const END: Moment = Moment::from_micros(60_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    /// The timer of this connection fires.
    Timer,
    /// A message comes, about every second from a tenth of the connections, never from the others.
    Message,
    /// A Pong comes.
    Pong([u8; 8]),
}

/// One heap holds a timer for each connection and is not touched when messages come.
#[test]
fn a_hundred_thousand_connections() {
    let timeouts = Timeouts::default();
    let mut seed = 1_u32;
    let mut random = move |most: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % most
    };
    let mut heap = BinaryHeap::new();
    let mut connections = Vec::new();
    for id in 0..CONNECTIONS {
        let start = Moment::START + Duration::from_micros(random(10_000_000).into());
        let mut timers = Timers::new(&timeouts, start);
        timers.opened(start);
        let deadline = timers.next_deadline().unwrap();
        heap.push(Reverse((deadline, id, Happens::Timer)));
        if id % 10 == 0 {
            heap.push(Reverse((start + SECOND, id, Happens::Message)));
        }
        connections.push((timers, deadline));
    }
    let (mut messages, mut pings) = (0_u64, 0_u64);
    // Of those that send, and of those that do not.
    let mut set_again = [0_u64; 2];
    while let Some(Reverse((now, id, what))) = heap.pop() {
        if now > END {
            break;
        }
        let (timers, armed) = &mut connections[id];
        match what {
            Happens::Message => {
                messages += 1;
                timers.message_received(now);
                timers.received(now, None);
                let next = now + Duration::from_micros(random(2_000_000).into());
                heap.push(Reverse((next, id, Happens::Message)));
            }
            Happens::Pong(payload) => {
                timers.received(now, None);
                assert!(timers.pong(now, &payload).is_some());
            }
            Happens::Timer => {
                assert_eq!(now, *armed, "no timer is in the heap twice");
                if let Some(due) = timers.handle_timeout(now) {
                    let Due::Ping(payload) = due else { panic!("{due:?}") };
                    pings += 1;
                    timers.pinged(now, 10);
                    timers.written(now, 10, 0);
                    heap.push(Reverse((now + SECOND / 20, id, Happens::Pong(payload))));
                }
            }
        }
        // The timer is set when it has fired, and where the deadline has come nearer.
        let deadline = timers.next_deadline().unwrap();
        let fires = what == Happens::Timer;
        assert!(
            fires || deadline >= *armed,
            "nothing that comes brings a deadline nearer"
        );
        if fires {
            set_again[usize::from(id % 10 != 0)] += 1;
            *armed = deadline;
            heap.push(Reverse((deadline, id, Happens::Timer)));
        }
    }
    let [busy, silent] = set_again;
    println!(
        "{CONNECTIONS} connections for a minute: {messages} messages on a tenth of them, whose timers were set {busy} times; \
         {pings} Pings on the others, whose timers were set {silent} times"
    );
    assert!(messages > 400_000 && pings > 150_000);
    // Once for each `ping_after`, and not for each message.
    assert!(busy <= CONNECTIONS as u64 / 10 * 3);
    // Once for the Ping, once to see that it was answered.
    assert!(silent <= pings * 2);
    for (timers, _) in &connections {
        assert_eq!(timers.passed(), None);
    }
}
