//! Histories with engines of their own, for the machine with its buffers. What receives and what sends lie apart, so that the
//! common case looks at neither.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::agreement::DeflateAgreement;
use super::engines::{Engines, ReceiveEngines, SendEngines};
use super::joined::DeflateConnection;
use super::receiving::Receiving;
use super::sending::Sending;
use super::shell::{Inflating, Lent, Shell};
use super::zlib::try_box;
use crate::buffer::{Output, ReadBuffer, Storage};
use crate::connection::{Compressing, Compressor, Connection, Role, Slot};
use crate::error::{OutOfMemory, ReceiveError};
use crate::message::{Delivery, Found, Joined};

/// Histories with engines of their own, where compressed messages were agreed to.
pub(crate) struct Compression {
    receive: Option<Box<[OwnReceive; 1]>>,
    send: Option<Box<[OwnSend; 1]>>,
}

struct OwnReceive {
    receiving: Receiving,
    engines: ReceiveEngines,
    /// How much input had been consumed when a compressed message was found last.
    found_at: u32,
}

struct OwnSend {
    sending: Sending,
    engines: SendEngines,
}

impl Compression {
    /// Where nothing was agreed to.
    pub(crate) const NONE: Self = Self {
        receive: None,
        send: None,
    };

    /// For a connection on which nothing has been sent or received, which is told.
    pub(crate) fn new<R: Role>(
        connection: &mut Connection<R>,
        agreement: &DeflateAgreement,
    ) -> Result<Self, OutOfMemory> {
        Self::from_shell(Shell::new(connection, Some(agreement)))
    }

    fn from_shell(shell: Shell) -> Result<Self, OutOfMemory> {
        let Shell { receiving, sending } = shell;
        let Engines { receive, send } = Engines::new();
        Ok(Self {
            receive: Some(try_box(OwnReceive {
                receiving,
                engines: receive,
                found_at: 0,
            })?),
            send: Some(try_box(OwnSend { sending, engines: send })?),
        })
    }

    /// Whether compressed messages were agreed to.
    pub(crate) const fn is_agreed(&self) -> bool {
        self.send.is_some()
    }

    /// It with its own engines.
    #[inline(always)]
    pub(crate) const fn own(&mut self) -> Own<'_> {
        Own(self)
    }

    /// It with engines that are lent. None where nothing was agreed to.
    #[inline(always)]
    pub(crate) fn lent<'a>(&'a mut self, engines: &'a mut Engines) -> Option<Lent<'a>> {
        let [receive] = self.receive.as_deref_mut()?;
        let [send] = self.send.as_deref_mut()?;
        Some(Lent {
            receiving: &mut receive.receiving,
            sending: &mut send.sending,
            engines,
        })
    }

    /// Goes on with engines of its own.
    pub(crate) fn from_connection<R>(ws: DeflateConnection<R>) -> (Connection<R>, Result<Self, OutOfMemory>) {
        let DeflateConnection { connection, shell } = ws;
        let compression = match shell.sending.setting {
            Some(_) => Self::from_shell(shell),
            None => Ok(Self::NONE),
        };
        (connection, compression)
    }

    /// Goes on without engines of its own.
    pub(crate) fn into_connection<R: Role>(self, connection: Connection<R>) -> DeflateConnection<R> {
        match (self.receive.map(|one| *one), self.send.map(|one| *one)) {
            (Some([receive]), Some([send])) => DeflateConnection {
                connection,
                shell: Shell {
                    receiving: receive.receiving,
                    sending: send.sending,
                },
            },
            _ => DeflateConnection::new(connection, None),
        }
    }

    /// The message that was handed out last, by value, if it was compressed.
    pub(crate) fn take_binary<S: Storage>(&mut self, input: &ReadBuffer<S>) -> Option<Vec<u8>> {
        let [receive] = self.receive.as_deref_mut()?;
        // Messages that are not compressed come without a look at this one.
        if receive.found_at != input.account.consumed(input.unread().len()) {
            return None;
        }
        receive.engines.take_binary()
    }

    /// Gives back the memory of its own engines.
    pub(crate) fn release(&mut self) {
        if let Some([receive]) = self.receive.as_deref_mut() {
            receive.engines.release();
        }
        if let Some([send]) = self.send.as_deref_mut() {
            send.engines = SendEngines::new();
        }
    }

    /// The memory that it holds beside its own size, in bytes. None where nothing was agreed to.
    pub(crate) fn memory(&self) -> Option<usize> {
        let [receive] = self.receive.as_deref()?;
        let [send] = self.send.as_deref()?;
        let histories = receive.receiving.memory() + send.sending.memory();
        Some(histories + receive.engines.memory() + send.engines.memory())
    }
}

impl Slot for Option<Box<[OwnSend; 1]>> {
    fn compressor(&mut self) -> Option<Compressor<'_>> {
        let [OwnSend { sending, engines }] = self.as_deref_mut()?;
        Some(Compressor {
            histories: sending,
            engines,
        })
    }
}

/// A compression with its own engines.
pub(crate) struct Own<'e>(&'e mut Compression);

impl<'e> Own<'e> {
    /// What compresses.
    #[inline(always)]
    pub(crate) fn compressing(self) -> Compressing<'e> {
        Compressing::Slot(&mut self.0.send)
    }
}

impl<'e> Delivery<'e> for Own<'e> {
    type Inflating = Option<Inflating<'e>>;

    #[inline(always)]
    fn again(&mut self) -> impl Delivery<'_> {
        Own(self.0)
    }

    fn find<R: Role, S: Storage, O: Output + ?Sized>(
        &mut self,
        connection: &mut Connection<R>,
        input: &mut ReadBuffer<S>,
        out: &mut O,
    ) -> Result<Option<Found>, ReceiveError> {
        let Some([receive]) = self.0.receive.as_deref_mut() else {
            return connection.find(input, out);
        };
        let OwnReceive { receiving, engines, .. } = &mut *receive;
        let found = Inflating { receiving, engines }.find(&mut Joined { connection, out }, input);
        receive.found_at = input.account.consumed(input.unread().len());
        found
    }

    #[inline(always)]
    fn inflating(self) -> (Self::Inflating, Compressing<'e>) {
        let Compression { receive, send } = self.0;
        let inflating = receive.as_deref_mut().map(|[receive]| Inflating {
            receiving: &mut receive.receiving,
            engines: &mut receive.engines,
        });
        (inflating, Compressing::Slot(send))
    }

    #[inline(always)]
    fn plain(self) -> Compressing<'e> {
        self.compressing()
    }
}
