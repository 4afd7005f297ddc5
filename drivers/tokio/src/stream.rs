//! Owned messages, as a stream and a sink.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use sockless::connection::Role;
use sockless::error::{Failure, OutOfMemory};
use sockless::{CloseCode, CloseRecord, Event, Server};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::WebSocket;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::outgoing::Outgoing;
use crate::wakers::{Side, Wakers};

/// A message that is owned. A clone shares its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(ByteString),
    /// Binary data.
    Binary(Bytes),
}

impl Message {
    /// Text, from a `&str` or a `String`, which is not copied.
    pub fn text(text: impl Into<ByteString>) -> Self {
        Self::Text(text.into())
    }

    /// Binary data, from a `Vec<u8>`, a `Bytes` or a `&'static [u8]`, none of which is copied.
    pub fn binary(data: impl Into<Bytes>) -> Self {
        Self::Binary(data.into())
    }

    /// The bytes of either.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// The bytes of either, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(data) => data,
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::binary(data)
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::binary(data)
    }
}

/// A connection as a [`Stream`] and a [`Sink`] of owned [messages](Message): see [`WebSocket::into_stream`].
///
/// The stream ends when the connection is over. Pings, Pongs and Close frames are not among its items; they are answered.
/// Closing the sink does the whole of closing, as [`WebSocket::close`] with [`CloseCode::NORMAL`]; messages that still come
/// are discarded then.
///
/// It may be taken apart into two with `StreamExt::split` of `futures-util`, for two tasks. [`WebSocket::split`] does
/// without the lock that is in there.
pub struct MessageStream<S = TcpStream, R = Server> {
    ws: WebSocket<S, R>,
    /// The stream and the sink may be polled by two tasks.
    wakers: Arc<Wakers>,
    both: Waker,
    closing: bool,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> WebSocket<S, R> {
    /// The same with owned messages, as a [`Stream`] and a [`Sink`].
    ///
    /// Short messages are copied out of the thread's memory. Long ones that took several reads leave with the memory in which
    /// they lie, and long ones that are sent are written from where they are.
    ///
    /// ```
    /// use futures_util::{SinkExt, StreamExt};
    /// use sockless_tokio::{Message, Result, WebSocket};
    ///
    /// async fn echo(ws: WebSocket) -> Result<()> {
    ///     let mut messages = ws.into_stream();
    ///     while let Some(message) = messages.next().await.transpose()? {
    ///         messages.send(message).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn into_stream(self) -> MessageStream<S, R> {
        let (wakers, both) = Wakers::both();
        MessageStream {
            ws: self,
            wakers,
            both,
            closing: false,
            ended: false,
        }
    }
}

impl<S, R> MessageStream<S, R> {
    /// The connection, to send control frames, to set its watermark, and the like.
    pub fn get_mut(&mut self) -> &mut WebSocket<S, R> {
        &mut self.ws
    }

    /// The connection back. Nothing is lost.
    #[must_use]
    pub fn into_inner(self) -> WebSocket<S, R> {
        self.ws
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> MessageStream<S, R> {
    /// How the connection has ended so far.
    #[must_use]
    pub fn close_record(&self) -> CloseRecord<'_> {
        self.ws.close_record()
    }
}

/// Text or binary.
enum Kind {
    Text,
    Binary,
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> Machine<S, R> {
    /// The next message, if there is one.
    fn next_message(&mut self) -> Result<Option<Message>> {
        loop {
            let kind = match self.next_event() {
                Ok(Some((Event::Text(_), _))) => Kind::Text,
                Ok(Some((Event::Binary(_), _))) => Kind::Binary,
                Ok(Some(_)) => continue,
                Ok(None) => return Ok(None),
                // `poll_ready` tells it, and once.
                Err(Error::Failed(_)) => {
                    self.link.received = true;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let message = match kind {
                Kind::Text => self.take_text().map(Message::text),
                Kind::Binary => self.take_binary().map(Message::binary),
            };
            return match message {
                Some(message) => Ok(Some(message)),
                None => Err(Error::Failed(Failure::OutOfMemory(OutOfMemory))),
            };
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> Stream for MessageStream<S, R> {
    type Item = Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        this.wakers.register(Side::Read, cx.waker());
        let mut cx = Context::from_waker(&this.both);
        loop {
            if let Some(message) = this.ws.machine.next_message().transpose() {
                return Poll::Ready(Some(message));
            }
            match ready!(this.ws.machine.poll_ready(&mut cx)) {
                Ok(true) => {}
                Ok(false) => {
                    this.ended = true;
                    return Poll::Ready(None);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role> FusedStream for MessageStream<S, R> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: Role, M: Outgoing> Sink<M> for MessageStream<S, R> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        this.wakers.register(Side::Write, cx.waker());
        this.ws.machine.poll_room(&mut Context::from_waker(&this.both))
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<()> {
        Ok(message.put(&mut self.ws.tx())?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        this.wakers.register(Side::Write, cx.waker());
        this.ws.machine.poll_flush(&mut Context::from_waker(&this.both))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        this.wakers.register(Side::Write, cx.waker());
        if !std::mem::replace(&mut this.closing, true) {
            match this.ws.tx().close(CloseCode::NORMAL, "") {
                Ok(()) | Err(sockless::SendError::Closed) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        let mut cx = Context::from_waker(&this.both);
        loop {
            while let Ok(Some(_)) = this.ws.next_event() {}
            match ready!(this.ws.machine.poll_ready(&mut cx)) {
                Ok(true) => {}
                // As `WebSocket::close`.
                Ok(false) | Err(_) => {
                    this.ended = true;
                    this.wakers.wake(Side::Read);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<S, R> fmt::Debug for MessageStream<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream").finish_non_exhaustive()
    }
}
