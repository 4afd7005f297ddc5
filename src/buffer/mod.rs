//! Where inbound bytes lie and where outbound bytes go.
//!
//! - [`ReadBuffer`]: input for whole messages and for the opening handshake, growing or over a fixed slice.
//! - [`Output`]: the trait of whatever takes outbound bytes: a `Vec<u8>`, a fixed slice ([`SliceOutput`]), a
//!   [`WriteBuffer`], or a type of your own.

mod len;
#[cfg(feature = "alloc")]
mod lend;
mod output;
mod read;
#[cfg(feature = "alloc")]
mod shared;
mod slice;
mod storage;
#[cfg(feature = "alloc")]
mod vec;
#[cfg(feature = "alloc")]
mod write;

pub use output::{OutOfMemory, Output, OutputFull};
pub(crate) use read::Cursor;
pub use read::ReadBuffer;
#[cfg(feature = "alloc")]
pub use shared::SharedBytes;
pub use slice::SliceOutput;
pub use storage::Storage;
pub(crate) use storage::move_to_front;
#[cfg(feature = "alloc")]
pub use write::WriteBuffer;
