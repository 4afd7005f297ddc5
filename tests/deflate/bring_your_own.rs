//! The seam of the core with another inflater: miniz_oxide, without an allocator. What `deflate` does is done here by hand.

use crate::common::{Random, frames, masked, pair};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use sockless::buffer::SliceOutput;
use sockless::connection::{ChunkEvent, Connection, Extensions, Server};
use sockless::deflate::{DeflateOptions, Engines};
use sockless::frame::MessageKind;
use sockless::limits::Limits;

/// An inflater for one connection, in memory that a device can have: some 11 KB and the window.
struct Inflater {
    state: DecompressorOxide,
    window: [u8; 32 << 10],
    at: usize,
}

impl Inflater {
    /// Inflates and hands out each piece.
    fn inflate(&mut self, mut data: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), TINFLStatus> {
        loop {
            let (status, taken, made) = decompress(
                &mut self.state,
                data,
                &mut self.window,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            take(&self.window[self.at..self.at + made]);
            self.at = (self.at + made) % self.window.len();
            data = &data[taken..];
            match status {
                TINFLStatus::NeedsMoreInput => return Ok(()),
                TINFLStatus::HasMoreOutput => {}
                other => return Err(other),
            }
        }
    }
}

#[test]
fn another_inflater_without_an_allocator() {
    // What some client sends.
    let options = DeflateOptions::new().with_compressor(15, 8).with_send_history(1 << 15);
    let (mut sender, _) = pair(&options);
    let (mut engines, mut random) = (Engines::new(), Random(21));
    let texts: Vec<String> = [10, 500, 4000, 500, 70_000, 3].map(|len| random.text(len)).to_vec();
    let mut bytes = Vec::new();
    for text in &texts {
        let mut out = Vec::new();
        sender.tx(&mut out, &mut engines).text(text).unwrap();
        for (first, payload) in frames(&out) {
            bytes.extend(masked(first, &payload));
        }
    }

    let mut ws = Connection::new(Server, &Limits::default()).with_extensions(Extensions::COMPRESSION);
    let mut inflater = Inflater {
        state: DecompressorOxide::new(),
        window: [0; 32 << 10],
        at: 0,
    };
    let mut message = [0; 80_000];
    let mut len = 0;
    let mut got = Vec::new();
    let mut memory = [0; 256];
    for part in bytes.chunks_mut(100) {
        let mut input = part;
        let mut out = SliceOutput::new(&mut memory);
        while let Some((event, mut tx)) = ws.receive_chunk(&mut input, &mut out).unwrap() {
            let mut take = |data: &[u8]| {
                message[len..len + data.len()].copy_from_slice(data);
                len += data.len();
            };
            let ended = match event {
                ChunkEvent::Compressed(MessageKind::Text, chunk) => {
                    inflater.inflate(chunk.data, &mut take).unwrap();
                    if chunk.message_end {
                        inflater.inflate(&[0, 0, 0xff, 0xff], &mut take).unwrap();
                    }
                    chunk.message_end
                }
                ChunkEvent::Text(chunk) => {
                    take(chunk.data.as_bytes());
                    chunk.message_end
                }
                other => panic!("{other:?}"),
            };
            if ended {
                got.push(String::from_utf8(message[..len].to_vec()).unwrap());
                len = 0;
                // An empty message, as any compressor makes it.
                tx.compressed_part(MessageKind::Text, &[0], true).unwrap();
            }
        }
    }
    assert_eq!(got, texts);
}

/// A fragment of no bytes is handed out as soon as its header is there: nothing more comes for it.
#[test]
fn an_empty_fragment_is_not_waited_for() {
    let mut ws = Connection::new(Server, &Limits::default()).with_extensions(Extensions::COMPRESSION);
    let mut memory = [0; 16];
    let mut out = SliceOutput::new(&mut memory);
    for (first, end) in [(0x41, false), (0x00, false), (0x80, true)] {
        let mut bytes = masked(first, b"");
        let mut input = &mut bytes[..];
        let Ok(Some((ChunkEvent::Compressed(MessageKind::Text, chunk), _))) = ws.receive_chunk(&mut input, &mut out)
        else {
            panic!("{first:x}")
        };
        assert_eq!((chunk.data, chunk.message_end), (&b""[..], end));
    }
}

/// Where compression was not agreed to, nothing is sent or taken compressed.
#[test]
fn nothing_is_compressed_unless_it_was_agreed_to() {
    use crate::common::{Got, receive};
    use sockless::deflate::DeflateConnection;
    use sockless::error::SendError;
    use sockless::frame::Violation;

    let (mut sender, _) = pair(&DeflateOptions::new());
    let (mut engines, mut compressed) = (Engines::new(), Vec::new());
    let text = "x".repeat(1000);
    sender.tx(&mut compressed, &mut engines).text(&text).unwrap();
    let (first, payload) = &frames(&compressed)[0];
    assert_eq!(*first, 0xc1);
    for cut in [1, 4096] {
        let mut ws = DeflateConnection::new(Connection::new(Server, &Limits::default()), None);
        let plain = masked(0x81, text.as_bytes());
        let got = receive(&mut ws, &plain, cut, &mut engines);
        assert_eq!(got, (vec![Got::Text(text.clone())], None));
        let mut out = Vec::new();
        let mut tx = ws.tx(&mut out, &mut engines);
        tx.text(&text).unwrap();
        tx.part(text.as_str(), true).unwrap();
        assert_eq!(
            tx.compressed_part(MessageKind::Text, payload, true),
            Err(SendError::NotNegotiated)
        );
        let plain = (0x81, text.clone().into_bytes());
        assert_eq!(frames(&out), [plain.clone(), plain]);
        let (_, failure) = receive(&mut ws, &masked(*first, payload), cut, &mut engines);
        assert_eq!(failure, Some(Violation::ReservedBits.into()));
    }
}
