//! Drivers: bytes in, in whatever pieces, by each way to receive, with the halves joined or apart.

use sockless::buffer::{ReadBuffer, Storage};
use sockless::connection::{CloseRecord, Connection, Receiver, Reply, Role, Sender, TransportAction, Tx};
use sockless::error::{Failure, ReceiveError, SendError};
use sockless::frame::MessageKind;
use sockless::limits::Limits;

use super::{Record, Seen, from_peer, push};

/// Sends whole messages back, where it is switched on, unless a Close was sent.
pub(crate) struct Echo {
    on: bool,
    message: Vec<u8>,
}

impl Echo {
    fn answer<R: Role>(&mut self, seen: &Seen, tx: &mut Tx<'_, R, Vec<u8>>) {
        let Seen::Data {
            kind,
            data,
            message_end,
            ..
        } = seen
        else {
            return;
        };
        if !self.on {
            return;
        }
        self.message.extend_from_slice(data);
        if *message_end {
            let message = std::mem::take(&mut self.message);
            let sent = match kind {
                MessageKind::Text => tx.text(std::str::from_utf8(&message).unwrap()),
                MessageKind::Binary => tx.binary(&message),
            };
            assert!(matches!(sent, Ok(()) | Err(SendError::Closed)), "{sent:?}");
        }
    }
}

/// The two halves, joined or apart. `next_chunk` and `next_message` say what came out next, with replies and the echo sent.
pub(crate) trait Halves {
    fn next_chunk(
        &mut self,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        echo: &mut Echo,
    ) -> Result<Option<Seen>, ReceiveError>;

    fn next_message<S: Storage>(
        &mut self,
        input: &mut ReadBuffer<S>,
        out: &mut Vec<u8>,
        echo: &mut Echo,
    ) -> Result<Option<Seen>, ReceiveError>;

    fn record(&self) -> Record;
    fn transport(&self) -> TransportAction;
    fn end(&mut self) -> Record;
}

impl<R: Role> Halves for Connection<R> {
    fn next_chunk(
        &mut self,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        echo: &mut Echo,
    ) -> Result<Option<Seen>, ReceiveError> {
        Ok(self.receive_chunk(input, out)?.map(|(event, mut tx)| {
            let seen = Seen::from(event);
            echo.answer(&seen, &mut tx);
            seen
        }))
    }

    fn next_message<S: Storage>(
        &mut self,
        input: &mut ReadBuffer<S>,
        out: &mut Vec<u8>,
        echo: &mut Echo,
    ) -> Result<Option<Seen>, ReceiveError> {
        Ok(self.receive(input, out)?.map(|(event, mut tx)| {
            let seen = Seen::from(event);
            echo.answer(&seen, &mut tx);
            seen
        }))
    }

    fn record(&self) -> Record {
        self.close_record().into()
    }

    fn transport(&self) -> TransportAction {
        self.transport()
    }

    fn end(&mut self) -> Record {
        self.end_of_stream().into()
    }
}

/// The halves apart: what the receive half owes goes over as a value.
pub(crate) struct Apart<R> {
    pub(crate) receiver: Receiver<R>,
    pub(crate) sender: Sender<R>,
}

impl<R: Role> Apart<R> {
    pub(crate) fn new(role: R, limits: &Limits) -> Self {
        Self {
            receiver: Receiver::new(limits),
            sender: Sender::new(role),
        }
    }

    /// Sends the reply, and answers a failure.
    fn pass_on(
        sender: &mut Sender<R>,
        result: Result<Option<(Seen, Option<Reply>)>, Failure>,
        out: &mut Vec<u8>,
        echo: &mut Echo,
    ) -> Result<Option<Seen>, ReceiveError> {
        match result {
            Ok(None) => Ok(None),
            Ok(Some((seen, reply))) => {
                if let Some(reply) = reply {
                    sender.tx(out).reply(&reply).unwrap();
                }
                echo.answer(&seen, &mut sender.tx(out));
                Ok(Some(seen))
            }
            Err(failure) => {
                let reply = Reply::from(failure);
                assert!(reply.is_close());
                sender.tx(out).reply(&reply).unwrap();
                Err(failure.into())
            }
        }
    }
}

impl<R: Role> Halves for Apart<R> {
    fn next_chunk(
        &mut self,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        echo: &mut Echo,
    ) -> Result<Option<Seen>, ReceiveError> {
        let event = self.receiver.receive_chunk(input);
        let event = event.map(|event| event.map(|event| (event.into(), event.reply())));
        Self::pass_on(&mut self.sender, event, out, echo)
    }

    fn next_message<S: Storage>(
        &mut self,
        input: &mut ReadBuffer<S>,
        out: &mut Vec<u8>,
        echo: &mut Echo,
    ) -> Result<Option<Seen>, ReceiveError> {
        let event = self.receiver.receive(input);
        let event = event.map(|event| event.map(|event| (event.into(), event.reply())));
        Self::pass_on(&mut self.sender, event, out, echo)
    }

