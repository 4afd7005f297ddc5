//! Deadlines of two halves that are driven apart: what the receiving task calls and what the sending task calls, with a reply
//! slot and the timers between them. Over the simulated network.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use sockless::buffer::Output;
use sockless::connection::{Receiver, Reply, ReplySlot, Sender, TransportAction};
use sockless::simulation::{Act, Endpoint, Fault, Line, Network, Script, Side, Socket, Step, run};
use sockless::timers::{Deadline, Due, Moment, Timeouts, Timers};
use sockless::{CloseRecord, Event, Limits, ReadBuffer, Server, WriteBuffer};

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Moment {
    Moment::START + Duration::from_millis(millis)
}

/// What both tasks have, behind a lock.
struct Shared {
    slot: ReplySlot,
    timers: Timers,
    /// The receiving task has seen the end of the stream.
    ended: bool,
    /// The sending task gives up.
    aborted: bool,
}

struct Receiving {
    receiver: Receiver<Server>,
    input: ReadBuffer,
    messages: usize,
}

impl Receiving {
    /// Whenever something can be read.
    fn task(&mut self, now: Moment, socket: &mut Socket<'_>, shared: &mut Shared) {
        loop {
            let len = match socket.read(self.input.space()) {
                Ok(0) => {
                    self.receiver.end_of_stream();
                    shared.ended = true;
                    return;
                }
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    shared.aborted = true;
                    return;
                }
            };
            self.input.advance(len);
            loop {
                match self.receiver.receive(&mut self.input) {
                    Ok(Some(event)) => {
                        if let Some(reply) = event.reply() {
                            shared.slot.put(reply);
                        }
                        match event {
                            Event::Text(_) | Event::Binary(_) => {
                                self.messages += 1;
                                shared.timers.message_received(now);
                            }
                            Event::Pong(payload) => drop(shared.timers.pong(now, payload)),
                            _ => {}
                        }
                    }
                    Ok(None) => break,
                    Err(failure) => {
                        shared.slot.put(Reply::from(failure));
                        break;
                    }
                }
            }
            let under_way = self.receiver.message_progress();
            let unread = self.input.unread().len() as u64;
            shared.timers.received(now, under_way.map(|bytes| bytes + unread));
        }
    }
}

struct Sending {
    sender: Sender<Server>,
    output: WriteBuffer,
}

impl Sending {
    /// Whenever there is something in the slot, something can be written, or the deadline has come that it returned last.
    fn task(&mut self, now: Moment, socket: &mut Socket<'_>, shared: &mut Shared) -> Option<Duration> {
        if let Some(reply) = shared.slot.take() {
            self.sender.tx(&mut self.output).reply(&reply).unwrap();
            if reply.is_close() {
                shared.timers.closing(now);
            }
        }
        while let Some(due) = shared.timers.handle_timeout(now) {
            let mut tx = self.sender.tx(&mut self.output);
            match due {
                Due::Ping(payload) => {
                    if tx.ping(&payload).is_ok() {
                        shared.timers.pinged(now, self.output.len());
                    }
                }
                Due::Passed(deadline) => match deadline.close_code() {
                    Some(code) => {
                        tx.close(code, deadline.text()).unwrap();
                        shared.timers.closing(now);
                    }
                    None => shared.aborted = true,
                },
            }
        }
        loop {
            let taken = match socket.write(self.output.unwritten()) {
                Ok(taken) => taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => {
                    shared.aborted = true;
                    0
                }
            };
            self.output.written(taken);
            shared.timers.written(now, taken, self.output.len());
            if taken == 0 || self.output.len() == 0 {
                break;
            }
        }
        shared.timers.next_deadline().map(|deadline| deadline - now)
    }
}

struct Halves {
    receiving: Receiving,
    sending: Sending,
    shared: Shared,
    shut: bool,
}

impl Halves {
    fn new(timeouts: &Timeouts) -> Self {
        let mut timers = Timers::new(timeouts, Moment::START);
        timers.opened(Moment::START);
        Self {
            receiving: Receiving {
                receiver: Receiver::new(&Limits::default()),
                input: ReadBuffer::new(),
                messages: 0,
            },
            sending: Sending {
                sender: Sender::new(Server),
                output: WriteBuffer::new(),
            },
            shared: Shared {
                slot: ReplySlot::new(),
                timers,
                ended: false,
                aborted: false,
            },
            shut: false,
        }
    }

