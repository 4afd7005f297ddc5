//! Two machines with their buffers, from the opening handshake to the end, over a network that moves a little at a time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use arbitrary::{Arbitrary as _, Result, Unstructured};
use sockless::buffer::SharedBytes;
use sockless::buffered::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use sockless::connection::{Client, Payload, Role, Server};
use sockless::error::SendError;
use sockless::frame::{CloseCode, MessageKind};
use sockless::handshake::{AcceptOptions, ConnectOptions, WebSocketUri};
use sockless::limits::Limits;
use sockless::message::Event;

use crate::role::FixedKeys;

type Message = (MessageKind, Vec<u8>);

/// One direction.
#[derive(Default)]
struct Direction {
    bytes: VecDeque<u8>,
    ended: bool,
    /// How many bytes were ever put or taken.
    moved: usize,
}

/// One end of the network: a stream that does not block.
struct Stream {
    from: Rc<RefCell<Direction>>,
    to: Rc<RefCell<Direction>>,
    /// How many bytes a call moves at most.
    most: Rc<Cell<usize>>,
}

impl Read for Stream {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        assert!(!to.is_empty(), "reads into nothing");
        let mut from = self.from.borrow_mut();
        let len = to.len().min(self.most.get()).min(from.bytes.len());
        if len == 0 && !(from.ended && from.bytes.is_empty()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        from.moved += len;
        for (to, byte) in to.iter_mut().zip(from.bytes.drain(..len)) {
            *to = byte;
        }
        Ok(len)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!bytes.is_empty(), "writes nothing");
        let mut to = self.to.borrow_mut();
        assert!(!to.ended, "writes after it has shut down");
        let len = bytes.len().min(self.most.get());
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        to.moved += len;
        to.bytes.extend(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the stream goes on; `true` if it would block.
fn goes_on(result: io::Result<bool>) -> bool {
    match result {
        Ok(goes_on) => goes_on,
        Err(error) if error.kind() == ErrorKind::WouldBlock => true,
        Err(error) => panic!("{error}"),
    }
}

/// An open end.
struct Open<R> {
    ws: BufferedConnection<R>,
    sent: Vec<Message>,
    received: Vec<Message>,
    part: Option<Message>,
    closes: usize,
    over: bool,
}

impl<R: Role> Open<R> {
    fn new(ws: BufferedConnection<R>) -> Self {
        Self {
            ws,
            sent: Vec::new(),
            received: Vec::new(),
            part: None,
            closes: 0,
            over: false,
        }
    }

    fn step(&mut self, stream: &mut Stream) {
        if self.over {
            return;
        }
        let result = self.ws.exchange(stream, |stream| {
            stream.to.borrow_mut().ended = true;
            Ok(())
        });
        self.over = !goes_on(result);
        stream.to.borrow_mut().ended |= self.over;
        loop {
            match self.ws.next_event() {
                Ok(Some((Event::Text(text), _))) => self.received.push((MessageKind::Text, text.as_bytes().to_vec())),
                Ok(Some((Event::Binary(data), mut tx))) => {
                    self.received.push((MessageKind::Binary, data.to_vec()));
                    // A short one is answered.
                    if data.len() == 7 && tx.text("seven").is_ok() {
                        self.sent.push((MessageKind::Text, b"seven".to_vec()));
                    }
                }
                Ok(Some((Event::Close(_), _))) => self.closes += 1,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => panic!("two conforming endpoints fail: {error}"),
            }
        }
        if self.ws.is_at_rest() {
            self.ws.release();
            let (input, output) = self.ws.buffers();
            assert_eq!(
                (input.capacity(), output.capacity()),
                (0, 0),
                "an idle connection holds memory"
            );
        }
    }

    fn send(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let what = u.int_in_range(0..=7_u8)?;
        let text = bool::arbitrary(u)?;
        let len = match u.int_in_range(0..=7_u8)? {
            0..=4 => u.int_in_range(0..=20)?,
            5 | 6 => u.int_in_range(0..=2000)?,
            _ => u.int_in_range(0..=70_000)?,
        };
        let data: Vec<u8> = (0..len).map(|place| b'a' + (place % 26) as u8).collect();
        let kind = if text { MessageKind::Text } else { MessageKind::Binary };
        let mut tx = self.ws.tx();
        let sent = match what {
            0 => {
                return {
                    allowed(tx.ping(&data[..data.len().min(125)]));
                    Ok(())
                };
            }
            1 => {
                return {
                    allowed(tx.pong(&data[..data.len().min(125)]));
                    Ok(())
                };
            }
            2 | 3 => {
                let fin = u.arbitrary()?;
                let kind = self.part.as_ref().map_or(kind, |part| part.0);
                if tx.part(payload(kind, &data), fin).is_ok() {
                    let (_, all) = self.part.get_or_insert((kind, Vec::new()));
                    all.extend_from_slice(&data);
                    if fin {
                        self.sent.extend(self.part.take());
                    }
                }
                return Ok(());
            }
            4 => tx.shared(kind, &SharedBytes::new(data.clone())),
            5 if u.ratio(1_u8, 16)? => {
                return {
                    allowed(tx.close(CloseCode::NORMAL, "so be it"));
                    Ok(())
                };
            }
            _ => tx.send(payload(kind, &data)),
        };
        match sent {
            Ok(()) => self.sent.push((kind, data)),
            error => allowed(error),
        }
        Ok(())
    }
}

/// Refused only after a Close, or within a message.
fn allowed(sent: std::result::Result<(), SendError>) {
    assert!(
        matches!(sent, Ok(()) | Err(SendError::Closed | SendError::MessageInProgress)),
        "{sent:?}"
    );
}

fn payload(kind: MessageKind, data: &[u8]) -> Payload<'_> {
    match kind {
        MessageKind::Text => Payload::Text(std::str::from_utf8(data).expect("letters")),
        MessageKind::Binary => Payload::Binary(data),
    }
}

/// Either end, and how far it has come.
struct Pair<'r> {
    opening_client: Option<BufferedClientHandshake<'r, FixedKeys>>,
    opening_server: Option<BufferedServerHandshake>,
    client: Option<Open<Client<FixedKeys>>>,
    server: Option<Open<Server>>,
    client_stream: Stream,
    server_stream: Stream,
    most: Rc<Cell<usize>>,
}

