//! Sessions with compressed messages (RFC 7692): what they ask for, and whether what was agreed lets them be run.

use crate::check::key_of;
use crate::head::values;
use crate::model::{self, Deflate, Element, Parameters, Sender};
use crate::rule::Role;
use crate::session::Session;

/// What a session needs to be agreed, or asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compression {
    /// What its messages refer to.
    pub(crate) deflate: Deflate,
    /// Whether it is about what must not be agreed or need not be: nothing in it is compressed.
    pub(crate) negotiates_only: bool,
    /// Whether the window of [`deflate`](Self::deflate) has to be agreed, since the session goes beyond it.
    pub(crate) goes_beyond: bool,
    /// To a client: what the answer says, besides what the client's offer demands.
    pub(crate) answer: Parameters,
    /// To a client: when the answer in the head is wrong.
    pub(crate) wrong: Option<Wrong>,
}

/// When an answer is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Whatever was offered.
    Always,
    /// Unless `client_max_window_bits` was offered.
    WithoutClientBits,
    /// If `server_no_context_takeover` was demanded.
    WithServerNoTakeover,
    /// If `server_max_window_bits` was demanded, of less than 15.
    WithServerBits,
}

impl Compression {
    pub(crate) const fn new(takeover: bool, window_bits: u8) -> Self {
        Self {
            deflate: Deflate { takeover, window_bits },
            negotiates_only: false,
            goes_beyond: false,
            answer: Parameters {
                server_no_context_takeover: false,
                client_no_context_takeover: false,
                server_max_window_bits: None,
                client_max_window_bits: None,
            },
            wrong: None,
        }
    }
}

/// Stands in a head for the answer to the client's offer, and is longer than any.
pub(crate) const ANSWER: &str = "<the answer to the client's offer of permessage-deflate, as the session wants it and the offer \
    demands it, with another field behind it so that the length stays the same>";

/// The answer in the place of [`ANSWER`].
pub(crate) fn put_answer(head: &mut Vec<u8>, answer: &Parameters) {
    let answer = format!("{answer}\r\nX-Padding: ");
    let padding = "x".repeat(ANSWER.len().saturating_sub(answer.len()));
    if let Some(at) = head.windows(ANSWER.len()).position(|part| part == ANSWER.as_bytes()) {
        head.splice(at..at + ANSWER.len(), format!("{answer}{padding}").bytes());
    }
}

/// What a head says of extensions.
pub(crate) fn elements_of(head: &[u8], sender: Sender) -> Vec<Element> {
    let end = head.windows(4).position(|four| four == b"\r\n\r\n");
    let head = head.get(..end.unwrap_or(head.len())).unwrap_or_default();
    model::elements(&values(head, "sec-websocket-extensions").join(","), sender)
}

fn first_offer(request: &[u8]) -> Option<Parameters> {
    let offers = elements_of(request, Sender::Client);
    offers.into_iter().find_map(|offer| match offer {
        Element::Deflate(parameters) => Some(parameters),
        Element::BadDeflate(_) | Element::Other(_) => None,
    })
}

impl Session {
    /// The answer to this request, and what it comes to; an error says why the session cannot be run.
    fn answer(&self, compression: &Compression, request: &[u8]) -> Result<Parameters, String> {
        let Some(offer) = first_offer(request) else {
            return Err(String::from("does not offer permessage-deflate"));
        };
        let short_of = |what: &str| Err(format!("its offer of permessage-deflate is {what}"));
        match compression.wrong {
            None | Some(Wrong::Always) => {}
            Some(Wrong::WithoutClientBits) if offer.client_max_window_bits.is_none() => {}
            Some(Wrong::WithServerNoTakeover) if offer.server_no_context_takeover => {}
            Some(Wrong::WithServerBits) if offer.server_max_window_bits.is_some_and(|bits| bits < 15) => {}
            Some(_) => return short_of("one to which this answer is not wrong"),
        }
        let mut answer = compression.answer;
        answer.server_no_context_takeover |= offer.server_no_context_takeover;
        if let Some(most) = offer.server_max_window_bits {
            answer.server_max_window_bits = Some(answer.server_max_window_bits.map_or(most, |bits| bits.min(most)));
        }
        if answer.client_max_window_bits.is_some() && offer.client_max_window_bits.is_none() {
            return short_of("without client_max_window_bits");
        }
        Ok(answer)
    }

    /// The bytes for an endpoint that has sent this request. An error says why the session cannot be run.
    pub(crate) fn answered_to(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        let mut bytes = self.bytes_for(&key_of(request).unwrap_or_default());
        if let Some(compression) = &self.compression {
            let answer = self.answer(compression, request)?;
            put_answer(&mut bytes, &answer);
            self.can_be_run(Some(answer))?;
        }
        Ok(bytes)
    }

    /// What is agreed about compression, the endpoint having sent this.
    pub(crate) fn agreed(&self, sent: &[u8]) -> Option<Parameters> {
        let compression = self.compression.as_ref()?;
        match self.role {
            Role::Server => {
                let offers = elements_of(self.bytes.get(..self.head_len)?, Sender::Client);
                model::agreement(&offers, &elements_of(sent, Sender::Server)).ok()?
            }
            Role::Client if compression.wrong.is_some() => None,
            Role::Client => self.answer(compression, sent).ok(),
        }
    }

    /// Whether its frames are legal, or wrong as they are meant to be, with what is agreed. An error says why not.
    pub(crate) fn can_be_run(&self, agreed: Option<Parameters>) -> Result<(), String> {
        let Some(compression) = &self.compression else {
            return Ok(());
        };
        if compression.negotiates_only || compression.wrong.is_some() {
            return Ok(());
        }
        let Some(agreed) = agreed else {
            return Err(String::from("does not agree to permessage-deflate"));
        };
        let heard = direction(self.role.peer(), &agreed);
        let needed = compression.deflate;
        if needed.takeover && !heard.takeover {
            return Err(String::from("agrees to permessage-deflate without context takeover"));
        }
        let fits = match compression.goes_beyond {
            true => heard.window_bits <= needed.window_bits,
            false => heard.window_bits >= needed.window_bits,
        };
        if !fits {
            return Err(format!(
                "agrees to permessage-deflate with a window of {} bits",
                heard.window_bits
            ));
        }
        Ok(())
    }
}

/// How messages are compressed that an endpoint in this role sends.
pub(crate) fn direction(sender: Role, agreed: &Parameters) -> Deflate {
    match sender {
        Role::Server => Deflate {
            takeover: !agreed.server_no_context_takeover,
            window_bits: agreed.server_max_window_bits.unwrap_or(15),
        },
        Role::Client => Deflate {
            takeover: !agreed.client_no_context_takeover,
            window_bits: agreed.client_max_window_bits.flatten().unwrap_or(15),
        },
    }
}
