//! Opcodes, RFC 6455 sections 5.2 and 11.8.

use super::violation::Violation;

/// What a frame is, RFC 6455 section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// `0x0`: goes on with the message that an earlier frame began.
    Continuation,
    /// `0x1`: begins a text message.
    Text,
    /// `0x2`: begins a binary message.
    Binary,
    /// `0x8`: closes the connection.
    Close,
    /// `0x9`: asks for a Pong.
    Ping,
    /// `0xA`: answers a Ping, or says unasked that the sender is alive.
    Pong,
}

impl Opcode {
    /// Every opcode that the RFC defines.
    pub const ALL: [Self; 6] = [
        Self::Continuation,
        Self::Text,
        Self::Binary,
        Self::Close,
        Self::Ping,
        Self::Pong,
    ];

    /// Reads the low four bits of a frame's first byte; the others are ignored.
    ///
    /// # Errors
    /// [`Violation::ReservedOpcode`] for 0x3 to 0x7 and 0xB to 0xF.
    #[inline]
    pub(super) const fn from_bits(bits: u8) -> Result<Self, Violation> {
        match bits & 0xf {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            _ => Err(Violation::ReservedOpcode),
        }
    }

    /// The four bits on the wire. They are not the discriminants: numbered without gaps, a match over them is shorter.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Whether this is a control frame: never fragmented, at most 125 bytes (section 5.5).
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }
}

/// The two kinds of message, RFC 6455 section 5.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Arbitrary bytes.
    Binary,
}

impl MessageKind {
    /// The opcode of a message's first frame.
    #[inline]
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}
