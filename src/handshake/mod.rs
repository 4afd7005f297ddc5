//! The opening handshake (RFC 6455 section 4), both roles, without an allocator.
//!
//! There are three ways to open a connection:
//!
//! - **An HTTP/1.1 head that is parsed here.** [`ServerHandshake`] reads a request from a
//!   [`ReadBuffer`](crate::buffer::ReadBuffer). If the client violates a rule of section 4.2.1, the answer is in the output
//!   by the time the [`HandshakeError`] is returned. Plain HTTP is returned as data, so that one port can serve both.
//!   [`ClientHandshake`] writes the request for a [`WebSocketUri`] and checks the response. Any status but 101 is returned
//!   as data. What follows the head stays in the read buffer, where the connection looks for its input.
//! - **Header fields that an HTTP library has parsed.** [`ValidRequest`] checks a request and [`ConnectOptions`] a response,
//!   over names and values from anywhere ([`Fields`]), a `&http::HeaderMap` among them. With the feature `http` they take
//!   requests and responses of the `http` crate as a whole.
//! - **Extended CONNECT** over HTTP/2 and HTTP/3 (RFC 8441, RFC 9220): the same types, without a key, `Upgrade` and
//!   `Connection`.
//!
//! Each ends in a [`Connection`](crate::connection::Connection) that knows which extensions were agreed to. After somebody
//! else's upgrade there is [`Connection::new`](crate::connection::Connection::new).
//!
//! # Strictness
//! A head is read as RFC 9112 writes it, not as it lets recipients read it: lines end with CR LF, header fields are not
//! folded, no space precedes a colon, no empty line precedes the head. Each line is checked when its end has arrived, and
//! the rules over all fields when the head is complete, so that the result does not depend on read sizes.
//! [`Limits::max_head_len`](crate::limits::Limits::max_head_len) and
//! [`Limits::max_headers`](crate::limits::Limits::max_headers) bound the head. Over fixed memory, so does the length of the
//! memory.
//!
//! Three rules are laxer than they might be read:
//!
//! - The last four bits of a key, which carry nothing, may be anything, as in the example of section 4.1.
//! - A request target may hold visible characters that should have been percent-encoded (`|`, `"`, `{` and the like), as
//!   those of browsers do.
//! - A status line without a reason may lack the space before it.

mod client;
mod error;
mod extension;
mod fields;
mod grammar;
mod head;
#[cfg(feature = "http")]
mod http_types;
mod key;
mod options;
mod request;
mod respond;
mod response;
mod server;
mod start_line;
mod summary;
mod uri;
mod words;
mod write;

pub use client::{ClientHandshake, Response};
pub use error::{ConnectError, HandshakeError, Misuse, RequestError};
pub use extension::{Extension, ParamValue};
pub use fields::Fields;
pub use head::Headers;
pub use key::Key;
pub use options::{AcceptOptions, AcceptResponse, ConnectOptions};
pub use request::ValidRequest;
pub use respond::HttpResponse;
pub use response::ValidResponse;
pub use server::{HttpRequest, Request, ServerHandshake, Upgrade};
pub use start_line::HttpVersion;
pub use uri::{UriError, WebSocketUri};
pub use write::FieldValue;
