//! Reading from and writing to whatever implements `std::io`.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use super::BufferedConnection;
use crate::buffer::{Output, WriteBuffer};
use crate::connection::Role;

impl<R: Role> BufferedConnection<R> {
    /// Reads once into the [space](Self::space). Returns how many bytes came; 0 is the end of the stream, of which the
    /// connection is told.
    ///
    /// A reset of the transport after both Close frames is an end like any other.
    ///
    /// # Errors
    /// Those of `stream`, `WouldBlock` and `TimedOut` among them. The connection is as it was.
    pub fn read_from(&mut self, stream: &mut (impl Read + ?Sized)) -> io::Result<usize> {
        let len = match read(stream, self.space()) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset && self.close_record().is_clean() => 0,
            len => len?,
        };
        if len == 0 {
            self.end_of_stream();
        } else {
            self.advance(len);
        }
        Ok(len)
    }

    /// Writes all of the output.
    ///
    /// # Errors
    /// Those of `stream`, `WouldBlock` and `TimedOut` among them. What was not written stays in the output.
    pub fn write_to(&mut self, stream: &mut (impl Write + ?Sized)) -> io::Result<()> {
        write(stream, self.write_buffer())
    }
}

/// Reads once, and again if interrupted.
pub(super) fn read(stream: &mut (impl Read + ?Sized), space: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            len => return len,
        }
    }
}

/// Writes all that is unwritten.
pub(super) fn write(stream: &mut (impl Write + ?Sized), output: &mut WriteBuffer) -> io::Result<()> {
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
