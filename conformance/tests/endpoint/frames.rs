//! The endpoint's frames.

use sockless_conformance::Wire;

use super::Defect::{self, *};
use super::compression::Deflating;

/// A frame of which the header is whole.
#[derive(Clone)]
pub(super) struct Frame {
    pub(super) fin: bool,
    pub(super) opcode: u8,
    pub(super) length: u64,
    pub(super) key: Option<[u8; 4]>,
    pub(super) payload: Vec<u8>,
    /// Whether a reserved bit is set.
    pub(super) reserved: bool,
}

pub(super) struct Message {
    pub(super) text: bool,
    pub(super) data: Vec<u8>,
    pub(super) fragments: u32,
    /// How much of it is known to be text.
    pub(super) valid: usize,
    pub(super) controls: u32,
    pub(super) compressed: bool,
}

pub(super) struct Frames {
    pub(super) defect: Defect,
    pub(super) server: bool,
    pub(super) header: Vec<u8>,
    pub(super) frame: Option<Frame>,
    /// The place in the mask.
    pub(super) phase: usize,
    pub(super) first_key: Option<[u8; 4]>,
    pub(super) message: Option<Message>,
    pub(super) message_before: bool,
    pub(super) long_form: bool,
    pub(super) closed: bool,
    pub(super) pings: u32,
    pub(super) pings_in_a_row: u32,
    pub(super) last_ping: Option<Vec<u8>>,
    pub(super) delivered: u32,
    pub(super) last_delivered: Option<(bool, Vec<u8>)>,
    pub(super) frames: u32,
    pub(super) bytes: u64,
    pub(super) random: u64,
    pub(super) keys: u32,
    pub(super) deflate: Option<Deflating>,
    pub(super) last_control: u8,
    /// Whether the frame before has cut a character.
    pub(super) is_cut: bool,
}

impl Frames {
    pub(super) fn new(defect: Defect, wire: &mut Wire) -> Self {
        let mut seed = [0; 8];
        wire.random(&mut seed);
        Self {
            defect,
            server: wire.role() == sockless_conformance::Role::Server,
            header: Vec::new(),
            frame: None,
            phase: 0,
            first_key: None,
            message: None,
            message_before: false,
            long_form: false,
            closed: false,
            pings: 0,
            pings_in_a_row: 0,
            last_ping: None,
            delivered: 0,
            last_delivered: None,
            frames: 0,
            bytes: 0,
            random: u64::from_le_bytes(seed) | 1,
            keys: 0,
            deflate: None,
            last_control: 0,
            is_cut: false,
        }
    }

    pub(super) fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    pub(super) fn greet(&mut self, wire: &mut Wire) {
        match self.defect {
            GreetsWithAMessage => self.send(0x1, b"hello", wire),
            GreetsWithAPing => self.send(0x9, b"", wire),
            GreetsWithAPong => self.send(0xa, b"hello", wire),
            _ => {}
        }
    }

    pub(super) fn at_the_end(&mut self, wire: &mut Wire) {
        if self.is(CloseIsMadeUpAtTheEnd) && !self.closed {
            wire.close(Some(1000), "made up");
        }
        while self.is(AsksForMoreWithoutEnd) {
            wire.next();
        }
    }

