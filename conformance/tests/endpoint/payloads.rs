//! What the endpoint does with a frame that is whole.

use sockless_conformance::Wire;

use super::Defect::*;
use super::frames::{Frame, Frames, Message};
use super::text::utf8_error;

impl Frames {
    pub(super) fn frame_end(&mut self, frame: &Frame, wire: &mut Wire) -> Result<(), u16> {
        if frame.reserved && self.is(RsvIsSeenBehindThePayload) {
            return Err(1002);
        }
        match frame.opcode {
            8 => self.close(&frame.payload, wire)?,
            9 => self.ping(&frame.payload, wire)?,
            0xa => self.pong(&frame.payload, wire)?,
            _ => return self.data(frame, wire),
        }
        let ends = match self.defect {
            PingsEndMessages => frame.opcode == 9,
            PongsEndMessages => frame.opcode == 0xa,
            _ => false,
        };
        if ends {
            self.message = None;
        }
        Ok(())
    }

    fn close(&mut self, body: &[u8], wire: &mut Wire) -> Result<(), u16> {
        self.judge_close(body, true)?;
        let inside = self.message.is_some();
        if inside && self.is(CloseInsideAMessageIsRefused) {
            return Err(1002);
        }
        let code = body.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
        let mut answer = body.get(..2).unwrap_or_default().to_vec();
        match self.defect {
            CloseIsAnsweredWithoutACode => answer.clear(),
            CloseIsAnsweredWithTheReasonOnly if body.len() > 4 => answer = body[2..].to_vec(),
            CloseIsAnsweredWith1000 => answer = vec![3, 232],
            CloseIsAnsweredWith1005 if answer.is_empty() => answer = 1005_u16.to_be_bytes().to_vec(),
            CloseCodeIsSwapped => answer.reverse(),
            CodesFrom3000AreAnsweredWith1000 if code.is_some_and(|code| code >= 3000) => answer = vec![3, 232],
            CloseIsAnsweredWithItsReason => answer = body.to_vec(),
            CloseReasonIsCutInACharacter => answer = body[..body.len().min(40)].to_vec(),
            _ => {}
        }
        let silent = match self.defect {
            CloseIsNotAnswered => true,
            EmptyCloseIsNotAnswered => body.is_empty(),
            CloseInsideAMessageIsNotAnswered => inside,
            CloseAfterTwoFragmentsIsNotAnswered => self.message.as_ref().is_some_and(|message| message.fragments > 1),
            CloseInsideLongMessagesIsNotAnswered => {
                self.message.as_ref().is_some_and(|message| message.data.len() > 125)
            }
            CloseAfter1000FramesIsNotAnswered => self.frames > 1000,
            MessagesAfterACloseAreTaken | PingsAfterACloseAreAnswered | ErrorsAfterACloseAreTold => self.closed,
            _ => false,
        };
        if !silent {
            self.send(0x8, &answer, wire);
            if self.is(CloseIsAnsweredTwice) || inside && self.is(CloseIsAnsweredTwiceInsideMessages) {
                self.send(0x8, &answer, wire);
            }
        }
        if !self.closed {
            let reason = String::from_utf8_lossy(body.get(2..).unwrap_or_default()).into_owned();
            match self.defect {
                CloseIsToldWithAnotherCode => wire.close(code.map(|code| code ^ 1), &reason),
                CloseIsToldWithoutItsReason => wire.close(code, ""),
                ReasonsAreNotValidated | ReasonsMayEndInACharacter | ReasonsOver64AreNotValidated => {
                    wire.close_bytes(code, body.get(2..).unwrap_or_default())
                }
                _ => wire.close(code, &reason),
            }
        }
        if inside
            && self.is(CloseInsideAMessageDeliversIt)
            && let Some(message) = self.message.take()
        {
            wire.binary(&message.data, true);
        }
        self.closed = true;
        Ok(())
    }

