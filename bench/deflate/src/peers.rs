//! Peers that compress, each with its defaults, over the same pipe in memory: an echo between two ends of the same
//! implementation, in time, in bytes on the wire, and in bytes held.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

use futures::{SinkExt as _, StreamExt as _};
use sockless::buffered::BufferedConnection;
use sockless::connection::{Client, Connection, Role, Server};
use sockless::deflate::{DeflateOptions, Engines};
use sockless::handshake::Extension;
use sockless::limits::Limits;
use sockless::message::Event;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};

/// One end of a pipe that counts what is written.
struct Pipe {
    stream: DuplexStream,
    written: Arc<AtomicUsize>,
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = written {
            self.written.fetch_add(len, Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn pipe(written: &Arc<AtomicUsize>) -> (Pipe, Pipe) {
    let (a, b) = tokio::io::duplex(64 << 10);
    let end = |stream| Pipe {
        stream,
        written: written.clone(),
    };
    (end(a), end(b))
}

/// A pair of connected ends.
enum Pair {
    Ours(Box<(Ours<Server>, Ours<Client<Keys>>)>),
    Yawc(Box<(yawc::WebSocket<Pipe>, yawc::WebSocket<Pipe>)>),
    Sockudo(Box<(Sockudo, Sockudo)>),
}

type Keys = fn(&mut [u8]);
type Sockudo = sockudo_ws::CompressedWebSocketStream<Pipe>;

struct Ours<R> {
    ws: BufferedConnection<R>,
    pipe: Pipe,
}

impl<R: Role> Ours<R> {
    async fn send(&mut self, message: &str, engines: &mut Engines) {
        self.ws.tx_with(engines).text(message).unwrap();
        self.flush().await;
    }

    async fn flush(&mut self) {
        while !self.ws.output().is_empty() {
            let n = self.pipe.write(self.ws.output()).await.unwrap();
            self.ws.written(n);
        }
    }

    /// Receives one message, and sends it back if it is an echo.
    async fn receive(&mut self, engines: &mut Engines, echo: bool) -> usize {
        loop {
            if let Some((event, mut tx)) = self.ws.next_event_with(engines).unwrap() {
                let Event::Text(text) = event else { panic!("{event:?}") };
                let len = text.len();
                if echo {
                    tx.text(text).unwrap();
                    self.flush().await;
                }
                return len;
            }
            let n = self.pipe.read(self.ws.space()).await.unwrap();
            self.ws.advance(n);
        }
    }
}

/// Who is measured: a name, and how it is set up.
pub(crate) const PEERS: [(&str, &str); 5] = [
    (
        "sockless",
        "takeover, 4 KiB sent, 32 KiB received, level 6; one set of engines",
    ),
    (
        "sockless, small",
        "takeover, 4 KiB both ways, level 6; one set of engines",
    ),
    ("sockless, no takeover", "level 6; one set of engines"),
    ("yawc", "`with_balanced_compression`"),
    ("sockudo-ws", "`DeflateConfig::default`"),
];

fn ours(options: DeflateOptions, (server, client): (Pipe, Pipe)) -> Pair {
    let offer = options.offer();
    let servers = options.accept(Extension::parse(offer.as_str())).unwrap();
    let clients = options.judge(Extension::parse(servers.as_str())).unwrap().unwrap();
    let limits = Limits::default();
    let keys = |key: &mut [u8]| key.fill(0x5a);
    let end = |ws, pipe| Ours { ws, pipe };
    let server = end(
        BufferedConnection::new(Connection::new(Server, &limits)).with_deflate(&servers),
        server,
    );
    let ws = BufferedConnection::new(Connection::new(Client::new(keys as Keys), &limits)).with_deflate(&clients);
    Pair::Ours(Box::new((server, Ours { ws, pipe: client })))
}

async fn connect(peer: &str, written: &Arc<AtomicUsize>) -> Pair {
    let (server, client) = pipe(written);
    match peer {
        "sockless" => ours(DeflateOptions::new(), (server, client)),
        "sockless, small" => ours(DeflateOptions::small(), (server, client)),
        "sockless, no takeover" => ours(
            DeflateOptions::new()
                .with_send_takeover(false)
                .with_receive_takeover(false),
            (server, client),
        ),
        "yawc" => {
            let open = |pipe, role| {
                let options = yawc::Options::default().with_balanced_compression().with_utf8();
                yawc::WebSocket::from_stream_with_extensions(pipe, role, Some("permessage-deflate"), options).unwrap()
            };
            Pair::Yawc(Box::new((
                open(server, yawc::Role::Server),
                open(client, yawc::Role::Client),
            )))
        }
        "sockudo-ws" => {
            let (config, deflate) = (sockudo_ws::Config::default, sockudo_ws::DeflateConfig::default);
            Pair::Sockudo(Box::new((
                Sockudo::server(server, config(), deflate()),
                Sockudo::client(client, config(), deflate()),
            )))
        }
        other => panic!("no peer {other}"),
    }
}

impl Pair {
    /// The client sends a message, and the server sends it back.
    async fn echo(&mut self, message: &str, engines: &mut Engines) {
        let len = match self {
            Self::Ours(ends) => {
                let (server, client) = &mut **ends;
                client.send(message, engines).await;
                server.receive(engines, true).await;
                client.receive(engines, false).await
            }
            Self::Yawc(ends) => {
                let (server, client) = &mut **ends;
                client.send(yawc::Frame::text(message.to_owned())).await.unwrap();
                let frame = server.next_frame().await.unwrap();
                server.send(yawc::Frame::text(frame.into_payload())).await.unwrap();
                client.next_frame().await.unwrap().payload().len()
            }
            Self::Sockudo(ends) => {
                let (server, client) = &mut **ends;
                client
                    .send(sockudo_ws::Message::text(message.to_owned()))
                    .await
                    .unwrap();
                let received = server.next().await.unwrap().unwrap();
                server.send(received).await.unwrap();
                match client.next().await.unwrap().unwrap() {
                    sockudo_ws::Message::Text(text) => text.len(),
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(len, message.len());
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// What was measured of one peer.
pub(crate) struct Row {
    /// Microseconds for each echo of the median round, with one connection, and with many in turn.
    pub(crate) time: [f64; 2],
    /// The median of the ratios to the first peer's time in the same round.
    pub(crate) ratio: [f64; 2],
    /// Bytes on the wire as a share of the messages' bytes.
    pub(crate) size: f64,
    /// Bytes held for each end of a connection.
    pub(crate) held: usize,
}

/// Connections that take turns.
pub(crate) const MANY: usize = 500;
pub(crate) const ROUNDS: usize = 11;

/// Measures all peers, round by round.
pub(crate) fn measure(messages: &[String]) -> Vec<Row> {
    let times = [1, MANY].map(|count| block_on(time(messages, count)));
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut rows = Vec::new();
    for (at, (name, _)) in PEERS.iter().enumerate() {
        let time = times
            .each_ref()
            .map(|(rounds, _)| middle(rounds.iter().map(|round| round[at]).collect()));
        let ratio = times
            .each_ref()
            .map(|(rounds, _)| middle(rounds.iter().map(|round| round[at] / round[0]).collect()));
        let (size, held) = (times[0].1[at], held_in_a_process(name));
        rows.push(Row {
            time,
            ratio,
            size,
            held,
        });
    }
    rows
}

/// The time of each echo in each round, for each peer; and the sizes.
async fn time(messages: &[String], count: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut engines: Vec<Engines> = PEERS.iter().map(|_| Engines::new()).collect();
    let (mut pairs, mut written) = (Vec::new(), Vec::new());
    for (name, _) in PEERS {
        let bytes = Arc::new(AtomicUsize::new(0));
        let mut group = Vec::new();
        for _ in 0..count {
            group.push(connect(name, &bytes).await);
        }
        pairs.push(group);
        written.push(bytes);
    }
    let passes = if count == 1 { 8 } else { 1 };
    let (mut rounds, mut sizes) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        // With many connections a few messages in each round, others each time, so that none comes again within a window.
        let messages = if count == 1 {
            messages
        } else {
            &messages[4 * round..4 * round + 4]
        };
        let mut times = Vec::new();
        for ((group, engines), written) in pairs.iter_mut().zip(&mut engines).zip(&written) {
            written.store(0, Relaxed);
            let start = Instant::now();
            for _ in 0..passes {
                for message in messages {
                    for pair in &mut *group {
                        pair.echo(message, engines).await;
                    }
                }
            }
            let echoes = (passes * messages.len() * count) as f64;
            times.push(start.elapsed().as_secs_f64() * 1e6 / echoes);
            if round == ROUNDS {
                sizes.push(written.load(Relaxed) as f64 / (2.0 * 1024.0 * echoes));
            }
        }
        // The first warms up.
        if round > 0 {
            rounds.push(times);
        }
    }
    (rounds, sizes)
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Prints what each end of a connection of a peer holds once messages went both ways.
pub(crate) fn held(peer: &str, messages: &[String]) {
    block_on(async {
        let (mut engines, written) = (Engines::new(), Arc::new(AtomicUsize::new(0)));
        // What is held once, whatever the number of connections.
        let mut first = connect(peer, &written).await;
        for message in messages {
            first.echo(message, &mut engines).await;
        }
        let before = resident();
        let mut pairs = Vec::new();
        for _ in 0..MANY {
            let mut pair = connect(peer, &written).await;
            for message in messages {
                pair.echo(message, &mut engines).await;
            }
            pairs.push(pair);
        }
        println!("{}", (resident() - before) / (2 * MANY));
    });
}

fn held_in_a_process(peer: &str) -> usize {
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program)
        .args(["held", peer])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
