//! What the rules need to know of all header fields, gathered in one pass.

use super::error::{HandshakeError, rule};
use super::extension::extension_list;
use super::fields::Fields;
use super::grammar::{is_text, list, trim, websocket_field};

/// The values of a header field that must come at most once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Single<V> {
    value: Option<V>,
    repeated: bool,
}

impl<V: Copy> Single<V> {
    fn add(&mut self, value: V) {
        self.repeated = self.value.is_some();
        self.value = self.value.or(Some(value));
    }

    /// The value, if there is exactly one.
    pub(crate) fn required(self, missing: HandshakeError, repeated: HandshakeError) -> Result<V, HandshakeError> {
        self.optional(repeated)?.ok_or(missing)
    }

    /// The value, if there is at most one.
    pub(crate) const fn optional(self, repeated: HandshakeError) -> Result<Option<V>, HandshakeError> {
        if self.repeated { Err(repeated) } else { Ok(self.value) }
    }

    pub(crate) const fn is_present(&self) -> bool {
        self.value.is_some()
    }

    fn map<W>(self, map: impl FnOnce(V) -> W) -> Single<W> {
        Single {
            value: self.value.map(map),
            repeated: self.repeated,
        }
    }
}

/// The header fields that concern the opening handshake. `V` is a value, or where it lies in a head that is incomplete.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeaderSummary<V> {
    pub(crate) upgrade: Single<V>,
    /// Some `Upgrade` list has `websocket`.
    pub(crate) names_websocket: bool,
    /// Some `Connection` list has `upgrade`.
    pub(crate) names_upgrade: bool,
    pub(crate) host: Single<V>,
    pub(crate) origin: Single<V>,
    pub(crate) version: Single<V>,
    pub(crate) key: Single<V>,
    pub(crate) accept: Single<V>,
    pub(crate) protocol: Single<V>,
    /// There is a header field of any name that starts with `Sec-WebSocket-`.
    pub(crate) websocket_field: bool,
    /// A `Sec-WebSocket-` header field has a value that is not ASCII.
    pub(crate) not_ascii: bool,
    /// Some `Sec-WebSocket-Extensions` list breaks the grammar.
    bad_extension: bool,
    /// Whether the `Sec-WebSocket-Extensions` lists have an element. `None` without such a header field.
    extensions: Option<bool>,
    /// The header fields declare a body.
    pub(crate) body: bool,
}

impl<'a> HeaderSummary<&'a [u8]> {
    pub(crate) fn of(fields: impl Fields<'a>) -> Self {
        let mut summary = Self::default();
        for (name, value) in fields.pairs() {
            if concerns(name.as_bytes()) {
                let value = trim(value);
                summary.add(name.as_bytes(), value, value);
            }
        }
        summary
    }
}

impl<V: Copy> HeaderSummary<V> {
    /// Adds a header field that may [concern](concerns) the handshake. Its value is `kept` if it matters.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8], kept: V) {
        match name.len() {
            4 if is_text(name, b"host") => self.host.add(kept),
            6 if is_text(name, b"origin") => self.origin.add(kept),
            7 if is_text(name, b"upgrade") => {
                self.upgrade.add(kept);
                self.names_websocket |= names(value, b"websocket");
            }
            10 if is_text(name, b"connection") => self.names_upgrade |= names(value, b"upgrade"),
            // RFC 9112 section 6.3: these two say whether a request has a body.
            14 if is_text(name, b"content-length") => {
                self.body |= value.is_empty() || value.iter().any(|&digit| digit != b'0')
            }
            17 if is_text(name, b"transfer-encoding") => self.body = true,
            14.. => {
                if let Some(name) = websocket_field(name) {
                    self.add_websocket(name, value, kept);
                }
            }
            _ => {}
        }
    }

    /// Adds a header field whose name starts with `Sec-WebSocket-`.
    fn add_websocket(&mut self, name: &[u8], value: &[u8], kept: V) {
        self.websocket_field = true;
        self.not_ascii |= !value.is_ascii();
        match name.len() {
            3 if is_text(name, b"key") => self.key.add(kept),
            6 if is_text(name, b"accept") => self.accept.add(kept),
            7 if is_text(name, b"version") => self.version.add(kept),
            8 if is_text(name, b"protocol") => self.protocol.add(kept),
            10 if is_text(name, b"extensions") => {
                let mut any = self.extensions.unwrap_or_default();
                for extension in extension_list(value) {
                    any = true;
                    self.bad_extension |= extension.is_none();
                }
                self.extensions = Some(any);
            }
            _ => {}
        }
    }

    /// Whether there is an extension. Section 9.1: "extension-list = 1#extension", over all header fields of the name.
    pub(crate) fn has_extensions(&self) -> Result<bool, HandshakeError> {
        let holds = !self.bad_extension && self.extensions != Some(false);
        rule(holds, HandshakeError::ExtensionMalformed)?;
        Ok(self.extensions.is_some())
    }

    /// The same with other values.
    pub(crate) fn map<W: Copy>(&self, map: impl Fn(V) -> W) -> HeaderSummary<W> {
        HeaderSummary {
            upgrade: self.upgrade.map(&map),
            names_websocket: self.names_websocket,
            names_upgrade: self.names_upgrade,
            host: self.host.map(&map),
            origin: self.origin.map(&map),
            version: self.version.map(&map),
            key: self.key.map(&map),
            accept: self.accept.map(&map),
            protocol: self.protocol.map(&map),
            websocket_field: self.websocket_field,
            not_ascii: self.not_ascii,
            bad_extension: self.bad_extension,
            extensions: self.extensions,
            body: self.body,
        }
    }
}

/// Whether a header field of this name may concern the handshake, as its length and a letter tell. Most do not.
#[inline]
pub(crate) fn concerns(name: &[u8]) -> bool {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    matches!(
        (name.len(), first),
        (4, b'h') | (6, b'o') | (7, b'u') | (10, b'c') | (14.., b's' | b'c' | b't')
    )
}

/// Whether a list has this token, in any case.
fn names<const N: usize>(value: &[u8], token: &[u8; N]) -> bool {
    // Most lists have one element.
    is_text(value, token) || list(value).any(|element| is_text(element, token))
}