    fn ping(&mut self, payload: &[u8], wire: &mut Wire) -> Result<(), u16> {
        self.pings += 1;
        if self.closed && !self.is(PingsAfterACloseAreAnswered) {
            return Ok(());
        }
        if self.is(PingsMustBeText) && std::str::from_utf8(payload).is_err() {
            return Err(1007);
        }
        let silent = match self.defect {
            PingsAreNotAnswered => true,
            PingsAreNotAnsweredInsideMessages => self.message.is_some(),
            PingsAreNotAnsweredInsideEmptyMessages => {
                self.message.as_ref().is_some_and(|message| message.data.is_empty())
            }
            EmptyPingsAreNotAnswered => payload.is_empty(),
            EverySecondPingIsAnswered => self.pings.is_multiple_of(2),
            PingsAreAnsweredUpTo256 => self.pings > 256,
            PingsInsideLongMessagesAreNotAnswered => {
                self.message.as_ref().is_some_and(|message| message.data.len() > 125)
            }
            PingsAreAnsweredUpTo1024 => self.pings > 1024,
            PongComesOnceForEqualPings => self.last_ping.as_deref() == Some(payload),
            PingsAreMessages => {
                wire.binary(payload, true);
                false
            }
            _ => false,
        };
        if self.is(PingsJoinMessages)
            && let Some(message) = &mut self.message
        {
            message.data.extend_from_slice(payload);
        }
        let before = self.last_ping.replace(payload.to_vec());
        if silent {
            return Ok(());
        }
        let zero = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
        let lossy = String::from_utf8_lossy(payload).into_owned();
        let fragments = self.message.as_ref().map_or(0, |message| message.fragments);
        let mut answer = match self.defect {
            PongIsEmpty => &[],
            PingsAfterTwoFragmentsAreAnsweredEmpty if fragments > 1 => &[],
            PongIsCutTo124Bytes => &payload[..payload.len().min(124)],
            Pongs100AreCut if payload.len() == 100 => &payload[..99],
            PongLosesItsFirstZero if payload.first() == Some(&0) => &payload[1..],
            PongEndsAtAZero => &payload[..zero],
            PongIsMadeText => lossy.as_bytes(),
            PongIsOneLate => before.as_deref().unwrap_or(payload),
            _ => payload,
        };
        answer = &answer[..answer.len().min(125)];
        self.send(if self.is(PongIsAPing) { 0x9 } else { 0xa }, answer, wire);
        if self.is(PongComesTwice) {
            self.send(0xa, answer, wire);
        }
        Ok(())
    }

    fn pong(&mut self, payload: &[u8], wire: &mut Wire) -> Result<(), u16> {
        let payload = &payload[..payload.len().min(125)];
        match self.defect {
            PongsAreAnswered if !self.closed => self.send(0xa, payload, wire),
            PongsAreAnsweredByPings if !self.closed => self.send(0x9, payload, wire),
            PongsAreMessages => wire.binary(payload, true),
            PongsAreRefused if self.pings == 0 => return Err(1002),
            _ => {}
        }
        Ok(())
    }

