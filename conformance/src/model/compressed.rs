//! Compressed messages (RFC 7692 section 6.2): inflated when they are whole.

use super::{Demands, End, Event, Message, Reading, State, Verdict, inflate_message, inflate_part, utf8};
use crate::rule::Rule;

/// So many bytes are all that a message may refer to (RFC 7692 section 7.1.2).
const WINDOW: usize = 1 << 15;

/// A compressed message that has ended, with the byte before `end`.
pub(super) fn message(
    reading: &mut Reading,
    state: &mut State,
    message: &Message,
    demands: Demands,
    end: usize,
) -> Result<(), Verdict> {
    let Some(deflate) = demands.deflate else {
        return Ok(());
    };
    let history: &[u8] = if deflate.takeover { &state.history } else { &[] };
    let inflated = inflate_message(&message.payload, history);
    let far = inflated.farthest > 1 << deflate.window_bits;
    let rule = match inflated.end {
        End::Bad => Some(Rule::CompressedData),
        End::Inside => Some(Rule::CompressedDataEnd),
        End::Whole if demands.near && far => Some(Rule::DistanceTooFar),
        End::Whole if message.text && std::str::from_utf8(&inflated.output).is_err() => Some(Rule::InflatedNotUtf8),
        End::Whole => None,
    };
    if let Some(header) = reading.frames.last_mut() {
        header.message_length = inflated.output.len() as u64;
    }
    if let Some(rule) = rule {
        deliver(reading, message, inflated.output, false);
        return Err(Verdict::Broken {
            rules: vec![rule],
            after: end,
        });
    }
    state.history.extend_from_slice(&inflated.output);
    let over = state.history.len().saturating_sub(WINDOW);
    state.history.drain(..over);
    deliver(reading, message, inflated.output, true);
    Ok(())
}

/// What has come of a compressed message that does not end.
pub(super) fn so_far(reading: &mut Reading, state: &State) {
    if let Some(message) = state.message.as_ref().filter(|message| message.compressed) {
        let inflated = inflate_part(&message.payload, &state.history);
        deliver(reading, message, inflated.output, false);
    }
}

fn deliver(reading: &mut Reading, message: &Message, mut payload: Vec<u8>, end: bool) {
    if message.text {
        payload.truncate(utf8(&payload).0);
    }
    reading.events.push(Event::Data {
        text: message.text,
        payload,
        message_start: true,
        frame_end: end,
        message_end: end,
    });
}
