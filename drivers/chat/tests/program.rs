//! The program, as somebody starts it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
#[cfg(unix)]
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sockless_tokio::{Event, WebSocket, connect};

/// The program, which is killed when this is dropped.
struct Chat(Child);

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Chat {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
        command.args(arguments).stdin(Stdio::null());
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The first line that it prints: its address, or nothing if it ends.
    fn address(&mut self) -> String {
        let mut line = String::new();
        let mut output = BufReader::new(self.0.stdout.as_mut().unwrap());
        output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Its exit status, and what it has said. It has to end by itself.
    fn ended(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }

    /// As Ctrl-C or a service manager does.
    fn terminate(&self) {
        let status = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(status.unwrap().success());
    }
}

/// A file of this test's own, which is not there.
fn file(name: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&file);
    file
}

fn refused(arguments: &[&str], status: i32, says: &str) {
    let mut chat = Chat::start(arguments);
    assert_eq!(chat.address(), "", "{arguments:?}");
    let (got, said) = chat.ended();
    assert_eq!(got, Some(status), "{arguments:?}: {said}");
    assert!(
        said.starts_with("chat: ") && said.contains(says),
        "{arguments:?}: {said}"
    );
}

#[test]
fn mistakes_end_it_before_it_serves() {
    refused(&["nonsense"], 2, "'nonsense' is not a port");
    refused(&["0", "1"], 2, "one port is enough: '1'");
    refused(&["--unknown"], 2, "'--unknown'");
    refused(&["--keep"], 2, "'--keep'");
    refused(&["--host", "192.0.2.1", "0"], 1, "cannot listen on 192.0.2.1:0: ");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&[&port], 1, &format!("cannot listen on 127.0.0.1:{port}: "));
}

#[test]
fn a_file_that_cannot_be_kept_is_noticed_at_the_start() {
    refused(
        &["0", "--keep", "/nowhere/file"],
        1,
        "cannot keep anything in /nowhere/file: ",
    );
    let directory = env!("CARGO_TARGET_TMPDIR");
    let says = format!("cannot keep anything in {directory}: ");
    refused(&["0", "--keep", directory], 1, &says);
    let other = file("other");
    fs::write(&other, "something else").unwrap();
    let path = other.to_str().unwrap();
    refused(&["0", "--keep", path], 1, "is not what a chat has kept: ");
    assert_eq!(fs::read(&other).unwrap(), b"something else");
}

/// The next news of this kind.
async fn told(ws: &mut WebSocket<sockless_tokio::ClientStream, sockless_tokio::Client>, kind: &str) -> Value {
    loop {
        while let Some((event, _)) = ws.next_event().unwrap() {
            if let Event::Text(text) = event {
                let news: Value = serde_json::from_str(text).unwrap();
                if news["kind"] == kind {
                    return news;
                }
            }
        }
        assert!(ws.ready().await.unwrap(), "the connection goes on");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_said_is_kept_in_a_file() {
    let file = file("kept");
    let arguments = ["0", "--keep", file.to_str().unwrap()];
    for round in 0..3 {
        let mut chat = Chat::start(&arguments);
        let address = chat.address().replace("http:", "ws:");
        let mut ws = connect(&format!("{address}room?room=lobby&name=Ada")).await.unwrap();
        let welcome = told(&mut ws, "welcome").await;
        let before: Vec<&Value> = welcome["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|said| &said["text"])
            .collect();
        let expected: Vec<Value> = (0..round).map(|round| json!(round.to_string())).collect();
        assert_eq!(before, expected.iter().collect::<Vec<_>>());
        ws.send(&*round.to_string()).await.unwrap();
        told(&mut ws, "said").await;
        chat.terminate();
        while ws.ready().await.unwrap() {
            while ws.next_event().unwrap().is_some() {}
        }
        assert_eq!(ws.close_record().received.unwrap().0, 1012);
        assert_eq!(chat.ended(), (Some(0), String::new()));
    }
}

/// It is heard however soon it comes after the first one.
#[cfg(unix)]
#[test]
fn the_second_signal_ends_it_at_once() {
    for _ in 0..10 {
        let mut chat = Chat::start(&["0"]);
        let address = chat.address();
        // It does not answer the Close, and so it is waited for.
        let mut guest = TcpStream::connect(address["http://".len()..].trim_end_matches('/')).unwrap();
        let request =
            b"GET /room?room=lobby&name=Ada HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        guest.write_all(request).unwrap();
        read_until(&mut guest, b"welcome");
        chat.terminate();
        read_until(&mut guest, b"\x88\x02\x03\xf4"); // 1012
        chat.terminate();
        assert_eq!(chat.ended().0, Some(130));
    }
}

#[cfg(unix)]
fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut read = Vec::new();
    while !read.windows(end.len()).any(|window| window == end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
}

/// Nothing is printed to who has stopped reading.
#[test]
fn help_that_nobody_reads_is_no_error() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    drop(reader);
    assert!(writer.write(b"x").is_err());
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    let output = command.arg("--help").stdout(writer).stderr(Stdio::piped()).spawn();
    let output = output.unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}
