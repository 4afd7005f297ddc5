//! What can be seen from inside alone: the windows themselves.

use alloc::vec::Vec;

use super::{DeflateConnection, DeflateOptions, Engines};
use crate::buffer::{ReadBuffer, SliceOutput};
use crate::connection::{Client, Connection, Server};
use crate::handshake::Extension;
use crate::limits::Limits;

struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % limit
    }
}

/// After any mix of plain, compressed, refused, skipped and partial messages, what the sender may refer to is the end of what
/// the receiver has.
#[test]
fn both_windows_are_equal_after_any_mix_of_messages() {
    for (bits, takeover) in [(9, true), (12, true), (15, true), (12, false)] {
        let options = DeflateOptions::new()
            .with_receive_window_bits(bits)
            .with_receive_takeover(takeover)
            .with_threshold(20);
        let servers = DeflateOptions::new().with_compressor(15, 8).with_send_history(1 << 15);
        let offer = options.offer();
        let servers = servers.accept(Extension::parse(offer.as_str())).unwrap();
        let clients = options.judge(Extension::parse(servers.as_str())).unwrap().unwrap();
        let keys = |key: &mut [u8]| key.fill(7);
        let limits = Limits::default();
        let mut server = DeflateConnection::new(Connection::new(Server, &limits), Some(&servers));
        let mut client = DeflateConnection::new(Connection::new(Client::new(keys), &limits), Some(&clients));
        let (mut engines, mut random) = (Engines::with_scratch(100), Random(u32::from(bits)));
        let mut input = ReadBuffer::new();
        for _ in 0..600 {
            let len = random.below(900);
            let message: Vec<u8> = (0..len).map(|_| b"abcdefgh"[random.below(8) as usize]).collect();
            let mut out = Vec::new();
            let mut nothing = Vec::new();
            let mut none = SliceOutput::new(&mut []);
            match random.below(6) {
                0 => server.tx(&mut out, &mut engines).plain().binary(&message).unwrap(),
                1 => {
                    assert!(server.tx(&mut none, &mut engines).binary(&message).is_err());
                    assert!(server.tx(&mut none, &mut engines).part(&message[..], false).is_err());
                }
                2 => {
                    for part in message.chunks(100) {
                        server.tx(&mut out, &mut engines).part(part, false).unwrap();
                        assert!(server.tx(&mut none, &mut engines).part(part, false).is_err());
                        server.tx(&mut out, &mut engines).ping(b"between").unwrap();
                    }
                    server.tx(&mut out, &mut engines).part(&[][..], true).unwrap();
                }
                _ => server.tx(&mut out, &mut engines).binary(&message).unwrap(),
            }
            // Whole; in chunks; or begun in chunks and skipped by the message level.
            let chunks = match random.below(3) {
                0 => 0,
                1 => out.len(),
                _ => random.below(u32::try_from(out.len()).unwrap() + 1) as usize,
            };
            let (mut begun, rest) = out.split_at_mut(chunks);
            while client
                .receive_chunk(&mut begun, &mut nothing, &mut engines)
                .unwrap()
                .is_some()
            {}
            for piece in rest.chunks(1 + random.below(300) as usize) {
                input.extend(piece).unwrap();
                while client
                    .receive(&mut input, &mut nothing, &mut engines)
                    .unwrap()
                    .is_some()
                {}
            }
            assert!(client.connection().message_progress().is_none());
            let (sent, received) = (server.shell.sending.history(), client.shell.receiving.history());
            assert!(received.ends_with(&sent), "{bits} {takeover}");
            assert_eq!(sent.len(), received.len().min(if takeover { 1 << bits } else { 0 }));
        }
    }
}