    /// The code of the Close that was sent.
    fn sent(&self) -> Option<u16> {
        let record = CloseRecord::of(&self.receiving.receiver, &self.sending.sender);
        record.sent.map(|code| code.0)
    }
}

impl Endpoint for Halves {
    fn step(&mut self, now: Moment, socket: &mut Socket<'_>) -> Step {
        self.receiving.task(now, socket, &mut self.shared);
        let wait = self.sending.task(now, socket, &mut self.shared);
        if self.shared.aborted {
            socket.reset();
            return Step::Done;
        }
        if self.sending.output.len() == 0 {
            let action = TransportAction::of(&self.receiving.receiver, &self.sending.sender);
            if action == TransportAction::ShutDownSend && !self.shut {
                self.shut = true;
                socket.shutdown().unwrap();
            }
            if self.shared.ended {
                return Step::Done;
            }
        }
        Step::Wait(wait)
    }
}

fn quick(seed: u64) -> Network {
    Network::new(seed, [Line::QUICK; 2])
}

/// A peer that is stopped: 20 s of silence, a Ping, 20 s for the Pong, 10 s for its Close.
#[test]
fn a_peer_that_is_stopped() {
    let mut server = Halves::new(&Timeouts::default());
    let mut peer = Script::new();
    let mut network = quick(1);
    network.fault(at(0), Fault::Stop(Side::B, 3600 * SECOND));
    let outcome = run(&mut network, &mut server, &mut peer, at(10_000_000));
    assert_eq!(server.shared.timers.passed(), Some(Deadline::Pong));
    assert_eq!(outcome.done[0], Some(at(50_000)));
    assert_eq!(server.sent(), Some(1011));
}

/// A peer that answers: the round trip is two ways of 1 ms.
#[test]
fn a_peer_that_answers() {
    let mut server = Halves::new(&Timeouts::default());
    let pong = [&[0x8a, 0x88, 0, 0, 0, 0][..], b"ping\0\0\0\x01"].concat();
    let close = vec![0x88, 0x80, 0, 0, 0, 0];
    let mut peer = Script::new()
        .at(at(20_001), Act::Send(pong))
        .at(at(30_000), Act::Send(close));
    let outcome = run(&mut quick(2), &mut server, &mut peer, at(10_000_000));
    let times = server.shared.timers.round_trip().unwrap();
    assert_eq!(times.last, Duration::from_millis(2));
    assert_eq!(server.shared.timers.passed(), None);
    assert_eq!(outcome.done[0], Some(at(30_003)));
}

/// One that dribbles a message, and sends Pongs all the while.
#[test]
fn a_peer_that_dribbles() {
    let mut server = Halves::new(&Timeouts::default());
    let mut peer = Script::new().at(at(1), Act::Send(vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    for second in 1..60 {
        peer = peer.at(at(second * 1000), Act::Send(vec![0x55]));
    }
    run(&mut quick(3), &mut server, &mut peer, at(10_000_000));
    assert_eq!(server.shared.timers.passed(), Some(Deadline::Message));
    assert_eq!(server.sent(), Some(1008));
}

/// One that never reads: the Pongs for its Pings fill the line, and the slot keeps the last one only.
#[test]
fn a_peer_that_never_reads() {
    let mut server = Halves::new(&Timeouts::default());
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[7; 125]].concat();
    let mut peer = Script::new().at(at(0), Act::Read(false));
    for millis in 1..3_000 {
        peer = peer.at(at(millis), Act::Send(ping.clone()));
    }
    let mut network = quick(4);
    let outcome = run(&mut network, &mut server, &mut peer, at(10_000_000));
    assert_eq!(server.shared.timers.passed(), Some(Deadline::Write));
    // The line takes 64 KiB, about one Pong each millisecond; from then on there are 30 s.
    let done = outcome.done[0].unwrap();
    assert!(done > at(30_500) && done < at(30_530), "{done}");
}
