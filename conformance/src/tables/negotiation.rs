//! Offers, answers, and windows (RFC 7692 section 7.1).

use super::compressed::lines;
use super::script::{Script, request, response};
use super::{BOUNDS, Table};
use crate::compression::{Compression, Wrong};
use crate::deflate::{Block, Blocks, Token};
use crate::frame::Frame;
use crate::generate::long_bytes;
use crate::model::Parameters;
use crate::rule::Role;
use crate::session::{Parts, Session, Topic};

pub(super) fn all(table: &mut Table) {
    windows(table);
    beyond(table);
    takeover(table);
    match table.role {
        Role::Server => offers(table),
        Role::Client => {
            answers(table);
            wrong_answers(table);
        }
    }
}

/// What an endpoint hears has a window of so many bits.
fn heard(role: Role, bits: u8) -> Parameters {
    let mut parameters = Parameters::default();
    match role {
        Role::Server => parameters.client_max_window_bits = Some(Some(bits)),
        Role::Client => parameters.server_max_window_bits = Some(bits),
    }
    parameters
}

/// What an endpoint sends has a window of so many bits.
fn sent(role: Role, bits: u8) -> Parameters {
    heard(role.peer(), bits)
}

fn windows(table: &mut Table) {
    let role = table.role;
    for bits in 8..=15 {
        let window = 1_usize << bits;
        for takeover in [true, false] {
            let with = if takeover { "" } else { ", without takeover" };
            let no_takeover = |mut parameters: Parameters| {
                parameters.client_no_context_takeover = !takeover;
                parameters.server_no_context_takeover = !takeover;
                parameters
            };
            let mut script = Script::new(
                role,
                Topic::Windows,
                format!("messages to an endpoint, {bits} bits{with}"),
                takeover,
                bits,
            );
            script.agree(no_takeover(heard(role, bits)));
            for len in [10, 300, window / 2, window, window + 1, 3 * window, 300, 10] {
                script.message(true, &lines(len as u32, len));
                script.message(true, &lines(len as u32, len));
            }
            script.complete();
            script.add(table);
            // What is sent back would be shorter with a larger window.
            let mut script = Script::new(
                role,
                Topic::Windows,
                format!("messages from an endpoint, {bits} bits{with}"),
                takeover,
                15,
            );
            script.agree(no_takeover(sent(role, bits)));
            let once = long_bytes(3, (window + 200).min(33_000));
            script.message(false, &once.repeat(2));
            script.message(false, &once);
            let few = lines(9, 200);
            script.message(true, &few);
            script.message(true, &few);
            script.message(false, &once);
            script.complete();
            script.add(table);
        }
        // As far back as it goes, and into the message before.
        let mut script = Script::new(
            role,
            Topic::Windows,
            format!("a copy over the whole window of {bits} bits"),
            true,
            bits,
        );
        script.agree(heard(role, bits));
        let first = long_bytes(5, window);
        script.kind = Block::Stored;
        for part in first.chunks(20_000) {
            script.message(false, part);
        }
        let mut blocks = Blocks::new();
        let copy = Token::Copy {
            length: 40,
            distance: window,
        };
        blocks.compressed(Block::Fixed, &[copy], false);
        let copied = first.get(..40).unwrap_or_default();
        script.compressor.note(copied);
        script.raw(false, &blocks.message());
        script.complete();
        script.add(table);
    }
}

/// Distances beyond the window that was agreed.
fn beyond(table: &mut Table) {
    for bits in 8..15 {
        let window = 1_usize << bits;
        for (what, distance) in [("by one", window + 1), ("by far", 2 * window)] {
            for across in [true, false] {
                let place = if across {
                    "into the message before"
                } else {
                    "in one message"
                };
                let mut script = Script::new(
                    table.role,
                    Topic::Windows,
                    format!("a copy beyond the window of {bits} bits {what}, {place}"),
                    true,
                    bits,
                );
                script.agree(heard(table.role, bits));
                script.compression.goes_beyond = true;
                let first = long_bytes(5, distance);
                let copy = [Token::Copy { length: 20, distance }];
                let mut blocks = Blocks::new();
                if across {
                    script.kind = Block::Stored;
                    script.message(false, &first);
                } else {
                    blocks.stored(&first, false);
                }
                blocks.compressed(Block::Fixed, &copy, false);
                script.raw(false, &blocks.message());
                script.plain(Frame::ping("still there?"));
                table.core = across;
                script.add(table);
            }
        }
    }
    table.core = true;
}

