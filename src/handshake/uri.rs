//! `ws` and `wss` addresses (RFC 6455 section 3).

use core::net::Ipv6Addr;

use super::error::rule;
use super::grammar::{HOST, PATH, all, is, split_while};
use crate::macros::rules;

rules! {
    /// What is wrong with a `ws` or `wss` address.
    pub enum UriError {
        Scheme, "RFC 6455 section 3", "the address does not start with ws:// or wss://";
        Fragment, "RFC 6455 section 3", "the address has a fragment";
        UserInfo, "RFC 6455 section 3", "the address has user information before the host";
        HostEmpty, "RFC 3986 section 3.2.2", "the address has no host";
        Host, "RFC 3986 section 3.2.2", "the host is neither a name nor an address";
        Port, "RFC 3986 section 3.2.3", "the port is not a number from 0 to 65535";
        ResourceName, "RFC 3986 section 3.3", "the path or query has a character that must be percent-encoded";
    }
}

/// A `ws` or `wss` address, borrowed from its text.
///
/// Only ASCII is accepted: an internationalized address is to be encoded first (RFC 6455 section 3 goes by RFC 3986).
///
/// ```
/// use sockless::handshake::WebSocketUri;
///
/// let uri = WebSocketUri::parse("wss://example.com/chat?room=1")?;
/// assert!(uri.secure()); // TLS is the caller's
/// assert_eq!((uri.host(), uri.port()), ("example.com", 443));
/// assert_eq!(uri.authority(), "example.com");
/// assert_eq!((uri.path(), uri.query()), ("/chat", Some("room=1")));
///
/// let uri = WebSocketUri::parse("ws://[::1]:9001")?;
/// assert_eq!((uri.host(), uri.port(), uri.authority()), ("::1", 9001, "[::1]:9001"));
/// assert_eq!((uri.path(), uri.query()), ("/", None));
/// # Ok::<(), sockless::handshake::UriError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketUri<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
    authority: &'a str,
    resource: ResourceName<'a>,
}

impl<'a> WebSocketUri<'a> {
    /// Parses an address.
    ///
    /// # Errors
    /// The first rule that the address breaks.
    pub fn parse(uri: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
        let secure = scheme.eq_ignore_ascii_case("wss");
        rule(secure || scheme.eq_ignore_ascii_case("ws"), UriError::Scheme)?;
        // A fragment is a fragment wherever it starts, the authority included.
        rule(!rest.contains('#'), UriError::Fragment)?;
        let (authority, resource) = split_authority(rest);
        rule(!authority.contains('@'), UriError::UserInfo)?;
        let parsed = Authority::parse(authority)?;
        rule(
            all(PATH, resource.as_bytes()) && percent_encoded(resource),
            UriError::ResourceName,
        )?;
        let default = if secure { 443 } else { 80 };
        let port = parsed.port.unwrap_or(default);
        // Section 4.1: the port is left out of the Host header field when it is the default one.
        let authority = if port == default { parsed.literal } else { authority };
        Ok(Self {
            secure,
            host: parsed.host,
            port,
            authority,
            resource: ResourceName::parse(resource),
        })
    }

    /// Whether the scheme is `wss`: the caller has to set up TLS before the handshake.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to: a name, or an address without brackets.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss` when the address names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the `Host` header field says: the host, and the port when it is not the default one.
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// The path, at least `/`.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.resource.path
    }

    /// The query, without its question mark.
    #[must_use]
    pub const fn query(&self) -> Option<&'a str> {
        self.resource.query
    }
}

/// A resource name (RFC 6455 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResourceName<'a> {
    /// The path, at least `/`.
    pub(crate) path: &'a str,
    /// The query, without its question mark.
    pub(crate) query: Option<&'a str>,
}

impl<'a> ResourceName<'a> {
    /// What comes after the authority, or a request target in origin form.
    fn parse(text: &'a str) -> Self {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        Self { path, query }
    }

    /// The resource name of a request target in origin form or in absolute form (RFC 9112 section 3.2), and the host
    /// and port that the latter has.
    pub(crate) fn of_target(target: &'a str) -> Option<(Option<&'a str>, Self)> {
        if target.starts_with('/') {
            return Some((None, Self::parse(target)));
        }
        let (scheme, rest) = target.split_once("://")?;
        ["http", "https", "ws", "wss"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
            .then_some(())?;
        let (authority, resource) = split_authority(rest);
        Authority::parse(authority).ok()?;
        Some((Some(authority), Self::parse(resource)))
    }
}

/// What comes after `://`: the authority, and the resource name.
fn split_authority(rest: &str) -> (&str, &str) {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, ""))
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2).
pub(crate) struct Authority<'a> {
    /// The host without brackets.
    host: &'a str,
    /// The host with the brackets that an IPv6 address has.
    literal: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(crate) fn parse(authority: &'a str) -> Result<Self, UriError> {
        let end = match authority.strip_prefix('[') {
            Some(rest) => rest.find(']').ok_or(UriError::Host)?.saturating_add(2),
            // A name ends before the first byte that it cannot have.
            None => split_while(authority.as_bytes(), |byte| is(HOST, byte)).0.len(),
        };
        let (literal, rest) = authority.split_at_checked(end).ok_or(UriError::Host)?;
        rule(rest.is_empty() || rest.starts_with(':'), UriError::Host)?;
        let address = literal.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let valid = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => percent_encoded(literal),
        };
        rule(!literal.is_empty(), UriError::HostEmpty)?;
        rule(valid, UriError::Host)?;
        // RFC 3986 section 3.2.3: the port may be empty, which is the default one.
        let digits = rest.strip_prefix(':').unwrap_or_default();
        rule(digits.bytes().all(|byte| byte.is_ascii_digit()), UriError::Port)?;
        let port = match digits {
            "" => None,
            _ => Some(digits.parse().map_err(|_| UriError::Port)?),
        };
        Ok(Self {
            host: address.unwrap_or(literal),
            literal,
            port,
        })
    }
}

/// Whether each percent sign is followed by two hexadecimal digits.
fn percent_encoded(text: &str) -> bool {
    let mut parts = text.as_bytes().split(|&byte| byte == b'%').skip(1);
    parts.all(|after| matches!(after, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}
