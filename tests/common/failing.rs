//! A transport that fails.

use std::io::{self, ErrorKind, Read, Write};

/// Gives what it holds, and then an error at each read; and if it is told to, at each write.
pub(crate) struct Transport {
    pub(crate) input: Vec<u8>,
    pub(crate) then: ErrorKind,
    pub(crate) writes_fail: bool,
}

impl Read for Transport {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(self.then.into());
        }
        let len = (&self.input[..]).read(space)?;
        self.input.drain(..len);
        Ok(len)
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.writes_fail {
            return Err(self.then.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Time-outs and another error, and whether each is a time-out; with deadlines and without; of reads and of writes.
pub(crate) fn time_outs() -> impl Iterator<Item = (ErrorKind, bool, bool, bool)> {
    let kinds = [
        (ErrorKind::WouldBlock, true),
        (ErrorKind::TimedOut, true),
        (ErrorKind::ConnectionReset, false),
    ];
    let calls = [(false, false), (false, true), (true, false), (true, true)];
    kinds
        .into_iter()
        .flat_map(move |(kind, is_time_out)| calls.map(|(ticks, writes)| (kind, is_time_out, ticks, writes)))
}
