//! The negotiation itself, over header fields as names and values: every rule of the opening handshake that is not about
//! how a head is written down.
//!
//! HTTP/1.1 heads that are parsed here ([`ServerHandshake`](super::ServerHandshake),
//! [`ClientHandshake`](super::ClientHandshake)) come through it, and so can a request that an HTTP library has parsed,
//! and an extended CONNECT over HTTP/2 or HTTP/3 (RFC 8441, RFC 9220), which has no key, no `Upgrade` and no
//! `Connection`.

use super::error::{HandshakeError, Misuse};
use super::grammar::{Extension, ascii, extension_list, is_token, list, trim};
use super::head::{HeadSpace, HttpVersion, Scanner, split};
use super::key::{Accept, Key};
use super::uri::Authority;
use super::write::{FieldValue, check_fields, check_value, is_managed, websocket_field};
use crate::connection::{Client, Connection, Server};
use crate::entropy::Entropy;
use crate::limits::Limits;

/// Header fields as an iterator of names and values, which can be gone through more than once.
///
/// Implemented for every such iterator: `headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))` makes
/// one of the `http` crate's types.
pub trait Fields<'a>: Iterator<Item = (&'a str, &'a [u8])> + Clone {}

impl<'a, I: Iterator<Item = (&'a str, &'a [u8])> + Clone> Fields<'a> for I {}

/// See [`Offer::MAX_SUBPROTOCOLS`].
const MAX_SUBPROTOCOLS: usize = 64;

/// The values of all header fields of a name.
fn values<'a>(fields: impl Fields<'a>, name: &'static str) -> impl Iterator<Item = &'a [u8]> + Clone {
    fields
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| trim(value))
}

/// The value of the first header field of a name, as it was sent.
pub(crate) fn first_value<'a>(mut fields: impl Fields<'a>, name: &str) -> Option<&'a [u8]> {
    fields
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The first value of a header field, and whether there are more.
#[derive(Clone, Copy, Default)]
struct Single<'a> {
    value: Option<&'a [u8]>,
    repeated: bool,
}

impl<'a> Single<'a> {
    fn add(&mut self, value: &'a [u8]) {
        self.repeated = self.value.is_some();
        self.value = self.value.or(Some(value));
    }

    /// The value, where there is exactly one.
    fn required(self, missing: HandshakeError, repeated: HandshakeError) -> Result<&'a [u8], HandshakeError> {
        self.optional(repeated)?.ok_or(missing)
    }

    /// The value, where there is at most one.
    const fn optional(self, repeated: HandshakeError) -> Result<Option<&'a [u8]>, HandshakeError> {
        if self.repeated { Err(repeated) } else { Ok(self.value) }
    }
}

/// What the rules need to know of all header fields, gathered in one pass.
#[derive(Clone, Copy, Default)]
pub(crate) struct Summary<'a> {
    upgrade: Single<'a>,
    /// Some `Upgrade` list has `websocket`.
    names_websocket: bool,
    /// Some `Connection` list has `upgrade`.
    names_upgrade: bool,
    host: Single<'a>,
    origin: Single<'a>,
    version: Single<'a>,
    key: Single<'a>,
    accept: Single<'a>,
    protocol: Single<'a>,
    /// There is a `Sec-WebSocket-` header field of any name.
    websocket_field: bool,
    not_ascii: bool,
    /// Some `Sec-WebSocket-Extensions` list breaks the grammar.
    bad_extension: bool,
    /// Whether the `Sec-WebSocket-Extensions` lists have an element. None without such a header field.
    extensions: Option<bool>,
    body: bool,
}

impl<'a> Summary<'a> {
    fn of(fields: impl Fields<'a>) -> Self {
        let mut summary = Self::default();
        for (name, value) in fields {
            summary.add(name.as_bytes(), trim(value));
        }
        summary
    }

