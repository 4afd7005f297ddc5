//! A terminal client: `client URL [--header 'Name: value']... [--subprotocol NAME]... [--origin ORIGIN]`.
//!
//! Lines typed are sent as text, messages are printed, Ctrl-D closes. The exit status tells how it ended: 0 for a clean
//! close (1000, 1001 or no code), 1 for any other end, 2 for bad usage, 3 for a refused handshake, 4 if nobody listens.
//!
//! Two threads block, one on the terminal and one on the socket; the main thread owns the send half, and what the receive
//! half owes the peer comes to it through a channel.

#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "an example may panic")]

mod common;

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver as Inbox, Sender as Post, channel};
use std::thread;
use std::time::Duration;

use common::hang_up;
use sockless::connection::{Client, CloseRecord, Reply, Sender};
use sockless::entropy::Entropy;
use sockless::frame::CloseCode;
use sockless::handshake::{ClientHandshake, Proposal, Response, WebSocketUri};
use sockless::limits::Limits;
use sockless::message::{Event, MessageConnection, MessageReceiver};

/// How long the server may take to answer a Close.
const PATIENCE: Duration = Duration::from_secs(5);

const CLOSED: u8 = 1;
const USAGE: u8 = 2;
const REFUSED: u8 = 3;
const UNREACHABLE: u8 = 4;

/// Why it ended before its time: the exit status, and what to say.
type Failure = (u8, String);

fn failure(status: u8) -> impl Fn(&dyn Error) -> Failure {
    move |error| (status, error.to_string())
}

fn main() -> ExitCode {
    run().unwrap_or_else(|(status, text)| {
        eprintln!("{text}");
        ExitCode::from(status)
    })
}

#[derive(Default)]
struct Options {
    uri: String,
    headers: Vec<(String, String)>,
    subprotocols: Vec<String>,
    origin: Option<String>,
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::{Long, Value, ValueExt};
    let mut options = Options::default();
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("header") => {
                let header = args.value()?.string()?;
                let (name, value) = header.split_once(':').ok_or("a header is 'Name: value'")?;
                options.headers.push((name.to_owned(), value.trim().to_owned()));
            }
            Long("subprotocol") => options.subprotocols.push(args.value()?.string()?),
            Long("origin") => options.origin = Some(args.value()?.string()?),
            Value(uri) if options.uri.is_empty() => options.uri = uri.string()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

fn run() -> Result<ExitCode, Failure> {
    let options = options().map_err(|error| failure(USAGE)(&error))?;
    let headers: Vec<(&str, &str)> = options
        .headers
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let subprotocols: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
    let mut proposal = Proposal::new().headers(&headers).subprotocols(&subprotocols);
    if let Some(origin) = &options.origin {
        proposal = proposal.origin(origin);
    }
    let uri = WebSocketUri::parse(&options.uri).map_err(|error| failure(USAGE)(&error))?;
    if uri.secure() {
        return Err((USAGE, "this example does not speak TLS".to_owned()));
    }
    let mut entropy = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system's random numbers");
    let mut out = Vec::new();
    let handshake = ClientHandshake::start(&uri, &proposal, &mut entropy, &Limits::default(), &mut out)
        .map_err(|error| failure(USAGE)(&error))?;

    let host = uri.host().trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, uri.port())).map_err(|error| failure(UNREACHABLE)(&error))?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.write_all(&out))
        .map_err(|error| failure(UNREACHABLE)(&error))?;
    let (ws, leftover) = open(handshake, entropy, &mut stream)?;
    let (receiver, sender) = ws.split().map_err(|_| (CLOSED, "a frame is under way".to_owned()))?;
    converse(stream, receiver, sender, leftover).map_err(|error| failure(CLOSED)(&*error))
}

