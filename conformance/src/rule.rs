//! The rules that the kit can break, in one table.

use std::fmt;

/// Which end of a connection is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The server: it receives what a client sends.
    Server,
    /// The client: it receives what a server sends.
    Client,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Server, Self::Client];

    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

/// What a conforming endpoint answers to a broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A Close frame with this code (section 7.4.1).
    Close(u16),
    /// A response with this status; another 4xx or 5xx will do, but for 426.
    Status(u16),
    /// Nothing: a client gives up the connection (section 4.1).
    Drop,
}

/// Which role can meet it.
#[derive(PartialEq, Eq)]
enum Hears {
    Both,
    Server,
    Client,
}

macro_rules! rules {
    ($($name:ident: $section:literal, $hears:ident, $answer:expr, $text:literal;)+) => {
        /// A rule of RFC 6455, or of RFC 7692, that a peer can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = concat!("Broken by ", $text, " (section ", $section, ").")] $name,)+
        }

        impl Rule {
            /// Every rule, frames before handshakes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The section of RFC 6455 that holds the rule; `7692/7.1` is section 7.1 of RFC 7692.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$name => $section,)+ }
            }

            /// What a conforming endpoint answers.
            #[must_use]
            pub const fn answer(self) -> Answer {
                match self { $(Self::$name => $answer,)+ }
            }

            /// What the peer did, in a few words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            const fn hears(self) -> Hears {
                match self { $(Self::$name => Hears::$hears,)+ }
            }
        }
    };
}

rules! {
    ReservedBits: "5.2", Both, Answer::Close(1002), "a reserved bit";
    ReservedOpcode: "5.2", Both, Answer::Close(1002), "a reserved opcode";
    LengthNotMinimal: "5.2", Both, Answer::Close(1002), "a length that is not in its shortest form";
    LengthTopBit: "5.2", Both, Answer::Close(1002), "a 64-bit length with the top bit set";
    UnmaskedFrame: "5.1", Server, Answer::Close(1002), "a client's frame that is not masked";
    MaskedFrame: "5.1", Client, Answer::Close(1002), "a server's frame that is masked";
    UnexpectedContinuation: "5.4", Both, Answer::Close(1002), "a continuation with nothing to continue";
    ExpectedContinuation: "5.4", Both, Answer::Close(1002), "a new message inside a fragmented one";
    FragmentedControl: "5.5", Both, Answer::Close(1002), "a control frame without FIN";
    ControlTooLong: "5.5", Both, Answer::Close(1002), "a control frame over 125 bytes";
    CloseBodyOneByte: "5.5.1", Both, Answer::Close(1002), "a Close body of one byte";
    CloseReasonNotUtf8: "5.5.1", Both, Answer::Close(1007), "a close reason that is not UTF-8";
    InvalidCloseCode: "7.4", Both, Answer::Close(1002), "a close code that must not be sent";
    TextNotUtf8: "8.1", Both, Answer::Close(1007), "text that is not UTF-8";
    CompressedBit: "7692/6.1", Both, Answer::Close(1002), "RSV1 on a frame that does not begin a message";
    CompressedData: "7692/7.2.2", Both, Answer::Close(1007), "compressed data that cannot be inflated";
    CompressedDataEnd: "7692/7.2.2", Both, Answer::Close(1007), "compressed data that do not end where the message does";
    DistanceTooFar: "7692/7.1.2", Both, Answer::Close(1007), "a distance beyond the agreed window";
    InflatedNotUtf8: "8.1", Both, Answer::Close(1007), "compressed text that is not UTF-8";
    TooBig: "10.4", Both, Answer::Close(1009), "a message over the receiver's limit";
    TooManyFragments: "10.4", Both, Answer::Close(1008), "a message in more fragments than the receiver's limit";

    RequestSyntax: "4.1", Server, Answer::Status(400), "a request that is not HTTP";
    MethodNotGet: "4.1", Server, Answer::Status(405), "a request other than GET";
    HttpVersionTooOld: "4.1", Server, Answer::Status(400), "a request of HTTP/1.0";
    HostMissing: "4.2.1", Server, Answer::Status(400), "a request without Host";
    HostRepeated: "4.2.1", Server, Answer::Status(400), "a request with two Hosts";
    UpgradeMissing: "4.2.1", Server, Answer::Status(400), "a request without Upgrade: websocket";
    ConnectionMissing: "4.2.1", Server, Answer::Status(400), "a request without Connection: Upgrade";
    KeyMissing: "4.2.1", Server, Answer::Status(400), "a request without a key";
    KeyInvalid: "4.2.1", Server, Answer::Status(400), "a key that is not 16 bytes in base64";
    KeyRepeated: "11.3.1", Server, Answer::Status(400), "a request with two keys";
    VersionMissing: "4.2.1", Server, Answer::Status(400), "a request without a version";
    VersionUnsupported: "4.4", Server, Answer::Status(426), "a version other than 13";
    VersionRepeated: "11.3.5", Server, Answer::Status(400), "a request with two versions";

    ResponseSyntax: "4.1", Client, Answer::Drop, "a response that is not HTTP";
    ResponseVersion: "4.1", Client, Answer::Drop, "a response of another HTTP than 1.1";
    StatusNot101: "4.1", Client, Answer::Drop, "a status other than 101";
    ResponseUpgrade: "4.1", Client, Answer::Drop, "a response without Upgrade: websocket";
    ResponseConnection: "4.1", Client, Answer::Drop, "a response without Connection: Upgrade";
    AcceptMissing: "4.1", Client, Answer::Drop, "a response without Sec-WebSocket-Accept";
    AcceptMismatch: "4.1", Client, Answer::Drop, "an accept value for another key";
    AcceptRepeated: "11.3.3", Client, Answer::Drop, "two accept values";
    ExtensionNotAsked: "4.1", Client, Answer::Drop, "an extension that was not asked for";
    DeflateAnswer: "7692/7.1", Client, Answer::Drop, "an answer that permessage-deflate does not allow";
    SubprotocolNotAsked: "4.1", Client, Answer::Drop, "a subprotocol that was not asked for";
}

impl Rule {
    /// Whether it is a rule of the opening handshake, not of frames.
    #[must_use]
    pub const fn is_of_handshake(self) -> bool {
        !matches!(self.answer(), Answer::Close(_))
    }

    /// Whether it is a limit that an implementation need not have, and that RFC 6455 does not name: the [`Checker`]
    /// leaves it out. [`Bounds`](crate::model::Bounds) says what it is.
    ///
    /// [`Checker`]: crate::Checker
    #[must_use]
    pub const fn is_optional_limit(self) -> bool {
        matches!(self, Self::TooManyFragments)
    }

    /// Whether it is a rule of RFC 7692, or comes into play with it: it can be broken where permessage-deflate is agreed.
    #[must_use]
    pub const fn is_of_compression(self) -> bool {
        matches!(
            self,
            Self::CompressedBit
                | Self::CompressedData
                | Self::CompressedDataEnd
                | Self::DistanceTooFar
                | Self::InflatedNotUtf8
                | Self::DeflateAnswer
        )
    }

    /// Whether an endpoint in this role can meet it.
    #[must_use]
    pub fn applies_to(self, role: Role) -> bool {
        match self.hears() {
            Hears::Both => true,
            Hears::Server => role == Role::Server,
            Hears::Client => role == Role::Client,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
