//! Where inbound bytes lie and where outbound bytes go.
//!
//! - [`ReadBuffer`]: input for whole messages and for the opening handshake, growing or over a fixed slice.
//! - [`Output`]: the trait of whatever takes outbound bytes: a `Vec<u8>`, a fixed slice ([`SliceOutput`]), a
//!   [`WriteBuffer`], or a type of your own.

mod output;
mod read;
mod slice;
#[cfg(feature = "alloc")]
mod vec;
#[cfg(feature = "alloc")]
mod write;

pub use output::{Output, OutputFull};
pub(crate) use read::Cursor;
pub use read::{ReadBuffer, Storage};
pub use slice::SliceOutput;
#[cfg(feature = "alloc")]
pub use write::{SharedBytes, WriteBuffer};
