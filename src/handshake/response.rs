//! The rules over the header fields of a response (RFC 6455 section 4.1), common to HTTP/1.1 and extended CONNECT.

use super::error::{HandshakeError, rule};
use super::extension::Extension;
use super::fields::{Fields, extensions};
use super::grammar::ascii;
use super::key::Key;
use super::options::{ConnectOptions, agree};
use super::summary::HeaderSummary;
use crate::connection::{Client, Connection, Extensions};
use crate::entropy::Entropy;
use crate::limits::Limits;

impl ConnectOptions<'_> {
    /// Checks the response of HTTP/1.1 to a request with this key (RFC 6455 section 4.1). Without a key, the response to an
    /// extended CONNECT (RFC 8441 section 5). `None` is a status that does not accept, any but 101 or, in extended CONNECT,
    /// 2xx: it is for the caller to handle as HTTP.
    ///
    /// # Errors
    /// The first rule that is broken: the connection has to be dropped, or the stream reset.
    pub fn check_response<'a, F: Fields<'a>>(
        &self,
        key: Option<&Key>,
        status: u16,
        fields: F,
    ) -> Result<Option<ValidResponse<'a, F>>, HandshakeError> {
        let summary = HeaderSummary::of(fields.clone());
        self.check_summary(key, status, fields, &summary)
    }

    /// Checks a response whose fields were gone through already.
    pub(crate) fn check_summary<'a, F: Fields<'a>>(
        &self,
        key: Option<&Key>,
        status: u16,
        fields: F,
        summary: &HeaderSummary<&'a [u8]>,
    ) -> Result<Option<ValidResponse<'a, F>>, HandshakeError> {
        // Item 1: "If the status code received from the server is not 101, the client handles the response per HTTP [RFC2616]
        // procedures."
        let accepts = match key {
            Some(_) => status == 101,
            None => (200..=299).contains(&status),
        };
        if !accepts {
            return Ok(None);
        }
        if let Some(key) = key {
            check_upgrade(key, summary)?;
        }
        let agreed = self.check_extensions(fields.clone(), summary)?;
        let subprotocol = self.check_subprotocol(summary)?;
        Ok(Some(ValidResponse {
            fields,
            subprotocol,
            agreed,
        }))
    }

    /// Item 5: "If the response includes a |Sec-WebSocket-Extensions| header field and this header field indicates the use of an
    /// extension that was not present in the client's handshake [...], the client MUST _Fail the WebSocket Connection_."
    fn check_extensions<'a, F: Fields<'a>>(
        &self,
        fields: F,
        summary: &HeaderSummary<&'a [u8]>,
    ) -> Result<Extensions, HandshakeError> {
        if !summary.has_extensions()? {
            return Ok(Extensions::NONE);
        }
        for agreed in extensions(fields.clone()).flatten() {
            let mut offered = self.extensions.iter().filter_map(|offered| Extension::parse(offered));
            let asked = offered.any(|offered| offered.name() == agreed.name());
            rule(asked, HandshakeError::ExtensionNotAsked)?;
        }
        agree(
            extensions(fields).flatten(),
            self.implemented,
            // An offer that is not implemented is not sent.
            HandshakeError::ExtensionNotAsked,
            HandshakeError::ExtensionConflict,
        )
    }

    /// Item 6: "If the response includes a |Sec-WebSocket-Protocol| header field and this header field indicates the use of a
    /// subprotocol that was not present in the client's handshake [...], the client MUST _Fail the WebSocket Connection_."
    /// Section 11.3.4: it "MUST NOT appear more than once in an HTTP response."
    fn check_subprotocol<'a>(&self, summary: &HeaderSummary<&'a [u8]>) -> Result<Option<&'a str>, HandshakeError> {
        let Some(value) = summary.protocol.optional(HandshakeError::SeveralSubprotocols)? else {
            let missing = self.subprotocol_required && !self.subprotocols.is_empty();
            return rule(!missing, HandshakeError::SubprotocolMissing).map(|()| None);
        };
        let asked = self.subprotocols.iter().any(|asked| asked.as_bytes() == value);
        rule(asked, HandshakeError::SubprotocolNotAsked)?;
        Ok(Some(ascii(value)))
    }
}

/// The rules over the header fields that only HTTP/1.1 has.
fn check_upgrade(key: &Key, summary: &HeaderSummary<&[u8]>) -> Result<(), HandshakeError> {
    // Item 2: "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains a value that is not an
    // ASCII case-insensitive match for the value "websocket", the client MUST _Fail the WebSocket Connection_."
    let upgrade = summary
        .upgrade
        .required(HandshakeError::ResponseUpgrade, HandshakeError::ResponseUpgrade)?;
    rule(
        upgrade.eq_ignore_ascii_case(b"websocket"),
        HandshakeError::ResponseUpgrade,
    )?;
    // Item 3: "If the response lacks a |Connection| header field or the |Connection| header field doesn't contain a token
    // that is an ASCII case-insensitive match for the value "Upgrade", the client MUST _Fail the WebSocket Connection_."
    rule(summary.names_upgrade, HandshakeError::ResponseConnection)?;
    // Item 4: "If the response lacks a |Sec-WebSocket-Accept| header field or the |Sec-WebSocket-Accept| contains a value
    // other than the base64-encoded SHA-1 [...], the client MUST _Fail the WebSocket Connection_." Section 11.3.3: it
    // "MUST NOT appear more than once in an HTTP response."
    let accept = summary
        .accept
        .required(HandshakeError::AcceptMissing, HandshakeError::AcceptRepeated)?;
    rule(accept == key.accept(), HandshakeError::AcceptMismatch)
}

/// A server's response that has passed every rule: the connection is open.
#[derive(Clone, Debug)]
pub struct ValidResponse<'a, F> {
    fields: F,
    subprotocol: Option<&'a str>,
    agreed: Extensions,
}

impl<'a, F: Fields<'a>> ValidResponse<'a, F> {
    /// The subprotocol that the server has picked.
    #[must_use]
    pub const fn subprotocol(&self) -> Option<&'a str> {
        self.subprotocol
    }

    /// The extensions that the server has agreed to, in the order in which they apply. Whether their parameters suit
    /// the offer is for the extension to say.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'a>> + use<'a, F> {
        extensions(self.fields.clone()).flatten()
    }

    /// All header fields, in their order.
    pub fn headers(&self) -> F {
        self.fields.clone()
    }

    /// The connection, which takes its mask keys from `entropy`, with the extensions that were agreed to. What the server
    /// sent after the head is its first input.
    #[must_use]
    pub fn into_connection<E: Entropy>(self, entropy: E, limits: &Limits) -> Connection<Client<E>> {
        Connection::new(Client::new(entropy), limits).with_extensions(self.agreed)
    }
}
