//! How much an idle connection holds.

use sockless::connection::{Client, Connection, Receiver, Sender, Server};
use sockless::message::MessageConnection;

/// The bar: 256 bytes for an open, idle connection, all included: at the streaming level with either role, and a server's at the
/// message level.
#[test]
fn an_idle_connection_fits_256_bytes() {
    type Fixed = fn(&mut [u8]);
    let sizes = [
        ("Receiver<Server>", size_of::<Receiver<Server>>()),
        ("Sender<Server>", size_of::<Sender<Server>>()),
        ("Connection<Server>", size_of::<Connection<Server>>()),
        ("Connection<Client<fn>>", size_of::<Connection<Client<Fixed>>>()),
        ("MessageConnection<Server>", size_of::<MessageConnection<Server>>()),
    ];
    for (name, size) in sizes {
        println!("{name}: {size} bytes");
        assert!(size <= 256, "{name} takes {size} bytes");
    }
    println!(
        "MessageConnection<Server>: {} bytes",
        size_of::<MessageConnection<Server>>()
    );
}
