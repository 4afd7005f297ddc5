//! Upgrades of requests that hyper has read: HTTP/1.1, and extended CONNECT over HTTP/2.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/http.rs"]
mod http;

use std::convert::Infallible;
use std::time::Duration;

use ::hyper::body::{Bytes, Incoming};
use ::hyper::ext::Protocol;
use ::hyper::header::{HeaderName, HeaderValue};
use ::hyper::service::service_fn;
use ::hyper::{Method, Request, Response, Version};
use common::{echo, message};
use http::{Session, VERSIONS};
use http_body_util::BodyExt;
use sockless_tokio::hyper::{Opening, is_upgrade};
use sockless_tokio::sockless::error::Failure;
use sockless_tokio::sockless::handshake::{ConnectOptions, HandshakeError};
use sockless_tokio::{Acceptor, CloseCode, Error, Limits, Result, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// How a connection of the server has ended: whether cleanly, with which code and reason, and which subprotocol it had.
#[derive(Debug)]
struct Ended {
    clean: bool,
    code: CloseCode,
    reason: String,
    subprotocol: Option<String>,
}

type Endings = UnboundedReceiver<Result<Ended>>;

/// What the server does with each connection: closes it from `/close`, echoes from everywhere else.
async fn run(opening: Opening, path: String) -> Result<Ended> {
    let mut ws = opening.await?;
    if path == "/close" {
        ws.close(CloseCode(4001), "enough").await?;
    } else {
        echo(&mut ws).await?;
    }
    let record = ws.close_record();
    Ok(Ended {
        clean: record.is_clean(),
        code: record.code(),
        reason: record.reason.to_owned(),
        subprotocol: ws.subprotocol().map(str::to_owned),
    })
}

/// Serves one connection of HTTP, which may carry several of WebSocket. Plain requests to `/page` get a page.
async fn serve(stream: DuplexStream, acceptor: Acceptor, endings: UnboundedSender<Result<Ended>>) {
    let answer = move |mut request: Request<Incoming>| {
        let response = if request.uri().path() == "/page" && !is_upgrade(&request) {
            Response::new("page".to_owned())
        } else {
            let (response, opening) = acceptor.upgrade(&mut request);
            let running = run(opening, request.uri().path().to_owned());
            let endings = endings.clone();
            tokio::spawn(async move { endings.send(running.await) });
            response
        };
        async move { Ok::<_, Infallible>(response) }
    };
    http::serve(stream, service_fn(answer)).await;
}

async fn session(version: Version, acceptor: &Acceptor) -> (Session, Endings) {
    let (endings, mut receiver) = unbounded_channel();
    let acceptor = acceptor.clone();
    let session = Session::new(version, |stream| serve(stream, acceptor, endings)).await;
    if version == Version::HTTP_2 {
        // The first request of a session asks for no WebSocket.
        match receiver.recv().await {
            Some(Err(Error::Refused(400))) => {}
            other => panic!("{other:?}"),
        }
    }
    (session, receiver)
}

#[tokio::test]
async fn messages_of_all_lengths_and_a_clean_close_from_the_client() {
    for version in VERSIONS {
        let (mut session, mut endings) = session(version, &Acceptor::new()).await;
        let mut ws = session.connect("http://example.com/").await;
        for len in [0, 1, 125, 126, 65_535, 65_536, 3 << 20] {
            // The answer fits no window, so that it is read while the message is still being written.
            let sent = vec![b'x'; len];
            ws.try_send(&sent).unwrap();
            assert!(
                message(&mut ws).await.unwrap().unwrap() == sent,
                "{len} bytes, {version:?}"
            );
        }
        ws.send("text").await.unwrap();
        assert_eq!(message(&mut ws).await.unwrap().unwrap(), b"text");
        let record = ws.close(CloseCode(4000), "done").await.unwrap();
        assert!(record.is_clean(), "{version:?}: {record:?}");
        let ended = endings.recv().await.unwrap().unwrap();
        assert!(ended.clean, "{version:?}: {ended:?}");
        assert_eq!((ended.code, &*ended.reason), (CloseCode(4000), "done"));
    }
}

#[tokio::test]
async fn a_clean_close_from_the_server() {
    for version in VERSIONS {
        let (mut session, mut endings) = session(version, &Acceptor::new()).await;
        let mut ws = session.connect("http://example.com/close").await;
        assert_eq!(message(&mut ws).await.unwrap(), None);
        let record = ws.close_record();
        assert!(record.is_clean(), "{version:?}: {record:?}");
        assert_eq!((record.code(), record.reason), (CloseCode(4001), "enough"));
        assert!(endings.recv().await.unwrap().unwrap().clean, "{version:?}");
    }
}

#[tokio::test]
async fn one_session_of_http2_carries_several_connections_and_requests() {
    let (mut session, mut endings) = session(Version::HTTP_2, &Acceptor::new()).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(session.connect("http://example.com/").await);
    }
    let page = Request::get("http://example.com/page").body(String::new()).unwrap();
    let page = session.send(page).await.into_body().collect().await.unwrap();
    assert_eq!(page.to_bytes(), "page");
    for (number, ws) in open.iter_mut().enumerate() {
        ws.send(&number.to_string()).await.unwrap();
    }
    for (number, ws) in open.iter_mut().enumerate() {
        assert_eq!(message(ws).await.unwrap().unwrap(), number.to_string().as_bytes());
    }
    for mut ws in open {
        assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        assert!(endings.recv().await.unwrap().unwrap().clean);
    }
}

