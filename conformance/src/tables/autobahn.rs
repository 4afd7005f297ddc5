//! Counterparts of the cases of the Autobahn test suite, by its numbers.
//!
//! They are written from what the suite's documentation says of each case. Those about compression (categories 12 and 13)
//! send the same sizes in the same fragments under the same parameters, but not a thousand times: as often as comes to
//! 64 KiB, and twice at least.

use std::sync::Arc;

use super::Table;
use crate::frame::Frame;
use crate::generate::long_text;
use crate::session::{Session, Topic};

/// How many cases each group of the suite has, and how many of them have a counterpart here.
pub(super) const GROUPS: &[(&str, usize, usize)] = &[
    ("1.1", 8, 8),
    ("1.2", 8, 8),
    ("2", 11, 11),
    ("3", 7, 7),
    ("4.1", 5, 5),
    ("4.2", 5, 5),
    ("5", 20, 20),
    ("6.1", 3, 3),
    ("6.2", 4, 4),
    ("6.3", 2, 2),
    ("6.4", 4, 4),
    ("6.5", 5, 5),
    ("6.6", 11, 11),
    ("6.7", 4, 4),
    ("6.8", 2, 2),
    ("6.9", 4, 4),
    ("6.10", 3, 3),
    ("6.11", 5, 5),
    ("6.12", 8, 8),
    ("6.13", 5, 5),
    ("6.14", 10, 10),
    ("6.15", 1, 1),
    ("6.16", 3, 3),
    ("6.17", 5, 5),
    ("6.18", 5, 5),
    ("6.19", 5, 5),
    ("6.20", 7, 7),
    ("6.21", 8, 8),
    ("6.22", 34, 34),
    ("6.23", 7, 7),
    ("7.1", 6, 6),
    ("7.3", 6, 6),
    ("7.5", 1, 1),
    ("7.7", 13, 13),
    ("7.9", 9, 9),
    ("7.13", 2, 2),
    ("9.1", 6, 6),
    ("9.2", 6, 6),
    ("9.3", 9, 9),
    ("9.4", 9, 9),
    ("9.5", 6, 6),
    ("9.6", 6, 6),
    ("9.7", 6, 6),
    ("9.8", 6, 6),
    ("10.1", 1, 1),
    ("12.1", 18, 18),
    ("12.2", 18, 18),
    ("12.3", 18, 18),
    ("12.4", 18, 18),
    ("12.5", 18, 18),
    ("13.1", 18, 18),
    ("13.2", 18, 18),
    ("13.3", 18, 18),
    ("13.4", 18, 18),
    ("13.5", 18, 18),
    ("13.6", 18, 18),
    ("13.7", 18, 18),
];

/// How the peer writes: as few times as it can, once for each frame, or so many bytes at a time.
#[derive(Clone, Copy)]
pub(super) enum Writes {
    AtOnce,
    Frames,
    Bytes(usize),
}

impl Writes {
    pub(super) fn cuts(self, session: &Session) -> Vec<usize> {
        match self {
            Self::AtOnce => Vec::new(),
            Self::Frames => session
                .reading()
                .frames
                .iter()
                .skip(1)
                .map(|frame| frame.start)
                .collect(),
            Self::Bytes(len) => (1..session.bytes.len()).filter(|at| at % len == 0).collect(),
        }
    }
}

/// Adds cases of one group, numbered from one.
struct Group<'a> {
    table: &'a mut Table,
    prefix: &'static str,
    number: usize,
}

impl Group<'_> {
    fn add(&mut self, frames: Vec<Frame>) {
        self.add_written(Writes::AtOnce, frames);
    }

    fn add_written(&mut self, writes: Writes, frames: Vec<Frame>) {
        self.number += 1;
        let name = format!("Autobahn {}.{}", self.prefix, self.number);
        self.table.add(topic(self.prefix), name, frames);
        let session = self.table.sessions.last_mut().and_then(Arc::get_mut);
        let Some(session) = session else { return };
        session.written = writes.cuts(session);
    }

    fn add_texts<T: AsRef<[u8]>>(&mut self, texts: &[T]) {
        for text in texts {
            self.add(vec![Frame::text(text.as_ref())]);
        }
    }
}