fn takeover(table: &mut Table) {
    for (takeover, what) in [(true, "with"), (false, "without")] {
        for (count, len) in [(30, 100), (10, 3000), (6, 20_000)] {
            let mut script = Script::new(
                table.role,
                Topic::Windows,
                format!("{count} equal messages of {len} bytes {what} takeover"),
                takeover,
                15,
            );
            let data = lines(2, len);
            for _ in 0..count {
                script.message(true, &data);
            }
            script.complete();
            script.add(table);
        }
    }
    // One direction with takeover, the other without.
    for (what, client, server) in [("client", true, false), ("server", false, true)] {
        let role = table.role;
        let hears = if role == Role::Server { !client } else { !server };
        let mut script = Script::new(
            role,
            Topic::Windows,
            format!("no takeover by the {what} alone"),
            hears,
            15,
        );
        script.agree(Parameters {
            client_no_context_takeover: client,
            server_no_context_takeover: server,
            ..Parameters::default()
        });
        for _ in 0..6 {
            script.message(true, &lines(2, 200));
        }
        script.complete();
        script.add(table);
    }
}

/// Offers, each of which is agreed to or declined: what is said of it has to be right. Nothing is compressed but by the
/// endpoint.
fn offers(table: &mut Table) {
    const NAME: &str = "permessage-deflate";
    let parameters = [
        "",
        "client_no_context_takeover",
        "server_no_context_takeover",
        "client_max_window_bits",
        "client_max_window_bits=8",
        "client_max_window_bits=9",
        "client_max_window_bits=12",
        "client_max_window_bits=15",
        "client_max_window_bits=\"10\"",
        "server_max_window_bits=8",
        "server_max_window_bits=9",
        "server_max_window_bits=10",
        "server_max_window_bits=14",
        "server_max_window_bits=15",
        "server_max_window_bits=\"11\"",
        "client_no_context_takeover; server_no_context_takeover",
        "server_no_context_takeover; server_max_window_bits=10; client_max_window_bits",
        "client_max_window_bits=10; server_max_window_bits=10; client_no_context_takeover; server_no_context_takeover",
        // To be declined.
        "client_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover=x",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=0",
        "server_max_window_bits=1",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=+10",
        "server_max_window_bits=-10",
        "server_max_window_bits=10.0",
        "server_max_window_bits=1e1",
        "server_max_window_bits=0x0a",
        "server_max_window_bits=115",
        "server_max_window_bits=255",
        "server_max_window_bits=264",
        "server_max_window_bits=65546",
        "server_max_window_bits=4294967306",
        "server_max_window_bits=x",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=0",
        "client_max_window_bits=08",
        "client_max_window_bits=256",
        "client_max_window_bits=1000000",
        "client_max_window_bits=x",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=12",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=10; client_max_window_bits",
        "unknown",
        "unknown=1",
        "server_max_window",
        "server_max_window_bitz=10",
        "server_no_context_takeove",
        "erver_no_context_takeover",
        "server_no_context_takeover_",
        "client_max_window_bits; unknown",
    ];
    for parameter in parameters {
        let offer = match parameter {
            "" => String::from(NAME),
            parameter => format!("{NAME}; {parameter}"),
        };
        offer_session(table, &offer);
        if !parameter.is_empty() {
            // Another offer behind it, which says less.
            offer_session(table, &format!("{offer}, {NAME}"));
        }
    }
    for offer in [
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate; server_max_window_bits=12",
        "permessage-deflate; unknown, permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover=1, permessage-deflate; client_max_window_bits=7",
        "x-other, permessage-deflate",
        "x-other; a=\"b\"; d, permessage-deflate; client_max_window_bits",
        "permessage-deflate, x-other",
        "permessage-deflate2",
        "xpermessage-deflate",
        "permessage_deflate",
        "permessage-bzip2",
        "permessage-compress; method=deflate",
        "permessage-deflat",
        "x-webkit-deflate-frame",
        "deflate-frame",
        "permessage-deflate;client_max_window_bits;server_no_context_takeover",
        "permessage-deflate ; client_max_window_bits ; server_no_context_takeover",
        "x-other; permessage-deflate",
        "x-other; a=\"permessage-deflate\"",
    ] {
        offer_session(table, offer);
    }
}

