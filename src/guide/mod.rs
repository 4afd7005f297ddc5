//! The manual: how to drive the crate, what it promises, and where it deviates.

#[doc = include_str!("integration.md")]
pub mod integration {}

#[doc = include_str!("compression.md")]
pub mod compression {}
#[doc = include_str!("hand_over.md")]
pub mod hand_over {}

#[doc = include_str!("coming_from_tungstenite.md")]
pub mod coming_from_tungstenite {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("deviations.md")]
pub mod deviations {}
