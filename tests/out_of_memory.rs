//! Law L7: where there is no memory, that is an error with a Close, never an abort. Each test runs itself again as a process
//! that may take only so much.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use std::process::Command;

use common::*;
use sockless::buffer::{OutputFull, ReadBuffer, SharedBytes, SliceOutput, WriteBuffer};
use sockless::buffered::{BufferedClientHandshake, BufferedConnection, BufferedServerHandshake};
use sockless::connection::{Connection, PreparedMessage, Sender, Server, TransportAction};
use sockless::error::{Failure, OutOfMemory, ReceiveError, SendError};
use sockless::frame::MessageKind;
use sockless::handshake::{ConnectOptions, HandshakeError, RequestError, WebSocketUri};
use sockless::limits::Limits;

/// How much address space a test's process may take, in KiB.
const MEMORY_KIB: usize = 300_000;

/// More than half of it, in bytes: it fits once and not twice.
const MOST_OF_IT: usize = 180_000_000;

/// Runs a test in a process with little memory: returns whether this is that process.
fn with_little_memory(test: &str) -> bool {
    if std::env::var_os("LITTLE_MEMORY").is_some() {
        return true;
    }
    let script = format!("ulimit -v {MEMORY_KIB} && exec \"$0\" --exact {test} --nocapture --test-threads=1");
    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .env("LITTLE_MEMORY", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    false
}

fn lifted() -> Limits {
    Limits::default()
        .with_max_frame_len(u64::MAX)
        .with_max_message_len(u64::MAX)
}

/// The header of a message that is longer than the memory.
fn long_header() -> Vec<u8> {
    head(FIN | BIN, Some([0; 4]), 1 << 30)
}

/// A message that is too long for the memory, in one frame and in fragments: there is no space any more, and the connection
/// fails with 1011.
#[test]
fn no_memory_for_a_message() {
    if !with_little_memory("no_memory_for_a_message") {
        return;
    }
    for fragment in [1 << 30, 10_000_000] {
        // A client, so that no time is spent on masks.
        let mut ws = Connection::new(client(), &lifted());
        let mut memory = [0; 100];
        let mut out = SliceOutput::new(&mut memory);
        let mut input = ReadBuffer::new();
        let (mut fed, mut missing) = (0_usize, 0);
        let error = loop {
            match ws.receive(&mut input, &mut out) {
                Ok(received) => assert!(received.is_none()),
                Err(error) => break error,
            }
            let space = input.space();
            if missing == 0 && !space.is_empty() {
                let header = head(if fed == 0 { BIN } else { CONT }, None, fragment as u64);
                space[..header.len()].copy_from_slice(&header);
                input.advance(header.len());
                missing = fragment;
            } else {
                let len = space.len().min(missing);
                input.advance(len);
                fed += len;
                missing -= len;
            }
        };
        assert!(fed > 30_000_000 && fed < 1 << 30, "{fed} bytes");
        assert_eq!(error, ReceiveError::Failed(OutOfMemory.into()));
        assert_eq!(out.as_bytes(), close_from_us::<FixedClient>(1011));
        assert_eq!(ws.close_record().failure, Some(Failure::OutOfMemory(OutOfMemory)));
        assert_eq!(ws.transport(), TransportAction::ShutDownSend);
        // All of it is let go, and the stream can be drained.
        assert!(input.is_at_rest());
        assert!(!input.space().is_empty());
        input.release();
        assert_eq!(input.capacity(), 0);
        let mut vector = Vec::new();
        vector.try_reserve_exact(MOST_OF_IT).unwrap();
        vector.push(0_u8);
    }
}

/// The machine with its buffers takes a read of nothing, where there was no space, for what it is.
#[test]
fn no_space_is_not_the_end_of_the_stream() {
    if !with_little_memory("no_space_is_not_the_end_of_the_stream") {
        return;
    }
    let mut ws = BufferedConnection::new(Connection::new(Server, &lifted()));
    ws.space()[..14].copy_from_slice(&long_header());
    ws.advance(14);
    loop {
        assert!(ws.next_event().unwrap().is_none());
        // What a reader does that fills the space.
        let len = ws.space().len();
        ws.advance(len);
        if len == 0 {
            ws.end_of_stream();
            break;
        }
    }
    assert_eq!(ws.output(), close_from_us::<Server>(1011));
    assert_eq!(ws.close_record().failure, Some(Failure::OutOfMemory(OutOfMemory)));
    assert_eq!(ws.transport(), TransportAction::ShutDownSend);
}

/// Between two messages, too, a buffer without memory is no reason to wait for ever.
#[test]
fn no_memory_to_begin_with() {
    if !with_little_memory("no_memory_to_begin_with") {
        return;
    }
    let (mut connection, mut input, mut out) = (
        Connection::new(Server, &Limits::default()),
        ReadBuffer::new(),
        Vec::with_capacity(64),
    );
    assert_eq!(connection.receive(&mut input, &mut out).err(), None);
    let all = all_memory();
    let len = input.space().len();
    drop(all);
    assert_eq!(len, 0);
    let failure = Failure::OutOfMemory(OutOfMemory);
    assert_eq!(
        connection.receive(&mut input, &mut out).err(),
        Some(ReceiveError::Failed(failure))
    );
    assert_eq!(out, close_from_us::<Server>(1011));
}

/// Takes all the memory that there is.
fn all_memory() -> Vec<Vec<u8>> {
    let mut all = Vec::<Vec<u8>>::new();
    all.try_reserve_exact(1 << 20).unwrap();
    let mut size = MOST_OF_IT;
    while size > 0 {
        let mut block = Vec::new();
        match block.try_reserve_exact(size) {
            Ok(()) => all.push(block),
            Err(_) => size /= 2,
        }
    }
    all
}

/// The same of the opening handshake.
#[test]
fn no_space_is_not_the_end_of_the_head() {
    if !with_little_memory("no_space_is_not_the_end_of_the_head") {
        return;
    }
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    let mut stream = std::io::Cursor::new(Vec::new());
    let all = all_memory();
    let read = handshake.exchange(&mut stream, |_| Ok(())).is_ok();
    drop(all);
    assert!(read);
    assert!(handshake.receive().unwrap().is_none());
    while handshake.exchange(&mut stream, |_| Ok(())).unwrap() {}
    assert!(stream.into_inner().starts_with(b"HTTP/1.1 503 "));
    assert!(matches!(
        handshake.receive(),
        Err(RequestError::Refused(HandshakeError::OutOfMemory))
    ));
}

/// And of the client's, which fails.
#[test]
fn no_space_is_not_the_end_of_the_response() {
    if !with_little_memory("no_space_is_not_the_end_of_the_response") {
        return;
    }
    let (uri, options) = (WebSocketUri::parse("ws://a/").unwrap(), ConnectOptions::new());
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let mut handshake = BufferedClientHandshake::start(&uri, &options, entropy, &Limits::default()).unwrap();
    let mut stream = std::io::Cursor::new(Vec::new());
    while !handshake.output().is_empty() {
        assert!(handshake.exchange(&mut stream).unwrap());
    }
    let all = all_memory();
    let read = handshake.exchange(&mut stream).is_ok();
    drop(all);
    assert!(read);
    assert_eq!(handshake.receive().err(), Some(HandshakeError::OutOfMemory));
}

/// What fails the connection is not told before there is memory for the Close, and nothing is lost until then.
#[test]
fn no_memory_for_the_close() {
    if !with_little_memory("no_memory_for_the_close") {
        return;
    }
    for frames in [
        from_peer::<Server>(FIN | TEXT, b"\xff"),
        [
            from_peer::<Server>(TEXT, b"a"),
            from_peer::<Server>(FIN | CONT, b"\xff"),
        ]
        .concat(),
        vec![0xff],
    ] {
        let mut ws = BufferedConnection::new(Connection::new(Server, &Limits::default()));
        ws.buffers().0.extend(&frames).unwrap();
        let all = all_memory();
        let errors = [ws.next_event().map(|_| ()), ws.next_event().map(|_| ())];
        drop(all);
        let needed = close_from_us::<Server>(1007).len();
        let blocked = Err(ReceiveError::Blocked(OutputFull { needed }.into()));
        assert_eq!(errors, [blocked, blocked]);
        assert!(ws.next_event().unwrap().is_none());
        let code = if frames == [0xff] { 1002 } else { 1007 };
        assert_eq!(ws.output(), close_from_us::<Server>(code));
    }
}

/// Where there was no memory to read the end of the stream into, the peer's Close was forgotten, and a loop never came to
/// its end.
#[test]
fn no_space_after_the_close() {
    if !with_little_memory("no_space_after_the_close") {
        return;
    }
    for bytes in [from_peer::<Server>(CLOSE, &1000_u16.to_be_bytes()), vec![0]] {
        let mut ws = BufferedConnection::new(Connection::new(Server, &lifted()));
        ws.space()[..bytes.len()].copy_from_slice(&bytes);
        ws.advance(bytes.len());
        while ws.next_event().unwrap().is_some() {}
        ws.written(4);
        assert_eq!(ws.transport(), TransportAction::ShutDownSend);
        let before = (ws.close_record().received, ws.close_record().failure);
        ws.sending_shut_down();
        ws.release();
        let all = all_memory();
        let len = ws.space().len();
        if len == 0 {
            ws.end_of_stream();
        }
        drop(all);
        assert_eq!(len, 0);
        assert_eq!(ws.transport(), TransportAction::Close);
        assert_eq!((ws.close_record().received, ws.close_record().failure), before);
    }
}

/// What is to be sent and does not fit the memory is refused, and what is sent after it goes out.
#[test]
fn no_memory_for_the_output() {
    if !with_little_memory("no_memory_for_the_output") {
        return;
    }
    let payload = vec![0_u8; MOST_OF_IT];
    let header_len = 10;
    let full = SendError::OutputFull(OutputFull {
        needed: payload.len() + header_len,
    });
    let mut sender = Sender::new(Server);
    let (mut vector, mut buffer) = (Vec::new(), WriteBuffer::new());
    assert_eq!(sender.tx(&mut vector).binary(&payload), Err(full));
    assert_eq!(sender.tx(&mut buffer).binary(&payload), Err(full));
    assert_eq!(PreparedMessage::new(&payload).unwrap_err(), OutOfMemory);
    sender.tx(&mut vector).text("short").unwrap();
    sender.tx(&mut buffer).text("short").unwrap();
    assert_eq!(
        (&vector[..], buffer.unwritten()),
        (&b"\x81\x05short"[..], &b"\x81\x05short"[..])
    );
    // By reference it does fit.
    let shared = SharedBytes::new(payload);
    sender.tx(&mut buffer).shared(MessageKind::Binary, &shared).unwrap();
    let sent = sender.tx(&mut vector).shared(MessageKind::Binary, &shared);
    assert!(matches!(sent, Err(SendError::OutputFull(_))));
}

/// Bytes that come in another way, what is left of a message, and a message by value.
#[test]
fn no_memory_for_a_copy() {
    if !with_little_memory("no_memory_for_a_copy") {
        return;
    }
    let payload = vec![0_u8; MOST_OF_IT];
    let mut input = ReadBuffer::new();
    assert_eq!(input.extend(&payload), Err(OutOfMemory));
    assert!(input.is_at_rest() && input.unread().is_empty());
    input.extend(b"short").unwrap();
    assert_eq!(input.unread(), b"short");
    drop((payload, input));

    // Some of a message in memory that is lent, for which there is no room twice: in one frame, and behind a fragment. It
    // stays where it is.
    for fragment in [&b""[..], &from_peer::<Server>(BIN, b"begin")] {
        let mut ws = Connection::new(Server, &lifted());
        let mut out = Vec::new();
        let (mut memory, mut input) = (vec![0; MOST_OF_IT], ReadBuffer::new());
        let mut header = long_header();
        if !fragment.is_empty() {
            header[0] = CONT;
        }
        assert!(input.lend(&mut memory));
        read(&mut input, &[fragment, &header].concat());
        assert!(ws.receive(&mut input, &mut out).unwrap().is_none());
        let len = input.space().len().min(MOST_OF_IT / 4);
        input.advance(len);
        let unread = input.unread().len();
        let all = all_memory();
        input.take_back(&mut memory);
        drop(all);
        assert_eq!((memory.len(), input.unread().len()), (0, unread));
        assert_eq!(input.capacity(), MOST_OF_IT);
    }
}

/// What fits no memory of this machine, however much there were, is refused from the header.
#[test]
fn a_length_beyond_the_address_space() {
    let header = head(FIN | BIN, Some([0; 4]), (1 << 63) - 1);
    let mut ws = Connection::new(Server, &lifted());
    let (mut input, mut out) = (ReadBuffer::new(), Vec::new());
    read(&mut input, &header);
    let received = ws.receive(&mut input, &mut out).map(|event| event.is_none());
    if u64::try_from(usize::MAX).is_ok_and(|most| most < 1 << 63) {
        assert_eq!(received, Err(ReceiveError::Failed(OutOfMemory.into())));
        assert_eq!(out, close_from_us::<Server>(1011));
    } else {
        // It may come, as far as the memory goes.
        assert_eq!(received, Ok(true));
        assert!(input.space().len() <= 8 << 10);
    }
}

/// Engines that find no memory: what was compressed fails the connection, what is sent goes plain, and a part waits.
#[cfg(feature = "deflate")]
#[test]
fn no_memory_for_engines() {
    use sockless::deflate::{DeflateConnection, DeflateOptions, Engines};
    use sockless::handshake::Extension;
    use sockless::message::Event;
    if !with_little_memory("no_memory_for_engines") {
        return;
    }
    let options = DeflateOptions::new();
    let agreed = options.accept(Extension::parse("permessage-deflate")).unwrap();
    let connect = || DeflateConnection::new(Connection::new(Server, &lifted()), Some(&agreed));
    // RFC 7692 section 7.2.3.1.
    let hello = from_peer::<Server>(0x41 | FIN, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    let message = [b'x'; 1000];
    let mut memory = [0; 2000];

    for chunks in [false, true] {
        let (mut ws, mut engines, mut bytes) = (connect(), Engines::new(), hello.clone());
        let mut input = ReadBuffer::new();
        read(&mut input, &bytes);
        let mut out = SliceOutput::new(&mut memory);
        let mut slice = &mut bytes[..];
        let all = all_memory();
        let error = if chunks {
            ws.receive_chunk(&mut slice, &mut out, &mut engines)
                .map(|_| ())
                .unwrap_err()
        } else {
            ws.receive(&mut input, &mut out, &mut engines).map(|_| ()).unwrap_err()
        };
        drop(all);
        assert_eq!(error, ReceiveError::Failed(OutOfMemory.into()));
        assert_eq!(out.as_bytes(), close_from_us::<Server>(1011));
        assert_eq!(engines.memory() + ws.memory(), 0);
    }

    let (mut ws, mut engines) = (connect(), Engines::new());
    let mut out = SliceOutput::new(&mut memory);
    let all = all_memory();
    let mut tx = ws.tx(&mut out, &mut engines);
    let whole = tx.binary(&message);
    let part = tx.part(&message[..], false);
    drop(all);
    assert_eq!(whole, Ok(()));
    assert!(matches!(part, Err(SendError::OutputFull(_))));
    assert_eq!(out.as_bytes()[..4], [0x82, 126, 3, 232], "it went plain");
    assert_eq!(out.as_bytes().len(), 1004);

    // The same engines find it again.
    let mut tx = ws.tx(&mut out, &mut engines);
    tx.binary(&message).unwrap();
    assert_eq!(out.as_bytes()[1004], 0xc2);
    let mut input = ReadBuffer::new();
    read(&mut input, &hello);
    let (event, _) = ws.receive(&mut input, &mut out, &mut engines).unwrap().unwrap();
    assert_eq!(event, Event::Text("Hello"));
}

/// A machine with its buffers that finds no memory for what compression takes fails, with a Close.
#[cfg(feature = "deflate")]
#[test]
fn no_memory_for_compression() {
    use sockless::deflate::DeflateOptions;
    use sockless::handshake::Extension;
    if !with_little_memory("no_memory_for_compression") {
        return;
    }
    let agreed = DeflateOptions::new()
        .accept(Extension::parse("permessage-deflate"))
        .unwrap();
    let mut ws = BufferedConnection::new(Connection::new(Server, &lifted()));
    // Room for the Close.
    ws.tx().ping(b"").unwrap();
    ws.written(2);
    let all = all_memory();
    ws = ws.with_deflate(&agreed);
    drop(all);
    assert_eq!(ws.close_record().failure, Some(Failure::OutOfMemory(OutOfMemory)));
    assert_eq!(ws.output(), close_from_us::<Server>(1011));
    assert_eq!(ws.compression_memory(), None);
}
