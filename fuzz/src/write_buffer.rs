//! The write buffer, whatever is done with it, against a plain vector.

use arbitrary::{Result, Unstructured};
use sockless::buffer::{Output, SharedBytes, WriteBuffer};
use sockless::connection::{PreparedMessage, Sender, Server};
use sockless::frame::{Header, MAX_HEADER_LEN, Mask, MessageKind};

/// A schedule of what is put, by copy and by reference, and what is written.
pub fn write_buffer(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut run = Run {
        out: WriteBuffer::new(),
        expected: Vec::new(),
        sender: Sender::new(Server),
        most: 0,
    };
    while !u.is_empty() {
        // An error is the end of the schedule.
        if run.step(&mut u).is_err() {
            break;
        }
        run.check();
    }
    while !run.out.unwritten().is_empty() {
        run.write(run.out.unwritten().len());
    }
    run.check();
    assert!(run.expected.is_empty(), "bytes are never written");
    run.out.release();
    assert_eq!(run.out.capacity(), 0, "memory is kept");
}

struct Run {
    out: WriteBuffer,
    expected: Vec<u8>,
    sender: Sender<Server>,
    /// The most that was waiting, in bytes.
    most: usize,
}

impl Run {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=11_u8)? {
            0 | 1 => {
                let bytes = bytes(u)?;
                assert_eq!(self.out.reserve(bytes.len()), Ok(()));
                // In two, since one reservation is for all of a frame.
                let (first, second) = bytes.split_at(bytes.len() / 3);
                self.out.put(first);
                self.out.put(second);
                self.expected.extend_from_slice(&bytes);
            }
            2 => {
                let (key, mut bytes) = (u.arbitrary()?, bytes(u)?);
                assert_eq!(self.out.reserve(bytes.len()), Ok(()));
                let (first, second) = bytes.split_at(bytes.len() / 3);
                let mut mask = Mask::new(key);
                self.out.put_masked(first, &mut mask);
                self.out.put_masked(second, &mut mask);
                mask_plainly(&mut bytes, key);
                self.expected.extend_from_slice(&bytes);
            }
            3 => {
                let (header, mut bytes): (Header, _) = (u.arbitrary()?, bytes(u)?);
                let header = Header {
                    payload_len: bytes.len() as u64,
                    ..header
                };
                let mut block = [0; MAX_HEADER_LEN];
                let encoded = header.encode(&mut block);
                assert_eq!(self.out.reserve(encoded.len() + bytes.len()), Ok(()));
                self.out.put_frame(header, &bytes);
                self.expected.extend_from_slice(encoded);
                mask_plainly(&mut bytes, header.mask_key.unwrap_or_default());
                self.expected.extend_from_slice(&bytes);
            }
            4 => {
                let (header, bytes) = (u.arbitrary::<[u8; 4]>()?, bytes(u)?);
                let shared = SharedBytes::new(bytes.clone());
                assert_eq!(self.out.put_shared(&header, &shared), Ok(()));
                self.expected.extend_from_slice(&header);
                self.expected.extend_from_slice(&bytes);
            }
            5 => {
                let bytes = bytes(u)?;
                let shared = SharedBytes::new(bytes.clone());
                let sent = self.sender.tx(&mut self.out).shared(MessageKind::Binary, &shared);
                assert_eq!(sent, Ok(()));
                let mut plain = Vec::new();
                assert_eq!(Sender::new(Server).tx(&mut plain).binary(&bytes), Ok(()));
                self.expected.append(&mut plain);
            }
            6 => {
                let bytes = bytes(u)?;
                let message = PreparedMessage::new(&bytes).expect("memory");
                assert_eq!(self.sender.tx(&mut self.out).prepared(&message), Ok(()));
                let mut plain = Vec::new();
                assert_eq!(Sender::new(Server).tx(&mut plain).binary(&bytes), Ok(()));
                self.expected.append(&mut plain);
            }
            7 | 8 => {
                let len = u.int_in_range(0..=self.out.unwritten().len())?;
                self.write(len);
            }
            9 => {
                // A vectored write.
                let len = u.int_in_range(0..=self.out.len())?;
                self.write(len);
            }
            10 => self.out.release(),
            _ => {
                let watermark = u.int_in_range(0..=4096)?;
                self.out.set_watermark(watermark);
                assert_eq!(self.out.is_over_watermark(), self.expected.len() > watermark);
            }
        }
        Ok(())
    }

    fn write(&mut self, len: usize) {
        self.out.written(len);
        self.expected.drain(..len);
    }

    fn check(&mut self) {
        assert_eq!(self.out.len(), self.expected.len());
        let slices: Vec<&[u8]> = self.out.slices().collect();
        assert!(slices.iter().all(|slice| !slice.is_empty()), "an empty slice");
        assert_eq!(slices.concat(), self.expected);
        assert_eq!(self.out.unwritten(), slices.first().copied().unwrap_or_default());
        self.most = self.most.max(self.expected.len());
        let bound = 4 * self.most + (64 << 10);
        assert!(self.out.capacity() <= bound, "{} bytes are held", self.out.capacity());
    }
}

/// A payload, short or long enough to be kept by reference.
fn bytes(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = match u.int_in_range(0..=7_u8)? {
        0..=3 => u.int_in_range(0..=40)?,
        4 => u.int_in_range(120..=130)?,
        5 => u.int_in_range(1020..=1028)?,
        6 => u.int_in_range(250..=5200)?,
        _ => u.int_in_range(0..=70_000)?,
    };
    let first: u8 = u.arbitrary()?;
    Ok((0..len).map(|at: u32| first.wrapping_add((at % 251) as u8)).collect())
}

fn mask_plainly(bytes: &mut [u8], key: [u8; 4]) {
    for (byte, key) in bytes.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
