//! The opening handshake: a request as a server reads it, a response as a client does.

use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use sha1::Digest as _;

use crate::rule::Rule;

/// What an opening handshake comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is legal; the head takes so many bytes, and frames follow.
    Accepted {
        /// The length of the head.
        head_len: usize,
    },
    /// The head is not complete.
    Unfinished,
    /// Rules are broken: each of them.
    Refused(Vec<Rule>),
}

struct Head {
    start_line: Vec<String>,
    fields: Vec<(String, String)>,
    len: usize,
}

impl Head {
    /// Reads a head, or says that it is not complete, or that it is no head.
    fn read(bytes: &[u8]) -> Option<Result<Self, ()>> {
        let end = (0..bytes.len()).find(|at| bytes.get(*at..at + 4) == Some(b"\r\n\r\n"))?;
        // Octets as they are: field values need not be text.
        let text: String = bytes.iter().take(end).map(|byte| char::from(*byte)).collect();
        let mut lines = text.split("\r\n");
        let start_line = lines.next().unwrap_or_default();
        let mut fields = Vec::new();
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                return Some(Err(()));
            };
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            let text = |c: char| c == '\t' || !c.is_ascii_control();
            if name.is_empty() || !name.chars().all(token) || !value.chars().all(text) {
                return Some(Err(()));
            }
            fields.push((name.to_ascii_lowercase(), String::from(value.trim_matches([' ', '\t']))));
        }
        Some(Ok(Self {
            start_line: start_line.split(' ').map(String::from).collect(),
            fields,
            len: end + 4,
        }))
    }

    fn part(&self, number: usize) -> &str {
        self.start_line.get(number).map_or("", String::as_str)
    }

    /// The values of all fields with this name.
    fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|field| field.0 == name);
        named.map(|field| field.1.as_str()).collect()
    }

    /// The members of a list, over all fields with this name.
    fn list(&self, name: &str) -> Vec<&str> {
        let members = self.values(name).into_iter().flat_map(|value| value.split(','));
        members
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty())
            .collect()
    }

    fn lists(&self, name: &str, member: &str) -> bool {
        self.list(name).iter().any(|one| one.eq_ignore_ascii_case(member))
    }
}

/// Reads the request of an opening handshake, as a server does (section 4.2.1).
#[must_use]
pub fn request(bytes: &[u8]) -> Opening {
    let head = match Head::read(bytes) {
        None => return Opening::Unfinished,
        Some(Err(())) => return Opening::Refused(vec![Rule::RequestSyntax]),
        Some(Ok(head)) => head,
    };
    let mut broken = Vec::new();
    if head.start_line.len() != 3 || head.part(1).is_empty() || !matches!(head.part(2), "HTTP/1.0" | "HTTP/1.1") {
        broken.push(Rule::RequestSyntax);
    }
    if head.part(0) != "GET" {
        broken.push(Rule::MethodNotGet);
    }
    if head.part(2) == "HTTP/1.0" {
        broken.push(Rule::HttpVersionTooOld);
    }
    match head.values("host").len() {
        0 => broken.push(Rule::HostMissing),
        1 => {}
        // RFC 9112 section 3.2: 400 to any request with more than one.
        _ => broken.push(Rule::HostRepeated),
    }
    if !head.lists("upgrade", "websocket") {
        broken.push(Rule::UpgradeMissing);
    }
    if !head.lists("connection", "upgrade") {
        broken.push(Rule::ConnectionMissing);
    }
    match *head.values("sec-websocket-key") {
        [] => broken.push(Rule::KeyMissing),
        [key] => {
            // The example of section 4.1 has bits set that carry nothing.
            let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
            let decoded = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(key);
            if !decoded.is_ok_and(|key| key.len() == 16) {
                broken.push(Rule::KeyInvalid);
            }
        }
        _ => broken.push(Rule::KeyRepeated),
    }
    match *head.values("sec-websocket-version") {
        [] => broken.push(Rule::VersionMissing),
        ["13"] => {}
        [_] => broken.push(Rule::VersionUnsupported),
        _ => broken.push(Rule::VersionRepeated),
    }
    if broken.is_empty() {
        Opening::Accepted { head_len: head.len }
    } else {
        Opening::Refused(broken)
    }
}

fn is_status(text: &str) -> bool {
    text.len() == 3 && text.chars().all(|c| c.is_ascii_digit())
}

/// Reads the response of an opening handshake, as a client does that has sent `key` and asked for nothing else
/// (section 4.1).
#[must_use]
pub fn response(bytes: &[u8], key: &str) -> Opening {
    let mut before = 0;
    let head = loop {
        match Head::read(bytes.get(before..).unwrap_or_default()) {
            None => return Opening::Unfinished,
            Some(Err(())) => return Opening::Refused(vec![Rule::ResponseSyntax]),
            // An interim response: another one follows (RFC 9110 section 15.2).
            Some(Ok(head)) if is_status(head.part(1)) && head.part(1).starts_with('1') && head.part(1) != "101" => {
                before += head.len;
            }
            Some(Ok(head)) => break head,
        }
    };
    let mut broken = Vec::new();
    let digits = |text: &str| text.len() == 1 && text.chars().all(|c| c.is_ascii_digit());
    let version = head
        .part(0)
        .strip_prefix("HTTP/")
        .and_then(|version| version.split_once('.'));
    if !version.is_some_and(|(major, minor)| digits(major) && digits(minor)) || !is_status(head.part(1)) {
        broken.push(Rule::ResponseSyntax);
    } else if head.part(0) != "HTTP/1.1" {
        broken.push(Rule::ResponseVersion);
    }
    if head.part(1) != "101" {
        broken.push(Rule::StatusNot101);
    }
    if !head
        .values("upgrade")
        .iter()
        .any(|value| value.eq_ignore_ascii_case("websocket"))
    {
        broken.push(Rule::ResponseUpgrade);
    }
    if !head.lists("connection", "upgrade") {
        broken.push(Rule::ResponseConnection);
    }
    match *head.values("sec-websocket-accept") {
        [] => broken.push(Rule::AcceptMissing),
        [value] if value == accept(key) => {}
        [_] => broken.push(Rule::AcceptMismatch),
        _ => broken.push(Rule::AcceptRepeated),
    }
    if !head.list("sec-websocket-extensions").is_empty() {
        broken.push(Rule::ExtensionNotAsked);
    }
    if !head.values("sec-websocket-protocol").is_empty() {
        broken.push(Rule::SubprotocolNotAsked);
    }
    if broken.is_empty() {
        Opening::Accepted {
            head_len: before + head.len,
        }
    } else {
        Opening::Refused(broken)
    }
}

/// The answer to a key (section 4.2.2): base64 of the SHA-1 of the key and a fixed text.
#[must_use]
pub fn accept(key: &str) -> String {
    let mut hash = sha1::Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(hash.finalize())
}
