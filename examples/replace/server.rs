//! The server: a thread for each connection, and the way in which everything goes to the next process.

use std::error::Error;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use sockless::buffer::Output;
use sockless::connection::{Connection, Server};
use sockless::frame::CloseCode;
use sockless::handshake::{HttpResponse, Request};
use sockless::{AcceptOptions, BufferedConnection, BufferedServerHandshake, Event, Limits, Moment};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often a thread looks up from its connection.
const STEP: Duration = Duration::from_millis(20);
/// How long a connection may take to come to rest before it is closed instead.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection between two messages, as it goes from one process to the next.
pub(crate) struct Parked {
    stream: TcpStream,
    unread: Vec<u8>,
    unwritten: Vec<u8>,
    /// What the application knows of it: how many texts it has answered.
    count: u64,
}

/// What all are to do.
const SERVE: u8 = 0;
const REPLACE: u8 = 1;
const STOP: u8 = 2;

/// Whether the program was told to stop.
static STOPPED: AtomicBool = AtomicBool::new(false);

pub(crate) fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// What the threads share.
struct Shared {
    task: AtomicU8,
    parked: Mutex<Vec<Parked>>,
}

/// Serves, with the connections that were taken over, until `/replace` is asked for and all is handed over, or `/stop` and
/// all are closed.
pub(crate) fn serve(
    listener: TcpListener,
    parked: Vec<Parked>,
    successor: impl Fn() -> io::Result<Command>,
) -> Outcome {
    let shared = Arc::new(Shared {
        task: AtomicU8::new(SERVE),
        parked: Mutex::new(Vec::new()),
    });
    let mut threads = Vec::new();
    for parked in parked {
        let shared = Arc::clone(&shared);
        threads.push(thread::spawn(move || {
            let (stream, ws, count) = wake(parked)?;
            converse(stream, ws, count, &shared)
        }));
    }
    listener.set_nonblocking(true)?;
    while shared.task.load(Ordering::Relaxed) == SERVE {
        if STOPPED.load(Ordering::Relaxed) {
            shared.task.store(STOP, Ordering::Relaxed);
        }
        match listener.accept() {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                threads.push(thread::spawn(move || greet(stream, &shared)));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(STEP),
            Err(error) => return Err(error.into()),
        }
        threads.retain(|thread| !thread.is_finished());
    }
    // Whoever connects from now on waits in the listener until the next process accepts.
    let stop = shared.task.load(Ordering::Relaxed) == STOP;
    for thread in threads {
        if let Ok(Err(error)) = thread.join() {
            eprintln!("{error}");
        }
    }
    if stop {
        return Ok(());
    }
    let parked = std::mem::take(&mut *shared.parked.lock().unwrap_or_else(PoisonError::into_inner));
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = successor()?;
    let _child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
    hand_over(ours, &listener, &parked)?;
    Ok(())
}

/// Serves what the predecessor hands over.
pub(crate) fn take_over(from: UnixStream, successor: impl Fn() -> io::Result<Command>) -> Outcome {
    let (listener, parked) = receive(from)?;
    serve(listener, parked, successor)
}

/// The opening handshake of one connection. Everything else is plain HTTP.
fn greet(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    prepare(&stream)?;
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    handshake.tick(Moment::now());
    while handshake.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
        handshake.tick(Moment::now());
        match handshake.receive().map_err(io::Error::other)? {
            Some((Request::Upgrade(upgrade), out)) => {
                let ws = upgrade.accept(&AcceptOptions::new(), out).map_err(io::Error::other)?;
                return converse(stream, handshake.into_connection(ws), 0, shared);
            }
            Some((Request::Http(request), out)) => {
                let task = match request.target {
                    "/replace" => Some(REPLACE),
                    "/stop" => Some(STOP),
                    _ => None,
                };
                let response = HttpResponse::new(if task.is_some() { 200 } else { 404 });
                request.respond(&response, out).map_err(io::Error::other)?;
                if let Some(task) = task {
                    shared.task.store(task, Ordering::Relaxed);
                }
            }
            None => {}
        }
    }
    Ok(())
}

