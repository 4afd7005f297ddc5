//! What the blocking examples share: leaving a TCP connection so that the last bytes arrive.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long a peer is waited for that has nothing more to say.
const PATIENCE: Duration = Duration::from_secs(5);

/// Half-closes, and reads on until the peer has closed too: dropping the socket before could reset the connection and
/// take the last bytes away from the peer.
pub(crate) fn hang_up(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    wait_for_end(stream)
}

/// Reads until the peer has closed, for a few seconds at the most.
pub(crate) fn wait_for_end(stream: &mut TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut scrap = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut scrap) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if is_timeout(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a read has ended because of its timeout, which systems report in two ways.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
