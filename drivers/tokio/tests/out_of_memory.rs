//! A half that has no memory to read into takes that for what it is, not for the end of the stream. The test runs itself again
//! as a process that may take only so much.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io;
use std::pin::Pin;
use std::process::Command;
use std::task::{Context, Poll};

use sockless_tokio::sockless::error::{Failure, OutOfMemory};
use sockless_tokio::sockless::{BufferedConnection, Connection, Limits};
use sockless_tokio::{Error, Event, Server, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much address space the test's process may take, in KiB.
const MEMORY_KIB: usize = 300_000;

/// Runs a test in a process with little memory: returns whether this is that process.
fn with_little_memory(test: &str) -> bool {
    if std::env::var_os("LITTLE_MEMORY").is_some() {
        return true;
    }
    let script = format!("ulimit -v {MEMORY_KIB} && exec \"$0\" --exact {test} --nocapture --test-threads=1");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env("LITTLE_MEMORY", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    false
}

/// A stream that brings the header of a message of a gigabyte, the message, which is zeros, and its end.
struct Endless {
    header: Vec<u8>,
    left: usize,
}

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let header = std::mem::take(&mut self.header);
        buf.put_slice(&header);
        // What lies in the memory will do for the message.
        let len = buf.initialized().len().min(self.left);
        if header.is_empty() {
            self.left -= len;
            buf.advance(len);
        }
        Poll::Ready(Ok(()))
    }
}

/// Keeps what is written.
struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn no_space_is_not_the_end_of_the_stream() {
    if !with_little_memory("no_space_is_not_the_end_of_the_stream") {
        return;
    }
    let limits = Limits::default()
        .with_max_frame_len(u64::MAX)
        .with_max_message_len(u64::MAX);
    let written = std::sync::Arc::default();
    let endless = Endless {
        header: b"\x82\xff\0\0\0\0\x40\0\0\0\0\0\0\0".to_vec(),
        left: 1 << 30,
    };
    let stream = tokio::io::join(endless, Sink(std::sync::Arc::clone(&written)));
    let ws = WebSocket::new(stream, BufferedConnection::new(Connection::new(Server, &limits)));
    let (mut reader, _writer) = ws.split_with(tokio::io::Join::into_inner).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ended = runtime.block_on(async {
        loop {
            match reader.ready().await {
                Ok(true) => {}
                ended => return ended,
            }
            while let Some(event) = reader.next_event().unwrap() {
                assert!(!matches!(event, Event::Binary(_)));
            }
        }
    });
    assert!(
        matches!(ended, Err(Error::Failed(Failure::OutOfMemory(OutOfMemory)))),
        "{ended:?}"
    );
    assert_eq!(*written.lock().unwrap(), b"\x88\x02\x03\xf3"); // 1011
}
