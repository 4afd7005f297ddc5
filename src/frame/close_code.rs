//! Close codes, RFC 6455 section 7.4.

use core::fmt;

/// A close status code, RFC 6455 section 7.4.
///
/// ```
/// use sockless::frame::CloseCode;
///
/// assert!(CloseCode::NORMAL.is_allowed_on_the_wire());
/// assert!(!CloseCode::ABNORMAL.is_allowed_on_the_wire());
/// assert!(CloseCode(4000).is_allowed_on_the_wire());
/// assert_eq!(CloseCode::GOING_AWAY.to_string(), "1001 (going away)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

/// The codes that have a name: section 7.4.1 and the registry that section 11.7 founds.
macro_rules! close_codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $text:literal, $wire:literal;)+) => {
        impl CloseCode {
            $($(#[$doc])+ pub const $name: Self = Self($code);)+

            /// What the code means, in a few words, if it has a name.
            const fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($text),)+
                    _ => None,
                }
            }

            /// Whether the code may stand in a Close frame (sections 7.4.1 and 7.4.2): the registered ones other than
            /// 1004, 1005, 1006 and 1015, those registered by libraries and frameworks (3000 to 3999), and those for
            /// private use (4000 to 4999).
            #[must_use]
            pub const fn is_allowed_on_the_wire(self) -> bool {
                match self.0 {
                    $($code => $wire,)+
                    code => code >= 3000 && code <= 4999,
                }
            }
        }
    };
}

close_codes! {
    /// 1000: the purpose of the connection is fulfilled.
    NORMAL = 1000, "normal closure", true;
    /// 1001: a server goes down, or a browser leaves the page.
    GOING_AWAY = 1001, "going away", true;
    /// 1002: the peer broke the protocol.
    PROTOCOL_ERROR = 1002, "protocol error", true;
    /// 1003: a kind of data that cannot be accepted.
    UNSUPPORTED_DATA = 1003, "unsupported data", true;
    /// 1004: reserved. Never on the wire.
    RESERVED = 1004, "reserved", false;
    /// 1005: stands for a Close frame without a code. Never on the wire.
    NO_STATUS = 1005, "no status received", false;
    /// 1006: stands for a connection that ended without a Close frame. Never on the wire.
    ABNORMAL = 1006, "abnormal closure", false;
    /// 1007: data that does not fit the kind of message, such as text that is not UTF-8.
    INVALID_PAYLOAD = 1007, "invalid frame payload data", true;
    /// 1008: a policy was broken.
    POLICY_VIOLATION = 1008, "policy violation", true;
    /// 1009: a message too big to process.
    MESSAGE_TOO_BIG = 1009, "message too big", true;
    /// 1010: the server did not agree to an extension that the client needs.
    MANDATORY_EXTENSION = 1010, "mandatory extension", true;
    /// 1011: the server met an unexpected condition.
    INTERNAL_ERROR = 1011, "internal error", true;
    /// 1012: the service restarts.
    SERVICE_RESTART = 1012, "service restart", true;
    /// 1013: the service is overloaded; try again later.
    TRY_AGAIN_LATER = 1013, "try again later", true;
    /// 1014: a gateway got an invalid answer from upstream.
    BAD_GATEWAY = 1014, "bad gateway", true;
    /// 1015: stands for a failed TLS handshake. Never on the wire.
    TLS_HANDSHAKE = 1015, "TLS handshake", false;
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => write!(f, "{} ({meaning})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
