//! What a connection keeps for sending, and how its messages are compressed.

use alloc::sync::Arc;

use super::agreement::DeflateAgreement;
use super::broadcast::Compressed;
use super::engines::SendEngines;
use super::history::History;
use super::inflation::TAIL;
use super::zlib::Setting;

/// What a connection keeps for sending.
///
/// The history is what the peer's window ends with, or less of it. It grows only once a message is in the output, so that a
/// full output, or a message that goes plain after all, leaves both as they were.
pub(super) struct Sending {
    /// None without an agreement.
    pub(super) setting: Option<Setting>,
    history: History,
    /// How many bytes are kept from one message to the next.
    history_len: usize,
    threshold: usize,
    pub(super) takeover: bool,
    /// The largest window that was agreed.
    window_bits: u8,
    /// The group whose text the peer's window ends with, and how many bytes of it.
    pub(super) membership: Option<Membership>,
}

/// How far a connection is in step with a group.
pub(super) struct Membership {
    /// The group: the same allocation is the same group.
    pub(super) group: Arc<()>,
    /// The position in the group's text up to which it has all been sent here.
    pub(super) position: u64,
    /// How many bytes before that position have been sent here without anything between.
    pub(super) len: u64,
}

impl Membership {
    /// Whether it has all of the group's text up to this message.
    fn reaches(&self, message: &Compressed) -> bool {
        Arc::ptr_eq(&self.group, &message.group) && self.position == message.start
    }
}

/// Whether a connection can read what refers to a group's text.
pub(super) enum InStep {
    Yes,
    /// Only what refers to nothing.
    No,
    /// Its window is too small.
    TooFar,
}

/// From this length on, in bytes, a message is looked at before it is compressed.
const LONG: usize = 16 << 10;

/// How much is looked at.
const SAMPLE: usize = 1 << 10;

/// The sum of the squares of the counts of each byte in a sample. Evenly distributed bytes make 5,116 on average, with a
/// deviation of 90; 64 characters 17,000.
const RANDOM: u32 = 5_600;

impl Sending {
    /// Nothing has been sent.
    pub(super) fn new(agreement: Option<&DeflateAgreement>) -> Self {
        Self {
            setting: agreement.map(DeflateAgreement::setting),
            history: History::new(),
            history_len: agreement.map_or(0, DeflateAgreement::send_history_len),
            threshold: agreement.map_or(0, |agreement| usize::from(agreement.sending.threshold)),
            takeover: agreement.is_some_and(DeflateAgreement::send_takeover),
            window_bits: agreement.map_or(0, DeflateAgreement::send_window_bits),
            membership: None,
        }
    }

    /// Whether the peer can read a message of a group.
    pub(super) fn in_step(&self, message: &Compressed) -> InStep {
        if message.setting.window_bits > self.window_bits {
            return InStep::TooFar;
        }
        let has = self
            .membership
            .as_ref()
            .filter(|membership| membership.reaches(message));
        let has = if self.takeover {
            has.map_or(0, |membership| membership.len)
        } else {
            0
        };
        if has >= message.needs { InStep::Yes } else { InStep::No }
    }

    /// A message of a group was sent compressed.
    pub(super) fn sent_to_group(&mut self, message: &Compressed, len: u64) {
        if !self.takeover {
            return;
        }
        self.history.clear();
        let before = match &self.membership {
            Some(membership) if membership.reaches(message) => membership.len,
            Some(_) | None => 0,
        };
        self.membership = Some(Membership {
            group: Arc::clone(&message.group),
            position: message.start.saturating_add(len),
            len: before.saturating_add(len),
        });
    }

    /// The memory that it holds, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.history.memory()
    }

    #[cfg(test)]
    pub(super) fn history(&self) -> alloc::vec::Vec<u8> {
        self.history.to_vec()
    }

    /// The next message refers to nothing.
    pub(super) fn forget(&mut self) {
        self.history.clear();
    }

    /// A whole message as it goes on the wire, if it is worth it. There is memory for the history then.
    pub(super) fn whole<'e>(&mut self, engines: &'e mut SendEngines, message: &[u8]) -> Option<&'e [u8]> {
        let setting = self.setting?;
        if message.len() < self.threshold || looks_random(message) {
            return None;
        }
        self.history.reserve(message.len(), self.history_len).ok()?;
        let compressed = engines.deflate(setting, self.history.parts(), message)?;
        let compressed = compressed.strip_suffix(&TAIL)?;
        (compressed.len() < message.len()).then_some(compressed)
    }

    /// A part of a message as it goes on the wire. There is memory for the history then.
    pub(super) fn part<'e>(&mut self, engines: &'e mut SendEngines, part: &[u8], fin: bool) -> Option<&'e [u8]> {
        let setting = self.setting?;
        let keep = self.keep(setting, fin);
        self.history.reserve(part.len(), keep).ok()?;
        let compressed = engines.deflate(setting, self.history.parts(), part)?;
        // "All fragments [...] except for the last one" keep their tail (RFC 7692 section 7.2.1, and the example of 7.2.3.1).
        if fin {
            compressed.strip_suffix(&TAIL)
        } else {
            Some(compressed)
        }
    }

    /// A message, or a part of one, was sent compressed.
    pub(super) fn sent(&mut self, bytes: &[u8], fin: bool) {
        let Some(setting) = self.setting else { return };
        let keep = self.keep(setting, fin);
        if keep == 0 {
            self.history.clear();
        } else {
            self.history.push(bytes, keep);
        }
        self.membership = None;
    }

    /// How many bytes to keep behind this part. Inside a message, later parts may refer to earlier ones even without
    /// takeover.
    const fn keep(&self, setting: Setting, fin: bool) -> usize {
        if fin || self.takeover {
            self.history_len
        } else {
            1 << setting.window_bits
        }
    }
}

/// Whether a long message looks as if it had been compressed or encrypted already, from its middle.
fn looks_random(message: &[u8]) -> bool {
    if message.len() < LONG {
        return false;
    }
    let middle = message.len() / 2;
    let sample = message.get(middle..).and_then(|rest| rest.get(..SAMPLE));
    let mut counts = [0_u32; 256];
    for &byte in sample.unwrap_or_default() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    (..RANDOM).contains(&counts.iter().map(|count| count * count).sum())
}
