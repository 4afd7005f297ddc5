//! A server that pushes a message every few seconds to every client, unasked: `feed [PORT] [--every SECONDS]
//! [--origin ORIGIN]...`, by default on port 9002 of 127.0.0.1.
//!
//! A message is encoded once, whatever the number of clients. Each client has a thread that blocks on its socket and owns
//! the receive half; one thread owns all send halves. What a receive half owes its peer goes to it through a channel.

#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "an example may panic")]

mod common;

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, Sender as Post, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::{hang_up, wait_for_end};
use sockless::connection::{Connection, PreparedMessage, Receiver, Reply, Sender, Server};
use sockless::handshake::{Acceptance, HttpResponse, OriginPolicy, Request, ServerHandshake};
use sockless::limits::Limits;

/// How long a handshake or a write may take.
const PATIENCE: Duration = Duration::from_secs(5);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What the sending thread hears of.
enum News {
    Joined(u64, TcpStream, Sender<Server>),
    Owes(u64, Reply),
    Left(u64),
}

fn main() -> Outcome {
    let (mut port, mut every, mut origins) = (9002, 2, Vec::new());
    {
        use lexopt::prelude::{Long, Value, ValueExt};
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Long("every") => every = args.value()?.parse()?,
                Long("origin") => origins.push(args.value()?.string()?),
                Value(value) => port = value.parse()?,
                other => return Err(other.unexpected().into()),
            }
        }
    }
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("ws://{}/", listener.local_addr()?);
    let (post, inbox) = channel();
    thread::spawn(move || push(&inbox, Duration::from_secs(every)));
    let origins = Arc::new(origins);
    for (id, stream) in (0..).zip(listener.incoming()) {
        let (stream, origins, post) = (stream?, Arc::clone(&origins), post.clone());
        thread::spawn(move || {
            if let Err(error) = serve(id, stream, &origins, &post) {
                eprintln!("client {id}: {error}");
            }
            let _ = post.send(News::Left(id));
        });
    }
    Ok(())
}

/// The sending thread: owns every send half.
fn push(inbox: &Inbox<News>, every: Duration) {
    let mut clients: HashMap<u64, (TcpStream, Sender<Server>)> = HashMap::new();
    let (started, mut next) = (Instant::now(), Instant::now() + every);
    let mut out = Vec::new();
    loop {
        match inbox.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(News::Joined(id, stream, tx)) => {
                clients.insert(id, (stream, tx));
            }
            Ok(News::Owes(id, reply)) => {
                out.clear();
                let Some((stream, tx)) = clients.get_mut(&id) else {
                    continue;
                };
                let sent = tx.reply(&reply, &mut out).is_ok() && stream.write_all(&out).is_ok();
                if reply.is_close() {
                    // The client's thread reads on until the client has closed too.
                    let _ = stream.shutdown(Shutdown::Write);
                }
                if reply.is_close() || !sent {
                    clients.remove(&id);
                }
            }
            Ok(News::Left(id)) => {
                clients.remove(&id);
            }
            Err(RecvTimeoutError::Timeout) => {
                next += every;
                let text = format!(
                    "{{\"seconds\":{},\"clients\":{}}}",
                    started.elapsed().as_secs(),
                    clients.len()
                );
                let message = PreparedMessage::new(text.as_str());
                out.clear();
                if message.encode(&mut out).is_ok() {
                    // Whoever cannot take it is dropped; whoever is closing just does not get it.
                    clients.retain(|_, (stream, tx)| tx.ready().is_err() || stream.write_all(&out).is_ok());
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// One client's thread: the handshake, then whatever it sends.
fn serve(id: u64, mut stream: TcpStream, origins: &[String], post: &Post<News>) -> Outcome {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut buf = vec![0; 16 << 10];
    let Some((connection, leftover)) = open(&mut stream, &mut buf, origins)? else {
        return Ok(hang_up(&mut stream)?);
    };
    let Ok((mut rx, tx)) = connection.split() else {
        return Ok(());
    };
    stream.set_read_timeout(None)?;
    post.send(News::Joined(id, stream.try_clone()?, tx))?;

    let (mut start, mut end) = leftover;
    loop {
        let closing = take_in(id, &mut rx, &mut buf[start..end], post)?;
        if closing {
            return Ok(wait_for_end(&mut stream)?);
        }
        start = 0;
        end = stream.read(&mut buf)?;
        if end == 0 {
            rx.end_of_stream();
            return Ok(());
        }
    }
}

/// Takes in what was received; says whether the connection comes to its end.
fn take_in(id: u64, rx: &mut Receiver<Server>, mut input: &mut [u8], post: &Post<News>) -> Outcome<bool> {
    loop {
        let reply = match rx.receive(&mut input) {
            Ok(None) => return Ok(false),
            Ok(Some(event)) => event.reply(),
            Err(failure) => Some(failure.into()),
        };
        if let Some(reply) = reply {
            post.send(News::Owes(id, reply))?;
            if reply.is_close() {
                return Ok(true);
            }
        }
    }
}

type Opened = (Connection<Server>, (usize, usize));

/// Shakes hands. The second part is where the bytes after the head lie in `buf`.
fn open(stream: &mut TcpStream, buf: &mut [u8], origins: &[String]) -> Outcome<Option<Opened>> {
    let mut handshake = ServerHandshake::new(&Limits::default());
    let (mut filled, mut out) = (0, Vec::new());
    let connection = loop {
        let len = stream.read(&mut buf[filled..])?;
        if len == 0 {
            handshake.end_of_stream()?;
            return Ok(None);
        }
        filled += len;
        match handshake.receive(&buf[..filled], &mut out) {
            Ok(None) => {}
            Ok(Some(Request::Http(request))) => {
                let response = HttpResponse::new(426)
                    .headers(&[("Upgrade", "websocket")])
                    .body(b"WebSocket only\n");
                request.respond(&response, &mut out)?;
                break None;
            }
            Ok(Some(Request::Upgrade(upgrade))) => {
                let allowed: Vec<&str> = origins.iter().map(String::as_str).collect();
                if !allowed.is_empty() && !OriginPolicy::only(&allowed).or_missing().allows(upgrade.origin()) {
                    upgrade.reject(&HttpResponse::new(403).body(b"origin not allowed\n"), &mut out)?;
                    break None;
                }
                let connection = upgrade.accept(&Acceptance::new(), &mut out)?;
                break Some((connection, (upgrade.head_len(), filled)));
            }
            // The answer is in `out`.
            Err(_) => break None,
        }
    };
    stream.write_all(&out)?;
    Ok(connection)
}
