//! Fragmentation (RFC 6455 section 5.4): what a frame is, seen from where a half was.
//! ```text
//! Receiving and sending alike:
//!
//!            text / binary without FIN
//!   Between ---------------------------> Within(kind) --+
//!     |  ^                                 |  ^         | continuation without FIN
//!     +--+ text / binary with FIN          |  +---------+
//!     ^                                    |
//!     +------------------------------------+
//!            continuation with FIN
//!
//! Control frames may come anywhere and change nothing here.
//! ```

use crate::frame::{MessageKind, Opcode, Violation};

/// Where a half is between messages: `None` between two, or inside one of this kind.
pub(crate) type Fragmentation = Option<MessageKind>;

/// The three control opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Close,
    Ping,
    Pong,
}

/// What a frame is, seen from where the half was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A frame of a message: its first one, or a later one.
    Data { kind: MessageKind, first: bool },
    /// A control frame.
    Control(Control),
}

/// What a frame with this opcode is, after what came before it.
#[inline]
pub(crate) const fn classify(within: Fragmentation, opcode: Opcode) -> Result<Frame, Violation> {
    match (opcode, within) {
        (Opcode::Text, None) => Ok(Frame::Data {
            kind: MessageKind::Text,
            first: true,
        }),
        (Opcode::Binary, None) => Ok(Frame::Data {
            kind: MessageKind::Binary,
            first: true,
        }),
        (Opcode::Text | Opcode::Binary, Some(_)) => Err(Violation::ExpectedContinuation),
        (Opcode::Continuation, Some(kind)) => Ok(Frame::Data { kind, first: false }),
        (Opcode::Continuation, None) => Err(Violation::UnexpectedContinuation),
        (Opcode::Close, _) => Ok(Frame::Control(Control::Close)),
        (Opcode::Ping, _) => Ok(Frame::Control(Control::Ping)),
        (Opcode::Pong, _) => Ok(Frame::Control(Control::Pong)),
    }
}

/// Where a half is after a data frame has ended.
#[inline]
pub(crate) const fn after(kind: MessageKind, fin: bool) -> Fragmentation {
    if fin { None } else { Some(kind) }
}
