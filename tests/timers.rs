//! Deadlines as data: each law by itself, at the exact microsecond.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use proptest::prelude::*;
use sockless::timers::{Deadline, Due, Moment, Rate, Timeouts, Timers};

const SECOND: Duration = Duration::from_secs(1);
const MICRO: Duration = Duration::from_micros(1);

fn at(seconds: u32) -> Moment {
    Moment::from_micros(1_000_000_000_000) + SECOND * seconds
}

fn just_before(moment: Moment) -> Moment {
    Moment::from_micros(moment.as_micros() - 1)
}

fn timeouts() -> Timeouts {
    Timeouts::OFF
}

fn open(timeouts: &Timeouts) -> Timers {
    let mut timers = Timers::new(timeouts, at(0));
    timers.opened(at(0));
    timers
}

/// Nothing is due just before the moment, and this is due at it, as was told before.
#[track_caller]
fn passes(timers: &mut Timers, deadline: Deadline, moment: Moment) {
    assert_eq!(timers.next_deadline(), Some(moment));
    assert_eq!(timers.handle_timeout(just_before(moment)), None);
    assert_eq!(timers.handle_timeout(moment), Some(Due::Passed(deadline)));
    assert!(timers.next_deadline() > Some(moment));
}

/// A Ping is due at the moment and not before.
#[track_caller]
fn pings(timers: &mut Timers, moment: Moment) -> [u8; 8] {
    assert_eq!(timers.next_deadline(), Some(moment));
    assert_eq!(timers.handle_timeout(just_before(moment)), None);
    let Some(Due::Ping(payload)) = timers.handle_timeout(moment) else {
        panic!("no Ping")
    };
    payload
}

#[test]
fn they_are_96_bytes() {
    println!("Timers: {} bytes", size_of::<Timers>());
    assert!(size_of::<Timers>() <= 96);
}

