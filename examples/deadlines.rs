//! An echo server that keeps deadlines and says which have passed, to try peers that stop, dribble, or never answer.
//!
//! `deadlines PORT HANDSHAKE PING PONG IDLE GRACE WRITE CLOSE`, all times in milliseconds, 0 for none. A message has to come at
//! 1000 bytes a second after its grace. For each connection it prints its number, the deadline that passed first, and how long
//! the connection took, in milliseconds.

use std::error::Error;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use sockless::timers::{Rate, Timers};
use sockless::{AcceptOptions, BufferedServerHandshake, Event, Limits, Moment, Timeouts};

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Result<Vec<u64>, _> = std::env::args().skip(1).map(|number| number.parse()).collect();
    let [port, handshake, ping, pong, idle, grace, write, close] = numbers?[..] else {
        return Err("eight numbers are needed".into());
    };
    let millis = |number: u64| (number > 0).then(|| Duration::from_millis(number));
    let timeouts = Timeouts::OFF
        .with_handshake(millis(handshake))
        .with_ping_after(millis(ping))
        .with_pong_within(millis(pong))
        .with_idle(millis(idle))
        .with_message(millis(grace).map(|grace| Rate {
            grace,
            bytes_per_second: 1000,
        }))
        .with_write(millis(write))
        .with_close(millis(close));
    let listener = TcpListener::bind(("127.0.0.1", u16::try_from(port)?))?;
    println!("{}", listener.local_addr()?);
    for (number, stream) in listener.incoming().enumerate() {
        let stream = stream?;
        std::thread::spawn(move || {
            let start = Instant::now();
            let mut passed = None;
            let end = serve(stream, &timeouts, &mut passed);
            let passed = passed.map_or("none", |passed: sockless::timers::Deadline| passed.text());
            println!("{number} {} {passed} {end:?}", start.elapsed().as_millis());
        });
    }
    Ok(())
}

/// One connection.
fn serve(
    mut stream: TcpStream,
    timeouts: &Timeouts,
    passed: &mut Option<sockless::timers::Deadline>,
) -> io::Result<()> {
    let mut note = |timers: Option<&Timers>| *passed = timers.and_then(Timers::passed);
    let shut_down = |stream: &mut TcpStream| stream.shutdown(Shutdown::Write);
    stream.set_nodelay(true)?;
    // A write that waits is given up this often, to look at the time.
    stream.set_write_timeout(Some(Duration::from_millis(50)))?;
    let mut handshake = BufferedServerHandshake::new(&Limits::default());
    handshake.set_timeouts(timeouts);
    stream.set_read_timeout(handshake.tick(Moment::now()))?;
    while handshake.exchange(&mut stream, shut_down)? {
        stream.set_read_timeout(handshake.tick(Moment::now()))?;
        let Some(mut ws) = handshake.accept(&AcceptOptions::new()).map_err(io::Error::other)? else {
            continue;
        };
        while ws.exchange(&mut stream, shut_down)? {
            stream.set_read_timeout(ws.tick(Moment::now()))?;
            note(ws.timers());
            while let Some((event, mut tx)) = ws.next_event().map_err(io::Error::other)? {
                match event {
                    Event::Text(text) => tx.text(text).map_err(io::Error::other)?,
                    Event::Binary(data) => tx.binary(data).map_err(io::Error::other)?,
                    _ => {}
                }
            }
        }
        return Ok(());
    }
    Ok(())
}
