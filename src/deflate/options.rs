//! What this endpoint wants of the extension.

use super::agreement::{ParamText, Params, Sending};

/// What an endpoint wants of permessage-deflate: takeover, window and memory for each direction.
///
/// The defaults suit a server with many connections: it accepts whatever the peer offers, keeps 4 KiB of what it sent for each
/// connection, and as much of what it received as the peer may refer to, 32 KiB.
/// [`small`](Self::small) asks the peer for 4 KiB as well.
///
/// ```
/// use sockless::deflate::DeflateOptions;
///
/// let options = DeflateOptions::new().with_level(3).with_receive_window_bits(12);
/// assert_eq!(options.offer().as_str(), "permessage-deflate; server_max_window_bits=12; client_max_window_bits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateOptions {
    pub(super) send_takeover: bool,
    pub(super) send_window_bits: u8,
    pub(super) receive_takeover: bool,
    pub(super) receive_window_bits: u8,
    pub(super) sending: Sending,
}

impl DeflateOptions {
    /// The defaults: takeover in both directions, level 6, a window of 4 KiB for sending and of up to 32 KiB for receiving.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            send_takeover: true,
            send_window_bits: 15,
            receive_takeover: true,
            receive_window_bits: 15,
            sending: Sending {
                level: 6,
                mem_level: 5,
                history_len: 4 << 10,
                threshold: 32,
                window_bits: 12,
            },
        }
    }

    /// The same with at most 4 KiB kept of what is received.
    #[must_use]
    pub const fn small() -> Self {
        Self::new().with_receive_window_bits(12)
    }

    /// Whether messages that are sent may refer to earlier ones. Default: yes. Without, nothing is kept of what is sent,
    /// and small messages compress far less.
    #[must_use]
    pub const fn with_send_takeover(mut self, takeover: bool) -> Self {
        self.send_takeover = takeover;
        self
    }

    /// Whether the peer may refer to earlier messages. Default: yes. Without, nothing is kept of what is received.
    #[must_use]
    pub const fn with_receive_takeover(mut self, takeover: bool) -> Self {
        self.receive_takeover = takeover;
        self
    }

    /// The largest window for sending, 8 to 15 bits, which the peer is told. Default: 15, which leaves it to the peer. The
    /// window that is used is also bounded by [`with_compressor`](Self::with_compressor).
    #[must_use]
    pub const fn with_send_window_bits(mut self, bits: u8) -> Self {
        self.send_window_bits = clamp(bits, 8, 15);
        self
    }

    /// The largest window that the peer may use, 8 to 15 bits: so many bytes are kept of what is received. Default: 15.
    ///
    /// A client that cannot be told to use less is told not to refer to earlier messages, so that nothing is kept.
    #[must_use]
    pub const fn with_receive_window_bits(mut self, bits: u8) -> Self {
        self.receive_window_bits = clamp(bits, 8, 15);
        self
    }

    /// How hard to compress: 1, the fastest, to 9. Default: 6.
    #[must_use]
    pub const fn with_level(mut self, level: u8) -> Self {
        self.sending.level = clamp(level, 1, 9);
        self
    }

    /// The window that the compressor uses, 9 to 15 bits, and its memory level, 1 to 9. Default: 12 and 5, which suits
    /// messages of a few KiB and takes 165 KB for each thread. 15 and 8 take 380 KB.
    #[must_use]
    pub const fn with_compressor(mut self, window_bits: u8, mem_level: u8) -> Self {
        self.sending.window_bits = clamp(window_bits, 9, 15);
        self.sending.mem_level = clamp(mem_level, 1, 9);
        self
    }

    /// How many bytes are kept of what was sent, for later messages to refer to; the compressor's window bounds it.
    /// Default: 4 KiB.
    #[must_use]
    pub const fn with_send_history(mut self, bytes: u16) -> Self {
        self.sending.history_len = bytes;
        self
    }

    /// Messages of fewer bytes are sent plain. Default: 32. So are those that do not shrink, and those of 16 KiB or more
    /// whose middle looks random, as if they were compressed already.
    #[must_use]
    pub const fn with_threshold(mut self, bytes: u16) -> Self {
        self.sending.threshold = bytes;
        self
    }

    /// The element of `Sec-WebSocket-Extensions` with which a client offers it.
    #[must_use]
    pub fn offer(&self) -> DeflateOffer {
        DeflateOffer(ParamText::new(&self.offered()))
    }

    /// The parameters of a client's offer.
    pub(super) const fn offered(&self) -> Params {
        Params {
            server_no_context_takeover: !self.receive_takeover,
            client_no_context_takeover: !self.send_takeover,
            server_max_window_bits: less_than_15(self.receive_window_bits),
            // Always, so that the server may limit it.
            client_max_window_bits: Some(less_than_15(self.send_window_bits)),
        }
    }
}

impl Default for DeflateOptions {
    fn default() -> Self {
        Self::new()
    }
}

const fn less_than_15(bits: u8) -> Option<u8> {
    if bits < 15 { Some(bits) } else { None }
}

const fn clamp(value: u8, least: u8, most: u8) -> u8 {
    if value < least {
        least
    } else if value > most {
        most
    } else {
        value
    }
}

/// A client's offer, as text: see [`DeflateOptions::offer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateOffer(ParamText);

impl DeflateOffer {
    /// The element of `Sec-WebSocket-Extensions`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}
