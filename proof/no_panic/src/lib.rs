//! The core alone, without `std` and without `alloc`, as a static library that drives every decode and encode path.
//! `check` builds it in release and looks at its symbols: were there a panicking branch, it would call something of
//! `core::panicking`, and the library would refer to it.
#![no_std]

use sockless::connection::{Client, Connection, Event, Receiver, Reply, Sender, Server};
use sockless::frame::{CloseCode, CloseFrame, Header, Mask, MessageKind};
use sockless::limits::Limits;
use sockless::output::SliceOutput;

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

fn receive(either: &mut Either, mut input: &mut [u8], out: &mut SliceOutput<'_>) -> usize {
    let mut seen = 0;
    macro_rules! drive {
        ($connection:expr) => {
            while let Ok(Some((event, tx))) = $connection.receive(&mut input, out) {
                let sent = match event {
                    Event::Text(chunk) => tx.part(chunk.data, chunk.message_end, out),
                    Event::Binary(chunk) => tx.part(chunk.data, chunk.message_end, out),
                    Event::Ping(payload) => tx.ping(payload, out),
                    Event::Pong(payload) => tx.pong(payload, out),
                    Event::Close(record) => tx.close(CloseCode::NORMAL, record.reason, out),
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

/// Receives, and answers with every kind of frame.
///
/// # Safety
/// The pointers are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockless_receive(
    either: &mut Either,
    data: *mut u8,
    len: usize,
    out: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: the caller says so.
    let (input, memory) = unsafe { (slice(data, len), slice(out, room)) };
    receive(either, input, &mut SliceOutput::new(memory))
}

/// Sends in every way there is.
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
            let tx = $connection.sender();
            let mut ok = tx.binary(payload, out).is_ok();
            if let Ok(text) = core::str::from_utf8(payload) {
                ok &= tx.text(text, out).is_ok();
                ok &= tx.part(text, false, out).is_ok();
                ok &= tx.begin_frame(MessageKind::Text, total, true, out).is_ok();
                ok &= tx.chunk(text, out).is_ok();
            }
            ok &= tx.frame_in_place(MessageKind::Binary, payload, true).is_ok();
            ok &= tx.close(CloseCode(1000), "", out).is_ok();
            ok &= $connection.flush_replies(out).is_ok();
            ok &= $connection.end_of_stream().is_none();
            ok & ($connection.transport() == sockless::connection::Transport::Drop)
        }};
    }
    match either {
        Either::Server(connection) => send!(connection),
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
    tx: &mut Sender<Server>,
    data: *mut u8,
    len: usize,
    out: *mut u8,
    room: usize,
) -> bool {
    // SAFETY: the caller says so.
    let (mut input, memory) = unsafe { (slice(data, len), slice(out, room)) };
    let out = &mut SliceOutput::new(memory);
    loop {
        match rx.receive(&mut input) {
            Ok(Some(event)) => {
                if let Some(reply) = event.reply()
                    && tx.reply(&reply, out).is_err()
                {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(failure) => return tx.reply(&Reply::from(failure), out).is_ok(),
        }
    }
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
    let mut mask = decoded.mask().unwrap_or(Mask::new([1, 2, 3, 4]));
    mask.apply(bytes);
    let written = mask.apply_copy(decoded.encode().as_bytes(), header).len();
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
        Either::Server(Connection::new(Server, &limits))
    };
}

/// What the check must find.
#[cfg(feature = "seeded_panic")]
#[unsafe(no_mangle)]
pub extern "C" fn sockless_seeded_panic(header: &[u8; 14], index: usize) -> u8 {
    header[index]
}
