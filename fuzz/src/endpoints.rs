//! Two endpoints, joined by a simulated network that does its worst.

use std::collections::VecDeque;

use arbitrary::{Arbitrary as _, Result, Unstructured};
use sockless::buffer::{Output, OutputFull, ReadBuffer};
use sockless::connection::{Client, CloseRecord, Connection, Initiator, Payload, Server, TransportAction, Tx};
use sockless::error::{ReceiveError, SendError};
use sockless::frame::{CloseCode, Mask, MessageKind};
use sockless::limits::Limits;
use sockless::message::Event;

use crate::role::{FixedKeys, Peer};

/// An output that holds so many bytes.
struct Bounded {
    bytes: VecDeque<u8>,
    room: usize,
}

impl Output for Bounded {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn reserve(&mut self, additional: usize) -> std::result::Result<(), OutputFull> {
        if self.bytes.len() + additional > self.room {
            return Err(OutputFull { needed: additional });
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        assert!(self.bytes.len() <= self.room, "bytes were put that were not reserved");
    }

    fn put_masked(&mut self, bytes: &[u8], mask: &mut Mask) {
        let mut bytes = bytes.to_vec();
        mask.apply(&mut bytes);
        self.put(&bytes);
    }
}

/// One end: the machine, its caller, and the pipe to the other end.
struct End<R> {
    machine: Connection<R>,
    input: ReadBuffer,
    out: Bounded,
    /// A reply waits for room in the output.
    blocked: bool,
    /// On their way to the other end.
    pipe: VecDeque<u8>,
    /// Nothing more goes into the pipe.
    shut: bool,
    /// The stream from the other end has ended.
    ended: bool,
    dropped: bool,
    /// The frame that is being sent in chunks.
    frame: Option<(MessageKind, Vec<u8>)>,
    /// The message that is being sent in parts.
    part: Option<(MessageKind, Vec<u8>)>,
    sent: Vec<(MessageKind, Vec<u8>)>,
    received: Vec<(MessageKind, Vec<u8>)>,
    closes: usize,
}

impl<R: Peer> End<R> {
    fn new(room: usize) -> Self {
        Self {
            machine: Connection::new(R::make(), &Limits::default()),
            input: ReadBuffer::new(),
            out: Bounded {
                bytes: VecDeque::new(),
                room,
            },
            blocked: false,
            pipe: VecDeque::new(),
            shut: false,
            ended: false,
            dropped: false,
            frame: None,
            part: None,
            sent: Vec::new(),
            received: Vec::new(),
            closes: 0,
        }
    }

    /// Moves up to `len` bytes from the output to the network.
    fn flush(&mut self, len: usize) -> bool {
        if self.shut {
            self.out.bytes.clear();
            return false;
        }
        let len = len.min(self.out.bytes.len());
        self.pipe.extend(self.out.bytes.drain(..len));
        len > 0
    }

    /// Takes in up to `len` bytes from the network.
    fn receive(&mut self, from: &mut VecDeque<u8>, len: usize) -> bool {
        if self.dropped || self.ended {
            from.clear();
            return false;
        }
        let len = len.min(from.len());
        let bytes: Vec<u8> = from.drain(..len).collect();
        assert_eq!(self.input.extend(&bytes), Ok(()));
        let before = self.input.unread().len();
        self.blocked = false;
        loop {
            match self.machine.receive(&mut self.input, &mut self.out) {
                Ok(None) => break,
                Ok(Some((event, _))) => match event {
                    Event::Text(text) => self.received.push((MessageKind::Text, text.as_bytes().to_vec())),
                    Event::Binary(data) => self.received.push((MessageKind::Binary, data.to_vec())),
                    Event::Ping(_) | Event::Pong(_) => {}
                    Event::Close(_) => self.closes += 1,
                    event => panic!("{event:?} without an extension"),
                },
                Err(ReceiveError::Blocked(_)) => {
                    self.blocked = true;
                    break;
                }
                Err(error) => panic!("two conforming endpoints fail: {error}"),
            }
        }
        len > 0 || self.input.unread().len() < before
    }

    /// What the caller does with the transport, as it is told.
    fn obey(&mut self) -> bool {
        match self.machine.transport() {
            TransportAction::Continue | TransportAction::AwaitPeer | TransportAction::Drain => false,
            TransportAction::ShutDownSend => {
                let shuts = self.out.bytes.is_empty() && !self.shut;
                if shuts {
                    self.shut = true;
                    self.machine.sending_shut_down();
                    assert_eq!(self.machine.transport(), TransportAction::Drain);
                }
                shuts
            }
            TransportAction::Close => {
                let drops = !self.dropped;
                self.shut = true;
                self.dropped = true;
                drops
            }
            action => panic!("{action:?}, and nobody has given up"),
        }
    }

