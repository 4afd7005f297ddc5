//! Both ends of a connection, over pipes and over TCP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{echo, message, pair, pair_with};
use futures_util::StreamExt;
use sockless_tokio::sockless::connection::PreparedMessage;
use sockless_tokio::sockless::error::{Failure, LimitExceeded, Violation};
use sockless_tokio::{
    Acceptor, Answer, CloseCode, Connector, Error, Event, Limits, Request, SendError, accept, connect,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

#[tokio::test]
async fn messages_of_all_lengths_are_echoed_over_pipes_of_all_lengths() {
    for bytes in [3, 7, 4096, 1 << 20] {
        let (mut server, mut client) = pair(bytes).await;
        let serving = tokio::spawn(async move { echo(&mut server).await.map(|()| server) });
        for len in [
            0,
            1,
            125,
            126,
            4096,
            if bytes < 100 { 0 } else { 65_535 },
            if bytes < 100 { 1 } else { 65_536 },
            if bytes < 100 { 5_000 } else { 3 << 20 },
        ] {
            let sent = vec![b'x'; len];
            client.send(&sent).await.unwrap();
            assert!(
                message(&mut client).await.unwrap().unwrap() == sent,
                "{len} bytes over {bytes}"
            );
        }
        let record = client.close(CloseCode::NORMAL, "done").await.unwrap();
        assert!(record.is_clean());
        let server = serving.await.unwrap().unwrap();
        assert!(server.close_record().is_clean());
        assert_eq!(
            (server.close_record().code(), server.close_record().reason),
            (CloseCode::NORMAL, "done")
        );
    }
}

#[tokio::test]
async fn over_tcp_with_one_line_each() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut ws = accept(stream).await.unwrap();
        echo(&mut ws).await.unwrap();
        ws.close_record().code()
    });
    let mut ws = connect(&uri).await.unwrap();
    ws.send("Hello").await.unwrap();
    assert_eq!(message(&mut ws).await.unwrap().unwrap(), b"Hello");
    ws.send(&PreparedMessage::new("many").unwrap()).await.unwrap();
    assert_eq!(message(&mut ws).await.unwrap().unwrap(), b"many");
    assert!(ws.close(CloseCode(4000), "").await.unwrap().is_clean());
    assert_eq!(serving.await.unwrap(), CloseCode(4000));
}

