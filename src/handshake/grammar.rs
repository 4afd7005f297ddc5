//! Tokens, lists and extensions: the grammar inside header values, as iterators that borrow. All of it runs once over
//! the bytes it is given.

use core::fmt;

use memchr::memchr;

/// Where a byte may stand: bits of [`CLASSES`].
const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const HOST: u8 = 4;
const PATH: u8 = 8;
const BASE64: u8 = 16;

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

const fn classes_of(byte: u8) -> u8 {
    // RFC 9110 section 5.6.2; RFC 2616 section 2.2 means the same set.
    let token = matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
        | b'^' | b'_' | b'`' | b'|' | b'~');
    // RFC 9112 section 3.2 has no fragment in any of its forms.
    let target = byte.is_ascii_graphic() && byte != b'#';
    // `unreserved / sub-delims`, and the percent sign (RFC 3986 section 2).
    let host = byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b'%'
        );
    // `pchar / "/" / "?"` (RFC 3986 sections 3.3 and 3.4).
    let path = host || matches!(byte, b':' | b'@' | b'/' | b'?');
    // RFC 4648 section 4.
    let base64 = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    bit(token, TOKEN) + bit(target, TARGET) + bit(host, HOST) + bit(path, PATH) + bit(base64, BASE64)
}

const fn bit(set: bool, class: u8) -> u8 {
    if set { class } else { 0 }
}

fn is(byte: u8, class: u8) -> bool {
    #[cfg(test)]
    tests::look();
    CLASSES
        .get(usize::from(byte))
        .is_some_and(|classes| classes & class != 0)
}

/// `token` characters.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// The token at the start, which may be empty, and what comes after it.
pub(crate) fn split_token(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| !is_token_byte(byte));
    end.and_then(|end| bytes.split_at_checked(end)).unwrap_or((bytes, &[]))
}

/// What a host's name may hold.
pub(crate) fn is_host_byte(byte: u8) -> bool {
    is(byte, HOST)
}

/// What a path or a query may hold.
pub(crate) fn is_path_byte(byte: u8) -> bool {
    is(byte, PATH)
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

/// Whether all of it is in the alphabet of base64.
pub(crate) fn is_base64(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| is(byte, BASE64))
}

/// `token = 1*tchar` (RFC 9110 section 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
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

/// Whether all of it may stand in a request target.
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is(byte, TARGET))
}

/// What stands before and after the first `byte`.
pub(crate) fn split_once(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(memchr(byte, bytes)?)?;
    Some((before, rest.get(1..)?))
}

/// Optional white space (RFC 9110 section 5.6.3).
fn is_ows(byte: u8) -> bool {
    #[cfg(test)]
    tests::look();
    matches!(byte, b' ' | b'\t')
}

/// A value without the white space around it (RFC 9110 section 5.5: it is not part of the value).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    trim_end(trim_start(value))
}

/// A value without the white space before it.
pub(crate) fn trim_start(mut value: &[u8]) -> &[u8] {
    while let Some((&first, rest)) = value.split_first() {
        if !is_ows(first) {
            break;
        }
        value = rest;
    }
    value
}

/// A value without the white space after it.
pub(crate) fn trim_end(mut value: &[u8]) -> &[u8] {
    while let Some((&last, rest)) = value.split_last() {
        if !is_ows(last) {
            break;
        }
        value = rest;
    }
    value
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

/// Where a parser stands in a value.
#[derive(Clone, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        let end = self.0.iter().position(|&byte| !skipped(byte));
        self.0 = end.and_then(|end| self.0.get(end..)).unwrap_or_default();
    }

    fn eat(&mut self, byte: u8) -> bool {
        #[cfg(test)]
        tests::look();
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// What has been passed since the cursor stood at `start`.
    fn since(&self, start: &'a [u8]) -> &'a [u8] {
        start
            .get(..start.len().saturating_sub(self.0.len()))
            .unwrap_or_default()
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let (token, rest) = split_token(self.0);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// The inside of a quoted string whose characters, once unescaped, make a token (RFC 6455 section 9.1), after its
    /// opening quote.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let start = self.0;
        loop {
            let before = self.0;
            let (&first, rest) = before.split_first()?;
            self.0 = rest;
            match first {
                b'"' => {
                    let inside = start.get(..start.len().saturating_sub(before.len()))?;
                    return Some(inside).filter(|inside| !inside.is_empty());
                }
                b'\\' => {
                    let (&escaped, rest) = rest.split_first()?;
                    self.0 = rest;
                    is_token_byte(escaped).then_some(())?;
                }
                other => is_token_byte(other).then_some(())?,
            }
        }
    }

    /// `token [ "=" ( token | quoted-string ) ]`
    fn param(&mut self) -> Option<Param<'a>> {
        let name = self.token()?;
        self.skip(is_ows);
        if !self.eat(b'=') {
            return Some(Param { name, value: None });
        }
        self.skip(is_ows);
        let value = if self.eat(b'"') { self.quoted()? } else { self.token()? };
        self.skip(is_ows);
        Some(Param {
            name,
            value: Some(ParamValue(value)),
        })
    }

    /// `extension-token *( ";" extension-param )`
    fn extension(&mut self) -> Option<Extension<'a>> {
        let name = self.token()?;
        self.skip(is_ows);
        let start = self.0;
        while self.eat(b';') {
            self.skip(is_ows);
            self.param()?;
        }
        Some(Extension {
            name,
            params: self.since(start),
        })
    }
}

