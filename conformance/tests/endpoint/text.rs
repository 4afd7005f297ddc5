//! What the endpoint takes for text, and for the body of a Close.

use super::Defect::*;
use super::frames::{Frames, Message};

pub(super) fn utf8_error(text: &[u8]) -> Option<(usize, bool)> {
    std::str::from_utf8(text)
        .err()
        .map(|error| (error.valid_up_to(), error.error_len().is_none()))
}

impl Frames {
    /// Judges a payload as far as it has come.
    pub(super) fn judge_part(&mut self) -> Result<(), u16> {
        let Some(frame) = &self.frame else { return Ok(()) };
        match frame.opcode {
            8 => self.judge_close(&frame.payload, false),
            0..=2 => {
                let Some(message) = &self.message else { return Ok(()) };
                if !message.text || message.compressed || self.validates_late() || !self.validates(message) {
                    return Ok(());
                }
                let text = self.tail(message, &frame.payload);
                match self.utf8_error(&text) {
                    Some((_, false)) => Err(1007),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Not while it comes.
    fn validates_late(&self) -> bool {
        self.is(TextIsValidatedAtTheEnd) || self.is(TextIsValidatedAtTheEndOfEachFrame)
    }

    pub(super) fn validates(&self, message: &Message) -> bool {
        match self.defect {
            TextIsNotValidatedBehindAPingInside => message.controls == 0,
            TextIsNotValidatedAfterAMessage => !self.message_before,
            TextIsNotValidatedAfterABinaryMessage => self.last_delivered.as_ref().is_none_or(|last| last.0),
            TextIsNotValidated | TextIsMendedWithReplacements | BadTextIsDropped => false,
            ContinuationsAreNotValidated => message.fragments < 2,
            LastFragmentIsNotValidated => message.fragments < 2 || self.frame.as_ref().is_none_or(|frame| !frame.fin),
            _ => true,
        }
    }

    /// What is not known yet to be text, and what was added to it.
    pub(super) fn tail(&self, message: &Message, part: &[u8]) -> Vec<u8> {
        let before = if self.is(TextIsValidatedFrameByFrame) {
            &[][..]
        } else {
            &message.data[message.valid.min(message.data.len())..]
        };
        let mut tail = [before, part].concat();
        match self.defect {
            TextIsValidatedUpTo64Bytes => tail.truncate(64_usize.saturating_sub(message.valid)),
            TextIsValidatedUpTo4096Bytes if message.valid + tail.len() > 4096 => tail.clear(),
            TextIsValidatedUpTo65535Bytes if message.valid + tail.len() > 65535 => tail.clear(),
            _ => {}
        }
        tail
    }

    /// Where text is not UTF-8, and whether more bytes may mend that. The defects see something else in the bytes.
    pub(super) fn utf8_error(&self, text: &[u8]) -> Option<(usize, bool)> {
        if std::str::from_utf8(text).is_ok() {
            let text = std::str::from_utf8(text).unwrap_or_default();
            let refused = match self.defect {
                NoncharactersAreRefused => text.contains(['\u{fffe}', '\u{ffff}', '\u{10ffff}']),
                ZeroIsRefusedInText => text.contains('\0'),
                FourByteCharactersAreRefused => text.chars().any(|c| c > '\u{ffff}'),
                _ => false,
            };
            return refused.then_some((0, false));
        }
        let mut text = text.to_vec();
        for at in 0..text.len() {
            let (now, next) = (text[at], text.get(at + 1).copied().unwrap_or(0x80));
            let after = text.get(at + 2).copied().unwrap_or(0x80);
            match self.defect {
                OverlongsOfTwoBytesAreTaken if matches!(now, 0xc0 | 0xc1) => text[at] = 0xc2,
                OverlongsOfC1AreTaken if now == 0xc1 => text[at] = 0xc2,
                OverlongZeroIsTaken if now == 0xc0 && next == 0x80 => text[at] = 0xc2,
                OverlongsOfThreeBytesAreTaken if now == 0xe0 && matches!(next, 0x80..=0x9f) => text[at] = 0xe1,
                OverlongsOfFourBytesAreTaken if now == 0xf0 && matches!(next, 0x80..=0x8f) => text[at] = 0xf1,
                SurrogatesAreTaken if now == 0xed && matches!(next, 0xa0..=0xbf) => text[at] = 0xee,
                LowSurrogatesAreTaken if now == 0xed && matches!(next, 0xb0..=0xbf) => text[at] = 0xee,
                CharactersAbove10ffffAreTaken if now == 0xf4 && matches!(next, 0x90..=0xbf) => text[at] = 0xf3,
                FirstByteF5IsTaken if now == 0xf5 => text[at] = 0xf3,
                SequencesOfFiveBytesAreTaken if now == 0xf8 && next == 0x88 && after == 0x80 => {
                    text[at] = b'x';
                    text[at + 1] = 0xf1;
                }
                BytesFeAndFfAreTaken if now >= 0xfe => text[at] = b'x',
                _ => {}
            }
        }
        // Behind a character that a frame has cut.
        if self.is_cut && text.len() > 2 {
            match (self.defect, text[0], text[1]) {
                (SurrogatesCutByFramesAreTaken, 0xed, 0xa0..=0xbf) => text[0] = 0xee,
                (OverlongsCutByFramesAreTaken, 0xe0, 0x80..=0x9f) => text[0] = 0xe1,
                _ => {}
            }
        }
        if self.is(LoneContinuationBytesAreTaken) {
            while let Some((at, false)) = utf8_error(&text) {
                if !matches!(text[at], 0x80..=0xbf) {
                    break;
                }
                text[at] = b'x';
            }
        }
        if self.is(BadLastByteIsTaken)
            && let Some(last) = text.last_mut()
            && *last >= 0x80
        {
            *last = b'x';
        }
        utf8_error(&text)
    }

    pub(super) fn judge_close(&self, body: &[u8], whole: bool) -> Result<(), u16> {
        let Some((code, reason)) = body.split_first_chunk::<2>() else {
            return Ok(());
        };
        let code = u16::from_be_bytes(*code);
        let usual = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let allowed = match (self.defect, code) {
            (Code0IsTaken, 0) | (Code999IsTaken, 999) | (Code1004IsTaken, 1004) | (Code1005IsTaken, 1005) => true,
            (Code1006IsTaken, 1006) | (Code1015IsTaken, 1015) | (Code1016IsTaken, 1016) => true,
            (Codes2000To2999AreTaken, 2000..=2999)
            | (Codes5000AndMoreAreTaken, 5000..)
            | (Codes65535IsTaken, 65535) => true,
            (Code1005IsTakenInsideMessages, 1005) => self.message.is_some(),
            (Code1100IsTaken, 1100) | (Code2000IsTaken, 2000) | (CodesAreSigned, 0x8000..) => true,
            (CodesAfterAMessageAreNotJudged, _) if self.message_before => true,
            (CodesWithAReasonAreNotJudged, _) if !reason.is_empty() => true,
            (Codes3000To3999AreRefused, 3000..=3999) | (Code4999IsRefused, 4999) => false,
            (Code3000IsRefused, 3000) | (Code4000IsRefused, 4000) | (Code1003IsRefused, 1003) => false,
            (Code2999IsTaken, 2999) => true,
            (Code1001IsRefused, 1001) | (Code1010IsRefused, 1010) => false,
            _ => usual,
        };
        if !allowed {
            return Err(1002);
        }
        let most = match self.defect {
            Reasons100AreRefused => 99,
            Reasons123AreRefused => 122,
            Reasons122AreRefused if reason.len() == 122 => 121,
            _ => 123,
        };
        if reason.len() > most && body.len() <= 125 {
            return Err(1002);
        }
        if self.is(ReasonsWithAZeroAreRefused) && reason.contains(&0) {
            return Err(1007);
        }
        match utf8_error(reason) {
            _ if self.is(ReasonsOver64AreNotValidated) && reason.len() > 64 => Ok(()),
            _ if self.is(ReasonsAreNotValidated) => Ok(()),
            Some((_, true)) if self.is(ReasonsMayEndInACharacter) => Ok(()),
            Some((_, cut)) if whole || !cut => Err(1007),
            _ => Ok(()),
        }
    }
}
