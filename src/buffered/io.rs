//! The machines over whatever implements `std::io`: a blocking loop in one call.

use std::io::{self, ErrorKind, Read, Write};

use super::timing::Timing;
use super::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use crate::connection::{Client, Role, Server, TransportAction};
use crate::entropy::Entropy;
use crate::handshake::{AcceptOptions, HandshakeError};

impl<R: Role> BufferedConnection<R> {
    /// Does what is due with `stream`: writes all of the output, shuts down the sending direction when it is time, and
    /// reads once, unless there is input that has not been received. Returns whether to go on; `false` says that the stream
    /// is to be closed.
    ///
    /// `shut_down_send` shuts down the sending direction of the stream:
    /// `|stream| stream.shutdown(std::net::Shutdown::Write)` for a `TcpStream`, `|_| Ok(())` where that cannot be done.
    ///
    /// Deadlines take one more line, which is needed before the first wait, too, and a time-out for writes that is set once:
    ///
    /// ```
    /// # use sockless::{BufferedConnection, Event, Moment, Server};
    /// # use std::net::{Shutdown, TcpStream};
    /// # use std::time::Duration;
    /// # fn serve(mut ws: BufferedConnection<Server>, mut stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    /// stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    /// stream.set_read_timeout(ws.tick(Moment::now()))?;
    /// while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
    ///     stream.set_read_timeout(ws.tick(Moment::now()))?;
    ///     while let Some((event, mut tx)) = ws.next_event()? {
    ///         match event {
    ///             // Behind the Close of a deadline messages still come, and cannot be answered.
    ///             Event::Text(text) if tx.ready().is_ok() => tx.text(text)?,
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Once [`tick`](Self::tick) was called, this does not read after it has written, so that the tick comes in between.
    ///
    /// # Errors
    /// Those of `stream`; what was not written stays in the output. `WouldBlock` and `TimedOut` are errors only as long as
    /// [`tick`](Self::tick) was not called: it knows better what takes too long. A reset after both Close frames, or after a
    /// failure, is no error but the end, and so is a TLS stream that ends there without `close_notify` (`UnexpectedEof`).
    pub fn exchange<S: Read + Write + ?Sized>(
        &mut self,
        stream: &mut S,
        shut_down_send: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> io::Result<bool> {
        let over = |ws: &Self, error: &io::Error| {
            has_ended(error) && (ws.close_record().is_clean() || ws.close_record().failure.is_some())
        };
        let writes = self.buffers().1.is_due();
        match self.buffers().1.write_to(stream) {
            Err(error) if over(self, &error) => self.buffers().1.discard(),
            Err(error) if is_patient(self.timing(), &error) => return Ok(true),
            written => written?,
        }
        match self.transport() {
            TransportAction::Close | TransportAction::Abort => return Ok(false),
            TransportAction::ShutDownSend => {
                shut_down(stream, shut_down_send)?;
                self.sending_shut_down();
            }
            TransportAction::Continue | TransportAction::AwaitPeer | TransportAction::Drain => {}
        }
        if writes && self.timing().has_begun() {
            // What has left may have a deadline now, which the next tick tells.
            return Ok(true);
        }
        if self.buffers().0.needs_input() {
            match read(stream, self.space()) {
                Err(error) if over(self, &error) => drop(self.end_of_stream()),
                Err(error) if is_patient(self.timing(), &error) => {}
                len => match len? {
                    0 => drop(self.end_of_stream()),
                    len => self.advance(len),
                },
            }
        }
        Ok(true)
    }
}

impl BufferedServerHandshake {
    /// Does what is due with `stream`: writes the output if there is any, else reads once. Behind an answer that is no
    /// upgrade it shuts down the sending direction and reads on until the stream ends, so that the answer is not lost to a
    /// reset. Returns whether to go on; `false` says that the stream is to be closed.
    ///
    /// `shut_down_send` is that of [`BufferedConnection::exchange`]. Deadlines take the same line as there:
    ///
    /// ```
    /// # use sockless::{AcceptOptions, BufferedConnection, BufferedServerHandshake, Limits, Moment, Server};
    /// # use std::net::{Shutdown, TcpStream};
    /// # use std::time::Duration;
    /// fn open(stream: &mut TcpStream) -> Result<Option<BufferedConnection<Server>>, Box<dyn std::error::Error>> {
    ///     let mut handshake = BufferedServerHandshake::new(&Limits::default());
    ///     stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    ///     stream.set_read_timeout(handshake.tick(Moment::now()))?;
    ///     while handshake.exchange(stream, |stream| stream.shutdown(Shutdown::Write))? {
    ///         stream.set_read_timeout(handshake.tick(Moment::now()))?;
    ///         if let Some(ws) = handshake.accept(&AcceptOptions::new())? {
    ///             return Ok(Some(ws));
    ///         }
    ///     }
    ///     Ok(None)
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of `stream`, and `UnexpectedEof` if it ended within the head. `WouldBlock` and `TimedOut` are errors only as
    /// long as [`tick`](Self::tick) was not called.
    pub fn exchange<S: Read + Write + ?Sized>(
        &mut self,
        stream: &mut S,
        shut_down_send: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> io::Result<bool> {
        if self.buffers().1.is_due() {
            return match self.buffers().1.write_to(stream) {
                Err(error) if is_patient(self.timing(), &error) => Ok(true),
                written => written.map(|()| true),
            };
        }
        match self.transport() {
            TransportAction::ShutDownSend => {
                shut_down(stream, shut_down_send)?;
                self.sending_shut_down();
            }
            action @ (TransportAction::Continue | TransportAction::Drain) => match read(stream, self.space()) {
                Err(error) if action == TransportAction::Drain && has_ended(&error) => {
                    self.end_of_stream().map_err(unexpected)?;
                }
                Err(error) if is_patient(self.timing(), &error) => {}
                len => match len? {
                    0 => self.end_of_stream().map_err(unexpected)?,
                    len => self.advance(len),
                },
            },
            TransportAction::AwaitPeer | TransportAction::Close | TransportAction::Abort => return Ok(false),
        }
        Ok(true)
    }

    /// Blocks until a connection is open: [`exchange`](Self::exchange) and [`accept`](Self::accept) in a loop. It keeps no
    /// deadlines: for these, write that loop as [`exchange`](Self::exchange) shows it.
    ///
    /// # Errors
    /// Those of `stream`, and `InvalidData` with a [`RequestError`](crate::handshake::RequestError) if no connection was
    /// opened. The client has been answered then.
    pub fn complete<S: Read + Write + ?Sized>(
        mut self,
        stream: &mut S,
        mut shut_down_send: impl FnMut(&mut S) -> io::Result<()>,
        options: &AcceptOptions<'_>,
    ) -> io::Result<BufferedConnection<Server>> {
        while self.exchange(stream, &mut shut_down_send)? {
            if let Some(ws) = self.accept(options).map_err(invalid)? {
                return Ok(ws);
            }
        }
        Err(ErrorKind::UnexpectedEof.into())
    }
}

impl<E: Entropy> BufferedClientHandshake<'_, E> {
    /// Does what is due with `stream`: writes the output if there is any, else reads once. Returns whether to go on; `false`
    /// says that the response was handed out.
    ///
    /// # Errors
    /// Those of `stream`, and `UnexpectedEof` if it ended within the head.
    pub fn exchange<S: Read + Write + ?Sized>(&mut self, stream: &mut S) -> io::Result<bool> {
        if self.buffers().1.is_due() {
            return match self.buffers().1.write_to(stream) {
                Err(error) if is_patient(self.timing(), &error) => Ok(true),
                written => written.map(|()| true),
            };
        }
        if self.is_over() {
            return Ok(false);
        }
        match read(stream, self.space()) {
            Err(error) if is_patient(self.timing(), &error) => {}
            len => match len? {
                0 => self.end_of_stream().map_err(unexpected)?,
                len => self.advance(len),
            },
        }
        Ok(true)
    }

