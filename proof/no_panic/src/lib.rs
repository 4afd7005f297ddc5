//! The core alone, without `std` and without `alloc`, as a static library that drives every decode and encode path.
//! `check` builds it in release and looks at its symbols: were there a panicking branch, it would call something of
//! `core::panicking`, and the library would refer to it.
#![no_std]

use sockless::buffer::{ReadBuffer, SliceOutput};
use sockless::connection::{
    ChunkEvent, Client, Connection, Extensions, Receiver, Reply, Sender, Server, StreamEnd, TransportAction,
};
use sockless::frame::{CloseCode, CloseFrame, Header, Mask, MessageKind};
use sockless::limits::Limits;
use sockless::message::Event;
use sockless::timers::{Due, Moment, Rate, Timeouts, Timers};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// # Safety
/// `data` is valid for `len` bytes.
unsafe fn slice<'a>(data: *mut u8, len: usize) -> &'a mut [u8] {
    // SAFETY: the caller says so.
    unsafe { core::slice::from_raw_parts_mut(data, len) }
}

/// One connection of either role.
pub enum Either {
    Server(Connection<Server>),
    Client(Connection<Client<fn(&mut [u8])>>),
}

fn receive(either: &mut Either, input: &mut ReadBuffer<&mut [u8]>, out: &mut SliceOutput<'_>) -> usize {
    let mut seen = 0;
    macro_rules! drive {
        ($connection:expr) => {
            while let Ok(Some((event, mut tx))) = $connection.receive(input, out) {
                let sent = match event {
                    Event::Text(text) => tx.text(text),
                    Event::Binary(data) => tx.binary(data),
                    Event::Compressed(kind, data) => tx.compressed_part(kind, data, true),
                    Event::Ping(payload) => tx.ping(payload),
                    Event::Pong(payload) => tx.pong(payload),
                    Event::Close(frame) => tx.close(frame.code, frame.reason),
                    _ => Ok(()),
                };
                seen += usize::from(sent.is_ok());
            }
        };
    }
    match either {
        Either::Server(connection) => drive!(connection),
        Either::Client(connection) => drive!(connection),
    }
    seen
}

fn receive_chunks(either: &mut Either, mut input: &mut [u8], out: &mut SliceOutput<'_>) -> usize {
    let mut seen = 0;
    macro_rules! drive {
        ($connection:expr) => {
            while let Ok(Some((event, mut tx))) = $connection.receive_chunk(&mut input, out) {
                let sent = match event {
                    ChunkEvent::Text(chunk) => tx.part(chunk.data, chunk.message_end),
                    ChunkEvent::Binary(chunk) => tx.part(chunk.data, chunk.message_end),
                    ChunkEvent::Compressed(kind, chunk) => tx.compressed_part(kind, chunk.data, chunk.message_end),
                    ChunkEvent::Ping(payload) => tx.ping(payload),
                    ChunkEvent::Pong(payload) => tx.pong(payload),
                    ChunkEvent::Close(frame) => tx.close(frame.code, frame.reason),
                    _ => Ok(()),
                };
                seen += usize::from(sent.is_ok());
            }
        };
    }
    match either {
        Either::Server(connection) => drive!(connection),
        Either::Client(connection) => drive!(connection),
    }
    seen
}

/// Receives whole messages over fixed memory, `read` bytes at a time, and answers with every kind of frame.
///
/// # Safety
/// The pointers are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockless_receive(
    either: &mut Either,
    input: &mut ReadBuffer<&mut [u8]>,
    data: *mut u8,
    len: usize,
    out: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: the caller says so.
    let (mut data, memory) = unsafe { (&*slice(data, len), slice(out, room)) };
    let mut out = SliceOutput::new(memory);
    let mut seen = 0;
    while !data.is_empty() {
        let mut read = 0;
        for (to, from) in input.space().iter_mut().zip(data) {
            *to = *from;
            read += 1;
        }
        input.advance(read);
        data = data.get(read..).unwrap_or_default();
        seen += receive(either, input, &mut out) + input.unread().len() + usize::from(input.is_at_rest());
    }
    seen
}

/// Receives chunks, and answers with every kind of frame.
///
/// # Safety
/// The pointers are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockless_receive_chunks(
    either: &mut Either,
    data: *mut u8,
    len: usize,
    out: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: the caller says so.
    let (input, memory) = unsafe { (slice(data, len), slice(out, room)) };
    let mut out = SliceOutput::new(memory);
    let seen = receive_chunks(either, input, &mut out);
    out.consume(room / 2);
    seen + out.as_bytes().len()
}

/// Sends in every way there is, and ends.
///
/// # Safety
/// The pointers are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockless_send(
    either: &mut Either,
    data: *mut u8,
    len: usize,
    out: *mut u8,
    room: usize,
    total: u64,
) -> bool {
    // SAFETY: the caller says so.
    let (payload, memory) = unsafe { (slice(data, len), slice(out, room)) };
    let out = &mut SliceOutput::new(memory);
    macro_rules! send {
        ($connection:expr) => {{
            let mut tx = $connection.tx(out);
            let mut ok = tx.ready().is_ok() & tx.binary(payload).is_ok();
            if let Ok(text) = core::str::from_utf8(payload) {
                ok &= tx.text(text).is_ok();
                ok &= tx.send(text).is_ok();
                ok &= tx.part(text, false).is_ok();
                ok &= tx.begin_frame(MessageKind::Text, total, true).is_ok();
                ok &= tx.chunk(text).is_ok();
            }
            ok &= tx.compressed_part(MessageKind::Binary, payload, true).is_ok();
            ok &= tx.in_place(MessageKind::Binary, payload, true).is_ok();
            ok &= tx.ping(payload).is_ok() & tx.pong(payload).is_ok();
            ok &= tx.close(CloseCode(1000), "").is_ok();
            ok &= $connection.transport() == TransportAction::ShutDownSend;
            $connection.sending_shut_down();
            ok &= $connection.end_of_stream().received.is_none() | $connection.is_at_rest();
            $connection.abort();
            ok & $connection.close_record().failure.is_none()
        }};
    }
    match either {
        Either::Server(connection) => {
            let sent = connection.tx(out).header_for(&*payload, true).is_ok();
            send!(connection) & sent
        }
        Either::Client(connection) => send!(connection),
    }
}