/// An open connection, until it ends or is parked.
fn converse(
    mut stream: TcpStream,
    mut ws: BufferedConnection<Server>,
    mut count: u64,
    shared: &Shared,
) -> io::Result<()> {
    let process = std::process::id();
    let mut leaving_since = None;
    ws.tick(Moment::now());
    while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
        ws.tick(Moment::now());
        while let Some((event, mut tx)) = ws.next_event().map_err(io::Error::other)? {
            if let Event::Text(text) = event {
                count += 1;
                tx.text(&format!("{count} {process} {text}"))
                    .map_err(io::Error::other)?;
            }
        }
        match shared.task.load(Ordering::Relaxed) {
            REPLACE => {}
            // All are told at once, and `tick` waits for the answers no longer than for any other.
            STOP if ws.close_record().sent.is_none() => {
                let _ = ws.tx().close(CloseCode::GOING_AWAY, "the server stops");
                continue;
            }
            _ => continue,
        }
        let since = *leaving_since.get_or_insert_with(Instant::now);
        if ws.connection().is_at_rest() {
            let (_, input, output) = ws.into_parts();
            let parked = Parked {
                stream,
                unread: input.unread().to_vec(),
                unwritten: output.slices().collect::<Vec<_>>().concat(),
                count,
            };
            shared
                .parked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(parked);
            return Ok(());
        }
        // In the middle of a message, or closing.
        if since.elapsed() > PATIENCE && ws.close_record().sent.is_none() {
            let _ = ws.tx().close(CloseCode::GOING_AWAY, "restart");
        }
    }
    Ok(())
}

/// A connection at rest behaves as a fresh one.
fn wake(parked: Parked) -> io::Result<(TcpStream, BufferedConnection<Server>, u64)> {
    let connection = Connection::new(Server, &Limits::default());
    let mut ws = BufferedConnection::new(connection);
    let (input, output) = ws.buffers();
    input.extend(&parked.unread).map_err(io::Error::other)?;
    output.reserve(parked.unwritten.len()).map_err(io::Error::other)?;
    output.put(&parked.unwritten);
    prepare(&parked.stream)?;
    Ok((parked.stream, ws, parked.count))
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STEP))?;
    stream.set_write_timeout(Some(STEP))
}

// ---------------------------------------------------------------- from one process to the next

/// The lengths of unread input and of unwritten output, and the count. The listener comes last, with this in place of it, and a
/// byte that tells whether Ctrl-C came meanwhile.
const LISTENER: [u8; 24] = [0xff; 24];

/// Sends all connections and the listener.
fn hand_over(mut to: UnixStream, listener: &TcpListener, parked: &[Parked]) -> io::Result<()> {
    for parked in parked {
        let numbers = [parked.unread.len() as u64, parked.unwritten.len() as u64, parked.count];
        let head: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        send_descriptor(&to, &head, &parked.stream)?;
        to.write_all(&parked.unread)?;
        to.write_all(&parked.unwritten)?;
    }
    send_descriptor(&to, &LISTENER, listener)?;
    to.write_all(&[STOPPED.load(Ordering::Relaxed).into()])
}

/// Receives them.
fn receive(mut from: UnixStream) -> Outcome<(TcpListener, Vec<Parked>)> {
    let mut all = Vec::new();
    loop {
        let mut head = [0; 24];
        let descriptor = receive_descriptor(&mut from, &mut head)?;
        if head == LISTENER {
            let mut stopped = [0];
            from.read_exact(&mut stopped)?;
            if stopped != [0] {
                stop();
            }
            return Ok((TcpListener::from(descriptor), all));
        }
        let mut numbers = head
            .chunks_exact(8)
            .map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        let mut next = || numbers.next().unwrap_or_default();
        let (unread, unwritten, count) = (next(), next(), next());
        let mut read = |len: u64| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            (&mut from).take(len).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        all.push(Parked {
            stream: TcpStream::from(descriptor),
            unread: read(unread)?,
            unwritten: read(unwritten)?,
            count,
        });
    }
}

fn send_descriptor(to: &UnixStream, head: &[u8], descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(to, &[IoSlice::new(head)], &mut control, SendFlags::empty())?;
    let mut to = to;
    to.write_all(head.get(sent..).unwrap_or_default())
}

fn receive_descriptor(from: &mut UnixStream, head: &mut [u8]) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        &*from,
        &mut [IoSliceMut::new(head)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    from.read_exact(head.get_mut(received.bytes..).unwrap_or_default())?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            return descriptors.next().ok_or(ErrorKind::InvalidData.into());
        }
    }
    Err(ErrorKind::UnexpectedEof.into())
}
