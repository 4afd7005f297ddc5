//! Limits, full outputs, the end of the stream, and law L4.

use super::*;

// ---- Limits

#[test]
fn limits_head_len() {
    let bytes = [example(), b"\x81\x80".to_vec()].concat();
    let len = example().len();
    let at = |max: usize| {
        every_split(
            &bytes,
            &Limits::default().with_max_head_len(u32::try_from(max).unwrap()),
        )
    };
    assert!(matches!(at(len + 1).result, Ok(Some(_))));
    assert!(matches!(at(len).result, Ok(Some(_))));
    // Whatever the limit, it is the byte with which the longest head would have had to end that is refused.
    for max in 0..len {
        let outcome = at(max);
        assert_eq!((outcome.result, outcome.at), (Err(E::HeadTooLarge), max.max(1)));
        assert!(outcome.out.starts_with("HTTP/1.1 431 "));
    }
    // Also when there is no line end to come, and when a bad line ends beyond the limit.
    let limits = Limits::default().with_max_head_len(20);
    assert_eq!(every_split(&[b'A'; 30], &limits).result, Err(E::HeadTooLarge));
    assert_eq!(
        every_split(b"GET /12345678901234 HTTP/9\n", &limits).result,
        Err(E::HeadTooLarge)
    );
    assert_eq!(
        every_split(b"GET / HTTP/1.1\r\nA B\r\n", &limits).result,
        Err(E::HeadTooLarge)
    );
    assert_eq!(
        every_split(b"GET / HTTP/1.1\r\nAB\r\n", &limits).result,
        Err(E::HeaderName)
    );
    // The answer to HEAD has no body, and does not depend on what came with the byte over the limit.
    for max in 3..8 {
        let limits = Limits::default().with_max_head_len(max);
        let out = every_split(b"HEAD / HTTP/1.1\r\n\r\n", &limits).out;
        assert_eq!(out.ends_with("\r\n\r\n"), max >= 5);
    }
}

/// Over fixed memory, the longest head is as long as the memory, wherever reads cut it.
#[test]
fn limits_of_fixed_memory() {
    let bytes = [example(), b"\x81\x80".to_vec()].concat();
    let len = example().len();
    for memory_len in 0..len + 3 {
        let mut memory = vec![0; memory_len];
        for at in [0, 1, len / 2, len - 1, len, len + 1] {
            let input = ReadBuffer::fixed(&mut memory[..]);
            let outcome = run_in(input, &bytes, [at], &Limits::default());
            if memory_len < len {
                assert_eq!(outcome.result, Err(E::HeadTooLarge), "{memory_len} {at}");
                assert!(outcome.out.starts_with("HTTP/1.1 431 "));
            } else {
                assert!(matches!(outcome.result, Ok(Some(_))), "{memory_len} {at} {outcome:?}");
            }
        }
    }
    // The limit binds too.
    let mut memory = vec![0; len];
    let limits = Limits::default().with_max_head_len(u32::try_from(len - 1).unwrap());
    let outcome = run_in(ReadBuffer::fixed(&mut memory[..]), &bytes, [], &limits);
    assert_eq!(outcome.result, Err(E::HeadTooLarge));
}

/// A buffer that has served before has all its memory for a head, and a head that is longer than a read grows it.
#[test]
fn a_head_behind_another_one_and_a_long_one() {
    let first = b"GET / HTTP/1.1\r\n\r\n";
    let second = example();
    let mut memory = vec![0; second.len()];
    let mut input = ReadBuffer::fixed(&mut memory[..]);
    let mut out = Vec::new();
    let both = [first.as_slice(), &second].concat();
    feed(&mut input, &both[..second.len()]);
    let plain = ServerHandshake::new(&Limits::default());
    assert!(matches!(
        plain.clone().receive(&mut input, &mut out),
        Ok(Some(Request::Http(_)))
    ));
    feed(&mut input, &both[second.len()..]);
    assert!(matches!(
        plain.clone().receive(&mut input, &mut out),
        Ok(Some(Request::Upgrade(_)))
    ));
    assert!(input.is_at_rest());

    let long = with(&[&format!("X: {}", "x".repeat(100_000))]);
    let limits = Limits::default().with_max_head_len(1 << 20);
    for step in [1000, 4096, 70_000] {
        let outcome = run_limited(
            &[&long, b"rest".as_slice()].concat(),
            (0..long.len()).step_by(step),
            &limits,
        );
        assert!(matches!(outcome.result, Ok(Some(seen)) if seen.head_len == long.len() && seen.rest == b"rest"));
    }
}

#[test]
fn limits_headers() {
    let limits = |max| Limits::default().with_max_headers(max);
    for count in [0, 1, 5, 100] {
        let bytes = [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"a: b\r\n".repeat(count),
            b"\r\n".to_vec(),
        ]
        .concat();
        let max = u32::try_from(count).unwrap();
        assert!(matches!(every_split(&bytes, &limits(max)).result, Ok(Some(_))));
        assert!(matches!(every_split(&bytes, &limits(max + 1)).result, Ok(Some(_))));
        if count > 0 {
            let outcome = every_split(&bytes, &limits(max - 1));
            // At the end of the line that is one too many.
            assert_eq!((outcome.result, outcome.at), (Err(E::TooManyHeaders), bytes.len() - 2));
            assert!(outcome.out.starts_with("HTTP/1.1 431 "));
        }
    }
}

