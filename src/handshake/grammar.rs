//! Tokens, lists and other pieces of grammar. All of it runs once over the bytes that it is given.

use memchr::memchr;

/// What a byte may stand in: a set of bytes, as a bit of [`CLASSES`].
pub(crate) type Class = u8;

/// `token` characters (RFC 9110 section 5.6.2; RFC 2616 section 2.2 means the same set).
pub(crate) const TOKEN: Class = 1;
/// A request target. RFC 9112 section 3.2 has no fragment in any of its forms.
pub(crate) const TARGET: Class = 2;
/// A host's name: `unreserved / sub-delims`, and the percent sign (RFC 3986 section 2).
pub(crate) const HOST: Class = 4;
/// A path or a query: `pchar / "/" / "?"` (RFC 3986 sections 3.3 and 3.4).
pub(crate) const PATH: Class = 8;
/// RFC 4648 section 4.
pub(crate) const BASE64: Class = 16;

/// What each byte may stand in, so that a text is judged by one look per byte.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut rest: &mut [u8] = &mut classes;
    let mut byte = 0_u8;
    while let [class, after @ ..] = rest {
        *class = classes_of(byte);
        rest = after;
        byte = byte.wrapping_add(1);
    }
    classes
};

const fn classes_of(byte: u8) -> Class {
    let alphanumeric = byte.is_ascii_alphanumeric();
    let token = alphanumeric || has(b"!#$%&'*+-.^_`|~", byte);
    let target = byte.is_ascii_graphic() && byte != b'#';
    let host = alphanumeric || has(b"-._~!$&'()*+,;=%", byte);
    let path = host || has(b":@/?", byte);
    let base64 = alphanumeric || has(b"+/", byte);
    token as u8 * TOKEN + target as u8 * TARGET + host as u8 * HOST + path as u8 * PATH + base64 as u8 * BASE64
}

const fn has(mut set: &[u8], byte: u8) -> bool {
    while let [first, rest @ ..] = set {
        if *first == byte {
            return true;
        }
        set = rest;
    }
    false
}

/// Whether a byte is in the class.
pub(crate) fn is(class: Class, byte: u8) -> bool {
    #[cfg(test)]
    looks::look();
    CLASSES
        .get(usize::from(byte))
        .is_some_and(|classes| classes & class != 0)
}

/// Whether all bytes are in the class.
pub(crate) fn all(class: Class, bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| is(class, byte))
}

/// The bytes at the start that `passes`, which may be none, and what comes after them.
pub(crate) fn split_while(bytes: &[u8], passes: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| !passes(byte));
    end.and_then(|end| bytes.split_at_checked(end)).unwrap_or((bytes, &[]))
}

/// The token at the start, which may be empty, and what comes after it.
pub(crate) fn split_token(bytes: &[u8]) -> (&[u8], &[u8]) {
    split_while(bytes, |byte| is(TOKEN, byte))
}

/// Whether `bytes` are this text of lower-case letters, hyphens and digits, the letters in any case.
#[inline(always)]
pub(crate) fn is_text<const N: usize>(bytes: &[u8], lower: &[u8; N]) -> bool {
    /// Of the characters that a text has, only letters have the bit 0x40; their case is the bit 0x20.
    fn same(word: u64, lower: u64) -> bool {
        let case = (lower & u64::from_le_bytes([0x40; 8])) >> 1;
        word | case == lower
    }
    if bytes.len() != N {
        return false;
    }
    // The first and the last bytes, which may overlap.
    if N < 8 {
        let (first, last) = (first_and_last(bytes), first_and_last(lower));
        return match first.zip(last) {
            Some(((first, last), (lower_first, lower_last))) => {
                let same = |word, lower| same(u32::from_le_bytes(word).into(), u32::from_le_bytes(lower).into());
                same(first, lower_first) && same(last, lower_last)
            }
            None => bytes.eq_ignore_ascii_case(lower),
        };
    }
    match (first_and_last(bytes), first_and_last(lower)) {
        (Some((first, last)), Some((lower_first, lower_last))) if N <= 16 => {
            let same = |word, lower| same(u64::from_le_bytes(word), u64::from_le_bytes(lower));
            same(first, lower_first) && same(last, lower_last)
        }
        _ => bytes.eq_ignore_ascii_case(lower),
    }
}

