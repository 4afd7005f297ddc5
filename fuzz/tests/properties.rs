//! The laws L1 to L7 and L9 as properties, over legal sessions, sessions with one rule broken, and byte soup.
//!
//! `SOCKLESS_CASES=100 cargo test --release --workspace --all-features --test properties` runs a hundred times as many
//! cases.

mod kit;

use proptest::collection::vec;
use proptest::prelude::*;
use sockless::error::{LimitExceeded, Violation};
use sockless::frame::{CloseCode, CloseFrame, Header, MAX_HEADER_LEN, Mask, Opcode};
use sockless::limits::Limits;
use sockless_conformance::model::{self, Event};
use sockless_conformance::{Case, Role, Rule, Session, Split, generate};
use sockless_fuzz::level::Level;
use sockless_fuzz::{agrees_with_model, chunking_invariance, run};

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/properties.txt");

fn role() -> impl Strategy<Value = Role> {
    proptest::sample::select(Role::ALL.to_vec())
}

fn sessions() -> impl Strategy<Value = (Role, Vec<u8>)> {
    let bytes = |session: Session| (session.role, session.bytes);
    role().prop_flat_map(move |role| {
        prop_oneof![
            generate::legal(role).prop_map(bytes),
            generate::one_rule_broken(role).prop_map(bytes),
            generate::arbitrary_bytes(role).prop_map(move |bytes| (role, bytes)),
        ]
    })
}

fn fragmented() -> impl Strategy<Value = (Role, Vec<u8>)> {
    role().prop_flat_map(|role| (Just(role), generate::many_fragments(role, 40)))
}

fn handshakes(role: Role) -> BoxedStrategy<Session> {
    let cases: Vec<Case> = Case::all(role)
        .into_iter()
        .filter(|case| case.is_of_handshake())
        .collect();
    let case = proptest::sample::select(cases);
    case.prop_flat_map(move |case| generate::session(role, case)).boxed()
}

/// Limits small enough that sessions meet them.
fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        Just(Limits::default()),
        (0_u64..200, 0_u64..200, 0_u32..8, 0_u32..400).prop_map(|(frame, message, fragments, backlog)| {
            Limits::default()
                .with_max_frame_len(frame)
                .with_max_message_len(message)
                .with_fragment_budget(fragments)
                .with_max_reply_backlog(backlog)
        }),
    ]
}

/// Not for long inputs, of which a few generators make some: there it takes long and shows nothing new.
fn fixed_splits(bytes: &[u8]) -> impl Iterator<Item = Split> {
    let short = bytes.len() <= 4096;
    Split::FIXED
        .into_iter()
        .filter(move |split| short || *split != Split::EachByte)
}

