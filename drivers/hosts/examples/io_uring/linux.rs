//! The server itself.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use compio::BufResult;
use compio::buf::{IntoInner, IoBuf};
use compio::io::{AsyncRead, AsyncWrite};
use compio::net::{TcpListener, TcpStream, UnixStream};
use compio::runtime::Runtime;
use compio::time::sleep;
use futures_util::future::{FutureExt, LocalBoxFuture, Shared};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{pin_mut, select_biased};
use sockless::handshake::ServerHandshake;
use sockless::timers::{Deadline, Due, Timers};
use sockless::{CloseCode, Connection, Event, Moment, ReadBuffer, Server, TransportAction};
use sockless_hosts::{Exit, Options};

/// How much is read at once, at least and at most: a message of 64 KiB comes whole.
const READ: std::ops::RangeInclusive<usize> = 1 << 10..=128 << 10;
/// A time after which nothing is lost by looking again, where there is no deadline.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) fn run(options: Options) -> Result<(), Exit> {
    let runtime = Runtime::new().map_err(|error| {
        Exit(
            Exit::UNAVAILABLE,
            format!("the kernel does not permit io_uring: {error}"),
        )
    })?;
    let listener = options.listen()?;
    runtime.block_on(serve(listener, options)).map_err(Exit::failed)
}

/// What the thread's connections share.
struct Thread {
    options: Options,
    /// What is received into, lent to each connection in its turn.
    memory: RefCell<Vec<u8>>,
    /// Ready once the server is to stop.
    stop: Shared<LocalBoxFuture<'static, ()>>,
}