    /// Reads on: the head, once it is complete, and what its fields come to.
    pub(crate) fn read(
        scanner: &mut Scanner,
        bytes: &'a [u8],
        space: HeadSpace,
    ) -> Result<Option<(&'a [u8], Self)>, HandshakeError> {
        let all = scanner.is_fresh();
        let mut summary = Self::default();
        let Some(head) = scanner.advance(bytes, space, |name, value| summary.add(name, value))? else {
            return Ok(None);
        };
        if !all {
            // Some of them went by in an earlier call.
            summary = Self::of(split(head).1);
        }
        Ok(Some((head, summary)))
    }

    fn add(&mut self, name: &[u8], value: &'a [u8]) {
        let names = |token: &[u8]| list(value).any(|element| element.eq_ignore_ascii_case(token));
        if let Some(name) = websocket_field(name) {
            let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
            self.websocket_field = true;
            self.not_ascii |= !value.is_ascii();
            if is(b"Version") {
                self.version.add(value);
            } else if is(b"Key") {
                self.key.add(value);
            } else if is(b"Accept") {
                self.accept.add(value);
            } else if is(b"Protocol") {
                self.protocol.add(value);
            } else if is(b"Extensions") {
                let mut any = self.extensions.unwrap_or_default();
                for extension in extension_list(value) {
                    any = true;
                    self.bad_extension |= extension.is_none();
                }
                self.extensions = Some(any);
            }
            return;
        }
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"Upgrade") {
            self.upgrade.add(value);
            self.names_websocket |= names(b"websocket");
        } else if is(b"Connection") {
            self.names_upgrade |= names(b"upgrade");
        } else if is(b"Host") {
            self.host.add(value);
        } else if is(b"Origin") {
            self.origin.add(value);
        } else if is(b"Transfer-Encoding") {
            self.body = true;
        } else if is(b"Content-Length") {
            self.body |= value.is_empty() || value.iter().any(|&digit| digit != b'0');
        }
    }

    /// `1#extension` over all header fields (RFC 6455 section 9.1): if there is one, it is not empty.
    fn check_extensions(&self) -> Result<(), HandshakeError> {
        if self.bad_extension || self.extensions == Some(false) {
            Err(HandshakeError::ExtensionMalformed)
        } else {
            Ok(())
        }
    }
}

/// The subprotocols that the values of `Sec-WebSocket-Protocol` list.
fn subprotocols<'a>(fields: impl Fields<'a>) -> impl Iterator<Item = &'a [u8]> + Clone {
    values(fields, "Sec-WebSocket-Protocol").flat_map(list)
}

/// The extensions that the values of `Sec-WebSocket-Extensions` list. After they have been judged, none is `None`.
fn extensions<'a>(fields: impl Fields<'a>) -> impl Iterator<Item = Option<Extension<'a>>> + Clone {
    values(fields, "Sec-WebSocket-Extensions").flat_map(extension_list)
}

/// A client's offer that has passed every rule of RFC 6455 section 4.2.1, over header fields from anywhere.
///
/// ```
/// use sockless::handshake::{Acceptance, HttpVersion, Offer};
/// use sockless::limits::Limits;
///
/// let fields: [(&str, &[u8]); 5] = [
///     ("host", b"example.com"),
///     ("upgrade", b"websocket"),
///     ("connection", b"keep-alive, Upgrade"),
///     ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
///     ("sec-websocket-version", b"13"),
/// ];
/// let offer = Offer::from_request("GET", HttpVersion::Http11, fields.into_iter())?.expect("an upgrade");
/// let agreement = offer.accept(&Acceptance::new())?;
/// assert_eq!(agreement.status(), 101);
/// let accept = agreement.fields().find(|(name, _)| *name == "Sec-WebSocket-Accept").map(|(_, value)| value.to_string());
/// assert_eq!(accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
/// // The host's HTTP server sends status and fields, and then hands over its transport.
/// let connection = agreement.into_connection(&Limits::default());
/// # let _ = connection;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Offer<'a, F> {
    fields: F,
    /// None in extended CONNECT.
    key: Option<Key>,
    host: Option<&'a str>,
    origin: Option<&'a [u8]>,
}

