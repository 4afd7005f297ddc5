//! `ws` and `wss` addresses (RFC 6455 section 3).

use core::fmt;
use core::net::Ipv6Addr;

use super::grammar::{is_host_byte, is_path_byte};
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
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UriError::Scheme),
        };
        // A fragment is a fragment wherever it starts, the authority included.
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let (authority, resource) = split_resource(rest);
        if authority.contains('@') {
            return Err(UriError::UserInfo);
        }
        let parsed = Authority::parse(authority)?;
        if !resource.rest.bytes().all(is_path_byte) || !percent_encoded(resource.rest) {
            return Err(UriError::ResourceName);
        }
        let default = if secure { 443 } else { 80 };
        let port = parsed.port.unwrap_or(default);
        // Section 4.1: the port is left out of the Host header field when it is the default one.
        let authority = if port == default { parsed.literal } else { authority };
        Ok(Self {
            secure,
            host: parsed.host,
            port,
            authority,
            resource,
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
    pub fn path(&self) -> &'a str {
        self.resource.path()
    }

    /// The query, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.resource.query()
    }

    /// What the request asks for: path and query.
    pub(crate) const fn resource_name(&self) -> ResourceName<'a> {
        self.resource
    }
}

/// A resource name (RFC 6455 section 3): path and query, starting with `/`.
///
/// It is not a `&str` since the slash of an empty path is not there to be borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceName<'a> {
    /// Whether the path is empty, so that its slash has to be added.
    slash: bool,
    rest: &'a str,
}

impl<'a> ResourceName<'a> {
    /// The resource name of a request target in origin form or in absolute form (RFC 9112 section 3.2), and the host
    /// and port that the latter has.
    pub(crate) fn of_target(target: &'a str) -> Option<(Option<&'a str>, Self)> {
        if target.starts_with('/') {
            let resource = Self {
                slash: false,
                rest: target,
            };
            return Some((None, resource));
        }
        let (scheme, rest) = target.split_once("://")?;
        ["http", "https", "ws", "wss"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
            .then_some(())?;
        let (authority, resource) = split_resource(rest);
        Authority::parse(authority).ok()?;
        Some((Some(authority), resource))
    }

    pub(crate) fn path(&self) -> &'a str {
        if self.slash {
            "/"
        } else {
            self.rest.split_once('?').map_or(self.rest, |(path, _)| path)
        }
    }

    pub(crate) fn query(&self) -> Option<&'a str> {
        self.rest.split_once('?').map(|(_, query)| query)
    }
}

impl fmt::Display for ResourceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.slash { "/" } else { "" })?;
        f.write_str(self.rest)
    }
}

/// Whether the slash of an empty path was written makes no difference.
impl PartialEq for ResourceName<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.path(), self.query()) == (other.path(), other.query())
    }
}

impl Eq for ResourceName<'_> {}

/// Splits what comes after `://` into authority and resource name.
fn split_resource(rest: &str) -> (&str, ResourceName<'_>) {
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(at).unwrap_or((rest, ""));
    (
        authority,
        ResourceName {
            slash: !rest.starts_with('/'),
            rest,
        },
    )
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
        let colon = if authority.starts_with('[') {
            let bracket = authority.find(']').ok_or(UriError::Host)?;
            Some(bracket.saturating_add(1)).filter(|&after| after < authority.len())
        } else {
            authority.bytes().position(|byte| !is_host_byte(byte))
        };
        let (literal, port) = match colon {
            None => (authority, ""),
            Some(at) => {
                let (literal, rest) = authority.split_at_checked(at).ok_or(UriError::Host)?;
                // Anything else may stand here.
                (literal, rest.strip_prefix(':').ok_or(UriError::Host)?)
            }
        };
        let host = match literal.strip_prefix('[') {
            Some(inside) => {
                let inside = inside.strip_suffix(']').ok_or(UriError::Host)?;
                inside.parse::<Ipv6Addr>().map_err(|_| UriError::Host)?;
                inside
            }
            None if literal.is_empty() => return Err(UriError::HostEmpty),
            // It ends before the first byte that a name cannot have.
            None if percent_encoded(literal) => literal,
            None => return Err(UriError::Host),
        };
        // RFC 3986 section 3.2.3: the port may be empty, which is the default one.
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| UriError::Port)?)
            }
            _ => return Err(UriError::Port),
        };
        Ok(Self { host, literal, port })
    }
}

/// Whether each percent sign is followed by two hexadecimal digits.
fn percent_encoded(text: &str) -> bool {
    if !text.as_bytes().contains(&b'%') {
        return true;
    }
    let hex = |at: Option<&u8>| at.is_some_and(u8::is_ascii_hexdigit);
    text.as_bytes()
        .split(|&byte| byte == b'%')
        .skip(1)
        .all(|after| hex(after.first()) && hex(after.get(1)))
}