/// The extensions of one `Sec-WebSocket-Extensions` value; `None` stands for one that breaks the grammar, after which
/// nothing more comes.
pub(crate) fn extension_list(value: &[u8]) -> impl Iterator<Item = Option<Extension<'_>>> + Clone {
    let mut cursor = Cursor(value);
    core::iter::from_fn(move || {
        cursor.skip(|byte| is_ows(byte) || byte == b',');
        if cursor.0.is_empty() {
            return None;
        }
        let extension = cursor
            .extension()
            .filter(|_| cursor.0.first().is_none_or(|&next| next == b','));
        if extension.is_none() {
            cursor.0 = &[];
        }
        Some(extension)
    })
}

/// One extension with its parameters, as it is offered or agreed (RFC 6455 section 9.1).
///
/// ```
/// use sockless::handshake::Extension;
///
/// let extension = Extension::parse("permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\"").unwrap();
/// assert_eq!(extension.name(), "permessage-deflate");
/// let mut params = extension.params();
/// assert_eq!(params.next().map(|param| (param.name(), param.value().is_none())), Some(("client_max_window_bits", true)));
/// let bits = params.next().and_then(|param| param.value()).unwrap();
/// assert!(bits == "10");
/// assert_eq!(bits.as_str(), Some("10"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a [u8],
    /// From the first semicolon on; has passed the grammar.
    params: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Parses exactly one extension: `None` when `text` is anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut cursor = Cursor(trim(text.as_bytes()));
        cursor.extension().filter(|_| cursor.0.is_empty())
    }

    /// The extension's name, a token.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        ascii(self.name)
    }

    /// Whether this is a Per-Message Compression Extension, which uses RSV1 (RFC 7692 sections 4 and 5).
    pub(crate) fn is_compression(&self) -> bool {
        const PREFIX: &[u8; 11] = b"permessage-";
        let prefix = self.name.first_chunk::<11>();
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
    }

    /// The parameters, in their order, which may matter.
    pub fn params(&self) -> impl Iterator<Item = Param<'a>> + Clone + use<'a> {
        let mut cursor = Cursor(self.params);
        core::iter::from_fn(move || {
            cursor.eat(b';').then_some(())?;
            cursor.skip(is_ows);
            cursor.param()
        })
    }
}

/// The extension as it was written.
impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        f.write_str(ascii(trim(self.params)))
    }
}

impl fmt::Debug for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extension({self})")
    }
}

/// One parameter of an [`Extension`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    name: &'a [u8],
    value: Option<ParamValue<'a>>,
}

impl<'a> Param<'a> {
    /// The parameter's name, a token.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        ascii(self.name)
    }

    /// The parameter's value, where it has one.
    #[must_use]
    pub const fn value(&self) -> Option<ParamValue<'a>> {
        self.value
    }
}

impl fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Param")
            .field("name", &self.name())
            .field("value", &self.value)
            .finish()
    }
}

/// The value of a [`Param`]: a token, which may have been written as a quoted string. Values compare unescaped.
#[derive(Clone, Copy)]
pub struct ParamValue<'a>(&'a [u8]);

impl<'a> ParamValue<'a> {
    /// The characters of the value, unescaped.
    pub fn bytes(self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        // A backslash is no token character, so that each one here escapes the next.
        self.0.iter().copied().filter(|&byte| byte != b'\\')
    }

    /// The value as text: `None` when it was written with needless escapes, which nobody does; then
    /// [`bytes`](Self::bytes) has it.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        (!self.0.contains(&b'\\')).then(|| ascii(self.0))
    }
}

