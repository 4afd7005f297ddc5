//! The rules over the header fields of a request (RFC 6455 section 4.2.1), common to HTTP/1.1 and extended CONNECT.

use super::error::{HandshakeError, Misuse, rule};
use super::extension::Extension;
use super::fields::{Fields, extensions, subprotocols};
use super::grammar::{ascii, is_token};
use super::key::Key;
use super::options::{AcceptOptions, AcceptResponse, agree};
use super::start_line::HttpVersion;
use super::summary::HeaderSummary;
use super::uri::Authority;
use super::write::check_fields;

/// The most subprotocols that one request may offer. They must be unique (RFC 6455 section 4.1), so that each is compared
/// with those before it, and this bounds the work. A request with more is answered with status 431.
const MAX_SUBPROTOCOLS: usize = 64;

/// A client's opening handshake that has passed every rule of RFC 6455 section 4.2.1, over header fields from anywhere.
///
/// ```
/// use sockless::handshake::{AcceptOptions, HttpVersion, ValidRequest};
/// use sockless::limits::Limits;
///
/// let fields = [
///     ("host", "example.com"),
///     ("upgrade", "websocket"),
///     ("connection", "keep-alive, Upgrade"),
///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     ("sec-websocket-version", "13"),
/// ];
/// let request = ValidRequest::from_request("GET", HttpVersion::Http11, fields)?.expect("an upgrade");
/// let response = request.accept(&AcceptOptions::new())?;
/// assert_eq!(response.status(), 101);
/// let accept = response.fields().find(|(name, _)| *name == "Sec-WebSocket-Accept").map(|(_, value)| value.to_string());
/// assert_eq!(accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
/// // The HTTP server sends status and fields, and then hands over its transport.
/// let connection = response.into_connection(&Limits::default());
/// # let _ = connection;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ValidRequest<'a, F> {
    fields: F,
    /// `None` in extended CONNECT.
    key: Option<Key>,
    /// `None` in extended CONNECT, which has `:authority` instead.
    pub(super) host: Option<&'a str>,
    origin: Option<&'a [u8]>,
    has_subprotocols: bool,
    has_extensions: bool,
}

