//! The read buffer: growing, for a thread, over fixed memory; what it holds, what it gives away, what it gives back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use sockless::buffer::{ReadBuffer, Storage};
use sockless::connection::{Connection, Role, Server};
use sockless::error::LimitExceeded;
use sockless::limits::Limits;
use sockless::message::Event;

/// The documented overhead of fixed memory, written apart from the crate's constant: a control frame with its mask key.
const OVERHEAD: usize = 2 + 4 + 125;

// What a read buffer is without a connection.

/// Takes all of the input off, as a connection does whose stream has ended.
fn discard<S: Storage>(input: &mut ReadBuffer<S>) {
    let mut ws = Connection::new(Server, &Limits::default());
    ws.end_of_stream();
    assert!(ws.receive(input, &mut Vec::new()).unwrap().is_none());
    assert!(input.is_at_rest() && input.unread().is_empty());
}

/// Bytes come in through `space` and `advance`, or through `extend`, in their order.
#[test]
fn bytes_in_and_out() {
    let mut input = ReadBuffer::new();
    assert!(input.is_at_rest() && input.unread().is_empty());
    assert_eq!(read(&mut input, b"abc"), 3);
    input.extend(b"def").unwrap();
    input.extend(b"").unwrap();
    assert_eq!(read(&mut input, b"gh"), 2);
    assert_eq!(input.unread(), b"abcdefgh");
    assert!(!input.is_at_rest());
    discard(&mut input);

    let mut memory = [0; 8];
    let mut input = ReadBuffer::fixed(&mut memory[..]);
    assert_eq!(read(&mut input, b"abcdefghij"), 8);
    assert_eq!(input.space().len(), 0);
    assert_eq!(input.unread(), b"abcdefgh");
    discard(&mut input);
    assert_eq!(read(&mut input, b"ij"), 2);
    assert_eq!(input.unread(), b"ij");
}

/// More than the space cannot have been read into it: what there was of it counts, once.
#[test]
fn advance_beyond_the_space() {
    let mut input = ReadBuffer::with_capacity(10);
    input.advance(5);
    assert_eq!(input.unread(), b"", "no space was handed out");
    let space = input.space();
    assert_eq!(space.len(), 10);
    space.copy_from_slice(b"0123456789");
    input.advance(1000);
    assert_eq!(input.unread(), b"0123456789", "nothing is dropped");
    input.advance(1000);
    assert_eq!(input.unread(), b"0123456789", "the space was used up");
    input.space()[..2].copy_from_slice(b"ab");
    input.advance(2);
    input.advance(3);
    assert_eq!(input.unread(), b"0123456789ab");

    let mut input = ReadBuffer::fixed([0; 4]);
    input.space().copy_from_slice(b"abcd");
    input.advance(usize::MAX);
    assert_eq!(input.unread(), b"abcd");
}

/// A buffer for a thread reads as much as it was made for, whatever comes.
#[test]
fn a_buffer_for_a_thread_reads_as_much_as_it_was_made_for() {
    let mut input = ReadBuffer::with_capacity(64 << 10);
    assert_eq!(input.capacity(), 0, "nothing before it is used");
    for len in [64 << 10, 10, 10, 10, 10, 64 << 10, 0] {
        assert_eq!(input.space().len(), 64 << 10);
        input.advance(len);
        discard(&mut input);
    }
}

/// Reads that fill the space double it, up to a bound; reads that do not halve it.
#[test]
fn reads_that_fill_the_space_double_it() {
    let mut input = ReadBuffer::new();
    let mut offered = Vec::new();
    for _ in 0..8 {
        let len = input.space().len();
        offered.push(len >> 10);
        input.advance(len);
        discard(&mut input);
    }
    assert_eq!(offered, [4, 8, 16, 32, 64, 128, 256, 256]);
    let most = input.capacity();
    assert!(most <= 300 << 10, "{most}");
    offered.clear();
    for _ in 0..8 {
        offered.push(input.space().len() >> 10);
        input.advance(10);
        discard(&mut input);
    }
    assert_eq!(offered, [256, 128, 64, 32, 16, 8, 4, 4]);
    input.space();
    assert!(
        input.capacity() <= 32 << 10,
        "{} of {most} are still held",
        input.capacity()
    );
}

