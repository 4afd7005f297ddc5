//! The negotiation of permessage-deflate (RFC 7692 section 7.1): offers as a server reads them, an answer as a client does.

use std::fmt;

/// The parameters of an offer or of an answer.
///
/// A parameter that says how large a window is may stand without a value in an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// `server_no_context_takeover`.
    pub server_no_context_takeover: bool,
    /// `client_no_context_takeover`.
    pub client_no_context_takeover: bool,
    /// `server_max_window_bits`.
    pub server_max_window_bits: Option<u8>,
    /// `client_max_window_bits`, and its value if it has one.
    pub client_max_window_bits: Option<Option<u8>>,
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        match self.client_max_window_bits {
            Some(Some(bits)) => write!(f, "; client_max_window_bits={bits}"),
            Some(None) => f.write_str("; client_max_window_bits"),
            None => Ok(()),
        }
    }
}

/// A member of the list in `Sec-WebSocket-Extensions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// permessage-deflate, with parameters as they may be.
    Deflate(Parameters),
    /// permessage-deflate, with parameters as they may not be, and why not.
    BadDeflate(String),
    /// Another extension.
    Other(String),
}

/// Who has sent the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client: its elements are offers.
    Client,
    /// The server: its elements are answers.
    Server,
}

/// Cuts at a character where that stands outside quotes.
fn cut(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if c == at && !quoted {
            parts.push(String::new());
            continue;
        }
        match (quoted, escaped, c) {
            (_, false, '"') => quoted = !quoted,
            (true, false, '\\') => escaped = true,
            _ => escaped = false,
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
        .iter()
        .map(|part| String::from(part.trim_matches([' ', '\t'])))
        .collect()
}

/// A value without its quotes.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inside) => inside.replace('\\', ""),
        None => String::from(value),
    }
}

/// Reads the value of the field, the values of several joined by commas.
#[must_use]
pub fn elements(value: &str, sender: Sender) -> Vec<Element> {
    let members = cut(value, ',').into_iter().filter(|member| !member.is_empty());
    members.map(|member| element(&member, sender)).collect()
}

fn element(member: &str, sender: Sender) -> Element {
    let parts = cut(member, ';');
    let (name, parameters) = parts.split_first().map_or(("", &[][..]), |(name, rest)| (name, rest));
    if !name.eq_ignore_ascii_case("permessage-deflate") {
        return Element::Other(name.to_ascii_lowercase());
    }
    let mut read = Parameters::default();
    let mut names: Vec<String> = Vec::new();
    for parameter in parameters {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
            None => (parameter.as_str(), None),
        };
        let name = name.to_ascii_lowercase();
        // Section 7.1: unknown names, values that are not allowed, and the same name twice.
        if names.contains(&name) {
            return Element::BadDeflate(format!("{name} twice"));
        }
        let bits = value.as_deref().and_then(window_bits);
        match (name.as_str(), &value, bits, sender) {
            ("server_no_context_takeover", None, _, _) => read.server_no_context_takeover = true,
            ("client_no_context_takeover", None, _, _) => read.client_no_context_takeover = true,
            ("server_max_window_bits", _, Some(bits), _) => read.server_max_window_bits = Some(bits),
            ("client_max_window_bits", None, _, Sender::Client) => read.client_max_window_bits = Some(None),
            ("client_max_window_bits", _, Some(bits), _) => read.client_max_window_bits = Some(Some(bits)),
            (_, None, _, _) => return Element::BadDeflate(format!("the parameter {name} without a value")),
            (_, Some(value), _, _) => return Element::BadDeflate(format!("the parameter {name}={value}")),
        }
        names.push(name);
    }
    Element::Deflate(read)
}

/// Sections 7.1.2.1 and 7.1.2.2: a decimal number from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

