//! What `client_tls` means, as rustls needs it. Built off the loop, shared by all workers.
//! Keys and their defaults: docs/reference/lura-core.md 1.9.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, NamedGroup, RootCertStore, SignatureScheme, SupportedProtocolVersion, version,
};

use super::verify::AnyCertificate;

/// Protocol versions that can be spoken. Older ones are not implemented: a minimum of TLS 1.0 or 1.1
/// is the caller's to read as 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// The options of one `client_tls` object, files already read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsClientOptions {
    /// `allow_insecure_connections`: any certificate will do.
    pub insecure: bool,
    /// `ca_certs`: PEM text of each file.
    pub ca_certs: Vec<Vec<u8>>,
    /// `disable_system_ca_pool`: only `ca_certs` are trusted.
    pub disable_system_ca_pool: bool,
    /// None: TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// None: TLS 1.3.
    pub max_version: Option<TlsVersion>,
    /// IANA group numbers in order of preference (23 P-256, 24 P-384, 29 X25519, 4588
    /// X25519MLKEM768); empty: rustls's order. 25 (P-521) is not implemented and left out.
    pub curve_preferences: Vec<u16>,
    /// IANA suite numbers for TLS 1.2; empty: all ECDHE AEAD suites. TLS 1.3 suites always stay.
    pub cipher_suites: Vec<u16>,
    /// `client_certs`: shown when the server asks.
    pub client_certs: Vec<ClientCertificate>,
    /// Protocols to offer (ALPN), such as `h2`; empty: none.
    pub alpn: Vec<Vec<u8>>,
}

/// A certificate chain and its key, PEM text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    pub certificate: Vec<u8>,
    pub private_key: Vec<u8>,
}

/// Why options cannot work. `n` counts from 0 in the list that the text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsConfigError {
    /// `min_version` is above `max_version`: no handshake could succeed.
    NoVersion,
    /// None of `curve_preferences` is implemented.
    NoCurve,
    /// None of `cipher_suites` is implemented, and TLS 1.2 is all that is allowed.
    NoSuite,
    /// An entry of `ca_certs` holds no certificate or a broken one.
    CaCertificate { n: usize, why: String },
    /// No certificate is trusted at all: the system's pool is off or empty, and `ca_certs` too.
    NoRoots,
    /// The certificate of an entry of `client_certs` cannot be read.
    ClientCertificate { n: usize, why: String },
    /// The key of an entry of `client_certs` cannot be read or does not fit the certificate.
    ClientKey { n: usize, why: String },
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVersion => out.write_str("min_version is above max_version"),
            Self::NoCurve => out.write_str(
                "curve_preferences names no supported curve (supported: 23, 24, 29, 4588)",
            ),
            Self::NoSuite => out.write_str("cipher_suites names no supported suite for TLS 1.2"),
            Self::CaCertificate { n, why } => write!(out, "ca_certs[{n}]: {why}"),
            Self::NoRoots => out.write_str("no CA certificate to trust"),
            Self::ClientCertificate { n, why } => {
                write!(out, "client_certs[{n}].certificate: {why}")
            }
            Self::ClientKey { n, why } => write!(out, "client_certs[{n}].private_key: {why}"),
        }
    }
}

impl std::error::Error for TlsConfigError {}

/// A ready configuration; cheap to clone.
#[derive(Clone)]
pub struct TlsClientConfig(Arc<ClientConfig>);

impl TlsClientConfig {
    /// Checks the options and reads certificates and keys. Slow (the system's pool is read once):
    /// not for workers.
    pub fn build(options: &TlsClientOptions) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(provider(options)?);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions(options)?)
            .map_err(|_| TlsConfigError::NoSuite)?;
        let builder = if options.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider.clone())))
        } else {
            builder.with_root_certificates(roots(options)?)
        };
        let mut config = match client_keys(options, &provider)? {
            keys if keys.is_empty() => builder.with_no_client_auth(),
            keys => builder.with_client_cert_resolver(Arc::new(ClientKeys(keys))),
        };
        config.alpn_protocols.clone_from(&options.alpn);
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn rustls(&self) -> Arc<ClientConfig> {
        self.0.clone()
    }
}

impl fmt::Debug for TlsClientConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TlsClientConfig")
    }
}

