//! A server that pushes a message every few seconds to every client, unasked. A message is encoded once for all of them.
//!
//! Each client has two threads, with one half of its connection each. What the receiving thread owes the client waits in a
//! slot for the sending one, beside the timers that both tell what happens: neither ever waits for the other, and no flood of
//! Pings costs memory.

mod common;

use std::collections::HashMap;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::server::{Options, listen, serve_each};
use common::stop::Stop;
use common::{Exit, Outcome, exit, is_timeout};
use sockless::buffer::Output;
use sockless::connection::{PreparedMessage, Receiver, ReplySlot, Sender};
use sockless::timers::{Due, Timers};
use sockless::{CloseCode, Event, Moment, ReadBuffer, Server, WriteBuffer};

const HELP: &str = "\
A WebSocket server that pushes a message every few seconds to every client.

Usage: feed [PORT] [OPTION]...

  PORT                    of 127.0.0.1 (default: 9002); 0 for one that is free
  --every SECONDS         how often (default: 2)
  --origin ORIGIN         let in pages from this origin only (several may be given)
  --timeout NAME=SECONDS  a deadline, or 'off': handshake, ping-after, pong-within,
                          idle, message, write, close
  --help                  print this and exit

Ctrl-C closes all connections and ends.
";

/// How many messages may wait for a client. One that falls further behind is dropped.
const BEHIND: usize = 16;

/// What a sending thread hears of.
enum News {
    Message(PreparedMessage),
    /// There is a reply in the slot, or a deadline has come nearer.
    Look,
    /// The server stops.
    Stop,
}

/// What the two threads of a client share. It is locked only while nothing is waited for.
struct Shared {
    slot: ReplySlot,
    timers: Timers,
    /// Whether the sending thread has been told to look.
    told: bool,
}

/// What is kept of each client: the way to its sending thread, and the stream in order to drop it.
type Clients = Mutex<HashMap<SocketAddr, (SyncSender<News>, TcpStream)>>;

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let options = Options::from_args(HELP, &["origin=", "every=", "timeout="], 9002)?;
    let listener = listen("ws", options.port)?;
    let clients = Arc::new(Clients::default());
    let (all, every) = (Arc::clone(&clients), options.every);
    thread::spawn(move || push(&all, every));
    let all = Arc::clone(&clients);
    let stopping = move || tell(&all, || News::Stop);
    serve_each(listener, stopping, move |stream, stop| {
        serve(stream, &options, stop, &clients)
    })
}

/// The thread that has something to say.
fn push(clients: &Clients, every: Duration) {
    let started = Instant::now();
    loop {
        thread::sleep(every);
        let (seconds, count) = (started.elapsed().as_secs(), lock(clients).len());
        let text = format!("{{\"seconds\":{seconds},\"clients\":{count}}}");
        if let Ok(message) = PreparedMessage::new(text.as_str()) {
            tell(clients, || News::Message(message.clone()));
        }
    }
}

/// Tells all sending threads, and drops the clients whose thread has too much to do already.
fn tell(clients: &Clients, news: impl Fn() -> News) {
    lock(clients).retain(|_, (post, stream)| {
        let told = post.try_send(news()).is_ok();
        if !told {
            let _ = stream.shutdown(Shutdown::Both);
        }
        told
    });
}

/// One client: the handshake, then its two threads.
fn serve(mut stream: TcpStream, options: &Options, stop: &Stop, clients: &Clients) -> Outcome {
    let Some(ws) = options.open(&mut stream, stop, None, |_| {})? else {
        return Ok(());
    };
    let mut timers = Timers::new(&options.timeouts, Moment::now());
    timers.opened(Moment::now());
    let shared = Arc::new(Mutex::new(Shared {
        slot: ReplySlot::new(),
        timers,
        told: false,
    }));
    let (connection, input, out) = ws.into_parts();
    let (receiver, sender) = connection.split().map_err(|_| "a frame is being sent")?;
    let (post, inbox) = sync_channel(BEHIND);
    let peer = stream.peer_addr()?;
    lock(clients).insert(peer, (post.clone(), stream.try_clone()?));
    if stop.is_asked() {
        let _ = post.try_send(News::Stop); // it may have been missed
    }
    let (sending, theirs) = (stream.try_clone()?, Arc::clone(&shared));
    let sending = thread::spawn(move || {
        let sent = send(&sending, sender, out, &inbox, &theirs).map_err(|error| error.to_string());
        if sent.is_err() {
            let _ = sending.shutdown(Shutdown::Both); // which ends the other thread
        }
        sent
    });
    let received = receive(stream, receiver, input, &shared, &post);
    lock(clients).remove(&peer);
    drop(post);
    match sending.join() {
        Ok(Ok(())) => received,
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err("the sending thread has panicked".into()),
    }
}