fn offer_session(table: &mut Table, offer: &str) {
    let mut compression = Compression::new(true, 15);
    compression.negotiates_only = true;
    let mut frames = Vec::new();
    for text in [&lines(2, 300)[..], b"short", &lines(2, 300)] {
        frames.extend([Frame::text(text), Frame::binary(text)]);
    }
    frames.push(Frame::ping("still there?"));
    for frame in &mut frames {
        frame.key = [0x3d, 0xa1, 0x07, 0x5f];
    }
    let parts = Parts {
        heads: vec![request(offer)],
        frames,
        tail: Vec::new(),
    };
    let name = format!("the offer \"{}\"", offer.escape_debug());
    let session = Session::of(table.role, Topic::Negotiation, name, parts, BOUNDS, Some(compression));
    table.push(session);
}

/// Answers to whatever is offered.
fn answers(table: &mut Table) {
    for server_no_context_takeover in [false, true] {
        for client_no_context_takeover in [false, true] {
            for server_max_window_bits in [None, Some(8), Some(9), Some(12), Some(15)] {
                for client_max_window_bits in [None, Some(8), Some(9), Some(12), Some(15)] {
                    let answer = Parameters {
                        server_no_context_takeover,
                        client_no_context_takeover,
                        server_max_window_bits,
                        client_max_window_bits: client_max_window_bits.map(Some),
                    };
                    let takeover = !server_no_context_takeover;
                    let mut script = Script::new(
                        table.role,
                        Topic::Negotiation,
                        format!("the answer \"{answer}\", and what the offer demands"),
                        takeover,
                        server_max_window_bits.unwrap_or(15),
                    );
                    script.agree(answer);
                    for _ in 0..3 {
                        script.message(true, &lines(2, 700));
                    }
                    script.complete();
                    let plain = [server_max_window_bits, client_max_window_bits];
                    table.core = plain.iter().filter(|bits| bits.is_some()).count() < 2;
                    script.add(table);
                }
            }
        }
    }
    table.core = true;
}

fn wrong_answers(table: &mut Table) {
    const ALWAYS: &[&str] = &[
        "unknown",
        "unknown=1",
        "server_max_window",
        "erver_no_context_takeover",
        "server_no_context_takeover_",
        "server_no_context_takeover=1",
        "server_no_context_takeover=true",
        "client_no_context_takeover=1",
        "client_no_context_takeover=x",
        "client_max_window_bits",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=0",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=+10",
        "server_max_window_bits=-10",
        "server_max_window_bits=10.0",
        "server_max_window_bits=0x0a",
        "server_max_window_bits=264",
        "server_max_window_bits=65546",
        "server_max_window_bits=4294967306",
        "server_max_window_bits=x",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=0",
        "client_max_window_bits=08",
        "client_max_window_bits=256",
        "client_max_window_bits=x",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=9",
        "client_max_window_bits=10; client_max_window_bits=10",
        "server_no_context_takeover; unknown",
    ];
    for parameters in ALWAYS {
        wrong(table, &format!("permessage-deflate; {parameters}"), Wrong::Always);
    }
    for answer in [
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=8, \
        permessage-deflate; server_no_context_takeover; server_max_window_bits=8",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=8, permessage-bzip2",
        "x-other, permessage-deflate; server_no_context_takeover; server_max_window_bits=8",
        "permessage-deflate2",
        "permessage-deflat",
        "permessage-bzip2",
        "x-webkit-deflate-frame",
    ] {
        wrong(table, answer, Wrong::Always);
    }
    for (answer, when) in [
        ("; client_max_window_bits=15", Wrong::WithoutClientBits),
        ("; client_max_window_bits=9", Wrong::WithoutClientBits),
        ("", Wrong::WithServerNoTakeover),
        ("; client_no_context_takeover", Wrong::WithServerNoTakeover),
        ("", Wrong::WithServerBits),
        ("; server_max_window_bits=15", Wrong::WithServerBits),
    ] {
        wrong(table, &format!("permessage-deflate{answer}"), when);
    }
}

fn wrong(table: &mut Table, answer: &str, when: Wrong) {
    let mut compression = Compression::new(false, 8);
    compression.wrong = Some(when);
    let parts = Parts {
        heads: vec![response(answer)],
        frames: Vec::new(),
        tail: Vec::new(),
    };
    let name = format!("the answer \"{}\"", answer.escape_debug());
    let session = Session::of(table.role, Topic::Negotiation, name, parts, BOUNDS, Some(compression));
    table.push(session);
}