impl<'a, F: Fields<'a>> Offer<'a, F> {
    /// The most subprotocols that one request may offer: each is compared with those before it (RFC 6455 section 4.1
    /// wants them unique), and this bounds the work. A request with more is answered with status 431.
    pub const MAX_SUBPROTOCOLS: usize = MAX_SUBPROTOCOLS;

    /// Judges a request of HTTP/1.1. `None` is a request that is no opening handshake at all: no `Upgrade` list names
    /// `websocket` and no header field's name starts with `Sec-WebSocket-`.
    ///
    /// # Errors
    /// The first rule that is broken, with the [status](HandshakeError::status) and
    /// [header fields](HandshakeError::answer_headers) to answer with.
    pub fn from_request(method: &str, version: HttpVersion, fields: F) -> Result<Option<Self>, HandshakeError> {
        let summary = Summary::of(fields.clone());
        Self::from_summary(method, version, fields, &summary)
    }

    /// [`from_request`](Self::from_request), with what the fields come to.
    pub(crate) fn from_summary(
        method: &str,
        version: HttpVersion,
        fields: F,
        summary: &Summary<'a>,
    ) -> Result<Option<Self>, HandshakeError> {
        if !summary.names_websocket && !summary.websocket_field {
            return Ok(None);
        }
        let rule = |holds: bool, error| if holds { Ok(()) } else { Err(error) };
        rule(method == "GET", HandshakeError::MethodNotGet)?;
        rule(version >= HttpVersion::Http11, HandshakeError::HttpVersionTooOld)?;
        rule(summary.names_websocket, HandshakeError::UpgradeMissing)?;
        rule(summary.names_upgrade, HandshakeError::ConnectionMissing)?;
        let host = summary
            .host
            .required(HandshakeError::HostMissing, HandshakeError::HostRepeated)?;
        let host = core::str::from_utf8(host).map_err(|_| HandshakeError::HostInvalid)?;
        Authority::parse(host).map_err(|_| HandshakeError::HostInvalid)?;
        let offer = Self::judge(fields, summary, Some(host), |key| {
            let key = key.required(HandshakeError::KeyMissing, HandshakeError::KeyRepeated)?;
            Key::parse(key).map(Some).ok_or(HandshakeError::KeyInvalid)
        })?;
        rule(!summary.body, HandshakeError::BodyDeclared)?;
        Ok(Some(offer))
    }

    /// Judges an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441 section 5, RFC 9220), given the values of its `:method`
    /// and `:protocol` pseudo-header fields. `None` when the protocol is not `websocket`. The key has no place here
    /// and is ignored.
    ///
    /// # Errors
    /// As [`from_request`](Self::from_request).
    pub fn from_extended_connect(method: &str, protocol: &str, fields: F) -> Result<Option<Self>, HandshakeError> {
        if !protocol.eq_ignore_ascii_case("websocket") {
            return Ok(None);
        }
        if method != "CONNECT" {
            return Err(HandshakeError::MethodNotConnect);
        }
        let summary = Summary::of(fields.clone());
        Self::judge(fields, &summary, None, |_| Ok(None)).map(Some)
    }

    /// The rules that every door shares.
    fn judge(
        fields: F,
        summary: &Summary<'a>,
        host: Option<&'a str>,
        key: impl FnOnce(Single<'a>) -> Result<Option<Key>, HandshakeError>,
    ) -> Result<Self, HandshakeError> {
        if summary.not_ascii {
            return Err(HandshakeError::NotAscii);
        }
        // Before the key: a client of another version may not know of keys, and is to be told which version to speak.
        let version = summary
            .version
            .required(HandshakeError::VersionMissing, HandshakeError::VersionRepeated)?;
        if version.contains(&b',') {
            return Err(HandshakeError::VersionRepeated);
        }
        if version != b"13" {
            return Err(HandshakeError::VersionUnsupported);
        }
        let key = key(summary.key)?;
        let origin = summary.origin.optional(HandshakeError::OriginRepeated)?;
        if summary.protocol.value.is_some() {
            Self::check_subprotocols(&fields)?;
        }
        summary.check_extensions()?;
        Ok(Self {
            fields,
            key,
            host,
            origin,
        })
    }

    /// `1#token` over all header fields, each different from the others.
    fn check_subprotocols(fields: &F) -> Result<(), HandshakeError> {
        let mut seen: [&[u8]; MAX_SUBPROTOCOLS] = [&[]; MAX_SUBPROTOCOLS];
        let mut count = 0;
        for name in subprotocols(fields.clone()) {
            if !is_token(name) {
                return Err(HandshakeError::SubprotocolMalformed);
            }
            // The names before this one; what has not been filled yet is empty, and no name is.
            if seen.contains(&name) {
                return Err(HandshakeError::SubprotocolRepeated);
            }
            *seen.get_mut(count).ok_or(HandshakeError::TooManySubprotocols)? = name;
            count += 1;
        }
        if count == 0 {
            Err(HandshakeError::SubprotocolMalformed)
        } else {
            Ok(())
        }
    }

    /// All header fields, in their order.
    pub fn headers(&self) -> F {
        self.fields.clone()
    }

    /// The value of the first header field with this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        first_value(self.fields.clone(), name).map(trim)
    }

    /// The value of `Host`. `None` in extended CONNECT, where `:authority` has taken its place.
    #[must_use]
    pub const fn host(&self) -> Option<&'a str> {
        self.host
    }

    /// The value of `Origin`: browsers always send it, other clients need not (RFC 6455 section 4.1).
    #[must_use]
    pub const fn origin(&self) -> Option<&'a [u8]> {
        self.origin
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a, F> {
        subprotocols(self.fields.clone()).map(ascii)
    }

    /// The extensions that the client offers, in its order of preference. The same name may come several times, with
    /// different parameters.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'a>> + Clone + use<'a, F> {
        extensions(self.fields.clone()).flatten()
    }

    /// The first of `supported`, which is in the server's order of preference, that the client offers.
    #[must_use]
    pub fn choose_subprotocol<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        supported
            .iter()
            .copied()
            .find(|&supported| self.subprotocols().any(|offered| offered == supported))
    }

    /// Accepts the offer.
    ///
    /// # Errors
    /// What `acceptance` has that the client did not offer, or that must not be sent.
    pub fn accept<'r>(&self, acceptance: &Acceptance<'r>) -> Result<Agreement<'r>, Misuse> {
        if let Some(subprotocol) = acceptance.subprotocol
            && !self.subprotocols().any(|offered| offered == subprotocol)
        {
            return Err(Misuse::SubprotocolNotOffered);
        }
        for extension in acceptance.extensions {
            let agreed = Extension::parse(extension).ok_or(Misuse::ExtensionSyntax)?;
            if !self.extensions().any(|offered| offered.name() == agreed.name()) {
                return Err(Misuse::ExtensionNotOffered);
            }
        }
        check_fields(acceptance.headers, is_managed)?;
        Ok(Agreement {
            accept: self.key.map(|key| key.accept()),
            acceptance: *acceptance,
        })
    }
}