/// A read that brings a quarter of the space or more says that it is right.
#[test]
fn reads_that_bring_a_quarter_of_the_space_keep_it() {
    let mut input = ReadBuffer::new();
    for _ in 0..4 {
        let len = input.space().len();
        input.advance(len);
        discard(&mut input);
    }
    for (len, next) in [
        (40_000, 64),
        (16 << 10, 64),
        ((16 << 10) - 1, 32),
        (20_000, 32),
        (0, 16),
    ] {
        input.space();
        input.advance(len);
        discard(&mut input);
        assert_eq!(input.space().len() >> 10, next, "after {len} bytes");
    }
}

/// The end of a frame may end the space early. A read that fills so little does not say that more comes at once.
#[test]
fn what_a_frame_lacks_does_not_change_how_much_is_read() {
    let mut ws = Connection::new(Server, &Limits::default());
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    for _ in 0..10 {
        for segment in from_peer::<Server>(FIN | BIN, &[7; 20_000]).chunks(1500) {
            assert_eq!(read(&mut input, segment), segment.len());
            while ws.receive(&mut input, &mut out).unwrap().is_some() {}
        }
        assert!(input.is_at_rest());
        assert_eq!(input.space().len(), 4 << 10);
    }
}

/// While reads bring as much as there is space for, or nearly, the space is never a sliver: half of a read, or a part of
/// what has arrived of a long frame, unless the frame ends there.
#[test]
fn the_space_is_never_a_sliver() {
    for len in [10, 1000, 4990, 5010, 9000, 12_000, 16_000, 20_000, 100_000] {
        for left in [0, 10] {
            let bytes = from_peer::<Server>(FIN | BIN, &vec![7; len]).repeat(300_000_usize.div_ceil(len));
            let mut ws = Connection::new(Server, &Limits::default());
            let (mut input, mut out) = (ReadBuffer::with_capacity(10_000), Vec::new());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let arrived = input.unread().len();
                let space = input.space();
                let least = if len < 16 << 10 { 5000 } else { arrived / 4 };
                let lacks = if len < 16 << 10 { usize::MAX } else { len - arrived };
                assert!(
                    space.len() >= least.min(lacks),
                    "{} bytes of space, {arrived} of {len} have arrived",
                    space.len()
                );
                let count = (space.len() - left.min(space.len() - 1)).min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                input.advance(count);
                while ws.receive(&mut input, &mut out).unwrap().is_some() {}
            }
        }
    }
}

/// What was consumed makes room: a buffer that is made for reads of so many bytes goes on to read as many at once where less
/// than that was left behind.
#[test]
fn what_was_consumed_makes_room_for_a_whole_read() {
    let bytes = from_peer::<Server>(FIN | BIN, &[7; 1000]).repeat(20);
    for arrived in [6990, 7100, 8000, 9990] {
        let mut ws = Connection::new(Server, &Limits::default());
        let (mut input, mut out) = (ReadBuffer::with_capacity(10_000), Vec::new());
        assert_eq!(read(&mut input, &bytes[..arrived]), arrived);
        while ws.receive(&mut input, &mut out).unwrap().is_some() {}
        assert!(!input.unread().is_empty());
        assert_eq!(input.space().len(), 10_000, "{arrived}");
    }
}

/// Behind a read there is room for what a long frame may lack then: it is completed where it lies.
#[test]
fn a_long_frame_that_lacks_little_is_not_moved() {
    for lacks in [1, 1000, 15_000] {
        let short = from_peer::<Server>(FIN | BIN, &[6; 24_000]);
        let long = from_peer::<Server>(FIN | BIN, &vec![7; (64 << 10) - short.len() - 8 + lacks]);
        let bytes = [short, long].concat();
        assert_eq!(bytes.len(), (64 << 10) + lacks);
        let mut ws = Connection::new(Server, &Limits::default());
        let (mut input, mut out) = (ReadBuffer::with_capacity(64 << 10), Vec::new());
        assert_eq!(read(&mut input, &bytes), 64 << 10);
        assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
        assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
        let place = input.unread().as_ptr();
        assert_eq!(input.space().len(), lacks, "the space ends with the frame");
        assert_eq!(input.unread().as_ptr(), place, "moved for {lacks} bytes");
    }
}

