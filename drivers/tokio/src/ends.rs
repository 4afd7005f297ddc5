//! The halves of the core, whose messages may be compressed. Engines are the thread's, and are lent for as long as an event is
//! looked at or a message is put into the output.

use sockless::buffer::WriteBuffer;
use sockless::connection::{Receiver, Role, Sender};
#[cfg(feature = "deflate")]
use sockless::deflate::{DeflateReceiver, DeflateSender, Engines};
use sockless::error::Failure;
use sockless::{BufferedConnection, Event, ReadBuffer, Tx};

#[cfg(feature = "deflate")]
use crate::memory;

/// The half that receives.
pub(crate) enum ReceiveEnd<R> {
    Plain(Receiver<R>),
    /// With the engines in which the last message lies.
    #[cfg(feature = "deflate")]
    Deflate(Box<DeflateReceiver<R>>, Option<Box<Engines>>),
}

/// The half that sends.
pub(crate) enum SendEnd<R> {
    Plain(Sender<R>),
    #[cfg(feature = "deflate")]
    Deflate(Box<DeflateSender<R>>),
}

/// Both, with the buffers.
type Ends<R> = (ReceiveEnd<R>, SendEnd<R>, ReadBuffer, WriteBuffer);

/// Takes a connection apart, unless a frame is being sent in chunks.
#[allow(clippy::result_large_err, reason = "the error is the connection, handed back")]
pub(crate) fn split<R: Role>(ws: BufferedConnection<R>) -> Result<Ends<R>, BufferedConnection<R>> {
    #[cfg(feature = "deflate")]
    if ws.compression_memory().is_some() {
        let (ws, input, output) = ws.into_deflate_parts();
        return match ws.split() {
            Ok((receiver, sender)) => {
                let receiver = ReceiveEnd::Deflate(Box::new(receiver), None);
                Ok((receiver, SendEnd::Deflate(Box::new(sender)), input, output))
            }
            Err(ws) => Err(BufferedConnection::from_deflate_parts(ws, input, output)),
        };
    }
    let (connection, input, output) = ws.into_parts();
    match connection.split() {
        Ok((receiver, sender)) => Ok((ReceiveEnd::Plain(receiver), SendEnd::Plain(sender), input, output)),
        Err(connection) => Err(BufferedConnection::new(connection)),
    }
}

impl<R: Role> ReceiveEnd<R> {
    pub(crate) fn receive<'e>(&'e mut self, input: &'e mut ReadBuffer) -> Result<Option<Event<'e>>, Failure> {
        match self {
            Self::Plain(receiver) => receiver.receive(input),
            #[cfg(feature = "deflate")]
            Self::Deflate(receiver, engines) => receiver.receive(input, engines.get_or_insert_with(memory::engines)),
        }
    }

    pub(crate) fn end_of_stream(&mut self) {
        match self {
            Self::Plain(receiver) => drop(receiver.end_of_stream()),
            #[cfg(feature = "deflate")]
            Self::Deflate(receiver, _) => drop(receiver.end_of_stream()),
        }
    }

    /// The half itself, to ask it about its state.
    pub(crate) fn receiver(&self) -> &Receiver<R> {
        match self {
            Self::Plain(receiver) => receiver,
            #[cfg(feature = "deflate")]
            Self::Deflate(receiver, _) => receiver.receiver(),
        }
    }

    /// Gives the engines back, once all events were received.
    pub(crate) fn rest(&mut self) {
        match self {
            Self::Plain(_) => {}
            #[cfg(feature = "deflate")]
            Self::Deflate(_, engines) => {
                if let Some(engines) = engines.take() {
                    memory::were_engines(engines);
                }
            }
        }
    }
}

impl<R: Role> SendEnd<R> {
    /// Uses the output handle.
    pub(crate) fn with_tx<T>(
        &mut self,
        output: &mut WriteBuffer,
        send: impl FnOnce(&mut Tx<'_, R, WriteBuffer>) -> T,
    ) -> T {
        match self {
            Self::Plain(sender) => send(&mut sender.tx(output)),
            #[cfg(feature = "deflate")]
            Self::Deflate(sender) => {
                let mut engines = memory::engines();
                let sent = send(&mut sender.tx(output, &mut engines));
                memory::were_engines(engines);
                sent
            }
        }
    }

    pub(crate) fn sending_shut_down(&mut self) {
        match self {
            Self::Plain(sender) => sender.sending_shut_down(),
            #[cfg(feature = "deflate")]
            Self::Deflate(sender) => sender.sending_shut_down(),
        }
    }

    /// The half itself, to ask it about its state.
    pub(crate) fn sender(&self) -> &Sender<R> {
        match self {
            Self::Plain(sender) => sender,
            #[cfg(feature = "deflate")]
            Self::Deflate(sender) => sender.sender(),
        }
    }
}
