//! Which origins may open a connection (RFC 6455 section 10.2).

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