    fn record(&self) -> Record {
        CloseRecord::of(&self.receiver, &self.sender).into()
    }

    fn transport(&self) -> TransportAction {
        TransportAction::of(&self.receiver, &self.sender)
    }

    fn end(&mut self) -> Record {
        self.receiver.end_of_stream();
        self.sender.sending_shut_down();
        self.record()
    }
}

/// Halves under test, and what they have said and written so far.
pub(crate) struct Driver<H> {
    pub(crate) ws: H,
    pub(crate) out: Vec<u8>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) error: Option<ReceiveError>,
    echo: Echo,
}

impl<H: Halves> Driver<H> {
    /// `echo` sends whole messages back.
    pub(crate) fn over(ws: H, echo: bool) -> Self {
        Self {
            ws,
            out: Vec::new(),
            seen: Vec::new(),
            error: None,
            echo: Echo {
                on: echo,
                message: Vec::new(),
            },
        }
    }

    /// The failure, unless there was none; anything else that stopped it is an error of the test.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.error.map(|error| error.failure().expect("blocked"))
    }

    /// Notes what one call said, and whether to call again.
    fn note(&mut self, next: Result<Option<Seen>, ReceiveError>) -> bool {
        let failed = self.error.is_some_and(|error| error.failure().is_some());
        match next {
            Ok(None) => {
                assert!(!failed, "{:?} is not an error any more", self.error);
                false
            }
            Ok(Some(seen)) => {
                assert!(!failed, "{seen:?} after {:?}", self.error);
                // Law L1: nothing is visible an event early, nor late.
                let record = self.ws.record();
                assert_eq!(record.failure, None, "beside {seen:?}");
                assert_eq!(record.received.is_some(), matches!(seen, Seen::Close(..)), "{seen:?}");
                push(&mut self.seen, seen);
                true
            }
            Err(error) => {
                assert!(!failed || self.error == Some(error), "{error:?} after {:?}", self.error);
                self.error = Some(error);
                false
            }
        }
    }

    /// Takes bytes in at the streaming level, up to their end or to an error, and says how many were left.
    pub(crate) fn take_chunks(&mut self, mut input: &mut [u8]) -> usize {
        // Law L2: each call takes something, says something, or wants more.
        let mut calls_left = 2 * input.len() + 4;
        loop {
            calls_left = calls_left.checked_sub(1).expect("no progress");
            let next = self.ws.next_chunk(&mut input, &mut self.out, &mut self.echo);
            match next {
                Ok(None) => assert!(input.is_empty(), "wants more input with {} bytes left", input.len()),
                Err(ReceiveError::Failed(_)) => assert!(input.is_empty(), "{} bytes that nobody reads", input.len()),
                Ok(Some(_)) | Err(_) => {}
            }
            if !self.note(next) {
                return input.len();
            }
        }
    }

    /// Takes in what a read buffer holds, up to an error.
    pub(crate) fn take_messages<S: Storage>(&mut self, input: &mut ReadBuffer<S>) {
        let mut calls_left = 2 * input.unread().len() + 4;
        loop {
            calls_left = calls_left.checked_sub(1).expect("no progress");
            let next = self.ws.next_message(input, &mut self.out, &mut self.echo);
            if let Err(ReceiveError::Failed(_)) = next {
                assert!(input.is_at_rest(), "input that nobody reads");
            }
            if !self.note(next) {
                return;
            }
        }
    }

    /// Reads bytes into a buffer, as many at a time as it has space for, and takes them in.
    pub(crate) fn read_into<S: Storage>(&mut self, input: &mut ReadBuffer<S>, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[read(input, bytes)..];
            self.take_messages(input);
        }
    }

    /// Reads bytes into memory that a thread lends, as many at a time as there is space for, and takes them in.
    pub(crate) fn read_lent(&mut self, memory: &mut Vec<u8>, input: &mut ReadBuffer, mut bytes: &[u8]) {
        let len = memory.len();
        while !bytes.is_empty() {
            memory.resize(len, 0);
            input.lend(memory);
            bytes = &bytes[read(input, bytes)..];
            self.take_messages(input);
            input.take_back(memory);
            assert!(
                !input.is_at_rest() || input.capacity() == 0,
                "an idle connection holds memory"
            );
        }
    }

    /// What came out since the last time.
    pub(crate) fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// What was written since the last time.
    pub(crate) fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn record(&self) -> Record {
        self.ws.record()
    }

    /// All that can be seen.
    pub(crate) fn finish(mut self) -> Run {
        Run {
            error: self.failure(),
            transport: self.ws.transport(),
            record: self.ws.record(),
            end: self.ws.end(),
            seen: self.seen,
            output: self.out,
        }
    }
}

