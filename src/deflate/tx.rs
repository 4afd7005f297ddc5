//! The output handle that compresses.

use super::broadcast::BroadcastMessage;
use super::engines::SendEngines;
use super::sending::{InStep, Sending};
use crate::buffer::{Output, OutputFull, SharedBytes};
use crate::connection::{Payload, PreparedMessage, Reply, Role, Tx};
use crate::error::SendError;
use crate::frame::{CloseCode, MessageKind};

/// A [`Tx`] whose messages are compressed where that was agreed and is worth it.
///
/// Each call is a transaction as it is there: what does not fit the output changes nothing, on either side.
#[derive(Debug)]
pub struct DeflateTx<'a, R, O: ?Sized> {
    tx: Tx<'a, R, O>,
    /// None where nothing was agreed.
    compressor: Option<Compressor<'a>>,
}

/// What sending compressed messages takes.
#[derive(Debug)]
struct Compressor<'a> {
    sending: &'a mut Sending,
    engines: &'a mut SendEngines,
}

impl<'a, R, O: ?Sized> DeflateTx<'a, R, O> {
    /// A handle that compresses where that was agreed.
    #[inline(always)]
    pub(super) fn new(tx: Tx<'a, R, O>, sending: &'a mut Sending, engines: &'a mut SendEngines) -> Self {
        let agreed = sending.setting.is_some();
        let compressor = agreed.then_some(Compressor { sending, engines });
        Self { tx, compressor }
    }

    /// A handle that never compresses.
    #[inline(always)]
    pub(crate) const fn without(tx: Tx<'a, R, O>) -> Self {
        Self { tx, compressor: None }
    }
}

impl<'a, R: Role, O: Output + ?Sized> DeflateTx<'a, R, O> {
    /// Sends a whole text message.
    ///
    /// # Errors
    /// As [`Tx::send`].
    #[inline(always)]
    pub fn text(&mut self, text: &str) -> Result<(), SendError> {
        match &mut self.compressor {
            None => self.tx.text(text),
            Some(compressor) => compressor.whole(&mut self.tx, Payload::Text(text)),
        }
    }

    /// Sends a whole binary message.
    ///
    /// # Errors
    /// As [`Tx::send`].
    #[inline(always)]
    pub fn binary(&mut self, data: &[u8]) -> Result<(), SendError> {
        match &mut self.compressor {
            None => self.tx.binary(data),
            Some(compressor) => compressor.whole(&mut self.tx, Payload::Binary(data)),
        }
    }

    /// Sends a whole message.
    ///
    /// # Errors
    /// As [`Tx::send`].
    #[inline(always)]
    pub fn send<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        let payload = payload.into();
        match &mut self.compressor {
            None => self.tx.send(payload),
            Some(compressor) => compressor.whole(&mut self.tx, payload),
        }
    }

    /// Sends the next fragment of a message whose length need not be known. The message is compressed if its first
    /// fragment is long enough or is not the last.
    ///
    /// # Errors
    /// As [`Tx::part`].
    pub fn part<'p>(&mut self, payload: impl Into<Payload<'p>>, fin: bool) -> Result<(), SendError> {
        let payload = payload.into();
        match (&mut self.compressor, self.tx.sender.compressed_under_way()) {
            (None, _) | (_, Some(false)) => self.tx.part(payload, fin),
            (Some(_), None) if fin => self.send(payload),
            (Some(compressor), None | Some(true)) => compressor.part(&mut self.tx, payload, fin),
        }
    }

    /// The handle that does not compress: for secrets, which must not be compressed together with what an attacker can
    /// choose, since the length of the outcome tells whether both are alike (RFC 7692 section 8); for what is compressed
    /// already; and to send frames in chunks or in place. Plain messages leave the windows as they are.
    pub const fn plain(&mut self) -> &mut Tx<'a, R, O> {
        &mut self.tx
    }

    /// Makes the next message refer to nothing that was sent before.
    pub fn forget(&mut self) {
        if let (Some(compressor), None | Some(false)) = (&mut self.compressor, self.tx.sender.compressed_under_way()) {
            compressor.sending.forget();
        }
    }

    /// Sends a message of a group, compressed once for all its members that can read it.
    ///
    /// # Errors
    /// As [`Tx::prepared`].
    pub fn broadcast(&mut self, message: &mut BroadcastMessage) -> Result<(), SendError> {
        let BroadcastMessage { plain, compressed } = message;
        let (Some(compressor), Some(compressed)) = (&mut self.compressor, compressed) else {
            return self.tx.prepared(plain);
        };
        self.tx.ready()?;
        let Compressor { sending, engines } = compressor;
        let frame = match sending.in_step(compressed) {
            InStep::Yes => Some(&compressed.in_step),
            InStep::No => compressed.alone(plain, engines),
            InStep::TooFar => None,
        };
        let frame = frame.filter(|frame| sending.takeover || frame.bytes.as_ref().len() < plain.frame().as_ref().len());
        let Some(frame) = frame else {
            return self.tx.prepared(plain);
        };
        self.tx
            .prepared_compressed(plain.kind(), &frame.bytes, frame.header_len)?;
        sending.sent_to_group(compressed, plain.payload().len() as u64);
        Ok(())
    }

    /// Whether a whole message can be sent now, if the output has room.
    ///
    /// # Errors
    /// As [`Tx::ready`].
    pub fn ready(&self) -> Result<(), SendError> {
        self.tx.ready()
    }

    /// Sends, plain, a whole message whose bytes the output may keep by reference: [`Tx::shared`].
    ///
    /// # Errors
    /// As [`Tx::shared`].
    pub fn shared(&mut self, kind: MessageKind, payload: &SharedBytes) -> Result<(), SendError> {
        self.tx.shared(kind, payload)
    }

    /// Sends, plain, a whole message that was encoded once for many receivers. A [`Broadcast`](super::Broadcast)
    /// compresses once for many.
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

    /// Sends what a receive half that is driven apart said is owed to the peer: [`Tx::reply`].
    ///
    /// # Errors
    /// As [`Tx::reply`].
    pub fn reply(&mut self, reply: &Reply) -> Result<(), SendError> {
        self.tx.reply(reply)
    }
}

impl Compressor<'_> {
    fn whole<R: Role, O: Output + ?Sized>(
        &mut self,
        tx: &mut Tx<'_, R, O>,
        payload: Payload<'_>,
    ) -> Result<(), SendError> {
        tx.ready()?;
        let bytes = payload.as_bytes();
        let Some(compressed) = self.sending.whole(self.engines, bytes) else {
            return tx.send(payload);
        };
        tx.compressed_part(payload.kind(), compressed, true)?;
        self.sending.sent(bytes, true);
        Ok(())
    }

    fn part<R: Role, O: Output + ?Sized>(
        &mut self,
        tx: &mut Tx<'_, R, O>,
        payload: Payload<'_>,
        fin: bool,
    ) -> Result<(), SendError> {
        let bytes = payload.as_bytes();
        // A message that has begun compressed cannot go on plain.
        let full = SendError::OutputFull(OutputFull { needed: bytes.len() });
        let compressed = self.sending.part(self.engines, bytes, fin).ok_or(full)?;
        tx.compressed_part(payload.kind(), compressed, fin)?;
        self.sending.sent(bytes, fin);
        Ok(())
    }
}
