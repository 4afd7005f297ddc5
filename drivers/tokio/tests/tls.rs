//! TLS on both ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{echo, message};
use sockless_tokio::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sockless_tokio::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use sockless_tokio::{CloseCode, Connector, Error, Event, accept};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// An echo server over TLS, which ends with how its connection ended.
async fn serve(config: Arc<ServerConfig>) -> (String, tokio::task::JoinHandle<(bool, CloseCode)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("wss://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut ws = accept(TlsAcceptor::from(config).accept(stream).await.unwrap())
            .await
            .unwrap();
        echo(&mut ws).await.unwrap();
        (ws.close_record().is_clean(), ws.close_record().code())
    });
    (uri, serving)
}

#[tokio::test]
async fn long_messages_and_a_clean_close_from_each_side() {
    let (server, client) = configs();
    let (uri, serving) = serve(server).await;
    let mut ws = Connector::new().tls(client).connect(&uri).await.unwrap();
    for len in [0, 5, 70_000, 1 << 20] {
        // The server's answer does not fit the sockets, so that it is read meanwhile.
        ws.try_send(&vec![b'x'; len]).unwrap();
        assert_eq!(message(&mut ws).await.unwrap().unwrap().len(), len);
    }
    assert!(ws.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    assert_eq!(serving.await.unwrap(), (true, CloseCode::NORMAL));
}

#[tokio::test]
async fn two_halves_over_tls() {
    let (server, client) = configs();
    let (uri, serving) = serve(server).await;
    let ws = Connector::new().tls(client).connect(&uri).await.unwrap();
    let (mut reader, mut writer) = ws.split().unwrap();
    let writing = tokio::spawn(async move {
        for index in 0..100_usize {
            writer.send(&vec![b'x'; index * 1000]).await.unwrap();
        }
        writer
    });
    let mut seen = 0;
    while seen < 100 {
        assert!(reader.ready().await.unwrap());
        while let Some(event) = reader.next_event().unwrap() {
            if let Event::Binary(data) = event {
                assert_eq!(data.len(), seen * 1000);
                seen += 1;
            }
        }
    }
    writing.await.unwrap().close(CloseCode(4000), "").await.unwrap();
    while reader.ready().await.unwrap() {
        while reader.next_event().unwrap().is_some() {}
    }
    assert!(reader.with_close_record(|record| record.is_clean()));
    assert_eq!(serving.await.unwrap(), (true, CloseCode(4000)));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_an_error_of_io() {
    let (server, _) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("wss://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = TlsAcceptor::from(server).accept(stream).await;
    });
    match Connector::new().connect(&uri).await {
        Err(Error::Io(error)) => assert!(error.to_string().contains("certificate"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_without_close_notify_is_an_end_like_any_other() {
    let (server, client) = configs();
    let (uri, serving) = serve(server).await;
    let ws = Connector::new().tls(client).connect(&uri).await.unwrap();
    drop(ws); // rustls sends no close_notify then
    assert_eq!(serving.await.unwrap(), (false, CloseCode::ABNORMAL));
}
