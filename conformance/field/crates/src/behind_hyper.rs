//! Servers behind hyper, which reads the request.

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Result;

type Answer = std::result::Result<Response<Empty<Bytes>>, std::convert::Infallible>;

pub(crate) async fn serve(name: &'static str, stream: TcpStream) {
    let service = hyper::service::service_fn(move |request| answer(name, request));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // What the peer does wrong ends its connection alone.
    let _ = connection.with_upgrades().await;
}

async fn answer(name: &str, mut request: Request<Incoming>) -> Answer {
    let response = match name {
        "fastwebsockets" => with_fastwebsockets(&mut request),
        "yawc" => with_yawc(&mut request),
        _ => with_web_socket(&mut request),
    };
    Ok(response.unwrap_or_else(|_| {
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        refusal
    }))
}

fn with_fastwebsockets(request: &mut Request<Incoming>) -> Result<Response<Empty<Bytes>>> {
    use fastwebsockets::{FragmentCollector, OpCode};

    let (response, upgrade) = fastwebsockets::upgrade::upgrade(request)?;
    tokio::spawn(async move {
        let mut socket = FragmentCollector::new(upgrade.await?);
        loop {
            let frame = socket.read_frame().await?;
            match frame.opcode {
                OpCode::Close => return Result::Ok(()),
                OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
                OpCode::Ping | OpCode::Pong | OpCode::Continuation => {}
            }
        }
    });
    Ok(response)
}

/// With text validated, which it leaves off.
fn with_yawc(request: &mut Request<Incoming>) -> Result<Response<Empty<Bytes>>> {
    use yawc::{Options, WebSocket, frame::OpCode};

    let options = Options::default().with_utf8();
    let (response, upgrade) = WebSocket::upgrade_with_options(request, options)?;
    tokio::spawn(async move {
        let mut socket = upgrade.await?;
        while let Some(frame) = socket.next().await {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                socket.send(frame).await?;
            }
        }
        Result::Ok(())
    });
    Ok(response)
}

/// It gives fragments, does not look whether text is text, and leaves Pongs and the answer to a Close to its user.
fn with_web_socket(request: &mut Request<Incoming>) -> Result<Response<Empty<Bytes>>> {
    use web_socket::{CloseCode, DataType, Event, MessageType, Stream, WebSocket};

    let key = request.headers().get("sec-websocket-key").ok_or("no key")?;
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(
            "Sec-WebSocket-Accept",
            tungstenite::handshake::derive_accept_key(key.as_bytes()),
        )
        .body(Empty::new())?;
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut socket = WebSocket::server(TokioIo::new(upgrade.await?));
        let mut message = Vec::new();
        loop {
            match socket.recv().await? {
                Event::Data { ty, data } => {
                    message.extend_from_slice(&data);
                    let kind = match ty {
                        DataType::Stream(Stream::Start(_) | Stream::Next(_)) => continue,
                        DataType::Stream(Stream::End(kind)) | DataType::Complete(kind) => kind,
                    };
                    let message = std::mem::take(&mut message);
                    match kind {
                        MessageType::Binary => socket.send(&message[..]).await?,
                        MessageType::Text => match std::str::from_utf8(&message) {
                            Ok(text) => socket.send(text).await?,
                            Err(_) => return Ok(socket.close(CloseCode::InvalidPayload).await?),
                        },
                    }
                }
                Event::Ping(data) => socket.send_pong(data).await?,
                Event::Pong(_) => {}
                Event::Error(_) => return Ok(socket.close(CloseCode::ProtocolError).await?),
                Event::Close { code, reason } => return Result::Ok(socket.close((code, &*reason)).await?),
            }
        }
    });
    Ok(response)
}
