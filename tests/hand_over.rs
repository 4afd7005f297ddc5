//! Live connections go from one process to the next (the example `replace`), and a client notices nothing.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../examples/replace/server.rs"]
#[allow(dead_code, reason = "nobody presses Ctrl-C here")]
mod server;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use sockless::simulation::Random;
use sockless::{BufferedClientHandshake, BufferedConnection, Client, ConnectOptions, Event, Limits, WebSocketUri};

/// A process of this very program that runs the test below, and nothing else.
fn successor() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--exact", "the_next_process", "--nocapture", "--quiet"])
        .env("TAKE_OVER", "1");
    Ok(command)
}

/// Not a test of its own: the process that takes over.
#[test]
fn the_next_process() {
    if std::env::var_os("TAKE_OVER").is_some() {
        let from = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
        server::take_over(from, successor).unwrap();
    }
}

type Connected = (TcpStream, BufferedConnection<Client<Random>>);

fn connect(address: SocketAddr, seed: u64) -> Connected {
    let mut stream = TcpStream::connect(address).unwrap();
    let address = format!("ws://{address}/");
    let uri = WebSocketUri::parse(&address).unwrap();
    let handshake =
        BufferedClientHandshake::start(&uri, &ConnectOptions::new(), Random::new(seed), &Limits::default()).unwrap();
    let ws = handshake.complete(&mut stream).unwrap();
    (stream, ws)
}

/// Asks the server to do something.
fn ask(address: SocketAddr, target: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Texts that the client sends ahead of the answers that it has.
const AHEAD: u64 = 20;

/// Talks all the time: each text is answered once, in order, whichever process does it. Returns the processes.
fn talk(address: SocketAddr, seed: u64, texts: u64) -> BTreeSet<u32> {
    let mut random = Random::new(seed);
    let (mut stream, mut ws) = connect(address, seed);
    let (mut sent, mut answered) = (0, 0);
    let mut processes = BTreeSet::new();
    // Frames go out in pieces, so that a replacement may find half of one.
    while answered < texts {
        while sent < texts.min(answered + AHEAD) {
            sent += 1;
            let len = random.len(40_000);
            ws.tx().text(&format!("{sent} {}", "x".repeat(len))).unwrap();
        }
        while !ws.output().is_empty() {
            let len = ws.output().len().min(1 + random.len(5_000));
            let len = stream.write(&ws.output()[..len]).unwrap();
            ws.written(len);
        }
        let len = stream.read(ws.space()).unwrap();
        assert_ne!(len, 0, "the connection has ended");
        ws.advance(len);
        while let Some((event, _)) = ws.next_event().unwrap() {
            let Event::Text(text) = event else { panic!("{event:?}") };
            let mut words = text.split(' ');
            answered += 1;
            assert_eq!(words.next().unwrap().parse(), Ok(answered), "by the server's count");
            processes.insert(words.next().unwrap().parse().unwrap());
            assert_eq!(words.next().unwrap().parse(), Ok(answered), "by the client's");
        }
    }
    ws.tx().close(sockless::CloseCode::NORMAL, "bye").unwrap();
    while ws
        .exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))
        .unwrap()
    {
        ws.next_event().unwrap();
    }
    let record = ws.close_record();
    assert!(record.is_clean(), "{record:?}");
    assert_eq!(record.reason, "bye");
    processes
}

/// Leaves no process behind, whatever happens.
struct Stop(SocketAddr);

impl Drop for Stop {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.0) {
            let _ = write!(stream, "GET /stop HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
    }
}

/// Three times, while eight clients talk and one is silent.
#[test]
fn a_server_is_replaced_and_no_client_notices() {
    if std::env::var_os("TAKE_OVER").is_some() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let _stop = Stop(address);
    let first =
        std::thread::spawn(move || server::serve(listener, Vec::new(), successor).map_err(|error| error.to_string()));
    let (mut silent, mut ws) = connect(address, 99);
    let clients: Vec<_> = (0..8)
        .map(|seed| std::thread::spawn(move || talk(address, seed, 1_500)))
        .collect();
    for _ in 0..3 {
        // It waits until there is a process to answer it.
        ask(address, "/replace");
    }
    first.join().unwrap().unwrap();
    let mut all = BTreeSet::new();
    for client in clients {
        all.extend(client.join().unwrap());
    }
    println!("answered by {} processes", all.len());
    assert!(all.len() >= 2);
    // The one that was at rest all the time is answered by the last of them.
    ws.tx().text("hello").unwrap();
    let mut answer = None;
    while answer.is_none() {
        assert!(
            ws.exchange(&mut silent, |stream| stream.shutdown(Shutdown::Write))
                .unwrap()
        );
        if let Some((Event::Text(text), _)) = ws.next_event().unwrap() {
            answer = Some(text.to_owned());
        }
    }
    let answer = answer.unwrap();
    let words: Vec<&str> = answer.split(' ').collect();
    assert_eq!([words[0], words[2]], ["1", "hello"]);
    assert_ne!(words[1], std::process::id().to_string());
    // The last process closes it in order.
    ask(address, "/stop");
    while ws
        .exchange(&mut silent, |stream| stream.shutdown(Shutdown::Write))
        .unwrap()
    {
        ws.next_event().unwrap();
    }
    assert!(ws.close_record().is_clean());
    assert_eq!(ws.close_record().received, Some(sockless::CloseCode::GOING_AWAY));
}
