//! The opening handshake (RFC 6455 section 4), both roles, over the caller's buffer and without an allocator.
//!
//! - [`ServerHandshake`] reads an HTTP/1.1 request. Every broken rule of section 4.2.1 is a [`HandshakeError`] whose answer
//!   is queued before the caller hears of it; plain HTTP comes out as data, so that one port can serve both.
//! - [`ClientHandshake`] writes the request for a [`WebSocketUri`] and verifies the response. Any status but 101 comes out
//!   as data.
//! - [`Offer`] and [`Proposal`] are the negotiation itself over header fields as names and values: for requests that an HTTP
//!   library has parsed, and for extended CONNECT over HTTP/2 and HTTP/3 (RFC 8441, RFC 9220).
//!
//! A [`Connection`](crate::connection::Connection) comes only out of an accepted handshake, or of somebody else's upgrade
//! through [`Connection::new`](crate::connection::Connection::new).
//!
//! # Strictness
//! A head is read as RFC 9112 writes it and not as it lets recipients read it: lines end with CR LF, header fields are
//! not folded, no space stands before a colon, no empty line before the head. The head is judged line by line as lines
//! arrive, and the rules about the whole of it when it is complete, so that the outcome does not depend on how the bytes
//! were cut into reads. [`Limits::max_head_len`](crate::limits::Limits::max_head_len) and
//! [`Limits::max_headers`](crate::limits::Limits::max_headers) bound it.
//!
//! In three places the rules are laxer than they might be read: the last four bits of a key, which carry nothing, may be
//! anything, as they are in the example of section 4.1; a request target may hold visible characters that should have been
//! percent-encoded (`|`, `"`, `{` and the like), as those of browsers do; and a status line without a reason may lack the
//! space before it.

mod client;
mod error;
mod fields;
mod grammar;
mod head;
mod key;
mod options;
mod origin;
mod request;
mod respond;
mod response;
mod server;
mod start_line;
mod summary;
mod uri;
mod words;
mod write;

pub use client::{Accepted, ClientHandshake, Rejected, Response};
pub use error::{HandshakeError, Misuse, RequestError, WriteError};
pub use fields::Fields;
pub use grammar::{Extension, Param, ParamValue};
pub use head::Headers;
pub use key::{AcceptKey, Key};
pub use options::{AcceptOptions, AcceptResponse, ConnectOptions, SubprotocolPolicy};
pub use origin::OriginPolicy;
pub use request::ValidRequest;
pub use respond::HttpResponse;
pub use response::ValidResponse;
pub use server::{HttpRequest, Request, ServerHandshake, Upgrade};
pub use start_line::HttpVersion;
pub use uri::{ResourceName, UriError, WebSocketUri};
pub use write::FieldValue;
