//! The usual driver for a fuzzing server: `autobahn_client ws://HOST:PORT`.
//!
//! It asks how many cases there are, runs each by echoing whole messages, and has the server write its report.

#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "an example may panic")]

mod common;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use common::hang_up;
use sockless::buffered::{BufferedClientHandshake, BufferedConnection};
use sockless::connection::{Client, Transport};
use sockless::entropy::Entropy;
use sockless::handshake::{Proposal, WebSocketUri};
use sockless::limits::Limits;
use sockless::message::Event;

const AGENT: &str = "sockless";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let server = std::env::args().nth(1).ok_or("usage: autobahn_client ws://HOST:PORT")?;
    let server = server.trim_end_matches('/');
    let mut count = String::new();
    run(&format!("{server}/getCaseCount"), |text| count = text.to_owned())?;
    let count: u32 = count
        .trim()
        .parse()
        .map_err(|_| format!("not a number of cases: {count:?}"))?;
    for case in 1..=count {
        println!("case {case} of {count}");
        if let Err(error) = run(&format!("{server}/runCase?case={case}&agent={AGENT}"), |_| {}) {
            println!("case {case}: {error}");
        }
    }
    run(&format!("{server}/updateReports?agent={AGENT}"), |_| {})
}

/// One connection: echoes until the server closes, and shows each text to `see`.
fn run(address: &str, mut see: impl FnMut(&str)) -> Outcome {
    let uri = WebSocketUri::parse(address)?;
    let entropy = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system's random numbers");
    let mut handshake = BufferedClientHandshake::start(&uri, &Proposal::new(), entropy, &Limits::default())?;
    let mut stream = TcpStream::connect((uri.host().trim_matches(['[', ']']), uri.port()))?;
    stream.set_nodelay(true)?;
    stream.write_all(handshake.output())?;
    handshake.written(handshake.output().len());
    while handshake.receive()?.is_none() {
        match stream.read(handshake.space())? {
            0 => handshake.end_of_stream()?,
            len => handshake.advance(len),
        }
    }
    let ws = handshake.into_connection().map_err(|_| "the handshake was refused")?;
    echo(stream, ws.with_read_len(64 << 10), &mut see)
}

fn echo<E: Entropy>(
    mut stream: TcpStream,
    mut ws: BufferedConnection<Client<E>>,
    see: &mut impl FnMut(&str),
) -> Outcome {
    loop {
        let failure = loop {
            match ws.next_event() {
                Ok(None) => break None,
                Ok(Some((Event::Text(text), mut tx))) => {
                    see(text);
                    tx.text(text)?;
                }
                Ok(Some((Event::Binary(data), mut tx))) => tx.binary(data)?,
                Ok(Some((Event::Ping(_) | Event::Pong(_) | Event::Close(_), _))) => {}
                Err(error) => break Some(error),
            }
        };
        stream.write_all(ws.output())?;
        ws.written(ws.output().len());
        match ws.transport() {
            Transport::KeepGoing => {}
            Transport::WaitForPeer => return Ok(common::wait_for_end(&mut stream)?),
            Transport::FlushThenHalfClose => {
                hang_up(&mut stream)?;
                return failure.map_or(Ok(()), |error| Err(error.into()));
            }
            Transport::Drop => return Ok(()),
        }
        match stream.read(ws.space())? {
            0 => {
                ws.end_of_stream();
            }
            len => ws.advance(len),
        }
    }
}
