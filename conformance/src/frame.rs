//! Frames as a peer sends them, legal or not.

use crate::rule::Role;

/// How a peer writes a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Shortest,
    Sixteen,
    SixtyFour,
}

/// A frame, legal or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// RSV1, RSV2 and RSV3, as a number from 0 to 7.
    pub(crate) reserved: u8,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) form: Form,
    /// The length that is declared, where it is not that of the payload.
    pub(crate) declared: Option<u64>,
    /// Whether the mask bit is the wrong one.
    pub(crate) wrong_mask_bit: bool,
    pub(crate) key: [u8; 4],
}

impl Frame {
    pub(crate) const fn new(opcode: u8, fin: bool, payload: Vec<u8>) -> Self {
        Self {
            fin,
            reserved: 0,
            opcode,
            payload,
            form: Form::Shortest,
            declared: None,
            wrong_mask_bit: false,
            key: [0; 4],
        }
    }

    /// A whole text message.
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::new(0x1, true, text.into())
    }

    /// A whole binary message.
    pub(crate) fn binary(data: impl Into<Vec<u8>>) -> Self {
        Self::new(0x2, true, data.into())
    }

    /// The last fragment of a message.
    pub(crate) fn last(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(0x0, true, payload.into())
    }

    pub(crate) fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(0x9, true, payload.into())
    }

    pub(crate) fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(0xa, true, payload.into())
    }

    pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        Self::new(0x8, true, [&code.to_be_bytes(), reason.as_ref()].concat())
    }

    /// More fragments follow.
    #[must_use]
    pub(crate) fn more(mut self) -> Self {
        self.fin = false;
        self
    }

    #[must_use]
    pub(crate) fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    #[must_use]
    pub(crate) fn declared(mut self, length: u64) -> Self {
        self.declared = Some(length);
        self
    }

    /// Appends the frame as an endpoint in this role receives it, and returns where its payload starts.
    pub(crate) fn encode(&self, role: Role, bytes: &mut Vec<u8>) -> usize {
        let masked = (role == Role::Server) != self.wrong_mask_bit;
        let fin = if self.fin { 0x80 } else { 0 };
        bytes.push(fin | self.reserved << 4 | self.opcode);
        let mask_bit = if masked { 0x80 } else { 0 };
        let length = self.declared.unwrap_or(self.payload.len() as u64);
        let form = match (self.form, length) {
            (Form::Shortest, 0..=125) => Form::Shortest,
            (Form::Shortest, 126..=65535) => Form::Sixteen,
            (Form::Shortest, _) => Form::SixtyFour,
            (form @ (Form::Sixteen | Form::SixtyFour), _) => form,
        };
        let [.., high, low] = length.to_be_bytes();
        match form {
            Form::Shortest => bytes.push(mask_bit | low),
            Form::Sixteen => bytes.extend_from_slice(&[mask_bit | 126, high, low]),
            Form::SixtyFour => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        if masked {
            bytes.extend_from_slice(&self.key);
        }
        let start = bytes.len();
        if masked && self.key != [0; 4] {
            let keys = self.key.iter().cycle();
            bytes.extend(self.payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        start
    }
}

/// Frames with keys that follow from the seed: zeros for a seed of zero.
pub(crate) fn with_keys(seed: u32, mut frames: Vec<Frame>) -> Vec<Frame> {
    for (number, frame) in frames.iter_mut().enumerate() {
        frame.key = seed.rotate_left((number as u32 % 32) * 7).to_le_bytes();
    }
    frames
}

/// Frames as bytes.
pub(crate) fn encode(role: Role, frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        frame.encode(role, &mut bytes);
    }
    bytes
}
