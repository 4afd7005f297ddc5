//! permessage-deflate (RFC 7692), seen from outside: the RFC's examples, an inflater of our own as second opinion,
//! properties, and others' bugs by name.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: a panic here is a failing test"
)]

mod bring_your_own;
mod broadcast;
mod buffered;
mod common;
mod doors;
mod end_of_message;
mod engines;
mod model;
mod negotiation;
mod others_bugs;
mod properties;
mod rfc_examples;
mod sending;
mod shown;
mod streams;
