//! The stream of a client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, tcp};
#[cfg(feature = "rustls")]
use tokio_rustls::client::TlsStream;

use crate::Split;

/// The stream of a client: TCP, or TLS over it.
#[derive(Debug)]
pub struct ClientStream {
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Plain(TcpStream),
    #[cfg(feature = "rustls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl ClientStream {
    /// The TCP stream, below TLS if there is any.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match &self.kind {
            Kind::Plain(stream) => stream,
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// The half of a [`ClientStream`] that is read from.
#[derive(Debug)]
pub struct ClientReadHalf {
    kind: ReadKind,
}

#[derive(Debug)]
enum ReadKind {
    Plain(tcp::OwnedReadHalf),
    #[cfg(feature = "rustls")]
    Tls(tokio::io::ReadHalf<TlsStream<TcpStream>>),
}

/// The half of a [`ClientStream`] that is written to.
#[derive(Debug)]
pub struct ClientWriteHalf {
    kind: WriteKind,
}

#[derive(Debug)]
enum WriteKind {
    Plain(tcp::OwnedWriteHalf),
    #[cfg(feature = "rustls")]
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
}

/// The directions of TLS share their state, and so a lock for as long as one of them is polled. Those of TCP share nothing.
impl Split for ClientStream {
    type Read = ClientReadHalf;
    type Write = ClientWriteHalf;

    fn split(self) -> (Self::Read, Self::Write) {
        match self.kind {
            Kind::Plain(stream) => {
                let (read, write) = stream.into_split();
                let read = ClientReadHalf {
                    kind: ReadKind::Plain(read),
                };
                let write = ClientWriteHalf {
                    kind: WriteKind::Plain(write),
                };
                (read, write)
            }
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => {
                let (read, write) = tokio::io::split(*stream);
                let read = ClientReadHalf {
                    kind: ReadKind::Tls(read),
                };
                let write = ClientWriteHalf {
                    kind: WriteKind::Tls(write),
                };
                (read, write)
            }
        }
    }
}

macro_rules! read {
    ($Stream:ty, $Kind:ident) => {
        impl AsyncRead for $Stream {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().kind {
                    $Kind::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
                    #[cfg(feature = "rustls")]
                    $Kind::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
                }
            }
        }
    };
}

read!(ClientStream, Kind);
read!(ClientReadHalf, ReadKind);

macro_rules! write {
    ($Stream:ty, $Kind:ident) => {
        impl AsyncWrite for $Stream {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                match &mut self.get_mut().kind {
                    $Kind::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
                    #[cfg(feature = "rustls")]
                    $Kind::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match &mut self.get_mut().kind {
                    $Kind::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
                    #[cfg(feature = "rustls")]
                    $Kind::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
                }
            }

            fn is_write_vectored(&self) -> bool {
                match &self.kind {
                    $Kind::Plain(stream) => stream.is_write_vectored(),
                    #[cfg(feature = "rustls")]
                    $Kind::Tls(stream) => stream.is_write_vectored(),
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().kind {
                    $Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
                    #[cfg(feature = "rustls")]
                    $Kind::Tls(stream) => Pin::new(stream).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().kind {
                    $Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
                    #[cfg(feature = "rustls")]
                    $Kind::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
                }
            }
        }
    };
}

write!(ClientStream, Kind);
write!(ClientWriteHalf, WriteKind);