fn first_and_last<const W: usize>(bytes: &[u8]) -> Option<([u8; W], [u8; W])> {
    Some((*bytes.first_chunk()?, *bytes.last_chunk()?))
}

/// `token = 1*tchar` (RFC 9110 section 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(TOKEN, bytes)
}

/// What a header value may hold: VCHAR, SP, HTAB, obs-text (RFC 9110 section 5.5).
const fn is_value_byte(byte: u8) -> bool {
    !byte.is_ascii_control() || byte == b'\t'
}

/// Whether all of it may stand in a header value.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    // No branch in a block, so that the compiler takes it at once.
    let block = |block: &[u8; 16]| block.iter().fold(true, |all, &byte| all & is_value_byte(byte));
    match bytes.last_chunk() {
        // The last block may overlap the one before it.
        Some(last) => bytes.chunks_exact(16).filter_map(<[u8]>::first_chunk).all(block) && block(last),
        None => bytes.iter().all(|&byte| is_value_byte(byte)),
    }
}

/// What stands before and after the first `byte`.
pub(crate) fn split_once(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(memchr(byte, bytes)?)?;
    Some((before, rest.get(1..)?))
}

/// Optional white space (RFC 9110 section 5.6.3).
pub(crate) fn is_ows(byte: u8) -> bool {
    #[cfg(test)]
    looks::look();
    matches!(byte, b' ' | b'\t')
}

/// A value without the white space around it (RFC 9110 section 5.5: it is not part of the value).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    trim_end(trim_start(value))
}

/// A value without the white space before it.
pub(crate) fn trim_start(value: &[u8]) -> &[u8] {
    split_while(value, is_ows).1
}

/// A value without the white space after it.
pub(crate) fn trim_end(value: &[u8]) -> &[u8] {
    let last = value.iter().rposition(|&byte| !is_ows(byte));
    last.and_then(|last| value.get(..=last)).unwrap_or_default()
}

/// The elements of a comma-separated list without quoted strings, empty ones left out (RFC 9110 section 5.6.1.2).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Bytes that were checked to be ASCII, as text.
pub(crate) const fn ascii(bytes: &[u8]) -> &str {
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// What comes after `Sec-WebSocket-` in the name of a header field that RFC 6455 section 11.3 registers, or of a future
/// sibling.
pub(crate) fn websocket_field(name: &[u8]) -> Option<&[u8]> {
    let (start, rest) = name.split_first_chunk::<14>()?;
    is_text(start, b"sec-websocket-").then_some(rest)
}

/// Counts the bytes that are looked at, to prove that they grow with the input only.
#[cfg(test)]
pub(super) mod looks {
    use std::cell::Cell;

    std::thread_local! {
        pub(crate) static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    /// A byte was looked at.
    pub(crate) fn look() {
        LOOKS.set(LOOKS.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Against the rules themselves, at each length and place.
    #[test]
    fn texts_in_any_case() {
        fn check<const N: usize>(lower: &[u8; N]) {
            assert!(is_text(lower, lower) && is_text(&lower.to_ascii_uppercase(), lower));
            assert!(!is_text(&lower[1..], lower) && !is_text(&[lower.as_slice(), b"x"].concat(), lower));
            for at in 0..N {
                for byte in 0..=u8::MAX {
                    let mut text = *lower;
                    text[at] = byte;
                    assert_eq!(is_text(&text, lower), text.eq_ignore_ascii_case(lower), "{text:?}");
                }
            }
        }
        check(b"key");
        check(b"host");
        check(b"version");
        check(b"protocol");
        check(b"websocket");
        check(b"sec-websocket-");
        check(b"transfer-encoding");
    }

    #[test]
    fn a_list_leaves_empty_elements_out() {
        let elements: Vec<_> = list(b",, a ,\t,b,").map(ascii).collect();
        assert_eq!(elements, ["a", "b"]);
        assert_eq!(list(b" , \t").count(), 0);
    }
}