/// One read: as many of the bytes as there is space for. Says how many.
pub(crate) fn read<S: Storage>(input: &mut ReadBuffer<S>, bytes: &[u8]) -> usize {
    let space = input.space();
    assert!(!space.is_empty(), "no space to read into");
    let len = space.len().min(bytes.len());
    space[..len].copy_from_slice(&bytes[..len]);
    input.advance(len);
    len
}

/// A connection under test at the streaming level.
pub(crate) type End<R> = Driver<Connection<R>>;

impl<R: Role> End<R> {
    pub(crate) fn new(role: R) -> Self {
        Self::with_limits(role, &Limits::default())
    }

    pub(crate) fn with_limits(role: R, limits: &Limits) -> Self {
        Self::over(Connection::new(role, limits), false)
    }

    /// The output handle, over what the connection has written so far.
    pub(crate) fn tx(&mut self) -> Tx<'_, R, Vec<u8>> {
        self.ws.tx(&mut self.out)
    }

    /// Takes bytes in, up to their end or to an error, and says how many were left.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        self.take_chunks(&mut bytes.to_vec())
    }

    /// Takes a frame of the peer's in.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) -> &mut Self {
        let left = self.feed(&from_peer::<R>(first, payload));
        assert!(left == 0 || self.error.is_some());
        self
    }

    pub(crate) fn end_of_stream(&mut self) -> Record {
        self.ws.end_of_stream().into()
    }

    /// Goes on with the halves apart.
    pub(crate) fn split(self) -> Driver<Apart<R>> {
        let (receiver, sender) = self.ws.split().unwrap();
        Driver {
            ws: Apart { receiver, sender },
            out: self.out,
            seen: self.seen,
            error: self.error,
            echo: self.echo,
        }
    }
}

/// All that can be seen of a connection that was given some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) seen: Vec<Seen>,
    pub(crate) error: Option<Failure>,
    pub(crate) output: Vec<u8>,
    pub(crate) transport: TransportAction,
    /// As it was before the end of the stream.
    pub(crate) record: Record,
    /// As the end of the stream handed it out.
    pub(crate) end: Record,
}

impl Run {
    /// What the message level has to say of the same bytes.
    pub(crate) fn as_messages(&self) -> Self {
        Self {
            seen: super::whole_messages(&self.seen),
            ..self.clone()
        }
    }
}

/// A way to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Chunks, at the streaming level.
    Chunks,
    /// Whole messages, from a growing buffer of the connection's own.
    Own,
    /// Whole messages, read into so many bytes of memory that a thread lends.
    Lent(usize),
    /// Whole messages, from fixed memory of so many bytes.
    Fixed(usize),
}

impl Way {
    /// Every way to receive whole messages, fixed memory being so long.
    pub(crate) fn messages(fixed: usize) -> [Self; 5] {
        [
            Self::Own,
            Self::Lent(1),
            Self::Lent(100),
            Self::Lent(64 << 10),
            Self::Fixed(fixed),
        ]
    }
}

/// Cuts bytes up.
fn pieces<'b>(bytes: &'b [u8], cuts: &'b [usize]) -> impl Iterator<Item = &'b [u8]> {
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| &bytes[start..end])
}

/// Every place between two bytes.
pub(crate) fn byte_by_byte(bytes: &[u8]) -> Vec<usize> {
    (1..bytes.len()).collect()
}

/// Runs bytes through halves, in the pieces that the cuts make.
pub(crate) fn drive(halves: impl Halves, way: Way, echo: bool, bytes: &[u8], cuts: &[usize]) -> Run {
    let mut driver = Driver::over(halves, echo);
    let pieces = pieces(bytes, cuts);
    match way {
        Way::Chunks => {
            for piece in pieces {
                driver.take_chunks(&mut piece.to_vec());
            }
        }
        Way::Own => {
            let mut input = ReadBuffer::new();
            for piece in pieces {
                driver.read_into(&mut input, piece);
            }
        }
        Way::Fixed(len) => {
            let mut memory = vec![0xee; len];
            let mut input = ReadBuffer::fixed(&mut memory[..]);
            for piece in pieces {
                driver.read_into(&mut input, piece);
            }
        }
        Way::Lent(len) => {
            let mut memory = vec![0xee; len];
            let mut input = ReadBuffer::new();
            for piece in pieces {
                driver.read_lent(&mut memory, &mut input, piece);
            }
        }
    }
    driver.finish()
}

/// Runs bytes through the streaming level, in the pieces that the cuts make.
pub(crate) fn run<R: Role>(role: R, limits: &Limits, echo: bool, bytes: &[u8], cuts: &[usize]) -> Run {
    drive(Connection::new(role, limits), Way::Chunks, echo, bytes, cuts)
}

/// Runs bytes through the message level, over a growing buffer, in the pieces that the cuts make.
pub(crate) fn run_messages<R: Role>(role: R, limits: &Limits, echo: bool, bytes: &[u8], cuts: &[usize]) -> Run {
    drive(Connection::new(role, limits), Way::Own, echo, bytes, cuts)
}
