//! Futures are dropped at random points, over a stream that takes and gives as little as it likes: nothing is lost, doubled
//! or put out of order.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/chaos.rs"]
mod chaos;
mod common;

use std::future::poll_fn;
use std::pin::Pin;

use chaos::{Chaos, Random, cancel};
use futures_util::{Sink, StreamExt};
use sockless_tokio::sockless::Output;
use sockless_tokio::sockless::connection::Role;
use sockless_tokio::{Acceptor, Client, CloseCode, Connector, Error, Event, Message, Server, WebSocket};
use tokio::io::duplex;
use tokio::task::yield_now;

const RUNS: u64 = 100;

/// What one side is to send.
fn messages(random: &Random, name: u8) -> Vec<Vec<u8>> {
    let count = random.below(20);
    let message = |index: usize| {
        let len = match random.below(8) {
            0 => 0,
            1 => random.below(40_000),
            2 | 3 => random.below(5000),
            _ => random.below(300),
        };
        let mut message = match random.one_in(3) {
            true => (0..len).map(|_| random.below(256) as u8).collect(),
            false => vec![name; len],
        };
        message.extend_from_slice(&(index as u32).to_be_bytes());
        message
    };
    (0..count).map(message).collect()
}

/// A peer that holds up the other while its own output is full, and another that does not: two of the first kind would wait
/// for each other. Messages are compressed or not.
async fn pair(random: &Random, compressed: bool) -> (WebSocket<Chaos, Server>, WebSocket<Chaos, Client>) {
    let (here, there) = duplex(300 + random.below(10_000));
    let (here, there) = (Chaos::new(here, random), Chaos::new(there, random));
    let (mut acceptor, mut connector) = (
        Acceptor::new().watermark(random.below(10_000)),
        Connector::new().watermark(1 << 30),
    );
    #[cfg(feature = "deflate")]
    if compressed {
        let options = || {
            sockless_tokio::sockless::deflate::DeflateOptions::new()
                .with_send_takeover(!random.one_in(3))
                .with_receive_takeover(!random.one_in(3))
                .with_send_window_bits(9 + random.below(7) as u8)
        };
        (acceptor, connector) = (acceptor.deflate(options()), connector.deflate(options()));
    }
    #[cfg(not(feature = "deflate"))]
    let _ = (compressed, &mut acceptor, &mut connector);
    let (server, client) = tokio::join!(acceptor.accept(here), connector.connect_over("ws://a/", there));
    (server.unwrap(), client.unwrap())
}

/// Runs `run` with each seed, on a clock that stands unless all wait; with compressed messages, too.
fn runs<F: Future<Output = ()>>(run: impl Fn(Random, bool) -> F) {
    for seed in 0..RUNS {
        for compressed in [false, cfg!(feature = "deflate")] {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_time().start_paused(true).build().unwrap();
            println!("seed {seed}, compressed {compressed}");
            runtime.block_on(run(Random::new(seed), compressed));
        }
    }
}

/// One side: sends all of `sends`, and receives until it has as many as `expected`. Then it closes, or is closed.
async fn side<R: Role>(
    mut ws: WebSocket<Chaos, R>,
    random: Random,
    sends: Vec<Vec<u8>>,
    expected: usize,
    closes: bool,
) -> Vec<Vec<u8>> {
    let (mut sent, mut seen) = (0, Vec::new());
    while sent < sends.len() || seen.len() < expected {
        match random.below(6) {
            0 | 1 if sent < sends.len() => {
                // If it was dropped it was not sent, and is sent again.
                if let Some(done) = cancel(&random, ws.send(&sends[sent])).await {
                    done.unwrap();
                    sent += 1;
                }
            }
            2 if sent < sends.len() => match ws.try_send(&sends[sent]) {
                Ok(()) => sent += 1,
                Err(Error::Full) => drop(cancel(&random, ws.flush()).await),
                Err(error) => panic!("{error}"),
            },
            3 if ws.tx().output().len() < 1000 => {
                ws.tx().ping(b"?").unwrap();
                yield_now().await;
            }
            _ => match cancel(&random, ws.ready()).await {
                None => {}
                Some(ready) => {
                    assert!(ready.unwrap(), "over too early");
                    while let Some((event, _)) = ws.next_event().unwrap() {
                        if let Event::Binary(data) = event {
                            seen.push(data.to_vec());
                        }
                        // What is left comes later.
                        if random.one_in(5) {
                            break;
                        }
                    }
                }
            },
        }
    }
    loop {
        if closes {
            if let Some(record) = cancel(&random, ws.close(CloseCode::NORMAL, "")).await {
                assert!(record.unwrap().is_clean());
                break;
            }
        } else if let Some(ready) = cancel(&random, ws.ready()).await {
            if !ready.unwrap() {
                break;
            }
            while let Some((event, _)) = ws.next_event().unwrap() {
                assert!(!matches!(event, Event::Binary(_)));
            }
        }
    }
    assert!(ws.close_record().is_clean(), "{}", ws.close_record());
    seen
}

