//! A stream that takes and gives as little as it likes, and makes its callers wait for no reason.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A small generator of random numbers, shared by all that a run does.
#[derive(Clone)]
pub(crate) struct Random(Rc<Cell<u64>>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)))
    }

    /// Less than `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        usize::try_from(x >> 33).unwrap() % end.max(1)
    }

    pub(crate) fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// See above.
pub(crate) struct Chaos {
    stream: DuplexStream,
    random: Random,
    vectored: bool,
}

impl Chaos {
    pub(crate) fn new(stream: DuplexStream, random: &Random) -> Self {
        Self {
            stream,
            random: random.clone(),
            vectored: random.one_in(2),
        }
    }

    fn stalls(&self, cx: &mut Context<'_>) -> bool {
        let stalls = self.random.one_in(4);
        if stalls {
            cx.waker().wake_by_ref();
        }
        stalls
    }

    /// At most so many bytes, and mostly less.
    fn part(&self, len: usize) -> usize {
        match self.random.below(4) {
            0 => len.min(1),
            1 => len.min(1 + self.random.below(20)),
            2 => len.min(1 + self.random.below(5000)),
            _ => len,
        }
    }
}

impl AsyncRead for Chaos {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stalls(cx) {
            return Poll::Pending;
        }
        let len = self.part(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(len));
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        let filled = part.filled().len();
        buf.advance(filled);
        polled
    }
}

impl AsyncWrite for Chaos {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.stalls(cx) {
            return Poll::Pending;
        }
        let len = self.part(bytes.len());
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..len])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.poll_write(cx, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stalls(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stalls(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Polls a future so many times and drops it if it is not done by then.
pub(crate) struct Cancel<F> {
    future: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Cancel<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.left -= 1;
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                // It may wait for what the other side does only once this is dropped.
                cx.waker().wake_by_ref();
                if self.left == 0 {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                }
            }
        }
    }
}

/// Polls a future a few times. `None` if it was dropped before it was done.
pub(crate) fn cancel<F: Future>(random: &Random, future: F) -> Cancel<F> {
    Cancel {
        future: Box::pin(future),
        left: 1 + random.below(4),
    }
}
