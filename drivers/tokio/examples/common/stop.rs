//! Ctrl-C: the first time, everything is closed in order; the second time, the program ends at once.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::process;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Exit;
use super::interrupts::Interrupts;

/// How long all connections together may take to close: somewhat longer than each of them may, so that one that does not answer
/// is dropped at its own deadline.
const LONGEST: Duration = Duration::from_millis(10_500);

/// How long what lies below them may take after that.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The end of the program, which connections wait for.
#[derive(Clone)]
pub(crate) struct Stopping(watch::Sender<bool>);

/// One who waits for the end of the program. A connection has one, and is waited for until it drops it.
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stopping {
    pub(crate) fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

impl Stop {
    /// Waits until the program is to end.
    pub(crate) async fn asked(&mut self) {
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }
}

/// Ends with the first Ctrl-C, and at once with the second.
pub(crate) fn on_interrupt() -> Result<Stopping, Exit> {
    let stopping = Stopping(watch::Sender::new(false));
    let asked = stopping.0.clone();
    let mut interrupts = Interrupts::new().map_err(|error| Exit(Exit::FAILED, error.to_string()))?;
    tokio::spawn(async move {
        interrupts.next().await;
        let _ = writeln!(io::stderr(), "closing; Ctrl-C again ends at once"); // perhaps nobody reads it any more
        asked.send_replace(true);
        interrupts.next().await;
        process::exit(130); // what a shell reports of a program that Ctrl-C has ended
    });
    Ok(stopping)
}

/// Runs a server until Ctrl-C, then waits until all connections are closed, with one deadline for all. `serve` is to accept no
/// more then, and to complete when what it has accepted is done. The end of the program aborts what is left.
pub(crate) async fn until_stopped<F>(serve: impl FnOnce(Stopping) -> F) -> Result<(), Exit>
where
    F: Future<Output = Result<(), Exit>>,
{
    let stopping = on_interrupt()?;
    let mut stop = stopping.stop();
    let mut serving = pin!(serve(stopping.clone()));
    let mut closed = pin!(async {
        stop.asked().await;
        drop(stop);
        let closed = tokio::time::timeout(LONGEST, stopping.0.closed()).await;
        closed.map_err(|_| {
            let who = match stopping.0.receiver_count() {
                1 => "one connection".to_owned(),
                left => format!("{left} connections"),
            };
            Exit(Exit::FAILED, format!("{who} took too long to close"))
        })
    });
    tokio::select! {
        served = &mut serving => {
            served?;
            closed.await
        }
        closed = &mut closed => {
            closed?;
            // What goes out below the connections: the end of a stream of HTTP/2, the end of TLS.
            tokio::time::timeout(LAST_WORDS, serving).await.unwrap_or(Ok(()))
        }
    }
}

/// Accepts connections, each with a task of its own, until Ctrl-C. Each that is to be closed in order then has a [`Stop`].
pub(crate) async fn serve_each<F>(listener: TcpListener, serve: impl Fn(TcpStream, &Stopping) -> F) -> Result<(), Exit>
where
    F: Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    until_stopped(async move |stopping| {
        let (mut connections, mut stop) = (JoinSet::new(), stopping.stop());
        loop {
            let accepted = tokio::select! {
                biased; // nobody is accepted any more once it is to end
                () = stop.asked() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    let served = serve(stream, &stopping);
                    connections.spawn(async move {
                        if let Err(error) = served.await {
                            eprintln!("{peer}: {error}");
                        }
                    });
                }
                Err(error) => {
                    eprintln!("cannot serve one more: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop((listener, stop));
        while connections.join_next().await.is_some() {}
        Ok(())
    })
    .await
}