pub(super) fn topic(prefix: &str) -> Topic {
    match prefix {
        "1.1" | "1.2" => Topic::Lengths,
        "2" => Topic::Pings,
        "6.1" | "5" => Topic::Fragments,
        "7.1" | "7.3" | "7.5" | "7.7" | "7.9" | "7.13" => Topic::Close,
        "9.7" | "9.8" => Topic::Many,
        "9.1" | "9.2" | "9.3" | "9.4" | "9.5" | "9.6" | "10.1" => Topic::Long,
        _ => Topic::Text,
    }
}

fn group<'a>(table: &'a mut Table, prefix: &'static str) -> Group<'a> {
    Group {
        table,
        prefix,
        number: 0,
    }
}

pub(super) fn all(table: &mut Table) {
    framing(table);
    pings(table);
    reserved(table);
    fragments(table);
    text(table);
    sequences(table);
    close(table);
    let mut one = group(table, "10.1");
    one.add(in_fragments(0x1, &vec![b'*'; 65_536], 1300));
}

fn framing(table: &mut Table) {
    for (prefix, opcode, byte) in [("1.1", 0x1, b'*'), ("1.2", 0x2, 0xfe)] {
        let mut group = group(table, prefix);
        for len in [0, 125, 126, 127, 128, 65_535, 65_536] {
            group.add(vec![Frame::new(opcode, true, vec![byte; len])]);
        }
        group.add_written(Writes::Bytes(997), vec![Frame::new(opcode, true, vec![byte; 65_536])]);
    }
}

fn pings(table: &mut Table) {
    let mut group = group(table, "2");
    let binary = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
    let ten = || (0..10).map(|number| Frame::ping(format!("payload-{number}"))).collect();
    group.add(vec![Frame::ping("")]);
    group.add(vec![Frame::ping("Hello, world!")]);
    group.add(vec![Frame::ping(binary)]);
    group.add(vec![Frame::ping([0xfe; 125])]);
    group.add(vec![Frame::ping([0xfe; 126])]);
    group.add_written(Writes::Bytes(1), vec![Frame::ping([0xfe; 125])]);
    group.add(vec![Frame::pong("")]);
    group.add(vec![Frame::pong("unsolicited pong payload")]);
    group.add(vec![
        Frame::pong("unsolicited pong payload"),
        Frame::ping("ping payload"),
    ]);
    group.add(ten());
    group.add_written(Writes::Bytes(1), ten());
}

fn reserved(table: &mut Table) {
    let hello = || Frame::text("Hello, world!");
    let with = |reserved: u8, mut frame: Frame| {
        frame.reserved = reserved;
        frame
    };
    let mut three = group(table, "3");
    three.add(vec![with(1, hello())]);
    three.add(vec![hello(), with(2, hello()), Frame::ping("")]);
    three.add_written(Writes::Frames, vec![hello(), with(3, hello()), Frame::ping("")]);
    three.add_written(Writes::Bytes(1), vec![hello(), with(4, hello()), Frame::ping("")]);
    three.add(vec![with(5, Frame::binary([0x00, 0xff, 0xfe]))]);
    three.add(vec![with(6, Frame::ping("Hello, world!"))]);
    three.add(vec![with(7, Frame::new(0x8, true, vec![]))]);
    for (prefix, first) in [("4.1", 3), ("4.2", 11)] {
        let mut group = group(table, prefix);
        let reserved = |number: u8, payload: &str| Frame::new(first + number, true, payload.into());
        group.add(vec![reserved(0, "")]);
        group.add(vec![reserved(1, "reserved opcode payload")]);
        group.add(vec![hello(), reserved(2, ""), Frame::ping("")]);
        group.add(vec![hello(), reserved(3, "payload"), Frame::ping("")]);
        group.add_written(Writes::Bytes(1), vec![hello(), reserved(4, "payload"), Frame::ping("")]);
    }
}

