//! What each side asks for and agrees to: options that the caller sets, and the header fields that they make.

use super::error::{Misuse, rule};
use super::extension::Extension;
use super::grammar::{ascii, is_token, is_value};
use super::key::{AcceptKey, Key};
use super::write::{FieldValue, check_fields};
use crate::connection::{Connection, Extensions, Server};
use crate::limits::Limits;

/// How a server accepts a request. Everything is borrowed, and nothing is required.
///
/// ```
/// use sockless::handshake::AcceptOptions;
///
/// let options = AcceptOptions::new().subprotocol("chat").headers(&[("Server", "sockless")]);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AcceptOptions<'r> {
    pub(super) subprotocol: Option<&'r str>,
    pub(crate) extensions: &'r [&'r str],
    pub(crate) implemented: Extensions,
    pub(super) headers: &'r [(&'r str, &'r str)],
}

impl<'r> AcceptOptions<'r> {
    /// No subprotocol, no extensions, no further header fields.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            extensions: &[],
            implemented: Extensions::NONE,
            headers: &[],
        }
    }

    /// Agrees to a subprotocol, one that the client offered: `"chat"`, or what
    /// [`choose_subprotocol`](super::ValidRequest::choose_subprotocol) has found.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<Option<&'r str>>) -> Self {
        self.subprotocol = subprotocol.into();
        self
    }

    /// Agrees to extensions, each with its parameters, among those that the client offered. You have to implement them:
    /// this crate negotiates them and carries them into the connection.
    ///
    /// `implemented` says what they change about frames. The connection takes it over as far as it was agreed to; what it
    /// does not contain, the connection refuses. So agreeing to compression (any extension whose name starts with
    /// `permessage-`, RFC 7692) without [`Extensions::compression`] is an error. Extensions with other names can only
    /// change what payloads mean.
    ///
    /// ```
    /// use sockless::connection::Extensions;
    /// use sockless::handshake::AcceptOptions;
    ///
    /// // The application compresses and decompresses.
    /// let options = AcceptOptions::new().extensions(
    ///     &["permessage-deflate; server_no_context_takeover"],
    ///     Extensions::COMPRESSION,
    /// );
    /// # let _ = options;
    /// ```
    #[must_use]
    pub const fn extensions(mut self, agreed: &'r [&'r str], implemented: Extensions) -> Self {
        self.extensions = agreed;
        self.implemented = implemented;
        self
    }

    /// Adds header fields to the response. In extended CONNECT their names have to be lower case.
    #[must_use]
    pub const fn headers(mut self, headers: &'r [(&'r str, &'r str)]) -> Self {
        self.headers = headers;
        self
    }
}

/// The response to an accepted request: what the server has to send, and the connection that starts once it is sent.
#[derive(Clone, Copy, Debug)]
pub struct AcceptResponse<'r> {
    /// `None` in extended CONNECT.
    pub(super) accept: Option<AcceptKey>,
    pub(super) options: AcceptOptions<'r>,
    /// What was agreed.
    pub(super) extensions: Extensions,
}

impl<'r> AcceptResponse<'r> {
    /// The status of the response: 101, or 200 in extended CONNECT.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if self.accept.is_some() { 101 } else { 200 }
    }

    /// The header fields of the response (RFC 6455 section 4.2.2). In extended CONNECT their names are lower case, as
    /// HTTP/2 and HTTP/3 demand (RFC 9113 section 8.2.1).
    pub fn fields(&self) -> impl Iterator<Item = (&'r str, FieldValue<'_>)> {
        let accept = self.accept.as_ref().map(|accept| ascii(accept));
        upgrade_fields("Sec-WebSocket-Accept", accept)
            .map(|(name, value)| (name, FieldValue::text(value)))
            .chain(self.further_fields())
    }

    /// Those fields that not every response has.
    pub(super) fn further_fields(&self) -> impl Iterator<Item = (&'r str, FieldValue<'_>)> {
        let name = |http1, lower| if self.accept.is_some() { http1 } else { lower };
        let protocol = name("Sec-WebSocket-Protocol", "sec-websocket-protocol");
        let extensions = name("Sec-WebSocket-Extensions", "sec-websocket-extensions");
        let text = |(name, value)| (name, FieldValue::text(value));
        let subprotocol = self.options.subprotocol.map(|value| (protocol, value)).map(text);
        subprotocol
            .into_iter()
            .chain(FieldValue::list(self.options.extensions).map(|list| (extensions, list)))
            .chain(self.options.headers.iter().copied().map(text))
    }

    /// The connection, with the extensions that were agreed to. What the client sent after the head of its request is its
    /// first input.
    #[must_use]
    pub fn into_connection(self, limits: &Limits) -> Connection<Server> {
        Connection::new(Server, limits).with_extensions(self.extensions)
    }
}

/// What a client asks for. Everything is borrowed, and nothing is required.
///
/// ```
/// use sockless::handshake::ConnectOptions;
///
/// let options = ConnectOptions::new().origin("https://example.com").subprotocols(&["chat.v2", "chat"]);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectOptions<'r> {
    origin: Option<&'r str>,
    pub(super) subprotocols: &'r [&'r str],
    pub(super) extensions: &'r [&'r str],
    pub(super) implemented: Extensions,
    headers: &'r [(&'r str, &'r str)],
    pub(super) subprotocol_required: bool,
}