/// How a server accepts an offer: everything is borrowed, and nothing is required.
///
/// ```
/// use sockless::handshake::Acceptance;
///
/// let acceptance = Acceptance::new().subprotocol("chat").headers(&[("Server", "sockless")]);
/// # let _ = acceptance;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Acceptance<'r> {
    subprotocol: Option<&'r str>,
    extensions: &'r [&'r str],
    headers: &'r [(&'r str, &'r str)],
}

impl<'r> Acceptance<'r> {
    /// No subprotocol, no extensions, no further header fields.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            extensions: &[],
            headers: &[],
        }
    }

    /// Names the subprotocol, one that the client offered.
    #[must_use]
    pub const fn subprotocol(mut self, subprotocol: &'r str) -> Self {
        self.subprotocol = Some(subprotocol);
        self
    }

    /// Names the subprotocol that [`choose_subprotocol`](Offer::choose_subprotocol) has found, or none.
    #[must_use]
    pub const fn maybe_subprotocol(mut self, subprotocol: Option<&'r str>) -> Self {
        self.subprotocol = subprotocol;
        self
    }

    /// Names the extensions, each with its parameters (`"permessage-deflate; server_no_context_takeover"`), among those
    /// that the client offered.
    #[must_use]
    pub const fn extensions(mut self, extensions: &'r [&'r str]) -> Self {
        self.extensions = extensions;
        self
    }

    /// Adds header fields to the response.
    #[must_use]
    pub const fn headers(mut self, headers: &'r [(&'r str, &'r str)]) -> Self {
        self.headers = headers;
        self
    }
}