impl Pair<'_> {
    fn step_client(&mut self) {
        if let Some(open) = &mut self.client {
            return open.step(&mut self.client_stream);
        }
        let Some(handshake) = &mut self.opening_client else {
            return;
        };
        assert!(
            goes_on(handshake.exchange(&mut self.client_stream)),
            "the handshake is over"
        );
        if let Some(ws) = handshake.connect().expect("the server accepts") {
            self.opening_client = None;
            self.client = Some(Open::new(ws));
        }
    }

    fn step_server(&mut self) {
        if let Some(open) = &mut self.server {
            return open.step(&mut self.server_stream);
        }
        let Some(handshake) = &mut self.opening_server else {
            return;
        };
        assert!(
            goes_on(handshake.exchange(&mut self.server_stream, |_| panic!("an answer that is no upgrade"))),
            "the handshake is over"
        );
        if let Some(ws) = handshake.accept(&AcceptOptions::new()).expect("a legal request") {
            self.opening_server = None;
            self.server = Some(Open::new(ws));
        }
    }

    fn schedule(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        while !u.is_empty() {
            match u.int_in_range(0..=9_u8)? {
                0..=2 => self.step_client(),
                3..=5 => self.step_server(),
                6 => self.most.set(u.int_in_range(0..=9)?),
                7 => self.most.set(u.int_in_range(0..=5000)?),
                8 => {
                    if let Some(client) = &mut self.client {
                        client.send(u)?;
                    }
                }
                _ => {
                    if let Some(server) = &mut self.server {
                        server.send(u)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn moved(&self) -> usize {
        self.client_stream.from.borrow().moved + self.server_stream.from.borrow().moved
    }

    /// The network is fair, and the client wants to end it.
    fn finish(&mut self) {
        self.most.set(1 << 20);
        for _ in 0..1000 {
            let before = self.moved();
            self.step_client();
            self.step_server();
            match (&mut self.client, &mut self.server) {
                (Some(client), Some(server)) if client.over && server.over => return,
                (Some(client), _)
                    if self.client_stream.from.borrow().moved + self.server_stream.from.borrow().moved == before =>
                {
                    allowed(client.ws.tx().close(CloseCode::GOING_AWAY, "enough"));
                }
                _ => {}
            }
        }
        panic!("the two wait for each other");
    }
}

/// A schedule as bytes. In the end every message has arrived, and both ends agree how it ended.
pub fn buffered_pair(data: &[u8]) {
    let uri = WebSocketUri::parse("ws://example.com/").expect("a URI");
    let (options, limits) = (ConnectOptions::new(), Limits::default());
    let keys: FixedKeys = |key| key.fill(7);
    let most = Rc::new(Cell::new(100));
    let [to_server, to_client] = [(); 2].map(|()| Rc::new(RefCell::new(Direction::default())));
    let mut pair = Pair {
        opening_client: Some(BufferedClientHandshake::start(&uri, &options, keys, &limits).expect("a request")),
        opening_server: Some(BufferedServerHandshake::new(&limits)),
        client: None,
        server: None,
        client_stream: Stream {
            from: to_client.clone(),
            to: to_server.clone(),
            most: most.clone(),
        },
        server_stream: Stream {
            from: to_server,
            to: to_client,
            most: most.clone(),
        },
        most,
    };
    // An error is the end of the schedule.
    let _: Result<()> = pair.schedule(&mut Unstructured::new(data));
    pair.finish();
    let (Some(client), Some(server)) = (pair.client, pair.server) else {
        panic!("no connection was opened");
    };
    assert_eq!(client.received, server.sent);
    assert_eq!(server.received, client.sent);
    assert_eq!((client.closes, server.closes), (1, 1));
    let (client, server) = (client.ws.close_record(), server.ws.close_record());
    assert!(client.is_clean() && server.is_clean(), "{client:?} {server:?}");
    assert_eq!((client.sent, client.received), (server.received, server.sent));
}
