//! A stream in memory: reads block once it is empty.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use sockless::conformance::Wire;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Default)]
struct Bytes {
    input: VecDeque<u8>,
    output: Vec<u8>,
}

#[derive(Clone, Default)]
pub(crate) struct Pipe(Arc<Mutex<Bytes>>);

impl Pipe {
    /// Tells what was written, and lets the next chunk arrive. `false`: there is none.
    pub(crate) fn turn(&self, wire: &mut Wire) -> bool {
        self.tell(wire);
        let Some(chunk) = wire.next() else {
            return false;
        };
        self.0.lock().unwrap().input.extend(chunk);
        true
    }

    /// Tells what was written.
    pub(crate) fn tell(&self, wire: &mut Wire) {
        wire.sent(&std::mem::take(&mut self.0.lock().unwrap().output));
    }

    /// Drives a future, with chunks as it wants them. `None`: it wants more than there is.
    pub(crate) fn drive<F: Future>(&self, wire: &mut Wire, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(result);
            }
            if !self.turn(wire) {
                return None;
            }
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let input = &mut self.0.lock().unwrap().input;
        if input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        input.read(to)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let input = &mut self.0.lock().unwrap().input;
        if input.is_empty() {
            return Poll::Pending;
        }
        let len = input.len().min(to.remaining());
        let bytes: Vec<u8> = input.drain(..len).collect();
        to.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
