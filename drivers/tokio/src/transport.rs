//! What is done with a stream in one poll.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockless::{Output, WriteBuffer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many pieces of the output go into one vectored write.
const PIECES: usize = 16;

/// A stream to write to that may have something to flush.
#[derive(Debug)]
pub(crate) struct Outlet<W> {
    pub(crate) stream: W,
    /// Whether something was written and not flushed.
    flush_due: bool,
}

impl<W: AsyncWrite + Unpin> Outlet<W> {
    pub(crate) const fn new(stream: W) -> Self {
        Self {
            stream,
            flush_due: false,
        }
    }

    /// The same where somebody else may have written something and not flushed it.
    pub(crate) const fn resumed(stream: W) -> Self {
        Self {
            stream,
            flush_due: true,
        }
    }

    pub(crate) const fn is_flush_due(&self) -> bool {
        self.flush_due
    }

    /// Writes all of the output and flushes it. `wrote` counts the bytes that were taken, also where this is pending or fails.
    #[inline(always)]
    pub(crate) fn poll_write(
        &mut self,
        output: &mut WriteBuffer,
        wrote: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut waiting = output.len();
        while waiting > 0 {
            let len = ready!(self.poll_write_some(output, waiting, cx))?;
            if len == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.flush_due = true;
            *wrote += len;
            output.written(len);
            waiting = waiting.saturating_sub(len);
        }
        if self.flush_due {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.flush_due = false;
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_write_some(
        &mut self,
        output: &WriteBuffer,
        waiting: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let first = output.unwritten();
        // All in one piece is the common case.
        if first.len() == waiting || !stream.is_write_vectored() {
            stream.poll_write(cx, first)
        } else {
            poll_write_slices(stream, output, cx)
        }
    }

    /// Shuts down the sending direction. It may be down already.
    pub(crate) fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_shutdown(cx)) {
            Err(error) if is_gone(&error) => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

/// Writes what lies in several pieces.
#[inline(never)]
fn poll_write_slices<W: AsyncWrite>(
    stream: Pin<&mut W>,
    output: &WriteBuffer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); PIECES];
    let mut count = 0;
    for (to, from) in slices.iter_mut().zip(output.slices()) {
        *to = IoSlice::new(from);
        count += 1;
    }
    stream.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
}

/// Reads once. No bytes are the end of the stream, or there is no space.
pub(crate) fn poll_read<R: AsyncRead + Unpin>(
    stream: &mut R,
    space: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if space.is_empty() {
        return Poll::Ready(Ok(0)); // a stream might wait
    }
    let mut space = ReadBuf::new(space);
    ready!(Pin::new(stream).poll_read(cx, &mut space))?;
    Poll::Ready(Ok(space.filled().len()))
}

/// Whether the transport has been reset.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::NotConnected
    )
}

/// Whether this is the end of a stream: TLS without `close_notify`, which is what TCP has without a Close; and a reset, if
/// nothing else is expected.
pub(crate) fn is_end(error: &io::Error, is_settled: bool) -> bool {
    error.kind() == ErrorKind::UnexpectedEof || is_settled && is_gone(error)
}
