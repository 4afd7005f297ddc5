//! The machines over whatever implements `std::io`: a blocking loop in one call.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use super::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use crate::buffer::{Output, WriteBuffer};
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
    /// both Close frames, or after a failure, is no error but the end.
    pub fn exchange<S: Read + Write + ?Sized>(
        &mut self,
        stream: &mut S,
        shut_down_send: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> io::Result<bool> {
        let over = |ws: &Self, error: &io::Error| {
            let gone = matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected
            );
            gone && (ws.close_record().is_clean() || ws.close_record().failure.is_some())
        };
        match write(stream, self.buffers().1) {
            Err(error) if over(self, &error) => self.buffers().1.discard(),
            written => written?,
        }
        match self.transport() {
            TransportAction::Close | TransportAction::Abort => return Ok(false),
            TransportAction::ShutDownSend => {
                match shut_down_send(stream) {
                    Err(error) if error.kind() == ErrorKind::NotConnected => {}
                    done => done?,
                }
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

impl BufferedServerHandshake {
    /// Does what is due with `stream`: writes the output if there is any, else reads once. Returns whether to go on; `false`
    /// says that the request was answered and the stream is to be closed.
    ///
    /// # Errors
    /// Those of `stream`, and `UnexpectedEof` if it ended within the head.
    pub fn exchange<S: Read + Write + ?Sized>(&mut self, stream: &mut S) -> io::Result<bool> {
        let over = self.is_over();
        let (input, output) = self.buffers();
        if output.len() > 0 {
            write(stream, output)?;
            return Ok(true);
        }
        if over {
            return Ok(false);
        }
        match read(stream, input.space())? {
            0 => self
                .end_of_stream()
                .map_err(|error| io::Error::new(ErrorKind::UnexpectedEof, error))?,
            len => self.buffers().0.advance(len),
        }
        Ok(true)
    }

    /// Blocks until a connection is open: [`exchange`](Self::exchange) and [`accept`](Self::accept) in a loop.
    ///
    /// # Errors
    /// Those of `stream`, and `InvalidData` with an [`RequestError`](crate::handshake::RequestError) if no connection was opened. The
    /// answer to the client has been written then.
    pub fn complete<S: Read + Write + ?Sized>(
        mut self,
        stream: &mut S,
        options: &AcceptOptions<'_>,
    ) -> io::Result<BufferedConnection<Server>> {
        while self.exchange(stream)? {
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
        if output.len() > 0 {
            write(stream, output)?;
            return Ok(true);
        }
        if over {
            return Ok(false);
        }
        match read(stream, input.space())? {
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

/// Writes all that is unwritten.
fn write(stream: &mut (impl Write + ?Sized), output: &mut WriteBuffer) -> io::Result<()> {
    if output.len() == 0 {
        return Ok(());
    }
    while output.len() > 0 {
        let mut slices = [IoSlice::new(&[]); 8];
        let mut count = 0;
        for (to, from) in slices.iter_mut().zip(output.slices()) {
            *to = IoSlice::new(from);
            count += 1;
        }
        match stream.write_vectored(slices.get(..count).unwrap_or_default()) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => output.written(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.flush()
}
