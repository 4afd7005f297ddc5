//! Two endpoints that agreed to compress, and talk: what one sends is what the other receives.

use std::cell::RefCell;

use arbitrary::{Arbitrary as _, Result, Unstructured};
use sockless::Output;
use sockless::buffer::{ReadBuffer, SliceOutput};
use sockless::connection::{ChunkEvent, Client, Connection, Payload, Role, Server, Tx};
use sockless::deflate::{Broadcast, DeflateConnection, Engines};
use sockless::error::SendError;
use sockless::handshake::Extension;
use sockless::limits::Limits;
use sockless::message::Event;

use super::options;
use crate::role::{FixedKeys, Peer};

/// One end.
struct End<R> {
    ws: DeflateConnection<R>,
    /// Whether it receives in chunks.
    chunks: bool,
    input: ReadBuffer,
    /// What it has put on the wire and the other has not read.
    wire: Vec<u8>,
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
    /// The message that is being sent in parts.
    part: Option<Vec<u8>>,
    open: Vec<u8>,
}

impl<R: Peer> End<R> {
    fn new(ws: DeflateConnection<R>, chunks: bool) -> Self {
        Self {
            ws,
            chunks,
            input: ReadBuffer::new(),
            wire: Vec::new(),
            sent: Vec::new(),
            received: Vec::new(),
            part: None,
            open: Vec::new(),
        }
    }

