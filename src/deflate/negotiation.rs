//! The negotiation (RFC 7692 sections 5 and 7.1), as functions over the elements of `Sec-WebSocket-Extensions`.

use super::agreement::{
    CLIENT_MAX_WINDOW_BITS, CLIENT_NO_CONTEXT_TAKEOVER, DeflateAgreement, Direction, NAME, ParamText, Params,
    SERVER_MAX_WINDOW_BITS, SERVER_NO_CONTEXT_TAKEOVER,
};
use super::options::DeflateOptions;
use crate::handshake::{Extension, HandshakeError, ParamValue};

impl DeflateOptions {
    /// A server's decision: the first of the client's offers that is acceptable, and what to answer
    /// ([`DeflateAgreement::as_str`]). `None` means that the response leaves the extension out. An offer that breaks a rule
    /// is passed over; it fails nothing.
    ///
    /// ```
    /// use sockless::deflate::DeflateOptions;
    /// use sockless::handshake::Extension;
    ///
    /// let offers = ["permessage-deflate; client_max_window_bits; server_max_window_bits=10"];
    /// let offers = offers.iter().filter_map(|offer| Extension::parse(offer));
    /// let agreed = DeflateOptions::new().accept(offers).unwrap();
    /// assert_eq!(agreed.as_str(), "permessage-deflate; server_max_window_bits=10");
    /// ```
    pub fn accept<'a>(&self, offers: impl IntoIterator<Item = Extension<'a>>) -> Option<DeflateAgreement> {
        offers
            .into_iter()
            .filter(|offer| offer.name() == NAME)
            .find_map(|offer| {
                let offer = Params::parse(offer).ok()?;
                Some(self.answer(&offer))
            })
    }

    /// The answer to an offer that breaks no rule.
    fn answer(&self, offer: &Params) -> DeflateAgreement {
        // "If the peer server receives [server_no_context_takeover], it MUST" answer it (section 7.1.1.1), and likewise a
        // window that is not larger than the offered one (section 7.1.2.1). Unasked for, it may.
        let server_max_window_bits = offer
            .server_max_window_bits
            .map(|offered| offered.min(self.send_window_bits));
        // A limit may be set only where the client has said that it knows how to be limited (section 7.1.2.2). Its hint
        // binds it only where it is answered.
        let client_max_window_bits = offer
            .client_max_window_bits
            .map(|hint| hint.unwrap_or(15).min(self.receive_window_bits))
            .filter(|&bits| bits < 15);
        let receive_window_bits = client_max_window_bits.unwrap_or(15);
        let too_large = receive_window_bits > self.receive_window_bits;
        let answer = Params {
            server_no_context_takeover: offer.server_no_context_takeover || !self.send_takeover,
            client_no_context_takeover: offer.client_no_context_takeover || !self.receive_takeover || too_large,
            server_max_window_bits,
            client_max_window_bits: client_max_window_bits.map(Some),
        };
        DeflateAgreement {
            send: Direction {
                takeover: !answer.server_no_context_takeover,
                window_bits: server_max_window_bits.unwrap_or(self.send_window_bits),
            },
            receive: Direction {
                takeover: !answer.client_no_context_takeover,
                window_bits: receive_window_bits,
            },
            sending: self.sending,
            response: ParamText::new(&answer),
        }
    }

    /// A client's judgement of the elements that the server has answered, after it sent [`offer`](Self::offer). `None`
    /// means that the server has declined.
    ///
    /// # Errors
    /// The rule that the server broke: "the peer client MUST _Fail the WebSocket Connection_" (section 5.2).
    pub fn judge<'a>(
        &self,
        answers: impl IntoIterator<Item = Extension<'a>>,
    ) -> Result<Option<DeflateAgreement>, HandshakeError> {
        let mut agreed = None;
        for answer in answers.into_iter().filter(|answer| answer.name() == NAME) {
            if agreed.is_some() {
                return Err(HandshakeError::ExtensionConflict);
            }
            let params = Params::parse(answer)?;
            agreed = Some(self.agree(&self.offered(), &params)?);
        }
        Ok(agreed)
    }

    fn agree(&self, offer: &Params, answer: &Params) -> Result<DeflateAgreement, HandshakeError> {
        if offer.server_no_context_takeover && !answer.server_no_context_takeover {
            return Err(HandshakeError::DeflateTakeover);
        }
        if let Some(asked) = offer.server_max_window_bits {
            if answer.server_max_window_bits.is_none_or(|answered| answered > asked) {
                return Err(HandshakeError::DeflateWindow);
            }
        }
        let client_max_window_bits = match (offer.client_max_window_bits, answer.client_max_window_bits) {
            (_, None) => None,
            (None, Some(_)) => return Err(HandshakeError::DeflateWindowNotAsked),
            (Some(_), Some(None)) => return Err(HandshakeError::DeflateParameterValue),
            (Some(_), Some(Some(bits))) => Some(bits),
        };
        Ok(DeflateAgreement {
            send: Direction {
                takeover: self.send_takeover && !answer.client_no_context_takeover,
                // An answer above the hint is of no use, and does no harm.
                window_bits: client_max_window_bits.unwrap_or(15).min(self.send_window_bits),
            },
            receive: Direction {
                takeover: !answer.server_no_context_takeover,
                window_bits: answer.server_max_window_bits.unwrap_or(15),
            },
            sending: self.sending,
            response: ParamText::new(answer),
        })
    }
}

impl Params {
    fn parse(extension: Extension<'_>) -> Result<Self, HandshakeError> {
        let mut params = Self::default();
        for (name, value) in extension.params() {
            match name {
                SERVER_NO_CONTEXT_TAKEOVER => flag(&mut params.server_no_context_takeover, value)?,
                CLIENT_NO_CONTEXT_TAKEOVER => flag(&mut params.client_no_context_takeover, value)?,
                SERVER_MAX_WINDOW_BITS => {
                    let bits = window_bits(value.ok_or(HandshakeError::DeflateParameterValue)?)?;
                    once(&mut params.server_max_window_bits, bits)?;
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = value.map(window_bits).transpose()?;
                    once(&mut params.client_max_window_bits, bits)?;
                }
                _ => return Err(HandshakeError::DeflateParameterUnknown),
            }
        }
        Ok(params)
    }
}

/// A parameter without a value.
fn flag(flag: &mut bool, value: Option<ParamValue<'_>>) -> Result<(), HandshakeError> {
    if value.is_some() {
        return Err(HandshakeError::DeflateParameterValue);
    }
    if core::mem::replace(flag, true) {
        return Err(HandshakeError::DeflateParameterRepeated);
    }
    Ok(())
}

fn once<T>(to: &mut Option<T>, value: T) -> Result<(), HandshakeError> {
    match to.replace(value) {
        None => Ok(()),
        Some(_) => Err(HandshakeError::DeflateParameterRepeated),
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (section 7.1.2).
fn window_bits(value: ParamValue<'_>) -> Result<u8, HandshakeError> {
    let known = [
        ("8", 8),
        ("9", 9),
        ("10", 10),
        ("11", 11),
        ("12", 12),
        ("13", 13),
        ("14", 14),
        ("15", 15),
    ];
    known
        .iter()
        .find(|(text, _)| value == *text)
        .map(|&(_, bits)| bits)
        .ok_or(HandshakeError::DeflateParameterValue)
}