/// What is printed to find errors names the type, and shows none of what the peer has sent.
#[test]
fn debug() {
    let mut input = ReadBuffer::new();
    input.extend(b"secret").unwrap();
    let shown = format!("{input:?}");
    assert!(
        shown.starts_with("ReadBuffer {") && !shown.contains("secret"),
        "{shown}"
    );
}

/// Memory is given back when asked to, but not while something is held.
#[test]
fn release() {
    let mut input = ReadBuffer::new();
    read(&mut input, b"abc");
    let held = input.capacity();
    input.release();
    assert_eq!((input.unread(), input.capacity()), (&b"abc"[..], held));
    discard(&mut input);
    input.release();
    assert_eq!(input.capacity(), 0);
    assert_eq!(read(&mut input, b"again"), 5);
    discard(&mut input);
    input.space();
    input.release();
    input.advance(3);
    assert_eq!(input.unread(), b"", "the space is gone");
    assert!(input.is_at_rest());

    // Between two fragments nothing is unread, and yet something is held.
    let mut end = End::new(server());
    let mut input = ReadBuffer::new();
    end.read_into(&mut input, &from_peer::<Server>(TEXT, b"begin "));
    assert!(input.unread().is_empty() && !input.is_at_rest());
    input.release();
    assert!(input.capacity() > 0);
    end.read_into(&mut input, &from_peer::<Server>(FIN | CONT, b"end"));
    assert_eq!(end.seen, [Seen::text("begin end")]);
    input.release();
    assert_eq!(input.capacity(), 0);
}

/// After a long message and short ones, the memory that the long one took is given back by itself.
#[test]
fn shrinks_again() {
    for way in [ReadBuffer::new as fn() -> ReadBuffer, || {
        ReadBuffer::with_capacity(64 << 10)
    }] {
        let mut end = End::new(server());
        let mut input = way();
        end.read_into(&mut input, &from_peer::<Server>(FIN | BIN, &vec![7; 1 << 20]));
        assert!(input.capacity() >= 1 << 20);
        for _ in 0..10 {
            end.read_into(&mut input, &from_peer::<Server>(FIN | BIN, b"short"));
        }
        assert!(input.capacity() <= 128 << 10, "{} bytes", input.capacity());
    }
}

// Fixed memory.

/// A message in the given fragments, with the longest control frames between them.
fn fragmented<R: Role>(message: &[u8], lens: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = message;
    for (index, &len) in lens.iter().enumerate() {
        let (part, tail) = rest.split_at(len.min(rest.len()));
        rest = tail;
        bytes.extend(from_peer::<R>(if index == 0 { BIN } else { CONT }, part));
        bytes.extend(from_peer::<R>(PING, &[9; 125]));
        bytes.extend(from_peer::<R>(PONG, &[8; 125]));
    }
    bytes.extend(from_peer::<R>(FIN | if lens.is_empty() { BIN } else { CONT }, rest));
    bytes
}

