//! The joined connection and a receive half alone, as those who receive from a read buffer see them.

use crate::buffer::Output;
use crate::connection::{Connection, Receiver, Role, Step, failed};
use crate::error::{Failure, ReceiveError};
use crate::state::Control;

/// What receiving means for the joined connection and for a receive half alone.
pub(crate) trait Half<R: Role> {
    fn receiver(&mut self) -> &mut Receiver<R>;

    /// A step of the streaming level, to finish what it has begun.
    fn step<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, ReceiveError>;

    /// Answers a control frame, before it is consumed.
    fn reply(&mut self, control: Control, payload: &[u8]) -> Result<(), ReceiveError>;

    /// Fails, and answers that.
    fn failed(&mut self, failure: Failure) -> ReceiveError;
}

/// The joined connection, with its output.
pub(crate) struct Joined<'a, R, O: ?Sized> {
    pub(crate) connection: &'a mut Connection<R>,
    pub(crate) out: &'a mut O,
}

impl<R: Role, O: Output + ?Sized> Half<R> for Joined<'_, R, O> {
    fn receiver(&mut self) -> &mut Receiver<R> {
        &mut self.connection.receiver
    }

    fn step<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, ReceiveError> {
        self.connection.step(input, self.out)
    }

    fn reply(&mut self, control: Control, payload: &[u8]) -> Result<(), ReceiveError> {
        Ok(self.connection.reply(control, Some(payload), self.out)?)
    }

    fn failed(&mut self, failure: Failure) -> ReceiveError {
        self.connection.failed(failure, self.out)
    }
}

impl<R: Role> Half<R> for Receiver<R> {
    fn receiver(&mut self) -> &mut Receiver<R> {
        self
    }

    fn step<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Step<'i>, ReceiveError> {
        Ok(failed(self.step(input, false))?)
    }

    fn reply(&mut self, _: Control, _: &[u8]) -> Result<(), ReceiveError> {
        Ok(())
    }

    fn failed(&mut self, failure: Failure) -> ReceiveError {
        self.fail(failure).into()
    }
}

/// The result of a receive half that is driven alone. Nothing makes it wait.
pub(crate) fn alone<T>(found: Result<Option<T>, ReceiveError>) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(found),
        Err(ReceiveError::Blocked(_)) => Ok(None),
        Err(ReceiveError::Failed(failure)) => Err(failure),
    }
}