/// One field too many is refused before anybody looks at what it says, however the line comes.
#[test]
fn a_field_too_many_is_not_looked_at() {
    let limits = Limits::default().with_max_headers(1);
    for line in ["no colon\r\n", "a : b\r\n", ": b\r\n", "a: \0\r\n"] {
        let outcome = every_split(format!("GET / HTTP/1.1\r\na: b\r\n{line}").as_bytes(), &limits);
        assert_eq!(outcome.result, Err(E::TooManyHeaders), "{line}");
    }
}

#[test]
fn limits_subprotocols() {
    for (count, expected) in [(63, None), (64, None), (65, Some(E::TooManySubprotocols))] {
        let names: Vec<_> = (0..count).map(|n| format!("p{n}")).collect();
        let line = format!("Sec-WebSocket-Protocol: {}", names.join(","));
        assert_eq!(run(&with(&[&line])).result.err(), expected);
    }
}

// ---- Output, end of stream

#[test]
fn a_full_output_loses_nothing() {
    let bytes = with(&[]);
    upgrade(&bytes, |upgrade| {
        let mut expected = Vec::new();
        upgrade.accept(&AcceptOptions::new(), &mut expected).unwrap();
        let mut memory = vec![0; expected.len()];
        for room in 0..expected.len() {
            let mut out = SliceOutput::new(&mut memory[..room]);
            let Err(RequestError::OutputFull(full)) = upgrade.accept(&AcceptOptions::new(), &mut out) else {
                panic!()
            };
            assert_eq!((full.needed, out.as_bytes()), (expected.len(), b"".as_slice()));
        }
        let mut out = SliceOutput::new(&mut memory);
        upgrade.accept(&AcceptOptions::new(), &mut out).unwrap();
        assert_eq!(out.as_bytes(), expected);
    });

    // The answer to an error is not lost either: it comes once there is room.
    let mut handshake = ServerHandshake::new(&Limits::default());
    let mut memory = [0; 300];
    let bad = b"GET / HTTP/1.1\r\nA B: c\r\n";
    for _ in 0..2 {
        let mut input = buffer(bad);
        let result = handshake.receive(&mut input, &mut SliceOutput::new(&mut memory[..20]));
        assert!(matches!(result, Err(RequestError::OutputFull(_))));
    }
    let mut out = SliceOutput::new(&mut memory);
    for _ in 0..2 {
        let mut input = buffer(bad);
        let result = handshake.receive(&mut input, &mut out);
        assert!(matches!(result, Err(RequestError::Refused(E::HeaderName))));
        assert_eq!(String::from_utf8_lossy(out.as_bytes()), run(bad).out);
    }
}

#[test]
fn the_end_of_the_stream_in_the_middle_of_a_head() {
    let bytes = example();
    for end in 0..bytes.len() {
        let (mut handshake, mut out) = (ServerHandshake::new(&Limits::default()), Vec::new());
        assert!(matches!(
            handshake.receive(&mut buffer(&bytes[..end]), &mut out),
            Ok(None)
        ));
        assert_eq!(handshake.end_of_stream(), Err(E::EndOfStream));
        let mut input = buffer(&bytes);
        let after = handshake.receive(&mut input, &mut out);
        assert!(matches!(after, Err(RequestError::Refused(E::EndOfStream))));
        assert!(out.is_empty());
    }
}

// ---- Law L4, counted

/// Counts how many header fields are taken from it, by all its clones.
#[derive(Clone)]
struct Counting<'c> {
    fields: std::slice::Iter<'c, (&'c str, &'c [u8])>,
    taken: &'c std::cell::Cell<usize>,
}

impl<'c> Iterator for Counting<'c> {
    type Item = (&'c str, &'c [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.taken.set(self.taken.get() + 1);
        self.fields.next().copied()
    }
}

#[test]
fn negotiation_takes_a_fixed_number_of_passes() {
    for more in [0, 10, 1000] {
        let mut all: Vec<(&str, &[u8])> = vec![
            ("Host", b"a"),
            ("Upgrade", b"websocket"),
            ("Connection", b"upgrade"),
            ("Sec-WebSocket-Version", b"13"),
            ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", b"a, b, c, d, e, f"),
        ];
        all.extend(std::iter::repeat_n(
            ("Sec-WebSocket-Extensions", b"x; y=1, z".as_slice()),
            more,
        ));
        let taken = std::cell::Cell::new(0);
        let counting = Counting {
            fields: all.iter(),
            taken: &taken,
        };
        assert!(
            ValidRequest::from_request("GET", HttpVersion::Http11, counting)
                .unwrap()
                .is_some()
        );
        assert!(taken.get() <= 3 * (all.len() + 1), "{} for {}", taken.get(), all.len());
    }
}