/// The longest message over fixed memory follows from its length alone: with whatever before it in the same read, at every
/// cut, whole and in fragments with control frames between. One byte more is refused from the header.
fn the_longest_message_over_fixed_memory<R: Role>(role: fn() -> R) {
    assert_eq!(ReadBuffer::<&mut [u8]>::FIXED_OVERHEAD, OVERHEAD);
    let limits = Limits::default();
    for longest in [0, 1, 126, 300] {
        let memory = longest + OVERHEAD;
        let message: Vec<u8> = (0..longest).map(|i| i as u8).collect();
        for before in [0, 1, 125] {
            let offset = from_peer::<R>(FIN | BIN, &vec![1; before.min(longest)]);
            for lens in [&[][..], &[0], &[1, 0, longest], &[longest / 2, 1], &[longest]] {
                let bytes = [offset.clone(), fragmented::<R>(&message, lens), offset.clone()].concat();
                let expected = run(role(), &limits, true, &bytes, &[]).as_messages();
                assert_eq!(expected.error, None);
                let check = |cuts: &[usize]| {
                    let run = drive(Connection::new(role(), &limits), Way::Fixed(memory), true, &bytes, cuts);
                    assert!(
                        run == expected,
                        "{longest} after {before}, {lens:?}, cut at {cuts:?}: {run:?}"
                    );
                };
                check(&byte_by_byte(&bytes));
                for cut in 0..=bytes.len() {
                    check(&[cut]);
                }
                for step in [2, 100, 132] {
                    check(&(step..bytes.len()).step_by(step).collect::<Vec<_>>());
                }
            }
            // One byte more, in one frame and in two.
            for lens in [&[][..], &[0], &[longest.min(1)], &[longest]] {
                let too_long = vec![5; longest + 1];
                let last = from_peer::<R>(
                    FIN | if lens.is_empty() { BIN } else { CONT },
                    &too_long[lens.iter().sum()..],
                );
                let whole = fragmented::<R>(&too_long, lens);
                let payload_len = too_long.len() - lens.iter().sum::<usize>();
                let key_len = if R::IS_CLIENT { 0 } else { 4 };
                let decisive = whole.len() - payload_len - key_len;
                assert!(whole.ends_with(&last));
                let bytes = [&offset[..], &whole[..decisive]].concat();
                for cut in 0..bytes.len() {
                    let run = drive(
                        Connection::new(role(), &limits),
                        Way::Fixed(memory),
                        false,
                        &bytes,
                        &[cut],
                    );
                    assert_eq!(
                        run.error,
                        Some(LimitExceeded::MessageTooLong.into()),
                        "{longest} after {before}, {lens:?}, cut at {cut}"
                    );
                    assert!(run.output.ends_with(&close_from_us::<R>(1009)));
                }
                // Also where all of it lies in the memory.
                let bytes = [offset.clone(), whole].concat();
                let run = drive(
                    Connection::new(role(), &limits),
                    Way::Fixed(memory),
                    false,
                    &bytes,
                    &[offset.len()],
                );
                assert_eq!(
                    run.error,
                    Some(LimitExceeded::MessageTooLong.into()),
                    "{longest} after {before}"
                );
            }
        }
    }
}

/// An array is memory too; and memory that holds no message at all still takes control frames.
fn arrays<R: Role>(role: fn() -> R) {
    let mut end = End::new(role());
    let mut input = ReadBuffer::fixed([0; 5 + OVERHEAD]);
    for _ in 0..3 {
        end.read_into(&mut input, &from_peer::<R>(FIN | TEXT, b"Hello"));
        end.read_into(&mut input, &from_peer::<R>(PING, &[3; 125]));
    }
    assert_eq!(end.seen.len(), 6);
    end.read_into(&mut input, &from_peer::<R>(FIN | TEXT, b"Hello!")[..2]);
    assert_eq!(end.failure(), Some(LimitExceeded::MessageTooLong.into()));

    let mut end = End::new(role());
    let mut input = ReadBuffer::fixed([0; OVERHEAD]);
    end.read_into(&mut input, &from_peer::<R>(PING, &[3; 125]));
    end.read_into(&mut input, &from_peer::<R>(FIN | BIN, b""));
    end.read_into(&mut input, &from_peer::<R>(CLOSE, &close_body(1000, &"x".repeat(123))));
    assert_eq!((end.seen.len(), end.failure()), (3, None));
}

