//! Header fields as names and values, from anywhere: a head that was parsed here, an HTTP library, HTTP/2 or HTTP/3.

use super::extension::{Extension, extension_list};
use super::grammar::{list, trim};

/// Header fields that can be gone through more than once, as names and values.
///
/// Implemented for whatever gives pairs of references each time it is cloned and turned into an iterator:
///
/// - `&http::HeaderMap` of the `http` crate;
/// - arrays of pairs, and every iterator over pairs that is `Clone`;
/// - references to maps from `String` to `Vec<u8>` or `String`;
/// - [`Headers`](super::Headers).
///
/// ```
/// use sockless::handshake::Fields;
///
/// fn count<'a>(fields: impl Fields<'a>) -> usize {
///     fields.pairs().count()
/// }
///
/// assert_eq!(count([("host", "example.com"), ("x", "y")]), 2);
/// assert_eq!(count(&std::collections::BTreeMap::from([(String::from("host"), b"example.com".to_vec())])), 1);
/// let parsed: &[(String, String)] = &[];
/// assert_eq!(count(parsed.iter().map(|(name, value)| (name.as_str(), value.as_str()))), 0);
/// ```
pub trait Fields<'a>: Clone {
    /// All fields, in their order. A field with several values comes once for each.
    fn pairs(self) -> impl Iterator<Item = (&'a str, &'a [u8])>;
}

impl<'a, T, N, V> Fields<'a> for T
where
    T: IntoIterator<Item = (&'a N, &'a V)> + Clone,
    N: AsRef<str> + ?Sized + 'a,
    V: AsRef<[u8]> + ?Sized + 'a,
{
    fn pairs(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.into_iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

/// The values of all header fields of a name.
fn values<'a>(fields: impl Fields<'a>, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    fields
        .pairs()
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| trim(value))
}

/// The subprotocols that the values of `Sec-WebSocket-Protocol` list.
pub(crate) fn subprotocols<'a, F: Fields<'a>>(fields: F) -> impl Iterator<Item = &'a [u8]> + use<'a, F> {
    values(fields, "Sec-WebSocket-Protocol").flat_map(list)
}

/// The extensions that the values of `Sec-WebSocket-Extensions` list. Once they were checked, none is `None`.
pub(crate) fn extensions<'a, F: Fields<'a>>(fields: F) -> impl Iterator<Item = Option<Extension<'a>>> + use<'a, F> {
    values(fields, "Sec-WebSocket-Extensions").flat_map(extension_list)
}