    /// Takes a chunk. `false`: nothing more is wanted.
    pub(super) fn chunk(&mut self, chunk: &[u8], wire: &mut Wire) -> bool {
        match self.defect {
            MaskRestartsWithEachChunk => self.phase = 0,
            HeaderCutIsForgotten if self.header.len() == 1 => self.header.clear(),
            LengthCutIsForgotten if self.header.len() == 3 => self.header.truncate(2),
            KeyCutIsForgotten if self.frame.is_none() && self.header.len() == 4 => self.header.truncate(2),
            ChunkEndsTheMessage if self.frame.is_none() && self.header.is_empty() => {
                if let Some(message) = self.message.take_if(|message| message.data.len() > 40) {
                    wire.binary(&message.data, true);
                }
            }
            _ => {}
        }
        let frames = self.frames;
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.closed && !self.takes_after_a_close() {
                return true;
            }
            match self.some(&mut rest, wire) {
                Ok(()) => {}
                Err(_) if self.is(FailureIsForgotten) => {
                    self.header.clear();
                    self.frame = None;
                }
                Err(_) if self.closed && !self.is(ErrorsAfterACloseAreTold) => return true,
                Err(code) => {
                    self.fail(code, wire);
                    if !self.is(FailureDeliversWhatFollows) {
                        return false;
                    }
                    self.header.clear();
                    self.frame = None;
                    self.message = None;
                }
            }
            let most = match self.defect {
                OneFrameForEachChunk => 1,
                SixteenFramesForEachChunk => 16,
                _ => u32::MAX,
            };
            if self.frames - frames >= most {
                break;
            }
        }
        true
    }

    fn takes_after_a_close(&self) -> bool {
        matches!(
            self.defect,
            MessagesAfterACloseAreTaken
                | PingsAfterACloseAreAnswered
                | SecondCloseIsAnswered
                | ErrorsAfterACloseAreTold
        )
    }

    fn fail(&mut self, code: u16, wire: &mut Wire) {
        let code = match self.defect {
            FailureClosesWith1000 => 1000,
            FailureClosesWith1006 => 1006,
            FailureClosesWith1011 => 1011,
            LongFormsAreClosedWith1007 if self.long_form => 1007,
            BadTextClosesWith1002 if code == 1007 => 1002,
            BadTextClosesWith1003 if code == 1007 => 1003,
            _ => code,
        };
        let silent =
            self.is(FailureSendsNoClose) || self.is(FailureInsideAMessageSendsNoClose) && self.message.is_some();
        if !(silent || self.closed && self.is(ErrorsAfterACloseAreTold)) {
            let why: &[u8] = if self.is(FailureTellsWhy) {
                b"that was wrong"
            } else {
                b""
            };
            self.send(0x8, &[&code.to_be_bytes(), why].concat(), wire);
            if self.is(FailureSendsTwoCloses) {
                self.send(0x8, &code.to_be_bytes(), wire);
            }
        }
        if self.is(FailureTellsACloseThatWasNotSent) {
            wire.close(Some(1000), "made up");
        }
        if self.is(BrokenCloseIsTold) && self.header.first().is_some_and(|first| first & 0xf == 8) {
            wire.close(Some(1000), "");
        }
        if self.is(BrokenCloseIsTold) && self.frame.as_ref().is_some_and(|frame| frame.opcode == 8) {
            wire.close(Some(1000), "");
        }
        wire.failed(code);
    }

    fn next_key(&mut self) -> [u8; 4] {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.keys += 1;
        let by_chance = ((self.random >> 16) as u32).to_be_bytes();
        match self.defect {
            MaskKeyIsZero => [0; 4],
            MaskKeyIsConstant => [0x37, 0xfa, 0x21, 0x3d],
            MaskKeyIsCounted => (0x1234_0000 + self.keys).to_be_bytes(),
            MaskKeyIsOneByte => [by_chance[0]; 4],
            MaskKeysAreTwo => [[1, 2, 3, 4], [8, 6, 4, 9]][self.keys as usize % 2],
            MaskKeysAreSixteen => (self.keys % 16)
                .wrapping_mul(0x9e37_79b9)
                .wrapping_add(0x1234_5678)
                .to_be_bytes(),
            MaskKeyIsTwoBytesTwice => [by_chance[0], by_chance[1], by_chance[0], by_chance[1]],
            MaskKeyIsChosenOnce => *self.first_key.get_or_insert(by_chance),
            MaskKeyHasFewBits => [by_chance[0], by_chance[1], 0x10 | by_chance[2] & 0xf, 0x20],
            _ => by_chance,
        }
    }

    pub(super) fn send(&mut self, opcode: u8, payload: &[u8], wire: &mut Wire) {
        self.send_first(0x80 | opcode, payload, wire);
    }

    /// A frame with this first byte.
    pub(super) fn send_first(&mut self, mut first: u8, payload: &[u8], wire: &mut Wire) {
        let opcode = first & 0x0f;
        let pong = opcode == 0xa;
        if pong && self.is(SendsRsv1OnPongs) && self.deflate.is_some() {
            first |= 0x40;
        }
        if pong && self.is(PongHasRsv1) {
            first |= 0x40;
        }
        if pong && self.is(PongHasNoFin) {
            first &= 0x7f;
        }
        let mut frame = vec![first];
        match payload.len() {
            0..=125 if pong && self.is(PongHasALongLength) => frame.extend([126, 0, payload.len() as u8]),
            0..=125 => frame.push(payload.len() as u8),
            126..=65535 => frame.extend([126, (payload.len() >> 8) as u8, payload.len() as u8]),
            _ => {
                frame.push(127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        let masks = match self.defect {
            ServerMasks => true,
            ClientDoesNotMask => false,
            CloseIsAnsweredWithoutItsMask if opcode == 0x8 => false,
            _ => !self.server,
        };
        if masks {
            frame[1] |= 0x80;
            let key = match self.next_key() {
                _ if self.is(MaskKeyIsZeroForCloses) && opcode == 0x8 => [0; 4],
                _ if self.is(MaskKeyIsZeroForEmptyFrames) && payload.is_empty() => [0; 4],
                key => key,
            };
            frame.extend(key);
            let payload = payload.iter().zip(key.iter().cycle());
            frame.extend(payload.map(|(byte, key)| if self.is(MaskIsNotApplied) { *byte } else { byte ^ key }));
        } else {
            frame.extend_from_slice(payload);
        }
        wire.sent(&frame);
    }

    /// Takes some bytes: one of a header, or what there is of a payload.
    fn some(&mut self, rest: &mut &[u8], wire: &mut Wire) -> Result<(), u16> {
        if let Some(frame) = &mut self.frame {
            let wanted = frame.length - frame.payload.len() as u64;
            let len = rest.len().min(usize::try_from(wanted).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at(len);
            *rest = later;
            let unmasks = frame
                .key
                .filter(|_| !(self.defect == MaskIsNotTakenOffPings && frame.opcode == 9));
            let whole = frame.length - frame.length % 4;
            for byte in now {
                let key = unmasks.map_or(0, |key| key[self.phase % 4]);
                let last =
                    self.defect == MaskIsNotTakenOffTheLastBytes && frame.payload.len() as u64 >= whole && whole > 100;
                frame.payload.push(if last { *byte } else { byte ^ key });
                self.phase += 1;
                if self.defect == MaskSlipsAfter65535Bytes && self.phase == 65_535 {
                    self.phase = 0;
                }
                if self.defect == MaskRestartsAfter4096Bytes && self.phase == 4098 {
                    self.phase = 0;
                }
            }
            self.bytes += len as u64;
            self.judge_part()?;
        } else {
            let Some((first, later)) = rest.split_first() else {
                return Ok(());
            };
            *rest = later;
            self.header.push(*first);
            self.bytes += 1;
            self.header()?;
        }
        if self
            .frame
            .as_ref()
            .is_some_and(|frame| frame.payload.len() as u64 >= frame.length)
            && let Some(frame) = self.frame.clone()
        {
            let done = self.frame_end(&frame, wire);
            if done.is_ok() {
                self.frame = None;
            }
            self.frames += 1;
            done?;
        }
        Ok(())
    }

    fn header(&mut self) -> Result<(), u16> {
        let header = self.header.clone();
        let first = header[0];
        let (fin, rsv, mut opcode) = (first & 0x80 != 0, first >> 4 & 7, first & 0xf);
        let inside = self.message.is_some();
        let fragments = self.message.as_ref().map_or(0, |message| message.fragments);
        opcode = match (self.defect, opcode) {
            (ReservedOpcodesAreTakenIfEmpty, 3..=7) if header.get(1).is_none_or(|second| second & 0x7f == 0) => 2,
            (Opcode3IsText, 3) => 1,
            (Opcode7IsBinary, 7) => 2,
            (OpcodeBIsAPing, 0xb) => 9,
            (Opcode4IsIgnored, 4) | (OpcodeFIsIgnored, 0xf) | (ReservedControlOpcodesAreIgnored, 0xb..=0xf) => 0xa,
            (ReservedOpcodesAreIgnoredInsideMessages, 3..=7 | 0xb..=0xf) if inside => 0xa,
            (ReservedOpcodesAreIgnoredAfterTwoFragments, 3..=7 | 0xb..=0xf) if fragments > 1 => 0xa,
            (ReservedOpcodesAreIgnoredAfterAMessage, 3..=7 | 0xb..=0xf) if self.message_before => 0xa,
            (ReservedOpcodesAreContinuations, 3..=7) if inside => 0,
            (_, opcode) => opcode,
        };
        let control = opcode >= 8;
        let ignored = match self.defect {
            Rsv1IsIgnored => 4,
            Rsv2IsIgnored => 2,
            Rsv3IsIgnored => 1,
            Rsv3IsIgnoredWithoutFin if !fin => 1,
            Rsv1IsIgnoredOnLongFrames if header.get(1).is_none_or(|second| second & 0x7f > 125) => 4,
            RsvIsIgnoredOnContinuations if opcode == 0 => 7,
            RsvIsIgnoredOnPings if opcode == 9 => 7,
            RsvIsIgnoredOnPongs if opcode == 0xa => 7,
            RsvIsIgnoredOnCloses if opcode == 8 => 7,
            RsvIsIgnoredInsideMessages if inside => 7,
            RsvIsIgnoredAfterAMessage if self.message_before => 7,
            RsvIsIgnoredOnEmptyFrames if header.get(1).is_none_or(|second| second & 0x7f == 0) => 7,
            Rsv23TogetherAreIgnored if rsv == 3 => 7,
            RsvIsIgnoredOnThirdFragments if opcode == 0 && fragments > 1 => 7,
            Rsv2IsIgnoredOnClosesInsideMessages if opcode == 8 && inside => 2,
            RsvIsSeenBehindThePayload => 7,
            RsvIsIgnoredAfter1000Frames if self.frames > 1000 => 7,
            _ => 0,
        };
        let ignored = ignored | self.rsv_of_compression(opcode, rsv);
        if rsv & !ignored != 0 {
            if self.is(PanicsOnReservedBits) && inside {
                panic!("reserved bits {rsv}");
            }
            return Err(1002);
        }
        if !matches!(opcode, 0..=2 | 8..=10) {
            return Err(1002);
        }
        let fin_is_free = match self.defect {
            FragmentedPingsAreTaken => opcode == 9,
            FragmentedPongsAreTaken => opcode == 0xa,
            FragmentedClosesAreTaken => opcode == 8,
            FragmentedControlFramesAreTakenInsideMessages => inside,
            FinIsNotDemandedOfControlFramesAfterAMessage => self.message_before,
            FragmentedPongsAreTakenInsideBinary => {
                opcode == 0xa && self.message.as_ref().is_some_and(|message| !message.text)
            }
            _ => false,
        };
        if control && !fin && !fin_is_free {
            return Err(1002);
        }
        self.sequence(opcode, header.get(1).copied())?;
        let Some(&second) = header.get(1) else { return Ok(()) };
        self.second(opcode, second, header)
    }

    /// Whether a data frame may come now (section 5.4).
    fn sequence(&self, opcode: u8, second: Option<u8>) -> Result<(), u16> {
        let wrong = match (&self.message, opcode) {
            (None, 0) => match self.defect {
                OrphansAreMessages | OrphansAreIgnored => false,
                OrphansAreTakenAfterAMessage => !self.message_before,
                EmptyOrphansAreTaken => second.is_some_and(|second| second & 0x7f != 0),
                _ => true,
            },
            (Some(message), 1 | 2) => match self.defect {
                NewMessagesReplaceOld | NewMessagesJoinOld => false,
                NewMessagesOfTheSameKindJoinOld => message.text != (opcode == 1),
                NewMessagesAreTakenInsideEmptyOnes => !message.data.is_empty(),
                NewBinaryIsTakenInsideText => !(message.text && opcode == 2),
                NewMessagesReplaceOldAfterTwoFragments => message.fragments < 2,
                _ => true,
            },
            _ => false,
        };
        if wrong { Err(1002) } else { Ok(()) }
    }

    fn second(&mut self, opcode: u8, second: u8, header: Vec<u8>) -> Result<(), u16> {
        let (masked, seven) = (second & 0x80 != 0, second & 0x7f);
        let (control, inside) = (opcode >= 8, self.message.is_some());
        let mask_is_free = match self.defect {
            MaskIsNotDemanded | MaskIsTaken => true,
            MaskIsNotDemandedOfContinuations | MaskIsTakenOnContinuations => opcode == 0,
            MaskIsNotDemandedOfControlFrames => control,
            MaskIsNotDemandedOfCloses => opcode == 8,
            MaskIsNotDemandedOfEmptyFrames => seven == 0,
            MaskIsNotDemandedInsideMessages => inside,
            MaskIsTakenOnPings => opcode == 9,
            MaskIsNotDemandedAfter1000Frames => self.frames > 1000,
            MaskIsDemandedOfTheFirstFrameOnly => self.frames > 0,
            MaskIsNotDemandedOfClosesInsideMessages => inside && opcode == 8,
            MaskIsNotDemandedAfterTwoFragments => self.message.as_ref().is_some_and(|message| message.fragments > 1),
            _ => false,
        };
        if masked != self.server && !mask_is_free {
            return Err(1002);
        }
        let length_is_free = match self.defect {
            LongPingsAreTaken => opcode == 9,
            LongPongsAreTaken => opcode == 0xa,
            LongClosesAreTaken => opcode == 8,
            ControlFramesMayHave126Bytes => seven == 126 && header.get(3).is_none_or(|low| *low == 126),
            LongControlFramesAreTakenInsideMessages => inside,
            LongPingsAreTakenAfterAMessage => opcode == 9 && self.message_before,
            LongFormsAreTaken => header.len() < 4 || seven == 126 && header[2] == 0 && header[3] <= 125 || seven == 127,
            _ => false,
        };
        if control && seven > 125 && !length_is_free || self.is(Pings125AreRefused) && opcode == 9 && seven == 125 {
            return Err(1002);
        }
        if opcode == 8 && seven == 1 && !self.is(BodyOfOneByteIsTaken) {
            return Err(1002);
        }
        let size = match seven {
            126 if self.is(Length126IsTakenAsItIs) => 0,
            125 if self.is(Length125IsTakenFor16Bits) && !control => 2,
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = self.length(seven, size, &header[2..header.len().min(2 + size)], control)?;
        let Some(length) = length else { return Ok(()) };
        let key = if masked {
            match header.get(2 + size..2 + size + 4) {
                Some(key) => Some(self.key([key[0], key[1], key[2], key[3]])),
                None => return Ok(()),
            }
        } else {
            None
        };
        self.begin(header[0], opcode, length, key)
    }

    fn key(&mut self, mut key: [u8; 4]) -> [u8; 4] {
        if self.is(MaskIsBackwards) {
            key.reverse();
        }
        if self.is(MaskOfTheFirstFrameIsKept) {
            key = *self.first_key.get_or_insert(key);
        }
        if self.is(KeyOfTheFrameBeforeIsUsedInside) {
            let before = self.first_key.replace(key);
            if self.message.is_some() && self.header[0] & 0x0f == 0 {
                key = before.unwrap_or(key);
            }
        }
        key
    }

    /// The length, once its field is whole.
    fn length(&mut self, seven: u8, size: usize, field: &[u8], control: bool) -> Result<Option<u64>, u16> {
        let cuts = matches!(
            self.defect,
            LengthOf64BitsIsCutTo16
                | LengthOf64BitsIsCutTo32
                | LengthOf64BitsIsCutTo31
                | LengthOf64BitsIsCutTo40
                | LengthOf64BitsIsCutTo48
        );
        if size == 8 && !cuts {
            let top = field.first().is_some_and(|byte| byte & 0x80 != 0);
            if top && !self.is(LengthOf64BitsLosesItsTopBit) {
                return Err(1002);
            }
            // No more than a gigabyte.
            let ignored = if top { 0x80 } else { 0 };
            let too_big = field
                .iter()
                .take(4)
                .enumerate()
                .any(|(place, byte)| *byte != if place == 0 { ignored } else { 0 })
                || field.get(4).is_some_and(|byte| *byte >= 0x40);
            if too_big {
                return Err(1009);
            }
        }
        let takes_long_forms = matches!(
            self.defect,
            LongFormsAreTaken | LongFormsGiveGarbage | LongFormsGiveNothing
        ) || control
            || cuts
            || self.is(LongFormsOf64BitsAreTaken) && size == 8
            || self.is(LengthOf64BitsLosesItsTopBit);
        if size == 8 && field.len() == 6 && field.iter().all(|byte| *byte == 0) && !takes_long_forms {
            self.long_form = true;
            return Err(1002);
        }
        if field.len() < size {
            return Ok(None);
        }
        let mut length = field.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        if size == 0 {
            length = u64::from(seven);
        }
        if size == 2 && length <= 125 && seven == 126 && !takes_long_forms {
            self.long_form = true;
            return Err(1002);
        }
        self.long_form |= size == 2 && length <= 125 || size == 8 && length <= 65535 && length > 0;
        length = match self.defect {
            LengthOf16BitsIsLittleEndian if size == 2 => u64::from((length as u16).swap_bytes()),
            LengthOf16BitsIsSigned if size == 2 && length >= 0x8000 => return Err(1009),
            LengthOf64BitsIsCutTo16 if size == 8 => length & 0xffff,
            LengthOf64BitsIsCutTo32 if size == 8 => length & 0xffff_ffff,
            LengthOf64BitsIsCutTo31 if size == 8 => length & 0x7fff_ffff,
            LengthOf64BitsIsCutTo40 if size == 8 => length & 0xff_ffff_ffff,
            LengthOf64BitsIsCutTo48 if size == 8 => length & 0xffff_ffff_ffff,
            LengthOf64BitsLosesItsTopBit if size == 8 => length & !(1 << 63),
            Length65535IsOneShort if length == 65535 => 65534,
            Length65536IsOneShort if length == 65536 => 65535,
            _ => length,
        };
        if cuts && length > 1 << 30 {
            return Err(1009);
        }
        Ok(Some(length))
    }

    /// The header is whole.
    fn begin(&mut self, first: u8, opcode: u8, length: u64, key: Option<[u8; 4]>) -> Result<(), u16> {
        let before = self.message.as_ref().map_or(0, |message| message.data.len() as u64);
        let text = opcode == 1 || opcode == 0 && self.message.as_ref().is_some_and(|message| message.text);
        let data = opcode < 8;
        let fragmented = self.message.is_some() || first & 0x80 == 0;
        let refuses = data
            && match self.defect {
                TextOver125IsRefused => text && before + length > 125,
                Text126IsRefused => text && length == 126,
                TextOver65535IsRefused => text && before + length > 65535,
                SumsOver125AreRefused => self.message.is_some() && before + length > 125,
                EmptyTextIsRefused => text && before + length == 0 && first & 0x80 != 0,
                RefusesAfter65536Bytes => self.bytes + length > 65536 && self.delivered > 0,
                RefusesAfterAMegabyte => self.bytes > 1 << 20 && self.delivered > 10,
                ALimitForTextAlone => text && before + length > 70_000,
                ALimitForFragmentsAlone => fragmented && length > 20_000,
                Text127IsRefused => text && length == 127,
                TextOf65535IsRefused => text && before + length == 65535 && first & 0x80 != 0,
                FragmentedTextOver65535IsRefused => text && self.message.is_some() && before + length > 65535,
                FragmentsOver255AreRefused => self.message.as_ref().is_some_and(|message| message.fragments > 254),
                FragmentsAreLimitedTo1000 => self.message.as_ref().is_some_and(|message| message.fragments > 1000),
                _ => false,
            };
        if refuses {
            let code = match self.defect {
                FragmentsAreLimitedTo1000 | FragmentsOver255AreRefused | FragmentedTextOver65535IsRefused => 1002,
                _ => 1009,
            };
            return Err(code);
        }
        if self.is(LongFormsAreTaken) && !data && length > 125 {
            return Err(1002);
        }
        if data && before + length > 1 << 30 {
            return Err(1009);
        }
        if self.is(BinaryOfAMegabyteIsRefusedAsBroken) && length >= 1 << 20
            || self.is(FailsAfter1000Frames) && self.frames > 1000
        {
            return Err(1002);
        }
        if self.is(PanicsOnLongText) && text && length > 66_000 {
            panic!("{length} bytes of text");
        }
        if self.is(StateIsLostAfter500Frames) && self.frames == 500 {
            self.message = None;
        }
        self.header.clear();
        let inside_after_a_ping = opcode == 0 && self.message.as_ref().is_some_and(|message| message.controls > 0);
        let goes_on = match self.defect {
            MaskGoesOnInTheNextFrame => !control(opcode),
            MaskGoesOnAfterAPingInside => inside_after_a_ping,
            _ => false,
        };
        if !goes_on {
            self.phase = 0;
        }
        if self.is(MaskIsLostAfterAMegabyte) && self.bytes > 1 << 20 {
            self.phase = 1;
        }
        if data {
            let joins = matches!(
                self.defect,
                NewMessagesJoinOld | NewMessagesOfTheSameKindJoinOld | NewBinaryIsTakenInsideText
            );
            if opcode != 0 && !(joins && self.message.is_some()) || self.message.is_none() {
                self.message = Some(Message {
                    text: opcode == 1,
                    data: Vec::new(),
                    fragments: 0,
                    valid: 0,
                    controls: 0,
                    compressed: self.is_compressed(first),
                });
            }
            if let Some(message) = &mut self.message {
                self.is_cut = message.valid < message.data.len();
                message.fragments += 1;
            }
        } else {
            if let Some(message) = &mut self.message {
                message.controls += 1;
            }
            self.last_control = opcode;
            self.control_between(opcode);
        }
        self.pings_in_a_row = if opcode == 9 { self.pings_in_a_row + 1 } else { 0 };
        if self.is(TwoPingsInARowAreRefused) && self.pings_in_a_row > 1 {
            return Err(1002);
        }
        self.frame = Some(Frame {
            fin: first & 0x80 != 0,
            opcode,
            length,
            key,
            payload: Vec::new(),
            reserved: first
                & if data && opcode > 0 && self.deflate.is_some() {
                    0x30
                } else {
                    0x70
                }
                != 0,
        });
        Ok(())
    }
}

fn control(opcode: u8) -> bool {
    opcode >= 8
}