/// Memory that is full of what has not been received is not exhausted: a loop may ask for space first, as it does where a
/// Pong did not fit the output.
fn space_before_receiving<R: Role>(role: fn() -> R) {
    let ping = from_peer::<R>(PING, &[5; 125]);
    for (first, last) in [(FIN | BIN, FIN | BIN), (BIN, FIN | CONT)] {
        for extra in 0..20 {
            let mut end = End::new(role());
            let mut memory = vec![0; 2 * ping.len() + 100 + extra];
            let mut input = ReadBuffer::fixed(&mut memory[..]);
            let frames = [
                from_peer::<R>(first, &[1; 60]),
                ping.clone(),
                ping.clone(),
                from_peer::<R>(last, &[2; 60]),
            ];
            let bytes = frames.concat();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                rest = &rest[read(&mut input, rest)..];
                for _ in 0..3 {
                    input.space();
                }
                end.take_messages(&mut input);
            }
            assert_eq!(end.failure(), None);
            assert_eq!(end.seen.len(), if first == BIN { 3 } else { 4 });
        }
    }

    // The memory ends anywhere within the fragments of a message that others came before, which leave room in front of it.
    let frames = [
        from_peer::<R>(FIN | BIN, &[1; 100]),
        from_peer::<R>(FIN | BIN, &[1; 100]),
        from_peer::<R>(FIN | BIN, &[1; 40]),
        from_peer::<R>(BIN, &[2; 100]),
        from_peer::<R>(FIN | CONT, &[3; 100]),
    ];
    let bytes = frames.concat();
    for memory in 200 + OVERHEAD..=bytes.len() {
        let mut end = End::new(role());
        let mut memory = vec![0; memory];
        let mut input = ReadBuffer::fixed(&mut memory[..]);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            rest = &rest[read(&mut input, rest)..];
            input.space();
            end.take_messages(&mut input);
        }
        assert_eq!((end.seen.len(), end.failure()), (4, None));
    }
}

/// Where a large frame is under way, the space to read into ends with that frame, so that what follows it is not moved: in
/// memory that would take more, alone and behind a fragment.
fn the_space_ends_with_a_large_frame<R: Role>(role: fn() -> R) {
    let small = from_peer::<R>(BIN, &[1; 10]);
    let large = from_peer::<R>(FIN | BIN, &[2; 100_000]);
    let last = from_peer::<R>(FIN | CONT, &[2; 100_000]);
    for frames in [large, [small, last].concat()] {
        for arrived in [100, 20_000, 60_000, 99_999] {
            let (mut end, mut memory) = (End::new(role()), vec![0; 300_000]);
            let mut input = ReadBuffer::fixed(&mut memory[..]);
            assert_eq!(read(&mut input, &frames[..arrived]), arrived);
            end.take_messages(&mut input);
            assert_eq!(input.space().len(), frames.len() - arrived);
            assert_eq!(read(&mut input, &frames[arrived..]), frames.len() - arrived);
            end.take_messages(&mut input);
            assert_eq!((end.seen.len(), end.failure()), (1, None));
        }
    }
}

// One piece of memory for many connections.

/// Sessions of several connections, interleaved over one piece of memory, each cut at every byte and at random: every connection
/// sees what it would have seen alone, and holds memory only while it holds the start of a message.
fn many_connections<R: Role>(role: fn() -> R) {
    let limits = Limits::default();
    let mut numbers = Numbers(42);
    for capacity in [1, 16, 300, 64 << 10] {
        for portion in [1, 2, 40, 5000] {
            let sessions: Vec<Vec<u8>> = (0..4).map(|_| mixed_session::<R>(&mut numbers)).collect();
            let mut memory = vec![0xee; capacity];
            let mut clients: Vec<_> = sessions
                .iter()
                .map(|bytes| {
                    let driver = Driver::over(Connection::new(role(), &limits), true);
                    (driver, ReadBuffer::new(), &bytes[..])
                })
                .collect();
            while clients.iter().any(|(_, _, rest)| !rest.is_empty()) {
                let (driver, held, rest) = &mut clients[numbers.below(sessions.len())];
                let len = (1 + numbers.below(portion)).min(rest.len());
                let (piece, tail) = rest.split_at(len);
                *rest = tail;
                driver.read_lent(&mut memory, held, piece);
            }
            for ((driver, held, _), bytes) in clients.into_iter().zip(&sessions) {
                assert_eq!((held.is_at_rest(), held.capacity()), (true, 0));
                let expected = run(role(), &limits, true, bytes, &[]).as_messages();
                assert_eq!(driver.finish(), expected);
            }
        }
    }
}

