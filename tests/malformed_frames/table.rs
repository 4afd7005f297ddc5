//! The table of malformed sequences.

use sockless::connection::Role;
use sockless::error::{Failure, LimitExceeded, Violation};
use sockless::limits::Limits;

use crate::common::*;

/// One malformed sequence.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) limits: Limits,
    /// What is legal of it.
    pub(crate) before: Vec<u8>,
    /// What is not.
    pub(crate) bad: Vec<u8>,
    /// The index in `bad` of the byte that must be refused.
    pub(crate) at: usize,
    pub(crate) error: Failure,
    pub(crate) code: u16,
    /// Whether the byte before that one must still be accepted: it could be the start of something legal.
    pub(crate) exact: bool,
}

/// Builds the table for one role.
struct Table {
    key: Option<[u8; 4]>,
    limits: Limits,
    before: Vec<u8>,
    rows: Vec<Row>,
}

impl Table {
    fn frame(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        frame(first, self.key, payload)
    }

    /// What comes before the rows that follow.
    fn after(&mut self, frames: &[(u8, &[u8])]) {
        self.before = frames
            .iter()
            .flat_map(|(first, payload)| self.frame(*first, payload))
            .collect();
    }

    /// A header with the length in a form of the row's choice: 7, 16 or 64 bits, and no payload.
    fn head(&self, first: u8, len_7: u8, field: &[u8]) -> Vec<u8> {
        let bit = if self.key.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![first, bit | len_7];
        bytes.extend_from_slice(field);
        bytes.extend(self.key.into_iter().flatten());
        bytes
    }

    /// Refused at a byte of a header, or of whatever `bad` is.
    fn raw(&mut self, name: &'static str, bad: &[u8], at: usize, error: impl Into<Failure>, code: u16) {
        self.rows.push(Row {
            name,
            limits: self.limits,
            before: self.before.clone(),
            bad: bad.to_vec(),
            at,
            error: error.into(),
            code,
            exact: true,
        });
    }

    /// Refused at a byte of the payload of one frame.
    fn payload(
        &mut self,
        name: &'static str,
        first: u8,
        payload: &[u8],
        at: usize,
        error: impl Into<Failure>,
        code: u16,
    ) {
        let bad = self.frame(first, payload);
        let at = bad.len() - payload.len() + at;
        self.raw(name, &bad, at, error, code);
    }
}

