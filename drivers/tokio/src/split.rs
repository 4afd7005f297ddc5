//! Taking a connection apart into two halves.

use sockless::connection::Role;
use sockless::timers::Timers;
use sockless::{SendError, Timeouts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp;
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

use crate::WebSocket;
use crate::clock;
use crate::ends;
use crate::halves::{Parts, ReadHalf, WriteHalf};

/// A stream that can be taken apart into two that share no lock.
pub trait Split {
    /// What is read from.
    type Read: AsyncRead + Unpin;
    /// What is written to.
    type Write: AsyncWrite + Unpin;

    /// Takes it apart.
    fn split(self) -> (Self::Read, Self::Write);
}

impl Split for TcpStream {
    type Read = tcp::OwnedReadHalf;
    type Write = tcp::OwnedWriteHalf;

    fn split(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }
}

#[cfg(unix)]
impl Split for UnixStream {
    type Read = unix::OwnedReadHalf;
    type Write = unix::OwnedWriteHalf;

    fn split(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> WebSocket<S, R> {
    /// Takes the connection apart into two halves, for two tasks. No lock is held while either polls its stream.
    ///
    /// ```
    /// # use sockless_tokio::{Event, Result, WebSocket};
    /// # use tokio::sync::mpsc::Receiver;
    /// async fn serve(ws: WebSocket, mut news: Receiver<String>) -> Result<()> {
    ///     let Ok((mut reader, mut writer)) = ws.split() else { return Ok(()) };
    ///     tokio::spawn(async move {
    ///         while let Some(message) = news.recv().await {
    ///             writer.send(&message).await?;
    ///         }
    ///         writer.close(sockless_tokio::CloseCode::NORMAL, "").await
    ///     });
    ///     while reader.ready().await? {
    ///         while let Some(event) = reader.next_event()? {
    ///             if let Event::Text(text) = event {
    ///                 println!("{text}");
    ///             }
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The connection itself, while a frame is being sent in chunks.
    #[allow(clippy::type_complexity, reason = "the two halves are named by themselves")]
    pub fn split(self) -> Result<(ReadHalf<S::Read, S::Write, R>, WriteHalf<S::Write, R>), Self>
    where
        S: Split,
    {
        self.split_with(Split::split)
    }

    /// The same for any other stream: `split_with(tokio::io::split)` has a lock of its own around each poll, which a stream
    /// such as TLS needs, whose directions share their state.
    ///
    /// # Errors
    /// As there.
    pub fn split_with<I, O>(
        mut self,
        split: impl FnOnce(S) -> (I, O),
    ) -> Result<(ReadHalf<I, O, R>, WriteHalf<O, R>), Self>
    where
        I: AsyncRead + Unpin,
        O: AsyncWrite + Unpin,
    {
        if self.tx().ready() == Err(SendError::FrameInProgress) {
            return Err(self);
        }
        let now = clock::now();
        self.machine.ws.tick(now);
        let timers = self.machine.ws.timers().copied();
        let watermark = self.machine.ws.buffers().1.watermark();
        let subprotocol = self.subprotocol.take();
        let (stream, ws) = self.into_parts();
        match ends::split(ws) {
            Ok((receiver, sender, input, output)) => {
                let (read, write) = split(stream);
                let parts = Parts {
                    read,
                    write,
                    receiver,
                    sender,
                    input,
                    output,
                    timers: timers.unwrap_or_else(|| Timers::new(&Timeouts::OFF, now)),
                    watermark,
                };
                Ok(parts.into_halves())
            }
            // Not reached: it was asked before.
            Err(ws) => {
                let mut ws = Self::new(stream, ws);
                ws.subprotocol = subprotocol;
                Err(ws)
            }
        }
    }
}
