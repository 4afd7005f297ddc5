//! What can be wrong with a frame: one row for each rule, with its section of RFC 6455, or of RFC 7692 for what is
//! compressed, and the close code.

use core::fmt;

use super::close_code::CloseCode;

/// One row for each rule: its section of RFC 6455, the close code, and the text.
macro_rules! violations {
    ($($(#[$doc:meta])+ $name:ident: $rfc:literal $section:literal, $code:ident, $text:literal;)+) => {
        /// A rule of RFC 6455 that the peer violated.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Violation {
            $($(#[$doc])+ $name,)+
        }

        impl Violation {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The RFC and the section that hold the rule: `"RFC 6455 section 5.2"`.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("RFC ", $rfc, " section ", $section),)+
                }
            }

            /// The code of the Close frame that answers it (section 7.4.1).
            pub(crate) const fn close_code(self) -> CloseCode {
                match self {
                    $(Self::$name => CloseCode::$code,)+
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

violations! {
    /// RSV1, RSV2 or RSV3 is set and no agreed extension gives it a meaning.
    ReservedBits: 6455 "5.2", PROTOCOL_ERROR, "a reserved bit is set that no extension gives a meaning";
    /// An opcode of 0x3 to 0x7 or 0xB to 0xF.
    ReservedOpcode: 6455 "5.2", PROTOCOL_ERROR, "a reserved opcode";
    /// A Close, Ping or Pong without FIN.
    FragmentedControl: 6455 "5.5", PROTOCOL_ERROR, "a fragmented control frame";
    /// A continuation while no message is under way.
    UnexpectedContinuation: 6455 "5.4", PROTOCOL_ERROR, "a continuation frame with no message to continue";
    /// A new message before the last one has ended.
    ExpectedContinuation: 6455 "5.4", PROTOCOL_ERROR, "a new message inside a fragmented one";
    /// A client's frame that is not masked.
    UnmaskedFrame: 6455 "5.1", PROTOCOL_ERROR, "a client sent a frame that is not masked";
    /// A server's frame that is masked.
    MaskedFrame: 6455 "5.1", PROTOCOL_ERROR, "a server sent a masked frame";
    /// A control frame with more than 125 bytes of payload.
    ControlTooLong: 6455 "5.5", PROTOCOL_ERROR, "a control frame longer than 125 bytes";
    /// A length that is not in its shortest form.
    LengthNotMinimal: 6455 "5.2", PROTOCOL_ERROR, "a payload length that is not in its shortest form";
    /// A 64-bit length with the top bit set.
    LengthTopBit: 6455 "5.2", PROTOCOL_ERROR, "a payload length with the top bit set";
    /// A Close frame with a body of one byte, which holds no code.
    CloseBodyOneByte: 6455 "5.5.1", PROTOCOL_ERROR, "a Close frame with a body of one byte";
    /// A Close frame with a code that must not be sent.
    InvalidCloseCode: 6455 "7.4", PROTOCOL_ERROR, "a close code that must not be sent";
    /// A Close frame whose reason is not UTF-8.
    CloseReasonNotUtf8: 6455 "5.5.1", INVALID_PAYLOAD, "a close reason that is not UTF-8";
    /// A text message that is not UTF-8.
    TextNotUtf8: 6455 "8.1", INVALID_PAYLOAD, "a text message that is not UTF-8";
    /// A compressed message that is not DEFLATE data, or refers to what is outside the window.
    NotDeflate: 7692 "7.2.2", INVALID_PAYLOAD, "a compressed message that is not DEFLATE data";
    /// A compressed message that ends inside a block.
    DeflateCut: 7692 "7.2.2", INVALID_PAYLOAD, "a compressed message that ends inside a block";
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer violated {}: {}", self.section(), self.text())
    }
}

impl core::error::Error for Violation {}