fn fragments(table: &mut Table) {
    let mut group = group(table, "5");
    let each = [Writes::AtOnce, Writes::Frames, Writes::Bytes(1)];
    let two = || [Frame::text("fragment1").more(), Frame::last("fragment2")];
    group.add(vec![Frame::ping("fragment1").more(), Frame::last("fragment2")]);
    group.add(vec![Frame::pong("fragment1").more(), Frame::last("fragment2")]);
    for writes in each {
        group.add_written(writes, two().to_vec());
    }
    for writes in each {
        let [first, second] = two();
        group.add_written(writes, vec![first, Frame::ping("ping payload"), second]);
    }
    for fin in [true, false] {
        for writes in each {
            let nothing = Frame::new(0x0, fin, b"non-continuation payload".to_vec());
            group.add_written(writes, vec![nothing, Frame::text("Hello, world!")]);
        }
    }
    let [first, second] = two();
    let more = Frame::last("fragment3").more();
    group.add(vec![first, second, more, Frame::text("fragment4")]);
    for fin in [false, true] {
        let one = [
            Frame::new(0x0, fin, b"fragment1".to_vec()),
            Frame::text("fragment2").more(),
            Frame::last("fragment3"),
        ];
        group.add([one.clone(), one].concat());
    }
    group.add(vec![Frame::text("fragment1").more(), Frame::text("fragment2")]);
    for writes in [Writes::Frames, Writes::AtOnce] {
        group.add_written(
            writes,
            vec![
                Frame::text("fragment1").more(),
                Frame::last("fragment2").more(),
                Frame::ping("pongme 1!"),
                Frame::last("fragment3").more(),
                Frame::last("fragment4").more(),
                Frame::ping("pongme 2!"),
                Frame::last("fragment5"),
            ],
        );
    }
}

pub(super) fn in_fragments(opcode: u8, payload: &[u8], len: usize) -> Vec<Frame> {
    let mut frames: Vec<Frame> = payload.chunks(len).map(|part| Frame::last(part).more()).collect();
    if let Some(first) = frames.first_mut() {
        first.opcode = opcode;
    }
    if let Some(last) = frames.last_mut() {
        last.fin = true;
    }
    frames
}

const GREEK: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

fn text(table: &mut Table) {
    let mut one = group(table, "6.1");
    one.add(vec![Frame::text("")]);
    one.add(vec![Frame::text("").more(), Frame::last("").more(), Frame::last("")]);
    one.add(vec![
        Frame::text("").more(),
        Frame::last("middle frame payload").more(),
        Frame::last(""),
    ]);
    let valid = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!";
    let (before, behind) = valid.split_once('\u{f6}').unwrap_or_default();
    let mut two = group(table, "6.2");
    two.add(vec![Frame::text(valid)]);
    two.add(vec![Frame::text(before).more(), Frame::last(format!("\u{f6}{behind}"))]);
    two.add(in_fragments(0x1, valid.as_bytes(), 1));
    two.add(in_fragments(0x1, GREEK, 1));
    let bad = [GREEK, b"\xed\xa0\x80edited"].concat();
    let mut three = group(table, "6.3");
    three.add(vec![Frame::text(bad.clone())]);
    three.add(in_fragments(0x1, &bad, 1));
    let parts = |cuts: &[&[u8]]| -> Vec<Frame> {
        let mut frames: Vec<Frame> = cuts.iter().map(|part| Frame::last(*part).more()).collect();
        if let Some(first) = frames.first_mut() {
            first.opcode = 0x1;
        }
        if let Some(last) = frames.last_mut() {
            last.fin = true;
        }
        frames
    };
    let mut four = group(table, "6.4");
    four.add_written(Writes::Frames, parts(&[GREEK, b"\xf4\x90\x80\x80", b"edited"]));
    four.add_written(
        Writes::Frames,
        parts(&[&[GREEK, b"\xf4"].concat(), b"\x90", b"\x80\x80edited"]),
    );
    let whole = [GREEK, b"\xf4\x90\x80\x80edited"].concat();
    four.add_written(Writes::Bytes(17), vec![Frame::text(whole.clone())]);
    four.add_written(Writes::Bytes(1), vec![Frame::text(whole)]);
}

