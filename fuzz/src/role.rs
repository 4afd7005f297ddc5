//! The two roles, with predictable keys.

use sockless::connection::{self, Client, Server};
use sockless_conformance::Role;

/// Either role of a connection.
pub trait Peer: connection::Role + 'static {
    /// The kit's name for it.
    const ROLE: Role;

    /// An endpoint in this role.
    fn make() -> Self;
}

impl Peer for Server {
    const ROLE: Role = Role::Server;

    fn make() -> Self {
        Self
    }
}

/// Predictable keys: for tests only.
pub type FixedKeys = fn(&mut [u8]);

impl Peer for Client<FixedKeys> {
    const ROLE: Role = Role::Client;

    fn make() -> Self {
        Self::new(|key| {
            for (to, from) in key.iter_mut().zip([0x37, 0xfa, 0x21, 0x3d]) {
                *to = from;
            }
        })
    }
}
