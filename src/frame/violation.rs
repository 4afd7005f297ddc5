//! What can be wrong with a frame.

use super::close_code::CloseCode;
use crate::macros::rules;

const PROTOCOL: CloseCode = CloseCode::PROTOCOL_ERROR;
const PAYLOAD: CloseCode = CloseCode::INVALID_PAYLOAD;

rules! {
    /// A rule about frames that the peer violated.
    pub enum Violation {
        ReservedBits, "RFC 6455 section 5.2", PROTOCOL, "the peer set a reserved bit that no agreed extension gives a meaning";
        ReservedOpcode, "RFC 6455 section 5.2", PROTOCOL, "the peer sent a reserved opcode, 0x3 to 0x7 or 0xB to 0xF";
        FragmentedControl, "RFC 6455 section 5.5", PROTOCOL, "the peer sent a Close, Ping or Pong without FIN";
        UnexpectedContinuation, "RFC 6455 section 5.4", PROTOCOL, "the peer sent a continuation while no message is under way";
        ExpectedContinuation, "RFC 6455 section 5.4", PROTOCOL, "the peer began a message before the last one has ended";
        UnmaskedFrame, "RFC 6455 section 5.1", PROTOCOL, "a client sent a frame that is not masked";
        MaskedFrame, "RFC 6455 section 5.1", PROTOCOL, "a server sent a masked frame";
        ControlTooLong, "RFC 6455 section 5.5", PROTOCOL, "the peer sent a control frame with more than 125 bytes of payload";
        LengthNotMinimal, "RFC 6455 section 5.2", PROTOCOL, "the peer sent a payload length that is not in its shortest form";
        LengthTopBit, "RFC 6455 section 5.2", PROTOCOL, "the peer sent a payload length with the top bit set";
        CloseBodyOneByte, "RFC 6455 section 5.5.1", PROTOCOL, "the peer sent a Close frame with a body of one byte, which holds no code";
        InvalidCloseCode, "RFC 6455 section 7.4", PROTOCOL, "the peer sent a Close frame with a code that must not be sent";
        CloseReasonNotUtf8, "RFC 6455 section 5.5.1", PAYLOAD, "the peer sent a Close frame whose reason is not UTF-8";
        TextNotUtf8, "RFC 6455 section 8.1", PAYLOAD, "the peer sent a text message that is not UTF-8";
        NotDeflate, "RFC 7692 section 7.2.2", PAYLOAD, "the peer sent a compressed message that is not DEFLATE data, or refers to what is outside the window";
        DeflateCut, "RFC 7692 section 7.2.2", PAYLOAD, "the peer sent a compressed message that ends inside a block";
    }

    /// The code of the Close frame that answers it (section 7.4.1).
    pub(crate) const fn close_code(self) -> CloseCode;
}
