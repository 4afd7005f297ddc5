//! `websocket-sans-io`: frames only. It validates nothing, assembles nothing and has no handshake.

use std::sync::Arc;

use ::websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent as Event,
};

use crate::pipe::{OWN_READ, PageBuffer, Pipe};
use crate::subject::{Held, Peer, Run, Scratch, Subject};
use crate::watch::Watch;
use crate::workloads::{Job, Role, Workload, XorShift};

pub const PEER: Peer = Peer {
    name: "websocket-sans-io, frames",
    make,
    hold: Some(|_| Box::new((WebsocketFrameDecoder::new(), WebsocketFrameEncoder::new()))),
    holds_pipe: false,
};

fn make(workload: &Arc<Workload>, pipe: &Pipe) -> Option<Box<dyn Subject>> {
    let pipe = pipe.clone();
    let codec = Codec {
        pipe,
        decoder: WebsocketFrameDecoder::new(),
        encoder: WebsocketFrameEncoder::new(),
        input: PageBuffer::new(OWN_READ),
        output: Vec::new(),
    };
    match workload.job {
        Job::Receive => Some(Box::new(Receive(codec))),
        Job::Send => Some(Box::new(Send {
            codec,
            workload: workload.clone(),
            keys: XorShift::new(6),
        })),
        Job::Echo => Some(Box::new(Echo(codec))),
        Job::Handshake => None,
    }
}

struct Codec {
    pipe: Pipe,
    decoder: WebsocketFrameDecoder,
    encoder: WebsocketFrameEncoder,
    input: PageBuffer,
    output: Vec<u8>,
}

const FLUSH: usize = 64 << 10;

impl Codec {
    fn flush(&mut self) {
        self.pipe.send(&self.output);
        self.output.clear();
    }
}

struct Receive(Codec);

impl Run for Receive {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        let Codec {
            pipe, decoder, input, ..
        } = &mut self.0;
        pipe.rewind();
        loop {
            let len = pipe.read_into(input);
            if len == 0 {
                return;
            }
            let mut at = 0;
            loop {
                let bytes = &mut input[at..len];
                let result = decoder.add_data(bytes).unwrap();
                match result.event {
                    Some(Event::PayloadChunk { .. }) => watch.piece(&bytes[..result.consumed_bytes]),
                    Some(Event::End { frame_info, .. }) if frame_info.fin => watch.end(),
                    Some(_) => {}
                    None if result.consumed_bytes == 0 => break,
                    None => {}
                }
                at += result.consumed_bytes;
            }
        }
    }
}

struct Send {
    codec: Codec,
    workload: Arc<Workload>,
    keys: XorShift,
}

impl Run for Send {
    fn run<W: Watch>(&mut self, _: &mut W) {
        let masked = self.workload.role == Role::Client;
        for payload in self.workload.sends() {
            let mask = masked.then(|| self.keys.key());
            put(
                &mut self.codec.encoder,
                &mut self.codec.output,
                Opcode::Binary,
                mask,
                payload,
            );
            if self.codec.output.len() >= FLUSH {
                self.codec.flush();
            }
        }
        self.codec.flush();
    }
}

fn put(
    encoder: &mut WebsocketFrameEncoder,
    output: &mut Vec<u8>,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload: &[u8],
) {
    let info = FrameInfo {
        opcode,
        payload_length: payload.len() as u64,
        mask,
        fin: true,
        reserved: 0,
    };
    output.extend_from_slice(&encoder.start_frame(&info));
    let start = output.len();
    output.extend_from_slice(payload);
    encoder.transform_frame_payload(&mut output[start..]);
}

struct Echo(Codec);

impl Run for Echo {
    fn run<W: Watch>(&mut self, watch: &mut W) {
        self.0.pipe.rewind();
        loop {
            let Codec {
                pipe,
                decoder,
                encoder,
                input,
                output,
            } = &mut self.0;
            let len = pipe.read_into(input);
            if len == 0 {
                return;
            }
            let mut at = 0;
            loop {
                let bytes = &mut input[at..len];
                let result = decoder.add_data(bytes).unwrap();
                match result.event {
                    // The header goes out as soon as it has come in, the payload piece by piece.
                    Some(Event::Start { mut frame_info, .. }) => {
                        frame_info.mask = None;
                        output.extend_from_slice(&encoder.start_frame(&frame_info));
                    }
                    Some(Event::PayloadChunk { .. }) => {
                        let bytes = &bytes[..result.consumed_bytes];
                        watch.piece(bytes);
                        output.extend_from_slice(bytes);
                    }
                    Some(Event::End { .. }) => watch.end(),
                    None if result.consumed_bytes == 0 => break,
                    None => {}
                }
                at += result.consumed_bytes;
            }
            self.0.flush();
        }
    }
}

impl Held for (WebsocketFrameDecoder, WebsocketFrameEncoder) {
    fn echo(&mut self, scratch: &mut Scratch) {
        let len = scratch.pipe.read_into(&mut scratch.input);
        let mut at = 0;
        loop {
            let bytes = &mut scratch.input[at..len];
            let result = self.0.add_data(bytes).unwrap();
            match result.event {
                Some(Event::PayloadChunk { original_opcode }) => {
                    put(
                        &mut self.1,
                        &mut scratch.output,
                        original_opcode,
                        None,
                        &bytes[..result.consumed_bytes],
                    );
                }
                Some(_) => {}
                None if result.consumed_bytes == 0 => break,
                None => {}
            }
            at += result.consumed_bytes;
        }
        scratch.pipe.send(&scratch.output);
        scratch.output.clear();
    }
}
