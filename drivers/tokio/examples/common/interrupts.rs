//! Ctrl-C and what the system sends in its place. The chat server, a package beside this one, hears them by this file, too.

use std::io;

#[cfg(unix)]
use tokio::signal::unix;
#[cfg(windows)]
use tokio::signal::windows;

/// What asks the program to end: the user or the system. It is heard from the moment this is made, also while nobody waits.
pub(crate) struct Interrupts {
    #[cfg(unix)]
    pressed: unix::Signal,
    #[cfg(unix)]
    terminate: unix::Signal,
    #[cfg(windows)]
    pressed: windows::CtrlC,
}

impl Interrupts {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            pressed: unix::signal(unix::SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: unix::signal(unix::SignalKind::terminate())?,
            #[cfg(windows)]
            pressed: windows::ctrl_c()?,
        })
    }

    /// Completes with the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.pressed.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        self.pressed.recv().await;
    }
}
