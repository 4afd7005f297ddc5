//! Deadlines, on a clock that stands until all wait: nothing is early, and nothing waits for ever.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{echo, message, pair, pair_with};
use sockless_tokio::sockless::handshake::HandshakeError;
use sockless_tokio::sockless::timers::Deadline;
use sockless_tokio::{Acceptor, CloseCode, Connector, Error, Event, Timeouts, accept};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// How long it was, with the resolution of the runtime's timer.
fn after(start: Instant, time: Duration) -> bool {
    start.elapsed() >= time && start.elapsed() <= time + Duration::from_millis(5)
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_measured_and_stays() {
    let (mut server, mut client) = pair(1 << 12).await;
    let reading = tokio::spawn(async move {
        let mut pings = 0;
        while client.ready().await.unwrap() {
            while let Some((event, _)) = client.next_event().unwrap() {
                pings += usize::from(matches!(event, Event::Ping(_)));
            }
        }
        pings
    });
    let serving = async {
        tokio::time::timeout(50 * SECOND, echo(&mut server)).await.unwrap_err();
        assert!(server.round_trip().is_some());
        assert!(server.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    };
    serving.await;
    assert!(reading.await.unwrap() >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_is_found_out() {
    let (mut server, client) = pair(1 << 12).await;
    let (stream, _) = client.into_parts(); // it stays open, and nobody reads
    let start = Instant::now();
    match echo(&mut server).await {
        Err(Error::TimedOut(Deadline::Pong)) => {}
        other => panic!("{other:?}"),
    }
    // 20 s to the Ping, 20 s for the Pong, 10 s for the answer to the Close.
    assert!(after(start, 50 * SECOND), "{:?}", start.elapsed());
    assert!(!server.ready().await.unwrap());
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_after_traffic_is_found_out() {
    let (mut server, mut client) = pair(1 << 12).await;
    let start = Instant::now();
    let serving = tokio::spawn(async move { echo(&mut server).await });
    for _ in 0..3 {
        tokio::time::sleep(7 * SECOND).await;
        client.send("Hello").await.unwrap();
        assert_eq!(message(&mut client).await.unwrap().unwrap(), b"Hello");
    }
    let (stream, _) = client.into_parts(); // it stays open, and nobody reads
    match serving.await.unwrap() {
        Err(Error::TimedOut(Deadline::Pong)) => {}
        other => panic!("{other:?}"),
    }
    // The last byte came at 21 s.
    assert!(after(start, 71 * SECOND), "{:?}", start.elapsed());
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn deadlines_that_are_set_when_a_message_was_read_start_then() {
    let (mut server, mut client) = pair(1 << 12).await;
    client.send("Hello").await.unwrap();
    assert_eq!(message(&mut server).await.unwrap().unwrap(), b"Hello");
    tokio::time::sleep(SECOND).await;
    let idle = Timeouts::OFF.with_idle(Some(5 * SECOND)).with_close(Some(SECOND));
    server.set_timeouts(&idle);
    let start = Instant::now();
    match echo(&mut server).await {
        Err(Error::TimedOut(Deadline::Idle)) => {}
        other => panic!("{other:?}"),
    }
    assert!(after(start, 6 * SECOND), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_same_of_two_halves() {
    let (server, client) = pair(1 << 12).await;
    let (stream, _) = client.into_parts();
    let (mut reader, _writer) = server.split_with(tokio::io::split).unwrap();
    let start = Instant::now();
    match reader.ready().await {
        Err(Error::TimedOut(Deadline::Pong)) => {}
        other => panic!("{other:?}"),
    }
    assert!(after(start, 50 * SECOND), "{:?}", start.elapsed());
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn closing_is_bounded_where_the_peer_does_not_answer() {
    for timeouts in [Timeouts::DEFAULT, Timeouts::DEFAULT.with_close(Some(SECOND))] {
        let (mut server, client) = pair_with(1 << 12, &Acceptor::new().timeouts(timeouts), &Connector::new()).await;
        let (stream, _) = client.into_parts();
        let start = Instant::now();
        let record = server.close(CloseCode::GOING_AWAY, "").await.unwrap();
        assert!(!record.is_clean());
        assert!(after(start, timeouts.close.unwrap()), "{:?}", start.elapsed());
        drop(stream);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_holds_up_nobody_for_ever() {
    let (mut server, client) = pair(1000).await;
    let (stream, _) = client.into_parts();
    let start = Instant::now();
    let sending = async {
        loop {
            server.send(&[b'x'; 10_000]).await?;
        }
    };
    let ended: Result<(), Error> = sending.await;
    assert!(matches!(ended, Err(Error::TimedOut(Deadline::Write))), "{ended:?}");
    assert!(after(start, 30 * SECOND), "{:?}", start.elapsed());
    assert!(matches!(server.ready().await, Err(Error::TimedOut(Deadline::Write))));
    drop(stream);

    let (server, client) = pair(1000).await;
    let (stream, _) = client.into_parts();
    let (mut reader, mut writer) = server.split_with(tokio::io::split).unwrap();
    let start = Instant::now();
    let sending = async { while writer.send(&[b'x'; 10_000]).await.is_ok() {} };
    let (ended, ()) = tokio::join!(reader.ready(), sending);
    assert!(matches!(ended, Err(Error::TimedOut(Deadline::Write))), "{ended:?}");
    assert!(after(start, 30 * SECOND), "{:?}", start.elapsed());
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_is_given_up() {
    let (here, mut there) = duplex(1 << 12);
    let start = Instant::now();
    there.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let reading = tokio::spawn(async move {
        let mut said = String::new();
        there.read_to_string(&mut said).await.unwrap();
        said
    });
    match accept(here).await {
        Err(Error::Handshake(HandshakeError::TimedOut)) => {}
        other => panic!("{other:?}"),
    }
    assert!(after(start, 10 * SECOND), "{:?}", start.elapsed());
    assert!(reading.await.unwrap().starts_with("HTTP/1.1 408 "));

    let (here, _there) = duplex(1 << 12);
    let start = Instant::now();
    match Connector::new().connect_over("ws://example.com/", here).await {
        Err(Error::TimedOut(Deadline::Handshake)) => {}
        other => panic!("{other:?}"),
    }
    assert!(after(start, 10 * SECOND), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_too_slowly_and_a_peer_that_only_pings() {
    let acceptor = Acceptor::new().timeouts(Timeouts::DEFAULT.with_idle(Some(15 * SECOND)));
    let (mut server, mut client) = pair_with(1 << 12, &acceptor, &Connector::new()).await;
    let start = Instant::now();
    let client = tokio::spawn(async move {
        loop {
            client.tx().ping(b"here").ok();
            client.flush().await.ok();
            tokio::time::sleep(SECOND).await;
            match tokio::time::timeout(SECOND, client.ready()).await {
                Ok(Ok(true)) => while client.next_event().unwrap().is_some() {},
                Ok(_) => return client.close_record().code(),
                Err(_) => {}
            }
        }
    });
    echo(&mut server).await.unwrap(); // closed and answered: no error
    assert!(start.elapsed() >= 15 * SECOND && start.elapsed() < 20 * SECOND);
    assert_eq!(client.await.unwrap(), CloseCode::GOING_AWAY);

    let (mut server, client) = pair(1 << 12).await;
    let (mut stream, _) = client.into_parts();
    let start = Instant::now();
    let slow = tokio::spawn(async move {
        // A frame of 100 bytes, a byte every five seconds.
        for byte in b"\x82\xe4".iter().chain([0; 104].iter()) {
            if stream.write_all(&[*byte]).await.is_err() {
                return stream;
            }
            tokio::time::sleep(5 * SECOND).await;
        }
        stream
    });
    assert!(matches!(
        echo(&mut server).await,
        Err(Error::TimedOut(Deadline::Message))
    ));
    assert!(start.elapsed() >= 20 * SECOND && start.elapsed() < 40 * SECOND);
    drop(server);
    slow.abort();
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_read_for_long_finds_the_peer_there() {
    // The client has patience.
    let connector = Connector::new().timeouts(Timeouts::DEFAULT.with_ping_after(None));
    let (mut server, mut client) = pair_with(1 << 12, &Acceptor::new(), &connector).await;
    let client = tokio::spawn(async move {
        client.send("first").await.unwrap();
        client.send("second").await.unwrap();
        while client.ready().await.unwrap() {
            while client.next_event().unwrap().is_some() {}
        }
    });
    assert_eq!(message(&mut server).await.unwrap().unwrap(), b"first");
    tokio::time::sleep(300 * SECOND).await; // the application thinks about it
    assert_eq!(message(&mut server).await.unwrap().unwrap(), b"second");
    let _ = tokio::time::timeout(100 * SECOND, server.ready()).await;
    assert!(server.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    client.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_of_the_output_handle_has_the_same_deadline() {
    let (server, client) = pair(1 << 12).await;
    let (stream, _) = client.into_parts();
    let (mut reader, mut writer) = server.split_with(tokio::io::split).unwrap();
    let start = Instant::now();
    writer.with_tx(|tx| tx.close(CloseCode::NORMAL, "")).unwrap();
    writer.flush().await.unwrap();
    let ended = reader.ready().await;
    assert!(matches!(ended, Err(Error::TimedOut(Deadline::Close))), "{ended:?}");
    assert!(after(start, Timeouts::DEFAULT.close.unwrap()), "{:?}", start.elapsed());
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn the_clock_stands_after_a_wait_that_was_dropped() {
    let acceptor = Acceptor::new().timeouts(Timeouts::OFF.with_idle(Some(5 * SECOND)));
    let (server, client) = pair_with(500, &acceptor, &Connector::new()).await;
    let (mut stream, _) = client.into_parts();
    let (mut reader, mut writer) = server.split_with(tokio::io::split).unwrap();
    tokio::time::timeout(SECOND, reader.ready()).await.unwrap_err();
    // The application does something else than to read, and what has come is not looked at.
    stream.write_all(b"\x82\x81\0\0\0\0x").await.unwrap();
    writer.try_send(&[b'x'; 2000]).unwrap();
    tokio::time::timeout(10 * SECOND, writer.flush()).await.unwrap_err();
    assert_eq!(reader.passed(), None);
}
