//! Closing (RFC 6455 section 7): what each direction has done towards it, and what follows for the transport.

use crate::frame::CloseCode;

/// Which endpoint sent the first Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initiator {
    /// This endpoint closed first, on request or on failure. On a simultaneous close both endpoints report `Local`.
    Local,
    /// The peer closed first.
    Peer,
    /// Neither endpoint sent a Close frame.
    Neither,
}

/// Where the stream of input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Between two messages.
    BetweenMessages,
    /// Between two frames of one message.
    InMessage,
    /// Inside a frame's header.
    InHeader,
    /// Inside a frame's payload.
    InPayload,
    /// After a Close frame or after a failure, where nothing else was expected.
    AfterClose,
}

/// What to do with the transport next (RFC 6455 sections 7.1.1 to 7.1.7).
///
/// Write whatever is in the output first, in every state but [`Abort`](Self::Abort).
///
/// The action follows from what each direction has seen:
///
/// | | nothing received yet | Close received | failed | input ended |
/// |---|---|---|---|---|
/// | **nothing sent, or a Close is deferred** | `Continue` | `Continue` | `Continue` | `Close` |
/// | **Close sent** | `AwaitPeer` | server: `ShutDownSend`, client: `AwaitPeer` | `ShutDownSend` | `Close` |
/// | **sending direction shut down** | `Drain` | `Drain` | `Drain` | `Close` |
/// | **aborted** | `Abort` | `Abort` | `Abort` | `Abort` |
///
/// ```text
///              Close sent                  Close received (server), or failed
///   Continue --------------> AwaitPeer ---------------------------------------> ShutDownSend
///      |                         |                                                   |
///      |                         |                        sending_shut_down() called |
///      |                         |                                                   v
///      +-------------------------+-----------> Close <---------------------------- Drain
///                                 end_of_stream() called
/// ```
///
/// A Close frame that answers the peer's is sent at once, so that a server usually goes from `Continue` to
/// `ShutDownSend` and a client from `Continue` to `AwaitPeer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportAction {
    /// Read and write.
    Continue,
    /// This endpoint has sent its Close. Keep reading and feeding input until the peer's Close or the end of the
    /// stream, with a deadline.
    AwaitPeer,
    /// Shut down the sending direction, call `sending_shut_down`, and ask again. Where the transport cannot shut down
    /// one direction, treat this as [`Close`](Self::Close).
    ShutDownSend,
    /// Read and discard until the end of the stream, with a deadline. Closing earlier could reset the connection and
    /// take the last bytes away from the peer, the Close among them.
    Drain,
    /// Close the transport. Nothing more will come, and nothing more is to be sent but what is in the output.
    Close,
    /// Reset or drop the transport at once. What is in the output is not worth writing.
    Abort,
}

impl TransportAction {
    /// Whether to keep reading from the transport. In [`Drain`](Self::Drain) the input is read only to be discarded; it
    /// may be fed to the connection, which discards it.
    #[must_use]
    pub const fn wants_input(self) -> bool {
        match self {
            Self::Continue | Self::AwaitPeer | Self::ShutDownSend | Self::Drain => true,
            Self::Close | Self::Abort => false,
        }
    }

    /// The table above.
    pub(crate) const fn from_table(sending: Sending, received: Received, closes_first: bool) -> Self {
        match (sending, received) {
            (Sending::Aborted(_), _) => Self::Abort,
            (_, Received::End) => Self::Close,
            (Sending::ShutDown(_), _) => Self::Drain,
            (Sending::Open | Sending::Due(_), _) => Self::Continue,
            (Sending::Sent(_), Received::Nothing) => Self::AwaitPeer,
            (Sending::Sent(_), Received::Failure) => Self::ShutDownSend,
            // "the server MUST close the connection immediately [...] the client SHOULD wait for the server to close the
            // connection" (section 7.1.1).
            (Sending::Sent(_), Received::Close) if closes_first => Self::ShutDownSend,
            (Sending::Sent(_), Received::Close) => Self::AwaitPeer,
        }
    }
}

/// A Close frame of this endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentClose {
    /// [`CloseCode::NO_STATUS`] for an empty body.
    pub(crate) code: CloseCode,
    /// Whether it answers the peer's Close. Otherwise this endpoint closed first.
    pub(crate) answers: bool,
}

impl SentClose {
    /// The Close that a failure calls for (section 7.1.7).
    pub(crate) const fn failure(code: CloseCode) -> Self {
        Self { code, answers: false }
    }
}

/// How far the sending direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// No Close has been sent.
    Open,
    /// A Close waits until the frame that is being sent in chunks is finished.
    Due(SentClose),
    /// The Close has been sent.
    Sent(SentClose),
    /// The sending direction of the transport is shut down.
    ShutDown(Option<SentClose>),
    /// The caller has given up.
    Aborted(Option<SentClose>),
}

impl Sending {
    /// The Close that has been sent.
    pub(crate) const fn sent_close(self) -> Option<SentClose> {
        match self {
            Self::Open | Self::Due(_) => None,
            Self::Sent(close) => Some(close),
            Self::ShutDown(close) | Self::Aborted(close) => close,
        }
    }

    /// The sending direction of the transport was shut down.
    pub(crate) const fn shut_down(self) -> Self {
        match self {
            Self::Open | Self::Due(_) | Self::Sent(_) | Self::ShutDown(_) => Self::ShutDown(self.sent_close()),
            Self::Aborted(_) => self,
        }
    }
}

/// How far the receiving direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Neither of the following.
    Nothing,
    /// The peer's Close.
    Close,
    /// Something that failed the connection.
    Failure,
    /// The end of the stream.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE: SentClose = SentClose {
        code: CloseCode::NORMAL,
        answers: false,
    };

    /// The table in the documentation, row by row.
    #[test]
    fn the_table() {
        use TransportAction::{Abort, AwaitPeer, Close, Continue, Drain, ShutDownSend};
        let rows = [
            (Sending::Open, [Continue, Continue, Continue, Close]),
            (Sending::Due(CLOSE), [Continue, Continue, Continue, Close]),
            (Sending::Sent(CLOSE), [AwaitPeer, ShutDownSend, ShutDownSend, Close]),
            (Sending::ShutDown(Some(CLOSE)), [Drain, Drain, Drain, Close]),
            (Sending::ShutDown(None), [Drain, Drain, Drain, Close]),
            (Sending::Aborted(None), [Abort; 4]),
        ];
        let columns = [Received::Nothing, Received::Close, Received::Failure, Received::End];
        for (sending, actions) in rows {
            for (received, action) in columns.into_iter().zip(actions) {
                assert_eq!(TransportAction::from_table(sending, received, true), action);
                let client = match (sending, received) {
                    (Sending::Sent(_), Received::Close) => AwaitPeer,
                    _ => action,
                };
                assert_eq!(TransportAction::from_table(sending, received, false), client);
            }
        }
    }

    #[test]
    fn shutting_down_keeps_the_close_that_was_sent() {
        assert_eq!(Sending::Sent(CLOSE).shut_down(), Sending::ShutDown(Some(CLOSE)));
        assert_eq!(Sending::Due(CLOSE).shut_down(), Sending::ShutDown(None));
        assert_eq!(Sending::Open.shut_down().sent_close(), None);
        assert_eq!(Sending::Aborted(None).shut_down(), Sending::Aborted(None));
    }
}
