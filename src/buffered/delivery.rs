//! What the machine does with what comes: the timers see Pongs, and a failure is told when nothing is left to do.

use super::timing::Timing;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::{Compressing, Connection, Role};
use crate::error::{Blocked, ReceiveError};
use crate::message::{Delivery, Found};
use crate::state::Control;

/// How the machine hands out events.
pub(super) struct Delivering<'e, D> {
    pub(super) timing: &'e mut Timing,
    /// What is done about compressed messages.
    pub(super) inner: D,
}

impl<'e, D: Delivery<'e>> Delivery<'e> for Delivering<'e, D> {
    type Inflating = D::Inflating;

    #[inline(always)]
    fn again(&mut self) -> impl Delivery<'_> {
        Delivering {
            timing: self.timing,
            inner: self.inner.again(),
        }
    }

    #[inline(always)]
    fn find<R: Role, S: Storage, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        input: &mut ReadBuffer<S>,
        out: &mut O,
    ) -> Result<Option<Found>, ReceiveError> {
        // By value, so that this need not be in memory.
        find(self.timing, self.inner.again(), connection, input, out)
    }

    #[inline(always)]
    fn inflating(self) -> (Self::Inflating, Compressing<'e>) {
        self.inner.inflating()
    }

    #[inline(always)]
    fn plain(self) -> Compressing<'e> {
        self.inner.plain()
    }

    #[inline(always)]
    fn told<T>(error: ReceiveError) -> Result<Option<T>, ReceiveError> {
        match error {
            // What is left to do comes first.
            ReceiveError::Failed(_) => Ok(None),
            ReceiveError::Blocked(_) => Err(error),
        }
    }
}

#[inline(never)]
fn find<'e, R: Role, S: Storage, O: Output + ?Sized>(
    timing: &mut Timing,
    mut inner: impl Delivery<'e>,
    connection: &mut Connection<R>,
    input: &mut ReadBuffer<S>,
    out: &mut O,
) -> Result<Option<Found>, ReceiveError> {
    // Whether nothing was left to do with the transport.
    let over = connection.receiver.failure().is_some() && !connection.transport().wants_input();
    match inner.find(connection, input, out) {
        Ok(Some(Found::Control(Control::Pong, range))) => {
            let payload = range.clone().and_then(|range| input.memory.bytes().get(range));
            timing.pong(payload.unwrap_or(connection.receiver.control_payload()));
            Ok(Some(Found::Control(Control::Pong, range)))
        }
        Err(ReceiveError::Failed(_)) if !over => Ok(None),
        Err(ReceiveError::Blocked(Blocked::UndrainedPongs)) => Ok(None),
        found => found,
    }
}
