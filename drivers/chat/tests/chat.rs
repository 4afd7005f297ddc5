//! The server, over loopback.

#[path = "common/counting.rs"]
mod counting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use counting::Counting;
use serde_json::Value;
use sockless_chat::{Rooms, serve};
use sockless_tokio::sockless::deflate::DeflateOptions;
use sockless_tokio::{Acceptor, Client, Connector, Event, WebSocket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

struct Server {
    address: String,
    rooms: Rooms,
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(rooms: Rooms, acceptor: Acceptor) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, acceptor, rooms.clone(), stopped));
    Server {
        address,
        rooms,
        stop,
        task,
    }
}

impl Server {
    async fn enter(&self, query: &str) -> Guest {
        self.enter_with(query, Connector::new()).await
    }

    async fn enter_with(&self, query: &str, connector: Connector) -> Guest {
        let stream = TcpStream::connect(&self.address["ws://".len()..]).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let read = Arc::new(AtomicU64::new(0));
        let stream = Counting(stream, Arc::clone(&read));
        let address = format!("{}/room?{query}", self.address);
        Guest(connector.connect_over(&address, stream).await.unwrap(), read)
    }
}

/// A connection, and how many bytes have come over it.
struct Guest(WebSocket<Counting, Client>, Arc<AtomicU64>);

impl Guest {
    /// The next of what is told.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, _)) = self.0.next_event().unwrap() {
                if let Event::Text(text) = event {
                    return Some(serde_json::from_str(text).unwrap());
                }
            }
            if !self.0.ready().await.unwrap() {
                return None;
            }
        }
    }

    /// The next of this kind.
    async fn told(&mut self, kind: &str) -> Value {
        loop {
            let news = self.next().await.expect("the connection goes on");
            if news["kind"] == kind {
                return news;
            }
        }
    }

    async fn say(&mut self, text: &str) {
        self.0.send(text).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_said_reaches_the_room_and_nobody_else() {
    let server = start(Rooms::default(), Acceptor::new()).await;
    let mut ada = server.enter("room=lobby&name=Ada+L.").await;
    assert_eq!(ada.told("welcome").await["present"], serde_json::json!([]));
    let mut bob = server.enter("room=lobby&name=Bob").await;
    assert_eq!(bob.told("welcome").await["present"], serde_json::json!(["Ada L."]));
    let mut eve = server.enter("room=attic&name=Eve").await;
    ada.say("hello").await;
    for guest in [&mut ada, &mut bob] {
        let said = guest.told("said").await;
        assert_eq!((&said["name"], &said["text"]), (&"Ada L.".into(), &"hello".into()));
    }
    drop(ada);
    assert_eq!(bob.told("left").await["name"], "Ada L.");
    eve.say("alone").await;
    assert_eq!(eve.told("said").await["text"], "alone");
    // Who comes later is shown what was said.
    let mut dan = server.enter("room=lobby&name=Dan").await;
    assert_eq!(dan.told("welcome").await["history"][0]["text"], "hello");
}

/// One room for those who agreed to compressed messages and for those who did not. Newcomers read what refers to earlier
/// messages only once they have been told them.
#[tokio::test]
async fn members_are_served_compressed_or_not() {
    let server = start(Rooms::default(), Acceptor::new()).await;
    let deflate = || Connector::new().deflate(DeflateOptions::new());
    let no_takeover = deflate().deflate(DeflateOptions::new().with_receive_takeover(false));
    let small_window = deflate().deflate(DeflateOptions::new().with_receive_window_bits(9));
    let mut guests = vec![
        server.enter("room=lobby&name=plain").await,
        server.enter_with("room=lobby&name=deflate", deflate()).await,
        server.enter_with("room=lobby&name=no+takeover", no_takeover).await,
        server.enter_with("room=lobby&name=small+window", small_window).await,
    ];
    let words = "a sentence that is said again and again, with other numbers each time: ";
    for number in 0..100 {
        if number == 50 {
            guests.push(server.enter_with("room=lobby&name=late", deflate()).await);
        }
        let said = format!("{words}{number}, {}", number * 7);
        let speaker = number % guests.len();
        guests[speaker].say(&said).await;
        for guest in &mut guests {
            assert_eq!(guest.told("said").await["text"], *said);
        }
    }
    let bytes: Vec<u64> = guests.iter().map(|guest| guest.1.load(Relaxed)).collect();
    let [plain, deflate, no_takeover, small_window, late] = bytes[..] else {
        panic!("{bytes:?}")
    };
    assert!(plain > 100 * words.len() as u64, "{bytes:?}");
    assert!(deflate < plain / 2, "{bytes:?}");
    assert!(deflate < no_takeover && no_takeover < plain, "{bytes:?}");
    assert!(small_window > deflate, "{bytes:?}");
    // What was said before came as one message, and compressed.
    assert!(late < plain / 3, "{bytes:?}");
}

#[tokio::test]
async fn requests_that_are_not_for_a_room_are_refused() {
    let server = start(Rooms::default(), Acceptor::new().origins(["http://here"])).await;
    for query in [
        "",
        "?room=lobby",
        "?room=&name=x",
        "?room=lobby&name=%20",
        &format!("?room=r&name={}", "n".repeat(41)),
    ] {
        let refused = Connector::new()
            .connect(&format!("{}/room{query}", server.address))
            .await;
        assert!(refused.is_err(), "{query}");
    }
    let connect = |origin: &str| {
        let connector = Connector::new().origin(origin);
        let uri = format!("{}/room?room=lobby&name=x", server.address);
        async move { connector.connect(&uri).await.is_ok() }
    };
    assert!(connect("http://here").await);
    assert!(!connect("http://elsewhere").await);
}

#[tokio::test]
async fn who_does_not_read_is_dropped_and_harms_nobody() {
    let server = start(Rooms::default(), Acceptor::new()).await;
    let _stalled = server.enter("room=lobby&name=stalled").await;
    let (mut reader, mut talker) = (
        server.enter("room=lobby&name=reader").await,
        server.enter("room=lobby&name=talker").await,
    );
    let talk = tokio::spawn(async move {
        let long = "x".repeat(3900);
        // As fast as is allowed, until nobody is stalled.
        while talker.0.send(&long).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(12)).await;
            while let Ok(Some(_)) = talker.0.next_event() {}
            let _ = tokio::time::timeout(Duration::from_millis(1), talker.0.ready()).await;
        }
    });
    let mut said = 0;
    loop {
        let news = reader.next().await.expect("the reader is not dropped");
        said += u32::from(news["kind"] == "said");
        if news["kind"] == "left" {
            assert_eq!(news["name"], "stalled");
            break;
        }
    }
    assert!(said > 256);
    talk.abort();
}

