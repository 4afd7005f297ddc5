//! How what was found in the read buffer is handed out: as it is, or as the rooms above this one have it.

use core::ops::Range;

use super::Event;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::{Compressing, Connection, Receiver, Role};
use crate::error::{Failure, ReceiveError};
use crate::frame::MessageKind;
use crate::state::Control;

/// What was found in the buffer, and consumed.
pub(crate) enum Found {
    /// A message, not yet validated if it is text.
    Message {
        kind: MessageKind,
        payload: Range<usize>,
        compressed: bool,
    },
    /// A control frame. Its payload lies in the buffer, or is kept by the receive half.
    Control(Control, Option<Range<usize>>),
}

/// What a level does besides taking messages from the buffer. The common case asks it for the compressor alone.
pub(crate) trait Delivery<'e>: Sized {
    type Inflating: Inflate<'e>;

    /// The same for a shorter time.
    #[cfg(feature = "alloc")]
    fn again(&mut self) -> impl Delivery<'_>;

    /// What comes next where it is not the common case.
    #[inline(always)]
    fn find<R: Role, S: Storage, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        input: &mut ReadBuffer<S>,
        out: &mut O,
    ) -> Result<Option<Found>, ReceiveError> {
        connection.find(input, out)
    }

    /// What inflates a message that came compressed, and what compresses an answer.
    fn inflating(self) -> (Self::Inflating, Compressing<'e>);

    /// Nothing that came compressed is handed out: what compresses an answer.
    fn plain(self) -> Compressing<'e>;

    /// What is told of a message that has turned out to be a failure.
    #[inline(always)]
    fn told<T>(error: ReceiveError) -> Result<Option<T>, ReceiveError> {
        Err(error)
    }
}

/// What becomes of a message that came compressed.
pub(crate) trait Inflate<'e> {
    fn message<R: Role>(
        self,
        receiver: &Receiver<R>,
        kind: MessageKind,
        payload: &'e [u8],
    ) -> Result<Event<'e>, Failure>;
}

/// It is handed out as it is.
impl<'e> Inflate<'e> for () {
    #[inline(always)]
    fn message<R: Role>(self, _: &Receiver<R>, kind: MessageKind, payload: &'e [u8]) -> Result<Event<'e>, Failure> {
        Ok(Event::Compressed(kind, payload))
    }
}

impl<'e, I: Inflate<'e>> Inflate<'e> for Option<I> {
    #[inline(always)]
    fn message<R: Role>(
        self,
        receiver: &Receiver<R>,
        kind: MessageKind,
        payload: &'e [u8],
    ) -> Result<Event<'e>, Failure> {
        match self {
            Some(inflating) => inflating.message(receiver, kind, payload),
            None => ().message(receiver, kind, payload),
        }
    }
}

/// Hands out compressed messages as they are.
pub(crate) struct AsReceived;

impl<'e> Delivery<'e> for AsReceived {
    type Inflating = ();

    #[cfg(feature = "alloc")]
    #[inline(always)]
    fn again(&mut self) -> impl Delivery<'_> {
        Self
    }

    #[inline(always)]
    fn inflating(self) -> (Self::Inflating, Compressing<'e>) {
        ((), Compressing::Nothing)
    }

    #[inline(always)]
    fn plain(self) -> Compressing<'e> {
        Compressing::Nothing
    }
}

/// Nothing more than what is there.
impl<'e, D: Delivery<'e>> Delivery<'e> for Option<D> {
    type Inflating = Option<D::Inflating>;

    #[cfg(feature = "alloc")]
    #[inline(always)]
    fn again(&mut self) -> impl Delivery<'_> {
        self.as_mut().map(D::again)
    }

    #[inline(always)]
    fn find<R: Role, S: Storage, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        input: &mut ReadBuffer<S>,
        out: &mut O,
    ) -> Result<Option<Found>, ReceiveError> {
        match self {
            Some(delivery) => delivery.find(connection, input, out),
            None => connection.find(input, out),
        }
    }

    #[inline(always)]
    fn inflating(self) -> (Self::Inflating, Compressing<'e>) {
        match self {
            Some(delivery) => {
                let (inflating, compressing) = delivery.inflating();
                (Some(inflating), compressing)
            }
            None => (None, Compressing::Nothing),
        }
    }

    #[inline(always)]
    fn plain(self) -> Compressing<'e> {
        self.map_or(Compressing::Nothing, D::plain)
    }
}
