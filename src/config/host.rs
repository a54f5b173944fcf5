//! Hosts of backends: KrakenD's cleaning and what is connected to in the end.
//! Source: docs/reference/lura-core.md 1.7, 3.3.

use super::node::NodeId;

/// How a backend is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// One host, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// As it goes in front of the path: `http://users.local:8000`, with a prefix when it was not
    /// to be cleaned (`http://users.local/v1`).
    pub text: String,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Name or address, IPv6 without brackets.
    pub name: String,
    /// Port, 80 or 443 when none is written.
    pub port: u16,
    /// What goes into the `Host` field: name and port as written, IPv6 in brackets.
    pub authority: String,
    /// Path in front of every `url_pattern`, without a last slash cut off; mostly empty.
    pub prefix: String,
    /// The text in the file.
    pub at: NodeId,
}
