//! A stream in memory for implementations that want one, blocking or asynchronous.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::check::Wire;

/// How often an implementation may read from an empty pipe without writing.
const IDLE_READS: u32 = 100_000;

#[derive(Default)]
struct Bytes {
    input: VecDeque<u8>,
    output: Vec<u8>,
    idle_reads: u32,
}

/// A stream in memory between an implementation and a [`Wire`]. A clone is another handle to the same stream.
///
/// It implements [`Read`] and [`Write`]; reading from it is [`WouldBlock`](io::ErrorKind::WouldBlock) while it is empty.
/// With the feature `tokio` it implements tokio's `AsyncRead` and `AsyncWrite`, with `futures-io` those of the futures
/// crates; nothing wakes a task, since [`drive`](Self::drive) polls again whenever bytes have arrived.
///
/// ```
/// use std::io::{Read, Write};
/// use sockless_conformance::{Pipe, Wire};
///
/// fn run(wire: &mut Wire) {
///     let pipe = Pipe::new();
///     let mut stream = pipe.clone(); // For the implementation.
///     let mut bytes = [0; 1024];
///     loop {
///         match stream.read(&mut bytes) {
///             Ok(len) => { /* what was received goes to `wire.text`, `wire.binary` and the like */ }
///             Err(_) if !pipe.turn(wire) => return,
///             Err(_) => {}
///         }
///     }
/// }
/// ```
#[derive(Clone, Default)]
pub struct Pipe(Arc<Mutex<Bytes>>);

impl Pipe {
    /// An empty pipe.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the wire what was written, and lets the next chunk arrive. `false`: there is none.
    pub fn turn(&self, wire: &mut Wire) -> bool {
        self.tell(wire);
        let Some(chunk) = wire.next() else {
            return false;
        };
        self.lock().input.extend(chunk);
        true
    }

    /// Tells the wire what was written.
    pub fn tell(&self, wire: &mut Wire) {
        let output = std::mem::take(&mut self.lock().output);
        wire.sent(&output);
    }

    /// Drives a future, with chunks as it wants them. `None`: it wants more than there is.
    pub fn drive<F: Future>(&self, wire: &mut Wire, future: F) -> Option<F::Output> {
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
        let mut bytes = self.lock();
        if bytes.input.is_empty() && !to.is_empty() {
            bytes.idle_reads += 1;
            if bytes.idle_reads > IDLE_READS {
                return Err(io::Error::other("the pipe is read again and again while it is empty"));
            }
            return Err(io::ErrorKind::WouldBlock.into());
        }
        bytes.idle_reads = 0;
        bytes.input.read(to)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an empty pipe is to a task: no bytes yet.
#[cfg(any(feature = "tokio", feature = "futures-io"))]
fn pending<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

#[cfg(feature = "tokio")]
mod with_tokio {
    use std::io::{self, Read as _, Write as _};
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::{Pipe, pending};

    impl AsyncRead for Pipe {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let mut bytes = vec![0; to.remaining().min(1 << 16)];
            let len = ready!(pending(self.read(&mut bytes)))?;
            to.put_slice(bytes.get(..len).unwrap_or_default());
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
}

#[cfg(feature = "futures-io")]
mod with_futures_io {
    use std::io::{self, Read as _, Write as _};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_io::{AsyncRead, AsyncWrite};

    use super::{Pipe, pending};

    impl AsyncRead for Pipe {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
            pending(self.read(to))
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(self.write(bytes))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
}