    fn data(&mut self, frame: &Frame, wire: &mut Wire) -> Result<(), u16> {
        let Some(mut message) = self.message.take() else {
            return Ok(());
        };
        let mut fin = frame.fin;
        let mut payload = &frame.payload[..];
        match self.defect {
            OrphansAreIgnored if frame.opcode == 0 && message.fragments == 1 => return Ok(()),
            EmptyLastFragmentOfTextLosesIt if fin && message.text && message.fragments > 1 && payload.is_empty() => {
                message.data.clear();
            }
            FragmentsOf126BytesAreLost if message.fragments > 1 && payload.len() == 126 => payload = &[],
            FragmentsOf65536BytesAreLost if message.fragments > 1 && payload.len() >= 65536 => payload = &[],
            FirstFragmentIsLostBeforeAPong
                if message.fragments == 2 && message.controls > 0 && self.last_control == 0xa =>
            {
                message.data.clear();
            }
            EmptyFirstFragmentIsForgotten if !fin && message.fragments == 1 && payload.is_empty() => return Ok(()),
            EmptyLastFragmentEndsNothing if fin && message.fragments > 1 && payload.is_empty() => fin = false,
            EmptyFragmentEndsTheMessage if message.fragments > 1 && payload.is_empty() => fin = true,
            FragmentsAfterThe16thAreLost if message.fragments > 16 => payload = &[],
            KindOfTheMessageBeforeIsKept if message.fragments == 2 => {
                message.text = self.last_delivered.as_ref().map_or(message.text, |last| last.0);
            }
            MiddleOfThreeIsLost if message.fragments == 2 && !fin && message.controls == 0 => payload = &[],
            FragmentsAfter100PingsAreLost if self.pings >= 100 && message.fragments > 1 => payload = &[],
            CharacterIsForgottenAtAPing if message.controls > 0 => message.valid = message.data.len(),
            KindIsLostAfterAPing if message.controls > 0 => message.text = false,
            LongFragmentsAreLost if message.fragments > 1 && payload.len() > 125 => payload = &[],
            FragmentsBehindAPingAreLost if message.controls == 1 && message.fragments > 2 => payload = &[],
            FragmentsBehindTwoControlFramesAreLost if message.controls > 1 => payload = &[],
            FragmentsAreCountedIn8Bits if message.fragments.is_multiple_of(256) => message.data.clear(),
            SumsAreKeptIn16Bits if message.data.len() + payload.len() > 65535 && message.fragments > 1 => {
                message.data.clear()
            }
            FirstFragmentIsDeliveredAlone if !fin && message.fragments == 1 && payload.len() > 40 => {
                deliver(wire, message.text, payload);
            }
            LastFragmentIsDeliveredAlone if fin && message.fragments > 2 => message.data.clear(),
            _ => {}
        }
        let cut = utf8_error(payload).is_some_and(|error| error.1);
        if message.text && !message.compressed {
            if self.is(CharactersMayNotBeCutByFrames) && cut {
                return Err(1007);
            }
            if self.validates(&message) {
                let tail = self.tail(&message, payload);
                let error = self.utf8_error(&tail);
                let may_be_cut = !fin && !self.is(TextIsValidatedFrameByFrame)
                    || self.is(TextMayEndInsideACharacter)
                    || self.is(FragmentedTextMayEndInsideACharacter) && message.fragments > 1;
                let waits = self.is(TextIsValidatedAtTheEnd) && !fin;
                match error {
                    Some((_, true)) if may_be_cut => {}
                    Some(_) if !waits => return Err(1007),
                    _ => {}
                }
            }
        }
        message.data.extend_from_slice(payload);
        if !message.compressed {
            message.valid = match utf8_error(&message.data[message.valid..]) {
                Some((at, _)) => message.valid + at,
                None => message.data.len(),
            };
        }
        if self.is(LastFragmentComesTwice) && fin && message.fragments > 1 {
            message.data.extend_from_slice(payload);
        }
        if !fin {
            self.message = Some(message);
            return Ok(());
        }
        self.inflated(&mut message, payload)?;
        if self.is(BinaryMustBeText) && !message.text && utf8_error(&message.data).is_some() {
            return Err(1007);
        }
        self.message_before = true;
        self.deliver(message, wire);
        Ok(())
    }

    fn change_text(&self, data: &mut Vec<u8>) {
        let string = || String::from_utf8_lossy(data).into_owned();
        *data = match self.defect {
            TextIsTrimmed => string().trim().as_bytes().to_vec(),
            TextLosesItsByteOrderMark => string().trim_start_matches('\u{feff}').as_bytes().to_vec(),
            TextEndsAtAZero => string().split('\0').next().unwrap_or_default().as_bytes().to_vec(),
            TextLosesNoncharacters => string().replace(['\u{fffe}', '\u{ffff}'], "").into_bytes(),
            TextHasOtherLineEnds => string().replace("\r\n", "\n").replace('\u{b}', "\n").into_bytes(),
            TextIsMendedWithReplacements => string().into_bytes(),
            _ => return,
        };
    }