fn versions(
    options: &TlsClientOptions,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsConfigError> {
    let min = options.min_version.unwrap_or(TlsVersion::Tls12);
    let max = options.max_version.unwrap_or(TlsVersion::Tls13);
    let all = [(TlsVersion::Tls13, &version::TLS13), (TlsVersion::Tls12, &version::TLS12)];
    let allowed: Vec<_> = all
        .into_iter()
        .filter_map(|(version, known)| (min..=max).contains(&version).then_some(known))
        .collect();
    if allowed.is_empty() { Err(TlsConfigError::NoVersion) } else { Ok(allowed) }
}

fn provider(options: &TlsClientOptions) -> Result<CryptoProvider, TlsConfigError> {
    let mut provider = aws_lc_rs::default_provider();
    if !options.curve_preferences.is_empty() {
        let known = aws_lc_rs::ALL_KX_GROUPS;
        let group = |number: &u16| -> Option<&'static dyn SupportedKxGroup> {
            known.iter().copied().find(|group| group.name() == NamedGroup::from(*number))
        };
        provider.kx_groups = options.curve_preferences.iter().filter_map(group).collect();
        if provider.kx_groups.is_empty() {
            return Err(TlsConfigError::NoCurve);
        }
    }
    if !options.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| {
            suite.tls13().is_some() || options.cipher_suites.contains(&suite.suite().into())
        });
    }
    Ok(provider)
}

/// The system's pool, read once. Certificates in it that cannot be parsed are left out.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

fn roots(options: &TlsClientOptions) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    if !options.disable_system_ca_pool {
        roots.extend(system_roots().roots.iter().cloned());
    }
    for (n, pem) in options.ca_certs.iter().enumerate() {
        let wrong = |why: String| TlsConfigError::CaCertificate { n, why };
        for certificate in certificates(pem).map_err(wrong)? {
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    if roots.is_empty() { Err(TlsConfigError::NoRoots) } else { Ok(roots) }
}

/// All certificates of a PEM text, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("not PEM: {error}"))?;
    if found.is_empty() { Err("holds no certificate in PEM".to_owned()) } else { Ok(found) }
}

fn client_keys(
    options: &TlsClientOptions,
    provider: &CryptoProvider,
) -> Result<Vec<Arc<CertifiedKey>>, TlsConfigError> {
    let read = |(n, pair): (usize, &ClientCertificate)| {
        let chain = certificates(&pair.certificate)
            .map_err(|why| TlsConfigError::ClientCertificate { n, why })?;
        let wrong = |why: String| TlsConfigError::ClientKey { n, why };
        let key = PrivateKeyDer::from_pem_slice(&pair.private_key)
            .map_err(|error| wrong(format!("holds no key in PEM: {error}")))?;
        let key = CertifiedKey::from_der(chain, key, provider)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Arc::new(key))
    };
    options.client_certs.iter().enumerate().map(read).collect()
}

/// Shows the first certificate whose key can sign what the server understands.
#[derive(Debug)]
struct ClientKeys(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for ClientKeys {
    fn resolve(
        &self,
        _issuers: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.iter().find(|pair| pair.key.choose_scheme(schemes).is_some()).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_named() {
        let none = TlsClientOptions::default;
        let insecure = TlsClientOptions { insecure: true, ..none() };
        for (case, options, expected) in [
            (
                "versions",
                TlsClientOptions {
                    min_version: Some(TlsVersion::Tls13),
                    max_version: Some(TlsVersion::Tls12),
                    ..insecure.clone()
                },
                "min_version is above max_version",
            ),
            (
                "curves",
                TlsClientOptions { curve_preferences: vec![25], ..insecure.clone() },
                "curve_preferences names no supported curve (supported: 23, 24, 29, 4588)",
            ),
            (
                "suites",
                TlsClientOptions {
                    cipher_suites: vec![5],
                    max_version: Some(TlsVersion::Tls12),
                    ..insecure.clone()
                },
                "cipher_suites names no supported suite for TLS 1.2",
            ),
            (
                "nothing trusted",
                TlsClientOptions { disable_system_ca_pool: true, ..none() },
                "no CA certificate to trust",
            ),
            (
                "CA without PEM",
                TlsClientOptions { ca_certs: vec![b"hello".to_vec()], ..none() },
                "ca_certs[0]: holds no certificate in PEM",
            ),
            (
                "client certificate",
                TlsClientOptions {
                    client_certs: vec![ClientCertificate {
                        certificate: Vec::new(),
                        private_key: Vec::new(),
                    }],
                    ..insecure.clone()
                },
                "client_certs[0].certificate: holds no certificate in PEM",
            ),
        ] {
            let error = TlsClientConfig::build(&options).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(expected), "{case}");
        }
    }

    #[test]
    fn curves_and_suites_are_kept_in_order() {
        let options = TlsClientOptions {
            curve_preferences: vec![25, 24, 23, 29],
            cipher_suites: vec![0xC02F],
            ..TlsClientOptions::default()
        };
        let provider = provider(&options).expect("three curves are known");
        let groups: Vec<u16> = provider.kx_groups.iter().map(|g| u16::from(g.name())).collect();
        assert_eq!(groups, [24, 23, 29]);
        let suites: Vec<u16> = provider
            .cipher_suites
            .iter()
            .filter(|suite| suite.tls13().is_none())
            .map(|suite| suite.suite().into())
            .collect();
        assert_eq!(suites, [0xC02F]);
    }
}
