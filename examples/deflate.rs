//! Compressed messages, in as little code as they take: a server that sends back what it gets, with engines of each thread,
//! and a client that tries it. (`echo --deflate` keeps deadlines, too.)

mod common;

use std::cell::RefCell;
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread;

use common::client::{entropy, parse};
use common::server::listen;
use common::{Exit, Outcome, PATIENCE, arguments, exit};
use sockless::connection::{Extensions, Role};
use sockless::deflate::{DeflateOptions, Engines};
use sockless::{
    AcceptOptions, BufferedClientHandshake, BufferedConnection, BufferedServerHandshake, CloseCode, ConnectOptions,
    Event, Limits, WebSocketUri,
};

const HELP: &str = "\
Compressed WebSocket messages (RFC 7692): a server that sends back what it gets, or a client
that sends messages of all kinds and checks that they come back.

Usage: deflate PORT [OPTION]...
       deflate ws://HOST[:PORT]/PATH [OPTION]...

  --send-window BITS       the largest window for what is sent, 8 to 15
  --receive-window BITS    the largest window for what is received, 8 to 15
  --send-takeover no       no message that is sent refers to an earlier one
  --receive-takeover no    no message that is received may refer to an earlier one
  --level LEVEL            1, the fastest, to 9
  --help                   print this and exit
";

thread_local! {
    /// One set for each thread, however many connections it has.
    static ENGINES: RefCell<Engines> = const { RefCell::new(Engines::new()) };
}

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Exit> {
    let (mut options, mut place) = (DeflateOptions::new(), None);
    let names = [
        "send-window=",
        "receive-window=",
        "send-takeover=",
        "receive-takeover=",
        "level=",
    ];
    arguments(HELP, &names, |name, value| {
        let number = || value.parse::<u8>().map_err(|_| format!("'{value}' is not a number"));
        options = match name {
            "send-window" => options.with_send_window_bits(number()?),
            "receive-window" => options.with_receive_window_bits(number()?),
            "send-takeover" => options.with_send_takeover(value != "no"),
            "receive-takeover" => options.with_receive_takeover(value != "no"),
            "level" => options.with_level(number()?),
            _ if place.is_none() => {
                place = Some(value);
                return Ok(());
            }
            _ => return Err(format!("one port or server is enough: '{value}'").into()),
        };
        Ok(())
    })?;
    let place = place.ok_or_else(|| Exit::usage("which port, or which server?"))?;
    match place.parse() {
        Ok(port) => {
            for stream in listen("ws", port)?.incoming().flatten() {
                thread::spawn(move || serve(stream, options).unwrap_or_else(|error| eprintln!("{error}")));
            }
            Ok(())
        }
        Err(_) => call(&parse(&place)?, options).map_err(|error| Exit(Exit::FAILED, error.to_string())),
    }
}

fn serve(mut stream: TcpStream, options: DeflateOptions) -> Outcome {
    stream.set_nodelay(true)?;
    let handshake = BufferedServerHandshake::new(&Limits::default()).with_deflate(options);
    let mut ws = handshake.complete(
        &mut stream,
        |stream| stream.shutdown(Shutdown::Write),
        &AcceptOptions::new(),
    )?;
    ENGINES.with_borrow_mut(|engines| {
        while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
            while let Some((event, mut tx)) = ws.next_event_with(engines)? {
                match event {
                    Event::Text(text) => tx.text(text)?,
                    Event::Binary(data) => tx.binary(data)?,
                    _ => {}
                }
            }
        }
        Ok(())
    })
}

fn call(uri: &WebSocketUri<'_>, options: DeflateOptions) -> Outcome {
    let unreachable = |error| format!("cannot reach {}: {error}", uri.authority());
    let mut stream = TcpStream::connect((uri.host(), uri.port())).map_err(unreachable)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(6 * PATIENCE))?;
    let offer = options.offer();
    let offers = [offer.as_str()];
    let connect_options = ConnectOptions::new().extensions(&offers, Extensions::COMPRESSION);
    let limits = Limits::default()
        .with_max_message_len(64 << 20)
        .with_max_frame_len(64 << 20);
    let handshake = BufferedClientHandshake::start(uri, &connect_options, entropy, &limits)?.with_deflate(options);
    let mut ws = handshake.complete(&mut stream)?;
    println!("compression: {}", if ws.compresses() { "agreed" } else { "declined" });

    let text = "{\"symbol\":\"SOCK\",\"price\":12.5,\"name\":\"Zürich 東京 🙂\"},".repeat(20);
    let noise: Vec<u8> = {
        let mut noise = vec![0; 100_000];
        entropy(&mut noise);
        noise
    };
    for _ in 0..3 {
        check(&mut ws, &mut stream, Event::Text(&text), 1)?;
        check(&mut ws, &mut stream, Event::Text(""), 1)?;
        check(&mut ws, &mut stream, Event::Binary(&noise), 1)?;
        check(&mut ws, &mut stream, Event::Text(&text), 7)?;
        check(&mut ws, &mut stream, Event::Binary(&noise), 5)?;
        check(&mut ws, &mut stream, Event::Binary(b""), 1)?;
    }
    let long: Vec<u8> = noise.iter().cycle().map(|byte| byte & 15).take(4 << 20).collect();
    check(&mut ws, &mut stream, Event::Binary(&long), 1)?;

    ws.tx().close(CloseCode::NORMAL, "")?;
    while ws.exchange(&mut stream, |stream| stream.shutdown(Shutdown::Write))? {
        while ws.next_event()?.is_some() {}
    }
    let record = ws.close_record();
    if record.is_clean() {
        Ok(())
    } else {
        Err(record.to_string().into())
    }
}

/// Sends a message, in parts if there are several, and waits for the same to come back.
fn check<R: Role>(ws: &mut BufferedConnection<R>, stream: &mut TcpStream, message: Event<'_>, parts: usize) -> Outcome {
    let mut tx = ws.tx();
    match message {
        Event::Text(text) if parts == 1 => tx.text(text)?,
        Event::Binary(data) if parts == 1 => tx.binary(data)?,
        Event::Text(text) => {
            for part in text.split_inclusive('}') {
                tx.part(part, false)?;
            }
            tx.part("", true)?;
        }
        Event::Binary(data) => {
            for part in data.chunks(data.len() / parts + 1) {
                tx.part(part, false)?;
                tx.ping(b"between")?;
            }
            tx.part(&[][..], true)?;
        }
        _ => return Err("not a message".into()),
    }
    while ws.exchange(stream, |stream| stream.shutdown(Shutdown::Write))? {
        while let Some((event, _)) = ws.next_event()? {
            match (event, message) {
                (Event::Pong(_), _) => {}
                (Event::Text(text), Event::Text(sent)) if text == sent => return Ok(()),
                (Event::Binary(data), Event::Binary(sent)) if data == sent => return Ok(()),
                (other, _) => return Err(format!("not what was sent: {:.100}", format!("{other:?}")).into()),
            }
        }
    }
    Err("the connection has ended".into())
}
