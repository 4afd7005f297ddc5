//! Who is measured, one in each file: echo servers on one thread. Each is used the way that serves it best, at its
//! default settings; the head of its file says how.

use std::error::Error;
use std::future::Future;
use std::net::TcpListener;

use futures_util::FutureExt;

mod fastwebsockets;
mod floor;
mod sockless_tokio;
mod tokio_tungstenite;
mod tokio_websockets;
mod yawc;

/// The program of `drivers/hosts`, as it stands there.
#[path = "../../../../drivers/hosts/examples/mio.rs"]
#[allow(dead_code, reason = "its command line is not used here")]
mod mio;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How a server is started.
pub(crate) enum Start {
    /// In a process of this program.
    Here(fn(TcpListener) -> Result),
    /// By a command, which prints a line that ends with its port.
    Command(Vec<String>),
}

pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) start: Start,
}

pub(crate) const FLOOR: &str = "floor";

/// Everybody but those that commands are given for, in the order of the table.
pub(crate) fn all() -> Vec<Server> {
    let here: [(&str, fn(TcpListener) -> Result); 7] = [
        (FLOOR, floor::serve),
        ("sockless on mio", |listener| {
            println!("{}", listener.local_addr()?);
            Ok(mio::serve(listener, Default::default())?)
        }),
        ("sockless-tokio", sockless_tokio::serve),
        ("tokio-tungstenite", tokio_tungstenite::serve),
        ("fastwebsockets", fastwebsockets::serve),
        ("tokio-websockets", tokio_websockets::serve),
        ("yawc", yawc::serve),
    ];
    let mut all: Vec<Server> = here
        .into_iter()
        .map(|(name, serve)| Server {
            name: name.to_owned(),
            start: Start::Here(serve),
        })
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ws.cjs");
    all.push(Server {
        name: "ws (Node)".to_owned(),
        start: Start::Command(vec!["node".to_owned(), script.to_owned()]),
    });
    all
}

/// Accepts for ever, on a runtime with one thread. `serve` gets each stream, without Nagle's delay.
pub(crate) fn accept<F>(listener: TcpListener, serve: impl Fn(tokio::net::TcpStream) -> F) -> Result
where
    F: Future<Output = Result> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // The end of a connection is no error here, whatever it is called there.
            tokio::spawn(serve(stream).map(drop));
        }
    })
}