/// An accepted offer: what the server has to send, and the connection that starts once it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Agreement<'r> {
    /// None in extended CONNECT.
    accept: Option<Accept>,
    acceptance: Acceptance<'r>,
}

impl Agreement<'_> {
    /// The status of the response: 101, or 200 in extended CONNECT.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if self.accept.is_some() { 101 } else { 200 }
    }

    /// The header fields of the response (RFC 6455 section 4.2.2).
    pub fn fields(&self) -> impl Iterator<Item = (&str, FieldValue<'_>)> + Clone {
        let Acceptance {
            subprotocol,
            extensions,
            headers,
        } = self.acceptance;
        let http1 = self.accept.as_ref().map(|accept| {
            [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", accept.as_str()),
            ]
        });
        let text = |(name, value)| (name, FieldValue::text(value));
        http1
            .into_iter()
            .flatten()
            .map(text)
            .chain(subprotocol.map(|subprotocol| ("Sec-WebSocket-Protocol", FieldValue::text(subprotocol))))
            .chain(FieldValue::list(extensions).map(|list| ("Sec-WebSocket-Extensions", list)))
            .chain(headers.iter().copied().map(text))
    }

    /// The connection. What the client sent after the head of its request is its first input.
    #[must_use]
    pub const fn into_connection(self, limits: &Limits) -> Connection<Server> {
        Connection::new(Server, limits)
    }
}

/// Which origins may open a connection: the defence against cross-site hijacking (RFC 6455 sections 4.2.2 and 10.2).
///
/// An origin is compared as a whole and as browsers write it (RFC 6454 section 6.2): scheme, host, and the port unless it
/// is the default one of the scheme, without a path or a slash at the end; letters in any case. `"null"`, which sandboxed
/// documents of anybody send, is allowed only where it is listed.
///
/// ```
/// use sockless::handshake::OriginPolicy;
///
/// let policy = OriginPolicy::only(&["https://example.com"]);
/// assert!(policy.allows(Some(b"https://example.com")));
/// assert!(!policy.allows(Some(b"https://example.com.evil.example")));
/// assert!(!policy.allows(Some(b"http://example.com")));
/// assert!(!policy.allows(None) && policy.or_missing().allows(None));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OriginPolicy<'p> {
    allowed: &'p [&'p str],
    missing: bool,
}

