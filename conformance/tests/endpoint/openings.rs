//! The endpoint's handshakes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Digest as _;
use sockless_conformance::Wire;

use super::Defect::{self, *};
use super::compression::{self, Agreed};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn accept(key: &str) -> String {
    STANDARD.encode(sha1::Sha1::digest(format!("{key}{GUID}")))
}

struct Head {
    line: String,
    fields: Vec<(String, String)>,
    /// The names as they were written.
    names: Vec<String>,
}

impl Head {
    fn parse(defect: Defect, bytes: &[u8]) -> Option<Self> {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        if defect == Latin1IsRefused && !text.is_ascii() {
            return None;
        }
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next()?.to_owned();
        let mut fields = Vec::new();
        let mut names = Vec::new();
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                if defect == LinesWithoutAColonAreTaken {
                    continue;
                }
                return None;
            };
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            let zeros = defect == ZerosInValuesAreTaken;
            let text = |c: char| c == '\t' || !c.is_ascii_control() || zeros && c == '\0';
            if name.is_empty() || !name.chars().all(token) || !value.chars().all(text) {
                return None;
            }
            names.push(name.to_owned());
            let name = match defect {
                NamesHaveOneCase | ResponseNamesHaveOneCase => name.to_owned(),
                _ => name.to_ascii_lowercase(),
            };
            fields.push((name, value.trim_matches([' ', '\t']).to_owned()));
        }
        if defect == ManyFieldsAreRefused && fields.len() > 32 {
            return None;
        }
        Some(Self { line, fields, names })
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let lower = name.to_ascii_lowercase();
        let fields = self.fields.iter().filter(|field| field.0 == lower || field.0 == name);
        fields.map(|field| field.1.as_str()).collect()
    }

    fn as_written(&self, name: &str) -> usize {
        self.names.iter().filter(|one| *one == name).count()
    }

    fn lists(&self, name: &str, member: &str) -> bool {
        let members = self.all(name).into_iter().flat_map(|value| value.split(','));
        members.map(str::trim).any(|one| one.eq_ignore_ascii_case(member))
    }
}

/// Reads a head: what it is, and what came behind it.
fn read(defect: Defect, wire: &mut Wire) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bytes: Vec<u8> = Vec::new();
    while let Some(chunk) = wire.next() {
        if defect == HeadCutIsForgotten && bytes.ends_with(b"\r") {
            bytes.pop();
        }
        bytes.extend(chunk);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let mut behind = bytes.split_off(at + 4);
            if matches!(defect, BytesBehindTheHeadAreLost | EarlyFramesAreLost) {
                behind.clear();
            }
            return Some((bytes, behind));
        }
    }
    None
}

pub(super) fn server(defect: Defect, wire: &mut Wire) -> Option<(Vec<u8>, Option<Agreed>)> {
    let (head, behind) = read(defect, wire)?;
    let judged = Head::parse(defect, &head)
        .ok_or(400)
        .and_then(|head| request(defect, &head).map(|key| (head, key)));
    let (head, key) = match judged {
        Ok(judged) => judged,
        Err(status) => {
            let version = if status == 426 && defect != VersionIsNotTold {
                "Sec-WebSocket-Version: 13\r\n"
            } else {
                ""
            };
            let status = if defect == VersionIsAnsweredWith400 {
                400
            } else {
                status
            };
            if defect != RefusalHasNoResponse {
                wire.sent(format!("HTTP/1.1 {status} No\r\n{version}Content-Length: 0\r\n\r\n").as_bytes());
            }
            if defect == RefusalIsFollowedByAFrame {
                wire.sent(b"\x81\x02no");
            }
            wire.failed(status);
            return None;
        }
    };
    let mut accept = match defect {
        AcceptIsOfTheTrimmedKey => accept(key.trim_end_matches('=')),
        _ => accept(&key),
    };
    if defect == AcceptIsLowerCase {
        accept.make_ascii_lowercase();
    }
    let mut fields = String::new();
    let protocols = head.all("Sec-WebSocket-Protocol").join(", ");
    match defect {
        AgreesToAnyExtension => fields += "Sec-WebSocket-Extensions: x-better\r\n",
        AgreesToAnySubprotocol if !protocols.is_empty() => fields += "Sec-WebSocket-Protocol: mine\r\n",
        AgreesToAllSubprotocols if !protocols.is_empty() => {
            fields += &format!("Sec-WebSocket-Protocol: {protocols}\r\n")
        }
        _ => {}
    }
    let agreed = match compression::answer(defect, &head.all("Sec-WebSocket-Extensions").join(",")) {
        Ok(Some((agreed, answer))) => {
            fields += &format!("Sec-WebSocket-Extensions: {answer}\r\n");
            Some(agreed)
        }
        Ok(None) => None,
        Err(()) => {
            wire.sent(b"HTTP/1.1 400 Bad offer\r\nContent-Length: 0\r\n\r\n");
            wire.failed("a bad offer");
            return None;
        }
    };
    let status = if defect == AnswersWith200 {
        "200 OK"
    } else {
        "101 Switching Protocols"
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
    );
    wire.sent(response.as_bytes());
    Some((behind, agreed))
}

