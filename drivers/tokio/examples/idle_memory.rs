//! Measures what an idle connection holds: resident bytes of a server process for each of many connections.

mod common;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use common::{Exit, arguments, exit};
use sockless_tokio::{Result, accept};
use tokio::net::TcpListener;

const HELP: &str = "\
Measures the resident memory of a server for each idle connection, over loopback (Linux only).

Usage: idle_memory [CONNECTIONS] [OPTION]...

  CONNECTIONS  how many (default: 10000)
  --bare       the same with a task and a socket alone, without WebSocket: the floor
  --help       print this and exit
";

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn main() -> ExitCode {
    exit(run())
}

fn run() -> std::result::Result<(), Exit> {
    let (mut count, mut bare, mut serves) = (None, false, false);
    arguments(HELP, &["bare", "serve"], |name, value| {
        match name {
            "bare" => bare = true,
            "serve" => serves = true,
            _ => count = Some(value.parse().map_err(|_| format!("'{value}' is not a number"))?),
        }
        Ok(())
    })?;
    let failed = |error: io::Error| Exit(Exit::FAILED, error.to_string());
    if serves {
        return serve(bare).map_err(failed);
    }
    measure(count.unwrap_or(10_000), bare).map_err(failed)
}

fn serve(bare: bool) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            if bare {
                tokio::spawn(wait(stream));
            } else {
                tokio::spawn(echo(stream));
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

async fn echo(stream: tokio::net::TcpStream) -> Result<()> {
    let mut ws = accept(stream).await?;
    while ws.ready().await? {
        while let Some((event, mut tx)) = ws.next_event()? {
            if let Some(message) = event.message() {
                tx.send(message)?;
            }
        }
    }
    Ok(())
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Resident memory in bytes.
    fn resident(&self) -> io::Result<u64> {
        std::thread::sleep(Duration::from_millis(300));
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.ok_or(io::ErrorKind::InvalidData)? * 1024)
    }
}

fn measure(count: usize, bare: bool) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--serve").stdout(Stdio::piped());
    if bare {
        command.arg("--bare");
    }
    let mut server = Server(command.spawn()?);
    let mut address = String::new();
    let output = server.0.stdout.take().ok_or(io::ErrorKind::NotFound)?;
    BufReader::new(output).read_line(&mut address)?;
    let open = || -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address.trim())?;
        stream.set_nodelay(true)?;
        if !bare {
            stream.write_all(HEAD)?;
            let mut answer = [0; 129];
            stream.read_exact(&mut answer)?;
            assert!(answer.ends_with(b"\r\n\r\n"));
        }
        Ok(stream)
    };
    let talk = |stream: &mut TcpStream| -> io::Result<()> {
        if bare {
            return Ok(());
        }
        for len in [16_u16, 4096, 65_000] {
            let mut frame = vec![0x82, 0xfe];
            frame.extend_from_slice(&len.to_be_bytes());
            if len <= 125 {
                frame = vec![0x82, 0x80 | len as u8];
            }
            let header = frame.len();
            frame.extend_from_slice(&[0; 4]);
            frame.resize(header + 4 + usize::from(len), b'x');
            stream.write_all(&frame)?;
            let mut answer = vec![0; header + usize::from(len)];
            stream.read_exact(&mut answer)?;
        }
        Ok(())
    };
    for mut stream in (0..100).map(|_| open()).collect::<io::Result<Vec<_>>>()? {
        talk(&mut stream)?;
    }
    let base = server.resident()?;
    let mut streams = (0..count).map(|_| open()).collect::<io::Result<Vec<_>>>()?;
    let opened = server.resident()?;
    for stream in &mut streams {
        talk(stream)?;
    }
    let talked = server.resident()?;
    let each = |resident: u64| resident.saturating_sub(base) / count.max(1) as u64;
    println!("{count} connections, resident bytes for each");
    println!("opened: {}", each(opened));
    println!("after a message of 16 B, 4 KiB and 65,000 B on each: {}", each(talked));
    println!("(before them, the server: {base})");
    Ok(())
}