async fn serve(listener: std::net::TcpListener, options: Options) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut interrupt = UnixStream::from_std(sockless_hosts::interrupt()?)?;
    let stop = async move { drop(interrupt.read([0; 1]).await) };
    let thread = Rc::new(Thread {
        options,
        memory: RefCell::default(),
        stop: stop.boxed_local().shared(),
    });
    let mut tasks = FuturesUnordered::new();
    let mut stop = thread.stop.clone();
    loop {
        let accept = listener.accept().fuse();
        pin_mut!(accept);
        let accepted = loop {
            select_biased! {
                () = stop => break None,
                accepted = accept => break Some(accepted),
                _ = tasks.select_next_some() => {} // one has ended
            }
        };
        match accepted {
            None => break,
            Some(Ok((stream, _))) => {
                let served = connection(stream, Rc::clone(&thread));
                tasks.push(compio::runtime::spawn(served));
            }
            Some(Err(error)) => {
                eprintln!("cannot serve one more: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    listener.close().await?;
    while tasks.next().await.is_some() {}
    Ok(())
}

/// One connection, from its first byte to its last. Errors of the stream are its end.
async fn connection(stream: TcpStream, thread: Rc<Thread>) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let mut peer = Peer {
        phase: Phase::Opening(ServerHandshake::new(&Options::limits())),
        timers: Timers::new(&thread.options.timeouts, Moment::now()),
        input: ReadBuffer::new(),
        out: Vec::new(),
        blocked: false,
        read_len: *READ.start(),
        little: false,
    };
    let mut stop = thread.stop.clone();
    let mut space = Vec::new();
    while peer.phase.transport().wants_input() {
        let mut source = &stream;
        space.clear();
        if space.capacity() != peer.read_len {
            space = Vec::with_capacity(peer.read_len);
        }
        let read = source.read(space).fuse();
        let mut read = pin!(read);
        let BufResult(read, bytes) = loop {
            let left = peer.timers.next_deadline().map_or(LONG, |at| at - Moment::now());
            let due = sleep(left).fuse();
            pin_mut!(due);
            select_biased! {
                read = read => break read,
                () = stop => peer.close()?,
                () = due => peer.tick()?,
            }
            peer.write(&stream).await?;
        };
        let len = peer.read_len;
        match read? {
            0 => peer.end()?,
            read if read >= len => peer.read_len = (len * 4).min(*READ.end()),
            read if read >= len / 8 => peer.little = false,
            _ if peer.little => peer.read_len = (len / 4).max(*READ.start()),
            _ => peer.little = true,
        }
        peer.receive(&bytes, &thread)?;
        space = bytes;
        peer.write(&stream).await?;
        while peer.blocked {
            peer.receive(&[], &thread)?;
            peer.write(&stream).await?;
        }
    }
    Ok(())
}

struct Peer {
    phase: Phase,
    timers: Timers,
    /// What has arrived of an incomplete message.
    input: ReadBuffer,
    out: Vec<u8>,
    /// Whether the output has to be written before more is received.
    blocked: bool,
    /// How much is read at once: it follows what comes.
    read_len: usize,
    /// Whether the last read brought little. One alone may have been the end of a message that filled the one before.
    little: bool,
}

enum Phase {
    Opening(ServerHandshake),
    Open(Connection<Server>),
    /// The request was answered, but not with a connection.
    Leaving(TransportAction),
}

impl Phase {
    fn transport(&self) -> TransportAction {
        match self {
            Self::Opening(_) => TransportAction::Continue,
            Self::Open(ws) => ws.transport(),
            Self::Leaving(action) => *action,
        }
    }
}

impl Peer {
    /// Takes in what was read, in memory of the thread.
    fn receive(&mut self, bytes: &[u8], thread: &Thread) -> io::Result<()> {
        let mut memory = thread.memory.borrow_mut();
        memory.resize(*READ.end(), 0); // only if a long message has kept it
        self.input.lend(&mut memory);
        let received = self.answer(bytes, thread);
        self.input.take_back(&mut memory);
        received
    }

    /// Sends back what has come.
    fn answer(&mut self, bytes: &[u8], thread: &Thread) -> io::Result<()> {
        let now = Moment::now();
        let Self {
            phase,
            timers,
            input,
            out,
            blocked,
            ..
        } = self;
        input.extend(bytes).map_err(io::Error::other)?;
        if let Phase::Opening(handshake) = phase {
            match handshake.receive(input, out) {
                Ok(None) => timers.received(now, Some(input.unread().len() as u64)),
                Ok(Some(request)) => match thread.options.answer(&request, out).map_err(io::Error::other)? {
                    Some(ws) => {
                        timers.opened(now);
                        *phase = Phase::Open(ws);
                    }
                    None => *phase = Phase::Leaving(TransportAction::ShutDownSend),
                },
                Err(_) => *phase = Phase::Leaving(TransportAction::ShutDownSend), // the answer is in the output
            }
        }
        let Phase::Open(ws) = phase else {
            if let Phase::Leaving(_) = phase {
                *input = ReadBuffer::new(); // nothing of it will be read
            }
            return Ok(());
        };
        *blocked = loop {
            match ws.receive(input, out) {
                Ok(Some((Event::Text(text), mut tx))) => tx.text(text).map_err(io::Error::other)?,
                Ok(Some((Event::Binary(data), mut tx))) => tx.binary(data).map_err(io::Error::other)?,
                Ok(Some((Event::Pong(payload), _))) => {
                    timers.pong(now, payload);
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => break false,
                // After a failure the Close is in the output, and `transport` says what is next.
                Err(error) => break error.failure().is_none(),
            }
            timers.message_received(now);
        };
        let unread = input.unread().len() as u64;
        let under_way = ws.message_progress().map(|bytes| bytes + unread);
        timers.received(now, under_way.or((unread > 0).then_some(unread)));
        Ok(())
    }

    /// The peer sends nothing more.
    fn end(&mut self) -> io::Result<()> {
        match &mut self.phase {
            Phase::Open(ws) => {
                ws.end_of_stream();
                Ok(())
            }
            Phase::Opening(_) | Phase::Leaving(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Does what is due by the clock.
    fn tick(&mut self) -> io::Result<()> {
        let now = Moment::now();
        while let Some(due) = self.timers.handle_timeout(now) {
            let Self {
                phase,
                timers,
                input,
                out,
                ..
            } = self;
            match (due, &mut *phase) {
                (Due::Ping(payload), Phase::Open(ws)) => {
                    ws.tx(out).ping(&payload).map_err(io::Error::other)?;
                    timers.pinged(now, out.len());
                }
                (Due::Passed(deadline), Phase::Open(ws)) => {
                    let code = deadline.close_code().ok_or(io::ErrorKind::TimedOut)?;
                    ws.tx(out).close(code, deadline.text()).map_err(io::Error::other)?;
                    timers.closing(now);
                }
                (Due::Passed(Deadline::Handshake | Deadline::Message), Phase::Opening(handshake)) => {
                    let _ = handshake.timed_out(input, out); // an answer with status 408
                    *phase = Phase::Leaving(TransportAction::ShutDownSend);
                    timers.closing(now);
                }
                (Due::Passed(_) | Due::Ping(_), Phase::Opening(_) | Phase::Leaving(_)) => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
        Ok(())
    }

    /// Says that the server goes away.
    fn close(&mut self) -> io::Result<()> {
        match &mut self.phase {
            Phase::Opening(_) => Err(io::ErrorKind::ConnectionAborted.into()),
            Phase::Open(ws) => {
                let _ = ws.tx(&mut self.out).close(CloseCode::GOING_AWAY, ""); // or it has been closed
                Ok(())
            }
            Phase::Leaving(_) => Ok(()),
        }
    }

    /// Writes all of the output, and does what follows from that. Meanwhile nothing of the peer is received, so that only
    /// writing and closing have a deadline.
    async fn write(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        if self.phase.transport() != TransportAction::Continue {
            self.timers.closing(Moment::now());
        }
        let mut done = 0;
        while done < self.out.len() {
            let now = Moment::now();
            self.timers.reading(now, false);
            self.timers.written(now, 0, self.out.len() - done);
            let write = stream.write(std::mem::take(&mut self.out).slice(done..)).fuse();
            pin_mut!(write);
            let BufResult(written, out) = loop {
                let left = self.timers.next_deadline().map_or(LONG, |at| at - Moment::now());
                let due = sleep(left).fuse();
                pin_mut!(due);
                select_biased! {
                    written = write => break written,
                    () = due => {
                        let now = Moment::now();
                        while let Some(due) = self.timers.handle_timeout(now) {
                            // Others passed before, and pass again.
                            if matches!(due, Due::Passed(deadline) if deadline.close_code().is_none()) {
                                return Err(io::ErrorKind::TimedOut.into());
                            }
                        }
                    }
                }
            };
            self.out = out.into_inner();
            match written? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => {
                    done += written;
                    self.timers.written(Moment::now(), written, self.out.len() - done);
                }
            }
        }
        self.timers.reading(Moment::now(), true);
        self.out.clear();
        self.out.shrink_to(self.read_len * 2);
        if self.phase.transport() == TransportAction::ShutDownSend {
            stream.shutdown().await?;
            match &mut self.phase {
                Phase::Open(ws) => ws.sending_shut_down(),
                phase => *phase = Phase::Leaving(TransportAction::Drain),
            }
        }
        Ok(())
    }
}
