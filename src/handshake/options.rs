//! What each side asks for and agrees to: options that the caller sets, and the header fields that they make.

use super::error::Misuse;
use super::extension::Extension;
use super::grammar::is_token;
use super::key::{AcceptKey, Key};
use super::write::{FieldValue, HeaderCase, check_fields, check_value, managed};
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
    pub(super) extensions: &'r [&'r str],
    implemented: Extensions,
    headers: &'r [(&'r str, &'r str)],
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

    /// The extensions that are agreed to, and what of them is implemented.
    #[cfg(feature = "deflate")]
    pub(crate) const fn agreed(&self) -> (&'r [&'r str], Extensions) {
        (self.extensions, self.implemented)
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
    accept: Option<AcceptKey>,
    options: AcceptOptions<'r>,
    /// What was agreed.
    extensions: Extensions,
}

impl<'r> AcceptResponse<'r> {
    pub(super) fn new(accept: Option<AcceptKey>, options: &AcceptOptions<'r>) -> Result<Self, Misuse> {
        let names = options.extensions.iter().filter_map(|text| Extension::parse(text));
        let extensions = agree(names, options.implemented)?;
        check_fields(options.headers, HeaderCase::of_http1(accept.is_some()), managed)?;
        Ok(Self {
            accept,
            options: *options,
            extensions,
        })
    }

    /// The status of the response: 101, or 200 in extended CONNECT.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if self.accept.is_some() { 101 } else { 200 }
    }

    /// The header fields of the response (RFC 6455 section 4.2.2). In extended CONNECT their names are lower case, as
    /// HTTP/2 and HTTP/3 demand (RFC 9113 section 8.2.1).
    pub fn fields(&self) -> impl Iterator<Item = (&'r str, FieldValue<'_>)> {
        let http1 = self.accept_key().map(|accept| {
            [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", accept.as_str()),
            ]
        });
        http1
            .into_iter()
            .flatten()
            .map(|(name, value)| (name, FieldValue::text(value)))
            .chain(self.further_fields())
    }

    pub(super) const fn accept_key(&self) -> Option<&AcceptKey> {
        self.accept.as_ref()
    }

    /// Those fields that not every response has.
    pub(super) fn further_fields<'s>(&self) -> impl Iterator<Item = (&'r str, FieldValue<'s>)> + use<'r, 's>
    where
        'r: 's,
    {
        let names = HeaderCase::of_http1(self.accept.is_some());
        let AcceptOptions {
            subprotocol,
            extensions,
            headers,
            ..
        } = self.options;
        let text = |(name, value)| (name, FieldValue::text(value));
        let subprotocol = subprotocol.map(|name| (names.protocol(), name)).map(text);
        let extensions = FieldValue::list(extensions).map(|list| (names.extensions(), list));
        subprotocol
            .into_iter()
            .chain(extensions)
            .chain(headers.iter().copied().map(text))
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
        let names = HeaderCase::of_http1(key.is_some());
        self.check(names)?;
        let text = |(name, value)| (name, FieldValue::text(value));
        let http1 = key.map(|key| {
            [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", key.as_str()),
            ]
        });
        Ok(http1
            .into_iter()
            .flatten()
            .chain([(names.version(), "13")])
            .chain(self.origin.map(|origin| (names.origin(), origin)))
            .map(text)
            .chain(FieldValue::list(self.subprotocols).map(|list| (names.protocol(), list)))
            .chain(FieldValue::list(self.extensions).map(|list| (names.extensions(), list)))
            .chain(self.headers.iter().copied().map(text)))
    }

    /// Checks that all of it may be sent.
    fn check(&self, names: HeaderCase) -> Result<(), Misuse> {
        self.origin.map_or(Ok(()), check_value)?;
        // Section 4.1: "The elements that comprise this value [...] MUST all be unique strings."
        let mut before = self.subprotocols.iter();
        while let Some(last) = before.next_back() {
            if !is_token(last.as_bytes()) {
                return Err(Misuse::SubprotocolSyntax);
            }
            if before.as_slice().contains(last) {
                return Err(Misuse::SubprotocolRepeated);
            }
        }
        for extension in self.extensions {
            let extension = Extension::parse(extension).ok_or(Misuse::ExtensionSyntax)?;
            // Each for itself: only one of several offers will be agreed to.
            agree([extension].into_iter(), self.implemented)?;
        }
        check_fields(self.headers, names, |name| {
            let own = ["Host", "Origin"].into_iter();
            managed(name).or_else(|| own.into_iter().find(|own| name.eq_ignore_ascii_case(own)))
        })
    }
}

/// Why extensions cannot be agreed to, or offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtensionFault {
    NotImplemented,
    Conflict,
}

impl From<ExtensionFault> for Misuse {
    fn from(fault: ExtensionFault) -> Self {
        match fault {
            ExtensionFault::NotImplemented => Self::ExtensionNotImplemented,
            ExtensionFault::Conflict => Self::ExtensionConflict,
        }
    }
}

/// What the agreed extensions change about frames, if that is implemented.
pub(super) fn agree<'e>(
    agreed: impl Iterator<Item = Extension<'e>>,
    implemented: Extensions,
) -> Result<Extensions, ExtensionFault> {
    let mut extensions = Extensions::NONE;
    for _ in agreed.filter(Extension::is_compression) {
        // RFC 7692 section 5: a server "MUST NOT accept a PMCE extension negotiation offer together with another extension
        // if the PMCE will conflict with the other extension on their use of the RSV1 bit". All PMCEs use it.
        if extensions.compression {
            return Err(ExtensionFault::Conflict);
        }
        if !implemented.compression {
            return Err(ExtensionFault::NotImplemented);
        }
        extensions.compression = true;
    }
    Ok(extensions)
}
