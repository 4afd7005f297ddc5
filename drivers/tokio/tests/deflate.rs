//! Compressed messages, as they were agreed to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{echo, message, pair_with};
use futures_util::{SinkExt, StreamExt};
use sockless_tokio::sockless::Output;
use sockless_tokio::sockless::deflate::DeflateOptions;
use sockless_tokio::{Acceptor, CloseCode, Connector, Event, Message, PreparedMessage, ReadHalf, WriteHalf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

const LONG: &str = "the same words again and again, ";

#[tokio::test]
async fn messages_are_compressed_where_both_agree_and_plain_where_one_does_not() {
    let (with, without) = (DeflateOptions::new(), None);
    for (server, client) in [(Some(with), Some(with)), (Some(with), without), (without, Some(with))] {
        let (mut acceptor, mut connector) = (Acceptor::new(), Connector::new());
        if let Some(options) = server {
            acceptor = acceptor.deflate(options);
        }
        if let Some(options) = client {
            connector = connector.deflate(options);
        }
        let (mut server, mut client) = pair_with(1 << 16, &acceptor, &connector).await;
        let serving = tokio::spawn(async move { echo(&mut server).await });
        let text = LONG.repeat(1000);
        for len in [0, 10, 1000, text.len()] {
            client.try_send(&text[..len]).unwrap();
            let put = client.tx().output().unwritten().len();
            if with_both(&acceptor, &connector) && len >= 1000 {
                assert!(put < len / 5, "{put} of {len}");
            } else {
                assert!(put >= len);
            }
            assert!(message(&mut client).await.unwrap().unwrap() == text.as_bytes()[..len]);
        }
        assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        serving.await.unwrap().unwrap();
    }
}

fn with_both(acceptor: &Acceptor, connector: &Connector) -> bool {
    let set = "deflate: Some";
    format!("{acceptor:?}").contains(set) && format!("{connector:?}").contains(set)
}

#[tokio::test]
async fn owned_messages_compress_too() {
    let acceptor = Acceptor::new().deflate(DeflateOptions::new());
    let connector = Connector::new().deflate(DeflateOptions::new());
    let (mut server, client) = pair_with(1 << 16, &acceptor, &connector).await;
    let serving = tokio::spawn(async move { echo(&mut server).await });
    let mut messages = client.into_stream();
    for message in [
        Message::text(LONG.repeat(3000)),
        Message::binary(vec![7; 100_000]),
        Message::text("short"),
    ] {
        messages.send(message.clone()).await.unwrap();
        assert!(messages.next().await.unwrap().unwrap() == message);
    }
    SinkExt::<Message>::close(&mut messages).await.unwrap();
    assert!(messages.close_record().is_clean());
    assert!(messages.next().await.is_none());
    serving.await.unwrap().unwrap();
}

/// Sends all of `sends` in a task of its own, and receives until the connection is over.
async fn exchange<I, O, R>(
    (mut reader, mut writer): (ReadHalf<I, O, R>, WriteHalf<O, R>),
    sends: Vec<Vec<u8>>,
    closes_after: Option<usize>,
) -> Vec<Vec<u8>>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin + Send + 'static,
    R: sockless_tokio::sockless::connection::Role + Send + 'static,
{
    let (all_seen, mut is_seen) = mpsc::channel(1);
    let writing = tokio::spawn(async move {
        for message in &sends {
            writer.send(message).await.unwrap();
        }
        if closes_after.is_some() {
            is_seen.recv().await.unwrap();
            writer.close(CloseCode::NORMAL, "").await.unwrap();
        }
    });
    let mut seen = Vec::new();
    while reader.ready().await.unwrap() {
        while let Some(event) = reader.next_event().unwrap() {
            if let Event::Binary(data) = event {
                seen.push(data.to_vec());
            }
        }
        if closes_after == Some(seen.len()) {
            let _ = all_seen.try_send(());
        }
    }
    writing.await.unwrap();
    assert!(reader.with_close_record(|record| record.is_clean()));
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_halves_in_two_tasks_each() {
    let acceptor = Acceptor::new().deflate(DeflateOptions::new());
    let connector = Connector::new().deflate(DeflateOptions::new());
    let (server, client) = pair_with(1 << 12, &acceptor, &connector).await;
    let messages = |seed: usize| -> Vec<Vec<u8>> {
        let message = |number| LONG.as_bytes().repeat((number * seed) % 70 * (number % 40));
        (0..300).map(message).collect()
    };
    let (down, up) = (messages(3), messages(7));
    let (here, there) = (
        server.split_with(tokio::io::split).unwrap(),
        client.split_with(tokio::io::split).unwrap(),
    );
    let at_server = tokio::spawn(exchange(here, down.clone(), None));
    let at_client = exchange(there, up.clone(), Some(down.len())).await;
    assert!(at_client == down && at_server.await.unwrap() == up);
}

/// What was said before stays in the windows, and what has come and was not received is received by the half.
#[tokio::test]
async fn a_connection_is_split_in_the_middle_of_a_conversation() {
    let acceptor = Acceptor::new().deflate(DeflateOptions::new());
    let connector = Connector::new().deflate(DeflateOptions::new());
    let (mut server, mut client) = pair_with(1 << 16, &acceptor, &connector).await;
    let text: String = (0..500).map(|number| format!("{number} ")).collect();
    client.send(&text).await.unwrap();
    assert!(message(&mut server).await.unwrap().unwrap() == text.as_bytes());
    server.send(&text).await.unwrap();
    assert!(message(&mut client).await.unwrap().unwrap() == text.as_bytes());
    for _ in 0..3 {
        client.try_send(&text).unwrap();
    }
    client.flush().await.unwrap();
    assert!(message(&mut server).await.unwrap().unwrap() == text.as_bytes());

    let (mut reader, mut writer) = server.split_with(tokio::io::split).unwrap();
    for _ in 0..2 {
        let put = writer.with_tx(|tx| tx.text(&text).map(|()| tx.output().len())).unwrap();
        assert!(put < 200, "{put} bytes for what was said before");
    }
    writer.send(&PreparedMessage::new("plain").unwrap()).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        while reader.ready().await.unwrap() {
            while let Some(event) = reader.next_event().unwrap() {
                if let Event::Text(text) = event {
                    seen.push(text.to_owned());
                }
            }
        }
        seen
    });
    for expected in [&*text, &*text, "plain"] {
        assert!(message(&mut client).await.unwrap().unwrap() == expected.as_bytes());
    }
    client.send("last").await.unwrap();
    assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    assert!(reading.await.unwrap() == [text.clone(), text.clone(), "last".into()]);
}

#[tokio::test]
async fn a_frame_that_is_being_sent_in_chunks_is_not_split_and_goes_on() {
    let acceptor = Acceptor::new().deflate(DeflateOptions::new());
    let connector = Connector::new().deflate(DeflateOptions::new());
    let (mut server, mut client) = pair_with(1 << 16, &acceptor, &connector).await;
    let kind = sockless_tokio::sockless::MessageKind::Binary;
    server.tx().begin_frame(kind, 5, true).unwrap();
    let mut server = server.split_with(tokio::io::split).unwrap_err();
    server.tx().chunk(b"hello").unwrap();
    server.try_send(&LONG.repeat(100)).unwrap();
    server.flush().await.unwrap();
    assert_eq!(message(&mut client).await.unwrap().unwrap(), b"hello");
    assert!(message(&mut client).await.unwrap().unwrap() == LONG.repeat(100).as_bytes());
}
