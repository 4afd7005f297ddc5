//! Sending with compression: what the output handle of every level calls.

use core::any::Any;

use super::broadcast::BroadcastMessage;
use super::engines::SendEngines;
use super::sending::{InStep, Sending};
use crate::buffer::Output;
use crate::connection::{Compress, Compressing, Compressor, Role, Tx};
use crate::error::SendError;

/// What compresses, where that was agreed to.
#[inline(always)]
pub(super) fn compressing<'a>(sending: &'a mut Sending, engines: &'a mut SendEngines) -> Compressing<'a> {
    if sending.setting.is_none() {
        return Compressing::Nothing;
    }
    Compressing::With(Compressor {
        histories: sending,
        engines,
    })
}

impl Compress for Sending {
    fn whole<'e>(&mut self, engines: &'e mut dyn Any, message: &[u8]) -> Option<&'e [u8]> {
        Self::whole(self, engines.downcast_mut()?, message)
    }

    fn part<'e>(&mut self, engines: &'e mut dyn Any, part: &[u8], fin: bool) -> Option<&'e [u8]> {
        Self::part(self, engines.downcast_mut()?, part, fin)
    }

    fn sent(&mut self, bytes: &[u8], fin: bool) {
        Self::sent(self, bytes, fin);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// What a compressor of this room is made of.
fn parts(compressor: Compressor<'_>) -> Option<(&mut Sending, &mut SendEngines)> {
    let engines: &mut dyn Any = compressor.engines;
    Some((compressor.histories.as_any().downcast_mut()?, engines.downcast_mut()?))
}

impl<R: Role, O: Output + ?Sized> Tx<'_, R, O> {
    /// The handle that does not compress: for secrets, which must not be compressed together with what an attacker can
    /// choose, since the length of the outcome tells whether both are alike (RFC 7692 section 8), and for what is compressed
    /// already. Plain messages leave the windows as they are.
    pub fn plain(&mut self) -> Tx<'_, R, O> {
        Tx {
            sender: self.sender,
            out: self.out,
            control: self.control,
            compressing: Compressing::Nothing,
        }
    }

    /// Makes the next message refer to nothing that was sent before.
    pub fn forget(&mut self) {
        let within = self.sender.compressed_under_way() == Some(true);
        if let (false, Some((sending, _))) = (within, self.compressing.get().and_then(parts)) {
            sending.forget();
        }
    }

    /// Sends a message of a group, compressed once for all its members that can read it.
    ///
    /// # Errors
    /// As [`Tx::prepared`].
    pub fn broadcast(&mut self, message: &mut BroadcastMessage) -> Result<(), SendError> {
        let BroadcastMessage { plain, compressed } = message;
        let parts = self.compressing.get().and_then(parts);
        let (Some((sending, engines)), Some(compressed)) = (parts, compressed) else {
            return self.prepared(plain);
        };
        self.sender.check_whole()?;
        let frame = match sending.in_step(compressed) {
            InStep::Yes => Some(&compressed.in_step),
            InStep::No => compressed.alone(plain, engines),
            InStep::TooFar => None,
        };
        let frame =
            frame.filter(|frame| sending.takeover || frame.frame().as_ref().len() < plain.frame().as_ref().len());
        let Some(frame) = frame.cloned() else {
            return self.prepared(plain);
        };
        self.prepared_compressed(&frame)?;
        if let Some((sending, _)) = self.compressing.get().and_then(self::parts) {
            sending.sent_to_group(compressed, plain.payload().len() as u64);
        }
        Ok(())
    }
}