#[tokio::test]
async fn answers_to_one_read_are_one_write() {
    let (mut server, client) = pair(1 << 20).await;
    drop(client);
    // What the client would have sent, all at once.
    let (mut here, there) = duplex(1 << 20);
    let mut ws = sockless_tokio::WebSocket::new(
        there,
        sockless_tokio::sockless::BufferedConnection::new(sockless_tokio::sockless::Connection::new(
            sockless_tokio::Server,
            &Limits::default(),
        )),
    );
    here.write_all(&b"\x82\x81\0\0\0\0a".repeat(1000)).await.unwrap();
    let mut rounds = 0;
    let mut answered = [0; 3000];
    while let Ok(Ok(true)) = tokio::time::timeout(std::time::Duration::from_millis(100), ws.ready()).await {
        rounds += 1;
        while let Some((event, mut tx)) = ws.next_event().unwrap() {
            if let Event::Binary(data) = event {
                tx.binary(data).unwrap();
            }
        }
    }
    here.read_exact(&mut answered).await.unwrap();
    assert_eq!((rounds, &answered[..3]), (1, &b"\x82\x01a"[..]));
    let _ = server.ready().await;
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_is_told_and_so_is_the_caller() {
    let (mut server, client) = pair(1 << 16).await;
    let mut stream = take_stream(client);
    stream.write_all(b"\x81\x01a").await.unwrap(); // not masked
    let reading = tokio::spawn(async move {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        said
    });
    match echo(&mut server).await {
        Err(Error::Failed(Failure::Violation(Violation::UnmaskedFrame))) => {}
        other => panic!("{other:?}"),
    }
    assert!(!server.ready().await.unwrap(), "told once");
    assert_eq!(reading.await.unwrap(), b"\x88\x02\x03\xea");
}

/// The stream of a connection that is dropped without a Close.
fn take_stream<R>(ws: sockless_tokio::WebSocket<tokio::io::DuplexStream, R>) -> tokio::io::DuplexStream
where
    R: sockless_tokio::sockless::connection::Role,
{
    ws.into_parts().0
}

#[tokio::test]
async fn a_limit_is_told_apart() {
    let acceptor = Acceptor::new().limits(Limits::default().with_max_message_len(10));
    let (mut server, mut client) = pair_with(1 << 16, &acceptor, &Connector::new()).await;
    client.send("more than ten bytes").await.unwrap();
    let reading = tokio::spawn(async move {
        while client.ready().await.unwrap() {
            while client.next_event().unwrap().is_some() {}
        }
        client.close_record().code()
    });
    match echo(&mut server).await {
        Err(Error::Failed(Failure::Limit(LimitExceeded::MessageTooLong))) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(reading.await.unwrap(), CloseCode::MESSAGE_TOO_BIG);
}

#[tokio::test]
async fn a_peer_that_goes_away_is_no_error_and_the_record_tells() {
    let (mut server, client) = pair(1 << 16).await;
    drop(client);
    echo(&mut server).await.unwrap();
    assert_eq!(server.close_record().code(), CloseCode::ABNORMAL);
    assert!(matches!(server.send("late").await, Err(Error::Send(SendError::Closed))));
}

#[tokio::test]
async fn closing_discards_what_still_comes_and_either_side_may_start() {
    let (mut server, mut client) = pair(1 << 16).await;
    for _ in 0..100 {
        client.try_send("on its way").unwrap();
    }
    let reading = tokio::spawn(async move {
        while client.ready().await.unwrap() {
            while client.next_event().unwrap().is_some() {}
        }
        client.close_record().code()
    });
    let record = server.close(CloseCode::GOING_AWAY, "restart").await.unwrap();
    assert!(record.is_clean());
    assert_eq!(reading.await.unwrap(), CloseCode::GOING_AWAY);
    // Again, to no effect.
    assert!(server.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    assert!(matches!(
        server.close(CloseCode(1005), "").await,
        Ok(_) | Err(Error::Send(_))
    ));
}

#[tokio::test]
async fn misuse_is_told_apart_and_sends_nothing() {
    let (mut server, mut client) = pair(1 << 16).await;
    assert!(matches!(
        client.close(CloseCode(999), "").await,
        Err(Error::Send(SendError::InvalidCloseCode))
    ));
    server.set_watermark(10);
    server.try_send("eleven bytes").unwrap();
    assert!(matches!(server.try_send("no"), Err(Error::Full)));
    server.flush().await.unwrap();
    server.try_send("yes").unwrap();
    server.flush().await.unwrap();
    assert_eq!(message(&mut client).await.unwrap().unwrap(), b"eleven bytes");
    assert_eq!(message(&mut client).await.unwrap().unwrap(), b"yes");
}

#[tokio::test]
async fn subprotocols_and_origins() {
    let acceptor = Acceptor::new()
        .subprotocols(["v2", "v1"])
        .origins(["https://good.example"]);
    let connector = Connector::new()
        .subprotocols(["v1", "v2"])
        .origin("https://good.example");
    let (server, client) = pair_with(1 << 12, &acceptor, &connector).await;
    assert_eq!((server.subprotocol(), client.subprotocol()), (Some("v2"), Some("v2")));

    let connector = Connector::new().origin("https://evil.example");
    let (here, there) = duplex(1 << 12);
    let (server, client) = tokio::join!(acceptor.accept(here), async {
        connector.connect_over("ws://example.com/", there).await.map(drop)
    });
    assert!(matches!(server, Err(Error::Refused(403))), "{server:?}");
    match client {
        Err(Error::Rejected(rejection)) => {
            assert_eq!(
                (rejection.status, &rejection.body[..]),
                (403, &b"origin not allowed\n"[..])
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn plain_http_and_what_is_no_http_are_answered() {
    let cases = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 "),
        ("\x16\x03\x01", "HTTP/1.1 400 "),
    ];
    for (request, answer) in cases {
        let (here, mut there) = duplex(1 << 12);
        let client = async {
            there.write_all(request.as_bytes()).await.unwrap();
            let mut said = String::new();
            there.read_to_string(&mut said).await.unwrap();
            drop(there);
            said
        };
        let (served, said) = tokio::join!(accept(here), client);
        match (served, request.starts_with("GET")) {
            (Err(Error::Refused(426)), true) | (Err(Error::Handshake(_)), false) => {}
            (other, _) => panic!("{other:?}"),
        }
        assert!(said.starts_with(answer), "{said}");
    }
}

#[tokio::test]
async fn a_request_can_be_looked_at() {
    let (here, there) = duplex(1 << 12);
    let acceptor = Acceptor::new();
    let accepting = acceptor.accept_if(here, async |request| match request {
        Request::Upgrade(upgrade) if upgrade.path() == "/chat" => {
            Answer::accept().header("X-Test", upgrade.host().to_owned())
        }
        _ => Answer::respond(404),
    });
    let connector = Connector::new();
    let (served, connected) = tokio::join!(accepting, connector.connect_over("ws://example.com/other", there));
    assert!(served.unwrap().is_none());
    assert!(matches!(connected, Err(Error::Rejected(rejection)) if rejection.status == 404));
}

/// It may take longer than the client may for its request.
#[tokio::test(start_paused = true)]
async fn a_decision_may_wait() {
    let (asked, mut questions) = tokio::sync::mpsc::channel::<(Vec<u8>, tokio::sync::oneshot::Sender<bool>)>(1);
    tokio::spawn(async move {
        while let Some((cookie, answer)) = questions.recv().await {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            answer.send(cookie == b"good").unwrap();
        }
    });
    for cookie in ["good", "bad"] {
        let (here, there) = duplex(1 << 12);
        let asked = asked.clone();
        // In a task of its own, which might run on several threads.
        let serving = tokio::spawn(async move {
            let mut seen = None;
            let acceptor = Acceptor::new();
            let accepting = acceptor.accept_if(here, async |request| {
                let Request::Upgrade(upgrade) = request else {
                    return Answer::respond(404);
                };
                let cookie = upgrade.request().headers().get("Cookie").unwrap().to_vec();
                let (answer, answered) = tokio::sync::oneshot::channel();
                asked.send((cookie, answer)).await.unwrap();
                if !answered.await.unwrap() {
                    return Answer::respond(401);
                }
                // The request is still there.
                seen = Some(upgrade.path().to_owned());
                Answer::accept()
            });
            let Some(mut ws) = accepting.await.unwrap() else {
                assert_eq!(seen, None);
                return false;
            };
            assert_eq!(seen.unwrap(), "/chat");
            echo(&mut ws).await.unwrap();
            assert!(ws.close_record().is_clean());
            true
        });
        let patient = sockless_tokio::Timeouts::default().with_handshake(None);
        let connector = Connector::new().timeouts(patient).header("Cookie", cookie);
        match connector.connect_over("ws://example.com/chat", there).await {
            Ok(mut ws) => {
                ws.send("Hello").await.unwrap();
                assert_eq!(message(&mut ws).await.unwrap().unwrap(), b"Hello");
                assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
            }
            Err(Error::Rejected(rejection)) => assert_eq!(rejection.status, 401),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(serving.await.unwrap(), cookie == "good");
    }
}

#[tokio::test]
async fn a_reset_behind_the_close_is_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let raw = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut ws = accept(stream).await.unwrap();
        ws.ready().await.unwrap();
        while ws.next_event().unwrap().is_some() {}
        ws.flush().await.unwrap(); // the answer to the Close
        let stream: TcpStream = ws.into_parts().0;
        stream.set_zero_linger().unwrap();
    });
    let mut ws = connect(&uri).await.unwrap();
    assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    raw.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pongs_that_waited_for_room_come_after_a_flush() {
    let acceptor = Acceptor::new().limits(Limits::default().with_max_reply_backlog(1000));
    let (mut server, mut client) = pair_with(1 << 16, &acceptor, &Connector::new()).await;
    for _ in 0..50 {
        client.tx().ping(&[b'x'; 100]).unwrap();
    }
    client.flush().await.unwrap();
    let start = Instant::now();
    let mut pings = 0;
    while pings < 50 {
        assert!(server.ready().await.unwrap());
        while let Some((event, _)) = server.next_event().unwrap() {
            pings += usize::from(matches!(event, Event::Ping(_)));
        }
        server.flush().await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_stream_of_messages_ends_after_a_failure() {
    let (server, client) = pair(1 << 12).await;
    let (mut stream, _) = client.into_parts();
    stream.write_all(b"\xff\x80\0\0\0\0").await.unwrap();
    drop(stream);
    let items: Vec<_> = server.into_stream().take(5).collect().await;
    assert!(matches!(items[..], [Err(Error::Failed(_))]), "{items:?}");
}
