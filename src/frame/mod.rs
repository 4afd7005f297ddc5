//! The frame codec of RFC 6455 section 5.2: pure functions over bytes, with no state and no role.

mod mask;

pub use mask::Mask;