/// What a connection holds that was left in the middle of a message: what has arrived of it, and little more.
fn what_is_held<R: Role>(role: fn() -> R) {
    let mut memory = vec![0xee; 64 << 10];
    for arrived in [1, 100, 5000, 60_000] {
        let mut held = ReadBuffer::new();
        let mut end = End::new(role());
        let bytes = from_peer::<R>(FIN | BIN, &vec![7; 1 << 20]);
        end.read_lent(&mut memory, &mut held, &bytes[..arrived]);
        assert!(held.capacity() >= arrived.saturating_sub(14));
        assert!(
            held.capacity() <= 2 * arrived + 64,
            "{} bytes for {arrived}",
            held.capacity()
        );
        end.read_lent(&mut memory, &mut held, &bytes[arrived..]);
        assert_eq!((end.seen.len(), held.capacity()), (1, 0));
    }
}

// By value.

/// A message that is short for the memory does not take all of it along.
fn by_value_it_takes_no_more_than_twice_its_length<R: Role>(role: fn() -> R) {
    for len in [1000, 4096, 20_000, 31_000, 40_000] {
        let mut ws = Connection::new(role(), &Limits::default());
        let (mut input, mut out) = (ReadBuffer::with_capacity(64 << 10), Vec::new());
        let parts = [
            from_peer::<R>(BIN, &vec![7; len / 2]),
            from_peer::<R>(FIN | CONT, &vec![7; len - len / 2]),
        ];
        // Fragments lie at the front of the memory only if they were moved there: so that they are, it is filled.
        let front = from_peer::<R>(FIN | BIN, &vec![1; (64 << 10) - 100]);
        for piece in [&[&front[..], &parts[0][..50]].concat(), &parts[0][50..]] {
            assert_eq!(read(&mut input, piece), piece.len());
            while ws.receive(&mut input, &mut out).unwrap().is_some() {}
        }
        assert_eq!(read(&mut input, &parts[1]), parts[1].len());
        assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
        let taken = input.take_binary().unwrap();
        assert_eq!(taken.len(), len);
        assert!(
            taken.capacity() <= 2 * len + (16 << 10),
            "{} bytes for {len}",
            taken.capacity()
        );
    }
}

/// A message comes out by value right after it was received, once, and at no other time; what follows it is not touched.
fn by_value<R: Role>(role: fn() -> R) {
    let limits = Limits::default();
    for len in [0, 1, 100, 4095, 4096, 5000, 100_000] {
        let payload = Numbers(len as u64).text(len);
        let whole = from_peer::<R>(FIN | TEXT, payload.as_bytes());
        let (head, tail) = payload.as_bytes().split_at(len / 2);
        let parts = [
            from_peer::<R>(TEXT, head),
            from_peer::<R>(PING, b"between"),
            from_peer::<R>(FIN | CONT, tail),
        ]
        .concat();
        for message in [&whole, &parts] {
            for (before, after) in [(false, false), (true, false), (false, true), (true, true)] {
                let other = from_peer::<R>(FIN | TEXT, b"other");
                let mut bytes = Vec::new();
                bytes.extend_from_slice(if before { &other } else { b"" });
                bytes.extend_from_slice(message);
                bytes.extend_from_slice(if after { &other[..other.len() - 1] } else { b"" });
                let mut ws = Connection::new(role(), &limits);
                let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
                input.extend(&bytes).unwrap();
                assert_eq!(input.take_binary(), None, "nothing was received");
                let mut taken = Vec::new();
                loop {
                    let is_message = match ws.receive(&mut input, &mut out).unwrap() {
                        None => break,
                        Some((Event::Text(_), _)) => true,
                        Some(_) => false,
                    };
                    let text = input.take_text();
                    assert_eq!(text.is_some(), is_message);
                    assert_eq!((input.take_text(), input.take_binary()), (None, None), "once");
                    taken.extend(text);
                }
                assert_eq!(input.take_text(), None, "after it is too late");
                if after {
                    input.extend(&other[other.len() - 1..]).unwrap();
                    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
                    taken.extend(input.take_text());
                }
                let mut expected = vec!["other"; usize::from(before)];
                expected.push(&payload);
                expected.extend(vec!["other"; usize::from(after)]);
                assert!(taken == expected, "{len} {before} {after}");
                assert!(input.is_at_rest());
            }
        }
    }
}

