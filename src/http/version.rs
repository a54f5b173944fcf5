//! The HTTP versions that the HTTP/1 codec speaks. HTTP/2 messages count as `H11` above the codec.

/// The version in a start line (RFC 9112 section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    H10,
    #[default]
    H11,
}

impl Version {
    pub fn as_str(self) -> &'static str {
        match self {
            Version::H10 => "HTTP/1.0",
            Version::H11 => "HTTP/1.1",
        }
    }
}