    /// Blocks until the connection is open: [`exchange`](Self::exchange) and [`connect`](Self::connect) in a loop. It keeps
    /// no deadlines: for these, write that loop with a [`tick`](Self::tick) before each wait.
    ///
    /// # Errors
    /// Those of `stream`, and `InvalidData` with a [`ConnectError`](crate::handshake::ConnectError) if the server has not accepted.
    pub fn complete<S: Read + Write + ?Sized>(mut self, stream: &mut S) -> io::Result<BufferedConnection<Client<E>>> {
        while self.exchange(stream)? {
            if let Some(ws) = self.connect().map_err(invalid)? {
                return Ok(ws);
            }
        }
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// Shuts down the sending direction. It may be down already.
fn shut_down<S: ?Sized>(stream: &mut S, shut_down_send: impl FnOnce(&mut S) -> io::Result<()>) -> io::Result<()> {
    match shut_down_send(stream) {
        Err(error) if is_gone(&error) => Ok(()),
        done => done,
    }
}

/// Whether the transport has been reset.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::NotConnected
    )
}

/// Whether this is the stream's time-out, while deadlines are kept.
fn is_patient(timing: &Timing, error: &io::Error) -> bool {
    timing.has_begun() && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whether that is the end of the stream, where nothing else is expected.
fn has_ended(error: &io::Error) -> bool {
    is_gone(error) || error.kind() == ErrorKind::UnexpectedEof
}

/// The stream has ended within the head.
fn unexpected(error: HandshakeError) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, error)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Reads once, and again if interrupted.
fn read(stream: &mut (impl Read + ?Sized), space: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            len => return len,
        }
    }
}
