#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod buffered;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod connection;
pub mod entropy;
pub mod error;
pub mod frame;
#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(doc)]
pub mod guide;
pub mod handshake;
pub mod limits;
#[cfg(feature = "alloc")]
pub mod message;
pub mod output;
mod state;
mod utf8;
