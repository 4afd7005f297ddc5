//! Measures what an idle connection holds: resident bytes of a server process for each of many connections.

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "hyper")]
mod http;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use common::{Exit, arguments, exit};
use sockless_tokio::{Acceptor, Result, Server, Timeouts, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

const HELP: &str = "\
Measures the resident memory of a server for each idle connection, over loopback (Linux only).

Usage: idle_memory [CONNECTIONS] [OPTION]...

  CONNECTIONS      how many (default: 10000)
  --bare           the same with a task and a socket alone, without WebSocket: the floor
  --http1          behind hyper, over HTTP/1.1
  --http2 STREAMS  behind hyper, over HTTP/2: so many WebSockets on each connection
  --help           print this and exit
";

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Tcp,
    Bare,
    Http1,
    Http2(usize),
}

fn main() -> ExitCode {
    exit(run())
}

fn run() -> std::result::Result<(), Exit> {
    let (mut count, mut over, mut serves) = (None, Over::Tcp, false);
    let number = |value: String| {
        let wrong = || format!("'{value}' is not a number above 0");
        value.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)
    };
    arguments(HELP, &["bare", "serve", "http1", "http2="], |name, value| {
        match name {
            "bare" => over = Over::Bare,
            "serve" => serves = true,
            "http1" | "http2" if cfg!(not(feature = "hyper")) => {
                return Err("for HTTP, build this example with --features hyper".into());
            }
            "http1" => over = Over::Http1,
            "http2" => over = Over::Http2(number(value)?),
            _ if count.is_none() => count = Some(number(value)?),
            _ => return Err(format!("one number is enough: '{value}'").into()),
        }
        Ok(())
    })?;
    let failed = |error: io::Error| Exit(Exit::FAILED, error.to_string());
    if serves {
        return serve(over).map_err(failed);
    }
    measure(count.unwrap_or(10_000), over).map_err(failed)
}

fn serve(over: Over) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        #[cfg(feature = "hyper")]
        if matches!(over, Over::Http1 | Over::Http2(_)) {
            return http::serve(listener).await;
        }
        loop {
            let (stream, _) = listener.accept().await?;
            if over == Over::Bare {
                tokio::spawn(wait(stream));
            } else {
                tokio::spawn(async {
                    // On the heap, as `sockless_tokio::accept` has it.
                    let ws = Box::pin(async { acceptor().accept(stream).await }).await?;
                    echo(ws).await
                });
            }
        }
    })
}

/// A task and a socket alone.
async fn wait(stream: tokio::net::TcpStream) -> io::Result<()> {
    let mut byte = [0];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut byte) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}

/// Connections that are pinged only when all was measured: nobody answers.
fn acceptor() -> Acceptor {
    Acceptor::new().timeouts(Timeouts::default().with_ping_after(Some(Duration::from_secs(3600))))
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S, Server>) -> Result<()> {
    while ws.ready().await? {
        while let Some((event, mut tx)) = ws.next_event()? {
            if let Some(message) = event.message() {
                tx.send(message)?;
            }
        }
    }
    Ok(())
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Resident memory in bytes.
    fn resident(&self) -> io::Result<u64> {
        std::thread::sleep(Duration::from_millis(300));
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.ok_or(io::ErrorKind::InvalidData)? * 1024)
    }
}

/// A binary message of `len` bytes, and how long its echo is.
fn message(len: u16) -> (Vec<u8>, usize) {
    let mut frame = vec![0x82];
    match u8::try_from(len) {
        Ok(len @ ..126) => frame.push(0x80 | len),
        _ => {
            frame.push(0xfe);
            frame.extend_from_slice(&len.to_be_bytes());
        }
    }
    let header = frame.len();
    frame.extend_from_slice(&[0; 4]); // a mask of zeros
    frame.resize(header + 4 + usize::from(len), b'x');
    (frame, header + usize::from(len))
}

const LENGTHS: [u16; 3] = [16, 4096, 65_000];

fn measure(count: usize, over: Over) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--serve").stdout(Stdio::piped());
    match over {
        Over::Tcp => {}
        Over::Bare => drop(command.arg("--bare")),
        Over::Http1 | Over::Http2(_) => drop(command.arg("--http1")),
    }
    let mut server = Process(command.spawn()?);
    let mut address = String::new();
    let output = server.0.stdout.take().ok_or(io::ErrorKind::NotFound)?;
    BufReader::new(output).read_line(&mut address)?;
    let address = address.trim();
    #[cfg(feature = "hyper")]
    if let Over::Http2(streams) = over {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(measure_http2(&server, address, count, streams));
    }

    let open = |stream: &mut TcpStream| -> io::Result<()> {
        if over == Over::Bare {
            return Ok(());
        }
        stream.write_all(HEAD)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        Ok(())
    };
    let talk = |stream: &mut TcpStream| -> io::Result<()> {
        for (frame, answer) in LENGTHS.map(message).into_iter().filter(|_| over != Over::Bare) {
            stream.write_all(&frame)?;
            stream.read_exact(&mut vec![0; answer])?;
        }
        Ok(())
    };
    let connect = || -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        open(&mut stream)?;
        Ok(stream)
    };
    for mut stream in (0..100).map(|_| connect()).collect::<io::Result<Vec<_>>>()? {
        talk(&mut stream)?;
    }
    let base = server.resident()?;
    let mut streams = (0..count).map(|_| connect()).collect::<io::Result<Vec<_>>>()?;
    let opened = server.resident()?;
    streams.iter_mut().try_for_each(talk)?;
    let talked = server.resident()?;
    let each = |resident: u64| resident.saturating_sub(base) / count as u64;
    println!("{count} connections, resident bytes for each");
    println!("opened: {}", each(opened));
    println!("after a message of 16 B, 4 KiB and 65,000 B on each: {}", each(talked));
    println!("(before them, the server: {base})");
    Ok(())
}

/// The same with several WebSockets on each connection.
#[cfg(feature = "hyper")]
async fn measure_http2(server: &Process, address: &str, count: usize, streams: usize) -> io::Result<()> {
    let talk = async |stream: &mut http::Stream| -> io::Result<()> {
        for (frame, answer) in LENGTHS.map(message) {
            stream.exchange(frame, answer).await?;
        }
        Ok(())
    };
    let mut first = http::Session::connect(address).await?;
    for _ in 0..100 {
        talk(&mut first.open().await?).await?;
    }
    let base = server.resident()?;
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(http::Session::connect(address).await?);
    }
    let connected = server.resident()?;
    let mut all = Vec::new();
    for session in &mut sessions {
        for _ in 0..streams {
            all.push(session.open().await?);
        }
    }
    let opened = server.resident()?;
    for stream in &mut all {
        talk(stream).await?;
    }
    let talked = server.resident()?;
    let each = |resident: u64| resident.saturating_sub(connected) / (count * streams) as u64;
    println!("{count} connections of {streams} streams, resident bytes");
    println!(
        "for each connection, before its streams: {}",
        connected.saturating_sub(base) / count as u64
    );
    println!("for each stream, opened: {}", each(opened));
    println!(
        "for each stream, after a message of 16 B, 4 KiB and 65,000 B: {}",
        each(talked)
    );
    println!("(before them, the server: {base})");
    Ok(())
}
