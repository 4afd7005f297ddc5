//! `yawc`, at its defaults. What has been received is fed back, and flushed once nothing more is there. Its handshake goes
//! through `hyper`.

use std::net::TcpListener;

use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::TokioIo;
use yawc::{OpCode, WebSocket};

use super::{Result, accept};

pub(super) fn serve(listener: TcpListener) -> Result {
    println!("{}", listener.local_addr()?);
    accept(listener, |stream| async {
        let service = service_fn(async |mut request: Request<Incoming>| {
            let (response, upgraded) = WebSocket::upgrade(&mut request)?;
            tokio::spawn(async { drop(echo(upgraded).await) });
            Ok::<_, yawc::WebSocketError>(response)
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        Ok(connection.with_upgrades().await?)
    })
}

async fn echo(upgraded: yawc::UpgradeFut) -> Result {
    let mut ws = upgraded.await?;
    while let Some(frame) = ws.next().await {
        let mut next = Some(frame);
        while let Some(frame) = next {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                ws.feed(frame).await?;
            }
            next = ws.next().now_or_never().flatten();
        }
        ws.flush().await?;
    }
    Ok(())
}