    fn end_of_stream(&mut self) {
        if !self.ended {
            self.ended = true;
            let record = self.machine.end_of_stream();
            assert!(record.stream_end.is_some(), "{record:?}");
        }
    }

    /// Sends the next chunk of the frame under way, if there is one.
    fn next_chunk(&mut self) -> bool {
        let Some((kind, rest)) = &mut self.frame else {
            return false;
        };
        let kind = *kind;
        let len = rest.len().min(7);
        let chunk: Vec<u8> = rest.iter().copied().take(len).collect();
        match self.machine.tx(&mut self.out).chunk(payload(kind, &chunk)) {
            Ok(()) => {
                rest.drain(..len);
                if rest.is_empty() {
                    self.frame = None;
                }
                true
            }
            Err(SendError::OutputFull(_)) => false,
            Err(error) => {
                assert_eq!(error, SendError::Closed, "a chunk is refused");
                self.frame = None;
                true
            }
        }
    }

    /// Sends something that the schedule chooses.
    fn send(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if self.next_chunk() || self.frame.is_some() {
            return Ok(());
        }
        let what = u.int_in_range(0..=5_u8)?;
        let kind = MessageKind::arbitrary(u)?;
        let len = u.int_in_range(0..=40_usize)?;
        let data: Vec<u8> = (0..len).map(|place| b'a' + (place % 26) as u8).collect();
        let mut tx = self.machine.tx(&mut self.out);
        let accepted = match what {
            0 | 1 => {
                // Refused only for want of room, or after a Close.
                let _: std::result::Result<(), SendError> = if what == 0 { tx.ping(&data) } else { tx.pong(&data) };
                false
            }
            2 => {
                let fin = u.arbitrary()?;
                let kind = self.part.as_ref().map_or(kind, |part| part.0);
                if tx.part(payload(kind, &data), fin).is_ok() {
                    let (_, all) = self.part.get_or_insert((kind, Vec::new()));
                    all.extend_from_slice(&data);
                    if fin {
                        self.sent.extend(self.part.take());
                    }
                }
                false
            }
            3 if self.part.is_none() => {
                let begun = tx.begin_frame(kind, data.len() as u64, true).is_ok();
                if begun && !data.is_empty() {
                    self.frame = Some((kind, data.clone()));
                }
                begun
            }
            4 if u.ratio(1_u8, 4)? => {
                close(&mut tx, CloseCode(3000 + u.int_in_range(0..=1999)?));
                false
            }
            _ => tx.send(payload(kind, &data)).is_ok(),
        };
        if accepted {
            self.sent.push((kind, data));
        }
        Ok(())
    }

    fn record(&self) -> CloseRecord<'_> {
        self.machine.close_record()
    }
}

fn close<R: Peer>(tx: &mut Tx<'_, R, Bounded>, code: CloseCode) {
    match tx.close(code, "so be it") {
        Ok(()) | Err(SendError::Closed | SendError::OutputFull(_) | SendError::FrameInProgress) => {}
        Err(error) => assert_eq!(error, SendError::Closed, "a Close is refused"),
    }
}

fn payload(kind: MessageKind, data: &[u8]) -> Payload<'_> {
    match kind {
        MessageKind::Text => Payload::Text(std::str::from_utf8(data).unwrap_or_default()),
        MessageKind::Binary => Payload::Binary(data),
    }
}

/// What `end` has received was sent by the other end, in this order.
fn check_messages<A: Peer, B: Peer>(end: &End<A>, other: &End<B>, lost: bool) {
    assert!(
        other.sent.starts_with(&end.received),
        "messages are not those that were sent"
    );
    if !lost {
        // All of them; but those that this end discards, having sent or received a Close before.
        let cut_off = other.frame.is_some() || other.part.is_some();
        assert!(
            end.received.len() + usize::from(cut_off) >= other.sent.len(),
            "a message was lost on a sound connection"
        );
    }
}