#[tokio::test]
async fn a_subprotocol_is_agreed_to() {
    for version in VERSIONS {
        let acceptor = Acceptor::new().subprotocols(["chat.v2", "chat.v1"]);
        for (offered, agreed) in [
            (&["chat.v1", "chat.v2"][..], Some("chat.v2")),
            (&["other", "chat.v1"], Some("chat.v1")),
            (&["other"], None),
            (&[], None),
        ] {
            let (mut session, mut endings) = session(version, &acceptor).await;
            let options = ConnectOptions::new().subprotocols(offered);
            let (mut ws, told) = session.connect_with("http://example.com/", &options).await;
            assert_eq!(told.as_deref(), agreed, "{version:?}, {offered:?}");
            ws.close(None, "").await.unwrap();
            let ended = endings.recv().await.unwrap().unwrap();
            assert_eq!(
                (ended.subprotocol.as_deref(), ended.code),
                (agreed, CloseCode::NO_STATUS)
            );
        }
    }
}

#[tokio::test]
async fn limits_and_timeouts_are_those_of_the_acceptor() {
    for version in VERSIONS {
        let acceptor = Acceptor::new().limits(Limits::default().with_max_message_len(1000));
        let (mut session, mut endings) = session(version, &acceptor).await;
        let mut ws = session.connect("http://example.com/").await;
        ws.send(&vec![0; 1001]).await.unwrap();
        assert_eq!(message(&mut ws).await.unwrap(), None);
        assert_eq!(ws.close_record().code(), CloseCode::MESSAGE_TOO_BIG, "{version:?}");
        match endings.recv().await.unwrap() {
            Err(Error::Failed(Failure::Limit(_))) => {}
            other => panic!("{version:?}: {other:?}"),
        }
    }
}

/// On the runtime's clock, which is paused: no deadline is that of the default.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_dropped_when_its_time_is_over() {
    let seconds = |count| Some(Duration::from_secs(count));
    let timeouts = Timeouts::OFF.with_ping_after(seconds(3)).with_pong_within(seconds(2));
    for version in VERSIONS {
        let acceptor = Acceptor::new().timeouts(timeouts.with_close(seconds(1)));
        let (mut session, mut endings) = session(version, &acceptor).await;
        let began = Instant::now();
        let stream = session.upgraded("http://example.com/").await.unwrap();
        match endings.recv().await.unwrap() {
            Err(Error::TimedOut(_)) => {}
            other => panic!("{version:?}: {other:?}"),
        }
        assert_eq!(began.elapsed().as_secs(), 6, "{version:?}");
        drop(stream);
    }
}