fn all_equal(values: &[&str]) -> bool {
    !values.is_empty() && values.windows(2).all(|two| two[0] == two[1])
}

fn request(defect: Defect, head: &Head) -> Result<String, u16> {
    let demand = |holds: bool| if holds { Ok(()) } else { Err(400_u16) };
    let parts: Vec<_> = head.line.split(' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(400);
    };
    demand(!target.is_empty())?;
    demand(match defect {
        MethodIsNotChecked => true,
        MethodBeginsWithGet => method.starts_with("GET"),
        MethodMayBeCapitalized => method == "GET" || method == "Get",
        MethodMayBeInLowerCase => method.eq_ignore_ascii_case("GET"),
        _ => method == "GET",
    })?;
    demand(version == "HTTP/1.1" || defect == RequestOfHttp10IsTaken && version == "HTTP/1.0")?;
    let hosts = head.all("Host").len();
    demand(match defect {
        HostIsNotChecked => true,
        TwoHostsAreTaken => hosts > 0,
        HostsOfOtherCaseAreNotCounted => hosts > 0 && head.as_written("Host") < 2,
        TwoHostsAreTakenIfEqual => all_equal(&head.all("Host")),
        _ => hosts == 1,
    })?;
    let upgrade = head.all("Upgrade").join(",");
    demand(match defect {
        UpgradeIsNotChecked => true,
        UpgradeMayHaveAVersion => upgrade.split(',').any(|one| {
            one.trim()
                .split('/')
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
        }),
        UpgradeIsSearchedFor => upgrade.to_ascii_lowercase().contains("websocket"),
        UpgradeHasOneCase => upgrade.split(',').any(|one| one.trim() == "websocket"),
        _ => head.lists("Upgrade", "websocket"),
    })?;
    let connection = head.all("Connection").join(",");
    demand(match defect {
        ConnectionIsNotChecked => true,
        ConnectionBeginsWithUpgrade => connection
            .split(',')
            .any(|one| one.trim().to_ascii_lowercase().starts_with("upgrade")),
        ConnectionIsSearchedFor => connection.to_ascii_lowercase().contains("upgrade"),
        ConnectionIsNoList => connection.eq_ignore_ascii_case("upgrade"),
        _ => head.lists("Connection", "upgrade"),
    })?;
    let versions = head.all("Sec-WebSocket-Version");
    match (versions.as_slice(), defect) {
        (["13"], _) | (_, VersionIsNotChecked) | ([], VersionIsNotDemanded) | (["8"], Version8IsTaken) => {}
        ([version], VersionIsANumber) if version.parse() == Ok(13) => {}
        ([version], VersionBeginsWith13) if version.starts_with("13") => {}
        (["13", ..], TwoVersionsAreTaken) | (["13", "13"], TwoVersionsAreTakenIfEqual) => {}
        ([version], VersionListsAreTaken) if version.split(',').any(|one| one.trim() == "13") => {}
        ([_], _) => return Err(426),
        _ => return Err(400),
    }
    let keys = head.all("Sec-WebSocket-Key");
    let key = match (keys.as_slice(), defect) {
        ([], KeyIsNotDemanded) => "",
        ([key], _) | ([key, ..], TwoKeysAreTaken) => key,
        ([key, ..], TwoKeysAreTakenIfEqual) if all_equal(&keys) => key,
        _ => return Err(400),
    };
    let config = base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let decoded = engine.decode(key);
    demand(match defect {
        KeyIsNotDemanded if key.is_empty() => true,
        KeyIsNotDecoded => true,
        KeyIsMeasuredByItsLength => key.len() == 24,
        KeyMayBeAList => key
            .split(',')
            .all(|key| engine.decode(key.trim()).is_ok_and(|key| key.len() == 16)),
        KeyMayBeLonger => decoded.is_ok_and(|key| key.len() >= 16),
        _ => decoded.is_ok_and(|key| key.len() == 16),
    })?;
    Ok(key.to_owned())
}

