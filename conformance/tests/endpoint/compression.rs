//! The endpoint's compression: negotiation, inflating and deflating.

use sockless_conformance::Wire;
use sockless_conformance::model::inflate_message;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

use super::Defect::{self, *};
use super::frames::{Frames, Message};

/// What is agreed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// Whether it was named, and its value.
    client_bits: Option<Option<u8>>,
}

impl Agreed {
    fn text(&self, defect: Defect) -> String {
        let mut text = String::from("permessage-deflate");
        if self.server_no_takeover && defect != NoTakeoverIsNotEchoed {
            text += "; server_no_context_takeover";
        }
        if self.client_no_takeover {
            text += "; client_no_context_takeover";
        }
        if let Some(bits) = self.server_bits.filter(|_| defect != ServerWindowIsNotAnswered) {
            let bits = match defect {
                ServerWindowIsAnsweredAs15 => 15,
                ServerWindow8IsAnsweredAs9 => bits.max(9),
                _ => bits,
            };
            text += &format!("; server_max_window_bits={bits}");
        }
        match (self.client_bits, defect) {
            (Some(_), ClientWindowIsAnsweredWithoutAValue) => text += "; client_max_window_bits",
            (Some(bits), _) => text += &format!("; client_max_window_bits={}", bits.unwrap_or(15)),
            (None, ClientWindowIsAnsweredUnasked) => text += "; client_max_window_bits=15",
            (None, _) => {}
        }
        text
    }
}

fn bits(defect: Defect, value: &str, any: bool) -> Result<Option<u8>, ()> {
    let value = value.trim();
    let value = match defect {
        QuotedWindowsAreRefused => value,
        _ => value.trim_matches('"'),
    };
    let zeros = defect == LeadingZerosInWindowsAreTaken || !value.starts_with(['0', '+']);
    match value.parse::<u64>() {
        Ok(number @ 8..=15) if zeros => Ok(Some(number as u8)),
        Ok(number) if defect == WindowsAreCutTo8Bits => match number as u8 {
            number @ 8..=15 => Ok(Some(number)),
            _ => Err(()),
        },
        _ if any => Ok(Some(15)),
        _ => Err(()),
    }
}

/// The parameters of one offer or answer.
fn parse(defect: Defect, member: &str, offer: bool) -> Option<Result<Agreed, ()>> {
    let mut parts = member.split(';').map(str::trim);
    let name = parts.next()?;
    let is_deflate = match defect {
        ExtensionNamesAreComparedByTheirStart => name.starts_with("permessage-deflate"),
        _ => name.eq_ignore_ascii_case("permessage-deflate"),
    };
    if !is_deflate {
        return None;
    }
    Some(parse_parameters(defect, parts, offer))
}

fn parse_parameters<'a>(defect: Defect, parts: impl Iterator<Item = &'a str>, offer: bool) -> Result<Agreed, ()> {
    let mut agreed = Agreed::default();
    let mut names: Vec<String> = Vec::new();
    let any = defect == AnyWindowIsTaken;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value)),
            None => (part.to_ascii_lowercase(), None),
        };
        if names.contains(&name) && defect != DuplicateParametersAreTaken {
            return Err(());
        }
        names.push(name.clone());
        let known = [
            "server_no_context_takeover",
            "client_no_context_takeover",
            "server_max_window_bits",
            "client_max_window_bits",
        ];
        let name = match defect {
            ParametersAreComparedByTheirStart => {
                let found = known
                    .into_iter()
                    .find(|known| known.starts_with(&name) || name.starts_with(known));
                found.map_or(name, str::to_owned)
            }
            _ => name,
        };
        let value = match defect {
            ValuesOfNoTakeoverAreTaken if name.ends_with("takeover") => None,
            _ => value,
        };
        match (name.as_str(), value) {
            ("server_no_context_takeover", None) => agreed.server_no_takeover = true,
            ("client_no_context_takeover", None) => agreed.client_no_takeover = true,
            ("server_max_window_bits", None) if defect == ServerWindowWithoutAValueIsTaken => {
                agreed.server_bits = Some(15);
            }
            ("server_max_window_bits", Some(value)) => agreed.server_bits = bits(defect, value, any)?,
            ("client_max_window_bits", None) if offer || defect == ClientWindowWithoutAValueIsTaken => {
                agreed.client_bits = Some(None);
            }
            ("client_max_window_bits", Some(value)) => agreed.client_bits = Some(bits(defect, value, any)?),
            _ if defect == UnknownParametersAreTaken => {}
            _ => return Err(()),
        }
    }
    Ok(agreed)
}

