//! A transport in memory that is always ready.
//!
//! Reads copy at most 64 KiB from a prepared stream, page by page, as a kernel would. Writes take the bytes by reference and copy
//! nothing, for everybody: what a kernel does with them afterwards is the same for all.

use std::hint::black_box;
use std::io::{self, IoSlice, Read, Write};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that one read gives.
static READ: AtomicUsize = AtomicUsize::new(64 << 10);

/// Where instructions are counted, nobody reads more than this at once: how a copy's instructions are counted depends on
/// its length.
pub fn read_alike() {
    READ.store(OWN_READ, Relaxed);
}

/// A longer copy is fast or half as fast on some processors (Intel's `rep movsb`), as the places fall.
const PAGE: usize = 4096;

/// How much those read at once who choose: what was read is still in the first-level cache when it is unmasked.
pub const OWN_READ: usize = 8 << 10;

/// A read buffer that starts with a page. How far a copy's source and target are apart within a page moves its speed by a
/// third, so those who choose their buffers have it alike instead of leaving it to the allocator.
pub struct PageBuffer {
    memory: Box<[u8]>,
    start: usize,
    len: usize,
}

impl PageBuffer {
    pub fn new(len: usize) -> Self {
        let memory: Box<[u8]> = vec![0; len + PAGE].into();
        Self {
            start: memory.as_ptr().align_offset(PAGE),
            memory,
            len,
        }
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }
}

impl DerefMut for PageBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.len]
    }
}

/// Handles on the same transport; everything runs on one thread, the atomics only make it `Send` for those who ask.
#[derive(Clone)]
pub struct Pipe(Arc<Shared>);

struct Shared {
    source: Arc<[u8]>,
    at: AtomicUsize,
    end: AtomicUsize,
    written: AtomicU64,
    keep: AtomicBool,
    kept: Mutex<Vec<u8>>,
}

impl Pipe {
    pub fn new(source: Arc<[u8]>) -> Self {
        let end = AtomicUsize::new(source.len());
        Self(Arc::new(Shared {
            source,
            at: AtomicUsize::new(0),
            end,
            written: AtomicU64::new(0),
            keep: AtomicBool::new(false),
            kept: Mutex::new(Vec::new()),
        }))
    }

    /// Makes `range` of the stream the bytes to read next.
    pub fn seek(&self, range: std::ops::Range<usize>) {
        self.0.at.store(range.start, Relaxed);
        self.0.end.store(range.end.min(self.0.source.len()), Relaxed);
    }

    /// Makes the whole stream the bytes to read next.
    pub fn rewind(&self) {
        self.seek(0..self.0.source.len());
    }

    /// Copies the next bytes of the stream; 0 means that there are no more.
    /// Not inlined, so that it takes no registers from the loop that is measured.
    #[inline(never)]
    pub fn read_into(&self, target: &mut [u8]) -> usize {
        let bytes = self.next(target.len());
        for (to, from) in target.chunks_mut(PAGE).zip(bytes.chunks(PAGE)) {
            to[..from.len()].copy_from_slice(from);
        }
        bytes.len()
    }

    #[inline]
    fn next(&self, room: usize) -> &[u8] {
        let at = self.0.at.load(Relaxed);
        let len = (self.0.end.load(Relaxed) - at).min(READ.load(Relaxed)).min(room);
        self.0.at.store(at + len, Relaxed);
        &self.0.source[at..at + len]
    }

    /// Takes the bytes that are sent.
    #[inline]
    pub fn send(&self, bytes: &[u8]) {
        let bytes = black_box(bytes);
        self.0
            .written
            .store(self.0.written.load(Relaxed) + bytes.len() as u64, Relaxed);
        if self.0.keep.load(Relaxed) {
            self.0.kept.lock().unwrap().extend_from_slice(bytes);
        }
    }

    /// The number of bytes sent since the last call.
    pub fn written(&self) -> u64 {
        self.0.written.swap(0, Relaxed)
    }

    /// Starts to keep what is sent.
    pub fn keep(&self) {
        self.0.keep.store(true, Relaxed);
    }

    /// What was sent since [`keep`](Self::keep), which ends here.
    pub fn kept(&self) -> Vec<u8> {
        self.0.keep.store(false, Relaxed);
        std::mem::take(&mut self.0.kept.lock().unwrap())
    }
}

impl Read for Pipe {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match self.read_into(target) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, target: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = self.next(target.remaining());
        if bytes.is_empty() {
            return Poll::Pending;
        }
        for page in bytes.chunks(PAGE) {
            target.put_slice(page);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.send(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut len = 0;
        for part in parts {
            self.send(part);
            len += part.len();
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls once: on this transport a future that has its input is ready at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the input ended before the messages did"),
    }
}