#[test]
fn nothing_is_due_where_everything_is_off() {
    let mut timers = open(&Timeouts::OFF);
    timers.received(at(1), Some(1));
    timers.written(at(2), 1, 1);
    assert_eq!(timers.next_deadline(), None);
    timers.closing(at(3));
    assert_eq!(timers.handle_timeout(at(1_000_000)), None);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn handshake() {
    let timeouts = timeouts().with_handshake(Some(10 * SECOND));
    let mut timers = Timers::new(&timeouts, at(0));
    timers.received(at(9), Some(100)); // bytes do not put it off
    passes(&mut timers, Deadline::Handshake, at(10));

    let mut timers = Timers::new(&timeouts, at(0));
    timers.opened(at(9));
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn a_ping_after_silence_and_any_byte_is_life() {
    let mut timers = open(
        &timeouts()
            .with_ping_after(Some(20 * SECOND))
            .with_pong_within(Some(5 * SECOND)),
    );
    timers.received(at(7), None);
    let first = pings(&mut timers, at(27));
    timers.pinged(at(27), 10);
    // While it waits in the output, nothing runs.
    assert_eq!(timers.next_deadline(), None);
    timers.written(at(40), 9, 1);
    assert_eq!(timers.next_deadline(), None);
    timers.written(at(41), 1, 0);
    assert_eq!(timers.next_deadline(), Some(at(46)));
    // Something else than the answer: the peer is there.
    timers.received(at(45), None);
    let second = pings(&mut timers, at(65));
    assert_ne!(first, second);
    timers.pinged(at(65), 10);
    timers.written(at(65), 10, 0);
    passes(&mut timers, Deadline::Pong, at(70));
    assert_eq!(timers.passed(), Some(Deadline::Pong));
}

/// What is put into the output behind the Ping does not keep its clock from starting.
#[test]
fn a_ping_has_left_when_its_own_last_byte_has() {
    let mut timers = open(&timeouts().with_ping_after(Some(SECOND)).with_pong_within(Some(SECOND)));
    pings(&mut timers, at(1));
    timers.pinged(at(1), 110);
    timers.written(at(2), 109, 5_000);
    assert_eq!(timers.next_deadline(), None);
    timers.written(at(3), 1, 9_000);
    passes(&mut timers, Deadline::Pong, at(4));
}

#[test]
fn a_ping_that_cannot_be_sent_comes_again_after_as_long() {
    let mut timers = open(&timeouts().with_ping_after(Some(SECOND)));
    let first = pings(&mut timers, at(1));
    assert_ne!(pings(&mut timers, at(2)), first);
}

/// Without a limit for the answer, the next Ping comes all the same.
#[test]
fn pings_without_a_limit_for_pongs() {
    let mut timers = open(&timeouts().with_ping_after(Some(SECOND)));
    for second in [1, 2, 3] {
        pings(&mut timers, at(second));
        timers.pinged(at(second), 10);
        timers.written(at(second), 10, 0);
    }
}

#[test]
fn idle_is_put_off_by_data_and_by_nothing_else() {
    let mut timers = open(
        &timeouts()
            .with_idle(Some(60 * SECOND))
            .with_ping_after(Some(20 * SECOND)),
    );
    timers.received(at(10), None);
    timers.message_received(at(10));
    let payload = pings(&mut timers, at(30));
    timers.pinged(at(30), 10);
    timers.written(at(30), 10, 0);
    timers.received(at(31), None);
    timers.pong(at(31), &payload);
    timers.received(at(69), None); // a Ping of the peer's
    passes(&mut timers, Deadline::Idle, at(70));

    // A part of a message is data.
    let mut timers = open(&timeouts().with_idle(Some(60 * SECOND)));
    timers.received(at(59), Some(1));
    passes(&mut timers, Deadline::Idle, at(119));
}

#[test]
fn a_message_has_grace_and_a_rate() {
    let rate = Rate {
        grace: 5 * SECOND,
        bytes_per_second: 100,
    };
    let timeouts = timeouts().with_message(Some(rate));
    for phase in ["head", "message"] {
        let mut timers = Timers::new(&timeouts, at(0));
        if phase == "message" {
            timers.opened(at(0));
        }
        assert_eq!(timers.next_deadline(), None);
        timers.received(at(10), Some(0));
        assert_eq!(timers.next_deadline(), Some(at(15)));
        timers.received(at(11), Some(100));
        assert_eq!(timers.next_deadline(), Some(at(16)));
        timers.received(at(12), Some(200));
        passes(&mut timers, Deadline::Message, at(17));
    }
    // The next message has its own clock, and one that is whole has none.
    let mut timers = open(&timeouts);
    timers.received(at(10), Some(100));
    timers.message_received(at(14));
    timers.received(at(14), Some(1));
    assert_eq!(timers.next_deadline(), Some(at(19) + SECOND / 100));
    timers.received(at(15), None);
    assert_eq!(timers.next_deadline(), None);
    // Rounded up: a byte takes 10 ms at 100 bytes a second, and a third of a millisecond at 3000.
    let mut timers = open(&timeouts.with_message(Some(Rate {
        bytes_per_second: 3000,
        ..rate
    })));
    timers.received(at(0), Some(1));
    assert_eq!(timers.next_deadline(), Some(at(5) + SECOND / 1000));
}

#[test]
fn output_that_nobody_takes() {
    let mut timers = open(&timeouts().with_write(Some(30 * SECOND)));
    timers.written(at(1), 0, 100);
    timers.written(at(20), 0, 200); // more is put, nothing is taken
    assert_eq!(timers.next_deadline(), Some(at(31)));
    timers.written(at(30), 1, 199);
    passes(&mut timers, Deadline::Write, at(60));
    timers.written(at(60), 199, 0);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn closing() {
    let timeouts = Timeouts::DEFAULT.with_idle(Some(SECOND)).with_close(Some(10 * SECOND));
    let mut timers = open(&timeouts);
    timers.received(at(0), Some(1));
    timers.closing(at(1));
    timers.received(at(9), None); // what the peer still sends does not put it off
    timers.closing(at(9));
    passes(&mut timers, Deadline::Close, at(11));

    // What it takes does.
    let mut timers = open(&timeouts);
    timers.written(at(1), 0, 100);
    timers.closing(at(1));
    timers.written(at(6), 10, 90);
    passes(&mut timers, Deadline::Close, at(16));
}

/// While the caller does not read, the peer's clocks stand, and go on where they were.
#[test]
fn the_clock_stands_while_nobody_reads() {
    let rate = Rate {
        grace: 5 * SECOND,
        bytes_per_second: 1000,
    };
    let ping = timeouts()
        .with_ping_after(Some(5 * SECOND))
        .with_pong_within(Some(5 * SECOND));
    let all = [
        (timeouts().with_idle(Some(5 * SECOND)), Deadline::Idle),
        (timeouts().with_message(Some(rate)), Deadline::Message),
        (ping.with_ping_after(Some(SECOND)), Deadline::Pong),
    ];
    for (timeouts, deadline) in all {
        let mut timers = open(&timeouts);
        match deadline {
            Deadline::Message => timers.received(at(0), Some(0)),
            Deadline::Pong => {
                pings(&mut timers, at(1));
                timers.pinged(at(1), 10);
                timers.written(at(1), 10, 0);
            }
            _ => {}
        }
        let due = timers.next_deadline().unwrap();
        timers.reading(at(3), false);
        assert_eq!(timers.next_deadline(), None);
        assert_eq!(timers.handle_timeout(at(100)), None);
        timers.reading(at(103), false);
        timers.reading(at(203), true);
        passes(&mut timers, deadline, due + 200 * SECOND);
    }
    // Output and closing go on.
    let mut timers = open(&timeouts().with_write(Some(SECOND)).with_close(Some(2 * SECOND)));
    timers.reading(at(0), false);
    timers.written(at(0), 0, 1);
    passes(&mut timers, Deadline::Write, at(1));
    timers.closing(at(2));
    timers.reading(at(2), false);
    timers.written(at(2), 1, 0);
    passes(&mut timers, Deadline::Close, at(4));
}

#[test]
fn a_clock_that_jumps_back_stands() {
    let mut timers = open(&timeouts().with_idle(Some(10 * SECOND)));
    timers.message_received(at(5));
    timers.message_received(at(1));
    assert_eq!(timers.handle_timeout(Moment::START), None);
    passes(&mut timers, Deadline::Idle, at(15));
}

#[test]
fn round_trip_times() {
    let mut timers = open(
        &timeouts()
            .with_ping_after(Some(10 * SECOND))
            .with_pong_within(Some(5 * SECOND)),
    );
    assert_eq!(timers.round_trip(), None);
    let mut now = at(0);
    let mut smoothed = None;
    for micros in [800_u32, 1_600, 240_000, 80] {
        let took = MICRO * micros;
        now = timers.next_deadline().unwrap();
        let payload = pings(&mut timers, now);
        timers.pinged(now, 10);
        timers.written(now + SECOND, 10, 0);
        now = now + SECOND + took / 2;
        timers.received(now, None); // something else comes first
        now = now + (took - took / 2);
        timers.received(now, None);
        assert_eq!(timers.pong(now, b"other"), None);
        assert_eq!(timers.pong(now, &payload), Some(took));
        assert_eq!(timers.pong(now, &payload), None); // answered once
        let expected = smoothed.map_or(micros, |smoothed| (smoothed * 7 + micros + 4) / 8);
        smoothed = Some(expected);
        let times = timers.round_trip().unwrap();
        assert_eq!((times.last, times.smoothed), (took, MICRO * expected));
    }
    assert_eq!(timers.round_trip().unwrap().least, 80 * MICRO);
    // An answer that comes after the next Ping was sent is too old to be told from others.
    let old = pings(&mut timers, now + 10 * SECOND);
    timers.pinged(now, 10);
    timers.written(now, 10, 0);
    timers.received(now + 10 * SECOND, None);
    let new = pings(&mut timers, now + 20 * SECOND);
    timers.pinged(now, 10);
    timers.written(now, 10, 0);
    assert_eq!(timers.pong(now + 21 * SECOND, &old), None);
    assert_eq!(timers.pong(now + 21 * SECOND, &new), Some(SECOND));
    // The time in which nobody read does not count.
    let next = timers.next_deadline().unwrap();
    let payload = pings(&mut timers, next);
    let now = now + 31 * SECOND;
    timers.pinged(now, 10);
    timers.written(now, 10, 0);
    timers.reading(now, false);
    timers.reading(now + 100 * SECOND, true);
    assert_eq!(timers.pong(now + 101 * SECOND, &payload), Some(SECOND));
}

#[test]
fn timeouts_are_rounded_up_and_long_ones_are_off() {
    for (timeout, kept) in [
        (Duration::ZERO, Some(SECOND / 1000)),
        (Duration::from_nanos(1), Some(SECOND / 1000)),
        (SECOND + Duration::from_nanos(1), Some(SECOND + SECOND / 1000)),
        (49 * 86_400 * SECOND, Some(49 * 86_400 * SECOND)),
        (50 * 86_400 * SECOND, None),
        (Duration::MAX, None),
    ] {
        let timers = open(&timeouts().with_idle(Some(timeout)));
        assert_eq!(timers.next_deadline(), kept.map(|kept| at(0) + kept));
        let rate = Rate {
            grace: timeout,
            bytes_per_second: 1000,
        };
        let mut timers = open(&timeouts().with_message(Some(rate)));
        timers.received(at(0), Some(0));
        assert_eq!(timers.next_deadline(), kept.map(|kept| at(0) + kept));
    }
}

/// A message may be so long that it may take more than 49 days, at the rate. It still has to end.
#[test]
fn a_rate_is_never_off_whatever_the_length() {
    let longest = Duration::from_millis(u64::from(u32::MAX) - 1);
    let rate = Rate {
        grace: SECOND,
        bytes_per_second: 1000,
    };
    for bytes in [(1 << 32) - 1002, (1 << 32) - 1001, (1 << 32) - 1000, u64::MAX] {
        let mut timers = open(&timeouts().with_message(Some(rate)));
        timers.received(at(0), Some(bytes));
        assert_eq!(timers.next_deadline(), Some(at(0) + longest), "{bytes} bytes");
    }
}

/// A moment of the standard library's clock is later than the ones before it, by as long as it took. As text it is in seconds.
#[test]
fn moments() {
    let before = Moment::now();
    std::thread::sleep(Duration::from_millis(2));
    assert!(Moment::now() - before >= Duration::from_millis(2));
    assert_eq!(Moment::from_micros(12_000_034).to_string(), "12.000034 s");
}

#[test]
fn the_codes_to_close_with() {
    let code = |deadline: Deadline| deadline.close_code().map(|code| code.0);
    assert_eq!(code(Deadline::Pong), Some(1011));
    assert_eq!(code(Deadline::Idle), Some(1001));
    assert_eq!(code(Deadline::Message), Some(1008));
    for deadline in [Deadline::Handshake, Deadline::Write, Deadline::Close] {
        assert_eq!(code(deadline), None);
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Received(Option<u64>),
    Message,
    Pong,
    Written(usize, usize),
    Reading(bool),
    Closing,
    Opened,
    Nothing,
}

fn calls() -> impl Strategy<Value = Vec<(u64, Call)>> {
    let call = prop_oneof![
        4 => prop::option::of(0..100_000_u64).prop_map(Call::Received),
        2 => Just(Call::Message),
        2 => Just(Call::Pong),
        4 => (0..200_usize, 0..200_usize).prop_map(|(taken, waiting)| Call::Written(taken, waiting)),
        1 => any::<bool>().prop_map(Call::Reading),
        1 => Just(Call::Closing),
        2 => Just(Call::Opened),
        4 => Just(Call::Nothing),
    ];
    prop::collection::vec((prop_oneof![0..5_000_u64, 0..30_000_000_u64], call), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is called: nothing before the deadline that was told; at it, something, and a later deadline.
    #[test]
    fn never_before_the_deadline_and_never_nothing_at_it(calls in calls(), idle in any::<bool>()) {
        let timeouts = Timeouts::DEFAULT.with_idle(idle.then_some(15 * SECOND));
        let mut now = at(0);
        let mut timers = Timers::new(&timeouts, now);
        let mut payload = [0; 8];
        for (step, call) in calls {
            let then = now + MICRO * u32::try_from(step).unwrap();
            // A timer that fires in between.
            while let Some(deadline) = timers.next_deadline() {
                prop_assert!(deadline >= now);
                if deadline > then {
                    break;
                }
                if deadline > now {
                    prop_assert_eq!(timers.handle_timeout(just_before(deadline)), None);
                }
                let due = timers.handle_timeout(deadline);
                prop_assert!(due.is_some());
                if let Some(Due::Ping(ping)) = due {
                    payload = ping;
                    timers.pinged(deadline, 10);
                }
                now = deadline;
            }
            now = then;
            match call {
                Call::Received(under_way) => timers.received(now, under_way),
                Call::Message => timers.message_received(now),
                Call::Pong => drop(timers.pong(now, &payload)),
                Call::Written(taken, waiting) => timers.written(now, taken, waiting),
                Call::Reading(on) => timers.reading(now, on),
                Call::Closing => timers.closing(now),
                Call::Opened => timers.opened(now),
                Call::Nothing => {}
            }
        }
    }
}
