//! What can be sent as one message.

use sockless::buffer::WriteBuffer;
use sockless::connection::{Payload, PreparedMessage, Role};
use sockless::{SendError, Tx};

/// What can be sent as one message: a [`Payload`], such as [`Event::message`](crate::Event::message) returns; `&str` and `&String` as text; `&[u8]`, `&[u8; N]` and `&Vec<u8>` as binary data; and a
/// `&`[`PreparedMessage`], which was encoded once for many.
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

impl sealed::Put for Payload<'_> {
    fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
        tx.send(*self)
    }
}

impl<const N: usize> sealed::Put for &[u8; N] {
    fn put<R: Role>(&self, tx: &mut Tx<'_, R, WriteBuffer>) -> Result<(), SendError> {
        tx.binary(*self)
    }
}
