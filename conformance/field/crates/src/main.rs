//! `field server NAME PORT` echoes; `field client NAME URL` asks for one case after the other. Each as the crate's
//! documentation shows, with its defaults.

mod behind_hyper;

use std::error::Error;
use std::net::TcpListener;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", "tungstenite", port] => tungstenite_server(port),
        ["server", name, port] => tokio::runtime::Runtime::new()?.block_on(serve(name, port)),
        ["client", "tungstenite", url] => tungstenite_client(url),
        _ => Err("field server NAME PORT, or field client NAME URL".into()),
    }
}

fn tungstenite_server(port: &str) -> Result {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            let Ok(mut socket) = tungstenite::accept(stream) else {
                return;
            };
            while let Ok(message) = socket.read() {
                if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                    break;
                }
            }
            // What is queued goes out before the end.
            let _ = socket.flush();
        });
    }
    Ok(())
}

fn tungstenite_client(url: &str) -> Result {
    let (mut socket, _) = tungstenite::connect(format!("{url}/getCaseCount"))?;
    let count: u32 = socket.read()?.to_text()?.parse()?;
    for number in 1..=count {
        let Ok((mut socket, _)) = tungstenite::connect(format!("{url}/runCase?case={number}&agent=tungstenite")) else {
            continue;
        };
        while let Ok(message) = socket.read() {
            if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                break;
            }
        }
        let _ = socket.flush();
    }
    tungstenite::connect(format!("{url}/updateReports?agent=tungstenite"))?;
    Ok(())
}

async fn serve(name: &str, port: &str) -> Result {
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        match name {
            "tokio-websockets" => drop(tokio::spawn(with_tokio_websockets(stream))),
            "soketto" => drop(tokio::spawn(with_soketto(stream))),
            "fastwebsockets" => drop(tokio::spawn(behind_hyper::serve("fastwebsockets", stream))),
            "yawc" => drop(tokio::spawn(behind_hyper::serve("yawc", stream))),
            "web-socket" => drop(tokio::spawn(behind_hyper::serve("web-socket", stream))),
            _ => return Err(format!("there is no server {name} here").into()),
        }
    }
}

async fn with_tokio_websockets(stream: TcpStream) -> Result {
    let (_, mut socket) = tokio_websockets::ServerBuilder::new().accept(stream).await?;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn with_soketto(stream: TcpStream) -> Result {
    use soketto::handshake::{Server, server::Response};
    use soketto::{Data, extension::deflate::Deflate};

    let mut server = Server::new(stream.compat());
    server.add_extension(Box::new(Deflate::new(soketto::Mode::Server)));
    let key = server.receive_request().await?.key();
    let response = Response::Accept { key, protocol: None };
    server.send_response(&response).await?;
    let (mut sender, mut receiver) = server.into_builder().finish();
    let mut message = Vec::new();
    loop {
        message.clear();
        match receiver.receive_data(&mut message).await {
            Ok(Data::Text(_)) => sender.send_text(std::str::from_utf8(&message)?).await?,
            Ok(Data::Binary(_)) => sender.send_binary(&message).await?,
            Err(_) => break,
        }
        sender.flush().await?;
    }
    let _ = sender.close().await;
    Ok(())
}