/// What is agreed with this answer to these offers: nothing, if there is none about permessage-deflate; an error says what
/// is wrong with the answer.
///
/// # Errors
/// In words that go on after "agrees to".
pub fn agreement(offers: &[Element], answer: &[Element]) -> Result<Option<Parameters>, String> {
    let mut agreed = None;
    for element in answer {
        match element {
            Element::Other(_) => {}
            Element::BadDeflate(why) => return Err(format!("permessage-deflate with {why}")),
            Element::Deflate(_) if agreed.is_some() => return Err(String::from("permessage-deflate twice")),
            Element::Deflate(parameters) => agreed = Some(*parameters),
        }
    }
    let Some(answer) = agreed else { return Ok(None) };
    let mut why = String::from("permessage-deflate, which was not offered as it may be");
    for offer in offers {
        let Element::Deflate(offer) = offer else { continue };
        match fits(offer, &answer) {
            Ok(()) => return Ok(Some(answer)),
            Err(reason) => why = format!("{answer}: {reason}"),
        }
    }
    Err(why)
}

/// Whether an answer is one to this offer.
fn fits(offer: &Parameters, answer: &Parameters) -> Result<(), &'static str> {
    // Section 7.1.1.1.
    if offer.server_no_context_takeover && !answer.server_no_context_takeover {
        return Err("server_no_context_takeover was demanded");
    }
    // Section 7.1.2.1: the same value or a smaller one. That 15 is not named changes nothing: it is the most there is.
    match (offer.server_max_window_bits, answer.server_max_window_bits) {
        (Some(15), None) => {}
        (Some(_), None) => return Err("server_max_window_bits was demanded"),
        (Some(most), Some(bits)) if bits > most => return Err("a smaller server_max_window_bits was demanded"),
        (Some(_) | None, _) => {}
    }
    // Section 7.1.2.2.
    if offer.client_max_window_bits.is_none() && answer.client_max_window_bits.is_some() {
        return Err("client_max_window_bits was not offered");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(offer: &str, answer: &str) -> Result<Option<Parameters>, String> {
        agreement(&elements(offer, Sender::Client), &elements(answer, Sender::Server))
    }

    #[test]
    fn answers() {
        const NAME: &str = "permessage-deflate";
        for (offer, answer, good) in [
            ("", "", true),
            ("", "; server_no_context_takeover", true),
            ("", "; client_no_context_takeover", true),
            ("", "; server_max_window_bits=8", true),
            ("", "; server_max_window_bits=\"10\"", true),
            ("", "; client_max_window_bits=15", false),
            ("; client_max_window_bits", "; client_max_window_bits=15", true),
            ("; client_max_window_bits", "; client_max_window_bits", false),
            ("; client_max_window_bits=9", "; client_max_window_bits=10", true),
            ("; server_no_context_takeover", "", false),
            ("; server_no_context_takeover", "; Server_No_Context_Takeover", true),
            ("; server_max_window_bits=10", "", false),
            ("; server_max_window_bits=15", "", true),
            ("; server_max_window_bits=10", "; server_max_window_bits=11", false),
            ("; server_max_window_bits=10", "; server_max_window_bits=10", true),
            ("; server_max_window_bits=10", "; server_max_window_bits=9", true),
            ("", "; server_max_window_bits=7", false),
            ("", "; server_max_window_bits=16", false),
            ("", "; server_max_window_bits=08", false),
            ("", "; server_max_window_bits", false),
            ("", "; server_no_context_takeover=1", false),
            ("", "; server_no_context_takeover; server_no_context_takeover", false),
            ("", "; x", false),
            ("; server_max_window_bits", "", false),
            ("; x", "", false),
        ] {
            let result = agreed(&format!("{NAME}{offer}"), &format!("{NAME}{answer}"));
            assert_eq!(result.is_ok(), good, "{offer} {answer}: {result:?}");
        }
        assert_eq!(agreed(NAME, ""), Ok(None));
        assert_eq!(agreed(NAME, "x-other"), Ok(None));
        assert!(agreed("x-other", NAME).is_err());
        assert!(agreed(NAME, "permessage-deflate, permessage-deflate").is_err());
        let several = "permessage-deflate; x, permessage-deflate; server_max_window_bits=10, permessage-deflate";
        assert!(agreed(several, NAME).is_ok());
        assert_eq!(elements(several, Sender::Client).len(), 3);
    }
}
