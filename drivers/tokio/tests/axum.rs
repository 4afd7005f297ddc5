//! The extractor for axum, over HTTP/1.1 and HTTP/2.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; not every helper is needed"
)]

mod common;
#[path = "common/http.rs"]
mod http;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::axum::Router;
use ::axum::extract::State;
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::{any, connect, get};
use ::hyper::{Request, Version};
use common::message;
use http::{Session, VERSIONS};
use http_body_util::BodyExt;
use hyper_util::service::TowerToHyperService;
use sockless_tokio::axum::WebSocketUpgrade;
use sockless_tokio::hyper::Upgraded;
use sockless_tokio::sockless::handshake::ConnectOptions;
use sockless_tokio::{Acceptor, CloseCode, Result, WebSocket};

#[derive(Clone, Default)]
struct App {
    acceptor: Arc<Acceptor>,
    opened: Arc<AtomicUsize>,
}

fn app(acceptor: Acceptor) -> (Router, Arc<AtomicUsize>) {
    let app = App {
        acceptor: Arc::new(acceptor),
        ..App::default()
    };
    let opened = Arc::clone(&app.opened);
    let router = Router::new()
        .route("/plain", any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)))
        .route("/get", get(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)))
        .route("/connect", connect(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)))
        .route("/options", any(with_options))
        .route("/both", any(page_or_echo))
        .with_state(app);
    (router, opened)
}

async fn echo(mut ws: WebSocket<Upgraded>) -> Result<()> {
    common::echo(&mut ws).await
}

async fn with_options(State(app): State<App>, ws: WebSocketUpgrade) -> Response {
    ws.options(&app.acceptor).on_upgrade(async move |ws| {
        app.opened.fetch_add(1, Ordering::Relaxed);
        echo(ws).await
    })
}

async fn page_or_echo(ws: Option<WebSocketUpgrade>) -> Response {
    match ws {
        Some(ws) => ws.on_upgrade(echo),
        None => "page".into_response(),
    }
}

async fn session(version: Version, app: Router) -> Session {
    Session::new(version, |stream| http::serve(stream, TowerToHyperService::new(app))).await
}

async fn is_echoed(ws: &mut WebSocket<Upgraded, sockless_tokio::Client>) {
    for len in [0, 5, 70_000] {
        let sent = vec![b'x'; len];
        ws.try_send(&sent).unwrap();
        assert!(message(ws).await.unwrap().unwrap() == sent, "{len} bytes");
    }
    let record = ws.close(CloseCode(4000), "done").await.unwrap();
    assert!(record.is_clean(), "{record:?}");
}

#[tokio::test]
async fn one_route_serves_both_versions() {
    for version in VERSIONS {
        let mut session = session(version, app(Acceptor::new()).0).await;
        let mut ws = session.connect("http://example.com/plain").await;
        is_echoed(&mut ws).await;
        let mut session = self::session(version, app(Acceptor::new()).0).await;
        let mut ws = session.connect("http://example.com/both").await;
        is_echoed(&mut ws).await;
    }
}

#[tokio::test]
async fn routes_by_method_see_one_version_each() {
    for (version, path, other) in [
        (Version::HTTP_11, "/get", "/connect"),
        (Version::HTTP_2, "/connect", "/get"),
    ] {
        let mut session = session(version, app(Acceptor::new()).0).await;
        let options = ConnectOptions::new();
        let (request, _) = session.request(&format!("http://example.com{other}"), &options);
        assert_eq!(session.send(request).await.status(), 405, "{version:?}");
        let mut ws = session.connect(&format!("http://example.com{path}")).await;
        is_echoed(&mut ws).await;
    }
}

#[tokio::test]
async fn options_are_kept() {
    let acceptor = Acceptor::new().subprotocols(["chat"]).origins(["https://example.com"]);
    for version in VERSIONS {
        let (app, opened) = app(acceptor.clone());
        let mut session = session(version, app).await;
        let options = ConnectOptions::new().origin("https://evil.example");
        let (request, _) = session.request("http://example.com/options", &options);
        assert_eq!(session.send(request).await.status(), 403, "{version:?}");
        let options = ConnectOptions::new()
            .origin("https://example.com")
            .subprotocols(&["chat", "other"]);
        let (mut ws, subprotocol) = session.connect_with("http://example.com/options", &options).await;
        assert_eq!(subprotocol.as_deref(), Some("chat"));
        is_echoed(&mut ws).await;
        assert_eq!(opened.load(Ordering::Relaxed), 1, "{version:?}");
    }
}

#[tokio::test]
async fn other_requests_are_answered() {
    for version in VERSIONS {
        let mut session = session(version, app(Acceptor::new()).0).await;
        let get = |uri: &str| {
            let mut request = Request::get(uri);
            if version == Version::HTTP_11 {
                request = request.header("host", "example.com");
            }
            request.body(String::new()).unwrap()
        };
        let response = session.send(get("http://example.com/both")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "page");
        let response = session.send(get("http://example.com/plain")).await;
        let status = if version == Version::HTTP_11 { 426 } else { 400 };
        assert_eq!(response.status(), status);
        response.into_body().collect().await.unwrap();
        for path in ["/plain", "/both"] {
            let uri = format!("http://example.com{path}");
            let (mut request, _) = session.request(&uri, &ConnectOptions::new());
            request.headers_mut().remove("sec-websocket-version");
            let response = session.send(request).await;
            assert_eq!(response.status(), 400, "{path}, {version:?}");
            let text = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, "the Sec-WebSocket-Version header field is missing");
        }
    }
}
