//! A conformance kit for RFC 6455: generators, a reference model, and a checker, for any implementation.
//!
//! - [`generate`]: proptest strategies for legal sessions, for sessions with exactly one [`Rule`] broken, for byte soup,
//!   and for ways to cut bytes into chunks; for both roles, frames and opening handshakes.
//! - [`model`]: a second, slow and plain implementation of receiving, which shares no code with the machine of this
//!   crate. The crate's own property tests compare the machine with it.
//! - [`Checker`]: runs an [`Implementation`] against generated sessions and reports, by section of the RFC, what it
//!   got wrong, with the bytes and the cuts that show it, shrunk.
//! - [`arbitrary`](::arbitrary::Arbitrary) implementations for the protocol's types, for fuzzing.
//!
//! All of it is sans-I/O: no sockets, no threads, no clock. What is generated depends on the seed only.
//!
//! # What is not in the RFC
//!
//! [`Rule::TooManyFragments`] is a limit of this crate, not of RFC 6455: [`Rule::is_of_this_crate`] says so. The
//! [`Checker`] leaves it out, and so does [`Case::all`]; [`Rule::ALL`] and
//! [`generate::one_rule_broken`] have it, which says how to filter. A length with the top bit set
//! ([`Rule::LengthTopBit`]) is necessarily too big as well ([`Rule::TooBig`]): either code is right for it.
//!
//! # How to test an implementation
//!
//! Say how it is fed and what comes out of it; the same lines test any other. Here it is this crate:
//!
//! ```
//! use sockless::conformance::{Checker, Role, Verdict, Wire};
//! use sockless::connection::{Connection, Server};
//! use sockless::message::{Event, MessageConnection};
//!
//! let mut server = |wire: &mut Wire| {
//!     if wire.has_handshake() {
//!         return wire.skip();
//!     }
//!     let mut ws = MessageConnection::new(Connection::new(Server, &Default::default()));
//!     while let Some(mut bytes) = wire.next() {
//!         let (mut input, mut out) = (&mut bytes[..], Vec::new());
//!         let error = loop {
//!             match ws.receive(&mut input, &mut out) {
//!                 Ok(Some((Event::Text(text), _))) => wire.text(text, true),
//!                 Ok(Some((Event::Binary(data), _))) => wire.binary(data, true),
//!                 Ok(Some(_)) => {}
//!                 Ok(None) => break None,
//!                 Err(error) => break Some(error),
//!             }
//!         };
//!         wire.sent(&out);
//!         if let Some(error) = error {
//!             return wire.failed(error);
//!         }
//!     }
//! };
//! let report = Checker::new().cases(4).check("my server", Role::Server, &mut server);
//! assert_eq!(report.verdict(), Verdict::Pass, "{report}");
//! ```

#![allow(
    clippy::cast_possible_truncation,
    reason = "a test tool: its lengths are made up here and fit any usize"
)]

mod arbitrary;
mod check;
pub mod generate;
pub mod model;
mod rule;

pub use check::{Checker, Finding, Implementation, Report, Table, Verdict, Wire, judge};
pub use generate::{Case, Session, Split, Topic};
pub use rule::{Answer, Role, Rule};
