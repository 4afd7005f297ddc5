//! Compressed messages, as they were agreed to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{echo, message, pair_with};
use futures_util::{SinkExt, StreamExt};
use sockless_tokio::sockless::deflate::DeflateOptions;
use sockless_tokio::{Acceptor, CloseCode, Connector, Message};

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
