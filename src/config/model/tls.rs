//! `client_tls`: TLS towards backends. Source: docs/reference/lura-core.md 1.9.

use super::Reading;
use crate::config::known::{Scope, check_keys};
use crate::config::node::{Node, NodeId};
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

impl TlsClient {
    /// `client_tls`, and the root's old `allow_insecure_connections`, which makes one of its own.
    pub(super) fn read(root: Node<'_>, reading: &mut Reading<'_>) -> Option<TlsClient> {
        let insecure_key = "allow_insecure_connections";
        let old_switch = root.field(insecure_key, reading.found).unwrap_or(false);
        let block = root.get("client_tls").filter(|block| block.expect_table(reading.found));
        let mut tls = TlsClient {
            at: block.unwrap_or(root).id(),
            allow_insecure_connections: old_switch,
            ca_certs: Vec::new(),
            disable_system_ca_pool: false,
            min_version: TlsVersion::Tls13,
            max_version: TlsVersion::Tls13,
            // P-521, P-384, P-256: Go's list in KrakenD, without X25519.
            curve_preferences: vec![25, 24, 23],
            cipher_suites: vec![0xC02F, 0xC02B, 0xC030, 0xC02C, 0xCCA8, 0xCCA9],
            client_certs: Vec::new(),
        };
        let Some(block) = block else { return old_switch.then_some(tls) };
        check_keys(block, Scope::ClientTls, reading.found);
        tls.allow_insecure_connections |= block.field(insecure_key, reading.found).unwrap_or(false);
        tls.disable_system_ca_pool =
            block.field("disable_system_ca_pool", reading.found).unwrap_or(false);
        tls.min_version = version(block, "min_version", reading);
        tls.max_version = version(block, "max_version", reading);
        if tls.min_version > tls.max_version {
            let at = block.get("max_version").unwrap_or(block);
            reading
                .found
                .error(at, "max_version is below min_version: no handshake can succeed")
                .help("a version that is not set means TLS13: set min_version to TLS12 too");
        }
        if let Some(curves) = numbers(block, "curve_preferences", reading) {
            tls.curve_preferences = curves;
        }
        if let Some(suites) = numbers(block, "cipher_suites", reading) {
            tls.cipher_suites = suites;
        }
        tls.ca_certs = block
            .get("ca_certs")
            .into_iter()
            .flat_map(Node::elements)
            .filter_map(|node| NamedFile::read(node, reading))
            .collect();
        tls.client_certs = block
            .get("client_certs")
            .into_iter()
            .flat_map(Node::elements)
            .filter_map(|node| ClientCertificate::read(node, reading))
            .collect();
        Some(tls)
    }
}

fn version(block: Node<'_>, key: &str, reading: &mut Reading<'_>) -> TlsVersion {
    let Some(node) = block.get(key) else { return TlsVersion::Tls13 };
    let Some(text) = node.read::<String>(reading.found) else { return TlsVersion::Tls13 };
    match (text.as_str(), key) {
        ("TLS12", _) => TlsVersion::Tls12,
        ("TLS13" | "", _) => TlsVersion::Tls13,
        ("SSL3.0" | "TLS10" | "TLS11", "min_version") => {
            reading
                .found
                .warn(node, format!("{} is never spoken, TLS 1.2 is the oldest", node.shown()));
            TlsVersion::Tls12
        }
        ("SSL3.0" | "TLS10" | "TLS11", _) => {
            reading.found.refuse(node, "is never spoken", "TLS12, TLS13");
            TlsVersion::Tls13
        }
        _ => {
            let words = format!("{} is not a version, TLS13 is meant", node.shown());
            reading.found.doubt(node, words).allowed("TLS12, TLS13");
            TlsVersion::Tls13
        }
    }
}

/// IANA numbers; an empty list is none at all.
fn numbers(block: Node<'_>, key: &str, reading: &mut Reading<'_>) -> Option<Vec<u16>> {
    let mut list = Vec::new();
    for node in block.get(key)?.elements() {
        let number: i64 = node.read(reading.found)?;
        match u16::try_from(number) {
            Ok(number) => list.push(number),
            Err(_) => {
                reading.found.refuse(node, "is out of range", "0 to 65535");
            }
        }
    }
    (!list.is_empty()).then_some(list)
}

impl NamedFile {
    /// KrakenD logs a file that cannot be read and goes on without it; here it is a warning.
    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<NamedFile> {
        let path: String = node.read(reading.found)?;
        let content = match (reading.files)(&path) {
            Ok(bytes) => Some(bytes.into()),
            Err(why) => {
                let words = format!("{} cannot be read and is left out: {why}", node.shown());
                reading.found.warn(node, words);
                None
            }
        };
        Some(NamedFile { path, content, at: node.id() })
    }
}

impl ClientCertificate {
    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<ClientCertificate> {
        if !node.expect_table(reading.found) {
            return None;
        }
        check_keys(node, Scope::ClientCertificate, reading.found);
        let mut half = |key: &str| match node.get(key) {
            Some(file) => NamedFile::read(file, reading),
            None => {
                reading
                    .found
                    .error(node, format!("no {key}"))
                    .allowed("certificate and private_key");
                None
            }
        };
        let (certificate, private_key) = (half("certificate"), half("private_key"));
        Some(ClientCertificate { certificate: certificate?, private_key: private_key? })
    }
}
