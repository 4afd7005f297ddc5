//! What was agreed, and how this endpoint makes use of it.

use core::fmt;

use super::zlib::Setting;

/// The parameters of one direction that both endpoints know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    /// Whether a message may refer to those before it.
    pub(super) takeover: bool,
    /// 8 to 15.
    pub(super) window_bits: u8,
}

impl Direction {
    /// Without parameters: takeover, and a window of 32 KiB (RFC 7692 sections 7.1.1 and 7.1.2).
    pub(super) const DEFAULT: Self = Self {
        takeover: true,
        window_bits: 15,
    };

    /// How many bytes of earlier messages data may refer to.
    pub(super) const fn history_len(self) -> usize {
        if self.takeover { self.window_len() } else { 0 }
    }

    /// The window, in bytes.
    pub(super) const fn window_len(self) -> usize {
        1 << self.window_bits
    }
}

/// How this endpoint compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) level: u8,
    pub(super) mem_level: u8,
    /// How many bytes of earlier messages it refers to, below what was agreed.
    pub(super) history_len: u16,
    /// Messages below this length go plain.
    pub(super) threshold: u16,
    /// The window it uses, below what was agreed.
    pub(super) window_bits: u8,
}

/// permessage-deflate as it was agreed in the opening handshake: the parameters of RFC 7692 section 7.1, and how this
/// endpoint compresses.
///
/// It comes from [`DeflateOptions`](super::DeflateOptions), and makes a [`DeflateConnection`](super::DeflateConnection).
/// As text it is the element of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateAgreement {
    pub(super) send: Direction,
    pub(super) receive: Direction,
    pub(super) sending: Sending,
    pub(super) response: ParamText,
}

impl DeflateAgreement {
    /// Whether a message that is sent may refer to those before it.
    #[must_use]
    pub const fn send_takeover(&self) -> bool {
        self.send.takeover
    }

    /// Whether a message that is received may refer to those before it.
    #[must_use]
    pub const fn receive_takeover(&self) -> bool {
        self.receive.takeover
    }

    /// The largest window for sending, in bits: 8 to 15.
    #[must_use]
    pub const fn send_window_bits(&self) -> u8 {
        self.send.window_bits
    }

    /// The largest window for receiving, in bits: 8 to 15.
    #[must_use]
    pub const fn receive_window_bits(&self) -> u8 {
        self.receive.window_bits
    }

    /// The element of `Sec-WebSocket-Extensions` in the response.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.response.as_str()
    }

    /// The deflater that sends: the window is what this endpoint chose, or what was agreed if that is less.
    pub(super) fn setting(&self) -> Setting {
        Setting {
            level: self.sending.level,
            window_bits: self.sending.window_bits.min(self.send.window_bits),
            mem_level: self.sending.mem_level,
        }
    }

    /// How many bytes of sent messages are kept: no more than the deflater could refer to.
    pub(super) fn send_history_len(&self) -> usize {
        let used = Direction {
            takeover: self.send.takeover,
            window_bits: self.setting().window_bits,
        };
        used.history_len().min(usize::from(self.sending.history_len))
    }
}

impl fmt::Display for DeflateAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Both flags and both windows, as one element of `Sec-WebSocket-Extensions`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ParamText {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl ParamText {
    /// `permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15;
    /// client_max_window_bits=15` takes 128.
    const MAX: usize = 128;

    pub(super) fn new(params: &Params) -> Self {
        let mut text = Self {
            bytes: [0; Self::MAX],
            len: 0,
        };
        text.push(NAME);
        if params.server_no_context_takeover {
            text.param(SERVER_NO_CONTEXT_TAKEOVER);
        }
        if params.client_no_context_takeover {
            text.param(CLIENT_NO_CONTEXT_TAKEOVER);
        }
        if let Some(bits) = params.server_max_window_bits {
            text.param(SERVER_MAX_WINDOW_BITS);
            text.value(bits);
        }
        if let Some(bits) = params.client_max_window_bits {
            text.param(CLIENT_MAX_WINDOW_BITS);
            if let Some(bits) = bits {
                text.value(bits);
            }
        }
        text
    }

    fn push(&mut self, text: &str) {
        for (to, from) in self.bytes.iter_mut().skip(usize::from(self.len)).zip(text.bytes()) {
            *to = from;
            self.len += 1;
        }
    }

    fn param(&mut self, name: &str) {
        self.push("; ");
        self.push(name);
    }

    fn value(&mut self, bits: u8) {
        const DECIMAL: [&str; 16] = [
            "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
        ];
        self.push("=");
        self.push(DECIMAL.get(usize::from(bits)).copied().unwrap_or_default());
    }

    pub(super) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for ParamText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The extension's name, and those of its parameters (RFC 7692 section 7.1).
pub(super) const NAME: &str = "permessage-deflate";
pub(super) const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
pub(super) const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
pub(super) const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
pub(super) const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The parameters of one element, offered or agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Params {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    /// Without a value only in an offer.
    pub(super) client_max_window_bits: Option<Option<u8>>,
}
