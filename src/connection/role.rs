//! The two roles, as types: what only one of them may do is checked at compile time.

use crate::entropy::Entropy;

/// Which endpoint of a connection this is: [`Server`] or [`Client`].
///
/// A client masks what it sends and accepts only unmasked frames. A server does the opposite (RFC 6455 section 5.1).
pub trait Role: sealed::Sealed {
    /// Whether this endpoint is the client.
    const IS_CLIENT: bool;

    /// The key for the next frame, if this endpoint masks.
    #[doc(hidden)]
    fn next_mask_key(&mut self) -> Option<[u8; 4]>;
}

/// The server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Server;

impl Role for Server {
    const IS_CLIENT: bool = false;

    #[inline]
    fn next_mask_key(&mut self) -> Option<[u8; 4]> {
        None
    }
}

/// The client, with the source of its mask keys.
#[derive(Clone, Copy, Default)]
pub struct Client<E> {
    entropy: E,
}

impl<E: Entropy> Client<E> {
    /// A client that takes its mask keys from `entropy`: they must be unpredictable (RFC 6455 section 5.3).
    pub const fn new(entropy: E) -> Self {
        Self { entropy }
    }
}

/// Does not show the source.
impl<E> core::fmt::Debug for Client<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl<E: Entropy> Role for Client<E> {
    const IS_CLIENT: bool = true;

    #[inline]
    fn next_mask_key(&mut self) -> Option<[u8; 4]> {
        let mut key = [0; 4];
        self.entropy.fill(&mut key);
        Some(key)
    }
}

mod sealed {
    #[allow(unreachable_pub, reason = "a public bound that nobody outside can name")]
    pub trait Sealed {}

    impl Sealed for super::Server {}
    impl<E> Sealed for super::Client<E> {}
}
