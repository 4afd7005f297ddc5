//! Bytes that are sent without a copy.

// Processors without atomic operations have one thread, and count references without them.
#[cfg(not(target_has_atomic = "ptr"))]
use alloc::rc::Rc as Arc;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;

/// Bytes that several owners share: a payload that is sent without a copy, to one peer or to many.
///
/// A clone shares the same bytes.
#[derive(Clone)]
pub struct SharedBytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl SharedBytes {
    /// Shares a `Vec<u8>`, a `String`, an `Arc<[u8]>`, a `&'static [u8]` or whatever else gives the same bytes each time.
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl core::fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SharedBytes")
            .field("len", &self.as_ref().len())
            .finish_non_exhaustive()
    }
}
