//! Certificates of an authority made for the test, and a TLS server on the standard library.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

/// A certificate with its key, and the authority that signed it.
pub struct Identity {
    pub authority_pem: String,
    certificate: rustls::pki_types::CertificateDer<'static>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
}

static BOTH: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];
static OLD: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS12];

/// A certificate for these names.
pub fn identity(names: &[&str]) -> Identity {
    identity_until(names, 4096)
}

/// A certificate for these names whose time ended with this year.
pub fn identity_until(names: &[&str], year: i32) -> Identity {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.key_usages =
        vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::DigitalSignature];
    authority.distinguished_name.push(rcgen::DnType::CommonName, "The authority of this test");
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let root = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, authority_key);

    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    params.not_after = rcgen::date_time_ymd(year, 12, 31);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    Identity {
        authority_pem: root.pem(),
        certificate: certificate.der().clone(),
        key: rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        versions: &BOTH,
    }
}

impl Identity {
    /// A server that speaks TLS 1.2 only.
    pub fn tls12_only(mut self) -> Self {
        self.versions = &OLD;
        self
    }

    pub fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions of the provider")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }
}

type Session<'a> = rustls::StreamOwned<rustls::ServerConnection, &'a TcpStream>;

/// The server side of a handshake.
pub fn accept<'a>(
    stream: &'a TcpStream,
    config: &Arc<rustls::ServerConfig>,
) -> io::Result<Session<'a>> {
    let connection = rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut session = rustls::StreamOwned::new(connection, stream);
    session.conn.complete_io(&mut session.sock)?;
    Ok(session)
}

/// Reading and writing the same session; only one thread does either.
pub struct Half<'a, 'b>(pub &'a Mutex<Session<'b>>);

impl Read for Half<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

impl Write for Half<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
