//! The payload of a control frame, by value.

use crate::frame::MAX_CONTROL_LEN;

/// The payload of a control frame, by value: at most 125 bytes.
#[derive(Clone, Copy)]
pub(super) struct ControlPayload {
    bytes: [u8; MAX_CONTROL_LEN],
    len: u8,
}

impl ControlPayload {
    pub(super) const EMPTY: Self = Self {
        bytes: [0; MAX_CONTROL_LEN],
        len: 0,
    };

    pub(super) fn new(bytes: impl IntoIterator<Item = u8>) -> Self {
        let mut payload = Self::EMPTY;
        payload.extend(bytes);
        payload
    }

    pub(super) fn extend(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for (to, from) in self.bytes.iter_mut().skip(usize::from(self.len)).zip(bytes) {
            *to = from;
            self.len += 1;
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}
