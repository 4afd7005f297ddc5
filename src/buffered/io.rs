//! The machines over whatever implements `std::io`: a blocking loop in one call.

use std::io::{self, ErrorKind, Read, Write};

use super::server::State;
use super::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use crate::connection::{Client, Role, Server, TransportAction};
use crate::entropy::Entropy;
use crate::handshake::AcceptOptions;

impl<R: Role> BufferedConnection<R> {
    /// Does what is due with `stream`: writes all of the output, shuts down the sending direction when it is time, and
    /// reads once, unless there is input that has not been received. Returns whether to go on; `false` says that the stream
    /// is to be closed.
    ///
    /// `shut_down_send` shuts down the sending direction of the stream:
    /// `|stream| stream.shutdown(std::net::Shutdown::Write)` for a `TcpStream`, `|_| Ok(())` where that cannot be done. For
    /// deadlines, set the time-outs of the stream.
    ///
    /// # Errors
    /// Those of `stream`, `WouldBlock` and `TimedOut` among them; what was not written stays in the output. A reset after
    /// both Close frames, or after a failure, is no error but the end, and so is a TLS stream that ends there without
    /// `close_notify` (`UnexpectedEof`).
    pub fn exchange<S: Read + Write + ?Sized>(
        &mut self,
        stream: &mut S,
        shut_down_send: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> io::Result<bool> {
        let over = |ws: &Self, error: &io::Error| {
            has_ended(error) && (ws.close_record().is_clean() || ws.close_record().failure.is_some())
        };
        match self.buffers().1.write_to(stream) {
            Err(error) if over(self, &error) => self.buffers().1.discard(),
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
        if self.buffers().0.needs_input() {
            match read(stream, self.space()) {
                Err(error) if over(self, &error) => drop(self.end_of_stream()),
                len => match len? {
                    0 => drop(self.end_of_stream()),
                    len => self.advance(len),
                },
            }
        }
        Ok(true)
    }
}

/// How much is read and discarded behind an answer that is no upgrade, in bytes, so that a client which is still sending
/// gets to see it.
const DRAINED: usize = 64 << 10;

impl BufferedServerHandshake {
    /// Does what is due with `stream`: writes the output if there is any, else reads once. Behind an answer that is no
    /// upgrade it shuts down the sending direction and reads on until the stream ends, so that the answer is not lost to a
    /// reset. Returns whether to go on; `false` says that the stream is to be closed.
    ///
    /// `shut_down_send` is that of [`BufferedConnection::exchange`].
    ///
    /// # Errors
    /// Those of `stream`, and `UnexpectedEof` if it ended within the head.
    pub fn exchange<S: Read + Write + ?Sized>(
        &mut self,
        stream: &mut S,
        shut_down_send: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> io::Result<bool> {
        if self.buffers().1.is_due() {
            self.buffers().1.write_to(stream)?;
            if self.state != State::Answered {
                return Ok(true);
            }
            self.state = State::Written;
        }
        match self.state {
            State::Receiving => match read(stream, self.buffers().0.space())? {
                // There was no memory to read into, which is not the end.
                0 if self.buffers().0.is_exhausted() => {}
                0 => self
                    .end_of_stream()
                    .map_err(|error| io::Error::new(ErrorKind::UnexpectedEof, error))?,
                len => self.buffers().0.advance(len),
            },
            State::Draining(before) => {
                let drained = match read(stream, &mut [0; 4096]) {
                    Err(error) if has_ended(&error) => 0,
                    len => len?,
                };
                let total = before.saturating_add(drained);
                self.state = if drained == 0 || total > DRAINED {
                    State::Ended
                } else {
                    State::Draining(total)
                };
            }
            State::Written => {
                shut_down(stream, shut_down_send)?;
                self.state = State::Draining(0);
            }
            State::Answered | State::Ended => return Ok(false),
        }
        Ok(true)
    }

    /// Blocks until a connection is open: [`exchange`](Self::exchange) and [`accept`](Self::accept) in a loop.
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
        let over = self.is_over();
        let (input, output) = self.buffers();
        if output.is_due() {
            output.write_to(stream)?;
            return Ok(true);
        }
        if over {
            return Ok(false);
        }
        match read(stream, input.space())? {
            // As above.
            0 if input.is_exhausted() => {}
            0 => self
                .end_of_stream()
                .map_err(|error| io::Error::new(ErrorKind::UnexpectedEof, error))?,
            len => self.buffers().0.advance(len),
        }
        Ok(true)
    }

    /// Blocks until the connection is open: [`exchange`](Self::exchange) and [`connect`](Self::connect) in a loop.
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

/// Whether that is the end of the stream, where nothing else is expected.
fn has_ended(error: &io::Error) -> bool {
    is_gone(error) || error.kind() == ErrorKind::UnexpectedEof
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
