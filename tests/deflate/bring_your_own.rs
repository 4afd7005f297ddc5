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
