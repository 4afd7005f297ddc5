//! `fastwebsockets`, with the loop of its own example: one write for each frame, as it has no other. Its handshake goes
//! through `hyper`.

use std::net::TcpListener;

use fastwebsockets::{FragmentCollector, Frame, OpCode, upgrade};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::TokioIo;

use super::{Result, accept};

pub(super) fn serve(listener: TcpListener) -> Result {
    println!("{}", listener.local_addr()?);
    accept(listener, |stream| async {
        let service = service_fn(async |mut request: Request<Incoming>| {
            let (response, upgraded) = upgrade::upgrade(&mut request)?;
            tokio::spawn(async { drop(echo(upgraded).await) });
            Ok::<_, fastwebsockets::WebSocketError>(response)
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        Ok(connection.with_upgrades().await?)
    })
}

async fn echo(upgraded: upgrade::UpgradeFut) -> Result {
    let mut ws = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            // Not the frame itself: it would go out with the client's key in its header.
            OpCode::Text | OpCode::Binary => {
                ws.write_frame(Frame::new(true, frame.opcode, None, frame.payload))
                    .await?
            }
            _ => {}
        }
    }
}
