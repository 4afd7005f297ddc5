//! What users of other crates complain about, each as a test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{echo, message, pair};
use sockless_tokio::sockless::Output;
use sockless_tokio::{CloseCode, Error, accept, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// The length of the answer.
const ANSWER: usize = 129;

/// A connection of a server over TCP, and a bare client of it.
async fn raw() -> (sockless_tokio::WebSocket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(HEAD).await.unwrap();
    let ws = accept(listener.accept().await.unwrap().0).await.unwrap();
    client.read_exact(&mut [0; ANSWER]).await.unwrap();
    (ws, client)
}

/// So many masked Pings of 125 bytes.
fn pings(count: usize) -> Vec<u8> {
    let mut ping = b"\x89\xfd\0\0\0\0".to_vec();
    ping.resize(131, b'p');
    ping.repeat(count)
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_whose_pongs_are_not_read_is_bounded() {
    let (mut server, client) = pair(1 << 16).await;
    let (mut stream, _) = client.into_parts();
    let flood = pings(100_000); // 13 MB
    let written = timeout(Duration::from_secs(5), async {
        let (flooded, _) = tokio::join!(stream.write_all(&flood), async {
            let _ = timeout(Duration::from_secs(5), echo(&mut server)).await;
        });
        flooded
    });
    assert!(!matches!(written.await, Ok(Ok(()))), "it was held up");
    let waiting = server.tx().output().len();
    assert!((1 << 10..512 << 10).contains(&waiting), "{waiting}");
}

#[tokio::test(start_paused = true)]
async fn the_same_of_two_halves_which_keep_the_last_pong_only() {
    let (server, client) = pair(1 << 16).await;
    let (mut stream, _) = client.into_parts();
    let (mut reader, mut writer) = server.split_with(tokio::io::split).unwrap();
    let flood = pings(20_000);
    let reading = async {
        while let Ok(Ok(true)) = timeout(Duration::from_secs(5), reader.ready()).await {
            while reader.next_event().unwrap().is_some() {}
        }
    };
    let (flooded, ()) = tokio::join!(stream.write_all(&flood), reading);
    flooded.unwrap(); // it reads on
    let waiting = writer.with_tx(|tx| tx.output().len());
    assert!(waiting < 128 << 10, "{waiting}");
}

#[tokio::test]
async fn frames_in_one_piece_with_either_head_are_not_lost() {
    let (here, mut there) = duplex(1 << 12);
    there.write_all(&[HEAD, b"\x81\x82\0\0\0\0hi"].concat()).await.unwrap();
    let mut ws = accept(here).await.unwrap();
    assert_eq!(message(&mut ws).await.unwrap().unwrap(), b"hi");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        // A server that says hello at once: answer and message leave together.
        let mut ws = accept(listener.accept().await.unwrap().0).await.unwrap();
        ws.send("hi").await.unwrap();
        echo(&mut ws).await
    });
    let mut ws = connect(&uri).await.unwrap();
    assert_eq!(message(&mut ws).await.unwrap().unwrap(), b"hi");
}

#[tokio::test]
async fn a_client_that_ends_its_direction_still_gets_its_answers() {
    let (mut ws, mut client) = raw().await;
    client.write_all(b"\x82\x83\0\0\0\0abc").await.unwrap();
    client.shutdown().await.unwrap();
    echo(&mut ws).await.unwrap();
    assert_eq!(ws.close_record().code(), CloseCode::ABNORMAL);
    drop(ws);
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"\x82\x03abc");
}

#[tokio::test]
async fn a_close_and_the_end_of_the_stream_in_one_piece_are_answered() {
    let (mut ws, mut client) = raw().await;
    client.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    client.shutdown().await.unwrap();
    echo(&mut ws).await.unwrap();
    assert!(ws.close_record().is_clean());
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"\x88\x02\x03\xe8");
}

#[tokio::test]
async fn a_reset_without_a_close_is_an_error_of_the_transport_and_what_came_before_is_received() {
    let (mut ws, mut client) = raw().await;
    client.write_all(b"\x82\x83\0\0\0\0abc").await.unwrap();
    assert_eq!(message(&mut ws).await.unwrap().unwrap(), b"abc");
    client.set_zero_linger().unwrap();
    drop(client);
    assert!(matches!(echo(&mut ws).await, Err(Error::Io(_))));
    assert!(!ws.ready().await.unwrap());
}

#[tokio::test]
async fn a_close_that_waits_behind_what_cannot_be_written_is_heard() {
    // The peer closes and is gone, while there is output for it.
    let (mut ws, mut client) = raw().await;
    ws.try_send(&vec![0; 1 << 20]).unwrap();
    client.write_all(b"\x88\x82\0\0\0\0\x03\xe9").await.unwrap();
    client.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(client); // unread input: a reset
    // Whether that is an error depends on which the system tells first.
    while let Ok(true) = ws.ready().await {
        while ws.next_event().unwrap().is_some() {}
    }
    assert_eq!(ws.close_record().code(), CloseCode::GOING_AWAY);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_holds_no_buffer_after_whatever_traffic() {
    let (mut server, mut client) = pair(1 << 20).await;
    for len in [10, 5_000, 300_000, 3] {
        client.try_send(&vec![b'x'; len]).unwrap();
        let _ = tokio::join!(timeout(Duration::from_millis(300), echo(&mut server)), async {
            assert_eq!(message(&mut client).await.unwrap().unwrap().len(), len);
        });
        let (stream, mut ws) = server.into_parts();
        assert_eq!((ws.buffers().0.capacity(), ws.buffers().1.capacity()), (0, 0), "{len}");
        server = sockless_tokio::WebSocket::new(stream, ws);
    }
}
