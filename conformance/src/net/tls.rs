//! TLS around the connections: a tunnel on this machine, with plain bytes at one end and TLS at the other, so that sessions
//! are run over it as over any stream.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme,
};

use super::Tls;

/// A tunnel to a server: who connects to this address is connected to the server, over TLS.
pub(super) fn to_server(host: &str, port: u16, tls: &Tls) -> Result<SocketAddr, String> {
    let config = Arc::new(client_config(tls)?);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|error| error.to_string())?;
    let host = host.trim_matches(['[', ']']).to_owned();
    tunnel("127.0.0.1:0", move |plain| {
        let secure = TcpStream::connect((host.as_str(), port))?;
        let connection = ClientConnection::new(Arc::clone(&config), name.clone()).map_err(io::Error::other)?;
        pump(plain, secure, connection.into())
    })
}

/// A tunnel to a listener of ours: who connects to `address` over TLS is connected to `to`.
pub(super) fn to_listener(address: &str, to: SocketAddr, tls: &Tls) -> Result<SocketAddr, String> {
    let config = Arc::new(server_config(tls)?);
    tunnel(address, move |secure| {
        let plain = TcpStream::connect(to)?;
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        pump(plain, secure, connection.into())
    })
}

/// Listens for as long as the process runs.
fn tunnel(
    address: &str,
    connect: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    let connect = Arc::new(connect);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connect = Arc::clone(&connect);
            // What breaks is seen at the other end: the stream ends.
            std::thread::spawn(move || connect(stream));
        }
    });
    Ok(bound)
}

/// Carries bytes both ways until both streams have ended.
fn pump(mut plain: TcpStream, mut secure: TcpStream, mut tls: Connection) -> io::Result<()> {
    for stream in [&plain, &secure] {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
    }
    tls.set_buffer_limit(None);
    let mut bytes = vec![0; 1 << 16];
    let mut arrived: Vec<u8> = Vec::new();
    let (mut plain_ended, mut secure_ended, mut shut) = (false, false, false);
    loop {
        let mut idle = true;
        if !plain_ended && !tls.is_handshaking() && !tls.wants_write() {
            match unless_blocked(plain.read(&mut bytes))? {
                Some(0) => {
                    plain_ended = true;
                    tls.send_close_notify();
                    idle = false;
                }
                Some(len) => {
                    tls.writer().write_all(bytes.get(..len).unwrap_or_default())?;
                    idle = false;
                }
                None => {}
            }
        }
        while tls.wants_write() && unless_blocked(tls.write_tls(&mut secure))?.is_some() {
            idle = false;
        }
        if !secure_ended && arrived.is_empty() {
            match unless_blocked(tls.read_tls(&mut secure))? {
                Some(0) => secure_ended = true,
                Some(_) => {
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    arrived.resize(state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(&mut arrived)?;
                    secure_ended = state.peer_has_closed();
                    idle = false;
                }
                None => {}
            }
        }
        if !arrived.is_empty()
            && let Some(len) = unless_blocked(plain.write(&arrived))?
        {
            arrived.drain(..len);
            idle = false;
        }
        if secure_ended && arrived.is_empty() && !shut {
            shut = true;
            plain.shutdown(std::net::Shutdown::Write)?;
        }
        if plain_ended && secure_ended && arrived.is_empty() && !tls.wants_write() {
            return Ok(());
        }
        if idle {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// `None`: nothing can be done now.
fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    read.map_err(|error| format!("{file}: {error}"))
}

fn client_config(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if tls.insecure {
        let any = Arc::new(AnyCertificate(provider));
        let builder = builder.dangerous().with_custom_certificate_verifier(any);
        return Ok(builder.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    match &tls.authorities {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| format!("{file}: {error}"))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn server_config(tls: &Tls) -> Result<ServerConfig, String> {
    let Some((certificate, key)) = &tls.certificate else {
        return Err(String::from("a server needs a certificate and its key"));
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{key}: {error}"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = builder.with_no_client_auth();
    builder
        .with_single_cert(certificates(certificate)?, private)
        .map_err(|error| error.to_string())
}

/// Takes any certificate, as somebody wants who tests a server with one of its own making.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