impl<'a, F: Fields<'a>> ValidRequest<'a, F> {
    /// Checks an HTTP/1.1 request. `None` is a request that is no opening handshake at all: no `Upgrade` list names
    /// `websocket` and no header field's name starts with `Sec-WebSocket-`.
    ///
    /// # Errors
    /// The first rule that is broken, with the [status](HandshakeError::status) and
    /// [header fields](HandshakeError::answer_headers) to answer with.
    pub fn from_request(method: &str, version: HttpVersion, fields: F) -> Result<Option<Self>, HandshakeError> {
        let summary = HeaderSummary::of(fields.clone());
        Self::from_summary(method.as_bytes(), version, fields, &summary)
    }

    /// Checks an HTTP/1.1 request whose fields were gone through already.
    pub(crate) fn from_summary(
        method: &[u8],
        version: HttpVersion,
        fields: F,
        summary: &HeaderSummary<&'a [u8]>,
    ) -> Result<Option<Self>, HandshakeError> {
        if !summary.names_websocket && !summary.websocket_field {
            return Ok(None);
        }
        // Item 1: "An HTTP/1.1 or higher GET request".
        rule(method == b"GET", HandshakeError::MethodNotGet)?;
        rule(version >= HttpVersion::Http11, HandshakeError::HttpVersionTooOld)?;
        // Item 3: "An |Upgrade| header field containing the value "websocket", treated as an ASCII case-insensitive value."
        rule(summary.names_websocket, HandshakeError::UpgradeMissing)?;
        // Item 4: "A |Connection| header field that includes the token "Upgrade", treated as an ASCII case-insensitive value."
        rule(summary.names_upgrade, HandshakeError::ConnectionMissing)?;
        // Item 2: "A |Host| header field containing the server's authority." RFC 9112 section 3.2: "A server MUST respond with a
        // 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host header field and to any request
        // message that contains more than one Host header field line or a Host header field with an invalid field value."
        let host = summary
            .host
            .required(HandshakeError::HostMissing, HandshakeError::HostRepeated)?;
        let host = core::str::from_utf8(host).map_err(|_| HandshakeError::HostInvalid)?;
        Authority::parse(host).map_err(|_| HandshakeError::HostInvalid)?;
        let request = Self::check(fields, summary, Some(host), true)?;
        // What follows the head is the first frame (section 4.1), and would be taken for the body by others.
        rule(!summary.body, HandshakeError::BodyDeclared)?;
        Ok(Some(request))
    }

    /// Checks an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441 section 5, RFC 9220), given the values of its `:method`
    /// and `:protocol` pseudo-header fields. `None` if the protocol is not `websocket`. It has no key; one that is there
    /// is ignored.
    ///
    /// # Errors
    /// The first rule that is broken. HTTP/2 and HTTP/3 have no `Upgrade` (RFC 9113 section 8.2.2): answer
    /// [`VersionUnsupported`](HandshakeError::VersionUnsupported) with status 400 instead of 426, and without that field.
    pub fn from_extended_connect(method: &str, protocol: &str, fields: F) -> Result<Option<Self>, HandshakeError> {
        if !protocol.eq_ignore_ascii_case("websocket") {
            return Ok(None);
        }
        // RFC 8441 section 4: `:protocol` belongs to requests with the method CONNECT.
        rule(method == "CONNECT", HandshakeError::MethodNotConnect)?;
        let summary = HeaderSummary::of(fields.clone());
        Self::check(fields, &summary, None, false).map(Some)
    }

    /// Rules common to HTTP/1.1 and extended CONNECT.
    fn check(
        fields: F,
        summary: &HeaderSummary<&'a [u8]>,
        host: Option<&'a str>,
        with_key: bool,
    ) -> Result<Self, HandshakeError> {
        // The grammar of section 4.3 is in US-ASCII.
        rule(!summary.not_ascii, HandshakeError::NotAscii)?;
        // Item 6: "A |Sec-WebSocket-Version| header field, with a value of 13." It is checked before the key: a client of another
        // version may not know of keys, and is to be told which version to speak (section 4.4).
        let version = summary
            .version
            .required(HandshakeError::VersionMissing, HandshakeError::VersionRepeated)?;
        // Section 11.3.5: it "MUST NOT appear more than once in an HTTP request"; nor may its values be joined by commas.
        rule(!version.contains(&b','), HandshakeError::VersionRepeated)?;
        rule(version == b"13", HandshakeError::VersionUnsupported)?;
        // Item 5: "A |Sec-WebSocket-Key| header field with a base64-encoded value that, when decoded, is 16 bytes in length."
        // Section 11.3.1: it "MUST NOT appear more than once in an HTTP request."
        let key = if with_key {
            let key = summary
                .key
                .required(HandshakeError::KeyMissing, HandshakeError::KeyRepeated)?;
            Some(Key::parse(key).ok_or(HandshakeError::KeyInvalid)?)
        } else {
            None
        };
        // RFC 6454 section 7.3: "the user agent MUST NOT include more than one Origin header field".
        let origin = summary.origin.optional(HandshakeError::OriginRepeated)?;
        let has_subprotocols = summary.protocol.is_present();
        if has_subprotocols {
            check_subprotocols(fields.clone())?;
        }
        Ok(Self {
            fields,
            key,
            host,
            origin,
            has_subprotocols,
            has_extensions: summary.has_extensions()?,
        })
    }

    /// All header fields, in their order.
    pub fn headers(&self) -> F {
        self.fields.clone()
    }

    /// The value of `Origin`: browsers always send it, other clients need not (RFC 6455 section 4.1).
    #[must_use]
    pub const fn origin(&self) -> Option<&'a [u8]> {
        self.origin
    }

    /// Whether the request comes from one of these origins: the defence against cross-site hijacking (RFC 6455 sections 4.2.2
    /// and 10.2). `None` if it has no `Origin`: then it does not come from a browser, and no user's cookies are at stake.
    ///
    /// An origin is compared as a whole and as browsers write it (RFC 6454 section 6.2): scheme, host, and the port unless it
    /// is the default one of the scheme, without a path or a slash at the end; letters in any case. `"null"`, which sandboxed
    /// documents of anybody send, is allowed only where it is listed.
    ///
    /// ```
    /// use sockless::handshake::{HttpResponse, RequestError, Upgrade};
    ///
    /// fn lets_in(upgrade: &Upgrade<'_>, out: &mut Vec<u8>) -> Result<bool, RequestError> {
    ///     if upgrade.request().origin_is(&["https://example.com"]) == Some(false) {
    ///         upgrade.reject(&HttpResponse::new(403), out)?;
    ///         return Ok(false);
    ///     }
    ///     Ok(true)
    /// }
    /// ```
    pub fn origin_is(&self, allowed: &[impl AsRef<str>]) -> Option<bool> {
        let origin = self.origin?;
        // Only scheme and host have letters.
        let is = |allowed: &str| allowed.as_bytes().eq_ignore_ascii_case(origin);
        Some(allowed.iter().any(|allowed| is(allowed.as_ref())))
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + use<'a, F> {
        let fields = self.has_subprotocols.then(|| self.fields.clone());
        fields.into_iter().flat_map(subprotocols).map(ascii)
    }

    /// The extensions that the client offers, in its order of preference. The same name may come several times, with
    /// different parameters.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'a>> + use<'a, F> {
        let fields = self.has_extensions.then(|| self.fields.clone());
        fields.into_iter().flat_map(extensions).flatten()
    }

    /// The first of `supported`, which is in the server's order of preference, that the client offers.
    #[must_use]
    pub fn choose_subprotocol<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        supported
            .iter()
            .copied()
            .find(|&supported| self.subprotocols().any(|offered| offered == supported))
    }

    /// Accepts the request.
    ///
    /// # Errors
    /// What `options` has that the client did not offer, or that must not be sent.
    pub fn accept<'r>(&self, options: &AcceptOptions<'r>) -> Result<AcceptResponse<'r>, Misuse> {
        // Section 4.2.2: "The value chosen MUST be derived from the client's handshake".
        if let Some(subprotocol) = options.subprotocol {
            let offered = self.subprotocols().any(|offered| offered == subprotocol);
            rule(offered, Misuse::SubprotocolNotOffered)?;
        }
        // Section 9.1: "A server accepts one or more extensions by including a |Sec-WebSocket-Extensions| header field
        // containing one or more extensions that were requested by the client."
        for extension in options.extensions {
            let agreed = Extension::parse(extension).ok_or(Misuse::ExtensionSyntax)?;
            let offered = self.extensions().any(|offered| offered.name() == agreed.name());
            rule(offered, Misuse::ExtensionNotOffered)?;
        }
        let extensions = options.extensions.iter().filter_map(|text| Extension::parse(text));
        let (missing, conflict) = (Misuse::ExtensionNotImplemented, Misuse::ExtensionConflict);
        let extensions = agree(extensions, options.implemented, missing, conflict)?;
        check_fields(options.headers, &[], self.key.is_some())?;
        Ok(AcceptResponse {
            accept: self.key.as_ref().map(Key::accept),
            options: *options,
            extensions,
        })
    }
}

/// Section 4.3: "1#token" over all header fields of the name. Section 4.1: they "MUST all be unique strings".
fn check_subprotocols<'a>(fields: impl Fields<'a>) -> Result<(), HandshakeError> {
    let mut seen: [&[u8]; MAX_SUBPROTOCOLS] = [&[]; MAX_SUBPROTOCOLS];
    let mut count = 0;
    for name in subprotocols(fields) {
        rule(is_token(name), HandshakeError::SubprotocolMalformed)?;
        let repeated = seen.get(..count).unwrap_or(&seen).contains(&name);
        rule(!repeated, HandshakeError::SubprotocolRepeated)?;
        *seen.get_mut(count).ok_or(HandshakeError::TooManySubprotocols)? = name;
        count += 1;
    }
    rule(count > 0, HandshakeError::SubprotocolMalformed)
}