/// Whatever is done with the buffer, the message is gone; and a control frame is no message.
fn by_value_only_at_once<R: Role>(role: fn() -> R) {
    let message = from_peer::<R>(FIN | BIN, &[7; 5000]);
    let acts: [fn(&mut ReadBuffer); 4] = [
        |input| _ = input.space(),
        |input| input.extend(b"").unwrap(),
        ReadBuffer::release,
        |_| {},
    ];
    for (index, act) in acts.into_iter().enumerate() {
        let mut ws = Connection::new(role(), &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        input.extend(&message).unwrap();
        assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
        act(&mut input);
        assert_eq!(input.take_binary().is_some(), index == 3, "{index}");
    }
    let mut ws = Connection::new(role(), &Limits::default());
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    input.extend(&message).unwrap();
    input.extend(&from_peer::<R>(PING, b"p")).unwrap();
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
    assert!(matches!(
        ws.receive(&mut input, &mut out),
        Ok(Some((Event::Ping(b"p"), _)))
    ));
    assert_eq!(input.take_binary(), None);
}

/// A long message that came in several reads and is all that the buffer holds leaves with its memory: it is not copied.
fn long_messages_are_not_copied<R: Role>(role: fn() -> R) {
    for len in [1 << 16, 1 << 20] {
        let bytes = from_peer::<R>(FIN | BIN, &vec![7; len]);
        let mut ws = Connection::new(role(), &Limits::default());
        let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
        let mut rest = &bytes[..];
        let mut received = None;
        while !rest.is_empty() {
            rest = &rest[read(&mut input, rest)..];
            if let Some((Event::Binary(data), _)) = ws.receive(&mut input, &mut out).unwrap() {
                received = Some(data.as_ptr());
            }
        }
        let taken = input.take_binary().unwrap();
        assert!(taken == vec![7; len]);
        assert_eq!(received, Some(taken.as_ptr()), "copied");
        assert_eq!(input.capacity(), 0, "the memory went with it");
        assert_eq!(read(&mut input, b"\x01"), 1);
    }
    // Both kinds, by name.
    let mut ws = Connection::new(role(), &Limits::default());
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    input.extend(&from_peer::<R>(FIN | BIN, b"\xff")).unwrap();
    assert!(ws.receive(&mut input, &mut out).unwrap().is_some());
    assert_eq!(input.take_text(), None, "not a text");
}

/// What has arrived of a long frame is unmasked at once, while the caches hold it, and not when the frame is whole.
fn a_long_frame_is_unmasked_as_it_arrives<R: Role>(role: fn() -> R) {
    let payload: Vec<u8> = (0..200_000_u32).map(|at| (at / 7) as u8).collect();
    let bytes = from_peer::<R>(FIN | BIN, &payload);
    let header = bytes.len() - payload.len();
    let mut ws = Connection::new(role(), &Limits::default());
    let (mut input, mut out) = (ReadBuffer::with_capacity(300_000), Vec::new());
    let mut at = 0;
    for end in [header + 4096, 100_000, 199_999] {
        at += read(&mut input, &bytes[at..end]);
        assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
        assert!(input.unread() == &payload[..end - header]);
    }
    read(&mut input, &bytes[at..]);
    let message = ws.receive(&mut input, &mut out).unwrap().map(|(event, _)| event);
    assert!(message == Some(Event::Binary(&payload)));
}

both_roles!(
    a_long_frame_is_unmasked_as_it_arrives,
    the_longest_message_over_fixed_memory,
    arrays,
    space_before_receiving,
    the_space_ends_with_a_large_frame,
    many_connections,
    what_is_held,
    by_value,
    by_value_it_takes_no_more_than_twice_its_length,
    by_value_only_at_once,
    long_messages_are_not_copied,
);
