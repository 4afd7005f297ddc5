//! The output handle of the machine with its buffers: the same whether messages are compressed or not.

use crate::buffer::{SharedBytes, WriteBuffer};
use crate::connection::{Payload, PreparedMessage, Reply, Role, Tx};
#[cfg(feature = "deflate")]
use crate::deflate::DeflateTx;
use crate::error::SendError;
use crate::frame::{CloseCode, MessageKind};

/// The output handle of a [`BufferedConnection`](super::BufferedConnection): a [`Tx`] that compresses where that was
/// agreed.
#[derive(Debug)]
pub struct BufferedTx<'a, R> {
    #[cfg(not(feature = "deflate"))]
    pub(super) tx: Tx<'a, R, WriteBuffer>,
    #[cfg(feature = "deflate")]
    pub(super) tx: DeflateTx<'a, R, WriteBuffer>,
}

impl<'a, R> BufferedTx<'a, R> {
    /// A handle that compresses.
    #[cfg(feature = "deflate")]
    #[inline(always)]
    pub(super) const fn of(tx: DeflateTx<'a, R, WriteBuffer>) -> Self {
        Self { tx }
    }

    /// A handle that never compresses.
    #[inline(always)]
    pub(super) const fn new(tx: Tx<'a, R, WriteBuffer>) -> Self {
        #[cfg(feature = "deflate")]
        let tx = DeflateTx::without(tx);
        Self { tx }
    }
}

impl<'a, R: Role> BufferedTx<'a, R> {
    /// Sends a whole text message.
    ///
    /// # Errors
    /// As [`Tx::send`].
    #[inline(always)]
    pub fn text(&mut self, text: &str) -> Result<(), SendError> {
        self.tx.text(text)
    }

    /// Sends a whole binary message.
    ///
    /// # Errors
    /// As [`Tx::send`].
    #[inline(always)]
    pub fn binary(&mut self, data: &[u8]) -> Result<(), SendError> {
        self.tx.binary(data)
    }

    /// Sends a whole message.
    ///
    /// # Errors
    /// As [`Tx::send`].
    #[inline(always)]
    pub fn send<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        self.tx.send(payload)
    }

    /// Sends the next fragment of a message whose length need not be known: [`Tx::part`].
    ///
    /// # Errors
    /// As [`Tx::part`].
    pub fn part<'p>(&mut self, payload: impl Into<Payload<'p>>, fin: bool) -> Result<(), SendError> {
        self.tx.part(payload, fin)
    }

    /// The handle that does not compress: for secrets (RFC 7692 section 8), and to send frames in chunks or in place.
    pub const fn plain(&mut self) -> &mut Tx<'a, R, WriteBuffer> {
        #[cfg(feature = "deflate")]
        return self.tx.plain();
        #[cfg(not(feature = "deflate"))]
        return &mut self.tx;
    }

    /// Makes the next message refer to nothing that was sent before: [`DeflateTx::forget`].
    #[cfg(feature = "deflate")]
    pub fn forget(&mut self) {
        self.tx.forget();
    }

    /// Whether a whole message can be sent now: [`Tx::ready`].
    ///
    /// # Errors
    /// As [`Tx::ready`].
    pub fn ready(&self) -> Result<(), SendError> {
        self.tx.ready()
    }

    /// Begins a frame whose payload is sent in chunks, plain: [`Tx::begin_frame`].
    ///
    /// # Errors
    /// As [`Tx::begin_frame`].
    pub fn begin_frame(&mut self, kind: MessageKind, payload_len: u64, fin: bool) -> Result<(), SendError> {
        self.plain().begin_frame(kind, payload_len, fin)
    }

    /// Sends the next chunk of the frame that was begun: [`Tx::chunk`].
    ///
    /// # Errors
    /// As [`Tx::chunk`].
    pub fn chunk<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        self.plain().chunk(payload)
    }

    /// Sends, plain, a whole message whose bytes the output may keep by reference: [`Tx::shared`].
    ///
    /// # Errors
    /// As [`Tx::shared`].
    pub fn shared(&mut self, kind: MessageKind, payload: &SharedBytes) -> Result<(), SendError> {
        self.tx.shared(kind, payload)
    }

    /// Sends, plain, a whole message that was encoded once for many receivers: [`Tx::prepared`].
    ///
    /// # Errors
    /// As [`Tx::prepared`].
    pub fn prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.tx.prepared(message)
    }

    /// Sends a Ping: [`Tx::ping`].
    ///
    /// # Errors
    /// As [`Tx::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.tx.ping(payload)
    }

    /// Sends an unsolicited Pong: [`Tx::pong`].
    ///
    /// # Errors
    /// As [`Tx::pong`].
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.tx.pong(payload)
    }

    /// Sends a Close frame: [`Tx::close`].
    ///
    /// # Errors
    /// As [`Tx::close`].
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), SendError> {
        self.tx.close(code, reason)
    }

    /// Sends a reply of a receive half that is driven apart: [`Tx::reply`].
    ///
    /// # Errors
    /// As [`Tx::reply`].
    pub fn reply(&mut self, reply: &Reply) -> Result<(), SendError> {
        self.tx.reply(reply)
    }
}
