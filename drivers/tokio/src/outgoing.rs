//! What can be sent as one message.

use sockless::buffer::WriteBuffer;
use sockless::connection::{Payload, PreparedMessage, Role};
use sockless::frame::MessageKind;
use sockless::{SendError, SharedBytes, Tx};

use crate::stream::Message;

/// What can be sent as one message: a [`Payload`], such as [`Event::message`](crate::Event::message) returns; `&str` and `&String` as text; `&[u8]`, `&[u8; N]` and `&Vec<u8>` as binary data; and a
/// `&`[`PreparedMessage`], which was encoded once for many, or with the feature `deflate` a
/// `&`[`BroadcastMessage`](sockless::deflate::BroadcastMessage), which was compressed once for many, whether they agreed to that
/// or not. A [`Message`], [`Bytes`](bytes::Bytes) and
/// [`ByteString`](bytestring::ByteString) are kept by a server as they are, without a copy, where they are long.
pub trait Outgoing: sealed::Put {}

impl<T: sealed::Put> Outgoing for T {}

mod sealed {
    use super::{Role, SendError, Tx, WriteBuffer};

    #[allow(unreachable_pub, reason = "a public bound that nobody outside can name")]
    pub trait Put {
        fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError>;
    }
}

macro_rules! put {
    ($($Type:ty, $method:ident;)*) => {
        $(impl sealed::Put for &$Type {
            fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
                tx.$method(self)
            }
        })*
    };
}

put! {
    str, text;
    String, text;
    [u8], binary;
    Vec<u8>, binary;
    PreparedMessage, prepared;
}

/// Messages at least this long are kept by reference rather than copied, in bytes.
const LONG: usize = 1 << 10;

impl sealed::Put for Message {
    fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
        match self {
            Self::Text(text) if text.len() < LONG || R::IS_CLIENT => tx.text(text),
            Self::Binary(data) if data.len() < LONG || R::IS_CLIENT => tx.binary(data),
            Self::Text(text) => tx.shared(MessageKind::Text, &SharedBytes::new(text.as_bytes().clone())),
            Self::Binary(data) => tx.shared(MessageKind::Binary, &SharedBytes::new(data.clone())),
        }
    }
}

impl sealed::Put for Payload<'_> {
    fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
        tx.send(*self)
    }
}

macro_rules! put_message {
    ($($Type:ty, $name:ident;)*) => {
        $(impl sealed::Put for $Type {
            fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
                Message::$name(self.clone()).put(tx)
            }
        })*
    };
}

put_message! {
    bytes::Bytes, binary;
    bytestring::ByteString, text;
}

#[cfg(feature = "deflate")]
impl sealed::Put for &sockless::deflate::BroadcastMessage {
    fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
        // A clone shares the bytes.
        tx.broadcast(&mut (*self).clone())
    }
}

impl<const N: usize> sealed::Put for &[u8; N] {
    fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
        tx.binary(*self)
    }
}