    fn deliver(&mut self, message: Message, wire: &mut Wire) {
        let Message {
            mut text,
            mut data,
            fragments,
            ..
        } = message;
        self.delivered += 1;
        let fragmented = fragments > 1;
        let lost = match self.defect {
            EmptyMessagesAreNotDelivered => data.is_empty(),
            EmptyFragmentedTextIsNotDelivered => text && data.is_empty() && fragmented,
            BinaryOver65535IsNotDelivered => !text && data.len() > 65535,
            EqualMessagesComeOnce => self.last_delivered.as_ref() == Some(&(text, data.clone())),
            MessagesStopAfter300 => self.delivered > 300,
            MessagesStopAfter65535 => self.delivered > 65535,
            LongFormsGiveNothing => self.long_form,
            BadTextIsDropped => text && utf8_error(&data).is_some(),
            _ => false,
        };
        if lost || self.closed && !self.is(MessagesAfterACloseAreTaken) {
            return;
        }
        match self.defect {
            FragmentedBinaryIsText if fragmented => text = true,
            LongFragmentedTextLosesItsLastByte if text && fragmented && data.len() > 125 => {
                data.pop();
            }
            Text32768IsEmpty if text && data.len() == 32_768 => data.clear(),
            KindIsLostAfter65536Bytes if data.len() > 65536 => text = !text,
            LongTextOutsideAsciiIsEmpty if text && data.len() > 125 && !data.is_ascii() => data.clear(),
            FragmentedTextIsBinary if fragmented => text = false,
            TextIsDeliveredAsBinary => text = false,
            AsciiBinaryIsDeliveredAsText if !data.is_empty() && data.is_ascii() => text = true,
            SumsOver65535AreCut if fragmented => data.truncate(65535),
            Binary126LosesItsLastByte if !text && data.len() == 126 => data.truncate(125),
            Binary65535IsEmpty if !text && data.len() == 65_535 => data.clear(),
            Text65536IsCutByOne if text && data.len() == 65_536 => data.truncate(65_535),
            EmptyBinaryIsText if data.is_empty() => text = true,
            MessagesAfterAMegabyteAreCut if self.bytes > 1 << 20 => data.truncate(3),
            MessagesAfter1000AreSwapped if self.delivered > 1000 => text = !text,
            BinaryEndsAtAnFf if !text => {
                let end = data.iter().position(|byte| *byte == 0xff).unwrap_or(data.len());
                data.truncate(end);
            }
            TextOver65535IsCut if text => data.truncate(65535),
            TextOver100000IsEmpty if text && data.len() > 100_000 => data.clear(),
            BinaryOver200000IsCut if !text => data.truncate(200_000),
            EvenLengthsOver4096LoseAByte if data.len() > 4096 && data.len().is_multiple_of(2) => {
                data.pop();
            }
            LongFormsGiveGarbage if self.long_form => data = b"garbage".to_vec(),
            _ if text => self.change_text(&mut data),
            _ => {}
        }
        deliver(wire, text, &data);
        if wire.echoes() {
            self.echo(text, &data, wire);
        }
        match self.defect {
            EveryHundredthMessageComesTwice if self.delivered.is_multiple_of(100) => deliver(wire, text, &data),
            MessagesComeTwice => deliver(wire, text, &data),
            EchoesMessages => self.send(if text { 0x1 } else { 0x2 }, &data, wire),
            SendsAPingAfterEachMessage => self.send(0x9, b"alive?", wire),
            _ => {}
        }
        self.last_delivered = Some((text, data));
    }
}

fn deliver(wire: &mut Wire, text: bool, data: &[u8]) {
    if text {
        wire.text_bytes(data, true);
    } else {
        wire.binary(data, true);
    }
}
