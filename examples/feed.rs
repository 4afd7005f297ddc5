//! A server that pushes a message every few seconds to every client, unasked. A message is encoded once for all of them.
//!
//! Each client has two threads, with one half of its connection each. What the receiving thread owes the client waits in a
//! slot for the sending one: neither ever waits for the other, and no flood of Pings costs memory.

mod common;

use std::collections::HashMap;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver as Inbox, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::server::{Options, listen, open, serve_each};
use common::{Exit, Outcome, exit, wait_for_end, write_all};
use sockless::connection::{PreparedMessage, Receiver, Reply, ReplySlot, Sender};
use sockless::{ReadBuffer, Server, WriteBuffer};

const HELP: &str = "\
A WebSocket server that pushes a message every few seconds to every client.

Usage: feed [PORT] [OPTION]...

  PORT             of 127.0.0.1 (default: 9002); 0 for one that is free
  --every SECONDS  how often (default: 2)
  --origin ORIGIN  let in pages from this origin only (several may be given)
  --help           print this and exit
";

/// How many messages may wait for a client. One that falls further behind is dropped.
const BEHIND: usize = 16;

/// What a sending thread hears of.
enum News {
    Message(PreparedMessage),
    /// There is a reply in the slot.
    Reply,
}

/// What is kept of each client: the way to its sending thread, and the stream in order to drop it.
type Clients = Mutex<HashMap<SocketAddr, (SyncSender<News>, TcpStream)>>;

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::from_args(HELP, &["origin", "every"], 9002)?;
    let listener = listen("ws", options.port)?;
    let clients = Arc::new(Clients::default());
    let (all, every) = (Arc::clone(&clients), options.every);
    thread::spawn(move || push(&all, every));
    serve_each(&listener, move |stream| serve(stream, &options, &clients))
}

/// The thread that has something to say.
fn push(clients: &Clients, every: Duration) {
    let started = Instant::now();
    loop {
        thread::sleep(every);
        let mut clients = lock(clients);
        let (seconds, count) = (started.elapsed().as_secs(), clients.len());
        let text = format!("{{\"seconds\":{seconds},\"clients\":{count}}}");
        let Ok(message) = PreparedMessage::new(text.as_str()) else {
            continue;
        };
        clients.retain(|_, (post, stream)| {
            let sent = post.try_send(News::Message(message.clone())).is_ok();
            if !sent {
                let _ = stream.shutdown(Shutdown::Both);
            }
            sent
        });
    }
}

/// One client: the handshake, then its two threads.
fn serve(mut stream: TcpStream, options: &Options, clients: &Clients) -> Outcome {
    let Some(ws) = open(&mut stream, |request, out| options.answer(request, None, out))? else {
        return Ok(());
    };
    let (connection, input, out) = ws.into_parts();
    let (receiver, sender) = connection.split().map_err(|_| "a frame is being sent")?;
    let (post, inbox) = sync_channel(BEHIND);
    let slot = Arc::new(Mutex::new(ReplySlot::new()));
    let (sending, replies) = (stream.try_clone()?, Arc::clone(&slot));
    post.try_send(News::Reply)?; // the response to the handshake is in the output
    thread::Builder::new().spawn(move || {
        if send(&sending, sender, out, &inbox, &replies).is_err() {
            let _ = sending.shutdown(Shutdown::Both);
        }
    })?;
    let peer = stream.peer_addr()?;
    lock(clients).insert(peer, (post.clone(), stream.try_clone()?));

    let owe = |reply| {
        if lock(&slot).put(reply) {
            let _ = post.try_send(News::Reply); // if there is no room, the thread is about to look anyway
        }
    };
    let received = receive(&mut stream, receiver, input, owe);
    lock(clients).remove(&peer);
    received
}

/// The sending thread. It ends after a Close, or when a write takes too long.
fn send(
    mut stream: &TcpStream,
    mut sender: Sender<Server>,
    mut out: WriteBuffer,
    inbox: &Inbox<News>,
    slot: &Mutex<ReplySlot>,
) -> Outcome {
    for news in inbox {
        let mut tx = sender.tx(&mut out);
        if let News::Message(message) = news {
            tx.prepared(&message)?;
        }
        let reply = lock(slot).take();
        if let Some(reply) = reply {
            tx.reply(&reply)?;
        }
        write_all(&mut stream, &mut out)?;
        if sender.is_closed() {
            stream.shutdown(Shutdown::Write)?;
            break;
        }
    }
    Ok(())
}

/// The receiving thread, until the client has closed.
fn receive(
    stream: &mut TcpStream,
    mut receiver: Receiver<Server>,
    mut input: ReadBuffer,
    owe: impl Fn(Reply),
) -> Outcome {
    stream.set_read_timeout(None)?;
    loop {
        loop {
            let reply = match receiver.receive(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => event.reply(),
                Err(failure) => {
                    owe(failure.into());
                    wait_for_end(stream)?;
                    return Err(failure.into());
                }
            };
            if let Some(reply) = reply {
                owe(reply);
                if reply.is_close() {
                    return Ok(wait_for_end(stream)?);
                }
            }
        }
        match stream.read(input.space())? {
            0 => return Ok(()),
            len => input.advance(len),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
