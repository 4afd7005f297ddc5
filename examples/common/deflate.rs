//! Compressed messages, in examples that are built with `--features deflate`. The option is `--deflate`.

pub(crate) use built::*;

#[cfg(feature = "deflate")]
mod built {
    use sockless::connection::{Extensions, Role};
    use sockless::deflate::{DeflateAgreement, DeflateOptions};
    use sockless::entropy::Entropy;
    use sockless::handshake::Upgrade;
    use sockless::{BufferedClientHandshake, BufferedConnection};

    pub(crate) const IS_BUILT: bool = true;
    pub(crate) const EXTENSIONS: Extensions = Extensions::COMPRESSION;

    /// What was agreed to; nothing if the client has not offered it.
    pub(crate) struct Agreement(Option<DeflateAgreement>);

    impl Agreement {
        /// Answers an offer, if it is wanted.
        pub(crate) fn new(wanted: bool, upgrade: &Upgrade<'_>) -> Self {
            let offers = wanted.then(|| upgrade.request().extensions());
            Self(offers.and_then(|offers| DeflateOptions::new().accept(offers)))
        }

        /// The element of the response.
        pub(crate) fn as_str(&self) -> Option<&str> {
            self.0.as_ref().map(DeflateAgreement::as_str)
        }

        pub(crate) fn apply<R: Role>(&self, ws: BufferedConnection<R>) -> BufferedConnection<R> {
            match &self.0 {
                Some(agreed) => ws.with_deflate(agreed),
                None => ws,
            }
        }
    }

    /// What a client offers.
    pub(crate) fn offer() -> String {
        DeflateOptions::new().offer().as_str().to_owned()
    }

    /// A client that judges the answer.
    pub(crate) fn offered<E: Entropy>(handshake: BufferedClientHandshake<'_, E>) -> BufferedClientHandshake<'_, E> {
        handshake.with_deflate(DeflateOptions::new())
    }
}

#[cfg(not(feature = "deflate"))]
mod built {
    use sockless::connection::Extensions;
    use sockless::handshake::Upgrade;

    pub(crate) const IS_BUILT: bool = false;
    pub(crate) const EXTENSIONS: Extensions = Extensions::NONE;

    pub(crate) struct Agreement;

    impl Agreement {
        pub(crate) fn new(_: bool, _: &Upgrade<'_>) -> Self {
            Self
        }

        pub(crate) fn as_str(&self) -> Option<&str> {
            None
        }

        pub(crate) fn apply<T>(&self, ws: T) -> T {
            ws
        }
    }

    pub(crate) fn offer() -> String {
        String::new()
    }

    pub(crate) fn offered<T>(handshake: T) -> T {
        handshake
    }
}
