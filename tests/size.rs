//! How much an idle connection holds.

use sockless::buffer::{ReadBuffer, WriteBuffer};
use sockless::connection::{Client, Connection, Receiver, Sender, Server};

/// The bar: 256 bytes for an open, idle connection, all included, with either role. It is the same at both levels: what a
/// thread's buffer is shared by costs a connection an empty buffer of its own for what is incomplete.
#[test]
fn an_idle_connection_fits_256_bytes() {
    type Fixed = fn(&mut [u8]);
    let sizes = [
        ("Receiver<Server>", size_of::<Receiver<Server>>()),
        ("Sender<Server>", size_of::<Sender<Server>>()),
        ("Connection<Server>", size_of::<Connection<Server>>()),
        ("Connection<Client<fn>>", size_of::<Connection<Client<Fixed>>>()),
    ];
    for (name, size) in sizes {
        println!("{name}: {size} bytes");
        assert!(size <= 256, "{name} takes {size} bytes");
    }
    // Beside it, for whole messages; neither holds anything on the heap.
    let buffers = [
        ("ReadBuffer", size_of::<ReadBuffer>()),
        ("WriteBuffer", size_of::<WriteBuffer>()),
    ];
    for (name, size) in buffers {
        println!("{name}: {size} bytes");
        assert!(size <= 160, "{name} takes {size} bytes");
    }
    assert_eq!((ReadBuffer::new().capacity(), WriteBuffer::new().capacity()), (0, 0));
}