fn sequences(table: &mut Table) {
    group(table, "6.5").add_texts(&[
        "hello$world",
        "hello\u{a2}world",
        "hello\u{20ac}world",
        "hello\u{24b62}world",
        "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
    ]);
    let prefixes: Vec<_> = (1..=GREEK.len()).filter_map(|len| GREEK.get(..len)).collect();
    group(table, "6.6").add_texts(&prefixes);
    group(table, "6.7").add_texts(&[&b"\x00"[..], b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]);
    group(table, "6.8").add_texts(&[&b"\xf8\x88\x80\x80\x80"[..], b"\xfc\x84\x80\x80\x80\x80"]);
    group(table, "6.9").add_texts(&[&b"\x7f"[..], b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]);
    group(table, "6.10").add_texts(&[
        &b"\xf7\xbf\xbf\xbf"[..],
        b"\xfb\xbf\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf\xbf",
    ]);
    group(table, "6.11").add_texts(&[
        &b"\xed\x9f\xbf"[..],
        b"\xee\x80\x80",
        b"\xef\xbf\xbd",
        b"\xf4\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
    ]);
    let every: Vec<u8> = (0x80..=0xbf).collect();
    let turns = b"\x80\xbf\x80\xbf\x80\xbf";
    let mut twelve = vec![&b"\x80"[..], b"\xbf"];
    twelve.extend((2..=6).filter_map(|len| turns.get(..len)));
    twelve.push(&every);
    group(table, "6.12").add_texts(&twelve);
    let lonely = |bytes: std::ops::RangeInclusive<u8>| bytes.flat_map(|byte| [byte, b' ']).collect::<Vec<u8>>();
    group(table, "6.13").add_texts(&[
        lonely(0xc0..=0xdf),
        lonely(0xe0..=0xef),
        lonely(0xf0..=0xf7),
        lonely(0xf8..=0xfb),
        lonely(0xfc..=0xfd),
    ]);
    let missing: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    group(table, "6.14").add_texts(&missing);
    group(table, "6.15").add_texts(&[missing.concat()]);
    group(table, "6.16").add_texts(&[&b"\xfe"[..], b"\xff", b"\xfe\xfe\xff\xff"]);
    group(table, "6.17").add_texts(&[
        &b"\xc0\xaf"[..],
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
    ]);
    group(table, "6.18").add_texts(&[
        &b"\xc1\xbf"[..],
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf",
        b"\xfc\x83\xbf\xbf\xbf\xbf",
    ]);
    group(table, "6.19").add_texts(&[
        &b"\xc0\x80"[..],
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf8\x80\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80\x80",
    ]);
    let surrogates: [&[u8]; 7] = [
        b"\xed\xa0\x80",
        b"\xed\xad\xbf",
        b"\xed\xae\x80",
        b"\xed\xaf\xbf",
        b"\xed\xb0\x80",
        b"\xed\xbe\x80",
        b"\xed\xbf\xbf",
    ];
    group(table, "6.20").add_texts(&surrogates);
    let high = surrogates.iter().take(4);
    let pairs: Vec<_> = high
        .flat_map(|high| [[*high, b"\xed\xb0\x80"].concat(), [*high, b"\xed\xbf\xbf"].concat()])
        .collect();
    group(table, "6.21").add_texts(&pairs);
    let planes = (0..=16_u32).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    let nonchars: Vec<_> = planes.filter_map(char::from_u32).map(String::from).collect();
    group(table, "6.22").add_texts(&nonchars);
    let specials: Vec<_> = ('\u{fff9}'..='\u{ffff}').map(String::from).collect();
    group(table, "6.23").add_texts(&specials);
}

fn close(table: &mut Table) {
    let normal = || Frame::close(1000, "");
    let mut one = group(table, "7.1");
    one.add(vec![Frame::text("Hello World!"), normal()]);
    one.add(vec![normal(), normal()]);
    one.add(vec![normal(), Frame::ping("")]);
    one.add(vec![normal(), Frame::text("Hello World!")]);
    one.add(vec![
        Frame::text("fragment1").more(),
        normal(),
        Frame::last("fragment2"),
    ]);
    one.add(vec![
        Frame::text(long_text(7, 262_144)),
        Frame::text("Hello World!"),
        normal(),
        Frame::ping(""),
    ]);
    let mut three = group(table, "7.3");
    three.add(vec![Frame::new(0x8, true, vec![])]);
    three.add(vec![Frame::new(0x8, true, b"a".to_vec())]);
    three.add(vec![normal()]);
    three.add(vec![Frame::close(1000, "Hello World!")]);
    three.add(vec![Frame::close(1000, [b'*'; 123])]);
    three.add(vec![Frame::close(1000, [b'*'; 124])]);
    group(table, "7.5").add(vec![Frame::close(1000, [GREEK, b"\xed\xa0\x80edited"].concat())]);
    for (prefix, codes) in [
        (
            "7.7",
            &[
                1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
            ][..],
        ),
        ("7.9", &[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]),
        ("7.13", &[5000, 65535]),
    ] {
        let mut group = group(table, prefix);
        for code in codes {
            group.add(vec![Frame::close(*code, "")]);
        }
    }
}

/// Each case of the Autobahn test suite, and whether there is a session for it: its number, which is the session's name
/// behind `Autobahn `.
pub(super) fn counterparts() -> Vec<(String, bool)> {
    let numbers = GROUPS.iter().flat_map(|(prefix, cases, have)| {
        (1..=*cases).map(move |number| (format!("{prefix}.{number}"), number <= *have))
    });
    numbers.collect()
}