pub(super) fn client(defect: Defect, wire: &mut Wire) -> Option<(Vec<u8>, Option<Agreed>)> {
    let mut nonce = [0; 16];
    wire.random(&mut nonce);
    let key = match defect {
        RequestHasAShortKey => STANDARD.encode(&nonce[..15]),
        _ => STANDARD.encode(nonce),
    };
    let http = if defect == RequestIsOfHttp10 { "1.0" } else { "1.1" };
    let host = if defect == RequestHasNoHost {
        ""
    } else {
        "Host: example.com\r\n"
    };
    let version = if defect == RequestHasVersion8 { 8 } else { 13 };
    let request = format!(
        "GET / HTTP/{http}\r\n{host}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
        Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Extensions: {}\r\n\r\n",
        compression::offer(defect)
    );
    wire.sent(request.as_bytes());
    let (head, behind) = read(defect, wire)?;
    let head = Head::parse(defect, &head).filter(|head| response(defect, head, &accept(&key)));
    if let Some(head) = head {
        let answer = head.all("Sec-WebSocket-Extensions").join(",");
        if defect == AnyExtensionIsTaken {
            return Some((behind, None));
        }
        if let Ok(agreed) = compression::agreement(defect, &answer) {
            return Some((behind, agreed));
        }
    }
    if defect == SendsAfterARefusal {
        wire.sent(b"\x88\x80\x01\x02\x03\x05");
    }
    wire.failed("no handshake");
    None
}

fn response(defect: Defect, head: &Head, expected: &str) -> bool {
    let (version, rest) = head.line.split_once(' ').unwrap_or((&head.line, ""));
    let (status, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
    let digits = status.len() == 3 && status.chars().all(|c| c.is_ascii_digit());
    let line = match defect {
        StatusIsNotChecked => digits,
        StatusMayBeAny1xx => digits && status.starts_with('1'),
        StatusBeginsWith101 => status.starts_with("101"),
        StatusIsANumber => status.parse() == Ok(101),
        Status200IsTaken => matches!(status, "101" | "200"),
        ReasonPhraseIsDemanded => status == "101" && !phrase.is_empty(),
        _ => status == "101",
    };
    let http = version == "HTTP/1.1"
        || defect == ResponseOfHttp10IsTaken && version == "HTTP/1.0"
        || defect == ResponseVersionIsNotLookedAt;
    let upgrade = head.all("Upgrade").join(",");
    let upgrade = match defect {
        ResponseUpgradeIsNotChecked => true,
        ResponseUpgradeIsAList => head.lists("Upgrade", "websocket"),
        ResponseUpgradeIsSearchedFor => upgrade.to_ascii_lowercase().contains("websocket"),
        _ => upgrade.eq_ignore_ascii_case("websocket"),
    };
    let connection = head.all("Connection").join(",");
    let connection = match defect {
        ResponseConnectionIsNotChecked => true,
        ResponseConnectionIsSearchedFor => connection.to_ascii_lowercase().contains("upgrade"),
        _ => head.lists("Connection", "upgrade"),
    };
    let accepts = head.all("Sec-WebSocket-Accept");
    let accept = match (accepts.as_slice(), defect) {
        ([], AcceptIsNotDemanded) => true,
        ([.., accept], TwoAcceptsAreTaken) => *accept == expected,
        ([accept], _) => match defect {
            AcceptIsNotCompared => true,
            AcceptIsComparedWithoutCase => accept.eq_ignore_ascii_case(expected),
            AcceptIsComparedByItsStart => accept.starts_with(expected),
            AcceptIsComparedUpToItsEnd => !accept.is_empty() && expected.starts_with(accept),
            AcceptIsComparedWithoutPadding => accept.trim_end_matches('=') == expected.trim_end_matches('='),
            AcceptIsComparedUpTo27Characters => accept.get(..27) == expected.get(..27),
            AcceptIsComparedUpTo20Characters => accept.get(..20) == expected.get(..20),
            AcceptMayBeQuoted => accept.trim_matches('"') == expected,
            AcceptIsComparedFromTheSecondCharacter => accept.get(1..) == expected.get(1..),
            AcceptIsComparedByItsLetters => {
                let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
                letters(accept) == letters(expected)
            }
            AcceptMayBeOneOfAList => accept.split(',').any(|one| one.trim() == expected),
            AcceptIsSearchedFor => accept.contains(expected),
            AcceptIsComparedByItsLength => accept.len() == expected.len(),
            AcceptIsDecoded => {
                let config = base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
                let engine = base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, config);
                engine.decode(accept).ok() == engine.decode(expected).ok()
            }
            _ => *accept == expected,
        },
        _ => false,
    };
    let subprotocols = head.all("Sec-WebSocket-Protocol").is_empty() || defect == AnySubprotocolIsTaken;
    line && http && upgrade && connection && accept && subprotocols
}
