//! What the machine keeps for compressed messages: without the feature `deflate`, nothing.

#[cfg(feature = "deflate")]
pub(super) use crate::deflate::Compression;

#[cfg(not(feature = "deflate"))]
pub(super) use nothing::Compression;

#[cfg(not(feature = "deflate"))]
mod nothing {
    use alloc::vec::Vec;

    use crate::buffer::{ReadBuffer, Storage};
    use crate::connection::Compressing;
    use crate::message::AsReceived;

    pub(in crate::buffered) struct Compression;

    impl Compression {
        pub(in crate::buffered) const NONE: Self = Self;

        pub(in crate::buffered) const fn own(&self) -> AsReceived {
            AsReceived
        }

        pub(in crate::buffered) fn take_binary<S: Storage>(&self, _: &ReadBuffer<S>) -> Option<Vec<u8>> {
            None
        }

        pub(in crate::buffered) const fn release(&self) {}
    }

    impl AsReceived {
        pub(in crate::buffered) const fn compressing<'a>(self) -> Compressing<'a> {
            Compressing::Nothing
        }
    }
}