/// A server's answer to these offers. An error: they are refused.
pub(super) fn answer(defect: Defect, offers: &str) -> Result<Option<(Agreed, String)>, ()> {
    if defect == DeflateIsAgreedToUnoffered && !offers.contains("permessage-deflate") {
        return Ok(Some((Agreed::default(), String::from("permessage-deflate"))));
    }
    for offer in outside_quotes(offers) {
        match parse(defect, offer, true) {
            Some(Ok(agreed)) => {
                let text = agreed.text(defect);
                return Ok(Some(match defect {
                    DeflateIsAgreedToTwice => (agreed, format!("{text}, {text}")),
                    AnswersWithAnUnknownParameter => (agreed, format!("{text}; level=6")),
                    _ => (agreed, text),
                }));
            }
            Some(Err(())) if defect == BadOffersAreRefused => return Err(()),
            Some(Err(())) | None => {}
        }
    }
    Ok(None)
}

/// The members of a list. No value with a comma in it is of permessage-deflate.
fn outside_quotes(list: &str) -> Vec<&str> {
    let mut quoted = false;
    let cuts = list.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    cuts.map(str::trim).collect()
}

/// A client's offer.
pub(super) fn offer(defect: Defect) -> &'static str {
    match defect {
        ClientWindowIsTakenUnasked => "permessage-deflate",
        DemandsMayBeForgotten => {
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits"
        }
        OffersAWindowOf16Bits => "permessage-deflate; client_max_window_bits=16",
        OffersAnUnknownParameter => "permessage-deflate; client_max_window_bits; level=6",
        _ => "permessage-deflate; client_max_window_bits",
    }
}

/// What a client makes of the answer.
pub(super) fn agreement(defect: Defect, answer: &str) -> Result<Option<Agreed>, ()> {
    let mut agreed = None;
    for member in outside_quotes(answer).into_iter().filter(|member| !member.is_empty()) {
        match parse(defect, member, false) {
            Some(Ok(_)) if agreed.is_some() && defect != AnswersMayComeTwice => return Err(()),
            Some(Ok(one)) => agreed = Some(one),
            None if defect == OtherExtensionsAreTakenBesides && answer.contains("permessage-deflate") => {}
            Some(Err(())) | None => return Err(()),
        }
    }
    if let Some(agreed) = &agreed
        && defect == ClientWindowIsRefused
        && agreed.client_bits.is_some()
    {
        return Err(());
    }
    if let Some(agreed) = &mut agreed
        && defect == DemandsMayBeForgotten
    {
        agreed.server_no_takeover = true;
    }
    Ok(agreed)
}

pub(super) struct Deflating {
    defect: Defect,
    /// What is heard: takeover, and bits.
    hears: (bool, u8),
    sends: (bool, u8),
    history: Vec<u8>,
    deflate: Option<Deflate>,
    messages: u32,
    has_ended: bool,
}

impl Deflating {
    pub(super) fn new(defect: Defect, agreed: Agreed, server: bool) -> Self {
        let of_server = (!agreed.server_no_takeover, agreed.server_bits.unwrap_or(15));
        let of_client = (!agreed.client_no_takeover, agreed.client_bits.flatten().unwrap_or(15));
        let (mut hears, mut sends) = if server {
            (of_client, of_server)
        } else {
            (of_server, of_client)
        };
        match defect {
            DirectionsAreSwapped => std::mem::swap(&mut hears, &mut sends),
            SendsBeyondTheWindow => sends.1 = 15,
            SendsWithTakeoverAlways => sends.0 = true,
            HearsWithoutTakeoverAlways => hears.0 = false,
            HearsAWindowOf12Bits => hears.1 = hears.1.min(12),
            _ => {}
        }
        Self {
            defect,
            hears,
            sends,
            history: Vec::new(),
            deflate: None,
            messages: 0,
            has_ended: false,
        }
    }

    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    pub(super) fn inflate(&mut self, payload: &[u8]) -> Result<Vec<u8>, u16> {
        self.messages += 1;
        if !self.hears.0 {
            self.history.clear();
        }
        let first = payload.first().copied().unwrap_or(0);
        let refused = match self.defect {
            StoredBlocksAreRefused => first & 0b110 == 0 && payload.len() > 1,
            DynamicBlocksAreRefused => first & 0b110 == 0b100,
            BfinalIsRefused => first & 1 == 1,
            EmptyCompressedMessagesAreRefused => payload == [0],
            Window8CannotBeHeard => self.hears.1 == 8,
            _ => false,
        };
        if refused {
            return Err(1002);
        }
        if self.has_ended && self.is(MessagesAfterBfinalAreEmpty) {
            return Ok(Vec::new());
        }
        // There is no distance beyond a window of 15 bits.
        let far = self.hears.1 < 15 && inflate_message(payload, &self.history).farthest > 1 << self.hears.1;
        if far && !self.is(FarDistancesAreTaken) {
            return Err(1007);
        }
        let output = match raw(payload, &self.history, self.defect) {
            Ok((output, ended)) => {
                self.has_ended |= ended;
                if ended && self.is(WindowIsForgottenAtBfinal) {
                    self.history.clear();
                    return Ok(output);
                }
                output
            }
            Err(_) if self.is(PanicsOnBadData) => panic!("bad data"),
            Err((output, true)) if self.is(CutDataAreTaken) => output,
            Err((output, _)) if self.is(BadDataAreTakenAsFar) => output,
            Err(_) if self.is(BadDataAreEmpty) => Vec::new(),
            Err(_) if self.is(BadDataCloseWith1011) => return Err(1011),
            Err(_) => return Err(1007),
        };
        self.note(&output);
        if self.is(WindowIsForgottenAfter256Messages) && self.messages == 256
            || self.is(EmptyMessagesClearTheWindow) && output.is_empty()
        {
            self.history.clear();
        }
        Ok(output)
    }