/// What a request that breaks a rule is answered with: status, header fields, and what the server hears.
#[tokio::test]
async fn requests_that_are_refused() {
    use HandshakeError::{
        BodyDeclared, ConnectionMissing, HostMissing, KeyInvalid, KeyMissing, KeyRepeated, MethodNotGet,
        SubprotocolMalformed, UpgradeMissing, VersionMissing, VersionUnsupported,
    };
    enum Do {
        Remove(&'static str),
        Set(&'static str, &'static str),
        Add(&'static str, &'static str),
        Method(&'static str),
        Body(&'static str),
    }
    use Do::{Add, Body, Method as M, Remove, Set};
    const HTTP1: u8 = 1;
    const BOTH: u8 = 3;
    const HTTP2: u8 = 2;
    let rows = [
        (HTTP1, Remove("sec-websocket-key"), KeyMissing, 400),
        (HTTP1, Set("sec-websocket-key", "short"), KeyInvalid, 400),
        (
            HTTP1,
            Add("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            KeyRepeated,
            400,
        ),
        (HTTP1, Remove("host"), HostMissing, 400),
        (HTTP1, Set("upgrade", "h2c"), UpgradeMissing, 400),
        (HTTP1, Set("connection", "keep-alive"), ConnectionMissing, 400),
        (HTTP1, Body("frames"), BodyDeclared, 400),
        (HTTP1, M("POST"), MethodNotGet, 405),
        (BOTH, Remove("sec-websocket-version"), VersionMissing, 400),
        (HTTP1, Set("sec-websocket-version", "8"), VersionUnsupported, 426),
        (HTTP2, Set("sec-websocket-version", "8"), VersionUnsupported, 400),
        (BOTH, Set("sec-websocket-protocol", "a b"), SubprotocolMalformed, 400),
    ];
    for (versions, what, error, status) in rows {
        for (version, bit) in [(Version::HTTP_11, HTTP1), (Version::HTTP_2, HTTP2)] {
            if versions & bit == 0 {
                continue;
            }
            let (mut session, mut endings) = session(version, &Acceptor::new()).await;
            let (mut request, _) = session.request("http://example.com/", &ConnectOptions::new());
            let headers = request.headers_mut();
            match what {
                Remove(name) => drop(headers.remove(name)),
                Set(name, value) => drop(headers.insert(name, HeaderValue::from_static(value))),
                Add(name, value) => {
                    headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
                }
                Body(text) => *request.body_mut() = text.to_owned(),
                M(method) => *request.method_mut() = method.parse().unwrap(),
            }
            let response = session.send(request).await;
            let context = format!("{error:?}, {version:?}: {response:?}");
            assert_eq!(response.status(), status, "{context}");
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(header("content-type"), Some("text/plain"), "{context}");
            assert_eq!(header("allow"), (status == 405).then_some("GET"), "{context}");
            let told = error == VersionUnsupported;
            assert_eq!(header("sec-websocket-version"), told.then_some("13"), "{context}");
            let upgrade = (status == 426).then_some("websocket");
            assert_eq!(header("upgrade"), upgrade, "{context}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(!body.is_empty() && error.to_string().starts_with(std::str::from_utf8(&body).unwrap()));
            match endings.recv().await.unwrap() {
                Err(Error::Handshake(heard)) => assert_eq!(heard, error, "{context}"),
                other => panic!("{context}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_asks_for_no_websocket_is_told_that_there_is_one() {
    let (mut session, mut endings) = session(Version::HTTP_11, &Acceptor::new()).await;
    let mut request = Request::get("/").body(String::new()).unwrap();
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static("example.com"));
    let response = session.send(request).await;
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    match endings.recv().await.unwrap() {
        Err(Error::Refused(426)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    for version in VERSIONS {
        for (origin, acceptor, status) in [
            (
                Some("https://example.com"),
                Acceptor::new().origins(["https://example.com"]),
                None,
            ),
            (
                Some("https://evil.example"),
                Acceptor::new().origins(["https://example.com"]),
                Some(403),
            ),
            (None, Acceptor::new().origins(["https://example.com"]), None),
            (None, Acceptor::new().only_origins(["https://example.com"]), Some(403)),
            (Some("https://evil.example"), Acceptor::new(), None),
        ] {
            let (mut session, mut endings) = session(version, &acceptor).await;
            let options = origin.map_or(ConnectOptions::new(), |origin| ConnectOptions::new().origin(origin));
            if let Some(status) = status {
                let (request, _) = session.request("http://example.com/", &options);
                let response = session.send(request).await;
                assert_eq!(response.status(), status, "{version:?}, {origin:?}");
                match endings.recv().await.unwrap() {
                    Err(Error::Refused(heard)) => assert_eq!(heard, status),
                    other => panic!("{version:?}, {origin:?}: {other:?}"),
                }
            } else {
                let (mut ws, _) = session.connect_with("http://example.com/", &options).await;
                assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
            }
        }
    }
}

/// A server that was not told to upgrade connections.
#[tokio::test]
async fn without_upgrades_there_is_an_answer_and_an_error() {
    let mut request = Request::get("/")
        .header("host", "example.com")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    let (response, opening) = sockless_tokio::hyper::upgrade::<_, String>(&mut request);
    assert_eq!(response.status(), 500);
    match opening.await {
        Err(Error::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::Unsupported),
        other => panic!("{other:?}"),
    }
}

/// A stream of HTTP/2 of which the client has full control, and how its connection ends at the server.
async fn raw_stream() -> (h2::SendStream<Bytes>, h2::RecvStream, Endings) {
    let (here, there) = duplex(1 << 16);
    let (sender, mut endings) = unbounded_channel();
    tokio::spawn(serve(there, Acceptor::new(), sender));
    let (send, connection) = h2::client::handshake(here).await.unwrap();
    tokio::spawn(connection);
    let mut send = send.ready().await.unwrap();
    let first = Request::get("http://example.com/page").body(()).unwrap();
    assert_eq!(send.send_request(first, true).unwrap().0.await.unwrap().status(), 200);
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = "http://example.com/".parse().unwrap();
    let version = HeaderValue::from_static("13");
    request.headers_mut().insert("sec-websocket-version", version);
    request
        .extensions_mut()
        .insert(h2::ext::Protocol::from_static("websocket"));
    let (response, stream) = send.send_request(request, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(endings.try_recv().is_err());
    (stream, response.into_body(), endings)
}

async fn all_of(mut stream: h2::RecvStream) -> std::result::Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok(all)
}

/// Chromium ends its side of the stream on the frame that carries its Close. The answer still comes.
#[tokio::test]
async fn the_close_of_a_client_that_has_ended_its_stream_is_answered() {
    let (mut send, receive, mut endings) = raw_stream().await;
    let frames = Bytes::from_static(b"\x81\x82\0\0\0\0hi\x88\x86\0\0\0\0\x0f\xa0done");
    send.send_data(frames, true).unwrap();
    assert_eq!(all_of(receive).await.unwrap(), b"\x81\x02hi\x88\x06\x0f\xa0done");
    let ended = endings.recv().await.unwrap().unwrap();
    assert!(ended.clean, "{ended:?}");
    assert_eq!((ended.code, &*ended.reason), (CloseCode(4000), "done"));
}

/// The client's window is full when its stream ends, so that answers wait in the output.
#[tokio::test]
async fn what_waits_when_the_client_ends_its_stream_is_still_written() {
    let (mut send, receive, mut endings) = raw_stream().await;
    let message = [&b"\x82\xfe\x4e\x20\0\0\0\0"[..], &[7; 20_000]].concat();
    for _ in 0..6 {
        send.send_data(message.clone().into(), false).unwrap();
    }
    send.send_data(Bytes::from_static(b"\x88\x82\0\0\0\0\x03\xe8"), true)
        .unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await; // it reads all of it, and can write half
    }
    let answer = [&b"\x82\x7e\x4e\x20"[..], &[7; 20_000]].concat().repeat(6);
    let all = all_of(receive).await.unwrap();
    assert!(
        all == [&answer[..], b"\x88\x02\x03\xe8"].concat(),
        "{} bytes of {}",
        all.len(),
        answer.len()
    );
    assert!(endings.recv().await.unwrap().unwrap().clean);
}

#[tokio::test]
async fn messages_of_a_client_that_has_ended_its_stream_are_answered() {
    let (mut send, receive, mut endings) = raw_stream().await;
    send.send_data(Bytes::from_static(b"\x81\x82\0\0\0\0hi"), true).unwrap();
    assert_eq!(all_of(receive).await.unwrap(), b"\x81\x02hi");
    let ended = endings.recv().await.unwrap().unwrap();
    assert_eq!((ended.clean, ended.code), (false, CloseCode::ABNORMAL));
}

#[tokio::test]
async fn a_stream_that_is_reset_is_no_error_but_no_close_either() {
    let (mut send, receive, mut endings) = raw_stream().await;
    send.send_reset(h2::Reason::CANCEL);
    let ended = endings.recv().await.unwrap().unwrap();
    assert_eq!((ended.clean, ended.code), (false, CloseCode::ABNORMAL));
    drop(receive);
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_reads_why_before_the_end_of_the_stream() {
    let (mut send, receive, mut endings) = raw_stream().await;
    send.send_data(Bytes::from_static(b"\x81\x02hi"), false).unwrap();
    let reading = tokio::spawn(all_of(receive));
    // The server has ended its side; it waits for the end of ours.
    assert_eq!(reading.await.unwrap().unwrap()[..4], b"\x88\x02\x03\xea"[..]);
    send.send_data(Bytes::new(), true).unwrap();
    match endings.recv().await.unwrap() {
        Err(Error::Failed(Failure::Violation(_))) => {}
        other => panic!("{other:?}"),
    }
}

/// Frames that have come with the request, which hyper has read with its head.
#[tokio::test]
async fn what_comes_right_behind_the_request_is_not_lost() {
    let (mut here, there) = duplex(1 << 16);
    let (sender, mut endings) = unbounded_channel();
    tokio::spawn(serve(there, Acceptor::new(), sender));
    here.write_all(
        b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
        \x81\x82\0\0\0\0hi\x88\x80\0\0\0\0",
    )
    .await
    .unwrap();
    let mut all = Vec::new();
    here.read_to_end(&mut all).await.unwrap();
    let all = String::from_utf8_lossy(&all);
    assert!(all.starts_with("HTTP/1.1 101 "), "{all}");
    assert!(all.ends_with("\r\n\r\n\u{fffd}\u{2}hi\u{fffd}\0"), "{all}");
    drop(here);
    assert!(endings.recv().await.unwrap().unwrap().clean);
}

#[test]
fn whether_a_request_asks_for_a_websocket() {
    let mut request = Request::get("/").body(()).unwrap();
    assert!(!is_upgrade(&request));
    // Wrongly, but it does.
    request
        .headers_mut()
        .insert("upgrade", HeaderValue::from_static("WebSocket"));
    assert!(is_upgrade(&request));
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    assert!(!is_upgrade(&request), "a proxy's CONNECT");
    request.extensions_mut().insert(Protocol::from_static("connect-udp"));
    assert!(!is_upgrade(&request));
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    assert!(is_upgrade(&request));
}

#[tokio::test]
async fn the_server_waits_for_the_end_of_a_stream_before_it_drops_it() {
    let (mut send, mut receive, mut endings) = raw_stream().await;
    send.send_data(Bytes::from_static(b"\x88\x82\0\0\0\0\x03\xe8"), false)
        .unwrap();
    let mut answer = Vec::new();
    while let Some(data) = receive.data().await {
        answer.extend_from_slice(&data.unwrap());
    }
    assert_eq!(answer, b"\x88\x02\x03\xe8");
    tokio::task::yield_now().await;
    assert!(endings.try_recv().is_err(), "it is over too early");
    send.send_data(Bytes::new(), true).unwrap();
    assert!(endings.recv().await.unwrap().unwrap().clean);
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn messages_are_compressed_if_both_want_it() {
    use hyper_util::rt::TokioIo;
    use sockless_tokio::sockless::BufferedConnection;
    use sockless_tokio::sockless::connection::Extensions;
    use sockless_tokio::sockless::deflate::DeflateOptions;
    use sockless_tokio::{Client, ThreadEntropy, WebSocket};
    let text = "the same words again and again, ".repeat(1000);
    for version in VERSIONS {
        for (acceptor, agreed) in [
            (
                Acceptor::new().deflate(DeflateOptions::new()),
                Some("permessage-deflate"),
            ),
            (Acceptor::new(), None),
        ] {
            let (mut session, mut endings) = session(version, &acceptor).await;
            let extensions = Extensions::COMPRESSION;
            let options = ConnectOptions::new().extensions(&["permessage-deflate"], extensions);
            let (request, key) = session.request("http://example.com/", &options);
            let response = session.send(request).await;
            let valid = options.check_http(key.as_ref(), &response).unwrap().unwrap();
            let agreement = DeflateOptions::new().judge(valid.extensions()).unwrap();
            assert_eq!(
                agreement.as_ref().map(|agreement| agreement.as_str()),
                agreed,
                "{version:?}"
            );
            let mut ws = BufferedConnection::new(valid.into_connection(ThreadEntropy, &Limits::default()));
            if let Some(agreement) = &agreement {
                ws = ws.with_deflate(agreement);
            }
            let stream = TokioIo::new(::hyper::upgrade::on(response).await.unwrap());
            let mut ws = WebSocket::<_, Client>::new(stream, ws);
            ws.tx().text(&text).unwrap();
            assert_eq!(ws.tx().output().unwritten().len() < text.len() / 5, agreed.is_some());
            assert!(message(&mut ws).await.unwrap().unwrap() == text.as_bytes());
            assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
            assert!(endings.recv().await.unwrap().unwrap().clean);
        }
    }
}
