//! `client_tls`: TLS towards backends. Source: docs/reference/lura-core.md 1.9.

use crate::config::node::NodeId;
use std::fmt;
use std::sync::Arc;

/// A protocol version that can be negotiated; older ones are refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `TLS12`
    Tls12,
    /// `TLS13`
    Tls13,
}

/// A file that the configuration names, with its content as it was when the file was read.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The path as written.
    pub path: String,
    /// The content; `None` when it could not be read: told as a warning, and the file is left out.
    pub content: Option<Arc<[u8]>>,
    /// Where the configuration names it.
    pub at: NodeId,
}

impl fmt::Debug for NamedFile {
    /// Never shows the content: it may be a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedFile({:?}, read: {})", self.path, self.content.is_some())
    }
}

/// One client certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// `certificate`: PEM.
    pub certificate: NamedFile,
    /// `private_key`: PEM.
    pub private_key: NamedFile,
}

/// TLS towards backends. A bare object means TLS 1.3 alone, as in KrakenD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsClient {
    /// `client_tls`, or the root when only `allow_insecure_connections` stands there.
    pub at: NodeId,
    /// `allow_insecure_connections`: certificates are not verified. Also the root's old key.
    pub allow_insecure_connections: bool,
    /// `ca_certs`: roots besides the system's.
    pub ca_certs: Vec<NamedFile>,
    /// `disable_system_ca_pool`: only `ca_certs` are trusted.
    pub disable_system_ca_pool: bool,
    /// `min_version`: `TLS12` or `TLS13` (default).
    pub min_version: TlsVersion,
    /// `max_version`: `TLS12` or `TLS13` (default).
    pub max_version: TlsVersion,
    /// `curve_preferences`: IANA numbers in order; default 25, 24, 23 (P-521, P-384, P-256).
    pub curve_preferences: Vec<u16>,
    /// `cipher_suites`: IANA numbers for TLS 1.2, in order.
    pub cipher_suites: Vec<u16>,
    /// `client_certs`: shown to backends that ask for one.
    pub client_certs: Vec<ClientCertificate>,
}