    fn note(&mut self, output: &[u8]) {
        self.history.extend_from_slice(output);
        let most = match self.defect {
            WindowHolds16384Bytes => 16_384,
            WindowHolds32767Bytes => 32_767,
            _ => 32_768,
        };
        let over = self.history.len().saturating_sub(most);
        self.history.drain(..over);
    }

    pub(super) fn plain(&mut self, data: &[u8]) {
        match self.defect {
            PlainMessagesJoinTheWindow => self.note(data),
            PlainMessagesClearTheWindow => self.history.clear(),
            _ => {}
        }
    }

    fn compress(&mut self, data: &[u8]) -> Vec<u8> {
        let (takeover, bits) = self.sends;
        if !takeover {
            self.deflate = None;
        }
        let deflate = self.deflate.get_or_insert_with(|| {
            Deflate::new_with_config(DeflateConfig {
                level: 6,
                window_bits: -i32::from(bits.max(9)),
                ..DeflateConfig::default()
            })
        });
        let mut output = vec![0; data.len() + data.len() / 8 + 1024];
        let before_out = deflate.total_out();
        deflate.compress(data, &mut output, DeflateFlush::SyncFlush).unwrap();
        output.truncate((deflate.total_out() - before_out) as usize);
        if output.is_empty() {
            // There was nothing to flush.
            output.extend([0, 0, 0, 0xff, 0xff]);
        }
        if !self.is(SendsTheTail) {
            assert!(output.ends_with(&[0, 0, 0xff, 0xff]));
            output.truncate(output.len() - 4);
        }
        output
    }
}