/// The table, as the peer of this role would send it.
pub(crate) fn table<R: Role>() -> Vec<Row> {
    use LimitExceeded::{FrameTooLong, MessageTooLong, TooManyFragments};
    use Violation::{
        CloseBodyOneByte, CloseReasonNotUtf8, ControlTooLong, ExpectedContinuation, FragmentedControl,
        InvalidCloseCode, LengthNotMinimal, LengthTopBit, MaskedFrame, ReservedBits, ReservedOpcode, TextNotUtf8,
        UnexpectedContinuation, UnmaskedFrame,
    };

    let mut t = Table {
        key: peer_key::<R>(),
        limits: Limits::default(),
        before: Vec::new(),
        rows: Vec::new(),
    };

    // Section 5.2: reserved bits.
    t.raw("RSV1 on text", &t.frame(0xc1, b"x"), 0, ReservedBits, 1002);
    t.raw("RSV2 on text", &t.frame(0xa1, b"x"), 0, ReservedBits, 1002);
    t.raw("RSV3 on text", &t.frame(0x91, b"x"), 0, ReservedBits, 1002);
    t.raw("all RSV on binary", &t.frame(0xf2, b""), 0, ReservedBits, 1002);
    t.raw("RSV1 on a first fragment", &t.frame(0x41, b"x"), 0, ReservedBits, 1002);
    t.raw("RSV1 on Ping", &t.frame(0xc9, b""), 0, ReservedBits, 1002);
    t.raw("RSV2 on Pong", &t.frame(0xaa, b""), 0, ReservedBits, 1002);
    t.raw("RSV3 on Close", &t.frame(0x98, b""), 0, ReservedBits, 1002);

    // Section 5.2: reserved opcodes.
    t.raw("opcode 3", &t.frame(0x83, b""), 0, ReservedOpcode, 1002);
    t.raw("opcode 4", &t.frame(0x84, b"x"), 0, ReservedOpcode, 1002);
    t.raw("opcode 5 without FIN", &t.frame(0x05, b"x"), 0, ReservedOpcode, 1002);
    t.raw("opcode 6", &t.frame(0x86, &[0; 200]), 0, ReservedOpcode, 1002);
    t.raw("opcode 7", &t.frame(0x87, b""), 0, ReservedOpcode, 1002);
    t.raw("opcode 11", &t.frame(0x8b, b""), 0, ReservedOpcode, 1002);
    t.raw("opcode 12", &t.frame(0x8c, b"x"), 0, ReservedOpcode, 1002);
    t.raw("opcode 13 without FIN", &t.frame(0x0d, b""), 0, ReservedOpcode, 1002);
    t.raw("opcode 14", &t.frame(0x8e, &[0; 125]), 0, ReservedOpcode, 1002);
    t.raw("opcode 15 with all RSV", &t.frame(0xff, b""), 0, ReservedOpcode, 1002);

    // Section 5.5: control frames.
    t.raw("Ping without FIN", &t.frame(0x09, b"x"), 0, FragmentedControl, 1002);
    t.raw("Pong without FIN", &t.frame(0x0a, b""), 0, FragmentedControl, 1002);
    t.raw(
        "Close without FIN",
        &t.frame(0x08, b"\x03\xe8"),
        0,
        FragmentedControl,
        1002,
    );
    t.raw("Ping of 126 bytes", &t.frame(PING, &[0; 126]), 1, ControlTooLong, 1002);
    t.raw("Pong of 126 bytes", &t.frame(PONG, &[0; 126]), 1, ControlTooLong, 1002);
    t.raw(
        "Close of 126 bytes",
        &t.frame(CLOSE, &[3; 126]),
        1,
        ControlTooLong,
        1002,
    );
    t.raw("Ping of 64 KiB", &t.frame(PING, &[0; 65536]), 1, ControlTooLong, 1002);
    t.raw(
        "Close with a 64-bit length",
        &t.head(CLOSE, 127, &[0; 8]),
        1,
        ControlTooLong,
        1002,
    );

    // Section 5.1: mask direction.
    let wrong = |first, payload: &[u8]| frame(first, if R::IS_CLIENT { Some(PEER_KEY) } else { None }, payload);
    let mask_rule = if R::IS_CLIENT { MaskedFrame } else { UnmaskedFrame };
    t.raw(
        "wrong mask bit, empty text",
        &wrong(FIN | TEXT, b""),
        1,
        mask_rule,
        1002,
    );
    t.raw("wrong mask bit, text", &wrong(FIN | TEXT, b"Hello"), 1, mask_rule, 1002);
    t.raw(
        "wrong mask bit, binary of 126 bytes",
        &wrong(FIN | BIN, &[0; 126]),
        1,
        mask_rule,
        1002,
    );
    t.raw(
        "wrong mask bit, binary of 64 KiB",
        &wrong(FIN | BIN, &[0; 65536]),
        1,
        mask_rule,
        1002,
    );
    t.raw("wrong mask bit, Ping", &wrong(PING, b"x"), 1, mask_rule, 1002);
    t.raw("wrong mask bit, Pong", &wrong(PONG, b""), 1, mask_rule, 1002);
    t.raw("wrong mask bit, Close", &wrong(CLOSE, b"\x03\xe8"), 1, mask_rule, 1002);

    // Section 5.2: lengths.
    t.raw(
        "0 in 16 bits",
        &t.head(FIN | BIN, 126, &[0, 0]),
        3,
        LengthNotMinimal,
        1002,
    );
    t.raw(
        "125 in 16 bits",
        &t.head(FIN | TEXT, 126, &[0, 125]),
        3,
        LengthNotMinimal,
        1002,
    );
    t.raw(
        "0 in 64 bits",
        &t.head(FIN | BIN, 127, &[0; 8]),
        7,
        LengthNotMinimal,
        1002,
    );
    t.raw(
        "126 in 64 bits",
        &t.head(FIN | BIN, 127, &[0, 0, 0, 0, 0, 0, 0, 126]),
        7,
        LengthNotMinimal,
        1002,
    );
    t.raw(
        "65535 in 64 bits",
        &t.head(BIN, 127, &[0, 0, 0, 0, 0, 0, 255, 255]),
        7,
        LengthNotMinimal,
        1002,
    );
    t.raw(
        "bit 63",
        &t.head(FIN | BIN, 127, &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        2,
        LengthTopBit,
        1002,
    );
    t.raw(
        "all 64 bits",
        &t.head(FIN | TEXT, 127, &[0xff; 8]),
        2,
        LengthTopBit,
        1002,
    );

    // Section 5.4: order of fragments.
    t.raw(
        "continuation first",
        &t.frame(FIN | CONT, b"x"),
        0,
        UnexpectedContinuation,
        1002,
    );
    t.raw(
        "continuation without FIN first",
        &t.frame(CONT, b""),
        0,
        UnexpectedContinuation,
        1002,
    );
    t.after(&[(FIN | TEXT, b"whole")]);
    t.raw(
        "continuation after a whole message",
        &t.frame(FIN | CONT, b"x"),
        0,
        UnexpectedContinuation,
        1002,
    );
    t.after(&[(TEXT, b"a"), (FIN | CONT, b"b")]);
    t.raw(
        "continuation after the last fragment",
        &t.frame(CONT, b"x"),
        0,
        UnexpectedContinuation,
        1002,
    );
    t.after(&[(PING, b"a"), (PONG, b"b")]);
    t.raw(
        "continuation after control frames",
        &t.frame(FIN | CONT, b""),
        0,
        UnexpectedContinuation,
        1002,
    );
    t.after(&[(TEXT, b"begin")]);
    t.raw(
        "text inside text",
        &t.frame(FIN | TEXT, b"x"),
        0,
        ExpectedContinuation,
        1002,
    );
    t.raw(
        "first text fragment inside text",
        &t.frame(TEXT, b"x"),
        0,
        ExpectedContinuation,
        1002,
    );
    t.raw(
        "binary inside text",
        &t.frame(FIN | BIN, b""),
        0,
        ExpectedContinuation,
        1002,
    );
    t.raw("RSV1 on a continuation", &t.frame(0xc0, b""), 0, ReservedBits, 1002);
    t.after(&[(BIN, b"begin"), (PING, b"p"), (CONT, b"")]);
    t.raw(
        "text inside binary",
        &t.frame(FIN | TEXT, b"x"),
        0,
        ExpectedContinuation,
        1002,
    );
    t.raw(
        "first binary fragment inside binary",
        &t.frame(BIN, b""),
        0,
        ExpectedContinuation,
        1002,
    );
    t.raw(
        "Ping without FIN inside a message",
        &t.frame(0x09, b""),
        0,
        FragmentedControl,
        1002,
    );
    t.raw(
        "wrong mask bit on a continuation",
        &wrong(FIN | CONT, b"x"),
        1,
        mask_rule,
        1002,
    );
    t.raw(
        "125 in 16 bits on a continuation",
        &t.head(FIN, 126, &[0, 125]),
        3,
        LengthNotMinimal,
        1002,
    );
    t.after(&[]);

    // Section 5.5.1: bodies of Close frames.
    t.raw("Close of one byte", &t.frame(CLOSE, b"\x03"), 1, CloseBodyOneByte, 1002);
    t.payload("code 999", CLOSE, b"\x03\xe7", 1, InvalidCloseCode, 1002);
    t.payload("code 0", CLOSE, b"\x00\x00", 1, InvalidCloseCode, 1002);
    t.rows.last_mut().unwrap().exact = false;
    t.payload("code 1004", CLOSE, b"\x03\xec", 1, InvalidCloseCode, 1002);
    t.payload("code 1005", CLOSE, b"\x03\xed", 1, InvalidCloseCode, 1002);
    t.payload(
        "code 1006, with a reason",
        CLOSE,
        b"\x03\xeewhy",
        1,
        InvalidCloseCode,
        1002,
    );
    t.payload("code 1015", CLOSE, b"\x03\xf7", 1, InvalidCloseCode, 1002);
    t.payload("code 1016", CLOSE, b"\x03\xf8", 1, InvalidCloseCode, 1002);
    t.payload("code 2999", CLOSE, b"\x0b\xb7", 1, InvalidCloseCode, 1002);
    t.payload("code 5000", CLOSE, b"\x13\x88", 1, InvalidCloseCode, 1002);
    t.payload(
        "code 1005, with a bad reason",
        CLOSE,
        b"\x03\xed\xff",
        1,
        InvalidCloseCode,
        1002,
    );
    t.payload(
        "reason with 0xff",
        CLOSE,
        b"\x03\xe8ok\xff...",
        4,
        CloseReasonNotUtf8,
        1007,
    );
    t.payload(
        "reason with a surrogate",
        CLOSE,
        b"\x03\xe8\xed\xa0\x80",
        3,
        CloseReasonNotUtf8,
        1007,
    );
    t.payload(
        "reason cut in a character",
        CLOSE,
        b"\x03\xe8\xe2\x82",
        3,
        CloseReasonNotUtf8,
        1007,
    );
    t.after(&[(BIN, b"begin")]);
    t.payload(
        "code 1006 inside a message",
        CLOSE,
        b"\x03\xee",
        1,
        InvalidCloseCode,
        1002,
    );
    t.after(&[]);

    // Section 8.1: text.
    t.payload("text with 0xff", FIN | TEXT, b"ab\xffcd", 2, TextNotUtf8, 1007);
    t.payload(
        "text with a lone continuation",
        FIN | TEXT,
        b"\x80",
        0,
        TextNotUtf8,
        1007,
    );
    t.payload(
        "text with an overlong slash",
        FIN | TEXT,
        b"x\xc0\xaf",
        1,
        TextNotUtf8,
        1007,
    );
    t.payload(
        "text with a surrogate",
        FIN | TEXT,
        b"\xed\xa0\x80",
        1,
        TextNotUtf8,
        1007,
    );
    t.payload(
        "text beyond U+10FFFF",
        FIN | TEXT,
        b"\xf4\x90\x80\x80",
        1,
        TextNotUtf8,
        1007,
    );
    t.payload(
        "text cut in a character",
        FIN | TEXT,
        b"ok \xf0\x9f\x98",
        5,
        TextNotUtf8,
        1007,
    );
    t.payload("bad text in a first fragment", TEXT, b"ab\xc3(cd", 3, TextNotUtf8, 1007);
    let mut long = vec![b'x'; 70_000];
    long[300] = 0xfe;
    t.payload(
        "bad text early in 70000 bytes",
        FIN | TEXT,
        &long[..],
        300,
        TextNotUtf8,
        1007,
    );
    t.after(&[(FIN | TEXT, "fine €".as_bytes()), (TEXT, b"\xe2\x82"), (PING, b"\xff")]);
    t.payload(
        "bad last byte of a character over fragments",
        FIN | CONT,
        b"(",
        0,
        TextNotUtf8,
        1007,
    );
    t.payload(
        "bad text after a character over fragments",
        CONT,
        b"\xacok\xff",
        3,
        TextNotUtf8,
        1007,
    );
    t.payload(
        "a character begins inside another",
        CONT,
        b"\xe2\x82\xac",
        0,
        TextNotUtf8,
        1007,
    );
    let empty = t.frame(FIN | CONT, b"");
    t.raw(
        "empty last fragment after a cut character",
        &empty,
        empty.len() - 1,
        TextNotUtf8,
        1007,
    );
    t.rows.last_mut().unwrap().exact = false;
    t.after(&[]);

    // Limits.
    t.limits = Limits::default()
        .with_max_frame_len(1000)
        .with_max_message_len(1500)
        .with_fragment_budget(3);
    t.raw(
        "frame of 1001 bytes",
        &t.head(FIN | BIN, 126, &[3, 0xe9]),
        3,
        FrameTooLong,
        1009,
    );
    t.raw(
        "frame of 1024 bytes: the high byte says it",
        &t.head(FIN | BIN, 126, &[4, 0]),
        2,
        FrameTooLong,
        1009,
    );
    t.raw(
        "frame of 64 KiB",
        &t.head(TEXT, 127, &[0, 0, 0, 0, 0, 1, 0, 0]),
        7,
        FrameTooLong,
        1009,
    );
    t.raw(
        "frame of 2^62 bytes",
        &t.head(FIN | BIN, 127, &[0x40, 0, 0, 0, 0, 0, 0, 0]),
        2,
        FrameTooLong,
        1009,
    );
    t.after(&[(BIN, &[0; 1000]), (PING, b"")]);
    t.raw(
        "message of 1501 bytes",
        &t.head(FIN | CONT, 126, &[1, 0xf5]),
        3,
        MessageTooLong,
        1009,
    );
    t.raw(
        "message of 1512 bytes",
        &t.head(CONT, 126, &[2, 0]),
        2,
        MessageTooLong,
        1009,
    );
    t.raw(
        "message of 2^40 bytes",
        &t.head(CONT, 127, &[0, 0, 1, 0, 0, 0, 0, 0]),
        4,
        MessageTooLong,
        1009,
    );
    t.after(&[(TEXT, b""), (CONT, b""), (CONT, b"")]);
    t.raw("fourth empty fragment", &t.frame(CONT, b""), 0, TooManyFragments, 1008);
    t.raw(
        "fourth fragment, the last one",
        &t.frame(FIN | CONT, b"x"),
        0,
        TooManyFragments,
        1008,
    );
    t.after(&[(BIN, b"x"), (CONT, &[0; 31]), (PONG, b""), (CONT, b""), (CONT, b"")]);
    t.raw(
        "fifth fragment after 32 bytes",
        &t.frame(CONT, b"x"),
        0,
        TooManyFragments,
        1008,
    );
    t.limits = t.limits.with_max_message_len(500);
    t.after(&[(FIN | BIN, &[0; 500])]);
    t.raw(
        "the tighter limit is the message's",
        &t.head(FIN | BIN, 126, &[1, 0xf5]),
        3,
        MessageTooLong,
        1009,
    );
    t.rows
}
