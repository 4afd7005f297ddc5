//! The machine with its buffers.

use sockless::buffered::BufferedConnection;
use sockless::connection::{CloseRecord, Connection, Role, TransportAction};
use sockless::error::{Failure, ReceiveError};

use super::messages::read;
use super::{Endpoint, Observer, Seen};

pub(crate) struct Buffered<R> {
    ws: BufferedConnection<R>,
    given: usize,
}

impl<R: Role> Buffered<R> {
    pub(super) const fn new(connection: Connection<R>) -> Self {
        Self::of(BufferedConnection::new(connection))
    }

    pub(crate) const fn of(ws: BufferedConnection<R>) -> Self {
        Self { ws, given: 0 }
    }

    /// Writes up to `len` bytes of the output.
    fn write(&mut self, mut len: usize, observer: &mut dyn Observer) {
        while len > 0 && !self.ws.output().is_empty() {
            let output = self.ws.output();
            let taken = output.len().min(len);
            observer.sent(&output[..taken]);
            self.ws.written(taken);
            len -= taken;
        }
    }

    /// A failure is told when nothing is left to do, and not before.
    fn check_told(&mut self, failure: Failure) {
        let over = !self.ws.transport().wants_input();
        match self.ws.next_event() {
            Ok(None) => assert!(!over, "the failure is not told"),
            Ok(Some((event, _))) => panic!("{event:?} after a failure"),
            Err(error) => {
                assert!(over, "the failure is told before its Close is written");
                assert_eq!(error, ReceiveError::Failed(failure));
            }
        }
    }

    fn receive_all(&mut self, observer: &mut dyn Observer) {
        let mut written = false;
        loop {
            observer.called();
            match self.ws.next_event() {
                Ok(Some((event, _))) => {
                    observer.seen(&Seen::message(&event));
                    written = false;
                    continue;
                }
                Ok(None) => {}
                Err(error) => panic!("{error}"),
            }
            // What is left may wait for replies to be written.
            if written || self.ws.output().is_empty() || self.ws.buffers().0.unread().is_empty() {
                return;
            }
            self.write(usize::MAX, observer);
            written = true;
        }
    }
}

impl<R: Role> Endpoint for Buffered<R> {
    fn feed(&mut self, mut bytes: &[u8], observer: &mut dyn Observer) -> Result<(), Failure> {
        // What came with the handshake is there already.
        self.receive_all(observer);
        while !bytes.is_empty() && self.ws.close_record().failure.is_none() {
            let (len, later) = read(self.ws.space(), bytes);
            self.ws.advance(len);
            bytes = later;
            self.given += len;
            self.receive_all(observer);
            // The transport takes a part now and then.
            self.write(self.given % 7, observer);
        }
        self.write(usize::MAX, observer);
        match self.ws.close_record().failure {
            None => Ok(()),
            Some(failure) => {
                self.check_told(failure);
                Err(failure)
            }
        }
    }

    fn record(&self) -> CloseRecord<'_> {
        self.ws.close_record()
    }

    fn transport(&self) -> TransportAction {
        self.ws.transport()
    }
}