/// Inflates. An error has what it came to, and whether the data only end too early. Says whether a stream has ended.
fn raw(payload: &[u8], history: &[u8], defect: Defect) -> Result<(Vec<u8>, bool), (Vec<u8>, bool)> {
    let mut output = Vec::new();
    let mut inflate = Inflate::new(false, 15);
    let _ = inflate.set_dictionary(history);
    let mut ended = false;
    let mut before = 0;
    // The last of these shows whether there was a whole block: it is one, empty, and with BFINAL.
    for (number, part) in [payload, &[0, 0, 0xff, 0xff], &[1, 0, 0, 0xff, 0xff]]
        .into_iter()
        .enumerate()
    {
        if number == 1 {
            before = output.len();
        }
        let mut rest = part;
        loop {
            let mut made = vec![0; 1 << 14];
            let (was_in, was_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(rest, &mut made, InflateFlush::NoFlush);
            rest = &rest[(inflate.total_in() - was_in) as usize..];
            let len = (inflate.total_out() - was_out) as usize;
            output.extend_from_slice(&made[..len]);
            match status {
                Ok(Status::StreamEnd) if number == 2 => {
                    return match rest.is_empty() && output.len() == before {
                        true => Ok((output, ended)),
                        false => Err((output, true)),
                    };
                }
                Ok(Status::StreamEnd) => {
                    ended = true;
                    if defect == BlocksBehindBfinalAreLost {
                        return Ok((output, ended));
                    }
                    let window = [history, &output].concat();
                    inflate = Inflate::new(false, 15);
                    let _ = inflate.set_dictionary(&window[window.len().saturating_sub(32_768)..]);
                    if rest.is_empty() {
                        break;
                    }
                }
                Ok(_) if rest.is_empty() && len < made.len() => break,
                Ok(_) => {}
                Err(_) => return Err((output, false)),
            }
        }
    }
    Err((output, true))
}

impl Frames {
    /// Which reserved bits mean something.
    pub(super) fn rsv_of_compression(&self, opcode: u8, rsv: u8) -> u8 {
        let Some(deflate) = &self.deflate else { return 0 };
        let ignored = match (deflate.defect, opcode) {
            (_, 1 | 2) => 4,
            (Rsv1OnContinuationsIsTaken, 0)
            | (Rsv1OnPingsIsTaken, 9)
            | (Rsv1OnPongsIsTaken, 0xa)
            | (Rsv1OnClosesIsTaken, 8) => 4,
            (Rsv1OnEmptyContinuationsIsTaken, 0) if self.header.get(1).is_none_or(|second| second & 0x7f == 0) => 4,
            _ => 0,
        };
        let other = match deflate.defect {
            Rsv2IsTakenBesidesRsv1 if rsv & 4 != 0 => 2,
            Rsv3IsTakenWithCompression => 1,
            _ => 0,
        };
        ignored | other
    }

    /// Whether the message that begins with this byte is compressed.
    pub(super) fn is_compressed(&self, first: u8) -> bool {
        let rsv1 = first & 0x40 != 0;
        self.deflate.is_some()
            && match self.defect {
                RsvIsNotLookedAtForMessages => false,
                PlainMessagesAreInflated => true,
                _ => rsv1,
            }
    }

    /// What a control frame does to the message under way.
    pub(super) fn control_between(&mut self, opcode: u8) {
        match (self.defect, &mut self.message, &mut self.deflate) {
            (PingsEndTheCompression, Some(message), _) if opcode == 9 => message.compressed = false,
            (PongsClearTheWindow, _, Some(deflate)) if opcode == 0xa => deflate.history.clear(),
            _ => {}
        }
    }

    /// Inflates a message that is whole.
    pub(super) fn inflated(&mut self, message: &mut Message, last: &[u8]) -> Result<(), u16> {
        let defect = self.defect;
        let Some(deflate) = &mut self.deflate else {
            return Ok(());
        };
        if !message.compressed {
            if defect == PlainMessagesAreRefused {
                return Err(1002);
            }
            deflate.plain(&message.data);
            return Ok(());
        }
        if defect == EmptyLastFragmentsAreRefused && message.fragments > 1 && last.is_empty() {
            return Err(1002);
        }
        if defect == CompressedBytesMustBeText && message.text && std::str::from_utf8(&message.data).is_err() {
            return Err(1007);
        }
        message.data = deflate.inflate(&message.data)?;
        let data = &mut message.data;
        match defect {
            InflatedOver65536IsCut => data.truncate(65_536),
            InflatedOver100000IsRefused if data.len() > 100_000 => return Err(1002),
            InflatedKeepsItsLastByteBack if data.len() > 4096 => {
                data.pop();
            }
            CompressedTextIsBinary => message.text = false,
            FragmentedCompressedTextIsBinary if message.fragments > 1 => message.text = false,
            InflatedTextIsMended if message.text => *data = String::from_utf8_lossy(data).into_owned().into_bytes(),
            InflatedTextIsNotValidated => return Ok(()),
            _ => {}
        }
        if message.text && std::str::from_utf8(&message.data).is_err() {
            return Err(1007);
        }
        Ok(())
    }

    /// Sends a message back.
    pub(super) fn echo(&mut self, text: bool, data: &[u8], wire: &mut Wire) {
        let opcode = if text { 0x1 } else { 0x2 };
        let Some(deflate) = &mut self.deflate else {
            if self.is(SendsRsv1ThoughNothingIsAgreed) {
                return self.send_first(0xc0 | opcode, data, wire);
            }
            return self.send(opcode, data, wire);
        };
        let mut payload = deflate.compress(data);
        match self.defect {
            SendsCompressedWithoutRsv1 => return self.send(opcode, &payload, wire),
            // It has gone through the compressor all the same.
            SendsPlainWhatWasCompressed if data.len() < 100 => return self.send(opcode, data, wire),
            SendsRsv1OnContinuations | SendsFragments => {
                let (first, rest) = payload.split_at(payload.len() / 2);
                let (first, rest) = (first.to_vec(), rest.to_vec());
                self.send_first(0x40 | opcode, &first, wire);
                let bit = if self.is(SendsRsv1OnContinuations) { 0x40 } else { 0 };
                return self.send_first(0x80 | bit, &rest, wire);
            }
            SendsItsLastByteTooMuch => payload.push(0),
            SendsItsLastByteNot => {
                payload.pop();
            }
            SendsRsv2WithRsv1 => return self.send_first(0xe0 | opcode, &payload, wire),
            _ => {}
        }
        self.send_first(0xc0 | opcode, &payload, wire);
    }
}
