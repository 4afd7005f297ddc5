//! A shell with engines of its own, for the machine with its buffers.

use super::agreement::DeflateAgreement;
use super::engines::Engines;
use super::joined::DeflateConnection;
use super::shell::Shell;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::Tx;
use crate::connection::{Connection, Role};
use crate::error::ReceiveError;
use crate::message::Event;

/// A shell with engines of its own.
#[derive(Debug)]
pub(crate) struct Compression {
    shell: Shell,
    engines: Engines,
}

impl Compression {
    /// For a connection on which nothing has been sent or received, which is told.
    pub(crate) fn new<R: Role>(connection: &mut Connection<R>, agreement: &DeflateAgreement) -> Self {
        Self {
            shell: Shell::new(connection, Some(agreement)),
            engines: Engines::new(),
        }
    }

    /// The next event, with its own engines.
    #[inline(never)]
    pub(crate) fn receive<'e, R: Role, S: Storage, O: Output + ?Sized>(
        &'e mut self,
        connection: &'e mut Connection<R>,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, O>)>, ReceiveError> {
        self.shell.receive(connection, input, out, &mut self.engines)
    }

    /// The next event, with engines that are lent.
    #[inline(never)]
    pub(crate) fn receive_with<'e, R: Role, S: Storage, O: Output + ?Sized>(
        &'e mut self,
        connection: &'e mut Connection<R>,
        input: &'e mut ReadBuffer<S>,
        out: &'e mut O,
        engines: &'e mut Engines,
    ) -> Result<Option<(Event<'e>, Tx<'e, R, O>)>, ReceiveError> {
        self.shell.receive(connection, input, out, engines)
    }

    /// The output handle, with its own engines.
    pub(crate) fn tx<'a, R: Role, O: ?Sized>(
        &'a mut self,
        connection: &'a mut Connection<R>,
        out: &'a mut O,
    ) -> Tx<'a, R, O> {
        self.shell.tx(connection, out, &mut self.engines)
    }

    /// The output handle, with engines that are lent.
    pub(crate) fn tx_with<'a, R: Role, O: ?Sized>(
        &'a mut self,
        connection: &'a mut Connection<R>,
        out: &'a mut O,
        engines: &'a mut Engines,
    ) -> Tx<'a, R, O> {
        self.shell.tx(connection, out, engines)
    }

    /// Goes on with engines of its own. `None` for the second where nothing is compressed.
    pub(crate) fn from_connection<R>(ws: DeflateConnection<R>) -> (Connection<R>, Option<Self>) {
        let DeflateConnection { connection, shell } = ws;
        let agreed = shell.sending.setting.is_some();
        let compression = Self {
            shell,
            engines: Engines::new(),
        };
        (connection, agreed.then_some(compression))
    }

    /// Goes on without engines of its own.
    pub(crate) fn into_connection<R: Role>(self, connection: Connection<R>) -> DeflateConnection<R> {
        DeflateConnection {
            connection,
            shell: self.shell,
        }
    }

    /// Its own engines.
    pub(crate) const fn engines(&mut self) -> &mut Engines {
        &mut self.engines
    }

    /// The memory that it holds beside its own size, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.shell.memory() + self.engines.memory()
    }
}