/// A schedule as bytes: sends, flushes, receives, stalls, closes on both sides, and perhaps the loss of the connection.
/// In the end both ends know that it has ended, and agree how.
pub fn endpoints(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let room = u.int_in_range(131..=600).unwrap_or(600);
    let mut client: End<Client<FixedKeys>> = End::new(room);
    let mut server: End<Server> = End::new(room);
    let mut lost = false;
    // An error is the end of the schedule.
    let _: Result<()> = schedule(&mut u, &mut client, &mut server, &mut lost);

    // From here on the network is fair, and somebody wants to end it.
    for round in 0..10_000 {
        let mut moved = false;
        for side in [true, false] {
            moved |= if side {
                turn(&mut client, &mut server, lost)
            } else {
                turn(&mut server, &mut client, lost)
            };
        }
        if client.dropped && server.dropped {
            break;
        }
        if !moved {
            close(&mut client.machine.tx(&mut client.out), CloseCode::NORMAL);
        }
        assert!(
            round < 9_999,
            "the two wait for each other: {:?} {:?}",
            client.record(),
            server.record()
        );
    }
    check_messages(&client, &server, lost);
    check_messages(&server, &client, lost);
    check_records(&client.record(), &server.record(), lost);
    for (closes, record) in [(client.closes, client.record()), (server.closes, server.record())] {
        assert_eq!(closes, usize::from(record.received.is_some()), "a Close is told once");
    }
}

/// One end does all it can.
fn turn<A: Peer, B: Peer>(end: &mut End<A>, other: &mut End<B>, lost: bool) -> bool {
    let mut moved = end.next_chunk();
    moved |= end.flush(usize::MAX);
    moved |= end.receive(&mut other.pipe, usize::MAX);
    // What is held because of a full output goes on once that is drained.
    moved |= end.flush(usize::MAX);
    moved |= end.receive(&mut other.pipe, 0);
    moved |= end.obey();
    // What is held back arrived before the end of the stream.
    if other.shut && other.pipe.is_empty() && !end.ended && (lost || !end.blocked) {
        end.end_of_stream();
        moved = true;
    }
    moved
}

fn schedule(
    u: &mut Unstructured<'_>,
    client: &mut End<Client<FixedKeys>>,
    server: &mut End<Server>,
    lost: &mut bool,
) -> Result<()> {
    // A stalled end does nothing for so many steps.
    let (mut client_stalls, mut server_stalls) = (0_u8, 0_u8);
    while !u.is_empty() {
        client_stalls = client_stalls.saturating_sub(1);
        server_stalls = server_stalls.saturating_sub(1);
        match u.int_in_range(0..=11)? {
            0 | 1 if client_stalls == 0 => client.send(u)?,
            2 | 3 if server_stalls == 0 => server.send(u)?,
            4 => {
                client.flush(u.int_in_range(1..=64)?);
            }
            5 => {
                server.flush(u.int_in_range(1..=64)?);
            }
            6 if client_stalls == 0 => {
                client.receive(&mut server.pipe, u.int_in_range(1..=64)?);
                client.obey();
            }
            7 if server_stalls == 0 => {
                server.receive(&mut client.pipe, u.int_in_range(1..=64)?);
                server.obey();
            }
            8 => client_stalls = u.arbitrary()?,
            9 => server_stalls = u.arbitrary()?,
            10 if u.ratio(1_u8, 48)? => {
                // Lost at some byte: what is on its way arrives in part, or not at all.
                *lost = true;
                client.shut = true;
                server.shut = true;
                client.pipe.truncate(u.int_in_range(0..=64)?);
                server.pipe.truncate(u.int_in_range(0..=64)?);
                return Ok(());
            }
            11 if u.ratio(1_u8, 24)? => {
                // Both at once, each before it hears of the other's.
                close(&mut client.machine.tx(&mut client.out), CloseCode(3001));
                close(&mut server.machine.tx(&mut server.out), CloseCode(3002));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Both ends agree how it ended.
fn check_records(client: &CloseRecord<'_>, server: &CloseRecord<'_>, lost: bool) {
    for record in [client, server] {
        assert_eq!(record.failure, None);
        assert!(record.stream_end.is_some(), "{record:?}");
        if record.received.is_none() {
            assert_eq!(record.code(), CloseCode::ABNORMAL);
        }
    }
    for (one, other) in [(client, server), (server, client)] {
        if one.received.is_some() {
            assert_eq!(one.received, other.sent, "{one:?} {other:?}");
        }
        if one.initiator == Initiator::Peer {
            assert_eq!(other.initiator, Initiator::Local, "{one:?} {other:?}");
        }
    }
    if !lost {
        assert!(client.is_clean() && server.is_clean(), "{client:?} {server:?}");
        assert_eq!((client.sent, client.received), (server.received, server.sent));
    }
}