impl<'r> ConnectOptions<'r> {
    /// No origin, no subprotocols, no extensions, no further header fields.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            origin: None,
            subprotocols: &[],
            extensions: &[],
            implemented: Extensions::NONE,
            headers: &[],
            subprotocol_required: false,
        }
    }

    /// Sets `Origin`, which a client that acts for a web page has to send (RFC 6455 section 4.1).
    #[must_use]
    pub const fn origin(mut self, origin: &'r str) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Offers subprotocols, in the client's order of preference.
    #[must_use]
    pub const fn subprotocols(mut self, subprotocols: &'r [&'r str]) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// Offers extensions, each with its parameters (`"permessage-deflate; client_max_window_bits"`), in the client's
    /// order of preference. You have to implement them: this crate negotiates them and carries them into the connection.
    ///
    /// `implemented` says what they change about frames. The connection takes it over if the server agrees; what it does
    /// not contain, the connection refuses. So offering compression (any extension whose name starts with `permessage-`,
    /// RFC 7692) without [`Extensions::compression`] is an error. Extensions with other names can only change what
    /// payloads mean.
    #[must_use]
    pub const fn extensions(mut self, offered: &'r [&'r str], implemented: Extensions) -> Self {
        self.extensions = offered;
        self.implemented = implemented;
        self
    }

    /// Adds header fields to the request. In extended CONNECT their names have to be lower case.
    #[must_use]
    pub const fn headers(mut self, headers: &'r [(&'r str, &'r str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Whether the connection fails if the server picks none of the offered subprotocols, as in browsers (WHATWG WebSockets
    /// section 2). By default it opens without one, as RFC 6455 section 4.1 has it.
    #[must_use]
    pub const fn require_subprotocol(mut self, required: bool) -> Self {
        self.subprotocol_required = required;
        self
    }

    /// The header fields of the request (RFC 6455 section 4.1) but for `Host`. Without a key, those of an extended CONNECT
    /// (RFC 8441 section 5), whose names are lower case, as HTTP/2 and HTTP/3 demand (RFC 9113 section 8.2.1).
    ///
    /// # Errors
    /// The first thing that must not be sent.
    pub fn fields<'s>(
        &self,
        key: Option<&'s Key>,
    ) -> Result<impl Iterator<Item = (&'r str, FieldValue<'s>)> + Clone + use<'r, 's>, Misuse>
    where
        'r: 's,
    {
        self.check(key.is_some())?;
        let name = |http1, lower| if key.is_some() { http1 } else { lower };
        let version = name("Sec-WebSocket-Version", "sec-websocket-version");
        let origin = name("Origin", "origin");
        let protocol = name("Sec-WebSocket-Protocol", "sec-websocket-protocol");
        let extensions = name("Sec-WebSocket-Extensions", "sec-websocket-extensions");
        let text = |(name, value)| (name, FieldValue::text(value));
        Ok(upgrade_fields("Sec-WebSocket-Key", key.map(Key::as_str))
            .chain([(version, "13")])
            .chain(self.origin.map(|value| (origin, value)))
            .map(text)
            .chain(FieldValue::list(self.subprotocols).map(|list| (protocol, list)))
            .chain(FieldValue::list(self.extensions).map(|list| (extensions, list)))
            .chain(self.headers.iter().copied().map(text)))
    }

    /// Checks that all of it may be sent.
    fn check(&self, http1: bool) -> Result<(), Misuse> {
        let origin = self.origin.unwrap_or_default();
        rule(is_value(origin.as_bytes()), Misuse::HeaderValue)?;
        // Section 4.1: "The elements that comprise this value [...] MUST all be unique strings."
        let mut before = self.subprotocols.iter();
        while let Some(last) = before.next_back() {
            rule(is_token(last.as_bytes()), Misuse::SubprotocolSyntax)?;
            rule(!before.as_slice().contains(last), Misuse::SubprotocolRepeated)?;
        }
        for extension in self.extensions {
            let extension = Extension::parse(extension).ok_or(Misuse::ExtensionSyntax)?;
            let (missing, conflict) = (Misuse::ExtensionNotImplemented, Misuse::ExtensionConflict);
            // Each for itself: only one of several offers will be agreed to.
            agree([extension].into_iter(), self.implemented, missing, conflict)?;
        }
        check_fields(self.headers, &["Host", "Origin"], http1)
    }
}

/// The header fields that only HTTP/1.1 has: the key or the answer to it under this name, and what goes with it.
fn upgrade_fields<'r, 's>(name: &'r str, key: Option<&'s str>) -> impl Iterator<Item = (&'r str, &'s str)> + Clone {
    let fields = key.map(|key| [("Upgrade", "websocket"), ("Connection", "Upgrade"), (name, key)]);
    fields.into_iter().flatten()
}

/// What the agreed extensions change about frames, if that is implemented and they do not conflict.
pub(super) fn agree<'e, E>(
    agreed: impl Iterator<Item = Extension<'e>>,
    implemented: Extensions,
    not_implemented: E,
    conflict: E,
) -> Result<Extensions, E> {
    match agreed.filter(Extension::is_compression).count() {
        0 => Ok(Extensions::NONE),
        _ if !implemented.compression => Err(not_implemented),
        1 => Ok(Extensions::COMPRESSION),
        // RFC 7692 section 5: a server "MUST NOT accept a PMCE extension negotiation offer together with another extension
        // if the PMCE will conflict with the other extension on their use of the RSV1 bit". All PMCEs use it.
        _ => Err(conflict),
    }
}
