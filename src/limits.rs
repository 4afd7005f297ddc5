//! Resource limits on input from the peer.

/// Limits on what is accepted from the peer. All are inclusive: exactly the limit is still accepted.
///
/// Nothing is allocated from a declared length. These limits bound what arrives.
///
/// ```
/// use sockless::limits::Limits;
///
/// let limits = Limits::default().with_max_message_len(1 << 20);
/// assert_eq!(limits.max_message_len, 1_048_576);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest payload of one data frame, in bytes. A longer one is refused from its header with close code
    /// 1009. Default: 16 MiB.
    pub max_frame_len: u64,
    /// The longest message, in bytes, over all its fragments. A longer one is refused from the header of the frame
    /// that makes it so, with close code 1009. Default: 16 MiB.
    pub max_message_len: u64,
    /// How many fragments a message may have, in addition to one for every
    /// [`FRAGMENT_PAYLOAD`](Self::FRAGMENT_PAYLOAD) bytes of its payload. A message in fragments of 32 bytes or more on
    /// average may have any number of them. One with more small fragments is refused with close code 1008. Default: 4096.
    pub fragment_budget: u32,
    /// How many bytes of Pongs the output may hold. What the application sends does not count. Beyond that, receiving
    /// returns [`Blocked::UndrainedPongs`](crate::error::Blocked::UndrainedPongs) until the output is drained. Nothing is
    /// lost. Default: 256 KiB.
    pub max_reply_backlog: u32,
    /// The longest head of an opening handshake, in bytes, from the first byte to the end of the empty line. A longer
    /// request is answered with status 431. Default: 16 KiB.
    pub max_head_len: u32,
    /// The largest number of header fields in the head of an opening handshake. A request with more is answered with
    /// status 431. Default: 100.
    pub max_headers: u32,
}

impl Limits {
    /// The payload bytes that replenish the [fragment budget](Self::fragment_budget) by one.
    pub const FRAGMENT_PAYLOAD: u32 = 32;

    /// The defaults, as documented on each field.
    pub const DEFAULT: Self = Self {
        max_frame_len: 16 << 20,
        max_message_len: 16 << 20,
        fragment_budget: 4096,
        max_reply_backlog: 256 << 10,
        max_head_len: 16 << 10,
        max_headers: 100,
    };

    /// Sets [`max_frame_len`](Self::max_frame_len), in bytes.
    #[must_use]
    pub const fn with_max_frame_len(mut self, bytes: u64) -> Self {
        self.max_frame_len = bytes;
        self
    }

    /// Sets [`max_message_len`](Self::max_message_len), in bytes.
    #[must_use]
    pub const fn with_max_message_len(mut self, bytes: u64) -> Self {
        self.max_message_len = bytes;
        self
    }

    /// Sets [`fragment_budget`](Self::fragment_budget), in fragments.
    #[must_use]
    pub const fn with_fragment_budget(mut self, fragments: u32) -> Self {
        self.fragment_budget = fragments;
        self
    }

    /// Sets [`max_reply_backlog`](Self::max_reply_backlog), in bytes.
    #[must_use]
    pub const fn with_max_reply_backlog(mut self, bytes: u32) -> Self {
        self.max_reply_backlog = bytes;
        self
    }

    /// Sets [`max_head_len`](Self::max_head_len), in bytes.
    #[must_use]
    pub const fn with_max_head_len(mut self, bytes: u32) -> Self {
        self.max_head_len = bytes;
        self
    }

    /// Sets [`max_headers`](Self::max_headers), in header fields.
    #[must_use]
    pub const fn with_max_headers(mut self, fields: u32) -> Self {
        self.max_headers = fields;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
