//! A chat server: rooms, names, the last messages, and a page that reconnects by itself.
//!
//! A connection is `GET /room?room=ROOM&name=NAME`. What a client sends as text is said in its room. What it gets is JSON: a
//! `welcome` with who is present and what was said, then `said`, `entered` and `left` as it happens.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockless_tokio::{Acceptor, Answer, CloseCode, Event, Limits, Request, Result, WebSocket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

mod exit;
mod rooms;

pub use exit::{Exit, exit};
pub use rooms::{Place, Rooms};

const PAGE: &str = include_str!("page.html");

/// How long a name or the name of a room may be, in bytes.
const NAME: usize = 40;

/// How long what is said may be, in bytes.
const SAID: u64 = 4000;

/// How many times a second somebody may say something, and how many times at once after a silence: less than may wait for a
/// reader, so that nobody can have others dropped.
const A_SECOND: f64 = 100.0;
const AT_ONCE: f64 = 100.0;

/// How long the connections have to close, once the server is to stop.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves until `stop` is set, then closes all connections in order. Their clients are told to come back.
pub async fn serve(
    listener: TcpListener,
    acceptor: Acceptor,
    rooms: Rooms,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let limits = Limits::default().with_max_message_len(SAID);
    let acceptor = Arc::new(acceptor.limits(limits).deflate(rooms::DEFLATE));
    let mut guests = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = guests.join_next() => continue,
            () = set(&mut stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                guests.spawn(guest(stream, acceptor.clone(), rooms.clone(), stop.clone()));
            }
            Err(error) => {
                eprintln!("cannot serve one more: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let all = async { while guests.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(PATIENCE, all).await; // whoever is left is aborted
    Ok(())
}

/// One connection, from its first byte to its last.
async fn guest(stream: TcpStream, acceptor: Arc<Acceptor>, rooms: Rooms, stop: watch::Receiver<bool>) -> Result<()> {
    let mut asked = None;
    let opened = acceptor.accept_if(stream, async |request| match request {
        Request::Upgrade(upgrade) => {
            asked = upgrade.query().and_then(room_and_name);
            if asked.is_some() {
                Answer::accept()
            } else {
                Answer::respond(404).body("no room and name\n")
            }
        }
        Request::Http(http) if matches!(http.method, "GET" | "HEAD") && http.target == "/" => Answer::respond(200)
            .header("Content-Type", "text/html; charset=utf-8")
            .body(PAGE),
        Request::Http(_) => Answer::respond(404).body("not found\n"),
    });
    let (Some(mut ws), Some((room, name))) = (opened.await?, asked) else {
        return Ok(());
    };
    let place = rooms.enter(&room, &name);
    let dropped = place.dropped.clone();
    tokio::select! {
        ended = chat(&mut ws, place, stop) => ended,
        () = dropped.notified() => Ok(()), // it does not read, so that it need not be told
    }
}

async fn chat(ws: &mut WebSocket, mut place: Place, mut stop: watch::Receiver<bool>) -> Result<()> {
    let mut pace = Pace::new();
    loop {
        tokio::select! {
            ready = ws.ready() => {
                if !ready? {
                    return Ok(());
                }
                while let Some((event, _)) = ws.next_event()? {
                    match event {
                        Event::Text(text) if pace.allows() => place.say(text),
                        Event::Text(_) => return close(ws, CloseCode::POLICY_VIOLATION, "too fast").await,
                        _ => {}
                    }
                }
            }
            Some(news) = place.news.recv() => ws.send(&news).await?,
            () = set(&mut stop) => return close(ws, CloseCode::SERVICE_RESTART, "").await,
        }
    }
}

/// Waits until it is set, or will not be any more.
async fn set(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn close(ws: &mut WebSocket, code: CloseCode, reason: &str) -> Result<()> {
    ws.close(code, reason).await.map(drop)
}

fn room_and_name(query: &str) -> Option<(String, String)> {
    let (mut room, mut name) = (None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.trim();
        let place = match &*key {
            "room" => &mut room,
            "name" => &mut name,
            _ => continue,
        };
        *place = (1..=NAME).contains(&value.len()).then(|| value.to_owned());
    }
    room.zip(name)
}

/// How fast somebody may go on.
struct Pace {
    left: f64,
    since: Instant,
}

impl Pace {
    fn new() -> Self {
        Self {
            left: AT_ONCE,
            since: Instant::now(),
        }
    }

    fn allows(&mut self) -> bool {
        let now = Instant::now();
        let earned = (now - self.since).as_secs_f64() * A_SECOND;
        self.left = (self.left + earned).min(AT_ONCE) - 1.0;
        self.since = now;
        self.left >= 0.0
    }
}
