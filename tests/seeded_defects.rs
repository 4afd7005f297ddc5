//! The check of the check: breakages made by hand, each of which the kit must catch.
//!
//! The double below is a plain endpoint of its own. Without a defect it passes; with any one it must fail, or at least
//! be called not strict where the RFC leaves it free.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: a panic here is a failing test"
)]

mod kit;

use sockless::conformance::{Case, Checker, Report, Role, Verdict, Wire};

/// What is broken, what the kit must say, and in which section at least.
const DEFECTS: &[(Defect, Verdict, &str)] = &[
    (Defect::MaskRestartsWithEachChunk, Verdict::Fail, "5.6"),
    (Defect::HeaderCutIsForgotten, Verdict::Fail, "5.6"),
    (Defect::LengthOf16BitsIsLittleEndian, Verdict::Fail, "5.2"),
    (Defect::LengthIsCutTo16Bits, Verdict::Fail, "5.2"),
    (Defect::ReservedBitsAreIgnored, Verdict::Fail, "5.2"),
    (Defect::TopBitIsIgnored, Verdict::Fail, "5.2"),
    (Defect::MaskIsNotDemanded, Verdict::Fail, "5.1"),
    (Defect::ControlFrameEndsAMessage, Verdict::Fail, "5.4"),
    (Defect::OrphanContinuationStartsAMessage, Verdict::Fail, "5.4"),
    (Defect::NewMessageReplacesTheOldOne, Verdict::Fail, "5.4"),
    (Defect::LongControlFramesAreTaken, Verdict::Fail, "5.5"),
    (Defect::FragmentedControlFramesAreTaken, Verdict::Fail, "5.5"),
    (Defect::CloseBodyOfOneByteIsTaken, Verdict::NotStrict, "5.5.1"),
    (Defect::CloseIsNotAnswered, Verdict::Fail, "5.5.1"),
    (Defect::FramesAfterCloseAreTaken, Verdict::Fail, "5.5.1"),
    (Defect::ReasonIsNotValidated, Verdict::NotStrict, "5.5.1"),
    (Defect::PongIsEmpty, Verdict::Fail, "5.5.2"),
    (Defect::CloseCode1005IsTaken, Verdict::Fail, "7.4"),
    (Defect::TextIsValidatedFrameByFrame, Verdict::Fail, "8.1"),
    (Defect::TextMayEndInACharacter, Verdict::Fail, "8.1"),
    (Defect::SurrogatesAreTaken, Verdict::Fail, "8.1"),
    (Defect::BadTextClosesWith1002, Verdict::NotStrict, "8.1"),
    (Defect::TextIsValidatedAtTheEnd, Verdict::NotStrict, "8.1"),
    (Defect::FailureSendsNoClose, Verdict::NotStrict, "5.2"),
    (Defect::LaterPiecesAreBinary, Verdict::Fail, "8.1"),
    (Defect::CloseIsMadeUpAtTheEnd, Verdict::Fail, "5.6"),
    (Defect::CloseIsMadeUpAfterAFailure, Verdict::Fail, "5.4"),
    (Defect::BrokenCloseIsTold, Verdict::NotStrict, "5.5.1"),
    (Defect::LongLengthsAreTaken, Verdict::NotStrict, "5.2"),
    (Defect::LongLengthsGiveGarbage, Verdict::Fail, "5.2"),
    (Defect::LongLengthsGiveNothing, Verdict::Fail, "5.2"),
    (Defect::LongLengthsGiveAPieceMore, Verdict::Fail, "5.2"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    MaskRestartsWithEachChunk,
    HeaderCutIsForgotten,
    LengthOf16BitsIsLittleEndian,
    LengthIsCutTo16Bits,
    ReservedBitsAreIgnored,
    TopBitIsIgnored,
    MaskIsNotDemanded,
    ControlFrameEndsAMessage,
    OrphanContinuationStartsAMessage,
    NewMessageReplacesTheOldOne,
    LongControlFramesAreTaken,
    FragmentedControlFramesAreTaken,
    CloseBodyOfOneByteIsTaken,
    CloseIsNotAnswered,
    FramesAfterCloseAreTaken,
    ReasonIsNotValidated,
    PongIsEmpty,
    CloseCode1005IsTaken,
    TextIsValidatedFrameByFrame,
    TextMayEndInACharacter,
    SurrogatesAreTaken,
    BadTextClosesWith1002,
    TextIsValidatedAtTheEnd,
    FailureSendsNoClose,
    /// The first piece of a text is text, the next one binary.
    LaterPiecesAreBinary,
    CloseIsMadeUpAtTheEnd,
    CloseIsMadeUpAfterAFailure,
    /// A Close that fails the connection is delivered.
    BrokenCloseIsTold,
    LongLengthsAreTaken,
    LongLengthsGiveGarbage,
    LongLengthsGiveNothing,
    LongLengthsGiveAPieceMore,
    /// No defect: the application learns of a failure by the code that the Close says.
    FailureIsToldAsItsCode,
    /// No defect: the application learns of a failure by the code of an abnormal end.
    FailureIsToldAs1006,
}

/// An endpoint, byte by byte.
struct Double {
    defect: Defect,
    server: bool,
    header: Vec<u8>,
    /// First byte, length and key of the frame under way.
    frame: Option<(u8, u64, [u8; 4])>,
    payload: Vec<u8>,
    /// The bytes of payload since the chunk began, for the first defect.
    phase: usize,
    message: Option<(bool, Vec<u8>)>,
    /// Whether a length was not in its shortest form.
    long_length: bool,
    closed: bool,
    over: bool,
}

impl Double {
    fn broken(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn run(defect: Defect, wire: &mut Wire) {
        if wire.has_handshake() {
            return wire.skip();
        }
        let mut double = Self {
            defect,
            server: wire.role() == Role::Server,
            header: Vec::new(),
            frame: None,
            payload: Vec::new(),
            phase: 0,
            message: None,
            long_length: false,
            closed: false,
            over: false,
        };
        while let Some(chunk) = wire.next() {
            if double.broken(Defect::MaskRestartsWithEachChunk) {
                double.phase = 0;
            }
            if double.broken(Defect::HeaderCutIsForgotten) && double.header.len() == 1 {
                double.header.clear();
            }
            for byte in chunk {
                if double.over {
                    return;
                }
                if let Err(code) = double.byte(byte, wire) {
                    if !double.broken(Defect::FailureSendsNoClose) {
                        double.send(0x8, &u16::to_be_bytes(code), wire);
                    }
                    match defect {
                        Defect::CloseIsMadeUpAfterAFailure => wire.close(Some(1000), "made up"),
                        Defect::BrokenCloseIsTold if double.frame.is_some_and(|frame| frame.0 & 0xf == 8) => {
                            wire.close(Some(1000), "");
                        }
                        Defect::FailureIsToldAsItsCode => wire.close(Some(code), "a rule is broken"),
                        Defect::FailureIsToldAs1006 => wire.close(Some(1006), ""),
                        _ => {}
                    }
                    return wire.failed(code);
                }
            }
        }
        if double.broken(Defect::CloseIsMadeUpAtTheEnd) && !double.closed {
            wire.close(Some(1000), "made up");
        }
        if double.broken(Defect::LongLengthsGiveAPieceMore) && double.long_length {
            wire.binary(b"more", false);
        }
    }

    fn takes_long_lengths(&self) -> bool {
        matches!(
            self.defect,
            Defect::LongLengthsAreTaken
                | Defect::LongLengthsGiveGarbage
                | Defect::LongLengthsGiveNothing
                | Defect::LongLengthsGiveAPieceMore
        )
    }

    fn send(&self, opcode: u8, payload: &[u8], wire: &mut Wire) {
        let mut frame = vec![0x80 | opcode, payload.len() as u8];
        if !self.server {
            frame[1] |= 0x80;
            frame.extend([0; 4]);
        }
        frame.extend_from_slice(payload);
        wire.sent(&frame);
    }

    fn byte(&mut self, byte: u8, wire: &mut Wire) -> Result<(), u16> {
        match self.frame {
            None => {
                self.header.push(byte);
                self.header(wire)
            }
            Some((first, length, key)) => {
                self.payload.push(byte ^ key[self.phase % 4]);
                self.phase += 1;
                self.judge_part(first)?;
                if self.payload.len() as u64 == length {
                    self.frame_end(first, wire)
                } else {
                    Ok(())
                }
            }
        }
    }

    fn header(&mut self, wire: &mut Wire) -> Result<(), u16> {
        let header = self.header.clone();
        let first = header[0];
        let (fin, opcode) = (first & 0x80 != 0, first & 0xf);
        let control = opcode >= 8;
        if first & 0x70 != 0 && !self.broken(Defect::ReservedBitsAreIgnored) || !matches!(opcode, 0..=2 | 8..=10) {
            return Err(1002);
        }
        if control && !fin && !self.broken(Defect::FragmentedControlFramesAreTaken) {
            return Err(1002);
        }
        if opcode == 0 && self.message.is_none() && !self.broken(Defect::OrphanContinuationStartsAMessage)
            || matches!(opcode, 1 | 2) && self.message.is_some() && !self.broken(Defect::NewMessageReplacesTheOldOne)
        {
            return Err(1002);
        }
        let Some(second) = header.get(1) else { return Ok(()) };
        let masked = second & 0x80 != 0;
        let seven = second & 0x7f;
        if masked != self.server && !self.broken(Defect::MaskIsNotDemanded) {
            return Err(1002);
        }
        if control && seven > 125 && !self.broken(Defect::LongControlFramesAreTaken) {
            return Err(1002);
        }
        if opcode == 8 && seven == 1 && !self.broken(Defect::CloseBodyOfOneByteIsTaken) {
            return Err(1002);
        }
        let size = match seven {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let field = &header[2..header.len().min(2 + size)];
        if size == 8 && field.first().is_some_and(|byte| byte & 0x80 != 0) && !self.broken(Defect::TopBitIsIgnored) {
            return Err(1002);
        }
        if size == 8 && field.iter().take(5).any(|byte| *byte & 0x7f != 0) && !self.broken(Defect::TopBitIsIgnored) {
            return Err(1009);
        }
        if size == 8 && field.len() == 6 && field.iter().all(|byte| *byte == 0) && !self.takes_long_lengths() {
            return Err(1002);
        }
        if field.len() < size {
            return Ok(());
        }
        let mut length = field
            .iter()
            .fold(u64::from(if size == 0 { seven } else { 0 }), |length, byte| {
                length << 8 | u64::from(*byte)
            });
        if size == 2 && length <= 125 && !self.takes_long_lengths() {
            return Err(1002);
        }
        if size == 2 && self.broken(Defect::LengthOf16BitsIsLittleEndian) {
            length = length >> 8 | (length & 0xff) << 8;
        }
        if self.broken(Defect::LengthIsCutTo16Bits) {
            length &= 0xffff;
        }
        let mut key = [0; 4];
        if masked {
            let Some(bytes) = header.get(2 + size..2 + size + 4) else {
                return Ok(());
            };
            key.copy_from_slice(bytes);
        }
        self.long_length |= size == 2 && length <= 125 || size == 8 && length <= 65535;
        self.header.clear();
        self.payload.clear();
        self.phase = 0;
        self.frame = Some((first, length, key));
        match opcode {
            1 | 2 => self.message = Some((opcode == 1, Vec::new())),
            0 if self.message.is_none() => self.message = Some((false, Vec::new())),
            _ => {}
        }
        if length == 0 {
            self.frame_end(first, wire)
        } else {
            Ok(())
        }
    }

    /// Judges a payload as far as it has come.
    fn judge_part(&self, first: u8) -> Result<(), u16> {
        match first & 0xf {
            8 => self.judge_close(false),
            0..=2 => match &self.message {
                Some((true, before)) if !self.broken(Defect::TextIsValidatedAtTheEnd) => {
                    self.judge_text(before, &self.payload, false)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn judge_text(&self, before: &[u8], part: &[u8], whole: bool) -> Result<(), u16> {
        let mut text = if self.broken(Defect::TextIsValidatedFrameByFrame) {
            Vec::new()
        } else {
            before.to_vec()
        };
        text.extend_from_slice(part);
        if self.broken(Defect::SurrogatesAreTaken) {
            for at in 1..text.len() {
                if text[at - 1] == 0xed {
                    text[at] &= 0x9f;
                }
            }
        }
        let code = if self.broken(Defect::BadTextClosesWith1002) {
            1002
        } else {
            1007
        };
        match std::str::from_utf8(&text) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() && (!whole || self.broken(Defect::TextMayEndInACharacter)) => {
                Ok(())
            }
            Err(_) => Err(code),
        }
    }

    fn judge_close(&self, whole: bool) -> Result<(), u16> {
        let Some((code, reason)) = self.payload.split_first_chunk::<2>() else {
            return Ok(());
        };
        match u16::from_be_bytes(*code) {
            1005 if self.broken(Defect::CloseCode1005IsTaken) => {}
            1000..=1003 | 1007..=1014 | 3000..=4999 => {}
            _ => return Err(1002),
        }
        match std::str::from_utf8(reason) {
            Err(error) if whole || error.error_len().is_some() => {
                if self.broken(Defect::ReasonIsNotValidated) {
                    Ok(())
                } else {
                    Err(1007)
                }
            }
            _ => Ok(()),
        }
    }

    fn frame_end(&mut self, first: u8, wire: &mut Wire) -> Result<(), u16> {
        self.frame = None;
        let payload = std::mem::take(&mut self.payload);
        let fin = first & 0x80 != 0;
        match first & 0xf {
            8 => {
                self.payload = payload;
                self.judge_close(true)?;
                let code = self.payload.get(..2).unwrap_or_default().to_vec();
                if !self.broken(Defect::CloseIsNotAnswered) {
                    self.send(8, &code, wire);
                }
                self.closed = true;
                self.over = !self.broken(Defect::FramesAfterCloseAreTaken);
            }
            9 => {
                let payload = if self.broken(Defect::PongIsEmpty) {
                    &[][..]
                } else {
                    &payload[..payload.len().min(125)]
                };
                self.send(10, payload, wire);
            }
            10 => {}
            _ => {
                let (text, mut all) = self.message.take().unwrap_or((false, Vec::new()));
                if text && self.broken(Defect::TextIsValidatedFrameByFrame) {
                    self.judge_text(&[], &payload, true)?;
                }
                all.extend_from_slice(&payload);
                if !fin {
                    self.message = Some((text, all));
                } else if self.broken(Defect::LongLengthsGiveGarbage) && self.long_length {
                    wire.binary(b"garbage", true);
                } else if self.broken(Defect::LongLengthsGiveNothing) && self.long_length {
                    self.long_length = false;
                } else if text {
                    self.judge_text(&all, &[], true)?;
                    let text = String::from_utf8_lossy(&all);
                    let first = text.chars().next().map_or(0, char::len_utf8);
                    if self.broken(Defect::LaterPiecesAreBinary) && first < text.len() {
                        wire.text(&text[..first], false);
                        wire.binary(&text.as_bytes()[first..], true);
                    } else {
                        wire.text(&text, true);
                    }
                } else {
                    wire.binary(&all, true);
                }
                return Ok(());
            }
        }
        if self.broken(Defect::ControlFrameEndsAMessage) {
            self.message = None;
        }
        Ok(())
    }
}

fn check(defect: Defect, role: Role, checker: Checker) -> Report {
    let mut double = |wire: &mut Wire| Double::run(defect, wire);
    checker.check(&format!("{defect:?}"), role, &mut double)
}

#[test]
fn the_double_passes_without_a_defect() {
    for role in Role::ALL {
        let report = check(Defect::None, role, Checker::new());
        assert_eq!(report.verdict(), Verdict::Pass, "{report}");
    }
}

#[test]
fn every_defect_is_caught() {
    for (defect, verdict, section) in DEFECTS {
        for role in Role::ALL {
            if role == Role::Client && *defect == Defect::MaskRestartsWithEachChunk {
                continue; // A server's frames are not masked.
            }
            let report = check(*defect, role, Checker::new().section(section));
            assert_eq!(report.verdict(), *verdict, "{report}");
        }
    }
}

/// To tell the application of a failure by a code is not to make up a Close.
#[test]
fn a_failure_may_be_told_by_its_code() {
    for defect in [Defect::FailureIsToldAsItsCode, Defect::FailureIsToldAs1006] {
        for role in Role::ALL {
            let report = check(defect, role, Checker::new());
            assert_eq!(report.verdict(), Verdict::Pass, "{report}");
        }
    }
}

/// What an endpoint does with an opening that breaks a rule.
#[derive(Clone, Copy, Debug, Default)]
struct Refusal {
    /// Fields of the response, and what follows its head.
    fields: &'static str,
    then: &'static [u8],
    /// Frames, which are not to be sent on a connection that is not open.
    frames: bool,
    message: bool,
    piece: bool,
    close: bool,
}

impl Refusal {
    fn run(self, wire: &mut Wire) {
        let client = wire.role() == Role::Client;
        if client {
            wire.sent(
                b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            );
        }
        let mut head = Vec::new();
        while let Some(chunk) = wire.next() {
            head.extend(chunk);
        }
        if !client {
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let mut lines = head.lines().map(|line| line.replace([' ', '\t'], ""));
            let version = lines.find(|line| line.starts_with("sec-websocket-version:"));
            let status = match version.as_deref() {
                None | Some("sec-websocket-version:13") => "400 Bad Request",
                Some(_) => "426 Upgrade Required\r\nSec-WebSocket-Version: 13",
            };
            wire.sent(format!("HTTP/1.1 {status}\r\n{}\r\n", self.fields).as_bytes());
            wire.sent(self.then);
        }
        if self.frames {
            let frame: &[u8] = if client { b"\x82\x82\0\0\0\0hi" } else { b"\x82\x02hi" };
            wire.sent(frame);
        }
        if self.message {
            wire.text("hi", true);
        }
        if self.piece {
            wire.text("hi", false);
        }
        if self.close {
            wire.close(Some(1000), "made up");
        }
        wire.failed("refused");
    }

    fn verdicts(self) -> Vec<(Role, Case, Verdict)> {
        let mut verdicts = Vec::new();
        for role in Role::ALL {
            for section in ["4.1", "4.2.1", "4.4"] {
                let mut run = |wire: &mut Wire| self.run(wire);
                let report = Checker::new().cases(4).section(section).check("x", role, &mut run);
                verdicts.extend(report.findings.iter().map(|one| (role, one.case, one.verdict)));
            }
        }
        verdicts
    }
}

#[test]
fn what_refuses_an_opening_passes() {
    let chunked = b"b\r\nBad Request\r\n0\r\n\r\n";
    for (fields, then) in [
        ("", &b""[..]),
        ("", b"Bad Request"),
        ("Content-Length: 0\r\n", b""),
        ("content-length:11\r\n", b"Bad Request"),
        // As the answer to HEAD.
        ("Content-Length: 11\r\n", b""),
        ("Transfer-Encoding: chunked\r\n", chunked),
    ] {
        let refusal = Refusal {
            fields,
            then,
            ..Refusal::default()
        };
        for (role, case, verdict) in refusal.verdicts() {
            assert_eq!(verdict, Verdict::Pass, "{role} {case} {refusal:?}");
        }
    }
}

/// To say that it has failed is not enough.
#[test]
fn what_opens_all_the_same_is_caught() {
    let none = Refusal::default();
    for refusal in [
        Refusal { frames: true, ..none },
        Refusal { message: true, ..none },
        Refusal { piece: true, ..none },
        Refusal { close: true, ..none },
        Refusal {
            frames: true,
            fields: "Content-Length: 0\r\n",
            ..none
        },
        Refusal {
            frames: true,
            fields: "Content-Length: 11\r\n",
            then: b"Bad Request",
            ..none
        },
        Refusal {
            frames: true,
            fields: "Transfer-Encoding: chunked\r\n",
            then: b"0\r\n\r\n",
            ..none
        },
    ] {
        for (role, case, verdict) in refusal.verdicts() {
            assert_eq!(verdict, Verdict::Fail, "{role} {case} {refusal:?}");
        }
    }
}

/// What is found is shrunk to a few bytes, and comes with the cut that shows it.
#[test]
fn findings_are_small() {
    let report = check(
        Defect::HeaderCutIsForgotten,
        Role::Server,
        Checker::new().section("5.6"),
    );
    for finding in report.with(Verdict::Fail) {
        let (session, cuts) = finding.example.as_ref().unwrap();
        assert!(session.bytes.len() < 256, "{finding}");
        assert!((1..=2).contains(&cuts.len()), "{finding}");
    }
    let report = check(Defect::PongIsEmpty, Role::Client, Checker::new().section("5.5.2"));
    let finding = report.with(Verdict::Fail).next().unwrap();
    let (session, cuts) = finding.example.as_ref().unwrap();
    assert_eq!((session.bytes.len(), cuts.len()), (3, 0), "{finding}");
}

/// A panic is a finding.
#[test]
fn a_panic_is_a_fail() {
    let mut panics = |wire: &mut Wire| {
        wire.next();
        panic!("of no use");
    };
    let report = Checker::new().cases(1).check("panics", Role::Server, &mut panics);
    assert_eq!(report.verdict(), Verdict::Fail);
    assert!(report.findings.iter().all(|finding| finding.why == "panics"));
}