proptest! {
    #![proptest_config(kit::config(400, REGRESSIONS))]

    /// L1, L2, L5, L6, L9: whatever comes, and however it is cut, the machine does what the model says, when it says.
    #[test]
    fn the_machine_equals_the_model((role, bytes) in sessions(), split in generate::split()) {
        for split in fixed_splits(&bytes).chain([split]) {
            agrees_with_model(role, &Limits::default(), &bytes, &split.cuts(role, &bytes, 0));
        }
    }

    /// The same with limits that are met: lengths, and the budget of fragments.
    #[test]
    fn the_machine_equals_the_model_at_its_limits(
        (role, bytes) in prop_oneof![sessions(), fragmented()],
        limits in limits(),
        split in generate::split(),
    ) {
        for split in fixed_splits(&bytes).chain([split]) {
            agrees_with_model(role, &limits, &bytes, &split.cuts(role, &bytes, 0));
        }
    }

    /// Fragments beyond the budget: refused at the first byte of the one that overdraws it, with 1008, and not before.
    #[test]
    fn too_many_fragments_are_refused_at_once(
        (session, budget) in (role(), 0_u32..40).prop_flat_map(|(role, budget)| {
            (generate::too_many_fragments(role, budget), Just(budget))
        }),
        split in generate::split(),
    ) {
        let limits = Limits::default().with_fragment_budget(budget);
        let after = session.after.unwrap();
        let model::Verdict::Broken { rules, after: model_after } = session.reading().verdict else {
            return Err(TestCaseError::fail("legal"));
        };
        prop_assert_eq!((&rules[..], model_after), (&[Rule::TooManyFragments][..], after));
        for split in fixed_splits(&session.bytes).chain([split]) {
            agrees_with_model(session.role, &limits, &session.bytes, &split.cuts(session.role, &session.bytes, 0));
        }
        // Fixed memory refuses some of them earlier, for their length.
        for level in Level::ALL.into_iter().filter(|level| *level != Level::Fixed) {
            let seen = run(level, session.role, &limits, &[&session.bytes[..after - 1], &session.bytes[after - 1..after]]);
            prop_assert_eq!(seen.failure, Some(LimitExceeded::TooManyFragments.into()));
            prop_assert_eq!(seen.failed_after, Some(after));
        }
        prop_assert_eq!(session.reading().close_codes(), [1008]);
    }

    /// L1: all levels, under all cuts, with limits that are met.
    #[test]
    fn cuts_change_nothing((role, bytes) in sessions(), limits in limits(), split in generate::split()) {
        let bytes = &bytes[..bytes.len().min(4096)];
        chunking_invariance(role, &limits, bytes, &[Split::Headers, Split::Characters, split]);
    }

    /// L2: the number of calls is bounded by bytes and events: each consumes, yields, or says that it needs input.
    #[test]
    fn every_call_gets_somewhere((role, bytes) in sessions(), split in generate::split()) {
        let cuts = split.cuts(role, &bytes, 0);
        for level in Level::ALL {
            let seen = run(level, role, &Limits::default(), &generate::chunks(&bytes, &cuts));
            // One call for each chunk finds that it needs input, one for each byte at most yields an event; and one more for
            // each part that is read, or written.
            let most = match level {
                Level::Chunks | Level::ChunkHalves | Level::MessageHalves => bytes.len() + 2 * (cuts.len() + 1),
                Level::Messages | Level::Lent | Level::Fixed => 2 * (bytes.len() + cuts.len() + 1),
                Level::Buffered => 4 * (bytes.len() + cuts.len() + 1),
            };
            prop_assert!(seen.calls <= most, "{level:?}: {} calls", seen.calls);
        }
    }

    /// L5: a broken rule is seen at the byte that breaks it, and nothing of what follows is.
    #[test]
    fn a_broken_rule_is_seen_at_once(session in role().prop_flat_map(generate::one_rule_broken)) {
        let after = session.after.unwrap();
        let each_byte: Vec<&[u8]> = session.bytes.chunks(1).collect();
        let seen = run(Level::Chunks, session.role, &Limits::default(), &each_byte);
        prop_assert_eq!(seen.failed_after, Some(after));
        let cut_off = run(Level::Chunks, session.role, &Limits::default(), &[&session.bytes[..after]]);
        prop_assert_eq!(&cut_off.failure, &seen.failure);
        prop_assert_eq!(cut_off.events, seen.events);
        let not_yet = run(Level::Chunks, session.role, &Limits::default(), &[&session.bytes[..after - 1]]);
        prop_assert_eq!(not_yet.failure, None);
    }

    /// L9: whole frames in one input are handed out from that input.
    #[test]
    fn payloads_lie_in_the_input(session in role().prop_flat_map(generate::legal)) {
        let seen = run(Level::Chunks, session.role, &Limits::default(), &[&session.bytes]);
        prop_assert_eq!(seen.copied, 0);
    }

    /// Limits hold, whatever is declared: what is delivered of a message stays within them.
    #[test]
    fn limits_hold((role, bytes) in sessions(), limits in limits()) {
        let seen = run(Level::Chunks, role, &limits, &[&bytes]);
        let mut message = 0;
        let mut fragments = 0;
        for event in &seen.events {
            if let Event::Data { payload, message_start, message_end, frame_end, .. } = event {
                if *message_start {
                    (message, fragments) = (0, 0);
                }
                message += payload.len() as u64;
                fragments += 1;
                // A character that was cut counts to the frame that ends it: three bytes at most.
                prop_assert!(payload.len() as u64 <= limits.max_frame_len.saturating_add(3));
                prop_assert!(message <= limits.max_message_len);
                let whole = *message_start && *message_end && *frame_end;
                let budget = u64::from(limits.fragment_budget) + message / u64::from(Limits::FRAGMENT_PAYLOAD);
                prop_assert!(whole || fragments == 1 || fragments <= budget + 1);
            }
        }
    }

    /// What one end sends, the other receives, however it is cut.
    #[test]
    fn what_is_sent_is_received(data in vec(any::<u8>(), 0..600)) {
        sockless_fuzz::structured_session(&data);
    }

    /// Opening handshakes, legal ones and others, under all cuts; changed bytes among them.
    #[test]
    fn handshakes_do_not_depend_on_cuts(
        session in role().prop_flat_map(handshakes),
        small in any::<bool>(),
        place in any::<proptest::sample::Index>(),
        change in prop_oneof![3 => Just(0), 1 => any::<u8>()],
    ) {
        let mut bytes = session.bytes_for("dGhlIHNhbXBsZSBub25jZQ==");
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        // Whole, before the cuts that the bodies make themselves.
        match session.role {
            Role::Server => sockless_fuzz::request_head(&[&[u8::from(small), 0, 0], &bytes[..]].concat()),
            Role::Client => sockless_fuzz::response_head(&[&[0, 0], &bytes[..]].concat()),
        }
    }

    /// Lists of extensions and subprotocols, well-formed or not.
    #[test]
    fn lists_are_read_as_they_are_written(list in "[a-z,;= \\t\"\\\\]{0,40}") {
        sockless_fuzz::grammar(list.as_bytes());
    }

    /// Two endpoints over a network that does its worst agree how it ended.
    #[test]
    fn two_endpoints_agree(schedule in vec(any::<u8>(), 0..1200)) {
        sockless_fuzz::endpoints(&schedule);
    }

    /// The read buffer in all its kinds, whatever is done with it.
    #[test]
    fn any_read_buffer_gives_the_same(schedule in vec(any::<u8>(), 0..400)) {
        sockless_fuzz::read_buffer(&schedule);
    }

    /// The write buffer is a vector.
    #[test]
    fn the_write_buffer_is_a_vector(schedule in vec(any::<u8>(), 0..400)) {
        sockless_fuzz::write_buffer(&schedule);
    }

    /// Two machines with their buffers, from the opening handshake to the end.
    #[test]
    fn two_buffered_machines_agree(schedule in vec(any::<u8>(), 0..800)) {
        sockless_fuzz::buffered_pair(&schedule);
    }

    #[test]
    fn headers_survive_the_wire(
        fin in any::<bool>(),
        rsv in 0_u8..8,
        opcode in proptest::sample::select(Opcode::ALL.to_vec()),
        mask_key in any::<Option<[u8; 4]>>(),
        len in any::<u64>(),
        bits in 0_u32..63,
    ) {
        let (fin, payload_len) = if opcode.is_control() { (true, len % 126) } else { (fin, len >> 1 >> bits) };
        let header = Header { fin, rsv, opcode, mask_key, payload_len };
        let mut block = [0; MAX_HEADER_LEN];
        let bytes = header.encode(&mut block);
        prop_assert_eq!(Header::decode(bytes), Ok(Some((header, bytes.len()))));
        for len in 0..bytes.len() {
            prop_assert_eq!(Header::decode(&bytes[..len]), Ok(None));
        }
        // Minimal: two bytes, and as few for the length as it can do with.
        let length_bytes = match payload_len { 0..=125 => 0, 126..=0xffff => 2, _ => 8 };
        prop_assert_eq!(bytes.len(), 2 + length_bytes + if mask_key.is_some() { 4 } else { 0 });
    }

    #[test]
    fn any_bytes_are_a_header_or_not(bytes in vec(any::<u8>(), 0..20)) {
        sockless_fuzz::frame_header(&bytes);
    }

    /// Masking in place and by copy, at every phase and alignment, equals the byte-wise mask.
    #[test]
    fn masking_is_byte_wise(
        key in any::<[u8; 4]>(),
        bytes in vec(any::<u8>(), 0..200),
        before in 0_usize..9,
        cuts in vec(any::<u16>(), 0..4),
    ) {
        let masked: Vec<u8> = bytes.iter().enumerate().map(|(place, byte)| byte ^ key[place % 4]).collect();
        let cuts = Split::At(cuts).cuts(Role::Server, &bytes, 0);
        // A vector that starts `before` bytes further in, for alignment.
        let mut memory = vec![0; before];
        memory.extend_from_slice(&bytes);
        let mut mask = Mask::new(key);
        let mut rest = &mut memory[before..];
        for chunk in generate::chunks(&bytes, &cuts) {
            let (part, after) = rest.split_at_mut(chunk.len());
            mask.apply(part);
            rest = after;
        }
        prop_assert_eq!(&memory[before..], &masked[..]);
        let mut mask = Mask::new(key);
        let mut copied = Vec::new();
        for chunk in generate::chunks(&bytes, &cuts) {
            let mut target = [0xaa; 200];
            copied.extend_from_slice(mask.apply_copy(chunk, &mut target));
            prop_assert!(target[chunk.len()..].iter().all(|byte| *byte == 0xaa));
        }
        prop_assert_eq!(copied, masked);
    }

    #[test]
    fn close_bodies_survive_the_wire(code in any::<u16>(), reason in ".{0,40}") {
        let mut body = code.to_be_bytes().to_vec();
        body.extend_from_slice(reason.as_bytes());
        let decoded = CloseFrame::decode(&body);
        if CloseCode(code).is_allowed_on_the_wire() {
            prop_assert_eq!(decoded, Ok(CloseFrame { code: Some(CloseCode(code)), reason: &reason }));
        } else {
            prop_assert_eq!(decoded, Err(Violation::InvalidCloseCode));
        }
    }
}

/// The mask at each phase, alignment and short length: all of them, not by chance.
#[test]
fn masking_is_byte_wise_at_every_phase_and_alignment() {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    for phase in 0..8 {
        for alignment in 0..16 {
            for len in 0..40 {
                let mut memory: Vec<u8> = (0..80).collect();
                let mut expected = memory.clone();
                for (place, byte) in expected[alignment..alignment + len].iter_mut().enumerate() {
                    *byte ^= key[(phase + place) % 4];
                }
                let mut mask = Mask::new(key);
                mask.apply(&mut vec![0; phase]);
                mask.apply(&mut memory[alignment..alignment + len]);
                assert_eq!(memory, expected, "{phase} {alignment} {len}");
                let mut next = [0];
                mask.apply(&mut next);
                assert_eq!(next[0], key[(phase + len) % 4]);
            }
        }
    }
}
