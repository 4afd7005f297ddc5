//! Two halves in two tasks, on a runtime with several threads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use common::{echo, message};
use sockless_tokio::{Acceptor, CloseCode, Connector, Error, Event, SendError, accept, connect};
use tokio::io::{AsyncRead, AsyncWrite, BufStream, ReadBuf, duplex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A server whose tasks echo through a channel, and its address.
async fn serve() -> (String, tokio::task::JoinHandle<CloseCode>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut reader, mut writer) = accept(stream).await.unwrap().split().unwrap();
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(4);
        let writing = tokio::spawn(async move {
            while let Some(message) = receiver.recv().await {
                if message == b"close" {
                    writer.close(CloseCode(4001), "asked to").await.unwrap();
                } else {
                    writer.send(&message).await.unwrap();
                }
            }
            // It is dropped while the last messages may not have been written.
        });
        while reader.ready().await.unwrap() {
            while let Some(event) = reader.next_event().unwrap() {
                if let Event::Binary(data) = event {
                    sender.send(data.to_vec()).await.unwrap();
                }
            }
        }
        drop(sender);
        writing.await.unwrap();
        reader.with_close_record(|record| {
            assert!(record.is_clean(), "{record}");
            record.code()
        })
    });
    (uri, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_both_ways_and_either_closes() {
    for asks in [false, true] {
        let (uri, serving) = serve().await;
        let (mut reader, mut writer) = connect(&uri).await.unwrap().split_with(tokio::io::split).unwrap();
        let sent: Vec<Vec<u8>> = (0..200).map(|index: usize| vec![index as u8; index * 500]).collect();
        let sending = sent.clone();
        let writing = tokio::spawn(async move {
            for message in &sending {
                writer.send(message).await.unwrap();
            }
            writer
        });
        let mut seen = Vec::new();
        while seen.len() < sent.len() && reader.ready().await.unwrap() {
            while let Some(event) = reader.next_event().unwrap() {
                if let Event::Binary(data) = event {
                    seen.push(data.to_vec());
                }
            }
        }
        assert!(seen == sent);
        let mut writer = writing.await.unwrap();
        if asks {
            writer.send(b"close").await.unwrap();
        } else {
            writer.close(CloseCode(4000), "").await.unwrap();
            assert!(matches!(writer.send("late").await, Err(Error::Send(SendError::Closed))));
        }
        while reader.ready().await.unwrap() {
            while reader.next_event().unwrap().is_some() {}
        }
        let code = reader.with_close_record(|record| record.code());
        assert!(reader.with_close_record(|record| record.is_clean()));
        let at_server = serving.await.unwrap();
        assert_eq!(
            (code, at_server),
            if asks {
                (CloseCode(4001), CloseCode(4001))
            } else {
                (CloseCode(4000), CloseCode(4000))
            }
        );
    }
}

#[tokio::test]
async fn what_was_sent_goes_out_although_the_writer_is_dropped() {
    let (server, mut client) = common::pair(10).await;
    let (mut reader, mut writer) = server.split_with(tokio::io::split).unwrap();
    writer.try_send(&vec![b'x'; 60_000]).unwrap();
    drop(writer);
    let reading = tokio::spawn(async move {
        while reader.ready().await.unwrap() {
            while reader.next_event().unwrap().is_some() {}
        }
    });
    assert_eq!(message(&mut client).await.unwrap().unwrap().len(), 60_000);
    assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    reading.await.unwrap();
}

#[tokio::test]
async fn pings_are_answered_while_the_writer_does_nothing() {
    let (server, mut client) = common::pair(100).await;
    let (mut reader, _writer) = server.split_with(tokio::io::split).unwrap();
    let reading = tokio::spawn(async move {
        while reader.ready().await.unwrap() {
            while reader.next_event().unwrap().is_some() {}
        }
    });
    client.tx().ping(b"are you there").unwrap();
    'answered: loop {
        assert!(client.ready().await.unwrap());
        while let Some((event, _)) = client.next_event().unwrap() {
            if event == Event::Pong(b"are you there") {
                break 'answered;
            }
        }
    }
    assert!(client.close(None, "").await.unwrap().is_clean());
    reading.await.unwrap();
}

#[tokio::test]
async fn a_frame_that_is_being_sent_in_chunks_is_not_split() {
    let (mut server, mut client) = common::pair(100).await;
    server
        .tx()
        .begin_frame(sockless_tokio::sockless::MessageKind::Binary, 5, true)
        .unwrap();
    let mut server = server.split_with(tokio::io::split).unwrap_err();
    server.tx().chunk(b"hello").unwrap();
    server.flush().await.unwrap();
    assert_eq!(message(&mut client).await.unwrap().unwrap(), b"hello");
    let serving = tokio::spawn(async move { echo(&mut server).await });
    assert!(client.close(None, "").await.unwrap().is_clean());
    serving.await.unwrap().unwrap();
}

/// A stream that takes nothing more.
struct Broken<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Broken<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: Unpin> AsyncWrite for Broken<S> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_discarded_is_not_said_to_be_written() {
    let (server, client) = common::pair(1 << 12).await;
    let (there, _) = client.into_parts();
    let (mut reader, mut writer) = server
        .split_with(|stream| {
            let (read, write) = tokio::io::split(stream);
            (read, Broken(write))
        })
        .unwrap();
    writer.try_send("lost").unwrap();
    drop(there);
    let ended = reader.ready().await;
    assert!(matches!(ended, Err(Error::Io(_))), "{ended:?}");
    assert!(writer.flush().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_was_not_flushed_before_is_flushed_by_the_halves() {
    let (here, there) = duplex(200);
    let (acceptor, connector) = (Acceptor::new(), Connector::new());
    let (server, client) = tokio::join!(
        acceptor.accept(BufStream::new(here)),
        connector.connect_over("ws://example.com/", there)
    );
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    server.try_send(&[b'x'; 1000]).unwrap();
    tokio::time::timeout(Duration::from_millis(1), server.flush())
        .await
        .unwrap_err();
    let (mut reader, _writer) = server.split_with(tokio::io::split).unwrap();
    let reading = tokio::spawn(async move {
        while reader.ready().await.unwrap() {
            while reader.next_event().unwrap().is_some() {}
        }
    });
    let sent = tokio::time::timeout(Duration::from_secs(5), message(&mut client)).await;
    assert_eq!(sent.unwrap().unwrap().unwrap().len(), 1000);
    reading.abort();
}
