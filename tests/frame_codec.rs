//! RFC 6455 section 5.2 once more, for the pure codec: headers, and the names of what can be wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use sockless::buffer::ReadBuffer;
use sockless::error::{Failure, LimitExceeded, Violation};
use sockless::frame::{Header, MAX_CLOSE_REASON_LEN, MAX_CONTROL_LEN, MAX_HEADER_LEN, Opcode};

// Section 5.2 once more, for the pure codec.

/// Every header that the codec encodes it decodes, and agrees with the encoder of these tests.
#[test]
fn codec_round_trip() {
    for opcode in Opcode::ALL {
        for fin in [false, true] {
            for rsv in 0..=7 {
                for mask_key in [None, Some(KEY)] {
                    for payload_len in [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 1 << 32, u64::MAX >> 1] {
                        let header = Header {
                            fin,
                            rsv,
                            opcode,
                            mask_key,
                            payload_len,
                        };
                        let mut block = [0xee; MAX_HEADER_LEN];
                        let encoded = header.encode(&mut block);
                        let first = u8::from(fin) << 7 | rsv << 4 | opcode.bits();
                        assert_eq!(encoded, head(first, mask_key, payload_len));
                        let expected = if opcode.is_control() && !fin {
                            Err(Violation::FragmentedControl)
                        } else if opcode.is_control() && payload_len > 125 {
                            Err(Violation::ControlTooLong)
                        } else {
                            Ok(Some((header, encoded.len())))
                        };
                        assert_eq!(Header::decode(encoded), expected);
                    }
                }
            }
        }
    }
}

/// What the wire cannot carry is left out: more than three reserved bits, and the top bit of the length.
#[test]
fn codec_leaves_out_what_the_wire_cannot_carry() {
    let header = Header {
        fin: true,
        rsv: 0xff,
        opcode: Opcode::Binary,
        mask_key: None,
        payload_len: 1 << 63 | 5,
    };
    assert_eq!(header.encode(&mut [0; MAX_HEADER_LEN]), [0xf2, 5]);
}

/// Each violation names its section and its code.
#[test]
fn every_violation_names_its_rule() {
    for violation in Violation::ALL {
        assert!(violation.to_string().contains(violation.section()), "{violation}");
        let expected = match violation {
            Violation::TextNotUtf8 | Violation::CloseReasonNotUtf8 | Violation::NotDeflate | Violation::DeflateCut => {
                1007
            }
            _ => 1002,
        };
        assert_eq!(Failure::from(*violation).close_code().0, expected, "{violation:?}");
        let of_compression = matches!(violation, Violation::NotDeflate | Violation::DeflateCut);
        let rfc = if of_compression {
            "RFC 7692 section 7"
        } else {
            "RFC 6455 section "
        };
        assert!(violation.section().starts_with(rfc), "{violation:?}");
    }
    assert_eq!(Violation::ALL.len(), 16);
    let code = |limit: LimitExceeded| Failure::from(limit).close_code().0;
    assert_eq!(code(LimitExceeded::FrameTooLong), 1009);
    assert_eq!(code(LimitExceeded::MessageTooLong), 1009);
    assert_eq!(code(LimitExceeded::TooManyFragments), 1008);
}

/// Lengths that follow from each other (section 5.5): a control payload has at most 125 bytes, of which a Close's code
/// takes two.
#[test]
fn the_longest_control_frames() {
    assert_eq!((MAX_CONTROL_LEN, MAX_CLOSE_REASON_LEN, MAX_HEADER_LEN), (125, 123, 14));
    assert_eq!(ReadBuffer::<&mut [u8]>::FIXED_OVERHEAD, 6 + 125);
}
