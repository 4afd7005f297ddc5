#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod check;
mod compression;
mod deflate;
mod frame;
pub mod generate;
mod head;
pub mod model;
pub mod net;
mod pipe;
mod rule;
mod session;
mod tables;

pub use check::{Checker, Finding, Implementation, Judgement, Progress, Report, Table, Verdict, Wire, judge};
pub use generate::Split;
pub use pipe::Pipe;
pub use rule::{Answer, Role, Rule};
pub use session::{ACCEPT, Case, Session, Topic};
pub use tables::{autobahn_cases, sessions, volume_sessions};
