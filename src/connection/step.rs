//! What one step of the receive half comes to, before it is an event.

use super::event::{Chunk, Event};
use super::{Receiver, Role};
use crate::error::{Failure, ReceiveError};
use crate::state::Control;

/// A whole message that lay whole in the input.
pub(crate) enum Whole<'i> {
    Text(&'i str),
    Binary(&'i [u8]),
    /// What is good of a text that is not UTF-8; the failure comes with the next step.
    BadText(&'i str),
}

impl<'i> From<Whole<'i>> for Step<'i> {
    #[inline]
    fn from(whole: Whole<'i>) -> Self {
        match whole {
            Whole::Text(text) => Step::Text(text, Ends::WHOLE),
            Whole::Binary(data) => Step::Binary(data, Ends::WHOLE),
            Whole::BadText(good) => Step::Text(
                good,
                Ends {
                    message_start: true,
                    frame_end: false,
                    message_end: false,
                },
            ),
        }
    }
}

/// What one step made of the input. Nothing in it borrows from the half, so that shells can loop over steps.
pub(crate) enum Step<'i> {
    NeedInput,
    Text(&'i str, Ends),
    /// The character in [`Receiver::carried`].
    Carried(Ends),
    Binary(&'i [u8], Ends),
    /// A whole control frame; without a payload here it is in [`Receiver::control_payload`].
    Control(Control, Option<&'i [u8]>),
}

impl<'i> Step<'i> {
    /// The event for a step of `receiver`, if it is one.
    #[inline]
    pub(crate) fn event<'e, R: Role, C>(
        self,
        receiver: &'e Receiver<R>,
        close: impl FnOnce() -> C,
    ) -> Option<Event<'e, C>>
    where
        'i: 'e,
    {
        Some(match self {
            Self::NeedInput => return None,
            Self::Text(text, ends) => Event::Text(ends.chunk(text)),
            Self::Carried(ends) => Event::Text(ends.chunk(receiver.carried())),
            Self::Binary(data, ends) => Event::Binary(ends.chunk(data)),
            Self::Control(Control::Ping, payload) => Event::Ping(payload.unwrap_or(receiver.control_payload())),
            Self::Control(Control::Pong, payload) => Event::Pong(payload.unwrap_or(receiver.control_payload())),
            Self::Control(Control::Close, _) => Event::Close(close()),
        })
    }
}

/// What starts and ends with a chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) message_start: bool,
    pub(crate) frame_end: bool,
    pub(crate) message_end: bool,
}

impl Ends {
    /// A whole message.
    pub(crate) const WHOLE: Self = Self {
        message_start: true,
        frame_end: true,
        message_end: true,
    };

    pub(crate) const fn chunk<T: ?Sized>(self, data: &T) -> Chunk<'_, T> {
        let Self {
            message_start,
            frame_end,
            message_end,
        } = self;
        Chunk {
            data,
            message_start,
            frame_end,
            message_end,
        }
    }
}

/// The result of a step where nobody has made the half wait: that takes a [`Connection`](super::Connection), which owes a
/// Pong while it sends a frame in chunks.
#[inline]
pub(crate) fn failed(result: Result<Step<'_>, ReceiveError>) -> Result<Step<'_>, Failure> {
    match result {
        Ok(step) => Ok(step),
        Err(ReceiveError::Failed(failure)) => Err(failure),
        Err(ReceiveError::Blocked(_)) => Ok(Step::NeedInput),
    }
}
