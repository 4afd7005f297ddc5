//! The frame that breaks a rule.

use super::wire::Wire;
use crate::model::{self, Reading};
use crate::rule::Rule;
use crate::session::Session;

/// After how many bytes a rule is broken.
pub(super) fn broken_at(reading: &Reading) -> usize {
    match reading.verdict {
        model::Verdict::Broken { after, .. } => after,
        model::Verdict::Complete | model::Verdict::Unfinished | model::Verdict::Closed { .. } => usize::MAX,
    }
}

/// Whether the frame that breaks the rule is a Close.
pub(super) fn breaks_a_close(session: &Session, rule: Rule) -> bool {
    broken_frame(session, rule).is_some_and(|frame| frame.first().is_some_and(|first| first & 0b1111 == 0x8))
}

/// The bytes from the start of the frame that breaks the rule, where that is seen in its first two bytes, or is a Close.
pub(super) fn broken_frame(session: &Session, rule: Rule) -> Option<&[u8]> {
    let start = match rule {
        Rule::InvalidCloseCode | Rule::CloseReasonNotUtf8 => session.reading().frames.last()?.start,
        Rule::ReservedBits | Rule::CompressedBit | Rule::FragmentedControl => {
            session.after?.checked_sub(session.head_len + 1)?
        }
        Rule::UnmaskedFrame | Rule::MaskedFrame | Rule::ControlTooLong | Rule::CloseBodyOneByte => {
            session.after?.checked_sub(session.head_len + 2)?
        }
        // None of these is about a Close.
        Rule::ReservedOpcode
        | Rule::LengthNotMinimal
        | Rule::LengthTopBit
        | Rule::UnexpectedContinuation
        | Rule::ExpectedContinuation
        | Rule::TextNotUtf8
        | Rule::CompressedData
        | Rule::CompressedDataEnd
        | Rule::DistanceTooFar
        | Rule::InflatedNotUtf8
        | Rule::DeflateAnswer
        | Rule::TooBig
        | Rule::TooManyFragments
        | Rule::RequestSyntax
        | Rule::MethodNotGet
        | Rule::HttpVersionTooOld
        | Rule::HostMissing
        | Rule::HostRepeated
        | Rule::UpgradeMissing
        | Rule::ConnectionMissing
        | Rule::KeyMissing
        | Rule::KeyInvalid
        | Rule::KeyRepeated
        | Rule::VersionMissing
        | Rule::VersionUnsupported
        | Rule::VersionRepeated
        | Rule::ResponseSyntax
        | Rule::ResponseVersion
        | Rule::StatusNot101
        | Rule::ResponseUpgrade
        | Rule::ResponseConnection
        | Rule::AcceptMissing
        | Rule::AcceptMismatch
        | Rule::AcceptRepeated
        | Rule::ExtensionNotAsked
        | Rule::SubprotocolNotAsked => return None,
    };
    session.bytes.get(session.head_len + start..)
}

/// The code in the Close that breaks the rule.
pub(super) fn broken_close_code(wire: &Wire, rule: Rule) -> Option<u16> {
    let frame = broken_frame(&wire.session, rule)?;
    let second = frame.get(1)?;
    let length_bytes = match second & 0x7f {
        126 => 2,
        127 => 8,
        1 => return None,
        _ => 0,
    };
    let (key, at) = if second & 0x80 == 0 {
        ([0, 0], 2 + length_bytes)
    } else {
        let key = frame.get(2 + length_bytes..)?.first_chunk::<2>()?;
        (*key, 6 + length_bytes)
    };
    let [high, low] = *frame.get(at..)?.first_chunk::<2>()?;
    let code = u16::from_be_bytes([high ^ key[0], low ^ key[1]]);
    (second & 0x7f > 0).then_some(code)
}