#[test]
fn one_task_for_both_directions() {
    runs(|random, compressed| async move {
        let (server, client) = pair(&random, compressed).await;
        let (down, up) = (messages(&random, b's'), messages(&random, b'c'));
        let closes = random.one_in(2);
        let (at_server, at_client) = tokio::join!(
            side(server, random.clone(), down.clone(), up.len(), closes),
            side(client, random.clone(), up.clone(), down.len(), !closes),
        );
        assert!(at_server == up && at_client == down);
    });
}

/// The same with two halves.
async fn halves<R: Role>(
    ws: WebSocket<Chaos, R>,
    random: Random,
    sends: Vec<Vec<u8>>,
    expected: usize,
    closes: bool,
) -> Vec<Vec<u8>> {
    let (mut reader, mut writer) = ws.split_with(tokio::io::split).unwrap();
    let (all_seen, is_seen) = tokio::sync::oneshot::channel();
    let write_random = random.clone();
    let writing = async move {
        let random = write_random;
        let mut sent = 0;
        while sent < sends.len() {
            match random.below(4) {
                0 => {
                    writer
                        .with_tx(|tx| {
                            if tx.output().len() < 1000 {
                                tx.ping(b"?")
                            } else {
                                Ok(())
                            }
                        })
                        .unwrap();
                    yield_now().await;
                }
                1 => match writer.try_send(&sends[sent]) {
                    Ok(()) => sent += 1,
                    Err(Error::Full) => drop(cancel(&random, writer.flush()).await),
                    Err(error) => panic!("{error}"),
                },
                _ => {
                    if let Some(done) = cancel(&random, writer.send(&sends[sent])).await {
                        done.unwrap();
                        sent += 1;
                    }
                }
            }
        }
        if closes {
            is_seen.await.unwrap();
            while cancel(&random, writer.close(CloseCode::NORMAL, "")).await.is_none() {}
        }
        // What is left goes out without it.
    };
    let reading = async move {
        let (mut seen, mut all_seen) = (Vec::new(), Some(all_seen));
        loop {
            if seen.len() == expected {
                all_seen.take().map(|all_seen| all_seen.send(()));
            }
            match cancel(&random, reader.ready()).await {
                None => continue,
                Some(ready) => {
                    if !ready.unwrap() {
                        break;
                    }
                }
            }
            while let Some(event) = reader.next_event().unwrap() {
                if let Event::Binary(data) = event {
                    seen.push(data.to_vec());
                }
                if random.one_in(5) {
                    break;
                }
            }
        }
        assert!(reader.with_close_record(|record| record.is_clean()));
        seen
    };
    tokio::join!(writing, reading).1
}

#[test]
fn two_halves() {
    runs(|random, compressed| async move {
        let (server, client) = pair(&random, compressed).await;
        let (down, up) = (messages(&random, b's'), messages(&random, b'c'));
        let both_seen = random.one_in(2);
        let (at_server, at_client) = tokio::join!(
            halves(server, random.clone(), down.clone(), up.len(), both_seen),
            side(client, random.clone(), up.clone(), down.len(), !both_seen),
        );
        assert!(at_server == up && at_client == down);
    });
}

/// The same as a stream and a sink, in two tasks.
async fn messages_of<R: Role>(ws: WebSocket<Chaos, R>, random: Random, sends: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut sink, mut stream) = ws.into_stream().split::<Message>();
    let write_random = random.clone();
    let writing = async move {
        let random = write_random;
        for message in sends {
            while cancel(&random, poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx)))
                .await
                .is_none()
            {}
            Pin::new(&mut sink).start_send(message.into()).unwrap();
            if random.one_in(2) {
                let _ = cancel(&random, poll_fn(|cx| Pin::new(&mut sink).poll_flush(cx))).await;
            }
        }
        while cancel(&random, poll_fn(|cx| Pin::new(&mut sink).poll_flush(cx)))
            .await
            .is_none()
        {}
    };
    let reading = async move {
        let mut seen = Vec::new();
        loop {
            match cancel(&random, stream.next()).await {
                None => {}
                Some(None) => return seen,
                Some(Some(message)) => seen.push(message.unwrap().into_bytes().to_vec()),
            }
        }
    };
    tokio::join!(writing, reading).1
}

#[test]
fn a_stream_and_a_sink_in_two_tasks() {
    runs(|random, compressed| async move {
        let (server, client) = pair(&random, compressed).await;
        let (down, up) = (messages(&random, b's'), messages(&random, b'c'));
        let (at_server, at_client) = tokio::join!(
            messages_of(server, random.clone(), down.clone()),
            side(client, random.clone(), up.clone(), down.len(), true),
        );
        assert!(at_server == up && at_client == down);
    });
}
