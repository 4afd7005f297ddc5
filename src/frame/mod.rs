//! The wire format of RFC 6455 section 5.2: pure functions over bytes, with no state and no role.
//!
//! [`Header`] decodes and encodes frame headers, [`Mask`] masks payloads, [`CloseCode`] and [`CloseFrame`] are the body
//! of a Close frame, and [`Violation`] names what can be wrong. Whether a frame may come *now*, and from *this* peer, is
//! decided in [`connection`](crate::connection).

mod close;
mod close_code;
mod header;
mod mask;
mod opcode;
mod violation;
mod whole;

pub use close::{CloseFrame, MAX_CLOSE_REASON_LEN};
pub use close_code::CloseCode;
pub(crate) use header::{FirstByte, Length, SecondByte, with_bytes};
pub use header::{Header, MAX_CONTROL_LEN, MAX_HEADER_LEN};
pub use mask::Mask;
#[cfg(feature = "alloc")]
pub(crate) use mask::{short_block, wide};
pub use opcode::{MessageKind, Opcode};
pub use violation::Violation;
pub(crate) use whole::WholeMessage;

/// The longest control frame, in bytes: the header with a mask key, and the payload.
pub(crate) const MAX_CONTROL_FRAME_LEN: usize = 6 + MAX_CONTROL_LEN;