impl PartialEq for ParamValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for ParamValue<'_> {}

impl PartialEq<str> for ParamValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl PartialEq<&str> for ParamValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(ascii(self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::string::{String, ToString};
    use std::vec::Vec;

    std::thread_local! {
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    /// A byte was looked at.
    pub(super) fn look() {
        LOOKS.set(LOOKS.get() + 1);
    }

    fn extensions(value: &str) -> Option<Vec<String>> {
        extension_list(value.as_bytes())
            .map(|extension| extension.map(|extension| extension.to_string()))
            .collect()
    }

    /// Law L4. A cursor goes forward only, and no rule looks further ahead than one byte: so each byte is looked at by the
    /// few rules that end before it and by the one that passes it.
    #[test]
    fn work_is_linear() {
        for start in ["", "a;b", "a;b=\"x"] {
            for rest in [",", " ", "a , ", "; b = 1 ", "x", "\\x", "\";b=\"x", "\", a;b=\"\\x"] {
                let value = [start, &rest.repeat(20_000)].concat();
                LOOKS.set(0);
                let params = extension_list(value.as_bytes())
                    .flatten()
                    .map(|one| one.params().count());
                let params = params.sum::<usize>() + list(value.as_bytes()).count();
                let (looks, most) = (LOOKS.get(), 4 * value.len());
                assert!(looks <= most && params <= value.len(), "{looks} for {start} {rest}");
            }
        }
    }

    #[test]
    fn a_list_leaves_empty_elements_out() {
        let elements: Vec<_> = list(b",, a ,\t,b,").map(ascii).collect();
        assert_eq!(elements, ["a", "b"]);
        assert_eq!(list(b" , \t").count(), 0);
    }

    #[test]
    fn the_examples_of_section_9_1() {
        assert_eq!(extensions("foo"), Some(std::vec!["foo".to_string()]));
        assert_eq!(extensions("bar; baz=2"), Some(std::vec!["bar; baz=2".to_string()]));
        assert_eq!(
            extensions("foo, bar; baz=2 , deflate-stream,mux; max-channels=4; flow-control"),
            Some(
                [
                    "foo",
                    "bar; baz=2",
                    "deflate-stream",
                    "mux; max-channels=4; flow-control"
                ]
                .map(String::from)
                .to_vec()
            )
        );
        assert_eq!(
            extensions("private-extension"),
            Some(std::vec!["private-extension".to_string()])
        );
    }

    #[test]
    fn extensions_that_break_the_grammar() {
        for bad in [
            "a b",
            ";",
            "a;",
            "a; ;b",
            "a;=1",
            "a;b=",
            "a;b=\"\"",
            "a;b=\"x",
            "a;b=\"x y\"",
            "a;b=\"x\\",
            "a;b=\"\\\"\"",
            "a=1",
            "a;b=1 2",
            "a;b=\"1\"2",
            "\"a\"",
            "a;b==1",
            "a/b",
            "a;b=\"1,2\"",
            "\u{e9}",
            "a, b c",
        ] {
            assert_eq!(extensions(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_shown_is_what_was_written() {
        let extension = Extension::parse("x; a=\"1\\0\";b").unwrap();
        assert_eq!(extension.to_string(), "x; a=\"1\\0\";b");
        assert_eq!(std::format!("{extension:?}"), "Extension(x; a=\"1\\0\";b)");
        let params: Vec<_> = extension.params().map(|param| std::format!("{param:?}")).collect();
        let shown = [
            "Param { name: \"a\", value: Some(\"1\\\\0\") }",
            "Param { name: \"b\", value: None }",
        ];
        assert_eq!(params, shown);
    }

    #[test]
    fn a_quoted_value_is_its_token() {
        let extension = Extension::parse("x; a=\"1\\0\"; b = 10 ; c").unwrap();
        let params: Vec<_> = extension.params().collect();
        assert_eq!(params.len(), 3);
        assert!(params[0].value().unwrap() == "10");
        assert_eq!(params[0].value().unwrap().as_str(), None);
        assert_eq!(params[0].value(), params[1].value());
        assert_eq!(params[2].value(), None);
        let value = params[1].value().unwrap();
        assert_eq!(value.as_str(), Some("10"));
        assert!(value == *"10" && value != *"1" && value != "11");
        let other = Extension::parse("x; a=11").unwrap();
        assert_ne!(other.params().next().unwrap().value(), Some(value));
        assert_ne!(other, Extension::parse("x; a=1").unwrap());
    }
}
