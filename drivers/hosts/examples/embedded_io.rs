//! The server for devices in `drivers/embedded`, run on this machine: two arrays of a kilobyte for each connection, no
//! allocator behind them, and sockets that look like a device's.

use std::convert::Infallible;
use std::net::Shutdown;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use socket2::SockRef;
use sockless::Moment;
use sockless::handshake::{HttpResponse, Request};
use sockless_embedded::{Clock, Device, Error};
use sockless_hosts::{Exit, Options, exit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

const HELP: &str = "\
A WebSocket server that sends back what it gets, as on a device: fixed buffers, no allocator.

Usage: embedded_io [PORT | ADDRESS:PORT] [OPTION]...

  PORT                of 127.0.0.1 (default: 9005); 0 for one that is free
  --subprotocol NAME  a subprotocol to agree to; the first given is preferred
  --origin ORIGIN     let in pages from this origin only (several may be given)
  --patience MILLIS   how long a peer may take for anything (default: as the library suggests)
  --help              print this and exit
";

fn main() -> ExitCode {
    exit("embedded_io", run())
}

fn run() -> Result<(), Exit> {
    let options = Options::from_args(HELP, 9005)?;
    let listener = options.listen()?;
    listener.set_nonblocking(true).map_err(Exit::failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = LocalSet::new().block_on(&runtime.map_err(Exit::failed)?, serve(listener, options));
    served.map_err(Exit::failed).map(|never| match never {})
}

async fn serve(listener: std::net::TcpListener, options: Options) -> std::io::Result<Infallible> {
    let (listener, options) = (TcpListener::from_std(listener)?, Rc::new(options));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let options = Rc::clone(&options);
                spawn_local(async move {
                    match connection(stream, &options).await {
                        Ok(()) => {}
                        // Those of devices can only be printed for programmers.
                        Err(Error::Stream(error)) => eprintln!("{peer}: {error}"),
                        Err(error) => eprintln!("{peer}: {error}"),
                    }
                });
            }
            Err(error) => {
                eprintln!("cannot serve one more: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What would be `main` on the device, but for `answer`, which need not be more than `upgrade.accept(..)`.
async fn connection(stream: TcpStream, options: &Options) -> Result<(), Error<std::io::Error>> {
    let _ = stream.set_nodelay(true);
    let device = Device {
        stream: FromTokio::new(stream),
        clock: HostClock,
        input: &mut [0; 1024],
        output: &mut [0; 1024 + 256],
        timeouts: options.timeouts,
        limits: Options::limits(),
    };
    let answered = device.echo(
        |request, out| match request {
            Request::Upgrade(_) => options.answer(request, out),
            Request::Http(request) => {
                let answer = HttpResponse::new(426).body(b"This server speaks WebSocket only.\n");
                request.respond(&answer, out).map(|()| None)
            }
        },
        |stream| drop(SockRef::from(stream.inner()).shutdown(Shutdown::Write)),
    );
    answered.await
}

struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> Moment {
        Moment::now()
    }

    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
