//! The machines over whatever implements `std::io`: a blocking loop in one call.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use super::timing::Timing;
use super::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use crate::buffer::{Output, WriteBuffer};
use crate::connection::{Client, Role, Server, TransportAction};
use crate::entropy::Entropy;
use crate::handshake::Acceptance;

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
    /// # use sockless::{BufferedConnection, Moment, Server};
    /// # use std::net::{Shutdown, TcpStream};
    /// # use std::time::Duration;
    /// # fn serve(mut ws: BufferedConnection<Server>, mut stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    /// stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    /// stream.set_read_timeout(ws.tick(Moment::now()))?;
    /// while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
    ///     stream.set_read_timeout(ws.tick(Moment::now()))?;
    ///     while let Some((event, mut tx)) = ws.next_event()? {
    ///         # let _ = (event, &mut tx);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `stream`; what was not written stays in the output. `WouldBlock` and `TimedOut` are errors only as long as
    /// [`tick`](Self::tick) was not called: it knows better what takes too long. A reset after both Close frames is no error
    /// but the end.
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
            gone && ws.close_record().is_clean()
        };
        match write(stream, self.write_buffer()) {
            Err(error) if over(self, &error) => self.write_buffer().discard(),
            Err(error) if is_patient(self.timing(), &error) => return Ok(true),
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
        if self.read_buffer().needs_input() {
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
    /// Does what is due with `stream`: writes the output if there is any, else reads once. Returns whether to go on; `false`
    /// says that the request was answered and the stream is to be closed.
    ///
    /// # Errors
    /// Those of `stream`, and `UnexpectedEof` if it ended within the head.
    pub fn exchange<S: Read + Write + ?Sized>(&mut self, stream: &mut S) -> io::Result<bool> {
        let over = self.is_over();
        let (input, output) = self.buffers();
        if output.len() > 0 {
            return match write(stream, output) {
                Err(error) if is_patient(self.timing(), &error) => Ok(true),
                written => written.map(|()| true),
            };
        }
        if over {
            return Ok(false);
        }
        match read(stream, input.space()) {
            Err(error) if is_patient(self.timing(), &error) => {}
            len => match len? {
                0 => self
                    .end_of_stream()
                    .map_err(|error| io::Error::new(ErrorKind::UnexpectedEof, error))?,
                len => self.advance(len),
            },
        }
        Ok(true)
    }

    /// Blocks until a connection is open: [`exchange`](Self::exchange) and [`accept`](Self::accept) in a loop.
    ///
    /// # Errors
    /// Those of `stream`, and `InvalidData` with an [`AcceptError`](super::AcceptError) if no connection was opened. The
    /// answer to the client has been written then.
    pub fn complete<S: Read + Write + ?Sized>(
        mut self,
        stream: &mut S,
        options: &Acceptance<'_>,
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
            return match write(stream, output) {
                Err(error) if is_patient(self.timing(), &error) => Ok(true),
                written => written.map(|()| true),
            };
        }
        if over {
            return Ok(false);
        }
        match read(stream, input.space()) {
            Err(error) if is_patient(self.timing(), &error) => {}
            len => match len? {
                0 => self
                    .end_of_stream()
                    .map_err(|error| io::Error::new(ErrorKind::UnexpectedEof, error))?,
                len => self.advance(len),
            },
        }
        Ok(true)
    }

    /// Blocks until the connection is open: [`exchange`](Self::exchange) and [`connect`](Self::connect) in a loop.
    ///
    /// # Errors
    /// Those of `stream`, and `InvalidData` with a [`ConnectError`](super::ConnectError) if the server has not accepted.
    pub fn complete<S: Read + Write + ?Sized>(mut self, stream: &mut S) -> io::Result<BufferedConnection<Client<E>>> {
        while self.exchange(stream)? {
            if let Some(ws) = self.connect().map_err(invalid)? {
                return Ok(ws);
            }
        }
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// Whether this is the stream's time-out, while deadlines are kept.
fn is_patient(timing: &Timing, error: &io::Error) -> bool {
    timing.has_begun() && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
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