impl<'p> OriginPolicy<'p> {
    /// Only these origins, and no request without one.
    #[must_use]
    pub const fn only(allowed: &'p [&'p str]) -> Self {
        Self {
            allowed,
            missing: false,
        }
    }

    /// Also requests without an `Origin`: they do not come from a browser, so that no user's cookies are at stake.
    #[must_use]
    pub const fn or_missing(mut self) -> Self {
        self.missing = true;
        self
    }

    /// Whether a request with this `Origin` is allowed.
    #[must_use]
    pub fn allows(&self, origin: Option<&[u8]>) -> bool {
        match origin {
            None => self.missing,
            // Only scheme and host have letters.
            Some(origin) => self
                .allowed
                .iter()
                .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin)),
        }
    }
}

/// What a client does when it has offered subprotocols and the server picks none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubprotocolPolicy {
    /// The connection opens without a subprotocol, as RFC 6455 section 4.1 has it.
    #[default]
    Optional,
    /// The connection fails, as browsers do (WHATWG WebSockets section 2).
    Required,
}

/// What a client asks for: everything is borrowed, and nothing is required.
///
/// ```
/// use sockless::handshake::Proposal;
///
/// let proposal = Proposal::new().origin("https://example.com").subprotocols(&["chat.v2", "chat"]);
/// # let _ = proposal;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Proposal<'r> {
    origin: Option<&'r str>,
    subprotocols: &'r [&'r str],
    extensions: &'r [&'r str],
    headers: &'r [(&'r str, &'r str)],
    policy: SubprotocolPolicy,
}

