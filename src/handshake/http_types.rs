//! Requests and responses of the `http` crate (feature `http`).

use alloc::string::ToString as _;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::error::HandshakeError;
use super::key::Key;
use super::options::{AcceptResponse, ConnectOptions};
use super::request::ValidRequest;
use super::response::ValidResponse;
use super::start_line::HttpVersion;
use super::write::FieldValue;

impl<'a> ValidRequest<'a, &'a HeaderMap> {
    /// Checks a request of the `http` crate: an upgrade over HTTP/1.1, or an extended CONNECT over HTTP/2 or HTTP/3. `None`
    /// is a request that is no opening handshake at all.
    ///
    /// `protocol` is the value of the `:protocol` pseudo-header field, which the `http` crate has no place for. Servers keep
    /// it among the request's extensions: `request.extensions().get::<hyper::ext::Protocol>()`. Over HTTP/1.1 it is ignored.
    ///
    /// ```
    /// use sockless::handshake::{AcceptOptions, ValidRequest};
    /// use sockless::limits::Limits;
    ///
    /// # fn handle(request: http::Request<()>) -> Result<http::Response<()>, Box<dyn std::error::Error>> {
    /// let valid = match ValidRequest::from_http(&request, None) {
    ///     Ok(Some(valid)) => valid,
    ///     Ok(None) => return Ok(http::Response::builder().status(404).body(())?),
    ///     Err(error) => return Ok(error.to_http(request.version()).ok_or("no answer")?.map(|_text| ())),
    /// };
    /// let accepted = valid.accept(&AcceptOptions::new())?;
    /// let response = accepted.to_http()?;
    /// let connection = accepted.into_connection(&Limits::default()); // over the upgraded stream
    /// # let _ = connection;
    /// Ok(response)
    /// # }
    /// # let request = http::Request::get("/chat")
    /// #     .header("host", "example.com").header("upgrade", "websocket").header("connection", "upgrade")
    /// #     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").header("sec-websocket-version", "13").body(())?;
    /// # assert_eq!(handle(request)?.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first rule that is broken, with the [status](HandshakeError::status) and
    /// [header fields](HandshakeError::answer_headers) to answer with.
    pub fn from_http<B>(request: &'a http::Request<B>, protocol: Option<&str>) -> Result<Option<Self>, HandshakeError> {
        let (method, fields) = (request.method().as_str(), request.headers());
        if let Some(version) = http1(request.version()) {
            return Self::from_request(method, version, fields);
        }
        match protocol {
            Some(protocol) => Self::from_extended_connect(method, protocol, fields),
            None => Ok(None),
        }
    }
}

impl AcceptResponse<'_> {
    /// The response as one of the `http` crate.
    ///
    /// # Errors
    /// If the `http` crate has no room for it: a header field's name that is longer than 64 KiB, or more than 32,768 header
    /// fields.
    pub fn to_http(&self) -> Result<http::Response<()>, http::Error> {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(self.status())?;
        append(response.headers_mut(), self.fields())?;
        Ok(response)
    }
}

impl ConnectOptions<'_> {
    /// The request as one of the `http` crate, for this target: with a key, a GET over HTTP/1.1 and the `Host` of the
    /// target's authority; without one, an extended CONNECT over HTTP/2, to which the `:protocol` pseudo-header field
    /// `websocket` has to be added as the client library wants it.
    ///
    /// # Errors
    /// What must not be sent ([`Misuse`](super::Misuse)), or what the `http` crate has no room for.
    pub fn to_http(
        &self,
        target: http::Uri,
        key: Option<&Key>,
    ) -> Result<http::Request<()>, alloc::boxed::Box<dyn core::error::Error + Send + Sync>> {
        let mut request = http::Request::new(());
        if key.is_some() {
            if let Some(authority) = target.authority() {
                // Without user information: RFC 9110 section 7.2 has "uri-host [ ":" port ]".
                let host = authority.as_str().rsplit('@').next().unwrap_or_default();
                let host = HeaderValue::from_str(host)?;
                request.headers_mut().try_append(http::header::HOST, host)?;
            }
        } else {
            *request.method_mut() = Method::CONNECT;
            *request.version_mut() = Version::HTTP_2;
        }
        *request.uri_mut() = target;
        append(request.headers_mut(), self.fields(key)?)?;
        Ok(request)
    }

    /// Checks a response of the `http` crate: over HTTP/1.1 to a request with this key, or to an extended CONNECT, which
    /// has none. `None` is a response that does not accept, which is for the caller to handle as HTTP.
    ///
    /// # Errors
    /// The first rule that is broken: the connection has to be dropped, or the stream reset.
    pub fn check_http<'a, B>(
        &self,
        key: Option<&Key>,
        response: &'a http::Response<B>,
    ) -> Result<Option<ValidResponse<'a, &'a HeaderMap>>, HandshakeError> {
        let (status, fields) = (response.status().as_u16(), response.headers());
        match key {
            Some(_) if status == 101 && response.version() < Version::HTTP_11 => Err(HandshakeError::ResponseVersion),
            _ => self.check_response(key, status, fields),
        }
    }
}

impl HandshakeError {
    /// The answer to this error as a response of the `http` crate, to a request of this version. `None` for what has no
    /// answer.
    ///
    /// HTTP/2 and HTTP/3 have no `Upgrade` (RFC 9113 section 8.2.2), which status 426 demands: status 400 takes its place.
    #[must_use]
    pub fn to_http(self, version: Version) -> Option<http::Response<&'static str>> {
        let is_http1 = http1(version).is_some();
        let status = self.status()?;
        let status = if status == 426 && !is_http1 { 400 } else { status };
        let mut response = http::Response::new(self.text());
        *response.status_mut() = StatusCode::from_u16(status).ok()?;
        let fields = self
            .answer_headers()
            .iter()
            .filter(|(name, _)| is_http1 || *name != "Upgrade");
        let fields = fields.map(|(name, value)| (*name, FieldValue::text(value)));
        append(response.headers_mut(), fields).ok()?;
        if status == 426 {
            // RFC 9110 section 7.8: who sends Upgrade names it in Connection.
            let connection = [("Connection", FieldValue::text("Upgrade"))];
            append(response.headers_mut(), connection).ok()?;
        }
        Some(response)
    }
}

/// The version, if it is one of HTTP/1.
fn http1(version: Version) -> Option<HttpVersion> {
    if version >= Version::HTTP_2 {
        None
    } else if version >= Version::HTTP_11 {
        Some(HttpVersion::Http11)
    } else {
        Some(HttpVersion::Http10)
    }
}

fn append<'r, 's>(
    headers: &mut HeaderMap,
    fields: impl IntoIterator<Item = (&'r str, FieldValue<'s>)>,
) -> Result<(), http::Error> {
    for (name, value) in fields {
        let (name, value) = (HeaderName::try_from(name)?, HeaderValue::try_from(value.to_string())?);
        headers.try_append(name, value)?;
    }
    Ok(())
}
