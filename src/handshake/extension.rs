//! Extensions as header values list them (RFC 6455 section 9.1), as iterators that borrow.

use core::fmt;

use super::grammar::{TOKEN, ascii, is, is_ows, split_token, split_while, trim};

/// Where a parser stands in a value.
#[derive(Clone, Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        self.0 = split_while(self.0, skipped).1;
    }

    fn eat(&mut self, byte: u8) -> bool {
        #[cfg(test)]
        super::grammar::looks::look();
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
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
        while !self.eat(b'"') {
            self.eat(b'\\');
            let (&character, rest) = self.0.split_first()?;
            is(TOKEN, character).then_some(())?;
            self.0 = rest;
        }
        let (_quote, inside) = self.since(start).split_last()?;
        (!inside.is_empty()).then_some(inside)
    }

    /// `token [ "=" ( token | quoted-string ) ]`
    fn param(&mut self) -> Option<(&'a str, Option<ParamValue<'a>>)> {
        let name = ascii(self.token()?);
        self.skip(is_ows);
        if !self.eat(b'=') {
            return Some((name, None));
        }
        self.skip(is_ows);
        let value = if self.eat(b'"') { self.quoted()? } else { self.token()? };
        self.skip(is_ows);
        Some((name, Some(ParamValue(value))))
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
/// assert_eq!(params.next(), Some(("client_max_window_bits", None)));
/// let Some(("server_max_window_bits", Some(bits))) = params.next() else { panic!() };
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
        let prefix = self.name.first_chunk::<11>();
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"permessage-"))
    }

    /// The names of the parameters, which are tokens, with the values of those that have one. They come in their order,
    /// which may matter.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<ParamValue<'a>>)> + Clone + use<'a> {
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

/// The value of a parameter of an [`Extension`]: a token, which may have been written as a quoted string. Values compare
/// and are displayed unescaped.
#[derive(Clone, Copy)]
pub struct ParamValue<'a>(&'a [u8]);

impl<'a> ParamValue<'a> {
    /// The characters of the value, unescaped.
    fn bytes(self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        // A backslash is no token character, so that each one here escapes the next.
        self.0.iter().copied().filter(|&byte| byte != b'\\')
    }

    /// The value as text: `None` when it was written with needless escapes, which nobody does; then
    /// [`Display`](fmt::Display) has it.
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

impl PartialEq<&str> for ParamValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.bytes().eq(other.bytes())
    }
}

/// The value, unescaped.
impl fmt::Display for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .split(|&byte| byte == b'\\')
            .try_for_each(|piece| f.write_str(ascii(piece)))
    }
}

impl fmt::Debug for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(ascii(self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::grammar::list;
    use super::super::grammar::looks::LOOKS;
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

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
        let params: Vec<_> = extension.params().collect();
        assert_eq!(std::format!("{params:?}"), r#"[("a", Some("1\\0")), ("b", None)]"#);
    }

    #[test]
    fn a_quoted_value_is_its_token() {
        let extension = Extension::parse("x; a=\"1\\0\"; b = 10 ; c").unwrap();
        let params: Vec<_> = extension.params().collect();
        let [("a", Some(quoted)), ("b", Some(value)), ("c", None)] = params[..] else {
            panic!("{params:?}")
        };
        assert!(quoted == "10" && quoted == value);
        assert_eq!((quoted.as_str(), value.as_str()), (None, Some("10")));
        assert_eq!(
            (quoted.to_string(), value.to_string()),
            ("10".to_string(), "10".to_string())
        );
        assert!(value == "10" && value != "1" && value != "11");
        let other = Extension::parse("x; a=11").unwrap();
        assert_ne!(other.params().next().unwrap().1, Some(value));
        assert_ne!(other, Extension::parse("x; a=1").unwrap());
    }
}
