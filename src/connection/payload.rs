//! What is sent as one message.

use crate::frame::MessageKind;
#[cfg(feature = "alloc")]
use crate::{
    buffer::SharedBytes,
    error::OutOfMemory,
    frame::{Header, MAX_HEADER_LEN},
};

/// The payload of a message: text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// Arbitrary bytes.
    Binary(&'a [u8]),
}

impl<'a> Payload<'a> {
    #[inline]
    pub(crate) const fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// The bytes, as they are before masking.
    #[inline]
    pub(crate) const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(data)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(data)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::string::String> for Payload<'a> {
    fn from(text: &'a alloc::string::String) -> Self {
        Self::Text(text)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a alloc::vec::Vec<u8>> for Payload<'a> {
    fn from(data: &'a alloc::vec::Vec<u8>) -> Self {
        Self::Binary(data)
    }
}

/// A message for many receivers, encoded once.
///
/// A server's outputs share its bytes ([`Tx::prepared`](super::Tx::prepared)). A client masks each frame with a fresh
/// key, and so sends a copy.
///
/// ```
/// use sockless::buffer::WriteBuffer;
/// use sockless::connection::{PreparedMessage, Sender, Server};
///
/// let news = PreparedMessage::new("news")?;
/// let mut clients = [Sender::new(Server), Sender::new(Server)].map(|sender| (sender, WriteBuffer::new()));
/// for (sender, out) in &mut clients {
///     sender.tx(out).prepared(&news)?;
///     assert_eq!(out.unwritten(), b"\x81\x04news");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "alloc")]
#[derive(Clone, Debug)]
pub struct PreparedMessage {
    frame: SharedBytes,
    header_len: usize,
    kind: MessageKind,
}

#[cfg(feature = "alloc")]
impl PreparedMessage {
    /// Encodes the message in one frame.
    ///
    /// # Errors
    /// [`OutOfMemory`]
    pub fn new<'p>(payload: impl Into<Payload<'p>>) -> Result<Self, OutOfMemory> {
        let payload = payload.into();
        Self::encode(payload.kind(), 0, payload.as_bytes())
    }

    /// The same with these reserved bits.
    pub(crate) fn encode(kind: MessageKind, rsv: u8, payload: &[u8]) -> Result<Self, OutOfMemory> {
        let mut block = [0; MAX_HEADER_LEN];
        let header = Header {
            fin: true,
            rsv,
            opcode: kind.opcode(),
            mask_key: None,
            payload_len: payload.len() as u64,
        }
        .encode(&mut block);
        let mut frame = alloc::vec::Vec::new();
        let len = header.len().saturating_add(payload.len());
        frame.try_reserve_exact(len).map_err(|_| OutOfMemory)?;
        frame.extend_from_slice(header);
        frame.extend_from_slice(payload);
        Ok(Self {
            frame: SharedBytes::new(frame),
            header_len: header.len(),
            kind,
        })
    }

    /// The whole frame, as a server sends it.
    pub(crate) const fn frame(&self) -> &SharedBytes {
        &self.frame
    }

    /// The payload alone.
    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.as_ref().get(self.header_len..).unwrap_or_default()
    }

    /// Text or binary.
    pub(crate) const fn kind(&self) -> MessageKind {
        self.kind
    }
}
