//! The message level, over each kind of read buffer.

use sockless::buffer::{ReadBuffer, Storage};
use sockless::connection::{CloseRecord, Connection, Receiver, Role, Sender, TransportAction};
use sockless::error::{Blocked, Failure, ReceiveError};

use super::chunks::reply;
use super::{Endpoint, Observer, Seen, drain};

/// How many bytes of memory are lent: less than a header may take, so that what is read is moved to and fro.
const LENT_READ: usize = 9;

fn receive_all<R: Role, S: Storage>(
    connection: &mut Connection<R>,
    input: &mut ReadBuffer<S>,
    out: &mut Vec<u8>,
    observer: &mut dyn Observer,
) -> Result<(), Failure> {
    loop {
        observer.called();
        match connection.receive(input, out) {
            Ok(Some((event, _))) => observer.seen(&Seen::message(&event)),
            Ok(None) => return Ok(()),
            Err(ReceiveError::Blocked(Blocked::UndrainedPongs)) => {
                assert!(!out.is_empty(), "nothing to drain");
                drain(out, observer);
            }
            Err(ReceiveError::Failed(failure)) => {
                assert!(input.unread().is_empty(), "input is left after a failure");
                return Err(failure);
            }
            Err(error) => panic!("{error}, with an output that grows"),
        }
    }
}

/// Reads as much of `bytes` as there is space for.
pub(crate) fn read<'b>(space: &mut [u8], bytes: &'b [u8]) -> (usize, &'b [u8]) {
    let len = space.len().min(bytes.len());
    assert!(len > 0 || bytes.is_empty(), "no space to read into");
    let (now, later) = bytes.split_at(len);
    space[..len].copy_from_slice(now);
    (len, later)
}

fn feed<R: Role, S: Storage>(
    connection: &mut Connection<R>,
    input: &mut ReadBuffer<S>,
    mut bytes: &[u8],
    observer: &mut dyn Observer,
) -> Result<(), Failure> {
    let mut out = Vec::new();
    let result = loop {
        let (len, later) = read(input.space(), bytes);
        input.advance(len);
        bytes = later;
        let result = receive_all(connection, input, &mut out, observer);
        if bytes.is_empty() || result.is_err() {
            break result;
        }
    };
    drain(&mut out, observer);
    result
}

/// A buffer of its own.
pub(super) struct Messages<R> {
    connection: Connection<R>,
    input: ReadBuffer,
}

impl<R: Role> Messages<R> {
    pub(super) const fn new(connection: Connection<R>) -> Self {
        Self {
            connection,
            input: ReadBuffer::new(),
        }
    }
}

impl<R: Role> Endpoint for Messages<R> {
    fn feed(&mut self, bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure> {
        let result = feed(&mut self.connection, &mut self.input, bytes, observer);
        // Whenever it can be: that must not matter.
        self.input.release();
        assert!(!self.input.is_at_rest() || self.input.capacity() == 0, "memory is kept");
        result
    }

    fn record(&self) -> CloseRecord<'_> {
        self.connection.close_record()
    }

    fn transport(&self) -> TransportAction {
        self.connection.transport()
    }
}

/// Fixed memory.
pub(super) struct Fixed<'m, R> {
    connection: Connection<R>,
    input: ReadBuffer<&'m mut [u8]>,
}

impl<'m, R: Role> Fixed<'m, R> {
    pub(super) fn new(connection: Connection<R>, memory: &'m mut [u8]) -> Self {
        Self {
            connection,
            input: ReadBuffer::fixed(memory),
        }
    }
}

impl<R: Role> Endpoint for Fixed<'_, R> {
    fn feed(&mut self, bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure> {
        feed(&mut self.connection, &mut self.input, bytes, observer)
    }

    fn record(&self) -> CloseRecord<'_> {
        self.connection.close_record()
    }

    fn transport(&self) -> TransportAction {
        self.connection.transport()
    }
}

/// One piece of memory for many connections.
pub(super) struct Lent<R> {
    connection: Connection<R>,
    memory: Vec<u8>,
    input: ReadBuffer,
}

impl<R: Role> Lent<R> {
    pub(super) fn new(connection: Connection<R>) -> Self {
        Self {
            connection,
            memory: Vec::new(),
            input: ReadBuffer::new(),
        }
    }
}

impl<R: Role> Endpoint for Lent<R> {
    fn feed(&mut self, mut bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure> {
        let mut out = Vec::new();
        let result = loop {
            // Another connection has used it meanwhile.
            self.memory.clear();
            self.memory.resize(LENT_READ, 0xaa);
            let Self {
                connection,
                memory,
                input,
            } = self;
            input.lend(memory);
            let (len, later) = read(input.space(), bytes);
            input.advance(len);
            bytes = later;
            let result = receive_all(connection, input, &mut out, observer);
            input.take_back(memory);
            assert!(
                !input.is_at_rest() || input.capacity() == 0,
                "an idle connection holds memory"
            );
            if bytes.is_empty() || result.is_err() {
                break result;
            }
        };
        drain(&mut out, observer);
        result
    }

    fn record(&self) -> CloseRecord<'_> {
        self.connection.close_record()
    }

    fn transport(&self) -> TransportAction {
        self.connection.transport()
    }
}

/// The halves, apart, and a buffer that is extended.
pub(super) struct Halves<R> {
    receiver: Receiver<R>,
    sender: Sender<R>,
    input: ReadBuffer,
}

impl<R: Role> Halves<R> {
    pub(super) fn new(connection: Connection<R>) -> Self {
        let (receiver, sender) = connection.split().expect("no frame is under way");
        Self {
            receiver,
            sender,
            input: ReadBuffer::new(),
        }
    }
}

impl<R: Role> Endpoint for Halves<R> {
    fn feed(&mut self, bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure> {
        let extended = self.input.extend(bytes);
        assert_eq!(extended, Ok(()));
        loop {
            observer.called();
            match self.receiver.receive(&mut self.input) {
                Ok(None) => return Ok(()),
                Ok(Some(event)) => {
                    if let Some(owed) = event.reply() {
                        reply(&mut self.sender, &owed, observer);
                    }
                    observer.seen(&Seen::message(&event));
                }
                Err(failure) => {
                    reply(&mut self.sender, &failure.into(), observer);
                    assert!(self.input.unread().is_empty(), "input is left after a failure");
                    return Err(failure);
                }
            }
        }
    }

    fn record(&self) -> CloseRecord<'_> {
        CloseRecord::of(&self.receiver, &self.sender)
    }

    fn transport(&self) -> TransportAction {
        TransportAction::of(&self.receiver, &self.sender)
    }
}
