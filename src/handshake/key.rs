//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 sections 4.1, 4.2.2, 11.3.1 and 11.3.3).

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::grammar::{BASE64, all, ascii};
use crate::entropy::Entropy;

/// What the server appends to the key before it hashes it (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client's nonce in base64: the value of `Sec-WebSocket-Key`.
///
/// A client that sends its request through an HTTP library keeps it until the response is there.
///
/// ```
/// use sockless::handshake::{ConnectOptions, Key};
///
/// # let mut entropy = |bytes: &mut [u8]| bytes.copy_from_slice(&b"the sample nonce"[..bytes.len()]);
/// let key = Key::generate(&mut entropy);
/// let options = ConnectOptions::new();
/// for (name, value) in options.fields(Some(&key))? {
///     // Hand it to the HTTP library.
///     # assert!(name != "Sec-WebSocket-Key" || value.to_string() == "dGhlIHNhbXBsZSBub25jZQ==");
/// }
/// let fields = [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")];
/// let response = options.check_response(Some(&key), 101, fields)?;
/// assert!(response.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 24]);

impl Key {
    /// A fresh key (RFC 6455 section 4.1: "selected randomly for each connection").
    pub fn generate(entropy: &mut impl Entropy) -> Self {
        let mut nonce = [0; 16];
        entropy.fill(&mut nonce);
        let mut key = [b'='; 24];
        // 16 bytes are 24 characters: this cannot fail.
        let _ = STANDARD.encode_slice(nonce, &mut key);
        Self(key)
    }

    /// The key as it stands in a request. `None` if it is not 16 bytes in base64.
    ///
    /// The last character but two carries 2 bits. Encoders should leave its other four bits zero, but the example in
    /// RFC 6455 section 4.1 (`AQIDBAUGBwgJCgsMDQ4PEC==`) does not, so that they may be anything.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let key: [u8; 24] = value.try_into().ok()?;
        // 16 bytes are 22 characters, filled up to a multiple of four.
        let [characters @ .., b'=', b'='] = &key else {
            return None;
        };
        all(BASE64, characters).then_some(Self(key))
    }

    /// The key's 24 characters.
    pub(crate) fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// What a server answers to it: the value of `Sec-WebSocket-Accept`.
    pub(crate) fn accept(&self) -> AcceptKey {
        let mut accept = [b'='; 28];
        let hash = Sha1::new().chain_update(self.0).chain_update(GUID).finalize();
        // 20 bytes are 28 characters: this cannot fail.
        let _ = STANDARD.encode_slice(hash, &mut accept);
        accept
    }
}

/// The 28 characters of the answer to a [`Key`].
pub(crate) type AcceptKey = [u8; 28];

/// Does not show the key, which is the client's own until the handshake is over.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_sections_1_3_and_4_1() {
        let key = Key::generate(&mut |bytes: &mut [u8]| bytes.copy_from_slice(b"the sample nonce"));
        assert_eq!(key.as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(Key::parse(b"dGhlIHNhbXBsZSBub25jZQ=="), Some(key));
        assert_eq!(ascii(&key.accept()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(Key::parse(b"AQIDBAUGBwgJCgsMDQ4PEC==").is_some());
    }
}
