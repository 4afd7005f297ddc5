//! TLS with a certificate that is made when the program starts.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::Exit;
use super::stop::Stop;

/// How long a client may take for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A new certificate of this name for 127.0.0.1, as PEM, and what serves with it the protocols that it is told.
pub(crate) fn acceptor(name: &str, protocols: &[&str]) -> Result<(String, TlsAcceptor), Exit> {
    make(name, protocols).map_err(|error| Exit(Exit::FAILED, format!("cannot make a certificate: {error}")))
}

fn make(name: &str, protocols: &[&str]) -> Result<(String, TlsAcceptor), Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    // Certificates of one name are taken for one another.
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok((certificate.pem(), TlsAcceptor::from(Arc::new(config))))
}

/// Shakes hands with a client. There is nobody to talk to if the program is to end first.
pub(crate) async fn accept(
    tls: &TlsAcceptor,
    stream: TcpStream,
    stop: &mut Stop,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    tokio::select! {
        stream = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => stream?.map(Some),
        () = stop.asked() => Ok(None),
    }
}
