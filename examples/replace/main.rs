//! A server that replaces itself by a new process while its clients stay connected.
//!
//! `replace [PORT]`, by default on port 9001 of 127.0.0.1. It answers each text with its number on that connection, the
//! process that answers, and the text. `http://127.0.0.1:9001/replace` starts the next process and hands everything over to it:
//! the listener, and of each connection the descriptor, what was read and not received, what was not written, and the number.
//! A client notices nothing. `/stop` closes all connections in order and ends.

#[cfg(unix)]
mod server;

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::net::TcpListener;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    let successor = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--take-over");
        Ok(command)
    };
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("--take-over") {
        // The predecessor's end of a pair of sockets is the standard input.
        let from = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        return server::take_over(from, successor);
    }
    let port = argument.map_or(Ok(9001), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("http://{}/replace", listener.local_addr()?);
    server::serve(listener, Vec::new(), successor)
}

#[cfg(not(unix))]
fn main() {
    println!("only Unix sockets carry descriptors");
}