/// The sending thread: sends what is due, writes it, and sleeps until there are news or the next deadline. It ends when the
/// other one has ended.
fn send(
    mut stream: &TcpStream,
    mut sender: Sender<Server>,
    mut out: WriteBuffer,
    inbox: &Inbox<News>,
    shared: &Mutex<Shared>,
) -> Outcome {
    let (mut answered, mut shut_down) = (false, false);
    loop {
        let mut both = lock(shared);
        let Shared { slot, timers, .. } = &mut *both;
        let now = Moment::now();
        // One reply at a time, so that nothing piles up for a client that does not read.
        let reply = if out.len() == 0 { slot.take() } else { None };
        if let Some(reply) = reply {
            sender.tx(&mut out).reply(&reply)?;
            answered |= reply.is_close();
        }
        if sender.is_closed() {
            timers.closing(now);
        }
        while let Some(due) = timers.handle_timeout(now) {
            match due {
                Due::Ping(payload) => {
                    if sender.tx(&mut out).ping(&payload).is_ok() {
                        timers.pinged(now, out.len());
                    }
                }
                Due::Passed(deadline) => match deadline.close_code() {
                    Some(code) => {
                        sender.tx(&mut out).close(code, deadline.text())?;
                        timers.closing(now);
                    }
                    None => return Err(deadline.text().into()),
                },
            }
        }
        timers.written(now, 0, out.len());
        drop(both);

        let waiting = out.len();
        let written = out.write_to(&mut stream);
        let now = Moment::now();
        let next = {
            let mut both = lock(shared);
            both.timers.written(now, waiting - out.len(), out.len());
            both.timers.next_deadline()
        };
        match written {
            Err(error) if is_timeout(&error) => continue,
            written => written?,
        }
        // "The server MUST close the connection first": after the answer to a Close, or the Close that a failure calls for.
        if answered && !shut_down {
            stream.shutdown(Shutdown::Write)?;
            shut_down = true;
        }
        match inbox.recv_timeout(next.map_or(Duration::MAX, |next| next - now)) {
            Ok(News::Message(_) | News::Stop) if sender.is_closed() => {}
            Ok(News::Message(message)) => sender.tx(&mut out).prepared(&message)?,
            Ok(News::Stop) => sender.tx(&mut out).close(CloseCode::GOING_AWAY, "the server stops")?,
            Ok(News::Look) => lock(shared).told = false,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let passed = lock(shared).timers.passed();
                return passed.map_or(Ok(()), |deadline| Err(deadline.text().into()));
            }
        }
    }
}

/// The receiving thread, until the client has closed.
fn receive(
    mut stream: TcpStream,
    mut receiver: Receiver<Server>,
    mut input: ReadBuffer,
    shared: &Mutex<Shared>,
    post: &SyncSender<News>,
) -> Outcome {
    stream.set_read_timeout(None)?;
    let mut failure = None;
    loop {
        let mut both = lock(shared);
        let Shared { slot, timers, told } = &mut *both;
        let (now, deadline) = (Moment::now(), timers.next_deadline());
        let mut wake = false;
        loop {
            match receiver.receive(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    wake |= event.reply().is_some_and(|reply| slot.put(reply));
                    match event {
                        Event::Text(_) | Event::Binary(_) => timers.message_received(now),
                        Event::Pong(payload) => {
                            timers.pong(now, payload);
                        }
                        _ => {}
                    }
                }
                Err(error) => {
                    wake |= failure.is_none() && slot.put(error.into());
                    failure = Some(error);
                    break; // what comes now is discarded
                }
            }
        }
        let (begun, unread) = (receiver.message_progress(), input.unread().len() as u64);
        timers.received(now, begun.or((unread > 0).then_some(0)).map(|bytes| bytes + unread));
        let is_nearer = |new| deadline.is_none_or(|old| new < old);
        wake |= timers.next_deadline().is_some_and(is_nearer);
        if wake && !*told {
            *told = post.try_send(News::Look).is_ok(); // if there is no room, the thread is about to look anyway
        }
        drop(both);
        match stream.read(input.space())? {
            0 => return failure.map_or(Ok(()), |failure| Err(failure.into())),
            len => input.advance(len),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
