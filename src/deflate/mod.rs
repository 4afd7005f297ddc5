//! Compressed messages: permessage-deflate (RFC 7692).
//!
//! A connection keeps only its histories, the last bytes that it received and sent, and each side may refer to those. The
//! [`Engines`] that inflate and compress belong to the caller, one value for each thread, and are lent to each call:
//!
//! | what | bytes |
//! |---|---|
//! | a connection, without takeover | its own size, 0 more |
//! | a connection, with takeover | its own size, up to 2^window received, up to what is kept of what was sent (4 KiB) |
//! | a thread | 47,552 for an inflater, 164,992 for a deflater, scratch |
//! | a message that is being received in chunks | 47,552 for an inflater, up to 2^window |

mod agreement;
mod broadcast;
mod compression;
mod engines;
mod halves;
mod history;
mod inflation;
mod joined;
mod negotiation;
mod options;
mod receiving;
mod sending;
mod shell;
mod tx;
mod zlib;

#[cfg(test)]
mod tests;

pub use agreement::DeflateAgreement;
pub use broadcast::{Broadcast, BroadcastMessage};
pub(crate) use compression::Compression;
pub use engines::Engines;
pub use halves::{DeflateReceiver, DeflateSender};
pub use joined::DeflateConnection;
pub use options::{DeflateOffer, DeflateOptions};
pub(crate) use shell::Lent;