/// The two halves apart.
///
/// # Safety
/// The pointers are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockless_halves(
    rx: &mut Receiver<Server>,
    sender: &mut Sender<Server>,
    input: &mut ReadBuffer<&mut [u8]>,
    data: *mut u8,
    len: usize,
    out: *mut u8,
    room: usize,
) -> bool {
    // SAFETY: the caller says so.
    let (mut chunks, memory) = unsafe { (slice(data, len), slice(out, room)) };
    let out = &mut SliceOutput::new(memory);
    macro_rules! drive {
        ($receive:expr) => {
            loop {
                match $receive {
                    Ok(Some(event)) => {
                        if let Some(reply) = event.reply()
                            && sender.tx(out).reply(&reply).is_err()
                        {
                            return false;
                        }
                    }
                    Ok(None) => break,
                    Err(failure) => return sender.tx(out).reply(&Reply::from(failure)).is_ok(),
                }
            }
        };
    }
    drive!(rx.receive(input));
    drive!(rx.receive_chunk(&mut chunks));
    rx.end_of_stream() == StreamEnd::BetweenMessages
}

/// The codec.
///
/// # Safety
/// The pointer is valid for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockless_codec(data: *mut u8, len: usize, header: &mut [u8; 14]) -> usize {
    // SAFETY: the caller says so.
    let bytes = unsafe { slice(data, len) };
    let close = CloseFrame::decode(bytes).is_ok();
    let Ok(Some((decoded, size))) = Header::decode(bytes) else {
        return usize::from(close);
    };
    let mut mask = Mask::new(decoded.mask_key.unwrap_or([1, 2, 3, 4]));
    mask.apply(bytes);
    let written = mask.apply_copy(decoded.encode(&mut [0; 14]), header).len();
    size + written
}

/// Makes connections.
#[unsafe(no_mangle)]
#[allow(
    improper_ctypes_definitions,
    reason = "never called from C: what counts is that it is compiled"
)]
pub extern "C" fn sockless_connect(either: &mut Either, client: bool, fill: fn(&mut [u8])) {
    let limits = Limits::default().with_max_frame_len(1000);
    *either = if client {
        Either::Client(Connection::new(Client::new(fill), &limits))
    } else {
        Either::Server(Connection::new(Server, &limits).with_extensions(Extensions::NONE))
    };
}

/// The timers: everything that can happen, at any time, and what is due.
#[unsafe(no_mangle)]
#[allow(
    improper_ctypes_definitions,
    reason = "never called from C: what counts is that it is compiled"
)]
pub extern "C" fn sockless_timers(
    timers: &mut Timers,
    timeouts: &mut Timeouts,
    happens: u8,
    micros: u64,
    number: usize,
    payload: &[u8; 8],
) -> u64 {
    let now = Moment::from_micros(micros);
    let time = Some(now - Moment::START);
    match happens {
        0 => *timers = Timers::new(timeouts, now),
        1 => timers.opened(now),
        2 => timers.received(now, Some(micros)),
        3 => timers.received(now, None),
        4 => timers.message_received(now),
        5 => {
            return timers
                .pong(now, payload)
                .map_or(0, |time| (Moment::START + time).as_micros());
        }
        6 => timers.pinged(now, number),
        7 => timers.written(now, number, micros as usize),
        8 => timers.reading(now, number > 0),
        9 => timers.closing(now),
        10 => {
            let rate = Rate {
                grace: now - Moment::START,
                bytes_per_second: number as u32,
            };
            *timeouts = timeouts
                .with_handshake(time)
                .with_ping_after(time)
                .with_pong_within(time);
            *timeouts = timeouts
                .with_idle(time)
                .with_message(Some(rate))
                .with_write(time)
                .with_close(time);
        }
        _ => {
            let mut sum = 0;
            while let Some(due) = timers.handle_timeout(now) {
                sum += match due {
                    Due::Ping(payload) => u64::from_be_bytes(payload) >> 8,
                    Due::Passed(deadline) => deadline.text().len() as u64 + u64::from(deadline.close_code().is_some()),
                };
            }
            let least = timers
                .round_trip()
                .map_or(now, |trip| now + trip.least + trip.smoothed + trip.last);
            return sum ^ least.as_micros() ^ u64::from(timers.passed().is_some());
        }
    }
    timers
        .next_deadline()
        .map_or(u64::MAX, |deadline| (now + (deadline - now)).as_micros())
}

/// What the check must find.
#[cfg(feature = "seeded_panic")]
#[unsafe(no_mangle)]
pub extern "C" fn sockless_seeded_panic(header: &[u8; 14], index: usize) -> u8 {
    header[index]
}