impl<'r> Proposal<'r> {
    /// No origin, no subprotocols, no extensions, no further header fields.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            origin: None,
            subprotocols: &[],
            extensions: &[],
            headers: &[],
            policy: SubprotocolPolicy::Optional,
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
    /// order of preference.
    #[must_use]
    pub const fn extensions(mut self, extensions: &'r [&'r str]) -> Self {
        self.extensions = extensions;
        self
    }

    /// Adds header fields to the request.
    #[must_use]
    pub const fn headers(mut self, headers: &'r [(&'r str, &'r str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Says what happens when the server picks none of the subprotocols.
    #[must_use]
    pub const fn subprotocol_policy(mut self, policy: SubprotocolPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Checks that all of it may be sent.
    ///
    /// # Errors
    /// The first thing that must not.
    pub fn check(&self) -> Result<(), Misuse> {
        self.origin.map_or(Ok(()), check_value)?;
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
            Extension::parse(extension).ok_or(Misuse::ExtensionSyntax)?;
        }
        let own = |name: &str| ["Host", "Origin"].iter().any(|known| name.eq_ignore_ascii_case(known));
        check_fields(self.headers, |name| is_managed(name) || own(name))
    }

    /// The header fields of the request (RFC 6455 section 4.1) but for `Host`; without a key, those of an extended
    /// CONNECT (RFC 8441 section 5). They may be sent only after [`check`](Self::check).
    pub fn fields<'s>(&'s self, key: Option<&'s Key>) -> impl Iterator<Item = (&'s str, FieldValue<'s>)> + Clone {
        let text = |(name, value)| (name, FieldValue::text(value));
        let http1 = key.map(|key| {
            [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", key.as_str()),
            ]
        });
        http1
            .into_iter()
            .flatten()
            .chain([("Sec-WebSocket-Version", "13")])
            .chain(self.origin.map(|origin| ("Origin", origin)))
            .map(text)
            .chain(FieldValue::list(self.subprotocols).map(|list| ("Sec-WebSocket-Protocol", list)))
            .chain(FieldValue::list(self.extensions).map(|list| ("Sec-WebSocket-Extensions", list)))
            .chain(self.headers.iter().copied().map(text))
    }

    /// Judges the response of HTTP/1.1 to a request with this key (RFC 6455 section 4.1). `None` is any status but 101,
    /// which is for the caller to handle as HTTP.
    ///
    /// # Errors
    /// The first rule that is broken: the connection has to be dropped.
    pub fn judge_response<'a, F: Fields<'a>>(
        &self,
        key: &Key,
        status: u16,
        fields: F,
    ) -> Result<Option<Answer<'a, F>>, HandshakeError> {
        let summary = Summary::of(fields.clone());
        self.judge_summary(key, status, fields, &summary)
    }

    /// [`judge_response`](Self::judge_response), with what the fields come to.
    pub(crate) fn judge_summary<'a, F: Fields<'a>>(
        &self,
        key: &Key,
        status: u16,
        fields: F,
        summary: &Summary<'a>,
    ) -> Result<Option<Answer<'a, F>>, HandshakeError> {
        if status != 101 {
            return Ok(None);
        }
        let one_upgrade = summary.upgrade.optional(HandshakeError::ResponseUpgrade)?;
        if !one_upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(HandshakeError::ResponseUpgrade);
        }
        if !summary.names_upgrade {
            return Err(HandshakeError::ResponseConnection);
        }
        let accept = summary
            .accept
            .required(HandshakeError::AcceptMissing, HandshakeError::AcceptRepeated)?;
        if accept != key.accept().as_str().as_bytes() {
            return Err(HandshakeError::AcceptMismatch);
        }
        self.judge(fields, summary).map(Some)
    }

    /// Judges the response to an extended CONNECT (RFC 8441 section 5). `None` is any status but 2xx.
    ///
    /// # Errors
    /// As [`judge_response`](Self::judge_response).
    pub fn judge_extended_connect<'a, F: Fields<'a>>(
        &self,
        status: u16,
        fields: F,
    ) -> Result<Option<Answer<'a, F>>, HandshakeError> {
        if !(200..=299).contains(&status) {
            return Ok(None);
        }
        let summary = Summary::of(fields.clone());
        self.judge(fields, &summary).map(Some)
    }

    /// The rules that every door shares.
    fn judge<'a, F: Fields<'a>>(&self, fields: F, summary: &Summary<'a>) -> Result<Answer<'a, F>, HandshakeError> {
        summary.check_extensions()?;
        for agreed in extensions(fields.clone()).flatten() {
            let asked = self
                .extensions
                .iter()
                .filter_map(|extension| Extension::parse(extension));
            if !asked.map(|asked| asked.name()).any(|name| name == agreed.name()) {
                return Err(HandshakeError::ExtensionNotAsked);
            }
        }
        let subprotocol = match summary.protocol.optional(HandshakeError::SeveralSubprotocols)? {
            Some(value) if self.subprotocols.iter().any(|asked| asked.as_bytes() == value) => Some(ascii(value)),
            Some(_) => return Err(HandshakeError::SubprotocolNotAsked),
            None if self.policy == SubprotocolPolicy::Required && !self.subprotocols.is_empty() => {
                return Err(HandshakeError::SubprotocolMissing);
            }
            None => None,
        };
        Ok(Answer { fields, subprotocol })
    }
}

/// A server's answer that has passed every rule: the connection is open.
#[derive(Clone, Debug)]
pub struct Answer<'a, F> {
    fields: F,
    subprotocol: Option<&'a str>,
}

impl<'a, F: Fields<'a>> Answer<'a, F> {
    /// The subprotocol that the server has picked.
    #[must_use]
    pub const fn subprotocol(&self) -> Option<&'a str> {
        self.subprotocol
    }

    /// The extensions that the server has agreed to, in the order in which they apply. Whether their parameters suit
    /// the offer is for the extension to say.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'a>> + Clone + use<'a, F> {
        extensions(self.fields.clone()).flatten()
    }

    /// All header fields, in their order.
    pub fn headers(&self) -> F {
        self.fields.clone()
    }

    /// The value of the first header field with this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        first_value(self.fields.clone(), name).map(trim)
    }

    /// The connection, which takes its mask keys from `entropy`. What the server sent after the head is its first input.
    #[must_use]
    pub fn into_connection<E: Entropy>(self, entropy: E, limits: &Limits) -> Connection<Client<E>> {
        Connection::new(Client::new(entropy), limits)
    }
}
