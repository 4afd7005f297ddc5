//! A terminal client: lines typed are sent, messages are printed, Ctrl-D closes.
//!
//! One thread reads the terminal, one the socket. The main thread owns the sending half; what the receiving half owes the
//! server waits for it in a slot, so that no flood of Pings costs memory.

mod common;

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use common::client::entropy;
use common::{Exit, Outcome, PATIENCE, arguments, describe, exit, wait_for_end, write_all};
use sockless::connection::{Receiver, ReplySlot};
use sockless::{
    BufferedClientHandshake, BufferedConnection, Client, CloseCode, CloseRecord, ConnectOptions, Entropy, Event,
    Limits, ReadBuffer, WebSocketUri,
};

const HELP: &str = "\
A WebSocket client: sends the lines typed, prints the messages received. Ctrl-D closes.

Usage: client ws://HOST[:PORT]/PATH [OPTION]...

  --header 'NAME: VALUE'  a header field of the request
  --subprotocol NAME      a subprotocol to offer; the first given is preferred
  --origin ORIGIN         the origin to send, as a browser does
  --help                  print this and exit

The exit status is 0 after a clean close (with code 1000, 1001 or none), 1 after any
other end, 2 for wrong usage, 3 if the server refuses, 4 if it cannot be reached.
";

const REFUSED: u8 = 3;
const UNREACHABLE: u8 = 4;

/// What the main thread hears of.
enum News {
    Line(String),
    NoMoreLines,
    /// There is a reply in the slot.
    Reply,
    /// The same, and it is the Close that a failure of the connection calls for.
    Failed,
    /// The stream has ended.
    End,
}

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let (mut address, mut headers, mut subprotocols, mut origin) = (None, Vec::new(), Vec::new(), None);
    arguments(HELP, &["header", "subprotocol", "origin"], |name, value| {
        match name {
            "header" => match value.split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => return Err(format!("'{value}' is not a header: it has no colon").into()),
            },
            "subprotocol" => subprotocols.push(value),
            "origin" => origin = Some(value),
            _ if address.is_none() => address = Some(value),
            _ => return Err(format!("one address is enough: '{value}'").into()),
        }
        Ok(())
    })?;
    let address = address.ok_or_else(|| Exit::usage("which server? Give its address, as ws://127.0.0.1:9001/"))?;
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let subprotocols: Vec<_> = subprotocols.iter().map(String::as_str).collect();
    let mut options = ConnectOptions::new().headers(&headers).subprotocols(&subprotocols);
    if let Some(origin) = &origin {
        options = options.origin(origin);
    }
    let (stream, ws) = connect(&address, &options)?;
    converse(stream, ws).map_err(|error| Exit(Exit::FAILED, describe(&*error)))
}

fn connect(
    address: &str,
    options: &ConnectOptions<'_>,
) -> Result<(TcpStream, BufferedConnection<Client<impl Entropy + Send + use<>>>), Exit> {
    let uri = WebSocketUri::parse(address).map_err(|error| Exit::usage(format!("'{address}': {error}")))?;
    if uri.secure() {
        return Err(Exit::usage(format!("'{address}': this example does not speak TLS")));
    }
    let handshake = BufferedClientHandshake::start(&uri, options, entropy, &Limits::default());
    let handshake = handshake.map_err(Exit::usage)?;
    let mut stream = common::client::connect(&uri).map_err(|error| Exit(UNREACHABLE, error))?;
    let ws = handshake.complete(&mut stream);
    let ws = ws.map_err(|error| Exit(REFUSED, describe(&error)))?;
    Ok((stream, ws))
}

fn converse<E: Entropy + Send + 'static>(mut stream: TcpStream, ws: BufferedConnection<Client<E>>) -> Outcome {
    let (connection, input, mut out) = ws.into_parts();
    let (receiver, mut sender) = connection.split().map_err(|_| "a frame is being sent")?;
    stream.set_read_timeout(None)?;
    let (post, inbox) = sync_channel(16);
    let slot = Arc::new(Mutex::new(ReplySlot::new()));
    let (incoming, replies, typed) = (stream.try_clone()?, Arc::clone(&slot), post.clone());
    let receiving = thread::spawn(move || receive(incoming, receiver, input, &replies, &post));
    thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok).map(News::Line);
        let _ = lines.chain([News::NoMoreLines]).try_for_each(|news| typed.send(news));
    });

    let mut deadline = None;
    loop {
        let news = if sender.is_closed() {
            next(&inbox, *deadline.get_or_insert_with(|| Instant::now() + PATIENCE))?
        } else {
            inbox.recv()?
        };
        let reply = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reply) = reply {
            sender.tx(&mut out).reply(&reply)?;
        }
        match news {
            // After a Close, whoever sent it, lines go nowhere.
            News::Line(_) | News::NoMoreLines if sender.is_closed() => {}
            News::Line(ref line) => sender.tx(&mut out).text(line)?,
            News::NoMoreLines => sender.tx(&mut out).close(CloseCode::NORMAL, "")?,
            News::Reply | News::Failed => {}
            News::End => {
                let _ = write_all(&mut stream, &mut out); // the server may have shut down its sending direction only
                break;
            }
        }
        write_all(&mut stream, &mut out)?;
        if matches!(news, News::Failed) {
            stream.shutdown(Shutdown::Write)?;
        }
    }
    let receiver = receiving.join().map_err(|_| "the receiving thread has panicked")?;
    let record = CloseRecord::of(&receiver, &sender);
    match record.code() {
        CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS if record.is_clean() => Ok(()),
        _ => Err(record.to_string().into()),
    }
}

/// The next thing to do before the deadline.
fn next(inbox: &Inbox<News>, deadline: Instant) -> Outcome<News> {
    match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Err(RecvTimeoutError::Timeout) => Err("the server does not close the connection".into()),
        news => Ok(news?),
    }
}

/// The receiving thread, until the stream ends. A reset is an end, too: the record tells how clean it was.
fn receive<E: Entropy>(
    mut stream: TcpStream,
    mut receiver: Receiver<Client<E>>,
    mut input: ReadBuffer,
    slot: &Mutex<ReplySlot>,
    post: &SyncSender<News>,
) -> Receiver<Client<E>> {
    let owe = |reply| slot.lock().unwrap_or_else(PoisonError::into_inner).put(reply);
    loop {
        loop {
            let event = match receiver.receive(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => event,
                Err(failure) => {
                    owe(failure.into());
                    let _ = post.send(News::Failed);
                    let _ = wait_for_end(&mut stream);
                    break;
                }
            };
            let printed = match event {
                Event::Text(text) => writeln!(io::stdout(), "{text}"),
                Event::Binary(data) => writeln!(io::stdout(), "<binary {} bytes>", data.len()),
                _ => Ok(()),
            };
            if printed.is_err() {
                let _ = post.try_send(News::NoMoreLines); // nobody listens any more
            }
            if event.reply().is_some_and(owe) {
                let _ = post.try_send(News::Reply); // if there is no room, the main thread is about to look anyway
            }
        }
        match stream.read(input.space()) {
            Ok(len @ 1..) => input.advance(len),
            Ok(0) | Err(_) => {
                receiver.end_of_stream();
                let _ = post.send(News::End);
                return receiver;
            }
        }
    }
}
