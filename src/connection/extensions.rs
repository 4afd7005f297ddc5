//! What agreed extensions change on the wire.

/// What the extensions that were agreed in the opening handshake change about frames. It is part of the connection that
/// the handshake becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extensions {
    /// Messages may be compressed (RFC 7692 section 6). RSV1 marks the first frame of such a message, and its payload is
    /// handed out as it is; whoever agreed to the extension decompresses it.
    pub compression: bool,
}

impl Extensions {
    /// No extension.
    pub const NONE: Self = Self { compression: false };

    /// [Compressed messages](Self::compression).
    pub const COMPRESSION: Self = Self { compression: true };
}

/// RSV1 as a bit of [`Header::rsv`](crate::frame::Header::rsv).
pub(crate) const RSV1: u8 = 4;
