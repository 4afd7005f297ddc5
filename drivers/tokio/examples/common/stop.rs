//! Ctrl-C: the first time, everything is closed in order; the second time, the program ends at once.

use std::future::Future;
use std::process;
use std::time::Duration;

use tokio::sync::watch;

use super::Exit;

/// How long connections may take to close when a program ends.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Completes when the user or the system asks the program to end.
async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Ends with the first Ctrl-C, and at once with the second.
pub(crate) fn on_interrupt() -> Stopping {
    let stopping = Stopping(watch::Sender::new(false));
    let asked = stopping.0.clone();
    tokio::spawn(async move {
        if interrupted().await.is_ok() {
            eprintln!("closing; Ctrl-C again ends at once");
            asked.send_replace(true);
        }
        if interrupted().await.is_ok() {
            process::exit(130); // what a shell reports of a program that Ctrl-C has ended
        }
    });
    stopping
}

/// Runs a server until Ctrl-C, then waits until all connections are closed, with one deadline for all. The end of the program
/// aborts what is left.
pub(crate) async fn until_stopped<F>(serve: impl FnOnce(Stopping) -> F) -> Result<(), Exit>
where
    F: Future<Output = Result<(), Exit>>,
{
    let stopping = on_interrupt();
    let mut stop = stopping.stop();
    tokio::select! {
        served = serve(stopping.clone()) => return served,
        () = stop.asked() => {} // the listener goes with the other future
    }
    drop(stop);
    match tokio::time::timeout(PATIENCE, stopping.0.closed()).await {
        Ok(()) => Ok(()),
        Err(_) => {
            let left = stopping.0.receiver_count();
            Err(Exit(Exit::FAILED, format!("{left} connections took too long to close")))
        }
    }
}