    /// Sends, over an output that may be too small at first: whether it was sent in the end.
    fn send(
        &mut self,
        room: usize,
        engines: &mut Engines,
        mut send: impl FnMut(&mut Tx<'_, R, dyn Output + '_>) -> core::result::Result<(), SendError>,
    ) -> bool {
        for room in [room, 1 << 18] {
            let mut memory = vec![0; room];
            let mut out = SliceOutput::new(&mut memory);
            let sent = send(&mut self.ws.tx(&mut out as &mut dyn Output, engines));
            self.wire.extend(out.as_bytes());
            match sent {
                Ok(()) => return true,
                Err(SendError::OutputFull(_)) => assert!(out.as_bytes().is_empty(), "some of it was sent"),
                Err(SendError::MessageInProgress | SendError::WrongKind) => return false,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("there was room for it");
    }

    fn act(&mut self, u: &mut Unstructured<'_>, engines: &mut Engines, group: Option<&mut Broadcast>) -> Result<()> {
        let what = u.int_in_range(0..=9_u8)?;
        let room = if u.ratio(1_u8, 3_u8)? {
            u.int_in_range(0..=4000)?
        } else {
            1 << 18
        };
        let data = message(u)?;
        match what {
            0..=3 => {
                if self.send(room, engines, |tx| tx.binary(&data)) {
                    self.sent.push(data);
                }
            }
            4 => {
                if self.send(room, engines, |tx| tx.plain().binary(&data)) {
                    self.sent.push(data);
                }
            }
            5 | 6 => {
                let (fin, plain) = (u.arbitrary()?, u.ratio(1_u8, 8_u8)?);
                let part = Payload::Binary(&data);
                let sent = self.send(room, engines, |tx| {
                    if plain {
                        tx.plain().part(part, fin)
                    } else {
                        tx.part(part, fin)
                    }
                });
                if sent {
                    self.part.get_or_insert_default().extend(data);
                    if fin {
                        self.sent.extend(self.part.take());
                    }
                }
            }
            7 => assert!(self.send(room, engines, |tx| tx.ping(b"between"))),
            8 => self.ws.tx(&mut Vec::new(), engines).forget(),
            _ => {
                if let Some(group) = group {
                    let mut message = group.message(&data, engines).expect("there is memory");
                    if self.send(room, engines, |tx| tx.broadcast(&mut message)) {
                        self.sent.push(data);
                    }
                }
            }
        }
        Ok(())
    }

    /// Receives so many bytes of what the other has sent.
    fn receive<O: Role>(&mut self, from: &mut End<O>, len: usize, engines: &mut Engines) {
        let mut bytes: Vec<u8> = from.wire.drain(..len.min(from.wire.len())).collect();
        let mut input = &mut bytes[..];
        if !self.chunks {
            assert_eq!(self.input.extend(input), Ok(()));
        }
        loop {
            // Pongs go on this end's wire, unless that would be inside a frame: it holds whole frames alone.
            if self.chunks {
                match self.ws.receive_chunk(&mut input, &mut self.wire, engines) {
                    Ok(None) => return,
                    Ok(Some((ChunkEvent::Binary(chunk), _))) => {
                        self.open.extend(chunk.data);
                        if chunk.message_end {
                            self.received.push(core::mem::take(&mut self.open));
                        }
                    }
                    Ok(Some((ChunkEvent::Ping(_) | ChunkEvent::Pong(_), _))) => {}
                    other => panic!("{other:?}"),
                }
            } else {
                match self.ws.receive(&mut self.input, &mut self.wire, engines) {
                    Ok(None) => return,
                    Ok(Some((Event::Binary(data), _))) => self.received.push(data.to_vec()),
                    Ok(Some((Event::Ping(_) | Event::Pong(_), _))) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// Data that compresses well, badly, or not at all.
fn message(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = match u.int_in_range(0..=9_u8)? {
        0..=6 => u.int_in_range(0..=300)?,
        7 | 8 => u.int_in_range(0..=6000)?,
        _ => u.int_in_range(0..=70_000)?,
    };
    let (mut seed, letters) = (u32::from(u16::arbitrary(u)?), u.int_in_range(1..=256_u32)?);
    Ok((0..len)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from((seed >> 16) % letters).unwrap_or(0)
        })
        .collect())
}

/// A conversation as bytes: any options at both ends, several sets of engines, outputs that are too small. In the end every
/// message has arrived.
pub fn deflate_pair(data: &[u8]) {
    // An error is the end of the conversation.
    let _: Result<()> = converse(&mut Unstructured::new(data));
}

fn converse(u: &mut Unstructured<'_>) -> Result<()> {
    let (server_options, client_options) = (options(u)?, options(u)?);
    let offer = client_options.offer();
    let servers = server_options
        .accept(Extension::parse(offer.as_str()))
        .expect("an offer of ours");
    let clients = client_options.judge(Extension::parse(servers.as_str()));
    let clients = clients.expect("an answer of ours").expect("an agreement");
    let limits = Limits::default();
    let server = DeflateConnection::new(Connection::new(Server, &limits), Some(&servers));
    let client = DeflateConnection::new(Connection::new(Client::<FixedKeys>::make(), &limits), Some(&clients));
    let mut server = End::new(server, u.arbitrary()?);
    let mut client = End::new(client, u.arbitrary()?);
    let mut group = Broadcast::new(&server_options);
    ENGINES.with_borrow_mut(|engines| {
        let talked = talk(u, &mut server, &mut client, &mut group, engines);
        finish(&mut server, &mut client, engines);
        talked
    })
}

thread_local! {
    /// Engines that all these connections have used.
    static ENGINES: RefCell<[Engines; 3]> =
        const { RefCell::new([Engines::new(), Engines::with_scratch(64), Engines::with_scratch(1000)]) };
}

/// Everything arrives.
fn finish(server: &mut End<Server>, client: &mut End<Client<FixedKeys>>, engines: &mut [Engines; 3]) {
    let [engines, ..] = engines;
    for _ in 0..2 {
        let all = usize::MAX;
        server.receive(client, all, engines);
        client.receive(server, all, engines);
    }
    if let Some(rest) = server.part.take() {
        assert!(server.send(1 << 18, engines, |tx| {
            tx.part(&[][..], true).or_else(|_| tx.plain().part(&[][..], true))
        }));
        server.sent.push(rest);
    }
    if let Some(rest) = client.part.take() {
        assert!(client.send(1 << 18, engines, |tx| {
            tx.part(&[][..], true).or_else(|_| tx.plain().part(&[][..], true))
        }));
        client.sent.push(rest);
    }
    for _ in 0..3 {
        server.receive(client, usize::MAX, engines);
        client.receive(server, usize::MAX, engines);
    }
    assert!(server.received == client.sent, "the server has received something else");
    assert!(client.received == server.sent, "the client has received something else");
}

fn talk(
    u: &mut Unstructured<'_>,
    server: &mut End<Server>,
    client: &mut End<Client<FixedKeys>>,
    group: &mut Broadcast,
    engines: &mut [Engines; 3],
) -> Result<()> {
    while !u.is_empty() {
        let engines = &mut engines[u.choose_index(3)?];
        match u.int_in_range(0..=5_u8)? {
            0 | 1 => server.act(u, engines, Some(group))?,
            2 | 3 => client.act(u, engines, None)?,
            4 => server.receive(client, u.int_in_range(0..=5000)?, engines),
            _ => client.receive(server, u.int_in_range(0..=5000)?, engines),
        }
    }
    Ok(())
}