#[tokio::test]
async fn who_talks_too_fast_is_told() {
    let server = start(Rooms::default(), Acceptor::new()).await;
    let mut guest = server.enter("room=lobby&name=fast").await;
    for _ in 0..1000 {
        if guest.0.try_send("!").is_err() {
            break;
        }
    }
    while guest.next().await.is_some() {}
    assert_eq!(guest.0.close_record().received.unwrap().0, 1008);
}

#[tokio::test]
async fn after_a_restart_what_was_said_is_still_there() {
    let server = start(Rooms::default(), Acceptor::new()).await;
    let mut guest = server.enter("room=lobby&name=Ada").await;
    for number in 0..60 {
        guest.say(&number.to_string()).await;
    }
    while guest.told("said").await["text"] != "59" {}
    server.stop.send_replace(true);
    while guest.next().await.is_some() {}
    assert_eq!(guest.0.close_record().received.unwrap().0, 1012);
    server.task.await.unwrap().unwrap();

    let rooms = Rooms::default();
    rooms.restore(&server.rooms.history());
    let server = start(rooms, Acceptor::new()).await;
    let mut guest = server.enter("room=lobby&name=Ada").await;
    let history = guest.told("welcome").await["history"].clone();
    assert_eq!(
        (history.as_array().unwrap().len(), &history[49]["text"]),
        (50, &"59".into())
    );
}