/// Waits for the answer to the handshake.
fn open<E: Entropy>(
    mut handshake: ClientHandshake<'_>,
    entropy: E,
    stream: &mut TcpStream,
) -> Result<(MessageConnection<Client<E>>, Vec<u8>), Failure> {
    let mut received = Vec::new();
    let mut block = [0; 4096];
    loop {
        let len = stream.read(&mut block).map_err(|error| failure(REFUSED)(&error))?;
        if len == 0 {
            handshake.end_of_stream().map_err(|error| failure(REFUSED)(&error))?;
        }
        received.extend_from_slice(&block[..len]);
        match handshake.receive(&received).map_err(|error| failure(REFUSED)(&error))? {
            None => {}
            Some(Response::Accepted(accepted)) => {
                let leftover = received[accepted.head_len()..].to_vec();
                return Ok((accepted.into_connection(entropy).into(), leftover));
            }
            Some(Response::Refused(refused)) => {
                let reason = String::from_utf8_lossy(refused.reason()).into_owned();
                return Err((REFUSED, format!("refused: {} {reason}", refused.status())));
            }
        }
    }
}

/// What the main thread hears of.
enum News<E> {
    Line(String),
    NoMoreLines,
    Reply(Reply),
    /// The stream has ended or the connection has failed, and the receive half comes back.
    End(MessageReceiver<Client<E>>),
}

fn converse<E: Entropy + Send + 'static>(
    mut stream: TcpStream,
    receiver: MessageReceiver<Client<E>>,
    mut tx: Sender<Client<E>>,
    leftover: Vec<u8>,
) -> Result<ExitCode, Box<dyn Error>> {
    let (post, inbox) = channel();
    let (incoming, typed) = (stream.try_clone()?, post.clone());
    thread::spawn(move || receive(incoming, receiver, leftover, &post));
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if typed.send(News::Line(line)).is_err() {
                return;
            }
        }
        let _ = typed.send(News::NoMoreLines);
    });

    let mut out = Vec::new();
    while let Some(news) = next(&inbox, tx.is_closed()) {
        match news {
            // After a Close, whoever sent it, lines go nowhere.
            News::Line(_) | News::NoMoreLines if tx.is_closed() => {}
            News::Line(line) => tx.text(&line, &mut out)?,
            News::NoMoreLines => tx.close(CloseCode::NORMAL, "", &mut out)?,
            News::Reply(reply) => tx.reply(&reply, &mut out)?,
            News::End(receiver) => {
                if let Some(failure) = receiver.receiver().failure() {
                    tx.reply(&failure.into(), &mut out)?;
                    stream.write_all(&out)?;
                    hang_up(&mut stream)?;
                }
                return Ok(verdict(&CloseRecord::of(receiver.receiver(), &tx)));
            }
        }
        stream.write_all(&out)?;
        out.clear();
    }
    Err("the server does not close the connection".into())
}

/// The next thing to do; after a Close, not for ever.
fn next<T>(inbox: &Inbox<T>, closing: bool) -> Option<T> {
    if closing {
        inbox.recv_timeout(PATIENCE).ok()
    } else {
        inbox.recv().ok()
    }
}

/// The receiving thread: prints messages, and posts what is owed to the peer.
fn receive<E: Entropy>(
    mut stream: TcpStream,
    mut rx: MessageReceiver<Client<E>>,
    leftover: Vec<u8>,
    post: &Post<News<E>>,
) {
    let mut buf = leftover;
    let mut len = buf.len();
    loop {
        let mut input = &mut buf[..len];
        loop {
            let reply = match rx.receive(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    match event {
                        Event::Text(text) => println!("{text}"),
                        Event::Binary(data) => println!("<binary {} bytes>", data.len()),
                        Event::Ping(_) | Event::Pong(_) | Event::Close(_) => {}
                    }
                    event.reply()
                }
                Err(error) => {
                    eprintln!("{error}");
                    let _ = post.send(News::End(rx));
                    return;
                }
            };
            if let Some(reply) = reply {
                let _ = post.send(News::Reply(reply));
            }
        }
        buf.resize(64 << 10, 0);
        len = stream.read(&mut buf).unwrap_or(0);
        if len == 0 {
            rx.end_of_stream();
            let _ = post.send(News::End(rx));
            return;
        }
    }
}

/// How it ended, as the exit status.
fn verdict(record: &CloseRecord<'_>) -> ExitCode {
    let code = record.code();
    let good = [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::NO_STATUS].contains(&code);
    if record.is_clean() && good {
        return ExitCode::SUCCESS;
    }
    eprintln!("closed: {code} {}", record.reason);
    ExitCode::from(CLOSED)
}
